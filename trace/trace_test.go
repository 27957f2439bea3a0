package trace_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

// example has one record of each type, with values that a reader can check
// against the lines below.
var example = []trace.Record{
	trace.Header{
		Schema: trace.Schema, Version: "0.1.0", Scenario: "one-rack", Strategy: "dvms", Workload: "gaussian",
		Seed: 42, Hosts: 4, Sites: 2, VMs: 40, Duration: 30 * time.Minute,
	},
	trace.Load{At: 10 * time.Second, Demand: 19_250, Capacity: 28_000, Violated: 1, Migrations: 2, Partitions: 1, Booked: 3, Empty: 1},
	trace.Solve{
		At: 12*time.Second + 345*time.Millisecond, Duration: 250 * time.Microsecond, Node: "node2", Partition: "node1.1",
		Nodes: 2, VMs: 21, Answer: "infeasible", Steps: 77, Reasons: "cpu=77",
	},
	trace.Migration{
		At: 13 * time.Second, Duration: 9*time.Second + 1, VM: "vm-7", From: "node1", To: "node3", FromSite: "rennes",
		ToSite: "nantes", Bytes: 1 << 30, Rounds: 3, Downtime: 30 * time.Millisecond, Outcome: "done",
		Partition: "node1.1", Reason: "node1 overloaded",
	},
	trace.Reconfiguration{At: 13 * time.Second, Duration: 9*time.Second + 1, Partition: "node1.1", Nodes: 3, Migrations: 1, Outcome: "done"},
	trace.Partition{
		At: 12 * time.Second, Duration: 10*time.Second + 1, ID: "node1.1", Initiator: "node1",
		Members: []string{"node1", "node2", "node3"}, Sites: 2, Hops: 2, Merges: 0, Solves: 2, Outcome: "solved", Kind: "overload",
		Messages: 31, Bytes: 9000,
	},
	trace.Step{At: 12 * time.Second, Partition: "node1.1", Node: "node2", What: "joined", Members: 2},
	trace.Violation{At: 12 * time.Second, Duration: 10*time.Second + 1, Host: "node1", Resource: cluster.CPU, Lost: 400},
	trace.Answer{
		At: 601 * time.Second, Duration: 20 * time.Millisecond, Node: "node2", Kind: "drain", Partition: "node2.1",
		Outcome: "unsolvable", Reasons: "can't leave: vm-3 (3 nodes without enough memory)",
	},
	trace.Request{
		At: 10 * time.Minute, Duration: 83*time.Second + time.Second/2, Request: "drain node2..node3 (600s)", Kind: "drain",
		Node: "node2", VMs: 9, Answers: 2, Outcome: "done",
	},
	trace.Start{At: 12 * time.Minute, Duration: 11 * time.Second, VM: "batch-0", Node: "node1", On: "node4", Outcome: "done", Partition: "node1.2"},
	trace.Starved{VM: "vm-9", Duration: 10 * time.Second, Asked: 900.5, Lost: 1.25},
	trace.Place{Node: "node1", Site: "rennes", Vector: []float64{-1200.5, 340}, Height: 95.5, Error: 0.02},
	trace.Fault{At: 90 * time.Second, What: "host-crash", Host: "node3", Hosts: 1},
	trace.Messages{Lost: 12, Doubled: 3},
	trace.End{At: 30 * time.Minute, Messages: 17, Bytes: 2048, Gossip: 40, GossipBytes: 4000, Changes: 120, Events: 1234, VMSeconds: 36_000, LostShare: 0.0001, Violations: 1, Migrated: 1},
}

