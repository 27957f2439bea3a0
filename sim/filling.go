package sim

import (
	"math"
)

// share is what the laws of sharing need to know of a flow that sends.
type share struct {
	rate       float64 // x, before the bandwidth factor
	penalty    float64 // p > 0; the level is x*p
	cap        float64 // of x; infinite if none
	bottleneck int32   // the link that limits it; none if its cap does
	epoch      uint32  // of the sharing that it was or is a member of
}

// sharing is the working space of giving rates.
//
// Progressive filling gives max-min fair rates: the levels of all flows rise
// together, until a flow reaches its cap, or a link is full and ends the growth
// of all its flows that grow yet; the others go on. After a change most of that
// would happen again as it did before. So only members are filled, and all
// other flows keep their rates, as long as it is not known better. Members are
// at first the flows that have changed, and those that were limited by a link
// that has. Others become members while levels rise:
//
//   - if a link is full, and others on it have a higher level than the members
//     get: they have too much;
//   - if a member gets less than it had, those that were limited by one of its
//     links: they get more.
//
// All that a new member may change happens at levels that are not reached yet.
type sharing struct {
	changed      []LinkID // links that have lost or gained flows, or bandwidth
	changedFlows []int32  // flows that have started, or have another penalty or cap
	due          Timer    // of the event at which rates are given

	epoch      uint32
	members    []member
	hops       []memberHop // of all members
	seen       []seen      // the links of all members
	thresholds []threshold // a heap, once it is piled up
	piled      bool
	unfilled   int      // members without a rate
	fat        bool     // a fat pipe ties flows to each other: the original law
	path       []LinkID // the way that the router has found
}

// member is a flow that gets a new rate.
type member struct {
	flow        int32
	first, last int32 // its hops are hops[first:last]
	bottleneck  int32 // as in share
	penalty     float64
	strength    float64 // 1 / penalty
	cap         float64
	rate        float64 // negative while it has none
	old         float64 // its rate before
}

// memberHop is a member on a link that is a constraint.
type memberHop struct {
	member int32
	seen   int32
	next   int32 // hop of the next member on the link; none if it is the last
	weight float64
}

// seen is a link on the way of members.
type seen struct {
	link     LinkID
	first    int32 // hop of the first member on it
	open     int32 // members on it without a rate
	bound    int32 // flows on it that are no members and that it limits
	fat      bool  // all members get its bandwidth
	capacity float64
	left     float64 // capacity without what flows with a rate take
	use      float64 // the sum of weight / penalty of the open members
	widest   float64 // the highest value of use since it was summed up
	top      float64 // at least the highest level of flows that are no members
	level    float64 // of its threshold in the heap; infinite if it has none
}

// nearly is how far, relatively, rates and levels may be from each other and
// still count as equal.
const nearly = 1e-13

// share gives new rates after changes: once for all changes of this date, or
// when somebody wants to know a rate. What has arrived does not depend on it,
// as no time passes in between.
func (n *network) share() {
	if n.due == (Timer{}) && (len(n.changed) > 0 || len(n.changedFlows) > 0) {
		n.due = n.sim.At(n.sim.now, (*sharingDue)(n), 0)
	}
}

// sharingDue is the event at which rates are given.
type sharingDue network

// Handle gives new rates.
func (n *sharingDue) Handle(Seconds, uint64) {
	n.due = Timer{}
	(*network)(n).settle()
}

// settle gives new rates now, if they are due.
func (n *network) settle() {
	if len(n.changed) == 0 && len(n.changedFlows) == 0 {
		return
	}
	n.sim.Cancel(n.due)
	n.due = Timer{}
	n.begin()
	if !n.fat {
		n.fill()
	}
	if n.fat {
		n.addConnected()
		n.fillWithFatPipes()
	}
	n.apply()
}

// begin makes the flows members that a change affects at once.
func (n *network) begin() {
	n.epoch++
	n.members, n.hops, n.seen, n.thresholds = n.members[:0], n.hops[:0], n.seen[:0], n.thresholds[:0]
	n.fat, n.piled, n.unfilled = false, false, 0
	for _, i := range n.changedFlows {
		if f := &n.flows[i]; f.phase == flowSending && f.held == 0 {
			n.add(i)
		}
	}
	for _, l := range n.changed {
		k := n.see(l)
		n.addBound(k)
		if n.seen[k].left < 0 {
			n.addAbove(k)
		}
	}
	n.changed, n.changedFlows = n.changed[:0], n.changedFlows[:0]
}

