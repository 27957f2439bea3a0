package placement

import "github.com/dvms-project/dvms/cluster"

// small reports whether the whole cluster can be searched.
func (r *repair) small() bool {
	return len(r.c.Nodes) <= searchNodes && len(r.vms[:r.first[len(r.c.Nodes)]]) <= searchVMs
}

// Each stage of the search of a whole cluster may take stageGrowth times as many
// steps as the one before. The first one ends most searches.
const (
	firstStage  = 4096
	stageGrowth = 16
)

// searchAll searches all placements of a small cluster, in stages. In each, if no
// placement is known, it asks first whether the VMs fit at all, which is proven
// faster without a thought for where they are now, and anneals. Then it looks a
// while from the bound upwards, which is fast if the least cost is near the bound, and
// a while from the best known placement downwards, which finds good ones on its way.
func (r *repair) searchAll() Answer {
	nodes := make([]int32, len(r.c.Nodes))
	for n := range nodes {
		nodes[n] = int32(n)
	}
	s := newSearch(r, nodes, r.vms[:r.first[len(nodes)]], nil)
	s.enough = max(s.enough, r.bound)
	s.memoryOnly = true
	known := r.lower(cost{memory: infinite})
	fit := r.stuck == 0
	limit, start := r.limit, r.steps
	end := r.steps + (limit-r.steps)/4*3
	for stage := firstStage; !r.proven && r.steps < end; stage *= stageGrowth {
		if !fit {
			answer := s.pack(min(stage, end-r.steps))
			r.reenter(s)
			switch answer {
			case cannotPack:
				return Infeasible
			case canPack:
				fit = true
			case undecided:
			}
			known = s.lower(known)
		}
		r.limit = min(end, r.steps+stage/2)
		r.annealIfStuck()
		known = r.lower(known)
		r.limit = min(end, r.steps+stage)
		if r.proven = s.deepen(known); !r.proven {
			known = s.lower(known)
			r.limit = min(end, r.steps+stage)
			s.best = known
			r.proven = s.run()
		}
		known = s.lower(known)
		r.reenter(s)
	}
	r.bound = s.enough
	if r.limit = limit; r.proven {
		s.lookForFewer(known, r.steps-start)
		r.reenter(s)
	}
	if r.stuck == 0 && !(s.improved && s.adopted.less(cost{r.total(), r.cost.moves})) {
		s.improved = false
	}
	return r.settleWhole(s)
}

// reenter lets the VMs of a search count where host has them.
func (r *repair) reenter(s *search) {
	s.enterBook(func(i int) int32 { return r.counting(s.vms[i]) })
}

// lower returns known, or what the placement under construction costs if it is an
// answer and costs less.
func (r *repair) lower(known cost) cost {
	if now := (cost{r.total(), r.cost.moves}); r.stuck == 0 && now.less(known) {
		return now
	}
	return known
}

// lower returns known, or what the placement that the search has found costs if that
// is less.
func (s *search) lower(known cost) cost {
	if s.improved && s.adopted.less(known) {
		return s.adopted
	}
	return known
}

// fewerSteps is how long fewer moves are looked for at least.
const fewerSteps = 10_000

// lookForFewer looks for fewer moves of as much memory as the best placement known,
// which has the least, for about as long as the search has taken.
func (s *search) lookForFewer(known cost, taken int) {
	if known.memory >= infinite || known.moves <= 1 {
		return
	}
	limit := s.limit
	s.limit = min(limit, s.steps+taken+fewerSteps)
	s.best, s.enough, s.memoryOnly = known, -1, false
	s.run()
	s.enough, s.limit = known.memory, limit
}

// settleWhole takes what the search of the whole cluster has found, and looks on if
// that is not the end.
func (r *repair) settleWhole(s *search) Answer {
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
		return r.searchReachable(s.nodes)
	}
	if !r.proven {
		return r.searchParts()
	}
	return Viable
}

// take puts the VMs where a search of the whole cluster found room, if it did.
func (r *repair) take(s *search) {
	if !s.improved {
		r.reenter(s)
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
