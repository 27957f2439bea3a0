package check_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// hosts reads who is where: a node's number for each VM, or - if it does not run,
// or z and the node that holds its image.
func hosts(text string) (host, image []int32) {
	for _, field := range strings.Fields(text) {
		h, i := cluster.Nowhere, cluster.Nowhere
		if n, err := strconv.Atoi(strings.TrimPrefix(field, "z")); err == nil && field[0] == 'z' {
			i = int32(n)
		} else if err == nil {
			h = int32(n)
		}
		host, image = append(host, h), append(image, i)
	}
	return host, image
}

// site is five nodes, n0 and n1 in rack a, n2 and n3 in rack b, n4 in rack c,
// with room for three VMs each. VMs ask for a core and as many bytes as their
// number and ten. Those of the start that do not run wait, or sleep.
func site(start string) *cluster.Configuration {
	host, image := hosts(start)
	c := &cluster.Configuration{Host: host, Image: image}
	for n := range 5 {
		c.Nodes = append(c.Nodes, cluster.Node{
			ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Rack: "aabbc"[n : n+1], Capacity: cluster.Of(3*cluster.Core, 100),
		})
	}
	for v := range host {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: cluster.Of(cluster.Core, cluster.Bytes(10+v))})
		switch {
		case host[v] != cluster.Nowhere:
			c.State = append(c.State, cluster.Running)
		case image[v] != cluster.Nowhere:
			c.State = append(c.State, cluster.Sleeping)
		default:
			c.State = append(c.State, cluster.Waiting)
		}
	}
	return c
}

// wantedAt returns the states that end shows: a VM that does not run there sleeps
// if it ran, and else keeps its state.
func wantedAt(c *cluster.Configuration, end []int32) []cluster.State {
	wanted := make([]cluster.State, len(end))
	for v, n := range end {
		switch wanted[v] = c.StateOf(int32(v)); {
		case n != cluster.Nowhere:
			wanted[v] = cluster.Running
		case wanted[v] == cluster.Running:
			wanted[v] = cluster.Sleeping
		}
	}
	return wanted
}

// mustBeSound fails if one of the rules is wrong by itself.
func mustBeSound(t *testing.T, c *cluster.Configuration, rules []rule.Rule) {
	t.Helper()
	for _, err := range rule.Validate(c, rules) {
		if wrong := (*rule.Error)(nil); !errors.As(err, &wrong) || !wrong.Contradiction {
			t.Fatal(err)
		}
	}
}

