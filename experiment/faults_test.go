package experiment_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/trace"
)

const second = experiment.Duration(time.Second)

// stormy is a small data centre with much load, in which all kinds of faults happen.
func stormy(what string) experiment.Scenario {
	s := experiment.Default()
	s.Hosts.Count, s.VMs.Count, s.Duration = 20, 200, 900*second
	s.Workload.Law, s.Workload.Start, s.Workload.Mean, s.Workload.Period = "gaussian", "mean", 65, 60*second
	s.Strategies = []string{"dvms"}
	s.Faults.Crashes.Rate, s.Faults.Crashes.What = 10, what
	s.Faults.Crashes.Down, s.Faults.Crashes.Spread = 30*second, 10*second
	s.Faults.Messages = experiment.MessageFaults{Loss: 2, Duplication: 2, Jitter: experiment.Duration(5 * time.Millisecond)}
	s.Faults.Cuts = []experiment.Cut{{At: 300 * second, Lasts: 40 * second, Share: 40}}
	return s
}

// faultsOf returns the records of one kind of fault.
func faultsOf(all records, what string) (found []trace.Fault) {
	for _, r := range all {
		if f, ok := r.(trace.Fault); ok && f.What == what {
			found = append(found, f)
		}
	}
	return found
}

// All invariants hold in a storm, and it was one.
func TestStorm(t *testing.T) {
	for _, what := range []string{"host", "agent"} {
		for _, strategy := range []string{"none", "dvms", "dvms-spiral"} {
			s := stormy(what)
			got, all := run(t, s, strategy)
			f := got.Faults
			if crashes := f.HostCrashes + f.AgentCrashes; crashes < 15 || crashes > 45 || f.Returns > crashes || f.Returns < crashes-4 || f.Cuts != 1 {
				t.Errorf("%s, %s: %+v", what, strategy, *f)
			}
			if (what == "host") != (f.HostCrashes > 0) || (what == "agent") != (f.AgentCrashes > 0) {
				t.Errorf("%s, %s: %+v", what, strategy, *f)
			}
			if strategy != "none" && (f.Lost < 50 || f.Doubled < 50 || got.Partitions.Solved < 20) {
				t.Errorf("%s, %s: %+v, %+v", what, strategy, *f, *got.Partitions)
			}
			if n := len(faultsOf(all, "healed")); n != 1 {
				t.Errorf("%s, %s: healed %d times", what, strategy, n)
			}
		}
	}
}

// Loads do not depend on faults, and faults do not depend on the strategy.
func TestFaultsAreDrawnForThemselves(t *testing.T) {
	s := stormy("host")
	with, all := run(t, s, "none")
	_, others := run(t, s, "dvms")
	if !slices.Equal(faultsOf(all, "host-crash"), faultsOf(others, "host-crash")) {
		t.Error("other hosts crash under another strategy")
	}
	s.Faults = experiment.Default().Faults
	if without, _ := run(t, s, "none"); without.Changes != with.Changes || without.Faults != nil {
		t.Errorf("%d changes of load with faults and %d without, %v", with.Changes, without.Changes, without.Faults)
	}
}

func TestSameStormSameBytes(t *testing.T) {
	for _, strategy := range []string{"dvms", "dvms-spiral"} {
		first := traceOf(t, stormy("host"), strategy)
		if second := traceOf(t, stormy("host"), strategy); !bytes.Equal(first, second) || len(first) < 10_000 {
			t.Errorf("two runs of %s differ, or are short: %d bytes", strategy, len(first))
		}
	}
}

