package wire

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/dvms-project/dvms/protocol"
)

// fill gives every field of a value something other than zero, so that a field
// that gets lost shows. Interfaces are for the caller to fill.
func fill(t *testing.T, v reflect.Value, n *int64) {
	t.Helper()
	*n++
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		v.SetInt(*n%5 + 1) // small: an int8 and an enumeration have to hold it
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(uint64(*n%2) + 1)
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(*n) / 3)
	case reflect.String:
		v.SetString("é\"\n<" + string(rune('a'+*n%26)))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		fill(t, v.Index(0), n)
		fill(t, v.Index(1), n)
	case reflect.Array:
		for i := range v.Len() {
			fill(t, v.Index(i), n)
		}
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(t, v.Elem(), n)
	case reflect.Struct:
		for i := range v.NumField() {
			if !v.Type().Field(i).IsExported() {
				t.Errorf("%v.%s would not be written", v.Type(), v.Type().Field(i).Name)
				continue
			}
			fill(t, v.Field(i), n)
		}
	case reflect.Interface:
	default:
		t.Errorf("%v: this test has no value for it", v.Type())
	}
}

func filled(t *testing.T, kind reflect.Type) any {
	t.Helper()
	v := reflect.New(kind).Elem()
	n := int64(0)
	fill(t, v, &n)
	return v.Interface()
}

// message is a message with a body of a kind; every field of both has a value.
func message(t *testing.T, kind string) protocol.Message {
	t.Helper()
	m := filled(t, reflect.TypeFor[protocol.Message]()).(protocol.Message)
	m.Body = filled(t, bodies[kind])
	return m
}

// through sends a value through its JSON text.
func through(t *testing.T, e Encoded) (back Encoded) {
	t.Helper()
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

func TestEveryMessageComesBack(t *testing.T) {
	for kind := range bodies {
		for _, m := range []protocol.Message{message(t, kind), {Body: reflect.Zero(bodies[kind]).Interface()}} {
			e, err := EncodeMessage(m)
			if err != nil {
				t.Fatal(err)
			}
			back, err := DecodeMessage(through(t, e))
			if err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if diff := cmp.Diff(m, back); diff != "" {
				t.Errorf("%s: (-sent +received)\n%s", kind, diff)
			}
		}
	}
}

func TestEveryInputComesBack(t *testing.T) {
	for kind, of := range inputs {
		in := filled(t, of).(protocol.Input)
		if _, ok := in.(protocol.Received); ok {
			in = protocol.Received{Message: message(t, "lead")}
		}
		e, err := EncodeInput(in)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeInput(through(t, e))
		if err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if diff := cmp.Diff(in, back, cmpopts.EquateComparable()); diff != "" {
			t.Errorf("%s: (-given +read)\n%s", kind, diff)
		}
	}
}

// Package protocol can't be asked for its types, but its source can: those with
// a method input, and those that Node.receive tells apart.
func TestAllKindsAreKnown(t *testing.T) {
	files, err := filepath.Glob("../protocol/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	found := map[string]int{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			switch {
			case !ok || f.Recv == nil:
			case f.Name.Name == "input":
				kind := strings.ToLower(f.Recv.List[0].Type.(*ast.Ident).Name)
				if found["input"]++; inputs[kind] == nil {
					t.Errorf("input %s is not known", kind)
				}
			case f.Name.Name == "receive":
				ast.Inspect(f, func(n ast.Node) bool {
					c, ok := n.(*ast.CaseClause)
					if !ok {
						return true
					}
					for _, e := range c.List {
						if id, ok := e.(*ast.Ident); ok {
							if found["body"]++; bodies[strings.ToLower(id.Name)] == nil {
								t.Errorf("message %s is not known", id.Name)
							}
						}
					}
					return true
				})
			}
		}
	}
	if found["input"] != len(inputs) || found["body"] != len(bodies) {
		t.Errorf("found %v in the source, know %d inputs and %d bodies", found, len(inputs), len(bodies))
	}
}

func TestUnknownFieldsArePassedOver(t *testing.T) {
	m, err := DecodeMessage(Encoded{Kind: "done", Message: []byte(`{"From":3,"New":[1],"Body":{"OK":true,"Newer":{"x":1}}}`)})
	if err != nil {
		t.Fatal(err)
	}
	if want := (protocol.Message{From: 3, Body: protocol.Done{OK: true}}); !reflect.DeepEqual(m, want) {
		t.Errorf("%+v, want %+v", m, want)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	for _, e := range []Encoded{
		{},
		{Kind: "nonsense", Message: []byte(`{}`)},
		{Kind: "done"},
		{Kind: "done", Message: []byte(`{"Body":null}`)},
		{Kind: "done", Message: []byte(`{"Body":{"Action":1.5}}`)},
		{Kind: "done", Message: []byte(`{"From":-1}`)},
		{Kind: "done", Message: []byte(`[]`)},
	} {
		if m, err := DecodeMessage(e); err == nil {
			t.Errorf("%s %s: %+v", e.Kind, e.Message, m)
		}
	}
}

// What is accepted is written and read back as the same. (A field that neither
// way carries would not show; TestEveryMessageComesBack sees to that.)
func FuzzDecodeMessage(f *testing.F) {
	for kind := range bodies {
		e, err := EncodeMessage(protocol.Message{From: 1, Body: reflect.Zero(bodies[kind]).Interface()})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(kind, []byte(e.Message))
	}
	f.Fuzz(func(t *testing.T, kind string, data []byte) {
		m, err := DecodeMessage(Encoded{Kind: kind, Message: data})
		if err != nil {
			return
		}
		e, err := EncodeMessage(m)
		if err != nil {
			t.Fatal(err)
		}
		back, err := DecodeMessage(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(m, back); diff != "" {
			t.Errorf("(-accepted +again)\n%s", diff)
		}
	})
}