// The truth table of each kind of rule: at the start, the end, and whether the rule
// is kept there.
func TestPlacementTruth(t *testing.T) {
	vms, nodes := func(v ...int32) []int32 { return v }, func(n ...int32) []int32 { return n }
	kept, broken := true, false
	type line struct {
		start, end string
		kept       bool
	}
	tests := []struct {
		name  string
		rules []rule.Rule // of which the first is judged
		lines []line
	}{
		{"spread over nodes", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1, 2)}}, []line{
			{"0 0 0", "0 1 2", kept},
			{"0 1 2", "0 0 2", broken},
			{"0 1 2", "0 1 -", kept},
			{"0 0 1", "0 - -", kept},
			{"0 0 0 0", "0 1 2 0", kept},
			{"0 0 0", "0 2 2", broken},
		}},
		{"spread over racks", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1), Domain: cluster.Rack}}, []line{
			{"0 0", "0 1", broken}, {"0 0", "0 2", kept}, {"0 0", "2 3", broken}, {"0 0", "4 3", kept},
		}},
		{"spread over one site", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1), Domain: cluster.Site}}, []line{
			{"0 0", "0 4", broken}, {"0 0", "- 4", kept},
		}},
		{"spread, degraded", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1, 2, 3), Domain: cluster.Rack, Degraded: true}}, []line{
			{"0 0 0 0", "0 1 2 4", kept},
			{"0 0 0 0", "0 1 2 3", kept},
			{"0 0 0 0", "0 1 0 2", broken},
			{"0 0 0 0", "0 2 4 -", kept},
			{"0 0 0 0", "0 1 4 -", broken},
		}},
		{"spread, degraded, with closed racks", []rule.Rule{
			{Kind: rule.Spread, VMs: vms(0, 1, 2, 3), Domain: cluster.Rack, Degraded: true}, {Kind: rule.Offline, Nodes: nodes(2, 3, 4)},
		}, []line{{"0 0 0 0", "0 1 0 1", kept}}},
		{"spread, degraded, with a rack half closed", []rule.Rule{
			{Kind: rule.Spread, VMs: vms(0, 1), Domain: cluster.Rack, Degraded: true}, {Kind: rule.Offline, Nodes: nodes(2, 4)},
		}, []line{{"0 0", "0 1", broken}, {"0 0", "0 3", kept}}},
		{"gather", []rule.Rule{{Kind: rule.Gather, VMs: vms(0, 1, 2)}}, []line{
			{"0 1 2", "3 3 3", kept}, {"0 1 2", "3 3 4", broken}, {"0 1 2", "3 - 3", kept}, {"0 0 0", "1 1 1", kept}, {"0 1 -", "0 - -", kept},
		}},
		{"gather, always", []rule.Rule{{Kind: rule.Gather, VMs: vms(0, 1, 2), Always: true}}, []line{
			{"0 1 2", "3 3 3", kept},
			{"0 0 0", "1 1 1", broken},
			{"0 0 0", "0 0 0", kept},
			{"0 - -", "1 1 -", kept},
			{"0 0 0", "1 - -", kept},
			{"0 0 -", "1 - 1", kept},
		}},
		{"ban", []rule.Rule{{Kind: rule.Ban, VMs: vms(0, 1), Nodes: nodes(0, 2)}}, []line{
			{"0 0 0", "1 3 0", kept}, {"0 0 0", "1 2 1", broken}, {"0 0", "- 1", kept},
		}},
		{"fence", []rule.Rule{{Kind: rule.Fence, VMs: vms(0, 1), Nodes: nodes(0, 2)}}, []line{
			{"0 0 0", "0 2 1", kept}, {"0 0 0", "1 2 1", broken}, {"0 0", "- 0", kept},
		}},
		{"root", []rule.Rule{{Kind: rule.Root, VMs: vms(0, 1)}}, []line{
			{"0 1 2", "0 1 0", kept}, {"0 1", "1 1", broken}, {"0 -", "0 3", kept}, {"0 z1", "0 3", kept}, {"0 1", "0 -", kept},
		}},
		{"lonely", []rule.Rule{{Kind: rule.Lonely, VMs: vms(0, 1)}}, []line{
			{"0 0 0", "0 0 1", kept}, {"0 0 0", "0 1 2", kept}, {"0 0 0", "0 1 1", broken}, {"0 0 0 0", "- 1 2 2", kept},
		}},
		{"among", []rule.Rule{{Kind: rule.Among, VMs: vms(0, 1), Groups: [][]int32{{0, 1}, {2, 3}}}}, []line{
			{"0 0 0", "0 1 4", kept}, {"0 0", "3 2", kept}, {"0 0", "1 2", broken}, {"0 0", "4 4", broken}, {"0 0", "- 2", kept}, {"0 0", "- -", kept},
		}},
		{"among, always", []rule.Rule{{Kind: rule.Among, VMs: vms(0, 1), Groups: [][]int32{{0, 1}, {2, 3}}, Always: true}}, []line{
			{"0 0", "0 1", kept}, {"0 0", "2 3", broken}, {"0 2", "2 3", kept}, {"0 0", "- 2", broken}, {"0 -", "- 2", kept},
		}},
		{"among overlapping groups, always", []rule.Rule{{Kind: rule.Among, VMs: vms(0), Groups: [][]int32{{0, 1}, {1, 2}}, Always: true}}, []line{
			{"1", "2", kept}, {"1", "0", kept}, {"0", "2", broken},
		}},
		{"split", []rule.Rule{{Kind: rule.Split, Sets: [][]int32{{0, 1}, {2}, {3}}}}, []line{
			{"0 0 0 0 0", "0 0 1 2 1", kept}, {"0 0 0 0", "0 1 1 2", broken}, {"0 0 0 0", "0 0 1 1", broken}, {"0 0 0 0", "0 1 - 2", kept},
		}},
		{"running capacity", []rule.Rule{{Kind: rule.RunningCapacity, Nodes: nodes(0, 1), Max: 2}}, []line{
			{"0 0 0", "0 1 2", kept}, {"0 0 0", "0 1 1", broken}, {"0 0 0", "0 1 -", kept},
		}},
		{"no running capacity", []rule.Rule{{Kind: rule.RunningCapacity, Nodes: nodes(0)}}, []line{{"0", "1", kept}, {"0", "0", broken}}},
		{"resource capacity", []rule.Rule{{Kind: rule.ResourceCapacity, Nodes: nodes(0, 1), Resource: cluster.Memory, Max: 21}}, []line{
			{"0 0 0", "0 1 2", kept}, {"0 0 0", "0 2 1", broken}, {"0 0 0", "- - 0", kept},
		}},
		{"resource capacity of what is preserved", []rule.Rule{
			{Kind: rule.ResourceCapacity, Nodes: nodes(0), Resource: cluster.Memory, Max: 21}, {Kind: rule.Preserve, VMs: vms(0), Resource: cluster.Memory, Max: 22},
		}, []line{{"0 0", "1 0", kept}, {"0 0", "0 1", broken}}},
		{"max online", []rule.Rule{{Kind: rule.MaxOnline, Nodes: nodes(0, 1, 2), Max: 2}}, []line{
			{"0 1 2", "0 1 3", kept}, {"0 1 2", "0 1 2", broken}, {"0 1 2", "0 - 2", kept},
		}},
		{"max online with one kept on", []rule.Rule{{Kind: rule.MaxOnline, Nodes: nodes(0, 1, 2), Max: 2}, {Kind: rule.Online, Nodes: nodes(2, 4)}}, []line{
			{"0 1", "0 1", broken}, {"0 1", "0 2", kept},
		}},
		{"moves in", []rule.Rule{{Kind: rule.MovesIn, Nodes: nodes(0, 1), Max: 1}}, []line{
			{"2 2 0", "0 1 0", kept}, {"2 2 2", "0 0 2", broken}, {"2 - z0", "2 0 0", broken},
		}},
		{"moves out", []rule.Rule{{Kind: rule.MovesOut, Nodes: nodes(0, 1), Max: 1}}, []line{
			{"0 1 2", "2 2 0", kept}, {"0 0 0", "1 1 0", broken}, {"0 0 z0", "- 1 2", broken},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.rules {
				test.rules[i].Name = fmt.Sprint("r", i)
			}
			for _, l := range test.lines {
				c := site(l.start)
				end, _ := hosts(l.end)
				mustBeSound(t, c, test.rules)
				request := check.Request{Rules: test.rules, Wanted: wantedAt(c, end)}
				v := check.Placement(c, request, end)
				if l.kept && len(v.Wrong) > 0 {
					t.Errorf("%s to %s: %v", l.start, l.end, v.Wrong)
				}
				if !l.kept && (len(v.Wrong) != 1 || v.Wrong[0].Reason != check.BrokenRule || v.Wrong[0].Rule != 0 || len(v.Wrong[0].VMs) == 0 && len(v.Wrong[0].Nodes) == 0) {
					t.Errorf("%s to %s: %v, want rule 0 broken", l.start, l.end, v.Wrong)
				}
				if !test.rules[0].Kind.CanBeSoft() || test.rules[0].Always {
					continue
				}
				soft := slices.Clone(test.rules)
				soft[0].Weight = 7
				request.Rules = soft
				v = check.Placement(c, request, end)
				if len(v.Wrong) > 0 || (len(v.Broken) == 0) != l.kept || !l.kept && (v.Broken[0].Rule != 0 || v.Weight != 7) {
					t.Errorf("%s to %s, soft: %+v", l.start, l.end, v)
				}
			}
		})
	}
}

