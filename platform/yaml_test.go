package platform

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dvms-project/dvms/sim"
)

// What is not known or makes no sense is refused with file, line and key.
func TestYAMLRefused(t *testing.T) {
	const cluster = "clusters:\n- name: a\n  hosts: 2\n  speed: 1Gf\n  nic: 1Gbps\n"
	for name, c := range map[string]struct{ text, want string }{
		"empty":          {"", "p.yaml: the file is empty; examples/platforms/two-sites.yaml is one to start from"},
		"key":            {"cluster: 3", "p.yaml: line 1: cluster: there is no such key here; there are name, routing, clusters, hosts, routers, links, routes, network; did you mean clusters?"},
		"key within":     {cluster + "  core: 3", "p.yaml: line 6: clusters[0].core: there is no such key here; there are name, prefix, suffix, first, hosts, cores, speed, pstates, memory, power, disks, nic, latency, sharing, backbone, loopback, limit; did you mean cores?"},
		"list":           {"clusters: 3", "p.yaml: line 1: clusters: not a list; write it as in [1, 2], or with a dash before each of its values"},
		"unit":           {strings.Replace(cluster, "1Gf", "1G", 1), `p.yaml: line 4: clusters[0].speed: "1G": there is no unit "G" of speed; did you mean "Gf"?; write a number and a unit, as in 2.5Gf or 500Mf`},
		"no unit":        {strings.Replace(cluster, "1Gf", "1", 1), `p.yaml: line 4: clusters[0].speed: "1" has no unit; write a number and a unit, as in 2.5Gf or 500Mf`},
		"memory":         {cluster + "  memory: 64", `p.yaml: line 6: clusters[0].memory: "64" is not an amount of memory; write a number and a unit, as in "2GiB" or "512MB"`},
		"no speed":       {strings.Replace(cluster, "  speed: 1Gf\n", "", 1), "p.yaml: line 2: clusters[0].speed: the speed of a core is missing; or write pstates"},
		"no network":     {strings.Replace(cluster, "  nic: 1Gbps\n", "", 1), "p.yaml: line 2: clusters[0].nic: the bandwidth of the hosts' links is missing"},
		"no hosts":       {strings.Replace(cluster, "hosts: 2", "hosts: 0", 1), "p.yaml: line 3: clusters[0].hosts: 0 hosts; at least 1 is needed"},
		"too many hosts": {strings.Replace(cluster, "hosts: 2", "hosts: 999999999", 1), `p.yaml: line 2: clusters[0]: "a": more than 1000000 hosts; a platform may have that many`},
		"first":          {cluster + "  first: -1", "p.yaml: line 6: clusters[0].first: -1 is not from 0 to 1000000"},
		"no name":        {strings.Replace(cluster, "- name: a\n  ", "- ", 1), "p.yaml: line 2: clusters[0].name: it is missing"},
		"sharing":        {cluster + "  sharing: half-duplex", `p.yaml: line 6: clusters[0].sharing: "half-duplex" is none of split-duplex, shared, fat-pipe`},
		"backbone":       {cluster + "  backbone: {latency: 1ms}", "p.yaml: line 6: clusters[0].backbone.bandwidth: it is missing"},
		"split backbone": {cluster + "  backbone: {bandwidth: 1Gbps, sharing: split-duplex}", "p.yaml: line 6: clusters[0].backbone.sharing: it is shared or fat-pipe: it has no ends"},
		"cores":          {cluster + "  cores: 0", "p.yaml: line 6: clusters[0].cores: 0 cores; at least 1 is needed"},
		"two speeds":     {cluster + "  pstates: [{speed: 1Gf}]", "p.yaml: line 4: clusters[0].speed: there are pstates, which say it already"},
		"two powers":     {"hosts:\n- name: a\n  pstates: [{speed: 1Gf, idle: 3W, full: 5W}]\n  power: {idle: 1W}", "p.yaml: line 4: hosts[0].power: there are pstates, which say it already"},
		"boot":           {cluster + "  power: {boot: {takes: -1s}}", "p.yaml: line 6: clusters[0].power: a change of less than 0 s"},
		"host's name":    {"hosts: [{speed: 1Gf}]", "p.yaml: line 1: hosts[0].name: it is missing"},
		"same name":      {"hosts:\n- {name: a, speed: 1Gf}\n- {name: a, speed: 1Gf}", `p.yaml: line 3: hosts[1]: "a" is there twice: it is a host as well`},
		"router's name":  {"routers:\n- ''\n", `p.yaml: line 2: routers[0]: zone "p": a router without a name`},
		"routing":        {"routing: full\n", `p.yaml: line 1: routing: "full" is neither shortest nor declared`},
		"link's name":    {"links:\n- bandwidth: 1Gbps\n", "p.yaml: line 2: links[0].name: it is missing"},
		"bandwidth":      {"links:\n- name: l\n", "p.yaml: line 2: links[0].bandwidth: it is missing"},
		"ends":           {"links:\n- {name: l, bandwidth: 1Gbps, between: [a]}\n", "p.yaml: line 2: links[0].between: 1 ends; a link has two"},
		"unknown end":    {cluster + "links:\n- {name: l, bandwidth: 1Gbps, between: [a, bravo]}\n", `p.yaml: line 7: links[0]: there is no host, router or zone "bravo"`},
		"file":           {"links:\n- {name: l, bandwidth: 1Gbps, state_file: x}\n", "p.yaml: line 2: links[0].state_file: open x: file does not exist"},
		"route":          {"routes:\n- {from: a}\n", "p.yaml: line 2: routes[0]: from or to is missing"},
		"half":           {"routes:\n- {from: a, to: b, links: [l, k upp]}\n", `p.yaml: line 2: routes[0].links[1]: "k upp" is not a link, or a link and up or down`},
		"one way":        {"routes:\n- {from: a, to: b, one_way: maybe}\n", `p.yaml: line 2: routes[0].one_way: "maybe" is neither true nor false`},
		"model":          {"network: {model: SMPI}\n", `p.yaml: line 1: network.model: network model "SMPI" is not supported; LV08, CM02 and VMPlaceS are`},
		"factor":         {"network: {latency_factor: many}\n", `p.yaml: line 1: network.latency_factor: "many" is not a number`},
		"negative":       {"network: {latency_factor: -1}\n", `p.yaml: line 1: network.latency_factor: -1 is not a factor`},
		"boolean":        {"network: {cross_traffic: 7}\n", `p.yaml: line 1: network.cross_traffic: "7" is neither true nor false`},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := ParseYAML("p.yaml", []byte(c.text), fstest.MapFS{})
			if err == nil {
				_, err = p.Router()
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("%v, want\n%s", err, c.want)
			}
		})
	}
}

