package protocol

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
)

// Settings of a node. All nodes of a cluster should have the same.
type Settings struct {
	Lease   time.Duration // a member that hears nothing for so long frees itself
	Renew   time.Duration // how often a leader renews the leases
	Collect time.Duration // how long a leader waits for reports, and for an answer to Merge
	// SolveLimit ends the wait for a solver that never answers. After
	// ActionLimit without news, the source of a migration is asked for some.
	SolveLimit  time.Duration
	ActionLimit time.Duration
	// BackoffMin and BackoffMax bound the wait before an event that could not
	// be solved is raised again.
	BackoffMin time.Duration
	BackoffMax time.Duration
	// Concurrent is the most migrations that a node takes part in at once.
	Concurrent int
	// Minimum is the number of nodes from which on a leader asks for a
	// solution, unless no more can be had. Two nodes often suffice, but their
	// solution leaves both nearly full, and soon overloaded again; one more
	// node costs milliseconds.
	Minimum int
	// Growth is how many times as many nodes are wanted when the members ask for more
	// than they have together; with 1 a partition grows by one node at a time, and
	// asks the solver each time.
	Growth int
	// Consolidation is the most nodes that an underload reserves: to empty a node
	// is worth some effort, not any.
	Consolidation int
}

// Defaults returns the settings that fit a local network.
func Defaults() Settings {
	return Settings{
		Lease:         5 * time.Second,
		Renew:         time.Second,
		Collect:       time.Second,
		SolveLimit:    time.Minute,
		ActionLimit:   30 * time.Second,
		BackoffMin:    2 * time.Second,
		BackoffMax:    time.Minute,
		Concurrent:    2,
		Minimum:       5,
		Growth:        2,
		Consolidation: 10,
	}
}

// Validate returns an error that names the first setting that can't be used.
func (s Settings) Validate() error {
	for _, d := range []struct {
		name  string
		value time.Duration
	}{
		{"lease", s.Lease},
		{"renew", s.Renew},
		{"collect", s.Collect},
		{"solve_limit", s.SolveLimit},
		{"action_limit", s.ActionLimit},
		{"backoff_min", s.BackoffMin},
		{"backoff_max", s.BackoffMax},
	} {
		if d.value <= 0 {
			return fmt.Errorf("%s: %v is not a positive duration", d.name, d.value)
		}
	}
	switch {
	case s.Renew >= s.Lease:
		return fmt.Errorf("renew: %v is not shorter than the lease of %v", s.Renew, s.Lease)
	case s.BackoffMax < s.BackoffMin:
		return fmt.Errorf("backoff_max: %v is shorter than backoff_min, %v", s.BackoffMax, s.BackoffMin)
	case s.Concurrent < 1:
		return fmt.Errorf("concurrent: %d migrations a node is less than 1", s.Concurrent)
	case s.Minimum < 1:
		return fmt.Errorf("minimum: a partition of %d nodes is less than 1", s.Minimum)
	case s.Growth < 1 || s.Growth > 1000:
		return fmt.Errorf("growth: %d is not from 1 to 1000", s.Growth)
	case s.Consolidation < 2:
		return fmt.Errorf("consolidation: a partition of %d nodes is less than 2", s.Consolidation)
	}
	return nil
}

// Node is one node of the procedure. Its zero value is not usable; see New.
type Node struct {
	id       cluster.NodeID
	settings Settings
	overlay  overlay.Overlay
	random   rand.PCG

	local Local
	usage cluster.Resources // of the VMs in local

	dead     []cluster.NodeID // known to be gone, in ascending order; never changed in place
	sequence uint32           // of the last event raised here
	booked   bool
	booking  booking // meaningful while booked
	left     []mark  // the last reservations that ended, the latest first; never changed in place

	pending   Kinds             // of the event raised here that has not ended yet
	waits     [numKinds]wait    // after events that could not be solved
	lacking   cluster.Resources // what all live nodes together lacked at the last one
	lackingAt cluster.Resources // what the VMs here asked for then, less what the node had

	departures []departure // of VMs that are to leave this node
	arrivals   []arrival   // room promised to VMs that are to come

	alarms [numTimers]alarm

	out  []Output
	self []Message // that the node sends to itself
}

