package sim

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// oneDisk returns a simulation with a host and a disk, and a place to note
// when what ends.
func oneDisk(t *testing.T, disk DiskSpec) (*Simulation, DiskID, *accessEndings) {
	t.Helper()
	s := New()
	_, d := bootHost(t, s, 4, disk)
	return s, d, &accessEndings{}
}

// accessEndings are the dates at which activities ended, by their argument.
type accessEndings []accessEnding

type accessEnding struct {
	at  Seconds
	arg uint64
	err error
}

func (e *accessEndings) Completed(now Seconds, arg uint64, err error) {
	*e = append(*e, accessEnding{now, arg, err})
}

func (e *accessEndings) want(t *testing.T, want ...accessEnding) {
	t.Helper()
	if len(*e) != len(want) {
		t.Fatalf("ended: %v, want %v", *e, want)
	}
	for i, w := range want {
		got := (*e)[i]
		if got.arg != w.arg || !errors.Is(got.err, w.err) || (w.err == nil) != (got.err == nil) || math.Abs(float64(got.at-w.at)) > 1e-9*float64(w.at) {
			t.Errorf("ending %d is %v, want %v", i, got, w)
		}
	}
}

func run(t *testing.T, s *Simulation, until Seconds) {
	t.Helper()
	if err := s.Run(until); err != nil {
		t.Fatal(err)
	}
}

// startAccess starts an access, as a test that is sure of its arguments does.
func startAccess(t *testing.T, s *Simulation, spec AccessSpec, done Completion, arg uint64) Access {
	t.Helper()
	a, err := s.Access(spec, done, arg)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestAnAccessThatIsAloneHasAllOfTheDisk(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 100, Write: 50, Degrade: 0.5})
	host := s.Disk(d).Host.Place()
	startAccess(t, s, AccessSpec{Disk: d, Bytes: 1000, By: host}, ended, 1)
	s.Call(20, func() { startAccess(t, s, AccessSpec{Disk: d, Write: true, Bytes: 1000, By: host}, ended, 2) })
	s.Call(50, func() { startAccess(t, s, AccessSpec{Disk: d, Bytes: 0, By: host}, ended, 3) })
	run(t, s, Forever)
	ended.want(t, accessEnding{10, 1, nil}, accessEnding{40, 2, nil}, accessEnding{50, 3, nil})
}

// A read and a write share the time of the disk: each takes twice as long while
// both are under way, as if they were alone on half of it.
func TestAReadAndAWriteShareTheTimeOfTheDisk(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 100, Write: 50})
	if _, err := s.Read(d, 1000, 0, ended, 1); err != nil {
		t.Fatal(err)
	}
	w, err := s.Write(d, 1000, 0, ended, 2)
	if err != nil {
		t.Fatal(err)
	}
	s.Call(10, func() {
		if rate, left := s.AccessRate(w), s.AccessRemaining(w); rate != 25 || left != 750 {
			t.Errorf("the write goes on at %v bytes/s, with %v left; want 25 and 750", rate, left)
		}
		if load, n := s.DiskLoad(d), s.Accesses(d); load != 75 || n != 2 {
			t.Errorf("the disk gives %v bytes/s to %d accesses; want 75 to 2", load, n)
		}
	})
	run(t, s, Forever)
	ended.want(t, accessEnding{20, 1, nil}, accessEnding{30, 2, nil}) // 10 s of the disk, and 20 s
}

// n accesses to a hard disk get 1/(1+0.5(n-1)) of it together: ten of them take
// 55 times as long as one.
func TestAHardDiskLosesTimeBetweenAccesses(t *testing.T) {
	for _, c := range []struct {
		disk DiskSpec
		want Seconds
	}{{HDD, 55}, {SSD, 10}, {NVMe, 10}} {
		s, d, ended := oneDisk(t, c.disk)
		for range 10 {
			if _, err := s.Read(d, Bytes(c.disk.Read), 0, ended, 0); err != nil {
				t.Fatal(err)
			}
		}
		run(t, s, Forever)
		for _, e := range *ended {
			if math.Abs(float64(e.at-c.want)) > 1e-9 {
				t.Errorf("%s: ended at %v s, want %v", c.disk.Name, e.at, c.want)
			}
		}
	}
}

