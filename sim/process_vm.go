package sim

// Read reads bytes from a disk on behalf of where the process is, and waits until
// that is done. Over the network it does not go by itself: see SendTo.
func (p *Process) Read(disk DiskID, bytes Bytes) error {
	return p.Access(AccessSpec{Disk: disk, Bytes: bytes, By: p.place})
}

// Write writes bytes to a disk, as Read reads.
func (p *Process) Write(disk DiskID, bytes Bytes) error {
	return p.Access(AccessSpec{Disk: disk, Write: true, Bytes: bytes, By: p.place})
}

// Access accesses a disk, and waits until that is done. The error is that of
// [Simulation.Access], or says why it was not done.
func (p *Process) Access(spec AccessSpec) error {
	if err := p.turn("access"); err != nil {
		return err
	}
	if err := p.own.reach(p, spec); err != nil {
		return err
	}
	return p.await(Forever)
}

// StartAccess starts an access to a disk, and does not wait.
func (p *Process) StartAccess(spec AccessSpec) (*Activity, error) {
	if err := p.turn("access"); err != nil {
		return nil, err
	}
	return p.keep(func(a *Activity) error { return a.reach(p, spec) })
}

func (a *Activity) reach(p *Process, spec AccessSpec) (err error) {
	a.begin(p, actAccess)
	a.disk = spec.Disk
	if a.access, err = p.sim.Access(spec, (*ending)(a), a.turn); err != nil {
		a.over = true
	}
	return err
}

// What follows are operations of VMs and hosts. They are the hypervisor's: one
// goes on if the process that has asked for it ends. Who does not want to wait
// spawns a process for it.

// Migrate moves a VM to another host while it runs, and waits until that is over.
// The error is that of [Simulation.Migrate] or of the record.
func (p *Process) Migrate(id VMID, to HostID, policy MigrationPolicy) (record Migration, err error) {
	err = p.operate("migrate a VM", func(done Completion, turn uint64) error {
		return p.sim.Migrate(id, to, policy, func(m Migration) {
			record = m
			done.Completed(m.End, turn, m.Err)
		})
	})
	return record, err
}

// Boot boots a VM, and waits until it runs. The error is that of
// [Simulation.Boot], or says why it does not run.
func (p *Process) Boot(id VMID, spec BootSpec) error {
	return p.operate("boot a VM", func(done Completion, turn uint64) error {
		return p.sim.Boot(id, spec, done, turn)
	})
}

// Save saves a VM to a disk, and waits until that is done. The error is that of
// [Simulation.Save], or says why it was not done.
func (p *Process) Save(id VMID, disk DiskID) error {
	return p.operate("save a VM", func(done Completion, turn uint64) error {
		return p.sim.Save(id, disk, done, turn)
	})
}

// Restore restores a saved VM on a host, and waits until it runs. The error is
// that of [Simulation.Restore], or says why it does not run.
func (p *Process) Restore(id VMID, on HostID) error {
	return p.operate("restore a VM", func(done Completion, turn uint64) error {
		return p.sim.Restore(id, on, done, turn)
	})
}

// ShutdownAfter shuts a VM down, which takes some seconds, and waits until it is
// off. The error is that of [Simulation.ShutdownAfter], or says why it is not.
func (p *Process) ShutdownAfter(id VMID, takes Seconds) error {
	return p.operate("shut down a VM", func(done Completion, turn uint64) error {
		return p.sim.ShutdownAfter(id, takes, done, turn)
	})
}

// PowerUp switches a host on, which takes the time of its Power, and waits until
// it is on. The error is that of [Simulation.PowerUp], or says why it is not.
func (p *Process) PowerUp(h HostID) error {
	return p.operate("switch on a host", func(done Completion, turn uint64) error {
		return p.sim.PowerUp(h, done, turn)
	})
}

// PowerDown switches a host off, as PowerUp switches it on. Who is on that host
// does not learn of it.
func (p *Process) PowerDown(h HostID) error {
	return p.operate("switch off a host", func(done Completion, turn uint64) error {
		return p.sim.PowerDown(h, done, turn)
	})
}

// operate starts an operation and waits for its end.
func (p *Process) operate(what string, start func(done Completion, turn uint64) error) error {
	if err := p.turn(what); err != nil {
		return err
	}
	a := &p.own
	a.begin(p, actOperation)
	if err := start((*ending)(a), a.turn); err != nil {
		a.over = true
		return err
	}
	a.what = what
	return p.await(Forever)
}
