package sim

// queue holds the events to come, in order of date and, among equal dates, of
// arrival.
//
// It is a heap of small values in which each entry has four children: it is
// half as deep as a binary heap, and siblings share cache lines. What an event
// calls is kept aside in a slot, so that entries stay small and a cancelled
// event can be forgotten at once. Its entry is found to be stale when it comes
// to the top, or is swept out when stale entries outnumber the others.
type queue struct {
	heap  []entry
	slots []slot
	free  []uint32
	seq   uint64 // of the latest event; the first is 1
	stale int    // entries whose event was cancelled
}

// entry is the place of an event in the heap. It is stale if the event's slot
// holds another seq.
type entry struct {
	at   Seconds
	seq  uint64
	slot uint32
}

type slot struct {
	handler Handler
	arg     uint64
	seq     uint64 // of the event it holds, 0 for none
}

func (e entry) before(o entry) bool {
	return e.at < o.at || e.at == o.at && e.seq < o.seq
}

func (q *queue) push(at Seconds, h Handler, arg uint64) Timer {
	var i uint32
	if n := len(q.free); n > 0 {
		i, q.free = q.free[n-1], q.free[:n-1]
	} else {
		i = uint32(len(q.slots))
		q.slots = append(q.slots, slot{})
	}
	q.seq++
	q.slots[i] = slot{handler: h, arg: arg, seq: q.seq}
	q.heap = append(q.heap, entry{})
	q.up(len(q.heap)-1, entry{at: at, seq: q.seq, slot: i})
	return Timer{seq: q.seq, slot: i}
}

// pop takes out the first event if its date is not after until.
func (q *queue) pop(until Seconds) (at Seconds, h Handler, arg uint64, ok bool) {
	for len(q.heap) > 0 && q.heap[0].at <= until {
		e := q.heap[0]
		q.removeFirst()
		if held := &q.slots[e.slot]; held.seq == e.seq {
			h, arg = held.handler, held.arg
			q.release(e.slot)
			return e.at, h, arg, true
		}
		q.stale--
	}
	return 0, nil, 0, false
}

func (q *queue) cancel(t Timer) {
	if t.seq == 0 || q.slots[t.slot].seq != t.seq {
		return
	}
	q.release(t.slot)
	q.stale++
	if q.stale > 64 && q.stale > len(q.heap)/2 {
		q.sweep()
	}
}

func (q *queue) release(i uint32) {
	q.slots[i] = slot{}
	q.free = append(q.free, i)
}

// sweep removes the stale entries. Dates and sequence numbers order the rest
// completely, so that a sweep never shows.
func (q *queue) sweep() {
	live := q.heap[:0]
	for _, e := range q.heap {
		if q.slots[e.slot].seq == e.seq {
			live = append(live, e)
		}
	}
	q.heap, q.stale = live, 0
	for i := (len(live) - 2) / 4; i >= 0 && len(live) > 1; i-- {
		q.down(i, live[i])
	}
}

func (q *queue) removeFirst() {
	n := len(q.heap) - 1
	last := q.heap[n]
	q.heap = q.heap[:n]
	if n > 0 {
		q.down(0, last)
	}
}

// up puts e in the free place i or, as long as it comes before its parent, in
// its parent's place.
func (q *queue) up(i int, e entry) {
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		i = parent
	}
	q.heap[i] = e
}

// down puts e in the free place i or, as long as one of its children comes
// before it, in the place of its first child.
func (q *queue) down(i int, e entry) {
	heap := q.heap
	for {
		child := 4*i + 1
		if child >= len(heap) {
			break
		}
		first := child
		for c := child + 1; c < min(child+4, len(heap)); c++ {
			if heap[c].before(heap[first]) {
				first = c
			}
		}
		if !heap[first].before(e) {
			break
		}
		heap[i] = heap[first]
		i = first
	}
	heap[i] = e
}
