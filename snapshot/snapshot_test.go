package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
)

const ownText = `{
  "version": 1,
  "nodes": [{"name": "a", "cpu": "7 cores", "memory": "32GiB"}, {"name": "b", "cpu": "7 cores", "memory": "32GiB"}],
  "vms": [{"name": "web", "cpu": "60%", "memory": "1GiB", "node": "b"}]
}`

const benchText = `{"schema": 1, "name": "two", "units": {"cpu": "1/100 core", "mem": "MB"},
"nodes": [{"id": 0, "cpu": 700, "mem": 32768}, {"id": 5, "cpu": 700, "mem": 32768}],
"vms": [{"id": 9, "cpu": 60, "mem": 1024, "state": "running", "host": 5}],
"constraints": [], "wanted": {}, "drain": []}`

func TestFormatsAreDetected(t *testing.T) {
	for _, c := range []struct {
		text, name, node, vm string
		format               Format
		id                   cluster.NodeID
	}{
		{ownText, "", "b", "web", Own, 1},
		{benchText, "two", "node5", "vm-9", Bench, 5},
	} {
		s, err := Read([]byte(c.text))
		if err != nil {
			t.Fatal(err)
		}
		n := s.Configuration.Nodes[s.Configuration.Host[0]]
		vm := s.Configuration.VMs[0]
		if s.Format != c.format || s.Name != c.name || n.Name != c.node || n.ID != c.id || vm.Name != c.vm {
			t.Errorf("got format %d, name %q, node %v, VM %v", s.Format, s.Name, n, vm)
		}
		if n.Capacity != cluster.Of(7*cluster.Core, 32*cluster.GiB) || vm.Demand != cluster.Of(600, cluster.GiB) {
			t.Errorf("capacity %v, demand %v", n.Capacity, vm.Demand)
		}
	}
}

