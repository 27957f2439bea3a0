package snapshot

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
)

// Whatever the bytes, ReadPlan ends with mistakes, or with a plan that the
// checker can judge and that, once it is written as the bench does, is read as
// the same plan. (The bench does not say where images are, nor stops VMs that
// wait, so what it says is compared with itself.)
func FuzzReadPlan(f *testing.F) {
	c, p := swap()
	all := states()
	f.Add(BenchPlan(p))
	f.Add(BenchPlan(allKinds()))
	f.Add([]byte(`{"schema": "dvms-plan/1", "steps": [{"moves": [{"vm": "x", "from": "a", "to": "c", "memory_bytes": 3, "detour": true, "after": []}]},
{"moves": [{"vm": "x", "from": "c", "to": "a", "memory_bytes": 3, "after": [1, 7]}]}]}`))
	f.Add([]byte(`{"schema": "dvms-plan/1", "steps": [{"moves": [{"action": "resume", "vm": "y", "to": "a", "memory_bytes": 3}]}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, c := range []*cluster.Configuration{c, all} {
			p, err := ReadPlan(text, c)
			if err != nil {
				continue
			}
			_ = check.Plan(c, p) // it must not panic
			once, err := ReadPlan(BenchPlan(p), c)
			if err != nil {
				t.Fatalf("%s: %v", BenchPlan(p), err)
			}
			again, err := ReadPlan(BenchPlan(once), c)
			if err != nil || !bytes.Equal(BenchPlan(again), BenchPlan(once)) {
				t.Fatalf("%s is read back as %s, %v", BenchPlan(once), BenchPlan(again), err)
			}
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

// states is two nodes and VMs in all states: x runs on a, y sleeps on b, z
// waits, and s sleeps where all nodes reach it.
func states() *cluster.Configuration {
	vm := func(id cluster.VMID, name string) cluster.VM {
		return cluster.VM{ID: id, Name: name, Demand: cluster.Of(100, 7)}
	}
	return &cluster.Configuration{
		Nodes: []cluster.Node{{ID: 10, Name: "a", Capacity: cluster.Of(1000, 64)}, {ID: 11, Name: "b", Capacity: cluster.Of(1000, 64)}},
		VMs:   []cluster.VM{vm(20, "x"), vm(21, "y"), vm(22, "z"), vm(23, "s")},
		Host:  []int32{0, cluster.Nowhere, cluster.Nowhere, cluster.Nowhere},
		State: []cluster.State{cluster.Running, cluster.Sleeping, cluster.Waiting, cluster.Sleeping},
		Image: []int32{cluster.Nowhere, 1, cluster.Nowhere, cluster.Nowhere},
	}
}

// allKinds suspends x on a and resumes it on b, resumes y and s on a, and runs z,
// then stops it.
func allKinds() plan.Plan {
	return plan.Plan{Actions: []plan.Action{
		{Kind: plan.Suspend, VM: 20, Source: 10, Target: 10, Memory: 7, Step: 0},
		{Kind: plan.Resume, VM: 21, Source: 11, Target: 10, Memory: 7, Step: 0},
		{Kind: plan.Run, VM: 22, Source: 11, Target: 11, Memory: 7, Step: 0},
		{Kind: plan.Resume, VM: 20, Source: 10, Target: 11, Memory: 7, Step: 1, After: []int{0, 1, 2}},
		{Kind: plan.Resume, VM: 23, Source: 10, Target: 10, Memory: 7, Step: 1, After: []int{0, 1, 2}},
		{Kind: plan.Stop, VM: 22, Source: 11, Target: 11, Memory: 7, Step: 1, After: []int{0, 1, 2}},
		{Kind: plan.Migrate, VM: 21, Source: 10, Target: 11, Memory: 7, Step: 1, After: []int{0, 1, 2}},
	}}
}

func TestBenchPlansHaveAllKindsOfActions(t *testing.T) {
	want := allKinds()
	text := BenchPlan(want)
	const written = `{"steps": [
  [{"action": "suspend", "vm": 20, "from": 10},
   {"action": "resume", "vm": 21, "to": 10},
   {"action": "run", "vm": 22, "to": 11}],
  [{"action": "resume", "vm": 20, "to": 11},
   {"action": "resume", "vm": 23, "to": 10},
   {"action": "stop", "vm": 22, "from": 11},
   {"action": "migrate", "vm": 21, "from": 10, "to": 11}]]}
`
	if string(text) != written {
		t.Errorf("got\n%s\nwant\n%s", text, written)
	}
	got, err := ReadPlan(text, states())
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("read back as %+v, %v, want %+v", got, err, want)
	}
}

// An image lies where the VM was suspended, though it began elsewhere. And a VM
// that is suspended where it has moved to was on no detour.
func TestImagesInBenchPlans(t *testing.T) {
	got, err := ReadPlan([]byte(`{"steps": [[{"action": "migrate", "vm": 20, "from": 10, "to": 11}], [{"action": "suspend", "vm": 20, "from": 11}],
[{"action": "resume", "vm": 20, "to": 10}]]}`), states())
	if err != nil {
		t.Fatal(err)
	}
	if resume := got.Actions[2]; resume.Source != 11 || resume.Target != 10 {
		t.Errorf("the image is on %d and resumed on %d, want 11 and 10", resume.Source, resume.Target)
	}
	if got.Actions[0].Bypass {
		t.Error("the migration is a detour")
	}
}

// A stop need not say where the VM is, and one of a VM that waits is no action
// of ours.
func TestStopsInBenchPlans(t *testing.T) {
	got, err := ReadPlan([]byte(`{"steps": [[{"action": "stop", "vm": 21}, {"action": "stop", "vm": 22}]]}`), states())
	if err != nil || len(got.Actions) != 1 || got.Actions[0].VM != 21 || got.Actions[0].Source != 11 || got.Actions[0].Target != 11 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestOwnPlansHaveAllKindsOfActions(t *testing.T) {
	text := `{"schema": "dvms-plan/1", "steps": [{"moves": [
{"action": "suspend", "vm": "x", "from": "a", "memory_bytes": 7},
{"action": "resume", "vm": "y", "from": "b", "to": "a", "memory_bytes": 7},
{"action": "run", "vm": "z", "from": null, "to": "b", "memory_bytes": 7}]}, {"moves": [
{"action": "resume", "vm": "x", "to": "b", "memory_bytes": 7},
{"action": "resume", "vm": "s", "to": "a", "memory_bytes": 7},
{"action": "stop", "vm": "z", "from": "b", "to": "b", "memory_bytes": 7},
{"vm": "y", "from": "a", "to": "b", "memory_bytes": 7}]}]}`
	got, err := ReadPlan([]byte(text), states())
	if want := allKinds(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
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
		"own kinds": {
			`{"schema": "dvms-plan/1", "steps": [{"moves": [
{"action": "run", "vm": "x", "from": "a", "to": "b", "memory_bytes": 1},
{"action": "run", "vm": "x", "from": "a", "memory_bytes": 1},
{"action": "suspend", "vm": "x", "to": "a", "memory_bytes": 1},
{"action": 7, "vm": "x"}]}]}`,
			[]string{
				`line 2: steps[0].moves[0].to: a run has one node, and this is another one than in "from"`,
				`line 3: steps[0].moves[1]: "to" is missing`,
				`line 4: steps[0].moves[2]: "from" is missing`,
				`line 5: steps[0].moves[3].action: 7 is not an action`,
			},
		},
		"bench": {
			`{"steps": [[
{"action": "migrate", "vm": 22, "from": 10, "to": 11},
{"action": "suspend", "vm": 20, "from": 10},
{"action": "fly", "vm": 20},
{"action": "resume", "vm": 20, "from": 10, "at": 11},
{"vm": 20},
{"action": "migrate", "vm": "x", "from": 10, "to": 11}], 7, [8]]}`,
			[]string{
				"line 2: steps[0][0].vm: the snapshot has no VM 22",
				`line 4: steps[0][2].action: "fly" is not an action`,
				"line 5: steps[0][3].at: there is no such key here; there are action, vm, from, to",
				`line 5: steps[0][3]: "to" is missing`,
				`line 6: steps[0][4]: "action" is missing`,
				`line 7: steps[0][5].vm: the snapshot has no VM "x"`,
				"line 7: steps[1]: 7, not a list",
				"line 7: steps[2][0]: 8, not an object",
			},
		},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := ReadPlan([]byte(test.text), c)
			wantMistakes(t, err, test.want)
		})
	}
}
