package demo

import (
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
)

// sites are those of the thesis behind DVMS (Table 4), and roundTrips those
// between two of them, or within one. Frames wait for half of that: on one
// machine all are equally close.
var (
	sites      = [...]string{"Grenoble", "Luxembourg", "Nancy", "Rennes"}
	roundTrips = [len(sites)][len(sites)]time.Duration{
		{90 * time.Microsecond, 16550 * time.Microsecond, 14240 * time.Microsecond, 15920 * time.Microsecond},
		{16550 * time.Microsecond, 170 * time.Microsecond, 2700 * time.Microsecond, 13820 * time.Microsecond},
		{14240 * time.Microsecond, 2700 * time.Microsecond, 270 * time.Microsecond, 11420 * time.Microsecond},
		{15920 * time.Microsecond, 13820 * time.Microsecond, 11420 * time.Microsecond, 230 * time.Microsecond},
	}
)

// site returns the number of a host's site: as many hosts stand on each.
func (s Settings) site(id cluster.NodeID) int { return int(id-1) * s.Sites / s.Agents }

// siteName returns the name of a host's site, or "" if there is only one.
func (s Settings) siteName(id cluster.NodeID) string {
	if s.Sites < 2 {
		return ""
	}
	return sites[s.site(id)]
}

// delays returns how long what an agent sends to others takes; nil for no time.
func (s Settings) delays(from cluster.NodeID) map[cluster.NodeID]time.Duration {
	if s.Sites < 2 {
		return nil
	}
	all := map[cluster.NodeID]time.Duration{}
	for i := range s.Agents {
		to := cluster.NodeID(i + 1)
		all[to] = roundTrips[s.site(from)][s.site(to)] / 2
	}
	return all
}

// spread returns on how many sites some hosts stand.
func (s Settings) spread(hosts []cluster.NodeID) int {
	seen := map[int]bool{}
	for _, id := range hosts {
		seen[s.site(id)] = true
	}
	return len(seen)
}

// gossip is how often agents measure a round trip: more often than they would have
// to, so that there is less to wait for, and yet not so often that the handshakes
// of so many, all on one machine, are in the way of what they measure.
func (s Settings) gossip() time.Duration {
	return time.Second * time.Duration(max(s.Agents, 16)) / 16
}

// spiral returns the settings of the agents' overlay; nil for a ring.
func (s Settings) spiral() *overlay.SpiralSettings {
	if !s.Spiral {
		return nil
	}
	set := overlay.SpiralDefaults()
	set.Gossip = s.gossip()
	return &set
}

// warmUp is how long agents take to find out how far they are from each other.
func (s Settings) warmUp() time.Duration {
	return (overlay.FirstRounds*s.gossip()/10 + time.Second).Round(100 * time.Millisecond)
}