// add makes a flow a member, if it is none yet.
func (n *network) add(i int32) {
	s := &n.shares[i]
	if s.epoch == n.epoch {
		return
	}
	s.epoch = n.epoch
	id, capped, strength := int32(len(n.members)), !math.IsInf(s.cap, 1), 1/s.penalty
	n.members = append(n.members, member{
		flow: i, first: int32(len(n.hops)), bottleneck: none,
		penalty: s.penalty, strength: strength, cap: s.cap, rate: -1, old: s.rate,
	})
	hops := n.flows[i].hops
	for c := range hops {
		h := &hops[c]
		if !h.ties {
			continue
		}
		k := n.see(h.link)
		at := &n.seen[k]
		n.hops = append(n.hops, memberHop{member: id, seen: k, next: at.first, weight: h.weight})
		at.first = int32(len(n.hops) - 1)
		at.left += float64(h.weight * s.rate)
		at.use += float64(h.weight * strength)
		if at.use > at.widest {
			at.widest = at.use
		}
		at.open++
		if s.bottleneck == int32(h.link) {
			at.bound--
		}
		if h.weight*s.cap >= at.capacity {
			capped = false // the link is full before
		}
		if n.piled {
			n.expect(k)
		}
	}
	n.members[id].last = int32(len(n.hops))
	n.unfilled++
	if capped {
		n.push(threshold{float64(s.cap * s.penalty), ^id})
	}
}

// see returns the index of a link in seen. When it is seen first, none of its
// flows is a member.
func (n *network) see(id LinkID) int32 {
	l := &n.links[id]
	if l.epoch == n.epoch {
		return l.seen
	}
	l.epoch, l.seen = n.epoch, int32(len(n.seen))
	at := seen{link: id, fat: l.policy == FatPipe, first: none, capacity: float64(l.bandwidth), level: math.Inf(1)}
	taken := 0.0
	for _, c := range l.crossings[:l.sending] {
		s := &n.shares[c.flow]
		taken += float64(c.weight * s.rate)
		if level := float64(s.rate * s.penalty); level > at.top {
			at.top = level
		}
		if s.bottleneck == int32(id) {
			at.bound++
		}
	}
	at.left = at.capacity - taken
	n.fat = n.fat || at.fat
	n.seen = append(n.seen, at)
	return l.seen
}

// addBound makes the flows members that a link limits.
func (n *network) addBound(k int32) {
	if n.seen[k].bound == 0 {
		return
	}
	id := n.seen[k].link
	l := &n.links[id]
	for _, c := range l.crossings[:l.sending] {
		if n.shares[c.flow].bottleneck == int32(id) {
			n.add(c.flow)
		}
	}
}

// addConnected makes all flows members that are connected with members by
// links.
func (n *network) addConnected() {
	for k := 0; k < len(n.seen); k++ {
		l := &n.links[n.seen[k].link]
		for _, c := range l.crossings[:l.sending] {
			n.add(c.flow)
		}
	}
}

// addAbove makes flows members that take what members of a link should have:
// those whose level is higher than the one that the link would give to its
// flows if its members were nowhere else. It reports whether there are any.
func (n *network) addAbove(k int32) bool {
	before := len(n.members)
	level := n.fairLevel(k)
	l := &n.links[n.seen[k].link]
	top := 0.0
	for _, c := range l.crossings[:l.sending] {
		s := &n.shares[c.flow]
		if s.epoch == n.epoch {
			continue
		}
		if own := float64(s.rate * s.penalty); own > level*(1+nearly) {
			n.add(c.flow)
		} else {
			top = max(top, own)
		}
	}
	n.seen[k].top = top
	return len(n.members) > before
}

// fairLevel is the level at which a link is full if all its open members have
// that level, and the other flows that are no members too, or their own one if
// it is lower. If it takes too many steps to find it, a lower level is returned.
func (n *network) fairLevel(k int32) float64 {
	at := &n.seen[k]
	l := &n.links[at.link]
	level := 0.0
	for range 8 {
		left, use := at.left, at.use
		for _, c := range l.crossings[:l.sending] {
			s := &n.shares[c.flow]
			if s.epoch != n.epoch && float64(s.rate*s.penalty) > level {
				left += float64(c.weight * s.rate)
				use += c.weight / s.penalty
			}
		}
		if use == 0 || left/use <= level {
			break
		}
		level = left / use
	}
	return level
}

// threshold says at which level something happens: a link is full, or, if the
// link is negative, member ^link reaches its cap.
type threshold struct {
	level float64
	link  int32 // its index in seen
}

func (a threshold) before(b threshold) bool {
	return a.level < b.level || a.level == b.level && a.link < b.link
}

// fill gives rates to the members, and to those that become members meanwhile.
// It stops when it sees a fat pipe that ties flows to each other.
func (n *network) fill() {
	n.pile()
	for n.unfilled > 0 && !n.fat {
		if len(n.thresholds) == 0 {
			n.rest()
			return
		}
		top := n.thresholds[0]
		if top.link < 0 {
			n.pop()
			if m := &n.members[^top.link]; m.rate < 0 {
				n.fix(^top.link, m.cap, none)
			}
			continue
		}
		at := &n.seen[top.link]
		if at.level != top.level { // a lower one has replaced it
			n.pop()
			continue
		}
		if at.open == 0 {
			n.pop()
			at.level = math.Inf(1)
			continue
		}
		// The level at which a link is full rises when another has ended the
		// growth of some of its flows.
		if level := n.fullAt(at); level > top.level {
			at.level, n.thresholds[0].level = level, level
			n.sink(0)
			continue
		}
		if at.top > top.level*(1+nearly) && n.addAbove(top.link) {
			continue
		}
		n.pop()
		n.seen[top.link].level = math.Inf(1)
		n.fixAll(top.link, top.level)
	}
}

