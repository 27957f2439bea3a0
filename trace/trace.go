// Package trace is the record of a run, simulated or real: what happened and
// when, as JSON lines that a later version still reads.
//
// A trace begins with one Header and ends with one End; between them stand
// the other records in the order in which they were completed (a violation is
// written when it ends, with its start and duration). Nothing in a trace
// depends on the machine that made it: the same build, scenario and seed give
// the same bytes. docs/file-formats.md describes the format for users.
package trace

import (
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Schema is the name and version of the format, the first field of a Header.
// The number rises when a field changes its meaning or goes away; new fields
// and new types of records may come without.
const Schema = "dvms-trace/1"

// Record is one line of a trace: one of the types below.
type Record interface {
	// Type is the value of the "type" field of the record's line.
	Type() string
}

// Sink takes the records of a run as they are completed.
type Sink interface {
	Record(Record)
}

// Header says which run the trace is of.
type Header struct {
	Schema   string        // see Schema
	Version  string        // of the program that made the run
	Scenario string        // name of the scenario
	Strategy string        // none, centralized, dvms, ...
	Workload string        // gaussian, vmplaces, planetlab:DIR, ...
	Seed     uint64        //
	Hosts    int           //
	Sites    int           // on which the hosts stand
	VMs      int           // those that come later included
	Duration time.Duration // how long the run was meant to last
}

// Load is a sample of the whole cluster, taken at regular instants.
type Load struct {
	At         time.Duration
	Demand     cluster.Millicores // sum over the VMs
	Capacity   cluster.Millicores // sum over the hosts
	Violated   int                // hosts whose VMs ask for more than they have
	Migrations int                // migrations under way
	Partitions int                // partitions alive (0 for other strategies)
	Booked     int                // nodes reserved by a partition
	Empty      int                // hosts without a VM
}

// Violation is a time during which the VMs of a host asked for more than it
// has. A violation that is still open when the run ends is cut there.
type Violation struct {
	At       time.Duration // when it began
	Duration time.Duration
	Host     string
	Resource cluster.Resource   // cpu or memory: the first one exceeded at the beginning
	Arrival  bool               // it began with the arrival of a migrating VM, not with a change of load
	Lost     cluster.Millicores // most CPU that was missing at an instant
	Open     bool               // it had not ended when the run ended
}

// Solve is one call of the placement solver.
type Solve struct {
	At        time.Duration // when it was asked for
	Duration  time.Duration // simulated time charged for it
	Node      string        // who asked
	Partition string        // for which partition; empty if there are none
	Nodes     int           // considered
	VMs       int           // considered
	Answer    string        // viable, already-viable, infeasible, exhausted
	Steps     int           // search steps spent
	Moves     int           // migrations in the plan
	Bytes     cluster.Bytes // memory moved by the plan
	Reasons   string        // for infeasible: what ruled out how many placements
}

// Migration is one live migration.
type Migration struct {
	At        time.Duration // when it started
	Duration  time.Duration
	VM        string
	From      string
	To        string
	FromSite  string
	ToSite    string
	Bytes     cluster.Bytes // sent in all rounds
	Rounds    int           // of pre-copy, the stop-and-copy not counted
	Downtime  time.Duration
	Outcome   string // done, failed, or open when the run ended first
	Partition string // on whose behalf; empty if there are no partitions
	Reason    string // why, for a person: "node7 overloaded"
}

// Reconfiguration is the carrying out of one plan.
type Reconfiguration struct {
	At         time.Duration
	Duration   time.Duration
	Partition  string
	Nodes      int
	Migrations int
	Outcome    string // done, aborted, or open when the run ended first
}

// Partition is the life of one iterative scheduling procedure, from the event
// to the release of its members.
type Partition struct {
	At        time.Duration
	Duration  time.Duration
	ID        string // initiator and sequence number, as in "node7.3"
	Initiator string
	Members   []string // in the order of joining, at the end
	Sites     int      // different sites among the members
	Hops      int      // messages that carried the event
	Merges    int
	Solves    int
	Kind      string // of its event: overload, underload, drain, place or rule
	Reasons   string // for unsolvable: what the solver said last
	Outcome   string // solved, vanished, unsolvable, aborted, merged, lost, or open
	// Messages that named this partition until it ended: those that a partition
	// was sent before it was merged are its own.
	Messages int
	Bytes    cluster.Bytes // of these messages
}

// Step is something that happened to a node in a procedure, or to all of it.
type Step struct {
	At        time.Duration
	Partition string
	Node      string
	// What is joined (the node leads from now on), left-out (it is silent, gone, or
	// no member), short (the members ask for more than they have; the node leads),
	// came-round (the event has seen all nodes, and is back at this one) or
	// took-in (the partition took Other in, which the node led).
	What    string
	Members int    // of the partition, with the node
	Other   string // for took-in
}

// Request is something that an operator asked of a node, from then until it was
// done, taken back, or the run ended. A request of several hosts has a record
// for each.
type Request struct {
	At       time.Duration // when it was asked
	Duration time.Duration // until all of it was so
	Request  string        // as the operator would call it: "drain node0..node5 (600s)"
	Kind     string        // drain, place, suspend or rule
	Node     string        // who was asked; empty if all are
	VMs      int           // that are to leave, to run, or of which the rule speaks
	Answers  int           // that were given so far
	Outcome  string        // done, withdrawn, or open when the run ended first
	Reasons  string        // unless it is done: what the last answer said stood in the way
}

// Answer is what a node is told that raised an event on behalf of an operator,
// when its procedure has ended. An event that could not be solved is raised again.
type Answer struct {
	At        time.Duration // when the event was raised
	Duration  time.Duration // until the answer
	Node      string        // who is told
	Kind      string        // drain, place or rule
	Partition string        // that ended; empty if there are none
	Outcome   string        // solved, vanished, unsolvable, aborted, merged or lost
	Reasons   string        // for unsolvable: which VMs can't leave, for instance, and why
}

// Start is the start of a VM that waited for it, or the end of a VM's sleep.
type Start struct {
	At        time.Duration // when its boot began, or its memory was read back
	Duration  time.Duration
	VM        string
	Resumed   bool   // it was suspended before
	Node      string // where it waited, or its image lay
	On        string // where it runs from now on
	Outcome   string // done, failed, or open when the run ended first
	Partition string // on whose behalf; empty if there are no partitions
}

// Starved sums up the run of a VM that at some time did not get the CPU that
// it asked for. VMs that always got it have no record.
type Starved struct {
	VM       string
	Duration time.Duration // for how long it got less than it asked for
	Asked    float64       // core-seconds over the whole run
	Lost     float64       // core-seconds asked for and not given
}

// Place is where a node took itself to be when the run ended, for overlays with
// network coordinates: in microseconds, so that distances predict round trips.
type Place struct {
	Node   string
	Site   string
	Vector []float64
	Height float64 // to be added at both ends
	Error  float64 // share by which it takes its predictions to be off
}

// Fault is something that goes wrong, or is put right again.
type Fault struct {
	At time.Duration
	// What is host-crash, agent-crash, host-return, agent-return, cut (the
	// network falls into two parts) or healed (it is whole again).
	What  string
	Host  string // empty for cuts
	Hosts int    // that it concerns; for a cut, those on the far side
}

// Messages sums up what went wrong with messages between nodes, gossip
// included, in a run with faults.
type Messages struct {
	Lost    int // by chance, by cuts, or because their receiver was down
	Doubled int
}

// End closes a trace. A trace without it was cut off.
type End struct {
	At          time.Duration // simulated time reached
	Partial     bool          // the run was interrupted
	Messages    int           // sent between nodes, gossip not counted
	Bytes       cluster.Bytes // of these messages, about as agents would send them
	Gossip      int           // messages by which an overlay keeps itself up
	GossipBytes cluster.Bytes // of these
	Changes     int           // changes of load injected
	Events      uint64        // processed by the simulation kernel
	VMSeconds   float64       // core-seconds asked for by all VMs
	LostShare   float64       // share of them not given, 0 to 1
	Violations  int           // for a check against the records: how many Violation records
	Migrated    int           // how many Migration records
}

// Type names the record in its line.
func (Header) Type() string { return "header" }

// Type names the record in its line.
func (Load) Type() string { return "load" }

// Type names the record in its line.
func (Violation) Type() string { return "violation" }

// Type names the record in its line.
func (Solve) Type() string { return "solve" }

// Type names the record in its line.
func (Migration) Type() string { return "migration" }

// Type names the record in its line.
func (Reconfiguration) Type() string { return "reconfiguration" }

// Type names the record in its line.
func (Partition) Type() string { return "partition" }

// Type names the record in its line.
func (Step) Type() string { return "step" }

// Type names the record in its line.
func (Request) Type() string { return "request" }

// Type names the record in its line.
func (Answer) Type() string { return "answer" }

// Type names the record in its line.
func (Start) Type() string { return "start" }

// Type names the record in its line.
func (Starved) Type() string { return "starved" }

// Type names the record in its line.
func (Place) Type() string { return "place" }

// Type names the record in its line.
func (Fault) Type() string { return "fault" }

// Type names the record in its line.
func (Messages) Type() string { return "messages" }

// Type names the record in its line.
func (End) Type() string { return "end" }
