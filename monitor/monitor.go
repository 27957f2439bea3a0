// Package monitor decides when what a node's VMs ask for is an event.
//
// A node is overloaded when its VMs ask for more than a threshold's share of
// its CPU or memory; equality is not overload. It is underloaded when they ask
// for less than another share of both, so that it could as well be empty. Either
// has to last before it is an event, and an overload is over only when the VMs
// ask for clearly less, if the settings say so.
//
// A Monitor is asked once a period; the period is its caller's. It has no clock:
// what it says depends on what it was told, and when.
package monitor

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Settings says what counts as an event, and how often to look.
type Settings struct {
	// Period is the time between two looks at a node.
	Period time.Duration
	// Threshold and Memory are the shares of its CPU and memory that a node's
	// VMs may ask for: above 0 and up to 1.
	Threshold float64
	Memory    float64
	// Clear is the share of the CPU that an overload has to be brought down to,
	// once it is one; at most Threshold. The gap between the two keeps a node that
	// was just repaired from being overloaded by the next small change.
	Clear float64
	// Hold is for how long an overload has to last. Shorter ones are not worth a
	// migration; and those of memory are not spared.
	Hold time.Duration
	// Low is the share of CPU and memory below which a node is underloaded, and
	// LowHold for how long it has to be. With 0 no node ever is.
	Low     float64
	LowHold time.Duration
	// Cooldown is for how long a VM rests where it has migrated to.
	Cooldown time.Duration
}

// Defaults are the settings of the published experiments: one look a second,
// all of the capacity, and an overload is an event as soon as it is seen.
func Defaults() Settings {
	return Settings{Period: time.Second, Threshold: 1, Memory: 1, Clear: 1, LowHold: 5 * time.Minute}
}

// Validate returns an error that names the first setting that can't be used.
func (s Settings) Validate() error {
	share := func(x float64) bool { return x > 0 && x <= 1 }
	switch {
	case s.Period <= 0:
		return fmt.Errorf("period: %v is not a positive duration", s.Period)
	case !share(s.Threshold):
		return fmt.Errorf("threshold: %v is not a share above 0 and up to 1", s.Threshold)
	case !share(s.Memory):
		return fmt.Errorf("memory: %v is not a share above 0 and up to 1", s.Memory)
	case !share(s.Clear) || s.Clear > s.Threshold:
		return fmt.Errorf("clear: %v is not a share above 0 and up to the threshold, %v", s.Clear, s.Threshold)
	case !(s.Low >= 0 && s.Low < s.Clear):
		return fmt.Errorf("low: %v is not a share from 0 to less than clear, %v", s.Low, s.Clear)
	}
	for _, d := range []struct {
		name  string
		value time.Duration
	}{{"hold", s.Hold}, {"low_hold", s.LowHold}, {"cooldown", s.Cooldown}} {
		if d.value < 0 {
			return fmt.Errorf("%s: %v is negative", d.name, d.value)
		}
	}
	return nil
}

// Usable returns the part of a capacity that the thresholds leave to VMs. A
// node is overloaded when its VMs ask for more than that.
func (s Settings) Usable(capacity cluster.Resources) cluster.Resources {
	return share(capacity, s.Threshold, s.Memory)
}

// share returns shares of a node's CPU and memory, and all of the rest.
func share(capacity cluster.Resources, cpu, memory float64) cluster.Resources {
	capacity[cluster.CPU] = int64(math.Floor(float64(capacity[cluster.CPU]) * cpu))
	if memory < 1 { // amounts of memory may be larger than a float64 can count
		capacity[cluster.Memory] = int64(math.Floor(float64(capacity[cluster.Memory]) * memory))
	}
	return capacity
}

// NextLook returns the first instant after now at which a node with the given
// phase is looked at: phase, phase + Period, phase + 2 Period and so on. Nodes
// differ in their phases, so that they do not all act at the same instant.
func (s Settings) NextLook(now, phase time.Duration) time.Duration {
	if now < phase {
		return phase
	}
	return phase + ((now-phase)/s.Period+1)*s.Period
}

// Verdict is what a look at a node finds.
type Verdict uint8

// The verdicts.
const (
	Fine Verdict = iota
	Overloaded
	Underloaded
)

func (v Verdict) String() string { return [...]string{"fine", "overloaded", "underloaded"}[v] }

// Monitor watches one node. All of its methods are told the time since the node
// started, which never goes back.
type Monitor struct {
	settings Settings
	verdict  Verdict // of the last look
	high     since   // the VMs ask for more than the threshold
	low      since   // they ask for less than Low
	resting  []rest  // in the order of their ends
}

// since is since when something has been seen at each look.
type since struct {
	at   time.Duration
	seen bool
}

// look notes whether it is seen, and returns whether it has been for so long.
func (s *since) look(now time.Duration, seen bool, hold time.Duration) bool {
	if !seen {
		s.seen = false
	} else if !s.seen {
		*s = since{now, true}
	}
	return s.seen && now-s.at >= hold
}

// rest is a VM that is not to be moved.
type rest struct {
	vm    cluster.VMID
	until time.Duration
}

// New returns the monitor of a node on which all is fine.
func New(s Settings) *Monitor { return &Monitor{settings: s} }

// Usable returns what the node's VMs may ask for now: less while it is
// overloaded than before, if Settings.Clear says so.
func (m *Monitor) Usable(capacity cluster.Resources) cluster.Resources {
	cpu := m.settings.Threshold
	if m.verdict == Overloaded {
		cpu = m.settings.Clear
	}
	return share(capacity, cpu, m.settings.Memory)
}

// Quiet reports whether a look would find that all is fine, as the last one
// did, and would change nothing.
func (m *Monitor) Quiet(demand, capacity cluster.Resources) bool {
	return m.verdict == Fine && !m.high.seen && !m.low.seen && demand.Within(m.Usable(capacity)) && !m.isLow(demand, capacity)
}

func (m *Monitor) isLow(demand, capacity cluster.Resources) bool {
	low := share(capacity, m.settings.Low, m.settings.Low)
	return demand.CPU() < low.CPU() && demand.Memory() < low.Memory()
}

// Look takes what the node's VMs ask for. An overload or underload is found at
// each look for as long as it lasts.
func (m *Monitor) Look(now time.Duration, demand, capacity cluster.Resources) Verdict {
	usable := m.Usable(capacity) // the lower one, if the node was overloaded
	hold := m.settings.Hold
	if demand.Memory() > usable.Memory() {
		hold = 0
	}
	high := m.high.look(now, !demand.Within(usable), hold)
	low := m.low.look(now, m.isLow(demand, capacity), m.settings.LowHold)
	m.verdict = Fine
	switch {
	case high:
		m.verdict = Overloaded
	case low:
		m.verdict = Underloaded
	}
	return m.verdict
}

// Arrived says that a VM has migrated to this node.
func (m *Monitor) Arrived(now time.Duration, vm cluster.VMID) {
	if m.settings.Cooldown > 0 {
		m.resting = append(m.resting, rest{vm, now + m.settings.Cooldown})
	}
}

// Resting returns the VMs that have migrated to this node less than a cool-down
// ago, in ascending order. Some may have left again.
func (m *Monitor) Resting(now time.Duration) []cluster.VMID {
	m.resting = slices.DeleteFunc(m.resting, func(r rest) bool { return r.until <= now })
	var vms []cluster.VMID
	for _, r := range m.resting {
		vms = append(vms, r.vm)
	}
	slices.SortFunc(vms, cmp.Compare)
	return slices.Compact(vms)
}
