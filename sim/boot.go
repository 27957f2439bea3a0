package sim

import (
	"errors"
	"fmt"
	"math"
)

// A boot alternates between the CPU and the disk with its image [6]: in K
// phases of each, it computes CPU seconds in total on one vCPU, and needs IO
// seconds of the disk. Both are shared with whatever else runs, so that there
// is no law of boots beside those of hosts, disks and flows.
//
// VMs that are started together do not boot in step: libvirt starts one after
// the other, and they drift apart. A fluid model with equal VMs has nothing
// that makes them drift: all would compute while the disk is idle, and then
// queue for it together, which takes half as long again as was measured. So
// each boot begins at another point of the cycle of its phases, and makes up
// for that at its end: the first one at the beginning, each next one 0.618 of
// a cycle later (the golden ratio spreads any number of them, and any regular
// part of them, evenly). A boot that is alone takes CPU+IO wherever it begins.

// BootSpec describes a boot.
type BootSpec struct {
	// CPU is what the boot computes, in seconds of one core of the VM's host
	// in p-state 0, on one vCPU.
	CPU Seconds
	// IO is for how long the boot needs the disk with the image, if it is alone
	// there. 0 means as long as it takes to read Set.
	IO Seconds
	// Phases is between how many phases each of the two are divided; 0 means 3.
	Phases int
	// Overhead is what the emulator's own threads compute on the host beside
	// each second that the boot computes.
	Overhead float64
	// Image is the disk that holds the image. If it is on another host than the
	// VM, what is read is also sent from there.
	Image DiskID
	// Set is what a boot reads of the image, and what is sent of it.
	Set Bytes
	// Size has the whole image, of that size, copied to the disk Cache of the
	// VM's host before the boot, which then reads from there. 0 means that it is
	// read from where it is.
	Size  Bytes
	Cache DiskID
}

// CloudImage is the boot of the cloud image of a Linux distribution from a warm
// store, as measured on hosts of four to eight cores [9]. It reads some 45 MB:
// the boot sets of 900 images of a public cloud are 40 GB [10].
var CloudImage = BootSpec{CPU: 8, IO: 3, Phases: 3, Set: 45_000_000}

// boot is a BootSpec made ready.
type boot struct {
	BootSpec
	disk DiskID  // that is read in the phases
	work Work    // in all
	read float64 // bytes in all, at the bandwidth of the disk
	// Where in the cycle it begins: in which phase, and how much of this is
	// left to the end.
	cpuFirst bool
	skipped  float64
}

// Boot boots a VM that is off: it is VMBooting, and then VMRunning. It holds
// its memory from the start. done is told when it runs, or why it does not; it
// may be nil. A VM whose boot fails is off.
//
// The error matches ErrVMState if the VM is not off, ErrHostOff if its host or
// that of a disk is off, and ErrNoRoom if its host has not enough memory.
func (s *Simulation) Boot(id VMID, spec BootSpec, done Completion, arg uint64) error {
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	if err := s.operations.admitBoot(id, &spec); err != nil {
		return fmt.Errorf("boot of %s: %w", s.machines.vmName(id), err)
	}
	if err := s.setState(id, VMBooting); err != nil {
		return fmt.Errorf("boot of %s: %w", s.machines.vmName(id), err)
	}
	o := &s.operations
	op := o.begin(booting, id, VMOff, 0, done, arg)
	op.boot = o.prepare(id, spec)
	o.boots++
	return nil
}

func (o *operations) admitBoot(id VMID, spec *BootSpec) error {
	if state := o.sim.State(id); state != VMOff {
		return ErrVMState
	}
	if !o.sim.IsOn(o.sim.HostOf(id)) {
		return ErrHostOff
	}
	if err := spec.validate(); err != nil {
		return err
	}
	if err := o.sim.disks.usable(spec.Image); err != nil || spec.Size == 0 {
		return err
	}
	if err := o.sim.disks.usable(spec.Cache); err != nil {
		return err
	}
	if o.sim.Disk(spec.Cache).Host != o.sim.HostOf(id) {
		return fmt.Errorf("disk %q, to which the image is to be copied, is not on the VM's host", o.sim.Disk(spec.Cache).Name)
	}
	return nil
}

func (spec *BootSpec) validate() error {
	switch {
	case !(spec.CPU >= 0) || math.IsInf(float64(spec.CPU), 1):
		return fmt.Errorf("computes for %v s; 0 or more is needed", float64(spec.CPU))
	case !(spec.IO >= 0) || math.IsInf(float64(spec.IO), 1):
		return fmt.Errorf("needs the disk for %v s; 0 or more is needed", float64(spec.IO))
	case spec.Phases < 0 || spec.Phases > 1000:
		return fmt.Errorf("has %d phases; 1 to 1000 make sense, and 0 means 3", spec.Phases)
	case !(spec.Overhead >= 0) || math.IsInf(spec.Overhead, 1):
		return fmt.Errorf("an overhead of %v; 0 or more is needed", spec.Overhead)
	case spec.Set < 0 || spec.Size < 0:
		return errors.New("reads or copies less than nothing")
	}
	return nil
}

