package protocoltest

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Crash makes a node die with all that it has under way: its timers, its
// solvers, its migrations. VMs on their way to it stay at their sources; its
// own VMs are down until it returns. Nobody is told.
func (w *World) Crash(id cluster.NodeID) error {
	w.start()
	h := w.hosts[id]
	if h.crashed {
		return fmt.Errorf("node %d is down already", id)
	}
	h.crashed = true
	w.solves = slices.DeleteFunc(w.solves, func(p pending) bool { return p.node == id })
	w.timers = slices.DeleteFunc(w.timers, func(t timer) bool { return t.node == id })
	for i, m := range w.migrations {
		w.migrations[i].broken = m.broken || m.order.Target == id
		if m.source == id {
			w.hosts[m.order.Target].stale = true
		}
	}
	w.migrations = slices.DeleteFunc(w.migrations, func(m migration) bool { return m.source == id })
	return nil
}

// Return starts a crashed node again, with the VMs that it had and nothing else.
func (w *World) Return(id cluster.NodeID) error {
	h := w.hosts[id]
	if !h.crashed {
		return fmt.Errorf("node %d is not down", id)
	}
	h.crashed, h.stale = false, true
	h.starts++
	w.spawn(id)
	return nil
}

// Tell tells all nodes that are alive that a node is gone, or is there again.
func (w *World) Tell(about cluster.NodeID, gone bool) error {
	w.start()
	for _, id := range w.ids {
		if id != about && !w.hosts[id].crashed && w.side[id] == w.side[about] {
			if err := w.TellOne(id, about, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// TellOne tells one node that another is gone, or is there again.
func (w *World) TellOne(id, about cluster.NodeID, gone bool) error {
	if gone {
		return w.Step(id, protocol.Down{Node: about})
	}
	return w.Step(id, protocol.Up{Node: about})
}

// Cut cuts the network between the given nodes and all others. Messages between
// the two sides are lost, and migrations between them fail.
func (w *World) Cut(nodes []cluster.NodeID) {
	w.side = map[cluster.NodeID]bool{}
	for _, id := range nodes {
		w.side[id] = true
	}
	for i, m := range w.migrations {
		w.migrations[i].broken = m.broken || w.side[m.source] != w.side[m.order.Target]
	}
}

// Heal mends the network.
func (w *World) Heal() { w.side = nil }

// Alive reports whether a node is not down.
func (w *World) Alive(id cluster.NodeID) bool { return !w.hosts[id].crashed }

// reaches reports whether a message gets from one node to another.
func (w *World) reaches(from, to cluster.NodeID) bool {
	return !w.hosts[to].crashed && w.side[from] == w.side[to]
}
