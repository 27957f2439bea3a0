package report

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

// fakeRun makes up a run that looks like one of the strategy: durations have
// the means and deviations that the literature gives for 128 hosts. It is not
// a simulation; nothing in it follows from anything else.
type fakeRun struct {
	strategy   string
	seed       uint64
	hosts      int
	length     time.Duration
	violations int
	mean, sd   float64 // of a violation, in seconds
	compute    float64 // mean of a computation, in seconds
	partitions bool
}

func fakes(seed uint64) []fakeRun {
	return []fakeRun{
		{"none", seed, 128, 1800 * time.Second, 80, 68, 60, 0, false},
		{"centralized", seed, 128, 1800 * time.Second, 90, 21.3, 13.6, 2.1, false},
		{"dvms", seed, 128, 1800 * time.Second, 85, 10.6, 2.6, 0.029, true},
	}
}

func (f fakeRun) collect() *Collector {
	c := NewCollector()
	for _, r := range f.records() {
		c.Record(r)
	}
	return c
}

func (f fakeRun) records() []trace.Record {
	name := fnv.New64a()
	name.Write([]byte(f.strategy))
	rng := rand.New(rand.NewPCG(f.seed, name.Sum64()))
	seconds := func(x float64) time.Duration { return time.Duration(x * 1e9).Round(time.Microsecond) }
	lognormal := func(mean, sd float64) float64 {
		v := math.Log(1 + sd*sd/mean/mean)
		return math.Exp(math.Log(mean) - v/2 + math.Sqrt(v)*rng.NormFloat64())
	}
	records := []trace.Record{trace.Header{
		Schema: trace.Schema, Version: "0.3.0", Scenario: "four-sites", Strategy: f.strategy, Workload: "gaussian",
		Seed: f.seed, Hosts: f.hosts, Sites: 3, VMs: 10 * f.hosts, Duration: f.length,
	}}
	records = append(records, f.loads()...)
	var middle []trace.Record
	sites := []string{"nantes", "rennes", "lyon", "nice"}
	for i := range f.violations {
		// The load rises at the beginning, and there are few overloads before.
		at := seconds(f.length.Seconds() * (0.15 + 0.85*math.Sqrt(rng.Float64())))
		left := f.length - at
		v := trace.Violation{
			At: at, Duration: seconds(lognormal(f.mean, f.sd)), Host: fmt.Sprintf("node%d", rng.IntN(f.hosts)),
			Lost: cluster.Millicores(50 + rng.IntN(900)), Arrival: rng.IntN(40) == 0,
		}
		if v.Duration > left {
			v.Duration, v.Open = left, true
		}
		middle = append(middle, v, trace.Starved{
			VM: fmt.Sprintf("vm-%d", i), Duration: v.Duration, Asked: 900, Lost: 0.05 * v.Duration.Seconds(),
		})
		if f.compute == 0 {
			continue
		}
		id := ""
		if f.partitions {
			id = fmt.Sprintf("%s.%d", v.Host, i)
		}
		solve := trace.Solve{
			At: at + seconds(0.05*rng.Float64()), Duration: seconds(lognormal(f.compute, f.compute)), Node: v.Host,
			Partition: id, Nodes: 2, VMs: 20, Answer: "viable", Steps: 20 + rng.IntN(400), Moves: 1,
		}
		start := solve.At + solve.Duration
		m := trace.Migration{
			At: start, Duration: seconds(9.1 + rng.ExpFloat64()), VM: "vm", From: v.Host, To: "node", FromSite: sites[rng.IntN(4)],
			Bytes: cluster.GiB + cluster.Bytes(rng.IntN(300<<20)), Rounds: 3, Outcome: "done", Partition: id,
		}
		m.ToSite = m.FromSite
		if rng.IntN(7) == 0 {
			m.ToSite = sites[rng.IntN(4)]
		}
		if m.At+m.Duration > f.length {
			m.Outcome, m.Duration = "open", max(0, f.length-m.At)
		}
		middle = append(middle, solve, m, trace.Reconfiguration{
			At: start, Duration: m.Duration, Partition: id, Nodes: 2, Migrations: 1, Outcome: m.Outcome,
		})
		if f.partitions {
			nodes := 2 + int(rng.ExpFloat64()*1.3)
			members := make([]string, nodes)
			for j := range members {
				members[j] = fmt.Sprintf("node%d", j)
			}
			outcome := map[string]string{"done": "solved", "open": "open"}[m.Outcome]
			if outcome == "solved" && rng.IntN(15) == 0 {
				outcome = "vanished"
			}
			middle = append(middle, trace.Partition{
				At: at, Duration: m.At + m.Duration - at, ID: id, Initiator: v.Host, Members: members, Sites: 1 + rng.IntN(12)/11,
				Hops: nodes - 1, Solves: 1, Outcome: outcome, Messages: 6, Bytes: 3000,
			})
		}
	}
	records = append(records, middle...)
	count := func(kind string) int {
		n := 0
		for _, r := range records {
			n += one(r.Type() == kind)
		}
		return n
	}
	return append(records, trace.End{
		At: f.length, Messages: 6 * count("partition"), Bytes: cluster.Bytes(3000 * count("partition")), Changes: 7608, Events: uint64(30 * f.hosts * 60), VMSeconds: 1e6,
		LostShare: float64(f.violations) * f.mean * 0.05 / 1e6, Violations: count("violation"), Migrated: count("migration"),
	})
}

// loads are samples each second. They depend on the seed and not on the
// strategy, as those of a simulator do.
func (f fakeRun) loads() []trace.Record {
	rng := rand.New(rand.NewPCG(f.seed, 1))
	capacity := cluster.Millicores(f.hosts) * 7 * cluster.Core
	var out []trace.Record
	wander := 0.0
	for t := time.Duration(0); t <= f.length; t += time.Second {
		wander = 0.98*wander + 0.004*rng.NormFloat64()
		share := 0.85*(1-math.Exp(-t.Seconds()/250)) + wander
		out = append(out, trace.Load{At: t, Demand: cluster.Millicores(max(0, share) * float64(capacity)), Capacity: capacity})
	}
	return out
}

func collectAll(runs ...fakeRun) []*Collector {
	var out []*Collector
	for _, r := range runs {
		out = append(out, r.collect())
	}
	return out
}

func seeds(n uint64) []*Collector {
	var runs []fakeRun
	for seed := range n {
		runs = append(runs, fakes(seed+1)...)
	}
	slices.SortStableFunc(runs, func(a, b fakeRun) int {
		order := []string{"none", "centralized", "dvms"}
		return slices.Index(order, a.strategy) - slices.Index(order, b.strategy)
	})
	return collectAll(runs...)
}
