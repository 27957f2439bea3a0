package sim

import "fmt"

// Mailbox is where senders and receivers of messages meet, wherever they are.
//
// A message is handed over when there is a sender and a receiver: then a flow
// starts from the place of the one to that of the other, and both wait for its
// end. Who came first is served first. A message without bytes between processes
// that are on the same host takes no time and no flow.
//
// If one of both ends ends before that, the message is lost, and the other end
// gets an error that says why.
type Mailbox struct {
	name string
	sim  *Simulation

	// Those that wait, in order of arrival, are either senders or receivers.
	first, last *Activity
	waiting     int
}

// Mailbox returns the mailbox of a name. It is made when first asked for.
func (s *Simulation) Mailbox(name string) *Mailbox {
	m := s.processes.mailboxes[name]
	if m == nil {
		m = s.NewMailbox(name)
		if s.processes.mailboxes == nil {
			s.processes.mailboxes = map[string]*Mailbox{}
		}
		s.processes.mailboxes[name] = m
	}
	return m
}

// NewMailbox returns a new mailbox that can't be found by its name, for instance
// for the answer to one request. Nobody need close it.
func (s *Simulation) NewMailbox(name string) *Mailbox { return &Mailbox{name: name, sim: s} }

// Name returns the name that the mailbox was given.
func (m *Mailbox) Name() string { return m.name }

// Senders returns how many messages wait in the mailbox for a receiver.
func (m *Mailbox) Senders() int { return m.waits(actSend) }

// Receivers returns how many wait at the mailbox for a message.
func (m *Mailbox) Receivers() int { return m.waits(actReceive) }

// waits returns how many of a kind wait.
func (m *Mailbox) waits(kind activityKind) int {
	if m.first == nil || m.first.kind != kind {
		return 0
	}
	return m.waiting
}

// Send sends a message of some bytes, and waits until it was received. The
// payload is what the receiver gets; its size does not matter.
//
// If there is no way to the receiver, the error is that of [Simulation.Send].
// If the message did not arrive, it says why: it matches ErrKilled, ErrVMGone,
// ErrHostOff, ErrLinkOff, ErrCancelled or ErrTimeout.
func (p *Process) Send(m *Mailbox, payload any, bytes Bytes) error {
	return p.send(m, payload, bytes, 0, Forever)
}

// SendTimeout sends as Send does, but for at most timeout seconds. Then it
// returns ErrTimeout, and so does the receiver's end if the message was on its
// way.
func (p *Process) SendTimeout(m *Mailbox, payload any, bytes Bytes, timeout Seconds) error {
	return p.send(m, payload, bytes, 0, timeout)
}

// SendCapped sends as Send does, with no more than some bytes per second.
func (p *Process) SendCapped(m *Mailbox, payload any, bytes Bytes, cap Bandwidth) error {
	return p.send(m, payload, bytes, cap, Forever)
}

// SendAsync sends as Send does, and does not wait.
func (p *Process) SendAsync(m *Mailbox, payload any, bytes Bytes) (*Activity, error) {
	if err := p.turn("send"); err != nil {
		return nil, err
	}
	return p.keep(func(a *Activity) error {
		err := a.send(p, m, payload, bytes, 0)
		a.dispatch()
		return err
	})
}

// Receive waits for a message, until it is here, and returns its payload. If it
// did not arrive, the error says why, as with Send.
func (p *Process) Receive(m *Mailbox) (any, error) { return p.ReceiveTimeout(m, Forever) }

// ReceiveTimeout receives as Receive does, but for at most timeout seconds. Then
// it returns ErrTimeout, and so does the sender's end if a message was on its
// way.
func (p *Process) ReceiveTimeout(m *Mailbox, timeout Seconds) (any, error) {
	until, err := p.patience("receive", timeout)
	if err != nil {
		return nil, err
	}
	if err := p.own.receive(p, m); err != nil {
		return nil, err
	}
	err = p.await(until)
	payload := p.own.payload
	p.own.payload = nil
	return payload, err
}

