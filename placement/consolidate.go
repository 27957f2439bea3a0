package placement

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// consolidateFactor is how much more budget there is to consolidate than to repair.
const consolidateFactor = 2

// consolidate looks for the placement that uses the fewest nodes and, among
// those, costs least. Nodes that an Online rule keeps on count as used.
//
// It chooses the nodes to empty, those with the least memory on them, and then
// has them drained: as many as the bound allows, then fewer, until one look is
// enough to find room for all; then it looks longer for something in between. A
// placement on k nodes empties all others, so that the memory on the emptiest of
// them is a bound on what it costs.
//
// Source: the order of the tries, and how nodes are filled (fill.go), are ours;
// the goal is Entropy's (F. Hermenier et al., VEE 2009).
func (r *repair) consolidate() Result {
	if !r.plausible() {
		return r.result(Infeasible)
	}
	r.index()
	e := newEmptying(r)
	best, known := e.repaired()
	if best.Answer == Infeasible {
		return best
	}
	better := func(k int, quick bool) bool {
		found, ok := e.try(k, quick)
		if ok = ok && (!known || found.Nodes < best.Nodes); ok {
			best, known = found, true
		}
		return ok
	}
	for k, more := e.bound, 1; (!known || k < best.Nodes) && k <= len(e.nodes) && !r.spent(); k, more = k+more, 2*more {
		if better(k, true) {
			break
		}
	}
	failed := e.bound - 1 // the search failed on so few nodes, or they are too few
	for !r.spent() && failed+1 < len(e.nodes) && (!known || best.Nodes > failed+1) {
		k := failed + 1
		if known {
			k = (failed + best.Nodes) / 2
		}
		if !better(k, false) {
			failed = k
		}
	}
	if result := e.finish(best); result.Host == nil || result.Cost == result.Bound || r.spent() {
		return result
	}
	if found, ok := e.try(best.Nodes, false); ok && found.Nodes <= best.Nodes && found.Cost < best.Cost {
		best = found
	}
	return e.finish(best)
}

// emptying is what consolidate knows about the nodes that can be emptied.
type emptying struct {
	repair *repair
	nodes  []int32 // the open nodes, those to be emptied first
	kept   int     // how many of them, at the end of nodes, stay on in any case
	// memory is, by node, what it costs to empty it.
	memory []int64
	bound  int           // no viable placement uses fewer nodes
	least  cluster.Bytes // no viable placement costs less, on however many nodes
}

