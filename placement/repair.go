package placement

import (
	"cmp"

	"github.com/dvms-project/dvms/cluster"
)

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
