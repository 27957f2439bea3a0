package platform

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// scale is the units of a quantity.
type scale struct {
	what string
	want string // for error texts
	base string // the unit of a number without one, in SimGrid's files
	unit map[string]float64
}

var (
	speeds     = scale{"a speed", "2.5Gf or 500Mf", "f", speedUnits()}
	bandwidths = scale{"a bandwidth", "125MBps (bytes) or 1Gbps (bits)", "Bps", bandwidthUnits()}
	latencies  = scale{"a latency", "50us or 1.5ms", "s", map[string]float64{
		"ps": 1e-12, "ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800,
	}}
	powers = scale{"electrical power", "95W", "W", map[string]float64{"W": 1, "kW": 1e3}}
)

// prefixes are the multiples of the SI, and those of 1024.
var prefixes = []struct {
	name, long string
	size       float64
}{
	{"", "", 1},
	{"k", "kilo", 1e3},
	{"M", "mega", 1e6},
	{"G", "giga", 1e9},
	{"T", "tera", 1e12},
	{"P", "peta", 1e15},
	{"E", "exa", 1e18},
	{"Z", "zetta", 1e21},
	{"Y", "yotta", 1e24},
}

func speedUnits() map[string]float64 {
	units := map[string]float64{}
	for _, p := range prefixes {
		units[p.name+"f"], units[p.long+"flops"] = p.size, p.size
	}
	return units
}

// bandwidthUnits are those of SimGrid, and for users of ours B/s for Bps. K is
// k as in SimGrid's manual.
func bandwidthUnits() map[string]float64 {
	units := map[string]float64{}
	binary := 1.0
	for _, p := range prefixes {
		names := []string{p.name}
		if p.name == "k" {
			names = append(names, "K")
		}
		for _, name := range names {
			units[name+"Bps"], units[name+"B/s"], units[name+"bps"] = p.size, p.size, p.size/8
		}
		if p.name != "" {
			binary *= 1024
			name := strings.ToUpper(p.name)
			units[name+"iBps"], units[name+"iB/s"], units[name+"ibps"] = binary, binary, binary/8
		}
	}
	return units
}

// parse reads a number with a unit. If loose, the number may have none, and is
// in the base unit then.
func (s scale) parse(text string, loose bool) (float64, error) {
	end := strings.LastIndexAny(text, "0123456789.") + 1
	number, unit := text[:end], text[end:]
	value, err := strconv.ParseFloat(number, 64)
	if err != nil || strings.ContainsAny(number, "xXpP_") {
		return 0, fmt.Errorf("%.80q is not %s; write a number and a unit, as in %s", text, s.what, s.want)
	}
	if unit == "" && (loose || value == 0) {
		unit = s.base
	}
	size, known := s.unit[unit]
	switch {
	case unit == "":
		return 0, fmt.Errorf("%.80q has no unit; write a number and a unit, as in %s", text, s.want)
	case !known:
		return 0, fmt.Errorf("%.80q: there is no unit %.20q of %s%s; write a number and a unit, as in %s", text, unit, strings.TrimPrefix(s.what, "a "), meant(unit, s.unit), s.want)
	case !(value >= 0):
		return 0, fmt.Errorf("%.80q is negative", text)
	case math.IsInf(value*size, 0):
		return 0, fmt.Errorf("%.80q is too large", text)
	}
	return value * size, nil
}

// Speed is a speed of a core in YAML, as in 2.5Gf.
type speed float64

func (s *speed) UnmarshalText(text []byte) error { return unmarshal(s, speeds, text) }

type bandwidth float64

func (b *bandwidth) UnmarshalText(text []byte) error { return unmarshal(b, bandwidths, text) }

type latency float64

func (l *latency) UnmarshalText(text []byte) error { return unmarshal(l, latencies, text) }

type watts float64

func (w *watts) UnmarshalText(text []byte) error { return unmarshal(w, powers, text) }

func unmarshal[T ~float64](into *T, s scale, text []byte) error {
	value, err := s.parse(strings.TrimSpace(string(text)), false)
	*into = T(value)
	return err
}

// parseSpeeds reads the speeds of the p-states, separated by commas.
func parseSpeeds(text string) ([]sim.Speed, error) {
	var all []sim.Speed
	for part := range strings.SplitSeq(text, ",") {
		value, err := speeds.parse(strings.TrimSpace(part), true)
		if err != nil {
			return nil, err
		}
		all = append(all, sim.Speed(value))
	}
	return all, nil
}

// parseMemory reads an amount of memory. A number without unit is in bytes.
func parseMemory(text string) (sim.Bytes, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && n >= 0 {
		return sim.Bytes(n), nil
	}
	return cluster.ParseBytes(text)
}

// parseWatts reads the power of the p-states, as in 100:120:200, 90:100:150:
// idle, at the least load, and with all cores busy. Without the one in the
// middle it is that of the first.
func parseWatts(text string) ([]sim.PowerState, error) {
	var all []sim.PowerState
	for part := range strings.SplitSeq(text, ",") {
		var values []sim.Watts
		for number := range strings.SplitSeq(part, ":") {
			value, err := powers.parse(strings.TrimSpace(number), true)
			if err != nil {
				return nil, err
			}
			values = append(values, sim.Watts(value))
		}
		switch len(values) {
		case 1:
			all = append(all, sim.PowerState{Idle: values[0], Epsilon: values[0], Full: values[0]})
		case 2:
			all = append(all, sim.PowerState{Idle: values[0], Epsilon: values[0], Full: values[1]})
		case 3:
			all = append(all, sim.PowerState{Idle: values[0], Epsilon: values[1], Full: values[2]})
		default:
			return nil, fmt.Errorf("%.80q is not idle:epsilon:full, in watts", part)
		}
	}
	return all, nil
}

// parseCoordinates reads two or three numbers.
func parseCoordinates(text string) (*Coordinates, error) {
	words := strings.Fields(text)
	var values [3]float64
	if len(words) != 3 {
		return nil, fmt.Errorf("%.80q are not coordinates; write x, y and height in ms, as in 25.5 9.4 1.4", text)
	}
	for i, word := range words {
		var err error
		if values[i], err = strconv.ParseFloat(word, 64); err != nil {
			return nil, fmt.Errorf("%.80q is not a coordinate in ms", word)
		}
	}
	return &Coordinates{values[0], values[1], values[2]}, nil
}
