package plan

import (
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// search tries priorities, and returns the shortest schedule.
//
// List scheduling by critical path is the usual first choice (R. Graham, "Bounds
// on multiprocessing timing anomalies", SIAM Journal on Applied Mathematics,
// 1969). As it may be wrong, other orders are tried, then changes to the best one: an
// action that ends last, or one that it waits for, is given another priority. The
// changes are drawn from a stream of random numbers that is the same every time.
func (t *timer) search(effort int) Schedule {
	if effort <= 0 {
		effort = DefaultEffort
	}
	tails := t.tails()
	b := &shortest{timer: t, left: effort, bound: t.bound(tails), Schedule: Schedule{Makespan: math.MaxInt64}}
	b.Bound = b.bound
	for _, priority := range t.orders(tails) {
		for _, slots := range t.slots() {
			b.try(priority, slots)
		}
	}
	b.change()
	return b.Schedule
}

// orders are the priorities to begin with: what has most to come after it, the order
// of the plan, what takes longest, what touches the busiest node.
func (t *timer) orders(tails []time.Duration) [][]time.Duration {
	n := len(t.jobs)
	planned, longest, busiest := make([]time.Duration, n), make([]time.Duration, n), make([]time.Duration, n)
	busy := make([]time.Duration, t.nodes)
	for i := range t.jobs {
		busy[t.jobs[i].source] += t.jobs[i].least
		busy[t.jobs[i].target] += t.jobs[i].least
	}
	for i := range t.jobs {
		planned[i], longest[i] = time.Duration(n-i), t.jobs[i].least
		busiest[i] = tails[i] + max(busy[t.jobs[i].source], busy[t.jobs[i].target])
	}
	return [][]time.Duration{tails, busiest, planned, longest}
}

// slots are the limits at nodes to try: what is allowed, and less.
func (t *timer) slots() []int {
	switch most := t.speeds.PerNode; most {
	case 1:
		return []int{1}
	case 2:
		return []int{2, 1}
	default:
		return []int{most, 1, 2}
	}
}

// shortest is the best schedule so far.
type shortest struct {
	*timer
	Schedule
	left     int // actions that may be started
	bound    time.Duration
	priority []time.Duration
	tried    bool
}

// try makes a schedule, and keeps it if it is the shortest so far. It reports
// whether it is not longer than that.
func (b *shortest) try(priority []time.Duration, slots int) bool {
	if b.tried && (b.left <= 0 || b.Makespan <= b.bound) {
		return false
	}
	b.tried = true
	b.left -= 1 + len(b.jobs)
	if !b.run(priority, slots, b.Makespan) {
		return false
	}
	makespan := time.Duration(0)
	for _, end := range b.end {
		makespan = max(makespan, end)
	}
	if b.priority != nil && makespan > b.Makespan {
		return false
	}
	b.priority = slices.Clone(priority)
	b.Start, b.End, b.Makespan, b.PerNode = slices.Clone(b.start), slices.Clone(b.end), makespan, slots
	return true
}

// change changes the priorities of actions that the makespan depends on.
func (b *shortest) change() {
	rng, t := rand.New(rand.NewPCG(uint64(len(b.jobs)), 0)), b.slots()
	for fails := 0; fails < 200 && b.left > 0 && b.Makespan > b.bound; fails++ {
		priority := slices.Clone(b.priority)
		i, j := b.critical(rng), rng.IntN(len(b.jobs))
		priority[i], priority[j] = max(priority[i], priority[j])+time.Duration(rng.IntN(2)), min(priority[i], priority[j])
		before, slots := b.Makespan, t[rng.IntN(len(t))]
		if b.try(priority, slots) && b.Makespan < before {
			fails = 0
		}
	}
}

// critical returns an action on the path that ends last: one that ends when
// the schedule does, or one that such an action waited for.
func (b *shortest) critical(rng *rand.Rand) int {
	i := slices.Index(b.End, b.Makespan)
	for rng.IntN(3) > 0 {
		earlier := -1
		for _, k := range b.actions[i].After {
			if earlier < 0 || b.End[k] > b.End[earlier] {
				earlier = k
			}
		}
		if earlier < 0 {
			break
		}
		i = earlier
	}
	return i
}
