package sim

import (
	"fmt"
	"strings"
)

// Blocked is a process that waits, and what it waits for.
type Blocked struct {
	Process *Process
	For     string
}

// DeadlockError says that no event is left, but processes wait that are no
// daemons. Nothing can wake them any more, unless somebody does it between two
// runs.
type DeadlockError struct {
	At      Seconds
	Blocked []Blocked
}

func (e *DeadlockError) Error() string {
	const shown = 10
	var names []string
	for _, b := range e.Blocked[:min(shown, len(e.Blocked))] {
		names = append(names, fmt.Sprintf("%q (%s)", b.Process.name, b.For))
	}
	if more := len(e.Blocked) - shown; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return fmt.Sprintf("sim: at %v s: no event is left, but processes wait: %s", float64(e.At), strings.Join(names, ", "))
}

// Blocked returns the processes that wait, in the order in which they were
// spawned. Daemons are among them.
func (s *Simulation) Blocked() []Blocked {
	var all []Blocked
	for p := s.processes.all.first; p != nil; p = p.links[inAll].next {
		if reason := p.blockedBy(); reason != "" {
			all = append(all, Blocked{p, reason})
		}
	}
	return all
}

func (p *Process) blockedBy() string {
	switch {
	case p.suspended && !p.killed:
		return "suspended"
	case p.frozen && !p.killed:
		return fmt.Sprintf("VM %q does not run", p.sim.VM(p.place.vm).Name)
	case p.state == procWaiting:
		return p.wait.awaited()
	}
	return ""
}

// deadlock returns an error if processes wait that are no daemons.
func (ps *processes) deadlock() error {
	var blocked []Blocked
	for _, b := range ps.sim.Blocked() {
		if !b.Process.daemon {
			blocked = append(blocked, b)
		}
	}
	if blocked == nil {
		return nil
	}
	return &DeadlockError{At: ps.sim.now, Blocked: blocked}
}
