package bench

import (
	"cmp"
	"math"
	"slices"
)

// drawing is an instance that is being drawn. The order of draws is part of what
// a name stands for.
type drawing struct {
	*Instance
	*random
}

// reserved is what the host itself keeps of its CPU: a core.
const reserved = 100

// mixed is the memory of VMs, in MiB: 1.45 GiB on average.
var mixed = []choice[int]{{512, 5}, {1024, 8}, {2048, 5}, {4096, 2}}

// law is how VMs of one virtual CPU are drawn: so many on each node, with a load
// in percent that is normal and rounded to steps.
type law struct {
	perNode   int
	mean      float64
	step      int
	memory    []choice[int]
	deviation float64
}

// load draws what a VM of so many virtual CPUs asks for: all of them have one load.
func (d *drawing) load(mean, deviation float64, step, vcpus int) int {
	percent := int(math.Floor(d.normal(mean, deviation)/float64(step)+0.5)) * step
	return max(0, min(100, percent)) * vcpus
}

// equal draws nodes of 8 cores and 32 GiB.
func (d *drawing) equal(l law) {
	d.Nodes, d.VMs = d.Nodes[:0], d.VMs[:0]
	for n := range d.Spec.Nodes {
		d.Nodes = append(d.Nodes, Node{800 - reserved, 32768})
		for range l.perNode {
			cpu := d.load(l.mean, l.deviation, l.step, 1)
			d.VMs = append(d.VMs, VM{cpu, weighted(d.random, l.memory), running, n})
		}
	}
}

// unequal draws nodes of 8, 16 and 24 cores, and fills them with VMs of 1 to 8
// virtual CPUs to about a share of their CPU, or until their memory is full.
func (d *drawing) unequal(fill float64) {
	d.Nodes, d.VMs = d.Nodes[:0], d.VMs[:0]
	for n := range d.Spec.Nodes {
		node := weighted(d.random, []choice[Node]{{Node{8, 32768}, 12}, {Node{16, 65536}, 5}, {Node{24, 131072}, 3}})
		node.CPU = node.CPU*100 - reserved
		d.Nodes = append(d.Nodes, node)
		d.fill(n, float64((fill+d.normal(0, 0.07))*float64(node.CPU)))
	}
}

// fill puts VMs on node n until the next one is too large.
func (d *drawing) fill(n int, most float64) {
	cpu, memory := 0, 0
	for {
		vcpus := weighted(d.random, []choice[int]{{1, 10}, {2, 6}, {4, 3}, {8, 1}})
		vm := VM{Memory: 1024 * vcpus * weighted(d.random, []choice[int]{{1, 3}, {2, 3}, {4, 2}}), State: running, Host: n}
		vm.CPU = d.load(60, 20, 5, vcpus)
		if memory+vm.Memory > d.Nodes[n].Memory || float64(cpu+vm.CPU) > most {
			return
		}
		cpu, memory = cpu+vm.CPU, memory+vm.Memory
		d.VMs = append(d.VMs, vm)
	}
}

// drift raises the load of a quarter of the VMs by 30 %.
func (d *drawing) drift() {
	for v := range d.VMs {
		if d.below(100) < 25 {
			d.VMs[v].CPU = min(d.VMs[v].CPU*13/10, 800)
		}
	}
}

// repairLaws are the laws of nodes that are all equal: about 84, 94 and 97.5 %
// of the CPU are asked for.
var repairLaws = map[string]law{
	"thesis": {10, 60, 10, []choice[int]{{1024, 1}}, 20},
	"tight":  {10, 66, 5, mixed, 20},
	"brim":   {10, 69.5, 5, mixed, 20},
}

// repair draws clusters until a node is overloaded and 1.5 % of the CPU is free.
func (d *drawing) repair() {
	for {
		if d.Tier == "hetero" {
			d.unequal(0.93)
			d.drift()
		} else {
			d.equal(known(repairLaws, d.Tier))
		}
		asked, offered := d.cpu()
		if d.isOverloaded() && float64(asked) <= float64(0.985*float64(offered)) {
			break
		}
	}
	d.constrain(20)
}

