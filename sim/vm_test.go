package sim

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
)

func TestVMsThatMakeNoSense(t *testing.T) {
	nan, inf := Speed(math.NaN()), Speed(math.Inf(1))
	for _, k := range []struct {
		change func(*VMSpec)
		is     error
		want   string
	}{
		{func(v *VMSpec) { v.Host = 1 }, nil, "no host 1"},
		{func(v *VMSpec) { v.Host = -1 }, nil, "no host -1"},
		{func(v *VMSpec) { v.VCPUs = 0 }, nil, "0 vCPUs"},
		{func(v *VMSpec) { v.VCPUs = math.MaxInt32 + 1 }, nil, "vCPUs"},
		{func(v *VMSpec) { v.Memory = -1 }, nil, "memory of -1"},
		{func(v *VMSpec) { v.Cap = -1 }, nil, "a cap of -1"},
		{func(v *VMSpec) { v.Cap = inf }, nil, "a cap of +Inf"},
		{func(v *VMSpec) { v.Priority = -2 }, nil, "a priority of -2"},
		{func(v *VMSpec) { v.Demand = nan }, nil, "a demand of NaN"},
		{func(v *VMSpec) { v.Memory = 5 * cluster.GiB }, ErrNoRoom, "needs 5GiB of memory, more than all of host \"pm\", which has 4GiB"},
		{func(v *VMSpec) { v.Memory, v.Off = 5*cluster.GiB, true }, ErrNoRoom, "more than all of host"},
		{func(v *VMSpec) { v.Memory = 3 * cluster.GiB }, ErrNoRoom, "but of the 4GiB of host \"pm\" 2GiB are used and 0B promised"},
	} {
		s := New()
		h, err := s.AddHost(HostSpec{Name: "pm", Cores: 1, Speeds: []Speed{Giga}, Memory: 4 * cluster.GiB})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.AddVM(VMSpec{Name: "first", Host: h, VCPUs: 1, Memory: 2 * cluster.GiB}); err != nil {
			t.Fatal(err)
		}
		spec := VMSpec{Name: "v", Host: h, VCPUs: 1, Memory: cluster.GiB}
		k.change(&spec)
		_, err = s.AddVM(spec)
		says(t, err, k.is, `VM "v"`, k.want)
		if s.VMs() != 1 || s.MemoryUsed(h) != 2*cluster.GiB {
			t.Errorf("%s: %d VMs, %v of memory", k.want, s.VMs(), s.MemoryUsed(h))
		}
	}
}

func TestCallsForVMsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 2)
	vm := w.vm("v", h, 1)
	for _, err := range []error{
		w.SetDemand(1, 1), w.SetVMCap(-1, 1), w.SetVMPriority(1, 1), w.Pin(1, nil),
		w.Start(1), w.Suspend(1), w.Resume(1), w.Shutdown(1), w.Destroy(1), w.Move(1, 0),
	} {
		says(t, err, nil, "there is no VM", "0 to 0")
	}
	says(t, w.SetDemand(vm, -1), nil, `VM "v" on host "a"`, "a demand of -1")
	says(t, w.SetDemand(vm, Speed(math.Inf(1))), nil, "+Inf")
	says(t, w.SetVMCap(vm, Speed(math.NaN())), nil, `VM "v"`, "a cap of NaN")
	says(t, w.SetVMPriority(vm, -1), nil, `VM "v"`, "a priority of -1")
	says(t, w.Pin(vm, []int{0, 2}), nil, `VM "v"`, "no core 2", "0 to 1")
	says(t, w.Pin(vm, []int{-1}), nil, "no core -1")
	says(t, w.Move(vm, 3), nil, `VM "v"`, "no host 3")
	says(t, w.Move(vm, h), ErrSameHost, `VM "v"`)
	says(t, w.Start(vm), ErrVMState, `VM "v"`, "running")
	says(t, w.Resume(vm), ErrVMState, "running")
	w.must(w.Destroy(vm))
	for _, err := range []error{w.Start(vm), w.Suspend(vm), w.Resume(vm), w.Shutdown(vm), w.Destroy(vm), w.Move(vm, h), w.Pin(vm, nil)} {
		says(t, err, ErrVMGone, `VM "v"`)
	}
	_, err := w.Execute(vm.Place(), ExecSpec{Work: 1}, nil, 0)
	says(t, err, ErrVMGone, `VM "v"`)
}

