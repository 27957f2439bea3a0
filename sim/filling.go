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
// Rates are max-min fair if and only if each flow has reached its cap, or is on
// a link that is full, its bottleneck, and has the highest level there. That is
// how few flows are touched: those at once affected by a change become members
// of a filling, which gives them new rates while all others keep theirs. If
// then a link does not do as a bottleneck for a flow that is no member, because
// it is not full or because a member has a higher level there, or if a flow
// takes what members should have, it becomes a member too, and the members are
// filled again. When no such flow is left, all rates are right.
type sharing struct {
	changed      []LinkID // links that have lost or gained flows, or bandwidth
	changedFlows []int32  // flows that have started, or have another penalty or cap

	epoch    uint32
	members  []member
	hops     []memberHop // of all members
	seen     []seen      // the links of all members
	levels   []threshold // a heap
	unfilled int         // members without a rate
	fat      bool        // a fat pipe ties flows to each other: the original law
	path     []LinkID    // the way that the router has found
}

// member is a flow that gets a new rate.
type member struct {
	flow        int32
	first, last int32 // its hops are hops[first:last]
	bottleneck  int32 // as in share
	capped      bool  // its cap may be lower than what its links allow
	penalty     float64
	cap         float64
	rate        float64 // negative while it has none
}

// memberHop is a member on a link that is a constraint.
type memberHop struct {
	member int32
	seen   int32
	next   int32 // hop of the next member on the link; none if it is the last
	weight float64
	use    float64 // weight / penalty
}

// seen is a link on the way of members. The other flows on it keep their rates.
type seen struct {
	link     LinkID
	fat      bool  // all members get its bandwidth
	first    int32 // hop of the first member on it
	capacity float64
	free     float64 // capacity without what the others take

	// Of the others whose bottleneck it is:
	bound     int32   // how many
	boundTake float64 // of the capacity
	boundUse  float64 // the sum of weight / penalty
	// top is at least the highest level of the others.
	top float64

	// While members are filled:
	open    int32   // members on it without a rate
	left    float64 // of free
	use     float64 // the sum of weight / penalty of the open ones
	widest  float64 // use when it was last summed up
	full    bool    // it is the bottleneck of members
	level   float64 // that they have
	highest float64 // the highest level of members
}

const (
	// nearly is how far, relatively, levels may be from each other and still
	// count as equal, and how little of a link's capacity counts as nothing.
	nearly = 1e-13
	// maxFillings is after how many fillings all flows that are connected become
	// members, lest a long chain of links takes quadratic time.
	maxFillings = 12
)

// share gives new rates after changes.
func (n *network) share() {
	if len(n.changed) == 0 && len(n.changedFlows) == 0 {
		return
	}
	n.begin()
	for filling := 1; ; filling++ {
		whole := n.fat || filling == maxFillings
		if whole {
			n.addConnected()
		}
		n.fill()
		if whole || !n.extend() {
			break
		}
	}
	n.apply()
}

