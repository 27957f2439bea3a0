package wire

import (
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Gossip is what the overlays of two nodes tell each other so as to know where
// they are.
type Gossip struct {
	From cluster.NodeID `json:"from,omitempty"`
	Data []byte         `json:"data"`
	// Waited is how long this, and the packet that it answers, have waited for
	// connections to open and queues to empty. It is no part of the round trip.
	Waited time.Duration `json:"waited_ns,omitempty"`
	// Received is when it came, by the clock of this process. What it waits for
	// from then on is no part of the round trip either.
	Received time.Time `json:"-"`
}

// Limits of gossip.
const (
	maxGossip = 64 << 10 // bytes
	maxWaited = time.Minute
)

// CheckGossip returns an error unless a node may have said so.
func CheckGossip(g Gossip) error {
	if len(g.Data) > maxGossip {
		return fmt.Errorf("gossip of %d bytes", len(g.Data))
	}
	if g.Waited < 0 || g.Waited > maxWaited {
		return fmt.Errorf("gossip that has waited for %v", g.Waited)
	}
	return nil
}
