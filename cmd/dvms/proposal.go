package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// proposal is what dvms plan found out about a request.
type proposal struct {
	request
	flags *planFlags
	// c and end are the cluster before and after the plan, as the rules that change
	// what VMs ask for and nodes offer make it.
	c, end    *cluster.Configuration
	result    placement.Result
	plan      plan.Plan // empty if there is none, or nothing to do
	schedule  plan.Schedule
	broken    []check.Fault // the soft rules that the end does not keep
	stuck     error         // why the latest placement that has no plan has none
	lost      bool          // there is no plan for the placement that is the answer
	diagnosis placement.Diagnosis
	explained []placement.Exclusion
}

// propose looks for the plan that does what is asked.
func propose(r request, f *planFlags) (*proposal, error) {
	c := rule.Apply(r.Configuration, r.Rules)
	p := &proposal{request: r, flags: f, c: c, end: c}
	problem := r.problem()
	problem.Budget = int(f.budget)
	problem.Reachable = p.reachable
	p.result = placement.Solve(r.Configuration, problem)
	if p.viable() {
		if err := p.order(); err != nil {
			return nil, err
		}
	}
	if !p.viable() {
		p.plan = plan.Plan{}
		p.diagnosis = placement.Diagnose(r.Configuration, problem)
	}
	if r.explain != cluster.Nowhere {
		p.explained = placement.Explain(r.Configuration, problem, p.end.Host, r.explain)
	}
	return p, nil
}

// viable reports whether there is a plan, or nothing to do.
func (p *proposal) viable() bool {
	return !p.lost && (p.result.Answer == placement.Viable || p.result.Answer == placement.AlreadyViable)
}

// reachable looks for a way to a placement, and notes why there is none.
func (p *proposal) reachable(host []int32) (waiting []int32, ok bool) {
	var err error
	if len(p.Rules) == 0 && p.Wanted == nil && !p.flags.maySuspend {
		_, err = plan.Make(p.Configuration, host) // which is faster
	} else {
		s := p.settings()
		s.Effort, s.Together = 1, false
		_, err = plan.Switch(p.Configuration, plan.Goal{Host: host, State: p.Wanted}, s)
	}
	if err != nil {
		p.stuck = err
	}
	return plan.Waiting(err), err == nil
}

func (p *proposal) settings() plan.Settings {
	return plan.Settings{Rules: p.Rules, Together: !p.flags.apart, MaySuspend: p.flags.maySuspend, Effort: int(p.flags.effort)}
}

// order makes the plan that leads to the placement that was found, and has it
// judged.
func (p *proposal) order() error {
	host := p.result.Host
	if p.result.Answer == placement.AlreadyViable {
		host = p.Configuration.Host
	}
	made, err := plan.Switch(p.Configuration, plan.Goal{Host: host, State: p.Wanted}, p.settings())
	if err != nil {
		p.stuck, p.lost = err, true
		return nil
	}
	p.plan = made
	end := carriedOut(p.Configuration, made)
	p.end = rule.Apply(end, p.Rules)
	// An operator acts on this, so code that had no part in it looks at it too.
	verdict, wrong := judge(p.request, made, end)
	if len(wrong) > 0 {
		return ourMistake{mistakes(wrong).err()}
	}
	p.broken = verdict.Broken
	return p.time()
}

// time estimates when each action starts and ends, and has that judged.
func (p *proposal) time() (err error) {
	if p.schedule, err = plan.Timed(p.Configuration, p.plan, p.speeds()); err != nil {
		return err
	}
	if err := check.Timed(p.Configuration, p.plan, p.schedule, p.Rules...); err != nil {
		return ourMistake{err}
	}
	return nil
}

// ourMistake is a plan that the checker refuses.
type ourMistake struct{ error }

func (e ourMistake) Error() string {
	return fmt.Sprintf("the plan that was found is wrong, which is a mistake in dvms; please report it with the snapshot and the rules: %v", e.error)
}

