package platform

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dvms-project/dvms/sim"
)

// Two sites in code: a message from one to the other.
func ExampleBuild() {
	p := New("two-sites", Full)
	grid := p.Root()
	for _, site := range []string{"nantes", "rennes"} {
		grid.Cluster(Cluster{
			Name: site, Prefix: site + "-", Numbers: Count(1, 40),
			Host: Host{Cores: 8, Speeds: []sim.Speed{2.5 * sim.Giga}, Memory: 64 << 30},
			Link: Link{Bandwidth: 125e6, Latency: 50e-6},
		})
	}
	grid.Connect("nantes", "rennes", Link{Name: "wan", Bandwidth: 1250e6, Latency: 2e-3})

	s := sim.New()
	names, err := Build(p, s)
	if err != nil {
		fmt.Println(err)
		return
	}
	a, _ := names.Host("nantes-1")
	b, _ := names.Host("rennes-40")
	links, latency, _ := names.Path("nantes-1", "rennes-40")
	fmt.Printf("%v %.2f ms\n", links, 1000*float64(latency))
	_, err = s.Send(sim.FlowSpec{From: a.Place(), To: b.Place(), Bytes: 125e6}, sim.Then(func(error) {
		fmt.Printf("arrived after %.4f s\n", float64(s.Now()))
	}), 0)
	if err == nil {
		err = s.Run(sim.Forever)
	}
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// [nantes_link_1_UP wan_UP rennes_link_40_DOWN] 2.10 ms
	// arrived after 1.0582 s
}

// At most one simulation has a platform; what was there before stays.
func TestBuildBesideOthers(t *testing.T) {
	s := sim.New()
	if _, err := s.AddHost(sim.HostSpec{Name: "before", Cores: 1, Speeds: []sim.Speed{1}}); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddLink(sim.LinkSpec{Name: "before", Bandwidth: 1}); err != nil {
		t.Fatal(err)
	}
	p := New("w", Full)
	p.Root().Host(Host{Name: "a", Cores: 2, Speeds: []sim.Speed{2, 1}, PState: 1, Disks: []Disk{{Name: "x", Read: 1, Write: 2}, {Name: "y", Read: 3, Write: 4}}})
	p.Root().Host(Host{Name: "b", Speeds: []sim.Speed{3}, Disks: []Disk{{Name: "y", Read: 5, Write: 6}}})
	p.Root().Connect("a", "b", Link{Name: "l", Bandwidth: 7})
	r, err := Build(p, s)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := r.Host("a")
	b, _ := r.Host("b")
	up, _ := r.Link("l_UP")
	if a != 1 || b != 2 || up != 1 || s.PState(a) != 1 || s.Host(b).Name != "b" || s.Link(up).Name != "l_UP" {
		t.Errorf("a is %d in p-state %d, b %d, the link %d", a, s.PState(a), b, up)
	}
	links, err := r.Route(b, a, nil)
	if err != nil || len(links) != 1 || s.Link(links[0]).Name != "l_DOWN" {
		t.Errorf("from b to a: %v, %v", links, err)
	}
	for ends, want := range map[[2]string]sim.Bandwidth{{"a", "x"}: 1, {"a", "y"}: 3, {"b", "y"}: 5} {
		if id, ok := r.Disk(ends[0], ends[1]); !ok || s.Disk(id).Read != want || s.Host(s.Disk(id).Host).Name != ends[0] {
			t.Errorf("disk %v: %d, %v", ends, id, ok)
		}
	}
	for _, ends := range [][2]string{{"b", "x"}, {"c", "x"}, {"w", "x"}} {
		if _, ok := r.Disk(ends[0], ends[1]); ok {
			t.Errorf("there is a disk %v", ends)
		}
	}
	if _, known := r.Host("l_UP"); known {
		t.Error("a link is a host")
	}
	if _, known := r.Link("a"); known {
		t.Error("a host is a link")
	}
}

// A build that fails adds nothing.
func TestFailedBuildAddsNothing(t *testing.T) {
	p := New("w", Full)
	p.Root().Host(Host{Name: "good", Speeds: []sim.Speed{1}})
	p.Root().Host(Host{Name: "greedy", Cores: math.MaxInt32, Speeds: []sim.Speed{1}})
	s := sim.New()
	if _, err := Build(p, s); err == nil || !strings.Contains(err.Error(), "greedy") {
		t.Errorf("%v", err)
	}
	if s.Hosts() != 0 {
		t.Errorf("%d hosts", s.Hosts())
	}
}

