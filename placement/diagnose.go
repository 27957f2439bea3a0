package placement

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// Diagnosis is why a problem has no answer, as far as it was found out.
type Diagnosis struct {
	Proven bool // there is no viable placement that keeps the rules
	// Found reports that there is one after all. If that is what the caller was
	// told not, there is no way to it: see Problem.Reachable.
	Found bool
	Short []cluster.Resource // the nodes offer less of these than the VMs ask for together
	VMs   []int32            // the VMs that no node can take, even if it were empty
	Nodes []int32            // the nodes that are overloaded, or closed and not empty
	// Rules are in conflict with each other, or with what nodes offer, as indices
	// into Problem.Rules: they alone leave no answer, and without any one of them
	// there is one, or none is proven not to exist. Overbook is not a matter of
	// conflict: it is part of what nodes offer.
	Rules       []int
	Relaxations []Relaxation // what would help, each alone
}

// RelaxationKind is what would be asked less.
type RelaxationKind uint8

// The kinds of relaxations.
const (
	WithoutRule RelaxationKind = iota
	MoreNodes
	WithoutVM
)

// Relaxation is a change of a problem with which it has an answer.
type Relaxation struct {
	Kind  RelaxationKind
	Rule  int   // without which, for WithoutRule
	Nodes int   // how many more, for MoreNodes
	Like  int32 // the node that they are like, for MoreNodes
	VM    int32 // that does not run, for WithoutVM
}

const (
	// diagnosisBudget bounds the search for an answer of each changed problem.
	diagnosisBudget = 200_000
	// diagnosisTries is how many changed problems are looked at, of each kind.
	diagnosisTries = 64
)

// Diagnose looks into a problem that has no answer: what it is short of, which
// rules are in conflict, and what would help. It asks the same question again with
// fewer rules, more nodes or fewer VMs, with a small budget each, and does not ask
// Problem.Reachable.
//
// The rules in conflict are found by QuickXplain (U. Junker, "QUICKXPLAIN:
// Preferred Explanations and Relaxations for Over-Constrained Problems", AAAI
// 2004). If a question runs out of budget, it counts as one without an answer, so
// that the set may be too large.
func Diagnose(c *cluster.Configuration, p Problem) Diagnosis {
	p.Reachable, p.Goal = nil, Repair
	budget := p.Budget
	d := diagnosing{c: c, p: p}
	d.p.Budget = diagnosisBudget
	if budget > 0 {
		d.p.Budget = min(budget, diagnosisBudget)
	}
	d.lookAtNodes()
	answer := Solve(c, p).Answer
	d.Proven, d.Found = answer == Infeasible, answer == Viable || answer == AlreadyViable
	if d.Found {
		return d.Diagnosis
	}
	d.findConflict()
	d.withoutRules()
	d.withMoreNodes()
	d.withoutVMs()
	return d.Diagnosis
}

// diagnosing is one call of Diagnose.
type diagnosing struct {
	Diagnosis
	c     *cluster.Configuration
	p     Problem
	tries int // questions that were asked about rules
}

// lookAtNodes finds what is short without a search.
func (d *diagnosing) lookAtNodes() {
	r := newRepair(d.c, &d.p)
	var asked, offered cluster.Resources
	for n := range r.c.Nodes {
		offered = offered.Plus(r.capacity[n])
		if int32(n) != r.lobby && !fits(cluster.Resources{}, r.free[n]) {
			d.Nodes = append(d.Nodes, int32(n))
		}
	}
	for v, h := range r.c.Host {
		if h == cluster.Nowhere {
			continue
		}
		asked = asked.Plus(r.c.VMs[v].Demand)
		if !r.fitsSomewhere(int32(v)) {
			d.VMs = append(d.VMs, int32(v))
		}
	}
	for resource := range asked {
		if asked[resource] > offered[resource] {
			d.Short = append(d.Short, cluster.Resource(resource))
		}
	}
}

// answers reports whether the problem has an answer with only the given rules, and
// those that say what nodes offer: with them, an answer may be possible that is not
// without.
func (d *diagnosing) answers(rules []int) bool {
	d.tries++
	p := d.p
	p.Rules = nil
	for i := range d.p.Rules {
		if d.p.Rules[i].Kind == rule.Overbook || slices.Contains(rules, i) {
			p.Rules = append(p.Rules, d.p.Rules[i])
		}
	}
	return found(Solve(d.c, p))
}

func found(r Result) bool { return r.Answer == Viable || r.Answer == AlreadyViable }

