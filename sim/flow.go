package sim

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// network is the links of all hosts and the flows over them. A flow takes the
// link up of its source and the link down of its target; what lies between is
// never the bottleneck.
//
// The flows share the links max-min, each with its own cap: no flow can get
// more without taking from one that has as much or less. When a flow comes or
// goes, only the flows that share links with it, directly or through others,
// are given new rates, and only those whose rate changed a new date of
// completion.
type network struct {
	sim   *Simulation
	links []link // of host h: 2h up, 2h+1 down
	flows []flow
	free  []int32
	epoch uint32
	filling
}

type link struct {
	capacity float64 // bytes per second
	flows    []int32
	epoch    uint32 // of the filling that has seen it

	// While rates are computed:
	left float64 // capacity not yet given
	open int     // flows without a rate
}

type flow struct {
	links [2]int32
	at    [2]int32 // its index in the flows of each of its links
	cap   float64  // bytes per second
	rate  float64  // bytes per second
	left  float64  // bytes to send, at since
	since time.Duration
	timer Timer
	phase phase
	epoch uint32  // of the filling that has seen it
	next  float64 // its rate to be; negative while it has none

	// Called when the last byte has arrived.
	handler Handler
	arg     uint64
}

type phase uint8

const (
	waiting phase = iota // for the latency to pass
	sending
)

func (n *network) addHost(up, down cluster.BytesPerSecond) {
	n.links = append(n.links, link{capacity: float64(up)}, link{capacity: float64(down)})
}

// start sends bytes from source to target, at no more than limit if limit is
// not 0, and calls h when the last one has arrived.
func (n *network) start(source, target HostID, bytes cluster.Bytes, limit cluster.BytesPerSecond, h Handler, arg uint64) int32 {
	var i int32
	if last := len(n.free) - 1; last >= 0 {
		i, n.free = n.free[last], n.free[:last]
	} else {
		i = int32(len(n.flows))
		n.flows = append(n.flows, flow{})
	}
	f := &n.flows[i]
	*f = flow{
		links: [2]int32{2 * int32(source), 2*int32(target) + 1},
		cap:   math.Inf(1), left: float64(bytes), handler: h, arg: arg,
	}
	if limit > 0 {
		f.cap = float64(limit)
	}
	f.timer = n.sim.At(n.sim.now+n.sim.settings.Latency, n, uint64(i))
	return i
}

// Handle is the end of a phase of flow i.
func (n *network) Handle(now time.Duration, i uint64) {
	f := &n.flows[i]
	if f.phase == waiting && f.left > 0 {
		n.join(int32(i))
		return
	}
	handler, arg := f.handler, f.arg
	n.end(int32(i))
	handler.Handle(now, arg)
}

// stop ends a flow before its time and returns the bytes that it has sent not
// yet.
func (n *network) stop(i int32) (unsent float64) {
	f := &n.flows[i]
	n.sim.Cancel(f.timer)
	n.advance(f)
	unsent = f.left
	n.end(i)
	return unsent
}

func (n *network) join(i int32) {
	f := &n.flows[i]
	f.phase, f.since = sending, n.sim.now
	for k, l := range f.links {
		f.at[k] = int32(len(n.links[l].flows))
		n.links[l].flows = append(n.links[l].flows, i)
	}
	n.share(f.links)
}

func (n *network) end(i int32) {
	f := &n.flows[i]
	links, sent := f.links, f.phase == sending
	if sent {
		for k, l := range f.links {
			n.leave(&n.links[l], f.at[k], k)
		}
	}
	*f = flow{}
	n.free = append(n.free, i)
	if sent {
		n.share(links)
	}
}

// leave takes the flow at a place out of a link. k is 0 for a link up and 1
// for a link down.
func (n *network) leave(l *link, place int32, k int) {
	last := len(l.flows) - 1
	moved := l.flows[last]
	l.flows[place] = moved
	n.flows[moved].at[k] = place
	l.flows = l.flows[:last]
}

// advance accounts for what a flow has sent since the last time.
func (n *network) advance(f *flow) {
	if f.phase == sending {
		f.left = max(0, f.left-float64(f.rate*(n.sim.now-f.since).Seconds()))
		f.since = n.sim.now
	}
}

// share gives new rates to the flows that a change on two links may affect.
func (n *network) share(links [2]int32) {
	n.collect(links)
	n.fill()
	for _, i := range n.component {
		if f := &n.flows[i]; f.next != f.rate {
			n.advance(f)
			f.rate = f.next
			n.reschedule(i)
		}
	}
}

