package check_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
	"pgregory.net/rapid"
)

// journey draws a problem with rules that hold always where they can, and a plan
// for it of a few actions that VMs are in the right state for. All else may be
// wrong with it.
func journey(t *rapid.T) (*cluster.Configuration, []rule.Rule, plan.Plan) {
	problem := placementtest.Problems(placementtest.Small).Draw(t, "problem")
	c, rules := problem.Configuration, problem.Request.Rules
	roomy := rapid.Bool().Draw(t, "roomy")
	for n := range c.Nodes {
		c.Nodes[n].State = cluster.Online
		if roomy { // so that rules are what goes wrong
			c.Nodes[n].Capacity, c.Nodes[n].Overcommit = cluster.Of(100_000, 1000), cluster.Ratios{}
		}
	}
	for i := range rules {
		q := &rules[i]
		q.Weight, q.Always = 0, q.Kind.CanHoldAlways()
		if (q.Kind == rule.RunningCapacity || q.Kind == rule.ResourceCapacity) && rapid.Bool().Draw(t, "full") {
			q.Max = read(c, check.Request{Rules: rules}, nil).amount(*q, factsOf(c.Host))
		}
	}
	host, image, state := slices.Clone(c.Host), slices.Clone(c.Image), slices.Clone(c.State)
	last := map[int32]int{}
	var p plan.Plan
	var left []int32 // nodes
	step := 0
	for range 6 - rapid.IntRange(0, 5).Draw(t, "fewer actions") {
		v := rapid.Int32Range(0, int32(len(c.VMs)-1)).Draw(t, "VM")
		kinds := map[cluster.State][]plan.Kind{
			cluster.Running: {plan.Migrate, plan.Migrate, plan.Suspend, plan.Stop}, cluster.Sleeping: {plan.Resume, plan.Stop}, cluster.Waiting: {plan.Run},
		}[state[v]]
		b, again := last[v]
		if len(kinds) == 0 || again && p.Actions[b].Kind != plan.Migrate && p.Actions[b].Kind != plan.Suspend {
			continue
		}
		a := plan.Action{Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), VM: c.VMs[v].ID}
		a.Memory = rule.Apply(c, rules).VMs[v].Demand.Memory()
		if rapid.IntRange(0, 3).Draw(t, "same step") > 0 || again && p.Actions[b].Step == step {
			step++
		}
		a.Step = step
		from := max(host[v], image[v])
		to := rapid.Int32Range(0, int32(len(c.Nodes)-1)).Draw(t, "to")
		if len(left) > 0 && rapid.Bool().Draw(t, "where others left") {
			to = rapid.SampledFrom(left).Draw(t, "to")
		}
		switch {
		case a.Kind == plan.Suspend || a.Kind == plan.Stop:
			to = max(from, 0)
			from = to
		case from == cluster.Nowhere:
			from = to
		case a.Kind == plan.Migrate && to == from:
			continue
		}
		a.Source, a.Target = c.Nodes[from].ID, c.Nodes[to].ID
		for i := range p.Actions {
			if i == b && again || p.Actions[i].Step < step && rapid.IntRange(0, 2).Draw(t, "after") == 2 {
				a.After = append(a.After, i)
			}
		}
		if again {
			p.Actions[b].Bypass = true
		}
		last[v] = len(p.Actions)
		host[v], image[v], state[v] = cluster.Nowhere, cluster.Nowhere, cluster.Terminated
		switch {
		case a.Kind.Arrives():
			host[v], state[v] = to, cluster.Running
		case a.Kind == plan.Suspend:
			image[v], state[v] = from, cluster.Sleeping
		}
		if p.Actions = append(p.Actions, a); a.Kind.Leaves() {
			left = append(left, from)
		}
	}
	return c, rules, p
}

// walk goes through every order in which the actions of a plan may start and end,
// or only step by step. visit is given the facts before and after each start.
type walk struct {
	c      *cluster.Configuration
	p      plan.Plan
	steps  bool
	visit  func(action int, was, is facts)
	seen   map[string]bool
	states []byte // by action: 0 before, 1 under way, 2 ended
}

func (w *walk) vm(i int) int32   { return int32(w.p.Actions[i].VM - w.c.VMs[0].ID) }
func (w *walk) from(i int) int32 { return int32(w.p.Actions[i].Source - w.c.Nodes[0].ID) }
func (w *walk) to(i int) int32   { return int32(w.p.Actions[i].Target - w.c.Nodes[0].ID) }

