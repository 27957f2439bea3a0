// Package sim is a discrete-event simulation of a data centre: hosts, the VMs
// they host, how these share CPU, the links between hosts, and live migration.
//
// The package knows time and physics only. Who decides what to migrate, and
// how deciders talk to each other, is left to its users: they put events into
// the simulation with [Simulation.At] and [Simulation.Call], change loads with
// [Simulation.SetDemand], move VMs with [Simulation.Migrate], and watch hosts
// with [Simulation.OnChange].
//
//	s := sim.New()
//	a := s.AddHost(sim.HostSpec{Name: "a", CPU: 8 * cluster.Core, Memory: 32 * cluster.GiB, Up: cluster.Gigabit, Down: cluster.Gigabit})
//	b := s.AddHost(sim.HostSpec{Name: "b", CPU: 8 * cluster.Core, Memory: 32 * cluster.GiB, Up: cluster.Gigabit, Down: cluster.Gigabit})
//	vm := s.AddVM(sim.VMSpec{Name: "vm", Host: a, VCPUs: 1, Memory: cluster.GiB, Demand: cluster.Core})
//	s.Call(time.Minute, func() { s.Migrate(vm, b, nil) })
//	s.Run(time.Hour)
//
// # Models
//
// CPU: a host's CPU is shared max-min among its VMs, and no VM gets more than
// it asks for. See share.go.
//
// Network: each host has a link up and a link down. Transfers share them
// max-min too, each with its own cap. A transfer waits for Settings.Latency
// before its first byte. The fluid model is that of [1]; it has no TCP window.
// See flow.go.
//
// Live migration: pre-copy as in [2], with the stopping rule of [3], and as it
// was validated against QEMU/KVM in [4]. See migration.go.
//
// # Determinism
//
// A simulation has no clock, no goroutine and no random source of its own:
// the same calls give the same results, bit for bit, on any machine. Dates
// and amounts are integers. Rates and integrals are float64, and no product is
// summed before it was rounded, so that fused multiply-add changes nothing.
//
// # Cost
//
// An event costs what it touches: a change of demand its host at most, a
// transfer the transfers that share links with it, directly or through others.
// Endless loads are integrated when they change and never wait in the queue.
//
// # Sources
//
//	[1] H. Casanova and L. Marchal, "A network model for simulation of grid
//	    application", research report, LIP, 2002; progressive filling as in
//	    D. Bertsekas and R. Gallager, "Data Networks", 1992, section 6.5.2.
//	[2] C. Clark et al., "Live Migration of Virtual Machines", NSDI 2005.
//	[3] Xen, tools/libxc/xc_domain_save.c: at most 30 rounds, and the last one
//	    as soon as 3 times the memory was sent.
//	[4] T. Hirofuchi, L. Pouilloux and A. Lebre, "SimGrid VM: Virtual Machine
//	    Support for a Simulation Framework of Distributed Systems", IEEE
//	    Transactions on Cloud Computing, 2015.
package sim

import (
	"fmt"
	"time"
)

// Simulation is a data centre and its clock. It belongs to one goroutine.
type Simulation struct {
	settings Settings

	now     time.Duration
	events  uint64
	queue   queue
	stopped bool

	hosts     []host
	hostSpecs []HostSpec
	vms       []vm
	vmSpecs   []VMSpec
	observers []func(HostID)
	demands   []int64 // of one host's VMs, while its level is computed

	network    network
	migrations migrations
}

// Settings are the constants of the models.
type Settings struct {
	// Latency is how long a transfer waits before its first byte arrives.
	Latency time.Duration
	// Downtime is how long a VM may be paused at the end of a migration: the
	// copy goes on in rounds until the rest takes no longer than that.
	Downtime time.Duration
	// WorkingSet is the part of its memory that a VM writes to, from 0 to 1:
	// a round finds no more than this dirty.
	WorkingSet float64
	// MaxRounds and MaxFactor end copies that would never converge: when
	// MaxRounds-1 rounds or more than MaxFactor times the VM's memory were
	// sent, the VM is paused and the rest is sent, however long it takes.
	// 0 means no limit.
	MaxRounds int
	MaxFactor int
}

// DefaultSettings returns the settings of New: a latency of 100 µs, which is
// two links of 50 µs; a downtime of 30 ms and a working set of 90 %, as in
// [4]; and the limits of [3], 30 rounds and 3 times the memory.
func DefaultSettings() Settings {
	return Settings{
		Latency:    100 * time.Microsecond,
		Downtime:   30 * time.Millisecond,
		WorkingSet: 0.9,
		MaxRounds:  30,
		MaxFactor:  3,
	}
}

// New returns a simulation at date 0 with the default settings.
func New() *Simulation { return NewWith(DefaultSettings()) }

// NewWith returns a simulation at date 0. It panics if a setting makes no
// sense.
func NewWith(settings Settings) *Simulation {
	if settings.Latency < 0 || settings.Downtime < 0 || !(settings.WorkingSet >= 0 && settings.WorkingSet <= 1) ||
		settings.MaxRounds < 0 || settings.MaxFactor < 0 {
		panic(fmt.Sprintf("sim: settings out of range: %+v", settings))
	}
	s := &Simulation{settings: settings}
	s.network.sim = s
	s.migrations.sim = s
	return s
}

// Settings returns the constants of the simulation's models.
func (s *Simulation) Settings() Settings { return s.settings }
