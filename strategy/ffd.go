package strategy

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

// Decider is how a scheduler comes from reports, and the events that they are
// about, to a decision, with a search of at most budget steps. Decide and
// ConsolidateFFD are two of them.
type Decider func(s protocol.Solve, budget int) Decision

// FirstFitDecreasing puts each of the demands, the largest first, on the first
// node with room. Larger is what has more memory and, if that is equal, more
// CPU.
//
// free is what the nodes have left. If every demand found a node, it is less
// what they ask for, and host says which node each of the demands is on. If one
// found none, ok is false and free is as it was. looks counts the nodes that
// were looked at.
//
// Source: [1], which takes it as the usual way to pack VMs and compares itself
// with it; D. S. Johnson, "Near-optimal bin packing algorithms", MIT, 1973.
func FirstFitDecreasing(free, demands []cluster.Resources) (host []int32, looks int, ok bool) {
	order := make([]int, len(demands))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := demands[a], demands[b]
		return cmp.Or(cmp.Compare(y.Memory(), x.Memory()), cmp.Compare(y.CPU(), x.CPU()))
	})
	left := slices.Clone(free)
	host = make([]int32, len(demands))
	for _, i := range order {
		n := slices.IndexFunc(left, demands[i].Within)
		if n < 0 {
			return nil, looks + len(left), false
		}
		looks += n + 1
		left[n] = left[n].Minus(demands[i])
		host[i] = int32(n)
	}
	copy(free, left)
	return host, looks, true
}

// ConsolidateFFD packs all reported VMs on as few of the reported nodes as
// first-fit decreasing does, as if they ran nowhere yet, and returns the plan
// that leads there. If they do not fit that way, or no plan leads there, nothing
// is found and they stay where they are.
//
// That is the usual consolidation and what [1] was compared with: it ignores
// where VMs are, so it moves many. The budget is of no use to it.
func ConsolidateFFD(s protocol.Solve, _ int) Decision {
	c := configuration(s.Reports)
	d := Decision{Answer: "exhausted", Nodes: len(c.Nodes), VMs: len(c.VMs)}
	free, demands := make([]cluster.Resources, len(c.Nodes)), make([]cluster.Resources, len(c.VMs))
	for i := range c.Nodes {
		free[i] = c.Nodes[i].Offer()
	}
	for i := range c.VMs {
		demands[i] = c.VMs[i].Demand
	}
	host, looks, ok := FirstFitDecreasing(free, demands)
	d.Steps = looks
	if !ok {
		d.Reasons = "a VM fits no node in the order of first-fit decreasing"
		return d
	}
	p, err := plan.Make(c, host)
	if err != nil {
		d.Reasons = fmt.Sprintf("first-fit decreasing has a packing that can't be reached: %v", err)
		return d
	}
	d.Found, d.Answer, d.Plan = true, "viable", p
	if len(p.Actions) == 0 {
		d.Answer = "already-viable"
	}
	for v, n := range host {
		if n != c.Host[v] {
			d.Moved += c.VMs[v].Demand.Memory()
		}
	}
	return d
}
