package explorer

import (
	"bytes"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/protocol/protocoltest"
)

func world(t *testing.T, load string, nodes int, b Bounds) *World {
	t.Helper()
	demands, ok := Load(load, nodes, max(b.Events, 1))
	if !ok {
		t.Fatalf("no load %q", load)
	}
	w := &World{Demands: demands, Memory: 3, Minimum: 1, Growth: 1, Bounds: b}
	if err := w.Validate(); err != nil {
		t.Fatal(err)
	}
	return w
}

// explore looks at all states, or at so many.
func explore(t *testing.T, w *World, states int) *Search {
	t.Helper()
	s := NewSearch(w)
	s.Run(states)
	if s.Violation != nil {
		t.Fatalf("%v: %v\n%s", *w, s.Violation.Err, s.Script())
	}
	return s
}

// Nothing that can happen to three nodes, or to four, breaks an invariant. The
// long runs are in docs/protocol.md.
func TestNothingGoesWrong(t *testing.T) {
	for _, c := range []struct {
		load  string
		nodes int
		Bounds
	}{
		{"roomy", 3, Bounds{Events: 2}},
		{"tight", 3, Bounds{Events: 2, Losses: 1}},
		{"tight", 3, Bounds{Events: 2, Late: 1}},
		{"tight", 3, Bounds{Events: 2, Failures: 1, Crashes: 1}},
		{"full", 3, Bounds{Events: 3}},
		{"full", 3, Bounds{Events: 2, Crashes: 1, Returns: 1}},
		{"full", 3, Bounds{Events: 2, Duplicates: 1}},
		{"full", 4, Bounds{Events: 2}},
		{"full", 3, Bounds{Events: 2, Changes: 1}},
		{"tight", 3, Bounds{Events: 2, Drains: 1}},
		{"tight", 3, Bounds{Events: 1, Cuts: 1}},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			t.Parallel()
			s := explore(t, world(t, c.load, c.nodes, c.Bounds), 2_000_000)
			if p := s.Progress(); p.Frontier != 0 || p.Ends == 0 {
				t.Errorf("not all was looked at: %+v", p)
			}
		})
	}
}

// Nor does it where a leader waits for three members before it asks the solver, and
// wants twice as many if they have too little.
func TestNothingGoesWrongInLargerPartitions(t *testing.T) {
	w := world(t, "full", 4, Bounds{Events: 2, Failures: 1})
	w.Minimum, w.Growth = 3, 2
	s := explore(t, w, 2_000_000)
	if p := s.Progress(); p.Frontier != 0 || p.Ends == 0 {
		t.Errorf("not all was looked at: %+v", p)
	}
}

// A node that breaks a rule is found out.
func TestBrokenNodesAreFoundOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		expect string
		Bounds
		memory int
		tamper func(protocol.Output) []protocol.Output
	}{
		{"no target is asked", "I4", Bounds{Events: 1}, 3, func(out protocol.Output) []protocol.Output {
			if send, ok := out.(protocol.Send); ok {
				if a, ok := send.Message.Body.(protocol.Admit); ok {
					return []protocol.Output{protocol.Migrate{VM: a.VM, Target: send.To, Partition: send.Message.Partition}}
				}
			}
			return []protocol.Output{out}
		}},
		{"migrations start twice", "I3", Bounds{Events: 1}, 3, func(out protocol.Output) []protocol.Output {
			if _, ok := out.(protocol.Migrate); ok {
				return []protocol.Output{out, out}
			}
			return []protocol.Output{out}
		}},
		{"nobody is released", "gives up a partition for lost", Bounds{Events: 1}, 3, func(out protocol.Output) []protocol.Output {
			if send, ok := out.(protocol.Send); ok {
				if _, ok := send.Message.Body.(protocol.Release); ok {
					return nil
				}
			}
			return []protocol.Output{out}
		}},
		{"migrations never start", "L1", Bounds{Events: 1}, 3, func(out protocol.Output) []protocol.Output {
			if _, ok := out.(protocol.Migrate); ok {
				return nil
			}
			return []protocol.Output{out}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := world(t, "roomy", 3, c.Bounds)
			w.Memory = c.memory
			s := NewSearch(w)
			s.catalogue.tamper = func(outputs []protocol.Output) (all []protocol.Output) {
				for _, out := range outputs {
					all = append(all, c.tamper(out)...)
				}
				return all
			}
			s.Run(1_000_000)
			if s.Violation == nil {
				t.Fatalf("not found out: %+v", s.Progress())
			}
			t.Log(s.Violation.Err, len(s.Violation.path))
			if !strings.Contains(s.Violation.Err.Error(), c.expect) {
				t.Errorf("%v, expected %s", s.Violation.Err, c.expect)
			}
		})
	}
}