// A check does not change a run.
func TestCheckChangesNothing(t *testing.T) {
	var traces [2]bytes.Buffer
	for i := range traces {
		w := trace.NewWriter(&traces[i])
		spec := experiment.Spec{Scenario: stormy("agent"), Strategy: "dvms", Seed: 5, Check: i == 1}
		if _, err := experiment.Run(t.Context(), spec, w, nil); err != nil {
			t.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(traces[0].Bytes(), traces[1].Bytes()) {
		t.Error("the traces with and without a check differ")
	}
}

// two hosts of which the first is overloaded from the start on, and for ever.
func overloadedPair() experiment.Scenario {
	s := experiment.Default()
	s.Hosts = experiment.Hosts{Count: 2, Cores: 2, Memory: 32 * cluster.GiB, Network: cluster.Gigabit}
	s.VMs = experiment.VMs{Count: 6, Classes: []experiment.Class{{Name: "large", VCPUs: 1, Memory: cluster.GiB}}}
	s.Workload.Law, s.Workload.Start, s.Workload.Mean, s.Workload.SD = "gaussian", "mean", 100, 0
	s.Workload.Period = 1000 * 3600 * second
	s.Duration, s.Settings.Sample = 300*second, second
	return s
}

// While a host is down its VMs do not run: nobody asks for more than there is.
// They run again when it returns.
func TestCrashOfAHost(t *testing.T) {
	s := overloadedPair()
	s.Strategies = []string{"none"}
	s.Faults.Crashes.Dated = []experiment.Crash{{At: 100 * second, Host: "node0", Down: 50 * second}}
	_, all := run(t, s, "none")
	var got []string
	for _, r := range all {
		switch r := r.(type) {
		case trace.Fault:
			got = append(got, fmt.Sprint(r.What, " ", r.Host, " ", r.At))
		case trace.Violation:
			got = append(got, fmt.Sprint("violation ", r.Host, " ", r.At, " ", r.Duration, " ", r.Arrival))
		case trace.Load:
			if want := cluster.Millicores(6000); r.At == 120*time.Second {
				want = 3000
				if r.Demand != want {
					t.Errorf("at %v %v are asked for, want %v", r.At, r.Demand, want)
				}
			} else if r.At == 200*time.Second && r.Demand != want {
				t.Errorf("at %v %v are asked for, want %v", r.At, r.Demand, want)
			}
		}
	}
	want := []string{
		"host-crash node0 1m40s", "violation node0 0s 1m40s false", "host-return node0 2m30s",
		"violation node0 2m30s 2m30s false", "violation node1 0s 5m0s false",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// Without its agent a host is overloaded for as long as that is down; the
// summary says for how long.
func TestCrashOfAnAgent(t *testing.T) {
	s := overloadedPair()
	s.Hosts.Count, s.VMs.Count = 4, 9 // 3, 2, 2 and 2
	s.Strategies = []string{"dvms"}
	s.Hosts.Cores, s.Hosts.Usable = 3, 2500*cluster.Millicores(1)
	s.Faults.Crashes.What = "agent"
	s.Faults.Crashes.Dated = []experiment.Crash{{At: 0, Host: "node0", Down: 100 * second}}
	got, all := run(t, s, "dvms")
	crash, back := faultsOf(all, "agent-crash"), faultsOf(all, "agent-return")
	if len(crash) != 1 || len(back) != 1 || back[0].At != 100*time.Second {
		t.Errorf("%v, %v", crash, back)
	}
	// Its three VMs never fit anywhere: the event is raised when the agent is back.
	if got.Faults.Unattended != 100 || got.Violations.Total != 300 || got.Partitions.Unsolvable == 0 {
		t.Errorf("%+v, %+v, %+v", *got.Faults, got.Violations, *got.Partitions)
	}
}

// A node of whose death nobody hears is found out by those who wait for it, and
// one of whose death all hear is not asked.
func TestDetection(t *testing.T) {
	for _, never := range []bool{false, true} {
		s := stormy("host")
		s.Faults.Messages, s.Faults.Cuts = experiment.MessageFaults{}, nil
		s.Faults.Detection.Never = never
		s.Faults.Detection.After, s.Faults.Detection.Spread = second, 0
		got, _ := run(t, s, "dvms")
		if lost := got.Faults.Lost; never == (lost < 30) {
			t.Errorf("%d messages were lost at dead nodes, with %v that nobody hears", lost, never)
		}
	}
}

func TestValidateFaults(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"crashes: {rate: 101%}", "line 2: faults.crashes.rate: 101% is not from 0% to 100%"},
		{"crashes: {what: rack}", `line 2: faults.crashes.what: "rack" is neither host nor agent`},
		{"crashes: {down: 0s}", "line 2: faults.crashes.down: 0s is not from 1ms to 87600h"},
		{"crashes: {down: 10s, spread: 20s}", "line 2: faults.crashes.spread: 20s is not from 0s to 9.999s"},
		{"crashes: {dated: [{at: 2h, host: node1}]}", "line 2: faults.crashes.dated[0].at: 2h is not from 0s to less than the 1800s of the run"},
		{"crashes: {dated: [{at: 2s, host: node64}]}", `line 2: faults.crashes.dated[0].host: "node64" is not a host; they are node0 to node63`},
		{"crashes: {dated: [{at: 2s, host: node01}]}", `line 2: faults.crashes.dated[0].host: "node01" is not a host; they are node0 to node63`},
		{"crashes: {dated: [{at: 2s, host: node1, what: x}]}", `line 2: faults.crashes.dated[0].what: "x" is neither host nor agent`},
		{"detection: {after: 1s, spread: 2s}", "line 2: faults.detection.spread: 2s is not from 0s to 1s"},
		{"messages: {loss: -1%}", "line 2: faults.messages.loss: -1% is not from 0% to 100%"},
		{"messages: {delay: 1s}", "line 2: faults.messages.delay: there is no such key here; there are loss, duplication, jitter"},
		{"cuts: [{at: 1s, lasts: 1s}]", "line 2: faults.cuts[0].share: a cut needs a share of the hosts or a list of sites, and not both"},
		{"cuts: [{at: 1s, lasts: 1s, share: 100%}]", "line 2: faults.cuts[0].share: 100% is not from more than 0% to less than 100%"},
		{"cuts: [{at: 1s, lasts: 9s, share: 5%}, {at: 5s, lasts: 1s, share: 5%}]", "line 2: faults.cuts[1].at: 5s, and the cut before lasts until 10s; there is one at a time"},
		{"cuts: [{at: 1s, lasts: 1s, sites: [x]}]", `line 2: faults.cuts[0].sites[0]: "x" is not a site`},
	} {
		_, err := experiment.Parse("f.yaml", []byte("strategies: [dvms]\nfaults: {"+test.text+"}\n"))
		if err == nil || err.Error() != "f.yaml: "+test.want {
			t.Errorf("%s:\ngot  %v\nwant f.yaml: %s", test.text, err, test.want)
		}
	}
	_, err := experiment.Parse("f.yaml", []byte("strategies: [dvms, centralized]\nfaults: {crashes: {rate: 1%}}\n"))
	if err == nil || !strings.Contains(err.Error(), "line 1: strategies[1]: centralized has no answer to faults") {
		t.Errorf("%v", err)
	}
}

// VMs that rest where they have migrated to are no obstacle to others.
func TestRestingVMs(t *testing.T) {
	s := stormy("host")
	s.Faults = experiment.Default().Faults
	s.Settings.Monitor.Cooldown = 60 * second
	_, all := run(t, s, "dvms")
	viable := 0
	for _, r := range all {
		if s, ok := r.(trace.Solve); ok {
			viable += strings.Count(s.Answer, "viable")
			if strings.HasPrefix(s.Reasons, "rule") {
				t.Fatalf("%+v", s)
			}
		}
	}
	if viable < 20 {
		t.Errorf("%d plans were made", viable)
	}
}
