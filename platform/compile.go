package platform

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/dvms-project/dvms/sim"
)

// Router returns what knows the ways of the platform, or the first mistake of
// its description: a name that is there twice or that nothing has, or something
// where it can't be used.
func (p *Platform) Router() (*Router, error) {
	if p.first != nil {
		return nil, p.first
	}
	c := compiler{
		Router: &Router{points: map[string]int32{}, named: map[string]int32{}},
		number: map[*Zone]int32{}, first: map[*hosts]int32{}, split: map[string]bool{},
	}
	routers := c.count(p.root)
	c.makePoints(routers)
	next := counters{router: int32(c.hosts)}
	if err := c.name(p.root, &next); err != nil {
		return nil, err
	}
	for _, step := range []func(*Zone, *zone) error{c.lay, c.join, c.detour} {
		for i, z := range c.declared {
			if err := step(z, &c.zones[i]); err != nil {
				return nil, err
			}
		}
	}
	for _, v := range p.varied {
		if err := c.vary(v.it, v.at); err != nil {
			return nil, err
		}
	}
	if err := c.loop(p.Loopback); err != nil {
		return nil, err
	}
	return c.Router, nil
}

// compiler makes a Router of a description.
type compiler struct {
	*Router
	declared []*Zone // by their index
	number   map[*Zone]int32
	first    map[*hosts]int32 // point of the first of them
	split    map[string]bool  // links that are split-duplex
}

// count numbers the zones, counts the hosts, and returns the number of routers.
func (c *compiler) count(z *Zone) (routers int) {
	c.number[z] = int32(len(c.declared))
	c.declared = append(c.declared, z)
	for _, child := range z.children {
		switch {
		case child.hosts != nil:
			c.hosts += len(child.hosts.names)
		case child.router != nil:
			routers++
		default:
			routers += c.count(child.zone)
		}
	}
	return routers
}

// makePoints makes room for all points, and places the zones.
func (c *compiler) makePoints(routers int) {
	n := c.hosts + routers + len(c.declared)
	c.names, c.parent, c.slot = make([]string, n), make([]int32, n), make([]int32, n)
	c.zones = make([]zone, len(c.declared))
	for i, z := range c.declared {
		c.zones[i] = zone{routing: z.routing, point: int32(n - len(c.declared) + i)}
		if z.parent != nil {
			c.zones[i].depth = c.zones[c.number[z.parent]].depth + 1
		}
	}
	root := c.zones[0].point
	c.names[root], c.parent[root] = c.declared[0].name, -1
	c.points[c.names[root]] = root
}

// counters are the points that get a name next.
type counters struct{ host, router int32 }