// known is laws[tier], which there is.
func known(laws map[string]law, tier string) law {
	l, ok := laws[tier]
	if !ok {
		panic("bench: there is no tier " + tier)
	}
	return l
}

func (d *drawing) cpu() (asked, offered int) {
	for _, v := range d.VMs {
		asked += v.CPU
	}
	for _, n := range d.Nodes {
		offered += n.CPU
	}
	return asked, offered
}

func (d *drawing) isOverloaded() bool {
	use := make([]Node, len(d.Nodes))
	for _, v := range d.VMs {
		use[v.Host].CPU += v.CPU
		use[v.Host].Memory += v.Memory
	}
	for n, u := range use {
		if u.CPU > d.Nodes[n].CPU || u.Memory > d.Nodes[n].Memory {
			return true
		}
	}
	return false
}

// consolidateLaws are laws under which CPU, or memory, decides how many nodes are
// needed.
var consolidateLaws = map[string]law{
	"half": {10, 30, 5, mixed, 20},
	"mem":  {7, 30, 5, []choice[int]{{1024, 3}, {2048, 4}, {3072, 3}, {4096, 3}, {6144, 1}}, 20},
}

func (d *drawing) consolidate() {
	d.equal(known(consolidateLaws, d.Tier))
	d.constrain(0)
}

// drainLaws ask for 64 and 80 % of the CPU.
var drainLaws = map[string]law{
	"easy":  {10, 45, 5, mixed, 20},
	"tight": {10, 56, 5, mixed, 20},
}

// drain draws a cluster of which a tenth of the nodes is to be emptied.
func (d *drawing) drain() {
	d.equal(known(drainLaws, d.Tier))
	d.constrain(0)
	d.Drain = sorted(sample(d.random, upTo(len(d.Nodes)), max(1, len(d.Nodes)/10)))
}

func upTo(n int) []int {
	list := make([]int, n)
	for i := range list {
		list[i] = i
	}
	return list
}

// switching draws vjobs of 9 VMs on nodes with 2 processing units and 3.5 GiB, the
// cluster of the thesis scaled, whose demand has risen since they were let in.
// Which of them are to run is for a queue in a new order to say, first come first
// served.
func (d *drawing) switching() {
	if d.Tier != "nas" {
		panic("bench: there is no tier " + d.Tier)
	}
	for range d.Spec.Nodes {
		d.Nodes = append(d.Nodes, Node{200, 3584})
	}
	for range max(2, d.Spec.Nodes*8/11) {
		memory := []int{512, 512, 1024, 1024, 2048}[d.below(5)]
		job := VJob{State: waiting}
		for range 9 {
			job.VMs = append(job.VMs, len(d.VMs))
			d.VMs = append(d.VMs, VM{0, memory, waiting, nowhere})
		}
		d.VJobs = append(d.VJobs, job)
	}
	d.admit()
	d.demand([]choice[int]{{10, 3}, {50, 1}, {100, 6}})
	d.queue()
	for _, job := range d.VJobs {
		if job.Wanted != job.State {
			for _, v := range job.VMs {
				d.Wanted = append(d.Wanted, Wish{v, job.Wanted})
			}
		}
	}
	if !d.Constrained {
		return
	}
	for _, job := range d.VJobs {
		if job.Wanted == running && d.below(3) == 0 { // a front end on two nodes
			d.Rules = append(d.Rules, Rule{Kind: "spread", VMs: sorted(sample(d.random, slices.Clone(job.VMs), 2))})
		}
	}
}

// demand draws what each VM asks for.
func (d *drawing) demand(law []choice[int]) {
	for v := range d.VMs {
		d.VMs[v].CPU = weighted(d.random, law)
	}
}

