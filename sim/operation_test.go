package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"pgregory.net/rapid"
)

// site has hosts with two cores that do a unit of work a second, 4 GiB and an
// SSD each, and links between all of them that carry 100 MB/s at once.
type site struct {
	*Simulation
	t    testing.TB
	link LinkID
	told accessEndings
}

type overLink LinkID

func (l overLink) Route(source, target HostID, links []LinkID) ([]LinkID, error) {
	if source == target {
		return links, nil
	}
	return append(links, LinkID(l)), nil
}

func newSite(t testing.TB, hosts int) *site {
	t.Helper()
	network := CM02
	network.CrossTraffic = false
	s, err := NewWith(Settings{Network: network, Check: true})
	if err != nil {
		t.Fatal(err)
	}
	link, err := s.AddLink(LinkSpec{Name: "link", Bandwidth: 100e6})
	if err != nil {
		t.Fatal(err)
	}
	s.SetRouter(overLink(link))
	for i := range hosts {
		h, err := s.AddHost(HostSpec{Name: fmt.Sprint("host ", i), Cores: 2, Speeds: []Speed{1}, Memory: 4 * cluster.GiB})
		if err != nil {
			t.Fatal(err)
		}
		disk := SSD
		disk.Host = h
		if _, err := s.AddDisk(disk); err != nil {
			t.Fatal(err)
		}
	}
	return &site{Simulation: s, t: t, link: link}
}

// vm adds a VM of 1 GB on a host.
func (s *site) vm(h HostID, off bool) VMID {
	s.t.Helper()
	id, err := s.AddVM(VMSpec{Name: fmt.Sprint("vm ", s.VMs()), Host: h, VCPUs: 1, Memory: 1_000_000_000, Off: off})
	if err != nil {
		s.t.Fatal(err)
	}
	return id
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Errorf("at %v s: %v", s.Now(), err)
	}
}

// refused checks that an error is the right one.
func (s *site) refused(what string, err, want error) {
	s.t.Helper()
	if err == nil || want != nil && !errors.Is(err, want) {
		s.t.Errorf("at %v s: %s: %v, want an error that is %v", s.Now(), what, err, want)
	}
}

// is checks the state of a VM, and the memory that is used on its host.
func (s *site) is(id VMID, state VMState, used Bytes) {
	s.t.Helper()
	if got, memory := s.State(id), s.MemoryUsed(s.HostOf(id)); got != state || memory != used {
		s.t.Errorf("at %v s: VM %d is %v and %d bytes are used on its host; want %v and %d", s.Now(), id, got, memory, state, used)
	}
}

func (s *site) run(until Seconds, want ...accessEnding) {
	s.t.Helper()
	if err := s.Run(until); err != nil {
		s.t.Fatal(err)
	}
	if len(s.told) != len(want) {
		s.t.Fatalf("told: %v, want %v", s.told, want)
	}
	for i, w := range want {
		got := s.told[i]
		if got.arg != w.arg || !errors.Is(got.err, w.err) || (w.err == nil) != (got.err == nil) || math.Abs(float64(got.at-w.at)) > 1e-6 {
			s.t.Errorf("told: %v, want %v", got, w)
		}
	}
}

// quiet checks that nothing computes, is read, written or sent.
func (s *site) quiet() {
	s.t.Helper()
	for h := range HostID(s.Hosts()) {
		if s.HostLoad(h) != 0 || s.Accesses(DiskID(h)) != 0 {
			s.t.Errorf("at %v s: host %d gives %v, and its disk has %d accesses", s.Now(), h, s.HostLoad(h), s.Accesses(DiskID(h)))
		}
	}
	if load := s.LinkLoad(s.link); load != 0 {
		s.t.Errorf("at %v s: %v bytes/s are still sent", s.Now(), load)
	}
}

// idle checks that no operation, access or flow is left.
func (s *site) idle() {
	s.t.Helper()
	if n, free := len(s.operations.all), len(s.operations.free); n != free {
		s.t.Errorf("%d of %d operations are left", n-free, n)
	}
	if n, free := len(s.disks.accesses), len(s.disks.free); n != free {
		s.t.Errorf("%d of %d accesses are left", n-free, n)
	}
	if load := s.LinkLoad(s.link); load != 0 {
		s.t.Errorf("%v bytes/s are still sent", load)
	}
	for h := range HostID(s.Hosts()) {
		if s.MemoryPromised(h) != 0 {
			s.t.Errorf("%d bytes are still promised on host %d", s.MemoryPromised(h), h)
		}
	}
}

