package plan_test

import (
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// figure7 is a configuration of which Figure 7 of the thesis is the plan: "it
// suspends a vjob j1 composed of the VMs vm1 and vm2, resumes a vjob j2 composed
// of the VMs vm4 and vm5, the VMs vm3 and vm6 belong to other vjobs that stay
// in the running state".
//
// Where they are the thesis does not say. Here vm4 and vm3 come where vm1 and
// vm2 were, and vm5 and vm6 share the node that vm3 leaves.
func figure7() (*cluster.Configuration, plan.Goal) {
	c := &cluster.Configuration{}
	for i, gib := range []cluster.Bytes{4, 3, 3, 2} {
		c.Nodes = append(c.Nodes, cluster.Node{
			ID: cluster.NodeID(i), Name: []string{"a", "b", "c", "d"}[i], Capacity: cluster.Of(2*cluster.Core, gib*cluster.GiB),
		})
	}
	for i, gib := range []cluster.Bytes{4, 3, 3, 4, 2, 1} {
		c.VMs = append(c.VMs, cluster.VM{
			ID: cluster.VMID(i + 1), Name: "vm" + string(rune('1'+i)), VCPUs: 1, Demand: cluster.Of(cluster.Core, gib*cluster.GiB),
		})
	}
	const nowhere = cluster.Nowhere
	c.Host = []int32{0, 1, 2, nowhere, nowhere, 3}
	c.Image = []int32{nowhere, nowhere, nowhere, 0, 2, nowhere}
	c.State = []cluster.State{cluster.Running, cluster.Running, cluster.Running, cluster.Sleeping, cluster.Sleeping, cluster.Running}
	c.VJobs = []cluster.VJob{
		{Name: "j1", State: cluster.Running, VMs: []int32{0, 1}},
		{Name: "j2", State: cluster.Sleeping, VMs: []int32{3, 4}},
		{Name: "j3", State: cluster.Running, VMs: []int32{2}},
		{Name: "j4", State: cluster.Running, VMs: []int32{5}},
	}
	state := slices.Clone(c.State)
	state[0], state[1], state[3], state[4] = cluster.Sleeping, cluster.Sleeping, cluster.Running, cluster.Running
	return c, plan.Goal{Host: []int32{nowhere, nowhere, 1, 0, 2, 2}, State: state}
}

func TestFigures7And8(t *testing.T) {
	c, goal := figure7()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	unmodified, err := plan.Switch(c, goal, plan.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	const want7 = `s1 : suspend(vm1) & suspend(vm2)
s2 : resume(vm4) & migrate(vm3)
s3 : resume(vm5) & migrate(vm6)
`
	if got := unmodified.Notation(c); got != want7 {
		t.Errorf("Figure 7 is\n%snot\n%s", want7, got)
	}
	together, err := plan.Switch(c, goal, plan.Settings{Together: true})
	if err != nil {
		t.Fatal(err)
	}
	const want8 = `s1 : pause(vm1)
s2 : pause(vm2)
s3 : write(vm1) & write(vm2)
s4 : migrate(vm3)
s5 : migrate(vm6) & read(vm4) & read(vm5)
s6 : unpause(vm4)
s7 : unpause(vm5)
`
	if got := together.NotationOfStages(c); got != want8 {
		t.Errorf("Figure 8 is\n%snot\n%s", want8, got)
	}
}
