// Package protocoltest runs a few nodes of the protocol by a script that
// decides the order of everything: which message is delivered next, when a
// solver answers, when a migration ends, how time goes on.
//
// World is the nodes with all that is under way between them. It checks the
// invariants of the protocol after each step. Execute runs one command of a
// script; see its documentation for the language.
package protocoltest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// World is a few nodes, numbered from 1 along a ring, and what is under way.
type World struct {
	now        time.Duration
	ring       *overlay.Ring
	settings   protocol.Settings
	ids        []cluster.NodeID
	hosts      map[cluster.NodeID]*host
	vms        []cluster.VM // v1 is vms[0]
	place      []cluster.NodeID
	wishes     map[cluster.VMID]wish
	rules      []protocol.Rule
	messages   []envelope
	solves     []pending
	migrations []migration
	timers     []timer
	past       []envelope              // every message ever sent
	side       map[cluster.NodeID]bool // of a cut network; nil if it is whole
	log        strings.Builder
	moved      int
}

type host struct {
	node                  *protocol.Node
	capacity              cluster.Resources
	stale                 bool // what it hosts has changed since it was told
	crashed               bool
	draining, underloaded bool
	starts                uint32 // how often it has returned
}

type envelope struct {
	to      cluster.NodeID
	message protocol.Message
}

type pending struct {
	node  cluster.NodeID
	solve protocol.Solve
}

type migration struct {
	source cluster.NodeID
	order  protocol.Migrate
	broken bool // it can only fail: the target is gone, or the network is cut
}

type timer struct {
	node cluster.NodeID
	set  protocol.SetTimer
}

// budget bounds the solver in a world, in search steps. It is plenty for a few
// nodes, and keeps random tests fast.
const budget = 100_000

// NewWorld returns a world with no nodes.
func NewWorld(settings protocol.Settings) *World {
	return &World{settings: settings, hosts: map[cluster.NodeID]*host{}}
}

// AddNode adds a node that hosts VMs of one vCPU with the given demands. All
// nodes must be there before the first step.
func (w *World) AddNode(capacity cluster.Resources, demands []cluster.Resources) {
	id := cluster.NodeID(len(w.ids) + 1)
	w.ids = append(w.ids, id)
	w.hosts[id] = &host{capacity: capacity, stale: true}
	for _, d := range demands {
		vm := cluster.VMID(len(w.vms) + 1)
		w.vms = append(w.vms, cluster.VM{ID: vm, Name: vmName(vm), VCPUs: 1, Demand: d})
		w.place = append(w.place, id)
	}
}

// start makes the nodes, when the first step is about to be made.
func (w *World) start() {
	for _, id := range w.ids {
		if w.hosts[id].node == nil {
			w.spawn(id)
		}
	}
}

// spawn makes a node that knows nothing yet.
func (w *World) spawn(id cluster.NodeID) {
	if w.ring == nil {
		w.ring = overlay.NewRing(w.ids)
	}
	h := w.hosts[id]
	h.node = protocol.New(id, w.settings, w.ring, 1)
	h.node.Restarted(uint16(h.starts))
}

// Node returns a node, or nil if there is none with that number.
func (w *World) Node(id cluster.NodeID) *protocol.Node {
	w.start()
	if h, ok := w.hosts[id]; ok {
		return h.node
	}
	return nil
}

// SetDemand changes what a VM asks for.
func (w *World) SetDemand(vm cluster.VMID, cpu cluster.Millicores) {
	w.vms[vm-1].Demand[cluster.CPU] = int64(cpu)
	if h, ok := w.hosts[w.place[vm-1]]; ok {
		h.stale = true
	}
}

// local is what the hypervisor of a node says.
func (w *World) local(id cluster.NodeID) protocol.Local {
	l := protocol.Local{Capacity: w.hosts[id].capacity}
	for i, v := range w.vms {
		if w.place[i] == id {
			l.VMs = append(l.VMs, v)
		}
	}
	for _, m := range w.migrations {
		if m.order.Target == id {
			l.Incoming = append(l.Incoming, m.order.VM)
		}
	}
	w.describeLocal(id, &l)
	return l
}

// Step gives a node an input, after telling it what it hosts if that changed.
func (w *World) Step(id cluster.NodeID, in protocol.Input) error {
	w.start()
	h := w.hosts[id]
	if h.stale {
		h.stale = false
		if err := w.take(id, h.node.Step(w.now, protocol.Observed{Local: w.local(id)})); err != nil {
			return err
		}
	}
	return w.take(id, h.node.Step(w.now, in))
}

// take keeps what a node asked for.
func (w *World) take(id cluster.NodeID, outputs []protocol.Output) error {
	for _, out := range outputs {
		if line := w.describe(out); line != "" {
			fmt.Fprintf(&w.log, "%d: %s\n", id, line)
		}
		switch out := out.(type) {
		case protocol.Send:
			w.messages = append(w.messages, envelope{out.To, out.Message})
			w.past = append(w.past, envelope{out.To, out.Message})
		case protocol.Solve:
			w.solves = append(w.solves, pending{id, out})
		case protocol.Migrate:
			if err := w.fenced(id, out); err != nil {
				return err
			}
			w.migrations = append(w.migrations, migration{id, out, !w.reaches(id, out.Target) || w.refused(out)})
			w.hosts[out.Target].stale = true
		case protocol.SetTimer:
			w.timers = append(w.timers, timer{id, out})
		case protocol.Began, protocol.Noted, protocol.Applying, protocol.Ended, protocol.Answered:
		}
	}
	return w.check()
}

