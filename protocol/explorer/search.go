package explorer

import (
	"encoding/binary"
	"math"
)

// Search walks through all states of a world that can be reached, those that
// take fewer actions first.
type Search struct {
	Violation *Violation // that was found, or nil

	catalogue *catalogue
	shape     shape
	seen      seen
	first     state
	level     []byte // the states of the present depth, each after its length
	position  int    // in level, of the next one
	number    uint32 // of the next one, among all states
	following []byte // the states of the next depth
	progress  Progress
	settled   map[uint64]bool // quiet states from which all goes well, by hash

	actions    []action
	buffer     []byte
	successors []byte    // of the state that is looked at, one after the other
	found      []finding // what they are
}

// Progress says how far a search has come.
type Progress struct {
	States   int `json:"states"`   // found so far
	Depth    int `json:"depth"`    // actions from the first state to those that are looked at
	Frontier int `json:"frontier"` // states found, and not yet looked at
	Steps    int `json:"steps"`    // actions made
	Ends     int `json:"ends"`     // quiet states, from which all was tried without a further fault
	Nodes    int `json:"nodes"`    // different states of a single node
}

// Violation is an invariant that does not hold, and how that comes.
type Violation struct {
	Err  error
	path []action
	fair int // the actions of path from which on there is no further fault
}

// NewSearch prepares to explore a world, in which Validate finds nothing wrong.
func NewSearch(w *World) *Search {
	s := &Search{catalogue: newCatalogue(w), shape: w.shape(), settled: map[uint64]bool{}}
	s.begin()
	s.buffer = s.first.encode(s.buffer[:0], s.shape)
	s.seen.add(hash(s.buffer), 0, 0)
	s.level = frame(nil, s.buffer)
	return s
}

// begin makes the first state.
func (s *Search) begin() {
	w := s.catalogue.world
	_, host := w.vms()
	copy(s.first.host[:], host)
	for h, n := range w.Bounds.list() {
		s.first.left[h] = uint8(n)
	}
	for i := range w.Demands {
		s.first.nodes[i] = s.catalogue.fresh(i, 0)
	}
	for i := range w.Demands {
		if err := s.catalogue.observe(&s.first, i); err != nil {
			panic("explorer: a node does more than observe what it hosts: " + err.Error())
		}
	}
}

// frame appends a state after its length.
func frame(to, state []byte) []byte {
	to = binary.AppendUvarint(to, uint64(len(state)))
	return append(to, state...)
}

// Run looks at so many states at most. done is true if there are no more to
// look at, or a violation was found.
func (s *Search) Run(states int) (done bool) {
	var now, next state
	for range states {
		if s.Violation != nil {
			return true
		}
		if s.position == len(s.level) && !s.descend() {
			return true
		}
		length, size := binary.Uvarint(s.level[s.position:])
		s.position += size
		now.decode(s.level[s.position:s.position+int(length)], s.shape)
		s.position += int(length)
		s.expand(&now, &next)
		s.number++
	}
	return s.Violation != nil
}

// descend goes on to the next depth, if it has states.
func (s *Search) descend() bool {
	if len(s.following) == 0 {
		return false
	}
	s.level, s.following = s.following, s.level[:0]
	s.position = 0
	s.progress.Depth++
	return true
}

// expand looks at a state: it checks it, and finds those that follow.
func (s *Search) expand(now, next *state) {
	c := s.catalogue
	if err := c.check(now); err != nil {
		s.violated(err, nil, 0)
		return
	}
	if (c.quiet(now) || s.number%sample == 0) && !s.endsWell(now, next) {
		return
	}
	s.actions = c.actions(now, s.actions[:0])
	if len(s.actions) > math.MaxUint16 {
		panic("explorer: more actions than can be numbered")
	}
	s.successors = s.successors[:0]
	s.found = s.found[:0]
	for i, a := range s.actions {
		next.copyFrom(now)
		s.progress.Steps++
		ok, err := c.perform(next, a)
		if err != nil {
			s.violated(err, []action{a}, 1)
			return
		}
		if !ok {
			continue
		}
		begin := len(s.successors)
		s.successors = next.encode(s.successors, s.shape)
		s.found = append(s.found, finding{uint16(i), hash(s.successors[begin:]), len(s.successors)})
	}
	s.keep()
}

// finding is a state that follows another one.
type finding struct {
	action uint16
	hash   uint64
	end    int // in successors; it begins where the one before ends
}

// keep keeps the states of found that were not seen before. The table of those is
// far larger than the processor's caches: to look at all the places first lets it
// wait for all of them at once.
func (s *Search) keep() {
	for _, f := range s.found {
		s.seen.touch(f.hash)
	}
	begin := 0
	for _, f := range s.found {
		if s.seen.add(f.hash, s.number, f.action) {
			s.following = frame(s.following, s.successors[begin:f.end])
		}
		begin = f.end
	}
}

// sample is the part of the states from which a run without further faults is
// tried, besides all quiet ones.
const sample = 1024

// endsWell tries what follows a state if nothing more goes wrong.
func (s *Search) endsWell(now, end *state) bool {
	c := s.catalogue
	end.copyFrom(now)
	if c.quiet(now) {
		end.messages = end.messages[:0] // those that are late are lost
	}
	path, err := c.ends(end, nil)
	if err == nil {
		end.messages = end.messages[:0]
		end.left = [numHappenings]uint8{}
		s.buffer = end.encode(s.buffer[:0], s.shape)
		h := hash(s.buffer)
		if s.settled[h] {
			return true
		}
		s.progress.Ends++
		s.settled[h] = true
		path, err = c.completes(end, path)
	}
	if err != nil {
		s.violated(err, path, 0)
	}
	return err == nil
}

// violated keeps an error and the way to it: to the present state, and on by
// some actions, of which those from fair on are without further faults.
func (s *Search) violated(err error, then []action, fair int) {
	way := s.way(s.number)
	s.Violation = &Violation{Err: err, path: append(way, then...), fair: len(way) + fair}
}

// way returns the actions that lead from the first state to the one with a number.
func (s *Search) way(number uint32) []action {
	var choices []uint16
	for number != 0 {
		parent, choice := s.seen.origin(number)
		choices = append(choices, choice)
		number = parent
	}
	var now state
	now.copyFrom(&s.first)
	var path []action
	for i := len(choices) - 1; i >= 0; i-- {
		a := s.catalogue.actions(&now, nil)[choices[i]]
		path = append(path, a)
		if _, err := s.catalogue.perform(&now, a); err != nil {
			panic("explorer: a way that was found breaks an invariant: " + err.Error())
		}
	}
	return path
}

// Progress returns how far the search has come.
func (s *Search) Progress() Progress {
	p := s.progress
	p.States, p.Nodes = s.seen.count, len(s.catalogue.nodes)-1
	p.Frontier = s.seen.count - int(s.number)
	return p
}
