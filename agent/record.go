package agent

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/wire"
)

// LogSchema names the form of an agent's log. A change that readers must know
// of changes it.
const LogSchema = "dvms-agent-log/1"

// A log is JSON, a value a line: a header, and then a step a line.

type header struct {
	Schema   string   `json:"schema"`
	Settings Settings `json:"settings"`
}

type step struct {
	At  time.Duration  `json:"at_ns"`
	In  wire.Encoded   `json:"in"`
	Out []wire.Encoded `json:"out,omitempty"`
}

// recorder writes a log. The first error ends it; the agent goes on.
type recorder struct {
	out     *bufio.Writer
	encoder *json.Encoder
	err     error
	flushed time.Duration
}

func newRecorder(w io.Writer, s Settings) *recorder {
	out := bufio.NewWriter(w)
	r := &recorder{out: out, encoder: json.NewEncoder(out)}
	r.err = r.encoder.Encode(header{LogSchema, s})
	return r
}

// step records an input and what the node made of it. What is older than a
// second is handed on, so that little is lost if the agent is killed.
func (r *recorder) step(at time.Duration, in protocol.Input, outputs []protocol.Output) {
	if r.err != nil {
		return
	}
	var s step
	if s, r.err = encodeStep(at, in, outputs); r.err != nil {
		return
	}
	r.err = r.encoder.Encode(s)
	if r.err == nil && at-r.flushed > time.Second {
		r.flushed = at
		r.err = r.out.Flush()
	}
}

func (r *recorder) close() error {
	if err := errors.Join(r.err, r.out.Flush()); err != nil {
		return fmt.Errorf("agent: log: %w", err)
	}
	return nil
}

func encodeStep(at time.Duration, in protocol.Input, outputs []protocol.Output) (s step, err error) {
	s.At = at
	if s.In, err = wire.EncodeInput(in); err != nil {
		return s, err
	}
	for _, out := range outputs {
		e, err := wire.EncodeOutput(out)
		if err != nil {
			return s, err
		}
		s.Out = append(s.Out, e)
	}
	return s, nil
}

// Replayed says what came of a replay.
type Replayed struct {
	Settings Settings
	Steps    int           // that were the same
	Sends    int           // messages among what they asked for
	Took     time.Duration // by the agent's clock
	Cut      bool          // the last line is incomplete: the agent was killed
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

// Replay gives a fresh node the inputs of a log, and compares what it asks for
// with what the agent's did, byte for byte. each is called with every line, for
// a person, unless it is nil.
func Replay(log io.Reader, each func(at time.Duration, in protocol.Input, out []protocol.Output)) (Replayed, error) {
	var r Replayed
	in := bufio.NewReaderSize(log, 1<<16)
	text, err := readLine(in)
	if err != nil {
		return r, fmt.Errorf("line 1: there is no header: %w", err)
	}
	var h header
	if err := json.Unmarshal(text, &h); err != nil || h.Schema != LogSchema {
		return r, fmt.Errorf("line 1: this is not an agent's log of the form %s", LogSchema)
	}
	r.Settings = h.Settings
	if err := h.Settings.Protocol.Validate(); err != nil {
		return r, fmt.Errorf("line 1: %w", err)
	}
	node := newMind(h.Settings)
	for line := 2; ; line++ {
		text, err := readLine(in)
		if errors.Is(err, io.EOF) {
			r.Cut = len(text) > 0
			return r, nil
		}
		if err != nil {
			return r, fmt.Errorf("line %d: %w", line, err)
		}
		if err := r.replay(node, line, text, each); err != nil {
			return r, err
		}
	}
}

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

func (r *Replayed) replay(node mind, line int, text []byte, each func(time.Duration, protocol.Input, []protocol.Output)) error {
	var s step
	if err := json.Unmarshal(text, &s); err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	if s.At < r.Took {
		return fmt.Errorf("line %d: %v is earlier than the line before", line, s.At)
	}
	in, err := wire.DecodeInput(s.In)
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	outputs := node.step(s.At, in)
	if each != nil {
		each(s.At, in, outputs)
	}
	here, err := encodeStep(s.At, in, outputs)
	if err != nil {
		return fmt.Errorf("line %d: %w", line, err)
	}
	recorded, err := json.Marshal(s.Out)
	if err != nil {
		return err
	}
	now, err := json.Marshal(here.Out)
	if err != nil {
		return err
	}
	if !bytes.Equal(recorded, now) {
		return &DivergedError{Line: line, At: s.At, Recorded: string(recorded), Here: string(now)}
	}
	r.Steps, r.Took = r.Steps+1, s.At
	for _, out := range outputs {
		if _, ok := out.(protocol.Send); ok {
			r.Sends++
		}
	}
	return nil
}
