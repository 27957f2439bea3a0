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
		} else if s.nodes[c.letters[m>>1].to] != 0 {
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
		if (s.dead&(1<<i) != 0) != (n == 0) {
			return action{notice, uint32(i), 0}, true
		}
		if n != 0 && c.nodes[n].due != 0 {
			return action{fire, uint32(i), uint32(bits.TrailingZeros8(c.nodes[n].due))}, true
		}
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
	for range rounds {
		for i := range c.size {
			if s.nodes[i] == 0 {
				continue
			}
			s.left[event] = maxFault
			began, err := c.raise(s, i)
			if err != nil {
				return path, err
			}
			if began {
				path = append(path, action{raise, uint32(i), 0})
			}
		}
		var err error
		if path, err = c.ends(s, path); err != nil {
			return path, err
		}
		if c.viable(s) {
			return path, nil
		}
		path = append(path, action{kind: tick})
		c.tick(s, 0)
	}
	if c.decide(protocol.Solve{Kinds: protocol.Of(protocol.Overload), Reports: c.reports(s)}).Found {
		return path, errors.New("L2: not viable, although a viable placement can be reached")
	}
	return path, nil
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
