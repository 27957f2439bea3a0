package placement

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// scanNodes is the number of nodes up to which every node is looked at for
// every VM. With more of them they are kept on shelves.
const scanNodes = 32

// chainNodes is how many of the roomiest nodes are asked to make way for a VM
// that has no place, and chainShare the share of the budget that this may take.
const (
	chainNodes = 64
	chainShare = 0.05
)

// land puts the evicted VMs on other nodes, the largest first. If there is
// plenty of room, each goes where most is left over: a node that is filled to
// the brim is soon overloaded again. If not all have found a place so, they
// start again and fill nodes well: where they can go at once, then where they
// can go after others left, then where one VM makes way for them. VMs that do
// not land stay where they are.
func (r *repair) land() {
	if len(r.c.Nodes) > scanNodes {
		r.rooms = newShelves(r.room, r.scarce)
	}
	slices.SortFunc(r.evicted, func(a, b int32) int {
		x, y := &r.c.VMs[a].Demand, &r.c.VMs[b].Demand
		return cmp.Or(cmp.Compare(y[r.scarce], x[r.scarce]), cmp.Compare(y[cluster.Memory], x[cluster.Memory]), cmp.Compare(a, b))
	})
	if r.filling && r.fill() || !r.filling && r.landLoosely() {
		r.count()
		return
	}
	var waiting []int32
	for _, v := range r.evicted {
		if r.host[v] != r.c.Host[v] {
			continue
		}
		if n := r.roomFor(v, cluster.Nowhere); n != cluster.Nowhere {
			r.move(v, n)
		} else {
			waiting = append(waiting, v)
		}
	}
	r.leeway = infinite
	// Whoever has no place waits in none, so that his node counts as left.
	for _, v := range waiting {
		r.free[r.host[v]] = r.free[r.host[v]].Plus(r.c.VMs[v].Demand)
	}
	chains := r.steps + int(chainShare*float64(r.limit-r.steps))
	for i, v := range waiting {
		if n := r.freeFor(v, r.host[v]); n != cluster.Nowhere {
			r.settle(v, n)
			continue
		}
		if r.steps < chains || len(r.c.Nodes) <= scanNodes {
			if n := r.chain(v, waiting[i+1:]); n != cluster.Nowhere {
				r.settle(v, n)
				continue
			}
		}
		r.settle(v, r.host[v])
	}
	r.count()
}

// landLoosely puts each evicted VM where the most room is left over. If one
// has no place, all are back where they were, and it returns false.
func (r *repair) landLoosely() bool {
	for i, v := range r.evicted {
		n := r.roomiestFor(v)
		if n == cluster.Nowhere {
			for _, moved := range r.evicted[:i] {
				r.move(moved, r.c.Host[moved])
				r.enter(moved, cluster.Nowhere)
			}
			return false
		}
		r.move(v, n)
	}
	return true
}

// roomiestFor returns the node where v can go at once that has the most room
// left over then, or Nowhere.
func (r *repair) roomiestFor(v int32) int32 {
	best, most := cluster.Nowhere, int64(-1)
	demand := r.landing(v)
	consider := func(n int32) {
		left := r.room[n][r.scarce] - demand[r.scarce]
		if r.step() && left > most && r.admits(demand, &r.room[n]) && r.keepsRules(v, n) {
			best, most = n, left
		}
	}
	if r.rooms == nil {
		for n := range r.room {
			consider(int32(n))
		}
		return best
	}
	for shelf := len(r.rooms.head) - 1; shelf >= r.rooms.shelf(demand[r.scarce]) && best == cluster.Nowhere; shelf-- {
		for n := r.rooms.head[shelf]; n != cluster.Nowhere; n = r.rooms.next[n] {
			consider(n)
		}
	}
	return best
}

// landing returns what a node has to have for v to land there: what v asks for
// and, of those that have to be with it, all that have not landed yet.
func (r *repair) landing(v int32) *cluster.Resources {
	demand := &r.c.VMs[v].Demand
	if r.book == nil {
		return demand
	}
	mates := r.book.mates(v)
	if mates == nil {
		return demand
	}
	var together cluster.Resources
	for _, u := range mates {
		switch {
		case u == v || r.book.host[u] == cluster.Nowhere && r.c.Host[u] != cluster.Nowhere:
			together = together.Plus(r.c.VMs[u].Demand)
		case r.c.Host[u] != cluster.Nowhere:
			return demand // there is only one node, or none
		}
	}
	return &together
}

// settle puts v, which counts nowhere, on n.
func (r *repair) settle(v, n int32) {
	r.free[r.host[v]] = r.free[r.host[v]].Minus(r.c.VMs[v].Demand)
	if n != r.host[v] {
		r.move(v, n)
	} else {
		r.enter(v, n)
	}
}

// tightest remembers the node with the least left over among those offered.
type tightest struct {
	node int32
	left int64
}

func (t *tightest) offer(n int32, left int64) {
	if t.node == cluster.Nowhere || left < t.left || left == t.left && n < t.node {
		t.node, t.left = n, left
	}
}

