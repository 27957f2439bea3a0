package snapshot

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
)

// gatherHeader is the first line of what examples/gather.sh prints.
const gatherHeader = "== gather 1"

// How long the two samples of a host may be apart, in nanoseconds.
const (
	leastApart = 1_000_000_000
	mostApart  = 24 * 3600 * 1_000_000_000
)

// The states of domains, as virDomainState numbers them, and the reason for
// being off that a saved one has.
const (
	domainRunning = 1
	domainCrashed = 6
	domainOff     = 5
	domainAsleep  = 7 // the guest has suspended itself; its memory is held

	offSaved = 5
)

// gatherReader reads what virsh said on several hosts.
type gatherReader struct {
	*text
	s       *Snapshot
	reserve cluster.Resources // of each host
	hosts   []*host
	named   map[string]*host
	vms     map[string]int // by name
}

// host is one host in two samples.
type host struct {
	name    string
	line    int
	samples []*sample
}

// sample is what a host said at a moment.
type sample struct {
	line     int
	cpus     int64
	memory   int64 // KiB
	time     int64 // of the host's clock, in nanoseconds
	domains  []*domain
	of       map[string]*domain
	hasCPUs  bool
	hasBytes bool
	hasTime  bool
}

// domain is what a host said of a VM.
type domain struct {
	name          string
	line          int
	state, reason int64
	cpu           int64 // that it has used, in nanoseconds
	delay         int64 // that its vCPUs have waited for a core, in nanoseconds
	memory        int64 // at most, in KiB
	vcpus         int64
	seen          map[string]bool
}

// holds reports whether the VM is on the host with its memory.
func (d *domain) holds() bool {
	return d.state >= domainRunning && d.state < domainOff || d.state == domainCrashed || d.state == domainAsleep
}

// libvirt reads what examples/gather.sh prints: two samples of each host, with
// the output of virsh nodeinfo and virsh domstats. Fields that are not needed are
// passed over; virsh has new ones every year.
//
// A VM asks for the CPU that it used between the samples and for the time that its
// vCPUs waited for a core (vcpu.N.delay), but for no more than its vCPUs have unless it
// used more: on a host that is overloaded, what VMs use is not what they ask for, and
// this is the most that it may be. Its memory is the most that it may have. A host offers what it has less the reserve that the
// text states.
//
// A VM that is off waits, and one that was saved (virsh managedsave) sleeps, with
// its image on its host. Both would ask for all their vCPUs.
func (t *text) libvirt() (Snapshot, error) {
	g := gatherReader{
		text: t, s: &Snapshot{Format: Libvirt, Configuration: &cluster.Configuration{}},
		named: map[string]*host{}, vms: map[string]int{},
	}
	g.lines()
	for _, h := range g.hosts {
		g.node(h)
	}
	g.sort()
	return t.judge(g.s, nil)
}

// lines puts the lines where they belong.
func (g *gatherReader) lines() {
	var s *sample
	for i, line := range strings.Split(string(g.bytes), "\n") {
		v := value{line: i + 1}
		line = strings.TrimSpace(line)
		name, isHost := strings.CutPrefix(line, "== host ")
		switch {
		case isHost:
			s = g.host(strings.TrimSpace(name), v)
		case line == gatherHeader && s == nil || line == "":
		case strings.HasPrefix(line, "=="):
			g.wrong(v, nowhere, "%q begins no part that is known; there is == host NAME", line)
		case s == nil:
			g.reserved(line, v)
		default:
			g.said(s, line, v)
		}
	}
	if len(g.hosts) == 0 {
		g.wrong(value{line: 1}, nowhere, "there are no hosts")
	}
}

// host begins a sample of a host.
func (g *gatherReader) host(name string, v value) *sample {
	h := g.named[name]
	if h == nil {
		h = &host{name: name, line: v.line}
		g.named[name] = h
		g.hosts = append(g.hosts, h)
	}
	if name == "" {
		g.wrong(v, nowhere, "a host without a name")
	}
	s := &sample{line: v.line, of: map[string]*domain{}}
	h.samples = append(h.samples, s)
	return s
}

