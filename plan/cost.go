package plan

import (
	"math"

	"github.com/dvms-project/dvms/cluster"
)

// Cost is K(p) of equation (1), by which plans that end in the same placement
// are compared. The cost of a migration is the memory of its VM, and
// delay costs: an action is charged with all steps before its own, and a step
// with its dearest action.
//
//	K(p)   = sum of K(a) over all actions a
//	K(a)   = sum of K(s) over the steps s before that of a, + k(a)
//	K(s)   = the largest k(a) of its actions
//	k(a)   = the memory of the VM, for a migration
//
// It is in bytes, but not an amount that is sent: in a plan of one step it is
// the memory that moves, and each further step adds to it. What does not fit
// an int64 is math.MaxInt64.
//
// Source: chapter 2 of the thesis behind DVMS, which describes Entropy;
// F. Hermenier et al., VTDC 2010.
func (p *Plan) Cost() cluster.Bytes {
	var total, earlier cluster.Bytes
	for _, step := range p.Steps() {
		var dearest cluster.Bytes
		for _, a := range step {
			total = saturated(total, saturated(earlier, a.Memory))
			dearest = max(dearest, a.Memory)
		}
		earlier = saturated(earlier, dearest)
	}
	return total
}

// saturated is a+b of two amounts that are not negative, or the largest amount
// if that is too much.
func saturated(a, b cluster.Bytes) cluster.Bytes {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}
