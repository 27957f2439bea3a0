package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
)

// pair is a simulation and the reference, which are told the same.
type pair struct {
	t        *testing.T
	rng      *rand.Rand
	sim      *Simulation
	ref      *reference
	execs    []Exec
	finished []float64 // dates of the simulation, or NaN
	failed   []error
	log      []string
	whole    bool // all speeds are whole numbers
}

func newPair(t *testing.T, seed uint64, law Law) *pair {
	settings := DefaultSettings()
	settings.Law, settings.Check = law, true
	s, err := NewWith(settings)
	if err != nil {
		t.Fatal(err)
	}
	return &pair{t: t, rng: rand.New(rand.NewPCG(seed, 1)), sim: s, ref: &reference{law: law}}
}

func (p *pair) logf(format string, args ...any) {
	p.log = append(p.log, fmt.Sprintf("%.6g: ", p.ref.now)+fmt.Sprintf(format, args...))
}

func (p *pair) must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatalf("%v\n%q", err, p.log)
	}
}

// speed draws a speed that is round half of the time, or always whole.
func (p *pair) speed(most float64) float64 {
	if p.whole {
		return float64(1 + p.rng.IntN(int(most)))
	}
	if p.rng.IntN(2) == 0 {
		return float64(1+p.rng.IntN(8)) * most / 8
	}
	return most * (0.01 + 0.99*p.rng.Float64())
}

func (p *pair) addHost() {
	cores := 1 + p.rng.IntN(6)
	speeds := []Speed{Speed(p.speed(4)), Speed(p.speed(4)), Speed(p.speed(4))}
	id, err := p.sim.AddHost(HostSpec{Name: fmt.Sprint("h", len(p.ref.hosts)), Cores: cores, Speeds: speeds})
	p.must(err)
	p.logf("host %d: %d cores of %v", id, cores, speeds)
	p.ref.hosts = append(p.ref.hosts, refHost{cores: cores, speed: float64(speeds[0])})
}

func (p *pair) addVM() {
	v := refVM{host: p.rng.IntN(len(p.ref.hosts)), vcpus: 1 + p.rng.IntN(4), priority: 1, state: VMRunning}
	if p.rng.IntN(3) == 0 {
		v.cap = p.speed(8)
	}
	if p.rng.IntN(3) == 0 {
		v.priority = p.speed(4)
	}
	if p.rng.IntN(2) == 0 {
		v.demand = p.speed(6)
	}
	if p.ref.hosts[v.host].off {
		v.state = VMOff
	}
	id, err := p.sim.AddVM(VMSpec{
		Name: fmt.Sprint("v", len(p.ref.vms)), Host: HostID(v.host), VCPUs: v.vcpus,
		Cap: Speed(v.cap), Priority: v.priority, Demand: Speed(v.demand), Off: v.state == VMOff,
	})
	p.must(err)
	p.logf("VM %d: %+v", id, v)
	p.ref.vms = append(p.ref.vms, v)
}

// Completed takes note of the end of an execution.
func (p *pair) Completed(now Seconds, i uint64, err error) {
	if err == nil {
		p.finished[i] = float64(now)
	}
	p.failed[i] = err
}

func (p *pair) addExec() {
	e := refExec{host: -1, vm: -1, left: p.speed(20), priority: 1, threads: 1, finished: math.NaN()}
	var at Place
	if p.rng.IntN(3) > 0 && len(p.ref.vms) > 0 {
		e.vm = p.rng.IntN(len(p.ref.vms))
		if state := p.ref.vms[e.vm].state; state == VMOff || state == VMDestroyed {
			return
		}
		at, e.speed = VMID(e.vm).Place(), p.ref.hosts[p.ref.vms[e.vm].host].speed
	} else {
		e.host = p.rng.IntN(len(p.ref.hosts))
		if p.ref.hosts[e.host].off {
			return
		}
		at, e.speed = HostID(e.host).Place(), p.ref.hosts[e.host].speed
	}
	if p.rng.IntN(3) == 0 {
		e.priority = p.speed(4)
	}
	if p.rng.IntN(3) == 0 {
		e.cap = p.speed(4)
	}
	if p.rng.IntN(3) == 0 {
		e.threads = 1 + p.rng.IntN(4)
	}
	exec, err := p.sim.Execute(at, ExecSpec{Work: Work(e.left), Priority: e.priority, Cap: Speed(e.cap), Threads: e.threads}, p, uint64(len(p.execs)))
	p.must(err)
	p.logf("execution %d: %+v", len(p.execs), e)
	e.left *= float64(e.threads)
	p.ref.execs, p.execs = append(p.ref.execs, e), append(p.execs, exec)
	p.finished, p.failed = append(p.finished, math.NaN()), append(p.failed, nil)
}

