package rule_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/rule"
)

// world is four nodes, two of them in a rack, with VMs that ask for a core each.
// v0 to v3 run on the node of their number; v4 waits.
func world() *cluster.Configuration {
	c := &cluster.Configuration{Host: []int32{0, 1, 2, 3, cluster.Nowhere}}
	for n := range 4 {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Rack: "aabc"[n : n+1], Capacity: cluster.Of(4*cluster.Core, 100)})
	}
	for v := range 5 {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v), Demand: cluster.Of(cluster.Core, 10)})
	}
	return c
}

func lines(errs []error) string {
	var b strings.Builder
	for _, err := range errs {
		fmt.Fprintln(&b, err)
	}
	return b.String()
}

// Each mistake that a rule can have by itself.
func TestValidateMistakes(t *testing.T) {
	vms, nodes := []int32{0, 1}, []int32{0, 1}
	tests := []struct {
		rule rule.Rule
		want string // after "rule r: "; none if empty
	}{
		{rule.Rule{Kind: rule.Spread, VMs: vms}, ""},
		{rule.Rule{Kind: rule.NumKinds}, "it is of no known kind, Kind(18)"},
		{rule.Rule{Kind: rule.Spread}, "it names no VMs"},
		{rule.Rule{Kind: rule.Spread, VMs: []int32{0, 5}}, "it names number 5 of the VMs, and there are 5"},
		{rule.Rule{Kind: rule.Spread, VMs: []int32{-1, 0}}, "it names number -1 of the VMs, and there are 5"},
		{rule.Rule{Kind: rule.Spread, VMs: []int32{1, 1}}, "it names one of the VMs twice"},
		{rule.Rule{Kind: rule.Spread, VMs: []int32{1, 0}}, "its VMs are not in ascending order"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Nodes: nodes}, "spread has no nodes"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Max: 1}, "spread has no maximum"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Sets: [][]int32{vms, {2}}}, "spread has no sets"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Groups: [][]int32{nodes}}, "spread has no groups"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Resource: cluster.Memory}, "spread has no resource memory"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Domain: 4}, "spread has no domain Domain(4)"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Domain: cluster.Rack, Degraded: true}, ""},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Weight: -1}, "spread cannot have the weight -1B"},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Weight: 1}, ""},
		{rule.Rule{Kind: rule.Spread, VMs: vms, Weight: 1, Always: true}, "it has a weight, so it can hold in the end only"},
		{rule.Rule{Kind: rule.Gather, VMs: vms, Domain: cluster.Rack}, "gather has no domain rack"},
		{rule.Rule{Kind: rule.Gather, VMs: vms, Degraded: true}, "only spread can be degraded"},
		{rule.Rule{Kind: rule.Ban, VMs: vms}, "it names no nodes"},
		{rule.Rule{Kind: rule.Ban, VMs: vms, Nodes: []int32{4}}, "it names number 4 of the nodes, and there are 4"},
		{rule.Rule{Kind: rule.Ban, VMs: vms, Nodes: []int32{1, 0}}, "its nodes are not in ascending order"},
		{rule.Rule{Kind: rule.Root, VMs: vms, Always: true}, "root has no choice of when it holds"},
		{rule.Rule{Kind: rule.Among, VMs: vms}, "it has 0 groups, and is to have 1"},
		{rule.Rule{Kind: rule.Among, VMs: vms, Groups: [][]int32{{0, 1}, {1, 2}}}, ""},
		{rule.Rule{Kind: rule.Among, VMs: vms, Groups: [][]int32{{0}, {}}}, "one of its groups is empty"},
		{rule.Rule{Kind: rule.Among, VMs: vms, Groups: [][]int32{{1, 0}}}, "its groups are not in ascending order"},
		{rule.Rule{Kind: rule.Among, VMs: vms, Groups: [][]int32{{4}}}, "its groups name number 4, and there are 4"},
		{rule.Rule{Kind: rule.Split, Sets: [][]int32{{0}}}, "it has 1 sets, and is to have 2"},
		{rule.Rule{Kind: rule.Split, Sets: [][]int32{{0, 1}, {1, 2}}}, "its sets are not disjoint"},
		{rule.Rule{Kind: rule.Split, Sets: [][]int32{{0}, {5}}}, "its sets name number 5, and there are 5"},
		{rule.Rule{Kind: rule.RunningCapacity, Nodes: nodes, Max: -1}, "its maximum is -1"},
		{rule.Rule{Kind: rule.RunningCapacity, Nodes: nodes, Max: 1, VMs: vms}, "running-capacity has no VMs"},
		{rule.Rule{Kind: rule.ResourceCapacity, Nodes: nodes, Resource: cluster.NumResources}, "resource-capacity has no resource Resource(4)"},
		{rule.Rule{Kind: rule.Overbook, Nodes: nodes}, "its ratio is 0; it is to be from 0.001 to 1000"},
		{rule.Rule{Kind: rule.Overbook, Nodes: nodes, Max: 1_000_001}, "its ratio is 1000.001; it is to be from 0.001 to 1000"},
		{rule.Rule{Kind: rule.Overbook, Nodes: nodes, Max: 1000, Weight: 1}, "overbook cannot have the weight 1B"},
		{rule.Rule{Kind: rule.MovesIn, Nodes: nodes, Max: 1, Always: true}, "moves-in has no choice of when it holds"},
		{rule.Rule{Kind: rule.Precedence, VMs: []int32{1, 0}}, ""},
		{rule.Rule{Kind: rule.Precedence, VMs: []int32{1, 0, 1}}, "it names one of the VMs twice"},
	}
	for _, test := range tests {
		test.rule.Name = "r"
		want := ""
		if test.want != "" {
			want = "rule r: " + test.want + "\n"
		}
		errs := rule.Validate(world(), []rule.Rule{test.rule})
		if got := lines(errs); got != want {
			t.Errorf("%+v:\ngot  %swant %s", test.rule, got, want)
		}
		for _, err := range errs {
			if wrong := (*rule.Error)(nil); !errors.As(err, &wrong) || wrong.Rule != 0 || wrong.Contradiction {
				t.Errorf("%+v: %#v", test.rule, err)
			}
		}
	}
}

