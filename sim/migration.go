package sim

type migrations struct{ sim *Simulation }

func (m *migrations) vmChanged(id VMID, from, to VMState) {}
func (m *migrations) hostSwitched(h HostID, on bool)      {}
