package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestExecutionsThatMakeNoSense(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	vm := w.vm("v", h, 1)
	for _, k := range []struct {
		at   Place
		spec ExecSpec
		want []string
	}{
		{HostID(1).Place(), ExecSpec{}, []string{"no host 1"}},
		{VMID(1).Place(), ExecSpec{}, []string{"no VM 1"}},
		{h.Place(), ExecSpec{Work: -1}, []string{`host "a"`, "a work of -1"}},
		{h.Place(), ExecSpec{Work: Work(math.NaN())}, []string{"NaN"}},
		{h.Place(), ExecSpec{Work: Work(math.Inf(1))}, []string{"+Inf"}},
		{h.Place(), ExecSpec{Work: math.MaxFloat64, Threads: 2}, []string{"+Inf"}},
		{vm.Place(), ExecSpec{Priority: 1e-320}, []string{"a priority of 1e-320"}},
		{vm.Place(), ExecSpec{Priority: -1}, []string{`VM "v" on host "a"`, "a priority of -1"}},
		{vm.Place(), ExecSpec{Cap: Speed(math.Inf(1))}, []string{`VM "v"`, "a cap of +Inf"}},
		{vm.Place(), ExecSpec{Threads: -1}, []string{`VM "v"`, "-1 threads"}},
	} {
		_, err := w.Execute(k.at, k.spec, nil, 0)
		says(t, err, nil, k.want...)
	}
	if w.HostLoad(h) != 0 || w.queue.seq != 0 {
		t.Errorf("load %v, %d events", w.HostLoad(h), w.queue.seq)
	}
	e := w.exec(h.Place(), ExecSpec{Work: Giga}, nil)
	says(t, w.SetExecPriority(e, math.NaN()), nil, "a priority of NaN")
	says(t, w.SetExecCap(e, -1), nil, "a cap of -1")
	w.run(2)
	for _, over := range []Exec{e, {}, {slot: 5, seq: 1}, {slot: -1, seq: 1}} {
		for _, err := range []error{w.SuspendExec(over), w.ResumeExec(over), w.CancelExec(over), w.SetExecPriority(over, 1), w.SetExecCap(over, 1)} {
			says(t, err, ErrOver)
		}
		if w.ExecRemaining(over) != 0 || w.ExecRate(over) != 0 {
			t.Errorf("%v left at %v", w.ExecRemaining(over), w.ExecRate(over))
		}
	}
}

// Under the right law, priority and cap of an execution of several threads
// count: it weighs 12 beside 1, 1 and 1, and gets its cap. Under the original
// law it weighs 3, and of the others only the one with a cap gets no equal part.
func TestThreads(t *testing.T) {
	for _, k := range []struct {
		law  string
		w    world
		want Speed
	}{
		{"right", newWorld(t), 1.5 * Giga},
		{"original", newOriginalWorld(t), (4 - 0.5) * Giga * 3 / 5},
	} {
		h := k.w.host("a", 4)
		many := k.w.exec(h.Place(), ExecSpec{Work: 100 * Giga, Threads: 3, Priority: 4, Cap: 1.5 * Giga}, nil)
		for _, cap := range []Speed{0, 0, Giga / 2} {
			k.w.exec(h.Place(), ExecSpec{Work: 100 * Giga, Cap: cap}, nil)
		}
		if got := k.w.ExecRemaining(many); got != 300*Giga {
			t.Errorf("3 threads of 100 Gflop have %v to do", got)
		}
		if got := k.w.ExecRate(many); math.Abs(float64(got-k.want)) > 1 {
			t.Errorf("%s: it gets %v, want %v", k.law, got, k.want)
		}
		if got := k.w.HostLoad(h); math.Abs(float64(got-4*Giga)) > 1 {
			t.Errorf("%s: the load is %v of 4 cores", k.law, got)
		}
	}
}

// Of executions that are alike, all end at the same date and in the order in
// which they began, although the first end leaves more to the others.
func TestEqualExecutionsEndTogether(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	vm := w.vm("v", h, 1)
	var e ended
	for i := range 7 {
		at := h.Place()
		if i%2 == 1 {
			at = vm.Place()
		}
		_, err := w.Execute(at, ExecSpec{Work: Giga / 3}, &e, uint64(i))
		w.must(err)
	}
	w.exec(h.Place(), ExecSpec{Work: 3 * Giga}, nil)
	w.run(Forever)
	dates := map[string][]string{}
	for _, what := range e.what {
		who, date, _ := strings.Cut(what, " ")
		dates[date] = append(dates[date], who)
	}
	var groups []string
	for _, who := range dates {
		groups = append(groups, strings.Join(who, " "))
	}
	slices.Sort(groups)
	if want := []string{"0 2 4 6", "1 3 5"}; !slices.Equal(groups, want) {
		t.Errorf("together end %q, want %q: %q", groups, want, e.what)
	}
}

