package snapshot

import (
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// defaultRatio is how many vCPUs Ganeti puts on a core if no policy says so.
const defaultRatio = 4.0

// The columns of the sections of Ganeti's text files, as far as they are known.
// [2] lists all of them.
const (
	groupName, groupUUID, groupColumns = 0, 1, 5

	nodeName, nodeFree, nodeCores, nodeRole, nodeGroup = 0, 3, 6, 7, 8
	nodeTags, nodeVCPUs, nodeColumns                   = 10, 13, 15

	vmName, vmMemory, vmVCPUs, vmStatus     = 0, 1, 3, 4
	vmPrimary, vmSecondary, vmDisks, vmTags = 6, 7, 8, 9
	vmForthcoming, vmColumns                = 12, 13

	policyOwner, policyRatio, policyColumns = 0, 4, 6
)

// row is a line of a Ganeti file.
type row struct {
	value
	at     place
	fields []string
}

// field returns a column, which is empty if the line is shorter.
func (r *row) field(column int) string {
	if column < len(r.fields) {
		return r.fields[column]
	}
	return ""
}

// ganetiReader reads a text file of Ganeti's tools.
type ganetiReader struct {
	*text
	s      *Snapshot
	groups map[string]string // name by UUID
	group  []string          // by node
	ratio  map[string]float64
	tags   []string   // of the cluster
	tagsOf [][]string // by node
	kept   []cluster.Resources
	nodes  map[string]int32
	vms    map[string]bool
	tagged map[string][]int32 // VMs by exclusion tag
	disks  map[string][]int32 // VMs by the nodes that have their disks
	within map[string][]int32 // VMs by the group of their primary node
	lines  []int              // by VM
	at     []at               // of each rule: where its first VM is
}

// ganeti reads a text file that hbal reads with -t.
//
// What hbal treats as given becomes rules: VMs stay in their group, and with
// their disks if these are local (plain, file) or on two nodes (drbd); VMs with
// the same exclusion tag are on different nodes; migration tags close nodes.
//
// CPU is counted in vCPUs: a VM asks for as many cores as it has vCPUs, and a node
// offers its cores times the ratio of its group's policy, less what its own
// system has. What instances that are down would need is kept for them on their
// primary node, as hbal keeps it.
func (t *text) ganeti() (Snapshot, error) {
	g := ganetiReader{
		text: t, s: &Snapshot{Format: Ganeti, Configuration: &cluster.Configuration{}},
		groups: map[string]string{}, ratio: map[string]float64{}, nodes: map[string]int32{}, vms: map[string]bool{},
		tagged: map[string][]int32{}, disks: map[string][]int32{}, within: map[string][]int32{},
	}
	g.sections()
	g.rules()
	return t.judge(g.s, g.at)
}

// ganetiSections are the parts of the text.
var ganetiSections = []string{"groups", "nodes", "instances", "tags", "policies"}

// sections reads the parts of the text.
func (g *ganetiReader) sections() {
	parts, last := g.parted()
	for _, r := range parts[3] {
		g.tags = append(g.tags, strings.Join(r.fields, "|"))
	}
	for _, part := range []struct { // nodes need groups and policies, instances need nodes
		rows []row
		read func(r *row)
	}{{parts[0], g.readGroup}, {parts[4], g.readPolicy}, {parts[1], g.readNode}, {parts[2], g.readVM}} {
		for i := range part.rows {
			part.read(&part.rows[i])
		}
	}
	if len(parts[1]) == 0 {
		g.wrong(value{line: last}, nowhere, "there are no nodes; the second section has them")
	}
	for n := range g.s.Configuration.Nodes {
		g.keep(n)
	}
	g.s.Configuration = plain(g.s.Configuration)
}

// parted returns the lines of each section, which empty lines separate, and the
// number of the last line.
func (g *ganetiReader) parted() (parts [5][]row, last int) {
	section := 0
	lines := strings.Split(strings.TrimRight(string(g.bytes), "\r\n"), "\n")
	for i, line := range lines {
		line = strings.TrimRight(line, "\r")
		if line == "" {
			section++
			continue
		}
		if section >= len(parts) {
			g.wrong(value{line: i + 1}, nowhere, "a sixth section; there are %s, and an empty line after each", listed(ganetiSections))
			break
		}
		at := place{list: ganetiSections[section], index: len(parts[section])}
		parts[section] = append(parts[section], row{value{line: i + 1}, at, strings.Split(line, "|")})
	}
	return parts, len(lines)
}

// columns refuses lines with fewer columns than are needed, or more than are
// known.
func (g *ganetiReader) columns(r *row, least, most int) bool {
	ok := len(r.fields) >= least && len(r.fields) <= most
	if !ok {
		g.wrong(r.value, r.at, "%d columns, and there are %d to %d", len(r.fields), least, most)
	}
	return ok
}

func (g *ganetiReader) readGroup(r *row) {
	if !g.columns(r, groupUUID+1, groupColumns) {
		return
	}
	if _, twice := g.groups[r.fields[groupUUID]]; twice {
		g.wrong(r.value, r.at, "group %q is there twice", r.fields[groupUUID])
	}
	g.groups[r.fields[groupUUID]] = r.fields[groupName]
}

func (g *ganetiReader) readPolicy(r *row) {
	// Older versions have the least and the largest instance in columns of their own.
	if !g.columns(r, policyColumns, policyColumns+1) {
		return
	}
	column := policyRatio + len(r.fields) - policyColumns
	ratio, err := strconv.ParseFloat(r.field(column), 64)
	if err != nil || !(ratio > 0 && ratio <= cluster.MostOvercommit/cluster.Even) {
		g.wrong(r.value, r.at, "%q is no ratio of vCPUs to cores", r.field(column))
	}
	g.ratio[r.fields[policyOwner]] = ratio
}

// whole reads a whole number that is not negative.
func (g *ganetiReader) whole(r *row, column int, what string, most int64) int64 {
	text := r.field(column)
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		g.wrong(r.value, r.at.in(what), "%q is not a whole number from 0 to %d", text, most)
		return 0
	}
	return n
}

