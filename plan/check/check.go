// Package check judges plans and placements, with code that neither finds
// placements nor makes plans.
//
// # Placements
//
// Placement judges where a plan ends: room, states, nodes that are to be empty,
// and all rules.
//
// # Plans
//
// Plan holds a plan to two readings of it. Step by step: all actions of a step
// start together, their targets have room for them while their sources still
// hold them, and the next step starts when they have ended. By dependency: an
// action starts at any time after those it names in After have ended, so that
// the worst of all interleavings counts. Timed takes the start and end of each
// action instead.
//
// A VM that arrives, by migrating, resuming or running, has its room on the target
// from the start of the action; one that leaves, by migrating, or as it is
// suspended or stopped, has its room on the source until the end. A node that
// nobody arrives at may stay overloaded.
//
// Rules with Always are held to both readings, and so are closed nodes, Root,
// MovesIn, MovesOut and Precedence; soft rules to none. What an interleaving may
// do to a rule is found exactly, but for three cases. How many nodes may be busy
// at once (MaxOnline) is over-estimated if a node is emptied and filled again. An
// Among and a MaxOnline that are broken at the start are judged step by step
// only.
//
// # What it costs
//
// Memory is linear in the actions and their dependencies, and quadratic only in the
// arrivals and departures of one node or one rule at a time. Time is, for each
// arrival at a node or under a rule that needs a closer look, up to that of
// walking back through all that comes before it: 10,000 actions in chains take
// tenths of a second at most.
package check

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/rule"
)

// ActionError says what is wrong with an action of a plan.
type ActionError struct {
	Index  int // in Plan.Actions
	Action plan.Action
	Rule   int    // the index of the rule that it breaks, or NoRule
	Wrong  string // actions are counted from 0 in it
}

func (e *ActionError) Error() string {
	a := e.Action
	what := fmt.Sprintf("from node %d to %d", a.Source, a.Target)
	if a.Kind != plan.Migrate {
		what = fmt.Sprintf("%s on node %d", a.Kind, a.Target)
	}
	return fmt.Sprintf("action %d (VM %d %s in step %d): %s", e.Index, a.VM, what, a.Step, e.Wrong)
}

// Plan returns an *ActionError about the first wrong action of p, nil if p can
// be carried out from c and keeps the rules on the way. It does not ask where p
// leads: see Placement. Rules are to be valid.
func Plan(c *cluster.Configuration, p plan.Plan, rules ...rule.Rule) error {
	k, err := newChecker(c, p, rules)
	if err != nil {
		return err
	}
	for _, judge := range []func() error{k.moves, k.steps, k.room, k.rules} {
		if err := judge(); err != nil {
			return err
		}
	}
	return nil
}

// Coordinated returns an *ActionError if the VMs of a vjob are not all
// suspended in one step, or not all resumed in one step.
//
// Source: the thesis behind DVMS, section 2.2.2.
func Coordinated(c *cluster.Configuration, p plan.Plan) error {
	vjob := map[cluster.VMID]int{}
	for i, j := range c.VJobs {
		for _, v := range j.VMs {
			vjob[c.VMs[v].ID] = i
		}
	}
	type change struct {
		vjob int
		kind plan.Kind
	}
	first := map[change]int{} // the first action of each
	for i, a := range p.Actions {
		j, member := vjob[a.VM]
		if !member || a.Kind != plan.Suspend && a.Kind != plan.Resume {
			continue
		}
		b, known := first[change{j, a.Kind}]
		if !known {
			first[change{j, a.Kind}] = i
		} else if step := p.Actions[b].Step; step != a.Step {
			return &ActionError{i, a, NoRule, fmt.Sprintf("another %s of vjob %q is in step %d", a.Kind, c.VJobs[j].Name, step)}
		}
	}
	return nil
}

// deed is what an action does, in indices of nodes and VMs.
type deed struct {
	vm       int32
	from, to int32 // the node that it leaves, and the one where it arrives; each may be Nowhere
}

// stay is a time that a VM counts on a node, or on several one after the other.
type stay struct {
	vm         int32
	node       int32
	begin, end int // the actions by which it arrives and leaves; never for one that does not happen
}

const never = -1

// checker judges one plan.
type checker struct {
	c       *cluster.Configuration
	actions []plan.Action
	rule    []rule.Rule
	judge   *Judge
	deeds   []deed
	stays   [][]stay // by VM, in order
	past    past
}

func (k *checker) wrong(i int, format string, args ...any) error {
	return &ActionError{i, k.actions[i], NoRule, fmt.Sprintf(format, args...)}
}

// breaks says that action i breaks a rule.
func (k *checker) breaks(i, ruleIndex int, format string, args ...any) error {
	r := &k.rule[ruleIndex]
	return &ActionError{i, k.actions[i], ruleIndex, fmt.Sprintf("rule %s (%s): ", r.Name, r.Kind) + fmt.Sprintf(format, args...)}
}

