package protocoltest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Commands that name exactly what happens, of several things that look alike,
// and in whichever order timers fire at one instant. The explorer prints its
// scripts with them.

// Selector returns the arguments of deliver that choose the message at a
// position of the queue.
func (w *World) Selector(i int) string {
	e := w.messages[i]
	nth := 1
	for _, o := range w.messages[:i] {
		if o.to == e.to && o.message.From == e.message.From && messageName(o.message) == messageName(e.message) &&
			o.message.Partition == e.message.Partition && o.message.Epoch == e.message.Epoch {
			nth++
		}
	}
	s := fmt.Sprintf("from=%d to=%d type=%s partition=%v epoch=%v", e.message.From, e.to, messageName(e.message), e.message.Partition, e.message.Epoch)
	if nth > 1 {
		s += fmt.Sprintf(" nth=%d", nth)
	}
	return s
}

// Position returns the position of the oldest message to a node that means what m
// means, or -1.
func (w *World) Position(to cluster.NodeID, m protocol.Message) int {
	wanted := string(m.Encode(nil))
	return slices.IndexFunc(w.messages, func(e envelope) bool { return e.to == to && string(e.message.Encode(nil)) == wanted })
}

// Tick lets time go on, and no timer fires.
func (w *World) Tick(by time.Duration) { w.now += by }

// Fire lets a timer of a node fire that is due.
func (w *World) Fire(id cluster.NodeID, name string) error {
	for {
		i := slices.IndexFunc(w.timers, func(t timer) bool {
			return t.node == id && t.set.Timer.String() == name && t.set.At <= w.now
		})
		if i < 0 {
			return fmt.Errorf("timer %q of node %d is not due", name, id)
		}
		t := w.timers[i]
		w.timers = slices.Delete(w.timers, i, i+1)
		at, acts := w.hosts[id].node.Due(t.set.Timer)
		if err := w.Step(id, protocol.TimerFired{Timer: t.set.Timer}); err != nil {
			return err
		}
		if acts && at <= w.now {
			return nil
		}
	}
}

// settingsCommand changes settings of all nodes, before the first step.
func (w *World) settingsCommand(d *command) error {
	times := map[string]*time.Duration{
		"lease": &w.settings.Lease, "renew": &w.settings.Renew, "collect": &w.settings.Collect,
		"solve-limit": &w.settings.SolveLimit, "action-limit": &w.settings.ActionLimit,
		"backoff-min": &w.settings.BackoffMin, "backoff-max": &w.settings.BackoffMax,
	}
	numbers := map[string]*int{
		"minimum": &w.settings.Minimum, "concurrent": &w.settings.Concurrent,
		"growth": &w.settings.Growth, "consolidation": &w.settings.Consolidation,
	}
	for _, a := range d.args {
		var err error
		switch value := argument(d, a.key); {
		case times[a.key] != nil:
			*times[a.key], err = time.ParseDuration(value)
		case numbers[a.key] != nil:
			*numbers[a.key], err = strconv.Atoi(value)
		default:
			err = fmt.Errorf("there is no setting %q", a.key)
		}
		if err != nil {
			return err
		}
	}
	return w.settings.Validate()
}

// Replay executes a script in a new world, and returns an error that says where
// it first does something else than it says.
func Replay(script string) error {
	w := NewWorld(protocol.Defaults())
	lines := strings.Split(script, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		at := i + 1
		i++
		if i >= len(lines) || strings.TrimSpace(lines[i]) != "----" {
			return fmt.Errorf("%d: ---- is missing after the command %q", at, line)
		}
		var expected strings.Builder
		for i++; i < len(lines) && lines[i] != ""; i++ {
			expected.WriteString(lines[i] + "\n")
		}
		got, err := w.Execute(line)
		if err != nil {
			got += "error: " + err.Error() + "\n"
		}
		if got != expected.String() {
			return fmt.Errorf("%d: %s: this happens:\n%sinstead of:\n%s", at, line, got, expected.String())
		}
	}
	return nil
}
