package explorer

import (
	"errors"
	"fmt"
	"math/bits"

	"github.com/dvms-project/dvms/protocol"
)

// patience bounds what may happen until all is quiet, in actions, and rounds
// how often the monitors look until all is viable.
const (
	patience = 2000
	rounds   = 10
)

// quiet reports whether nothing is under way in a state but late messages,
// which may as well be lost.
func (c *catalogue) quiet(s *state) bool {
	return s.timely() == 0 && len(s.solves) == 0 && len(s.moves) == 0 && !c.waits(s) && !c.unnoticed(s)
}

func (c *catalogue) unnoticed(s *state) bool {
	for i, n := range s.nodes[:c.size] {
		if (s.dead&(1<<i) != 0) != (n == 0) {
			return true
		}
	}
	return false
}

// ends lets s go on without a further fault until nothing is under way, and
// holds L1: every node is free then. It appends what it does to path.
func (c *catalogue) ends(s *state, path []action) ([]action, error) {
	for turn := range patience {
		a, ok := c.next(s, turn)
		if !ok {
			return path, c.free(s)
		}
		if a.kind == mend {
			if err := c.free(s); err != nil {
				return path, fmt.Errorf("%w, while the network is cut", err)
			}
		}
		path = append(path, a)
		if _, err := c.perform(s, a); err != nil {
			return path, err
		}
		if err := c.check(s); err != nil {
			return path, err
		}
	}
	return path, fmt.Errorf("L1: not quiet after %d steps without a fault", patience)
}

// next is what happens next when nothing goes wrong: messages take turns, so
// that no partition is ahead of all others. ok is false if nothing is under way.
func (c *catalogue) next(s *state, turn int) (a action, ok bool) {
	late := -1
	var timely []uint32
	for i, m := range s.messages {
		if m&1 == 0 {
			timely = append(timely, m)
		} else if c.reaches(s, m) {
			late = i
		}
	}
	if len(timely) > 0 {
		return action{deliver, timely[turn%len(timely)], 0}, true
	}
	switch {
	case len(s.solves) > 0:
		return action{answer, s.solves[0], 0}, true
	case late >= 0:
		return action{deliver, s.messages[late], 0}, true
	case len(s.moves) > 0 && s.moves[0]&1 == 0:
		return action{finish, s.moves[0], 0}, true
	case len(s.moves) > 0:
		return action{fail, s.moves[0], 0}, true
	}
	for i, n := range s.nodes[:c.size] {
		if (s.dead&(1<<i) != 0) != (n == 0) && s.side == 0 {
			return action{notice, uint32(i), 0}, true
		}
		if n != 0 && c.nodes[n].due != 0 {
			return action{fire, uint32(i), uint32(bits.TrailingZeros8(c.nodes[n].due))}, true
		}
	}
	if s.side != 0 && !c.waits(s) {
		return action{kind: mend}, true
	}
	return action{kind: tick}, c.waits(s)
}

// free holds that no live node is booked.
func (c *catalogue) free(s *state) error {
	for i, n := range s.nodes[:c.size] {
		if n != 0 && c.nodes[n].booked {
			return fmt.Errorf("L1: nothing is under way, and node %d is held by %v", i+1, c.nodes[n].partition)
		}
	}
	return nil
}

// completes holds L2 from a quiet state on: the monitors of all nodes look at
// once, and without a further fault all live nodes become viable, or cannot.
// That all look at once makes partitions meet, and merge if they must.
func (c *catalogue) completes(s *state, path []action) ([]action, error) {
	for round := range rounds {
		for i := range c.size {
			if s.nodes[i] == 0 {
				continue
			}
			for _, input := range looks(s, round) {
				s.left[event] = maxFault
				began, err := c.raise(s, i, input)
				if began {
					path = append(path, action{raise, uint32(i), input})
				}
				if err != nil {
					return path, err
				}
			}
		}
		var err error
		if path, err = c.ends(s, path); err != nil {
			return path, err
		}
		if c.viable(s) && c.emptied(s) {
			return path, nil
		}
		path = append(path, action{kind: tick})
		c.tick(s, 0)
	}
	switch {
	case !c.viable(s) && c.solvable(s, protocol.Overload):
		return path, errors.New("L2: not viable, although a viable placement can be reached")
	case !c.emptied(s) && c.solvable(s, protocol.Drain):
		return path, errors.New("L2: a node that is to be emptied is not, although it can be")
	}
	return path, nil
}

// looks returns what the monitors look for in a round. A node that can't be emptied
// is raised again and again, and may keep others from the nodes that they need; the
// waits in between grow, as they don't here, and so each has its turn in the end.
func looks(s *state, round int) []uint32 {
	switch {
	case s.draining == 0 || round < rounds/2:
		return []uint32{overloaded, toBeEmptied}
	case round%2 == 0:
		return []uint32{overloaded}
	}
	return []uint32{toBeEmptied}
}

// solvable reports whether a solver finds what to do about all events of a kind
// among all live nodes.
func (c *catalogue) solvable(s *state, k protocol.Kind) bool {
	return c.decide(protocol.Solve{Kinds: protocol.Of(k), Reports: c.reports(s)}).Found
}

// emptied reports whether no live node that is to be emptied hosts a VM.
func (c *catalogue) emptied(s *state) bool {
	for _, at := range s.host[:len(c.vms)] {
		if s.nodes[at] != 0 && s.draining&(1<<at) != 0 {
			return false
		}
	}
	return true
}

// viable reports whether no live node is overloaded.
func (c *catalogue) viable(s *state) bool {
	for i, n := range s.nodes[:c.size] {
		if n == 0 {
			continue
		}
		l := c.hosted(s, i)
		sum := l.Capacity
		for _, v := range l.VMs {
			sum = sum.Minus(v.Demand)
		}
		for _, rest := range sum {
			if rest < 0 {
				return false
			}
		}
	}
	return true
}
