package placementtest_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// two is a problem of two nodes: v0 and v1 run on the first, v2 sleeps with its
// image on the second.
func two(cpu ...cluster.Millicores) placementtest.Problem {
	c := &cluster.Configuration{
		Nodes: []cluster.Node{{ID: 0, Name: "n0", Capacity: cluster.Of(1000, 100)}, {ID: 1, Name: "n1", Capacity: cluster.Of(1000, 100)}},
		Host:  []int32{0, 0, cluster.Nowhere},
		State: []cluster.State{cluster.Running, cluster.Running, cluster.Sleeping},
		Image: []int32{cluster.Nowhere, cluster.Nowhere, 1},
	}
	for v, amount := range cpu {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: string(rune('a' + v)), Demand: cluster.Of(amount, cluster.Bytes(10+v))})
	}
	return placementtest.Problem{Configuration: c}
}

func TestBest(t *testing.T) {
	const nowhere = cluster.Nowhere
	run := []cluster.State{cluster.Running, cluster.Running, cluster.Running}
	spread := rule.Rule{Name: "apart", Kind: rule.Spread, VMs: []int32{0, 1}}
	soft := spread
	soft.Weight = 7
	tests := []struct {
		name   string
		p      placementtest.Problem
		change func(p *placementtest.Problem)
		goal   placementtest.Goal
		value  placementtest.Value
		host   []int32 // nil: there is none
	}{
		{"as it is", two(500, 500, 500), nil, placementtest.LeastCost, placementtest.Value{Nodes: 1}, []int32{0, 0, nowhere}},
		{"the smaller one leaves", two(500, 600, 500), nil, placementtest.LeastCost, placementtest.Value{Nodes: 2, Cost: 10, Moves: 1}, []int32{1, 0, nowhere}},
		{"nobody fits", two(500, 1600, 500), nil, placementtest.LeastCost, placementtest.Value{}, nil},
		{
			"resumed at home", two(400, 300, 300), func(p *placementtest.Problem) { p.Request.Wanted = run },
			placementtest.LeastCost,
			placementtest.Value{Nodes: 2, Cost: 12},
			[]int32{0, 0, 1},
		},
		{
			"resumed elsewhere", two(400, 300, 300), func(p *placementtest.Problem) { p.Request.Wanted = run },
			placementtest.FewestNodes,
			placementtest.Value{Nodes: 1, Cost: 24},
			[]int32{0, 0, 0},
		},
		{
			"an image that is near everywhere", two(400, 300, 300), func(p *placementtest.Problem) {
				p.Request.Wanted, p.Configuration.Image = run, nil
			}, placementtest.FewestNodes, placementtest.Value{Nodes: 1, Cost: 12}, []int32{0, 0, 0},
		},
		{
			"a node is drained", two(400, 300, 300), func(p *placementtest.Problem) { p.Request.Drain = []int32{0} },
			placementtest.LeastCost,
			placementtest.Value{Nodes: 1, Cost: 21, Moves: 2},
			[]int32{1, 1, nowhere},
		},
		{
			"a hard rule", two(400, 300, 300), func(p *placementtest.Problem) { p.Request.Rules = []rule.Rule{spread} },
			placementtest.LeastCost,
			placementtest.Value{Nodes: 2, Cost: 10, Moves: 1},
			[]int32{1, 0, nowhere},
		},
		{
			"a soft rule that is cheaper broken", two(400, 300, 300), func(p *placementtest.Problem) { p.Request.Rules = []rule.Rule{soft} },
			placementtest.LeastCost,
			placementtest.Value{Nodes: 1, Cost: 7},
			[]int32{0, 0, nowhere},
		},
		{
			"a node that is kept on", two(400, 300, 300), func(p *placementtest.Problem) {
				p.Request.Rules = []rule.Rule{{Name: "on", Kind: rule.Online, Nodes: []int32{1}}}
			}, placementtest.FewestNodes, placementtest.Value{Nodes: 1, Cost: 21, Moves: 2}, []int32{1, 1, nowhere},
		},
		{
			"preserved memory moves too", two(500, 600, 500), func(p *placementtest.Problem) {
				p.Request.Rules = []rule.Rule{{Name: "much", Kind: rule.Preserve, VMs: []int32{0}, Resource: cluster.Memory, Max: 50}}
			}, placementtest.LeastCost, placementtest.Value{Nodes: 2, Cost: 11, Moves: 1}, []int32{0, 1, nowhere},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if test.change != nil {
				test.change(&test.p)
			}
			value, host, exists := test.p.Best(test.goal, nil)
			if exists != (test.host != nil) || value != test.value || !slices.Equal(host, test.host) {
				t.Errorf("got %+v %v %v, want %+v %v", value, host, exists, test.value, test.host)
			}
			if !exists {
				return
			}
			if again, verdict := test.p.Judge(host); again != value || len(verdict.Wrong) > 0 {
				t.Errorf("judged %+v %v", again, verdict)
			}
		})
	}
	t.Run("reachable", func(t *testing.T) {
		p := two(500, 600, 500)
		value, host, exists := p.Best(placementtest.LeastCost, func(host []int32) bool { return host[0] == 0 })
		if want := (placementtest.Value{Nodes: 2, Cost: 11, Moves: 1}); !exists || value != want || !slices.Equal(host, []int32{0, 1, nowhere}) {
			t.Errorf("got %+v %v %v, want %+v", value, host, exists, want)
		}
	})
}

