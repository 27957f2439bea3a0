package platform

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/sim"
)

// file is a platform in YAML.
type file struct {
	Name     string         `yaml:"name"`
	Routing  string         `yaml:"routing"` // shortest or declared
	Clusters []clusterEntry `yaml:"clusters"`
	Hosts    []hostEntry    `yaml:"hosts"`
	Routers  []string       `yaml:"routers"`
	Links    []linkEntry    `yaml:"links"`
	Routes   []routeEntry   `yaml:"routes"`
	Network  networkEntry   `yaml:"network"`
}

// clusterEntry is hosts that are alike, each with a link to a switch.
type clusterEntry struct {
	Name    string        `yaml:"name"`
	Prefix  string        `yaml:"prefix"` // the name and a dash, if it is empty
	Suffix  string        `yaml:"suffix"`
	First   int           `yaml:"first"` // number of the first host
	Count   int           `yaml:"hosts"`
	Cores   int           `yaml:"cores"`
	Speed   speed         `yaml:"speed"`
	PStates []pstateEntry `yaml:"pstates"`
	Memory  cluster.Bytes `yaml:"memory"`
	Power   powerEntry    `yaml:"power"`
	Disks   []diskEntry   `yaml:"disks"`

	NIC      bandwidth    `yaml:"nic"`
	Latency  latency      `yaml:"latency"`
	Sharing  string       `yaml:"sharing"`
	Backbone segmentEntry `yaml:"backbone"`
	Loopback segmentEntry `yaml:"loopback"`
	Limit    bandwidth    `yaml:"limit"` // of a host, both directions together
}

// hostEntry is a host.
type hostEntry struct {
	Name    string        `yaml:"name"`
	Cores   int           `yaml:"cores"`
	Speed   speed         `yaml:"speed"`
	PStates []pstateEntry `yaml:"pstates"`
	Memory  cluster.Bytes `yaml:"memory"`
	Power   powerEntry    `yaml:"power"`
	Disks   []diskEntry   `yaml:"disks"`

	AvailabilityFile string `yaml:"availability_file"`
	StateFile        string `yaml:"state_file"`
}

// pstateEntry is a speed, and what a host draws at it.
type pstateEntry struct {
	Speed speed `yaml:"speed"`
	Idle  watts `yaml:"idle"`
	Full  watts `yaml:"full"`
}

// powerEntry is what a host draws in all p-states.
type powerEntry struct {
	Idle     watts           `yaml:"idle"`
	Full     watts           `yaml:"full"`
	Off      watts           `yaml:"off"`
	Boot     transitionEntry `yaml:"boot"`
	Shutdown transitionEntry `yaml:"shutdown"`
}

type transitionEntry struct {
	Takes settings.Duration `yaml:"takes"`
	Draws watts             `yaml:"draws"`
}

type diskEntry struct {
	Name  string    `yaml:"name"`
	Read  bandwidth `yaml:"read"`
	Write bandwidth `yaml:"write"`
}

// segmentEntry is a link that needs no name.
type segmentEntry struct {
	Bandwidth bandwidth `yaml:"bandwidth"`
	Latency   latency   `yaml:"latency"`
	Sharing   string    `yaml:"sharing"`
}

// linkEntry is a link, and the way over it if it is between two ends.
type linkEntry struct {
	Name      string    `yaml:"name"`
	Between   []string  `yaml:"between"`
	Bandwidth bandwidth `yaml:"bandwidth"`
	Latency   latency   `yaml:"latency"`
	Sharing   string    `yaml:"sharing"`

	BandwidthFile string `yaml:"bandwidth_file"`
	LatencyFile   string `yaml:"latency_file"`
	StateFile     string `yaml:"state_file"`
}

// routeEntry is a way over several links.
type routeEntry struct {
	From   string   `yaml:"from"`
	To     string   `yaml:"to"`
	Links  []string `yaml:"links"`
	OneWay bool     `yaml:"one_way"`
}

// networkEntry are the constants of the network model.
type networkEntry struct {
	Model           string  `yaml:"model"`
	LatencyFactor   float64 `yaml:"latency_factor"`
	BandwidthFactor float64 `yaml:"bandwidth_factor"`
	CrossTraffic    bool    `yaml:"cross_traffic"`
}

// ParseYAML reads a platform in our format. The files that it names, with
// profiles, are taken from a file system whose root is the folder of the
// platform; it may be nil if there are none. Errors are of type *[Error].
func ParseYAML(name string, text []byte, files fs.FS) (*Platform, error) {
	return parseYAML(name, text, files, MaxHosts)
}

