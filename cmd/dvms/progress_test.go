package main

import (
	"testing"
	"time"

	"github.com/dvms-project/dvms/experiment"
)

func TestProgressSaysHowFarHowFastHowLong(t *testing.T) {
	p := progress{name: "dvms, seed 23 (1 of 3)", end: experiment.Duration(1800 * time.Second)}
	got := p.describe(experiment.Progress{At: 450 * time.Second, Events: 3_000_000}, 2*time.Second)
	if want := "dvms, seed 23 (1 of 3): 450 of 1800 s, 1.50 M events/s, ETA 6s"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
