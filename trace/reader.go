package trace

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
)

// ErrCutOff says that a trace stops before its End: the run that wrote it
// crashed, is still going on, or the file was copied in part. What was read
// before it is good.
var ErrCutOff = errors.New("the trace is cut off: it has no end record")

// maxLine is the longest line that a Reader takes. A partition of a million
// nodes fits.
const maxLine = 64 << 20

// Reader reads the records of a trace, in order.
//
// Fields and types of records that it does not know are skipped, and fields
// that are missing are zero, so that traces of other versions with the same
// Schema can be read. Everything else that is wrong is an error that names
// the file and the line: text that is not JSON, a value of the wrong kind, a
// negative number, a second header, a record after the end, an end that
// counted other records than there are.
type Reader struct {
	name       string
	lines      *bufio.Scanner
	line       int
	began      bool
	ended      bool
	err        error // what Next has returned, and will again
	violations int
	migrations int
	decoder    decoder
}

// NewReader returns a Reader of the trace in r. name stands in errors for it,
// as a rule the file's name.
func NewReader(name string, r io.Reader) *Reader {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 1<<16), maxLine)
	lines.Split(withNewline)
	return &Reader{name: name, lines: lines}
}

// Read sends all records of the trace in r to a sink. If the trace is cut
// off, the sink has got what there is, and the error matches ErrCutOff.
func Read(name string, r io.Reader, to Sink) error {
	in := NewReader(name, r)
	for {
		record, err := in.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		to.Record(record)
	}
}

// Next returns the next record: the Header first, the End last, and io.EOF
// after it. An error that matches ErrCutOff comes in place of the End.
func (r *Reader) Next() (Record, error) {
	for r.err == nil {
		record, err := r.next()
		if err != nil {
			r.err = err
		} else if record != nil {
			return record, nil
		}
	}
	return nil, r.err
}

// next reads one line. The record is nil if its type is unknown.
func (r *Reader) next() (Record, error) {
	if !r.lines.Scan() {
		return nil, r.finish()
	}
	r.line++
	text := r.lines.Bytes()
	record, err := r.decoder.record(bytes.TrimSuffix(text, []byte("\n")))
	if err == nil {
		err = r.check(record)
	}
	if r.began && !r.ended && text[len(text)-1] != '\n' && !json.Valid(text) {
		err = ErrCutOff // in the middle of its last line
	}
	if err != nil {
		return nil, r.wrap(err)
	}
	return record, nil
}

// finish says why there are no more lines.
func (r *Reader) finish() error {
	switch err := r.lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		r.line++
		return r.wrap(fmt.Errorf("a line of more than %v; this is not a trace", cluster.Bytes(maxLine)))
	case err != nil:
		return fmt.Errorf("%s: %w", r.name, err)
	case r.ended:
		return io.EOF
	}
	return r.wrap(ErrCutOff)
}

func (r *Reader) wrap(err error) error {
	if r.line == 0 {
		return fmt.Errorf("%s: empty: %w", r.name, err)
	}
	return fmt.Errorf("%s:%d: %w", r.name, r.line, err)
}

// check looks at the place of a record in the trace.
func (r *Reader) check(record Record) error {
	header, isHeader := record.(Header)
	switch {
	case !r.began && !isHeader:
		return fmt.Errorf("not a trace: it should begin with a header of %s", Schema)
	case !r.began && header.Schema != Schema:
		return fmt.Errorf("the schema is %q, and this version reads %s", header.Schema, Schema)
	case r.began && isHeader:
		return errors.New("a second header; a file holds one trace")
	case r.ended:
		return errors.New("a record after the end")
	}
	r.began = true
	switch record := record.(type) {
	case Violation:
		r.violations++
	case Migration:
		r.migrations++
	case End:
		r.ended = true
		if record.Violations != r.violations || record.Migrated != r.migrations {
			return fmt.Errorf("the end counts %d violations and %d migrations, the trace has %d and %d; lines are missing or doubled",
				record.Violations, record.Migrated, r.violations, r.migrations)
		}
	}
	return nil
}

// withNewline splits lines as bufio.ScanLines does, but keeps the newline: a
// last line without one was perhaps not written to its end.
func withNewline(data []byte, atEOF bool) (advance int, token []byte, err error) {
	if i := bytes.IndexByte(data, '\n'); i >= 0 {
		return i + 1, data[:i+1], nil
	}
	if atEOF && len(data) > 0 {
		return len(data), data, nil
	}
	return 0, nil, nil
}

