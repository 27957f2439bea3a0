package snapshot

import (
	"math"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// benchSchema is the version of the bench's instances that is read.
const benchSchema = 1

// The units of the bench.
const (
	benchCPU    = cluster.Core / 100
	benchMemory = cluster.MiB
)

// benchGoals are what the families of instances are for. In the family cycle
// the fences are broken, which is repaired.
var benchGoals = map[string]string{
	"repair": "repair", "consolidate": "consolidate", "drain": "drain", "switch": "switch", "cycle": "repair",
}

// benchReader reads an instance of the solver bench.
type benchReader struct {
	numbered
	s    *Snapshot
	jobs map[string]bool  // by name
	job  map[int32]string // by VM: its vjob
	at   []at             // of each rule
}

// bench reads an instance of the solver bench.
func (t *text) bench(root value) (Snapshot, error) {
	b := benchReader{
		numbered: t.numbered(), s: &Snapshot{Format: Bench, Configuration: &cluster.Configuration{}},
		jobs: map[string]bool{}, job: map[int32]string{},
	}
	b.document(root)
	return t.judge(b.s, b.at)
}

func (b *benchReader) document(root value) {
	b.known(root, nowhere, "schema", "name", "family", "tier", "variant", "seed", "units", "nodes", "vms", "constraints", "wanted", "drain", "vjobs")
	b.whole(root, nowhere, "schema", benchSchema, benchSchema)
	if units, ok := root.get("units"); ok {
		b.unit(units, "cpu", "1/100 core")
		b.unit(units, "mem", "MB")
	}
	for _, key := range []string{"nodes", "vms"} {
		b.need(root, nowhere, key)
	}
	name, _ := root.get("name")
	family, _ := root.get("family")
	b.s.Name, b.s.Goal = name.text, benchGoals[family.text]
	b.objects(root, "nodes", b.node)
	b.objects(root, "vms", b.vm)
	b.s.Configuration = plain(b.s.Configuration)
	b.objects(root, "constraints", b.constraint)
	b.wanted(root)
	b.objects(root, "vjobs", b.vjob)
	if _, ok := root.get("drain"); ok {
		b.s.Drain = b.members(root, nowhere, "drain", "node")
	}
}

func (b *benchReader) unit(units value, key, want string) {
	if v, ok := units.get(key); !ok || !v.is(want) {
		b.wrong(units, top("units"), "%s is to be in %q; no other unit is known", key, want)
	}
}

func (b *benchReader) node(v value, at place) {
	b.known(v, at, "id", "cpu", "mem")
	id, known := b.id(v, at, "node", b.nodes)
	if known {
		b.nodes[id] = int32(len(b.s.Configuration.Nodes))
	}
	number, _ := strconv.ParseUint(id, 10, 64)
	c := b.s.Configuration
	c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(number), Name: "node" + id, Capacity: b.resources(v, at)})
}

func (b *benchReader) vm(v value, at place) {
	b.known(v, at, "id", "cpu", "mem", "state", "host")
	id, known := b.id(v, at, "VM", b.vms)
	if known {
		b.vms[id] = int32(len(b.s.Configuration.VMs))
	}
	number, _ := strconv.ParseUint(id, 10, 64)
	c := b.s.Configuration
	c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(number), Name: "vm-" + id, VCPUs: 1, Demand: b.resources(v, at)})
	state, host, image := b.position(v, at)
	c.State, c.Host, c.Image = append(c.State, state), append(c.Host, host), append(c.Image, image)
}

// position reads the state of a VM and where it is: the node it runs on, or
// the one that holds its image.
func (b *benchReader) position(v value, at place) (state cluster.State, host, image int32) {
	name, ok := b.str(v, at, "state")
	switch {
	case !ok:
		return cluster.Waiting, cluster.Nowhere, cluster.Nowhere
	case name == "running":
		return cluster.Running, b.host(v, at), cluster.Nowhere
	case name == "sleeping":
		return cluster.Sleeping, cluster.Nowhere, b.host(v, at)
	case name != "waiting":
		b.wrong(v, at.in("state"), "%q is not a state of a VM; there are running, sleeping and waiting", name)
	default:
		if host, ok := v.get("host"); ok && (host.kind != number || host.text != "-1") {
			b.wrong(host, at.in("host"), "a VM that waits has the host -1, not %s", host)
		}
	}
	return cluster.Waiting, cluster.Nowhere, cluster.Nowhere
}

