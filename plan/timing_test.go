package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// "[...] approximately 12 seconds, and the transferred data size [...] approximately 1500 MB"
// (the thesis behind DVMS, section 5.3.2), for a VM of 1 GB that writes 40 MB/s, over a link of 1 Gbps.
func TestPrecopyOfTheThesis(t *testing.T) {
	sent, takes := plan.Precopy(1_000_000_000, 40_000_000, cluster.Gigabit, 30*time.Millisecond)
	if takes < 11500*time.Millisecond || takes > 12500*time.Millisecond || sent < 1_400_000_000 || sent > 1_600_000_000 {
		t.Errorf("%v and %v", takes, sent)
	}
	if _, takes := plan.Precopy(1_000_000_000, 0, cluster.Gigabit, 0); takes != 8*time.Second {
		t.Errorf("an idle VM takes %v", takes)
	}
}

// speeds are such that 1 GB takes a second over a link, and ten to or from a disk.
func speeds(nodes, perNode int) plan.Speeds {
	s := plan.Speeds{Boot: 6 * time.Second, Shutdown: 25 * time.Second, PerNode: perNode}
	for range nodes {
		s.Link, s.Disk = append(s.Link, 1_000_000_000), append(s.Disk, 100_000_000)
	}
	return s
}

// timed is a plan of actions on VMs of 1 GB that write nothing, on so many nodes.
func timed(nodes int, actions ...plan.Action) (*cluster.Configuration, plan.Plan) {
	c := world(make([][]int64, nodes)...)
	for i := range actions {
		actions[i].VM, actions[i].Memory = cluster.VMID(i), 1_000_000_000
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(i), Name: fmt.Sprint("v", i), VCPUs: 1})
	}
	return c, plan.Plan{Actions: actions}
}

func TestTimed(t *testing.T) {
	migrate := func(from, to cluster.NodeID, after ...int) plan.Action {
		return plan.Action{Kind: plan.Migrate, Source: from, Target: to, After: after}
	}
	on := func(kind plan.Kind, node cluster.NodeID, after ...int) plan.Action {
		return plan.Action{Kind: kind, Source: node, Target: node, After: after}
	}
	s := time.Second
	for _, test := range []struct {
		name    string
		perNode int
		actions []plan.Action
		ends    []time.Duration
		bound   time.Duration
	}{
		{"nothing", 0, nil, nil, 0},
		{"a migration", 0, []plan.Action{migrate(0, 1)}, []time.Duration{s}, s},
		{"two that share a link", 0, []plan.Action{migrate(0, 1), migrate(0, 2)}, []time.Duration{2 * s, 2 * s}, 2 * s},
		{"two that go opposite ways", 0, []plan.Action{migrate(0, 1), migrate(1, 0)}, []time.Duration{s, s}, s},
		{"one at a time", 1, []plan.Action{migrate(0, 1), migrate(1, 0)}, []time.Duration{s, 2 * s}, 2 * s},
		{"one after the other", 0, []plan.Action{migrate(0, 1), migrate(2, 0, 0)}, []time.Duration{s, 2 * s}, 2 * s},
		{"a suspend", 0, []plan.Action{on(plan.Suspend, 0)}, []time.Duration{10 * s}, 10 * s},
		{"images written together", 0, []plan.Action{on(plan.Suspend, 0), on(plan.Suspend, 0)}, []time.Duration{20 * s, 20 * s}, 20 * s},
		{"a resume, local and remote", 0, []plan.Action{on(plan.Resume, 0), {Kind: plan.Resume, Source: 1, Target: 2}}, []time.Duration{10 * s, 11 * s}, 11 * s},
		{"a boot after a shutdown", 0, []plan.Action{on(plan.Stop, 0), on(plan.Run, 0, 0)}, []time.Duration{25 * s, 31 * s}, 31 * s},
	} {
		c, p := timed(3, test.actions...)
		got, err := plan.Timed(c, p, speeds(3, test.perNode))
		if err != nil {
			t.Fatal(err)
		}
		for i := range test.ends {
			if got.End[i] != test.ends[i] {
				t.Errorf("%s: ends at %v, not %v", test.name, got.End, test.ends)
				break
			}
		}
		if got.Bound != test.bound {
			t.Errorf("%s: bound %v, not %v", test.name, got.Bound, test.bound)
		}
	}
}

// The long chain has to go first; in the order of the plan it would come last.
func TestTimedGoesByTheCriticalPath(t *testing.T) {
	c, p := timed(
		6,
		plan.Action{Kind: plan.Migrate, Source: 0, Target: 1},
		plan.Action{Kind: plan.Migrate, Source: 0, Target: 2},
		plan.Action{Kind: plan.Migrate, Source: 0, Target: 3},
		plan.Action{Kind: plan.Suspend, Source: 4, Target: 4, After: []int{2}},
	)
	got, err := plan.Timed(c, p, speeds(6, 1))
	if err != nil || got.Makespan != 11*time.Second || got.Bound != 11*time.Second {
		t.Errorf("%v of %v, %v", got.Makespan, got.Bound, err)
	}
}

