package protocol

import (
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
)

// phase is what a booked node does for its partition. All phases but member
// are the leader's.
type phase uint8

const (
	member     phase = iota
	waiting          // its event travels
	collecting       // members report
	solving          // the solver is at work
	applying         // the plan is carried out
	merging          // another leader is asked to merge
)

// booking is a reservation: what a booked node knows of its partition.
//
// Invariant: leader is this node if and only if phase is not member, until the
// reservation is over.
type booking struct {
	id      PartitionID
	epoch   Epoch
	state   State
	leader  cluster.NodeID
	members []cluster.NodeID // in the order in which they joined; never changed in place
	kinds   Kinds            // of its events
	tally   Tally
	path    overlay.Path // of the search, where it reached this node
	over    bool         // to be freed as soon as no local migration is under way
	orders  []int        // actions of the leader's plan that this node was ordered to start

	phase    phase
	answers  []answer          // while collecting: by position in members
	tried    bool              // the solver was asked about these members
	small    bool              // fewer members than wanted have to do: there are no others
	target   int               // how many members are wanted before the solver is asked again
	lacking  cluster.Resources // what the members lacked when they last reported, and all other nodes were members
	reasons  string            // of the solver that found nothing
	reports  []Report          // while collecting: those that came
	runner   *plan.Runner      // while applying
	asked    bool              // while applying: the sources were asked for news
	returned bool              // its CNGROW event is back, but a merge is being asked for
	busy     bool              // the event that is back has passed partitions that are not CNGROW
	held     Message           // while merging: the event of the partition that is asked
}

type answer uint8

const (
	noAnswer answer = iota
	hasReported
	hasRefused
)

// obeys reports whether m comes from the leader that this node has now, at the
// epoch that it has now or a later one.
func (n *Node) obeys(m Message) bool {
	b := &n.booking
	return n.booked && b.id == m.Partition && b.leader == m.From && m.Epoch >= b.epoch
}

// leads reports whether this node leads the partition that m is about, at the
// same epoch, and is in the given phase.
func (n *Node) leads(m Message, p phase) bool {
	b := &n.booking
	return n.booked && b.id == m.Partition && b.epoch == m.Epoch && b.phase == p
}

// raise starts a procedure, unless the node is booked, or waits after one that
// found no solution.
func (n *Node) raise(now time.Duration, k Kind) {
	if n.booked || n.busy() || now < n.waits[k].until || !n.holding().Has(k) {
		return
	}
	n.sequence++
	n.pending = Of(k)
	n.booked = true
	n.booking = booking{
		id:      PartitionID{n.id, n.sequence},
		epoch:   Epoch(0).next(n.life()),
		leader:  n.id,
		members: []cluster.NodeID{n.id},
		kinds:   Of(k),
		target:  n.settings.Minimum,
		phase:   waiting,
	}
	n.emit(Began{n.booking.id, k})
	n.seek(now)
}

// seek sends the event of the partition that this node leads on its way to a
// node that joins. If the partition has all nodes, or all that an underload may
// have, there is no solution.
func (n *Node) seek(now time.Duration) {
	b := &n.booking
	if !n.canGrow() || n.isEnough() {
		n.end(now, Unsolvable)
		return
	}
	b.phase, b.state, b.returned, b.busy = waiting, Grow, false, false
	b.target = max(b.target, len(b.members)+1)
	n.unset(PhaseTimer)
	n.extendLease(now)
	n.pass(Event{State: Grow, Leader: n.id, Members: b.members, Kinds: b.kinds, Target: b.target, Tried: b.tried, Tally: b.tally, Path: b.path})
}

// isEnough reports whether the partition has all nodes that an underload may have.
func (n *Node) isEnough() bool {
	b := &n.booking
	return b.kinds == Of(Underload) && len(b.members) >= n.settings.Consolidation
}

// pass sends the event of the node's own partition to the next node outside it,
// or to the initiator if that comes first: then it has gone all the way round.
func (n *Node) pass(e Event) {
	b := &n.booking
	passOver := without(b.members, b.id.Initiator)
	last := e.resume(n.id)
	n.forward(last, passOver, b.id, b.epoch, e)
}