// changeExec changes a random execution that goes on.
func (p *pair) changeExec() {
	i := p.rng.IntN(len(p.execs))
	e, exec := &p.ref.execs[i], p.execs[i]
	if e.end {
		if err := p.sim.SuspendExec(exec); !errors.Is(err, ErrOver) {
			p.t.Fatalf("execution %d is over; error %v\n%q", i, err, p.log)
		}
		return
	}
	switch p.rng.IntN(6) {
	case 0, 1:
		e.suspended = true
		p.must(p.sim.SuspendExec(exec))
	case 2, 3:
		e.suspended = false
		p.must(p.sim.ResumeExec(exec))
	case 4:
		e.priority, e.cap = p.speed(4), p.speed(4)
		p.must(p.sim.SetExecPriority(exec, e.priority))
		p.must(p.sim.SetExecCap(exec, Speed(e.cap)))
	case 5:
		e.end = true
		p.must(p.sim.CancelExec(exec))
	}
	p.logf("execution %d now: %+v", i, *e)
}

// endAll ends the executions in a VM.
func (p *pair) endAll(vm int) {
	for i := range p.ref.execs {
		if p.ref.execs[i].vm == vm {
			p.ref.execs[i].end = true
		}
	}
}

// changeVM changes a random VM.
func (p *pair) changeVM() {
	i := p.rng.IntN(len(p.ref.vms))
	v, id := &p.ref.vms[i], VMID(i)
	if v.state == VMDestroyed {
		return
	}
	switch p.rng.IntN(9) {
	case 0, 1, 2:
		v.demand = 0
		if p.rng.IntN(4) > 0 {
			v.demand = p.speed(8)
		}
		p.must(p.sim.SetDemand(id, Speed(v.demand)))
	case 3:
		v.cap, v.priority = p.speed(8), p.speed(4)
		p.must(p.sim.SetVMCap(id, Speed(v.cap)))
		p.must(p.sim.SetVMPriority(id, v.priority))
	case 4, 5:
		p.switchVM(v, id)
	case 6:
		p.move(v, id)
	case 7:
		p.pin(v, id)
	case 8:
		if p.rng.IntN(5) > 0 || v.state == VMOff {
			return
		}
		to, end := VMOff, p.sim.Shutdown
		if p.rng.IntN(2) == 0 {
			to, end = VMDestroyed, p.sim.Destroy
		}
		v.state = to
		p.must(end(id))
		p.endAll(i)
	}
	p.logf("VM %d now: %+v", i, *v)
}

// switchVM suspends, resumes or starts a VM.
func (p *pair) switchVM(v *refVM, id VMID) {
	switch v.state {
	case VMRunning:
		v.state = VMSuspended
		p.must(p.sim.Suspend(id))
	case VMSuspended:
		v.state = VMRunning
		p.must(p.sim.Resume(id))
	case VMOff:
		if !p.ref.hosts[v.host].off {
			v.state = VMRunning
			p.must(p.sim.Start(id))
		}
	}
}

// move moves a VM. Under the original law that leaves it with a wrong claim,
// which the reference does not know.
func (p *pair) move(v *refVM, id VMID) {
	to := p.rng.IntN(len(p.ref.hosts))
	if to == v.host || v.state != VMOff && p.ref.hosts[to].off || p.ref.law == Original {
		return
	}
	v.host, v.pin = to, nil
	p.must(p.sim.Move(id, HostID(to)))
}

// pin pins a VM to random cores, or to none.
func (p *pair) pin(v *refVM, id VMID) {
	cores := p.ref.hosts[v.host].cores
	v.pin = nil
	for core := range cores {
		if p.rng.IntN(3) == 0 {
			v.pin = append(v.pin, core)
		}
	}
	p.must(p.sim.Pin(id, v.pin))
}

// changeHost changes the speed of a random host, or switches it.
func (p *pair) changeHost() {
	i := p.rng.IntN(len(p.ref.hosts))
	h, id := &p.ref.hosts[i], HostID(i)
	switch p.rng.IntN(4) {
	case 0:
		p.must(p.sim.SetPState(id, p.rng.IntN(3)))
	case 1:
		p.must(p.sim.SetAvailability(id, float64(p.rng.IntN(5))/4))
	case 2:
		p.must(p.sim.TurnOn(id))
		h.off = false
	case 3:
		p.must(p.sim.TurnOff(id))
		h.off = true
		for vm := range p.ref.vms {
			if v := &p.ref.vms[vm]; v.host == i && v.state.holds() {
				v.state = VMOff
				p.endAll(vm)
			}
		}
		for e := range p.ref.execs {
			if p.ref.execs[e].host == i {
				p.ref.execs[e].end = true
			}
		}
	}
	h.speed = float64(p.sim.CoreSpeed(id))
	for e := range p.ref.execs {
		if e := &p.ref.execs[e]; e.host == i || e.vm >= 0 && p.ref.vms[e.vm].host == i && p.ref.vms[e.vm].state.holds() {
			e.speed = h.speed
		}
	}
	p.logf("host %d now: %+v", i, *h)
}

