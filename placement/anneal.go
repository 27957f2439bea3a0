package placement

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

const (
	// annealSteps is what a try to move or exchange VMs counts.
	annealSteps = 8
	// annealPhase is how many tries are made before the price of overload changes.
	annealPhase = 2000
)

// anneal looks for a first viable placement where landing found none, as if VMs
// were a liquid: it puts every VM somewhere, and then moves VMs and exchanges
// pairs of them at random, most often from nodes that are overloaded. What is
// better is taken, and what is worse sometimes, the less often the cooler it is.
// Overload has a price, which rises as long as there is some. It ends with the
// first viable placement, or after the given steps, and reports whether it found
// one.
//
// Source: simulated annealing (S. Kirkpatrick, C. Gelatt and M. Vecchi,
// "Optimization by simulated annealing", Science, 1983), with a price on what is
// not allowed.
func (r *repair) anneal(steps int, wait float64, barred map[passage]bool) bool {
	a := newAnnealing(r)
	a.barred = barred
	a.wait = float64(wait * a.unit)
	limit := min(r.limit, r.steps+steps)
	for try := 0; r.steps < limit && (len(a.bad) > 0 || a.wrong() > 0); try++ {
		if try%annealPhase == annealPhase-1 {
			a.price *= 1.3
			a.heat *= 0.9
			if a.heat < 0.02*a.unit {
				a.heat = 0.2 * a.unit
			}
		}
		r.steps += annealSteps
		if len(a.bad) > 0 && (try%4 > 0 || a.wrong() == 0) {
			a.try()
		} else {
			a.mend()
		}
	}
	r.count()
	return r.stuck == 0
}

// simmer improves a viable placement in the same way: what moves costs, and
// overload has a price that rises and falls, so that the placement is viable now
// and then. It leaves the best viable placement that it came across, if there is a
// way to it, and reports whether that is better than what was there.
func (r *repair) simmer(steps int, seed uint64) bool {
	before, known := slices.Clone(r.host), cost{r.total(), r.cost.moves}
	best, least := before, known
	a := newAnnealing(r)
	a.rng = rand.New(rand.NewPCG(5, seed))
	a.heat = 0.2 * a.unit
	a.findAway()
	limit := min(r.limit, r.steps+steps)
	cooling := math.Pow(0.02, float64(annealPhase*annealSteps)/float64(max(steps, 1)))
	viable := 0
	for try := 1; r.steps < limit; try++ {
		r.steps += annealSteps
		if a.tryAny(); len(a.bad) == 0 {
			viable++
			if now := (cost{r.total(), r.cost.moves}); now.less(least) {
				if r.count(); r.stuck == 0 {
					best, least = append(best[:0:0], r.host...), now
					r.steps += len(r.host) / 16
				}
			}
		}
		if try%annealPhase == 0 {
			a.heat *= cooling
			if a.price *= 1.2; viable > annealPhase/8 {
				a.price /= 1.5
			}
			viable = 0
		}
	}
	r.setHost(best)
	if !least.less(known) {
		return false
	}
	if r.approve() {
		return true
	}
	r.setHost(before)
	return false
}

// tryAny tries to move a VM: most often one that is away from home, or on a node that
// is overloaded.
func (a *annealing) tryAny() {
	switch kind := a.rng.IntN(8); {
	case kind < 3 && len(a.bad) > 0:
		a.try()
	case kind < 6 && len(a.away) > 0:
		v := a.away[a.rng.IntN(len(a.away))]
		if kind == 3 && a.repair.book.mayBe(v, a.repair.c.Host[v]) {
			a.offer(v, a.repair.c.Host[v])
		} else {
			a.offer(v, a.somewhere(v))
		}
	default:
		from := a.open[a.rng.IntN(len(a.open))]
		if len(a.away) > 0 && kind == 6 { // another one leaves in the place of one that left
			from = a.repair.c.Host[a.away[a.rng.IntN(len(a.away))]]
		}
		if len(a.hosted[from]) > 0 {
			v := a.hosted[from][a.rng.IntN(len(a.hosted[from]))]
			a.offer(v, a.somewhere(v))
		}
	}
}

