package snapshot

import (
	"reflect"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// btrText has nodes 2 and 10, which are online, and 3, which is offline. On 2
// run VMs 5 and 7, and 11 sleeps; on 10 runs VM 6; VM 4 is ready.
const btrText = `{"model": {"mapping": {"readyVMs": [4], "offlineNodes": [3], "onlineNodes": {
  "10": {"sleepingVMs": [], "runningVMs": [6]},
  "2": {"sleepingVMs": [11], "runningVMs": [7, 5]}}},
"attributes": {"nodes": {}, "vms": {"5": {"migrate": 3}}},
"views": [
  {"id": "shareableResource", "rcId": "cpu", "defCapacity": 800, "defConsumption": 50, "nodes": {"10": 400}, "vms": {"7": 100, "4": 0}},
  {"id": "shareableResource", "rcId": "mem", "defCapacity": 4096, "defConsumption": 1024, "nodes": {}, "vms": {}},
  {"id": "ns", "type": "vm", "map": {"web": 5}},
  {"id": "net", "switches": []}]},
"constraints": [
  {"id": "spread", "vms": [5, 6], "continuous": true},
  {"id": "gather", "vms": [5, 7], "continuous": false},
  {"id": "ban", "vm": 5, "nodes": [10], "continuous": false},
  {"id": "fence", "vms": [6, 7], "nodes": [2, 10], "continuous": true},
  {"id": "root", "vm": 6, "continuous": true},
  {"id": "lonely", "vms": [11], "continuous": false},
  {"id": "among", "vms": [5], "parts": [[2], [10]], "continuous": false},
  {"id": "split", "parts": [[5], [6, 7]], "continuous": false},
  {"id": "runningCapacity", "nodes": [2], "amount": 3, "continuous": false},
  {"id": "resourceCapacity", "nodes": [2], "rc": "mem", "amount": 2048, "continuous": true},
  {"id": "maxOnline", "nodes": [2, 10], "amount": 2, "continuous": false},
  {"id": "preserve", "vm": 5, "rc": "cpu", "amount": 70},
  {"id": "overbook", "node": 2, "rc": "cpu", "ratio": 1.5, "continuous": false},
  {"id": "offline", "node": 3, "continuous": false},
  {"id": "online", "node": 2, "continuous": false},
  {"id": "seq", "vms": [11, 4]},
  {"id": "Precedence", "vm1": 7, "vm2": 5, "continuous": true},
  {"id": "quarantine", "node": 10},
  {"id": "running", "vm": 4, "continuous": false},
  {"id": "killed", "vm": 11, "continuous": false},
  {"id": "sleeping", "vms": [7], "continuous": false},
  {"id": "running", "vm": 5, "continuous": true}],
"objective": {"id": "minimizeMTTR"}}`

func TestBtrPlaceInstances(t *testing.T) {
	s, err := Read([]byte(btrText))
	if err != nil {
		t.Fatal(err)
	}
	// Nodes are 2, 3 and 10; VMs are 4, 5, 6, 7 and 11.
	const nowhere = cluster.Nowhere
	c := s.Configuration
	node := func(id cluster.NodeID, name string, cpu cluster.Millicores, state cluster.NodeState) cluster.Node {
		return cluster.Node{ID: id, Name: name, Capacity: cluster.Of(cpu, 4*cluster.GiB), State: state}
	}
	vm := func(id cluster.VMID, name string, cpu cluster.Millicores) cluster.VM {
		return cluster.VM{ID: id, Name: name, VCPUs: 1, Demand: cluster.Of(cpu, cluster.GiB)}
	}
	w, r, z, x := cluster.Waiting, cluster.Running, cluster.Sleeping, cluster.Terminated
	for what, got := range map[string][2]any{
		"nodes":  {c.Nodes, []cluster.Node{node(2, "node2", 8000, cluster.Online), node(3, "node3", 8000, cluster.Offline), node(10, "node10", 4000, cluster.Online)}},
		"VMs":    {c.VMs, []cluster.VM{vm(4, "vm-4", 0), vm(5, "web", 500), vm(6, "vm-6", 500), vm(7, "vm-7", 1000), vm(11, "vm-11", 500)}},
		"hosts":  {c.Host, []int32{nowhere, 0, 2, 0, nowhere}},
		"states": {c.State, []cluster.State{w, r, r, r, z}},
		"images": {c.Image, []int32{nowhere, nowhere, nowhere, nowhere, 0}},
		"wanted": {s.Wanted, []cluster.State{r, r, r, z, x}},
		"format": {s.Format, BtrPlace},
		"goal":   {s.Goal, "switch"},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: got %v, want %v", what, got[0], got[1])
		}
	}
	want := []rule.Rule{
		{Name: "spread-0", Kind: rule.Spread, VMs: []int32{1, 2}, Always: true},
		{Name: "gather-1", Kind: rule.Gather, VMs: []int32{1, 3}},
		{Name: "ban-2", Kind: rule.Ban, VMs: []int32{1}, Nodes: []int32{2}},
		{Name: "fence-3", Kind: rule.Fence, VMs: []int32{2, 3}, Nodes: []int32{0, 2}, Always: true},
		{Name: "root-4", Kind: rule.Root, VMs: []int32{2}},
		{Name: "lonely-5", Kind: rule.Lonely, VMs: []int32{4}},
		{Name: "among-6", Kind: rule.Among, VMs: []int32{1}, Groups: [][]int32{{0}, {2}}},
		{Name: "split-7", Kind: rule.Split, Sets: [][]int32{{1}, {2, 3}}},
		{Name: "runningCapacity-8", Kind: rule.RunningCapacity, Nodes: []int32{0}, Max: 3},
		{Name: "resourceCapacity-9", Kind: rule.ResourceCapacity, Nodes: []int32{0}, Resource: cluster.Memory, Max: int64(2 * cluster.GiB), Always: true},
		{Name: "maxOnline-10", Kind: rule.MaxOnline, Nodes: []int32{0, 2}, Max: 2},
		{Name: "preserve-11", Kind: rule.Preserve, VMs: []int32{1}, Resource: cluster.CPU, Max: 700},
		{Name: "overbook-12", Kind: rule.Overbook, Nodes: []int32{0}, Resource: cluster.CPU, Max: 1500},
		{Name: "offline-13", Kind: rule.Offline, Nodes: []int32{1}},
		{Name: "online-14", Kind: rule.Online, Nodes: []int32{0}},
		{Name: "seq-15", Kind: rule.Precedence, VMs: []int32{4, 0}},
		{Name: "Precedence-16", Kind: rule.Precedence, VMs: []int32{3, 1}},
		{Name: "quarantine-17-node10-stay", Kind: rule.Root, VMs: []int32{2}},
		{Name: "quarantine-17-node10-closed", Kind: rule.Ban, VMs: []int32{0, 1, 3, 4}, Nodes: []int32{2}, Always: true},
	}
	if len(s.Rules) != len(want) {
		t.Fatalf("%d rules, want %d", len(s.Rules), len(want))
	}
	for i := range want {
		if !reflect.DeepEqual(s.Rules[i], want[i]) {
			t.Errorf("got %+v, want %+v", s.Rules[i], want[i])
		}
	}
}