// fenced checks invariants I2 and I3 when a migration starts: source and target are
// held by its partition, at one epoch; the VM is at the source and not on its
// way yet.
func (w *World) fenced(source cluster.NodeID, m protocol.Migrate) error {
	from, to := w.hosts[source].node, w.hosts[m.Target].node
	if m.Kind != plan.Migrate {
		if err := w.mayStart(source, m); err != nil {
			return err
		}
	} else if w.place[m.VM-1] != source {
		return fmt.Errorf("%s is to move from %d to %d, and is on %d", vmName(m.VM), source, m.Target, w.place[m.VM-1])
	}
	if slices.ContainsFunc(w.migrations, func(o migration) bool { return o.order.VM == m.VM }) {
		return fmt.Errorf("%s is to move from %d to %d, and is on its way already", vmName(m.VM), source, m.Target)
	}
	if w.refused(m) {
		to = from
	}
	for _, n := range []*protocol.Node{from, to} {
		if id, booked := n.Booked(); !booked || id != m.Partition || n.Epoch() != from.Epoch() {
			return fmt.Errorf("%s moves from %d to %d for %v, which does not hold both at one epoch", vmName(m.VM), source, m.Target, m.Partition)
		}
	}
	return nil
}

// refused reports whether the target's hypervisor lets a VM not in: it is down,
// or was since it promised room, so that nobody there expects the VM.
func (w *World) refused(m protocol.Migrate) bool {
	h := w.hosts[m.Target]
	return h.crashed || h.starts > 0 && !h.node.Expects(m.VM)
}

// check holds the invariants that concern the state between two steps: a node
// has room for the VMs that it hosts and for those on their way to it, and has
// promised it to them (I4); and it is not free while they are.
func (w *World) check() error {
	for _, id := range w.ids {
		h := w.hosts[id]
		if h.crashed {
			continue
		}
		var memory cluster.Bytes
		for i, v := range w.vms {
			if w.place[i] == id {
				memory += v.Demand.Memory()
			}
		}
		var coming cluster.Bytes
		for _, m := range w.migrations {
			if m.order.Target == id && !m.broken {
				coming += w.vms[m.order.VM-1].Demand.Memory()
			}
			if _, booked := h.node.Booked(); !booked && (m.order.Target == id && !m.broken || m.source == id) {
				return fmt.Errorf("%s moves from %d to %d, and node %d is free", vmName(m.order.VM), m.source, m.order.Target, id)
			}
		}
		if promised := h.node.Promised().Memory(); coming > promised {
			return fmt.Errorf("%v of memory are on their way to node %d, which has promised %v", coming, id, promised)
		}
		if memory+coming > h.capacity.Memory() {
			return fmt.Errorf("node %d has %v of memory, hosts %v, and %v are on their way", id, h.capacity.Memory(), memory, coming)
		}
	}
	return nil
}

// Quiet reports whether nothing is under way but timers.
func (w *World) Quiet() bool {
	return len(w.messages) == 0 && len(w.solves) == 0 && len(w.migrations) == 0
}

// Free reports whether no node that is alive is booked.
func (w *World) Free() bool {
	w.start()
	return !slices.ContainsFunc(w.ids, func(id cluster.NodeID) bool {
		_, booked := w.hosts[id].node.Booked()
		return booked && !w.hosts[id].crashed
	})
}

// Messages returns how many messages are under way.
func (w *World) Messages() int { return len(w.messages) }

// Solves returns how many solvers are at work.
func (w *World) Solves() int { return len(w.solves) }

// Migrations returns how many migrations are under way.
func (w *World) Migrations() int { return len(w.migrations) }

// Moved returns how many migrations have been done.
func (w *World) Moved() int { return w.moved }

// Viable reports whether no node that is alive is overloaded.
func (w *World) Viable() bool {
	return !slices.ContainsFunc(w.ids, func(id cluster.NodeID) bool {
		l := w.local(id)
		return !w.hosts[id].crashed && !w.usage(l).Within(l.Capacity)
	})
}

// Solvable reports whether all nodes that are alive could be made viable together.
func (w *World) Solvable() bool {
	var reports []protocol.Report
	for _, id := range w.ids {
		if !w.hosts[id].crashed {
			reports = append(reports, protocol.Report{Node: id, Local: w.local(id)})
		}
	}
	return strategy.Decide(protocol.Solve{Reports: reports}, budget).Found
}

// MessageAbout returns the position of the oldest message about a partition, or -1.
func (w *World) MessageAbout(p protocol.PartitionID) int {
	return slices.IndexFunc(w.messages, func(e envelope) bool { return e.message.Partition == p })
}

