package sim

import "testing"

// Lists that were told their length are not copied while they fill up.
func TestGrowSparesCopies(t *testing.T) {
	s := New()
	s.Grow(10, 20, 100)
	var host *host
	var vm *vm
	var link *link
	for range 10 {
		h, err := s.AddHost(HostSpec{Cores: 8, Speeds: []Speed{Giga}})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := s.AddDuplex(LinkSpec{Bandwidth: 125e6}); err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if _, err := s.AddVM(VMSpec{Host: h, VCPUs: 1}); err != nil {
				t.Fatal(err)
			}
		}
		if host == nil {
			host, vm, link = &s.machines.hosts[0], &s.machines.vms[0], &s.network.links[0]
		}
	}
	if host != &s.machines.hosts[0] || vm != &s.machines.vms[0] || link != &s.network.links[0] {
		t.Error("a list was copied")
	}
	if s.Hosts() != 10 || s.VMs() != 100 || s.Links() != 20 {
		t.Errorf("%d hosts, %d VMs, %d links", s.Hosts(), s.VMs(), s.Links())
	}
}
