package platform

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/dvms-project/dvms/sim"
)

// inXML puts elements into a platform, from line 2 on, in a zone of the given
// routing.
func inXML(routing, elements string) string {
	return "<platform version=\"4.1\"><zone id=\"w\" routing=\"" + routing + "\">\n" + elements + "\n</zone></platform>"
}

const (
	hostA  = `<host id="a" speed="1Gf"/>`
	hostB  = `<host id="b" speed="1Gf"/>`
	linkL  = `<link id="l" bandwidth="1MBps" latency="1ms"/>`
	routes = hostA + hostB + linkL + "\n"
)

// What is not known, not supported, or makes no sense is refused with file,
// line, element and attribute, and a hint.
func TestXMLRefused(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":             {"", "p.xml: line 1: the file has no element <platform>"},
		"blank":             {" \n\n", "p.xml: line 1: the file has no element <platform>"},
		"no XML":            {"hosts: 3", `p.xml: line 1: text "hosts: 3" outside of elements`},
		"not closed":        {"<platform version=\"4.1\">\n<zone id='a' routing='Full'>\n", "p.xml: line 3: this is not XML: unexpected EOF"},
		"closed wrongly":    {"<platform version=\"4.1\">\n</zone>", "p.xml: line 2: this is not XML: element <platform> closed by </zone>"},
		"entity":            {"<!DOCTYPE x [<!ENTITY a \"b\">]>\n<platform version=\"&a;\"/>", "p.xml: line 2: this is not XML: invalid character entity &a;"},
		"encoding":          {"<?xml version='1.0' encoding='EBCDIC'?>\n<platform version=\"4\"/>", `p.xml: line 1: this is not XML: xml: opening charset "EBCDIC": encoding "EBCDIC" is not supported; UTF-8 is`},
		"other root":        {"<plattform version=\"4.1\"/>", "p.xml: line 1: plattform: there is no such element outside of all others; did you mean <platform>?"},
		"two roots":         {"<platform version=\"4.1\"/>\n<platform version=\"4.1\"/>", "p.xml: line 2: platform: it can't be outside of all others"},
		"old version":       {"<platform version=\"3\"/>", "p.xml: line 1: platform: version: version \"3\" is not supported; 4 and 4.1 are, and the program simgrid_update_xml of SimGrid makes them of older ones"},
		"no version":        {"<platform/>", "p.xml: line 1: platform: version: version \"0\" is not supported; 4 and 4.1 are, and the program simgrid_update_xml of SimGrid makes them of older ones"},
		"text":              {inXML("Full", "hello"), `p.xml: line 1: text "hello" outside of elements`},
		"unknown element":   {inXML("Full", "<hots id='a'/>"), "p.xml: line 2: hots \"a\": there is no such element inside of <zone>; did you mean <host>?"},
		"misplaced":         {inXML("Full", "<disk id='a' read_bw='1' write_bw='1'/>"), `p.xml: line 2: disk "a": it can't be inside of <zone>`},
		"unknown attribute": {inXML("Full", `<host id="a" speed="1Gf" cores="2"/>`), `p.xml: line 2: host "a": there is no attribute "cores"; did you mean core?`},
		"twice":             {inXML("Full", `<host id="a" speed="1Gf" speed="2Gf"/>`), `p.xml: line 2: host "a": speed: it is there twice`},
		"missing":           {inXML("Full", "<host\n id=\"a\"/>"), `p.xml: line 2: host "a": speed: it is missing`},
		"old name":          {inXML("Full", `<host id="a" power="1Gf"/>`), `p.xml: line 2: host "a": power: since version 4 it is called speed`},
		"unit":              {inXML("Full", `<host id="a" speed="1Gh"/>`), `p.xml: line 2: host "a": speed: "1Gh": there is no unit "Gh" of speed; did you mean "Gf"?; write a number and a unit, as in 2.5Gf or 500Mf`},
		"number":            {inXML("Full", `<host id="a" speed="fast"/>`), `p.xml: line 2: host "a": speed: "fast" is not a speed; write a number and a unit, as in 2.5Gf or 500Mf`},
		"infinite":          {inXML("Full", `<host id="a" speed="1e999f"/>`), `p.xml: line 2: host "a": speed: "1e999f" is not a speed; write a number and a unit, as in 2.5Gf or 500Mf`},
		"negative":          {inXML("Full", `<host id="a" speed="-1f"/>`), `p.xml: line 2: host "a": speed: "-1f" is negative`},
		"too large":         {inXML("Full", `<host id="a" speed="1e300Gf"/>`), `p.xml: line 2: host "a": speed: "1e300Gf" is too large`},
		"hexadecimal":       {inXML("Full", `<host id="a" speed="0x1p2f"/>`), `p.xml: line 2: host "a": speed: "0x1p2f" is not a speed; write a number and a unit, as in 2.5Gf or 500Mf`},
		"half a core":       {inXML("Full", `<host id="a" speed="1Gf" core="0.5"/>`), `p.xml: line 2: host "a": core: "0.5" is not a whole number`},
		"no core":           {inXML("Full", `<host id="a" speed="1Gf" core="0"/>`), `p.xml: line 2: host "a": core: "0" is not a number of cores`},
		"p-state":           {inXML("Full", `<host id="a" speed="1Gf,2Gf" pstate="2"/>`), `p.xml: line 2: host "a": p-state 2 of 2; they are counted from 0`},
		"coordinates":       {inXML("Vivaldi", `<host id="a" speed="1Gf" coordinates="1 2"/>`), `p.xml: line 2: host "a": coordinates: "1 2" are not coordinates; write x, y and height in ms, as in 25.5 9.4 1.4`},
		"coordinate":        {inXML("Vivaldi", `<host id="a" speed="1Gf" coordinates="1 2 NaN"/>`), `p.xml: line 2: host "a": coordinate NaN; at most 1e9 ms are possible`},
		"watts":             {inXML("Full", "<host id=\"a\" speed=\"1Gf\">\n<prop id=\"wattage_per_state\" value=\"1:2:3:4\"/></host>"), `p.xml: line 3: prop "wattage_per_state": value: "1:2:3:4" is not idle:epsilon:full, in watts`},
		"watts by p-state":  {inXML("Full", "<host id=\"a\" speed=\"1Gf,2Gf,3Gf\">\n<prop id=\"wattage_per_state\" value=\"1:2,1:3\"/></host>"), `p.xml: line 2: host "a": 3 p-states, and power for 2; one may stand for all`},
		"memory":            {inXML("Full", "<host id=\"a\" speed=\"1Gf\">\n<prop id=\"ram\" value=\"a lot\"/></host>"), `p.xml: line 3: prop "ram": value: "a lot" is not an amount of memory; write a number and a unit, as in "2GiB" or "512MB"`},
		"two disks":         {inXML("Full", `<host id="a" speed="1Gf"><disk id="d" read_bw="1MBps" write_bw="1MBps"/><disk id="d" read_bw="1MBps" write_bw="1MBps"/></host>`), `p.xml: line 2: host "a": two disks have the name "d"`},
		"disk":              {inXML("Full", `<host id="a" speed="1Gf"><disk id="d" read_bw="0" write_bw="1MBps"/></host>`), `p.xml: line 2: host "a": disk "d": 0 and 1e+06 bytes/s; both must be positive`},
		"same name":         {inXML("Full", hostA+"\n<router id=\"a\"/>"), `p.xml: line 3: "a" is there twice: it is a host as well`},
		"routing":           {inXML("Foyd", ""), `p.xml: line 1: zone "w": routing: there is no routing "Foyd"; did you mean "Floyd"?; there are Full, Floyd, Dijkstra, DijkstraCache, Cluster, Star, Vivaldi and None`},
		"Wifi zone":         {inXML("Wifi", ""), `p.xml: line 1: zone "w": routing: Wifi zones are not supported`},
		"Wifi link":         {inXML("Full", `<link id="l" bandwidth="1MBps" latency="1ms" sharing_policy="WIFI"/>`), `p.xml: line 2: link "l": sharing_policy: Wifi links are not supported`},
		"policy":            {inXML("Full", `<link id="l" bandwidth="1MBps" sharing_policy="shared"/>`), `p.xml: line 2: link "l": sharing_policy: "shared" is none of SPLITDUPLEX, SHARED, FATPIPE, FULLDUPLEX`},
		"no bandwidth":      {inXML("Full", `<link id="l" bandwidth="0"/>`), `p.xml: line 2: link "l": a bandwidth of 0 bytes/s; it must be positive`},
		"same link":         {inXML("Full", `<link id="l" bandwidth="1MBps" sharing_policy="SPLITDUPLEX"/>`+"\n"+`<link id="l_UP" bandwidth="1MBps"/>`), `p.xml: line 3: link "l_UP" is there twice`},
		"same link again":   {inXML("Full", linkL+"\n"+`<link id="l" bandwidth="1MBps" sharing_policy="SPLITDUPLEX"/>`), `p.xml: line 3: link "l" is there twice`},
		"cyclic zone":       {inXML("Full", "<zone id=\"v\" routing=\"Full\">\n<zone id=\"w\" routing=\"Full\"/></zone>"), `p.xml: line 3: zone "w" is inside of itself`},
		"route to nobody":   {inXML("Full", routes+`<route src="a" dst="bb"><link_ctn id="l"/></route>`), `p.xml: line 3: there is no host, router or zone "bb"; did you mean "b"?`},
		"route without":     {inXML("Full", routes+`<route src="a" dst="b"/>`), `p.xml: line 3: the route from "a" to "b" has no links`},
		"unknown link":      {inXML("Full", routes+`<route src="a" dst="b"><link_ctn id="ll"/></route>`), `p.xml: line 3: there is no link "ll"; did you mean "l"?`},
		"no direction":      {inXML("Full", hostA+hostB+`<link id="l" bandwidth="1MBps" sharing_policy="SPLITDUPLEX"/>`+"\n"+`<route src="a" dst="b"><link_ctn id="l"/></route>`), `p.xml: line 3: link "l" is split-duplex: say which direction, UP or DOWN`},
		"direction":         {inXML("Full", routes+`<route src="a" dst="b"><link_ctn id="l" direction="UP"/></route>`), `p.xml: line 3: link "l" has no directions; it is not split-duplex`},
		"same route":        {inXML("Full", routes+"<route src=\"a\" dst=\"b\"><link_ctn id=\"l\"/></route>\n<route src=\"b\" dst=\"a\"><link_ctn id=\"l\"/></route>"), `p.xml: line 4: the route from "b" to "a" is there twice, first in line 3; a route that is not said to be one-way counts for the way back as well`},
		"to itself":         {inXML("Full", linkL+"<zone id=\"z\" routing=\"Full\"><router id=\"r\"/></zone>\n<zoneRoute src=\"z\" dst=\"z\" gw_src=\"r\" gw_dst=\"r\"><link_ctn id=\"l\"/></zoneRoute>"), `p.xml: line 3: a route from zone "z" to itself; only hosts have one`},
		"other zone":        {inXML("Full", routes+"<zone id=\"v\" routing=\"Full\"><host id=\"c\" speed=\"1Gf\"/></zone>\n<route src=\"a\" dst=\"c\"><link_ctn id=\"l\"/></route>"), `p.xml: line 4: host "c" is not in zone "w" but in "v"; a route leads from one child of its zone to another`},
		"no gateway":        {inXML("Full", routes+"<zone id=\"v\" routing=\"Full\"><host id=\"c\" speed=\"1Gf\"/></zone>\n<zoneRoute src=\"a\" dst=\"v\" gw_src=\"a\" gw_dst=\"d\"><link_ctn id=\"l\"/></zoneRoute>"), `p.xml: line 4: there is no gateway "d" in zone "v"; did you mean "a"?`},
		"gateway elsewhere": {inXML("Full", routes+"<zone id=\"v\" routing=\"Full\"><host id=\"c\" speed=\"1Gf\"/></zone>\n<zoneRoute src=\"a\" dst=\"v\" gw_src=\"a\" gw_dst=\"b\"><link_ctn id=\"l\"/></zoneRoute>"), `p.xml: line 4: gateway "b" is not in zone "v" but in "w"`},
		"gateway of host":   {inXML("Full", routes+"<zoneRoute src=\"a\" dst=\"b\" gw_src=\"b\" gw_dst=\"b\"><link_ctn id=\"l\"/></zoneRoute>"), `p.xml: line 3: host "a" is no zone: it has no gateway "b"`},
		"bypass":            {inXML("Full", "<zone id=\"v\" routing=\"Full\">"+routes+"</zone>\n<bypassRoute src=\"a\" dst=\"b\"><link_ctn id=\"l\"/></bypassRoute>"), `p.xml: line 4: a bypass from "a" to "b" belongs into zone "v", the lowest that has both`},
		"bypass to itself":  {inXML("Full", routes+"<bypassRoute src=\"a\" dst=\"a\"><link_ctn id=\"l\"/></bypassRoute>"), `p.xml: line 3: a bypass from "a" to "a", one of which has the other inside`},
		"None":              {inXML("None", routes+"<route src=\"a\" dst=\"b\"><link_ctn id=\"l\"/></route>"), `p.xml: line 3: zone "w" has None routing: it knows no routes`},
		"star":              {inXML("Star", routes+"<route src=\"a\" dst=\"b\"><link_ctn id=\"l\"/></route>"), `p.xml: line 3: zone "w" has Star routing: a route leads from "a" to all others, or from all others to "b"`},
		"star twice":        {inXML("Star", routes+"<route src=\"a\" dst=\"*\"><link_ctn id=\"l\"/></route>\n<route src=\"*\" dst=\"a\"><link_ctn id=\"l\"/></route>"), `p.xml: line 4: the way of "a" in zone "w" is there twice`},
		"attached twice":    {inXML("Cluster", routes+"<host_link id=\"a\" up=\"l\" down=\"l\"/>\n<host_link id=\"a\" up=\"l\" down=\"l\"/>"), `p.xml: line 4: host "a" has links in zone "w" already`},
		"attached in Full":  {inXML("Full", routes+`<host_link id="a" up="l" down="l"/>`), `p.xml: line 3: zone "w" has Full routing; the links of a host are attached in a Star`},
		"backbone in Full":  {inXML("Full", `<backbone id="a" bandwidth="1MBps" latency="1ms"/>`), `p.xml: line 1: zone "w" has Full routing; a backbone is in a Star`},
		"two backbones":     {inXML("Cluster", `<backbone id="a" bandwidth="1MBps" latency="1ms"/><backbone id="b" bandwidth="1MBps" latency="1ms"/>`), `p.xml: line 2: zone "w" has two backbones, "a" and "b"`},
		"cabinet in Full":   {inXML("Full", `<cabinet id="a" prefix="" suffix="" radical="1" speed="1Gf" bw="1MBps" lat="0"/>`), `p.xml: line 2: zone "w" has Full routing; a cabinet is in a Star`},
		"peer in Full":      {inXML("Full", `<peer id="a" speed="1Gf" bw_in="1MBps" bw_out="1MBps"/>`), `p.xml: line 2: peer "a": peers are in zones with Vivaldi routing; zone "w" has Full`},
		"place of a zone":   {inXML("Vivaldi", `<zone id="v" routing="Full"/>`), `p.xml: line 2: there is no gateway "router_v" in zone "v"`},
		"radical":           {inXML("Full", `<cluster id="c" prefix="" suffix="" radical="5-1" speed="1Gf" bw="1MBps" lat="0"/>`), `p.xml: line 2: cluster "c": radical: "5-1" is not a range of numbers; write it as in 0-9,12`},
		"no radical":        {inXML("Full", `<cluster id="c" prefix="" suffix="" radical="," speed="1Gf" bw="1MBps" lat="0"/>`), `p.xml: line 2: cluster "c": radical: no numbers; write them as in 0-9,12`},
		"many hosts":        {inXML("Full", `<cluster id="c" prefix="" suffix="" radical="0-999999999" speed="1Gf" bw="1MBps" lat="0"/>`), `p.xml: line 2: "c": more than 1000000 hosts; a platform may have that many`},
		"topology":          {inXML("Full", `<cluster id="c" prefix="" suffix="" radical="0-7" speed="1Gf" bw="1MBps" lat="0" topology="TORUS" topo_parameters="2,2,2"/>`), `p.xml: line 2: cluster "c": topology: topology "TORUS" is not supported; FLAT is`},
		"actor":             {"<platform version=\"4.1\">\n<actor host=\"a\" function=\"f\"/></platform>", "p.xml: line 2: actor: deployments are not read; start processes in Go, with Simulation.Spawn, and take the element out of the platform"},
		"include":           {inXML("Full", `<include file="x.xml"/>`), "p.xml: line 2: include: other files are not included; write the element's content here"},
		"storage":           {inXML("Full", `<storage id="x" typeId="y" attach="a"/>`), `p.xml: line 2: storage "x": storage is no longer supported by SimGrid either; write a disk inside of the host`},
		"option":            {"<platform version=\"4.1\"><config>\n<prop id=\"network/TCP-gama\" value=\"1\"/></config></platform>", `p.xml: line 2: prop "network/TCP-gama": there is no option "network/TCP-gama"; did you mean "network/TCP-gamma"?`},
		"model":             {"<platform version=\"4.1\"><config>\n<prop id=\"network/model\" value=\"ns-3\"/></config></platform>", `p.xml: line 2: prop "network/model": network model "ns-3" is not supported; LV08, CM02 and VMPlaceS are`},
		"factor":            {"<platform version=\"4.1\"><config>\n<prop id=\"network/latency-factor\" value=\"0:1;10:2\"/></config></platform>", `p.xml: line 2: prop "network/latency-factor": "0:1;10:2" is not a number; factors that depend on the size of a message are not supported`},
		"model of hosts":    {"<platform version=\"4.1\"><config>\n<prop id=\"host/model\" value=\"ptask_L07\"/></config></platform>", `p.xml: line 2: prop "host/model": "ptask_L07" is not supported; what is: default, compound`},
		"yes or no":         {"<platform version=\"4.1\"><config>\n<prop id=\"network/crosstraffic\" value=\"maybe\"/></config></platform>", `p.xml: line 2: prop "network/crosstraffic": "maybe" is neither yes nor no`},
		"trace":             {inXML("Full", "<trace id=\"t\" periodicity=\"-1\">\n0 1\n1 x\n</trace>"), `p.xml: line 4: "x" is not a number`},
		"trace twice":       {inXML("Full", "<trace id=\"t\" periodicity=\"-1\"/>\n<trace id=\"t\" periodicity=\"-1\"/>"), `p.xml: line 3: trace "t": there are two traces of that name`},
		"trace of nothing":  {inXML("Full", "<trace id=\"t\" periodicity=\"-1\"/>\n<trace_connect trace=\"t\" element=\"alpha\"/>"), `p.xml: line 3: there is no host "alpha"`},
		"unknown trace":     {inXML("Full", hostA+`<trace_connect trace="t" element="a"/>`), `p.xml: line 2: trace_connect: trace: there is no trace "t" before it`},
		"trace too short":   {inXML("Full", "<trace id=\"t\" periodicity=\"3\">\n0 1\n5 1\n</trace>"), `p.xml: line 5: it begins anew after 3 s, but takes 5 s`},
		"too available":     {inXML("Full", hostA+"<trace id=\"t\" periodicity=\"-1\">0 2</trace>\n<trace_connect kind=\"SPEED\" trace=\"t\" element=\"a\"/>"), `p.xml: line 3: profile t: value 2 at 0 s is not from 0 to 1`},
		"missing file":      {inXML("Full", `<host id="a" speed="1Gf" speed_file="none.txt"/>`), `p.xml: line 2: host "a": speed_file: open none.txt: file does not exist`},
		"file elsewhere":    {inXML("Full", `<host id="a" speed="1Gf" speed_file="../none.txt"/>`), `p.xml: line 2: host "a": speed_file: file "../none.txt" is not in the folder of the platform, or below`},
		"bad file":          {inXML("Full", `<host id="a" speed="1Gf" speed_file="back.txt"/>`), `p.xml: line 2: host "a": speed_file: back.txt: line 2: date 1 is before that of the line before, 2`},
		"stochastic":        {inXML("Full", `<host id="a" speed="1Gf" state_file="random.txt"/>`), `p.xml: line 2: host "a": state_file: random.txt: line 1: stochastic profiles are not supported; write down the dates and values`},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"back.txt": {Data: []byte("2 1\n1 1\n")}, "random.txt": {Data: []byte("STOCHASTIC\nDET 1 EXP 2\n")}}
			p, err := ParseXML("p.xml", []byte(c.text), files)
			if err == nil {
				_, err = p.Router()
			}
			if err == nil || err.Error() != c.want {
				t.Errorf("%v, want\n%s", err, c.want)
			}
		})
	}
}

