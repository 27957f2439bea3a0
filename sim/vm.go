package sim

import (
	"fmt"
	"math"
	"slices"
)

// VMSpec describes a VM.
type VMSpec struct {
	Name   string
	Host   HostID
	VCPUs  int // 1 or more; they may be more than the host has cores
	Memory Bytes
	// Cap is the most that the VM gets, over all its vCPUs; 0 means no cap.
	Cap Speed
	// Priority multiplies the VM's weight on its host; 0 means 1.
	Priority float64
	// Demand is the load of the VM that never ends: see SetDemand.
	Demand Speed
	// Off says that the VM does not run yet: see Start and Boot. It then holds
	// no memory.
	Off bool

	// What follows is about live migration, see [Simulation.Migrate].

	// DirtyRate is how fast the VM writes to its memory for each core that it
	// keeps busy: bytes that were not written since they were sent.
	DirtyRate Bandwidth
	// WorkingSet is the part of its memory that it writes to; 0 means 90 %.
	WorkingSet Bytes
	// MigrationSpeed is the most that its migration sends; 0 means no limit.
	MigrationSpeed Bandwidth
	// Disk is the size of its disk, and DiskTop that of its top layer: what the
	// VM has written since the disk was made from an image. DiskDirtyRate is as
	// DirtyRate. They count only if the disk goes with the VM, see [DiskCopy].
	Disk, DiskTop Bytes
	DiskDirtyRate Bandwidth
}

// vm is what changes about a VM. The integrals are up to date at since.
type vm struct {
	claim       claim // on its host
	since       Seconds
	given, lost Work
	short       Seconds // with less than it asked for
	asks        Speed   // see Delivery
	used        Speed   // what it computes now; under the right law, all that it gets
	demand      Speed   // see SetDemand
	cap         Speed   // 0: none
	priority    float64
	throttle    float64 // the part that auto-converge lets it have
	host        HostID
	vcpus       int32
	execs       int32 // those inside; see exec
	pin         int32 // index into machines.pins, or none
	state       VMState
}

// vmData is what only describes a VM.
type vmData struct {
	name   string
	memory Bytes
	writes writes
}

// AddVM adds a VM that runs from now on, unless it is to be off. The error says
// what of the description makes no sense, or matches ErrNoRoom or ErrHostOff.
// A VM that needs more memory than all its host has is refused even if it is
// off.
func (s *Simulation) AddVM(spec VMSpec) (VMID, error) {
	m := &s.machines
	if err := m.checkSpec(spec); err != nil {
		return none, fmt.Errorf("VM %q: %w", spec.Name, err)
	}
	id := VMID(len(m.vms))
	m.vms = append(m.vms, vm{
		since: s.now, demand: spec.Demand, cap: spec.Cap, priority: unlessSet(spec.Priority, 1), throttle: 1,
		host: spec.Host, vcpus: int32(spec.VCPUs), execs: none, pin: none,
	})
	m.vmData = append(m.vmData, vmData{spec.Name, spec.Memory, writesOf(spec)})
	if !spec.Off {
		if err := s.setState(id, VMRunning); err != nil {
			panic(fmt.Sprintf("sim: a VM that was checked can't start: %v", err))
		}
	}
	return id, nil
}

func (m *machines) checkSpec(spec VMSpec) error {
	if err := m.checkHost(spec.Host); err != nil {
		return err
	}
	if spec.VCPUs < 1 || spec.VCPUs > math.MaxInt32 {
		return fmt.Errorf("%d vCPUs: it must have 1 or more", spec.VCPUs)
	}
	if spec.Memory < 0 {
		return fmt.Errorf("a memory of %v: it must be 0 or more", spec.Memory)
	}
	if err := amount("a cap", float64(spec.Cap)); err != nil {
		return err
	}
	if err := amount("a priority", spec.Priority); err != nil {
		return err
	}
	if err := amount("a demand", float64(spec.Demand)); err != nil {
		return err
	}
	if err := writesOf(spec).validate(spec.Memory); err != nil {
		return err
	}
	if spec.Off {
		if host := &m.hosts[spec.Host]; spec.Memory > host.memory {
			return m.room(spec.Host, spec.Memory, "it")
		}
		return nil
	}
	return m.admits(spec.Host, spec.Memory, "it")
}

// admits returns an error unless a VM may come to hold memory on a host.
func (m *machines) admits(h HostID, b Bytes, who string) error {
	if m.hosts[h].off {
		return fmt.Errorf("%s: %w", m.hostName(h), ErrHostOff)
	}
	return m.room(h, b, who)
}

