package validation

import (
	"io/fs"
	"math"
	"path"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

// cpuCases returns the names of the cases of the folder cpu.
func cpuCases(t *testing.T) []string {
	t.Helper()
	files, err := fs.Glob(Cases(), "cpu/*.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases, error %v", len(files), err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(path.Base(f), ".json")
	}
	return names
}

func readCPU(t *testing.T, name string) []byte {
	t.Helper()
	data, err := fs.ReadFile(Cases(), "cpu/"+name+".json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestCPUCasesOfThePeer(t *testing.T) {
	compared := 0
	for _, name := range cpuCases(t) {
		r, err := Replay("cpu", name, readCPU(t, name))
		if err != nil {
			t.Error(err)
			continue
		}
		if !r.OK() || r.Compared == 0 {
			t.Errorf("%s: %s is %v, want %v: off by %.2g (%d compared)", name, r.At, r.Got, r.Want, r.Worst, r.Compared)
		}
		compared += r.Compared
	}
	if compared < 1000 {
		t.Errorf("only %d quantities were compared", compared)
	}
}

// Where the peer is wrong, this is what is right. Rates are in Gflop/s.
func TestRightAnswersWhereThePeerIsWrong(t *testing.T) {
	const never = -1
	stated := map[string]bool{}
	for _, k := range []struct {
		name, why string
		finish    map[string]float64
		rates     map[string]float64 // by "task before date"
	}{
		{
			name: "quirk_bounded_task_in_vm",
			why:  "a VM whose only task can use 0.25 takes no more, and the other task gets its cap",
			rates: map[string]float64{
				"p1 before 10": 0.75, "a1 before 10": 0.25,
			},
		},
		{
			name: "quirk_outside_exec_suspend",
			why:  "a suspended VM runs nothing, whoever began it",
			rates: map[string]float64{
				"a1 before 10": 1, "x1 before 10": 1,
				"a1 before 20": 0, "x1 before 20": 0,
				"a1 before 30": 1, "x1 before 30": 1,
			},
		},
		{
			name: "quirk_pstate_1core_vm_alone",
			why:  "a VM computes at the speed of its host: 10 s at 1, 10 s at 0.5, and 15 s at 1 make 30",
			rates: map[string]float64{
				"a1 before 10": 1, "a1 before 20": 0.5, "a1 before 30": 1,
			},
			finish: map[string]float64{"a1": 35},
		},
		{
			name: "quirk_second_task_suspend",
			why:  "a task may be suspended as often as one likes",
			rates: map[string]float64{
				"t1 before 10": 0, "t2 before 10": 1,
				"t1 before 15": 0.5, "t2 before 15": 0.5,
				"t1 before 20": 0, "t2 before 20": 1,
			},
		},
		{
			name: "quirk_shutdown_keeps_weight",
			why:  "a VM that is shut down takes nothing: thesis 5.4.2, \"the CPU share of VM1 and the task on the PM increased to approximately 50%\"",
			rates: map[string]float64{
				"VM1_t1 before 90": 1. / 6, "PM_t1 before 90": 1. / 3,
				"VM1_t1 before 100": 0.25, "VM1_t2 before 100": 0.25, "PM_t1 before 100": 0.5,
				"VM1_t1 before 120": 0.25, "VM1_t2 before 120": 0.25, "PM_t1 before 120": 0.5,
			},
		},
		{
			name: "quirk_task_kill_keeps_weight",
			why:  "a VM whose task is cancelled takes nothing",
			rates: map[string]float64{
				"VM1_t1 before 30": 1. / 6, "PM_t1 before 30": 1. / 3,
				"VM1_t1 before 40": 0.25, "VM1_t2 before 40": 0.25, "PM_t1 before 40": 0.5,
			},
			finish: map[string]float64{"VM2_t1": never},
		},
		{
			name: "quirk_unwaited_exec_keeps_weight",
			why:  "a task ends when its work is done, whether or not somebody waits for it",
			rates: map[string]float64{
				"VM2_t1 before 15": 1. / 3,
				"VM1_t1 before 20": 0.25, "VM1_t2 before 20": 0.25, "PM_t1 before 20": 0.5,
				"VM1_t1 before 30": 0.25, "PM_t1 before 30": 0.5,
			},
			finish: map[string]float64{"VM2_t1": 15},
		},
		{
			name: "quirk_vm_move_multicore_weight",
			why:  "2 of 3 tasks on a core are the VM's from 20 s on, so its 1 Gflop takes 3 s",
			rates: map[string]float64{
				"a1 before 20": 0.5, "pa before 20": 1, "pb before 20": 0.5,
				"a1 before 30": 0.45, "pb before 30": 0.45,
			},
			finish: map[string]float64{"a2": 23},
		},
		{
			name: "vm_instant_move",
			why:  "the VM uses the faster core once it has it for itself, after 30 s: its tasks have 27.5 Gflop left each",
			rates: map[string]float64{
				"a1 before 20": 0.5, "a2 before 20": 0.5, "pa before 20": 1, "pb before 20": 1,
			},
			finish: map[string]float64{"a1": 57.5, "a2": 57.5, "pa": 45, "pb": 30},
		},
	} {
		stated[k.name] = true
		t.Run(k.name, func(t *testing.T) {
			var c Comparison
			if err := replayCPU(readCPU(t, k.name), sim.Right, &c); err != nil {
				t.Fatal(err)
			}
			got := map[string]float64{}
			for _, q := range c.all {
				got[q.Name] = q.Got
			}
			for name, want := range k.rates {
				if is := got["rate of "+name] / sim.Giga; !(math.Abs(is-want) <= 1e-9) {
					t.Errorf("%s gets %v, want %v: %s", name, is, want, k.why)
				}
			}
			for name, want := range k.finish {
				is := got["finish of "+name]
				if want == never && !math.IsNaN(is) || want != never && !(math.Abs(is-want) <= 1e-9*want) {
					t.Errorf("%s ends at %v, want %v: %s", name, is, want, k.why)
				}
			}
		})
	}
	for _, name := range cpuCases(t) {
		if strings.HasPrefix(name, "quirk_") && !stated[name] {
			t.Errorf("what is right for %s is not stated", name)
		}
	}
}

func TestCPUCasesThatMakeNoSense(t *testing.T) {
	for _, k := range []struct{ name, data, want string }{
		{"no JSON", `{`, "unexpected"},
		{"unknown field", `{"hots": []}`, "hots"},
		{"host without speed", `{"hosts": [{"name": "a", "cores": 1}]}`, `host "a": it has no speed`},
		{"VM on no host", `{"vms": [{"name": "v", "host": "b", "cores": 1}]}`, `no host "b"`},
		{"task on nothing", `{"tasks": [{"name": "t", "on": "x", "flops": 1}]}`, `task "t": there is no host or VM "x"`},
		{"operation on nothing", `{"ops": [{"t": 1, "op": "vm_suspend", "target": "x"}]}`, `vm_suspend of "x"`},
		{
			"unknown operation", `{"hosts": [{"name": "a", "cores": 1, "speed_per_pstate": [1]}],
			"vms": [{"name": "v", "host": "a", "cores": 1}], "ops": [{"t": 1, "op": "vm_clone", "target": "v"}]}`, "vm_clone",
		},
		{"finish of nothing", `{"finish": [{"task": "x", "finish": 1}]}`, `no such task`},
	} {
		_, err := Replay("cpu", k.name, []byte(k.data))
		if err == nil || !strings.Contains(err.Error(), k.want) || !strings.Contains(err.Error(), "cpu/"+k.name) {
			t.Errorf("%s: error %v, want one that says %q", k.name, err, k.want)
		}
	}
}
