package sim

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var powered = Power{
	States: []PowerState{{95, 120, 200}, {90, 110, 150}}, Off: 10,
	Boot: Transition{Takes: 100, Draws: 150}, Shutdown: Transition{Takes: 7, Draws: 110},
}

// addPowered adds a host of cores that do 4 or 2 units of work a second.
func addPowered(t testing.TB, s *Simulation, cores int) HostID {
	t.Helper()
	h, err := s.AddHost(HostSpec{Name: fmt.Sprint("host ", s.Hosts()), Cores: cores, Speeds: []Speed{4, 2}, Power: powered})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func addAsking(t testing.TB, s *Simulation, h HostID, demand Speed) VMID {
	t.Helper()
	id, err := s.AddVM(VMSpec{Name: fmt.Sprint("vm ", s.VMs()), Host: h, VCPUs: 2, Demand: demand})
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func closeTo(got, want float64) bool { return math.Abs(got-want) <= 1e-9*(1+math.Abs(want)) }

func TestAHostIsOffWhileItIsSwitched(t *testing.T) {
	s := New()
	h := addPowered(t, s, 2)
	vm := addAsking(t, s, h, 8)
	ended := &accessEndings{}
	look := func(at Seconds, on bool, phase Phase, draws Watts, used Consumption) {
		s.Call(at, func() {
			if s.IsOn(h) != on || s.Phase(h) != phase || s.Draw(h) != draws || s.Consumption(h) != used || s.Energy(h) != used.Total() {
				t.Errorf("at %v s: on %v, phase %v, %v W, %+v; want %v, %v, %v W, %+v",
					at, s.IsOn(h), s.Phase(h), s.Draw(h), s.Consumption(h), on, phase, draws, used)
			}
		})
	}
	look(10, true, Steady, 200, Consumption{Idle: 950, Load: 1050})
	s.Call(10, func() {
		if err := s.PowerUp(h, nil, 0); err == nil {
			t.Error("a host that is on can be powered up")
		}
		if err := s.PowerDown(h, ended, 1); err != nil {
			t.Error(err)
		}
		if s.State(vm) != VMOff {
			t.Errorf("the VM is %v, want off", s.State(vm))
		}
		if err := s.PowerDown(h, nil, 0); !errors.Is(err, ErrSwitching) {
			t.Errorf("power down twice: %v, want %v", err, ErrSwitching)
		}
	})
	look(12, false, GoingDown, 110, Consumption{950, 1050, 0, 220})
	s.Call(13, func() {
		if err := s.PowerUp(h, nil, 0); !errors.Is(err, ErrSwitching) {
			t.Errorf("power up of what goes down: %v, want %v", err, ErrSwitching)
		}
	})
	look(20, false, Steady, 10, Consumption{950, 1050, 30, 770})
	s.Call(20, func() {
		if err := s.PowerDown(h, nil, 0); !errors.Is(err, ErrHostOff) {
			t.Errorf("power down of what is off: %v, want %v", err, ErrHostOff)
		}
		if err := s.PowerUp(h, ended, 2); err != nil {
			t.Error(err)
		}
		if _, err := s.Execute(h.Place(), ExecSpec{Work: 1}, nil, 0); !errors.Is(err, ErrHostOff) {
			t.Errorf("execution on what comes up: %v, want %v", err, ErrHostOff)
		}
	})
	look(40, false, ComingUp, 150, Consumption{950, 1050, 30, 3770})
	look(130, true, Steady, 95, Consumption{1900, 1050, 30, 15770})
	run(t, s, 200)
	ended.want(t, accessEnding{17, 1, nil}, accessEnding{120, 2, nil})
}

// TurnOn is at once, whatever is under way.
func TestTurningOnEndsWhatIsUnderWay(t *testing.T) {
	s := New()
	h, g := addPowered(t, s, 2), addPowered(t, s, 2)
	ended := &accessEndings{}
	must := func(err error) {
		if err != nil {
			t.Error(err)
		}
	}
	must(s.PowerDown(h, ended, 1))
	must(s.TurnOff(g))
	must(s.PowerUp(g, ended, 2))
	s.Call(4, func() {
		must(s.TurnOn(h))
		must(s.TurnOn(g))
		for _, h := range []HostID{h, g} {
			if !s.IsOn(h) || s.Phase(h) != Steady || s.Draw(h) != 95 || s.Consumption(h).Idle != 0 {
				t.Errorf("on %v, phase %v, %v W, %+v", s.IsOn(h), s.Phase(h), s.Draw(h), s.Consumption(h))
			}
		}
	})
	// What would have ended at 7 s does not end what begins meanwhile.
	s.Call(5, func() { must(s.PowerDown(h, ended, 3)) })
	run(t, s, 200)
	ended.want(t, accessEnding{4, 1, ErrCancelled}, accessEnding{4, 2, nil}, accessEnding{12, 3, nil})
}

func TestAVMOwesItsPartOfTheLoad(t *testing.T) {
	s := New()
	h := addPowered(t, s, 4) // 16 units of work a second, 5 W each from 120 W on
	a, b := addAsking(t, s, h, 6), addAsking(t, s, h, 2)
	run(t, s, 10) // 160 W: 65 W above idle, by 3 to 1
	s.Call(10, func() {
		if err := s.SetDemand(b, 0); err != nil {
			t.Error(err)
		}
	})
	run(t, s, 20) // 150 W: 55 W above idle, all for a
	for id, want := range map[VMID]float64{a: 10*65*0.75 + 10*55, b: 10 * 65 * 0.25} {
		if got := float64(s.VMEnergy(id)); !closeTo(got, want) {
			t.Errorf("VM %d owes %v J, want %v", id, got, want)
		}
	}
	if got, want := s.Consumption(h), (Consumption{Idle: 1900, Load: 1200}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestHostsWithoutPowerHaveNoAccount(t *testing.T) {
	s := New()
	h, err := s.AddHost(HostSpec{Name: "h", Cores: 1, Speeds: []Speed{1}})
	if err != nil {
		t.Fatal(err)
	}
	vm := addAsking(t, s, h, 1)
	run(t, s, 100)
	if s.Energy(h) != 0 || s.Draw(h) != 0 || s.VMEnergy(vm) != 0 || len(s.energy.meters) != 0 || len(s.energy.bills) != 0 {
		t.Errorf("%v J, %v W, %v J for the VM, %d meters, %d bills; want none of all",
			s.Energy(h), s.Draw(h), s.VMEnergy(vm), len(s.energy.meters), len(s.energy.bills))
	}
	s.Energy(7)
	if err := s.Run(200); err == nil || !strings.Contains(err.Error(), "7") {
		t.Errorf("energy of an unknown host: %v", err)
	}
}

// Whatever happens, the energy of hosts is the integral of what they draw, what
// VMs owe is the integral of their part of what is drawn above idle, and the
// checker has nothing to say. The integrals of the test are sums over steps in
// which nothing happens.
func TestEnergyIsTheIntegralOfPower(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		s, err := NewWith(Settings{Network: LV08, Check: true})
		if err != nil {
			t.Fatal(err)
		}
		const hosts, vms = 3, 6
		for i := range hosts {
			spec := HostSpec{Name: fmt.Sprint("host ", i), Cores: 1 + i, Speeds: []Speed{4, 2}, Power: powered}
			if i == 2 && rng.IntN(2) == 0 {
				spec.Power = Power{} // its energy is not modelled
			}
			if _, err := s.AddHost(spec); err != nil {
				t.Fatal(err)
			}
		}
		for i := range vms {
			spec := VMSpec{Name: fmt.Sprint("vm ", i), Host: HostID(i % hosts), VCPUs: 2, Demand: Speed(rng.IntN(6))}
			if _, err := s.AddVM(spec); err != nil {
				t.Fatal(err)
			}
		}
		var used [hosts]float64
		var owed [vms]float64
		for range 100 {
			act(s, rng, HostID(rng.IntN(hosts)), VMID(rng.IntN(vms)))
			for h := range HostID(hosts) {
				if err := s.energy.check(h); err != nil {
					t.Fatalf("at %v s: %v", s.now, err)
				}
			}
			const step = 0.25
			for h := range HostID(hosts) {
				used[h] += step * float64(s.Draw(h))
				if host := s.machines.hosts[h]; s.HostLoad(h) > 0 && len(s.Host(h).Power.States) > 0 {
					above := float64(s.Draw(h) - s.Host(h).Power.States[host.pstate].Idle)
					for _, id := range s.Hosted(h) {
						owed[id] += step * above * float64(s.Share(id)) / float64(s.HostLoad(h))
					}
				}
			}
			if err := s.Run(s.now + step); err != nil {
				t.Fatal(err)
			}
			for h := range used {
				if got := float64(s.Energy(HostID(h))); !closeTo(got, used[h]) {
					t.Fatalf("at %v s host %d has used %v J, want %v", s.now, h, got, used[h])
				}
			}
			for id := range owed {
				if got := float64(s.VMEnergy(VMID(id))); !closeTo(got, owed[id]) {
					t.Fatalf("at %v s VM %d owes %v J, want %v", s.now, id, got, owed[id])
				}
			}
		}
	})
}

// act changes something. What is refused changes nothing, which is as good.
func act(s *Simulation, rng *rand.Rand, h HostID, id VMID) {
	switch rng.IntN(12) {
	case 0, 1, 2:
		_ = s.SetDemand(id, Speed(rng.IntN(6)))
	case 3:
		_ = s.SetVMCap(id, Speed(rng.IntN(4)))
	case 4:
		_ = s.Suspend(id)
	case 5:
		_ = s.Resume(id)
	case 6:
		_ = s.Move(id, h)
	case 7:
		_ = s.SetPState(h, rng.IntN(2))
	case 8:
		_ = s.SetAvailability(h, float64(rng.IntN(5))/4)
	case 9:
		_, _ = s.Execute(h.Place(), ExecSpec{Work: 1e6, Cap: 1}, nil, 0)
	case 10:
		_ = s.Start(id)
	case 11:
		if rng.IntN(3) == 0 {
			_ = s.PowerDown(h, nil, 0)
		} else {
			_ = s.TurnOn(h)
		}
	}
}

func TestTheCheckerSeesWhatTheMeterWasNotTold(t *testing.T) {
	s := New()
	h := addPowered(t, s, 2)
	vm := addAsking(t, s, h, 4)
	check := func(want string) {
		t.Helper()
		err := s.energy.check(h)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("at %v s: %v, want %q", s.now, err, want)
		}
	}
	check("")
	run(t, s, 10)
	check("")
	s.machines.hosts[h].load = 1 // behind the back of the meter
	check("draws")
	run(t, s, 20)
	check("has used")
	if err := s.SetDemand(vm, 2); err != nil {
		t.Fatal(err)
	}
}

func TestChangesOfLoadAllocateNothing(t *testing.T) {
	s := New()
	h := addPowered(t, s, 4)
	var vms []VMID
	for range 10 {
		vms = append(vms, addAsking(t, s, h, 1))
	}
	i := 0
	change := func() {
		i++
		if err := s.Run(s.now + 1); err != nil {
			t.Fatal(err)
		}
		if err := s.SetDemand(vms[i%10], Speed(1+i%4)); err != nil {
			t.Fatal(err)
		}
	}
	change()
	if n := testing.AllocsPerRun(100, change); n > 0 {
		t.Errorf("%v allocations per change, want none", n)
	}
	if s.VMEnergy(vms[0]) == 0 {
		t.Error("nothing is owed")
	}
}
