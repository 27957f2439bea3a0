package experiment

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// journal keeps what it is given.
type journal []trace.Record

func (j *journal) Record(r trace.Record) { *j = append(*j, r) }

// of returns the records of a type.
func of[R trace.Record](all journal) (some []R) {
	for _, r := range all {
		if r, ok := r.(R); ok {
			some = append(some, r)
		}
	}
	return some
}

// parsed reads a scenario on 12 hosts of 8 cores and 32 GiB, with 60 VMs of 1 GiB
// that ask for 40 % of a core each, vm-0, vm-12 and so on on node0, unless it says
// something else.
func parsed(t testing.TB, text string) Scenario {
	t.Helper()
	for key, usual := range map[string]string{
		"hosts":    "{count: 12, cores: 8, memory: 32GiB}",
		"vms":      "{count: 60, classes: [{name: small, vcpus: 1, memory: 1GiB, dirty_rate: 10MB/s}]}",
		"workload": "{law: gaussian, mean: 40%, sd: 0%, start: mean}",
		"duration": "10m",
	} {
		if !strings.Contains(text, "\n"+key+":") {
			text += "\n" + key + ": " + usual + "\n"
		}
	}
	s, err := Parse("test.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// begun starts a run, with the invariants of the simulation checked.
func begun(t testing.TB, s Scenario, strategy string, sink trace.Sink) *world {
	t.Helper()
	w, err := newWorld(Spec{Scenario: s, Strategy: strategy, Seed: 1, Check: true}, sink)
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

// until lets a run go on.
func (w *world) until(t testing.TB, at time.Duration) {
	t.Helper()
	if err := w.sim.Run(sim.Of(at)); err != nil {
		t.Fatal(err)
	}
}

// hosted returns the names of the VMs on a host.
func (w *world) hosted(host int) (names []string) {
	for _, vm := range w.sim.Hosted(sim.HostID(host)) {
		names = append(names, w.vms[vm].Name)
	}
	slices.Sort(names)
	return names
}

// obedient are the strategies that carry requests out.
var obedient = []string{"dvms", "dvms-spiral", "centralized"}

// A drained host ends empty, receives nothing for as long as it drains, and is
// used again when it is put back.
func TestDrainedHostsEndEmpty(t *testing.T) {
	s := parsed(t, `
workload: {law: gaussian, mean: 60%, sd: 30%, start: mean, period: 60s}
requests:
  - {at: 60s, drain: [node2..node4, node9]}
  - {at: 400s, undrain: [node3]}
`)
	for _, strategy := range obedient {
		t.Run(strategy, func(t *testing.T) {
			var all journal
			w := begun(t, s, strategy, &all)
			done := map[string]time.Duration{}
			for at := time.Second; at < 400*time.Second; at += time.Second {
				w.until(t, at)
				for _, h := range []int{2, 3, 4, 9} {
					name := hostName(h)
					if len(w.hosted(h)) == 0 && done[name] == 0 {
						done[name] = at
					}
					if len(w.hosted(h)) > 0 && done[name] > 0 {
						t.Fatalf("at %v %s hosts %v again, and was empty at %v", at, name, w.hosted(h), done[name])
					}
				}
			}
			requests := of[trace.Request](all)
			for _, r := range requests {
				end := r.At + r.Duration
				if r.Outcome != "done" || r.At != time.Minute || end > done[r.Node] || end < done[r.Node]-time.Second {
					t.Errorf("%+v, and the host was empty at %v", r, done[r.Node])
				}
			}
			if len(requests) != 4 || len(done) != 4 {
				t.Errorf("%d of 4 hosts are empty, %d records", len(done), len(requests))
			}
			w.until(t, 600*time.Second)
			if n := len(w.hosted(2)) + len(w.hosted(4)) + len(w.hosted(9)); n > 0 {
				t.Errorf("%d VMs have come back to hosts that drain", n)
			}
		})
	}
}

// Hosts that were put back are used like any other.
func TestUndrainedHostsAreUsed(t *testing.T) {
	s := parsed(t, `
requests:
  - {at: 10s, drain: [node0]}
  - {at: 300s, undrain: [node0]}
  - {at: 310s, rule: {name: home, fence: [vm-5], nodes: [node0]}}
`)
	for _, strategy := range obedient {
		w := begun(t, s, strategy, nowhere{})
		w.until(t, 299*time.Second)
		if got := w.hosted(0); len(got) > 0 {
			t.Errorf("%s: node0 hosts %v while it drains", strategy, got)
		}
		w.until(t, 400*time.Second)
		if got := w.hosted(0); !slices.Equal(got, []string{"vm-5"}) {
			t.Errorf("%s: node0 hosts %v in the end", strategy, got)
		}
	}
}

// A drain that can't be done is answered with the VMs that can't leave, and
// why; not one VM has moved.
func TestImpossibleDrainSaysWhy(t *testing.T) {
	s := parsed(t, `
hosts: {count: 6, cores: 8, memory: 11GiB}
requests:
  - {at: 30s, drain: [node1]}
`)
	for _, strategy := range obedient {
		var all journal
		w := begun(t, s, strategy, &all)
		before := w.hosted(1)
		w.until(t, 10*time.Minute)
		w.finish(false)
		answers, requests := of[trace.Answer](all), of[trace.Request](all)
		if len(answers) < 3 || len(requests) != 1 {
			t.Fatalf("%s: %d answers, %d requests", strategy, len(answers), len(requests))
		}
		for _, a := range answers {
			if a.Outcome == "unsolvable" && (!strings.HasPrefix(a.Reasons, "can't leave: vm-") || !strings.Contains(a.Reasons, "without enough memory")) {
				t.Errorf("%s: the answer is %+v", strategy, a)
			}
		}
		r := requests[0]
		if r.Outcome != "open" || r.Answers != len(answers) || !strings.HasPrefix(r.Reasons, "can't leave: ") || r.Duration != 570*time.Second {
			t.Errorf("%s: the request ends as %+v, after %d answers", strategy, r, len(answers))
		}
		if moved := of[trace.Migration](all); len(moved) > 0 || !slices.Equal(before, w.hosted(1)) {
			t.Errorf("%s: %d VMs have moved: %+v", strategy, len(moved), moved)
		}
	}
}

// All VMs of a vjob run soon after they are asked for: a look of the monitor, or
// a period of the central scheduler, and two boots, as five nodes start two VMs at
// a time each.
func TestVJobRuns(t *testing.T) {
	s := parsed(t, `
requests:
  - {at: 60s, place: {name: batch, count: 20, load: 50%, on: node7}}
`)
	for strategy, within := range map[string]time.Duration{"dvms": 25 * time.Second, "dvms-spiral": 25 * time.Second, "centralized": 55 * time.Second} {
		var all journal
		w := begun(t, s, strategy, &all)
		w.until(t, 59*time.Second)
		used := w.memory()
		w.until(t, 60*time.Second+500*time.Microsecond)
		if w.memory() != used {
			t.Errorf("%s: VMs that wait take memory", strategy)
		}
		w.until(t, 10*time.Minute)
		requests, starts := of[trace.Request](all), of[trace.Start](all)
		if len(requests) != 1 || requests[0].Outcome != "done" || requests[0].Duration > within || requests[0].VMs != 20 || requests[0].Node != "node7" {
			t.Errorf("%s: %+v", strategy, requests)
		}
		if len(starts) != 20 {
			t.Errorf("%s: %d starts", strategy, len(starts))
		}
		for _, start := range starts {
			if start.Outcome != "done" || start.Node != "node7" || start.Duration < 11*time.Second {
				t.Errorf("%s: %+v", strategy, start)
			}
		}
		if got, want := w.memory(), used+20*cluster.GiB; got != want {
			t.Errorf("%s: VMs take %v in the end, want %v", strategy, got, want)
		}
		if d := w.sim.Delivered(60); coreSeconds(d.Asked) < 0.5*500 {
			t.Errorf("%s: the first of them has asked for %.1f core-seconds", strategy, coreSeconds(d.Asked))
		}
	}
}

// memory returns what the VMs on all hosts take.
func (w *world) memory() (sum cluster.Bytes) {
	for h := range w.hosts {
		sum += w.sim.MemoryUsed(sim.HostID(h))
	}
	return sum
}

// VMs that are suspended give their memory back, and run again when they are
// resumed: on another host, if theirs drains.
func TestSuspendedVMsAreResumed(t *testing.T) {
	s := parsed(t, `
requests:
  - {at: 60s, place: {name: batch, count: 6, load: 50%, on: node7}}
  - {at: 120s, suspend: [batch, vm-0, vm-1]}
  - {at: 150s, drain: [node0]}
  - {at: 300s, resume: [batch, vm-0]}
  - {at: 400s, suspend: [batch-0]}
`)
	for _, strategy := range obedient {
		var all journal
		w := begun(t, s, strategy, &all)
		w.until(t, 119*time.Second)
		used := w.memory()
		w.until(t, 140*time.Second)
		if got := w.memory(); got != used-8*cluster.GiB {
			t.Errorf("%s: VMs take %v, and %v before eight were suspended", strategy, got, used)
		}
		w.until(t, 299*time.Second)
		if host, saved := w.operator.sleep.image[0]; !saved || host != 0 {
			t.Errorf("%s: the image of vm-0 lies on host %d (%v)", strategy, host, saved)
		}
		w.until(t, 600*time.Second)
		if got := w.memory(); got != used-2*cluster.GiB { // vm-1 sleeps on, and batch-0 again
			t.Errorf("%s: VMs take %v in the end, and %v before", strategy, got, used)
		}
		if host, runs := w.whereabouts(0); !runs || host == 0 {
			t.Errorf("%s: vm-0 is on host %d (%v), which drains", strategy, host, runs)
		}
		resumed := 0
		for _, r := range of[trace.Start](all) {
			resumed += one(r.Resumed && r.Outcome == "done")
		}
		if resumed != 7 {
			t.Errorf("%s: %d VMs are resumed, want 7", strategy, resumed)
		}
		for _, r := range of[trace.Request](all) {
			if r.Outcome != "done" || r.Kind == "suspend" && (r.Duration > 20*time.Second || r.VMs != 8 && r.VMs != 1) {
				t.Errorf("%s: %+v", strategy, r)
			}
		}
	}
}

// Who is suspended while it migrates is saved afterwards; and who is called back
// before it was saved goes on.
func TestSuspendWaitsForMigrations(t *testing.T) {
	s := parsed(t, `
requests:
  - {at: 10s, drain: [node0]}
  - {at: 12s, suspend: [vm-0, vm-12, vm-24, vm-36, vm-48]}
  - {at: 13s, resume: [vm-48]}
`)
	w := begun(t, s, "dvms", nowhere{})
	w.until(t, 100*time.Second)
	for _, vm := range []sim.VMID{0, 12, 24, 36} {
		if got := w.sim.State(vm); got != sim.VMSaved {
			t.Errorf("%s is %v", w.vms[vm].Name, got)
		}
	}
	if _, runs := w.whereabouts(48); !runs {
		t.Error("vm-48 does not run")
	}
}

// A VM whose host crashes while it is saved is saved when it runs again.
func TestSuspendOutlivesACrash(t *testing.T) {
	s := parsed(t, `
strategies: [dvms]
requests:
  - {at: 60s, suspend: [vm-0]}
faults: {crashes: {dated: [{at: 61s, host: node0, down: 30s}]}}
`)
	w := begun(t, s, "dvms", nowhere{})
	w.until(t, 80*time.Second)
	if got := w.sim.State(0); got == sim.VMSaved {
		t.Error("it was saved before the crash")
	}
	w.until(t, 100*time.Second)
	if got := w.sim.State(0); got != sim.VMSaved {
		t.Errorf("it is %v", got)
	}
}

// Of a vjob for which there is no room none is started, and other things are
// not kept from being done.
func TestVJobIsStartedWholeOrNotAtAll(t *testing.T) {
	s := parsed(t, `
hosts: {count: 6, cores: 8, memory: 32GiB}
requests:
  - {at: 20s, place: {name: giants, count: 150, load: 1%, on: node3}}
  - {at: 30s, drain: [node1]}
`)
	for _, strategy := range obedient {
		var all journal
		w := begun(t, s, strategy, &all)
		w.until(t, 10*time.Minute)
		w.finish(false)
		if starts := of[trace.Start](all); len(starts) > 0 {
			t.Errorf("%s: starts %+v", strategy, starts)
		}
		for _, r := range of[trace.Request](all) {
			want := map[string]string{"drain": "done", "place": "open"}[r.Kind]
			if r.Outcome != want || want == "open" && (r.Answers == 0 || r.Reasons == "") {
				t.Errorf("%s: %+v", strategy, r)
			}
		}
	}
}

// A rule that is broken when it comes is kept soon after, and from then on.
func TestBrokenRulesAreMended(t *testing.T) {
	for name, text := range map[string]string{
		"spread": `{name: r, spread: [vm-0, vm-12, vm-24, vm-36]}`,
		"gather": `{name: r, gather: [vm-0, vm-1, vm-2]}`,
		"ban":    `{name: r, ban: [vm-0..vm-5], nodes: [node0..node2]}`,
		"fence":  `{name: r, fence: [vm-0..vm-5], nodes: [node4, node5]}`,
		"lonely": `{name: r, lonely: [vm-0]}`,
	} {
		s := parsed(t, "requests: [{at: 60s, rule: "+text+"}, {at: 500s, remove: [r]}]\nworkload: {law: gaussian, mean: 40%, sd: 20%, start: mean, period: 60s}\n")
		for _, strategy := range obedient {
			t.Run(name+"/"+strategy, func(t *testing.T) {
				var all journal
				w := begun(t, s, strategy, &all)
				r := w.operator.tasks[0].rule
				if !w.isBroken(r) {
					t.Fatal("it is kept from the start")
				}
				for at := 160 * time.Second; at <= 490*time.Second; at += time.Second {
					w.until(t, at)
					if w.isBroken(r) {
						t.Fatalf("it is broken at %v", at)
					}
				}
				w.until(t, 501*time.Second)
				if requests := of[trace.Request](all); len(requests) != 1 || requests[0].Outcome != "done" || requests[0].Duration > 100*time.Second {
					t.Errorf("%+v", requests)
				}
				if len(w.operator.rules) > 0 {
					t.Error("it is still in force")
				}
			})
		}
	}
}

// A VM that is to stay does, whatever its host is asked for.
func TestRootStays(t *testing.T) {
	s := parsed(t, `
requests:
  - {at: 1s, rule: {name: stay, root: [vm-0]}}
  - {at: 60s, drain: [node0]}
  - {at: 300s, remove: [stay]}
`)
	for _, strategy := range obedient {
		w := begun(t, s, strategy, nowhere{})
		w.until(t, 299*time.Second)
		if !slices.Contains(w.hosted(0), "vm-0") {
			t.Errorf("%s: vm-0 has left", strategy)
		}
		w.until(t, 600*time.Second)
		if got := w.hosted(0); len(got) > 0 {
			t.Errorf("%s: node0 still hosts %v", strategy, got)
		}
	}
}

// Without a scheduler nothing is done, and the trace says so.
func TestNobodyCarriesRequestsOut(t *testing.T) {
	s := parsed(t, `
requests:
  - {at: 1s, drain: [node0]}
  - {at: 1s, place: {name: batch}}
  - {at: 2s, undrain: [node0]}
`)
	var all journal
	w := begun(t, s, "none", &all)
	w.until(t, 10*time.Minute)
	w.finish(false)
	got := of[trace.Request](all)
	if len(got) != 2 || got[0].Outcome != "withdrawn" || got[0].Duration != time.Second || got[1].Outcome != "open" {
		t.Errorf("%+v", got)
	}
	if n := len(of[trace.Migration](all)) + len(of[trace.Start](all)); n > 0 {
		t.Errorf("%d VMs have moved or started", n)
	}
}

// Whatever is asked for, and whatever crashes and gets lost: a host that drains
// lets nobody in, VMs are started once, none is lost, and the invariants of the
// protocol hold.
func TestAnyRequests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Default()
		s.Hosts.Count, s.VMs.Count, s.Duration = 8, 40, Duration(2*time.Minute)
		s.Hosts.Memory = cluster.Bytes(rapid.SampledFrom([]int{6, 7, 32}).Draw(t, "memory")) * cluster.GiB
		s.Workload.Law, s.Workload.Start, s.Workload.Period = "gaussian", "mean", Duration(time.Minute)
		s.Strategies = []string{rapid.SampledFrom(obedient).Draw(t, "strategy")}
		if s.Strategies[0] != "centralized" {
			s.Faults = drawFaults(t, s.Faults)
		}
		for _, r := range drawRequests(t) { // those that make no sense are left out
			before := s.Requests
			if s.Requests = append(slices.Clone(before), r); s.Validate() != nil {
				s.Requests = before
			}
		}
		run := traced(t, s)
		started := map[string]bool{}
		for _, r := range of[trace.Start](run.journal) {
			if started[r.VM] && !r.Resumed {
				t.Fatalf("%s is started twice", r.VM)
			}
			started[r.VM] = started[r.VM] || r.Outcome == "done"
			run.letIn(t, r.On, r.At)
		}
		for _, r := range of[trace.Migration](run.journal) {
			run.letIn(t, r.To, r.At)
		}
		run.allThere(t)
	})
}

