package experiment_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/report"
	"github.com/dvms-project/dvms/trace"
)

// records keeps what it is given.
type records []trace.Record

func (r *records) Record(x trace.Record) { *r = append(*r, x) }

func run(t *testing.T, s experiment.Scenario, strategy string) (report.Summary, records) {
	t.Helper()
	var all records
	spec := experiment.Spec{Scenario: s, Strategy: strategy, Seed: s.Seeds[0], Version: "test", Check: true}
	if _, err := experiment.Run(t.Context(), spec, &all, nil); err != nil {
		t.Fatal(err)
	}
	c := report.NewCollector()
	for _, r := range all {
		c.Record(r)
	}
	return c.Summary(), all
}

// The figures of VMPlaceS for its reference workload without a scheduler: 64
// hosts with ten VMs each, N(60, 20) in tenths, a period of 300 s, seed 23,
// 1800 s, capacity 7 cores.
func TestReferenceWorkloadWithoutScheduler(t *testing.T) {
	for _, want := range []struct {
		hosts      int
		start      string
		changes    int
		violations int
		total      float64
	}{
		{64, "zero", 3786, 32, 2495.2},
		{64, "mean", 3786, 47, 3885.7},
		{128, "zero", 7608, 80, 5456},
		{128, "mean", 7608, 114, 7929.45},
		{256, "zero", 15364, 138, 8800},
	} {
		s := experiment.Default()
		s.Hosts.Count, s.VMs.Count, s.Workload.Start = want.hosts, 10*want.hosts, want.start
		got, all := run(t, s, "none")
		if got.Changes != want.changes || got.Violations.Count != want.violations || math.Abs(float64(got.Violations.Total)-want.total) > 0.5 {
			t.Errorf("%d hosts from %s: %d changes, %d violations, %.1f s; want %d, %d, %.1f s", want.hosts, want.start,
				got.Changes, got.Violations.Count, float64(got.Violations.Total), want.changes, want.violations, want.total)
		}
		if want.hosts == 64 && want.start == "zero" {
			var first trace.Violation
			for _, r := range all {
				if v, ok := r.(trace.Violation); ok && (first.Host == "" || v.At < first.At) {
					first = v
				}
			}
			if at := 519178185700 * time.Nanosecond; first.Host != "node47" || first.At != at {
				t.Errorf("the first violation is of %s at %v, want node47 at %v", first.Host, first.At, at)
			}
		}
	}
}

// On the reference workload, DVMS leaves less violation time than a
// centralized scheduler that runs every 30 s, in the mean and in all, at each
// size; and it solves every violation: there is always room in the cluster.
func TestDVMSBeatsCentralized(t *testing.T) {
	sizes := []int{64, 128, 256}
	if testing.Short() {
		sizes = sizes[:1]
	}
	for _, hosts := range sizes {
		s := experiment.Default()
		s.Hosts.Count, s.VMs.Count = hosts, 10*hosts
		none, _ := run(t, s, "none")
		central, _ := run(t, s, "centralized")
		dvms, all := run(t, s, "dvms")
		c, d := central.Violations, dvms.Violations
		if d.Mean >= c.Mean || d.Total >= c.Total || d.Total >= none.Violations.Total {
			t.Errorf("%d hosts: violations of dvms are %.1f s in the mean and %.0f s in all, centralized %.1f s and %.0f s, none %.0f s in all",
				hosts, float64(d.Mean), float64(d.Total), float64(c.Mean), float64(c.Total), float64(none.Violations.Total))
		}
		for _, r := range all {
			switch r := r.(type) {
			case trace.Partition:
				if r.Outcome != "solved" && r.Outcome != "vanished" && r.Outcome != "open" {
					t.Errorf("%d hosts: partition %s ended %s", hosts, r.ID, r.Outcome)
				}
			case trace.Violation:
				if r.Duration > time.Minute {
					t.Errorf("%d hosts: %s was violated for %v from %v on", hosts, r.Host, r.Duration, r.At)
				}
			}
		}
	}
}

