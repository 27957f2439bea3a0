package experiment

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/trace"
)

// Random returns a small data centre in which anything may happen: how many
// hosts there are and where, what VMs ask for, from little to more than there is,
// how DVMS is set, and what goes wrong are all drawn from the seed. A fourth of
// them know no faults. Each passes Validate.
func Random(seed uint64) Spec {
	d := dice{injector.Stream(seed, "random/world")}
	s := Default()
	s.Name = fmt.Sprintf("random-%d", seed)
	s.Seeds = []uint64{seed}
	s.Strategies = []string{[]string{"dvms", "dvms", "dvms-spiral"}[d.IntN(3)]}
	s.Duration = d.seconds(60, 240)
	s.Settings.Sample = s.Duration
	d.hosts(&s)
	d.load(&s)
	d.settings(&s)
	if !d.chance(0.25) {
		d.faults(&s)
	}
	if d.chance(0.4) {
		d.requests(&s)
	}
	return Spec{Scenario: s, Strategy: s.Strategies[0], Seed: seed, Check: true}
}

// dice draw the parts of a random world.
type dice struct{ *rand.Rand }

func (d dice) chance(p float64) bool { return d.Float64() < p }

// between draws a whole number evenly.
func (d dice) between(least, most int) int { return least + d.IntN(most-least+1) }

// spread draws a number whose logarithm is even, so that small ones are as
// likely as large ones.
func (d dice) spread(least, most float64) float64 {
	return least * math.Pow(most/least, d.Float64())
}

// seconds draws a time, with whole milliseconds so that people can read it.
func (d dice) seconds(least, most float64) Duration {
	return Duration(d.spread(least, most)*1000) * Duration(time.Millisecond)
}

// percent draws a share with one decimal.
func (d dice) percent(least, most float64) Percent {
	return Percent(math.Round(10*d.spread(least, most)) / 10)
}

// hosts draws 10 to 500 hosts, mostly few, and their sites.
func (d dice) hosts(s *Scenario) {
	size := d.Float64()
	s.Hosts.Count = int(10 * math.Pow(50, float64(size*size*size)))
	s.Hosts.Cores = d.between(2, 12)
	s.Hosts.Usable = 0
	s.Hosts.Network = cluster.BytesPerSecond(d.between(1, 10)) * cluster.Gigabit
	s.Settings.Latency = Duration(d.spread(0.1, 20) * float64(time.Millisecond))
	if !d.chance(1. / 3) {
		return
	}
	left := s.Hosts.Count
	for sites := d.between(2, 4); sites > 0; sites-- {
		n := left
		if sites > 1 {
			n = d.between(1, left-sites+1)
		}
		left -= n
		site := Site{Name: fmt.Sprintf("site%d", len(s.Sites)), Hosts: n, RoundTrip: Duration(d.spread(0.1, 2) * float64(time.Millisecond))}
		for _, other := range s.Sites {
			l := Link{Between: []string{other.Name, site.Name}, RoundTrip: Duration(d.spread(2, 80) * float64(time.Millisecond))}
			if d.chance(0.5) {
				l.Bandwidth = cluster.BytesPerSecond(d.between(1, 10)) * cluster.Gigabit
			}
			s.Links = append(s.Links, l)
		}
		s.Sites = append(s.Sites, site)
	}
}

// load draws VMs and what they ask for: half to a bit more than all of what
// there is. Memory is for some VMs more on each host, or for many.
func (d dice) load(s *Scenario) {
	each := d.between(2, 8)
	s.VMs.Count = each * s.Hosts.Count
	s.VMs.Classes = nil
	largest, vcpus := cluster.Bytes(0), 0
	for i := range d.between(1, 3) {
		c := Class{
			Name: fmt.Sprintf("class%d", i), VCPUs: int32(d.between(1, min(2, s.Hosts.Cores))),
			Memory: cluster.Bytes(d.spread(256, 4096)) * cluster.MiB, DirtyRate: cluster.BytesPerSecond(d.spread(1e6, 2e8)),
		}
		largest, vcpus = max(largest, c.Memory), vcpus+int(c.VCPUs)
		s.VMs.Classes = append(s.VMs.Classes, c)
	}
	s.Hosts.Memory = largest * cluster.Bytes(each+d.between(1, each))
	perHost := float64(each*vcpus) / float64(len(s.VMs.Classes)) // vCPUs
	full := float64(s.Hosts.Cores) / perHost
	s.Workload = Workload{
		Law: "gaussian", Mean: Percent(math.Round(100 * min(1, full*(0.5+0.6*d.Float64())))), SD: Percent(d.between(10, 40)),
		Period: d.seconds(20, 200), Slots: 10, Start: []string{"zero", "mean"}[d.IntN(2)], Phases: "spread",
	}
}

