package sim

import (
	"fmt"
	"math"
)

// Exec names an execution. The zero Exec names none.
type Exec struct {
	slot int32
	seq  uint32
}

// ExecSpec describes an execution.
type ExecSpec struct {
	Work     Work    // of one thread
	Priority float64 // multiplies its weight; 0 means 1
	Cap      Speed   // the most that all its threads get; 0 means no cap
	Threads  int     // 0 means 1; the whole is Threads x Work
}

// exec is an execution. It is in the list of its host or VM until it ends.
// Lists are circular, and in the order in which their executions began, so that
// those that end at the same date do so in this order.
type exec struct {
	claim      claim // on its host or inside its VM; no use while suspended
	left       Work  // at date since
	since      Seconds
	work       Work // of all threads
	timer      Timer
	done       Completion
	arg        uint64
	why        error // it has failed, and its completion is to learn why
	priority   float64
	cap        Speed
	place      Place
	next, prev int32
	threads    int32
	seq        uint32
	state      execState
}

type execState uint8

const (
	execOver execState = iota // or was never there; the slot is free
	execLive
	execSuspended
	execFailed // in no list; waits for the event that tells why
)

// The events of executions; the argument is the slot.
type (
	execEnds  machines // an execution has done its work
	execFails machines // the completion of an execution is told why it failed
)

// Execute begins an execution at a place. When its work is done, or fails, done
// is called with arg in an event of its own; it may be nil.
//
// The execution shares the CPU of its host or VM with what else runs there, see
// share.go. In a VM that is suspended, saved or restored, it waits. If the VM
// is shut down or destroyed it fails with ErrVMGone, if its host is switched
// off with ErrHostOff.
//
// Under the original law, an execution of several threads has no priority and
// no cap.
//
// The error says what of the description makes no sense, or matches ErrHostOff,
// ErrVMState for a VM that is off, or ErrVMGone for one that is destroyed. done
// is not called then.
func (s *Simulation) Execute(at Place, spec ExecSpec, done Completion, arg uint64) (Exec, error) {
	m := &s.machines
	if err := m.checkExec(at, spec); err != nil {
		return Exec{}, fmt.Errorf("execution: %w", err)
	}
	slot := m.newExec()
	e := &m.execs[slot]
	e.state, e.place, e.done, e.arg = execLive, at, done, arg
	e.priority, e.cap, e.threads = unlessSet(spec.Priority, 1), spec.Cap, int32(max(spec.Threads, 1))
	e.work = Work(float64(e.threads) * float64(spec.Work))
	e.left, e.since = e.work, s.now
	m.before(at)
	m.link(slot)
	m.recap(slot, m.speedAt(at))
	m.after(at)
	return Exec{slot, e.seq}, nil
}

func (m *machines) checkExec(at Place, spec ExecSpec) error {
	if err := m.checkPlace(at); err != nil {
		return err
	}
	switch {
	case at.vm == none && m.hosts[at.host].off:
		return fmt.Errorf("%s: %w", m.hostName(at.host), ErrHostOff)
	case at.vm != none && m.vms[at.vm].state == VMDestroyed:
		return fmt.Errorf("%s: %w", m.vmName(at.vm), ErrVMGone)
	case at.vm != none && m.vms[at.vm].state == VMOff:
		return fmt.Errorf("%s is off: %w", m.vmName(at.vm), ErrVMState)
	case spec.Threads < 0 || spec.Threads > math.MaxInt32:
		return fmt.Errorf("%s: %d threads: it must have 1 or more", m.placeName(at), spec.Threads)
	}
	for _, x := range []struct {
		what string
		x    float64
	}{
		{"a work", float64(max(spec.Threads, 1)) * float64(spec.Work)},
		{"a priority", spec.Priority},
		{"a cap", float64(spec.Cap)},
	} {
		if err := amount(x.what, x.x); err != nil {
			return fmt.Errorf("%s: %w", m.placeName(at), err)
		}
	}
	return nil
}

// placeName returns a place as error messages name it.
func (m *machines) placeName(p Place) string {
	if p.vm != none {
		return m.vmName(p.vm)
	}
	return m.hostName(p.host)
}

