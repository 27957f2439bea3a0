package placement

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// packed is what is known about whether VMs fit on nodes.
type packed uint8

const (
	undecided packed = iota // the budget is spent
	canPack
	cannotPack // proven
)

// packing asks whether the VMs of a search fit on its nodes at all, wherever
// they are now. It puts one VM after the other, the largest first, on each
// node that has room.
//
// Hard rules are asked as soon as a VM is put somewhere. Then VMs are only equal if
// rules tell them from no other, and neither nodes nor rooms are.
//
// Four cuts, which refer only to what was looked at earlier: of equal VMs, a
// later one does not go where an earlier one was tried before; of nodes with
// equal room only the first is tried; rooms that were found too small for the
// same VMs are remembered; and room that no set of the remaining VMs can fill
// is lost (filler).
type packing struct {
	*search
	items  []int32             // VMs, largest first
	rest   []cluster.Resources // by item: what it and those after it ask for
	room   []cluster.Resources // by node
	into   []int32             // by VM: its node
	fill   []filler
	failed map[string]struct{}
	key    []byte
	order  []int32
}

// pack asks whether the VMs fit. If so, it adopts a placement.
func (s *search) pack(budget int) packed {
	p := &packing{
		search: s, items: make([]int32, len(s.vms)), rest: make([]cluster.Resources, len(s.vms)+1),
		room: slices.Clone(s.capacity), into: make([]int32, len(s.vms)), failed: map[string]struct{}{},
	}
	p.sort()
	for _, d := range s.active {
		if f, ok := newFiller(p, d); ok {
			p.fill = append(p.fill, f)
		}
	}
	limit := s.limit
	s.limit = min(limit, s.steps+budget)
	s.enterBook(func(int) int32 { return cluster.Nowhere })
	answer := cannotPack // if rules are broken by what cannot be changed
	if s.book == nil || s.book.wrong == 0 {
		answer = p.place(0, 0)
	}
	s.limit = limit
	if answer == canPack && s.book == nil {
		s.adopt(s.homeward(p.into))
	}
	return answer
}

func (p *packing) sort() {
	size := make([]float64, len(p.vms))
	var capacity cluster.Resources
	for _, c := range p.capacity {
		capacity = capacity.Plus(c)
	}
	for v := range p.items {
		p.items[v] = int32(v)
		for _, d := range p.active {
			size[v] = max(size[v], float64(p.demand[v][d])/float64(capacity[d]))
		}
	}
	slices.SortFunc(p.items, func(a, b int32) int {
		return cmp.Or(cmp.Compare(size[b], size[a]), cmp.Compare(p.kind[a], p.kind[b]), cmp.Compare(a, b))
	})
	for i := len(p.items) - 1; i >= 0; i-- {
		p.rest[i] = p.rest[i+1].Plus(p.demand[p.items[i]])
	}
}

// place puts item i and those after it. The nodes in tried were tried for an
// equal item before the place that it was given.
func (p *packing) place(i int, tried uint64) packed {
	if i == len(p.items) {
		if p.book != nil {
			p.adopt(p.into, p.worth()) // nodes cannot be dealt anew: rules tell them apart
		}
		return canPack
	}
	if !p.step() {
		return undecided
	}
	v := p.items[i]
	fresh := i == 0 || p.kind[v] != p.kind[p.items[i-1]]
	if fresh {
		tried = 0
		if p.book == nil && p.known(i) {
			p.rejected[Alike]++
			return cannotPack
		}
	}
	if !p.fillable(i) {
		return cannotPack
	}
	answer := p.tryNodes(i, tried)
	if fresh && answer == cannotPack && p.book == nil {
		p.remember(i)
	}
	return answer
}

func (p *packing) tryNodes(i int, tried uint64) packed {
	v := p.items[i]
	demand := p.demand[v]
	var buffer [searchNodes]int32
	nodes := p.fullest(buffer[:0])
	seen := uint64(0)
	for k, n := range nodes {
		if !p.step() {
			return undecided
		}
		if p.admits(&demand, &p.room[n]) {
			if tried&(1<<n) != 0 || p.book == nil && slices.ContainsFunc(nodes[:k], func(m int32) bool { return p.room[m] == p.room[n] }) {
				p.rejected[Alike]++
			} else if answer := p.putInto(i, n, tried|seen); answer != cannotPack {
				return answer
			}
		}
		seen |= 1 << n
	}
	return cannotPack
}

