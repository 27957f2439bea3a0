package placement

import (
	"cmp"
	"math"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// DefaultGain is the gain of a move if Problem has none, in thousandths.
const DefaultGain = 100

const (
	// hotNodes and coldNodes are how many of the nodes with the most and the least
	// load are looked at for a move.
	hotNodes, coldNodes = 16, 16
)

// level repairs, and then moves VMs from nodes with more load to nodes with less,
// each time the one that lowers the imbalance most, as long as that is by enough.
// A VM moves at most once, and only where there is room for it at once, so that
// there is a way to the placement.
func (r *repair) level() Result {
	answer := r.repair()
	if answer != Viable {
		return r.result(answer)
	}
	l := newLeveling(r)
	before := l.imbalance()
	least := l.least(before)
	for !r.spent() && l.step(least) {
	}
	if len(l.moves) > 0 && !r.reachable(r.host, r.cost.moves) {
		l.undo()
	}
	r.proven = false // of the repair; more is moved to level the load
	result := r.result(Viable)
	result.ImbalanceBefore, result.ImbalanceAfter = l.start, l.imbalance()
	result.Optimal = false
	return result
}

// leveling is the load of nodes, and what it takes to change it.
//
// The imbalance is the sum, over the resources, of the standard deviation of the
// nodes' shares in use. Nodes that are closed, or have none of a resource, do not
// count. hbal of Ganeti takes a similar sum.
type leveling struct {
	repair *repair
	hosted [][]int32
	nodes  []int32 // that count
	sum    [cluster.NumResources]float64
	square [cluster.NumResources]float64
	count  [cluster.NumResources]int
	hot    []int32 // with the most load when they were last sorted
	cold   []int32 // with the least, in descending order
	moved  []bool  // by VM
	moves  []shift
	start  float64
}

type shift struct{ vm, from, to int32 }

func newLeveling(r *repair) *leveling {
	l := &leveling{repair: r, moved: make([]bool, len(r.c.VMs))}
	if r.vms == nil {
		r.index()
		r.host = slices.Clone(r.host)
	}
	r.rooms = nil
	l.hosted = (&cluster.Configuration{Nodes: r.c.Nodes, VMs: r.c.VMs, Host: r.host}).Hosted()
	for v, h := range r.host {
		l.moved[v] = h != r.start.Host[v]
	}
	for n := range r.c.Nodes {
		if r.closed != nil && r.closed[n] {
			continue
		}
		l.nodes = append(l.nodes, int32(n))
		for d := range l.sum {
			if r.capacity[n][d] > 0 {
				l.count[d]++
				l.add(d, l.share(int32(n), d), 1)
			}
		}
	}
	l.start = l.imbalanceOf(r.start.Host)
	return l
}

// imbalanceOf is the imbalance under another placement.
func (l *leveling) imbalanceOf(host []int32) float64 {
	other := leveling{repair: l.repair, count: l.count}
	used := make([]cluster.Resources, len(l.repair.c.Nodes))
	for v, h := range host {
		if h != cluster.Nowhere {
			used[h] = used[h].Plus(l.repair.c.VMs[v].Demand)
		}
	}
	for _, n := range l.nodes {
		for d := range other.sum {
			if l.repair.capacity[n][d] > 0 {
				other.add(d, float64(used[n][d])/float64(l.repair.capacity[n][d]), 1)
			}
		}
	}
	return other.imbalance()
}

// least is by how much a move has to lower the imbalance.
func (l *leveling) least(imbalance float64) float64 {
	gain := l.repair.problem.Gain
	if gain == 0 {
		gain = DefaultGain
	}
	return max(float64(gain)/1000*imbalance/float64(max(1, len(l.nodes))), 1e-9)
}

func (l *leveling) share(n int32, d int) float64 {
	return 1 - float64(l.repair.free[n][d])/float64(l.repair.capacity[n][d])
}

func (l *leveling) add(d int, share, sign float64) {
	l.sum[d] += float64(sign * share)
	l.square[d] += float64(float64(sign*share) * share)
}

func (l *leveling) imbalance() (sum float64) {
	for d, count := range l.count {
		if count > 0 {
			mean := l.sum[d] / float64(count)
			sum += math.Sqrt(max(0, l.square[d]/float64(count)-float64(mean*mean)))
		}
	}
	return sum
}

// change applies what a VM with the demand changes if it leaves, or enters, n:
// sign is -1 or 1.
func (l *leveling) change(n int32, demand *cluster.Resources, sign float64) {
	for d, amount := range demand {
		if l.repair.capacity[n][d] == 0 {
			continue
		}
		before := l.share(n, d)
		l.add(d, before, -1)
		l.add(d, before+float64(sign*float64(amount))/float64(l.repair.capacity[n][d]), 1)
	}
}

// step makes a move that is good enough, if there is one: the best one between the
// nodes that had the most and the least load when they were last sorted or, if that
// is not enough, between those that have now.
func (l *leveling) step(least float64) bool {
	return l.moveOne(least) || l.sort() && l.moveOne(least)
}

// sort looks up the nodes with the most and the least load. It reports whether they
// have changed.
func (l *leveling) sort() bool {
	byLoad := slices.Clone(l.nodes)
	l.repair.steps += 8 * len(byLoad)
	load := make([]float64, len(l.repair.c.Nodes))
	for _, n := range byLoad {
		load[n] = l.load(n)
	}
	slices.SortFunc(byLoad, func(a, b int32) int { return cmp.Or(cmp.Compare(load[b], load[a]), cmp.Compare(a, b)) })
	hot, cold := byLoad[:min(hotNodes, len(byLoad))], byLoad[max(0, len(byLoad)-coldNodes):]
	changed := !slices.Equal(hot, l.hot) || !slices.Equal(cold, l.cold)
	l.hot, l.cold = hot, cold
	return changed
}

// moveOne makes the best move from a hot node to a cold one if it is good enough.
func (l *leveling) moveOne(least float64) bool {
	hot, cold := l.hot, l.cold
	now := l.imbalance()
	best, most := shift{vm: cluster.Nowhere}, least
	for _, from := range hot {
		for _, v := range l.hosted[from] {
			if l.moved[v] {
				continue
			}
			for i := len(cold) - 1; i >= 0; i-- {
				to := cold[i]
				if to == from || !l.repair.step() || !fits(l.repair.c.VMs[v].Demand, l.repair.free[to]) {
					continue
				}
				if gain := now - l.after(v, from, to); gain > most && l.repair.keepsRules(v, to) {
					best, most = shift{v, from, to}, gain
				}
			}
		}
	}
	if best.vm == cluster.Nowhere {
		return false
	}
	l.take(best)
	return true
}

// load is the largest share of a resource that is in use on n.
func (l *leveling) load(n int32) (most float64) {
	for d := range l.repair.capacity[n] {
		if l.repair.capacity[n][d] > 0 {
			most = max(most, l.share(n, d))
		}
	}
	return most
}

// after is the imbalance with v on another node.
func (l *leveling) after(v, from, to int32) float64 {
	sum, square := l.sum, l.square
	demand := &l.repair.c.VMs[v].Demand
	l.change(from, demand, -1)
	l.change(to, demand, 1)
	after := l.imbalance()
	l.sum, l.square = sum, square
	return after
}

func (l *leveling) take(s shift) {
	demand := &l.repair.c.VMs[s.vm].Demand
	l.change(s.from, demand, -1)
	l.change(s.to, demand, 1)
	l.shift(s)
	l.moved[s.vm] = true
	l.moves = append(l.moves, s)
}

func (l *leveling) shift(s shift) {
	l.repair.move(s.vm, s.to)
	l.hosted[s.from] = without(l.hosted[s.from], s.vm)
	l.hosted[s.to] = append(l.hosted[s.to], s.vm)
}

// undo takes all moves back.
func (l *leveling) undo() {
	for i := len(l.moves) - 1; i >= 0; i-- {
		s := l.moves[i]
		demand := &l.repair.c.VMs[s.vm].Demand
		l.change(s.to, demand, -1)
		l.change(s.from, demand, 1)
		l.shift(shift{s.vm, s.to, s.from})
	}
	l.moves = nil
}
