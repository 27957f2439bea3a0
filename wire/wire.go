// Package wire writes what agents tell each other, and what an agent's node was
// given and asked for, as JSON, and reads it again.
//
// A value of one of several types is an object that names the type beside it:
//
//	{"kind":"lead","message":{"From":3,"Partition":{…},"Epoch":"2","Body":{"Members":[1,2,3],…}}}
//
// The fields are those of the types in package protocol, by name. One that a
// reader does not know is passed over and one that is missing is zero, so that
// agents of two versions understand each other in what both know. A kind that a
// reader does not know is an error: the message is dropped, which costs time and
// nothing else, as any loss does.
package wire

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/dvms-project/dvms/protocol"
)

// kinds are the types that a value may have, by name.
type kinds map[string]reflect.Type

// kindsOf names types as protocol does, in lower case.
func kindsOf(zeros ...any) kinds {
	k := make(kinds, len(zeros))
	for _, z := range zeros {
		k[kindOf(z)] = reflect.TypeOf(z)
	}
	return k
}

func kindOf(v any) string { return strings.ToLower(reflect.TypeOf(v).Name()) }

var bodies = kindsOf(
	protocol.Event{}, protocol.Lead{}, protocol.Report{}, protocol.Refuse{}, protocol.Stuck{}, protocol.Returned{},
	protocol.Renew{}, protocol.Release{}, protocol.Merge{}, protocol.Merged{}, protocol.Order{}, protocol.Done{},
	protocol.Admit{}, protocol.Admitted{}, protocol.Settled{}, protocol.Ask{}, protocol.Moving{}, protocol.Passing{},
)

var inputs = kindsOf(
	protocol.Observed{}, protocol.Overloaded{}, protocol.Received{}, protocol.Solved{}, protocol.Migrated{}, protocol.TimerFired{},
	protocol.Up{}, protocol.Down{}, protocol.Raised{},
)

// Encoded is a value and its type. For a message the type is that of its body;
// what carries a message has the type of the body in Body.
type Encoded struct {
	Kind    string          `json:"kind"`
	Body    string          `json:"body,omitempty"`
	Message json.RawMessage `json:"message,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
}

// EncodeMessage writes a message.
func EncodeMessage(m protocol.Message) (Encoded, error) {
	kind := kindOf(m.Body)
	if _, known := bodies[kind]; !known {
		return Encoded{}, fmt.Errorf("wire: %T is not the body of a message", m.Body)
	}
	data, err := json.Marshal(m)
	return Encoded{Kind: kind, Message: data}, err
}

// DecodeMessage reads what EncodeMessage wrote.
func DecodeMessage(e Encoded) (m protocol.Message, err error) {
	return decodeMessage(e.Kind, e.Message)
}

func decodeMessage(kind string, data []byte) (m protocol.Message, err error) {
	body, known := bodies[kind]
	if !known {
		return m, fmt.Errorf("wire: %q is not a kind of message", kind)
	}
	into := reflect.New(body)
	m.Body = into.Interface() // the decoder fills what an interface points to
	if err := json.Unmarshal(data, &m); err != nil {
		return protocol.Message{}, fmt.Errorf("wire: %s: %w", kind, err)
	}
	if m.Body == nil { // it was null
		return protocol.Message{}, fmt.Errorf("wire: %s: no body", kind)
	}
	m.Body = into.Elem().Interface()
	return m, nil
}

// EncodeInput writes what a node was given.
func EncodeInput(in protocol.Input) (Encoded, error) {
	if _, known := inputs[kindOf(in)]; !known {
		return Encoded{}, fmt.Errorf("wire: %T is not an input", in)
	}
	if r, ok := in.(protocol.Received); ok {
		return carrying(in, r.Message)
	}
	return plain(in)
}

// DecodeInput reads what EncodeInput wrote.
func DecodeInput(e Encoded) (protocol.Input, error) {
	kind, known := inputs[e.Kind]
	if !known {
		return nil, fmt.Errorf("wire: %q is not a kind of input", e.Kind)
	}
	if e.Kind == kindOf(protocol.Received{}) {
		m, err := decodeMessage(e.Body, e.Message)
		return protocol.Received{Message: m}, err
	}
	into := reflect.New(kind)
	if err := json.Unmarshal(e.Value, into.Interface()); err != nil {
		return nil, fmt.Errorf("wire: %s: %w", e.Kind, err)
	}
	return into.Elem().Interface().(protocol.Input), nil
}

// EncodeOutput writes what a node asked for.
func EncodeOutput(out protocol.Output) (Encoded, error) {
	if s, ok := out.(protocol.Send); ok {
		e, err := carrying(out, s.Message)
		if err == nil {
			e.Value, err = json.Marshal(s.To)
		}
		return e, err
	}
	return plain(out)
}

func plain(v any) (Encoded, error) {
	data, err := json.Marshal(v)
	return Encoded{Kind: kindOf(v), Value: data}, err
}

func carrying(v any, m protocol.Message) (Encoded, error) {
	e, err := EncodeMessage(m)
	return Encoded{Kind: kindOf(v), Body: e.Kind, Message: e.Message}, err
}
