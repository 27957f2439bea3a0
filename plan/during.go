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
	byOrder []*rule.Rule // the rules of kind Precedence
	stays   []bool       // by node: it hosts a VM with which nothing is done
	fixed   []bool       // by VM: it does not step aside, as a Root or Precedence names it
	acts    []bool       // by VM: something is to be done with it
	runs    []bool       // by VM: it runs at the start or at the end
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
		g.domain, _ = p.c.Domains(r.Domain)
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

// keeper sees to it that the rules are kept, in one try.
type keeper struct {
	*rulebook
	host   []int32 // by VM: where it runs at the start of the step; the maker's
	coming []int32 // by VM: where it arrives in this step, or Nowhere
	hosted []int32 // by node: VMs there, those that come and go in this step included
	guests []int32 // by node: how many more bypasses may use it; nil if as many as there are
	done   []bool  // by VM: all actions on it have ended
	used   struct{ hard, wishes []int64 }
}

// keeper starts a try: VMs are on host.
func (b *rulebook) keeper(host []int32) *keeper {
	k := &keeper{
		rulebook: b, host: host, coming: make([]int32, len(host)), hosted: make([]int32, len(b.c.Nodes)),
		guests: slices.Clone(b.guests), done: make([]bool, len(host)),
	}
	k.used.hard, k.used.wishes = make([]int64, len(b.hard.guards)), make([]int64, len(b.wishes.guards))
	for n := range k.hosted {
		if k.keptOn[n] {
			k.count(int32(n), 1, func(g *guard) int64 { return isKind(g, rule.MaxOnline) })
		}
	}
	for v, n := range host {
		k.coming[v] = cluster.Nowhere
		if n != cluster.Nowhere {
			k.enter(int32(v), n)
		}
	}
	return k
}

func isKind(g *guard, kind rule.Kind) int64 {
	if g.Kind == kind {
		return 1
	}
	return 0
}

// count adds to what the guards at node n count.
func (k *keeper) count(n int32, sign int64, weight func(g *guard) int64) {
	for _, w := range []struct {
		watch *watch
		used  []int64
	}{{&k.hard, k.used.hard}, {&k.wishes, k.used.wishes}} {
		if w.watch.atNode == nil {
			continue
		}
		for _, g := range w.watch.atNode[n] {
			w.used[g] += sign * weight(&w.watch.guards[g])
		}
	}
}

// weight returns what v adds to what a guard about capacity counts.
func (k *keeper) weight(g *guard, v int32) int64 {
	switch g.Kind {
	case rule.RunningCapacity:
		return 1
	case rule.ResourceCapacity:
		return k.c.VMs[v].Demand[g.Resource]
	}
	return 0
}

func (k *keeper) enter(v, n int32) {
	if k.hosted[n]++; k.hosted[n] == 1 && !k.keptOn[n] {
		k.count(n, 1, func(g *guard) int64 { return isKind(g, rule.MaxOnline) })
	}
	k.count(n, 1, func(g *guard) int64 { return k.weight(g, v) })
}

func (k *keeper) leave(v, n int32) {
	if k.hosted[n]--; k.hosted[n] == 0 && !k.keptOn[n] {
		k.count(n, -1, func(g *guard) int64 { return isKind(g, rule.MaxOnline) })
	}
	k.count(n, -1, func(g *guard) int64 { return k.weight(g, v) })
}

// start notes a move that starts.
func (k *keeper) start(a *move) {
	if a.kind.Arrives() {
		k.coming[a.vm] = a.target
		k.enter(a.vm, a.target)
	}
	if a.bypass && a.kind == Migrate && k.guests != nil {
		k.guests[a.target]--
	}
}

// end notes that a move has ended, whose VM was on from.
func (k *keeper) end(a *move, from int32) {
	if from != cluster.Nowhere {
		k.leave(a.vm, from)
	}
	k.coming[a.vm] = cluster.Nowhere
	k.done[a.vm] = !a.bypass
}

// ready reports whether all VMs that go before v have come to their end.
func (k *keeper) ready(v int32) bool {
	return k.before == nil || !slices.ContainsFunc(k.before[v], func(u int32) bool { return !k.done[u] })
}

// allows reports whether v may arrive at n now, as far as the rules go that hold
// throughout.
func (k *keeper) allows(v, n int32) bool {
	return k.ready(v) && k.refusal(&k.hard, k.used.hard, v, n) == nil
}

// hosts reports whether v may pass by on n, which is not its goal.
func (k *keeper) hosts(v, n int32) bool {
	return !k.closed[n] && (k.guests == nil || k.guests[n] > 0) && k.allows(v, n)
}

// likes reports whether no rule would be worse kept with v on n for a time.
func (k *keeper) likes(v, n int32) bool {
	return k.refusal(&k.wishes, k.used.wishes, v, n) == nil
}