// expect puts a link into the heap if it may be full before it was expected.
func (n *network) expect(k int32) {
	at := &n.seen[k]
	if level := n.fullAt(at); level < at.level {
		at.level = level
		n.push(threshold{level, k})
	}
}

// pile makes the heap.
func (n *network) pile() {
	for k := range n.seen {
		if at := &n.seen[k]; at.open > 0 {
			at.level = n.fullAt(at)
			n.thresholds = append(n.thresholds, threshold{at.level, int32(k)})
		}
	}
	for k := len(n.thresholds)/4 + 1; k >= 0; k-- {
		n.sink(k)
	}
	n.piled = true
}

// fullAt returns the level at which a link with open members is full.
func (n *network) fullAt(at *seen) float64 {
	if at.use < at.widest/1024 { // little is left of much, and so are its rounding errors
		at.use = 0
		for h := at.first; h != none; h = n.hops[h].next {
			if n.members[n.hops[h].member].rate < 0 {
				at.use += float64(n.hops[h].weight * n.members[n.hops[h].member].strength)
			}
		}
		at.widest = at.use
	}
	return max(0, at.left/at.use)
}

// fixAll gives their rates to the open members of a link that is full.
func (n *network) fixAll(k int32, level float64) {
	id := n.seen[k].link
	for h := n.seen[k].first; h != none; h = n.hops[h].next {
		if m := n.hops[h].member; n.members[m].rate < 0 {
			n.fix(m, level/n.members[m].penalty, int32(id))
		}
	}
}

// fix gives a member its rate, and takes it from its links.
func (n *network) fix(id int32, rate float64, bottleneck int32) {
	m := &n.members[id]
	if math.Abs(rate-m.old) <= nearly*m.old {
		rate = m.old
	}
	m.rate, m.bottleneck = rate, bottleneck
	n.unfilled--
	less, bound := rate < m.old, false
	first, last, strength := m.first, m.last, m.strength
	for k := first; k < last; k++ {
		h := &n.hops[k]
		at := &n.seen[h.seen]
		at.left -= float64(h.weight * rate)
		at.use -= float64(h.weight * strength)
		at.open--
		bound = bound || at.bound > 0
	}
	if less && bound && !n.fat {
		for k := first; k < last; k++ {
			n.addBound(n.hops[k].seen)
		}
	}
}

// rest gives rates to members that are on no link.
func (n *network) rest() {
	for k := range n.members {
		if m := &n.members[k]; m.rate < 0 {
			n.fix(int32(k), m.cap, none)
		}
	}
}

// apply gives the members their new rates, and those whose rate has changed a
// new date of arrival.
func (n *network) apply() {
	a := &n.arrivals
	most := 4*len(n.members) > len(a.heap) // then one by one would take longer
	for k := range n.members {
		m := &n.members[k]
		s := &n.shares[m.flow]
		s.bottleneck = m.bottleneck
		if m.rate == s.rate {
			continue
		}
		n.advance(m.flow)
		s.rate = m.rate
		place := a.places[m.flow]
		e := a.heap[place]
		if e.at = n.arrivalOf(m.flow); most {
			a.heap[place] = e
		} else {
			a.put(int(place), e)
		}
	}
	if most {
		a.order()
	}
	n.awaitFirst()
	if n.sim.settings.Check {
		for k := range n.seen {
			n.touched = append(n.touched, n.seen[k].link)
		}
	}
}

// push adds a threshold. The heap is in order only once it is piled up.
func (n *network) push(e threshold) {
	n.thresholds = append(n.thresholds, e)
	if !n.piled {
		return
	}
	heap := n.thresholds
	i := len(heap) - 1
	for i > 0 && e.before(heap[(i-1)/4]) {
		heap[i] = heap[(i-1)/4]
		i = (i - 1) / 4
	}
	heap[i] = e
}

// pop removes the first threshold.
func (n *network) pop() {
	last := len(n.thresholds) - 1
	n.thresholds[0] = n.thresholds[last]
	n.thresholds = n.thresholds[:last]
	n.sink(0)
}

// sink moves the threshold at i down to its place in the heap.
func (n *network) sink(i int) {
	heap := n.thresholds
	if i >= len(heap) {
		return
	}
	e := heap[i]
	for {
		child := 4*i + 1
		if child >= len(heap) {
			break
		}
		first := child
		for c := child + 1; c < min(child+4, len(heap)); c++ {
			if heap[c].before(heap[first]) {
				first = c
			}
		}
		if !heap[first].before(e) {
			break
		}
		heap[i] = heap[first]
		i = first
	}
	heap[i] = e
}
