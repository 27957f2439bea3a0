package sim

import "slices"

// Grow makes room for so many more hosts, links and VMs. It changes nothing
// that can be seen: who tells beforehand how many there will be spares the
// copying of lists that grow, and their spare ends.
func (s *Simulation) Grow(hosts, links, vms int) {
	m := &s.machines
	m.hosts = slices.Grow(m.hosts, hosts)
	m.hostSpecs = slices.Grow(m.hostSpecs, hosts)
	m.vms = slices.Grow(m.vms, vms)
	m.vmData = slices.Grow(m.vmData, vms)
	s.network.links = slices.Grow(s.network.links, links)
}
