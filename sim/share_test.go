package sim

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"pgregory.net/rapid"
)

func TestVMsThatAskForNoMoreThanTheHostHasGetIt(t *testing.T) {
	s := New()
	addHosts(s, 1, 2*cluster.Core, 8*cluster.GiB)
	a, b := addVM(s, 0, 1000), addVM(s, 0, 1000)
	s.Run(time.Hour)
	for _, v := range []VMID{a, b} {
		want := Delivery{Asked: 3600, Given: 3600}
		if got := s.Delivered(v); got != want {
			t.Errorf("VM %d: %+v, want %+v", v, got, want)
		}
	}
}

func TestThreeVMsOnACoreGetAThirdEach(t *testing.T) {
	s := New()
	addHosts(s, 1, cluster.Core, 8*cluster.GiB)
	for range 3 {
		addVM(s, 0, 1000)
	}
	s.Run(3 * time.Second)
	for v := range VMID(3) {
		d := s.Delivered(v)
		if !near(float64(d.Given), 1, 1e-12) || !near(float64(d.Lost), 2, 1e-12) || d.Short != 3*time.Second {
			t.Errorf("VM %d: %+v, want 1 core-second given and 2 lost in 3s", v, d)
		}
	}
}

func TestASmallDemandIsMetAndTheOthersShareTheRest(t *testing.T) {
	s := New()
	addHosts(s, 1, cluster.Core, 8*cluster.GiB)
	small, large, larger := addVM(s, 0, 100), addVM(s, 0, 600), addVM(s, 0, 1000)
	for v, want := range map[VMID]float64{small: 100, large: 450, larger: 450} {
		if got := s.Share(v); got != want {
			t.Errorf("VM %d gets %v millicores, want %v", v, got, want)
		}
	}
}

func TestOnlyTheTimeWithTooLittleIsShort(t *testing.T) {
	s := New()
	addHosts(s, 1, cluster.Core, 8*cluster.GiB)
	a, b := addVM(s, 0, 500), addVM(s, 0, 500)
	s.Call(10*time.Second, func() { s.SetDemand(b, 1000) })
	s.Call(14*time.Second, func() { s.SetDemand(b, 300) })
	s.Run(time.Minute)
	if d := s.Delivered(a); d.Short != 0 || d.Lost != 0 {
		t.Errorf("the VM that asks for its half: %+v, want no loss", d)
	}
	want := Delivery{Asked: 5 + 4 + 13.8, Given: 5 + 2 + 13.8, Lost: 2, Short: 4 * time.Second}
	if got := s.Delivered(b); got != want {
		t.Errorf("the VM that asks for more: %+v, want %+v", got, want)
	}
}

func TestAVMLosesWhileItsNeighbourAsksForTooMuch(t *testing.T) {
	s := New()
	addHosts(s, 1, cluster.Core, 8*cluster.GiB)
	vm, neighbour := addVM(s, 0, 700), addVM(s, 0, 0)
	s.Call(10*time.Second, func() { s.SetDemand(neighbour, 1000) })
	s.Call(14*time.Second, func() { s.SetDemand(neighbour, 0) })
	s.Run(20 * time.Second)
	want := Delivery{Asked: 14, Given: 7 + 2 + 4.2, Lost: 0.8, Short: 4 * time.Second}
	if got := s.Delivered(vm); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// fairShares shares capacity among demands the slow way: everybody gets the
// same small amount until they are satisfied or it is used up.
func fairShares(capacity float64, demands []cluster.Millicores) []float64 {
	shares := make([]float64, len(demands))
	for capacity > 1e-9 {
		var hungry []int
		step := math.Inf(1)
		for i, d := range demands {
			if missing := float64(d) - shares[i]; missing > 1e-9 {
				hungry = append(hungry, i)
				step = min(step, missing)
			}
		}
		if len(hungry) == 0 {
			break
		}
		step = min(step, capacity/float64(len(hungry)))
		for _, i := range hungry {
			shares[i] += step
			capacity -= step
		}
	}
	return shares
}

func TestSharesAgreeWithASlowSolver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := New()
		capacity := cluster.Millicores(rapid.IntRange(0, 9000).Draw(t, "capacity"))
		addHosts(s, 1, capacity, 100*cluster.GiB)
		demand := rapid.Map(rapid.IntRange(0, 1000), func(d int) cluster.Millicores { return cluster.Millicores(d) })
		demands := rapid.SliceOfN(demand, 1, 20).Draw(t, "demands")
		for range demands {
			addVM(s, 0, 0)
		}
		for v, d := range demands {
			s.SetDemand(VMID(v), d)
		}
		for v, want := range fairShares(float64(capacity), demands) {
			if got := s.Share(VMID(v)); max(got-want, want-got) > 1e-6 {
				t.Fatalf("VM %d gets %v, want %v", v, got, want)
			}
		}
	})
}

// weather is a data centre under random orders, with a ledger of its own of
// what was asked for.
type weather struct {
	*Simulation
	asked   []float64 // millicore-seconds, by VM
	running int
}

func (w *weather) pass(d time.Duration) {
	for v := range w.vms {
		w.asked[v] += float64(w.vms[v].demand) * d.Seconds()
	}
	w.Run(w.Now() + d)
}

