package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// ring is three nodes, the first two with one VM each that change places by
// way of the third.
func ring() (*cluster.Configuration, plan.Plan) {
	c := &cluster.Configuration{Host: []int32{0, 1, 2}}
	for n, cpu := range []cluster.Millicores{600, 500, 400} {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: cluster.Of(1000, 10)})
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(n), Name: fmt.Sprint("v", n), Demand: cluster.Of(cpu, 1)})
	}
	return c, plan.Plan{Actions: []plan.Action{
		{VM: 1, Source: 1, Target: 2, Memory: 1, Bypass: true},
		{VM: 0, Source: 0, Target: 1, Memory: 1, Step: 1, After: []int{0}},
		{VM: 1, Source: 2, Target: 0, Memory: 1, Step: 2, After: []int{0, 1}},
	}}
}

// The checker refuses every plan in which one thing was tampered with.
func TestPlanRefuses(t *testing.T) {
	tests := []struct {
		name   string
		tamper func(c *cluster.Configuration, p *plan.Plan)
		want   string // part of the error, none if empty
	}{
		{"nothing", func(*cluster.Configuration, *plan.Plan) {}, ""},
		{"unknown VM", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].VM = 9 }, "action 1 (VM 9 from node 0 to 1 in step 1): unknown VM"},
		{"unknown source", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].Source = 9 }, "unknown source"},
		{"unknown target", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].Target = 9 }, "unknown target"},
		{"wrong source", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].Source = 2 }, "action 1 (VM 0 from node 2 to 1 in step 1): the VM is not on its source"},
		{"target is source", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].Target = 0 }, "source and target"},
		{"wrong memory", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].Memory = 2 }, "it says 2B of memory, and the VM has 1B"},
		{"steps exchanged", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[0].Step = 2 }, "action 1 (VM 0 from node 0 to 1 in step 1): steps are not in ascending order"},
		{"after itself", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].After = []int{1} }, "it comes after action 1"},
		{"after no action", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].After = []int{-1} }, "it comes after action -1"},
		{"too early by steps", func(_ *cluster.Configuration, p *plan.Plan) {
			p.Actions[1].Step, p.Actions[1].After = 0, nil
		}, "action 1 (VM 0 from node 0 to 1 in step 0): too little cpu on the target"},
		{"too early by dependency", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[1].After = nil }, "action 1 (VM 0 from node 0 to 1 in step 1): the target may be asked for 1100 of cpu and has 1000"},
		{"the VM's order is lost", func(_ *cluster.Configuration, p *plan.Plan) {
			p.Actions[2].After, p.Actions[1].After = []int{1}, nil
		}, "action 2 (VM 1 from node 2 to 0 in step 2): it does not wait for action 0 of the same VM"},
		{"a bypass that is none", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[0].Bypass = false }, "this is no bypass"},
		{"a bypass left behind", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions = p.Actions[:2] }, "the VM does not move on"},
		{"a VM that does not run", func(c *cluster.Configuration, _ *plan.Plan) { c.Host[0] = cluster.Nowhere }, "the VM is waiting"},
		{"the third node is full", func(c *cluster.Configuration, _ *plan.Plan) { c.VMs[2].Demand[cluster.Memory] = 10 }, "action 0 (VM 1 from node 1 to 2 in step 0): too little memory"},
		{"an overloaded node takes in", func(c *cluster.Configuration, _ *plan.Plan) { c.VMs[2].Demand[cluster.Disk] = 1 }, "too little disk"},
		{"a dependency through another", func(_ *cluster.Configuration, p *plan.Plan) { p.Actions[2].After = []int{1} }, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, p := ring()
			test.tamper(c, &p)
			err := check.Plan(c, p)
			if test.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A good plan with every kind of action, and what is found if one thing of it is
// tampered with.
func TestPlanKinds(t *testing.T) {
	const good = "0>1 1z 2^2 3x 4!3 5x ; 6>0 ; 0>0"
	start := "0 1 z2 3 - z4 4"
	tests := []struct {
		name   string
		tamper func(c *cluster.Configuration, a []plan.Action)
		want   string // part of the error, none if empty
	}{
		{"nothing", func(*cluster.Configuration, []plan.Action) {}, ""},
		{"no such kind", func(_ *cluster.Configuration, a []plan.Action) { a[0].Kind = 9 }, "unknown kind"},
		{"a migration from elsewhere", func(_ *cluster.Configuration, a []plan.Action) { a[0].Source = 2 }, "action 0 (VM 0 from node 2 to 1 in step 0): the VM is not on its source"},
		{"a migration of a VM that sleeps", func(c *cluster.Configuration, _ []plan.Action) {
			c.State[0], c.Host[0] = cluster.Sleeping, cluster.Nowhere
		}, "action 0 (VM 0 from node 0 to 1 in step 0): the VM is sleeping"},
		{"a suspend that moves", func(_ *cluster.Configuration, a []plan.Action) { a[1].Target = 2 }, "action 1 (VM 1 suspend on node 2 in step 0): source and target of a suspend are to be the same"},
		{"a suspend elsewhere", func(_ *cluster.Configuration, a []plan.Action) { a[1].Source, a[1].Target = 2, 2 }, "action 1 (VM 1 suspend on node 2 in step 0): the VM is not on its source"},
		{"a suspend of a VM that waits", func(c *cluster.Configuration, _ []plan.Action) {
			c.State[1], c.Host[1] = cluster.Waiting, cluster.Nowhere
		}, "action 1 (VM 1 suspend on node 1 in step 0): the VM is waiting"},
		{"a suspend of other memory", func(_ *cluster.Configuration, a []plan.Action) { a[1].Memory = 1 }, "it says 1B of memory, and the VM has 11B"},
		{"a resume elsewhere", func(_ *cluster.Configuration, a []plan.Action) { a[2].Target = 3 }, ""},
		{"a resume from elsewhere", func(_ *cluster.Configuration, a []plan.Action) { a[2].Source = 3 }, "action 2 (VM 2 resume on node 2 in step 0): the image of the VM is not on its source"},
		{"a resume of an image that all reach", func(c *cluster.Configuration, _ []plan.Action) { c.Image[2] = cluster.Nowhere }, ""},
		{"a resume from afar of an image that all reach", func(c *cluster.Configuration, a []plan.Action) {
			c.Image[2], a[2].Source = cluster.Nowhere, 3
		}, "all nodes reach the image alike"},
		{"a resume of a VM that runs", func(c *cluster.Configuration, _ []plan.Action) {
			c.State[2], c.Host[2], c.Image[2] = cluster.Running, 2, cluster.Nowhere
		}, "action 2 (VM 2 resume on node 2 in step 0): the VM is running"},
		{"a stop elsewhere", func(_ *cluster.Configuration, a []plan.Action) { a[3].Source, a[3].Target = 2, 2 }, "action 3 (VM 3 stop on node 2 in step 0): the VM is not on its source"},
		{"a stop of an image elsewhere", func(_ *cluster.Configuration, a []plan.Action) { a[5].Source, a[5].Target = 2, 2 }, "action 5 (VM 5 stop on node 2 in step 0): the image of the VM is not on its source"},
		{"a stop that moves", func(_ *cluster.Configuration, a []plan.Action) { a[3].Target = 2 }, "source and target of a stop"},
		{"a stop of a VM that is terminated", func(c *cluster.Configuration, _ []plan.Action) {
			c.State[3], c.Host[3] = cluster.Terminated, cluster.Nowhere
		}, "action 3 (VM 3 stop on node 3 in step 0): the VM is terminated"},
		{"a stop of a VM that waits", func(c *cluster.Configuration, _ []plan.Action) {
			c.State[3], c.Host[3] = cluster.Waiting, cluster.Nowhere
		}, ""},
		{"a run that moves", func(_ *cluster.Configuration, a []plan.Action) { a[4].Target = 2 }, "source and target of a run"},
		{"a run of a VM that sleeps", func(c *cluster.Configuration, _ []plan.Action) { c.State[4] = cluster.Sleeping }, "action 4 (VM 4 run on node 3 in step 0): the VM is sleeping"},
		{"a run of a terminated VM", func(c *cluster.Configuration, _ []plan.Action) { c.State[4] = cluster.Terminated }, "the VM is terminated"},
		{"a run on a node that is draining", func(c *cluster.Configuration, _ []plan.Action) { c.Nodes[3].State = cluster.Draining }, "action 4 (VM 4 run on node 3 in step 0): the target is draining"},
		{"a resume on a node that is offline", func(c *cluster.Configuration, _ []plan.Action) { c.Nodes[2].State = cluster.Offline }, "the target is offline"},
		{"a resume without room", func(c *cluster.Configuration, _ []plan.Action) { c.Nodes[2].Capacity = cluster.Of(999, 100) }, "action 2 (VM 2 resume on node 2 in step 0): too little cpu on the target: cpu 1 core, memory 12B asked for"},
		{"a run where another VM is not stopped yet", func(c *cluster.Configuration, _ []plan.Action) { c.Nodes[3].Capacity = cluster.Of(1000, 100) }, "action 4 (VM 4 run on node 3 in step 0): too little cpu"},
		{"room by overcommitment", func(c *cluster.Configuration, _ []plan.Action) {
			c.Nodes[3].Capacity, c.Nodes[3].Overcommit[cluster.CPU] = cluster.Of(1000, 100), 2000
		}, ""},
		{"a suspend has not ended", func(c *cluster.Configuration, _ []plan.Action) { c.Nodes[1].Capacity = cluster.Of(1000, 100) }, "action 0 (VM 0 from node 0 to 1 in step 0): too little cpu"},
		{"back without room", func(c *cluster.Configuration, _ []plan.Action) { c.Nodes[0].Capacity = cluster.Of(1000, 100) }, "action 7 (VM 0 from node 1 to 0 in step 2): too little cpu"},
		{"in before all have left", func(c *cluster.Configuration, a []plan.Action) {
			c.Nodes[0].Capacity, c.VMs[0].Demand, a[6].After = cluster.Of(2500, 100), cluster.Of(2000, 10), nil
			a[7].Target = 4
		}, "action 6 (VM 6 from node 4 to 0 in step 1): the target may be asked for 3000 of cpu and has 2500"},
		{"a resume that is a bypass", func(_ *cluster.Configuration, a []plan.Action) { a[2].Bypass = true }, "a resume is no bypass"},
		{"a suspend that is left behind", func(_ *cluster.Configuration, a []plan.Action) { a[1].Bypass = true }, "it is a bypass, but the VM does not move on"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := site(start)
			p := planOf(c, good)
			test.tamper(c, p.Actions)
			err := check.Plan(c, p)
			if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// A VM may go through several states, and its image lies where it was suspended.
func TestPlanLives(t *testing.T) {
	for _, test := range []struct{ start, plan, want string }{
		{"0", "0z ; 0^2", ""},
		{"0", "0>1 ; 0z ; 0^2 ", ""},
		{"-", "0!0 ; 0>1", "action 0 (VM 0 run on node 0 in step 0): a run is no bypass"},
		{"0", "0x ; 0!1", "action 0 (VM 0 stop on node 0 in step 0): a stop is no bypass"},
		{"0", "0z ; 0>1", "action 1 (VM 0 from node 0 to 1 in step 1): the VM is sleeping"},
		{"0", "0z ; 0z", "action 1 (VM 0 suspend on node 0 in step 1): the VM is sleeping"},
		{"0", "0z ; 0x", ""},
	} {
		c := site(test.start)
		if err := check.Plan(c, planOf(c, test.plan)); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.plan, err, test.want)
		}
	}
	c := site("0")
	p := planOf(c, "0>1 ; 0z ; 0^2")
	p.Actions[2].Source = 0
	if err := check.Plan(c, p); err == nil || !strings.Contains(err.Error(), "the image of the VM is not on its source") {
		t.Errorf("resumed from where it once ran: %v", err)
	}
}

func TestCoordinated(t *testing.T) {
	for _, test := range []struct{ plan, want string }{
		{"0z 1z ; 3^3 4^3", ""},
		{"0z ; 1z", `action 1 (VM 1 suspend on node 1 in step 1): another suspend of vjob "j0" is in step 0`},
		{"0z 1z ; 3^3 ; 4^3", `action 3 (VM 4 resume on node 3 in step 2): another resume of vjob "j1" is in step 1`},
		{"0z 1z 3^3 4^3 ; 2z", ""},
		{"3^3 4^3 ; 0z 1z", ""},
		{"0>3 ; 1>3 ; 0z 1z", ""},
	} {
		c := site("0 1 2 z3 z4")
		c.VJobs = []cluster.VJob{
			{Name: "j0", State: cluster.Running, VMs: []int32{0, 1}}, {Name: "j1", State: cluster.Sleeping, VMs: []int32{3, 4}}, {Name: "j2", State: cluster.Running, VMs: []int32{2}},
		}
		p := planOf(c, test.plan)
		if err := check.Plan(c, p); err != nil {
			t.Fatal(err)
		}
		if err := check.Coordinated(c, p); (err == nil) != (test.want == "") || err != nil && err.Error() != test.want {
			t.Errorf("%s: got %v, want %s", test.plan, err, test.want)
		}
	}
}

// The times of a plan in which v0 and v1 leave n0, which has room for two, to let
// v2 and v3 in.
func TestTimed(t *testing.T) {
	apart := rule.Rule{Name: "apart", Kind: rule.Spread, VMs: []int32{0, 3}, Always: true}
	tests := []struct {
		name   string
		change func(p *plan.Plan, s *plan.Schedule)
		want   string
	}{
		{"one after the other", func(*plan.Plan, *plan.Schedule) {}, ""},
		{"too few", func(p *plan.Plan, _ *plan.Schedule) { p.Actions = p.Actions[:3] }, "3 actions, but 4 starts and 4 ends"},
		{"it ends before it starts", func(_ *plan.Plan, s *plan.Schedule) { s.Start[0] = 6 }, "action 0 (VM 0 from node 0 to 2 in step 0): it is carried out from 6ns to 5ns"},
		{"before the start", func(_ *plan.Plan, s *plan.Schedule) { s.Start[0] = -1 }, "it is carried out from -1ns to 5ns"},
		{"too early for its dependency", func(_ *plan.Plan, s *plan.Schedule) { s.Start[2] = 4 }, "action 2 (VM 2 from node 1 to 0 in step 1): it starts at 4ns, and action 0, which it comes after, ends at 5ns"},
		{"too early for room", func(p *plan.Plan, s *plan.Schedule) { p.Actions[2].After, s.Start[2] = nil, 4 }, "action 2 (VM 2 from node 1 to 0 in step 1): too little cpu on the target"},
		{"without dependency, in time", func(p *plan.Plan, _ *plan.Schedule) { p.Actions[2].After = nil }, ""},
		{"no dependency, and apart for a rule", func(p *plan.Plan, s *plan.Schedule) { p.Actions[3].After, p.Actions[2].After = []int{1}, []int{0} }, ""},
		{"a rule is broken for a moment", func(p *plan.Plan, s *plan.Schedule) {
			p.Actions[3].After, p.Actions[2].After = []int{1}, nil
			s.End[0], s.Start[2] = 9, 9
		}, "action 3 (VM 3 from node 1 to 0 in step 1): rule apart (spread): VMs v0 and v3 are together for a time"},
		{"no time at all", func(p *plan.Plan, s *plan.Schedule) { clear(s.Start); clear(s.End); s.Makespan = 0 }, ""},
		{"another makespan", func(_ *plan.Plan, s *plan.Schedule) { s.Makespan = 8 }, "the last action ends at 9ns, and the makespan is said to be 8ns"},
		{"two at a time", func(_ *plan.Plan, s *plan.Schedule) { s.PerNode = 2 }, ""},
		{"one at a time", func(_ *plan.Plan, s *plan.Schedule) { s.PerNode = 1 }, "action 0 (VM 0 from node 0 to 2 in step 0): 1 other actions touch node 0 when it starts at 0s, and 1 may touch it at a time"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := site("0 0 1 1")
			c.Nodes[0].Capacity = cluster.Of(2000, 100)
			c.Nodes[1].Capacity = cluster.Of(9000, 100)
			p := planOf(c, "0>2 1>2 ; 2>0 3>0")
			s := plan.Schedule{Start: []time.Duration{0, 0, 7, 7}, End: []time.Duration{5, 7, 9, 8}, Makespan: 9}
			test.change(&p, &s)
			if err := check.Timed(c, p, s, apart); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// lane is a node of 100 that VMs pass through, among nodes without limits.
func lane(held []int64, arriving []int64) *cluster.Configuration {
	c := &cluster.Configuration{Nodes: []cluster.Node{
		{ID: 0, Name: "lane", Capacity: cluster.Of(100, 1000)},
		{ID: 1, Name: "before", Capacity: cluster.Of(1000, 1000)},
		{ID: 2, Name: "behind", Capacity: cluster.Of(1000, 1000)},
	}}
	for i, cpu := range append(slices.Clone(held), arriving...) {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(i), Demand: cluster.Of(cluster.Millicores(cpu), 1)})
		c.Host = append(c.Host, 0)
		if i >= len(held) {
			c.Host[i] = 1
		}
	}
	return c
}

// Arrivals of different steps meet in the same room if the later one may start
// before the earlier one. An arrival that concedes a departure counts less.
func TestPlanInterleavings(t *testing.T) {
	out := func(vm cluster.VMID, step int) plan.Action {
		return plan.Action{VM: vm, Source: 0, Target: 2, Memory: 1, Step: step}
	}
	in := func(vm cluster.VMID, step int, after ...int) plan.Action {
		return plan.Action{VM: vm, Source: 1, Target: 0, Memory: 1, Step: step, After: after}
	}
	tests := []struct {
		name    string
		c       *cluster.Configuration
		actions []plan.Action
		wrong   string
	}{
		{
			"each waits for the departures before its step", lane([]int64{50, 50}, []int64{50, 50}),
			[]plan.Action{out(0, 0), in(2, 1, 0), out(1, 1), in(3, 2, 0, 2)},
			"",
		},
		{
			"two wait for the same departure only", lane([]int64{50, 50}, []int64{50, 50}),
			[]plan.Action{out(0, 0), in(2, 1, 0), out(1, 1), in(3, 2, 0)},
			"action 1 ",
		},
		{
			"the later one waits for the later departure only", lane([]int64{50, 50}, []int64{50, 50}),
			[]plan.Action{out(0, 0), in(2, 1, 0), out(1, 1), in(3, 2, 2)},
			"",
		},
		{
			"a small departure for a large arrival, made up for by another", lane([]int64{40, 50}, []int64{10, 60}),
			[]plan.Action{in(2, 0), out(0, 0), out(1, 1), in(3, 2, 2)},
			"action 0 ",
		},
		{
			"who concedes one of two departures leaves the other one to the next", lane([]int64{50, 40}, []int64{10, 50, 40}),
			[]plan.Action{in(2, 0), out(0, 0), out(1, 0), in(3, 1, 1, 2), in(4, 2, 1)},
			"",
		},
		{
			"overloaded at the start, and enough leave", lane([]int64{80, 80}, []int64{20}),
			[]plan.Action{out(0, 0), in(2, 1, 0)},
			"",
		},
		{
			"overloaded at the start, and it might not have left", lane([]int64{80, 80}, []int64{20}),
			[]plan.Action{out(0, 0), in(2, 1)},
			"action 1 ",
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			err := check.Plan(test.c, plan.Plan{Actions: test.actions})
			if test.wrong == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), test.wrong) || !strings.Contains(err.Error(), "may be asked") {
				t.Errorf("got %v, want %s", err, test.wrong)
			}
		})
	}
}

func TestViable(t *testing.T) {
	c, _ := ring()
	tests := []struct {
		name string
		host []int32
		want string
	}{
		{"as it is", []int32{0, 1, 2}, ""},
		{"a VM too few", []int32{0, 1}, "3 VMs but 2 hosts"},
		{"no such node", []int32{0, 1, 3}, `VM "v2" is on node number 3, and there are 3`},
		{"a VM stopped", []int32{0, 1, -1}, `VM "v2" is to run, and does not`},
		{"overloaded", []int32{0, 0, 2}, `node "n0" is asked for cpu 1.1 cores, memory 2B and has cpu 1 core, memory 10B: too little cpu`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if err := check.Viable(c, test.host); fmt.Sprint(err) != test.want && (err != nil || test.want != "") {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}