// allThere fails if a VM neither runs nor waits.
func (r *tracedRun) allThere(t *rapid.T) {
	for vm := range r.vms {
		waiting := 0
		for h := range r.hosts {
			if slices.Contains(r.operator.waiting[sim.HostID(h)], cluster.VMID(vm)) {
				waiting++
			}
		}
		state := r.sim.State(sim.VMID(vm))
		runs := state == sim.VMRunning || state == sim.VMSuspended // for the end of its migration
		if state == sim.VMSaved {
			continue
		}
		if runs != (waiting == 0) && state != sim.VMBooting && state != sim.VMSaving && state != sim.VMRestoring || waiting > 1 {
			t.Fatalf("%s is %v, and waits %d times", r.vms[vm].Name, state, waiting)
		}
	}
}

func drawFaults(t *rapid.T, f Faults) Faults {
	if rapid.Bool().Draw(t, "fine weather") {
		return f
	}
	f.Crashes = Crashes{
		Rate: Percent(rapid.IntRange(0, 60).Draw(t, "crashes")), What: rapid.SampledFrom([]string{"host", "agent"}).Draw(t, "of"),
		Down: Duration(20 * time.Second), Spread: Duration(15 * time.Second),
	}
	f.Messages = MessageFaults{Loss: Percent(rapid.IntRange(0, 10).Draw(t, "loss")), Duplication: 3}
	if rapid.Bool().Draw(t, "cut") {
		f.Cuts = []Cut{{At: Duration(40 * time.Second), Lasts: Duration(20 * time.Second), Share: 40}}
	}
	return f
}

