// Package monitor decides when what a node's VMs ask for is an event.
//
// A node is overloaded when its VMs ask for more than a threshold's share of
// its capacity, in any resource; equality is not overload. The monitor is
// asked once a period; the period is its caller's.
package monitor

import (
	"fmt"
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Settings says what counts as an overload, and how often to look.
type Settings struct {
	// Period is the time between two looks at a node.
	Period time.Duration
	// Threshold is the share of its capacity that a node's VMs may ask for.
	Threshold float64
}

// Defaults are the settings of the published experiments: one look a second,
// and all of the capacity.
func Defaults() Settings { return Settings{Period: time.Second, Threshold: 1} }

// Validate returns an error that names the first setting that can't be used.
func (s Settings) Validate() error {
	if s.Period <= 0 {
		return fmt.Errorf("period: %v is not a positive duration", s.Period)
	}
	if !(s.Threshold > 0 && s.Threshold <= 1) {
		return fmt.Errorf("threshold: %v is not a share above 0 and up to 1", s.Threshold)
	}
	return nil
}

// Usable returns the part of a capacity that the threshold leaves to VMs. A
// node is overloaded when its VMs ask for more than that. Memory is not
// scaled: using it does no harm until there is none left.
func (s Settings) Usable(capacity cluster.Resources) cluster.Resources {
	capacity[cluster.CPU] = int64(math.Floor(float64(capacity[cluster.CPU]) * s.Threshold))
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
