package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/dvms-project/dvms/bench"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/snapshot"
)

// figure is a line of the table of what is to be reached.
type figure struct {
	What    string `json:"what"`
	Wanted  string `json:"wanted"`
	Found   string `json:"found"`
	Reached bool   `json:"reached"`
}

// figures measures what is to be reached, and prints it.
func (r *solverReport) figures(ctx context.Context) error {
	r.printer.widths = nil
	r.printer.line("\nto be reached, on one core; K and cost in MiB")
	for _, f := range solverFigures {
		if ctx.Err() != nil {
			return errors.New("interrupted")
		}
		r.wait.say(f.what)
		found, reached, err := f.measure()
		r.wait.clear()
		if err != nil {
			return fmt.Errorf("%s: %w", f.what, err)
		}
		r.reached = append(r.reached, figure{f.what, f.wanted, found, reached})
		mark := "missed "
		if reached {
			mark = "reached"
		}
		r.printer.line(fmt.Sprintf("  %s  %s: %s", mark, f.what, f.wanted))
		r.printer.line("           " + found)
	}
	return nil
}

// solverFigures are what is to be reached.
var solverFigures = []struct {
	what, wanted string
	measure      func() (found string, reached bool, err error)
}{
	{"repair of 4 nodes", "p50 0.1 ms and p99 1 ms with the state, a plan and a proof", repairPartitions(4)},
	{"repair of 8 nodes", "all proven to be optimal", repairPartitions(8)},
	{"4 nodes of which more is asked than there is", "99 % recognised as infeasible in 1 ms", infeasiblePartitions("over", false)},
	{"4 nodes with room in pieces that are too small", "99 % recognised as infeasible in 1 ms", infeasiblePartitions("pieces", false)},
	{"4 nodes with viable placements, and no plan to one", "99 % recognised as infeasible in 1 ms", infeasiblePartitions("pieces", true)},
	{"128 nodes, thesis and tight", "first plan in 1 ms, K = bound", instances(time.Millisecond, 0, atBound, plainly("repair", 128, "thesis", "tight")...)},
	{"1024 nodes, thesis and tight", "first plan in 10 ms, K = bound", instances(10*time.Millisecond, 0, atBound, plainly("repair", 1024, "thesis", "tight")...)},
	{"1024 nodes, thesis with rules", "first plan in 10 ms, K 69,888 (5 % above the best known)", instances(10*time.Millisecond, 0, atMost(69_888), ruled("repair", 1024, "thesis")...)},
	{"1024 nodes, tight with rules", "first plan in 10 ms, K 187,622 (5 % above the best known)", instances(10*time.Millisecond, 0, atMost(187_622), ruled("repair", 1024, "tight")...)},
	{"1024 nodes, brim and hetero", "first plan in 200 ms", instances(200*time.Millisecond, 0, anything, append(plainly("repair", 1024, "brim", "hetero"), ruled("repair", 1024, "brim", "hetero")...)...)},
	{"512 nodes, brim", "K 193,024 (best known) in 1 s", instances(0, time.Second, atMost(193_024), plainly("repair", 512, "brim")...)},
	{"512 nodes, brim with rules", "K 431,104 (best known) in 1 s", instances(0, time.Second, atMost(431_104), ruled("repair", 512, "brim")...)},
	{"512 nodes, hetero", "K 196,608 (best known) in 1 s", instances(0, time.Second, atMost(196_608), plainly("repair", 512, "hetero")...)},
	{"512 nodes, hetero with rules", "K 257,024 (best known) in 1 s", instances(0, time.Second, atMost(257_024), ruled("repair", 512, "hetero")...)},
	{"4096 nodes, thesis and tight", "first plan in 50 ms, K = bound in 1 s", instances(50*time.Millisecond, time.Second, atBound, plainly("repair", 4096, "thesis", "tight")...)},
	{"5000 nodes, 50,000 VMs", "first plan in 50 ms and 200 MB", largestCluster},
	{"drain of a tenth of 1024 nodes", "a plan in 5 ms, memory moved = bound", instances(0, 5*time.Millisecond, atBound, plainly("drain", 1024, "easy", "tight")...)},
	{"drain of a tenth of 1024 nodes, with rules", "a plan in 5 ms, memory moved = bound", instances(0, 5*time.Millisecond, atBound, ruled("drain", 1024, "easy", "tight")...)},
	{"consolidation of 1024 nodes", "fewest nodes, 10 % above the least memory, in 1 s", instances(0, time.Second, fewestNodes, plainly("consolidate", 1024, "half", "mem")...)},
	{"cycles of 2 on 1024 nodes", "a plan in 50 ms, K 7,024,640 (best known)", instances(0, 50*time.Millisecond, atMost(7_024_640), plainly("cycle", 1024, "2")...)},
	{"cycles of 3 on 1024 nodes", "a plan in 50 ms, K 10,095,616 (best known)", instances(0, 50*time.Millisecond, atMost(10_095_616), plainly("cycle", 1024, "3")...)},
	{"cycles of 5 on 1024 nodes", "a plan in 50 ms, K 16,204,800 (best known)", instances(0, 50*time.Millisecond, atMost(16_204_800), plainly("cycle", 1024, "5")...)},
	{"switch of vjobs on 44 nodes", "a plan in 20 ms, K 348,672 (best known)", instances(0, 20*time.Millisecond, atMost(348_672), plainly("switch", 44, "nas")...)},
	{"switch of vjobs on 110 nodes", "a plan in 50 ms, K 672,256 (best known)", instances(0, 50*time.Millisecond, atMost(672_256), plainly("switch", 110, "nas")...)},
	{"switch of vjobs on 1100 nodes", "a plan in 1 s", instances(0, time.Second, anything, plainly("switch", 1100, "nas")...)},
	{"plan of 10,000 migrations in rings", "20 ms", planAlone},
}

