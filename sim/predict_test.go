package sim_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

const (
	gbE = 125e6 // B/s
	mib = 1 << 20
	gib = 1 << 30
)

// lv08 is a migration as in section 5.4 of the thesis, over two links of Gigabit
// Ethernet in the model LV08: 2 GB of memory, 90 % of it written to, at 60 MB/s
// with all of the CPU. The thesis' MB are MiB, see testdata/README.md of package
// validation.
func lv08(load float64) sim.Copy {
	return sim.Copy{
		Memory: 2 * gib, WorkingSet: 1932735283, DirtyRate: sim.Bandwidth(60 * mib * load),
		Bandwidth: 0.97 * gbE, Latency: 13.01 * 100e-6, Cap: gbE,
		Policy: sim.MigrationPolicy{Remedy: sim.KeepOn},
	}
}

func predict(t *testing.T, of sim.Copy) sim.Migration {
	t.Helper()
	m, err := sim.Predict(of)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Section 5.3.2: "when the database VM is utilizing 60% CPU resource, the live
// migration time of this VM was approximately 12 seconds, and the transferred
// data size during the migration reached approximately 1500 MB", while "the
// naive model will estimate the migration of the aforementioned database to 8
// seconds". It has 1 GB of memory and writes 40 MB/s.
func TestPredictDatabaseOfTheThesis(t *testing.T) {
	database := sim.Copy{Memory: 1e9, WorkingSet: 0.9e9, DirtyRate: 40e6, Bandwidth: gbE}
	m := predict(t, database)
	if took, sent := float64(m.Duration()), float64(m.Bytes); math.Abs(took-12) > 0.5 || math.Abs(sent-1500e6) > 50e6 || !m.Converged {
		t.Errorf("the database takes %.2f s and sends %.0f MB (converged: %v), want about 12 s and 1500 MB", took, sent/1e6, m.Converged)
	}
	database.DirtyRate = 0
	if m := predict(t, database); m.Duration() != 8 || m.Bytes != 1e9 || m.Downtime != 0 {
		t.Errorf("an idle VM of 1 GB takes %v s and sends %d B with a downtime of %v s, want 8, 1e9 and 0", m.Duration(), m.Bytes, m.Downtime)
	}
}

// Figure 31: "As the CPU utilization level of the VM increased, we observed that
// the live migration time of the VM became longer", while the naive simulation
// "underestimated the migration time by 50%". The thesis has no table; the dates
// are those of SimGrid 3.32.
func TestPredictFigure31(t *testing.T) {
	for i, want := range []float64{17.71, 19.77, 22.36, 25.72, 30.29, 36.81} {
		load := float64(i) / 5
		m := predict(t, lv08(load))
		if got := float64(m.Duration()); math.Abs(got-want) > 0.005 {
			t.Errorf("load %.0f %%: %.3f s, want %.2f", 100*load, got, want)
		}
		if m.Downtime > 0.03 || !m.Converged {
			t.Errorf("load %.0f %%: downtime %v s, converged %v", 100*load, m.Downtime, m.Converged)
		}
	}
}

// Figure 33: "If the available bandwidth is smaller than the actual memory update
// speed of the VM, the algorithm of the precopy live migration never finished.
// [...] This behavior was correctly simulated at the 60%, 80% and 100% CPU
// utilization levels of the 25% GbE bandwidth case", and at "the 100% CPU
// utilization level of the 50% GbE bandwidth case" the simulation "predicted this
// live migration never finished".
func TestPredictFigure33(t *testing.T) {
	never := map[string]bool{"25 % 60 %": true, "25 % 80 %": true, "25 % 100 %": true, "50 % 100 %": true}
	for _, part := range []float64{25, 50, 75, 100} {
		for _, load := range []float64{0, 20, 40, 60, 80, 100} {
			c := lv08(load / 100)
			c.Cap = sim.Bandwidth(part / 100 * gbE)
			m := predict(t, c)
			name := fmt.Sprintf("%.0f %% %.0f %%", part, load)
			if ends := m.End < sim.Forever; ends == never[name] || m.Converged != ends || errors.Is(m.Err, sim.ErrNoConvergence) == ends {
				t.Errorf("%s: ends at %v s, converged %v: %v", name, m.End, m.Converged, m.Err)
			}
		}
	}
}

// A VM that writes twice as fast as can be sent, with each remedy.
func TestRemedies(t *testing.T) {
	busy := sim.Copy{Memory: gib, WorkingSet: gib / 2, DirtyRate: 2 * gbE, Bandwidth: gbE, Latency: 0.001, Acknowledge: 0.0005}
	round := float64(gib)/2/gbE + 0.001 // a round of the working set
	first := float64(gib)/gbE + 0.001

	for _, test := range []struct {
		name      string
		policy    sim.MigrationPolicy
		ends      float64
		downtime  float64
		transfers int
		converged bool
		err       error
	}{
		{
			// 1 + 5 x 0.5 = 3.5 > 3 times the memory.
			name: "the default is Xen's: stop after 3 times the memory", policy: sim.MigrationPolicy{},
			ends: first + 6*round + 0.0005, downtime: round, transfers: 7,
		},
		{
			name: "stop after 4 rounds", policy: sim.MigrationPolicy{Remedy: sim.StopAndCopy, MaxRounds: 4},
			ends: first + 3*round + 0.0005, downtime: round, transfers: 4,
		},
		{
			name: "stop at the end of the round in which 10 s are over", policy: sim.MigrationPolicy{TimeLimit: 10},
			ends: first + 2*round + 0.0005, downtime: round, transfers: 3,
		},
		{
			name: "never live", policy: sim.MigrationPolicy{Remedy: sim.StopAndCopy, MaxRounds: 1},
			ends: first + 0.0005, downtime: first, transfers: 1,
		},
		{
			name: "give up after 4 rounds", policy: sim.MigrationPolicy{Remedy: sim.GiveUp, MaxRounds: 4},
			ends: first + 2*round, transfers: 3, err: sim.ErrNoConvergence,
		},
		{
			name: "give up after 10 s", policy: sim.MigrationPolicy{Remedy: sim.GiveUp, TimeLimit: 10},
			ends: 10, transfers: 2, err: sim.ErrTimeout,
		},
		{
			name: "keep on", policy: sim.MigrationPolicy{Remedy: sim.KeepOn, TimeLimit: 1000},
			ends: 1000, transfers: 1 + int((1000-first)/round) + 1, err: sim.ErrTimeout,
		},
		{
			name: "keep on for long", policy: sim.MigrationPolicy{Remedy: sim.KeepOn, TimeLimit: 1e7},
			ends: 1e7, transfers: 1 + int((1e7-first)/round) + 1, err: sim.ErrTimeout,
		},
		{
			name: "a pause is not cut short", policy: sim.MigrationPolicy{Remedy: sim.KeepOn, MaxDowntime: 10, TimeLimit: 10},
			ends: first + round + 0.0005, downtime: round, transfers: 2, converged: true,
		},
		{
			name: "keep on for ever", policy: sim.MigrationPolicy{Remedy: sim.KeepOn},
			ends: math.Inf(1), transfers: 1000, err: sim.ErrNoConvergence,
		},
		{
			name: "post-copy at once", policy: sim.MigrationPolicy{Remedy: sim.PostCopy, MaxRounds: 1},
			ends: 0.001 + first + 0.0005, downtime: 0.001, transfers: 2,
		},
		{
			name: "post-copy after a pass", policy: sim.MigrationPolicy{Remedy: sim.PostCopy, MaxRounds: 2},
			ends: first + 0.001 + round + 0.0005, downtime: 0.001, transfers: 3,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			busy := busy
			busy.Policy = test.policy
			m := predict(t, busy)
			if !near(float64(m.End), test.ends) || !near(float64(m.Downtime), test.downtime) || m.Transfers != test.transfers || m.Converged != test.converged || !errors.Is(m.Err, test.err) {
				t.Errorf("ends at %v s with a downtime of %v s after %d transfers, converged %v, error %v;\nwant %v s, %v s, %d, %v, %v",
					float64(m.End), float64(m.Downtime), m.Transfers, m.Converged, m.Err, test.ends, test.downtime, test.transfers, test.converged, test.err)
			}
		})
	}
}

