package bench

import (
	"fmt"
	"strconv"

	"github.com/dvms-project/dvms/sim"
)

// Messages is the scenario of processes in pairs, each on a host of its own,
// that send each other empty messages in turn, as the program in peers/simgrid
// runs it on SimGrid.
type Messages struct {
	Processes int // an even number
	Rounds    int // messages that each of them sends
}

// Prepare makes the world of a run.
func (m Messages) Prepare() (*sim.Simulation, error) {
	if m.Processes < 2 || m.Processes%2 != 0 {
		return nil, fmt.Errorf("%d processes are not an even number of them", m.Processes)
	}
	s := sim.New()
	star := sim.NewStar()
	for p := range m.Processes {
		h, err := s.AddHost(sim.HostSpec{Name: strconv.Itoa(p), Cores: 1, Speeds: []sim.Speed{sim.Giga}})
		if err != nil {
			return nil, err
		}
		up, down, err := s.AddDuplex(sim.LinkSpec{Name: strconv.Itoa(p), Bandwidth: 125e6, Latency: 50e-6})
		if err != nil {
			return nil, err
		}
		star.Connect(h, up, down)
		mine, theirs := s.Mailbox(strconv.Itoa(p)), s.Mailbox(strconv.Itoa(p^1))
		_, err = s.Spawn(h.Place(), strconv.Itoa(p), func(q *sim.Process) {
			for range m.Rounds {
				if err := m.round(q, mine, theirs, p%2 == 0); err != nil {
					s.Fail(err)
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	s.SetRouter(star)
	return s, nil
}

// round sends a message and receives one, or the other way round.
func (m Messages) round(p *sim.Process, mine, theirs *sim.Mailbox, first bool) error {
	if first {
		if err := p.Send(theirs, nil, 0); err != nil {
			return err
		}
	}
	if _, err := p.Receive(mine); err != nil || first {
		return err
	}
	return p.Send(theirs, nil, 0)
}
