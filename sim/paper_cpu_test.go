package sim

import (
	"math"
	"testing"
)

// The sentences of the thesis behind DVMS about shares of CPU, sections 5.3.1
// and 5.4.2.

// figure25 is the right side of Figure 25: "A PM has two VMs (VM1 and VM2) and a
// computation task. VM1 has two computation tasks, and VM2 has a computation
// task."
type figure25 struct {
	world
	vm1, vm2 VMID
	tasks    [4]Exec // VM1's two, VM2's, and the PM's
}

func newFigure25(t *testing.T) figure25 {
	f := figure25{world: newWorld(t)}
	pm := f.host("PM", 1)
	f.vm1, f.vm2 = f.vm("VM1", pm, 1), f.vm("VM2", pm, 1)
	for i, at := range []Place{f.vm1.Place(), f.vm1.Place(), f.vm2.Place(), pm.Place()} {
		f.tasks[i] = f.endless(at, 1)
	}
	return f
}

// gets fails unless the tasks get these parts of the PM.
func (f *figure25) gets(when string, want ...float64) {
	f.t.Helper()
	for i, e := range f.tasks {
		if got := float64(f.ExecRate(e)) / Giga; math.Abs(got-want[i]) > 1e-12 {
			f.t.Errorf("%s, task %d gets %v of the PM, want %v", when, i, got, want[i])
		}
	}
}

// "each task on VM1 obtains 16.7% of the CPU capacity while the VM2 one obtains
// 33.3%."
func TestFigure25Shares(t *testing.T) {
	f := newFigure25(t)
	f.gets("without other conditions", 1./6, 1./6, 1./3, 1./3)
}

// "if we set 2x larger priority to VM1, VM1 obtains 50% of the computation
// capacity, and VM2 and the task on the PM get only 25%, respectively."
func TestFigure25Priority(t *testing.T) {
	f := newFigure25(t)
	f.must(f.SetVMPriority(f.vm1, 2))
	f.gets("with priority 2 for VM1", 0.25, 0.25, 0.25, 0.25)
	if got := f.Share(f.vm1); got != Giga/2 {
		t.Errorf("VM1 gets %v, want a half", got)
	}
}

// "We can set the maximum CPU utilization of VM1 to 10% of the capacity of the
// PM. Even if we remove VM2 and the task on the PM, VM1 cannot obtain more than
// 10%."
func TestFigure25Cap(t *testing.T) {
	f := newFigure25(t)
	f.must(f.SetVMCap(f.vm1, Giga/10))
	f.gets("with a cap of 10 %", 0.05, 0.05, 0.45, 0.45)
	f.must(f.Destroy(f.vm2))
	f.must(f.CancelExec(f.tasks[3]))
	f.gets("alone on the PM", 0.05, 0.05, 0, 0)
}

// "First, VM1, VM2, and the task on the PM fairly shared the CPU resource of the
// PM, consuming approximately 33.3% respectively. On VM1, each task consumed
// approximately 50% of the CPU share assigned to VM1. At 30 seconds, we suspended
// VM1 running the 2 tasks. Thus, the task on VM2 and the task on the PM consumed
// approximately 50%, respectively. At 60 seconds, we resumed VM1. The CPU
// utilization of each task was recovered as the initial state. At 90 seconds, we
// shut down VM2. Then, the CPU share of VM1 and the task on the PM increased to
// approximately 50%, respectively."
func TestFigure29(t *testing.T) {
	f := newFigure25(t)
	f.run(30)
	f.gets("at first", 1./6, 1./6, 1./3, 1./3)
	f.must(f.Suspend(f.vm1))
	f.run(60)
	f.gets("while VM1 is suspended", 0, 0, 0.5, 0.5)
	f.must(f.Resume(f.vm1))
	f.run(90)
	f.gets("when VM1 is resumed", 1./6, 1./6, 1./3, 1./3)
	f.must(f.Shutdown(f.vm2))
	f.run(120)
	f.gets("when VM2 is shut down", 0.25, 0.25, 0, 0.5)
}

// "The set_affinity function pins the execution of a VM (or a task) on given CPU
// cores." Section 5.4 pins VMs to a core each.
func TestAffinityKeepsVMsOnTheirCores(t *testing.T) {
	w := newWorld(t)
	pm := w.host("PM", 4)
	var vms []VMID
	for _, name := range []string{"a", "b", "c"} {
		id := w.vm(name, pm, 2)
		w.endless(id.Place(), 1)
		w.endless(id.Place(), 1)
		vms = append(vms, id)
	}
	gets := func(want ...Speed) {
		t.Helper()
		for i, id := range vms {
			if got := w.Share(id); math.Abs(float64(got-want[i]*Giga)) > 1e-3 {
				t.Errorf("VM %d gets %v, want %v cores", i, got, want[i])
			}
		}
	}
	gets(4./3, 4./3, 4./3)
	w.must(w.Pin(vms[0], []int{0}))
	w.must(w.Pin(vms[1], []int{0}))
	gets(0.5, 0.5, 2)
	w.must(w.Pin(vms[1], []int{0, 1}))
	gets(1, 1, 2)
	w.must(w.Pin(vms[2], []int{1}))
	gets(2./3, 2./3, 2./3)
	for _, id := range vms {
		w.must(w.Pin(id, nil))
	}
	gets(4./3, 4./3, 4./3)
}
