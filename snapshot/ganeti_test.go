package snapshot

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// testdata/ganeti.data was written by hbal 3.0.2 with -S.
func TestGanetiFiles(t *testing.T) {
	text, err := os.ReadFile("testdata/ganeti.data")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	c := s.Configuration
	node := func(id cluster.NodeID, name, site, rack string, cpu cluster.Millicores, memory cluster.Bytes, state cluster.NodeState) cluster.Node {
		return cluster.Node{ID: id, Name: name, Site: site, Rack: rack, Capacity: cluster.Of(cpu*cluster.Core, memory*cluster.MiB), State: state}
	}
	for what, got := range map[string][2]any{
		"nodes": {c.Nodes, []cluster.Node{
			// 8 cores at 1.5 vCPUs, less 1 of the node and 1 of the VM that is down;
			// 25600 MiB are free, 4096 of VMs, 1024 of the one that is down.
			node(0, "node-1", "rack-a", "power:a", 10, 25600+4096-1024, cluster.Online),
			node(1, "node-2", "rack-a", "power:b", 11, 27648+4096, cluster.Online),
			node(2, "node-3", "rack-b", "power:b", 15, 31744, cluster.Online),
			node(3, "node-4", "rack-b", "", 0, 0, cluster.Offline),
			node(4, "node-5", "rack-a", "", 0, 0, cluster.Draining),
		}},
		"hosts":  {c.Host, []int32{0, 0, 1, 1, cluster.Nowhere, cluster.Nowhere, 4}},
		"states": {c.State, []cluster.State(nil)},
		"a VM":   {c.VMs[2], cluster.VM{ID: 2, Name: "web", VCPUs: 4, Demand: cluster.Of(4*cluster.Core, 2*cluster.GiB)}},
		"format": {s.Format, Ganeti},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: got %v, want %v", what, got[0], got[1])
		}
	}
	rackA := []int32{0, 1, 4}
	want := []rule.Rule{
		{Name: "group rack-a", Kind: rule.Fence, VMs: []int32{0, 1, 2, 3, 4, 5, 6}, Nodes: rackA, Always: true},
		{Name: "disks on node-1 and node-2", Kind: rule.Fence, VMs: []int32{2}, Nodes: []int32{0, 1}, Always: true},
		{Name: "disks on node-2", Kind: rule.Fence, VMs: []int32{3}, Nodes: []int32{1}, Always: true},
		{Name: "tag service:dns", Kind: rule.Spread, VMs: []int32{0, 1, 4}, Degraded: true, Always: true},
		{Name: "migration tags of node-1", Kind: rule.Fence, VMs: []int32{0, 1}, Nodes: rackA, Always: true},
		{Name: "migration tags of node-2", Kind: rule.Fence, VMs: []int32{2, 3}, Nodes: []int32{1, 4}, Always: true},
		{Name: "migration tags of node-5", Kind: rule.Fence, VMs: []int32{6}, Nodes: []int32{1, 4}, Always: true},
	}
	if !reflect.DeepEqual(s.Rules, want) {
		t.Errorf("got %+v, want %+v", s.Rules, want)
	}
}

// Files of older versions have fewer columns and no policies, and one group
// binds nobody.
func TestOldGanetiFiles(t *testing.T) {
	s, err := Read([]byte("group-01|uuid|preferred\r\n\r\nnode-1|1024|0|896|9|9|4|N|uuid\r\nnode-2|1024|0|1024|9|9|4|N|uuid\r\n\r\nx|128|1|1|running|Y|node-1||ext\r\n\r\n"))
	if err != nil {
		t.Fatal(err)
	}
	n := s.Configuration.Nodes[0]
	if n.Site != "" || n.Capacity != cluster.Of(16*cluster.Core, cluster.GiB) || len(s.Rules) != 0 || s.Configuration.Host[0] != 0 {
		t.Errorf("got %+v, rules %v", n, s.Rules)
	}
}

func TestMistakesOfGanetiFiles(t *testing.T) {
	for what, test := range map[string]struct {
		text string
		want []string
	}{
		"too many sections": {"a|b\n\n\n\n\n\n\nx\n", []string{"line 8: a sixth section; there are groups, nodes, instances, tags and policies", "line 8: there are no nodes"}},
		"no nodes":          {"a|b\n", []string{"line 1: there are no nodes"}},
		"nonsense": {`a|uuid
a|uuid|x|||
c|

node-1|1024|0|-1|9|9|4.5|X|uuid
node-1|1024|0|1|9|9|4|N|none|1||N|1|x
node-2

x|128|1|1|running|Y|node-3||ext
x|much|1|-1|ERROR_wrongnode|Y|node-1|node-4|drbd
y|1|1|1|running|Y|node-1||floppy


|1|1|1|lots|1
a|1|1
`, []string{
			`line 2: groups[1]: 6 columns, and there are 2 to 5`,
			`line 5: nodes[0].role: "X" is no role; there are N, M, and Y`,
			`line 5: nodes[0].free memory: "-1" is not a whole number`,
			`line 5: nodes[0].cores: "4.5" is not a whole number`,
			`line 6: nodes[1]: node "node-1" is there twice`,
			`line 6: nodes[1].group: there is no group "none"`,
			`line 6: nodes[1].node vcpus: "x" is not a whole number`,
			`line 7: nodes[2]: 1 columns, and there are 9 to 15`,
			`line 9: instances[0].primary: there is no node "node-3"`,
			`line 10: instances[1]: instance "x" is there twice`,
			`line 10: instances[1].memory: "much" is not a whole number`,
			`line 10: instances[1].vcpus: "-1" is not a whole number`,
			`line 10: instances[1].status: "ERROR_wrongnode" is no status that a plan can begin with`,
			`line 10: instances[1].secondary: there is no node "node-4"`,
			`line 11: instances[2].disks: "floppy" is no kind of disk`,
			`line 14: policies[0]: "lots" is no ratio of vCPUs to cores`,
			`line 15: policies[1]: 3 columns, and there are 6 to 7`,
		}},
		"contradiction": {`a|uuid

node-1|1024|0|1|9|9|4|Y|uuid
node-2|1024|0|1|9|9|4|N|uuid

x|128|1|1|running|Y|node-1||plain
`, []string{`line 6: rule disks on node-1: with the rules before it, VM "x" may be on no node`}},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := Read([]byte(test.text))
			wantMistakes(t, err, test.want)
		})
	}
}

// Whatever the bytes, a Ganeti file ends with a valid snapshot or with
// mistakes.
func FuzzGaneti(f *testing.F) {
	text, err := os.ReadFile("testdata/ganeti.data")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("a|b\n\nn|1|1|1|1|1|1|N|b\n\nv|1|1|1|running|Y|n||ext\n\nt\n")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(text, "|") {
			readsOrRefuses(t, []byte("|"+text))
		}
	})
}
