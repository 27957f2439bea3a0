// Package batch runs virtualized jobs (vjobs) through a queue on a cluster, under
// policies that may or may not suspend, resume and migrate them, and measures
// what that is worth.
//
// A vjob is an application of tasks that wait for each other, each on a VM of
// its own. A VM wants a whole CPU while its task computes, and nothing before
// and after; its memory is the same all the time. A static policy gives a vjob a
// CPU for each of its VMs from its start to its end. The dynamic one looks again
// and again at what the VMs really want, decides which vjobs run, and gets there
// by a cluster-wide context switch [1]: VMs are run, stopped, suspended, resumed
// and migrated, in an order in which there is always room.
//
// Run makes one run of a Study under one policy. Which vjobs run is decided by
// small functions without time, Walk, FCFS and EASY (policy.go); where they run,
// and how to get there, by packages placement and plan, as everywhere else. The
// rest is a small simulation on the clock of package sim. It has VMs of its own,
// as those of sim neither start nor sleep. The same study gives the same result,
// bit for bit.
//
// docs/vjobs.md says what is modelled, and how far it agrees with [1] and [2].
//
// Sources:
//
//	[1] F. Hermenier, A. Lebre and J.-M. Menaud, "Cluster-wide context switch of
//	    virtualized jobs", VTDC 2010.
//	[2] Chapter 2 of the thesis behind DVMS, which describes the same
//	    experiment.
//	[3] R. F. Van der Wijngaart and M. Frumkin, "NAS Grid Benchmarks Version
//	    1.0", NASA Technical Report NAS-02-005, 2002.
//	[4] D. A. Lifka, "The ANL/IBM SP scheduling system", JSSPP 1995, which
//	    introduces EASY.
package batch

import (
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Policies are the names of the policies, in the order of Figure 2 of [2]. The
// first three give each VM a CPU from its start to its end, as Reserved, and the
// last one what it uses.
//
//	fcfs     vjobs start in the order of the queue, each when there is room
//	easy     and later ones before the first, if that does not delay it
//	preempt  and whenever there is room; they are suspended when the first one has
//	dynamic  as preempt, by what VMs use, not by what was reserved
var Policies = []string{"fcfs", "easy", "preempt", "dynamic"}

// Result is what a run under a policy came to. Instants count from the
// submission of all vjobs.
type Result struct {
	Policy    string
	Completed []time.Duration // by vjob: when its last task ended
	Makespan  time.Duration   // the latest of them
	CPU       float64         // share of all CPUs that computed, mean up to the makespan
	Memory    float64         // share of all memory that VMs held, mean up to the makespan
	Switches  []Switch        // context switches; none for policies that are static
	Spans     []Span          // in order of vjob and time
	Use       []Use           // in order of time
}

// Cumulated is the sum of the completion times.
func (r *Result) Cumulated() (sum time.Duration) {
	for _, t := range r.Completed {
		sum += t
	}
	return sum
}

// Local counts the resumes on the node that held the image, and all of them.
func (r *Result) Local() (local, all int) {
	for _, s := range r.Switches {
		local += s.Local
		all += s.Resumes
	}
	return local, all
}

// Switch is a cluster-wide context switch.
type Switch struct {
	At       time.Duration // when its first action started
	Duration time.Duration
	Cost     cluster.Bytes // K(p) of equation (1) of [2]
	Depth    cluster.Bytes // sum over the steps of their dearest action: the K(s) of equation (1)
	Steps    int

	Runs, Stops, Suspends, Resumes, Migrations int
	Local                                      int // resumes on the node that holds the image
}

// Phase is what a vjob does for a while.
type Phase uint8

// The phases of a vjob. All but the first take room on nodes.
const (
	Asleep    Phase = iota // suspended
	Booting                // from its first run to the launch of its application
	Computing              // it runs
	Switching              // VMs are being suspended or resumed
	Stopping               // its application has ended, its VMs are still there
)

var phaseNames = []string{"suspended", "booting", "running", "being suspended or resumed", "ended, not stopped yet"}

func (p Phase) String() string { return phaseNames[p] }

// Span is a time during which a vjob is in one phase. There is none while it
// waits for its first start.
type Span struct {
	VJob     int
	Phase    Phase
	From, To time.Duration
}

// Use is what is in use from an instant on.
type Use struct {
	At     time.Duration
	Wanted cluster.Millicores // by tasks whose VMs run
	CPU    cluster.Millicores // that they get
	Memory cluster.Bytes      // of VMs that run
}
