package replay

import (
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/trace"
)

// story is what the procedures did, as records of a trace.
type story struct {
	records []trace.Record
	vms     map[cluster.VMID]string // names
	local   map[cluster.NodeID]protocol.Local
	open    map[protocol.PartitionID]*procedure
	order   []protocol.PartitionID // of all, as they began
	closed  map[protocol.PartitionID]bool
	solving map[cluster.NodeID]question
	moving  map[cluster.VMID]*trace.Migration
	moved   int
}

// procedure is one that has not ended.
type procedure struct {
	began   time.Duration
	kind    protocol.Kind
	applied time.Duration
	plan    protocol.Applying
	active  bool // its plan is being carried out
}

// question is one that a solver works at.
type question struct {
	protocol.Solve
	at time.Duration
}

func newStory() *story {
	return &story{
		vms: map[cluster.VMID]string{}, local: map[cluster.NodeID]protocol.Local{}, open: map[protocol.PartitionID]*procedure{}, closed: map[protocol.PartitionID]bool{},
		solving: map[cluster.NodeID]question{}, moving: map[cluster.VMID]*trace.Migration{},
	}
}

// given keeps what a node was given.
func (s *story) given(l *replayed, at time.Duration, step *agent.Step) {
	switch in := step.In.(type) {
	case protocol.Observed:
		s.local[l.result.Node] = in.Local
		for _, vms := range [][]cluster.VM{in.Local.VMs, in.Local.Waiting, in.Local.Sleeping} {
			for _, v := range vms {
				s.vms[v.ID] = v.Name
			}
		}
	case protocol.Solved:
		s.solved(l, at, in, step.Solver)
	case protocol.Migrated:
		if m := s.moving[in.VM]; m != nil && m.From == agent.NodeName(l.result.Node) {
			m.Duration, m.Outcome = at-m.At, "failed"
			if in.OK {
				m.Outcome = "done"
			}
			s.migrated(*m)
			delete(s.moving, in.VM)
		}
	}
}

// solved records the answer to a question.
func (s *story) solved(l *replayed, at time.Duration, in protocol.Solved, by *agent.Solver) {
	q, ok := s.solving[l.result.Node]
	if !ok || q.Partition != in.Partition || q.Epoch != in.Epoch {
		return
	}
	delete(s.solving, l.result.Node)
	r := trace.Solve{
		At: q.at, Duration: at - q.at, Node: agent.NodeName(l.result.Node), Partition: agent.PartitionName(in.Partition),
		Nodes: len(q.Reports), Moves: len(in.Plan.Actions), Reasons: in.Reasons,
	}
	if by != nil {
		r.VMs, r.Answer, r.Steps, r.Bytes = by.VMs, by.Answer, by.Steps, by.Moved
	}
	s.records = append(s.records, r)
}

// asked keeps what a node asked for.
func (s *story) asked(l *replayed, at time.Duration, out protocol.Output) {
	switch out := out.(type) {
	case protocol.Began:
		s.procedure(out.Partition, at).kind = out.Kind
	case protocol.Noted:
		s.procedure(out.Partition, at)
		s.records = append(s.records, trace.Step{
			At: at, Partition: agent.PartitionName(out.Partition), Node: agent.NodeName(out.Node), What: out.Note.String(),
			Members: out.Members, Other: agent.PartitionName(out.Other),
		})
	case protocol.Solve:
		s.solving[l.result.Node] = question{out, at}
	case protocol.Applying:
		p := s.procedure(out.Partition, at)
		p.applied, p.plan, p.active = at, out, true
	case protocol.Migrate:
		s.moving[out.VM] = &trace.Migration{
			At: at, VM: s.vms[out.VM], From: agent.NodeName(l.result.Node), To: agent.NodeName(out.Target), Outcome: "open",
			Partition: agent.PartitionName(out.Partition), Reason: s.reason(l.result.Node, out),
		}
	case protocol.Ended:
		s.ended(at, out)
	}
}

