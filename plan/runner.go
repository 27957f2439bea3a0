package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// State is how far an action is.
type State uint8

// The states of an action. A pending one starts or is given up; a running one
// completes or fails.
const (
	Pending   State = iota
	Running         // started, not ended
	Completed       // the VM is on its target, and in the state that the action leads to
	Failed          // the VM is where and in what state it was
	Cancelled       // never started, since it depends on one that failed
	Aborted         // never started, since another one failed
)

var stateNames = []string{"pending", "running", "completed", "failed", "cancelled", "aborted"}

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", uint8(s))
}

// Outcome counts what became of the actions of a plan.
type Outcome struct {
	Completed, Failed, Cancelled, Aborted int
}

// Succeeded reports whether every action completed.
func (o Outcome) Succeeded() bool { return o.Failed == 0 && o.Cancelled == 0 && o.Aborted == 0 }

// Runner carries a plan out: it says which actions may start, and is told
// which have started, completed and failed. It does no I/O and knows no time.
//
// Once an action fails, nothing more starts. Those under way are awaited;
// those that depend on the failed one, directly or not, are cancelled, and all
// others that have not started are aborted. The Runner is finished when
// nothing is pending or running.
//
// Without a schedule, actions may start in the order of the plan; with one, in the
// order in which the schedule has them start. Durations are estimates, so the Runner
// does not wait for an instant: it starts what has nothing left to wait for.
//
// A Runner is a value: Clone and Key let a search over all orders of events
// copy it and recognise what it has seen.
type Runner struct {
	plan    Plan
	perNode int
	states  []State // by action
	waits   []int32 // by action: how many of its After have not completed
	left    int     // actions that are pending or running

	// Of the pending actions that wait for no other one, those in parked have found
	// a node busy, and stay with it until less runs there; the rest is in open, with
	// some that are no longer pending. So an event costs what it changes, and not
	// a look at all actions.
	open   []int32
	busy   []int32   // by node: how many actions run there
	parked [][]int32 // by node

	// What follows is the same for every copy, and never changes.
	followers [][]int32  // by action: those that are After it
	ends      [][2]int32 // by action: its source and target, as numbers below nodes
	rank      []int32    // by action: how many may start before it; nil for the order of the plan
}

// NewRunner prepares to carry out p, which must not be changed any more. At
// most perNode actions that touch a node, as source or as target, run at a
// time; 0 is no limit. The start of a VM touches the node that it runs on.
func NewRunner(p Plan, perNode int) *Runner {
	r := &Runner{
		plan: p, perNode: perNode,
		states: make([]State, len(p.Actions)), waits: make([]int32, len(p.Actions)),
		followers: make([][]int32, len(p.Actions)), ends: make([][2]int32, len(p.Actions)), left: len(p.Actions),
	}
	numbers := map[cluster.NodeID]int32{}
	number := func(id cluster.NodeID) int32 {
		n, ok := numbers[id]
		if !ok {
			n = int32(len(numbers))
			numbers[id] = n
		}
		return n
	}
	for i, a := range p.Actions {
		source := a.Source
		if a.Kind == Run {
			source = a.Target // where a VM has waited, its boot is no work
		}
		r.ends[i] = [2]int32{number(source), number(a.Target)}
		r.waits[i] = int32(len(a.After))
		for _, before := range a.After {
			r.followers[before] = append(r.followers[before], int32(i))
		}
		if len(a.After) == 0 {
			r.open = append(r.open, int32(i))
		}
	}
	r.busy, r.parked = make([]int32, len(numbers)), make([][]int32, len(numbers))
	return r
}

// NewTimedRunner prepares to carry out p as s has it: in its order, and with as
// many actions at a node as it has.
func NewTimedRunner(p Plan, s Schedule) *Runner {
	r := NewRunner(p, s.PerNode)
	order := make([]int, len(p.Actions))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Start[a], s.Start[b]) })
	r.rank = make([]int32, len(order))
	for k, i := range order {
		r.rank[i] = int32(k)
	}
	return r
}

// Clone returns a copy that goes its own way.
func (r *Runner) Clone() *Runner {
	clone := *r
	clone.states, clone.waits = slices.Clone(r.states), slices.Clone(r.waits)
	clone.open, clone.busy, clone.parked = slices.Clone(r.open), slices.Clone(r.busy), slices.Clone(r.parked)
	for n, parked := range clone.parked {
		clone.parked[n] = slices.Clone(parked)
	}
	return &clone
}

