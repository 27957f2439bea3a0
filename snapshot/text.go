package snapshot

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dvms-project/dvms/internal/spell"
)

// text is a text that is being read, and what is wrong with it.
type text struct {
	bytes    []byte
	mistakes []Mistake
}

// firstMistake returns what is wrong with a text of any format, or nil.
func firstMistake(data []byte) error {
	if len(bytes.TrimSpace(data)) == 0 {
		return &Error{[]Mistake{{Line: 1, Text: "the text is empty"}}}
	}
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return &Error{[]Mistake{{Line: 1 + bytes.Count(data[:i], []byte("\n")), Text: "the text is not UTF-8"}}}
		}
		i += size
	}
	return nil
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

// in is the place of a key of the object at p.
func (p place) in(key string) place {
	if p.key != "" {
		key = p.key + "." + key
	}
	return place{p.list, p.index, key}
}

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
func (t *text) known(v value, at place, keys ...string) bool {
	all := true
	for _, f := range v.fields {
		if !slices.Contains(keys, f.key) {
			all = false
			near := spell.Nearest(f.key, keys)
			if near != "" {
				near = "; did you mean " + near + "?"
			}
			t.wrong(value{line: f.line}, at.in(f.key), "there is no such key here; there are %s%s", strings.Join(keys, ", "), near)
		}
	}
	return all
}

// objects calls one with each element of a list of objects at the top of the
// text.
func (t *text) objects(root value, key string, one func(v value, at place)) {
	t.objectsIn(root, key, key, one)
}

// objectsIn calls one with each element of a list of objects, which has a path.
func (t *text) objectsIn(of value, path, key string, one func(v value, at place)) {
	v, ok := of.get(key)
	if !ok || !t.isList(v, top(path)) {
		return
	}
	for i, element := range v.elements() {
		at := place{list: path, index: i}
		if element.kind != object {
			t.wrong(element, at, "%s, not an object", element)
			continue
		}
		one(element, at)
	}
}

// isList refuses what is not a list.
func (t *text) isList(v value, at place) bool {
	if v.kind != list {
		t.wrong(v, at, "%s, not a list", v)
	}
	return v.kind == list
}

// isObject refuses what is not an object.
func (t *text) isObject(v value, at place) bool {
	if v.kind != object {
		t.wrong(v, at, "%s, not an object", v)
	}
	return v.kind == object
}

// parts reads a list, of which read reads each element.
func (t *text) parts(v value, at place, read func(v value, at place) []int32) [][]int32 {
	if !t.isList(v, at) {
		return nil
	}
	var all [][]int32
	for _, part := range v.elements() {
		all = append(all, read(part, at))
	}
	return all
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
	n, err := strconv.ParseInt(v.text, 10, 64)
	if v.kind != number || err != nil || n < least || n > most {
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
	if v.kind != word {
		t.wrong(v, at.in(key), "%s is not a string", v)
	}
	return v.text, v.kind == word
}

// truth reads a boolean. It is false if the key is not there.
func (t *text) truth(of value, at place, key string) bool {
	v, ok := of.get(key)
	if ok && v.kind != boolean {
		t.wrong(v, at.in(key), "%s is neither true nor false", v)
	}
	return ok && v.kind == boolean && v.text == "true"
}

// listed joins words for a sentence.
func listed(words []string) string {
	last := len(words) - 1
	if last < 1 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