// name gives names, zones and slots to the points of a zone.
func (c *compiler) name(z *Zone, next *counters) (err error) {
	in := c.number[z]
	for _, child := range z.children {
		switch {
		case child.hosts != nil:
			err = c.nameHosts(child.hosts, in, child.at, next)
		case child.router != nil:
			err = c.add(next.router, child.router.name, in, child.at)
			next.router++
		case child.zone.name == "":
			err = child.at.err("a zone without a name")
		default:
			if err = c.add(c.zones[c.number[child.zone]].point, child.zone.name, in, child.at); err == nil {
				err = c.name(child.zone, next)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (c *compiler) nameHosts(h *hosts, in int32, at place, next *counters) error {
	c.first[h] = next.host
	c.specs = append(c.specs, h)
	for _, name := range h.names {
		err := cmp.Or(
			c.add(next.host, name, in, at),
			c.change(hostSpeed, next.host, h.like.Availability, at),
			c.change(hostState, next.host, h.like.State, at),
		)
		if err != nil {
			return err
		}
		next.host++
	}
	return nil
}

// add makes a point the next child of a zone.
func (c *compiler) add(point int32, name string, in int32, at place) error {
	if other, twice := c.points[name]; twice {
		return at.err("%q is there twice: it is a %s as well", name, c.kind(other))
	}
	c.points[name] = point
	c.names[point], c.parent[point], c.slot[point] = name, in, c.zones[in].size
	c.zones[in].size++
	return nil
}

func (c *compiler) kind(point int32) string {
	switch {
	case int(point) < c.hosts:
		return "host"
	case point < c.zones[0].point:
		return "router"
	}
	return "zone"
}

// where is the name of the zone that a point is in.
func (c *compiler) where(point int32) string {
	if c.parent[point] < 0 {
		return ""
	}
	return c.declared[c.parent[point]].name
}

// lay adds the links of a zone, and the arms of its racks.
func (c *compiler) lay(z *Zone, into *zone) error {
	for _, l := range z.links {
		if err := c.link(l.it, l.at); err != nil {
			return err
		}
	}
	star := z.routing == Star || z.routing == Vivaldi
	switch {
	case star:
		into.stars = make([]arms, into.size)
		for i := range into.stars {
			into.stars[i] = arms{-1, -1, -1}
		}
	case len(z.racks) > 0:
		return z.racks[0].at.err("zone %q has %v routing; a cabinet is in a Star", z.name, z.routing)
	case z.backbone != "":
		return z.at.err("zone %q has %v routing; a backbone is in a Star", z.name, z.routing)
	case len(z.attached) > 0:
		return z.attached[0].at.err("zone %q has %v routing; the links of a host are attached in a Star", z.name, z.routing)
	}
	for _, r := range z.racks {
		if err := c.rack(r.it, r.at, into, c.backbone(z)); err != nil {
			return err
		}
	}
	return nil
}

// backbone returns the links that all routes of a Star cross: one or none.
func (c *compiler) backbone(z *Zone) []int32 {
	if z.backbone == "" {
		return nil
	}
	return []int32{c.named[z.backbone]}
}

func (c *compiler) link(l Link, at place) error {
	if c.split[l.Name] {
		return at.err("link %q is there twice", l.Name)
	}
	if l.Policy != SplitDuplex {
		_, err := c.single(l, l.Name, at)
		return err
	}
	if _, twice := c.named[l.Name]; twice {
		return at.err("link %q is there twice", l.Name)
	}
	c.split[l.Name] = true
	if _, err := c.single(l, l.Name+"_UP", at); err != nil {
		return err
	}
	_, err := c.single(l, l.Name+"_DOWN", at)
	return err
}

// single adds a link of the simulation.
func (c *compiler) single(l Link, name string, at place) (int32, error) {
	if _, twice := c.named[name]; twice || c.split[name] {
		return 0, at.err("link %q is there twice", name)
	}
	spec := sim.LinkSpec{Name: name, Bandwidth: l.Bandwidth, Latency: l.Latency}
	if l.Policy == FatPipe {
		spec.Policy = sim.FatPipe
	}
	id := int32(len(c.links))
	c.named[name] = id
	c.links = append(c.links, spec)
	return id, cmp.Or(
		c.change(linkBandwidth, id, l.BandwidthOverTime, at),
		c.change(linkLatency, id, l.LatencyOverTime, at),
		c.change(linkState, id, l.State, at),
	)
}

// change adds what changes over time, if it does.
func (c *compiler) change(a aspect, of int32, p *Profile, at place) error {
	if p == nil {
		return nil
	}
	for _, q := range p.Points {
		low, high := a.limits()
		if !(q.Value >= low && q.Value <= high) {
			return at.err("profile %s: value %v at %v s is not from %v to %v", p.Name, q.Value, float64(q.At), low, high)
		}
	}
	c.changes = append(c.changes, change{a, of, p})
	return nil
}

// vary looks up what changes over time.
func (c *compiler) vary(v variation, at place) error {
	if v.aspect == hostState || v.aspect == hostSpeed {
		host, known := c.points[v.element]
		if !known || c.kind(host) != "host" {
			return at.err("there is no host %q%s", v.element, meant(v.element, c.points))
		}
		return c.change(v.aspect, host, v.profile, at)
	}
	names := []string{v.element}
	if c.split[v.element] {
		names = []string{v.element + "_UP", v.element + "_DOWN"}
	}
	for _, name := range names {
		link, known := c.named[name]
		if !known {
			return at.err("there is no link %q%s", name, meant(name, c.named))
		}
		if err := c.change(v.aspect, link, v.profile, at); err != nil {
			return err
		}
	}
	return nil
}

// loop adds the link of hosts to themselves.
func (c *compiler) loop(of *Link) (err error) {
	if c.loopback = -1; of == nil {
		return nil
	}
	l := *of
	if err := l.validate(); err != nil {
		return place{}.err("loopback: %w", err)
	}
	l.Policy = FatPipe
	c.loopback, err = c.single(l, l.Name, place{})
	return err
}

// rack adds the links of a rack and the arms of its hosts. What limits a host
// is the outermost: it counts for both directions.
func (c *compiler) rack(r rack, at place, into *zone, backbone []int32) (err error) {
	add := func(l Link, name string) (id int32) {
		if err == nil {
			id, err = c.single(l, name, at)
		}
		return id
	}
	host := c.first[r.hosts]
	for name := range r.linkNames() {
		var up, down int32
		if r.link.Policy == SplitDuplex {
			up, down = add(r.link, name+"_UP"), add(r.link, name+"_DOWN")
		} else {
			up = add(r.link, name)
			down = up
		}
		out, in := append([]int32{up}, backbone...), append(slices.Clone(backbone), down)
		if r.limiter > 0 {
			limiter := add(Link{Bandwidth: r.limiter, Policy: Shared}, name+"_limiter")
			out, in = append([]int32{limiter}, out...), append(in, limiter)
		}
		arms := &into.stars[c.slot[host]]
		arms.up, arms.down = c.way(host, host, out), c.way(host, host, in)
		if r.loopback != nil {
			loop := *r.loopback
			loop.Policy = FatPipe
			arms.self = c.way(host, host, []int32{add(loop, name+"_loopback")})
		}
		host++
	}
	return err
}

// linkNames are those of a rack's links, in the order of its hosts.
func (r rack) linkNames() func(yield func(string) bool) {
	return func(yield func(string) bool) {
		i := 0
		for _, numbers := range r.numbers {
			for n := numbers.First; n <= numbers.Last; n++ {
				name := r.prefix + strconv.Itoa(n)
				if r.byName {
					name = r.prefix + r.hosts.names[i]
				}
				if !yield(name) {
					return
				}
				i++
			}
		}
	}
}
