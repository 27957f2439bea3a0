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
	"cmp"
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

// repair looks for the placement that costs least.
func (r *repair) repair() Answer {
	if r.settled() && (!r.switches() || r.reachable(r.c.Host, 0)) {
		r.host = r.c.Host
		return Viable
	}
	if !r.plausible() {
		return Infeasible
	}
	r.evict()
	r.land()
	if r.stuck == 0 && r.ask == nil {
		r.found()
	}
	if r.stuck == 0 && r.total() == r.bound {
		if r.reachable(r.host, r.cost.moves) {
			r.found()
			return Viable
		}
		r.refused = true
	}
	if r.small() {
		return r.searchAll()
	}
	if r.stuck > 0 && r.fragmented() {
		return Infeasible
	}
	if r.quick {
		return r.settleQuickly()
	}
	return r.searchParts()
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

func (c cost) add(o cost) cost { return cost{c.memory + o.memory, c.moves + o.moves} }

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

// repair is one call of Solve.
type repair struct {
	effort
	*virtual
	problem *Problem
	given   *cluster.Configuration
	filling bool  // nodes are to be filled one by one
	quick   bool  // a large cluster is not searched for long
	book    *book // nil if there are no rules, and every VM may be everywhere
	// capacity is, by node, what it offers: nothing if it is closed.
	capacity []cluster.Resources
	// host is the placement under construction. A VM that found no place stays
	// at home.
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
	forced []int32          // the VMs that may not be at home
	scarce cluster.Resource // the resource of which the VMs ask for the largest share
	vms    []int32          // VMs by their home: see at
	first  []int32

	covers  []cover // by position in over
	evicted []int32 // VMs of all covers, and those that rules evict
	chosen  []int32 // the VMs of covers, one cover after the other; without rules only
	left    []int32 // the nodes that VMs leave
	bound   int64   // no viable placement costs less
	proven  bool    // cost is proven to be the least
	cost    cost    // of host, without the weights of broken rules
	stuck   int     // what is wrong with host: see count
	reached int     // steps at the first placement that is an answer, or 0
	rooms   *shelves
	leeway  int64 // what soft rules may weigh that are broken by a VM that lands

	ask     func(host []int32) (waiting []int32, ok bool) // Problem.Reachable
	waiting []int32                                       // VMs of the latest placement that was refused, in each other's way
	refused bool                                          // host is viable, and not reachable
	// kept is the best placement known to be reachable, nil if there is none or
	// everything is.
	kept     []int32
	keptCost cost
}

// newRepair prepares to solve p. The nodes of empty are to host nobody.
func newRepair(c *cluster.Configuration, p *Problem, empty ...int32) *repair {
	budget := p.Budget
	if budget == 0 {
		budget = max(LeastBudget, BudgetOfVM*len(c.VMs))
		if p.Goal == Consolidate {
			budget *= consolidateFactor
		}
	}
	r := &repair{virtual: newVirtual(c, p, empty), problem: p, given: c, ask: p.Reachable}
	if r.book = newBook(p, r.virtual); r.book != nil && r.book.narrow {
		r.rehome(r.book)
	}
	n := len(r.c.Nodes)
	slab := make([]cluster.Resources, 3*n)
	r.capacity, r.free, r.room = slab[:n], slab[n:2*n], slab[2*n:]
	r.steps = n + len(r.c.VMs)
	r.limit = r.steps + budget
	for i := range r.c.Nodes {
		if r.closed == nil || !r.closed[i] {
			r.capacity[i] = r.c.Nodes[i].Offer()
		}
	}
	copy(r.free, r.capacity)
	for v, h := range r.c.Host {
		if h != cluster.Nowhere {
			r.free[h] = r.free[h].Minus(r.c.VMs[v].Demand)
		}
	}
	for i := range r.free {
		if !fits(cluster.Resources{}, r.free[i]) {
			r.over = append(r.over, int32(i))
		}
	}
	copy(r.room, r.free)
	for _, v := range r.leavers {
		h := r.start.Host[v]
		r.room[h] = r.room[h].Minus(r.c.VMs[v].Demand)
	}
	r.stuck = len(r.over)
	if r.book != nil {
		r.settleBook()
	}
	return r
}

// settleBook lets every VM count at home, and finds those that may not be there.
func (r *repair) settleBook() {
	for v, h := range r.c.Host {
		if h == cluster.Nowhere {
			continue
		}
		if !r.book.mayBe(int32(v), h) {
			r.forced = append(r.forced, int32(v))
		}
		if h != r.lobby {
			r.book.put(int32(v), h)
		}
	}
	r.steps += len(r.c.VMs)
	r.stuck += len(r.forced) + r.book.wrong
}

// settled reports whether nothing has to change place.
func (r *repair) settled() bool {
	return len(r.over) == 0 && len(r.forced) == 0 && (r.book == nil || r.book.wrong == 0 && r.book.penalty == 0)
}

// switches reports whether a VM changes its state, or its node in any case.
func (r *repair) switches() bool { return len(r.leavers) > 0 || r.dormant != nil || r.lobby != noLobby }

// total is what host costs.
func (r *repair) total() int64 {
	if r.book == nil {
		return r.cost.memory
	}
	return r.cost.memory + r.book.penalty
}

// plausible runs the tests that prove infeasibility at once: the nodes have
// less than the VMs ask for together, or a VM is larger than every node. It
// also sets scarce.
func (r *repair) plausible() bool {
	var total, capacity cluster.Resources
	for i := range r.c.Nodes {
		capacity = capacity.Plus(r.capacity[i])
	}
	for v, h := range r.c.Host {
		if h != cluster.Nowhere {
			total = total.Plus(r.c.VMs[v].Demand)
		}
	}
	short := false
	for d := range total {
		if total[d] > capacity[d] {
			r.rejected[d]++
			short = true
		}
	}
	if short {
		return false
	}
	r.scarce = scarcest(total, capacity)
	for v, h := range r.c.Host {
		if h != cluster.Nowhere && !fits(r.c.VMs[v].Demand, r.capacity[h]) && !r.fitsSomewhere(int32(v)) {
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
		if r.admits(&r.c.VMs[v].Demand, &r.capacity[n]) && r.mayBe(v, int32(n)) {
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

// mayBe reports whether v may be on n whatever others do, and counts if not.
func (r *repair) mayBe(v, n int32) bool {
	if r.book.mayBe(v, n) {
		return true
	}
	r.rejected[AgainstRule]++
	return false
}

// keepsRules reports whether v can be on n under the rules, and counts if not.
func (r *repair) keepsRules(v, n int32) bool {
	if r.book.admits(v, n, r.leeway) {
		return true
	}
	r.rejected[AgainstRule]++
	return false
}

// compareClass orders VMs that rules, or where they come from, tell from each other.
func (r *repair) compareClass(a, b int32) int {
	book := r.book
	if book == nil {
		return 0
	}
	if book.particular[a] || book.particular[b] {
		return cmp.Compare(a, b)
	}
	id := func(v int32) int32 {
		if book.allowed[v] == nil {
			return 0
		}
		return book.allowed[v].id
	}
	dormant := func(v int32) int {
		if r.isDormant(v) {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(id(a), id(b)), cmp.Compare(dormant(a), dormant(b)), cmp.Compare(r.moving(a), r.moving(b)))
}

// moving is the node that v leaves in any case, or Nowhere.
func (r *repair) moving(v int32) int32 {
	if r.start.Host[v] == r.c.Host[v] {
		return cluster.Nowhere
	}
	return r.start.Host[v]
}

// memoryOf is the memory of v if it runs at the start.
func (r *repair) memoryOf(v int32) int64 {
	if r.start.Host[v] == cluster.Nowhere {
		return 0
	}
	return r.c.VMs[v].Demand[cluster.Memory]
}

// memory is what it costs to have v elsewhere than at home.
func (r *repair) memory(v int32) int64 {
	if r.c.Host[v] == r.lobby {
		return 0
	}
	return r.c.VMs[v].Demand[cluster.Memory]
}

// move puts v on node to, which may be its home.
func (r *repair) move(v, to int32) {
	home, from, demand := r.c.Host[v], r.host[v], r.c.VMs[v].Demand
	dormant := r.isDormant(v)
	r.free[from] = r.free[from].Plus(demand)
	r.free[to] = r.free[to].Minus(demand)
	if from != home || dormant {
		r.setRoom(from, r.room[from].Plus(demand))
	}
	if to != home || dormant {
		r.setRoom(to, r.room[to].Minus(demand))
	}
	if from != home {
		r.cost.memory -= r.memory(v)
		r.cost.moves--
	}
	if to != home {
		r.cost.memory += r.memory(v)
		r.cost.moves++
	}
	r.host[v] = to
	r.enter(v, to)
}

// enter lets v count on n in the book.
func (r *repair) enter(v, n int32) {
	if r.book == nil {
		return
	}
	if n == r.lobby {
		n = cluster.Nowhere
	}
	r.book.put(v, n)
}

func (r *repair) setRoom(n int32, room cluster.Resources) {
	r.room[n] = room
	if r.rooms != nil {
		r.rooms.put(n, room[r.scarce])
	}
}

// count sets stuck to the number of things that are wrong with host: nodes that are
// overloaded, VMs that are where they may not be, and hard rules that are broken.
func (r *repair) count() {
	r.stuck = 0
	for n := range r.free {
		if !fits(cluster.Resources{}, r.free[n]) {
			r.stuck++
		}
	}
	for _, v := range r.forced {
		if r.host[v] == r.c.Host[v] {
			r.stuck++
		}
	}
	if r.book != nil {
		r.stuck += r.book.wrong
	}
}

// found notes the effort at the first placement that is an answer.
func (r *repair) found() {
	if r.reached == 0 {
		r.reached = r.steps
	}
}

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