// reserved reads what each host keeps for itself.
func (g *gatherReader) reserved(line string, v value) {
	key, amount, _ := strings.Cut(line, ":")
	var r cluster.Resource
	switch key {
	case "reserve cpu":
		r = cluster.CPU
	case "reserve memory":
		r = cluster.Memory
	default:
		g.wrong(v, nowhere, "%q is said before the first host; there are reserve cpu and reserve memory", line)
		return
	}
	n, err := amountOf(r, strings.TrimSpace(amount))
	if err != nil {
		g.wrong(v, top(key), "%v", err)
	}
	g.reserve[r] = n
}

// said reads a line of virsh.
func (g *gatherReader) said(s *sample, line string, v value) {
	if name, ok := strings.CutPrefix(line, "Domain: "); ok {
		d := &domain{name: strings.TrimSuffix(strings.TrimPrefix(name, "'"), "'"), line: v.line, seen: map[string]bool{}}
		if s.of[d.name] != nil || d.name == "" {
			g.wrong(v, nowhere, "VM %q is there twice in a sample, or has no name", d.name)
		}
		s.domains = append(s.domains, d)
		s.of[d.name] = d
		return
	}
	if key, said, ok := strings.Cut(line, ": "); ok && len(s.domains) == 0 {
		said = strings.TrimSpace(said)
		switch key {
		case "CPU(s)":
			s.cpus, s.hasCPUs = g.number(key, said, v, math.MaxInt32), true
		case "Memory size":
			s.memory, s.hasBytes = g.number(key, strings.TrimSuffix(said, " KiB"), v, mostSize), true
		case "time":
			s.time, s.hasTime = g.number(key, said, v, mostTime), true
		}
		return
	}
	if key, said, ok := strings.Cut(line, "="); ok && len(s.domains) > 0 {
		g.field(s.domains[len(s.domains)-1], key, said, v)
	}
}

// field reads a field of a VM, if it is needed.
func (g *gatherReader) field(d *domain, key, said string, v value) {
	to, most := (*int64)(nil), int64(math.MaxInt32)
	switch key {
	case "state.state":
		to = &d.state
	case "state.reason":
		to = &d.reason
	case "vcpu.current":
		to = &d.vcpus
	case "cpu.time":
		to, most = &d.cpu, mostTime
	case "balloon.maximum":
		to, most = &d.memory, mostSize
	default:
		if strings.HasPrefix(key, "vcpu.") && strings.HasSuffix(key, ".delay") {
			d.delay += g.number(d.name+"."+key, said, v, mostTime-d.delay)
		}
		return
	}
	*to = g.number(d.name+"."+key, said, v, most)
	d.seen[key] = true
}

// The most that is read: of times, the sum of two can be counted; of sizes,
// that in bytes.
const (
	mostTime = math.MaxInt64 / 2
	mostSize = math.MaxInt64 / 1024
)

func (g *gatherReader) number(what, text string, v value, most int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most {
		g.wrong(v, top(what), "%q is not a whole number from 0 to %d", text, most)
		return 0
	}
	return n
}

// node makes a node of a host, and VMs of its domains.
func (g *gatherReader) node(h *host) {
	v := value{line: h.line}
	if len(h.samples) != 2 {
		g.wrong(v, top(h.name), "%d samples of the host, and 2 are needed", len(h.samples))
		return
	}
	first, second := h.samples[0], h.samples[1]
	for _, s := range h.samples {
		if !s.hasCPUs || !s.hasBytes || !s.hasTime {
			g.wrong(value{line: s.line}, top(h.name), "the host does not say its CPU(s), Memory size and time; could it be reached?")
			return
		}
	}
	apart := second.time - first.time
	if apart < leastApart || apart > mostApart {
		g.wrong(v, top(h.name), "its samples are %v s apart; from 1 s to a day is needed", float64(apart)/1e9)
		return
	}
	has := cluster.Of(cluster.Millicores(second.cpus)*cluster.Core, cluster.Bytes(second.memory)*cluster.KiB)
	if r, more := g.reserve.Exceeding(has); more {
		g.wrong(v, top(h.name), "the host has %s and is to keep %s, which is more %s; change the reserve at the top", has, g.reserve, r)
		return
	}
	c := g.s.Configuration
	n := int32(len(c.Nodes))
	c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: h.name, Capacity: has.Minus(g.reserve)})
	for _, d := range second.domains {
		g.vm(n, d, first.of[d.name], apart)
	}
}

