// Package protocol is one node of the iterative scheduling procedure (ISP), by
// which nodes repair overloads among themselves without a master.
//
// When its VMs ask for more than it has, a free node reserves itself and sends
// the event to its next node on the overlay. A free node that receives the
// event joins the partition and becomes its leader: it collects reports from
// the other members and looks for a viable placement of their VMs. If there is
// one, the leader has it carried out by live migration and releases all
// members; if there is none, it sends the event on to its first out, the next
// node outside the partition. A node that another partition holds passes the
// event to its own first out. An event that has gone all the way round makes
// its partition CNGROW; two such partitions merge.
//
// A Node is a state machine. Step takes one input and returns outputs: what to
// send, solve, migrate and time. The caller does these and brings their
// results back as inputs. The package knows neither clock nor network, does
// not call the solver, and draws no random number but from its own seed. The
// same node runs in the simulator, in tests that script every delivery, and in
// the agent.
//
// # Reservations
//
// A node is free or booked by one partition at one epoch. The epoch rises with
// every change of members or leader. A node obeys a message about a partition
// only if that partition holds it, at that epoch or a lower one; so a late
// message can't take a node away from a newer partition. Every reservation is
// a lease: if the leader falls silent, members free themselves, after the
// migrations they have under way.
//
// # Sources
//
//	[1] F. Quesnel, A. Lebre, M. Südholt. Cooperative and reactive scheduling
//	    in large-scale virtualized platforms with DVMS. Concurrency and
//	    Computation: Practice and Experience 25(12), 2013.
//	[2] A. Lebre. Contributions to the management of large-scale virtualized
//	    systems (habilitation thesis), chapter 3.
//
// # Differences from the sources
//
//   - An event that no longer holds ends its procedure as a success [2 grows on].
//   - Members, epochs and leases replace identifiers that change on each step.
//   - Exactly one of two partitions acts in a merge: the one with the lower ID.
//   - A procedure that found nothing backs off before it is tried again.
//   - A leader waits for Settings.Minimum members before it asks for a solution,
//     as later versions of the original did.
package protocol