func (d dice) settings(s *Scenario) {
	trip := s.longestTrip()
	p, m := &s.Settings.Protocol, &s.Settings.Monitor
	p.Lease = 80*trip + d.seconds(1, 10) // an event gives a sign of life each 64 hops
	p.Renew = p.Lease / Duration(d.between(2, 6))
	p.Collect = 3*trip + d.seconds(0.2, 2)
	p.SolveLimit, p.ActionLimit = d.seconds(3, 20), d.seconds(10, 120) // no solver takes 3 s
	p.BackoffMin = d.seconds(0.5, 4)
	p.BackoffMax = p.BackoffMin * Duration(d.between(1, 20))
	p.Concurrent, p.Minimum, p.Growth, p.Consolidation = d.between(1, 3), d.between(1, 6), d.between(1, 3), d.between(2, 12)
	m.Period = d.seconds(0.5, 2)
	if d.chance(0.3) {
		m.Threshold, m.Memory = Percent(d.between(80, 100)), 100
		m.Clear = m.Threshold - Percent(d.between(0, 10))
	}
	if d.chance(0.3) {
		m.Hold = d.seconds(1, 10)
	}
	if d.chance(0.3) {
		m.Low, m.LowHold = Percent(d.between(10, 40)), d.seconds(5, 60)
	}
	if d.chance(0.3) {
		m.Cooldown = d.seconds(5, 60)
	}
	o := &s.Settings.Overlay
	o.View, o.Spiral, o.Gossip = d.between(5, 32), d.between(2, 16), d.seconds(2, 10)
	s.Settings.Solver = SolverSettings{Budget: d.between(100, 3000), Step: Duration(d.spread(1, 100)) * Duration(time.Microsecond), Fixed: d.seconds(0.001, 1)}
	names := []string{"stop", "give-up", "post-copy", "keep-on", "auto-converge"}
	s.Settings.Migration.Remedy = names[d.IntN(len(names))]
	s.Settings.Migration.TimeLimit = d.seconds(20, 60)
}

func (d dice) faults(s *Scenario) {
	f := &s.Faults
	f.Until = s.Duration * Duration(d.between(5, 10)) / 10
	f.Crashes.What = []string{crashOfHost, crashOfAgent}[d.IntN(2)]
	f.Crashes.Down = d.seconds(0.5, 60)
	if d.chance(0.3) {
		f.Crashes.Down = d.seconds(0.002, 0.5) // while messages are on their way
	}
	f.Crashes.Spread = f.Crashes.Down / 2
	if d.chance(0.7) {
		f.Crashes.Rate = d.percent(1, 60)
	}
	for range d.IntN(4) { // crashes that come close together
		c := Crash{At: s.Duration / 2, Host: hostName(d.IntN(s.Hosts.Count)), What: []string{crashOfHost, crashOfAgent}[d.IntN(2)], Down: d.seconds(0.1, 60)}
		c.At += d.seconds(0.001, 5)
		f.Crashes.Dated = append(f.Crashes.Dated, c)
	}
	f.Detection = Detection{After: d.seconds(0.1, 10), Never: d.chance(0.3)}
	f.Detection.Spread = f.Detection.After * Duration(d.IntN(2))
	if d.chance(0.6) {
		f.Messages.Loss = d.percent(0.1, 20)
	}
	if d.chance(0.6) {
		// Copies of an event that goes a long way multiply at each hop. More are
		// lost than doubled, or there are few times e³ of them after two rounds.
		most := max(float64(f.Messages.Loss), 300/float64(2*s.Hosts.Count))
		f.Messages.Duplication = d.percent(0.1, max(min(most, 20), 0.2))
	}
	if d.chance(0.6) {
		f.Messages.Jitter = d.seconds(0.001, 1)
	}
	for at := s.Duration / 10; d.chance(0.3) && at < s.Duration; {
		c := Cut{At: at, Lasts: d.seconds(0.5, 60), Share: Percent(d.between(1, 99))}
		if len(s.Sites) > 1 && d.chance(0.5) {
			c.Share, c.Sites = 0, []string{s.Sites[d.IntN(len(s.Sites))].Name}
		}
		f.Cuts = append(f.Cuts, c)
		at += c.Lasts + d.seconds(0.1, 60)
	}
}

