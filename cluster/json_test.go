package cluster

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const twoJSON = `{
  "version": 1,
  "nodes": [
    {"name":"node7","site":"rennes","cpu":"2 cores","memory":"4GiB","network":"125MB/s","disk":"1TiB"},
    {"name":"node8","site":"nancy","cpu":"2 cores","memory":"4GiB","network":"125MB/s","disk":"1TiB"}
  ],
  "vms": [
    {"name":"vm-0","vcpus":1,"cpu":"0.6 cores","memory":"1GiB","dirty_rate":"40MB/s","node":"node7"},
    {"name":"vm-1","vcpus":1,"cpu":"0.7 cores","memory":"1GiB","dirty_rate":"40MB/s","node":"node8"},
    {"name":"vm-2","vcpus":1,"cpu":"0.8 cores","memory":"1GiB","dirty_rate":"40MB/s","state":"sleeping"}
  ],
  "vjobs": [
    {"name":"j1","state":"running","vms":["vm-0","vm-1"]},
    {"name":"j2","state":"sleeping","vms":["vm-2"]}
  ]
}
`

func TestJSON(t *testing.T) {
	text, err := two().JSON()
	if err != nil {
		t.Fatal(err)
	}
	if string(text) != twoJSON {
		t.Errorf("got\n%s, want\n%s", text, twoJSON)
	}
	text, err = new(Configuration).JSON()
	if want := "{\n  \"version\": 1,\n  \"nodes\": [],\n  \"vms\": []\n}\n"; err != nil || string(text) != want {
		t.Errorf("nothing is\n%s (%v), want\n%s", text, err, want)
	}
}

