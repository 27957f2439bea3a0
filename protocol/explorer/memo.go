package explorer

// memo is what each node did for each input: an open table that is at most three
// quarters full. Most steps of a search end here, and most have a place that is
// not in the processor's caches; a slot is small, and has all there is to know of
// steps by which a node asked for nothing.
type memo struct {
	slots []memoSlot
	used  int
	more  []result // of steps by which nodes asked for something, or broke a rule
}

// memoSlot is one step. The key is that of no step if it is 0: nodes and inputs
// have numbers, and node 0 is dead.
type memoSlot struct {
	key  uint64
	node uint32 // after the step
	more uint32 // position in more, from 1 on; 0 if the node asked for nothing
}

// get returns the result of a step, if it is known.
func (m *memo) get(key uint64) (r result, ok bool) {
	if len(m.slots) == 0 {
		return result{}, false
	}
	s := &m.slots[m.find(key)]
	switch {
	case s.key == 0:
		return result{}, false
	case s.more > 0:
		return m.more[s.more-1], true
	}
	return result{node: s.node}, true
}

// put notes the result of a step that is not known.
func (m *memo) put(key uint64, r result) {
	if 4*(m.used+1) > 3*len(m.slots) {
		m.grow()
	}
	s := memoSlot{key: key, node: r.node}
	if len(r.effects) > 0 || r.err != nil {
		m.more = append(m.more, r)
		s.more = uint32(len(m.more))
	}
	m.slots[m.find(key)] = s
	m.used++
}

// find returns the slot of a step, or the free one where it belongs.
func (m *memo) find(key uint64) int {
	mask := len(m.slots) - 1
	at := int(key*0x9e3779b97f4a7c15>>32) & mask
	for m.slots[at].key != 0 && m.slots[at].key != key {
		at = (at + 1) & mask
	}
	return at
}

func (m *memo) grow() {
	old := m.slots
	m.slots = make([]memoSlot, max(1<<10, 2*len(old)))
	for _, s := range old {
		if s.key != 0 {
			m.slots[m.find(s.key)] = s
		}
	}
}
