package main

import (
	"fmt"
	"io"
	"os"
	"time"
)

// isTerminal reports whether what is written there is seen at once.
func isTerminal(w io.Writer) bool {
	_, _, ok := terminalSize(w)
	return ok
}

// terminalSize returns how many characters a line of a terminal has, and how
// many lines there are; ok is false if w is no terminal.
func terminalSize(w io.Writer) (width, height int, ok bool) {
	file, isFile := w.(*os.File)
	if !isFile {
		return 0, 0, false
	}
	return windowSize(file)
}

// waitingLine is a line on a terminal that says what is being done, once that
// has taken a while, and nothing elsewhere.
type waitingLine struct {
	out   io.Writer // nil if nobody sees it at once
	began time.Time
	said  time.Time // last, if ever
}

// How long nothing is said, and how long what is said can be read at least.
const (
	patience = 2 * time.Second
	steady   = 100 * time.Millisecond
)

func newWaiting(stderr io.Writer) *waitingLine {
	w := &waitingLine{began: time.Now()}
	if isTerminal(stderr) {
		w.out = stderr
	}
	return w
}

func (w *waitingLine) say(what string) {
	now := time.Now()
	if w.out == nil || now.Sub(w.began) <= patience || now.Sub(w.said) < steady {
		return
	}
	// A line that is wrapped could not be written over.
	if width, _, ok := terminalSize(w.out); ok && width > 1 {
		what = clip(what, width-1)
	}
	fmt.Fprintf(w.out, "\r\x1b[K%s", what)
	w.said = now
}

func (w *waitingLine) clear() {
	if !w.said.IsZero() {
		fmt.Fprint(w.out, "\r\x1b[K")
		w.said = time.Time{}
	}
}
