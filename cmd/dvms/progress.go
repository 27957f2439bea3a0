package main

import (
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/dvms-project/dvms/experiment"
)

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	file  *os.File
	name  string // of the run
	end   experiment.Duration
	began time.Time
	drawn time.Time
}

// besideText is what a bar takes of a line at least: " 100% || ", and a little for its
// cursor.
const besideText = 12

// betweenDraws is how long a bar stays as it is: long enough to be read.
const betweenDraws = 200 * time.Millisecond

func newProgress(name string, end experiment.Duration, stderr io.Writer) *progress {
	p := &progress{name: name, end: end, began: time.Now()}
	if !isTerminal(stderr) {
		return p
	}
	p.file = stderr.(*os.File)
	p.bar = progressbar.NewOptions64(int64(end),
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionSetWidth(30), // narrowed to what the terminal has left
		progressbar.OptionSetPredictTime(false),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionClearOnFinish(),
	)
	return p
}

// isTerminal reports whether what is written there is seen at once.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (p *progress) update(now experiment.Progress) {
	if p.bar == nil || time.Since(p.drawn) < betweenDraws {
		return
	}
	p.drawn = time.Now()
	text := p.describe(now, p.drawn.Sub(p.began))
	if width, _, err := term.GetSize(int(p.file.Fd())); err == nil { // a line that wraps could not be cleared
		text = text[:min(len(text), max(width-besideText, 0))]
	}
	p.bar.Describe(text)
	_ = p.bar.Set64(int64(now.At)) // a terminal that can't be written to is no reason to stop
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

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
