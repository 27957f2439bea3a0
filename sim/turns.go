package sim

import (
	"fmt"
	"iter"
	"runtime/debug"
	"slices"
)

// processes are those of a simulation, and whose turn it is.
type processes struct {
	sim     *Simulation
	current *Process
	until   Seconds // when the one that begins to wait stops to
	ready   queueing
	all     roster // those that have not ended, in the order in which they were spawned
	byHost  []roster
	byVM    []roster

	users, daemons int  // that have not ended
	served         bool // a process that is no daemon has ended
	closed         bool
	mailboxes      map[string]*Mailbox
}

// awaited is what a process waits for.
type awaited interface{ awaited() string }

type (
	asleep struct{}
	joined Process
)

func (asleep) awaited() string    { return "sleep" }
func (j *joined) awaited() string { return fmt.Sprintf("the end of process %q", j.name) }

// unwound is what a process panics with to end. It never leaves the package.
type unwound struct{}

func (unwound) String() string { return "the process was ended; this panic must not be kept back" }

// run gives all that are ready their turn, and those that get ready meanwhile.
func (ps *processes) run() {
	for !ps.ready.empty() && !ps.sim.stopped {
		ps.resume(ps.ready.pop())
	}
}

// resume runs a process until it waits or ends. One that is stopped loses its
// place in the line; proceed gives it another one.
func (ps *processes) resume(p *Process) {
	if p.next == nil && !ps.bear(p) || p.stopped() {
		return
	}
	for again := true; again; again = p.state == procWaiting && !ps.park(p) {
		p.state = procRunning
		ps.current = p
		p.next()
		ps.current = nil
	}
}

// park does what a process leaves to be done when it begins to wait: its
// message is sent, if both ends of one have met, and its timer set. It reports
// false if there is nothing to wait for after all.
//
// The stack of a process must not be used for this. It would grow, and with many
// processes the time goes into fetching their stacks.
func (ps *processes) park(p *Process) bool {
	if p.own.peer != nil {
		p.state = procRunning // it keeps its turn if the message is over at once
		p.own.dispatch()
		if p.own.over || ps.until <= ps.sim.now {
			return false
		}
		p.state = procWaiting
	}
	if ps.until < Forever {
		p.timer = ps.sim.At(ps.until, (*alarm)(p), 0)
	}
	return true
}

// bear prepares the first turn of a process. It reports false if there won't be
// one, since it was killed or its place is off: then it has nothing to unwind.
func (ps *processes) bear(p *Process) bool {
	if err := ps.available(p.place); err != nil && !p.killed {
		p.killed, p.cause = true, err
	}
	if p.killed {
		p.finish()
		return false
	}
	if !p.stopped() {
		p.next, _ = iter.Pull(p.run)
	}
	return true
}

// run is the whole life of a process.
func (p *Process) run(yield func(struct{}) bool) {
	p.yield = yield
	returned := false
	defer func() {
		p.judge(recover(), returned)
		p.finish()
	}()
	p.body(p)
	returned = true
}

// judge ends the run if a process, or what it does at its end, was not left in
// an orderly way. What calls runtime.Goexit can't be stopped from ending the
// goroutine of Run as well, so that a test that fails in a process has failed.
func (p *Process) judge(panicked any, returned bool) {
	var err error
	switch _, orderly := panicked.(unwound); {
	case orderly || panicked == nil && returned:
		return
	case panicked != nil:
		err = &PanicError{Process: p.name, At: p.sim.now, Value: panicked, Stack: debug.Stack()}
	default:
		err = fmt.Errorf("process %q called runtime.Goexit", p.name)
	}
	if p.cause == nil {
		p.cause = err
	}
	p.sim.Fail(err)
}

// finish ends a process for good.
func (p *Process) finish() {
	defer p.leave()
	p.killed = true // whatever would wait from here on unwinds
	for len(p.onExit) > 0 {
		last := len(p.onExit) - 1
		f := p.onExit[last]
		p.onExit = p.onExit[:last]
		p.atExit(f)
	}
}

func (p *Process) atExit(f func(error)) {
	returned := false
	defer func() { p.judge(recover(), returned) }()
	f(p.cause)
	returned = true
}

// leave takes a process out of the simulation.
func (p *Process) leave() {
	ps := &p.sim.processes
	if p.cause == nil {
		p.cause = ErrEnded
	}
	p.drop(p.cause)
	p.state = procEnded
	p.sim.Cancel(p.timer)
	p.sim.Cancel(p.killTimer)
	ps.at(p.place).remove(p, inPlace)
	ps.all.remove(p, inAll)
	p.count(-1)
	ps.served = ps.served || !p.daemon
	for _, j := range p.joiners {
		j.wake()
	}
	p.joiners, p.next, p.yield, p.body = nil, nil, nil, nil
	ps.current = nil
}

// turn is the first thing in each call that waits: it ends a process that was
// killed, and refuses calls by others.
func (p *Process) turn(what string) error {
	if p.sim.processes.current != p {
		return p.wrong(what, "is called by somebody else")
	}
	if p.killed {
		panic(unwound{})
	}
	return nil
}

