package explorer

import (
	"fmt"
	"math/bits"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// action is one thing that may happen next.
type action struct {
	kind   actionKind
	number uint32 // of a message, solver, migration or node, as in the state
	more   uint32 // fire: the timer; tick: a bit for each timely message that gets lost
}

type actionKind uint8

const (
	deliver actionKind = iota
	deliverCopy
	answer
	finish
	fail
	raise
	fire
	tick
	die
	rejoin
	notice
)

// actions appends what may happen in a state, always in the same order.
func (c *catalogue) actions(s *state, all []action) []action {
	for i, m := range s.messages {
		if i > 0 && s.messages[i-1] == m {
			continue
		}
		if s.nodes[c.letters[m>>1].to] == 0 {
			continue // late, to a node that is dead; it may be back before it comes
		}
		all = append(all, action{deliver, m, 0})
		if s.left[duplicate] > 0 {
			all = append(all, action{deliverCopy, m, 0})
		}
	}
	for i, n := range s.solves {
		if i == 0 || s.solves[i-1] != n {
			all = append(all, action{answer, n, 0})
		}
	}
	for _, m := range s.moves {
		if m&1 == 0 {
			all = append(all, action{finish, m, 0})
		}
		if m&1 == 1 || s.left[failure] > 0 {
			all = append(all, action{fail, m, 0})
		}
	}
	due := false
	for i, n := range s.nodes[:c.size] {
		node := uint32(i)
		if n == 0 {
			if s.left[comeback] > 0 {
				all = append(all, action{rejoin, node, 0})
			}
		} else {
			if s.left[event] > 0 && !c.nodes[n].booked {
				all = append(all, action{raise, node, 0})
			}
			if s.left[crash] > 0 {
				all = append(all, action{die, node, 0})
			}
			for t := c.nodes[n].due; t != 0; t &= t - 1 {
				due = true
				timer := bits.TrailingZeros8(t)
				if s.left[failure] > 0 || !c.solving(s, i, timer) {
					all = append(all, action{fire, node, uint32(timer)})
				}
			}
		}
		if believed := s.dead&(1<<i) != 0; believed != (n == 0) {
			all = append(all, action{notice, node, 0})
		}
	}
	if !due {
		all = c.ticks(s, all)
	}
	return all
}

// solving reports whether a timer of a node ends its wait for a solver that is
// still at work.
func (c *catalogue) solving(s *state, at, timer int) bool {
	n := &c.nodes[s.nodes[at]]
	if protocol.Timer(timer) != protocol.PhaseTimer || !n.leads {
		return false
	}
	for _, number := range s.solves {
		if o := c.solves[number]; o.at == at && o.ask.Partition == n.partition && o.ask.Epoch == n.epoch {
			return true
		}
	}
	return false
}

// ticks appends the ways in which time may go on: messages that are not
// delivered until then are lost, or late.
func (c *catalogue) ticks(s *state, all []action) []action {
	timely := s.timely()
	if timely > int(s.left[loss]+s.left[delay]) || timely == 0 && !c.waits(s) {
		return all
	}
	for lost := range uint32(1) << timely {
		n := bits.OnesCount32(lost)
		if n <= int(s.left[loss]) && timely-n <= int(s.left[delay]) {
			all = append(all, action{tick, 0, lost})
		}
	}
	return all
}

// waits reports whether a node waits for a timer.
func (c *catalogue) waits(s *state) bool {
	for _, n := range s.nodes[:c.size] {
		if n != 0 && c.nodes[n].waits {
			return true
		}
	}
	return false
}

// perform makes an action happen in s. ok is false if nothing came of it. The
// error says which invariant it broke.
func (c *catalogue) perform(s *state, a action) (ok bool, err error) {
	switch a.kind {
	case deliver:
		s.messages = remove(s.messages, a.number)
		l := c.letters[a.number>>1]
		return true, c.give(s, l.to, l.input)
	case deliverCopy:
		s.left[duplicate]--
		s.messages = insert(remove(s.messages, a.number), a.number|1)
		l := c.letters[a.number>>1]
		return true, c.give(s, l.to, l.input)
	case answer:
		s.solves = remove(s.solves, a.number)
		return true, c.give(s, c.solves[a.number].at, c.solves[a.number].answer)
	case finish, fail:
		return true, c.end(s, a)
	case raise:
		return c.raise(s, int(a.number))
	case fire:
		if c.solving(s, int(a.number), int(a.more)) && s.left[failure] > 0 {
			s.left[failure]--
		}
		return true, c.give(s, int(a.number), firstTimer+a.more)
	case tick:
		c.tick(s, a.more)
		return true, nil
	case die:
		return true, c.die(s, int(a.number))
	case rejoin:
		return true, c.rejoin(s, int(a.number))
	case notice:
		s.dead ^= 1 << a.number
		return true, c.tell(s, int(a.number))
	}
	panic(fmt.Sprintf("explorer: unknown action %d", a.kind))
}

// give gives a node an input, and does what it asks for.
func (c *catalogue) give(s *state, at int, input uint32) error {
	r := c.step(s.nodes[at], input)
	if r.err != nil {
		return r.err
	}
	s.nodes[at] = r.node
	for _, e := range r.effects {
		switch e.kind {
		case sends:
			if s.nodes[c.letters[e.number].to] != 0 {
				s.messages = insert(s.messages, e.number<<1)
			}
		case asksSolver:
			s.solves = insert(s.solves, e.number)
		case migrates:
			if err := c.begin(s, e.number); err != nil {
				return err
			}
		case givesUp:
			if !c.faulty(s) {
				return fmt.Errorf("node %d gives up a partition for lost, and nothing went wrong", at+1)
			}
		case begins:
		}
	}
	return nil
}

// observe tells a node what it hosts.
func (c *catalogue) observe(s *state, at int) error {
	if s.nodes[at] == 0 {
		return nil
	}
	return c.give(s, at, c.observed(s, at))
}

// raise lets the monitor of a node see an overload.
func (c *catalogue) raise(s *state, at int) (ok bool, err error) {
	r := c.step(s.nodes[at], overloaded)
	for _, e := range r.effects {
		ok = ok || e.kind == begins
	}
	if !ok {
		return false, r.err
	}
	s.left[event]--
	return true, c.give(s, at, overloaded)
}

// begin starts a migration, if that breaks no invariant.
func (c *catalogue) begin(s *state, number uint32) error {
	m := c.moves[number]
	if err := c.mayBegin(s, m); err != nil {
		return err
	}
	if c.refuses(s, m) {
		s.moves = insert(s.moves, number<<1|1)
		return nil
	}
	s.moves = insert(s.moves, number<<1)
	return c.observe(s, m.target)
}

// end ends a migration.
func (c *catalogue) end(s *state, a action) error {
	m := c.moves[a.number>>1]
	s.moves = remove(s.moves, a.number)
	if a.kind == fail {
		if a.number&1 == 0 {
			s.left[failure]--
		}
	} else {
		s.host[m.vm] = uint8(m.target)
		if err := c.mayHost(s, m); err != nil {
			return err
		}
	}
	if err := c.observe(s, m.target); err != nil {
		return err
	}
	if err := c.observe(s, m.source); err != nil {
		return err
	}
	return c.give(s, m.source, c.migrated(m, a.kind == finish))
}

// tick lets time go on. lost has a bit for each timely message.
func (c *catalogue) tick(s *state, lost uint32) {
	i, messages := 0, s.messages[:0]
	for _, m := range s.messages {
		switch {
		case m&1 == 1:
			messages = append(messages, m)
			continue
		case lost&(1<<i) == 0:
			s.left[delay]--
			messages = append(messages, m|1)
		default:
			s.left[loss]--
		}
		i++
	}
	s.messages = messages
	sortIfNeeded(s.messages)
	for i, n := range s.nodes[:c.size] {
		if n != 0 {
			s.nodes[i] = c.step(n, ticked).node
		}
	}
}

// die lets a node crash. Its migrations end: a VM that leaves it stays on its
// disk, and one that comes to it stays where it is. What is sent to it arrives
// while it is dead, unless it is late.
func (c *catalogue) die(s *state, at int) error {
	s.left[crash]--
	s.nodes[at] = 0
	messages := s.messages[:0]
	for _, m := range s.messages {
		if c.letters[m>>1].to != at || m&1 == 1 {
			messages = append(messages, m)
		}
	}
	s.messages = messages
	solves := s.solves[:0]
	for _, n := range s.solves {
		if c.solves[n].at != at {
			solves = append(solves, n)
		}
	}
	s.solves = solves
	var widowed []int // targets whose VM will not come
	moves := s.moves[:0]
	for _, m := range s.moves {
		switch move := c.moves[m>>1]; at {
		case move.source:
			widowed = append(widowed, move.target)
		case move.target:
			moves = append(moves, m|1)
		default:
			moves = append(moves, m)
		}
	}
	s.moves = moves
	for _, target := range widowed {
		if err := c.observe(s, target); err != nil {
			return err
		}
	}
	return nil
}

// rejoin lets a dead node start again. It is told who else is gone.
func (c *catalogue) rejoin(s *state, at int) error {
	s.left[comeback]--
	s.starts[at]++
	s.nodes[at] = c.fresh(at, s.starts[at])
	for other := range c.size {
		if other != at && s.dead&(1<<other) != 0 {
			if err := c.give(s, at, c.told(other, true)); err != nil {
				return err
			}
		}
	}
	return c.observe(s, at)
}

// tell tells all nodes that one is gone, or there again.
func (c *catalogue) tell(s *state, about int) error {
	in := c.told(about, s.dead&(1<<about) != 0)
	for i, n := range s.nodes[:c.size] {
		if i != about && n != 0 {
			if err := c.give(s, i, in); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *catalogue) reports(s *state) (all []protocol.Report) {
	for i, n := range s.nodes[:c.size] {
		if n != 0 {
			all = append(all, protocol.Report{Node: cluster.NodeID(i + 1), Local: c.hosted(s, i)})
		}
	}
	return all
}
