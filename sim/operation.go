package sim

import "fmt"

// An operation is what happens to a VM and takes time: its boot, a shutdown
// that is not at once, and what saves it to disk and restores it. A VM has one
// at most. It consists of steps; a step is over when its activities, which are
// executions, accesses to disks and flows, are.

// operations are those under way.
type operations struct {
	sim    *Simulation
	all    []operation
	free   []int32
	ofVM   []int32 // by VM: its operation, plus 1
	images []int32 // by VM: the disk that it is saved to, plus 1
	boots  uint32  // begun so far
}

type operation struct {
	kind operationKind
	vm   VMID
	seq  uint32
	done Completion
	arg  uint64
	err  error   // why it failed, once it has
	back VMState // of the VM, if it fails

	step    int
	pending int  // activities of the step that are not over
	exec    Exec // on the host; one in the VM ends with what the VM does
	reads   Access
	writes  Access
	flow    Flow
	timer   Timer

	boot boot
	disk DiskID // that the VM is saved to or restored from
	keep bool   // the VM, which is off now, is still saved there
}

type operationKind uint8

const (
	booting operationKind = iota
	stopping
	saving
	restoring
)

func (k operationKind) String() string {
	return [...]string{"boot", "shutdown", "save", "restore"}[k]
}

// CancelOperation ends the boot, shutdown, save or restore of a VM before its
// time. The VM is again what it was before: off, running or suspended, or
// saved. The completion is told ErrCancelled, in an event of its own. The error
// matches ErrOver if there is none.
func (s *Simulation) CancelOperation(id VMID) error {
	if err := s.machines.checkVM(id); err != nil {
		return fmt.Errorf("cancel an operation: %w", err)
	}
	o := &s.operations
	if int(id) >= len(o.ofVM) || o.ofVM[id] == 0 {
		return fmt.Errorf("%s has no operation under way: %w", s.machines.vmName(id), ErrOver)
	}
	o.fail(o.ofVM[id]-1, ErrCancelled)
	return nil
}

// begin makes a VM have an operation, whose state it has already, and returns
// its slot. The first step is taken in an event of its own, after a while.
func (o *operations) begin(kind operationKind, id VMID, back VMState, after Seconds, done Completion, arg uint64) *operation {
	var i int32
	if last := len(o.free) - 1; last >= 0 {
		i, o.free = o.free[last], o.free[:last]
	} else {
		i = int32(len(o.all))
		o.all = append(o.all, operation{})
	}
	o.ofVM = grown(o.ofVM, int(id))
	o.ofVM[id] = i + 1
	op := &o.all[i]
	*op = operation{kind: kind, vm: id, seq: op.seq + 1, back: back, done: done, arg: arg}
	op.timer = o.sim.After(after, o, o.name(i))
	return op
}

// name is how activities and events name the operation that they belong to.
func (o *operations) name(i int32) uint64 { return uint64(o.all[i].seq)<<32 | uint64(i) }

// named returns the slot of a named operation. Its name is stale if it is over.
func (o *operations) named(arg uint64) (int32, bool) {
	i := int32(uint32(arg))
	return i, o.all[i].seq == uint32(arg>>32)
}

// of returns the kind of the operation that a VM has, if it has one.
func (o *operations) of(id VMID) (operationKind, bool) {
	if int(id) >= len(o.ofVM) || o.ofVM[id] == 0 {
		return 0, false
	}
	return o.all[o.ofVM[id]-1].kind, true
}

// Handle begins the first step of an operation, or tells of its failure.
func (o *operations) Handle(now Seconds, arg uint64) {
	i, ok := o.named(arg)
	if !ok {
		return
	}
	op := &o.all[i]
	if op.err == nil {
		o.proceed(now, i)
		return
	}
	id, done, doneArg, err := op.vm, op.done, op.arg, op.err
	if op.keep {
		o.keepImage(id)
	}
	o.release(i)
	if done != nil {
		done.Completed(now, doneArg, err)
	}
}

// Completed is the end of an activity of an operation.
func (o *operations) Completed(now Seconds, arg uint64, err error) {
	i, ok := o.named(arg)
	switch op := &o.all[i]; {
	case !ok || op.err != nil:
		// It is over, and has cancelled its activities.
	case err != nil:
		o.fail(i, err)
	default:
		if op.pending--; op.pending == 0 {
			o.proceed(now, i)
		}
	}
}

// proceed takes the steps of an operation until one has something to wait for,
// or there is no other.
func (o *operations) proceed(now Seconds, i int32) {
	for o.all[i].pending == 0 {
		more, err := o.next(i)
		if err != nil {
			o.fail(i, err)
			return
		}
		if !more {
			o.succeed(now, i)
			return
		}
		o.all[i].step++
	}
}

