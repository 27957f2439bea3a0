package snapshot

// numbered reads texts in which nodes and VMs have numbers. They are known by
// their digits.
type numbered struct {
	*text
	nodes, vms map[string]int32
	alike      map[written][]int32
}

// written is how a list of nodes or VMs is written. Many rules name the same
// nodes.
type written struct{ what, numbers string }

func (t *text) numbered() numbered {
	return numbered{t, map[string]int32{}, map[string]int32{}, map[written][]int32{}}
}

// members reads a list of ids of VMs or nodes, as indices in ascending order. Lists that are
// written alike share their memory.
func (n *numbered) members(of value, at place, key, what string) []int32 {
	v, ok := n.need(of, at, key)
	if !ok {
		return nil
	}
	return n.indices(v, at.in(key), what)
}

func (n *numbered) indices(v value, at place, what string) []int32 {
	if !n.isList(v, at) {
		return nil
	}
	if known, ok := n.alike[written{what, v.numbers}]; ok {
		return known
	}
	among := n.nodes
	if what == "VM" {
		among = n.vms
	}
	mistakes := len(n.mistakes)
	indices := []int32{}
	for _, id := range v.elements() {
		i, ok := among[id.text]
		if !ok || id.kind != number {
			n.wrong(id, at, "there is no %s %s", what, id)
			continue
		}
		indices = append(indices, i)
	}
	if !ascending(indices) {
		n.wrong(v, at, "it names a %s twice", what)
	}
	if len(n.mistakes) == mistakes && v.numbers != "" {
		n.alike[written{what, v.numbers}] = indices
	}
	return indices
}

// lists reads a list of lists of ids.
func (n *numbered) lists(of value, at place, key, what string) [][]int32 {
	v, ok := n.need(of, at, key)
	if !ok {
		return nil
	}
	return n.parts(v, at.in(key), func(v value, at place) []int32 { return n.indices(v, at, what) })
}
