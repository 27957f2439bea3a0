package platform

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/dvms-project/dvms/internal/spell"
)

// way adds a way, and returns its index.
func (c *compiler) way(from, to int32, links []int32) int32 {
	c.ways = append(c.ways, way{from, to, int32(len(c.hops)), int32(len(links))})
	c.hops = append(c.hops, links...)
	return int32(len(c.ways) - 1)
}

// via looks up the links of a way, and of the way back.
func (c *compiler) via(hops []Hop, at place) (there, back []int32, err error) {
	for _, h := range hops {
		forth, home, err := c.hop(h)
		if err != nil {
			return nil, nil, at.err("%w", err)
		}
		there, back = append(there, forth), append(back, home)
	}
	slices.Reverse(back)
	return there, back, nil
}

// hop looks up a link, and the one of the other direction.
func (c *compiler) hop(h Hop) (there, back int32, err error) {
	switch {
	case h.Direction == Either && c.split[h.Link]:
		return 0, 0, fmt.Errorf("link %q is split-duplex: say which direction, UP or DOWN", h.Link)
	case h.Direction == Either:
		id, known := c.named[h.Link]
		if !known {
			return 0, 0, fmt.Errorf("there is no link %q%s", h.Link, meant(h.Link, c.named))
		}
		return id, id, nil
	}
	up, known := c.named[h.Link+"_UP"]
	down, both := c.named[h.Link+"_DOWN"]
	if !known || !both {
		if _, whole := c.named[h.Link]; whole {
			return 0, 0, fmt.Errorf("link %q has no directions; it is not split-duplex", h.Link)
		}
		return 0, 0, fmt.Errorf("there is no split-duplex link %q%s", h.Link, meant(h.Link, c.split))
	}
	if h.Direction == Downwards {
		up, down = down, up
	}
	return up, down, nil
}

