package main

import (
	"slices"
	"strings"
	"time"

	"github.com/dvms-project/dvms/bench"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/snapshot"
)

// solverRow is what was found for an instance, and how long it took.
type solverRow struct {
	task         *bench.Task
	solution     bench.Solution
	group        string // of instances that are drawn alike
	first, total time.Duration
	refused      error // what is wrong with the plan, or nil
	on           int   // nodes that host VMs in the end
	// sent is what the plan's actions cost by themselves: what Result.Cost counts, and
	// suspends and bypasses too.
	sent cluster.Bytes
	// suspended is the memory of VMs that have to be suspended: any plan sends it.
	suspended cluster.Bytes
	compared  comparison
}

// measureTask solves a task as often as is needed to know how long that takes.
func measureTask(t *bench.Task, repeat int) *solverRow {
	row := &solverRow{task: t, group: groupOf(t.Snapshot)}
	row.total = median(repeat, func() { row.solution, row.refused = t.Solve() })
	row.first = row.total
	if row.solution.Result.Answer == placement.Viable {
		hasty := *t
		hasty.Budget = firstBudget(t, &row.solution.Result)
		row.first = min(row.total, median(repeat, func() { hasty.Place() }))
	}
	if row.refused == nil {
		row.refused = t.Judge(row.solution.Plan)
	}
	if answer := row.solution.Result.Answer; answer != placement.Viable && answer != placement.AlreadyViable {
		row.refused = nil // there is no plan to refuse
	}
	row.on = t.NodesOn(row.solution.Plan)
	for i := range row.solution.Plan.Actions {
		row.sent += row.solution.Plan.Actions[i].Cost()
	}
	for v, want := range t.Wanted {
		if want == cluster.Sleeping && t.Configuration.StateOf(int32(v)) == cluster.Running {
			row.suspended += t.Configuration.VMs[v].Demand.Memory()
		}
	}
	return row
}

// firstBudget returns a budget with which the first placement is found, and little
// is done after. A search that spends shares of its budget may need more than
// what it had spent when it found one.
func firstBudget(t *bench.Task, r *placement.Result) int {
	hasty := *t
	for hasty.Budget = max(1, r.FirstSteps-len(t.Configuration.Nodes)-len(t.Configuration.VMs)); hasty.Budget < r.Steps; hasty.Budget *= 2 {
		if hasty.Place().Answer == placement.Viable {
			break
		}
	}
	return hasty.Budget
}

// groupOf names the family and the law that an instance is drawn by.
func groupOf(s snapshot.Snapshot) string {
	parts := strings.Split(s.Name, "-")
	if s.Format == snapshot.Bench && len(parts) == 5 {
		return parts[0] + " " + parts[1]
	}
	if s.Goal == "" {
		return "repair"
	}
	return s.Goal
}

const (
	leastRuns  = 5
	mostRuns   = 101
	shortTimes = 10 * time.Millisecond // runs that are shorter are repeated
	longTimes  = 2 * time.Second       // runs that are longer are not
)

// median returns the median time of f, of a number of runs. If that is 0, it
// depends on how long they take.
func median(runs int, f func()) time.Duration {
	var times []time.Duration
	var spent time.Duration
	for {
		began := time.Now()
		f()
		took := time.Since(began)
		times, spent = append(times, took), spent+took
		switch {
		case runs > 0 && len(times) < runs:
		case runs > 0, spent > longTimes, len(times) == mostRuns:
			return quantile(times, 0.5)
		case len(times) >= leastRuns && spent > shortTimes:
			return quantile(times, 0.5)
		}
	}
}

// quantile returns the time that a share of times do not exceed. It sorts them.
func quantile(times []time.Duration, share float64) time.Duration {
	slices.Sort(times)
	return times[min(len(times)-1, int(share*float64(len(times))))]
}

// migrations counts the live migrations of a plan.
func migrations(p plan.Plan) int {
	count := 0
	for _, a := range p.Actions {
		if a.Kind == plan.Migrate {
			count++
		}
	}
	return count
}
