package sim

import (
	"math/rand/v2"
	"testing"
)

// Whoever comes first has the first turn, and the line takes no more room than
// those in it need, even if it is never empty.
func TestQueueing(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	var q queueing
	var want []*Process
	most := 0
	for range 10_000 {
		if n := rng.IntN(200); len(want) < n {
			p := &Process{}
			q.push(p)
			want = append(want, p)
		} else {
			got := q.pop()
			if got != want[0] || got.queued {
				t.Fatal("another one has its turn")
			}
			want = want[1:]
		}
		if most = max(most, len(q.line)); q.empty() != (len(want) == 0) {
			t.Fatalf("empty is %v with %d in line", q.empty(), len(want))
		}
		for _, p := range want {
			if !p.queued {
				t.Fatal("one in line is not known to be there")
			}
		}
	}
	if most > 2*200 {
		t.Errorf("the line took room for %d, but there were never more than 200", most)
	}
}
