package sim

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
)

// says fails unless an error matches another one and says all the parts.
func says(t *testing.T, err, is error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one that says %q", parts)
		return
	}
	if is != nil && !errors.Is(err, is) {
		t.Errorf("error %q does not match %q", err, is)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestHostsThatMakeNoSense(t *testing.T) {
	good := HostSpec{Name: "pm", Cores: 1, Speeds: []Speed{Giga}}
	for _, k := range []struct {
		change func(*HostSpec)
		want   string
	}{
		{func(h *HostSpec) { h.Cores = 0 }, "0 cores"},
		{func(h *HostSpec) { h.Cores = -3 }, "-3 cores"},
		{func(h *HostSpec) { h.Cores = 1<<20 + 1 }, "1048577 cores"},
		{func(h *HostSpec) { h.Speeds = nil }, "no speed"},
		{func(h *HostSpec) { h.Speeds = []Speed{1, -1} }, "p-state 1: a core speed of -1"},
		{func(h *HostSpec) { h.Speeds = []Speed{Speed(math.NaN())} }, "NaN"},
		{func(h *HostSpec) { h.Speeds = []Speed{Speed(math.Inf(1))} }, "+Inf"},
		{func(h *HostSpec) { h.Speeds = []Speed{math.MaxFloat64} }, "from 1e-100 to 1e100"},
		{func(h *HostSpec) { h.Reserved = -1 }, "reserved speed of -1"},
		{func(h *HostSpec) { h.Memory = -1 }, "memory of -1"},
	} {
		s, spec := New(), good
		k.change(&spec)
		_, err := s.AddHost(spec)
		says(t, err, nil, `host "pm"`, k.want)
		if s.Hosts() != 0 {
			t.Errorf("%s: the host was added", k.want)
		}
	}
}

func TestHostsThatAreNotThere(t *testing.T) {
	w := newWorld(t)
	w.host("a", 1)
	for what, err := range map[string]error{
		"TurnOff":         w.TurnOff(1),
		"TurnOn":          w.TurnOn(-1),
		"SetPState":       w.SetPState(7, 0),
		"SetAvailability": w.SetAvailability(1, 1),
	} {
		says(t, err, nil, "there is no host", "0 to 0")
		_ = what
	}
	says(t, w.SetPState(0, 1), nil, `host "a"`, "no p-state 1")
	says(t, w.SetPState(0, -1), nil, "no p-state -1")
	for _, part := range []float64{-0.1, 1.1, math.NaN()} {
		says(t, w.SetAvailability(0, part), nil, `host "a"`, "from 0 to 1")
	}
	for what, call := range map[string]func(s *Simulation){
		"Host":           func(s *Simulation) { s.Host(1) },
		"Hosted":         func(s *Simulation) { s.Hosted(1) },
		"HostLoad":       func(s *Simulation) { s.HostLoad(-1) },
		"CoreSpeed":      func(s *Simulation) { s.CoreSpeed(1) },
		"PState":         func(s *Simulation) { s.PState(1) },
		"IsOn":           func(s *Simulation) { s.IsOn(1) },
		"MemoryUsed":     func(s *Simulation) { s.MemoryUsed(1) },
		"MemoryPromised": func(s *Simulation) { s.MemoryPromised(1) },
		"MemoryFree":     func(s *Simulation) { s.MemoryFree(1) },
		"VM":             func(s *Simulation) { s.VM(1) },
		"State":          func(s *Simulation) { s.State(1) },
		"HostOf":         func(s *Simulation) { s.HostOf(-1) },
		"Share":          func(s *Simulation) { s.Share(1) },
		"Delivered":      func(s *Simulation) { s.Delivered(1) },
	} {
		s := New()
		h, _ := s.AddHost(HostSpec{Name: "a", Cores: 1, Speeds: []Speed{1}})
		if _, err := s.AddVM(VMSpec{Name: "v", Host: h, VCPUs: 1}); err != nil {
			t.Fatal(err)
		}
		call(s)
		if err := s.Run(1); err == nil || !strings.Contains(err.Error(), "there is no") {
			t.Errorf("%s: error %v", what, err)
		}
	}
}

func TestHostIsDescribedAsItWasAdded(t *testing.T) {
	s := New()
	speeds := []Speed{2, 1}
	h, err := s.AddHost(HostSpec{Name: "a", Cores: 3, Speeds: speeds, Memory: cluster.GiB})
	if err != nil {
		t.Fatal(err)
	}
	speeds[0] = 9
	if spec := s.Host(h); spec.Name != "a" || spec.Cores != 3 || !slices.Equal(spec.Speeds, []Speed{2, 1}) || spec.Memory != cluster.GiB {
		t.Errorf("got %+v", spec)
	}
	if s.Hosts() != 1 || s.CoreSpeed(h) != 2 || s.PState(h) != 0 || !s.IsOn(h) {
		t.Errorf("%d hosts, speed %v, p-state %d, on %v", s.Hosts(), s.CoreSpeed(h), s.PState(h), s.IsOn(h))
	}
}

// 10 s at 1, 10 s at a half, 10 s at a quarter, none for 10 s, and 1 again.
func TestWorkFollowsTheSpeedOfTheHost(t *testing.T) {
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 2, Speeds: []Speed{Giga, Giga / 2}})
	w.must(err)
	vm := w.vm("v", h, 1)
	var own, inside ended
	w.exec(h.Place(), ExecSpec{Work: 20 * Giga}, &own)
	w.exec(vm.Place(), ExecSpec{Work: 20 * Giga, Cap: 0.8 * Giga}, &inside)
	w.run(10)
	w.must(w.SetPState(h, 1))
	w.run(20)
	w.must(w.SetAvailability(h, 0.5))
	w.run(30)
	w.must(w.SetAvailability(h, 0))
	if load := w.HostLoad(h); load != 0 {
		t.Errorf("a host without speed gives %v", load)
	}
	w.run(40)
	w.must(w.SetAvailability(h, 1))
	w.must(w.SetPState(h, 0))
	w.run(60)
	if want := []string{"0 at 42.5: <nil>"}; !slices.Equal(own.what, want) {
		t.Errorf("on the host: %v, want %v", own.what, want)
	}
	if want := []string{"0 at 45.625: <nil>"}; !slices.Equal(inside.what, want) {
		t.Errorf("in the VM: %v, want %v", inside.what, want)
	}
}