// annealing is what anneal and simmer know.
type annealing struct {
	repair *repair
	rng    *rand.Rand
	away   []int32 // VMs that are not at home, kept up by simmer only
	placed []int32 // by VM: its place in away, or none; nil if away is not kept up
	hosted [][]int32
	index  []int32   // by VM: its place in hosted[host[v]]
	bad    []int32   // nodes that are overloaded, or host culprits of broken rules
	place  []int32   // by node: its place in bad, or -1
	choice [][]int32 // by id of a nodeSet: its nodes
	open   []int32   // nodes that are not closed
	scale  [cluster.NumResources]float64
	unit   float64 // memory of a VM, on average
	price  float64 // of an overload as large as the demand of a VM, on average
	heat   float64
	wait   float64 // price of a VM that has to wait for others to leave
	barred map[passage]bool
	broken []int32 // hard rulings that were broken when it was last looked
}

func newAnnealing(r *repair) *annealing {
	a := &annealing{
		repair: r, rng: rand.New(rand.NewPCG(3, 4)),
		index: make([]int32, len(r.c.VMs)), place: make([]int32, len(r.c.Nodes)),
	}
	r.rooms = nil // only host and free are kept up, and room without shelves
	a.hosted = (&cluster.Configuration{Nodes: r.c.Nodes, VMs: r.c.VMs, Host: r.host}).Hosted()
	var asked cluster.Resources
	count := 0
	for n, vms := range a.hosted {
		for i, v := range vms {
			a.index[v] = int32(i)
			asked = asked.Plus(r.c.VMs[v].Demand)
			count++
		}
		if a.place[n] = none; r.closed == nil || !r.closed[n] {
			a.open = append(a.open, int32(n))
		}
	}
	for d := range asked {
		if asked[d] > 0 {
			a.scale[d] = float64(count) / float64(asked[d])
		}
	}
	a.unit = max(1, float64(asked[cluster.Memory])/float64(max(1, count)))
	a.price, a.heat = 4*a.unit, 0.2*a.unit
	if len(a.open) > 0 {
		a.placeAll()
	}
	for n := range r.c.Nodes {
		a.mark(int32(n))
	}
	return a
}

// placeAll moves the VMs that may not be where they are to the best of a few
// nodes where they may be.
func (a *annealing) placeAll() {
	for _, v := range a.repair.forced {
		if a.repair.host[v] == a.repair.c.Host[v] {
			a.repair.enter(v, cluster.Nowhere) // nobody has to be where it is
		}
	}
	for _, v := range a.repair.forced {
		if a.repair.host[v] != a.repair.c.Host[v] {
			continue
		}
		best, least := cluster.Nowhere, math.Inf(1)
		for range 16 {
			n := a.withMates(v)
			if n == cluster.Nowhere {
				n = a.somewhere(v)
			}
			a.repair.steps++
			if n == cluster.Nowhere {
				continue
			}
			if change := a.changeOf(n, a.repair.free[n].Minus(a.repair.c.VMs[v].Demand)); change < least && a.repair.book.admits(v, n, infinite) {
				best, least = n, change
			}
		}
		if best == cluster.Nowhere {
			best = a.somewhere(v)
		}
		if best != cluster.Nowhere {
			a.shift(v, best)
		}
	}
}

// withMates returns the node of a VM that v has to be with, or Nowhere.
func (a *annealing) withMates(v int32) int32 {
	for _, u := range a.repair.book.mates(v) {
		if n := a.repair.book.host[u]; u != v && n != cluster.Nowhere && a.repair.book.mayBe(v, n) {
			return n
		}
	}
	return cluster.Nowhere
}

// wrong is how many hard rules are broken.
func (a *annealing) wrong() int {
	if a.repair.book == nil {
		return 0
	}
	return a.repair.book.wrong
}

