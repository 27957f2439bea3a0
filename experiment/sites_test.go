package experiment_test

import (
	"errors"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/trace"
)

// twoSites is a scenario of two sites, three hosts on one and two on the other.
const twoSites = `
hosts: {cores: 2, memory: 8GiB}
sites:
  - {name: near, hosts: 3, round_trip: 2ms}
  - {name: far, hosts: 2, round_trip: 4ms}
links: [{between: [far, near], round_trip: 20ms, bandwidth: 500Mbps}]
vms: {count: 20, classes: [{vcpus: 1, memory: 1GiB}]}
workload: {law: gaussian, mean: 40%, sd: 30%, start: mean}
strategies: [dvms]
seeds: [1]
settings: {network: {model: cm02}}
`

func parsed(t *testing.T, text string) experiment.Scenario {
	t.Helper()
	s, err := experiment.Parse("s.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// Migrations say between which sites they went, partitions on how many they
// were, and what goes from one to the other takes the link between them.
func TestSitesAreInTheTrace(t *testing.T) {
	s := parsed(t, twoSites)
	if s.Hosts.Count != 5 {
		t.Fatalf("%d hosts, and the sites have 5", s.Hosts.Count)
	}
	summary, all := run(t, s, "dvms")
	site := func(host string) string {
		if host == "node3" || host == "node4" {
			return "far"
		}
		return "near"
	}
	across, within := 0, 0
	for _, r := range all {
		switch r := r.(type) {
		case trace.Header:
			if r.Sites != 2 {
				t.Errorf("%d sites, want 2", r.Sites)
			}
		case trace.Migration:
			if r.FromSite != site(r.From) || r.ToSite != site(r.To) {
				t.Errorf("%s on %s to %s on %s", r.From, r.FromSite, r.To, r.ToSite)
			}
			least := 1 << 30 / 125e6 // seconds, by the hosts' links
			if r.FromSite == r.ToSite {
				within++
			} else {
				across++
				least *= 2
			}
			if r.Outcome == "done" && r.Duration.Seconds() < least {
				t.Errorf("a migration from %s to %s took %v, want at least %.1f s", r.From, r.To, r.Duration, least)
			}
		case trace.Partition:
			sites := map[string]bool{}
			for _, m := range r.Members {
				sites[site(m)] = true
			}
			if r.Sites != len(sites) {
				t.Errorf("partition %s of %v is on %d sites", r.ID, r.Members, r.Sites)
			}
		}
	}
	if across == 0 || within == 0 {
		t.Errorf("%d migrations across sites and %d within one; the test needs both", across, within)
	}
	if m := summary.Migrations; m.IntraSite+m.Failed+m.Open > within+across || m.IntraSite == 0 {
		t.Errorf("%+v, of %d within and %d across", m, within, across)
	}
}

// A procedure takes as long as its messages do. With one host on each site,
// all messages cross the link.
func TestMessagesTakeHalfTheRoundTrip(t *testing.T) {
	toPlan := func(roundTrip string) time.Duration {
		text := strings.NewReplacer("hosts: 3", "hosts: 1", "hosts: 2", "hosts: 1", "20ms", roundTrip, "count: 20", "count: 8").Replace(twoSites)
		summary, _ := run(t, parsed(t, text), "dvms")
		return time.Duration(float64(summary.Partitions.ToSolution.Mean) * 1e9)
	}
	// The event goes there, the new leader tells the initiator, which reports.
	if near, far := toPlan("20ms"), toPlan("120ms"); near < 30*time.Millisecond || far-near < 149*time.Millisecond || far-near > 151*time.Millisecond {
		t.Errorf("%v to a plan with 20 ms there and back, and %v with 120 ms; three messages take 30 and 180 ms", near, far)
	}
}

// The round trips of the scenario are those that nodes measure: their network
// coordinates are as far apart as the scenario says, on each site and between
// each two.
func TestCoordinatesAreThoseOfTheScenario(t *testing.T) {
	s := parsed(t, strings.NewReplacer("seeds: [1]", "seeds: [1]\nduration: 10m").Replace(twoSites))
	_, all := run(t, s, "dvms-spiral")
	var places []trace.Place
	for _, r := range all {
		if p, ok := r.(trace.Place); ok {
			places = append(places, p)
		}
	}
	for i, a := range places {
		for _, b := range places[:i] {
			want := 20.0 // ms
			if a.Site == b.Site {
				want = map[string]float64{"near": 2, "far": 4}[a.Site]
			}
			sum := 0.0
			for d := range a.Vector {
				sum += (a.Vector[d] - b.Vector[d]) * (a.Vector[d] - b.Vector[d])
			}
			if got := (math.Sqrt(sum) + a.Height + b.Height) / 1000; math.Abs(got/want-1) > 0.1 {
				t.Errorf("%s and %s are %.2f ms apart, want %v", a.Node, b.Node, got, want)
			}
		}
	}
	if len(places) != 5 {
		t.Errorf("%d places, want 5", len(places))
	}
}

func TestSitesAreValidated(t *testing.T) {
	for _, c := range []struct{ old, new, want string }{
		{"name: far,", "", "s.yaml: line 5: sites[1].name: the site has no name"},
		{"name: far,", "name: near,", `sites[1].name: "near" is there twice`},
		{"hosts: 2", "hosts: 0", "sites[1].hosts: 0 hosts are not from 1 to 1000000"},
		{"round_trip: 2ms", "round_trip: -2ms", "sites[0].round_trip: -2ms is not from 0s"},
		{"round_trip: 2ms", "latency: 2ms", "there is no such key here"},
		{"hosts: {", "hosts: {count: 6, ", "s.yaml: line 2: hosts.count: 6 hosts, and the sites have 5"},
		{"[far, near]", "[far]", "links[0].between: 1 names"},
		{"[far, near]", "[far, away]", `s.yaml: line 6: links[0].between: "away" is not a site`},
		{"[far, near]", "[far, far]", "links[0].between: far twice"},
		{"round_trip: 20ms", "round_trip: -1s", "links[0].round_trip: -1s is not"},
		{"500Mbps}]", "500Mbps}, {between: [near, far]}]", "links[1].between: near and far have a link already"},
		{"links: [{between: [far, near], round_trip: 20ms, bandwidth: 500Mbps}]", "", "links: there is none between near and far"},
		{"round_trip: 20ms", "round_trip: 3s", "settings.protocol.collect: 1s is too short for an answer: a message takes 1.5s each way"},
	} {
		_, err := experiment.Parse("s.yaml", []byte(strings.Replace(twoSites, c.old, c.new, 1)))
		var bad *experiment.KeyError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("with %q: %v\nwant an error with %s", c.new, err, c.want)
		}
	}
}

// On the testbed of the thesis the spiral keeps migrations on their site and
// partitions on one, better than the 0.863 and 1.082 that were published; the
// ring does not, and hosts are not overloaded for longer. Gossip costs little.
func TestTheSpiralStaysOnTheSite(t *testing.T) {
	data, err := os.ReadFile("../examples/four-sites.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s := parsed(t, string(data))
	s.Seeds = []uint64{4}
	ring, _ := run(t, s, "dvms")
	spiral, all := run(t, s, "dvms-spiral")
	if share := spiral.Migrations.IntraSiteShare; share < 0.9 || ring.Migrations.IntraSiteShare > 0.5 {
		t.Errorf("%.3f of the migrations are within a site, with the ring %.3f", share, ring.Migrations.IntraSiteShare)
	}
	if sites := spiral.Partitions.MeanSites; sites > 1.082 || ring.Partitions.MeanSites < 1.5 {
		t.Errorf("partitions are on %.3f sites, with the ring on %.3f", sites, ring.Partitions.MeanSites)
	}
	if p := spiral.Partitions; p.Solved+p.Vanished+p.Open < p.Count {
		t.Errorf("some procedures found no solution: %+v", p)
	}
	if one, other := spiral.Violations, ring.Violations; one.Total > other.Total*11/10 {
		t.Errorf("hosts were overloaded for %.0f s, with the ring for %.0f s", float64(one.Total), float64(other.Total))
	}
	if spiral.Messages == 0 || spiral.MessageBytes == 0 || ring.Gossip != 0 {
		t.Errorf("%d messages of %d bytes; gossip of the ring %d", spiral.Messages, spiral.MessageBytes, ring.Gossip)
	}
	if rate := float64(spiral.GossipBytes) / 40 / 3600; rate < 10 || rate > 100 {
		t.Errorf("gossip of %.1f bytes a second and host", rate)
	}
	places := map[string]int{}
	for _, r := range all {
		if p, ok := r.(trace.Place); ok {
			places[p.Site]++
		}
	}
	if len(places) != 4 || places["Nancy"] != 10 {
		t.Errorf("places of %v", places)
	}
}

// With a volume, bandwidth counts as latency does: of two sites at the same
// round trip, the one behind the faster link is asked.
func TestVolumeMakesBandwidthCount(t *testing.T) {
	const text = `
hosts: {cores: 1, memory: 8GiB}
sites: [{name: home, hosts: 4}, {name: slow, hosts: 4}, {name: fast, hosts: 4}]
links:
  - {between: [home, slow], round_trip: 10ms, bandwidth: 50Mbps}
  - {between: [home, fast], round_trip: 12ms, bandwidth: 800Mbps}
  - {between: [slow, fast], round_trip: 10ms, bandwidth: 50Mbps}
vms: {count: 24, classes: [{vcpus: 1, memory: 1GiB}]}
workload: {law: gaussian, mean: 45%, sd: 30%, start: mean}
seeds: [1]
settings: {overlay: {volume: VOLUME}, network: {model: cm02}}
`
	between := func(volume string) (slow, fast int) {
		_, all := run(t, parsed(t, strings.Replace(text, "VOLUME", volume, 1)), "dvms-spiral")
		for _, r := range all {
			m, ok := r.(trace.Migration)
			if !ok || m.FromSite == m.ToSite || m.Outcome != "done" {
				continue
			}
			if m.FromSite == "slow" || m.ToSite == "slow" {
				slow++
			} else {
				fast++
			}
		}
		return slow, fast
	}
	slow, fast := between("0GiB")
	slowV, fastV := between("1MiB")
	if slowV*(fast+slow) >= slow*(fastV+slowV) {
		t.Errorf("%d migrations over slow links and %d over the fast one; with a volume %d and %d", slow, fast, slowV, fastV)
	}
}