const exampleLines = `{"type":"header","schema":"dvms-trace/1","version":"0.1.0","scenario":"one-rack","strategy":"dvms","workload":"gaussian","seed":42,"hosts":4,"sites":2,"vms":40,"duration_s":1800}
{"type":"load","t":10,"demand_cores":19.25,"capacity_cores":28,"violated_hosts":1,"migrations":2,"partitions":1,"booked_nodes":3,"empty_hosts":1}
{"type":"solve","t":12.345,"duration_s":0.00025,"node":"node2","partition":"node1.1","nodes":2,"vms":21,"answer":"infeasible","steps":77,"moves":0,"bytes":0,"reasons":"cpu=77"}
{"type":"migration","t":13,"duration_s":9.000000001,"vm":"vm-7","from":"node1","to":"node3","from_site":"rennes","to_site":"nantes","bytes":1073741824,"rounds":3,"downtime_s":0.03,"outcome":"done","partition":"node1.1","reason":"node1 overloaded"}
{"type":"reconfiguration","t":13,"duration_s":9.000000001,"partition":"node1.1","nodes":3,"migrations":1,"outcome":"done"}
{"type":"partition","t":12,"duration_s":10.000000001,"id":"node1.1","initiator":"node1","members":["node1","node2","node3"],"sites":2,"hops":2,"merges":0,"solves":2,"outcome":"solved","kind":"overload","reasons":"","messages":31,"message_bytes":9000}
{"type":"step","t":12,"partition":"node1.1","node":"node2","what":"joined","members":2,"other":""}
{"type":"violation","t":12,"duration_s":10.000000001,"host":"node1","resource":"cpu","arrival":false,"lost_cores":0.4,"open":false}
{"type":"answer","t":601,"duration_s":0.02,"node":"node2","kind":"drain","partition":"node2.1","outcome":"unsolvable","reasons":"can't leave: vm-3 (3 nodes without enough memory)"}
{"type":"request","t":600,"duration_s":83.5,"request":"drain node2..node3 (600s)","kind":"drain","node":"node2","vms":9,"answers":2,"outcome":"done","reasons":""}
{"type":"start","t":720,"duration_s":11,"vm":"batch-0","resumed":false,"node":"node1","on":"node4","outcome":"done","partition":"node1.2"}
{"type":"starved","vm":"vm-9","duration_s":10,"asked_core_s":900.5,"lost_core_s":1.25}
{"type":"place","node":"node1","site":"rennes","vector_us":[-1200.5,340],"height_us":95.5,"error":0.02}
{"type":"fault","t":90,"what":"host-crash","host":"node3","hosts":1}
{"type":"messages","lost":12,"doubled":3}
{"type":"end","t":1800,"partial":false,"messages":17,"message_bytes":2048,"gossip":40,"gossip_bytes":4000,"changes":120,"events":1234,"asked_core_s":36000,"lost_share":0.0001,"violations":1,"migrations":1}
`

func write(t testing.TB, records []trace.Record) string {
	t.Helper()
	var out bytes.Buffer
	w := trace.NewWriter(&out)
	for _, r := range records {
		w.Record(r)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// kept is a sink that remembers.
type kept []trace.Record

func (k *kept) Record(r trace.Record) { *k = append(*k, r) }

func TestLinesOfEveryRecord(t *testing.T) {
	if diff := cmp.Diff(exampleLines, write(t, example)); diff != "" {
		t.Errorf("written (-want +got):\n%s", diff)
	}
	var got kept
	if err := trace.Read("x.trace", strings.NewReader(exampleLines), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(example, []trace.Record(got)); diff != "" {
		t.Errorf("read (-want +got):\n%s", diff)
	}
}

// What was written is read back, to the last nanosecond. The trip can't see
// an error that both directions share; TestLinesOfEveryRecord has the lines.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := drawTrace(t)
		var file bytes.Buffer
		w := trace.NewWriter(&file)
		for _, r := range want {
			w.Record(r)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		var got kept
		if err := trace.Read("x.trace", &file, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, []trace.Record(got)); diff != "" {
			t.Fatal(diff)
		}
	})
}

func drawTrace(t *rapid.T) []trace.Record {
	header := rapid.Make[trace.Header]().Draw(t, "header")
	header.Schema = trace.Schema
	records := []trace.Record{positive(header)}
	var end trace.End
	for range rapid.IntRange(0, 5).Draw(t, "records") {
		r := rapid.OneOf(
			drawAny[trace.Load](), drawAny[trace.Violation](), drawAny[trace.Solve](), drawAny[trace.Migration](),
			drawAny[trace.Reconfiguration](), drawAny[trace.Partition](), drawAny[trace.Step](), drawAny[trace.Starved](), drawAny[trace.Place](),
			drawAny[trace.Request](), drawAny[trace.Answer](), drawAny[trace.Start](),
			drawAny[trace.Fault](), drawAny[trace.Messages](),
		).Draw(t, "record")
		switch r.(type) {
		case trace.Violation:
			end.Violations++
		case trace.Migration:
			end.Migrated++
		}
		records = append(records, r)
	}
	end.At = time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "at"))
	end.LostShare = rapid.Float64Range(0, 1).Draw(t, "lost share")
	end.Events = rapid.Uint64().Draw(t, "events")
	return append(records, end)
}