// next begins the next step of an operation. more is false if there is none.
func (o *operations) next(i int32) (more bool, err error) {
	switch op := &o.all[i]; op.kind {
	case booting:
		return o.nextOfBoot(i)
	case saving:
		if op.step == 0 {
			return true, o.save(i)
		}
	case restoring:
		if op.step == 0 {
			return true, o.restore(i)
		}
	}
	return false, nil
}

// succeed ends an operation that has no step left.
func (o *operations) succeed(now Seconds, i int32) {
	op := &o.all[i]
	id, kind, disk, done, arg := op.vm, op.kind, op.disk, op.done, op.arg
	o.release(i)
	var err error
	switch kind {
	case booting:
		err = o.sim.setState(id, VMRunning)
	case stopping:
		err = o.sim.Shutdown(id)
	case saving:
		o.images = grown(o.images, int(id))
		o.images[id] = int32(disk) + 1
		err = o.sim.setState(id, VMSaved)
	case restoring:
		o.images[id] = 0
		err = o.sim.setState(id, VMRunning)
	}
	if done != nil {
		done.Completed(now, arg, err)
	}
}

// fail ends an operation and what it has under way. The VM is what it was
// before.
func (o *operations) fail(i int32, err error) {
	id, back := o.all[i].vm, o.all[i].back
	o.abandon(i, err)
	if o.sim.State(id) == back {
		return
	}
	if err := o.sim.setState(id, back); err != nil {
		o.sim.Fail(err)
	}
}

// abandon ends an operation and what it has under way, and plans the event
// that tells why.
func (o *operations) abandon(i int32, err error) {
	op := &o.all[i]
	o.ofVM[op.vm] = 0
	op.err = err
	// What is over already, or never began, refuses to be cancelled.
	_ = o.sim.CancelExec(op.exec)
	_ = o.sim.CancelAccess(op.reads)
	_ = o.sim.CancelAccess(op.writes)
	if op.flow != (Flow{}) {
		_ = o.sim.CancelFlow(op.flow)
	}
	o.sim.Cancel(op.timer)
	o.sim.At(o.sim.now, o, o.name(i))
}

func (o *operations) release(i int32) {
	op := &o.all[i]
	if o.ofVM[op.vm] == i+1 {
		o.ofVM[op.vm] = 0
	}
	*op = operation{seq: op.seq + 1}
	o.free = append(o.free, i)
}

// vmChanged ends the operation of a VM that is off or destroyed, and forgets
// the image of one that is destroyed.
func (o *operations) vmChanged(id VMID, to VMState) {
	if to != VMOff && to != VMDestroyed {
		return
	}
	kind, busy := o.of(id)
	failed := to == VMOff && !o.sim.IsOn(o.sim.HostOf(id))
	saved := failed && busy && kind == restoring
	if int(id) < len(o.images) && !saved {
		o.images[id] = 0
	}
	if !busy {
		return
	}
	err := ErrVMGone
	if failed {
		err = ErrHostOff
	}
	i := o.ofVM[id] - 1
	o.all[i].keep = saved
	o.abandon(i, err)
}

// keepImage makes a VM be saved, whose host failed while it was restored: what
// it was restored from is still there.
func (o *operations) keepImage(id VMID) {
	if o.sim.State(id) != VMOff {
		o.images[id] = 0 // it was started anew meanwhile
		return
	}
	if err := o.sim.setState(id, VMSaved); err != nil {
		o.sim.Fail(err)
	}
}

// The activities of a step. Each is awaited.

// compute has a place compute.
func (o *operations) compute(i int32, at Place, work Work) error {
	e, err := o.sim.Execute(at, ExecSpec{Work: work}, o, o.name(i))
	return o.await(i, err, func(op *operation) { op.exec = e })
}

// read reads from a disk, and write writes to it.
func (o *operations) read(i int32, from DiskID, bytes float64) error {
	a, err := o.sim.disks.access(AccessSpec{Disk: from, By: o.sim.disks.place(from)}, bytes, o, o.name(i))
	return o.await(i, err, func(op *operation) { op.reads = a })
}

func (o *operations) write(i int32, to DiskID, bytes Bytes) error {
	a, err := o.sim.Write(to, bytes, 0, o, o.name(i))
	return o.await(i, err, func(op *operation) { op.writes = a })
}

// send sends bytes between hosts. There is nothing to send within one.
func (o *operations) send(i int32, from, to HostID, bytes Bytes) error {
	if from == to || bytes == 0 {
		return nil
	}
	f, err := o.sim.Send(FlowSpec{From: from.Place(), To: to.Place(), Bytes: bytes}, o, o.name(i))
	return o.await(i, err, func(op *operation) { op.flow = f })
}

func (o *operations) await(i int32, err error, keep func(*operation)) error {
	if err != nil {
		return err
	}
	op := &o.all[i]
	keep(op)
	op.pending++
	return nil
}