func (b *benchReader) host(v value, at place) int32 {
	host, ok := b.need(v, at, "host")
	if !ok {
		return cluster.Nowhere
	}
	n, ok := b.nodes[host.text]
	if !ok || host.kind != number {
		b.wrong(host, at.in("host"), "there is no node %s", host)
		return cluster.Nowhere
	}
	return n
}

// id reads an id that is to be new.
func (b *benchReader) id(v value, at place, what string, ids map[string]int32) (string, bool) {
	number, known := b.whole(v, at, "id", 0, math.MaxInt64)
	id := strconv.FormatInt(number, 10)
	if _, twice := ids[id]; known && twice {
		b.wrong(v, at, "%s %s is there twice", what, id)
	}
	return id, known
}

func (b *benchReader) resources(v value, at place) cluster.Resources {
	cpu, _ := b.whole(v, at, "cpu", 0, math.MaxInt64/int64(benchCPU))
	memory, _ := b.whole(v, at, "mem", 0, math.MaxInt64/int64(benchMemory))
	return cluster.Of(cluster.Millicores(cpu)*benchCPU, cluster.Bytes(memory)*benchMemory)
}

// constraint reads a rule. Without "continuous" it holds at the end only.
func (b *benchReader) constraint(v value, at place) {
	name, ok := b.str(v, at, "type")
	if !ok {
		return
	}
	mistakes := len(b.mistakes)
	var r rule.Rule
	if err := r.Kind.UnmarshalText([]byte(strings.ReplaceAll(name, "_", "-"))); err != nil || r.Kind > rule.ResourceCapacity {
		b.wrong(v, at.in("type"), "%q is not a type of constraint; there are spread, gather, ban, fence, root, lonely, among, split, running_capacity and resource_capacity", name)
		return
	}
	r.Name = r.Kind.String() + "-" + strconv.Itoa(at.index) // check.py counts from 0, too
	keys := []string{"type", "continuous"}
	uses := r.Kind.Parts()
	for _, part := range []struct {
		key  string
		used bool
		read func()
	}{
		{"vms", uses.VMs, func() { r.VMs = b.members(v, at, "vms", "VM") }},
		{"nodes", uses.Nodes, func() { r.Nodes = b.members(v, at, "nodes", "node") }},
		{"sets", uses.Sets, func() { r.Sets = b.lists(v, at, "sets", "VM") }},
		{"groups", uses.Groups, func() { r.Groups = b.lists(v, at, "groups", "node") }},
		{"resource", uses.Resource, func() { r.Resource = b.resource(v, at) }},
		{"max", uses.Max, func() { r.Max = b.max(v, at, &r) }},
	} {
		if part.used {
			keys = append(keys, part.key)
			part.read()
		}
	}
	b.known(v, at, keys...)
	r.Always = b.truth(v, at, "continuous") && r.Kind.CanHoldAlways()
	if len(b.mistakes) == mistakes {
		b.s.Rules = append(b.s.Rules, r)
		b.at = append(b.at, whereIs(v, at))
	}
}

func (b *benchReader) resource(v value, at place) cluster.Resource {
	name, ok := b.str(v, at, "resource")
	if ok && name != "cpu" && name != "mem" {
		b.wrong(v, at.in("resource"), "%q is not a resource of the bench; there are cpu and mem", name)
	}
	if name == "mem" {
		return cluster.Memory
	}
	return cluster.CPU
}