// All mistakes are named at once, in the order of the rules, contradictions among
// the others too.
func TestValidateNamesAll(t *testing.T) {
	errs := rule.Validate(world(), []rule.Rule{
		{Name: "a", Kind: rule.Spread, VMs: []int32{0, 1}},
		{Name: "a", Kind: rule.Spread, Nodes: []int32{2}},
		{Kind: rule.Ban, VMs: []int32{7}, Nodes: []int32{0}},
		{Name: "b", Kind: rule.Gather, VMs: []int32{0, 1}},
	})
	want := `rule a: it wants VMs "v0" and "v1" apart, and rule b wants them together
rule a: there are two of this name
rule a: it names no VMs
rule a: spread has no nodes
rule : it has no name
rule : it names number 7 of the VMs, and there are 5
`
	if got := lines(errs); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestValidateContradictions(t *testing.T) {
	r := func(kind rule.Kind, vms, nodes []int32, maximum int64) rule.Rule {
		return rule.Rule{Kind: kind, VMs: vms, Nodes: nodes, Max: maximum}
	}
	is := func(members ...int32) []int32 { return members }
	soft := func(r rule.Rule) rule.Rule { r.Weight = 1; return r }
	split := rule.Rule{Kind: rule.Split, Sets: [][]int32{{0, 2}, {1}}}
	among := rule.Rule{Kind: rule.Among, VMs: is(0, 1), Groups: [][]int32{{0, 1}, {2, 3}}}
	racks := rule.Rule{Kind: rule.Spread, VMs: is(0, 1, 2, 3), Domain: cluster.Rack}
	degraded := racks
	degraded.Degraded = true
	cores := func(n int64) rule.Rule {
		return rule.Rule{Kind: rule.ResourceCapacity, Nodes: is(0, 1), Resource: cluster.CPU, Max: n}
	}
	ratio := func(nodes []int32, resource cluster.Resource, ratio int64) rule.Rule {
		return rule.Rule{Kind: rule.Overbook, Nodes: nodes, Resource: resource, Max: ratio}
	}
	const apart01, two01 = `it wants VMs "v0" and "v1" apart, and rule r0 wants them together`, `VM "v1" may be on no node that the others may be on`
	tests := []struct {
		name  string
		rules []rule.Rule
		want  string // with the number of the rule; none if empty
	}{
		{"gather and spread", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Spread, is(0, 1, 2), nil, 0)}, "r1: " + apart01},
		{"gather and soft spread", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), soft(r(rule.Spread, is(0, 1, 2), nil, 0))}, ""},
		{"soft gather and spread", []rule.Rule{soft(r(rule.Gather, is(0, 1), nil, 0)), r(rule.Spread, is(0, 1, 2), nil, 0)}, ""},
		{"gather and spread of others", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Spread, is(1, 2), nil, 0)}, ""},
		{"gather one that waits", []rule.Rule{r(rule.Gather, is(0, 4), nil, 0), r(rule.Spread, is(0, 4), nil, 0)}, ""},
		{"gather by way of another", []rule.Rule{r(rule.Gather, is(0, 2), nil, 0), r(rule.Gather, is(1, 2), nil, 0), r(rule.Spread, is(0, 1), nil, 0)}, `r2: it wants VMs "v0" and "v1" apart, and rule r1 wants them together`},
		{"gather and split", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), split}, "r1: " + apart01},
		{"gather and a split of others", []rule.Rule{r(rule.Gather, is(0, 2), nil, 0), split}, ""},
		{"gather and lonely", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Lonely, is(0), nil, 0)}, "r1: " + apart01},
		{"gather and lonely together", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Lonely, is(0, 1), nil, 0)}, ""},
		{"gather and disjoint fences", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Fence, is(0), is(0, 1), 0), r(rule.Fence, is(1), is(2, 3), 0)}, "r0: " + two01},
		{"gather and fences that meet", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Fence, is(0), is(0, 2), 0), r(rule.Fence, is(1), is(2, 3), 0)}, ""},
		{"gather, and bans of all", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Ban, is(0), is(0, 1), 0), r(rule.Ban, is(1), is(2, 3), 0)}, "r0: " + two01},
		{"gather, a ban and a fence", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Ban, is(0), is(0, 1), 0), r(rule.Fence, is(1), is(0), 0)}, "r0: " + two01},
		{"gather and roots", []rule.Rule{r(rule.Gather, is(0, 1), nil, 0), r(rule.Root, is(0, 1), nil, 0)}, "r0: " + two01},
		{"ban of all nodes", []rule.Rule{r(rule.Ban, is(0), is(0, 1, 2, 3), 0)}, `r0: with the rules before it, VM "v0" may be on no node`},
		{"ban of all nodes for one that waits", []rule.Rule{r(rule.Ban, is(4), is(0, 1, 2, 3), 0)}, ""},
		{"two bans", []rule.Rule{r(rule.Ban, is(0), is(0, 1), 0), r(rule.Ban, is(0), is(1, 2, 3), 0), r(rule.Ban, is(0), is(1), 0)}, `r1: with the rules before it, VM "v0" may be on no node`},
		{"fence and ban", []rule.Rule{r(rule.Fence, is(0), is(0, 1), 0), r(rule.Ban, is(0), is(0, 1, 2), 0)}, `r1: with the rules before it, VM "v0" may be on no node`},
		{"disjoint fences", []rule.Rule{r(rule.Fence, is(0, 1, 2), is(0, 1), 0), r(rule.Fence, is(0, 1, 3), is(2), 0)}, `r1: with the rules before it, VM "v0" and 1 more may be on no node`},
		{"root and ban", []rule.Rule{r(rule.Root, is(0), nil, 0), r(rule.Ban, is(0), is(0), 0)}, `r1: with the rules before it, VM "v0" may be on no node`},
		{"root and fence", []rule.Rule{r(rule.Fence, is(0), is(1), 0), r(rule.Root, is(0), nil, 0)}, `r1: with the rules before it, VM "v0" may be on no node`},
		{"root and soft ban", []rule.Rule{r(rule.Root, is(0), nil, 0), soft(r(rule.Ban, is(0), is(0), 0))}, ""},
		{"root and offline", []rule.Rule{r(rule.Root, is(0), nil, 0), r(rule.Offline, nil, is(0), 0)}, `r0: with the rules before it, VM "v0" may be on no node`},
		{"fence and offline", []rule.Rule{r(rule.Fence, is(0), is(0, 1), 0), r(rule.Offline, nil, is(0, 1), 0)}, `r0: with the rules before it, VM "v0" may be on no node`},
		{"fence and no capacity", []rule.Rule{r(rule.RunningCapacity, nil, is(0, 1), 0), r(rule.Fence, is(0), is(0, 1), 0)}, `r1: with the rules before it, VM "v0" may be on no node`},
		{"fences and little capacity", []rule.Rule{r(rule.RunningCapacity, nil, is(0, 1), 1), r(rule.Fence, is(0, 2), is(0, 1), 0)}, `r0: there are 2 VMs that may be on its nodes only`},
		{"fences and enough capacity", []rule.Rule{r(rule.RunningCapacity, nil, is(0, 1), 2), r(rule.Fence, is(0, 2, 4), is(0, 1), 0)}, ""},
		{"bans and little capacity", []rule.Rule{r(rule.RunningCapacity, nil, is(0, 1), 1), r(rule.Ban, is(0, 2), is(2, 3), 0)}, `r0: there are 2 VMs that may be on its nodes only`},
		{"all nodes have little capacity", []rule.Rule{r(rule.RunningCapacity, nil, is(0, 1, 2, 3), 3)}, `r0: there are 4 VMs that may be on its nodes only`},
		{"fences and few cores", []rule.Rule{cores(1999), r(rule.Fence, is(0, 2), is(0, 1), 0)}, `r0: VMs that may be on its nodes only ask for 2000 of cpu`},
		{"fences and enough cores", []rule.Rule{cores(2000), r(rule.Fence, is(0, 2), is(0, 1), 0)}, ""},
		{"fences, and cores are preserved", []rule.Rule{cores(2000), r(rule.Fence, is(0, 2), is(0, 1), 0), r(rule.Preserve, is(2), nil, 1500)}, `r0: VMs that may be on its nodes only ask for 2500 of cpu`},
		{"more VMs than racks", []rule.Rule{racks}, "r0: it wants 4 VMs in different racks, and 3 may host VMs"},
		{"more VMs than racks, degraded", []rule.Rule{degraded}, ""},
		{"more VMs than nodes that are open", []rule.Rule{r(rule.Offline, nil, is(3), 0), r(rule.Spread, is(0, 1, 2, 3), nil, 0)}, "r1: it wants 4 VMs in different nodes, and 3 may host VMs"},
		{"as many VMs as nodes", []rule.Rule{r(rule.Spread, is(0, 1, 2, 3, 4), nil, 0)}, ""},
		{"among, and fences of both groups", []rule.Rule{among, r(rule.Fence, is(0), is(0), 0), r(rule.Fence, is(1), is(2), 0)}, "r0: in each of its groups there is no node for one of its VMs"},
		{"among and a ban", []rule.Rule{among, r(rule.Ban, is(0), is(0, 1), 0)}, ""},
		{"among and closed nodes", []rule.Rule{among, r(rule.Offline, nil, is(0, 1, 2), 0), r(rule.Ban, is(1), is(3), 0)}, "r0: in each of its groups there is no node for one of its VMs\nrule r2: with the rules before it, VM \"v1\" may be on no node"},
		{"on and off", []rule.Rule{r(rule.Offline, nil, is(0, 2), 0), r(rule.Online, nil, is(1, 2), 0)}, `r1: rule r0 wants node "n2" offline`},
		{"too many on", []rule.Rule{r(rule.MaxOnline, nil, is(0, 1, 2), 1), r(rule.Online, nil, is(0, 3), 0), r(rule.Online, nil, is(0, 1), 0)}, "r0: other rules keep 2 of its nodes on"},
		{"enough on", []rule.Rule{r(rule.MaxOnline, nil, is(0, 1, 2), 1), r(rule.Online, nil, is(0, 3), 0)}, ""},
		{"too many rooted", []rule.Rule{r(rule.MaxOnline, nil, is(0, 1, 2), 2), r(rule.Online, nil, is(0), 0), r(rule.Root, is(1), nil, 0), r(rule.Fence, is(0), is(2), 0)}, "r0: other rules keep 3 of its nodes on"},
		{"overbooked twice", []rule.Rule{ratio(is(0, 1), cluster.CPU, 1500), ratio(is(1, 2), cluster.CPU, 2000)}, `r1: rule r0 says otherwise about the cpu of node "n1"`},
		{"overbooked twice alike", []rule.Rule{ratio(is(0, 1), cluster.CPU, 1500), ratio(is(1, 2), cluster.CPU, 1500), ratio(is(1), cluster.Memory, 1100)}, ""},
		{"precedence both ways", []rule.Rule{r(rule.Precedence, is(0, 1), nil, 0), r(rule.Precedence, is(1, 0), nil, 0)}, `r1: with the rules before it, it wants VM "v1" to come before itself`},
		{"precedence in a circle", []rule.Rule{r(rule.Precedence, is(0, 1), nil, 0), r(rule.Precedence, is(1, 2), nil, 0), r(rule.Precedence, is(3, 2, 0), nil, 0)}, `r2: with the rules before it, it wants VM "v2" to come before itself`},
		{"precedence that agrees", []rule.Rule{r(rule.Precedence, is(0, 1, 2), nil, 0), r(rule.Precedence, is(0, 2), nil, 0), r(rule.Precedence, is(3, 1), nil, 0)}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for i := range test.rules {
				test.rules[i].Name = fmt.Sprint("r", i)
			}
			want := ""
			if test.want != "" {
				want = "rule " + test.want + "\n"
			}
			errs := rule.Validate(world(), test.rules)
			if got := lines(errs); got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
			for _, err := range errs {
				if wrong := (*rule.Error)(nil); !errors.As(err, &wrong) || !wrong.Contradiction {
					t.Errorf("%#v", err)
				}
			}
		})
	}
	t.Run("states of nodes", func(t *testing.T) {
		c := world()
		c.Nodes[0].State, c.Nodes[3].State, c.Host[3] = cluster.Draining, cluster.Offline, 2
		errs := rule.Validate(c, []rule.Rule{
			{Name: "root", Kind: rule.Root, VMs: []int32{0, 1}},
			{Name: "fence", Kind: rule.Fence, VMs: []int32{1, 2}, Nodes: []int32{0, 3}},
			{Name: "on", Kind: rule.Online, Nodes: []int32{0, 1, 3}},
		})
		want := `rule root: with the rules before it, VM "v0" may be on no node
rule fence: with the rules before it, VM "v1" and 1 more may be on no node
rule on: node "n3" is offline
`
		if got := lines(errs); got != want {
			t.Errorf("got\n%swant\n%s", got, want)
		}
	})
}

