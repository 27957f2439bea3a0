package sim

import (
	"fmt"
	"math"
)

// Handler is what an event calls. One handler can serve many events: arg says
// which one it is, for instance the index of a VM.
type Handler interface {
	Handle(now Seconds, arg uint64)
}

// Completion is told that an activity has ended: an execution, a flow, an
// access to a disk. One completion can serve many activities: arg says which
// one it was. err is nil if the activity was done, and says otherwise why not:
// it matches ErrCancelled, ErrHostOff, ErrLinkOff or ErrVMGone.
type Completion interface {
	Completed(now Seconds, arg uint64, err error)
}

// Then is a Completion for those who need no argument.
type Then func(err error)

// Completed calls f.
func (f Then) Completed(_ Seconds, _ uint64, err error) { f(err) }

// Timer names an event that was put in the queue. The zero Timer names none.
type Timer struct {
	seq  uint64
	slot uint32
}

// Now returns the date: the time since the start of the simulation.
func (s *Simulation) Now() Seconds { return s.now }

// Events returns how many events have been processed. Cancelled ones do not
// count.
func (s *Simulation) Events() uint64 { return s.events }

// At calls h.Handle(t, arg) at date t. Events of the same date take place in
// the order of their calls of At. A date in the past, or one that is no
// number, ends the run with an error, see [Simulation.Run]. An event at
// Forever never takes place.
func (s *Simulation) At(t Seconds, h Handler, arg uint64) Timer {
	switch {
	case !(t >= s.now):
		s.Fail(fmt.Errorf("event planned for date %v s, but it is %v s already", float64(t), float64(s.now)))
		return Timer{}
	case h == nil:
		s.Fail(fmt.Errorf("event at %v s has no handler", float64(t)))
		return Timer{}
	case math.IsInf(float64(t), 1):
		return Timer{}
	}
	return s.queue.push(t, h, arg)
}

// After calls h.Handle d from now, as At does.
func (s *Simulation) After(d Seconds, h Handler, arg uint64) Timer { return s.At(s.now+d, h, arg) }

// Call calls f at date t. It is At for those who need no argument.
func (s *Simulation) Call(t Seconds, f func()) Timer {
	if f == nil {
		s.Fail(fmt.Errorf("call at %v s of no function", float64(t)))
		return Timer{}
	}
	return s.At(t, call(f), 0)
}

type call func()

func (f call) Handle(Seconds, uint64) { f() }

// Cancel takes an event out of the queue. It does nothing if the event has
// taken place or was cancelled before.
func (s *Simulation) Cancel(t Timer) { s.queue.cancel(t) }

// Run processes all events up to and including date until, which is then the
// date, unless Stop or Fail ended it before. With Forever it runs until no
// event is left, and the date is that of the last one; or, if there are daemons
// among the processes, until all the others have ended. Run must not be called
// by an event or a process.
//
// It returns the error that the run was ended with, or nil: an argument that
// makes no sense in a call that returns no error, a process that panicked, or,
// if they are checked, an invariant that does not hold. The error says at what
// date that was. If no event is left but processes wait that are no daemons, it
// returns a [DeadlockError], which does not end the simulation.
func (s *Simulation) Run(until Seconds) error {
	if !(until >= s.now) {
		return fmt.Errorf("sim: run until date %v s, but it is %v s already", float64(until), float64(s.now))
	}
	if p := s.processes.current; p != nil {
		return fmt.Errorf("sim: process %q calls Run", p.name)
	}
	for !s.stopped {
		if !s.processes.ready.empty() {
			s.processes.run()
			if s.settings.Check {
				s.check("turns of processes")
			}
			continue
		}
		if until == Forever && s.processes.onlyDaemons() {
			break
		}
		at, h, arg, ok := s.queue.pop(until)
		if !ok {
			if until == Forever {
				return s.processes.deadlock()
			}
			s.now = until
			break
		}
		s.now = at
		s.events++
		h.Handle(at, arg)
		if s.settings.Check {
			if err := s.checkTouched(); err != nil { // the text costs more than the check
				s.Fail(fmt.Errorf("after event %d, of %T %d: %w", s.events, h, arg, err))
			}
		}
	}
	return s.err
}

// Stop makes Run return after the current event. The simulation stays
// stopped: a later Run returns at once. It is for handlers of events; who
// wants to end a run from elsewhere runs it in parts, and looks between them.
func (s *Simulation) Stop() { s.stopped = true }

// Stopped reports whether Stop or Fail was called.
func (s *Simulation) Stopped() bool { return s.stopped }

// Fail ends the run after the current event, and makes Run return err with the
// date. Only the first error counts.
func (s *Simulation) Fail(err error) {
	if s.err == nil {
		s.err = fmt.Errorf("sim: at %v s: %w", float64(s.now), err)
	}
	s.stopped = true
}