// wait is the back-off of one kind of events.
type wait struct {
	last  time.Duration // how long the last one was, or 0
	until time.Duration // no event is raised before
}

// New returns a free node. seed feeds the jitter of its back-off.
func New(id cluster.NodeID, settings Settings, o overlay.Overlay, seed uint64) *Node {
	n := &Node{id: id, settings: settings, overlay: o}
	n.random.Seed(seed, uint64(id))
	return n
}

// Booked returns the partition that holds the node. ok is false if it is free.
func (n *Node) Booked() (id PartitionID, ok bool) { return n.booking.id, n.booked }

// Members returns the partition's members, as far as the node knows.
func (n *Node) Members() []cluster.NodeID { return n.booking.members }

// State returns the state of the partition that holds the node.
func (n *Node) State() State { return n.booking.state }

// Epoch returns the epoch at which the node is booked.
func (n *Node) Epoch() Epoch { return n.booking.epoch }

// Leader returns the leader of the partition that holds the node.
func (n *Node) Leader() cluster.NodeID { return n.booking.leader }

// Promised returns the room that the node has promised to incoming VMs. One that
// is here has got its room, even if its source has not yet said so.
func (n *Node) Promised() (sum cluster.Resources) {
	for _, a := range n.arrivals {
		if !n.hosts(a.vm) {
			sum = sum.Plus(a.demand)
		}
	}
	return sum
}

// hosts reports whether a VM is on this node.
func (n *Node) hosts(vm cluster.VMID) bool {
	return slices.ContainsFunc(n.local.VMs, func(v cluster.VM) bool { return v.ID == vm })
}

// Expects reports whether the node has promised room to a VM that is to come.
// A hypervisor should let in no other: a node that was down since then has
// forgotten its promise.
func (n *Node) Expects(vm cluster.VMID) bool {
	return slices.ContainsFunc(n.arrivals, func(a arrival) bool { return a.vm == vm })
}

// Expected returns the VMs that the node expects.
func (n *Node) Expected() []cluster.VMID {
	var vms []cluster.VMID
	for _, a := range n.arrivals {
		vms = append(vms, a.vm)
	}
	return vms
}

// overloaded reports whether the VMs ask for more than the node has.
func (n *Node) overloaded() bool { return !n.usage.Within(n.local.Capacity) }

// busy reports whether migrations from or to this node are under way.
func (n *Node) busy() bool { return len(n.departures)+len(n.arrivals) > 0 }

func (n *Node) emit(o Output) { n.out = append(n.out, o) }

// send sends a message about the partition that holds the node.
func (n *Node) send(to cluster.NodeID, body Body) {
	n.sendAbout(to, n.booking.id, n.booking.epoch, body)
}

func (n *Node) sendAbout(to cluster.NodeID, id PartitionID, epoch Epoch, body Body) {
	m := Message{From: n.id, Partition: id, Epoch: epoch, Body: body}
	if to == n.id {
		n.self = append(n.self, m)
		return
	}
	n.emit(Send{To: to, Message: m})
}

// tellOthers sends a message to all members but this node.
func (n *Node) tellOthers(body Body) {
	for _, member := range n.booking.members {
		if member != n.id {
			n.send(member, body)
		}
	}
}

// observe takes what the hypervisor says of this node. A change of what its VMs
// ask for, of its rules or of what is wanted of it makes an event that could not be
// solved worth another try.
func (n *Node) observe(local Local) {
	usage := local.usage()
	l := &n.local
	changed := usage != n.usage || local.Capacity != l.Capacity || !slices.EqualFunc(local.Rules, l.Rules, Rule.saysAs)
	wanted := local.Draining != l.Draining || !slices.Equal(local.Waiting, l.Waiting) || !slices.Equal(local.Sleeping, l.Sleeping)
	if wanted || changed && n.helps(usage.Minus(local.Capacity)) {
		n.hurry()
	}
	n.local, n.usage = local, usage
}

