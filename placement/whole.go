package placement

import "github.com/dvms-project/dvms/cluster"

// small reports whether the whole cluster can be searched.
func (r *repair) small() bool {
	return len(r.c.Nodes) <= searchNodes && len(r.vms[:r.first[len(r.c.Nodes)]]) <= searchVMs
}

// searchAll searches all placements of a small cluster. If landing failed, it
// asks first whether the VMs fit at all: that is proven faster without a
// thought for where they are now.
func (r *repair) searchAll() Answer {
	nodes := make([]int32, len(r.c.Nodes))
	for n := range nodes {
		nodes[n] = int32(n)
	}
	s := newSearch(r, nodes, r.vms[:r.first[len(nodes)]], nil)
	s.enough = max(s.enough, r.bound)
	r.bound = s.enough
	known := cost{memory: infinite}
	if r.stuck > 0 {
		if s.pack((r.limit-r.steps)/4) == cannotPack {
			return Infeasible
		}
		if s.improved {
			known = s.best
		}
		r.annealShortly()
	}
	if now := (cost{r.total(), r.cost.moves}); r.stuck == 0 && now.less(known) {
		known, s.improved = now, false
	}
	r.proven = s.proveOrFind(known)
	r.bound = max(r.bound, s.enough)
	r.take(s)
	switch {
	case r.stuck > 0 && r.proven:
		return Infeasible
	case r.stuck > 0:
		return r.searchParts()
	}
	if r.proven {
		r.bound = r.total()
	}
	if !r.approve() {
		r.proven = false
		return r.searchReachable(nodes)
	}
	if !r.proven {
		return r.searchParts()
	}
	return Viable
}

// proveOrFind looks for the placement of least cost, less than known, with three
// quarters of the budget: a while from the bound upwards, which is fast if the least
// cost is near the bound; a while from known downwards, which finds good
// placements on its way; then upwards again, from where it was. It reports whether
// the memory is proven to be the least, or that there is no placement.
func (s *search) proveOrFind(known cost) bool {
	limit, found := s.limit, s.improved
	defer func() { s.limit, s.improved = limit, s.improved || found }()
	left := limit - s.steps
	s.memoryOnly = true
	s.limit = s.steps + left/8
	if s.deepen(known) {
		s.lookForFewer(limit)
		return true
	}
	if s.improved && s.adopted.less(known) {
		known = s.adopted
	}
	s.limit = s.steps + left/4
	s.best = known
	if s.run() {
		return true
	}
	if s.best.less(known) {
		known = s.best
	}
	s.limit = min(limit, s.steps+left*3/8)
	return s.deepen(known)
}

// fewerSteps is how long fewer moves are looked for at least.
const fewerSteps = 10_000

// lookForFewer looks for fewer moves of as much memory as the best placement, which
// has the least, for about as long as the search has taken.
func (s *search) lookForFewer(limit int) {
	if s.best.memory >= infinite || s.best.moves <= 1 {
		return
	}
	s.limit = min(limit, 2*s.steps+fewerSteps)
	s.enough, s.memoryOnly = -1, false
	s.run()
	s.enough = s.best.memory
}

// take puts the VMs where a search of the whole cluster found room, if it did.
func (r *repair) take(s *search) {
	if !s.improved {
		s.enterBook(func(i int) int32 { return r.counting(s.vms[i]) })
		return
	}
	for i, v := range s.vms {
		r.move(v, s.hostOf(r.c, i, s.bestOn))
	}
	r.stuck, r.refused = 0, false
	if r.reached == 0 && (r.ask == nil || s.reach != nil) {
		r.reached = s.reached
	}
}

// counting returns where v counts in the book under host.
func (r *repair) counting(v int32) int32 {
	if r.host[v] == r.lobby {
		return cluster.Nowhere
	}
	return r.host[v]
}

// hostOf returns the node of VM number i of the search in c under on.
func (s *search) hostOf(c *cluster.Configuration, i int, on []int32) int32 {
	if on[i] == unplaced {
		return c.Host[s.vms[i]]
	}
	return s.nodes[on[i]]
}

// homeward returns the placement of a packing after its bins have been dealt
// to nodes, and equal VMs among each other, so that many VMs stay at home.
// on is a viable placement.
func (s *search) homeward(on []int32) (placement []int32, total cost) {
	count := len(s.nodes)
	want := make([]int32, s.kinds*count) // by kind and bin: VMs in the bin
	have := make([]int32, s.kinds*count) // by kind and node: VMs at home
	for v, n := range on {
		want[int(s.kind[v])*count+int(n)]++
		if s.home[v] != homeless {
			have[int(s.kind[v])*count+int(s.home[v])]++
		}
	}
	node := s.dealBins(want, have)
	placement = make([]int32, len(on))
	for v, h := range s.home {
		placement[v] = unplaced
		if h == homeless {
			continue
		}
		for bin, n := range node {
			if left := &want[int(s.kind[v])*count+bin]; n == h && *left > 0 {
				*left--
				placement[v] = h
			}
		}
	}
	for v := range placement {
		if placement[v] != unplaced {
			continue
		}
		bin := 0
		for want[int(s.kind[v])*count+bin] == 0 {
			bin++
		}
		want[int(s.kind[v])*count+bin]--
		placement[v] = node[bin]
		if s.home[v] != homeless {
			total = total.plus(s.weight[v])
		}
	}
	return placement, total
}

// dealBins returns the node of each bin: again and again the pair of equal
// capacity that keeps most memory at home.
func (s *search) dealBins(want, have []int32) []int32 {
	count := len(s.nodes)
	memory := make([]int64, s.kinds)
	for v, k := range s.kind {
		memory[k] = s.demand[v][cluster.Memory]
	}
	kept := func(bin, n int) (sum int64) {
		for k, m := range memory {
			sum += m * int64(min(want[k*count+bin], have[k*count+n]))
		}
		return sum
	}
	node := make([]int32, count)
	for bin := range node {
		node[bin] = cluster.Nowhere
	}
	dealt := make([]bool, count)
	for range node {
		bestBin, bestNode, most := 0, 0, int64(-1)
		for bin := range node {
			for n := range dealt {
				if node[bin] != cluster.Nowhere || dealt[n] || s.capacity[bin] != s.capacity[n] {
					continue
				}
				if k := kept(bin, n); k > most {
					bestBin, bestNode, most = bin, n, k
				}
			}
		}
		node[bestBin], dealt[bestNode] = int32(bestNode), true
	}
	return node
}
