package experiment_test

import (
	"errors"
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
