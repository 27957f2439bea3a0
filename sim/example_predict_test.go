package sim_test

import (
	"fmt"

	"github.com/dvms-project/dvms/sim"
)

// The database of section 5.3.2 of the thesis: 1 GB, of which it writes 40 MB/s.
func ExamplePredict() {
	database := sim.Copy{
		Memory:     1e9,
		WorkingSet: 0.9e9,
		DirtyRate:  40e6,
		Bandwidth:  125e6,
	}
	m, _ := sim.Predict(database)
	fmt.Printf("%.1f s, %.0f MB in %d transfers, paused for %.0f ms\n", float64(m.Duration()), float64(m.Bytes)/1e6, m.Transfers, 1000*float64(m.Downtime))

	database.DirtyRate = 150e6 // faster than it is sent
	m, _ = sim.Predict(database)
	fmt.Printf("converges: %v; %.1f s, paused for %.1f s\n", m.Converged, float64(m.Duration()), float64(m.Downtime))

	database.Policy.Remedy = sim.GiveUp
	m, _ = sim.Predict(database)
	fmt.Printf("after %.1f s: %v\n", float64(m.Duration()), m.Err)
	// Output:
	// 11.8 s, 1469 MB in 6 transfers, paused for 27 ms
	// converges: false; 36.8 s, paused for 7.2 s
	// after 29.6 s: the VM writes its memory too fast to be copied
}
