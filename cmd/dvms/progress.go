package main

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/dvms-project/dvms/experiment"
)

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	bars  *mpb.Progress
	bar   *mpb.Bar
	text  atomic.Pointer[string]
	name  string // of the run
	end   experiment.Duration
	began time.Time
}

// barWidth is that of the bar alone, in characters; the text before it takes
// what it needs, and the library cuts the line to the terminal.
const barWidth = 30

func newProgress(name string, end experiment.Duration, stderr io.Writer) *progress {
	p := &progress{name: name, end: end, began: time.Now()}
	if !isTerminal(stderr) {
		return p
	}
	p.text.Store(&name)
	p.bars = mpb.New(mpb.WithOutput(stderr), mpb.WithWidth(barWidth), mpb.WithAutoRefresh())
	p.bar = p.bars.New(int64(end), mpb.BarStyle().Lbound("|").Rbound("|"), mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return *p.text.Load() + " " })))
	return p
}

// isTerminal reports whether what is written there is seen at once.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

func (p *progress) update(now experiment.Progress) {
	if p.bar == nil {
		return
	}
	text := p.describe(now, time.Since(p.began))
	p.text.Store(&text)
	p.bar.SetCurrent(min(int64(now.At), int64(p.end)-1)) // clear completes it
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

// clear takes the bar away.
func (p *progress) clear() {
	if p.bar != nil {
		p.bar.Abort(true)
		p.bars.Wait()
	}
}
