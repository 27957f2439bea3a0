package plan_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/rule"
)

// breaches are the things that break a rule, as the package doc of rule reads, by a name and how
// large each is. share is how many VMs of a Spread a domain may have, keptOn
// are nodes that are on anyway, and at says, by VM, the nodes that it counts on.
func breaches(c *cluster.Configuration, r *rule.Rule, share int, keptOn []int32, at [][]int32) map[string]int64 {
	found := map[string]int64{}
	domain, _ := c.Domains(r.Domain)
	pairs := func(us, vs []int32, wrong func(m, n int32) bool, what func(n int32) int32) {
		for _, u := range us {
			for _, v := range vs {
				for _, m := range at[u] {
					for _, n := range at[v] {
						if u != v && wrong(m, n) {
							found[fmt.Sprint(u, v, what(n))] = 1
						}
					}
				}
			}
		}
	}
	same := func(m, n int32) bool { return m == n }
	itself := func(n int32) int32 { return n }
	var everybody []int32
	for v := range at {
		everybody = append(everybody, int32(v))
	}
	count := map[int32]int64{}
	switch r.Kind {
	case rule.Spread:
		if share == 1 {
			pairs(r.VMs, r.VMs, func(m, n int32) bool { return domain[m] == domain[n] }, func(n int32) int32 { return domain[n] })
			break
		}
		for _, v := range r.VMs {
			inside := map[int32]bool{}
			for _, n := range at[v] {
				inside[domain[n]] = true
			}
			for d := range inside {
				count[d]++
			}
		}
		for d, k := range count {
			found[fmt.Sprint(d)] = max(0, k-int64(share))
		}
	case rule.Gather:
		pairs(r.VMs, r.VMs, func(m, n int32) bool { return m != n }, func(int32) int32 { return 0 })
	case rule.Ban, rule.Fence:
		for _, v := range r.VMs {
			for _, n := range at[v] {
				if slices.Contains(r.Nodes, n) == (r.Kind == rule.Ban) {
					found[fmt.Sprint(v, n)] = 1
				}
			}
		}
	case rule.Lonely:
		others := slices.DeleteFunc(slices.Clone(everybody), func(v int32) bool { return slices.Contains(r.VMs, v) })
		pairs(r.VMs, others, same, itself)
	case rule.Split:
		for i, set := range r.Sets {
			for _, other := range r.Sets[:i] {
				pairs(set, other, same, itself)
			}
		}
	case rule.Among:
		least := int64(len(r.VMs))
		for _, g := range r.Groups {
			outside := int64(0)
			for _, v := range r.VMs {
				if slices.ContainsFunc(at[v], func(n int32) bool { return !slices.Contains(g, n) }) {
					outside++
				}
			}
			least = min(least, outside)
		}
		found["outside"] = least
	case rule.RunningCapacity, rule.ResourceCapacity, rule.MaxOnline:
		total := int64(0)
		for _, n := range r.Nodes {
			there := int64(0)
			for v := range at {
				for _, m := range at[v] {
					if m == n {
						total += map[rule.Kind]int64{rule.RunningCapacity: 1, rule.ResourceCapacity: c.VMs[v].Demand[r.Resource]}[r.Kind]
						there = 1
					}
				}
			}
			if r.Kind == rule.MaxOnline {
				if slices.Contains(keptOn, n) {
					there = 1
				}
				total += there
			}
		}
		found["total"] = max(0, total-r.Max)
	}
	return found
}

// scene is who is where while a plan is carried out, and what the rules say to it.
type scene struct {
	c     *cluster.Configuration
	rules []rule.Rule
	share []int
	// keptOn are the nodes of Online rules.
	keptOn []int32
	at     [][]int32
	index  map[cluster.VMID]int32
	lax    []bool // by rule: it is not looked at
}

func newScene(c *cluster.Configuration, goal plan.Goal, rules []rule.Rule) *scene {
	s := &scene{c: c, rules: rules, index: map[cluster.VMID]int32{}}
	for v, n := range c.Host {
		s.index[c.VMs[v].ID] = int32(v)
		s.at = append(s.at, nil)
		if n != cluster.Nowhere {
			s.at[v] = []int32{n}
		}
	}
	for _, r := range rules {
		if r.Kind == rule.Online {
			s.keptOn = append(s.keptOn, r.Nodes...)
		}
		share := 1
		if r.Degraded {
			runs := 0
			for _, v := range r.VMs {
				if c.Host[v] != cluster.Nowhere || goal.State[v] == cluster.Running {
					runs++
				}
			}
			of, _ := c.Domains(r.Domain)
			open := map[int32]bool{} // domains with a node that may host VMs
			for n, d := range of {
				if !slices.ContainsFunc(rules, func(o rule.Rule) bool { return o.Kind == rule.Offline && slices.Contains(o.Nodes, int32(n)) }) {
					open[d] = true
				}
			}
			domains := max(1, len(open))
			share = max(1, (runs+domains-1)/domains)
		}
		s.share = append(s.share, share)
	}
	s.lax = make([]bool, len(rules))
	return s
}

