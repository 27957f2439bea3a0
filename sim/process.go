package sim

import (
	"fmt"
	"math"
)

// Process is a program that runs on a host or in a VM: it sleeps, computes,
// sends, receives and waits, one after the other, and the simulation goes on
// meanwhile.
//
// Processes take turns, and one hands over to the next only in a call that
// waits: between two such calls nothing else happens and no time passes. When
// an event has made processes ready, they run right after it and before the
// next one, in the order in which they became ready. What a process makes ready
// joins the end of that line.
//
// A process stops while its VM does not run or while it is suspended: what it
// waits for goes on, but for its executions, and it learns of it when it is
// resumed. It is killed when its VM is shut down or destroyed or its host is
// switched off. A killed process unwinds when its turn comes, at the same date:
// its deferred functions run, then those given to OnExit. They must not wait;
// a call that would wait ends them. It unwinds by a panic, which must not be
// kept back by recover. A process that suspends its own VM, or shuts it down, or
// switches its own host off, goes on up to its next call that waits.
//
// The methods that wait, and those that start something on behalf of the
// process, are for its own code only. Others, such as Kill, Suspend and Resume,
// are for anybody in the same simulation, events included.
//
// Each process is a coroutine with a small stack. [Simulation.Close] ends those
// that still wait.
type Process struct {
	// What each message needs is together, since with many processes the time goes
	// into fetching it.
	sim       *Simulation
	next      func() (struct{}, bool) // runs it until it waits; nil before its first turn
	yield     func(struct{}) bool     // hands back to who called next
	state     processState
	suspended bool     // by Suspend
	frozen    bool     // its VM does not run
	killed    bool     // it unwinds as soon as it runs
	queued    bool     // in line for its turn
	letOut    bool     // of its line, and not by its timer
	daemon    bool     // see ProcessSpec
	place     Place    // where it is
	timer     Timer    // when it stops to wait
	wait      awaited  // what it waits for
	own       Activity // what it waits for in a call that both starts and waits

	// Data is the user's.
	Data any

	name      string
	body      func(*Process)
	line      *line // that it stands in, if links says so
	links     [rosters]rosterLink
	started   []*Activity // without waiting, in no particular order
	joiners   []*Process  // wait for its end
	onExit    []func(error)
	cause     error // why it ends; nil if it does so by itself
	killTimer Timer
}

// ProcessSpec describes a process.
type ProcessSpec struct {
	Name  string
	Place Place
	// Start is the date of its first turn; one that has passed means at once.
	Start Seconds
	// Kill is the date at which it is killed; 0 means never.
	Kill Seconds
	// Daemon says that it serves others, and ends with them: see Run.
	Daemon bool
	Data   any
}

type processState uint8

const (
	procUnborn processState = iota // its start date has not come
	procReady                      // stands in line for its turn, or would if it were not stopped
	procRunning
	procWaiting
	procEnded
)

// Spawn starts a process on a host or in a VM. Its first turn is at the present
// date, when those who are ready have had theirs. In a VM that is suspended or
// boots it waits until the VM runs.
//
// It is refused if there is no such place, if the host is off (ErrHostOff), or if
// the VM is off or destroyed (ErrVMGone).
func (s *Simulation) Spawn(at Place, name string, body func(*Process)) (*Process, error) {
	return s.SpawnWith(ProcessSpec{Name: name, Place: at}, body)
}

// SpawnWith starts a process as Spawn does. Whether its place is on matters at
// its start date only: if it is off then, the process ends without having run.
func (s *Simulation) SpawnWith(spec ProcessSpec, body func(*Process)) (*Process, error) {
	if err := s.processes.refuse(spec, body); err != nil {
		return nil, fmt.Errorf("sim: spawn process %q: %w", spec.Name, err)
	}
	p := &Process{sim: s, name: spec.Name, place: spec.Place, body: body, daemon: spec.Daemon, Data: spec.Data}
	p.own = Activity{proc: p, over: true, index: none}
	s.processes.add(p)
	if spec.Start > s.now {
		p.timer = s.At(spec.Start, (*alarm)(p), 0)
	} else {
		p.start()
	}
	if spec.Kill > 0 {
		p.killTimer = s.At(spec.Kill, (*deadline)(p), 0)
	}
	return p, nil
}

// Spawn starts a process at the same place, as [Simulation.Spawn] does.
func (p *Process) Spawn(name string, body func(*Process)) (*Process, error) {
	return p.sim.Spawn(p.place, name, body)
}

