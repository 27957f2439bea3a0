package plan_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/rule"
)

// instance is what these tests read of an instance of the solver bench.
type instance struct {
	Nodes []struct{ CPU, Mem int64 }
	VMs   []struct {
		CPU, Mem int64
		State    cluster.State
		Host     int32
	}
	Constraints []struct {
		Type       string
		VMs, Nodes []int32
	}
	Wanted map[string]cluster.State
	VJobs  []struct {
		ID  string
		VMs []int32
	}
}

func (in *instance) configuration() *cluster.Configuration {
	c := &cluster.Configuration{}
	for i, n := range in.Nodes {
		c.Nodes = append(c.Nodes, cluster.Node{
			ID: cluster.NodeID(i), Name: fmt.Sprint("n", i), Capacity: cluster.Of(cluster.Millicores(10*n.CPU), cluster.Bytes(n.Mem)),
		})
	}
	for i, v := range in.VMs {
		c.VMs = append(c.VMs, cluster.VM{
			ID: cluster.VMID(i), Name: fmt.Sprint("v", i), Demand: cluster.Of(cluster.Millicores(10*v.CPU), cluster.Bytes(v.Mem)),
		})
		host, image := cluster.Nowhere, cluster.Nowhere
		switch v.State {
		case cluster.Running:
			host = v.Host
		case cluster.Sleeping:
			image = v.Host
		}
		c.Host, c.Image, c.State = append(c.Host, host), append(c.Image, image), append(c.State, v.State)
	}
	for _, j := range in.VJobs {
		c.VJobs = append(c.VJobs, cluster.VJob{Name: j.ID, State: c.State[j.VMs[0]], VMs: j.VMs})
	}
	return c
}

// rotated is the goal of a cycle instance, whose fences leave each VM one node.
func (in *instance) rotated(c *cluster.Configuration) (plan.Goal, []rule.Rule) {
	host := slices.Clone(c.Host)
	var rules []rule.Rule
	for i, r := range in.Constraints {
		host[r.VMs[0]] = r.Nodes[0]
		rules = append(rules, rule.Rule{Name: fmt.Sprint("fence", i), Kind: rule.Fence, VMs: r.VMs, Nodes: r.Nodes})
	}
	return plan.Goal{Host: host}, rules
}

// switched is a goal for a switch instance: vjob by vjob in a random order, largest VMs first. Some
// stay where they are or have their image, if they can; the others go to the first node with room.
func (in *instance) switched(c *cluster.Configuration, rng *rand.Rand, some float64) (goal plan.Goal, ok bool) {
	goal.State = slices.Clone(c.State)
	for v, s := range in.Wanted {
		i, _ := strconv.Atoi(v)
		goal.State[i] = s
	}
	room, homes := make([]cluster.Resources, len(c.Nodes)), make([]int32, len(c.VMs))
	for n := range room {
		room[n] = c.Nodes[n].Capacity
	}
	goal.Host = slices.Repeat([]int32{cluster.Nowhere}, len(c.VMs))
	for v := range homes {
		homes[v] = max(c.Host[v], c.Image[v])
	}
	for _, j := range rng.Perm(len(c.VJobs)) {
		vms := slices.Clone(c.VJobs[j].VMs)
		if goal.State[vms[0]] != cluster.Running {
			continue
		}
		slices.SortStableFunc(vms, func(a, b int32) int { return slices.Compare(c.VMs[b].Demand[:], c.VMs[a].Demand[:]) })
		for _, v := range vms {
			demand := c.VMs[v].Demand
			at := homes[v]
			if at == cluster.Nowhere || !demand.Within(room[at]) || rng.Float64() > some {
				at = int32(slices.IndexFunc(room, func(r cluster.Resources) bool { return demand.Within(r) }))
			}
			if at == cluster.Nowhere {
				return goal, false
			}
			goal.Host[v], room[at] = at, room[at].Minus(demand)
		}
	}
	return goal, true
}

// benchPlan writes a plan in the schema of the bench's checker.
func benchPlan(c *cluster.Configuration, goal plan.Goal, p plan.Plan) []byte {
	steps := [][]map[string]any{}
	for _, step := range p.Steps() {
		var actions []map[string]any
		for _, a := range step {
			action := map[string]any{"action": a.Kind.String(), "vm": a.VM}
			if a.Kind.Leaves() {
				action["from"] = a.Source
			}
			if a.Kind.Arrives() {
				action["to"] = a.Target
			}
			actions = append(actions, action)
		}
		steps = append(steps, actions)
	}
	for v, s := range goal.State { // the checker wants to see these stop, the plan does not
		if s == cluster.Terminated && c.State[v] == cluster.Waiting {
			if len(steps) == 0 {
				steps = append(steps, nil)
			}
			steps[0] = append(steps[0], map[string]any{"action": "stop", "vm": v, "from": -1})
		}
	}
	text, err := json.Marshal(map[string]any{"steps": steps})
	if err != nil {
		panic(err)
	}
	return text
}

type verdict struct {
	OK     bool
	Errors []string
	K      int64
	Steps  int
}

// bench is the solver bench, beside the repository.
const bench = "../../shared/bench/solver"

