package sim

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
)

// dataCentre returns hosts of 8 cores with 10 VMs of one vCPU each, which ask
// for 60 % of a core on average.
func dataCentre(b testing.TB, hosts int, rng *rand.Rand) *Simulation {
	s := New()
	for h := range hosts {
		host, err := s.AddHost(HostSpec{Name: fmt.Sprint("host", h), Cores: 8, Speeds: []Speed{Giga}})
		if err != nil {
			b.Fatal(err)
		}
		for v := range 10 {
			if _, err := s.AddVM(VMSpec{Name: fmt.Sprint("vm", h, "-", v), Host: host, VCPUs: 1, Demand: randomLoad(rng)}); err != nil {
				b.Fatal(err)
			}
		}
	}
	return s
}

// randomLoad draws a demand in steps of 10 %, around 60 %.
func randomLoad(rng *rand.Rand) Speed {
	return Speed(min(max(int(6.5+2*rng.NormFloat64()), 0), 10)) * Giga / 10
}

// A change of the load of a random VM.
func BenchmarkLoadChanges(b *testing.B) {
	const hosts = 1024
	rng := rand.New(rand.NewPCG(1, 1))
	s := dataCentre(b, hosts, rng)
	changes := 0
	for b.Loop() {
		s.now += 1e-3
		if err := s.SetDemand(VMID(rng.IntN(10*hosts)), randomLoad(rng)); err != nil {
			b.Fatal(err)
		}
		changes++
	}
	b.ReportMetric(float64(changes)/b.Elapsed().Seconds(), "changes/s")
}

// Executions that end and begin, two in each VM.
func BenchmarkExecutions(b *testing.B) {
	const hosts = 1024
	rng := rand.New(rand.NewPCG(1, 1))
	s := dataCentre(b, hosts, rng)
	r := &restart{sim: s, rng: rng}
	for v := range 10 * hosts {
		r.at = append(r.at, VMID(v).Place())
		if err := s.SetDemand(VMID(v), 0); err != nil {
			b.Fatal(err)
		}
		for range 2 {
			r.Completed(0, uint64(v), nil)
		}
	}
	r.done = 0
	for b.Loop() {
		if err := s.Run(s.Now() + 1e-3); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(r.done)/b.Elapsed().Seconds(), "executions/s")
}

// What hosts and VMs take, names included.
func BenchmarkMemoryOfMachines(b *testing.B) {
	const hosts = 10_000
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		s := dataCentre(b, hosts, rand.New(rand.NewPCG(1, 1)))
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(s)
	}
	b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(10*hosts), "bytes/VM")
}
