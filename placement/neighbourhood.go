package placement

import (
	"cmp"
	"math/rand/v2"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

const (
	// nearNodes is how many nodes are searched together, at least and at most.
	nearNodes, farNodes = 3, 8
	// nearSteps limits one such search, for each of its nodes.
	nearSteps = 2000
	// aroundSteps is what the choice of a node costs.
	aroundSteps = 16
	// freshSearches is after how many searches the roomiest nodes are looked up again.
	freshSearches = 16
)

// neighbourhoods improves a placement piece by piece: it takes a node that
// costs more than its cover, or is still overloaded, and a few others, and
// searches the placements of their VMs while all others stay.
type neighbourhoods struct {
	repair  *repair
	rng     *rand.Rand // seeded alike in every call
	hosted  [][]int32  // by node: its VMs under host
	cover   []int64    // by node: the bound of its cover, 0 if not overloaded
	given   []int64    // by node: the memory of the VMs that left it
	roomier []int32    // nodes with much room
}

// searchParts improves the placement of a large cluster, or of a small one
// that could not be searched as a whole.
func (r *repair) searchParts() Answer {
	r.annealIfStuck()
	if r.kept == nil && (r.stuck > 0 || !r.approve()) {
		r.landOneByOne()
	}
	r.improve()
	if r.stuck > 0 || r.refused {
		return Exhausted
	}
	r.hasten()
	return Viable
}

// hasten lands VMs that have to wait for others to leave where they have not, if
// that costs no more: a plan has fewer steps then. It is for placements that were
// searched for, since landing looks for room first.
func (r *repair) hasten() {
	before := slices.Clone(r.host)
	var away []int32 // those with most memory first
	for v, h := range r.host {
		if h != r.c.Host[v] {
			away = append(away, int32(v))
		}
	}
	slices.SortFunc(away, func(a, b int32) int { return cmp.Or(cmp.Compare(r.memory(b), r.memory(a)), cmp.Compare(a, b)) })
	r.leeway = 0
	moved := false
	for _, v := range away {
		if fits(cluster.Resources{}, r.room[r.host[v]]) {
			continue
		}
		if n := r.roomFor(v, r.host[v]); n != cluster.Nowhere {
			r.move(v, n)
			moved = true
		}
	}
	if moved && !r.approve() {
		r.setHost(before)
	}
}

// quickShare is the share of the budget that a quick answer may take.
const quickShare = 0.1

// annealShortly anneals for a small part of the budget.
func (r *repair) annealShortly() {
	limit := r.limit
	r.limit = r.steps + int(quickShare*float64(limit-r.steps))
	r.annealIfStuck()
	r.limit = limit
}

// settleQuickly takes the first viable placement.
func (r *repair) settleQuickly() Answer {
	r.annealShortly()
	if r.stuck > 0 || r.kept == nil && !r.approve() {
		return Exhausted
	}
	return Viable
}

// idleSearches is after how many searches in a row without an improvement the
// placement is simmered.
const idleSearches = 64

// improve spends the budget on a better placement, or a first one. If host is
// reachable, it remains so.
func (r *repair) improve() {
	l := newNeighbourhoods(r)
	least, idle := r.total(), 0
	for round := 0; !r.spent(); round++ {
		if r.stuck == 0 && !r.refused && r.total() == r.bound {
			return
		}
		if round%freshSearches == 0 {
			l.lookForRoom()
		}
		sore := l.sore(round)
		if sore == cluster.Nowhere {
			return
		}
		l.search(l.around(sore, nearNodes+round%(farNodes-nearNodes+1)))
		idle++
		if r.total() < least || r.stuck > 0 || r.refused {
			least, idle = r.total(), 0
		}
		if idle >= idleSearches {
			if r.simmer((r.limit-r.steps)/4, uint64(round)) {
				least = r.total()
			}
			l.look()
			idle = 0
		}
	}
}

func newNeighbourhoods(r *repair) *neighbourhoods {
	l := &neighbourhoods{repair: r, rng: rand.New(rand.NewPCG(1, 2)), cover: make([]int64, len(r.c.Nodes))}
	r.rooms = nil // from now on only host and free are kept
	for i, n := range r.over {
		l.cover[n] = r.covers[i].bound
	}
	for _, v := range r.forced {
		if n := r.c.Host[v]; !slices.Contains(r.over, n) {
			l.cover[n] += r.memory(v)
		}
	}
	l.look()
	return l
}

// look notes where the VMs are.
func (l *neighbourhoods) look() {
	l.hosted = (&cluster.Configuration{Nodes: l.repair.c.Nodes, VMs: l.repair.c.VMs, Host: l.repair.host}).Hosted()
	l.given = make([]int64, len(l.repair.c.Nodes))
	for v, h := range l.repair.host {
		if h != l.repair.c.Host[v] {
			l.given[l.repair.c.Host[v]] += l.repair.memory(int32(v))
		}
	}
	l.repair.steps += len(l.repair.host) / 4
}

// sore returns, in turn, the nodes where something is wrong and, if there are
// none, those that gave up more than their cover, or anything if there is no way,
// and those where soft rules are broken.
func (l *neighbourhoods) sore(round int) int32 {
	var sores []int32
	for n := range l.repair.free {
		if l.repair.stuck > 0 && !fits(cluster.Resources{}, l.repair.free[n]) ||
			l.repair.stuck == 0 && (l.given[n] > l.cover[n] || l.repair.refused && l.given[n] > 0) {
			sores = append(sores, int32(n))
		}
	}
	if l.repair.stuck > 0 {
		for _, v := range l.repair.forced {
			if l.repair.host[v] == l.repair.c.Host[v] {
				sores = append(sores, l.repair.host[v])
			}
		}
	}
	if l.repair.book != nil {
		sores = l.soreByRules(sores)
	}
	l.repair.steps += len(l.repair.free)/64 + 1
	if len(sores) == 0 {
		return cluster.Nowhere
	}
	return sores[round%len(sores)]
}

// soreByRules appends the nodes of the culprits of broken rules: of hard ones as
// long as something is wrong, else of soft ones.
func (l *neighbourhoods) soreByRules(sores []int32) []int32 {
	b := l.repair.book
	if b.wrong == 0 && (l.repair.stuck > 0 || b.penalty == 0) {
		return sores
	}
	anyone := scope{movable: l.repair.vms[:l.repair.first[len(l.repair.c.Nodes)]], fixed: func(int32) bool { return false }}
	for i := range b.rulings {
		if b.broken[i] && (b.weight[i] > 0) == (l.repair.stuck == 0) {
			for _, v := range b.rulings[i].culprits(b, anyone, nil) {
				sores = append(sores, l.repair.host[v])
			}
		}
	}
	return sores
}

// lookForRoom lists the nodes with the most free of the scarcest resource.
func (l *neighbourhoods) lookForRoom() {
	l.repair.steps += len(l.repair.free)
	l.roomier = l.roomier[:0]
	for n := range l.repair.free {
		l.roomier = append(l.roomier, int32(n))
	}
	slices.SortFunc(l.roomier, func(a, b int32) int {
		return cmp.Or(cmp.Compare(l.repair.free[b][l.repair.scarce], l.repair.free[a][l.repair.scarce]), cmp.Compare(a, b))
	})
	l.roomier = l.roomier[:min(len(l.roomier), 4*farNodes)]
}

// around returns count nodes: sore, where its VMs went, some with much room,
// and some at random.
func (l *neighbourhoods) around(sore int32, count int) []int32 {
	near := []int32{sore}
	add := func(n int32) {
		if len(near) < count && n != cluster.Nowhere && !slices.Contains(near, n) {
			near = append(near, n)
		}
	}
	if l.repair.book != nil {
		l.related(sore, count, add)
	}
	for _, v := range l.repair.at(sore) {
		if len(near) < (count+1)/2 {
			add(l.repair.host[v])
		}
	}
	for range count {
		if l.rng.IntN(2) == 0 {
			add(l.roomier[l.rng.IntN(len(l.roomier))])
		} else {
			add(int32(l.rng.IntN(len(l.repair.free))))
		}
	}
	return near
}

// related offers nodes that the rules about the VMs of sore speak of: where those
// that may not be there may go, and where those are that a rule names with them.
func (l *neighbourhoods) related(sore int32, count int, add func(n int32)) {
	b := l.repair.book
	for _, v := range l.hosted[sore] {
		if set := b.allowed[v]; set != nil && (!b.mayBe(v, sore) || l.given[sore] > l.cover[sore]) {
			for range count {
				if n := int32(l.rng.IntN(len(l.repair.free))); set.has(n) && l.rng.IntN(4) > 0 {
					add(n)
				}
			}
		}
		for _, i := range b.of[v] {
			if !b.broken[i] {
				continue
			}
			for _, u := range b.rulings[i].culprits(b, scope{fixed: func(int32) bool { return false }}, nil) {
				add(l.repair.host[u])
			}
		}
	}
}

// lobbyVMs is how many VMs of the lobby are searched at a time.
const lobbyVMs = 2

// guests returns the VMs of nodes, but only some of those in the lobby.
func (l *neighbourhoods) guests(nodes []int32) (vms []int32) {
	for _, n := range nodes {
		hosted := l.hosted[n]
		if n == l.repair.lobby && len(hosted) > lobbyVMs {
			first := l.rng.IntN(len(hosted) - lobbyVMs + 1)
			hosted = hosted[first : first+lobbyVMs]
		}
		vms = append(vms, hosted...)
	}
	return vms
}

// search looks for a better placement of the VMs on nodes, and takes it.
func (l *neighbourhoods) search(nodes []int32) {
	l.repair.steps += aroundSteps * len(nodes)
	vms := l.guests(nodes)
	var free cluster.Resources
	now, viable := cost{}, true
	for _, n := range nodes {
		free = free.Plus(l.repair.capacity[n])
		viable = viable && fits(cluster.Resources{}, l.repair.free[n])
	}
	for _, v := range vms {
		free = free.Minus(l.repair.c.VMs[v].Demand)
		home := l.repair.c.Host[v]
		if !slices.Contains(nodes, home) {
			continue
		}
		if l.repair.host[v] != home {
			now = now.plus(l.repair.memory(v))
		} else if !l.repair.book.mayBe(v, home) {
			viable = false
		}
	}
	if !fits(cluster.Resources{}, free) {
		return
	}
	limit := l.repair.limit
	l.repair.limit = min(limit, l.repair.steps+nearSteps*len(nodes))
	defer func() { l.repair.limit = limit }()
	if l.repair.refused {
		l.searchWay(nodes, vms, now)
		return
	}
	s := newSearch(l.repair, nodes, vms, nil)
	if s.book != nil {
		now.memory += s.penalty()
		viable = viable && !slices.ContainsFunc(s.rulings, func(i int32) bool { return s.book.broken[i] && s.book.weight[i] == 0 })
	}
	if viable {
		s.best = now
	}
	s.run()
	l.take(s)
}

// searchWay looks for another placement of the VMs on nodes that makes the
// whole reachable. now is what those of them cost that are at home there.
func (l *neighbourhoods) searchWay(nodes, vms []int32, now cost) {
	others := cost{l.repair.cost.memory - now.memory, l.repair.cost.moves - now.moves}
	s := newSearch(l.repair, nodes, vms, l.repair.newReach(others))
	if s.deepen(cost{memory: infinite}); s.improved {
		l.put(s, func(i int) int32 { return s.hostOf(l.repair.c, i, s.bestOn) })
		l.repair.keep()
	} else {
		l.repair.reenter(s)
	}
}

// take puts the VMs of a search where it found room, if it did, unless the
// placement was reachable and would not be so any longer.
func (l *neighbourhoods) take(s *search) {
	if !s.improved {
		l.repair.reenter(s)
		return
	}
	before := make([]int32, len(s.vms))
	for i, v := range s.vms {
		before[i] = l.repair.host[v]
	}
	l.put(s, func(i int) int32 { return s.hostOf(l.repair.c, i, s.bestOn) })
	if l.repair.stuck == 0 && !l.repair.approve() && l.repair.kept != nil {
		l.put(s, func(i int) int32 { return before[i] })
		l.repair.refused = false
	}
}

// put puts the VMs of a search on the nodes that to names.
func (l *neighbourhoods) put(s *search, to func(i int) int32) {
	l.repair.refused = false
	for _, v := range s.vms {
		l.hosted[l.repair.host[v]] = without(l.hosted[l.repair.host[v]], v)
	}
	for i, v := range s.vms {
		to, home := to(i), l.repair.c.Host[v]
		if l.repair.host[v] != home {
			l.given[home] -= l.repair.memory(v)
		}
		if to != home {
			l.given[home] += l.repair.memory(v)
		}
		l.repair.move(v, to)
		l.hosted[to] = append(l.hosted[to], v)
	}
	l.repair.steps += len(l.repair.free)/64 + 1
	l.repair.count()
}

// without returns vms without v.
func without(vms []int32, v int32) []int32 {
	i := slices.Index(vms, v)
	return slices.Delete(vms, i, i+1)
}
