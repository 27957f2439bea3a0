package sim

import (
	"fmt"
	"math"
)

// DiskID is the index of a disk: 0 for the first one added, and so on.
type DiskID int32

// DiskSpec describes a disk.
type DiskSpec struct {
	Name string
	Host HostID
	// Read and Write are the bandwidths of an access that is alone.
	Read, Write Bandwidth
	// Degrade is how much several accesses at once slow the disk down: n of
	// them get 1/(1+Degrade*(n-1)) of its bandwidth together.
	Degrade float64
}

// Usual disks, to be given a name and a host: the sequential bandwidth of a
// hard disk, an SSD behind SATA and one behind NVMe. The head of a hard disk
// has to move between accesses; 0.5 makes 10 of them take 55 times as long as
// one.
var (
	HDD  = DiskSpec{Name: "HDD", Read: 150e6, Write: 150e6, Degrade: 0.5}
	SSD  = DiskSpec{Name: "SSD", Read: 500e6, Write: 500e6}
	NVMe = DiskSpec{Name: "NVMe", Read: 3e9, Write: 3e9}
)

// Access names an access to a disk. The zero Access names none.
type Access struct {
	slot int32
	seq  uint32
}

// AccessSpec describes an access to a disk.
type AccessSpec struct {
	Disk  DiskID
	Write bool
	Bytes Bytes
	Cap   Bandwidth // 0 means none
	// By is who asks for it. That of a VM waits while the VM does, and fails
	// when the VM is shut down; it goes on while the VM moves, as if the disk
	// was reached from everywhere.
	By Place
}

type disks struct {
	sim      *Simulation
	disks    []disk
	accesses []access
	free     []int32
	started  uint64  // accesses
	onDisk   chains  // accesses by disk
	ofHost   []int32 // by host: its latest disk, plus 1
	ofVM     []int32 // by VM: its latest access, plus 1

	// Working space.
	ending []int32
	over   []told
}

type access struct {
	left      float64 // bytes, at the disk's since; not of one that runs without a cap
	end       float64 // of one that does: the service of its disk when it is over
	bandwidth float64 // of the disk, for one that is alone
	cap       float64 // infinite for none
	started   uint64  // how many had started before
	done      Completion
	arg       uint64
	err       error // why it failed
	disk      DiskID
	seq       uint32
	vm        VMID // whose it is, or none
	next      int32
	previous  int32 // accesses of the same VM, plus 1
	place     int32 // in the heap of its disk
	state     accessState
}

// accessState is a set: an access may wait for more than one reason.
type accessState uint8

const (
	accessAlive  accessState = 1 << iota
	accessPaused             // by SuspendAccess
	accessHeld               // its VM is suspended
	accessFailed             // its completion is about to be told
)

func (a *access) runs() bool   { return a.state == accessAlive }
func (a *access) capped() bool { return !math.IsInf(a.cap, 1) }

// wants returns the part of the disk's time that makes for the cap.
func (a *access) wants() float64 { return a.cap / a.bandwidth }

// told is what is owed to an access that is over.
type told struct {
	done Completion
	arg  uint64
}

// accessFailure marks the argument of an event that tells of a failure. Other
// events of the disks are the next end of an access of a disk.
const accessFailure = 1 << 32

// AddDisk adds a disk to a host.
func (s *Simulation) AddDisk(spec DiskSpec) (DiskID, error) {
	if err := s.validateDisk(spec); err != nil {
		return none, fmt.Errorf("disk %q: %w", spec.Name, err)
	}
	d := &s.disks
	id := DiskID(len(d.disks))
	d.ofHost = grown(d.ofHost, int(spec.Host))
	d.disks = append(d.disks, disk{spec: spec, next: d.ofHost[spec.Host]})
	d.ofHost[spec.Host] = int32(id) + 1
	return id, nil
}

