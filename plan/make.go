package plan

import (
	"fmt"
	"math"

	"github.com/dvms-project/dvms/cluster"
)

// Make returns the plan of migrations that leads from c to the placement host,
// which names the node of each VM. A VM whose node is Nowhere, or the one it is
// on, stays where it is.
//
// A target has room for every arrival in every resource, while the sources
// still hold their VMs. So a node that is overloaded takes nobody in until
// enough others have left. A goal may leave a node overloaded as long as
// nobody is to arrive there; else, and if a VM does not run or its node is not
// online, Make returns an error that names it, and a *StuckError if VMs wait for
// each other and cannot be passed by.
//
// In a step, the VMs with most memory go first into what room there is, since
// they take longest. VMs with equal demands that start on the same node and are
// to leave it are interchangeable: if their goals are exchanged, so are their
// actions, and nothing else.
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

// policy is what is left to choose when a plan is made. The zero policy is that
// of Make.
type policy struct {
	// eager breaks a cycle as soon as it is seen that nothing else will, not only
	// when nothing is feasible at all.
	eager bool
	// small lets the VMs with least memory go first into what room there is.
	small bool
	// cheap breaks those cycles first whose largest VM is the smallest, not those
	// of the smallest VM.
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
