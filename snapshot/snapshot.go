// Package snapshot reads what files say about a cluster: its configuration at
// a moment (a snapshot), and plans for it.
//
// The format is told by what is in the text:
//
//   - the JSON form of a cluster.Configuration (cluster.FromJSON), with
//     "version";
//   - an instance of the solver bench, with "schema": nodes, VMs and hosts by
//     number, CPU in hundredths of a core, memory in MiB (it calls them MB).
//
// A text that can't be used is refused with all its mistakes at once, each with
// its line and path. So is one that asks for what cannot be planned yet, such as
// rules or VMs that are to be started: a plan that ignores them would look
// right and be wrong.
//
// The package leaves to others what to do about a configuration (placement,
// plan), and to open files.
package snapshot

import (
	"errors"
	"fmt"

	"github.com/dvms-project/dvms/cluster"
)

// Format is a format of snapshots or plans.
type Format uint8

// The formats.
const (
	Own   Format = iota // of this program
	Bench               // of the solver bench
)

// Snapshot is a cluster at a moment.
type Snapshot struct {
	Format        Format
	Name          string // what the text calls itself; Own texts have no name
	Configuration *cluster.Configuration
}

// Read reads a snapshot. Its configuration is valid, but need not be viable.
// Errors are of type *Error.
//
// IDs of an Own text are the indices of nodes and VMs, those of a Bench text are
// the ids in it; there, names are made of them, as in node3 and vm-12.
func Read(text []byte) (Snapshot, error) {
	t, root, err := parse(text)
	if err != nil {
		return Snapshot{}, err
	}
	_, isOwn := root.get("version")
	schema, isBench := root.get("schema")
	_, nodes := root.get("nodes")
	_, steps := root.get("steps")
	switch {
	case steps && !(nodes && isOwn) || schema.scalar == PlanSchema:
		t.wrong(root, nowhere, "this is a plan, not a snapshot of a cluster")
	case isOwn:
		return t.own(root)
	case isBench:
		return t.bench(root)
	default:
		t.wrong(root, nowhere, `this is no snapshot: there is neither "version", as in the JSON form of dvms, nor "schema", as in an instance of the solver bench`)
	}
	return Snapshot{}, t.err()
}

// own reads the JSON form of dvms. cluster.FromJSON says what is right, and
// stops at the first mistake; then all of them are looked for.
func (t *text) own(root value) (Snapshot, error) {
	c, err := cluster.FromJSON(t.bytes)
	if err == nil {
		return Snapshot{Format: Own, Configuration: c}, nil
	}
	t.findMistakes(root)
	var at *cluster.FormatError
	if len(t.mistakes) == 0 && errors.As(err, &at) {
		t.mistakes = append(t.mistakes, Mistake{Line: at.Line, Text: at.Err.Error()})
	}
	return Snapshot{}, t.err()
}

// bench reads an instance of the solver bench.
func (t *text) bench(root value) (Snapshot, error) {
	b := benchReader{text: t, c: &cluster.Configuration{}}
	name := b.document(root)
	if len(t.mistakes) > 0 {
		return Snapshot{}, t.err()
	}
	if err := b.c.Validate(); err != nil { // sums that are too large to count
		t.wrong(root, nowhere, "%v", err)
		return Snapshot{}, t.err()
	}
	return Snapshot{Format: Bench, Name: name, Configuration: b.c}, nil
}

// listedMistakes is how many mistakes an Error prints.
const listedMistakes = 20

// Mistake is one thing wrong with a text.
type Mistake struct {
	Line int
	Path string // such as vms[3].memory; empty for the text as a whole
	Text string
}

func (m Mistake) String() string {
	if m.Path == "" {
		return fmt.Sprintf("line %d: %s", m.Line, m.Text)
	}
	return fmt.Sprintf("line %d: %s: %s", m.Line, m.Path, m.Text)
}

// Error has all the mistakes of a text, in the order of their lines.
type Error struct {
	Mistakes []Mistake // at least one
}

// Error prints one mistake in a line, several as a list.
func (e *Error) Error() string {
	if len(e.Mistakes) == 1 {
		return e.Mistakes[0].String()
	}
	list := fmt.Sprintf("%d mistakes", len(e.Mistakes))
	for i, m := range e.Mistakes {
		if i == listedMistakes {
			return list + fmt.Sprintf("\n  and %d more", len(e.Mistakes)-i)
		}
		list += "\n  " + m.String()
	}
	return list
}