// decoder reads the fields of one record from its line.
type decoder struct {
	members []member
	next    int // the member expected next, as fields come in the order of walk
	err     error
}

type member struct {
	key   string
	value []byte
}

var recordReaders = map[string]func(fields) Record{
	Header{}.Type():          read[Header],
	Load{}.Type():            read[Load],
	Violation{}.Type():       read[Violation],
	Solve{}.Type():           read[Solve],
	Migration{}.Type():       read[Migration],
	Reconfiguration{}.Type(): read[Reconfiguration],
	Partition{}.Type():       read[Partition],
	Step{}.Type():            read[Step],
	Request{}.Type():         read[Request],
	Answer{}.Type():          read[Answer],
	Start{}.Type():           read[Start],
	Starved{}.Type():         read[Starved],
	Place{}.Type():           read[Place],
	Fault{}.Type():           read[Fault],
	Messages{}.Type():        read[Messages],
	End{}.Type():             read[End],
}

func read[R Record, P interface {
	*R
	walk(fields)
}](f fields) Record {
	var r R
	P(&r).walk(f)
	return r
}

// record returns nil for a record of an unknown type.
func (d *decoder) record(line []byte) (Record, error) {
	if !json.Valid(line) {
		// Unmarshal says where and why.
		return nil, fmt.Errorf("not JSON: %w", json.Unmarshal(line, new(any)))
	}
	var err error
	if d.members, err = split(line, d.members[:0]); err != nil {
		return nil, err
	}
	d.next, d.err = 0, nil
	var kind string
	d.text("type", &kind)
	if kind == "" && d.err == nil {
		d.err = errors.New(`no "type"`)
	}
	readRecord, known := recordReaders[kind]
	if d.err != nil || !known {
		return nil, d.err
	}
	record := readRecord(d)
	if d.err != nil {
		return nil, fmt.Errorf("%s: %w", kind, d.err)
	}
	return record, nil
}

// split appends the members of a JSON object, which must be valid JSON.
func split(line []byte, members []member) ([]member, error) {
	rest := bytes.TrimLeft(line, jsonSpace)
	if rest[0] != '{' {
		return nil, errors.New("not a JSON object")
	}
	rest = rest[1:]
	for {
		rest = bytes.TrimLeft(rest, jsonSpace+",")
		if rest[0] == '}' {
			return members, nil
		}
		n := valueLen(rest)
		key, err := parseText(rest[:n])
		if err != nil {
			return nil, err
		}
		rest = bytes.TrimLeft(rest[n:], jsonSpace+":")
		n = valueLen(rest)
		members = append(members, member{key, rest[:n]})
		rest = rest[n:]
	}
}

const jsonSpace = " \t\r\n"

// valueLen returns the length of the valid JSON value that b begins with.
func valueLen(b []byte) int {
	depth, inText := 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
			if !inText && depth == 0 {
				return i + 1
			}
		case inText:
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			if depth == 0 {
				return i // a number or a word that was the last member
			}
			if depth--; depth == 0 {
				return i + 1
			}
		case depth == 0 && (c == ',' || c == ' ' || c == '\t' || c == '\r' || c == '\n'):
			return i
		}
	}
	return len(b)
}

// find returns the value of a field, and nil if the line does not have it.
func (d *decoder) find(name string) []byte {
	for range 2 { // from the expected place on, then from the first
		for i := d.next; i < len(d.members); i++ {
			if d.members[i].key == name {
				d.next = i + 1
				return d.members[i].value
			}
		}
		d.next = 0
	}
	return nil
}

func (d *decoder) fail(name string, value []byte, want string) {
	if d.err == nil {
		d.err = fmt.Errorf("%s: %s is not %s", name, shortened(value), want)
	}
}

func shortened(value []byte) string {
	const most = 40
	if len(value) <= most {
		return string(value)
	}
	return string(bytes.ToValidUTF8(value[:most], nil)) + "..."
}

// fixed reads a number that is kept as an integer of 10^-decimals.
func (d *decoder) fixed(name string, decimals int, want string) (v int64) {
	value := d.find(name)
	if value == nil {
		return 0
	}
	v, ok := parseFixed(value, decimals)
	if !ok {
		d.fail(name, value, want)
	}
	return v
}

func (d *decoder) seconds(name string, v *time.Duration) {
	*v = time.Duration(d.fixed(name, secondDecimals, "a number of seconds"))
}

func (d *decoder) cores(name string, v *cluster.Millicores) {
	*v = cluster.Millicores(d.fixed(name, coreDecimals, "a number of cores"))
}

