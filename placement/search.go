package placement

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// searchNodes and searchVMs are the largest cluster that is searched as a
// whole.
const (
	searchNodes = 12
	searchVMs   = 160
)

// setupSteps is what a VM costs before the search begins: it is sorted several
// times.
const setupSteps = 8

// homeless is the home of a VM whose first node is outside the search.
const homeless int32 = -1

// unplaced is the node of a VM about which nothing is decided: it is at home.
const unplaced int32 = -1

// search looks for the viable placement of some VMs on some nodes that costs
// least, by depth-first branch and bound over the whole space. Nodes and VMs
// are known by their position in nodes and vms.
//
// A VM is at home until it is decided upon. While a node is overloaded, one of
// its undecided VMs has to leave: for each of them in turn the search sends it
// to each other node, those before it being decided to stay. So the tree
// holds every placement in which nobody moves without need.
//
// Three cuts keep it small. Each refers to a placement that is no dearer and
// was looked at earlier, or to one that is cheaper, so that they hold together:
//
//   - bound: the cost so far and, for each overloaded node, the relaxed
//     cover (relaxed) of its undecided VMs are no less than what is known.
//   - equal VMs: if one of two VMs with equal demand stays at home, the other
//     one does not leave that node; if one of them went somewhere, the other
//     does not go where the first was tried before; and none leaves a
//     node where one like it arrives.
//   - equal nodes: of nodes that are left by nobody undecided and have equal
//     room, only the first is tried.
//
// Rules (book) are looked at once no node is overloaded: while one is broken, one
// of the VMs that it names as culprits has to leave, or, if it is soft, its weight
// is paid. VMs that rules tell from others are equal to none, and no nodes are
// equal if there are rules.
//
// If a placement may be out of reach, as reach knows, the way to it depends on
// who moves from where. Then the tree holds every placement (roam), only
// reachable ones bound the cost, VMs are equal only if they also start on the
// same node, and no nodes are.
type search struct {
	*effort
	book     *book
	scarce   cluster.Resource
	nodes    []int32
	vms      []int32
	capacity []cluster.Resources
	demand   []cluster.Resources
	weight   []int64 // by VM: what it costs to have it elsewhere than at home
	home     []int32 // or homeless
	kind     []int32 // VMs of equal demand are of one kind
	kinds    int

	guests  []int32 // VMs by home, in the order in which they are asked to leave
	first   []int32 // guests[first[n]:first[n+1]] are at home on n
	strays  []int32 // the homeless and those that may not be at home, largest first
	order   [cluster.NumResources][]int32
	active  []int   // the resources that somebody asks for
	divisor []int64 // by node: divides the memory of all its guests
	// rulings are those about the VMs, and position is, by VM of the whole problem,
	// its place in vms, or outside.
	rulings  []int32
	position []int32
	culprits []int32 // of the rules that are being looked at, as a stack

	on       []int32             // by VM: the node decided for it, or unplaced
	held     []cluster.Resources // by node: capacity less the VMs decided to be there
	free     []cluster.Resources // by node: held less the undecided VMs at home
	open     []int32             // by node: how many undecided VMs are at home
	lack     []int64             // by node: bound on what its undecided VMs have to move
	lacks    int64               // sum of lack
	tried    []uint64            // by kind: nodes tried before those that its VMs went to
	arrived  []int32             // by kind and node: how many are decided to be there, not at home
	cost     cost                // of who moves
	accepted []bool              // by ruling of the book: it is soft, and paid for
	paid     int64
	best     cost // to be beaten
	adopted  cost // of bestOn, if improved
	bestOn   []int32
	stayed   []int32 // VMs decided to stay at home, to be set free again
	// memoryOnly says that fewer moves of as much memory are not looked for.
	memoryOnly bool
	improved   bool   // best is the cost of bestOn
	reached    int    // steps at the first placement, or 0
	enough     int64  // memory at which the search may stop: no placement has less
	next       int64  // the least memory of what was cut off as too dear
	cut        bool   // the budget was spent before the space was
	reach      *reach // nil if every placement is reachable
}

// outside is the position of a VM that is not searched.
const outside int32 = -1

