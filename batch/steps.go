package batch

import (
	"cmp"
	"errors"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// errStuck says that VMs wait for each other's room, and that no node has room
// to let one of them pass.
var errStuck = errors.New("VMs wait for each other, and no node has room for one of them")

// Steps returns the plan of [2], section 2.2.2, that leads from c to the wanted
// states and hosts: feasible actions go together in a step, a cycle is broken by
// a migration through another node, and the resumes of a vjob wait for the last
// of them.
func Steps(c *cluster.Configuration, wanted []cluster.State, host []int32) (plan.Plan, error) {
	s := stepper{c: c, free: capacities(c), at: slices.Clone(c.Host), passed: make([]bool, len(c.VMs))}
	var leaving []int32
	for v, n := range c.Host {
		if n != cluster.Nowhere {
			s.free[n] = s.free[n].Minus(c.VMs[v].Demand)
		}
		switch state := c.StateOf(int32(v)); {
		case state == wanted[v] && n == host[v] || state == cluster.Waiting && wanted[v] == cluster.Terminated:
		case wanted[v] == cluster.Running:
			s.arriving = append(s.arriving, int32(v))
		default:
			leaving = append(leaving, int32(v))
		}
	}
	slices.SortStableFunc(s.arriving, func(a, b int32) int {
		return cmp.Compare(c.VMs[b].Demand.Memory(), c.VMs[a].Demand.Memory())
	})
	for step := 0; len(leaving)+len(s.arriving) > 0; step++ {
		s.step, s.freed = step, nil
		begun := len(s.plan.Actions)
		for _, v := range leaving {
			kind, at := plan.Suspend, c.Host[v]
			if wanted[v] == cluster.Terminated {
				kind = plan.Stop
			}
			if at == cluster.Nowhere {
				at = c.ImageOf(v)
			}
			s.add(v, kind, at, at)
		}
		leaving = nil
		s.arriving = slices.DeleteFunc(s.arriving, func(v int32) bool { return s.arrive(v, host[v]) })
		if len(s.plan.Actions) == begun && !s.bypass(host) {
			return plan.Plan{}, errStuck
		}
		for _, f := range s.freed {
			s.free[f.node] = s.free[f.node].Plus(c.VMs[f.vm].Demand)
		}
	}
	s.together()
	return s.plan, nil
}

// stepper is one call of Steps.
type stepper struct {
	c        *cluster.Configuration
	at       []int32             // by VM
	free     []cluster.Resources // by node: at the start of the step, less its arrivals so far
	freed    []departure         // of the step
	passed   []bool              // by VM: it was sent on a bypass
	arriving []int32             // VMs that are to arrive, most memory first
	step     int
	plan     plan.Plan
}

type departure struct{ vm, node int32 }

func (s *stepper) add(v int32, kind plan.Kind, source, target int32) {
	vm := &s.c.VMs[v]
	s.plan.Actions = append(s.plan.Actions, plan.Action{
		Kind: kind, VM: vm.ID, Memory: vm.Demand.Memory(), Step: s.step,
		Source: s.c.Nodes[source].ID, Target: s.c.Nodes[target].ID,
	})
	if kind.Leaves() && s.at[v] != cluster.Nowhere {
		s.freed = append(s.freed, departure{v, s.at[v]})
	}
}

// arrive lets a VM come to a node if there is room.
func (s *stepper) arrive(v, n int32) bool {
	if !s.c.VMs[v].Demand.Within(s.free[n]) {
		return false
	}
	kind, source := plan.Migrate, s.at[v]
	if source == cluster.Nowhere {
		kind, source = plan.Run, n
		if s.c.StateOf(v) == cluster.Sleeping {
			kind = plan.Resume
			if image := s.c.ImageOf(v); image != cluster.Nowhere {
				source = image
			}
		}
	}
	s.add(v, kind, source, n)
	s.free[n] = s.free[n].Minus(s.c.VMs[v].Demand)
	s.at[v] = n
	return true
}

// bypass lets the VM with the least memory pass through another node.
func (s *stepper) bypass(host []int32) bool {
	for _, v := range slices.Backward(s.arriving) {
		if s.at[v] == cluster.Nowhere || s.passed[v] {
			continue
		}
		for n := range s.free {
			if n := int32(n); n != s.at[v] && n != host[v] && s.arrive(v, n) {
				s.plan.Actions[len(s.plan.Actions)-1].Bypass, s.passed[v] = true, true
				return true
			}
		}
	}
	return false
}

// together moves the resumes of each vjob to the step that has the last of them.
func (s *stepper) together() {
	actions := s.plan.Actions
	for _, j := range s.c.VJobs {
		last := 0
		ids := make([]cluster.VMID, len(j.VMs))
		for i, v := range j.VMs {
			ids[i] = s.c.VMs[v].ID
		}
		ours := func(a *plan.Action) bool { return a.Kind == plan.Resume && slices.Contains(ids, a.VM) }
		for i := range actions {
			if ours(&actions[i]) {
				last = max(last, actions[i].Step)
			}
		}
		for i := range actions {
			if ours(&actions[i]) {
				actions[i].Step = last
			}
		}
	}
	slices.SortStableFunc(actions, func(a, b plan.Action) int { return cmp.Compare(a.Step, b.Step) })
	// A step that has lost all of its actions is none.
	step := -1
	for i, before := 0, -1; i < len(actions); i++ {
		if actions[i].Step != before {
			step++
		}
		before, actions[i].Step = actions[i].Step, step
	}
}
