package plan

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// Goal is where VMs are to be, and in which state.
type Goal struct {
	// Host is, by VM, the node that it runs on at the end. Nowhere stands for the
	// one it runs on now. Nil stands for Nowhere for all.
	Host []int32
	// State is, by VM, the state at the end. Nil stands for the present states.
	State []cluster.State
}

// Settings say what is asked of a plan. The zero Settings ask for a plan in
// which cycles are broken by bypasses only.
type Settings struct {
	// Rules are kept as package rule says. They are to be valid for the
	// configuration.
	Rules []rule.Rule
	// Together brings the resumes of a vjob together in one step, so that its VMs
	// do not miss each other for long. Its suspends are in the first step anyway.
	Together bool
	// MaySuspend lets a VM be suspended and resumed to break a cycle in which no
	// VM can be passed by. The plan then has a warning.
	MaySuspend bool
	// Effort bounds the search for a plan of less cost, in moves that are tried;
	// 0 stands for DefaultEffort, or less for a small plan. It does not depend on the
	// machine.
	Effort int
}

// DefaultEffort is some twenty milliseconds.
const DefaultEffort = 150_000

// Switch returns a plan that leads from c to goal: the cluster-wide context
// switch.
//
// A VM that is to run and runs is migrated if its node changes. One that is to
// run and does not is resumed or run on its node, which must be given. One that
// is to sleep is suspended, and its image is on the node that it ran on. One that
// is to be terminated is stopped; if it waits there is nothing to stop, and no action.
// An image that all nodes reach alike is resumed as if it were on the target,
// and deleted from the first node that is not offline.
//
// Suspends and stops have no precondition, so they are in the first step, and what
// they free can be used from the next one on. Two things differ. If the plan gets
// cheaper by it, what costs nothing has the first step for itself, and suspends
// are in the second, unless Settings.Together asks for the first. And a Precedence
// has its own order. Otherwise all that Make says holds here too.
//
// Of the plans that it tries, Switch returns the one of least Cost: see Settings
// for how long it looks. If VMs run into each other in all of them, it returns a
// *StuckError; if the goal cannot be reached from the present states or breaks a rule, an error that
// names the VM.
func Switch(c *cluster.Configuration, goal Goal, s Settings) (Plan, error) {
	c = rule.Apply(c, s.Rules)
	m := &maker{problem: problem{c: c, maySuspend: s.MaySuspend}}
	if err := m.want(goal); err != nil {
		return Plan{}, err
	}
	if err := m.prepare(); err != nil {
		return Plan{}, err
	}
	var err error
	if m.rules, err = m.newRulebook(s.Rules); err != nil {
		return Plan{}, err
	}
	if m.together = s.Together; m.together {
		m.findJobs()
	}
	if err := m.search(s.Effort); err != nil {
		return Plan{}, err
	}
	p := m.plan()
	p.Warnings = m.warnings()
	return p, nil
}

// want notes what is to be done with each VM.
func (p *problem) want(goal Goal) error {
	if goal.Host != nil && len(goal.Host) != len(p.c.VMs) {
		return fmt.Errorf("the goal places %d VMs, and there are %d", len(goal.Host), len(p.c.VMs))
	}
	if goal.State != nil && len(goal.State) != len(p.c.VMs) {
		return fmt.Errorf("the goal has states for %d VMs, and there are %d", len(goal.State), len(p.c.VMs))
	}
	p.ownGoal = true
	p.goal, p.kinds = make([]int32, len(p.c.VMs)), make([]Kind, len(p.c.VMs))
	for v := range p.goal {
		v := int32(v)
		from, host := p.c.StateOf(v), cluster.Nowhere
		if goal.Host != nil {
			host = goal.Host[v]
		}
		to := from
		if goal.State != nil {
			to = goal.State[v]
		}
		p.goal[v] = host
		if err := p.wantOne(v, from, to); err != nil {
			return err
		}
	}
	return nil
}

// wantOne notes what brings v from one state to another, and to its goal.
func (p *problem) wantOne(v int32, from, to cluster.State) error {
	name, host := p.c.VMs[v].Name, p.goal[v]
	switch {
	case to > cluster.Terminated || !from.Leads(to):
		return fmt.Errorf("VM %q is %v, and cannot become %v", name, from, to)
	case to != cluster.Running:
		return p.leaves(v, from, to)
	case from == cluster.Running:
		if host == cluster.Nowhere || host == p.c.Host[v] {
			return nil
		}
		return p.migrates(v)
	case host < 0 || int(host) >= len(p.c.Nodes):
		return fmt.Errorf("VM %q is to run, and its node is number %d of %d", name, host, len(p.c.Nodes))
	}
	p.kinds[v] = Run
	if from == cluster.Sleeping {
		p.kinds[v] = Resume
	}
	p.movers = append(p.movers, v)
	return nil
}

// leaves notes what brings v to a state in which it does not run.
func (p *problem) leaves(v int32, from, to cluster.State) error {
	if from != cluster.Running && p.goal[v] != cluster.Nowhere {
		return fmt.Errorf("VM %q does not run, so it cannot be migrated", p.c.VMs[v].Name)
	}
	if from == to || from == cluster.Waiting {
		return nil
	}
	p.kinds[v], p.goal[v] = Stop, p.c.Host[v]
	switch {
	case to == cluster.Sleeping:
		p.kinds[v] = Suspend
	case from == cluster.Sleeping:
		p.goal[v] = p.imageNode(v)
	}
	p.leavers = append(p.leavers, v)
	return nil
}

// imageNode returns a node that reaches the image of v.
func (p *problem) imageNode(v int32) int32 {
	if image := p.c.ImageOf(v); image != cluster.Nowhere {
		return image
	}
	for n := range p.c.Nodes {
		if p.c.Nodes[n].State != cluster.Offline {
			return int32(n)
		}
	}
	return 0
}

// warnings says what the moves do that the goal did not ask for.
func (m *maker) warnings() []string {
	var warnings []string
	for i := range m.moves {
		if a := &m.moves[i]; a.bypass && a.kind == Suspend {
			warnings = append(warnings, fmt.Sprintf(
				"VM %q is suspended and resumed, to break a cycle in which no VM can be passed by", m.c.VMs[a.vm].Name))
		}
	}
	if m.together {
		warnings = append(warnings, m.apart()...)
	}
	return warnings
}
