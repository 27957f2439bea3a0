package sim

import "fmt"

// The energy of a host is the integral of what it draws, see Power. What it
// draws is constant between changes of its load, its p-state and whether it is
// on; each change first accounts for the time before it, so that the integral
// is exact.
//
// What a host draws above idle is owed to what it computes. A VM owes the part
// of it that is the VM's part of the host's load. To keep that account costs
// nothing when other VMs change: the host keeps the price of its load, the
// integral over time of its draw above idle per unit of load, and a VM with a
// constant share owes this share times what was added to the price.
type energy struct {
	sim    *Simulation
	meters []meter   // by host, up to the last one that has Power or was switched
	bills  []vmBill  // by VM, likewise
	audits []auditor // see check
}

// meter accounts for a host.
type meter struct {
	used     Consumption // up to since
	since    Seconds
	price    float64 // joules per flop/s of load, up to since
	on       bool    // false: it draws nothing, ever
	phase    Phase   // of its switching
	ends     Timer   // end of that phase
	switched Completion
	arg      uint64
}

// vmBill is what a VM owes.
type vmBill struct {
	owed Joules
	mark float64 // price of its host's load up to which it is accounted for
}

// Consumption is the energy that a host has used, by what for.
type Consumption struct {
	Idle      Joules // what it draws anyway while it is on
	Load      Joules // what it draws above that
	Off       Joules // while it is off
	Switching Joules // while it is switched on or off, see PowerUp
}

// Total returns the sum.
func (c Consumption) Total() Joules { return c.Idle + c.Load + c.Off + c.Switching }

// Energy returns what a host has used since the start.
func (s *Simulation) Energy(h HostID) Joules { return s.Consumption(h).Total() }

// Consumption returns what a host has used since the start, by what for.
func (s *Simulation) Consumption(h HostID) Consumption {
	e := &s.energy
	if !s.machines.hasHost(h) || int(h) >= len(e.meters) {
		return Consumption{}
	}
	e.settle(h)
	return e.meters[h].used
}

// Draw returns what a host draws now.
func (s *Simulation) Draw(h HostID) Watts {
	e := &s.energy
	if !s.machines.hasHost(h) || int(h) >= len(e.meters) || !e.meters[h].on {
		return 0
	}
	_, idle, above := e.draw(h)
	return idle + above
}

// VMEnergy returns what a VM has used since it was added: of the energy that
// its hosts drew above idle, the part that is its part of their load. What
// hosts draw idle is nobody's, see [Simulation.Consumption].
func (s *Simulation) VMEnergy(id VMID) Joules {
	e := &s.energy
	if !s.machines.hasVM(id) {
		return 0
	}
	e.settleVM(id)
	if int(id) >= len(e.bills) {
		return 0
	}
	return e.bills[id].owed
}

// use is what energy is used for.
type use uint8

const (
	useOn use = iota
	useOff
	useSwitching
)

// draw returns what a metered host draws now: what for, and for one that is
// on, what above idle.
func (e *energy) draw(h HostID) (what use, base, above Watts) {
	host, power := &e.sim.machines.hosts[h], &e.sim.machines.hostSpecs[h].Power
	switch phase := e.meters[h].phase; {
	case phase == ComingUp:
		return useSwitching, power.Boot.Draws, 0
	case phase == GoingDown:
		return useSwitching, power.Shutdown.Draws, 0
	case host.off:
		return useOff, power.Off, 0
	}
	state := power.state(int(host.pstate))
	capacity := Speed(host.cores) * e.sim.machines.hostSpecs[h].Speeds[host.pstate]
	return useOn, state.Idle, state.at(host.load, capacity) - state.Idle
}

// addHost has a new host accounted for, if it draws anything.
func (e *energy) addHost(h HostID) {
	if e.sim.machines.hostSpecs[h].Power.draws() {
		e.meter(h).on = true
	}
}

// meter returns the meter of a host, which is made if there is none.
func (e *energy) meter(h HostID) *meter {
	for int(h) >= len(e.meters) {
		e.meters = append(e.meters, meter{since: e.sim.now})
	}
	return &e.meters[h]
}

// settle integrates what a host has drawn up to now. Whoever changes a host's
// load, p-state, availability or on/off calls it before.
func (e *energy) settle(h HostID) {
	if int(h) < len(e.meters) && e.meters[h].on && e.meters[h].since != e.sim.now {
		e.integrate(h)
	}
}

func (e *energy) integrate(h HostID) {
	m := &e.meters[h]
	elapsed := float64(e.sim.now - m.since)
	m.since = e.sim.now
	what, base, above := e.draw(h)
	joules := Joules(float64(base) * elapsed)
	switch what {
	case useSwitching:
		m.used.Switching += joules
	case useOff:
		m.used.Off += joules
	case useOn:
		m.used.Idle += joules
		m.used.Load += Joules(float64(above) * elapsed)
		if load := e.sim.machines.hosts[h].load; load > 0 {
			m.price += float64(float64(above) / float64(load) * elapsed)
		}
	}
}

