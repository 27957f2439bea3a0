package sim

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// HostID is the index of a host: 0 for the first one added, and so on.
type HostID int32

// VMID is the index of a VM: 0 for the first one added, and so on.
type VMID int32

// HostSpec describes a host.
type HostSpec struct {
	Name     string
	CPU      cluster.Millicores // what its VMs may use together
	Memory   cluster.Bytes
	Up, Down cluster.BytesPerSecond // its links to and from the other hosts
}

// VMSpec describes a VM.
type VMSpec struct {
	Name   string
	Host   HostID
	VCPUs  int32
	Memory cluster.Bytes
	// DirtyRate is how fast it writes its memory when all its vCPUs compute at
	// full speed. At half the speed, it writes half as fast.
	DirtyRate cluster.BytesPerSecond
	// Demand is the CPU it asks for, at most VCPUs cores.
	Demand cluster.Millicores
	// MigrationSpeed caps the traffic of its migrations; 0 means no cap.
	MigrationSpeed cluster.BytesPerSecond
}

// host is what changes about a host.
//
// Invariants: demand is the sum over vms, and active the sum over those that
// are not suspended; used + promised <= memory.
type host struct {
	cpu            cluster.Millicores
	demand, active cluster.Millicores
	level          float64 // no VM gets more, in millicores; see level
	memory         cluster.Bytes
	used, promised cluster.Bytes
	vms            []VMID // in ascending order
}

// vm is what changes about a VM. The integrals are up to date at since.
type vm struct {
	demand      cluster.Millicores
	since       time.Duration
	given, lost float64       // millicores x nanoseconds
	short       time.Duration // with less than its demand
	host        HostID
	migration   int32 // index into migrations.running, or none
	suspended   bool
}

const none = -1

// AddHost adds a host without VMs. It panics if an amount is negative.
func (s *Simulation) AddHost(spec HostSpec) HostID {
	if spec.CPU < 0 || spec.Memory < 0 || spec.Up < 0 || spec.Down < 0 {
		panic(fmt.Sprintf("sim: host with a negative amount: %+v", spec))
	}
	s.hosts = append(s.hosts, host{cpu: spec.CPU, memory: spec.Memory, level: math.Inf(1)})
	s.hostSpecs = append(s.hostSpecs, spec)
	s.network.addHost(spec.Up, spec.Down)
	return HostID(len(s.hosts) - 1)
}

// AddVM adds a VM that runs from now on. It panics if the VM does not make
// sense or its host has no room for it: where VMs start is for the caller to
// check.
func (s *Simulation) AddVM(spec VMSpec) VMID {
	if spec.VCPUs < 1 || spec.Memory < 0 || spec.DirtyRate < 0 || spec.MigrationSpeed < 0 {
		panic(fmt.Sprintf("sim: VM out of range: %+v", spec))
	}
	if free := s.MemoryFree(spec.Host); spec.Memory > free {
		panic(fmt.Sprintf("sim: VM %q needs %v of memory, but host %q has %v", spec.Name, spec.Memory, s.hostSpecs[spec.Host].Name, free))
	}
	id := VMID(len(s.vms))
	s.vmSpecs = append(s.vmSpecs, spec)
	s.vms = append(s.vms, vm{migration: none})
	s.checkDemand(id, spec.Demand)
	s.vms[id].demand = spec.Demand
	s.arrive(id, spec.Host)
	s.changed(spec.Host)
	return id
}

// Host returns the description of a host.
func (s *Simulation) Host(h HostID) HostSpec { return s.hostSpecs[h] }

// VM returns the description of a VM, with its present host and demand.
func (s *Simulation) VM(id VMID) VMSpec {
	spec := s.vmSpecs[id]
	spec.Host, spec.Demand = s.vms[id].host, s.vms[id].demand
	return spec
}

// HostOf returns the host of a VM. A VM that migrates is on the source until
// the migration ends.
func (s *Simulation) HostOf(id VMID) HostID { return s.vms[id].host }

// Hosted returns the VMs of a host in ascending order. The slice is the
// simulation's own: it is valid until the next event, and not to be changed.
func (s *Simulation) Hosted(h HostID) []VMID { return s.hosts[h].vms }

// Demand returns the CPU that the VMs of a host ask for together.
func (s *Simulation) Demand(h HostID) cluster.Millicores { return s.hosts[h].demand }

// MemoryUsed returns the memory of the VMs that a host hosts.
func (s *Simulation) MemoryUsed(h HostID) cluster.Bytes { return s.hosts[h].used }

// MemoryPromised returns the memory of the VMs that migrate to a host.
func (s *Simulation) MemoryPromised(h HostID) cluster.Bytes { return s.hosts[h].promised }

// MemoryFree returns the memory of a host that is neither used nor promised.
func (s *Simulation) MemoryFree(h HostID) cluster.Bytes {
	host := &s.hosts[h]
	return host.memory - host.used - host.promised
}

// SetDemand makes a VM ask for cpu from now on. It panics if that is less
// than nothing or more than all its vCPUs.
func (s *Simulation) SetDemand(id VMID, cpu cluster.Millicores) {
	s.checkDemand(id, cpu)
	v := &s.vms[id]
	if v.demand == cpu {
		return
	}
	s.settle(v)
	h := &s.hosts[v.host]
	h.demand += cpu - v.demand
	if !v.suspended {
		h.active += cpu - v.demand
	}
	v.demand = cpu
	s.relevel(h)
	s.changed(v.host)
}

func (s *Simulation) checkDemand(id VMID, cpu cluster.Millicores) {
	if spec := &s.vmSpecs[id]; cpu < 0 || cpu > cluster.Millicores(spec.VCPUs)*cluster.Core {
		panic(fmt.Sprintf("sim: VM %q asks for %v and has %d vCPUs", spec.Name, cpu, spec.VCPUs))
	}
}

// OnChange has f called whenever the VMs that a host hosts, or what they ask
// for, have changed: once per host and change, when the change is complete.
// Observers are called in the order in which they came.
func (s *Simulation) OnChange(f func(h HostID)) { s.observers = append(s.observers, f) }

func (s *Simulation) changed(h HostID) {
	for _, f := range s.observers {
		f(h)
	}
}

// arrive puts a VM that is on no host on host id.
func (s *Simulation) arrive(id VMID, on HostID) {
	v, h := &s.vms[id], &s.hosts[on]
	v.host, v.since = on, s.now
	at, _ := slices.BinarySearch(h.vms, id)
	h.vms = slices.Insert(h.vms, at, id)
	h.used += s.vmSpecs[id].Memory
	h.demand += v.demand
	h.active += v.demand
	s.relevel(h)
}

// depart takes a suspended VM from its host.
func (s *Simulation) depart(id VMID) {
	v := &s.vms[id]
	h := &s.hosts[v.host]
	s.settle(v)
	at, _ := slices.BinarySearch(h.vms, id)
	h.vms = slices.Delete(h.vms, at, at+1)
	h.used -= s.vmSpecs[id].Memory
	h.demand -= v.demand
}

// suspend stops a VM: it asks for as much as before and gets nothing.
func (s *Simulation) suspend(id VMID) {
	v := &s.vms[id]
	h := &s.hosts[v.host]
	s.settle(v)
	v.suspended = true
	h.active -= v.demand
	s.relevel(h)
}

// resume lets a suspended VM run again where it is.
func (s *Simulation) resume(id VMID) {
	v := &s.vms[id]
	h := &s.hosts[v.host]
	s.settle(v)
	v.suspended = false
	h.active += v.demand
	s.relevel(h)
}
