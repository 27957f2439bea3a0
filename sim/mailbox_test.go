package sim

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestSenderAndReceiverMeetInOrderOfArrival(t *testing.T) {
	s := newStage(t, 2)
	m := s.Mailbox("m")
	if s.Mailbox("m") != m || s.NewMailbox("m") == m || m.Name() != "m" {
		t.Error("a name stands for one mailbox, and a new one has none")
	}
	for i := range 3 {
		s.spawn(here, "sender", func(p *Process) {
			s.must(p.Send(m, i, 0))
			s.note("sent %d", i)
		})
	}
	s.spawn(here, "receiver", func(p *Process) {
		p.Sleep(1)
		if m.Senders() != 3 {
			t.Errorf("%d senders wait, want 3", m.Senders())
		}
		for range 4 {
			got, err := p.Receive(m)
			s.must(err)
			s.note("received %v", got)
		}
	})
	s.spawn(here, "late", func(p *Process) {
		p.Sleep(2)
		if m.Receivers() != 1 {
			t.Errorf("%d receivers wait, want 1", m.Receivers())
		}
		s.must(p.Send(m, "late", 0))
		s.note("goes on at once")
	})
	s.plays("1: received 0", "1: received 1", "1: received 2", "1: sent 0", "1: sent 1", "1: sent 2", "2: goes on at once", "2: received late")
}

func TestAReceiverGetsOneMessage(t *testing.T) {
	s := newStage(t, 1)
	m := s.Mailbox("m")
	receive := func(p *Process) {
		got, err := p.Receive(m)
		s.must(err)
		s.note("%s receives %v", p.Name(), got)
	}
	s.spawn(here, "q", receive)
	s.spawn(here, "p", func(p *Process) {
		s.must(p.Send(m, 1, 0)) // goes on before q has its turn
		if err := p.SendTimeout(m, 2, 0, 1); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		r, err := p.Spawn("r", receive)
		s.must(err)
		p.Sleep(1)
		r.Kill()
		if m.Receivers() != 0 {
			t.Error("who was killed still waits for a message")
		}
	})
	s.plays("0: q receives 1")
}

func TestTimeoutsOfThoseWhoDoNotMeet(t *testing.T) {
	s := newStage(t, 1)
	m := s.Mailbox("m")
	s.spawn(here, "p", func(p *Process) {
		for _, timeout := range []Seconds{0, 2} {
			if err := p.SendTimeout(m, nil, 1, timeout); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), `process "p": send to mailbox "m"`) {
				t.Error(err)
			}
			s.note("sent in vain")
			if _, err := p.ReceiveTimeout(m, timeout); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), `process "p": receive from mailbox "m"`) {
				t.Error(err)
			}
			s.note("received in vain")
		}
		if m.Senders() != 0 || m.Receivers() != 0 {
			t.Error("they are still in the mailbox")
		}
	})
	s.plays("0: sent in vain", "0: received in vain", "2: sent in vain", "4: received in vain")
}

func TestTheEndOfOneSideIsAnErrorAtTheOther(t *testing.T) {
	// A message of 8 s is on its way from host 1 to host 2, and at 4 s this
	// happens.
	for name, c := range map[string]struct {
		happens          func(s *stage, sender, receiver *Process, flow func() *Activity)
		sender, receiver error
	}{
		"sender killed":    {func(_ *stage, p, _ *Process, _ func() *Activity) { p.Kill() }, nil, ErrKilled},
		"receiver killed":  {func(_ *stage, _, q *Process, _ func() *Activity) { q.Kill() }, ErrKilled, nil},
		"sender's host":    {func(s *stage, _, _ *Process, _ func() *Activity) { s.must(s.TurnOff(1)) }, nil, ErrHostOff},
		"receiver's host":  {func(s *stage, _, _ *Process, _ func() *Activity) { s.must(s.TurnOff(2)) }, ErrHostOff, nil},
		"sender cancelled": {func(_ *stage, _, _ *Process, a func() *Activity) { a().Cancel() }, ErrCancelled, ErrCancelled},
	} {
		s := newStage(t, 3)
		s.wire(1e8)
		m := s.Mailbox("m")
		var a *Activity
		ends := map[string]error{}
		watch := func(name string, p *Process) {
			p.OnExit(func(err error) {
				if err != nil {
					delete(ends, name)
				}
			})
		}
		p := s.spawn(HostID(1).Place(), "sender", func(p *Process) {
			watch("sender", p)
			var err error
			a, err = p.SendAsync(m, "lost", 8e8)
			s.must(err)
			ends["sender"] = p.Wait(a)
		})
		q := s.spawn(HostID(2).Place(), "receiver", func(q *Process) {
			watch("receiver", q)
			got, err := q.Receive(m)
			ends["receiver"] = err
			if got != nil {
				t.Errorf("%s: received %v", name, got)
			}
		})
		s.Call(4, func() { c.happens(s, p, q, func() *Activity { return a }) })
		if err := s.Run(Forever); err != nil || !p.Ended() || !q.Ended() {
			t.Errorf("%s: %v", name, err)
		}
		for who, want := range map[string]error{"sender": c.sender, "receiver": c.receiver} {
			if got := ends[who]; !errors.Is(got, want) || want != nil && s.Now() != 4 {
				t.Errorf("%s: the %s gets %v at %v, want %v", name, who, got, s.Now(), want)
			}
		}
	}
}

