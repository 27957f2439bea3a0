package sim

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// dense is a sharing problem as a matrix, and the slow and obvious way to solve
// it. It shares no code with the network.
type dense struct {
	law      Law
	capacity []float64
	fat      []bool
	weight   [][]float64 // by link and flow
	penalty  []float64   // by flow
	cap      []float64   // by flow
}

// rates raises the levels of all open flows together, again from the start
// after each flow or link that ends the growth of some.
func (d *dense) rates() []float64 {
	x := make([]float64, len(d.penalty))
	open := make([]bool, len(x))
	for i := range open {
		open[i] = true
	}
	for slices.Contains(open, true) {
		level, links := d.nextFull(x, open)
		grow := math.Inf(1) // where the first open flow reaches its cap
		for i := range x {
			if open[i] && (d.law == Right || d.onAny(links, i)) {
				grow = min(grow, d.capIn(i)*d.penalty[i])
			}
		}
		for i := range x {
			switch {
			case !open[i]:
			case math.IsInf(level, 1) && d.law == Original: // on no link
				x[i], open[i] = d.capIn(i), false
			case grow < level || math.IsInf(level, 1):
				if d.capIn(i)*d.penalty[i] <= grow && (d.law == Right || d.onAny(links, i)) {
					x[i], open[i] = d.capIn(i), false
				}
			case d.onAny(links, i):
				x[i], open[i] = level/d.penalty[i], false
			}
		}
	}
	return x
}

// capIn is the cap of a flow. With the right law a fat pipe is one.
func (d *dense) capIn(i int) float64 {
	most := d.cap[i]
	for l := range d.capacity {
		if w := d.weight[l][i]; d.law == Right && d.fat[l] && w > 0 {
			most = min(most, d.capacity[l]/w)
		}
	}
	return most
}

// nextFull returns the lowest level at which a link is full, and all links that
// are full at it.
func (d *dense) nextFull(x []float64, open []bool) (level float64, links []int) {
	levels := make([]float64, len(d.capacity))
	level = math.Inf(1)
	for l, c := range d.capacity {
		left, use := c, 0.0
		for i, w := range d.weight[l] {
			switch {
			case d.fat[l] && open[i]:
				use = max(use, w/d.penalty[i])
			case d.fat[l]:
			case open[i]:
				use += w / d.penalty[i]
			default:
				left -= w * x[i]
			}
		}
		levels[l] = math.Inf(1)
		if use > 0 && !(d.fat[l] && d.law == Right) {
			levels[l] = max(0, left/use)
		}
		level = min(level, levels[l])
	}
	for l := range levels {
		if levels[l] <= level*(1+1e-12) && !math.IsInf(levels[l], 1) {
			links = append(links, l)
		}
	}
	return level, links
}

func (d *dense) onAny(links []int, i int) bool {
	return slices.ContainsFunc(links, func(l int) bool { return d.weight[l][i] > 0 })
}

// web is a random network on which random things happen.
type web struct {
	t *testing.T
	*Simulation
	rng   *rand.Rand
	hosts int
	table Table
	ways  map[[2]HostID][]LinkID
	flows []sent
}

// sent is what was asked for, and what is needed to know what it should get.
type sent struct {
	name    Flow
	spec    FlowSpec
	slowest float64 // the bandwidth of the slowest link on its way when it was sent
	resumed bool
	over    bool
}

