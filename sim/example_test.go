package sim_test

import (
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// Two VMs ask for a core and a half of a host that has one core, until one of
// them has moved away.
func Example() {
	s := sim.New()
	host := sim.HostSpec{CPU: cluster.Core, Memory: 8 * cluster.GiB, Up: cluster.Gigabit, Down: cluster.Gigabit}
	a, b := s.AddHost(host), s.AddHost(host)
	web := s.AddVM(sim.VMSpec{Name: "web", Host: a, VCPUs: 1, Memory: cluster.GiB, Demand: 500, DirtyRate: 40_000_000})
	batch := s.AddVM(sim.VMSpec{Name: "batch", Host: a, VCPUs: 1, Memory: cluster.GiB, Demand: 500})

	s.Call(time.Minute, func() { s.SetDemand(batch, cluster.Core) })
	s.Call(2*time.Minute, func() {
		err := s.Migrate(web, b, func(m sim.Migration) {
			fmt.Printf("web moves in %.1f s and %d rounds and is down for %.0f ms\n",
				m.Duration().Seconds(), m.Rounds, 1e3*m.Downtime.Seconds())
		})
		if err != nil {
			fmt.Println(err)
		}
	})
	s.Run(time.Hour)

	d := s.Delivered(batch)
	fmt.Printf("batch is short for %.1f s and loses %.1f core-seconds\n", d.Short.Seconds(), d.Lost)
	// Output:
	// web moves in 10.2 s and 5 rounds and is down for 6 ms
	// batch is short for 70.2 s and loses 35.1 core-seconds
}
