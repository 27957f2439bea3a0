package sim

import (
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Seconds is a date, counted from the start of the simulation, or a duration.
//
// Dates are float64 and not whole nanoseconds, because the models are held to
// 1e-9 relative, and a transfer of a small message takes microseconds.
type Seconds float64

// Forever is a date that never comes.
var Forever = Seconds(math.Inf(1))

// Of converts a duration. Below 2^51 ns, which is 26 days, Duration gives back
// what Of was given.
func Of(d time.Duration) Seconds { return Seconds(float64(d) / 1e9) }

// Duration returns t to the nearest nanosecond. Dates beyond 292 years are cut to that.
func (t Seconds) Duration() time.Duration {
	ns := math.Round(float64(t) * 1e9)
	if ns >= math.MaxInt64 {
		return math.MaxInt64
	}
	return time.Duration(ns)
}

// Work is an amount of computation, in floating-point operations. Those who
// count in other units, for instance in core-seconds, may do so: only the
// ratio of work and speed matters.
type Work float64

// Speed is work per second.
type Speed float64

// The multiples of flop and flop/s.
const (
	Mega = 1e6
	Giga = 1e9
	Tera = 1e12
)

// Bytes is an amount of memory, disk or traffic.
type Bytes = cluster.Bytes

// Bandwidth is in bytes per second.
type Bandwidth float64

// Watts is electrical power.
type Watts float64

// Joules is energy: watts times seconds.
type Joules float64
