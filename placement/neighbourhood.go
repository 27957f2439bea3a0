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
	*repair
	rng     *rand.Rand // seeded alike in every call
	hosted  [][]int32  // by node: its VMs under host
	cover   []int64    // by node: the bound of its cover, 0 if not overloaded
	given   []int64    // by node: the memory of the VMs that left it
	roomier []int32    // nodes with much room
}

// searchParts improves the placement of a large cluster, or of a small one
// that could not be searched as a whole.
func (r *repair) searchParts() Answer {
	if r.kept == nil && (r.stuck > 0 || !r.approve()) {
		r.landOneByOne()
	}
	r.improve()
	if r.stuck > 0 || r.refused {
		return Exhausted
	}
	return Viable
}

// improve spends the budget on a better placement, or a first one. If host is
// reachable, it remains so.
func (r *repair) improve() {
	l := &neighbourhoods{
		repair: r, rng: rand.New(rand.NewPCG(1, 2)),
		cover: make([]int64, len(r.c.Nodes)), given: make([]int64, len(r.c.Nodes)),
	}
	r.rooms = nil // from now on only host and free are kept
	l.hosted = (&cluster.Configuration{Nodes: r.c.Nodes, VMs: r.c.VMs, Host: r.host}).Hosted()
	for i, n := range r.over {
		l.cover[n] = r.covers[i].bound
	}
	for v, h := range r.host {
		if h != r.c.Host[v] {
			l.given[r.c.Host[v]] += r.memory(int32(v))
		}
	}
	for round := 0; !r.spent(); round++ {
		if r.stuck == 0 && !r.refused && r.cost.memory == r.bound {
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
	}
}

// sore returns, in turn, the nodes that are overloaded and, if there are none,
// those that gave up more than their cover, or anything if there is no way.
func (l *neighbourhoods) sore(round int) int32 {
	var sores []int32
	for n := range l.free {
		if l.stuck > 0 && !fits(cluster.Resources{}, l.free[n]) ||
			l.stuck == 0 && (l.given[n] > l.cover[n] || l.refused && l.given[n] > 0) {
			sores = append(sores, int32(n))
		}
	}
	l.steps += len(l.free)/64 + 1
	if len(sores) == 0 {
		return cluster.Nowhere
	}
	return sores[round%len(sores)]
}

// lookForRoom lists the nodes with the most free of the scarcest resource.
func (l *neighbourhoods) lookForRoom() {
	l.steps += len(l.free)
	l.roomier = l.roomier[:0]
	for n := range l.free {
		l.roomier = append(l.roomier, int32(n))
	}
	slices.SortFunc(l.roomier, func(a, b int32) int {
		return cmp.Or(cmp.Compare(l.free[b][l.scarce], l.free[a][l.scarce]), cmp.Compare(a, b))
	})
	l.roomier = l.roomier[:min(len(l.roomier), 4*farNodes)]
}

// around returns count nodes: sore, where its VMs went, some with much room,
// and some at random.
func (l *neighbourhoods) around(sore int32, count int) []int32 {
	near := []int32{sore}
	add := func(n int32) {
		if len(near) < count && !slices.Contains(near, n) {
			near = append(near, n)
		}
	}
	for _, v := range l.at(sore) {
		if len(near) < (count+1)/2 {
			add(l.host[v])
		}
	}
	for range count {
		if l.rng.IntN(2) == 0 {
			add(l.roomier[l.rng.IntN(len(l.roomier))])
		} else {
			add(int32(l.rng.IntN(len(l.free))))
		}
	}
	return near
}

// search looks for a better placement of the VMs on nodes, and takes it.
func (l *neighbourhoods) search(nodes []int32) {
	l.steps += aroundSteps * len(nodes)
	var vms []int32
	var free cluster.Resources
	now, viable := cost{}, true
	for _, n := range nodes {
		free = free.Plus(l.free[n])
		viable = viable && fits(cluster.Resources{}, l.free[n])
	}
	if !fits(cluster.Resources{}, free) {
		return
	}
	for _, n := range nodes {
		vms = append(vms, l.hosted[n]...)
	}
	for _, v := range vms {
		if slices.Contains(nodes, l.c.Host[v]) && l.host[v] != l.c.Host[v] {
			now = now.plus(l.memory(v))
		}
	}
	limit := l.limit
	l.limit = min(limit, l.steps+nearSteps*len(nodes))
	defer func() { l.limit = limit }()
	if l.refused {
		l.searchWay(nodes, vms, now)
		return
	}
	s := newSearch(&l.effort, l.c, l.scarce, nodes, vms, nil)
	if viable {
		s.best = now
	}
	if s.run(); s.improved {
		l.take(s)
	}
}

// searchWay looks for another placement of the VMs on nodes that makes the
// whole reachable. now is what those of them cost that are at home there.
func (l *neighbourhoods) searchWay(nodes, vms []int32, now cost) {
	outside := cost{l.cost.memory - now.memory, l.cost.moves - now.moves}
	s := newSearch(&l.effort, l.c, l.scarce, nodes, vms, l.newReach(outside))
	if s.deepen(cost{memory: infinite}); s.improved {
		l.put(s, func(i int) int32 { return s.hostOf(l.c, i, s.bestOn) })
		l.keep()
	}
}

// take puts the VMs of a search where it found room, unless the placement was
// reachable and would not be so any longer.
func (l *neighbourhoods) take(s *search) {
	before := make([]int32, len(s.vms))
	for i, v := range s.vms {
		before[i] = l.host[v]
	}
	l.put(s, func(i int) int32 { return s.hostOf(l.c, i, s.bestOn) })
	if l.stuck == 0 && !l.approve() && l.kept != nil {
		l.put(s, func(i int) int32 { return before[i] })
		l.refused = false
	}
}

// put puts the VMs of a search on the nodes that to names.
func (l *neighbourhoods) put(s *search, to func(i int) int32) {
	l.refused = false
	for _, n := range s.nodes {
		if !fits(cluster.Resources{}, l.free[n]) {
			l.stuck--
		}
		l.hosted[n] = l.hosted[n][:0:0]
	}
	for i, v := range s.vms {
		to, home := to(i), l.c.Host[v]
		if l.host[v] != home {
			l.given[home] -= l.memory(v)
		}
		if to != home {
			l.given[home] += l.memory(v)
		}
		l.move(v, to)
		l.hosted[to] = append(l.hosted[to], v)
	}
}
