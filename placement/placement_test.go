package placement_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
)

// world is a configuration of nodes with one core and memory enough, whose VMs
// ask for the given percentages of it and have 1 MiB each.
func world(nodes ...[]int) *cluster.Configuration {
	c := &cluster.Configuration{}
	for n, vms := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{
			ID: cluster.NodeID(n + 1), Name: fmt.Sprintf("n%d", n+1), Capacity: cluster.Of(cluster.Core, cluster.GiB),
		})
		for _, percent := range vms {
			v := len(c.VMs) + 1
			c.VMs = append(c.VMs, cluster.VM{
				ID: cluster.VMID(v), Name: fmt.Sprintf("vm%d", v), VCPUs: 1,
				Demand: cluster.Of(cluster.Millicores(10*percent), cluster.MiB),
			})
			c.Host = append(c.Host, int32(n))
		}
	}
	return c
}

func ExampleSolve() {
	// Two VMs of 60 % share the first node, and the second is free.
	c := world([]int{60, 60}, []int{30})
	r := placement.Solve(c, placement.Problem{})
	fmt.Println(r.Answer, r.Host, r.Moves, "move of", r.Moved, "optimal", r.Optimal)
	// Output: viable [1 0 1] 1 move of 1MiB optimal true
}

func ExampleSolve_infeasible() {
	c := world([]int{60, 60}, []int{60})
	r := placement.Solve(c, placement.Problem{})
	fmt.Println(r.Answer, r.Rejected)
	// Output: infeasible cpu=5
}

// The nodes of deadlock need each other: neither pair can help itself, and
// together they can, with three migrations.
var deadlock = [][]int{{60, 60}, {40, 40, 40}, {60}, {40, 40}}

func TestRepair(t *testing.T) {
	tests := []struct {
		name    string
		nodes   [][]int
		answer  placement.Answer
		moves   int
		optimal bool
	}{
		{"nothing to do", [][]int{{60, 40}, {10}}, placement.AlreadyViable, 0, true},
		{"no nodes", nil, placement.AlreadyViable, 0, true},
		{"one move", [][]int{{60, 60}, {}}, placement.Viable, 1, true},
		{"the larger VM frees enough alone", [][]int{{50, 50, 20, 20}, {}}, placement.Viable, 1, true},
		{"too much in all", [][]int{{60, 60}, {90}}, placement.Infeasible, 0, false},
		{"a VM that fits nowhere", [][]int{{110}, {}}, placement.Infeasible, 0, false},
		{"a swap", [][]int{{70, 40}, {60, 30}}, placement.Viable, 2, true},
		{"the first and third of four", [][]int{deadlock[0], deadlock[2]}, placement.Infeasible, 0, false},
		{"the second and fourth of four", [][]int{deadlock[1], deadlock[3]}, placement.Infeasible, 0, false},
		{"all four", deadlock, placement.Viable, 3, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := world(test.nodes...)
			r := placement.Solve(c, placement.Problem{})
			if r.Answer != test.answer || r.Moves != test.moves || r.Optimal != test.optimal {
				t.Fatalf("got %+v, want %v with %d moves, optimal %v", r, test.answer, test.moves, test.optimal)
			}
			if r.Answer == placement.Viable {
				checkPlacement(t, c, r)
			}
		})
	}
}

func TestRepairMemory(t *testing.T) {
	// Both targets have the CPU, and only the second has the memory.
	c := world([]int{60, 60}, []int{20}, []int{30})
	c.VMs[0].Demand[cluster.Memory] = int64(512 * cluster.MiB)
	c.VMs[1].Demand[cluster.Memory] = int64(512 * cluster.MiB)
	c.VMs[2].Demand[cluster.Memory] = int64(600 * cluster.MiB)
	r := placement.Solve(c, placement.Problem{})
	if r.Answer != placement.Viable || r.Moves != 1 || !slices.Contains(r.Host[:2], 2) {
		t.Fatalf("got %+v, want one VM moved to the third node", r)
	}
}

func TestRepairIgnoresVMsThatDoNotRun(t *testing.T) {
	c := world([]int{60, 40}, []int{60})
	c.Host[2] = cluster.Nowhere
	c.VMs[0].Demand[cluster.CPU] = 700
	r := placement.Solve(c, placement.Problem{})
	if r.Answer != placement.Viable || r.Host[2] != cluster.Nowhere {
		t.Fatalf("got %+v", r)
	}
}

