package validation

import (
	"fmt"
	"math"

	"github.com/dvms-project/dvms/sim"
)

// cpuCase is a file of the folder cpu: machines, what they compute, what
// happens to them, and what the peer made of it. A null is a NaN: no cap, or no
// date.
type cpuCase struct {
	Name, Note string
	Hosts      []struct {
		Name   string
		Cores  int
		Speeds []sim.Speed `json:"speed_per_pstate"`
	}
	VMs []struct {
		Name, Host string
		Cores      int
		Bound      *sim.Speed
	}
	Tasks []struct {
		Name, On string
		Flops    sim.Work
		Start    sim.Seconds
		Priority float64
		Bound    *sim.Speed
		Threads  int
		// Who issues a task, and whether somebody waits for it, matters to the
		// peer only.
		Issuer   string
		Unwaited bool
	}
	Ops []struct {
		T            sim.Seconds
		Op           string
		Target, Dest string
		Value        float64
	}
	Samples []struct {
		T         sim.Seconds
		Remaining map[string]*float64
		Rate      map[string]*float64 `json:"mean_rate_since_previous_sample"`
		Load      map[string]*float64 `json:"host_load"`
	}
	Finish []struct {
		Task   string
		Finish *float64
	}
}

// cpuReplay is a case as it is simulated.
type cpuReplay struct {
	*cpuCase
	sim     *sim.Simulation
	against *Comparison

	hosts map[string]sim.HostID
	vms   map[string]sim.VMID
	tasks map[string]int
	runs  []taskRun // of each task
}

// taskRun is how far a task has come.
type taskRun struct {
	exec     sim.Exec
	begun    bool
	gone     bool    // it was cancelled, or its VM is gone
	finished float64 // the date, or NaN
	before   float64 // what remained at the previous sample, or NaN
}

// replayCPU replays a case of the folder cpu, and compares what remains of each
// task and how fast it was at each sample, the load of hosts, and the dates of
// completion.
func replayCPU(data []byte, law sim.Law, c *Comparison) error {
	var k cpuCase
	if err := decode(data, &k); err != nil {
		return err
	}
	settings := sim.DefaultSettings()
	settings.Law, settings.Check = law, true
	s, err := sim.NewWith(settings)
	if err != nil {
		return err
	}
	r := &cpuReplay{
		cpuCase: &k, sim: s, against: c,
		hosts: map[string]sim.HostID{}, vms: map[string]sim.VMID{}, tasks: map[string]int{},
	}
	if err := r.build(); err != nil {
		return err
	}
	// At the same date, what is done comes before what is looked at, and that
	// before what begins.
	for i := range k.Ops {
		s.Call(k.Ops[i].T, func() { r.must(r.do(i)) })
	}
	for i := range k.Samples {
		s.Call(k.Samples[i].T, func() { r.sample(i) })
	}
	for i := range k.Tasks {
		s.Call(k.Tasks[i].Start, func() { r.must(r.begin(i)) })
	}
	if err := s.Run(r.horizon()); err != nil {
		return err
	}
	for _, f := range k.Finish {
		i, ok := r.tasks[f.Task]
		if !ok {
			return fmt.Errorf("finish of %q: there is no such task", f.Task)
		}
		c.Compare("finish of "+f.Task, f.Finish, r.runs[i].finished)
	}
	return nil
}

// must ends the run if something can't be done.
func (r *cpuReplay) must(err error) {
	if err != nil {
		r.sim.Fail(err)
	}
}

// build adds the machines.
func (r *cpuReplay) build() error {
	for _, h := range r.Hosts {
		id, err := r.sim.AddHost(sim.HostSpec{Name: h.Name, Cores: h.Cores, Speeds: h.Speeds})
		if err != nil {
			return err
		}
		r.hosts[h.Name] = id
	}
	for _, v := range r.VMs {
		host, ok := r.hosts[v.Host]
		if !ok {
			return fmt.Errorf("VM %q: there is no host %q", v.Name, v.Host)
		}
		id, err := r.sim.AddVM(sim.VMSpec{Name: v.Name, Host: host, VCPUs: v.Cores, Cap: cap(v.Bound)})
		if err != nil {
			return err
		}
		r.vms[v.Name] = id
	}
	for i, t := range r.Tasks {
		r.tasks[t.Name] = i
		run := taskRun{finished: Never, before: Never}
		if t.Start == 0 {
			run.before = float64(t.Threads) * float64(t.Flops)
		}
		r.runs = append(r.runs, run)
	}
	return nil
}

// cap returns a cap that may be null.
func cap(bound *sim.Speed) sim.Speed {
	if bound == nil {
		return 0
	}
	return *bound
}

