package sim

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// stage is a simulation with hosts that have a core of 1 Gflop/s each, and a
// log of what its processes say.
type stage struct {
	*Simulation
	t   *testing.T
	log []string
}

func newStage(t *testing.T, hosts int) *stage {
	t.Helper()
	settings := DefaultSettings()
	settings.Network = CM02 // messages take bytes / bandwidth
	simulation, err := NewWith(settings)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{Simulation: simulation, t: t}
	for i := range hosts {
		if _, err := s.AddHost(HostSpec{Name: fmt.Sprint("host", i), Cores: 1, Speeds: []Speed{Giga}}); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// wire connects all hosts by links of some bandwidth up and down to a switch.
func (s *stage) wire(bandwidth Bandwidth) {
	s.t.Helper()
	star := NewStar()
	for h := range HostID(s.Hosts()) {
		up, err := s.AddLink(LinkSpec{Name: fmt.Sprint("up", h), Bandwidth: bandwidth})
		s.must(err)
		down, err := s.AddLink(LinkSpec{Name: fmt.Sprint("down", h), Bandwidth: bandwidth})
		s.must(err)
		star.Connect(h, up, down)
	}
	s.SetRouter(star)
}

func (s *stage) spawn(at Place, name string, body func(*Process)) *Process {
	s.t.Helper()
	p, err := s.Spawn(at, name, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

func (s *stage) addVM(host HostID) VMID {
	s.t.Helper()
	id, err := s.AddVM(VMSpec{Name: fmt.Sprint("vm", s.VMs()), Host: host, VCPUs: 1})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

// note logs what happens, with its date to the nanosecond.
func (s *stage) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf("%v: ", s.Now().Duration().Seconds())+fmt.Sprintf(format, args...))
}

// plays runs the simulation to its end, and expects a log.
func (s *stage) plays(want ...string) {
	s.t.Helper()
	if err := s.Run(Forever); err != nil {
		s.t.Fatal(err)
	}
	if !slices.Equal(s.log, want) {
		s.t.Errorf("got\n\t%s\nwant\n\t%s", strings.Join(s.log, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func (s *stage) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Error(err)
	}
}

// goroutines returns how many there are, coroutines included, when those that are
// about to end have ended.
func goroutines() int {
	least := runtime.NumGoroutine()
	for range 10 {
		time.Sleep(100 * time.Microsecond)
		least = min(least, runtime.NumGoroutine())
	}
	return least
}

var here = HostID(0).Place()

func TestProcessesTakeTurnsInTheOrderInWhichTheyGetReady(t *testing.T) {
	s := newStage(t, 1)
	for _, name := range []string{"a", "b"} {
		s.spawn(here, name, func(p *Process) {
			s.note("%s starts", name)
			p.Sleep(0) // keeps its turn
			p.Yield()
			s.note("%s after the others", name)
			p.Sleep(2)
			s.note("%s wakes", name)
			p.SleepUntil(1) // has passed
			if _, err := p.Spawn(name+"'s child", func(*Process) { s.note("%s's child", name) }); err != nil {
				t.Error(err)
			}
			s.note("%s ends", name)
		})
	}
	s.Call(0, func() { s.note("event") })
	s.Call(2, func() { s.note("planned before they went to sleep") })
	s.plays("0: a starts", "0: b starts", "0: a after the others", "0: b after the others", "0: event",
		"2: planned before they went to sleep",
		"2: a wakes", "2: a ends", "2: a's child", "2: b wakes", "2: b ends", "2: b's child")
}

func TestStartAndKillDates(t *testing.T) {
	s := newStage(t, 1)
	p, err := s.SpawnWith(ProcessSpec{Name: "late", Place: here, Start: 3, Kill: 5, Data: 42}, func(p *Process) {
		defer func() { s.note("unwinds") }()
		p.OnExit(func(err error) { s.note("first given, last called: %v", err) })
		p.OnExit(func(error) { s.note("exits") })
		s.note("starts with %v", p.Data)
		p.Sleep(Forever)
		s.note("not reached")
	})
	s.must(err)
	s.Call(4, func() {
		if p.Ended() || len(s.Processes()) != 1 {
			t.Error("it has ended early")
		}
	})
	s.plays("3: starts with 42", "5: unwinds", "5: exits", "5: first given, last called: the process was killed")
	if !p.Ended() || len(s.Processes()) != 0 {
		t.Error("it has not ended")
	}
}

func TestSetKillTimeReplacesTheDate(t *testing.T) {
	s := newStage(t, 1)
	p := s.spawn(here, "p", func(p *Process) {
		p.OnExit(func(err error) { s.note("%v", err) })
		p.SetKillTime(5)
		p.Sleep(4)
		p.SetKillTime(6)
		p.Sleep(1.5)
		s.note("still here")
		p.SetKillTime(Forever)
		p.Sleep(2)
	})
	s.plays("5.5: still here", "7.5: <nil>")
	p.SetKillTime(8)
	s.must(s.Run(Forever))
	if s.Now() != 7.5 {
		t.Errorf("an event for a process that has ended took place at %v", s.Now())
	}
}

func TestAProcessThatIsKilledBeforeItsFirstTurnNeverRuns(t *testing.T) {
	s := newStage(t, 1)
	body := func(*Process) { s.note("not reached") }
	p := s.spawn(here, "p", body)
	q, err := s.SpawnWith(ProcessSpec{Name: "q", Place: here, Start: 9}, body)
	s.must(err)
	p.OnExit(func(err error) { s.note("%v", err) })
	p.Kill()
	s.Call(1, q.Kill)
	s.Call(2, q.Kill)
	s.plays("0: the process was killed")
	if s.Now() != 2 || !p.Ended() || !q.Ended() {
		t.Errorf("at %v: %v %v", s.Now(), p.Ended(), q.Ended())
	}
}

func TestAKilledProcessCannotWaitAnyMore(t *testing.T) {
	s := newStage(t, 1)
	p := s.spawn(here, "p", func(p *Process) {
		defer func() {
			defer s.note("outer")
			p.Sleep(1)
			s.note("not reached")
		}()
		p.OnExit(func(error) {
			_, _ = p.Receive(s.Mailbox("nobody"))
			s.note("not reached")
		})
		p.Sleep(10)
	})
	s.spawn(here, "q", func(q *Process) {
		q.Sleep(1)
		p.Kill()
		s.note("q goes on first")
		q.Kill()
		s.note("not reached")
	})
	s.plays("1: q goes on first", "1: outer")
}

func TestExitRunsDeferredFunctions(t *testing.T) {
	s := newStage(t, 1)
	s.spawn(here, "p", func(p *Process) {
		p.OnExit(func(err error) { s.note("%v", err) })
		defer s.note("deferred")
		p.Exit()
		s.note("not reached")
	})
	s.plays("0: deferred", "0: <nil>")
}

func TestJoin(t *testing.T) {
	s := newStage(t, 1)
	p := s.spawn(here, "p", func(p *Process) { p.Sleep(3) })
	s.spawn(here, "q", func(q *Process) {
		if err := q.Join(p, 0); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if err := q.Join(p, 1); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		s.note("waited for one second")
		s.must(q.Join(p, Forever))
		s.note("joined")
		s.must(q.Join(p, Forever))
	})
	s.plays("1: waited for one second", "3: joined")
}

func TestSuspendedProcessesGoOnWhenResumed(t *testing.T) {
	s := newStage(t, 1)
	p := s.spawn(here, "p", func(p *Process) {
		s.must(p.Execute(ExecSpec{Work: 2 * Giga}))
		s.note("computed")
		p.Sleep(1)
		s.note("slept")
		p.Suspend()
		s.note("resumed")
	})
	s.Call(1, p.Suspend)
	s.Call(2, p.Suspend)
	s.Call(4, p.Resume)
	s.Call(5.5, p.Suspend) // the sleep ends at 6
	s.Call(8, func() {
		p.Resume()
		p.Resume()
	})
	s.Call(9, func() {
		if !p.Suspended() {
			t.Error("it is not suspended")
		}
		p.Resume()
	})
	s.plays("5: computed", "8: slept", "9: resumed")
}

func TestProcessesOfAVMStopWithIt(t *testing.T) {
	s := newStage(t, 2)
	id := s.addVM(0)
	s.spawn(id.Place(), "p", func(p *Process) {
		p.OnExit(func(err error) { s.note("%v", err) })
		s.must(p.Execute(ExecSpec{Work: 2 * Giga}))
		s.note("computed")
		p.Sleep(1)
		s.note("slept")
		p.Sleep(Forever)
	})
	s.Call(1, func() { s.must(s.Suspend(id)) })
	s.Call(3, func() { s.must(s.Resume(id)) })
	s.Call(4.5, func() {
		s.must(s.Suspend(id))
		s.spawn(id.Place(), "q", func(*Process) { s.note("q starts with the VM") })
	})
	s.Call(7, func() { s.must(s.Resume(id)) })
	s.Call(8, func() { s.must(s.Shutdown(id)) })
	s.Call(9, func() {
		if _, err := s.Spawn(id.Place(), "r", func(*Process) {}); !errors.Is(err, ErrVMGone) {
			t.Error(err)
		}
	})
	s.plays("4: computed", "7: slept", "7: q starts with the VM", "8: the VM is shut down or destroyed")
}

func TestProcessesEndWithTheirHost(t *testing.T) {
	s := newStage(t, 2)
	id := s.addVM(1)
	other := HostID(1).Place()
	s.spawn(here, "lives", func(p *Process) {
		p.Sleep(2)
		s.must(s.TurnOff(1))
		s.note("host1 is off")
		if _, err := s.Spawn(other, "x", func(*Process) {}); !errors.Is(err, ErrHostOff) || !strings.Contains(err.Error(), "host1") {
			t.Error(err)
		}
		if err := p.SetPlace(other); !errors.Is(err, ErrHostOff) {
			t.Error(err)
		}
	})
	on := func(at Place, start Seconds) {
		_, err := s.SpawnWith(ProcessSpec{Place: at, Start: start}, func(p *Process) {
			p.OnExit(func(err error) { s.note("%v", err) })
			s.note("starts")
			p.Sleep(10)
		})
		s.must(err)
	}
	on(other, 0)
	on(id.Place(), 0)
	on(other, 3) // it is off then
	on(other, 5) // it is on again
	s.Call(4, func() { s.must(s.TurnOn(1)) })
	s.plays("0: starts", "0: starts", "2: host1 is off", "2: the host is off", "2: the VM is shut down or destroyed", "5: starts", "15: <nil>")
}

func TestAProcessMayTurnItsOwnHostOff(t *testing.T) {
	s := newStage(t, 1)
	s.spawn(here, "p", func(p *Process) {
		p.OnExit(func(err error) { s.note("%v", err) })
		s.must(s.TurnOff(0))
		s.note("up to where it would wait")
		p.Sleep(1)
		s.note("not reached")
	})
	s.plays("0: up to where it would wait", "0: the host is off")
}

func TestAProcessThatMovesComputesWhereItIs(t *testing.T) {
	s := newStage(t, 1)
	fast, err := s.AddHost(HostSpec{Name: "fast", Cores: 1, Speeds: []Speed{2 * Giga}})
	s.must(err)
	s.spawn(here, "p", func(p *Process) {
		s.must(p.Execute(ExecSpec{Work: Giga}))
		s.note("slow")
		s.must(p.SetPlace(fast.Place()))
		s.must(p.Execute(ExecSpec{Work: Giga}))
		s.note("fast: %v", p.Place() == fast.Place())
		s.must(s.TurnOff(0)) // where it is not any more
		p.Sleep(1)
		s.note("ends")
	})
	s.plays("1: slow", "1.5: fast: true", "2.5: ends")
}

func TestAProcessThatMovesToASuspendedVMStops(t *testing.T) {
	s := newStage(t, 1)
	id := s.addVM(0)
	s.must(s.Suspend(id))
	p := s.spawn(here, "p", func(p *Process) {
		p.Sleep(2)
		s.note("goes on")
	})
	s.Call(1, func() { s.must(p.SetPlace(id.Place())) })
	s.Call(3, func() { s.must(p.SetPlace(here)) })
	s.plays("3: goes on")
}

func TestAPanicEndsTheRun(t *testing.T) {
	s := newStage(t, 1)
	cause := errors.New("out of luck")
	s.spawn(here, "good", func(p *Process) {
		p.Sleep(5)
		s.note("not reached")
	})
	s.spawn(here, "bad", func(p *Process) {
		defer s.note("deferred")
		p.OnExit(func(err error) {
			if !errors.Is(err, cause) {
				t.Error(err)
			}
		})
		p.Sleep(2)
		panic(cause)
	})
	err := s.Run(Forever)
	var panicked *PanicError
	if !errors.As(err, &panicked) || !errors.Is(err, cause) || panicked.Process != "bad" || panicked.At != 2 {
		t.Fatalf("%#v", err)
	}
	if want := `sim: at 2 s: process "bad" panicked: out of luck`; err.Error() != want {
		t.Errorf("%q, want %q", err, want)
	}
	if !strings.Contains(string(panicked.Stack), "TestAPanicEndsTheRun") {
		t.Errorf("the stack does not show where:\n%s", panicked.Stack)
	}
	if got := s.Processes(); len(got) != 1 || got[0].Name() != "good" || len(s.log) != 1 {
		t.Errorf("%v %v", got, s.log)
	}
	if again := s.Run(Forever); again != err {
		t.Errorf("a second run: %v", again)
	}
}

func TestAPanicOfAnExitFunctionEndsTheRun(t *testing.T) {
	s := newStage(t, 1)
	s.spawn(here, "p", func(p *Process) {
		p.OnExit(func(error) { s.note("the other is called all the same") })
		p.OnExit(func(error) { panic("at the end") })
	})
	if err := s.Run(Forever); err == nil || !strings.Contains(err.Error(), `process "p" panicked: at the end`) {
		t.Error(err)
	}
	if len(s.log) != 1 {
		t.Error(s.log)
	}
}

// A test that fails in a process calls runtime.Goexit, and must not hang.
func TestGoexitEndsTheRun(t *testing.T) {
	s := newStage(t, 1)
	s.spawn(here, "p", func(p *Process) {
		p.Sleep(1)
		runtime.Goexit()
	})
	done := make(chan bool)
	go func() {
		defer close(done)
		_ = s.Run(Forever)
		t.Error("Run has returned, although its goroutine was to exit")
	}()
	<-done
	if err := s.Run(Forever); err == nil || err.Error() != `sim: at 1 s: process "p" called runtime.Goexit` {
		t.Error(err)
	}
	if len(s.Processes()) != 0 {
		t.Error("it has not ended")
	}
}

// What ends the goroutine of Run in the middle of a process's end leaves it ended
// all the same.
func TestGoexitInAnExitFunction(t *testing.T) {
	s := newStage(t, 1)
	p := s.spawn(here, "p", func(p *Process) {
		p.OnExit(func(error) { runtime.Goexit() })
		p.Sleep(1)
	})
	done := make(chan bool)
	go func() {
		defer close(done)
		_ = s.Run(Forever)
	}()
	<-done
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), `process "p" called runtime.Goexit`) || !p.Ended() {
		t.Error(err, p.Ended())
	}
}

func TestDeadlocksAreNamed(t *testing.T) {
	s := newStage(t, 1)
	id := s.addVM(0)
	m, sem, c := NewMutex("m"), NewSemaphore("s", 0), NewCondition("c")
	b, err := NewBarrier("b", 7)
	s.must(err)
	var first *Process
	bodies := []struct {
		want string
		body func(*Process)
	}{
		{`"0" (receive from mailbox "x")`, func(p *Process) { first = p; m.Lock(p); _, _ = p.Receive(s.Mailbox("x")) }},
		{`"1" (send to mailbox "y")`, func(p *Process) { _ = p.Send(s.Mailbox("y"), nil, 1) }},
		{`"2" (mutex "m")`, func(p *Process) { m.Lock(p) }},
		{`"3" (semaphore "s")`, func(p *Process) { _ = sem.Acquire(p) }},
		{`"4" (barrier "b")`, func(p *Process) { b.Wait(p) }},
		{`"5" (the end of process "0")`, func(p *Process) { _ = p.Join(first, Forever) }},
		{`"6" (sleep)`, func(p *Process) { p.Sleep(Forever) }},
		{`"7" (suspended)`, func(p *Process) { p.Suspend() }},
		{`"8" (VM "vm0" does not run)`, func(p *Process) {
			s.must(p.SetPlace(id.Place()))
			s.must(s.Suspend(id))
			p.Sleep(1)
		}},
		{`"9" (condition "c")`, func(p *Process) {
			own := NewMutex("own")
			own.Lock(p)
			c.Wait(p, own)
		}},
	}
	var want []string
	for i, b := range bodies {
		s.spawn(here, fmt.Sprint(i), b.body)
		want = append(want, b.want)
	}
	s.spawn(here, "11th", func(p *Process) { p.Sleep(Forever) })
	d := s.spawn(here, "daemon", func(p *Process) { p.Sleep(Forever) })
	d.Daemonize()
	err = s.Run(Forever)
	var stuck *DeadlockError
	if !errors.As(err, &stuck) || stuck.At != 1 || len(stuck.Blocked) != 11 {
		t.Fatal(err)
	}
	text := "sim: at 1 s: no event is left, but processes wait: " + strings.Join(want, ", ") + ", and 1 more"
	if err.Error() != text {
		t.Errorf("got  %s\nwant %s", err, text)
	}
	if len(s.Blocked()) != 12 {
		t.Error("the daemon is not among those that wait")
	}
	if s.Stopped() {
		t.Error("a deadlock stops the simulation")
	}
	for _, p := range s.Processes() {
		p.Kill()
	}
	s.must(s.Run(Forever))
}

func TestDaemonsDoNotKeepTheRunAlive(t *testing.T) {
	s := newStage(t, 1)
	_, err := s.SpawnWith(ProcessSpec{Name: "d", Place: here, Daemon: true}, func(p *Process) {
		for {
			p.Sleep(1)
			s.note("tick")
		}
	})
	s.must(err)
	s.spawn(here, "p", func(p *Process) { p.Sleep(2.5) })
	s.plays("1: tick", "2: tick")
	if s.Now() != 2.5 {
		t.Error(s.Now())
	}
	s.must(s.Run(3))
	if len(s.log) != 3 {
		t.Errorf("until a date, daemons run too: %v", s.log)
	}
}

func TestCloseEndsAllProcesses(t *testing.T) {
	before := goroutines()
	s := newStage(t, 1)
	m := NewMutex("m")
	for i := range 100 {
		s.spawn(here, fmt.Sprint(i), func(p *Process) {
			m.Lock(p)
			defer m.Unlock(p)
			defer func() {
				if _, err := p.Spawn("late", func(*Process) {}); err == nil {
					t.Error("a closed simulation takes new processes")
				}
			}()
			p.Sleep(Forever)
		})
	}
	_, err := s.SpawnWith(ProcessSpec{Place: here, Start: 5}, func(*Process) { t.Error("it runs") })
	s.must(err)
	s.must(s.Run(1))
	if got := goroutines(); got < before+100 {
		t.Errorf("%d coroutines, want 100", got-before)
	}
	s.must(s.Close())
	s.must(s.Close())
	if got := goroutines(); got > before {
		t.Errorf("%d coroutines are left", got-before)
	}
	s.must(s.Run(10))
	if s.Now() != 1 {
		t.Error("a closed simulation runs")
	}
}

func TestClosingFindsPanics(t *testing.T) {
	s := newStage(t, 1)
	s.spawn(here, "p", func(p *Process) {
		defer panic("in the end")
		p.Sleep(Forever)
	})
	s.must(s.Run(1))
	if err := s.Close(); err == nil || !strings.Contains(err.Error(), "in the end") {
		t.Error(err)
	}
}

func TestWrongUseIsAnError(t *testing.T) {
	s := newStage(t, 1)
	other := New()
	elsewhere := other.Mailbox("m")
	nan := Seconds(0)
	nan /= nan
	refused := func(what string, err error, parts ...string) {
		t.Helper()
		if err == nil {
			t.Errorf("%s is accepted", what)
			return
		}
		for _, part := range parts {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not say %q", what, err, part)
			}
		}
	}
	body := func(*Process) {}
	for _, spec := range []ProcessSpec{
		{Name: "x", Place: HostID(1).Place()},
		{Name: "x", Place: HostID(-1).Place()},
		{Name: "x", Place: VMID(0).Place(), Start: 9},
		{Name: "x", Place: here, Start: -1},
		{Name: "x", Place: here, Start: nan},
		{Name: "x", Place: here, Start: 5, Kill: 4},
		{Name: "x", Place: here, Kill: nan},
	} {
		_, err := s.SpawnWith(spec, body)
		refused(fmt.Sprint(spec), err, `process "x"`)
	}
	_, err := s.Spawn(here, "x", nil)
	refused("no body", err, `process "x"`, "no body")
	_, err = NewBarrier("b", 0)
	refused("a barrier for nobody", err, `"b"`)

	idle := s.spawn(here, "idle", func(p *Process) { p.Sleep(1) })
	p := s.spawn(here, "p", func(p *Process) {
		m := s.Mailbox("m")
		refused("calls for others", idle.Send(m, nil, 0), `process "idle"`, "somebody else")
		refused("joins for others", idle.Join(p, 0), `process "idle"`, "somebody else")
		refused("negative size", p.Send(m, nil, -1), `process "p"`, `"m"`)
		refused("negative cap", p.SendCapped(m, nil, 1, -1), `process "p"`, `"m"`)
		refused("negative timeout", p.SendTimeout(m, nil, 1, -1), `process "p"`, "-1 s")
		refused("mailbox of another simulation", p.Send(elsewhere, nil, 1), `process "p"`)
		_, err := p.Receive(elsewhere)
		refused("mailbox of another simulation", err, `process "p"`)
		_, err = p.ReceiveTimeout(m, nan)
		refused("timeout that is no number", err, `process "p"`, "NaN")
		_, err = p.WaitAny(1)
		refused("waiting for nothing", err, `process "p"`)
		refused("waiting in vain", p.Wait(&Activity{proc: &Process{sim: other}}), `process "p"`, "another simulation")
		refused("execution of negative work", p.Execute(ExecSpec{Work: -1}))
		_, err = p.StartExec(ExecSpec{Work: -1})
		refused("execution of negative work", err)
		c := NewCondition("c")
		refused("condition without mutex", c.WaitTimeout(p, NewMutex("mu"), 1), `"c"`, `"mu"`)
		refused("run within a run", s.Run(3), `process "p"`)
		if m.Senders() != 0 || m.Receivers() != 0 {
			t.Error("what was refused has left something in the mailbox")
		}
	})
	s.must(s.Run(Forever))
	refused("moving what has ended", p.SetPlace(here), `process "p"`)

	mutex := NewMutex("mu")
	for name, body := range map[string]func(*Process){
		"sleeps for -1 s":                    func(p *Process) { p.Sleep(-1) },
		"sleeps until NaN":                   func(p *Process) { p.SleepUntil(nan) },
		"somebody else":                      func(p *Process) { q, _ := p.Spawn("q", body); q.Sleep(1) },
		"locks mutex \"mu\", which it holds": func(p *Process) { mutex.Lock(p); mutex.Lock(p) },
		"unlocks mutex \"mu2\", which":       func(p *Process) { NewMutex("mu2").Unlock(p) },
		"condition \"c\" without mutex":      func(p *Process) { NewCondition("c").Wait(p, NewMutex("mu3")) },
		"closes the simulation":              func(p *Process) { _ = p.Simulation().Close() },
		"planned for date -1":                func(p *Process) { p.SetKillTime(-1) },
	} {
		bad := newStage(t, 1)
		bad.spawn(here, "p", body)
		refused(name, bad.Run(Forever), name)
	}
}