func (p *proposal) speeds() plan.Speeds {
	s := plan.DefaultSpeeds(len(p.c.Nodes))
	for n := range s.Link {
		s.Link[n], s.Disk[n] = p.flags.bandwidth.value, p.flags.disk.value
	}
	return s
}

// carriedOut is the configuration after a plan that can be carried out. VMs that
// wait and are to be terminated need no action for it.
func carriedOut(c *cluster.Configuration, p plan.Plan) *cluster.Configuration {
	at := newIndex(c)
	end := c.Clone()
	end.State, end.Image = make([]cluster.State, len(c.VMs)), make([]int32, len(c.VMs))
	for v := range c.VMs {
		end.State[v], end.Image[v] = c.StateOf(int32(v)), c.ImageOf(int32(v))
	}
	for _, a := range p.Actions {
		v := at.vms[a.VM]
		end.Host[v], end.Image[v] = cluster.Nowhere, cluster.Nowhere
		switch a.Kind {
		case plan.Migrate, plan.Resume, plan.Run:
			end.Host[v], end.State[v] = at.nodes[a.Target], cluster.Running
		case plan.Suspend:
			end.Image[v], end.State[v] = at.nodes[a.Source], cluster.Sleeping
		case plan.Stop:
			end.State[v] = cluster.Terminated
		}
	}
	return end
}

// index finds VMs and nodes by their ID.
type index struct {
	vms   map[cluster.VMID]int32
	nodes map[cluster.NodeID]int32
}

func newIndex(c *cluster.Configuration) index {
	i := index{make(map[cluster.VMID]int32, len(c.VMs)), make(map[cluster.NodeID]int32, len(c.Nodes))}
	for v := range c.VMs {
		i.vms[c.VMs[v].ID] = int32(v)
	}
	for n := range c.Nodes {
		i.nodes[c.Nodes[n].ID] = int32(n)
	}
	return i
}

// judge returns everything that is wrong with a plan that leads to end.
func judge(r request, p plan.Plan, end *cluster.Configuration) (check.Verdict, []error) {
	var wrong mistakes
	c := r.Configuration
	var first *check.ActionError
	if err := check.Plan(c, p, r.Rules...); errors.As(err, &first) {
		wrong.add(actionError(c, first))
	} else {
		wrong.add(err)
	}
	verdict := check.Placement(c, check.Request{Rules: r.Rules, Wanted: r.Wanted, Drain: r.Drain}, end.Host)
	for _, f := range verdict.Wrong {
		wrong.add(fmt.Errorf("at its end, %w", f))
	}
	for v, want := range r.Wanted {
		switch is := end.StateOf(int32(v)); {
		case is == want, is == cluster.Running, want == cluster.Running: // which the verdict has
		case is == cluster.Waiting && want == cluster.Terminated: // nothing is to be done
		default:
			wrong.add(fmt.Errorf("at its end, VM %q is %s, and is to be %s", c.VMs[v].Name, is, want))
		}
	}
	return verdict, wrong
}

// actionError names the VM and the nodes of an action that is wrong.
func actionError(c *cluster.Configuration, e *check.ActionError) error {
	at := newIndex(c)
	a := e.Action
	s, t := c.Nodes[at.nodes[a.Source]].Name, c.Nodes[at.nodes[a.Target]].Name
	where := "from " + s + " to " + t
	if s == t {
		where = "on " + s
	}
	return fmt.Errorf("action %d, to %s %s %s in step %d: %s", e.Index+1, a.Kind, c.VMs[at.vms[a.VM]].Name, where, a.Step+1, e.Wrong)
}

