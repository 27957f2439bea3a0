package placement

import (
	"slices"
)

// nodeSet is a set of nodes, as bits. It is never changed once it is made.
type nodeSet struct {
	bits []uint64
	id   int32 // equal sets of one setMaker have equal ids
}

func (s *nodeSet) has(n int32) bool { return s.bits[n>>6]&(1<<(n&63)) != 0 }

// isOnly reports whether n is the only node of s.
func (s *nodeSet) isOnly(n int32) bool {
	for w, word := range s.bits {
		if w == int(n>>6) {
			word &^= 1 << (n & 63)
		}
		if word != 0 {
			return false
		}
	}
	return s.has(n)
}

// setOf returns the set of some of count nodes.
func setOf(count int, nodes []int32) *nodeSet {
	s := &nodeSet{bits: make([]uint64, (count+63)/64)}
	for _, n := range nodes {
		s.bits[n>>6] |= 1 << (n & 63)
	}
	return s
}

// setMaker makes sets of nodes by steps, each of them once: the same VMs' rules
// are most often about the same nodes.
type setMaker struct {
	count int
	lists map[*int32]*nodeSet // of lists of nodes, by where they begin, if they are as long as the set says
	sizes map[*int32]int
	steps map[setStep]*nodeSet
	known map[string]*nodeSet
}

// setStep makes a set of another one.
type setStep struct {
	from, list *nodeSet
	without    bool
}

func newSetMaker(count int) *setMaker {
	return &setMaker{count, map[*int32]*nodeSet{}, map[*int32]int{}, map[setStep]*nodeSet{}, map[string]*nodeSet{}}
}

// within returns the nodes of from, nil for all, that are in the list.
func (m *setMaker) within(from *nodeSet, list []int32) *nodeSet {
	return m.step(setStep{from, m.list(list), false})
}

// without returns the nodes of from, nil for all, that are not in the list.
func (m *setMaker) without(from *nodeSet, list []int32) *nodeSet {
	return m.step(setStep{from, m.list(list), true})
}

// list returns the set of a list. Lists are told apart by where they lie, as
// readers share those that are equal.
func (m *setMaker) list(nodes []int32) *nodeSet {
	if len(nodes) == 0 {
		return m.unique(setOf(m.count, nil))
	}
	first := &nodes[0]
	if s, known := m.lists[first]; known && m.sizes[first] == len(nodes) {
		return s
	}
	s := m.unique(setOf(m.count, nodes))
	m.lists[first], m.sizes[first] = s, len(nodes)
	return s
}

func (m *setMaker) step(step setStep) *nodeSet {
	if s, known := m.steps[step]; known {
		return s
	}
	s := &nodeSet{bits: slices.Clone(step.list.bits)}
	for w := range s.bits {
		if step.without {
			s.bits[w] = ^s.bits[w]
		}
		if step.from != nil {
			s.bits[w] &= step.from.bits[w]
		}
	}
	if last := m.count & 63; last > 0 {
		s.bits[len(s.bits)-1] &= 1<<last - 1
	}
	s = m.unique(s)
	m.steps[step] = s
	return s
}

// unique returns the set of the same nodes that was made first.
func (m *setMaker) unique(s *nodeSet) *nodeSet {
	key := make([]byte, 0, 8*len(s.bits))
	for _, word := range s.bits {
		for shift := 0; shift < 64; shift += 8 {
			key = append(key, byte(word>>shift))
		}
	}
	if known, ok := m.known[string(key)]; ok {
		return known
	}
	s.id = int32(len(m.known) + 1)
	m.known[string(key)] = s
	return s
}