func (n *network) reschedule(i int32) {
	f := &n.flows[i]
	n.sim.Cancel(f.timer)
	f.timer = Timer{}
	// Rounded up, so that all bytes have arrived at that date. A flow that
	// would take a century does not end.
	if ns := math.Ceil(f.left / f.rate * 1e9); ns < 100*365*24*float64(time.Hour) {
		f.timer = n.sim.At(n.sim.now+time.Duration(ns), n, uint64(i))
	}
}

// filling is the working space of the computation of rates.
type filling struct {
	component []int32      // flows
	reached   []int32      // links
	capped    []int32      // flows with a cap, in ascending order of it
	levels    []levelEntry // heap of links with open flows
}

// levelEntry says what each open flow of a link would get if they shared
// equally what is left. While rates are computed a level only rises, so an
// entry that is out of date is too low, and is corrected when it is the first.
type levelEntry struct {
	level float64
	link  int32
}

func (e levelEntry) before(o levelEntry) bool {
	return e.level < o.level || e.level == o.level && e.link < o.link
}

// collect finds the flows and links that are connected to the given links.
func (n *network) collect(links [2]int32) {
	n.epoch++
	n.component, n.reached = n.component[:0], n.reached[:0]
	n.reach(links[0])
	n.reach(links[1])
	for seen := 0; seen < len(n.reached); seen++ {
		for _, i := range n.links[n.reached[seen]].flows {
			f := &n.flows[i]
			if f.epoch == n.epoch {
				continue
			}
			f.epoch, f.next = n.epoch, -1
			n.component = append(n.component, i)
			n.reach(f.links[0])
			n.reach(f.links[1])
		}
	}
}

func (n *network) reach(i int32) {
	l := &n.links[i]
	if l.epoch == n.epoch {
		return
	}
	l.epoch, l.left, l.open = n.epoch, l.capacity, len(l.flows)
	n.reached = append(n.reached, i)
}

// fill computes the rates of the component by progressive filling: all rates
// grow together; when a flow reaches its cap, or a link is full, the flow or
// the flows of the link have their rate and the others go on.
func (n *network) fill() {
	n.prepare()
	for capped, fixed := n.capped, 0; fixed < len(n.component); {
		for len(capped) > 0 && n.flows[capped[0]].next >= 0 {
			capped = capped[1:]
		}
		first := n.lowest()
		if len(capped) > 0 && n.flows[capped[0]].cap <= first.level {
			n.fix(capped[0], n.flows[capped[0]].cap)
			fixed++
			continue
		}
		for _, i := range n.links[first.link].flows {
			if n.flows[i].next < 0 {
				n.fix(i, first.level)
				fixed++
			}
		}
	}
}

func (n *network) prepare() {
	n.capped = n.capped[:0]
	for _, i := range n.component {
		if !math.IsInf(n.flows[i].cap, 1) {
			n.capped = append(n.capped, i)
		}
	}
	slices.SortFunc(n.capped, func(i, j int32) int {
		return cmp.Or(cmp.Compare(n.flows[i].cap, n.flows[j].cap), cmp.Compare(i, j))
	})
	n.levels = n.levels[:0]
	for _, i := range n.reached {
		if l := &n.links[i]; l.open > 0 {
			n.levels = append(n.levels, levelEntry{l.left / float64(l.open), i})
		}
	}
	for i := len(n.levels)/2 - 1; i >= 0; i-- {
		n.sink(i)
	}
}

// fix gives a flow its rate and takes it from the flow's links.
func (n *network) fix(i int32, rate float64) {
	f := &n.flows[i]
	f.next = rate
	for _, l := range f.links {
		l := &n.links[l]
		l.left = max(0, l.left-rate)
		l.open--
	}
}

// lowest returns the link whose open flows have the least to share. It must
// not be called when no flow is open.
func (n *network) lowest() levelEntry {
	for {
		first := &n.levels[0]
		l := &n.links[first.link]
		if l.open == 0 { // others are left, as some flow is open
			last := len(n.levels) - 1
			*first, n.levels = n.levels[last], n.levels[:last]
		} else if level := l.left / float64(l.open); level > first.level {
			first.level = level
		} else {
			return *first
		}
		n.sink(0)
	}
}

// sink moves the entry at i down to its place in the heap.
func (n *network) sink(i int) {
	levels := n.levels
	e := levels[i]
	for {
		child := 2*i + 1
		if child >= len(levels) {
			break
		}
		if child+1 < len(levels) && levels[child+1].before(levels[child]) {
			child++
		}
		if !levels[child].before(e) {
			break
		}
		levels[i] = levels[child]
		i = child
	}
	levels[i] = e
}
