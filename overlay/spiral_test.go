package overlay_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
)

// network is nodes with spirals, and packets that take half of a round trip.
// Node i stands on site i % sites, so that IDs say nothing of who is near.
type network struct {
	ring    *overlay.Ring
	spirals []*overlay.Spiral
	trip    func(a, b int) time.Duration // there and back
	now     time.Duration
	ticks   []time.Duration // by node: when its next Tick is due
	flying  []flight
	sent    []int // bytes, by node
}

type flight struct {
	at       time.Duration
	from, to cluster.NodeID
	data     []byte
}

func newNetwork(nodes int, settings overlay.SpiralSettings, trip func(a, b int) time.Duration) *network {
	n := &network{ring: overlay.NewRing(nil), trip: trip, ticks: make([]time.Duration, nodes), sent: make([]int, nodes)}
	for i := range nodes {
		id := cluster.NodeID(i)
		n.ring.Up(id, fmt.Sprint("node", i))
		n.spirals = append(n.spirals, overlay.NewSpiral(id, settings, n.ring, 1))
		n.ticks[i] = time.Duration(i) * settings.Gossip / time.Duration(10*nodes)
	}
	return n
}

// onSites is the round trips between nodes of so many sites: 0.2 ms within one,
// and 5 ms more for each site that lies between.
func onSites(sites int) func(a, b int) time.Duration {
	return func(a, b int) time.Duration {
		d := a%sites - b%sites
		return 200*time.Microsecond + time.Duration(max(d, -d))*5*time.Millisecond
	}
}

// run lets nodes gossip until an instant. live says who does.
func (n *network) run(until time.Duration) {
	for {
		tick := 0
		for i, at := range n.ticks {
			if at < n.ticks[tick] {
				tick = i
			}
		}
		first := -1
		for i, f := range n.flying {
			if first < 0 || f.at < n.flying[first].at {
				first = i
			}
		}
		switch {
		case first >= 0 && n.flying[first].at <= n.ticks[tick]:
			f := n.flying[first]
			n.flying = slices.Delete(n.flying, first, first+1)
			n.now = f.at
			if n.ring.IsUp(f.to) {
				n.send(f.to, n.spirals[f.to].Receive(n.now, f.from, f.data, 0))
			}
		case n.ticks[tick] > until:
			return
		default:
			n.now = n.ticks[tick]
			packets, next := n.spirals[tick].Tick(n.now)
			n.ticks[tick] = next
			if n.ring.IsUp(cluster.NodeID(tick)) {
				n.send(cluster.NodeID(tick), packets)
			}
		}
	}
}

func (n *network) send(from cluster.NodeID, packets []overlay.Packet) {
	for _, p := range packets {
		n.flying = append(n.flying, flight{n.now + n.trip(int(from), int(p.To))/2, from, p.To, p.Data})
		n.sent[from] += len(p.Data)
	}
}

func (n *network) of(id cluster.NodeID) overlay.Overlay { return n.spirals[id] }

func small() overlay.SpiralSettings {
	s := overlay.SpiralDefaults()
	s.View, s.Far, s.Spiral, s.Sample = 8, 2, 4, 3
	return s
}

// A search begins with the whole site of its root, then goes to the next one.
// Views hold fewer nodes than a site has, and nodes join by no plan.
func TestASpiralNamesTheCloseNodesFirst(t *testing.T) {
	const sites, perSite = 4, 12
	n := newNetwork(sites*perSite, small(), onSites(sites))
	n.run(2 * time.Minute)
	wrong := 0
	for root := range cluster.NodeID(sites * perSite) {
		seen := search(root, n.of, func([]cluster.NodeID) {})
		for i := 1; i < perSite; i++ {
			if seen[i]%sites != root%sites {
				wrong++
			}
		}
	}
	if all := sites * perSite * (perSite - 1); wrong*10 > all {
		t.Errorf("%d of %d of the first %d nodes of a search are on another site than its root", wrong, all, perSite-1)
	}
}

// Learning from searches alone: nodes that never measured anyone but are told
// coordinates by the searches that reach them.
func TestANodeLearnsFromSearches(t *testing.T) {
	const sites, perSite = 4, 12
	n := newNetwork(sites*perSite, small(), onSites(sites))
	n.run(2 * time.Minute)
	// A new node knows one other, of its own site.
	id := cluster.NodeID(sites * perSite)
	n.ring.Up(id, "newcomer")
	newcomer := overlay.NewSpiral(id, small(), n.ring, 1)
	_, path, _ := n.spirals[0].Next(0, 0, nil, nil)
	newcomer.Learn(path)
	if view := newcomer.View(); len(view) < small().Spiral || !slices.Contains(view, 0) {
		t.Errorf("after a search the node knows %v", view)
	}
}

