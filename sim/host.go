package sim

import (
	"errors"
	"fmt"
	"slices"
)

// HostSpec describes a host.
type HostSpec struct {
	Name  string
	Cores int // from 1 to 2^20
	// Speeds are those of one core, by p-state; there is at least one. A host
	// starts in p-state 0.
	Speeds []Speed
	// Reserved is what the host keeps for itself, over all cores: VMs and
	// executions share the rest. No single one feels it while there is enough.
	Reserved Speed
	Memory   Bytes // 0 means that memory is not modelled: there is always enough
	Power    Power
}

// maxCores keeps what is counted by core in memory.
const maxCores = 1 << 20

// host is what changes about a host, and what is read at each change.
//
// Invariants: vms are those whose state holds memory and whose host it is;
// used is the memory of these; used + promised <= memory, if that is modelled.
type host struct {
	vms            []VMID // in ascending order
	speed          Speed  // of one core now: p-state x availability
	reserved       Speed  // kept from those on it
	load           Speed  // what it gives now, over all cores
	memory         Bytes  // unlimited, if it is not modelled
	used, promised Bytes
	availability   float64
	cores          int32
	pstate         int32
	execs          int32 // those on the host itself; see exec
	pinned         int32 // how many of vms are pinned to cores
	satisfied      bool  // everyone on it gets what he can use
	off            bool
	touched        bool // it is to be checked; see Settings.Check
}

// capacity returns what the host can give now, over all cores.
func (h *host) capacity() Speed {
	if h.off {
		return 0
	}
	return max(0, Speed(float64(h.cores)*float64(h.speed))-h.reserved)
}

// free returns the memory that is neither used nor promised.
func (h *host) free() Bytes { return h.memory - h.used - h.promised }

// AddHost adds a host without VMs. It is on. The error says what of the
// description makes no sense.
func (s *Simulation) AddHost(spec HostSpec) (HostID, error) {
	if err := spec.validate(); err != nil {
		return none, fmt.Errorf("host %q: %w", spec.Name, err)
	}
	m := &s.machines
	spec.Speeds = slices.Clone(spec.Speeds)
	spec.Power.States = slices.Clone(spec.Power.States)
	h := host{speed: spec.Speeds[0], reserved: spec.Reserved, memory: spec.Memory, availability: 1, cores: int32(spec.Cores), execs: none}
	if spec.Memory == 0 {
		h.memory = unlimited
	}
	m.hosts = append(m.hosts, h)
	m.hostSpecs = append(m.hostSpecs, spec)
	id := HostID(len(m.hosts) - 1)
	s.energy.addHost(id)
	return id, nil
}

func (spec *HostSpec) validate() error {
	if spec.Cores < 1 || spec.Cores > maxCores {
		return fmt.Errorf("%d cores: it must have from 1 to %d", spec.Cores, maxCores)
	}
	if len(spec.Speeds) == 0 {
		return errors.New("it has no speed")
	}
	for i, speed := range spec.Speeds {
		if err := amount("a core speed", float64(speed)); err != nil {
			return fmt.Errorf("p-state %d: %w", i, err)
		}
	}
	if err := amount("a reserved speed", float64(spec.Reserved)); err != nil {
		return err
	}
	if spec.Memory < 0 {
		return fmt.Errorf("a memory of %v: it must be 0 or more", spec.Memory)
	}
	return spec.Power.validate(len(spec.Speeds))
}

// Hosts returns how many hosts there are.
func (s *Simulation) Hosts() int { return len(s.machines.hosts) }

// Host returns the description of a host, as it was added. Its slices are not
// to be changed.
func (s *Simulation) Host(h HostID) HostSpec {
	if !s.machines.hasHost(h) {
		return HostSpec{}
	}
	return s.machines.hostSpecs[h]
}

// Hosted returns the VMs that hold memory on a host, in ascending order: all
// of its VMs but those that are off, saved or destroyed. The slice is the
// simulation's own: it is valid until the next event, and not to be changed.
func (s *Simulation) Hosted(h HostID) []VMID {
	if !s.machines.hasHost(h) {
		return nil
	}
	return s.machines.hosts[h].vms
}

// MemoryUsed returns the memory of the VMs that a host hosts.
func (s *Simulation) MemoryUsed(h HostID) Bytes {
	if !s.machines.hasHost(h) {
		return 0
	}
	return s.machines.hosts[h].used
}

// MemoryPromised returns the memory that is kept free on a host for VMs that
// are to come.
func (s *Simulation) MemoryPromised(h HostID) Bytes {
	if !s.machines.hasHost(h) {
		return 0
	}
	return s.machines.hosts[h].promised
}

// MemoryFree returns the memory of a host that is neither used nor promised.
// If memory is not modelled, that is more than anybody needs.
func (s *Simulation) MemoryFree(h HostID) Bytes {
	if !s.machines.hasHost(h) {
		return 0
	}
	return s.machines.hosts[h].free()
}

