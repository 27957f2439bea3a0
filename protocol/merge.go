package protocol

import (
	"time"
)

// meet acts on the CNGROW event of a partition with a higher ID that meets
// this CNGROW partition: this side acts. The leader asks the other leader to
// give its partition away; a member passes the event to its leader.
func (n *Node) meet(now time.Duration, m Message, e Event) {
	b := &n.booking
	switch b.phase {
	case member:
		e.Aside, e.From = true, n.id
		n.hand(b.leader, m.Partition, m.Epoch, e)
	case waiting:
		b.phase, b.held = merging, Message{From: m.From, Partition: m.Partition, Epoch: m.Epoch, Body: e}
		n.set(PhaseTimer, now+n.settings.Collect)
		n.sendAbout(e.Leader, m.Partition, m.Epoch, Merge{Into: b.id, IntoEpoch: b.epoch, Members: b.members})
	case collecting, solving, applying, merging:
		n.leapfrog(m, e)
	}
}

// askedToMerge answers Merge. A leader agrees if it is CNGROW at that epoch and
// waits for nothing but its event. It then is a member of the other partition;
// its own members follow when the other leader tells them.
func (n *Node) askedToMerge(now time.Duration, m Message, ask Merge) {
	b := &n.booking
	if !n.leads(m, waiting) || b.state != CannotGrow || b.kinds == Of(Underload) {
		n.sendAbout(m.From, m.Partition, m.Epoch, Merged{Into: ask.Into})
		return
	}
	n.emit(Ended{Partition: b.id, Outcome: MergedAway, Members: b.members, Kinds: b.kinds, Tally: b.tally})
	n.sendAbout(m.From, m.Partition, m.Epoch, Merged{Into: ask.Into, OK: true, Members: b.members, Kinds: b.kinds, Tally: b.tally})
	n.remember()
	n.booking = booking{
		id:      ask.Into,
		epoch:   max(ask.IntoEpoch, b.epoch).next(0), // the other leader's is this one or, with its life, a later one
		leader:  m.From,
		members: with(ask.Members, b.members...),
		kinds:   b.kinds,
	}
	n.extendLease(now)
}

// merged takes the other leader's answer. If it agrees, this node leads the
// members of both.
func (n *Node) merged(now time.Duration, m Message, answer Merged) {
	b := &n.booking
	expected := n.booked && b.phase == merging && b.id == answer.Into &&
		b.held.Partition == m.Partition && b.held.Epoch == m.Epoch
	switch {
	case expected && answer.OK:
		b.members = with(b.members, answer.Members...)
		b.kinds |= answer.Kinds
		b.epoch = max(b.epoch, m.Epoch).next(n.life())
		b.tally.Merges += 1 + answer.Tally.Merges
		b.tally.Solves += answer.Tally.Solves
		b.tally.Hops += answer.Tally.Hops
		b.held = Message{}
		n.emit(Noted{Partition: b.id, Epoch: b.epoch, Note: TookIn, Node: m.From, Other: m.Partition, Members: len(b.members)})
		n.lead(now, m.Partition, m.Epoch)
	case expected:
		n.declined(now)
	case answer.OK:
		// Too late: this node no longer waits for it. The other leader has
		// joined a partition that does not know it; its own members' leases end.
		n.sendAbout(m.From, answer.Into, never, Release{Outcome: Lost})
	}
}

// declined goes on when the other leader refuses or is silent: its event
// travels on, and if this partition's own event is back, nothing is left to try.
func (n *Node) declined(now time.Duration) {
	b := &n.booking
	held := b.held
	b.phase, b.held = waiting, Message{}
	n.unset(PhaseTimer)
	n.extendLease(now)
	n.leapfrog(held, held.Body.(Event))
	if b.returned {
		n.end(now, Unsolvable)
	}
}
