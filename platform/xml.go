package platform

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/sim"
)

// deepest is how deep elements may be nested.
const deepest = 100

// ParseXML reads a platform in SimGrid's format, version 4 or 4.1. The files
// that it names, with profiles, are taken from a file system whose root is the
// folder of the platform; it may be nil if there are none. What is not
// supported is refused, or listed in the platform's Notes if it makes no
// difference. Errors are of type *[Error].
func ParseXML(name string, text []byte, files fs.FS) (*Platform, error) {
	return parseXML(name, text, files, MaxHosts)
}

func parseXML(name string, text []byte, files fs.FS, most int) (*Platform, error) {
	x := &xmlReader{
		platform: New("_world_", Full), profiles: profiles{files: files},
		decoder: xml.NewDecoder(bytes.NewReader(text)), traces: map[string]*Profile{},
	}
	x.platform.most = most
	x.platform.at.file = name
	x.decoder.CharsetReader = charset
	if err := x.document(); err != nil {
		return nil, err
	}
	x.platform.at = place{file: name}
	return x.platform, x.platform.first
}

// charset reads the encodings of Western Europe besides UTF-8. Of these, names
// are in ASCII anyway.
func charset(name string, input io.Reader) (io.Reader, error) {
	switch strings.ToLower(name) {
	case "utf8", "us-ascii", "ascii":
		return input, nil
	case "iso-8859-1", "latin1":
		data, err := io.ReadAll(input)
		if err != nil {
			return nil, err
		}
		text := make([]rune, len(data))
		for i, b := range data {
			text[i] = rune(b)
		}
		return strings.NewReader(string(text)), nil
	}
	return nil, fmt.Errorf("encoding %q is not supported; UTF-8 is", name)
}

// xmlReader makes a platform of elements as it reads them.
type xmlReader struct {
	platform *Platform
	decoder  *xml.Decoder
	profiles profiles
	depth    int
	traces   map[string]*Profile // by their id
}

// grammar says which attributes and children an element may have. A
// necessary attribute ends with an exclamation mark. An element whose
// children are not listed may have none.
var grammar = map[string]struct{ attributes, children string }{
	"platform":        {"version", "config zone AS cluster trace trace_connect"},
	"config":          {"id", "prop"},
	"prop":            {"id! value!", ""},
	"zone":            {"id! routing!", insideZone},
	"AS":              {"id! routing!", insideZone},
	"host":            {"id! speed! core pstate speed_file availability_file state_file coordinates", "disk prop"},
	"disk":            {"id read_bw! write_bw!", "prop"},
	"router":          {"id! coordinates", ""},
	"link":            {"id! bandwidth! latency sharing_policy bandwidth_file latency_file state_file", "prop"},
	"backbone":        {"id! bandwidth! latency!", ""},
	"host_link":       {"id! up! down!", ""},
	"cluster":         {"id! prefix! suffix! radical! speed! bw! lat! core sharing_policy topology topo_parameters bb_bw bb_lat bb_sharing_policy router_id limiter_link loopback_bw loopback_lat", "prop"},
	"cabinet":         {"id! prefix! suffix! radical! speed! bw! lat!", ""},
	"peer":            {"id! speed! bw_in! bw_out! lat coordinates speed_file availability_file state_file", ""},
	"route":           {"src! dst! symmetrical", "link_ctn"},
	"zoneRoute":       {"src! dst! gw_src! gw_dst! symmetrical", "link_ctn"},
	"ASroute":         {"src! dst! gw_src! gw_dst! symmetrical", "link_ctn"},
	"bypassRoute":     {"src! dst!", "link_ctn"},
	"bypassZoneRoute": {"src! dst! gw_src! gw_dst!", "link_ctn"},
	"bypassASroute":   {"src! dst! gw_src! gw_dst!", "link_ctn"},
	"link_ctn":        {"id! direction", ""},
	"trace":           {"id! periodicity! file", ""},
	"trace_connect":   {"kind trace! element!", ""},
}

