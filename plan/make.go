package plan

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// Make returns the plan of migrations that leads from c to the placement host,
// which names the node of each VM. A VM whose node is Nowhere, or the one it is
// on, stays where it is.
//
// A target has room for every arrival in every resource, while the sources
// still hold their VMs. So a node that is overloaded takes nobody in until
// enough others have left. A goal may leave a node overloaded as long as
// nobody is to arrive there; else, and if a VM does not run, Make returns an
// error that names it, and a *StuckError if VMs wait for each other and cannot
// be passed by.
//
// In a step, the VMs with most memory go first into what room there is, since
// they take longest. VMs with equal demands that start on the same node are
// interchangeable: if their goals are exchanged, so are their actions, and
// nothing else.
//
// Make takes the first plan that it finds, and knows no rules. See Switch for a
// better one, for rules, and for VMs that change state.
func Make(c *cluster.Configuration, host []int32) (Plan, error) {
	if len(host) != len(c.VMs) {
		return Plan{}, fmt.Errorf("the goal places %d VMs, and there are %d", len(host), len(c.VMs))
	}
	m := &maker{problem: problem{c: c, goal: host}}
	for v, to := range host {
		if to != cluster.Nowhere && to != c.Host[v] {
			if err := m.migrates(int32(v)); err != nil {
				return Plan{}, err
			}
		}
	}
	if err := m.prepare(); err != nil {
		return Plan{}, err
	}
	if err := m.run(policy{}); err != nil {
		return Plan{}, err
	}
	return m.plan(), nil
}

// problem is what a plan is to do. It does not change while one is looked for.
// Nodes and VMs are known by index.
type problem struct {
	c *cluster.Configuration
	// goal is, by VM that is to arrive somewhere, its node; the others' does not matter.
	goal []int32
	// kinds is, by VM with something to do, its action, but for bypasses; nil if all are
	// migrations.
	kinds    []Kind
	leavers  []int32             // VMs that are suspended or stopped, in the order of sort
	movers   []int32             // VMs that arrive somewhere, in the order of sort
	rank     []int32             // by VM with something to do: leavers first, then movers, in order
	aside    []int32             // VMs that stay, but stepped aside in some try; their ranks come last
	ownGoal  bool                // goal is nobody else's
	room     []cluster.Resources // by node: at the start
	arrive   []int32             // by node: how many movers go there
	light    []int32             // movers, least memory first; made when it is needed first
	rules    *rulebook           // nil if there are none
	jobs     *jobs               // nil if no vjobs are to be kept together
	together bool                // suspends are in the first step, whatever that costs
	// maySuspend lets a cycle be broken by a suspend, if nothing else works.
	maySuspend bool
}

// migrates notes that v is to migrate.
func (p *problem) migrates(v int32) error {
	to := p.goal[v]
	if p.c.Host[v] == cluster.Nowhere {
		return fmt.Errorf("VM %q does not run, so it cannot be migrated", p.c.VMs[v].Name)
	}
	if to < 0 || int(to) >= len(p.c.Nodes) {
		return fmt.Errorf("VM %q is to go to node number %d, and there are %d", p.c.VMs[v].Name, to, len(p.c.Nodes))
	}
	p.movers = append(p.movers, v)
	return nil
}

// prepare orders what is to be done, and checks that the goal has room for
// every arrival.
func (p *problem) prepare() error {
	nodes := len(p.c.Nodes)
	slab := make([]cluster.Resources, 2*nodes)
	p.room = slab[:nodes:nodes]
	end := slab[nodes:] // room at the goal
	for n := range p.room {
		p.room[n] = p.c.Nodes[n].Offer()
	}
	for v, h := range p.c.Host {
		if h != cluster.Nowhere {
			p.room[h] = p.room[h].Minus(p.c.VMs[v].Demand)
		}
	}
	copy(end, p.room)
	p.arrive = make([]int32, nodes)
	for _, vms := range [][]int32{p.leavers, p.movers} {
		for _, v := range vms {
			if from := p.c.Host[v]; from != cluster.Nowhere {
				end[from] = end[from].Plus(p.c.VMs[v].Demand)
			}
		}
	}
	for _, v := range p.movers {
		end[p.goal[v]] = end[p.goal[v]].Minus(p.c.VMs[v].Demand)
		p.arrive[p.goal[v]]++
	}
	for _, v := range p.movers {
		to := p.goal[v]
		if state := p.c.Nodes[to].State; state != cluster.Online {
			return fmt.Errorf("VM %q is to go to node %q, which is %v", p.c.VMs[v].Name, p.c.Nodes[to].Name, state)
		}
		if !isRoom(end[to]) {
			return fmt.Errorf("VM %q is to go to node %q, which would be overloaded", p.c.VMs[v].Name, p.c.Nodes[to].Name)
		}
	}
	p.order()
	return nil
}

