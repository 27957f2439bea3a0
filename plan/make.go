package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
)

// StuckError says that some VMs wait for each other's room, and that no other
// node has room to let one of them pass.
type StuckError struct {
	VMs []string // the names of the VMs that wait, in the order of the configuration
}

func (e *StuckError) Error() string {
	const most = 8
	names, more := e.VMs, ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more", len(e.VMs)-most)
	}
	return fmt.Sprintf("VMs %s%s wait for each other, and no other node has room for one of them", strings.Join(names, ", "), more)
}

// Make returns the plan that leads from c to the placement goal, which names
// the node of each VM. A VM whose goal is Nowhere, or the node it is on, stays
// where it is.
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
func Make(c *cluster.Configuration, goal []int32) (Plan, error) {
	m, err := newMaker(c, goal)
	if err != nil {
		return Plan{}, err
	}
	for m.left > 0 {
		if !m.stepDirect() && !m.stepBypass() {
			return Plan{}, m.stuck()
		}
		m.endStep()
	}
	return m.plan(), nil
}

// maker is one call of Make. Nodes and VMs are known by index.
type maker struct {
	c    *cluster.Configuration
	goal []int32
	host []int32             // by VM: where it is at the start of the step
	free []cluster.Resources // by node: room at the start of the step less its arrivals so far
	// waiting is, by node, the VMs that are to come, most memory first.
	waiting [][]int32
	left    int     // VMs that wait
	dirty   []int32 // nodes whose waiting VMs have to be looked at in this step
	marked  []bool  // by node: it is dirty
	passed  []bool  // by VM: it was sent on a bypass
	rank    []int32 // by VM that waits at first: its place in the order of compare
	step    int
	moves   []move
	begun   int // moves[begun:] are those of this step
}

type move struct {
	vm, source, target int32
	step               int
}

func newMaker(c *cluster.Configuration, goal []int32) (*maker, error) {
	if len(goal) != len(c.VMs) {
		return nil, fmt.Errorf("the goal places %d VMs, and there are %d", len(goal), len(c.VMs))
	}
	m := &maker{
		c: c, goal: goal, host: slices.Clone(c.Host), free: make([]cluster.Resources, len(c.Nodes)),
		marked: make([]bool, len(c.Nodes)), passed: make([]bool, len(c.VMs)),
	}
	end := make([]cluster.Resources, len(c.Nodes)) // room at the goal
	for n := range c.Nodes {
		m.free[n], end[n] = c.Nodes[n].Offer(), c.Nodes[n].Offer()
	}
	for v, h := range c.Host {
		if h != cluster.Nowhere {
			m.free[h] = m.free[h].Minus(c.VMs[v].Demand)
			end[h] = end[h].Minus(c.VMs[v].Demand)
		}
	}
	var movers []int32
	for v, to := range goal {
		from := c.Host[v]
		if to == cluster.Nowhere || to == from {
			continue
		}
		if from == cluster.Nowhere {
			return nil, fmt.Errorf("VM %q does not run, so it cannot be migrated", c.VMs[v].Name)
		}
		if to < 0 || int(to) >= len(c.Nodes) {
			return nil, fmt.Errorf("VM %q is to go to node number %d, and there are %d", c.VMs[v].Name, to, len(c.Nodes))
		}
		end[from] = end[from].Plus(c.VMs[v].Demand)
		end[to] = end[to].Minus(c.VMs[v].Demand)
		movers = append(movers, int32(v))
	}
	for _, v := range movers {
		if to := goal[v]; !isRoom(end[to]) {
			return nil, fmt.Errorf("VM %q is to go to node %q, which would be overloaded", c.VMs[v].Name, c.Nodes[to].Name)
		}
	}
	m.left = len(movers)
	m.wait(movers)
	return m, nil
}

// isRoom reports whether a difference of resources is negative in none.
func isRoom(r cluster.Resources) bool { return cluster.Resources{}.Within(r) }

// wait lets the VMs wait at their targets.
func (m *maker) wait(movers []int32) {
	slices.SortFunc(movers, m.compare)
	m.rank = make([]int32, len(m.c.VMs))
	count := make([]int, len(m.c.Nodes))
	for i, v := range movers {
		m.rank[v] = int32(i)
		count[m.goal[v]]++
	}
	slab := make([]int32, len(movers))
	m.waiting = make([][]int32, len(m.c.Nodes))
	for n, k := range count {
		m.waiting[n], slab = slab[:0:k], slab[k:]
	}
	for _, v := range movers {
		n := m.goal[v]
		m.waiting[n] = append(m.waiting[n], v)
		m.mark(n)
	}
}