// ReceiveAsync receives as Receive does, and does not wait. The payload is that
// of the Activity when it is over.
func (p *Process) ReceiveAsync(m *Mailbox) (*Activity, error) {
	if err := p.turn("receive"); err != nil {
		return nil, err
	}
	return p.keep(func(a *Activity) error {
		err := a.receive(p, m)
		a.dispatch()
		return err
	})
}

func (p *Process) send(m *Mailbox, payload any, bytes Bytes, cap Bandwidth, timeout Seconds) error {
	until, err := p.patience("send", timeout)
	if err != nil {
		return err
	}
	if err := p.own.send(p, m, payload, bytes, cap); err != nil {
		return err
	}
	return p.await(until)
}

func (a *Activity) send(p *Process, m *Mailbox, payload any, bytes Bytes, cap Bandwidth) error {
	switch {
	case m == nil || m.sim != p.sim:
		return fmt.Errorf("sim: process %q sends to a mailbox that is not of this simulation", p.name)
	case bytes < 0 || !(cap >= 0):
		return fmt.Errorf("sim: process %q sends %d bytes with at most %v B/s to mailbox %q", p.name, bytes, float64(cap), m.name)
	}
	a.begin(p, actSend)
	a.mailbox, a.payload, a.bytes, a.cap = m, payload, bytes, cap
	if receiver := m.first; receiver != nil && receiver.kind == actReceive {
		m.remove(receiver)
		a.meet(receiver)
	} else {
		m.push(a)
	}
	return nil
}

func (a *Activity) receive(p *Process, m *Mailbox) error {
	if m == nil || m.sim != p.sim {
		return fmt.Errorf("sim: process %q receives from a mailbox that is not of this simulation", p.name)
	}
	a.begin(p, actReceive)
	a.mailbox, a.payload, a.bytes = m, nil, 0
	if sender := m.first; sender != nil && sender.kind == actSend {
		m.remove(sender)
		sender.meet(a)
	} else {
		m.push(a)
	}
	return nil
}

// meet brings the ends of a message together. If it takes time, dispatch is to
// be called next.
func (a *Activity) meet(to *Activity) {
	if a.bytes == 0 && a.proc.sim.near(a.proc.place, to.proc.place) {
		to.payload = a.payload
		a.finish(nil)
		to.finish(nil)
		return
	}
	a.peer, to.peer = to, a
}

// dispatch starts the flow of a message, of which the activity is one end, if
// both ends have met.
func (a *Activity) dispatch() {
	if a.peer == nil {
		return
	}
	if a.kind == actReceive {
		a = a.peer
	}
	to := a.peer
	spec := FlowSpec{From: a.proc.place, To: to.proc.place, Bytes: a.bytes, Cap: a.cap}
	flow, err := a.proc.sim.Send(spec, (*ending)(a), a.turn)
	switch {
	case err != nil:
		a.finish(err)
		to.finish(err)
	case !a.over:
		a.flow = flow
	}
}

// near reports whether a message without bytes takes no time: between processes
// that are on the same host and run, if that host reaches itself without links.
func (s *Simulation) near(a, b Place) bool {
	h := s.HostAt(a)
	if h != s.HostAt(b) || !s.runs(a) || !s.runs(b) {
		return false
	}
	links, err := s.network.way(h, h)
	return len(links) == 0 && err == nil
}

// runs reports whether a place is on and not suspended.
func (s *Simulation) runs(at Place) bool {
	if id, ok := at.VM(); ok {
		return s.State(id) == VMRunning
	}
	return s.IsOn(at.host)
}

func (m *Mailbox) push(a *Activity) {
	a.queued, a.prev, a.next = true, m.last, nil
	if m.last == nil {
		m.first = a
	} else {
		m.last.next = a
	}
	m.last = a
	m.waiting++
}

func (m *Mailbox) remove(a *Activity) {
	if a.prev == nil {
		m.first = a.next
	} else {
		a.prev.next = a.next
	}
	if a.next == nil {
		m.last = a.prev
	} else {
		a.next.prev = a.prev
	}
	a.queued, a.prev, a.next = false, nil, nil
	m.waiting--
}
