package overlay

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
)

// Whatever nodes tell each other, who comes and who goes: the edge that a node keeps
// is that of its view, and what it tells of are those of its view that are closest.
func TestEdgeAndClosest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := []cluster.NodeID{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}
		ring := NewRing(ids)
		settings := SpiralDefaults()
		settings.View, settings.Far, settings.Sample = 6, 2, 3
		spirals := map[cluster.NodeID]*Spiral{}
		for _, id := range ids {
			spirals[id] = NewSpiral(id, settings, ring, 1)
		}
		now := time.Duration(0)
		node := rapid.SampledFrom(ids)
		for range 100 {
			from := node.Draw(t, "node")
			now += time.Duration(rapid.IntRange(1, 1000).Draw(t, "ms")) * time.Millisecond
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0:
				ring.Down(from)
			case 1:
				ring.Up(from, "")
			default:
				packets, _ := spirals[from].Tick(now)
				for _, p := range packets {
					now += time.Duration(rapid.IntRange(1, 50).Draw(t, "delay")) * time.Millisecond
					for _, answer := range spirals[p.To].Receive(now, from, p.Data, 0) {
						now += time.Duration(rapid.IntRange(1, 50).Draw(t, "delay")) * time.Millisecond
						spirals[from].Receive(now, p.To, answer.Data, 0)
					}
				}
			}
			for _, id := range ids {
				s := spirals[id]
				kept := s.farthest()
				if s.edge = (edge{}); s.farthest() != kept {
					t.Fatalf("node %d keeps %+v for its edge, which is %+v", id, kept, s.edge)
				}
				peer := node.Draw(t, "peer")
				at := spirals[peer].place.Point()
				all := slices.DeleteFunc(slices.Concat(s.near, s.far), func(e entry) bool { return e.node == peer || s.gone(e) })
				sortByDistance(all, at)
				if want, got := all[:min(len(all), settings.Sample)], s.closestTo(peer, at); !slices.Equal(want, got) {
					t.Fatalf("closest to node %d: %v, not %v", peer, got, want)
				}
			}
		}
	})
}