func TestATimeoutOnTheWayEndsBothSides(t *testing.T) {
	s := newStage(t, 2)
	s.wire(1e8)
	m := s.Mailbox("m")
	s.spawn(here, "p", func(p *Process) {
		if err := p.SendTimeout(m, "x", 8e8, 2); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		s.note("gives up")
		if err := p.Send(m, "y", 8e8); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "the other end") {
			t.Error(err)
		}
		s.note("is given up")
	})
	s.spawn(HostID(1).Place(), "q", func(q *Process) {
		if _, err := q.Receive(m); !errors.Is(err, ErrTimeout) || !strings.Contains(err.Error(), "the other end") {
			t.Error(err)
		}
		if _, err := q.ReceiveTimeout(m, 3); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
	})
	s.plays("2: gives up", "5: is given up")
}

func TestMessagesTakeTheTimeOfTheirFlow(t *testing.T) {
	s := newStage(t, 2)
	s.wire(1e8)
	m := s.Mailbox("m")
	s.spawn(here, "p", func(p *Process) {
		s.must(p.Send(m, "one", 2e8))
		s.note("sent")
		s.must(p.SendCapped(m, "slow", 2e8, 5e7))
		s.note("sent slowly")
		s.must(p.SendTo(HostID(1).Place(), 1e8))
		s.note("sent to nobody")
		a, err := p.StartSendTo(HostID(1).Place(), 1e8)
		s.must(err)
		p.Sleep(0.5)
		s.note("%v bytes are left", a.Remaining())
		if s.FlowRate(a.Flow()) != 1e8 || (a.Exec() != Exec{}) {
			t.Error(s.FlowRate(a.Flow()), a.Exec())
		}
		s.must(p.Wait(a))
		s.note("sent")
	})
	s.spawn(HostID(1).Place(), "q", func(q *Process) {
		for range 2 {
			a, err := q.ReceiveAsync(m)
			s.must(err)
			if a.Payload() != nil || a.Over() {
				t.Error("received what was not sent")
			}
			s.must(q.Wait(a))
			s.note("received %v", a.Payload())
		}
	})
	s.plays("2: sent", "2: received one", "6: sent slowly", "6: received slow", "7: sent to nobody", "7.5: 5e+07 bytes are left", "8: sent")
}

func TestNothingIsSentWithoutARoute(t *testing.T) {
	s := newStage(t, 2)
	s.SetRouter(&Table{})
	m := s.Mailbox("m")
	s.spawn(here, "p", func(p *Process) {
		if err := p.Send(m, nil, 1); !errors.Is(err, ErrNoRoute) {
			t.Error(err)
		}
		if err := p.SendTo(HostID(1).Place(), 1); !errors.Is(err, ErrNoRoute) {
			t.Error(err)
		}
	})
	s.spawn(HostID(1).Place(), "q", func(q *Process) {
		if _, err := q.Receive(m); !errors.Is(err, ErrNoRoute) {
			t.Error(err)
		}
	})
	s.must(s.Run(Forever))
}

// Whether there is a way shows only when both ends have met. The one that came
// second keeps its turn, and is not woken later by what it was told already.
func TestWhoSendsWithoutARouteKeepsItsTurn(t *testing.T) {
	s := newStage(t, 2)
	s.SetRouter(&Table{})
	m := s.Mailbox("m")
	turns := 0
	s.spawn(HostID(1).Place(), "q", func(q *Process) {
		if _, err := q.Receive(m); !errors.Is(err, ErrNoRoute) {
			t.Error(err)
		}
		turns++
	})
	s.spawn(here, "p", func(p *Process) {
		p.Yield() // q is there
		if err := p.SendTimeout(m, nil, 1, 0); !errors.Is(err, ErrNoRoute) {
			t.Error(err)
		}
		if turns != 0 {
			t.Error("another one had its turn in between")
		}
		if p.Sleep(3); p.Now() != 3 {
			t.Errorf("it sleeps until %v", p.Now())
		}
	})
	s.must(s.Run(Forever))
}

