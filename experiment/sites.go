package experiment

import (
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/sim"
)

// Site is a place where hosts stand close together.
type Site struct {
	Name      string   `yaml:"name"`
	Hosts     int      `yaml:"hosts"`
	RoundTrip Duration `yaml:"round_trip"` // between two of its hosts
}

// Link is what lies between two sites.
type Link struct {
	Between   []string               `yaml:"between"`    // the names of two sites
	RoundTrip Duration               `yaml:"round_trip"` // between a host of one and a host of the other
	Bandwidth cluster.BytesPerSecond `yaml:"bandwidth"`  // in each direction, for all transfers together; 0 for no limit
}

// maxSites is the most sites: each pair of them has a link.
const maxSites = 1000

func (s *Scenario) validateSites() error {
	if len(s.Sites) == 0 {
		if len(s.Links) > 0 {
			return settings.Wrong("links", "there are no sites between which they could be")
		}
		return nil
	}
	if len(s.Sites) > maxSites {
		return settings.Wrong("sites", "%d sites; at most %d can be simulated", len(s.Sites), maxSites)
	}
	hosts := 0
	for i, site := range s.Sites {
		key := fmt.Sprintf("sites[%d].", i)
		switch {
		case site.Name == "":
			return settings.Wrong(key+"name", "the site has no name")
		case s.siteNamed(site.Name) < i:
			return settings.Wrong(key+"name", "%q is there twice", site.Name)
		case site.Hosts < 1 || site.Hosts > maxHosts:
			return settings.Wrong(key+"hosts", "%d hosts are not from 1 to %d", site.Hosts, maxHosts)
		case site.RoundTrip < 0 || site.RoundTrip > maxDuration:
			return settings.Wrong(key+"round_trip", "%v is not from 0s to %v", site.RoundTrip, maxDuration)
		}
		hosts += site.Hosts
	}
	if s.Hosts.Count != hosts {
		return settings.Wrong("hosts.count", "%d hosts, and the sites have %d; the sites decide", s.Hosts.Count, hosts)
	}
	return s.validateLinks()
}

func (s *Scenario) validateLinks() error {
	linked := map[[2]int]bool{}
	for i, l := range s.Links {
		key := fmt.Sprintf("links[%d].", i)
		if len(l.Between) != 2 {
			return settings.Wrong(key+"between", "%d names; a link is between two sites", len(l.Between))
		}
		for _, name := range l.Between {
			if s.siteNamed(name) < 0 {
				return settings.Wrong(key+"between", "%q is not a site", name)
			}
		}
		ends := s.ends(l)
		switch {
		case ends[0] == ends[1]:
			return settings.Wrong(key+"between", "%s twice; what lies within a site is its own round_trip", l.Between[0])
		case linked[ends]:
			return settings.Wrong(key+"between", "%s and %s have a link already", l.Between[0], l.Between[1])
		case l.RoundTrip < 0 || l.RoundTrip > maxDuration:
			return settings.Wrong(key+"round_trip", "%v is not from 0s to %v", l.RoundTrip, maxDuration)
		case l.Bandwidth > maxRate:
			return settings.Wrong(key+"bandwidth", "%v; at most %v can be simulated", l.Bandwidth, maxRate)
		}
		linked[ends] = true
	}
	for b := range s.Sites {
		for a := range b {
			if !linked[[2]int{a, b}] {
				return settings.Wrong("links", "there is none between %s and %s; each two sites need one", s.Sites[a].Name, s.Sites[b].Name)
			}
		}
	}
	return nil
}

// siteNamed returns the first site with a name, or -1.
func (s *Scenario) siteNamed(name string) int {
	return slices.IndexFunc(s.Sites, func(site Site) bool { return site.Name == name })
}

// ends returns the two sites of a link, the lower one first.
func (s *Scenario) ends(l Link) [2]int {
	a, b := s.siteNamed(l.Between[0]), s.siteNamed(l.Between[1])
	return [2]int{min(a, b), max(a, b)}
}

// longestTrip returns the longest that a message takes.
func (s *Scenario) longestTrip() Duration {
	if len(s.Sites) == 0 {
		return s.Settings.Latency
	}
	most := Duration(0)
	for _, site := range s.Sites {
		most = max(most, site.RoundTrip)
	}
	for _, l := range s.Links {
		most = max(most, l.RoundTrip)
	}
	return most / 2
}

// sitesHosts returns how many hosts the sites have.
func (s *Scenario) sitesHosts() (sum int) {
	for _, site := range s.Sites {
		sum += max(site.Hosts, 0)
	}
	return sum
}

