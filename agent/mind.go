package agent

import (
	"fmt"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/wire"
)

// mind is a node and the overlay that it asks for the next one: all of an agent
// that decides anything. What it is given is in the agent's log, and the same
// again makes it ask for the same.
type mind struct {
	*protocol.Node
	ring   *overlay.Ring
	spiral *spiral // or nil
}

// spiral is the overlay of a node, and what its driver keeps for it.
type spiral struct {
	*overlay.Spiral
	nodes map[cluster.NodeID]bool // that have ever been there
	now   time.Duration           // that it was told last
}

// Size counts those who are gone, too: the node takes off the ones that it knows
// to be.
func (s *spiral) Size() int { return len(s.nodes) }

// newMind returns the mind of an agent with these settings.
func newMind(s Settings) *mind {
	m := &mind{ring: overlay.NewRing(nil)}
	var way overlay.Overlay = m.ring
	if s.Spiral != nil {
		m.spiral = &spiral{Spiral: overlay.NewSpiral(s.ID, *s.Spiral, m.ring, s.Seed), nodes: map[cluster.NodeID]bool{}}
		way = m.spiral
	}
	m.join(s.ID)
	m.Node = protocol.New(s.ID, s.Protocol, way, s.Seed)
	m.Restarted(uint16(max(s.Starts, 1) - 1))
	return m
}

// join gives a node its place on the ring. It depends on the ID alone, so that
// all agents agree on it, and a replay with them.
func (m *mind) join(id cluster.NodeID) {
	m.ring.Up(id, fmt.Sprint("node ", id))
	if m.spiral != nil {
		m.spiral.nodes[id] = true
	}
}

// Step is what a mind was given at an instant, and what it asked for then. It is
// a line of an agent's log.
type Step struct {
	At time.Duration // since the agent started

	// What it was given: one of these.
	In    protocol.Input // of the node
	Heard *wire.Gossip   // of the overlay, from another node's
	Tick  bool           // of the overlay: it is time to measure a round trip

	// Solver is more about In, if that is protocol.Solved: it decides nothing.
	Solver *Solver

	// What it asked for.
	Out     []protocol.Output
	Packets []overlay.Packet
	Next    time.Duration // with Tick: when the next one is due
}

// Solver says what the solver had to do for an answer.
type Solver struct {
	Answer string        `json:"answer"` // viable, already-viable, infeasible or exhausted
	Steps  int           `json:"steps"`  // of the search
	Nodes  int           `json:"nodes"`
	VMs    int           `json:"vms"`
	Moved  cluster.Bytes `json:"moved"` // memory of the VMs that the plan moves
}

// take gives the mind what it is given in a step, and notes what it asks for.
func (m *mind) take(s *Step) {
	switch {
	case s.Tick:
		s.Packets, s.Next = m.spiral.Tick(m.spiral.at(s.At))
	case s.Heard != nil:
		s.Packets = m.spiral.Receive(m.spiral.at(s.At-s.Heard.Waited), s.Heard.From, s.Heard.Data, 0)
	default:
		s.Out = m.step(s.At, s.In)
	}
}

// at is an instant by the overlay's clock, which never goes back. What has
// waited was there before, as far as round trips are concerned.
func (s *spiral) at(t time.Duration) time.Duration {
	s.now = max(s.now, t)
	return s.now
}

// step advances the node. The ring hears before of who comes and goes. One that
// is gone keeps its place, and the node passes over it; only a spiral, which
// measures the others, has to know.
func (m *mind) step(now time.Duration, in protocol.Input) []protocol.Output {
	switch in := in.(type) {
	case protocol.Up:
		m.join(in.Node)
	case protocol.Down:
		if m.spiral != nil {
			m.ring.Down(in.Node)
		}
	}
	return m.Step(now, in)
}
