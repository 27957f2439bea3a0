package sim

import (
	"errors"
	"fmt"
)

// Router knows the way between hosts.
type Router interface {
	// Route appends the links from source to target to links. Source and
	// target may be the same host. An error says why there is no route.
	Route(source, target HostID, links []LinkID) ([]LinkID, error)
}

// FarRouter is a router that knows of latency beyond that of the links, as when
// it follows from coordinates.
type FarRouter interface {
	Router
	// Distance returns the latency of the way from source to target that none
	// of its links has. It is asked where Route has found a way.
	Distance(source, target HostID) Seconds
}

// SetRouter sets who knows the ways. Flows that are under way keep theirs.
// Without a router each host reaches itself only. The router is asked at each
// Send; whether it remembers what it has found is its own business.
//
// A host reaches itself by a link of its own of 10 GB/s without latency, that
// no flows share, if the router knows no links for that. If it knows none
// between two different hosts they are one place: only the cap of a flow
// between them limits it, and one without cap arrives at once.
func (s *Simulation) SetRouter(r Router) {
	s.network.router = r
	s.network.far, _ = r.(FarRouter)
}

// hop is a link on the way of a flow, there or back.
type hop struct {
	link    LinkID
	place   int32   // of the flow in the link's crossings
	weight  float64 // how often it is on the way there, and 0.05 for each time on the way back
	forward int32   // how often it is on the way there
	ties    bool    // it is a constraint, see constrains
}

// find finds the way of a flow between two hosts and puts it into its hops.
// Errors match ErrNoRoute or ErrLinkOff and name the hosts.
func (n *network) find(i int32, source, target HostID) error {
	f := &n.flows[i]
	f.hops, f.loopback = f.hops[:0], false
	err := n.append(f, source, target, 1)
	f.loopback = source == target && len(f.hops) == 0
	f.distance = 0
	if err == nil && n.far != nil {
		f.distance = n.far.Distance(source, target)
	}
	if err == nil && !f.loopback && n.sim.settings.Network.CrossTraffic {
		err = n.append(f, target, source, backWeight)
	}
	if err == nil {
		err = n.allOn(f.hops)
	}
	if err != nil {
		f.hops = f.hops[:0]
		return fmt.Errorf("from %q to %q: %w", n.sim.Host(source).Name, n.sim.Host(target).Name, err)
	}
	return nil
}

// append adds the links of a way to the hops of a flow. The weights of a link
// that it has already add up, or on a fat pipe the higher one counts.
func (n *network) append(f *flow, source, target HostID, weight float64) error {
	links, err := n.way(source, target)
	if err != nil {
		return err
	}
	n.epoch++
	for k := range f.hops {
		n.mark(f.hops[k].link, k)
	}
	for _, id := range links {
		if err := n.known(id); err != nil {
			return fmt.Errorf("%w: the router names %w", ErrNoRoute, err)
		}
		l := &n.links[id]
		if l.epoch != n.epoch {
			n.mark(id, len(f.hops))
			f.hops = append(f.hops, hop{link: id, ties: n.constrains(id)})
		}
		h := &f.hops[l.seen]
		if l.policy == FatPipe {
			h.weight = max(h.weight, weight)
		} else {
			h.weight += weight
		}
		if weight == 1 {
			h.forward++
		}
	}
	return nil
}

func (n *network) mark(l LinkID, hop int) {
	n.links[l].epoch, n.links[l].seen = n.epoch, int32(hop)
}

func (n *network) way(source, target HostID) ([]LinkID, error) {
	if n.router == nil {
		if source == target {
			return nil, nil
		}
		return nil, fmt.Errorf("%w: no router is set", ErrNoRoute)
	}
	links, err := n.router.Route(source, target, n.path[:0])
	n.path = links[:0]
	if err != nil && !errors.Is(err, ErrNoRoute) {
		err = fmt.Errorf("%w: %w", ErrNoRoute, err)
	}
	return links, err
}

func (n *network) allOn(hops []hop) error {
	for _, h := range hops {
		if n.links[h.link].off {
			return fmt.Errorf("link %q: %w", n.links[h.link].name, ErrLinkOff)
		}
	}
	return nil
}

// Star is a router for hosts around one switch: the way goes up from the
// source, over the backbone if there is one, and down to the target.
type Star struct {
	backbone []LinkID
	hosts    []spoke // by host
}

type spoke struct{ up, down LinkID }

var unconnected = spoke{none, none}

// NewStar returns a star of no hosts. Its backbone is a link, several in a row,
// or none: what lies between the hosts' links.
func NewStar(backbone ...LinkID) *Star { return &Star{backbone: backbone} }

// Connect connects a host. A link that is shared by both directions may be both
// up and down.
func (r *Star) Connect(h HostID, up, down LinkID) {
	for int(h) >= len(r.hosts) {
		r.hosts = append(r.hosts, unconnected)
	}
	r.hosts[h] = spoke{up, down}
}

// Route implements [Router]. A host reaches itself without links.
func (r *Star) Route(source, target HostID, links []LinkID) ([]LinkID, error) {
	if source == target {
		return links, nil
	}
	from, to := r.spoke(source), r.spoke(target)
	if from == unconnected {
		return links, fmt.Errorf("%w: the first is not connected", ErrNoRoute)
	}
	if to == unconnected {
		return links, fmt.Errorf("%w: the second is not connected", ErrNoRoute)
	}
	links = append(links, from.up)
	links = append(links, r.backbone...)
	return append(links, to.down), nil
}

func (r *Star) spoke(h HostID) spoke {
	if h < 0 || int(h) >= len(r.hosts) {
		return unconnected
	}
	return r.hosts[h]
}

// Table is a router that is told each way. It takes some 30 bytes for a way,
// and 4 for each link of it. The zero Table knows no way.
type Table struct {
	ways  map[[2]HostID]span
	links []LinkID
}

// span is a part of a slice.
type span struct{ from, to uint32 }

// Add adds the way from source to target, or replaces the one that was added
// before.
func (r *Table) Add(source, target HostID, links ...LinkID) {
	if r.ways == nil {
		r.ways = map[[2]HostID]span{}
	}
	from := uint32(len(r.links))
	r.links = append(r.links, links...)
	r.ways[[2]HostID{source, target}] = span{from, uint32(len(r.links))}
}

// AddBoth adds the way from source to target, and the same one back.
func (r *Table) AddBoth(source, target HostID, links ...LinkID) {
	r.Add(source, target, links...)
	from := uint32(len(r.links))
	for k := range links {
		r.links = append(r.links, links[len(links)-1-k])
	}
	r.ways[[2]HostID{target, source}] = span{from, uint32(len(r.links))}
}

// Route implements [Router]. A host reaches itself without links if it was not
// told otherwise.
func (r *Table) Route(source, target HostID, links []LinkID) ([]LinkID, error) {
	way, ok := r.ways[[2]HostID{source, target}]
	if !ok && source != target {
		return links, ErrNoRoute
	}
	return append(links, r.links[way.from:way.to]...), nil
}
