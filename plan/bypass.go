package plan

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// cycles is what is known about who waits for whom, in one step.
type cycles struct {
	waiting   []int32 // VMs that run and wait, least memory first
	queued    []bool  // by VM: it waits
	component []int32 // by node: the strongly connected component it is in
	size      []int32 // by component: nodes
	passing   []int32 // by component: VMs that pass by in this step
	moving    []bool  // by component: something other than a bypass may let its VMs go on
	weight    []cluster.Bytes
	spare     []int32             // nodes that may have room for one of the VMs
	least     cluster.Resources   // what each of the VMs asks for, at least
	refused   []cluster.Resources // demands that no spare node has room for
	tarjan    tarjan
}

// stepBypass breaks the cycles in which VMs wait for each other, one bypass in
// each cycle or as many as the policy says. Without eagerness it is called when
// nothing is feasible; with it, those cycles are left alone that something else
// may break.
//
// Somebody waits for a node only if others are still to leave it, as the goal
// has room there. So who follows the VMs from where they are to where they
// wait ends up in a cycle: a strongly connected component of that graph with
// more than one node.
func (m *maker) stepBypass() {
	k, going, begun := &m.cycles, m.going(), len(m.moves)
	m.block()
	if len(k.waiting) == 0 {
		return
	}
	k.component, k.size = k.tarjan.components(len(m.c.Nodes), k.waiting, m.host, m.goal)
	k.passing = zeroed(k.passing, len(k.size))
	if m.policy.eager {
		m.findMoving()
	}
	if m.policy.cheap {
		m.sortByCycle()
	}
	m.findSpare()
	m.pass(true, going)
	if !going && len(m.moves) == begun {
		// A cycle may need two bypasses before somebody can come in.
		m.pass(false, going)
	}
}

// pass starts bypasses: of VMs whose leaving lets another one in, or of any.
// going says that something else starts in this step.
func (m *maker) pass(lets, going bool) {
	k := &m.cycles
	width := int32(1)
	if int(m.step) < len(m.policy.widths) {
		width += int32(m.policy.widths[m.step])
	}
	for _, v := range k.waiting {
		cycle := k.component[m.host[v]]
		switch {
		case m.passed[v] >= m.passes || k.passing[cycle] >= width:
		case !m.loose && (k.size[cycle] < 2 || k.component[m.goal[v]] != cycle):
		case going && m.policy.eager && k.moving[cycle]:
		case m.memory(v) > m.limit():
		case lets && !m.unblocks(v):
		default:
			if n := m.passage(v); n != cluster.Nowhere {
				m.start(v, n, Migrate, true)
				m.passed[v]++
				k.passing[cycle]++
				if !k.least.Within(m.free[n]) {
					k.spare = without(k.spare, n)
				}
			}
		}
	}
}

// block finds the VMs that run and wait, least memory first, and in the order
// of rank among equals.
func (m *maker) block() {
	k := &m.cycles
	k.queued = zeroed(k.queued, len(m.c.VMs))
	for _, vms := range m.waiting {
		for _, v := range vms {
			k.queued[v] = m.host[v] != cluster.Nowhere
		}
	}
	k.waiting = k.waiting[:0]
	for _, vms := range [][]int32{m.lightest(), m.aside} {
		for _, v := range vms {
			if k.queued[v] {
				k.waiting = append(k.waiting, v)
			}
		}
	}
}

// findMoving finds the components that a VM is leaving, or that VMs of wait
// for another component.
func (m *maker) findMoving() {
	k := &m.cycles
	k.moving = zeroed(k.moving, len(k.size))
	for _, a := range m.moves[m.begun:] {
		if from := m.host[a.vm]; from != cluster.Nowhere {
			k.moving[k.component[from]] = true
		}
	}
	for _, v := range k.waiting {
		if from, to := k.component[m.host[v]], k.component[m.goal[v]]; from != to {
			k.moving[from] = true
		}
	}
	for _, n := range m.delayed {
		for _, v := range m.waiting[n] {
			if from := m.host[v]; from != cluster.Nowhere && m.fits(v, n) {
				k.moving[k.component[from]] = true
			}
		}
	}
}

