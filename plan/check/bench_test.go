package check_test

import (
	"fmt"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// chain returns nodes in a row that are full with two VMs each, but for the last.
// One VM of each goes to the next node, when the one there has left. Each chain
// is of length nodes.
func chain(chains, length int) (*cluster.Configuration, plan.Plan) {
	c := &cluster.Configuration{}
	var p plan.Plan
	for range chains {
		first := len(c.Nodes)
		for n := first; n < first+length; n++ {
			c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: cluster.Of(1000, 1000)})
			for range 2 {
				v := len(c.VMs)
				c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: cluster.Of(500, 10)})
				c.Host = append(c.Host, int32(n))
			}
		}
		c.Nodes[len(c.Nodes)-1].Capacity = cluster.Of(2000, 1000)
	}
	for step := range length - 1 {
		for i := range chains {
			n := (i+1)*length - 2 - step
			a := plan.Action{VM: cluster.VMID(2 * n), Source: cluster.NodeID(n), Target: cluster.NodeID(n + 1), Memory: 10, Step: step}
			if step > 0 {
				a.After = []int{len(p.Actions) - chains}
			}
			p.Actions = append(p.Actions, a)
		}
	}
	return c, p
}

// through returns a plan in which one node takes in and gives away as many VMs,
// one by one.
func through(count int) (*cluster.Configuration, plan.Plan) {
	c := &cluster.Configuration{}
	for n := range 3 {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: cluster.Of(cluster.Millicores(1_000_000), 1_000_000)})
	}
	c.Nodes[1].Capacity = cluster.Of(1000, 10)
	var p plan.Plan
	for v := range count {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: cluster.Of(1000, 10)})
		c.Host = append(c.Host, 0)
		in := plan.Action{VM: cluster.VMID(v), Source: 0, Target: 1, Memory: 10, Bypass: true, Step: 2 * v}
		if v > 0 {
			in.After = []int{2*v - 1}
		}
		p.Actions = append(p.Actions, in, plan.Action{VM: cluster.VMID(v), Source: 1, Target: 2, Memory: 10, Step: 2*v + 1, After: []int{2 * v}})
	}
	return c, p
}

// pairs returns rules that keep VMs that follow each other in a chain apart.
func pairs(chains, length int) (rules []rule.Rule) {
	for i := range chains {
		for n := range length - 2 {
			v := int32(2 * (i*length + n))
			rules = append(rules, rule.Rule{Name: fmt.Sprint("r", v), Kind: rule.Spread, VMs: []int32{v, v + 2}, Always: true})
		}
	}
	return rules
}

func BenchmarkPlan(b *testing.B) {
	shapes := []struct {
		name  string
		made  func() (*cluster.Configuration, plan.Plan)
		rules func() []rule.Rule
	}{
		{"1000-chains", func() (*cluster.Configuration, plan.Plan) { return chain(1000, 11) }, nil},
		{"10-chains", func() (*cluster.Configuration, plan.Plan) { return chain(10, 1001) }, nil},
		{"one-chain", func() (*cluster.Configuration, plan.Plan) { return chain(1, 10_001) }, nil},
		{"one-chain-of-100000", func() (*cluster.Configuration, plan.Plan) { return chain(1, 100_001) }, nil},
		{"10-chains-apart", func() (*cluster.Configuration, plan.Plan) { return chain(10, 1001) }, func() []rule.Rule {
			return pairs(10, 1001)
		}},
		{"through-one-node", func() (*cluster.Configuration, plan.Plan) { return through(500) }, nil},
	}
	for _, shape := range shapes {
		b.Run(shape.name, func(b *testing.B) {
			c, p := shape.made()
			var rules []rule.Rule
			if shape.rules != nil {
				rules = shape.rules()
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := check.Plan(c, p, rules...); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(p.Actions)), "actions")
		})
	}
}
