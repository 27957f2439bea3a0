package sim

import (
	"fmt"
	"testing"
)

// splitMix is the generator of the peer's program, so that both send the same
// flows.
type splitMix uint64

func (r *splitMix) below(n uint64) uint64 {
	*r += 0x9E3779B97F4A7C15
	z := uint64(*r)
	z = (z ^ z>>30) * 0xBF58476D1CE4E5B9
	z = (z ^ z>>27) * 0x94D049BB133111EB
	return (z ^ z>>31) % n
}

// traffic is the scenario of the peer's bench_net: hosts around a switch, at
// 1 Gb/s in each direction, and senders on each that send 1 to 11 MB to some
// other host, and then again.
type traffic struct {
	*Simulation
	hosts, perHost int
	total          int
	started, done  int
	target         int // of all, if it is not negative
	senders        []splitMix
	dates          Seconds // of completion, the sum
	last           Seconds // of them
}

func newTraffic(hosts, perHost, total int, backbone string) *traffic {
	w := &traffic{Simulation: New(), hosts: hosts, perHost: perHost, target: -1, total: total}
	star := NewStar()
	if backbone != "none" {
		policy := Shared
		if backbone == "fat" {
			policy = FatPipe
		}
		l, err := w.AddLink(LinkSpec{Name: "backbone", Bandwidth: Bandwidth(125e6 * hosts / 2), Latency: 1e-4, Policy: policy})
		if err != nil {
			panic(err)
		}
		star = NewStar(l)
	}
	for i := range hosts {
		h, err := w.AddHost(HostSpec{Name: fmt.Sprint("h", i), Cores: 1, Speeds: []Speed{Giga}})
		if err != nil {
			panic(err)
		}
		up, down, err := w.AddDuplex(LinkSpec{Name: fmt.Sprint("l", i), Bandwidth: 125e6, Latency: 5e-5})
		if err != nil {
			panic(err)
		}
		star.Connect(h, up, down)
	}
	w.SetRouter(star)
	for i := range hosts {
		for j := range perHost {
			w.senders = append(w.senders, splitMix(7*1000003+uint64(i)*1009+uint64(j)))
			w.send(len(w.senders) - 1)
		}
	}
	return w
}

func (w *traffic) send(sender int) {
	if w.started == w.total {
		return
	}
	w.started++
	r, from := &w.senders[sender], sender/w.perHost
	to := int(r.below(uint64(w.hosts - 1)))
	if to >= from {
		to++
	}
	if w.target >= 0 {
		to = w.target
	}
	bytes := Bytes(1e6 * (1 + float64(r.below(1000))/100))
	if _, err := w.Send(FlowSpec{From: HostID(from).Place(), To: HostID(to).Place(), Bytes: bytes}, w, uint64(sender)); err != nil {
		panic(err)
	}
}

// Completed lets the sender send again.
func (w *traffic) Completed(now Seconds, sender uint64, err error) {
	w.done++
	w.dates += now
	w.last = now
	w.send(int(sender))
}

func BenchmarkTraffic(b *testing.B) {
	for _, c := range []struct {
		hosts, perHost int
		backbone       string
	}{
		{64, 1, "none"},
		{64, 4, "none"},
		{64, 4, "shared"},
		{64, 4, "fat"},
		{256, 1, "none"},
		{256, 4, "none"},
		{256, 4, "shared"},
		{256, 4, "fat"},
		{1024, 1, "none"},
		{16384, 1, "none"},
	} {
		b.Run(fmt.Sprintf("hosts=%d/flows=%d/backbone=%s", c.hosts, c.hosts*c.perHost, c.backbone), func(b *testing.B) {
			flows := 0
			for b.Loop() {
				w := newTraffic(c.hosts, c.perHost, 10*c.hosts*c.perHost, c.backbone)
				if err := w.Run(Forever); err != nil {
					b.Fatal(err)
				}
				flows += w.done
			}
			b.ReportMetric(float64(flows)/b.Elapsed().Seconds(), "flows/s")
		})
	}
}

// Incast is the traffic of many senders to one target: what they get changes
// with each flow that comes or goes.
func BenchmarkIncast(b *testing.B) {
	for _, senders := range []int{256, 1024, 4096} {
		b.Run(fmt.Sprint("senders=", senders), func(b *testing.B) {
			flows := 0
			for b.Loop() {
				w := newTraffic(senders+1, 1, 3*senders, "none")
				w.target = 0
				if err := w.Run(Forever); err != nil {
					b.Fatal(err)
				}
				flows += w.done
			}
			b.ReportMetric(float64(flows)/b.Elapsed().Seconds(), "flows/s")
		})
	}
}