// title is the first line of what is printed.
func (p *proposal) title() string {
	parts := []string{plural(len(p.c.Nodes), "node"), plural(len(p.c.VMs), "VM")}
	if n := len(p.Rules); n > 0 {
		parts = append(parts, plural(n, "rule"))
	}
	if n := len(p.emptied()); n > 0 {
		parts = append(parts, plural(n, "node")+" to empty")
	}
	if n := len(p.changing()); n > 0 {
		parts = append(parts, plural(n, "VM")+" to change state")
	}
	over := len(p.c.Overloaded())
	overloaded := plural(over, "node") + " overloaded"
	if over == 0 {
		overloaded = "no node overloaded"
	}
	name := printable(p.Name)
	if p.goal != "repair" {
		name += ", to " + p.goal
	}
	return name + ": " + strings.Join(append(parts, overloaded), ", ")
}

// nothingToDo is what is said in place of an empty plan.
func (p *proposal) nothingToDo() string {
	why := "every node has what its VMs ask for"
	if hard := slices.ContainsFunc(p.Rules, func(r rule.Rule) bool { return r.Hard() }); hard {
		why += ", and every rule is kept"
	}
	switch p.goal {
	case "drain":
		why += "; the nodes to drain are empty"
	case "place":
		why += "; no VM waits to be started"
	case "switch":
		why += "; all VMs are in the state that is wanted"
	case "consolidate":
		if p.result.NodesBound == p.result.Nodes {
			why += "; on fewer nodes they would not"
		} else {
			why += "; no way to use fewer nodes was found"
		}
	case "level":
		why += "; no move would level the load by much"
	}
	return "nothing to do: " + why
}

// counted says how many actions there are, and calls them moves if they are all
// migrations.
func (p *proposal) counted() string {
	what := "action"
	if p.onlyMoves() {
		what = "move"
	}
	return plural(len(p.plan.Actions), what) + " in " + plural(len(p.plan.Steps()), "step")
}

func (p *proposal) onlyMoves() bool {
	return !slices.ContainsFunc(p.plan.Actions, func(a plan.Action) bool { return a.Kind != plan.Migrate })
}

// resumed is the memory of the VMs that are resumed, counted as the cost counts it:
// twice if the image is not where they run.
func (p *proposal) resumed() cluster.Bytes { return p.result.Cost - p.result.Moved - p.brokenWeight() }

func (p *proposal) brokenWeight() cluster.Bytes {
	var weight cluster.Bytes
	for _, f := range p.broken {
		weight += p.Rules[f.Rule].Weight
	}
	return weight
}

// sent is the memory of all migrations, those of detours included.
func (p *proposal) sent() cluster.Bytes {
	var sent cluster.Bytes
	for _, a := range p.plan.Actions {
		if a.Kind == plan.Migrate {
			sent += a.Memory
		}
	}
	return sent
}

// state is a node before and after the plan.
type state struct {
	node          cluster.Node
	before, after cluster.Resources
	left          int // how many VMs it hosts after the plan
	closed        bool
}

// changed returns the states of the nodes that actions concern, and of those
// that are overloaded or to be emptied.
func (p *proposal) changed() []state {
	touched := map[cluster.NodeID]bool{}
	for _, a := range p.plan.Actions {
		touched[a.Source], touched[a.Target] = true, true
	}
	closed := p.emptied()
	var states []state
	after, left := p.end.Usage(), p.end.Hosted()
	for n, before := range p.c.Usage() {
		node := p.c.Nodes[n]
		s := state{node, before, after[n], len(left[n]), slices.Contains(closed, int32(n))}
		if touched[node.ID] || s.overloadedBefore() || s.closed && before != (cluster.Resources{}) {
			states = append(states, s)
		}
	}
	return states
}

func (s *state) overloadedBefore() bool { return !s.before.Within(s.node.Offer()) }
func (s *state) overloadedAfter() bool  { return !s.after.Within(s.node.Offer()) }

// nodesOn counts the nodes that host VMs.
func nodesOn(c *cluster.Configuration) int {
	on := 0
	for _, vms := range c.Hosted() {
		if len(vms) > 0 {
			on++
		}
	}
	return on
}