const gigabyte = 1_000_000_000

func TestABootHoldsMemoryAndThenTheVMRuns(t *testing.T) {
	s := newSite(t, 1)
	vm := s.vm(0, true)
	s.must(s.SetDemand(vm, 1))
	s.is(vm, VMOff, 0)
	s.must(s.Boot(vm, CloudImage, &s.told, 1))
	s.is(vm, VMBooting, gigabyte)
	s.Call(1, func() {
		if share := s.Share(vm); share != 0 {
			t.Errorf("a VM that boots reads first, but gets %v", share)
		}
	})
	s.Call(2, func() {
		if share := s.Share(vm); share != 1 {
			t.Errorf("a VM that boots computes then, but gets %v", share)
		}
	})
	s.run(20, accessEnding{11, 1, nil})
	s.is(vm, VMRunning, gigabyte)
	if d := s.Delivered(vm); math.Abs(float64(d.Given-(8+9))) > 1e-9 {
		t.Errorf("the VM was given %v, want 8 for its boot and 9 since", d.Given)
	}
	s.idle()
}

// A boot that is alone takes CPU+IO, wherever in the cycle it begins.
func TestABootThatIsAloneTakesItsTime(t *testing.T) {
	s := newSite(t, 1)
	vm := s.vm(0, true)
	var want []accessEnding
	for i := range 20 {
		start := Seconds(100 * i)
		s.Call(start, func() { s.must(s.Boot(vm, CloudImage, &s.told, uint64(i))) })
		s.Call(start+50, func() { s.must(s.Shutdown(vm)) })
		want = append(want, accessEnding{start + 11, uint64(i), nil})
	}
	s.run(Forever, want...)
	s.idle()
}

func TestAnImageIsFetchedWhileTheVMBoots(t *testing.T) {
	for _, c := range []struct {
		set  Bytes
		want Seconds
	}{{45e6, 11}, {1000e6, 18}} { // 3 s of the disk, or 10 s of the link
		s := newSite(t, 2)
		vm := s.vm(0, true)
		spec := CloudImage
		spec.Image, spec.Set = 1, c.set
		s.must(s.Boot(vm, spec, &s.told, 1))
		s.run(100, accessEnding{c.want, 1, nil})
		s.idle()
	}
}

func TestAnImageIsCopiedBeforeTheVMBoots(t *testing.T) {
	s := newSite(t, 2)
	vm := s.vm(0, true)
	spec := CloudImage
	spec.Image, spec.Size, spec.Cache = 1, gigabyte, 0
	s.must(s.Boot(vm, spec, &s.told, 1))
	s.Call(9, func() {
		if r, w := s.Accesses(1), s.Accesses(0); r != 0 || w != 0 {
			t.Errorf("10 s are not over: %d and %d accesses", r, w)
		}
		if s.LinkLoad(s.link) != 100e6 {
			t.Error("nothing is sent")
		}
	})
	s.Call(10.5, func() {
		if r, w := s.Accesses(1), s.Accesses(0); r != 0 || w != 1 {
			t.Errorf("the boot does not read from the cache: %d and %d accesses", r, w)
		}
	})
	s.run(100, accessEnding{21, 1, nil})
	s.idle()
}

// Without IO, a boot takes as long as it takes to read its set.
func TestABootReadsItsSet(t *testing.T) {
	s := newSite(t, 1)
	vm := s.vm(0, true)
	s.must(s.Boot(vm, BootSpec{CPU: 1, Set: 500e6}, &s.told, 1))
	s.run(100, accessEnding{2, 1, nil})
}

func TestABootOfNothingIsAtOnce(t *testing.T) {
	s := newSite(t, 1)
	vm := s.vm(0, true)
	s.must(s.Boot(vm, BootSpec{}, &s.told, 1))
	s.run(100, accessEnding{0, 1, nil})
	s.is(vm, VMRunning, gigabyte)
}

