package platform

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dvms-project/dvms/sim"
)

// fewHosts keeps the fuzzer from spending its time on large clusters.
const fewHosts = 200

var fuzzFiles = fstest.MapFS{"a.txt": {Data: []byte("1 0.5\n2 1\nLOOPAFTER 3\n")}, "b.txt": {Data: []byte("PERIODICITY 4\n0 7\n3 1\n")}}

// What is accepted builds, or is refused with an error; each route is then
// found or refused, and the simulation runs.
func FuzzXML(f *testing.F) {
	files, err := filepath.Glob("testdata/peer/*.xml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(inXML("Full", hostA+hostB+`<host id="c" speed="2Gf,1Gf" pstate="1" speed_file="a.txt" state_file="b.txt"><disk read_bw="1MBps" write_bw="1MBps"/></host>`+
		`<link id="l" bandwidth="1MBps" latency="1ms" bandwidth_file="b.txt" latency_file="a.txt"/><route src="a" dst="b"><link_ctn id="l"/></route>`+
		`<trace id="t" periodicity="5">1 0.5</trace><trace_connect kind="SPEED" trace="t" element="a"/>`))
	f.Add(inXML("Star", `<cabinet id="c" prefix="c" suffix="" radical="0-3" speed="1Gf" bw="1MBps" lat="1us"/><backbone id="b" bandwidth="1GBps" latency="0"/>`+
		`<link id="l" bandwidth="1MBps"/>`+hostA+`<route src="a" dst="*"><link_ctn id="l"/></route><bypassRoute src="a" dst="c0"><link_ctn id="l"/></bypassRoute>`))
	f.Add(`<platform version="4"><config><prop id="network/model" value="CM02"/><prop id="network/loopback-lat" value="1us"/></config></platform>`)
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseXML("p.xml", []byte(text), fuzzFiles, fewHosts); err == nil {
			use(t, p)
		}
	})
}

func FuzzYAML(f *testing.F) {
	text, err := os.ReadFile("../examples/platforms/two-sites.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Add("hosts:\n- {name: a, speed: 1Gf, availability_file: a.txt, disks: [{name: d, read: 1MB/s, write: 1MB/s}]}\nrouters: [b]\nlinks:\n- {name: l, between: [a, b], bandwidth: 1Gbps, latency: 1ms, bandwidth_file: b.txt}\n")
	f.Add("clusters:\n- {name: c, hosts: 3, pstates: [{speed: 1Gf, idle: 1W, full: 2W}, {speed: 2Gf}], nic: 1Gbps, backbone: {bandwidth: 1Gbps}, loopback: {bandwidth: 1Gbps}, limit: 1Gbps}\n")
	f.Add("routing: declared\nhosts: [{name: a, speed: 1Gf}, {name: b, speed: 1Gf}]\nlinks: [{name: l, bandwidth: 1Gbps}]\nroutes: [{from: a, to: b, links: [l up], one_way: true}]\nnetwork: {model: CM02, latency_factor: 2}\n")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parseYAML("p.yaml", []byte(text), fuzzFiles, fewHosts); err == nil {
			use(t, p)
		}
	})
}

// Platforms with attributes and lines exchanged are well-formed, and mostly
// senseless: none makes the reader or the router stumble.
func TestMixedUpPlatforms(t *testing.T) {
	files, err := filepath.Glob("testdata/peer/*.xml")
	if err != nil {
		t.Fatal(err)
	}
	var texts, values, lines []string
	value := regexp.MustCompile(`"[^"]*"`)
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
		values = append(values, value.FindAllString(string(text), -1)...)
		lines = append(lines, strings.SplitAfter(string(text), "\n")...)
	}
	rng := rand.New(rand.NewPCG(1, 4))
	accepted := 0
	for range 3000 {
		text := texts[rng.IntN(len(texts))]
		for range rng.IntN(4) {
			at := value.FindAllStringIndex(text, -1)
			where := at[rng.IntN(len(at))]
			text = text[:where[0]] + values[rng.IntN(len(values))] + text[where[1]:]
		}
		if rng.IntN(2) == 0 {
			all := strings.SplitAfter(text, "\n")
			all[rng.IntN(len(all))] = lines[rng.IntN(len(lines))]
			text = strings.Join(all, "")
		}
		if p, err := parseXML("p.xml", []byte(text), fuzzFiles, fewHosts); err == nil {
			use(t, p)
			accepted++
		}
	}
	if accepted < 100 {
		t.Errorf("only %d were accepted", accepted)
	}
}

// use builds a platform, asks for routes, and lets its profiles play.
func use(t *testing.T, p *Platform) {
	s, err := sim.NewWith(p.Settings(sim.DefaultSettings()))
	if err != nil {
		return
	}
	r, err := Build(p, s)
	if err != nil {
		return
	}
	if s.Hosts() != r.hosts || s.Links() != len(r.links) {
		t.Fatalf("%d hosts and %d links of %d and %d", s.Hosts(), s.Links(), r.hosts, len(r.links))
	}
	var links []sim.LinkID
	for a := range sim.HostID(min(s.Hosts(), 12)) {
		for b := range sim.HostID(min(s.Hosts(), 12)) {
			if links, err = r.Route(a, b, links[:0]); err != nil && len(links) > 0 {
				t.Fatalf("from %d to %d: %v, and %v", a, b, links, err)
			}
			for _, l := range links {
				if int(l) < 0 || int(l) >= s.Links() {
					t.Fatalf("from %d to %d: link %d of %d", a, b, l, s.Links())
				}
			}
		}
	}
	if err := s.Run(0.01); err != nil { // a profile may begin anew each microsecond
		t.Fatal(err)
	}
}
