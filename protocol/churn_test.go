package protocol_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/protocol/protocoltest"
)

// S11: "100 nodes, one leaves or joins each second while 20 overloads arise:
// each overload on a live node ends solved or unsolvable, none forgotten."
// Whether a node is known to be gone at once, after 3 s, or never, changes
// nothing but time.
func TestChurn(t *testing.T) {
	const nodes, overloads, never = 100, 20, 1000
	for seed, told := range []int{0, 3, never} {
		rng := rand.New(rand.NewPCG(uint64(seed), 0))
		w := protocoltest.NewWorld(protocol.Defaults())
		demand := cluster.Of(cluster.Core*6/10, cluster.GiB)
		for range nodes {
			w.AddNode(cluster.Of(2*cluster.Core, 16*cluster.GiB), []cluster.Resources{demand, demand})
		}
		type news struct {
			about cluster.NodeID
			at    int
		}
		var down []cluster.NodeID
		var untold []news
		for second := range 120 {
			if second < 60 {
				if len(down) > 0 && rng.IntN(2) == 0 {
					i := rng.IntN(len(down))
					must(t, w.Return(down[i]))
					untold = append(untold, news{down[i], second + told})
					down = append(down[:i], down[i+1:]...)
				} else if id := cluster.NodeID(rng.IntN(nodes) + 1); w.Alive(id) {
					must(t, w.Crash(id))
					down, untold = append(down, id), append(untold, news{id, second + told})
				}
				if second%3 == 0 && second/3 < overloads { // one VM asks for all that its node has
					w.SetDemand(cluster.VMID(2*rng.IntN(nodes)+1), 2*cluster.Core)
				}
			}
			for len(untold) > 0 && untold[0].at <= second {
				must(t, w.Tell(untold[0].about, !w.Alive(untold[0].about)))
				untold = untold[1:]
			}
			must(t, w.Look())
			must(t, w.Run())
			must(t, w.Advance(time.Second))
		}
		if !w.Viable() || !w.Free() {
			t.Errorf("seed %d, told after %d s: viable %v, free %v\n%s", seed, told, w.Viable(), w.Free(), w.Log()[max(0, len(w.Log())-4000):])
		}
		if w.Moved() < overloads/2 {
			t.Errorf("seed %d: only %d migrations", seed, w.Moved())
		}
	}
}