func TestNoWorkTakesNoTime(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	w.run(3)
	var e ended
	w.exec(h.Place(), ExecSpec{}, &e)
	if len(e.what) > 0 {
		t.Error("its completion was called within Execute")
	}
	w.run(4)
	if want := []string{"0 at 3: <nil>"}; !slices.Equal(e.what, want) {
		t.Errorf("%q, want %q", e.what, want)
	}
}

func TestExecutionsInASuspendedVMWait(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	vm := w.vm("v", h, 1)
	var before, during ended
	w.exec(vm.Place(), ExecSpec{Work: 10 * Giga}, &before)
	w.run(4)
	w.must(w.Suspend(vm))
	late := w.exec(vm.Place(), ExecSpec{Work: 3 * Giga}, &during)
	w.run(10)
	if w.ExecRemaining(late) != 3*Giga || w.ExecRate(late) != 0 {
		t.Errorf("%v left at %v", w.ExecRemaining(late), w.ExecRate(late))
	}
	w.must(w.Resume(vm))
	w.run(100)
	if got := append(before.what, during.what...); !slices.Equal(got, []string{"0 at 19: <nil>", "0 at 16: <nil>"}) {
		t.Errorf("got %q", got)
	}
}

// What computes in a VM that is saved stands still, and goes on at the speed
// that the host has then.
func TestExecutionsSurviveASave(t *testing.T) {
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 1, Speeds: []Speed{Giga, 2 * Giga}})
	w.must(err)
	vm := w.vm("v", h, 1)
	var e ended
	w.exec(vm.Place(), ExecSpec{Work: 10 * Giga}, &e)
	w.run(4)
	w.must(w.setState(vm, VMSaving))
	w.must(w.setState(vm, VMSaved))
	w.must(w.SetPState(h, 1))
	w.run(10)
	w.must(w.setState(vm, VMRestoring))
	w.run(11)
	w.must(w.setState(vm, VMRunning))
	w.run(20)
	if want := []string{"0 at 14: <nil>"}; !slices.Equal(e.what, want) {
		t.Errorf("%q, want %q", e.what, want)
	}
}

// What is not touched by a change costs nothing: its end is not planned anew.
func TestEndsArePlannedOnce(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 4)
	vm := w.vm("v", h, 3)
	w.endless(h.Place(), 1)
	for range 2 {
		w.endless(vm.Place(), 1)
	}
	planned := w.queue.seq
	late := w.endless(vm.Place(), 1)
	w.must(w.SetVMCap(vm, 5*Giga))
	w.must(w.SetDemand(w.vm("idle", h, 1), 0))
	if w.queue.seq != planned+1 {
		t.Errorf("%d ends were planned, want one", w.queue.seq-planned)
	}
	w.must(w.CancelExec(late)) // which is told in an event
	if w.queue.seq != planned+2 {
		t.Errorf("%d ends were planned when one was cancelled", w.queue.seq-planned-2)
	}
}

func TestExecutionsFailWithTheirVM(t *testing.T) {
	for what, end := range map[string]func(*Simulation, VMID) error{"shutdown": (*Simulation).Shutdown, "destruction": (*Simulation).Destroy} {
		w := newWorld(t)
		h := w.host("a", 1)
		vm := w.vm("v", h, 1)
		var e ended
		first := w.exec(vm.Place(), ExecSpec{Work: 10 * Giga}, &e)
		second := w.exec(vm.Place(), ExecSpec{Work: 10 * Giga}, &e)
		w.must(w.SuspendExec(second))
		own := w.endless(h.Place(), 1)
		w.run(2)
		w.must(end(w.Simulation, vm))
		if len(e.what) > 0 || w.ExecRate(own) != Giga {
			t.Errorf("%s: at once, completions %q, and the other gets %v", what, e.what, w.ExecRate(own))
		}
		says(t, w.SuspendExec(first), ErrOver)
		w.run(3)
		gone := "0 at 2: the VM is shut down or destroyed"
		if !slices.Equal(e.what, []string{gone, gone}) {
			t.Errorf("%s: %q", what, e.what)
		}
	}
}

func TestCancelledExecutionsAreTold(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	var e ended
	gone := w.exec(h.Place(), ExecSpec{Work: 10 * Giga}, &e)
	w.run(1)
	w.must(w.CancelExec(gone))
	says(t, w.CancelExec(gone), ErrOver)
	if len(e.what) > 0 || w.HostLoad(h) != 0 {
		t.Errorf("within the call: completions %q, load %v", e.what, w.HostLoad(h))
	}
	w.run(2)
	if want := []string{"0 at 1: it was cancelled"}; !slices.Equal(e.what, want) {
		t.Errorf("%q, want %q", e.what, want)
	}
}

