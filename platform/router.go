package platform

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/dvms-project/dvms/sim"
)

// Router knows the ways of a platform. It is a [sim.Router].
//
// What has a name and can be the end of a way is a point: first the hosts, in
// the order of their declaration, then the routers, then the zones. The hosts'
// and links' identifiers of the simulation are their indices here, plus those
// that the simulation had before.
type Router struct {
	hosts     int
	names     []string // of points
	parent    []int32  // zone of a point; -1 for the root
	slot      []int32  // index of a point among its zone's children
	zones     []zone
	links     []sim.LinkSpec
	ways      []way
	hops      []int32 // links of all ways, one after the other
	loopback  int32   // link; -1 for that of the simulation
	firstHost sim.HostID
	firstLink sim.LinkID
	firstDisk sim.DiskID

	points map[string]int32
	named  map[string]int32 // links
	specs  []*hosts         // of the points that are hosts, group by group

	changes []change // over time
}

// zone is a zone as the router sees it. Its children are known by their slots.
type zone struct {
	routing Routing
	point   int32
	depth   int32
	size    int32 // number of children
	edges   edges // declared ways from child to child
	bypass  edges // and from any point inside to any other; here by point
	stars   []arms
	places  []Coordinates // of a Vivaldi zone's children; NaN if they have none
	paths   paths
}

// arms are the ways from a child of a Star to its centre and back, and to
// itself; -1 if there is none.
type arms struct{ up, down, self int32 }

// way is a sequence of links from a point to another. The points are hosts or
// routers: for a child that is a zone, its gateway.
type way struct {
	from, to int32
	at, n    int32 // in Router.hops
}

// edges are ways by their ends, sorted.
type edges []edge

type edge struct{ from, to, way int32 }

func (e edge) compare(f edge) int {
	return cmp.Or(cmp.Compare(e.from, f.from), cmp.Compare(e.to, f.to))
}

// find returns the way between two ends, or -1.
func (e edges) find(from, to int32) int32 {
	low, high := 0, len(e)
	for low < high {
		middle := int(uint(low+high) >> 1)
		if m := e[middle]; m.from < from || m.from == from && m.to < to {
			low = middle + 1
		} else {
			high = middle
		}
	}
	if low < len(e) && e[low].from == from && e[low].to == to {
		return e[low].way
	}
	return -1
}

// of returns the edges that begin at an end.
func (e edges) of(from int32) edges {
	low, _ := slices.BinarySearchFunc(e, from, func(m edge, from int32) int { return int(m.from) - int(from) })
	high := low
	for high < len(e) && e[high].from == from {
		high++
	}
	return e[low:high]
}

// Route appends the links from source to target to links, as [sim.Router] has
// it. Of an error, the text names source, target, and the zone that knows no
// way.
func (r *Router) Route(source, target sim.HostID, links []sim.LinkID) ([]sim.LinkID, error) {
	w, err := r.walk(source, target, links)
	return w.links, err
}

// farRouter is a Router with Vivaldi zones. It is a [sim.FarRouter].
type farRouter struct {
	*Router
	room []sim.LinkID // for links that nobody asked for
}

// Distance returns the latency of Vivaldi zones on the way.
func (r *farRouter) Distance(source, target sim.HostID) sim.Seconds {
	w, _ := r.walk(source, target, r.room[:0])
	r.room = w.links
	return w.distance
}

// far reports whether any route may be longer than its links.
func (r *Router) far() bool {
	return slices.ContainsFunc(r.zones, func(z zone) bool { return z.routing == Vivaldi })
}

func (r *Router) walk(source, target sim.HostID, links []sim.LinkID) (walk, error) {
	a, b := int(source-r.firstHost), int(target-r.firstHost)
	for _, h := range [...]int{a, b} {
		if h < 0 || h >= r.hosts {
			return walk{links: links}, fmt.Errorf("host %d is not of this platform: %w", h+int(r.firstHost), sim.ErrNoRoute)
		}
	}
	w := walk{router: r, links: links}
	var ok bool
	if a == b {
		ok = w.itself(int32(a))
	} else {
		ok = w.between(int32(a), int32(b))
	}
	if !ok {
		return walk{links: links}, fmt.Errorf("from %s to %s: zone %s (%v routing) knows no way from %s to %s: %w", r.names[a], r.names[b],
			r.names[r.zones[w.zone].point], r.zones[w.zone].routing, r.names[w.from], r.names[w.to], sim.ErrNoRoute)
	}
	return w, nil
}

// walk is a route on its way. Its methods return false if there is no way from
// one point of a zone to another, which it then names.
type walk struct {
	router   *Router
	links    []sim.LinkID
	distance sim.Seconds

	zone, from, to int32
}

func (w *walk) lost(zone, from, to int32) bool {
	w.zone, w.from, w.to = zone, from, to
	return false
}

// between appends the route from point a to point b, which is another.
//
// It ends, because the routes to gateways that it takes are within children of
// the zone that it looks at.
func (w *walk) between(a, b int32) bool {
	r := w.router
	z, ca, cb := r.common(a, b)
	if ok, found := w.bypassed(z, a, b); found {
		return ok
	}
	zone := &r.zones[z]
	switch zone.routing {
	case Full:
		way := zone.edges.find(r.slot[ca], r.slot[cb])
		if way < 0 {
			return w.lost(z, ca, cb)
		}
		return w.along(a, way, b)
	case Floyd, Dijkstra:
		return w.path(z, a, ca, b, cb)
	case Star, Vivaldi:
		return w.star(z, a, ca, b, cb)
	}
	return w.lost(z, ca, cb)
}

// along appends the way, and before and behind what leads to it and from it.
func (w *walk) along(a, way, b int32) bool {
	to := w.router.ways[way].to
	return w.onto(a, way) && (to == b || w.between(to, b))
}

