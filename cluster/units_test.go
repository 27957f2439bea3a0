package cluster

import (
	"fmt"
	"math"
	"testing"
)

func TestParseUnits(t *testing.T) {
	cpu := func(s string) (int64, error) { v, err := ParseCPU(s); return int64(v), err }
	size := func(s string) (int64, error) { v, err := ParseBytes(s); return int64(v), err }
	rate := func(s string) (int64, error) { v, err := ParseRate(s); return int64(v), err }
	for _, c := range []struct {
		parse func(string) (int64, error)
		text  string
		want  int64
	}{
		{cpu, "7 cores", 7000},
		{cpu, "1 core", 1000},
		{cpu, "0.6 cores", 600},
		{cpu, "60%", 600},
		{cpu, "350 %", 3500},
		{cpu, "  .5cores ", 500},
		{cpu, "0 cores", 0},
		{size, "2GiB", 2 << 30},
		{size, "512MB", 512e6},
		{size, "1.5 KiB", 1536},
		{size, "1kB", 1000},
		{size, "0B", 0},
		{size, "3TiB", 3 << 40},
		{size, "3TB", 3e12},
		{size, "9223372036854775807B", math.MaxInt64},
		{rate, "125MB/s", 125e6},
		{rate, "1Gbps", 125e6},
		{rate, "1 GiB/s", 1 << 30},
		{rate, "8bps", 1},
		{rate, "100Mbps", 125e5},
		// What is finer than the smallest amount is rounded, a half upwards.
		{cpu, "0.0004 cores", 0},
		{cpu, "0.0005 cores", 1},
		{cpu, "0.04%", 0},
		{cpu, "0.05%", 1},
		{cpu, "12.34999%", 123},
		{size, "1.5B", 2},
		{size, "0.1KiB", 102},
		{rate, "4bps", 1},
		{rate, "3bps", 0},
		{rate, "12bps", 2},
	} {
		if got, err := c.parse(c.text); err != nil || got != c.want {
			t.Errorf("%q is %d (%v), want %d", c.text, got, err, c.want)
		}
	}

	const notMemory = `%q is not an amount of memory; write a number and a unit, as in "2GiB" or "512MB"`
	for _, text := range []string{
		"2048", "-1GiB", "+1GiB", "1e3GiB", "0x10GiB", "NaN", "NaNGiB", "InfGiB", "12 parsecs", "", "GiB", " ", "1.2.3GiB", ".GiB", "1/2GiB",
		"1_000GiB", "1,5GiB", "1 gib", "1Gb", "1GiB/s", "1GiBB", "2 cores", "१GiB", "1GiB 1GiB", "\x00GiB",
	} {
		if got, err := ParseBytes(text); err == nil || err.Error() != fmt.Sprintf(notMemory, text) {
			t.Errorf("%q is %v, error %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"9223372036854775808B":         `"9223372036854775808B" is too large an amount of memory`,
		"9223372036854775807.5B":       `"9223372036854775807.5B" is too large an amount of memory`,
		"9999999TiB":                   `"9999999TiB" is too large an amount of memory`,
		"0.0000000000000000000000001B": `"0.0000000000000000000000001B" is too long a number for an amount of memory`,
	} {
		if got, err := ParseBytes(text); err == nil || err.Error() != want {
			t.Errorf("%q is %v, error %v", text, got, err)
		}
	}
	if _, err := ParseCPU("1GiB"); err == nil {
		t.Error("1GiB is an amount of CPU")
	}
	if _, err := ParseRate("1GB"); err == nil {
		t.Error("1GB is a bandwidth")
	}
}

func TestUnitsString(t *testing.T) {
	for _, c := range []struct {
		value fmt.Stringer
		want  string
	}{
		{Core, "1 core"},
		{7 * Core, "7 cores"},
		{Millicores(600), "0.6 cores"},
		{Millicores(1001), "1.001 cores"},
		{Millicores(0), "0 cores"},
		{Millicores(-1500), "-1.5 cores"},
		{Millicores(math.MinInt64), "-9223372036854775.808 cores"},
		{2 * GiB, "2GiB"},
		{Bytes(512e6), "512MB"},
		{Bytes(1), "1B"},
		{Bytes(0), "0B"},
		{1536 * MiB, "1536MiB"},
		{Bytes(-1024), "-1KiB"},
		{Gigabit, "125MB/s"},
		{BytesPerSecond(1 << 30), "1GiB/s"},
		{BytesPerSecond(7), "7B/s"},
	} {
		if got := c.value.String(); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}

// What is printed reads back the same; what is accepted is not negative.
func FuzzUnits(f *testing.F) {
	for _, text := range []string{"7 cores", "60%", "2GiB", "512MB", "1Gbps", "125MB/s", "2048", "-1GiB", "1e3GiB", "NaN", "12 parsecs"} {
		f.Add(text, int64(len(text)))
	}
	f.Fuzz(func(t *testing.T, text string, n int64) {
		if v, err := ParseCPU(text); err == nil && v < 0 {
			t.Fatalf("%q is %d", text, v)
		}
		if v, err := ParseBytes(text); err == nil && v < 0 {
			t.Fatalf("%q is %d", text, v)
		}
		if v, err := ParseRate(text); err == nil && v < 0 {
			t.Fatalf("%q is %d", text, v)
		}
		if n < 0 {
			return // is printed with its sign, for people, and not read
		}
		if v, err := ParseCPU(Millicores(n).String()); err != nil || v != Millicores(n) {
			t.Fatalf("%v reads back as %v, %v", Millicores(n), v, err)
		}
		if v, err := ParseBytes(Bytes(n).String()); err != nil || v != Bytes(n) {
			t.Fatalf("%v reads back as %v, %v", Bytes(n), v, err)
		}
		if v, err := ParseRate(BytesPerSecond(n).String()); err != nil || v != BytesPerSecond(n) {
			t.Fatalf("%v reads back as %v, %v", BytesPerSecond(n), v, err)
		}
	})
}