func (s *Simulation) validateDisk(spec DiskSpec) error {
	switch {
	case spec.Host < 0 || int(spec.Host) >= s.Hosts():
		return fmt.Errorf("host %d is unknown; there are %d", spec.Host, s.Hosts())
	case !positive(float64(spec.Read)):
		return fmt.Errorf("reads %v bytes/s; more than 0 is needed", float64(spec.Read))
	case !positive(float64(spec.Write)):
		return fmt.Errorf("writes %v bytes/s; more than 0 is needed", float64(spec.Write))
	case !(spec.Degrade >= 0) || math.IsInf(spec.Degrade, 1):
		return fmt.Errorf("is degraded by %v for each access more; 0 or more is needed", spec.Degrade)
	}
	return nil
}

// positive reports whether x is a finite number above 0.
func positive(x float64) bool { return x > 0 && !math.IsInf(x, 1) }

// grown returns list with a place for index i. New places hold 0.
func grown(list []int32, i int) []int32 {
	if i >= len(list) {
		list = append(list, make([]int32, i+1-len(list))...)
	}
	return list
}

// Disks returns the number of disks.
func (s *Simulation) Disks() int { return len(s.disks.disks) }

// Disk returns a disk as it was added.
func (s *Simulation) Disk(id DiskID) DiskSpec { return s.disks.disks[id].spec }

// Accesses returns how many accesses share a disk now. Those that wait do not
// count.
func (s *Simulation) Accesses(id DiskID) int { return s.disks.disks[id].running() }

// DiskLoad returns the bandwidth that a disk gives now, reads and writes
// together.
func (s *Simulation) DiskLoad(id DiskID) Bandwidth {
	d := &s.disks
	var sum float64
	for i := d.onDisk.head(int32(id)); i != none; i = d.onDisk.after(int32(id), i) {
		sum += d.accesses[i].rate(&d.disks[id])
	}
	return Bandwidth(sum)
}

// Read reads bytes from a disk, at no more than limit if that is not 0, for
// the disk's host. done may be nil.
func (s *Simulation) Read(id DiskID, bytes Bytes, limit Bandwidth, done Completion, arg uint64) (Access, error) {
	return s.Access(AccessSpec{Disk: id, Bytes: bytes, Cap: limit, By: s.disks.place(id)}, done, arg)
}

// Write writes bytes to a disk, at no more than limit if that is not 0, for
// the disk's host. done may be nil.
func (s *Simulation) Write(id DiskID, bytes Bytes, limit Bandwidth, done Completion, arg uint64) (Access, error) {
	return s.Access(AccessSpec{Disk: id, Write: true, Bytes: bytes, Cap: limit, By: s.disks.place(id)}, done, arg)
}

func (d *disks) place(id DiskID) Place {
	if id < 0 || int(id) >= len(d.disks) {
		return HostID(none).Place()
	}
	return d.disks[id].spec.Host.Place()
}

// Access starts an access to a disk. When it is over, done is told, in an
// event of its own or one in which other accesses to the disk end; done may be
// nil.
func (s *Simulation) Access(spec AccessSpec, done Completion, arg uint64) (Access, error) {
	return s.disks.access(spec, float64(spec.Bytes), done, arg)
}

// access is Access of a number of bytes that need not be whole.
func (d *disks) access(spec AccessSpec, bytes float64, done Completion, arg uint64) (Access, error) {
	state, err := d.admit(spec)
	if err != nil {
		return Access{}, err
	}
	device := &d.disks[spec.Disk]
	i := d.take()
	a := &d.accesses[i]
	*a = access{
		left: bytes, bandwidth: float64(device.spec.Read), cap: math.Inf(1),
		started: d.started, done: done, arg: arg, disk: spec.Disk, seq: a.seq + 1, vm: none, state: state,
	}
	d.started++
	if spec.Write {
		a.bandwidth = float64(device.spec.Write)
	}
	if spec.Cap > 0 {
		a.cap = float64(spec.Cap)
	}
	if id, ok := spec.By.VM(); ok {
		d.own(i, id)
	}
	d.onDisk.add(int32(spec.Disk), i)
	if a.runs() {
		d.begin(i)
	}
	return Access{slot: i, seq: a.seq}, nil
}

