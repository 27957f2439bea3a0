package placement

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// reachSteps is what a call of Problem.Reachable counts for each VM that moves.
const reachSteps = 16

// reachable asks whether there is a way to host, in which so many VMs move.
func (r *repair) reachable(host []int32, moves int) bool {
	if r.ask == nil {
		return true
	}
	r.steps += len(r.c.Nodes) + len(r.c.VMs) + reachSteps*moves
	waiting, ok := r.ask(host)
	if ok {
		return true
	}
	r.waiting = waiting
	r.rejected[Unreachable]++
	return false
}

// approve reports whether host, which is viable, is reachable, and keeps it if
// so. It asks once.
func (r *repair) approve() bool {
	if r.refused || !r.reachable(r.host, r.cost.moves) {
		r.refused = true
		return false
	}
	r.keep()
	return true
}

// keep notes that host is viable and reachable.
func (r *repair) keep() {
	r.found()
	r.refused = false
	if r.ask != nil {
		r.kept, r.keptCost = append(r.kept[:0], r.host...), cost{r.total(), r.cost.moves}
	}
}

// setHost makes host the placement.
func (r *repair) setHost(host []int32) {
	for v, to := range host {
		if to != r.host[v] {
			r.move(int32(v), to)
		}
	}
	r.refused = false
	r.count()
}

// landOneByOne lands the evicted VMs again, each of them where there is room
// while all others are where the ones before it left them. The result is
// reachable but for odd cases, and may be dearer. It reports whether host is
// such a placement now, and reachable; else host is what it was.
func (r *repair) landOneByOne() bool {
	before, refused := slices.Clone(r.host), r.refused
	r.setHost(r.c.Host)
	waiting := slices.Clone(r.evicted)
	for progress := true; progress; {
		still := waiting[:0]
		for i, v := range waiting {
			if !r.landNow(v, waiting[i+1:]) {
				still = append(still, v)
			}
		}
		progress = len(still) < len(waiting) && len(still) > 0
		waiting = still
	}
	r.drain()
	r.count()
	if r.stuck == 0 && (r.kept == nil || cost{r.total(), r.cost.moves}.less(r.keptCost)) && r.approve() {
		return true
	}
	r.setHost(before)
	r.refused = refused
	return false
}

// drain moves other VMs off the nodes that are still overloaded, those that
// free most first.
func (r *repair) drain() {
	for progress := true; progress; {
		progress = false
		for _, n := range r.over {
			vms := slices.Clone(r.at(n))
			slices.SortFunc(vms, func(a, b int32) int {
				return cmp.Or(cmp.Compare(r.c.VMs[b].Demand[r.scarce], r.c.VMs[a].Demand[r.scarce]), cmp.Compare(a, b))
			})
			for _, v := range vms {
				if fits(cluster.Resources{}, r.free[n]) || !r.step() {
					break
				}
				if r.host[v] == n && r.landNow(v, nil) {
					progress = true
				}
			}
		}
	}
}

// landNow puts v where there is room now, or where one VM can make room now.
func (r *repair) landNow(v int32, waiting []int32) bool {
	n := r.roomFor(v, cluster.Nowhere)
	if n == cluster.Nowhere {
		n = r.freeFor(v, r.host[v])
	}
	if n == cluster.Nowhere {
		n = r.chain(v, waiting)
	}
	if n == cluster.Nowhere {
		return false
	}
	r.move(v, n)
	return true
}

// searchReachable looks for the reachable placement of a small cluster that
// costs least. A placement that costs least of all was refused.
func (r *repair) searchReachable(nodes []int32) Answer {
	if r.kept != nil { // found by annealing
		r.setHost(r.kept)
	}
	r.landOneByOne()
	s := newSearch(r, nodes, r.vms[:r.first[len(nodes)]], r.newReach(cost{}))
	limit := r.limit
	r.limit -= (r.limit - r.steps) / 4
	known := cost{memory: infinite}
	if r.kept != nil {
		known = r.keptCost
	}
	s.enough = max(s.enough, r.bound)
	s.memoryOnly = true
	done := s.deepen(known)
	r.bound = s.enough
	r.limit = limit
	if r.take(s); s.improved {
		r.keep()
	}
	switch {
	case done && r.kept == nil:
		return Infeasible
	case done:
		r.proven = true
		return Viable
	}
	return r.searchParts()
}

// reach is what a search knows that looks for a reachable placement.
type reach struct {
	ask     func(s *search) bool // whether what it has decided is reachable
	refused int64                // placements with no more memory than this were refused
}

// newReach returns what is needed to search VMs while others stay under host.
// outside is what these cost.
func (r *repair) newReach(outside cost) *reach {
	host := slices.Clone(r.host)
	return &reach{refused: -1, ask: func(s *search) bool {
		for i, v := range s.vms {
			host[v] = s.hostOf(r.c, i, s.on)
		}
		return r.reachable(host, outside.moves+s.cost.moves)
	}}
}

// deepen searches the whole space for the placement with the least memory that
// costs less than known, and is reachable: first among those with no more than the
// least that is possible, then with more and more. It reports whether it got
// through, so that best is the optimum or nothing is better than known. All
// such placements have enough memory or more, also if it did not get through.
//
// A search that looked at dearer ones at once would lose itself in the many
// ways to move one more VM in vain.
func (s *search) deepen(known cost) bool {
	least := s.enough
	for most := least; ; {
		s.next = infinite
		s.best = cost{memory: most + 1}
		if known.memory <= most {
			s.best = known
		}
		before := s.best
		if !s.run() {
			return false
		}
		if s.best != before || known.memory <= most || s.next >= infinite {
			return true
		}
		if s.enough = s.next; s.reach != nil {
			s.reach.refused = most
		}
		most = s.enough + (s.enough-least)/2
	}
}

// isReachable reports whether what is decided is reachable, if nobody else moves.
func (s *search) isReachable() bool {
	return s.reach == nil || s.total().memory > s.reach.refused && s.reach.ask(s)
}

// roam looks at every placement that extends what is decided, which is viable
// and not reachable: somebody moves without need, so that others can pass.
func (s *search) roam(stray int) {
	mark := len(s.stayed)
	for i, v := range s.guests {
		if s.on[v] != unplaced {
			continue
		}
		if !s.step() {
			s.cut = true
			break
		}
		switch {
		case !s.mayLeave(s.guests, i):
			s.rejected[Alike]++
		case s.tooDear(cost{s.paid, 0}.add(s.cost.plus(s.weight[v]))):
			s.rejected[Dearer]++
		default:
			s.send(v, stray)
		}
		if s.over() {
			break
		}
		s.stay(v)
	}
	s.unstay(mark)
}