const insideZone = "prop zone AS host router link backbone host_link cluster cabinet peer " +
	"route zoneRoute ASroute bypassRoute bypassZoneRoute bypassASroute trace trace_connect"

// refused are elements that SimGrid knows, and why they are not read.
var refused = map[string]string{
	"actor":        deployment,
	"process":      deployment,
	"argument":     deployment,
	"include":      "other files are not included; write the element's content here",
	"random":       "random values are not supported; write the value",
	"storage":      "storage is no longer supported by SimGrid either; write a disk inside of the host",
	"storage_type": "storage is no longer supported by SimGrid either; write a disk inside of the host",
	"mount":        "storage is no longer supported by SimGrid either; write a disk inside of the host",
	"model_prop":   "storage is no longer supported by SimGrid either; write a disk inside of the host",
	"gpu":          "GPUs are not supported",
}

const deployment = "deployments are not read; start processes in Go, with Simulation.Spawn, and take the element out of the platform"

// formerly are attributes that had another name before version 4.
var formerly = map[string]string{"power": "speed", "power_file": "speed_file", "power_trace": "speed_file", "availability_trace": "speed_file"}

// element is the beginning of an element. Its methods that read an attribute
// keep the first error.
type element struct {
	name       string
	line       int
	attributes []xml.Attr
	file       string
	err        error
}

// wrong is an error about an attribute, or about the element if it is "".
func (e *element) wrong(attribute, format string, args ...any) error {
	key := e.name
	if id := e.text("id"); id != "" {
		key += fmt.Sprintf(" %.80q", id)
	}
	if attribute != "" {
		key += ": " + attribute
	}
	return &Error{File: e.file, Line: e.line, Key: key, Err: fmt.Errorf(format, args...)}
}

