package check_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
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
