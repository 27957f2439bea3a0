package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/dvms-project/dvms/experiment"
)

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	line *waitingLine
	name string // of the run
	end  experiment.Duration
}

func newProgress(name string, end experiment.Duration, stderr io.Writer) *progress {
	return &progress{line: newWaiting(stderr), name: name, end: end}
}

func (p *progress) update(now experiment.Progress) {
	p.line.say(p.describe(now, time.Since(p.line.began)) + " " + bar(float64(now.At)/float64(p.end)))
}

// describe says how far a run has come after a time.
func (p *progress) describe(now experiment.Progress, took time.Duration) string {
	rate := float64(now.Events) / max(took.Seconds(), 1e-3)
	text := fmt.Sprintf("%s: %.0f of %.0f s, %.2f M events/s", p.name, now.At.Seconds(), time.Duration(p.end).Seconds(), rate/1e6)
	if now.At > 0 {
		left := time.Duration(float64(took) / float64(now.At) * float64(time.Duration(p.end)-now.At))
		text += fmt.Sprintf(", ETA %v", left.Round(time.Second))
	}
	return text
}

// bar is filled up to a share of its length.
func bar(share float64) string {
	const length = 30
	filled := int(share * length)
	filled = max(0, min(filled, length))
	return "|" + strings.Repeat("=", filled) + strings.Repeat("-", length-filled) + "|"
}

// clear takes the bar away.
func (p *progress) clear() { p.line.clear() }
