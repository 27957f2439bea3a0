package strategy_test

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// gib is an amount of CPU, in cores, and of memory.
func gib(cores, memory int64) cluster.Resources {
	return cluster.Of(cluster.Millicores(cores)*cluster.Core, cluster.Bytes(memory)*cluster.GiB)
}

func TestFirstFitDecreasing(t *testing.T) {
	for _, test := range []struct {
		name    string
		demands []cluster.Resources
		want    []int32 // nil if they do not fit on three nodes of 4 cores and 8 GiB
		looks   int
	}{
		{"nobody", nil, []int32{}, 0},
		{"on the first node", []cluster.Resources{gib(1, 1), gib(1, 1)}, []int32{0, 0}, 2},
		{"the largest memory first", []cluster.Resources{gib(1, 3), gib(1, 6), gib(1, 2)}, []int32{1, 0, 0}, 4},
		{"then the most CPU", []cluster.Resources{gib(1, 2), gib(3, 2), gib(2, 2)}, []int32{0, 0, 1}, 4},
		{"the first of equals first", []cluster.Resources{gib(4, 2), gib(4, 2)}, []int32{0, 1}, 3},
		{"exactly full", []cluster.Resources{gib(4, 8), gib(4, 8), gib(4, 8)}, []int32{0, 1, 2}, 6},
		{"back to a node that is open", []cluster.Resources{gib(1, 5), gib(1, 5), gib(1, 3)}, []int32{0, 1, 0}, 4},
		{"too large", []cluster.Resources{gib(1, 9)}, nil, 3},
		{"too many", []cluster.Resources{gib(4, 1), gib(4, 1), gib(4, 1), gib(1, 1)}, nil, 9},
	} {
		free := []cluster.Resources{gib(4, 8), gib(4, 8), gib(4, 8)}
		before := slices.Clone(free)
		host, looks, ok := strategy.FirstFitDecreasing(free, test.demands)
		if ok != (test.want != nil) || !slices.Equal(host, test.want) || looks != test.looks {
			t.Errorf("%s: %v, %v after %d looks; want %v after %d", test.name, host, ok, looks, test.want, test.looks)
		}
		if !ok && !slices.Equal(free, before) {
			t.Errorf("%s: %v is free, and nobody was placed", test.name, free)
		}
	}
}

// What is left is what was there less what was placed, and never negative; and
// no VM fits on an earlier node than its own, even at the end.
func TestFirstFitDecreasingProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Custom(func(t *rapid.T) cluster.Resources {
			return gib(int64(rapid.IntRange(0, 4).Draw(t, "cores")), int64(rapid.IntRange(0, 8).Draw(t, "memory")))
		})
		before := rapid.SliceOfN(amount, 0, 6).Draw(t, "free")
		demands := rapid.SliceOfN(amount, 0, 12).Draw(t, "demands")
		free := slices.Clone(before)
		host, _, ok := strategy.FirstFitDecreasing(free, demands)
		if !ok {
			return
		}
		left := slices.Clone(before)
		for i, n := range host {
			left[n] = left[n].Minus(demands[i])
		}
		if !slices.Equal(left, free) {
			t.Fatalf("%v is left, want %v", free, left)
		}
		for i, n := range host {
			if !(cluster.Resources{}).Within(left[n]) {
				t.Fatalf("node %d has %v left", n, left[n])
			}
			for earlier := range n {
				if demands[i].Within(left[earlier]) {
					t.Fatalf("VM %d is on node %d, and fits what node %d has left", i, n, earlier)
				}
			}
		}
	})
}

func TestConsolidateFFD(t *testing.T) {
	t.Run("packs", func(t *testing.T) {
		d := strategy.ConsolidateFFD(protocol.Solve{Reports: []protocol.Report{report(3, 1, 50), report(5, 10, 100, 25), report(8, 20, 25)}}, 0)
		if !d.Found || d.Answer != "viable" || len(d.Plan.Actions) != 3 || d.Moved != 3*cluster.GiB || d.Nodes != 3 || d.VMs != 4 || d.Steps != 4 {
			t.Fatalf("%+v", d)
		}
		for _, a := range d.Plan.Actions {
			if a.Target != 3 {
				t.Errorf("%+v, want all on the first node", a)
			}
		}
	})
	t.Run("packed already", func(t *testing.T) {
		d := strategy.ConsolidateFFD(protocol.Solve{Reports: []protocol.Report{report(1, 1, 100, 100), report(2, 9)}}, 0)
		if !d.Found || d.Answer != "already-viable" || len(d.Plan.Actions) != 0 {
			t.Errorf("%+v", d)
		}
	})
	t.Run("no packing", func(t *testing.T) {
		d := strategy.ConsolidateFFD(protocol.Solve{Reports: []protocol.Report{report(1, 1, 100, 100, 100, 100, 100), report(2, 9, 100, 100, 100, 100)}}, 0)
		if d.Found || d.Answer != "exhausted" || !strings.Contains(d.Reasons, "fits no node") {
			t.Errorf("%+v", d)
		}
	})
	// Two full nodes whose VMs would have to change places, and nowhere to pass.
	t.Run("no way", func(t *testing.T) {
		a, b := report(1, 1, 300, 100), report(2, 9, 300, 100)
		a.Local.VMs[0].Demand, a.Local.VMs[1].Demand = gib(3, 3), gib(1, 2)
		b.Local.VMs[0].Demand, b.Local.VMs[1].Demand = gib(2, 6), gib(2, 2)
		d := strategy.ConsolidateFFD(protocol.Solve{Reports: []protocol.Report{a, b}}, 0)
		if d.Found || d.Answer != "exhausted" || !strings.Contains(d.Reasons, "can't be reached") || len(d.Plan.Actions) != 0 {
			t.Errorf("%+v", d)
		}
	})
}
