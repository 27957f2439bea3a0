// Package snapshot reads what files say about a cluster: its configuration at
// a moment (a snapshot), what is asked of it, and plans for it.
//
// The format is told by what is in the text:
//
//   - the JSON form of a cluster.Configuration (cluster.FromJSON), with
//     "version";
//   - an instance of the solver bench, with "schema": nodes, VMs and hosts by
//     number, CPU in hundredths of a core, memory in MiB (it calls them MB);
//   - an instance of BtrPlace [1], with "model";
//   - a text file of Ganeti's tools [2], with | between its columns;
//   - what examples/gather.sh prints, with "== gather 1": the output of virsh on
//     each host, twice.
//
// A text that can't be used is refused with all its mistakes at once, each with
// its line and path. So is one that says what is not known here: a plan that
// ignores it would look right and be wrong.
//
// The package leaves to others what to do about a configuration (placement,
// plan), and to open files.
//
// Sources: [1] the module json of BtrPlace, https://github.com/btrplace/scheduler.
// [2] the manual pages htools(1), option -t, and hbal(1).
package snapshot

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// Format is a format of snapshots or plans.
type Format uint8

// The formats.
const (
	Own      Format = iota // of this program
	Bench                  // of the solver bench
	BtrPlace               // of BtrPlace
	Ganeti                 // of Ganeti's tools
	Libvirt                // what virsh said on each host
)

// Snapshot is a cluster at a moment, and what its text asks of it.
type Snapshot struct {
	Format        Format
	Name          string // what the text calls itself, if it does
	Configuration *cluster.Configuration
	// Rules are those of the text. Lists of VMs and nodes may share their memory,
	// and are not to be changed in place.
	Rules []rule.Rule
	// Wanted is, by VM, the state that it is to be in. It is nil if all VMs keep
	// their state. Each state can be reached: see cluster.State.Leads.
	Wanted []cluster.State
	// Drain are the nodes that the text wants emptied, in ascending order, besides
	// those that the configuration says are draining.
	Drain []int32
	// Goal is what the text is there for: repair, consolidate, drain or switch. It
	// is empty if the text does not tell.
	Goal string
}

// Read reads a snapshot. Its configuration is valid, but need not be viable; its
// rules are valid, but need not be kept. Errors are of type *Error.
//
// IDs of an Own text are the indices of nodes and VMs, those of a Bench text are
// the ids in it. There, and in a BtrPlace text without names, names are made of
// them, as in node3 and vm-12, and rules are called by their type and place in the
// list, as in spread-0.
func Read(data []byte) (Snapshot, error) {
	if err := firstMistake(data); err != nil {
		return Snapshot{}, err
	}
	if format, ok := byFirstLine(data); ok {
		return format(&text{bytes: data})
	}
	t, root, err := parse(data)
	if err != nil {
		return Snapshot{}, err
	}
	_, isOwn := root.get("version")
	schema, isBench := root.get("schema")
	_, isBtrPlace := root.get("model")
	_, nodes := root.get("nodes")
	_, steps := root.get("steps")
	switch {
	case steps && !(nodes && isOwn) || schema.is(PlanSchema):
		t.wrong(root, nowhere, "this is a plan, not a snapshot of a cluster")
	case isOwn:
		return t.own(root)
	case isBench:
		return t.bench(root)
	case isBtrPlace:
		return t.btrPlace(root)
	default:
		t.wrong(root, nowhere, `this is no snapshot: there is neither "version", as in the JSON form of dvms, nor "schema", as in an instance of the solver bench, nor "model", as in one of BtrPlace`)
	}
	return Snapshot{}, t.err()
}

// byFirstLine tells the formats that are not JSON.
func byFirstLine(data []byte) (read func(t *text) (Snapshot, error), ok bool) {
	first, _, _ := strings.Cut(strings.TrimLeft(string(data[:min(len(data), 1000)]), blanks), "\n")
	switch {
	case strings.HasPrefix(first, "{"):
		return nil, false
	case strings.TrimSpace(first) == gatherHeader:
		return (*text).libvirt, true
	case strings.Contains(first, "|"):
		return (*text).ganeti, true
	}
	return nil, false
}

// judge notes what is wrong with a snapshot as a whole, and with its rules, of
// which places says where they are. It returns s, or all mistakes of the text.
//
// Rules with mistakes of their own are not among those of s.
func (t *text) judge(s *Snapshot, places []at) (Snapshot, error) {
	if len(t.mistakes) == 0 {
		if err := s.Configuration.Validate(); err != nil { // sums that are too large to count
			t.mistakes = append(t.mistakes, Mistake{Line: 1, Text: err.Error()})
		}
	}
	for _, err := range rule.Validate(s.staying(), s.Rules) {
		var wrong *rule.Error
		if !errors.As(err, &wrong) {
			panic(fmt.Sprintf("snapshot: rule.Validate returned %v, which names no rule", err))
		}
		where := places[wrong.Rule]
		t.mistakes = append(t.mistakes, Mistake{where.line, where.path, fmt.Sprintf("rule %s: %s", wrong.Name, wrong.Text)})
	}
	if err := t.err(); err != nil {
		return Snapshot{}, err
	}
	return *s, nil
}

// staying is the configuration of s without the VMs that are not to run any
// more: no rule counts them in the end, so none is contradicted by them.
func (s *Snapshot) staying() *cluster.Configuration {
	c := s.Configuration
	if s.Wanted == nil {
		return c
	}
	c = c.Clone()
	c.State = slices.Clone(s.Wanted)
	for v := range c.VMs {
		if c.Host[v] == cluster.Nowhere {
			c.State[v] = s.Configuration.StateOf(int32(v))
		} else if c.State[v] != cluster.Running {
			c.Host[v] = cluster.Nowhere
		}
	}
	return c
}

// at is where something is in a text.
type at struct {
	line int
	path string
}

func whereIs(v value, p place) at { return at{v.line, p.String()} }

// plain leaves out of c what hosts tell.
func plain(c *cluster.Configuration) *cluster.Configuration {
	for _, state := range c.State {
		if state != cluster.Waiting && state != cluster.Running {
			return c
		}
	}
	c.State, c.Image = nil, nil
	return c
}

// want notes the state that a VM is to be in.
func (s *Snapshot) want(vm int32, to cluster.State) {
	c := s.Configuration
	if s.Wanted == nil && to == c.StateOf(vm) {
		return
	}
	if s.Wanted == nil {
		for v := range c.VMs {
			s.Wanted = append(s.Wanted, c.StateOf(int32(v)))
		}
	}
	s.Wanted[vm] = to
}

// wantedOf returns the state that a VM is to be in.
func (s *Snapshot) wantedOf(vm int32) cluster.State {
	if s.Wanted == nil {
		return s.Configuration.StateOf(vm)
	}
	return s.Wanted[vm]
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
