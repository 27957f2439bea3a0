package batch

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/plan"
)

// gib is an amount of CPU, in cores, and of memory.
func gib(cores, memory int64) cluster.Resources {
	return cluster.Of(cluster.Millicores(cores)*cluster.Core, cluster.Bytes(memory)*cluster.GiB)
}

// of returns n VMs that ask for the same.
func of(n int, demand cluster.Resources) []cluster.Resources {
	return slices.Repeat([]cluster.Resources{demand}, n)
}

// started says which vjobs have nodes, as in "x.x".
func started(hosts [][]int32) string {
	out := make([]byte, len(hosts))
	for j, h := range hosts {
		out[j] = '.'
		if h != nil {
			out[j] = 'x'
		}
	}
	return string(out)
}

// "For each vjob in the queue, we check if it exists a viable configuration
// composed of the current vjob and the vjobs already in the list. [...] If the
// algorithm succeeds in assigning all the VMs then the vjob is added to the list."
func TestWalk(t *testing.T) {
	nodes := of(3, gib(2, 4))
	for _, test := range []struct {
		name  string
		queue [][]cluster.Resources
		want  string
	}{
		{"nobody", nil, ""},
		{"all fit", [][]cluster.Resources{of(3, gib(1, 1)), of(3, gib(1, 1))}, "xx"},
		{"one behind the first without room", [][]cluster.Resources{of(4, gib(1, 1)), of(3, gib(1, 1)), of(2, gib(1, 1))}, "x.x"},
		{"memory", [][]cluster.Resources{of(3, gib(0, 3)), of(3, gib(0, 2)), of(3, gib(0, 1))}, "x.x"},
		{"all of its VMs or none", [][]cluster.Resources{of(7, gib(1, 1)), of(6, gib(1, 1))}, ".x"},
		{"VMs that compute nothing", [][]cluster.Resources{of(6, gib(1, 1)), of(6, gib(0, 1))}, "xx"},
	} {
		if got := started(Walk(nodes, test.queue)); got != test.want {
			t.Errorf("%s: %q run, want %q", test.name, got, test.want)
		}
	}
	if !slices.Equal(nodes, of(3, gib(2, 4))) {
		t.Errorf("the capacities are now %v", nodes)
	}
}

// Figure 2a: "jobs are enqueued one after the other and are scheduled according
// to their estimated duration and resource requirements"; nobody overtakes.
func TestFCFS(t *testing.T) {
	free := of(2, gib(2, 4))
	queue := [][]cluster.Resources{of(2, gib(1, 1)), of(3, gib(1, 1)), of(1, gib(1, 1))}
	if got := started(FCFS(free, queue)); got != "x.." {
		t.Errorf("%q start, want the first alone", got)
	}
}

// Figure 2b: "the back-filling mechanism improvement, which deals with
// fragmentation issues while guaranteeing a time reservation for the first job in
// the queue".
func TestEASY(t *testing.T) {
	// Two nodes of two CPUs. A vjob with three of them runs until 10 min.
	running := []Hold{{of(3, gib(1, 0)), []int32{0, 0, 1}, 10 * time.Minute}}
	free := []cluster.Resources{gib(0, 4), gib(1, 4)}
	request := func(cpus int, estimate time.Duration) Request { return Request{of(cpus, gib(1, 0)), estimate} }
	for _, test := range []struct {
		name  string
		queue []Request
		want  string
	}{
		{"the first has room", []Request{request(1, time.Hour), request(1, time.Minute)}, "x."},
		{"one ends before the first starts", []Request{request(2, time.Hour), request(1, 10*time.Minute)}, ".x"},
		{"one would delay the first", []Request{request(4, time.Hour), request(1, 11*time.Minute)}, ".."},
		{"one leaves the first what it needs", []Request{request(3, time.Hour), request(1, time.Hour)}, ".x"},
		{"two together would delay the first", []Request{request(4, time.Hour), request(1, 9*time.Minute), request(1, time.Minute)}, ".x."},
		{"the first of those behind it is too large", []Request{request(4, time.Hour), request(2, time.Minute), request(1, time.Minute)}, "..x"},
	} {
		if got := started(EASY(0, free, running, test.queue)); got != test.want {
			t.Errorf("%s: %q start, want %q", test.name, got, test.want)
		}
	}
}