// mend tries to move a culprit of a broken rule: to a VM that it has to be with, or
// anywhere.
func (a *annealing) mend() {
	b := a.repair.book
	for len(a.broken) > 0 && !b.broken[a.broken[len(a.broken)-1]] {
		a.broken = a.broken[:len(a.broken)-1]
	}
	if len(a.broken) == 0 {
		for i, broken := range b.broken {
			if broken && b.weight[i] == 0 {
				a.broken = append(a.broken, int32(i))
			}
		}
		a.repair.steps += len(b.broken) / 8
	}
	if len(a.broken) == 0 {
		return
	}
	i := a.broken[a.rng.IntN(len(a.broken))]
	if !b.broken[i] {
		return
	}
	culprits := b.rulings[i].culprits(b, scope{movable: a.repair.vms[:a.repair.first[len(a.repair.c.Nodes)]], fixed: func(int32) bool { return false }}, nil)
	if len(culprits) == 0 {
		return
	}
	v := culprits[a.rng.IntN(len(culprits))]
	to := cluster.Nowhere
	if a.rng.IntN(2) == 0 {
		to = a.withMates(v)
	}
	if to == cluster.Nowhere || to == a.repair.host[v] {
		to = a.somewhere(v)
	}
	a.offer(v, to)
}

// somewhere returns a node where v may be, at random, or Nowhere.
func (a *annealing) somewhere(v int32) int32 {
	if a.repair.book == nil || a.repair.book.allowed[v] == nil {
		return a.open[a.rng.IntN(len(a.open))]
	}
	nodes := a.nodesOf(a.repair.book.allowed[v])
	if len(nodes) == 0 {
		return cluster.Nowhere
	}
	return nodes[a.rng.IntN(len(nodes))]
}

// nodesOf lists the open nodes of a set.
func (a *annealing) nodesOf(s *nodeSet) []int32 {
	for int(s.id) >= len(a.choice) {
		a.choice = append(a.choice, nil)
	}
	if a.choice[s.id] == nil {
		nodes := []int32{}
		for _, n := range a.open {
			if s.has(n) {
				nodes = append(nodes, n)
			}
		}
		a.choice[s.id] = nodes
	}
	return a.choice[s.id]
}

// overload is how much a node with so much free lacks, in demands of VMs.
func (a *annealing) overload(free *cluster.Resources) (sum float64) {
	for d, f := range free {
		if f < 0 {
			sum += float64(-float64(f) * a.scale[d])
		}
	}
	return sum
}

// changeOf is by how much the price of node n changes if it has so much free.
func (a *annealing) changeOf(n int32, free cluster.Resources) float64 {
	return float64(a.price * (a.overload(&free) - a.overload(&a.repair.free[n])))
}

// mark notes whether n is bad.
func (a *annealing) mark(n int32) {
	bad := !fits(cluster.Resources{}, a.repair.free[n]) && len(a.hosted[n]) > 0
	switch {
	case bad && a.place[n] == none:
		a.place[n] = int32(len(a.bad))
		a.bad = append(a.bad, n)
	case !bad && a.place[n] != none:
		last := a.bad[len(a.bad)-1]
		a.bad[a.place[n]], a.place[last] = last, a.place[n]
		a.bad = a.bad[:len(a.bad)-1]
		a.place[n] = none
	}
}

// shift moves v to n.
func (a *annealing) shift(v, n int32) {
	from := a.repair.host[v]
	list := a.hosted[from]
	last := list[len(list)-1]
	list[a.index[v]], a.index[last] = last, a.index[v]
	a.hosted[from] = list[:len(list)-1]
	a.repair.move(v, n)
	a.index[v] = int32(len(a.hosted[n]))
	a.hosted[n] = append(a.hosted[n], v)
	a.noteAway(v)
	a.mark(from)
	a.mark(n)
}

// try moves a VM of a bad node elsewhere, or exchanges it with another one.
func (a *annealing) try() {
	from := a.bad[a.rng.IntN(len(a.bad))]
	if a.rng.IntN(8) == 0 {
		from = a.open[a.rng.IntN(len(a.open))]
	}
	if len(a.hosted[from]) > 0 {
		v := a.hosted[from][a.rng.IntN(len(a.hosted[from]))]
		a.offer(v, a.somewhere(v))
	}
}

