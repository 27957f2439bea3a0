package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/wire"
)

// LogSchema names the form of an agent's log. A change that readers must know
// of changes it.
const LogSchema = "dvms-agent-log/2"

// A log is JSON, a value a line: a header, a step a line, and a last line that
// says how the agent ended. One that is killed does not get to write that.

type header struct {
	Schema   string    `json:"schema"`
	Began    time.Time `json:"began"` // by the machine's clock
	Settings Settings  `json:"settings"`
}

type line struct {
	At      time.Duration    `json:"at_ns"`
	In      wire.Encoded     `json:"in,omitzero"` // of the node; or a gossip or a tick, of the overlay
	Solver  *Solver          `json:"solver,omitempty"`
	Out     []wire.Encoded   `json:"out,omitempty"`
	Packets []overlay.Packet `json:"packets,omitempty"`
	Next    time.Duration    `json:"next_ns,omitempty"`
	End     string           `json:"end,omitempty"` // the last line
}

// What the overlay is given, among the kinds of inputs.
const (
	tickKind   = "tick"
	gossipKind = "gossip"
)

// recorder writes a log. The first error ends it; the agent goes on.
type recorder struct {
	out      *bufio.Writer
	encoder  *json.Encoder
	settings Settings
	err      error
	flushed  time.Duration
}

func newRecorder(w io.Writer, s Settings) *recorder {
	out := bufio.NewWriter(w)
	return &recorder{out: out, encoder: json.NewEncoder(out), settings: s}
}

// begin writes the header.
func (r *recorder) begin(at time.Time) {
	r.err = r.encoder.Encode(header{LogSchema, at.Round(0), r.settings})
}

// step records a step. What is older than a second is handed on, so that little
// is lost if the agent is killed.
func (r *recorder) step(s *Step) {
	if r.err != nil {
		return
	}
	var l line
	if l, r.err = encode(s); r.err != nil {
		return
	}
	r.err = r.encoder.Encode(l)
	if r.err == nil && s.At-r.flushed > time.Second {
		r.flushed = s.At
		r.err = r.out.Flush()
	}
}

// end writes the last line.
func (r *recorder) end(at time.Duration, how string) error {
	if r.err == nil {
		r.err = r.encoder.Encode(line{At: at, End: how})
	}
	if err := errors.Join(r.err, r.out.Flush()); err != nil {
		return fmt.Errorf("agent: log: %w", err)
	}
	return nil
}

func encode(s *Step) (l line, err error) {
	l = line{At: s.At, Solver: s.Solver, Packets: s.Packets, Next: s.Next}
	switch {
	case s.Tick:
		l.In.Kind = tickKind
	case s.Heard != nil:
		l.In.Kind = gossipKind
		l.In.Value, err = json.Marshal(s.Heard)
	default:
		l.In, err = wire.EncodeInput(s.In)
	}
	for _, out := range s.Out {
		e, failed := wire.EncodeOutput(out)
		err = errors.Join(err, failed)
		l.Out = append(l.Out, e)
	}
	return l, err
}

// decode reads what a step was given. What it asked for is compared as text.
func decode(l line, withSpiral bool) (*Step, error) {
	s := &Step{At: l.At, Solver: l.Solver}
	var err error
	switch l.In.Kind {
	case tickKind:
		s.Tick = true
	case gossipKind:
		s.Heard = &wire.Gossip{}
		err = json.Unmarshal(l.In.Value, s.Heard)
	default:
		s.In, err = wire.DecodeInput(l.In)
	}
	if err == nil && s.In == nil && !withSpiral {
		err = fmt.Errorf("a %s, and the agent's overlay is a ring", l.In.Kind)
	}
	return s, err
}

// Log is an agent's log that is being replayed.
type Log struct {
	Settings Settings
	Began    time.Time // by the clock of the agent's machine
	Steps    int       // that were the same, so far
	End      string    // how the agent ended; "" if it was killed, or runs
	Cut      bool      // the last line is incomplete: the agent was killed

	in     *bufio.Reader
	number int // of the line read last
	next   *line
	last   time.Duration
	mind   *mind
}

// DivergedError says where a replay asked for something else than the agent did.
type DivergedError struct {
	Line           int
	At             time.Duration
	Recorded, Here string
}

