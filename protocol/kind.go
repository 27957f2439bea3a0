package protocol

import (
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/rule"
)

// Kind says why a procedure runs.
type Kind uint8

// The kinds of events.
const (
	Overload   Kind = iota // a node's VMs ask for more CPU or memory than it has
	Underload              // a node's VMs ask for so little that it could as well be empty
	Drain                  // a node is to be emptied, for maintenance
	Place                  // VMs that wait or sleep on a node are to run
	BrokenRule             // a rule changed, or is broken
	numKinds
)

func (k Kind) String() string {
	return [numKinds]string{"overload", "underload", "drain", "place", "rule"}[k]
}

// Kinds is a set of kinds: partitions that merge have the events of all.
type Kinds uint8

// Of returns the set of the given kinds.
func Of(kinds ...Kind) (s Kinds) {
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has reports whether k is in the set.
func (s Kinds) Has(k Kind) bool { return s&(1<<k) != 0 }

// String lists the kinds, as in "overload+drain".
func (s Kinds) String() string {
	var names []string
	for k := range numKinds {
		if s.Has(k) {
			names = append(names, k.String())
		}
	}
	if names == nil {
		return "nothing"
	}
	return strings.Join(names, "+")
}

// Rule is a rule as nodes speak of it: of VMs and nodes by their IDs, as each
// partition has others of them.
type Rule struct {
	Name   string
	Kind   rule.Kind // one that needs no more than what follows
	VMs    []cluster.VMID
	Nodes  []cluster.NodeID
	Max    int64
	Always bool // throughout a plan, not at its end only
}

// saysAs reports whether two rules are the same but for their names.
func (r Rule) saysAs(o Rule) bool {
	return r.Kind == o.Kind && r.Max == o.Max && r.Always == o.Always && slices.Equal(r.VMs, o.VMs) && slices.Equal(r.Nodes, o.Nodes)
}

// Local is what a node knows of itself. It is not changed once it is given to
// Observed.
type Local struct {
	Capacity cluster.Resources // what its VMs may ask for together
	VMs      []cluster.VM      // that it hosts, those that leave included
	Incoming []cluster.VMID    // whose migration to this node is under way
	Waiting  []cluster.VM      // that are to be started, here or elsewhere
	Sleeping []cluster.VM      // whose images lie here, and that are to run
	Rules    []Rule            // that concern its VMs
	// Draining nodes are to be emptied, and take no VM in.
	Draining    bool
	Underloaded bool // the monitor says that it could as well be empty
	Broken      bool // one of the rules is broken
}

// demand returns what a VM asks for that an action of the given kind is about:
// one that runs, waits or sleeps here. ok is false if there is none.
func (l *Local) demand(vm cluster.VMID, kind plan.Kind) (demand cluster.Resources, ok bool) {
	vms := l.VMs
	switch kind {
	case plan.Run:
		vms = l.Waiting
	case plan.Resume:
		vms = l.Sleeping
	case plan.Migrate, plan.Suspend, plan.Stop:
	}
	if i := slices.IndexFunc(vms, func(v cluster.VM) bool { return v.ID == vm }); i >= 0 {
		return vms[i].Demand, true
	}
	return demand, false
}

// usage returns what the VMs that run ask for together.
func (l Local) usage() (sum cluster.Resources) {
	for _, v := range l.VMs {
		sum = sum.Plus(v.Demand)
	}
	return sum
}

// holding returns the kinds of events that hold on this node.
func (n *Node) holding() (s Kinds) {
	if n.overloaded() {
		s |= Of(Overload)
	}
	if l := &n.local; l.Underloaded || l.Draining || l.Broken || len(l.Waiting)+len(l.Sleeping) > 0 {
		s |= l.unusual()
	}
	return s
}

// Holds returns the kinds of events that hold on a node of which this is said.
func (l *Local) Holds() (s Kinds) {
	if !l.usage().Within(l.Capacity) {
		s = Of(Overload)
	}
	return s | l.unusual()
}

// unusual returns the kinds of events, but for an overload, that hold.
func (l *Local) unusual() (s Kinds) {
	if l.Underloaded && !l.Draining && len(l.VMs) > 0 {
		s |= Of(Underload)
	}
	if l.Draining && len(l.VMs) > 0 {
		s |= Of(Drain)
	}
	if len(l.Waiting)+len(l.Sleeping) > 0 {
		s |= Of(Place)
	}
	if l.Broken {
		s |= Of(BrokenRule)
	}
	return s
}

// stillHolds reports whether what a partition is there for holds, by the fresh
// reports of its members. A node is emptied to save power only if its own wish
// stands.
func (b *booking) stillHolds() bool {
	for _, r := range b.reports {
		if b.kinds&r.Holds&^Of(Underload) != 0 || b.kinds.Has(Underload) && r.Node == b.id.Initiator && r.Holds.Has(Underload) {
			return true
		}
	}
	return false
}

// lack returns how much more of each resource the members' VMs ask for than the
// members have together. If it is anything, there is no solution, whoever
// looks for it; more nodes are needed.
func (b *booking) lack() (lack cluster.Resources, short bool) {
	var asked, offered cluster.Resources
	for _, r := range b.reports {
		usage := r.Local.usage()
		asked = asked.Plus(usage)
		offer := r.Local.Capacity
		emptied := r.Local.Draining && b.kinds.Has(Drain) || b.kinds.Has(Underload) && r.Node == b.id.Initiator
		switch {
		case emptied:
			offer = cluster.Resources{}
		case r.Local.Draining:
			for k := range offer {
				offer[k] = min(offer[k], usage[k])
			}
		}
		if b.kinds.Has(Place) {
			for _, v := range r.Local.Waiting {
				asked = asked.Plus(v.Demand)
			}
			for _, v := range r.Local.Sleeping {
				asked = asked.Plus(v.Demand)
			}
		}
		offered = offered.Plus(offer)
	}
	for k := range lack {
		lack[k] = max(asked[k]-offered[k], 0)
		short = short || lack[k] > 0
	}
	return lack, short
}
