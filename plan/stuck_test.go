package plan_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// reachable reports whether migrations one after the other lead to the goal, each
// VM anywhere in between: by looking at all placements.
func reachable(c *cluster.Configuration, goal []int32) bool {
	key := func(host []int32) string {
		b := make([]byte, len(host))
		for v, n := range host {
			b[v] = byte(n)
		}
		return string(b)
	}
	seen, open := map[string]bool{key(c.Host): true}, [][]int32{c.Host}
	for len(open) > 0 {
		host := open[len(open)-1]
		open = open[:len(open)-1]
		if slices.Equal(host, goal) {
			return true
		}
		free := make([]cluster.Resources, len(c.Nodes))
		for n := range free {
			free[n] = c.Nodes[n].Offer()
		}
		for v, n := range host {
			free[n] = free[n].Minus(c.VMs[v].Demand)
		}
		for v, from := range host {
			for to := range c.Nodes {
				if int32(to) == from || !c.VMs[v].Demand.Within(free[to]) {
					continue
				}
				next := slices.Clone(host)
				next[v] = int32(to)
				if !seen[key(next)] {
					seen[key(next)] = true
					open = append(open, next)
				}
			}
		}
	}
	return false
}

// Who waits in vain is told so; who could be helped seldom is.
func TestStuckAgainstAllPlacements(t *testing.T) {
	impossible, missed, plans := 0, 0, 0
	for seed := range uint64(40_000) {
		rng := rand.New(rand.NewPCG(seed, 21))
		c, goal := journey(rng)
		if len(c.Nodes) > 4 || len(c.VMs) > 7 {
			continue
		}
		_, err := plan.Make(c, goal)
		p, errSwitch := plan.Switch(c, plan.Goal{Host: goal}, plan.Settings{Effort: 100})
		if err == nil && errSwitch != nil {
			t.Fatalf("seed %d: Make has a plan, and Switch none: %v", seed, errSwitch)
		}
		if errSwitch == nil {
			if err := replay(c, plan.Goal{Host: goal}, p); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			plans++
		} else if reachable(c, goal) {
			missed++
		} else {
			impossible++
		}
	}
	t.Logf("%d plans, %d goals cannot be reached, %d could be and were missed", plans, impossible, missed)
	if impossible < 1000 || missed > plans/100 {
		t.Errorf("%d plans, %d goals cannot be reached, %d could be and were missed", plans, impossible, missed)
	}
}
