package plan

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// stepAside lets a VM that is to stay where it is step aside for one that waits, and come
// back later. It is tried when no VM that waits can be passed by. Each VM does
// so once.
func (m *maker) stepAside() bool {
	if m.rules != nil && m.rules.hard.atNode != nil {
		return false // what these rules count is known for VMs that stay
	}
	hosted := make([][]int32, len(m.c.Nodes))
	for v, n := range m.host {
		if n != cluster.Nowhere && !m.waits(int32(v)) && m.mayStepAside(int32(v)) {
			hosted[n] = append(hosted[n], int32(v))
		}
	}
	waiting := m.awaiting()
	for _, lets := range []bool{true, false} {
		for _, v := range waiting {
			if m.makeRoom(v, hosted[m.goal[v]], lets) {
				return true
			}
		}
	}
	return false
}

// awaiting returns the VMs that wait, most memory first.
func (m *maker) awaiting() (vms []int32) {
	for _, some := range m.waiting {
		vms = append(vms, some...)
	}
	slices.SortFunc(vms, func(a, b int32) int { return cmp.Compare(m.rank[a], m.rank[b]) })
	return vms
}

// waits reports whether v is to arrive at its goal still.
func (m *maker) waits(v int32) bool {
	to := m.goal[v]
	return to >= 0 && to != m.host[v] && slices.Contains(m.waiting[to], v)
}

// mayStepAside reports whether v may be moved, and moved back. It may if it has
// arrived by a migration, or nothing was to be done with it.
func (m *maker) mayStepAside(v int32) bool {
	return m.passed[v] == 0 && m.kindOf(v) == Migrate && !slices.Contains(m.leaving, v) && (m.rules == nil || !m.rules.fixed[v])
}

// makeRoom moves one of the VMs that stay on the goal of v to another node: the smallest
// one that leaves enough room for v, or any.
func (m *maker) makeRoom(v int32, stay []int32, lets bool) bool {
	stay = slices.Clone(stay)
	slices.SortStableFunc(stay, func(a, b int32) int { return cmp.Compare(m.memory(a), m.memory(b)) })
	home := m.goal[v]
	if m.keeper != nil && m.keeper.guests != nil && m.keeper.guests[home] <= 0 {
		return false // who leaves comes back
	}
	for _, u := range stay {
		if lets && !m.c.VMs[v].Demand.Within(m.free[home].Plus(m.c.VMs[u].Demand)) {
			continue
		}
		for n := range m.c.Nodes {
			n := int32(n)
			if n == home || m.c.Nodes[n].State != cluster.Online || !m.fits(u, n) || m.keeper != nil && !m.keeper.hosts(u, n) {
				continue
			}
			m.setAside(u, n)
			return true
		}
	}
	return false
}

// setAside starts to move v, which is where it is to be, to n, and lets it wait for its
// present node.
func (m *maker) setAside(v, n int32) {
	home := m.host[v]
	if last := m.lastMove(v); last != nil {
		last.bypass = true // it was to be the last one
	}
	if !slices.Contains(m.aside, v) && !slices.Contains(m.movers, v) {
		m.rank[v] = int32(len(m.leavers) + len(m.movers) + len(m.aside))
		m.aside = append(m.aside, v)
	}
	if !m.ownGoal {
		m.goal, m.ownGoal = slices.Clone(m.goal), true // that of Make is the caller's
	}
	m.start(v, n, Migrate, true)
	if m.keeper != nil && m.keeper.guests != nil {
		m.keeper.guests[home]--
	}
	m.passed[v]++
	m.goal[v] = home
	m.waiting[home] = append(m.waiting[home], v)
	m.left++
}

// lastMove returns the move by which v came to where it is, nil if it was there at
// the start.
func (m *maker) lastMove(v int32) *move {
	for i := range slices.Backward(m.moves) {
		if m.moves[i].vm == v {
			return &m.moves[i]
		}
	}
	return nil
}

// fix notes the VMs that a rule keeps from stepping aside.
func (b *rulebook) fix(r *rule.Rule) {
	for _, v := range r.VMs {
		b.fixed[v] = true
	}
}
