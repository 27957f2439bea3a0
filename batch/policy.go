package batch

import (
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/strategy"
)

// Walk is the sample algorithm of [2], section 2.3.1: it goes over the queue in
// order, and adds a vjob to those that are to run if first-fit decreasing finds
// a node for each of its VMs beside those of the vjobs already added.
//
// capacity is by node, queue by vjob and VM. It returns the node of each VM of
// those that are to run, and nil for the others.
func Walk(capacity []cluster.Resources, queue [][]cluster.Resources) [][]int32 {
	free := slices.Clone(capacity)
	hosts := make([][]int32, len(queue))
	for j, demands := range queue {
		if host, _, ok := strategy.FirstFitDecreasing(free, demands); ok {
			hosts[j] = host
		}
	}
	return hosts
}

// FCFS returns the nodes of the VMs of those vjobs of the queue that start now:
// the first ones, as long as they have room. free is by node what nobody has
// reserved. It is the scheduler of Figure 2a.
func FCFS(free []cluster.Resources, queue [][]cluster.Resources) [][]int32 {
	left := slices.Clone(free)
	hosts := make([][]int32, len(queue))
	for j, demands := range queue {
		host, _, ok := strategy.FirstFitDecreasing(left, demands)
		if !ok {
			break
		}
		hosts[j] = host
	}
	return hosts
}

// Request is a vjob that waits: what its VMs reserve, and for how long as its
// user says.
type Request struct {
	Demands  []cluster.Resources
	Estimate time.Duration
}

// Hold is a vjob that runs: what its VMs have reserved, where, and until when as
// its user says.
type Hold struct {
	Demands []cluster.Resources
	Host    []int32
	Ends    time.Duration
}

// EASY returns the nodes of the VMs of those vjobs of the queue that start now.
// It starts vjobs as FCFS does. The first one without room gets a time from
// which on it will have some, if the estimates are right; those behind it start
// now if they have room and do not take that of the first at that time. It is
// the scheduler of Figure 2b, and [4].
func EASY(now time.Duration, free []cluster.Resources, running []Hold, queue []Request) [][]int32 {
	demands := make([][]cluster.Resources, len(queue))
	for j, r := range queue {
		demands[j] = r.Demands
	}
	hosts := FCFS(free, demands)
	first := slices.IndexFunc(hosts, func(h []int32) bool { return h == nil })
	if first < 0 {
		return hosts
	}
	left, held := slices.Clone(free), slices.Clone(running)
	start := func(j int, host []int32) {
		hosts[j] = host
		take(left, demands[j], host)
		held = append(held, Hold{demands[j], host, now + queue[j].Estimate})
	}
	for j := range first {
		start(j, hosts[j])
	}
	at, ok := reservation(left, held, demands[first])
	for j := first + 1; j < len(queue); j++ {
		host, _, fits := strategy.FirstFitDecreasing(slices.Clone(left), demands[j])
		if !fits {
			continue
		}
		with := append(slices.Clone(held), Hold{demands[j], host, now + queue[j].Estimate})
		rest := slices.Clone(left)
		take(rest, demands[j], host)
		if later, still := reservation(rest, with, demands[first]); !ok || still && later <= at {
			start(j, host)
		}
	}
	return hosts
}

// reservation returns when the VMs have room: the earliest end of those that
// run at which they do. ok is false if there will never be room.
func reservation(free []cluster.Resources, running []Hold, demands []cluster.Resources) (at time.Duration, ok bool) {
	left := slices.Clone(free)
	ending := slices.Clone(running)
	slices.SortStableFunc(ending, func(a, b Hold) int { return int(min(1, max(-1, a.Ends-b.Ends))) })
	for _, h := range ending {
		for v, n := range h.Host {
			left[n] = left[n].Plus(h.Demands[v])
		}
		if _, _, ok := strategy.FirstFitDecreasing(slices.Clone(left), demands); ok {
			return h.Ends, true
		}
	}
	return 0, false
}

// take lets VMs have what they ask for.
func take(free, demands []cluster.Resources, host []int32) {
	for v, n := range host {
		free[n] = free[n].Minus(demands[v])
	}
}
