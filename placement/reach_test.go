package placement_test

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
)

// reachable is Problem.Reachable as a scheduler has it.
func reachable(c *cluster.Configuration) func(host []int32) ([]int32, bool) {
	return func(host []int32) ([]int32, bool) {
		_, err := plan.Make(c, host)
		return plan.Waiting(err), err == nil
	}
}

// permutations calls visit with every order of 0 to n-1.
func permutations(n int, visit func(order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var permute func(i int)
	permute = func(i int) {
		if i == n {
			visit(order)
			return
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			permute(i + 1)
			order[i], order[j] = order[j], order[i]
		}
	}
	permute(0)
}

// Of the placements of deadlock with three migrations, most have no plan.
func TestRepairReachableDeadlock(t *testing.T) {
	permutations(len(deadlock), func(order []int) {
		nodes := make([][]int, len(order))
		for i, n := range order {
			nodes[i] = deadlock[n]
		}
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			c := world(nodes...)
			r := placement.Solve(c, placement.Problem{Reachable: reachable(c)})
			if r.Answer != placement.Viable || r.Moves != 3 || !r.Optimal {
				t.Fatalf("got %+v, want 3 moves", r)
			}
			checkPlacement(t, c, r)
			p, err := plan.Make(c, r.Host)
			if err != nil || len(p.Actions) != 3 {
				t.Fatalf("plan %v, %v; want 3 migrations", p, err)
			}
		})
	})
}

func TestRepairUnreachable(t *testing.T) {
	// The two have to change places, and nobody can make room.
	c := world([]int{70, 40}, []int{60, 30})
	r := placement.Solve(c, placement.Problem{Reachable: reachable(c)})
	if r.Answer != placement.Infeasible || r.Rejected[placement.Unreachable] == 0 || r.Host != nil {
		t.Fatalf("got %+v, want infeasible as unreachable", r)
	}
}

// tightConfiguration returns up to 4 nodes and 6 VMs, tight in CPU and memory.
func tightConfiguration(rng *rand.Rand) *cluster.Configuration {
	nodes, vms := 2+rng.IntN(3), 3+rng.IntN(4)
	c := &cluster.Configuration{}
	capacity := cluster.Resources{100, 100}
	for n := range nodes {
		if rng.IntN(3) == 0 {
			capacity = cluster.Resources{80 + 10*rng.Int64N(5), 80 + 10*rng.Int64N(5)}
		}
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: capacity})
	}
	most := min(int64(20*nodes/vms)+3, 9)
	for v := range vms {
		demand := cluster.Resources{10 * (1 + rng.Int64N(most)), 10 * (1 + rng.Int64N(most))}
		switch rng.IntN(4) {
		case 0:
			demand[cluster.Memory] = 10
		case 1:
			if v > 0 {
				demand = c.VMs[rng.IntN(v)].Demand
			}
		}
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: demand})
		c.Host = append(c.Host, rng.Int32N(int32(nodes)))
	}
	return c
}

// everyPlacement calls visit with every viable placement.
func everyPlacement(c *cluster.Configuration, visit func(host []int32)) {
	after := c.Clone()
	var place func(v int)
	place = func(v int) {
		if v == len(c.VMs) {
			if after.Viable() {
				visit(after.Host)
			}
			return
		}
		for n := range c.Nodes {
			after.Host[v] = int32(n)
			place(v + 1)
		}
	}
	place(0)
}

// arbitrary is a Problem.Reachable that allows one of so many placements. It
// sees which demands go from where to where, and no more.
func arbitrary(c *cluster.Configuration, of uint64) func(host []int32) ([]int32, bool) {
	return func(host []int32) ([]int32, bool) {
		moves := make([]string, len(host))
		for v := range host {
			moves[v] = fmt.Sprint(c.VMs[v].Demand, c.Host[v], host[v])
		}
		slices.Sort(moves)
		h := fnv.New64a()
		fmt.Fprint(h, moves)
		return nil, h.Sum64()>>20%of == 0
	}
}

