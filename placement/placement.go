// Package placement decides where VMs are to run: viably, in keeping with rules, in
// the states that are wanted, and moving as little memory as it can. If there is no
// such placement it says why.
//
// Solve is the way in. It answers one of four things: nothing has to be done, here
// is a placement, there is none (proven), or the budget is spent. The last two are
// never mixed up, since a scheduler widens its search on the first and may look
// longer on the second. Explain says where a VM could be, and Diagnose what leaves
// a problem no answer.
//
// # How it looks
//
// Every goal but the last step of Level comes down to a repair (problem.go): VMs to
// be resumed are at home where their images lie, VMs to be started in a lobby where
// nobody can stay, and nodes to be emptied offer nothing. What rules forbid a VM
// whatever others do is a set of nodes (sets.go); every other rule is a ruling that
// knows whether it is broken, and by whom (rules.go, rulings.go). Then, in the order
// of what it costs:
//
//  1. The least memory that each overloaded node has to give up, its cover
//     (cover.go), and what broken rules cost at least. The sum is a lower bound, so
//     that a placement that costs no more than that is optimal.
//  2. Landing the evicted VMs where there is room even before anybody leaves,
//     then where others leave, then where one more VM makes way (landing.go).
//     Most overloads end here, with the bound reached. To consolidate, nodes are
//     filled one after the other instead (fill.go).
//  3. Up to 12 nodes and 160 VMs: a search of the whole space, first whether
//     the VMs fit the nodes at all (packing.go), then for the least cost, from the
//     bound upwards (whole.go, search.go).
//  4. More nodes, or a search of 3 that takes too long: a test whether the room
//     is in pieces too small for the VMs (fragments.go); annealing, if some VMs have
//     found no place (anneal.go); then a search like that of 3 again and again
//     around the nodes that still cost more than their cover (neighbourhood.go),
//     and annealing again when that finds nothing more.
//
// How to get to a placement is not known here but in package plan, which a
// caller brings along as Problem.Reachable. It is asked about what these steps end
// with, which is most often enough. If there is no way, the VMs land again one
// by one, and then a small cluster is searched for the least cost among the
// reachable placements, a large one around the nodes that VMs leave (reach.go).
//
// Effort is counted in search steps, never in time: the same call returns the
// same result on every machine.
package placement

import (
	"fmt"
	"strings"

	"github.com/dvms-project/dvms/cluster"
)

// LeastBudget and BudgetOfVM are the number of search steps if Problem has none:
// so many for each VM, and at least so many. A million takes 10 to 20 ms, and most
// calls need a thousandth of what they have: they end with a proof.
const (
	LeastBudget = 20_000_000
	BudgetOfVM  = 2000
)

// Answer is what Solve found out.
type Answer uint8

// The answers of Solve.
const (
	Viable        Answer = iota // a placement was found
	AlreadyViable               // nothing has to be done
	Infeasible                  // proven: no placement is viable, keeps the rules and is reachable
	Exhausted                   // the budget is spent and none was found
)

var answerNames = []string{"viable", "already viable", "infeasible", "exhausted"}

func (a Answer) String() string {
	if int(a) < len(answerNames) {
		return answerNames[a]
	}
	return fmt.Sprintf("Answer(%d)", uint8(a))
}

// Reason is why a VM was not put on a node.
type Reason uint8

// The reasons. The first ones are a lack of the cluster.Resource of the same
// number.
const (
	NoCPU Reason = iota
	NoMemory
	NoNetwork
	NoDisk
	Dearer // it would cost more than a placement that is known
	Alike  // an equal choice was looked at before
	// Unreachable counts viable placements, not VMs: Problem.Reachable refused
	// them.
	Unreachable
	AgainstRule // a rule forbids it: Result.ByRule tells which
	NumReasons
)

var reasonNames = [NumReasons]string{"cpu", "memory", "network", "disk", "dearer", "alike", "unreachable", "rule"}