func TestACapLeavesTheRestToTheOthers(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 90, Write: 90})
	for i, limit := range []Bandwidth{15, 0, 0, 1000} {
		if _, err := s.Read(d, 900, limit, ended, uint64(i)); err != nil {
			t.Fatal(err)
		}
	}
	// 15 and three times 25 until 36 s, when the first has 360 left.
	run(t, s, Forever)
	ended.want(t, accessEnding{36, 1, nil}, accessEnding{36, 2, nil}, accessEnding{36, 3, nil}, accessEnding{60, 0, nil})
}

func TestAnAccessIsSuspendedResumedAndCancelled(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 100, Write: 100})
	host := s.Disk(d).Host.Place()
	a := startAccess(t, s, AccessSpec{Disk: d, Bytes: 1000, By: host}, ended, 1)
	b := startAccess(t, s, AccessSpec{Disk: d, Bytes: 1000, By: host}, ended, 2)
	check := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	s.Call(2, func() { // both have 900 left
		check(s.SuspendAccess(a))
		check(s.SuspendAccess(a))
	})
	s.Call(7, func() { // a has 900 left, b has 400
		if s.AccessRemaining(a) != 900 || s.AccessRate(a) != 0 || s.AccessRemaining(b) != 400 || s.AccessRate(b) != 100 {
			t.Errorf("left: %v at %v, %v at %v", s.AccessRemaining(a), s.AccessRate(a), s.AccessRemaining(b), s.AccessRate(b))
		}
		check(s.ResumeAccess(a))
		check(s.ResumeAccess(a))
	})
	s.Call(9, func() { check(s.CancelAccess(b)) }) // a has 800 left
	run(t, s, Forever)
	ended.want(t, accessEnding{9, 2, ErrCancelled}, accessEnding{17, 1, nil})
	for name, err := range map[string]error{
		"suspend": s.SuspendAccess(a), "resume": s.ResumeAccess(b), "cancel": s.CancelAccess(a), "cancel of none": s.CancelAccess(Access{}),
	} {
		if !errors.Is(err, ErrOver) {
			t.Errorf("%s: %v, want %v", name, err, ErrOver)
		}
	}
	if s.AccessRemaining(a) != 0 || s.AccessRate(a) != 0 {
		t.Error("an access that is over goes on")
	}
}

func TestAnAccessWaitsWithItsVMAndEndsWithIt(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 100, Write: 100})
	vm := bootVM(t, s, s.Disk(d).Host, VMSpec{})
	other := bootVM(t, s, s.Disk(d).Host, VMSpec{})
	for i, by := range []Place{vm.Place(), other.Place(), vm.Place(), s.Disk(d).Host.Place()} {
		startAccess(t, s, AccessSpec{Disk: d, Bytes: 1000, By: by}, ended, uint64(i))
	}
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	s.Call(4, func() { must(s.Suspend(vm)) }) // all have 900 left
	s.Call(6, func() {                        // 800 for those who went on
		late := startAccess(t, s, AccessSpec{Disk: d, Bytes: 1000, By: vm.Place()}, ended, 4)
		if s.AccessRate(late) != 0 || s.Accesses(d) != 2 {
			t.Error("an access of a suspended VM does not wait")
		}
		must(s.CancelAccess(late))
	})
	s.Call(8, func() { must(s.Resume(vm)) })    // 900 and 700
	s.Call(12, func() { must(s.Shutdown(vm)) }) // 600 for the others
	run(t, s, Forever)
	ended.want(t, accessEnding{6, 4, ErrCancelled}, accessEnding{12, 2, ErrVMGone}, accessEnding{12, 0, ErrVMGone}, accessEnding{24, 1, nil}, accessEnding{24, 3, nil})
	if _, err := s.Access(AccessSpec{Disk: d, Bytes: 1, By: vm.Place()}, nil, 0); !errors.Is(err, ErrVMGone) {
		t.Errorf("access by a VM that is off: %v, want %v", err, ErrVMGone)
	}
}

