package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

// Stories is a trace.Sink that keeps what the procedures of a run did, so that
// each can be told afterwards.
type Stories struct {
	byID       map[string]*Story
	order      []*Story // by when they ended
	migrations []trace.Migration
	starts     []trace.Start
	requests   []trace.Request
	answers    []trace.Answer
}

// Story is what is known of one procedure. The parts are in order of time.
type Story struct {
	Partition       trace.Partition
	Steps           []trace.Step
	Solves          []trace.Solve
	Reconfiguration []trace.Reconfiguration
	Migrations      []trace.Migration
	Starts          []trace.Start
}

// Records returns what the story is made of, the partition first.
func (s *Story) Records() []trace.Record {
	all := []trace.Record{s.Partition}
	all = with(all, s.Steps)
	all = with(all, s.Solves)
	all = with(all, s.Reconfiguration)
	all = with(all, s.Migrations)
	return with(all, s.Starts)
}

// with appends records of one type to those of any.
func with[R trace.Record](all []trace.Record, more []R) []trace.Record {
	for _, r := range more {
		all = append(all, r)
	}
	return all
}

// NewStories returns a sink without stories.
func NewStories() *Stories { return &Stories{byID: map[string]*Story{}} }

func (s *Stories) of(id string) *Story {
	if s.byID[id] == nil {
		s.byID[id] = &Story{}
	}
	return s.byID[id]
}

// Record takes a record of the trace.
func (s *Stories) Record(r trace.Record) {
	switch r := r.(type) {
	case trace.Step:
		story := s.of(r.Partition)
		story.Steps = append(story.Steps, r)
	case trace.Solve:
		story := s.of(r.Partition)
		story.Solves = append(story.Solves, r)
	case trace.Reconfiguration:
		story := s.of(r.Partition)
		story.Reconfiguration = append(story.Reconfiguration, r)
	case trace.Migration:
		story := s.of(r.Partition)
		story.Migrations = append(story.Migrations, r)
		s.migrations = append(s.migrations, r)
	case trace.Start:
		story := s.of(r.Partition)
		story.Starts = append(story.Starts, r)
		s.starts = append(s.starts, r)
	case trace.Request:
		s.requests = append(s.requests, r)
	case trace.Answer:
		s.answers = append(s.answers, r)
	case trace.Partition:
		story := s.of(r.ID)
		story.Partition = r
		s.order = append(s.order, story)
	}
}

// Story returns the story of a procedure.
func (s *Stories) Story(id string) (*Story, bool) {
	story, ok := s.byID[id]
	return story, ok && story.Partition.ID != ""
}

// Partitions returns all procedures, in order of when they began.
func (s *Stories) Partitions() []trace.Partition {
	all := make([]trace.Partition, len(s.order))
	for i, story := range s.order {
		all[i] = story.Partition
	}
	slices.SortStableFunc(all, func(a, b trace.Partition) int { return cmp.Compare(a.At, b.At) })
	return all
}

// Of returns the stories of the procedures that moved or started a VM, in order of
// when they did.
func (s *Stories) Of(vm string) (told []*Story) {
	type move struct {
		at        time.Duration
		partition string
	}
	var moves []move
	for _, m := range s.migrations {
		if m.VM == vm {
			moves = append(moves, move{m.At, m.Partition})
		}
	}
	for _, b := range s.starts {
		if b.VM == vm {
			moves = append(moves, move{b.At, b.Partition})
		}
	}
	slices.SortStableFunc(moves, func(a, b move) int { return cmp.Compare(a.at, b.at) })
	for _, m := range moves {
		if story, ok := s.Story(m.partition); ok && (len(told) == 0 || told[len(told)-1] != story) {
			told = append(told, story)
		}
	}
	return told
}

// line is a sentence of a story, and when it is true.
type line struct {
	at   time.Duration
	rank int // of what happens at the same instant
	text string
}

// Write tells the story to a person.
func (s *Story) Write(w io.Writer) error {
	p := &s.Partition
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %s, %s\n", p.ID, event(p.Kind, p.Initiator), p.Outcome)
	fmt.Fprintf(&out, "  %.3f s to %.3f s; %s, %s, %s\n\n", p.At.Seconds(), (p.At + p.Duration).Seconds(),
		plural(len(p.Members), "node"), plural(p.Hops, "hop"), strings.Replace(plural(p.Solves, "call"), "call", "solver call", 1))
	lines := s.lines()
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
	last := p.At
	for _, l := range lines {
		fmt.Fprintf(&out, "  %12.3f s %12s  %s\n", l.at.Seconds(), "+"+brief(l.at-last), l.text)
		last = l.at
	}
	out.WriteString("\n" + s.phases())
	_, err := io.WriteString(w, out.String())
	return err
}

