package placement_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

func ExampleDiagnose() {
	// The replicas vm1 and vm2 are to be apart, and both on the first node.
	c := world([]int{30, 30}, []int{30}, nil)
	p := placement.Problem{Rules: []rule.Rule{
		{Name: "replicas", Kind: rule.Spread, VMs: []int32{0, 1}},
		{Name: "quiet", Kind: rule.Lonely, VMs: []int32{2}},
		{Name: "licence", Kind: rule.Fence, VMs: []int32{0, 1}, Nodes: []int32{0}},
	}}
	d := placement.Diagnose(c, p)
	fmt.Println("proven:", d.Proven)
	for _, i := range d.Rules {
		fmt.Println("in conflict:", p.Rules[i].Name)
	}
	for _, r := range d.Relaxations {
		switch r.Kind {
		case placement.WithoutRule:
			fmt.Println("without rule", p.Rules[r.Rule].Name)
		case placement.MoreNodes:
			fmt.Println(r.Nodes, "more like", c.Nodes[r.Like].Name)
		case placement.WithoutVM:
			fmt.Println("without", c.VMs[r.VM].Name)
		}
	}
	// Output:
	// proven: true
	// in conflict: replicas
	// in conflict: licence
	// without rule replicas
	// without rule licence
	// without vm1
}

func ExampleExplain() {
	c := world([]int{60, 30}, []int{50}, []int{10}, nil)
	c.Nodes[3].State = cluster.Draining
	p := placement.Problem{Rules: []rule.Rule{{Name: "replicas", Kind: rule.Spread, VMs: []int32{0, 3}}}}
	for _, e := range placement.Explain(c, p, c.Host, 0) {
		name := c.Nodes[e.Node].Name
		switch {
		case e.None():
			fmt.Println(name, "would do")
		case e.Closed:
			fmt.Println(name, "is closed")
		case len(e.Rules) > 0:
			fmt.Println(name, "breaks", p.Rules[e.Rules[0]].Name)
		default:
			fmt.Println(name, "lacks", e.Lacks)
		}
	}
	// Output:
	// n1 would do
	// n2 lacks cpu 0.1 cores
	// n3 breaks replicas
	// n4 is closed
}

func TestDiagnoseWhatIsShort(t *testing.T) {
	d := placement.Diagnose(world([]int{60, 60}, []int{90}), placement.Problem{})
	want := []placement.Relaxation{{Kind: placement.MoreNodes, Nodes: 1}, {Kind: placement.WithoutVM, VM: 0}}
	if !d.Proven || !slices.Equal(d.Short, []cluster.Resource{cluster.CPU}) || !slices.Equal(d.Nodes, []int32{0}) || !slices.Equal(d.Relaxations, want) {
		t.Errorf("got %+v", d)
	}
	d = placement.Diagnose(world([]int{110}, nil), placement.Problem{})
	want = []placement.Relaxation{{Kind: placement.WithoutVM, VM: 0}}
	if !d.Proven || d.Short != nil || !slices.Equal(d.VMs, []int32{0}) || !slices.Equal(d.Relaxations, want) {
		t.Errorf("got %+v", d)
	}
}

// A diagnosis says nothing that a look at every placement contradicts.
func TestDiagnoseAgreesWithLookingAtAll(t *testing.T) {
	infeasible := 0
	checkOften(t, func(t *rapid.T) {
		p := placementtest.Problems(placementtest.Small).Draw(t, "problem")
		problem := placement.Problem{Rules: p.Request.Rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain}
		exists := func(rules []rule.Rule) bool {
			q := p
			for _, r := range p.Request.Rules {
				if r.Kind == rule.Overbook && !slices.ContainsFunc(rules, func(o rule.Rule) bool { return o.Name == r.Name }) {
					rules = append(slices.Clip(rules), r)
				}
			}
			q.Request = check.Request{Rules: rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain}
			_, _, exists := q.Best(placementtest.LeastCost, nil)
			return exists
		}
		if exists(p.Request.Rules) {
			return
		}
		infeasible++
		d := placement.Diagnose(p.Configuration, problem)
		if !d.Proven || d.Found {
			t.Fatalf("not proven: %+v", d)
		}
		var conflict []rule.Rule
		for _, i := range d.Rules {
			conflict = append(conflict, p.Request.Rules[i])
		}
		if len(conflict) > 0 && exists(conflict) {
			t.Fatalf("rules %v are no conflict", d.Rules)
		}
		for i := range conflict {
			if !exists(slices.Delete(slices.Clone(conflict), i, i+1)) {
				t.Fatalf("rule %d of %v can be left out", i, d.Rules)
			}
		}
		if len(conflict) == 0 && exists(nil) {
			t.Fatalf("there is an answer without rules, and no conflict is named")
		}
		for _, r := range d.Relaxations {
			if r.Kind == placement.WithoutRule && !exists(slices.Delete(slices.Clone(p.Request.Rules), r.Rule, r.Rule+1)) {
				t.Fatalf("there is no answer without rule %d", r.Rule)
			}
		}
	})
	if infeasible == 0 {
		t.Error("every problem had an answer")
	}
}

// What Explain says of a VM of a good placement agrees with putting it there.
func TestExplainAgreesWithTheJudge(t *testing.T) {
	checkOften(t, func(t *rapid.T) {
		p := placementtest.Problems(placementtest.Small).Draw(t, "problem")
		problem := placement.Problem{Rules: p.Request.Rules, Wanted: p.Request.Wanted, Drain: p.Request.Drain}
		r := placement.Solve(p.Configuration, problem)
		if r.Host == nil {
			return
		}
		for v, at := range r.Host {
			if at == cluster.Nowhere {
				continue
			}
			for _, e := range placement.Explain(p.Configuration, problem, r.Host, int32(v)) {
				host := slices.Clone(r.Host)
				host[v] = e.Node
				_, verdict := p.Judge(host)
				if len(verdict.Wrong) == 0 && !slices.ContainsFunc(e.Rules, func(i int) bool { return !p.Request.Rules[i].Always }) {
					e.Rules = nil // in the end they are kept, and on the way not
				}
				if e.None() != (len(verdict.Wrong) == 0) {
					t.Fatalf("VM %d on node %d: %+v, and the judge says %v", v, e.Node, e, verdict.Wrong)
				}
			}
		}
	})
}