func TestTimedRefuses(t *testing.T) {
	c, p := timed(2, plan.Action{Kind: plan.Migrate, Source: 0, Target: 1})
	dead := speeds(2, 0)
	dead.Link[1] = 0
	stranger := plan.Plan{Actions: []plan.Action{{VM: 7}}}
	for _, err := range []error{
		refused(plan.Timed(c, p, speeds(1, 0))), refused(plan.Timed(c, p, dead)), refused(plan.Timed(c, stranger, speeds(2, 0))),
	} {
		if err != nil {
			t.Error(err)
		}
	}
}

func refused(s plan.Schedule, err error) error {
	if err == nil {
		return errors.New("not refused")
	}
	return nil
}

// Whatever the plan: nothing starts before what it waits for has ended, no node is
// touched by too many, no link or disk is faster than it is, and the bound holds.
func TestTimedKeepsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 5))
		c, goal := change(rng)
		for v := range c.VMs {
			c.VMs[v].Demand[cluster.Memory] *= 10_000_000
			c.VMs[v].DirtyRate = cluster.BytesPerSecond(rng.Int64N(900_000_000))
			c.VMs[v].VCPUs = 1
		}
		for n := range c.Nodes {
			c.Nodes[n].Capacity[cluster.Memory] *= 10_000_000
		}
		p, err := plan.Switch(c, goal, plan.Settings{MaySuspend: true, Effort: 1})
		if err != nil {
			t.Fatal(err)
		}
		s := speeds(len(c.Nodes), rng.IntN(4))
		s.Effort, s.Downtime = 500, 30*time.Millisecond
		for n := range s.Link {
			s.Link[n] *= cluster.BytesPerSecond(1 + rng.IntN(3))
		}
		got, err := plan.Timed(c, p, s)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := plan.Timed(c, p, s); !reflect.DeepEqual(got, again) {
			t.Fatal("two schedules differ")
		}
		if got.Makespan < got.Bound {
			t.Fatalf("makespan %v, bound %v", got.Makespan, got.Bound)
		}
		last := time.Duration(0)
		for i, a := range p.Actions {
			last = max(last, got.End[i])
			for _, b := range a.After {
				if got.Start[i] < got.End[b] {
					t.Fatalf("action %d starts before %d has ended", i, b)
				}
			}
			// What touches a node at the instant when this starts, and how long whatever moves needs at least.
			touching := map[cluster.NodeID]int{}
			for k, other := range p.Actions {
				if got.Start[k] <= got.Start[i] && got.Start[i] < got.End[k] {
					touching[other.Source]++
					if other.Source != other.Target {
						touching[other.Target]++
					}
				}
			}
			for n, k := range touching {
				if s.PerNode > 0 && k > s.PerNode {
					t.Fatalf("node %d is touched by %d actions", n, k)
				}
			}
			if a.Kind == plan.Migrate {
				_, alone := plan.Precopy(a.Memory, 0, min(s.Link[a.Source], s.Link[a.Target]), s.Downtime)
				if got.End[i]-got.Start[i] < alone {
					t.Fatalf("action %d takes %v, and %v at least", i, got.End[i]-got.Start[i], alone)
				}
			}
		}
		if last != got.Makespan {
			t.Fatalf("makespan %v, and the last ends at %v", got.Makespan, last)
		}
		for n := range c.Nodes { // what leaves a node has to fit through its link
			var sent cluster.Bytes
			first, last := got.Makespan, time.Duration(0)
			for i, a := range p.Actions {
				if a.Kind == plan.Migrate && a.Source == cluster.NodeID(n) {
					sent, first, last = sent+a.Memory, min(first, got.Start[i]), max(last, got.End[i])
				}
			}
			if sent > 0 && float64(sent)/float64(s.Link[n]) > (last-first).Seconds()+1e-6 {
				t.Fatalf("node %d sends %v in %v", n, sent, last-first)
			}
		}
	})
}

func BenchmarkTimed(b *testing.B) {
	c, goal := rotation(1000)
	for v := range c.VMs {
		c.VMs[v].DirtyRate = 40_000_000
	}
	p, err := plan.Make(c, goal)
	if err != nil {
		b.Fatal(err)
	}
	for i := range p.Actions {
		p.Actions[i].Memory *= 100_000_000
	}
	s := plan.DefaultSpeeds(len(c.Nodes))
	b.ReportAllocs()
	var got plan.Schedule
	for b.Loop() {
		if got, err = plan.Timed(c, p, s); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(got.Makespan.Seconds(), "makespan-s")
	b.ReportMetric(got.Bound.Seconds(), "bound-s")
}