// roomFor returns the node where v can go at once that it fills best, or
// Nowhere. It is not but.
func (r *repair) roomFor(v, but int32) int32 {
	best := tightest{node: cluster.Nowhere}
	demand := r.landing(v)
	if r.rooms == nil {
		for n := range r.room {
			r.consider(&best, v, int32(n), but, demand, &r.room[n])
		}
		return best.node
	}
	// Nodes of a higher shelf have more left over than those of a lower one,
	// and those on the same shelf about as much.
	for shelf := r.rooms.shelf(demand[r.scarce]); shelf < len(r.rooms.head); shelf++ {
		for n := r.rooms.head[shelf]; n != cluster.Nowhere; n = r.rooms.next[n] {
			if r.consider(&best, v, n, but, demand, &r.room[n]); best.node != cluster.Nowhere {
				return best.node
			}
		}
	}
	return cluster.Nowhere
}

// freeFor is roomFor among the nodes that others leave.
func (r *repair) freeFor(v, but int32) int32 {
	best := tightest{node: cluster.Nowhere}
	demand := r.landing(v)
	for _, n := range r.left {
		r.consider(&best, v, n, but, demand, &r.free[n])
	}
	return best.node
}

func (r *repair) consider(best *tightest, v, n, but int32, demand, space *cluster.Resources) {
	if n != but && r.step() && r.admits(demand, space) && r.keepsRules(v, n) {
		best.offer(n, space[r.scarce]-demand[r.scarce])
	}
}

// chain looks for a VM u that makes way for v: u leaves its node n for a third
// one or, if v counts nowhere, for the node that v leaves. It moves the u with
// the least memory, but none of adrift, and returns n, where there is room for
// v now, or Nowhere.
func (r *repair) chain(v int32, adrift []int32) int32 {
	type way struct{ u, to int32 }
	best, least := way{u: cluster.Nowhere}, int64(infinite)
	demand := &r.c.VMs[v].Demand
	r.roomiest(func(n int32) {
		if n == r.host[v] {
			return
		}
		for _, u := range r.at(n) {
			if r.host[u] != n || r.memory(u) >= least || !r.step() {
				continue
			}
			space := r.free[n].Plus(r.c.VMs[u].Demand)
			if !r.admits(demand, &space) || slices.Contains(adrift, u) || !r.mayBe(v, n) {
				continue
			}
			to := r.roomFor(u, n)
			if to == cluster.Nowhere {
				to = r.freeFor(u, n)
			}
			if to != cluster.Nowhere {
				best, least = way{u, to}, r.memory(u)
			}
		}
	})
	if best.u == cluster.Nowhere {
		return cluster.Nowhere
	}
	n := r.host[best.u]
	r.move(best.u, best.to)
	if !r.keepsRules(v, n) {
		r.move(best.u, n)
		return cluster.Nowhere
	}
	return n
}

// roomiest calls visit for every node if there are few, else for those with
// the most room.
func (r *repair) roomiest(visit func(n int32)) {
	if r.rooms == nil {
		for n := range r.c.Nodes {
			visit(int32(n))
		}
		return
	}
	left := chainNodes
	for shelf := len(r.rooms.head) - 1; shelf >= 0; shelf-- {
		for n := r.rooms.head[shelf]; n != cluster.Nowhere; n = r.rooms.next[n] {
			if left == 0 {
				return
			}
			left--
			visit(n)
		}
	}
}

// shelves keep nodes in order of their room for one resource, roughly: a node
// on a higher shelf has more than one on a lower, and those on the same shelf
// are in no order that matters.
type shelves struct {
	width      int64   // of a shelf
	head       []int32 // by shelf: a node, or Nowhere
	next, prev []int32 // by node: its neighbours on the shelf, or Nowhere
	on         []int32 // by node: its shelf
}

func newShelves(room []cluster.Resources, scarce cluster.Resource) *shelves {
	most := int64(0)
	for n := range room {
		most = max(most, room[n][scarce])
	}
	count := min(len(room), 512)
	slab := make([]int32, count+3*len(room))
	s := &shelves{width: most/int64(count) + 1, head: slab[:count]}
	slab = slab[count:]
	s.next, s.prev, s.on = slab[:len(room)], slab[len(room):2*len(room)], slab[2*len(room):]
	for i := range s.head {
		s.head[i] = cluster.Nowhere
	}
	for n := range room {
		s.link(int32(n), room[n][scarce])
	}
	return s
}

// shelf returns the lowest shelf that may hold nodes with room.
func (s *shelves) shelf(room int64) int {
	return int(min(max(room, 0)/s.width, int64(len(s.head)-1)))
}

func (s *shelves) link(n int32, room int64) {
	shelf := s.shelf(room)
	s.on[n], s.prev[n], s.next[n] = int32(shelf), cluster.Nowhere, s.head[shelf]
	if s.next[n] != cluster.Nowhere {
		s.prev[s.next[n]] = n
	}
	s.head[shelf] = n
}

// put notes that n has other room than before.
func (s *shelves) put(n int32, room int64) {
	if s.shelf(room) == int(s.on[n]) {
		return
	}
	if s.prev[n] == cluster.Nowhere {
		s.head[s.on[n]] = s.next[n]
	} else {
		s.next[s.prev[n]] = s.next[n]
	}
	if s.next[n] != cluster.Nowhere {
		s.prev[s.next[n]] = s.prev[n]
	}
	s.link(n, room)
}