// sleepy are VMs that may be suspended: few, so that they are resumed, too.
var sleepy = []string{"vm-0", "vm-1", "vm-8..vm-12", "r1", "r2"}

func drawRequests(t *rapid.T) (all []Request) {
	for i := range rapid.IntRange(1, 6).Draw(t, "requests") {
		r := Request{At: Duration(20*i+rapid.IntRange(0, 19).Draw(t, "at")) * Duration(time.Second)}
		host := rapid.SampledFrom([]string{"node0", "node1", "node2", "node3", "node4", "node5", "node6", "node7"})
		vms := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string { return vmName(rapid.IntRange(0, 39).Draw(t, "vm")) }), 2, 5)
		name := fmt.Sprintf("r%d", i)
		switch rapid.IntRange(0, 8).Draw(t, "what") {
		case 0, 1:
			r.Drain = []string{host.Draw(t, "drain")}
		case 2:
			r.Undrain = []string{host.Draw(t, "undrain")}
		case 3:
			r.Place = Arrival{Name: name, Class: "m1.small-10", Count: rapid.IntRange(1, 6).Draw(t, "count"), Load: 50}
		case 4:
			r.Rule = NewRule{Name: name, Spread: vms.Draw(t, "vms")}
		case 5:
			r.Rule = NewRule{Name: name, Ban: vms.Draw(t, "vms"), Nodes: []string{host.Draw(t, "node")}}
		case 6:
			r.Rule = NewRule{Name: name, Gather: vms.Draw(t, "vms")}
		case 7:
			r.Suspend = []string{rapid.SampledFrom(sleepy).Draw(t, "suspend")}
		case 8:
			r.Resume = []string{rapid.SampledFrom(sleepy).Draw(t, "resume")}
		}
		all = append(all, r)
	}
	return all
}

