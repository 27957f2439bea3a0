package protocol

import "slices"

// mark is the end of a reservation: the partition, and the last epoch at which
// it held this node.
type mark struct {
	id    PartitionID
	epoch Epoch
}

// remembered is how many partitions a node remembers after it has left them. An
// event that comes later than that many others is taken for a new one, and
// ends when its initiator refuses to report.
const remembered = 4

// remember notes that the node's reservation ends.
func (n *Node) remember() {
	id := n.booking.id
	left := []mark{{id, n.booking.epoch}}
	for _, m := range n.left {
		if m.id != id && len(left) < remembered {
			left = append(left, m)
		}
	}
	n.left = left
}

// hasLeft reports whether m was sent before this node left the partition that
// it is about. The node must not join by it: the partition is over, or went on
// without it, and the epoch at which it would lead was used before.
func (n *Node) hasLeft(m Message) bool {
	return slices.ContainsFunc(n.left, func(l mark) bool { return l.id == m.Partition && m.Epoch <= l.epoch })
}
