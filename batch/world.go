package batch

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// world is the cluster while it runs: who computes where, and how fast.
//
// VMs that compute on a node share its CPUs evenly, and none gets more than one.
// So all of them have the same rate, which changes only when one more or one
// less computes there.
type world struct {
	study *Study
	clock *sim.Simulation
	cpus  float64 // of a node
	nodes []node
	vms   []vm // those of vjob j are from j*tasksPerGraph on
	jobs  []job
	ended func(j int) // is told when the last task of a vjob has ended
	use   []Use
}

type node struct {
	computing int     // VMs
	rate      float64 // of each of them, in CPUs
	due       sim.Timer
	phase     time.Duration // when its sensor looks first
}

type vm struct {
	state  cluster.State
	paused bool  // being suspended, or not unpaused yet
	host   int32 // Nowhere unless it runs
	image  int32 // Nowhere unless it sleeps
	wants  bool  // its task computes, or would if the VM ran
	left   float64
	since  time.Duration      // left is up to date at that time
	seen   cluster.Millicores // what the sensor last saw
	waits  int                // for tasks that have not ended
	next   []int              // VMs whose tasks wait for its own
	memory cluster.Bytes
}

type job struct {
	launched bool // its application
	tasks    int  // that have not ended
	done     bool
	end      time.Duration
	phase    Phase
	since    time.Duration
	started  bool
	spans    []Span
}

func newWorld(s *Study) *world {
	w := &world{
		study: s, clock: sim.New(), cpus: float64(s.Nodes.CPUs),
		nodes: make([]node, s.Nodes.Count), jobs: make([]job, len(s.VJobs)),
	}
	phases := rand.New(rand.NewPCG(s.Seed, 1))
	for n := range w.nodes {
		w.nodes[n].phase = time.Duration(phases.Int64N(int64(s.Loop.Monitor)))
	}
	for j, v := range s.VJobs {
		tasks, err := Tasks(v.Graph, time.Duration(v.Alone))
		if err != nil {
			panic(err) // Validate has seen to that
		}
		w.jobs[j].tasks = len(tasks)
		first := len(w.vms)
		for _, t := range tasks {
			w.vms = append(w.vms, vm{host: cluster.Nowhere, image: cluster.Nowhere, left: float64(t.Work), waits: len(t.After), memory: v.Memory})
		}
		for i, t := range tasks {
			for _, before := range t.After {
				w.vms[first+before].next = append(w.vms[first+before].next, first+i)
			}
		}
	}
	return w
}

// now returns the date. All dates of a study are whole nanoseconds, so they
// come out of the simulation as they went in.
func (w *world) now() time.Duration { return w.clock.Now().Duration() }

// call calls f at date t.
func (w *world) call(t time.Duration, f func()) sim.Timer { return w.clock.Call(sim.Of(t), f) }

func jobOf(v int) int { return v / tasksPerGraph }

// vmsOf returns the first VM of a vjob, and the first that is not.
func vmsOf(j int) (from, to int) { return j * tasksPerGraph, (j + 1) * tasksPerGraph }

// computes reports whether a VM uses CPU if it gets some.
func (v *vm) computes() bool { return v.wants && v.state == cluster.Running && !v.paused }

// settle brings the progress of the VMs of a node up to date.
func (w *world) settle(n int32) {
	now := w.now()
	for i := range w.vms {
		v := &w.vms[i]
		if v.host != n {
			continue
		}
		if v.computes() {
			v.left -= float64(w.nodes[n].rate * float64(now-v.since))
		}
		v.since = now
	}
}

// share shares the CPUs of a node anew. settle was called before what has
// changed.
func (w *world) share(n int32) {
	node := &w.nodes[n]
	node.computing = 0
	least := math.Inf(1)
	for i := range w.vms {
		if v := &w.vms[i]; v.host == n && v.computes() {
			node.computing++
			least = min(least, v.left)
		}
	}
	w.clock.Cancel(node.due)
	node.due = sim.Timer{}
	if node.computing > 0 {
		node.rate = min(1, w.cpus/float64(node.computing))
		due := w.now() + time.Duration(math.Ceil(max(0, least)/node.rate))
		node.due = w.call(due, func() { w.endTasks(n) })
	}
	w.note()
}