func TestRepairWithoutBudget(t *testing.T) {
	r := placement.Solve(world(deadlock...), placement.Problem{Budget: 5})
	if r.Answer != placement.Exhausted {
		t.Fatalf("got %+v, want exhausted", r)
	}
}

// checkPlacement fails t if the result is not what it says it is.
func checkPlacement(t interface{ Fatalf(string, ...any) }, c *cluster.Configuration, r placement.Result) {
	after := c.Clone()
	after.Host = r.Host
	if len(r.Host) != len(c.Host) || !after.Viable() {
		t.Fatalf("placement %v is not viable", r.Host)
	}
	var moved cluster.Bytes
	moves := 0
	for v := range c.Host {
		if (c.Host[v] == cluster.Nowhere) != (r.Host[v] == cluster.Nowhere) {
			t.Fatalf("VM %d started or stopped", v)
		}
		if r.Host[v] != c.Host[v] {
			moved += c.VMs[v].Demand.Memory()
			moves++
		}
	}
	if moved != r.Moved || moves != r.Moves {
		t.Fatalf("%d VMs with %v move, and the result says %d with %v", moves, moved, r.Moves, r.Moved)
	}
	if r.Bound > r.Moved || r.Optimal != (r.Bound == r.Moved) {
		t.Fatalf("bound %v, moved %v, optimal %v", r.Bound, r.Moved, r.Optimal)
	}
	if r.FirstSteps == 0 || r.FirstSteps > r.Steps {
		t.Fatalf("first placement after %d steps of %d", r.FirstSteps, r.Steps)
	}
}

// optimum looks at every placement.
func optimum(c *cluster.Configuration) (memory cluster.Bytes, moves int, ok bool) {
	host := slices.Clone(c.Host)
	free := make([]cluster.Resources, len(c.Nodes))
	for n := range free {
		free[n] = c.Nodes[n].Capacity
	}
	var place func(v int, m cluster.Bytes, k int)
	place = func(v int, m cluster.Bytes, k int) {
		if v == len(host) {
			if !ok || m < memory || m == memory && k < moves {
				memory, moves, ok = m, k, true
			}
			return
		}
		demand := c.VMs[v].Demand
		if c.Host[v] == cluster.Nowhere {
			place(v+1, m, k)
			return
		}
		for n := range free {
			if !demand.Within(free[n]) {
				continue
			}
			free[n] = free[n].Minus(demand)
			if int32(n) == c.Host[v] {
				place(v+1, m, k)
			} else {
				place(v+1, m+demand.Memory(), k+1)
			}
			free[n] = free[n].Plus(demand)
		}
	}
	place(0, 0, 0)
	return memory, moves, ok
}

// smallConfiguration returns up to 4 nodes and 8 VMs, so that every placement
// can be looked at, with about as much demand as capacity. Amounts are coarse,
// for ties and exact fits, or fine.
func smallConfiguration(rng *rand.Rand) *cluster.Configuration {
	unit := []int64{1, 7, 50, 100}[rng.IntN(4)]
	equal := rng.IntN(2) == 0
	nodes := 1 + rng.IntN(4)
	vms := rng.IntN(9)
	inUse := 1 + rng.Int32N(int32(nodes))
	load := 500 + rng.Int64N(500)
	amount := func(most int64) int64 { return rng.Int64N(most/unit+1) * unit }
	c := &cluster.Configuration{}
	for n := range nodes {
		capacity := cluster.Resources{500 + amount(500), 500 + amount(500), 500, 1200}
		if n > 0 && equal {
			capacity = c.Nodes[0].Capacity
		}
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: capacity})
	}
	// On average, half of it is asked for.
	share := 2 * int64(nodes) * load / int64(max(vms, 1))
	for v := range vms {
		demand := cluster.Of(cluster.Millicores(amount(min(700, share))), cluster.Bytes(amount(min(600, share))))
		if rng.IntN(4) == 0 {
			demand[cluster.Network], demand[cluster.Disk] = amount(300), amount(900)
		}
		if v > 0 && rng.IntN(4) == 0 {
			demand = c.VMs[v-1].Demand
		}
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: demand})
		c.Host = append(c.Host, rng.Int32N(inUse))
		if rng.IntN(10) == 0 {
			c.Host[v] = cluster.Nowhere
		}
	}
	return c
}

