package cluster

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// two is a configuration of two nodes, with a VM on each and one that doesn't
// run.
func two() *Configuration {
	capacity := Resources{CPU: 2000, Memory: int64(4 * GiB), Network: int64(Gigabit), Disk: int64(TiB)}
	vm := func(id VMID, cpu Millicores) VM {
		return VM{ID: id, Name: fmt.Sprint("vm-", id), VCPUs: 1, Demand: Of(cpu, GiB), DirtyRate: 40e6}
	}
	return &Configuration{
		Nodes: []Node{{ID: 7, Name: "node7", Site: "rennes", Capacity: capacity}, {ID: 8, Name: "node8", Site: "nancy", Capacity: capacity}},
		VMs:   []VM{vm(0, 600), vm(1, 700), vm(2, 800)},
		VJobs: []VJob{{"j1", Running, []int32{0, 1}}, {"j2", Sleeping, []int32{2}}},
		Host:  []int32{0, 1, Nowhere},
		State: []State{Running, Running, Sleeping},
	}
}

func TestViable(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(c *Configuration)
		over   []int32
	}{
		{"as made", func(c *Configuration) {}, nil},
		{"exactly full", func(c *Configuration) { c.VMs[0].Demand = c.Nodes[0].Capacity }, nil},
		{"a millicore too much", func(c *Configuration) { c.VMs[0].Demand[CPU] = 2001 }, []int32{0}},
		{"a byte too much", func(c *Configuration) { c.VMs[1].Demand[Memory] = int64(4*GiB) + 1 }, []int32{1}},
		{"network", func(c *Configuration) { c.VMs[1].Demand[Network] = int64(Gigabit) + 1 }, []int32{1}},
		{"disk", func(c *Configuration) { c.VMs[1].Demand[Disk] = int64(TiB) + 1 }, []int32{1}},
		{"together", func(c *Configuration) { c.Host[1] = 0; c.Nodes[0].Capacity[CPU] = 1299 }, []int32{0}},
		{"both", func(c *Configuration) { c.Nodes[0].Capacity, c.Nodes[1].Capacity = Resources{}, Resources{} }, []int32{0, 1}},
		{"overcommitted", func(c *Configuration) { c.VMs[0].Demand[CPU] = 3000; c.Nodes[0].Overcommit[CPU] = 1500 }, nil},
		{"overcommitted, a millicore too much", func(c *Configuration) { c.VMs[0].Demand[CPU] = 3001; c.Nodes[0].Overcommit[CPU] = 1500 }, []int32{0}},
		{"undercommitted", func(c *Configuration) { c.Nodes[0].Overcommit[CPU] = 299 }, []int32{0}},
		{"one that doesn't run asks for nothing", func(c *Configuration) { c.VMs[2].Demand[CPU] = 1e6 }, nil},
		{"an empty node without capacity", func(c *Configuration) { c.Host[1] = Nowhere; c.State = nil; c.Nodes[1].Capacity = Resources{} }, nil},
	} {
		conf := two()
		c.change(conf)
		if got := conf.Overloaded(); !slices.Equal(got, c.over) {
			t.Errorf("%s: overloaded %v, want %v", c.name, got, c.over)
		}
		if got := conf.Viable(); got != (len(c.over) == 0) {
			t.Errorf("%s: viable %v", c.name, got)
		}
	}
}

