// Package experiment runs schedulers on simulated data centres and records
// what happens.
//
// A Scenario says all that decides a run: hosts, VMs, what these ask for,
// settings, which strategies and seeds. Run makes one run of it: it puts hosts
// and VMs into a simulation (package sim), one state machine per node beside
// it (packages protocol and strategy), lets the injector change loads, turns
// what the machines ask for into messages with latency, solver calls with a
// cost and migrations that share links, and writes a trace.
//
// For one build, a scenario, a strategy and a seed give the same trace, byte
// for byte, on any machine. Solver effort is charged in search steps, not in
// wall time, for that reason.
//
// Sources:
//
//	[1] A. Lebre, J. Pastor and M. Südholt, "VMPlaceS: A Generic Tool to
//	    Investigate and Compare VM Placement Algorithms", Euro-Par 2015.
package experiment

import (
	"context"
	"fmt"
	"io/fs"
	"time"

	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// Strategies are the names of the schedulers that can be compared, and Usual
// those that are if nothing else is said.
var (
	Strategies = []string{"none", "centralized", "ffd", "dvms", "dvms-spiral"}
	Usual      = []string{"none", "centralized", "dvms"}
)

// Spec is one run of a scenario.
type Spec struct {
	Scenario Scenario
	Strategy string
	Seed     uint64
	Version  string // of the program, for the trace's header
	Files    fs.FS  // where Workload.Traces is; nil if it is not needed
	// Check makes the simulation look at its invariants, and at those of the
	// protocol, after each event, and end with an error when one does not hold; it
	// is a *Breach if it is the protocol's. The run is the same. When it is over, it
	// goes on without records, faults and changes of load, to see whether it comes
	// to rest. It takes several times as long.
	Check bool
}

// Progress is how far a run has come.
type Progress struct {
	At     time.Duration // simulated
	Events uint64        // processed by the simulation kernel
}

// Stats is what a run took.
type Stats struct {
	Partial bool // it was interrupted
	Events  uint64
}

// A run looks for an interrupt and reports its progress after each part: a
// second of simulated time, or less if the whole is short.
const (
	longestPart = time.Second
	fewestParts = 400
)

// Run makes one run and gives its records to sink. progress, unless it is nil,
// is called now and then. When ctx is cancelled, the run ends early with a
// valid trace that says so.
//
// Errors are of type *KeyError if a value of the scenario can't be used, and of
// type *injector.FileError if a trace can't be read.
func Run(ctx context.Context, spec Spec, sink trace.Sink, progress func(Progress)) (Stats, error) {
	w, err := newWorld(spec, sink)
	if err != nil {
		return Stats{}, err
	}
	end := time.Duration(spec.Scenario.Duration)
	w.start()
	partial := false
	part := max(min(end/fewestParts, longestPart), 1)
	for until := time.Duration(0); until < end; {
		until = min(until+part, end)
		if err := w.sim.Run(sim.Of(until)); err != nil {
			return Stats{}, err
		}
		if progress != nil {
			progress(Progress{until, w.sim.Events()})
		}
		if ctx.Err() != nil && until < end {
			partial = true
			break
		}
	}
	w.finish(partial)
	stats := Stats{Partial: partial, Events: w.sim.Events()}
	if spec.Check && !partial {
		err = w.settle()
	}
	return stats, err
}

// repairs reports whether a strategy is DVMS, on whatever overlay: hosts look
// at themselves.
func repairs(strategy string) bool { return strategy == "dvms" || strategy == "dvms-spiral" }

func hostName(i int) string { return fmt.Sprintf("node%d", i) }

func vmName(i int) string { return fmt.Sprintf("vm-%d", i) }