// An access that is over is not its VM's any more, whoever has its slot now.
func TestWhatIsOverDoesNotFollowItsVM(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 100, Write: 100})
	vm := bootVM(t, s, s.Disk(d).Host, VMSpec{})
	startAccess(t, s, AccessSpec{Disk: d, Bytes: 100, By: vm.Place()}, ended, 1)
	s.Call(2, func() { startAccess(t, s, AccessSpec{Disk: d, Bytes: 200, By: s.Disk(d).Host.Place()}, ended, 2) })
	s.Call(3, func() {
		if err := s.Shutdown(vm); err != nil {
			t.Error(err)
		}
	})
	run(t, s, Forever)
	ended.want(t, accessEnding{1, 1, nil}, accessEnding{4, 2, nil})
}

// Accesses that end at the same date do so in one event, however the rest of
// their bytes was rounded.
func TestEqualAccessesEndTogether(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 0.3, Write: 1})
	for i := range 100 {
		if i == 50 {
			run(t, s, 0.1)
		}
		startAccess(t, s, AccessSpec{Disk: d, Bytes: 7, By: s.Disk(d).Host.Place()}, ended, uint64(i))
	}
	run(t, s, Forever)
	if s.Events() != 2 || len(*ended) != 100 {
		t.Errorf("%d accesses of two sorts ended in %d events", len(*ended), s.Events())
	}
}

func TestAccessesFailWithTheHostOfTheirDisk(t *testing.T) {
	s, d, ended := oneDisk(t, DiskSpec{Name: "d", Read: 100, Write: 100})
	for i := range 3 {
		a := startAccess(t, s, AccessSpec{Disk: d, Bytes: 1000, By: s.Disk(d).Host.Place()}, ended, uint64(i))
		if i == 1 {
			if err := s.SuspendAccess(a); err != nil {
				t.Fatal(err)
			}
		}
	}
	s.Call(5, func() {
		if err := s.TurnOff(s.Disk(d).Host); err != nil {
			t.Error(err)
		}
		if _, err := s.Read(d, 1, 0, nil, 0); !errors.Is(err, ErrHostOff) {
			t.Errorf("read from a disk that is off: %v, want %v", err, ErrHostOff)
		}
	})
	s.Call(6, func() {
		if err := s.TurnOn(s.Disk(d).Host); err != nil {
			t.Error(err)
		}
		if _, err := s.Read(d, 100, 0, ended, 9); err != nil {
			t.Error(err)
		}
	})
	run(t, s, Forever)
	ended.want(t, accessEnding{5, 0, ErrHostOff}, accessEnding{5, 1, ErrHostOff}, accessEnding{5, 2, ErrHostOff}, accessEnding{7, 9, nil})
}