// facts are those of the present states.
func (w *walk) facts() facts {
	f := factsOf(w.c.Host)
	for i, a := range w.p.Actions {
		if w.states[i] > 0 && a.Kind.Arrives() {
			f[[2]int32{w.vm(i), w.to(i)}] = true
		}
		if w.states[i] == 2 && a.Kind.Leaves() {
			delete(f, [2]int32{w.vm(i), w.from(i)})
		}
	}
	return f
}

func (w *walk) mayStart(i int) bool {
	for j := range w.p.Actions {
		if w.steps && w.p.Actions[j].Step < w.p.Actions[i].Step && w.states[j] < 2 {
			return false
		}
	}
	return !slices.ContainsFunc(w.p.Actions[i].After, func(b int) bool { return w.states[b] < 2 })
}

// mayEnd: step by step, an action ends when all of its step have started.
func (w *walk) mayEnd(i int) bool {
	for j := range w.p.Actions {
		if w.steps && w.p.Actions[j].Step == w.p.Actions[i].Step && w.states[j] == 0 {
			return false
		}
	}
	return true
}

func (w *walk) all() {
	if w.seen[string(w.states)] {
		return
	}
	w.seen[string(w.states)] = true
	for i, s := range w.states {
		switch {
		case s == 0 && w.mayStart(i):
			was := w.facts()
			w.states[i] = 1
			w.visit(i, was, w.facts())
			w.all()
		case s == 1 && w.mayEnd(i):
			w.states[i] = 2
			w.all()
		}
		w.states[i] = s
	}
}

// worst reports what can go wrong with rules, by rule, and with room.
func worst(r *reading, c *cluster.Configuration, p plan.Plan, steps bool) (rules []bool, room bool) {
	rules = make([]bool, len(r.rules))
	w := walk{c: c, p: p, steps: steps, seen: map[string]bool{}, states: make([]byte, len(p.Actions))}
	w.visit = func(i int, was, is facts) {
		if !p.Actions[i].Kind.Arrives() {
			return
		}
		for x, q := range r.rules {
			rules[x] = rules[x] || q.Kind.CanHoldAlways() && r.worse(q, was, is)
		}
		room = room || !r.viable(at(is, w.to(i)))
	}
	w.all()
	return rules, room
}

// runsEver returns which VMs run at the start or in the end.
func runsEver(c *cluster.Configuration, p plan.Plan) []bool {
	run := make([]bool, len(c.VMs))
	for v := range run {
		run[v] = c.Host[v] != cluster.Nowhere
		for _, a := range p.Actions {
			if a.VM == c.VMs[v].ID {
				run[v] = c.Host[v] != cluster.Nowhere || a.Kind.Arrives()
			}
		}
	}
	return run
}

// planAgrees compares the verdict about a plan with what a walk through all
// orders of events finds: about room, and about each rule by itself.
func planAgrees(t *rapid.T) {
	c, rules, p := journey(t)
	r := read(c, check.Request{Rules: rules}, runsEver(c, p))
	broken, noRoom := worst(r, c, p, false)
	brokenBySteps, _ := worst(r, c, p, true)
	// Rules that are not about moments say what memory, room and nodes there are.
	var amounts []rule.Rule
	for _, q := range rules {
		if q.Kind == rule.Preserve || q.Kind == rule.Overbook || q.Kind == rule.Online {
			amounts = append(amounts, q)
		}
	}
	if err := check.Plan(c, p, amounts...); (err != nil) != noRoom {
		t.Fatalf("no room: %v, but %v", noRoom, err)
	}
	for i, q := range rules {
		if !q.Kind.CanHoldAlways() || noRoom {
			continue
		}
		if q.Degraded && slices.ContainsFunc(rules, func(o rule.Rule) bool { return o.Kind == rule.Offline }) {
			continue // it depends on another rule, which nobody kept to
		}
		err := check.Plan(c, p, append(slices.Clone(amounts), q)...)
		var wrong *check.ActionError
		if err != nil && (!errors.As(err, &wrong) || wrong.Rule != len(amounts)) {
			t.Fatalf("%v", err)
		}
		want := broken[i]
		if !r.kept(q, factsOf(c.Host)) && (q.Kind == rule.Among || q.Kind == rule.MaxOnline) {
			want = brokenBySteps[i]
		}
		overestimated := q.Kind == rule.MaxOnline && err != nil
		if (err != nil) != want && !overestimated {
			t.Fatalf("rule %+v can be broken: %v, but %v", q, want, err)
		}
	}
}