// refusal returns the first rule that v would break, or break worse, by
// arriving at n now; nil if there is none.
func (k *keeper) refusal(w *watch, used []int64, v, n int32) *rule.Rule {
	if w.ofVM != nil {
		for _, id := range w.ofVM[v] {
			if g := &w.guards[id]; k.breaksAsMember(g, v, n) {
				return g.Rule
			}
		}
	}
	if w.atNode != nil {
		for _, id := range w.atNode[n] {
			if g := &w.guards[id]; k.breaksAtNode(g, used[id], v, n) {
				return g.Rule
			}
		}
	}
	for _, id := range w.lonely {
		g := &w.guards[id]
		if !contains(g.VMs, v) && slices.ContainsFunc(g.VMs, func(u int32) bool { return k.isOn(u, n) }) {
			return g.Rule
		}
	}
	return nil
}

// isOn reports whether v counts on node n.
func (k *keeper) isOn(v, n int32) bool { return k.host[v] == n || k.coming[v] == n }

// contains reports whether x is one of members, which are in ascending order.
func contains(members []int32, x int32) bool {
	_, found := slices.BinarySearch(members, x)
	return found
}

func (k *keeper) breaksAtNode(g *guard, used int64, v, n int32) bool {
	if g.Kind == rule.MaxOnline {
		return k.switchesOn(g, used, n)
	}
	weight := k.weight(g, v)
	return weight > 0 && used+weight > g.Max
}

// switchesOn reports whether an arrival at n may need one node too many. If there are too
// many already, only nodes may be used that are never empty: others may be empty when
// somebody comes, if who is there leaves early.
func (k *keeper) switchesOn(g *guard, used int64, n int32) bool {
	switch {
	case k.keptOn[n] || k.stays[n]:
		return false
	case k.hosted[n] == 0:
		return used >= g.Max
	}
	return used > g.Max
}

// breaksAsMember reports whether v breaks g by arriving at n, if g names v.
func (k *keeper) breaksAsMember(g *guard, v, n int32) bool {
	switch g.Kind {
	case rule.Spread:
		return k.crowds(g, v, n)
	case rule.Gather:
		return slices.ContainsFunc(g.VMs, func(u int32) bool { return u != v && k.parts(v, n, u) })
	case rule.Ban:
		return contains(g.Nodes, n)
	case rule.Fence:
		return !contains(g.Nodes, n)
	case rule.Lonely:
		return k.hosted[n] > k.present(g.VMs, n)
	case rule.Among:
		before := k.scattered(g)
		coming := k.coming[v]
		k.coming[v] = n
		after := k.scattered(g)
		k.coming[v] = coming
		return after > 0 && (after > before || !contains(g.group, n))
	case rule.Split:
		return slices.ContainsFunc(g.Sets, func(set []int32) bool { return !contains(set, v) && k.present(set, n) > 0 })
	}
	return false
}

// crowds reports whether v comes to a domain that has its share of the VMs of a
// Spread.
func (k *keeper) crowds(g *guard, v, n int32) bool {
	d := g.domain[n]
	inside := func(u int32) bool {
		return k.host[u] != cluster.Nowhere && g.domain[k.host[u]] == d || k.coming[u] != cluster.Nowhere && g.domain[k.coming[u]] == d
	}
	if inside(v) {
		return false
	}
	others := 0
	for _, u := range g.VMs {
		if u != v && inside(u) {
			others++
		}
	}
	return others >= g.share
}

// parts reports whether v leaves u alone, or keeps away from it, by arriving at n.
// If they are apart already it may go on being so. But if one of them comes to where
// the other leaves, they might meet there for a moment, and part.
func (k *keeper) parts(v, n, u int32) bool {
	h, c := k.host[u], k.coming[u]
	if (h == cluster.Nowhere || h == n) && (c == cluster.Nowhere || c == n) {
		return false
	}
	return k.host[v] == cluster.Nowhere || k.isOn(u, k.host[v]) || k.isOn(u, n)
}

// present returns how many of the VMs count on n.
func (k *keeper) present(vms []int32, n int32) (count int32) {
	for _, v := range vms {
		if k.isOn(v, n) {
			count++
		}
	}
	return count
}

// scattered returns how many of the VMs of an Among are outside of the group that
// has most of them.
func (k *keeper) scattered(g *guard) int {
	least := len(g.VMs)
	for _, group := range g.Groups {
		outside := 0
		for _, v := range g.VMs {
			if h, c := k.host[v], k.coming[v]; h != cluster.Nowhere && !contains(group, h) || c != cluster.Nowhere && !contains(group, c) {
				outside++
			}
		}
		least = min(least, outside)
	}
	return least
}
