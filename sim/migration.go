package sim

import (
	"fmt"
	"slices"
)

// Migrate starts to move a VM to another host while it runs, and calls done,
// unless that is nil, in an event when the migration has ended. Until it goes
// on at the target the VM is on the source, and the target keeps memory for it,
// which is promised. While memory is pulled (see PostCopy) the VM is on the
// target, and the source keeps the memory.
//
// The VM writes to its memory in proportion to the work that it is given:
// VMSpec.DirtyRate for each core, of the source and at the speed that this has
// at the start. What is sent shares the links with all other flows. A VM that is
// suspended may migrate too, and stays suspended.
//
// The error says that the policy makes no sense, or matches ErrMigrating,
// ErrVMState if the VM neither runs nor is suspended, ErrSameHost, ErrHostOff,
// ErrNoRoom if the target has not enough memory that is neither used nor
// promised, or ErrNoRoute or ErrLinkOff.
//
// What goes wrong later is told in the record. The VM is on one host at all
// times. Until it goes on at the target, it goes on at the source if the
// migration fails. Later, while its memory is pulled, a link that is switched off
// pauses the VM until it is on again; if the source is switched off, the VM is
// lost with the memory there: it is off, and ErrVMGone in the record. So it is in
// QEMU [12], where in this phase "a failure of either side causes the guest to be
// lost".
func (s *Simulation) Migrate(id VMID, target HostID, policy MigrationPolicy, done func(Migration)) error {
	ms := &s.migrations
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	if err := ms.start(id, target, policy, done); err != nil {
		return fmt.Errorf("migrate %s: %w", s.machines.vmName(id), err)
	}
	return nil
}

// CancelMigration ends a VM's migration: the VM goes on at the source, and its
// memory is no longer promised at the target. The migration's done is told
// ErrCancelled, in an event of its own at this date. The error matches
// ErrNotMigrating, or ErrOver if the VM is at the target already, be it without
// all of its memory.
func (s *Simulation) CancelMigration(id VMID) error {
	ms := &s.migrations
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("cancel a migration: %w", err)
	}
	m := ms.find(id)
	switch {
	case m == nil:
		return fmt.Errorf("cancel the migration of %s: %w", s.machines.vmName(id), ErrNotMigrating)
	case m.arrived():
		return fmt.Errorf("cancel the migration of %s: %w", s.machines.vmName(id), ErrOver)
	}
	ms.fail(m, ErrCancelled)
	return nil
}

// Migrating returns the record so far of a VM's migration, if it migrates or
// waits for its turn.
func (s *Simulation) Migrating(id VMID) (Migration, bool) {
	m := s.migrations.find(id)
	if m == nil {
		return Migration{}, false
	}
	record := m.Migration
	record.Rounds = slices.Clone(record.Rounds)
	return record, true
}

// SetController says on which host those are who ask for migrations: there the
// acknowledgement goes that ends one. Without a controller it goes to the source.
func (s *Simulation) SetController(h HostID) error {
	if err := s.machines.checkHost(h); err != nil {
		return fmt.Errorf("controller of migrations: %w", err)
	}
	s.migrations.controller, s.migrations.controlled = h, true
	return nil
}

// migrations is those under way.
type migrations struct {
	sim     *Simulation
	all     []*migration // by slot
	free    []int32      // slots
	of      []int32      // by VM: the slot of its migration + 1, or 0
	turns   []turns      // by host, if there are limits
	stalled []*migration // those that wait for a link, in order

	controller HostID
	controlled bool // there is one
}

// migration is one of them.
type migration struct {
	precopy
	slot  int32
	phase migrationPhase
	// wait counts what it has waited for. An answer to anything but the latest
	// is stale.
	wait uint32
	done func(Migration)

	cap      Bandwidth // of its traffic; 0 means none
	flow     Flow      // under way, if any
	given    Work      // to the VM, when the transfer began
	timer    Timer     // its deadline, the next try, or its end
	threads  [2]Exec   // at the source and at the target
	speed    float64   // at which the VM runs
	paused   bool      // the VM, by the migration
	sends    bool      // it is one of those that the source may send
	receives bool      // it is one of those that the target may receive
}

// migrationPhase is what a migration does.
type migrationPhase uint8

const (
	phaseFree    migrationPhase = iota // there is none
	phaseQueued                        // waits for its turn
	phaseSending                       // sends something
	phaseStalled                       // post-copy, but a link is off, and the VM paused
	phaseTelling                       // all is there; the caller is about to be told
	phaseFailed                        // and the caller is about to be told
)

