// Package vivaldi gives nodes coordinates, so that the distance between two of
// them predicts the round trip, without a measurement between the two.
//
// Each node moves its own coordinate a little whenever it has measured a round
// trip to another node and been told that node's coordinate: as if a spring
// with the length of the round trip were between them. A coordinate is a point
// in a space of a few dimensions, and a height: what packets take from the node
// up to the network, on the way to any other node.
//
// The package sees no network: it is given coordinates and round trips. For the
// same inputs and random source it returns the same coordinates on any machine.
//
// # Sources
//
//	[1] F. Dabek, R. Cox, F. Kaashoek, R. Morris. Vivaldi: A Decentralized
//	    Network Coordinate System. SIGCOMM 2004.
//	[2] J. Ledlie, P. Gardner, M. Seltzer. Network Coordinates in the Wild.
//	    NSDI 2007: filters for round trips that are far from the usual.
package vivaldi

import (
	"math"
	"math/rand/v2"
	"time"
)

// Dimensions is that of the space, without the height. Two and a height do for
// the Internet [1]; a few more cost little and keep sites apart that would lie
// on top of each other on a map.
const Dimensions = 4

// Coordinate is where a node is. All lengths are in microseconds. Its zero
// value is not usable; see Start.
type Coordinate struct {
	Vector [Dimensions]float64
	Height float64 // at least minHeight
	// Error is how far off the node takes its predictions to be, as a share of
	// the round trip; 0 to worstError.
	Error float64
}

const (
	minHeight  = 10.0 // µs
	worstError = 1.5
	// errorGain and moveGain are how much one measurement counts at most, for
	// the error and for the place: c_e and c_c of [1].
	errorGain = 0.25
	moveGain  = 0.25
	// near is how close together, in µs, two points have no direction from one to
	// the other.
	near = 1e-3
	// startRadius is how far from the origin nodes start, in µs.
	startRadius = 100.0
	// longest is the longest round trip that is taken for one.
	longest = 10 * time.Second
)

// Start returns the coordinate of a node that knows nothing: near the origin,
// but at a place of its own, for nodes in one place could not be told apart.
func Start(random *rand.Rand) Coordinate {
	c := Coordinate{Height: minHeight, Error: worstError}
	for i, v := range direction(random) {
		c.Vector[i] = startRadius * v
	}
	return c
}

// Distance predicts the round trip between two nodes, in microseconds.
func (c Coordinate) Distance(o Coordinate) float64 {
	return length(c.minus(o)) + c.Height + o.Height
}

// RoundTrip predicts the round trip between two nodes.
func (c Coordinate) RoundTrip(o Coordinate) time.Duration {
	return time.Duration(c.Distance(o) * float64(time.Microsecond))
}

// Point is a coordinate without its error, in the precision in which others are
// told of it.
type Point struct {
	Vector [Dimensions]float32
	Height float32
}

// Point returns where the node is.
func (c Coordinate) Point() (p Point) {
	for i, v := range c.Vector {
		p.Vector[i] = float32(v)
	}
	p.Height = float32(c.Height)
	return p
}

// At returns the coordinate of a node of which only the point is known.
func At(p Point) Coordinate {
	c := Coordinate{Height: float64(p.Height), Error: worstError}
	for i, v := range p.Vector {
		c.Vector[i] = float64(v)
	}
	return c
}

// Distance predicts the round trip between two nodes, in microseconds.
func (p Point) Distance(o Point) float64 {
	sum := 0.0
	for i := range p.Vector {
		d := float64(p.Vector[i]) - float64(o.Vector[i])
		sum += float64(d * d)
	}
	return math.Sqrt(sum) + float64(p.Height) + float64(o.Height)
}

// Usable reports whether a coordinate that came from elsewhere can be used.
func (c Coordinate) Usable() bool {
	const most = 1e9 // a quarter of an hour; what is farther is a mistake or a lie
	for _, v := range c.Vector {
		if !(math.Abs(v) <= most) {
			return false
		}
	}
	return c.Height >= minHeight && c.Height <= most && c.Error >= 0 && c.Error <= worstError
}

// Moved returns the coordinate after a round trip to a node at peer was
// measured. The less a node trusts itself, and the more it trusts the other,
// the farther it moves. random gives a direction to nodes in the same place.
// A round trip that is not positive, or longer than 10 s, changes nothing.
func (c Coordinate) Moved(peer Coordinate, roundTrip time.Duration, random *rand.Rand) Coordinate {
	if roundTrip <= 0 || roundTrip > longest {
		return c
	}
	measured := float64(roundTrip) / float64(time.Microsecond)
	predicted := c.Distance(peer)
	weight := c.Error / max(c.Error+peer.Error, 1e-6)

	gain := errorGain * weight
	off := math.Abs(predicted-measured) / measured
	c.Error = min(float64(gain*off)+float64((1-gain)*c.Error), worstError)

	away := c.minus(peer)
	apart := length(away)
	if apart < near {
		away, apart = direction(random), 1
	}
	force := moveGain * weight * (measured - predicted)
	flat := force / predicted * apart // the part of the force that does not act on the heights
	if predicted-c.Height-peer.Height < near {
		flat = force
	}
	for i := range c.Vector {
		c.Vector[i] += float64(flat * away[i] / apart)
	}
	c.Height = max(c.Height+float64(force*(c.Height+peer.Height)/predicted), minHeight)
	return c
}

func (c Coordinate) minus(o Coordinate) (d [Dimensions]float64) {
	for i := range d {
		d[i] = c.Vector[i] - o.Vector[i]
	}
	return d
}

func length(v [Dimensions]float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += float64(x * x)
	}
	return math.Sqrt(sum)
}

// direction returns a random vector of length 1.
func direction(random *rand.Rand) (v [Dimensions]float64) {
	for {
		for i := range v {
			v[i] = 2*random.Float64() - 1
		}
		if l := length(v); l > 0.1 && l <= 1 { // within the ball, so that no direction is preferred
			for i := range v {
				v[i] /= l
			}
			return v
		}
	}
}

// filtered is how many peers a Filter remembers, and samples how many round
// trips of each.
const (
	filtered = 32
	samples  = 3
)

// Filter drops round trips that are far from the usual for the same peer, as
// when a machine was busy: it returns the median of the last three [2]. It
// remembers a few dozen peers; another one takes the place of an old one. Its
// zero value is ready to use.
type Filter struct {
	peers [filtered]struct {
		peer  uint64
		count int
		last  [samples]time.Duration // in the order of a ring
	}
}

// Median takes a round trip to a peer, and returns the median of its last ones.
func (f *Filter) Median(peer uint64, roundTrip time.Duration) time.Duration {
	p := &f.peers[peer%filtered]
	if p.peer != peer {
		p.peer, p.count = peer, 0
	}
	p.last[p.count%samples] = roundTrip
	p.count++
	if p.count < samples {
		return roundTrip
	}
	a, b, c := p.last[0], p.last[1], p.last[2]
	return max(min(a, b), min(max(a, b), c))
}