// usable returns an error unless a disk is there and its host is on.
func (d *disks) usable(id DiskID) error {
	if id < 0 || int(id) >= len(d.disks) {
		return fmt.Errorf("there is no disk %d, the disks are 0 to %d", id, len(d.disks)-1)
	}
	if spec := &d.disks[id].spec; !d.sim.IsOn(spec.Host) {
		return fmt.Errorf("disk %q: %w", spec.Name, ErrHostOff)
	}
	return nil
}

// prepare says what a boot does in all, and where in the cycle it begins.
func (o *operations) prepare(id VMID, spec BootSpec) boot {
	b := boot{BootSpec: spec, disk: spec.Image}
	if b.Phases == 0 {
		b.Phases = 3
	}
	if b.Size > 0 {
		b.disk = b.Cache
	}
	read := o.sim.Disk(b.disk).Read
	if b.IO == 0 {
		b.IO = Seconds(float64(b.Set) / float64(read))
	}
	b.read = float64(b.IO) * float64(read)
	b.work = Work(float64(b.CPU) * float64(o.sim.Host(o.sim.HostOf(id)).Speeds[0]))
	if alone := float64(b.CPU + b.IO); alone > 0 {
		b.start(float64(o.boots*golden)/(1<<32), float64(b.IO)/alone)
	}
	return b
}

// golden is 2^32 divided by the golden ratio: its multiples, modulo 2^32, are
// spread evenly.
const golden uint32 = 2654435769

// start says where in the cycle, of which the disk takes the part io, a boot
// begins.
func (b *boot) start(at, io float64) {
	if at < io {
		b.skipped = at / io
	} else {
		b.cpuFirst, b.skipped = true, (at-io)/(1-io)
	}
}

// phase returns what a boot does in a step, and which part of all it does of
// that.
func (b *boot) phase(step int) (cpu bool, part float64, ok bool) {
	k := float64(b.Phases)
	cpu = b.cpuFirst == (step%2 == 0)
	switch last := 2 * b.Phases; {
	case step == 0:
		return cpu, (1 - b.skipped) / k, true
	case step < last:
		return cpu, 1 / k, true
	case step == last && b.skipped > 0:
		return cpu, b.skipped / k, true
	}
	return false, 0, false
}

// nextOfBoot begins the next step of a boot: the copy of the image, if it is to
// be copied, or a phase.
func (o *operations) nextOfBoot(i int32) (more bool, err error) {
	b, id, step := o.all[i].boot, o.all[i].vm, o.all[i].step
	if b.Size > 0 {
		if step == 0 {
			return true, o.copyImage(i)
		}
		step--
	}
	cpu, part, ok := b.phase(step)
	switch {
	case !ok:
		return false, nil
	case cpu:
		return true, o.bootComputes(i, id, Work(part*float64(b.work)), b.Overhead)
	}
	return true, o.bootReads(i, id, part)
}

func (o *operations) bootComputes(i int32, id VMID, work Work, overhead float64) error {
	if work == 0 {
		return nil
	}
	if err := o.compute(i, id.Place(), work); err != nil || overhead == 0 {
		return err
	}
	return o.compute(i, o.sim.HostOf(id).Place(), Work(overhead*float64(work)))
}

// bootReads reads a part of what a boot reads and, if the image is elsewhere,
// sends it at the same time: the slower of the two counts.
func (o *operations) bootReads(i int32, id VMID, part float64) error {
	b := o.all[i].boot
	if err := o.send(i, o.sim.Disk(b.disk).Host, o.sim.HostOf(id), Bytes(math.Round(part*float64(b.Set)))); err != nil || b.read == 0 {
		return err
	}
	return o.read(i, b.disk, part*b.read)
}

// copyImage reads an image, sends it if it is elsewhere, and writes it to the
// cache, all at the same time.
func (o *operations) copyImage(i int32) error {
	b, here := o.all[i].boot, o.sim.HostOf(o.all[i].vm)
	if err := o.send(i, o.sim.Disk(b.Image).Host, here, b.Size); err != nil {
		return err
	}
	if err := o.read(i, b.Image, float64(b.Size)); err != nil {
		return err
	}
	return o.write(i, b.Cache, b.Size)
}

// TypicalShutdown is how long guests take to shut down: 2 to 10 s, unless a
// service does not stop.
const TypicalShutdown Seconds = 5

// ShutdownAfter shuts a VM down that runs, after the time that its guest takes
// for that, see TypicalShutdown. What runs on it goes on meanwhile. done is told
// when the VM is off, or why not; it may be nil.
func (s *Simulation) ShutdownAfter(id VMID, takes Seconds, done Completion, arg uint64) error {
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	if !(takes >= 0) || math.IsInf(float64(takes), 1) {
		return fmt.Errorf("shutdown of %s: takes %v s; 0 or more is needed", s.machines.vmName(id), float64(takes))
	}
	if err := s.operations.idle(id, VMRunning); err != nil {
		return fmt.Errorf("shutdown of %s: %w", s.machines.vmName(id), err)
	}
	s.operations.begin(stopping, id, VMRunning, takes, done, arg)
	return nil
}

// idle returns an error unless a VM is in a state and has no operation.
func (o *operations) idle(id VMID, state VMState) error {
	if o.sim.State(id) != state {
		return ErrVMState
	}
	if kind, ok := o.of(id); ok {
		return fmt.Errorf("its %s is under way: %w", kind, ErrVMState)
	}
	return nil
}
