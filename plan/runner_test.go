package plan_test

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// What is ready, against a look at all actions in order.
func TestReadyAgreesWithALookAtAll(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p, perNode := plan.Plan{}, rng.IntN(4)
		s := plan.Schedule{PerNode: perNode}
		for i := range 1 + rng.IntN(40) {
			a := plan.Action{VM: cluster.VMID(i), Source: cluster.NodeID(rng.IntN(8)), Target: cluster.NodeID(rng.IntN(8))}
			if rng.IntN(4) == 0 {
				a.Kind = plan.Run
			}
			for before := range i {
				if rng.IntN(12) == 0 {
					a.After = append(a.After, before)
				}
			}
			p.Actions = append(p.Actions, a)
			s.Start = append(s.Start, time.Duration(rng.IntN(5)))
		}
		r := plan.NewRunner(p, perNode)
		timed := rng.IntN(2) == 0
		if timed {
			r = plan.NewTimedRunner(p, s)
		}
		for step := 0; !r.Finished(); step++ {
			want := look(r, p, perNode, timed, s)
			if rng.IntN(3) == 0 {
				r = r.Clone()
			}
			if got := r.Ready(); !slices.Equal(got, want) {
				t.Fatalf("seed %d, step %d: ready are %v, want %v", seed, step, got, want)
			}
			move(rng, r, p, want)
		}
		if want := look(r, p, perNode, timed, s); len(want) > 0 || len(r.Ready()) > 0 {
			t.Fatalf("seed %d: it is finished, and %v are ready", seed, want)
		}
	}
}

// look returns the actions that may start, by their states alone.
func look(r *plan.Runner, p plan.Plan, perNode int, timed bool, s plan.Schedule) (ready []int) {
	order := make([]int, len(p.Actions))
	busy := map[cluster.NodeID]int{}
	occupy := func(a plan.Action) {
		busy[a.Target]++
		if a.Target != a.Source && a.Kind != plan.Run { // a VM that waits is no work
			busy[a.Source]++
		}
	}
	for i := range order {
		order[i] = i
		if r.State(i) == plan.Running {
			occupy(p.Actions[i])
		}
	}
	if timed {
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Start[a], s.Start[b]) })
	}
	for _, i := range order {
		a := p.Actions[i]
		waits := slices.ContainsFunc(a.After, func(before int) bool { return r.State(before) != plan.Completed })
		full := perNode > 0 && (a.Kind != plan.Run && busy[a.Source] >= perNode || busy[a.Target] >= perNode)
		if r.State(i) == plan.Pending && !waits && !full {
			ready = append(ready, i)
			occupy(a)
		}
	}
	return ready
}

// move starts some of the ready actions, and ends some that run.
func move(rng *rand.Rand, r *plan.Runner, p plan.Plan, ready []int) {
	for _, i := range ready {
		if rng.IntN(3) > 0 {
			r.Started(i)
		}
	}
	for i := range p.Actions {
		if r.State(i) != plan.Running || rng.IntN(2) == 0 {
			continue
		}
		if rng.IntN(60) == 0 {
			r.Failed(i)
		} else {
			r.Done(i)
		}
	}
}

func BenchmarkRunner(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 2))
	var p plan.Plan
	for i := range 20_000 {
		p.Actions = append(p.Actions, plan.Action{VM: cluster.VMID(i), Source: cluster.NodeID(rng.IntN(10_000)), Target: cluster.NodeID(rng.IntN(10_000))})
	}
	for b.Loop() {
		r := plan.NewRunner(p, 1)
		var running []int
		for !r.Finished() { // one ends, and others start
			for _, i := range r.Ready() {
				r.Started(i)
				running = append(running, i)
			}
			r.Done(running[0])
			running = running[1:]
		}
	}
	b.ReportMetric(float64(len(p.Actions)*b.N)/b.Elapsed().Seconds(), "actions/s")
}