// Everything that the format has, once.
func TestYAML(t *testing.T) {
	p, err := ParseYAML("grid.yaml", []byte(`
clusters:
- name: nantes
  hosts: 3
  first: 0
  prefix: node
  suffix: .nantes
  cores: 8
  memory: 64GiB
  pstates:
  - {speed: 2.5Gf, idle: 95W, full: 220W}
  - {speed: 1.2Gf, idle: 80W, full: 140W}
  power: {off: 5W, boot: {takes: 2m30s, draws: 0.1kW}, shutdown: {takes: 10s, draws: 90W}}
  disks: [{name: ssd, read: 500MB/s, write: 450MB/s}]
  nic: 1Gbps
  latency: 50us
  sharing: shared
  backbone: {bandwidth: 10Gbps, latency: 10us}
  loopback: {bandwidth: 100Gbps}
  limit: 1.5Gbps
hosts:
- name: desk
  speed: 3Gf
  power: {idle: 30W, full: 65W}
  availability_file: desk.txt
routers: [hub]
links:
- {name: fibre, between: [nantes, hub], bandwidth: 10Gbps, latency: 2ms, bandwidth_file: fibre.txt}
- {name: copper, between: [hub, desk], bandwidth: 100Mbps, latency: 1ms, sharing: fat-pipe}
- {name: loop, bandwidth: 1Gbps}
routes:
- {from: desk, to: desk, links: [loop up, fibre down], one_way: true}
network: {model: VMPlaceS, latency_factor: 2, cross_traffic: false}
`), fstest.MapFS{"desk.txt": {Data: []byte("1 0.5\n")}, "fibre.txt": {Data: []byte("1 1e6\n")}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := sim.NewWith(p.Settings(sim.DefaultSettings()))
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Settings().Network; n.Gamma != 6e6 || n.LatencyFactor != 2 || n.CrossTraffic {
		t.Errorf("%+v", n)
	}
	r, err := Build(p, s)
	if err != nil {
		t.Fatal(err)
	}
	want := sim.HostSpec{
		Name: "node2.nantes", Cores: 8, Speeds: []sim.Speed{2.5e9, 1.2e9}, Memory: 64 << 30,
		Power: sim.Power{
			States: []sim.PowerState{{Idle: 95, Epsilon: 95, Full: 220}, {Idle: 80, Epsilon: 80, Full: 140}}, Off: 5,
			Boot: sim.Transition{Takes: 150, Draws: 100}, Shutdown: sim.Transition{Takes: 10, Draws: 90},
		},
	}
	if got := s.Host(2); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want\n%+v", got, want)
	}
	if d, ok := r.Disk("node2.nantes", "ssd"); !ok || s.Disk(d).Write != 450e6 {
		t.Errorf("disk %d, %v", d, ok)
	}
	for ends, way := range map[[2]string]string{
		{"node0.nantes", "node2.nantes"}: "nantes_link_0_limiter nantes_link_0 nantes_backbone nantes_link_2 nantes_link_2_limiter",
		{"node1.nantes", "node1.nantes"}: "nantes_link_1_loopback",
		{"node0.nantes", "desk"}:         "nantes_link_0_limiter nantes_link_0 nantes_backbone fibre_UP copper",
		{"desk", "node0.nantes"}:         "copper fibre_DOWN nantes_backbone nantes_link_0 nantes_link_0_limiter",
		{"desk", "desk"}:                 "loop_UP fibre_DOWN",
	} {
		if got := strings.Join(between(t, r, ends[0], ends[1]), " "); got != way {
			t.Errorf("%v: %s, want %s", ends, got, way)
		}
	}
	if err := s.Run(2); err != nil {
		t.Fatal(err)
	}
	desk, _ := r.Host("desk")
	fibre, _ := r.Link("fibre_DOWN")
	if s.CoreSpeed(desk) != 1.5e9 || s.Link(fibre).Bandwidth != 1e6 {
		t.Errorf("after 2 s: %v flop/s, %v bytes/s", s.CoreSpeed(desk), s.Link(fibre).Bandwidth)
	}
}

// The example of the repository can be built.
func TestExample(t *testing.T) {
	text, err := os.ReadFile("../examples/platforms/two-sites.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := ParseYAML("two-sites.yaml", text, nil)
	if err != nil {
		t.Fatal(err)
	}
	s := sim.New()
	r, err := Build(p, s)
	if err != nil {
		t.Fatal(err)
	}
	links, latency, err := r.Path("nantes-1", "rennes-40")
	if fmt.Sprintf("%v %.4f %v", links, float64(latency), err) != "[nantes_link_1_UP nantes-rennes_UP rennes_link_40_DOWN] 0.0021 <nil>" || s.Hosts() != 80 {
		t.Errorf("%d hosts; %v in %v s, %v", s.Hosts(), links, float64(latency), err)
	}
}