func TestWeatherLosesNoWorkNoVMAndNoMemory(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const hosts = 4
		w := &weather{Simulation: New()}
		addHosts(w.Simulation, hosts, 2*cluster.Core, 6*cluster.GiB)
		for i := range 12 {
			w.AddVM(VMSpec{
				Name: fmt.Sprint("vm", i), Host: HostID(i % hosts), VCPUs: 2, Memory: cluster.GiB,
				DirtyRate: cluster.BytesPerSecond(i) * 20_000_000,
			})
		}
		w.asked = make([]float64, len(w.vms))
		vm := rapid.Map(rapid.IntRange(0, len(w.vms)-1), func(i int) VMID { return VMID(i) })
		t.Repeat(map[string]func(*rapid.T){
			"demand": func(t *rapid.T) {
				w.SetDemand(vm.Draw(t, "vm"), cluster.Millicores(rapid.IntRange(0, 2000).Draw(t, "cpu")))
			},
			"migrate": func(t *rapid.T) {
				target := HostID(rapid.IntRange(0, hosts-1).Draw(t, "target"))
				if w.Migrate(vm.Draw(t, "vm"), target, func(Migration) { w.running-- }) == nil {
					w.running++
				}
			},
			"abort": func(t *rapid.T) { _ = w.Abort(vm.Draw(t, "vm")) },
			"wait": func(t *rapid.T) {
				w.pass(time.Duration(rapid.IntRange(0, 10_000).Draw(t, "ms")) * time.Millisecond)
			},
			"": func(t *rapid.T) { w.check(t) },
		})
		w.pass(time.Hour)
		if w.running != 0 {
			t.Fatalf("%d migrations have not ended", w.running)
		}
		for _, l := range w.network.links {
			if len(l.flows) > 0 {
				t.Fatalf("flows %v are left", l.flows)
			}
		}
	})
}

func (w *weather) check(t *rapid.T) {
	seen := map[VMID]bool{}
	for h := range HostID(len(w.hosts)) {
		var demand cluster.Millicores
		var active, given float64
		var used cluster.Bytes
		if !slices.IsSorted(w.Hosted(h)) {
			t.Fatalf("host %d hosts %v, not in order", h, w.Hosted(h))
		}
		for _, id := range w.Hosted(h) {
			if seen[id] || w.HostOf(id) != h {
				t.Fatalf("VM %d is doubled, or not on host %d", id, h)
			}
			seen[id] = true
			demand += w.VM(id).Demand
			used += w.VM(id).Memory
			given += w.Share(id)
			if !w.vms[id].suspended {
				active += float64(w.VM(id).Demand)
			}
		}
		spec := w.Host(h)
		if demand != w.Demand(h) || used != w.MemoryUsed(h) {
			t.Fatalf("host %d says demand %v, memory %v; its VMs %v, %v", h, w.Demand(h), w.MemoryUsed(h), demand, used)
		}
		if w.MemoryUsed(h)+w.MemoryPromised(h) > spec.Memory || w.MemoryPromised(h) < 0 {
			t.Fatalf("host %d of %v: %v used, %v promised", h, spec.Memory, w.MemoryUsed(h), w.MemoryPromised(h))
		}
		if want := min(active, float64(spec.CPU)); !near(given, want, 1e-12) {
			t.Fatalf("host %d gives %v millicores, want %v", h, given, want)
		}
	}
	if len(seen) != len(w.vms) {
		t.Fatalf("%d VMs are left of %d", len(seen), len(w.vms))
	}
	for v := range w.vms {
		d := w.Delivered(VMID(v))
		if sum := float64(d.Given + d.Lost); !near(sum, w.asked[v]/1000, 1e-9) || !near(sum, float64(d.Asked), 1e-12) {
			t.Fatalf("VM %d: %+v, want %v core-seconds asked", v, d, w.asked[v]/1000)
		}
	}
}

func TestObserversAreToldOncePerHostAndChange(t *testing.T) {
	s := New()
	addHosts(s, 2, 2*cluster.Core, 8*cluster.GiB)
	var got []string
	s.OnChange(func(h HostID) {
		got = append(got, fmt.Sprintf("%d: %v for %v", h, s.Demand(h), s.Hosted(h)))
	})
	a := addVM(s, 0, 500)
	addVM(s, 0, 200)
	s.SetDemand(a, 600)
	s.SetDemand(a, 600)
	if err := s.Migrate(a, 1, nil); err != nil {
		t.Fatal(err)
	}
	s.Run(time.Minute)
	want := []string{
		"0: 0.5 cores for [0]", "0: 0.7 cores for [0 1]", "0: 0.8 cores for [0 1]",
		"0: 0.2 cores for [1]", "1: 0.6 cores for [0]",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func BenchmarkLoadChanges(b *testing.B) {
	for _, hosts := range []int{1_024, 10_000} {
		b.Run(fmt.Sprintf("%dx10", hosts), func(b *testing.B) {
			l := newLoads(hosts, 42)
			l.Run(10 * time.Minute)
			b.ReportAllocs()
			before := l.Events()
			for b.Loop() {
				l.Run(l.Now() + time.Second)
			}
			b.ReportMetric(float64(l.Events()-before)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// The scenario of SimGrid's figures: half an hour of 1,024 hosts with 10 VMs
// each, with and without migrations away from hosts that have too much to do.
func BenchmarkHalfHour(b *testing.B) {
	for _, hosts := range []int{1_024, 4_096} {
		for _, moving := range []bool{false, true} {
			b.Run(fmt.Sprintf("%dx10/migrations=%v", hosts, moving), func(b *testing.B) {
				var events, ended int
				for b.Loop() {
					l := newLoads(hosts, 42)
					n := new(int)
					if moving {
						n = l.relieve()
					}
					l.Run(30 * time.Minute)
					events, ended = events+int(l.Events()), ended+*n
				}
				b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
				b.ReportMetric(float64(ended)/float64(b.N), "migrations")
			})
		}
	}
}