// change makes a change to a VM, and shares the CPUs of its node before and after.
func (w *world) change(v int, make func(*vm)) {
	before := w.vms[v].host
	if before != cluster.Nowhere {
		w.settle(before)
	}
	make(&w.vms[v])
	after := w.vms[v].host
	if after != cluster.Nowhere && after != before {
		w.settle(after)
	}
	if before != cluster.Nowhere {
		w.share(before)
	}
	if after != cluster.Nowhere && after != before {
		w.share(after)
	}
	w.note()
}

// endTasks ends the tasks on a node that have nothing left to do.
func (w *world) endTasks(n int32) {
	w.settle(n)
	const done = 1e-3 // of a nanosecond: rounding
	for i := range w.vms {
		if v := &w.vms[i]; v.host == n && v.computes() && v.left <= done {
			w.endTask(i)
		}
	}
	w.share(n)
}

// endTask lets those that waited for a task compute.
func (w *world) endTask(i int) {
	w.change(i, func(v *vm) { v.wants, v.left = false, 0 })
	for _, next := range w.vms[i].next {
		if w.vms[next].waits--; w.vms[next].waits == 0 {
			w.change(next, func(v *vm) { v.wants = true })
		}
	}
	j := jobOf(i)
	if w.jobs[j].tasks--; w.jobs[j].tasks == 0 {
		w.jobs[j].done, w.jobs[j].end = true, w.now()
		w.enter(j, Stopping)
		w.ended(j)
	}
}

// launch starts the application of a vjob once all of its VMs run: "The
// application embedded in the vjob is launched when all the VMs are in the
// running state" [2].
func (w *world) launch(j int) {
	from, to := vmsOf(j)
	for i := from; i < to; i++ {
		if w.vms[i].state != cluster.Running {
			return
		}
	}
	if w.jobs[j].launched {
		return
	}
	w.jobs[j].launched = true
	w.enter(j, Computing)
	for i := from; i < to; i++ {
		if w.vms[i].waits == 0 {
			w.change(i, func(v *vm) { v.wants = true })
		}
	}
}

// enter begins a phase of a vjob.
func (w *world) enter(j int, p Phase) {
	b := &w.jobs[j]
	if b.started && b.phase == p {
		return
	}
	w.leave(j)
	b.phase, b.since, b.started = p, w.now(), true
}

// leave ends the phase of a vjob, and begins none.
func (w *world) leave(j int) {
	b := &w.jobs[j]
	if b.started && w.now() > b.since {
		b.spans = append(b.spans, Span{j, b.phase, b.since, w.now()})
	}
	b.started = false
}

// note notes what is in use now.
func (w *world) note() {
	u := Use{At: w.now()}
	for n := range w.nodes {
		u.Wanted += cluster.Millicores(w.nodes[n].computing) * cluster.Core
		u.CPU += min(cluster.Millicores(w.nodes[n].computing), cluster.Millicores(w.study.Nodes.CPUs)) * cluster.Core
	}
	for i := range w.vms {
		if w.vms[i].host != cluster.Nowhere {
			u.Memory += w.vms[i].memory
		}
	}
	if last := len(w.use) - 1; last >= 0 && w.use[last].At == u.At {
		w.use[last] = u
	} else {
		w.use = append(w.use, u)
	}
}

// sense lets the sensors look, each at its own instants.
func (w *world) sense() {
	for n := range w.nodes {
		var look func()
		look = func() {
			for i := range w.vms {
				if v := &w.vms[i]; v.host == int32(n) {
					v.seen = 0
					if v.wants {
						v.seen = cluster.Core
					}
				}
			}
			w.call(w.now()+time.Duration(w.study.Loop.Monitor), look)
		}
		w.call(w.nodes[n].phase, look)
	}
}
