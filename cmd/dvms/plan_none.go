package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
)

// noPlan says why there is no plan, in several lines, and what to do. It
// returns nil if there is one, or nothing to do.
func (p *proposal) noPlan(file string) error {
	if p.viable() {
		return nil
	}
	lines := []string{file + ": " + p.verdict()}
	var over []string
	for _, s := range p.changed() {
		if r, ok := s.before.Exceeding(s.node.Offer()); ok {
			over = append(over, fmt.Sprintf("%s (%s)", s.node.Name, excess(r, s.before, s.node.Offer())))
		}
	}
	if len(over) > 0 {
		lines = append(lines, "overloaded now: "+listed(over, 4))
	}
	lines = append(lines, p.shortages()...)
	lines = append(lines, p.conflict()...)
	lines = append(lines, p.turnedAway()...)
	lines = append(lines, p.helps()...)
	return errors.New(strings.Join(append(lines, "next: "+p.next()), "\n  "))
}

// verdict says what is known, in a line.
func (p *proposal) verdict() string {
	keeps := ""
	if len(p.Rules) > 0 {
		keeps = " that keeps the rules"
	}
	switch p.result.Answer {
	case placement.Infeasible:
		if p.unreachable() {
			return fmt.Sprintf("no order of actions, each with room, leads to a viable configuration%s (proven)", keeps)
		}
		return fmt.Sprintf("there is no viable configuration%s (proven)", keeps)
	case placement.Exhausted:
		if p.unreachable() {
			return fmt.Sprintf("in %s no order of actions, each with room, was found that leads to a viable configuration%s; there may be one",
				plural(p.budget(), "search step"), keeps)
		}
		return fmt.Sprintf("no viable configuration%s was found in %s; there may be one", keeps, plural(p.budget(), "search step"))
	}
	return fmt.Sprintf("a viable configuration%s was found, but no order of actions that leads there", keeps)
}

// budget is how many search steps the solver may have spent.
func (p *proposal) budget() int {
	if p.flags.budget > 0 {
		return int(p.flags.budget)
	}
	return max(placement.LeastBudget, placement.BudgetOfVM*len(p.c.VMs))
}

// shortages names what can be seen without a search: resources of which there is
// too little altogether, and VMs that no node can take.
func (p *proposal) shortages() []string {
	var lines []string
	var asked, offered cluster.Resources
	for v := range p.c.VMs {
		if p.wantedRunning(v) {
			asked = asked.Plus(p.c.VMs[v].Demand)
		}
	}
	closed := p.closed()
	for n := range p.c.Nodes {
		if closed[int32(n)] == "" {
			offered = offered.Plus(p.c.Nodes[n].Offer())
		}
	}
	for _, r := range p.diagnosis.Short {
		line := fmt.Sprintf("the VMs ask for %s of %s together, and the nodes offer %s", amount(r, asked[r]), r, amount(r, offered[r]))
		if largest, offers := p.largest(r); offers > 0 {
			more := (asked[r] - offered[r] + offers - 1) / offers
			line += fmt.Sprintf(": at least %s like %s too few", plural(int(more), "node"), largest)
		}
		lines = append(lines, line)
	}
	var large, kept []string
	for _, v := range p.diagnosis.VMs {
		vm := &p.c.VMs[v]
		text := fmt.Sprintf("%s (%s)", vm.Name, vm.Demand)
		if slices.ContainsFunc(p.c.Nodes, func(n cluster.Node) bool { return vm.Demand.Within(n.Offer()) }) {
			kept = append(kept, text)
		} else {
			large = append(large, text)
		}
	}
	if len(large) > 0 {
		lines = append(lines, "no node is large enough for "+listed(large, 4))
	}
	if len(kept) > 0 {
		lines = append(lines, "no node that is large enough may host "+listed(kept, 4))
	}
	return lines
}

// largest is the node that offers most of a resource, and how much that is.
func (p *proposal) largest(r cluster.Resource) (name string, offers int64) {
	for n := range p.c.Nodes {
		if offer := p.c.Nodes[n].Offer()[r]; offer > offers {
			name, offers = p.c.Nodes[n].Name, offer
		}
	}
	return name, offers
}

func (p *proposal) wantedRunning(v int) bool {
	if p.Wanted == nil {
		return p.c.Host[v] != cluster.Nowhere
	}
	return p.Wanted[v] == cluster.Running
}

