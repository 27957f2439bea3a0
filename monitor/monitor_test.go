package monitor_test

import (
	"math"
	"strings"
	"testing"
	"time"

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
		s    monitor.Settings
		want string
	}{
		{monitor.Settings{Period: 0, Threshold: 1}, "period: "},
		{monitor.Settings{Period: time.Second, Threshold: 0}, "threshold: "},
		{monitor.Settings{Period: time.Second, Threshold: 1.1}, "threshold: "},
		{monitor.Settings{Period: time.Second, Threshold: math.NaN()}, "threshold: "},
	} {
		if err := c.s.Validate(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error about %s", c.s, err, c.want)
		}
	}
	if err := monitor.Defaults().Validate(); err != nil {
		t.Error(err)
	}
}
