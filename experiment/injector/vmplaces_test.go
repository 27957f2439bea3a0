package injector

import (
	"fmt"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// event is a change with the instant that VMPlaceS would print.
type event struct {
	seconds float64
	Change
}

func events(p *vmPlaceS) (all []event) {
	for c, ok := p.Next(); ok; c, ok = p.Next() {
		all = append(all, event{p.seconds, c})
	}
	return all
}

func numbered(prefix string, n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint(prefix, i)
	}
	return names
}

// reference is the cluster of the shipped traces of VMPlaceS: 10 VMs of one
// vCPU for each host, which has 7 cores for them.
func reference(t *testing.T, hosts int, start Start) (*cluster.Configuration, []event) {
	t.Helper()
	law := Reference()
	law.Start = start
	c := &cluster.Configuration{}
	names := numbered("node", hosts)
	for n := range hosts {
		c.Nodes = append(c.Nodes, cluster.Node{
			ID: cluster.NodeID(n), Name: names[n], Capacity: cluster.Of(7*cluster.Core, 32*cluster.GiB),
		})
	}
	vcpus := make([]int32, 10*hosts)
	for v := range vcpus {
		vcpus[v] = 1
	}
	initial := law.VMPlaceS(vcpus, 23).Initial
	for v := range vcpus {
		c.VMs = append(c.VMs, cluster.VM{
			ID: cluster.VMID(v), Name: fmt.Sprint("vm-", v), VCPUs: 1, Demand: cluster.Of(initial[v], cluster.GiB),
		})
	}
	host, err := FillToAverage(c.Nodes, HashOrder(names), c.VMs)
	if err != nil {
		t.Fatal(err)
	}
	c.Host = host
	return c, events(newVMPlaceS(law, vcpus, 23))
}

// The first four events and the last of the events.json that VMPlaceS ships
// (branch groupB): 64 hosts, 640 VMs, seed 23.
func TestVMPlaceSEvents(t *testing.T) {
	c, all := reference(t, 64, AtZero)
	if len(all) != 3786 {
		t.Fatalf("%d events, want 3786", len(all))
	}
	for i, want := range map[int]string{
		0:    "0.6174666607768469 vm-512 30",
		1:    "0.634876279086363 vm-10 50",
		2:    "0.7534814029004591 vm-151 90",
		3:    "0.9781632703972696 vm-487 70",
		3785: "1799.7015240442906 vm-196 40",
	} {
		e := all[i]
		if got := fmt.Sprint(e.seconds, " ", c.VMs[e.VM].Name, " ", int64(e.CPU/10)); got != want {
			t.Errorf("event %d: %s, want %s", i, got, want)
		}
	}
	var sum cluster.Millicores
	for _, e := range all {
		sum += e.CPU
	}
	if mean := float64(sum) / 10 / float64(len(all)); fmt.Sprintf("%.2f", mean) != "59.97" {
		t.Errorf("the mean load is %.2f%%, want 59.97%%", mean)
	}
	if got, want := all[0].At, 617466661*time.Nanosecond; got != want {
		t.Errorf("the first event is at %v, want %v", got, want)
	}
}

// violation is a time during which a host's VMs asked for more than it has.
type violation struct {
	host       int32
	start, end float64 // in seconds
}

// violations plays events with no scheduler. Violations that are still open at
// the end are cut there. They come in the order of their ends.
func violations(c *cluster.Configuration, all []event, end float64) (closed []violation) {
	use := c.Usage()
	demand := make([]cluster.Millicores, len(c.VMs))
	for v, vm := range c.VMs {
		demand[v] = vm.Demand.CPU()
	}
	since := map[int32]float64{}
	for _, e := range all {
		n := c.Host[e.VM]
		use[n][cluster.CPU] += int64(e.CPU - demand[e.VM])
		demand[e.VM] = e.CPU
		start, open := since[n]
		over := !use[n].Within(c.Nodes[n].Capacity)
		if over && !open {
			since[n] = e.seconds
		}
		if !over && open {
			closed = append(closed, violation{n, start, e.seconds})
			delete(since, n)
		}
	}
	for n := range c.Nodes {
		if start, open := since[int32(n)]; open {
			closed = append(closed, violation{int32(n), start, end})
		}
	}
	return closed
}

