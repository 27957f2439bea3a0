// Package cluster is the model that every other package speaks of: nodes, the
// VMs they host, groups of VMs (vjobs), what they offer and ask for, and the
// Configuration that says who hosts whom.
//
// A Configuration is viable when every running VM gets the CPU and memory it
// asks for, that is, when on no node the demand of its VMs is more than the
// node's capacity; equality is viable (F. Hermenier et al., "Entropy: a
// consolidation manager for clusters", VEE 2009).
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

// Node is a machine that hosts VMs.
type Node struct {
	ID       NodeID
	Name     string
	Site     string    // where it stands; empty if there is only one site
	Capacity Resources // what its VMs may use together
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

// VJobState is the state of a vjob, and of all its VMs.
type VJobState uint8

// The states of a vjob. Waiting and sleeping vjobs are ready to run.
const (
	Waiting VJobState = iota
	Running
	Sleeping
	Terminated
)

var vjobStateNames = []string{"waiting", "running", "sleeping", "terminated"}

func (s VJobState) String() string {
	if int(s) < len(vjobStateNames) {
		return vjobStateNames[s]
	}
	return fmt.Sprintf("VJobState(%d)", uint8(s))
}

// MarshalText writes the state's name.
func (s VJobState) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads a state's name.
func (s *VJobState) UnmarshalText(text []byte) error {
	i := slices.Index(vjobStateNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a state of a vjob; the states are waiting, running, sleeping and terminated", text)
	}
	*s = VJobState(i)
	return nil
}

// VJob is a virtualized job: a group of VMs that change state together.
type VJob struct {
	Name  string
	State VJobState
	VMs   []int32 // indices of its VMs, in ascending order
}

// Configuration says which node hosts each VM.
//
// Invariant: len(Host) == len(VMs), and each Host[v] is Nowhere or an index
// into Nodes.
type Configuration struct {
	Nodes []Node
	VMs   []VM
	VJobs []VJob
	Host  []int32 // by VM: the index of the node that hosts it, or Nowhere
}

// Clone returns a copy whose nodes, VMs and hosts can be changed without
// touching c. Vjobs are shared, as nothing here changes them in place.
func (c *Configuration) Clone() *Configuration {
	return &Configuration{
		Nodes: slices.Clone(c.Nodes),
		VMs:   slices.Clone(c.VMs),
		VJobs: c.VJobs,
		Host:  slices.Clone(c.Host),
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
// node has, in ascending order.
func (c *Configuration) Overloaded() []int32 {
	var over []int32
	for n, use := range c.Usage() {
		if !use.Within(c.Nodes[n].Capacity) {
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
		offered = offered.Plus(n.Capacity)
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
		}
	}
	return c.validateVJobs()
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
			if running := c.Host[v] != Nowhere; running != (j.State == Running) {
				return fmt.Errorf("vjob %q is %s, but its VM %q is not", j.Name, j.State, c.VMs[v].Name)
			}
		}
	}
	return nil
}