// Every state that is found can be reached in the scripted world, which shares
// no code with the search but the nodes, and is the same there.
func TestScriptsLeadToTheSameState(t *testing.T) {
	w := world(t, "roomy", 3, Bounds{
		Events: 2, Changes: 1, Drains: 1, Crashes: 1, Returns: 1, Cuts: 1, Losses: 1, Duplicates: 1, Late: 1, Failures: 1,
	})
	s := explore(t, w, 30_000)
	for number := 1; number < s.seen.count; number += s.seen.count / 40 {
		s.Violation = &Violation{Err: fmt.Errorf("state %d", number), path: s.way(uint32(number)), fair: -1}
		script := s.Script()
		if strings.Contains(script, "error:") {
			t.Fatalf("state %d: the scripted world can't follow:\n%s", number, script)
		}
		if err := protocoltest.Replay(script); err != nil {
			t.Fatalf("state %d: %v", number, err)
		}
		if want := "state\n----\n" + s.describe(); !strings.Contains(script, want) {
			t.Fatalf("state %d is\n%sin the search, and here in the script:\n%s", number, want, script)
		}
	}
}

// describe prints the state at the end of the violation's path, as state does
// in a script.
func (s *Search) describe() string {
	var now state
	now.copyFrom(&s.first)
	c := s.catalogue
	for _, a := range s.Violation.path {
		if _, err := c.perform(&now, a); err != nil {
			panic(err)
		}
	}
	var b strings.Builder
	for i, n := range now.nodes[:c.size] {
		fmt.Fprintf(&b, "%d: ", i+1)
		if n == 0 {
			b.WriteString("down\n")
			continue
		}
		if e := c.nodes[n]; e.booked {
			fmt.Fprintf(&b, "%v %v epoch=%v leader=%d", e.partition, e.node.State(), e.epoch, e.node.Leader())
		} else {
			b.WriteString("free")
		}
		var cpu int64
		var names []string
		for _, v := range c.hosted(&now, i).VMs {
			cpu += v.Demand[0]
			names = append(names, fmt.Sprintf("v%d", v.ID))
		}
		fmt.Fprintf(&b, " cpu=%d/100 vms=%v", cpu/10, names)
		if now.draining&(1<<i) != 0 {
			b.WriteString(" draining")
		}
		b.WriteString("\n")
	}
	return b.String()
}

// A search that is saved and resumed finds what it finds in one go.
func TestResume(t *testing.T) {
	w := world(t, "tight", 3, Bounds{Events: 2, Crashes: 1, Returns: 1})
	whole := explore(t, w, 1_000_000)
	s := NewSearch(w)
	for range 3 {
		s.Run(7_777)
		var file bytes.Buffer
		if err := s.Save(&file); err != nil {
			t.Fatal(err)
		}
		again, err := Resume(w, &file)
		if err != nil {
			t.Fatal(err)
		}
		s = again
	}
	s.Run(1_000_000)
	if a, b := s.Progress(), whole.Progress(); a != b {
		t.Errorf("resumed: %+v; in one go: %+v", a, b)
	}
	last := uint32(s.seen.count - 1)
	if a, b := s.way(last), whole.way(last); !slices.Equal(a, b) {
		t.Errorf("resumed, the last state is found by %v, in one go by %v", a, b)
	}
}

// What is not the state of this search is refused, and nothing worse happens.
func TestResumeRefuses(t *testing.T) {
	w := world(t, "tight", 3, Bounds{Events: 2})
	s := explore(t, w, 5000)
	var file bytes.Buffer
	if err := s.Save(&file); err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut < file.Len(); cut += 1 + file.Len()/50 {
		if _, err := Resume(w, bytes.NewReader(file.Bytes()[:cut])); err == nil {
			t.Errorf("the first %d of %d bytes are accepted", cut, file.Len())
		}
	}
	if _, err := Resume(world(t, "full", 3, Bounds{Events: 2}), bytes.NewReader(file.Bytes())); err == nil || !strings.Contains(err.Error(), "another world") {
		t.Errorf("of another world: %v", err)
	}
}

