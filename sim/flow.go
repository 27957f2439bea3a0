package sim

import (
	"fmt"
	"math"
)

// Flow names a flow. The zero Flow names none.
type Flow struct {
	slot int32
	seq  uint32
}

// FlowSpec describes a flow.
type FlowSpec struct {
	From, To Place
	Bytes    Bytes     // 0 or more; 0 takes the latency only
	Cap      Bandwidth // the most that arrives per second; 0 means none
}

// flow is one flow, or a free slot.
type flow struct {
	hops     []hop // the links on its way there, then those that are only on its way back
	left     float64
	cap      float64   // of its rate by the user and, in the original law, by the links as they were; infinite if none
	since    Seconds   // the date of left
	wait     Seconds   // how long it waits yet, while it is waiting and held
	due      Seconds   // when its waiting ends
	distance Seconds   // the latency of its way beyond that of the links
	ends     [2]HostID // the hosts of its source and its target
	from, to Place
	timer    Timer // of the end of its latency, or of telling that it has failed
	done     Completion
	arg      uint64
	err      error  // why it failed
	sent     uint64 // in which call of Send
	seq      uint32
	phase    phase
	held     held
	loopback bool
	demoted  bool // it was resumed under the original law
}

type phase uint8

const (
	flowUnused  phase = iota
	flowWaiting       // for the latency of its way
	flowSending
	flowFailed // its completion is to be told
	flowOver   // its completion is being told
)

// held says who holds a flow up. One that nobody holds goes on.
type held uint8

const (
	byUser   held = 1 << iota
	bySource      // the VM that it comes from
	byTarget      // the VM that it goes to
)

// Send sends bytes from one place to another. The completion, if there is one,
// is told when the last byte has arrived, or that the flow has failed: it was
// cancelled, a link on its way or a host at its ends was switched off, the VM
// it comes from or goes to was shut down or destroyed, or has moved to where no
// route leads.
//
// A flow from or to a VM that is suspended, is being saved or is saved is held
// up until the VM runs again. It takes a new way when the VM moves; in the
// original law it keeps its own.
//
// The error says what makes no sense, or matches ErrHostOff, ErrVMGone,
// ErrNoRoute or ErrLinkOff; then there is no flow, and nobody is told.
func (s *Simulation) Send(spec FlowSpec, done Completion, arg uint64) (Flow, error) {
	n := &s.network
	ends, held, err := n.ends(&spec)
	if err != nil {
		return Flow{}, fmt.Errorf("flow: %w", err)
	}
	i := n.slot()
	if err := n.find(i, ends[0], ends[1]); err != nil {
		n.release(i)
		return Flow{}, fmt.Errorf("flow: %w", err)
	}
	f := &n.flows[i]
	f.left, f.since = float64(spec.Bytes), s.now
	f.from, f.to, f.ends = spec.From, spec.To, ends
	f.done, f.arg = done, arg
	n.sent++
	f.sent = n.sent
	f.held, f.phase = held, flowWaiting
	f.cap = n.userCap(f, spec.Cap)
	n.cross(i)
	n.tie(i)
	n.launch(i)
	return Flow{i, f.seq}, nil
}

// userCap is the cap of a flow that does not follow its links.
func (n *network) userCap(f *flow, user Bandwidth) float64 {
	most := math.Inf(1)
	if user > 0 {
		most = float64(user) / n.sim.settings.Network.BandwidthFactor
	}
	if n.sim.settings.Law == Original {
		for _, h := range f.hops {
			if h.forward > 0 {
				most = min(most, float64(n.links[h.link].bandwidth))
			}
		}
	}
	return most
}

// launch starts the first phase of a flow.
func (n *network) launch(i int32) {
	f := &n.flows[i]
	f.wait = Seconds(n.sim.settings.Network.LatencyFactor * float64(n.latency(f)))
	if f.held == 0 {
		n.proceed(i)
		n.share()
	}
}

// proceed lets a waiting flow that nobody holds up wait on, or send if its
// waiting is over.
func (n *network) proceed(i int32) {
	f := &n.flows[i]
	if f.wait > 0 || f.left == 0 {
		f.due = n.sim.now + f.wait
		f.timer = n.sim.At(f.due, n, uint64(i))
		return
	}
	f.phase = flowSending
	n.start(i)
}

