package snapshot

import (
	"cmp"
	"math"
	"slices"
	"strconv"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// btrResources are the resources of BtrPlace instances that are read, by rcId.
// BtrPlace has no units; these are ours. One of them in a wrong unit changes
// the amounts that are printed, and no plan.
var btrResources = map[string]struct {
	resource cluster.Resource
	unit     int64
}{
	"cpu":       {cluster.CPU, int64(cluster.Core / 100)},
	"ucpu":      {cluster.CPU, int64(cluster.Core / 100)},
	"mem":       {cluster.Memory, int64(cluster.MiB)},
	"memory":    {cluster.Memory, int64(cluster.MiB)},
	"ram":       {cluster.Memory, int64(cluster.MiB)},
	"net":       {cluster.Network, 125_000},
	"network":   {cluster.Network, 125_000},
	"bandwidth": {cluster.Network, 125_000},
	"disk":      {cluster.Disk, int64(cluster.MiB)},
}

const btrNames = "cpu and ucpu (in 1/100 core), mem, memory and ram (in MiB), net, network and bandwidth (in Mbit/s), and disk (in MiB)"

// btrObjectives are the objectives that are read. All of them repair; which of
// two repairs is better is for the solver to say.
var btrObjectives = []string{"minimizeMTTR", "minimizeMigrations", "minimizeMTTRMigrationScheduling"}

// btrReader reads an instance of BtrPlace.
type btrReader struct {
	numbered
	s    *Snapshot
	seen map[cluster.Resource]bool // resources of a view
	at   []at                      // of each rule
	by   map[int32]at              // by VM of which a state is wanted: where
}

// btrPlace reads an instance of BtrPlace, as its module json writes it.
func (t *text) btrPlace(root value) (Snapshot, error) {
	b := btrReader{
		numbered: t.numbered(), s: &Snapshot{Format: BtrPlace, Configuration: &cluster.Configuration{}, Goal: "repair"},
		seen: map[cluster.Resource]bool{}, by: map[int32]at{},
	}
	b.document(root)
	if b.s.Wanted != nil {
		b.s.Goal = "switch"
	}
	return t.judge(b.s, b.at)
}

func (b *btrReader) document(root value) {
	b.known(root, nowhere, "model", "constraints", "objective")
	model, _ := root.get("model")
	if !b.isObject(model, top("model")) {
		return
	}
	b.known(model, top("model"), "mapping", "attributes", "views")
	mapping, ok := b.need(model, top("model"), "mapping")
	if ok && b.isObject(mapping, top("model.mapping")) {
		b.mapping(mapping)
	}
	b.objectsIn(model, "model.views", "views", b.view)
	b.objects(root, "constraints", b.constraint)
	if objective, ok := root.get("objective"); ok {
		id, _ := objective.get("id")
		if !slices.Contains(btrObjectives, id.text) {
			b.wrong(objective, top("objective"), "%s is no objective of BtrPlace that is read; there are %s", id, listed(btrObjectives))
		}
	}
}

// mapping reads which nodes and VMs there are, and who hosts whom. They are put
// in the order of their numbers; the order of the keys is that of a hash table.
func (b *btrReader) mapping(m value) {
	at := top("model.mapping")
	b.known(m, at, "readyVMs", "onlineNodes", "offlineNodes")
	type node struct {
		id    int64
		state cluster.NodeState
		v     value
	}
	var nodes []node
	if online, ok := b.need(m, at, "onlineNodes"); ok && b.isObject(online, top("model.mapping.onlineNodes")) {
		for _, f := range online.fields {
			if id, ok := b.newID(value{line: f.line, kind: number, text: f.key}, top("model.mapping.onlineNodes"), "node", b.nodes); ok {
				nodes = append(nodes, node{id, cluster.Online, f.value})
			}
		}
	}
	if offline, ok := m.get("offlineNodes"); ok && b.isList(offline, top("model.mapping.offlineNodes")) {
		for _, v := range offline.elements() {
			if id, ok := b.newID(v, top("model.mapping.offlineNodes"), "node", b.nodes); ok {
				nodes = append(nodes, node{id, cluster.Offline, value{}})
			}
		}
	}
	slices.SortFunc(nodes, func(x, y node) int { return cmp.Compare(x.id, y.id) })
	var vms []btrVM
	c := b.s.Configuration
	for i, n := range nodes {
		digits := strconv.FormatInt(n.id, 10)
		b.nodes[digits] = int32(i)
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n.id), Name: "node" + digits, State: n.state})
		if n.state != cluster.Online {
			continue
		}
		at := top("model.mapping.onlineNodes." + digits)
		if b.isObject(n.v, at) {
			b.known(n.v, at, "runningVMs", "sleepingVMs")
			vms = append(vms, b.hosted(n.v, at, "runningVMs", cluster.Running, int32(i))...)
			vms = append(vms, b.hosted(n.v, at, "sleepingVMs", cluster.Sleeping, int32(i))...)
		}
	}
	vms = append(vms, b.hosted(m, at, "readyVMs", cluster.Waiting, cluster.Nowhere)...)
	b.place(vms)
}

