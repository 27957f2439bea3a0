package validation

import (
	"io/fs"
	"path"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

func TestEnergyIsThatOfThePeer(t *testing.T) {
	files, err := fs.Glob(Cases(), "energy/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("files %v, error %v", files, err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(path.Base(file), ".json")
		data, err := fs.ReadFile(Cases(), file)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Replay("energy", name, data)
		if err != nil {
			t.Error(err)
			continue
		}
		t.Logf("%-24s %2d quantities, worst error %.1e", name, r.Compared, r.Worst)
		if !r.OK() || r.Compared == 0 {
			t.Errorf("%s: %s is %v, want %v: an error of %.1e", name, r.At, r.Got, r.Want, r.Worst)
		}
	}
}

// A VM on a host that draws 120 W at the least load and 20 W for each core
// computes on a full core for 10 s, and is then capped at a fifth of one:
// 10 x 140 J + 10 x 124 J = 2640 J. The peer, which is told of the cap by
// nobody, says 2480 J unless it is read in between, and at 10 s it still draws
// what it drew before.
func TestACapOfAVMIsSeenByTheEnergyOfItsHost(t *testing.T) {
	data, err := fs.ReadFile(Cases(), "energy/quirk_vm_bound_sampled.json")
	if err != nil {
		t.Fatal(err)
	}
	var c Comparison
	if err := replayEnergy(data, sim.Right, &c); err != nil {
		t.Fatal(err)
	}
	right := map[string]float64{"joules of PM at 10 s": 1400, "watts of PM at 10 s": 124, "watts of PM at 20 s": 124, "joules of PM at 20 s": 2640}
	for _, q := range c.all {
		want, ok := right[q.Name]
		if ok && relativeError(want, q.Got) > 1e-9 {
			t.Errorf("%s are %v, want %v", q.Name, q.Got, want)
		}
		delete(right, q.Name)
		if q.Name != "watts of PM at 10 s" && relativeError(q.Want, q.Got) > 1e-9 {
			t.Errorf("%s are %v, but %v when it is read in between", q.Name, q.Got, q.Want)
		}
	}
	if len(right) > 0 {
		t.Errorf("%v were not compared", right)
	}
}
