package sim

import (
	"fmt"
	"math"
)

// auditor integrates what a host draws once more, in its own way: it looks at
// the draw after each event that touched the host, and takes it as constant
// until the next one. It sees changes that the meter was not told of.
type auditor struct {
	started bool
	since   Seconds
	draws   Watts
	total   Joules
	claims  Joules // of the meter when the audit started
}

// check compares the energy of a host with an integral of what it draws that
// was made independently. It is called after each event that touched the host.
func (e *energy) check(h HostID) error {
	if int(h) >= len(e.meters) || !e.meters[h].on {
		return nil
	}
	for int(h) >= len(e.audits) {
		e.audits = append(e.audits, auditor{})
	}
	a := &e.audits[h]
	now, metered := e.sim.now, e.sim.Energy(h)
	if !a.started {
		a.started, a.claims = true, metered
	}
	a.total += Joules(float64(a.draws) * float64(now-a.since))
	a.since, a.draws = now, e.expected(h)
	if got := metered - a.claims; math.Abs(float64(got-a.total)) > 1e-9*(1+math.Abs(float64(a.total))) {
		return fmt.Errorf("%s has used %v J, but what it drew makes %v J", e.sim.machines.hostName(h), float64(got), float64(a.total))
	}
	if d := e.sim.Draw(h); math.Abs(float64(d-a.draws)) > 1e-9*(1+float64(a.draws)) {
		return fmt.Errorf("%s draws %v W, but its shares make %v W", e.sim.machines.hostName(h), float64(d), float64(a.draws))
	}
	return nil
}

// expected returns what a host should draw, from the shares of those on it.
func (e *energy) expected(h HostID) Watts {
	host, spec := &e.sim.machines.hosts[h], &e.sim.machines.hostSpecs[h]
	switch {
	case e.meters[h].phase == ComingUp:
		return spec.Power.Boot.Draws
	case e.meters[h].phase == GoingDown:
		return spec.Power.Shutdown.Draws
	case host.off:
		return spec.Power.Off
	}
	var busy float64 // cores
	for _, id := range host.vms {
		busy += float64(e.sim.Share(id))
	}
	for x := host.execs; x != none; x = e.sim.machines.next(host.execs, x) {
		busy += float64(e.sim.machines.execs[x].claim.rate)
	}
	states := spec.Power.States
	if len(states) == 0 {
		return 0
	}
	state := states[min(int(host.pstate), len(states)-1)]
	speed := float64(spec.Speeds[host.pstate])
	if busy == 0 && speed > 0 {
		return state.Idle
	}
	u := min(1, busy/(float64(spec.Cores)*speed))
	if speed == 0 {
		u = 1
	}
	return Watts(float64(state.Epsilon)*(1-u)) + Watts(float64(state.Full)*u)
}
