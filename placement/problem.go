package placement

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// Goal is what a placement is to be good at. Any of them asks for a viable
// configuration that keeps the hard rules, and in which the VMs have the states
// that are wanted.
type Goal uint8

// The goals.
const (
	// Repair moves the fewest bytes of memory and, among those, the fewest VMs. It
	// is also the goal of those who drain nodes, place VMs, or switch vjobs to
	// other states: see Problem.Drain and Problem.Wanted.
	Repair Goal = iota
	// Consolidate uses the fewest nodes, then moves the least.
	Consolidate
	// Level spreads the load evenly: see Problem.Gain.
	Level
)

var goalNames = []string{"repair", "consolidate", "level"}

func (g Goal) String() string {
	if int(g) < len(goalNames) {
		return goalNames[g]
	}
	return fmt.Sprintf("Goal(%d)", uint8(g))
}

// Problem is what Solve is asked.
type Problem struct {
	Goal  Goal
	Rules []rule.Rule // as rule.Validate wants them
	// Wanted is, by VM, the state at the end; nil if all VMs keep theirs. Each
	// state has to be one that cluster.State.Leads to.
	Wanted []cluster.State
	// Drain are nodes that are to host nobody at the end, besides those that are
	// draining or offline.
	Drain []int32
	// Known is what an earlier call found out about a part of the problem: nil, or
	// Result.Known of one whose nodes and VMs were the first ones of these, and are
	// unchanged. It saves effort and changes no answer. A partition that grows by one
	// node after the other has a use for it.
	Known *Known
	// Budget is how many search steps may be spent before the answer is
	// Exhausted, or the best placement so far. 0 leaves it to LeastBudget and BudgetOfVM.
	Budget int
	// Gain is by how much at least a move has to lower the imbalance, if the goal is
	// Level, in thousandths of the part that a node has in it at the start, on
	// average. 0 is DefaultGain.
	Gain int
	// Reachable reports whether there is a way to a viable placement, as package
	// plan knows it; nil stands for always. One that is not reachable is no
	// answer, and the search goes on. The Host of a Result is the last placement
	// that was said to be reachable, so that the way may be kept. Of one that is
	// not, waiting may name the VMs that are in each other's way.
	//
	// It must not change or keep host, and must not tell VMs apart that have
	// equal demands, are in no rule, and start on the same node in the same state. A
	// call counts as reachSteps for each VM that moves, and one for each VM and node.
	Reachable func(host []int32) (waiting []int32, ok bool)
}

// isPlain reports whether p asks for a viable configuration and no more.
func (p *Problem) isPlain() bool { return len(p.Rules) == 0 && p.Wanted == nil && len(p.Drain) == 0 }

// virtual is a problem as the searches see it: every VM that runs at the end is
// at home on a node, those that it costs least to have there.
//
//   - A VM that runs, and goes on, is at home where it runs.
//   - One that sleeps and is to run is at home where its image lies, and takes
//     room there only from its resume on: it is dormant.
//   - One that waits, or whose image all nodes reach alike, is at home in the lobby:
//     one more node, where nobody can stay. To leave it costs nothing.
//   - One that rules leave only one node is at home there. It leaves another one.
//   - One that does not run at the end has no home. It may leave a node.
type virtual struct {
	start   *cluster.Configuration // with the demands and offers that rules make
	c       *cluster.Configuration // with the lobby; Host is home
	lobby   int32                  // its node, or noLobby
	closed  []bool                 // by node: nobody may be there at the end; nil if all are open
	shut    []bool                 // by node: it is closed, and not only to use fewer nodes; nil if none is
	dormant []bool                 // by VM; nil if none is
	leavers []int32                // VMs that leave where they run at the start, in any case
	fixed   int64                  // what it costs in any case: memory of resumes, and of moves without a choice
}

// noLobby is no node, and nobody's home.
const noLobby int32 = -2