func TestVMIsDescribedAsItIs(t *testing.T) {
	w := newWorld(t)
	a, b := w.host("a", 2), w.host("b", 2)
	id, err := w.AddVM(VMSpec{Name: "v", Host: a, VCPUs: 2, Memory: cluster.GiB, Demand: 5, Cap: 7})
	w.must(err)
	w.must(w.SetDemand(id, 6))
	w.must(w.SetVMCap(id, 8))
	w.must(w.SetVMPriority(id, 3))
	w.must(w.Move(id, b))
	if got, want := w.VM(id), (VMSpec{Name: "v", Host: b, VCPUs: 2, Memory: cluster.GiB, Demand: 6, Cap: 8, Priority: 3}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	w.must(w.Shutdown(id))
	if !w.VM(id).Off || w.HostOf(id) != b {
		t.Errorf("after the shutdown it is %+v", w.VM(id))
	}
}

func TestLifeOfAVM(t *testing.T) {
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 2, Speeds: []Speed{Giga}, Memory: 4 * cluster.GiB})
	w.must(err)
	id, err := w.AddVM(VMSpec{Name: "v", Host: h, VCPUs: 1, Memory: 3 * cluster.GiB, Demand: Giga / 2, Off: true})
	w.must(err)
	var told []string
	changes := 0
	w.OnVM(func(_ VMID, from, to VMState) { told = append(told, from.String()+" to "+to.String()) })
	w.OnChange(func(HostID) { changes++ })
	is := func(state VMState, used Bytes, share Speed, hosted, changed int) {
		t.Helper()
		if w.State(id) != state || w.MemoryUsed(h) != used || w.Share(id) != share || w.HostLoad(h) != share || len(w.Hosted(h)) != hosted || changes != changed {
			t.Errorf("it is %v, uses %v, gets %v, load %v, %d VMs hosted, %d changes; want %v, %v, %v, %d and %d",
				w.State(id), w.MemoryUsed(h), w.Share(id), w.HostLoad(h), len(w.Hosted(h)), changes, state, used, share, hosted, changed)
		}
		changes = 0
	}
	is(VMOff, 0, 0, 0, 0)
	w.must(w.SetDemand(id, Giga))
	is(VMOff, 0, 0, 0, 0)
	w.must(w.Start(id))
	is(VMRunning, 3*cluster.GiB, Giga, 1, 1)
	w.must(w.Suspend(id))
	is(VMSuspended, 3*cluster.GiB, 0, 1, 0)
	w.must(w.SetDemand(id, Giga/4))
	is(VMSuspended, 3*cluster.GiB, 0, 1, 1)
	w.must(w.Resume(id))
	is(VMRunning, 3*cluster.GiB, Giga/4, 1, 0)
	w.must(w.setState(id, VMSaving))
	is(VMSaving, 3*cluster.GiB, 0, 1, 1)
	w.must(w.setState(id, VMSaved))
	is(VMSaved, 0, 0, 0, 1)
	says(t, w.Shutdown(id), ErrVMState, "saved")
	w.must(w.setState(id, VMRestoring))
	is(VMRestoring, 3*cluster.GiB, 0, 1, 1)
	w.must(w.setState(id, VMRunning))
	is(VMRunning, 3*cluster.GiB, Giga/4, 1, 1)
	w.must(w.Shutdown(id))
	is(VMOff, 0, 0, 0, 1)
	says(t, w.setState(id, VMSaving), ErrVMState, `VM "v"`, "off", "saving")
	w.must(w.setState(id, VMBooting))
	is(VMBooting, 3*cluster.GiB, 0, 1, 1)
	w.must(w.setState(id, VMRunning))
	is(VMRunning, 3*cluster.GiB, Giga/4, 1, 1)
	w.must(w.Destroy(id))
	is(VMDestroyed, 0, 0, 0, 1)
	want := []string{
		"off to running", "running to suspended", "suspended to running", "running to saving", "saving to saved",
		"saved to restoring", "restoring to running", "running to off", "off to booting", "booting to running", "running to destroyed",
	}
	if !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if got := VMState(99).String(); got != "VMState(99)" {
		t.Errorf("an unknown state is called %q", got)
	}
}

