package experiment

import (
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// do carries out what a machine asks for.
func (w *world) do(node int, outputs []protocol.Output) {
	now := w.now()
	w.count(outputs)
	for _, out := range outputs {
		switch out := out.(type) {
		case protocol.Send:
			for _, at := range w.arrivals(node, int(out.To)) {
				w.deliver(int(out.To), protocol.Received{Message: out.Message}, at)
			}
		case protocol.Solve:
			if w.checker != nil {
				w.checker.asks(node, out)
			}
			w.solve(node, out)
		case protocol.Migrate:
			if out.Kind == plan.Run || out.Kind == plan.Resume {
				w.launch(node, out)
			} else {
				w.migrate(node, out)
			}
		case protocol.SetTimer:
			w.setTimer(node, out.Timer, out.At)
		case protocol.Began: // see count
			w.operator.raise(node, out.Kind, now)
		case protocol.Noted:
			w.noted(now, out)
			if w.checker != nil {
				w.checker.noted(out)
			}
		case protocol.Answered:
			w.answered(node, out)
		case protocol.Applying:
			if w.checker != nil {
				w.checker.applies(node)
			}
			p := w.procedure(out.Partition)
			p.applied, p.plan, p.active = now, out, true
		case protocol.Ended:
			if w.checker != nil {
				w.checker.ended(out)
			}
			w.ended(now, out)
		default:
			panic(fmt.Sprintf("experiment: unknown output %T", out))
		}
	}
}

// noted records a step of a procedure.
func (w *world) noted(now time.Duration, n protocol.Noted) {
	w.sink.Record(trace.Step{
		At: now, Partition: w.partitionName(n.Partition), Node: hostName(int(n.Node)),
		What: n.Note.String(), Members: n.Members, Other: w.partitionName(n.Other),
	})
}

// procedure returns what the run knows of a partition. The zero ID stands for
// a scheduler without partitions.
func (w *world) procedure(id protocol.PartitionID) *procedure {
	if p, ok := w.partitions[id]; ok {
		return p
	}
	if id == (protocol.PartitionID{}) {
		return &w.central
	}
	return &procedure{} // it is over; what its members still do is not recorded
}

// solve calls the solver, and delivers its answer after the time that its
// search steps are charged with.
func (w *world) solve(node int, s protocol.Solve) {
	set := w.spec.Scenario.Settings.Solver
	now := w.now()
	if s.Partition == (protocol.PartitionID{}) {
		w.central.began = now
	}
	d := w.decide(s, set.Budget)
	took := time.Duration(set.Fixed) + time.Duration(d.Steps)*time.Duration(set.Step)
	w.sink.Record(trace.Solve{
		At: now, Duration: took, Node: w.nodeName(node), Partition: w.partitionName(s.Partition),
		Nodes: d.Nodes, VMs: d.VMs, Answer: d.Answer, Steps: d.Steps,
		Moves: len(d.Plan.Actions), Bytes: d.Moved, Reasons: d.Reasons,
	})
	w.deliver(node, protocol.Solved{Partition: s.Partition, Epoch: s.Epoch, Found: d.Found, Plan: d.Plan, Reasons: d.Reasons}, now+took)
}

func (w *world) nodeName(node int) string {
	if node >= len(w.hosts) {
		return "service"
	}
	return hostName(node)
}

// partitionName is the name of a partition in traces: its initiator and a
// number, as in node7.3.
func (w *world) partitionName(id protocol.PartitionID) string {
	if id == (protocol.PartitionID{}) {
		return ""
	}
	return fmt.Sprintf("%s.%d", hostName(int(id.Initiator)), id.Sequence)
}

// migrate starts a migration from a host, and tells the machine when it ends.
func (w *world) migrate(node int, m protocol.Migrate) {
	vm, target, now := sim.VMID(m.VM), sim.HostID(m.Target), w.now()
	record := &trace.Migration{
		At: now, VM: w.vms[vm].Name, From: hostName(node), To: hostName(int(target)),
		FromSite: w.geography.name(node), ToSite: w.geography.name(int(target)),
		Outcome: "failed", Partition: w.partitionName(m.Partition), Reason: w.reason(node, m),
	}
	if w.checker != nil {
		w.checker.migrates(node, m)
	}
	if w.refuses(node, m) {
		w.recordMigration(*record)
		w.deliver(node, protocol.Migrated{VM: m.VM}, now)
		return
	}
	life := w.life(node)
	err := w.sim.Migrate(vm, target, w.spec.Scenario.Settings.policy(), func(done sim.Migration) {
		delete(w.moving, vm)
		if w.checker != nil {
			w.checker.migrated(m.VM)
		}
		w.expect(target, m.VM, false)
		w.revive(vm)
		if done.Err == nil {
			record.Outcome = "done"
			w.arrived(target, m.VM)
		}
		record.Duration, record.Bytes, record.Rounds, record.Downtime = done.Duration().Duration(), done.Bytes, done.Transfers-1, done.Downtime.Duration()
		w.recordMigration(*record)
		if !w.isDown(node) && w.life(node) == life {
			w.step(node, protocol.Migrated{VM: m.VM, OK: done.Err == nil})
		}
		w.flies(node, int(target), -1)
	})
	if err != nil {
		w.recordMigration(*record)
		w.deliver(node, protocol.Migrated{VM: m.VM}, now)
		return
	}
	w.moving[vm] = record
	w.flies(node, int(target), +1)
	w.expect(target, m.VM, true)
	if w.checker != nil {
		w.checker.began(node, m)
	}
}

// expect tells a host that a VM is on its way to it, or no longer is.
func (w *world) expect(target sim.HostID, vm cluster.VMID, coming bool) {
	h := &w.hosts[target]
	h.stale = true
	if coming {
		h.incoming = append(slices.Clone(h.incoming), vm)
	} else {
		h.incoming = slices.DeleteFunc(slices.Clone(h.incoming), func(v cluster.VMID) bool { return v == vm })
		w.regather()
		w.grant()
	}
}

func (w *world) recordMigration(record trace.Migration) {
	w.migrated++
	w.sink.Record(record)
}

// reason says to a person why a VM moves.
func (w *world) reason(node int, m protocol.Migrate) string {
	h := &w.hosts[node]
	asked := cluster.Of(h.demand, w.sim.MemoryUsed(sim.HostID(node)))
	over, exceeded := asked.Exceeding(h.usable)
	switch {
	case m.Bypass:
		return "breaks a cycle"
	case w.drains(sim.HostID(node)):
		return hostName(node) + " is to be emptied"
	case !exceeded && w.spec.Strategy == "ffd":
		return "packs VMs on fewer hosts"
	case !exceeded && w.ruleBrokenBy(m.VM) != "":
		return "rule " + w.ruleBrokenBy(m.VM) + " is broken"
	case !exceeded:
		return "makes room on " + hostName(node)
	case over == cluster.Memory:
		return fmt.Sprintf("%s overloaded: memory %v of %v", hostName(node), asked.Memory(), h.usable.Memory())
	default:
		return fmt.Sprintf("%s overloaded: cpu %v of %v", hostName(node), asked.CPU(), h.usable.CPU())
	}
}

// ended records the end of a procedure. Only the first word counts: a member
// may give up for lost what its leader has ended.
func (w *world) ended(now time.Duration, e protocol.Ended) {
	if e.Partition == (protocol.PartitionID{}) {
		if w.central.active {
			w.recordReconfiguration(now, e.Partition, &w.central, planOutcome(e.Outcome))
			w.central.active = false
		}
		return
	}
	p, ok := w.partitions[e.Partition]
	if !ok {
		return
	}
	if p.active {
		w.recordReconfiguration(now, e.Partition, p, planOutcome(e.Outcome))
	}
	w.recordPartition(now, e.Partition, p, e, e.Outcome.String())
	delete(w.partitions, e.Partition)
}

func planOutcome(o protocol.Outcome) string {
	if o == protocol.SolvedOutcome {
		return "done"
	}
	return "aborted"
}

func (w *world) recordReconfiguration(now time.Duration, id protocol.PartitionID, p *procedure, outcome string) {
	w.sink.Record(trace.Reconfiguration{
		At: p.applied, Duration: now - p.applied, Partition: w.partitionName(id),
		Nodes: p.plan.Nodes, Migrations: p.plan.Migrations, Outcome: outcome,
	})
}

// kinds names the events that a procedure was about: those of all that merged.
func (p *procedure) kinds(e protocol.Ended) string {
	return (e.Kinds | protocol.Of(p.kind)).String()
}

func (w *world) recordPartition(now time.Duration, id protocol.PartitionID, p *procedure, e protocol.Ended, outcome string) {
	members := make([]string, len(e.Members))
	for i, m := range e.Members {
		members[i] = hostName(int(m))
	}
	w.sink.Record(trace.Partition{
		At: p.began, Duration: now - p.began, ID: w.partitionName(id), Initiator: hostName(int(id.Initiator)),
		Members: members, Sites: w.geography.spread(e.Members), Hops: e.Tally.Hops, Merges: e.Tally.Merges, Solves: e.Tally.Solves,
		Kind: p.kinds(e), Reasons: e.Reasons, Outcome: outcome, Messages: p.sent.messages, Bytes: cluster.Bytes(p.sent.bytes),
	})
}