// A boot that fails leaves the VM off and its memory free, and nothing under
// way.
func TestABootThatFailsLeavesTheVMOff(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(s *site, vm VMID) error
		want error
		then VMState
	}{
		"host":    {func(s *site, vm VMID) error { return s.TurnOff(0) }, ErrHostOff, VMOff},
		"store":   {func(s *site, vm VMID) error { return s.TurnOff(1) }, ErrHostOff, VMOff},
		"link":    {func(s *site, vm VMID) error { return s.SwitchLink(s.link, false) }, ErrLinkOff, VMOff},
		"end":     {func(s *site, vm VMID) error { return s.Shutdown(vm) }, ErrVMGone, VMOff},
		"destroy": {func(s *site, vm VMID) error { return s.Destroy(vm) }, ErrVMGone, VMDestroyed},
		"cancel":  {func(s *site, vm VMID) error { return s.CancelOperation(vm) }, ErrCancelled, VMOff},
	} {
		for _, at := range []Seconds{0, 0.5, 3, 7} {
			t.Run(fmt.Sprint(name, " at ", float64(at)), func(t *testing.T) {
				s := newSite(t, 2)
				vm := s.vm(0, true)
				spec := CloudImage
				spec.Image, spec.Size, spec.Cache, spec.Overhead, spec.Set = 1, gigabyte/10, 0, 0.9, gigabyte
				if name == "store" || name == "link" {
					spec.Size = 0
				}
				s.must(s.Boot(vm, spec, &s.told, 1))
				if at == 0 {
					s.must(c.fail(s, vm))
				}
				s.Call(at, func() {
					if at > 0 {
						s.must(c.fail(s, vm))
					}
				})
				// A store or link that fails is seen by the next who needs it.
				if name != "store" && name != "link" {
					s.Call(at+1e-9, s.quiet)
				}
				if err := s.Run(100); err != nil {
					t.Fatal(err)
				}
				if len(s.told) != 1 || !errors.Is(s.told[0].err, c.want) {
					t.Errorf("told: %v, want %v", s.told, c.want)
				}
				s.is(vm, c.then, 0)
				s.idle()
			})
		}
	}
}

func TestBootsThatMakeNoSenseAreRefused(t *testing.T) {
	s := newSite(t, 2)
	vm, running := s.vm(0, true), s.vm(0, false)
	nan := Seconds(math.NaN())
	for what, spec := range map[string]BootSpec{
		"CPU": {CPU: nan}, "IO": {IO: -1}, "phases": {Phases: -1}, "more phases": {Phases: 1e6}, "overhead": {Overhead: math.Inf(1)},
		"set": {Set: -1}, "size": {Size: -1}, "image": {Image: 2}, "cache": {Size: 1, Cache: -1}, "cache elsewhere": {Size: 1, Cache: 1},
	} {
		s.refused(what, s.Boot(vm, spec, nil, 0), nil)
	}
	s.refused("boot of what runs", s.Boot(running, CloudImage, nil, 0), ErrVMState)
	s.refused("boot of nothing", s.Boot(9, CloudImage, nil, 0), nil)
	for range 3 {
		s.vm(0, false)
	}
	s.refused("boot without room", s.Boot(vm, CloudImage, nil, 0), ErrNoRoom)
	s.must(s.TurnOff(0))
	s.refused("boot on what is off", s.Boot(vm, CloudImage, nil, 0), ErrHostOff)
	elsewhere := s.vm(1, true)
	s.refused("boot from what is off", s.Boot(elsewhere, CloudImage, nil, 0), ErrHostOff)
	s.is(vm, VMOff, 0)
	s.run(10)
	s.idle()
}

func TestAShutdownTakesItsTime(t *testing.T) {
	s := newSite(t, 1)
	vm, other := s.vm(0, false), s.vm(0, false)
	s.must(s.ShutdownAfter(vm, TypicalShutdown, &s.told, 1))
	s.must(s.ShutdownAfter(other, 10, &s.told, 2))
	s.Call(2, func() {
		s.is(vm, VMRunning, 2*gigabyte)
		s.refused("second shutdown", s.ShutdownAfter(vm, 1, nil, 0), ErrVMState)
		s.must(s.CancelOperation(other))
	})
	s.Call(6, func() {
		s.is(vm, VMOff, gigabyte)
		s.is(other, VMRunning, gigabyte)
		s.must(s.ShutdownAfter(other, 10, &s.told, 3))
	})
	s.Call(7, func() { s.must(s.Destroy(other)) })
	s.Call(8, func() {
		s.refused("shutdown of what is off", s.ShutdownAfter(vm, 1, nil, 0), ErrVMState)
		s.refused("shutdown of nothing", s.ShutdownAfter(9, 1, nil, 0), nil)
		s.refused("shutdown in the past", s.ShutdownAfter(vm, -1, nil, 0), nil)
		s.refused("no operation", s.CancelOperation(vm), ErrOver)
	})
	s.run(Forever, accessEnding{2, 2, ErrCancelled}, accessEnding{5, 1, nil}, accessEnding{7, 3, ErrVMGone})
	if s.Now() != 8 {
		t.Errorf("something is left to do until %v s", s.Now())
	}
	s.idle()
}