func TestMemoryIsNeverPromisedTwice(t *testing.T) {
	w := newWorld(t)
	a, err := w.AddHost(HostSpec{Name: "a", Cores: 2, Speeds: []Speed{Giga}, Memory: 4 * cluster.GiB})
	w.must(err)
	b, err := w.AddHost(HostSpec{Name: "b", Cores: 2, Speeds: []Speed{Giga}, Memory: 2 * cluster.GiB})
	w.must(err)
	big, err := w.AddVM(VMSpec{Name: "big", Host: a, VCPUs: 1, Memory: 3 * cluster.GiB})
	w.must(err)
	small, err := w.AddVM(VMSpec{Name: "small", Host: a, VCPUs: 1, Memory: cluster.GiB, Demand: Giga})
	w.must(err)
	says(t, w.Move(big, b), ErrNoRoom, `VM "big"`, `host "b"`, "3GiB", "2GiB")
	w.must(w.promise(b, cluster.GiB))
	if w.MemoryPromised(b) != cluster.GiB || w.MemoryFree(b) != cluster.GiB {
		t.Errorf("%v promised, %v free", w.MemoryPromised(b), w.MemoryFree(b))
	}
	says(t, w.promise(b, 2*cluster.GiB), ErrNoRoom, `host "b"`, "needs 2GiB", "0B are used and 1GiB promised")
	w.relocate(small, b)
	if w.MemoryUsed(a) != 3*cluster.GiB || w.MemoryUsed(b) != cluster.GiB || w.MemoryPromised(b) != 0 || w.Share(small) != Giga || w.HostOf(small) != b {
		t.Errorf("used %v and %v, promised %v, share %v, host %d", w.MemoryUsed(a), w.MemoryUsed(b), w.MemoryPromised(b), w.Share(small), w.HostOf(small))
	}
	w.must(w.promise(b, cluster.GiB))
	w.must(w.Suspend(small))
	w.must(w.setState(small, VMSaving))
	w.must(w.setState(small, VMSaved))
	w.must(w.promise(b, cluster.GiB))
	says(t, w.setState(small, VMRestoring), ErrNoRoom, `VM "small": it needs 1GiB`, "2GiB promised")
	if w.State(small) != VMSaved {
		t.Errorf("refused, it is %v", w.State(small))
	}
	w.forget(b, 2*cluster.GiB)
	w.must(w.setState(small, VMRestoring))
	if w.MemoryFree(b) != cluster.GiB {
		t.Errorf("%v free", w.MemoryFree(b))
	}

	// One that is off may be moved wherever it would fit.
	w.must(w.Shutdown(big))
	says(t, w.Move(big, b), ErrNoRoom, `VM "big"`, `more than all of host "b"`)
	if w.HostOf(big) != a {
		t.Errorf("refused, it is on host %d", w.HostOf(big))
	}

	// Without a model of memory there is always enough.
	c := w.host("c", 1)
	for range 3 {
		if _, err := w.AddVM(VMSpec{Name: "huge", Host: c, VCPUs: 1, Memory: cluster.Bytes(math.MaxInt64) / 4}); err != nil {
			t.Error(err)
		}
	}
	if w.MemoryFree(c) <= 0 {
		t.Errorf("%v free", w.MemoryFree(c))
	}
}