// newSearch prepares the search of VMs on nodes. Others stay where r has them.
func newSearch(r *repair, nodes, vms []int32, reach *reach) *search {
	s := &search{effort: &r.effort, book: r.book, scarce: r.scarce, nodes: nodes, vms: vms, reach: reach}
	s.steps += setupSteps * len(vms)
	resources := make([]cluster.Resources, 3*len(nodes)+len(vms))
	take := func(n int) (part []cluster.Resources) {
		part, resources = resources[:n:n], resources[n:]
		return part
	}
	s.capacity, s.held, s.free, s.demand = take(len(nodes)), take(len(nodes)), take(len(nodes)), take(len(vms))
	s.home, s.weight = make([]int32, len(vms)), make([]int64, len(vms))
	var asked cluster.Resources
	for i, n := range nodes {
		s.capacity[i] = r.capacity[n]
	}
	for i, v := range vms {
		s.demand[i] = r.c.VMs[v].Demand
		s.weight[i] = r.memory(v)
		s.home[i] = int32(slices.Index(nodes, r.c.Host[v]))
		asked = asked.Plus(s.demand[i])
	}
	for d := range asked {
		if asked[d] > 0 {
			s.active = append(s.active, d)
		}
	}
	s.sortKinds(r)
	s.sortGuests(r)
	s.on, s.bestOn = make([]int32, len(vms)), make([]int32, len(vms))
	s.open, s.lack, s.divisor = make([]int32, len(nodes)), make([]int64, len(nodes)), make([]int64, len(nodes))
	s.tried, s.arrived = make([]uint64, s.kinds), make([]int32, s.kinds*len(nodes))
	if s.book != nil {
		s.findRulings()
	}
	s.reset()
	return s
}

// findRulings lists the rulings about the VMs.
func (s *search) findRulings() {
	b := s.book
	s.accepted = make([]bool, len(b.rulings))
	s.position = b.positions(s.vms)
	s.rulings = append(s.rulings, b.wide...)
	for _, v := range s.vms {
		s.rulings = append(s.rulings, b.of[v]...)
	}
	slices.Sort(s.rulings)
	s.rulings = slices.Compact(s.rulings)
	s.steps += len(s.rulings)
}

// penalty is what the broken soft rules about the VMs weigh.
func (s *search) penalty() (sum int64) {
	for _, i := range s.rulings {
		if s.book.broken[i] {
			sum += s.book.weight[i]
		}
	}
	return sum
}

// enterBook lets each VM count where at says, a node of the search or unplaced.
func (s *search) enterBook(at func(i int) int32) {
	if s.book == nil {
		return
	}
	for i, v := range s.vms {
		s.book.put(v, at(i))
	}
}

// homeInBook is where VM i counts while nothing is decided about it.
func (s *search) homeInBook(i int) int32 {
	if s.home[i] == homeless {
		return cluster.Nowhere
	}
	n := s.nodes[s.home[i]]
	if !s.book.mayBe(s.vms[i], n) {
		return cluster.Nowhere // it will be sent on
	}
	return n
}

// reset puts every VM back home.
func (s *search) reset() {
	copy(s.held, s.capacity)
	copy(s.free, s.capacity)
	clear(s.open)
	clear(s.divisor)
	for v, h := range s.home {
		s.on[v] = unplaced
		if h != homeless {
			s.free[h] = s.free[h].Minus(s.demand[v])
			s.open[h]++
			s.divisor[h] = gcd(s.divisor[h], s.weight[v])
		}
	}
	s.lacks = 0
	for n := range s.nodes {
		s.lack[n] = s.relaxed(int32(n))
		s.lacks += s.lack[n]
	}
	s.enough = s.lacks
	s.best = cost{memory: infinite}
}

// sortKinds numbers the VMs that are not alike: that differ in what they ask for,
// where they may be, and the rules about them or, if it matters where they come
// from, in that.
func (s *search) sortKinds(r *repair) {
	compare := func(a, b int32) int { return slices.Compare(s.demand[a][:], s.demand[b][:]) }
	if s.reach != nil || r.book != nil {
		homes := s.reach != nil || r.book.byMoves
		compare = func(a, b int32) int {
			c := cmp.Or(slices.Compare(s.demand[a][:], s.demand[b][:]), r.compareClass(s.vms[a], s.vms[b]))
			if c == 0 && homes {
				return cmp.Compare(r.c.Host[s.vms[a]], r.c.Host[s.vms[b]])
			}
			return c
		}
	}
	byDemand := make([]int32, len(s.vms))
	for v := range byDemand {
		byDemand[v] = int32(v)
	}
	slices.SortFunc(byDemand, compare)
	s.kind = make([]int32, len(s.vms))
	for i, v := range byDemand {
		if i > 0 && compare(v, byDemand[i-1]) != 0 {
			s.kinds++
		}
		s.kind[v] = int32(s.kinds)
	}
	s.kinds++
}

