package plan

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// rulebook is the rules as far as they matter to the order of actions. It does not
// change while a plan is looked for.
type rulebook struct {
	c      *cluster.Configuration
	hard   watch   // rules that hold throughout
	wishes watch   // other rules, which a bypass breaks only if no spare node is left
	closed []bool  // by node: a rule wants it empty, so nobody comes
	keptOn []bool  // by node: it is on even if it hosts nobody
	guests []int32 // by node: how many bypasses may use it, as far as MovesIn and MovesOut go; nil if as many as there are
	// before is, by VM, those whose actions end before its actions begin; nil if
	// there are none.
	before  [][]int32
	byOrder []*rule.Rule              // the rules of kind Precedence
	stays   []bool                    // by node: it hosts a VM with which nothing is done
	domains [cluster.Site + 1][]int32 // by node; made when they are needed
	fixed   []bool                    // by VM: it does not step aside, as a Root or Precedence names it
	acts    []bool                    // by VM: something is to be done with it
	runs    []bool                    // by VM: it runs at the start or at the end
}

// watch is some rules, by what they look at. All of them hold for an arrival of a VM
// that they name, or at a node that they name.
type watch struct {
	guards []guard
	ofVM   [][]int32 // by VM: guards that name it; nil if there are none
	atNode [][]int32 // by node: guards that name it, and count whoever is there; nil if there are none
	lonely []int32   // guards that keep all others from their VMs
}

// guard is one rule.
type guard struct {
	*rule.Rule
	domain []int32 // by node: Spread looks at it
	share  int     // how many VMs of a Spread may be in a domain
	// group is the nodes of the first group of an Among that has all of its VMs at the
	// end. While the rule is broken, nobody comes to other nodes.
	group []int32
}

// newRulebook reads the rules. It returns an error if what is to be done breaks
// one in any order.
func (p *problem) newRulebook(rules []rule.Rule) (*rulebook, error) {
	if len(rules) == 0 {
		return nil, nil
	}
	nodes, vms := len(p.c.Nodes), len(p.c.VMs)
	b := &rulebook{
		c: p.c, closed: make([]bool, nodes), keptOn: make([]bool, nodes), stays: make([]bool, nodes),
		acts: make([]bool, vms), fixed: make([]bool, vms), runs: make([]bool, vms),
	}
	for v, n := range p.c.Host {
		b.runs[v] = n != cluster.Nowhere
	}
	for _, v := range p.movers {
		b.acts[v], b.runs[v] = true, true
	}
	for _, v := range p.leavers {
		b.acts[v] = true
	}
	for v, n := range p.c.Host {
		if n != cluster.Nowhere && !b.acts[v] {
			b.stays[n] = true
		}
	}
	for i := range rules {
		switch r := &rules[i]; r.Kind {
		case rule.Offline, rule.Online:
			state := b.closed
			if r.Kind == rule.Online {
				state = b.keptOn
			}
			for _, n := range r.Nodes {
				state[n] = true
			}
		case rule.Precedence:
			b.precede(r)
			b.fix(r)
		case rule.Root:
			b.fix(r)
		}
	}
	for i := range rules {
		if err := p.mayEver(b, &rules[i]); err != nil {
			return nil, err
		}
	}
	for i := range rules {
		r := &rules[i]
		switch {
		case r.Kind > rule.MaxOnline || r.Kind == rule.Root:
		case r.Always && r.Hard():
			b.hard.add(p, b, r)
		default:
			b.wishes.add(p, b, r)
		}
	}
	return b, nil
}

// precede notes, for each VM of a Precedence with something to do, the one before it.
func (b *rulebook) precede(r *rule.Rule) {
	if b.before == nil {
		b.before = make([][]int32, len(b.c.VMs))
	}
	last := int32(none)
	for _, v := range r.VMs {
		if !b.acts[v] {
			continue
		}
		if last != none {
			b.before[v] = append(b.before[v], last)
		}
		last = v
	}
	b.byOrder = append(b.byOrder, r)
}