// What is called a contradiction is one: there is no placement.
func TestContradictionsAreProven(t *testing.T) {
	kinds := map[rule.Kind]int{}
	problems := placementtest.Problems(placementtest.Size{Nodes: 4, VMs: 5, Rules: 5})
	for seed := range 6000 {
		p := problems.Example(seed)
		p.Request.Wanted, p.Request.Drain = nil, nil
		var found []error
		for _, err := range rule.Validate(p.Configuration, p.Request.Rules) {
			var wrong *rule.Error
			if !errors.As(err, &wrong) {
				t.Fatal(err)
			}
			switch kind := p.Request.Rules[wrong.Rule].Kind; kind {
			case rule.Precedence, rule.Overbook, rule.Online: // they are not about placements
			default:
				found = append(found, err)
				kinds[kind]++
			}
		}
		if len(found) == 0 {
			continue
		}
		if _, host, exists := p.Best(placementtest.LeastCost, nil); exists {
			t.Fatalf("seed %d: %v keeps all rules, but %v", seed, host, found)
		}
	}
	for _, kind := range []rule.Kind{rule.Spread, rule.Gather, rule.Ban, rule.Fence, rule.Root, rule.Lonely, rule.Among, rule.Split, rule.RunningCapacity, rule.ResourceCapacity, rule.MaxOnline} {
		if kinds[kind] < 3 {
			t.Errorf("%v was blamed %d times", kind, kinds[kind])
		}
	}
}

