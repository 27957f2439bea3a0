package protocol

import (
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
)

// A node that is gone counts once, whether the driver tells the node, takes it off
// the overlay, or both: an event ends after two rounds of those that live, and a
// few hops more.
func TestTheDeadCountOnce(t *testing.T) {
	for name, gone := range map[string]func(n *Node, ring *overlay.Ring, id cluster.NodeID){
		"told":              func(n *Node, _ *overlay.Ring, id cluster.NodeID) { n.Step(0, Down{Node: id}) },
		"off the overlay":   func(_ *Node, ring *overlay.Ring, id cluster.NodeID) { ring.Down(id) },
		"off, and told":     func(n *Node, ring *overlay.Ring, id cluster.NodeID) { ring.Down(id); n.Step(0, Down{Node: id}) },
		"told, and off":     func(n *Node, ring *overlay.Ring, id cluster.NodeID) { n.Step(0, Down{Node: id}); ring.Down(id) },
		"told, never there": func(n *Node, ring *overlay.Ring, id cluster.NodeID) { ring.Down(id); n.Step(0, Down{Node: id + 100}) },
	} {
		t.Run(name, func(t *testing.T) {
			ring := overlay.NewRing([]cluster.NodeID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10})
			n := New(1, Defaults(), ring, 1)
			for id := cluster.NodeID(5); id <= 10; id++ {
				gone(n, ring, id)
			}
			if live := n.live(); live != 4 {
				t.Errorf("%d nodes are live, want 4", live)
			}
			event := func(round int) []Output {
				m := Message{From: 3, Partition: PartitionID{2, 1}, Epoch: Change, Body: Event{Leader: 2, Members: []cluster.NodeID{2}, Round: round}}
				return n.Step(0, Received{m})
			}
			if out := event(2*4 + slack + 1); len(out) != 0 {
				t.Errorf("after more hops than two rounds of 4 take, %+v", out)
			}
			if out := event(2*4 + slack); len(out) == 0 {
				t.Error("an event ends before it has gone round twice")
			}
		})
	}
}
