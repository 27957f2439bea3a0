package plan

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// stepBypass breaks the cycles in which VMs wait for each other, one bypass in
// each cycle. It is called when no migration is feasible. It reports false if
// no VM can be passed by.
//
// Somebody waits for a node only if others are still to leave it, as the goal
// has room there. So who follows the VMs from where they are to where they
// wait ends up in a cycle: a strongly connected component of that graph with
// more than one node.
func (m *maker) stepBypass() bool {
	waiting := m.blocked()
	component, size := components(len(m.c.Nodes), waiting, m.host, m.goal)
	broken := make(map[int32]bool) // components with a bypass in this step
	spare := m.spare(waiting)
	// The first round asks for a bypass that lets another VM in; a cycle may
	// need two bypasses before somebody can come in.
	for _, direct := range []bool{true, false} {
		for _, v := range waiting {
			cycle := component[m.host[v]]
			if m.passed[v] || broken[cycle] || size[cycle] < 2 || component[m.goal[v]] != cycle {
				continue
			}
			if direct && !m.unblocks(v) {
				continue
			}
			if n := m.passage(v, spare); n != cluster.Nowhere {
				m.start(v, n)
				m.passed[v], broken[cycle] = true, true
			}
		}
		if len(m.moves) > m.begun {
			return true
		}
	}
	return false
}

// blocked returns the VMs that wait, least memory first.
func (m *maker) blocked() []int32 {
	blocked := make([]int32, 0, m.left)
	for _, vms := range m.waiting {
		blocked = append(blocked, vms...)
	}
	slices.SortFunc(blocked, func(a, b int32) int {
		return cmp.Or(cmp.Compare(m.memory(a), m.memory(b)), cmp.Compare(m.rank[a], m.rank[b]))
	})
	return blocked
}

// unblocks reports whether somebody who waits for the node of v can come once
// v has left.
func (m *maker) unblocks(v int32) bool {
	free := m.free[m.host[v]].Plus(m.c.VMs[v].Demand)
	return slices.ContainsFunc(m.waiting[m.host[v]], func(u int32) bool { return m.c.VMs[u].Demand.Within(free) })
}

// spare returns the nodes that may have room for one of the VMs: those that
// nobody waits for first, as nobody is kept waiting longer by a guest there.
func (m *maker) spare(vms []int32) []int32 {
	least := m.c.VMs[vms[0]].Demand
	for _, v := range vms {
		for r, amount := range m.c.VMs[v].Demand {
			least[r] = min(least[r], amount)
		}
	}
	var awaited, spare []int32
	for n := range m.c.Nodes {
		switch {
		case !least.Within(m.free[n]):
		case len(m.waiting[n]) > 0:
			awaited = append(awaited, int32(n))
		default:
			spare = append(spare, int32(n))
		}
	}
	return append(spare, awaited...)
}

// passage returns the node among spare that v can wait on: the first with
// room, or Nowhere. It is not the goal of v, which has no room, or v would not
// wait.
func (m *maker) passage(v int32, spare []int32) int32 {
	for _, n := range spare {
		if n != m.host[v] && m.fits(v, n) {
			return n
		}
	}
	return cluster.Nowhere
}

// components returns the strongly connected components of the graph of nodes
// with an arc from host[v] to goal[v] for each of the VMs: for each node the
// number of its component, and for each component how many nodes it has.
//
// Source: R. Tarjan, "Depth-first search and linear graph algorithms", SIAM
// Journal on Computing, 1972, without recursion.
func components(nodes int, vms, host, goal []int32) (component, size []int32) {
	arcs := make([][]int32, nodes)
	for _, v := range vms {
		arcs[host[v]] = append(arcs[host[v]], goal[v])
	}
	const unseen = -1
	number := make([]int32, nodes) // by node: in order of the first visit
	low := make([]int32, nodes)    // by node: the lowest number reached from it within its component
	next := make([]int, nodes)     // by node: the arc to follow next
	component = make([]int32, nodes)
	for n := range number {
		number[n], component[n] = unseen, unseen
	}
	var path, open []int32 // nodes being visited; nodes without a component yet
	visited := int32(0)
	visit := func(n int32) {
		number[n], low[n] = visited, visited
		visited++
		path, open = append(path, n), append(open, n)
	}
	for root := range nodes {
		if number[root] == unseen {
			visit(int32(root))
		}
		for len(path) > 0 {
			n := path[len(path)-1]
			if next[n] < len(arcs[n]) {
				to := arcs[n][next[n]]
				next[n]++
				if number[to] == unseen {
					visit(to)
				} else if component[to] == unseen {
					low[n] = min(low[n], number[to])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := path[len(path)-1]
				low[parent] = min(low[parent], low[n])
			}
			if low[n] == number[n] {
				i := slices.Index(open, n)
				for _, member := range open[i:] {
					component[member] = int32(len(size))
				}
				size = append(size, int32(len(open)-i))
				open = open[:i]
			}
		}
	}
	return component, size
}
