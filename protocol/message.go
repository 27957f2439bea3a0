package protocol

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
)

// PartitionID identifies a procedure and the partition that it reserves: the
// node where its event arose, and a number that this node never uses again. Above
// the number proper it has the node's life, as Epoch has.
type PartitionID struct {
	Initiator cluster.NodeID
	Sequence  uint32
}

// Life returns how often the initiator had been started before the one in which it
// began the procedure.
func (p PartitionID) Life() uint32 { return p.Sequence >> lifeBits }

// Number returns which of the initiator's procedures this is, from 1 on in each life.
func (p PartitionID) Number() uint32 { return p.Sequence & (1<<lifeBits - 1) }

// String prints the name of the event, as in e1.2: the second of node 1.
func (p PartitionID) String() string { return fmt.Sprintf("e%d.%d", p.Initiator, p.Sequence) }

// Compare orders partitions; of two that may merge, the lower one acts.
func (p PartitionID) Compare(o PartitionID) int {
	return cmp.Or(cmp.Compare(p.Initiator, o.Initiator), cmp.Compare(p.Sequence, o.Sequence))
}

// Epoch counts the changes of members and leader of a partition. It never falls.
//
// In its lowest bits it has the life of the node that made the last change, which
// is how often that node had been started before. A node that crashes, returns and
// joins again, by an event that came twice, leads at a later epoch than it did before
// the crash: what others still say about that time can't be taken for news.
type Epoch uint64

// lifeBits is how many bits of an epoch, and of a procedure's number above its own,
// say how often a node had been started before.
const lifeBits = 16

// next returns the epoch that a node in the given life goes on to.
func (e Epoch) next(life uint16) Epoch { return (e/Change+1)*Change + Epoch(life) }

// Change is by how much an epoch rises with one change of members or leader, at
// a node that has been started once.
const Change Epoch = 1 << lifeBits

// never is later than all epochs.
const never = ^Epoch(0)

// String prints the number of changes, and the life if it is not the first, as in
// 3 or 3.1; and never for the epoch after all others.
func (e Epoch) String() string {
	if e == never {
		return "never"
	}
	changes := strconv.FormatUint(uint64(e/Change), 10)
	if life := uint16(e); life > 0 {
		return changes + "." + strconv.FormatUint(uint64(life), 10)
	}
	return changes
}

// ParseEpoch reads what String prints.
func ParseEpoch(s string) (Epoch, error) {
	if s == never.String() {
		return never, nil
	}
	changes, life, later := strings.Cut(s, ".")
	c, err := strconv.ParseUint(changes, 10, 64-lifeBits)
	l := uint64(0)
	if err == nil && later {
		l, err = strconv.ParseUint(life, 10, lifeBits)
	}
	if err != nil {
		return 0, fmt.Errorf("%.30q is not an epoch, as in 3 or 3.1", s)
	}
	return Epoch(c)*Change + Epoch(l), nil
}

// MarshalText writes what String prints.
func (e Epoch) MarshalText() ([]byte, error) { return []byte(e.String()), nil }

// UnmarshalText reads what String prints.
func (e *Epoch) UnmarshalText(text []byte) (err error) {
	*e, err = ParseEpoch(string(text))
	return err
}

// State says whether a partition can grow.
type State uint8

// The states of a partition.
const (
	Grow       State = iota // its event looks for a free node
	CannotGrow              // its event has seen all nodes, and looks for a free node or a partition to merge with
)

func (s State) String() string {
	if s == Grow {
		return "GROW"
	}
	return "CNGROW"
}

// Outcome says how a procedure ended.
type Outcome uint8

// The outcomes of a procedure.
const (
	SolvedOutcome Outcome = iota // a plan was carried out
	Vanished                     // the event no longer held: a success without a plan
	Unsolvable                   // no placement with the nodes that could be had
	Aborted                      // an action of the plan failed
	MergedAway                   // its members and its event are now another partition's
	Lost                         // its leader fell silent, or its event did
)

var outcomeNames = []string{"solved", "vanished", "unsolvable", "aborted", "merged", "lost"}

