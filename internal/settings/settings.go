// Package settings reads files of settings: YAML whose keys and units are all
// checked, so that a slip of the pen is an error that names file, line and key.
//
// What can be written are structs with yaml tags, lists of them, numbers, words,
// and quantities with their unit, which are types that read themselves
// (encoding.TextUnmarshaler).
package settings

import (
	"cmp"
	"encoding"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/internal/spell"
	"go.yaml.in/yaml/v4"
)

// KeyError is a value that can't be used, and where it is.
type KeyError struct {
	File string // empty if the value comes from elsewhere
	Line int    // 0 if the file does not have the key
	Key  string // as in hosts.count
	Err  error
}

func (e *KeyError) Error() string {
	var where []string
	if e.File != "" {
		where = append(where, e.File)
	}
	if e.Line > 0 {
		where = append(where, "line "+strconv.Itoa(e.Line))
	}
	if e.Key != "" {
		where = append(where, e.Key)
	}
	return strings.Join(where, ": ") + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Wrong is a KeyError that says what is wrong with the value of a key.
func Wrong(key, format string, args ...any) error {
	return &KeyError{Key: key, Err: fmt.Errorf(format, args...)}
}

// Load reads what the file says into a struct, and leaves what it does not say as
// it is. example is a file to start from, for those who have an empty one. Errors
// are of type *KeyError.
func Load(name string, data []byte, into any, example string) (*File, error) {
	f := &File{name, map[string]int{}, 0}
	if strings.TrimSpace(string(data)) == "" {
		return f, f.Locate(Wrong("", "the file is empty; %s is one to start from", example))
	}
	var root yaml.Node
	if err := yaml.Load(data, &root); err != nil {
		return f, f.Locate(syntaxError(data, err))
	}
	if err := f.check("", &root, reflect.TypeOf(into).Elem()); err != nil {
		return f, f.Locate(err)
	}
	if err := yaml.Load(data, into, yaml.WithKnownFields()); err != nil {
		return f, f.Locate(syntaxError(data, err))
	}
	return f, nil
}

// Stem is the name of a file without its folder and its ending .yaml or .yml.
func Stem(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name[strings.LastIndexByte(name, '/')+1:], ".yaml"), ".yml")
}

// syntaxError turns the first complaint of the YAML library into a KeyError.
func syntaxError(data []byte, err error) error {
	var first *yaml.LoadError
	if !errors.As(err, &first) {
		return &KeyError{Err: errors.New(strings.TrimPrefix(err.Error(), "yaml: "))}
	}
	bad := &KeyError{Line: first.Mark.Line, Err: errors.New(first.Message)}
	lines := strings.Split(string(data), "\n")
	if i := bad.Line - 1; i >= 0 && i < len(lines) && strings.HasPrefix(strings.TrimLeft(lines[i], " "), "\t") {
		bad.Err = errors.New("a tab; YAML is indented with spaces")
	}
	return bad
}

// File is a file that settings were read from.
//
// The YAML library says what is wrong in terms of Go's types, and not of which
// key. So check reads the values before it does, key by key.
type File struct {
	name  string
	lines map[string]int // by key, as in vms.classes[1].memory
	nodes int            // that check has seen
}

// maxNodes is how many values a file may have, with those that aliases repeat.
// An alias can repeat others many times over.
const maxNodes = 100_000

// Has reports whether the file says something about a key. No file says anything.
func (f *File) Has(key string) bool { return f != nil && f.lines[key] > 0 }

// Locate fills in the file and the line of an error's key, or of the nearest
// key above it that the file has. It leaves an error of no file alone.
func (f *File) Locate(err error) error {
	var bad *KeyError
	if f == nil || !errors.As(err, &bad) {
		return err
	}
	bad.File = f.name
	for key := bad.Key; bad.Line == 0 && key != ""; key = key[:max(strings.LastIndexAny(key, ".["), 0)] {
		bad.Line = f.lines[key]
	}
	return err
}

