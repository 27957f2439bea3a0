package sim

import (
	"errors"
	"strings"
	"testing"
)

func TestProcessesWaitForDisks(t *testing.T) {
	s := newStage(t, 1)
	disk, err := s.AddDisk(DiskSpec{Name: "disk", Host: 0, Read: 1e8, Write: 5e7})
	s.must(err)
	s.spawn(here, "p", func(p *Process) {
		s.must(p.Read(disk, 2e8))
		s.note("read")
		s.must(p.Write(disk, 2e8))
		s.note("written")
		a, err := p.StartAccess(AccessSpec{Disk: disk, Bytes: 2e8, By: here})
		s.must(err)
		p.Sleep(1)
		s.note("%v bytes are left", a.Remaining())
		s.must(a.Suspend())
		p.Sleep(2)
		s.must(a.Resume())
		s.must(p.Wait(a))
		s.note("read")
		b, err := p.StartAccess(AccessSpec{Disk: disk, Bytes: 2e8, By: here})
		s.must(err)
		b.Cancel()
		if err := p.Wait(b); !errors.Is(err, ErrCancelled) || s.Accesses(disk) != 0 {
			t.Error(err)
		}
		if err := p.Read(disk+1, 1); err == nil {
			t.Error("reads from a disk that there is not")
		}
		_, err = p.StartAccess(AccessSpec{Disk: disk, Bytes: -1, By: here})
		if err == nil {
			t.Error("reads less than nothing")
		}
		p.OnExit(func(error) {
			if got := s.Accesses(disk); got != 0 {
				t.Errorf("%d accesses are left when it is killed", got)
			}
		})
		s.Call(11, p.Kill)
		err = p.Read(disk, 2e8)
		t.Error("not reached", err)
	})
	s.Call(10.9, func() {
		if want := `access to disk "disk"`; s.Accesses(disk) != 1 || len(s.Blocked()) != 1 || s.Blocked()[0].For != want {
			t.Errorf("%v", s.Blocked())
		}
	})
	s.plays("2: read", "6: written", "7: 1e+08 bytes are left", "10: read")
}

func TestProcessesWaitForOperationsOfVMs(t *testing.T) {
	s := newStage(t, 2)
	s.wire(1e8)
	disk, err := s.AddDisk(DiskSpec{Name: "disk", Host: 1, Read: 2e8, Write: 1e8})
	s.must(err)
	id, err := s.AddVM(VMSpec{Name: "vm", Host: 0, VCPUs: 1, Memory: 4e8, Off: true})
	s.must(err)
	s.spawn(here, "operator", func(p *Process) {
		s.must(p.Boot(id, BootSpec{CPU: 2}))
		s.note("booted: %v", s.State(id))
		m, err := p.Migrate(id, 1, MigrationPolicy{})
		s.must(err)
		s.note("migrated %d bytes to host %d", m.Bytes, s.HostOf(id))
		s.must(p.Save(id, disk))
		s.note("saved: %v", s.State(id))
		s.must(p.Restore(id, 1))
		s.note("restored: %v", s.State(id))
		if _, err := p.Migrate(id, 1, MigrationPolicy{}); !errors.Is(err, ErrSameHost) {
			t.Error(err)
		}
		s.Call(13, func() { s.must(s.CancelMigration(id)) })
		m, err = p.Migrate(id, 0, MigrationPolicy{})
		if !errors.Is(err, ErrCancelled) || !strings.Contains(err.Error(), `process "operator": migrate a VM`) || m.Target != 0 {
			t.Error(err, m)
		}
		s.note("cancelled")
		s.must(p.ShutdownAfter(id, 3))
		s.note("shut down: %v", s.State(id))
		s.must(p.PowerDown(1))
		s.must(p.PowerUp(1))
		if err := p.Boot(id, BootSpec{CPU: -1}); err == nil {
			t.Error("boots with negative work")
		}
		s.must(p.Boot(id, BootSpec{CPU: 2}))
		s.note("boots again")
	})
	s.plays("2: booted: running", "6: migrated 400000000 bytes to host 1", "10: saved: saved", "12: restored: running",
		"13: cancelled", "16: shut down: off", "18: boots again")
}

// A migration is the hypervisor's and goes on when the process that has asked for
// it is killed.
func TestOperationsOutliveTheirProcess(t *testing.T) {
	s := newStage(t, 2)
	s.wire(1e8)
	id, err := s.AddVM(VMSpec{Name: "vm", Host: 0, VCPUs: 1, Memory: 4e8})
	s.must(err)
	p := s.spawn(here, "p", func(p *Process) {
		_, err := p.Migrate(id, 1, MigrationPolicy{})
		t.Error("not reached", err)
	})
	s.Call(1, p.Kill)
	s.must(s.Run(Forever))
	if s.HostOf(id) != 1 || s.Now() != 4 {
		t.Errorf("on host %d at %v", s.HostOf(id), s.Now())
	}
}

func TestWhoMigratesAVMThatIsShutDownLivesOn(t *testing.T) {
	s := newStage(t, 2)
	s.wire(1e8)
	id, err := s.AddVM(VMSpec{Name: "vm", Host: 0, VCPUs: 1, Memory: 4e8})
	s.must(err)
	s.spawn(here, "p", func(p *Process) {
		_, err := p.Migrate(id, 1, MigrationPolicy{})
		s.note("%v", errors.Is(err, ErrVMGone))
	})
	s.Call(1, func() { s.must(s.Shutdown(id)) })
	s.plays("1: true")
}

// A process in a VM goes with it, and computes at the speed of where it is.
func TestProcessesMigrateWithTheirVM(t *testing.T) {
	s := newStage(t, 1)
	fast, err := s.AddHost(HostSpec{Name: "fast", Cores: 1, Speeds: []Speed{2 * Giga}})
	s.must(err)
	s.wire(1e8)
	id, err := s.AddVM(VMSpec{Name: "vm", Host: 0, VCPUs: 1, Memory: 4e8})
	s.must(err)
	s.spawn(id.Place(), "p", func(p *Process) {
		s.must(p.Execute(ExecSpec{Work: 8 * Giga}))
		s.note("done on host %d", s.HostAt(p.Place()))
	})
	s.spawn(here, "operator", func(p *Process) {
		_, err := p.Migrate(id, fast, MigrationPolicy{})
		s.must(err)
		s.note("moved")
	})
	s.plays("4: moved", "6: done on host 1")
}