func (r Reason) String() string {
	if r < NumReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// Rejections counts, by Reason, how often a VM was not put on a node. A
// resource of which all nodes together have too little counts once.
type Rejections [NumReasons]int

// String lists the reasons that occurred, as in "cpu=41 memory=7".
func (r Rejections) String() string {
	var parts []string
	for reason, count := range r {
		if count > 0 {
			parts = append(parts, fmt.Sprintf("%s=%d", Reason(reason), count))
		}
	}
	return strings.Join(parts, " ")
}

// Result is the outcome of Solve.
type Result struct {
	Answer Answer
	// Host is, by VM, the placement if Answer is Viable: the node where it runs at
	// the end, or Nowhere. Else it is nil.
	Host []int32
	// Cost is what a placement costs: the memory of the VMs that migrate, the memory
	// of those that are resumed, twice if it is not where their image lies, and the
	// weights of the soft rules that are broken.
	Cost  cluster.Bytes
	Moved cluster.Bytes // memory of the VMs that migrate
	Moves int           // how many VMs migrate
	// Bound is proven: no viable and reachable placement costs less. If the goal is
	// Consolidate, it is said of the placements that use as few nodes.
	Bound   cluster.Bytes
	Optimal bool // Cost is proven to be the least, and equals Bound
	// Broken are the soft rules that are broken, as indices into Problem.Rules.
	Broken []int
	// Nodes is how many nodes host VMs, and NodesBound proven to be the least.
	// They are set if the goal is Consolidate.
	Nodes, NodesBound int
	// Imbalance is what Level lowers, before and after; see imbalance.
	ImbalanceBefore, ImbalanceAfter float64
	// Steps is the effort: one for each VM and node that was read, one for each
	// candidate that was looked at (a VM on a node, a VM in a cover), and one
	// for each node of a search tree. Budget limits all but the first kind. A
	// step takes about 5 to 30 ns. Problem says what a call of Reachable counts.
	Steps      int
	FirstSteps int // the effort after which the first viable placement was known
	Rejected   Rejections
	Known      *Known // for Problem.Known, if there is no placement and there are no rules; else nil
	ByRule     []int  // by rule: how often it kept a VM from a node; nil if there are no rules
}

// Gap is by how much the cost may be above the least, as a share of Bound. It is
// 0 if the cost is proven to be the least, and infinite if Bound is 0 and it is
// not.
func (r *Result) Gap() float64 {
	if r.Cost == r.Bound {
		return 0
	}
	return float64(r.Cost-r.Bound) / float64(r.Bound)
}

// Solve looks for a placement of VMs on nodes that is viable, keeps the rules and
// serves the goal. It returns the best one that it comes across.
//
// A placement may be out of reach of live migrations: Problem.Reachable tells.
//
// c is as cluster.Configuration.Validate wants it; it is not changed.
func Solve(c *cluster.Configuration, p Problem) Result {
	if p.Known != nil && p.isPlain() {
		if result, short := p.Known.short(c); short {
			return result
		}
	}
	r := newRepair(c, &p)
	switch p.Goal {
	case Consolidate:
		return r.consolidate()
	case Level:
		return r.level()
	case Repair:
	}
	return r.result(r.repair())
}

// result says what r has found out.
func (r *repair) result(a Answer) Result {
	result := Result{Answer: a, Steps: r.steps, Bound: cluster.Bytes(r.bound + r.fixed), Rejected: r.rejected}
	if r.book != nil {
		result.ByRule = r.book.rejected
	}
	if a != Viable && a != AlreadyViable {
		result.Known = r.known()
	}
	if a != Viable {
		return result
	}
	result.Cost = cluster.Bytes(r.total() + r.fixed)
	if r.proven {
		result.Bound = result.Cost
	}
	result.Optimal = result.Cost == result.Bound
	changes := false
	for v, h := range r.host {
		switch from := r.start.Host[v]; {
		case from == h:
		case from != cluster.Nowhere && h != cluster.Nowhere:
			result.Moved += r.start.VMs[v].Demand.Memory()
			result.Moves++
		default:
			changes = true
		}
	}
	if r.book != nil {
		for i, broken := range r.book.broken {
			if broken {
				result.Broken = append(result.Broken, int(r.book.name[i]))
			}
		}
	}
	result.FirstSteps = max(r.reached, 1)
	if result.Moves == 0 && !changes {
		result.Answer = AlreadyViable
		result.FirstSteps = result.Steps
		return result
	}
	result.Host = r.host
	return result
}