// admit returns the state in which an access starts, or why it does not.
func (d *disks) admit(spec AccessSpec) (accessState, error) {
	if spec.Disk < 0 || int(spec.Disk) >= len(d.disks) {
		return 0, fmt.Errorf("access to disk %d: there are %d disks", spec.Disk, len(d.disks))
	}
	device := &d.disks[spec.Disk].spec
	state := accessAlive
	var err error
	switch id, ofVM := spec.By.VM(); {
	case spec.Bytes < 0:
		err = fmt.Errorf("%d bytes are less than none", spec.Bytes)
	case !(spec.Cap >= 0) || math.IsInf(float64(spec.Cap), 1):
		err = fmt.Errorf("a cap of %v bytes/s makes no sense; 0 means none", float64(spec.Cap))
	case !d.sim.IsOn(device.Host):
		err = ErrHostOff
	case ofVM:
		state, err = d.admitVM(id)
	case !d.known(spec.By.host):
		err = fmt.Errorf("host %d is unknown", spec.By.host)
	case !d.sim.IsOn(spec.By.host):
		err = fmt.Errorf("asked for by host %q: %w", d.sim.Host(spec.By.host).Name, ErrHostOff)
	}
	if err != nil {
		return 0, fmt.Errorf("access to disk %q: %w", device.Name, err)
	}
	return state, nil
}

func (d *disks) known(h HostID) bool { return h >= 0 && int(h) < d.sim.Hosts() }

func (d *disks) admitVM(id VMID) (accessState, error) {
	if id < 0 || int(id) >= d.sim.VMs() {
		return 0, fmt.Errorf("VM %d is unknown", id)
	}
	switch state := d.sim.State(id); {
	case state == VMOff || state == VMDestroyed:
		return 0, fmt.Errorf("asked for by VM %q: %w", d.sim.VM(id).Name, ErrVMGone)
	case !state.computes():
		return accessAlive | accessHeld, nil
	}
	return accessAlive, nil
}

func (d *disks) take() int32 {
	if last := len(d.free) - 1; last >= 0 {
		i := d.free[last]
		d.free = d.free[:last]
		return i
	}
	d.accesses = append(d.accesses, access{})
	return int32(len(d.accesses) - 1)
}

// release frees the slot of an access that is over.
func (d *disks) release(i int32) {
	d.accesses[i] = access{seq: d.accesses[i].seq}
	d.free = append(d.free, i)
}

// own puts an access in the list of its VM.
func (d *disks) own(i int32, id VMID) {
	d.ofVM = grown(d.ofVM, int(id))
	a := &d.accesses[i]
	a.vm, a.next = id, d.ofVM[id]
	if a.next != 0 {
		d.accesses[a.next-1].previous = i + 1
	}
	d.ofVM[id] = i + 1
}

func (d *disks) disown(a *access) {
	if a.vm == none {
		return
	}
	if a.next != 0 {
		d.accesses[a.next-1].previous = a.previous
	}
	if a.previous != 0 {
		d.accesses[a.previous-1].next = a.next
	} else {
		d.ofVM[a.vm] = a.next
	}
	a.vm = none
}

// lookup returns the access that a name stands for.
func (d *disks) lookup(name Access) (*access, error) {
	if name.slot < 0 || int(name.slot) >= len(d.accesses) {
		return nil, fmt.Errorf("access to a disk: %w", ErrOver)
	}
	a := &d.accesses[name.slot]
	if name.seq == 0 || a.seq != name.seq || a.state&accessAlive == 0 {
		return nil, fmt.Errorf("access to a disk: %w", ErrOver)
	}
	return a, nil
}

// SuspendAccess makes an access wait. It does nothing to one that waits
// already.
func (s *Simulation) SuspendAccess(name Access) error {
	a, err := s.disks.lookup(name)
	if err == nil {
		s.disks.change(name.slot, a.state|accessPaused)
	}
	return err
}

// ResumeAccess makes an access go on that SuspendAccess has stopped. That of a
// suspended VM waits for the VM still.
func (s *Simulation) ResumeAccess(name Access) error {
	a, err := s.disks.lookup(name)
	if err == nil {
		s.disks.change(name.slot, a.state&^accessPaused)
	}
	return err
}

