package overlay

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay/vivaldi"
)

// SpiralSettings are those of a Spiral. All nodes of a cluster should have the
// same.
type SpiralSettings struct {
	View   int // nodes that a node knows the coordinates of: its network view
	Far    int // those of them that are there wherever they are: its long links
	Spiral int // nodes that a search passes on at most: its spiral view
	// Gossip is the time between two round trips that a node measures. It
	// measures its first ones, FirstRounds of them, ten times as often.
	Gossip time.Duration
	// Step is how finely a search tells distances apart: nodes whose distances
	// from its root lie in the same step follow each other in the order of the
	// ring. Within a site coordinates say little, and the nodes of a search
	// should not be the same few each time.
	Step   time.Duration
	Sample int // nodes that the answer to a measurement tells of
	// Volume is how far bandwidth counts beside latency: the distance of two
	// nodes is the round trip between them, and what a transfer of so much
	// takes. With 0 only latency counts.
	Volume cluster.Bytes
}

// FirstRounds is how many measurements a node makes in a hurry.
const FirstRounds = 40

// SpiralDefaults are settings that fit a few thousand nodes on some dozen
// sites. An idle node sends some 80 bytes a second.
func SpiralDefaults() SpiralSettings {
	return SpiralSettings{View: 32, Far: 4, Spiral: 16, Gossip: 5 * time.Second, Step: time.Millisecond, Sample: 8}
}

// Validate returns an error that names the first setting that can't be used.
func (s SpiralSettings) Validate() error {
	switch {
	case s.View < 1 || s.View > maxEntries:
		return fmt.Errorf("view: %d nodes are not from 1 to %d", s.View, maxEntries)
	case s.Far < 0 || s.Far >= s.View:
		return fmt.Errorf("far: %d nodes are not from 0 to less than the view of %d", s.Far, s.View)
	case s.Spiral < 1 || s.Spiral > maxEntries:
		return fmt.Errorf("spiral: %d nodes are not from 1 to %d", s.Spiral, maxEntries)
	case s.Gossip < time.Millisecond:
		return fmt.Errorf("gossip: %v is less than a millisecond", s.Gossip)
	case s.Step < 0:
		return fmt.Errorf("step: %v is negative", s.Step)
	case s.Sample < 0 || s.Sample > maxEntries:
		return fmt.Errorf("sample: %d nodes are not from 0 to %d", s.Sample, maxEntries)
	case s.Volume < 0:
		return fmt.Errorf("volume: %v is negative", s.Volume)
	}
	return nil
}

// Spiral names the nodes that are closest to the root of a search first [2].
//
// Each node has network coordinates, and a network view: some nodes that are
// close to it, and a few at random, its long links. A search carries a spiral
// view: the nodes closest to its root that it has heard of and not yet named.
// Each node that it reaches adds its own network view, names the one closest to
// the root, and keeps in its network view those that are closer to itself than
// what it had: the next search begins better informed.
//
// When all nodes of the spiral view have been named, the search goes on along
// the ring. So it names every live node that the ring knows, wherever the
// coordinates lie, and each once: beside the spiral view it carries which nodes
// it has named or passed over.
//
// A Spiral is a state machine, as a protocol.Node is: its driver calls Tick and
// Receive, sends the packets that they return, and tells the ring who is up.
type Spiral struct {
	self     cluster.NodeID
	settings SpiralSettings
	ring     *Ring
	random   rand.PCG
	now      time.Duration // of the last Tick or Receive

	place  vivaldi.Coordinate
	filter vivaldi.Filter
	near   []entry // the closest known; at most View - Far
	far    []entry // long links; at most Far
	oldest int     // of far, the next to be replaced
	edge   edge    // of near, or the zero value if something has moved

	rounds  uint64 // measurements begun
	pending probe
}

// entry is what a node knows of another one.
type entry struct {
	node  cluster.NodeID
	at    vivaldi.Point
	heard time.Duration // when the node itself said where it is, by the clock of who keeps the entry
}

// NewSpiral returns the overlay of a node that knows who is live, by the ring,
// and not yet where they are. seed feeds its choice of whom to measure.
func NewSpiral(self cluster.NodeID, settings SpiralSettings, ring *Ring, seed uint64) *Spiral {
	s := &Spiral{self: self, settings: settings, ring: ring}
	s.random.Seed(seed, uint64(self))
	s.place = vivaldi.Start(rand.New(&s.random))
	return s
}

// Size returns the number of live nodes.
func (s *Spiral) Size() int { return s.ring.Size() }

// IsUp reports whether a node is live.
func (s *Spiral) IsUp(id cluster.NodeID) bool { return s.ring.IsUp(id) }

// Coordinate returns where the node takes itself to be.
func (s *Spiral) Coordinate() vivaldi.Coordinate { return s.place }

// View returns the nodes of the network view, the closest first and the long
// links last.
func (s *Spiral) View() []cluster.NodeID {
	near := slices.Clone(s.near)
	sortByDistance(near, s.place.Point())
	nodes := make([]cluster.NodeID, 0, len(near)+len(s.far))
	for _, e := range append(near, s.far...) {
		nodes = append(nodes, e.node)
	}
	return nodes
}