// Key returns the states of the actions as a string of bytes. Runners of the
// same plan with the same key behave alike.
func (r *Runner) Key() string {
	key := make([]byte, len(r.states))
	for i, s := range r.states {
		key[i] = byte(s)
	}
	return string(key)
}

// Plan returns the plan that r carries out.
func (r *Runner) Plan() Plan { return r.plan }

// State returns the state of action i.
func (r *Runner) State(i int) State { return r.states[i] }

// IsRunning reports whether there is an action i, and it is under way.
func (r *Runner) IsRunning(i int) bool {
	return i >= 0 && i < len(r.states) && r.states[i] == Running
}

// Ready returns the actions that may start now, in the order in which they
// should. All of them may start together: they are chosen in order as long as
// their nodes are not busy.
func (r *Runner) Ready() []int {
	r.open = slices.DeleteFunc(r.open, func(i int32) bool { return r.states[i] != Pending || r.park(i) })
	slices.SortFunc(r.open, r.compare)
	var ready []int
	for _, i := range r.open {
		if r.full(i) < 0 {
			r.occupy(i, 1)
			ready = append(ready, int(i))
		}
	}
	for _, i := range ready {
		r.occupy(int32(i), -1) // it may start, but has not yet
	}
	return ready
}

// compare orders actions as they should start.
func (r *Runner) compare(a, b int32) int {
	if r.rank != nil {
		a, b = r.rank[a], r.rank[b]
	}
	return cmp.Compare(a, b)
}

// full returns a node of action i on which nothing more may start, or a negative number.
func (r *Runner) full(i int32) int32 {
	for _, n := range r.ends[i] {
		if r.perNode > 0 && int(r.busy[n]) >= r.perNode {
			return n
		}
	}
	return -1
}

// park puts action i aside if one of its nodes is full.
func (r *Runner) park(i int32) bool {
	n := r.full(i)
	if n >= 0 {
		r.parked[n] = append(r.parked[n], i)
	}
	return n >= 0
}

// occupy counts action i at its nodes.
func (r *Runner) occupy(i, by int32) {
	source, target := r.ends[i][0], r.ends[i][1]
	r.busy[source] += by
	if target != source {
		r.busy[target] += by
	}
}

// Started tells that action i, which was Ready, has started.
func (r *Runner) Started(i int) {
	if r.states[i] != Pending || r.waits[i] > 0 {
		panic(fmt.Sprintf("plan: action %d started while %v, with %d to wait for", i, r.states[i], r.waits[i]))
	}
	r.states[i] = Running
	r.occupy(int32(i), 1)
}

// Done tells that action i has completed.
func (r *Runner) Done(i int) {
	r.end(i, Completed)
	for _, f := range r.followers[i] {
		if r.waits[f]--; r.waits[f] == 0 {
			r.open = append(r.open, f)
		}
	}
}

// Failed tells that action i has ended, and has changed nothing: a VM that was to
// migrate, to be suspended or stopped runs on its source, and one that was to
// run or to be resumed waits or sleeps.
func (r *Runner) Failed(i int) {
	r.end(i, Failed)
	r.cancel(i)
	r.Abort()
}

// Abort gives up every action that has not started. Those under way are still
// awaited.
func (r *Runner) Abort() {
	for i, s := range r.states {
		if s == Pending {
			r.states[i] = Aborted
			r.left--
		}
	}
}

func (r *Runner) end(i int, s State) {
	if r.states[i] != Running {
		panic(fmt.Sprintf("plan: action %d %v while %v", i, s, r.states[i]))
	}
	r.states[i] = s
	r.left--
	r.occupy(int32(i), -1)
	for _, n := range r.ends[i] {
		r.open = append(r.open, r.parked[n]...)
		r.parked[n] = r.parked[n][:0]
	}
}

// cancel cancels what depends on action i.
func (r *Runner) cancel(i int) {
	for _, f := range r.followers[i] {
		if r.states[f] == Pending || r.states[f] == Aborted {
			if r.states[f] == Pending {
				r.left--
			}
			r.states[f] = Cancelled
			r.cancel(int(f))
		}
	}
}

// Finished reports whether nothing is left to start or to await.
func (r *Runner) Finished() bool { return r.left == 0 }

// Outcome counts what became of the actions so far.
func (r *Runner) Outcome() Outcome {
	var o Outcome
	for _, s := range r.states {
		switch s {
		case Completed:
			o.Completed++
		case Failed:
			o.Failed++
		case Cancelled:
			o.Cancelled++
		case Aborted:
			o.Aborted++
		}
	}
	return o
}
