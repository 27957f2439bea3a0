package snapshot

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// deepest is how deep values may be nested. No format needs half of it.
const deepest = 16

// value is a JSON value that knows its line.
type value struct {
	line   int
	kind   kind
	text   string // what a string says; of any other scalar, how it is written
	list   []value
	fields []field
	// numbers is how a list is written if it has whole numbers and nothing else. Its
	// list is empty then: see elements. Rules may name thousands of nodes by their
	// number, over and over again.
	numbers string
}

type field struct {
	key   string
	line  int // of the key
	value value
}

type kind uint8

const (
	null kind = iota
	boolean
	number
	word
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

// is reports whether v is a certain string.
func (v value) is(text string) bool { return v.kind == word && v.text == text }

// elements returns the elements of a list.
func (v value) elements() []value {
	if v.numbers == "" {
		return v.list
	}
	all := make([]value, 0, 1+strings.Count(v.numbers, ","))
	line := v.line
	for element := range strings.SplitSeq(v.numbers, ",") {
		digits := strings.TrimLeft(element, blanks)
		line += strings.Count(element[:len(element)-len(digits)], "\n")
		all = append(all, value{line: line, kind: number, text: strings.TrimRight(digits, blanks)})
		line += strings.Count(digits, "\n")
	}
	return all
}

// String describes v as an error needs it.
func (v value) String() string {
	switch v.kind {
	case list:
		return "a list"
	case object:
		return "an object"
	case word:
		return strconv.Quote(v.text)
	}
	return v.text
}

// blanks may stand between the tokens of JSON.
const blanks = " \t\r\n"

// scanner makes values of a JSON text. It accepts what RFC 8259 allows.
type scanner struct {
	text  string
	at    int
	line  int
	wrong []Mistake // that do not end the scan: repeated keys
}

// syntaxMistake is what a scan ends with that can't go on.
type syntaxMistake struct{ text string }

// scan reads a text that is one JSON value. If it is not, it panics with a
// syntaxMistake at the line of s.
func (s *scanner) scan() value {
	v := s.value(0)
	s.skip()
	if s.at < len(s.text) {
		panic(syntaxMistake{"more text after the end"})
	}
	return v
}

// skip goes to the next token.
func (s *scanner) skip() {
	for ; s.at < len(s.text); s.at++ {
		switch s.text[s.at] {
		case '\n':
			s.line++
		case ' ', '\t', '\r':
		default:
			return
		}
	}
}

// next goes to the next token and returns its first byte.
func (s *scanner) next() byte {
	s.skip()
	if s.at == len(s.text) {
		s.cut()
	}
	return s.text[s.at]
}

func (s *scanner) cut() { panic(syntaxMistake{"the text ends too early"}) }

func (s *scanner) expected(what string) {
	rest := []rune(s.text[s.at:min(len(s.text), s.at+8)])
	panic(syntaxMistake{fmt.Sprintf("this is not JSON: %q, where %s was expected", rest[0], what)})
}

func (s *scanner) value(depth int) value {
	first := s.next()
	v := value{line: s.line}
	if depth == deepest {
		panic(syntaxMistake{"lists and objects are nested too deep"})
	}
	switch {
	case first == '[':
		s.at++
		s.elements(&v, depth)
	case first == '{':
		s.at++
		s.fields(&v, depth)
	case first == '"':
		v.kind, v.text = word, s.string()
	case first == '-' || '0' <= first && first <= '9':
		v.kind, v.text = number, s.number()
	case s.reads("true"), s.reads("false"):
		v.kind, v.text = boolean, "true"
		if first == 'f' {
			v.text = "false"
		}
	case s.reads("null"):
		v.text = "null"
	default:
		s.expected("a value")
	}
	return v
}

func (s *scanner) reads(literal string) bool {
	if strings.HasPrefix(s.text[s.at:], literal) {
		s.at += len(literal)
		return true
	}
	return false
}

func (s *scanner) elements(v *value, depth int) {
	v.kind = list
	if s.numbers(v) {
		return
	}
	for s.next() != ']' {
		if len(v.list) > 0 {
			s.comma("]")
		}
		v.list = append(v.list, s.value(depth+1))
	}
	s.at++
}

// comma reads the comma between two elements.
func (s *scanner) comma(end string) {
	if s.text[s.at] != ',' {
		s.expected(`"," or "` + end + `"`)
	}
	s.at++
}

// numbers reads the rest of a list if it has whole numbers and nothing else.
func (s *scanner) numbers(v *value) bool {
	digits, lines := 0, 0
	done := false // the number has ended
	for i := s.at; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case '0' <= c && c <= '9':
			if done || digits == 1 && s.text[i-1] == '0' {
				return false
			}
			digits++
		case c == ',' && digits > 0:
			digits, done = 0, false
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			done = digits > 0
			if c == '\n' {
				lines++
			}
		case c == ']' && digits > 0:
			v.numbers = s.text[s.at:i]
			s.at = i + 1
			s.line += lines
			return true
		default:
			return false
		}
	}
	return false
}

