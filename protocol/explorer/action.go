package explorer

import (
	"fmt"
	"math/bits"
	"slices"

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
	raise // more: the input that the monitor gives the node
	alter
	empty
	fire
	tick
	die
	rejoin
	notice
	sever // number: a bit for each node on one side
	mend
)

// actions appends what may happen in a state, always in the same order.
func (c *catalogue) actions(s *state, all []action) []action {
	all = c.deliveries(s, all)
	all = c.answers(s, all)
	due := false
	for i, n := range s.nodes[:c.size] {
		if n == 0 {
			all = c.ofDead(s, uint32(i), all)
		} else {
			all = c.ofNode(s, uint32(i), all)
			due = due || c.nodes[n].due != 0
		}
		if believed := s.dead&(1<<i) != 0; believed != (n == 0) && s.side == 0 {
			all = append(all, action{notice, uint32(i), 0})
		}
	}
	if c.lively {
		all = c.changes(s, all)
		all = c.cuts(s, all)
	}
	if !due {
		all = c.ticks(s, all)
	}
	return all
}

// deliveries appends the messages that may be delivered. One that is late may
// be on its way to a node that is dead, and that may be back before it comes.
func (c *catalogue) deliveries(s *state, all []action) []action {
	for i, m := range s.messages {
		if i > 0 && s.messages[i-1] == m || !c.reaches(s, m) {
			continue
		}
		all = append(all, action{deliver, m, 0})
		if s.left[duplicate] > 0 {
			all = append(all, action{deliverCopy, m, 0})
		}
	}
	return all
}

// answers appends the solvers and the migrations that may end.
func (c *catalogue) answers(s *state, all []action) []action {
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
	return all
}

func (c *catalogue) ofDead(s *state, at uint32, all []action) []action {
	if s.left[comeback] > 0 {
		all = append(all, action{rejoin, at, 0})
	}
	return all
}

// ofNode appends what a live node may do by itself, or suffer.
func (c *catalogue) ofNode(s *state, at uint32, all []action) []action {
	n := &c.nodes[s.nodes[at]]
	if s.left[event] > 0 && !n.booked {
		all = append(all, action{raise, at, overloaded})
		if s.draining&(1<<at) != 0 {
			all = append(all, action{raise, at, toBeEmptied})
		}
	}
	if s.left[drain] > 0 && s.draining&(1<<at) == 0 {
		all = append(all, action{empty, at, 0})
	}
	if s.left[crash] > 0 {
		all = append(all, action{die, at, 0})
	}
	for t := n.due; t != 0; t &= t - 1 {
		timer := bits.TrailingZeros8(t)
		if s.left[failure] > 0 || !c.solving(s, int(at), timer) {
			all = append(all, action{fire, at, uint32(timer)})
		}
	}
	return all
}

// changes appends the VMs that may come to ask for something else.
func (c *catalogue) changes(s *state, all []action) []action {
	for v := range c.vms {
		if s.left[change] > 0 && s.changed&(1<<v) == 0 && s.nodes[s.host[v]] != 0 {
			all = append(all, action{alter, uint32(v), 0})
		}
	}
	return all
}

// cuts appends the ways to cut the network in two, or that it is mended. The
// first node is on the side that has no name.
func (c *catalogue) cuts(s *state, all []action) []action {
	if s.side != 0 {
		return append(all, action{mend, 0, 0})
	}
	for side := uint32(2); s.left[cut] > 0 && side < 1<<c.size; side += 2 {
		all = append(all, action{sever, side, 0})
	}
	return all
}

// reaches reports whether a message can be delivered: the network is not cut
// between the nodes, and the one that it is for is alive.
func (c *catalogue) reaches(s *state, m uint32) bool {
	l := &c.letters[m>>1]
	return s.nodes[l.to] != 0 && !s.parted(int(l.message.From-1), l.to)
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
		return c.raise(s, int(a.number), a.more)
	case alter:
		s.left[change]--
		s.changed |= 1 << a.number
		return true, c.observe(s, int(s.host[a.number]))
	case empty:
		s.left[drain]--
		s.draining |= 1 << a.number
		return true, c.observe(s, int(a.number))
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
	case sever:
		c.sever(s, uint8(a.number))
		return true, nil
	case mend:
		s.side = 0
		return true, nil
	}
	panic(fmt.Sprintf("explorer: unknown action %d", a.kind))
}

// give gives a node an input, and does what it asks for.
func (c *catalogue) give(s *state, at int, input uint32) error {
	r := c.step(s.nodes[at], input)
	if r.err != nil {
		return r.err
	}
	if s.draining&(1<<at) != 0 && c.nodes[r.node].promised > c.nodes[s.nodes[at]].promised {
		return fmt.Errorf("node %d is to be emptied, and promises room", at+1)
	}
	s.nodes[at] = r.node
	for _, e := range r.effects {
		switch e.kind {
		case sends:
			if c.reaches(s, e.number<<1) {
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
			if id := (protocol.PartitionID{Sequence: e.number}); id.Life() != uint32(s.starts[at]) {
				return fmt.Errorf("node %d uses the number %d, which may have been used before it returned", at+1, e.number)
			}
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

// raise lets the monitor of a node look: input is what it finds.
func (c *catalogue) raise(s *state, at int, input uint32) (ok bool, err error) {
	r := c.step(s.nodes[at], input)
	for _, e := range r.effects {
		ok = ok || e.kind == begins
	}
	if !ok {
		return false, r.err
	}
	s.left[event]--
	return true, c.give(s, at, input)
}

// begin starts a migration, if that breaks no invariant.
func (c *catalogue) begin(s *state, number uint32) error {
	m := c.moves[number]
	if err := c.mayBegin(s, m); err != nil {
		return err
	}
	if c.refuses(s, m) || s.parted(m.source, m.target) {
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
	slices.Sort(s.messages)
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
	s.messages = slices.DeleteFunc(s.messages, func(m uint32) bool { return c.letters[m>>1].to == at && m&1 == 0 })
	s.solves = slices.DeleteFunc(s.solves, func(n uint32) bool { return c.solves[n].at == at })
	var widowed []int // targets whose VM will not come
	for i, m := range s.moves {
		switch move := c.moves[m>>1]; at {
		case move.source:
			widowed = append(widowed, move.target)
		case move.target:
			s.moves[i] = m | 1
		}
	}
	s.moves = slices.DeleteFunc(s.moves, func(m uint32) bool { return c.moves[m>>1].source == at })
	slices.Sort(s.moves)
	for _, target := range widowed {
		if err := c.observe(s, target); err != nil {
			return err
		}
	}
	return nil
}

// sever cuts the network: messages that are on their way between the two sides
// are lost, unless they are late, and migrations between them fail.
func (c *catalogue) sever(s *state, side uint8) {
	s.left[cut]--
	s.side = side
	s.messages = slices.DeleteFunc(s.messages, func(m uint32) bool { return m&1 == 0 && !c.reaches(s, m) })
	for i, m := range s.moves {
		if move := c.moves[m>>1]; s.parted(move.source, move.target) {
			s.moves[i] = m | 1
		}
	}
	slices.Sort(s.moves)
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

// reports says what all live nodes host.
func (c *catalogue) reports(s *state) (all []protocol.Report) {
	for i, n := range s.nodes[:c.size] {
		if n != 0 {
			all = append(all, protocol.Report{Node: cluster.NodeID(i + 1), Local: c.hosted(s, i)})
		}
	}
	return all
}