func TestUsageAndHosted(t *testing.T) {
	c := two()
	c.Host[1] = 0
	if got, want := fmt.Sprint(c.Usage()), "[cpu 1.3 cores, memory 2GiB nothing]"; got != want {
		t.Errorf("usage %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(c.Hosted()), "[[0 1] []]"; got != want {
		t.Errorf("hosted %s, want %s", got, want)
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		want   string // "" if it is valid
		change func(c *Configuration)
	}{
		{"", func(c *Configuration) {}},
		{"", func(c *Configuration) { *c = Configuration{} }},
		{"3 VMs but 2 hosts", func(c *Configuration) { c.Host = c.Host[:2] }},
		{"node 1 has no name", func(c *Configuration) { c.Nodes[1].Name = "" }},
		{`node "node7" is there twice`, func(c *Configuration) { c.Nodes[1].Name = "node7" }},
		{`node "node8" is there twice`, func(c *Configuration) { c.Nodes[1].ID = 7 }},
		{`node "node8" has less than no network`, func(c *Configuration) { c.Nodes[1].Capacity[Network] = -1 }},
		{`the nodes up to "node8" have too much memory to count`, func(c *Configuration) { c.Nodes[1].Capacity[Memory] = math.MaxInt64 }},
		{"VM 0 has no name", func(c *Configuration) { c.VMs[0].Name = "" }},
		{`VM "vm-0" is there twice`, func(c *Configuration) { c.VMs[2].Name = "vm-0" }},
		{`VM "vm-2" is there twice`, func(c *Configuration) { c.VMs[2].ID = 0 }},
		{`VM "vm-1" asks for less than no cpu`, func(c *Configuration) { c.VMs[1].Demand[CPU] = -1 }},
		{`the VMs up to "vm-1" ask for too much cpu to count`, func(c *Configuration) { c.VMs[1].Demand[CPU] = math.MaxInt64 }},
		{`VM "vm-1" has -1 vCPUs`, func(c *Configuration) { c.VMs[1].VCPUs = -1 }},
		{`VM "vm-1" has a negative dirty rate`, func(c *Configuration) { c.VMs[1].DirtyRate = -1 }},
		{`VM "vm-0" is on node number 2, and there are 2`, func(c *Configuration) { c.Host[0] = 2 }},
		{`VM "vm-0" is on node number -2, and there are 2`, func(c *Configuration) { c.Host[0] = -2 }},
		{"vjob 1 has no name", func(c *Configuration) { c.VJobs[1].Name = "" }},
		{`vjob "j1" is there twice`, func(c *Configuration) { c.VJobs[1].Name = "j1" }},
		{`vjob "j2" is in no known state, State(4)`, func(c *Configuration) { c.VJobs[1].State = 4 }},
		{`vjob "j1" has VM number 3, and there are 3`, func(c *Configuration) { c.VJobs[0].VMs[1] = 3 }},
		{`vjob "j1" does not have its VMs in ascending order`, func(c *Configuration) { c.VJobs[0].VMs = []int32{1, 0} }},
		{`vjob "j1" does not have its VMs in ascending order`, func(c *Configuration) { c.VJobs[0].VMs = []int32{0, 0} }},
		{`VM "vm-1" is in vjob "j1" and in vjob "j2"`, func(c *Configuration) { c.VJobs[1].VMs = []int32{1} }},
		{`vjob "j2" is sleeping, but its VM "vm-2" is waiting`, func(c *Configuration) { c.State[2] = Waiting }},
		{`vjob "j2" is sleeping, but its VM "vm-2" is waiting`, func(c *Configuration) { c.State = nil }},
		{`VM "vm-2" is sleeping, and on node number 0`, func(c *Configuration) { c.Host[2] = 0 }},
		{`VM "vm-0" is running, and on node number -1`, func(c *Configuration) { c.Host[0] = Nowhere }},
		{`VM "vm-2" is in no known state, State(4)`, func(c *Configuration) { c.State[2] = 4 }},
		{`3 VMs but 2 states`, func(c *Configuration) { c.State = c.State[:2] }},
		{`3 VMs but 1 images`, func(c *Configuration) { c.Image = []int32{Nowhere} }},
		{`VM "vm-0" has an image, but is running`, func(c *Configuration) { c.Image = []int32{0, Nowhere, Nowhere} }},
		{`VM "vm-2" has its image on node number 2, and there are 2`, func(c *Configuration) { c.Image = []int32{Nowhere, Nowhere, 2} }},
		{`VM "vm-1" is on node "node8", which is offline`, func(c *Configuration) { c.Nodes[1].State = Offline }},
		{`node "node8" is in no known state, NodeState(3)`, func(c *Configuration) { c.Nodes[1].State = 3 }},
		{`node "node7" offers -1 times its cpu; it is to be from 0.001 to 1000`, func(c *Configuration) { c.Nodes[0].Overcommit[CPU] = -1000 }},
	} {
		conf := two()
		c.change(conf)
		got := ""
		if err := conf.Validate(); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
}

func TestCloneIsIndependent(t *testing.T) {
	c, want := two(), two()
	d := c.Clone()
	d.Nodes[0].Capacity[CPU] = 1
	d.Nodes[1].Name = "other"
	d.VMs[0].Demand[Memory] = 1
	d.Host[0] = 1
	d.Nodes = append(d.Nodes, Node{})
	if got, want := fmt.Sprintf("%+v", *c), fmt.Sprintf("%+v", *want); got != want {
		t.Errorf("a change of the clone changes the original:\n%s, was\n%s", got, want)
	}
}

// drawConfiguration draws a valid configuration, viable or not, whose IDs are
// indices.
func drawConfiguration(t *rapid.T) *Configuration {
	amount := rapid.OneOf(rapid.Int64Range(0, 100), rapid.Int64Range(0, math.MaxInt64/100))
	resources := func(label string) (r Resources) {
		for i := range r {
			r[i] = amount.Draw(t, label)
		}
		return r
	}
	suffix := rapid.SampledFrom([]string{"", " ", ".rennes", "é", "\"", "\\", "\n", "<&>", "\u2028", "\x00"})
	c := &Configuration{}
	for n := range rapid.IntRange(0, 5).Draw(t, "nodes") {
		c.Nodes = append(c.Nodes, Node{
			ID:       NodeID(n),
			Name:     fmt.Sprint("node", n, suffix.Draw(t, "suffix")),
			Site:     suffix.Draw(t, "site"),
			Rack:     suffix.Draw(t, "rack"),
			Capacity: resources("capacity"),
			State:    NodeState(rapid.IntRange(0, 1).Draw(t, "node state")),
		})
		if node := &c.Nodes[n]; rapid.Bool().Draw(t, "overcommitted") && node.Capacity[Disk] < 100 {
			node.Overcommit[Disk] = rapid.Int64Range(1, MostOvercommit).Draw(t, "ratio")
		}
	}
	for v := range rapid.IntRange(0, 20).Draw(t, "VMs") {
		c.VMs = append(c.VMs, VM{
			ID:        VMID(v),
			Name:      fmt.Sprint("vm-", v, suffix.Draw(t, "suffix")),
			VCPUs:     rapid.Int32Range(0, math.MaxInt32).Draw(t, "vCPUs"),
			Demand:    resources("demand"),
			DirtyRate: BytesPerSecond(amount.Draw(t, "dirty rate")),
		})
		c.Host = append(c.Host, rapid.Int32Range(Nowhere, int32(len(c.Nodes)-1)).Draw(t, "host"))
	}
	for j := range rapid.IntRange(0, 3).Draw(t, "vjobs") {
		job := VJob{Name: fmt.Sprint("j", j), State: State(rapid.IntRange(0, 3).Draw(t, "state"))}
		for v := j; v < len(c.VMs); v += 3 {
			if (c.Host[v] != Nowhere) == (job.State == Running) {
				job.VMs = append(job.VMs, int32(v))
			}
		}
		c.VJobs = append(c.VJobs, job)
	}
	drawStates(t, c)
	return c
}

// drawStates gives states to the VMs that do not run, and images to those that
// sleep. State and Image stay nil if they say nothing.
func drawStates(t *rapid.T, c *Configuration) {
	states, images := make([]State, len(c.VMs)), make([]int32, len(c.VMs))
	for v, h := range c.Host {
		states[v] = Running
		if h == Nowhere {
			states[v] = rapid.SampledFrom([]State{Waiting, Sleeping, Terminated}).Draw(t, "state")
		}
	}
	for _, j := range c.VJobs {
		for _, v := range j.VMs {
			states[v] = j.State
		}
	}
	for v, state := range states {
		if images[v] = Nowhere; state == Sleeping {
			images[v] = rapid.Int32Range(Nowhere, int32(len(c.Nodes)-1)).Draw(t, "image")
		}
	}
	if slices.Contains(states, Sleeping) || slices.Contains(states, Terminated) {
		c.State = states
	}
	if slices.ContainsFunc(images, func(n int32) bool { return n != Nowhere }) {
		c.Image = images
	}
}

// Usage agrees with asking each node for its VMs.
func TestUsageIsTheSumOfHosted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		usage := c.Usage()
		for n, vms := range c.Hosted() {
			var sum Resources
			for _, v := range vms {
				sum = sum.Plus(c.VMs[v].Demand)
			}
			if sum != usage[n] {
				t.Fatalf("node %d: usage %v, its VMs ask for %v", n, usage[n], sum)
			}
			if over := slices.Contains(c.Overloaded(), int32(n)); over == sum.Within(c.Nodes[n].Offer()) {
				t.Fatalf("node %d: %v of %v, overloaded %v", n, sum, c.Nodes[n].Offer(), over)
			}
		}
	})
}

