package batch

import (
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/sim"
)

// longest is how long a run may take. A vjob that is suspended again and again
// and never ends would be a mistake of a policy.
const longest = 10 * 365 * 24 * time.Hour

// Run runs the vjobs of a study under a policy until all have ended.
//
// The study is as Validate wants it.
func Run(s *Study, policy string) Result { return newWorld(s).run(policy) }

func (w *world) run(policy string) Result {
	var switches *[]Switch
	switch policy {
	case "fcfs", "easy":
		newStatic(w, policy == "easy").start()
	case "preempt", "dynamic":
		c := &control{world: w, reserved: policy == "preempt"}
		switches = &c.switches
		c.start()
	default:
		panic(fmt.Sprintf("batch: unknown policy %q", policy))
	}
	if err := w.clock.Run(sim.Of(longest)); err != nil {
		panic(err) // a study asks nothing of the kernel that depends on its input
	}
	return w.result(policy, switches)
}

func (w *world) result(policy string, switches *[]Switch) Result {
	r := Result{Policy: policy, Use: w.use}
	if switches != nil {
		r.Switches = *switches
	}
	for j := range w.jobs {
		b := &w.jobs[j]
		if !b.done {
			panic(fmt.Sprintf("batch: vjob %q has not ended under %s", w.study.VJobs[j].Name, policy))
		}
		r.Completed = append(r.Completed, b.end)
		r.Makespan = max(r.Makespan, b.end)
		r.Spans = append(r.Spans, b.spans...)
	}
	var cpu, memory float64
	for i, u := range w.use {
		until := r.Makespan
		if i+1 < len(w.use) {
			until = min(until, w.use[i+1].At)
		}
		if until > u.At {
			cpu += float64(float64(u.CPU) * float64(until-u.At))
			memory += float64(float64(u.Memory) * float64(until-u.At))
		}
	}
	all := w.study.Nodes.Capacity()
	whole := float64(w.study.Nodes.Count) * float64(r.Makespan)
	r.CPU, r.Memory = cpu/(whole*float64(all.CPU())), memory/(whole*float64(all.Memory()))
	return r
}

// finish stops the clock when every vjob has ended and left.
func (w *world) finish() {
	for i := range w.vms {
		if w.vms[i].state != cluster.Terminated {
			return
		}
	}
	w.clock.Stop()
}

// static starts each vjob once, on nodes of its own, and lets it run to its end.
type static struct {
	*world
	easy  bool
	holds map[int]Hold // by vjob that has reserved something
}

func newStatic(w *world, easy bool) *static {
	s := &static{world: w, easy: easy, holds: map[int]Hold{}}
	w.ended = s.stop
	return s
}

// start starts the vjobs that the policy lets start now.
func (s *static) start() {
	free := s.study.capacities()
	var running []Hold
	var waiting []int
	for j := range s.jobs {
		hold, held := s.holds[j]
		switch {
		case held:
			take(free, hold.Demands, hold.Host)
			running = append(running, hold)
		case !s.jobs[j].done:
			waiting = append(waiting, j)
		}
	}
	queue := make([]Request, len(waiting))
	demands := make([][]cluster.Resources, len(waiting))
	for i, j := range waiting {
		demands[i] = s.study.reserved(j)
		queue[i] = Request{demands[i], s.study.estimate(j)}
	}
	now := s.now()
	hosts := FCFS(free, demands)
	if s.easy {
		hosts = EASY(now, free, running, queue)
	}
	for i, host := range hosts {
		if host != nil {
			s.holds[waiting[i]] = Hold{demands[i], host, now + queue[i].Estimate}
			s.boot(waiting[i], host)
		}
	}
}

// boot runs the VMs of a vjob.
func (s *static) boot(j int, host []int32) {
	from, _ := vmsOf(j)
	s.enter(j, Booting)
	for i, n := range host {
		s.change(from+i, func(v *vm) { v.host = n })
	}
	s.call(s.now()+time.Duration(s.study.Actions.Run), func() {
		for i := range host {
			s.change(from+i, func(v *vm) { v.state = cluster.Running })
		}
		s.launch(j)
	})
}

// stop stops the VMs of a vjob that has ended.
func (s *static) stop(j int) {
	s.call(s.now()+time.Duration(s.study.Actions.Stop), func() {
		from, to := vmsOf(j)
		for i := from; i < to; i++ {
			s.change(i, func(v *vm) { v.state, v.host = cluster.Terminated, cluster.Nowhere })
		}
		s.leave(j)
		delete(s.holds, j)
		s.start()
		s.finish()
	})
}