func newWeb(t *testing.T, seed uint64, law Law) *web {
	rng := rand.New(rand.NewPCG(seed, uint64(law)))
	model := []NetworkModel{CM02, LV08, VMPlaceS}[rng.IntN(3)]
	model.CrossTraffic = rng.IntN(3) > 0
	if rng.IntN(2) == 0 {
		model.Gamma = 1e4 // so that the window limits some flows
	}
	s, err := NewWith(Settings{Law: law, Network: model, Check: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &web{t: t, Simulation: s, rng: rng, hosts: 2 + rng.IntN(6), ways: map[[2]HostID][]LinkID{}}
	for h := range w.hosts {
		w.must(w.AddHost(HostSpec{Name: fmt.Sprint("h", h), Cores: 1, Speeds: []Speed{1}}))
	}
	links, fat := 1+rng.IntN(10), rng.IntN(3)
	for l := range links {
		spec := LinkSpec{Name: fmt.Sprint("l", l), Bandwidth: w.bandwidth(), Latency: w.latency()}
		if rng.IntN(4) < fat {
			spec.Policy = FatPipe
		}
		if _, err := w.AddLink(spec); err != nil {
			t.Fatal(err)
		}
	}
	for a := range HostID(w.hosts) {
		for b := range HostID(w.hosts) {
			if a == b {
				continue
			}
			way := make([]LinkID, 1+rng.IntN(4))
			for k := range way {
				way[k] = LinkID(rng.IntN(links)) // perhaps several times
			}
			w.ways[[2]HostID{a, b}] = way
			w.table.Add(a, b, way...)
		}
	}
	w.SetRouter(&w.table)
	return w
}

func (w *web) must(_ any, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// bandwidth is sometimes round, so that several links are full at once.
func (w *web) bandwidth() Bandwidth {
	if w.rng.IntN(3) == 0 {
		return Bandwidth(1+w.rng.IntN(3)) * 1e6
	}
	return Bandwidth(1e5 * math.Exp(5*w.rng.Float64()))
}

func (w *web) latency() Seconds {
	return []Seconds{0, 1e-4, Seconds(0.01 * w.rng.Float64())}[w.rng.IntN(3)]
}

// step lets something happen.
func (w *web) step() {
	live := w.flows[max(0, len(w.flows)-30):]
	pick := func() *sent { return &live[w.rng.IntN(len(live))] }
	switch k := w.rng.IntN(20); {
	case k < 9 || len(live) == 0:
		w.send()
	case k < 11:
		f := pick()
		w.expect(f, w.SuspendFlow(f.name))
	case k < 14:
		f := pick()
		if w.network.alive(f.name) && w.network.flows[f.name.slot].held != 0 {
			f.resumed = true
		}
		w.expect(f, w.ResumeFlow(f.name))
	case k < 15:
		f := pick()
		w.expect(f, w.CancelFlow(f.name))
		f.over = true
	case k < 16:
		w.must(nil, w.SetBandwidth(LinkID(w.rng.IntN(w.Links())), w.bandwidth()))
	case k < 17:
		w.must(nil, w.SetLatency(LinkID(w.rng.IntN(w.Links())), w.latency()))
	default:
		w.must(nil, w.Run(w.Now()+Seconds(w.rng.ExpFloat64()*0.3)))
	}
}

func (w *web) send() {
	from := HostID(w.rng.IntN(w.hosts))
	to := HostID(w.rng.IntN(w.hosts))
	spec := FlowSpec{From: from.Place(), To: to.Place(), Bytes: Bytes(1e6 * w.rng.ExpFloat64())}
	if w.rng.IntN(4) == 0 {
		spec.Cap = w.bandwidth()
	}
	f := sent{spec: spec, slowest: math.Inf(1)}
	for _, l := range w.ways[[2]HostID{from, to}] {
		f.slowest = min(f.slowest, float64(w.Link(l).Bandwidth))
	}
	i := len(w.flows)
	name, err := w.Send(spec, Then(func(error) { w.flows[i].over = true }), 0)
	w.must(nil, err)
	f.name = name
	w.flows = append(w.flows, f)
}

// expect checks that an operation fails if and only if the flow is over.
func (w *web) expect(f *sent, err error) {
	w.t.Helper()
	if (err != nil) != f.over {
		w.t.Fatalf("flow over: %v, error: %v", f.over, err)
	}
}

// problem writes down what the flows that send share, from the descriptions of
// the links as they are.
func (w *web) problem() (d dense, flows []*sent) {
	d.law = w.settings.Law
	for l := range LinkID(w.Links()) {
		d.capacity = append(d.capacity, float64(w.Link(l).Bandwidth))
		d.fat = append(d.fat, w.Link(l).Policy == FatPipe)
	}
	for k := range w.flows {
		f := &w.flows[k]
		if f.over || w.network.flows[f.name.slot].phase != flowSending || w.network.flows[f.name.slot].held != 0 {
			continue
		}
		flows = append(flows, f)
		// The last digits decide what SimGrid does with a fat pipe whose
		// bandwidth is also the cap of a flow, so they are the network's own.
		own := w.network.shares[f.name.slot]
		p, c := w.law(f)
		if law := w.settings.Law; math.Abs(own.penalty-p) > 1e-12*p || law == Original && c != own.cap && math.Abs(own.cap-c) > 1e-12*c {
			w.t.Fatalf("penalty %v and cap %v, want %v and %v", own.penalty, own.cap, p, c)
		}
		d.penalty = append(d.penalty, own.penalty)
		if d.law == Original {
			c = own.cap
		}
		d.cap = append(d.cap, c)
	}
	for l := range LinkID(w.Links()) {
		row := make([]float64, len(flows))
		for i, f := range flows {
			row[i] = w.weight(l, f)
		}
		d.weight = append(d.weight, row)
	}
	return d, flows
}

// law returns the penalty and the cap of a flow.
func (w *web) law(f *sent) (penalty, most float64) {
	m := w.settings.Network
	if most = math.Inf(1); f.spec.Cap > 0 {
		most = float64(f.spec.Cap) / m.BandwidthFactor
	}
	if w.settings.Law == Original {
		most = min(most, f.slowest)
	}
	if f.spec.From == f.spec.To {
		return 1, min(most, 10e9)
	}
	d, s := 0.0, 0.0
	for _, l := range w.ways[[2]HostID{f.spec.From.host, f.spec.To.host}] {
		d += float64(w.Link(l).Latency)
		s += m.WeightS / float64(w.Link(l).Bandwidth)
	}
	if d > 0 {
		most = min(most, m.Gamma/(2*d))
	}
	if d == 0 || w.settings.Law == Original && f.resumed {
		return 1, most
	}
	return d + s, most
}

func (w *web) weight(l LinkID, f *sent) float64 {
	if f.spec.From == f.spec.To {
		return 0
	}
	var weights []float64
	for _, k := range w.ways[[2]HostID{f.spec.From.host, f.spec.To.host}] {
		if k == l {
			weights = append(weights, 1)
		}
	}
	for _, k := range w.ways[[2]HostID{f.spec.To.host, f.spec.From.host}] {
		if k == l && w.settings.Network.CrossTraffic {
			weights = append(weights, 0.05)
		}
	}
	sum := 0.0
	for _, x := range weights {
		if w.Link(l).Policy == FatPipe {
			sum = max(sum, x)
		} else {
			sum += x
		}
	}
	return sum
}

func TestRatesAreThoseOfTheObviousSolver(t *testing.T) {
	for _, law := range []Law{Right, Original} {
		most, compared := 0, 0
		for seed := range uint64(250) {
			w := newWeb(t, seed, law)
			for step := range 80 {
				w.step()
				d, flows := w.problem()
				for i, want := range d.rates() {
					got := float64(w.FlowRate(flows[i].name)) / w.settings.Network.BandwidthFactor
					if math.Abs(got-want) > 1e-9*want {
						t.Fatalf("law %d, seed %d, step %d: flow %d of %d has %v, want %v", law, seed, step, i, len(flows), got, want)
					}
					compared++
				}
				most = max(most, len(flows))
				if err := w.network.check(); err != nil {
					t.Fatalf("law %d, seed %d, step %d: %v", law, seed, step, err)
				}
			}
		}
		if most < 10 {
			t.Errorf("never more than %d flows at once", most)
		}
		t.Logf("law %d: %d rates compared, up to %d flows at once", law, compared, most)
	}
}

// The rates depend on which flows there are, not on how it came to that.
func TestRatesDoNotDependOnTheOrder(t *testing.T) {
	for _, law := range []Law{Right, Original} {
		for seed := range uint64(60) {
			one, other := ratesAfter(t, seed, law, 1), ratesAfter(t, seed, law, 2)
			for i := range one {
				if math.Abs(one[i]-other[i]) > 1e-11*one[i] {
					t.Fatalf("law %d, seed %d: flow %d has %v or %v, by the order", law, seed, i, one[i], other[i])
				}
			}
		}
	}
}

// ratesAfter returns the rates of 20 flows, started in some order, while others
// come and go.
func ratesAfter(t *testing.T, seed uint64, law Law, order uint64) []float64 {
	w := newWeb(t, seed, law)
	w.settings.Network.LatencyFactor = 0
	specs := make([]FlowSpec, 20)
	for i := range specs {
		specs[i] = between(HostID(w.rng.IntN(w.hosts)), HostID(w.rng.IntN(w.hosts)), 1e12)
	}
	rates := make([]float64, len(specs))
	flows := make([]Flow, len(specs))
	rng := rand.New(rand.NewPCG(seed, order))
	for _, i := range rng.Perm(len(specs)) {
		passing, err := w.Send(specs[rng.IntN(len(specs))], nil, 0)
		w.must(nil, err)
		w.FlowRate(passing)
		flows[i], err = w.Send(specs[i], nil, 0)
		w.must(nil, err)
		w.must(nil, w.CancelFlow(passing))
		w.FlowRate(flows[i])
	}
	for i := range flows {
		rates[i] = float64(w.FlowRate(flows[i]))
	}
	return rates
}

func TestRatesAreGivenOnceForAllChangesOfADate(t *testing.T) {
	model := plain
	model.LatencyFactor = 0
	s := netOf(t, 101, Settings{Network: model})
	for h := range HostID(100) {
		send(t, s, between(h, 100, 100))
	}
	runTo(t, s, 99)
	if s.Events() != 1 {
		t.Errorf("%d events, want 1", s.Events())
	}
	runTo(t, s, Forever)
	if s.Now() != 100 || s.Events() > 203 {
		t.Errorf("%d events up to %v s, want at most 203, up to 100 s", s.Events(), s.Now())
	}
}

// Only what a change affects is touched: a star of many pairs of hosts that
// send to each other, and one pair changes.
func TestFlowsElsewhereAreNotTouched(t *testing.T) {
	s := netOf(t, 200, Settings{Network: CM02})
	var flows []*outcome
	for h := range HostID(100) {
		flows = append(flows, send(t, s, between(2*h, 2*h+1, 1e6)))
	}
	runTo(t, s, 10)
	before := s.network.shares[flows[5].flow.slot].epoch
	must(t, s.SetBandwidth(0, 50))
	if s.FlowRate(flows[0].flow) != 50 || s.FlowRate(flows[5].flow) != 100 {
		t.Errorf("%v and %v B/s, want 50 and 100", s.FlowRate(flows[0].flow), s.FlowRate(flows[5].flow))
	}
	if len(s.network.members) != 1 || s.network.shares[flows[5].flow.slot].epoch != before {
		t.Errorf("%d flows were touched, want 1", len(s.network.members))
	}
}

// The check of invariants must see what is wrong.
func TestTheCheckSeesWrongRates(t *testing.T) {
	for _, c := range []struct {
		rates [2]float64
		want  string
	}{
		{[2]float64{50, 50}, ""},
		{[2]float64{100, 100}, `link "l1_DOWN": flows take 200 of 100 B/s`},
		{[2]float64{60, 40}, `flow from "h2" to "h1" has 40 B/s and could have more`},
		{[2]float64{40, 50}, `flow from "h0" to "h1" has 40 B/s and could have more`},
	} {
		s := netOf(t, 3, Settings{Network: plain})
		flows := []*outcome{send(t, s, between(0, 1, 1e6)), send(t, s, between(2, 1, 1e6))}
		must(t, s.Run(10))
		for i, o := range flows {
			s.network.shares[o.flow.slot].rate = c.rates[i]
		}
		for l := range s.network.links {
			s.network.touched = append(s.network.touched, LinkID(l)) // the run has looked at them before
		}
		switch err := s.network.check(); {
		case c.want == "":
			must(t, err)
		case err == nil || !strings.Contains(err.Error(), c.want):
			t.Errorf("%v, want something with %q", err, c.want)
		}
	}
}

// The peer's program bench_net prints these dates for the same traffic, with
// seed 7.
func TestTrafficTakesAsLongAsWithThePeer(t *testing.T) {
	for _, c := range []struct {
		hosts, perHost int
		backbone       string
		end, mean      float64
	}{
		{64, 1, "none", 1.1730474725, 0.565295169267},
		{64, 4, "none", 3.38575678202, 1.53685032353},
		{64, 4, "shared", 4.39169038799, 2.25117364124},
		{64, 4, "fat", 3.34569668778, 1.53888405593},
	} {
		w := newTraffic(c.hosts, c.perHost, 10*c.hosts*c.perHost, c.backbone)
		w.settings.Check = true
		for at := Seconds(0.01); w.done < w.total; at += 0.01 {
			runTo(t, w.Simulation, at)
		}
		mean := float64(w.dates) / float64(w.done)
		if math.Abs(mean-c.mean) > 1e-11*c.mean || math.Abs(float64(w.last)-c.end) > 1e-11*c.end {
			t.Errorf("%d hosts, %d flows at once, backbone %s: %.12g s on average, the last at %.12g s, want %v and %v",
				c.hosts, c.hosts*c.perHost, c.backbone, mean, w.last, c.mean, c.end)
		}
	}
}

// What is left of the sum of very different weights must not be what is left
// of its rounding errors.
func TestVeryDifferentPenaltiesShareALink(t *testing.T) {
	s := netOf(t, 2, Settings{Network: plain})
	near, err := s.AddLink(LinkSpec{Name: "near", Bandwidth: 100})
	must(t, err)
	far, err := s.AddLink(LinkSpec{Name: "far", Bandwidth: 1000, Latency: 1e-17})
	must(t, err)
	var table Table
	table.Add(0, 1, near)
	table.Add(1, 0, near, far)
	s.SetRouter(&table)
	heavy := between(1, 0, 1000)
	heavy.Cap = 10
	flows := []*outcome{send(t, s, heavy), send(t, s, between(0, 1, 1000))}
	runTo(t, s, 1)
	if a, b := s.FlowRate(flows[0].flow), s.FlowRate(flows[1].flow); a != 10 || b != 90 {
		t.Errorf("%v and %v B/s, want 10 and 90", a, b)
	}
}