// isRoom reports whether a difference of resources is negative in none.
func isRoom(r cluster.Resources) bool { return cluster.Resources{}.Within(r) }

func (p *problem) order() {
	p.sort(p.leavers)
	p.sort(p.movers)
	p.rank = make([]int32, len(p.c.VMs))
	for i, v := range p.leavers {
		p.rank[v] = int32(i)
	}
	for i, v := range p.movers {
		p.rank[v] = int32(len(p.leavers) + i)
	}
}

// sort orders VMs by memory, the largest first, and so that the order does not
// depend on which of several interchangeable VMs goes where.
func (p *problem) sort(vms []int32) {
	type entry struct {
		memory         cluster.Bytes
		host, goal, vm int32
	}
	entries := make([]entry, len(vms))
	for i, v := range vms {
		entries[i] = entry{p.memory(v), p.c.Host[v], p.goal[v], v}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := cmp.Or(cmp.Compare(b.memory, a.memory), cmp.Compare(a.host, b.host), cmp.Compare(a.goal, b.goal)); c != 0 {
			return c
		}
		return cmp.Or(slices.Compare(p.c.VMs[b.vm].Demand[:], p.c.VMs[a.vm].Demand[:]), cmp.Compare(a.vm, b.vm))
	})
	for i, e := range entries {
		vms[i] = e.vm
	}
}

// lightest returns the movers, least memory first, and in the order of rank among
// equals.
func (p *problem) lightest() []int32 {
	for end := len(p.movers); end > 0 && len(p.light) < len(p.movers); {
		start := end - 1
		for start > 0 && p.memory(p.movers[start-1]) == p.memory(p.movers[end-1]) {
			start--
		}
		p.light = append(p.light, p.movers[start:end]...)
		end = start
	}
	return p.light
}

func (p *problem) memory(v int32) cluster.Bytes { return p.c.VMs[v].Demand.Memory() }

// policy is what is left to choose when a plan is made. The zero policy is that
// of Make.
type policy struct {
	// eager breaks a cycle as soon as it is seen that nothing else will, not only
	// when nothing is feasible at all.
	eager bool
	// small lets the VMs with least memory go first into what room there is.
	small bool
	// cheap breaks those cycles first whose VMs have least memory together, not
	// those of the smallest VM.
	cheap bool
	// limits is, by step, the most that an action may cost to start in it, if any
	// other starts. In later steps there is no limit.
	limits []cluster.Bytes
	// widths is, by step, how many more VMs than one pass by in a cycle.
	widths []int
}

// maker is one call of Make or Switch, and its present try.
type maker struct {
	problem
	policy  policy
	leaving []int32             // VMs that are to be suspended or stopped still
	host    []int32             // by VM: where it runs at the start of the step
	free    []cluster.Resources // by node: room at the start of the step less its arrivals so far
	// waiting is, by node, the VMs that are to come, in the order in which they go
	// into what room there is.
	waiting [][]int32
	left    int     // VMs that wait
	dirty   []int32 // nodes whose waiting VMs have to be looked at in this step
	marked  []bool  // by node: it is dirty
	delayed []int32 // nodes that have room for a VM which something else keeps waiting
	freely  bool    // limits are off in this step
	passed  []int8  // by VM: how often it was passed by
	passes  int8    // how often a VM may be passed by
	parked  []int32 // by VM: the node of its image if it was suspended to break a cycle; nil if nobody was
	loose   bool    // VMs are passed by that wait in no cycle
	keeper  *keeper // how the rules are kept in this try; nil if there are none
	step    int32
	moves   []move
	begun   int           // moves[begun:] are those of this step
	most    cluster.Bytes // a try that costs as much is given up; 0 is no limit
	least   cluster.Bytes // what all last actions cost by themselves
	cost    tally         // of the steps so far, if there is a limit
	rest    cluster.Bytes // what the last actions that have not started cost by themselves
	cycles  cycles
}

