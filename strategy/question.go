package strategy

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
)

// question is what a leader asks, as solver and planner want it.
type question struct {
	c      *cluster.Configuration
	rules  []rule.Rule
	wanted []cluster.State
	waits  map[cluster.VMID]cluster.NodeID // where VMs wait that are to be started
	relax  bool                            // there is something that others than this event may leave as it is
}

// pose makes a question of reports.
//
// A node that drains is to be empty in the end if that is what the event is
// about. So is the node that asks to be emptied as it is underloaded; then nobody
// goes to nodes that are empty already, since as many would be in use as before.
//
// If strict is false, what another event is about need not be put right: a node
// that drains only takes nobody in, and a rule that is broken may stay so.
func pose(s protocol.Solve, strict bool) *question {
	q := &question{c: configuration(s.Reports)}
	c := q.c
	for i, r := range s.Reports {
		underload := s.Kinds.Has(protocol.Underload) && (r.Node == s.Partition.Initiator || len(r.Local.VMs) == 0)
		switch {
		case underload, r.Local.Draining && (strict || s.Kinds.Has(protocol.Drain)):
			c.Nodes[i].State = cluster.Draining
		case r.Local.Draining:
			q.rules = append(q.rules, rule.Rule{Name: "draining", Kind: rule.MovesIn, Nodes: []int32{int32(i)}})
		}
		q.relax = q.relax || r.Local.Draining && !s.Kinds.Has(protocol.Drain)
	}
	if s.Kinds.Has(protocol.Place) {
		q.place(s.Reports)
	}
	q.addRules(s, strict)
	return q
}

// place adds the VMs that are to be started or resumed.
func (q *question) place(reports []protocol.Report) {
	c := q.c
	q.waits = map[cluster.VMID]cluster.NodeID{}
	c.State, c.Image = make([]cluster.State, len(c.VMs)), make([]int32, len(c.VMs))
	for v := range c.VMs {
		c.State[v], c.Image[v] = cluster.Running, cluster.Nowhere
	}
	add := func(vm cluster.VM, s cluster.State, image int32) {
		c.VMs, c.Host = append(c.VMs, vm), append(c.Host, cluster.Nowhere)
		c.State, c.Image = append(c.State, s), append(c.Image, image)
	}
	for i, r := range reports {
		for _, vm := range r.Local.Waiting {
			add(vm, cluster.Waiting, cluster.Nowhere)
			q.waits[vm.ID] = r.Node
		}
		for _, vm := range r.Local.Sleeping {
			add(vm, cluster.Sleeping, int32(i))
		}
	}
	q.wanted = make([]cluster.State, len(c.VMs))
	for v := range q.wanted {
		q.wanted[v] = cluster.Running
	}
}

// addRules adds the rules that the reports bring along, each once, as far as
// they speak of VMs and nodes that are here.
func (q *question) addRules(s protocol.Solve, strict bool) {
	var all []protocol.Rule
	for _, r := range s.Reports {
		all = append(all, r.Local.Rules...)
	}
	if all == nil {
		return
	}
	slices.SortStableFunc(all, func(a, b protocol.Rule) int { return cmp.Compare(a.Name, b.Name) })
	all = slices.CompactFunc(all, func(a, b protocol.Rule) bool { return a.Name == b.Name })
	vms, nodes := map[cluster.VMID]int32{}, map[cluster.NodeID]int32{}
	for v := range q.c.VMs {
		vms[q.c.VMs[v].ID] = int32(v)
	}
	for n := range q.c.Nodes {
		nodes[q.c.Nodes[n].ID] = int32(n)
	}
	for _, r := range all {
		here := rule.Rule{Name: r.Name, Kind: r.Kind, Max: r.Max, Always: r.Always}
		for _, id := range r.VMs {
			if v, ok := vms[id]; ok {
				here.VMs = append(here.VMs, v)
			}
		}
		for _, id := range r.Nodes {
			if n, ok := nodes[id]; ok {
				here.Nodes = append(here.Nodes, n)
			}
		}
		slices.Sort(here.VMs)
		slices.Sort(here.Nodes)
		if len(here.VMs) == 0 && len(r.VMs) > 0 || len(here.Nodes) == 0 && len(r.Nodes) > 0 && r.Kind != rule.Fence {
			continue // it concerns nobody here
		}
		isBroken := q.broken(here) || r.Kind == rule.Gather && len(here.VMs) < len(r.VMs)
		q.relax = q.relax || isBroken && !s.Kinds.Has(protocol.BrokenRule)
		switch {
		case isBroken && !strict && !s.Kinds.Has(protocol.BrokenRule):
		case r.Kind == rule.Fence && len(here.Nodes) == 0, r.Kind == rule.Gather && len(here.VMs) < len(r.VMs):
			// None of its nodes is here, or not all of its VMs: more nodes are needed.
			q.rules = append(q.rules, rule.Rule{Name: r.Name, Kind: rule.Ban, VMs: here.VMs, Nodes: q.allNodes()})
		default:
			q.rules = append(q.rules, here)
		}
	}
}

func (q *question) allNodes() []int32 {
	all := make([]int32, len(q.c.Nodes))
	for i := range all {
		all[i] = int32(i)
	}
	return all
}

