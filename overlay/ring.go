package overlay

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// Ring orders the nodes in a circle. The next one is the first live one
// clockwise after last that is not excluded.
//
// A ring knows all nodes, so that its list of successors never ends: however
// many nodes leave at once, the next one that is left is known. A node that has
// left keeps its place: a search that stands there goes on, and the node finds
// its place again when it returns.
//
// In an agent each node has a ring of its own, of the nodes that it takes to be
// alive. Many nodes of a simulation share one, which must not change while they
// step.
type Ring struct {
	places   []place // clockwise
	position map[cluster.NodeID]int
	live     int
}

// place is a node on the ring. Ties of keys are broken by node.
type place struct {
	key  uint64
	node cluster.NodeID
	up   bool
}

func (p place) compare(o place) int {
	return cmp.Or(cmp.Compare(p.key, o.key), cmp.Compare(p.node, o.node))
}

// NewRing returns the ring of the nodes in the given order, all live.
func NewRing(order []cluster.NodeID) *Ring {
	places := make([]place, len(order))
	for i, id := range order {
		places[i] = place{uint64(i), id, true}
	}
	return ringOf(places)
}

// HashedRing returns the ring of the named nodes in the order of a hash of
// their names, all live, so that neighbours are spread over sites and racks as
// they are in a distributed hash table. IDs are the indices into names.
func HashedRing(names []string) *Ring {
	places := make([]place, len(names))
	for i, name := range names {
		places[i] = place{key(name), cluster.NodeID(i), true}
	}
	slices.SortFunc(places, place.compare)
	return ringOf(places)
}

func ringOf(places []place) *Ring {
	r := &Ring{places: places, position: make(map[cluster.NodeID]int, len(places)), live: len(places)}
	r.number(0)
	return r
}

// number notes the positions from one on.
func (r *Ring) number(from int) {
	for i := from; i < len(r.places); i++ {
		r.position[r.places[i].node] = i
	}
}

// key is the hash of a name.
func key(name string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(name))
	return mix(h.Sum64())
}

// mix spreads the bits of a hash. Names that differ in their last character
// only, as node1 and node2 do, have FNV hashes that lie close together.
// Source: D. Stafford's variant 13 of the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Up takes a node in, at the place that the hash of its name gives it; or, if
// it was there before, at the place that it had. The name then does not matter.
func (r *Ring) Up(id cluster.NodeID, name string) {
	if i, known := r.position[id]; known {
		r.live += one(!r.places[i].up)
		r.places[i].up = true
		return
	}
	p := place{key(name), id, true}
	i, _ := slices.BinarySearchFunc(r.places, p, place.compare)
	r.places = slices.Insert(r.places, i, p)
	r.number(i)
	r.live++
}

// Down says that a node has left or died.
func (r *Ring) Down(id cluster.NodeID) {
	if i, known := r.position[id]; known {
		r.live -= one(r.places[i].up)
		r.places[i].up = false
	}
}

// IsUp reports whether a node is live.
func (r *Ring) IsUp(id cluster.NodeID) bool {
	i, known := r.position[id]
	return known && r.places[i].up
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// Next returns the first live node clockwise after last that is not excluded.
// It may be last itself, when the search has gone all the way round. A ring
// needs no path: where root stands ends the search.
func (r *Ring) Next(_, last cluster.NodeID, excluded []cluster.NodeID, path Path) (cluster.NodeID, Path, bool) {
	next, ok := r.after(last, func(id cluster.NodeID) bool { return !slices.Contains(excluded, id) })
	return next, path, ok
}

// after returns the first live node clockwise after last that is wanted.
func (r *Ring) after(last cluster.NodeID, wanted func(cluster.NodeID) bool) (cluster.NodeID, bool) {
	start, known := r.position[last]
	if !known {
		return 0, false
	}
	for i := 1; i <= len(r.places); i++ {
		p := r.places[(start+i)%len(r.places)]
		if p.up && wanted(p.node) {
			return p.node, true
		}
	}
	return 0, false
}

// way returns how many places clockwise one node is from another.
func (r *Ring) way(from, to cluster.NodeID) int {
	return (r.position[to] - r.position[from] + len(r.places)) % len(r.places)
}

// Learn does nothing: a ring's searches carry nothing.
func (r *Ring) Learn(Path) {}

// Size returns the number of live nodes.
func (r *Ring) Size() int { return r.live }