// The dates and values of profiles, with the two ways to begin anew, are those
// that SimGrid 3.32 was seen to have.
func TestProfilesArePlayed(t *testing.T) {
	const file = `<platform version="4.1">
<trace id="inline" periodicity="4">
0 0.5
2 0.25
</trace>
<trace id="state" periodicity="-1">
2 0
4 1
6 0
</trace>
<zone id="w" routing="Full">
<host id="a" speed="1Gf"/>
<host id="b" speed="1Gf" speed_file="speed.txt"/>
<link id="l" bandwidth="1Bps" latency="1us" bandwidth_file="bandwidth.txt" latency_file="latency.txt" sharing_policy="SPLITDUPLEX"/>
<link id="m" bandwidth="1Bps" state_file="state.txt"/>
</zone>
<trace_connect kind="SPEED" trace="inline" element="a"/>
<trace_connect kind="HOST_AVAIL" trace="state" element="a"/>
</platform>`
	p, err := ParseXML("grid.xml", []byte(file), fstest.MapFS{
		"speed.txt":     {Data: []byte("PERIODICITY 12\n1 0.5\n5 1\n")},
		"bandwidth.txt": {Data: []byte("2 10\n5 20\nLOOPAFTER 3\n")},
		"latency.txt":   {Data: []byte("# seconds\n\n3 0.001\n")},
		"state.txt":     {Data: []byte("1.0 0\n1.0 1\n7 -1\n")},
	})
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New()
	r, err := Build(p, s)
	if err != nil {
		t.Fatal(err)
	}
	a, _ := r.Host("a")
	b, _ := r.Host("b")
	up, _ := r.Link("l_UP")
	down, _ := r.Link("l_DOWN")
	m, _ := r.Link("m")
	seen := map[string]string{}
	for at := sim.Seconds(0.5); at < 26; at++ {
		if err := s.Run(at); err != nil {
			t.Fatal(err)
		}
		seen["a"] += fmt.Sprint(float64(s.CoreSpeed(a))/1e9, " ")
		seen["b"] += fmt.Sprint(float64(s.CoreSpeed(b))/1e9, " ")
		seen["l"] += fmt.Sprint(float64(s.Link(up).Bandwidth), " ")
		seen["latency"] += fmt.Sprint(float64(s.Link(down).Latency), " ")
		seen["on"] += fmt.Sprint(s.IsOn(a), s.IsLinkOn(m), " ")
		if s.Link(down).Bandwidth != s.Link(up).Bandwidth {
			t.Errorf("at %v s: %v up, %v down", float64(at), s.Link(up).Bandwidth, s.Link(down).Bandwidth)
		}
	}
	for name, want := range map[string]string{
		"a":       strings.Repeat("0.5 0.5 0.25 0.25 ", 6) + "0.5 0.5 ",
		"b":       "1 " + strings.Repeat("0.5 0.5 0.5 0.5 1 1 1 1 1 1 1 1 ", 2) + "0.5 ",
		"l":       "1 1 10 10 10 20 20 20 20 20 10 10 10 20 20 20 20 20 10 10 10 20 20 20 20 20 ",
		"latency": "1e-06 1e-06 1e-06 " + strings.Repeat("0.001 ", 23),
		"on": "true true true true false true false true true true true true false true " +
			strings.Repeat("false false ", 19),
	} {
		got := strings.Join(strings.Fields(seen[name]), " ")
		if got != strings.Join(strings.Fields(want), " ") {
			t.Errorf("%s:\n%s, want\n%s", name, got, want)
		}
	}
}

