package snapshot

import (
	"reflect"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// askingText has every type of constraint, and all else that an instance may
// ask for. VM 3 sleeps on node 1, and VM 4 waits.
const askingText = `{"schema": 1, "name": "all", "family": "switch", "nodes": [{"id": 0, "cpu": 700, "mem": 32768}, {"id": 1, "cpu": 700, "mem": 32768}],
"vms": [
  {"id": 0, "cpu": 60, "mem": 1024, "state": "running", "host": 0},
  {"id": 1, "cpu": 60, "mem": 1024, "state": "running", "host": 1},
  {"id": 2, "cpu": 60, "mem": 1024, "state": "running", "host": 1},
  {"id": 3, "cpu": 60, "mem": 1024, "state": "sleeping", "host": 1},
  {"id": 4, "cpu": 60, "mem": 1024, "state": "waiting", "host": -1}],
"constraints": [
  {"type": "spread", "vms": [1, 0], "continuous": true},
  {"type": "gather", "vms": [1, 2], "continuous": false},
  {"type": "ban", "vms": [0], "nodes": [1]},
  {"type": "fence", "vms": [3], "nodes": [1,
    0]},
  {"type": "root", "vms": [0], "continuous": true},
  {"type": "lonely", "vms": [1, 2]},
  {"type": "among", "vms": [1, 2], "groups": [[0], [1]]},
  {"type": "split", "sets": [[0], [1, 2]]},
  {"type": "running_capacity", "nodes": [0, 1], "max": 4},
  {"type": "resource_capacity", "nodes": [0], "resource": "cpu", "max": 500},
  {"type": "resource_capacity", "nodes": [0], "resource": "mem", "max": 2048}],
"wanted": {"3": "running", "0": "terminated"}, "drain": [1],
"vjobs": [{"id": "j0", "vms": [3], "state": "sleeping", "wanted": "running"}, {"id": "j1", "vms": [2, 1], "state": "running", "wanted": "running"}]}`

func TestBenchInstancesSayAllThatTheyAskFor(t *testing.T) {
	s, err := Read([]byte(askingText))
	if err != nil {
		t.Fatal(err)
	}
	both := []int32{1, 2}
	want := []rule.Rule{
		{Name: "spread-0", Kind: rule.Spread, VMs: []int32{0, 1}, Always: true},
		{Name: "gather-1", Kind: rule.Gather, VMs: both},
		{Name: "ban-2", Kind: rule.Ban, VMs: []int32{0}, Nodes: []int32{1}},
		{Name: "fence-3", Kind: rule.Fence, VMs: []int32{3}, Nodes: []int32{0, 1}},
		{Name: "root-4", Kind: rule.Root, VMs: []int32{0}},
		{Name: "lonely-5", Kind: rule.Lonely, VMs: both},
		{Name: "among-6", Kind: rule.Among, VMs: both, Groups: [][]int32{{0}, {1}}},
		{Name: "split-7", Kind: rule.Split, Sets: [][]int32{{0}, both}},
		{Name: "running-capacity-8", Kind: rule.RunningCapacity, Nodes: []int32{0, 1}, Max: 4},
		{Name: "resource-capacity-9", Kind: rule.ResourceCapacity, Nodes: []int32{0}, Resource: cluster.CPU, Max: 5000},
		{Name: "resource-capacity-10", Kind: rule.ResourceCapacity, Nodes: []int32{0}, Resource: cluster.Memory, Max: int64(2 * cluster.GiB)},
	}
	for i := range want {
		if !reflect.DeepEqual(s.Rules[i], want[i]) {
			t.Errorf("got %+v, want %+v", s.Rules[i], want[i])
		}
	}
	c := s.Configuration
	for what, got := range map[string][2]any{
		"rules":  {len(s.Rules), len(want)},
		"goal":   {s.Goal, "switch"},
		"states": {c.State, []cluster.State{cluster.Running, cluster.Running, cluster.Running, cluster.Sleeping, cluster.Waiting}},
		"images": {c.Image, []int32{-1, -1, -1, 1, -1}},
		"wanted": {s.Wanted, []cluster.State{cluster.Terminated, cluster.Running, cluster.Running, cluster.Running, cluster.Waiting}},
		"drain":  {s.Drain, []int32{1}},
		"vjobs":  {c.VJobs, []cluster.VJob{{Name: "j0", State: cluster.Sleeping, VMs: []int32{3}}, {Name: "j1", State: cluster.Running, VMs: both}}},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: got %v, want %v", what, got[0], got[1])
		}
	}
}

// What hosts tell is not said again, and wanted states that VMs have already
// are no change.
func TestPlainBenchInstancesHaveNoStates(t *testing.T) {
	s, err := Read([]byte(`{"schema": 1, "nodes": [{"id": 0, "cpu": 1, "mem": 1}],
"vms": [{"id": 0, "cpu": 1, "mem": 1, "state": "running", "host": 0}, {"id": 1, "cpu": 1, "mem": 1, "state": "waiting"}], "wanted": {"1": "waiting"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Configuration; c.State != nil || c.Image != nil || s.Wanted != nil || s.Rules != nil || s.Goal != "" {
		t.Errorf("got %+v with states %v, images %v", s, c.State, c.Image)
	}
}