func TestDisksRefuseWhatMakesNoSense(t *testing.T) {
	s, d, _ := oneDisk(t, SSD)
	nan := math.NaN()
	for _, spec := range []DiskSpec{
		{Name: "host", Host: 7, Read: 1, Write: 1},
		{Name: "host", Host: -1, Read: 1, Write: 1},
		{Name: "read", Write: 1},
		{Name: "read", Read: Bandwidth(nan), Write: 1},
		{Name: "write", Read: 1, Write: -1},
		{Name: "write", Read: 1, Write: Bandwidth(math.Inf(1))},
		{Name: "degrade", Read: 1, Write: 1, Degrade: -1},
		{Name: "degrade", Read: 1, Write: 1, Degrade: nan},
	} {
		if _, err := s.AddDisk(spec); err == nil {
			t.Errorf("disk %+v is accepted", spec)
		} else {
			t.Log(err)
		}
	}
	host := HostID(0).Place()
	for _, spec := range []AccessSpec{
		{Disk: 1, Bytes: 1, By: host},
		{Disk: -1, Bytes: 1, By: host},
		{Disk: d, Bytes: -1, By: host},
		{Disk: d, Bytes: 1, Cap: -1, By: host},
		{Disk: d, Bytes: 1, Cap: Bandwidth(nan), By: host},
		{Disk: d, Bytes: 1, By: HostID(3).Place()},
		{Disk: d, Bytes: 1, By: VMID(0).Place()},
	} {
		if _, err := s.Access(spec, nil, 0); err == nil {
			t.Errorf("access %+v is accepted", spec)
		} else {
			t.Log(err)
		}
	}
	if _, err := s.Write(4, 1, 0, nil, 0); err == nil {
		t.Error("write to an unknown disk is accepted")
	}
	if s.Disks() != 1 {
		t.Errorf("%d disks, want 1", s.Disks())
	}
}

// slowDisk shares a disk among accesses the slow way: everybody gets the same
// small part more of its time, until he is satisfied or it is used up.
func slowDisk(spec DiskSpec, bandwidth, caps []float64) []float64 {
	rates := make([]float64, len(caps))
	left := 1 / (1 + spec.Degrade*float64(len(caps)-1))
	for left > 1e-12 {
		var hungry []int
		step := left
		for i := range caps {
			if missing := (caps[i] - rates[i]) / bandwidth[i]; missing > 1e-12 {
				hungry = append(hungry, i)
				step = min(step, missing)
			}
		}
		if len(hungry) == 0 {
			break
		}
		step = min(step, left/float64(len(hungry)))
		for _, i := range hungry {
			rates[i] += step * bandwidth[i]
			left -= step
		}
	}
	return rates
}

// Random accesses come, wait, go on and are cancelled. At all times their rates
// are those of the slow way, and in the end each has moved what it was to move.
func TestDisksAgreeWithTheSlowWay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		s := New()
		h, err := s.AddHost(HostSpec{Name: "h", Cores: 1, Speeds: []Speed{1}})
		if err != nil {
			t.Fatal(err)
		}
		spec := DiskSpec{Name: "d", Host: h, Read: 100, Write: 40, Degrade: []float64{0, 0.5, 2}[rng.IntN(3)]}
		d, err := s.AddDisk(spec)
		if err != nil {
			t.Fatal(err)
		}
		type mirror struct {
			name           Access
			bandwidth, cap float64
			left           float64
			waits, over    bool
		}
		var all []*mirror
		for range 60 {
			switch pick := rng.IntN(6); {
			case pick < 3 || len(all) == 0:
				m := &mirror{bandwidth: 100, cap: math.Inf(1), left: float64(rng.IntN(500))}
				access := AccessSpec{Disk: d, Bytes: Bytes(m.left), By: h.Place()}
				if rng.IntN(2) == 0 {
					access.Write, m.bandwidth = true, 40
				}
				if rng.IntN(2) == 0 {
					access.Cap = Bandwidth(1 + rng.IntN(50))
					m.cap = float64(access.Cap)
				}
				m.name, err = s.Access(access, Then(func(err error) { m.over = true }), 0)
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, m)
			default:
				m := all[rng.IntN(len(all))]
				do, waits := s.SuspendAccess, true
				if pick == 4 {
					do, waits = s.ResumeAccess, false
				}
				if pick == 5 {
					do, waits = s.CancelAccess, true
				}
				if err := do(m.name); (err == nil) == m.over {
					t.Fatalf("over is %v, but: %v", m.over, err)
				}
				m.waits = waits
				m.over = m.over || pick == 5
			}
			for begun := s.now; s.now < begun+3; {
				var active []*mirror
				for _, m := range all {
					if !m.over && !m.waits {
						active = append(active, m)
					}
				}
				var bandwidth, caps []float64
				for _, m := range active {
					bandwidth, caps = append(bandwidth, m.bandwidth), append(caps, m.cap)
				}
				rates := slowDisk(spec, bandwidth, caps)
				next := begun + 3
				for i, m := range active {
					if got := float64(s.AccessRate(m.name)); math.Abs(got-rates[i]) > 1e-6 {
						t.Fatalf("at %v s access %d of %d gets %v, want %v", s.now, i, len(active), got, rates[i])
					}
					if got := s.AccessRemaining(m.name); math.Abs(got-m.left) > 1e-6 {
						t.Fatalf("at %v s access %d of %d has %v left, want %v", s.now, i, len(active), got, m.left)
					}
					next = min(next, s.now+Seconds(m.left/rates[i]))
				}
				next += 1e-9 // so that what is due is over
				elapsed := next - s.now
				if err := s.Run(next); err != nil {
					t.Fatal(err)
				}
				for i, m := range active {
					m.left -= rates[i] * float64(elapsed)
					got := s.AccessRemaining(m.name)
					if math.Abs(m.left-got) > 1e-6 || m.over && m.left > 1e-6 || !m.over && m.left < -1e-6 {
						t.Fatalf("at %v s %v is left, want %v; over is %v", s.now, got, m.left, m.over)
					}
					m.left = got
				}
			}
		}
		for _, m := range all {
			_ = s.CancelAccess(m.name)
		}
		if err := s.Run(Forever); err != nil {
			t.Fatal(err)
		}
		if n := len(s.disks.accesses); n != len(s.disks.free) {
			t.Fatalf("%d of %d slots are free at the end", len(s.disks.free), n)
		}
		if n := s.Accesses(d); n != 0 || s.disks.onDisk.head(int32(d)) != none {
			t.Fatalf("at the end %d accesses run", n)
		}
	})
}