func (ps *processes) refuse(spec ProcessSpec, body func(*Process)) error {
	switch {
	case ps.closed:
		return fmt.Errorf("the simulation is closed")
	case body == nil:
		return fmt.Errorf("it has no body")
	case !(spec.Start >= 0):
		return fmt.Errorf("start date %v s", float64(spec.Start))
	case spec.Kill != 0 && !(spec.Kill >= ps.sim.now && spec.Kill >= spec.Start):
		return fmt.Errorf("kill date %v s is before its start", float64(spec.Kill))
	}
	if spec.Start > ps.sim.now {
		return ps.exists(spec.Place)
	}
	return ps.available(spec.Place)
}

// exists says that there is no such place.
func (ps *processes) exists(at Place) error {
	if id, ok := at.VM(); ok {
		if id < 0 || int(id) >= ps.sim.VMs() {
			return fmt.Errorf("there is no VM %d", id)
		}
	} else if at.host < 0 || int(at.host) >= ps.sim.Hosts() {
		return fmt.Errorf("there is no host %d", at.host)
	}
	return nil
}

// available says why no process can run at a place.
func (ps *processes) available(at Place) error {
	if err := ps.exists(at); err != nil {
		return err
	}
	s := ps.sim
	if id, ok := at.VM(); ok {
		if state := s.State(id); state == VMOff || state == VMDestroyed {
			return fmt.Errorf("VM %q: %w", s.VM(id).Name, ErrVMGone)
		}
	} else if !s.IsOn(at.host) {
		return fmt.Errorf("host %q: %w", s.Host(at.host).Name, ErrHostOff)
	}
	return nil
}

func (ps *processes) add(p *Process) {
	p.count(+1)
	ps.all.push(p, inAll)
	p.settle()
}

func (p *Process) count(n int) {
	if p.daemon {
		p.sim.processes.daemons += n
	} else {
		p.sim.processes.users += n
	}
}

// settle enters a process in the list of its place.
func (p *Process) settle() {
	ps := &p.sim.processes
	ps.at(p.place).push(p, inPlace)
	id, inVM := p.place.VM()
	p.frozen = inVM && p.sim.State(id) != VMRunning
}

// at returns the list of the processes at a place.
func (ps *processes) at(place Place) *roster {
	list, i := &ps.byHost, int(place.host)
	if id, ok := place.VM(); ok {
		list, i = &ps.byVM, int(id)
	}
	if i >= len(*list) {
		*list = append(*list, make([]roster, i+1-len(*list))...)
	}
	return &(*list)[i]
}

// Name returns the name that the process was given.
func (p *Process) Name() string { return p.name }

// Place returns where the process runs.
func (p *Process) Place() Place { return p.place }

// Now returns the date.
func (p *Process) Now() Seconds { return p.sim.now }

// Simulation returns the simulation that the process is part of.
func (p *Process) Simulation() *Simulation { return p.sim }

// Ended reports whether the process has ended.
func (p *Process) Ended() bool { return p.state == procEnded }

// Suspended reports whether the process was suspended by Suspend.
func (p *Process) Suspended() bool { return p.suspended }

// Daemonize makes the process a daemon: it serves others and ends with them, see
// [Simulation.Run].
func (p *Process) Daemonize() {
	if !p.daemon && p.state != procEnded {
		p.count(-1)
		p.daemon = true
		p.count(+1)
	}
}

// Processes returns the processes that have not ended, in the order in which
// they were spawned.
func (s *Simulation) Processes() []*Process {
	var all []*Process
	for p := s.processes.all.first; p != nil; p = p.links[inAll].next {
		all = append(all, p)
	}
	return all
}

// Sleep waits for some seconds. A duration that is negative or no number ends
// the run with an error. Who sleeps for no time keeps its turn.
func (p *Process) Sleep(d Seconds) {
	if !(d >= 0) {
		p.sim.Fail(fmt.Errorf("process %q sleeps for %v s", p.name, float64(d)))
		return
	}
	p.SleepUntil(p.sim.now + d)
}

// SleepUntil waits until a date; until one that has passed, not at all. One that
// is no number ends the run with an error.
func (p *Process) SleepUntil(t Seconds) {
	if err := p.turn("sleep"); err != nil {
		p.sim.Fail(err)
		return
	}
	if math.IsNaN(float64(t)) {
		p.sim.Fail(fmt.Errorf("process %q sleeps until NaN", p.name))
		return
	}
	if t > p.sim.now {
		p.block(asleep{}, t)
	}
}

