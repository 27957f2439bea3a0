// Package plan turns one configuration of VMs into another by live
// migrations, in an order in which every one of them has room.
//
// Make finds the order. A migration is feasible when its target has room for
// the VM while the source still holds it. Feasible migrations go together in a
// step; when there are none and some are left, they wait for each other in a
// cycle, which is broken by a bypass: one VM is moved to a third node and
// later on to its place. A Runner carries a Plan out, one completed action
// after the other.
//
// Source: F. Hermenier, A. Lebre and J.-M. Menaud, "Cluster-wide context
// switch of virtualized jobs", VTDC 2010.
package plan

import "github.com/dvms-project/dvms/cluster"

// Action is the live migration of one VM.
type Action struct {
	VM     cluster.VMID
	Source cluster.NodeID
	Target cluster.NodeID
	Memory cluster.Bytes // the size of the VM
	// Bypass marks a migration to a node that is not the VM's last one: it
	// breaks a cycle.
	Bypass bool
	// Step is the step of the plan that the action belongs to, from 0.
	Step int
	// After lists the actions, as indices into Plan.Actions, that must have
	// ended before this one starts.
	After []int
}

// Plan is a sequence of steps; the actions of a step run in parallel.
//
// Invariant: Actions are in ascending order of Step, and Action.After names
// only actions of earlier steps.
type Plan struct {
	Actions []Action
}

// Steps returns the actions step by step, as parts of p.Actions.
func (p *Plan) Steps() [][]Action {
	var steps [][]Action
	for start := 0; start < len(p.Actions); {
		end := start + 1
		for end < len(p.Actions) && p.Actions[end].Step == p.Actions[start].Step {
			end++
		}
		steps = append(steps, p.Actions[start:end:end])
		start = end
	}
	return steps
}