// Who does not wait at all gets no message that takes a flow, even if that takes
// no time.
func TestWithoutPatienceNoFlowIsWaitedFor(t *testing.T) {
	s := newStage(t, 2)
	s.wire(1e9)
	m := s.Mailbox("m")
	turns := 0
	s.spawn(HostID(1).Place(), "q", func(q *Process) {
		if _, err := q.Receive(m); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		turns++
	})
	s.spawn(here, "p", func(p *Process) {
		p.Yield() // q is there
		if err := p.SendTimeout(m, nil, 0, 0); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if turns != 0 {
			t.Error("another one had its turn in between")
		}
	})
	s.must(s.Run(Forever))
}

func TestWaitAnyAndWaitAll(t *testing.T) {
	s := newStage(t, 2)
	s.spawn(here, "p", func(p *Process) {
		start := func(at HostID, work Work) *Activity {
			a, err := p.StartExecOn(at.Place(), ExecSpec{Work: work * Giga})
			s.must(err)
			return a
		}
		a, b := start(0, 4), start(1, 2)
		i, err := p.WaitAny(1, a, b)
		if i != -1 || !errors.Is(err, ErrTimeout) {
			t.Error(i, err)
		}
		s.note("none, %v left", a.Remaining())
		i, err = p.WaitAny(Forever, a, b)
		s.must(err)
		s.note("number %d", i)
		if err := p.WaitAll(1, a, b); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		s.note("not all")
		c := start(1, 8)
		s.Call(5, c.Cancel)
		if err := p.WaitAll(9, a, b, c); err != ErrCancelled {
			t.Error(err)
		}
		s.note("all")
		if !a.Over() || a.Err() != nil || c.Err() != ErrCancelled || a.Remaining() != 0 {
			t.Error(a.Err(), c.Err())
		}
		s.must(p.Wait(a))
	})
	s.plays("1: none, 3e+09 left", "2: number 1", "3: not all", "5: all")
}

func TestActivitiesAreSuspendedAndResumed(t *testing.T) {
	s := newStage(t, 1)
	s.spawn(here, "p", func(p *Process) {
		a, err := p.StartExec(ExecSpec{Work: 2 * Giga})
		s.must(err)
		s.Call(1, func() { s.must(a.Suspend()) })
		s.Call(5, func() { s.must(a.Resume()) })
		s.must(p.Wait(a))
		s.note("done")
		if err := a.Suspend(); !errors.Is(err, ErrOver) {
			t.Error(err)
		}
		b, err := p.SendAsync(s.Mailbox("m"), nil, 0)
		s.must(err)
		if err := b.Suspend(); err == nil {
			t.Error("a message that is not on its way is suspended")
		}
	})
	s.plays("6: done")
}

func TestWhatAProcessLeavesBehindIsCancelled(t *testing.T) {
	s := newStage(t, 2)
	m := s.Mailbox("m")
	s.spawn(here, "p", func(p *Process) {
		for i := range 4 {
			a, err := p.SendAsync(m, i, 0)
			s.must(err)
			if i == 2 {
				a.Detach()
				a.Detach()
			}
		}
		_, err := p.StartExec(ExecSpec{Work: 9 * Giga})
		s.must(err)
	})
	s.spawn(here, "q", func(q *Process) {
		q.Sleep(1)
		s.note("%d messages, host at %v", m.Senders(), float64(s.HostLoad(0)))
		got, err := q.Receive(m)
		s.must(err)
		s.note("received %v", got)
	})
	s.plays("1: 1 messages, host at 0", "1: received 2")
}

func TestMessagesBetweenVMsOfAHostAreFastAndThoseToASuspendedOneWait(t *testing.T) {
	s := newStage(t, 1)
	a, b := s.addVM(0), s.addVM(0)
	m := s.Mailbox("m")
	s.spawn(a.Place(), "p", func(p *Process) {
		s.must(p.Send(m, 1, 0))
		s.note("sent")
		p.Sleep(2)
		s.must(p.Send(m, 2, 0))
		s.note("sent")
	})
	s.spawn(b.Place(), "q", func(q *Process) {
		for range 2 {
			got, err := q.Receive(m)
			s.must(err)
			s.note("received %v", got)
		}
	})
	s.Call(1, func() { s.must(s.Suspend(b)) })
	s.Call(3, func() { s.must(s.Resume(b)) })
	s.plays("0: received 1", "0: sent", "3: sent", "3: received 2")
}

// Many processes wait for one activity, which one of them has started.
func TestOthersMayWaitForAnActivity(t *testing.T) {
	s := newStage(t, 1)
	var a *Activity
	s.spawn(here, "owner", func(p *Process) {
		var err error
		a, err = p.StartExec(ExecSpec{Work: 3 * Giga})
		s.must(err)
		p.Sleep(5)
	})
	for i := range 3 {
		s.spawn(here, fmt.Sprint(i), func(p *Process) {
			err := p.WaitTimeout(a, Seconds(2*i))
			s.note("%d: %v", i, errors.Is(err, ErrTimeout))
		})
	}
	s.plays("0: 0: true", "2: 1: true", "3: 2: false")
}
