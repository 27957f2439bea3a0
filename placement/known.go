package placement

import "github.com/dvms-project/dvms/cluster"

// Known is what a call of Solve that found no placement knew about its nodes and
// VMs: what they offer and ask for together, and the covers of the nodes that are
// overloaded. Covers depend on nothing but the node and, if several are equally
// good, on which resource is scarce.
type Known struct {
	nodes, vms     int
	asked, offered cluster.Resources
	scarce         cluster.Resource
	over           []int32
	covers         []cover
	chosen         []int32 // the VMs of the covers, one cover after the other
}

// short tells without a look at what is known whether the nodes of c offer less
// than its VMs ask for together. c has all the nodes and VMs that are known, and
// others after them.
func (k *Known) short(c *cluster.Configuration) (Result, bool) {
	more := *k
	more.add(c)
	r := Result{Answer: Infeasible, Steps: more.nodes - k.nodes + more.vms - k.vms, Known: &more}
	for d := range more.asked {
		if more.asked[d] > more.offered[d] {
			r.Rejected[d]++
		}
	}
	return r, r.Rejected != Rejections{}
}

// add counts the nodes and VMs of c that are not known.
func (k *Known) add(c *cluster.Configuration) {
	for n := k.nodes; n < len(c.Nodes); n++ {
		k.offered = k.offered.Plus(c.Nodes[n].Offer())
	}
	for v := k.vms; v < len(c.VMs); v++ {
		if c.Host[v] != cluster.Nowhere {
			k.asked = k.asked.Plus(c.VMs[v].Demand)
		}
	}
	k.nodes, k.vms = len(c.Nodes), len(c.VMs)
}

// known returns what a later call may want to know, or nil if rules or states make
// that of no use.
func (r *repair) known() *Known {
	if !r.problem.isPlain() || r.closed != nil {
		return nil
	}
	k := &Known{scarce: r.scarce, over: r.over, covers: r.covers, chosen: r.chosen}
	if before := r.problem.Known; before != nil {
		k.nodes, k.vms, k.asked, k.offered = before.nodes, before.vms, before.asked, before.offered
	}
	k.add(r.c)
	return k
}

// coversFor returns the part of k that holds for r.
func (k *Known) coversFor(r *repair) Known {
	if k == nil || r.book != nil || k.scarce != r.scarce || len(k.covers) == 0 {
		return Known{}
	}
	return *k
}

// next returns the cover of overloaded node n, which comes after those asked for
// before, and leaves its VMs in chosen.
func (k *Known) next(n int32, e *eviction) (c cover, ok bool) {
	if len(k.over) == 0 || k.over[0] != n {
		return cover{}, false
	}
	c = k.covers[0]
	e.chosen = append(e.chosen[:0], k.chosen[:c.moves]...)
	k.over, k.covers, k.chosen = k.over[1:], k.covers[1:], k.chosen[c.moves:]
	return c, true
}
