package plan

import (
	"math"

	"github.com/dvms-project/dvms/cluster"
)

// Cost is k(a) of Table 1 of the thesis: the memory of the VM for a migration, a
// suspend and a resume on the node that holds the image, twice as much for a
// resume elsewhere, and nothing for a run and a stop.
func (a *Action) Cost() cluster.Bytes { return price(a.Kind, a.Memory, a.Source == a.Target) }

func price(kind Kind, memory cluster.Bytes, local bool) cluster.Bytes {
	switch {
	case kind == Run || kind == Stop:
		return 0
	case kind == Resume && !local:
		return saturated(memory, memory)
	}
	return memory
}

// Cost is K(p) of equation (1), by which plans that end in the same placement
// are compared. Delay costs: an action is charged with all steps before its
// own, and a step with its dearest action.
//
//	K(p)   = sum of K(a) over all actions a
//	K(a)   = sum of K(s) over the steps s before that of a, + k(a)
//	K(s)   = the largest k(a) of its actions
//	k(a)   = the cost of the action by itself
//
// It is in bytes, but not an amount that is sent: in a plan of one step of
// migrations it is the memory that moves, and each further step adds to it. What
// does not fit an int64 is math.MaxInt64.
//
// Source: chapter 2 of the thesis behind DVMS, which describes Entropy;
// F. Hermenier et al., VTDC 2010.
func (p *Plan) Cost() cluster.Bytes {
	var k tally
	for i := range p.Actions {
		k.add(p.Actions[i].Step, p.Actions[i].Cost())
	}
	return k.total
}

// tally sums equation (1) up, for actions in order of step.
type tally struct {
	total   cluster.Bytes
	earlier cluster.Bytes // of all steps before the present one
	dearest cluster.Bytes // of the present step
	step    int
}

func (k *tally) add(step int, cost cluster.Bytes) {
	if step != k.step {
		k.earlier, k.dearest, k.step = saturated(k.earlier, k.dearest), 0, step
	}
	k.total = saturated(k.total, saturated(k.earlier, cost))
	k.dearest = max(k.dearest, cost)
}

// saturated is a+b of two amounts that are not negative, or the largest amount
// if that is too much.
func saturated(a, b cluster.Bytes) cluster.Bytes {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
