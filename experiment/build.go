package experiment

import (
	"cmp"
	"container/heap"
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/internal/settings"
)

// population is the VMs of a run: what they are, what they ask for, and where
// they start.
type population struct {
	vms      []cluster.VM
	speeds   []cluster.BytesPerSecond // by VM: the most that its migrations send
	hosts    []int32                  // by VM
	workload injector.Workload
}

// nodes returns the hosts of the scenario.
func (s *Scenario) nodes() []cluster.Node {
	usable := s.Hosts.Usable
	if usable == 0 {
		usable = cluster.Millicores(s.Hosts.Cores) * cluster.Core
	}
	nodes := make([]cluster.Node, s.Hosts.Count)
	for i := range nodes {
		nodes[i] = cluster.Node{ID: cluster.NodeID(i), Name: hostName(i), Capacity: cluster.Of(usable, s.Hosts.Memory)}
	}
	return nodes
}

// populate draws the VMs, their workload and their places.
func populate(spec Spec, nodes []cluster.Node) (population, error) {
	s := &spec.Scenario
	classes := make([]injector.Class, len(s.VMs.Classes))
	for i, c := range s.VMs.Classes {
		classes[i] = injector.Class(c)
	}
	draw := injector.DrawClasses(classes, s.VMs.Count, spec.Seed)
	if s.Workload.Law == "vmplaces" {
		draw = injector.DrawVMPlaceSClasses(classes, s.VMs.Count, int64(spec.Seed))
	}
	p := population{
		vms:    make([]cluster.VM, s.VMs.Count),
		speeds: make([]cluster.BytesPerSecond, s.VMs.Count),
	}
	vcpus := make([]int32, s.VMs.Count)
	for i, c := range draw {
		p.vms[i] = cluster.VM{
			ID: cluster.VMID(i), Name: vmName(i), VCPUs: c.VCPUs,
			Demand: cluster.Of(0, c.Memory), DirtyRate: c.DirtyRate,
		}
		p.speeds[i], vcpus[i] = c.MigrationSpeed, c.VCPUs
	}
	var err error
	switch s.Workload.Law {
	case "gaussian":
		p.workload = s.law().Gaussian(vcpus, spec.Seed)
	case "vmplaces":
		p.workload = s.law().VMPlaceS(vcpus, int64(spec.Seed))
	default:
		p.workload, err = p.replay(spec, vcpus)
	}
	if err != nil {
		return p, err
	}
	for i, cpu := range p.workload.Initial {
		p.vms[i].Demand[cluster.CPU] = int64(cpu)
	}
	if s.Workload.Law == "vmplaces" {
		names := make([]string, len(nodes))
		for i, n := range nodes {
			names[i] = n.Name
		}
		p.hosts, err = injector.FillToAverage(nodes, injector.HashOrder(names), p.vms)
	} else {
		p.hosts, err = spread(nodes, p.vms)
	}
	if err != nil {
		return p, s.from.Locate(&KeyError{Key: "vms.count", Err: err})
	}
	return p, nil
}

// replay makes the workload of recorded traces. Bitbrains' VMs bring their own
// vCPUs and memory; PlanetLab's records are shares of whatever the VM has.
func (p *population) replay(spec Spec, vcpus []int32) (injector.Workload, error) {
	s := &spec.Scenario
	w := s.Workload
	if spec.Files == nil {
		return injector.Workload{}, errors.New("no files to read traces from")
	}
	dir := path.Clean(w.Traces)
	var records []injector.Recorded
	var err error
	if w.Law == "planetlab" {
		records, err = injector.ReadPlanetLab(spec.Files, dir)
	} else if records, err = injector.ReadBitbrains(spec.Files, dir); err == nil {
		if records = injector.WithCores(records); len(records) == 0 {
			err = &injector.FileError{Path: dir, Err: errors.New("no VM in these traces has a core")}
		}
	}
	if err != nil {
		return injector.Workload{}, err
	}
	phases := injector.Spread
	if w.Phases == "together" {
		phases = injector.Together
	}
	playbacks, err := injector.Assign(records, len(vcpus), spec.Seed, phases)
	if err != nil {
		return injector.Workload{}, err
	}
	if w.Law == "bitbrains" {
		if err := s.roomForEach(dir, playbacks); err != nil {
			return injector.Workload{}, s.from.Locate(err)
		}
		for v, playback := range playbacks {
			r := playback.Record
			p.vms[v].VCPUs = r.VCPUs
			if r.Memory > 0 {
				p.vms[v].Demand[cluster.Memory] = int64(r.Memory)
			}
		}
		vcpus = nil
	}
	return injector.Replay(playbacks, vcpus, time.Duration(s.Duration))
}

