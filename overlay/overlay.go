// Package overlay says which node a procedure asks next.
//
// DVMS needs no more of a peer-to-peer overlay than that: starting at the node
// where an event arose, name the nodes one after the other, each once, until
// all live ones have been named. In which order decides how far VMs travel.
// Ring is the order of a distributed hash table, as in the first DVMS
// (F. Quesnel, A. Lebre and M. Südholt, "Cooperative and reactive scheduling in
// large-scale virtualized platforms with DVMS", CCPE 25(12), 2013).
package overlay

import (
	"cmp"
	"hash/fnv"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// Overlay names the nodes of a search, one after the other.
type Overlay interface {
	// Next returns the node to ask after last, in a search that began at
	// root, passing over the excluded. ok is false if there is none left.
	Next(root, last cluster.NodeID, excluded []cluster.NodeID) (next cluster.NodeID, ok bool)
	// Size returns the number of live nodes.
	Size() int
}

// Ring orders the nodes in a circle. The next one is the first clockwise after
// last that is not excluded; root does not matter.
//
// Many nodes of a simulation share one Ring; it must not change while they
// step.
type Ring struct {
	order    []cluster.NodeID
	position map[cluster.NodeID]int
}

// NewRing returns the ring of the nodes in the given order.
func NewRing(order []cluster.NodeID) *Ring {
	r := &Ring{order: slices.Clone(order), position: make(map[cluster.NodeID]int, len(order))}
	for i, id := range order {
		r.position[id] = i
	}
	return r
}

// HashedRing returns the ring of the named nodes in the order of a hash of
// their names, so that neighbours are spread over sites and racks as they are
// in a distributed hash table. IDs are the indices into names.
func HashedRing(names []string) *Ring {
	type place struct {
		key uint64
		id  cluster.NodeID
	}
	places := make([]place, len(names))
	for i, name := range names {
		h := fnv.New64a()
		h.Write([]byte(name))
		places[i] = place{mix(h.Sum64()), cluster.NodeID(i)}
	}
	slices.SortFunc(places, func(a, b place) int {
		return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.id, b.id))
	})
	order := make([]cluster.NodeID, len(places))
	for i, p := range places {
		order[i] = p.id
	}
	return NewRing(order)
}

// mix spreads the bits of a hash. Names that differ in their last character
// only, as node1 and node2 do, have FNV hashes that lie close together.
// Source: D. Stafford's variant 13 of the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
	h = (h ^ h>>27) * 0x94d049bb133111eb
	return h ^ h>>31
}

// Next returns the first node clockwise after last that is not excluded. It
// may be last itself, when the search has gone all the way round.
func (r *Ring) Next(_, last cluster.NodeID, excluded []cluster.NodeID) (cluster.NodeID, bool) {
	start, ok := r.position[last]
	if !ok {
		return 0, false
	}
	for i := 1; i <= len(r.order); i++ {
		id := r.order[(start+i)%len(r.order)]
		if !slices.Contains(excluded, id) {
			return id, true
		}
	}
	return 0, false
}

// Size returns the number of nodes on the ring.
func (r *Ring) Size() int { return len(r.order) }
