package explorer

import (
	"errors"
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// The bounds of what a search can hold.
const (
	MaxNodes = 8
	MaxVMs   = 16
	maxFault = 15 // of one kind
)

// World says what is explored: the nodes, their VMs, and how much may happen.
type World struct {
	// Demands are what the VMs of each node ask for, in percent of the CPU of
	// a node. The nodes follow one another on a ring.
	Demands [][]int `json:"demands"`
	// Memory is how many VMs a node has memory for.
	Memory int `json:"memory"`
	// Minimum and Growth are the settings of the protocol of those names.
	Minimum int `json:"minimum"`
	Growth  int `json:"growth"`
	Bounds
}

// Bounds say how often something may happen on one path, at most.
type Bounds struct {
	Events     int `json:"events"`     // overloads and drains that start a procedure
	Changes    int `json:"changes"`    // VMs that ask for more, or less, than before: once each
	Drains     int `json:"drains"`     // nodes that are to be emptied from then on
	Crashes    int `json:"crashes"`    // nodes that die, with what they host
	Returns    int `json:"returns"`    // dead nodes that come back, with nothing but their VMs
	Cuts       int `json:"cuts"`       // of the network into two parts, until it is mended
	Losses     int `json:"losses"`     // messages that never arrive
	Duplicates int `json:"duplicates"` // messages that arrive again, at any time later
	Late       int `json:"late"`       // messages that take longer than timers
	Failures   int `json:"failures"`   // migrations that fail, and solvers that never answer
}

// Loads are what nodes may be given to do.
var Loads = []string{"roomy", "tight", "full"}

// Load returns demands for so many nodes, of which the first overloaded ones have
// too much. What is roomy can be solved by any free node for any event. What is
// tight can be solved by all nodes together, or by few of them; for four nodes and
// two events that is by all of them alone, after a merge. What is full can't be solved.
// ok is false if there is no load of that name.
func Load(name string, nodes, overloaded int) (demands [][]int, ok bool) {
	over, rest := map[string][][]int{
		"roomy": {{80, 40}}, "tight": {{60, 60}, {40, 40, 40}}, "full": {{60, 60}},
	}[name], map[string][][]int{
		"roomy": {{20}}, "tight": {{60}, {40, 40}, {90}}, "full": {{80}},
	}[name]
	if over == nil {
		return nil, false
	}
	for i := range nodes {
		if i < overloaded {
			demands = append(demands, over[i%len(over)])
		} else {
			demands = append(demands, rest[min(i-overloaded, len(rest)-1)])
		}
	}
	return demands, true
}

// unit is the time by which instants differ in an explored world; see the
// package documentation for why that is enough.
const unit = time.Second

// base is the instant at which nodes are kept in the catalogue.
const base = 1_000_000 * unit

// Settings returns those of the nodes of an explored world: short ones, in the order
// of the defaults, and next to no back-off, since events may come at any time.
func (w *World) Settings() protocol.Settings {
	return protocol.Settings{
		Lease:         3 * unit,
		Renew:         unit,
		Collect:       unit,
		SolveLimit:    4 * unit,
		ActionLimit:   4 * unit,
		BackoffMin:    1,
		BackoffMax:    1,
		Concurrent:    2,
		Minimum:       w.Minimum,
		Growth:        w.Growth,
		Consolidation: MaxNodes,
	}
}

// Validate returns an error that names the first thing that can't be explored.
func (w *World) Validate() error {
	vms := 0
	for i, demands := range w.Demands {
		vms += len(demands)
		if len(demands) > w.Memory {
			return fmt.Errorf("memory: node %d has %d VMs, and memory for %d", i+1, len(demands), w.Memory)
		}
		for _, d := range demands {
			if d < 0 {
				return fmt.Errorf("vms: one of node %d asks for %d %%", i+1, d)
			}
		}
	}
	switch {
	case len(w.Demands) < 1 || len(w.Demands) > MaxNodes:
		return fmt.Errorf("nodes: %d are not from 1 to %d", len(w.Demands), MaxNodes)
	case vms > MaxVMs:
		return fmt.Errorf("vms: %d are more than %d", vms, MaxVMs)
	case w.Minimum < 1:
		return errors.New("minimum: a partition has at least one node")
	case w.Growth < 1:
		return fmt.Errorf("growth: %d is less than 1", w.Growth)
	}
	for i, n := range w.Bounds.list() {
		if n < 0 || n > maxFault {
			return fmt.Errorf("%s: %d is not from 0 to %d", happenings[i], n, maxFault)
		}
	}
	return nil
}

// happening is one of the things that are bounded.
type happening uint8

const (
	event happening = iota
	change
	drain
	crash // from here on they are faults
	comeback
	cut
	loss
	duplicate
	delay
	failure
	numHappenings
)

var happenings = [numHappenings]string{"events", "changes", "drains", "crashes", "returns", "cuts", "losses", "duplicates", "late", "failures"}

func (b Bounds) list() [numHappenings]int {
	return [numHappenings]int{b.Events, b.Changes, b.Drains, b.Crashes, b.Returns, b.Cuts, b.Losses, b.Duplicates, b.Late, b.Failures}
}

// A VM that changes, and asks for half of a node or more, then asks for little; one
// that asks for less then asks for much. In percent.
const (
	little = 10
	much   = 60
)

// changed is what a VM asks for after its change.
func changed(vm cluster.VM) cluster.VM {
	cpu := cluster.Millicores(much)
	if vm.Demand.CPU() >= cluster.Core/2 {
		cpu = little
	}
	vm.Demand[cluster.CPU] = int64(cpu * cluster.Core / 100)
	return vm
}

// vms lists the VMs of all nodes, and where each is.
func (w *World) vms() (all []cluster.VM, host []uint8) {
	for i, demands := range w.Demands {
		for _, d := range demands {
			all = append(all, cluster.VM{
				ID: cluster.VMID(len(all) + 1), VCPUs: 1,
				Demand: cluster.Of(cluster.Millicores(d)*cluster.Core/100, cluster.GiB),
			})
			host = append(host, uint8(i))
		}
	}
	return all, host
}

// shape says which parts of a state the world makes use of.
func (w *World) shape() shape {
	vms, _ := w.vms()
	return shape{nodes: len(w.Demands), vms: len(vms), lively: w.Changes+w.Drains+w.Cuts > 0}
}

// capacity is that of each node.
func (w *World) capacity() cluster.Resources {
	return cluster.Of(cluster.Core, cluster.Bytes(w.Memory)*cluster.GiB)
}
