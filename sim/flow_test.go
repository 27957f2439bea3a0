package sim

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// plain is a model without latency factor, bandwidth factor, window limit and
// cross traffic.
var plain = NetworkModel{Name: "plain", LatencyFactor: 1, BandwidthFactor: 1}

// netOf returns a simulation of hosts h0, h1… around a switch, each with a
// split-duplex link of 100 B/s and 0.5 s.
func netOf(t *testing.T, hosts int, settings Settings) *Simulation {
	t.Helper()
	settings.Check = true
	s, err := NewWith(settings)
	if err != nil {
		t.Fatal(err)
	}
	star := NewStar()
	for i := range hosts {
		h, err := s.AddHost(HostSpec{Name: fmt.Sprint("h", i), Cores: 1, Speeds: []Speed{1}})
		if err != nil {
			t.Fatal(err)
		}
		up, down, err := s.AddDuplex(LinkSpec{Name: fmt.Sprint("l", i), Bandwidth: 100, Latency: 0.5})
		if err != nil {
			t.Fatal(err)
		}
		star.Connect(h, up, down)
	}
	s.SetRouter(star)
	return s
}

// outcome is how a flow has ended.
type outcome struct {
	at   Seconds // negative: it has not
	err  error
	left float64
	flow Flow
}

// send sends bytes and returns where its outcome will be.
func send(t *testing.T, s *Simulation, spec FlowSpec) *outcome {
	t.Helper()
	o := &outcome{at: -1}
	flow, err := s.Send(spec, Then(func(err error) {
		o.at, o.err, o.left = s.Now(), err, s.FlowRemaining(o.flow)
	}), 0)
	if err != nil {
		t.Fatal(err)
	}
	o.flow = flow
	return o
}

func between(from, to HostID, bytes Bytes) FlowSpec {
	return FlowSpec{From: from.Place(), To: to.Place(), Bytes: bytes}
}

func runTo(t *testing.T, s *Simulation, until Seconds) {
	t.Helper()
	if err := s.Run(until); err != nil {
		t.Fatal(err)
	}
	if err := s.network.check(); err != nil {
		t.Fatal(err)
	}
}

// wantDates checks when flows have arrived.
func wantDates(t *testing.T, flows []*outcome, want ...Seconds) {
	t.Helper()
	for i, o := range flows {
		if o.err != nil || math.Abs(float64(o.at-want[i])) > 1e-9*float64(want[i]) {
			t.Errorf("flow %d: %v at %v s, want %v s", i, o.err, o.at, want[i])
		}
	}
}

func TestAFlowTakesTheLatencyAndTheTimeOfItsBytes(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	o, none := send(t, s, between(0, 1, 1000)), send(t, s, between(1, 0, 0))
	runTo(t, s, 0.9)
	if s.FlowRate(o.flow) != 0 || s.FlowRemaining(o.flow) != 1000 {
		t.Errorf("in the latency: %v B/s, %v bytes left", s.FlowRate(o.flow), s.FlowRemaining(o.flow))
	}
	runTo(t, s, 2)
	if s.FlowRate(o.flow) != 100 || s.FlowRemaining(o.flow) != 900 || s.LinkLoad(0) != 100 || s.LinkLoad(1) != 0 {
		t.Errorf("%v B/s, %v bytes left, links %v and %v", s.FlowRate(o.flow), s.FlowRemaining(o.flow), s.LinkLoad(0), s.LinkLoad(1))
	}
	runTo(t, s, Forever)
	wantDates(t, []*outcome{o, none}, 11, 1)
	if s.FlowRate(o.flow) != 0 || s.FlowRemaining(o.flow) != 0 || o.left != 0 {
		t.Error("a flow goes on after its end")
	}
}

func TestTheCapOfTheUserIsExact(t *testing.T) {
	s := netOf(t, 2, Settings{Network: NetworkModel{LatencyFactor: 13.01, BandwidthFactor: 0.97, WeightS: 20537, CrossTraffic: true}})
	spec := between(0, 1, 1000)
	spec.Cap = 40
	o := send(t, s, spec)
	runTo(t, s, 14)
	if rate := s.FlowRate(o.flow); math.Abs(float64(rate)-40) > 1e-13 {
		t.Errorf("%v B/s, want 40", rate)
	}
}