// Whoever EASY starts, the first vjob without room gets room no later than it
// would have if nobody had overtaken it, if the estimates are right.
func TestEASYKeepsItsPromise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		nodes := of(rapid.IntRange(1, 4).Draw(t, "nodes"), gib(2, 4))
		vjob := rapid.Custom(func(t *rapid.T) Request {
			demand := gib(1, int64(rapid.IntRange(0, 4).Draw(t, "memory")))
			return Request{of(rapid.IntRange(1, 6).Draw(t, "vms"), demand), time.Duration(rapid.IntRange(1, 9).Draw(t, "estimate")) * time.Minute}
		})
		free := slices.Clone(nodes)
		var running []Hold
		for _, r := range rapid.SliceOfN(vjob, 0, 3).Draw(t, "running") {
			if host := FCFS(free, [][]cluster.Resources{r.Demands})[0]; host != nil {
				take(free, r.Demands, host)
				running = append(running, Hold{r.Demands, host, r.Estimate})
			}
		}
		queue := rapid.SliceOfN(vjob, 1, 6).Draw(t, "queue")
		demands := make([][]cluster.Resources, len(queue))
		for j := range queue {
			demands[j] = queue[j].Demands
		}
		alone, easy := FCFS(free, demands), EASY(0, free, running, queue)
		first := slices.IndexFunc(alone, func(h []int32) bool { return h == nil })
		if first < 0 {
			first = len(queue)
		}
		promise := func(hosts [][]int32) (time.Duration, bool) {
			left, held := slices.Clone(free), slices.Clone(running)
			for j, host := range hosts {
				if host == nil {
					continue
				}
				take(left, demands[j], host)
				held = append(held, Hold{demands[j], host, queue[j].Estimate})
			}
			for n := range left {
				if !(cluster.Resources{}).Within(left[n]) {
					t.Fatalf("node %d has %v left", n, left[n])
				}
			}
			return reservation(left, held, demands[first])
		}
		if started(alone[:first]) != started(easy[:first]) {
			t.Fatalf("%q start first, want %q", started(easy), started(alone))
		}
		if first == len(queue) {
			return
		}
		before, could := promise(alone)
		after, can := promise(easy)
		if could && (!can || after > before) {
			t.Fatalf("the first vjob without room had it at %v and has it at %v (%v)", before, after, can)
		}
	})
}

// A plan's steps cost their dearest actions, whatever else they have.
func TestDepth(t *testing.T) {
	p := plan.Plan{Actions: []plan.Action{
		{Kind: plan.Suspend, Memory: 3},
		{Kind: plan.Stop, Memory: 9},
		{Kind: plan.Migrate, Memory: 2, Target: 1, Step: 1},
		{Kind: plan.Resume, Memory: 5, Step: 1},
		{Kind: plan.Resume, Memory: 5, Target: 1, Step: 2},
	}}
	if got := depth(p.Steps()); got != 18 {
		t.Errorf("the steps cost %d, want 3 + 5 + 10", got)
	}
}

