package cluster

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Millicores is an amount of CPU in thousandths of a core. It is an integer,
// so that sums of demands do not depend on their order.
type Millicores int64

// Core is one core.
const Core Millicores = 1000

// Bytes is an amount of memory or disk.
type Bytes int64

// The binary multiples of a byte.
const (
	KiB Bytes = 1 << (10 * (iota + 1))
	MiB
	GiB
	TiB
)

// BytesPerSecond is a bandwidth, or the rate at which a VM writes its memory.
type BytesPerSecond int64

// Gigabit is the bandwidth of a link of 1 Gbit/s.
const Gigabit BytesPerSecond = 125_000_000

type unit struct {
	name string
	size int64 // of one unit, in the integer's own unit, times scale
}

// quantity is the grammar of one unit type: a decimal number, optional space,
// and a unit. Values are sizes/scale.
type quantity struct {
	what  string
	want  string // an example for error texts
	scale int64
	units []unit
}

var (
	cpuQuantity = quantity{"CPU", `"7 cores", "0.6 cores" or "60%"`, 1, []unit{
		{"cores", 1000}, {"core", 1000}, {"%", 10},
	}}
	bytesQuantity = quantity{"memory", `"2GiB" or "512MB"`, 1, []unit{
		{"TiB", 1 << 40},
		{"GiB", 1 << 30},
		{"MiB", 1 << 20},
		{"KiB", 1 << 10},
		{"TB", 1e12},
		{"GB", 1e9},
		{"MB", 1e6},
		{"kB", 1e3},
		{"B", 1},
	}}
	rateQuantity = quantity{"bandwidth", `"125MB/s" or "1Gbps"`, 8, []unit{
		{"GiB/s", 8 << 30},
		{"MiB/s", 8 << 20},
		{"KiB/s", 8 << 10},
		{"GB/s", 8e9},
		{"MB/s", 8e6},
		{"kB/s", 8e3},
		{"B/s", 8},
		{"Gbps", 1e9},
		{"Mbps", 1e6},
		{"kbps", 1e3},
		{"bps", 1},
	}}
)

// parse reads a number with a unit. The unit is required: a bare number is
// refused, because 2048 may be meant in bytes, KiB or MiB.
func (q quantity) parse(text string) (int64, error) {
	s := strings.TrimSpace(text)
	for _, u := range q.units {
		number, ok := strings.CutSuffix(s, u.name)
		if !ok {
			continue
		}
		number = strings.TrimSpace(number)
		if number == "" || strings.Trim(number, "0123456789.") != "" {
			break // a sign, an exponent, or the end of a longer, unknown unit
		}
		if len(number) > 24 {
			return 0, fmt.Errorf("%q is too long a number for an amount of %s", text, q.what)
		}
		value, ok := new(big.Rat).SetString(number)
		if !ok {
			break
		}
		value.Mul(value, big.NewRat(u.size, q.scale))
		if !value.IsInt() {
			// Less than the smallest amount is rounded to the nearest.
			value.Add(value, big.NewRat(1, 2))
			value.SetInt(new(big.Int).Div(value.Num(), value.Denom()))
		}
		if !value.Num().IsInt64() {
			return 0, fmt.Errorf("%q is too large an amount of %s", text, q.what)
		}
		return value.Num().Int64(), nil
	}
	return 0, fmt.Errorf("%q is not an amount of %s; write a number and a unit, as in %s", text, q.what, q.want)
}

// ParseCPU reads an amount of CPU such as "7 cores", "0.6 cores" or "60%"
// (of one core).
func ParseCPU(text string) (Millicores, error) {
	v, err := cpuQuantity.parse(text)
	return Millicores(v), err
}

// ParseBytes reads an amount of memory or disk such as "2GiB" or "512MB".
func ParseBytes(text string) (Bytes, error) {
	v, err := bytesQuantity.parse(text)
	return Bytes(v), err
}

// ParseRate reads a bandwidth such as "125MB/s" (bytes) or "1Gbps" (bits).
func ParseRate(text string) (BytesPerSecond, error) {
	v, err := rateQuantity.parse(text)
	return BytesPerSecond(v), err
}

// String prints m in cores; ParseCPU reads it back to the same value.
func (m Millicores) String() string {
	name := " cores"
	if m == Core {
		name = " core"
	}
	sign, rest := "", uint64(m)
	if m < 0 {
		sign, rest = "-", -rest
	}
	s := strconv.FormatUint(rest/1000, 10)
	if part := rest % 1000; part != 0 {
		s += "." + strings.TrimRight(fmt.Sprintf("%03d", part), "0")
	}
	return sign + s + name
}

// String prints b in the largest unit that loses nothing; ParseBytes reads it
// back to the same value.
func (b Bytes) String() string { return exact(int64(b), 1, bytesQuantity.units) }

// String prints r in the largest unit of bytes per second that loses nothing;
// ParseRate reads it back to the same value.
func (r BytesPerSecond) String() string {
	return exact(int64(r), 8, rateQuantity.units[:7])
}

// exact prints v with the unit that makes the shortest whole number.
func exact(v, scale int64, units []unit) string {
	best := strconv.FormatInt(v, 10) + units[len(units)-1].name
	if v == 0 {
		return best
	}
	for _, u := range units {
		size := u.size / scale
		if v%size == 0 {
			if s := strconv.FormatInt(v/size, 10) + u.name; len(s) < len(best) {
				best = s
			}
		}
	}
	return best
}

// MarshalText makes JSON and YAML carry the unit in the value.
func (m Millicores) MarshalText() ([]byte, error) { return []byte(m.String()), nil }

// UnmarshalText reads what ParseCPU reads.
func (m *Millicores) UnmarshalText(text []byte) (err error) {
	*m, err = ParseCPU(string(text))
	return err
}

// MarshalText makes JSON and YAML carry the unit in the value.
func (b Bytes) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// UnmarshalText reads what ParseBytes reads.
func (b *Bytes) UnmarshalText(text []byte) (err error) {
	*b, err = ParseBytes(string(text))
	return err
}

// MarshalText makes JSON and YAML carry the unit in the value.
func (r BytesPerSecond) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads what ParseRate reads.
func (r *BytesPerSecond) UnmarshalText(text []byte) (err error) {
	*r, err = ParseRate(string(text))
	return err
}
