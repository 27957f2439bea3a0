package platform

import (
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

func readDocs(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../docs/platforms.md")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// The examples of the documentation can be used as they stand there.
func TestDocumentedExamples(t *testing.T) {
	built := map[string]int{}
	for _, block := range regexp.MustCompile("(?ms)^```(yaml|xml)\n(.*?)^```$").FindAllStringSubmatch(readDocs(t), -1) {
		read := ParseYAML
		if block[1] == "xml" {
			read = ParseXML
		}
		p, err := read("example."+block[1], []byte(block[2]), nil)
		if err != nil {
			t.Error(err)
			continue
		}
		s := sim.New()
		r, err := Build(p, s)
		if err != nil {
			t.Error(err)
			continue
		}
		for a := range r.hosts {
			for b := range r.hosts {
				if _, _, err := r.Path(r.names[a], r.names[b]); err != nil {
					t.Error(err)
				}
			}
		}
		built[block[1]]++
	}
	if built["yaml"] != 3 || built["xml"] != 1 {
		t.Errorf("built %v", built)
	}
}

// The documentation names all elements, attributes, options and keys.
func TestDocumentedNames(t *testing.T) {
	docs := readDocs(t)
	var names []string
	for element, rule := range grammar {
		names = append(names, element)
		for attribute := range strings.FieldsSeq(rule.attributes) {
			names = append(names, strings.TrimSuffix(attribute, "!"))
		}
	}
	names = slices.AppendSeq(names, maps.Keys(refused))
	names = slices.AppendSeq(names, maps.Keys(zoneRoutings))
	for option := range options {
		if !strings.Contains(option, "_") { // an older name
			names = append(names, option)
		}
	}
	names = append(names, keysOf(reflect.TypeFor[file]())...)
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		if !strings.Contains(docs, "`"+name+"`") {
			t.Errorf("%s is not described", name)
		}
	}
}

// keysOf are the keys of a section of YAML, and of the sections within.
func keysOf(t reflect.Type) []string {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	var keys []string
	if t.Kind() == reflect.Struct {
		for field := range t.Fields() {
			keys = append(keys, field.Tag.Get("yaml"))
			keys = append(keys, keysOf(field.Type)...)
		}
	}
	return keys
}