// conflict names the rules that leave no answer.
func (p *proposal) conflict() []string {
	var names []string
	for _, i := range p.diagnosis.Rules {
		names = append(names, strings.TrimPrefix(named(&p.Rules[i]), "rule "))
	}
	switch len(names) {
	case 0:
		return nil
	case 1:
		return []string{"in the way: rule " + names[0]}
	}
	return []string{"in conflict, together with what the nodes offer: rules " + listed(names, 8)}
}

// rejections says in words what ruled out placements. What only speeds the
// search up is left out.
var rejections = map[placement.Reason]string{
	placement.NoCPU:       "too little cpu: %s while VMs were being placed",
	placement.NoMemory:    "too little memory: %s while VMs were being placed",
	placement.NoNetwork:   "too little network: %s while VMs were being placed",
	placement.NoDisk:      "too little disk: %s while VMs were being placed",
	placement.Unreachable: "a viable configuration that no order of actions leads to: %s",
}

// turnedAway counts what turned the search away.
func (p *proposal) turnedAway() []string {
	var lines []string
	rejected := p.result.Rejected
	for r := range rejected {
		if words, ok := rejections[placement.Reason(r)]; ok && rejected[r] > 0 {
			lines = append(lines, fmt.Sprintf(words, plural(rejected[r], "time")))
		}
	}
	var rules []string
	for i, times := range p.result.ByRule {
		if times > 0 {
			rules = append(rules, fmt.Sprintf("%s (%s)", p.Rules[i].Name, plural(times, "time")))
		}
	}
	if len(rules) > 0 {
		lines = append(lines, "rules that kept VMs from nodes: "+listed(rules, 6))
	}
	if p.stuck != nil && (p.lost || rejected[placement.Unreachable] > 0) {
		lines = append(lines, "as in this one: "+p.stuck.Error())
	}
	return lines
}

// helps says what would be enough, each alone.
func (p *proposal) helps() []string {
	var lines []string
	for _, r := range p.diagnosis.Relaxations {
		switch r.Kind {
		case placement.WithoutRule:
			lines = append(lines, "it would do to give up "+named(&p.Rules[r.Rule]))
		case placement.MoreNodes:
			lines = append(lines, fmt.Sprintf("it would do to add %s like %s", plural(r.Nodes, "node"), p.c.Nodes[r.Like].Name))
		case placement.WithoutVM:
			what := "stop or suspend " + p.c.VMs[r.VM].Name
			if p.c.Host[r.VM] == cluster.Nowhere {
				what = "leave " + p.c.VMs[r.VM].Name + " " + p.c.StateOf(r.VM).String()
			}
			lines = append(lines, "it would do to "+what)
		}
	}
	return lines
}

// next says what to do.
func (p *proposal) next() string {
	var next []string
	if p.result.Answer == placement.Exhausted {
		next = append(next, fmt.Sprintf("spend more with --budget %d", 10*p.budget()))
	}
	if p.unreachable() {
		return strings.Join(append(next, p.nextOrder()...), ", or ")
	}
	if rules := p.diagnosis.Rules; len(rules) > 0 {
		next = append(next, "ask less of a rule")
		if slices.ContainsFunc(rules, func(i int) bool { return p.Rules[i].Kind.CanBeSoft() }) {
			next = append(next, "give one a weight, so that it may be broken")
		}
	} else {
		next = append(next, "stop VMs or lower what they ask for", "add a node")
	}
	return strings.Join(next, ", or ")
}

// unreachable reports whether there are viable configurations, and no order of
// actions was found that leads to one.
func (p *proposal) unreachable() bool {
	return p.lost || p.diagnosis.Found && p.result.Rejected[placement.Unreachable] > 0
}

// nextOrder says what would help to find an order of actions.
func (p *proposal) nextOrder() []string {
	next := []string{"free a node for a moment to let VMs pass"}
	var stuck *plan.StuckError
	if !errors.As(p.stuck, &stuck) {
		return next
	}
	var always []string
	for i := range p.Rules {
		if p.Rules[i].Always && slices.Contains(stuck.Rules, p.Rules[i].Name) {
			always = append(always, p.Rules[i].Name)
		}
	}
	if len(always) > 0 {
		next = append(next, `let one of the rules hold "at the end" only: `+listed(always, 4))
	}
	if !p.flags.maySuspend {
		next = append(next, "let a VM be suspended with --may-suspend")
	}
	return next
}