// broken reports whether a rule is.
func (s *scene) broken(i int) bool {
	for _, size := range breaches(s.c, &s.rules[i], s.share[i], s.keptOn, s.at) {
		if size > 0 {
			return true
		}
	}
	return false
}

// start lets an action start, and returns an error if a rule that holds
// throughout gets worse by that.
func (s *scene) start(a plan.Action) error {
	if !a.Kind.Arrives() {
		return nil
	}
	v := s.index[a.VM]
	for i := range s.rules {
		r := &s.rules[i]
		if r.Kind == rule.Offline && slices.Contains(r.Nodes, int32(a.Target)) {
			return fmt.Errorf("VM %d comes to node %d", a.VM, a.Target)
		}
		if !r.Always || s.lax[i] {
			continue
		}
		before := breaches(s.c, r, s.share[i], s.keptOn, s.at)
		at := slices.Clone(s.at[v])
		s.at[v] = append(slices.Clone(at), int32(a.Target))
		after := breaches(s.c, r, s.share[i], s.keptOn, s.at)
		s.at[v] = at
		for what, size := range after {
			if size > before[what] {
				return fmt.Errorf("rule %s (%v %v %v): %s is %d, and was %d, as VM %d comes to %d", r.Name, r.Kind, r.VMs, r.Nodes, what, size, before[what], v, a.Target)
			}
		}
	}
	s.at[v] = append(s.at[v], int32(a.Target))
	return nil
}

func (s *scene) end(a plan.Action) {
	v := s.index[a.VM]
	switch {
	case !a.Kind.Arrives():
		s.at[v] = nil
	case a.Kind == plan.Migrate:
		s.at[v] = s.at[v][1:]
	}
}

// steps carries a plan out step by step.
func (s *scene) steps(p plan.Plan) error {
	for i, step := range p.Steps() {
		for _, a := range step {
			if err := s.start(a); err != nil {
				return fmt.Errorf("step %d: %w", i, err)
			}
		}
		for _, a := range step {
			s.end(a)
		}
	}
	return nil
}

// anyOrder carries a plan out in an order that its dependencies allow. If some VMs are
// early, an Among that is broken at the start may be mended for a moment, and broken
// again; that is not looked at.
func (s *scene) anyOrder(p plan.Plan, rng *rand.Rand) error {
	for i := range s.rules {
		s.lax[i] = s.rules[i].Kind == rule.Among && s.broken(i)
	}
	r := plan.NewRunner(p, 0)
	var running []int
	for !r.Finished() {
		ready := r.Ready()
		if k := rng.IntN(len(ready) + len(running)); k < len(ready) {
			r.Started(ready[k])
			running = append(running, ready[k])
			if err := s.start(p.Actions[ready[k]]); err != nil {
				return err
			}
		} else {
			i := running[k-len(ready)]
			running = slices.DeleteFunc(running, func(j int) bool { return j == i })
			r.Done(i)
			s.end(p.Actions[i])
		}
	}
	return nil
}

// aboutThePlan returns an error if a rule about the plan itself is broken.
func aboutThePlan(c *cluster.Configuration, rules []rule.Rule, p plan.Plan) error {
	for _, r := range rules {
		in, out := map[cluster.NodeID]int64{}, map[cluster.NodeID]int64{}
		runs := map[cluster.VMID]bool{}
		first, last := map[cluster.VMID]int{}, map[cluster.VMID]int{}
		for v := range c.VMs {
			runs[c.VMs[v].ID] = c.Host[v] != cluster.Nowhere
		}
		for _, a := range p.Actions {
			if a.Kind.Arrives() {
				in[a.Target]++
			}
			if a.Kind.Leaves() && runs[a.VM] {
				out[a.Source]++
			}
			runs[a.VM] = a.Kind.Arrives()
			if _, known := first[a.VM]; !known {
				first[a.VM] = a.Step
			}
			last[a.VM] = a.Step
		}
		for _, n := range r.Nodes {
			if r.Kind == rule.MovesIn && in[cluster.NodeID(n)] > r.Max || r.Kind == rule.MovesOut && out[cluster.NodeID(n)] > r.Max {
				return fmt.Errorf("too many moves at node %d", n)
			}
		}
		if r.Kind != rule.Precedence {
			continue
		}
		before := -1
		for _, v := range r.VMs {
			id := c.VMs[v].ID
			if step, acts := first[id]; acts {
				if step <= before {
					return fmt.Errorf("an action on VM %d is in step %d, and the VM before it is busy until step %d", v, step, before)
				}
				before = last[id]
			}
		}
	}
	return nil
}

