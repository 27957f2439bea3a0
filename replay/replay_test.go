package replay

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/report"
	"github.com/dvms-project/dvms/trace"
	"github.com/dvms-project/dvms/wire"
)

const gib = 1 << 30

// line carries what agents tell each other, 1 ms each.
type line struct {
	all     map[cluster.NodeID]*line
	id      cluster.NodeID
	inbox   chan protocol.Message
	heard   chan wire.Gossip
	members chan protocol.Input
}

func (l *line) Send(to cluster.NodeID, m protocol.Message) {
	time.AfterFunc(time.Millisecond, func() { l.all[to].inbox <- m })
}

func (l *line) Gossip(to cluster.NodeID, g wire.Gossip) {
	time.AfterFunc(time.Millisecond, func() { l.all[to].heard <- wire.Gossip{From: l.id, Data: g.Data, Waited: g.Waited} })
}

func (l *line) Inbox() <-chan protocol.Message { return l.inbox }
func (l *line) Heard() <-chan wire.Gossip      { return l.heard }
func (l *line) Members() <-chan protocol.Input { return l.members }

// logs runs four agents for 12 s, the first of which is overloaded, and the last
// one to be emptied from 5 s on; and returns their logs.
func logs(t *testing.T) (texts []string) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		centre := emulated.New(emulated.Network{Bandwidth: 1.2e9, Latency: 0.001}, nil)
		lines := map[cluster.NodeID]*line{}
		vm := cluster.VMID(0)
		for i, vms := range []int{6, 1, 2, 2} {
			id := cluster.NodeID(i + 1)
			lines[id] = &line{lines, id, make(chan protocol.Message, 1000), make(chan wire.Gossip, 1000), make(chan protocol.Input, 10)}
			err := centre.AddHost(cluster.Node{ID: id, Name: fmt.Sprint("n", id), Capacity: cluster.Of(4*cluster.Core, 16*gib)})
			for range vms {
				vm++
				err = errors.Join(err, centre.AddVM(cluster.VM{ID: vm, Name: fmt.Sprint("v", vm), VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}, id))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		ctx, stop := context.WithCancel(t.Context())
		var under sync.WaitGroup
		buffers := make([]bytes.Buffer, len(lines))
		gossip := overlay.SpiralDefaults()
		for i := range buffers {
			id := cluster.NodeID(i + 1)
			for other := range lines {
				if other != id {
					lines[id].members <- protocol.Up{Node: other}
				}
			}
			s := agent.Settings{ID: id, Protocol: protocol.Defaults(), Monitor: monitor.Defaults(), Seed: 1, Starts: 1, Spiral: &gossip}
			a := agent.New(s, centre.Host(id), lines[id], agent.WithRecord(&buffers[i]))
			under.Go(func() {
				if err := a.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(5 * time.Second)
		centre.Drain(4, true)
		time.Sleep(7 * time.Second)
		stop()
		under.Wait()
		for i := range buffers {
			texts = append(texts, buffers[i].String())
		}
	})
	return texts
}

func sources(texts []string) (all []Source) {
	for i, text := range texts {
		all = append(all, Source{fmt.Sprintf("n%d-1", i+1), strings.NewReader(text)})
	}
	return all
}

func TestLogsTogether(t *testing.T) {
	texts := logs(t)
	var out bytes.Buffer
	w := trace.NewWriter(&out)
	steps, last := 0, time.Duration(0)
	r, err := Run(sources(texts), "test", w, func(_ string, at time.Duration, _ *agent.Step) {
		if steps++; at < last {
			t.Errorf("a step at %v after one at %v", at, last)
		}
		last = at
	})
	if err = errors.Join(err, w.Flush()); err != nil {
		t.Fatal(err)
	}
	inputs, solves := 0, 0
	for _, a := range r.Agents {
		inputs, solves = inputs+a.Inputs, solves+a.Solves
		if a.Gossip == 0 || a.End != "left" {
			t.Errorf("%+v", a)
		}
	}
	if !r.Same() || !r.ClocksAgree() || inputs != steps || solves < 2 || r.Moves != 4 {
		t.Errorf("%+v", r)
	}
	m := r.Messages
	if m.Sent != m.Received || m.Sent == 0 || m.Late+m.Lost+m.Others != 0 || m.Fastest != time.Millisecond {
		t.Errorf("%+v", m)
	}
	story := stories(t, out.String())
	for _, want := range []string{
		`(?m)^n1\.1: an overload of n1, solved$`, "n1 reserves itself: overload", "joins, as number 4, and leads", "asks about 4 nodes with 11 VMs: viable, 2 actions, 2.00 GiB",
		`leaves n1 for n\d \(n1 overloaded: cpu 6 cores of 4 cores\): done after`, "all are released: solved",
		`(?m)^n4\.1: a drain of n4, solved$`, `leaves n4 for n\d \(n4 is to be emptied\)`,
	} {
		if !regexp.MustCompile(want).MatchString(story) {
			t.Errorf("the story has no %q:\n%s", want, story)
		}
	}
}

// stories reads a trace and tells all of it.
func stories(t *testing.T, text string) string {
	t.Helper()
	s := report.NewStories()
	if err := trace.Read("trace", strings.NewReader(text), s); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for _, p := range s.Partitions() {
		one, _ := s.Story(p.ID)
		if err := one.Write(&out); err != nil {
			t.Fatal(err)
		}
	}
	return out.String()
}

// What one log can't say, and several do.
func TestWhatLogsSayTogether(t *testing.T) {
	texts := logs(t)
	run := func(texts ...string) Result {
		t.Helper()
		r, err := Run(sources(texts), "test", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	t.Run("a message that nobody sent", func(t *testing.T) {
		forged := slices.Clone(texts)
		settled := `{"at_ns":11000000000,"in":{"kind":"received","body":"settled","message":{"From":2,"Partition":{"Initiator":2,"Sequence":9},"Epoch":"1","Body":{"VM":99}}}}`
		forged[0] = insert(forged[0], 11*time.Second, settled)
		r := run(forged...)
		if r.Same() || len(r.Findings) != 1 || !strings.HasPrefix(r.Findings[0], "n1 received a message from n2 at 11.000 s that was not sent: protocol.Settled") {
			t.Errorf("found %q", r.Findings)
		}
		forged[1] = until(forged[1], 10*time.Second) // it was killed before
		if r := run(forged...); r.Messages.Late == 0 || len(r.Findings) > 0 {
			t.Errorf("%+v", r)
		}
		if r := run(forged[0], forged[2]); r.Messages.Others == 0 || len(r.Findings) > 0 {
			t.Errorf("%+v", r)
		}
	})
	t.Run("clocks that differ", func(t *testing.T) {
		late := slices.Clone(texts)
		late[2] = strings.Replace(late[2], `"began":"2000-01-01T00:00:00Z"`, `"began":"2000-01-01T00:00:00.5Z"`, 1)
		if r := run(late...); r.ClocksAgree() || r.Messages.Fastest > -400*time.Millisecond || !r.Same() {
			t.Errorf("%+v", r)
		}
	})
	t.Run("a VM that nobody expected", func(t *testing.T) {
		target, at := letIn(t, texts)
		old := until(texts[target-1], at-500*time.Microsecond)
		header, _, _ := strings.Cut(texts[target-1], "\n")
		again := strings.Replace(header, `"Starts":1`, `"Starts":2`, 1) + "\n" +
			fmt.Sprintf(`{"at_ns":%d,"in":{"kind":"up","value":{"Node":9}}}`, at-100*time.Microsecond) + "\n" +
			`{"at_ns":20000000000,"in":{"kind":"up","value":{"Node":8}}}` + "\n"
		forged := append(slices.Clone(texts), again)
		forged[target-1] = old
		r := run(forged...)
		if len(r.Findings) == 0 || !strings.Contains(r.Findings[0], "did not expect it") {
			t.Errorf("found %q", r.Findings)
		}
	})
	t.Run("other decisions", func(t *testing.T) {
		other := slices.Clone(texts)
		other[0] = strings.Replace(other[0], `"Epoch":"1"`, `"Epoch":"7"`, 1)
		r := run(other...)
		if r.Same() || r.Agents[0].Diverged == nil || r.Agents[1].Diverged != nil || len(r.Findings) > 0 {
			t.Errorf("%+v", r)
		}
	})
}

// insert puts a line into a log, before the first one at a later date.
func insert(text string, at time.Duration, line string) string {
	lines := strings.SplitAfter(text, "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return dateOf(l) > at })
	return strings.Join(slices.Insert(lines, i, line+"\n"), "")
}

// until cuts a log at a date, as if its agent were killed then.
func until(text string, at time.Duration) string {
	lines := strings.SplitAfter(text, "\n")
	i := slices.IndexFunc(lines, func(l string) bool { return dateOf(l) > at })
	return strings.Join(lines[:i], "")
}

func dateOf(line string) (at time.Duration) {
	_, _ = fmt.Sscanf(line, `{"at_ns":%d`, &at)
	return at
}

// letIn returns where the first VM goes that moves, and when.
func letIn(t *testing.T, texts []string) (target cluster.NodeID, at time.Duration) {
	t.Helper()
	_, err := Run(sources(texts), "test", nil, func(_ string, now time.Duration, s *agent.Step) {
		for _, out := range s.Out {
			if m, ok := out.(protocol.Migrate); ok && target == 0 {
				target, at = m.Target, now
			}
		}
	})
	if err != nil || target == 0 {
		t.Fatal("nothing moves", err)
	}
	return target, at
}

func TestTwoLeaders(t *testing.T) {
	w := &world{leads: map[lead]cluster.NodeID{}, nodes: map[cluster.NodeID]*replayed{}}
	one, two := &replayed{result: Agent{Node: 1}}, &replayed{result: Agent{Node: 2}}
	p := lead{protocol.PartitionID{Initiator: 1, Sequence: 1}, 3 * protocol.Change}
	w.follow(one, p)
	w.follow(one, lead{})
	w.follow(two, p)
	if len(w.rivals) > 0 {
		t.Errorf("one after the other: %q", w.rivals)
	}
	w.follow(one, p)
	if want := "n2 and n1 lead n1.1 at the same time, both at epoch 3"; len(w.rivals) != 1 || w.rivals[0] != want {
		t.Errorf("both at once: %q", w.rivals)
	}
	w.end(two)
	w.end(one)
	w.follow(two, p)
	if len(w.rivals) != 1 {
		t.Errorf("who has ended leads nothing: %q", w.rivals)
	}
}

func TestBadSources(t *testing.T) {
	good := logs(t)[0]
	var bad *SourceError
	for name, s := range map[string][]Source{
		"not a log":      {{"a", strings.NewReader("x\n")}},
		"twice the same": {{"a", strings.NewReader(good)}, {"b", strings.NewReader(good)}},
		"a line of junk": {{"a", strings.NewReader(insert(good, time.Second, "{"))}},
		"unreadable":     {{"a", io.MultiReader(strings.NewReader(good[:3000]), brokenReader{})}},
	} {
		if _, err := Run(s, "test", nil, nil); !errors.As(err, &bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Run(nil, "test", nil, nil); err == nil {
		t.Error("no log: no error")
	}
}

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the disk is broken") }
