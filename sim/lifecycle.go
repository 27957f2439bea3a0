package sim

import (
	"fmt"
	"slices"
)

// VMState is the state of a VM.
type VMState uint8

// The states of a VM. A VM that migrates is VMRunning or, while its last pages
// are sent, VMSuspended.
const (
	VMOff       VMState = iota // holds no memory; may be started
	VMBooting                  // holds memory, and runs its boot
	VMRunning                  // runs
	VMSuspended                // holds memory, runs nothing
	VMSaving                   // suspended, while its memory is written to disk
	VMSaved                    // holds no memory, runs nothing; may be restored
	VMRestoring                // suspended, while its memory is read from disk
	VMDestroyed                // nothing may be done with it any more
)

var vmStates = [...]string{"off", "booting", "running", "suspended", "saving", "saved", "restoring", "destroyed"}

// String returns the state in a word.
func (s VMState) String() string {
	if int(s) < len(vmStates) {
		return vmStates[s]
	}
	return fmt.Sprintf("VMState(%d)", uint8(s))
}

// follows says which states may follow each one. A VM that fails to be saved or
// restored goes back to what it was, even by way of VMOff if its host failed.
var follows = [...][]VMState{
	VMOff:       {VMBooting, VMRunning, VMSaved, VMDestroyed},
	VMBooting:   {VMRunning, VMOff, VMDestroyed},
	VMRunning:   {VMSuspended, VMSaving, VMOff, VMDestroyed},
	VMSuspended: {VMRunning, VMSaving, VMOff, VMDestroyed},
	VMSaving:    {VMSaved, VMRunning, VMSuspended, VMOff, VMDestroyed},
	VMSaved:     {VMRestoring, VMOff, VMDestroyed},
	VMRestoring: {VMRunning, VMSuspended, VMSaved, VMOff, VMDestroyed},
	VMDestroyed: nil,
}

// holds reports whether a VM holds memory on its host.
func (s VMState) holds() bool { return s != VMOff && s != VMSaved && s != VMDestroyed }

// computes reports whether a VM gets CPU.
func (s VMState) computes() bool { return s == VMRunning || s == VMBooting }

// asks reports whether a VM asks for its demand.
func (s VMState) asks() bool { return s == VMRunning || s == VMSuspended }

// Start makes a VM that is off run, at once. The error matches ErrVMState,
// ErrHostOff or ErrNoRoom.
func (s *Simulation) Start(id VMID) error { return s.toState("start", id, VMRunning, VMOff) }

// Suspend stops a running VM, which keeps its memory. The executions inside
// stand still. The error matches ErrVMState.
func (s *Simulation) Suspend(id VMID) error { return s.toState("suspend", id, VMSuspended, VMRunning) }

// Resume lets a suspended VM go on as it was. The error matches ErrVMState, or
// ErrMigrating if it is its migration that has paused it, and will resume it.
func (s *Simulation) Resume(id VMID) error {
	if s.migrations.pausing(id) {
		return fmt.Errorf("resume %s: %w", s.machines.vmName(id), ErrMigrating)
	}
	return s.toState("resume", id, VMRunning, VMSuspended)
}

// Shutdown ends a VM, at once; it may be started again. What runs in it, and
// its flows, fail with ErrVMGone. The error matches ErrVMState if the VM is off
// or saved, and ErrVMGone if it is destroyed.
func (s *Simulation) Shutdown(id VMID) error {
	return s.toState("shut down", id, VMOff, VMBooting, VMRunning, VMSuspended, VMSaving, VMRestoring)
}

// Destroy ends a VM for ever, whatever its state. What runs in it, and its
// flows, fail with ErrVMGone, and so does everything that is asked of it later.
func (s *Simulation) Destroy(id VMID) error {
	return s.toState("destroy", id, VMDestroyed, VMOff, VMBooting, VMRunning, VMSuspended, VMSaving, VMSaved, VMRestoring)
}

// toState changes a VM's state, if it has one of those that it may have.
func (s *Simulation) toState(what string, id VMID, to VMState, from ...VMState) error {
	m := &s.machines
	if err := m.checkVM(id); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	switch state := m.vms[id].state; {
	case state == VMDestroyed:
		return fmt.Errorf("%s %s: %w", what, m.vmName(id), ErrVMGone)
	case !slices.Contains(from, state):
		return fmt.Errorf("%s %s, which is %v: %w", what, m.vmName(id), state, ErrVMState)
	}
	return s.setState(id, to)
}

