package plan

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// plan writes the moves down as actions, in order of step, those that leave a
// node for good first, and then most memory first.
//
// An action into node D that belongs to step k waits for the departures from D
// of earlier steps, and for an earlier action of the same VM; not for other
// arrivals, nor for what happens elsewhere. That is enough for D never to hold
// more than it can, however the actions interleave: at any moment, let m be
// the latest step among the arrivals at D that have started. Then all
// departures of steps before m have ended, and no arrival of a step after m
// has started. In step m as it was made, D had room for what it held at the
// start of that step, which is no less than what is left of it now, and for
// all arrivals up to m. The same holds for a rule that looks at several nodes: see
// wake.
func (m *maker) plan() Plan {
	m.sortMoves()
	departures := make([][]int, len(m.c.Nodes)) // by node: actions from it so far
	last := make(map[int32]int)                 // by VM with several actions: its action
	host := m.host
	copy(host, m.c.Host)
	var w *wake
	if m.rules != nil {
		w = newWake(m)
	}
	p := Plan{Actions: make([]Action, len(m.moves))}
	for i := range m.moves {
		a := &m.moves[i]
		vm := &m.c.VMs[a.vm]
		p.Actions[i] = Action{
			Kind: a.kind, VM: vm.ID, Source: m.c.Nodes[a.source].ID, Target: m.c.Nodes[a.target].ID,
			Memory: vm.Demand.Memory(), Bypass: a.bypass, Step: int(a.step),
			After: m.after(a, p.Actions, departures, last),
		}
		if w != nil {
			p.Actions[i].After = w.after(a, p.Actions, departures, p.Actions[i].After)
			w.ofVM[a.vm] = append(w.ofVM[a.vm], i)
			w.from[i] = host[a.vm]
		}
		if from := host[a.vm]; from != cluster.Nowhere {
			departures[from] = append(departures[from], i)
		}
		host[a.vm] = cluster.Nowhere
		if a.kind.Arrives() {
			host[a.vm] = a.target
		}
		if a.bypass {
			last[a.vm] = i
		}
	}
	return p
}

// sortMoves orders the moves by step, and those of a step by rank.
//
// They are sorted by rank first and by step then, each time into places that
// are counted: there may be many thousands, and ranks are dense.
func (m *maker) sortMoves() {
	byRank := make([]int32, len(m.leavers)+len(m.movers)+len(m.aside)+1) // by rank: where its moves begin
	steps := int32(0)
	for i := range m.moves {
		byRank[m.rank[m.moves[i].vm]+1]++
		steps = max(steps, m.moves[i].step+1)
	}
	for r := range len(byRank) - 1 {
		byRank[r+1] += byRank[r]
	}
	sorted := make([]move, 2*len(m.moves))
	ranked, final := sorted[:len(m.moves)], sorted[len(m.moves):]
	byStep := make([]int32, steps+1)
	for _, a := range m.moves {
		place := &byRank[m.rank[a.vm]]
		ranked[*place] = a
		*place++
		byStep[a.step+1]++
	}
	for s := range steps {
		byStep[s+1] += byStep[s]
	}
	for _, a := range ranked {
		final[byStep[a.step]] = a
		byStep[a.step]++
	}
	m.moves = final
}

// after returns what a waits for, in ascending order: of the departures from
// its target, those of earlier steps, and the last action of its VM.
func (m *maker) after(a *move, actions []Action, departures [][]int, last map[int32]int) []int {
	var after []int
	if a.kind.Arrives() {
		after = append(after, earlier(departures[a.target], actions, int(a.step))...)
	}
	before, ok := last[a.vm]
	if !ok {
		return after
	}
	after = append(after, before)
	slices.Sort(after)
	return slices.Compact(after)
}

// earlier returns those of some actions, in ascending order, that are of steps
// before the given one.
func earlier(some []int, actions []Action, step int) []int {
	for len(some) > 0 && actions[some[len(some)-1]].Step == step {
		some = some[:len(some)-1]
	}
	return some
}

// wake is what the rules need to know of earlier actions.
//
// A rule that looks at several nodes makes an arrival wait for what has left the
// part of them that it looks at, in earlier steps: the VMs of a Spread that were in the
// domain, all VMs of a Gather or Among, and whoever was on the nodes of a
// capacity. So at any moment no more VMs are there than were, or came, in some step as
// it was made, and fewer VMs keep these rules as well. Rules about who
// shares a node need nothing more than room does.
type wake struct {
	*rulebook
	ofVM [][]int // by VM: actions so far
	from []int32 // by action: the node that the VM left, or Nowhere
}

func newWake(m *maker) *wake {
	return &wake{rulebook: m.rules, ofVM: make([][]int, len(m.c.VMs)), from: make([]int32, len(m.moves))}
}

// after adds to what a waits for in any case what the rules ask for.
func (w *wake) after(a *move, actions []Action, departures [][]int, after []int) []int {
	had := len(after)
	if w.before != nil {
		for _, u := range w.before[a.vm] {
			if of := w.ofVM[u]; len(of) > 0 {
				after = append(after, of[len(of)-1])
			}
		}
	}
	if a.kind.Arrives() {
		after = w.left(a, actions, departures, after)
	}
	if len(after) > had {
		slices.Sort(after)
		after = slices.Compact(after)
	}
	return after
}

// left adds the departures that matter to the rules about an arrival.
func (w *wake) left(a *move, actions []Action, departures [][]int, after []int) []int {
	if w.hard.ofVM != nil {
		for _, id := range w.hard.ofVM[a.vm] {
			switch g := &w.hard.guards[id]; {
			case g.Kind == rule.Spread && g.Domain != cluster.OneNode:
				after = w.leftBy(g.VMs, a, actions, after, func(n int32) bool { return g.domain[n] == g.domain[a.target] })
			case g.Kind == rule.Gather || g.Kind == rule.Among:
				after = w.leftBy(g.VMs, a, actions, after, func(int32) bool { return true })
			}
		}
	}
	if w.hard.atNode != nil {
		for _, id := range w.hard.atNode[a.target] {
			for _, n := range w.hard.guards[id].Nodes {
				after = append(after, earlier(departures[n], actions, int(a.step))...)
			}
		}
	}
	return after
}

// leftBy adds the departures of other VMs from nodes that matter.
func (w *wake) leftBy(vms []int32, a *move, actions []Action, after []int, matters func(n int32) bool) []int {
	for _, u := range vms {
		for _, i := range w.ofVM[u] {
			if u != a.vm && actions[i].Step < int(a.step) && w.from[i] != cluster.Nowhere && matters(w.from[i]) {
				after = append(after, i)
			}
		}
	}
	return after
}
