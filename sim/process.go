package sim

type processes struct{ sim *Simulation }

func (p *processes) vmChanged(id VMID, from, to VMState) {}
func (p *processes) hostSwitched(h HostID, on bool)      {}
