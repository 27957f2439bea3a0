package sim

import "testing"

// What a change of load costs on a host with ten VMs, with and without power.
func BenchmarkChangeOfLoad(b *testing.B) {
	for name, power := range map[string]Power{"without power": {}, "with power": powered} {
		b.Run(name, func(b *testing.B) {
			s := New()
			h, err := s.AddHost(HostSpec{Name: "h", Cores: 8, Speeds: []Speed{4, 2}, Power: power})
			if err != nil {
				b.Fatal(err)
			}
			var vms []VMID
			for range 10 {
				vms = append(vms, addAsking(b, s, h, 1))
			}
			for i := 0; b.Loop(); i++ {
				if err := s.Run(s.now + 1); err != nil {
					b.Fatal(err)
				}
				if err := s.SetDemand(vms[i%10], Speed(1+i%4)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What it costs that 1,000 VMs of 100 hosts boot from the disk of one store.
func BenchmarkBootStorm(b *testing.B) {
	const hosts, boots = 100, 1000
	for b.Loop() {
		s := newSite(b, hosts)
		s.settings.Check = false
		for i := range boots {
			spec := CloudImage
			spec.Image = 0
			id, err := s.AddVM(VMSpec{Name: "vm", Host: HostID(i % hosts), VCPUs: 1, Off: true})
			if err != nil {
				b.Fatal(err)
			}
			if err := s.Boot(id, spec, nil, 0); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Run(Forever); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.Events()), "events/storm")
	}
}