// VMs returns how many VMs there are, destroyed ones included.
func (s *Simulation) VMs() int { return len(s.machines.vms) }

// VM returns the description of a VM, with its present host, demand, cap and
// priority, and whether it is off.
func (s *Simulation) VM(id VMID) VMSpec {
	m := &s.machines
	if !m.hasVM(id) {
		return VMSpec{}
	}
	v, data := &m.vms[id], &m.vmData[id]
	spec := VMSpec{
		Name: data.name, Host: v.host, VCPUs: int(v.vcpus), Memory: data.memory,
		Cap: v.cap, Priority: v.priority, Demand: v.demand, Off: v.state == VMOff,
	}
	data.writes.describe(&spec)
	return spec
}

// State returns the state of a VM.
func (s *Simulation) State(id VMID) VMState {
	if !s.machines.hasVM(id) {
		return VMDestroyed
	}
	return s.machines.vms[id].state
}

// HostOf returns the host of a VM. A VM that migrates is on the source until
// the migration moves it. One that holds no memory is where it was last.
func (s *Simulation) HostOf(id VMID) HostID {
	if !s.machines.hasVM(id) {
		return none
	}
	return s.machines.vms[id].host
}

// SetDemand makes a VM ask for speed from now on. It is an endless load, as of
// an execution with as many threads as the VM has vCPUs and a cap of speed, but
// costs a change of the host's shares only: nothing waits for its end. A VM
// that is asked for more than its vCPUs can give gets less, and that is counted
// as lost. The load counts while the VM runs.
func (s *Simulation) SetDemand(id VMID, speed Speed) error {
	m := &s.machines
	if err := m.checkVM(id); err != nil {
		return fmt.Errorf("demand: %w", err)
	}
	if err := amount("a demand", float64(speed)); err != nil {
		return fmt.Errorf("%s: %w", m.vmName(id), err)
	}
	v := &m.vms[id]
	if v.demand == speed {
		return nil
	}
	m.before(id.Place())
	v.demand = speed
	m.after(id.Place())
	if v.state.holds() {
		m.changed(v.host)
	}
	return nil
}

// Expect says that the demands of some VMs are about to change. It changes
// nothing: it reads what SetDemand is going to read, for all of them at once, so
// that the waits for memory overlap. With a million VMs these are most of what a
// change costs; some dozens of VMs at a time are a good number.
func (s *Simulation) Expect(vms []VMID) {
	m := &s.machines
	var read float64
	for _, id := range vms {
		if m.hasVM(id) {
			v := &m.vms[id]
			read += float64(v.claim.rate) + float64(v.state)
		}
	}
	for _, id := range vms {
		if m.hasVM(id) {
			h := &m.hosts[m.vms[id].host]
			read += float64(h.speed) + float64(h.cores)
		}
	}
	m.expected = read // or the reads would be left out
}

// SetVMCap changes the most that a VM gets, over all its vCPUs; 0 means no cap.
func (s *Simulation) SetVMCap(id VMID, speed Speed) error {
	m := &s.machines
	if err := m.checkVM(id); err != nil {
		return fmt.Errorf("cap: %w", err)
	}
	if err := amount("a cap", float64(speed)); err != nil {
		return fmt.Errorf("%s: %w", m.vmName(id), err)
	}
	m.before(id.Place())
	m.vms[id].cap = speed
	m.after(id.Place())
	return nil
}

// SetVMPriority changes what the VM's weight on its host is multiplied by; 0
// means 1.
func (s *Simulation) SetVMPriority(id VMID, p float64) error {
	m := &s.machines
	if err := m.checkVM(id); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	if err := amount("a priority", p); err != nil {
		return fmt.Errorf("%s: %w", m.vmName(id), err)
	}
	m.before(id.Place())
	m.vms[id].priority = unlessSet(p, 1)
	m.after(id.Place())
	return nil
}

// throttle limits a VM to a part of what it would get, 0 < part <= 1: it can
// use this part of what it could, and weighs as much less. Used by
// auto-converge.
func (s *Simulation) throttle(id VMID, part float64) {
	m := &s.machines
	m.before(id.Place())
	m.vms[id].throttle = part
	m.after(id.Place())
}

// demanded returns what the demand of a VM can use, and its weight.
func (m *machines) demanded(v *vm) (most Speed, weight float64) {
	if v.demand == 0 || !v.state.asks() {
		return 0, 0
	}
	return min(v.demand, Speed(v.vcpus)*m.hosts[v.host].speed), float64(v.vcpus)
}

