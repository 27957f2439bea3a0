package protocol

import (
	"slices"
	"time"
)

// Clone returns a copy of the node that goes its own way. They share what
// neither changes: the overlay, and what messages and the hypervisor brought.
func (n *Node) Clone() *Node {
	clone := *n
	clone.booking = n.booking.clone()
	clone.out, clone.self = nil, nil // they are empty between two steps
	return &clone
}

// clone copies what a booking changes in place. All its other lists, and those
// of the node, are replaced as a whole when they change.
func (b *booking) clone() booking {
	clone := *b
	clone.answers = slices.Clone(b.answers)
	clone.reports = slices.Clone(b.reports)
	if b.runner != nil {
		clone.runner = b.runner.Clone()
	}
	return clone
}

// Shift sets the node's clock forward by a time, or back if that is negative:
// the node then does at t + by what it would have done at t. All that it waits
// for must remain after instant 0.
func (n *Node) Shift(by time.Duration) {
	move := func(at *time.Duration) {
		if *at != 0 { // which means never
			*at += by
		}
	}
	for k := range n.waits {
		move(&n.waits[k].until)
	}
	for t := range n.alarms {
		move(&n.alarms[t].due)
		move(&n.alarms[t].asked)
	}
	n.departures = slices.Clone(n.departures)
	for i := range n.departures {
		move(&n.departures[i].overdue)
	}
	n.arrivals = slices.Clone(n.arrivals)
	for i := range n.arrivals {
		move(&n.arrivals[i].overdue)
	}
}

// Due returns the instant at which a timer makes the node act. ok is false if
// the timer would change nothing when it fires.
func (n *Node) Due(t Timer) (at time.Duration, ok bool) {
	return n.alarms[t].due, n.alarms[t].due != 0
}

// Timers returns all timers that a node has.
func Timers() []Timer {
	timers := make([]Timer, numTimers)
	for t := range timers {
		timers[t] = Timer(t)
	}
	return timers
}

// Leads reports whether the node leads its partition, and is not about to leave it.
func (n *Node) Leads() bool { return n.booked && !n.booking.over && n.booking.phase != member }

// Asks returns the partition that the node asks to merge with its own. ok is false
// if it asks none.
func (n *Node) Asks() (id PartitionID, ok bool) {
	return n.booking.held.Partition, n.booked && n.booking.phase == merging
}