// putInto puts item i on n, unless rules forbid it, and those after it anywhere.
func (p *packing) putInto(i int, n int32, tried uint64) packed {
	v := p.items[i]
	if p.book != nil {
		if !p.mayBe(v, n) {
			return cannotPack
		}
		p.book.put(p.vms[v], p.nodes[n])
		defer p.book.put(p.vms[v], cluster.Nowhere)
		if p.book.wrong > 0 { // more VMs do not mend a rule
			p.rejected[AgainstRule]++
			return cannotPack
		}
	}
	p.room[n] = p.room[n].Minus(p.demand[v])
	p.into[v] = n
	answer := p.place(i+1, tried)
	p.room[n] = p.room[n].Plus(p.demand[v])
	return answer
}

// worth is what the packing costs as a placement.
func (p *packing) worth() (total cost) {
	for v, n := range p.into {
		if p.home[v] != homeless && n != p.home[v] {
			total = total.plus(p.weight[v])
		}
	}
	total.memory += p.penalty()
	return total
}

// fullest lists the nodes, those with the least room first.
func (p *packing) fullest(nodes []int32) []int32 {
	for n := range p.room {
		i := len(nodes)
		nodes = append(nodes, int32(n))
		for ; i > 0 && p.room[nodes[i-1]][p.scarce] > p.room[n][p.scarce]; i-- {
			nodes[i] = nodes[i-1]
		}
		nodes[i] = int32(n)
	}
	return nodes
}

// encode writes i and the rooms, in an order that does not depend on which
// node has which, to key.
func (p *packing) encode(i int) {
	p.order = p.order[:0]
	for n := range p.room {
		p.order = append(p.order, int32(n))
	}
	slices.SortFunc(p.order, func(a, b int32) int { return slices.Compare(p.room[a][:], p.room[b][:]) })
	p.key = binary.AppendUvarint(p.key[:0], uint64(i))
	for _, n := range p.order {
		for _, d := range p.active {
			p.key = binary.AppendVarint(p.key, p.room[n][d])
		}
	}
}

func (p *packing) known(i int) bool {
	p.encode(i)
	_, known := p.failed[string(p.key)]
	return known
}

func (p *packing) remember(i int) {
	p.encode(i)
	p.failed[string(p.key)] = struct{}{}
}

// fillable reports whether the room that items from i on can fill is enough
// for them.
func (p *packing) fillable(i int) bool {
	for f := range p.fill {
		fill := &p.fill[f]
		room := int64(0)
		for n := range p.room {
			room += fill.most(i, p.room[n][fill.resource])
		}
		if room < p.rest[i][fill.resource] {
			p.rejected[fill.resource]++
			return false
		}
	}
	return true
}

// fillerWords limits the size of a filler's sets.
const fillerWords = 64

// filler knows which amounts of one resource can be filled by a set of the
// items from i on, in units of their greatest common divisor.
type filler struct {
	resource int
	unit     int64
	words    int
	sums     []uint64 // by item: a bit set of amounts
}

// newFiller is not ok if the amounts are too many to be listed.
func newFiller(p *packing, resource int) (f filler, ok bool) {
	most := int64(0)
	f.resource = resource
	for _, demand := range p.demand {
		f.unit = gcd(f.unit, demand[resource])
	}
	for _, capacity := range p.capacity {
		most = max(most, capacity[resource])
	}
	if most/f.unit >= fillerWords*64 {
		return filler{}, false
	}
	f.words = int(most/f.unit)/64 + 1
	f.sums = make([]uint64, (len(p.items)+1)*f.words)
	f.of(len(p.items))[0] = 1
	for i := len(p.items) - 1; i >= 0; i-- {
		f.add(f.of(i), f.of(i+1), p.demand[p.items[i]][resource]/f.unit)
	}
	return f, true
}

func (f *filler) of(i int) []uint64 { return f.sums[i*f.words : (i+1)*f.words] }

// add sets sums to all amounts of rest, without and with size added.
func (f *filler) add(sums, rest []uint64, size int64) {
	copy(sums, rest)
	word, bit := int(size/64), uint(size%64)
	for w := word; w < len(sums); w++ {
		sums[w] |= rest[w-word] << bit
		if bit > 0 && w > word {
			sums[w] |= rest[w-word-1] >> (64 - bit)
		}
	}
}

// most returns the largest amount up to room that items from i on can fill.
func (f *filler) most(i int, room int64) int64 {
	top := room / f.unit
	sums := f.of(i)
	mask := ^uint64(0) >> (63 - uint(top%64))
	for w := int(top / 64); w >= 0; w-- {
		if set := sums[w] & mask; set != 0 {
			return (int64(w*64) + int64(bits.Len64(set)) - 1) * f.unit
		}
		mask = ^uint64(0)
	}
	return 0
}
