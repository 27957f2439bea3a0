// Package placementtest is what a solver is held against: small problems with
// rules of every kind, and the best placements of them, found by looking at all
// there are.
//
// It shares no code with package placement. What is good is said by package
// plan/check alone; see Problem.Judge and Problem.Best.
package placementtest

import (
	"cmp"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan/check"
)

// Problem is a configuration and what is asked of it.
type Problem struct {
	Configuration *cluster.Configuration
	Request       check.Request
}

// Goal is what makes one placement better than another.
type Goal uint8

// The goals.
const (
	// LeastCost is that of repair, drain, place and switch: least cost, then
	// fewest moves.
	LeastCost Goal = iota
	// FewestNodes is that of consolidate: fewest nodes on, then least cost, then
	// fewest moves.
	FewestNodes
)

// Value is what a placement is worth.
type Value struct {
	// Nodes is how many nodes host VMs or are kept on by an Online rule.
	Nodes int
	// Cost is the weight of the soft rules that are broken and the memory that
	// moves: that of VMs that run at the start and in the end on different nodes;
	// of VMs that slept and run, once if on the node that holds the image (or if
	// all nodes reach it alike) and twice elsewhere. Memory is as Preserve makes
	// it. What all placements share, such as the memory of VMs that are suspended,
	// is not in it.
	Cost cluster.Bytes
	// Moves is how many VMs run at the start and in the end on different nodes.
	Moves int
}

// Compare is less than 0 if v is better than w for the goal g.
func (g Goal) Compare(v, w Value) int {
	byCost := cmp.Or(cmp.Compare(v.Cost, w.Cost), cmp.Compare(v.Moves, w.Moves))
	if g == FewestNodes {
		return cmp.Or(cmp.Compare(v.Nodes, w.Nodes), byCost)
	}
	return byCost
}

// Judge returns what host is worth as an answer to p, and the verdict of package
// check. The value means something only if nothing is wrong.
func (p *Problem) Judge(host []int32) (Value, check.Verdict) {
	s := newSearch(p)
	verdict := s.judge.Placement(host)
	if len(verdict.Wrong) > 0 {
		return Value{}, verdict
	}
	return s.value(host, verdict), verdict
}
