// Package cluster is the model that every other package speaks of: nodes, the
// VMs they host, groups of VMs (vjobs), what they offer and ask for, and the
// Configuration that says who hosts whom.
//
// A Configuration is viable when every running VM gets the CPU and memory it
// asks for, that is, when on no node the demand of its VMs is more than the
// node offers; equality is viable (F. Hermenier et al., "Entropy: a
// consolidation manager for clusters", VEE 2009). A node offers its capacity
// times the ratio by which it is overcommitted.
//
// A VM waits, runs, sleeps (an image of its memory lies on a node's disk) or has
// terminated. So does a vjob, and all of its VMs with it.
//
// Inside a Configuration, nodes and VMs are dense indices into its slices, so
// that a solver can use arrays. Across Configurations they are known by ID:
// the partition of four nodes that a scheduler looks at has VMs 0 to 39, and
// their IDs say which of the data centre's VMs these are. Names are for people
// and files.
//
// The package leaves to others how to find a better Configuration
// (placement), how to get from one to another (plan), and when to look
// (monitor).
package cluster

import (
	"fmt"
	"math"
	"slices"
)

// NodeID identifies a node among all that take part, in messages and plans. A
// simulation uses the node's index in its platform; agents use a hash of the
// node's name.
type NodeID uint64

// VMID identifies a VM among all that exist, as NodeID does for nodes.
type VMID uint64

// Nowhere is the host of a VM that does not run.
const Nowhere int32 = -1

// NodeState says whether a node may host VMs.
type NodeState uint8

// The states of a node.
const (
	Online   NodeState = iota // it hosts VMs
	Draining                  // its VMs are to leave it, and no other comes
	Offline                   // it hosts nobody
)

var nodeStateNames = []string{"online", "draining", "offline"}

func (s NodeState) String() string {
	if int(s) < len(nodeStateNames) {
		return nodeStateNames[s]
	}
	return fmt.Sprintf("NodeState(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s NodeState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *NodeState) UnmarshalText(text []byte) error {
	i := slices.Index(nodeStateNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a state of a node; the states are online, draining and offline", text)
	}
	*s = NodeState(i)
	return nil
}

// Node is a machine that hosts VMs.
type Node struct {
	ID         NodeID
	Name       string
	Site       string    // where it stands; empty if there is only one site
	Room       string    // within the site; empty if that is not known
	Rack       string    // within the room; empty if that is not known
	Capacity   Resources // what it has for its VMs
	Overcommit Ratios    // how much more than that it offers them
	State      NodeState
}

// Offer returns what the VMs of n may ask for together.
func (n *Node) Offer() Resources {
	if n.Overcommit == (Ratios{}) {
		return n.Capacity
	}
	return n.Overcommit.Of(n.Capacity)
}

// Domain is a set of nodes that fail together: the level of a hierarchy.
type Domain uint8

// The domains, from the smallest.
const (
	OneNode Domain = iota
	Rack
	Room
	Site
)

var domainNames = []string{"node", "rack", "room", "site"}

func (d Domain) String() string {
	if int(d) < len(domainNames) {
		return domainNames[d]
	}
	return fmt.Sprintf("Domain(%d)", uint8(d))
}

// UnmarshalText reads a domain's name.
func (d *Domain) UnmarshalText(text []byte) error {
	i := slices.Index(domainNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a failure domain; there are node, rack, room and site", text)
	}
	*d = Domain(i)
	return nil
}

// Domains returns the domain that each node of c is in, as a number from 0 in
// order of the first node, and how many there are. Racks of the same name in
// different rooms are different, and so are rooms in different sites.
func (c *Configuration) Domains(level Domain) (of []int32, count int) {
	of = make([]int32, len(c.Nodes))
	if level == OneNode {
		for n := range of {
			of[n] = int32(n)
		}
		return of, len(of)
	}
	numbers := map[[3]string]int32{}
	for i := range c.Nodes {
		n := &c.Nodes[i]
		key := [3]string{n.Site}
		if level <= Room {
			key[1] = n.Room
		}
		if level <= Rack {
			key[2] = n.Rack
		}
		number, known := numbers[key]
		if !known {
			number = int32(len(numbers))
			numbers[key] = number
		}
		of[i] = number
	}
	return of, len(numbers)
}

// VM is a virtual machine.
type VM struct {
	ID     VMID
	Name   string
	VCPUs  int32
	Demand Resources // what it asks for now; memory is its whole size
	// DirtyRate is how fast it writes its memory when it uses all its vCPUs.
	// It decides how long a live migration takes.
	DirtyRate BytesPerSecond
}

// State is the state of a VM, and of a vjob and all its VMs.
//
// Source: the thesis behind DVMS, Figure 3.
type State uint8

// The states. Waiting and sleeping VMs are ready to run.
const (
	Waiting State = iota
	Running
	Sleeping
	Terminated
)

var stateNames = []string{"waiting", "running", "sleeping", "terminated"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Ready reports whether a VM in state s can be made to run: it waits or sleeps.
func (s State) Ready() bool { return s == Waiting || s == Sleeping }

// Leads reports whether one action leads from state s to state to, or none is
// needed: run, suspend, resume or stop.
func (s State) Leads(to State) bool {
	switch to {
	case Waiting:
		return s == Waiting
	case Running:
		return s != Terminated
	case Sleeping:
		return s == Running || s == Sleeping
	}
	return true
}

// MarshalText writes the state's name.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(stateNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a state of a VM or vjob; the states are waiting, running, sleeping and terminated", text)
	}
	*s = State(i)
	return nil
}