// A VM of 1 GB is written to an SSD and read from it in 2 s each, and sent over
// 100 MB/s in 10 s. What it computes stands still meanwhile.
func TestAVMIsSavedAndRestoredElsewhere(t *testing.T) {
	s := newSite(t, 2)
	vm := s.vm(0, false)
	var computed Seconds
	_, err := s.Execute(vm.Place(), ExecSpec{Work: 10}, Then(func(err error) {
		s.must(err)
		computed = s.Now()
	}), 0)
	s.must(err)
	s.Call(5, func() {
		s.must(s.Save(vm, 0, &s.told, 1))
		s.is(vm, VMSaving, gigabyte)
		s.refused("second save", s.Save(vm, 0, nil, 0), ErrVMState)
	})
	s.Call(6, func() { s.refused("restore of what is being saved", s.Restore(vm, 0, nil, 0), ErrVMState) })
	s.Call(8, func() {
		s.is(vm, VMSaved, 0)
		if disk, ok := s.SavedOn(vm); disk != 0 || !ok {
			t.Errorf("saved on %v, %v", disk, ok)
		}
	})
	s.Call(20, func() {
		s.must(s.Restore(vm, 1, &s.told, 2))
		s.is(vm, VMRestoring, gigabyte)
		if s.HostOf(vm) != 1 {
			t.Errorf("it is restored on host %d", s.HostOf(vm))
		}
	})
	s.run(100, accessEnding{7, 1, nil}, accessEnding{30, 2, nil})
	s.is(vm, VMRunning, gigabyte)
	if computed != 35 {
		t.Errorf("what takes 10 s, 5 of them before, ended at %v s, want 35", computed)
	}
	if disk, ok := s.SavedOn(vm); ok {
		t.Errorf("a VM that runs is saved on %v", disk)
	}
	s.idle()
}

func TestASuspendedVMIsSavedAndRuns(t *testing.T) {
	s := newSite(t, 2)
	vm := s.vm(0, false)
	s.must(s.Suspend(vm))
	s.must(s.Save(vm, 1, &s.told, 1)) // over the link
	s.Call(20, func() { s.must(s.Restore(vm, 1, &s.told, 2)) })
	s.run(100, accessEnding{10, 1, nil}, accessEnding{22, 2, nil})
	s.is(vm, VMRunning, gigabyte)
}

func TestASaveThatFailsLeavesTheVMAsItWas(t *testing.T) {
	for name, c := range map[string]struct {
		fail      func(s *site, vm VMID) error
		want      error
		then      VMState
		suspended bool
	}{
		"cancel":    {func(s *site, vm VMID) error { return s.CancelOperation(vm) }, ErrCancelled, VMRunning, false},
		"suspended": {func(s *site, vm VMID) error { return s.CancelOperation(vm) }, ErrCancelled, VMSuspended, true},
		"link":      {func(s *site, vm VMID) error { return s.SwitchLink(s.link, false) }, ErrLinkOff, VMRunning, false},
		"disk":      {func(s *site, vm VMID) error { return s.TurnOff(1) }, ErrHostOff, VMRunning, false},
		"host":      {func(s *site, vm VMID) error { return s.TurnOff(0) }, ErrHostOff, VMOff, false},
		"end":       {func(s *site, vm VMID) error { return s.Shutdown(vm) }, ErrVMGone, VMOff, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 2)
			vm := s.vm(0, false)
			if c.suspended {
				s.must(s.Suspend(vm))
			}
			s.must(s.Save(vm, 1, &s.told, 1))
			s.Call(1, func() { s.must(c.fail(s, vm)) })
			s.Call(1+1e-9, s.quiet)
			s.run(100, accessEnding{1, 1, c.want})
			used := Bytes(gigabyte)
			if c.then == VMOff {
				used = 0
			}
			s.is(vm, c.then, used)
			if disk, ok := s.SavedOn(vm); ok {
				t.Errorf("it is saved on %v", disk)
			}
			s.idle()
		})
	}
}