func TestMistakesOfBtrPlaceInstances(t *testing.T) {
	for what, test := range map[string]struct {
		text string
		want []string
	}{
		"no model":   {`{"model": 7}`, []string{"line 1: model: 7, not an object"}},
		"no mapping": {`{"model": {}}`, []string{`line 1: model: "mapping" is missing`}},
		"mapping": {
			`{"model": {"mapping": {"readyVMs": [1, "x"], "onlineNodes": {
"0": {"runningVMs": [1, 2], "waitingVMs": []},
"one": {"runningVMs": []},
"2": []}, "offlineNodes": [0, -1], "nodes": []}}}`,
			[]string{
				`line 1: model.mapping.readyVMs: VM 1 is there twice`,
				`line 1: model.mapping.readyVMs: "x" is not the number of a VM`,
				`line 2: model.mapping.onlineNodes.0.waitingVMs: there is no such key here; there are runningVMs, sleepingVMs`,
				`line 3: model.mapping.onlineNodes: one is not the number of a node`,
				`line 4: model.mapping.nodes: there is no such key here`,
				`line 4: model.mapping.offlineNodes: node 0 is there twice`,
				`line 4: model.mapping.offlineNodes: -1 is not the number of a node`,
				`line 4: model.mapping.onlineNodes.2: a list, not an object`,
			},
		},
		"views": {
			`{"model": {"mapping": {"onlineNodes": {"0": {"runningVMs": [1], "sleepingVMs": []}}}, "views": [
{"id": "shareableResource", "rcId": "controller_cpu", "defCapacity": 0, "defConsumption": 0, "nodes": {}, "vms": {}},
{"id": "shareableResource", "rcId": "cpu", "defCapacity": -1, "nodes": {"1": 3, "0": 1.5}, "vms": 7},
{"id": "shareableResource", "rcId": "ucpu", "defCapacity": 0, "defConsumption": 0, "nodes": {}},
{"id": "ns", "type": "rack", "map": {}},
{"id": "ns", "type": "node", "map": {"a": 1, "": 0}},
{"id": "power"}]},
"objective": {"id": "maximizeFun"}, "extra": 1}`,
			[]string{
				`line 2: model.views[0].rcId: "controller_cpu" is not a resource that is known; there are cpu and ucpu (in 1/100 core)`,
				`line 3: model.views[1].defCapacity: -1 is not a whole number`,
				`line 3: model.views[1].nodes.1: there is no node 1 in the mapping`,
				`line 3: model.views[1].nodes.0: 1.5 is not a whole number`,
				`line 3: model.views[1]: "defConsumption" is missing`,
				`line 3: model.views[1].vms: 7, not an object`,
				`line 4: model.views[2].rcId: a second view of cpu`,
				`line 4: model.views[2]: "vms" is missing`,
				`line 5: model.views[3].type: names are of type node or vm`,
				`line 6: model.views[4].map.a: there is no node 1 in the mapping`,
				`line 6: model.views[4].map: the name is empty`,
				`line 7: model.views[5].id: "power" is no view that is read; there are shareableResource, ns and net`,
				`line 8: extra: there is no such key here`,
				`line 8: objective: "maximizeFun" is no objective of BtrPlace that is read; there are minimizeMTTR`,
			},
		},
		"constraints": {
			`{"model": {"mapping": {"offlineNodes": [3], "onlineNodes": {"0": {"runningVMs": [1, 2], "sleepingVMs": []}}}, "views": []}, "constraints": [
{"id": "splitAmong", "vParts": [[1], [2]], "pParts": [[0], [3]], "continuous": false},
{"id": "noDelay", "vm": 1},
{"id": "ready", "vm": 1, "continuous": false},
{"id": "sleeping", "vm": 2, "continuous": false},
{"id": "killed", "vm": 2, "continuous": false},
{"id": "online", "node": 3, "continuous": false},
{"id": "spread", "vms": [1, 9], "parts": []},
{"id": "preserve", "vm": 1, "rc": "gpu", "amount": -1},
{"id": "overbook", "node": 0, "rc": "cpu", "ratio": 0},
{"id": "Precedence", "vm1": 1, "continuous": true},
{"id": "seq", "vms": [1, 1]}]}`,
			[]string{
				`line 2: constraints[0].id: dvms has no rule like "splitAmong"`,
				`line 3: constraints[1].id: dvms has no rule like "noDelay"`,
				`line 4: constraints[2]: VM 1 is running, and cannot become waiting`,
				`line 6: constraints[4]: VM 2 is to be terminated, and sleeping by constraints[3]`,
				`line 7: constraints[5]: node 3 is offline, and plans of dvms switch no node on`,
				`line 8: constraints[6].vms: there is no VM 9`,
				`line 8: constraints[6].parts: there is no such key here; there are id, continuous, vm, vms`,
				`line 9: constraints[7].rc: "gpu" is not a resource that is known`,
				`line 9: constraints[7].amount: -1 is not a whole number`,
				`line 10: constraints[8].ratio: 0 is not a ratio`,
				`line 11: constraints[9]: "vm2" is missing`,
				`line 12: constraints[10]: rule seq-10: it names one of the VMs twice`,
			},
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := Read([]byte(test.text))
			wantMistakes(t, err, test.want)
		})
	}
}