func (k *checker) vmName(v int32) string   { return k.c.VMs[v].Name }
func (k *checker) nodeName(n int32) string { return k.c.Nodes[n].Name }

// newChecker returns a checker of p, or an error if p cannot be read: if an action
// is malformed, or the VM not in the state and place that it asks for.
func newChecker(c *cluster.Configuration, p plan.Plan, rules []rule.Rule) (*checker, error) {
	k := &checker{c: c, actions: p.Actions, rule: rules, past: newPast(p.Actions)}
	k.judge = newJudge(c, Request{Rules: rules}, k.everRun())
	if err := k.form(); err != nil {
		return nil, err
	}
	return k, k.lives()
}

// everRun returns which VMs run at the start or in the end.
func (k *checker) everRun() []bool {
	last := map[cluster.VMID]plan.Kind{}
	for _, a := range k.actions {
		last[a.VM] = a.Kind
	}
	runs := make([]bool, len(k.c.VMs))
	for v := range runs {
		kind, acts := last[k.c.VMs[v].ID]
		runs[v] = k.c.Host[v] != cluster.Nowhere || acts && kind.Arrives()
	}
	return runs
}

// form checks what can be seen in an action alone.
func (k *checker) form() error {
	vms, nodes := map[cluster.VMID]int32{}, map[cluster.NodeID]int32{}
	for v := range k.c.VMs {
		vms[k.c.VMs[v].ID] = int32(v)
	}
	for n := range k.c.Nodes {
		nodes[k.c.Nodes[n].ID] = int32(n)
	}
	k.deeds = make([]deed, len(k.actions))
	for i, a := range k.actions {
		v, known := vms[a.VM]
		if !known {
			return k.wrong(i, "unknown VM")
		}
		if a.Kind > plan.Stop {
			return k.wrong(i, "unknown kind")
		}
		source, known := nodes[a.Source]
		if !known {
			return k.wrong(i, "unknown source")
		}
		target, known := nodes[a.Target]
		if !known {
			return k.wrong(i, "unknown target")
		}
		if a.Kind == plan.Migrate && source == target {
			return k.wrong(i, "source and target are the same")
		}
		if a.Kind != plan.Migrate && a.Kind != plan.Resume && source != target {
			return k.wrong(i, "source and target of a %s are to be the same", a.Kind)
		}
		if memory := k.judge.demand[v].Memory(); a.Memory != memory {
			return k.wrong(i, "it says %v of memory, and the VM has %v", a.Memory, memory)
		}
		if a.Step < 0 || i > 0 && a.Step < k.actions[i-1].Step {
			return k.wrong(i, "steps are not in ascending order")
		}
		for _, b := range a.After {
			if b < 0 || b >= i || k.actions[b].Step >= a.Step {
				return k.wrong(i, "it comes after action %d, which is in no earlier step", b)
			}
		}
		k.deeds[i] = deed{vm: v, from: source, to: target}
	}
	return nil
}

// lives follows each VM through its actions. They come one after the other, by
// the dependencies too; each finds the VM in the state that it asks for and
// where it says; and all but the last are bypasses. It completes deeds, and
// fills in stays.
func (k *checker) lives() error {
	k.stays = make([][]stay, len(k.c.VMs))
	image := make([]int32, len(k.c.VMs))
	state := make([]cluster.State, len(k.c.VMs))
	last := make([]int, len(k.c.VMs)) // the action before
	for v := range k.c.VMs {
		state[v], image[v], last[v] = k.c.StateOf(int32(v)), k.c.ImageOf(int32(v)), never
		if h := k.c.Host[v]; h != cluster.Nowhere {
			k.stays[v] = []stay{{int32(v), h, never, never}}
		}
	}
	for i, a := range k.actions {
		d := &k.deeds[i]
		v := d.vm
		if b := last[v]; b != never {
			if !k.actions[b].Bypass {
				return k.wrong(b, "the VM acts again in action %d, but this is no bypass", i)
			}
			if k.past.of(i, k.actions[b].Step); !k.past.has(b) {
				return k.wrong(i, "it does not wait for action %d of the same VM", b)
			}
		}
		if a.Bypass && a.Kind != plan.Migrate && a.Kind != plan.Suspend {
			return k.wrong(i, "a %s is no bypass", a.Kind)
		}
		last[v] = i
		host := cluster.Nowhere
		if state[v] == cluster.Running {
			host = k.stays[v][len(k.stays[v])-1].node
		}
		if err := k.finds(i, state[v], host, image[v]); err != nil {
			return err
		}
		if d.from = host; host != cluster.Nowhere {
			k.stays[v][len(k.stays[v])-1].end = i
		}
		if a.Kind.Arrives() {
			k.stays[v] = append(k.stays[v], stay{v, d.to, i, never})
		} else {
			d.to = cluster.Nowhere
		}
		state[v] = after(a.Kind)
		if a.Kind == plan.Suspend {
			image[v] = host
		}
	}
	for i, a := range k.actions {
		if a.Bypass && last[k.deeds[i].vm] == i {
			return k.wrong(i, "it is a bypass, but the VM does not move on")
		}
	}
	return nil
}