func TestApply(t *testing.T) {
	c := world()
	if rule.Apply(c, []rule.Rule{{Kind: rule.Ban}}) != c {
		t.Error("a copy without need")
	}
	applied := rule.Apply(c, []rule.Rule{
		{Kind: rule.Preserve, VMs: []int32{0, 1}, Resource: cluster.CPU, Max: 1500},
		{Kind: rule.Preserve, VMs: []int32{1}, Resource: cluster.CPU, Max: 500},
		{Kind: rule.Overbook, Nodes: []int32{2}, Resource: cluster.Memory, Max: 1100},
	})
	if applied.VMs[0].Demand != cluster.Of(1500, 10) || applied.VMs[1].Demand != cluster.Of(1500, 10) || applied.VMs[2].Demand != cluster.Of(1000, 10) {
		t.Errorf("demands: %v", applied.VMs)
	}
	if offer := applied.Nodes[2].Offer(); offer != cluster.Of(4000, 110) {
		t.Errorf("offers %v", offer)
	}
	if c.VMs[0].Demand != cluster.Of(1000, 10) || c.Nodes[2].Offer() != cluster.Of(4000, 100) {
		t.Error("the original was changed")
	}
}

func TestKindText(t *testing.T) {
	for kind := range rule.NumKinds {
		var again rule.Kind
		if err := again.UnmarshalText([]byte(kind.String())); err != nil || again != kind {
			t.Errorf("%v reads back as %v, %v", kind, again, err)
		}
	}
	var k rule.Kind
	if err := k.UnmarshalText([]byte("sprawl")); err == nil || err.Error() != `"sprawl" is not a kind of rule` {
		t.Error(err)
	}
}

