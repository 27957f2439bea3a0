package monitor_test

import (
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/monitor"
)

func TestUsable(t *testing.T) {
	s := monitor.Defaults()
	capacity := cluster.Of(7*cluster.Core, 32*cluster.GiB)
	if got := s.Usable(capacity); got != capacity {
		t.Errorf("all of %v is usable by default, got %v", capacity, got)
	}
	s.Threshold = 0.9
	if got, want := s.Usable(capacity), cluster.Of(6300, 32*cluster.GiB); got != want {
		t.Errorf("got %v, want %v: memory is not scaled", got, want)
	}
	s.Memory = 0.5
	if got, want := s.Usable(capacity), cluster.Of(6300, 16*cluster.GiB); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestLooksAreOnePeriodApart(t *testing.T) {
	s := monitor.Defaults()
	const phase = 300 * time.Millisecond
	for _, c := range []struct{ now, want time.Duration }{
		{0, phase},
		{phase - 1, phase},
		{phase, phase + time.Second},
		{phase + time.Second - 1, phase + time.Second},
		{10 * time.Second, 10*time.Second + phase},
	} {
		if got := s.NextLook(c.now, phase); got != c.want {
			t.Errorf("after %v: %v, want %v", c.now, got, c.want)
		}
	}
}

func TestSettingsAreValidated(t *testing.T) {
	for _, c := range []struct {
		change func(*monitor.Settings)
		want   string
	}{
		{func(s *monitor.Settings) { s.Period = 0 }, "period: "},
		{func(s *monitor.Settings) { s.Threshold = 0 }, "threshold: "},
		{func(s *monitor.Settings) { s.Threshold = 1.1 }, "threshold: "},
		{func(s *monitor.Settings) { s.Threshold = math.NaN() }, "threshold: "},
		{func(s *monitor.Settings) { s.Memory = 0 }, "memory: "},
		{func(s *monitor.Settings) { s.Threshold = 0.9 }, "clear: "},
		{func(s *monitor.Settings) { s.Low = 1 }, "low: "},
		{func(s *monitor.Settings) { s.Low = math.NaN() }, "low: "},
		{func(s *monitor.Settings) { s.Hold = -1 }, "hold: "},
		{func(s *monitor.Settings) { s.LowHold = -1 }, "low_hold: "},
		{func(s *monitor.Settings) { s.Cooldown = -1 }, "cooldown: "},
	} {
		s := monitor.Defaults()
		c.change(&s)
		if err := s.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error about %s", s, err, c.want)
		}
	}
	if err := monitor.Defaults().Validate(); err != nil {
		t.Error(err)
	}
}

// lookAt lets a monitor of a node with 10 cores and 10 GiB look once a second at
// the given shares of CPU, in percent.
func lookAt(s monitor.Settings, shares ...int) string {
	m := monitor.New(s)
	var found strings.Builder
	for i, share := range shares {
		demand := cluster.Of(cluster.Millicores(share)*100, cluster.GiB)
		found.WriteByte(m.Look(time.Duration(i)*time.Second, demand, cluster.Of(10_000, 10*cluster.GiB)).String()[0])
	}
	return found.String()
}

func TestLooks(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(*monitor.Settings)
		shares []int
		want   string // f, o or u for each look
	}{
		{"as published", func(*monitor.Settings) {}, []int{99, 100, 101, 101, 100, 5}, "ffooff"},
		{"a threshold", func(s *monitor.Settings) { s.Threshold, s.Clear = 0.8, 0.8 }, []int{80, 81, 80}, "fof"},
		{"an overload must last", func(s *monitor.Settings) { s.Hold = 2 * time.Second }, []int{101, 101, 99, 101, 101, 101, 101, 99}, "fffffoof"},
		{"and is over only below", func(s *monitor.Settings) { s.Clear = 0.9 }, []int{95, 101, 95, 91, 90, 95}, "fooof" + "f"},
		{"underload", func(s *monitor.Settings) { s.Low, s.LowHold = 0.3, 2*time.Second }, []int{29, 30, 29, 29, 29, 30}, "ffff" + "uf"},
	} {
		s := monitor.Defaults()
		c.change(&s)
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		if got := lookAt(s, c.shares...); got != c.want {
			t.Errorf("%s: %v gives %s, want %s", c.name, c.shares, got, c.want)
		}
	}
}