// onto appends what leads from a to the way, and the way.
func (w *walk) onto(a, way int32) bool {
	from := w.router.ways[way].from
	if from != a && !w.between(a, from) {
		return false
	}
	w.take(way)
	return true
}

func (w *walk) take(way int32) {
	r := w.router
	of := r.ways[way]
	for _, link := range r.hops[of.at : of.at+of.n] {
		w.links = append(w.links, r.firstLink+sim.LinkID(link))
	}
}

// star appends the arm of one child up and the arm of the other down. The
// links that both have are crossed once.
func (w *walk) star(z, a, ca, b, cb int32) bool {
	r := w.router
	zone := &r.zones[z]
	up, down := zone.stars[r.slot[ca]].up, zone.stars[r.slot[cb]].down
	if up < 0 || down < 0 {
		return w.lost(z, ca, cb)
	}
	if from := r.ways[up].from; from != a && !w.between(a, from) {
		return false
	}
	crossed := len(w.links)
	w.take(up)
	half := len(w.links)
	of := r.ways[down]
	for _, link := range r.hops[of.at : of.at+of.n] {
		id := r.firstLink + sim.LinkID(link)
		if !slices.Contains(w.links[crossed:half], id) {
			w.links = append(w.links, id)
		}
	}
	if zone.routing == Vivaldi {
		c, d := zone.places[r.slot[ca]], zone.places[r.slot[cb]]
		if math.IsNaN(c.X) || math.IsNaN(d.X) {
			return w.lost(z, ca, cb)
		}
		w.distance += c.distance(d)
	}
	return of.to == b || w.between(of.to, b)
}

// distance is that of the Vivaldi system, whose unit is a millisecond [4].
func (c Coordinates) distance(d Coordinates) sim.Seconds {
	dx, dy := c.X-d.X, c.Y-d.Y
	flat := math.Sqrt(float64(dx*dx) + float64(dy*dy))
	return sim.Seconds((flat + math.Abs(c.Height) + math.Abs(d.Height)) / 1000)
}

// itself appends the route from a host to itself.
func (w *walk) itself(a int32) bool {
	r := w.router
	z := r.parent[a]
	zone := &r.zones[z]
	self := int32(-1)
	switch zone.routing {
	case Star, Vivaldi:
		arms := zone.stars[r.slot[a]]
		if self = arms.self; self < 0 && arms.up >= 0 && arms.down >= 0 {
			return w.star(z, a, a, a, a)
		}
	case Full, Floyd, Dijkstra:
		self = zone.edges.find(r.slot[a], r.slot[a])
	}
	if self >= 0 {
		w.take(self)
	} else if r.loopback >= 0 {
		w.links = append(w.links, r.firstLink+sim.LinkID(r.loopback))
	}
	return true
}

// common returns the lowest zone that has both of two points inside, and its
// children that are or have them.
func (r *Router) common(a, b int32) (zone, childA, childB int32) {
	za, zb := r.parent[a], r.parent[b]
	for za != zb {
		if r.zones[za].depth >= r.zones[zb].depth {
			a = r.zones[za].point
			za = r.parent[a]
		} else {
			b = r.zones[zb].point
			zb = r.parent[b]
		}
	}
	return za, a, b
}

// bypassed takes the bypass that the zone has for two points inside, or for
// zones that have them inside: the lowest of them, those of a before those of
// b.
func (w *walk) bypassed(z, a, b int32) (ok, found bool) {
	r := w.router
	zone := &r.zones[z]
	if len(zone.bypass) == 0 {
		return false, false
	}
	for from := a; from != zone.point; from = r.zones[r.parent[from]].point {
		for to := b; to != zone.point; to = r.zones[r.parent[to]].point {
			if way := zone.bypass.find(from, to); way >= 0 {
				return w.along(a, way, b), true
			}
		}
	}
	return false, false
}

// Host returns a host's identifier in the simulation.
func (r *Router) Host(name string) (sim.HostID, bool) {
	p, ok := r.points[name]
	return r.firstHost + sim.HostID(p), ok && int(p) < r.hosts
}

// Link returns a link's identifier in the simulation. A split-duplex link is
// two, whose names end with _UP and _DOWN.
func (r *Router) Link(name string) (sim.LinkID, bool) {
	l, ok := r.named[name]
	return r.firstLink + sim.LinkID(l), ok
}

// Disk returns the identifier of a host's disk in the simulation.
func (r *Router) Disk(host, name string) (sim.DiskID, bool) {
	point, known := r.points[host]
	if !known || int(point) >= r.hosts {
		return 0, false
	}
	disk, rest := r.firstDisk, int(point)
	for _, group := range r.specs {
		disks := group.like.Disks
		if rest >= len(group.names) {
			disk += sim.DiskID(len(group.names) * len(disks))
			rest -= len(group.names)
			continue
		}
		i := slices.IndexFunc(disks, func(d Disk) bool { return d.Name == name })
		return disk + sim.DiskID(rest*len(disks)+i), i >= 0
	}
	return 0, false
}

// Path returns the names of the links from one host to another, and the
// latency of the whole.
func (r *Router) Path(source, target string) (links []string, latency sim.Seconds, err error) {
	var ends [2]sim.HostID
	for i, name := range []string{source, target} {
		var ok bool
		if ends[i], ok = r.Host(name); !ok {
			return nil, 0, fmt.Errorf("there is no host %q", name)
		}
	}
	w, err := r.walk(ends[0], ends[1], nil)
	if err != nil {
		return nil, 0, err
	}
	latency = w.distance
	for _, l := range w.links {
		spec := r.links[l-r.firstLink]
		links = append(links, spec.Name)
		latency += spec.Latency
	}
	return links, latency, nil
}