// leapfrog sends the event of another partition to the first out, the next
// node outside this node's partition.
func (n *Node) leapfrog(m Message, e Event) {
	exclude := []cluster.NodeID{n.id}
	if n.booked {
		// The initiator may have been a member; the event must get back to it.
		exclude = without(n.booking.members, m.Partition.Initiator)
		e.Busy = e.Busy || e.State == CannotGrow && n.booking.state == Grow
	}
	last := e.resume(n.id)
	n.forward(last, exclude, m.Partition, m.Epoch, e)
}

// passAhead sends an event on that knows more of the node's own partition than
// the node does: it has not heard of the latest members, or was left out.
func (n *Node) passAhead(m Message, e Event) {
	passOver := without(with(e.Members, n.id), m.Partition.Initiator)
	last := e.resume(n.id)
	n.forward(last, passOver, m.Partition, m.Epoch, e)
}

// resume puts an event that was taken off its way back on it, and returns the
// node from which on it goes: that at which it left its way, or the one at
// which it is.
func (e *Event) resume(at cluster.NodeID) cluster.NodeID {
	if e.Aside {
		at = e.From
	}
	e.Aside, e.From = false, 0
	return at
}

// forward sends an event to the node that the overlay names after last,
// passing over the excluded.
func (n *Node) forward(last cluster.NodeID, excluded []cluster.NodeID, id PartitionID, epoch Epoch, e Event) {
	next, path, ok := n.next(id.Initiator, last, excluded, e.Path)
	if !ok {
		return
	}
	e.Path = path
	n.hand(next, id, epoch, e)
}

// hand sends an event to a node that the overlay was not asked for.
func (n *Node) hand(to cluster.NodeID, id PartitionID, epoch Epoch, e Event) {
	e.Round++
	e.Tally.Hops++
	if e.Round%signEvery == 0 {
		n.sendAbout(e.Leader, id, epoch, Passing{})
	}
	n.sendAbout(to, id, epoch, e)
}

// signEvery is after how many hops an event gives its leader a sign of life. So
// many must take less than a lease: with 5 s, hops may take 78 ms.
const signEvery = 64

// passing keeps the reservations alive, at the leader, while its event travels.
func (n *Node) passing(now time.Duration, m Message) {
	if n.leads(m, waiting) {
		n.extendLease(now)
		n.tellOthers(Renew{})
	}
}

// slack is how many hops an event may make beyond two rounds of the live nodes.
const slack = 8

// event acts on an event that travels.
func (n *Node) event(now time.Duration, m Message, e Event) {
	b := &n.booking
	own := n.booked && b.id == m.Partition
	n.overlay.Learn(e.Path)
	switch {
	case n.wanders(e):
		// It wanders: its initiator has forgotten it. Leases free its members.
	case own && m.Epoch < b.epoch:
		// The partition has gone on without it.
	case own && m.Epoch > b.epoch && m.Partition.Initiator != n.id:
		n.passAhead(m, e)
	case own && m.Epoch > b.epoch && b.phase != member && b.phase != waiting:
		// A branch that began with a doubled event. Its leases end.
	case own && m.Partition.Initiator == n.id:
		n.wentRound(now, m, e)
	case own:
		n.pass(e)
	case m.Partition.Initiator == n.id:
		// The procedure is over, or it would hold this node.
	case !n.booked && n.hasLeft(m):
		n.leapfrog(m, e)
	case !n.booked && !n.busy():
		n.join(now, m, e)
	case n.booked && e.State == CannotGrow && b.state == CannotGrow && b.id.Compare(m.Partition) < 0:
		n.meet(now, m, e)
	default:
		n.leapfrog(m, e)
	}
}

// join makes this free node the newest member, and so the leader. As long as more
// members are wanted before the solver is asked, it sends the event on at once,
// and the others learn of it from the last to join.
func (n *Node) join(now time.Duration, m Message, e Event) {
	n.booked = true
	n.booking = booking{
		id:      m.Partition,
		epoch:   m.Epoch.next(n.life()),
		leader:  n.id,
		members: append(without(e.Members, n.id), n.id),
		kinds:   e.Kinds,
		target:  e.Target,
		tally:   e.Tally,
		path:    e.Path,
	}
	n.note(Joined, n.id)
	if len(n.booking.members) < e.Target && n.canGrow() && !n.isEnough() {
		n.seek(now)
		return
	}
	n.lead(now, PartitionID{}, 0)
}

