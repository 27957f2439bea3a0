package sim

import (
	"fmt"
	"math"
)

// LinkID is the index of a link: 0 for the first one added, and so on.
type LinkID int32

// Policy says how a link is shared.
type Policy uint8

const (
	Shared  Policy = iota // all flows over it together get its bandwidth
	FatPipe               // each flow over it gets its bandwidth
)

// LinkSpec describes a link, in one direction or in both: a split-duplex link
// is two of them, see [Simulation.AddDuplex].
type LinkSpec struct {
	Name      string
	Bandwidth Bandwidth // positive
	Latency   Seconds
	Policy    Policy
}

// link is a link and the flows that have it on their way, there or back.
type link struct {
	name      string
	bandwidth Bandwidth
	latency   Seconds
	crossings []crossing
	sending   int32 // how many of crossings are of flows that send; they come first
	epoch     uint32
	seen      int32 // its index in sharing.seen, if epoch is that of sharing
	policy    Policy
	off       bool
}

// crossing is a flow on a link.
type crossing struct {
	flow   int32
	hop    int32 // the index of the link in the flow's hops
	weight float64
}

// AddLink adds a link. The error says what makes no sense in its description.
func (s *Simulation) AddLink(spec LinkSpec) (LinkID, error) {
	err := checkBandwidth(spec.Bandwidth)
	if err == nil {
		err = checkLatency(spec.Latency)
	}
	if err == nil && spec.Policy > FatPipe {
		err = fmt.Errorf("policy %d is unknown", spec.Policy)
	}
	if err != nil {
		return 0, fmt.Errorf("link %q: %w", spec.Name, err)
	}
	n := &s.network
	if len(n.links) == math.MaxInt32 {
		return 0, fmt.Errorf("link %q: there are %d links already", spec.Name, len(n.links))
	}
	n.links = append(n.links, link{name: spec.Name, bandwidth: spec.Bandwidth, latency: spec.Latency, policy: spec.Policy})
	return LinkID(len(n.links) - 1), nil
}

// AddDuplex adds a split-duplex link: one link for each direction, with _UP and
// _DOWN behind the name.
func (s *Simulation) AddDuplex(spec LinkSpec) (up, down LinkID, err error) {
	name := spec.Name
	spec.Name = name + "_UP"
	if up, err = s.AddLink(spec); err != nil {
		return 0, 0, err
	}
	spec.Name = name + "_DOWN"
	down, err = s.AddLink(spec)
	return up, down, err
}

// Links returns how many links there are.
func (s *Simulation) Links() int { return len(s.network.links) }

// Link returns a link as it is now. An unknown one ends the run with an error.
func (s *Simulation) Link(l LinkID) LinkSpec {
	if err := s.network.known(l); err != nil {
		s.Fail(err)
		return LinkSpec{}
	}
	at := &s.network.links[l]
	return LinkSpec{Name: at.name, Bandwidth: at.bandwidth, Latency: at.latency, Policy: at.policy}
}

// SetBandwidth changes the bandwidth of a link. Flows over it get new rates and
// penalties. In the original law a flow never exceeds the bandwidth that its
// links had when it was sent.
func (s *Simulation) SetBandwidth(l LinkID, b Bandwidth) error {
	n := &s.network
	if err := n.known(l); err != nil {
		return fmt.Errorf("bandwidth: %w", err)
	}
	if err := checkBandwidth(b); err != nil {
		return fmt.Errorf("link %q: %w", n.links[l].name, err)
	}
	n.links[l].bandwidth = b
	n.reconsider(l)
	return nil
}

// SetLatency changes the latency of a link. Flows over it get new rates,
// penalties and window limits. Those that wait for the latency of their route
// wait as long as they would have.
func (s *Simulation) SetLatency(l LinkID, t Seconds) error {
	n := &s.network
	if err := n.known(l); err != nil {
		return fmt.Errorf("latency: %w", err)
	}
	if err := checkLatency(t); err != nil {
		return fmt.Errorf("link %q: %w", n.links[l].name, err)
	}
	n.links[l].latency = t
	n.reconsider(l)
	return nil
}