// The answer, the optimum and the bound agree with a look at every placement,
// also if the budget ends anywhere.
func TestRepairAgainstEveryPlacement(t *testing.T) {
	answers := map[placement.Answer]int{}
	for seed := range uint64(20_000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		c := smallConfiguration(rng)
		before := c.Clone()
		r := placement.Solve(c, placement.Problem{})
		if !slices.Equal(before.Host, c.Host) {
			t.Fatalf("seed %d: the configuration was changed", seed)
		}
		memory, moves, ok := optimum(c)
		answers[r.Answer]++
		if r.Answer == placement.Exhausted || r.Answer == placement.Viable && !r.Optimal {
			t.Fatalf("seed %d: %+v", seed, r)
		}
		if (r.Answer == placement.AlreadyViable) != c.Viable() {
			t.Fatalf("seed %d: %v", seed, r.Answer)
		}
		checkResult(t, seed, c, r, memory, moves, ok)
		budget := 1 + rng.IntN(100)
		checkResult(t, seed, c, placement.Solve(c, placement.Problem{Budget: budget}), memory, moves, ok)
	}
	for _, a := range []placement.Answer{placement.AlreadyViable, placement.Viable, placement.Infeasible} {
		if answers[a] < 4000 {
			t.Errorf("only %d of 20,000 configurations are %v", answers[a], a)
		}
	}
}

func checkResult(t *testing.T, seed uint64, c *cluster.Configuration, r placement.Result, memory cluster.Bytes, moves int, ok bool) {
	t.Helper()
	if r.Answer == placement.Viable {
		checkPlacement(t, c, r)
	}
	if r.Answer == placement.Infeasible && ok {
		t.Fatalf("seed %d: infeasible, but a placement moves %v", seed, memory)
	}
	if ok && (r.Bound > memory || r.Optimal && r.Moved != memory) {
		t.Fatalf("seed %d: %+v, but the optimum is %v with %d moves", seed, r, memory, moves)
	}
}

// thesis returns nodes with 7 usable cores and 32 GiB, each with ten VMs of
// one vCPU and 1 GiB that ask for a normally distributed share, in steps of
// 10 % of a core.
func thesis(seed uint64, nodes int, mean float64) *cluster.Configuration {
	rng := rand.New(rand.NewPCG(seed, 0))
	c := &cluster.Configuration{}
	for n := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: cluster.Of(7*cluster.Core, 32*cluster.GiB)})
		for range 10 {
			tenths := min(max(int64((rng.NormFloat64()*20+mean)/10+0.5), 0), 10)
			c.VMs = append(c.VMs, cluster.VM{
				ID: cluster.VMID(len(c.VMs)), Name: fmt.Sprint("v", len(c.VMs)), VCPUs: 1,
				Demand: cluster.Of(cluster.Millicores(100*tenths), cluster.GiB),
			})
			c.Host = append(c.Host, int32(n))
		}
	}
	return c
}

// overloaded returns the first of the thesis configurations from seed on that
// is overloaded and whose VMs ask for no more than the nodes have together.
func overloaded(seed uint64, nodes int, mean float64) *cluster.Configuration {
	for ; ; seed++ {
		c := thesis(seed, nodes, mean)
		var total, capacity cluster.Resources
		for _, v := range c.VMs {
			total = total.Plus(v.Demand)
		}
		for _, n := range c.Nodes {
			capacity = capacity.Plus(n.Capacity)
		}
		if !c.Viable() && total.Within(capacity) {
			return c
		}
	}
}

func TestRepairLarge(t *testing.T) {
	for _, nodes := range []int{4, 12, 33, 128, 1024} {
		c := overloaded(1, nodes, 60)
		r := placement.Solve(c, placement.Problem{})
		if r.Answer != placement.Viable || !r.Optimal {
			t.Errorf("%d nodes: %v, moved %v, bound %v after %d steps", nodes, r.Answer, r.Moved, r.Bound, r.Steps)
			continue
		}
		checkPlacement(t, c, r)
		if again := placement.Solve(c, placement.Problem{}); !slices.Equal(again.Host, r.Host) || again.Steps != r.Steps {
			t.Errorf("%d nodes: two calls differ", nodes)
		}
	}
}