// meant asks for the name that was probably meant, if there is one.
func meant[V any](name string, known map[string]V) string {
	if near := spell.Nearest(name, slices.Sorted(maps.Keys(known))); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// join adds the ways between the children of a zone.
func (c *compiler) join(z *Zone, into *zone) error {
	switch z.routing {
	case Star, Vivaldi:
		return c.star(z, into)
	case Full, Floyd, Dijkstra:
		return c.graph(z, into)
	case None:
		if len(z.routes) > 0 {
			return z.routes[0].at.err("zone %q has None routing: it knows no routes", z.name)
		}
		return nil
	}
	return z.at.err("zone %q: there is no %v", z.name, z.routing)
}

// graph adds the edges of a zone.
func (c *compiler) graph(z *Zone, into *zone) error {
	var all []placedEdge
	for _, r := range z.routes {
		e, back, err := c.edges(z, r.it, r.at)
		if err != nil {
			return err
		}
		switch {
		case e.from == e.to && c.kind(c.points[r.it.From]) == "zone":
			return r.at.err("a route from zone %q to itself; only hosts have one", r.it.From)
		case e.from == e.to || r.it.OneWay:
			all = append(all, placedEdge{e, r})
		default:
			all = append(all, placedEdge{e, r}, placedEdge{back, r})
		}
	}
	var err error
	if into.edges, err = sorted(all); err != nil {
		return err
	}
	switch {
	case z.routing == Floyd && into.size > MaxFloyd:
		return z.at.err("zone %q has %d children, and Floyd routing: that is for at most %d; Dijkstra finds paths of the same length", z.name, into.size, MaxFloyd)
	case z.routing == Floyd:
		into.floyd(c.Router)
	case z.routing == Dijkstra:
		into.paths = paths{trees: make([][]int32, into.size), room: roomForTrees}
	}
	return nil
}

// placedEdge is an edge and the route that it is of.
type placedEdge struct {
	edge
	of placed[Route]
}

// sorted sorts edges, of which there must not be two with the same ends.
func sorted(all []placedEdge) (edges, error) {
	slices.SortStableFunc(all, func(a, b placedEdge) int { return a.compare(b.edge) })
	result := make(edges, len(all))
	for i, e := range all {
		if i > 0 && e.compare(all[i-1].edge) == 0 {
			first := all[i-1].of
			where := ""
			if first.at.line > 0 {
				where = fmt.Sprintf(", first in line %d", first.at.line)
			}
			return nil, e.of.at.err("the route from %q to %q is there twice%s; a route that is not said to be one-way counts for the way back as well", e.of.it.From, e.of.it.To, where)
		}
		result[i] = e.edge
	}
	return result, nil
}

// edges makes the ways of a route, there and back.
func (c *compiler) edges(z *Zone, r Route, at place) (there, back edge, err error) {
	from, gateFrom, err := c.end(z, r.From, r.FromGateway, at)
	if err != nil {
		return there, back, err
	}
	to, gateTo, err := c.end(z, r.To, r.ToGateway, at)
	if err != nil {
		return there, back, err
	}
	if len(r.Via) == 0 {
		return there, back, at.err("the route from %q to %q has no links", r.From, r.To)
	}
	forth, home, err := c.via(r.Via, at)
	if err != nil {
		return there, back, err
	}
	there = edge{c.slot[from], c.slot[to], c.way(gateFrom, gateTo, forth)}
	if !r.OneWay {
		back = edge{there.to, there.from, c.way(gateTo, gateFrom, home)}
	}
	return there, back, nil
}

// end looks up the end of a route, which is a child of the zone, and the
// gateway there.
func (c *compiler) end(z *Zone, name, gate string, at place) (point, gateway int32, err error) {
	point, err = c.point(name, at)
	if err != nil {
		return 0, 0, err
	}
	if c.parent[point] != c.number[z] {
		return 0, 0, at.err("%s %q is not in zone %q but in %q; a route leads from one child of its zone to another", c.kind(point), name, z.name, c.where(point))
	}
	gateway, err = c.gate(point, gate, at)
	return point, gateway, err
}

func (c *compiler) point(name string, at place) (int32, error) {
	point, known := c.points[name]
	if !known {
		return 0, at.err("there is no host, router or zone %q%s", name, meant(name, c.points))
	}
	return point, nil
}

// gate looks up the gateway of a point, which is the point itself if it is no
// zone.
func (c *compiler) gate(point int32, gate string, at place) (int32, error) {
	if c.kind(point) != "zone" {
		if gate != "" && gate != c.names[point] {
			return 0, at.err("%s %q is no zone: it has no gateway %q", c.kind(point), c.names[point], gate)
		}
		return point, nil
	}
	if gate == "" {
		if gate = c.declared[point-c.zones[0].point].onlyGateway(); gate == "" {
			return 0, at.err("zone %q has no or several routers: say which gateway", c.names[point])
		}
	}
	gateway, known := c.points[gate]
	switch {
	case !known:
		return 0, at.err("there is no gateway %q in zone %q%s", gate, c.names[point], meant(gate, c.points))
	case c.kind(gateway) == "zone":
		return 0, at.err("gateway %q is a zone; it has to be a host or router", gate)
	case !c.inside(gateway, point):
		return 0, at.err("gateway %q is not in zone %q but in %q", gate, c.names[point], c.where(gateway))
	}
	return gateway, nil
}

// inside reports whether a point is somewhere inside of a zone.
func (c *compiler) inside(point, zone int32) bool {
	for c.parent[point] >= 0 {
		if point = c.zones[c.parent[point]].point; point == zone {
			return true
		}
	}
	return false
}

// onlyGateway returns the gateway of routes that name none: the one of a
// cluster, or the only router.
func (z *Zone) onlyGateway() string {
	gate := z.gateway
	for _, child := range z.children {
		if child.router != nil && child.router.name != z.gateway {
			if gate != "" && z.gateway == "" {
				return ""
			}
			if z.gateway == "" {
				gate = child.router.name
			}
		}
	}
	return gate
}

// star adds the arms of a zone's children.
func (c *compiler) star(z *Zone, into *zone) error {
	backbone := c.backbone(z)
	for _, a := range z.attached {
		if err := c.attach(z, into, a.it, a.at, backbone); err != nil {
			return err
		}
	}
	for _, r := range z.routes {
		if err := c.arm(z, into, r.it, r.at); err != nil {
			return err
		}
	}
	if z.routing == Vivaldi {
		return c.scatter(z, into)
	}
	for _, child := range z.children {
		if child.router != nil {
			c.bare(into, c.points[child.router.name])
		}
	}
	return nil
}

// bare gives a child that has no arms some without links.
func (c *compiler) bare(into *zone, point int32) {
	arms := &into.stars[c.slot[point]]
	if arms.up < 0 {
		arms.up = c.way(point, point, nil)
	}
	if arms.down < 0 {
		arms.down = c.way(point, point, nil)
	}
}

func (c *compiler) attach(z *Zone, into *zone, a attachment, at place, backbone []int32) error {
	point, gate, err := c.end(z, a.host, "", at)
	if err != nil {
		return err
	}
	up, _, err := c.via(a.up, at)
	if err != nil {
		return err
	}
	down, _, err := c.via(a.down, at)
	if err != nil {
		return err
	}
	arms := &into.stars[c.slot[point]]
	if arms.up >= 0 || arms.down >= 0 {
		return at.err("%s %q has links in zone %q already", c.kind(point), a.host, z.name)
	}
	arms.up, arms.down = c.way(gate, gate, append(up, backbone...)), c.way(gate, gate, append(slices.Clone(backbone), down...))
	return nil
}

// arm adds a route of a Star: from a child to all others, from all others to
// a child, or from a child to itself.
func (c *compiler) arm(z *Zone, into *zone, r Route, at place) error {
	name, gate := r.From, r.FromGateway
	if name == "" {
		name, gate = r.To, r.ToGateway
	}
	if r.From != "" && r.To != "" && r.From != r.To {
		return at.err("zone %q has %v routing: a route leads from %q to all others, or from all others to %q", z.name, z.routing, r.From, r.To)
	}
	point, gateway, err := c.end(z, name, gate, at)
	if err != nil {
		return err
	}
	there, back, err := c.via(r.Via, at)
	if err != nil {
		return err
	}
	arms := &into.stars[c.slot[point]]
	put := func(into *int32, links []int32) {
		if *into >= 0 {
			err = at.err("the way of %q in zone %q is there twice", name, z.name)
		}
		*into = c.way(gateway, gateway, links)
	}
	switch {
	case r.From == r.To:
		put(&arms.self, there)
	case r.From == "":
		put(&arms.down, there)
		if !r.OneWay {
			put(&arms.up, back)
		}
	default:
		put(&arms.up, there)
		if !r.OneWay {
			put(&arms.down, back)
		}
	}
	return err
}

// scatter places the children of a Vivaldi zone. A zone is where its router
// "router_" + name is.
func (c *compiler) scatter(z *Zone, into *zone) error {
	into.places = make([]Coordinates, into.size)
	for i := range into.places {
		into.places[i].X = math.NaN()
	}
	put := func(point int32, at *Coordinates) {
		if at != nil {
			into.places[c.slot[point]] = *at
		}
		c.bare(into, point)
	}
	for _, child := range z.children {
		switch {
		case child.hosts != nil:
			for i := range child.hosts.names {
				put(c.first[child.hosts]+int32(i), child.hosts.like.Coordinates)
			}
		case child.router != nil:
			put(c.points[child.router.name], child.router.coordinates)
		default:
			gate := "router_" + child.zone.name
			gateway, err := c.gate(c.points[child.zone.name], gate, child.at)
			if err != nil {
				return err
			}
			into.places[c.slot[c.points[child.zone.name]]] = c.placeOf(child.zone, gate)
			arms := &into.stars[c.slot[c.points[child.zone.name]]]
			arms.up = c.way(gateway, gateway, nil)
			arms.down = arms.up
		}
	}
	return nil
}

// placeOf returns the coordinates of a router that is somewhere in a zone.
func (c *compiler) placeOf(z *Zone, name string) Coordinates {
	for _, child := range z.children {
		switch {
		case child.router != nil && child.router.name == name && child.router.coordinates != nil:
			return *child.router.coordinates
		case child.zone != nil:
			if at := c.placeOf(child.zone, name); !math.IsNaN(at.X) {
				return at
			}
		}
	}
	return Coordinates{X: math.NaN()}
}

// detour adds the bypasses of a zone.
func (c *compiler) detour(z *Zone, into *zone) error {
	var all []placedEdge
	for _, b := range z.bypasses {
		e, err := c.bypass(into, b.it, b.at)
		if err != nil {
			return err
		}
		all = append(all, placedEdge{e, b})
	}
	var err error
	into.bypass, err = sorted(all)
	return err
}

func (c *compiler) bypass(into *zone, r Route, at place) (e edge, err error) {
	var gates [2]int32
	for i, end := range []struct {
		name, gate string
		to         *int32
	}{{r.From, r.FromGateway, &e.from}, {r.To, r.ToGateway, &e.to}} {
		if *end.to, err = c.point(end.name, at); err != nil {
			return e, err
		}
		if !c.inside(*end.to, into.point) {
			return e, at.err("%s %q is not inside of zone %q", c.kind(*end.to), end.name, c.names[into.point])
		}
		if gates[i], err = c.gate(*end.to, end.gate, at); err != nil {
			return e, err
		}
	}
	if _, a, b := c.common(e.from, e.to); e.from == e.to || a == b {
		return e, at.err("a bypass from %q to %q, one of which has the other inside", r.From, r.To)
	}
	there, _, err := c.via(r.Via, at)
	if err != nil {
		return e, err
	}
	if z, _, _ := c.common(e.from, e.to); c.zones[z].point != into.point {
		return e, at.err("a bypass from %q to %q belongs into zone %q, the lowest that has both", r.From, r.To, c.declared[z].name)
	}
	e.way = c.way(gates[0], gates[1], there)
	return e, nil
}