// The latency of a Vivaldi zone counts: 5 + 1 + 2 ms, times 13.01, and no link
// has any.
func TestCoordinatesTakeTime(t *testing.T) {
	p := New("w", Vivaldi)
	for _, peer := range []Peer{
		{Host: Host{Name: "a", Speeds: []sim.Speed{1}, Coordinates: &Coordinates{3, 4, 1}}, In: 1e7, Out: 1e6},
		{Host: Host{Name: "b", Speeds: []sim.Speed{1}, Coordinates: &Coordinates{0, 0, 2}}, In: 1e7, Out: 1e6},
	} {
		p.Root().Peer(peer)
	}
	inner := p.Root().Zone("z", Full)
	inner.Host(Host{Name: "c", Speeds: []sim.Speed{1}})
	inner.RouterAt("router_z", Coordinates{3, 10, 7})
	inner.Connect("c", "router_z", Link{Name: "l", Bandwidth: 1e9, Latency: 1e-3})
	s := sim.New()
	r, err := Build(p, s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		to   string
		want float64 // s
		way  string
	}{
		{"b", 0.008, "link_a_UP link_b_DOWN"},
		{"c", 0.015, "link_a_UP l_DOWN"}, // 6 + 1 + 7 ms, and that of the link
		{"a", 0.002, "link_a_UP link_a_DOWN"},
	} {
		links, latency, err := r.Path("a", c.to)
		if err != nil || strings.Join(links, " ") != c.way || math.Abs(float64(latency)-c.want) > 1e-12 {
			t.Errorf("to %s: %v, %v s, %v", c.to, links, float64(latency), err)
		}
		source, _ := r.Host("a")
		target, _ := r.Host(c.to)
		start, arrived := s.Now(), sim.Seconds(0)
		_, err = s.Send(sim.FlowSpec{From: source.Place(), To: target.Place()}, sim.Then(func(error) { arrived = s.Now() - start }), 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Run(sim.Forever); err != nil {
			t.Fatal(err)
		}
		if want := 13.01 * c.want; math.Abs(float64(arrived)-want) > 1e-12 {
			t.Errorf("to %s: %v s, want %v", c.to, float64(arrived), want)
		}
	}
}

// The first mistake in code is the error, without a place, and nothing that
// follows from it.
func TestMistakesInCode(t *testing.T) {
	good := Host{Name: "a", Speeds: []sim.Speed{1}}
	for want, describe := range map[string]func(z *Zone){
		"a host without a name":                                      func(z *Zone) { z.Host(Host{Speeds: []sim.Speed{1}}) },
		`host "a": it has no speed`:                                  func(z *Zone) { z.Host(Host{Name: "a"}); z.Host(good) },
		`host "a": a speed of NaN flop/s`:                            func(z *Zone) { z.Host(Host{Name: "a", Speeds: []sim.Speed{sim.Speed(math.NaN())}}) },
		`host "a": -1 cores`:                                         func(z *Zone) { z.Host(Host{Name: "a", Cores: -1, Speeds: []sim.Speed{1}}) },
		`host "a": -1 bytes of memory`:                               func(z *Zone) { z.Host(Host{Name: "a", Memory: -1, Speeds: []sim.Speed{1}}) },
		`link "l": a bandwidth of +Inf bytes/s; it must be positive`: func(z *Zone) { z.Link(Link{Name: "l", Bandwidth: sim.Bandwidth(math.Inf(1))}) },
		`link "l": a latency of -1 s`:                                func(z *Zone) { z.Link(Link{Name: "l", Bandwidth: 1, Latency: -1}) },
		`link "l": policy 9 is unknown`:                              func(z *Zone) { z.Link(Link{Name: "l", Bandwidth: 1, Policy: 9}) },
		`"c": no hosts`:                                              func(z *Zone) { z.Cluster(Cluster{Name: "c", Link: Link{Bandwidth: 1}}) },
		`"c": hosts from 3 to 2`:                                     func(z *Zone) { z.Cluster(Cluster{Name: "c", Numbers: []Range{{3, 2}}, Link: Link{Bandwidth: 1}}) },
		`"c": links: a bandwidth of 0 bytes/s; it must be positive`: func(z *Zone) {
			z.Cluster(Cluster{Name: "c", Numbers: Count(0, 1), Host: good})
		},
		`cluster "c": a limiter of -1 bytes/s`: func(z *Zone) {
			z.Cluster(Cluster{Name: "c", Numbers: Count(0, 1), Host: good, Link: Link{Bandwidth: 1}, Limiter: -1})
		},
		`zone "z" has no or several routers: say which gateway`: func(z *Zone) {
			z.Zone("z", Full).Host(good)
			z.Host(Host{Name: "b", Speeds: []sim.Speed{1}})
			z.Connect("b", "z", Link{Name: "l", Bandwidth: 1})
		},
		`gateway "y" is a zone; it has to be a host or router`: func(z *Zone) {
			z.Zone("z", Full).Zone("y", Full)
			z.Host(good)
			z.Link(Link{Name: "l", Bandwidth: 1})
			z.Route(Route{From: "a", To: "z", ToGateway: "y", Via: []Hop{Up("l")}})
		},
		`"w" is there twice: it is a zone as well`: func(z *Zone) { z.Host(Host{Name: "w", Speeds: []sim.Speed{1}}) },
		`zone "w": there is no Routing(17)`:        func(z *Zone) { z.routing = 17 },
	} {
		p := New("w", Full)
		describe(p.Root())
		s := sim.New()
		if _, err := Build(p, s); err == nil || err.Error() != "platform: "+want {
			t.Errorf("%v, want %s", err, want)
		}
		if s.Hosts()+s.Links() > 0 {
			t.Errorf("%s: something was built", want)
		}
	}
}