// sortGuests lists the VMs of each node: guests with the least memory first
// and, among these, the largest; order by what they cost for what they free.
func (s *search) sortGuests(r *repair) {
	s.first = make([]int32, len(s.nodes)+1)
	s.guests = make([]int32, 0, len(s.vms))
	for v, h := range s.home {
		if h == homeless || !r.book.mayBe(s.vms[v], s.nodes[h]) {
			s.strays = append(s.strays, int32(v))
		}
		if h != homeless {
			s.guests = append(s.guests, int32(v))
			s.first[h+1]++
		}
	}
	for n := range s.nodes {
		s.first[n+1] += s.first[n]
	}
	s.sortByHome(s.guests, func(a, b int32) int {
		x, y := &s.demand[a], &s.demand[b]
		return cmp.Or(cmp.Compare(s.weight[a], s.weight[b]), cmp.Compare(y[s.scarce], x[s.scarce]))
	})
	slices.SortFunc(s.strays, func(a, b int32) int {
		x, y := &s.demand[a], &s.demand[b]
		return cmp.Or(cmp.Compare(y[s.scarce], x[s.scarce]), cmp.Compare(s.kind[a], s.kind[b]), cmp.Compare(a, b))
	})
	for _, d := range s.active {
		s.order[d] = slices.Clone(s.guests)
		s.sortByHome(s.order[d], func(a, b int32) int {
			x, y := &s.demand[a], &s.demand[b]
			return dearer(s.weight[a], x[d], s.weight[b], y[d])
		})
	}
}

func (s *search) sortByHome(vms []int32, compare func(a, b int32) int) {
	slices.SortFunc(vms, func(a, b int32) int {
		return cmp.Or(cmp.Compare(s.home[a], s.home[b]), compare(a, b), cmp.Compare(s.kind[a], s.kind[b]), cmp.Compare(a, b))
	})
}

func (s *search) guestsOf(n int32) []int32 { return s.guests[s.first[n]:s.first[n+1]] }

// relaxed returns a lower bound on the memory that the undecided VMs of n have
// to move, infinite if they cannot free enough. For each resource that n
// lacks it takes the VMs that free it most cheaply, the last of them in part.
func (s *search) relaxed(n int32) int64 {
	bound := int64(0)
	for _, d := range s.active {
		need, memory := -s.free[n][d], int64(0)
		if need <= 0 {
			continue
		}
		order := s.order[d][s.first[n]:s.first[n+1]]
		s.steps += len(order)
		for _, v := range order {
			if s.on[v] != unplaced {
				continue
			}
			demand := &s.demand[v]
			if demand[d] >= need {
				if need > 0 {
					memory += share(s.weight[v], need, demand[d])
				}
				need = 0
				break
			}
			memory += s.weight[v]
			need -= demand[d]
		}
		if need > 0 {
			return infinite
		}
		bound = max(bound, memory)
	}
	return roundUp(bound, s.divisor[n])
}

func (s *search) setLack(n int32, lack int64) {
	s.lacks += lack - s.lack[n]
	s.lack[n] = lack
}

// hopeless reports whether nothing below can beat best.
func (s *search) hopeless() bool {
	return s.tooDear(cost{s.cost.memory + s.paid + s.lacks, s.cost.moves})
}

// total is what the placement under decision costs.
func (s *search) total() cost {
	if s.book == nil {
		return s.cost
	}
	return cost{s.cost.memory + s.penalty(), s.cost.moves}
}

func (s *search) tooDear(c cost) bool {
	if c.memory < s.best.memory || !s.memoryOnly && c.less(s.best) {
		return false
	}
	s.next = min(s.next, c.memory)
	return true
}

// over reports whether the search has to end: the budget is spent, or what is
// known cannot be beaten.
func (s *search) over() bool { return s.cut || s.best.memory <= s.enough }

// run searches the whole space. It reports whether it got through, so that
// best is the optimum or, if nothing was found, there is nothing better.
func (s *search) run() bool {
	s.cut = false
	s.enterBook(s.homeInBook)
	if !s.hopeless() {
		s.expand(0)
	}
	return !s.cut
}