// Yield lets all others that are ready have their turn first.
func (p *Process) Yield() {
	if err := p.turn("yield"); err != nil {
		p.sim.Fail(err)
		return
	}
	p.state = procReady
	p.sim.processes.ready.push(p)
	p.yield(struct{}{})
	p.unwind()
}

// SetPlace moves the process to another host or VM. What it has started goes on
// where it is. It is refused as Spawn would be. Who moves itself to a VM that does
// not run waits there until it does.
func (p *Process) SetPlace(to Place) error {
	ps := &p.sim.processes
	if p.state == procEnded {
		return fmt.Errorf("sim: move process %q: %w", p.name, ErrOver)
	}
	if err := ps.available(to); err != nil {
		return fmt.Errorf("sim: move process %q: %w", p.name, err)
	}
	ps.at(p.place).remove(p, inPlace)
	p.place = to
	p.settle()
	if p == ps.current && p.stopped() {
		p.Yield()
	}
	p.proceed()
	return nil
}

// Join waits until another process has ended, at most for timeout seconds, or
// without limit if that is Forever. It returns ErrTimeout if it has not.
func (p *Process) Join(other *Process, timeout Seconds) error {
	until, err := p.patience("join", timeout)
	if err != nil {
		return err
	}
	if other.state == procEnded {
		return nil
	}
	if until > p.sim.now {
		other.joiners = append(other.joiners, p)
		p.block((*joined)(other), until)
		other.joiners = without(other.joiners, p)
	}
	if other.state != procEnded {
		return fmt.Errorf("sim: process %q joins %q: %w", p.name, other.name, ErrTimeout)
	}
	return nil
}

// Suspend stops the process and its executions until Resume. A process that
// suspends itself waits in this call. What it waits for goes on otherwise, and
// it learns of it when it is resumed.
func (p *Process) Suspend() {
	if p.suspended || p.state == procEnded {
		return
	}
	p.suspended = true
	p.eachExec((*Simulation).SuspendExec)
	if p == p.sim.processes.current && !p.killed {
		p.Yield()
	}
}

// Resume lets a process that was suspended by Suspend go on.
func (p *Process) Resume() {
	if !p.suspended || p.state == procEnded {
		return
	}
	p.suspended = false
	p.eachExec((*Simulation).ResumeExec)
	p.proceed()
}

// eachExec applies f to the executions of the process that are not over.
func (p *Process) eachExec(f func(*Simulation, Exec) error) {
	if p.own.kind == actExec && !p.own.over {
		_ = f(p.sim, p.own.exec)
	}
	for _, a := range p.started {
		if a.kind == actExec {
			_ = f(p.sim, a.exec)
		}
	}
}

// OnExit has f called when the process ends: with nil if its function returned
// or it called Exit, and else with why it was killed or how it panicked. The last
// one given is called first.
func (p *Process) OnExit(f func(error)) { p.onExit = append(p.onExit, f) }

// Exit ends the process. Its deferred functions run.
func (p *Process) Exit() {
	if err := p.turn("exit"); err != nil {
		p.sim.Fail(err)
		return
	}
	panic(unwound{})
}

// Kill ends the process, at the present date. What it waits for and what it has
// started is cancelled at once; who is at the other end of its messages gets
// ErrKilled. Who kills itself does not return.
func (p *Process) Kill() {
	p.kill(ErrKilled)
	if p.killed && p == p.sim.processes.current {
		panic(unwound{})
	}
}

// SetKillTime has the process killed at a date, which replaces an earlier one.
// Forever means never. A date in the past ends the run with an error.
func (p *Process) SetKillTime(t Seconds) {
	p.sim.Cancel(p.killTimer)
	p.killTimer = Timer{}
	if p.state != procEnded {
		p.killTimer = p.sim.At(t, (*deadline)(p), 0)
	}
}

// PanicError says that a process has panicked. It unwraps to the value if that
// is an error.
type PanicError struct {
	Process string
	At      Seconds
	Value   any
	Stack   []byte // of the process, at the panic
}

func (e *PanicError) Error() string {
	return fmt.Sprintf("process %q panicked: %v", e.Process, e.Value)
}

func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}
