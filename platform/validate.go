package platform

import (
	"errors"
	"fmt"
	"math"
)

// finite reports whether x is a number from 0 on.
func finite(x float64) bool { return x >= 0 && !math.IsInf(x, 1) }

func (h Host) validate() error {
	switch {
	case h.Cores < 1:
		return fmt.Errorf("%d cores", h.Cores)
	case len(h.Speeds) == 0:
		return errors.New("it has no speed")
	case h.PState < 0 || h.PState >= len(h.Speeds):
		return fmt.Errorf("p-state %d of %d; they are counted from 0", h.PState, len(h.Speeds))
	case h.Memory < 0:
		return fmt.Errorf("%d bytes of memory", int64(h.Memory))
	case len(h.Power.States) > 1 && len(h.Power.States) != len(h.Speeds):
		return fmt.Errorf("%d p-states, and power for %d; one may stand for all", len(h.Speeds), len(h.Power.States))
	}
	for _, speed := range h.Speeds {
		if !finite(float64(speed)) {
			return fmt.Errorf("a speed of %v flop/s", float64(speed))
		}
	}
	if h.Coordinates != nil {
		if err := h.Coordinates.validate(); err != nil {
			return err
		}
	}
	for i, d := range h.Disks {
		for _, other := range h.Disks[:i] {
			if d.Name == other.Name {
				return fmt.Errorf("two disks have the name %q", d.Name)
			}
		}
		if !finite(float64(d.Read)) || !finite(float64(d.Write)) || d.Read == 0 || d.Write == 0 {
			return fmt.Errorf("disk %q: %v and %v bytes/s; both must be positive", d.Name, float64(d.Read), float64(d.Write))
		}
	}
	return nil
}

func (c Coordinates) validate() error {
	for _, x := range []float64{c.X, c.Y, c.Height} {
		if !finite(math.Abs(x)) || math.Abs(x) > 1e9 {
			return fmt.Errorf("coordinate %v; at most 1e9 ms are possible", x)
		}
	}
	return nil
}

func (l Link) validate() error {
	switch {
	case l.Name == "":
		return errors.New("it has no name")
	case !finite(float64(l.Bandwidth)) || l.Bandwidth == 0:
		return fmt.Errorf("a bandwidth of %v bytes/s; it must be positive", float64(l.Bandwidth))
	case !finite(float64(l.Latency)):
		return fmt.Errorf("a latency of %v s", float64(l.Latency))
	case l.Policy > FatPipe:
		return fmt.Errorf("policy %d is unknown", l.Policy)
	}
	return nil
}