// A VM at its cap gets the same when its host slows down. But what runs inside
// it can use less, and leaves more to the others.
func TestSpeedChangesInsideAVMWhoseShareStays(t *testing.T) {
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 4, Speeds: []Speed{4, 0.5}})
	w.must(err)
	vm := w.vm("v", h, 2)
	w.must(w.SetVMCap(vm, 1))
	first, second := w.endless(vm.Place(), 4), w.endless(vm.Place(), 1)
	if got := [2]Speed{w.ExecRate(first), w.ExecRate(second)}; got != [2]Speed{0.8, 0.2} {
		t.Errorf("they get %v, want 0.8 and 0.2", got)
	}
	w.must(w.SetPState(h, 1))
	if got := [2]Speed{w.ExecRate(first), w.ExecRate(second)}; got != [2]Speed{0.5, 0.5} {
		t.Errorf("on slow cores they get %v, want 0.5 each", got)
	}
}

func TestAHostThatIsSwitchedOffLosesWhatIsOnIt(t *testing.T) {
	w := newWorld(t)
	h, err := w.AddHost(HostSpec{Name: "a", Cores: 2, Speeds: []Speed{Giga}, Memory: 4 * cluster.GiB})
	w.must(err)
	running, err := w.AddVM(VMSpec{Name: "r", Host: h, VCPUs: 1, Memory: cluster.GiB, Demand: Giga})
	w.must(err)
	off, err := w.AddVM(VMSpec{Name: "o", Host: h, VCPUs: 1, Memory: cluster.GiB, Off: true})
	w.must(err)
	var e ended
	for i, at := range []Place{h.Place(), running.Place(), running.Place()} {
		_, err := w.Execute(at, ExecSpec{Work: 100 * Giga}, &e, uint64(i))
		w.must(err)
	}
	var states []string
	w.OnVM(func(id VMID, from, to VMState) {
		states = append(states, w.VM(id).Name+": "+from.String()+" to "+to.String())
	})
	changes := 0
	w.OnChange(func(HostID) { changes++ })
	w.run(5)
	w.must(w.TurnOff(h))
	w.must(w.TurnOff(h))
	if len(e.what) > 0 {
		t.Errorf("completions were called within TurnOff: %v", e.what)
	}
	w.run(6)
	slices.Sort(e.what)
	if want := []string{"0 at 5: the host is off", "1 at 5: the host is off", "2 at 5: the host is off"}; !slices.Equal(e.what, want) {
		t.Errorf("completions %q, want %q", e.what, want)
	}
	if want := []string{"r: running to off"}; !slices.Equal(states, want) || changes != 1 {
		t.Errorf("told of %q and %d changes, want %q and one", states, changes, want)
	}
	if w.IsOn(h) || w.HostLoad(h) != 0 || w.MemoryUsed(h) != 0 || len(w.Hosted(h)) != 0 || w.Share(running) != 0 {
		t.Errorf("on %v, load %v, memory used %v, VMs %v", w.IsOn(h), w.HostLoad(h), w.MemoryUsed(h), w.Hosted(h))
	}

	_, err = w.Execute(h.Place(), ExecSpec{Work: 1}, nil, 0)
	says(t, err, ErrHostOff, `host "a"`)
	_, err = w.Execute(running.Place(), ExecSpec{Work: 1}, nil, 0)
	says(t, err, ErrVMState, `VM "r"`, "off")
	says(t, w.Start(off), ErrHostOff, `host "a"`)
	_, err = w.AddVM(VMSpec{Name: "late", Host: h, VCPUs: 1})
	says(t, err, ErrHostOff, `VM "late"`)

	w.must(w.TurnOn(h))
	w.must(w.TurnOn(h))
	if w.State(running) != VMOff {
		t.Errorf("the VM is %v when its host comes back", w.State(running))
	}
	w.must(w.Start(running))
	if got := w.Share(running); got != Giga {
		t.Errorf("started again, it gets %v of the %v it asks for", got, Giga)
	}
}