// Each text is refused with all that is wrong with it.
func TestMistakesAreNamedAtOnce(t *testing.T) {
	for what, c := range map[string]struct {
		text string
		want []string
	}{
		"empty":     {" \n", []string{"line 1: the text is empty"}},
		"cut off":   {"{\n\"version\": 1,", []string{"line 2: the text ends too early"}},
		"no object": {"[]", []string{"line 1: a list, not a JSON object"}},
		"no JSON":   {"{\n x", []string{"line 2: this is not JSON: invalid character 'x'"}},
		"more":      {"{}\n{}", []string{"line 2: more text after the end"}},
		"deep":      {strings.Repeat("[", 100_000), []string{"line 1: lists and objects are nested too deep"}},
		"neither":   {"{}", []string{`line 1: this is no snapshot: there is neither "version"`}},
		"a plan":    {`{"steps": []}`, []string{"line 1: this is a plan, not a snapshot of a cluster"}},
		"our plan":  {`{"schema": "dvms-plan/1"}`, []string{"line 1: this is a plan"}},
		"own": {
			`{"version": 1,
"nodes": [{"name": "a", "cpu": "7 cores", "memory": "-1GiB"},
  {"name": "a", "cpu": 7, "memory": "32GiB", "color": "red"},
  3],
"vms": [{"name": "v", "cpu": "60%", "memory": "1GiB", "node": "c"},
  {"name": "v", "memory": "1GiB", "vcpus": -1, "dirty_rate": "40"},
  {"name": ""}],
"vjobs": [{"name": "j", "state": "asleep", "vms": ["w"]},
  {"name": "k", "state": "sleeping", "vms": ["v", "v"]}]}`,
			[]string{
				`line 2: nodes[0].memory: "-1GiB" is not an amount of memory`,
				`line 3: nodes[1].color: there is no such key here`,
				`line 3: nodes[1].name: node "a" is there twice`,
				`line 3: nodes[1].cpu: 7 is not an amount; write a number and a unit in quotes`,
				`line 4: nodes[2]: 3, not an object`,
				`line 5: vms[0].node: there is no node "c"`,
				`line 6: vms[1].name: VM "v" is there twice`,
				`line 6: vms[1]: "cpu" is missing`,
				`line 6: vms[1].dirty_rate: "40" is not an amount of bandwidth`,
				`line 6: vms[1].vcpus: -1 is not a whole number from 0`,
				`line 7: vms[2].name: the name is empty`,
				`line 7: vms[2]: "cpu" is missing`,
				`line 7: vms[2]: "memory" is missing`,
				`line 8: vjobs[0].state: "asleep" is not a state`,
				`line 8: vjobs[0].vms: there is no VM "w"`,
				`line 9: vjobs[1].vms: vjob "k" is sleeping, and its VM "v" is not`,
				`line 9: vjobs[1].vms: VM "v" is in vjob "k" already`,
			},
		},
		"own version":   {`{"version": 2, "nodes": []}`, []string{"line 1: version: 2 is not a whole number from 1 to 1"}},
		"own repeated":  {`{"version": 1, "version": 1}`, []string{`line 1: key "version" is there twice`}},
		"own overflow":  {strings.ReplaceAll(ownText, "32GiB", "8388600TiB"), []string{`line 5: the nodes up to "b" have too much memory`}},
		"own not UTF-8": {strings.Replace(ownText, "web", "w\xff", 1), []string{"line 4: the text is not UTF-8"}},
		"bench": {
			`{"schema": 1, "units": {"cpu": "core", "mem": "MB"}, "extra": 1,
"nodes": [{"id": 0, "cpu": 700, "mem": 32768}, {"id": 0, "cpu": -1, "mem": 1.5}],
"vms": [{"id": 9, "cpu": 60, "mem": 1024, "state": "running", "host": 7},
  {"id": 9, "cpu": 60, "mem": 1024, "state": "dead", "host": 0},
  {"id": 8, "cpu": 60, "mem": -4, "state": "running"}]}`,
			[]string{
				`line 1: extra: there is no such key here`,
				`line 1: units: cpu is to be in "1/100 core"`,
				`line 2: nodes[1]: node 0 is there twice`,
				`line 2: nodes[1].cpu: -1 is not a whole number from 0`,
				`line 2: nodes[1].mem: 1.5 is not a whole number from 0`,
				`line 3: vms[0].host: there is no node 7`,
				`line 4: vms[1]: VM 9 is there twice`,
				`line 4: vms[1].state: "dead" is not a state of a VM`,
				`line 5: vms[2].mem: -4 is not a whole number from 0`,
				`line 5: vms[2]: "host" is missing`,
			},
		},
		"bench with all that is not planned for": {
			`{"schema": 1, "nodes": [{"id": 0, "cpu": 1, "mem": 1}],
"vms": [{"id": 9, "cpu": 60, "mem": 1024, "state": "sleeping", "host": 0}, {"id": 7, "cpu": 60, "mem": 1024, "state": "waiting", "host": -1}],
"constraints": [{"type": "spread", "vms": [9]}, {"type": "ban", "vms": [9], "nodes": [0]}],
"wanted": {"9": "running"},
"drain": [0],
"vjobs": [{"id": "j0"}]}`,
			[]string{
				`line 2: this version plans repairs without rules of running VMs: the instance has 2 other VMs, the first at vms[0]`,
				`line 3: this version plans repairs without rules: the instance has 2 constraints, the first at constraints[0] ("spread")`,
				`line 4: this version plans repairs without rules: the instance has 1 wanted state, the first at wanted["9"]`,
				`line 5: this version plans repairs without rules: the instance has 1 node to drain, the first at drain[0]`,
				`line 6: this version plans repairs without rules: the instance has 1 vjob, the first at vjobs[0]`,
			},
		},
		"bench without anything": {`{"schema": 1}`, []string{`line 1: "nodes" is missing`, `line 1: "vms" is missing`}},
		"bench of the future":    {`{"schema": 2, "nodes": [], "vms": []}`, []string{"line 1: schema: 2 is not a whole number from 1 to 1"}},
		"bench overflow": {
			`{"schema": 1, "nodes": [{"id": 0, "cpu": 1, "mem": 8796093022207}, {"id": 1, "cpu": 1, "mem": 8796093022207}], "vms": []}`,
			[]string{`line 1: the nodes up to "node1" have too much memory to count`},
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := Read([]byte(c.text))
			wantMistakes(t, err, c.want)
		})
	}
}

