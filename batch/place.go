package batch

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/strategy"
)

// Place looks for nodes for the VMs that are wanted running, such that little
// memory moves: VMs stay where they run and resume where their image is, as far
// as there is room. packing is a placement with room for all of them, by VM,
// that knows nothing of where they are; it is the way out if nothing better is
// found.
//
// c is as cluster.Configuration.Validate wants it, with states. The host of a VM
// that is not wanted running is Nowhere.
func Place(c *cluster.Configuration, wanted []cluster.State, packing []int32) []int32 {
	p := placing{c: c, host: make([]int32, len(c.VMs)), free: capacities(c)}
	var arriving []int32
	for v := range c.VMs {
		p.host[v] = cluster.Nowhere
		if wanted[v] != cluster.Running {
			continue
		}
		if n := c.Host[v]; n != cluster.Nowhere {
			p.put(int32(v), n)
		} else {
			arriving = append(arriving, int32(v))
		}
	}
	leaving := p.evict()
	// The first try resumes where the images are, the second wherever there is
	// room: locality is a preference.
	for _, local := range []bool{true, false} {
		try := placing{c: c, host: slices.Clone(p.host), free: slices.Clone(p.free)}
		if try.settle(slices.Concat(leaving, arriving), local) {
			return try.host
		}
	}
	return packing
}

// placing is a placement under construction.
type placing struct {
	c    *cluster.Configuration
	host []int32
	free []cluster.Resources // by node; negative while it is overloaded
}

func capacities(c *cluster.Configuration) []cluster.Resources {
	free := make([]cluster.Resources, len(c.Nodes))
	for n := range c.Nodes {
		free[n] = c.Nodes[n].Offer()
	}
	return free
}

func (p *placing) put(v, n int32) {
	p.host[v] = n
	p.free[n] = p.free[n].Minus(p.c.VMs[v].Demand)
}

// evict takes VMs from overloaded nodes, least memory first, until no node is
// overloaded. It takes none whose leaving does not help.
func (p *placing) evict() (leaving []int32) {
	for n := range p.free {
		var here []int32
		for v, h := range p.host {
			if h == int32(n) {
				here = append(here, int32(v))
			}
		}
		slices.SortStableFunc(here, func(a, b int32) int {
			return cmp.Compare(p.c.VMs[a].Demand.Memory(), p.c.VMs[b].Demand.Memory())
		})
		for _, v := range here {
			lack, over := (cluster.Resources{}).Exceeding(p.free[n])
			if !over {
				break
			}
			if demand := p.c.VMs[v].Demand; demand[lack] > 0 {
				p.host[v] = cluster.Nowhere
				p.free[n] = p.free[n].Plus(demand)
				leaving = append(leaving, v)
			}
		}
	}
	return leaving
}

// settle finds nodes for VMs, on the node of their image first if local is set.
// It reports false if one of them finds none.
func (p *placing) settle(vms []int32, local bool) bool {
	var rest []int32
	for _, v := range vms {
		if image := p.c.ImageOf(v); local && image != cluster.Nowhere && p.c.VMs[v].Demand.Within(p.free[image]) {
			p.put(v, image)
		} else {
			rest = append(rest, v)
		}
	}
	demands := make([]cluster.Resources, len(rest))
	for i, v := range rest {
		demands[i] = p.c.VMs[v].Demand
	}
	host, _, ok := strategy.FirstFitDecreasing(p.free, demands)
	for i, n := range host {
		p.host[rest[i]] = n
	}
	return ok
}
