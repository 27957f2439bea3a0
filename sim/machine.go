package sim

import (
	"fmt"
	"math"

	"github.com/dvms-project/dvms/cluster"
)

// machines are the hosts, the VMs and what they compute. There are up to some
// 100,000 hosts and 1,000,000 VMs: what an event reads is kept apart from what
// only describes them, and lists are of numbers.
type machines struct {
	sim *Simulation

	hosts     []host
	hostSpecs []HostSpec

	vms    []vm
	vmData []vmData

	execs     []exec
	freeExecs []int32
	pins      []coreSet
	freePins  []int32

	onChange []func(HostID)
	onVM     []func(id VMID, from, to VMState)
	touched  []HostID // since the last check; see Settings.Check
	expected float64  // means nothing; see Expect

	// Room for one sharing at a time, on a host and inside a VM.
	sharing, insiders []*claim
	demand            claim
	rates             []Speed
	pinning           pinning
}

// before prepares a change of what runs at a place: what was drawn and
// delivered so far is accounted for under the old state.
func (m *machines) before(p Place) {
	h := p.host
	if p.vm != none {
		h = m.vms[p.vm].host
		m.settle(p.vm)
	}
	m.beforeHost(h)
}

// beforeHost is before for a change that concerns all of a host.
func (m *machines) beforeHost(h HostID) {
	m.sim.energy.settle(h)
	if m.sim.settings.Check && !m.hosts[h].touched {
		m.hosts[h].touched = true
		m.touched = append(m.touched, h)
	}
}

// after shares the host of a place anew, once what runs there has changed.
func (m *machines) after(p Place) {
	if p.vm == none {
		m.share(p.host, none)
		return
	}
	m.reclaim(p.vm)
	if v := &m.vms[p.vm]; v.state.holds() {
		m.share(v.host, p.vm)
	}
}

// changed tells the observers that the VMs of a host, or what they ask for,
// have changed.
func (m *machines) changed(h HostID) {
	for _, f := range m.onChange {
		f(h)
	}
}

// OnChange has f called whenever the VMs that a host hosts, or the demands set
// with SetDemand, have changed: once per host and change, when the change is
// complete. A VM that is suspended or resumed still asks for the same: that is
// told by OnVM. Observers are called in the order in which they came.
func (s *Simulation) OnChange(f func(h HostID)) {
	s.machines.onChange = append(s.machines.onChange, f)
}

// OnVM has f called whenever a VM has changed its state, when the change is
// complete. Observers are called in the order in which they came, and before
// those of OnChange.
func (s *Simulation) OnVM(f func(id VMID, from, to VMState)) {
	s.machines.onVM = append(s.machines.onVM, f)
}

// checkHost returns an error unless there is a host h.
func (m *machines) checkHost(h HostID) error {
	if h < 0 || int(h) >= len(m.hosts) {
		return fmt.Errorf("there is no host %d, the hosts are 0 to %d", h, len(m.hosts)-1)
	}
	return nil
}

// checkVM returns an error unless there is a VM id. A destroyed VM is there.
func (m *machines) checkVM(id VMID) error {
	if id < 0 || int(id) >= len(m.vms) {
		return fmt.Errorf("there is no VM %d, the VMs are 0 to %d", id, len(m.vms)-1)
	}
	return nil
}

// checkPlace returns an error unless there is such a place.
func (m *machines) checkPlace(p Place) error {
	if p.vm != none {
		return m.checkVM(p.vm)
	}
	return m.checkHost(p.host)
}

// hasHost is checkHost for calls that can't return an error: it ends the run.
func (m *machines) hasHost(h HostID) bool {
	err := m.checkHost(h)
	if err != nil {
		m.sim.Fail(err)
	}
	return err == nil
}

// hasVM is checkVM for calls that can't return an error: it ends the run.
func (m *machines) hasVM(id VMID) bool {
	err := m.checkVM(id)
	if err != nil {
		m.sim.Fail(err)
	}
	return err == nil
}

// hostName returns a host as error messages name it.
func (m *machines) hostName(h HostID) string { return fmt.Sprintf("host %q", m.hostSpecs[h].Name) }

// vmName returns a VM as error messages name it.
func (m *machines) vmName(id VMID) string {
	return fmt.Sprintf("VM %q on %s", m.vmData[id].name, m.hostName(m.vms[id].host))
}

// amount returns an error unless x is 0, or a number so far from the limits of
// floating-point numbers that sums, products and quotients make sense.
func amount(what string, x float64) error {
	if x != 0 && !(x >= 1e-100 && x <= 1e100) {
		return fmt.Errorf("%s of %v: it must be 0, or from 1e-100 to 1e100", what, x)
	}
	return nil
}

// unlessSet returns x or, if it is 0, what that stands for.
func unlessSet(x, standsFor float64) float64 {
	if x == 0 {
		return standsFor
	}
	return x
}

const unlimited = cluster.Bytes(math.MaxInt64)
