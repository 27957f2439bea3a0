package snapshot

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"
)

// plainValue is v as encoding/json has it.
func plainValue(v value) any {
	switch v.kind {
	case word:
		return v.text
	case number:
		return json.Number(v.text)
	case boolean:
		return v.text == "true"
	case list:
		all := []any{}
		for _, element := range v.elements() {
			all = append(all, plainValue(element))
		}
		return all
	case object:
		fields := map[string]any{}
		for _, f := range v.fields {
			fields[f.key] = plainValue(f.value)
		}
		return fields
	}
	return nil
}

// The scanner accepts what encoding/json accepts, and reads the same. (It
// refuses what is nested deeper than any format, and texts that are no object.)
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{}`, `{"a": [1, 23 , 0,4]}`, `{"a": [01]}`, `{"a": [1 2]}`, `{"a": [1,]}`, `{"a": [,1]}`, `{"a": [1,,2]}`, `{"a": [ ]}`, `{"a": [1, -2, 3.5e+7]}`,
		`{"a": [[1,2],[3]], "b": {"c": null, "d": true, "e": false}}`, `{"a" 1}`, `{"a": 1,}`, `{,}`, `{"a": 1 "b": 2}`, `{"a": tru}`, `{"a": nullx}`,
		`{"a": "\u00e9\n\"\\ \ud83d\ude00 \ud83d"}`, `{"a": "\x"}`, "{\"a\": \"\n\"}", `{"a": -}`, `{"a": 1.}`, `{"a": 1e}`, `{"a": -0.0E-3}`, `{"a": .5}`, `{"a": 1}x`, `{"a": "`,
		"{\"a\":\n[\n1,\n2\n]\n}", `{"a": [1`, `{"a": [1}`, "\ufeff{}",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !utf8.ValidString(text) {
			return
		}
		_, got, err := parse([]byte(text))
		if err != nil {
			m := err.(*Error).Mistakes[0]
			if lines := 1 + strings.Count(text, "\n"); m.Line < 1 || m.Line > lines {
				t.Errorf("%v, of %d lines", m, lines)
			}
			if strings.Contains(m.Text, "too deep") || strings.Contains(m.Text, "not a JSON object") {
				return
			}
		}
		if valid := json.Valid([]byte(text)); valid != (err == nil) {
			t.Fatalf("%q: valid is %t, and %v", text, valid, err)
		}
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader([]byte(text)))
		dec.UseNumber()
		var want any
		if err := dec.Decode(&want); err != nil || !reflect.DeepEqual(plainValue(got), want) {
			t.Fatalf("%q: got %v, want %v, %v", text, plainValue(got), want, err)
		}
	})
}

// Each element of a list of numbers has its line, though the list is kept as it
// is written.
func TestLinesOfNumbers(t *testing.T) {
	_, root, err := parse([]byte("{\"a\":\n[1, 2\n,\n3]\n, \"b\": 4}"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := root.get("a")
	var lines []int
	for _, element := range a.elements() {
		lines = append(lines, element.line)
	}
	b, _ := root.get("b")
	if want := []int{2, 2, 4}; !reflect.DeepEqual(lines, want) || a.numbers == "" || b.line != 5 {
		t.Errorf("lines %v of %q, then %d, want %v and 5", lines, a.numbers, b.line, want)
	}
}
