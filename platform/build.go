package platform

import (
	"github.com/dvms-project/dvms/sim"
)

// Build adds a platform to a simulation: its hosts with their disks, its links,
// and what changes over time. It makes the platform's router the simulation's,
// and returns it: it knows which name is which. If there is an error, nothing
// was added.
//
// A profile that begins anew again and again never runs out of events: then
// Run must be given a date, or stopped.
func Build(p *Platform, s *sim.Simulation) (*Router, error) {
	r, err := p.Router()
	if err != nil {
		return nil, err
	}
	if err := r.try(); err != nil {
		return nil, err
	}
	r.firstHost, r.firstLink, r.firstDisk = sim.HostID(s.Hosts()), sim.LinkID(s.Links()), sim.DiskID(s.Disks())
	for _, group := range r.specs {
		for _, name := range group.names {
			if err := addHost(s, group.like, name); err != nil {
				return nil, err
			}
		}
	}
	for _, l := range r.links {
		if _, err := s.AddLink(l); err != nil {
			return nil, err
		}
	}
	if r.far() {
		s.SetRouter(&farRouter{Router: r})
	} else {
		s.SetRouter(r)
	}
	play := &player{sim: s, router: r}
	for _, c := range r.changes {
		play.add(c)
	}
	return r, nil
}

// try adds one host of each kind to a simulation that is thrown away. Links
// were checked as the simulation does.
func (r *Router) try() error {
	s := sim.New()
	for _, group := range r.specs {
		if err := addHost(s, group.like, group.names[0]); err != nil {
			return err
		}
	}
	return nil
}

func addHost(s *sim.Simulation, like Host, name string) error {
	id, err := s.AddHost(sim.HostSpec{Name: name, Cores: like.Cores, Speeds: like.Speeds, Memory: like.Memory, Power: like.Power})
	if err != nil {
		return err
	}
	if like.PState > 0 {
		if err := s.SetPState(id, like.PState); err != nil {
			return err
		}
	}
	return addDisks(s, id, like.Disks)
}

// addDisks adds the disks of a host, in their order.
func addDisks(s *sim.Simulation, h sim.HostID, disks []Disk) error {
	for _, d := range disks {
		if _, err := s.AddDisk(sim.DiskSpec{Name: d.Name, Host: h, Read: d.Read, Write: d.Write, Degrade: d.Degrade}); err != nil {
			return err
		}
	}
	return nil
}