// btrVM is a VM as the mapping has it.
type btrVM struct {
	id    int64
	state cluster.State
	node  int32 // that it runs on, or that holds its image
}

// hosted reads the VMs in a state on a node.
func (b *btrReader) hosted(of value, at place, key string, state cluster.State, node int32) []btrVM {
	var vms []btrVM
	v, ok := of.get(key)
	at = at.in(key)
	if !ok || !b.isList(v, at) {
		return nil
	}
	for _, id := range v.elements() {
		if id, ok := b.newID(id, at, "VM", b.vms); ok {
			vms = append(vms, btrVM{id, state, node})
		}
	}
	return vms
}

// place makes VMs of the configuration, in the order of their numbers.
func (b *btrReader) place(vms []btrVM) {
	slices.SortFunc(vms, func(x, y btrVM) int { return cmp.Compare(x.id, y.id) })
	c := b.s.Configuration
	for i, vm := range vms {
		digits := strconv.FormatInt(vm.id, 10)
		b.vms[digits] = int32(i)
		host, image := cluster.Nowhere, cluster.Nowhere
		switch vm.state {
		case cluster.Running:
			host = vm.node
		case cluster.Sleeping:
			image = vm.node
		}
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(vm.id), Name: "vm-" + digits, VCPUs: 1})
		c.Host, c.State, c.Image = append(c.Host, host), append(c.State, vm.state), append(c.Image, image)
	}
	b.s.Configuration = plain(c)
}

// newID reads the number of a node or VM that is not there yet.
func (b *btrReader) newID(v value, at place, what string, among map[string]int32) (int64, bool) {
	id, err := strconv.ParseInt(v.text, 10, 64)
	if v.kind != number || err != nil || id < 0 || strconv.FormatInt(id, 10) != v.text {
		b.wrong(v, at, "%s is not the number of a %s", v, what)
		return 0, false
	}
	if _, twice := among[v.text]; twice {
		b.wrong(v, at, "%s %s is there twice", what, v.text)
		return 0, false
	}
	among[v.text] = 0
	return id, true
}

// view reads the amounts of a resource, or names. Of the network there is
// nothing to be read: it decides how long migrations take, and not where they
// lead.
func (b *btrReader) view(v value, at place) {
	switch id, ok := b.str(v, at, "id"); {
	case !ok:
	case id == "shareableResource":
		b.known(v, at, "id", "rcId", "defCapacity", "defConsumption", "nodes", "vms")
		b.resources(v, at)
	case id == "ns":
		b.known(v, at, "id", "type", "map")
		b.names(v, at)
	case id != "net":
		b.wrong(v, at.in("id"), "%q is no view that is read; there are shareableResource, ns and net", id)
	}
}

func (b *btrReader) resources(v value, at place) {
	r, unit, ok := b.resource(v, at, "rcId")
	if !ok {
		return
	}
	if b.seen[r] {
		b.wrong(v, at.in("rcId"), "a second view of %s", r)
	}
	b.seen[r] = true
	c := b.s.Configuration
	capacity := b.amounts(v, at, "nodes", "defCapacity", "node", b.nodes, unit)
	for n := range c.Nodes {
		c.Nodes[n].Capacity[r] = capacity(int32(n))
	}
	consumption := b.amounts(v, at, "vms", "defConsumption", "VM", b.vms, unit)
	for vm := range c.VMs {
		c.VMs[vm].Demand[r] = consumption(int32(vm))
	}
}

// resource reads the name of a resource.
func (b *btrReader) resource(v value, at place, key string) (r cluster.Resource, unit int64, ok bool) {
	name, ok := b.str(v, at, key)
	if !ok {
		return 0, 1, false
	}
	known, ok := btrResources[name]
	if !ok {
		b.wrong(v, at.in(key), "%q is not a resource that is known; there are %s", name, btrNames)
		return 0, 1, false
	}
	return known.resource, known.unit, true
}

