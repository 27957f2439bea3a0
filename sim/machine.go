package sim

import "github.com/dvms-project/dvms/cluster"

// HostSpec describes a host.
type HostSpec struct {
	Name  string
	Cores int
	// Speeds are those of one core, by p-state. A host starts in p-state 0.
	Speeds []Speed
	Memory Bytes // 0 means that memory is not modelled: there is always enough
	Power  Power
}

// VMSpec describes a VM.
type VMSpec struct {
	Name   string
	Host   HostID
	VCPUs  int
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
}

// VMState is the state of a VM.
type VMState uint8

// The states of a VM. A VM that migrates is VMRunning or, while its last pages
// are sent, VMSuspended.
const (
	VMOff     VMState = iota // holds no memory; may be started
	VMBooting                // holds memory, and runs its boot
	VMRunning
	VMSuspended // holds memory, runs nothing
	VMSaving    // suspended, while its memory is written to disk
	VMSaved     // holds no memory, runs nothing; may be restored
	VMRestoring // suspended, while its memory is read from disk
	VMDestroyed // nothing may be done with it any more
)

// Exec names an execution. The zero Exec names none.
type Exec struct {
	slot int32
	seq  uint32
}

// ExecSpec describes an execution.
type ExecSpec struct {
	Work     Work    // of one thread
	Priority float64 // weight; 0 means 1
	Cap      Speed   // 0 means none
	Threads  int     // 0 means 1; the whole is Threads x Work
}

// Delivery says how a VM was served since it was added.
type Delivery struct {
	Asked, Given, Lost Work
	// Short is for how long it got less than it asked for.
	Short Seconds
}

type machines struct{ sim *Simulation }

func (s *Simulation) AddHost(spec HostSpec) (HostID, error) { panic("stub") }
func (s *Simulation) AddVM(spec VMSpec) (VMID, error)       { panic("stub") }

func (s *Simulation) Hosts() int                             { panic("stub") }
func (s *Simulation) VMs() int                               { panic("stub") }
func (s *Simulation) Host(h HostID) HostSpec                 { panic("stub") } // as added
func (s *Simulation) VM(id VMID) VMSpec                      { panic("stub") } // with its present host, demand, cap
func (s *Simulation) State(id VMID) VMState                  { panic("stub") }
func (s *Simulation) HostOf(id VMID) HostID                  { panic("stub") }
func (s *Simulation) Hosted(h HostID) []VMID                 { panic("stub") } // all that hold memory there, ascending; valid until next event
func (s *Simulation) MemoryUsed(h HostID) Bytes              { panic("stub") }
func (s *Simulation) MemoryPromised(h HostID) Bytes          { panic("stub") }
func (s *Simulation) MemoryFree(h HostID) Bytes              { panic("stub") }
func (s *Simulation) OnChange(f func(HostID))                { panic("stub") } // VMs of a host, or their demand, have changed
func (s *Simulation) OnVM(f func(id VMID, from, to VMState)) { panic("stub") }

// Hosts.
func (s *Simulation) IsOn(h HostID) bool                           { panic("stub") }
func (s *Simulation) TurnOff(h HostID) error                       { panic("stub") } // at once; everything on it fails with ErrHostOff
func (s *Simulation) TurnOn(h HostID) error                        { panic("stub") }
func (s *Simulation) CoreSpeed(h HostID) Speed                     { panic("stub") } // p-state x availability
func (s *Simulation) PState(h HostID) int                          { panic("stub") }
func (s *Simulation) SetPState(h HostID, state int) error          { panic("stub") }
func (s *Simulation) SetAvailability(h HostID, part float64) error { panic("stub") }
func (s *Simulation) HostLoad(h HostID) Speed                      { panic("stub") } // what it gives now, over all cores

// VMs.
func (s *Simulation) SetDemand(id VMID, speed Speed) error   { panic("stub") }
func (s *Simulation) SetVMCap(id VMID, speed Speed) error    { panic("stub") } // 0 means none
func (s *Simulation) SetVMPriority(id VMID, p float64) error { panic("stub") }
func (s *Simulation) Pin(id VMID, cores []int) error         { panic("stub") } // none: unpin
func (s *Simulation) Start(id VMID) error                    { panic("stub") } // off -> running, at once
func (s *Simulation) Suspend(id VMID) error                  { panic("stub") }
func (s *Simulation) Resume(id VMID) error                   { panic("stub") }
func (s *Simulation) Shutdown(id VMID) error                 { panic("stub") } // running -> off; its executions, flows, processes fail with ErrVMGone
func (s *Simulation) Destroy(id VMID) error                  { panic("stub") }
func (s *Simulation) Move(id VMID, to HostID) error          { panic("stub") } // at once, of a VM that does not migrate
func (s *Simulation) Share(id VMID) Speed                    { panic("stub") } // what it gets now
func (s *Simulation) Delivered(id VMID) Delivery             { panic("stub") }

// Executions.
func (s *Simulation) Execute(at Place, spec ExecSpec, done Completion, arg uint64) (Exec, error) {
	panic("stub")
}
func (s *Simulation) SuspendExec(e Exec) error                { panic("stub") }
func (s *Simulation) ResumeExec(e Exec) error                 { panic("stub") }
func (s *Simulation) CancelExec(e Exec) error                 { panic("stub") } // its completion gets ErrCancelled, in an event of its own
func (s *Simulation) SetExecPriority(e Exec, p float64) error { panic("stub") }
func (s *Simulation) SetExecCap(e Exec, cap Speed) error      { panic("stub") }
func (s *Simulation) ExecRemaining(e Exec) Work               { panic("stub") } // 0 once it is over
func (s *Simulation) ExecRate(e Exec) Speed                   { panic("stub") }

var _ = cluster.KiB

// For other files of the package.

// vmState is what the rest of the simulation does when a VM changes its state
// or its host; the VM has the new one already. It is called by the methods
// above, and is where network, processes and migrations are told.
//
//	s.network.vmChanged(id, from, to); s.processes.vmChanged(id, from, to); s.migrations.vmChanged(id, from, to)
func (s *Simulation) vmChanged(id VMID, from, to VMState) {
	s.network.vmChanged(id, from, to)
	s.processes.vmChanged(id, from, to)
	s.migrations.vmChanged(id, from, to)
}

// vmMoved tells the rest that a VM is on another host now.
func (s *Simulation) vmMoved(id VMID, from HostID) {
	s.network.vmMoved(id, from)
}

// hostChanged tells the rest that a host was switched on or off.
func (s *Simulation) hostSwitched(h HostID, on bool) {
	s.network.hostSwitched(h, on)
	s.processes.hostSwitched(h, on)
	s.migrations.hostSwitched(h, on)
}

// promise keeps memory free on a host for a VM that is to come; forget takes
// it back. Used by migrations.
func (s *Simulation) promise(h HostID, b Bytes) error { panic("stub") }
func (s *Simulation) forget(h HostID, b Bytes)        { panic("stub") }

// workDone returns the work that a VM was given up to now. Used by migrations.
func (s *Simulation) workDone(id VMID) Work { panic("stub") }

// throttle limits a VM to a part of what it would get, 0 < part <= 1. Used by auto-converge.
func (s *Simulation) throttle(id VMID, part float64) { panic("stub") }

// relocate makes a suspended or running VM be on another host. Its memory there must have been promised, and is now used.
func (s *Simulation) relocate(id VMID, to HostID) { panic("stub") }

// setState changes the state of a VM and all that hangs on it (shares, memory held or not). Used by save, restore, boot.
func (s *Simulation) setState(id VMID, to VMState) error { panic("stub") }