func (d *decoder) bytes(name string, v *cluster.Bytes) {
	*v = cluster.Bytes(d.number63(name, "a number of bytes"))
}

func (d *decoder) count(name string, v *int) {
	*v = int(d.number63(name, "a count"))
}

func (d *decoder) number63(name, want string) int64 {
	var u uint64
	if d.number(name, &u); u > math.MaxInt64 {
		d.fail(name, strconv.AppendUint(nil, u, 10), want)
		return 0
	}
	return int64(u)
}

func (d *decoder) number(name string, v *uint64) {
	value := d.find(name)
	if value == nil {
		return
	}
	u, err := strconv.ParseUint(string(value), 10, 64)
	if err != nil {
		d.fail(name, value, "a whole number from 0 to 2^64-1")
		return
	}
	*v = u
}

func (d *decoder) amount(name string, v *float64) {
	value := d.find(name)
	if value == nil {
		return
	}
	x, err := strconv.ParseFloat(string(value), 64)
	if err != nil || x < 0 || !isNumber(value) {
		d.fail(name, value, "a number from 0 on")
		return
	}
	*v = x
}

func (d *decoder) amounts(name string, v *[]float64) {
	value := d.find(name)
	if value == nil {
		return
	}
	if err := json.Unmarshal(value, v); err != nil || value[0] != '[' {
		d.fail(name, value, "a list of numbers")
	}
	if len(*v) == 0 {
		*v = nil
	}
}

func (d *decoder) text(name string, v *string) {
	value := d.find(name)
	if value == nil {
		return
	}
	s, err := parseText(value)
	if err != nil {
		d.fail(name, value, "a string")
		return
	}
	*v = s
}

func (d *decoder) texts(name string, v *[]string) {
	value := d.find(name)
	if value == nil {
		return
	}
	if err := json.Unmarshal(value, v); err != nil || value[0] != '[' {
		d.fail(name, value, "a list of strings")
	}
	if len(*v) == 0 {
		*v = nil
	}
}

func (d *decoder) truth(name string, v *bool) {
	switch value := d.find(name); string(value) {
	case "", "false":
	case "true":
		*v = true
	default:
		d.fail(name, value, "true or false")
	}
}

func (d *decoder) resource(name string, v *cluster.Resource) {
	var s string
	d.text(name, &s)
	if s == "" {
		return
	}
	for r := range cluster.NumResources {
		if r.String() == s {
			*v = r
			return
		}
	}
	d.fail(name, []byte(s), "a resource")
}

// parseText reads a JSON string, which must be valid JSON.
func parseText(value []byte) (string, error) {
	if len(value) >= 2 && value[0] == '"' && bytes.IndexByte(value, '\\') < 0 && utf8.Valid(value) {
		return string(value[1 : len(value)-1]), nil
	}
	if value[0] != '"' { // Unmarshal would take null
		return "", errors.New("not a string")
	}
	var s string
	err := json.Unmarshal(value, &s)
	return s, err
}

func isNumber(value []byte) bool {
	return value[0] == '-' || '0' <= value[0] && value[0] <= '9'
}

// parseFixed reads a JSON number that is not negative as a whole number of
// 10^-decimals. More decimals, and exponents as other programs write them,
// are rounded to the nearest.
func parseFixed(value []byte, decimals int) (int64, bool) {
	if v, ok := parseExact(value, decimals); ok {
		return v, true
	}
	if !isNumber(value) {
		return 0, false
	}
	x, err := strconv.ParseFloat(string(value), 64)
	x = math.Round(x * float64(pow10(decimals)))
	if err != nil || x < 0 || x >= math.MaxInt64 {
		return 0, false
	}
	return int64(x), true
}

// parseExact reads digits, and a point with at most so many digits after it.
func parseExact(value []byte, decimals int) (int64, bool) {
	whole, part, _ := bytes.Cut(value, []byte("."))
	if len(part) > decimals {
		return 0, false
	}
	v, ok := appendDigits(0, whole)
	if ok {
		v, ok = appendDigits(v, part)
	}
	if ok {
		v, ok = appendDigits(v, zeros[:decimals-len(part)])
	}
	return v, ok
}

var zeros = []byte("000000000")

func appendDigits(v int64, digits []byte) (int64, bool) {
	for _, c := range digits {
		d := int64(c - '0')
		if c < '0' || c > '9' || v > (math.MaxInt64-d)/10 {
			return 0, false
		}
		v = v*10 + d
	}
	return v, true
}