// manyKeys are k0 to k39, and two of them again.
var manyKeys = func() string {
	var keys strings.Builder
	for i := range 40 {
		fmt.Fprintf(&keys, `, "k%d": 1`, i)
	}
	return keys.String() + `, "k3": 1, "k39": 1`
}()

func wantMistakes(t *testing.T, err error, want []string) {
	t.Helper()
	var e *Error
	if !errors.As(err, &e) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, m := range e.Mistakes {
		got = append(got, m.String())
	}
	if len(got) != len(want) {
		t.Fatalf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("got %s, want %s", got[i], want[i])
		}
	}
}

func TestRepeatedKeysAreFoundAmongMany(t *testing.T) {
	_, err := Read([]byte(`{"version": 1` + manyKeys + `}`))
	if err == nil {
		t.Fatal("accepted")
	}
	var twice []string
	for _, m := range err.(*Error).Mistakes {
		if strings.HasSuffix(m.Text, "is there twice") {
			twice = append(twice, m.Text)
		}
	}
	if len(twice) != 2 || twice[0] != `key "k3" is there twice` || twice[1] != `key "k39" is there twice` {
		t.Errorf("got %q", twice)
	}
}

func TestManyMistakesAreCutShort(t *testing.T) {
	e := &Error{make([]Mistake, 23)}
	if text := e.Error(); !strings.HasPrefix(text, "23 mistakes\n") || !strings.HasSuffix(text, "\n  and 3 more") || strings.Count(text, "\n") != 21 {
		t.Errorf("got %q", text)
	}
}