// arrived reports whether the VM is at the target.
func (m *migration) arrived() bool { return m.Resumed < Forever }

// arg names what the migration waits for.
func (m *migration) arg() uint64 { return uint64(m.wait)<<32 | uint64(uint32(m.slot)) }

// waiting returns the migration that waits for what arg names, or nil if that is
// stale.
func (ms *migrations) waiting(arg uint64) *migration {
	m := ms.all[uint32(arg)]
	if m.wait != uint32(arg>>32) {
		return nil
	}
	return m
}

// find returns the migration of a VM, or nil.
func (ms *migrations) find(id VMID) *migration {
	if id < 0 || int(id) >= len(ms.of) || ms.of[id] == 0 {
		return nil
	}
	return ms.all[ms.of[id]-1]
}

// migrating reports whether a VM migrates, or waits for its turn.
func (ms *migrations) migrating(id VMID) bool { return ms.find(id) != nil }

// pausing reports whether a VM is suspended by its migration, so that it can't
// be resumed.
func (ms *migrations) pausing(id VMID) bool {
	m := ms.find(id)
	return m != nil && (m.phase == phaseStalled || m.phase == phaseSending && m.stage == StageStop)
}

// start starts a migration, or does nothing and returns why.
func (ms *migrations) start(id VMID, target HostID, policy MigrationPolicy, done func(Migration)) error {
	s := ms.sim
	if err := ms.check(id, target, policy); err != nil {
		return err
	}
	if err := s.promise(target, s.machines.vmData[id].memory); err != nil {
		return err
	}
	m := ms.add(id, target, policy.under(s.settings.Law))
	if err := ms.enqueue(m); err != nil {
		ms.undo(m)
		ms.leave(m)
		return err
	}
	m.done = done
	return nil
}

func (ms *migrations) check(id VMID, target HostID, policy MigrationPolicy) error {
	s := ms.sim
	if err := s.machines.checkHost(target); err != nil {
		return err
	}
	state := s.State(id)
	switch {
	case ms.migrating(id):
		return ErrMigrating
	case state != VMRunning && state != VMSuspended:
		return fmt.Errorf("it is %v: %w", state, ErrVMState)
	case s.HostOf(id) == target:
		return fmt.Errorf("to %s: %w", s.machines.hostName(target), ErrSameHost)
	case !s.IsOn(target):
		return fmt.Errorf("to %s: %w", s.machines.hostName(target), ErrHostOff)
	}
	return policy.validate()
}

// add makes the migration of a VM; it does not do anything yet.
func (ms *migrations) add(id VMID, target HostID, policy MigrationPolicy) *migration {
	s := ms.sim
	if n := s.VMs(); n > len(ms.of) {
		ms.of = append(ms.of, make([]int32, n-len(ms.of))...)
	}
	m := ms.take()
	data, source := &s.machines.vmData[id], s.HostOf(id)
	m.Migration = pending(id, source, target, s.now)
	m.policy, m.cap, m.speed = policy, data.writes.most, 1
	m.load = data.writes.load(data.memory, policy.Disk, s.CoreSpeed(source))
	ms.of[id] = m.slot + 1
	return m
}

func (ms *migrations) take() *migration {
	if last := len(ms.free) - 1; last >= 0 {
		m := ms.all[ms.free[last]]
		ms.free = ms.free[:last]
		return m
	}
	m := &migration{slot: int32(len(ms.all))}
	ms.all = append(ms.all, m)
	return m
}

// begin begins the first transfer of a migration whose turn it is.
func (ms *migrations) begin(m *migration) error {
	s := ms.sim
	if !s.IsOn(m.Target) {
		return fmt.Errorf("%s: %w", s.machines.hostName(m.Target), ErrHostOff)
	}
	next := m.precopy.begin(s.now)
	if at := m.deadline(); at < Forever {
		m.timer = s.At(at, ms, uint64(m.slot))
	}
	ms.engage(m)
	return ms.do(m, next)
}

// do makes the next move. The error says why something can't be sent.
func (ms *migrations) do(m *migration, next move) error {
	switch next {
	case moveSend:
		ms.setSpeed(m, m.Speed)
		return ms.send(m)
	case moveStop:
		ms.sim.Cancel(m.timer)
		wait := m.wait
		if ms.pause(m); m.wait != wait {
			return nil // an observer has ended the VM
		}
		return ms.send(m)
	case moveArrive, movePull:
		return ms.arrive(m)
	case moveDone:
		ms.setSpeed(m, 1)
		ms.sim.forget(m.Source, m.memory)
		ms.tell(m)
	case moveFail:
		ms.fail(m, m.Err)
	}
	return nil
}