// helps reports whether what the VMs here ask for beyond what the node has, or
// below it, may make a solution possible. If all live nodes together had too
// little, it has to be so much less; others may have more room, too, and the
// back-off sees to that.
func (n *Node) helps(excess cluster.Resources) bool {
	for k, lack := range n.lacking {
		if lack > 0 && excess[k]+lack > n.lackingAt[k] {
			return false
		}
	}
	return true
}

// hurry ends all waits, as something has changed.
func (n *Node) hurry() {
	n.waits, n.lacking = [numKinds]wait{}, cluster.Resources{}
}

// backOff makes the node wait before it raises events of these kinds again:
// twice as long each time, less a random part, so that nodes which gave up
// together do not come back together. If nodes that would have helped were only
// busy, the wait stays as short as the first. A node that waits already, and was
// a member of another procedure that found nothing, does not wait longer for it.
func (n *Node) backOff(now time.Duration, kinds Kinds, busy bool) {
	for k := range numKinds {
		w := &n.waits[k]
		if !kinds.Has(k) || now < w.until {
			continue
		}
		w.last = min(max(2*w.last, n.settings.BackoffMin), n.settings.BackoffMax)
		if busy {
			w.last = n.settings.BackoffMin
		}
		jitter := time.Duration(rand.New(&n.random).Int64N(int64(w.last)/2 + 1))
		w.until = now + w.last - jitter
	}
}

// tryAgain lets the node raise events of these kinds again at once when a plan was
// given up; but if the plan before was given up as well, it waits as after events
// that have no solution. What a hypervisor has refused twice it may always refuse.
func (n *Node) tryAgain(now time.Duration, kinds Kinds) {
	for k := range numKinds {
		switch w := &n.waits[k]; {
		case !kinds.Has(k):
		case w.last == 0:
			w.last = n.settings.BackoffMin / 2
		default:
			n.backOff(now, Of(k), false)
		}
	}
}

// note tells what happens to a node in the procedure that this one leads.
func (n *Node) note(what Note, node cluster.NodeID) {
	n.emit(Noted{Partition: n.booking.id, Epoch: n.booking.epoch, Note: what, Node: node, Members: len(n.booking.members)})
}

// receive acts on a message.
func (n *Node) receive(now time.Duration, m Message) {
	switch body := m.Body.(type) {
	case Event:
		n.event(now, m, body)
	case Lead:
		n.led(now, m, body)
	case Report:
		n.reported(now, m, body)
	case Refuse:
		n.refused(now, m)
	case Stuck:
		n.stuck(now, m, body)
	case Returned:
		n.cameBack(now, m, body)
	case Passing:
		n.passing(now, m)
	case Renew:
		n.renewed(now, m)
	case Release:
		n.released(now, m, body)
	case Merge:
		n.askedToMerge(now, m, body)
	case Merged:
		n.merged(now, m, body)
	case Order:
		n.ordered(now, m, body)
	case Done:
		n.actionDone(now, m, body)
	case Admit:
		n.admit(now, m, body)
	case Admitted:
		n.admitted(now, m, body)
	case Settled:
		n.settled(now, m, body)
	case Ask:
		n.asked(m, body)
	case Moving:
		n.moving(now, m, body)
	default:
		panic(fmt.Sprintf("protocol: unknown message %T", body))
	}
}

// without returns members less one.
func without(members []cluster.NodeID, one cluster.NodeID) []cluster.NodeID {
	rest := make([]cluster.NodeID, 0, len(members))
	for _, m := range members {
		if m != one {
			rest = append(rest, m)
		}
	}
	return rest
}

// with returns members and those of more that are not among them, in a slice
// of its own.
func with(members []cluster.NodeID, more ...cluster.NodeID) []cluster.NodeID {
	all := make([]cluster.NodeID, len(members), len(members)+len(more))
	copy(all, members)
	for _, m := range more {
		if !slices.Contains(members, m) {
			all = append(all, m)
		}
	}
	return all
}