func TestMove(t *testing.T) {
	w := newWorld(t)
	a, b := w.host("a", 1), w.host("b", 1)
	one, two := w.vm("1", a, 1), w.vm("2", a, 1)
	w.must(w.SetDemand(one, Giga))
	var e ended
	w.exec(two.Place(), ExecSpec{Work: 10 * Giga}, &e)
	w.run(4) // 2 of 10 Gflop are done
	var changed []HostID
	w.OnChange(func(h HostID) { changed = append(changed, h) })
	w.must(w.Pin(two, []int{0}))
	w.must(w.Move(two, b))
	if !slices.Equal(changed, []HostID{a, b}) {
		t.Errorf("changed %v", changed)
	}
	if w.Share(one) != Giga || w.Share(two) != Giga || !slices.Equal(w.Hosted(a), []VMID{one}) || !slices.Equal(w.Hosted(b), []VMID{two}) {
		t.Errorf("shares %v and %v, hosted %v and %v", w.Share(one), w.Share(two), w.Hosted(a), w.Hosted(b))
	}
	w.run(60)
	if want := []string{"0 at 12: <nil>"}; !slices.Equal(e.what, want) {
		t.Errorf("%v, want %v", e.what, want)
	}

	// One that is off starts where it was moved to; one that boots stays.
	w.must(w.Shutdown(one))
	w.must(w.Move(one, b))
	w.must(w.setState(one, VMBooting))
	says(t, w.Move(one, a), ErrVMState, "booting")
	w.must(w.setState(one, VMRunning))
	if !slices.Equal(w.Hosted(b), []VMID{one, two}) {
		t.Errorf("on b are %v", w.Hosted(b))
	}
	w.must(w.TurnOff(a))
	says(t, w.Move(one, a), ErrHostOff, `host "a"`)
}

// What the peer gets wrong after an instant move, and only the original law
// repeats: the VM keeps its cap and counts as one vCPU until something begins or
// ends in it.
func TestMoveUnderTheOriginalLaw(t *testing.T) {
	w := newOriginalWorld(t)
	a, b := w.host("a", 2), w.host("b", 2)
	vm := w.vm("v", a, 2)
	inside := [2]Exec{w.endless(vm.Place(), 1), w.endless(vm.Place(), 1)}
	w.endless(b.Place(), 1)
	w.endless(b.Place(), 1)
	w.must(w.Move(vm, b))
	if got := w.Share(vm); math.Abs(float64(got-2*Giga/3)) > 1 {
		t.Errorf("after the move it gets %v, want a third", got)
	}
	w.must(w.CancelExec(inside[1]))
	w.exec(vm.Place(), ExecSpec{Work: 100 * Giga}, nil)
	if got := w.Share(vm); got != Giga {
		t.Errorf("when something begins in it, it gets %v, want a half", got)
	}
}

// The demands of a host are whole numbers that add up to what it has. Then
// everybody gets all he asks for, however often they have changed before.
func TestDemandsThatFitAreMetExactly(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 8, Speeds: []Speed{1000}})
	w.must(err)
	var vms []VMID
	for range 10 {
		vms = append(vms, w.vm("v", h, 8))
	}
	before := make([]Delivery, len(vms))
	for round := range 500 {
		// Any demands, fractions among them, then such that fill the host.
		for _, id := range vms {
			w.must(w.SetDemand(id, Speed(rng.Float64()*2000)))
		}
		w.run(w.Now() + Seconds(rng.Float64()))
		left := 8000
		for i, id := range vms {
			d := left
			if i < len(vms)-1 {
				d = rng.IntN(left + 1)
			}
			left -= d
			w.must(w.SetDemand(id, Speed(d)))
		}
		for i, id := range vms {
			before[i] = w.Delivered(id)
		}
		w.run(w.Now() + 1)
		for i, id := range vms {
			if got := w.Delivered(id); w.Share(id) != w.VM(id).Demand || got.Lost != before[i].Lost || got.Short != before[i].Short {
				t.Fatalf("round %d: VM %d gets %v of %v, lost %v, then %v", round, i, w.Share(id), w.VM(id).Demand, before[i].Lost, got.Lost)
			}
		}
		if w.HostLoad(h) != 8000 {
			t.Fatalf("round %d: the load is %v of 8000", round, w.HostLoad(h))
		}
	}
}

// Whatever the speed of a core: as many demands of a core as there are cores fit,
// although their sum may be rounded up.
func TestRoundingIsNoShortage(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	for range 1000 {
		w := newWorld(t)
		speed, cores := Speed(rng.Float64()*10), 1+rng.IntN(40)
		h, err := w.AddHost(HostSpec{Name: "a", Cores: cores, Speeds: []Speed{speed}})
		w.must(err)
		for range cores {
			vm := w.vm("v", h, 1)
			w.must(w.SetDemand(vm, speed))
		}
		w.run(10)
		for vm := range VMID(cores) {
			if d := w.Delivered(vm); w.Share(vm) != speed || d.Lost != 0 || d.Short != 0 {
				t.Fatalf("%d cores of %v: a VM that asks for one gets %v: %+v", cores, speed, w.Share(vm), d)
			}
		}
	}
}