func parseYAML(name string, text []byte, files fs.FS, most int) (*Platform, error) {
	f := file{Name: settings.Stem(name), Routing: "shortest"}
	from, err := settings.Load(name, text, &f, "examples/platforms/two-sites.yaml")
	if err != nil {
		return nil, err
	}
	routing, known := map[string]Routing{"shortest": Dijkstra, "declared": Full}[f.Routing]
	if !known {
		return nil, from.Locate(settings.Wrong("routing", "%q is neither shortest nor declared", f.Routing))
	}
	y := yamlReader{platform: New(f.Name, routing), from: from, profiles: profiles{files: files}}
	y.platform.most = most
	for _, read := range []func(*file) error{y.clusters, y.hosts, y.links, y.routes, y.network} {
		if err := read(&f); err != nil {
			return nil, from.Locate(err)
		}
		if y.platform.first != nil {
			return nil, y.platform.first
		}
	}
	y.platform.at = place{}
	return y.platform, nil
}

// yamlReader makes a platform of what a file says.
type yamlReader struct {
	platform *Platform
	from     *settings.File
	profiles profiles
}

// at says what is read next.
func (y *yamlReader) at(format string, args ...any) (key string) {
	key = fmt.Sprintf(format, args...)
	var where *Error
	errors.As(y.from.Locate(&Error{Key: key, Err: errors.New("here")}), &where)
	y.platform.at = place{where.File, where.Line, key}
	return key
}

func (y *yamlReader) clusters(f *file) (err error) {
	for i, e := range f.Clusters {
		key := y.at("clusters[%d]", i)
		c := Cluster{
			Name: e.Name, Prefix: e.Prefix, Suffix: e.Suffix, Numbers: Count(1, e.Count), Limiter: sim.Bandwidth(e.Limit),
			Link: Link{Bandwidth: sim.Bandwidth(e.NIC), Latency: sim.Seconds(e.Latency)},
		}
		if c.Prefix == "" {
			c.Prefix = e.Name + "-"
		}
		if y.from.Has(key + ".first") {
			c.Numbers = Count(e.First, e.Count)
		}
		switch {
		case e.Name == "":
			return settings.Wrong(key+".name", "it is missing")
		case e.Count < 1:
			return settings.Wrong(key+".hosts", "%d hosts; at least 1 is needed", e.Count)
		case e.First < 0 || e.First > MaxHosts:
			return settings.Wrong(key+".first", "%d is not from 0 to %d", e.First, MaxHosts)
		case e.NIC <= 0:
			return settings.Wrong(key+".nic", "the bandwidth of the hosts' links is missing")
		}
		h := hostEntry{Cores: e.Cores, Speed: e.Speed, PStates: e.PStates, Memory: e.Memory, Power: e.Power, Disks: e.Disks}
		if c.Host, err = y.host(key, h); err != nil {
			return err
		}
		if c.Link.Policy, err = sharing(key, e.Sharing, SplitDuplex); err != nil {
			return err
		}
		if c.Backbone, err = y.segment(key+".backbone", e.Backbone, Shared); err != nil {
			return err
		}
		if c.Loopback, err = y.segment(key+".loopback", e.Loopback, FatPipe); err != nil {
			return err
		}
		y.platform.root.Cluster(c)
	}
	return nil
}

// segment reads a link that has no name, if it is there.
func (y *yamlReader) segment(key string, e segmentEntry, usual Policy) (*Link, error) {
	if !y.from.Has(key) {
		return nil, nil
	}
	policy, err := sharing(key, e.Sharing, usual)
	switch {
	case err != nil:
		return nil, err
	case policy == SplitDuplex:
		return nil, settings.Wrong(key+".sharing", "it is shared or fat-pipe: it has no ends")
	case e.Bandwidth <= 0:
		return nil, settings.Wrong(key+".bandwidth", "it is missing")
	}
	return &Link{Name: "N", Bandwidth: sim.Bandwidth(e.Bandwidth), Latency: sim.Seconds(e.Latency), Policy: policy}, nil
}

// sharing reads how a link is shared.
func sharing(key, text string, usual Policy) (Policy, error) {
	policies := map[string]Policy{"": usual, "split-duplex": SplitDuplex, "shared": Shared, "fat-pipe": FatPipe}
	policy, known := policies[text]
	if !known {
		return 0, settings.Wrong(key+".sharing", "%q is none of split-duplex, shared, fat-pipe", text)
	}
	return policy, nil
}

func (y *yamlReader) hosts(f *file) error {
	for i, e := range f.Hosts {
		key := y.at("hosts[%d]", i)
		if e.Name == "" {
			return settings.Wrong(key+".name", "it is missing")
		}
		h, err := y.host(key, e)
		if err != nil {
			return err
		}
		y.platform.root.Host(h)
	}
	for i, name := range f.Routers {
		y.at("routers[%d]", i)
		y.platform.root.Router(name)
	}
	return nil
}

