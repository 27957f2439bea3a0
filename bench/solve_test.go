package bench_test

import (
	"testing"

	"github.com/dvms-project/dvms/bench"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/snapshot"
)

func taskOf(t testing.TB, s bench.Spec) *bench.Task {
	t.Helper()
	snap, err := snapshot.Read(bench.Make(s).JSON())
	if err != nil {
		t.Fatal(err)
	}
	return &bench.Task{Snapshot: snap}
}

// optima are the least costs, in MiB, suspends included, and the fewest nodes if
// that is the goal, of instances of up to 44 nodes. A solver of integer programs
// (HiGHS) proved them.
var optima = map[string]struct {
	cost  float64
	nodes int
}{
	"repair-brim-4-cons-s1":        {512, 0},
	"repair-brim-4-plain-s1":       {1536, 0},
	"repair-brim-8-cons-s1":        {3584, 0},
	"repair-brim-8-plain-s1":       {512, 0},
	"repair-brim-32-cons-s1":       {5120, 0},
	"repair-brim-32-plain-s1":      {9216, 0},
	"repair-hetero-4-cons-s1":      {6144, 0},
	"repair-hetero-4-plain-s1":     {2048, 0},
	"repair-hetero-8-cons-s1":      {11264, 0},
	"repair-hetero-8-plain-s1":     {3072, 0},
	"repair-hetero-32-cons-s1":     {13312, 0},
	"repair-hetero-32-plain-s1":    {4096, 0},
	"repair-thesis-4-cons-s1":      {1024, 0},
	"repair-thesis-4-plain-s1":     {1024, 0},
	"repair-thesis-8-cons-s1":      {1024, 0},
	"repair-thesis-8-plain-s1":     {1024, 0},
	"repair-thesis-32-cons-s1":     {1024, 0},
	"repair-thesis-32-plain-s1":    {1024, 0},
	"repair-tight-4-cons-s1":       {512, 0},
	"repair-tight-4-plain-s1":      {512, 0},
	"repair-tight-8-cons-s1":       {512, 0},
	"repair-tight-8-plain-s1":      {512, 0},
	"repair-tight-32-cons-s1":      {5120, 0},
	"repair-tight-32-plain-s1":     {1536, 0},
	"consolidate-half-8-cons-s1":   {39936, 5},
	"consolidate-half-8-plain-s1":  {50176, 4},
	"consolidate-half-32-cons-s1":  {205824, 14},
	"consolidate-half-32-plain-s1": {216064, 15},
	"consolidate-mem-8-cons-s1":    {47104, 5},
	"consolidate-mem-8-plain-s1":   {47104, 5},
	"consolidate-mem-32-cons-s1":   {204800, 19},
	"consolidate-mem-32-plain-s1":  {220160, 18},
	"drain-easy-8-cons-s1":         {17408, 0},
	"drain-easy-8-plain-s1":        {13312, 0},
	"drain-easy-32-cons-s1":        {48128, 0},
	"drain-easy-32-plain-s1":       {45568, 0},
	"drain-tight-8-cons-s1":        {15360, 0},
	"drain-tight-8-plain-s1":       {10240, 0},
	"drain-tight-32-cons-s1":       {37888, 0},
	"drain-tight-32-plain-s1":      {47616, 0},
	"switch-nas-11-cons-s1":        {4608, 0},
	"switch-nas-11-plain-s1":       {24064, 0},
	"switch-nas-44-cons-s1":        {65536, 0},
	"switch-nas-44-plain-s1":       {143872, 0},
}

// beyond are the instances of optima whose least cost takes more search steps than
// a test should.
var beyond = map[string]bool{"repair-brim-32-plain-s1": true, "switch-nas-44-plain-s1": true}

