package main

import (
	"math"
	"os"
	"path/filepath"
	"strings"
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

func TestABarIsFilledUpToItsEnd(t *testing.T) {
	for share, want := range map[float64]string{
		0:    "|------------------------------|",
		0.5:  "|===============---------------|",
		0.99: "|=============================-|",
		1.2:  "|==============================|",
	} {
		if got := bar(share); got != want {
			t.Errorf("%v: %s", share, got)
		}
	}
	bar(math.NaN()) // of a run of no time at all
}

// What is no terminal gets no line, however long something takes.
func TestAWaitingLineIsForTerminals(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	w := newWaiting(file)
	w.began = w.began.Add(-time.Hour)
	w.say("still at it")
	w.clear()
	if text, err := os.ReadFile(file.Name()); err != nil || len(text) > 0 {
		t.Errorf("%q, %v", text, err)
	}

	var seen strings.Builder // as if it were one
	w = &waitingLine{out: &seen, began: time.Now().Add(-time.Hour)}
	w.say("still at it")
	w.say("too soon to be read")
	w.clear()
	if want := "\r\x1b[Kstill at it\r\x1b[K"; seen.String() != want {
		t.Errorf("%q, want %q", seen.String(), want)
	}
}
