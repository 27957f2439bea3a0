// Package platform describes data centres and grids: hosts, the links between
// them, the routes over these links, and the zones that all of it is ordered
// in. A description depends on no simulation; [Build] adds it to one.
//
// There are three ways to make a [Platform]:
//
//   - in code, with [New] and the methods of [Zone];
//   - from YAML, with [ParseYAML];
//   - from SimGrid's XML, versions 4 and 4.1, with [ParseXML].
//
// docs/platforms.md describes both formats.
//
// # Zones and routes
//
// Zones form a tree [1]. A zone has children: hosts, routers and other zones.
// It knows the way from each of its children to each other one, and nothing of
// what is inside of them. A way from one zone to another begins and ends at
// gateways, which are hosts or routers inside of these zones. So the route
// from one host to another is found in the lowest zone that has both: from the
// host to the gateway, which is a route within a child, then the way between
// the children, then from the other gateway on. How a zone finds the way
// between two children is its [Routing].
//
// A [Router] holds no table of all pairs, but for zones with [Floyd] routing. A
// cluster of n hosts takes memory in proportion to n, and a route is found
// without allocation.
//
// # Sources
//
//	[1] L. Bobelin, A. Legrand, D. A. González Márquez, P. Navarro, M. Quinson,
//	    F. Suter, C. Thiery: "Scalable Multi-Purpose Network Representation for
//	    Large Scale Distributed System Simulation", CCGrid 2012.
//	[2] R. W. Floyd: "Algorithm 97: Shortest path", CACM 5(6), 1962.
//	[3] E. W. Dijkstra: "A note on two problems in connexion with graphs",
//	    Numerische Mathematik 1, 1959.
//	[4] F. Dabek, R. Cox, F. Kaashoek, R. Morris: "Vivaldi: a decentralized
//	    network coordinate system", SIGCOMM 2004.
package platform

import (
	"fmt"

	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/sim"
)

// MaxHosts is how many hosts a platform may have. More is surely a slip of the
// pen.
const MaxHosts = 1_000_000

// Error is what is wrong with a platform that was read from a file, and where.
type Error = settings.KeyError

// Routing says how a zone finds the way between two of its children.
type Routing uint8

// The ways to find a way.
const (
	// Full knows just the routes that were declared.
	Full Routing = iota
	// Floyd joins declared routes so that the whole has as few links as
	// possible. It computes all pairs at the start [2]: it is for zones with
	// at most MaxFloyd children.
	Floyd
	// Dijkstra joins declared routes as Floyd does, but computes those from a
	// child when they are asked for [3]. If several are of the same length, the
	// one is taken whose last step comes from the child declared first.
	Dijkstra
	// Star knows for each child the way to the centre and the way from there.
	// The route from a child to another is the way of the one up, and then the
	// way of the other down. A link that both have, the backbone, is crossed
	// once.
	Star
	// Vivaldi is a star where the latency between two children follows from
	// their coordinates [4].
	Vivaldi
	// None knows no routes.
	None
)

// MaxFloyd is how many children a zone with Floyd routing may have: its
// computation takes time with the third power of that.
const MaxFloyd = 2048

var routings = []string{"Full", "Floyd", "Dijkstra", "Star", "Vivaldi", "None"}

func (r Routing) String() string {
	if int(r) < len(routings) {
		return routings[r]
	}
	return fmt.Sprintf("Routing(%d)", uint8(r))
}

// Platform is a description of hosts, links, routes and zones.
//
// The methods that declare something return no error. The first mistake is
// kept, with its place, and [Platform.Router] and [Build] return it. That keeps
// descriptions in code as short as those in files.
type Platform struct {
	// Loopback is the link from each host to itself, unless its zone knows
	// another. It is a fat pipe. If it is nil, it is that of the simulation,
	// see [sim.Simulation.SetRouter].
	Loopback *Link
	// Notes are what a file says that is understood, but has no effect here.
	Notes []Note

	root    *Zone
	hosts   int
	most    int // hosts
	varied  []placed[variation]
	network networkConfig // what a file says about the network model
	at      place         // of what is being read
	first   error
}

// Note is something that a file says without effect, and why it has none.
type Note struct {
	File string
	Line int
	Text string
}

func (n Note) String() string { return fmt.Sprintf("%s: line %d: %s", n.File, n.Line, n.Text) }

// place is where something was declared. All is empty if it was in code.
type place struct {
	file string
	line int
	key  string // of YAML
}

// err makes an error of what is wrong there.
func (at place) err(format string, args ...any) error {
	if at == (place{}) {
		return fmt.Errorf("platform: "+format, args...)
	}
	return &Error{File: at.file, Line: at.line, Key: at.key, Err: fmt.Errorf(format, args...)}
}

