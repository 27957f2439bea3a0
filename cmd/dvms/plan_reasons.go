package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// move is an action of the plan, for people.
type move struct {
	plan.Action
	index            int  // in the plan
	number           int  // from 1
	asleep           bool // the VM sleeps at the start
	vm, source, goal string
	reason           string
}

// words says what is done.
func (m *move) words() string {
	switch {
	case m.Kind == plan.Resume && m.Source == m.Target:
		return "resume (local)"
	case m.Kind == plan.Resume:
		return "resume (remote)"
	}
	return m.Kind.String()
}

// way says where it is done.
func (m *move) way() string {
	switch {
	case m.Kind == plan.Run:
		return "→ " + m.goal
	case m.source == m.goal:
		return m.source
	}
	return m.source + " → " + m.goal
}

// moves returns the plan's actions with names and reasons, step by step.
func (p *proposal) moves() [][]move {
	r := newReasons(p)
	var steps [][]move
	number := 0
	for _, step := range p.plan.Steps() {
		var moves []move
		for _, a := range step {
			number++
			moves = append(moves, move{
				a, number - 1, number, p.c.StateOf(r.vms[a.VM]) == cluster.Sleeping, p.c.VMs[r.vms[a.VM]].Name, p.c.Nodes[r.nodes[a.Source]].Name, p.c.Nodes[r.nodes[a.Target]].Name,
				r.reason(number - 1),
			})
		}
		steps = append(steps, moves)
	}
	return steps
}

// reasons tells why there are the actions of a plan.
type reasons struct {
	proposal *proposal
	index
	usage    []cluster.Resources
	byVM     map[cluster.VMID][]int   // its actions
	arrivals map[cluster.NodeID][]int // at a node
	rules    map[int32][]string       // by VM: the rules that it breaks at the start, and not in the end
	closed   map[int32]string         // by node: why it is to be empty
	empty    []bool                   // by node: it hosts nobody in the end
	judge    *check.Judge
	asked    int // how often the judge was asked
}

func newReasons(p *proposal) *reasons {
	r := &reasons{
		proposal: p, index: newIndex(p.c), usage: p.c.Usage(), byVM: map[cluster.VMID][]int{}, arrivals: map[cluster.NodeID][]int{},
		rules: map[int32][]string{}, closed: p.closed(), judge: check.NewJudge(p.Configuration, check.Request{
			Rules: p.Rules, Wanted: p.Wanted, Drain: p.Drain,
		}),
	}
	for i, a := range p.plan.Actions {
		r.byVM[a.VM] = append(r.byVM[a.VM], i)
		if a.Kind.Arrives() {
			r.arrivals[a.Target] = append(r.arrivals[a.Target], i)
		}
	}
	for _, vms := range p.end.Hosted() {
		r.empty = append(r.empty, len(vms) == 0)
	}
	if len(p.plan.Actions) > 0 {
		r.findBroken()
	}
	return r
}

// closed tells of the nodes that are to host nobody in the end why that is.
func (p *proposal) closed() map[int32]string {
	why := map[int32]string{}
	for i := range p.Rules {
		if p.Rules[i].Kind == rule.Offline {
			for _, n := range p.Rules[i].Nodes {
				why[n] = named(&p.Rules[i])
			}
		}
	}
	for n := range p.c.Nodes {
		name, state := p.c.Nodes[n].Name, p.c.Nodes[n].State
		switch {
		case state == cluster.Offline:
			why[int32(n)] = name + " is offline"
		case slices.Contains(p.Drain, int32(n)):
			why[int32(n)] = name + " is to be drained"
		case state == cluster.Draining:
			why[int32(n)] = name + " is draining"
		}
	}
	return why
}

// findBroken notes the rules that are broken at the start and kept in the end.
func (r *reasons) findBroken() {
	start := check.Placement(r.proposal.Configuration, check.Request{Rules: r.proposal.Rules, Drain: r.proposal.Drain}, r.proposal.Configuration.Host)
	broken := map[int]bool{}
	for _, f := range r.proposal.broken {
		broken[f.Rule] = true
	}
	for _, f := range slices.Concat(start.Wrong, start.Broken) {
		if f.Reason != check.BrokenRule || broken[f.Rule] {
			continue
		}
		for _, v := range f.VMs {
			r.rules[v] = append(r.rules[v], named(&r.proposal.Rules[f.Rule]))
		}
	}
}

// named is a rule with its kind.
func named(r *rule.Rule) string {
	if strings.HasPrefix(r.Name, r.Kind.String()) {
		return "rule " + r.Name
	}
	return fmt.Sprintf("rule %s (%s)", r.Name, r.Kind)
}