// offer moves v to node to, or exchanges it with a VM there, if that is accepted.
func (a *annealing) offer(v, to int32) {
	from := a.repair.host[v]
	if to == from || to == cluster.Nowhere {
		return
	}
	demand := a.repair.c.VMs[v].Demand
	change := a.changeOf(from, a.repair.free[from].Plus(demand)) + a.changeOf(to, a.repair.free[to].Minus(demand)) + a.fare(v, to)
	if a.accepts(change) && a.keeps(v, to, none) {
		a.shift(v, to)
		return
	}
	if len(a.hosted[to]) == 0 {
		return
	}
	u := a.hosted[to][a.rng.IntN(len(a.hosted[to]))]
	difference := demand.Minus(a.repair.c.VMs[u].Demand)
	if difference == (cluster.Resources{}) || !a.repair.book.mayBe(u, from) {
		return
	}
	change = a.changeOf(from, a.repair.free[from].Plus(difference)) + a.changeOf(to, a.repair.free[to].Minus(difference)) + a.fare(v, to) + a.fare(u, from)
	if a.accepts(change) && a.keeps(v, to, u) {
		a.shift(v, to)
		a.shift(u, from)
	}
}

// findAway lists the VMs that are not at home.
func (a *annealing) findAway() {
	a.placed = make([]int32, len(a.repair.c.VMs))
	for v, h := range a.repair.host {
		a.placed[v] = none
		if h != a.repair.c.Host[v] {
			a.noteAway(int32(v))
		}
	}
}

// noteAway keeps away up when v has moved.
func (a *annealing) noteAway(v int32) {
	away := a.repair.host[v] != a.repair.c.Host[v]
	switch {
	case a.placed == nil || away == (a.placed[v] != none):
	case away:
		a.placed[v] = int32(len(a.away))
		a.away = append(a.away, v)
	default:
		last := a.away[len(a.away)-1]
		a.away[a.placed[v]], a.placed[last] = last, a.placed[v]
		a.away = a.away[:len(a.away)-1]
		a.placed[v] = none
	}
}

// fare is what it costs more to have v on n than where it is. Where it has to wait
// for others to leave it costs more: too many such moves, and there is no way to
// start with.
func (a *annealing) fare(v, n int32) (sum float64) {
	home, at := a.repair.c.Host[v], a.repair.host[v]
	if n != home {
		sum += float64(a.repair.memory(v))
		if !fits(a.repair.c.VMs[v].Demand, a.repair.room[n]) {
			sum += a.wait
		}
		if len(a.barred) > 0 && a.barred[passage{v, n}] {
			sum += float64(16 * a.wait)
		}
	}
	if at != home {
		sum -= float64(a.repair.memory(v))
		if !fits(cluster.Resources{}, a.repair.room[at]) {
			sum -= a.wait
		}
	}
	return sum
}

func (a *annealing) accepts(change float64) bool {
	return change <= 0 || change < 8*a.heat && a.rng.Float64() < math.Exp(-change/a.heat)
}

// keeps reports whether no rule is broken that was kept when v goes to node to and,
// unless it is none, u to where v is.
func (a *annealing) keeps(v, to, u int32) bool {
	b := a.repair.book
	if b == nil || len(b.of[v]) == 0 && len(b.wide) == 0 && (u == none || len(b.of[u]) == 0) {
		return true
	}
	from, wrong, penalty := a.repair.host[v], b.wrong, b.penalty
	b.put(v, to)
	if u != none {
		b.put(u, from)
	}
	ok := b.wrong <= wrong && a.accepts(float64(b.penalty-penalty))
	b.put(v, from)
	if u != none {
		b.put(u, to)
	}
	return ok
}

// mostRefused is how many placements to which there is no way anneal may find.
const mostRefused = 16

// annealIfStuck tries to get a placement right in which something is wrong. If there
// is no way to the first one that it finds, the VMs that are in each other's way go
// back home, the nodes that they were to go to become dear for them, and so does
// all waiting for others to leave; and it goes on from there.
func (r *repair) annealIfStuck() {
	if r.stuck == 0 || len(r.c.Nodes) < 2 {
		return
	}
	before := slices.Clone(r.host)
	barred := map[passage]bool{}
	for try := range mostRefused {
		if !r.anneal((r.limit-r.steps)/4, float64(int(1)<<min(try, 4)), barred) {
			break
		}
		if r.approve() {
			return
		}
		for _, v := range r.waiting {
			barred[passage{v, r.host[v]}] = true
			if home := r.c.Host[v]; r.host[v] != home {
				r.move(v, home)
			}
		}
		r.refused = false
	}
	r.setHost(before)
}

// passage is a VM that goes to a node.
type passage struct{ vm, node int32 }