// However a restore fails, the VM is still saved, and is restored when what
// failed is back; unless somebody does not want it any more.
func TestAVMWhoseRestoreFailsIsStillSaved(t *testing.T) {
	for name, c := range map[string]struct {
		fail, mend func(s *site, vm VMID) error
		want       error
		then       VMState
	}{
		"cancel":  {func(s *site, vm VMID) error { return s.CancelOperation(vm) }, nil, ErrCancelled, VMSaved},
		"link":    {func(s *site, vm VMID) error { return s.SwitchLink(s.link, false) }, func(s *site, vm VMID) error { return s.SwitchLink(s.link, true) }, ErrLinkOff, VMSaved},
		"disk":    {func(s *site, vm VMID) error { return s.TurnOff(0) }, func(s *site, vm VMID) error { return s.TurnOn(0) }, ErrHostOff, VMSaved},
		"host":    {func(s *site, vm VMID) error { return s.TurnOff(1) }, func(s *site, vm VMID) error { return s.TurnOn(1) }, ErrHostOff, VMSaved},
		"end":     {func(s *site, vm VMID) error { return s.Shutdown(vm) }, nil, ErrVMGone, VMOff},
		"destroy": {func(s *site, vm VMID) error { return s.Destroy(vm) }, nil, ErrVMGone, VMDestroyed},
		"start": {func(s *site, vm VMID) error { // between the failure and when it is told
			return errors.Join(s.TurnOff(1), s.TurnOn(1), s.Start(vm))
		}, nil, ErrHostOff, VMRunning},
	} {
		t.Run(name, func(t *testing.T) {
			s := newSite(t, 2)
			vm := s.vm(0, false)
			s.must(s.Save(vm, 0, nil, 0))
			s.Call(10, func() { s.must(s.Restore(vm, 1, &s.told, 1)) })
			s.Call(11, func() { s.must(c.fail(s, vm)) })
			s.Call(11+1e-9, s.quiet)
			s.run(20, accessEnding{11, 1, c.want})
			used := Bytes(0)
			if c.then == VMRunning {
				used = gigabyte
			}
			s.is(vm, c.then, used)
			s.idle()
			if _, ok := s.SavedOn(vm); ok != (c.then == VMSaved) {
				t.Errorf("it is saved: %v", ok)
			}
			if c.then != VMSaved {
				return
			}
			if c.mend != nil {
				s.must(c.mend(s, vm))
			}
			s.must(s.Restore(vm, 1, &s.told, 2))
			s.run(100, accessEnding{11, 1, c.want}, accessEnding{30, 2, nil})
			s.is(vm, VMRunning, gigabyte)
		})
	}
}

func TestSavesAndRestoresThatMakeNoSenseAreRefused(t *testing.T) {
	s := newSite(t, 2)
	vm, off := s.vm(0, false), s.vm(0, true)
	s.refused("save of what is off", s.Save(off, 0, nil, 0), ErrVMState)
	s.refused("save to nothing", s.Save(vm, 2, nil, 0), nil)
	s.refused("save of nothing", s.Save(-1, 0, nil, 0), nil)
	s.refused("restore of what runs", s.Restore(vm, 0, nil, 0), ErrVMState)
	s.refused("restore on nothing", s.Restore(vm, 2, nil, 0), nil)
	s.must(s.ShutdownAfter(vm, 100, nil, 0))
	s.refused("save of what shuts down", s.Save(vm, 0, nil, 0), ErrVMState)
	s.must(s.CancelOperation(vm))
	s.must(s.Migrate(vm, 1, MigrationPolicy{}, nil))
	s.refused("save of what migrates", s.Save(vm, 0, nil, 0), ErrMigrating)
	s.must(s.CancelMigration(vm))
	s.must(s.Save(vm, 0, &s.told, 1))
	s.run(10, accessEnding{2, 1, nil})
	for range 4 {
		s.vm(1, false)
	}
	s.refused("restore without room", s.Restore(vm, 1, nil, 0), ErrNoRoom)
	if s.HostOf(vm) != 0 {
		t.Errorf("a VM that is refused by host 1 is on host %d", s.HostOf(vm))
	}
	s.must(s.TurnOff(0))
	s.refused("restore from what is off", s.Restore(vm, 1, nil, 0), ErrHostOff)
	s.is(vm, VMSaved, 0)
	s.must(s.TurnOn(0))
	s.must(s.TurnOff(1))
	s.refused("restore on what is off", s.Restore(vm, 1, nil, 0), ErrHostOff)
	s.must(s.Restore(vm, 0, nil, 0))
	s.run(20, accessEnding{2, 1, nil})
	s.is(vm, VMRunning, gigabyte)
}