// amounts reads an amount for each node or VM, and one for those of which
// nothing is said.
func (b *btrReader) amounts(v value, at place, key, otherwise, what string, among map[string]int32, unit int64) func(i int32) int64 {
	rest := b.amount(v, at, otherwise, unit)
	said := map[int32]int64{}
	of, _ := b.need(v, at, key)
	if of.kind != object && of.kind != null {
		b.isObject(of, at.in(key))
	}
	for _, f := range of.fields {
		at := at.in(key + "." + f.key)
		i, ok := among[f.key]
		if !ok {
			b.wrong(value{line: f.line}, at, "there is no %s %s in the mapping", what, f.key)
			continue
		}
		n, err := strconv.ParseInt(f.value.text, 10, 64)
		if f.value.kind != number || err != nil || n < 0 || n > math.MaxInt64/unit {
			b.wrong(f.value, at, "%s is not a whole number from 0 to %d", f.value, math.MaxInt64/unit)
			continue
		}
		said[i] = n * unit
	}
	return func(i int32) int64 {
		if n, ok := said[i]; ok {
			return n
		}
		return rest
	}
}

func (b *btrReader) amount(v value, at place, key string, unit int64) int64 {
	n, _ := b.whole(v, at, key, 0, math.MaxInt64/unit)
	return n * unit
}

// names reads the names of nodes or VMs.
func (b *btrReader) names(v value, at place) {
	what, _ := b.str(v, at, "type")
	among := map[string]map[string]int32{"node": b.nodes, "vm": b.vms}[what]
	if among == nil {
		b.wrong(v, at.in("type"), "names are of type node or vm")
		return
	}
	names, ok := b.need(v, at, "map")
	if !ok || !b.isObject(names, at.in("map")) {
		return
	}
	for _, f := range names.fields {
		i, ok := among[f.value.text]
		switch {
		case !ok || f.value.kind != number:
			b.wrong(f.value, at.in("map."+f.key), "there is no %s %s in the mapping", what, f.value)
		case f.key == "":
			b.wrong(f.value, at.in("map"), "the name is empty")
		case what == "node":
			b.s.Configuration.Nodes[i].Name = f.key
		default:
			b.s.Configuration.VMs[i].Name = f.key
		}
	}
}

// btrStates are the constraints that want a state of VMs.
var btrStates = map[string]cluster.State{
	"running": cluster.Running, "sleeping": cluster.Sleeping, "ready": cluster.Waiting, "killed": cluster.Terminated,
}

// btrKinds are the constraints that are rules of ours.
var btrKinds = map[string]rule.Kind{
	"spread": rule.Spread, "gather": rule.Gather, "ban": rule.Ban, "fence": rule.Fence, "root": rule.Root, "lonely": rule.Lonely,
	"among": rule.Among, "split": rule.Split, "runningCapacity": rule.RunningCapacity, "resourceCapacity": rule.ResourceCapacity,
	"maxOnline": rule.MaxOnline, "preserve": rule.Preserve, "overbook": rule.Overbook, "offline": rule.Offline, "online": rule.Online,
	"seq": rule.Precedence, "Precedence": rule.Precedence,
}

// constraint reads a constraint. Older versions of BtrPlace name lists of VMs or
// nodes where newer ones name one; both are read.
func (b *btrReader) constraint(v value, at place) {
	id, ok := b.str(v, at, "id")
	if !ok {
		return
	}
	mistakes := len(b.mistakes)
	kind, isRule := btrKinds[id]
	state, isState := btrStates[id]
	var rules []rule.Rule
	switch {
	case isState:
		b.known(v, at, "id", "vm", "vms", "continuous")
		b.want(v, at, state)
	case id == "quarantine":
		b.known(v, at, "id", "node", "nodes", "continuous")
		rules = b.quarantine(v, at)
	case isRule:
		rules = []rule.Rule{b.rule(v, at, kind)}
	default:
		b.wrong(v, at.in("id"), "dvms has no rule like %q", id)
	}
	if len(b.mistakes) > mistakes {
		return
	}
	for _, r := range rules {
		if r.Name == "" {
			r.Name = id + "-" + strconv.Itoa(at.index)
		}
		b.s.Rules = append(b.s.Rules, r)
		b.at = append(b.at, whereIs(v, at))
	}
}

