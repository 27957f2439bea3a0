package placement_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// checkOften checks a property of small problems, which take little time, more often
// than others.
func checkOften(t *testing.T, property func(t *rapid.T)) {
	rounds := 10
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		rapid.Check(t, property)
	}
}

// What Solve says of small problems with rules of all kinds agrees with looking
// at every placement: whether there is one, and what the best one costs.
func TestSolveAgreesWithLookingAtAll(t *testing.T) {
	checkOften(t, func(t *rapid.T) {
		p := placementtest.Problems(placementtest.Small).Draw(t, "problem")
		r := placement.Solve(p.Configuration, placement.Problem{Rules: p.Request.Rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain})
		best, host, exists := p.Best(placementtest.LeastCost, nil)
		checkAgainst(t, &p, r, best, host, exists)
		if exists && r.Cost != best.Cost {
			t.Fatalf("cost %v, and %v costs %v", r.Cost, host, best.Cost)
		}
		if exists && (!r.Optimal || r.Bound != r.Cost) {
			t.Fatalf("cost %v, bound %v, optimal %v", r.Cost, r.Bound, r.Optimal)
		}
	})
}

func TestConsolidateAgreesWithLookingAtAll(t *testing.T) {
	checkOften(t, func(t *rapid.T) {
		p := placementtest.Problems(placementtest.Small).Draw(t, "problem")
		r := placement.Solve(p.Configuration, placement.Problem{
			Goal: placement.Consolidate, Rules: p.Request.Rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain,
		})
		best, host, exists := p.Best(placementtest.FewestNodes, nil)
		value := checkAgainst(t, &p, r, best, host, exists)
		if !exists {
			return
		}
		if r.Nodes != value.Nodes {
			t.Fatalf("%d nodes are said to be on, and %d are", r.Nodes, value.Nodes)
		}
		if r.NodesBound > best.Nodes {
			t.Fatalf("at least %d nodes are said to be on, and %d are under %v", r.NodesBound, best.Nodes, host)
		}
		if r.Nodes == best.Nodes && r.Bound > best.Cost {
			t.Fatalf("bound %v on %d nodes, and %v costs %v", r.Bound, r.Nodes, host, best.Cost)
		}
	})
}

// checkAgainst checks what Solve says of its own placement, and that there is one
// if and only if it says so.
func checkAgainst(t *rapid.T, p *placementtest.Problem, r placement.Result, best placementtest.Value, host []int32, exists bool) placementtest.Value {
	if !exists {
		if r.Answer != placement.Infeasible {
			t.Fatalf("%v, and there is no placement; %v; %+v; %+v", r.Answer, r.Host, p.Configuration, p.Request)
		}
		return placementtest.Value{}
	}
	own := r.Host
	switch r.Answer {
	case placement.Viable:
	case placement.AlreadyViable:
		own = p.Configuration.Host
	default:
		t.Fatalf("%v, and %v is a placement of %+v; %+v; %+v", r.Answer, host, best, p.Configuration, p.Request)
	}
	value, verdict := p.Judge(own)
	if len(verdict.Wrong) > 0 {
		t.Fatalf("%v: %v: %+v; %+v", own, verdict.Wrong, p.Configuration, p.Request)
	}
	if value.Cost != r.Cost {
		t.Fatalf("%v costs %v, and is said to cost %v", own, value.Cost, r.Cost)
	}
	if r.Bound > r.Cost {
		t.Fatalf("cost %v is below the bound %v", r.Cost, r.Bound)
	}
	moves := 0
	for v, from := range p.Configuration.Host {
		if to := own[v]; from != cluster.Nowhere && to != cluster.Nowhere && from != to {
			moves++
		}
	}
	if moves != r.Moves {
		t.Fatalf("%d VMs move, and %d are said to", moves, r.Moves)
	}
	for i := range p.Request.Rules {
		broken := slices.ContainsFunc(verdict.Broken, func(f check.Fault) bool { return f.Rule == i })
		if broken != slices.Contains(r.Broken, i) {
			t.Fatalf("soft rule %d is broken: %v, and said to be: %v", i, broken, !broken)
		}
	}
	return value
}

// With the planner to say what is reachable, Solve still finds the best placement
// of all, and the checker accepts the plan that leads there, with rules.
func TestSolveFindsTheBestReachable(t *testing.T) {
	checkOften(t, func(t *rapid.T) {
		p := placementtest.Problems(placementtest.Small).Draw(t, "problem")
		c, rules := p.Configuration, p.Request.Rules
		way := func(host []int32) (plan.Plan, error) {
			return plan.Switch(c, plan.Goal{Host: host, State: p.Request.Wanted}, plan.Settings{Rules: rules, Effort: 1})
		}
		r := placement.Solve(c, placement.Problem{
			Rules: rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain,
			Reachable: func(host []int32) ([]int32, bool) {
				_, err := way(host)
				return plan.Waiting(err), err == nil
			},
		})
		best, host, exists := p.Best(placementtest.LeastCost, func(host []int32) bool {
			_, err := way(host)
			return err == nil
		})
		checkAgainst(t, &p, r, best, host, exists)
		if exists && r.Cost != best.Cost {
			t.Fatalf("cost %v, and %v costs %v", r.Cost, host, best.Cost)
		}
		if r.Host == nil {
			return
		}
		made, err := way(r.Host)
		if err != nil {
			t.Fatalf("there is no way to %v: %v", r.Host, err)
		}
		if err := check.Plan(c, made, rules...); err != nil {
			t.Fatal(err)
		}
	})
}

