package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// change returns a configuration with VMs in all states, some in vjobs, and a goal in which no
// node is overloaded that VMs arrive at.
func change(rng *rand.Rand) (c *cluster.Configuration, goal plan.Goal) {
	c, host := journey(rng)
	goal.Host = host
	end := slices.Clone(c.Host)
	for v := range c.VMs {
		from, to := cluster.State(rng.IntN(4)), cluster.State(rng.IntN(4))
		if rng.IntN(3) > 0 {
			from = cluster.Running
		}
		for !from.Leads(to) {
			to = cluster.State(rng.IntN(4))
		}
		if rng.IntN(2) == 0 && from.Leads(cluster.Running) {
			to = cluster.Running
		}
		image := cluster.Nowhere
		if from == cluster.Sleeping && rng.IntN(5) > 0 {
			image = rng.Int32N(int32(len(c.Nodes)))
		}
		if from != cluster.Running {
			c.Host[v] = cluster.Nowhere
		}
		if to != cluster.Running {
			goal.Host[v] = cluster.Nowhere
		}
		c.State, c.Image, goal.State = append(c.State, from), append(c.Image, image), append(goal.State, to)
		end[v] = goal.Host[v]
	}
	members := map[cluster.State]int{} // one vjob for each state at the start
	for v := range c.VMs {
		s := c.State[v]
		if rng.IntN(3) == 0 {
			continue
		}
		j, known := members[s]
		if !known {
			j = len(c.VJobs)
			members[s] = j
			c.VJobs = append(c.VJobs, cluster.VJob{Name: fmt.Sprint("j", j), State: s})
		}
		c.VJobs[j].VMs = append(c.VJobs[j].VMs, int32(v))
	}
	return c, goal
}

// replay carries a plan out as the checker of the solver bench does: the actions
// of a step start together, and the step ends when all of them have.
func replay(c *cluster.Configuration, goal plan.Goal, p plan.Plan) error {
	index := map[cluster.VMID]int{}
	for v := range c.VMs {
		index[c.VMs[v].ID] = v
	}
	host, image, state := slices.Clone(c.Host), []int32{}, []cluster.State{}
	for v := range c.VMs {
		image = append(image, c.ImageOf(int32(v)))
		state = append(state, c.StateOf(int32(v)))
	}
	for s, step := range p.Steps() {
		use := make([]cluster.Resources, len(c.Nodes))
		for v, h := range host {
			if h != cluster.Nowhere {
				use[h] = use[h].Plus(c.VMs[v].Demand)
			}
		}
		seen := map[int]bool{}
		for _, a := range step {
			v := index[a.VM]
			if seen[v] {
				return fmt.Errorf("step %d: two actions on VM %d", s, v)
			}
			seen[v] = true
			if a.Kind.Arrives() {
				use[a.Target] = use[a.Target].Plus(c.VMs[v].Demand)
			}
		}
		for _, a := range step {
			v := index[a.VM]
			switch {
			case a.Kind.Arrives() && !use[a.Target].Within(c.Nodes[a.Target].Offer()):
				return fmt.Errorf("step %d: node %d would be asked for %v", s, a.Target, use[a.Target])
			case a.Kind == plan.Migrate && (state[v] != cluster.Running || host[v] != int32(a.Source) || a.Source == a.Target):
				return fmt.Errorf("step %d: VM %d is not on %d", s, v, a.Source)
			case a.Kind == plan.Suspend && (state[v] != cluster.Running || host[v] != int32(a.Source) || a.Source != a.Target):
				return fmt.Errorf("step %d: VM %d is not on %d", s, v, a.Source)
			case a.Kind == plan.Stop && state[v] == cluster.Terminated:
				return fmt.Errorf("step %d: VM %d has terminated", s, v)
			case a.Kind == plan.Stop && (host[v] != cluster.Nowhere && host[v] != int32(a.Source) || a.Source != a.Target):
				return fmt.Errorf("step %d: VM %d is not on %d", s, v, a.Source)
			case a.Kind == plan.Resume && (state[v] != cluster.Sleeping || image[v] != cluster.Nowhere && image[v] != int32(a.Source)):
				return fmt.Errorf("step %d: the image of VM %d is not on %d", s, v, a.Source)
			case a.Kind == plan.Run && (state[v] != cluster.Waiting || a.Source != a.Target):
				return fmt.Errorf("step %d: VM %d does not wait", s, v)
			case a.Memory != c.VMs[v].Demand.Memory():
				return fmt.Errorf("step %d: VM %d has %v", s, v, a.Memory)
			}
		}
		for _, a := range step {
			v := index[a.VM]
			image[v] = cluster.Nowhere
			switch a.Kind {
			case plan.Suspend:
				host[v], image[v], state[v] = cluster.Nowhere, int32(a.Source), cluster.Sleeping
			case plan.Stop:
				host[v], state[v] = cluster.Nowhere, cluster.Terminated
			case plan.Migrate, plan.Resume, plan.Run:
				host[v], state[v] = int32(a.Target), cluster.Running
			}
		}
	}
	for v := range c.VMs {
		want := c.StateOf(int32(v))
		if goal.State != nil {
			want = goal.State[v]
		}
		waits := c.StateOf(int32(v)) == cluster.Waiting && want == cluster.Terminated // needs no action
		if state[v] != want && !waits {
			return fmt.Errorf("VM %d is %v at the end, not %v", v, state[v], want)
		}
		if want == cluster.Running && goal.Host[v] != cluster.Nowhere && host[v] != goal.Host[v] {
			return fmt.Errorf("VM %d is on %d at the end, not on %d", v, host[v], goal.Host[v])
		}
	}
	return nil
}