// "booting a VM takes around 6 seconds in our architecture whereas a clean
// shutdown takes approximately 25 seconds"; "The difference between a local and a
// remote resume/suspend is quite significant (twice the duration)."
func TestDurations(t *testing.T) {
	a := Default().Actions
	second := time.Second
	act := func(k plan.Kind, source, target, memory int64) plan.Action {
		return plan.Action{Kind: k, Source: cluster.NodeID(source), Target: cluster.NodeID(target), Memory: cluster.Bytes(memory) * cluster.GiB}
	}
	for _, test := range []struct {
		name string
		step []plan.Action
		want []time.Duration
	}{
		{"run", []plan.Action{act(plan.Run, 0, 0, 1), act(plan.Run, 0, 0, 2)}, []time.Duration{6 * second, 6 * second}},
		{"stop", []plan.Action{act(plan.Stop, 0, 0, 2)}, []time.Duration{25 * second}},
		{"led by memory", []plan.Action{act(plan.Migrate, 0, 1, 1), act(plan.Suspend, 2, 2, 2)}, []time.Duration{19 * second, 38 * second}},
		{"resume", []plan.Action{act(plan.Resume, 0, 0, 1), act(plan.Resume, 1, 2, 1)}, []time.Duration{19 * second, 38 * second}},
		{"two on a disk", []plan.Action{act(plan.Suspend, 0, 0, 1), act(plan.Suspend, 0, 0, 2)}, []time.Duration{57 * second, 57 * second}},
		{"two on a link", []plan.Action{act(plan.Migrate, 0, 1, 1), act(plan.Migrate, 2, 1, 1)}, []time.Duration{38 * second, 38 * second}},
		{"a disk and a link", []plan.Action{act(plan.Migrate, 0, 1, 1), act(plan.Suspend, 0, 0, 1)}, []time.Duration{19 * second, 19 * second}},
	} {
		if got := a.Durations(test.step); !slices.Equal(got, test.want) {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

func TestTasks(t *testing.T) {
	for _, test := range []struct {
		graph string
		first int     // tasks that compute at once
		cpus  float64 // mean
	}{
		{"ED", 9, 9},
		{"HC", 1, 1},
		{"VP", 1, 9. / 5},
		{"MB", 3, 2},
	} {
		tasks, err := Tasks(test.graph, 45*time.Minute)
		if err != nil || len(tasks) != 9 {
			t.Fatalf("%s: %d tasks, %v", test.graph, len(tasks), err)
		}
		var work time.Duration
		first := 0
		for _, task := range tasks {
			work += task.Work
			if len(task.After) == 0 {
				first++
			}
		}
		if got := critical(tasks); got != 45*time.Minute || first != test.first || math.Abs(work.Minutes()/45-test.cpus) > 1e-9 {
			t.Errorf("%s: %v alone, %d tasks first, %.2f CPUs", test.graph, got, first, work.Minutes()/45)
		}
	}
	if _, err := Tasks("XY", time.Minute); err == nil {
		t.Error("XY is no graph")
	}
}

// thesis is the study of the thesis.
func thesis(t *testing.T) Study {
	t.Helper()
	data, err := os.ReadFile("../examples/vjobs/thesis.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse("thesis.yaml", data)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// "The cumulated completion time for the 9 vjobs is equals to 250 minutes with the
// FCFS scheduler. It is reduced to 150 minutes with our sample scheduling
// policy." "As each vjob requires the same amount of CPU to run, a backfilling
// strategy would not improve scheduling."
func TestThesis(t *testing.T) {
	s := thesis(t)
	fcfs, easy, dynamic := Run(&s, "fcfs"), Run(&s, "easy"), Run(&s, "dynamic")
	if got := fcfs.Cumulated().Minutes(); math.Abs(got-250) > 0.5 {
		t.Errorf("fcfs: %.1f min, want 250", got)
	}
	if easy.Cumulated() != fcfs.Cumulated() {
		t.Errorf("easy: %v, want %v as with fcfs", easy.Cumulated(), fcfs.Cumulated())
	}
	if got := dynamic.Cumulated().Minutes(); got < 130 || got > 175 {
		t.Errorf("dynamic: %.1f min, want about 150", got)
	}
	if local, all := dynamic.Local(); all == 0 || float64(local)/float64(all) < 0.5 {
		t.Errorf("%d of %d resumes are local, want most: 21 of 28", local, all)
	}
}

// "In the best case, requirements evolve during the execution of the vjob, and the
// benefits are significant. In the worst case, requirements are constants and a
// static approach with backfilling is sufficient."
func TestBestAndWorstCase(t *testing.T) {
	for _, test := range []struct {
		graph       string
		least, most float64 // share of the time that is saved
	}{
		{"ED", -0.1, 0},
		{"HC", 0.3, 0.8},
	} {
		s := thesis(t)
		for j := range s.VJobs {
			s.VJobs[j].Graph = test.graph
		}
		easy, dynamic := Run(&s, "easy"), Run(&s, "dynamic")
		saved := 1 - dynamic.Cumulated().Seconds()/easy.Cumulated().Seconds()
		if saved < test.least || saved > test.most {
			t.Errorf("%s: %.1f %% saved, want from %.0f to %.0f", test.graph, 100*saved, 100*test.least, 100*test.most)
		}
	}
}

// Whatever the vjobs, the sizes and the policy: all vjobs end, no node ever has
// more memory in use than it has, and what was computed is what there was to
// compute, no more and no less, whoever slept in between.
func TestRunsConserve(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Default()
		s.Nodes.Count = rapid.IntRange(9, 12).Draw(t, "nodes")
		s.Loop.Compute = settings.Duration(rapid.IntRange(0, 40).Draw(t, "compute")) * settings.Duration(time.Second)
		var work time.Duration
		for i := range rapid.IntRange(1, 6).Draw(t, "vjobs") {
			v := VJob{
				Name: string(rune('a' + i)), Graph: rapid.SampledFrom(Graphs).Draw(t, "graph"),
				Memory: cluster.Bytes(rapid.IntRange(1, 7).Draw(t, "memory")) * 512 * cluster.MiB,
				Alone:  settings.Duration(rapid.IntRange(1, 1000).Draw(t, "alone")) * settings.Duration(time.Second),
			}
			tasks, _ := Tasks(v.Graph, time.Duration(v.Alone))
			for _, task := range tasks {
				work += task.Work
			}
			s.VJobs = append(s.VJobs, v)
		}
		if err := s.Validate(); err != nil {
			t.Fatal(err)
		}
		policy := rapid.SampledFrom(Policies).Draw(t, "policy")
		w := newWorld(&s)
		var look func()
		look = func() {
			used := make([]cluster.Bytes, s.Nodes.Count)
			for i := range w.vms {
				v := &w.vms[i]
				if v.host != cluster.Nowhere {
					used[v.host] += v.memory
				} else if v.state == cluster.Running {
					t.Fatalf("at %v: VM %d runs nowhere", w.now(), i)
				}
			}
			for n, u := range used {
				if u > s.Nodes.Capacity().Memory() {
					t.Fatalf("at %v: node %d has %v in use", w.now(), n, u)
				}
			}
			w.call(w.now()+time.Second, look)
		}
		w.call(0, look)
		r := w.run(policy)
		computed := r.CPU * float64(s.Nodes.Count) * float64(s.Nodes.CPUs) * r.Makespan.Seconds()
		if math.Abs(computed-work.Seconds()) > 1e-3 {
			t.Fatalf("%s: computed %.4f core-seconds of %.4f", policy, computed, work.Seconds())
		}
	})
}

// Alone on the cluster a vjob takes what it takes alone, with every policy that
// gives each VM a CPU.
func TestAlone(t *testing.T) {
	for _, graph := range Graphs {
		s := Default()
		s.VJobs = []VJob{{Name: "a", Graph: graph, Memory: cluster.GiB, Alone: settings.Duration(10 * time.Minute)}}
		for _, policy := range []string{"fcfs", "easy", "preempt"} {
			r := Run(&s, policy)
			boot := 6 * time.Second
			if policy == "preempt" {
				boot += time.Duration(s.Loop.Compute)
			}
			if late := r.Completed[0] - boot - 10*time.Minute; late.Abs() > time.Millisecond {
				t.Errorf("%s under %s: %v, want %v", graph, policy, r.Completed[0], boot+10*time.Minute)
			}
		}
	}
}

func TestSameStudySameBytes(t *testing.T) {
	s := thesis(t)
	for _, policy := range Policies {
		if a, b := Run(&s, policy), Run(&s, policy); !reflect.DeepEqual(a, b) {
			t.Errorf("two runs under %s differ", policy)
		}
	}
}

func TestFigureIsXML(t *testing.T) {
	s := thesis(t)
	s.Name, s.VJobs[0].Name = `a<b & "c"`, "<x>"
	var out bytes.Buffer
	if err := WriteFigure(&out, &s, []Result{Run(&s, "fcfs"), Run(&s, "dynamic")}); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(out.Bytes())); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"fcfs", "dynamic", "vjob8", "&lt;x&gt;", "CPUs that compute"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the figure does not have %q", want)
		}
	}
}

