package agent

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// NodeName is the name of a node, for people.
func NodeName(id cluster.NodeID) string { return fmt.Sprint("n", id) }

// PartitionName is the name of a procedure, for people: n3.2 is the second of
// node 3, and n3-2.1 the first since the node's agent started a second time.
func PartitionName(id protocol.PartitionID) string {
	if id == (protocol.PartitionID{}) {
		return ""
	}
	node := NodeName(id.Initiator)
	if life := id.Life(); life > 0 {
		return fmt.Sprintf("%s-%d.%d", node, life+1, id.Number())
	}
	return fmt.Sprintf("%s.%d", node, id.Number())
}

// Status is what an agent's node is doing.
type Status struct {
	Node      cluster.NodeID       `json:"node"`
	Booked    bool                 `json:"booked,omitempty"`
	Partition protocol.PartitionID `json:"partition,omitzero"`
	State     protocol.State       `json:"state,omitempty"`
	Leader    cluster.NodeID       `json:"leader,omitempty"`
	Members   []cluster.NodeID     `json:"members,omitempty"`
	Applying  bool                 `json:"applying,omitempty"` // it leads, and its plan is carried out
	Sent      int                  `json:"sent,omitempty"`     // messages of the protocol so far
	Answer    *Answer              `json:"answer,omitempty"`   // to the last event that this node raised
}

// Answer says what became of an event.
type Answer struct {
	Event   string `json:"event"`             // overload, drain, …
	Outcome string `json:"outcome"`           // solved, unsolvable, …
	Reasons string `json:"reasons,omitempty"` // if there was no solution: what stood in the way
}

// same reports whether nothing but the count of messages differs.
func (s Status) same(o Status) bool {
	return s.Booked == o.Booked && s.Partition == o.Partition && s.State == o.State && s.Leader == o.Leader &&
		s.Applying == o.Applying && slices.Equal(s.Members, o.Members)
}

// Happening is something that a person may want to know: a procedure began, its
// plan is carried out, a VM moves, the procedure ended, there is an answer to the
// node's own event (in Status), or the status changed.
type Happening struct {
	Kind       string               `json:"kind"`            // began, applying, migrate, ended, answered or status
	Event      string               `json:"event,omitempty"` // for began: the kind of event
	Partition  protocol.PartitionID `json:"partition,omitzero"`
	VM         cluster.VMID         `json:"vm,omitempty"`
	Target     cluster.NodeID       `json:"target,omitempty"`
	Migrations int                  `json:"migrations,omitempty"` // of the plan
	Members    []cluster.NodeID     `json:"members,omitempty"`
	Outcome    string               `json:"outcome,omitempty"`
	Status     Status               `json:"status"`
}

// note tells of an output that asks for nothing.
func (a *Agent) note(out protocol.Output) {
	switch out := out.(type) {
	case protocol.Began:
		a.tell(Happening{Kind: "began", Partition: out.Partition, Event: out.Kind.String()})
	case protocol.Applying:
		a.status.Applying = true
		a.tell(Happening{Kind: "applying", Partition: out.Partition, Migrations: out.Migrations})
	case protocol.Ended:
		a.tell(Happening{Kind: "ended", Partition: out.Partition, Outcome: out.Outcome.String(), Members: out.Members})
	case protocol.Answered:
		a.status.Answer = &Answer{Event: out.Kinds.String(), Outcome: out.Outcome.String(), Reasons: out.Reasons}
		a.log.Info("answered", "event", out.Kinds, "outcome", out.Outcome, "reasons", out.Reasons)
		a.tell(Happening{Kind: "answered", Partition: out.Partition})
	}
}

func (a *Agent) tell(h Happening) {
	a.log.Debug(h.Kind, "partition", h.Partition, "vm", h.VM, "target", h.Target, "outcome", h.Outcome)
	if a.watch != nil {
		h.Status = a.status
		h.Status.Node = a.settings.ID
		a.watch(h)
	}
}

// tellStatus tells of the node's reservation if that has changed.
func (a *Agent) tellStatus() {
	id, booked := a.node.Booked()
	s := Status{Node: a.settings.ID, Booked: booked, Sent: a.status.Sent, Answer: a.status.Answer}
	if booked {
		s.Partition, s.State, s.Leader, s.Members = id, a.node.State(), a.node.Leader(), a.node.Members()
		s.Applying = a.status.Applying && s.Leader == a.settings.ID && s.Partition == a.status.Partition
	}
	was := a.status
	a.status = s
	if !s.same(was) {
		a.tell(Happening{Kind: "status", Partition: s.Partition})
	}
}