// Where room is scarce everywhere (98 % of the CPU is asked for), VMs have to
// make way for each other. The budget suffices for all but one case in twenty.
func TestRepairTight(t *testing.T) {
	exhausted := 0
	for _, nodes := range []int{4, 12, 33, 128} {
		for seed := range uint64(5) {
			c := overloaded(100*seed, nodes, 69)
			for v := range c.VMs {
				c.VMs[v].Demand[cluster.Memory] = int64(512*cluster.MiB) << (v % 4)
			}
			r := placement.Solve(c, placement.Problem{Budget: 300_000})
			switch {
			case r.Answer == placement.Exhausted && exhausted == 0:
				exhausted++
			case r.Answer == placement.Viable:
				checkPlacement(t, c, r)
			default:
				t.Errorf("%d nodes, seed %d: %v after %d steps, %v", nodes, seed, r.Answer, r.Steps, r.Rejected)
			}
		}
	}
}

func BenchmarkRepair(b *testing.B) {
	benchmarks := []struct {
		name string
		c    *cluster.Configuration
	}{
		{"4x40", overloaded(1, 4, 60)},
		{"128x1280", overloaded(1, 128, 60)},
		{"1024x10240", overloaded(1, 1024, 60)},
		{"10240x102400", overloaded(1, 10240, 60)},
		{"tight/4x40", overloaded(1, 4, 67)},
		{"tight/128x1280", overloaded(1, 128, 67)},
		{"infeasible/4x40", infeasible()},
	}
	for _, bench := range benchmarks {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			var r placement.Result
			for b.Loop() {
				r = placement.Solve(bench.c, placement.Problem{})
			}
			b.ReportMetric(float64(r.Steps), "steps")
			b.ReportMetric(float64(r.Moves), "moves")
		})
	}
}

// infeasible returns four nodes with 37 VMs of 75 % of a core, which ask for
// less than the nodes have together, while each node takes nine.
func infeasible() *cluster.Configuration {
	c := thesis(1, 4, 60)
	for v := range c.VMs {
		c.VMs[v].Demand = cluster.Of(750, cluster.GiB)
		if v >= 37 {
			c.VMs[v].Demand = cluster.Of(0, cluster.GiB)
		}
	}
	return c
}

// grown is a configuration of the first nodes of c and their VMs, which are sorted
// by node.
func grown(c *cluster.Configuration, nodes int) *cluster.Configuration {
	vms := 0
	for vms < len(c.VMs) && int(c.Host[vms]) < nodes {
		vms++
	}
	return &cluster.Configuration{Nodes: c.Nodes[:nodes], VMs: c.VMs[:vms], Host: c.Host[:vms]}
}

// A partition that grows by a node at a time is told the same with what was known
// before as without.
func TestKnownChangesNothing(t *testing.T) {
	reused := 0
	// Five VMs of 55 % need five nodes; the first node gives up two of them.
	worlds := []*cluster.Configuration{world([]int{55, 55, 55}, []int{40, 40, 40}, []int{55}, []int{55}, nil, nil)}
	for seed := range uint64(200) {
		worlds = append(worlds, thesis(seed, 8, 70))
	}
	for seed, c := range worlds {
		var known *placement.Known
		for nodes := 1; nodes <= len(c.Nodes); nodes++ {
			part := grown(c, nodes)
			fresh := placement.Solve(part, placement.Problem{Budget: 100_000})
			again := placement.Solve(part, placement.Problem{Budget: 100_000, Known: known})
			if fresh.Answer != again.Answer || fresh.Cost != again.Cost || fresh.Bound != again.Bound || !slices.Equal(fresh.Host, again.Host) {
				t.Fatalf("seed %d, %d nodes: %+v, and without what was known %+v", seed, nodes, again, fresh)
			}
			if again.Steps < fresh.Steps {
				reused++
			}
			known = again.Known
		}
	}
	if reused == 0 {
		t.Error("nothing was of use")
	}
}

// A partition grows from one node to 64 and finds no placement.
func BenchmarkGrow(b *testing.B) {
	c := thesis(1, 64, 75)
	for _, reuse := range []bool{false, true} {
		b.Run(fmt.Sprint("known=", reuse), func(b *testing.B) {
			b.ReportAllocs()
			steps := 0
			for b.Loop() {
				var known *placement.Known
				steps = 0
				for nodes := range len(c.Nodes) + 1 {
					r := placement.Solve(grown(c, nodes), placement.Problem{Known: known})
					steps += r.Steps
					if reuse {
						known = r.Known
					}
				}
			}
			b.ReportMetric(float64(steps), "steps")
		})
	}
}