// CancelAccess ends an access before its time. Its completion is told
// ErrCancelled, in an event of its own.
func (s *Simulation) CancelAccess(name Access) error {
	_, err := s.disks.lookup(name)
	if err == nil {
		s.disks.fail(name.slot, ErrCancelled)
	}
	return err
}

// AccessRemaining returns the bytes that an access has yet to move: 0 once it
// is over.
func (s *Simulation) AccessRemaining(name Access) float64 {
	a, err := s.disks.lookup(name)
	if err != nil {
		return 0
	}
	return a.leftAt(s.now, &s.disks.disks[a.disk])
}

// AccessRate returns the bytes per second that an access moves now: 0 if it
// waits or is over.
func (s *Simulation) AccessRate(name Access) Bandwidth {
	a, err := s.disks.lookup(name)
	if err != nil {
		return 0
	}
	return Bandwidth(a.rate(&s.disks.disks[a.disk]))
}

// change gives an access another state. It starts or stops accordingly.
func (d *disks) change(i int32, to accessState) {
	a := &d.accesses[i]
	ran, runs := a.runs(), to == accessAlive
	if ran && !runs {
		d.pause(i)
	}
	a.state = to
	if runs && !ran {
		d.begin(i)
	}
}

// fail ends an access, which is alive, and plans an event that tells why.
func (d *disks) fail(i int32, err error) {
	d.change(i, accessFailed)
	d.announce(i, err)
}

// announce plans the event that tells why an access failed, which does not run
// any more.
func (d *disks) announce(i int32, err error) {
	a := &d.accesses[i]
	d.forget(i)
	if a.done == nil {
		d.release(i)
		return
	}
	a.state, a.err = accessFailed, err
	d.sim.At(d.sim.now, d, accessFailure|uint64(i))
}

// forget takes an access that is over out of the lists of its disk and its VM.
func (d *disks) forget(i int32) {
	a := &d.accesses[i]
	d.onDisk.remove(int32(a.disk), i)
	d.disown(a)
}

// Handle is the next end of an access to disk arg or, if arg is marked, tells of
// the failure of an access.
func (d *disks) Handle(now Seconds, arg uint64) {
	if arg&accessFailure != 0 {
		i := int32(uint32(arg))
		a := d.accesses[i]
		d.release(i)
		a.done.Completed(now, a.arg, a.err)
		return
	}
	d.complete(now, DiskID(arg))
}

// complete ends the access that is due, and those that end at the same date.
func (d *disks) complete(now Seconds, id DiskID) {
	device := &d.disks[id]
	d.advance(device)
	for _, i := range d.ended(device) {
		a := &d.accesses[i]
		if a.done != nil {
			d.over = append(d.over, told{a.done, a.arg})
		}
		d.forget(i)
		d.release(i)
	}
	d.share(id)
	// Those who are told may start accesses, but end none: no other event takes
	// place meanwhile.
	for _, t := range d.over {
		t.done.Completed(now, t.arg, nil)
	}
	clear(d.over)
	d.over = d.over[:0]
}

// vmChanged stops, resumes or ends the accesses of a VM.
func (d *disks) vmChanged(id VMID, to VMState) {
	if int(id) >= len(d.ofVM) {
		return
	}
	for next := d.ofVM[id]; next != 0; {
		i := next - 1
		a := &d.accesses[i]
		next = a.next
		switch {
		case to == VMOff || to == VMDestroyed:
			d.fail(i, ErrVMGone)
		case to.computes():
			d.change(i, a.state&^accessHeld)
		default:
			d.change(i, a.state|accessHeld)
		}
	}
}

// hostSwitched ends the accesses to the disks of a host that is switched off.
func (d *disks) hostSwitched(h HostID, on bool) {
	if on || int(h) >= len(d.ofHost) {
		return
	}
	for next := d.ofHost[h]; next != 0; next = d.disks[next-1].next {
		id := next - 1
		d.stop(DiskID(id))
		for i := d.onDisk.head(id); i != none; i = d.onDisk.head(id) {
			d.announce(i, ErrHostOff)
		}
	}
}
