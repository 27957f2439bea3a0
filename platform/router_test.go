package platform

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

// graph is a random connected graph: between two of its points, several links
// in a row, or nothing.
type graph struct {
	points []string
	routes []Route
	links  []Link
}

func randomGraph(rng *rand.Rand, n int) graph {
	var g graph
	join := func(a, b int) {
		r := Route{From: g.points[a], To: g.points[b]}
		for range 1 + rng.IntN(3) {
			l := Link{Name: fmt.Sprintf("l%d", len(g.links)), Bandwidth: 1e6, Latency: 1e-3, Policy: Policy(rng.IntN(3))}
			hop := Over(l.Name)
			if l.Policy == SplitDuplex {
				hop = []Hop{Up(l.Name), Down(l.Name)}[rng.IntN(2)]
			}
			g.links = append(g.links, l)
			r.Via = append(r.Via, hop)
		}
		g.routes = append(g.routes, r)
	}
	joined := map[[2]int]bool{}
	for i := range n {
		g.points = append(g.points, fmt.Sprintf("h%d", i))
		if i > 0 {
			other := rng.IntN(i)
			join(i, other)
			joined[[2]int{other, i}] = true
		}
	}
	for range rng.IntN(2 * n) {
		a, b := rng.IntN(n), rng.IntN(n)
		if a < b && !joined[[2]int{a, b}] {
			joined[[2]int{a, b}] = true
			join(a, b)
		}
	}
	return g
}

func (g graph) platform(routing Routing, routes []Route) *Platform {
	p := New("w", routing)
	for _, name := range g.points {
		p.Root().Host(Host{Name: name, Speeds: []sim.Speed{1e9}})
	}
	for _, l := range g.links {
		p.Root().Link(l)
	}
	for _, r := range routes {
		p.Root().Route(r)
	}
	return p
}

// shortest are the least numbers of links between all pairs, by relaxing all
// edges again and again (Bellman and Ford).
func (g graph) shortest() map[[2]string]int {
	dist := map[[2]string]int{}
	for _, p := range g.points {
		dist[[2]string{p, p}] = 0
	}
	for range g.points {
		for _, source := range g.points {
			for _, r := range g.routes {
				for _, e := range [][2]string{{r.From, r.To}, {r.To, r.From}} {
					d, ok := dist[[2]string{source, e[0]}]
					old, known := dist[[2]string{source, e[1]}]
					if ok && (!known || d+len(r.Via) < old) {
						dist[[2]string{source, e[1]}] = d + len(r.Via)
					}
				}
			}
		}
	}
	return dist
}

// Floyd and Dijkstra find ways of the same, least length. A Full zone that is
// told the ways that one of them found, finds these.
func TestRoutingsAgree(t *testing.T) {
	for seed := range uint64(150) {
		rng := rand.New(rand.NewPCG(seed, 1))
		g := randomGraph(rng, 2+rng.IntN(12))
		want := g.shortest()
		floyd, dijkstra := routerOf(t, g.platform(Floyd, g.routes)), routerOf(t, g.platform(Dijkstra, g.routes))
		var told []Route
		for _, a := range g.points {
			for _, b := range g.points {
				if a == b {
					continue
				}
				one, other := between(t, floyd, a, b), between(t, dijkstra, a, b)
				if len(one) != want[[2]string{a, b}] || len(other) != len(one) {
					t.Fatalf("seed %d: from %s to %s: Floyd %v, Dijkstra %v; want %d links", seed, a, b, one, other, want[[2]string{a, b}])
				}
				g.check(t, a, b, one)
				g.check(t, a, b, other)
				r := Route{From: a, To: b, OneWay: true}
				for _, name := range other {
					r.Via = append(r.Via, Over(name))
				}
				told = append(told, r)
			}
		}
		full := routerOf(t, g.platform(Full, told))
		for _, r := range told {
			if got := between(t, full, r.From, r.To); !slices.Equal(got, between(t, dijkstra, r.From, r.To)) {
				t.Fatalf("seed %d: from %s to %s: Full %v, told %v", seed, r.From, r.To, got, r.Via)
			}
		}
	}
}

// check walks a path from link to link: each of its declared routes begins
// where the one before has ended.
func (g graph) check(t *testing.T, from, to string, links []string) {
	t.Helper()
	at, rest := from, links
next:
	for len(rest) > 0 {
		for _, r := range g.routes {
			for back := range 2 {
				ends, names := [2]string{r.From, r.To}, halves(r.Via, back == 1)
				if back == 1 {
					ends = [2]string{r.To, r.From}
				}
				if ends[0] == at && len(rest) >= len(names) && slices.Equal(rest[:len(names)], names) {
					at, rest = ends[1], rest[len(names):]
					continue next
				}
			}
		}
		t.Fatalf("from %s to %s: at %s, no route begins with %v", from, to, at, rest)
	}
	if at != to {
		t.Fatalf("from %s to %s: %v ends at %s", from, to, links, at)
	}
}

