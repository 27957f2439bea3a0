package cluster

import (
	"fmt"
	"strings"
)

// Resource names one dimension of what nodes offer and VMs ask for.
type Resource uint8

// The dimensions of Resources, in the order in which they are compared and printed.
const (
	CPU Resource = iota
	Memory
	Network
	Disk
	NumResources
)

var resourceNames = [NumResources]string{"cpu", "memory", "network", "disk"}

func (r Resource) String() string {
	if r < NumResources {
		return resourceNames[r]
	}
	return fmt.Sprintf("Resource(%d)", uint8(r))
}

// Resources is an amount of each resource: what a node has, or what VMs ask
// for. CPU is in thousandths of a core (Millicores), Memory and Disk in
// Bytes, Network in BytesPerSecond.
type Resources [NumResources]int64

// Of returns the Resources of a CPU and a memory amount, and nothing else.
func Of(cpu Millicores, memory Bytes) Resources {
	return Resources{CPU: int64(cpu), Memory: int64(memory)}
}

// CPU returns the CPU part of r.
func (r Resources) CPU() Millicores { return Millicores(r[CPU]) }

// Memory returns the memory part of r.
func (r Resources) Memory() Bytes { return Bytes(r[Memory]) }

// Even is the ratio of a node that offers what it has, and MostOvercommit the
// largest one.
const (
	Even           = 1000
	MostOvercommit = 1000 * Even
)

// Ratios says, for each resource, how much of it a node offers for what it
// has, in thousandths. 0 stands for Even.
type Ratios [NumResources]int64

// Of returns what is offered of capacity, rounded down.
func (o Ratios) Of(capacity Resources) Resources {
	for i, ratio := range o {
		if ratio != 0 {
			capacity[i] = capacity[i]/Even*ratio + capacity[i]%Even*ratio/Even
		}
	}
	return capacity
}

// Plus returns r + o.
func (r Resources) Plus(o Resources) Resources {
	for i := range r {
		r[i] += o[i]
	}
	return r
}

// Minus returns r - o. Parts may become negative.
func (r Resources) Minus(o Resources) Resources {
	for i := range r {
		r[i] -= o[i]
	}
	return r
}

// Within reports whether r asks for no more than capacity in any dimension.
// Equality is within.
func (r Resources) Within(capacity Resources) bool {
	for i := range r {
		if r[i] > capacity[i] {
			return false
		}
	}
	return true
}

// Exceeding returns the first dimension in which r is more than capacity.
// ok is false if there is none.
func (r Resources) Exceeding(capacity Resources) (first Resource, ok bool) {
	for i := range r {
		if r[i] > capacity[i] {
			return Resource(i), true
		}
	}
	return 0, false
}

// String lists the parts that are not zero, with their units.
func (r Resources) String() string {
	var parts []string
	if r[CPU] != 0 {
		parts = append(parts, "cpu "+Millicores(r[CPU]).String())
	}
	if r[Memory] != 0 {
		parts = append(parts, "memory "+Bytes(r[Memory]).String())
	}
	if r[Network] != 0 {
		parts = append(parts, "network "+BytesPerSecond(r[Network]).String())
	}
	if r[Disk] != 0 {
		parts = append(parts, "disk "+Bytes(r[Disk]).String())
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}
