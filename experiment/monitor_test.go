package experiment_test

import (
	"testing"
	"time"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/trace"
)

// loaded is 16 hosts whose VMs keep them busy.
func loaded() experiment.Scenario {
	s := experiment.Default()
	s.Hosts.Count, s.VMs.Count = 16, 160
	s.Workload.Law, s.Workload.Start, s.Workload.Mean, s.Workload.SD = "gaussian", "mean", 62, 30
	s.Workload.Period = experiment.Duration(2 * time.Minute)
	s.Duration = experiment.Duration(time.Hour)
	return s
}

// A VM that has migrated stays where it is for the cool-down, unless it has only
// made way for others and goes on by the same plan.
func TestAVMRestsAfterItsMigration(t *testing.T) {
	const cooldown = 5 * time.Minute
	soonest := func(s experiment.Scenario) time.Duration {
		_, all := run(t, s, "dvms")
		last := map[string]trace.Migration{}
		least := time.Duration(s.Duration)
		for _, r := range all {
			if m, ok := r.(trace.Migration); ok && m.Outcome == "done" {
				if l, before := last[m.VM]; before && l.Partition != m.Partition {
					least = min(least, m.At-l.At-l.Duration)
				}
				last[m.VM] = m
			}
		}
		return least
	}
	s := loaded()
	if got := soonest(s); got > cooldown/2 {
		t.Fatalf("without a cool-down VMs move again after %v; the test needs less", got)
	}
	s.Settings.Monitor.Cooldown = experiment.Duration(cooldown)
	if got := soonest(s); got < cooldown {
		t.Errorf("a VM moved again after %v, want at least %v", got, cooldown)
	}
}

// An overload that does not last is none.
func TestAnOverloadHasToLast(t *testing.T) {
	s := loaded()
	at := func(hold time.Duration) (events int, soonest time.Duration) {
		s.Settings.Monitor.Hold = experiment.Duration(hold)
		_, all := run(t, s, "dvms")
		soonest = time.Duration(s.Duration)
		for _, r := range all {
			switch r := r.(type) {
			case trace.Partition:
				events++
			case trace.Violation:
				soonest = min(soonest, r.Duration)
			}
		}
		return events, soonest
	}
	now, _ := at(0)
	later, soonest := at(40 * time.Second)
	if now == 0 || later >= now || soonest > 40*time.Second {
		t.Errorf("%d events, and %d of overloads that last for 40 s; the shortest violation then was %v", now, later, soonest)
	}
}

// With a gap between threshold and clear an overload takes more to repair, and
// comes back less often.
func TestAGapKeepsOverloadsAway(t *testing.T) {
	s := loaded()
	s.Workload.Mean = 55 // eight tenths of the CPU: what is to be cleared has somewhere to go
	s.Settings.Monitor.Threshold = 95
	none, _ := run(t, s, "dvms")
	s.Settings.Monitor.Clear = 85
	gap, _ := run(t, s, "dvms")
	if gap.Partitions.Count >= none.Partitions.Count {
		t.Errorf("%d procedures with a gap, %d without", gap.Partitions.Count, none.Partitions.Count)
	}
}

// Hosts that have little to do are emptied, one after the other.
func TestUnderloadedHostsAreEmptied(t *testing.T) {
	s := loaded()
	s.VMs.Count, s.Workload.Mean, s.Workload.SD = 48, 30, 10
	s.Settings.Monitor.LowHold = experiment.Duration(time.Minute)
	none, _ := run(t, s, "dvms")
	s.Settings.Monitor.Low = 40
	low, _ := run(t, s, "dvms")
	if none.EmptyHosts != 0 || none.Migrations.Count != 0 || low.EmptyHosts < 6 {
		t.Errorf("%.1f hosts empty after %d migrations, and %.1f after %d", none.EmptyHosts, none.Migrations.Count, low.EmptyHosts, low.Migrations.Count)
	}
	if low.Violations.Total > low.Duration/20 {
		t.Errorf("emptying hosts overloaded others for %v s", low.Violations.Total)
	}
}