// VJob is a virtualized job: a group of VMs that change state together.
type VJob struct {
	Name  string
	State State
	VMs   []int32 // indices of its VMs, in ascending order
}

// Configuration says which node hosts each VM.
//
// Invariant: len(Host) == len(VMs), and each Host[v] is Nowhere or an index
// into Nodes. So are Image and State, if they are there: State[v] is Running if
// and only if Host[v] is a node, and Image[v] is a node only if State[v] is
// Sleeping.
type Configuration struct {
	Nodes []Node
	VMs   []VM
	VJobs []VJob
	Host  []int32 // by VM: the index of the node that hosts it, or Nowhere
	// State is the state of each VM. If it is nil, VMs with a host run and the
	// others wait.
	State []State
	// Image is, by VM that sleeps, the node on whose disk its image lies, or
	// Nowhere if all nodes reach it alike. It is nil if there is none.
	Image []int32
}

// StateOf returns the state of VM v.
func (c *Configuration) StateOf(v int32) State {
	switch {
	case c.State != nil:
		return c.State[v]
	case c.Host[v] != Nowhere:
		return Running
	}
	return Waiting
}

// ImageOf returns the node that holds the image of VM v, or Nowhere.
func (c *Configuration) ImageOf(v int32) int32 {
	if c.Image == nil {
		return Nowhere
	}
	return c.Image[v]
}

// Clone returns a copy whose nodes, VMs and hosts can be changed without
// touching c. Vjobs are shared, as nothing here changes them in place.
func (c *Configuration) Clone() *Configuration {
	return &Configuration{
		Nodes: slices.Clone(c.Nodes),
		VMs:   slices.Clone(c.VMs),
		VJobs: c.VJobs,
		Host:  slices.Clone(c.Host),
		State: slices.Clone(c.State),
		Image: slices.Clone(c.Image),
	}
}

// Usage returns, for each node, what its VMs ask for together.
func (c *Configuration) Usage() []Resources {
	usage := make([]Resources, len(c.Nodes))
	for v, n := range c.Host {
		if n != Nowhere {
			usage[n] = usage[n].Plus(c.VMs[v].Demand)
		}
	}
	return usage
}

// Viable reports whether every running VM gets what it asks for.
func (c *Configuration) Viable() bool {
	return len(c.Overloaded()) == 0
}

// Overloaded returns the indices of the nodes whose VMs ask for more than the
// node offers, in ascending order.
func (c *Configuration) Overloaded() []int32 {
	var over []int32
	for n, use := range c.Usage() {
		if !use.Within(c.Nodes[n].Offer()) {
			over = append(over, int32(n))
		}
	}
	return over
}

// Hosted returns the VMs of each node, in ascending order.
func (c *Configuration) Hosted() [][]int32 {
	hosted := make([][]int32, len(c.Nodes))
	for v, n := range c.Host {
		if n != Nowhere {
			hosted[n] = append(hosted[n], int32(v))
		}
	}
	return hosted
}