// timesAgree draws times for a plan, and compares the verdict with what the facts
// at each instant say.
func timesAgree(t *rapid.T) {
	c, rules, p := journey(t)
	w := walk{c: c, p: p, states: make([]byte, len(p.Actions))}
	r := read(c, check.Request{Rules: rules}, runsEver(c, p))
	s := plan.Schedule{Start: make([]time.Duration, len(p.Actions)), End: make([]time.Duration, len(p.Actions))}
	for i, a := range p.Actions {
		for _, b := range a.After {
			s.Start[i] = max(s.Start[i], s.End[b])
		}
		s.Start[i] += time.Duration(rapid.IntRange(0, 3).Draw(t, "wait"))
		s.End[i] = s.Start[i] + time.Duration(rapid.IntRange(1, 3).Draw(t, "lasts"))
		s.Makespan = max(s.Makespan, s.End[i])
	}
	var timed []rule.Rule // those about moments, and about what there is
	for _, q := range rules {
		switch q.Kind {
		case rule.Root, rule.MovesIn, rule.MovesOut, rule.Precedence, rule.Offline:
		default:
			timed = append(timed, q)
		}
	}
	r.rules = timed
	r.open = slices.Repeat([]bool{true}, len(c.Nodes))
	fine := true
	for now := range time.Duration(50) {
		var starting []int
		for i := range p.Actions {
			w.states[i] = 0
			switch {
			case s.End[i] <= now:
				w.states[i] = 2
			case s.Start[i] < now:
				w.states[i] = 1
			case s.Start[i] == now:
				starting = append(starting, i)
			}
		}
		was := w.facts()
		for _, i := range starting {
			w.states[i] = 1
		}
		is := w.facts()
		for _, q := range timed {
			fine = fine && !(q.Kind.CanHoldAlways() && r.worse(q, was, is))
		}
		for _, i := range starting {
			fine = fine && (!p.Actions[i].Kind.Arrives() || r.viable(at(is, w.to(i))))
		}
	}
	if err := check.Timed(c, p, s, timed...); (err == nil) != fine {
		t.Fatalf("fine: %v, but %v at %v", fine, err, s)
	}
	for i, a := range p.Actions {
		for _, b := range a.After {
			early := s
			early.End = slices.Clone(s.End)
			early.End[b] = s.Start[i] + 1
			early.Makespan = slices.Max(early.End)
			if err := check.Timed(c, p, early, timed...); err == nil {
				t.Fatalf("action %d starts before action %d ends: %v", i, b, early)
			}
		}
	}
}

// at returns the facts about node n.
func at(f facts, n int32) facts {
	here := facts{}
	for key := range f {
		if key[1] == n {
			here[key] = true
		}
	}
	return here
}

func TestTimedAgainstReading(t *testing.T) {
	for range 20 {
		rapid.Check(t, timesAgree)
	}
}

func TestPlanAgainstAllOrders(t *testing.T) {
	for range 20 { // most plans are wrong or fine for a simple reason
		rapid.Check(t, planAgrees)
	}
}

func FuzzPlan(f *testing.F) {
	f.Add([]byte("any bytes are a problem and a plan"))
	f.Fuzz(rapid.MakeFuzz(planAgrees))
}

// The plans that are drawn tell rules that can be broken from those that can't,
// and step by step from in any order, for every kind.
func TestJourneysAreInteresting(t *testing.T) {
	kept, broken, byOrder := map[rule.Kind]int{}, map[rule.Kind]int{}, map[rule.Kind]int{}
	type drawn struct {
		c     *cluster.Configuration
		rules []rule.Rule
		p     plan.Plan
	}
	journeys := rapid.Custom(func(t *rapid.T) drawn {
		c, rules, p := journey(t)
		return drawn{c, rules, p}
	})
	for seed := range 6000 {
		d := journeys.Example(seed)
		r := read(d.c, check.Request{Rules: d.rules}, make([]bool, len(d.c.VMs)))
		rules, _ := worst(r, d.c, d.p, false)
		bySteps, _ := worst(r, d.c, d.p, true)
		for i, q := range d.rules {
			switch {
			case !rules[i]:
				kept[q.Kind]++
			case bySteps[i]:
				broken[q.Kind]++
			default:
				byOrder[q.Kind]++
			}
		}
	}
	for kind := range rule.Preserve {
		few := 3
		if kind == rule.Root || kind == rule.Ban || kind == rule.Fence { // no matter of order
			few = 0
		}
		if kept[kind] < 50 || broken[kind] < 10 && kind != rule.Root || byOrder[kind] < few {
			t.Errorf("%v is kept %d times, broken step by step %d times, and in other orders %d times", kind, kept[kind], broken[kind], byOrder[kind])
		}
	}
}