func (o Outcome) String() string { return outcomeNames[o] }

// Tally counts what a procedure took.
type Tally struct {
	Hops   int // messages that carried its event
	Solves int // calls of the solver
	Merges int // partitions that it took in
}

// Message is what one node tells another about a partition.
type Message struct {
	From      cluster.NodeID
	Partition PartitionID
	Epoch     Epoch
	Body      Body
}

// Body is the content of a message: one of the types below, or one of another
// strategy that shares the wire. What a body refers to is never changed.
type Body any

// Event travels along the overlay and looks for a node that joins.
type Event struct {
	State   State
	Leader  cluster.NodeID
	Members []cluster.NodeID // in the order in which they joined
	Kinds   Kinds
	Target  int  // how many members are wanted before the solver is asked
	Tried   bool // there is no solution with these members
	Round   int  // hops since it last left its leader or initiator
	Busy    bool // while CNGROW: it has passed a partition that is not
	// Aside says that a member took the event off its way, to the leader with
	// which it may merge; From is where it goes on if not.
	Aside bool
	From  cluster.NodeID
	Tally Tally
	Path  overlay.Path // what the overlay tells itself at the next node
}

// Lead tells a member who leads it now. The answer is Report or Refuse.
type Lead struct {
	Members []cluster.NodeID
	Kinds   Kinds
	Tally   Tally
	// Absorbed is the partition, and its epoch, whose members this one takes
	// over in a merge. It is the zero value otherwise.
	Absorbed      PartitionID
	AbsorbedEpoch Epoch
}

// Report tells a leader all that it needs to solve.
type Report struct {
	Node  cluster.NodeID
	Local Local
	Holds Kinds // the events that hold on the node
}

// Refuse answers Lead: the node is not, or no longer, in that partition.
type Refuse struct{}

// Stuck tells members that the partition is CNGROW.
type Stuck struct {
	Leader  cluster.NodeID
	Members []cluster.NodeID
	Tally   Tally
}

// Returned tells the leader that its CNGROW event came back to the initiator.
type Returned struct {
	Tally Tally
	Busy  bool // as in Event
}

// Passing tells a leader that its event is still on its way. A node that passes
// it on says so once in a while.
type Passing struct{}

// Renew keeps the members' leases alive.
type Renew struct{}

// Release frees a member.
type Release struct {
	Outcome Outcome
	Busy    bool // for Unsolvable: other partitions had nodes that may soon be free
	// Lacking is, for Unsolvable, what all live nodes together were short of.
	Lacking cluster.Resources
	Reasons string // for Unsolvable: what the solver said last
}

// Merge asks the leader of a CNGROW partition to give it away to another one.
type Merge struct {
	Into      PartitionID
	IntoEpoch Epoch
	Members   []cluster.NodeID // of the partition that asks
}

// Merged answers Merge.
type Merged struct {
	Into    PartitionID
	OK      bool
	Members []cluster.NodeID // of the partition that is given away
	Kinds   Kinds            // of its events
	Tally   Tally
}

// Order tells the source of an action of the plan to start it.
type Order struct {
	Action int       // index into the plan
	Kind   plan.Kind // plan.Migrate, plan.Run or plan.Resume
	VM     cluster.VMID
	Target cluster.NodeID
	Bypass bool
}

// Done tells the leader that an action has ended.
type Done struct {
	Action int
	OK     bool
}

// Admit asks the target of a migration to promise room.
type Admit struct {
	VM     cluster.VMID
	Demand cluster.Resources
}

// Admitted answers Admit.
type Admitted struct {
	VM cluster.VMID
	OK bool
}

// Settled tells the target that the migration has ended, and its promise.
type Settled struct{ VM cluster.VMID }

// Ask asks the source of a migration, which has not been heard of for long,
// whether it is still under way. The leader asks, and so does the target. The
// answer is Moving if it is, and else what got lost: Done or Settled.
type Ask struct {
	Kind   plan.Kind // of the action, if the leader asks
	VM     cluster.VMID
	Action int // index into the plan
	Leader bool
}

// Moving answers Ask.
type Moving struct{ VM cluster.VMID }
