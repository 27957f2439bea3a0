package placementtest

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
	"pgregory.net/rapid"
)

// Size limits the problems that are generated. None of its parts is 0.
type Size struct {
	Nodes, VMs, Rules int
}

// Small is a size whose problems take Best a millisecond or so.
var Small = Size{Nodes: 4, VMs: 6, Rules: 4}

// Large is the largest size that Best is meant for.
var Large = Size{Nodes: 5, VMs: 8, Rules: 6}

// Problems generates problems of at most the given size: nodes of one or two
// cores in racks, rooms and sites, some overcommitted, draining or offline;
// VMs in all states, whose hosts may be overloaded at the start; rules of all
// kinds, soft ones among them; states that are wanted, and nodes to drain.
//
// Configurations and rules are valid but for contradictions between rules, so
// that about half of the problems have an answer. Soft rules hold at the end
// only. The groups of an Among are disjoint.
func Problems(size Size) *rapid.Generator[Problem] {
	return rapid.Custom(func(t *rapid.T) Problem {
		g := generator{t: t, c: &cluster.Configuration{}}
		// Small numbers are drawn more often than large ones, and make easy problems.
		g.nodes(size.Nodes - int(g.upTo(int64(size.Nodes-1))))
		g.vms(size.VMs - int(g.upTo(int64(size.VMs-1))))
		p := Problem{Configuration: g.c}
		for i := range rapid.IntRange(0, size.Rules).Draw(t, "rules") {
			kind := rule.Kind(rapid.IntRange(0, int(rule.NumKinds)-1).Draw(t, "kind"))
			p.Request.Rules = append(p.Request.Rules, g.rule(fmt.Sprintf("r%d", i), kind))
		}
		if g.oneIn(3) {
			p.Request.Wanted = g.wanted()
		}
		if g.oneIn(4) {
			p.Request.Drain = g.some(len(g.c.Nodes), 1)
		}
		return p
	})
}

// generator draws the parts of one problem.
type generator struct {
	t *rapid.T
	c *cluster.Configuration
}

func (g *generator) oneIn(n int) bool { return rapid.IntRange(1, n).Draw(g.t, "one in") == n }

func (g *generator) upTo(n int64) int64 { return rapid.Int64Range(0, n).Draw(g.t, "up to") }

// some draws from least to count of the numbers below count, in ascending order.
func (g *generator) some(count, least int) []int32 {
	all := make([]int32, count)
	for i := range all {
		all[i] = int32(i)
	}
	k := rapid.IntRange(min(least, count), count).Draw(g.t, "how many")
	chosen := rapid.Permutation(all).Draw(g.t, "order")[:k]
	slices.Sort(chosen)
	return chosen
}

func (g *generator) nodes(count int) {
	for n := range count {
		node := cluster.Node{
			ID: cluster.NodeID(10 + n), Name: fmt.Sprintf("n%d", n),
			Capacity: cluster.Of(cluster.Millicores(1000+100*g.upTo(10)), cluster.Bytes(8+g.upTo(8))),
			Site:     rapid.SampledFrom([]string{"", "s"}).Draw(g.t, "site"),
			Room:     rapid.SampledFrom([]string{"", "r"}).Draw(g.t, "room"),
			Rack:     rapid.SampledFrom([]string{"k0", "k1", "k2"}).Draw(g.t, "rack"),
		}
		if g.oneIn(6) {
			node.Overcommit[cluster.CPU] = 500 + 250*g.upTo(6)
		}
		if g.oneIn(8) {
			node.State = cluster.NodeState(1 + g.upTo(1))
		}
		g.c.Nodes = append(g.c.Nodes, node)
	}
}

