package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// racks is a snapshot of four nodes in two racks, with VMs web-1 to web-3,
// db-1, and the vjob batch of VMs b-1 and b-2, which sleep.
func racks() Snapshot {
	c := &cluster.Configuration{
		VJobs: []cluster.VJob{{Name: "batch", State: cluster.Sleeping, VMs: []int32{4, 5}}},
		Host:  []int32{0, 1, 2, 3, cluster.Nowhere, cluster.Nowhere},
	}
	for i, rack := range []string{"a", "a", "b", "b"} {
		c.Nodes = append(c.Nodes, cluster.Node{
			ID: cluster.NodeID(i), Name: "kvm" + string(rune('1'+i)), Site: "here", Rack: rack, Capacity: cluster.Of(8000, 32*cluster.GiB),
		})
	}
	for i, name := range []string{"web-1", "web-2", "web-3", "db-1", "b-1", "b-2"} {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(i), Name: name, Demand: cluster.Of(1000, cluster.GiB)})
		c.State = append(c.State, cluster.Running)
		if i >= 4 {
			c.State[i] = cluster.Sleeping
		}
	}
	return Snapshot{Configuration: c}
}

func TestRulesOfAllKinds(t *testing.T) {
	web := []int32{0, 1, 2}
	rackA, all := []int32{0, 1}, []int32{0, 1, 2, 3}
	for text, want := range map[string]rule.Rule{
		"spread: [web-1, web-2]":                    {Name: "spread-1", Kind: rule.Spread, VMs: []int32{0, 1}, Always: true},
		"spread: [web-*], domain: site, weight: 1B": {Name: "spread-1", Kind: rule.Spread, VMs: web, Domain: cluster.Site, Weight: 1},
		"spread: '*-1', domain: rack":               {Name: "spread-1", Kind: rule.Spread, VMs: []int32{0, 3, 4}, Domain: cluster.Rack, Always: true},
		"spread: [web-*], degraded: true, name: 7":  {Name: "7", Kind: rule.Spread, VMs: web, Degraded: true, Always: true},
		"gather: [web-3, web-*], holds: at the end": {Name: "gather-1", Kind: rule.Gather, VMs: web},
		"ban: [db-1], nodes: {rack: a}":             {Name: "ban-1", Kind: rule.Ban, VMs: []int32{3}, Nodes: rackA, Always: true},
		"fence: ['*1'], nodes: [kvm1, {rack: b}]":   {Name: "fence-1", Kind: rule.Fence, VMs: []int32{0, 3, 4}, Nodes: []int32{0, 2, 3}, Always: true},
		"root: web-1":                                {Name: "root-1", Kind: rule.Root, VMs: []int32{0}},
		"lonely: {vjob: batch}, weight: 4GiB":        {Name: "lonely-1", Kind: rule.Lonely, VMs: []int32{4, 5}, Weight: 4 * cluster.GiB},
		"among: web-*, groups: [{rack: a}, [kvm3]]":  {Name: "among-1", Kind: rule.Among, VMs: web, Groups: [][]int32{rackA, {2}}, Always: true},
		"split: [web-*, [db-1, b-1]], holds: always": {Name: "split-1", Kind: rule.Split, Sets: [][]int32{web, {3, 4}}, Always: true},
		"running-capacity: kvm*, max: 4":             {Name: "running-capacity-1", Kind: rule.RunningCapacity, Nodes: all, Max: 4, Always: true},
		"resource-capacity: kvm1, memory: 4GiB":      {Name: "resource-capacity-1", Kind: rule.ResourceCapacity, Nodes: []int32{0}, Resource: cluster.Memory, Max: int64(4 * cluster.GiB), Always: true},
		"max-online: {site: here}, max: 2":           {Name: "max-online-1", Kind: rule.MaxOnline, Nodes: all, Max: 2, Always: true},
		"preserve: db-1, cpu: 2 cores":               {Name: "preserve-1", Kind: rule.Preserve, VMs: []int32{3}, Resource: cluster.CPU, Max: 2000},
		"preserve: db-1, network: 1Gbps":             {Name: "preserve-1", Kind: rule.Preserve, VMs: []int32{3}, Resource: cluster.Network, Max: 125_000_000},
		"overbook: [kvm1], cpu: 1.5":                 {Name: "overbook-1", Kind: rule.Overbook, Nodes: []int32{0}, Resource: cluster.CPU, Max: 1500},
		"offline: kvm4":                              {Name: "offline-1", Kind: rule.Offline, Nodes: []int32{3}},
		"online: {rack: a, site: here}":              {Name: "online-1", Kind: rule.Online, Nodes: rackA},
		"moves-in: '*', max: 1":                      {Name: "moves-in-1", Kind: rule.MovesIn, Nodes: all, Max: 1},
		"moves-out: kvm2, max: 0":                    {Name: "moves-out-1", Kind: rule.MovesOut, Nodes: []int32{1}},
		"precedence: [web-3, b-1, web-*]":            {Name: "precedence-1", Kind: rule.Precedence, VMs: []int32{2, 4, 0, 1}},
	} {
		s, err := racks().WithRules([]byte("rules: [{" + text + "}]"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if len(s.Rules) != 1 || !reflect.DeepEqual(s.Rules[0], want) {
			t.Errorf("%s: got %+v, want %+v", text, s.Rules, want)
		}
	}
}

func TestRulesAreAddedToThoseOfTheSnapshot(t *testing.T) {
	before := racks()
	before.Rules = []rule.Rule{{Name: "spread-1", Kind: rule.Spread, VMs: []int32{0, 1}}}
	before.Drain = []int32{3}
	before.want(0, cluster.Terminated)
	after, err := before.WithRules([]byte(`
rules:
  - spread: [web-*]
  - &rule
    root: [db-1]
wanted:
  batch: running
  web-1: running
drain: [kvm1, kvm4]
`))
	if err != nil {
		t.Fatal(err)
	}
	if len(after.Rules) != 3 || after.Rules[1].Name != "spread-2" || after.Rules[2].Name != "root-2" {
		t.Errorf("rules are %+v", after.Rules)
	}
	r, s := cluster.Running, cluster.Sleeping
	if want := []cluster.State{r, r, r, r, r, r}; !reflect.DeepEqual(after.Wanted, want) || !reflect.DeepEqual(after.Drain, []int32{0, 3}) {
		t.Errorf("wanted %v, drain %v", after.Wanted, after.Drain)
	}
	if want := []cluster.State{cluster.Terminated, r, r, r, s, s}; len(before.Rules) != 1 || len(before.Drain) != 1 || !reflect.DeepEqual(before.Wanted, want) {
		t.Errorf("the snapshot was changed: %+v", before)
	}
}

func TestEmptySectionsOfRulesFiles(t *testing.T) {
	s, err := racks().WithRules([]byte("rules:\nwanted: ~\ndrain: []\n"))
	if err != nil || s.Rules != nil || s.Wanted != nil || len(s.Drain) != 0 {
		t.Errorf("got %+v, %v", s, err)
	}
}

func TestMistakesOfRulesAreNamedAtOnce(t *testing.T) {
	for what, test := range map[string]struct {
		text string
		want []string
	}{
		"empty":   {"\n", []string{"line 1: the text is empty"}},
		"comment": {"# nothing\n", []string{"line 1: this is not YAML: the text is empty"}},
		"list":    {"- a\n", []string{"line 1: a list, not a section of keys and values"}},
		"tab":     {"rules:\n\t- spread: [a]\n", []string{"line 2: a tab; YAML is indented with spaces"}},
		"syntax":  {"rules: [a, b\ndrain: c\n", []string{"line 2: this is not YAML: did not find expected ',' or ']'"}},
		"two":     {"drain: []\n---\ndrain: []\n", []string{"line 1: this is not YAML: expected single document"}},
		"deep":    {"drain: " + strings.Repeat("[", 30) + strings.Repeat("]", 30), []string{"line 1: lists and sections are nested too deep"}},
		"bomb":    {bomb(), []string{"line 1: the text has more than 262144 values"}},
		"keys":    {"rule: []\nrules: 7\nwanted: []\ndrain:\n", []string{"line 1: rule: there is no such key here; there are rules, wanted, drain; did you mean rules?", "line 2: rules: 7, not a list", "line 3: wanted: a list, not names with the states that are wanted"}},
		"names": {`
rules:
  - spread: [web-1, wbe-2, web-1]
  - ban: [wbe-*]
    nodes: [kvm9, {rack: c}, {}, {shelf: 1}]
  - fence: [x-*, {vjob: bathc}, {vjobs: batch}]
    nodes:
  - root: [true, null, [web-1]]
  - root: []
drain: [kvm1, hypervisor]
wanted:
  bacht: running
  web-1: waiting
  db-1: asleep
`, []string{
			`line 3: rules[0].spread: there is no VM "wbe-2"; did you mean "web-2"?`,
			`line 3: rules[0].spread: "web-1" is there twice`,
			`line 4: rules[1].ban: no VM is called like "wbe-*"; did you mean "web-*"?`,
			`line 5: rules[1].nodes: there is no node "kvm9"; did you mean "kvm1"?`,
			`line 5: rules[1].nodes: there is no node in rack c`,
			`line 5: rules[1].nodes: nodes of no site, room or rack`,
			`line 5: rules[1].nodes.shelf: there is no such key here; there are site, room, rack`,
			`line 6: rules[2].fence: no VM is called like "x-*"`,
			`line 6: rules[2].fence: there is no vjob "bathc"; did you mean "batch"?`,
			`line 6: rules[2].fence.vjobs: there is no such key here; there are vjob; did you mean vjob?`,
			`line 7: rules[2].nodes: nothing is not the name of a node`,
			`line 8: rules[3].root: true is not the name of a VM; put names that YAML takes for something else in quotes`,
			`line 8: rules[3].root: nothing is not the name of a VM`,
			`line 8: rules[3].root: a list is not the name of a VM`,
			`line 9: rules[4]: rule root-5: it names no VMs`,
			`line 10: drain: there is no node "hypervisor"`,
			`line 12: wanted.bacht: there is no VM "bacht"`,
			`line 13: wanted.web-1: VM "web-1" is running, and cannot become waiting`,
			`line 14: wanted.db-1: "asleep" is not a state`,
		}},
		"parts": {`
rules:
  - spraed: [web-1]
  - name: nothing
  - spread: [web-1]
    gather: [web-1]
  - 7
  - ban: [web-1]
  - among: [web-1]
    groups: kvm1
  - running-capacity: [kvm1]
    max: -1
  - resource-capacity: [kvm1]
  - preserve: [web-1]
    cpu: 4
    memory: 1GiB
  - overbook: [kvm1]
    cpu: 0
  - offline: [kvm1]
    holds: always
    weight: 1GiB
  - lonely: [web-1]
    holds: never
    weight: 4
    domian: rack
  - spread: [web-1]
    weight: 0B
    domain: shelf
    degraded: 7
    name: [x]
    name: y
`, []string{
			`line 3: rules[0].spraed: there is no such kind of rule; did you mean spread?`,
			`line 4: rules[1]: this says no kind of rule; there are spread, gather`,
			`line 5: rules[2]: a rule of two kinds, spread and gather; make it two rules`,
			`line 7: rules[3]: 7, not an object`,
			`line 8: rules[4]: "nodes" is missing`,
			`line 10: rules[5].groups: "kvm1", not a list`,
			`line 12: rules[6].max: -1 is not a whole number`,
			`line 13: rules[7]: it says of no resource how much; there are cpu, memory, network, disk`,
			`line 15: rules[8].cpu: "4" is not an amount of CPU; write a number and a unit`,
			`line 16: rules[8].memory: a second resource; make it two rules`,
			`line 18: rules[9].cpu: 0 is not a ratio from 0.001 to 1000`,
			`line 20: rules[10].holds: there is no such key here; there are offline, name`,
			`line 21: rules[10].weight: there is no such key here; there are offline, name`,
			`line 23: rules[11].holds: "never" is not a time; write "always" or "at the end"`,
			`line 24: rules[11].weight: "4" is not an amount of memory`,
			`line 25: rules[11].domian: there is no such key here; there are lonely, name, holds, weight`,
			`line 27: rules[12].weight: a rule that weighs nothing asks for nothing`,
			`line 28: rules[12].domain: "shelf" is not a failure domain`,
			`line 29: rules[12].degraded: 7 is neither true nor false`,
			`line 30: rules[12].name: a list is not a name`,
			`line 31: key "name" is there twice, first in line 30`,
		}},
		"contradictions": {`
rules:
  - gather: [web-1, web-2]
  - spread: [web-*]
  - fence: [db-1]
    nodes: [{rack: a}]
  - ban: [db-1]
    nodes: [kvm1, kvm2]
    name: gather-1
  - name: gather-1
    root: [db-1]
`, []string{
			`line 4: rules[1]: rule spread-2: it wants VMs "web-1" and "web-2" apart, and rule gather-2 wants them together`,
			`line 7: rules[3]: rule gather-1: with the rules before it, VM "db-1" may be on no node`,
			`line 11: rules[4]: rule gather-1: there are two of this name`,
		}},
		"contradictions of wanted states": {"wanted:\n  web-*: sleeping\n  web-1: terminated\n", []string{`line 3: wanted.web-1: VM "web-1" is to be terminated, and sleeping by "web-*"`}},
		"part of a vjob":                  {"wanted:\n  b-1: running\n", []string{`line 2: wanted: the VMs of vjob "batch" change their state together, and "b-1" is to be running, but "b-2" sleeping`}},
	} {
		t.Run(what, func(t *testing.T) {
			s := racks()
			got, err := s.WithRules([]byte(test.text))
			wantMistakes(t, err, test.want)
			if !reflect.DeepEqual(got, s) {
				t.Errorf("the snapshot is %+v in spite of the mistakes", got)
			}
		})
	}
}

// bomb is a short text whose aliases stand for 4^10 values.
func bomb() string {
	text := "a: &a [1]\n"
	for i := range 10 {
		last, next := string(rune('a'+i)), string(rune('b'+i))
		text += next + ": &" + next + " [*" + last + ", *" + last + ", *" + last + ", *" + last + "]\n"
	}
	return text
}

func TestPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"web-*", "web-1", true},
		{"web-*", "web-", true},
		{"web-*", "web", false},
		{"*", "", true},
		{"*-1", "web-1", true},
		{"*-1", "web-12", false},
		{"w*b*1", "web-1", true},
		{"w*b*1", "wb1", true},
		{"a*a", "a", false},
		{"*a*b*", "xbxa", false},
		{"a?", "ab", false},
		{"web", "web", true},
		{"web", "web-1", false},
	} {
		if got := patternOf(c.pattern).matches(c.name); got != c.want {
			t.Errorf("%q stands for %q: %t, want %t", c.pattern, c.name, got, c.want)
		}
	}
}

