package injector

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
)

// played lists changes as "5m0s vm-1 0.2 cores".
func played(w Workload) string {
	lines := []string{fmt.Sprint(w.Initial)}
	for _, c := range all(w.Changes) {
		lines = append(lines, fmt.Sprintf("%v vm-%d %v", c.At, c.VM, c.CPU))
	}
	return strings.Join(lines, ", ")
}

func TestReplay(t *testing.T) {
	const minutes = time.Minute
	short := Recorded{Name: "short", Step: 5 * minutes, VCPUs: 1, CPU: []cluster.Millicores{100, 100, 200}}
	large := Recorded{Name: "large", Step: 5 * minutes, VCPUs: 4, CPU: []cluster.Millicores{1001, 4000}}
	same := Recorded{Name: "same", Step: 5 * minutes, VCPUs: 1, CPU: []cluster.Millicores{300, 300}}
	none := Recorded{Name: "none", Step: 5 * minutes, CPU: []cluster.Millicores{0, 0}}
	for _, c := range []struct {
		name      string
		playbacks []Playback
		vcpus     []int32
		duration  time.Duration
		want      string
	}{
		{
			"changes only, and again from the start",
			[]Playback{{Record: short}},
			nil, 31 * minutes,
			"[0.1 cores], 10m0s vm-0 0.2 cores, 15m0s vm-0 0.1 cores, 25m0s vm-0 0.2 cores, 30m0s vm-0 0.1 cores",
		},
		{"the end is not in the run", []Playback{{Record: short}}, nil, 10 * minutes, "[0.1 cores]"},
		{"shifted", []Playback{{Record: short, Shift: 2}}, nil, 11 * minutes, "[0.2 cores], 5m0s vm-0 0.1 cores"},
		{
			"from within a step",
			[]Playback{{Record: short, Phase: 2 * minutes}},
			nil, 14 * minutes,
			"[0.1 cores], 8m0s vm-0 0.2 cores, 13m0s vm-0 0.1 cores",
		},
		{
			"equals in the order of VMs",
			[]Playback{{Record: large}, {Record: short, Shift: 1}},
			nil, 6 * minutes,
			"[1.001 cores 0.1 cores], 5m0s vm-0 4 cores, 5m0s vm-1 0.2 cores",
		},
		{
			"another size",
			[]Playback{{Record: large}, {Record: short}},
			[]int32{2, 2},
			11 * minutes,
			"[0.501 cores 0.2 cores], 5m0s vm-0 2 cores, 10m0s vm-0 0.501 cores, 10m0s vm-1 0.4 cores",
		},
		{"nothing changes", []Playback{{Record: same}, {Record: none}}, []int32{1, 8}, 100 * time.Hour, "[0.3 cores 0 cores]"},
		{"no VMs", nil, nil, time.Hour, "[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w, err := Replay(c.playbacks, c.vcpus, c.duration)
			if err != nil {
				t.Fatal(err)
			}
			if got := played(w); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestReplayErrors(t *testing.T) {
	r := Recorded{Name: "r", Step: time.Minute, VCPUs: 1, CPU: []cluster.Millicores{1}}
	empty, still := r, r
	empty.CPU, still.Step = nil, 0
	for _, c := range []struct {
		p    Playback
		want string
	}{
		{Playback{Record: empty}, `record "r": no steps`},
		{Playback{Record: still}, `record "r": a step of 0s is not positive`},
		{Playback{Record: r, Shift: 1}, `record "r": a shift of 1 is not from 0 to 0`},
		{Playback{Record: r, Phase: time.Minute}, `record "r": a phase of 1m0s is not within a step of 1m0s`},
	} {
		if _, err := Replay([]Playback{c.p}, nil, time.Hour); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := Replay([]Playback{{Record: r}}, []int32{1, 1}, time.Hour); err == nil {
		t.Error("two VMs play one record")
	}
}

func recordings(n, steps int) []Recorded {
	records := make([]Recorded, n)
	for i := range records {
		records[i] = Recorded{Name: fmt.Sprint("r", i), Step: 5 * time.Minute, VCPUs: 1}
		for k := range steps {
			records[i].CPU = append(records[i].CPU, cluster.Millicores(100*i+k))
		}
	}
	return records
}

func assigned(t *testing.T, records []Recorded, vms int, seed uint64, phases Phases) []Playback {
	t.Helper()
	playbacks, err := Assign(records, vms, seed, phases)
	if err != nil {
		t.Fatal(err)
	}
	return playbacks
}

func names(playbacks []Playback) (names []string) {
	for _, p := range playbacks {
		names = append(names, p.Record.Name)
	}
	return names
}

func TestAssign(t *testing.T) {
	records := recordings(4, 10)

	for v, p := range assigned(t, records, 4, 1, Together) {
		if p.Record.Name != records[v].Name || p.Shift != 0 || p.Phase != 0 {
			t.Errorf("as many VMs as records: VM %d plays %s, shift %d, phase %v", v, p.Record.Name, p.Shift, p.Phase)
		}
	}

	samples := map[string]bool{}
	for seed := range uint64(100) {
		some := names(assigned(t, records, 2, seed, Spread))
		if len(slices.Compact(some)) != 2 || !slices.IsSorted(some) {
			t.Errorf("fewer VMs: %v is not two records in order", some)
		}
		samples[fmt.Sprint(some)] = true
	}
	if len(samples) != 6 {
		t.Errorf("100 seeds give %d of the 6 samples", len(samples))
	}

	many := assigned(t, records, 400, 1, Spread)
	if got := names(many[:4]); fmt.Sprint(got) != "[r0 r1 r2 r3]" {
		t.Errorf("more VMs: the first play %v", got)
	}
	count := map[string]int{}
	for _, p := range many[4:] {
		count[p.Record.Name]++
		if p.Shift < 1 || p.Shift > 9 {
			t.Errorf("a copy is shifted by %d steps, want 1 to 9", p.Shift)
		}
	}
	for _, r := range records {
		if n := count[r.Name]; n < 60 || n > 140 {
			t.Errorf("%s is played by %d of 396 copies, want about 99", r.Name, n)
		}
	}

	if !slices.Equal(names(many), names(assigned(t, records, 400, 1, Together))) {
		t.Error("phases change who plays what")
	}
	if _, err := Assign(nil, 1, 1, Spread); err == nil {
		t.Error("a VM plays no record")
	}
	if none := assigned(t, nil, 0, 1, Spread); len(none) != 0 {
		t.Error("no VMs play")
	}
}

// Spread instants are uniform over the step: of 3000 VMs that all change at
// each step, each half minute has about 300.
func TestSpread(t *testing.T) {
	playbacks := assigned(t, recordings(3000, 10), 3000, 1, Spread)
	w, err := Replay(playbacks, nil, 5*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	var count [10]int
	for _, c := range all(w.Changes) {
		count[c.At/(30*time.Second)]++
	}
	for i, n := range count {
		if n < 220 || n > 380 {
			t.Errorf("half minute %d has %d changes, want about 300", i, n)
		}
	}
}

// Replay agrees with the definition of Playback, looked up second by second.
func TestReplayIsWhatPlaybackSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 4).Draw(t, "VMs")
		playbacks := make([]Playback, n)
		vcpus := make([]int32, n)
		for v := range playbacks {
			r := Recorded{
				Step:  time.Duration(rapid.IntRange(1, 5).Draw(t, "step")) * time.Second,
				VCPUs: rapid.Int32Range(1, 3).Draw(t, "recorded vCPUs"),
			}
			for range rapid.IntRange(1, 5).Draw(t, "steps") {
				r.CPU = append(r.CPU, cluster.Millicores(rapid.IntRange(0, 3).Draw(t, "CPU")))
			}
			playbacks[v] = Playback{
				Record: r,
				Shift:  rapid.IntRange(0, len(r.CPU)-1).Draw(t, "shift"),
				Phase:  time.Duration(rapid.IntRange(0, int(r.Step/time.Second)-1).Draw(t, "phase")) * time.Second,
			}
			vcpus[v] = r.VCPUs
		}
		duration := time.Duration(rapid.IntRange(0, 40).Draw(t, "duration")) * time.Second
		w, err := Replay(playbacks, vcpus, duration)
		if err != nil {
			t.Fatal(err)
		}
		demand := slices.Clone(w.Initial)
		changes := all(w.Changes)
		for now := time.Duration(0); now < duration; now += time.Second {
			for len(changes) > 0 && changes[0].At == now {
				if c := changes[0]; demand[c.VM] == c.CPU {
					t.Fatalf("%v: VM %d changes to what it has", now, c.VM)
				} else {
					demand[c.VM] = c.CPU
				}
				changes = changes[1:]
			}
			for v, p := range playbacks {
				step := p.Shift + int((now+p.Phase)/p.Record.Step)
				if want := p.Record.CPU[step%len(p.Record.CPU)]; demand[v] != want {
					t.Fatalf("%v: VM %d asks for %v, want %v", now, v, demand[v], want)
				}
			}
		}
		if len(changes) > 0 {
			t.Fatalf("changes are left over, or out of order: %v", changes)
		}
	})
}

func BenchmarkReplay(b *testing.B) {
	playbacks, err := Assign(recordings(1000, 288), 10_000, 1, Spread)
	if err != nil {
		b.Fatal(err)
	}
	changes := 0
	for b.Loop() {
		w, err := Replay(playbacks, nil, time.Hour)
		if err != nil {
			b.Fatal(err)
		}
		changes += len(all(w.Changes))
	}
	b.ReportMetric(float64(changes)/b.Elapsed().Seconds(), "changes/s")
}