// Whatever the nodes know of each other, wherever they are, and whoever dies or
// joins: a search names each live node once, and at last its root.
func TestASpiralReachesEveryLiveNode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(1, 30).Draw(t, "nodes")
		seed := rapid.Uint64().Draw(t, "places")
		settings := overlay.SpiralDefaults()
		settings.View = rapid.IntRange(1, 12).Draw(t, "view")
		settings.Far = rapid.IntRange(0, settings.View-1).Draw(t, "far")
		settings.Spiral = rapid.IntRange(1, 12).Draw(t, "spiral view")
		settings.Sample = rapid.IntRange(0, 4).Draw(t, "sample")
		n := newNetwork(nodes, settings, func(a, b int) time.Duration {
			r := rand.New(rand.NewPCG(seed, uint64(min(a, b))<<32|uint64(max(a, b))))
			return time.Duration(1 + r.Int64N(int64(30*time.Millisecond)))
		})
		n.run(time.Duration(rapid.IntRange(0, 30).Draw(t, "seconds of gossip")) * time.Second)
		for id := range cluster.NodeID(nodes) {
			if rapid.IntRange(0, 3).Draw(t, "dies") == 0 {
				n.ring.Down(id)
			}
		}
		n.run(n.now + time.Duration(rapid.IntRange(0, 10).Draw(t, "more seconds"))*time.Second)
		for root := range cluster.NodeID(nodes) {
			if !n.ring.IsUp(root) {
				continue
			}
			seen := []cluster.NodeID{root}
			path, last := overlay.Path(nil), root
			for {
				// The members of a partition are passed over, as DVMS does it.
				next, on, ok := n.of(last).Next(root, last, seen[1:], path)
				if !ok || next == root {
					break
				}
				if slices.Contains(seen, next) {
					t.Fatalf("%d comes twice after %v", next, seen)
				}
				n.of(next).Learn(on)
				seen, last, path = append(seen, next), next, on
			}
			var live []cluster.NodeID
			for id := range cluster.NodeID(nodes) {
				if n.ring.IsUp(id) {
					live = append(live, id)
				}
			}
			if got := slices.Sorted(slices.Values(seen)); !slices.Equal(got, live) {
				t.Fatalf("a search from %d saw %v of %v", root, got, live)
			}
		}
	})
}

// Nodes come and go while a search goes on: it ends, names no node twice, and
// all that were there from beginning to end.
func TestASpiralOnANetworkThatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := rapid.IntRange(2, 25).Draw(t, "nodes")
		n := newNetwork(nodes, small(), onSites(rapid.IntRange(1, 5).Draw(t, "sites")))
		n.run(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds of gossip")) * time.Second)
		root := cluster.NodeID(rapid.IntRange(0, nodes-1).Draw(t, "root"))
		stable := map[cluster.NodeID]bool{}
		for id := range cluster.NodeID(nodes) {
			stable[id] = true
		}
		seen := search(root, n.of, func(seen []cluster.NodeID) {
			id := cluster.NodeID(rapid.IntRange(0, nodes-1).Draw(t, "who"))
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0:
				if id != root && id != seen[len(seen)-1] {
					n.ring.Down(id)
					delete(stable, id)
				}
			case 1:
				n.ring.Up(id, "")
			case 2:
				n.run(n.now + time.Second)
			}
		})
		for i, id := range seen {
			if slices.Contains(seen[:i], id) {
				t.Fatalf("%d comes twice in %v", id, seen)
			}
			delete(stable, id)
		}
		if len(stable) > 0 {
			t.Fatalf("%v were never named, but %v", stable, seen)
		}
	})
}

