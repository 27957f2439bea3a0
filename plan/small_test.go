package plan_test

import (
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// partition is four nodes of ten VMs each, of which one has too many, and the
// goal that repairs it: three migrations in two steps.
func partition() (*cluster.Configuration, []int32) {
	c := world([]int64{12, 12, 12, 12, 12, 12, 12, 12, 4, 12}, []int64{9, 9, 9, 9, 9, 9, 9, 9, 9, 18},
		[]int64{9, 9, 9, 9, 9, 9, 9, 9, 9, 8}, []int64{9, 9, 9, 9, 9, 9, 9, 9, 3, 7})
	goal := append([]int32(nil), c.Host...)
	goal[19], goal[0] = 3, 1
	goal[8] = 2
	return c, goal
}

func BenchmarkMakeSmall(b *testing.B) {
	c, goal := partition()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Make(c, goal); err != nil {
			b.Fatal(err)
		}
	}
}