// Everything that is wrong is found at once, with who has a part in it.
func TestPlacementFaults(t *testing.T) {
	c := site("0 0 0 1 2 z3")
	c.Nodes[1].State = cluster.Draining
	c.Nodes[2].Overcommit[cluster.CPU] = 500
	rules := []rule.Rule{
		{Name: "off", Kind: rule.Offline, Nodes: []int32{3}},
		{Name: "big", Kind: rule.Preserve, VMs: []int32{0}, Resource: cluster.CPU, Max: 1500},
		{Name: "apart", Kind: rule.Spread, VMs: []int32{0, 1}, Domain: cluster.Rack},
		{Name: "soft", Kind: rule.Ban, VMs: []int32{2}, Nodes: []int32{2}, Weight: 5},
		{Name: "more", Kind: rule.Overbook, Nodes: []int32{0}, Resource: cluster.CPU, Max: 800},
	}
	wanted := slices.Clone(c.State)
	wanted[5] = cluster.Waiting
	v := check.Placement(c, check.Request{Rules: rules, Wanted: wanted, Drain: []int32{4}}, []int32{0, 0, 2, 1, 4, 3})
	var got []string
	for _, f := range append(v.Wrong, v.Broken...) {
		got = append(got, fmt.Sprintf("%d %d %v %v: %s", f.Reason, f.Rule, f.VMs, f.Nodes, f.Text))
	}
	want := []string{
		`1 -1 [5] []: VM "v5" is sleeping, and no action leads from there to waiting`,
		`2 -1 [3] [1]: node "n1" is to host nobody, and hosts 1 VM`,
		`2 0 [5] [3]: node "n3" is to host nobody, and hosts 1 VM`,
		`2 -1 [4] [4]: node "n4" is to host nobody, and hosts 1 VM`,
		`3 -1 [0 1] [0]: node "n0" is asked for cpu 2.5 cores, memory 21B and has cpu 2.4 cores, memory 100B: too little cpu`,
		`4 2 [0 1] [0]: rule apart (spread) is broken by VMs v0, v1 on node n0`,
		`4 3 [2] [2]: rule soft (ban) is broken by VM v2 on node n2`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if v.Weight != 5 {
		t.Errorf("weight %v", v.Weight)
	}
}

func TestPlacementStates(t *testing.T) {
	tests := []struct {
		name, start, end string
		wanted           []cluster.State
		reason           check.Reason
		text             string // none if empty
	}{
		{"all keep theirs", "0 - z1", "0 - -", nil, 0, ""},
		{"one is started", "0 -", "0 1", nil, check.OtherState, `VM "v1" runs, and is to be waiting`},
		{"one is resumed", "0 z1", "0 1", nil, check.OtherState, `VM "v1" runs, and is to be sleeping`},
		{"one is suspended", "0 1", "0 -", nil, check.OtherState, `VM "v1" is to run, and does not`},
		{"it is to be", "0 1", "0 -", []cluster.State{cluster.Running, cluster.Sleeping}, 0, ""},
		{"it is to be stopped", "0 1", "0 -", []cluster.State{cluster.Running, cluster.Terminated}, 0, ""},
		{"one that waits is given up", "0 -", "0 -", []cluster.State{cluster.Running, cluster.Terminated}, 0, ""},
		{"it is to run", "0 -", "0 3", []cluster.State{cluster.Running, cluster.Running}, 0, ""},
		{"nobody can wait again", "0 1", "0 -", []cluster.State{cluster.Running, cluster.Waiting}, check.OtherState, `VM "v1" is running, and no action leads from there to waiting`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			end, _ := hosts(test.end)
			v := check.Placement(site(test.start), check.Request{Wanted: test.wanted}, end)
			if test.text == "" {
				if len(v.Wrong) > 0 {
					t.Error(v.Wrong)
				}
				return
			}
			if len(v.Wrong) != 1 || v.Wrong[0].Reason != test.reason || v.Wrong[0].Text != test.text {
				t.Errorf("got %v, want %s", v.Wrong, test.text)
			}
		})
	}
}