// Whatever the bytes, Read ends with a valid configuration or with mistakes,
// and it agrees with cluster.FromJSON about the form that they share. (The
// fuzzer can't see a number that is read as another number.)
func FuzzRead(f *testing.F) {
	f.Add([]byte(ownText))
	f.Add([]byte(benchText))
	f.Add([]byte(`{"version": 1, "vjobs": [{"name": "j", "state": "running", "vms": []}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := Read(text)
		if err == nil {
			if err := s.Configuration.Validate(); err != nil {
				t.Fatalf("accepted, and %v", err)
			}
			if own, err := cluster.FromJSON(text); s.Format == Own && (err != nil || !reflect.DeepEqual(own, s.Configuration)) {
				t.Fatalf("FromJSON reads %v, %v", own, err)
			}
			return
		}
		var e *Error
		if !errors.As(err, &e) || len(e.Mistakes) == 0 || e.Mistakes[0].Line < 1 {
			t.Fatalf("refused with %v", err)
		}
		if _, err := cluster.FromJSON(text); err == nil {
			t.Fatalf("refused with %v what FromJSON accepts", e)
		}
	})
}

// Whatever the bytes, ReadPlan ends with mistakes, or with a plan that the
// checker can judge and that is the same plan when it is written and read.
func FuzzReadPlan(f *testing.F) {
	c, p := swap()
	f.Add(BenchPlan(p))
	f.Add([]byte(`{"schema": "dvms-plan/1", "steps": [{"moves": [{"vm": "x", "from": "a", "to": "c", "memory_bytes": 3, "detour": true, "after": []}]},
{"moves": [{"vm": "x", "from": "c", "to": "a", "memory_bytes": 3, "after": [1, 7]}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ReadPlan(text, c)
		if err != nil {
			return
		}
		_ = check.Plan(c, p) // it must not panic
		again, err := ReadPlan(BenchPlan(p), c)
		if err != nil || !bytes.Equal(BenchPlan(again), BenchPlan(p)) {
			t.Fatalf("%s is read back as %s, %v", BenchPlan(p), BenchPlan(again), err)
		}
	})
}

// swap is three nodes of which two are to swap their VMs through the third.
func swap() (*cluster.Configuration, plan.Plan) {
	c := &cluster.Configuration{
		Nodes: []cluster.Node{
			{ID: 10, Name: "a", Capacity: cluster.Of(1000, 4)},
			{ID: 11, Name: "b", Capacity: cluster.Of(1000, 4)},
			{ID: 12, Name: "c", Capacity: cluster.Of(1000, 4)},
		},
		VMs:  []cluster.VM{{ID: 20, Name: "x", Demand: cluster.Of(900, 3)}, {ID: 21, Name: "y", Demand: cluster.Of(900, 2)}},
		Host: []int32{0, 1},
	}
	p, err := plan.Make(c, []int32{1, 0})
	if err != nil {
		panic(err)
	}
	return c, p
}

func TestBenchPlansAreReadBack(t *testing.T) {
	c, p := swap()
	got, err := ReadPlan(BenchPlan(p), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Plan(c, got); err != nil {
		t.Errorf("the plan is not valid any more: %v", err)
	}
	if !bytes.Equal(BenchPlan(got), BenchPlan(p)) || len(p.Steps()) != 3 {
		t.Errorf("got\n%s\nwant\n%s", BenchPlan(got), BenchPlan(p))
	}
}

func TestOwnPlansAreRead(t *testing.T) {
	c, _ := swap()
	step := func(vm, from, to string, memory int, more string) string {
		return fmt.Sprintf(`{"moves": [{"vm": %q, "from": %q, "to": %q, "memory_bytes": %d%s}]}`, vm, from, to, memory, more)
	}
	text := `{"schema": "dvms-plan/1", "steps": [` + step("y", "b", "c", 2, `, "detour": true, "after": []`) + "," +
		step("x", "a", "b", 3, `, "after": [1]`) + "," + step("y", "c", "a", 2, "") + `]}`
	got, err := ReadPlan([]byte(text), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Plan(c, got); err != nil || len(got.Actions) != 3 {
		t.Errorf("%d moves, %v", len(got.Actions), err)
	}
	if after := got.Actions[2].After; len(after) != 1 || after[0] != 1 {
		t.Errorf("without a key the last move waits for %v, want the step before", after)
	}
}

func TestMistakesOfPlansAreNamedAtOnce(t *testing.T) {
	c, _ := swap()
	for what, test := range map[string]struct {
		text string
		want []string
	}{
		"neither":   {`{}`, []string{"line 1: this is no plan"}},
		"snapshot":  {ownText, []string{"line 1: this is no plan"}},
		"own empty": {`{"schema": "dvms-plan/1"}`, []string{`line 1: "steps" is missing`}},
		"own": {
			`{"schema": "dvms-plan/1", "steps": [{"moves": [
{"vm": "z", "from": "a", "to": 3, "memory_bytes": 1},
{"vm": "x", "from": "a", "to": "b", "memory_bytes": -1},
{"vm": "x", "from": "a", "to": "b", "memory_bytes": 3, "detour": 1, "after": [0]}]},
{"moves": {}}, {}]}`,
			[]string{
				`line 2: steps[0].moves[0].vm: the snapshot has no VM "z"`,
				`line 2: steps[0].moves[0].to: the snapshot has no node 3`,
				`line 3: steps[0].moves[1].memory_bytes: -1 is not a whole number`,
				`line 4: steps[0].moves[2].detour: 1 is neither true nor false`,
				`line 4: steps[0].moves[2].after: 0 is not the number of a move`,
				`line 5: steps[1].moves: an object, not a list`,
				`line 5: steps[2]: "moves" is missing`,
			},
		},
		"bench": {
			`{"steps": [[
{"action": "migrate", "vm": 22, "from": 10, "to": 11},
{"action": "suspend", "vm": 20, "from": 10},
{"action": "fly", "vm": 20},
{"action": "migrate", "vm": "x", "from": 10, "to": 11}], 7, [8]]}`,
			[]string{
				"line 2: steps[0][0].vm: the snapshot has no VM 22",
				"line 3: steps[0][1].action: this version judges plans of migrations only, and this is a suspend",
				`line 4: steps[0][2].action: "fly" is not an action`,
				`line 5: steps[0][3].vm: the snapshot has no VM "x"`,
				"line 5: steps[1]: 7, not a list",
				"line 5: steps[2][0]: 8, not an object",
			},
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := ReadPlan([]byte(test.text), c)
			wantMistakes(t, err, test.want)
		})
	}
}