// requests draws what operators ask for: drains and their ends, VMs to place, to
// suspend and to resume, rules.
func (d dice) requests(s *Scenario) {
	vms := func() []string {
		first := d.IntN(s.VMs.Count - 3)
		return []string{vmName(first), vmName(first + 1), vmName(first + 2)}
	}
	hosts := func() []string { return []string{hostName(d.IntN(s.Hosts.Count))} }
	drained, slept := map[string]bool{}, map[string]bool{}
	for i := range d.between(1, 5) {
		r := Request{At: s.Duration * Duration(i+1) / 8}
		switch d.IntN(4) {
		case 0:
			if r.Drain = hosts(); drained[r.Drain[0]] {
				r.Drain, r.Undrain = nil, r.Drain
			}
			drained[append(r.Drain, r.Undrain...)[0]] = len(r.Drain) > 0
		case 1:
			r.Place = Arrival{Name: fmt.Sprintf("job%d", i), Class: s.VMs.Classes[0].Name, Count: d.between(1, 5), Load: Percent(d.between(10, 100))}
		case 2:
			v := vms()
			r.Rule = NewRule{Name: fmt.Sprintf("rule%d", i)}
			switch d.IntN(3) {
			case 0:
				r.Rule.Spread = v
			case 1:
				r.Rule.Ban, r.Rule.Nodes = v, hosts()
			default:
				r.Rule.Fence, r.Rule.Nodes = v, append(hosts(), hostName(0), hostName(s.Hosts.Count-1))
			}
		default:
			v := vms()
			if slices.ContainsFunc(v, func(name string) bool { return slept[name] }) {
				continue
			}
			for _, name := range v {
				slept[name] = true
			}
			r.Suspend = v
			s.Requests = append(s.Requests, Request{At: r.At + s.Duration/4, Resume: v})
		}
		s.Requests = append(s.Requests, r)
	}
}

// Tally counts what happened in one or more runs.
type Tally struct {
	Runs       int           `json:"seeds"`
	Hosts      int           `json:"hosts"`
	Simulated  time.Duration `json:"-"`
	Messages   int           `json:"messages"`
	Lost       int           `json:"messages_lost"`
	Doubled    int           `json:"messages_doubled"`
	Crashes    int           `json:"crashes"`
	Returns    int           `json:"returns"`
	Cuts       int           `json:"cuts"`
	Violations int           `json:"violations"`
	Migrations int           `json:"migrations"` // that were done
	Failed     int           `json:"migrations_failed"`
	Open       int           `json:"migrations_open"`
	Outcomes   [outcomes]int `json:"-"` // of procedures, by the position in Outcomes
}

const outcomes = 7

// Outcomes are how procedures end.
var Outcomes = [outcomes]string{"solved", "vanished", "unsolvable", "aborted", "merged", "lost", "open"}

// Record counts a record of a run.
func (t *Tally) Record(r trace.Record) {
	switch r := r.(type) {
	case trace.Header:
		t.Runs++
		t.Hosts += r.Hosts
	case trace.Violation:
		t.Violations++
	case trace.Migration:
		switch r.Outcome {
		case "done":
			t.Migrations++
		case "open":
			t.Open++
		default:
			t.Failed++
		}
	case trace.Partition:
		t.Outcomes[slices.Index(Outcomes[:], r.Outcome)]++
	case trace.Fault:
		switch r.What {
		case "host-crash", "agent-crash":
			t.Crashes++
		case "host-return", "agent-return":
			t.Returns++
		case "cut":
			t.Cuts++
		}
	case trace.Messages:
		t.Lost, t.Doubled = t.Lost+r.Lost, t.Doubled+r.Doubled
	case trace.End:
		t.Simulated += r.At
		t.Messages += r.Messages
	}
}

// Add adds the counts of other runs.
func (t *Tally) Add(o Tally) {
	t.Simulated += o.Simulated
	for _, c := range []struct {
		sum  *int
		more int
	}{
		{&t.Runs, o.Runs},
		{&t.Hosts, o.Hosts},
		{&t.Messages, o.Messages},
		{&t.Lost, o.Lost},
		{&t.Doubled, o.Doubled},
		{&t.Crashes, o.Crashes},
		{&t.Returns, o.Returns},
		{&t.Cuts, o.Cuts},
		{&t.Violations, o.Violations},
		{&t.Migrations, o.Migrations},
		{&t.Failed, o.Failed},
		{&t.Open, o.Open},
	} {
		*c.sum += c.more
	}
	for i, n := range o.Outcomes {
		t.Outcomes[i] += n
	}
}

// RunRandom makes the run of a seed, with all checks, and counts what happened.
// A breach of an invariant is an error.
func RunRandom(ctx context.Context, seed uint64) (Tally, Stats, error) {
	spec := Random(seed)
	var t Tally
	if err := spec.Scenario.Validate(); err != nil {
		return t, Stats{}, err
	}
	stats, err := Run(ctx, spec, &t, nil)
	return t, stats, err
}