// vm makes a VM of what a host said of it, and said before.
func (g *gatherReader) vm(n int32, d, before *domain, apart int64) {
	v, at := value{line: d.line}, top(d.name)
	for _, key := range []string{"state.state", "balloon.maximum", "vcpu.current"} {
		if !d.seen[key] {
			g.wrong(v, at, "%s is missing", key)
			return
		}
	}
	state, host, image := cluster.Waiting, cluster.Nowhere, cluster.Nowhere
	cpu := cluster.Millicores(d.vcpus) * cluster.Core
	switch {
	case d.holds():
		state, host = cluster.Running, n
		if before == nil || !before.holds() || before.cpu > d.cpu || before.delay > d.delay {
			g.wrong(v, at, "the VM came or began anew between the two samples; gather again")
			return
		}
		cpu = demand(d.cpu-before.cpu, d.delay-before.delay, apart, cpu)
	case d.state == domainOff && d.reason == offSaved:
		state, image = cluster.Sleeping, n
	}
	vm := cluster.VM{Name: d.name, VCPUs: int32(d.vcpus), Demand: cluster.Of(cpu, cluster.Bytes(d.memory)*cluster.KiB)}
	g.add(vm, state, host, image, v)
}

// demand is the CPU that was asked for in a time: what was used, and what was
// waited for as far as the vCPUs could have used it. It is rounded up.
func demand(used, waited, time int64, vcpus cluster.Millicores) cluster.Millicores {
	of := func(ns int64) cluster.Millicores {
		return cluster.Millicores(ns/time*1000 + (ns%time*1000+time-1)/time)
	}
	return max(of(used), min(of(used+waited), vcpus))
}

// add adds a VM, or decides which of two of a name it is: where a VM has moved
// away, it may be left behind as one that is off.
func (g *gatherReader) add(vm cluster.VM, state cluster.State, host, image int32, v value) {
	c := g.s.Configuration
	i, twice := g.vms[vm.Name]
	if !twice {
		i = len(c.VMs)
		g.vms[vm.Name] = i
		c.VMs, c.Host = append(c.VMs, vm), append(c.Host, host)
		c.State, c.Image = append(c.State, state), append(c.Image, image)
		return
	}
	rank := []cluster.State{cluster.Waiting, cluster.Sleeping, cluster.Running}
	is, was := slices.Index(rank, state), slices.Index(rank, c.State[i])
	switch {
	case is == was && state == cluster.Running:
		g.wrong(v, top(vm.Name), "the VM is on two hosts; if it is being migrated, gather again when it has arrived")
	case is == was && state == cluster.Sleeping:
		g.wrong(v, top(vm.Name), "the VM was saved on two hosts")
	case is > was:
		c.VMs[i], c.Host[i], c.State[i], c.Image[i] = vm, host, state, image
	}
}

// sort puts the VMs in the order of their names; virsh lists them in none.
func (g *gatherReader) sort() {
	c := g.s.Configuration
	order := make([]int, len(c.VMs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(c.VMs[a].Name, c.VMs[b].Name) })
	sorted := &cluster.Configuration{Nodes: c.Nodes}
	for i, v := range order {
		vm := c.VMs[v]
		vm.ID = cluster.VMID(i)
		sorted.VMs, sorted.Host = append(sorted.VMs, vm), append(sorted.Host, c.Host[v])
		sorted.State, sorted.Image = append(sorted.State, c.State[v]), append(sorted.Image, c.Image[v])
	}
	g.s.Configuration = plain(sorted)
}