// begin makes the flows members that a change affects at once.
func (n *network) begin() {
	n.epoch++
	n.members, n.hops, n.seen, n.fat = n.members[:0], n.hops[:0], n.seen[:0], false
	for _, i := range n.changedFlows {
		if f := &n.flows[i]; f.phase == flowSending && f.held == 0 {
			n.add(i)
		}
	}
	for _, l := range n.changed {
		n.addBound(n.see(l))
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
	m := member{flow: i, first: int32(len(n.hops)), penalty: s.penalty, cap: s.cap, capped: !math.IsInf(s.cap, 1)}
	id := int32(len(n.members))
	for _, h := range n.flows[i].hops {
		if !n.constrains(h.link) {
			continue
		}
		k := n.see(h.link)
		at := &n.seen[k]
		at.free += float64(h.weight * s.rate)
		if s.bottleneck == int32(h.link) {
			at.bound--
			at.boundTake -= float64(h.weight * s.rate)
			at.boundUse -= h.weight / s.penalty
		}
		n.hops = append(n.hops, memberHop{member: id, seen: k, next: at.first, weight: h.weight, use: h.weight / s.penalty})
		at.first = int32(len(n.hops) - 1)
		if h.weight*s.cap >= at.capacity && !at.fat {
			m.capped = false
		}
	}
	m.last = int32(len(n.hops))
	n.members = append(n.members, m)
}

// see returns the index of a link in seen. When it is seen first, none of its
// flows is a member.
func (n *network) see(id LinkID) int32 {
	l := &n.links[id]
	if l.epoch == n.epoch {
		return l.seen
	}
	l.epoch, l.seen = n.epoch, int32(len(n.seen))
	at := seen{link: id, fat: l.policy == FatPipe, first: none, capacity: float64(l.bandwidth)}
	taken := 0.0
	for _, c := range l.crossings[:l.sending] {
		s := &n.shares[c.flow]
		take := float64(c.weight * s.rate)
		taken += take
		at.top = max(at.top, float64(s.rate*s.penalty))
		if s.bottleneck == int32(id) {
			at.bound++
			at.boundTake += take
			at.boundUse += c.weight / s.penalty
		}
	}
	at.free = at.capacity - taken
	n.fat = n.fat || at.fat
	n.seen = append(n.seen, at)
	return l.seen
}

// addBound makes the flows members whose bottleneck is a link.
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

// extend makes the flows members for which the new rates of the members can't
// be right, and reports whether there are any.
func (n *network) extend() bool {
	before := len(n.members)
	for k, last := int32(0), int32(len(n.seen)); k < last; k++ {
		if at := &n.seen[k]; at.full && at.top > at.level*(1+nearly) || at.left < -nearly*at.capacity {
			n.addAbove(k)
		}
		if at := &n.seen[k]; at.bound > 0 && !at.holds() {
			n.addBound(k)
		}
	}
	return len(n.members) > before
}

// holds reports whether a link still does as the bottleneck of flows that are
// no members.
func (at *seen) holds() bool {
	return math.Abs(at.left) <= nearly*at.boundTake && at.highest*at.boundUse <= at.boundTake*(1+nearly)
}

// addAbove makes flows members that take what members should have: those whose
// level is higher than the one that the link would give to its flows if they
// were nowhere else.
func (n *network) addAbove(k int32) {
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
}

// fairLevel is the level at which a link is full if all flows have that level,
// or their own one where it is lower. Members that the link limits have no own
// one. If it takes too many steps to find it, a lower level is returned.
func (n *network) fairLevel(k int32) float64 {
	at := &n.seen[k]
	l := &n.links[at.link]
	level := 0.0
	for range 8 {
		left, use := at.capacity, 0.0
		for _, c := range l.crossings[:l.sending] {
			s := &n.shares[c.flow]
			if s.epoch != n.epoch && float64(s.rate*s.penalty) <= level {
				left -= float64(c.weight * s.rate)
			} else if s.epoch != n.epoch {
				use += c.weight / s.penalty
			}
		}
		for h := at.first; h != none; h = n.hops[h].next {
			hop := &n.hops[h]
			if m := &n.members[hop.member]; m.bottleneck != int32(at.link) && float64(m.rate*m.penalty) <= level {
				left -= float64(hop.weight * m.rate)
			} else {
				use += hop.use
			}
		}
		if use == 0 || left/use <= level {
			break
		}
		level = left / use
	}
	return level
}

// apply gives the members their new rates, and those whose rate has changed a
// new date of completion.
func (n *network) apply() {
	for k := range n.members {
		m := &n.members[k]
		s := &n.shares[m.flow]
		s.bottleneck = m.bottleneck
		if m.rate == s.rate {
			continue
		}
		n.advance(m.flow)
		s.rate = m.rate
		n.reschedule(m.flow)
	}
	if n.sim.settings.Check {
		for k := range n.seen {
			n.touched = append(n.touched, n.seen[k].link)
		}
	}
}

// threshold says at which level something happens while members are filled: a link
// is full, or, if the link is negative, member ^link reaches its cap.
type threshold struct {
	level float64
	link  int32 // its index in seen
}

func (a threshold) before(b threshold) bool {
	return a.level < b.level || a.level == b.level && a.link < b.link
}

// fill gives rates to the members by progressive filling: the levels of all
// rise together, until a member reaches its cap or a link is full; then the
// member, or all open members of the link, have their rate, and the others go
// on.
//
// While it goes on, the level at which a link is full only rises, so one in the
// heap that is out of date is too low, and is put right when it comes to the
// top.
func (n *network) fill() {
	n.empty()
	if n.fat {
		n.fillWithFatPipes()
		return
	}
	n.pile()
	for n.unfilled > 0 {
		if len(n.levels) == 0 {
			n.rest()
			return
		}
		top := n.levels[0]
		if top.link < 0 {
			n.drop()
			if m := &n.members[^top.link]; m.rate < 0 {
				n.fix(^top.link, m.cap, none)
			}
			continue
		}
		at := &n.seen[top.link]
		if at.open == 0 {
			n.drop()
		} else if level := n.fullAt(at); level > top.level {
			n.levels[0].level = level
			n.sink(0)
		} else {
			n.drop()
			n.fixAll(at, level)
		}
	}
}

// empty takes the rates of the members back.
func (n *network) empty() {
	for k := range n.seen {
		at := &n.seen[k]
		at.left, at.use, at.open, at.full, at.level, at.highest = at.free, 0, 0, false, 0, 0
	}
	n.unfilled = len(n.members)
	for k := range n.members {
		m := &n.members[k]
		m.rate, m.bottleneck = -1, none
		for _, h := range n.hops[m.first:m.last] {
			at := &n.seen[h.seen]
			at.open++
			at.use += h.use
		}
	}
	for k := range n.seen {
		n.seen[k].widest = n.seen[k].use
	}
}

// pile makes the heap of levels.
func (n *network) pile() {
	n.levels = n.levels[:0]
	for k := range n.seen {
		if at := &n.seen[k]; at.open > 0 {
			n.levels = append(n.levels, threshold{max(0, at.left/at.use), int32(k)})
		}
	}
	for k := range n.members {
		if m := &n.members[k]; m.capped {
			n.levels = append(n.levels, threshold{float64(m.cap * m.penalty), ^int32(k)})
		}
	}
	for k := len(n.levels)/4 + 1; k >= 0; k-- {
		n.sink(k)
	}
}

// fullAt returns the level at which a link is full.
func (n *network) fullAt(at *seen) float64 {
	if at.use < at.widest/1024 { // little is left of much: the rounding errors are of the much
		at.use = 0
		for h := at.first; h != none; h = n.hops[h].next {
			if n.members[n.hops[h].member].rate < 0 {
				at.use += n.hops[h].use
			}
		}
		at.widest = at.use
	}
	return max(0, at.left/at.use)
}

// fixAll gives their rates to the open members of a link that is full.
func (n *network) fixAll(at *seen, level float64) {
	at.full, at.level = true, level
	for h := at.first; h != none; h = n.hops[h].next {
		if id := n.hops[h].member; n.members[id].rate < 0 {
			n.fix(id, level/n.members[id].penalty, int32(at.link))
		}
	}
}

// fix gives a member its rate, and takes it from its links.
func (n *network) fix(id int32, rate float64, bottleneck int32) {
	m := &n.members[id]
	m.rate, m.bottleneck = rate, bottleneck
	own := float64(rate * m.penalty)
	for k := m.first; k < m.last; k++ {
		h := &n.hops[k]
		at := &n.seen[h.seen]
		at.left -= float64(h.weight * rate)
		at.use -= h.use
		at.open--
		at.highest = max(at.highest, own)
	}
	n.unfilled--
}

// rest gives rates to members that are on no link.
func (n *network) rest() {
	for k := range n.members {
		if m := &n.members[k]; m.rate < 0 {
			n.fix(int32(k), m.cap, none)
		}
	}
}

// drop removes the first level.
func (n *network) drop() {
	last := len(n.levels) - 1
	n.levels[0] = n.levels[last]
	n.levels = n.levels[:last]
	n.sink(0)
}

// sink moves the level at i down to its place in the heap.
func (n *network) sink(i int) {
	levels := n.levels
	if i >= len(levels) {
		return
	}
	e := levels[i]
	for {
		child := 4*i + 1
		if child >= len(levels) {
			break
		}
		first := child
		for c := child + 1; c < min(child+4, len(levels)); c++ {
			if levels[c].before(levels[first]) {
				first = c
			}
		}
		if !levels[first].before(e) {
			break
		}
		levels[i] = levels[first]
		i = first
	}
	levels[i] = e
}