// wentRound acts, at the initiator, on its event that has seen all nodes. The
// first time the partition becomes CNGROW; the second time nothing can be
// gained for now, and the leader decides.
func (n *Node) wentRound(now time.Duration, m Message, e Event) {
	b := &n.booking
	n.follow(m.Epoch, e.Leader, e.Members)
	b.tally.Hops = e.Tally.Hops
	if e.State == CannotGrow {
		n.send(b.leader, Returned{Tally: e.Tally, Busy: e.Busy})
		return
	}
	if b.phase != member && b.phase != waiting {
		return // a duplicate: it leads, and no longer waits for the event
	}
	n.note(CameRound, n.id)
	n.tellOthers(Stuck{Leader: b.leader, Members: b.members, Tally: e.Tally})
	if (e.Tried || len(e.Members) == 1) && e.Kinds != Of(Underload) {
		e.State, e.Round, e.Target, e.Path = CannotGrow, 0, 0, nil
		n.pass(e)
	} // else the leader first asks the solver about those that there are
	n.cannotGrow(now)
}

// follow takes over what an event of the node's own partition knows of its
// members and its leader, if that is newer.
func (n *Node) follow(epoch Epoch, leader cluster.NodeID, members []cluster.NodeID) {
	b := &n.booking
	if epoch > b.epoch {
		b.epoch, b.leader, b.members, b.phase = epoch, leader, members, member
		n.unset(PhaseTimer)
	}
}

// stuck takes the initiator's word that the partition is CNGROW.
func (n *Node) stuck(now time.Duration, m Message, s Stuck) {
	b := &n.booking
	if !n.booked || b.id != m.Partition || b.epoch > m.Epoch || m.From != b.id.Initiator || b.over {
		return
	}
	if b.phase == member || b.phase == waiting {
		n.follow(m.Epoch, s.Leader, s.Members)
		b.tally.Hops = max(b.tally.Hops, s.Tally.Hops)
		n.cannotGrow(now)
	}
}

// cannotGrow makes the partition CNGROW, as far as this node is concerned. A
// leader that has waited for more members before it asks for a solution, asks
// now.
func (n *Node) cannotGrow(now time.Duration) {
	b := &n.booking
	b.state = CannotGrow
	n.extendLease(now)
	switch {
	case b.phase != waiting:
	case !b.tried && len(b.members) > 1:
		b.small = true
		n.advance()
		n.lead(now, PartitionID{}, 0)
	case b.kinds == Of(Underload): // not worth another round
		n.end(now, Unsolvable)
	}
}

// cameBack ends the procedure, at its leader, when the CNGROW event has gone
// round and nothing was gained; unless a merge is just being asked for.
func (n *Node) cameBack(now time.Duration, m Message, r Returned) {
	b := &n.booking
	switch {
	case n.leads(m, merging):
		b.tally.Hops = r.Tally.Hops
		b.returned, b.busy = true, r.Busy
	case n.leads(m, waiting):
		b.tally.Hops = r.Tally.Hops
		if b.state == Grow { // Stuck is still on its way
			n.cannotGrow(now)
		}
		if b.phase == waiting {
			b.busy = r.Busy
			n.end(now, Unsolvable)
		}
	}
}

// lead makes this node the leader of its partition at its epoch: it tells the
// members, and waits for their reports. It does not wait for those that are known
// to be gone; but for the initiator, who may be back.
func (n *Node) lead(now time.Duration, absorbed PartitionID, absorbedEpoch Epoch) {
	b := &n.booking
	b.leader, b.phase, b.state, b.returned, b.tried = n.id, collecting, Grow, false, false
	b.answers = make([]answer, len(b.members))
	b.reports = make([]Report, len(b.members))
	for i, m := range b.members {
		if n.knownDead(m) && m != b.id.Initiator {
			b.answers[i] = hasRefused
		}
	}
	n.unset(LeaseTimer)
	n.set(PhaseTimer, now+n.settings.Collect)
	n.tellOthers(Lead{Members: b.members, Kinds: b.kinds, Tally: b.tally, Absorbed: absorbed, AbsorbedEpoch: absorbedEpoch})
	n.answered(now, n.id, n.report())
}

// report says all that a leader needs to know of this node.
func (n *Node) report() *Report {
	return &Report{Node: n.id, Local: n.local, Holds: n.holding()}
}