// judged generates an instance, and has the bench's checker judge a plan for it.
func judged(t *testing.T, name, family, tier string, nodes int, together bool, make func(*instance) (*cluster.Configuration, plan.Goal, plan.Plan)) verdict {
	t.Helper()
	text, err := exec.Command("python3", bench+"/gen.py", "--family", family, "--tier", tier, "--nodes", fmt.Sprint(nodes)).Output()
	if err != nil {
		t.Fatal(err)
	}
	var in instance
	if err := json.Unmarshal(text, &in); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	c, goal, p := make(&in)
	if err := os.WriteFile(filepath.Join(dir, "instance.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "plan.json"), benchPlan(c, goal, p), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{bench + "/check.py", filepath.Join(dir, "instance.json"), filepath.Join(dir, "plan.json")}
	if together {
		args = append(args, "--vjob-together")
	}
	out, _ := exec.Command("python3", args...).Output()
	var v verdict
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("%s: %v: %s", name, err, out)
	}
	if v.K != int64(p.Cost()) {
		t.Errorf("%s: K is %d, and %d to the bench's checker", name, p.Cost(), v.K)
	}
	return v
}

func skipWithoutBench(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(bench + "/gen.py"); err != nil {
		t.Skip("the solver bench is not beside the repository")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 to run the bench's checker with")
	}
}

// The best plans that are known of the cycle family, by reference.json of the
// bench and, for 1024 nodes, by its planner.py with parallel=True.
func TestCyclesOfTheBench(t *testing.T) {
	skipWithoutBench(t)
	for _, b := range []struct {
		tier  string
		nodes int
		known int64
	}{
		{"2", 4, 6144},
		{"3", 4, 23552},
		{"5", 4, 23552},
		{"2", 16, 107520},
		{"3", 16, 172032},
		{"5", 16, 161792},
		{"2", 128, 859136},
		{"3", 128, 1251328},
		{"5", 128, 2019328},
		{"2", 1024, 7024640},
		{"3", 1024, 10095616},
		{"5", 1024, 16204800},
	} {
		name := fmt.Sprintf("cycle-%s-%d", b.tier, b.nodes)
		v := judged(t, name, "cycle", b.tier, b.nodes, false, func(in *instance) (*cluster.Configuration, plan.Goal, plan.Plan) {
			c := in.configuration()
			goal, rules := in.rotated(c)
			p, err := plan.Switch(c, goal, plan.Settings{Rules: rules})
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			return c, goal, p
		})
		if !v.OK || v.K > b.known {
			t.Errorf("%s: K %d, and %d is known; %v", name, v.K, b.known, v.Errors)
		}
		t.Logf("%s: K %d in %d steps, known %d", name, v.K, v.Steps, b.known)
	}
}

// The placements are random ones that happen to be viable, so their K says little.
func TestSwitchesOfTheBench(t *testing.T) {
	skipWithoutBench(t)
	for _, nodes := range []int{11, 44, 110} {
		for _, together := range []bool{false, true} {
			name := fmt.Sprintf("switch-nas-%d together=%v", nodes, together)
			v := judged(t, name, "switch", "nas", nodes, together, func(in *instance) (*cluster.Configuration, plan.Goal, plan.Plan) {
				c := in.configuration()
				for seed := range uint64(2000) {
					goal, ok := in.switched(c, rand.New(rand.NewPCG(seed, 0)), 1-float64(seed)/2000)
					if !ok {
						continue
					}
					p, err := plan.Switch(c, goal, plan.Settings{Together: together, MaySuspend: true})
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					return c, goal, p
				}
				t.Fatalf("%s: no placement found", name)
				return nil, plan.Goal{}, plan.Plan{}
			})
			if !v.OK {
				t.Errorf("%s: %v", name, v.Errors)
			}
			t.Logf("%s: K %d in %d steps", name, v.K, v.Steps)
		}
	}
}

// rings are like the cycle family of the bench, at 1024 nodes: groups of full nodes
// whose VMs go round, and a node for two groups that takes in one of them.
func rings(size int) (*cluster.Configuration, plan.Goal) {
	rng := rand.New(rand.NewPCG(1, 2))
	groups := 1024 / (size + 1)
	var nodes [][]int64
	for range groups {
		for range size {
			nodes = append(nodes, []int64{50})
		}
	}
	c := world(append(nodes, make([][]int64, groups/2)...)...)
	host := make([]int32, len(c.VMs))
	for v := range c.VMs {
		c.VMs[v].Demand[cluster.Memory] = 10 * (1 + rng.Int64N(3))
		c.Nodes[v].Capacity = cluster.Of(500, 30)
		host[v] = int32(v/size*size + (v%size+1)%size)
	}
	for n := len(c.VMs); n < len(c.Nodes); n++ {
		c.Nodes[n].Capacity = cluster.Of(500, 30)
	}
	return c, plan.Goal{Host: host}
}

func BenchmarkSwitchRings(b *testing.B) {
	for _, size := range []int{2, 3, 5} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c, goal := rings(size)
			b.ReportAllocs()
			var p plan.Plan
			for b.Loop() {
				var err error
				if p, err = plan.Switch(c, goal, plan.Settings{}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(p.Cost()), "K")
		})
	}
}