// Who is suspended and resumed at once, or who is suspended while nothing
// computes, ends when he would have ended.
func TestSuspendAndResumeIsNeutral(t *testing.T) {
	ends := func(disturb func(w world, vm VMID, e Exec)) []string {
		w := newWorld(t)
		h := w.host("a", 2)
		vm := w.vm("v", h, 2)
		var done ended
		var execs []Exec
		for i := range 5 {
			at := vm.Place()
			if i == 4 {
				at = h.Place()
			}
			e, err := w.Execute(at, ExecSpec{Work: Work(i+1) * Giga, Priority: float64(i%3 + 1)}, &done, uint64(i))
			w.must(err)
			execs = append(execs, e)
		}
		for i := range 20 {
			w.run(Seconds(i) * 0.37)
			disturb(w, vm, execs[i%5])
		}
		w.run(Forever)
		for i, what := range done.what { // dates to 9 digits
			var who int
			var at float64
			if _, err := fmt.Sscanf(what, "%d at %f", &who, &at); err != nil {
				t.Fatal(err)
			}
			done.what[i] = fmt.Sprintf("%d at %.9g", who, at)
		}
		return done.what
	}
	want := ends(func(world, VMID, Exec) {})
	for what, disturb := range map[string]func(w world, vm VMID, e Exec){
		"VM":        func(w world, vm VMID, _ Exec) { w.must(w.Suspend(vm)); w.must(w.Resume(vm)) },
		"execution": func(w world, _ VMID, e Exec) { _, _ = w.SuspendExec(e), w.ResumeExec(e) },
	} {
		if got := ends(disturb); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
}

// The same calls give the same results to the last bit.
func TestMachinesAreDeterministic(t *testing.T) {
	trace := func() string {
		p := newPair(t, 7, Right)
		p.addHost()
		p.addHost()
		p.addVM()
		var b strings.Builder
		for range 300 {
			p.change()
			p.must(p.sim.Run(p.sim.Now() + Seconds(p.rng.Float64())))
			p.ref.now = float64(p.sim.Now())
			for i := range p.ref.execs { // the reference only knows what goes on
				if e := &p.ref.execs[i]; !math.IsNaN(p.finished[i]) {
					e.end = true
				}
			}
			for h := range p.ref.hosts {
				fmt.Fprintln(&b, p.sim.HostLoad(HostID(h)))
			}
			for vm := range p.ref.vms {
				fmt.Fprintln(&b, p.sim.Delivered(VMID(vm)))
			}
		}
		fmt.Fprintln(&b, p.finished, p.failed)
		return b.String()
	}
	if first, second := trace(), trace(); first != second || len(first) < 1e4 {
		t.Errorf("two runs differ, or are empty: %d and %d bytes", len(first), len(second))
	}
}

// restart begins an execution whenever one ends.
type restart struct {
	sim  *Simulation
	rng  *rand.Rand
	at   []Place
	done int
}

func (r *restart) Completed(_ Seconds, arg uint64, _ error) {
	r.done++
	if _, err := r.sim.Execute(r.at[arg], ExecSpec{Work: Work(r.rng.IntN(9)+1) * Giga}, r, arg); err != nil {
		r.sim.Fail(err)
	}
}

func TestExecutionsAllocateNothing(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 4)
	r := &restart{sim: w.Simulation, rng: rand.New(rand.NewPCG(5, 6))}
	for i := range 6 {
		r.at = append(r.at, h.Place(), w.vm("v", h, 2).Place())
		for j := 2 * i; j < 2*i+2; j++ {
			w.exec(r.at[j], ExecSpec{Work: Giga}, nil)
			_, err := w.Execute(r.at[j], ExecSpec{Work: Giga}, r, uint64(j))
			w.must(err)
		}
	}
	w.run(1000)
	before := r.done
	n := testing.AllocsPerRun(10, func() { w.run(w.Now() + 200) })
	if n != 0 || r.done-before < 1000 {
		t.Errorf("%v allocations for %d executions", n, (r.done-before)/10)
	}
}

func TestChangesOfExecutionsAllocateNothing(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 2)
	vm := w.vm("v", h, 2)
	var execs []Exec
	for range 3 {
		execs = append(execs, w.endless(h.Place(), 1), w.endless(vm.Place(), 1))
	}
	i := 0
	if n := testing.AllocsPerRun(200, func() {
		e := execs[i%len(execs)]
		i++
		w.must(w.SetExecCap(e, Speed(i)*Giga/300))
		w.must(w.SetExecPriority(e, float64(i)))
		w.must(w.SuspendExec(e))
		w.must(w.Suspend(vm))
		w.must(w.ResumeExec(e))
		w.must(w.Resume(vm))
		w.must(w.SetPState(h, 0))
		w.must(w.SetAvailability(h, float64(i%9+1)/10))
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
