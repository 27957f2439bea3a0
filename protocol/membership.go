package protocol

import (
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
)

// Restarted tells a fresh node how often it had been started before, up to 65,535
// times. A node that returns after a crash remembers nothing, and must yet not use
// the number of a procedure or an epoch again: its driver counts.
func (n *Node) Restarted(times uint16) { n.sequence = uint32(times) << lifeBits }

// life is how often this node had been started before.
func (n *Node) life() uint16 { return uint16(n.sequence >> lifeBits) }

// advance raises the epoch of the partition that this node leads.
func (n *Node) advance() { n.booking.epoch = n.booking.epoch.next(n.life()) }

// knownDead reports whether the driver has said that a node is gone.
func (n *Node) knownDead(id cluster.NodeID) bool {
	_, dead := slices.BinarySearch(n.dead, id)
	return dead
}

// next asks the overlay for the node after last, passing over the excluded and
// those that are known to be gone; but for root, whose event it is, and which may
// be back without this node having heard.
func (n *Node) next(root, last cluster.NodeID, excluded []cluster.NodeID, path overlay.Path) (cluster.NodeID, overlay.Path, bool) {
	if len(n.dead) > 0 {
		excluded = with(excluded, without(n.dead, root)...)
	}
	return n.overlay.Next(root, last, excluded, path)
}

// live returns the number of nodes that may be alive. A node that is gone counts
// once, whether the driver has told this node, or the overlay, or both.
func (n *Node) live() int {
	live := n.overlay.Size()
	for _, id := range n.dead {
		if n.overlay.IsUp(id) {
			live--
		}
	}
	return max(live, 1)
}

// wanders reports whether an event has made more hops than two rounds of the live
// nodes take. Few events get near to that, so that the dead are seldom counted.
func (n *Node) wanders(e Event) bool {
	atMost := func(live int) int { return 2*live + slack }
	return e.Round > atMost(n.overlay.Size()-len(n.dead)) && e.Round > atMost(n.live())
}

// up takes the word that a node is there, for the first time or again.
func (n *Node) up(id cluster.NodeID) {
	n.hurry()
	if i, dead := slices.BinarySearch(n.dead, id); dead {
		n.dead = slices.Delete(slices.Clone(n.dead), i, i+1)
	}
}

// down takes the word that a node is gone. What this node waits for from it
// will not come. That it is gone may be wrong: then it is left out, and its
// messages are refused like any that come late.
func (n *Node) down(now time.Duration, id cluster.NodeID) {
	i, dead := slices.BinarySearch(n.dead, id)
	if dead || id == n.id {
		return
	}
	n.dead = slices.Insert(slices.Clone(n.dead), i, id)
	n.hurry()
	for i := len(n.departures) - 1; i >= 0; i-- {
		if d := n.departures[i]; d.target == id && !d.running {
			n.departed(now, i, false)
		}
	}
	if len(n.arrivals) > 0 {
		n.doubt(now, func(a arrival) bool { return a.source == id })
	}
	b := &n.booking
	switch {
	case !n.booked || b.over:
	case b.phase == applying && (b.id.Initiator == id || slices.Contains(b.members, id)):
		n.giveUpActionsOf(now, id)
	case b.phase == member && b.leader == id:
		n.leave(now, Release{Outcome: Lost})
	case b.phase == member:
	case b.id.Initiator == id: // the event is gone with it
		n.end(now, Lost)
	case slices.Contains(b.members, id):
		n.leaveOut(now, id)
	case b.phase == merging && b.held.Body.(Event).Leader == id:
		n.declined(now)
	}
}

// leaveOut goes on without a member, at the leader. Unless the members are
// reporting just now, they do so again, without it.
func (n *Node) leaveOut(now time.Duration, id cluster.NodeID) {
	b := &n.booking
	if b.phase == collecting {
		b.answers[slices.Index(b.members, id)] = hasRefused
		if !slices.Contains(b.answers, noAnswer) {
			n.collected(now)
		}
		return
	}
	held := b.held
	wasMerging := b.phase == merging
	n.note(LeftOut, id)
	b.members = without(b.members, id)
	b.target = min(b.target, max(len(b.members), n.settings.Minimum))
	n.advance()
	b.held = Message{}
	n.unset(RenewTimer)
	if wasMerging {
		n.leapfrog(held, held.Body.(Event)) // it travels on; an answer comes too late
	}
	n.lead(now, PartitionID{}, 0)
}

// giveUpActionsOf gives up the plan of a partition that a node is no longer part
// of. The actions under way between others are awaited.
func (n *Node) giveUpActionsOf(now time.Duration, id cluster.NodeID) {
	b := &n.booking
	if !slices.Contains(b.members, id) {
		return
	}
	n.note(LeftOut, id)
	b.members = without(b.members, id)
	for i, a := range b.runner.Plan().Actions {
		if (a.Source == id || a.Target == id) && b.runner.State(i) == plan.Running {
			b.runner.Failed(i)
		}
	}
	b.runner.Abort()
	n.dispatch(now)
}

// doubt asks the sources of some VMs that were to come whether they still are.
// If a source is silent, the promise is taken back, unless the hypervisor says
// that the VM is on its way. By then the source, if it is alive, has given up
// waiting for the promise, so that no migration starts for which there is no
// room.
func (n *Node) doubt(now time.Duration, doubtful func(arrival) bool) {
	n.arrivals = slices.Clone(n.arrivals)
	for i := range n.arrivals {
		if a := &n.arrivals[i]; !a.asked && doubtful(*a) {
			a.asked, a.overdue = true, now+n.settings.Collect
			n.sendAbout(a.source, a.partition, a.epoch, Ask{VM: a.vm})
		}
	}
	if next := n.nextOverdue(); next != 0 {
		n.set(ActionTimer, next)
	}
}