// A search that leapfrogs a partition does not come back to its members.
func TestASpiralPassesOverForGood(t *testing.T) {
	n := newNetwork(12, small(), onSites(2))
	n.run(time.Minute)
	first, path, _ := n.spirals[0].Next(0, 0, nil, nil)
	partition := []cluster.NodeID{first}
	for id := cluster.NodeID(1); len(partition) < 4; id++ {
		if id != first {
			partition = append(partition, id)
		}
	}
	seen := []cluster.NodeID{0}
	last := first
	for excluded := partition; ; excluded = []cluster.NodeID{last} {
		next, on, ok := n.of(last).Next(0, last, excluded, path)
		if !ok {
			t.Fatal("the search never came home")
		}
		if next == 0 {
			break
		}
		if slices.Contains(partition, next) || slices.Contains(seen, next) {
			t.Fatalf("%d after %v, passing over %v", next, seen, partition)
		}
		seen, last, path = append(seen, next), next, on
	}
	if len(seen) != 12-len(partition) {
		t.Errorf("saw %v, and passed over %v", seen, partition)
	}
}

// A node in an idle cluster sends less than 1 KB a second with its default
// settings: less than 100 bytes in the mean.
func TestGossipCostsLittle(t *testing.T) {
	n := newNetwork(200, overlay.SpiralDefaults(), onSites(10))
	n.run(30 * time.Second)
	clear(n.sent)
	n.run(330 * time.Second)
	total := 0
	for _, bytes := range n.sent {
		total += bytes
	}
	if rate := float64(total) / 200 / 300; rate > 100 || rate < 10 {
		t.Errorf("%.1f bytes a second and node", rate)
	}
	if most := slices.Max(n.sent); most > 1000*300 {
		t.Errorf("one node sent %d bytes in 300 s", most)
	}
}

// A search and gossip can be made of any bytes: nothing panics, and a search goes on.
func FuzzSpiralReadsAnything(f *testing.F) {
	n := newNetwork(6, small(), onSites(2))
	n.run(time.Minute)
	_, path, _ := n.spirals[0].Next(0, 0, nil, nil)
	packets, _ := n.spirals[0].Tick(n.now)
	f.Add([]byte(path))
	f.Add(packets[0].Data)
	for _, p := range n.spirals[1].Receive(n.now, 0, packets[0].Data, 0) {
		f.Add(p.Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s := n.spirals[3]
		s.Learn(data)
		s.Receive(n.now, 2, data, 0)
		if !s.Coordinate().Usable() {
			t.Fatalf("the node is at %+v", s.Coordinate())
		}
		for _, id := range s.View() {
			if !n.ring.IsUp(id) {
				t.Fatalf("the view has %d, which is no live node", id)
			}
		}
		if _, on, ok := s.Next(0, 3, nil, data); ok {
			if again, more, ok := n.spirals[4].Next(0, 4, nil, on); !ok || len(more) == 0 || again > 5 {
				t.Fatalf("%d, %v", again, ok)
			}
		}
	})
}

func TestSpiralSettingsAreValidated(t *testing.T) {
	if err := overlay.SpiralDefaults().Validate(); err != nil {
		t.Error(err)
	}
	for _, c := range []struct {
		change func(*overlay.SpiralSettings)
		want   string
	}{
		{func(s *overlay.SpiralSettings) { s.View = 0 }, "view: 0 nodes are not from 1 to 1000"},
		{func(s *overlay.SpiralSettings) { s.Far = 32 }, "far: 32 nodes are not from 0 to less than the view of 32"},
		{func(s *overlay.SpiralSettings) { s.Spiral = 0 }, "spiral: 0 nodes are not from 1 to 1000"},
		{func(s *overlay.SpiralSettings) { s.Gossip = 0 }, "gossip: 0s is less than a millisecond"},
		{func(s *overlay.SpiralSettings) { s.Sample = -1 }, "sample: -1 nodes are not from 0 to 1000"},
		{func(s *overlay.SpiralSettings) { s.Volume = -1 }, "volume: "},
	} {
		s := overlay.SpiralDefaults()
		c.change(&s)
		if err := s.Validate(); err == nil || len(err.Error()) < len(c.want) || err.Error()[:len(c.want)] != c.want {
			t.Errorf("%v, want %s", err, c.want)
		}
	}
}

func BenchmarkSpiralNext(b *testing.B) {
	n := newNetwork(200, overlay.SpiralDefaults(), onSites(10))
	n.run(30 * time.Second)
	first, path, _ := n.spirals[0].Next(0, 0, nil, nil)
	for b.Loop() {
		n.spirals[first].Learn(path)
		n.spirals[first].Next(0, first, []cluster.NodeID{first}, path)
	}
	b.ReportMetric(float64(len(path)), "bytes/path")
}