func TestParseNamesFileLineAndKey(t *testing.T) {
	const vjob = "vjobs:\n  - {name: a, graph: ED, memory: 1GiB, alone: 5m}\n"
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "s.yaml: the file is empty; examples/vjobs/thesis.yaml is one to start from"},
		{"unknown key", vjob + "nods: {}\n", "s.yaml: line 3: nods: there is no such key here"},
		{"no vjobs", "nodes: {count: 3}\n", "s.yaml: vjobs: 0 vjobs are not from 1 to 100"},
		{"no unit", vjob + "actions: {run: 6}\n", `s.yaml: line 3: actions.run: "6" is not a duration`},
		{"graph", "vjobs:\n  - {name: a, graph: XX, memory: 1GiB, alone: 5m}\n", `s.yaml: line 2: vjobs[0].graph: "XX" is not a graph of tasks; the graphs are ED, HC, VP, MB`},
		{"twice", vjob + "  - {name: a, graph: ED, memory: 1GiB, alone: 5m}\n", `s.yaml: line 3: vjobs[1].name: "a" is there twice`},
		{"too large", "vjobs:\n  - {name: a, graph: ED, memory: 4GiB, alone: 5m}\n", "s.yaml: line 2: vjobs[0].memory: 9 VMs of a CPU and 4GiB do not fit on 11 nodes"},
		{"too few nodes", vjob + "nodes: {count: 4}\n", "s.yaml: line 2: vjobs[0].memory: 9 VMs of a CPU and 1GiB do not fit on 4 nodes"},
		{"negative", "vjobs:\n  - {name: a, graph: ED, memory: 1GiB, alone: -5m}\n", "s.yaml: line 2: vjobs[0].alone: -300s is not from"},
		{"reserved", vjob + "nodes: {reserved: 4GiB}\n", "s.yaml: line 3: nodes.reserved: 4GiB of 4GiB leaves nothing for VMs"},
		{"monitor", vjob + "loop: {monitor: 0s}\n", "s.yaml: line 3: loop.monitor: 0s is not from"},
		{"policy", vjob + "policies: [best]\n", `s.yaml: line 3: policies[0]: "best" is not a policy; the policies are fcfs, easy, preempt, dynamic`},
		{"policy twice", vjob + "policies: [fcfs, fcfs]\n", "s.yaml: line 3: policies[1]: fcfs is there twice"},
	} {
		_, err := Parse("s.yaml", []byte(test.text))
		var bad *KeyError
		if !errors.As(err, &bad) {
			t.Errorf("%s: error %v, want a KeyError", test.name, err)
		} else if !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%s:\ngot  %s\nwant %s", test.name, err, test.want)
		}
	}
}

