// Package overlay says which node a procedure asks next.
//
// DVMS needs no more of a peer-to-peer overlay than that: starting at the node
// where an event arose, name the nodes one after the other, each once, until
// all live ones have been named. In which order decides how far VMs travel.
//
// Ring is the order of a distributed hash table, as in the first DVMS [1].
// Spiral begins with the nodes that are close in the network [2], by
// coordinates (package vivaldi).
//
// # Sources
//
//	[1] F. Quesnel, A. Lebre, M. Südholt. Cooperative and reactive scheduling
//	    in large-scale virtualized platforms with DVMS. Concurrency and
//	    Computation: Practice and Experience 25(12), 2013.
//	[2] A. Lebre. Contributions to the management of large-scale virtualized
//	    systems (habilitation thesis), section 3.2.
//
// # Differences from the sources
//
//   - A search carries which nodes it has named. A spiral view alone can't tell
//     those from nodes that have fallen out of it, as they must from a bounded one.
//   - A spiral goes on along the ring when it knows nobody any more. The long
//     links of [2] make it likely that all nodes are reached; this makes it sure.
//   - The round trips that are measured tell of others, those close to who asks.
//     In [2] nodes learn of others by searches alone.
//   - There are no links to predecessor and successor: what a partition needs to
//     know of its members its leader tells them.
package overlay

import "github.com/dvms-project/dvms/cluster"

// Overlay names the nodes of a search, one after the other. Each node of a
// search asks its own overlay; what one has to tell the next travels with the
// search, as its path.
type Overlay interface {
	// Next returns the node to ask after last, in a search that began at
	// root, passing over the excluded. When all others have been named it is
	// root, unless that is excluded too; then ok is false. path is what Next
	// returned to the node that was asked before, and nil when a search
	// begins.
	Next(root, last cluster.NodeID, excluded []cluster.NodeID, path Path) (next cluster.NodeID, on Path, ok bool)
	// Learn is told the path of each search that reaches this node.
	Learn(path Path)
	// Size returns the number of live nodes.
	Size() int
	// IsUp reports whether a node is live, as far as the overlay was told.
	IsUp(id cluster.NodeID) bool
}

// Path is what an overlay tells itself at the next node of a search. Only the
// overlay that made it can read it. It is never changed.
type Path []byte