// someOf returns some of n numbers, in ascending order, at least least.
func someOf(rng *rand.Rand, n, least int) []int32 {
	var some []int32
	for _, i := range rng.Perm(n)[:min(n, least+rng.IntN(3))] {
		some = append(some, int32(i))
	}
	slices.Sort(some)
	return some
}

// asked returns rules for c, valid ones only.
func asked(rng *rand.Rand, c *cluster.Configuration) []rule.Rule {
	var rules []rule.Rule
	vms, nodes := len(c.VMs), len(c.Nodes)
	for range 1 + rng.IntN(4) {
		r := rule.Rule{Kind: rule.Kind(rng.IntN(int(rule.NumKinds))), Name: fmt.Sprint("r", len(rules))}
		parts := r.Kind.Parts()
		if parts.VMs {
			r.VMs = someOf(rng, vms, 2)
		}
		if parts.Nodes {
			r.Nodes = someOf(rng, nodes, 1)
		}
		if parts.Max {
			r.Max = int64(1 + rng.IntN(4))
		}
		if parts.Domain {
			r.Domain, r.Degraded = cluster.Domain(rng.IntN(3)), rng.IntN(3) == 0
		}
		switch r.Kind {
		case rule.Split:
			some := someOf(rng, vms, 3)
			r.Sets = [][]int32{some[:1], some[1:]}
		case rule.Among:
			r.Groups = [][]int32{someOf(rng, nodes, 2), someOf(rng, nodes, 2)}
		case rule.ResourceCapacity:
			r.Resource, r.Max = cluster.CPU, 500*r.Max
		case rule.Overbook:
			r.Max = 1000 + 100*r.Max
		case rule.Preserve:
			r.Max = 100
		}
		r.Always = r.Kind.CanHoldAlways() && rng.IntN(4) > 0
		if len(rule.Validate(c, append(slices.Clone(rules), r))) == 0 {
			rules = append(rules, r)
		}
	}
	return rules
}

// Whatever the rules, who starts and who ends when, no action makes one of them worse.
func TestSwitchKeepsRules(t *testing.T) {
	kinds, refused, bypasses := map[rule.Kind]int{}, 0, 0
	for seed := range uint64(6000) {
		rng := rand.New(rand.NewPCG(seed, 11))
		c, goal := change(rng)
		if len(c.VMs) < 4 {
			continue
		}
		for n := range c.Nodes {
			c.Nodes[n].Rack = fmt.Sprint("r", n%3)
		}
		rules := asked(rng, c)
		s := plan.Settings{Rules: rules, Together: seed%2 == 0, MaySuspend: true, Effort: 300}
		p, err := plan.Switch(c, goal, s)
		if err != nil {
			refused++
			if stuck := (*plan.StuckError)(nil); errors.As(err, &stuck) && len(stuck.Rules) == 0 || !strings.Contains(err.Error(), "rule") && !strings.Contains(err.Error(), "overloaded") {
				t.Fatalf("seed %d: no rule named: %v\n%v", seed, err, rules)
			}
			continue
		}
		applied := rule.Apply(c, rules)
		for what, err := range map[string]error{
			"replay":         replay(applied, goal, p),
			"step by step":   newScene(applied, goal, rules).steps(p),
			"in any order":   newScene(applied, goal, rules).anyOrder(p, rng),
			"about the plan": aboutThePlan(applied, rules, p),
		} {
			if err != nil {
				t.Fatalf("seed %d: %s: %v\n%s%v", seed, what, err, p.Notation(c), rules)
			}
		}
		ordered := slices.ContainsFunc(rules, func(r rule.Rule) bool { return r.Kind == rule.Precedence })
		if err := together(c, p); err != nil && s.Together && !ordered {
			t.Fatalf("seed %d: %v\n%s", seed, err, p.Notation(c))
		}
		for _, r := range rules {
			if len(p.Actions) > 1 {
				kinds[r.Kind]++
			}
		}
		for _, a := range p.Actions {
			if a.Bypass {
				bypasses++
			}
		}
	}
	t.Logf("%v, %d refused, %d bypasses", kinds, refused, bypasses)
	for kind := range rule.NumKinds {
		if kinds[kind] < 30 {
			t.Errorf("too easy: %d plans with %v", kinds[kind], kind)
		}
	}
}