// tracedRun is a run that has come to its end.
type tracedRun struct {
	*world
	journal
}

func traced(t *rapid.T, s Scenario) *tracedRun {
	r := &tracedRun{}
	w, err := newWorld(Spec{Scenario: s, Strategy: s.Strategies[0], Seed: 3, Check: true}, &r.journal)
	if err != nil {
		t.Fatal(err)
	}
	r.world = w
	w.start()
	if err := w.sim.Run(sim.Of(time.Duration(s.Duration))); err != nil {
		t.Fatal(err)
	}
	w.finish(false)
	if err := w.settle(); err != nil {
		t.Fatal(err)
	}
	return r
}

// letIn fails if a host lets a VM in while it drains. Who was promised room
// before may come; and a central scheduler's plan goes on, as nobody refuses.
func (r *tracedRun) letIn(t *rapid.T, host string, at time.Duration) {
	draining, since := false, time.Duration(0)
	for _, task := range r.operator.tasks {
		if time.Duration(task.At) > at {
			break
		}
		for _, h := range task.hosts {
			if hostName(h) == host {
				draining, since = len(task.Drain) > 0, time.Duration(task.At)
			}
		}
	}
	promised := 10 * time.Millisecond
	if r.weather != nil {
		promised = r.spec.Scenario.Settings.protocol().Collect // a message may be lost, and no promise is good for longer
	}
	if draining && at > since+promised && r.spec.Strategy != "centralized" {
		t.Fatalf("%s, which drains since %v, lets a VM in at %v", host, since, at)
	}
}