// setState changes the state of a VM and all that hangs on it: shares, memory,
// executions; then it tells the rest of the simulation, and the observers. The
// error matches ErrVMState, ErrHostOff or ErrNoRoom; nothing is changed then.
func (s *Simulation) setState(id VMID, to VMState) error {
	m := &s.machines
	v := &m.vms[id]
	from, h := v.state, v.host
	if !slices.Contains(follows[from], to) {
		return fmt.Errorf("%s is %v and can't be %v next: %w", m.vmName(id), from, to, ErrVMState)
	}
	comes, goes := !from.holds() && to.holds(), from.holds() && !to.holds()
	if comes {
		if err := m.admits(h, m.vmData[id].memory, "it"); err != nil {
			return fmt.Errorf("VM %q: %w", m.vmData[id].name, err)
		}
	}
	m.before(id.Place())
	if to == VMOff || to == VMDestroyed {
		m.failAll(&v.execs, ErrVMGone)
	}
	if goes {
		m.depart(id)
	}
	v.state = to
	if comes {
		m.recapAll(v.execs, m.hosts[h].speed)
		m.arrive(id)
	}
	m.after(id.Place())
	if goes {
		m.share(h, none)
	}
	m.tellVM(id, from, to)
	if comes || goes || from.asks() != to.asks() {
		m.changed(h)
	}
	return nil
}

// tellVM tells the rest of the simulation, and the observers, that a VM has
// another state.
func (m *machines) tellVM(id VMID, from, to VMState) {
	m.sim.vmChanged(id, from, to)
	for _, f := range m.onVM {
		f(id, from, to)
	}
}

// Move makes a VM be on another host, at once. What runs inside goes on there.
// Cores that it was pinned to are forgotten: they are the old host's.
//
// The error matches ErrSameHost, ErrMigrating, ErrHostOff, ErrNoRoom, ErrVMGone,
// or ErrVMState if the VM boots or is being saved or restored.
func (s *Simulation) Move(id VMID, to HostID) error {
	m := &s.machines
	if err := m.checkVM(id); err != nil {
		return fmt.Errorf("move: %w", err)
	}
	if err := m.checkHost(to); err != nil {
		return fmt.Errorf("move %s: %w", m.vmName(id), err)
	}
	if err := m.checkMove(id, to); err != nil {
		return fmt.Errorf("move %s: %w", m.vmName(id), err)
	}
	m.put(id, to)
	return nil
}

func (m *machines) checkMove(id VMID, to HostID) error {
	v := &m.vms[id]
	switch v.state {
	case VMDestroyed:
		return ErrVMGone
	case VMBooting, VMSaving, VMRestoring:
		return fmt.Errorf("it is %v: %w", v.state, ErrVMState)
	}
	switch b := m.vmData[id].memory; {
	case v.host == to:
		return ErrSameHost
	case m.sim.migrations.migrating(id):
		return ErrMigrating
	case v.state.holds():
		return m.admits(to, b, "it")
	case b > m.hosts[to].memory:
		return m.room(to, b, "it")
	}
	return nil
}

// relocate makes a VM be on another host, where its memory was promised. Used
// by migrations.
func (s *Simulation) relocate(id VMID, to HostID) {
	m := &s.machines
	m.beforeHost(to)
	m.hosts[to].promised -= m.vmData[id].memory
	m.put(id, to)
}

// put makes a VM be on another host.
//
// Under the original law, the executions of a VM keep the core speed of the
// host where they began. And a VM that is moved while it runs keeps its claim,
// but weighs as one vCPU, until something begins or ends in it.
func (m *machines) put(id VMID, to HostID) {
	v := &m.vms[id]
	from, holds, claim := v.host, v.state.holds(), m.vms[id].claim
	m.before(id.Place())
	m.beforeHost(to)
	m.unpin(id)
	if holds {
		m.depart(id)
		m.share(from, none)
	}
	v.host = to
	if m.sim.settings.Law == Right {
		m.recapAll(v.execs, m.hosts[to].speed)
	}
	m.reclaim(id)
	if m.sim.settings.Law == Original && claim.weight > 0 {
		m.vms[id].claim.most, m.vms[id].claim.weight = claim.most, v.priority
	}
	if holds {
		m.arrive(id)
		m.share(to, id)
	}
	m.sim.vmMoved(id, from)
	if holds {
		m.changed(from)
		m.changed(to)
	}
}

// vmChanged is what the rest of the simulation does when a VM has changed its
// state.
func (s *Simulation) vmChanged(id VMID, from, to VMState) {
	s.network.vmChanged(id, from, to)
	s.processes.vmChanged(id, from, to)
	s.migrations.vmChanged(id, from, to)
	s.disks.vmChanged(id, to)
	s.operations.vmChanged(id, to)
}

// vmMoved tells the rest that a VM is on another host now.
func (s *Simulation) vmMoved(id VMID, from HostID) {
	s.network.vmMoved(id, from)
}

// hostSwitched tells the rest that a host was switched on or off.
func (s *Simulation) hostSwitched(h HostID, on bool) {
	s.network.hostSwitched(h, on)
	s.processes.hostSwitched(h, on)
	s.migrations.hostSwitched(h, on)
	s.disks.hostSwitched(h, on)
	s.energy.hostSwitched(h, on)
}