// New returns a platform with an empty zone, which holds all the rest.
func New(name string, routing Routing) *Platform {
	p := &Platform{most: MaxHosts}
	p.root = &Zone{platform: p, name: name, routing: routing}
	return p
}

// Root returns the zone that holds all the rest.
func (p *Platform) Root() *Zone { return p.root }

// fail keeps the first mistake.
func (p *Platform) fail(at place, format string, args ...any) {
	if p.first == nil {
		p.first = at.err(format, args...)
	}
}

// note keeps what has no effect.
func (p *Platform) note(line int, format string, args ...any) {
	p.Notes = append(p.Notes, Note{p.at.file, line, fmt.Sprintf(format, args...)})
}

// Zone is a part of a platform. Its methods declare what it has.
type Zone struct {
	platform *Platform
	parent   *Zone
	name     string
	routing  Routing
	at       place

	children []child // in the order of their declaration
	links    []placed[Link]
	routes   []placed[Route]
	bypasses []placed[Route]
	attached []placed[attachment]
	racks    []placed[rack]
	backbone string // name of a link that each route of a Star crosses
	gateway  string // of routes that name none
}

type placed[T any] struct {
	it T
	at place
}

// child is hosts, a router or a zone: the others are nil.
type child struct {
	hosts  *hosts
	router *router
	zone   *Zone
	at     place
}

// hosts are hosts that differ in their names only.
type hosts struct {
	like  Host
	names []string
}

type router struct {
	name        string
	coordinates *Coordinates
}

// attachment says over which links a host of a Star sends and receives.
type attachment struct {
	host     string
	up, down []Hop
}

// Host describes a host.
type Host struct {
	Name  string
	Cores int // 0 means 1
	// Speeds are those of one core, by p-state. PState is the first one.
	Speeds []sim.Speed
	PState int
	Memory sim.Bytes // 0 means that memory is not modelled
	Power  sim.Power
	Disks  []Disk
	// Coordinates are those in a Vivaldi zone; nil if it is in none.
	Coordinates *Coordinates
	// Availability is the part of the speed that there is, over time, and
	// State whether the host is on; nil means all of it, and always.
	Availability, State *Profile
	// Properties are for those who use the platform.
	Properties []Property
}

// Disk describes a disk of a host.
type Disk struct {
	Name        string
	Read, Write sim.Bandwidth
	// Degrade is how much accesses at once slow the disk down, see
	// [sim.DiskSpec].
	Degrade float64
}

// Property is a word and its meaning.
type Property struct{ Name, Value string }

// Coordinates are a place in a Vivaldi zone, in milliseconds. The latency
// between two of them is the distance in the plane, plus both heights [4].
type Coordinates struct{ X, Y, Height float64 }

// Policy says how a link is shared.
type Policy uint8

// The policies of links.
const (
	// SplitDuplex is two links, one for each direction: a cable.
	SplitDuplex Policy = iota
	// Shared is one link for both directions together.
	Shared
	// FatPipe gives each flow its whole bandwidth: a net that those who are
	// simulated can't fill.
	FatPipe
)

// Link describes a link. A split-duplex one is two in the simulation, named
// as the link with _UP and _DOWN added.
type Link struct {
	Name      string
	Bandwidth sim.Bandwidth
	Latency   sim.Seconds
	Policy    Policy
	// What changes over time, if it is not nil: the bandwidth in bytes per
	// second, the latency in seconds, and whether the link is on.
	BandwidthOverTime, LatencyOverTime, State *Profile
	Properties                                []Property
}

// Route is the way from one child of a zone to another.
type Route struct {
	From, To string
	// FromGateway and ToGateway are the hosts or routers where the way begins
	// and ends, if From or To is a zone. If they are empty, a cluster's is its
	// router, and another zone's its only router.
	FromGateway, ToGateway string
	Via                    []Hop
	// OneWay says that the way back is another one, or that there is none.
	// Otherwise it is the same way backwards.
	OneWay bool
}

// Hop is a link on a way.
type Hop struct {
	Link      string
	Direction Direction
}

// Direction says which half of a split-duplex link is meant.
type Direction uint8

// The directions. Which of the two halves is up is for those to say who declare
// the routes over them; the way back takes the other one.
const (
	Either Direction = iota // of a link that is not split
	Upwards
	Downwards
)

// Over is a link that is not split-duplex, or one half of one by its own name.
func Over(link string) Hop { return Hop{link, Either} }

// Up is the half of a split-duplex link that leads up.
func Up(link string) Hop { return Hop{link, Upwards} }