// A scheduler's partition is typically of four nodes, with ten VMs each.
func BenchmarkClonePartition(b *testing.B) {
	c := &Configuration{Nodes: make([]Node, 4), VMs: make([]VM, 40), Host: make([]int32, 40)}
	b.ReportAllocs()
	for b.Loop() {
		c.Clone()
	}
}

func TestResources(t *testing.T) {
	r := Resources{CPU: 600, Memory: int64(GiB), Network: 125e6, Disk: 1e9}
	if got, want := r.String(), "cpu 0.6 cores, memory 1GiB, network 125MB/s, disk 1GB"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := r.Minus(r).String(); got != "nothing" {
		t.Errorf("%v minus itself is %s", r, got)
	}
	if got := r.Plus(r).Minus(r); got != r {
		t.Errorf("%v plus and minus itself is %v", r, got)
	}
	for i := range NumResources {
		more := r
		more[i]++
		if which, over := more.Exceeding(r); !over || which != i || more.Within(r) || !r.Within(more) {
			t.Errorf("more %v: exceeding %v %v, within %v", i, which, over, more.Within(r))
		}
	}
	if which, over := r.Exceeding(r); over || !r.Within(r) {
		t.Errorf("%v exceeds itself in %v", r, which)
	}
	if got := NumResources.String(); got != "Resource(4)" {
		t.Errorf("NumResources is %s", got)
	}
}
