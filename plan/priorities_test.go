package plan

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// few is a plan of few actions between few nodes, some after others.
func few(rng *rand.Rand) (*cluster.Configuration, Plan, Speeds) {
	nodes, n := 2+rng.IntN(3), 2+rng.IntN(4)
	c, s := &cluster.Configuration{}, Speeds{PerNode: 1 + rng.IntN(2), Downtime: 30 * time.Millisecond, Boot: 3 * time.Second, Shutdown: time.Second}
	for i := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(i)})
		s.Link, s.Disk = append(s.Link, cluster.Gigabit), append(s.Disk, 100_000_000)
	}
	var p Plan
	for i := range n {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(i), VCPUs: 1, DirtyRate: cluster.BytesPerSecond(rng.Int64N(100_000_000)), Demand: cluster.Of(cluster.Core, 0)})
		a := Action{Kind: Kind(rng.IntN(5)), VM: cluster.VMID(i), Memory: cluster.Bytes(1+rng.Int64N(9)) * 100_000_000, Step: i}
		a.Source, a.Target = cluster.NodeID(rng.IntN(nodes)), cluster.NodeID(rng.IntN(nodes))
		if a.Kind != Migrate && a.Kind != Resume {
			a.Target = a.Source
		} else if a.Source == a.Target {
			a.Kind = Resume
		}
		for b := range i {
			if rng.IntN(3) == 0 {
				a.After = append(a.After, b)
			}
		}
		p.Actions = append(p.Actions, a)
	}
	return c, p, s
}

// every calls f with every order of priorities of n actions.
func every(n int, f func(priority []time.Duration)) {
	priority := make([]time.Duration, n)
	var assign func(i int)
	assign = func(i int) {
		if i == n {
			f(priority)
			return
		}
		for k := range n {
			if priority[k] == 0 {
				priority[k] = time.Duration(n - i)
				assign(i + 1)
				priority[k] = 0
			}
		}
	}
	assign(0)
}

// No order of priorities, under any number of slots, is shorter than the bound, and
// the one that is found is nearly always the best.
func TestTimedAgainstEveryOrder(t *testing.T) {
	best, tight, all := 0, 0, 0
	worst := 1.0
	for seed := range uint64(400) {
		c, p, s := few(rand.New(rand.NewPCG(seed, 3)))
		found, err := Timed(c, p, s)
		if err != nil {
			t.Fatal(err)
		}
		timer, err := newTimer(c, p, s)
		if err != nil {
			t.Fatal(err)
		}
		shortest := time.Duration(math.MaxInt64)
		every(len(p.Actions), func(priority []time.Duration) {
			for slots := 1; slots <= s.PerNode; slots++ {
				if !timer.run(priority, slots, math.MaxInt64) {
					t.Fatalf("seed %d: no schedule", seed)
				}
				makespan := time.Duration(0)
				for _, end := range timer.end {
					makespan = max(makespan, end)
				}
				shortest = min(shortest, makespan)
			}
		})
		if found.Bound > shortest || found.Makespan < shortest {
			t.Fatalf("seed %d: found %v, bound %v, and every order gives %v at best", seed, found.Makespan, found.Bound, shortest)
		}
		all++
		if found.Makespan == shortest {
			best++
		}
		if found.Makespan == found.Bound {
			tight++
		}
		worst = max(worst, float64(found.Makespan)/float64(shortest))
	}
	t.Logf("%d of %d are as short as any, %d meet the bound; the worst is %.2f times as long", best, all, tight, worst)
	if best < all*95/100 || worst > 1.2 {
		t.Errorf("%d of %d are as short as any, and the worst is %.2f times as long", best, all, worst)
	}
}

// However a link is shared, a migration takes no less than leastPrecopy says.
func TestLeastPrecopy(t *testing.T) {
	for seed := range uint64(20_000) {
		rng := rand.New(rand.NewPCG(seed, 4))
		memory, dirty := cluster.Bytes(1+rng.Int64N(64_000_000_000)), cluster.BytesPerSecond(rng.Int64N(300_000_000))
		full := cluster.BytesPerSecond(1_000_000 + rng.Int64N(1_250_000_000))
		downtime := time.Duration(rng.Int64N(int64(time.Second)))
		sent, takes := leastPrecopy(memory, dirty, full, downtime)
		p := precopy{memory: memory, dirty: dirty, downtime: downtime}
		total := time.Duration(0)
		for send, done := memory, false; !done; {
			took := transfer(send, 1+cluster.BytesPerSecond(float64(full)*(0.1+0.9*rng.Float64())))
			total += took
			send, done = p.next(send, took)
		}
		if total < takes || p.sent < sent {
			t.Fatalf("seed %d: %v in %v, and at least %v in %v", seed, p.sent, total, sent, takes)
		}
	}
}