// admit starts vjobs at their low demand, and suspends some.
func (d *drawing) admit() {
	d.demand([]choice[int]{{10, 6}, {50, 1}, {100, 3}})
	free := slices.Clone(d.Nodes)
	for j := range d.VJobs {
		job := &d.VJobs[j]
		roll := d.below(10)
		var hosts []int
		if roll < 8 {
			hosts = d.firstFit(job.VMs, free)
		}
		switch {
		case hosts != nil:
			job.State = running
			for i, v := range job.VMs {
				d.VMs[v].State, d.VMs[v].Host = running, hosts[i]
			}
		case roll >= 5 && j < len(d.VJobs)*3/4:
			job.State = sleeping
			for _, v := range job.VMs {
				d.VMs[v].State, d.VMs[v].Host = sleeping, d.below(len(d.Nodes))
			}
		}
	}
}

// queue ends some vjobs, and says which of the others are to run.
func (d *drawing) queue() {
	var line []int
	for j := range d.VJobs {
		if d.VJobs[j].State == running && d.below(10) < 2 {
			d.VJobs[j].Wanted = terminated
		} else {
			line = append(line, j)
		}
	}
	shuffle(d.random, line)
	free := slices.Clone(d.Nodes)
	for _, j := range line {
		job := &d.VJobs[j]
		switch {
		case d.firstFit(job.VMs, free) != nil:
			job.Wanted = running
		case job.State == waiting:
			job.Wanted = waiting
		default:
			job.Wanted = sleeping
		}
	}
}

// firstFit places VMs where there is room, the largest first, and takes that from
// free. It returns the node of each, or nil if one finds none.
func (d *drawing) firstFit(vms []int, free []Node) []int {
	order := upTo(len(vms))
	slices.SortStableFunc(order, func(a, b int) int {
		x, y := d.VMs[vms[a]], d.VMs[vms[b]]
		return cmp.Or(cmp.Compare(y.Memory, x.Memory), cmp.Compare(y.CPU, x.CPU))
	})
	hosts := make([]int, len(vms))
	for done, i := range order {
		vm := d.VMs[vms[i]]
		n := slices.IndexFunc(free, func(n Node) bool { return n.CPU >= vm.CPU && n.Memory >= vm.Memory })
		if n < 0 {
			for _, i := range order[:done] {
				free[hosts[i]].CPU += d.VMs[vms[i]].CPU
				free[hosts[i]].Memory += d.VMs[vms[i]].Memory
			}
			return nil
		}
		free[n].CPU -= vm.CPU
		free[n].Memory -= vm.Memory
		hosts[i] = n
	}
	return hosts
}

// cycle draws groups of full nodes, in each of which a VM is to go from every node
// to the next one, and a small node for each two groups that can take one VM in.
func (d *drawing) cycle() {
	size, ok := map[string]int{"2": 2, "3": 3, "5": 5}[d.Tier]
	if !ok {
		panic("bench: there is no tier " + d.Tier)
	}
	groups := max(1, d.Spec.Nodes/(size+1))
	for range groups {
		d.ring(size)
	}
	for range max(1, groups/2) {
		d.Nodes = append(d.Nodes, Node{100, 3072})
	}
}

func (d *drawing) ring(size int) {
	base := len(d.Nodes)
	for range size {
		d.Nodes = append(d.Nodes, Node{200, 6144})
	}
	fence := func(v, n int) {
		d.Rules = append(d.Rules, Rule{Kind: "fence", VMs: []int{v}, Nodes: []int{n}})
	}
	var movers []int
	for n := base; n < base+size; n++ {
		movers = append(movers, len(d.VMs))
		d.VMs = append(d.VMs, VM{100, 1024 * (1 + d.below(3)), running, n}, VM{100, 3072, running, n})
		fence(len(d.VMs)-1, n)
	}
	for i, v := range movers {
		fence(v, base+(i+1)%size)
	}
}
