package sim

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"pgregory.net/rapid"
)

// netOf returns a simulation of hosts with the given link capacities, up and
// down, without latency.
func netOf(capacities ...cluster.BytesPerSecond) *Simulation {
	settings := DefaultSettings()
	settings.Latency = 0
	s := NewWith(settings)
	for i := 0; i+1 < len(capacities); i += 2 {
		s.AddHost(HostSpec{Up: capacities[i], Down: capacities[i+1]})
	}
	return s
}

func TestAFlowTakesTheLatencyAndTheTimeOfItsBytes(t *testing.T) {
	s := New()
	addHosts(s, 2, 0, 0)
	var ends time.Duration
	s.network.start(0, 1, 125_000_000, 0, call(func() { ends = s.Now() }), 0)
	s.Run(time.Minute)
	if want := time.Second + 100*time.Microsecond; ends != want {
		t.Errorf("ends at %v, want %v", ends, want)
	}
}

func TestAFlowEndsWhenItsLastByteHasArrivedAndNotBefore(t *testing.T) {
	s := netOf(3, 3, 3, 3)
	var ends time.Duration
	s.network.start(0, 1, 1, 0, call(func() { ends = s.Now() }), 0)
	s.Run(time.Minute)
	if want := 333_333_334 * time.Nanosecond; ends != want {
		t.Errorf("a third of a second ends at %v, want %v", ends, want)
	}
}

func TestAFlowSpeedsUpWhenAnotherEnds(t *testing.T) {
	s := netOf(100, 100, 100, 100, 100, 100)
	ends := map[string]time.Duration{}
	start := func(name string, to HostID, bytes cluster.Bytes) {
		s.network.start(0, to, bytes, 0, call(func() { ends[name] = s.Now() }), 0)
	}
	start("short", 1, 100)
	start("long", 2, 300)
	s.Run(time.Minute)
	if ends["short"] != 2*time.Second || ends["long"] != 4*time.Second {
		t.Errorf("end at %v, want 2s and 4s", ends)
	}
}

func TestOppositeFlowsDoNotDisturbEachOther(t *testing.T) {
	s := netOf(100, 100, 100, 100)
	for h := range HostID(2) {
		s.network.start(h, 1-h, 1000, 0, call(func() {
			if s.Now() != 10*time.Second {
				t.Errorf("ends at %v, want 10s", s.Now())
			}
		}), 0)
	}
	s.Run(time.Minute)
}

func TestOnlyConnectedFlowsAreGivenNewRates(t *testing.T) {
	s := netOf(100, 100, 100, 100, 100, 100, 100, 100)
	s.network.start(0, 1, 1000, 0, call(func() {}), 0)
	s.network.start(2, 3, 1000, 0, call(func() {}), 0)
	s.Run(time.Second)
	s.network.collect([2]int32{0, 3})
	if len(s.network.component) != 1 {
		t.Errorf("the component is %v, want one flow", s.network.component)
	}
}

// A share of the network is max-min exactly if no link is overloaded and each
// flow either has its cap or a bottleneck: a full link on which no flow has
// more than it.
func TestEveryFlowHasItsCapOrABottleneck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const hosts = 5
		s := netOf()
		for i := range hosts {
			bandwidth := func(dir string) cluster.BytesPerSecond {
				return cluster.BytesPerSecond(rapid.IntRange(1, 1000).Draw(t, fmt.Sprint(dir, i)))
			}
			s.AddHost(HostSpec{Up: bandwidth("up"), Down: bandwidth("down")})
		}
		running := map[int32]bool{}
		t.Repeat(map[string]func(*rapid.T){
			"start": func(t *rapid.T) {
				from := rapid.IntRange(0, hosts-1).Draw(t, "from")
				to := (from + rapid.IntRange(1, hosts-1).Draw(t, "hops")) % hosts
				bytes := cluster.Bytes(rapid.IntRange(0, 100_000).Draw(t, "bytes"))
				limit := cluster.BytesPerSecond(rapid.IntRange(0, 500).Draw(t, "limit"))
				var i int32
				i = s.network.start(HostID(from), HostID(to), bytes, limit, call(func() { delete(running, i) }), 0)
				running[i] = true
			},
			"wait": func(t *rapid.T) {
				s.Run(s.Now() + time.Duration(rapid.IntRange(0, 100).Draw(t, "seconds"))*time.Second)
			},
			"": func(t *rapid.T) {
				s.Run(s.Now()) // no latency: all flows send
				checkMaxMin(t, &s.network, running)
			},
		})
	})
}

func checkMaxMin(t *rapid.T, n *network, running map[int32]bool) {
	const slack = 1e-9
	load, most := make([]float64, len(n.links)), make([]float64, len(n.links))
	for i := range running {
		f := &n.flows[i]
		for _, l := range f.links {
			load[l] += f.rate
			most[l] = math.Max(most[l], f.rate)
		}
	}
	for l := range n.links {
		if load[l] > n.links[l].capacity*(1+slack) {
			t.Fatalf("link %d of %v carries %v", l, n.links[l].capacity, load[l])
		}
	}
	for i := range running {
		f := &n.flows[i]
		ok := near(f.rate, f.cap, slack)
		for _, l := range f.links {
			ok = ok || near(load[l], n.links[l].capacity, slack) && f.rate >= most[l]*(1-slack)
		}
		if !ok || f.rate > f.cap {
			t.Fatalf("flow %d of rate %v and cap %v has no bottleneck", i, f.rate, f.cap)
		}
	}
}