func plainly(family string, nodes int, tiers ...string) []bench.Spec {
	var specs []bench.Spec
	for _, tier := range tiers {
		specs = append(specs, bench.Spec{Family: family, Tier: tier, Nodes: nodes, Seed: 1})
	}
	return specs
}

func ruled(family string, nodes int, tiers ...string) []bench.Spec {
	specs := plainly(family, nodes, tiers...)
	for i := range specs {
		specs[i].Constrained = true
	}
	return specs
}

func taskOf(spec bench.Spec) (*bench.Task, error) {
	s, err := snapshot.Read(bench.Make(spec).JSON())
	return &bench.Task{Snapshot: s}, err
}

// quality judges a row besides its times.
type quality func(row *solverRow) bool

func anything(*solverRow) bool { return true }

// atBound wants K, or the memory moved, to be proven the least.
func atBound(row *solverRow) bool { return row.solution.Plan.Cost() == row.solution.Result.Bound }

func atMost(k float64) quality {
	return func(row *solverRow) bool { return mib(row.solution.Plan.Cost()) <= k }
}

func fewestNodes(row *solverRow) bool {
	return row.on == row.solution.Result.NodesBound && row.solution.Result.Gap() <= 0.1
}

// instances measures instances: all are to have a first plan in a time, the last
// one in another, if these are not 0, and a quality.
func instances(first, total time.Duration, good quality, specs ...bench.Spec) func() (string, bool, error) {
	return func() (string, bool, error) {
		found, reached := "", true
		for _, spec := range specs {
			t, err := taskOf(spec)
			if err != nil {
				return "", false, err
			}
			row := measureTask(t, 0)
			if !row.hasPlan() || row.refused != nil {
				return fmt.Sprintf("%s: %v, %v", t.Name, row.solution.Result.Answer, row.refused), false, row.refused
			}
			soon := (first == 0 || row.first <= first) && (total == 0 || row.total <= total)
			reached = reached && soon && good(row)
			if found != "" {
				found += "; "
			}
			found += described(row, len(specs) > 1)
		}
		return found, reached, nil
	}
}

// described says in a line what was found.
func described(row *solverRow, named bool) string {
	r := &row.solution.Result
	text := ""
	if named {
		text = row.task.Name + " "
	}
	text += fmt.Sprintf("first %s, total %s, ", shortTime(row.first), shortTime(row.total))
	if r.NodesBound > 0 {
		return text + fmt.Sprintf("%d nodes of %d, %s above the least memory", row.on, r.NodesBound, inPercent(r.Gap()))
	}
	text += "K " + inMiB(row.solution.Plan.Cost())
	if atBound(row) {
		return text + " (proven)"
	}
	if !math.IsInf(r.Gap(), 0) {
		text += fmt.Sprintf(", cost %s %s above the bound", inMiB(r.Cost), inPercent(r.Gap()))
	}
	return text
}

// repairPartitions measures the repair of random partitions of all laws, with
// and without rules. Each is solved several times, and every time counts; one that
// takes long is solved once, and its time counts as often.
func repairPartitions(nodes int) func() (string, bool, error) {
	const (
		seeds, passes = 125, 5
		long          = 20 * time.Millisecond
	)
	return func() (string, bool, error) {
		var times []time.Duration
		partitions, proven := 0, 0
		for _, tier := range []string{"thesis", "tight", "brim", "hetero"} {
			for i := range 2 * seeds {
				t, err := taskOf(bench.Spec{Family: "repair", Tier: tier, Nodes: nodes, Constrained: i%2 == 1, Seed: 1 + i/2})
				if err != nil {
					return "", false, err
				}
				began := time.Now()
				s, err := t.Solve()
				took := time.Since(began)
				if err == nil {
					err = t.Judge(s.Plan)
				}
				if err != nil && s.Result.Answer == placement.Viable {
					return "", false, fmt.Errorf("%s: %w", t.Name, err)
				}
				partitions++
				if s.Result.Optimal || s.Result.Answer == placement.Infeasible {
					proven++
				}
				for range passes {
					if took < long { // by now it is known what is in the caches
						began = time.Now()
						_, _ = t.Solve()
						took = time.Since(began)
					}
					times = append(times, took)
				}
			}
		}
		p50, p99 := quantile(times, 0.5), quantile(times, 0.99)
		slow := 0
		for _, took := range times {
			if took > time.Millisecond {
				slow++
			}
		}
		found := fmt.Sprintf("p50 %s, p99 %s, %.1f %% took more than 1 ms; %d of %d partitions proven",
			shortTime(p50), shortTime(p99), 100*float64(slow)/float64(len(times)), proven, partitions)
		if nodes == 4 {
			return found, p50 <= 100*time.Microsecond && p99 <= time.Millisecond, nil
		}
		return found, proven == partitions, nil
	}
}