// Who is to start goes where there is room at once, and not where others leave.
func TestStartsDoNotWait(t *testing.T) {
	c := world([]int{80, 10}, []int{70}, []int{30})
	c.State = []cluster.State{cluster.Running, cluster.Running, cluster.Running, cluster.Waiting}
	c.Host[3] = cluster.Nowhere
	c.Nodes[2].State = cluster.Offline
	wanted := []cluster.State{cluster.Sleeping, cluster.Running, cluster.Running, cluster.Running}
	r := placement.Solve(c, placement.Problem{Wanted: wanted})
	if r.Answer != placement.Viable || !slices.Equal(r.Host, []int32{cluster.Nowhere, 0, 1, 1}) {
		t.Errorf("got %+v", r)
	}
}

// Where nobody moves but states change, it is asked whether there is a way.
func TestStatesHaveToBeReachable(t *testing.T) {
	c := world([]int{30, 30})
	asked := 0
	r := placement.Solve(c, placement.Problem{
		Wanted:    []cluster.State{cluster.Sleeping, cluster.Running},
		Reachable: func([]int32) ([]int32, bool) { asked++; return nil, false },
	})
	if r.Answer != placement.Infeasible || asked == 0 {
		t.Errorf("%v after %d questions", r.Answer, asked)
	}
}

// A state that cannot be had where it costs least is had elsewhere.
func TestResumedWhereItIsReachable(t *testing.T) {
	c := world([]int{90}, nil)
	c.VMs = append(c.VMs, c.VMs[0])
	c.VMs[1].ID, c.VMs[1].Name = 2, "vm2"
	c.Host = append(c.Host, cluster.Nowhere)
	c.State = []cluster.State{cluster.Running, cluster.Sleeping}
	c.Image = []int32{cluster.Nowhere, 0}
	rules := []rule.Rule{{Name: "first", Kind: rule.Precedence, VMs: []int32{1, 0}}} // the node is free too late
	wanted := []cluster.State{cluster.Sleeping, cluster.Running}
	r := placement.Solve(c, placement.Problem{Rules: rules, Wanted: wanted, Reachable: func(host []int32) ([]int32, bool) {
		_, err := plan.Switch(c, plan.Goal{Host: host, State: wanted}, plan.Settings{Rules: rules})
		return nil, err == nil
	}})
	if r.Answer != placement.Viable || r.Host[1] != 1 || r.Cost != 2*cluster.MiB || !r.Optimal {
		t.Errorf("got %+v", r)
	}
}

// VMs of an Among that is broken at the start may change their group.
func TestAmongThatIsBroken(t *testing.T) {
	c := world([]int{90, 90}, []int{90}, nil)
	among := rule.Rule{Name: "zone", Kind: rule.Among, VMs: []int32{0, 2}, Groups: [][]int32{{0, 2}, {1}}, Always: true}
	fence := rule.Rule{Name: "fence", Kind: rule.Fence, VMs: []int32{2}, Nodes: []int32{2}}
	wanted := []cluster.State{cluster.Terminated, cluster.Running, cluster.Running}
	r := placement.Solve(c, placement.Problem{Rules: []rule.Rule{among, fence}, Wanted: wanted})
	if r.Answer != placement.Viable || r.Host[2] != 2 {
		t.Errorf("got %+v", r)
	}
	c.Host[2] = 0 // now it is kept, and its group has nodes 0 and 2
	c.VMs[0].Demand[cluster.CPU], c.VMs[1].Demand[cluster.CPU] = 50, 50
	fence.Nodes = []int32{1}
	r = placement.Solve(c, placement.Problem{Rules: []rule.Rule{among, fence}, Wanted: wanted})
	if r.Answer != placement.Infeasible {
		t.Errorf("out of its group: %+v", r)
	}
}

// A node that is kept on counts once, whether it hosts VMs or not.
func TestNodesKeptOnCountOnce(t *testing.T) {
	c := world([]int{30}, []int{30})
	rules := []rule.Rule{
		{Name: "on", Kind: rule.Online, Nodes: []int32{0}},
		{Name: "few", Kind: rule.MaxOnline, Nodes: []int32{0, 1}, Max: 1},
	}
	r := placement.Solve(c, placement.Problem{Rules: rules})
	if r.Answer != placement.Viable || !slices.Equal(r.Host, []int32{0, 0}) || !r.Optimal {
		t.Errorf("got %+v", r)
	}
}

// One VM that leaves can end an overload and mend a rule, so that the bound counts
// it once.
func TestBoundsAreNotAddedUp(t *testing.T) {
	c := world(append([][]int{{60, 60}}, make([][]int, 20)...)...) // too many nodes to be searched whole
	r := placement.Solve(c, placement.Problem{Rules: []rule.Rule{{Name: "apart", Kind: rule.Spread, VMs: []int32{0, 1}}}})
	if r.Bound != cluster.MiB || r.Cost != cluster.MiB || !r.Optimal {
		t.Errorf("got %+v", r)
	}
}
