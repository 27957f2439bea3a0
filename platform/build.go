package platform

import (
	"fmt"

	"github.com/dvms-project/dvms/sim"
)

// Build adds a platform to a simulation: its hosts with their disks, its links,
// and what changes over time. It makes the platform's router the simulation's,
// and returns it: it knows which name is which.
//
// A profile that begins anew again and again never runs out of events: then
// Run must be given a date, or stopped.
func Build(p *Platform, s *sim.Simulation) (*Router, error) {
	r, err := p.Router()
	if err != nil {
		return nil, err
	}
	r.firstHost, r.firstLink = sim.HostID(s.Hosts()), sim.LinkID(s.Links())
	if err := r.addHosts(s); err != nil {
		return nil, err
	}
	for _, l := range r.links {
		if _, err := s.AddLink(l); err != nil {
			return nil, err
		}
	}
	if r.far() {
		s.SetRouter(farRouter{r})
	} else {
		s.SetRouter(r)
	}
	play := &player{sim: s, router: r}
	for _, c := range r.changes {
		play.add(c)
	}
	return r, nil
}

func (r *Router) addHosts(s *sim.Simulation) error {
	for _, group := range r.specs {
		like := group.like
		for _, name := range group.names {
			id, err := s.AddHost(sim.HostSpec{Name: name, Cores: like.Cores, Speeds: like.Speeds, Memory: like.Memory, Power: like.Power})
			if err != nil {
				return err
			}
			if like.PState > 0 {
				if err := s.SetPState(id, like.PState); err != nil {
					return err
				}
			}
			if err := addDisks(s, id, name, like.Disks); err != nil {
				return err
			}
		}
	}
	return nil
}

func addDisks(s *sim.Simulation, h sim.HostID, host string, disks []Disk) error {
	for _, d := range disks {
		return fmt.Errorf("host %q: disk %q", host, d.Name)
	}
	return nil
}
