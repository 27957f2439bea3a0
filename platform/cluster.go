package platform

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/sim"
)

// Cluster describes hosts that are alike, each with a link of its own to a
// switch, and a router that leads out of the cluster.
type Cluster struct {
	Name string
	// A host is named Prefix, its number, and Suffix.
	Prefix, Suffix string
	Numbers        []Range
	Host           Host // what each of them is; its name does not count
	// Link is the one of each host; its name does not count. The route from a
	// host to another is the link of the one, the backbone, and the link of
	// the other.
	Link     Link
	Backbone *Link // nil: the switch is faster than all links together
	// Loopback is the link of each host to itself; nil means that it is up and
	// down as to another host.
	Loopback *Link
	// Limiter bounds what a host sends and receives together; 0 means no bound.
	Limiter sim.Bandwidth
	// Router is the name of the router, the gateway of the cluster. Empty means
	// Prefix, Name, "_router" and Suffix.
	Router string
}

// Range is numbers from First to Last, both included.
type Range struct{ First, Last int }

// Count returns the range of n numbers from first on.
func Count(first, n int) []Range { return []Range{{first, first + n - 1}} }

// rack is hosts of a Star with a link each.
type rack struct {
	hosts    *hosts
	link     Link
	prefix   string // of the link's name, with the number of its host
	numbers  []Range
	byName   bool // the link's name has the name of the host instead
	loopback *Link
	limiter  sim.Bandwidth
}

// Cluster declares a cluster as a zone within z, and returns it.
func (z *Zone) Cluster(c Cluster) *Zone {
	inner := z.Zone(c.Name, Star)
	p := z.platform
	inner.gateway = c.Router
	if inner.gateway == "" {
		inner.gateway = c.Prefix + c.Name + "_router" + c.Suffix
	}
	inner.Router(inner.gateway)
	if c.Backbone != nil {
		backbone := *c.Backbone
		backbone.Name = c.Name + "_backbone"
		inner.Backbone(backbone)
	}
	switch {
	case c.Loopback != nil && p.check(c.Loopback.validate, "loopback"):
	case !(c.Limiter >= 0):
		p.fail(p.at, "cluster %q: a limiter of %v bytes/s", c.Name, float64(c.Limiter))
	}
	inner.rack(c, rack{prefix: c.Name + "_link_", loopback: c.Loopback, limiter: c.Limiter})
	return inner
}

// Cabinet declares hosts of a Star with a link each, and no backbone, loopback,
// limiter and router: these are the zone's.
func (z *Zone) Cabinet(c Cluster) { z.rack(c, rack{prefix: "link_", byName: true}) }

func (z *Zone) rack(c Cluster, r rack) {
	p := z.platform
	names, err := c.names(p.most - p.hosts)
	if err != nil {
		p.fail(p.at, "%q: %w", c.Name, err)
		return
	}
	link := c.Link
	link.Name = r.prefix + "N"
	if err := link.validate(); err != nil {
		p.fail(p.at, "%q: links: %w", c.Name, err)
	}
	z.hosts(c.Host, names)
	if p.first != nil {
		return
	}
	r.hosts, r.link, r.numbers = z.children[len(z.children)-1].hosts, c.Link, c.Numbers
	z.racks = append(z.racks, placed[rack]{r, p.at})
}

func (p *Platform) check(validate func() error, what string) bool {
	if err := validate(); err != nil {
		p.fail(p.at, "%s: %w", what, err)
		return false
	}
	return true
}

// names returns the names of the cluster's hosts, of which there may be most.
func (c Cluster) names(most int) ([]string, error) {
	n := 0
	for _, r := range c.Numbers {
		if r.First < 0 || r.Last < r.First {
			return nil, fmt.Errorf("hosts from %d to %d", r.First, r.Last)
		}
		if r.Last-r.First >= most-n {
			return nil, fmt.Errorf("more than %d hosts; a platform may have that many", MaxHosts)
		}
		n += r.Last - r.First + 1
	}
	if n == 0 {
		return nil, fmt.Errorf("no hosts")
	}
	names := make([]string, 0, n)
	for _, r := range c.Numbers {
		for i := r.First; i <= r.Last; i++ {
			names = append(names, c.Prefix+strconv.Itoa(i)+c.Suffix)
		}
	}
	return names, nil
}

// parseRadical reads numbers as in 0-9,12,20-29. SimGrid separates them by
// commas, and its manual by semicolons.
func parseRadical(text string) ([]Range, error) {
	var ranges []Range
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == ',' || r == ';' }) {
		first, last, two := strings.Cut(strings.TrimSpace(part), "-")
		if !two {
			last = first
		}
		a, errA := strconv.ParseUint(first, 10, 31)
		b, errB := strconv.ParseUint(last, 10, 31)
		if errA != nil || errB != nil || b < a {
			return nil, fmt.Errorf("%q is not a range of numbers; write it as in 0-9,12", part)
		}
		ranges = append(ranges, Range{int(a), int(b)})
	}
	if len(ranges) == 0 {
		return nil, fmt.Errorf("no numbers; write them as in 0-9,12")
	}
	return ranges, nil
}
