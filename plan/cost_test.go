package plan

import (
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
)

// By hand, from the definition: a step costs its dearest action, and each
// action pays for all steps before its own.
func TestCostFollowsEquation1(t *testing.T) {
	action := func(step int, memory cluster.Bytes) Action { return Action{Step: step, Memory: memory} }
	for _, c := range []struct {
		what    string
		actions []Action
		want    cluster.Bytes
	}{
		{"nothing moves", nil, 0},
		{"one step costs what it moves", []Action{action(0, 4), action(0, 1), action(0, 2)}, 7},
		{"the second step waits for the dearest of the first", []Action{action(0, 4), action(0, 1), action(1, 2)}, 4 + 1 + (4 + 2)},
		{"the third waits for both", []Action{action(0, 4), action(0, 1), action(1, 2), action(1, 3), action(2, 1)}, 4 + 1 + (4 + 2) + (4 + 3) + (4 + 3 + 1)},
		{"numbers of steps may have gaps", []Action{action(1, 4), action(5, 2)}, 4 + (4 + 2)},
		{"more than can be counted", []Action{action(0, math.MaxInt64-1), action(1, 5), action(2, 1)}, math.MaxInt64},
	} {
		p := Plan{Actions: c.actions}
		if got := p.Cost(); got != c.want {
			t.Errorf("%s: K = %d, want %d", c.what, got, c.want)
		}
	}
}

// The cost equals the double sum of equation (1), written down as it is.
func TestCostEqualsTheDoubleSum(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Plan
		step := 0
		for range rapid.IntRange(0, 12).Draw(t, "actions") {
			step += rapid.IntRange(0, 1).Draw(t, "next")
			p.Actions = append(p.Actions, Action{Step: step, Memory: cluster.Bytes(rapid.IntRange(0, 9).Draw(t, "memory"))})
		}
		var want cluster.Bytes
		for _, a := range p.Actions {
			want += a.Memory
			for earlier := range a.Step {
				var dearest cluster.Bytes
				for _, b := range p.Actions {
					if b.Step == earlier {
						dearest = max(dearest, b.Memory)
					}
				}
				want += dearest
			}
		}
		if got := p.Cost(); got != want {
			t.Fatalf("K = %d, want %d", got, want)
		}
	})
}