func newEmptying(r *repair) *emptying {
	e := &emptying{repair: r, memory: make([]int64, len(r.c.Nodes))}
	stays := make([]bool, len(r.c.Nodes))
	for i := range r.problem.Rules {
		if r.problem.Rules[i].Kind == rule.Online {
			for _, n := range r.problem.Rules[i].Nodes {
				stays[n] = true
			}
		}
	}
	for v, h := range r.c.Host {
		if h == cluster.Nowhere {
			continue
		}
		e.memory[h] += r.memoryOf(int32(v))
		if r.book != nil && r.book.allowed[v] != nil && r.book.allowed[v].isOnly(h) {
			stays[h] = true
		}
	}
	for n := range r.c.Nodes {
		if r.closed == nil || !r.closed[n] {
			e.nodes = append(e.nodes, int32(n))
		}
	}
	slices.SortFunc(e.nodes, func(a, b int32) int {
		return cmp.Or(compareBool(stays[a], stays[b]), dearer(e.memory[a], r.capacity[a][r.scarce], e.memory[b], r.capacity[b][r.scarce]), cmp.Compare(b, a))
	})
	for _, n := range e.nodes {
		if stays[n] {
			e.kept++
		}
	}
	e.bound = e.fewest()
	return e
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// fewest returns a number of nodes that no viable placement can do with less of:
// those that stay on, as many of the largest as have enough of each resource, and
// as many as VMs are to be apart.
func (e *emptying) fewest() int {
	var asked cluster.Resources
	for v, h := range e.repair.c.Host {
		if h != cluster.Nowhere {
			asked = asked.Plus(e.repair.c.VMs[v].Demand)
		}
	}
	most := e.kept
	for d, amount := range asked {
		room := make([]int64, 0, len(e.nodes))
		for _, n := range e.nodes {
			room = append(room, e.repair.capacity[n][d])
		}
		slices.Sort(room)
		k := 0
		for i := len(room) - 1; i >= 0 && amount > 0; i-- {
			amount -= room[i]
			k++
		}
		most = max(most, k)
	}
	for i := range e.repair.problem.Rules {
		p := &e.repair.problem.Rules[i]
		if p.Kind != rule.Spread || !p.Hard() || p.Domain != cluster.OneNode || p.Degraded {
			continue
		}
		running := 0
		for _, v := range p.VMs {
			if e.repair.c.Host[v] != cluster.Nowhere {
				running++
			}
		}
		most = max(most, running)
	}
	return most
}

// repaired returns a placement that is as good as repair makes it, if there is one.
func (e *emptying) repaired() (Result, bool) {
	p := *e.repair.problem
	p.Goal, p.Budget = Repair, (e.repair.limit-e.repair.steps)/4
	result, ok := e.solve(&p, false)
	e.least = result.Bound
	return result, ok
}

// try looks for a placement on k nodes, not for long if it is to be quick.
func (e *emptying) try(k int, quick bool) (Result, bool) {
	p := *e.repair.problem
	p.Goal, p.Budget = Repair, max(1, (e.repair.limit-e.repair.steps)/2)
	return e.solve(&p, quick, e.toEmpty(k)...)
}

// toEmpty returns all nodes but k. If those that are left would be too small
// together, larger ones are left instead of the smallest.
func (e *emptying) toEmpty(k int) []int32 {
	cut := max(0, min(len(e.nodes)-k, len(e.nodes)-e.kept))
	nodes := slices.Clone(e.nodes)
	empty, left := nodes[:cut], nodes[cut:len(nodes)-e.kept]
	var spare cluster.Resources
	for _, n := range nodes[cut:] {
		spare = spare.Plus(e.repair.capacity[n])
	}
	for v, h := range e.repair.c.Host {
		if h != cluster.Nowhere {
			spare = spare.Minus(e.repair.c.VMs[v].Demand)
		}
	}
	for d := range spare {
		for spare[d] < 0 && len(empty) > 0 && len(left) > 0 {
			larger := slices.MaxFunc(empty, func(a, b int32) int { return cmp.Compare(e.repair.capacity[a][d], e.repair.capacity[b][d]) })
			smaller := slices.MinFunc(left, func(a, b int32) int { return cmp.Compare(e.repair.capacity[a][d], e.repair.capacity[b][d]) })
			if e.repair.capacity[larger][d] <= e.repair.capacity[smaller][d] {
				break
			}
			spare = spare.Plus(e.repair.capacity[larger]).Minus(e.repair.capacity[smaller])
			empty[slices.Index(empty, larger)], left[slices.Index(left, smaller)] = smaller, larger
		}
	}
	return empty
}

// solve looks for a placement of the problem p, which has the same VMs and nodes, with
// the given nodes empty.
func (e *emptying) solve(p *Problem, quick bool, empty ...int32) (Result, bool) {
	t := newRepair(e.repair.given, p, empty...)
	before := t.steps
	t.filling, t.quick = len(empty) > 0, quick
	result := t.result(t.repair())
	e.repair.steps += t.steps - before + 1
	if e.repair.reached == 0 && result.Host != nil {
		e.repair.reached = e.repair.steps
	}
	switch result.Answer {
	case Infeasible, Exhausted:
		return result, false
	case AlreadyViable:
		result.Host = e.repair.given.Host
	case Viable:
	}
	result.Nodes = e.used(result.Host)
	return result, true
}

// used counts the nodes that are on under host.
func (e *emptying) used(host []int32) int {
	on := make([]bool, len(e.repair.c.Nodes))
	for i := range e.repair.problem.Rules {
		if e.repair.problem.Rules[i].Kind == rule.Online {
			for _, n := range e.repair.problem.Rules[i].Nodes {
				on[n] = true
			}
		}
	}
	for _, h := range host {
		if h != cluster.Nowhere {
			on[h] = true
		}
	}
	count := 0
	for _, is := range on {
		if is {
			count++
		}
	}
	return count
}

// finish says how good the placement is among those on as few nodes.
func (e *emptying) finish(best Result) Result {
	if best.Host == nil {
		return e.repair.result(Exhausted)
	}
	var onThem []int64 // memory on the nodes that may be emptied
	emptied := -best.Nodes
	for _, n := range e.nodes {
		emptied++
		onThem = append(onThem, e.memory[n])
	}
	slices.Sort(onThem)
	least := cluster.Bytes(0)
	for _, memory := range onThem[:max(0, min(emptied, len(onThem)))] {
		least += cluster.Bytes(memory)
	}
	best.Bound = min(max(least, e.least), best.Cost)
	best.NodesBound = e.bound
	best.Optimal = best.Nodes == e.bound && best.Cost == best.Bound
	best.Steps, best.FirstSteps = e.repair.steps, e.repair.reached
	return best
}
