package sim_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

// A prediction is what the simulation of a migration alone on its links gives,
// for all kinds of VMs, links and policies.
func TestPredictionAgreesWithSimulation(t *testing.T) {
	outcomes := map[string]int{}
	for seed := range uint64(1000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		number := func(from, to float64) float64 { return from + float64((to-from)*rng.Float64()) }
		one := func(of ...float64) float64 { return of[rng.IntN(len(of))] }
		memory := rng.Int64N(4 * gib)
		spec := sim.VMSpec{
			Name: "vm", VCPUs: 1 + rng.IntN(4),
			Memory: sim.Bytes(memory), WorkingSet: sim.Bytes(rng.Int64N(memory + 1)),
			DirtyRate: sim.Bandwidth(number(0, 200e6)), DiskDirtyRate: sim.Bandwidth(number(0, 50e6)),
			MigrationSpeed: sim.Bandwidth(one(0, 20e6, 80e6)),
			Disk:           10 * gib, DiskTop: gib,
			Demand: sim.Speed(number(0, 4) * sim.Giga),
		}
		policy := sim.MigrationPolicy{
			MaxDowntime: sim.Seconds(one(0, 0.001, 0.3)),
			Remedy:      sim.Remedy(rng.IntN(int(sim.AutoConverge) + 1)),
			MaxRounds:   rng.IntN(6), MaxFactor: number(0, 5),
			TimeLimit:     sim.Seconds(number(1, 200)),
			PostCopySpeed: number(0, 1),
			Disk:          sim.DiskCopy(rng.IntN(3)), DiskSpeed: sim.Bandwidth(one(0, 50e6)),
		}
		model := []sim.NetworkModel{sim.CM02, sim.LV08, sim.VMPlaceS}[rng.IntN(3)]
		bandwidth, latency := number(10e6, 1e9), number(0, 0.001)

		s, err := sim.NewWith(sim.Settings{Network: model})
		check(t, err)
		star := sim.NewStar()
		for range 2 {
			h, err := s.AddHost(sim.HostSpec{Cores: 4, Speeds: []sim.Speed{sim.Giga}})
			check(t, err)
			up, down, err := s.AddDuplex(sim.LinkSpec{Bandwidth: sim.Bandwidth(bandwidth), Latency: sim.Seconds(latency)})
			check(t, err)
			star.Connect(h, up, down)
		}
		s.SetRouter(star)
		vm, err := s.AddVM(spec)
		check(t, err)
		start := sim.Seconds(number(0, 100))
		check(t, s.Run(start))
		var got sim.Migration
		check(t, s.Migrate(vm, 1, policy, func(m sim.Migration) { got = m }))
		busy := float64(s.Share(vm)) / sim.Giga
		check(t, s.Run(1e6))

		of := sim.Copy{
			Memory: spec.Memory, WorkingSet: spec.WorkingSet, DirtyRate: sim.Bandwidth(float64(spec.DirtyRate) * busy),
			Bandwidth: sim.Bandwidth(model.BandwidthFactor * bandwidth), Latency: sim.Seconds(model.LatencyFactor * 2 * latency),
			Acknowledge: sim.Seconds(model.LatencyFactor * 2 * latency), Cap: spec.MigrationSpeed, Policy: policy,
		}
		if of.WorkingSet == 0 {
			of.WorkingSet = sim.Bytes(0.9 * float64(memory))
		}
		if policy.Disk != sim.SharedDisk {
			of.DiskDirtyRate = sim.Bandwidth(float64(spec.DiskDirtyRate) * busy)
			of.Disk = map[sim.DiskCopy]sim.Bytes{sim.FullDisk: spec.Disk, sim.TopLayer: spec.DiskTop}[policy.Disk]
		}
		want, err := sim.Predict(of)
		check(t, err)
		if why := differ(got, want, start); why != "" {
			t.Fatalf("seed %d: %s:\nsimulated %+v\npredicted %+v", seed, why, got, want)
		}
		outcomes[fmt.Sprint(policy.Remedy, got.Converged, got.Err)]++
	}
	if len(outcomes) < 13 {
		t.Errorf("the cases are too much alike: %v", outcomes)
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// differ says in what a record differs from one that began at date 0.
func differ(a, b sim.Migration, start sim.Seconds) string {
	dates := func(m sim.Migration, start sim.Seconds) []float64 {
		all := []float64{float64(m.Start - start), float64(m.Suspended - start), float64(m.Resumed - start), float64(m.Complete - start), float64(m.End - start)}
		for _, r := range m.Rounds {
			all = append(all, float64(r.Start-start), float64(r.End-start))
		}
		return all
	}
	of, against := dates(a, start), dates(b, 0)
	// Dates are sums, which differ in their last bits.
	slack := func(x float64) float64 { return 1e-9*math.Abs(x) + 1e-12 }
	switch {
	case a.Transfers != b.Transfers || len(of) != len(against):
		return "number of transfers"
	case a.Converged != b.Converged:
		return "convergence"
	case a.Speed != b.Speed:
		return "speed"
	case (a.Err == nil) != (b.Err == nil) || !errors.Is(a.Err, b.Err):
		return "error"
	case math.Abs(float64(a.Bytes-b.Bytes)) > slack(float64(b.Bytes))+1:
		return "bytes"
	case math.Abs(float64(a.Downtime-b.Downtime)) > slack(float64(b.Downtime)):
		return "downtime"
	}
	for i := range of {
		if of[i] != against[i] && !(math.Abs(of[i]-against[i]) <= slack(against[i])) {
			return "dates"
		}
	}
	return ""
}