func (e *element) text(name string) string {
	for _, a := range e.attributes {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// or is the text of an attribute, or another if there is none.
func (e *element) or(name, otherwise string) string {
	if text := e.text(name); text != "" {
		return text
	}
	return otherwise
}

// get reads an attribute that was given by a function of its text.
func get[T any](e *element, name string, read func(string) (T, error)) (value T) {
	text := e.text(name)
	if text == "" || e.err != nil {
		return value
	}
	value, err := read(text)
	if err != nil {
		e.err = e.wrong(name, "%w", err)
	}
	return value
}

func (e *element) bandwidth(name string) sim.Bandwidth {
	return get(e, name, func(s string) (sim.Bandwidth, error) {
		v, err := bandwidths.parse(s, true)
		return sim.Bandwidth(v), err
	})
}

func (e *element) latency(name string) sim.Seconds {
	return get(e, name, func(s string) (sim.Seconds, error) {
		v, err := latencies.parse(s, true)
		return sim.Seconds(v), err
	})
}

func (e *element) whole(name string, otherwise int) int {
	if e.text(name) == "" {
		return otherwise
	}
	return get(e, name, func(s string) (int, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || v != float64(int32(v)) || v < 0 {
			return 0, fmt.Errorf("%.80q is not a whole number", s)
		}
		return int(v), nil
	})
}

func (e *element) cores() int {
	n := e.whole("core", 1)
	if n == 0 && e.err == nil {
		e.err = e.wrong("core", "%.80q is not a number of cores", e.text("core"))
	}
	return n
}

// oneOf reads an attribute that is one of some words, and returns which.
func (e *element) oneOf(name string, otherwise int, words ...string) int {
	if e.text(name) == "" {
		return otherwise
	}
	return get(e, name, func(s string) (int, error) {
		i := slices.Index(words, s)
		if i < 0 {
			return 0, fmt.Errorf("%.80q is none of %s", s, strings.Join(words, ", "))
		}
		return i, nil
	})
}

// policy reads how a link is shared.
func (e *element) policy(name string, otherwise Policy) Policy {
	if e.text(name) == "WIFI" {
		e.err = e.wrong(name, "Wifi links are not supported")
	}
	words := []string{"SPLITDUPLEX", "SHARED", "FATPIPE", "FULLDUPLEX"}
	p := Policy(e.oneOf(name, int(otherwise), words...))
	if int(p) == 3 {
		return SplitDuplex
	}
	return p
}

// document reads the whole file.
func (x *xmlReader) document() error {
	root, _, err := x.next(&element{file: x.platform.at.file, line: 1}, "platform")
	switch {
	case err != nil:
		return err
	case root == nil:
		return place{file: x.platform.at.file, line: 1}.err("the file has no element <platform>")
	}
	switch version := root.or("version", "0"); version {
	case "4", "4.0", "4.1":
	default:
		return root.wrong("version", "version %.20q is not supported; 4 and 4.1 are, and the program simgrid_update_xml of SimGrid makes them of older ones", version)
	}
	err = x.children(root, func(e *element) error {
		switch e.name {
		case "config":
			return x.config(e)
		case "zone", "AS":
			return x.zone(e, x.platform.root)
		case "cluster":
			return x.cluster(e, x.platform.root)
		}
		return x.trace(e)
	})
	if err != nil {
		return err
	}
	if _, _, err := x.next(&element{file: x.platform.at.file, line: 1}, ""); err != nil {
		return err
	}
	x.platform.Loopback = x.platform.network.loopback()
	return nil
}

// next returns the next child of an element, which is one of those allowed,
// or nil at the element's end. It returns the text before it, which only a
// trace may have.
func (x *xmlReader) next(parent *element, allowed string) (child *element, text string, err error) {
	for {
		line, _ := x.decoder.InputPos()
		token, err := x.decoder.Token()
		if err != nil {
			if err == io.EOF && parent.name == "" {
				return nil, text, nil
			}
			return nil, "", x.syntax(err)
		}
		switch t := token.(type) {
		case xml.StartElement:
			e := &element{name: t.Name.Local, line: line, attributes: slices.Clone(t.Attr), file: x.platform.at.file}
			x.platform.at.line = line
			return e, text, x.admit(parent, e, allowed)
		case xml.EndElement:
			return nil, text, nil
		case xml.CharData:
			text += string(t)
			if words := strings.TrimSpace(string(t)); words != "" && parent.name != "trace" {
				return nil, "", place{file: x.platform.at.file, line: line}.err("text %.40q outside of elements", words)
			}
		}
	}
}

// syntax makes an error with a place of one of the XML library.
func (x *xmlReader) syntax(err error) error {
	var bad *xml.SyntaxError
	if errors.As(err, &bad) {
		return place{file: x.platform.at.file, line: bad.Line}.err("this is not XML: %s", bad.Msg)
	}
	line, _ := x.decoder.InputPos()
	return place{file: x.platform.at.file, line: line}.err("this is not XML: %w", err)
}

// admit returns an error unless an element may be where it is, with the
// attributes that it has.
func (x *xmlReader) admit(parent, e *element, allowed string) error {
	words := strings.Fields(allowed)
	if why, known := refused[e.name]; known {
		return e.wrong("", "%s", why)
	}
	if !slices.Contains(words, e.name) {
		where := "outside of all others"
		if parent.name != "" {
			where = "inside of <" + parent.name + ">"
		}
		if _, known := grammar[e.name]; known {
			return e.wrong("", "it can't be %s", where)
		}
		hint := ""
		if near := spell.Nearest(e.name, words); near != "" {
			hint = fmt.Sprintf("; did you mean <%s>?", near)
		}
		return e.wrong("", "there is no such element %s%s", where, hint)
	}
	if x.depth++; x.depth > deepest {
		return e.wrong("", "elements are nested too deep")
	}
	return e.check()
}

// check returns an error unless an element has the attributes that it needs,
// and no other.
func (e *element) check() error {
	words := strings.Fields(grammar[e.name].attributes)
	var names []string
	for _, word := range words {
		name, needed := strings.CutSuffix(word, "!")
		names = append(names, name)
		if needed && !slices.ContainsFunc(e.attributes, func(a xml.Attr) bool { return a.Name.Local == name }) {
			if i := slices.IndexFunc(e.attributes, func(a xml.Attr) bool { return formerly[a.Name.Local] == name }); i >= 0 {
				return e.wrong(e.attributes[i].Name.Local, "since version 4 it is called %s", name)
			}
			return e.wrong(name, "it is missing")
		}
	}
	for i, a := range e.attributes {
		if slices.ContainsFunc(e.attributes[:i], func(b xml.Attr) bool { return b.Name.Local == a.Name.Local }) {
			return e.wrong(a.Name.Local, "it is there twice")
		}
		if slices.Contains(names, a.Name.Local) {
			continue
		}
		hint := ""
		if near := spell.Nearest(a.Name.Local, names); near != "" {
			hint = fmt.Sprintf("; did you mean %s?", near)
		}
		return e.wrong("", "there is no attribute %.80q%s", a.Name.Local, hint)
	}
	return nil
}

// children calls visit for each child of an element, and reads to its end. A
// nil visit is for those without children.
func (x *xmlReader) children(e *element, visit func(*element) error) error {
	for {
		child, _, err := x.next(e, grammar[e.name].children)
		if err != nil {
			return err
		}
		if child == nil {
			x.depth--
			x.platform.at.line = e.line
			return nil
		}
		if err := visit(child); err != nil {
			return err
		}
		if child.err != nil {
			return child.err
		}
		if x.platform.first != nil {
			return x.platform.first
		}
	}
}

// end reads to the end of an element that has no children.
func (x *xmlReader) end(e *element) error { return x.children(e, nil) }

// properties reads to the end of an element that has but properties.
func (x *xmlReader) properties(e *element) (all []Property, err error) {
	return all, x.children(e, func(child *element) error {
		all = append(all, Property{child.text("id"), child.text("value")})
		return x.end(child)
	})
}

func (x *xmlReader) config(e *element) error {
	return x.children(e, func(prop *element) error {
		if err := x.platform.configure(prop.text("id"), prop.text("value"), prop.line); err != nil {
			return prop.wrong("", "%w", err)
		}
		return x.end(prop)
	})
}

// zoneRoutings are the names of routings in SimGrid. A Cluster is a Star whose
// hosts have their links by <host_link>.
var zoneRoutings = map[string]Routing{
	"Full": Full, "Floyd": Floyd, "Dijkstra": Dijkstra, "DijkstraCache": Dijkstra,
	"Cluster": Star, "Star": Star, "Vivaldi": Vivaldi, "None": None,
}

func (x *xmlReader) zone(e *element, outer *Zone) error {
	name := e.text("routing")
	routing, known := zoneRoutings[name]
	switch {
	case known:
	case strings.EqualFold(name, "wifi"):
		return e.wrong("routing", "Wifi zones are not supported")
	default:
		return e.wrong("routing", "there is no routing %q%s; there are Full, Floyd, Dijkstra, DijkstraCache, Cluster, Star, Vivaldi and None", name, meant(name, zoneRoutings))
	}
	z := outer.Zone(e.text("id"), routing)
	return x.children(e, func(child *element) error { return x.inZone(child, z) })
}

// inZone reads a child of a zone.
func (x *xmlReader) inZone(e *element, z *Zone) error {
	switch e.name {
	case "prop":
		return x.end(e)
	case "zone", "AS":
		return x.zone(e, z)
	case "host":
		return x.host(e, z)
	case "router":
		z.routerAt(e.text("id"), get(e, "coordinates", parseCoordinates))
		return x.end(e)
	case "link":
		return x.link(e, z)
	case "backbone":
		z.Backbone(Link{Name: e.text("id"), Bandwidth: e.bandwidth("bandwidth"), Latency: e.latency("latency"), Policy: Shared})
		return x.end(e)
	case "host_link":
		z.Attach(e.text("id"), []Hop{Over(e.text("up"))}, []Hop{Over(e.text("down"))})
		return x.end(e)
	case "cluster":
		return x.cluster(e, z)
	case "cabinet":
		z.Cabinet(x.rack(e))
		return x.end(e)
	case "peer":
		return x.peer(e, z)
	case "trace", "trace_connect":
		return x.trace(e)
	}
	return x.route(e, z)
}

func (x *xmlReader) host(e *element, z *Zone) error {
	h := Host{
		Name: e.text("id"), Cores: e.cores(), Speeds: get(e, "speed", parseSpeeds), PState: e.whole("pstate", 0),
		Coordinates: get(e, "coordinates", parseCoordinates), State: x.profile(e, "state_file"), Availability: x.availability(e),
	}
	err := x.children(e, func(child *element) error {
		if child.name == "disk" {
			return x.disk(child, &h)
		}
		h.Properties = append(h.Properties, Property{child.text("id"), child.text("value")})
		return h.property(child, x)
	})
	if err == nil && e.err == nil {
		z.Host(h)
	}
	return err
}

// availability reads the profile of the speed, whose attribute has two names.
func (x *xmlReader) availability(e *element) *Profile {
	if p := x.profile(e, "speed_file"); p != nil {
		return p
	}
	return x.profile(e, "availability_file")
}

// property reads a property of a host that means something here: its power
// and its memory.
func (h *Host) property(e *element, x *xmlReader) error {
	switch e.text("id") {
	case "wattage_per_state", "watt_per_state":
		h.Power.States = get(e, "value", parseWatts)
	case "wattage_off", "watt_off":
		h.Power.Off = get(e, "value", func(s string) (sim.Watts, error) {
			v, err := powers.parse(s, true)
			return sim.Watts(v), err
		})
	case "ram", "memory":
		h.Memory = get(e, "value", parseMemory)
	}
	return x.end(e)
}

func (x *xmlReader) disk(e *element, h *Host) error {
	h.Disks = append(h.Disks, Disk{Name: e.or("id", "/"), Read: e.bandwidth("read_bw"), Write: e.bandwidth("write_bw")})
	_, err := x.properties(e)
	return err
}

func (x *xmlReader) link(e *element, z *Zone) (err error) {
	l := Link{
		Name: e.text("id"), Bandwidth: e.bandwidth("bandwidth"), Latency: e.latency("latency"), Policy: e.policy("sharing_policy", Shared),
		BandwidthOverTime: x.profile(e, "bandwidth_file"), LatencyOverTime: x.profile(e, "latency_file"), State: x.profile(e, "state_file"),
	}
	if l.Properties, err = x.properties(e); err == nil && e.err == nil {
		z.Link(l)
	}
	return err
}

// rack reads what clusters and cabinets have in common.
func (x *xmlReader) rack(e *element) Cluster {
	return Cluster{
		Name: e.text("id"), Prefix: e.text("prefix"), Suffix: e.text("suffix"), Numbers: get(e, "radical", parseRadical),
		Host: Host{Cores: e.cores(), Speeds: get(e, "speed", parseSpeeds)},
		Link: Link{Bandwidth: e.bandwidth("bw"), Latency: e.latency("lat"), Policy: e.policy("sharing_policy", SplitDuplex)},
	}
}

func (x *xmlReader) cluster(e *element, z *Zone) error {
	if t := e.or("topology", "FLAT"); t != "FLAT" {
		return e.wrong("topology", "topology %q is not supported; FLAT is", t)
	}
	c := x.rack(e)
	c.Router, c.Limiter = e.text("router_id"), e.bandwidth("limiter_link")
	if e.text("bb_bw") != "" {
		shared := []Policy{Shared, FatPipe}[e.oneOf("bb_sharing_policy", 0, "SHARED", "FATPIPE")]
		c.Backbone = &Link{Name: "backbone", Bandwidth: e.bandwidth("bb_bw"), Latency: e.latency("bb_lat"), Policy: shared}
	}
	if e.text("loopback_bw") != "" {
		c.Loopback = &Link{Name: "loopback", Bandwidth: e.bandwidth("loopback_bw"), Latency: e.latency("loopback_lat"), Policy: FatPipe}
	}
	err := x.children(e, func(prop *element) error {
		c.Host.Properties = append(c.Host.Properties, Property{prop.text("id"), prop.text("value")})
		return c.Host.property(prop, x)
	})
	if err == nil && e.err == nil {
		z.Cluster(c)
	}
	return err
}

func (x *xmlReader) peer(e *element, z *Zone) error {
	if z.routing != Vivaldi {
		return e.wrong("", "peers are in zones with Vivaldi routing; zone %q has %v", z.name, z.routing)
	}
	if e.text("lat") != "" {
		x.platform.note(e.line, "peer %q: lat has no effect: SimGrid leaves it out as well; the third coordinate is the latency of the peer's link", e.text("id"))
	}
	peer := Peer{
		Host: Host{
			Name: e.text("id"), Cores: 1, Speeds: get(e, "speed", parseSpeeds), Coordinates: get(e, "coordinates", parseCoordinates),
			State: x.profile(e, "state_file"), Availability: x.availability(e),
		},
		In: e.bandwidth("bw_in"), Out: e.bandwidth("bw_out"),
	}
	if e.err != nil {
		return e.err
	}
	z.Peer(peer)
	return x.end(e)
}

// route reads the six kinds of routes.
func (x *xmlReader) route(e *element, z *Zone) error {
	r := Route{
		From: e.text("src"), To: e.text("dst"), FromGateway: e.text("gw_src"), ToGateway: e.text("gw_dst"),
		OneWay: e.oneOf("symmetrical", 0, "YES", "NO", "yes", "no")%2 == 1,
	}
	err := x.children(e, func(hop *element) error {
		direction := Direction(hop.oneOf("direction", 0, "NONE", "UP", "DOWN"))
		r.Via = append(r.Via, Hop{hop.text("id"), direction})
		return x.end(hop)
	})
	if err != nil || e.err != nil {
		return err
	}
	if strings.HasPrefix(e.name, "bypass") {
		z.Bypass(r)
		return nil
	}
	if z.routing == Star {
		for _, end := range []*string{&r.From, &r.To} {
			if *end == "*" {
				*end = ""
			}
		}
	}
	z.Route(r)
	return nil
}

// kinds are those of <trace_connect>.
var kinds = []string{"HOST_AVAIL", "SPEED", "LINK_AVAIL", "BANDWIDTH", "LATENCY"}

// trace reads a profile, or what it is of.
func (x *xmlReader) trace(e *element) error {
	if e.name == "trace_connect" {
		kind := aspect(e.oneOf("kind", 0, kinds...))
		p := x.traces[e.text("trace")]
		if p == nil {
			return e.wrong("trace", "there is no trace %q before it%s", e.text("trace"), meant(e.text("trace"), x.traces))
		}
		x.platform.varied = append(x.platform.varied, placed[variation]{variation{kind, e.text("element"), p}, x.platform.at})
		return x.end(e)
	}
	id := e.text("id")
	if x.traces[id] != nil {
		return e.wrong("", "there are two traces of that name")
	}
	every := get(e, "periodicity", func(s string) (sim.Seconds, error) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil || !finite(abs(v)) {
			return 0, fmt.Errorf("%.80q is not a time in seconds", s)
		}
		return sim.Seconds(max(0, v)), nil
	})
	child, text, err := x.next(e, "")
	if err != nil || child != nil || e.err != nil {
		return err
	}
	x.depth--
	if e.text("file") != "" {
		x.traces[id] = x.profile(e, "file")
		return e.err
	}
	lines := strings.TrimRight(text, " \t\n")
	x.traces[id], err = parseProfile(x.platform.at, id, lines, every)
	return err
}

// profile reads the file that an attribute names, if it does.
func (x *xmlReader) profile(e *element, attribute string) *Profile {
	return get(e, attribute, x.profiles.file)
}
