// Package bench makes the instances that the solver is measured with, solves them
// with packages placement and plan, and has package check judge what comes out.
//
// An instance is a cluster and what is wanted of it, drawn from a law that its
// name tells: repair-thesis-128-plain-s1 is a cluster of 128 nodes to be repaired,
// drawn by the law "thesis" without rules from seed 1. Make draws one, Suite
// lists those that figures are published for, and Instance.JSON writes one for
// snapshot.Read and for other tools.
//
// Load and Messages are scenarios for the simulation kernel, which programs in
// peers/simgrid run on SimGrid.
//
// How long anything takes is measured by the caller.
package bench

import (
	"fmt"
	"slices"
	"strings"
)

// Spec says which instance to draw.
type Spec struct {
	Family string // one of Suite, or crowded
	Tier   string // the law within the family
	// Nodes is how many nodes there are, roughly for the family cycle, whose nodes come
	// in groups.
	Nodes       int
	Constrained bool // VMs have rules
	Seed        int
}

// Name is that of the instance, and what its random numbers are seeded with.
func (s Spec) Name() string {
	return fmt.Sprintf("%s-%s-%d-%s-s%d", s.Family, s.Tier, s.Nodes, s.variant(), s.Seed)
}

func (s Spec) variant() string {
	if s.Constrained {
		return "cons"
	}
	return "plain"
}

// tiers are the laws, by family.
var tiers = []struct {
	family string
	tiers  []string
	sizes  []int
}{
	{"repair", []string{"thesis", "tight", "brim", "hetero"}, []int{4, 8, 32, 128, 512, 1024, 4096}},
	{"consolidate", []string{"half", "mem"}, []int{8, 32, 128, 512, 1024}},
	{"drain", []string{"easy", "tight"}, []int{8, 32, 128, 512, 1024, 4096}},
	{"switch", []string{"nas"}, []int{11, 44, 110, 1100}},
	{"cycle", []string{"2", "3", "5"}, []int{4, 16, 128, 1024}},
}

// Suite lists the instances of at most so many nodes that figures are published
// for, family by family, the small ones first.
func Suite(most int) []Spec {
	var suite []Spec
	for _, f := range tiers {
		for _, nodes := range f.sizes {
			if nodes > most {
				break
			}
			for _, tier := range f.tiers {
				for _, constrained := range []bool{false, true} {
					if constrained && f.family == "cycle" {
						continue // its fences are what makes it
					}
					for seed := 1; seed <= seeds(f.family, nodes); seed++ {
						suite = append(suite, Spec{f.family, tier, nodes, constrained, seed})
					}
				}
			}
		}
	}
	return suite
}

// seeds is how many instances of a kind the suite has.
func seeds(family string, nodes int) int {
	if family == "repair" && nodes <= 32 || family == "switch" && nodes <= 44 {
		return 3
	}
	return 1
}

// Make draws an instance. It panics if there is no such family or tier.
func Make(s Spec) *Instance {
	in := &Instance{Spec: s}
	d := drawing{in, newRandom(s.Name())}
	switch s.Family {
	case "repair":
		d.repair()
	case "consolidate":
		d.consolidate()
	case "drain":
		d.drain()
	case "switch":
		d.switching()
	case "cycle":
		d.cycle()
	case "crowded":
		d.crowded()
	default:
		panic("bench: there is no family " + s.Family)
	}
	return in
}

// Instance is a cluster and what is wanted of it. CPU is in hundredths of a core,
// memory in MiB. Nodes and VMs are known by index.
type Instance struct {
	Spec
	Nodes  []Node
	VMs    []VM
	Rules  []Rule
	Drain  []int // nodes that are to host nobody, in ascending order
	VJobs  []VJob
	Wanted []Wish
}

// Node is what a node offers to VMs.
type Node struct{ CPU, Memory int }

// VM is what a VM asks for, and where it is: the node it runs on or that holds its
// image, or nowhere.
type VM struct {
	CPU, Memory int
	State       string // running, sleeping or waiting
	Host        int
}

const (
	running    = "running"
	sleeping   = "sleeping"
	waiting    = "waiting"
	terminated = "terminated"

	nowhere = -1
)

// Rule is a spread, gather, ban or fence. It holds in the end.
type Rule struct {
	Kind  string
	VMs   []int
	Nodes []int // of a ban or fence
}

// VJob is VMs that are in one state together.
type VJob struct {
	VMs           []int
	State, Wanted string
}

// Wish is the state that a VM is to be in.
type Wish struct {
	VM    int
	State string
}

// JSON writes the instance in the schema of the solver bench, with a line for
// each node, VM, rule and vjob.
func (in *Instance) JSON() []byte {
	out := fmt.Appendf(nil, "{\n"+`"schema":1,
"name":%q,
"family":%q,
"tier":%q,
"variant":%q,
"seed":%d,
"units":{"cpu":"1/100 core","mem":"MB"},
`, in.Name(), in.Family, in.Tier, in.variant(), in.Seed)
	out = lines(out, "nodes", in.Nodes, func(i int, n Node) string {
		return fmt.Sprintf(`{"id":%d,"cpu":%d,"mem":%d}`, i, n.CPU, n.Memory)
	})
	out = lines(out, "vms", in.VMs, func(i int, v VM) string {
		return fmt.Sprintf(`{"id":%d,"cpu":%d,"mem":%d,"state":%q,"host":%d}`, i, v.CPU, v.Memory, v.State, v.Host)
	})
	out = lines(out, "constraints", in.Rules, func(_ int, r Rule) string {
		text := fmt.Sprintf(`{"type":%q,"vms":%s`, r.Kind, array(r.VMs))
		if r.Nodes != nil {
			text += `,"nodes":` + array(r.Nodes)
		}
		return text + "}"
	})
	var wishes []string
	for _, w := range in.Wanted {
		wishes = append(wishes, fmt.Sprintf(`"%d":%q`, w.VM, w.State))
	}
	out = fmt.Appendf(out, `"wanted":{%s},`+"\n"+`"drain":%s`, strings.Join(wishes, ","), array(in.Drain))
	if in.VJobs != nil {
		out = lines(append(out, ",\n"...), "vjobs", in.VJobs, func(i int, j VJob) string {
			return fmt.Sprintf(`{"id":"j%d","vms":%s,"state":%q,"wanted":%q}`, i, array(j.VMs), j.State, j.Wanted)
		})
		out = out[:len(out)-len(",\n")]
	}
	return append(out, "\n}\n"...)
}

// lines writes a list under a key, a line for each member.
func lines[T any](out []byte, key string, list []T, write func(int, T) string) []byte {
	out = fmt.Appendf(out, "%q:[", key)
	for i, member := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(out, "\n  "...), write(i, member)...)
	}
	return append(out, "],\n"...)
}

func array(numbers []int) string {
	return "[" + strings.Trim(strings.Join(strings.Fields(fmt.Sprint(numbers)), ","), "[]") + "]"
}

// sorted returns the numbers in ascending order, each once.
func sorted(numbers []int) []int {
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