// fenced returns nodes, and VMs in fences of a quarter of them: as many lists as
// VMs, or few that VMs share.
func fenced(nodes, vms, lists int) (*cluster.Configuration, []rule.Rule) {
	c := &cluster.Configuration{}
	for n := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprint("n", n), Capacity: cluster.Of(1000, 10)})
	}
	rules := make([]rule.Rule, lists)
	for i := range rules {
		rules[i] = rule.Rule{Name: fmt.Sprint("r", i), Kind: rule.Fence}
		for n := range nodes / 4 {
			rules[i].Nodes = append(rules[i].Nodes, int32((n*4+i)%nodes))
		}
		slices.Sort(rules[i].Nodes)
	}
	for v := range vms {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: fmt.Sprint("v", v)})
		c.Host = append(c.Host, int32(v%nodes))
		r := &rules[v%lists]
		r.VMs = append(r.VMs, int32(v))
	}
	return c, rules
}

func BenchmarkValidate(b *testing.B) {
	for _, size := range [][3]int{{4096, 16_000, 40}, {4096, 16_000, 16_000}, {100_000, 100_000, 40}} {
		b.Run(fmt.Sprintf("%d-nodes-%d-VMs-%d-fences", size[0], size[1], size[2]), func(b *testing.B) {
			c, rules := fenced(size[0], size[1], size[2])
			b.ReportAllocs()
			for b.Loop() {
				if errs := rule.Validate(c, rules); len(errs) > 0 {
					b.Fatal(errs)
				}
			}
		})
	}
}
