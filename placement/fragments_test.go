package placement_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
)

func TestFragmented(t *testing.T) {
	tests := []struct {
		name  string
		nodes [][]int
		want  bool
	}{
		{"three 60s on two nodes", [][]int{{60, 60, 60}, nil}, true},
		{"five 40s on two nodes", [][]int{{40, 40, 40}, {40, 40}}, true},
		{"two 60s and two 40s", [][]int{{60, 60}, {40, 40}}, false},
		{"70s waste what 35s need", [][]int{{70, 35, 35}, {70, 35}, nil}, true},
		{"70s waste nothing", [][]int{{70, 30, 35}, {70, 30}, nil}, false},
	}
	for _, test := range tests {
		if got := placement.Fragmented(world(test.nodes...)); got != test.want {
			t.Errorf("%s: got %v", test.name, got)
		}
	}
}

// What is proven to be infeasible is so, as a look at every placement shows.
func TestFragmentedAgainstEveryPlacement(t *testing.T) {
	infeasible, proven := 0, 0
	for seed := range uint64(20_000) {
		c := smallConfiguration(rand.New(rand.NewPCG(seed, 3)))
		_, _, ok := optimum(c)
		fragmented := placement.Fragmented(c)
		if ok && fragmented {
			t.Fatalf("seed %d: a placement is viable", seed)
		}
		if !ok {
			infeasible++
		}
		if fragmented {
			proven++
		}
	}
	if proven < infeasible/2 {
		t.Errorf("%d of %d proven", proven, infeasible)
	}
}

// crowded returns nodes of 8 cores and VMs, mostly of half a core, that ask
// for the given share of them, spread without a look at who fits.
func crowded(seed uint64, nodes int, share float64) *cluster.Configuration {
	rng := rand.New(rand.NewPCG(seed, uint64(nodes)))
	c := &cluster.Configuration{}
	for n := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: cluster.Of(8*cluster.Core, 32*cluster.GiB)})
	}
	for left := int64(share * float64(nodes) * float64(8*cluster.Core)); left > 0; {
		demand := cluster.Of(cluster.Millicores(50+rng.Int64N(500)), cluster.GiB/2<<rng.IntN(2))
		if rng.IntN(12) == 0 {
			demand[cluster.CPU] = 1000 + rng.Int64N(3000)
		}
		v := len(c.VMs)
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: demand})
		c.Host = append(c.Host, int32(v%nodes))
		left -= demand[cluster.CPU]
	}
	return c
}