// speedAt returns the speed of a core at a place.
func (m *machines) speedAt(p Place) Speed {
	if p.vm != none {
		return m.hosts[m.vms[p.vm].host].speed
	}
	return m.hosts[p.host].speed
}

// newExec returns a slot for an execution.
func (m *machines) newExec() int32 {
	var slot int32
	if n := len(m.freeExecs); n > 0 {
		slot, m.freeExecs = m.freeExecs[n-1], m.freeExecs[:n-1]
	} else {
		slot = int32(len(m.execs))
		m.execs = append(m.execs, exec{})
	}
	e := &m.execs[slot]
	e.seq++
	return slot
}

// release frees the slot of an execution that is over. Its handles are stale
// from now on.
func (m *machines) release(slot int32) {
	m.execs[slot] = exec{seq: m.execs[slot].seq}
	m.freeExecs = append(m.freeExecs, slot)
}

// list returns the head of the list of the executions at a place.
func (m *machines) list(p Place) *int32 {
	if p.vm != none {
		return &m.vms[p.vm].execs
	}
	return &m.hosts[p.host].execs
}

// next returns the execution after e in a list, or none.
func (m *machines) next(head, e int32) int32 {
	if next := m.execs[e].next; next != head {
		return next
	}
	return none
}

// link puts an execution at the end of the list of its place.
func (m *machines) link(slot int32) {
	e := &m.execs[slot]
	head := m.list(e.place)
	if *head == none {
		*head, e.next, e.prev = slot, slot, slot
		return
	}
	first := &m.execs[*head]
	e.next, e.prev = *head, first.prev
	m.execs[first.prev].next = slot
	first.prev = slot
}

// unlink takes an execution out of the list of its place.
func (m *machines) unlink(slot int32) {
	e := &m.execs[slot]
	head := m.list(e.place)
	switch {
	case e.next == slot:
		*head = none
		return
	case *head == slot:
		*head = e.next
	}
	m.execs[e.prev].next = e.next
	m.execs[e.next].prev = e.prev
}

// recap computes what an execution can use where a core has a speed.
func (m *machines) recap(slot int32, speed Speed) {
	e := &m.execs[slot]
	rate := e.claim.rate
	e.claim = claim{rate: rate}
	if e.state != execLive {
		return
	}
	threads := float64(e.threads)
	e.claim.most, e.claim.weight = Speed(threads)*speed, threads
	if e.threads > 1 && m.sim.settings.Law == Original {
		return
	}
	e.claim.weight = threads * e.priority
	if e.cap > 0 {
		e.claim.most = min(e.claim.most, e.cap)
	}
}

// recapAll is recap for all executions of a list.
func (m *machines) recapAll(head int32, speed Speed) {
	for e := head; e != none; e = m.next(head, e) {
		m.recap(e, speed)
	}
}

// setRate makes an execution go on at a rate. Its end is planned anew only if
// that is another one.
func (m *machines) setRate(slot int32, rate Speed) {
	e := &m.execs[slot]
	if e.claim.rate == rate {
		return
	}
	s := m.sim
	e.left, e.since = e.leftAt(s.now), s.now
	e.claim.rate = rate
	s.Cancel(e.timer)
	e.timer = Timer{}
	if rate > 0 {
		e.timer = s.After(Seconds(float64(e.left)/float64(rate)), (*execEnds)(m), uint64(slot))
	}
}

// leftAt returns the work that is left at a date. What rounding of dates and
// sums may have left is nothing.
func (e *exec) leftAt(now Seconds) Work {
	rate := float64(e.claim.rate)
	left := e.left - Work(rate*float64(now-e.since))
	if rounding := 0x1p-50 * (float64(rate*float64(now)) + float64(e.work)); float64(left) <= rounding && rate > 0 {
		return 0
	}
	return left
}

// Handle ends an execution that has done its work.
func (h *execEnds) Handle(now Seconds, arg uint64) {
	m := (*machines)(h)
	e := m.execs[arg]
	m.before(e.place)
	m.unlink(int32(arg))
	m.release(int32(arg))
	m.after(e.place)
	if e.done != nil {
		e.done.Completed(now, e.arg, nil)
	}
}