func TestAHostReachesItselfAtTenGigabytesPerSecond(t *testing.T) {
	for _, law := range []Law{Right, Original} {
		s := netOf(t, 1, Settings{Network: plain, Law: law})
		flows := []*outcome{send(t, s, between(0, 0, 1e10)), send(t, s, between(0, 0, 2e10))}
		s.SetRouter(nil)
		flows = append(flows, send(t, s, between(0, 0, 1e10)))
		runTo(t, s, Forever)
		wantDates(t, flows, 1, 2, 1)
	}
}

// lone is a router whose hosts are all in one place.
type lone struct{}

func (lone) Route(_, _ HostID, links []LinkID) ([]LinkID, error) { return links, nil }

func TestBetweenHostsInOnePlaceOnlyACapLimits(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	s.SetRouter(lone{})
	free, capped := send(t, s, between(0, 1, 1e15)), send(t, s, FlowSpec{From: HostID(0).Place(), To: HostID(1).Place(), Bytes: 50, Cap: 10})
	if !math.IsInf(float64(s.FlowRate(free.flow)), 1) {
		t.Errorf("%v B/s, want no limit", s.FlowRate(free.flow))
	}
	runTo(t, s, Forever)
	if free.at != 0 || free.err != nil || capped.at != 5 {
		t.Errorf("arrived at %v (%v) and %v, want 0 and 5", free.at, free.err, capped.at)
	}
}

func TestAFatPipeIsACapOfEachFlow(t *testing.T) {
	s := netOf(t, 4, Settings{Network: plain})
	pipe, err := s.AddLink(LinkSpec{Name: "pipe", Bandwidth: 60, Policy: FatPipe})
	if err != nil {
		t.Fatal(err)
	}
	star := NewStar(pipe)
	for h := range HostID(4) {
		star.Connect(h, LinkID(2*h), LinkID(2*h+1))
	}
	s.SetRouter(star)
	flows := []*outcome{send(t, s, between(0, 1, 600)), send(t, s, between(2, 1, 600)), send(t, s, between(3, 0, 600))}
	runTo(t, s, 2)
	for i, want := range []Bandwidth{50, 50, 60} {
		if got := s.FlowRate(flows[i].flow); got != want {
			t.Errorf("flow %d has %v B/s, want %v", i, got, want)
		}
	}
	if load := s.LinkLoad(pipe); load != 160 {
		t.Errorf("the pipe has a load of %v, want 160", load)
	}
	if err := s.SetBandwidth(pipe, 30); err != nil {
		t.Fatal(err)
	}
	for i := range flows {
		if got := s.FlowRate(flows[i].flow); got != 30 {
			t.Errorf("flow %d has %v B/s in the narrower pipe, want 30", i, got)
		}
	}
	before := s.network.shares[flows[0].flow.slot].epoch
	if err := s.CancelFlow(flows[2].flow); err != nil {
		t.Fatal(err)
	}
	if runTo(t, s, 2); s.network.shares[flows[0].flow.slot].epoch != before {
		t.Error("a flow that has only the pipe in common was touched")
	}
}