// rule reads a constraint that is a rule of ours.
func (b *btrReader) rule(v value, at place, kind rule.Kind) rule.Rule {
	r := rule.Rule{Kind: kind, Always: b.truth(v, at, "continuous") && kind.CanHoldAlways()}
	uses := kind.Parts()
	keys := []string{"id", "continuous"}
	read := func(used bool, more ...string) bool {
		if used {
			keys = append(keys, more...)
		}
		return used
	}
	if first, ok := v.get("vm1"); ok && read(kind == rule.Precedence, "vm1", "vm2") {
		if second, ok := b.need(v, at, "vm2"); ok {
			r.VMs = b.inOrder([]value{first, second}, at)
		}
	} else if read(kind == rule.Precedence, "vms") {
		if vms, ok := b.need(v, at, "vms"); ok && b.isList(vms, at.in("vms")) {
			r.VMs = b.inOrder(vms.elements(), at.in("vms"))
		}
	} else if read(uses.VMs, "vm", "vms") {
		r.VMs = b.named(v, at, "vm", "vms", "VM")
	}
	if read(uses.Nodes, "node", "nodes") {
		r.Nodes = b.named(v, at, "node", "nodes", "node")
	}
	if read(uses.Sets, "parts") {
		r.Sets = b.lists(v, at, "parts", "VM")
	}
	if read(uses.Groups, "parts") {
		r.Groups = b.lists(v, at, "parts", "node")
	}
	unit := int64(1)
	if read(uses.Resource, "rc") {
		r.Resource, unit, _ = b.resource(v, at, "rc")
	}
	if read(kind == rule.Overbook, "ratio") {
		r.Max = b.ratio(v, at)
	} else if read(uses.Max, "amount") {
		r.Max = b.amount(v, at, "amount", unit)
	}
	b.known(v, at, keys...)
	if kind == rule.Online {
		b.online(v, at, r.Nodes)
	}
	return r
}

func (b *btrReader) ratio(v value, at place) int64 {
	of, ok := b.need(v, at, "ratio")
	if !ok {
		return 0
	}
	r, err := ratio(of)
	if err != nil {
		b.wrong(of, at.in("ratio"), "%v", err)
	}
	return r
}

// online refuses to switch nodes on.
func (b *btrReader) online(v value, at place, nodes []int32) {
	for _, n := range nodes {
		if node := b.s.Configuration.Nodes[n]; node.State == cluster.Offline {
			b.wrong(v, at, "node %d is offline, and plans of dvms switch no node on", node.ID)
		}
	}
}

// named reads one id, or a list of them.
func (b *btrReader) named(v value, at place, one, many, what string) []int32 {
	id, ok := v.get(one)
	if !ok {
		return b.members(v, at, many, what)
	}
	return b.indices(value{line: id.line, kind: list, list: []value{id}}, at.in(one), what)
}

// inOrder reads ids of VMs whose order matters.
func (b *btrReader) inOrder(ids []value, at place) []int32 {
	vms := []int32{}
	for _, id := range ids {
		vm, ok := b.vms[id.text]
		if !ok || id.kind != number {
			b.wrong(id, at, "there is no VM %s", id)
			continue
		}
		vms = append(vms, vm)
	}
	return vms
}

// quarantine makes rules of one: the VMs of its node stay there, and no other
// comes.
func (b *btrReader) quarantine(v value, at place) []rule.Rule {
	nodes := b.named(v, at, "node", "nodes", "node")
	var rules []rule.Rule
	for _, n := range nodes {
		name := "quarantine-" + strconv.Itoa(at.index) + "-" + b.s.Configuration.Nodes[n].Name
		stay := rule.Rule{Name: name + "-stay", Kind: rule.Root}
		out := rule.Rule{Name: name + "-closed", Kind: rule.Ban, Nodes: []int32{n}, Always: true}
		for vm, host := range b.s.Configuration.Host {
			if host == n {
				stay.VMs = append(stay.VMs, int32(vm))
			} else {
				out.VMs = append(out.VMs, int32(vm))
			}
		}
		for _, r := range []rule.Rule{stay, out} {
			if len(r.VMs) > 0 {
				rules = append(rules, r)
			}
		}
	}
	return rules
}

// want reads a state that VMs are to be in.
func (b *btrReader) want(v value, at place, to cluster.State) {
	for _, vm := range b.named(v, at, "vm", "vms", "VM") {
		c := b.s.Configuration
		from, id := c.StateOf(vm), c.VMs[vm].ID
		where, twice := b.by[vm]
		switch {
		case twice && b.s.wantedOf(vm) != to:
			b.wrong(v, at, "VM %d is to be %s, and %s by %s", id, to, b.s.wantedOf(vm), where.path)
		case !from.Leads(to):
			b.wrong(v, at, "VM %d is %s, and cannot become %s", id, from, to)
		default:
			b.s.want(vm, to)
			b.by[vm] = whereIs(v, at)
		}
	}
}
