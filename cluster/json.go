package cluster

import (
	"bytes"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// jsonVersion is the number of the JSON form that is written, and the only one
// that is read. It rises when a key changes its meaning or goes away.
const jsonVersion = 1

// FormatError says where a text is not the JSON form of a Configuration.
type FormatError struct {
	Line int
	Err  error
}

func (e *FormatError) Error() string { return fmt.Sprintf("line %d: %v", e.Line, e.Err) }

// Unwrap returns the cause.
func (e *FormatError) Unwrap() error { return e.Err }

// The objects of the JSON form, as they are written.
type (
	nodeJSON struct {
		Name       string             `json:"name"`
		Site       string             `json:"site,omitempty"`
		Room       string             `json:"room,omitempty"`
		Rack       string             `json:"rack,omitempty"`
		CPU        Millicores         `json:"cpu"`
		Memory     Bytes              `json:"memory"`
		Network    BytesPerSecond     `json:"network,omitempty"`
		Disk       Bytes              `json:"disk,omitempty"`
		Overcommit map[string]float64 `json:"overcommit,omitempty"`
		State      *NodeState         `json:"state,omitempty"`
	}
	vmJSON struct {
		Name      string         `json:"name"`
		VCPUs     int32          `json:"vcpus"`
		CPU       Millicores     `json:"cpu"`
		Memory    Bytes          `json:"memory"`
		Network   BytesPerSecond `json:"network,omitempty"`
		Disk      Bytes          `json:"disk,omitempty"`
		DirtyRate BytesPerSecond `json:"dirty_rate,omitempty"`
		Node      string         `json:"node,omitempty"`
		State     *State         `json:"state,omitempty"`
		Image     string         `json:"image,omitempty"`
	}
	vjobJSON struct {
		Name  string   `json:"name"`
		State State    `json:"state"`
		VMs   []string `json:"vms"`
	}
)

// JSON returns the JSON form of c, with a line for each node, VM and vjob.
// FromJSON reads it back, except for the IDs, which are not in it. JSON returns
// an error if c is not valid, or if a name is not UTF-8.
func (c *Configuration) JSON() ([]byte, error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	var nodes, vms, vjobs []any
	for _, n := range c.Nodes {
		if !utf8.ValidString(n.Name + n.Site + n.Room + n.Rack) {
			return nil, fmt.Errorf("the name of node %q, or of where it stands, is not UTF-8", n.Name)
		}
		j := nodeJSON{
			n.Name, n.Site, n.Room, n.Rack,
			n.Capacity.CPU(), n.Capacity.Memory(), BytesPerSecond(n.Capacity[Network]), Bytes(n.Capacity[Disk]), nil, nil,
		}
		for r, ratio := range n.Overcommit {
			if ratio != 0 {
				if j.Overcommit == nil {
					j.Overcommit = map[string]float64{}
				}
				j.Overcommit[Resource(r).String()] = float64(ratio) / Even
			}
		}
		if n.State != Online {
			j.State = &n.State
		}
		nodes = append(nodes, j)
	}
	for v, vm := range c.VMs {
		if !utf8.ValidString(vm.Name) {
			return nil, fmt.Errorf("the name of VM %q is not UTF-8", vm.Name)
		}
		j := vmJSON{
			vm.Name, vm.VCPUs, vm.Demand.CPU(), vm.Demand.Memory(),
			BytesPerSecond(vm.Demand[Network]), Bytes(vm.Demand[Disk]), vm.DirtyRate, "", nil, "",
		}
		if h := c.Host[v]; h != Nowhere {
			j.Node = c.Nodes[h].Name
		}
		if state := c.StateOf(int32(v)); state == Sleeping || state == Terminated {
			j.State = &state
		}
		if n := c.ImageOf(int32(v)); n != Nowhere {
			j.Image = c.Nodes[n].Name
		}
		vms = append(vms, j)
	}
	for _, j := range c.VJobs {
		if !utf8.ValidString(j.Name) {
			return nil, fmt.Errorf("the name of vjob %q is not UTF-8", j.Name)
		}
		names := []string{}
		for _, v := range j.VMs {
			names = append(names, c.VMs[v].Name)
		}
		vjobs = append(vjobs, vjobJSON{j.Name, j.State, names})
	}

	var text bytes.Buffer
	fmt.Fprintf(&text, "{\n  \"version\": %d", jsonVersion)
	writeList(&text, "nodes", nodes)
	writeList(&text, "vms", vms)
	if len(vjobs) > 0 {
		writeList(&text, "vjobs", vjobs)
	}
	text.WriteString("\n}\n")
	return text.Bytes(), nil
}

func writeList(text *bytes.Buffer, key string, list []any) {
	fmt.Fprintf(text, ",\n  %q: [", key)
	for i, element := range list {
		line, err := json.Marshal(element)
		if err != nil {
			panic(fmt.Sprintf("cluster: %v of a valid configuration: %v", element, err))
		}
		if i > 0 {
			text.WriteByte(',')
		}
		text.WriteString("\n    ")
		text.Write(line)
	}
	if len(list) > 0 {
		text.WriteString("\n  ")
	}
	text.WriteByte(']')
}

// FromJSON reads the JSON form of a Configuration:
//
//	{
//	  "version": 1,
//	  "nodes": [{"name": "node0", "site": "rennes", "room": "2", "rack": "b", "cpu": "7 cores",
//	             "memory": "32GiB", "overcommit": {"cpu": 1.5}, "state": "draining"}],
//	  "vms": [{"name": "vm-0", "vcpus": 1, "cpu": "0.6 cores", "memory": "1GiB",
//	           "dirty_rate": "40MB/s", "node": "node0"},
//	          {"name": "vm-1", "cpu": "1 core", "memory": "1GiB", "state": "sleeping", "image": "node0"}],
//	  "vjobs": [{"name": "j1", "state": "running", "vms": ["vm-0"]}]
//	}
//
// Only names, cpu and memory have to be there. A node is online, and not
// overcommitted; a VM has one vCPU. A VM that has a node runs, and one without
// waits unless it, or its vjob, is said to sleep or to have terminated. The
// IDs of nodes and VMs are their indices.
//
// The Configuration is valid, but need not be viable. An error is a
// *FormatError with the line; keys that are not in the form, or that are there
// twice, are errors.
func FromJSON(text []byte) (*Configuration, error) {
	p := &parser{
		text:  text,
		dec:   json.NewDecoder(bytes.NewReader(text)),
		c:     &Configuration{},
		nodes: map[string]int32{},
		vms:   map[string]int32{},
		vjobs: map[string]int32{},
	}
	p.dec.UseNumber()
	if bad := firstInvalid(text); bad >= 0 {
		return nil, p.errorAt(int64(bad), errors.New("the text is not UTF-8"))
	}
	if err := p.document(); err != nil {
		return nil, err
	}
	return p.c, nil
}

// firstInvalid returns where text is not UTF-8, or -1.
func firstInvalid(text []byte) int {
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
	return -1
}

// parser reads tokens one by one, so that it knows the line of each.
type parser struct {
	text []byte
	dec  *json.Decoder
	c    *Configuration

	nodes, vms, vjobs map[string]int32 // index by name

	// Names may be used before what they name: vms may come before nodes.
	hosts   []reference // by VM; no name if it does not run
	images  []reference // by VM; no name if there is none
	states  []*State    // by VM; nil if nothing is said
	members []reference // of all vjobs
}

// reference is a name to be looked up when all are known.
type reference struct {
	name   string
	offset int64 // in the text
	vjob   int   // for members: which vjob
}

func (p *parser) document() error {
	version := false
	err := p.object(func(key string) error {
		switch key {
		case "version":
			version = true
			return p.version()
		case "nodes":
			return p.list(p.node)
		case "vms":
			return p.list(p.vm)
		case "vjobs":
			return p.list(p.vjob)
		}
		return p.unknown(key, "version, nodes, vms and vjobs")
	})
	if err != nil {
		return err
	}
	if !version {
		return p.errorf(`no "version"; it is %d`, jsonVersion)
	}
	if _, err := p.dec.Token(); err != io.EOF {
		return p.errorAt(p.ahead(), errors.New("more text after the configuration"))
	}
	return p.resolve()
}

func (p *parser) version() error {
	version, err := p.integer()
	if err == nil && version != jsonVersion {
		err = p.errorf("version %d is not known; this program reads version %d", version, jsonVersion)
	}
	return err
}

func (p *parser) node() error {
	node := Node{ID: NodeID(len(p.c.Nodes))}
	err := p.object(func(key string) (err error) {
		switch key {
		case "name":
			node.Name, err = p.name("node", p.nodes, int32(len(p.c.Nodes)))
		case "site":
			node.Site, err = p.string()
		case "room":
			node.Room, err = p.string()
		case "rack":
			node.Rack, err = p.string()
		case "state":
			err = p.state(&node.State)
		case "overcommit":
			err = p.object(func(key string) error { return p.ratio(key, &node.Overcommit) })
		default:
			if known, err := p.resource(key, &node.Capacity); known {
				return err
			}
			err = p.unknown(key, "name, site, room, rack, cpu, memory, network, disk, overcommit and state")
		}
		return err
	}, "name", "cpu", "memory")
	p.c.Nodes = append(p.c.Nodes, node)
	return err
}

func (p *parser) vm() error {
	vm := VM{ID: VMID(len(p.c.VMs)), VCPUs: 1}
	var host, image reference
	var state *State
	err := p.object(func(key string) (err error) {
		switch key {
		case "name":
			vm.Name, err = p.name("VM", p.vms, int32(len(p.c.VMs)))
		case "vcpus":
			vm.VCPUs, err = p.integer()
		case "dirty_rate":
			var rate int64
			err = p.amount(&rate, rateQuantity)
			vm.DirtyRate = BytesPerSecond(rate)
		case "node":
			host, err = p.reference()
		case "image":
			image, err = p.reference()
		case "state":
			state = new(State)
			err = p.state(state)
		default:
			if known, err := p.resource(key, &vm.Demand); known {
				return err
			}
			err = p.unknown(key, "name, vcpus, cpu, memory, network, disk, dirty_rate, node, state and image")
		}
		return err
	}, "name", "cpu", "memory")
	p.c.VMs = append(p.c.VMs, vm)
	p.hosts = append(p.hosts, host)
	p.images = append(p.images, image)
	p.states = append(p.states, state)
	return err
}

func (p *parser) vjob() error {
	var job VJob
	at := len(p.c.VJobs)
	err := p.object(func(key string) (err error) {
		switch key {
		case "name":
			job.Name, err = p.name("vjob", p.vjobs, int32(at))
		case "state":
			err = p.state(&job.State)
		case "vms":
			err = p.list(func() error {
				vm, err := p.reference()
				vm.vjob = at
				p.members = append(p.members, vm)
				return err
			})
		default:
			err = p.unknown(key, "name, state and vms")
		}
		return err
	}, "name", "state", "vms")
	p.c.VJobs = append(p.c.VJobs, job)
	return err
}

// resolve looks up the names of hosts and of vjobs' VMs.
func (p *parser) resolve() error {
	p.c.Host = make([]int32, len(p.c.VMs))
	images := make([]int32, len(p.c.VMs))
	asleep := false
	for v := range p.c.VMs {
		var err error
		if p.c.Host[v], err = p.lookup(p.hosts[v], v, "is on"); err != nil {
			return err
		}
		if images[v], err = p.lookup(p.images[v], v, "has its image on"); err != nil {
			return err
		}
		asleep = asleep || images[v] != Nowhere
	}
	if asleep {
		p.c.Image = images
	}
	job := make(map[int32]string)
	for _, member := range p.members {
		j := &p.c.VJobs[member.vjob]
		v, ok := p.vms[member.name]
		other, taken := job[v]
		running := ok && p.c.Host[v] != Nowhere
		said := ok && p.states[v] != nil && *p.states[v] != j.State
		switch {
		case !ok:
			return p.errorAt(member.offset, fmt.Errorf("VM %q of vjob %q is not among the VMs", member.name, j.Name))
		case taken && other == j.Name:
			return p.errorAt(member.offset, fmt.Errorf("VM %q is in vjob %q twice", member.name, j.Name))
		case taken:
			return p.errorAt(member.offset, fmt.Errorf("VM %q is in vjob %q and in vjob %q", member.name, other, j.Name))
		case running && j.State != Running:
			return p.errorAt(member.offset, fmt.Errorf("vjob %q is %s, but its VM %q runs on a node", j.Name, j.State, member.name))
		case !running && j.State == Running:
			return p.errorAt(member.offset, fmt.Errorf("vjob %q is running, but its VM %q is on no node", j.Name, member.name))
		case said:
			return p.errorAt(member.offset, fmt.Errorf("vjob %q is %s, but its VM %q is %s", j.Name, j.State, member.name, *p.states[v]))
		}
		p.states[v] = &j.State
		job[v] = j.Name
		j.VMs = append(j.VMs, v)
	}
	for i := range p.c.VJobs {
		slices.Sort(p.c.VJobs[i].VMs)
	}
	p.setStates()
	if err := p.c.Validate(); err != nil {
		return p.wrap(err)
	}
	return nil
}

// lookup returns the node that r names, or Nowhere if it names none.
func (p *parser) lookup(r reference, v int, does string) (int32, error) {
	if r == (reference{}) {
		return Nowhere, nil
	}
	n, ok := p.nodes[r.name]
	if !ok {
		return Nowhere, p.errorAt(r.offset, fmt.Errorf("VM %q %s node %q, which is not among the nodes", p.c.VMs[v].Name, does, r.name))
	}
	return n, nil
}

// setStates sets the states of the VMs if hosts do not tell all.
func (p *parser) setStates() {
	states := make([]State, len(p.c.VMs))
	needed := false
	for v := range states {
		states[v] = p.c.StateOf(int32(v))
		if p.states[v] != nil {
			needed = needed || *p.states[v] != states[v]
			states[v] = *p.states[v]
		}
	}
	if needed {
		p.c.State = states
	}
}

// object reads an object: for each key, field reads the value. The required
// keys must be there.
func (p *parser) object(field func(key string) error, required ...string) error {
	if err := p.bracket('{', "an object"); err != nil {
		return err
	}
	seen := map[string]bool{}
	for p.dec.More() {
		key, err := p.string()
		if err != nil {
			return err
		}
		if seen[key] {
			return p.errorf("key %q is there twice", key)
		}
		seen[key] = true
		if err := field(key); err != nil {
			return err
		}
	}
	if err := p.bracket('}', "the end of an object"); err != nil {
		return err
	}
	for _, key := range required {
		if !seen[key] {
			return p.errorf("%q is missing; there are %s", key, strings.Join(slices.Sorted(maps.Keys(seen)), ", "))
		}
	}
	return nil
}

// list reads an array, of which element reads each element.
func (p *parser) list(element func() error) error {
	if err := p.bracket('[', "a list"); err != nil {
		return err
	}
	for p.dec.More() {
		if err := element(); err != nil {
			return err
		}
	}
	return p.bracket(']', "the end of a list")
}

// bracket reads the given bracket or brace.
func (p *parser) bracket(want json.Delim, what string) error {
	token, err := p.token()
	if err == nil && token != want {
		err = p.errorf("%s is not %s", describe(token), what)
	}
	return err
}

func (p *parser) string() (string, error) {
	token, err := p.token()
	if err != nil {
		return "", err
	}
	s, ok := token.(string)
	if !ok {
		return "", p.errorf("%s is not a string", describe(token))
	}
	return s, nil
}

func (p *parser) integer() (int32, error) {
	token, err := p.token()
	if err != nil {
		return 0, err
	}
	number, _ := token.(json.Number)
	i, err := strconv.ParseInt(string(number), 10, 32)
	if err != nil || i < 0 {
		return 0, p.errorf("%s is not a whole number from 0 to %d", describe(token), 1<<31-1)
	}
	return int32(i), nil
}

// name reads a name and enters it at its index.
func (p *parser) name(what string, names map[string]int32, index int32) (string, error) {
	name, err := p.string()
	if err != nil {
		return "", err
	}
	if name == "" {
		return "", p.errorf("a %s has an empty name", what)
	}
	if _, taken := names[name]; taken {
		return "", p.errorf("%s %q is there twice", what, name)
	}
	names[name] = index
	return name, nil
}

func (p *parser) reference() (reference, error) {
	name, err := p.string()
	return reference{name: name, offset: p.dec.InputOffset()}, err
}

// resource reads the amount of the resource that is called key, if there is
// one.
func (p *parser) resource(key string, r *Resources) (known bool, err error) {
	quantities := [NumResources]quantity{CPU: cpuQuantity, Memory: bytesQuantity, Network: rateQuantity, Disk: bytesQuantity}
	for i, q := range quantities {
		if key == Resource(i).String() {
			return true, p.amount(&r[i], q)
		}
	}
	return false, nil
}

// state reads the name of a state.
func (p *parser) state(to encoding.TextUnmarshaler) error {
	name, err := p.string()
	if err != nil {
		return err
	}
	return p.wrap(to.UnmarshalText([]byte(name)))
}

// ratio reads how much of a resource is offered for what there is.
func (p *parser) ratio(key string, to *Ratios) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	r := slices.Index(resourceNames[:], key)
	if r < 0 {
		return p.unknown(key, "cpu, memory, network and disk")
	}
	number, _ := token.(json.Number)
	ratio, err := strconv.ParseFloat(string(number), 64)
	if err != nil || !(ratio >= 1.0/Even && ratio <= MostOvercommit/Even) {
		return p.errorf("%s is not a ratio from %v to %d", describe(token), 1.0/Even, MostOvercommit/Even)
	}
	to[r] = int64(math.Round(ratio * Even))
	return nil
}

