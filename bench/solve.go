package bench

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/snapshot"
)

// Task is a snapshot with what is to be done about it.
type Task struct {
	snapshot.Snapshot
	Together bool // the resumes of a vjob are to be in one step
	Budget   int  // of placement.Problem
}

// Solution is what was found.
type Solution struct {
	Result placement.Result
	Plan   plan.Plan // empty if there is none, or nothing to do
}

// quickEffort is spent on a plan that is there to see whether there is one.
const quickEffort = 1

// Solve looks for a placement to which there is a plan, and then for the best plan
// to it. An error is a mistake in one of these: a placement was said to be
// reachable, and is not.
func (t *Task) Solve() (Solution, error) {
	s := Solution{Result: t.Place()}
	var err error
	switch s.Result.Answer {
	case placement.Viable:
		s.Plan, err = t.Order(s.Result.Host)
	case placement.AlreadyViable: // which images may be left to delete in
		s.Plan, err = t.Order(t.Configuration.Host)
	case placement.Infeasible, placement.Exhausted:
	}
	return s, err
}

// Place looks for a placement to which there is a plan.
func (t *Task) Place() placement.Result {
	problem := placement.Problem{
		Rules: t.Rules, Wanted: t.Wanted, Drain: t.Drain, Budget: t.Budget,
		Reachable: func(host []int32) ([]int32, bool) {
			err := t.quickly(host)
			return plan.Waiting(err), err == nil
		},
	}
	if t.Goal == "consolidate" {
		problem.Goal = placement.Consolidate
	}
	return placement.Solve(t.Configuration, problem)
}

// quickly says why there is no plan to a placement, or nil if there is one.
func (t *Task) quickly(host []int32) error {
	var err error
	if len(t.Rules) == 0 && t.Wanted == nil {
		_, err = plan.Make(t.Configuration, host)
	} else {
		_, err = plan.Switch(t.Configuration, t.goal(host), plan.Settings{Rules: t.Rules, Together: t.Together, Effort: quickEffort})
	}
	return err
}

// Order looks for the best plan to a placement.
func (t *Task) Order(host []int32) (plan.Plan, error) {
	return plan.Switch(t.Configuration, t.goal(host), plan.Settings{Rules: t.Rules, Together: t.Together})
}

func (t *Task) goal(host []int32) plan.Goal { return plan.Goal{Host: host, State: t.Wanted} }

// Judge returns an error that says what is wrong with a plan: a step that can't
// be carried out, or an end that is not what the snapshot asks for. It shares
// no code with what made the plan.
func (t *Task) Judge(p plan.Plan) error {
	c := t.Configuration
	if err := check.Plan(c, p, t.Rules...); err != nil {
		return err
	}
	if t.Together {
		if err := check.Coordinated(c, p); err != nil {
			return err
		}
	}
	host, state := carriedOut(c, p)
	verdict := check.Placement(c, check.Request{Rules: t.Rules, Wanted: t.Wanted, Drain: t.Drain}, host)
	if err := verdict.Err(); err != nil {
		return fmt.Errorf("in the end, %w", err)
	}
	for v, want := range t.Wanted {
		if state[v] != want && c.StateOf(int32(v)) != cluster.Waiting { // one that waits is ended by forgetting it
			return fmt.Errorf("in the end, VM %q is %v, and is to be %v", c.VMs[v].Name, state[v], want)
		}
	}
	return nil
}

// carriedOut returns where the VMs run after a plan, and their states.
func carriedOut(c *cluster.Configuration, p plan.Plan) (host []int32, state []cluster.State) {
	vms, nodes := map[cluster.VMID]int32{}, map[cluster.NodeID]int32{}
	for v := range c.VMs {
		vms[c.VMs[v].ID] = int32(v)
		host = append(host, c.Host[v])
		state = append(state, c.StateOf(int32(v)))
	}
	for n := range c.Nodes {
		nodes[c.Nodes[n].ID] = int32(n)
	}
	for _, a := range p.Actions {
		v := vms[a.VM]
		host[v] = cluster.Nowhere
		switch a.Kind {
		case plan.Suspend:
			state[v] = cluster.Sleeping
		case plan.Stop:
			state[v] = cluster.Terminated
		default:
			state[v], host[v] = cluster.Running, nodes[a.Target]
		}
	}
	return host, state
}

// NodesOn is how many nodes host VMs after a plan.
func (t *Task) NodesOn(p plan.Plan) int {
	host, _ := carriedOut(t.Configuration, p)
	on := make([]bool, len(t.Configuration.Nodes))
	count := 0
	for _, n := range host {
		if n != cluster.Nowhere && !on[n] {
			on[n] = true
			count++
		}
	}
	return count
}
