package protocol

import (
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// departure is a VM that is to leave this node by order of a leader.
type departure struct {
	vm        cluster.VMID
	target    cluster.NodeID
	partition PartitionID
	epoch     Epoch
	leader    cluster.NodeID
	action    int // index into the leader's plan
	kind      plan.Kind
	bypass    bool
	running   bool          // the target has promised room and the migration has started
	overdue   time.Duration // when to give up waiting for the target's promise
}

// arrival is room that this node has promised to a VM.
type arrival struct {
	vm        cluster.VMID
	demand    cluster.Resources
	source    cluster.NodeID
	partition PartitionID
	epoch     Epoch
	overdue   time.Duration // when to ask the source about it
	asked     bool          // it was asked; if it is silent until overdue, the promise is taken back
}

// isFor reports whether m, which is about a VM, comes from the source and
// concerns the very migration that the room was promised for.
func (a arrival) isFor(vm cluster.VMID, m Message) bool {
	return a.vm == vm && a.source == m.From && a.partition == m.Partition && a.epoch == m.Epoch
}

// apply starts to carry out a plan.
func (n *Node) apply(now time.Duration, p plan.Plan) {
	b := &n.booking
	b.phase = applying
	b.runner = plan.NewRunner(p, n.settings.Concurrent)
	n.emit(Applying{Partition: b.id, Nodes: len(b.members), Migrations: len(p.Actions)})
	n.set(RenewTimer, now+n.settings.Renew)
	n.dispatch(now)
}

// dispatch orders every action that may start now, or ends the procedure when
// there is nothing left to wait for.
func (n *Node) dispatch(now time.Duration) {
	b := &n.booking
	b.asked = false
	n.set(PhaseTimer, now+n.settings.ActionLimit)
	for _, i := range b.runner.Ready() {
		b.runner.Started(i)
		a := b.runner.Plan().Actions[i]
		n.send(a.Source, Order{Action: i, Kind: a.Kind, VM: a.VM, Target: a.Target, Bypass: a.Bypass})
	}
	if !b.runner.Finished() {
		return
	}
	if b.runner.Outcome().Succeeded() {
		n.end(now, SolvedOutcome)
	} else {
		n.end(now, Aborted)
	}
}

// actionDone takes the end of an action, at the leader.
func (n *Node) actionDone(now time.Duration, m Message, d Done) {
	b := &n.booking
	if !n.leads(m, applying) || !b.runner.IsRunning(d.Action) || b.runner.Plan().Actions[d.Action].Source != m.From {
		return
	}
	if d.OK {
		b.runner.Done(d.Action)
	} else {
		b.runner.Failed(d.Action)
	}
	n.dispatch(now)
}

// holds reports whether m is about the very reservation that this node has
// now: same partition, same epoch, not about to end.
func (n *Node) holds(m Message) bool {
	b := &n.booking
	return n.booked && !b.over && b.id == m.Partition && b.epoch == m.Epoch
}

// ordered acts, at the source, on the leader's order to migrate a VM: it asks
// the target for room. An order that comes twice is carried out once.
func (n *Node) ordered(now time.Duration, m Message, o Order) {
	demand, here := n.local.demand(o.VM, o.Kind)
	holds := n.holds(m) && m.From == n.booking.leader
	switch {
	case holds && slices.Contains(n.booking.orders, o.Action):
		return
	case !holds || !here || n.departing(o.VM) >= 0:
		n.sendAbout(m.From, m.Partition, m.Epoch, Done{Action: o.Action})
		return
	}
	n.booking.orders = append(slices.Clone(n.booking.orders), o.Action)
	n.departures = append(slices.Clone(n.departures), departure{
		vm: o.VM, target: o.Target, partition: m.Partition, epoch: m.Epoch, leader: m.From,
		action: o.Action, kind: o.Kind, bypass: o.Bypass, overdue: now + n.settings.Collect,
	})
	n.set(ActionTimer, n.nextOverdue())
	n.send(o.Target, Admit{VM: o.VM, Demand: demand})
}

// admit acts, at the target, on a source's request for room. Room is promised
// in memory, which can't be shared; the plan has seen to it that the CPU
// suffices for what the VMs asked for when it was made.
func (n *Node) admit(now time.Duration, m Message, a Admit) {
	memory := n.usage.Plus(n.Promised()).Plus(a.Demand).Memory()
	promised := slices.ContainsFunc(n.arrivals, func(p arrival) bool { return p.isFor(a.VM, m) })
	fits := n.holds(m) && !n.local.Draining && memory <= n.local.Capacity.Memory()
	if fits && !promised {
		n.arrivals = append(slices.Clone(n.arrivals), arrival{
			vm: a.VM, demand: a.Demand, source: m.From, partition: m.Partition, epoch: m.Epoch,
			overdue: now + n.settings.ActionLimit,
		})
		n.set(ActionTimer, n.nextOverdue())
	}
	n.sendAbout(m.From, m.Partition, m.Epoch, Admitted{VM: a.VM, OK: fits || promised})
}

// admitted starts the migration, at the source, if the target has promised
// room and the reservation is still the one under which it was ordered.
func (n *Node) admitted(now time.Duration, m Message, a Admitted) {
	i := slices.IndexFunc(n.departures, func(d departure) bool {
		return d.vm == a.VM && d.target == m.From && d.partition == m.Partition && d.epoch == m.Epoch
	})
	switch {
	case i < 0 && a.OK:
		n.sendAbout(m.From, m.Partition, m.Epoch, Settled{VM: a.VM}) // it waits no longer
	case i < 0 || n.departures[i].running:
	case !a.OK || !n.holds(m) || n.departures[i].overdue <= now:
		n.departed(now, i, false)
	default:
		n.departures = slices.Clone(n.departures)
		d := &n.departures[i]
		d.running = true
		n.emit(Migrate{Kind: d.kind, VM: d.vm, Target: d.target, Partition: d.partition, Bypass: d.bypass})
	}
}

// migrated takes the end of a migration from the hypervisor, at the source.
func (n *Node) migrated(now time.Duration, m Migrated) {
	if i := n.departing(m.VM); i >= 0 && n.departures[i].running {
		n.departed(now, i, m.OK)
	}
}

// departing returns the position of a VM among the departures, or -1.
func (n *Node) departing(vm cluster.VMID) int {
	return slices.IndexFunc(n.departures, func(d departure) bool { return d.vm == vm })
}

// departed ends a departure: the target drops its promise, and the leader
// hears how it went.
func (n *Node) departed(now time.Duration, i int, ok bool) {
	d := n.departures[i]
	n.departures = slices.Delete(slices.Clone(n.departures), i, i+1)
	n.sendAbout(d.target, d.partition, d.epoch, Settled{VM: d.vm})
	n.sendAbout(d.leader, d.partition, d.epoch, Done{Action: d.action, OK: ok})
	n.freeIfOver(now)
}

// settled drops a promise, at the target: the VM is here, or will not come.
func (n *Node) settled(now time.Duration, m Message, s Settled) {
	n.arrivals = slices.DeleteFunc(slices.Clone(n.arrivals), func(a arrival) bool { return a.isFor(s.VM, m) })
	n.freeIfOver(now)
}

func (n *Node) freeIfOver(now time.Duration) {
	if n.booked && n.booking.over {
		n.free(now)
	}
}

// askSources asks, at the leader, about all actions that are under way, when
// none has ended for long. If nobody answers, the plan is given up.
func (n *Node) askSources(now time.Duration) {
	b := &n.booking
	if b.asked {
		n.end(now, Aborted)
		return
	}
	b.asked = true
	n.set(PhaseTimer, now+n.settings.Collect)
	for i, a := range b.runner.Plan().Actions {
		if b.runner.State(i) == plan.Running {
			n.send(a.Source, Ask{Kind: a.Kind, VM: a.VM, Action: i, Leader: true})
		}
	}
}

// asked answers, at the source, whether a migration is still under way.
func (n *Node) asked(m Message, ask Ask) {
	_, here := n.local.demand(ask.VM, ask.Kind)
	under := slices.ContainsFunc(n.departures, func(d departure) bool {
		return d.vm == ask.VM && d.partition == m.Partition && d.epoch == m.Epoch
	})
	switch {
	case under:
		n.sendAbout(m.From, m.Partition, m.Epoch, Moving{VM: ask.VM})
	case ask.Leader:
		n.sendAbout(m.From, m.Partition, m.Epoch, Done{Action: ask.Action, OK: !here})
	default:
		n.sendAbout(m.From, m.Partition, m.Epoch, Settled{VM: ask.VM})
	}
}

// moving takes, at the leader or at the target, the source's word that a
// migration is under way: the wait begins anew.
func (n *Node) moving(now time.Duration, m Message, moving Moving) {
	if n.leads(m, applying) && n.booking.asked {
		n.booking.asked = false
		n.set(PhaseTimer, now+n.settings.ActionLimit)
	}
	for i, a := range n.arrivals {
		if a.isFor(moving.VM, m) {
			n.arrivals = slices.Clone(n.arrivals)
			n.arrivals[i].asked, n.arrivals[i].overdue = false, now+n.settings.ActionLimit
		}
	}
}

// nextOverdue returns the first instant at which a local action is overdue, or
// 0. A migration under way is its hypervisor's to end.
func (n *Node) nextOverdue() (first time.Duration) {
	for _, d := range n.departures {
		if !d.running && (first == 0 || d.overdue < first) {
			first = d.overdue
		}
	}
	for _, a := range n.arrivals {
		if first == 0 || a.overdue < first {
			first = a.overdue
		}
	}
	return first
}

// actionsOverdue gives up departures whose target did not answer, asks about
// VMs that have not come, and takes promises back whose source is silent,
// unless the hypervisor says that the VM is on its way.
func (n *Node) actionsOverdue(now time.Duration) {
	for i := len(n.departures) - 1; i >= 0; i-- {
		if d := n.departures[i]; !d.running && d.overdue <= now {
			n.departed(now, i, false)
		}
	}
	n.arrivals = slices.DeleteFunc(slices.Clone(n.arrivals), func(a arrival) bool {
		return a.asked && a.overdue <= now && !slices.Contains(n.local.Incoming, a.vm)
	})
	for i := range n.arrivals {
		if a := &n.arrivals[i]; a.overdue <= now {
			a.asked, a.overdue = true, now+n.settings.Collect
			n.sendAbout(a.source, a.partition, a.epoch, Ask{VM: a.vm})
		}
	}
	n.freeIfOver(now)
	if next := n.nextOverdue(); next != 0 {
		n.set(ActionTimer, next)
	}
}