// A part of the host's CPU that it keeps for itself is not shared.
func TestReservedSpeedIsNotShared(t *testing.T) {
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 2, Speeds: []Speed{Giga, Giga / 4}, Reserved: Giga / 2})
	w.must(err)
	var vms []VMID
	for range 2 {
		vms = append(vms, w.vm("v", h, 1))
		w.must(w.SetDemand(vms[len(vms)-1], Giga))
	}
	gets := func(want Speed) {
		t.Helper()
		for _, id := range vms {
			if got := w.Share(id); got != want {
				t.Errorf("VM %d gets %v, want %v", id, got, want)
			}
		}
	}
	gets(0.75 * Giga)
	w.must(w.Pin(vms[0], []int{0}))
	gets(0.75 * Giga)
	w.must(w.Pin(vms[1], []int{0}))
	gets(0.375 * Giga)
	w.must(w.SetPState(h, 1))
	gets(0)
}

// Observers may do anything, for instance add VMs, and so move those there are.
func TestObserversMayChangeEverything(t *testing.T) {
	w := newWorld(t)
	a, b := w.host("a", 2), w.host("b", 2)
	vm := w.vm("v", a, 1)
	w.OnVM(func(id VMID, _, to VMState) {
		if id == vm && to == VMSuspended {
			for range 100 {
				w.must(w.SetDemand(w.vm("new", b, 1), Giga))
			}
			w.must(w.Move(vm, b))
			w.must(w.Destroy(vm))
		}
	})
	changed := map[HostID]int{}
	w.OnChange(func(h HostID) { changed[h]++ })
	w.must(w.Suspend(vm))
	if len(w.Hosted(a)) != 0 || len(w.Hosted(b)) != 100 || w.HostLoad(b) != 2*Giga || w.State(vm) != VMDestroyed {
		t.Errorf("%v on a, %v on b, load %v, the VM is %v", w.Hosted(a), w.Hosted(b), w.HostLoad(b), w.State(vm))
	}
	if changed[a] != 1 || changed[b] != 202 {
		t.Errorf("changes %v, want 1 of a and 202 of b", changed)
	}
}

func TestDemandIsLikeAnEndlessExecution(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 4)
	vm, other := w.vm("v", h, 2), w.vm("o", h, 4)
	w.must(w.SetDemand(other, 4*Giga))
	shares := func(demand Speed, threads int) (alone, both Speed) {
		w.must(w.SetDemand(vm, demand))
		alone = w.Share(vm)
		e := w.exec(vm.Place(), ExecSpec{Work: 1e9 * Giga, Threads: threads}, nil)
		both = w.Share(vm)
		w.must(w.CancelExec(e))
		return alone, both
	}
	for _, demand := range []Speed{Giga / 2, Giga, 2 * Giga, 3 * Giga} {
		for threads := 1; threads < 4; threads++ {
			alone, both := shares(demand, threads)
			// The same with an execution in place of the demand.
			w.must(w.SetDemand(vm, 0))
			e := w.exec(vm.Place(), ExecSpec{Work: 1e9 * Giga, Threads: 2, Cap: demand}, nil)
			wantAlone, wantBoth := w.Share(vm), Speed(0)
			_, wantBoth = shares(0, threads)
			w.must(w.CancelExec(e))
			if alone != wantAlone || both != wantBoth {
				t.Errorf("demand %v: it gets %v alone and %v beside %d threads; an execution gets %v and %v", demand, alone, both, threads, wantAlone, wantBoth)
			}
		}
	}
}