// control is the loop of Figure 5 of [2]: observe, decide which vjobs run, plan,
// carry out.
type control struct {
	*world
	reserved bool // VMs count with the CPU that they have reserved, not with what they use
	switches []Switch
}

func (c *control) start() {
	c.ended = func(int) {}
	c.sense()
	c.round()
}

// round decides, and changes something or waits for the next round.
func (c *control) round() {
	conf := c.observe()
	p, ok := c.decide(conf)
	if !ok {
		c.call(c.now()+time.Duration(c.study.Loop.Period), c.round)
		return
	}
	c.call(c.now()+time.Duration(c.study.Loop.Compute), func() { c.carry(conf, p) })
}

// observe returns the configuration as the monitor knows it. Nobody knows what
// VMs that have never run will use.
func (c *control) observe() *cluster.Configuration {
	conf := &cluster.Configuration{}
	for n := range c.nodes {
		conf.Nodes = append(conf.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprintf("node%d", n+1), Capacity: c.study.Nodes.Capacity()})
	}
	for i := range c.vms {
		v := &c.vms[i]
		cpu := v.seen
		if c.reserved {
			cpu = cluster.Core
		}
		conf.VMs = append(conf.VMs, cluster.VM{
			ID: cluster.VMID(i), Name: fmt.Sprintf("%s-%d", c.study.VJobs[jobOf(i)].Name, i%tasksPerGraph+1),
			VCPUs: 1, Demand: cluster.Of(cpu, v.memory),
		})
		conf.Host = append(conf.Host, v.host)
		conf.State = append(conf.State, v.state)
		conf.Image = append(conf.Image, v.image)
	}
	for j := range c.jobs {
		from, to := vmsOf(j)
		vjob := cluster.VJob{Name: c.study.VJobs[j].Name, State: c.vms[from].state}
		for i := from; i < to; i++ {
			vjob.VMs = append(vjob.VMs, int32(i))
		}
		conf.VJobs = append(conf.VJobs, vjob)
	}
	return conf
}

// decide returns the plan that leads to where the policy wants to be, and false
// if there is nothing to do. If no plan leads there, the last vjob of those that
// are to run has to wait.
func (c *control) decide(conf *cluster.Configuration) (plan.Plan, bool) {
	var queue []int
	var demands [][]cluster.Resources
	for j := range c.jobs {
		if c.jobs[j].done {
			continue
		}
		queue = append(queue, j)
		var asked []cluster.Resources
		for _, v := range conf.VJobs[j].VMs {
			asked = append(asked, conf.VMs[v].Demand)
		}
		demands = append(demands, asked)
	}
	runs := make([]bool, len(c.jobs))
	for i, host := range Walk(c.study.capacities(), demands) {
		runs[queue[i]] = host != nil
	}
	for {
		if p, ok := switchTo(conf, c.wanted(conf, runs)); ok {
			return p, len(p.Actions) > 0
		}
		last := lastOf(runs)
		if last < 0 {
			panic(fmt.Sprintf("batch: at %v not even suspending all vjobs is possible", c.now()))
		}
		runs[last] = false
	}
}

// lastOf returns the last that is true, or -1.
func lastOf(all []bool) int {
	for i := len(all) - 1; i >= 0; i-- {
		if all[i] {
			return i
		}
	}
	return -1
}

// wanted returns the state of each VM in the next round, if these vjobs are to
// run.
func (c *control) wanted(conf *cluster.Configuration, runs []bool) []cluster.State {
	wanted := make([]cluster.State, len(conf.VMs))
	for j, vjob := range conf.VJobs {
		state := cluster.Sleeping
		switch {
		case c.jobs[j].done:
			state = cluster.Terminated
		case runs[j]:
			state = cluster.Running
		case vjob.State == cluster.Waiting:
			state = cluster.Waiting
		}
		for _, v := range vjob.VMs {
			wanted[v] = state
		}
	}
	return wanted
}

// switchTo returns the context switch that leads from a configuration to the
// wanted states at little cost, and false if none is found.
func switchTo(conf *cluster.Configuration, wanted []cluster.State) (plan.Plan, bool) {
	made := func(host []int32, effort int) (plan.Plan, error) {
		return plan.Switch(conf, plan.Goal{Host: host, State: wanted}, plan.Settings{Together: true, Effort: effort})
	}
	r := placement.Solve(conf, placement.Problem{Wanted: wanted, Budget: searchSteps, Reachable: func(host []int32) ([]int32, bool) {
		_, err := made(host, 1)
		return plan.Waiting(err), err == nil
	}})
	if r.Answer != placement.Viable && r.Answer != placement.AlreadyViable {
		return plan.Plan{}, false
	}
	p, err := made(r.Host, planEffort)
	return p, err == nil
}

