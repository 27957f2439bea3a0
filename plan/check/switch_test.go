package check_test

import (
	"slices"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement/placementtest"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// What plan.Switch finds for drawn problems keeps their rules in any order of
// events and at the times of its own schedule, and leads to the placement that it
// was asked for, of which nothing is wrong.
func TestSwitchAgainstChecker(t *testing.T) {
	made, refused := 0, 0
	for seed := range 1000 {
		p := placementtest.Problems(placementtest.Small).Example(seed)
		c, r := p.Configuration, p.Request
		p.Best(placementtest.LeastCost, func(host []int32) bool {
			found, err := plan.Switch(c, plan.Goal{Host: host, State: r.Wanted}, plan.Settings{Rules: r.Rules, Effort: 500, MaySuspend: seed%2 == 0})
			if err != nil {
				refused++
				return false
			}
			made++
			if err := check.Plan(c, found, r.Rules...); err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			s, err := plan.Timed(rule.Apply(c, r.Rules), found, plan.DefaultSpeeds(len(c.Nodes)))
			if err == nil {
				err = check.Timed(c, found, s, r.Rules...)
			}
			if err != nil {
				t.Errorf("seed %d: %v", seed, err)
			}
			if end := endOf(c, found); !slices.Equal(end, host) {
				t.Errorf("seed %d: it leads to %v, not to %v", seed, end, host)
			}
			return true
		})
	}
	if made < 500 || refused < 20 {
		t.Errorf("%d plans, and %d placements refused", made, refused)
	}
}

// endOf returns where VMs run after a plan.
func endOf(c *cluster.Configuration, p plan.Plan) []int32 {
	host := slices.Clone(c.Host)
	for _, a := range p.Actions {
		v := slices.IndexFunc(c.VMs, func(vm cluster.VM) bool { return vm.ID == a.VM })
		host[v] = cluster.Nowhere
		if a.Kind.Arrives() {
			host[v] = int32(slices.IndexFunc(c.Nodes, func(n cluster.Node) bool { return n.ID == a.Target }))
		}
	}
	return host
}
