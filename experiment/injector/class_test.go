package injector

import (
	"testing"

	"github.com/dvms-project/dvms/cluster"
)

func TestSmallClasses(t *testing.T) {
	classes := SmallClasses(10, 80)
	want := Class{"m1.small-80", 1, cluster.GiB, 100_000_000, 125_000_000}
	if len(classes) != 2 || classes[1] != want {
		t.Errorf("got %v, want the second to be %v", classes, want)
	}
}

func TestDrawClasses(t *testing.T) {
	classes := SmallClasses(10, 20, 30, 40, 50)
	count := map[string]int{}
	for _, c := range DrawClasses(classes, 5000, 23) {
		count[c.Name]++
	}
	for _, c := range classes {
		if n := count[c.Name]; n < 880 || n > 1120 {
			t.Errorf("%d of 5000 VMs are %s, want about 1000", n, c.Name)
		}
	}
}

// OpenJDK 17 answers the first six nextInt(10) of seed 23 with 7 8 3 7 8 3.
func TestDrawVMPlaceSClasses(t *testing.T) {
	classes := SmallClasses(0, 1, 2, 3, 4, 5, 6, 7, 8, 9)
	for v, c := range DrawVMPlaceSClasses(classes, 6, 23) {
		if want := classes[[]int{7, 8, 3, 7, 8, 3}[v]]; c != want {
			t.Errorf("VM %d is %s, want %s", v, c.Name, want.Name)
		}
	}
}
