// Package placement finds a viable configuration for VMs whose nodes are
// overloaded, moving as little memory as it can, or says why there is none.
//
// Repair is the way in. It answers one of four things: nothing has to move,
// here is a placement, there is none (proven), or the budget is spent. The
// last two are never mixed up, since a scheduler widens its search on the
// first and may look longer on the second.
//
// How it looks, in the order of what it costs:
//
//  1. The least memory that each overloaded node has to give up, its cover
//     (cover.go). The sum of the covers is a lower bound, so that a placement
//     that moves no more than that is optimal.
//  2. Landing the evicted VMs where there is room even before anybody leaves,
//     then where others leave, then where one more VM makes way (landing.go).
//     Most overloads end here, with the bound reached.
//  3. Up to 12 nodes and 160 VMs: a search of the whole space, first whether
//     the VMs fit the nodes at all (packing.go), then for the least memory
//     (search.go).
//  4. More nodes, or a search of 3 that takes too long: a test whether the room
//     is in pieces too small for the VMs (fragments.go), then a search of the
//     same kind again and again around the nodes that still cost more than
//     their cover (neighbourhood.go).
//
// How to get to a placement is not known here but in package plan, which a
// caller brings along as Settings.Reachable. It is asked about what 1 to 3 end
// with, which is most often enough. If there is no way, the VMs land again one
// by one, and then a small cluster is searched for the least memory among the
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

// DefaultBudget is the number of search steps if Settings has none. They take
// 10 to 20 ms, and most calls need a thousandth of them.
const DefaultBudget = 1_000_000

// Settings of a call of Repair.
type Settings struct {
	// Budget is how many search steps may be spent before the answer is
	// Exhausted, or the best placement so far. 0 is DefaultBudget.
	Budget int
	// Reachable reports whether there is a way to a viable placement, as
	// plan.Make knows it; nil stands for always. One that is not reachable is no
	// answer, and the search goes on. The Host of a Result is the last placement
	// that was said to be reachable, so that the way may be kept.
	//
	// It must not change or keep host, and must not tell VMs apart that have
	// equal demands and start on the same node. A call counts as reachSteps
	// for each VM that moves, and one for each VM and node.
	Reachable func(host []int32) bool
}

// Answer is what Repair found out.
type Answer uint8

// The answers of Repair.
const (
	Viable        Answer = iota // a placement was found
	AlreadyViable               // nothing has to move
	Infeasible                  // proven: no placement is viable and reachable
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
	// Unreachable counts viable placements, not VMs: Settings.Reachable refused
	// them.
	Unreachable
	NumReasons
)

var reasonNames = [NumReasons]string{"cpu", "memory", "network", "disk", "dearer", "alike", "unreachable"}

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

// Result is the outcome of Repair.
type Result struct {
	Answer Answer
	Host   []int32       // by VM, the placement if Answer is Viable, else nil
	Moved  cluster.Bytes // memory of the VMs that change node
	Moves  int           // how many VMs change node
	// Bound is proven: no viable and reachable placement moves less memory.
	Bound   cluster.Bytes
	Optimal bool // Moved is proven to be the least, and equals Bound
	// Steps is the effort: one for each VM and node that was read, one for each
	// candidate that was looked at (a VM on a node, a VM in a cover), and one
	// for each node of a search tree. Budget limits all but the first kind. A
	// step takes about 5 to 30 ns. Settings says what a call of Reachable counts.
	Steps      int
	FirstSteps int // the effort after which the first viable placement was known
	Rejected   Rejections
}

// Repair looks for a viable configuration of the same VMs on the same nodes
// that moves the fewest bytes of memory and, among those it comes across, the
// fewest VMs. VMs that run Nowhere stay there and count for nothing.
//
// A placement may be out of reach of live migrations: Settings.Reachable tells.
//
// c is as cluster.Configuration.Validate wants it; it is not changed.
func Repair(c *cluster.Configuration, settings Settings) Result {
	r := newRepair(c, settings)
	if len(r.over) == 0 {
		return Result{Answer: AlreadyViable, Optimal: true, Steps: r.steps, FirstSteps: r.steps}
	}
	if !r.plausible() {
		return r.result(Infeasible)
	}
	r.evict()
	r.land()
	if r.stuck == 0 && r.ask == nil {
		r.found()
	}
	if r.stuck == 0 && r.cost.memory == r.bound {
		if r.reachable(r.host, r.cost.moves) {
			r.found()
			return r.result(Viable)
		}
		r.refused = true
	}
	if r.small() {
		return r.result(r.searchAll())
	}
	if r.stuck > 0 && r.fragmented() {
		return r.result(Infeasible)
	}
	return r.result(r.searchParts())
}

