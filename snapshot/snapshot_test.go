package snapshot

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
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
		"no JSON":   {"{\n x", []string{"line 2: this is not JSON: 'x', where a key in quotes was expected"}},
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
		"own states": {
			`{"version": 1, "nodes": [
{"name": "a", "cpu": "1 core", "memory": "1GiB", "state": "offline", "overcommit": {"cpu": 0, "gpu": 2}},
{"name": "b", "cpu": "1 core", "memory": "1GiB", "state": "broken", "overcommit": 2, "rack": 7}],
"vms": [
{"name": "u", "cpu": "1 core", "memory": "1GiB", "node": "a"},
{"name": "v", "cpu": "1 core", "memory": "1GiB", "node": "b", "state": "sleeping"},
{"name": "w", "cpu": "1 core", "memory": "1GiB", "state": "running"},
{"name": "x", "cpu": "1 core", "memory": "1GiB", "image": "c"},
{"name": "y", "cpu": "1 core", "memory": "1GiB", "state": 7}],
"vjobs": [
{"name": "j", "state": "sleeping", "vms": ["u"]},
{"name": "j", "state": "running", "vms": ["x"]},
{"name": "k", "vms": 7}]}`,
			[]string{
				`line 2: nodes[0].overcommit.cpu: 0 is not a ratio from 0.001 to 1000`,
				`line 2: nodes[0].overcommit.gpu: there is no such resource`,
				`line 3: nodes[1].rack: 7 is not a string`,
				`line 3: nodes[1].state: "broken" is not a state of a node`,
				`line 3: nodes[1].overcommit: 2, not an object as in {"cpu": 1.5}`,
				`line 5: vms[0].node: node "a" is offline`,
				`line 6: vms[1].state: it is sleeping, and is on a node`,
				`line 7: vms[2].state: it is running, and is on no node`,
				`line 8: vms[3].image: there is no node "c"`,
				`line 8: vms[3].image: it has an image, but is waiting`,
				`line 9: vms[4].state: 7 is not a string`,
				`line 11: vjobs[0].vms: vjob "j" is sleeping, and its VM "u" is running`,
				`line 12: vjobs[1].name: vjob "j" is there twice`,
				`line 12: vjobs[1].vms: vjob "j" is running, and its VM "x" is waiting`,
				`line 13: vjobs[2]: "state" is missing`,
				`line 13: vjobs[2].vms: 7, not a list`,
			},
		},
		"bench that asks for more": {
			`{"schema": 1, "nodes": [{"id": 0, "cpu": 100, "mem": 4096}, {"id": 1, "cpu": 100, "mem": 4096}],
"vms": [{"id": 9, "cpu": 60, "mem": 1024, "state": "sleeping", "host": 2}, {"id": 7, "cpu": 60, "mem": 1024, "state": "waiting", "host": 0},
  {"id": 8, "cpu": 60, "mem": 1024, "state": "running", "host": 0}],
"constraints": [{"type": "fly"},
  {"type": "spread", "vms": [9, 10, 9], "nodes": [0]},
  {"type": "ban", "vms": 9, "nodes": ["0"], "continuous": 1},
  {"type": "split", "sets": [[9], 7]},
  {"type": "resource_capacity", "nodes": [0], "resource": "disk", "max": -1},
  {"type": "max_online", "nodes": [0], "max": 1}],
"wanted": {"8": "waiting", "1": "running", "9": "gone"},
"drain": [0, 0, 5],
"vjobs": [{"id": "j0", "vms": [7, 8], "state": "running"},
  {"id": "j0", "vms": [7], "state": "waiting", "wanted": "running"},
  {"id": 1}]}`,
			[]string{
				`line 2: vms[0].host: there is no node 2`,
				`line 2: vms[1].host: a VM that waits has the host -1, not 0`,
				`line 4: constraints[0].type: "fly" is not a type of constraint; there are spread`,
				`line 5: constraints[1].vms: there is no VM 10`,
				`line 5: constraints[1].vms: it names a VM twice`,
				`line 5: constraints[1].nodes: there is no such key here; there are type, continuous, vms`,
				`line 6: constraints[2].vms: 9, not a list`,
				`line 6: constraints[2].nodes: there is no node "0"`,
				`line 6: constraints[2].continuous: 1 is neither true nor false`,
				`line 7: constraints[3].sets: 7, not a list`,
				`line 8: constraints[4].resource: "disk" is not a resource of the bench`,
				`line 8: constraints[4].max: -1 is not a whole number from 0`,
				`line 9: constraints[5].type: "max_online" is not a type of constraint`,
				`line 10: wanted["8"]: VM 8 is running, and cannot become waiting`,
				`line 10: wanted["1"]: there is no VM 1`,
				`line 10: wanted["9"]: "gone" is not a state`,
				`line 11: drain: there is no node 5`,
				`line 11: drain: it names a node twice`,
				`line 12: vjobs[0]: vjob "j0" is running, and its VM 7 is waiting`,
				`line 13: vjobs[1].id: vjob "j0" is there twice`,
				`line 13: vjobs[1]: VM 7 is in vjob "j0" already`,
				`line 14: vjobs[2].id: 1 is not a string`,
				`line 14: vjobs[2]: "vms" is missing`,
				`line 14: vjobs[2]: "state" is missing`,
			},
		},
		"bench with rules that contradict each other": {
			`{"schema": 1, "nodes": [{"id": 0, "cpu": 100, "mem": 4096}, {"id": 1, "cpu": 100, "mem": 4096}],
"vms": [{"id": 0, "cpu": 6, "mem": 1, "state": "running", "host": 0}, {"id": 1, "cpu": 6, "mem": 1, "state": "running", "host": 0}],
"constraints": [
  {"type": "gather", "vms": [0, 1]},
  {"type": "spread", "vms": [0, 1]},
  {"type": "fence", "vms": [0], "nodes": [0]},
  {"type": "ban", "vms": [0], "nodes": [0]}]}`,
			[]string{
				`line 5: constraints[1]: rule spread-1: it wants VMs "vm-0" and "vm-1" apart, and rule gather-0 wants them together`,
				`line 7: constraints[3]: rule ban-3: with the rules before it, VM "vm-0" may be on no node`,
			},
		},
		"bench with rules that name nobody": {
			`{"schema": 1, "nodes": [{"id": 0, "cpu": 100, "mem": 4096}], "vms": [],
"constraints": [{"type": "spread", "vms": []}, {"type": "among", "vms": [], "groups": [[0], []]}]}`,
			[]string{
				`line 2: constraints[0]: rule spread-0: it names no VMs`,
				`line 2: constraints[1]: rule among-1: it names no VMs`,
				`line 2: constraints[1]: rule among-1: one of its groups is empty`,
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
	f.Add([]byte(askingText))
	f.Add([]byte(btrText))
	f.Add([]byte(`{"version": 1, "vjobs": [{"name": "j", "state": "running", "vms": []}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		readsOrRefuses(t, text)
		s, err := Read(text)
		own, ownErr := cluster.FromJSON(text)
		switch {
		case err == nil && s.Format == Own && (ownErr != nil || !reflect.DeepEqual(own, s.Configuration)):
			t.Fatalf("FromJSON reads %v, %v", own, ownErr)
		case err != nil && ownErr == nil:
			t.Fatalf("refused with %v what FromJSON accepts", err)
		}
	})
}

// readsOrRefuses fails unless a text is read as a valid snapshot, or refused
// with mistakes.
func readsOrRefuses(t *testing.T, text []byte) {
	s, err := Read(text)
	if err != nil {
		if e, ok := err.(*Error); !ok || len(e.Mistakes) == 0 || e.Mistakes[0].Line < 1 {
			t.Fatalf("refused with %v", err)
		}
		return
	}
	if err := s.Configuration.Validate(); err != nil {
		t.Fatalf("accepted, and %v", err)
	}
	if errs := rule.Validate(s.staying(), s.Rules); len(errs) > 0 {
		t.Fatalf("accepted, and %v", errs)
	}
	if s.Wanted != nil && len(s.Wanted) != len(s.Configuration.VMs) {
		t.Fatalf("%d VMs, %d wanted states", len(s.Configuration.VMs), len(s.Wanted))
	}
}