// First-fit decreasing empties hosts that nobody else does, moves far more, and
// leaves hosts overloaded that were not: what is packed to the brim has no room
// for a load that rises.
func TestFFDEmptiesHostsAtAPrice(t *testing.T) {
	s := experiment.Default()
	s.Hosts.Count, s.VMs.Count = 16, 80
	s.Workload.Law, s.Workload.Mean, s.Workload.Start = "gaussian", 35, "mean"
	s.Duration = experiment.Duration(time.Hour)
	ffd, _ := run(t, s, "ffd")
	dvms, _ := run(t, s, "dvms")
	if ffd.EmptyHosts < 8 || dvms.EmptyHosts != 0 {
		t.Errorf("%.1f hosts are empty with ffd and %.1f with dvms; want half of 16 or more, and none", ffd.EmptyHosts, dvms.EmptyHosts)
	}
	if ffd.Migrations.Count < 80 || ffd.Migrations.Failed > 0 || ffd.Violations.Total <= dvms.Violations.Total {
		t.Errorf("ffd: %+v, %+v", ffd.Migrations, ffd.Violations)
	}
	if ffd.Reconfiguration.Count < 2 || ffd.Reconfiguration.Aborted > 0 {
		t.Errorf("ffd: %+v", ffd.Reconfiguration)
	}
}