// begin begins a task.
func (r *cpuReplay) begin(i int) error {
	t := &r.Tasks[i]
	var at sim.Place
	if vm, ok := r.vms[t.On]; ok {
		at = vm.Place()
	} else if host, ok := r.hosts[t.On]; ok {
		at = host.Place()
	} else {
		return fmt.Errorf("task %q: there is no host or VM %q", t.Name, t.On)
	}
	spec := sim.ExecSpec{Work: t.Flops, Priority: t.Priority, Cap: cap(t.Bound), Threads: t.Threads}
	exec, err := r.sim.Execute(at, spec, r, uint64(i))
	r.runs[i].exec, r.runs[i].begun = exec, true
	return err
}

// Completed takes note of the end of a task.
func (r *cpuReplay) Completed(now sim.Seconds, i uint64, err error) {
	if err == nil {
		r.runs[i].finished = float64(now)
	} else {
		r.runs[i].gone = true
	}
}

// do does what happens to a machine or a task.
func (r *cpuReplay) do(i int) error {
	op := &r.Ops[i]
	if task, ok := r.tasks[op.Target]; ok {
		return r.doTask(op.Op, op.Value, task)
	}
	if vm, ok := r.vms[op.Target]; ok {
		return r.doVM(op.Op, op.Value, op.Dest, vm)
	}
	if host, ok := r.hosts[op.Target]; ok && op.Op == "host_pstate" {
		return r.sim.SetPState(host, int(op.Value))
	}
	return fmt.Errorf("%s of %q: there is no such thing", op.Op, op.Target)
}

func (r *cpuReplay) doTask(op string, value float64, i int) error {
	exec := r.runs[i].exec
	switch op {
	case "task_priority":
		return r.sim.SetExecPriority(exec, value)
	case "task_suspend":
		return r.sim.SuspendExec(exec)
	case "task_resume":
		return r.sim.ResumeExec(exec)
	case "task_cancel", "task_kill":
		r.runs[i].gone = true
		return r.sim.CancelExec(exec)
	}
	return fmt.Errorf("%s: tasks know no such operation", op)
}

func (r *cpuReplay) doVM(op string, value float64, dest string, vm sim.VMID) error {
	switch op {
	case "vm_suspend":
		return r.sim.Suspend(vm)
	case "vm_resume":
		return r.sim.Resume(vm)
	case "vm_destroy", "vm_shutdown":
		r.end(vm)
		if op == "vm_shutdown" {
			return r.sim.Shutdown(vm)
		}
		return r.sim.Destroy(vm)
	case "vm_bound":
		return r.sim.SetVMCap(vm, sim.Speed(value))
	case "vm_move":
		to, ok := r.hosts[dest]
		if !ok {
			return fmt.Errorf("vm_move: there is no host %q", dest)
		}
		return r.sim.Move(vm, to)
	}
	return fmt.Errorf("%s: VMs know no such operation", op)
}

// end takes note that the tasks of a VM end with it.
func (r *cpuReplay) end(vm sim.VMID) {
	for i := range r.Tasks {
		if on, ok := r.vms[r.Tasks[i].On]; ok && on == vm {
			r.runs[i].gone = true
		}
	}
}

// sample compares how far the tasks are, and the loads.
//
// A load at the very date at which a task ends is between two states, and is
// not compared.
func (r *cpuReplay) sample(i int) {
	sample := &r.Samples[i]
	since := sim.Seconds(0)
	if i > 0 {
		since = r.Samples[i-1].T
	}
	for j := range r.Tasks {
		run, name := &r.runs[j], r.Tasks[j].Name
		left := Never
		if run.begun && !run.gone {
			left = float64(r.sim.ExecRemaining(run.exec))
		}
		if want, ok := sample.Remaining[name]; ok {
			r.against.Compare(fmt.Sprintf("remaining of %s at %v", name, sample.T), want, left)
		}
		if want, ok := sample.Rate[name]; ok {
			r.against.Compare(fmt.Sprintf("rate of %s before %v", name, sample.T), want, (run.before-left)/float64(sample.T-since))
		}
		run.before = left
	}
	for _, h := range r.Hosts {
		if want, ok := sample.Load[h.Name]; ok && !r.ends(sample.T) {
			r.against.Compare(fmt.Sprintf("load of %s at %v", h.Name, sample.T), want, float64(r.sim.HostLoad(r.hosts[h.Name])))
		}
	}
}

// ends reports whether a task ends at a date, according to the peer.
func (r *cpuReplay) ends(at sim.Seconds) bool {
	for _, f := range r.Finish {
		if f.Finish != nil && math.Abs(*f.Finish-float64(at)) < 1e-9 {
			return true
		}
	}
	return false
}

// horizon is a date after all that is known: what the peer says never ends goes
// on then.
func (r *cpuReplay) horizon() sim.Seconds {
	last := sim.Seconds(0)
	for _, op := range r.Ops {
		last = max(last, op.T)
	}
	for _, sample := range r.Samples {
		last = max(last, sample.T)
	}
	for _, t := range r.Tasks {
		last = max(last, t.Start)
	}
	for _, f := range r.Finish {
		if f.Finish != nil {
			last = max(last, sim.Seconds(*f.Finish))
		}
	}
	return last * 1.01
}
