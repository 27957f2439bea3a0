package sim

type migrations struct{ sim *Simulation }

func (m *migrations) vmChanged(id VMID, from, to VMState) {}
func (m *migrations) hostSwitched(h HostID, on bool)      {}

// migrating reports whether a VM migrates.
func (m *migrations) migrating(id VMID) bool { return false }
