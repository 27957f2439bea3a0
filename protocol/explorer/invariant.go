package explorer

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// faulty reports whether anything has gone wrong so far.
func (c *catalogue) faulty(s *state) bool {
	b := c.world.Bounds.list()
	for h := crash; h < numHappenings; h++ {
		if int(s.left[h]) != b[h] {
			return true
		}
	}
	return false
}

// mayBegin holds I2 and I3 when a migration starts: its source hosts the VM,
// which is not on its way already, and the same partition holds source and target,
// at the same epoch.
func (c *catalogue) mayBegin(s *state, m move) error {
	name := fmt.Sprintf("v%d, which moves from %d to %d,", m.vm+1, m.source+1, m.target+1)
	if int(s.host[m.vm]) != m.source {
		return fmt.Errorf("I3: %s is on node %d", name, s.host[m.vm]+1)
	}
	for _, other := range s.moves {
		if c.moves[other>>1].vm == m.vm {
			return fmt.Errorf("I3: %s is on its way to %d already", name, c.moves[other>>1].target+1)
		}
	}
	if c.refuses(s, m) {
		return nil // it will fail
	}
	from, to := &c.nodes[s.nodes[m.source]], &c.nodes[s.nodes[m.target]]
	if !from.booked || !to.booked || from.partition != to.partition || from.epoch != to.epoch {
		return fmt.Errorf("I2: %s has not both ends held by one partition at one epoch", name)
	}
	return nil
}

// refuses reports whether the target's hypervisor does not let a VM in: it is
// down, or was since it promised room, so that nobody there expects the VM.
func (c *catalogue) refuses(s *state, m move) bool {
	n := s.nodes[m.target]
	return n == 0 || s.starts[m.target] > 0 && !c.nodes[n].node.Expects(c.vms[m.vm].ID)
}

// mayHost holds that no migration makes its target overloaded, as long as no load
// has changed.
func (c *catalogue) mayHost(s *state, m move) error {
	if m.bypass || s.changed != 0 {
		return nil
	}
	var usage int64
	for v, vm := range c.vms {
		if int(s.host[v]) == m.target {
			usage += vm.Demand[cluster.CPU]
		}
	}
	if usage > c.world.capacity()[cluster.CPU] {
		return fmt.Errorf("v%d, which moved from %d to %d, makes its target overloaded", m.vm+1, m.source+1, m.target+1)
	}
	return nil
}

// check holds the invariants that concern a single state.
func (c *catalogue) check(s *state) error {
	for i, n := range s.nodes[:c.size] {
		if n == 0 {
			continue
		}
		if err := c.hasRoom(s, i, &c.nodes[n]); err != nil {
			return err
		}
	}
	if err := c.oneSide(s); err != nil || c.faulty(s) {
		return err
	}
	if err := c.informed(s); err != nil {
		return err
	}
	return c.exclusive(s)
}

// oneSide holds that of two partitions that may merge only one acts.
func (c *catalogue) oneSide(s *state) error {
	for i, n := range s.nodes[:c.size] {
		one := &c.nodes[n]
		if one.asks.Sequence == 0 {
			continue
		}
		for j, o := range s.nodes[:i] {
			if other := &c.nodes[o]; other.asks == one.partition && one.asks == other.partition {
				return fmt.Errorf("nodes %d and %d, which lead %v and %v, ask each other to merge", j+1, i+1, other.partition, one.partition)
			}
		}
	}
	return nil
}

// informed holds that members know the same members as their leader does at the
// same epoch, as long as nothing has gone wrong. So they know their first out.
func (c *catalogue) informed(s *state) error {
	for i, n := range s.nodes[:c.size] {
		m := &c.nodes[n]
		if !m.booked || m.leads {
			continue
		}
		l := &c.nodes[s.nodes[m.leader]]
		if l.leads && l.partition == m.partition && l.epoch == m.epoch && l.members != m.members {
			return fmt.Errorf("node %d knows other members of %v than node %d, which leads it", i+1, m.partition, m.leader+1)
		}
	}
	return nil
}

// maySend holds that an event leapfrogs: a node sends none to a member of its own
// partition, as far as it knows them; but to a leader that may merge, and to the
// node where the event arose. An event of its own partition may know more than the
// node, or less.
func maySend(n *protocol.Node, out protocol.Output) error {
	send, ok := out.(protocol.Send)
	if !ok {
		return nil
	}
	e, ok := send.Message.Body.(protocol.Event)
	id, booked := n.Booked()
	if !ok || !booked || e.Aside || send.To == send.Message.Partition.Initiator {
		return nil
	}
	own := id == send.Message.Partition
	if slices.Contains(n.Members(), send.To) && (!own || slices.Contains(e.Members, send.To)) {
		return fmt.Errorf("node %d sends the event of %v to node %d, a member of %v", send.Message.From, send.Message.Partition, send.To, id)
	}
	return nil
}

// hasRoom holds I4 at a node: it has memory for what it hosts and for what is
// on its way, and has promised it. A node with migrations is not free.
func (c *catalogue) hasRoom(s *state, at int, n *node) error {
	var coming int64
	for _, number := range s.moves {
		m := c.moves[number>>1]
		if m.target == at && number&1 == 0 {
			coming += c.vms[m.vm].Demand[cluster.Memory]
		}
		if !n.booked && (m.source == at || m.target == at && number&1 == 0) {
			return fmt.Errorf("I2: v%d moves from %d to %d, and node %d is free", m.vm+1, m.source+1, m.target+1, at+1)
		}
	}
	if coming > n.promised {
		return fmt.Errorf("I4: %v are on their way to node %d, which has promised %v", cluster.Bytes(coming), at+1, cluster.Bytes(n.promised))
	}
	hosted := int64(0)
	for v, vm := range c.vms {
		if int(s.host[v]) == at {
			hosted += vm.Demand[cluster.Memory]
		}
	}
	if hosted+coming > c.memory {
		return fmt.Errorf("I4: node %d hosts %v, %v are on their way, and it has memory for %v", at+1, cluster.Bytes(hosted), cluster.Bytes(coming), cluster.Bytes(c.memory))
	}
	return nil
}

// exclusive holds I1 as the leaders see it: as long as nothing has gone wrong,
// no node is in the partitions of two.
func (c *catalogue) exclusive(s *state) error {
	for i, n := range s.nodes[:c.size] {
		one := &c.nodes[n]
		for j, o := range s.nodes[:i] {
			other := &c.nodes[o]
			if one.leads && other.leads && one.partition != other.partition && one.members&other.members != 0 {
				return fmt.Errorf("I1: nodes %d and %d lead %v and %v, which have a node in common, and nothing went wrong", j+1, i+1, other.partition, one.partition)
			}
		}
	}
	return nil
}