// settleVM accounts for what a VM owes up to now. Whoever changes its share
// calls it before.
func (e *energy) settleVM(id VMID) {
	h := e.sim.machines.vms[id].host
	if int(h) >= len(e.meters) || !e.meters[h].on {
		return
	}
	e.settle(h)
	b := e.bill(id)
	price := e.meters[h].price
	b.owed += Joules(float64(e.sim.machines.vms[id].claim.rate) * (price - b.mark))
	b.mark = price
}

func (e *energy) bill(id VMID) *vmBill {
	for int(id) >= len(e.bills) {
		e.bills = append(e.bills, vmBill{})
	}
	return &e.bills[id]
}

// Phase says whether a host is on, off, or between.
type Phase uint8

// The phases of a host. Between on and off it computes nothing.
const (
	Steady    Phase = iota // on or off, see IsOn
	ComingUp               // by PowerUp
	GoingDown              // by PowerDown
)

// Phase returns whether a host is being switched on or off.
func (s *Simulation) Phase(h HostID) Phase {
	if !s.machines.hasHost(h) || int(h) >= len(s.energy.meters) {
		return Steady
	}
	return s.energy.meters[h].phase
}

// PowerUp switches a host on as its Power says: it is off until its boot is
// over, and draws what its boot draws. done is told when the host is on; it may
// be nil. TurnOn makes it be on sooner; TurnOff, which does nothing to a host
// that is off, does not stop the boot. The error matches ErrSwitching if the host is
// being switched already, and says so if it is on.
func (s *Simulation) PowerUp(h HostID, done Completion, arg uint64) error {
	if err := s.machines.checkHost(h); err != nil {
		return fmt.Errorf("power up: %w", err)
	}
	if s.IsOn(h) {
		return fmt.Errorf("power up of %s: it is on", s.machines.hostName(h))
	}
	return s.energy.begin(h, ComingUp, done, arg)
}

// PowerDown switches a host off as its Power says. It stops to compute at
// once: what runs or is under way on it fails with ErrHostOff, as by TurnOff.
// Then it draws what its shutdown draws, until that is over and done is told;
// done may be nil. The error matches ErrSwitching if the host is being switched
// already, and ErrHostOff if it is off.
func (s *Simulation) PowerDown(h HostID, done Completion, arg uint64) error {
	if err := s.machines.checkHost(h); err != nil {
		return fmt.Errorf("power down: %w", err)
	}
	if !s.IsOn(h) && s.Phase(h) == Steady {
		return fmt.Errorf("power down of %s: %w", s.machines.hostName(h), ErrHostOff)
	}
	if err := s.energy.begin(h, GoingDown, done, arg); err != nil {
		return err
	}
	return s.TurnOff(h)
}

// begin begins a phase of a host.
func (e *energy) begin(h HostID, phase Phase, done Completion, arg uint64) error {
	m := e.meter(h)
	if m.phase != Steady {
		return fmt.Errorf("%s: %w", e.sim.machines.hostName(h), ErrSwitching)
	}
	e.sim.machines.beforeHost(h)
	power := &e.sim.machines.hostSpecs[h].Power
	takes := power.Boot.Takes
	if phase == GoingDown {
		takes = power.Shutdown.Takes
	}
	m.phase, m.switched, m.arg = phase, done, arg
	m.ends = e.sim.After(takes, e, uint64(h))
	return nil
}

// Handle is the end of the phase of host arg.
func (e *energy) Handle(now Seconds, arg uint64) {
	h := HostID(arg)
	up := e.meters[h].phase == ComingUp
	done, doneArg := e.leave(h)
	if up {
		if err := e.sim.TurnOn(h); err != nil {
			e.sim.Fail(err)
		}
	}
	if done != nil {
		done.Completed(now, doneArg, nil)
	}
}

// leave ends the phase of a host, and returns who is to be told.
func (e *energy) leave(h HostID) (done Completion, arg uint64) {
	e.sim.machines.beforeHost(h)
	m := &e.meters[h]
	done, arg = m.switched, m.arg
	m.phase, m.switched, m.arg, m.ends = Steady, nil, 0, Timer{}
	return done, arg
}

// hostSwitched ends the phase of a host that TurnOn has switched on meanwhile.
func (e *energy) hostSwitched(h HostID, on bool) {
	if !on || int(h) >= len(e.meters) || e.meters[h].phase == Steady {
		return
	}
	e.sim.Cancel(e.meters[h].ends)
	phase := e.meters[h].phase
	done, arg := e.leave(h)
	if done != nil {
		err := ErrCancelled
		if phase == ComingUp {
			err = nil // it is on, if sooner than planned
		}
		e.sim.Call(e.sim.now, func() { done.Completed(e.sim.now, arg, err) })
	}
}
