package placement

import "github.com/dvms-project/dvms/cluster"

// Fragmented reports whether the room of the nodes of c is proven to be in
// pieces too small for its VMs.
func Fragmented(c *cluster.Configuration) bool { return newRepair(c, &Problem{}).fragmented() }
