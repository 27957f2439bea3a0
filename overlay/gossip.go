package overlay

import (
	"encoding/binary"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay/vivaldi"
)

// Packet is what a spiral's driver is to send. It may get lost; a node that
// hears nothing measures others.
type Packet struct {
	To   cluster.NodeID
	Data []byte
}

// probe is a measurement that waits for its answer.
type probe struct {
	to     cluster.NodeID
	number uint64
	sent   time.Duration
	far    bool // to is any live node, not one of the view
}

// The kinds of packets: the first byte.
const (
	asks    byte = iota + 1 // number and coordinate
	answers                 // number, coordinate and entries
)

// Tick begins the measurement of a round trip. It returns what is to be sent,
// and when it is to be called next. now is the time since the node started; it
// never goes back.
//
// Each node measures in turn one of those close to it, and any live one: what is
// near must be told apart well, and without what is far the sites would lie
// anywhere [1].
func (s *Spiral) Tick(now time.Duration) (packets []Packet, next time.Duration) {
	s.now = now
	next = now + s.settings.Gossip
	if s.rounds < FirstRounds {
		next = now + s.settings.Gossip/10
	}
	s.rounds++
	if slices.ContainsFunc(s.near, s.gone) {
		s.near = slices.DeleteFunc(s.near, s.gone)
		s.edge = edge{}
	}
	to, known := s.neighbour()
	far := !known || s.rounds%2 == 0
	if far {
		if to, known = s.anyone(); !known {
			return nil, next // alone
		}
	}
	s.pending = probe{to: to, number: s.rounds, sent: now, far: far}
	return []Packet{{to, s.packet(asks, s.rounds)}}, next
}

func (s *Spiral) gone(e entry) bool { return !s.ring.IsUp(e.node) }

// neighbour returns the closer of two nodes of near at random: what is closest
// matters most, and of a small site most of near is elsewhere.
func (s *Spiral) neighbour() (cluster.NodeID, bool) {
	if len(s.near) == 0 {
		return 0, false
	}
	random, here := rand.New(&s.random), s.place.Point()
	a, b := s.near[random.IntN(len(s.near))], s.near[random.IntN(len(s.near))]
	if here.Distance(b.at) < here.Distance(a.at) {
		a = b
	}
	return a.node, true
}

// anyone returns a live node at random.
func (s *Spiral) anyone() (cluster.NodeID, bool) {
	if len(s.ring.places) == 0 {
		return 0, false
	}
	from := s.ring.places[rand.New(&s.random).IntN(len(s.ring.places))].node
	return s.ring.after(from, func(id cluster.NodeID) bool { return id != s.self })
}

// packet packs what all packets begin with.
func (s *Spiral) packet(kind byte, number uint64) []byte {
	b := make([]byte, 0, 40)
	b = append(b, kind)
	b = binary.AppendUvarint(b, number)
	b = appendPoint(b, s.place.Point())
	return appendFloat(b, float32(s.place.Error))
}

// Receive takes a packet from another node, and returns what is to be sent in
// return. What can't be read is dropped. bandwidth is what a transfer to that
// node would get, as far as the driver knows, or 0; it matters only if
// SpiralSettings.Volume is not 0.
func (s *Spiral) Receive(now time.Duration, from cluster.NodeID, data []byte, bandwidth cluster.BytesPerSecond) []Packet {
	s.now = now
	r := reader{rest: data}
	kind, number := r.octet(), r.number()
	peer := vivaldi.At(r.point())
	peer.Error = float64(r.float())
	var told []entry
	if kind == answers {
		told = r.entries()
	}
	if kind < asks || kind > answers || !r.complete() || !peer.Usable() || from == s.self {
		return nil
	}
	if kind == asks {
		s.note(entry{from, peer.Point(), now})
		answer := appendEntries(s.packet(answers, number), s.closestTo(from, peer.Point()), now)
		return []Packet{{from, answer}}
	}
	p := s.pending
	if p.to != from || p.number != number {
		return nil // late, doubled, or not asked for
	}
	s.pending = probe{}
	s.measured(now-p.sent, peer, from, bandwidth)
	s.note(entry{from, peer.Point(), now})
	if p.far {
		s.link(entry{from, peer.Point(), now})
	}
	for _, e := range told {
		e.heard = now - e.heard
		s.note(e)
	}
	return nil
}

// measured moves the node's coordinate.
func (s *Spiral) measured(roundTrip time.Duration, peer vivaldi.Coordinate, from cluster.NodeID, bandwidth cluster.BytesPerSecond) {
	distance := s.filter.Median(uint64(from), roundTrip)
	if s.settings.Volume > 0 {
		if bandwidth <= 0 {
			return
		}
		distance += time.Duration(float64(s.settings.Volume) / float64(bandwidth) * float64(time.Second))
	}
	s.place = s.place.Moved(peer, distance, rand.New(&s.random))
	s.edge = edge{}
}

// link makes a node a long link, in place of the oldest one.
func (s *Spiral) link(e entry) {
	switch {
	case s.settings.Far == 0 || position(s.near, e.node) >= 0 || position(s.far, e.node) >= 0:
	case len(s.far) < s.settings.Far:
		s.far = append(s.far, e)
	default:
		s.far[s.oldest] = e
		s.oldest = (s.oldest + 1) % len(s.far)
	}
}

// closestTo returns the nodes of the view that are closest to another node, to
// tell it of; of two that are equally close the one with the lower ID comes first.
func (s *Spiral) closestTo(node cluster.NodeID, at vivaldi.Point) []entry {
	most := s.settings.Sample
	closest := make([]entry, 0, most+1)
	distances := make([]float64, 0, most+1)
	for _, known := range [][]entry{s.near, s.far} {
		for _, e := range known {
			d := at.Distance(e.at)
			i := len(closest)
			for i > 0 && (d < distances[i-1] || d == distances[i-1] && e.node < closest[i-1].node) {
				i--
			}
			if i < most && e.node != node && !s.gone(e) {
				closest = slices.Insert(closest[:min(len(closest), most-1)], i, e)
				distances = slices.Insert(distances[:min(len(distances), most-1)], i, d)
			}
		}
	}
	return closest
}
