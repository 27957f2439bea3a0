package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// What ends a migration before its time, and what becomes of the VM: see
// Simulation.Migrate.

// fail ends a migration whose VM is not lost, in an event of its own.
func (ms *migrations) fail(m *migration, why error) {
	ms.undo(m)
	m.Err = why
	m.phase = phaseFailed
	m.timer = ms.sim.At(ms.sim.now, ms, uint64(m.slot))
}

// undo closes the books of a migration that fails. Unless the VM is at the
// target already, it is as if there had been none.
func (ms *migrations) undo(m *migration) {
	s := ms.sim
	s.Cancel(m.timer)
	ms.interrupt(m)
	ms.disengage(m)
	m.wait++
	m.End = s.now
	ms.of[m.VM] = 0
	if m.arrived() {
		s.forget(m.Source, m.memory)
	} else {
		s.forget(m.Target, m.memory)
	}
	ms.setSpeed(m, 1)
	switch {
	case m.phase == phaseStalled:
		ms.stalled = slices.DeleteFunc(ms.stalled, func(other *migration) bool { return other == m })
		m.Downtime += s.now - m.began
	case m.Suspended < Forever && !m.arrived():
		m.Downtime += s.now - m.Suspended
	}
	ms.unpause(m)
}

// interrupt ends the transfer under way, and returns what was not sent.
func (ms *migrations) interrupt(m *migration) Bytes {
	s := ms.sim
	if m.flow == (Flow{}) {
		return m.sending
	}
	unsent := min(m.sending, Bytes(math.Ceil(s.FlowRemaining(m.flow))))
	_ = s.CancelFlow(m.flow) // the error would say that it has failed already
	m.flow = Flow{}
	m.cut(s.now, unsent)
	return unsent
}

// broken is told why something can't be sent.
func (ms *migrations) broken(m *migration, err error) {
	switch {
	case m.stage != StagePull:
		ms.fail(m, err)
	case errors.Is(err, ErrHostOff):
		ms.lose(m)
	default:
		ms.stall(m)
	}
}

// lose ends a migration whose VM has lost the memory that was still at the
// source.
func (ms *migrations) lose(m *migration) {
	m.paused = false
	ms.fail(m, fmt.Errorf("%w, as the source was switched off with some of its memory: %w", ErrVMGone, ErrHostOff))
	if err := ms.sim.setState(m.VM, VMOff); err != nil {
		panic(fmt.Sprintf("sim: a VM that has lost its memory can't be off: %v", err))
	}
}

// stall is told that memory can't be pulled, since a link is off.
func (ms *migrations) stall(m *migration) {
	m.sending = ms.interrupt(m)
	ms.retry(m)
}

// retry goes on to pull memory or, if that is not possible, pauses the VM until
// a link is switched on.
func (ms *migrations) retry(m *migration) {
	s := ms.sim
	since, stalled := m.began, m.phase == phaseStalled
	m.transfer(s.now, StagePull, m.sending)
	err := ms.send(m)
	switch {
	case err == nil && stalled:
		ms.stalled = slices.DeleteFunc(ms.stalled, func(other *migration) bool { return other == m })
		m.Downtime += s.now - since
		ms.unpause(m)
	case err == nil:
	case errors.Is(err, ErrHostOff):
		ms.lose(m)
	case stalled:
		m.phase, m.began = phaseStalled, since
	default:
		m.phase = phaseStalled
		ms.stalled = append(ms.stalled, m)
		ms.pause(m)
	}
}

// linkSwitched lets those that wait for a link try again, in an event of their
// own.
func (ms *migrations) linkSwitched(on bool) {
	for _, m := range ms.stalled {
		if on {
			ms.sim.Cancel(m.timer)
			m.timer = ms.sim.At(ms.sim.now, ms, uint64(m.slot))
		}
	}
}

// hostSwitched ends the migrations that wait for a link from a host that is
// switched off. The others learn it by their transfers and their VMs.
func (ms *migrations) hostSwitched(h HostID, on bool) {
	for _, m := range slices.Clone(ms.stalled) {
		if !on && m.Source == h && m.phase == phaseStalled {
			ms.lose(m)
		}
	}
}

// vmChanged ends the migration of a VM that has ended, unless it is at the
// target with all its memory.
func (ms *migrations) vmChanged(id VMID, _, to VMState) {
	s := ms.sim
	m := ms.find(id)
	switch {
	case m == nil, to == VMRunning, to == VMSuspended, m.phase == phaseTelling:
	case !s.IsOn(s.HostOf(id)):
		ms.fail(m, fmt.Errorf("%s: %w", s.machines.hostName(s.HostOf(id)), ErrHostOff))
	case to == VMOff || to == VMDestroyed:
		ms.fail(m, ErrVMGone)
	default:
		ms.fail(m, fmt.Errorf("it is %v: %w", to, ErrVMState))
	}
}