// Every plan for the small instances is accepted, with what is proven to be
// the least cost, by few search steps.
func TestSmallInstancesAreSolvedBest(t *testing.T) {
	const budget = 400_000
	compared := 0
	for _, s := range bench.Suite(44) {
		if s.Seed != 1 {
			continue
		}
		task := taskOf(t, s)
		task.Budget = budget
		solution, err := task.Solve()
		r := &solution.Result
		if err != nil || r.Answer != placement.Viable {
			t.Errorf("%s: %v, %v", task.Name, r.Answer, err)
			continue
		}
		if err := task.Judge(solution.Plan); err != nil {
			t.Errorf("%s: %v", task.Name, err)
		}
		best, known := optima[task.Name]
		if !known {
			continue
		}
		compared++
		cost, bound := mib(r.Cost+suspended(task)), mib(r.Bound+suspended(task))
		if cost < best.cost || cost > best.cost && !beyond[task.Name] {
			t.Errorf("%s: cost %v, and %v is the least", task.Name, cost, best.cost)
		}
		if bound > best.cost {
			t.Errorf("%s: bound %v is above the least cost %v", task.Name, bound, best.cost)
		}
		if best.nodes > 0 && (r.Nodes != best.nodes || r.NodesBound > best.nodes) {
			t.Errorf("%s: %d nodes, at least %d, and %d is the least", task.Name, r.Nodes, r.NodesBound, best.nodes)
		}
	}
	if compared != len(optima) {
		t.Errorf("%d of %d optima were compared with", compared, len(optima))
	}
}

// suspended is the memory of the VMs that are to be suspended, which Result.Cost
// leaves out.
func suspended(t *bench.Task) cluster.Bytes {
	var sum cluster.Bytes
	for v, want := range t.Wanted {
		if want == cluster.Sleeping && t.Configuration.StateOf(int32(v)) == cluster.Running {
			sum += t.Configuration.VMs[v].Demand.Memory()
		}
	}
	return sum
}

func mib(b cluster.Bytes) float64 { return float64(b) / float64(cluster.MiB) }

// Judge refuses a plan that falls short in any way that the snapshot asks for.
func TestJudgeRefuses(t *testing.T) {
	for _, c := range []struct {
		spec  bench.Spec
		spoil func(*bench.Task, *bench.Solution)
	}{
		{bench.Spec{Family: "repair", Tier: "tight", Nodes: 32, Seed: 1}, func(_ *bench.Task, s *bench.Solution) {
			s.Plan.Actions = s.Plan.Actions[1:] // a node stays overloaded
		}},
		{bench.Spec{Family: "repair", Tier: "tight", Nodes: 32, Seed: 1}, func(_ *bench.Task, s *bench.Solution) {
			s.Plan.Actions[0].Target = s.Plan.Actions[0].Source
		}},
		{bench.Spec{Family: "drain", Tier: "easy", Nodes: 8, Seed: 1}, func(_ *bench.Task, s *bench.Solution) {
			s.Plan.Actions = s.Plan.Actions[:len(s.Plan.Actions)-1] // a node is not empty
		}},
		{bench.Spec{Family: "switch", Tier: "nas", Nodes: 44, Seed: 1}, func(task *bench.Task, _ *bench.Solution) {
			for v, want := range task.Wanted {
				if want == cluster.Terminated {
					task.Wanted[v] = cluster.Sleeping // and not the end of it
				}
			}
		}},
		{bench.Spec{Family: "cycle", Tier: "2", Nodes: 16, Seed: 1}, func(_ *bench.Task, s *bench.Solution) {
			s.Plan.Actions = nil // the fences stay broken
		}},
		{bench.Spec{Family: "cycle", Tier: "2", Nodes: 16, Seed: 1}, func(_ *bench.Task, s *bench.Solution) {
			for i := range s.Plan.Actions { // all at once, which leads to the same end and has no room
				s.Plan.Actions[i].Step, s.Plan.Actions[i].After = 0, nil
			}
		}},
	} {
		task := taskOf(t, c.spec)
		s, err := task.Solve()
		if err != nil {
			t.Fatal(err)
		}
		if err := task.Judge(s.Plan); err != nil {
			t.Errorf("%s: %v", task.Name, err)
		}
		c.spoil(task, &s)
		if task.Judge(s.Plan) == nil {
			t.Errorf("%s: a spoilt plan was accepted", task.Name)
		}
	}
}

