package bench

import "slices"

// ruling draws the rules of an instance.
type ruling struct {
	drawing
	free []int // VMs in random order, taken from the end; some have rules
	used []bool
	on   [][]int // by node: its VMs
	left int     // VMs that may still get rules
}

// constrain gives rules to about 40 % of the VMs, as those have that must be
// available: they are kept at the start, but for a share in thousandths. It
// does nothing if the instance is to have none.
func (d *drawing) constrain(broken int) {
	if !d.Constrained {
		return
	}
	r := ruling{*d, upTo(len(d.VMs)), make([]bool, len(d.VMs)), make([][]int, len(d.Nodes)), max(2, len(d.VMs)*4/10)}
	for v, vm := range d.VMs {
		r.on[vm.Host] = append(r.on[vm.Host], v)
	}
	shuffle(r.random, r.free)
	for r.left > 0 && len(r.free) > 0 {
		kind := weighted(r.random, []choice[func(int, bool)]{{r.spread, 9}, {r.gather, 2}, {r.ban, 4}, {r.fence, 4}})
		bad := r.below(1000) < broken
		v := r.free[len(r.free)-1]
		r.free = r.free[:len(r.free)-1]
		if !r.used[v] {
			kind(v, bad)
		}
	}
}

// add adds a rule, and counts what VMs it uses up.
func (r *ruling) add(kind string, vms, nodes []int) {
	for _, v := range vms {
		r.used[v] = true
	}
	r.left -= len(vms)
	r.Rules = append(r.Rules, Rule{kind, vms, nodes})
}

// mates returns the VMs on the node of v that have no rule, without v.
func (r *ruling) mates(v int) []int {
	var mates []int
	for _, m := range r.on[r.VMs[v].Host] {
		if m != v && !r.used[m] {
			mates = append(mates, m)
		}
	}
	return mates
}

// spread keeps v and up to three others apart. If it is to be broken, one of them
// is on the same node.
func (r *ruling) spread(v int, bad bool) {
	size := min(2+r.below(3), len(r.Nodes))
	group, hosts := []int{v}, []int{r.VMs[v].Host}
	if bad {
		if mates := r.mates(v); len(mates) > 0 {
			group = append(group, mates[r.below(len(mates))])
		}
	}
	for tries := 0; len(group) < size && len(r.free) > 0 && tries < 30; tries++ {
		x := r.free[r.below(len(r.free))]
		if r.used[x] || slices.Contains(group, x) || slices.Contains(hosts, r.VMs[x].Host) {
			continue
		}
		group, hosts = append(group, x), append(hosts, r.VMs[x].Host)
	}
	if len(group) > 1 {
		r.add("spread", sorted(group), nil)
	}
}

// gather keeps v together with a VM beside it, if both are small.
func (r *ruling) gather(v int, _ bool) {
	var small []int
	for _, m := range r.mates(v) {
		if r.VMs[m].CPU+r.VMs[v].CPU <= 150 && r.VMs[m].Memory+r.VMs[v].Memory <= 8192 {
			small = append(small, m)
		}
	}
	if len(small) > 0 {
		r.add("gather", sorted([]int{v, small[r.below(len(small))]}), nil)
	}
}

// ban keeps v off a twentieth of the nodes.
func (r *ruling) ban(v int, bad bool) {
	size := max(1, len(r.Nodes)/20)
	var nodes []int
	for _, n := range sample(r.random, upTo(len(r.Nodes)), size+1) {
		if n != r.VMs[v].Host && len(nodes) < size {
			nodes = append(nodes, n)
		}
	}
	if bad {
		nodes[0] = r.VMs[v].Host
	}
	if len(nodes) < len(r.Nodes) {
		r.add("ban", []int{v}, sorted(nodes))
	}
}

// fence keeps v in one of four quarters of the nodes, if there are 8 or more.
func (r *ruling) fence(v int, bad bool) {
	quarter := func(n int) int { return n * 4 / len(r.Nodes) }
	q := quarter(r.VMs[v].Host)
	if bad {
		q = (q + 1 + r.below(3)) % 4
	}
	var nodes []int
	for n := range r.Nodes {
		if quarter(n) == q {
			nodes = append(nodes, n)
		}
	}
	if len(r.Nodes) >= 8 && len(nodes) > 0 {
		r.add("fence", []int{v}, nodes)
	}
}
