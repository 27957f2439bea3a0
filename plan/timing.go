package plan

import (
	"fmt"
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Speeds say how long things take.
type Speeds struct {
	// Link is, by node, how fast its link is, in each direction. Migrations and
	// images share it evenly; one gets the smaller share of its two ends.
	Link []cluster.BytesPerSecond
	// Disk is, by node, how fast images are written and read. They share it evenly.
	Disk []cluster.BytesPerSecond
	// Downtime is for how long a VM may be paused at the end of a migration.
	Downtime time.Duration
	// Boot and Shutdown are how long a run and a stop take.
	Boot, Shutdown time.Duration
	// PerNode is how many actions may touch a node at a time, as source or as target; 0
	// is no limit.
	PerNode int
	// Effort bounds the search for a shorter schedule, in actions that are started; 0
	// stands for DefaultEffort.
	Effort int
}

// DefaultSpeeds are those of the testbed of the thesis behind DVMS, section 2.2.1,
// for so many nodes: gigabit links, 6 s for a run and 25 s for a stop. It does not
// name the disks; here they write 100 MB/s. Two actions touch a node at a time.
func DefaultSpeeds(nodes int) Speeds {
	s := Speeds{Downtime: 30 * time.Millisecond, Boot: 6 * time.Second, Shutdown: 25 * time.Second, PerNode: 2}
	for range nodes {
		s.Link, s.Disk = append(s.Link, cluster.Gigabit), append(s.Disk, 100_000_000)
	}
	return s
}

// Schedule is a plan in time: each action starts as soon as what it waits for has
// ended and its nodes are not busy, in a chosen order.
type Schedule struct {
	Start, End []time.Duration // by action
	Makespan   time.Duration   // until the last one has ended
	// Bound is proven: no schedule of these actions in an order that keeps
	// After has a shorter makespan, with these speeds.
	Bound time.Duration
	// PerNode is how many actions touch a node at a time, at most. It may be less
	// than what Speeds allow: copies that share a link take longer together than one
	// after the other, as VMs go on writing.
	PerNode int
}

// Timed returns a schedule of a plan for c, whose makespan it tries to make short.
//
// A migration is a pre-copy: see Precopy. The VM writes its memory at its dirty
// rate times the load of its vCPUs. A suspend writes the image to the disk of its node; a
// resume reads it, after it was sent over the links if it is elsewhere. Durations
// are estimates: who carries a plan out goes by After, not by the clock.
//
// The schedule is the best one of several orders by priority, and of a
// bounded number of changes to the best of them. It depends on its arguments
// only.
func Timed(c *cluster.Configuration, p Plan, s Speeds) (Schedule, error) {
	t, err := newTimer(c, p, s)
	if err != nil {
		return Schedule{}, err
	}
	return t.search(s.Effort), nil
}

// timer knows what the actions of a plan need.
type timer struct {
	speeds    Speeds
	actions   []Action
	jobs      []job
	followers [][]int32 // by action
	limits    []cluster.BytesPerSecond
	nodes     int
	flights
}

// job is what an action needs, with nodes as indices.
type job struct {
	source, target int32
	dirty          cluster.BytesPerSecond
	least          time.Duration // it takes no less, alone or with others
	sends          cluster.Bytes // over the links, at least
	writes         cluster.Bytes // to the disk of its target, or from it
}

// The speeds of node n are limits[3*n+up], limits[3*n+down] and limits[3*n+disk].
const (
	up = iota
	down
	disk
	perNode
)

func newTimer(c *cluster.Configuration, p Plan, s Speeds) (*timer, error) {
	if len(s.Link) != len(c.Nodes) || len(s.Disk) != len(c.Nodes) {
		return nil, fmt.Errorf("there are speeds of %d links and %d disks, and %d nodes", len(s.Link), len(s.Disk), len(c.Nodes))
	}
	t := &timer{speeds: s, actions: p.Actions, jobs: make([]job, len(p.Actions)), followers: make([][]int32, len(p.Actions)), nodes: len(c.Nodes)}
	for n := range c.Nodes {
		if s.Link[n] <= 0 || s.Disk[n] <= 0 {
			return nil, fmt.Errorf("node %q has a link of %v and a disk of %v", c.Nodes[n].Name, s.Link[n], s.Disk[n])
		}
		t.limits = append(t.limits, s.Link[n], s.Link[n], s.Disk[n])
	}
	nodes, vms := map[cluster.NodeID]int32{}, map[cluster.VMID]int32{}
	for n := range c.Nodes {
		nodes[c.Nodes[n].ID] = int32(n)
	}
	for v := range c.VMs {
		vms[c.VMs[v].ID] = int32(v)
	}
	for i := range p.Actions {
		a := &p.Actions[i]
		source, known := nodes[a.Source]
		target, also := nodes[a.Target]
		v, too := vms[a.VM]
		if !known || !also || !too {
			return nil, fmt.Errorf("action %d is on VM %d, node %d and node %d, which are not all in the configuration", i, a.VM, a.Source, a.Target)
		}
		t.jobs[i] = t.job(a, source, target, dirtyRate(&c.VMs[v]))
		for _, b := range a.After {
			t.followers[b] = append(t.followers[b], int32(i))
		}
	}
	return t, nil
}

// dirtyRate returns how fast a VM writes its memory under its present load.
func dirtyRate(vm *cluster.VM) cluster.BytesPerSecond {
	most := int64(vm.VCPUs) * int64(cluster.Core)
	if load := int64(vm.Demand.CPU()); load < most {
		return cluster.BytesPerSecond(float64(vm.DirtyRate) * float64(load) / float64(most))
	}
	return vm.DirtyRate
}

// job returns what an action needs.
func (t *timer) job(a *Action, source, target int32, dirty cluster.BytesPerSecond) job {
	j := job{source: source, target: target, dirty: dirty}
	link := min(t.speeds.Link[source], t.speeds.Link[target])
	switch a.Kind {
	case Migrate:
		j.sends, j.least = leastPrecopy(a.Memory, dirty, link, t.speeds.Downtime)
	case Suspend, Resume:
		j.writes = a.Memory
		j.least = transfer(a.Memory, t.speeds.Disk[target])
		if a.Kind == Resume && source != target {
			j.sends = a.Memory
			j.least += transfer(a.Memory, link)
		}
	case Run:
		j.least = t.speeds.Boot
	case Stop:
		j.least = t.speeds.Shutdown
	}
	return j
}

// tails returns, by action, how long it takes at least until all that
// waits for it has ended, and its own time first.
func (t *timer) tails() []time.Duration {
	tails := make([]time.Duration, len(t.jobs))
	for i := len(t.jobs) - 1; i >= 0; i-- {
		for _, f := range t.followers[i] {
			tails[i] = max(tails[i], tails[f])
		}
		tails[i] += t.jobs[i].least
	}
	return tails
}

// bound returns the longest of: a path of actions that wait for each other, all
// that goes over one link or to one disk, all that touches one node less what may
// touch it at a time.
func (t *timer) bound(tails []time.Duration) time.Duration {
	bound := time.Duration(0)
	for _, tail := range tails {
		bound = max(bound, tail)
	}
	amounts := make([]cluster.Bytes, len(t.limits))
	busy := make([]time.Duration, t.nodes)
	for i := range t.jobs {
		j := &t.jobs[i]
		if j.sends > 0 {
			amounts[perNode*j.source+up] += j.sends
			amounts[perNode*j.target+down] += j.sends
		}
		amounts[perNode*j.target+disk] += j.writes
		busy[j.source] += j.least
		if j.target != j.source {
			busy[j.target] += j.least
		}
	}
	for r, amount := range amounts {
		// Less a rounding error, as what is sent in parts is rounded down.
		bound = max(bound, time.Duration(math.Floor(float64(amount)/float64(t.limits[r])*float64(time.Second))))
	}
	if slots := time.Duration(t.speeds.PerNode); slots > 0 {
		for _, b := range busy {
			bound = max(bound, b/slots)
		}
	}
	return bound
}