func (p *pair) change() {
	switch n := p.rng.IntN(100); {
	case n < 30 || len(p.execs) == 0:
		p.addExec()
	case n < 60:
		p.changeExec()
	case n < 92:
		p.changeVM()
	case n < 95:
		p.addVM()
	default:
		p.changeHost()
	}
}

// compare fails unless simulation and reference agree.
func (p *pair) compare() {
	p.t.Helper()
	near := func(what string, i int, got, want, scale float64) {
		p.t.Helper()
		if !(math.Abs(got-want) <= 1e-9*scale) {
			p.t.Fatalf("%s %d: %v, want %v, at %v\n%q", what, i, got, want, p.ref.now, p.log)
		}
	}
	if err := p.sim.checkTouched(); err != nil {
		p.t.Fatalf("%v\n%q", err, p.log)
	}
	s := p.ref.shares()
	for i, e := range p.ref.execs {
		near("rate of execution", i, float64(p.sim.ExecRate(p.execs[i])), s.exec[i], 24)
		left := e.left
		if e.end {
			left = 0
		}
		near("work left of execution", i, float64(p.sim.ExecRemaining(p.execs[i])), left, 100)
		if math.IsNaN(e.finished) != math.IsNaN(p.finished[i]) {
			p.t.Fatalf("execution %d: finished %v, want %v\n%q", i, p.finished[i], e.finished, p.log)
		}
		if !math.IsNaN(e.finished) {
			near("date of the end of execution", i, p.finished[i], e.finished, e.finished)
		}
	}
	loads := make([]float64, len(p.ref.hosts))
	for i, v := range p.ref.vms {
		near("share of VM", i, float64(p.sim.Share(VMID(i))), s.vm[i], 24)
		loads[v.host] += s.vm[i]
		d := p.sim.Delivered(VMID(i))
		near("work of VM", i, float64(d.Given), v.given, 1+v.given)
		near("lost work of VM", i, float64(d.Lost), v.lost, 1+v.lost)
		near("time short of VM", i, float64(d.Short), v.short, 1+v.short)
		near("work done by VM", i, float64(p.sim.workDone(VMID(i))), v.given, 1+v.given)
	}
	for i, e := range p.ref.execs {
		if e.host >= 0 {
			loads[e.host] += s.exec[i]
		}
	}
	for i, load := range loads {
		near("load of host", i, float64(p.sim.HostLoad(HostID(i))), load, 24)
		if off := p.ref.hosts[i].off; p.sim.IsOn(HostID(i)) == off {
			p.t.Fatalf("host %d is off: %v, want %v\n%q", i, !off, off, p.log)
		}
	}
}

// The simulation against the reference, on hundreds of random systems: two
// levels, with pins, and whatever may happen to hosts, VMs and executions.
func TestSharesAgreeWithProgressiveFilling(t *testing.T) {
	for _, law := range []Law{Right, Original} {
		for seed := range uint64(250) {
			p := newPair(t, seed, law)
			p.whole = seed%2 == 0
			for range 1 + p.rng.IntN(3) {
				p.addHost()
			}
			for range 1 + p.rng.IntN(5) {
				p.addVM()
			}
			for range 40 {
				if p.rng.IntN(3) > 0 {
					until := p.ref.now + p.rng.Float64()*2
					p.ref.advance(until)
					p.must(p.sim.Run(Seconds(until)))
					p.compare()
				}
				p.change()
				p.must(p.sim.Run(p.sim.Now())) // failures are told
				p.compare()
				if t.Failed() {
					t.Fatalf("law %d, seed %d", law, seed)
				}
			}
		}
	}
}

// Affinity alone, with more pinned VMs on a host than a random history has.
// The reference has one capacity for each set of claims.
func TestPinnedVMsAgreeWithProgressiveFilling(t *testing.T) {
	for seed := range uint64(400) {
		p := newPair(t, seed, Right)
		p.whole = seed%2 == 0
		p.addHost()
		cores := p.ref.hosts[0].cores
		for i := range 2 + p.rng.IntN(6) {
			p.addVM()
			v := &p.ref.vms[i]
			v.demand = p.speed(6)
			p.must(p.sim.SetDemand(VMID(i), Speed(v.demand)))
			if p.rng.IntN(4) > 0 {
				from := p.rng.IntN(cores)
				v.pin = nil
				for core := from; core < cores && len(v.pin) < 3; core++ {
					if p.rng.IntN(4) > 0 {
						v.pin = append(v.pin, core)
					}
				}
				p.must(p.sim.Pin(VMID(i), v.pin))
				p.logf("VM %d pinned to %v", i, v.pin)
			}
		}
		p.addExec()
		p.compare()
	}
}