// In whatever weather, each operation ends and is told once, VMs are in states
// that their operations account for, and nothing is left over.
func TestOperationsEndInAnyWeather(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(rt, "seed"), 0))
		s := newSite(t, 3)
		var vms []VMID
		for i := range 6 {
			vms = append(vms, s.vm(HostID(i%3), rng.IntN(2) == 0))
		}
		begun := uint64(0)
		count := func(err error) {
			if err == nil {
				begun++
			}
		}
		for range 120 {
			id, h := vms[rng.IntN(len(vms))], HostID(rng.IntN(3))
			switch rng.IntN(12) {
			case 0, 1:
				spec := CloudImage
				spec.Image, spec.Cache = DiskID(h), DiskID(s.HostOf(id))
				if rng.IntN(3) == 0 {
					spec.Size = gigabyte / 2
				}
				count(s.Boot(id, spec, &s.told, begun))
			case 2:
				count(s.ShutdownAfter(id, Seconds(rng.IntN(10)), &s.told, begun))
			case 3, 4:
				count(s.Save(id, DiskID(h), &s.told, begun))
			case 5, 6:
				count(s.Restore(id, h, &s.told, begun))
			case 7:
				_ = s.CancelOperation(id)
			case 8:
				if rng.IntN(3) == 0 {
					_ = s.TurnOff(h)
				}
			case 9:
				_ = s.TurnOn(h)
			case 10:
				_ = s.SwitchLink(s.link, rng.IntN(3) > 0)
			case 11:
				_ = []func(VMID) error{s.Shutdown, s.Suspend, s.Resume, s.Start}[rng.IntN(4)](id)
			}
			if rng.IntN(3) > 0 {
				if err := s.Run(s.Now() + Seconds(rng.IntN(8))); err != nil {
					rt.Fatal(err)
				}
			}
			for _, id := range vms {
				kind, busy := s.operations.of(id)
				state := s.State(id)
				if want, transient := map[VMState]operationKind{VMBooting: booting, VMSaving: saving, VMRestoring: restoring}[state]; transient && (!busy || kind != want) {
					rt.Fatalf("VM %d is %v, but its operation is %v %v", id, state, kind, busy)
				}
				if _, saved := s.SavedOn(id); state == VMSaved && !saved {
					rt.Fatalf("VM %d is saved nowhere", id)
				}
			}
		}
		_ = s.SwitchLink(s.link, true)
		if err := s.Run(s.Now() + 3600); err != nil {
			rt.Fatal(err)
		}
		seen := make([]int, begun)
		for _, e := range s.told {
			seen[e.arg]++
		}
		for i, n := range seen {
			if n != 1 {
				rt.Fatalf("operation %d of %d was told %d times", i, begun, n)
			}
		}
		for _, id := range vms {
			if _, saved := s.SavedOn(id); saved != (s.State(id) == VMSaved) {
				rt.Fatalf("VM %d is %v, and saved: %v", id, s.State(id), saved)
			}
		}
		s.idle()
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// rebooter boots a VM again whenever it has booted.
type rebooter struct {
	s    *Simulation
	spec BootSpec
}

func (r *rebooter) Completed(_ Seconds, arg uint64, _ error) {
	if err := r.s.Shutdown(VMID(arg)); err != nil {
		r.s.Fail(err)
	}
	if err := r.s.Boot(VMID(arg), r.spec, r, arg); err != nil {
		r.s.Fail(err)
	}
}

func TestBootsAllocateNothing(t *testing.T) {
	s := newSite(t, 2)
	s.settings.Check = false
	r := &rebooter{s.Simulation, CloudImage}
	r.spec.Image = 1
	for range 4 {
		s.must(s.Boot(s.vm(0, true), r.spec, r, uint64(s.VMs()-1)))
	}
	s.run(1000)
	before := s.Events()
	if n := testing.AllocsPerRun(5, func() { s.run(s.Now() + 1000) }); n > 0 {
		t.Errorf("%v allocations in %d events, want none", n, s.Events()-before)
	}
	if s.Events()-before < 1000 {
		t.Errorf("only %d events", s.Events()-before)
	}
}
