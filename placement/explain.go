package placement

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// Exclusion is why a VM cannot be on a node.
type Exclusion struct {
	Node   int32
	Closed bool              // it drains, is offline, or is to be empty
	Lacks  cluster.Resources // how much more of each resource the VM would need there
	Rules  []int             // the hard rules that it would break there, as indices into Problem.Rules
}

// None reports whether nothing excludes the VM.
func (e *Exclusion) None() bool {
	return !e.Closed && e.Lacks == (cluster.Resources{}) && len(e.Rules) == 0
}

// Explain returns, for every node of c in order, what would keep VM v from being
// there at the end, while all other VMs are where host has them: Nowhere stands for
// those that do not run. A rule that others break without v is not counted.
func Explain(c *cluster.Configuration, p Problem, host []int32, v int32) []Exclusion {
	r := newRepair(c, &p)
	free := slices.Clone(r.capacity)
	for n := range c.Nodes {
		free[n] = r.start.Nodes[n].Offer()
	}
	for u, h := range host {
		if r.book != nil {
			r.book.put(int32(u), h)
		}
		if h != cluster.Nowhere && int32(u) != v {
			free[h] = free[h].Minus(r.c.VMs[u].Demand)
		}
	}
	exclusions := make([]Exclusion, len(c.Nodes))
	for n := range exclusions {
		e := &exclusions[n]
		e.Node = int32(n)
		e.Closed = r.closed != nil && r.closed[n]
		for d, amount := range r.c.VMs[v].Demand {
			if amount > 0 { // who asks for nothing lacks nothing
				e.Lacks[d] = max(0, amount-free[n][d])
			}
		}
		if r.book != nil {
			e.Rules = r.book.wouldBreak(&p, r.virtual, v, int32(n))
		}
	}
	return exclusions
}

// wouldBreak returns the hard rules that v breaks on n, in ascending order.
func (b *book) wouldBreak(p *Problem, virtual *virtual, v, n int32) (rules []int) {
	for i := range p.Rules {
		if p.Rules[i].Hard() && virtual.bars(&p.Rules[i], v, n) {
			rules = append(rules, i)
		}
	}
	at := b.host[v]
	b.put(v, cluster.Nowhere)
	before := slices.Clone(b.broken)
	b.put(v, n)
	for i, broken := range b.broken {
		if broken && !before[i] && b.weight[i] == 0 {
			rules = append(rules, int(b.name[i]))
		}
	}
	b.put(v, at)
	slices.Sort(rules)
	return slices.Compact(rules)
}

// bars reports whether r alone keeps v from n, wherever other VMs are.
func (v *virtual) bars(r *rule.Rule, vm, n int32) bool {
	if !slices.Contains(r.VMs, vm) {
		return false
	}
	switch r.Kind {
	case rule.Ban:
		return slices.Contains(r.Nodes, n)
	case rule.Fence:
		return !slices.Contains(r.Nodes, n)
	case rule.Root:
		return v.start.Host[vm] != cluster.Nowhere && v.start.Host[vm] != n
	case rule.Gather:
		at := cluster.Nowhere
		if r.Always {
			at = v.together(r.VMs)
		}
		return at != cluster.Nowhere && at != n
	case rule.Among:
		if !r.Always {
			return false
		}
		union := v.groupsOf(r)
		return len(union) > 0 && !slices.Contains(union, n)
	}
	return false
}