// compare orders VMs by memory, the largest first, and so that the order does
// not depend on which of several interchangeable VMs goes where.
func (m *maker) compare(a, b int32) int {
	if c := cmp.Or(cmp.Compare(m.memory(b), m.memory(a)),
		cmp.Compare(m.c.Host[a], m.c.Host[b]), cmp.Compare(m.goal[a], m.goal[b])); c != 0 {
		return c
	}
	return cmp.Or(slices.Compare(m.c.VMs[b].Demand[:], m.c.VMs[a].Demand[:]), cmp.Compare(a, b))
}

func (m *maker) memory(v int32) cluster.Bytes { return m.c.VMs[v].Demand.Memory() }

func (m *maker) mark(n int32) {
	if !m.marked[n] {
		m.marked[n] = true
		m.dirty = append(m.dirty, n)
	}
}

// stepDirect starts every migration that is feasible. Only nodes where room
// was made in the step before are looked at: elsewhere nothing is feasible
// that was not before.
func (m *maker) stepDirect() bool {
	for _, n := range m.dirty {
		m.marked[n] = false
		still := m.waiting[n][:0]
		for _, v := range m.waiting[n] {
			if m.fits(v, n) {
				m.start(v, n)
				m.left--
			} else {
				still = append(still, v)
			}
		}
		m.waiting[n] = still
	}
	m.dirty = m.dirty[:0]
	return len(m.moves) > m.begun
}

func (m *maker) fits(v, n int32) bool { return m.c.VMs[v].Demand.Within(m.free[n]) }

func (m *maker) start(v, n int32) {
	m.moves = append(m.moves, move{vm: v, source: m.host[v], target: n, step: m.step})
	m.free[n] = m.free[n].Minus(m.c.VMs[v].Demand)
}

// endStep lets the VMs of the step leave their sources.
func (m *maker) endStep() {
	for _, a := range m.moves[m.begun:] {
		m.free[a.source] = m.free[a.source].Plus(m.c.VMs[a.vm].Demand)
		m.host[a.vm] = a.target
		m.mark(a.source)
	}
	m.begun = len(m.moves)
	m.step++
}

func (m *maker) stuck() error {
	var waiting []int32
	for _, vms := range m.waiting {
		waiting = append(waiting, vms...)
	}
	slices.Sort(waiting)
	e := &StuckError{}
	for _, v := range waiting {
		e.VMs = append(e.VMs, m.c.VMs[v].Name)
	}
	return e
}

// plan writes the moves down as actions.
//
// An action into node D that belongs to step k waits for the departures from D
// of earlier steps, and for an earlier action of the same VM; not for other
// arrivals, nor for what happens elsewhere. That is enough for D never to hold
// more than it can, however the actions interleave: at any moment, let m be
// the latest step among the arrivals at D that have started. Then all
// departures of steps before m have ended, and no arrival of a step after m
// has started. In step m as it was made, D had room for what it held at the
// start of that step, which is no less than what is left of it now, and for
// all arrivals up to m.
func (m *maker) plan() Plan {
	slices.SortStableFunc(m.moves, func(a, b move) int {
		return cmp.Or(cmp.Compare(a.step, b.step), cmp.Compare(m.rank[a.vm], m.rank[b.vm]))
	})
	departures := make([][]int, len(m.c.Nodes)) // by node: actions from it so far
	last := make(map[int32]int)                 // by VM that was passed by: its action
	p := Plan{Actions: make([]Action, len(m.moves))}
	for i, a := range m.moves {
		vm := &m.c.VMs[a.vm]
		p.Actions[i] = Action{
			VM: vm.ID, Source: m.c.Nodes[a.source].ID, Target: m.c.Nodes[a.target].ID,
			Memory: vm.Demand.Memory(), Bypass: a.target != m.goal[a.vm], Step: a.step,
			After: m.after(a, p.Actions, departures[a.target], last),
		}
		departures[a.source] = append(departures[a.source], i)
		if m.passed[a.vm] {
			last[a.vm] = i
		}
	}
	return p
}

// after returns what a waits for, in ascending order: of the departures from
// its target, those of earlier steps, and the last action of its VM.
func (m *maker) after(a move, actions []Action, departures []int, last map[int32]int) []int {
	earlier := departures
	for len(earlier) > 0 && actions[earlier[len(earlier)-1]].Step == a.step {
		earlier = earlier[:len(earlier)-1]
	}
	after := append([]int(nil), earlier...)
	before, ok := last[a.vm]
	if !ok {
		return after
	}
	after = append(after, before)
	slices.Sort(after)
	return slices.Compact(after)
}