// Down is the half of a split-duplex link that leads down.
func Down(link string) Hop { return Hop{link, Downwards} }

// Name returns the name of the zone.
func (z *Zone) Name() string { return z.name }

// Zone declares a zone within z.
func (z *Zone) Zone(name string, routing Routing) *Zone {
	inner := &Zone{platform: z.platform, parent: z, name: name, routing: routing, at: z.platform.at}
	for outer := z; outer != nil; outer = outer.parent {
		if outer.name == name {
			z.platform.fail(inner.at, "zone %q is inside of itself", name)
		}
	}
	z.children = append(z.children, child{zone: inner, at: inner.at})
	return inner
}

// Host declares a host.
func (z *Zone) Host(h Host) {
	if h.Name == "" {
		z.platform.fail(z.platform.at, "a host without a name")
	}
	z.hosts(h, []string{h.Name})
}

// hosts declares hosts that differ in their names only.
func (z *Zone) hosts(like Host, names []string) {
	p := z.platform
	if p.hosts += len(names); p.hosts > p.most {
		p.fail(p.at, "more than %d hosts; a platform may have that many", p.most)
		return
	}
	if like.Cores == 0 {
		like.Cores = 1
	}
	if err := like.validate(); err != nil {
		p.fail(p.at, "host %q: %w", names[0], err)
	}
	z.children = append(z.children, child{hosts: &hosts{like, names}, at: p.at})
}

// Router declares a point where routes can begin and end, that is no host.
func (z *Zone) Router(name string) { z.routerAt(name, nil) }

// RouterAt declares a router with coordinates. In a Vivaldi zone, the place of
// a zone inside of it is that of its router "router_" + name.
func (z *Zone) RouterAt(name string, c Coordinates) { z.routerAt(name, &c) }

func (z *Zone) routerAt(name string, c *Coordinates) {
	p := z.platform
	if name == "" {
		p.fail(p.at, "zone %q: a router without a name", z.name)
	}
	if c != nil {
		if err := c.validate(); err != nil {
			p.fail(p.at, "router %q: %w", name, err)
		}
	}
	z.children = append(z.children, child{router: &router{name, c}, at: p.at})
}

// Link declares a link. Any zone may use it.
func (z *Zone) Link(l Link) {
	p := z.platform
	if err := l.validate(); err != nil {
		p.fail(p.at, "link %q: %w", l.Name, err)
	}
	z.links = append(z.links, placed[Link]{l, p.at})
}

// Route declares the way from one child of the zone to another, and the way
// back.
//
// In a Star, one end is all the others: leave From or To empty.
func (z *Zone) Route(r Route) { z.routes = append(z.routes, placed[Route]{r, z.platform.at}) }

// Bypass declares a way from one host, router or zone anywhere inside of the
// zone to another, which is taken instead of what the routing of the zones
// says. A bypass leads one way only.
func (z *Zone) Bypass(r Route) { z.bypasses = append(z.bypasses, placed[Route]{r, z.platform.at}) }

// Connect declares a link and the way over it from one child of the zone to
// another, and back.
func (z *Zone) Connect(from, to string, l Link) {
	z.Link(l)
	via := Over(l.Name)
	if l.Policy == SplitDuplex {
		via = Up(l.Name)
	}
	z.Route(Route{From: from, To: to, Via: []Hop{via}})
}

// Attach declares the ways of a child of a Star to its centre and from there.
// The way from the child to itself then is up and down as well, as if it were
// two.
func (z *Zone) Attach(child string, up, down []Hop) {
	z.attached = append(z.attached, placed[attachment]{attachment{child, up, down}, z.platform.at})
}

// Backbone declares a link that each route within a Star crosses. Routes to
// and from routers do so as well.
func (z *Zone) Backbone(l Link) {
	p := z.platform
	if z.backbone != "" {
		p.fail(p.at, "zone %q has two backbones, %q and %q", z.name, z.backbone, l.Name)
	}
	z.Link(l)
	z.backbone = l.Name
}

// Peer describes a host behind a link of its own in a Vivaldi zone.
type Peer struct {
	Host    Host // with its coordinates
	In, Out sim.Bandwidth
}

// Peer declares a host of a Vivaldi zone and its link, whose latency is 0.
func (z *Zone) Peer(peer Peer) {
	z.Host(peer.Host)
	up, down := "link_"+peer.Host.Name+"_UP", "link_"+peer.Host.Name+"_DOWN"
	z.Link(Link{Name: up, Bandwidth: peer.Out, Policy: Shared})
	z.Link(Link{Name: down, Bandwidth: peer.In, Policy: Shared})
	z.Attach(peer.Host.Name, []Hop{Over(up)}, []Hop{Over(down)})
}
