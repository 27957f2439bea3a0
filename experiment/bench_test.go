package experiment_test

import (
	"fmt"
	"testing"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/trace"
)

// nothing is a sink that drops what it is given.
type nothing struct{}

func (nothing) Record(trace.Record) {}

// BenchmarkRun makes whole runs of the reference workload, 1800 s with ten VMs
// a host.
func BenchmarkRun(b *testing.B) {
	for _, hosts := range []int{64, 1024, 10_240} {
		for _, strategy := range experiment.Strategies {
			b.Run(fmt.Sprintf("hosts=%d/strategy=%s", hosts, strategy), func(b *testing.B) {
				s := experiment.Default()
				s.Hosts.Count, s.VMs.Count = hosts, 10*hosts
				var events uint64
				for b.Loop() {
					stats, err := experiment.Run(b.Context(), experiment.Spec{Scenario: s, Strategy: strategy, Seed: 23}, nothing{}, nil)
					if err != nil {
						b.Fatal(err)
					}
					events += stats.Events
				}
				b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
			})
		}
	}
}