// reason tells why an action is in the plan: the state that is wanted, what its VM
// leaves behind at the node where it is at the start, or the cycle that it breaks.
func (r *reasons) reason(i int) string {
	a := r.proposal.plan.Actions[i]
	own := r.byVM[a.VM]
	last := r.proposal.plan.Actions[own[len(own)-1]]
	switch {
	case a.Bypass && a.Kind == plan.Suspend:
		return fmt.Sprintf("breaks a cycle, is resumed in step %d", last.Step+1)
	case a.Bypass && a.Target != last.Target:
		return fmt.Sprintf("breaks a cycle, goes on to %s in step %d", r.proposal.c.Nodes[r.nodes[last.Target]].Name, last.Step+1)
	case a.Bypass:
		return fmt.Sprintf("breaks a cycle, comes back in step %d", last.Step+1)
	}
	v := r.vms[a.VM]
	if from := r.proposal.c.StateOf(v); r.proposal.Wanted != nil && r.proposal.Wanted[v] != from {
		return r.wantedState(v, &a)
	}
	if r.proposal.c.Host[v] == r.proposal.end.Host[v] && own[0] != i {
		return "ends its detour"
	}
	why := r.cause(v, r.proposal.plan.Actions[own[0]])
	if own[0] != i && r.proposal.plan.Actions[own[0]].Kind == plan.Suspend {
		return "goes on; " + why
	}
	if own[0] != i {
		return "ends its detour; " + why
	}
	return why
}

// wantedState tells that v is to change its state, and what follows from it.
func (r *reasons) wantedState(v int32, a *plan.Action) string {
	why := "wanted " + r.proposal.Wanted[v].String()
	if a.Kind == plan.Migrate { // on the way
		return "makes room; " + why + " later"
	}
	if guests := r.guests(*a); a.Kind.Leaves() && len(guests) > 0 {
		why += "; makes room for " + listed(guests, 3)
	}
	return why
}

// cause tells why a VM leaves the node where it is at the start.
func (r *reasons) cause(v int32, first plan.Action) string {
	n := r.nodes[first.Source]
	var causes []string
	if why := r.closed[n]; why != "" {
		causes = append(causes, why)
	}
	if offer := r.proposal.c.Nodes[n].Offer(); r.closed[n] == "" {
		if over, ok := r.usage[n].Exceeding(offer); ok {
			causes = append(causes, r.proposal.c.Nodes[n].Name+" overloaded: "+excess(over, r.usage[n], offer)+r.counting(n, over))
		}
	}
	if rules := r.rules[v]; len(rules) > 0 {
		causes = append(causes, listed(rules, 3))
	}
	if len(causes) == 0 && r.proposal.goal == "consolidate" && r.empty[n] {
		causes = append(causes, "empties "+r.proposal.c.Nodes[n].Name)
	}
	if guests := r.guests(first); len(causes) == 0 && len(guests) > 0 {
		causes = append(causes, "makes room for "+listed(guests, 3))
	}
	if len(causes) == 0 {
		causes = append(causes, r.otherwise(v, n))
	}
	return strings.Join(causes, "; ")
}

// counting names the rules that change what VMs on n ask for, or what n offers.
func (r *reasons) counting(n int32, of cluster.Resource) string {
	var rules []string
	for i := range r.proposal.Rules {
		is := &r.proposal.Rules[i]
		if is.Resource == of && (is.Kind == rule.Overbook && slices.Contains(is.Nodes, n) ||
			is.Kind == rule.Preserve && slices.ContainsFunc(is.VMs, func(v int32) bool { return r.proposal.c.Host[v] == n })) {
			rules = append(rules, named(is))
		}
	}
	if len(rules) == 0 {
		return ""
	}
	return " by " + listed(rules, 2)
}

// guests are the VMs that come later to where an action leaves from.
func (r *reasons) guests(first plan.Action) (guests []string) {
	for _, i := range r.arrivals[first.Source] {
		if a := r.proposal.plan.Actions[i]; a.Step > first.Step && a.VM != first.VM && !a.Bypass {
			guests = append(guests, r.proposal.c.VMs[r.vms[a.VM]].Name)
		}
	}
	return guests
}

// mostAsked bounds how often a judge is asked for a reason, as it looks at the
// whole cluster.
const mostAsked = 100

// otherwise tells what would be wrong in the end if v stayed on n.
func (r *reasons) otherwise(v, n int32) string {
	if r.proposal.goal == "level" {
		return "levels the load"
	}
	if r.asked++; r.asked <= mostAsked {
		host := slices.Clone(r.proposal.end.Host)
		host[v] = n
		verdict := r.judge.Placement(host)
		for _, f := range slices.Concat(verdict.Wrong, verdict.Broken) {
			switch {
			case f.Rule != check.NoRule && !slices.ContainsFunc(r.proposal.broken, func(b check.Fault) bool { return b.Rule == f.Rule }):
				return named(&r.proposal.Rules[f.Rule])
			case f.Reason == check.OverloadNode:
				return "makes room on " + r.proposal.c.Nodes[f.Nodes[0]].Name
			}
		}
	}
	if r.proposal.goal == "consolidate" {
		return "moves together with others"
	}
	return "part of the best placement found"
}