func (g *generator) vms(count int) {
	g.c.Host, g.c.State, g.c.Image = make([]int32, count), make([]cluster.State, count), make([]int32, count)
	var hosts []int32
	for n := range g.c.Nodes {
		if g.c.Nodes[n].State != cluster.Offline {
			hosts = append(hosts, int32(n))
		}
	}
	states := []cluster.State{cluster.Running, cluster.Running, cluster.Running, cluster.Running, cluster.Running, cluster.Waiting, cluster.Sleeping, cluster.Terminated}
	for v := range count {
		g.c.VMs = append(g.c.VMs, cluster.VM{
			ID: cluster.VMID(100 + v), Name: fmt.Sprintf("v%d", v),
			Demand: cluster.Of(cluster.Millicores(900-100*g.upTo(9)), cluster.Bytes(1+g.upTo(5))),
		})
		g.c.Host[v], g.c.Image[v] = cluster.Nowhere, cluster.Nowhere
		state := rapid.SampledFrom(states).Draw(g.t, "state")
		if state == cluster.Running && len(hosts) == 0 {
			state = cluster.Waiting
		}
		g.c.State[v] = state
		switch state {
		case cluster.Running:
			g.c.Host[v] = rapid.SampledFrom(hosts).Draw(g.t, "host")
		case cluster.Sleeping:
			g.c.Image[v] = rapid.Int32Range(cluster.Nowhere, int32(len(g.c.Nodes)-1)).Draw(g.t, "image")
		}
	}
}

// wanted draws states that one action each leads to.
func (g *generator) wanted() []cluster.State {
	wanted := make([]cluster.State, len(g.c.VMs))
	for v := range wanted {
		is := g.c.StateOf(int32(v))
		wanted[v] = is
		if to := cluster.State(g.upTo(int64(cluster.Terminated))); is.Leads(to) && g.oneIn(2) {
			wanted[v] = to
		}
	}
	return wanted
}

// rule draws a rule of the given kind.
func (g *generator) rule(name string, kind rule.Kind) rule.Rule {
	r := rule.Rule{Name: name, Kind: kind}
	uses := kind.Parts()
	if uses.VMs {
		r.VMs = g.some(len(g.c.VMs), 1)
		if kind == rule.Precedence {
			r.VMs = rapid.Permutation(r.VMs).Draw(g.t, "order")
		}
	}
	if uses.Nodes {
		r.Nodes = g.some(len(g.c.Nodes), 1)
	}
	if uses.Groups {
		r.Groups = g.groups(len(g.c.Nodes), 1)
	}
	if uses.Sets {
		r.Sets = g.groups(len(g.c.VMs), 2)
		if len(r.Sets) < 2 {
			return g.rule(name, rule.Lonely) // there is one VM only
		}
	}
	if uses.Resource {
		r.Resource = cluster.Resource(g.upTo(1))
	}
	if uses.Domain {
		r.Domain = cluster.Domain(g.upTo(int64(cluster.Site)))
		r.Degraded = g.oneIn(3)
	}
	if uses.Max {
		r.Max = g.maximum(r)
	}
	if g.oneIn(3) && kind.CanBeSoft() {
		r.Weight = cluster.Bytes(1 + g.upTo(7))
	} else if kind.CanHoldAlways() {
		r.Always = g.oneIn(3)
	}
	return r
}

// groups draws disjoint lists of numbers below count, at least least of them if
// count allows, none empty.
func (g *generator) groups(count, least int) [][]int32 {
	members := g.some(count, least)
	lists := make([][]int32, min(len(members), max(least, 1+int(g.upTo(2)))))
	for i, m := range members {
		at := i
		if i >= len(lists) {
			at = int(g.upTo(int64(len(lists) - 1)))
		}
		lists[at] = append(lists[at], m)
	}
	return lists
}

func (g *generator) maximum(r rule.Rule) int64 {
	switch {
	case r.Kind == rule.Overbook:
		return 500 + 250*g.upTo(6)
	case r.Kind == rule.Preserve && r.Resource == cluster.CPU:
		return 100 * g.upTo(8)
	case r.Kind == rule.Preserve:
		return g.upTo(6)
	case r.Resource == cluster.CPU && r.Kind == rule.ResourceCapacity:
		return 500 * g.upTo(6)
	case r.Kind == rule.ResourceCapacity:
		return g.upTo(30)
	case r.Kind == rule.MaxOnline:
		return g.upTo(int64(len(r.Nodes)))
	}
	return g.upTo(4)
}