// led acts on a node that says it is the leader now.
func (n *Node) led(now time.Duration, m Message, l Lead) {
	b := &n.booking
	newer := b.id == m.Partition && (m.Epoch > b.epoch || m.Epoch == b.epoch && m.From == b.leader)
	absorbed := l.AbsorbedEpoch != 0 && b.id == l.Absorbed && b.epoch <= l.AbsorbedEpoch
	if !n.booked || n.busy() || !newer && !absorbed {
		n.sendAbout(m.From, m.Partition, m.Epoch, Refuse{})
		return
	}
	if b.id == m.Partition && b.epoch == m.Epoch { // doubled, or it gave itself away in a merge
		n.extendLease(now)
		n.send(m.From, *n.report())
		return
	}
	wasMerging, held := b.phase == merging, b.held
	if absorbed {
		n.remember()
	}
	n.unset(PhaseTimer)
	n.unset(RenewTimer)
	n.booking = booking{
		id:      m.Partition,
		epoch:   m.Epoch,
		leader:  m.From,
		members: l.Members,
		kinds:   l.Kinds,
		tally:   l.Tally,
	}
	n.extendLease(now)
	n.send(m.From, *n.report())
	if wasMerging {
		n.leapfrog(held, held.Body.(Event))
	}
}

func (n *Node) reported(now time.Duration, m Message, r Report) {
	if n.leads(m, collecting) {
		n.answered(now, m.From, &r)
	}
}

// refused goes on without a member that says that it is none. It answers so to
// Lead, or to Renew when it has given this leader up for lost.
func (n *Node) refused(now time.Duration, m Message) {
	b := &n.booking
	switch {
	case n.leads(m, collecting):
		n.answered(now, m.From, nil)
	case n.leads(m, applying):
		n.giveUpActionsOf(now, m.From)
	case n.leads(m, solving) && b.id.Initiator == m.From:
		n.end(now, Lost)
	case n.leads(m, solving) && slices.Contains(b.members, m.From):
		n.leaveOut(now, m.From)
	}
}

// answered notes a member's answer to Lead; r is nil if it refused.
func (n *Node) answered(now time.Duration, from cluster.NodeID, r *Report) {
	b := &n.booking
	i := slices.Index(b.members, from)
	if i < 0 || b.answers[i] != noAnswer {
		return
	}
	b.answers[i] = hasRefused
	if r != nil {
		b.answers[i], b.reports[i] = hasReported, *r
	}
	if !slices.Contains(b.answers, noAnswer) {
		n.collected(now)
	}
}

// collected goes on when all members have answered, or the time for it is
// over. Members that did not report are left out, and the others told so.
func (n *Node) collected(now time.Duration) {
	b := &n.booking
	b.reports[slices.Index(b.members, n.id)] = *n.report() // its own is to be as fresh as the last one
	var present []cluster.NodeID
	for i, a := range b.answers {
		if a == hasReported {
			present = append(present, b.members[i])
		} else {
			n.note(LeftOut, b.members[i])
		}
	}
	switch {
	case !slices.Contains(present, b.id.Initiator):
		// The procedure is over, or it goes on without this node, which joined
		// by an event that came late. Whoever ended it has said so.
		n.tellOthers(Release{Outcome: Lost})
		n.free(now)
	case len(present) < len(b.members):
		b.members = present
		b.target = min(b.target, max(len(b.members), n.settings.Minimum))
		n.advance()
		n.lead(now, PartitionID{}, 0)
	case !b.stillHolds():
		n.end(now, Vanished)
	default:
		n.weigh(now)
	}
}

// weigh asks the solver, at the leader, unless it is clear that there is no
// solution: the members' VMs ask for more than the members have together. Then
// Growth times as many are wanted; to ask with one more node at a time costs
// messages and solvers, and gains nothing.
func (n *Node) weigh(now time.Duration) {
	b := &n.booking
	lack, short := b.lack()
	grows := n.canGrow()
	b.lacking = cluster.Resources{}
	switch {
	case short && grows && n.settings.Growth > 1:
		n.note(Short, n.id)
		b.tried = true
		b.target = n.settings.Growth * len(b.members)
		b.answers, b.reports = nil, nil
		n.seek(now)
		return
	case short:
		b.lacking = lack
	}
	if len(b.members) < b.target && !b.small && grows && !n.isEnough() {
		n.seek(now)
		return
	}
	n.solve(now)
}