// Golden case suspend_resume with the right law: all resume with the weight
// they had. Flow 2 has 1/3 for 1 s, 1/2 for 1 s, all for 0.5 s, 1/2 for 0.5 s,
// and then 1/3 again.
func TestSuspendedFlowsResumeAsTheyWere(t *testing.T) {
	model := CM02
	model.CrossTraffic = false
	s := netOf(t, 2, Settings{Network: model})
	l, err := s.AddLink(LinkSpec{Name: "L", Bandwidth: 125e6, Latency: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	var table Table
	table.AddBoth(0, 1, l)
	s.SetRouter(&table)
	var flows []*outcome
	for range 3 {
		flows = append(flows, send(t, s, between(0, 1, 250_000_000)))
	}
	for _, op := range []struct {
		at Seconds
		do func(Flow) error
		i  int
	}{{1, s.SuspendFlow, 0}, {2, s.SuspendFlow, 1}, {2.5, s.ResumeFlow, 1}, {3, s.ResumeFlow, 0}} {
		runTo(t, s, op.at)
		for range 2 { // the second time changes nothing
			if err := op.do(flows[op.i].flow); err != nil {
				t.Fatal(err)
			}
		}
	}
	runTo(t, s, Forever)
	wantDates(t, flows, 6.001, 5.251, 4.251)
}

// Golden case bandwidth_change with the right law: caps follow the bandwidth,
// and at 6 s the latency limits what is left of flow 0 to gamma/(2*0.05).
func TestCapsFollowTheBandwidth(t *testing.T) {
	model := CM02
	model.CrossTraffic = false
	s := netOf(t, 2, Settings{Network: model})
	l, err := s.AddLink(LinkSpec{Name: "L", Bandwidth: 125e6, Latency: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	var table Table
	table.AddBoth(0, 1, l)
	s.SetRouter(&table)
	flows := []*outcome{send(t, s, between(0, 1, 500_000_000))}
	runTo(t, s, 1)
	flows = append(flows, send(t, s, between(0, 1, 300_000_000)))
	runTo(t, s, 2)
	err = s.SetBandwidth(l, 62.5e6)
	runTo(t, s, 3)
	flows = append(flows, send(t, s, between(1, 0, 100_000_000)))
	runTo(t, s, 4)
	err = errors.Join(err, s.SetBandwidth(l, 250e6))
	runTo(t, s, 6)
	if err = errors.Join(err, s.SetLatency(l, 0.05)); err != nil {
		t.Fatal(err)
	}
	runTo(t, s, Forever)
	wantDates(t, flows, 6+25.125e6/41943040, 5.8005, 4.95025)
}

func TestAFlowSuspendedInItsLatencyWaitsTheRest(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	o := send(t, s, between(0, 1, 100))
	runTo(t, s, 0.75)
	if err := s.SuspendFlow(o.flow); err != nil {
		t.Fatal(err)
	}
	runTo(t, s, 5)
	if err := s.ResumeFlow(o.flow); err != nil {
		t.Fatal(err)
	}
	runTo(t, s, Forever)
	wantDates(t, []*outcome{o}, 6.25)
}

func TestACancelledFlowIsToldLater(t *testing.T) {
	s := netOf(t, 3, Settings{Network: plain})
	o, other := send(t, s, between(0, 1, 1000)), send(t, s, between(2, 1, 150))
	runTo(t, s, 2)
	if err := s.CancelFlow(o.flow); err != nil {
		t.Fatal(err)
	}
	if o.at >= 0 || s.FlowRate(o.flow) != 0 || s.FlowRemaining(o.flow) != 950 || s.FlowRate(other.flow) != 100 {
		t.Errorf("cancelled at %v: %v B/s, %v bytes left; the other has %v B/s", o.at, s.FlowRate(o.flow), s.FlowRemaining(o.flow), s.FlowRate(other.flow))
	}
	for _, err := range []error{s.CancelFlow(o.flow), s.SuspendFlow(o.flow), s.ResumeFlow(o.flow), s.CancelFlow(Flow{})} {
		if !errors.Is(err, ErrOver) {
			t.Errorf("%v, want that it is over", err)
		}
	}
	runTo(t, s, Forever)
	if o.at != 2 || !errors.Is(o.err, ErrCancelled) || o.left != 950 {
		t.Errorf("told at %v: %v, %v left", o.at, o.err, o.left)
	}
	wantDates(t, []*outcome{other}, 3)
}

func TestANameIsNotThatOfALaterFlow(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	first := send(t, s, between(0, 1, 100))
	runTo(t, s, 10)
	second := send(t, s, between(0, 1, 100))
	if first.flow.slot != second.flow.slot {
		t.Fatal("the slot is not used again")
	}
	runTo(t, s, 11.5)
	if s.FlowRate(first.flow) != 0 || s.FlowRemaining(first.flow) != 0 || s.CancelFlow(first.flow) == nil {
		t.Error("the first flow goes on as the second")
	}
}

func TestALinkThatGoesOffEndsItsFlows(t *testing.T) {
	model := plain
	model.CrossTraffic = true
	s := netOf(t, 4, Settings{Network: model})
	over, back, waits, held := send(t, s, between(0, 1, 1000)), send(t, s, between(2, 0, 1000)), send(t, s, between(0, 3, 0)), send(t, s, between(0, 2, 10))
	other := send(t, s, between(2, 3, 200))
	if err := s.SuspendFlow(held.flow); err != nil {
		t.Fatal(err)
	}
	runTo(t, s, 0.9)
	if err := s.SwitchLink(0, false); err != nil { // l0_UP
		t.Fatal(err)
	}
	runTo(t, s, 0.9)
	for i, o := range []*outcome{over, back, waits, held} {
		if o.at != 0.9 || !errors.Is(o.err, ErrLinkOff) || !strings.Contains(o.err.Error(), `"l0_UP"`) {
			t.Errorf("flow %d ended at %v s: %v", i, o.at, o.err)
		}
	}
	_, err := s.Send(between(0, 1, 1), nil, 0)
	if !errors.Is(err, ErrLinkOff) || !strings.Contains(err.Error(), `from "h0" to "h1"`) {
		t.Errorf("a new flow: %v", err)
	}
	if s.IsLinkOn(0) || !s.IsLinkOn(1) {
		t.Error("the wrong link is off")
	}
	if err := s.SwitchLink(0, true); err != nil {
		t.Fatal(err)
	}
	again := send(t, s, between(0, 1, 100))
	runTo(t, s, Forever)
	wantDates(t, []*outcome{other, again}, 3, 2.9)
}

func TestCrossTrafficWeighsOnTheWayBack(t *testing.T) {
	model := plain
	model.CrossTraffic = true
	s := netOf(t, 2, Settings{Network: model})
	send(t, s, between(0, 1, 1000))
	send(t, s, between(1, 0, 1000))
	runTo(t, s, 2)
	if load := s.LinkLoad(0); math.Abs(float64(load)-100) > 1e-12 {
		t.Errorf("link load %v, want 100", load)
	}
	// One link for both directions: the weights add up.
	one, err := s.AddLink(LinkSpec{Name: "one", Bandwidth: 210})
	if err != nil {
		t.Fatal(err)
	}
	var table Table
	table.AddBoth(0, 1, one)
	s.SetRouter(&table)
	o := send(t, s, between(0, 1, 2000))
	if rate := s.FlowRate(o.flow); math.Abs(float64(rate)-200) > 1e-12 {
		t.Errorf("%v B/s, want 210/1.05", rate)
	}
}

func TestWhatMakesNoSenseIsAnErrorThatNamesIt(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	inf, nan := math.Inf(1), math.NaN()
	link := func(spec LinkSpec) error { _, err := s.AddLink(spec); return err }
	flow := func(spec FlowSpec) error { _, err := s.Send(spec, nil, 0); return err }
	model := func(m NetworkModel) error { _, err := NewWith(Settings{Network: m}); return err }
	for _, c := range []struct {
		err  error
		want string
	}{
		{link(LinkSpec{Name: "x", Bandwidth: 0}), `link "x": bandwidth 0 B/s`},
		{link(LinkSpec{Name: "x", Bandwidth: -1}), "bandwidth -1 B/s"},
		{link(LinkSpec{Name: "x", Bandwidth: Bandwidth(nan)}), "bandwidth NaN B/s"},
		{link(LinkSpec{Name: "x", Bandwidth: Bandwidth(inf)}), "bandwidth +Inf B/s"},
		{link(LinkSpec{Name: "x", Bandwidth: 1, Latency: -1}), "latency -1 s"},
		{link(LinkSpec{Name: "x", Bandwidth: 1, Latency: Seconds(nan)}), "latency NaN s"},
		{link(LinkSpec{Name: "x", Bandwidth: 1, Policy: 7}), "policy 7"},
		{s.SetBandwidth(99, 1), "link 99 is none of the 4"},
		{s.SetBandwidth(-1, 1), "link -1 is none of the 4"},
		{s.SetBandwidth(0, 0), `link "l0_UP": bandwidth 0 B/s`},
		{s.SetLatency(0, Seconds(inf)), `link "l0_UP": latency +Inf s`},
		{s.SetLatency(4, 1), "link 4 is none of the 4"},
		{s.SwitchLink(4, false), "link 4 is none of the 4"},
		{flow(between(0, 9, 1)), "to host 9, which is none of the 2 hosts"},
		{flow(between(-1, 0, 1)), "from host -1"},
		{flow(FlowSpec{From: VMID(3).Place(), To: HostID(0).Place()}), "from VM 3, which is none of the 0 VMs"},
		{flow(between(0, 1, -1)), "-1 bytes"},
		{flow(FlowSpec{From: HostID(0).Place(), To: HostID(1).Place(), Cap: Bandwidth(nan)}), "cap NaN B/s"},
		{flow(FlowSpec{From: HostID(0).Place(), To: HostID(1).Place(), Cap: -1}), "cap -1 B/s"},
		{flow(FlowSpec{From: HostID(0).Place(), To: HostID(1).Place(), Cap: Bandwidth(inf)}), "cap +Inf B/s"},
		{model(NetworkModel{Name: "m", LatencyFactor: -1, BandwidthFactor: 1}), `"m": latency factor -1`},
		{model(NetworkModel{BandwidthFactor: 0}), "bandwidth factor must not be 0"},
		{model(NetworkModel{BandwidthFactor: nan}), "bandwidth factor NaN"},
		{model(NetworkModel{BandwidthFactor: 1, WeightS: inf}), "weight S +Inf"},
		{model(NetworkModel{BandwidthFactor: 1, Gamma: -2}), "gamma -2"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%v, want something with %s", c.err, c.want)
		}
	}
	if s.Links() != 4 || len(s.network.flows) != len(s.network.free) {
		t.Error("something was half done")
	}
	if s.Link(77); s.Run(1) == nil {
		t.Error("an unknown link does not end the run")
	}
}

func TestWithoutAWayThereIsNoFlow(t *testing.T) {
	s := netOf(t, 3, Settings{Network: LV08})
	var oneWay Table
	oneWay.Add(0, 1, 0, 3)
	var wrong Table
	wrong.AddBoth(0, 1, 0, 99)
	half := NewStar()
	half.Connect(0, 0, 1)
	for _, c := range []struct {
		router Router
		want   string
	}{
		{nil, "no router is set"},
		{half, "not connected"},
		{&Table{}, "there is no route"},
		{&oneWay, "there is no route"},
		{&wrong, "link 99 is none of the 6 links"},
	} {
		s.SetRouter(c.router)
		_, err := s.Send(between(0, 1, 1), nil, 0)
		if err == nil || !strings.Contains(err.Error(), `from "h0" to "h1"`) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want something with %q", err, c.want)
		}
		if !errors.Is(err, ErrNoRoute) {
			t.Errorf("%v does not match ErrNoRoute", err)
		}
	}
}

func TestSendingTakesNoMemory(t *testing.T) {
	w := newTraffic(32, 4, math.MaxInt, "shared")
	runTo(t, w.Simulation, 5)
	if n := testing.AllocsPerRun(50, func() { runTo(t, w.Simulation, w.Now()+0.01) }); n > 0 {
		t.Errorf("%v allocations in 10 ms", n)
	}
}

func TestFlowsOfADateArriveInTheOrderOfSending(t *testing.T) {
	s := netOf(t, 20, Settings{Network: plain})
	var order []int
	for i := range 19 {
		h := HostID((7*i)%19 + 1) // so that slots and links are in another order
		if _, err := s.Send(between(h, h, 5e9), Then(func(error) { order = append(order, i) }), 0); err != nil {
			t.Fatal(err)
		}
	}
	runTo(t, s, 0.25)
	early := send(t, s, between(0, 0, 1e9))
	runTo(t, s, Forever)
	if s.Now() != 0.5 || early.at != 0.35 || !slices.IsSorted(order) || len(order) != 19 {
		t.Errorf("at %v and %v, in the order %v", early.at, s.Now(), order)
	}
}

func TestACancelledFlowLeavesNoEvent(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	for _, to := range []HostID{0, 1} {
		o := send(t, s, between(0, to, 1e12))
		runTo(t, s, s.Now()+1)
		must(t, s.CancelFlow(o.flow))
		runTo(t, s, Forever)
	}
	if s.Now() != 2 {
		t.Errorf("the last event is at %v s, want 2 s", s.Now())
	}
}