// SolveFor returns the position of the solver at work for a partition, or -1.
func (w *World) SolveFor(p protocol.PartitionID) int {
	return slices.IndexFunc(w.solves, func(s pending) bool { return s.solve.Partition == p })
}

// Log returns what happened since it was last cleared, a line each.
func (w *World) Log() string { return w.log.String() }

// Drop loses the message at a position of the queue.
func (w *World) Drop(i int) {
	e := w.messages[i]
	fmt.Fprintf(&w.log, "lost %s\n", w.describeMessage(e.to, e.message))
	w.messages = slices.Delete(w.messages, i, i+1)
}

// Double puts a copy of the message at a position at the end of the queue.
func (w *World) Double(i int) { w.messages = append(w.messages, w.messages[i]) }

// Past returns how many messages were ever sent.
func (w *World) Past() int { return len(w.past) }

// Repeat puts a copy of a message that was once sent at the end of the queue.
func (w *World) Repeat(i int) { w.messages = append(w.messages, w.past[i]) }

// Deliver hands over the message at a position of the queue. It gets lost if the
// node is down, or the network between is cut.
func (w *World) Deliver(i int) error {
	e := w.messages[i]
	w.messages = slices.Delete(w.messages, i, i+1)
	if !w.reaches(e.message.From, e.to) {
		fmt.Fprintf(&w.log, "lost %s\n", w.describeMessage(e.to, e.message))
		return nil
	}
	fmt.Fprintf(&w.log, "%d: receive %s\n", e.to, w.describeMessage(e.to, e.message))
	return w.Step(e.to, protocol.Received{Message: e.message})
}

// Answer lets the solver at a position answer.
func (w *World) Answer(i int) error {
	p := w.solves[i]
	w.solves = slices.Delete(w.solves, i, i+1)
	d := strategy.Decide(p.solve, budget)
	fmt.Fprintf(&w.log, "%d: solved %v %s", p.node, p.solve.Partition, d.Answer)
	for _, a := range d.Plan.Actions {
		fmt.Fprintf(&w.log, " %s:%d->%d", vmName(a.VM), a.Source, a.Target)
		if len(a.After) > 0 {
			fmt.Fprintf(&w.log, "(after %v)", a.After)
		}
	}
	if d.Reasons != "" {
		fmt.Fprintf(&w.log, " rejected %s", d.Reasons)
	}
	w.log.WriteString("\n")
	return w.Step(p.node, protocol.Solved{Partition: p.solve.Partition, Epoch: p.solve.Epoch, Found: d.Found, Plan: d.Plan, Reasons: d.Reasons})
}

// Finish ends the migration at a position, well unless it is broken.
func (w *World) Finish(i int, ok bool) error {
	m := w.migrations[i]
	w.migrations = slices.Delete(w.migrations, i, i+1)
	verb := map[plan.Kind]string{plan.Run: "started on", plan.Resume: "resumed on"}[m.order.Kind]
	if verb == "" {
		verb = "arrived at"
	}
	ok = ok && !m.broken
	if ok {
		w.place[m.order.VM-1] = m.order.Target
		w.hosts[m.source].stale, w.hosts[m.order.Target].stale = true, true
		w.moved++
	} else {
		w.hosts[m.order.Target].stale = true
		verb = "could not move to"
	}
	fmt.Fprintf(&w.log, "%d: %s %s %d\n", m.source, vmName(m.order.VM), verb, m.order.Target)
	return w.Step(m.source, protocol.Migrated{VM: m.order.VM, OK: ok})
}

// Advance lets time go on, and the timers that become due fire in order.
func (w *World) Advance(by time.Duration) error {
	end := w.now + by
	for {
		next := -1
		for i, t := range w.timers {
			if t.set.At <= end && (next < 0 || t.set.At < w.timers[next].set.At) {
				next = i
			}
		}
		if next < 0 {
			break
		}
		t := w.timers[next]
		w.timers = slices.Delete(w.timers, next, next+1)
		w.now = max(w.now, t.set.At)
		if err := w.Step(t.node, protocol.TimerFired{Timer: t.set.Timer}); err != nil {
			return err
		}
	}
	w.now = end
	return nil
}

// Look lets the monitor of every node look once, in order.
func (w *World) Look() error {
	for _, id := range w.ids {
		if w.hosts[id].crashed {
			continue
		}
		for _, k := range w.kinds(id) {
			if err := w.raise(id, k); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *World) usage(l protocol.Local) (sum cluster.Resources) {
	for _, v := range l.VMs {
		sum = sum.Plus(v.Demand)
	}
	return sum
}

// Run does all that is under way, oldest first: messages, then solvers, then
// migrations, until nothing is left. It gives up after too many steps.
func (w *World) Run() error {
	for range 10_000 {
		var err error
		switch {
		case len(w.messages) > 0:
			err = w.Deliver(0)
		case len(w.solves) > 0:
			err = w.Answer(0)
		case len(w.migrations) > 0:
			err = w.Finish(0, true)
		default:
			return nil
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("still not quiet after 10000 steps")
}
