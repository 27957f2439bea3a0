package explorer

// seen is the set of states that were found, and how each was found first: by
// which action from which state. A state takes 8 bytes in a table that is at
// most three quarters full, and 6 more.
//
// States are told apart by 64 bits of hash: with n states, one is taken for
// another and left out with a chance of about n²/2⁶⁵, which is 0.03 % for a
// hundred million.
type seen struct {
	shards [256]shard
	count  int
	blocks []*block

	touched uint64 // so that the compiler does not leave touch out
}

// shard is an open table of the hashes that have the same first byte.
type shard struct {
	slots []uint64 // 0 is free
	used  int
}

const blockSize = 1 << 16

// block is how a number of consecutive states were found.
type block struct {
	parent [blockSize]uint32
	action [blockSize]uint16
}

// add adds a state that was found by an action from a parent. It returns false
// if it was there.
func (s *seen) add(h uint64, parent uint32, action uint16) bool {
	if !s.shards[h>>56].add(h) {
		return false
	}
	s.note(parent, action)
	return true
}

// touch has the processor fetch where a state is, or would be.
func (s *seen) touch(h uint64) {
	t := &s.shards[h>>56]
	if len(t.slots) > 0 {
		s.touched ^= t.slots[int(h)&(len(t.slots)-1)]
	}
}

// note notes how the next state was found.
func (s *seen) note(parent uint32, action uint16) {
	if s.count%blockSize == 0 {
		s.blocks = append(s.blocks, new(block))
	}
	b := s.blocks[s.count/blockSize]
	b.parent[s.count%blockSize], b.action[s.count%blockSize] = parent, action
	s.count++
}

// origin says how a state was found.
func (s *seen) origin(state uint32) (parent uint32, action uint16) {
	b := s.blocks[state/blockSize]
	return b.parent[state%blockSize], b.action[state%blockSize]
}

func (s *shard) add(h uint64) bool {
	if 4*(s.used+1) > 3*len(s.slots) {
		s.grow()
	}
	at := s.find(h)
	if s.slots[at] == h {
		return false
	}
	s.slots[at] = h
	s.used++
	return true
}

// find returns the slot of a hash, or the free one where it belongs.
func (s *shard) find(h uint64) int {
	mask := len(s.slots) - 1
	at := int(h) & mask
	for s.slots[at] != 0 && s.slots[at] != h {
		at = (at + 1) & mask
	}
	return at
}

func (s *shard) grow() {
	old := s.slots
	s.slots = make([]uint64, max(16, 2*len(old)))
	for _, h := range old {
		if h != 0 {
			s.slots[s.find(h)] = h
		}
	}
}
