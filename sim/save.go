package sim

import "fmt"

// A VM is saved as libvirt does it: it is suspended, its memory is written to
// a disk, and its host gets the memory back. Restored, it goes on where it was,
// on that host or on another. If the disk is on another host than the VM, the
// memory is also sent over the network, at the same time, and the slower of the
// two counts. The thesis measured twice the time for that, as its image was
// written to the local disk first and copied then.

// Save saves a VM, which runs or is suspended, to a disk: it is VMSaving, and
// then VMSaved. done is told when it is saved, or why not; it may be nil. If it
// fails, the VM is again what it was, or off if its host failed.
//
// The error matches ErrVMState if the VM neither runs nor is suspended or has
// another operation under way, ErrMigrating if it migrates, and ErrHostOff if
// the host of the disk is off.
func (s *Simulation) Save(id VMID, disk DiskID, done Completion, arg uint64) error {
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("save: %w", err)
	}
	if err := s.operations.admitSave(id, disk); err != nil {
		return fmt.Errorf("save of %s: %w", s.machines.vmName(id), err)
	}
	back := s.State(id)
	if err := s.setState(id, VMSaving); err != nil {
		return fmt.Errorf("save of %s: %w", s.machines.vmName(id), err)
	}
	s.operations.begin(saving, id, back, 0, done, arg).disk = disk
	return nil
}

func (o *operations) admitSave(id VMID, disk DiskID) error {
	if o.sim.migrations.migrating(id) {
		return ErrMigrating
	}
	state := o.sim.State(id)
	if state != VMRunning && state != VMSuspended {
		return fmt.Errorf("it is %v: %w", state, ErrVMState)
	}
	if err := o.idle(id, state); err != nil {
		return err
	}
	return o.sim.disks.usable(disk)
}

// Restore restores a saved VM on a host: it is VMRestoring, and then
// VMRunning. It holds its memory from the start. done is told when it runs, or
// why not; it may be nil. If it fails, the VM is still saved, and may be
// restored again.
//
// The error matches ErrVMState if the VM is not saved, ErrHostOff if the host
// or that of the disk is off, and ErrNoRoom if the host has not enough memory.
func (s *Simulation) Restore(id VMID, on HostID, done Completion, arg uint64) error {
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	if err := s.machines.checkHost(on); err != nil {
		return fmt.Errorf("restore of %s: %w", s.machines.vmName(id), err)
	}
	if err := s.operations.admitRestore(id, on); err != nil {
		return fmt.Errorf("restore of %s on %s: %w", s.machines.vmName(id), s.machines.hostName(on), err)
	}
	s.operations.begin(restoring, id, VMSaved, 0, done, arg).disk = s.operations.image(id)
	return nil
}

// admitRestore lets a VM have its memory, unless there is a reason not to.
func (o *operations) admitRestore(id VMID, on HostID) error {
	if state := o.sim.State(id); state != VMSaved {
		return fmt.Errorf("it is %v: %w", state, ErrVMState)
	}
	if err := o.sim.disks.usable(o.image(id)); err != nil {
		return err
	}
	if err := o.sim.machines.admits(on, o.sim.VM(id).Memory, "it"); err != nil {
		return err
	}
	if on != o.sim.HostOf(id) {
		if err := o.sim.Move(id, on); err != nil {
			return err
		}
	}
	return o.sim.setState(id, VMRestoring)
}

// image returns the disk that a VM is saved to.
func (o *operations) image(id VMID) DiskID {
	if int(id) >= len(o.images) {
		return none
	}
	return DiskID(o.images[id]) - 1
}

// SavedOn returns the disk that a VM is saved to. ok is false if it is not.
func (s *Simulation) SavedOn(id VMID) (disk DiskID, ok bool) {
	disk = s.operations.image(id)
	return disk, disk != none
}

// save and restore begin the only step of their operation.
func (o *operations) save(i int32) error {
	op := &o.all[i]
	memory, disk := o.sim.VM(op.vm).Memory, op.disk
	if err := o.send(i, o.sim.HostOf(op.vm), o.sim.Disk(disk).Host, memory); err != nil {
		return err
	}
	return o.write(i, disk, memory)
}

func (o *operations) restore(i int32) error {
	op := &o.all[i]
	memory, disk := o.sim.VM(op.vm).Memory, op.disk
	if err := o.send(i, o.sim.Disk(disk).Host, o.sim.HostOf(op.vm), memory); err != nil {
		return err
	}
	return o.read(i, disk, float64(memory))
}