func near(a, b float64) bool {
	return a == b || math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b))
}

// Auto-converge throttles by 20 % after two rounds that found much written, and
// by 10 % more after each two others.
func TestAutoConverge(t *testing.T) {
	busy := sim.Copy{
		Memory: gib, WorkingSet: gib / 2, DirtyRate: 2 * gbE, Bandwidth: gbE,
		Policy: sim.MigrationPolicy{Remedy: sim.AutoConverge},
	}
	m := predict(t, busy)
	// Down to 50 % what is written outruns what is sent: rounds stay as large as
	// the working set, but for the first, of all memory, half of which is not
	// more than half. At 40 % rounds shrink by 0.8, at 30 % by 0.6, and at 20 %
	// by 0.4, which is not much.
	if !m.Converged || !near(m.Speed, 0.2) || m.Downtime > 0.03 {
		t.Errorf("converged %v with a downtime of %v s, at %v of its speed; want 0.2", m.Converged, m.Downtime, m.Speed)
	}
	var full int
	for _, r := range m.Rounds {
		if r.Bytes == gib/2 {
			full++
		}
	}
	if full != 11 {
		t.Errorf("%d rounds of the whole working set, want 11: 2 at full speed, 2 each at 0.8, 0.7, 0.6 and 0.5, and what was written during the last of them", full)
	}
	slow := busy
	slow.DirtyRate = 1000 * gbE
	if m := predict(t, slow); !near(m.Speed, 0.01) || m.Converged || !errors.Is(m.Err, sim.ErrNoConvergence) {
		t.Errorf("a hopeless case converged %v at %v of its speed: %v; want 0.01, and %v", m.Converged, m.Speed, m.Err, sim.ErrNoConvergence)
	}
}