// expand looks at every placement that extends what is decided. The strays
// before stray are placed.
func (s *search) expand(stray int) {
	if !s.step() {
		s.cut = true
	}
	if s.over() {
		return
	}
	if stray < len(s.strays) {
		s.send(s.strays[stray], stray+1)
		return
	}
	if n := s.neediest(); n != cluster.Nowhere {
		s.relieve(n, stray)
		return
	}
	if i := s.brokenRuling(); i != none {
		s.mend(i, stray)
		return
	}
	if s.isReachable() {
		s.adopt(s.on, s.total())
		return
	}
	s.roam(stray)
}

// none is no ruling.
const none int32 = -1

// brokenRuling returns a ruling that is broken and not paid for, or none. Hard ones
// come first.
func (s *search) brokenRuling() int32 {
	soft := none
	for _, i := range s.rulings {
		switch {
		case !s.book.broken[i] || s.accepted[i]:
		case s.book.weight[i] == 0:
			return i
		default:
			soft = i
		}
	}
	return soft
}

// mend lets each undecided culprit of ruling i be the first one to leave and, if
// it is soft, pays for it in the end.
func (s *search) mend(i int32, stray int) {
	b, mark, base := s.book, len(s.stayed), len(s.culprits)
	s.culprits = b.rulings[i].culprits(b, scope{s.vms, s.isFixed}, s.culprits)
	culprits := s.culprits[base:]
	s.steps += len(culprits)
	if len(culprits) == 0 {
		b.rejected[b.name[i]]++
		s.rejected[AgainstRule]++
	}
	for _, global := range culprits {
		v := s.position[global]
		s.send(v, stray)
		if s.over() {
			break
		}
		s.stay(v)
	}
	s.unstay(mark)
	s.culprits = s.culprits[:base]
	if weight := b.weight[i]; weight > 0 && !s.over() {
		s.accepted[i] = true
		s.paid += weight
		if s.hopeless() {
			s.rejected[Dearer]++
		} else {
			s.expand(stray)
		}
		s.paid -= weight
		s.accepted[i] = false
	}
}

// isFixed reports whether it is decided where a VM of the whole problem is.
func (s *search) isFixed(v int32) bool {
	i := s.position[v]
	return i == outside || s.on[i] != unplaced
}

// adopt takes a viable placement as the best one known.
func (s *search) adopt(on []int32, cost cost) {
	copy(s.bestOn, on)
	s.best, s.adopted, s.improved = cost, cost, true
	if s.reached == 0 {
		s.reached = s.steps
	}
}

// neediest returns the overloaded node that has to move the most, or Nowhere.
func (s *search) neediest() int32 {
	neediest, most := cluster.Nowhere, int64(-1)
	for n := range s.nodes {
		if s.lack[n] > most && !fits(cluster.Resources{}, s.free[n]) {
			neediest, most = int32(n), s.lack[n]
		}
	}
	return neediest
}

// relieve lets each undecided VM of n be the first one to leave.
func (s *search) relieve(n int32, stray int) {
	guests, lack, mark := s.guestsOf(n), s.lack[n], len(s.stayed)
	for i, v := range guests {
		if s.on[v] != unplaced {
			continue
		}
		if s.mayLeave(guests, i) {
			s.send(v, stray)
		} else {
			s.rejected[Alike]++
		}
		if s.over() {
			break
		}
		s.stay(v)
		if !fits(cluster.Resources{}, s.held[n]) {
			break
		}
		if s.setLack(n, s.relaxed(n)); s.hopeless() {
			break
		}
	}
	s.unstay(mark)
	s.setLack(n, lack)
}

// stay decides that v stays at home.
func (s *search) stay(v int32) {
	n := s.home[v]
	s.stayed = append(s.stayed, v)
	s.on[v] = n
	s.open[n]--
	s.held[n] = s.held[n].Minus(s.demand[v])
}

// unstay sets the VMs of stayed[mark:] free again.
func (s *search) unstay(mark int) {
	for _, v := range s.stayed[mark:] {
		n := s.home[v]
		s.on[v] = unplaced
		s.open[n]++
		s.held[n] = s.held[n].Plus(s.demand[v])
	}
	s.stayed = s.stayed[:mark]
}