// Memory that is not there can't be waited for.
func TestMemoryIsNotHeld(t *testing.T) {
	s := monitor.Defaults()
	s.Hold, s.Memory = time.Minute, 0.5
	m := monitor.New(s)
	capacity := cluster.Of(10_000, 10*cluster.GiB)
	if got := m.Look(0, cluster.Of(100, 6*cluster.GiB), capacity); got != monitor.Overloaded {
		t.Errorf("6 GiB of 5 usable ones: %v", got)
	}
	s.Low, s.LowHold = 0.3, 0
	m = monitor.New(s)
	if got := m.Look(0, cluster.Of(100, 4*cluster.GiB), capacity); got != monitor.Fine {
		t.Errorf("little CPU, but 4 GiB: %v", got)
	}
}

func TestAVMRestsWhereItHasMigratedTo(t *testing.T) {
	s := monitor.Defaults()
	s.Cooldown = 10 * time.Second
	m := monitor.New(s)
	m.Arrived(time.Second, 7)
	m.Arrived(3*time.Second, 2)
	if got := m.Resting(5 * time.Second); !slices.Equal(got, []cluster.VMID{2, 7}) {
		t.Errorf("after 5 s %v rest", got)
	}
	if got := m.Resting(11 * time.Second); !slices.Equal(got, []cluster.VMID{2}) {
		t.Errorf("after 11 s %v rest", got)
	}
	if got := m.Resting(time.Minute); got != nil {
		t.Errorf("after a minute %v rest", got)
	}
}

// Whatever the settings and loads: the verdict is that of a slow and obvious
// version that looks at the whole past, and a look that is left out because
// all was quiet changes nothing.
func TestVerdictsFollowFromThePast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := monitor.Defaults()
		s.Threshold = float64(rapid.IntRange(50, 100).Draw(t, "threshold")) / 100
		s.Clear = s.Threshold * float64(rapid.IntRange(70, 100).Draw(t, "clear")) / 100
		s.Low = s.Clear * float64(rapid.IntRange(0, 99).Draw(t, "low")) / 100
		s.Hold = time.Duration(rapid.IntRange(0, 3).Draw(t, "hold")) * time.Second
		s.LowHold = time.Duration(rapid.IntRange(0, 3).Draw(t, "low hold")) * time.Second
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		capacity := cluster.Of(1000, 10*cluster.GiB)
		every, lazy := monitor.New(s), monitor.New(s)
		var past []int64
		was := monitor.Fine
		for i, cpu := range rapid.SliceOf(rapid.Int64Range(0, 1100)).Draw(t, "loads") {
			now := time.Duration(i) * time.Second
			past = append(past, cpu)
			demand := cluster.Of(cluster.Millicores(cpu), 0)
			got := every.Look(now, demand, capacity)

			lasted := func(is func(int64) bool, hold time.Duration) bool {
				for n := range int(hold/time.Second) + 1 {
					if n >= len(past) || !is(past[len(past)-1-n]) {
						return false
					}
				}
				return true
			}
			want := monitor.Fine
			switch {
			case was == monitor.Overloaded && cpu > int64(1000*s.Clear),
				lasted(func(x int64) bool { return x > int64(1000*s.Threshold) }, s.Hold):
				want = monitor.Overloaded
			case lasted(func(x int64) bool { return x < int64(1000*s.Low) }, s.LowHold):
				want = monitor.Underloaded
			}
			if got != want {
				t.Fatalf("look %d of %v: %v, want %v", i, past, got, want)
			}
			lazily := monitor.Fine
			if !lazy.Quiet(demand, capacity) {
				lazily = lazy.Look(now, demand, capacity)
			}
			if lazily != got {
				t.Fatalf("look %d of %v: %v, and %v if quiet looks are left out", i, past, got, lazily)
			}
			if over := !demand.Within(every.Usable(capacity)); over != (got == monitor.Overloaded) && s.Hold == 0 {
				t.Fatalf("%v of %v usable: %v", demand, every.Usable(capacity), got)
			}
			was = got
		}
	})
}
