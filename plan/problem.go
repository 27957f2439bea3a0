package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// problem is what a plan is to do. It does not change while one is looked for.
// Nodes and VMs are known by index.
type problem struct {
	c *cluster.Configuration
	// goal is, by VM that is to arrive somewhere, its node; the others' does not matter.
	goal []int32
	// kinds is, by VM with something to do, its action, but for bypasses; nil if all are
	// migrations.
	kinds    []Kind
	leavers  []int32             // VMs that are suspended or stopped, in the order of sort
	movers   []int32             // VMs that arrive somewhere, in the order of sort
	rank     []int32             // by VM with something to do: leavers first, then movers, in order
	aside    []int32             // VMs that stay, but stepped aside in some try; their ranks come last
	ownGoal  bool                // goal is nobody else's
	room     []cluster.Resources // by node: at the start
	arrive   []int32             // by node: how many movers go there
	light    []int32             // movers, least memory first; made when it is needed first
	rules    *rulebook           // nil if there are none
	jobs     *jobs               // nil if no vjobs are to be kept together
	together bool                // suspends are in the first step, whatever that costs
	// maySuspend lets a cycle be broken by a suspend, if nothing else works.
	maySuspend bool
}

// migrates notes that v is to migrate.
func (p *problem) migrates(v int32) error {
	to := p.goal[v]
	if p.c.Host[v] == cluster.Nowhere {
		return fmt.Errorf("VM %q does not run, so it cannot be migrated", p.c.VMs[v].Name)
	}
	if to < 0 || int(to) >= len(p.c.Nodes) {
		return fmt.Errorf("VM %q is to go to node number %d, and there are %d", p.c.VMs[v].Name, to, len(p.c.Nodes))
	}
	p.movers = append(p.movers, v)
	return nil
}

// prepare orders what is to be done, and checks that the goal has room for
// every arrival.
func (p *problem) prepare() error {
	nodes := len(p.c.Nodes)
	slab := make([]cluster.Resources, 2*nodes)
	p.room = slab[:nodes:nodes]
	end := slab[nodes:] // room at the goal
	for n := range p.room {
		p.room[n] = p.c.Nodes[n].Offer()
	}
	for v, h := range p.c.Host {
		if h != cluster.Nowhere {
			p.room[h] = p.room[h].Minus(p.c.VMs[v].Demand)
		}
	}
	copy(end, p.room)
	p.arrive = make([]int32, nodes)
	for _, vms := range [][]int32{p.leavers, p.movers} {
		for _, v := range vms {
			if from := p.c.Host[v]; from != cluster.Nowhere {
				end[from] = end[from].Plus(p.c.VMs[v].Demand)
			}
		}
	}
	for _, v := range p.movers {
		end[p.goal[v]] = end[p.goal[v]].Minus(p.c.VMs[v].Demand)
		p.arrive[p.goal[v]]++
	}
	for _, v := range p.movers {
		to := p.goal[v]
		if state := p.c.Nodes[to].State; state != cluster.Online {
			return fmt.Errorf("VM %q is to go to node %q, which is %v", p.c.VMs[v].Name, p.c.Nodes[to].Name, state)
		}
		if !isRoom(end[to]) {
			return fmt.Errorf("VM %q is to go to node %q, which would be overloaded", p.c.VMs[v].Name, p.c.Nodes[to].Name)
		}
	}
	p.order()
	return nil
}

// isRoom reports whether a difference of resources is negative in none.
func isRoom(r cluster.Resources) bool { return cluster.Resources{}.Within(r) }

func (p *problem) order() {
	p.sort(p.leavers)
	p.sort(p.movers)
	p.rank = make([]int32, len(p.c.VMs))
	for i, v := range p.leavers {
		p.rank[v] = int32(i)
	}
	for i, v := range p.movers {
		p.rank[v] = int32(len(p.leavers) + i)
	}
}

// sort orders VMs by memory, the largest first, and so that the order does not
// depend on which of several interchangeable VMs goes where.
func (p *problem) sort(vms []int32) {
	type entry struct {
		memory         cluster.Bytes
		host, goal, vm int32
	}
	entries := make([]entry, len(vms))
	for i, v := range vms {
		entries[i] = entry{p.memory(v), p.c.Host[v], p.goal[v], v}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := cmp.Or(cmp.Compare(b.memory, a.memory), cmp.Compare(a.host, b.host), cmp.Compare(a.goal, b.goal)); c != 0 {
			return c
		}
		return cmp.Or(slices.Compare(p.c.VMs[b.vm].Demand[:], p.c.VMs[a.vm].Demand[:]), cmp.Compare(a.vm, b.vm))
	})
	for i, e := range entries {
		vms[i] = e.vm
	}
}

// lightest returns the movers, least memory first, and in the order of rank among
// equals.
func (p *problem) lightest() []int32 {
	for end := len(p.movers); end > 0 && len(p.light) < len(p.movers); {
		start := end - 1
		for start > 0 && p.memory(p.movers[start-1]) == p.memory(p.movers[end-1]) {
			start--
		}
		p.light = append(p.light, p.movers[start:end]...)
		end = start
	}
	return p.light
}

func (p *problem) memory(v int32) cluster.Bytes { return p.c.VMs[v].Demand.Memory() }