// lines are the sentences of the story, in no order.
func (s *Story) lines() []line {
	p := &s.Partition
	lines := []line{{p.At, 0, fmt.Sprintf("%s reserves itself: %s", p.Initiator, p.Kind)}}
	for _, st := range s.Steps {
		lines = append(lines, line{st.At, 1, step(st)})
	}
	for _, v := range s.Solves {
		lines = append(lines, line{v.At, 2, question(v)})
	}
	for _, r := range s.Reconfiguration {
		lines = append(lines, line{r.At, 3, fmt.Sprintf("a plan of %s begins; it is %s after %s", plural(r.Migrations, "action"), r.Outcome, brief(r.Duration))})
	}
	for _, m := range s.Migrations {
		text := fmt.Sprintf("%s leaves %s for %s (%s): %s after %s", m.VM, m.From, m.To, m.Reason, m.Outcome, brief(m.Duration))
		if m.Bytes > 0 {
			text += fmt.Sprintf(", %s sent, paused for %s", amount(m.Bytes), brief(m.Downtime))
		}
		lines = append(lines, line{m.At, 4, text})
	}
	for _, b := range s.Starts {
		text := "%s, which waits on %s, boots on %s: %s after %s"
		if b.Resumed {
			text = "%s, which sleeps on %s, is read back on %s: %s after %s"
		}
		lines = append(lines, line{b.At, 4, fmt.Sprintf(text, b.VM, b.Node, b.On, b.Outcome, brief(b.Duration))})
	}
	end := map[string]string{
		"solved": "all are released: solved", "vanished": "all are released: the event no longer holds",
		"unsolvable": "all are released: no solution with the nodes that could be had", "aborted": "all are released: an action of the plan failed",
		"merged": "it goes on as part of another partition", "lost": "given up: its leader, its initiator or its event is gone", "open": "the run ends",
	}[p.Outcome]
	if p.Reasons != "" && p.Outcome == "unsolvable" {
		end += " (" + p.Reasons + ")"
	}
	return append(lines, line{p.At + p.Duration, 5, end})
}

// sum returns how long nodes and reports were gathered, how long was solved, and
// how long VMs were moved.
func (s *Story) sum() (gathered, solved, moved time.Duration) {
	p := &s.Partition
	end := p.At + p.Duration
	for _, v := range s.Solves {
		solved += v.Duration
	}
	for _, r := range s.Reconfiguration {
		moved += r.Duration
		end = min(end, r.At)
	}
	return end - p.At - solved, solved, moved
}

// phases says what took how long.
func (s *Story) phases() string {
	gathered, solved, moved := s.sum()
	return fmt.Sprintf("  gathering nodes and reports %s, solving %s, moving %s\n", brief(gathered), brief(solved), brief(moved))
}

// question says what a call of the solver was about, and what came of it.
func question(v trace.Solve) string {
	text := fmt.Sprintf("%s asks about %s with %s: %s", v.Node, plural(v.Nodes, "node"), plural(v.VMs, "VM"), v.Answer)
	switch {
	case v.Moves > 0 && v.Bytes == 0: // VMs that start
		text += ", " + plural(v.Moves, "action")
	case v.Moves > 0:
		text += fmt.Sprintf(", %s, %s", plural(v.Moves, "action"), amount(v.Bytes))
	case v.Reasons != "":
		text += ", ruled out " + v.Reasons
	}
	return text + fmt.Sprintf(" (%d steps)", v.Steps)
}

// step says what happened to a node.
func step(s trace.Step) string {
	switch s.What {
	case "joined":
		return fmt.Sprintf("%s joins, as number %d, and leads", s.Node, s.Members)
	case "left-out":
		return fmt.Sprintf("%s is left out: it is silent, gone, or no member", s.Node)
	case "short":
		return fmt.Sprintf("the %d nodes have too little together; %s wants more of them, and does not ask the solver", s.Members, s.Node)
	case "came-round":
		return fmt.Sprintf("the event has seen all nodes, and is back at %s: CNGROW", s.Node)
	case "took-in":
		return fmt.Sprintf("%s, led by %s, is taken in: %s together", s.Other, s.Node, plural(s.Members, "node"))
	}
	return s.What + " " + s.Node
}

// event says of which node's event a story is.
func event(kind, node string) string {
	switch {
	case kind == "place":
		return "VMs that wait on " + node
	case strings.HasPrefix(kind, "overload") || strings.HasPrefix(kind, "underload"):
		return "an " + kind + " of " + node
	}
	return "a " + kind + " of " + node
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// brief prints a duration with three figures or so, in the unit that fits.
func brief(d time.Duration) string {
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d.Microseconds())
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}

func amount(b cluster.Bytes) string {
	return fmt.Sprintf("%.2f GiB", float64(b)/float64(cluster.GiB))
}