// findConflict finds a smallest set of rules that leave no answer.
func (d *diagnosing) findConflict() {
	var hard []int
	for i := range d.p.Rules {
		if d.p.Rules[i].Hard() && d.p.Rules[i].Kind != rule.Overbook {
			hard = append(hard, i)
		}
	}
	if len(hard) == 0 || !d.answers(nil) {
		return // rules are not the reason, or not alone
	}
	d.Rules = d.explain(nil, false, hard)
	slices.Sort(d.Rules)
}

// explain returns a smallest part of rules that leaves no answer together with
// base. There is none with all of them. changed tells that base has grown since it
// was last asked about.
func (d *diagnosing) explain(base []int, changed bool, rules []int) []int {
	if changed && d.tries < diagnosisTries && !d.answers(base) {
		return nil
	}
	if len(rules) == 1 || d.tries >= diagnosisTries {
		return rules
	}
	left, right := rules[:len(rules)/2], rules[len(rules)/2:]
	second := d.explain(slices.Concat(base, left), true, right)
	first := d.explain(slices.Concat(base, second), len(second) > 0, left)
	return slices.Concat(first, second)
}

// withoutRules tries to do without one of the rules in conflict.
func (d *diagnosing) withoutRules() {
	for _, i := range d.Rules[:min(len(d.Rules), diagnosisTries)] {
		var others []int
		for j := range d.p.Rules {
			if j != i {
				others = append(others, j)
			}
		}
		if d.answers(others) {
			d.Relaxations = append(d.Relaxations, Relaxation{Kind: WithoutRule, Rule: i})
		}
	}
}

// mostNodes is how many more nodes are tried.
const mostNodes = 16

// withMoreNodes looks for the smallest number of further nodes that would do, like
// the one that offers most of all that are online.
func (d *diagnosing) withMoreNodes() {
	like := cluster.Nowhere
	for n := range d.c.Nodes {
		node := &d.c.Nodes[n]
		if node.State != cluster.Online || slices.Contains(d.p.Drain, int32(n)) {
			continue
		}
		if like == cluster.Nowhere || slices.Compare(offer(node), offer(&d.c.Nodes[like])) > 0 {
			like = int32(n)
		}
	}
	if like == cluster.Nowhere {
		return
	}
	enough := func(count int) bool {
		c := *d.c
		c.Nodes = slices.Clone(c.Nodes)
		for range count {
			c.Nodes = append(c.Nodes, d.c.Nodes[like])
		}
		return found(Solve(&c, d.p))
	}
	few, many := 0, 1
	for many <= mostNodes && !enough(many) {
		few, many = many, 2*many
	}
	if many > mostNodes {
		return
	}
	for many > few+1 {
		if middle := (few + many) / 2; enough(middle) {
			many = middle
		} else {
			few = middle
		}
	}
	d.Relaxations = append(d.Relaxations, Relaxation{Kind: MoreNodes, Nodes: many, Like: like})
}

func offer(n *cluster.Node) []int64 {
	o := n.Offer()
	return o[:]
}

// withoutVMs tries to do without one VM, those that no node can take first, then
// those with the least memory on the nodes in question and in the rules in conflict.
// It stops at the first that helps.
func (d *diagnosing) withoutVMs() {
	tried := map[int32]bool{}
	for _, v := range d.suspects() {
		if tried[v] || len(tried) >= diagnosisTries {
			continue
		}
		tried[v] = true
		p := d.p
		p.Wanted = slices.Clone(p.Wanted)
		if p.Wanted == nil {
			for u := range d.c.VMs {
				p.Wanted = append(p.Wanted, d.c.StateOf(int32(u)))
			}
		}
		p.Wanted[v] = cluster.Terminated
		if found(Solve(d.c, p)) {
			d.Relaxations = append(d.Relaxations, Relaxation{Kind: WithoutVM, VM: v})
			return
		}
	}
}

func (d *diagnosing) suspects() []int32 {
	r := newRepair(d.c, &d.p)
	var others []int32
	for v, h := range r.c.Host {
		if h != cluster.Nowhere && (h == r.lobby || slices.Contains(d.Nodes, h)) {
			others = append(others, int32(v))
		}
	}
	for _, i := range d.Rules {
		for _, v := range slices.Concat(append([][]int32{d.p.Rules[i].VMs}, d.p.Rules[i].Sets...)...) {
			if r.c.Host[v] != cluster.Nowhere {
				others = append(others, v)
			}
		}
	}
	slices.SortFunc(others, func(a, b int32) int {
		return cmp.Or(cmp.Compare(d.c.VMs[a].Demand.Memory(), d.c.VMs[b].Demand.Memory()), cmp.Compare(a, b))
	})
	return slices.Concat(d.VMs, others)
}