// room returns an error that matches ErrNoRoom unless a host has b of memory
// free. who is to get it.
func (m *machines) room(h HostID, b Bytes, who string) error {
	host := &m.hosts[h]
	switch {
	case b > host.memory:
		return fmt.Errorf("%s needs %v of memory, more than all of %s, which has %v: %w", who, b, m.hostName(h), host.memory, ErrNoRoom)
	case b > host.free():
		return fmt.Errorf("%s needs %v of memory, but of the %v of %s %v are used and %v promised: %w",
			who, b, host.memory, m.hostName(h), host.used, host.promised, ErrNoRoom)
	}
	return nil
}

// promise keeps memory free on a host for a VM that is to come. The error
// matches ErrNoRoom.
func (s *Simulation) promise(h HostID, b Bytes) error {
	if err := s.machines.room(h, b, "a VM that is to come"); err != nil {
		return err
	}
	s.machines.beforeHost(h)
	s.machines.hosts[h].promised += b
	return nil
}

// forget takes a promise back.
func (s *Simulation) forget(h HostID, b Bytes) {
	s.machines.beforeHost(h)
	s.machines.hosts[h].promised -= b
}

// IsOn reports whether a host is on.
func (s *Simulation) IsOn(h HostID) bool {
	return s.machines.hasHost(h) && !s.machines.hosts[h].off
}

// TurnOff switches a host off at once, as a power cut does. What runs or is
// under way on it fails with ErrHostOff, each in an event of its own, and its
// VMs are VMOff. It does nothing if the host is off.
func (s *Simulation) TurnOff(h HostID) error {
	m := &s.machines
	if err := m.checkHost(h); err != nil {
		return fmt.Errorf("turn off: %w", err)
	}
	host := &m.hosts[h]
	if host.off {
		return nil
	}
	m.beforeHost(h)
	dead := slices.Clone(host.vms)
	from := make([]VMState, len(dead))
	for i, id := range dead {
		from[i] = m.vms[id].state
		m.settle(id)
		m.depart(id)
		m.vms[id].state = VMOff
		m.failAll(&m.vms[id].execs, ErrHostOff)
		m.reclaim(id)
	}
	m.failAll(&host.execs, ErrHostOff)
	host.off = true
	m.share(h, none)
	// Flows and migrations learn first that it is the host that failed.
	s.hostSwitched(h, false)
	for i, id := range dead {
		m.tellVM(id, from[i], VMOff)
	}
	if len(dead) > 0 {
		m.changed(h)
	}
	return nil
}

// TurnOn switches a host on at once. Its VMs stay off until they are started.
// It does nothing if the host is on.
func (s *Simulation) TurnOn(h HostID) error {
	m := &s.machines
	if err := m.checkHost(h); err != nil {
		return fmt.Errorf("turn on: %w", err)
	}
	if !m.hosts[h].off {
		return nil
	}
	m.beforeHost(h)
	m.hosts[h].off = false
	m.share(h, none)
	s.hostSwitched(h, true)
	return nil
}

// CoreSpeed returns the speed of one core of a host now: that of its p-state,
// times its availability.
func (s *Simulation) CoreSpeed(h HostID) Speed {
	if !s.machines.hasHost(h) {
		return 0
	}
	return s.machines.hosts[h].speed
}

// PState returns the p-state of a host, an index of its speeds.
func (s *Simulation) PState(h HostID) int {
	if !s.machines.hasHost(h) {
		return 0
	}
	return int(s.machines.hosts[h].pstate)
}

// SetPState makes a host run at another of its speeds. What runs on it goes on
// at the new speed.
func (s *Simulation) SetPState(h HostID, state int) error {
	m := &s.machines
	if err := m.checkHost(h); err != nil {
		return fmt.Errorf("p-state: %w", err)
	}
	if n := len(m.hostSpecs[h].Speeds); state < 0 || state >= n {
		return fmt.Errorf("%s: there is no p-state %d, they are 0 to %d", m.hostName(h), state, n-1)
	}
	if m.hosts[h].pstate != int32(state) {
		m.beforeHost(h)
		m.hosts[h].pstate = int32(state)
		m.setSpeed(h)
	}
	return nil
}

// SetAvailability makes a host give only a part of its speed, from 0 to 1.
func (s *Simulation) SetAvailability(h HostID, part float64) error {
	m := &s.machines
	if err := m.checkHost(h); err != nil {
		return fmt.Errorf("availability: %w", err)
	}
	if !(part >= 0 && part <= 1) {
		return fmt.Errorf("%s: an availability of %v: it must be from 0 to 1", m.hostName(h), part)
	}
	if m.hosts[h].availability != part {
		m.beforeHost(h)
		m.hosts[h].availability = part
		m.setSpeed(h)
	}
	return nil
}

// setSpeed makes what runs on a host follow a change of its core speed.
func (m *machines) setSpeed(h HostID) {
	host := &m.hosts[h]
	host.speed = m.hostSpecs[h].Speeds[host.pstate] * Speed(host.availability)
	m.recapAll(host.execs, host.speed)
	for _, id := range host.vms {
		m.settle(id)
		m.recapAll(m.vms[id].execs, host.speed)
		m.reclaim(id)
	}
	m.share(h, none)
	for _, id := range host.vms {
		m.inside(id)
	}
}

// HostLoad returns what a host gives now, over all cores.
func (s *Simulation) HostLoad(h HostID) Speed {
	if !s.machines.hasHost(h) {
		return 0
	}
	return s.machines.hosts[h].load
}
