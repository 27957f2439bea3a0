package plan

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

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
