package protocol

import (
	"fmt"
	"time"
)

// Timer names one of a node's timers.
type Timer uint8

// The timers of a node.
const (
	LeaseTimer  Timer = iota // the reservation ends
	PhaseTimer               // what the leader waits for does not come
	RenewTimer               // the leader renews the members' leases
	ActionTimer              // a local migration does not end
	numTimers
)

func (t Timer) String() string {
	return [numTimers]string{"lease", "phase", "renew", "action"}[t]
}

// alarm is the state of one timer. A deadline that moves away, as that of a
// lease does each second, costs no new request: the alarm that was asked for
// fires, sees that it is early, and asks for the rest.
type alarm struct {
	due   time.Duration // when to act; 0 means never
	asked time.Duration // the earliest SetTimer that has not fired yet; 0 means none
}

// set makes a timer act at an instant, and at no other.
func (n *Node) set(t Timer, at time.Duration) {
	a := &n.alarms[t]
	a.due = at
	if a.asked == 0 || a.asked > at {
		a.asked = at
		n.emit(SetTimer{Timer: t, At: at})
	}
}

// unset makes a timer do nothing.
func (n *Node) unset(t Timer) { n.alarms[t].due = 0 }

func (n *Node) fired(now time.Duration, t Timer) {
	a := &n.alarms[t]
	if a.asked == 0 || now < a.asked {
		return // one that an earlier request has replaced
	}
	a.asked = 0
	if a.due == 0 {
		return
	}
	if now < a.due {
		a.asked = a.due
		n.emit(SetTimer{Timer: t, At: a.due})
		return
	}
	a.due = 0
	switch t {
	case LeaseTimer:
		n.leaseEnded(now)
	case PhaseTimer:
		n.phaseEnded(now)
	case RenewTimer:
		n.renew(now)
	case ActionTimer:
		n.actionsOverdue(now)
	default:
		panic(fmt.Sprintf("protocol: unknown timer %d", t))
	}
}

// leaseEnded frees a member whose leader fell silent. A leader comes here
// only while its event travels: the event is lost then.
func (n *Node) leaseEnded(now time.Duration) {
	b := &n.booking
	switch {
	case !n.booked:
	case b.phase == member:
		n.leave(now, Release{Outcome: Lost})
	case b.phase == waiting:
		n.end(now, Lost)
	}
}

// phaseEnded ends a leader's wait for others.
func (n *Node) phaseEnded(now time.Duration) {
	if !n.booked {
		return
	}
	switch n.booking.phase {
	case collecting:
		n.collected(now)
	case solving:
		n.end(now, Lost)
	case applying:
		n.askSources(now)
	case merging:
		n.declined(now)
	case member, waiting:
	}
}

// renew tells the members that their leader is alive, and goes on doing so for
// as long as it solves or carries out a plan.
func (n *Node) renew(now time.Duration) {
	if !n.booked {
		return
	}
	switch n.booking.phase {
	case solving, applying:
		n.tellOthers(Renew{})
		n.set(RenewTimer, now+n.settings.Renew)
	case member, waiting, collecting, merging:
	}
}

func (n *Node) renewed(now time.Duration, m Message) {
	switch {
	case n.obeys(m):
		n.extendLease(now)
	case !n.booked || n.booking.id != m.Partition:
		n.sendAbout(m.From, m.Partition, m.Epoch, Refuse{}) // it was given up for lost
	}
}

func (n *Node) extendLease(now time.Duration) {
	n.set(LeaseTimer, now+n.settings.Lease)
}