func split(tags string) []string {
	return slices.DeleteFunc(strings.Split(tags, ","), func(tag string) bool { return tag == "" })
}

// readNode reads a node. What it offers VMs is set when they are known.
func (g *ganetiReader) readNode(r *row) {
	if !g.columns(r, nodeGroup+1, nodeColumns) {
		return
	}
	name := r.fields[nodeName]
	if _, twice := g.nodes[name]; twice || name == "" {
		g.wrong(r.value, r.at, "node %q is there twice, or has no name", name)
	}
	group, ok := g.groups[r.fields[nodeGroup]]
	if !ok {
		g.wrong(r.value, r.at.in("group"), "there is no group %q", r.fields[nodeGroup])
	}
	role := r.fields[nodeRole]
	if !slices.Contains([]string{"N", "M", "Y"}, role) {
		g.wrong(r.value, r.at.in("role"), "%q is no role; there are N, M, and Y for nodes that are offline", role)
	}
	n := cluster.Node{ID: cluster.NodeID(len(g.s.Configuration.Nodes)), Name: name, State: cluster.Online}
	if len(g.groups) > 1 {
		n.Site = group
	}
	if role == "Y" || slices.Contains(r.fields[nodeFree-2:nodeRole], "?") {
		n.State = cluster.Offline
	} else {
		n.Capacity = g.offer(r, group)
	}
	tags := split(r.field(nodeTags))
	n.Rack = strings.Join(g.withPrefix(tags, "htools:nlocation:"), ",")
	g.nodes[name] = int32(len(g.s.Configuration.Nodes))
	g.s.Configuration.Nodes = append(g.s.Configuration.Nodes, n)
	g.group = append(g.group, group)
	g.tagsOf = append(g.tagsOf, tags)
	g.kept = append(g.kept, cluster.Resources{})
}