// together returns an error about a vjob whose suspends, or resumes that no cycle asked for, are not
// in one step.
func together(c *cluster.Configuration, p plan.Plan) error {
	job := map[cluster.VMID]string{}
	for _, j := range c.VJobs {
		for _, v := range j.VMs {
			job[c.VMs[v].ID] = j.Name
		}
	}
	parked := map[cluster.VMID]bool{}
	steps := map[string]int{}
	for _, a := range p.Actions {
		if a.Kind == plan.Suspend && a.Bypass {
			parked[a.VM] = true
		}
		if a.Kind != plan.Suspend && a.Kind != plan.Resume || parked[a.VM] || job[a.VM] == "" {
			continue
		}
		key := job[a.VM] + a.Kind.String()
		if step, known := steps[key]; known && step != a.Step {
			return fmt.Errorf("vjob %s: %v in steps %d and %d", job[a.VM], a.Kind, step, a.Step)
		}
		steps[key] = a.Step
		if a.Kind == plan.Suspend && a.Step != 0 {
			return fmt.Errorf("vjob %s is suspended in step %d", job[a.VM], a.Step)
		}
	}
	return nil
}

func TestSwitchAgainstReplay(t *testing.T) {
	kinds, parked, gathered, better := map[plan.Kind]int{}, 0, 0, 0
	for seed := range uint64(3000) {
		c, goal := change(rand.New(rand.NewPCG(seed, 7)))
		if err := c.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		s := plan.Settings{Together: seed%2 == 0, MaySuspend: true, Effort: 2000}
		p, err := plan.Switch(c, goal, s)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := replay(c, goal, p); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, p.Notation(c))
		}
		if again, _ := plan.Switch(c, goal, s); !reflect.DeepEqual(p, again) {
			t.Fatalf("seed %d: two plans differ", seed)
		}
		if err := together(c, p); err != nil {
			if s.Together {
				t.Fatalf("seed %d: %v\n%s", seed, err, p.Notation(c))
			}
			gathered++
		}
		if first, err := plan.Switch(c, goal, plan.Settings{Together: s.Together, MaySuspend: true, Effort: 1}); err == nil && first.Cost() > p.Cost() {
			better++
		} else if err == nil && first.Cost() < p.Cost() {
			t.Fatalf("seed %d: K %v after a search, and %v before", seed, p.Cost(), first.Cost())
		}
		for _, a := range p.Actions {
			kinds[a.Kind]++
			if a.Kind == plan.Suspend && a.Bypass {
				parked++
			}
		}
		if (len(p.Warnings) > 0) != strings.Contains(fmt.Sprint(p.Warnings), "suspended and resumed") {
			t.Fatalf("seed %d: warnings %q", seed, p.Warnings)
		}
	}
	if len(kinds) < 5 || parked < 10 || gathered < 20 || better < 20 {
		t.Errorf("too easy: %v, %d suspends to break cycles, %d vjobs apart without coordination, %d plans improved", kinds, parked, gathered, better)
	}
}

func TestSwitchRefuses(t *testing.T) {
	state := func(s ...cluster.State) []cluster.State { return s }
	sleeping := world([]int64{60}, nil)
	sleeping.Host[0], sleeping.State, sleeping.Image = cluster.Nowhere, state(cluster.Sleeping), []int32{1}
	for _, test := range []struct {
		name string
		c    *cluster.Configuration
		goal plan.Goal
		want string
	}{
		{"too few hosts", world([]int64{60}), plan.Goal{Host: []int32{}}, "the goal places 0 VMs, and there are 1"},
		{"too few states", world([]int64{60}), plan.Goal{State: []cluster.State{}}, "the goal has states for 0 VMs, and there are 1"},
		{"back to waiting", world([]int64{60}), plan.Goal{State: state(cluster.Waiting)}, `VM "v0" is running, and cannot become waiting`},
		{"no such state", world([]int64{60}), plan.Goal{State: state(9)}, `VM "v0" is running, and cannot become State(9)`},
		{"to run nowhere", sleeping, plan.Goal{State: state(cluster.Running)}, `VM "v0" is to run, and its node is number -1 of 2`},
		{"to move asleep", sleeping, plan.Goal{Host: []int32{1}}, `VM "v0" does not run, so it cannot be migrated`},
		{"an overload", world([]int64{60}, []int64{60}), plan.Goal{Host: []int32{1, 1}}, `VM "v0" is to go to node "n1", which would be overloaded`},
		{"an exchange", world([]int64{60}, []int64{60}), plan.Goal{Host: []int32{1, 0}}, "VMs v0, v1 wait for each other, and no other node has room for one of them"},
	} {
		if _, err := plan.Switch(test.c, test.goal, plan.Settings{}); err == nil || err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.name, err, test.want)
		}
	}
}

