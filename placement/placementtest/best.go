package placementtest

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// Best returns a best placement for the goal, the first in order of VMs and
// nodes, and what it is worth. exists is false if there is no placement with
// nothing wrong.
//
// reachable says which placements count, for example those to which plan.Make
// finds a way; nil stands for all. It must not keep or change host. It is asked
// only about placements that are better than the best before.
//
// Every placement of the VMs that are to run is looked at, but for those in
// which a node is already asked for too much by the first few VMs: up to a
// second for 8 VMs on 5 nodes, a few milliseconds for 6 VMs on 4 nodes.
func (p *Problem) Best(goal Goal, reachable func(host []int32) bool) (best Value, host []int32, exists bool) {
	s := newSearch(p)
	s.each(0, func(candidate []int32) {
		verdict := s.judge.Placement(candidate)
		if len(verdict.Wrong) > 0 {
			return
		}
		value := s.value(candidate, verdict)
		if exists && goal.Compare(value, best) >= 0 || reachable != nil && !reachable(candidate) {
			return
		}
		best, host, exists = value, slices.Clone(candidate), true
	})
	return best, host, exists
}

// search walks through all placements.
type search struct {
	c      *cluster.Configuration
	judge  *check.Judge
	runs   []bool              // by VM: it is to run in the end
	demand []cluster.Resources // by VM, with what is preserved
	free   []cluster.Resources // by node: what it offers, less the VMs placed so far
	keptOn []bool              // by node
	host   []int32             // by VM, as far as they are placed
}

func newSearch(p *Problem) *search {
	c := p.Configuration
	s := &search{
		c: c, judge: check.NewJudge(c, p.Request), runs: make([]bool, len(c.VMs)), demand: make([]cluster.Resources, len(c.VMs)),
		free: make([]cluster.Resources, len(c.Nodes)), keptOn: make([]bool, len(c.Nodes)), host: make([]int32, len(c.VMs)),
	}
	applied := rule.Apply(c, p.Request.Rules)
	for v := range c.VMs {
		s.demand[v] = applied.VMs[v].Demand
		s.runs[v] = c.StateOf(int32(v)) == cluster.Running
		if p.Request.Wanted != nil {
			s.runs[v] = p.Request.Wanted[v] == cluster.Running
		}
	}
	for n := range c.Nodes {
		s.free[n] = applied.Nodes[n].Offer()
	}
	for _, r := range p.Request.Rules {
		if r.Kind == rule.Online {
			for _, n := range r.Nodes {
				s.keptOn[n] = true
			}
		}
	}
	return s
}

// each visits the placements that agree with s.host on the VMs before v.
func (s *search) each(v int, visit func(host []int32)) {
	if v == len(s.host) {
		visit(s.host)
		return
	}
	s.host[v] = cluster.Nowhere
	if !s.runs[v] {
		s.each(v+1, visit)
		return
	}
	for n := range s.free {
		if !s.demand[v].Within(s.free[n]) {
			continue
		}
		s.host[v] = int32(n)
		s.free[n] = s.free[n].Minus(s.demand[v])
		s.each(v+1, visit)
		s.free[n] = s.free[n].Plus(s.demand[v])
	}
}

// value returns what a placement with nothing wrong is worth.
func (s *search) value(host []int32, verdict check.Verdict) Value {
	value := Value{Cost: verdict.Weight}
	on := slices.Clone(s.keptOn)
	for v, n := range host {
		if n == cluster.Nowhere {
			continue
		}
		on[n] = true
		memory, image := s.demand[v].Memory(), s.c.ImageOf(int32(v))
		switch s.c.StateOf(int32(v)) {
		case cluster.Running:
			if n != s.c.Host[v] {
				value.Cost += memory
				value.Moves++
			}
		case cluster.Sleeping:
			value.Cost += memory
			if image != cluster.Nowhere && image != n {
				value.Cost += memory
			}
		}
	}
	for _, isOn := range on {
		if isOn {
			value.Nodes++
		}
	}
	return value
}