func TestDraw(t *testing.T) {
	s := thesis(t)
	a, b, c := s.Draw(1), s.Draw(1), s.Draw(2)
	if !reflect.DeepEqual(a, b) || reflect.DeepEqual(a.VJobs, c.VJobs) || !reflect.DeepEqual(s.VJobs, thesis(t).VJobs) {
		t.Error("a draw depends on its seed alone, and leaves the study as it is")
	}
	if err := a.Validate(); err != nil {
		t.Error(err)
	}
}

// FuzzParse asks that whatever a file says, the error names where, and that what
// is accepted can be drawn from and is still valid.
func FuzzParse(f *testing.F) {
	f.Add([]byte("vjobs:\n  - {name: a, graph: ED, memory: 1GiB, alone: 5m}\n"))
	f.Add([]byte("nodes: {count: 20, cpus: 1}\nvjobs:\n  - {name: a, graph: MB, memory: 2GiB, alone: 100ms, estimate: 1h}\nseed: 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse("f.yaml", data)
		if err != nil {
			var bad *KeyError
			if !errors.As(err, &bad) || strings.Contains(err.Error(), "\n") {
				t.Fatalf("error %q (%T)", err, err)
			}
			return
		}
		drawn := s.Draw(1)
		for i := range drawn.VJobs {
			drawn.VJobs[i].Alone = min(drawn.VJobs[i].Alone, maxTime) // a draw may take half as long again
		}
		if err := drawn.Validate(); err != nil {
			t.Fatal(err)
		}
	})
}