// mayEver returns an error if what is to be done breaks r in any order.
func (p *problem) mayEver(b *rulebook, r *rule.Rule) error {
	switch r.Kind {
	case rule.Offline:
		for _, v := range p.movers {
			if n := p.goal[v]; contains(r.Nodes, n) {
				return fmt.Errorf("rule %s: VM %q is to go to node %q, where nobody is to be", r.Name, p.c.VMs[v].Name, p.c.Nodes[n].Name)
			}
		}
	case rule.Root:
		for _, v := range p.movers {
			if p.kinds[v] == Migrate && r.Hard() && contains(r.VMs, v) {
				return fmt.Errorf("rule %s: VM %q is to stay on node %q", r.Name, p.c.VMs[v].Name, p.c.Nodes[p.c.Host[v]].Name)
			}
		}
	case rule.MovesIn, rule.MovesOut:
		return p.countMoves(b, r)
	}
	return nil
}

// countMoves returns an error if there are too many moves at a node of r.
func (p *problem) countMoves(b *rulebook, r *rule.Rule) error {
	moves := make([]int64, len(p.c.Nodes))
	for _, vms := range [][]int32{p.leavers, p.movers} {
		for _, v := range vms {
			n := p.c.Host[v]
			if r.Kind == rule.MovesIn {
				if n = p.goal[v]; !p.kinds[v].Arrives() {
					continue
				}
			}
			if n != cluster.Nowhere {
				moves[n]++
			}
		}
	}
	for _, n := range r.Nodes {
		if moves[n] > r.Max {
			return fmt.Errorf("rule %s: there are %d such moves at node %q, and are to be %d at most", r.Name, moves[n], p.c.Nodes[n].Name, r.Max)
		}
		b.limitGuests(n, r.Max-moves[n])
	}
	return nil
}

// limitGuests says that no more bypasses than most may use node n.
func (b *rulebook) limitGuests(n int32, most int64) {
	const many = 1 << 30
	if b.guests == nil {
		b.guests = make([]int32, len(b.c.Nodes))
		for i := range b.guests {
			b.guests[i] = many
		}
	}
	b.guests[n] = int32(min(int64(b.guests[n]), most))
}

func (w *watch) add(p *problem, b *rulebook, r *rule.Rule) {
	id, g := int32(len(w.guards)), guard{Rule: r}
	if w.ofVM == nil {
		w.ofVM = make([][]int32, len(p.c.VMs))
	}
	switch r.Kind {
	case rule.Spread:
		g.domain = b.domain(r.Domain)
		g.share = p.share(b, r, g.domain)
	case rule.Among:
		g.group = p.endGroup(b, r)
	case rule.Lonely:
		w.lonely = append(w.lonely, id)
	case rule.RunningCapacity, rule.ResourceCapacity, rule.MaxOnline:
		if w.atNode == nil {
			w.atNode = make([][]int32, len(p.c.Nodes))
		}
		for _, n := range r.Nodes {
			w.atNode[n] = append(w.atNode[n], id)
		}
	}
	for _, vms := range append([][]int32{r.VMs}, r.Sets...) {
		for _, v := range vms {
			w.ofVM[v] = append(w.ofVM[v], id)
		}
	}
	w.guards = append(w.guards, g)
}

// domain returns the domain that each node is in.
func (b *rulebook) domain(level cluster.Domain) []int32 {
	if b.domains[level] == nil {
		b.domains[level], _ = b.c.Domains(level)
	}
	return b.domains[level]
}

// share returns how many VMs of a Spread may be in a domain: one, or, if it is
// degraded, as many as an even spread over the domains with open nodes gives
// the VMs that ever run.
func (p *problem) share(b *rulebook, r *rule.Rule, domain []int32) int {
	if !r.Degraded {
		return 1
	}
	open := map[int32]bool{}
	for n, d := range domain {
		if !b.closed[n] && p.c.Nodes[n].State == cluster.Online {
			open[d] = true
		}
	}
	run := 0
	for _, v := range r.VMs {
		if b.runs[v] {
			run++
		}
	}
	domains := max(1, len(open))
	return max(1, (run+domains-1)/domains)
}

// endGroup returns the first group of an Among that has all of its VMs at the end, nil
// if there is none.
func (p *problem) endGroup(b *rulebook, r *rule.Rule) []int32 {
	for _, group := range r.Groups {
		if !slices.ContainsFunc(r.VMs, func(v int32) bool {
			n := p.c.Host[v]
			if b.acts[v] {
				if n = p.goal[v]; !p.kinds[v].Arrives() {
					return false
				}
			}
			return n != cluster.Nowhere && !contains(group, n)
		}) {
			return group
		}
	}
	return nil
}