// patience is turn for a call with a timeout. It returns the date at which that
// is over.
func (p *Process) patience(what string, timeout Seconds) (Seconds, error) {
	if err := p.turn(what); err != nil {
		return 0, err
	}
	if !(timeout >= 0) {
		return 0, p.wrong(what, fmt.Sprintf("has a timeout of %v s", float64(timeout)))
	}
	return p.sim.now + timeout, nil
}

func (p *Process) wrong(what, why string) error {
	return fmt.Errorf("sim: process %q: %s %s", p.name, what, why)
}

// block waits until the process is woken or a date has come, which may be
// Forever. It does not return to a process that was killed.
func (p *Process) block(on awaited, until Seconds) {
	p.pause(on, until)
	p.unwind()
}

// unwind ends a process that was killed.
func (p *Process) unwind() {
	if p.killed {
		panic(unwound{})
	}
}

// pause is block for those who have something to put in order first if the
// process was killed.
func (p *Process) pause(on awaited, until Seconds) {
	p.state, p.wait = procWaiting, on
	p.sim.processes.until = until
	p.yield(struct{}{})
}

// wake makes a process ready that waits. One that has been woken already stays
// where it is in the line.
func (p *Process) wake() {
	if p.state != procWaiting {
		return
	}
	p.sim.Cancel(p.timer)
	p.timer = Timer{}
	p.start()
}

func (p *Process) start() {
	p.state = procReady
	p.wait = nil
	p.sim.processes.ready.push(p)
}

// stopped reports whether the process must not run although it is ready.
func (p *Process) stopped() bool { return (p.suspended || p.frozen) && !p.killed }

// proceed puts a process in the line again that lost its place in it because it
// was stopped, and is not any more.
func (p *Process) proceed() {
	if p.state == procReady && !p.stopped() && !p.queued {
		p.sim.processes.ready.push(p)
	}
}

// alarm wakes a process whose timer has come: it has slept long enough, or
// waited too long, or is to start.
type alarm Process

func (a *alarm) Handle(Seconds, uint64) {
	p := (*Process)(a)
	p.timer = Timer{}
	p.start()
}

// deadline kills a process.
type deadline Process

func (d *deadline) Handle(Seconds, uint64) { (*Process)(d).kill(ErrKilled) }

// kill takes a process out of all that it waits for, and lets it unwind when its
// turn comes.
func (p *Process) kill(cause error) {
	if p.killed || p.state == procEnded {
		return
	}
	p.killed, p.cause = true, cause
	p.sim.Cancel(p.timer)
	p.timer = Timer{}
	if p.line != nil && p.line.has(p, inLine) {
		p.line.remove(p, inLine)
	}
	p.drop(cause)
	if p.state == procWaiting || p.state == procUnborn {
		p.start()
	}
	p.proceed()
}

// drop ends all that the process has started or takes part in.
func (p *Process) drop(cause error) {
	for len(p.started) > 0 {
		p.started[len(p.started)-1].abort(cause)
	}
	p.own.abort(cause)
}

// vmChanged stops the processes of a VM that stops to run, lets them go on if it
// runs again, and ends them with it.
func (ps *processes) vmChanged(id VMID, _, to VMState) {
	if int(id) >= len(ps.byVM) {
		return
	}
	for _, p := range ps.byVM[id].members(inPlace) {
		switch to {
		case VMOff, VMDestroyed:
			if p.state != procUnborn {
				p.kill(ErrVMGone)
			}
		case VMRunning:
			p.frozen = false
			p.proceed()
		default:
			p.frozen = true
		}
	}
}

// hostSwitched ends the processes of a host that is switched off. Those of its
// VMs end with these.
func (ps *processes) hostSwitched(h HostID, on bool) {
	if on || int(h) >= len(ps.byHost) {
		return
	}
	for _, p := range ps.byHost[h].members(inPlace) {
		if p.state != procUnborn {
			p.kill(ErrHostOff)
		}
	}
}

// onlyDaemons reports whether nobody is left whom the daemons could serve.
func (ps *processes) onlyDaemons() bool { return ps.served && ps.users == 0 && ps.daemons > 0 }

// Close ends all processes: they unwind as if they had been killed. The
// simulation stays stopped. A simulation with processes that still wait keeps
// their stacks until it is closed.
//
// It returns the error that the simulation has failed with, if any, be it while
// closing. It must not be called by an event or a process.
func (s *Simulation) Close() error {
	ps := &s.processes
	if ps.current != nil {
		s.Fail(fmt.Errorf("process %q closes the simulation", ps.current.name))
		return s.err
	}
	ps.closed = true
	s.stopped = true
	for ps.all.first != nil {
		p := ps.all.first
		p.kill(ErrKilled)
		ps.resume(p)
	}
	ps.ready = queueing{}
	return s.err
}

// without returns a list without one of its members, if it has it.
func without(list []*Process, p *Process) []*Process {
	if i := slices.Index(list, p); i >= 0 {
		return slices.Delete(list, i, i+1)
	}
	return list
}