// check returns an error unless the value of a key is one that the type can
// hold. A null is as if the key was not there.
func (f *File) check(key string, n *yaml.Node, t reflect.Type) error {
	if f.nodes++; f.nodes > maxNodes {
		return Wrong(key, "the file has more than %d values, counting aliases each time", maxNodes)
	}
	if f.lines[key] == 0 {
		f.lines[key] = n.Line
	}
	switch {
	case n.Kind == yaml.DocumentNode && len(n.Content) == 1:
		return f.check(key, n.Content[0], t)
	case n.Kind == yaml.AliasNode:
		return f.check(key, n.Alias, t)
	case n.ShortTag() == "!!null":
		return nil
	case t.Kind() == reflect.Struct:
		return f.checkKeys(key, n, t)
	case t.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return Wrong(key, "not a list; write it as in [1, 2], or with a dash before each of its values")
		}
		for i, element := range n.Content {
			if err := f.check(fmt.Sprintf("%s[%d]", key, i), element, t.Elem()); err != nil {
				return err
			}
		}
		return nil
	}
	return checkScalar(key, n, t)
}

// checkKeys checks a mapping whose keys are the fields of a struct.
func (f *File) checkKeys(parent string, n *yaml.Node, t reflect.Type) error {
	fields := map[string]reflect.Type{}
	var names []string
	for field := range t.Fields() {
		if name := field.Tag.Get("yaml"); name != "" {
			fields[name] = field.Type
			names = append(names, name)
		}
	}
	if n.Kind != yaml.MappingNode {
		return &KeyError{Line: n.Line, Key: parent, Err: fmt.Errorf("not a section of keys and values; its keys are %s", strings.Join(names, ", "))}
	}
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		name, value := n.Content[i], n.Content[i+1]
		if name.ShortTag() == "!!merge" {
			if err := f.checkMerge(parent, value, t); err != nil {
				return err
			}
			continue
		}
		key := name.Value
		if parent != "" {
			key = parent + "." + key
		}
		field, known := fields[name.Value]
		switch {
		case name.Kind != yaml.ScalarNode:
			return &KeyError{Line: name.Line, Key: parent, Err: fmt.Errorf("a key that is not a word; its keys are %s", strings.Join(names, ", "))}
		case !known:
			return &KeyError{Line: name.Line, Key: printable(key), Err: fmt.Errorf("there is no such key here; there are %s%s", strings.Join(names, ", "), meant(name.Value, names))}
		case lines[name.Value] > 0:
			return &KeyError{Line: name.Line, Key: key, Err: fmt.Errorf("is here twice, first in line %d", lines[name.Value])}
		}
		lines[name.Value] = name.Line
		f.lines[key] = cmp.Or(f.lines[key], name.Line)
		if err := f.check(key, value, field); err != nil {
			return err
		}
	}
	return nil
}

// checkMerge checks what << merges into a mapping: one, or a list of them.
func (f *File) checkMerge(key string, n *yaml.Node, t reflect.Type) error {
	if n.Kind != yaml.SequenceNode {
		return f.check(key, n, t)
	}
	for _, element := range n.Content {
		if err := f.check(key, element, t); err != nil {
			return err
		}
	}
	return nil
}

// checkScalar checks a single value.
func checkScalar(key string, n *yaml.Node, t reflect.Type) error {
	into := reflect.New(t).Interface()
	unmarshaler, quantity := into.(encoding.TextUnmarshaler)
	var err error
	switch {
	case n.Kind != yaml.ScalarNode:
		return Wrong(key, "a list or section, where a single value is expected")
	case quantity:
		err = unmarshaler.UnmarshalText([]byte(n.Value))
	case n.Load(into) == nil:
	case t.Kind() == reflect.Uint64:
		err = fmt.Errorf("%q is not a whole number from 0 to %d", n.Value, uint64(math.MaxUint64))
	case t.Kind() == reflect.Bool:
		err = fmt.Errorf("%q is neither true nor false", n.Value)
	case t.Kind() == reflect.Float64:
		err = fmt.Errorf("%q is not a number", n.Value)
	default:
		err = fmt.Errorf("%q is not a whole number", n.Value)
	}
	if err != nil {
		return &KeyError{Line: n.Line, Key: key, Err: err}
	}
	return nil
}

// meant asks for the key that was probably meant, if there is one.
func meant(word string, names []string) string {
	if near := spell.Nearest(word, names); near != "" {
		return "; did you mean " + near + "?"
	}
	return ""
}

// printable is text that a message can have within a line.
func printable(text string) string {
	if q := strconv.Quote(text); q != `"`+text+`"` || len(text) > 80 {
		return fmt.Sprintf("%.80q", text)
	}
	return text
}