import (
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// Input is something that happened: one of the types below.
type Input interface{ input() }

// Observed brings what the hypervisor says of this node. It must come before
// any other input that follows a change.
type Observed struct{ Local Local }

// Overloaded says that the monitor found the node overloaded.
type Overloaded struct{}

// Raised says that an event of another kind than an overload arose, or that it
// still holds. The driver says so once a monitor period, as for Overloaded.
type Raised struct{ Kind Kind }

// Received is a message from another node.
type Received struct{ Message Message }

// Solved answers Solve.
type Solved struct {
	Partition PartitionID
	Epoch     Epoch
	Found     bool      // there is a viable placement and a plan that leads to it
	Plan      plan.Plan // empty if nothing needs to move
	Reasons   string    // if nothing is found: what stood in the way, for a person
}

// Migrated answers Migrate, when the migration has ended.
type Migrated struct {
	VM cluster.VMID
	OK bool // the VM runs at its target; if not, it still runs here
}

// Up says that a node is there, for the first time or again.
type Up struct{ Node cluster.NodeID }

// Down says that a node is gone. What depends on it goes on at once instead of
// after a wait; nothing but time is lost if this never comes, or is wrong.
type Down struct{ Node cluster.NodeID }

// TimerFired answers SetTimer.
type TimerFired struct{ Timer Timer }

func (Observed) input()   {}
func (Overloaded) input() {}
func (Raised) input()     {}
func (Received) input()   {}
func (Solved) input()     {}
func (Migrated) input()   {}
func (TimerFired) input() {}
func (Up) input()         {}
func (Down) input()       {}

// Output is something that the node asks for: one of the types below.
type Output interface{ output() }

// Send asks to send a message. It may get lost; the protocol then loses time.
type Send struct {
	To      cluster.NodeID
	Message Message
}

// Solve asks for a viable placement of the VMs in the reports, on the nodes in
// the reports, and for a plan that leads to it. The answer is Solved.
type Solve struct {
	Partition PartitionID
	Epoch     Epoch
	Kinds     Kinds    // of the events that it is about
	Reports   []Report // in the order in which the nodes joined
}

// Migrate asks to migrate a VM from this node; or, by its Kind, to start or to
// resume one that waits or sleeps here. The answer is Migrated.
type Migrate struct {
	Kind      plan.Kind // plan.Migrate, plan.Run or plan.Resume
	VM        cluster.VMID
	Target    cluster.NodeID
	Partition PartitionID
	Bypass    bool // it goes to that node only to make room
}

// SetTimer asks for a TimerFired at the given instant. An earlier request for
// the same timer stays in force.
type SetTimer struct {
	Timer Timer
	At    time.Duration
}

// Began notes that this node's event started a procedure.
type Began struct {
	Partition PartitionID
	Kind      Kind
}

// Note is something that happens to a node in a procedure, or to all of it.
type Note uint8

// The notes.
const (
	Joined    Note = iota // the node joins, and leads from now on
	LeftOut               // the leader goes on without the node: it is silent, gone, or says that it is no member
	Short                 // the members ask for more than they have together: more are wanted, and the solver is not asked
	CameRound             // the event has seen all nodes: the partition is CNGROW
	TookIn                // the partition has taken Other in; the node led that
)

func (n Note) String() string {
	return [...]string{"joined", "left-out", "short", "came-round", "took-in"}[n]
}

// Noted notes a step of a procedure, for whoever wants to explain it later.
type Noted struct {
	Partition PartitionID
	Epoch     Epoch
	Note      Note
	Node      cluster.NodeID
	Other     PartitionID // for TookIn
	Members   int         // of the partition, with the node
}

// Answered tells what became of the event that this node raised. For a drain
// that can't be done, Reasons says which VMs can't leave, and why.
type Answered struct {
	Partition PartitionID // the one that ended; another one if they merged
	Kinds     Kinds
	Outcome   Outcome
	Reasons   string
}

// Applying notes that this leader starts to carry out a plan.
type Applying struct {
	Partition  PartitionID
	Nodes      int
	Migrations int
}

// Ended notes the end of a procedure, at its leader, or at a member that gave
// it up for lost.
type Ended struct {
	Partition PartitionID
	Outcome   Outcome
	Members   []cluster.NodeID // in the order in which they joined
	Kinds     Kinds
	Reasons   string // for Unsolvable: what the solver said last
	Tally     Tally
}

func (Send) output()     {}
func (Solve) output()    {}
func (Migrate) output()  {}
func (SetTimer) output() {}
func (Began) output()    {}
func (Applying) output() {}
func (Ended) output()    {}
func (Noted) output()    {}
func (Answered) output() {}

// Step advances the node by one input and returns what it asks for, in order.
//
// Step does no I/O, starts no goroutine, and reads neither clock nor random
// source: for a given node and the same inputs it returns the same outputs.
// now is the time since the node started; it never goes back. The returned
// slice is valid until the next Step.
func (n *Node) Step(now time.Duration, in Input) []Output {
	n.out = n.out[:0]
	if lease := &n.alarms[LeaseTimer]; lease.due != 0 && lease.due <= now {
		lease.due = 0 // over, even if its timer comes late
		n.leaseEnded(now)
	}
	switch in := in.(type) {
	case Observed:
		n.observe(in.Local)
	case Overloaded:
		n.raise(now, Overload)
	case Raised:
		n.raise(now, in.Kind)
	case Received:
		n.receive(now, in.Message)
	case Solved:
		n.solved(now, in)
	case Migrated:
		n.migrated(now, in)
	case TimerFired:
		n.fired(now, in.Timer)
	case Up:
		n.up(in.Node)
	case Down:
		n.down(now, in.Node)
	default:
		panic(fmt.Sprintf("protocol: unknown input %T", in))
	}
	for len(n.self) > 0 { // messages to itself need no network
		m := n.self[0]
		n.self = n.self[1:]
		n.receive(now, m)
	}
	return n.out
}