// sortByCycle brings the VMs of the cheapest cycles to the front.
func (m *maker) sortByCycle() {
	k := &m.cycles
	k.weight = zeroed(k.weight, len(k.size))
	for _, v := range k.waiting {
		if cycle := k.component[m.host[v]]; cycle == k.component[m.goal[v]] {
			k.weight[cycle] = max(k.weight[cycle], m.memory(v))
		}
	}
	slices.SortStableFunc(k.waiting, func(a, b int32) int {
		return cmp.Compare(k.weight[k.component[m.host[a]]], k.weight[k.component[m.host[b]]])
	})
}

// unblocks reports whether somebody who waits for the node of v can come once
// v has left.
func (m *maker) unblocks(v int32) bool {
	free := m.free[m.host[v]].Plus(m.c.VMs[v].Demand)
	return slices.ContainsFunc(m.waiting[m.host[v]], func(u int32) bool { return m.c.VMs[u].Demand.Within(free) })
}

// findSpare finds the nodes that may have room for one of the VMs: those that
// nobody waits for first, as nobody is kept waiting longer by a guest there.
func (m *maker) findSpare() {
	k := &m.cycles
	k.least = m.c.VMs[k.waiting[0]].Demand
	for _, v := range k.waiting {
		for r, amount := range m.c.VMs[v].Demand {
			k.least[r] = min(k.least[r], amount)
		}
	}
	k.spare, k.refused = k.spare[:0], k.refused[:0]
	for _, awaited := range []bool{false, true} {
		for n := range m.c.Nodes {
			if m.c.Nodes[n].State == cluster.Online && k.least.Within(m.free[n]) && awaited == (len(m.waiting[n]) > 0) {
				k.spare = append(k.spare, int32(n))
			}
		}
	}
}

// passage returns the node that v can wait on: the first spare one with room, or
// Nowhere. One where no rule is broken for a time comes before the others.
func (m *maker) passage(v int32) int32 {
	const enough = 16 // nodes to look at for one that breaks no rule
	k := &m.cycles
	demand := m.c.VMs[v].Demand
	if slices.ContainsFunc(k.refused, func(r cluster.Resources) bool { return r.Within(demand) }) {
		return cluster.Nowhere
	}
	room, second, looked := m.fits(v, m.host[v]) || m.fits(v, m.goal[v]), cluster.Nowhere, 0
	for _, n := range k.spare {
		if second != cluster.Nowhere && looked >= enough {
			break
		}
		looked++
		switch {
		case n == m.host[v] || n == m.goal[v] || !m.fits(v, n):
			continue
		case m.keeper == nil || m.keeper.hosts(v, n) && m.keeper.likes(v, n):
			return n
		case second == cluster.Nowhere && m.keeper.hosts(v, n):
			second = n
		}
		room = true
	}
	if !room {
		k.refused = append(k.refused, demand)
	}
	return second
}

// stepPark suspends the smallest VM of a cycle, to be resumed on its goal.
func (m *maker) stepPark() bool {
	k := &m.cycles
	for _, lets := range []bool{true, false} {
		for _, v := range k.waiting {
			if !m.loose && k.component[m.host[v]] != k.component[m.goal[v]] || lets && !m.unblocks(v) || m.keeper != nil && !m.keeper.ready(v) {
				continue
			}
			m.start(v, m.host[v], Suspend, true)
			m.park(v)
			return true
		}
	}
	return false
}

// park notes that the image of v is on the node that it runs on.
func (m *maker) park(v int32) {
	if m.parked == nil {
		m.parked = make([]int32, len(m.c.VMs))
		for i := range m.parked {
			m.parked[i] = cluster.Nowhere
		}
	}
	m.parked[v] = m.host[v]
}

// zeroed returns a slice of n zeros, in place of s if that is large enough.
func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}