// The disk goes first; what was written to it meanwhile goes with the memory.
func TestPredictDisk(t *testing.T) {
	m := predict(t, sim.Copy{
		Memory: 1e9, WorkingSet: 1e9, Disk: 10e9, DiskDirtyRate: 1e6, Bandwidth: 100e6,
		Policy: sim.MigrationPolicy{Disk: sim.FullDisk, DiskSpeed: 50e6},
	})
	want := []sim.Round{
		{Stage: sim.StageDisk, Bytes: 10e9, Start: 0, End: 200},
		{Stage: sim.StageMemory, Bytes: 1.2e9, Start: 200, End: 212},
		{Stage: sim.StageRound, Bytes: 12e6, Start: 212, End: 212.12},
		{Stage: sim.StageStop, Bytes: 0.12e6, Start: 212.12, End: 212.1212},
	}
	if len(m.Rounds) != len(want) {
		t.Fatalf("rounds %+v, want %+v", m.Rounds, want)
	}
	for i, r := range m.Rounds {
		w := want[i]
		if r.Stage != w.Stage || math.Abs(float64(r.Bytes-w.Bytes)) > 1 || !near(float64(r.Start), float64(w.Start)) || !near(float64(r.End), float64(w.End)) {
			t.Errorf("round %d is %+v, want %+v", i, r, w)
		}
	}
}

// A record tells of a bounded number of rounds, the last one always included.
func TestRecordIsBounded(t *testing.T) {
	m := predict(t, sim.Copy{
		Memory: 1 << 20, WorkingSet: 1 << 20, DirtyRate: 2 * gbE, Bandwidth: gbE,
		Policy: sim.MigrationPolicy{Remedy: sim.KeepOn, TimeLimit: 1000, MaxDowntime: 0.001},
	})
	last := m.Rounds[len(m.Rounds)-1]
	if len(m.Rounds) != 1000 || m.Transfers < 100_000 || last.End != 1000 {
		t.Errorf("%d of %d rounds kept, the last until %v s; want 1000 of more than 100000, until 1000 s", len(m.Rounds), m.Transfers, last.End)
	}
}

func TestPredictBadInput(t *testing.T) {
	good := lv08(1)
	for _, test := range []struct {
		want  string
		spoil func(*sim.Copy)
	}{
		{"memory of -1", func(c *sim.Copy) { c.Memory = -1 }},
		{"a working set of", func(c *sim.Copy) { c.WorkingSet = c.Memory + 1 }},
		{"dirty rate of NaN", func(c *sim.Copy) { c.DirtyRate = sim.Bandwidth(math.NaN()) }},
		{"dirty rate of the disk of -1", func(c *sim.Copy) { c.DiskDirtyRate = -1 }},
		{"disk of -1", func(c *sim.Copy) { c.Disk = -1 }},
		{"bandwidth of +Inf", func(c *sim.Copy) { c.Bandwidth = sim.Bandwidth(math.Inf(1)) }},
		{"no bandwidth", func(c *sim.Copy) { c.Bandwidth = 0 }},
		{"latency of -1", func(c *sim.Copy) { c.Latency = -1 }},
		{"acknowledgement of -1", func(c *sim.Copy) { c.Acknowledge = -1 }},
		{"cap of -1", func(c *sim.Copy) { c.Cap = -1 }},
		{"maximum downtime -1 s", func(c *sim.Copy) { c.Policy.MaxDowntime = -1 }},
		{"no remedy 99", func(c *sim.Copy) { c.Policy.Remedy = 99 }},
		{"-1 rounds", func(c *sim.Copy) { c.Policy.MaxRounds = -1 }},
		{"-1 times the memory", func(c *sim.Copy) { c.Policy.MaxFactor = -1 }},
		{"time limit NaN", func(c *sim.Copy) { c.Policy.TimeLimit = sim.Seconds(math.NaN()) }},
		{"post-copy speed 1.5", func(c *sim.Copy) { c.Policy.PostCopySpeed = 1.5 }},
		{"no disk copy 3", func(c *sim.Copy) { c.Policy.Disk = 3 }},
		{"disk speed of -1", func(c *sim.Copy) { c.Policy.DiskSpeed = -1 }},
	} {
		c := good
		test.spoil(&c)
		if _, err := sim.Predict(c); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q is not in the error %v", test.want, err)
		}
	}
}