// Validate returns an error that names the first thing wrong with c: a host
// that does not exist, a negative amount, amounts whose sum is too large for
// an int64, a name or ID used twice, a VM in two vjobs.
func (c *Configuration) Validate() error {
	if len(c.Host) != len(c.VMs) {
		return fmt.Errorf("%d VMs but %d hosts", len(c.VMs), len(c.Host))
	}
	var offered, asked Resources
	nodeNames, nodeIDs := map[string]bool{}, map[NodeID]bool{}
	for i, n := range c.Nodes {
		if n.Name == "" {
			return fmt.Errorf("node %d has no name", i)
		}
		if nodeNames[n.Name] || nodeIDs[n.ID] {
			return fmt.Errorf("node %q is there twice", n.Name)
		}
		nodeNames[n.Name], nodeIDs[n.ID] = true, true
		if r, negative := (Resources{}).Exceeding(n.Capacity); negative {
			return fmt.Errorf("node %q has less than no %s", n.Name, r)
		}
		if n.State > Offline {
			return fmt.Errorf("node %q is in no known state, %s", n.Name, n.State)
		}
		for r, ratio := range n.Overcommit {
			if ratio < 0 || ratio > MostOvercommit {
				return fmt.Errorf("node %q offers %v times its %s; it is to be from 0.001 to %d", n.Name, float64(ratio)/Even, Resource(r), MostOvercommit/Even)
			}
			if n.Capacity[r] > math.MaxInt64/MostOvercommit && ratio != 0 {
				return fmt.Errorf("node %q has too much %s to be overcommitted", n.Name, Resource(r))
			}
		}
		offered = offered.Plus(n.Offer())
		if r, overflow := (Resources{}).Exceeding(offered); overflow {
			return fmt.Errorf("the nodes up to %q have too much %s to count", n.Name, r)
		}
	}
	vmNames, vmIDs := map[string]bool{}, map[VMID]bool{}
	for i, v := range c.VMs {
		if v.Name == "" {
			return fmt.Errorf("VM %d has no name", i)
		}
		if vmNames[v.Name] || vmIDs[v.ID] {
			return fmt.Errorf("VM %q is there twice", v.Name)
		}
		vmNames[v.Name], vmIDs[v.ID] = true, true
		if r, negative := (Resources{}).Exceeding(v.Demand); negative {
			return fmt.Errorf("VM %q asks for less than no %s", v.Name, r)
		}
		asked = asked.Plus(v.Demand)
		if r, overflow := (Resources{}).Exceeding(asked); overflow {
			return fmt.Errorf("the VMs up to %q ask for too much %s to count", v.Name, r)
		}
		if v.VCPUs < 0 {
			return fmt.Errorf("VM %q has %d vCPUs", v.Name, v.VCPUs)
		}
		if v.DirtyRate < 0 {
			return fmt.Errorf("VM %q has a negative dirty rate", v.Name)
		}
		if h := c.Host[i]; h != Nowhere && (h < 0 || int(h) >= len(c.Nodes)) {
			return fmt.Errorf("VM %q is on node number %d, and there are %d", v.Name, h, len(c.Nodes))
		} else if h != Nowhere && c.Nodes[h].State == Offline {
			return fmt.Errorf("VM %q is on node %q, which is offline", v.Name, c.Nodes[h].Name)
		}
	}
	if err := c.validateStates(); err != nil {
		return err
	}
	return c.validateVJobs()
}

func (c *Configuration) validateStates() error {
	if c.State != nil && len(c.State) != len(c.VMs) {
		return fmt.Errorf("%d VMs but %d states", len(c.VMs), len(c.State))
	}
	if c.Image != nil && len(c.Image) != len(c.VMs) {
		return fmt.Errorf("%d VMs but %d images", len(c.VMs), len(c.Image))
	}
	for i, v := range c.VMs {
		state, image := c.StateOf(int32(i)), c.ImageOf(int32(i))
		if state > Terminated {
			return fmt.Errorf("VM %q is in no known state, %s", v.Name, state)
		}
		if running := c.Host[i] != Nowhere; running != (state == Running) {
			return fmt.Errorf("VM %q is %s, and on node number %d", v.Name, state, c.Host[i])
		}
		if image == Nowhere {
			continue
		}
		if state != Sleeping {
			return fmt.Errorf("VM %q has an image, but is %s", v.Name, state)
		}
		if image < 0 || int(image) >= len(c.Nodes) {
			return fmt.Errorf("VM %q has its image on node number %d, and there are %d", v.Name, image, len(c.Nodes))
		}
	}
	return nil
}

func (c *Configuration) validateVJobs() error {
	names := map[string]bool{}
	member := make(map[int32]string)
	for i, j := range c.VJobs {
		if j.Name == "" {
			return fmt.Errorf("vjob %d has no name", i)
		}
		if names[j.Name] {
			return fmt.Errorf("vjob %q is there twice", j.Name)
		}
		names[j.Name] = true
		if j.State > Terminated {
			return fmt.Errorf("vjob %q is in no known state, %s", j.Name, j.State)
		}
		for i, v := range j.VMs {
			if i > 0 && v <= j.VMs[i-1] {
				return fmt.Errorf("vjob %q does not have its VMs in ascending order", j.Name)
			}
			if v < 0 || int(v) >= len(c.VMs) {
				return fmt.Errorf("vjob %q has VM number %d, and there are %d", j.Name, v, len(c.VMs))
			}
			if other, taken := member[v]; taken {
				return fmt.Errorf("VM %q is in vjob %q and in vjob %q", c.VMs[v].Name, other, j.Name)
			}
			member[v] = j.Name
			if state := c.StateOf(v); state != j.State {
				return fmt.Errorf("vjob %q is %s, but its VM %q is %s", j.Name, j.State, c.VMs[v].Name, state)
			}
		}
	}
	return nil
}