type move struct {
	vm, source, target int32
	step               int32
	kind               Kind
	bypass             bool
}

// run makes the moves. It may be called again with another policy.
func (m *maker) run(p policy) error {
	m.policy = p
	m.begin()
	for m.left > 0 || len(m.leaving) > 0 {
		m.stepLeave()
		m.stepDirect()
		if p.eager || !m.going() {
			m.stepBypass()
		}
		if m.going() {
			m.endStep()
			if m.most > 0 && m.atLeast() >= m.most {
				return errDear
			}
			continue
		}
		if !m.relax() {
			return m.stuck()
		}
	}
	return nil
}

// going reports whether something has started in this step.
func (m *maker) going() bool { return len(m.moves) > m.begun }

// relax gives up something of what keeps VMs waiting, when nothing starts. It
// reports false if there is nothing to give up.
func (m *maker) relax() bool {
	const most = 3 // bypasses of a VM
	switch {
	case m.limit() < noLimit:
		m.freely = true
	case m.passes < most:
		m.passes++
	case m.rules != nil && !m.loose:
		m.loose, m.passes = true, 1
	default:
		return m.stepAside() || m.maySuspend && m.stepPark()
	}
	m.lookAgain()
	return true
}

// begin sets the state back to that of the start.
func (m *maker) begin() {
	nodes := len(m.c.Nodes)
	if m.host == nil {
		m.free, m.marked = make([]cluster.Resources, nodes), make([]bool, nodes)
		m.host, m.passed = make([]int32, len(m.c.VMs)), make([]int8, len(m.c.VMs))
		m.moves = make([]move, 0, len(m.leavers)+len(m.movers))
		m.waiting = make([][]int32, nodes)
		slab := make([]int32, len(m.movers))
		for n, k := range m.arrive {
			m.waiting[n], slab = slab[:0:k], slab[k:]
		}
	}
	copy(m.free, m.room)
	copy(m.host, m.c.Host)
	clear(m.marked)
	clear(m.passed)
	for n := range m.waiting {
		m.waiting[n] = m.waiting[n][:0]
	}
	m.left, m.step, m.begun, m.freely, m.loose, m.passes, m.parked = len(m.movers), 0, 0, false, false, 1, nil
	m.moves, m.dirty, m.delayed = m.moves[:0], m.dirty[:0], m.delayed[:0]
	m.leaving = append(m.leaving[:0], m.leavers...)
	m.cost, m.rest = tally{}, m.least
	if m.rules != nil {
		m.keeper = m.rules.keeper(m.host)
	}
	order := m.movers
	if m.policy.small {
		order = m.lightest()
	}
	for _, v := range order {
		n := m.goal[v]
		m.waiting[n] = append(m.waiting[n], v)
		m.mark(n)
	}
}

func (m *maker) mark(n int32) {
	if !m.marked[n] {
		m.marked[n] = true
		m.dirty = append(m.dirty, n)
	}
}

// stepLeave starts the suspends and stops. They have no precondition, but for
// an order that a rule asks for. A limit that only lets actions start that cost
// nothing is for them too.
func (m *maker) stepLeave() {
	if len(m.leaving) == 0 {
		return
	}
	still := m.leaving[:0]
	for _, v := range m.leaving {
		switch kind := m.kindOf(v); {
		case m.keeper != nil && !m.keeper.ready(v), !m.together && m.limit() == 0 && kind == Suspend:
			still = append(still, v)
		default:
			m.start(v, m.goal[v], kind, false)
		}
	}
	m.leaving = still
}

// stepDirect starts every arrival that is feasible. Only nodes where room was
// made in the step before are looked at, and those where something else than
// room was missing: elsewhere nothing is feasible that was not before.
func (m *maker) stepDirect() {
	for _, n := range m.dirty {
		m.marked[n] = false
		still := m.waiting[n][:0]
		for _, v := range m.waiting[n] {
			if m.starts(v, n) {
				m.left--
			} else {
				still = append(still, v)
			}
		}
		m.waiting[n] = still
	}
	m.dirty = m.dirty[:0]
}