// eightHosts is the snapshot of the examples.
func eightHosts(t *testing.T) Snapshot {
	text, err := os.ReadFile("../examples/snapshots/eight-hosts.json")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Each example of rules is for one of the example snapshots.
func TestExamplesOfRules(t *testing.T) {
	files, err := filepath.Glob("../examples/rules/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("there are %d examples, %v", len(files), err)
	}
	snapshots, err := filepath.Glob("../examples/snapshots/*.json")
	if err != nil || len(snapshots) == 0 {
		t.Fatalf("there are %d snapshots, %v", len(snapshots), err)
	}
	for _, file := range files {
		rules, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var refusals []error
		for _, snapshot := range snapshots {
			text, err := os.ReadFile(snapshot)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Read(text)
			if err != nil {
				t.Fatalf("%s: %v", snapshot, err)
			}
			if _, err := s.WithRules(rules); err != nil {
				refusals = append(refusals, fmt.Errorf("%s: %w", snapshot, err))
			}
		}
		if len(refusals) == len(snapshots) {
			t.Errorf("%s: %v", file, errors.Join(refusals...))
		}
	}
}

// The examples of the documentation can be used as they stand there.
func TestDocumentedSnapshotsAndRules(t *testing.T) {
	docs, err := os.ReadFile("../docs/file-formats.md")
	if err != nil {
		t.Fatal(err)
	}
	block := func(after, language string) []byte {
		_, rest, ok := strings.Cut(string(docs), after)
		_, rest, begins := strings.Cut(rest, "```"+language+"\n")
		text, _, ends := strings.Cut(rest, "```\n")
		if !ok || !begins || !ends {
			t.Fatalf("there is no %s after %q", language, after)
		}
		return []byte(text)
	}
	if _, err := Read(block("### JSON of dvms", "json")); err != nil {
		t.Error(err)
	}
	s, err := eightHosts(t).WithRules(block("## Rules", "yaml"))
	if err != nil || len(s.Rules) != 4 || s.Wanted == nil || len(s.Drain) != 1 {
		t.Errorf("got %+v, %v", s, err)
	}
	script, err := os.ReadFile("../examples/gather.sh")
	if shown := block("### Hosts of libvirt", "sh"); err != nil || string(shown) != string(script) {
		t.Errorf("examples/gather.sh is not what the documentation shows, %v", err)
	}
}

// Whatever the bytes, WithRules ends with valid rules or with mistakes.
func FuzzRules(f *testing.F) {
	f.Add([]byte("rules:\n  - spread: [web-*]\n    domain: rack\n    weight: 1GiB\nwanted: {batch: running}\ndrain: [kvm1]\n"))
	f.Add([]byte("rules: [{precedence: [web-1, {vjob: batch}]}, {split: [[web-1], db-1]}, {preserve: db-1, cpu: 2 cores}]"))
	f.Add([]byte("drain: &a [{rack: a}]\nrules: [{offline: *a, holds: always}]"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := racks().WithRules(text)
		if err == nil {
			if errs := rule.Validate(s.Configuration, s.Rules); len(errs) > 0 {
				t.Fatalf("accepted, and %v", errs)
			}
			return
		}
		wrong, ok := err.(*Error)
		if !ok || len(wrong.Mistakes) == 0 || wrong.Mistakes[0].Line < 1 {
			t.Fatalf("refused with %v", err)
		}
	})
}
