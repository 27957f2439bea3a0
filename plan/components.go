package plan

import "slices"

// tarjan finds the strongly connected components of a graph of nodes.
//
// Source: R. Tarjan, "Depth-first search and linear graph algorithms", SIAM
// Journal on Computing, 1972, without recursion.
type tarjan struct {
	arcs       []int32 // by node: the first arc from it, as an index into vms
	next       []int32 // by arc: the next one from the same node
	number     []int32 // by node: in order of the first visit, from 1; 0 if it was not visited
	low        []int32 // by node: the lowest number reached from it within its component
	component  []int32 // by node, or none
	size       []int32 // by component
	path, open []int32 // nodes being visited; nodes without a component yet
	visited    int32
}

const none = -1

// components returns the strongly connected components of the graph of nodes
// with an arc from host[v] to goal[v] for each of the VMs: for each node the
// number of its component, and for each component how many nodes it has. They
// are overwritten by the next call.
func (t *tarjan) components(nodes int, vms, host, goal []int32) (component, size []int32) {
	t.number, t.low = zeroed(t.number, nodes), zeroed(t.low, nodes)
	t.arcs, t.component = zeroed(t.arcs, nodes), zeroed(t.component, nodes)
	for n := range t.arcs {
		t.arcs[n], t.component[n] = none, none
	}
	t.next = zeroed(t.next, len(vms))
	for i, v := range slices.Backward(vms) {
		t.next[i] = t.arcs[host[v]]
		t.arcs[host[v]] = int32(i)
	}
	t.size, t.visited = t.size[:0], 0
	for root := range nodes {
		if t.number[root] == 0 {
			t.visit(int32(root))
			t.explore(vms, goal)
		}
	}
	return t.component, t.size
}

func (t *tarjan) visit(n int32) {
	t.visited++
	t.number[n], t.low[n] = t.visited, t.visited
	t.path, t.open = append(t.path, n), append(t.open, n)
}

// explore visits what the nodes of the path lead to.
func (t *tarjan) explore(vms, goal []int32) {
	for len(t.path) > 0 {
		n := t.path[len(t.path)-1]
		if arc := t.arcs[n]; arc != none {
			t.arcs[n] = t.next[arc]
			switch to := goal[vms[arc]]; {
			case t.number[to] == 0:
				t.visit(to)
			case t.component[to] == none:
				t.low[n] = min(t.low[n], t.number[to])
			}
			continue
		}
		t.path = t.path[:len(t.path)-1]
		if len(t.path) > 0 {
			parent := t.path[len(t.path)-1]
			t.low[parent] = min(t.low[parent], t.low[n])
		}
		if t.low[n] == t.number[n] {
			t.close(n)
		}
	}
}

// close makes a component of n and the open nodes after it.
func (t *tarjan) close(n int32) {
	i := len(t.open) - 1
	for t.open[i] != n {
		i--
	}
	for _, member := range t.open[i:] {
		t.component[member] = int32(len(t.size))
	}
	t.size = append(t.size, int32(len(t.open)-i))
	t.open = t.open[:i]
}
