package sim

import "fmt"

// tolerated is how far, relatively, rates may be from what they should be.
const tolerated = 1e-9

// filled says how full a link is.
type filled struct {
	taken    float64 // the sum of weight * rate, or on a fat pipe the highest one
	capacity float64
	top      float64 // the highest level of its flows
}

// full reports whether a link is full.
func (c filled) full() bool { return c.taken >= c.capacity*(1-tolerated) }

// check looks at the links whose flows were given rates since the last time,
// if Settings.Check says that they are kept. It returns an error if a link is
// over its capacity, or if the rates are not max-min fair: if a flow has not
// reached its cap, and is on no link that is full and on which it has the
// highest level. It shares no code with what gives the rates.
func (n *network) check() error {
	if n.due != (Timer{}) {
		return nil // the rates are to be given yet
	}
	defer func() { n.touched = n.touched[:0] }()
	n.epoch++
	n.filled = n.filled[:0]
	for _, id := range n.touched {
		l := &n.links[id]
		if c := n.lookAt(id); c.taken > c.capacity*(1+tolerated) {
			return fmt.Errorf("link %q: flows take %v of %v B/s", l.name, c.taken, c.capacity)
		}
		for _, c := range l.crossings[:l.sending] {
			if err := n.checkFlow(c.flow); err != nil {
				return fmt.Errorf("link %q: %w", l.name, err)
			}
		}
	}
	return nil
}

// checkFlow returns an error if a flow should be faster.
func (n *network) checkFlow(i int32) error {
	s := &n.shares[i]
	if s.rate >= s.cap*(1-tolerated) {
		return nil
	}
	own := float64(s.rate * s.penalty)
	for _, h := range n.flows[i].hops {
		if !h.ties {
			continue
		}
		switch c := n.lookAt(h.link); {
		case c.full() && own >= c.top*(1-tolerated):
			return nil
		case c.full() && n.links[h.link].policy == FatPipe: // see fillWithFatPipes
			return nil
		}
	}
	f := &n.flows[i]
	return fmt.Errorf("flow from %q to %q has %v B/s and could have more", n.sim.Host(f.ends[0]).Name, n.sim.Host(f.ends[1]).Name, n.rateOf(i))
}

// lookAt says how full a link is. It is computed once in a check.
func (n *network) lookAt(id LinkID) filled {
	l := &n.links[id]
	if l.epoch == n.epoch {
		return n.filled[l.seen]
	}
	l.epoch, l.seen = n.epoch, int32(len(n.filled))
	at := filled{capacity: float64(l.bandwidth)}
	for _, c := range l.crossings[:l.sending] {
		s := &n.shares[c.flow]
		if take := float64(c.weight * s.rate); l.policy == FatPipe {
			at.taken = max(at.taken, take)
		} else {
			at.taken += take
		}
		at.top = max(at.top, float64(s.rate*s.penalty))
	}
	n.filled = append(n.filled, at)
	return at
}