// reclaim computes what a VM asks for, and its claim on its host, after a
// change of what runs inside, its limits or its state. The VM is settled.
func (m *machines) reclaim(id VMID) {
	v, c := &m.vms[id], &m.vms[id].claim
	speed := m.hosts[v.host].speed
	most, busy := m.demanded(v)
	executions := false
	for e := v.execs; e != none; e = m.next(v.execs, e) {
		if exec := &m.execs[e]; exec.state == execLive {
			most += exec.claim.most
			busy += float64(exec.threads)
			executions = true
		}
	}
	busy = min(busy, float64(v.vcpus))
	cores := Speed(busy) * speed
	v.asks = m.asks(v, min(most, cores))
	if m.sim.settings.Law == Right || !executions {
		cores = min(cores, most)
	}
	if v.cap > 0 {
		cores = min(cores, v.cap)
	}
	if v.pin != none {
		cores = min(cores, Speed(m.pins[v.pin].size())*speed)
	}
	c.most, c.weight = cores*Speed(v.throttle), busy*v.priority*v.throttle
	if !v.state.computes() || c.most == 0 {
		c.most, c.weight = 0, 0
	}
}

// asks returns what a VM asks for, if what runs inside can use most.
func (m *machines) asks(v *vm, most Speed) Speed {
	switch {
	case v.state.asks():
		return max(v.demand, most)
	case v.state == VMBooting:
		return most
	}
	return 0
}

// Share returns what a VM gets of its host now, over all its vCPUs.
func (s *Simulation) Share(id VMID) Speed {
	if !s.machines.hasVM(id) {
		return 0
	}
	return s.machines.vms[id].claim.rate
}

// Delivery says how a VM was served since it was added.
//
// What it asks for at a moment is its demand and what its executions could use
// on its vCPUs if it had its host for itself and no cap, at the speed of its
// host at that moment. A demand above what its vCPUs can give counts as asked
// in full. A VM that is suspended asks for as much as before, and gets nothing;
// this includes the pause at the end of a migration. One that is off, saved,
// restored or destroyed asks for nothing, and one that boots for what its boot
// takes.
//
// Under the original law, what a VM gets of its host and can't use is not given.
type Delivery struct {
	Asked, Given, Lost Work // Asked = Given + Lost
	// Short is for how long it got less than it asked for.
	Short Seconds
}

// Delivered returns how a VM was served up to now.
func (s *Simulation) Delivered(id VMID) Delivery {
	m := &s.machines
	if !m.hasVM(id) {
		return Delivery{}
	}
	v := m.vms[id]
	v.settle(s.now)
	return Delivery{Asked: v.given + v.lost, Given: v.given, Lost: v.lost, Short: v.short}
}

// workDone returns the work that a VM was given up to now. Used by migrations.
func (s *Simulation) workDone(id VMID) Work {
	v := &s.machines.vms[id]
	return v.given + Work(float64(v.used)*float64(s.now-v.since))
}

// settle brings the integrals of a VM up to date. It must be called before
// what it asks for or uses changes.
func (m *machines) settle(id VMID) {
	m.sim.energy.settleVM(id)
	m.vms[id].settle(m.sim.now)
}

func (v *vm) settle(now Seconds) {
	elapsed := float64(now - v.since)
	if elapsed == 0 {
		return
	}
	v.since = now
	v.given += Work(float64(v.used) * elapsed)
	if missing := v.asks - v.used; missing > slack*v.asks {
		v.lost += Work(float64(missing) * elapsed)
		v.short += Seconds(elapsed)
	}
}

// arrive puts a VM that now holds memory in the list of its host.
func (m *machines) arrive(id VMID) {
	v := &m.vms[id]
	h := &m.hosts[v.host]
	at, _ := slices.BinarySearch(h.vms, id)
	h.vms = slices.Insert(h.vms, at, id)
	h.used += m.vmData[id].memory
	if v.pin != none {
		h.pinned++
	}
}

// depart takes a VM out of the list of its host. It gets nothing then. The VM
// is settled.
func (m *machines) depart(id VMID) {
	v := &m.vms[id]
	h := &m.hosts[v.host]
	at, _ := slices.BinarySearch(h.vms, id)
	h.vms = slices.Delete(h.vms, at, at+1)
	h.used -= m.vmData[id].memory
	if v.pin != none {
		h.pinned--
	}
	m.vms[id].claim = claim{}
	m.inside(id)
}