// Two runs with requests are the same, byte for byte.
func TestRequestsAreDeterministic(t *testing.T) {
	s := parsed(t, `
workload: {law: gaussian, mean: 60%, sd: 30%, start: mean, period: 60s}
requests:
  - {at: 20s, rule: {name: r, spread: [vm-0, vm-12, batch-0]}}
  - {at: 30s, drain: [node0..node2]}
  - {at: 60s, place: {name: batch, count: 6}}
  - {at: 300s, undrain: [node1]}
`)
	for _, strategy := range obedient {
		var texts [2]bytes.Buffer
		for i := range texts {
			out := trace.NewWriter(&texts[i])
			if _, err := Run(t.Context(), Spec{Scenario: s, Strategy: strategy, Seed: 5}, out, nil); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.Equal(texts[0].Bytes(), texts[1].Bytes()) || texts[0].Len() == 0 {
			t.Errorf("%s: two runs differ", strategy)
		}
	}
}

// What makes no sense is refused, and the error says where it is.
func TestNonsensicalRequests(t *testing.T) {
	for text, want := range map[string]string{
		"{at: 1s}": "line 5: requests[0]: asks for 0 things",
		"{at: 1s, drain: [node0], undrain: [node1]}":                                                              "requests[0]: asks for 2 things",
		"{at: 30m, drain: [node0]}":                                                                               "requests[0].at: 1800s is not before the end of the run, 600s",
		"{at: -1s, drain: [node0]}":                                                                               "requests[0].at: -1s is before the run begins",
		"{at: 1s, drain: [node12]}":                                                                               "requests[0].drain: there is no host \"node12\"; they are node0 to node11",
		"{at: 1s, drain: [node01]}":                                                                               "there is no host \"node01\"",
		"{at: 1s, drain: [node5..node3]}":                                                                         "requests[0].drain: node5..node3 ends before it begins",
		"{at: 1s, undrain: [node1]}":                                                                              "requests[0].undrain: node1 is not being drained then",
		"{at: 1s, drain: [node1]}, {at: 9s, drain: [node0..node2]}":                                               "requests[1].drain: node1 is being drained already; undrain it before",
		"{at: 9s, undrain: [node1]}, {at: 99s, drain: [node1]}":                                                   "requests[0].undrain: node1 is not being drained then",
		"{at: 1s, drian: [node1]}":                                                                                "did you mean drain?",
		"{at: 1s, place: {class: small}}":                                                                         "requests[0].place.name: \"\" is not a name",
		"{at: 1s, place: {name: vm, class: small}}":                                                               "choose another name",
		"{at: 1s, place: {name: b}}":                                                                              "requests[0].place.class: is missing; the classes are small, huge",
		"{at: 1s, place: {name: b, class: tiny}}":                                                                 "there is no class \"tiny\"; the classes are small, huge",
		"{at: 1s, place: {name: b, class: small, count: 0}}":                                                      "requests[0].place.count: 0 VMs; at least 1 is needed",
		"{at: 1s, place: {name: b, class: small, count: -1}}":                                                     "requests[0].place.count: -1 VMs",
		"{at: 1s, place: {name: b, class: small, load: 0%}}":                                                      "requests[0].place.load: 0% is not above 0%",
		"{at: 1s, place: {name: b, class: small, load: 101%}}":                                                    "101% is not above 0% and up to 100%",
		"{at: 1s, place: {name: b, class: small, on: node0..node1}}":                                              "requests[0].place.on: node0..node1 are 2 hosts; one is asked",
		"{at: 1s, place: {name: b, class: small, on: here}}":                                                      "requests[0].place.on: there is no host \"here\"",
		"{at: 1s, rule: {spread: [vm-0, vm-1]}}":                                                                  "requests[0].rule.name: \"\" is not a name",
		"{at: 1s, rule: {name: r}}":                                                                               "requests[0].rule: is of 0 kinds",
		"{at: 1s, rule: {name: r, spread: [vm-0], gather: [vm-1]}}":                                               "requests[0].rule: is of 2 kinds",
		"{at: 1s, rule: {name: r, spread: [vm-0]}}":                                                               "requests[0].rule.spread: 1 VM; at least 2 are needed",
		"{at: 1s, rule: {name: r, spread: [vm-0..vm-12]}}":                                                        "13 VMs can't be on as many of 12 hosts",
		"{at: 1s, rule: {name: r, spread: [vm-0, vm-60]}}":                                                        "there is no VM \"vm-60\"; they are vm-0 to vm-59",
		"{at: 1s, rule: {name: r, fence: [vm-0]}}":                                                                "requests[0].rule.nodes: are missing",
		"{at: 1s, rule: {name: r, ban: [vm-0], nodes: [node0..node11]}}":                                          "requests[0].rule.nodes: are all hosts",
		"{at: 1s, rule: {name: r, lonely: [vm-0], nodes: [node0]}}":                                               "a rule of kind lonely speaks of VMs only",
		"{at: 1s, rule: {name: r, lonely: [vm-0], holds: sometimes}}":                                             "requests[0].rule.holds: \"sometimes\" is neither always nor at the end",
		"{at: 1s, rule: {name: r, among: [vm-0]}}":                                                                "there is no such key here",
		"{at: 1s, resume: [vm-0]}":                                                                                "requests[0].resume: vm-0 is not suspended then",
		"{at: 1s, suspend: [vm-0]}, {at: 2s, suspend: [vm-0..vm-3]}":                                              "requests[1].suspend: vm-0 is suspended already; resume it before",
		"{at: 9s, place: {name: b, class: small}}, {at: 2s, suspend: [b-0]}":                                      "requests[1].suspend: b-0 comes later",
		"{at: 1s, remove: [r]}":                                                                                   "requests[0].remove: there is no rule \"r\" then",
		"{at: 1s, rule: {name: r, lonely: [vm-0]}}, {at: 2s, rule: {name: r, lonely: [vm-1]}}":                    "requests[1].rule.name: there is a rule r already; remove it before",
		"{at: 1s, place: {name: web, class: small, count: 2}}, {at: 2s, rule: {name: r, spread: [wbe]}}":          "did you mean web?",
		"{at: 1s, place: {name: web, class: small, count: 2}}, {at: 2s, rule: {name: r, spread: [web-0, web-2]}}": "there is no VM \"web-2\"",
		"{at: 1s, place: {name: web, class: small}}, {at: 2s, place: {name: web, class: small}}":                  "requests[1].place.name: web is there twice",
	} {
		const base = "hosts: {count: 12, cores: 8, memory: 32GiB}\nvms: {count: 60, classes: [{name: small, vcpus: 1, memory: 1GiB}, {name: huge, vcpus: 8, memory: 30GiB}]}\nduration: 10m\nstrategies: [dvms]\n"
		_, err := Parse("test.yaml", []byte(base+"requests: ["+text+"]\n"))
		var bad *KeyError
		if !errors.As(err, &bad) || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "test.yaml: line 5: ") {
			t.Errorf("%s\n\tis refused as %v\n\twant %s", text, err, want)
		}
	}
}