// offer is what a node has for its VMs without what they have already: its vCPUs,
// and the memory that is free.
func (g *ganetiReader) offer(r *row, group string) cluster.Resources {
	free := g.whole(r, nodeFree, "free memory", math.MaxInt64/2/int64(cluster.MiB))
	cores := g.whole(r, nodeCores, "cores", math.MaxInt32)
	own := int64(0)
	if r.field(nodeVCPUs) != "" {
		own = g.whole(r, nodeVCPUs, "node vcpus", math.MaxInt32)
	}
	ratio, ok := g.ratio[group]
	if !ok {
		if ratio, ok = g.ratio[""]; !ok {
			ratio = defaultRatio
		}
	}
	cpu := int64(math.Floor(float64(cores*int64(cluster.Core))*ratio)) - own*int64(cluster.Core)
	return cluster.Of(cluster.Millicores(max(cpu, 0)), cluster.Bytes(free)*cluster.MiB)
}

// withPrefix are the tags that a cluster tag declares: with htools:nlocation:power,
// those that begin with power: or are power.
func (g *ganetiReader) withPrefix(tags []string, declares string) []string {
	var found []string
	for _, tag := range tags {
		if slices.ContainsFunc(g.tags, func(t string) bool {
			prefix, ok := strings.CutPrefix(t, declares)
			return ok && prefix != "" && (tag == prefix || strings.HasPrefix(tag, prefix+":"))
		}) {
			found = append(found, tag)
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// ganetiStates are the states of instances: whether they run, and if not,
// whether they are about to.
var ganetiStates = map[string]struct{ runs, keeps bool }{
	"running": {true, true}, "ERROR_up": {true, true}, "ADMIN_down": {false, true}, "ERROR_down": {false, true}, "USER_down": {false, true},
	"ADMIN_offline": {false, false}, "ERROR_offline": {false, false}, "ERROR_nodedown": {false, true}, "ERROR_nodeoffline": {false, true},
}

func (g *ganetiReader) readVM(r *row) {
	if !g.columns(r, vmDisks+1, vmColumns) {
		return
	}
	name := r.fields[vmName]
	if g.vms[name] || name == "" {
		g.wrong(r.value, r.at, "instance %q is there twice, or has no name", name)
	}
	g.vms[name] = true
	g.lines = append(g.lines, r.line)
	memory := g.whole(r, vmMemory, "memory", math.MaxInt64/2/int64(cluster.MiB))
	vcpus := g.whole(r, vmVCPUs, "vcpus", math.MaxInt32)
	state, ok := ganetiStates[r.fields[vmStatus]]
	if !ok {
		g.wrong(r.value, r.at.in("status"), "%q is no status that a plan can begin with", r.fields[vmStatus])
	}
	c := g.s.Configuration
	vm := cluster.VM{ID: cluster.VMID(len(c.VMs)), Name: name, VCPUs: int32(vcpus)}
	vm.Demand = cluster.Of(cluster.Millicores(vcpus)*cluster.Core, cluster.Bytes(memory)*cluster.MiB)
	host, is := cluster.Nowhere, cluster.Waiting
	if primary, ok := g.node(r, vmPrimary, "primary"); ok {
		if state.runs && r.field(vmForthcoming) != "Y" {
			host, is = primary, cluster.Running
			g.place(primary, vm.Demand)
		} else if state.keeps {
			g.kept[primary] = g.kept[primary].Plus(vm.Demand)
		}
		g.bind(r, primary)
	}
	c.VMs, c.Host, c.State = append(c.VMs, vm), append(c.Host, host), append(c.State, is)
}

// node reads the name of a node.
func (g *ganetiReader) node(r *row, column int, what string) (int32, bool) {
	n, ok := g.nodes[r.field(column)]
	if !ok {
		g.wrong(r.value, r.at.in(what), "there is no node %q", r.field(column))
	}
	return n, ok
}

// place adds what a running VM has to what its node offers, as the free memory is
// without it. A node that is offline and hosts a VM is to be emptied.
func (g *ganetiReader) place(n int32, demand cluster.Resources) {
	node := &g.s.Configuration.Nodes[n]
	if node.State == cluster.Offline {
		node.State = cluster.Draining
	}
	if node.State == cluster.Online {
		node.Capacity[cluster.Memory] += demand[cluster.Memory]
	}
}

// keep takes away what is kept for VMs that are down.
func (g *ganetiReader) keep(n int) {
	node := &g.s.Configuration.Nodes[n]
	node.Capacity = node.Capacity.Minus(g.kept[n])
	for r := range node.Capacity {
		node.Capacity[r] = max(node.Capacity[r], 0)
	}
}

// bind notes which nodes a VM that is being read can be on, and from which VMs it is to
// be kept apart.
func (g *ganetiReader) bind(r *row, primary int32) {
	vm := int32(len(g.s.Configuration.VMs))
	group := g.group[primary]
	g.within[group] = append(g.within[group], vm)
	switch disks := r.fields[vmDisks]; disks {
	case "plain", "file":
		key := strconv.Itoa(int(primary))
		g.disks[key] = append(g.disks[key], vm)
	case "drbd":
		if secondary, ok := g.node(r, vmSecondary, "secondary"); ok {
			key := strconv.Itoa(int(min(primary, secondary))) + " " + strconv.Itoa(int(max(primary, secondary)))
			g.disks[key] = append(g.disks[key], vm)
		}
	case "ext", "rbd", "sharedfile", "gluster", "blockdev", "diskless":
	default:
		g.wrong(r.value, r.at.in("disks"), "%q is no kind of disk that is known", disks)
	}
	for _, tag := range g.withPrefix(split(r.field(vmTags)), "htools:iextags:") {
		g.tagged[tag] = append(g.tagged[tag], vm)
	}
}

// rules makes rules of what binds VMs.
func (g *ganetiReader) rules() {
	c := g.s.Configuration
	if len(g.groups) > 1 {
		for _, group := range slices.Sorted(maps.Keys(g.within)) {
			g.fence("group "+group, g.within[group], func(n int32) bool { return g.group[n] == group })
		}
	}
	for _, key := range slices.Sorted(maps.Keys(g.disks)) {
		var names []string
		for _, n := range strings.Fields(key) {
			i, _ := strconv.Atoi(n)
			names = append(names, c.Nodes[i].Name)
		}
		names = slices.Compact(names)
		g.fence("disks on "+strings.Join(names, " and "), g.disks[key], func(n int32) bool { return slices.Contains(names, c.Nodes[n].Name) })
	}
	for _, tag := range slices.Sorted(maps.Keys(g.tagged)) {
		if vms := g.tagged[tag]; len(vms) > 1 {
			g.add(rule.Rule{Name: "tag " + tag, Kind: rule.Spread, VMs: vms, Degraded: true, Always: true})
		}
	}
	g.migrationTags()
}

func (g *ganetiReader) add(r rule.Rule) {
	g.s.Rules = append(g.s.Rules, r)
	g.at = append(g.at, at{g.lines[r.VMs[0]], ""})
}

// fence keeps VMs on some nodes, unless these are all nodes.
func (g *ganetiReader) fence(name string, vms []int32, on func(n int32) bool) {
	var nodes []int32
	for n := range g.s.Configuration.Nodes {
		if on(int32(n)) {
			nodes = append(nodes, int32(n))
		}
	}
	if len(nodes) < len(g.s.Configuration.Nodes) {
		g.add(rule.Rule{Name: name, Kind: rule.Fence, VMs: vms, Nodes: nodes, Always: true})
	}
}

// migrationTags keeps VMs on nodes that have all migration tags of the one that
// they run on, or are allowed to stand in for them.
func (g *ganetiReader) migrationTags() {
	for n, vms := range g.s.Configuration.Hosted() {
		tags := g.withPrefix(g.tagsOf[n], "htools:migration:")
		if len(vms) == 0 || len(tags) == 0 {
			continue
		}
		g.fence("migration tags of "+g.s.Configuration.Nodes[n].Name, vms, func(to int32) bool {
			return !slices.ContainsFunc(tags, func(tag string) bool { return !g.standsIn(g.tagsOf[to], tag) })
		})
	}
}

// standsIn reports whether one of tags is tag, or allowed in its place.
func (g *ganetiReader) standsIn(tags []string, tag string) bool {
	return slices.ContainsFunc(tags, func(t string) bool {
		return t == tag || slices.Contains(g.tags, "htools:allowmigration:"+tag+"::"+t)
	})
}
