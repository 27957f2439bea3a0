package sim_test

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// Two hosts, a VM on one of them that computes, and its migration to the other.
func Example() {
	s := sim.New()
	star := sim.NewStar()
	var hosts []sim.HostID
	for _, name := range []string{"a", "b"} {
		h, err := s.AddHost(sim.HostSpec{Name: name, Cores: 8, Speeds: []sim.Speed{sim.Giga}, Memory: 32 * cluster.GiB})
		if err != nil {
			panic(err)
		}
		up, down, err := s.AddDuplex(sim.LinkSpec{Name: name, Bandwidth: 125e6, Latency: 50e-6})
		if err != nil {
			panic(err)
		}
		star.Connect(h, up, down)
		hosts = append(hosts, h)
	}
	s.SetRouter(star)
	vm, err := s.AddVM(sim.VMSpec{Name: "vm", Host: hosts[0], VCPUs: 1, Memory: cluster.GiB, DirtyRate: 20e6})
	if err != nil {
		panic(err)
	}
	done := sim.Then(func(err error) { fmt.Printf("%.2f s: the work is done, on %s\n", s.Now(), s.Host(s.HostOf(vm)).Name) })
	if _, err := s.Execute(vm.Place(), sim.ExecSpec{Work: 60 * sim.Giga}, done, 0); err != nil {
		panic(err)
	}
	s.Call(10, func() {
		err := s.Migrate(vm, hosts[1], sim.MigrationPolicy{}, func(m sim.Migration) {
			fmt.Printf("%.2f s: migrated, %.0f MB in %d transfers, paused for %.0f ms\n", s.Now(), float64(m.Bytes)/1e6, m.Transfers, 1000*m.Downtime)
		})
		if err != nil {
			panic(err)
		}
	})
	if err := s.Run(sim.Forever); err != nil {
		panic(err)
	}
	// Output:
	// 20.61 s: migrated, 1286 MB in 5 transfers, paused for 8 ms
	// 60.01 s: the work is done, on b
}
