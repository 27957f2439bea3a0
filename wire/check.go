package wire

import (
	"errors"
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

// Check returns an error that says why a message to a node can't be one that a
// node of this protocol has sent: it names members twice, say. A node relies on
// it, and who hands it messages from outside must ask. It does not say whether
// the message comes at the right time: that is for the node.
func Check(m protocol.Message, to cluster.NodeID) error {
	switch b := m.Body.(type) {
	case protocol.Event:
		return checkEvent(m, b)
	case protocol.Lead:
		return errors.Join(checkMembers(b.Members, m.From, to, m.Partition.Initiator), checkKinds(b.Kinds), checkTally(b.Tally))
	case protocol.Report:
		return checkReport(m, b)
	case protocol.Stuck:
		return checkTally(b.Tally)
	case protocol.Returned:
		return checkTally(b.Tally)
	case protocol.Release:
		if b.Outcome > protocol.Lost {
			return fmt.Errorf("there is no outcome %d", uint8(b.Outcome))
		}
		return checkAmounts(b.Lacking)
	case protocol.Merge:
		return checkMembers(b.Members, m.From, b.Into.Initiator)
	case protocol.Merged:
		if !b.OK {
			return nil
		}
		return errors.Join(checkMembers(b.Members, m.From), checkKinds(b.Kinds), checkTally(b.Tally))
	case protocol.Order:
		if b.Kind > plan.Stop {
			return fmt.Errorf("there is no action %d", uint8(b.Kind))
		}
	case protocol.Admit:
		return checkAmounts(b.Demand)
	}
	return nil
}

// mostMembers is more than a partition ever has; a bound keeps what is said
// about members from taking long to check.
const mostMembers = 1 << 16

// checkMembers wants members that are different, and some among them.
func checkMembers(members []cluster.NodeID, wanted ...cluster.NodeID) error {
	if len(members) > mostMembers {
		return fmt.Errorf("there are %d members", len(members))
	}
	sorted := slices.Sorted(slices.Values(members))
	for i, id := range sorted {
		if i > 0 && id == sorted[i-1] {
			return fmt.Errorf("node %d is a member twice", id)
		}
	}
	for _, id := range wanted {
		if _, found := slices.BinarySearch(sorted, id); !found {
			return fmt.Errorf("node %d is not a member", id)
		}
	}
	return nil
}

func checkEvent(m protocol.Message, e protocol.Event) error {
	if e.State > protocol.CannotGrow || e.Round < 0 || e.Target < 0 {
		return fmt.Errorf("an event with state %d, round %d, target %d", uint8(e.State), e.Round, e.Target)
	}
	return errors.Join(checkMembers(e.Members, e.Leader, m.Partition.Initiator), checkKinds(e.Kinds), checkTally(e.Tally))
}

func checkKinds(k protocol.Kinds) error {
	if k > protocol.Of(protocol.Overload, protocol.Underload, protocol.Drain, protocol.Place, protocol.BrokenRule) {
		return fmt.Errorf("there are no kinds %b", uint8(k))
	}
	return nil
}

func checkTally(t protocol.Tally) error {
	if t.Hops < 0 || t.Solves < 0 || t.Merges < 0 {
		return fmt.Errorf("a negative count in %+v", t)
	}
	return nil
}

// mostAmount bounds every amount of a resource, so that sums of them fit.
const mostAmount = 1 << 46

func checkAmounts(r cluster.Resources) error {
	for _, amount := range r {
		if amount < 0 || amount > mostAmount {
			return fmt.Errorf("an amount of %d", amount)
		}
	}
	return nil
}

// mostVMs is more than a host runs.
const mostVMs = 1 << 16

func checkReport(m protocol.Message, r protocol.Report) error {
	l := r.Local
	if r.Node != m.From {
		return fmt.Errorf("a report of node %d", r.Node)
	}
	if n := len(l.VMs) + len(l.Waiting) + len(l.Sleeping); n > mostVMs {
		return fmt.Errorf("%d VMs", n)
	}
	seen := map[cluster.VMID]bool{}
	for _, vms := range [][]cluster.VM{l.VMs, l.Waiting, l.Sleeping} {
		for _, v := range vms {
			if err := checkAmounts(v.Demand); err != nil {
				return fmt.Errorf("VM %d: %w", v.ID, err)
			}
			if seen[v.ID] {
				return fmt.Errorf("VM %d is there twice", v.ID)
			}
			seen[v.ID] = true
		}
	}
	return errors.Join(checkAmounts(l.Capacity), checkKinds(r.Holds))
}