// newVirtual returns the problem with the nodes of empty closed too.
func newVirtual(c *cluster.Configuration, p *Problem, empty []int32) *virtual {
	v := &virtual{start: rule.Apply(c, p.Rules), lobby: noLobby}
	v.c = v.start
	v.close(p)
	if len(empty) > 0 {
		v.shut = v.closed
		v.closed = make([]bool, len(c.Nodes))
		copy(v.closed, v.shut)
		for _, n := range empty {
			v.closed[n] = true
		}
	} else {
		v.shut = v.closed
	}
	if p.Wanted != nil {
		v.switchStates(p.Wanted)
	}
	return v
}

// close finds the nodes where nobody may be at the end.
func (v *virtual) close(p *Problem) {
	mark := func(n int32) {
		if v.closed == nil {
			v.closed = make([]bool, len(v.start.Nodes))
		}
		v.closed[n] = true
	}
	for n := range v.start.Nodes {
		if v.start.Nodes[n].State != cluster.Online {
			mark(int32(n))
		}
	}
	for _, n := range p.Drain {
		mark(n)
	}
	for i := range p.Rules {
		if p.Rules[i].Kind == rule.Offline {
			for _, n := range p.Rules[i].Nodes {
				mark(n)
			}
		}
	}
}

// switchStates gives homes to the VMs that are to run and do not, and takes them
// from those that run and are not to.
func (v *virtual) switchStates(wanted []cluster.State) {
	home := slices.Clone(v.start.Host)
	for i, want := range wanted {
		vm := int32(i)
		state := v.start.StateOf(vm)
		memory := int64(v.start.VMs[vm].Demand.Memory())
		switch {
		case state == cluster.Running && want != cluster.Running:
			home[vm] = cluster.Nowhere
			v.leavers = append(v.leavers, vm)
		case state == want || want != cluster.Running:
		case v.start.ImageOf(vm) != cluster.Nowhere:
			home[vm] = v.start.ImageOf(vm)
			if v.dormant == nil {
				v.dormant = make([]bool, len(wanted))
			}
			v.dormant[vm] = true
			v.fixed += memory
		default:
			if v.lobby == noLobby {
				v.openLobby()
			}
			home[vm] = v.lobby
			if state == cluster.Sleeping {
				v.fixed += memory
			}
		}
	}
	c := *v.c
	c.Host = home
	v.c = &c
}

// rehome makes homes of the only nodes that VMs may be on. What it costs to get
// there is fixed.
func (v *virtual) rehome(b *book) {
	home := slices.Clone(v.c.Host)
	for i, set := range b.allowed {
		vm := int32(i)
		if set == nil || home[vm] == cluster.Nowhere || b.mayBe(vm, home[vm]) {
			continue
		}
		n, only := b.onlyNode(set)
		if !only {
			continue
		}
		memory := int64(v.start.VMs[vm].Demand.Memory())
		switch from := v.start.Host[vm]; {
		case from != cluster.Nowhere:
			v.leavers = append(v.leavers, vm)
			v.fixed += memory
		case home[vm] != v.lobby:
			v.fixed += memory // it is resumed, and its image is elsewhere
		}
		if v.dormant == nil {
			v.dormant = make([]bool, len(home))
		}
		v.dormant[vm] = true
		home[vm] = n
	}
	c := *v.c
	c.Host = home
	v.c = &c
}

// openLobby adds the lobby to the nodes.
func (v *virtual) openLobby() {
	v.lobby = int32(len(v.start.Nodes))
	c := *v.start
	c.Nodes = append(slices.Clip(c.Nodes), cluster.Node{Name: "lobby"})
	v.c = &c
	closed := make([]bool, len(c.Nodes))
	copy(closed, v.closed)
	closed[v.lobby] = true
	v.closed = closed
}

func (v *virtual) isDormant(vm int32) bool { return v.dormant != nil && v.dormant[vm] }