// Strategies that can't do what is asked are refused.
func TestRequestsNeedAStrategyThatKnowsThem(t *testing.T) {
	_, err := Parse("test.yaml", []byte("requests: [{at: 1s, drain: [node0]}]\nstrategies: [none, ffd]\n"))
	if err == nil || !strings.Contains(err.Error(), "line 2: strategies[1]: ffd carries no requests out") {
		t.Error(err)
	}
}

// Names stand for hosts and VMs as documented.
func TestNamesInRequests(t *testing.T) {
	s, err := Parse("test.yaml", []byte(`
sites: [{name: A, hosts: 3}, {name: B, hosts: 2}]
links: [{between: [A, B]}]
vms: {count: 5}
requests:
  - {at: 9s, rule: {name: r, gather: [vm-4, web-1..web-2, db, vm-0..vm-1]}}
  - {at: 5s, place: {name: db, class: m1.small-10}}
  - {at: 4s, place: {name: web, class: m1.small-10, count: 3}}
  - {at: 3s, drain: [B, node0]}
`))
	if err != nil {
		t.Fatal(err)
	}
	tasks, err := s.tasks()
	if err != nil {
		t.Fatal(err)
	}
	if got := tasks[0].hosts; !slices.Equal(got, []int{0, 3, 4}) || tasks[0].label != "drain B, node0 (3s)" {
		t.Errorf("%s is about hosts %v", tasks[0].label, got)
	}
	if got := tasks[3].rule.VMs; !slices.Equal(got, []cluster.VMID{0, 1, 4, 6, 7, 8}) {
		t.Errorf("the rule is about VMs %v", got)
	}
	if got := tasks[3].rule; !got.Always || got.Kind.String() != "gather" {
		t.Errorf("%+v", got)
	}
}