// broken reports whether the present placement breaks a rule. It knows the
// kinds that nodes speak of: of VMs, and of nodes that they may be on or not.
func (q *question) broken(r rule.Rule) bool {
	host := q.c.Host
	for i, v := range r.VMs {
		on := host[v]
		if on == cluster.Nowhere {
			continue
		}
		_, listed := slices.BinarySearch(r.Nodes, on)
		switch r.Kind {
		case rule.Ban:
			if listed {
				return true
			}
		case rule.Fence:
			if !listed {
				return true
			}
		case rule.Spread, rule.Gather:
			for _, other := range r.VMs[:i] {
				if host[other] != cluster.Nowhere && (host[other] == on) == (r.Kind == rule.Spread) {
					return true
				}
			}
		case rule.Lonely:
			for other := range host {
				if _, mate := slices.BinarySearch(r.VMs, int32(other)); host[other] == on && !mate {
					return true
				}
			}
		}
	}
	return false
}

// route returns a plan that leads to a placement.
func (q *question) route(host []int32) (plan.Plan, error) {
	if q.wanted == nil && q.rules == nil {
		return plan.Make(q.c, host)
	}
	p, err := plan.Switch(q.c, plan.Goal{Host: host, State: q.wanted}, plan.Settings{Rules: q.rules, Effort: effort})
	for i := range p.Actions {
		if a := &p.Actions[i]; a.Kind == plan.Run {
			a.Source = q.waits[a.VM] // who has the VM started
		}
	}
	return p, err
}

// effort bounds the search for a cheap order of actions. A solver asks for an
// order often, and what it costs matters less than that there is one.
const effort = 2000

// answer looks for a placement and a plan.
func (q *question) answer(budget int) Decision {
	d := Decision{Nodes: len(q.c.Nodes), VMs: len(q.c.VMs)}
	if errs := rule.Validate(q.c, q.rules); len(q.rules) > 0 && len(errs) > 0 {
		d.Answer, d.Reasons = placement.Infeasible.String(), errs[0].Error()
		return d
	}
	var latest plan.Plan // it leads to the placement that was reachable last, which is the answer
	r := placement.Solve(q.c, placement.Problem{Budget: budget, Rules: q.rules, Wanted: q.wanted, Reachable: func(host []int32) ([]int32, bool) {
		p, err := q.route(host)
		if err == nil {
			latest = p
		}
		return plan.Waiting(err), err == nil
	}})
	d.Answer, d.Steps = r.Answer.String(), r.Steps
	switch r.Answer {
	case placement.AlreadyViable:
		d.Found, d.Answer = true, "already-viable"
	case placement.Viable:
		d.Found, d.Plan, d.Moved = true, latest, r.Moved
	case placement.Infeasible, placement.Exhausted:
		d.Reasons = r.Rejected.String()
	}
	return d
}

// prisoners says which VMs can't leave the nodes that drain, and why: what is
// left when the others have gone where they have room, the largest first.
func (q *question) prisoners() string {
	c := q.c
	var leaving []int32
	for v := range c.VMs {
		if h := c.Host[v]; h != cluster.Nowhere && c.Nodes[h].State == cluster.Draining {
			leaving = append(leaving, int32(v))
		}
	}
	slices.SortStableFunc(leaving, func(a, b int32) int {
		x, y := c.VMs[a].Demand, c.VMs[b].Demand
		return cmp.Or(cmp.Compare(y.Memory(), x.Memory()), cmp.Compare(y.CPU(), x.CPU()))
	})
	host := slices.Clone(c.Host)
	var stay []string
	for _, v := range leaving {
		exclusions := placement.Explain(c, placement.Problem{Rules: q.rules}, host, v)
		if n := slices.IndexFunc(exclusions, func(e placement.Exclusion) bool { return e.None() }); n >= 0 {
			host[v] = exclusions[n].Node
			continue
		}
		stay = append(stay, c.VMs[v].Name+" ("+obstacles(exclusions, c.Host[v])+")")
	}
	if stay == nil {
		return "all VMs have room elsewhere, but there is no way there by migrations"
	}
	return "can't leave: " + strings.Join(stay, ", ")
}

// obstacles counts, by reason, the nodes but its own that a VM can't go to.
func obstacles(exclusions []placement.Exclusion, home int32) string {
	var lacks [cluster.NumResources]int
	closed, rules := 0, 0
	for _, e := range exclusions {
		switch {
		case e.Node == home:
		case e.Closed:
			closed++
		case len(e.Rules) > 0:
			rules++
		default:
			for k, more := range e.Lacks {
				if more > 0 {
					lacks[k]++
				}
			}
		}
	}
	var parts []string
	for k, n := range lacks {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%s without enough %v", nodes(n), cluster.Resource(k)))
		}
	}
	if rules > 0 {
		parts = append(parts, nodes(rules)+" forbidden by a rule")
	}
	if closed > 0 {
		parts = append(parts, nodes(closed)+" closed")
	}
	if parts == nil {
		return "no other node here"
	}
	return strings.Join(parts, ", ")
}

func nodes(n int) string {
	if n == 1 {
		return "1 node"
	}
	return fmt.Sprintf("%d nodes", n)
}
