package experiment_test

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/sim"
)

// Planners and the simulator must mean the same by a live migration: package
// plan can't know the simulator, and counts in whole bytes and nanoseconds.
func TestPlansAndSimulationsAgreeOnMigrations(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		memory := cluster.Bytes(rapid.Int64Range(1<<20, 64<<30).Draw(t, "memory"))
		bandwidth := cluster.BytesPerSecond(rapid.Int64Range(1e6, 5e9).Draw(t, "bandwidth"))
		dirty := cluster.BytesPerSecond(rapid.Int64Range(0, 2*int64(bandwidth)).Draw(t, "dirty"))
		downtime := time.Duration(rapid.Int64Range(1e6, 2e9).Draw(t, "downtime"))
		sent, takes := plan.Precopy(memory, dirty, bandwidth, downtime)
		m, err := sim.Predict(sim.Copy{
			Memory: memory, WorkingSet: cluster.Bytes(0.9 * float64(memory)), DirtyRate: sim.Bandwidth(dirty), Bandwidth: sim.Bandwidth(bandwidth),
			Policy: sim.MigrationPolicy{MaxDowntime: sim.Of(downtime)},
		})
		if err != nil {
			t.Fatal(err)
		}
		// They may differ by a byte and a nanosecond in each round.
		slack := 1000.0
		if math.Abs(float64(sent-m.Bytes)) > slack {
			t.Errorf("plan sends %d bytes, simulation %d", sent, m.Bytes)
		}
		if off := math.Abs(takes.Seconds() - float64(m.Duration())); off > 1e-6+slack/float64(bandwidth) {
			t.Errorf("plan takes %v, simulation %v", takes, m.Duration().Duration())
		}
	})
}
