// Package strategy holds the schedulers that DVMS is compared with, as state
// machines of the same shape as a DVMS node, and the decision that all of them
// share: from reports of nodes to a plan.
//
// The strategies see the same reports, call the same solver and planner, and
// have their migrations carried out in the same way. What differs is who
// decides, over which nodes, and when; and for first-fit decreasing, how.
//
// Sources:
//
//	[1] F. Hermenier et al., "Entropy: a consolidation manager for clusters",
//	    VEE 2009.
package strategy

import (
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

// Machine is the part of a strategy that runs on one node. protocol.Node is one.
type Machine interface {
	// Step advances the machine by one input and returns what it asks for, in
	// order. The slice is valid until the next Step.
	Step(now time.Duration, in protocol.Input) []protocol.Output
}

// DefaultBudget is how many search steps a decision may take. It does not grow with
// the number of VMs: who waits for a better answer meets other loads.
const DefaultBudget = 1_000_000

// Decision is what solver and planner say to a set of nodes.
type Decision struct {
	Found   bool   // there is a viable placement, and a plan that leads to it
	Answer  string // viable, already-viable, infeasible or exhausted
	Reasons string // if it is not found: what ruled out how many placements
	Plan    plan.Plan
	Moved   cluster.Bytes // memory of the VMs that the plan moves
	Steps   int           // search steps spent
	Nodes   int           // considered
	VMs     int           // considered
}

// Decide looks for a viable placement of the reported VMs on the reported nodes
// to which a plan leads, which serves the events that the question is about, and
// that moves the fewest bytes; those of a bypass are not counted. budget bounds
// the search, in steps; 0 stands for DefaultBudget.
//
// What other events ask for is put right along the way if it can be, and else
// left as it is: an overload is repaired even if a member can't be drained.
func Decide(s protocol.Solve, budget int) Decision {
	if budget == 0 {
		budget = DefaultBudget
	}
	q := pose(s, true)
	d := q.answer(budget)
	if !d.Found && q.relax {
		steps := d.Steps
		q = pose(s, false)
		d = q.answer(budget)
		d.Steps += steps
	}
	if !d.Found && s.Kinds.Has(protocol.Drain) {
		d.Reasons = q.prisoners()
	}
	return d
}

// configuration is what the reports say together.
func configuration(reports []protocol.Report) *cluster.Configuration {
	vms := 0
	for _, r := range reports {
		vms += len(r.Local.VMs)
	}
	c := &cluster.Configuration{
		Nodes: make([]cluster.Node, len(reports)),
		VMs:   make([]cluster.VM, 0, vms),
		Host:  make([]int32, 0, vms),
	}
	for i, r := range reports {
		c.Nodes[i] = cluster.Node{ID: r.Node, Capacity: r.Local.Capacity}
		for _, v := range r.Local.VMs {
			c.VMs = append(c.VMs, v)
			c.Host = append(c.Host, int32(i))
		}
	}
	return c
}