// slowAccess is an access the slow way.
type slowAccess struct {
	start          Seconds
	bytes          Bytes
	bandwidth, cap float64
	left           float64
	end            Seconds
}

// slowEnds finds when accesses end, which are in the order in which they start:
// from one start or end to the next, it subtracts from each what it has moved.
func slowEnds(spec DiskSpec, all []*slowAccess) {
	var now Seconds
	var active []*slowAccess
	for waiting := all; len(waiting)+len(active) > 0; {
		for len(waiting) > 0 && waiting[0].start <= now {
			waiting[0].left = float64(waiting[0].bytes)
			active, waiting = append(active, waiting[0]), waiting[1:]
		}
		var bandwidth, caps []float64
		for _, a := range active {
			bandwidth, caps = append(bandwidth, a.bandwidth), append(caps, a.cap)
		}
		rates, next := slowDisk(spec, bandwidth, caps), Forever
		if len(waiting) > 0 {
			next = waiting[0].start
		}
		for i, a := range active {
			next = min(next, now+Seconds(a.left/rates[i]))
		}
		for i, a := range active {
			a.left -= rates[i] * float64(next-now)
			a.end = next
		}
		now = next
		active = slices.DeleteFunc(active, func(a *slowAccess) bool { return a.left <= 1e-9*float64(a.bytes) })
	}
}

