package placement

import (
	"cmp"
	"math"
	"math/bits"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// cover is a set of VMs that an overloaded node gives up so that the rest
// fits.
type cover struct {
	cost
	largest int64 // the scarcest resource of the largest VM: smaller lands easier
	// bound is the least memory of any cover. It equals cost.memory unless the
	// search for a cover was cut short.
	bound int64
}

// better orders covers by memory, number of VMs, and how easy they land.
func (c cover) better(o cover) bool {
	if c.cost != o.cost {
		return c.cost.less(o.cost)
	}
	return c.largest < o.largest
}

// coverSteps limits the search for one cover. A node of 24 VMs is finished
// long before; on larger ones equal covers are many, and the bound of the
// relaxed problem is used instead.
const coverSteps = 4096

// infinite is the memory of what cannot be done. Sums of it over the nodes of a
// search do not overflow.
const infinite = math.MaxInt64 / 64

// evict chooses the VMs that have to be elsewhere: those that may not be at home,
// a cover of each overloaded node, and enough of those that break hard rules. It
// sums up what that costs at least.
func (r *repair) evict() {
	r.index()
	r.host = slices.Clone(r.c.Host)
	r.covers = make([]cover, 0, len(r.over))
	most := 0
	for _, n := range r.over {
		most = max(most, len(r.at(n)))
	}
	e := eviction{repair: r, items: make([]int32, 0, 3*most), rest: make([]cluster.Resources, most+1)}
	if r.book != nil {
		e.mark()
	}
	known := r.problem.Known.coversFor(r)
	for _, n := range r.over {
		best, ok := known.next(n, &e)
		if !ok {
			best = e.cover(n)
		}
		r.covers = append(r.covers, best)
		r.bound += best.bound
		r.evicted = append(r.evicted, e.chosen...)
	}
	if r.book == nil {
		r.chosen = slices.Clone(r.evicted)
	}
	if r.book != nil {
		r.evictByRules(e.out)
	}
	r.left = r.over
	if r.book != nil || r.leavers != nil {
		r.left = r.nodesLeft()
	}
}

// mark notes which VMs cannot be at home, and evicts those of them that are on no
// overloaded node: VMs that may not be there, and those that have to be with them.
func (e *eviction) mark() {
	e.out = make([]bool, len(e.repair.c.VMs))
	over := make([]bool, len(e.repair.c.Nodes))
	for _, n := range e.repair.over {
		over[n] = true
	}
	leave := func(v int32) {
		e.out[v] = true
		if !over[e.repair.c.Host[v]] {
			e.repair.evicted = append(e.repair.evicted, v)
			e.repair.bound += e.repair.memory(v)
		}
	}
	for _, v := range e.repair.forced {
		if e.out[v] {
			continue
		}
		leave(v)
		for _, u := range e.repair.book.mates(v) { // they have to go with it
			if e.repair.c.Host[u] == e.repair.c.Host[v] && !e.out[u] {
				leave(u)
			}
		}
	}
}

// evictByRules evicts VMs until the others break no hard rule, the cheapest
// culprit first. out marks the VMs that may not be at home.
func (r *repair) evictByRules(out []bool) {
	b := r.book
	b.boundWrong(r, out)
	for _, v := range r.evicted {
		b.put(v, cluster.Nowhere)
	}
	all := scope{fixed: func(v int32) bool { return b.host[v] == cluster.Nowhere }}
	var culprits []int32
	for i := range b.rulings {
		for b.broken[i] && b.weight[i] == 0 {
			if all.movable == nil {
				all.movable = r.vms[:r.first[len(r.c.Nodes)]]
			}
			culprits = b.rulings[i].culprits(b, all, culprits[:0])
			r.steps += len(culprits) + 1
			if len(culprits) == 0 {
				break
			}
			cheapest := slices.MinFunc(culprits, func(u, v int32) int {
				return cmp.Or(cmp.Compare(r.memory(u), r.memory(v)), cmp.Compare(u, v))
			})
			b.put(cheapest, cluster.Nowhere)
			r.evicted = append(r.evicted, cheapest)
		}
	}
}

// boundWrong adds to the bound what the broken hard rules cost at least: for each of
// them the cheapest culprit, where no culprit is counted for another rule or may not
// be at home anyway. Culprits on an overloaded node count only as far as they
// exceed its cover; if a rule has some there and others elsewhere, it does not
// count. out marks the VMs that cannot be at home.
func (b *book) boundWrong(r *repair, out []bool) {
	if b.wrong == 0 {
		return
	}
	counted := slices.Clone(out)
	covered := map[int32]int64{} // by overloaded node: its cover, less what rules cost there
	for i, n := range r.over {
		covered[n] = r.covers[i].bound
		for _, v := range r.at(n) {
			if out[v] {
				covered[n] -= r.memory(v) // they are in the cover, and not culprits here
			}
		}
	}
	all := scope{movable: r.vms[:r.first[len(r.c.Nodes)]], fixed: func(int32) bool { return false }}
	var culprits []int32
	for i := range b.rulings {
		if !b.broken[i] || b.weight[i] > 0 {
			continue
		}
		culprits = b.rulings[i].culprits(b, all, culprits[:0])
		node, least := b.cheapest(r, culprits, counted, covered)
		if least == 0 {
			continue
		}
		for _, v := range culprits {
			counted[v] = true
		}
		saved := min(covered[node], least)
		covered[node] -= saved
		r.bound += least - saved
	}
}

// cheapest returns the least memory of the culprits, or 0 if they do not count, and
// the overloaded node that all of them are on, or Nowhere.
func (b *book) cheapest(r *repair, culprits []int32, counted []bool, covered map[int32]int64) (node int32, least int64) {
	least, node = int64(infinite), cluster.Nowhere
	for i, v := range culprits {
		at := cluster.Nowhere
		if _, over := covered[r.c.Host[v]]; over {
			at = r.c.Host[v]
		}
		if counted[v] || i > 0 && at != node {
			return cluster.Nowhere, 0
		}
		node = at
		least = min(least, r.memory(v))
	}
	if len(culprits) == 0 {
		return cluster.Nowhere, 0
	}
	return node, least
}

// nodesLeft returns the nodes that VMs leave, in ascending order.
func (r *repair) nodesLeft() []int32 {
	leaves := make([]bool, len(r.c.Nodes))
	for _, v := range r.evicted {
		leaves[r.c.Host[v]] = true
	}
	for _, v := range r.leavers {
		leaves[r.start.Host[v]] = true
	}
	var left []int32
	for n, is := range leaves {
		if is {
			left = append(left, int32(n))
		}
	}
	return left
}

// eviction searches the cover of one node by depth-first branch and bound.
// Its buffers are used again for the next node.
type eviction struct {
	repair  *repair
	items   []int32             // the node's VMs, cheapest for what they free first
	rest    []cluster.Resources // by item: what it and those after it free together
	main    int                 // the resource that items are sorted by
	divisor int64               // of all sizes: a cover's memory is a multiple
	out     []bool              // by VM: it cannot be at home; nil if all can
	// pack has, by the first of VMs that have to leave together, what they ask for
	// together, and the others. It is nil if there are none.
	pack   map[int32]*pack
	taken  []int32
	chosen []int32
	best   cover
	left   int  // steps that may be spent
	cut    bool // they were spent before the search was over
}

// cover returns the least cover of node n, and leaves its VMs in chosen.
func (e *eviction) cover(n int32) cover {
	e.items = append(e.items[:0], e.repair.at(n)...)
	e.taken, e.chosen = e.taken[:0], e.chosen[:0]
	need := cluster.Resources{}.Minus(e.repair.free[n])
	so := e.takeForced(&need)
	e.packMates(n)
	e.sort(n, need)
	e.best = cover{cost: cost{memory: infinite}}
	e.left, e.cut = coverSteps, false
	bound := so.memory + e.relaxed(0, need[e.main])
	e.branch(0, so, need)
	e.best.bound = e.best.memory
	if e.cut {
		e.best.bound = min(bound, e.best.memory)
	}
	return e.best
}

// takeForced moves the VMs that may not stay from items to taken.
func (e *eviction) takeForced(need *cluster.Resources) (so cover) {
	if e.out == nil {
		return so
	}
	kept := e.items[:0]
	for _, v := range e.items {
		if !e.out[v] {
			kept = append(kept, v)
			continue
		}
		demand := e.repair.c.VMs[v].Demand
		e.taken = append(e.taken, v)
		so = cover{cost: so.plus(e.repair.memory(v)), largest: max(so.largest, demand[e.repair.scarce])}
		*need = need.Minus(demand)
	}
	e.items = kept
	return so
}

// pack is a number of VMs that leave a node together.
type pack struct {
	demand cluster.Resources
	moves  int
	others []int32
}

// packMates makes one item of items that have to be together.
func (e *eviction) packMates(n int32) {
	e.pack = nil
	if e.repair.book == nil {
		return
	}
	kept := e.items[:0]
	for _, v := range e.items {
		p := &pack{demand: e.repair.c.VMs[v].Demand, moves: 1}
		first := true
		for _, u := range e.repair.book.mates(v) {
			if u == v || e.repair.c.Host[u] != n {
				continue
			}
			first = first && v < u
			p.demand = p.demand.Plus(e.repair.c.VMs[u].Demand)
			p.moves++
			p.others = append(p.others, u)
		}
		if !first {
			continue
		}
		kept = append(kept, v)
		if p.moves > 1 {
			if e.pack == nil {
				e.pack = map[int32]*pack{}
			}
			e.pack[v] = p
		}
	}
	e.items = kept
}

// demand is what item v asks for, and how many VMs it is.
func (e *eviction) demand(v int32) (demand *cluster.Resources, moves int, others []int32) {
	if p, ok := e.pack[v]; ok {
		return &p.demand, p.moves, p.others
	}
	return &e.repair.c.VMs[v].Demand, 1, nil
}

// sort orders the items by memory per unit of the resource that node n lacks
// most, and puts equal VMs side by side.
func (e *eviction) sort(n int32, need cluster.Resources) {
	e.main, e.divisor = 0, 0
	worst := -1.0
	for d := range need {
		lack := float64(need[d]) / float64(e.repair.capacity[n][d]+need[d])
		if need[d] > 0 && lack > worst {
			e.main, worst = d, lack
		}
	}
	slices.SortFunc(e.items, func(a, b int32) int {
		x, _, _ := e.demand(a)
		y, _, _ := e.demand(b)
		return cmp.Or(
			dearer(x[cluster.Memory], x[e.main], y[cluster.Memory], y[e.main]),
			-slices.Compare(x[:], y[:]), cmp.Compare(a, b))
	})
	e.rest[len(e.items)] = cluster.Resources{}
	for i := len(e.items) - 1; i >= 0; i-- {
		demand, _, _ := e.demand(e.items[i])
		e.rest[i] = e.rest[i+1].Plus(*demand)
		e.divisor = gcd(e.divisor, demand[cluster.Memory])
	}
}

// dearer compares what two VMs cost for what they free: memory1/free1 with
// memory2/free2, where nothing freed is the dearest.
func dearer(memory1, free1, memory2, free2 int64) int {
	if free1 == 0 || free2 == 0 {
		return cmp.Compare(free2, free1)
	}
	high1, low1 := bits.Mul64(uint64(memory1), uint64(free2))
	high2, low2 := bits.Mul64(uint64(memory2), uint64(free1))
	return cmp.Or(cmp.Compare(high1, high2), cmp.Compare(low1, low2))
}

// share returns memory*part/whole, rounded up, for part <= whole.
func share(memory, part, whole int64) int64 {
	high, low := bits.Mul64(uint64(memory), uint64(part))
	quotient, remainder := bits.Div64(high, low, uint64(whole))
	if remainder > 0 {
		quotient++
	}
	return int64(quotient)
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// roundUp returns the least multiple of divisor that is not below x.
func roundUp(x, divisor int64) int64 {
	if divisor <= 1 {
		return x
	}
	return (x + divisor - 1) / divisor * divisor
}

// relaxed returns a lower bound on the memory of items from i on that free
// need of the main resource: the cheapest ones, the last of them in part.
func (e *eviction) relaxed(i int, need int64) int64 {
	memory := int64(0)
	for ; need > 0; i++ {
		if i == len(e.items) {
			return infinite
		}
		demand, _, _ := e.demand(e.items[i])
		if demand[e.main] == 0 {
			return infinite
		}
		memory += share(demand[cluster.Memory], min(need, demand[e.main]), demand[e.main])
		need -= demand[e.main]
	}
	return roundUp(memory, e.divisor)
}

// branch decides about item i, with so taken and need still to be freed.
func (e *eviction) branch(i int, so cover, need cluster.Resources) {
	e.repair.steps++
	if e.left--; e.left < 0 && e.best.memory < infinite {
		e.cut = true
		return
	}
	if fits(need, cluster.Resources{}) {
		if so.better(e.best) {
			e.best = so
			e.chosen = append(e.chosen[:0], e.taken...)
		}
		return
	}
	if !fits(need, e.rest[i]) {
		return
	}
	least := cover{cost: cost{so.memory + e.relaxed(i, need[e.main]), so.moves + 1}, largest: so.largest}
	if !least.better(e.best) {
		return
	}
	demand, moves, others := e.demand(e.items[i])
	mark := len(e.taken)
	e.taken = append(append(e.taken, e.items[i]), others...)
	with := cost{so.memory + demand[cluster.Memory], so.moves + moves}
	e.branch(i+1, cover{cost: with, largest: max(so.largest, demand[e.repair.scarce])}, need.Minus(*demand))
	e.taken = e.taken[:mark]
	// Without it, those like it need not be tried either.
	for i++; i < len(e.items); i++ {
		if next, _, _ := e.demand(e.items[i]); *next != *demand {
			break
		}
	}
	e.branch(i, so, need)
}