// planOf reads a plan for c. Each word is a VM, what is done with it, and the node
// where it arrives: 0>1 migrates, 0z suspends, 0^1 resumes, 0!1 runs, 0x stops.
// A word after ; starts a step, and the actions of the new step come after all of
// those before. A word after ~ starts a step too, but comes after the earlier
// actions of its VM only.
func planOf(c *cluster.Configuration, text string) plan.Plan {
	kinds := map[byte]plan.Kind{'>': plan.Migrate, 'z': plan.Suspend, '^': plan.Resume, '!': plan.Run, 'x': plan.Stop}
	host, image := slices.Clone(c.Host), slices.Clone(c.Image)
	last := map[int]int{}
	var p plan.Plan
	step, barrier := 0, 0
	for _, word := range strings.Fields(strings.NewReplacer(";", " ; ", "~", " ~ ").Replace(text)) {
		if word == ";" || word == "~" {
			step++
			if word == ";" {
				barrier = len(p.Actions)
			}
			continue
		}
		at := strings.IndexAny(word, ">z^!x")
		v, _ := strconv.Atoi(word[:at])
		a := plan.Action{Kind: kinds[word[at]], VM: c.VMs[v].ID, Memory: c.VMs[v].Demand.Memory(), Step: step}
		from := max(host[v], image[v])
		to := from
		if n, err := strconv.Atoi(word[at+1:]); err == nil {
			to = int32(n)
		}
		if from == cluster.Nowhere {
			from = to
		}
		a.Source, a.Target = c.Nodes[from].ID, c.Nodes[to].ID
		for b := range barrier {
			a.After = append(a.After, b)
		}
		if b, before := last[v]; before {
			p.Actions[b].Bypass = true
			if b >= barrier {
				a.After = append(a.After, b)
			}
		}
		last[v] = len(p.Actions)
		host[v], image[v] = cluster.Nowhere, cluster.Nowhere
		if a.Kind.Arrives() {
			host[v] = to
		} else if a.Kind == plan.Suspend {
			image[v] = from
		}
		p.Actions = append(p.Actions, a)
	}
	return p
}

