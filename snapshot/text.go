package snapshot

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// deepest is how deep values may be nested. No format needs half of it.
const deepest = 16

// text is a JSON text that is being read, and what is wrong with it.
type text struct {
	bytes    []byte
	mistakes []Mistake
}

// value is a JSON value that knows its line.
type value struct {
	line   int
	kind   kind
	scalar any // a string, json.Number, bool or nil
	list   []value
	fields []field
}

type field struct {
	key   string
	value value
}

type kind uint8

const (
	scalar kind = iota
	list
	object
)

// get returns the value of a key of an object.
func (v value) get(key string) (value, bool) {
	for i := range v.fields {
		if v.fields[i].key == key {
			return v.fields[i].value, true
		}
	}
	return value{}, false
}

// String describes v as an error needs it.
func (v value) String() string {
	switch {
	case v.kind == list:
		return "a list"
	case v.kind == object:
		return "an object"
	case v.scalar == nil:
		return "null"
	}
	if s, ok := v.scalar.(string); ok {
		return strconv.Quote(s)
	}
	return fmt.Sprint(v.scalar)
}

// parse reads a text whose value is an object.
func parse(data []byte) (*text, value, error) {
	t := &text{bytes: data}
	p := &parser{text: t, dec: json.NewDecoder(bytes.NewReader(data)), line: 1}
	p.dec.UseNumber()
	root, err := p.value(0)
	if err == nil {
		if _, more := p.dec.Token(); more != io.EOF {
			err = errors.New("more text after the end")
		}
	}
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		err = errors.New("the text is empty")
	case err == io.EOF || err == io.ErrUnexpectedEOF:
		err = errors.New("the text ends too early")
	}
	if err == nil && root.kind != object {
		err = fmt.Errorf("%s, not a JSON object", root)
	}
	if err != nil {
		at := p.dec.InputOffset()
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			at = min(max(at, syntax.Offset), int64(len(data)))
			err = fmt.Errorf("this is not JSON: %w", err)
		}
		t.mistakes = []Mistake{{Line: 1 + bytes.Count(data[:at], []byte("\n")), Text: err.Error()}}
		return nil, value{}, t.err()
	}
	return t, root, nil
}

// parser makes values of tokens.
type parser struct {
	text *text
	dec  *json.Decoder
	line int   // of the last token
	read int64 // up to where line was counted
}

func (p *parser) token() (json.Token, error) {
	token, err := p.dec.Token()
	to := p.dec.InputOffset()
	p.line += bytes.Count(p.text.bytes[p.read:to], []byte("\n"))
	p.read = to
	return token, err
}

func (p *parser) value(depth int) (value, error) {
	token, err := p.token()
	if err != nil {
		return value{}, err
	}
	v := value{line: p.line, scalar: token}
	if depth == deepest {
		return v, errors.New("lists and objects are nested too deep")
	}
	switch token {
	case json.Delim('['):
		v.kind, v.scalar = list, nil
		for p.dec.More() {
			element, err := p.value(depth + 1)
			if err != nil {
				return v, err
			}
			v.list = append(v.list, element)
		}
		_, err = p.token()
	case json.Delim('{'):
		v.kind, v.scalar = object, nil
		err = p.fields(&v, depth)
	}
	return v, err
}

func (p *parser) fields(v *value, depth int) error {
	var seen map[string]bool // from a few keys on, as most objects have but a few
	for p.dec.More() {
		token, err := p.token()
		if err != nil {
			return err
		}
		key, ok := token.(string)
		if !ok {
			return errors.New("the key of an object is not a string")
		}
		at := p.line
		twice := seen[key]
		if seen == nil {
			_, twice = v.get(key)
		}
		if twice {
			p.text.mistakes = append(p.text.mistakes, Mistake{Line: at, Text: fmt.Sprintf("key %q is there twice", key)})
		}
		of, err := p.value(depth + 1)
		if err != nil {
			return err
		}
		v.fields = append(v.fields, field{key, of})
		if seen == nil && len(v.fields) == 16 {
			seen = map[string]bool{}
			for _, f := range v.fields {
				seen[f.key] = true
			}
		}
		if seen != nil {
			seen[key] = true
		}
	}
	_, err := p.token()
	return err
}

// place is where a value is in a text: the element of a list, and a key in it.
type place struct {
	list  string
	index int
	key   string
}

// nowhere is the place of what is wrong with a text as a whole.
var nowhere = place{}

func top(key string) place { return place{key: key} }

func (p place) in(key string) place { return place{p.list, p.index, key} }

func (p place) String() string {
	s := p.key
	if p.list != "" {
		s = fmt.Sprintf("%s[%d]", p.list, p.index)
		if p.key != "" {
			s += "." + p.key
		}
	}
	return s
}

func (t *text) wrong(v value, at place, format string, args ...any) {
	t.mistakes = append(t.mistakes, Mistake{v.line, at.String(), fmt.Sprintf(format, args...)})
}

// err returns all mistakes, by line, or nil if there are none.
func (t *text) err() error {
	if len(t.mistakes) == 0 {
		return nil
	}
	slices.SortStableFunc(t.mistakes, func(a, b Mistake) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{t.mistakes}
}

// known refuses keys that are not among those that there are.
func (t *text) known(v value, at place, keys ...string) {
	for _, f := range v.fields {
		if !slices.Contains(keys, f.key) {
			t.wrong(f.value, at.in(f.key), "there is no such key here; there are %s", strings.Join(keys, ", "))
		}
	}
}

// objects calls one with each element of a list of objects.
func (t *text) objects(root value, key string, one func(v value, at place)) {
	v, ok := root.get(key)
	if !ok {
		return
	}
	if v.kind != list {
		t.wrong(v, top(key), "%s, not a list", v)
		return
	}
	for i, element := range v.list {
		at := place{list: key, index: i}
		if element.kind != object {
			t.wrong(element, at, "%s, not an object", element)
			continue
		}
		one(element, at)
	}
}

// need returns the value of a key that must be there.
func (t *text) need(of value, at place, key string) (value, bool) {
	v, ok := of.get(key)
	if !ok {
		t.wrong(of, at, "%q is missing", key)
	}
	return v, ok
}

// whole reads a whole number from least to most.
func (t *text) whole(of value, at place, key string, least, most int64) (int64, bool) {
	v, ok := t.need(of, at, key)
	if !ok {
		return 0, false
	}
	number, _ := v.scalar.(json.Number)
	n, err := strconv.ParseInt(string(number), 10, 64)
	if err != nil || n < least || n > most {
		t.wrong(v, at.in(key), "%s is not a whole number from %d to %d", v, least, most)
		return 0, false
	}
	return n, true
}

// str reads a string.
func (t *text) str(of value, at place, key string) (string, bool) {
	v, ok := t.need(of, at, key)
	if !ok {
		return "", false
	}
	s, ok := v.scalar.(string)
	if !ok {
		t.wrong(v, at.in(key), "%s is not a string", v)
	}
	return s, ok
}
