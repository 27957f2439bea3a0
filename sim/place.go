package sim

// HostID is the index of a host: 0 for the first one added, and so on.
type HostID int32

// VMID is the index of a VM: 0 for the first one added, and so on.
type VMID int32

// Place is where something runs or comes from: a host, or a VM on whatever
// host it is.
type Place struct {
	host HostID
	vm   VMID // none, if it is the host itself
}

const none = -1

// Place returns the host as the place of something.
func (h HostID) Place() Place { return Place{h, none} }

// Place returns the VM as the place of something.
func (v VMID) Place() Place { return Place{none, v} }

// VM returns the VM that the place is, if it is one.
func (p Place) VM() (VMID, bool) { return p.vm, p.vm != none }

// HostAt returns the host of a place: for a VM, the one that hosts it now.
func (s *Simulation) HostAt(p Place) HostID {
	if p.vm != none {
		return s.HostOf(p.vm)
	}
	return p.host
}
