package trace

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
)

// Writer is a Sink that writes records as JSON lines. The same records give
// the same bytes.
//
// It buffers, and keeps the first error for Flush: a run does not stop at
// every record to ask whether the disk is full.
type Writer struct {
	out  *bufio.Writer
	line encoder
	err  error
}

// NewWriter returns a Writer to w. Whoever opened w closes it, after Flush.
func NewWriter(w io.Writer) *Writer {
	return &Writer{out: bufio.NewWriterSize(w, 1<<16)}
}

// Record writes one record. A Header without a schema gets Schema. An End is
// the last line, and is flushed with all lines before it.
func (w *Writer) Record(r Record) {
	if w.err != nil {
		return
	}
	w.line.begin(r.Type())
	w.line.walk(r)
	if w.line.err != nil {
		w.err = fmt.Errorf("%s: %w", r.Type(), w.line.err)
		return
	}
	if _, w.err = w.out.Write(w.line.end()); w.err == nil && r.Type() == (End{}).Type() {
		w.err = w.out.Flush()
	}
}

// Flush writes what is still buffered, and returns the first error since the
// Writer was made. No record after that error has been written.
func (w *Writer) Flush() error {
	if w.err == nil {
		w.err = w.out.Flush()
	}
	if w.err != nil {
		return fmt.Errorf("writing the trace: %w", w.err)
	}
	return nil
}

// encoder appends the fields of one record to a line.
type encoder struct {
	buf []byte
	err error
}

func (e *encoder) begin(kind string) {
	e.buf = append(e.buf[:0], `{"type":`...)
	e.buf = appendText(e.buf, kind)
}

func (e *encoder) end() []byte {
	e.buf = append(e.buf, '}', '\n')
	return e.buf
}

func (e *encoder) walk(r Record) {
	switch r := r.(type) {
	case Header:
		if r.Schema == "" {
			r.Schema = Schema
		}
		r.walk(e)
	case Load:
		r.walk(e)
	case Violation:
		r.walk(e)
	case Solve:
		r.walk(e)
	case Migration:
		r.walk(e)
	case Reconfiguration:
		r.walk(e)
	case Partition:
		r.walk(e)
	case Step:
		r.walk(e)
	case Request:
		r.walk(e)
	case Answer:
		r.walk(e)
	case Start:
		r.walk(e)
	case Starved:
		r.walk(e)
	case Place:
		r.walk(e)
	case Fault:
		r.walk(e)
	case Messages:
		r.walk(e)
	case End:
		r.walk(e)
	default:
		panic(fmt.Sprintf("trace: unknown record %T", r))
	}
}

func (e *encoder) name(name string) {
	e.buf = append(e.buf, ',', '"')
	e.buf = append(e.buf, name...)
	e.buf = append(e.buf, '"', ':')
}

func (e *encoder) seconds(name string, v *time.Duration) {
	e.name(name)
	e.buf = appendFixed(e.buf, int64(*v), secondDecimals)
}

func (e *encoder) cores(name string, v *cluster.Millicores) {
	e.name(name)
	e.buf = appendFixed(e.buf, int64(*v), coreDecimals)
}

func (e *encoder) bytes(name string, v *cluster.Bytes) {
	e.name(name)
	e.buf = strconv.AppendInt(e.buf, int64(*v), 10)
}

func (e *encoder) count(name string, v *int) {
	e.name(name)
	e.buf = strconv.AppendInt(e.buf, int64(*v), 10)
}

func (e *encoder) number(name string, v *uint64) {
	e.name(name)
	e.buf = strconv.AppendUint(e.buf, *v, 10)
}

func (e *encoder) amount(name string, v *float64) {
	if e.err == nil && (math.IsNaN(*v) || math.IsInf(*v, 0)) {
		e.err = fmt.Errorf("%s is %v, which JSON can't hold", name, *v)
	}
	e.name(name)
	e.buf = strconv.AppendFloat(e.buf, *v, 'g', -1, 64)
}

func (e *encoder) amounts(name string, v *[]float64) {
	e.name(name)
	e.buf = append(e.buf, '[')
	for i, x := range *v {
		if e.err == nil && (math.IsNaN(x) || math.IsInf(x, 0)) {
			e.err = fmt.Errorf("%s has %v, which JSON can't hold", name, x)
		}
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = strconv.AppendFloat(e.buf, x, 'g', -1, 64)
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) text(name string, v *string) {
	e.name(name)
	e.buf = appendText(e.buf, *v)
}

func (e *encoder) texts(name string, v *[]string) {
	e.name(name)
	e.buf = append(e.buf, '[')
	for i, s := range *v {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.buf = appendText(e.buf, s)
	}
	e.buf = append(e.buf, ']')
}

func (e *encoder) truth(name string, v *bool) {
	e.name(name)
	e.buf = strconv.AppendBool(e.buf, *v)
}

func (e *encoder) resource(name string, v *cluster.Resource) {
	if e.err == nil && *v >= cluster.NumResources {
		e.err = fmt.Errorf("%s is %v, which is none", name, *v)
	}
	e.name(name)
	e.buf = appendText(e.buf, v.String())
}

// Decimals that make a second or a core a whole number of the unit in which
// it is kept: nanoseconds and millicores.
const (
	secondDecimals = 9
	coreDecimals   = 3
)

// appendFixed appends v / 10^decimals, exactly, with no more decimals than
// needed.
func appendFixed(b []byte, v int64, decimals int) []byte {
	u := uint64(v)
	if v < 0 {
		b, u = append(b, '-'), -u
	}
	scale := pow10(decimals)
	b = strconv.AppendUint(b, u/scale, 10)
	part := u % scale
	if part == 0 {
		return b
	}
	b = append(b, '.')
	for part > 0 {
		scale /= 10
		b = append(b, byte('0'+part/scale))
		part %= scale
	}
	return b
}

func pow10(n int) uint64 {
	p := uint64(1)
	for range n {
		p *= 10
	}
	return p
}

const hex = "0123456789abcdef"

// appendText appends s as a JSON string. Bytes that are not UTF-8 become
// U+FFFD, as JSON has no way to say them.
func appendText(b []byte, s string) []byte {
	b = append(b, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += size
			continue
		}
		i++
	}
	return append(b, '"')
}