// However many come and go, each ends when it does the slow way, and of those
// that are alike the one that started first ends first.
func TestAccessesEndWhenTheyDoTheSlowWay(t *testing.T) {
	seeds := []uint64{0x601f, 0x530b62a7} // some that are alike end at dates that differ by a rounding
	for seed := range uint64(500) {
		seeds = append(seeds, seed)
	}
	for _, seed := range seeds {
		accessesEndWhenTheyDoTheSlowWay(t, seed)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
}

func accessesEndWhenTheyDoTheSlowWay(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 0))
	s := New()
	h, err := s.AddHost(HostSpec{Name: "h", Cores: 1, Speeds: []Speed{1}})
	if err != nil {
		t.Fatal(err)
	}
	spec := DiskSpec{Name: "d", Host: h, Read: 100, Write: 40, Degrade: []float64{0, 0.25}[rng.IntN(2)]}
	d, err := s.AddDisk(spec)
	if err != nil {
		t.Fatal(err)
	}
	capped := rng.IntN(2) == 0
	var all []*slowAccess
	var ends accessEndings
	for i := range 1 + rng.IntN(40) {
		a := &slowAccess{bandwidth: 100, cap: math.Inf(1), bytes: Bytes(1+rng.IntN(5)) * 20}
		if i > 0 {
			a.start = all[i-1].start + Seconds(rng.IntN(2))
		}
		access := AccessSpec{Disk: d, Bytes: a.bytes, By: h.Place()}
		if rng.IntN(2) == 0 {
			access.Write, a.bandwidth = true, 40
		}
		if capped && rng.IntN(2) == 0 {
			access.Cap = Bandwidth(1 + rng.IntN(50))
			a.cap = float64(access.Cap)
		}
		all = append(all, a)
		s.Call(a.start, func() {
			if _, err := s.Access(access, &ends, uint64(i)); err != nil {
				t.Error(err)
			}
		})
	}
	slowEnds(spec, all)
	if err := s.Run(Forever); err != nil {
		t.Fatal(err)
	}
	if len(ends) != len(all) {
		t.Fatalf("%d of %d accesses have ended", len(ends), len(all))
	}
	for k, e := range ends {
		if want := all[e.arg].end; math.Abs(float64(e.at-want)) > 1e-9*float64(want) {
			t.Errorf("access %d ends at %v, want %v", e.arg, e.at, want)
		}
		for _, before := range ends[:k] {
			a, b := *all[before.arg], *all[e.arg]
			if before.arg > e.arg && a.start == b.start && a.bytes == b.bytes && a.bandwidth == b.bandwidth && a.cap == b.cap {
				t.Errorf("access %d ends before %d", before.arg, e.arg)
			}
		}
	}
}

// reader starts an access when one ends.
type reader struct {
	s *Simulation
	d DiskID
}

func (r *reader) Completed(_ Seconds, arg uint64, _ error) {
	if _, err := r.s.Read(r.d, Bytes(1000+arg), Bandwidth(arg%2*50), r, arg); err != nil {
		r.s.Fail(err)
	}
}

func TestAccessesAllocateNothing(t *testing.T) {
	s, d, _ := oneDisk(t, DiskSpec{Name: "d", Read: 1000, Write: 500})
	r := &reader{s, d}
	for i := range 10 {
		r.Completed(0, uint64(i), nil)
	}
	run(t, s, 100)
	before := s.Events()
	if n := testing.AllocsPerRun(10, func() { run(t, s, s.Now()+100) }); n > 0 {
		t.Errorf("%v allocations in %d events, want none", n, s.Events()-before)
	}
	if s.Events()-before < 100 {
		t.Errorf("only %d events", s.Events()-before)
	}
}

// A disk with many accesses costs what it has: no event is about another disk.
func TestDisksAreIndependent(t *testing.T) {
	s := New()
	_, a := bootHost(t, s, 1, SSD)
	_, b := bootHost(t, s, 1, SSD)
	var names []Access
	for i := range 20 {
		for _, d := range []DiskID{a, b} {
			x, err := s.Read(d, Bytes(500e6), 0, nil, uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, x)
		}
	}
	run(t, s, 10)
	if err := s.TurnOff(s.Disk(a).Host); err != nil {
		t.Fatal(err)
	}
	alive := slices.DeleteFunc(names, func(x Access) bool { return s.AccessRate(x) == 0 })
	if len(alive) != 20 || s.Accesses(a) != 0 || s.Accesses(b) != 20 {
		t.Errorf("%d accesses go on, %d and %d on the disks; want the 20 of the disk that is on", len(alive), s.Accesses(a), s.Accesses(b))
	}
}
