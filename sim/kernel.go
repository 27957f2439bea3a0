package sim

import (
	"fmt"
	"time"
)

// Handler is what an event calls. One handler can serve many events: arg says
// which one it is, for instance the index of a VM.
type Handler interface {
	Handle(now time.Duration, arg uint64)
}

// Timer names an event that was put in the queue. The zero Timer names none.
type Timer struct {
	seq  uint64
	slot uint32
}

// Now returns the date: the time since the start of the simulation.
func (s *Simulation) Now() time.Duration { return s.now }

// Events returns how many events have been processed. Cancelled ones do not
// count.
func (s *Simulation) Events() uint64 { return s.events }

// At calls h.Handle(t, arg) at date t. Events of the same date take place in
// the order of their calls of At. A date in the past is a panic.
func (s *Simulation) At(t time.Duration, h Handler, arg uint64) Timer {
	if t < s.now {
		panic(fmt.Sprintf("sim: event at %v, but it is %v already", t, s.now))
	}
	if h == nil {
		panic(fmt.Sprintf("sim: event at %v has no handler", t))
	}
	return s.queue.push(t, h, arg)
}

// Call calls f at date t. It is At for those who need no argument.
func (s *Simulation) Call(t time.Duration, f func()) Timer {
	if f == nil {
		panic(fmt.Sprintf("sim: call at %v of no function", t))
	}
	return s.At(t, call(f), 0)
}

type call func()

func (f call) Handle(time.Duration, uint64) { f() }

// Cancel takes an event out of the queue. It does nothing if the event has
// taken place or was cancelled before.
func (s *Simulation) Cancel(t Timer) { s.queue.cancel(t) }

// Run processes all events up to and including date until, which is then the
// date, unless Stop ended it before. It must not be called by an event.
func (s *Simulation) Run(until time.Duration) {
	if until < s.now {
		panic(fmt.Sprintf("sim: run until %v, but it is %v already", until, s.now))
	}
	for !s.stopped {
		at, h, arg, ok := s.queue.pop(until)
		if !ok {
			s.now = until
			return
		}
		s.now = at
		s.events++
		h.Handle(at, arg)
	}
}

// Stop makes Run return after the current event. The simulation stays
// stopped: a later Run returns at once. It is for handlers of events; who
// wants to end a run from elsewhere runs it in parts, and looks between them.
func (s *Simulation) Stop() { s.stopped = true }

// Stopped reports whether Stop was called.
func (s *Simulation) Stopped() bool { return s.stopped }
