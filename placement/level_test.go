package placement_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

func ExampleSolve_level() {
	// The first node has three quarters of the load.
	c := world([]int{30, 20, 20, 20}, []int{10}, []int{20})
	r := placement.Solve(c, placement.Problem{Goal: placement.Level})
	fmt.Printf("%d moves, imbalance %.2f, was %.2f\n", r.Moves, r.ImbalanceAfter, r.ImbalanceBefore)
	// Output: 2 moves, imbalance 0.00, was 0.36
}

func ExampleSolve_consolidate() {
	c := world([]int{30}, []int{20}, []int{40}, []int{30})
	r := placement.Solve(c, placement.Problem{Goal: placement.Consolidate})
	fmt.Println(r.Nodes, "nodes of at least", r.NodesBound, "with", r.Moves, "moves")
	// Output: 2 nodes of at least 2 with 2 moves
}

// A move that gains too little is not worth it.
func TestLevelGain(t *testing.T) {
	c := world([]int{50, 2}, []int{50})
	for _, test := range []struct{ gain, moves int }{{0, 0}, {100, 0}, {1000, 0}} {
		if r := placement.Solve(c, placement.Problem{Goal: placement.Level, Gain: test.gain}); r.Moves != test.moves {
			t.Errorf("gain %d: %d moves, want %d", test.gain, r.Moves, test.moves)
		}
	}
	c = world([]int{30, 30, 2}, []int{20})
	for _, test := range []struct{ gain, moves int }{{1, 1}, {1000, 1}, {2000, 0}} {
		if r := placement.Solve(c, placement.Problem{Goal: placement.Level, Gain: test.gain}); r.Moves != test.moves {
			t.Errorf("gain %d: %d moves, want %d", test.gain, r.Moves, test.moves)
		}
	}
}

// Level repairs, keeps the rules, lowers the imbalance, and there is a way to it.
func TestLevelKeepsWhatRepairGives(t *testing.T) {
	better := 0
	checkOften(t, func(t *rapid.T) {
		p := placementtest.Problems(placementtest.Large).Draw(t, "problem")
		c, rules := p.Configuration, p.Request.Rules
		way := func(host []int32) (plan.Plan, error) {
			return plan.Switch(c, plan.Goal{Host: host, State: p.Request.Wanted}, plan.Settings{Rules: rules, Effort: 1})
		}
		problem := placement.Problem{
			Rules: rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain,
			Reachable: func(host []int32) ([]int32, bool) {
				_, err := way(host)
				return plan.Waiting(err), err == nil
			},
		}
		repaired := placement.Solve(c, problem)
		problem.Goal = placement.Level
		r := placement.Solve(c, problem)
		if (r.Answer == placement.Infeasible) != (repaired.Answer == placement.Infeasible) {
			t.Fatalf("%v, and a repair is %v", r.Answer, repaired.Answer)
		}
		if r.Host == nil {
			return
		}
		if _, verdict := p.Judge(r.Host); len(verdict.Wrong) > 0 {
			t.Fatal(verdict.Wrong)
		}
		made, err := way(r.Host)
		if err != nil {
			t.Fatal(err)
		}
		if err := check.Plan(c, made, rules...); err != nil {
			t.Fatal(err)
		}
		if r.ImbalanceAfter < r.ImbalanceBefore {
			better++
		}
	})
	if better == 0 {
		t.Error("nothing was levelled")
	}
}

// With more VMs than racks, a degraded spread is even, and a strict one impossible.
func TestDegradedSpread(t *testing.T) {
	c := world([]int{10, 10, 10, 10, 10}, nil, nil, nil)
	for n := range c.Nodes {
		c.Nodes[n].Rack = fmt.Sprint("rack", n/2)
	}
	apart := rule.Rule{Name: "replicas", Kind: rule.Spread, VMs: []int32{0, 1, 2, 3, 4}, Domain: cluster.Rack}
	if r := placement.Solve(c, placement.Problem{Rules: []rule.Rule{apart}}); r.Answer != placement.Infeasible {
		t.Errorf("strict: %v", r.Answer)
	}
	apart.Degraded = true
	r := placement.Solve(c, placement.Problem{Rules: []rule.Rule{apart}})
	if r.Answer != placement.Viable || r.Moves != 2 || !r.Optimal {
		t.Errorf("degraded: %+v", r)
	}
}

// A soft rule is broken if what it is worth is less than what it costs.
func TestSoftRules(t *testing.T) {
	c := world([]int{30, 30}, nil)
	soft := rule.Rule{Name: "replicas", Kind: rule.Spread, VMs: []int32{0, 1}, Weight: cluster.MiB / 2}
	r := placement.Solve(c, placement.Problem{Rules: []rule.Rule{soft}})
	if r.Answer != placement.AlreadyViable || r.Cost != cluster.MiB/2 || len(r.Broken) != 1 || !r.Optimal {
		t.Errorf("worth less than a move: %+v", r)
	}
	soft.Weight = 2 * cluster.MiB
	r = placement.Solve(c, placement.Problem{Rules: []rule.Rule{soft}})
	if r.Answer != placement.Viable || r.Cost != cluster.MiB || r.Moves != 1 || len(r.Broken) != 0 || !r.Optimal {
		t.Errorf("worth more than a move: %+v", r)
	}
}

// A node with CPU to spare and no memory takes nobody.
func TestLevelNeedsRoom(t *testing.T) {
	c := world([]int{40, 40}, []int{0})
	c.VMs[2].Demand[cluster.Memory] = int64(cluster.GiB) - 1
	if r := placement.Solve(c, placement.Problem{Goal: placement.Level}); r.Answer != placement.AlreadyViable {
		t.Errorf("got %+v", r)
	}
}