// What happens without a scheduler was computed independently, when the
// traces of VMPlaceS were analysed: to a tenth of a second with 64 hosts, and
// to about a second with more. The digits beyond are this program's.
func TestVMPlaceSWithoutScheduler(t *testing.T) {
	for _, c := range []struct {
		hosts         int
		start         Start
		events, count int
		total         string // in seconds
	}{
		{64, AtZero, 3786, 32, "2495.2"},
		{64, AtMean, 3786, 47, "3885.7"},
		{128, AtZero, 7608, 80, "5456.1"},
		{128, AtMean, 7608, 114, "7929.5"},
		{256, AtZero, 15364, 138, "8800.0"},
		{256, AtMean, 15364, 210, "13637.8"},
	} {
		t.Run(fmt.Sprint(c.hosts, " hosts, start ", c.start), func(t *testing.T) {
			conf, all := reference(t, c.hosts, c.start)
			if len(all) != c.events {
				t.Errorf("%d events, want %d", len(all), c.events)
			}
			closed := violations(conf, all, 1800)
			var total float64
			for _, v := range closed {
				total += v.end - v.start
			}
			if got := fmt.Sprintf("%.1f", total); len(closed) != c.count || got != c.total {
				t.Errorf("%d violations, %s s, want %d, %s s", len(closed), got, c.count, c.total)
			}
		})
	}
}

// The shipped trace has twelve decimals.
func TestVMPlaceSFirstViolation(t *testing.T) {
	c, all := reference(t, 64, AtZero)
	closed := violations(c, all, 1800)
	first := closed[0]
	for _, v := range closed {
		if v.start < first.start {
			first = v
		}
	}
	if got, want := fmt.Sprintf("%s %.12f", c.Nodes[first.host].Name, first.start), "node47 519.178185699946"; got != want {
		t.Errorf("first violation: %s, want %s", got, want)
	}
}

func TestHashOrder(t *testing.T) {
	got := fmt.Sprint(HashOrder(numbered("node", 64))[:15])
	if want := "[42 43 44 45 46 47 48 49 50 51 52 53 10 54 11]"; got != want {
		t.Errorf("the order of 64 hosts starts with %s, want %s", got, want)
	}
}

func TestFillToAverage(t *testing.T) {
	nodes := func(n int, cpu cluster.Millicores, memory cluster.Bytes) []cluster.Node {
		all := make([]cluster.Node, n)
		for i := range all {
			all[i].Capacity = cluster.Of(cpu, memory)
		}
		return all
	}
	vms := func(n int, cpu cluster.Millicores) []cluster.VM {
		all := make([]cluster.VM, n)
		for i := range all {
			all[i] = cluster.VM{Name: fmt.Sprint("vm-", i), Demand: cluster.Of(cpu, cluster.GiB)}
		}
		return all
	}
	const cores, gib = cluster.Core, cluster.GiB
	for _, c := range []struct {
		name  string
		nodes []cluster.Node
		order []int32
		vms   []cluster.VM
		want  string
	}{
		{"even", nodes(2, 7*cores, 32*gib), []int32{0, 1}, vms(4, 0), "[0 0 1 1]"},
		{"in the given order", nodes(2, 7*cores, 32*gib), []int32{1, 0}, vms(4, 0), "[1 1 0 0]"},
		{"the last stays empty", nodes(4, 7*cores, 32*gib), []int32{0, 1, 2, 3}, vms(5, 0), "[0 0 1 1 2]"},
		{"memory ends a node's turn", nodes(3, 7*cores, 2*gib), []int32{0, 1, 2}, vms(4, 0), "[0 0 1 1]"},
		{"equality fits", nodes(2, 2*cores, 2*gib), []int32{0, 1}, vms(4, cores), "[0 0 1 1]"},
		{"CPU ends a node's turn", nodes(4, cores, 32*gib), []int32{0, 1, 2, 3}, vms(3, cores), "[0 1 2]"},
		{"no VM", nodes(1, 0, 0), []int32{0}, nil, "[]"},
		{
			"no room", nodes(2, cores, 32*gib),
			[]int32{0, 1},
			vms(3, cores),
			`no node left for VM "vm-2", which asks for cpu 1 core, memory 1GiB, after 2 of 3 VMs`,
		},
		{
			"no node", nil, nil, vms(1, 0),
			`no node left for VM "vm-0", which asks for memory 1GiB, after 0 of 1 VMs`,
		},
	} {
		hosts, err := FillToAverage(c.nodes, c.order, c.vms)
		got := fmt.Sprint(hosts)
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}

	hosts, err := FillToAverage(nodes(32, 7*cores, 32*gib), HashOrder(numbered("node", 32)), vms(300, 0))
	if err != nil {
		t.Fatal(err)
	}
	used := map[int32]bool{}
	for _, n := range hosts {
		used[n] = true
	}
	if len(used) != 30 {
		t.Errorf("300 VMs fill %d of 32 nodes, want 30", len(used))
	}
}
