package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"pgregory.net/rapid"
)

// world is a configuration of nodes with one core and 1 GiB, whose VMs ask for
// the given percentages of both.
func world(nodes ...[]int64) *cluster.Configuration {
	c := &cluster.Configuration{}
	for n, vms := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprintf("n%d", n), Capacity: cluster.Of(1000, 100)})
		for _, percent := range vms {
			v := len(c.VMs)
			c.VMs = append(c.VMs, cluster.VM{
				ID: cluster.VMID(v), Name: fmt.Sprintf("v%d", v), VCPUs: 1,
				Demand: cluster.Of(cluster.Millicores(10*percent), cluster.Bytes(percent)),
			})
			c.Host = append(c.Host, int32(n))
		}
	}
	return c
}

// show prints a plan, a step a line.
func show(p plan.Plan) string {
	var b strings.Builder
	for _, actions := range p.Steps() {
		for i, a := range actions {
			if i > 0 {
				b.WriteString(", ")
			}
			fmt.Fprintf(&b, "v%d n%d->n%d", a.VM, a.Source, a.Target)
			if a.Bypass {
				b.WriteString(" bypass")
			}
			if len(a.After) > 0 {
				fmt.Fprint(&b, " after ", a.After)
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}

func ExampleMake() {
	// The VMs of the first two nodes change places. There is no room for either
	// while the other is there, so the smaller one goes round by the third node.
	c := world([]int64{60}, []int64{50}, []int64{40})
	p, err := plan.Make(c, []int32{1, 0, 2})
	fmt.Print(show(p), err)
	// Output:
	// v1 n1->n2 bypass
	// v0 n0->n1 after [0]
	// v1 n2->n0 after [0 1]
	// <nil>
}

func TestMake(t *testing.T) {
	tests := []struct {
		name string
		c    *cluster.Configuration
		goal []int32
		want string
	}{
		{"nothing", world([]int64{60}), []int32{0}, ""},
		{"nowhere is no action", world([]int64{60}, nil), []int32{cluster.Nowhere}, ""},
		{"one step, most memory first", world([]int64{30, 60}, nil), []int32{1, 1}, "v1 n0->n1, v0 n0->n1\n"},
		{"one waits for the other", world([]int64{60}, []int64{60}, nil), []int32{1, 2}, "v1 n1->n2\nv0 n0->n1 after [0]\n"},
		{
			"a chain of three", world([]int64{60}, []int64{60}, []int64{60}, nil),
			[]int32{1, 2, 3},
			"v2 n2->n3\nv1 n1->n2 after [0]\nv0 n0->n1 after [1]\n",
		},
		{
			"an overloaded node takes in after it gave", world([]int64{70, 40}, []int64{60, 30}, nil),
			[]int32{0, 1, 1, 0},
			"v3 n1->n2 bypass\nv1 n0->n1 after [0]\nv3 n2->n0 after [0 1]\n",
		},
		{"exchange with room for one", world([]int64{50}, []int64{50, 20}), []int32{1, 0, 1}, "v1 n1->n0\nv0 n0->n1 after [0]\n"},
		{"a node may stay overloaded", world([]int64{70, 40}, []int64{60}, nil), []int32{0, 0, 2}, "v2 n1->n2\n"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.Make(test.c, test.goal)
			if err != nil {
				t.Fatal(err)
			}
			if got := show(p); got != test.want {
				t.Errorf("got\n%swant\n%s", got, test.want)
			}
			if err := check.Plan(test.c, p); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestMakeRefuses(t *testing.T) {
	sleeping := world([]int64{60}, nil)
	sleeping.Host[0] = cluster.Nowhere
	tests := []struct {
		name string
		c    *cluster.Configuration
		goal []int32
		want string
	}{
		{"too few goals", world([]int64{60}), nil, "the goal places 0 VMs, and there are 1"},
		{"no such node", world([]int64{60}), []int32{1}, `VM "v0" is to go to node number 1, and there are 1`},
		{"a VM that does not run", sleeping, []int32{1}, `VM "v0" does not run, so it cannot be migrated`},
		{"an overload", world([]int64{60}, []int64{60}), []int32{1, 1}, `VM "v0" is to go to node "n1", which would be overloaded`},
		{
			"an exchange without a third node", world([]int64{60}, []int64{60}),
			[]int32{1, 0},
			"VMs v0, v1 wait for each other, and no other node has room for one of them",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if _, err := plan.Make(test.c, test.goal); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// Four rings of three full nodes whose VMs go round, and one spare node that
// takes one of them at a time, or two.
func TestMakeBreaksCyclesTogether(t *testing.T) {
	var nodes [][]int64
	var goal []int32
	for ring := range int32(4) {
		for i := range int32(3) {
			nodes = append(nodes, []int64{50 + int64(i), 40})
			goal = append(goal, 3*ring+(i+1)%3, 3*ring+i)
		}
	}
	nodes = append(nodes, nil)
	c := world(nodes...)
	p, err := plan.Make(c, goal)
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Plan(c, p); err != nil {
		t.Fatal(err)
	}
	bypasses := 0
	for _, a := range p.Actions {
		if a.Bypass {
			bypasses++
		}
	}
	if bypasses != 4 || len(p.Actions) != 16 {
		t.Errorf("%d actions, of which %d bypasses:\n%s", len(p.Actions), bypasses, show(p))
	}
}

// journey returns a configuration and a goal in which no node is overloaded
// that VMs arrive at, for small or tight worlds, some overloaded at the start.
func journey(rng *rand.Rand) (c *cluster.Configuration, goal []int32) {
	nodes := 2 + rng.IntN(6)
	c = world(make([][]int64, nodes)...)
	room := make([]cluster.Resources, nodes)
	for n := range c.Nodes {
		c.Nodes[n].Capacity = cluster.Of(cluster.Millicores(500+rng.Int64N(6)*100), cluster.Bytes(50+rng.Int64N(6)*10))
		room[n] = c.Nodes[n].Capacity
	}
	start := slices.Clone(room)
	for v := range nodes * (1 + rng.IntN(5)) {
		demand := cluster.Of(cluster.Millicores(rng.Int64N(5)*100), cluster.Bytes(rng.Int64N(5)*10))
		to := rng.Int32N(int32(nodes))
		if !demand.Within(room[to]) {
			continue
		}
		from := rng.Int32N(int32(nodes))
		for tries := 0; !demand.Within(start[from]) && tries < 5; tries++ {
			from = rng.Int32N(int32(nodes))
		}
		room[to], start[from] = room[to].Minus(demand), start[from].Minus(demand)
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(100 + v), Name: fmt.Sprint("v", v), Demand: demand})
		c.Host = append(c.Host, from)
		goal = append(goal, to)
	}
	return c, goal
}

func TestMakeAgainstTheChecker(t *testing.T) {
	made, bypasses, waits := 0, 0, 0
	for seed := range uint64(5000) {
		c, goal := journey(rand.New(rand.NewPCG(seed, 0)))
		p, err := plan.Make(c, goal)
		if stuck := (*plan.StuckError)(nil); errors.As(err, &stuck) {
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if err := check.Plan(c, p); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, show(p))
		}
		host := map[cluster.VMID]int32{}
		for _, a := range p.Actions {
			host[a.VM] = int32(a.Target)
			if a.Bypass {
				bypasses++
			}
			waits += len(a.After)
		}
		for v, vm := range c.VMs {
			if n, moved := host[vm.ID]; moved && n != goal[v] || !moved && goal[v] != c.Host[v] {
				t.Fatalf("seed %d: VM %d does not end on node %d\n%s", seed, vm.ID, goal[v], show(p))
			}
		}
		if again, _ := plan.Make(c, goal); !reflect.DeepEqual(p, again) {
			t.Fatalf("seed %d: two plans differ", seed)
		}
		made++
	}
	if made < 3000 || bypasses < 100 || waits < 3000 {
		t.Errorf("too easy: %d plans, %d bypasses, %d waits", made, bypasses, waits)
	}
}

// VMs with equal demands that start on the same node are interchangeable: who
// exchanges their goals gets the same plan with them exchanged.
func TestMakeInterchangeableVMs(t *testing.T) {
	exchanged := 0
	for seed := range uint64(20_000) {
		rng := rand.New(rand.NewPCG(seed, 2))
		c, goal := journey(rng)
		if len(c.VMs) < 2 {
			continue
		}
		u, v := rng.IntN(len(c.VMs)), rng.IntN(len(c.VMs))
		if u == v || c.VMs[u].Demand != c.VMs[v].Demand || c.Host[u] != c.Host[v] || goal[u] == goal[v] {
			continue
		}
		p, err := plan.Make(c, goal)
		goal[u], goal[v] = goal[v], goal[u]
		q, errExchanged := plan.Make(c, goal)
		if (err == nil) != (errExchanged == nil) {
			t.Fatalf("seed %d: %v, but %v", seed, err, errExchanged)
		}
		other := map[cluster.VMID]cluster.VMID{c.VMs[u].ID: c.VMs[v].ID, c.VMs[v].ID: c.VMs[u].ID}
		for i, a := range q.Actions {
			if id, ok := other[a.VM]; ok {
				q.Actions[i].VM = id
			}
		}
		if !reflect.DeepEqual(p, q) {
			t.Fatalf("seed %d: got\n%swant\n%s", seed, show(q), show(p))
		}
		exchanged++
	}
	if exchanged < 50 {
		t.Errorf("only %d exchanges", exchanged)
	}
}

// floor is what really happens on the nodes while a plan is carried out.
type floor struct {
	c        *cluster.Configuration
	use      []cluster.Resources
	received []bool // by node: somebody has started to arrive
	touching []int  // by node: actions under way
	index    map[cluster.VMID]int
	on       []int32 // by VM
}

func newFloor(c *cluster.Configuration) *floor {
	f := &floor{
		c: c, use: c.Usage(), received: make([]bool, len(c.Nodes)), touching: make([]int, len(c.Nodes)),
		index: map[cluster.VMID]int{}, on: slices.Clone(c.Host),
	}
	for v, vm := range c.VMs {
		f.index[vm.ID] = v
	}
	return f
}

func (f *floor) touch(a plan.Action, sign int) {
	f.touching[a.Source] += sign
	if a.Target != a.Source {
		f.touching[a.Target] += sign
	}
}

func (f *floor) start(a plan.Action) {
	f.touch(a, 1)
	if a.Kind.Arrives() {
		f.use[a.Target] = f.use[a.Target].Plus(f.c.VMs[f.index[a.VM]].Demand)
		f.received[a.Target] = true
	}
}

func (f *floor) done(a plan.Action) {
	f.touch(a, -1)
	v := f.index[a.VM]
	if n := f.on[v]; n != cluster.Nowhere {
		f.use[n] = f.use[n].Minus(f.c.VMs[v].Demand)
	}
	f.on[v] = cluster.Nowhere
	if a.Kind.Arrives() {
		f.on[v] = int32(a.Target)
	}
}

func (f *floor) failed(a plan.Action) {
	f.touch(a, -1)
	if a.Kind.Arrives() {
		f.use[a.Target] = f.use[a.Target].Minus(f.c.VMs[f.index[a.VM]].Demand)
	}
}

// However actions start, complete and fail, no node that takes VMs in holds
// more than it can, and no node is touched by too many of them.
func TestRunnerKeepsRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, goal := change(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
		p, err := plan.Switch(c, goal, plan.Settings{MaySuspend: true, Together: rapid.Bool().Draw(t, "together"), Effort: 100})
		if err != nil {
			t.Fatal(err)
		}
		perNode := rapid.IntRange(0, 3).Draw(t, "per node")
		mayFail := rapid.Bool().Draw(t, "may fail")
		r, f := plan.NewRunner(p, perNode), newFloor(c)
		if rapid.Bool().Draw(t, "timed") {
			fast := speeds(len(c.Nodes), perNode)
			fast.Effort = 100
			s, err := plan.Timed(c, p, fast)
			if err != nil {
				t.Fatal(err)
			}
			r, perNode = plan.NewTimedRunner(p, s), s.PerNode
		}
		for !r.Finished() {
			ready := r.Ready()
			var running []int
			for i := range p.Actions {
				if r.State(i) == plan.Running {
					running = append(running, i)
				}
			}
			if len(ready)+len(running) == 0 {
				t.Fatalf("not finished, and nothing to do: %q", r.Key())
			}
			switch k := rapid.IntRange(0, len(ready)+len(running)-1).Draw(t, "event"); {
			case k < len(ready):
				r.Started(ready[k])
				f.start(p.Actions[ready[k]])
			case mayFail && rapid.IntRange(0, 5).Draw(t, "fails") == 5:
				i := running[k-len(ready)]
				r.Failed(i)
				f.failed(p.Actions[i])
			default:
				i := running[k-len(ready)]
				r.Done(i)
				f.done(p.Actions[i])
			}
			for n, node := range c.Nodes {
				if f.received[n] && !f.use[n].Within(node.Offer()) {
					t.Fatalf("node %d holds %v of %v", n, f.use[n], node.Offer())
				}
				if perNode > 0 && f.touching[n] > perNode {
					t.Fatalf("node %d is touched by %d actions", n, f.touching[n])
				}
			}
		}
		o := r.Outcome()
		if o.Completed+o.Failed+o.Cancelled+o.Aborted != len(p.Actions) || !mayFail && !o.Succeeded() {
			t.Fatalf("outcome %+v of %d actions", o, len(p.Actions))
		}
	})
}

// An action that begins and ends on a node counts there once.
func TestRunnerCountsNodesOnce(t *testing.T) {
	suspend := plan.Action{Kind: plan.Suspend, Source: 3, Target: 3}
	r := plan.NewRunner(plan.Plan{Actions: []plan.Action{suspend, suspend, suspend}}, 2)
	if ready := r.Ready(); !slices.Equal(ready, []int{0, 1}) {
		t.Errorf("ready: %v", ready)
	}
	r.Started(0)
	if ready := r.Ready(); !slices.Equal(ready, []int{1}) {
		t.Errorf("ready: %v", ready)
	}
}

// A timed runner lets actions start in the order of the schedule, not of the plan.
func TestTimedRunner(t *testing.T) {
	p := plan.Plan{Actions: []plan.Action{{VM: 0, Source: 0, Target: 1}, {VM: 1, Source: 0, Target: 2}, {VM: 2, Source: 0, Target: 3}}}
	r := plan.NewTimedRunner(p, plan.Schedule{Start: []time.Duration{2, 0, 1}, PerNode: 2})
	if ready := r.Ready(); !slices.Equal(ready, []int{1, 2}) {
		t.Errorf("ready: %v", ready)
	}
	r.Started(1)
	if ready := r.Clone().Ready(); !slices.Equal(ready, []int{2}) {
		t.Errorf("ready: %v", ready)
	}
}

func ExampleRunner() {
	c := world([]int64{60}, []int64{60}, nil)
	p, _ := plan.Make(c, []int32{1, 2})
	r := plan.NewRunner(p, 1)
	for !r.Finished() {
		for _, i := range r.Ready() {
			r.Started(i)
			fmt.Println("migrate", p.Actions[i].VM, "to", p.Actions[i].Target)
			r.Done(i)
		}
	}
	fmt.Printf("%+v\n", r.Outcome())
	// Output:
	// migrate 1 to 2
	// migrate 0 to 1
	// {Completed:2 Failed:0 Cancelled:0 Aborted:0}
}

func TestRunnerFailure(t *testing.T) {
	// v0 waits for v1 and v1 for v2; v3 and v4 are by themselves, on a node that
	// lets one go at a time.
	p := plan.Plan{Actions: []plan.Action{
		{VM: 2, Source: 2, Target: 3},
		{VM: 3, Source: 4, Target: 5},
		{VM: 4, Source: 4, Target: 5},
		{VM: 1, Source: 1, Target: 2, Step: 1, After: []int{0}},
		{VM: 0, Source: 0, Target: 1, Step: 2, After: []int{3}},
	}}
	r := plan.NewRunner(p, 1)
	if ready := r.Ready(); !slices.Equal(ready, []int{0, 1}) {
		t.Fatalf("ready: %v", ready)
	}
	r.Started(0)
	r.Started(1)
	if ready := r.Ready(); len(ready) > 0 {
		t.Fatalf("ready: %v", ready)
	}
	before := r.Clone()
	r.Failed(0)
	if r.Finished() {
		t.Fatal("finished while an action is under way")
	}
	r.Done(1)
	want := []plan.State{plan.Failed, plan.Completed, plan.Aborted, plan.Cancelled, plan.Cancelled}
	for i, s := range want {
		if r.State(i) != s {
			t.Errorf("action %d is %v, want %v", i, r.State(i), s)
		}
	}
	if !r.Finished() || r.Outcome() != (plan.Outcome{Completed: 1, Failed: 1, Cancelled: 2, Aborted: 1}) {
		t.Errorf("outcome %+v", r.Outcome())
	}
	if before.State(0) != plan.Running || before.Key() == r.Key() {
		t.Error("the clone changed")
	}
}

func TestRunnerPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic for an action that completes before it starts")
		}
	}()
	p := plan.Plan{Actions: []plan.Action{{VM: 1, Source: 1, Target: 2}}}
	plan.NewRunner(p, 0).Done(0)
}

// rotation returns rings of three nodes whose VMs go round, at least as many
// as actions.
func rotation(actions int) (c *cluster.Configuration, goal []int32) {
	rng := rand.New(rand.NewPCG(1, 2))
	var nodes [][]int64
	for ring := int32(0); len(goal) < actions; ring++ {
		for i := range int32(3) {
			var vms []int64
			for range 5 {
				vms = append(vms, 10+rng.Int64N(9))
				goal = append(goal, 3*ring+(i+1)%3)
			}
			nodes = append(nodes, vms)
		}
	}
	return world(nodes...), goal
}

func BenchmarkMake(b *testing.B) {
	c, goal := rotation(10_000)
	var p plan.Plan
	for b.Loop() {
		var err error
		if p, err = plan.Make(c, goal); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(p.Actions)), "actions")
	b.ReportMetric(float64(len(p.Steps())), "planned-steps")
	if err := check.Plan(c, p); err != nil {
		b.Fatal(err)
	}
}

// partition is four nodes of ten VMs each, of which one has too many, and the
// goal that repairs it: three migrations in two steps.
func partition() (*cluster.Configuration, []int32) {
	c := world([]int64{12, 12, 12, 12, 12, 12, 12, 12, 4, 12}, []int64{9, 9, 9, 9, 9, 9, 9, 9, 9, 18},
		[]int64{9, 9, 9, 9, 9, 9, 9, 9, 9, 8}, []int64{9, 9, 9, 9, 9, 9, 9, 9, 3, 7})
	goal := append([]int32(nil), c.Host...)
	goal[19], goal[0] = 3, 1
	goal[8] = 2
	return c, goal
}

func BenchmarkMakeSmall(b *testing.B) {
	c, goal := partition()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := plan.Make(c, goal); err != nil {
			b.Fatal(err)
		}
	}
}
