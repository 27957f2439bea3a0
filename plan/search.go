package plan

import (
	"errors"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// effortPerAction bounds the effort of small plans, unless Settings say more.
const effortPerAction = 800

// search looks for moves of little cost, and leaves the best ones in m.moves.
//
// It starts with the policies that differ in what goes first. The best one is
// then varied a step at a time. A limit keeps dear actions out of a step: it
// gets cheap for those that come after it. That pays if many of them do, or if
// the dear ones find a later step that is as dear anyway. More bypasses
// in a step shorten cycles, at the price of more actions.
//
// This is a local search; it proves nothing. It ends when nothing
// improves, or effort moves have been tried.
func (m *maker) search(effort int) error {
	if effort <= 0 {
		effort = min(DefaultEffort, effortPerAction*(len(m.movers)+len(m.leavers)))
	}
	m.least = m.sum()
	t := trial{maker: m, left: effort}
	err := m.run(policy{})
	if err == nil {
		t.take(policy{})
		if t.cost == m.least {
			return nil
		}
	}
	for i := 1; i < 8 && (t.left > 0 || !t.found); i++ {
		t.try(policy{small: i&1 != 0, cheap: i&2 != 0, eager: i&4 != 0})
	}
	if !t.found {
		return err
	}
	t.vary()
	t.mix()
	m.moves = t.moves
	return nil
}

// trial is the best policy so far.
type trial struct {
	maker  *maker
	left   int // moves that may be tried
	found  bool
	policy policy
	cost   cluster.Bytes
	moves  []move
}

// try runs a policy, and keeps it if it is the best so far.
func (t *trial) try(p policy) bool {
	if t.maker.most = 0; t.found && t.maker.jobs == nil {
		t.maker.most = t.cost
	}
	if t.maker.run(p) != nil {
		t.left -= 1 + len(t.maker.moves)
		return false
	}
	return t.take(p)
}

// take keeps the policy that was run if it is the best so far.
func (t *trial) take(p policy) bool {
	t.left -= 1 + len(t.maker.moves)
	if t.maker.jobs != nil {
		t.maker.gather()
	}
	cost := t.maker.total()
	if t.found && cost >= t.cost {
		return false
	}
	t.found, t.cost = true, cost
	t.policy = policy{p.eager, p.small, p.cheap, slices.Clone(p.limits), slices.Clone(p.widths)}
	t.moves = append(t.moves[:0], t.maker.moves...)
	return true
}

// total is K(p) of the present moves.
func (m *maker) total() cluster.Bytes {
	var k tally
	for i := range m.moves {
		k.add(int(m.moves[i].step), m.costOf(&m.moves[i]))
	}
	return k.total
}

func (m *maker) costOf(a *move) cluster.Bytes {
	return price(a.kind, m.memory(a.vm), a.source == a.target)
}

// sum is what all last actions cost by themselves. No moves cost less.
func (m *maker) sum() (sum cluster.Bytes) {
	for _, vms := range [][]int32{m.leavers, m.movers} {
		for _, v := range vms {
			kind := m.kinds[v]
			local := kind != Resume || m.c.ImageOf(v) == m.goal[v] || m.c.ImageOf(v) == cluster.Nowhere
			sum = saturated(sum, price(kind, m.memory(v), local))
		}
	}
	return sum
}

// account adds the present step to the cost so far.
func (m *maker) account() {
	for i := m.begun; i < len(m.moves); i++ {
		a := &m.moves[i]
		k := m.costOf(a)
		m.cost.add(int(a.step), k)
		if !a.bypass {
			m.rest = max(0, m.rest-k) // of who stepped aside or was suspended it is more
		}
	}
}

// atLeast is what the try costs at least: each action to come pays for itself and
// for the steps so far.
func (m *maker) atLeast() cluster.Bytes {
	steps := saturated(m.cost.earlier, m.cost.dearest)
	coming := cluster.Bytes(m.left + len(m.leaving))
	if coming > 0 && steps > math.MaxInt64/coming {
		return math.MaxInt64
	}
	return saturated(saturated(m.cost.total, m.rest), coming*steps)
}

// errDear says that a try was given up.
var errDear = errors.New("plan: too dear")

// vary changes the limit or the width of one step after the other, as long as
// that helps.
func (t *trial) vary() {
	levels, reserve := t.levels(), t.left/2 // for mix
	for improved := true; improved && t.left > reserve; {
		improved = false
		for step := 0; step <= int(t.moves[len(t.moves)-1].step) && t.left > reserve; step++ {
			for _, limit := range levels {
				p := t.policy
				p.limits = with(p.limits, step, limit, noLimit)
				improved = t.try(p) || improved
			}
			for width := range 3 {
				p := t.policy
				p.widths = with(p.widths, step, width, 0)
				improved = t.try(p) || improved
			}
		}
	}
}

// levels returns the costs that limits are chosen from: all of them, or a few
// from the whole range.
func (t *trial) levels() []cluster.Bytes {
	const most = 6
	var costs []cluster.Bytes
	for i := range t.moves {
		costs = append(costs, t.maker.costOf(&t.moves[i]))
	}
	slices.Sort(costs)
	costs = slices.Compact(costs)
	levels := costs
	if len(costs) > most {
		levels = nil
		for i := range most {
			levels = append(levels, costs[i*(len(costs)-1)/(most-1)])
		}
	}
	levels[len(levels)-1] = noLimit
	return levels
}

// with returns a copy of s with the value at i, filled up to there.
func with[T any](s []T, i int, value, filling T) []T {
	s = slices.Clone(s)
	for len(s) <= i {
		s = append(s, filling)
	}
	s[i] = value
	return s
}

// mix changes several steps at once, in the best policy or in an eager one, to which
// limits mean most. The changes are drawn from a stream of random numbers that is the same every time.
func (t *trial) mix() {
	rng, levels := rand.New(rand.NewPCG(uint64(len(t.moves)), 0)), t.levels()
	const patience = 150 // tries in a row that do not help
	for fails := 0; fails < patience && t.left > 0; fails++ {
		p := t.policy
		if rng.IntN(3) == 0 {
			p = policy{eager: true}
		}
		if rng.IntN(4) == 0 {
			p.small = !p.small
		}
		if rng.IntN(4) == 0 {
			p.cheap = !p.cheap
		}
		if rng.IntN(4) == 0 {
			p.eager = !p.eager
		}
		steps := int(t.moves[len(t.moves)-1].step) + 1
		for range 1 + rng.IntN(4) {
			if rng.IntN(4) > 0 {
				p.limits = with(p.limits, rng.IntN(steps), levels[rng.IntN(len(levels))], noLimit)
			} else {
				p.widths = with(p.widths, rng.IntN(steps), rng.IntN(3), 0)
			}
		}
		if t.try(p) {
			fails = 0
		}
	}
}