// send begins the transfer that is next.
func (ms *migrations) send(m *migration) error {
	s := ms.sim
	m.phase = phaseSending
	m.wait++
	m.given = s.workDone(m.VM)
	flow := FlowSpec{From: m.Source.Place(), To: m.Target.Place(), Bytes: m.sending, Cap: m.cap}
	if limit := m.policy.DiskSpeed; m.stage == StageDisk && limit > 0 && (m.cap == 0 || limit < m.cap) {
		flow.Cap = limit
	}
	var err error
	m.flow, err = s.Send(flow, ms, m.arg())
	return err
}

// Completed is the end of what a migration has waited for.
func (ms *migrations) Completed(now Seconds, arg uint64, err error) {
	m := ms.waiting(arg)
	switch {
	case m == nil:
		return
	case m.phase == phaseTelling:
		ms.end(m)
		return
	case err == nil:
		m.flow = Flow{}
		err = ms.do(m, m.next(now, ms.sim.workDone(m.VM)-m.given))
	}
	if err != nil {
		ms.broken(m, err)
	}
}

// Handle is the deadline of a migration that copies still, the next try of one
// that was stalled, or the end of one that has failed.
func (ms *migrations) Handle(_ Seconds, arg uint64) {
	m := ms.all[arg]
	switch m.phase {
	case phaseFailed:
		ms.finish(m)
	case phaseStalled:
		ms.retry(m)
	default:
		ms.fail(m, ErrTimeout)
	}
}

// pause suspends the VM, unless it is suspended.
func (ms *migrations) pause(m *migration) {
	if ms.sim.State(m.VM) == VMRunning {
		m.paused = true
		ms.set(m.VM, VMSuspended)
	}
}

// unpause resumes the VM, if it was paused.
func (ms *migrations) unpause(m *migration) {
	if m.paused && ms.sim.State(m.VM) == VMSuspended {
		m.paused = false
		ms.set(m.VM, VMRunning)
	}
	m.paused = false
}

// set changes a VM between running and suspended, which is always possible.
func (ms *migrations) set(id VMID, to VMState) {
	if err := ms.sim.setState(id, to); err != nil {
		panic(fmt.Sprintf("sim: a migration can't make a VM %v: %v", to, err))
	}
}

// setSpeed makes the VM run at a part of its speed.
func (ms *migrations) setSpeed(m *migration, part float64) {
	if m.speed != part {
		m.speed = part
		ms.sim.throttle(m.VM, part)
	}
}

// arrive makes the VM go on at the target, and then pulls the rest if there is
// any.
//
// Observers are called on the way, and may end the VM. What is promised is so
// before they can take it.
func (ms *migrations) arrive(m *migration) error {
	pulls, speed := m.stage == StagePull, 1.0
	if pulls {
		speed = m.Speed
		ms.keep(m.Source, m.memory)
	} else {
		m.phase = phaseTelling
	}
	wait := m.wait
	ms.sim.relocate(m.VM, m.Target)
	if m.wait != wait {
		return nil
	}
	ms.setSpeed(m, speed)
	if ms.unpause(m); m.wait != wait {
		return nil
	}
	if pulls {
		return ms.send(m)
	}
	ms.tell(m)
	return nil
}

// keep promises memory that is about to be left by its VM.
func (ms *migrations) keep(h HostID, b Bytes) {
	ms.sim.machines.beforeHost(h)
	ms.sim.machines.hosts[h].promised += b
}

// tell sends the acknowledgement to the caller.
func (ms *migrations) tell(m *migration) {
	s := ms.sim
	ms.disengage(m)
	m.phase = phaseTelling
	m.wait++
	to := m.Source
	if ms.controlled {
		to = ms.controller
	}
	if _, err := s.Send(FlowSpec{From: m.Target.Place(), To: to.Place()}, ms, m.arg()); err != nil {
		ms.end(m) // the VM has moved, whether or not the caller can be reached
	}
}

// end ends a migration that has succeeded.
func (ms *migrations) end(m *migration) {
	m.wait++
	m.End = ms.sim.now
	ms.of[m.VM] = 0
	ms.finish(m)
}

// finish makes room for others, and calls done.
func (ms *migrations) finish(m *migration) {
	record, done := m.Migration, m.done
	ms.leave(m)
	if done != nil {
		done(record)
	}
}