// Deep nesting ends with an error; many elements beside each other do not.
func TestXMLNestedTooDeep(t *testing.T) {
	text := inXML("Full", "")
	for i := range 300 {
		text = strings.Replace(text, "</zone>", fmt.Sprintf(`<trace id="t%d" periodicity="0"/><link id="l%d" bandwidth="1MBps"><prop id="a" value="b"/></link></zone>`, i, i), 1)
	}
	if _, err := ParseXML("p.xml", []byte(text), nil); err != nil {
		t.Error(err)
	}
	text = "<platform version=\"4.1\">"
	for i := range 200 {
		text += fmt.Sprintf("<zone id=\"z%d\" routing=\"Full\">\n", i)
	}
	_, err := ParseXML("p.xml", []byte(text), nil)
	if want := `p.xml: line 100: zone "z99": elements are nested too deep`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// A host has what its attributes and properties say.
func TestXMLHost(t *testing.T) {
	p, err := ParseXML("p.xml", []byte(`<?xml version='1.0' encoding='ISO-8859-1'?>
<!DOCTYPE platform SYSTEM "https://simgrid.org/simgrid.dtd">
<!-- a comment -->
<platform version="4.1">
  <config id="General">
    <prop id="network/model" value="CM02"/>
    <prop id="network/TCP-gamma" value="20000"/>
    <prop id="network/crosstraffic" value="no"/>
    <prop id="network/loopback-bw" value="1GBps"/>
    <prop id="contexts/stack-size" value="8"/>
  </config>
  <AS id="w" routing="Floyd">
    <prop id="anything" value="goes"/>
    <host id="a" speed="100.0Mf,50.0Mf" core="4" pstate="1">
      <prop id="wattage_per_state" value="95.0:120.0:200.0, 93.0:170.0"/>
      <prop id="wattage_off" value="10"/>
      <prop id="ram" value="16GiB"/>
      <disk id="ssd" read_bw="200MBps" write_bw="80MiBps"><prop id="x" value="y"/></disk>
    </host>
  </AS>
</platform>
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	want := Host{
		Name: "a", Cores: 4, Speeds: []sim.Speed{1e8, 5e7}, PState: 1, Memory: 16 << 30,
		Power: sim.Power{States: []sim.PowerState{{Idle: 95, Epsilon: 120, Full: 200}, {Idle: 93, Epsilon: 93, Full: 170}}, Off: 10},
		Disks: []Disk{{Name: "ssd", Read: 2e8, Write: 80 << 20}},
		Properties: []Property{
			{"wattage_per_state", "95.0:120.0:200.0, 93.0:170.0"},
			{"wattage_off", "10"},
			{"ram", "16GiB"},
		},
	}
	if got := p.root.children[0].zone.children[0].hosts.like; !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want\n%+v", got, want)
	}
	network := sim.CM02
	network.Gamma, network.CrossTraffic = 20000, false
	if got := p.Settings(sim.DefaultSettings()).Network; got != network {
		t.Errorf("%+v, want\n%+v", got, network)
	}
	if p.Loopback == nil || p.Loopback.Bandwidth != 1e9 {
		t.Errorf("loopback %+v", p.Loopback)
	}
	if notes := fmt.Sprint(p.Notes); notes != "[p.xml: line 10: option contexts/stack-size has no effect: it is about how SimGrid runs actors]" {
		t.Error(notes)
	}
	r := routerOf(t, p)
	if got := fmt.Sprint(between(t, r, "a", "a")); got != "[__loopback__]" {
		t.Error(got)
	}
}

// Units are those of SimGrid; a number without is in the base unit.
func TestUnits(t *testing.T) {
	for text, want := range map[string]float64{
		"1Gf": 1e9, "1.5kf": 1500, "2e3": 2000, "3megaflops": 3e6, "4flops": 4, "5f": 5, "1Yf": 1e24, "1yottaflops": 1e24, "1e2f": 100,
		"7Ef": 7e18, "0": 0, ".5Tf": 5e11, "3.Pf": 3e15, "1zettaflops": 1e21,
	} {
		if got, err := speeds.parse(text, true); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]float64{
		"1Bps": 1, "1kBps": 1e3, "1KBps": 1e3, "1KiBps": 1024, "1MBps": 1e6, "1MiBps": 1 << 20, "8bps": 1, "1Gbps": 1.25e8, "1Gibps": 1 << 27, "1EBps": 1e18,
		"8kbps": 1e3, "1.25E9": 1.25e9, "1GB/s": 1e9, "1TiB/s": 1 << 40,
	} {
		if got, err := bandwidths.parse(text, true); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for text, want := range map[string]float64{"1ps": 1e-12, "1ns": 1e-9, "50us": 50e-6, "1.5ms": 1.5e-3, "2s": 2, "1m": 60, "1h": 3600, "1d": 86400, "1w": 604800, "1.0E-4": 1e-4} {
		if got, err := latencies.parse(text, true); err != nil || math.Abs(got-want) > 1e-15*want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"5", "", "Gf", "1_0f", "infinity", "nan", "-0.1f", "1 Gf", "1gf", "1F"} {
		if v, err := speeds.parse(text, false); err == nil {
			t.Errorf("%q is %v", text, v)
		}
	}
}

// Bypasses of the lowest zones count, for hosts as for zones, one way.
func TestBypasses(t *testing.T) {
	p, err := ParseXML("p.xml", []byte(inXML("Full", `
<cluster id="x" prefix="x" suffix="" radical="0-1" speed="1Gf" bw="1MBps" lat="0"/>
<cluster id="y" prefix="y" suffix="" radical="0-1" speed="1Gf" bw="1MBps" lat="0"/>
<link id="usual" bandwidth="1MBps"/><link id="by" bandwidth="1MBps"/><link id="host" bandwidth="1MBps"/>
<zoneRoute src="x" dst="y" gw_src="xx_router" gw_dst="yy_router"><link_ctn id="usual"/></zoneRoute>
<bypassZoneRoute src="y" dst="x" gw_src="y1" gw_dst="xx_router"><link_ctn id="by"/></bypassZoneRoute>
<bypassRoute src="y0" dst="x1"><link_ctn id="host"/></bypassRoute>`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := routerOf(t, p)
	for ends, want := range map[[2]string]string{
		{"x0", "y0"}: "x_link_0_UP usual y_link_0_DOWN",
		{"y0", "x0"}: "y_link_0_UP y_link_1_DOWN by x_link_0_DOWN",
		{"y1", "x1"}: "by x_link_1_DOWN",
		{"y0", "x1"}: "host",
	} {
		if got := strings.Join(between(t, r, ends[0], ends[1]), " "); got != want {
			t.Errorf("%v: %s, want %s", ends, got, want)
		}
	}
}

// A Star with routes to all others, as in SimGrid's manual: the backbone is
// crossed once.
func TestStar(t *testing.T) {
	p, err := ParseXML("p.xml", []byte(inXML("Star", `
<host id="a" speed="1Gf"/><host id="b" speed="1Gf"/><host id="c" speed="1Gf"/>
<link id="la" bandwidth="1MBps"/><link id="lb" bandwidth="1MBps" sharing_policy="SPLITDUPLEX"/><link id="bb" bandwidth="1MBps"/>
<route src="a" dst="*"><link_ctn id="la"/><link_ctn id="bb"/></route>
<route src="b" dst="*" symmetrical="NO"><link_ctn id="lb" direction="UP"/><link_ctn id="bb"/></route>
<route src="*" dst="b" symmetrical="NO"><link_ctn id="bb"/><link_ctn id="lb" direction="DOWN"/></route>
<route src="b" dst="b"><link_ctn id="la"/></route>`)), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := routerOf(t, p)
	for ends, want := range map[[2]string]string{{"a", "b"}: "la bb lb_DOWN", {"b", "a"}: "lb_UP bb la", {"b", "b"}: "la", {"a", "a"}: "la bb", {"c", "c"}: ""} {
		if got := strings.Join(between(t, r, ends[0], ends[1]), " "); got != want {
			t.Errorf("%v: %s, want %s", ends, got, want)
		}
	}
	if _, _, err := r.Path("a", "c"); err == nil || !strings.Contains(err.Error(), "from a to c: zone w (Star routing) knows no way from a to c") {
		t.Errorf("%v", err)
	}
}

// A platform of several zones without one around them.
func TestXMLWithoutOuterZone(t *testing.T) {
	p, err := ParseXML("p.xml", []byte(`<platform version="4.0"><cluster id="c" prefix="c-" suffix="" radical="3;5-6" speed="1Gf" bw="1MBps" lat="0" router_id="door"/>
<zone id="z" routing="None"><host id="a" speed="1Gf"/></zone></platform>`), nil)
	if err != nil {
		t.Fatal(err)
	}
	r := routerOf(t, p)
	if got := strings.Join(between(t, r, "c-3", "c-6"), " "); got != "c_link_3_UP c_link_6_DOWN" {
		t.Error(got)
	}
	if _, known := r.points["door"]; !known {
		t.Error("there is no door")
	}
}