// finds checks that action i finds its VM, which is in the given state, on host
// or in the image, as it says.
func (k *checker) finds(i int, state cluster.State, host, image int32) error {
	kind, source := k.actions[i].Kind, k.deeds[i].from
	want := cluster.Running
	switch kind {
	case plan.Run:
		want = cluster.Waiting
	case plan.Resume:
		want = cluster.Sleeping
	case plan.Stop:
		if want = state; state == cluster.Terminated {
			return k.wrong(i, "the VM is terminated")
		}
	}
	switch {
	case state != want:
		return k.wrong(i, "the VM is %s", state)
	case host != cluster.Nowhere && source != host:
		return k.wrong(i, "the VM is not on its source")
	case image != cluster.Nowhere && source != image:
		return k.wrong(i, "the image of the VM is not on its source")
	case kind == plan.Resume && image == cluster.Nowhere && source != k.deeds[i].to:
		return k.wrong(i, "all nodes reach the image alike, so source and target are to be the same")
	}
	return nil
}

// after returns the state of a VM after an action.
func after(kind plan.Kind) cluster.State {
	switch kind {
	case plan.Suspend:
		return cluster.Sleeping
	case plan.Stop:
		return cluster.Terminated
	}
	return cluster.Running
}

// moves checks that nobody comes to a closed node, and the rules about the plan
// itself: Root, MovesIn, MovesOut and Precedence.
func (k *checker) moves() error {
	for i, d := range k.deeds {
		if d.to != cluster.Nowhere && k.judge.closed[d.to] {
			if r := k.judge.offlineRule(d.to); r != NoRule {
				return k.breaks(i, r, "nobody is to come to node %q", k.nodeName(d.to))
			}
			return k.wrong(i, "the target is %s", k.c.Nodes[d.to].State)
		}
	}
	for i := range k.rule {
		var err error
		switch r := &k.rule[i]; r.Kind {
		case rule.Root:
			err = k.root(i)
		case rule.MovesIn, rule.MovesOut:
			err = k.mostMoves(i)
		case rule.Precedence:
			err = k.precedence(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// root checks that the VMs of a Root that run at the start do not migrate, and
// are resumed at home.
func (k *checker) root(i int) error {
	if !k.rule[i].Hard() {
		return nil
	}
	for _, v := range k.rule[i].VMs {
		for _, s := range k.stays[v] {
			if home := k.c.Host[v]; home != cluster.Nowhere && s.node != home {
				return k.breaks(s.begin, i, "the VM is to stay on node %q", k.nodeName(home))
			}
			if s.end != never && k.actions[s.end].Kind == plan.Migrate && k.c.Host[v] != cluster.Nowhere {
				return k.breaks(s.end, i, "the VM is to stay on node %q", k.nodeName(s.node))
			}
		}
	}
	return nil
}

// mostMoves checks that no more actions than a MovesIn or MovesOut allows bring a
// VM to one of its nodes, or take a running one away.
func (k *checker) mostMoves(i int) error {
	r := &k.rule[i]
	moves := map[int32]int64{}
	for a, d := range k.deeds {
		n := d.to
		if r.Kind == rule.MovesOut {
			n = d.from
		}
		if n == cluster.Nowhere || !contains(r.Nodes, n) {
			continue
		}
		if moves[n]++; moves[n] > r.Max {
			return k.breaks(a, i, "there are more than %d such moves at node %q", r.Max, k.nodeName(n))
		}
	}
	return nil
}

// precedence checks that all actions on one VM have ended before those on the
// next one that has any begin.
func (k *checker) precedence(i int) error {
	first, last := map[int32]int{}, map[int32]int{}
	for a, d := range k.deeds {
		if _, known := first[d.vm]; !known {
			first[d.vm] = a
		}
		last[d.vm] = a
	}
	before := cluster.Nowhere // the VM
	for _, v := range k.rule[i].VMs {
		a, acts := first[v]
		if !acts {
			continue
		}
		if before != cluster.Nowhere {
			if k.past.of(a, k.actions[last[before]].Step); !k.past.has(last[before]) {
				return k.breaks(a, i, "it does not wait for action %d on VM %q", last[before], k.vmName(before))
			}
		}
		before = v
	}
	return nil
}
