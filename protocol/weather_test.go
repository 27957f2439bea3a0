package protocol_test

import (
	"flag"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/protocol/protocoltest"
	"github.com/dvms-project/dvms/rule"
)

var (
	seeds     = flag.Int("seeds", 400, "how many schedules TestWeather makes")
	firstSeed = flag.Uint64("seed", 1, "the seed of the first one")
)

// weather is a world in which everything goes wrong, by a seed.
type weather struct {
	*protocoltest.World
	t     *testing.T
	seed  uint64
	rng   *rand.Rand
	nodes int
	vms   int
}

// newWeather makes two to six nodes whose VMs ask for about 85 % of the CPU, so
// that some of the nodes are overloaded.
func newWeather(t *testing.T, seed uint64) *weather {
	s := protocol.Defaults()
	rng := rand.New(rand.NewPCG(seed, 0))
	s.Minimum, s.Growth = 1+rng.IntN(5), 1+rng.IntN(2)
	s.ActionLimit = []time.Duration{3 * time.Second, 300 * time.Second}[rng.IntN(2)]
	w := &weather{World: protocoltest.NewWorld(s), t: t, seed: seed, rng: rng, nodes: 2 + rng.IntN(5)}
	for range w.nodes {
		demands := make([]cluster.Resources, rng.IntN(6))
		for i := range demands {
			demands[i] = cluster.Of(cluster.Millicores(rng.IntN(14))*100, cluster.GiB)
		}
		w.vms += len(demands)
		room := cluster.Bytes(max(len(demands)+rng.IntN(3), 1))
		w.AddNode(cluster.Of(2*cluster.Core, room*cluster.GiB), demands)
	}
	return w
}

func (w *weather) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatalf("seed %d: %v\n%s", w.seed, err, w.Log())
	}
}

func (w *weather) node() cluster.NodeID { return cluster.NodeID(1 + w.rng.IntN(w.nodes)) }

// goOn lets one thing that is under way happen: any of them.
func (w *weather) goOn() {
	m, s := w.Messages(), w.Solves()
	total := m + s + w.Migrations()
	if total == 0 {
		return
	}
	switch i := w.rng.IntN(total); {
	case i < m:
		w.check(w.Deliver(i))
	case i < m+s:
		w.check(w.Answer(i - m))
	default:
		w.check(w.Finish(i-m-s, w.rng.IntN(6) > 0))
	}
}

// step does something, more often useful than harmful.
func (w *weather) step() {
	switch p := w.rng.IntN(100); {
	case p < 60:
		w.goOn()
	case p < 68:
		w.check(w.Look())
	case p < 73 && w.vms > 0:
		w.SetDemand(cluster.VMID(1+w.rng.IntN(w.vms)), cluster.Millicores(w.rng.IntN(14))*100)
	case p < 79:
		w.check(w.Advance(time.Duration(1+w.rng.IntN(1500)) * time.Millisecond))
	case p < 81:
		w.check(w.Advance(6 * time.Second))
	case p < 84 && w.Messages() > 0:
		w.Drop(w.rng.IntN(w.Messages()))
	case p < 87 && w.Messages() > 0:
		w.Double(w.rng.IntN(w.Messages()))
	case p < 89 && w.Past() > 0:
		w.Repeat(w.rng.IntN(w.Past()))
	case p < 91:
		if id := w.node(); w.Alive(id) {
			w.check(w.Crash(id))
		}
	case p < 94:
		if id := w.node(); !w.Alive(id) {
			w.check(w.Return(id))
		}
	case p < 97:
		id := w.node()
		w.check(w.Tell(id, !w.Alive(id) || w.rng.IntN(5) == 0)) // sometimes wrong
	case p < 98:
		w.Cut([]cluster.NodeID{w.node()})
	case p < 99:
		w.Heal()
	default:
		w.event()
	}
}

// event lets an event of another kind than an overload arise.
func (w *weather) event() {
	switch w.rng.IntN(4) {
	case 0:
		w.Drain(w.node(), w.rng.IntN(3) > 0)
	case 1:
		w.Underload(w.node())
	case 2:
		w.vms++
		w.Place(w.node(), cluster.Of(cluster.Millicores(w.rng.IntN(8))*100, cluster.GiB), w.rng.IntN(2) == 0)
	case 3:
		if w.vms > 1 {
			w.AddRule(protocol.Rule{Name: "apart", Kind: rule.Spread, VMs: []cluster.VMID{1, 2}})
		}
	}
}

// clear ends all faults, and tells everybody who is there.
func (w *weather) clear() {
	w.Heal()
	for i := range w.nodes {
		id := cluster.NodeID(i + 1)
		w.check(w.Tell(id, !w.Alive(id)))
	}
}

// refuted reports whether the solver was asked last about all nodes that are
// alive, and found nothing. Then the protocol has done its part: in another
// order of the nodes, solver or planner may find what they did not.
func (w *weather) refuted() bool {
	log := w.Log()
	last := strings.LastIndex(log, ": solve ")
	question, answer, _ := strings.Cut(log[max(last, 0):], "\n")
	alive := 0
	for i := range w.nodes {
		if w.Alive(cluster.NodeID(i + 1)) {
			alive++
		}
	}
	_, nodes, _ := strings.Cut(question, "nodes=")
	return len(strings.Fields(nodes)) == alive && (strings.Contains(answer, " infeasible") || strings.Contains(answer, " exhausted"))
}

// TestWeather lets small worlds live through schedules of everything that can
// happen, each from one seed: messages in any order, lost, doubled and repeated
// long after; crashes, returns, cuts, migrations that fail, and nodes that are
// told of it, sometimes wrongly. The world checks I2 to I4 after each step; I1
// holds as a node has but one reservation. Then the weather clears: every
// procedure ends and every node is free (L1); and what the solver can solve over
// all nodes is solved (L2).
func TestWeather(t *testing.T) {
	happened := map[string]int{"migrate ": 0, " lost members": 0, " aborted members": 0, " merged members": 0, "could not move": 0, " solved members": 0, "run v": 0, "resume v": 0, "answered drain solved": 0, "answered underload solved": 0, "answered rule solved": 0}
	for seed := *firstSeed; seed < *firstSeed+uint64(*seeds); seed++ {
		w := newWeather(t, seed)
		for range 80 {
			w.step()
		}
		w.clear()
		for range 400 {
			w.check(w.Run())
			w.check(w.Advance(time.Second))
			if w.Quiet() && w.Free() {
				break
			}
		}
		if !w.Quiet() || !w.Free() {
			t.Fatalf("seed %d: nodes are still booked:\n%s", seed, w.Log())
		}
		for range 200 {
			w.check(w.Look())
			w.check(w.Run())
			w.check(w.Advance(time.Second))
			if w.Viable() {
				break
			}
		}
		if !w.Viable() && !w.refuted() && w.Solvable() {
			t.Fatalf("seed %d: not solved, although it could be:\n%s", seed, w.Log())
		}
		for what := range happened {
			happened[what] += strings.Count(w.Log(), what)
		}
	}
	for what, times := range happened {
		if times < *seeds/1000 {
			t.Errorf("%q happened only %d times", what, times)
		}
	}
	t.Logf("%d schedules: %v", *seeds, happened)
}