// SwitchLink switches a link on or off. The flows that have it on their way,
// there or, with cross traffic, back, fail with ErrLinkOff when it goes off,
// and so does whoever sends over it as long as it is off.
func (s *Simulation) SwitchLink(l LinkID, on bool) error {
	n := &s.network
	if err := n.known(l); err != nil {
		return fmt.Errorf("switch: %w", err)
	}
	at := &n.links[l]
	at.off = !on
	if at.off && len(at.crossings) > 0 {
		err := fmt.Errorf("link %q: %w", at.name, ErrLinkOff)
		for len(at.crossings) > 0 {
			n.fail(at.crossings[0].flow, err)
		}
		n.share()
	}
	s.migrations.linkSwitched(on)
	return nil
}

// IsLinkOn reports whether a link is on. An unknown one is not.
func (s *Simulation) IsLinkOn(l LinkID) bool {
	return s.network.known(l) == nil && !s.network.links[l].off
}

// LinkLoad returns what crosses a link now: the rates of the flows that have
// it on their way, and with cross traffic 5 % of those that have it on their
// way back. It is at most the bandwidth times the model's bandwidth factor,
// except on a fat pipe. An unknown link ends the run with an error.
func (s *Simulation) LinkLoad(l LinkID) Bandwidth {
	n := &s.network
	if err := n.known(l); err != nil {
		s.Fail(err)
		return 0
	}
	n.settle()
	load := 0.0
	at := &n.links[l]
	for _, c := range at.crossings[:at.sending] {
		load += float64(c.weight * n.shares[c.flow].rate)
	}
	return Bandwidth(load * s.settings.Network.BandwidthFactor)
}

func checkBandwidth(b Bandwidth) error {
	if !(b > 0) || math.IsInf(float64(b), 1) {
		return fmt.Errorf("bandwidth %v B/s must be positive and finite", float64(b))
	}
	return nil
}

func checkLatency(t Seconds) error {
	if !(t >= 0) || math.IsInf(float64(t), 1) {
		return fmt.Errorf("latency %v s must be finite and not negative", float64(t))
	}
	return nil
}

// reconsider gives new penalties, caps and rates after a link has changed.
func (n *network) reconsider(l LinkID) {
	at := &n.links[l]
	for _, c := range at.crossings[:at.sending] {
		s := &n.shares[c.flow]
		penalty, most := s.penalty, s.cap
		if n.weigh(c.flow); s.penalty != penalty || s.cap != most {
			n.changedFlow(c.flow)
		}
	}
	if n.constrains(l) && at.sending > 0 {
		n.changed = append(n.changed, l)
	}
	n.share()
}

// cross puts a flow that does not send yet on the links of its hops.
func (n *network) cross(i int32) {
	for k := range n.flows[i].hops {
		h := &n.flows[i].hops[k]
		l := &n.links[h.link]
		h.place = int32(len(l.crossings))
		l.crossings = append(l.crossings, crossing{flow: i, hop: int32(k), weight: h.weight})
	}
}

// uncross takes a flow that does not send off its links.
func (n *network) uncross(i int32) {
	for k := range n.flows[i].hops {
		h := &n.flows[i].hops[k]
		l := &n.links[h.link]
		last := int32(len(l.crossings) - 1)
		n.swap(l, h.place, last)
		l.crossings = l.crossings[:last]
	}
}

// activate makes a flow one of those that send on its links.
func (n *network) activate(i int32) {
	for k := range n.flows[i].hops {
		h := &n.flows[i].hops[k]
		l := &n.links[h.link]
		n.swap(l, h.place, l.sending)
		l.sending++
	}
}

// deactivate is the opposite of activate.
func (n *network) deactivate(i int32) {
	for k := range n.flows[i].hops {
		h := &n.flows[i].hops[k]
		l := &n.links[h.link]
		l.sending--
		n.swap(l, h.place, l.sending)
	}
}

// swap exchanges two crossings of a link.
func (n *network) swap(l *link, a, b int32) {
	if a == b {
		return
	}
	c := l.crossings
	c[a], c[b] = c[b], c[a]
	n.flows[c[a].flow].hops[c[a].hop].place = a
	n.flows[c[b].flow].hops[c[b].hop].place = b
}
