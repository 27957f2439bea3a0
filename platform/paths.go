package platform

import "math"

// paths finds shortest paths in the graph of a zone's children, by the number
// of links. It keeps, for a child where paths begin, the tree of them: of each
// other child the one before it, or -1.
type paths struct {
	trees [][]int32 // by slot; nil if not computed
	kept  []int32   // of Dijkstra: slots with a tree, the oldest first
	next  int       // of kept to be replaced
	room  int       // for trees to be kept, in entries
}

// roomForTrees is what the trees of a zone with Dijkstra routing may take, in
// entries of 4 bytes.
const roomForTrees = 1 << 24

// path appends the shortest path from a, in child ca of the zone, to b, in
// child cb.
func (w *walk) path(z, a, ca, b, cb int32) bool {
	r := w.router
	zone := &r.zones[z]
	from, to := r.slot[ca], r.slot[cb]
	if zone.paths.trees[from] == nil {
		zone.keep(from, zone.dijkstra(r, from))
	}
	tree := zone.paths.trees[from]
	if tree[to] < 0 {
		return w.lost(z, ca, cb)
	}
	at, ok := w.steps(zone, tree, from, to, a)
	return ok && (at == b || w.between(at, b))
}

// steps appends the path from child from, where it begins at point a, to child
// to. It returns the gateway where it ends.
func (w *walk) steps(zone *zone, tree []int32, from, to, a int32) (at int32, ok bool) {
	before := tree[to]
	if before != from {
		if a, ok = w.steps(zone, tree, from, before, a); !ok {
			return 0, false
		}
	}
	way := zone.edges.find(before, to)
	return w.router.ways[way].to, w.onto(a, way)
}

// keep keeps a tree, and forgets the oldest if there are too many.
func (z *zone) keep(from int32, tree []int32) {
	p := &z.paths
	if most := max(1, p.room/len(tree)); len(p.kept) < most {
		p.kept = append(p.kept, from)
	} else {
		p.trees[p.kept[p.next]] = nil
		p.kept[p.next] = from
		p.next = (p.next + 1) % most
	}
	p.trees[from] = tree
}

// endless is more than any path has links, and twice that is a number yet.
const endless = math.MaxInt32 / 2

// floyd computes all trees [2].
func (z *zone) floyd(r *Router) {
	n := int(z.size)
	z.paths.trees = make([][]int32, n)
	cost := make([]int32, n*n)
	for i := range cost {
		cost[i] = endless
	}
	for i := range z.paths.trees {
		z.paths.trees[i] = make([]int32, n)
		for j := range n {
			z.paths.trees[i][j] = -1
		}
	}
	for _, e := range z.edges {
		cost[int(e.from)*n+int(e.to)] = r.ways[e.way].n
		z.paths.trees[e.from][e.to] = e.from
	}
	for k := range n {
		over, through := cost[k*n:k*n+n], z.paths.trees[k]
		for i := range n {
			first := cost[i*n+k]
			if first == endless || i == k {
				continue
			}
			// Of the same length, so that the compiler sees it.
			row, tree := cost[i*n : i*n+n][:len(over)], z.paths.trees[i][:len(over)]
			through := through[:len(over)]
			for j, rest := range over {
				if first+rest < row[j] {
					row[j] = first + rest
					tree[j] = through[j]
				}
			}
		}
	}
}

// dijkstra computes the tree of the paths that begin at a child [3].
func (z *zone) dijkstra(r *Router, from int32) []int32 {
	n := int(z.size)
	before, cost := make([]int32, n), make([]int32, n)
	for i := range n {
		before[i], cost[i] = -1, math.MaxInt32
	}
	cost[from] = 0
	open := nearest{{0, from}}
	for len(open) > 0 {
		here := open.pop()
		if here.cost > cost[here.slot] {
			continue
		}
		for _, e := range z.edges.of(here.slot) {
			switch sum := here.cost + r.ways[e.way].n; {
			case sum < cost[e.to]:
				cost[e.to], before[e.to] = sum, here.slot
				open.push(reached{sum, e.to})
			case sum == cost[e.to] && here.slot < before[e.to]:
				before[e.to] = here.slot
			}
		}
	}
	return before
}

// reached is a child and how many links lead to it.
type reached struct{ cost, slot int32 }

// nearest is a binary heap.
type nearest []reached

func (h *nearest) push(x reached) {
	*h = append(*h, x)
	s := *h
	for i := len(s) - 1; i > 0; {
		up := (i - 1) / 2
		if s[up].cost <= s[i].cost {
			break
		}
		s[up], s[i] = s[i], s[up]
		i = up
	}
}

func (h *nearest) pop() reached {
	s := *h
	top, last := s[0], len(s)-1
	s[0] = s[last]
	*h = s[:last]
	s = s[:last]
	for i := 0; ; {
		least := i
		for _, down := range [...]int{2*i + 1, 2*i + 2} {
			if down < len(s) && s[down].cost < s[least].cost {
				least = down
			}
		}
		if least == i {
			return top
		}
		s[i], s[least] = s[least], s[i]
		i = least
	}
}
