package sim

import (
	"fmt"
	"testing"
)

// Accesses that end and begin on a disk that many share.
func BenchmarkAccesses(b *testing.B) {
	for _, capped := range []bool{false, true} {
		for _, accesses := range []int{1, 100, 10_000} {
			if capped && accesses > 100 {
				continue
			}
			b.Run(fmt.Sprintf("capped=%v/accesses=%d", capped, accesses), func(b *testing.B) {
				benchmarkAccesses(b, accesses, capped)
			})
		}
	}
}

func benchmarkAccesses(b *testing.B, accesses int, capped bool) {
	s := New()
	h, err := s.AddHost(HostSpec{Name: "h", Cores: 1, Speeds: []Speed{Giga}})
	if err != nil {
		b.Fatal(err)
	}
	disk := SSD
	disk.Name, disk.Host = "d", h
	d, err := s.AddDisk(disk)
	if err != nil {
		b.Fatal(err)
	}
	done := 0
	var again Completion
	again = Then(func(error) {
		if done++; done == b.N {
			s.Stop()
		}
		size := Bytes(1e6 + done*7919%1_000_000)
		var limit Bandwidth
		if capped {
			limit = Bandwidth(1e6 + done%1000)
		}
		if _, err := s.Read(d, size, limit, again, 0); err != nil {
			b.Error(err)
		}
	})
	done = -accesses
	for range accesses {
		again.Completed(0, 0, nil)
	}
	b.ResetTimer()
	if err := s.Run(Forever); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "accesses/s")
}