// geography is where hosts stand, and how far it is from one to another. It is
// the router of the simulation: transfers go up from the source, over the
// link between the sites if they are two, and down to the target.
type geography struct {
	*sim.Star                          // the hosts' own links
	names     []string                 // of the sites
	site      []int32                  // by host
	trip      []time.Duration          // one way, by pair of sites: that of a and b is at a*len(names)+b
	capacity  []cluster.BytesPerSecond // of the link between two sites, by pair; 0 for no limit
	backbone  []sim.LinkID             // by pair of sites, in that direction; noLink if there is no limit
}

const noLink sim.LinkID = -1

// newGeography returns that of a scenario. Without sites, all hosts stand in
// one that has no name, and messages take latency.
func newGeography(s *Scenario) *geography {
	sites := s.Sites
	if len(sites) == 0 {
		sites = []Site{{Hosts: s.Hosts.Count, RoundTrip: 2 * s.Settings.Latency}}
	}
	pairs := len(sites) * len(sites)
	g := &geography{
		Star: sim.NewStar(), trip: make([]time.Duration, pairs),
		capacity: make([]cluster.BytesPerSecond, pairs), backbone: slices.Repeat([]sim.LinkID{noLink}, pairs),
	}
	for _, site := range sites {
		g.names = append(g.names, site.Name)
	}
	for i, site := range sites {
		g.site = append(g.site, slices.Repeat([]int32{int32(i)}, site.Hosts)...)
		g.trip[g.pair(i, i)] = time.Duration(site.RoundTrip) / 2
	}
	for _, l := range s.Links {
		ends := s.ends(l)
		for _, pair := range []int{g.pair(ends[0], ends[1]), g.pair(ends[1], ends[0])} {
			g.trip[pair], g.capacity[pair] = time.Duration(l.RoundTrip)/2, l.Bandwidth
		}
	}
	return g
}

func (g *geography) pair(a, b int) int { return a*len(g.names) + b }

// connect adds the links between the sites to the simulation.
func (g *geography) connect(s *Scenario, kernel *sim.Simulation) error {
	for _, l := range s.Links {
		if l.Bandwidth == 0 {
			continue
		}
		ends := s.ends(l)
		there, back, err := kernel.AddDuplex(sim.LinkSpec{Name: l.Between[0] + "-" + l.Between[1], Bandwidth: sim.Bandwidth(l.Bandwidth)})
		if err != nil {
			return err
		}
		g.backbone[g.pair(ends[0], ends[1])], g.backbone[g.pair(ends[1], ends[0])] = there, back
	}
	return nil
}

// sites returns the pair of sites between which a message goes. The service
// node of a central scheduler stands in the first site.
func (g *geography) sites(from, to int) int {
	at := func(node int) int {
		if node < len(g.site) {
			return int(g.site[node])
		}
		return 0
	}
	return g.pair(at(from), at(to))
}

// delay returns how long a message takes.
func (g *geography) delay(from, to int) time.Duration { return g.trip[g.sites(from, to)] }

// bandwidth returns what a transfer between two nodes gets if it is alone, with
// hosts' links of so much.
func (g *geography) bandwidth(from, to int, hosts cluster.BytesPerSecond) cluster.BytesPerSecond {
	if c := g.capacity[g.sites(from, to)]; c > 0 {
		return min(c, hosts)
	}
	return hosts
}

// name returns the name of a host's site.
func (g *geography) name(host int) string { return g.names[g.site[host]] }

// spread returns on how many sites some hosts stand.
func (g *geography) spread(hosts []cluster.NodeID) int {
	var seen []int32
	for _, h := range hosts {
		if s := g.site[h]; !slices.Contains(seen, s) {
			seen = append(seen, s)
		}
	}
	return len(seen)
}

// Route implements [sim.Router].
func (g *geography) Route(source, target sim.HostID, links []sim.LinkID) ([]sim.LinkID, error) {
	links, err := g.Star.Route(source, target, links)
	if l := g.backbone[g.sites(int(source), int(target))]; err == nil && l != noLink && source != target {
		links = slices.Insert(links, len(links)-1, l)
	}
	return links, err
}

// farGeography is the router where sites are given: they, and not the hosts'
// links, say how long data takes.
type farGeography struct{ *geography }

// Distance implements [sim.FarRouter].
func (g farGeography) Distance(source, target sim.HostID) sim.Seconds {
	if source == target {
		return 0
	}
	return sim.Of(g.delay(int(source), int(target)))
}