// max reads a maximum, in the unit of the rule's resource.
func (b *benchReader) max(v value, at place, r *rule.Rule) int64 {
	unit := int64(1)
	switch {
	case !r.Kind.Parts().Resource:
	case r.Resource == cluster.Memory:
		unit = int64(benchMemory)
	default:
		unit = int64(benchCPU)
	}
	most, _ := b.whole(v, at, "max", 0, math.MaxInt64/unit)
	return most * unit
}

// wanted reads the states that VMs are to be in at the end.
func (b *benchReader) wanted(root value) {
	v, ok := root.get("wanted")
	if !ok {
		return
	}
	if v.kind != object {
		b.wrong(v, top("wanted"), "%s, not an object", v)
	}
	for _, f := range v.fields {
		at := top("wanted[" + strconv.Quote(f.key) + "]")
		vm, ok := b.vms[f.key]
		if !ok {
			b.wrong(f.value, at, "there is no VM %s", f.key)
			continue
		}
		if state, ok := b.state(f.value, at); ok {
			b.want(vm, state, f.value, at)
		}
	}
}

func (b *benchReader) state(v value, at place) (cluster.State, bool) {
	var state cluster.State
	err := state.UnmarshalText([]byte(v.text))
	if v.kind != word || err != nil {
		b.wrong(v, at, "%s is not a state; the states are waiting, running, sleeping and terminated", v)
		return 0, false
	}
	return state, true
}

// want notes the state that a VM is to be in.
func (b *benchReader) want(vm int32, to cluster.State, v value, at place) {
	from := b.s.Configuration.StateOf(vm)
	if !from.Leads(to) {
		b.wrong(v, at, "VM %d is %s, and cannot become %s", b.s.Configuration.VMs[vm].ID, from, to)
		return
	}
	b.s.want(vm, to)
}

// vjob reads a vjob. What is wanted of it is said once more under "wanted".
func (b *benchReader) vjob(v value, at place) {
	b.known(v, at, "id", "vms", "state", "wanted")
	job := cluster.VJob{}
	job.Name, _ = b.str(v, at, "id")
	switch {
	case job.Name == "":
		b.wrong(v, at.in("id"), "the name is empty")
	case b.jobs[job.Name]:
		b.wrong(v, at.in("id"), "vjob %q is there twice", job.Name)
	}
	b.jobs[job.Name] = true
	job.VMs = b.members(v, at, "vms", "VM")
	if state, ok := b.need(v, at, "state"); ok {
		if job.State, ok = b.state(state, at.in("state")); ok && b.agree(v, at, &job) {
			b.wantedTogether(v, at, &job)
		}
	}
	b.s.Configuration.VJobs = append(b.s.Configuration.VJobs, job)
}

// agree refuses VMs that are in another vjob, or in another state than theirs.
func (b *benchReader) agree(v value, at place, job *cluster.VJob) bool {
	c, mistakes := b.s.Configuration, len(b.mistakes)
	for _, vm := range job.VMs {
		other, taken := b.job[vm]
		b.job[vm] = job.Name
		if is := c.StateOf(vm); taken {
			b.wrong(v, at, "VM %d is in vjob %q already", c.VMs[vm].ID, other)
		} else if is != job.State {
			b.wrong(v, at, "vjob %q is %s, and its VM %d is %s", job.Name, job.State, c.VMs[vm].ID, is)
		}
	}
	return len(b.mistakes) == mistakes
}

// wantedTogether refuses VMs that are to be in another state than their vjob.
func (b *benchReader) wantedTogether(v value, at place, job *cluster.VJob) {
	if len(job.VMs) == 0 {
		return
	}
	goal := b.s.wantedOf(job.VMs[0])
	if wanted, ok := v.get("wanted"); ok {
		if goal, ok = b.state(wanted, at.in("wanted")); !ok {
			return
		}
	}
	for _, vm := range job.VMs {
		if is := b.s.wantedOf(vm); is != goal {
			b.wrong(v, at, "vjob %q is to be %s, and its VM %d is to be %s", job.Name, goal, b.s.Configuration.VMs[vm].ID, is)
		}
	}
}