func (y *yamlReader) host(key string, e hostEntry) (h Host, err error) {
	h = Host{
		Name: e.Name, Cores: e.Cores, Speeds: []sim.Speed{sim.Speed(e.Speed)}, Memory: e.Memory,
		Power: sim.Power{
			Off:      sim.Watts(e.Power.Off),
			Boot:     e.Power.Boot.transition(),
			Shutdown: e.Power.Shutdown.transition(),
		},
	}
	switch {
	case e.Power.Boot.Takes < 0 || e.Power.Shutdown.Takes < 0:
		return h, settings.Wrong(key+".power", "a change of less than 0 s")
	case y.from.Has(key+".cores") && e.Cores < 1:
		return h, settings.Wrong(key+".cores", "%d cores; at least 1 is needed", e.Cores)
	case len(e.PStates) == 0 && e.Speed <= 0:
		return h, settings.Wrong(key+".speed", "the speed of a core is missing; or write pstates")
	case len(e.PStates) > 0 && e.Speed > 0:
		return h, settings.Wrong(key+".speed", "there are pstates, which say it already")
	case len(e.PStates) > 0 && (e.Power.Idle > 0 || e.Power.Full > 0):
		return h, settings.Wrong(key+".power", "there are pstates, which say it already")
	case e.Power.Full > 0 || e.Power.Idle > 0:
		h.Power.States = []sim.PowerState{state(e.Power.Idle, e.Power.Full)}
	case len(e.PStates) > 0:
		h.Speeds = nil
	}
	for _, p := range e.PStates {
		h.Speeds = append(h.Speeds, sim.Speed(p.Speed))
		h.Power.States = append(h.Power.States, state(p.Idle, p.Full))
	}
	for _, d := range e.Disks {
		h.Disks = append(h.Disks, Disk{Name: d.Name, Read: sim.Bandwidth(d.Read), Write: sim.Bandwidth(d.Write)})
	}
	if h.Availability, err = y.profiles.file(e.AvailabilityFile); err != nil {
		return h, settings.Wrong(key+".availability_file", "%w", err)
	}
	if h.State, err = y.profiles.file(e.StateFile); err != nil {
		return h, settings.Wrong(key+".state_file", "%w", err)
	}
	return h, nil
}

func state(idle, full watts) sim.PowerState {
	return sim.PowerState{Idle: sim.Watts(idle), Epsilon: sim.Watts(idle), Full: sim.Watts(full)}
}

func (e transitionEntry) transition() sim.Transition {
	return sim.Transition{Takes: sim.Of(time.Duration(e.Takes)), Draws: sim.Watts(e.Draws)}
}

func (y *yamlReader) links(f *file) error {
	for i, e := range f.Links {
		key := y.at("links[%d]", i)
		l := Link{Name: e.Name, Bandwidth: sim.Bandwidth(e.Bandwidth), Latency: sim.Seconds(e.Latency)}
		var err error
		if l.Policy, err = sharing(key, e.Sharing, SplitDuplex); err != nil {
			return err
		}
		for _, p := range []struct {
			key, file string
			into      **Profile
		}{
			{".bandwidth_file", e.BandwidthFile, &l.BandwidthOverTime},
			{".latency_file", e.LatencyFile, &l.LatencyOverTime},
			{".state_file", e.StateFile, &l.State},
		} {
			if *p.into, err = y.profiles.file(p.file); err != nil {
				return settings.Wrong(key+p.key, "%w", err)
			}
		}
		switch {
		case e.Name == "":
			return settings.Wrong(key+".name", "it is missing")
		case e.Bandwidth <= 0:
			return settings.Wrong(key+".bandwidth", "it is missing")
		case len(e.Between) == 0 && !y.from.Has(key+".between"):
			y.platform.root.Link(l)
		case len(e.Between) != 2:
			return settings.Wrong(key+".between", "%d ends; a link has two", len(e.Between))
		default:
			y.platform.root.Connect(e.Between[0], e.Between[1], l)
		}
	}
	return nil
}

func (y *yamlReader) routes(f *file) error {
	for i, e := range f.Routes {
		key := y.at("routes[%d]", i)
		if e.From == "" || e.To == "" {
			return settings.Wrong(key, "from or to is missing")
		}
		r := Route{From: e.From, To: e.To, OneWay: e.OneWay}
		for k, text := range e.Links {
			name, half, split := strings.Cut(text, " ")
			direction := map[string]Direction{"": Either, "up": Upwards, "down": Downwards}
			d, known := direction[half]
			if split && (!known || half == "") {
				return settings.Wrong(fmt.Sprintf("%s.links[%d]", key, k), "%q is not a link, or a link and up or down", text)
			}
			r.Via = append(r.Via, Hop{name, d})
		}
		y.platform.root.Route(r)
	}
	return nil
}

func (y *yamlReader) network(f *file) error {
	c := &y.platform.network
	n := &f.Network
	if n.Model != "" {
		if err := c.setModel(n.Model); err != nil {
			return settings.Wrong("network.model", "%w", err)
		}
	}
	for _, factor := range []struct {
		key   string
		value *float64
		set   **float64
	}{
		{"network.latency_factor", &n.LatencyFactor, &c.latency},
		{"network.bandwidth_factor", &n.BandwidthFactor, &c.bandwidth},
	} {
		if !y.from.Has(factor.key) {
			continue
		}
		if !finite(*factor.value) {
			return settings.Wrong(factor.key, "%v is not a factor", *factor.value)
		}
		*factor.set = factor.value
	}
	if y.from.Has("network.cross_traffic") {
		c.crossTraffic = &n.CrossTraffic
	}
	return nil
}
