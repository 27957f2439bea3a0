package experiment

import (
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// gossip is the overlay of each node, and what they tell each other so as to
// know where they are.
type gossip struct {
	ring     *overlay.Ring
	overlays []overlay.Overlay // by node; all the same ring, or one spiral each
	spirals  []*overlay.Spiral // by node; nil if the strategy has none
	flying   slab[packet]
	packets  int // sent
	bytes    int // of them
}

// packet is gossip on its way to a node.
type packet struct {
	from, to int
	data     []byte
}

// The kinds of events of gossip, as handlers of the simulation.
type (
	tickDue   world // a node's overlay measures a round trip; the argument is the node
	packetDue world // a packet reaches a node; the argument is its number
)

func newGossip(spec Spec, nodes []cluster.Node) (g gossip) {
	names := make([]string, len(nodes))
	for i, n := range nodes {
		names[i] = n.Name
	}
	ring := overlay.HashedRing(names)
	g.ring = ring
	for _, n := range nodes {
		if spec.Strategy != "dvms-spiral" {
			g.overlays = append(g.overlays, ring)
			continue
		}
		s := overlay.NewSpiral(n.ID, spec.Scenario.Settings.overlay(), ring, spec.Seed)
		g.overlays, g.spirals = append(g.overlays, s), append(g.spirals, s)
	}
	return g
}

// startGossip lets each node begin at an instant of its own.
func (w *world) startGossip() {
	phases := injector.Stream(w.spec.Seed, "experiment/gossip-phases")
	for i := range w.gossip.spirals {
		phase := phases.Int64N(int64(w.spec.Scenario.Settings.Overlay.Gossip))
		w.at(time.Duration(phase), (*tickDue)(w), uint64(i))
	}
}

// Handle lets a node measure a round trip.
func (t *tickDue) Handle(_ sim.Seconds, node uint64) {
	w := (*world)(t)
	if w.isDown(int(node)) {
		w.weather.outages[node].ticking = false
		return
	}
	packets, next := w.gossip.spirals[node].Tick(w.now())
	w.sendPackets(int(node), packets)
	w.at(next, t, node)
}

// Handle gives a node a packet.
func (p *packetDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(p)
	at := w.gossip.flying.take(number)
	if !w.reaches(at.from, at.to) {
		return
	}
	bandwidth := w.geography.bandwidth(at.to, at.from, w.spec.Scenario.Hosts.Network)
	w.sendPackets(at.to, w.gossip.spirals[at.to].Receive(w.now(), cluster.NodeID(at.from), at.data, bandwidth))
}

func (w *world) sendPackets(from int, packets []overlay.Packet) {
	for _, p := range packets {
		to := int(p.To)
		w.gossip.packets++
		w.gossip.bytes += len(p.Data)
		for _, at := range w.arrivals(from, to) {
			w.at(at, (*packetDue)(w), w.gossip.flying.put(packet{from, to, p.Data}))
		}
	}
}

// restartGossip gives a node that returns an overlay that knows nobody yet.
func (w *world) restartGossip(host int, seed uint64) {
	if w.gossip.spirals == nil {
		return
	}
	s := overlay.NewSpiral(cluster.NodeID(host), w.spec.Scenario.Settings.overlay(), w.gossip.ring, seed)
	w.gossip.overlays[host], w.gossip.spirals[host] = s, s
	if o := &w.weather.outages[host]; !o.ticking {
		o.ticking = true
		w.at(w.now(), (*tickDue)(w), uint64(host))
	}
}

// recordPlaces records where the nodes take themselves to be.
func (w *world) recordPlaces() {
	for i, s := range w.gossip.spirals {
		c := s.Coordinate()
		w.sink.Record(trace.Place{
			Node: hostName(i), Site: w.geography.name(i), Vector: slices.Clone(c.Vector[:]), Height: c.Height, Error: c.Error,
		})
	}
}