func TestDelivery(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 2)
	vm, other := w.vm("v", h, 2), w.vm("o", h, 2)
	is := func(until Seconds, want Delivery) {
		t.Helper()
		w.run(until)
		if got := w.Delivered(vm); got != want {
			t.Errorf("at %v: %+v, want %+v", until, got, want)
		}
	}
	w.must(w.SetDemand(vm, 1.5*Giga))
	is(10, Delivery{Asked: 15 * Giga, Given: 15 * Giga})
	w.must(w.SetDemand(other, 2*Giga)) // a half each
	is(20, Delivery{Asked: 30 * Giga, Given: 25 * Giga, Lost: 5 * Giga, Short: 10})
	w.must(w.Suspend(vm))
	is(22, Delivery{Asked: 33 * Giga, Given: 25 * Giga, Lost: 8 * Giga, Short: 12})
	w.must(w.Resume(vm))
	w.must(w.SetDemand(other, 0))
	w.must(w.SetDemand(vm, 3*Giga)) // more than its vCPUs
	is(24, Delivery{Asked: 39 * Giga, Given: 29 * Giga, Lost: 10 * Giga, Short: 14})
	w.must(w.SetDemand(vm, Giga/2))
	e := w.exec(vm.Place(), ExecSpec{Work: 100 * Giga, Cap: Giga / 2}, nil)
	is(26, Delivery{Asked: 41 * Giga, Given: 31 * Giga, Lost: 10 * Giga, Short: 14})
	w.must(w.SetVMCap(vm, Giga/4)) // is no excuse
	is(28, Delivery{Asked: 43 * Giga, Given: 31.5 * Giga, Lost: 11.5 * Giga, Short: 16})
	w.must(w.SetVMCap(vm, 0))
	w.must(w.CancelExec(e))
	w.throttle(vm, 0.5)
	is(30, Delivery{Asked: 44 * Giga, Given: 32 * Giga, Lost: 12 * Giga, Short: 18})
	w.throttle(vm, 1)
	w.must(w.Shutdown(vm))
	is(40, Delivery{Asked: 44 * Giga, Given: 32 * Giga, Lost: 12 * Giga, Short: 18})
	w.must(w.setState(vm, VMBooting)) // asks for what its boot takes, not for its demand
	w.must(w.SetDemand(other, 2*Giga))
	w.exec(vm.Place(), ExecSpec{Work: Giga, Priority: 1}, nil)
	is(41, Delivery{Asked: 44*Giga + 2*Giga/3 + Giga/3, Given: 32*Giga + 2*Giga/3, Lost: 12*Giga + Giga/3, Short: 19})
	w.must(w.Shutdown(vm))
	if got, want := w.workDone(vm), w.Delivered(vm).Given; got != want {
		t.Errorf("work done: %v, given %v", got, want)
	}
}

func TestThrottledVMLeavesItsPartToOthers(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	vm, other := w.vm("v", h, 1), w.vm("o", h, 1)
	w.must(w.SetDemand(vm, Giga))
	w.must(w.SetDemand(other, Giga))
	w.throttle(vm, 0.5)
	if got, rest := w.Share(vm), w.Share(other); math.Abs(float64(got)-Giga/3) > 1 || math.Abs(float64(rest)-2*Giga/3) > 1 {
		t.Errorf("it gets %v and the other %v, want a third and two", got, rest)
	}
	w.must(w.SetDemand(other, 0))
	if got := w.Share(vm); got != Giga/2 {
		t.Errorf("alone it gets %v, want a half", got)
	}
}

func TestSetDemandAllocatesNothing(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 8)
	var vms []VMID
	for range 10 {
		vms = append(vms, w.vm("v", h, 2))
	}
	w.OnChange(func(HostID) {})
	rng := rand.New(rand.NewPCG(3, 4))
	if n := testing.AllocsPerRun(1000, func() {
		w.must(w.SetDemand(vms[rng.IntN(10)], Speed(rng.IntN(11))*Giga/5))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if w.queue.seq != 0 {
		t.Errorf("%d events were planned", w.queue.seq)
	}
}

func TestExpectingChangesNothing(t *testing.T) {
	run := func(expect bool) []Delivery {
		w := newWorld(t)
		h, err := w.AddHost(HostSpec{Name: "a", Cores: 2, Speeds: []Speed{1000}})
		w.must(err)
		vms := []VMID{w.vm("v", h, 2), w.vm("w", h, 2)}
		for i := range 20 {
			if expect {
				w.Expect(vms)
			}
			w.must(w.SetDemand(vms[i%2], Speed(100*i)))
			w.run(w.Now() + 1)
		}
		return []Delivery{w.Delivered(vms[0]), w.Delivered(vms[1])}
	}
	if with, without := run(true), run(false); !slices.Equal(with, without) {
		t.Errorf("%v with, %v without", with, without)
	}
}