// The effort of a context switch: some milliseconds of placement and of planning.
const (
	searchSteps = 200_000
	planEffort  = 20_000
)

// carry carries a plan out, step by step.
func (c *control) carry(conf *cluster.Configuration, p plan.Plan) {
	steps := p.Steps()
	s := Switch{At: c.now(), Cost: p.Cost(), Depth: depth(steps), Steps: len(steps)}
	for i := range p.Actions {
		s.count(&p.Actions[i])
	}
	var step func(i int)
	step = func(i int) {
		if i == len(steps) {
			s.Duration = c.now() - s.At
			c.switches = append(c.switches, s)
			c.finish()
			c.round()
			return
		}
		took := c.study.Actions.Durations(steps[i])
		left := len(steps[i])
		for a := range steps[i] {
			c.begin(&steps[i][a])
			c.call(c.now()+took[a], func() {
				c.end(&steps[i][a])
				if left--; left == 0 {
					c.settleStates(conf, steps[i])
					step(i + 1)
				}
			})
		}
	}
	step(0)
}

// depth is the sum over the steps of their dearest action.
func depth(steps [][]plan.Action) (sum cluster.Bytes) {
	for _, step := range steps {
		var dearest cluster.Bytes
		for i := range step {
			dearest = max(dearest, step[i].Cost())
		}
		sum += dearest
	}
	return sum
}

func (s *Switch) count(a *plan.Action) {
	switch a.Kind {
	case plan.Run:
		s.Runs++
	case plan.Stop:
		s.Stops++
	case plan.Suspend:
		s.Suspends++
	case plan.Migrate:
		s.Migrations++
	case plan.Resume:
		s.Resumes++
		if a.Source == a.Target {
			s.Local++
		}
	}
}

// begin starts an action. A VM that boots or resumes takes its room at once.
func (c *control) begin(a *plan.Action) {
	v := int(a.VM)
	switch j := jobOf(v); a.Kind {
	case plan.Suspend:
		c.enter(j, Switching)
		c.change(v, func(v *vm) { v.paused = true })
	case plan.Resume:
		c.enter(j, Switching)
		c.change(v, func(v *vm) { v.host, v.paused = int32(a.Target), true })
	case plan.Run:
		c.enter(j, Booting)
		c.change(v, func(v *vm) { v.host = int32(a.Target) })
	}
}

// end ends an action.
func (c *control) end(a *plan.Action) {
	c.change(int(a.VM), func(v *vm) {
		switch a.Kind {
		case plan.Migrate:
			v.host = int32(a.Target)
		case plan.Suspend:
			v.state, v.host, v.image, v.paused = cluster.Sleeping, cluster.Nowhere, int32(a.Source), false
		case plan.Resume, plan.Run:
			v.state, v.image = cluster.Running, cluster.Nowhere
		case plan.Stop:
			v.state, v.host, v.image = cluster.Terminated, cluster.Nowhere, cluster.Nowhere
		}
	})
}

// settleStates ends what a step did with vjobs: VMs are unpaused together once
// the images of all have been read ([2], Figure 6), and applications launched.
func (c *control) settleStates(conf *cluster.Configuration, step []plan.Action) {
	for j := range conf.VJobs {
		from, to := vmsOf(j)
		touched, running, sleeping := plan.Kind(0), 0, 0
		any := false
		for i := range step {
			if v := int(step[i].VM); v >= from && v < to && step[i].Kind != plan.Migrate {
				touched, any = step[i].Kind, true
			}
		}
		if !any {
			continue
		}
		for i := from; i < to; i++ {
			switch c.vms[i].state {
			case cluster.Running:
				running++
			case cluster.Sleeping:
				sleeping++
			}
		}
		switch {
		case touched == plan.Resume && running == to-from:
			for i := from; i < to; i++ {
				c.change(i, func(v *vm) { v.paused = false })
			}
			c.enter(j, c.resumed(j))
		case touched == plan.Suspend && sleeping == to-from:
			c.enter(j, Asleep)
		case touched == plan.Run:
			c.launch(j)
		case touched == plan.Stop && running+sleeping == 0:
			c.leave(j)
		}
	}
}

// resumed is the phase of a vjob that has been resumed.
func (c *control) resumed(j int) Phase {
	if c.jobs[j].done {
		return Stopping
	}
	return Computing
}
