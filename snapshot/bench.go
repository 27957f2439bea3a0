package snapshot

import (
	"fmt"
	"math"
	"strconv"

	"github.com/dvms-project/dvms/cluster"
)

// benchSchema is the version of the bench's instances that is read.
const benchSchema = 1

// The units of the bench.
const (
	benchCPU    = cluster.Core / 100
	benchMemory = cluster.MiB
)

// benchReader reads an instance of the solver bench.
type benchReader struct {
	*text
	c     *cluster.Configuration
	nodes map[int64]int32 // index by id
	vms   map[int64]bool  // by id
	// idle are the VMs that do not run, and where the first one is.
	idle      int
	firstIdle value
	idleAt    place
}

// document reads an instance and returns its name.
func (b *benchReader) document(root value) string {
	b.known(root, nowhere, "schema", "name", "family", "tier", "variant", "seed", "units", "nodes", "vms", "constraints", "wanted", "drain", "vjobs")
	b.whole(root, nowhere, "schema", benchSchema, benchSchema)
	if units, ok := root.get("units"); ok {
		b.unit(units, "cpu", "1/100 core")
		b.unit(units, "mem", "MB")
	}
	for _, key := range []string{"nodes", "vms"} {
		b.need(root, nowhere, key)
	}
	b.nodes, b.vms = map[int64]int32{}, map[int64]bool{}
	b.objects(root, "nodes", b.node)
	b.objects(root, "vms", b.vm)
	b.refuse(root)
	name, _ := root.get("name")
	text, _ := name.scalar.(string)
	return text
}

func (b *benchReader) unit(units value, key, want string) {
	if v, ok := units.get(key); !ok || v.scalar != want {
		b.wrong(units, top("units"), "%s is to be in %q; no other unit is known", key, want)
	}
}

// refuse names everything that the instance asks for and that is not planned
// for yet.
func (b *benchReader) refuse(root value) {
	for _, r := range []struct{ key, are, first string }{
		{"constraints", "constraint", "constraints[0]"},
		{"drain", "node to drain", "drain[0]"},
		{"vjobs", "vjob", "vjobs[0]"},
	} {
		v, there := root.get(r.key)
		switch {
		case !there:
		case v.kind != list:
			b.wrong(v, top(r.key), "%s, not a list", v)
		case len(v.list) > 0:
			first := ""
			if kind, ok := v.list[0].get("type"); ok {
				first = " (" + kind.String() + ")"
			}
			b.wrong(v.list[0], nowhere, "%s: the instance has %s, the first at %s%s", onlyRepairs, plural(len(v.list), r.are), r.first, first)
		}
	}
	wanted, there := root.get("wanted")
	switch {
	case !there:
	case wanted.kind != object:
		b.wrong(wanted, top("wanted"), "%s, not an object", wanted)
	case len(wanted.fields) > 0:
		b.wrong(wanted, nowhere, "%s: the instance has %s, the first at wanted[%q]", onlyRepairs, plural(len(wanted.fields), "wanted state"), wanted.fields[0].key)
	}
	if b.idle > 0 {
		b.wrong(b.firstIdle, nowhere, "%s of running VMs: the instance has %s, the first at %s", onlyRepairs, plural(b.idle, "other VM"), b.idleAt)
	}
}

// onlyRepairs begins what is said of an instance that asks for more.
const onlyRepairs = "this version plans repairs without rules"

func plural(n int, what string) string {
	switch {
	case n == 1:
		return "1 " + what
	case what == "node to drain":
		return fmt.Sprintf("%d nodes to drain", n)
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func (b *benchReader) node(v value, at place) {
	b.known(v, at, "id", "cpu", "mem")
	id, known := b.id(v, at)
	if _, twice := b.nodes[id]; known && twice {
		b.wrong(v, at, "node %d is there twice", id)
	}
	if known {
		b.nodes[id] = int32(len(b.c.Nodes))
	}
	b.c.Nodes = append(b.c.Nodes, cluster.Node{
		ID: cluster.NodeID(id), Name: "node" + strconv.FormatInt(id, 10), Capacity: b.resources(v, at),
	})
}

func (b *benchReader) vm(v value, at place) {
	b.known(v, at, "id", "cpu", "mem", "state", "host")
	id, known := b.id(v, at)
	if known && b.vms[id] {
		b.wrong(v, at, "VM %d is there twice", id)
	}
	if known {
		b.vms[id] = true
	}
	b.c.VMs = append(b.c.VMs, cluster.VM{
		ID: cluster.VMID(id), Name: "vm-" + strconv.FormatInt(id, 10), VCPUs: 1, Demand: b.resources(v, at),
	})
	b.c.Host = append(b.c.Host, b.host(v, at))
}

func (b *benchReader) host(v value, at place) int32 {
	switch state, ok := b.str(v, at, "state"); {
	case !ok:
		return cluster.Nowhere
	case state == "sleeping" || state == "waiting":
		if b.idle++; b.idle == 1 {
			b.firstIdle, b.idleAt = v, at
		}
		return cluster.Nowhere
	case state != "running":
		b.wrong(v, at.in("state"), "%q is not a state of a VM; there are running, sleeping and waiting", state)
		return cluster.Nowhere
	}
	host, ok := b.whole(v, at, "host", 0, math.MaxInt64)
	if !ok {
		return cluster.Nowhere
	}
	n, ok := b.nodes[host]
	if !ok {
		b.wrong(v, at.in("host"), "there is no node %d", host)
		return cluster.Nowhere
	}
	return n
}

func (b *benchReader) id(v value, at place) (int64, bool) {
	return b.whole(v, at, "id", 0, math.MaxInt64)
}

func (b *benchReader) resources(v value, at place) cluster.Resources {
	cpu, _ := b.whole(v, at, "cpu", 0, math.MaxInt64/int64(benchCPU))
	memory, _ := b.whole(v, at, "mem", 0, math.MaxInt64/int64(benchMemory))
	return cluster.Of(cluster.Millicores(cpu)*benchCPU, cluster.Bytes(memory)*benchMemory)
}