// roomForEach returns an error that names the largest recorded VM, and what it
// needs, if no host could ever run it.
func (s *Scenario) roomForEach(dir string, playbacks []injector.Playback) error {
	if len(playbacks) == 0 {
		return nil
	}
	file := func(r injector.Recorded) string { return path.Join(dir, r.Name+".csv") }
	most := slices.MaxFunc(playbacks, func(a, b injector.Playback) int { return cmp.Compare(a.Record.VCPUs, b.Record.VCPUs) }).Record
	if int(most.VCPUs) > s.Hosts.Cores {
		return settings.Wrong("hosts.cores", "%d cores are too few for the VM of %s, which has %d vCPUs", s.Hosts.Cores, file(most), most.VCPUs)
	}
	most = slices.MaxFunc(playbacks, func(a, b injector.Playback) int { return cmp.Compare(a.Record.Memory, b.Record.Memory) }).Record
	if most.Memory > s.Hosts.Memory {
		return settings.Wrong("hosts.memory", "%v are too little for the VM of %s, which has %v", s.Hosts.Memory, file(most), roundUp(most.Memory))
	}
	return nil
}

// roundUp makes an amount of memory readable.
func roundUp(b cluster.Bytes) cluster.Bytes {
	for _, unit := range []cluster.Bytes{cluster.GiB, cluster.MiB} {
		if b > unit {
			return (b + unit - 1) / unit * unit
		}
	}
	return b
}

// spread places each VM on the node with the least memory in use, the first
// among equals. CPU does not matter: what VMs ask for at the start says little
// about later. It returns the host of each VM, or an error that names the
// first one without a place.
func spread(nodes []cluster.Node, vms []cluster.VM) ([]int32, error) {
	h := make(leastUsed, len(nodes))
	for i := range nodes {
		h[i] = nodeUse{int32(i), 0}
	}
	hosts := make([]int32, len(vms))
	for v, vm := range vms {
		least := &h[0]
		if least.used+vm.Demand.Memory() > nodes[least.node].Capacity.Memory() {
			var all cluster.Bytes
			for _, vm := range vms {
				all += vm.Demand.Memory()
			}
			return nil, fmt.Errorf("%d VMs with %v of memory have no room on %d hosts of %v: no host has %v left for %s",
				len(vms), roundUp(all), len(nodes), nodes[0].Capacity.Memory(), roundUp(vm.Demand.Memory()), vm.Name)
		}
		hosts[v] = least.node
		least.used += vm.Demand.Memory()
		heap.Fix(&h, 0)
	}
	return hosts, nil
}

type nodeUse struct {
	node int32
	used cluster.Bytes
}

// leastUsed is a heap of nodes by memory in use, and then by index.
type leastUsed []nodeUse

func (h leastUsed) Len() int { return len(h) }
func (h leastUsed) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(h[i].used, h[j].used), cmp.Compare(h[i].node, h[j].node)) < 0
}
func (h leastUsed) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

// Push and Pop are there for container/heap; the heap never grows or shrinks.
func (h *leastUsed) Push(x any) { *h = append(*h, x.(nodeUse)) }

// Pop removes the last node.
func (h *leastUsed) Pop() any {
	last := (*h)[len(*h)-1]
	*h = (*h)[:len(*h)-1]
	return last
}