// Next returns the live node closest to root that the search has heard of and
// that is neither named yet nor excluded. See Overlay.
func (s *Spiral) Next(root, last cluster.NodeID, excluded []cluster.NodeID, path Path) (cluster.NodeID, Path, bool) {
	t, ok := readTrail(path)
	if !ok || t.root.node != root {
		t = trail{root: s.entryOf(root)}
	}
	t.pass(append(slices.Clip(excluded), root, s.self)...)
	candidates := s.candidates(t)
	var next cluster.NodeID
	switch {
	case len(candidates) > 0:
		next = candidates[0].node
	default:
		next, ok = s.ring.after(last, func(id cluster.NodeID) bool { return !t.passed(id) })
		if !ok && slices.Contains(excluded, root) {
			return 0, nil, false
		}
		if !ok {
			next = root
		}
	}
	t.view = s.spiralView(candidates, next)
	return next, t.path(s.now), true
}

// entryOf returns what the node knows of the root of a search that it begins.
// Where it knows nothing, the search is around itself.
func (s *Spiral) entryOf(root cluster.NodeID) entry {
	for _, e := range slices.Concat(s.near, s.far) {
		if e.node == root {
			return e
		}
	}
	return entry{node: root, at: s.place.Point(), heard: s.now}
}

// candidates returns the live nodes in the spiral view and in the network view
// that the search has not passed, the closest to its root first.
func (s *Spiral) candidates(t trail) []entry {
	all := make([]entry, 0, len(t.view)+len(s.near)+len(s.far))
	for _, e := range t.view {
		e.heard = s.now - e.heard // told as an age
		all = append(all, e)
	}
	all = append(append(all, s.near...), s.far...)
	all = slices.DeleteFunc(all, func(e entry) bool { return t.passed(e.node) || !s.ring.IsUp(e.node) })
	slices.SortFunc(all, func(a, b entry) int { // of two entries for a node the one last heard of counts
		return cmp.Or(cmp.Compare(a.node, b.node), cmp.Compare(b.heard, a.heard))
	})
	all = slices.CompactFunc(all, func(a, b entry) bool { return a.node == b.node })
	s.sortBySteps(all, t.root)
	return all
}

// sortBySteps sorts entries, the closest to a root first, and within a step in
// the order of the ring from the root on.
func (s *Spiral) sortBySteps(entries []entry, root entry) {
	sortBy(entries, func(e entry) (float64, int) {
		distance := root.at.Distance(e.at)
		if s.settings.Step > 0 {
			distance = math.Floor(distance * float64(time.Microsecond) / float64(s.settings.Step))
		}
		return distance, s.ring.way(root.node, e.node)
	})
}

// sortByDistance sorts entries, the closest to a point first.
func sortByDistance(entries []entry, from vivaldi.Point) {
	sortBy(entries, func(e entry) (float64, int) { return from.Distance(e.at), 0 })
}

// sortBy sorts entries by distance, then by way, then by node.
func sortBy(entries []entry, measure func(entry) (distance float64, way int)) {
	type measured struct {
		entry
		distance float64
		way      int
	}
	all := make([]measured, len(entries))
	for i, e := range entries {
		distance, way := measure(e)
		all[i] = measured{e, distance, way}
	}
	slices.SortFunc(all, func(a, b measured) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.way, b.way), cmp.Compare(a.node, b.node))
	})
	for i, m := range all {
		entries[i] = m.entry
	}
}

// spiralView returns the candidates that go on with the search to the next
// node: the closest, and the farthest as long links if there are too many.
func (s *Spiral) spiralView(candidates []entry, next cluster.NodeID) []entry {
	rest := slices.DeleteFunc(candidates, func(e entry) bool { return e.node == next })
	if n := s.settings.Spiral; len(rest) > n {
		far := min(s.settings.Far, n-1)
		rest = append(rest[:n-far], rest[len(rest)-far:]...)
	}
	return rest
}

// Learn keeps those nodes of a search that are closer to this one than what it
// knows.
func (s *Spiral) Learn(path Path) {
	t, ok := readTrail(path)
	if !ok {
		return
	}
	for _, e := range append(t.view, t.root) {
		e.heard = s.now - e.heard
		s.note(e)
	}
}

// note takes what was heard of a node: it is kept if the node is in the view
// already, or close enough.
func (s *Spiral) note(e entry) {
	if e.node == s.self || !s.ring.IsUp(e.node) {
		return
	}
	for _, known := range [][]entry{s.near, s.far} {
		if i := position(known, e.node); i >= 0 {
			if known[i].heard < e.heard {
				known[i] = e
				s.edge = edge{}
			}
			return
		}
	}
	if len(s.near) < s.settings.View-s.settings.Far {
		s.near = append(s.near, e)
		s.edge = edge{}
		return
	}
	if f := s.farthest(); s.place.Point().Distance(e.at) < f.distance {
		s.near[f.position] = e
		s.edge = edge{}
	}
}

// position returns where a node is among entries, or -1.
func position(entries []entry, node cluster.NodeID) int {
	for i := range entries {
		if entries[i].node == node {
			return i
		}
	}
	return -1
}

// edge is the node of near that is farthest away: where it is among them, and how
// far. It is kept until something moves, as most that a node hears of is farther.
type edge struct {
	position int
	distance float64
}

// farthest returns the edge of near. Those that are gone leave near with the next
// Tick.
func (s *Spiral) farthest() edge {
	if s.edge == (edge{}) {
		here := s.place.Point()
		for i := range s.near {
			if d := here.Distance(s.near[i].at); d > s.edge.distance {
				s.edge = edge{i, d}
			}
		}
	}
	return s.edge
}