func (s *scanner) fields(v *value, depth int) {
	v.kind = object
	var seen map[string]bool // from a few keys on, as most objects have but a few
	for s.next() != '}' {
		if len(v.fields) > 0 {
			s.comma("}")
			s.next()
		}
		if s.text[s.at] != '"' {
			s.expected("a key in quotes")
		}
		line := s.line
		key := s.string()
		if s.next() != ':' {
			s.expected(`":"`)
		}
		s.at++
		twice := seen[key]
		if seen == nil {
			_, twice = v.get(key)
		}
		if twice {
			s.wrong = append(s.wrong, Mistake{Line: line, Text: fmt.Sprintf("key %q is there twice", key)})
		}
		v.fields = append(v.fields, field{key, line, s.value(depth + 1)})
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
	s.at++
}

// string reads a string, from its first quote.
func (s *scanner) string() string {
	start := s.at + 1
	escaped := false
	for i := start; i < len(s.text); i++ {
		switch c := s.text[i]; {
		case c == '\\':
			escaped = true
			i++
		case c < ' ':
			s.at = i
			s.expected("the rest of a string")
		case c == '"':
			s.at = i + 1
			if escaped {
				return s.unescaped(s.text[start-1 : i+1])
			}
			return s.text[start:i]
		}
	}
	s.cut()
	return ""
}

func (s *scanner) unescaped(quoted string) (text string) {
	if err := json.Unmarshal([]byte(quoted), &text); err != nil {
		panic(syntaxMistake{fmt.Sprintf("this is not JSON: %s has an escape that there is not", quoted)})
	}
	return text
}

// number reads a number.
func (s *scanner) number() string {
	start := s.at
	s.reads("-")
	if !s.reads("0") {
		s.digits()
	}
	if s.reads(".") {
		s.digits()
	}
	if s.reads("e") || s.reads("E") {
		if !s.reads("+") {
			s.reads("-")
		}
		s.digits()
	}
	return s.text[start:s.at]
}

func (s *scanner) digits() {
	start := s.at
	for s.at < len(s.text) && '0' <= s.text[s.at] && s.text[s.at] <= '9' {
		s.at++
	}
	if s.at == len(s.text) && s.at == start {
		s.cut()
	}
	if s.at == start {
		s.expected("a digit")
	}
}

// parse reads a JSON text whose value is an object.
func parse(data []byte) (t *text, root value, err error) {
	t = &text{bytes: data}
	s := &scanner{text: string(data), line: 1}
	defer func() {
		switch bad := recover().(type) {
		case nil:
		case syntaxMistake:
			t.mistakes = []Mistake{{Line: s.line, Text: bad.text}}
			err = t.err()
		default:
			panic(bad)
		}
	}()
	root = s.scan()
	if root.kind != object {
		t.mistakes = []Mistake{{Line: root.line, Text: fmt.Sprintf("%s, not a JSON object", root)}}
		return t, root, t.err()
	}
	t.mistakes = slices.Clip(s.wrong)
	return t, root, nil
}