// traceOf returns the bytes of a run's trace.
func traceOf(t *testing.T, s experiment.Scenario, strategy string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := trace.NewWriter(&out)
	if _, err := experiment.Run(t.Context(), experiment.Spec{Scenario: s, Strategy: strategy, Seed: 5}, w, nil); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestSameSeedSameBytes(t *testing.T) {
	for _, law := range []string{"gaussian", "vmplaces"} {
		for _, strategy := range experiment.Strategies {
			s := experiment.Default()
			s.Workload.Law = law
			first := traceOf(t, s, strategy)
			before := runtime.GOMAXPROCS(1)
			second := traceOf(t, s, strategy)
			runtime.GOMAXPROCS(before)
			if !bytes.Equal(first, second) {
				t.Errorf("two runs of %s on %s differ", strategy, law)
			}
			if len(first) < 1000 {
				t.Errorf("the trace of %s on %s has only %d bytes", strategy, law, len(first))
			}
		}
	}
}

func TestAnotherSeedAnotherRun(t *testing.T) {
	s := experiment.Default()
	s.Workload.Law = "gaussian"
	one, _ := run(t, s, "none")
	s.Seeds[0]++
	two, _ := run(t, s, "none")
	if one.Changes == two.Changes && one.Violations == two.Violations {
		t.Errorf("seeds %d and %d give the same run", s.Seeds[0]-1, s.Seeds[0])
	}
}

func TestInterruptLeavesAValidTrace(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	s := experiment.Default()
	var out bytes.Buffer
	w := trace.NewWriter(&out)
	stats, err := experiment.Run(ctx, experiment.Spec{Scenario: s, Strategy: "dvms", Seed: 23}, w, func(p experiment.Progress) {
		if p.At >= 900*time.Second {
			cancel()
		}
	})
	if err != nil || !stats.Partial {
		t.Fatalf("partial %v, error %v", stats.Partial, err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	c := report.NewCollector()
	if err := trace.Read("trace", &out, c); err != nil {
		t.Fatal(err)
	}
	got := c.Summary()
	if !got.Partial || got.Duration < 900 || got.Duration > 910 {
		t.Errorf("partial %v after %v s, want a partial run of about 900 s", got.Partial, got.Duration)
	}
}

// Recorded traces, as scripts of one day; the public data may be beside the
// repository.
func TestRecordedTraces(t *testing.T) {
	const dir = "../../shared/data/traces/"
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("the recorded traces are not here: %v", err)
	}
	s := experiment.Default()
	s.Name, s.Hosts.Count, s.Hosts.Cores, s.Hosts.Usable = "planetlab", 40, 4, 0
	s.Hosts.Memory *= 2
	s.VMs.Count, s.Duration = 1052, experiment.Duration(24*time.Hour)
	s.Workload.Law, s.Workload.Traces = "planetlab", dir+"planetlab/20110303"
	for _, strategy := range []string{"none", "centralized", "ffd", "dvms"} { // a day of gossip would be long
		c := report.NewCollector()
		spec := experiment.Spec{Scenario: s, Strategy: strategy, Seed: 1, Files: files{}}
		if _, err := experiment.Run(t.Context(), spec, c, nil); err != nil {
			t.Fatal(err)
		}
		got := c.Summary()
		if got.Violations.Count == 0 || math.IsNaN(float64(got.Violations.Mean)) || got.Starvation.LostShare <= 0 || got.Starvation.LostShare >= 1 {
			t.Errorf("%s: %+v", strategy, got.Violations)
		}
		if strategy != "none" && got.Migrations.Count == 0 {
			t.Errorf("%s migrated nothing", strategy)
		}
	}
}

// files reads any file.
type files struct{}

func (files) Open(name string) (fs.File, error) { return os.Open(name) }

func TestParse(t *testing.T) {
	s, err := experiment.Parse("dir/small.yaml", []byte(`
hosts: {count: 4, cores: 2, memory: 8GiB}
vms:
  count: 6
  classes: [{name: a, vcpus: 1, memory: 512MiB, dirty_rate: 10MB/s}]
workload: {law: gaussian, mean: 40%, start: mean}
seeds: [1, 2]
duration: 5m
settings: {protocol: {lease: 8s}}
`))
	if err != nil {
		t.Fatal(err)
	}
	if s.Name != "small" || s.Hosts.Count != 4 || s.Hosts.Usable != 0 || s.VMs.Classes[0].Memory != 512<<20 ||
		s.Workload.Mean != 40 || time.Duration(s.Duration) != 5*time.Minute || time.Duration(s.Settings.Protocol.Lease) != 8*time.Second {
		t.Errorf("%+v", s)
	}
	if d := experiment.Default(); s.Settings.Centralized != d.Settings.Centralized || s.Workload.SD != d.Workload.SD {
		t.Errorf("what the file does not say is not as in the default: %+v", s)
	}
}

func TestParseNamesFileLineAndKey(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"empty", "", "s.yaml: the file is empty"},
		{"unknown key", "hosts:\n  count: 3\n  hots: 4\n", "s.yaml: line 3: "},
		{"unknown key at the top", "host: {}\n", "host"},
		{"bare number for memory", "hosts:\n  memory: 32\n", `s.yaml: line 2: `},
		{"bare number for a duration", "duration: 1800\n", `"1800" is not a duration`},
		{"wrong unit", "hosts:\n  memory: 32 parsecs\n", `"32 parsecs" is not an amount of memory`},
		{"share without %", "workload:\n  mean: 0.6\n", `"0.6" is not a percentage`},
		{"NaN", "workload:\n  mean: NaN%\n", `"NaN%" is not a percentage`},
		{"no hosts", "hosts:\n  count: 0\n", "s.yaml: line 2: hosts.count: 0 hosts; at least 1 is needed"},
		{"negative VMs", "vms:\n  count: -3\n", "s.yaml: line 2: vms.count: -3 VMs; at least 1 is needed"},
		{"no room", "hosts:\n  count: 2\nvms:\n  count: 100\n", "s.yaml: line 4: vms.count: 100 VMs of at least 1GiB need more memory than 2 hosts of 32GiB have"},
		{"class too big", "vms:\n  classes:\n    - {name: a, vcpus: 1, memory: 1GiB}\n    - {name: b, vcpus: 99, memory: 1GiB}\n", "s.yaml: line 4: vms.classes[1].vcpus: 99 vCPUs, and hosts have 8 cores"},
		{"unknown law", "workload:\n  law: zipf\n", `s.yaml: line 2: workload.law: "zipf" is not a law`},
		{"no traces", "workload: {law: planetlab}\n", "workload.traces: the directory of the planetlab traces is missing"},
		{"unknown strategy", "strategies:\n  - none\n  - best\n", `s.yaml: line 3: strategies[1]: "best" is not a strategy`},
		{"seed twice", "seeds: [1, 2, 1]\n", "seeds[2]: 1 is there twice"},
		{"lease shorter than its renewal", "settings:\n  protocol:\n    renew: 9s\n", "s.yaml: line 3: settings.protocol.renew: 9s is not shorter than the lease of 5s"},
		{"key twice", "duration: 3s\nduration: 4s\n", "s.yaml: line 2: "},
		{"not YAML", "hosts: [\n", "s.yaml: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := experiment.Parse("s.yaml", []byte(c.text))
			var bad *experiment.KeyError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v (%T), want a KeyError", err, err)
			}
			if got := err.Error(); !strings.Contains(got, c.want) || strings.Contains(got, "\n") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("hosts: {count: 4}\nvms: {count: 8}\n"))
	f.Add([]byte("workload: {law: gaussian, mean: 40%}\nseeds: [1]\nduration: 5m\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := experiment.Parse("f.yaml", data)
		if err != nil {
			var bad *experiment.KeyError
			if !errors.As(err, &bad) {
				t.Fatalf("error of type %T: %v", err, err)
			}
			return
		}
		if err := s.Validate(); err != nil {
			t.Fatalf("what is accepted is not valid: %v", err)
		}
	})
}