// BenchmarkSolve takes a placement and the best plan to it, from a configuration.
func BenchmarkSolve(b *testing.B) {
	for _, s := range []bench.Spec{
		{Family: "repair", Tier: "thesis", Nodes: 4, Seed: 1},
		{Family: "repair", Tier: "tight", Nodes: 4, Constrained: true, Seed: 1},
		{Family: "repair", Tier: "tight", Nodes: 128, Seed: 1},
		{Family: "repair", Tier: "thesis", Nodes: 1024, Seed: 1},
		{Family: "repair", Tier: "thesis", Nodes: 1024, Constrained: true, Seed: 1},
		{Family: "repair", Tier: "tight", Nodes: 1024, Seed: 1},
		{Family: "repair", Tier: "thesis", Nodes: 5000, Seed: 1},
		{Family: "drain", Tier: "tight", Nodes: 1024, Seed: 1},
		{Family: "drain", Tier: "tight", Nodes: 1024, Constrained: true, Seed: 1},
		{Family: "consolidate", Tier: "half", Nodes: 1024, Seed: 1},
		{Family: "switch", Tier: "nas", Nodes: 110, Seed: 1},
		{Family: "cycle", Tier: "3", Nodes: 1024, Seed: 1},
	} {
		b.Run(s.Name(), func(b *testing.B) {
			task := taskOf(b, s)
			b.ReportAllocs()
			var solution bench.Solution
			for b.Loop() {
				var err error
				if solution, err = task.Solve(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(solution.Result.Steps), "search-steps")
			b.ReportMetric(mib(solution.Plan.Cost()), "K")
		})
	}
}

// BenchmarkInfeasible proves that there is no placement.
func BenchmarkInfeasible(b *testing.B) {
	for _, s := range []bench.Spec{
		{Family: "crowded", Tier: "over", Nodes: 4, Seed: 1},
		{Family: "crowded", Tier: "over", Nodes: 4, Constrained: true, Seed: 1},
	} {
		b.Run(s.Name(), func(b *testing.B) {
			task := taskOf(b, s)
			b.ReportAllocs()
			for b.Loop() {
				if r := task.Place(); r.Answer != placement.Infeasible {
					b.Fatal(r.Answer)
				}
			}
		})
	}
}

func BenchmarkMake(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		bench.Make(bench.Spec{Family: "repair", Tier: "thesis", Nodes: 1024, Seed: 1})
	}
}

// What is said to be infeasible is: a search that knows nothing but room finds no
// placement either. It is slow, and so obvious that it can be believed.
func TestInfeasibleIsNeverSaidWrongly(t *testing.T) {
	infeasible := 0
	for seed := 1; seed <= 150; seed++ {
		task := taskOf(t, bench.Spec{Family: "crowded", Tier: "pieces", Nodes: 4, Seed: seed})
		c := task.Configuration
		answer := placement.Solve(c, placement.Problem{}).Answer
		free := make([]cluster.Resources, len(c.Nodes))
		for n := range free {
			free[n] = c.Nodes[n].Capacity
		}
		if fits := fitsAnyhow(c, 0, free); fits != (answer == placement.Viable) {
			t.Errorf("%s: %v, and that there is a placement is %v", task.Name, answer, fits)
		}
		if answer == placement.Infeasible {
			infeasible++
		}
	}
	if infeasible == 0 {
		t.Error("none of the partitions is infeasible")
	}
}

// fitsAnyhow reports whether the VMs from v on have room on some nodes.
func fitsAnyhow(c *cluster.Configuration, v int, free []cluster.Resources) bool {
	if v == len(c.VMs) {
		return true
	}
	for n := range free {
		if demand := c.VMs[v].Demand; demand.Within(free[n]) {
			free[n] = free[n].Minus(demand)
			fits := fitsAnyhow(c, v+1, free)
			free[n] = free[n].Plus(demand)
			if fits {
				return true
			}
		}
	}
	return false
}