func (p *parser) amount(to *int64, q quantity) error {
	token, err := p.token()
	if err != nil {
		return err
	}
	text, ok := token.(string)
	if !ok {
		return p.errorf("%s is not an amount of %s; write a number and a unit in quotes, as in %s", describe(token), q.what, q.want)
	}
	*to, err = q.parse(text)
	return p.wrap(err)
}

func (p *parser) token() (json.Token, error) {
	token, err := p.dec.Token()
	switch err {
	case nil:
		return token, nil
	case io.EOF, io.ErrUnexpectedEOF:
		return nil, p.errorf("the text ends within the configuration")
	}
	return nil, p.errorAt(p.ahead(), err)
}

// ahead is where the token after the last one begins.
func (p *parser) ahead() int64 {
	rest := p.text[p.dec.InputOffset():]
	return int64(len(p.text) - len(bytes.TrimLeft(rest, " \t\r\n,:")))
}

func describe(token json.Token) string {
	switch token := token.(type) {
	case nil:
		return "null"
	case string:
		return strconv.Quote(token)
	case json.Delim:
		return strconv.Quote(token.String())
	}
	return fmt.Sprint(token)
}

func (p *parser) unknown(key, known string) error {
	return p.errorf("unknown key %q; there are %s", key, known)
}

func (p *parser) errorf(format string, args ...any) error {
	return p.wrap(fmt.Errorf(format, args...))
}

// wrap adds the line of the last token to err, unless there is none.
func (p *parser) wrap(err error) error {
	if err == nil {
		return nil
	}
	return p.errorAt(p.dec.InputOffset(), err)
}

func (p *parser) errorAt(offset int64, err error) error {
	return &FormatError{1 + bytes.Count(p.text[:offset], []byte("\n")), err}
}
