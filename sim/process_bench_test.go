package sim

import (
	"fmt"
	"iter"
	"testing"
)

// The cost of handing over to a coroutine and back, below which no process can
// take its turn.
func BenchmarkHandOver(b *testing.B) {
	for _, coroutines := range []int{1, 10_000} {
		b.Run(fmt.Sprint("coroutines=", coroutines), func(b *testing.B) {
			nexts := make([]func() (struct{}, bool), coroutines)
			for i := range nexts {
				next, stop := iter.Pull(func(yield func(struct{}) bool) {
					for yield(struct{}{}) {
					}
				})
				defer stop()
				next()
				nexts[i] = next
			}
			i := 0
			for b.Loop() {
				nexts[i]()
				if i++; i == len(nexts) {
					i = 0
				}
			}
		})
	}
}

// Messages are exchanged, each by a Send and a Receive, by one or many pairs of
// processes that answer each other, or by one that goes round in a ring of
// processes; on the same host or over two links.
func BenchmarkMessages(b *testing.B) {
	for _, shape := range []string{"pairs", "ring"} {
		for _, processes := range []int{2, 10_000} {
			for _, far := range []bool{false, true} {
				for _, bytes := range []Bytes{0, 100} {
					where := "same-host"
					if far {
						where = "over-links"
					}
					b.Run(fmt.Sprintf("%s/processes=%d/%s/bytes=%d", shape, processes, where, bytes), func(b *testing.B) {
						benchmarkMessages(b, shape, processes, far, bytes)
					})
				}
			}
		}
	}
}

func benchmarkMessages(b *testing.B, shape string, processes int, far bool, bytes Bytes) {
	s := New()
	star := NewStar()
	for h := range HostID(processes) {
		if _, err := s.AddHost(HostSpec{Name: fmt.Sprint(h), Cores: 1, Speeds: []Speed{Giga}}); err != nil {
			b.Fatal(err)
		}
		up, err := s.AddLink(LinkSpec{Name: fmt.Sprint("up", h), Bandwidth: 125e6, Latency: 50e-6})
		if err != nil {
			b.Fatal(err)
		}
		down, err := s.AddLink(LinkSpec{Name: fmt.Sprint("down", h), Bandwidth: 125e6, Latency: 50e-6})
		if err != nil {
			b.Fatal(err)
		}
		star.Connect(h, up, down)
	}
	s.SetRouter(star)
	size := processes
	if shape == "pairs" {
		size = 2
	}
	sent := 0
	for i := range processes {
		first := i / size * size
		mine, next := s.Mailbox(fmt.Sprint(i)), s.Mailbox(fmt.Sprint(first+(i+1-first)%size))
		at := HostID(first)
		if far {
			at = HostID(i)
		}
		_, err := s.Spawn(at.Place(), "p", func(p *Process) {
			if i != first {
				if _, err := p.Receive(mine); err != nil {
					b.Error(err)
				}
			}
			for sent < b.N {
				sent++
				if err := p.Send(next, nil, bytes); err != nil {
					b.Error(err)
				}
				if _, err := p.Receive(mine); err != nil {
					b.Error(err)
				}
			}
			s.Stop()
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	b.ResetTimer()
	if err := s.Run(Forever); err != nil {
		b.Error(err)
	}
	b.StopTimer()
	b.ReportMetric(float64(sent)/b.Elapsed().Seconds(), "messages/s")
	if err := s.Close(); err != nil {
		b.Error(err)
	}
}

func BenchmarkSpawn(b *testing.B) {
	s := New()
	if _, err := s.AddHost(HostSpec{Name: "h", Cores: 1, Speeds: []Speed{Giga}}); err != nil {
		b.Fatal(err)
	}
	_, err := s.Spawn(HostID(0).Place(), "parent", func(p *Process) {
		for b.Loop() {
			q, err := p.Spawn("child", func(*Process) {})
			if err != nil {
				b.Error(err)
			}
			if err := p.Join(q, Forever); err != nil {
				b.Error(err)
			}
		}
	})
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	if err := s.Run(Forever); err != nil {
		b.Error(err)
	}
}