// start makes a flow in phase sending send.
func (n *network) start(i int32) {
	n.flows[i].since = n.sim.now
	n.shares[i] = share{bottleneck: none}
	n.arrivals.insert(i, n.flows[i].sent)
	n.weigh(i)
	n.activate(i)
	n.changedFlow(i)
}

// halt is the opposite of start.
func (n *network) halt(i int32) {
	n.advance(i)
	n.arrivals.remove(i)
	n.awaitFirst()
	n.shares[i] = share{}
	n.deactivate(i)
	n.changedWay(i)
}

// changedWay says that the links of a flow have other flows, or others of its
// weight, than when rates were last given.
func (n *network) changedWay(i int32) {
	for k := range n.flows[i].hops {
		if h := &n.flows[i].hops[k]; h.ties {
			n.changed = append(n.changed, h.link)
		}
	}
}

// changedFlow says that a flow sends now, or has another penalty or cap.
func (n *network) changedFlow(i int32) {
	n.changedFlows = append(n.changedFlows, i)
	n.changedWay(i)
}

// Handle is the end of the latency of flow i, or tells that it has failed.
func (n *network) Handle(_ Seconds, i uint64) {
	switch f := &n.flows[i]; {
	case f.phase == flowFailed:
		n.tell(int32(i))
	case f.left == 0:
		n.arrived(int32(i))
	default:
		f.wait, f.phase = 0, flowSending
		n.start(int32(i))
		n.share()
	}
}

// arrived ends a flow whose last byte has arrived.
func (n *network) arrived(i int32) {
	n.flows[i].left = 0
	n.leave(i)
	n.share()
	n.tell(i)
}

// tell tells the completion of a flow, and gives its slot back.
func (n *network) tell(i int32) {
	f := &n.flows[i]
	f.phase = flowOver
	if f.done != nil {
		f.done.Completed(n.sim.now, f.arg, f.err)
	}
	n.release(i)
}

// leave takes a flow out of the network.
func (n *network) leave(i int32) {
	f := &n.flows[i]
	switch {
	case f.phase == flowSending && f.held == 0:
		n.halt(i)
	case f.phase == flowWaiting:
		n.sim.Cancel(f.timer)
	}
	n.uncross(i)
	n.untie(i)
	f.hops = f.hops[:0]
}

// fail takes a flow out of the network; its completion is told in an event of
// its own. The caller shares afterwards.
func (n *network) fail(i int32, err error) {
	n.leave(i)
	f := &n.flows[i]
	f.phase, f.err = flowFailed, err
	f.timer = n.sim.At(n.sim.now, n, uint64(i))
}

// hold holds a flow up.
func (n *network) hold(i int32, by held) {
	f := &n.flows[i]
	if f.held == 0 {
		if f.phase == flowSending {
			n.halt(i)
		} else {
			f.wait = max(0, f.due-n.sim.now)
			n.sim.Cancel(f.timer)
		}
	}
	f.held |= by
}

// let takes a hold back. The flow goes on if it was the last one.
func (n *network) let(i int32, by held) {
	f := &n.flows[i]
	if f.held&by == 0 {
		return
	}
	if f.held &^= by; f.held != 0 {
		return
	}
	// In SimGrid, suspending and resuming use different copies of the penalty.
	f.demoted = true
	if f.phase == flowSending {
		n.start(i)
	} else {
		n.proceed(i)
	}
}

// SuspendFlow holds a flow up until it is resumed. Holding it up once more
// changes nothing. A flow that has ended is an error that matches ErrOver.
func (s *Simulation) SuspendFlow(f Flow) error {
	n := &s.network
	if !n.alive(f) {
		return fmt.Errorf("suspend a flow: %w", ErrOver)
	}
	n.hold(f.slot, byUser)
	n.share()
	return nil
}

// ResumeFlow lets a flow go on that was held up by SuspendFlow. Others may
// still hold it up: a VM at one of its ends. A flow that has ended is an error
// that matches ErrOver.
func (s *Simulation) ResumeFlow(f Flow) error {
	n := &s.network
	if !n.alive(f) {
		return fmt.Errorf("resume a flow: %w", ErrOver)
	}
	n.let(f.slot, byUser)
	n.share()
	return nil
}