// mayLeave reports whether guest i may leave its node as far as the VMs equal
// to it are concerned. They are next to each other among the guests.
func (s *search) mayLeave(guests []int32, i int) bool {
	v := guests[i]
	kind, n := s.kind[v], s.home[v]
	if i > 0 && s.kind[guests[i-1]] == kind && s.on[guests[i-1]] == n {
		return false
	}
	return s.arrived[int(kind)*len(s.nodes)+int(n)] == 0
}

// send puts v on each node but its home in turn, and searches on.
func (s *search) send(v int32, stray int) {
	home, kind, demand := s.home[v], s.kind[v], s.demand[v]
	before, lack := s.cost, int64(0)
	if home != homeless {
		lack = s.lack[home]
		s.cost = s.cost.plus(s.weight[v])
		s.free[home] = s.free[home].Plus(demand)
		s.open[home]--
		s.on[v] = home // not undecided, so that it does not count in relaxed
		s.setLack(home, s.relaxed(home))
	}
	var buffer [searchNodes]int32
	tried := s.tried[kind]
	seen := uint64(0)
	targets := s.rank(buffer[:0], &demand, home)
	for i, t := range targets {
		if s.over() {
			break
		}
		if !s.step() {
			s.cut = true
			break
		}
		if s.admits(&demand, &s.held[t]) && s.mayBe(v, t) {
			if tried&(1<<t) != 0 || s.sameRoom(targets[:i], t) {
				s.rejected[Alike]++
			} else {
				s.tried[kind] = tried | seen
				s.put(v, t, stray)
			}
		}
		seen |= 1 << t
	}
	s.tried[kind] = tried
	s.on[v] = unplaced
	if home != homeless {
		s.setLack(home, lack)
		s.open[home]++
		s.free[home] = s.free[home].Minus(demand)
	}
	s.cost = before
}

// put decides that v is on t, and searches on.
func (s *search) put(v, t int32, stray int) {
	demand, lack := s.demand[v], s.lack[t]
	was, held, free := s.on[v], s.held[t], s.free[t]
	arrived := &s.arrived[int(s.kind[v])*len(s.nodes)+int(t)]
	s.on[v] = t
	s.held[t], s.free[t] = held.Minus(demand), free.Minus(demand)
	*arrived++
	counted := s.count(v, t)
	if s.setLack(t, s.relaxed(t)); s.hopeless() {
		s.rejected[Dearer]++
	} else {
		s.expand(stray)
	}
	s.setLack(t, lack)
	*arrived--
	s.uncount(v, counted)
	s.held[t], s.free[t] = held, free
	s.on[v] = was
}

// mayBe reports whether the rules about v alone let it be on t.
func (s *search) mayBe(v, t int32) bool {
	if s.book.mayBe(s.vms[v], s.nodes[t]) {
		return true
	}
	s.rejected[AgainstRule]++
	return false
}

// count lets v count on t in the book, and returns where it counted before.
func (s *search) count(v, t int32) int32 {
	if s.book == nil {
		return none
	}
	before := s.book.host[s.vms[v]]
	s.book.put(s.vms[v], s.nodes[t])
	return before
}

func (s *search) uncount(v, before int32) {
	if s.book != nil {
		s.book.put(s.vms[v], before)
	}
}

// rank lists the nodes but home: those that have room now, the fullest first,
// then those that somebody has to leave, the least overloaded first.
func (s *search) rank(targets []int32, demand *cluster.Resources, home int32) []int32 {
	var key [searchNodes]int64
	for n := range s.nodes {
		if int32(n) == home {
			continue
		}
		key[n] = s.free[n][s.scarce] - demand[s.scarce]
		if !fits(*demand, s.free[n]) {
			key[n] = infinite - key[n]
		}
		i := len(targets)
		targets = append(targets, int32(n))
		for ; i > 0 && key[targets[i-1]] > key[n]; i-- {
			targets[i] = targets[i-1]
		}
		targets[i] = int32(n)
	}
	return targets
}

// sameRoom reports whether one of the nodes before is as good as t: nobody
// undecided is at home on either, and they have equal room.
func (s *search) sameRoom(before []int32, t int32) bool {
	if s.open[t] > 0 || s.reach != nil || s.book != nil {
		return false
	}
	for _, n := range before {
		if s.open[n] == 0 && s.held[n] == s.held[t] {
			return true
		}
	}
	return false
}