// Two VMs that fill their nodes change places, and there is no third node.
func TestSwitchSuspendsIfNothingElseWorks(t *testing.T) {
	c := world([]int64{60}, []int64{50})
	goal := plan.Goal{Host: []int32{1, 0}}
	var stuck *plan.StuckError
	if _, err := plan.Switch(c, goal, plan.Settings{}); !errors.As(err, &stuck) {
		t.Errorf("without leave to suspend: %v", err)
	}
	p, err := plan.Switch(c, goal, plan.Settings{MaySuspend: true})
	if err != nil {
		t.Fatal(err)
	}
	const want = "s1 : suspend(v1)\ns2 : migrate(v0)\ns3 : resume(v1)\n"
	if got := p.Notation(c); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if got := fmt.Sprint(p.Warnings); got != `[VM "v1" is suspended and resumed, to break a cycle in which no VM can be passed by]` {
		t.Error(got)
	}
	if p.Cost() != 50+(50+60)+(50+60+2*50) {
		t.Errorf("K %d", p.Cost())
	}
}

// shift is a switch of at least so many actions of all kinds: groups of five nodes
// in which VMs go round, some are suspended or stopped, and others come for them.
func shift(actions int) (*cluster.Configuration, plan.Goal) {
	rng := rand.New(rand.NewPCG(1, 2))
	c := &cluster.Configuration{}
	var goal plan.Goal
	for group := int32(0); len(c.VMs) < actions; group += 5 {
		for n := range int32(5) {
			id := group + n
			c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(id), Name: fmt.Sprint("n", id), Capacity: cluster.Of(1000, 100)})
			for range 6 {
				next := group + (n+1)%5
				for _, state := range [][2]cluster.State{
					{cluster.Running, cluster.State(1 + rng.IntN(3))}, // goes round, or leaves
					{cluster.State(2 * rng.IntN(2)), cluster.Running}, // comes if it leaves
				} {
					v := len(c.VMs)
					vm := cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), VCPUs: 1, Demand: cluster.Of(cluster.Millicores(100+rng.Int64N(60)), cluster.Bytes(10+rng.Int64N(6)))}
					host, image, to := id, cluster.Nowhere, next
					if state[0] != cluster.Running {
						if goal.State[v-1] == cluster.Running {
							continue
						}
						vm.Demand, host = c.VMs[v-1].Demand, cluster.Nowhere
					}
					if state[0] == cluster.Sleeping {
						image = id
					}
					if state[1] != cluster.Running {
						to = cluster.Nowhere
					}
					c.VMs, c.Host, c.Image, c.State = append(c.VMs, vm), append(c.Host, host), append(c.Image, image), append(c.State, state[0])
					goal.Host, goal.State = append(goal.Host, to), append(goal.State, state[1])
				}
			}
		}
	}
	return c, goal
}

func BenchmarkSwitch(b *testing.B) {
	c, goal := shift(10_000)
	for _, effort := range []int{1, 0} {
		b.Run(fmt.Sprint("effort=", effort), func(b *testing.B) {
			b.ReportAllocs()
			var p plan.Plan
			for b.Loop() {
				var err error
				if p, err = plan.Switch(c, goal, plan.Settings{Effort: effort}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(p.Actions)), "actions")
			b.ReportMetric(float64(len(p.Steps())), "planned-steps")
			b.ReportMetric(float64(p.Cost()), "K")
		})
	}
}

func ExampleSwitch() {
	// A VM of the first node is suspended for one that sleeps and has its image on
	// the second node, which is full.
	c := world([]int64{60}, []int64{90}, []int64{50})
	c.Host[2], c.Image, c.State = cluster.Nowhere, []int32{-1, -1, 1}, []cluster.State{cluster.Running, cluster.Running, cluster.Sleeping}
	p, err := plan.Switch(c, plan.Goal{
		Host:  []int32{cluster.Nowhere, 1, 0},
		State: []cluster.State{cluster.Sleeping, cluster.Running, cluster.Running},
	}, plan.Settings{})
	fmt.Print(p.Notation(c), p.Cost(), " ", err, "\n")
	fmt.Print(p.NotationOfStages(c))
	// Output:
	// s1 : suspend(v0)
	// s2 : resume(v2)
	// 220B <nil>
	// s1 : pause(v0)
	// s2 : write(v0)
	// s3 : read(v2)
	// s4 : unpause(v2)
}