// CancelFlow ends a flow. Its completion gets ErrCancelled, in an event of its
// own. A flow that has ended is an error that matches ErrOver.
func (s *Simulation) CancelFlow(f Flow) error {
	n := &s.network
	if !n.alive(f) {
		return fmt.Errorf("cancel a flow: %w", ErrOver)
	}
	n.fail(f.slot, ErrCancelled)
	n.share()
	return nil
}

// FlowRemaining returns how many bytes of a flow have not arrived yet. That of
// one that has failed can be asked until its completion has returned; later,
// and if all have arrived, it is 0.
func (s *Simulation) FlowRemaining(f Flow) float64 {
	n := &s.network
	if !n.names(f) {
		return 0
	}
	at := &n.flows[f.slot]
	if at.phase != flowSending || at.held != 0 || s.now == at.since {
		return at.left
	}
	return max(0, at.left-float64(n.rateOf(f.slot)*float64(s.now-at.since)))
}

// FlowRate returns how much of a flow arrives per second. It is 0 while the
// flow waits for the latency of its way or is held up, and when it is over. It
// is infinite for one that nothing limits, until it arrives in the same moment.
func (s *Simulation) FlowRate(f Flow) Bandwidth {
	n := &s.network
	if !n.alive(f) {
		return 0
	}
	n.settle()
	return Bandwidth(n.rateOf(f.slot))
}

// names reports whether a name is that of the flow that is in its slot now.
func (n *network) names(f Flow) bool {
	return f.seq != 0 && int(f.slot) < len(n.flows) && n.flows[f.slot].seq == f.seq
}

// alive reports whether a flow has not ended.
func (n *network) alive(f Flow) bool {
	if !n.names(f) {
		return false
	}
	p := n.flows[f.slot].phase
	return p == flowWaiting || p == flowSending
}

// rateOf is what arrives of a flow per second.
func (n *network) rateOf(i int32) float64 {
	return n.shares[i].rate * n.sim.settings.Network.BandwidthFactor
}

// advance accounts for what has arrived of a flow that sends.
func (n *network) advance(i int32) {
	f := &n.flows[i]
	if dt := float64(n.sim.now - f.since); dt > 0 {
		f.left = max(0, f.left-float64(n.rateOf(i)*dt))
		f.since = n.sim.now
	}
}

// weigh gives a flow its penalty and cap, by its links as they are now.
func (n *network) weigh(i int32) {
	f, s := &n.flows[i], &n.shares[i]
	model, law := &n.sim.settings.Network, n.sim.settings.Law
	s.cap = f.cap
	if f.loopback {
		s.cap = min(s.cap, float64(loopback))
	}
	d := float64(n.latency(f))
	if d > 0 && model.Gamma > 0 {
		s.cap = min(s.cap, model.Gamma/(2*d))
	}
	if law == Right {
		for _, h := range f.hops {
			if l := &n.links[h.link]; l.policy == FatPipe {
				s.cap = min(s.cap, float64(l.bandwidth)/h.weight)
			}
		}
	}
	s.penalty = n.penalty(f, d)
}

// penalty is the latency d of a flow's way, and for each link what it takes to
// send weight S over it: as with TCP, flows over long ways get less. Without
// latency it is 1. In the original law, so it is after the flow was resumed.
func (n *network) penalty(f *flow, d float64) float64 {
	if d == 0 || f.demoted && n.sim.settings.Law == Original {
		return 1
	}
	p := d
	if s := n.sim.settings.Network.WeightS; s > 0 {
		for _, h := range f.hops {
			p += float64(float64(h.forward) * s / float64(n.links[h.link].bandwidth))
		}
	}
	return p
}

// latency is that of the way of a flow.
func (n *network) latency(f *flow) Seconds {
	d := f.distance
	for _, h := range f.hops {
		d += Seconds(float64(h.forward) * float64(n.links[h.link].latency))
	}
	return d
}

// slot returns a slot for a flow.
func (n *network) slot() int32 {
	if last := len(n.free) - 1; last >= 0 {
		i := n.free[last]
		n.free = n.free[:last]
		return i
	}
	n.flows = append(n.flows, flow{seq: 1})
	n.shares = append(n.shares, share{})
	return int32(len(n.flows) - 1)
}

// release gives a slot back. Names of the flow that was in it are void.
func (n *network) release(i int32) {
	f := &n.flows[i]
	*f = flow{hops: f.hops[:0], seq: f.seq + 1}
	if f.seq == 0 {
		f.seq = 1
	}
	n.free = append(n.free, i)
}