// canGrow reports whether there are nodes outside the partition, free or not.
func (n *Node) canGrow() bool {
	_, _, outside := n.next(n.booking.id.Initiator, n.id, n.booking.members, nil)
	return outside
}

func (n *Node) solve(now time.Duration) {
	b := &n.booking
	b.phase, b.tried = solving, true
	n.set(PhaseTimer, now+n.settings.SolveLimit)
	n.set(RenewTimer, now+n.settings.Renew)
	n.emit(Solve{Partition: b.id, Epoch: b.epoch, Kinds: b.kinds, Reports: b.reports})
	b.answers, b.reports = nil, nil
}

// solved carries the plan out; if there is none the partition must grow.
func (n *Node) solved(now time.Duration, s Solved) {
	b := &n.booking
	if !n.leads(Message{Partition: s.Partition, Epoch: s.Epoch}, solving) {
		return
	}
	b.tally.Solves++
	b.reasons = ""
	n.unset(RenewTimer)
	switch {
	case !s.Found:
		b.reasons = s.Reasons
		b.target = len(b.members) + 1
		if n.settings.Growth > 1 {
			b.target = max(b.target, len(b.members)*5/4)
		}
		n.seek(now)
	case len(s.Plan.Actions) == 0:
		n.end(now, Vanished)
	default:
		n.apply(now, s.Plan)
	}
}

// end ends the procedure that this node leads, and releases all members.
func (n *Node) end(now time.Duration, o Outcome) {
	b := &n.booking
	r := Release{Outcome: o, Busy: b.busy, Lacking: b.lacking, Reasons: b.reasons}
	n.tellOthers(r)
	n.emit(Ended{Partition: b.id, Outcome: o, Members: b.members, Kinds: b.kinds, Reasons: b.reasons, Tally: b.tally})
	n.leave(now, r)
}

func (n *Node) released(now time.Duration, m Message, r Release) {
	if n.obeys(m) && n.booking.phase == member {
		n.leave(now, r)
	}
}

// unserved returns the kinds of events that hold here; an underload only if this
// node has raised it.
func (n *Node) unserved() Kinds { return n.holding() &^ (Of(Underload) &^ n.pending) }

// hopeless returns those that would find no solution either, now that this partition
// has found none. Every answer leaves all members viable: where an overload can't
// be repaired, nothing else can be done. But where a node can't be emptied, say,
// an overload may well be repaired.
func (n *Node) hopeless() Kinds {
	if n.booking.kinds.Has(Overload) {
		return n.unserved()
	}
	return n.unserved() & n.booking.kinds
}

// leave frees the node after its procedure has ended. If it found no solution,
// members with an event that would find none either wait.
func (n *Node) leave(now time.Duration, r Release) {
	b := &n.booking
	switch r.Outcome {
	case Unsolvable:
		if kinds := n.hopeless(); kinds != 0 {
			n.backOff(now, kinds, r.Busy)
			n.lacking, n.lackingAt = r.Lacking, n.usage.Minus(n.local.Capacity)
		}
	case SolvedOutcome, Vanished:
		n.hurry()
	case Lost:
		if b.phase == member && b.id.Initiator == n.id {
			n.emit(Ended{Partition: b.id, Outcome: Lost, Members: b.members, Kinds: b.kinds, Tally: b.tally})
		}
		n.backOff(now, n.unserved(), true)
	case Aborted:
		n.tryAgain(now, n.unserved())
	case MergedAway:
	}
	if n.pending != 0 {
		n.emit(Answered{Partition: b.id, Kinds: n.pending, Outcome: r.Outcome, Reasons: r.Reasons})
		n.pending = 0
	}
	n.free(now)
}

// free ends the reservation, or makes it end with the last local migration.
func (n *Node) free(now time.Duration) {
	n.unset(LeaseTimer)
	n.unset(PhaseTimer)
	n.unset(RenewTimer)
	if n.busy() {
		n.booking.over, n.booking.phase = true, member
		n.doubt(now, func(a arrival) bool { return !slices.Contains(n.local.Incoming, a.vm) })
		return
	}
	n.remember()
	n.booked = false
	n.booking = booking{}
}
