package settings

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time with its unit, as in 300s, 30m or 24h.
type Duration time.Duration

// UnmarshalText refuses a number without a unit.
func (d *Duration) UnmarshalText(text []byte) error {
	value, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration; write a number and a unit, as in 300s, 30m or 24h", text)
	}
	*d = Duration(value)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// String writes whole hours and seconds as such, as in 24h and 1800s, and all
// else as time.Duration does. UnmarshalText reads it back to the same value.
func (d Duration) String() string {
	t := time.Duration(d)
	switch {
	case t%time.Hour == 0 && t > time.Hour:
		return strconv.FormatInt(int64(t/time.Hour), 10) + "h"
	case t%time.Second == 0:
		return strconv.FormatInt(int64(t/time.Second), 10) + "s"
	}
	return t.String()
}

// Percent is a share with its unit, as in 60%.
type Percent float64

// UnmarshalText refuses a number without a unit.
func (p *Percent) UnmarshalText(text []byte) error {
	number, ok := strings.CutSuffix(strings.TrimSpace(string(text)), "%")
	value, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || math.IsNaN(value) || math.IsInf(value, 0) {
		return fmt.Errorf("%q is not a percentage; write a number and %%, as in 60%%", text)
	}
	*p = Percent(value)
	return nil
}

// MarshalText writes what UnmarshalText reads.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

func (p Percent) String() string { return strconv.FormatFloat(float64(p), 'f', -1, 64) + "%" }