// What each kind of rule allows during a plan: plans, and the action that is
// refused, if any.
func TestPlanTruth(t *testing.T) {
	vms, nodes := func(v ...int32) []int32 { return v }, func(n ...int32) []int32 { return n }
	const fine = -1
	type line struct {
		start, plan string
		wrong       int // the action
	}
	tests := []struct {
		name  string
		rules []rule.Rule // of which the first is broken if any
		lines []line
	}{
		{"spread", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1), Always: true}}, []line{
			{"0 1", "0>2", fine},
			{"0 1", "0>1", 0},
			{"0 1", "0>2 ; 1>0", fine},
			{"0 1", "0>2 1>0", 1},
			{"0 1", "0>2 ~ 1>0", 1},
			{"0 1", "0>2 ; 1>0 ; 0>1", fine},
			{"0 0", "0>1", fine},
			{"0 0", "0>1 ; 0>0", 1},
			{"0 0", "0>1 1>1", 1},
			{"0 -", "1!0", 0},
			{"0 -", "0z ; 1!0", fine},
			{"0 -", "0z 1!0", 1},
			{"0 -", "0x ~ 1!0", 1},
			{"0 z0", "0>1 ; 1^0", fine},
			{"0 1 1", "2>0", fine},
		}},
		{"spread over racks", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1), Always: true, Domain: cluster.Rack}}, []line{
			{"0 2", "0>1", fine},
			{"0 2", "1>1", 0},
			{"0 2", "0>4 ; 1>1", fine},
			{"0 2", "0>4 ~ 1>1", 1},
			{"0 2", "0>1 ; 0>4 ; 1>0", fine},
			{"0 1", "0>1", fine},
			{"0 1", "0>4 ; 0>0", 1},
			{"0 2", "0>1 ; 0>4 ~ 1>0", 2},
		}},
		{"spread, degraded", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1, 2, 3), Always: true, Domain: cluster.Rack, Degraded: true}}, []line{
			{"0 1 2 4", "0>3", fine}, {"0 1 2 4", "2>0", 0}, {"0 1 2 4", "0>4 ; 2>0", fine}, {"0 1 2 4", "0>4 ~ 2>0", 1}, {"0 1 0 4", "0>1", fine}, {"0 1 0 4", "3>1", 0},
		}},
		{"gather", []rule.Rule{{Kind: rule.Gather, VMs: vms(0, 1), Always: true}}, []line{
			{"0 0", "0>1", 0},
			{"0 0", "0>1 1>1", 1},
			{"0 1", "0>1", fine},
			{"0 1", "0>2 1>2", fine},
			{"0 2", "0>1 ; 1>0", fine},
			{"0 1", "0>1 ; 0>2", 1},
			{"0 1", "0>1 1>0", 0},
			{"0 1", "0>1 ~ 1>0", 1},
			{"0 1", "0>2 1>3", fine},
			{"0 -", "0>1", fine},
			{"0 -", "1!0", fine},
			{"0 -", "1!1", 0},
			{"0 -", "0>1 ; 1!1", fine},
			{"0 -", "0>1 1!1", 1},
			{"0 -", "0>1 ~ 1!1", 1},
			{"0 0", "0z ; 1>1", fine},
			{"0 0", "0z ~ 1>1", 1},
			{"0 0", "0z ; 1>1 ; 0^1", fine},
			{"0 0", "0z 1z ; 0^1 1^1", fine},
			{"0 1", "0>1 ~ 0>2", 1},
		}},
		{"ban", []rule.Rule{{Kind: rule.Ban, VMs: vms(0), Nodes: nodes(1, 2), Always: true}}, []line{
			{"0 0", "0>3 1>1", fine}, {"0", "0>1", 0}, {"0", "0>1 ; 0>3", 0}, {"1", "0>3", fine}, {"1", "0>2 ; 0>3", 0}, {"-", "0!2", 0},
		}},
		{"fence", []rule.Rule{{Kind: rule.Fence, VMs: vms(0), Nodes: nodes(1, 2), Always: true}}, []line{
			{"1 1", "0>2 1>0", fine}, {"1", "0>0", 0}, {"1", "0>3 ; 0>2", 0}, {"0", "0>2", fine}, {"0", "0>3 ; 0>2", 0}, {"z0", "0^1", fine}, {"z0", "0^0", 0},
		}},
		{"root", []rule.Rule{{Kind: rule.Root, VMs: vms(0, 1)}}, []line{
			{"0 0 0", "2>1", fine}, {"0 0", "0>1", 0}, {"0 0", "0>1 ; 0>0", 0}, {"0 0", "0z ; 0^0", fine}, {"0 0", "0z ; 0^1", 1}, {"0 0", "0z", fine}, {"- z0", "0!1 1^2", fine},
		}},
		{"lonely", []rule.Rule{{Kind: rule.Lonely, VMs: vms(0, 1), Always: true}}, []line{
			{"0 1 2", "0>1", fine},
			{"0 1 2", "2>1", 0},
			{"0 1 2", "0>2", 0},
			{"0 1 2", "2>3 ; 0>2", fine},
			{"0 1 2", "2>3 0>2", 1},
			{"0 1 2", "2>3 ~ 0>2", 1},
			{"0 1 1", "2>0", 0},
			{"0 1 1", "2>3", fine},
			{"0 1 2 2", "2>3 ; 3>3", fine},
			{"0 1 2 -", "3!0", 0},
			{"0 1 2 -", "0z ; 3!0", fine},
		}},
		{"among", []rule.Rule{{Kind: rule.Among, VMs: vms(0, 1, 2), Groups: [][]int32{{0, 1}, {2, 3}}, Always: true}}, []line{
			{"0 0 0", "0>1 1>1 ; 2>1", fine},
			{"0 0 0", "0>2", 0},
			{"0 0 0 0", "3>2", fine},
			{"0 0 0", "0>4 ; 0>1", 0},
			{"0 0 2", "2>1", fine},
			{"0 0 2", "2>1 ; 2>3", 1},
			{"0 0 2", "0>2", 0},
			{"0 2 -", "0>2", fine},
			{"0 2 -", "1>1", fine},
			{"0 0 -", "2!3", 0},
			{"0 0 -", "0z 1z ; 2!3", fine},
			{"0 0 -", "0z 1z ~ 2!3", 2},
			{"0 0 2", "0>4", 0},
			{"4 4 4", "0>0 1>2 2>3", fine},
			{"0 0 4", "2>2 ; 2>0", fine},
		}},
		{"among overlapping groups", []rule.Rule{{Kind: rule.Among, VMs: vms(0, 1), Groups: [][]int32{{0, 1}, {1, 2}, {0, 2}}, Always: true}}, []line{
			{"0 0", "0>1 ; 1>1 ; 0>2", fine}, {"0 0", "0>1 ~ 1>2", 1}, {"0 0", "0>1 ~ 0>2", 1}, {"0 0", "0>1 ; 1>1 ~ 0>2", 2},
		}},
		{"split", []rule.Rule{{Kind: rule.Split, Sets: [][]int32{{0, 1}, {2}}, Always: true}}, []line{
			{"0 1 2", "0>1", fine}, {"0 1 2", "0>2", 0}, {"0 1 2", "2>3 ; 0>2", fine}, {"0 1 2", "2>3 0>2", 1}, {"0 1 2", "2>3 ~ 0>2", 1}, {"0 1 0", "0>1", fine}, {"0 1 0", "1>0", 0},
		}},
		{"running capacity", []rule.Rule{{Kind: rule.RunningCapacity, Nodes: nodes(0, 1), Max: 2, Always: true}}, []line{
			{"0 1 2", "2>0", 0},
			{"0 1 2", "0>2 ; 2>0", fine},
			{"0 1 2", "0>2 2>0", 1},
			{"0 1 2", "0>2 ~ 2>0", 1},
			{"0 1 2", "0>1", 0},
			{"0 2 2", "0>1", fine},
			{"0 0 1 2", "0>3", fine},
			{"0 0 1 2", "0>3 ; 3>0", 1},
			{"0 0 1 2", "0>3 ; 1>3 ; 3>0", fine},
			{"0 1 -", "2!0", 0},
			{"0 1 -", "0x ; 2!0", fine},
		}},
		{"resource capacity", []rule.Rule{{Kind: rule.ResourceCapacity, Nodes: nodes(0, 1), Resource: cluster.Memory, Max: 23, Always: true}}, []line{
			{"0 1 2", "2>0", 0}, {"0 1 2", "1>2 ; 2>0", fine}, {"0 1 2", "1>2 ~ 2>0", 1}, {"0 2 2", "0>1", fine}, {"0 1 2", "0>1", 0}, {"0 1 z2", "0z ; 2^0", fine},
		}},
		{"max online", []rule.Rule{{Kind: rule.MaxOnline, Nodes: nodes(0, 1, 2, 3), Max: 2, Always: true}}, []line{
			{"0 1", "0>2", 0},
			{"0 1", "0>1 ; 1>0", fine},
			{"0 1", "0>1 ; 1>2", fine},
			{"0 1", "0>1 ; 1>2 ; 0>3", 2},
			{"0 1", "0>1 ; 1>2 0>3", 2},
			{"0 1", "0>1 ; 1>2 ~ 0>3", 2},
			{"0 1 1", "0>1 ; 1>3 2>3", fine},
			{"0 1", "0>1 ~ 1>2", 1},
			{"0 1", "0>4", fine},
			{"0 1", "0>4 ; 1>2", fine},
			{"0 1", "0>4 ; 1>2 ; 0>3", fine},
			{"0 1", "0>4 ; 1>2 ~ 0>3", 2},
			{"0 1 2", "0>1 ; 1>0", 1},
			{"0 1 2", "0>1 ; 1>2", fine},
		}},
		{"max online with one kept on", []rule.Rule{{Kind: rule.MaxOnline, Nodes: nodes(0, 1, 2, 3), Max: 2, Always: true}, {Kind: rule.Online, Nodes: nodes(3)}}, []line{
			{"0", "0>3", fine}, {"0", "0>1", 0},
		}},
		{"offline", []rule.Rule{{Kind: rule.Offline, Nodes: nodes(1)}}, []line{{"0 1", "0>2 1>2", fine}, {"0", "0>1 ; 0>2", 0}, {"z1", "0^1", 0}, {"z1", "0x", fine}}},
		{"moves in", []rule.Rule{{Kind: rule.MovesIn, Nodes: nodes(1, 2), Max: 1}}, []line{
			{"0 0 -", "0>1 1>2", fine}, {"0 0 -", "0>1 1>1", 1}, {"0 0 -", "0>1 ; 2!1", 1}, {"0 0", "0>1 ; 1>2 ; 1>3", fine}, {"0 0", "0>1 ; 0>2 1>2", 2}, {"0 0", "0>1 ; 0>3 1>1", 2},
		}},
		{"moves out", []rule.Rule{{Kind: rule.MovesOut, Nodes: nodes(0, 1), Max: 1}}, []line{
			{"0 1 2", "0>2 1>2", fine}, {"0 0", "0>2 1>2", 1}, {"0 0", "0z 1x", 1}, {"0 z0", "0>1 1x", fine}, {"0 z0", "0>1 1^0", fine},
		}},
		{"precedence", []rule.Rule{{Kind: rule.Precedence, VMs: vms(2, 0, 1)}}, []line{
			{"0 0 0", "2>1 ; 0>1 ; 1>1", fine},
			{"0 0 0", "2>1 ; 0>1 1>1", 2},
			{"0 0 0", "2>1 ; 1>1", fine},
			{"0 0 0", "2>1 ~ 1>1", 1},
			{"0 0 0", "0>1 ; 2>1", 0},
			{"0 0 0 0", "3>1 2>1 ; 0>1 ; 0>2 ; 1>1", fine},
			{"0 0 0 0", "2>1 ~ 2>2 ~ 0>1", 2},
			{"- - z0", "2^0 ; 0!0 ; 1!0", fine},
		}},
		{"preserve", []rule.Rule{{Kind: rule.Preserve, VMs: vms(0), Resource: cluster.CPU, Max: 2500}}, []line{{"0 1", "0>2", fine}, {"0 1", "0>1", 0}, {"0 1", "1>2 ; 0>1", fine}}},
		{"overbook", []rule.Rule{{Kind: rule.Overbook, Nodes: nodes(1), Resource: cluster.CPU, Max: 500}}, []line{{"0 0", "0>1", fine}, {"0 0", "0>1 1>1", 1}}},
		{"a soft rule", []rule.Rule{{Kind: rule.Ban, VMs: vms(0), Nodes: nodes(1), Weight: 3}}, []line{{"0", "0>1", fine}}},
		{"a soft root", []rule.Rule{{Kind: rule.Root, VMs: vms(0), Weight: 3}}, []line{{"0", "0>1", fine}}},
		{"a rule of the end", []rule.Rule{{Kind: rule.Spread, VMs: vms(0, 1)}}, []line{{"0 1", "0>1 ; 1>0", fine}, {"0 1", "0>1", fine}}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.rules {
				test.rules[i].Name = fmt.Sprint("r", i)
			}
			for _, l := range test.lines {
				c := site(l.start)
				mustBeSound(t, c, test.rules)
				p := planOf(c, l.plan)
				if err := check.Plan(c, p); err != nil && test.rules[0].Kind != rule.Overbook {
					t.Fatalf("%s, %s: wrong without rules: %v", l.start, l.plan, err)
				}
				err := check.Plan(c, p, test.rules...)
				var wrong *check.ActionError
				switch {
				case l.wrong == fine && err != nil:
					t.Errorf("%s, %s: %v", l.start, l.plan, err)
				case l.wrong != fine && !errors.As(err, &wrong):
					t.Errorf("%s, %s: %v, want action %d to be wrong", l.start, l.plan, err, l.wrong)
				case l.wrong != fine && (wrong.Index != l.wrong || wrong.Rule != 0 && test.rules[0].Kind.CanHoldAlways()):
					t.Errorf("%s, %s: %v, want action %d", l.start, l.plan, err, l.wrong)
				}
			}
		})
	}
}