func drawAny[R trace.Record]() *rapid.Generator[trace.Record] {
	return rapid.Custom(func(t *rapid.T) trace.Record {
		return positive(rapid.Make[R]().Draw(t, "record"))
	})
}

// A missing newline at the very end is an editor's work; the trace is whole.
func TestEndWithoutNewline(t *testing.T) {
	var got kept
	if err := trace.Read("x.trace", strings.NewReader(strings.TrimSuffix(exampleLines, "\n")), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(example) {
		t.Errorf("%d records, want %d", len(got), len(example))
	}
}

func TestUnknownIsSkipped(t *testing.T) {
	const text = `{"type":"header","schema":"dvms-trace/1","seed":7,"colour":{"of":["the","\"sky}"]},"hosts":3}
{"type":"weather","t":5,"rain":[1,2,{"mm":"}"}]}
{ "hosts" : 1 , "t":5.5, "type":"load","moon":null }
{"type":"end"}
`
	want := []trace.Record{
		trace.Header{Schema: trace.Schema, Seed: 7, Hosts: 3},
		trace.Load{At: 5500 * time.Millisecond},
		trace.End{},
	}
	var got kept
	if err := trace.Read("x.trace", strings.NewReader(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, []trace.Record(got)); diff != "" {
		t.Error(diff)
	}
}

// Each place at which a file may be cut leaves the records before it, and
// says that the rest is missing.
func TestCutOff(t *testing.T) {
	header := strings.Index(exampleLines, "\n") + 1
	end := strings.LastIndex(strings.TrimSpace(exampleLines), "\n") + 1
	for n := header; n < len(exampleLines)-2; n++ {
		var got kept
		err := trace.Read("x.trace", strings.NewReader(exampleLines[:n]), &got)
		if !errors.Is(err, trace.ErrCutOff) {
			t.Fatalf("cut after %d bytes: %v", n, err)
		}
		if n >= end && len(got) != len(example)-1 {
			t.Fatalf("cut after %d bytes: %d records", n, len(got))
		}
	}
	if err := trace.Read("x.trace", strings.NewReader(""), new(kept)); !errors.Is(err, trace.ErrCutOff) {
		t.Errorf("an empty file: %v", err)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	const header = `{"type":"header","schema":"dvms-trace/1"}` + "\n"
	for _, test := range []struct{ name, text, want string }{
		{"not a trace", "host,load\n", `x.trace:1: not JSON: invalid character 'h' looking for beginning of value`},
		{"another JSON file", "{\"type\":\"end\"}\n", `x.trace:1: not a trace: it should begin with a header of dvms-trace/1`},
		{"newer schema", `{"type":"header","schema":"dvms-trace/2"}` + "\n", `x.trace:1: the schema is "dvms-trace/2", and this version reads dvms-trace/1`},
		{"an array", header + "[1]\n", `x.trace:2: not a JSON object`},
		{"an empty line", header + "\n", `x.trace:2: not JSON: unexpected end of JSON input`},
		{"no type", header + "{}\n", `x.trace:2: no "type"`},
		{"type not a string", header + `{"type":3}` + "\n", `x.trace:2: type: 3 is not a string`},
		{"time as text", header + `{"type":"load","t":"12:30"}` + "\n", `x.trace:2: load: t: "12:30" is not a number of seconds`},
		{"negative", header + `{"type":"violation","t":-1}` + "\n", `x.trace:2: violation: t: -1 is not a number of seconds`},
		{"too long a time", header + `{"type":"load","t":1e30}` + "\n", `x.trace:2: load: t: 1e30 is not a number of seconds`},
		{"null", header + `{"type":"migration","vm":null}` + "\n", `x.trace:2: migration: vm: null is not a string`},
		{"half a host", header + `{"type":"load","violated_hosts":1.5}` + "\n", `x.trace:2: load: violated_hosts: 1.5 is not a whole number from 0 to 2^64-1`},
		{"unknown resource", header + `{"type":"violation","resource":"gpu"}` + "\n", `x.trace:2: violation: resource: gpu is not a resource`},
		{"two traces", header + header, `x.trace:2: a second header; a file holds one trace`},
		{"after the end", header + `{"type":"end"}` + "\n" + `{"type":"load"}` + "\n", `x.trace:3: a record after the end`},
		{"lines missing", header + `{"type":"end","violations":2}` + "\n", `x.trace:2: the end counts 2 violations and 0 migrations, the trace has 0 and 0; lines are missing or doubled`},
	} {
		err := trace.Read("x.trace", strings.NewReader(test.text), new(kept))
		if err == nil || err.Error() != test.want {
			t.Errorf("%s:\ngot  %v\nwant %s", test.name, err, test.want)
		}
	}
}

func TestTimesOfOtherPrograms(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1e-9":                 1,
		"12.3450000000":        12345 * time.Millisecond,
		"1.5E1":                15 * time.Second,
		"0.30000000000000004":  300 * time.Millisecond,
		"9223372036.854775807": math.MaxInt64,
		"-0":                   0,
		"0.000000000":          0,
	} {
		in := trace.NewReader("x.trace", strings.NewReader(`{"type":"header","schema":"dvms-trace/1","duration_s":`+text+"}\n"))
		got, err := in.Next()
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := got.(trace.Header).Duration; got != want {
			t.Errorf("%s is read as %v, want %v", text, got, want)
		}
	}
}

func TestWriterRefusesWhatJSONCannotHold(t *testing.T) {
	for _, r := range []trace.Record{
		trace.Starved{Lost: math.NaN()},
		trace.Place{Vector: []float64{1, math.Inf(-1)}},
		trace.End{LostShare: math.Inf(1)},
		trace.Violation{Resource: 99},
	} {
		var out bytes.Buffer
		w := trace.NewWriter(&out)
		w.Record(r)
		if err := w.Flush(); err == nil {
			t.Errorf("%#v was written as %s", r, &out)
		}
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left on device") }

func TestWriterKeepsTheFirstError(t *testing.T) {
	w := trace.NewWriter(fullDisk{})
	for _, r := range example {
		w.Record(r)
	}
	err := w.Flush()
	if want := "writing the trace: no space left on device"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// FuzzReader asks that no bytes make the reader panic, and that what it
// accepts is written and read back as the same records. The trip can't see a
// field that is skipped both times.
func FuzzReader(f *testing.F) {
	f.Add([]byte(exampleLines))
	for line := range strings.Lines(exampleLines) {
		f.Add([]byte(line))
		f.Add([]byte(`{"type":"header","schema":"dvms-trace/1"}` + "\n" + line))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var first, second kept
		err := trace.Read("x.trace", bytes.NewReader(text), &first)
		if err != nil && !errors.Is(err, trace.ErrCutOff) || len(first) == 0 {
			return
		}
		again := write(t, first)
		errAgain := trace.Read("x.trace", strings.NewReader(again), &second)
		if (err == nil) != (errAgain == nil) {
			t.Fatalf("first %v, then %v\n%s", err, errAgain, again)
		}
		if diff := cmp.Diff(first, second); diff != "" {
			t.Fatal(diff)
		}
	})
}

func BenchmarkWriter(b *testing.B) {
	w := trace.NewWriter(io.Discard)
	records := example[1 : len(example)-1]
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for _, r := range records {
			w.Record(r)
		}
		n += len(records)
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}

func BenchmarkReader(b *testing.B) {
	lines := strings.SplitAfter(strings.TrimSuffix(exampleLines, "\n"), "\n")
	middle := lines[1 : len(lines)-1]
	text := lines[0] + strings.Repeat(strings.Join(middle, ""), 1000)
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		in := trace.NewReader("x.trace", strings.NewReader(text))
		var err error
		for ; err == nil; n++ {
			_, err = in.Next()
		}
		if !errors.Is(err, trace.ErrCutOff) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "records/s")
}