// starts starts the last action of v, into n, if it is feasible.
func (m *maker) starts(v, n int32) bool {
	if !m.fits(v, n) {
		return false
	}
	kind := m.kindOf(v)
	if m.limit() < noLimit && price(kind, m.memory(v), m.source(v, n, kind) == n) > m.limit() || m.keeper != nil && !m.keeper.allows(v, n) {
		m.delayed = append(m.delayed, n)
		return false
	}
	m.start(v, n, kind, false)
	return true
}

const noLimit = math.MaxInt64

// limit returns what an action may cost to start in this step.
func (m *maker) limit() cluster.Bytes {
	if m.freely || int(m.step) >= len(m.policy.limits) {
		return noLimit
	}
	return m.policy.limits[m.step]
}

func (m *maker) fits(v, n int32) bool { return m.c.VMs[v].Demand.Within(m.free[n]) }

// kindOf returns the last action of v.
func (m *maker) kindOf(v int32) Kind {
	switch {
	case m.parked != nil && m.parked[v] != cluster.Nowhere:
		return Resume
	case m.kinds == nil:
		return Migrate
	}
	return m.kinds[v]
}

// source returns where an action on v begins that ends on n.
func (m *maker) source(v, n int32, kind Kind) int32 {
	switch kind {
	case Migrate, Suspend:
		return m.host[v]
	case Resume:
		if m.parked != nil && m.parked[v] != cluster.Nowhere {
			return m.parked[v]
		}
		if image := m.c.ImageOf(v); image != cluster.Nowhere {
			return image
		}
	}
	return n
}

func (m *maker) start(v, n int32, kind Kind, bypass bool) {
	m.moves = append(m.moves, move{vm: v, source: m.source(v, n, kind), target: n, step: m.step, kind: kind, bypass: bypass})
	if kind.Arrives() {
		m.free[n] = m.free[n].Minus(m.c.VMs[v].Demand)
	}
	if m.keeper != nil {
		m.keeper.start(&m.moves[len(m.moves)-1])
	}
}

// endStep lets the VMs of the step leave their sources.
func (m *maker) endStep() {
	for i := range m.moves[m.begun:] {
		a := &m.moves[m.begun+i]
		from := m.host[a.vm]
		if from != cluster.Nowhere {
			m.free[from] = m.free[from].Plus(m.c.VMs[a.vm].Demand)
			m.mark(from)
		}
		if m.keeper != nil {
			m.keeper.end(a, from)
		}
		m.host[a.vm] = cluster.Nowhere
		if a.kind.Arrives() {
			m.host[a.vm] = a.target
		}
	}
	if m.most > 0 {
		m.account()
	}
	m.begun = len(m.moves)
	m.step++
	m.freely = false
	m.lookAgain()
}

// lookAgain has the nodes looked at where something else than room was missing.
func (m *maker) lookAgain() {
	for _, n := range m.delayed {
		m.mark(n)
	}
	m.delayed = m.delayed[:0]
}

// stuck names the VMs that wait, and the rules that keep them from going where
// there is room.
func (m *maker) stuck() error {
	waiting := slices.Clone(m.leaving)
	for _, vms := range m.waiting {
		waiting = append(waiting, vms...)
	}
	slices.Sort(waiting)
	e := &StuckError{Waiting: waiting}
	for _, v := range waiting {
		e.VMs = append(e.VMs, m.c.VMs[v].Name)
	}
	if m.keeper != nil {
		e.Rules = m.obstacles(waiting)
	}
	return e
}

// obstacles names the rules that keep some VMs from nodes with room, in order of
// name.
func (m *maker) obstacles(waiting []int32) []string {
	const enough = 100 // VMs
	names := map[string]bool{}
	for _, v := range waiting[:min(len(waiting), enough)] {
		if !m.keeper.ready(v) {
			for _, r := range m.rules.byOrder {
				if slices.Contains(r.VMs, v) {
					names[r.Name] = true
				}
			}
		}
		for n := range m.c.Nodes {
			if m.host[v] == int32(n) || !m.fits(v, int32(n)) {
				continue
			}
			if r := m.keeper.refusal(&m.rules.hard, m.keeper.used.hard, v, int32(n)); r != nil {
				names[r.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
