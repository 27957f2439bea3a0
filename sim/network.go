package sim

import (
	"fmt"
	"math"
)

// network is the links, the flows over them, and the routes.
//
// A flow first waits for the latency of its route, and then sends. While it
// sends it has a rate x, and the rates of all flows are weighted max-min fair:
// with the penalty p of a flow, no flow can get a higher level x*p without
// taking from one whose level is as low or lower. A flow of weight w takes w*x
// of a link; what arrives is x times the bandwidth factor of the model. When
// something changes, [network.settle] gives new rates to those it affects.
type network struct {
	sim    *Simulation
	router Router
	far    FarRouter // the router, if it is one

	links  []link
	flows  []flow  // slots
	shares []share // of the flow in the same slot
	free   []int32 // slots
	atHost chains  // ends of flows by host
	ofVM   chains  // ends of flows by VM, for those that have any
	sent   uint64  // how many flows
	sharing
	arrivals arrivals

	// For check:
	touched []LinkID
	filled  []filled
}

// The implicit way of a host to itself, if the router has no other.
const loopback Bandwidth = 10e9

// backWeight is the weight of a flow on its way back: that of its
// acknowledgements.
const backWeight = 0.05

// validate says what makes no sense in a model.
func (m NetworkModel) validate() error {
	for _, c := range []struct {
		name  string
		value float64
		least float64
	}{
		{"latency factor", m.LatencyFactor, 0},
		{"bandwidth factor", m.BandwidthFactor, math.SmallestNonzeroFloat64},
		{"weight S", m.WeightS, 0},
		{"gamma", m.Gamma, 0},
	} {
		switch {
		case !(c.value >= 0) || math.IsInf(c.value, 1):
			return fmt.Errorf("%s %v must be finite and not negative", c.name, c.value)
		case c.value < c.least:
			return fmt.Errorf("%s must not be 0", c.name)
		}
	}
	return nil
}

// constrains reports whether a link is a constraint that ties the rates of its
// flows to each other. A fat pipe only caps each of them, except in the
// original law.
func (n *network) constrains(l LinkID) bool {
	return n.links[l].policy == Shared || n.sim.settings.Law == Original
}

// known returns an error if there is no such link.
func (n *network) known(l LinkID) error {
	if l < 0 || int(l) >= len(n.links) {
		return fmt.Errorf("link %d is none of the %d links", l, len(n.links))
	}
	return nil
}