// cost is what a placement is judged by: memory first.
type cost struct {
	memory int64
	moves  int
}

func (c cost) less(o cost) bool {
	return c.memory < o.memory || c.memory == o.memory && c.moves < o.moves
}

func (c cost) plus(memory int64) cost { return cost{c.memory + memory, c.moves + 1} }

// effort counts search steps against a limit.
type effort struct {
	steps    int
	limit    int
	rejected Rejections
}

// step spends one step. It reports false once the budget is spent.
func (e *effort) step() bool {
	e.steps++
	return e.steps <= e.limit
}

func (e *effort) spent() bool { return e.steps >= e.limit }

// repair is one call of Repair.
type repair struct {
	effort
	c *cluster.Configuration
	// host is the placement under construction. A VM that found no place stays
	// on its overloaded node.
	host []int32
	// free is, by node, the capacity less what its VMs ask for under host. It
	// is negative on an overloaded node.
	free []cluster.Resources
	// room is, by node, the capacity less what its VMs ask for at the start and
	// what arrives: those that leave still count. Who fits room can migrate at
	// once.
	//
	// Invariant: room[n] <= free[n] in every resource.
	room []cluster.Resources

	over   []int32          // the nodes that are overloaded at the start
	scarce cluster.Resource // the resource of which the VMs ask for the largest share
	vms    []int32          // running VMs by their node at the start: see at
	first  []int32

	covers  []cover // by position in over
	evicted []int32 // VMs of all covers
	bound   int64   // sum of the covers
	proven  bool    // cost is proven to be the least memory
	cost    cost    // of host
	stuck   int     // nodes that are overloaded under host
	reached int     // steps at the first placement that is an answer, or 0
	rooms   *shelves

	ask     func(host []int32) bool // Settings.Reachable
	refused bool                    // host is viable, and not reachable
	// kept is the best placement known to be reachable, nil if there is none or
	// everything is.
	kept     []int32
	keptCost cost
}

func newRepair(c *cluster.Configuration, settings Settings) *repair {
	budget := settings.Budget
	if budget == 0 {
		budget = DefaultBudget
	}
	n := len(c.Nodes)
	slab := make([]cluster.Resources, 2*n)
	r := &repair{c: c, free: slab[:n], room: slab[n:], ask: settings.Reachable}
	r.steps = n + len(c.VMs)
	r.limit = r.steps + budget
	for i := range c.Nodes {
		r.free[i] = c.Nodes[i].Capacity
	}
	for v, h := range c.Host {
		if h != cluster.Nowhere {
			r.free[h] = r.free[h].Minus(c.VMs[v].Demand)
		}
	}
	for i := range r.free {
		if !fits(cluster.Resources{}, r.free[i]) {
			r.over = append(r.over, int32(i))
		}
	}
	copy(r.room, r.free)
	r.stuck = len(r.over)
	return r
}

// plausible runs the tests that prove infeasibility at once: the nodes have
// less than the VMs ask for together, or a VM is larger than every node. It
// also sets scarce.
func (r *repair) plausible() bool {
	var total, capacity cluster.Resources
	for i := range r.c.Nodes {
		capacity = capacity.Plus(r.c.Nodes[i].Capacity)
	}
	for v, h := range r.c.Host {
		if h != cluster.Nowhere {
			total = total.Plus(r.c.VMs[v].Demand)
		}
	}
	for d := range total {
		if total[d] > capacity[d] {
			r.rejected[d]++
		}
	}
	if r.rejected != (Rejections{}) {
		return false
	}
	r.scarce = scarcest(total, capacity)
	for v, h := range r.c.Host {
		if h != cluster.Nowhere && !fits(r.c.VMs[v].Demand, r.c.Nodes[h].Capacity) && !r.fitsSomewhere(int32(v)) {
			return false
		}
	}
	return true
}