func (e *DivergedError) Error() string {
	return fmt.Sprintf("line %d, at %v: the node asked for\n  %s\nand now asks for\n  %s", e.Line, e.At, e.Recorded, e.Here)
}

// maxLine is the longest line of a log, in bytes.
const maxLine = 64 << 20

// OpenLog reads the beginning of a log.
func OpenLog(r io.Reader) (*Log, error) {
	l := &Log{in: bufio.NewReaderSize(r, 1<<16), number: 1}
	text, err := readLine(l.in)
	if err != nil {
		return nil, fmt.Errorf("line 1: there is no header: %w", err)
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil || h.Schema != LogSchema {
		return nil, fmt.Errorf("line 1: this is not an agent's log of the form %s", LogSchema)
	}
	if err := h.Settings.Validate(); err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	l.Settings, l.Began, l.mind = h.Settings, h.Began, newMind(h.Settings)
	return l, nil
}

// Next returns when the next step takes place; the error is io.EOF after the
// last one.
func (l *Log) Next() (time.Duration, error) {
	if l.next != nil {
		return l.next.At, nil
	}
	if l.End != "" || l.Cut {
		return 0, io.EOF
	}
	l.number++
	text, err := readLine(l.in)
	if errors.Is(err, io.EOF) {
		l.Cut = len(text) > 0
		return 0, io.EOF
	}
	next := &line{}
	if err == nil {
		err = json.Unmarshal(text, next)
	}
	if err == nil && next.At < l.last {
		err = fmt.Errorf("%v is earlier than the line before", next.At)
	}
	if err != nil {
		return 0, fmt.Errorf("line %d: %w", l.number, err)
	}
	l.last = next.At
	if next.End != "" {
		l.End = next.End
		return 0, io.EOF
	}
	l.next = next
	return next.At, nil
}

// Took is the time from the start of the agent to the last line that was read.
func (l *Log) Took() time.Duration { return l.last }

// Step takes the step that Next has told of: it gives the node what the agent's
// was given, and compares what it asks for with what that asked for, byte for
// byte.
func (l *Log) Step() (*Step, error) {
	recorded := *l.next
	l.next = nil
	s, err := decode(recorded, l.mind.spiral != nil)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", l.number, err)
	}
	if err := l.take(s); err != nil {
		return nil, fmt.Errorf("line %d: %w", l.number, err)
	}
	here, err := encode(s)
	if err != nil {
		return nil, fmt.Errorf("line %d: %w", l.number, err)
	}
	was, is := asked(recorded), asked(here)
	if !bytes.Equal(was, is) {
		return nil, &DivergedError{Line: l.number, At: s.At, Recorded: string(was), Here: string(is)}
	}
	l.Steps++
	return s, nil
}

// take gives the node what the agent's was given. What no agent can have been
// given, as nobody hands it to one, may be more than a node can take.
func (l *Log) take(s *Step) (err error) {
	if r, ok := s.In.(protocol.Received); ok {
		if err := wire.Check(r.Message, l.Settings.ID); err != nil {
			return err
		}
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("no agent can have recorded this: %v", cause)
		}
	}()
	l.mind.take(s)
	return nil
}

// asked is what was asked for in a line, as text.
func asked(l line) []byte {
	text, err := json.Marshal(struct {
		Out     []wire.Encoded   `json:"out,omitempty"`
		Packets []overlay.Packet `json:"packets,omitempty"`
		Next    time.Duration    `json:"next_ns,omitempty"`
	}{l.Out, l.Packets, l.Next})
	if err != nil {
		panic(fmt.Sprintf("agent: what was decoded can't be encoded: %v", err))
	}
	return text
}

// Node is the node of the replay, as it is after the last step. It is not to be
// stepped.
func (l *Log) Node() *protocol.Node { return l.mind.Node }

// readLine returns the next line. With io.EOF it is incomplete.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxLine:
			return nil, fmt.Errorf("it is longer than %d bytes", maxLine)
		case !errors.Is(err, bufio.ErrBufferFull):
			return line, err
		}
	}
}

// Replay replays a whole log. each, unless nil, is called with every step.
func Replay(r io.Reader, each func(*Step)) (*Log, error) {
	l, err := OpenLog(r)
	if err != nil {
		return nil, err
	}
	for {
		if _, err := l.Next(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return l, err
		}
		s, err := l.Step()
		if err != nil {
			return l, err
		}
		if each != nil {
			each(s)
		}
	}
}