// Repair finds the least memory of all placements that have a plan, or are
// reachable by another rule, and none if there is none, as a look at every
// placement shows.
func TestRepairReachableAgainstEveryPlacement(t *testing.T) {
	seeds := uint64(6000)
	if testing.Short() {
		seeds = 600
	}
	var refused, dearer, none, short int
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 7))
		c := tightConfiguration(rng)
		if c.Viable() {
			continue
		}
		ask := reachable(c)
		if seed%2 == 0 {
			ask = arbitrary(c, 1+seed%64)
		}
		least, ok := int64(0), false
		everyPlacement(c, func(host []int32) {
			memory := int64(0)
			for v := range host {
				if host[v] != c.Host[v] {
					memory += c.VMs[v].Demand[cluster.Memory]
				}
			}
			if ok && memory >= least {
				return
			}
			if _, found := ask(host); found {
				least, ok = memory, true
			}
		})
		var last []int32
		settings := placement.Problem{Reachable: func(host []int32) ([]int32, bool) {
			waiting, good := ask(host)
			if good {
				last = slices.Clone(host)
			}
			return waiting, good
		}}
		r := placement.Solve(c, settings)
		if (r.Answer == placement.Viable) != ok || r.Answer == placement.Exhausted {
			t.Fatalf("seed %d: %+v, but reachable %v", seed, r, ok)
		}
		if r.Rejected[placement.Unreachable] > 0 {
			refused++
		}
		if !ok {
			if r.Rejected[placement.Unreachable] > 0 {
				none++
			}
			continue
		}
		if !r.Optimal || int64(r.Moved) != least || !slices.Equal(last, r.Host) {
			t.Fatalf("seed %d: %+v, but the least is %d; accepted last: %v", seed, r, least, last)
		}
		checkPlacement(t, c, r)
		if free := placement.Solve(c, placement.Problem{}); free.Moved < r.Moved {
			dearer++
		}
		settings.Budget = 1 + rng.IntN(400)
		last = nil
		r = placement.Solve(c, settings)
		if r.Answer == placement.Infeasible || r.Bound > cluster.Bytes(least) || r.Optimal && r.Moved > cluster.Bytes(least) {
			t.Fatalf("seed %d, budget %d: %+v, but the least is %d", seed, settings.Budget, r, least)
		}
		if r.Answer == placement.Viable {
			checkPlacement(t, c, r)
			if !slices.Equal(last, r.Host) {
				t.Fatalf("seed %d: host %v, but accepted last: %v", seed, r.Host, last)
			}
		} else {
			short++
		}
	}
	t.Logf("refused %d, of which dearer %d, none reachable %d; budget too small %d", refused, dearer, none, short)
}

// Where room is scarce everywhere, a refused placement most often gives way to
// a reachable one, also on more nodes than can be searched as a whole.
func TestRepairReachableCrowded(t *testing.T) {
	calls, viable, refused := 0, 0, 0
	for _, nodes := range []int{8, 20, 40} {
		for seed := range uint64(10) {
			c := crowded(seed, nodes, 0.97)
			ask := reachable(c)
			var last []int32
			r := placement.Solve(c, placement.Problem{Budget: 200_000, Reachable: func(host []int32) ([]int32, bool) {
				waiting, good := ask(host)
				if good {
					last = slices.Clone(host)
				}
				return waiting, good
			}})
			calls++
			if r.Answer == placement.Viable {
				viable++
				checkPlacement(t, c, r)
				if !slices.Equal(last, r.Host) {
					t.Fatalf("%d nodes, seed %d: the placement is not the last that was reachable", nodes, seed)
				}
			}
			if r.Rejected[placement.Unreachable] > 0 {
				refused++
			}
		}
	}
	t.Logf("%d calls, %d viable, %d with a placement refused", calls, viable, refused)
	if viable < calls*9/10 || refused < 3 {
		t.Errorf("%d of %d viable, %d with a placement refused", viable, calls, refused)
	}
}

// The VMs were cut from what the nodes have, and then spread at random.
func TestRepairIsNeverWronglyInfeasible(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 11))
		c := crowded(seed, 13+rng.IntN(8), 0)
		for n := range c.Nodes {
			c.Nodes[n].Capacity[cluster.CPU] = 1000 * (6 + rng.Int64N(3))
			for left := c.Nodes[n].Capacity[cluster.CPU]; left >= 300; {
				demand := cluster.Of(cluster.Millicores(300+rng.Int64N(left-299)), cluster.GiB)
				left -= demand[cluster.CPU]
				c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(len(c.VMs)), Demand: demand})
				c.Host = append(c.Host, rng.Int32N(int32(len(c.Nodes))))
			}
		}
		if placement.Fragmented(c) {
			t.Fatalf("seed %d: fragmented", seed)
		}
		if r := placement.Solve(c, placement.Problem{Budget: 20_000}); r.Answer == placement.Infeasible {
			t.Fatalf("seed %d: infeasible", seed)
		}
	}
}

func BenchmarkRepairReachable(b *testing.B) {
	benchmarks := []struct {
		name string
		c    *cluster.Configuration
	}{
		{"4x40", overloaded(1, 4, 60)},
		{"1024x10240", overloaded(1, 1024, 60)},
		{"deadlock", world(deadlock...)},
	}
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			ask := reachable(bench.c)
			var r placement.Result
			for b.Loop() {
				r = placement.Solve(bench.c, placement.Problem{Reachable: ask})
			}
			b.ReportMetric(float64(r.Steps), "steps")
			b.ReportMetric(float64(r.Rejected[placement.Unreachable]), "refused")
		})
	}
}

// If the cheapest placement is refused, one that costs a byte more is asked about.
func TestRepairReachableAtTheNextByte(t *testing.T) {
	c := world([]int{60, 60}, nil)
	c.VMs[0].Demand[cluster.Memory], c.VMs[1].Demand[cluster.Memory] = 10, 11
	r := placement.Solve(c, placement.Problem{Reachable: func(host []int32) ([]int32, bool) { return nil, host[0] == 0 }})
	if r.Answer != placement.Viable || r.Cost != 11 || !r.Optimal {
		t.Errorf("got %+v", r)
	}
}