func TestFromJSON(t *testing.T) {
	want := two()
	want.Nodes[0].ID, want.Nodes[1].ID = 0, 1 // the index
	got, err := FromJSON([]byte(twoJSON))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

// Keys and names may come in any order, and what has a default may be left
// out.
func TestFromJSONInAnyOrder(t *testing.T) {
	got, err := FromJSON([]byte(`{
		"vjobs": [{"vms": ["b", "a"], "state": "running", "name": "j"}],
		"vms": [{"node": "n", "memory": "1GiB", "cpu": "60%", "name": "a"}, {"name": "b", "cpu": "1core", "memory": "1MB", "vcpus": 0, "node": "n"}],
		"nodes": [{"memory": "2GiB", "cpu": "2 cores", "name": "n"}],
		"version": 1
	}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &Configuration{
		Nodes: []Node{{Name: "n", Capacity: Of(2000, 2*GiB)}},
		VMs:   []VM{{Name: "a", VCPUs: 1, Demand: Of(600, GiB)}, {ID: 1, Name: "b", Demand: Of(1000, 1e6)}},
		VJobs: []VJob{{"j", Running, []int32{0, 1}}},
		Host:  []int32{0, 0},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v, want\n%+v", got, want)
	}
}

func TestFromJSONErrors(t *testing.T) {
	replaced := func(old, new string) string {
		if strings.Count(twoJSON, old) != 1 {
			t.Fatalf("%q is not there once", old)
		}
		return strings.Replace(twoJSON, old, new, 1)
	}
	for _, c := range []struct{ text, want string }{
		{"", "line 1: the text ends within the configuration"},
		{"\n\n[", `line 3: "[" is not an object`},
		{"{", "line 1: the text ends within the configuration"},
		{"{}", `line 1: no "version"; it is 1`},
		{"null", "line 1: null is not an object"},
		{twoJSON[:len(twoJSON)/2], "line 8: the text ends within the configuration"},
		{twoJSON + "{}", "line 17: more text after the configuration"},
		{twoJSON + "x", "line 17: more text after the configuration"},
		{replaced(`"version": 1`, `"version": 2`), "line 2: version 2 is not known; this program reads version 1"},
		{replaced(`"version": 1`, `"version": 1.0`), "line 2: 1.0 is not a whole number from 0 to 2147483647"},
		{replaced(`"version": 1`, `"Version": 1`), `line 2: unknown key "Version"; there are version, nodes, vms and vjobs`},
		{replaced(`"version": 1,`, `"version": 1, "version": 1,`), `line 2: key "version" is there twice`},
		{replaced(`"version": 1,`, `"version": 1`), `line 3: invalid character '"' after object key:value pair`},
		{replaced(`"sleeping","vms":["vm-2"]}`, `"sleeping","vms":["vm-2"]},`), `line 15: invalid character ']' looking for beginning of value`},
		{replaced(`"nancy"`, `"nancy","aisle":3`), `line 5: unknown key "aisle"; there are name, site, room, rack, cpu, memory, network, disk, overcommit and state`},
		{replaced(`"nancy"`, `null`), "line 5: null is not a string"},
		{replaced(`{"name":"node8",`, `{`), `line 5: "name" is missing; there are cpu, disk, memory, network, site`},
		{replaced(`{"name":"node8"`, `{"name":""`), "line 5: a node has an empty name"},
		{replaced(`{"name":"node8"`, `{"name":"node7"`), `line 5: node "node7" is there twice`},
		{replaced(`{"name":"vm-1"`, `{"name":"vm-0"`), `line 9: VM "vm-0" is there twice`},
		{replaced(`"name":"vm-2","vcpus":1`, `"name":"vm-2","vcpus":-1`), "line 10: -1 is not a whole number from 0 to 2147483647"},
		{replaced(`"name":"vm-2","vcpus":1`, `"name":"vm-2","vcpus":"1"`), `line 10: "1" is not a whole number from 0 to 2147483647`},
		{replaced(`"name":"vm-2","vcpus":1`, `"name":"vm-2","vcpus":[]`), `line 10: "[" is not a whole number from 0 to 2147483647`},
		{
			replaced(`"name":"vm-2","vcpus":1`, `"name":"vm-2","vcpu":1`),
			`line 10: unknown key "vcpu"; there are name, vcpus, cpu, memory, network, disk, dirty_rate, node, state and image`,
		},
		{
			replaced(`"0.8 cores"`, `"-0.8 cores"`),
			`line 10: "-0.8 cores" is not an amount of CPU; write a number and a unit, as in "7 cores", "0.6 cores" or "60%"`,
		},
		{replaced(`"0.8 cores"`, `0.8`), `line 10: 0.8 is not an amount of CPU; write a number and a unit in quotes, as in "7 cores", "0.6 cores" or "60%"`},
		{replaced(`"0.8 cores",`, `"9223372036854775 cores",`), `line 16: the VMs up to "vm-2" ask for too much cpu to count`},
		{replaced(`"node":"node8"`, `"node":"node9"`), `line 9: VM "vm-1" is on node "node9", which is not among the nodes`},
		{replaced(`"node":"node8"`, `"node":""`), `line 9: VM "vm-1" is on node "", which is not among the nodes`},
		{replaced(`"running"`, `"run"`), `line 13: "run" is not a state of a VM or vjob; the states are waiting, running, sleeping and terminated`},
		{replaced(`"name":"j2"`, `"name":"j1"`), `line 14: vjob "j1" is there twice`},
		{replaced(`"name":"j2"`, `"name":""`), `line 14: a vjob has an empty name`},
		{replaced(`"name":"j2"`, `"name":"j2","nodes":[]`), `line 14: unknown key "nodes"; there are name, state and vms`},
		{replaced(`["vm-2"]`, `{}`), `line 14: "{" is not a list`},
		{replaced(`["vm-2"]`, `["vm-3"]`), `line 14: VM "vm-3" of vjob "j2" is not among the VMs`},
		{replaced(`["vm-2"]`, `["vm-2","vm-2"]`), `line 14: VM "vm-2" is in vjob "j2" twice`},
		{replaced(`["vm-2"]`, `["vm-1"]`), `line 14: VM "vm-1" is in vjob "j1" and in vjob "j2"`},
		{replaced(`"sleeping","vms"`, `"running","vms"`), `line 14: vjob "j2" is running, but its VM "vm-2" is on no node`},
		{replaced(`"sleeping","vms"`, `"waiting","vms"`), `line 14: vjob "j2" is waiting, but its VM "vm-2" is sleeping`},
		{replaced(`"state":"sleeping"}`, `"state":"sleeping","image":"node9"}`), `line 10: VM "vm-2" has its image on node "node9", which is not among the nodes`},
		{replaced(`"node":"node8"}`, `"state":"sleeping"}`), `line 13: vjob "j1" is running, but its VM "vm-1" is on no node`},
		{replaced(`"disk":"1TiB"},`, `"disk":"1TiB","overcommit":{"cpu":0}},`), `line 4: 0 is not a ratio from 0.001 to 1000`},
		{replaced(`"disk":"1TiB"},`, `"disk":"1TiB","overcommit":{"ram":2}},`), `line 4: unknown key "ram"; there are cpu, memory, network and disk`},
		{replaced(`"disk":"1TiB"},`, `"disk":"1TiB","state":"down"},`), `line 4: "down" is not a state of a node; the states are online, draining and offline`},
		{replaced(`"running"`, `"waiting"`), `line 13: vjob "j1" is waiting, but its VM "vm-0" runs on a node`},
		{replaced(`"nancy"`, "\"\xff\""), "line 5: the text is not UTF-8"},
	} {
		_, err := FromJSON([]byte(c.text))
		var fe *FormatError
		if !errors.As(err, &fe) || err.Error() != c.want {
			t.Errorf("got  %v\nwant %s", err, c.want)
		}
	}
}

func TestJSONErrors(t *testing.T) {
	for want, change := range map[string]func(c *Configuration){
		"3 VMs but 0 hosts": func(c *Configuration) { c.Host = nil },
		`the name of node "\xff", or of where it stands, is not UTF-8`:  func(c *Configuration) { c.Nodes[0].Name = "\xff" },
		`the name of node "node7", or of where it stands, is not UTF-8`: func(c *Configuration) { c.Nodes[0].Site = "\xff" },
		`the name of VM "\xff" is not UTF-8`:                            func(c *Configuration) { c.VMs[0].Name = "\xff" },
		`the name of vjob "\xff" is not UTF-8`:                          func(c *Configuration) { c.VJobs[0].Name = "\xff" },
	} {
		c := two()
		change(c)
		if text, err := c.JSON(); err == nil || err.Error() != want {
			t.Errorf("got %s, %v; want %s", text, err, want)
		}
	}
}

func TestJSONRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := drawConfiguration(t)
		text, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := FromJSON(text)
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if got, want := fmt.Sprintf("%+v", *again), fmt.Sprintf("%+v", *c); got != want {
			t.Fatalf("got\n%s, want\n%s", got, want)
		}
	})
}

// What is accepted is valid, and is written and read to the same text. (The
// first text may differ from it, in order, spaces and defaults.)
func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(twoJSON))
	f.Add([]byte(`{"version":1,"nodes":[{"name":"n","cpu":"1.00001 cores","memory":"12bps"}]}`))
	f.Add([]byte(`{"version":1,"vms":[{"name":"\ud800","cpu":"1%","memory":"0B","vcpus":1e3}],"vjobs":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := FromJSON(text)
		if err != nil {
			if fe := (*FormatError)(nil); !errors.As(err, &fe) || fe.Line < 1 || fe.Line > 1+bytes.Count(text, []byte("\n")) {
				t.Fatalf("%T: %v", err, err)
			}
			return
		}
		if err := c.Validate(); err != nil {
			t.Fatal(err)
		}
		first, err := c.JSON()
		if err != nil {
			t.Fatal(err)
		}
		again, err := FromJSON(first)
		if err != nil {
			t.Fatalf("%v in\n%s", err, first)
		}
		second, err := again.JSON()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%v: got\n%s, want\n%s", err, second, first)
		}
	})
}