// procedure returns what is known of a procedure that has not ended. What members
// still do in one that has ended is kept, and does not open it again.
func (s *story) procedure(id protocol.PartitionID, at time.Duration) *procedure {
	if s.closed[id] {
		return &procedure{}
	}
	if s.open[id] == nil {
		s.open[id] = &procedure{began: at}
		s.order = append(s.order, id)
	}
	return s.open[id]
}

// reason says to a person why a VM moves or starts.
func (s *story) reason(from cluster.NodeID, m protocol.Migrate) string {
	local, name := s.local[from], agent.NodeName(from)
	var asked cluster.Resources
	for _, v := range local.VMs {
		asked = asked.Plus(v.Demand)
	}
	over, exceeded := asked.Exceeding(local.Capacity)
	switch {
	case m.Kind == plan.Run:
		return "to be started"
	case m.Kind == plan.Resume:
		return "to be resumed"
	case m.Bypass:
		return "breaks a cycle"
	case local.Draining:
		return name + " is to be emptied"
	case !exceeded:
		return "makes room on " + name
	case over == cluster.Memory:
		return fmt.Sprintf("%s overloaded: memory %v of %v", name, asked.Memory(), local.Capacity.Memory())
	default:
		return fmt.Sprintf("%s overloaded: cpu %v of %v", name, asked.CPU(), local.Capacity.CPU())
	}
}

// ended records the end of a procedure. Only the first word counts: a member may
// give up for lost what its leader has ended.
func (s *story) ended(at time.Duration, e protocol.Ended) {
	p := s.open[e.Partition]
	if p == nil {
		return
	}
	outcome := "aborted"
	if e.Outcome == protocol.SolvedOutcome {
		outcome = "done"
	}
	s.close(e.Partition, p, at, outcome, trace.Partition{
		Members: names(e.Members), Hops: e.Tally.Hops, Merges: e.Tally.Merges, Solves: e.Tally.Solves,
		Kind: (e.Kinds | protocol.Of(p.kind)).String(), Reasons: e.Reasons, Outcome: e.Outcome.String(),
	})
}

// close records a procedure, and the plan that it carried out.
func (s *story) close(id protocol.PartitionID, p *procedure, at time.Duration, planned string, r trace.Partition) {
	if p.active {
		s.records = append(s.records, trace.Reconfiguration{
			At: p.applied, Duration: at - p.applied, Partition: agent.PartitionName(id), Nodes: p.plan.Nodes, Migrations: p.plan.Migrations, Outcome: planned,
		})
	}
	r.At, r.Duration, r.ID, r.Initiator, r.Sites = p.began, at-p.began, agent.PartitionName(id), agent.NodeName(id.Initiator), 1
	s.records = append(s.records, r)
	delete(s.open, id)
	s.closed[id] = true
}

func (s *story) migrated(m trace.Migration) {
	s.moved++
	s.records = append(s.records, m)
}

// write writes the whole trace. What has not ended ends with it.
func (s *story) write(to trace.Sink, h trace.Header, end trace.End) {
	for _, vm := range sortedKeys(s.moving) {
		m := *s.moving[vm]
		m.Duration = end.At - m.At
		s.migrated(m)
	}
	for _, id := range s.order {
		if p := s.open[id]; p != nil {
			s.close(id, p, end.At, "open", trace.Partition{
				Members: names([]cluster.NodeID{id.Initiator}), Kind: p.kind.String(), Outcome: "open",
			})
		}
	}
	to.Record(h)
	for _, r := range s.records {
		to.Record(r)
	}
	end.Migrated = s.moved
	to.Record(end)
}

func sortedKeys[V any](m map[cluster.VMID]V) []cluster.VMID {
	keys := make([]cluster.VMID, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func names(ids []cluster.NodeID) []string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = agent.NodeName(id)
	}
	return all
}
