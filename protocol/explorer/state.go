package explorer

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// state is one state of a world: who is in which state, which VM is where, what is
// under way and what may still happen. Nodes, messages, solvers and migrations
// are numbers of the catalogue, so a state is small.
//
// Invariant: messages, solves and moves are in ascending order.
type state struct {
	nodes    [MaxNodes]uint32 // 0 is dead
	host     [MaxVMs]uint8
	left     [numHappenings]uint8
	starts   [MaxNodes]uint8 // how often each has come back
	dead     uint8           // the nodes of which the others were told that they are gone
	draining uint8           // the nodes that are to be emptied
	side     uint8           // the nodes that a cut has parted from the others
	changed  uint16          // the VMs that ask for what they do after their change
	messages []uint32        // twice the number of the message, plus 1 if it is late
	solves   []uint32
	moves    []uint32 // twice the number of the migration, plus 1 if its target has died
}

// copyFrom makes s a copy of o, in the memory that s has.
func (s *state) copyFrom(o *state) {
	messages, solves, moves := s.messages, s.solves, s.moves
	*s = *o
	s.messages = append(messages[:0], o.messages...)
	s.solves = append(solves[:0], o.solves...)
	s.moves = append(moves[:0], o.moves...)
}

// insert adds a number to an ascending list.
func insert(list []uint32, n uint32) []uint32 {
	at, _ := slices.BinarySearch(list, n)
	return slices.Insert(list, at, n)
}

// remove takes a number out of an ascending list that has it.
func remove(list []uint32, n uint32) []uint32 {
	at, _ := slices.BinarySearch(list, n)
	return slices.Delete(list, at, at+1)
}

// parted reports whether a cut is between two nodes.
func (s *state) parted(a, b int) bool { return s.side>>a&1 != s.side>>b&1 }

// timely returns how many messages are under way that are not late.
func (s *state) timely() int {
	count := 0
	for _, m := range s.messages {
		if m&1 == 0 {
			count++
		}
	}
	return count
}

// shape says which parts of a state its world makes use of.
type shape struct {
	nodes, vms int
	lively     bool // more happens than overloads, crashes and what befalls messages
}

// encode appends the state to b. Equal states have equal bytes.
func (s *state) encode(b []byte, of shape) []byte {
	for _, n := range s.nodes[:of.nodes] {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = append(b, s.host[:of.vms]...)
	b = append(b, s.starts[:of.nodes]...)
	if of.lively {
		b = binary.LittleEndian.AppendUint16(append(b, s.draining, s.side), s.changed)
	}
	for i := 0; i < len(s.left); i += 2 {
		packed := s.left[i]
		if i+1 < len(s.left) {
			packed |= s.left[i+1] << 4
		}
		b = append(b, packed)
	}
	b = append(b, s.dead)
	for _, list := range [][]uint32{s.messages, s.solves, s.moves} {
		b = append(b, byte(len(list)))
		last := uint32(0)
		for _, n := range list {
			b = binary.AppendUvarint(b, uint64(n-last))
			last = n
		}
	}
	return b
}

// decode reads what encode wrote.
func (s *state) decode(b []byte, of shape) {
	number := func() uint32 {
		n, size := binary.Uvarint(b)
		b = b[size:]
		return uint32(n)
	}
	for i := range of.nodes {
		s.nodes[i] = number()
	}
	b = b[copy(s.host[:of.vms], b):]
	b = b[copy(s.starts[:of.nodes], b):]
	if of.lively {
		s.draining, s.side, s.changed = b[0], b[1], binary.LittleEndian.Uint16(b[2:])
		b = b[4:]
	}
	for i := 0; i < len(s.left); i += 2 {
		s.left[i] = b[i/2] & 15
		if i+1 < len(s.left) {
			s.left[i+1] = b[i/2] >> 4
		}
	}
	b = b[(len(s.left)+1)/2:]
	s.dead = b[0]
	b = b[1:]
	for _, list := range []*[]uint32{&s.messages, &s.solves, &s.moves} {
		*list = (*list)[:0]
		count := int(b[0])
		b = b[1:]
		last := uint32(0)
		for range count {
			last += number()
			*list = append(*list, last)
		}
	}
}

// hash returns 64 bits that depend on all bytes. It is never 0.
//
// It multiplies and folds, as wyhash does.
func hash(b []byte) uint64 {
	const k0, k1 = 0xa0761d6478bd642f, 0xe7037ed1a0b428db
	h := uint64(len(b)) * k1
	for len(b) >= 8 {
		h = fold(h^binary.LittleEndian.Uint64(b)^k0, k1^h)
		b = b[8:]
	}
	var tail [8]byte
	copy(tail[:], b)
	h = fold(h^binary.LittleEndian.Uint64(tail[:])^k0, k1^h)
	return max(fold(h^k1, k0), 1)
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