// infeasiblePartitions measures how soon it is known that crowded partitions are
// infeasible: those without a viable placement, or those with some and no plan
// to one.
func infeasiblePartitions(tier string, planned bool) func() (string, bool, error) {
	const (
		seeds  = 250
		budget = 2_000_000 // what is not known by then counts as not recognised
	)
	return func() (string, bool, error) {
		all, soon := 0, 0
		for i := range 2 * seeds {
			t, err := taskOf(bench.Spec{Family: "crowded", Tier: tier, Nodes: 4, Constrained: i%2 == 1, Seed: 1 + i/2})
			if err != nil {
				return "", false, err
			}
			t.Budget = budget
			unplanned := placement.Problem{Rules: t.Rules, Budget: budget}
			fits := placement.Solve(t.Configuration, unplanned).Answer
			if planned != (fits == placement.Viable) {
				continue
			}
			began := time.Now()
			var answer placement.Answer
			if planned {
				answer = t.Place().Answer
			} else {
				answer = placement.Solve(t.Configuration, unplanned).Answer
			}
			took := time.Since(began)
			if answer == placement.Viable {
				continue
			}
			all++
			if answer == placement.Infeasible && took <= time.Millisecond {
				soon++
			}
		}
		found := fmt.Sprintf("%d of %d, which are all of %d partitions without a viable placement", soon, all, 2*seeds)
		if planned {
			found = fmt.Sprintf("%d of %d, which are all of %d partitions with a viable placement and no known plan", soon, all, 2*seeds)
		}
		return found, 100*soon >= 99*all, nil
	}
}

// largestCluster measures the largest cluster, and the memory for its first plan: that
// of the configuration, and all that was allocated, as if nothing were collected.
func largestCluster() (string, bool, error) {
	t, err := taskOf(bench.Spec{Family: "repair", Tier: "thesis", Nodes: 5000, Seed: 1})
	if err != nil {
		return "", false, err
	}
	row := measureTask(t, 0)
	hasty := *t
	hasty.Budget = firstBudget(t, &row.solution.Result)
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	hasty.Place()
	runtime.ReadMemStats(&after)
	heap := cluster.Bytes(after.HeapAlloc)
	found := fmt.Sprintf("%s; heap of %s, of which %s were in use before", described(row, false), inWords(heap), inWords(cluster.Bytes(before.HeapAlloc)))
	return found, row.first <= 50*time.Millisecond && heap <= 200e6 && row.refused == nil, nil
}

// planAlone measures plans for rings of three nodes whose VMs go round.
func planAlone() (string, bool, error) {
	c, host := rings(10_000)
	var first, best plan.Plan
	var err error
	one := median(0, func() { first, err = plan.Make(c, host) })
	if err != nil {
		return "", false, err
	}
	all := median(0, func() { best, err = plan.Switch(c, plan.Goal{Host: host}, plan.Settings{}) })
	if err != nil {
		return "", false, err
	}
	t := bench.Task{Snapshot: snapshot.Snapshot{Configuration: c}}
	if err := t.Judge(best); err != nil {
		return "", false, err
	}
	found := fmt.Sprintf("first plan %s, %d actions in %d steps, K %s; after the search %s, K %s",
		shortTime(one), len(first.Actions), len(first.Steps()), inMiB(first.Cost()), shortTime(all), inMiB(best.Cost()))
	return found, one <= 20*time.Millisecond, nil
}

// rings returns rings of three nodes with five VMs each that are to go on to the
// next node, at least so many VMs. The nodes are nearly full.
func rings(vms int) (*cluster.Configuration, []int32) {
	c := &cluster.Configuration{}
	var host []int32
	for ring := int32(0); len(host) < vms; ring++ {
		for i := range int32(3) {
			n := len(c.Nodes)
			c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprintf("node%d", n), Capacity: cluster.Of(8*cluster.Core, 12*cluster.GiB)})
			for range 5 {
				v := len(c.VMs)
				memory := cluster.Bytes(1+v%3) * cluster.GiB
				c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprintf("vm-%d", v), Demand: cluster.Of(cluster.Core, memory)})
				c.Host = append(c.Host, int32(n))
				host = append(host, 3*ring+(i+1)%3)
			}
		}
	}
	return c, host
}
