package sim

import "math"

// arrivals holds the flows that send, in order of the date at which their last
// byte arrives; those of the same date in order of their calls of Send. Dates
// change far more often than flows arrive, so they are kept in a heap of their
// own, where they change in place, and the queue has an event for the first
// one only.
type arrivals struct {
	heap   []arrival
	places []int32 // in the heap, by flow
	event  Timer   // for the first
	at     Seconds // when that is
}

type arrival struct {
	at   Seconds
	sent uint64
	flow int32
}

func (a arrival) before(b arrival) bool {
	return a.at < b.at || a.at == b.at && a.sent < b.sent
}

// arrivalDue is the event at which flows arrive.
type arrivalDue network

// Handle ends all flows that arrive now.
func (r *arrivalDue) Handle(now Seconds, _ uint64) {
	n := (*network)(r)
	a := &n.arrivals
	a.event = Timer{}
	for len(a.heap) > 0 && a.heap[0].at <= now && !n.sim.stopped {
		n.arrived(a.heap[0].flow)
	}
	n.awaitFirst()
}

// awaitFirst puts an event into the queue for the first flow to arrive.
func (n *network) awaitFirst() {
	a := &n.arrivals
	first := Forever
	if len(a.heap) > 0 {
		first = a.heap[0].at
	}
	if a.event != (Timer{}) && a.at == first {
		return
	}
	n.sim.Cancel(a.event)
	a.event, a.at = n.sim.At(first, (*arrivalDue)(n), 0), first
}

// arrivalOf is when the last byte of a flow arrives at its present rate.
func (n *network) arrivalOf(i int32) Seconds {
	f := &n.flows[i]
	if f.left == 0 {
		return n.sim.now
	}
	return n.sim.now + Seconds(f.left/n.rateOf(i))
}

// insert adds a flow that is not known when to arrive yet.
func (a *arrivals) insert(flow int32, sent uint64) {
	for int(flow) >= len(a.places) {
		a.places = append(a.places, none)
	}
	a.heap = append(a.heap, arrival{Seconds(math.Inf(1)), sent, flow})
	a.up(len(a.heap)-1, a.heap[len(a.heap)-1])
}

// remove takes a flow out.
func (a *arrivals) remove(flow int32) {
	i := int(a.places[flow])
	last := len(a.heap) - 1
	moved := a.heap[last]
	a.heap = a.heap[:last]
	if i < last {
		a.put(i, moved)
	}
}

// put puts an entry into the place i that is free, or where it fits.
func (a *arrivals) put(i int, e arrival) {
	if i > 0 && e.before(a.heap[(i-1)/4]) {
		a.up(i, e)
	} else {
		a.down(i, e)
	}
}

// order makes a heap of entries that are in no order.
func (a *arrivals) order() {
	for i := (len(a.heap) - 2) / 4; i >= 0 && len(a.heap) > 1; i-- {
		a.down(i, a.heap[i])
	}
}

func (a *arrivals) up(i int, e arrival) {
	for i > 0 {
		parent := (i - 1) / 4
		if !e.before(a.heap[parent]) {
			break
		}
		a.heap[i] = a.heap[parent]
		a.places[a.heap[i].flow] = int32(i)
		i = parent
	}
	a.heap[i] = e
	a.places[e.flow] = int32(i)
}

func (a *arrivals) down(i int, e arrival) {
	heap := a.heap
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
		a.places[heap[i].flow] = int32(i)
		i = first
	}
	heap[i] = e
	a.places[e.flow] = int32(i)
}