// halves are the names of the links of a way, or of the way back.
func halves(via []Hop, back bool) []string {
	var names []string
	for _, h := range via {
		up := h.Direction == Upwards
		switch {
		case h.Direction == Either:
			names = append(names, h.Link)
		case up != back:
			names = append(names, h.Link+"_UP")
		default:
			names = append(names, h.Link+"_DOWN")
		}
	}
	if back {
		slices.Reverse(names)
	}
	return names
}

// Where there is one way only, the way back is the same backwards, with the
// other halves of split-duplex links.
func TestWaysBackAreReversed(t *testing.T) {
	for seed := range uint64(100) {
		rng := rand.New(rand.NewPCG(seed, 2))
		g := randomGraph(rng, 2+rng.IntN(8))
		g.routes = g.routes[:len(g.points)-1] // a tree
		for _, routing := range []Routing{Floyd, Dijkstra} {
			r := routerOf(t, g.platform(routing, g.routes))
			for _, a := range g.points {
				for _, b := range g.points {
					there, back := between(t, r, a, b), between(t, r, b, a)
					slices.Reverse(back)
					for i := range back {
						back[i] = strings.NewReplacer("_UP", "_DOWN", "_DOWN", "_UP").Replace(back[i])
					}
					if !slices.Equal(there, back) {
						t.Fatalf("seed %d: %v: from %s to %s: %v, and back %v", seed, routing, a, b, there, back)
					}
				}
			}
		}
	}
}

// A Dijkstra zone that keeps few trees finds the same ways again.
func TestTreesAreForgottenAndFoundAgain(t *testing.T) {
	g := randomGraph(rand.New(rand.NewPCG(7, 3)), 40)
	r := routerOf(t, g.platform(Dijkstra, g.routes))
	r.zones[0].paths.room = 3 * len(g.points)
	first := map[[2]string][]string{}
	for range 3 {
		for _, a := range g.points {
			for _, b := range g.points {
				links := between(t, r, a, b)
				if known, seen := first[[2]string{a, b}]; seen && !slices.Equal(known, links) {
					t.Fatalf("from %s to %s: %v, then %v", a, b, known, links)
				}
				first[[2]string{a, b}] = links
				z := &r.zones[0]
				kept := 0
				for _, tree := range z.paths.trees {
					if tree != nil {
						kept++
					}
				}
				if kept > 3 {
					t.Fatalf("%d trees are kept", kept)
				}
			}
		}
	}
}

func routerOf(t *testing.T, p *Platform) *Router {
	t.Helper()
	r, err := p.Router()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func between(t *testing.T, r *Router, from, to string) []string {
	t.Helper()
	links, _, err := r.Path(from, to)
	if err != nil {
		t.Fatal(err)
	}
	return links
}

// A route takes no memory, and a cluster little for each host.
func TestRoutesTakeNoMemory(t *testing.T) {
	p := New("w", Full)
	for _, name := range []string{"a", "b"} {
		p.Root().Cluster(Cluster{
			Name: name, Prefix: name, Numbers: Count(0, 50_000), Host: Host{Speeds: []sim.Speed{1e9}},
			Link: Link{Bandwidth: 1e8}, Backbone: &Link{Name: "b", Bandwidth: 1e9, Policy: Shared},
		})
	}
	p.Root().Connect("a", "b", Link{Name: "between", Bandwidth: 1e9})
	r := routerOf(t, p)
	links := make([]sim.LinkID, 0, 16)
	n := sim.HostID(0)
	allocated := testing.AllocsPerRun(1000, func() {
		n += 7919
		var err error
		if links, err = r.Route(n%100_000, n*31%100_000, links[:0]); err != nil {
			t.Fatal(err)
		}
	})
	if allocated != 0 {
		t.Errorf("%v allocations", allocated)
	}
	if got := fmt.Sprint(between(t, r, "a1", "b49999")); got != "[a_link_1_UP a_backbone between_UP b_backbone b_link_49999_DOWN]" {
		t.Error(got)
	}
}

// A host that the platform does not have, and two hosts without a way between
// them, are errors that name them.
func TestNoRoute(t *testing.T) {
	p := New("w", Full)
	inner := p.Root().Zone("inner", Full)
	inner.Host(Host{Name: "a", Speeds: []sim.Speed{1}})
	inner.Host(Host{Name: "b", Speeds: []sim.Speed{1}})
	p.Root().Zone("lone", None).Host(Host{Name: "c", Speeds: []sim.Speed{1}})
	r := routerOf(t, p)
	for ends, want := range map[[2]sim.HostID]string{
		{0, 1}:  "from a to b: zone inner (Full routing) knows no way from a to b: there is no route",
		{0, 2}:  "from a to c: zone w (Full routing) knows no way from inner to lone: there is no route",
		{0, 3}:  "host 3 is not of this platform: there is no route",
		{-1, 0}: "host -1 is not of this platform: there is no route",
	} {
		links, err := r.Route(ends[0], ends[1], make([]sim.LinkID, 2))
		if err == nil || err.Error() != want || len(links) != 2 {
			t.Errorf("%v: %v with %d links, want %s", ends, err, len(links), want)
		}
	}
}