// What is generated is valid, rules of all kinds turn up, and a fair part of
// the problems has an answer, and not that everybody stays.
func TestProblems(t *testing.T) {
	const problems = 1000
	kinds, answered, soft, still := map[rule.Kind]int{}, 0, 0, 0
	generator := placementtest.Problems(placementtest.Small)
	for seed := range problems {
		p := generator.Example(seed)
		if err := p.Configuration.Validate(); err != nil {
			t.Fatal(err)
		}
		for _, err := range rule.Validate(p.Configuration, p.Request.Rules) {
			if wrong := (*rule.Error)(nil); !errors.As(err, &wrong) || !wrong.Contradiction {
				t.Fatalf("%+v: %v", p.Request.Rules, err)
			}
		}
		for _, r := range p.Request.Rules {
			kinds[r.Kind]++
		}
		_, host, exists := p.Best(placementtest.LeastCost, nil)
		if !exists {
			continue
		}
		answered++
		verdict := check.Placement(p.Configuration, p.Request, host)
		if len(verdict.Wrong) > 0 {
			t.Fatalf("seed %d: best is %v, which is wrong: %v", seed, host, verdict.Wrong)
		}
		soft += len(verdict.Broken)
		if slices.Equal(host, p.Configuration.Host) {
			still++
		}
	}
	if len(kinds) != int(rule.NumKinds) || answered < problems/4 || answered > problems*9/10 || soft < 20 || still > answered*2/3 {
		t.Errorf("of %d problems %d have an answer, %d with nothing to do, %d soft rules broken; rules: %v", problems, answered, still, soft, kinds)
	}
}

func BenchmarkBest(b *testing.B) {
	for name, size := range map[string]placementtest.Size{"small": placementtest.Small, "large": placementtest.Large} {
		b.Run(name, func(b *testing.B) {
			generator := placementtest.Problems(size)
			for i := 0; b.Loop(); i++ {
				p := generator.Example(i % 100)
				p.Best(placementtest.LeastCost, nil)
			}
		})
	}
}

// No placement that is drawn, and has nothing wrong, is better than the best.
func TestBestIsBest(t *testing.T) {
	right := 0
	for seed := range 300 {
		p := placementtest.Problems(placementtest.Small).Example(seed)
		rng := rand.New(rand.NewPCG(uint64(seed), 1))
		for _, goal := range []placementtest.Goal{placementtest.LeastCost, placementtest.FewestNodes} {
			best, host, exists := p.Best(goal, nil)
			if again, verdict := p.Judge(host); exists && (again != best || len(verdict.Wrong) > 0) {
				t.Fatalf("seed %d: best is %+v, judged %+v %v", seed, best, again, verdict.Wrong)
			}
			for range 200 {
				other := make([]int32, len(p.Configuration.VMs))
				for v := range other {
					other[v] = cluster.Nowhere
					if want := p.Request.Wanted; want == nil && p.Configuration.Host[v] != cluster.Nowhere || want != nil && want[v] == cluster.Running {
						other[v] = rng.Int32N(int32(len(p.Configuration.Nodes)))
					}
				}
				value, verdict := p.Judge(other)
				if len(verdict.Wrong) > 0 {
					continue
				}
				if right++; !exists || goal.Compare(value, best) < 0 {
					t.Fatalf("seed %d: %v is %+v, and best %+v", seed, other, value, best)
				}
			}
		}
	}
	if right < 5000 {
		t.Errorf("only %d placements were right", right)
	}
}