// fail takes an execution out of its list, and plans the event that tells its
// completion why. What runs beside it is shared anew by the caller.
func (m *machines) fail(slot int32, why error) {
	e := &m.execs[slot]
	m.sim.Cancel(e.timer)
	m.unlink(slot)
	e.state, e.why, e.claim, e.timer = execFailed, why, claim{}, Timer{}
	m.sim.At(m.sim.now, (*execFails)(m), uint64(slot))
}

// failAll fails all executions of a list.
func (m *machines) failAll(head *int32, why error) {
	for *head != none {
		m.fail(*head, why)
	}
}

// Handle tells the completion of an execution why it failed.
func (h *execFails) Handle(now Seconds, arg uint64) {
	m := (*machines)(h)
	e := m.execs[arg]
	m.release(int32(arg))
	if e.done != nil {
		e.done.Completed(now, e.arg, e.why)
	}
}

// exec returns the execution that a handle names, or nil if it is over.
func (m *machines) exec(h Exec) *exec {
	if h.slot < 0 || int(h.slot) >= len(m.execs) {
		return nil
	}
	e := &m.execs[h.slot]
	if e.seq != h.seq || e.state != execLive && e.state != execSuspended {
		return nil
	}
	return e
}

// change lets f change an execution, and shares anew.
func (m *machines) change(h Exec, what string, f func(e *exec)) error {
	e := m.exec(h)
	if e == nil {
		return fmt.Errorf("%s of an execution: %w", what, ErrOver)
	}
	m.before(e.place)
	f(e)
	m.recap(h.slot, m.speedAt(e.place))
	m.after(e.place)
	return nil
}

// SuspendExec stops an execution until ResumeExec. It uses nothing meanwhile,
// and others get its share. It does nothing if the execution is suspended. The
// error matches ErrOver.
func (s *Simulation) SuspendExec(e Exec) error {
	return s.machines.change(e, "suspension", func(e *exec) { e.state = execSuspended })
}

// ResumeExec lets a suspended execution go on as it was. It does nothing if the
// execution is not suspended. The error matches ErrOver.
func (s *Simulation) ResumeExec(e Exec) error {
	return s.machines.change(e, "resumption", func(e *exec) { e.state = execLive })
}

// SetExecPriority changes the priority of an execution; 0 means 1. The error
// matches ErrOver, or says that the priority makes no sense.
func (s *Simulation) SetExecPriority(e Exec, p float64) error {
	if err := amount("a priority", p); err != nil {
		return fmt.Errorf("execution: %w", err)
	}
	return s.machines.change(e, "priority", func(e *exec) { e.priority = unlessSet(p, 1) })
}

// SetExecCap changes the cap of an execution; 0 means none. The error matches
// ErrOver, or says that the cap makes no sense.
func (s *Simulation) SetExecCap(e Exec, cap Speed) error {
	if err := amount("a cap", float64(cap)); err != nil {
		return fmt.Errorf("execution: %w", err)
	}
	return s.machines.change(e, "cap", func(e *exec) { e.cap = cap })
}

// CancelExec ends an execution at once. Its completion gets ErrCancelled, in an
// event of its own. The error matches ErrOver.
func (s *Simulation) CancelExec(e Exec) error {
	m := &s.machines
	live := m.exec(e)
	if live == nil {
		return fmt.Errorf("cancellation of an execution: %w", ErrOver)
	}
	place := live.place
	m.before(place)
	m.fail(e.slot, ErrCancelled)
	m.after(place)
	return nil
}

// ExecRemaining returns the work of all threads that an execution has still to
// do, 0 once it is over.
func (s *Simulation) ExecRemaining(e Exec) Work {
	if live := s.machines.exec(e); live != nil {
		return live.leftAt(s.now)
	}
	return 0
}

// ExecRate returns the speed at which an execution advances now, over all its
// threads; 0 once it is over.
func (s *Simulation) ExecRate(e Exec) Speed {
	if live := s.machines.exec(e); live != nil {
		return live.claim.rate
	}
	return 0
}