// A state is the same after it was written and read.
func TestStatesAreReadAsWritten(t *testing.T) {
	s := explore(t, world(t, "roomy", 3, Bounds{
		Events: 2, Changes: 1, Drains: 1, Crashes: 1, Returns: 1, Cuts: 1, Losses: 1, Duplicates: 1, Late: 1, Failures: 1,
	}), 20_000)
	for number := 1; number < s.seen.count; number += 97 {
		var now, read state
		now.copyFrom(&s.first)
		for _, a := range s.way(uint32(number)) {
			if _, err := s.catalogue.perform(&now, a); err != nil {
				t.Fatal(err)
			}
		}
		b := now.encode(nil, s.shape)
		read.decode(b, s.shape)
		if again := read.encode(nil, s.shape); !bytes.Equal(b, again) {
			t.Fatalf("state %d is %x, and %x after it was read", number, b, again)
		}
		for _, list := range []*[]uint32{&now.messages, &now.solves, &now.moves, &read.messages, &read.solves, &read.moves} {
			*list = append([]uint32{}, *list...)
		}
		if !reflect.DeepEqual(now, read) {
			t.Fatalf("state %d is %+v, and %+v after it was read", number, now, read)
		}
	}
}

// Nodes with the same bytes do the same, whatever led to them; and a step with a
// copy leaves the node alone.
func TestNodesWithTheSameBytesActAlike(t *testing.T) {
	s := NewSearch(world(t, "tight", 3, Bounds{
		Events: 2, Changes: 1, Drains: 1, Crashes: 1, Returns: 1, Cuts: 1, Losses: 1, Duplicates: 1, Late: 1, Failures: 1,
	}))
	c := s.catalogue
	c.twins = map[uint32]*protocol.Node{}
	s.Run(100_000)
	if s.Violation != nil {
		t.Fatal(s.Violation.Err)
	}
	compared := 0
	for _, slot := range c.results.slots {
		if slot.key == 0 {
			continue
		}
		number, input := uint32(slot.key>>32), uint32(slot.key)
		want, _ := c.results.get(slot.key)
		twin := c.twins[number]
		if twin == nil {
			continue
		}
		compared++
		if got := c.stepped(c.nodes[number].at, twin.Clone(), input); !reflect.DeepEqual(got, want) {
			t.Errorf("node %d and its twin do %v and %v for input %d", number, want, got, input)
		}
	}
	if compared < 1000 {
		t.Errorf("only %d steps were compared", compared)
	}
	for b, number := range c.nodeNumber {
		if again := string(c.nodes[number].node.Encode(nil, base)); again != b {
			t.Fatalf("node %d has changed since it was found", number)
		}
	}
}

func TestSeen(t *testing.T) {
	var s seen
	for i := range uint64(100_000) {
		if h := i * 0x9e3779b97f4a7c15; h != 0 && !s.add(h, uint32(i/2), uint16(i)) {
			t.Fatalf("%d was never added", i)
		}
	}
	for i := range uint64(100_000) {
		if h := i * 0x9e3779b97f4a7c15; h != 0 && s.add(h, 0, 0) {
			t.Fatalf("%d is there already", i)
		}
	}
	if parent, action := s.origin(70_000); parent != 70_001/2 || action != uint16(70_001%65536) {
		t.Errorf("state 70000 was found by action %d from %d", action, parent)
	}
}

func TestWorldsThatCannotBeExplored(t *testing.T) {
	for _, c := range []struct {
		World
		expect string
	}{
		{World{Memory: 3, Minimum: 1, Growth: 1}, "nodes: 0"},
		{World{Demands: make([][]int, 9), Memory: 3, Minimum: 1, Growth: 1}, "nodes: 9"},
		{World{Demands: [][]int{{1, 2}}, Memory: 1, Minimum: 1, Growth: 1}, "node 1 has 2 VMs"},
		{World{Demands: [][]int{{-1}}, Memory: 1, Minimum: 1, Growth: 1}, "asks for -1"},
		{World{Demands: [][]int{{1}}, Memory: 1, Growth: 1}, "minimum"},
		{World{Demands: [][]int{{1}}, Memory: 1, Minimum: 1}, "growth"},
		{World{Demands: [][]int{{1}}, Memory: 1, Minimum: 1, Growth: 1, Bounds: Bounds{Losses: 16}}, "losses: 16"},
	} {
		if err := c.Validate(); err == nil || !strings.Contains(err.Error(), c.expect) {
			t.Errorf("%+v: %v, expected %q", c.World, err, c.expect)
		}
	}
}

// How many states of a world a second, on one core.
func BenchmarkExplore(b *testing.B) {
	demands, _ := Load("tight", 3, 2)
	w := &World{Demands: demands, Memory: 3, Minimum: 1, Growth: 1, Bounds: Bounds{Events: 2, Crashes: 1, Returns: 1, Losses: 1, Duplicates: 1}}
	const states = 3_000_000
	for b.Loop() {
		NewSearch(w).Run(states)
	}
	b.ReportMetric(float64(b.N)*states/b.Elapsed().Seconds(), "states/s")
}