// scarcest returns the resource with the largest share in use.
func scarcest(total, capacity cluster.Resources) cluster.Resource {
	scarce, most := cluster.CPU, 0.0
	for d := range total {
		if capacity[d] > 0 && float64(total[d])/float64(capacity[d]) > most {
			scarce, most = cluster.Resource(d), float64(total[d])/float64(capacity[d])
		}
	}
	return scarce
}

func (r *repair) fitsSomewhere(v int32) bool {
	was := r.rejected
	for n := range r.c.Nodes {
		r.steps++
		if r.admits(&r.c.VMs[v].Demand, &r.c.Nodes[n].Capacity) {
			r.rejected = was
			return true
		}
	}
	return false
}

// admits reports whether demand fits into space, and counts the reason if not.
func (e *effort) admits(demand, space *cluster.Resources) bool {
	for d := range demand {
		if demand[d] > space[d] {
			e.rejected[d]++
			return false
		}
	}
	return true
}

// fits reports whether demand is no more than space in any resource.
func fits(demand, space cluster.Resources) bool {
	return demand[0] <= space[0] && demand[1] <= space[1] && demand[2] <= space[2] && demand[3] <= space[3]
}

// at returns the VMs that node n hosts at the start.
func (r *repair) at(n int32) []int32 { return r.vms[r.first[n]:r.first[n+1]] }

// index sorts the running VMs by node, for at.
func (r *repair) index() {
	slab := make([]int32, len(r.c.Nodes)+1+len(r.c.VMs))
	r.first, r.vms = slab[:len(r.c.Nodes)+1], slab[len(r.c.Nodes)+1:]
	for _, h := range r.c.Host {
		if h != cluster.Nowhere {
			r.first[h+1]++
		}
	}
	for n := range r.c.Nodes {
		r.first[n+1] += r.first[n]
	}
	// first[n] runs ahead while node n is filled, and is set back after.
	for v, h := range r.c.Host {
		if h != cluster.Nowhere {
			r.vms[r.first[h]] = int32(v)
			r.first[h]++
		}
	}
	copy(r.first[1:], r.first[:len(r.c.Nodes)])
	r.first[0] = 0
}

func (r *repair) memory(v int32) int64 { return r.c.VMs[v].Demand[cluster.Memory] }

// move puts v on node to, which may be its first one.
func (r *repair) move(v, to int32) {
	home, from, demand := r.c.Host[v], r.host[v], r.c.VMs[v].Demand
	r.free[from] = r.free[from].Plus(demand)
	r.free[to] = r.free[to].Minus(demand)
	if from != home {
		r.setRoom(from, r.room[from].Plus(demand))
		r.cost.memory -= r.memory(v)
		r.cost.moves--
	}
	if to != home {
		r.setRoom(to, r.room[to].Minus(demand))
		r.cost.memory += r.memory(v)
		r.cost.moves++
	}
	r.host[v] = to
}

func (r *repair) setRoom(n int32, room cluster.Resources) {
	r.room[n] = room
	if r.rooms != nil {
		r.rooms.put(n, room[r.scarce])
	}
}

// count sets stuck to the number of overloaded nodes.
func (r *repair) count() {
	r.stuck = 0
	for n := range r.free {
		if !fits(cluster.Resources{}, r.free[n]) {
			r.stuck++
		}
	}
}

// found notes the effort at the first placement that is an answer.
func (r *repair) found() {
	if r.reached == 0 {
		r.reached = r.steps
	}
}

func (r *repair) result(a Answer) Result {
	result := Result{Answer: a, Steps: r.steps, Bound: cluster.Bytes(r.bound), Rejected: r.rejected}
	if a != Viable {
		return result
	}
	result.Host = r.host
	result.Moved, result.Moves = cluster.Bytes(r.cost.memory), r.cost.moves
	result.FirstSteps = r.reached
	if r.proven {
		result.Bound = result.Moved
	}
	result.Optimal = result.Moved == result.Bound
	return result
}
