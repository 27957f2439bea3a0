package sim

import "math"

// fillWithFatPipes gives rates to the members as SimGrid does. Where no fat pipe
// is among the links it gives the same rates as fill.
//
// A fat pipe is full when the first of its flows has all its bandwidth. SimGrid
// then ends the growth of all of them, also of those with a higher penalty, or
// a lower weight, that have less than the bandwidth yet. It takes a number of
// steps times the number of members.
func (n *network) fillWithFatPipes() {
	n.empty()
	for n.unfilled > 0 {
		level := n.lowestLevel()
		if math.IsInf(level, 1) {
			n.rest()
			return
		}
		if own := n.lowestCap(level); own < level {
			n.fixCapped(level, own)
		} else {
			n.fixFull(level)
		}
	}
}

// empty takes back the rates that members have got.
func (n *network) empty() {
	for k := range n.members {
		m := &n.members[k]
		if m.rate < 0 {
			continue
		}
		for _, h := range n.hops[m.first:m.last] {
			at := &n.seen[h.seen]
			at.left += float64(h.weight * m.rate)
			at.use += float64(h.weight * m.strength)
			at.open++
		}
		m.rate = -1
		n.unfilled++
	}
}

// tied is how far levels may be from each other that count as the same step.
const tied = 1e-12

func (n *network) lowestLevel() float64 {
	lowest := math.Inf(1)
	for k := range n.seen {
		at := &n.seen[k]
		at.level = math.Inf(1)
		if at.open > 0 {
			at.level = n.fillsAt(at)
			lowest = min(lowest, at.level)
		}
	}
	return lowest
}

// fillsAt returns the level at which a link is full, if it may be a fat pipe.
func (n *network) fillsAt(at *seen) float64 {
	if !at.fat {
		return n.fullAt(at)
	}
	most := 0.0
	for h := at.first; h != none; h = n.hops[h].next {
		if m := &n.members[n.hops[h].member]; m.rate < 0 {
			most = max(most, float64(n.hops[h].weight*m.strength))
		}
	}
	return at.capacity / most
}

// lowestCap returns the lowest level at which an open member of a link that is
// full at the given level reaches its cap.
func (n *network) lowestCap(level float64) float64 {
	lowest := math.Inf(1)
	n.eachAt(level, func(id int32, _ *seen) {
		m := &n.members[id]
		lowest = min(lowest, float64(m.cap*m.penalty))
	})
	return lowest
}

func (n *network) fixCapped(level, own float64) {
	n.eachAt(level, func(id int32, _ *seen) {
		if m := &n.members[id]; float64(m.cap*m.penalty) <= own {
			n.fix(id, m.cap, none)
		}
	})
}

func (n *network) fixFull(level float64) {
	n.eachAt(level, func(id int32, at *seen) {
		n.fix(id, level/n.members[id].penalty, int32(at.link))
	})
}

// eachAt calls f for the open members of the links that are full at a level.
func (n *network) eachAt(level float64, f func(id int32, at *seen)) {
	for k := range n.seen {
		at := &n.seen[k]
		if at.level > level*(1+tied) {
			continue
		}
		for h := at.first; h != none; h = n.hops[h].next {
			if id := n.hops[h].member; n.members[id].rate < 0 {
				f(id, at)
			}
		}
	}
}
