package experiment

import (
	"maps"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// operator is what people ask for in a run, and what has not come of it yet.
type operator struct {
	tasks    []task
	draining []bool                        // by host; nil if none is ever asked to
	waiting  map[sim.HostID][]cluster.VMID // by the host that is to have them started
	rules    []protocol.Rule               // in force, in order of date
	wishes   []*wish                       // not fulfilled yet, in order of date
	sleep    sleep
	raised   map[int]time.Duration         // by node: when it raised the event that is to be answered
	starting map[cluster.VMID]*trace.Start // those under way
	disks    map[sim.HostID]sim.DiskID     // from which VMs boot
}

// wish is a request, or a host's part of one, that is not fulfilled yet.
type wish struct {
	record trace.Request
	kind   protocol.Kind  // of its event
	asleep bool           // it is that VMs be suspended, and has no event
	host   sim.HostID     // of a drain and of VMs that are to run
	vms    []cluster.VMID // that are to run, or to be suspended
	rule   protocol.Rule
}

// requested are the kinds of events that arise when somebody asks for something.
var requested = []protocol.Kind{protocol.Drain, protocol.Place, protocol.BrokenRule}

// taskDue is the date of a task, as a handler of the simulation; the argument is
// its number.
type taskDue world

// newOperator returns the requests of a scenario, and adds the VMs to the
// population that they bring along. Who is not asked for by name is drawn.
func newOperator(spec Spec, p *population) (operator, error) {
	o := operator{
		waiting: map[sim.HostID][]cluster.VMID{}, raised: map[int]time.Duration{},
		sleep: newSleep(), starting: map[cluster.VMID]*trace.Start{}, disks: map[sim.HostID]sim.DiskID{},
	}
	s := &spec.Scenario
	var err error
	if o.tasks, err = s.tasks(); err != nil {
		return o, s.from.Locate(err)
	}
	hosts := injector.Stream(spec.Seed, "experiment/requests")
	for i := range o.tasks {
		t := &o.tasks[i]
		switch {
		case len(t.Drain) > 0 && o.draining == nil:
			o.draining = make([]bool, s.Hosts.Count)
		case t.Place.isThere() && t.on < 0:
			t.on = hosts.IntN(s.Hosts.Count)
		}
		if t.Place.isThere() {
			for n, id := range t.vms {
				p.add(id, t.Place, n, t.class, t.on)
			}
		}
	}
	return o, nil
}

// add adds a VM that comes later.
func (p *population) add(id cluster.VMID, a Arrival, number int, class Class, host int) {
	load := a.Load
	if load == 0 {
		load = 100
	}
	cpu := cluster.Millicores(float64(load) / 100 * float64(class.VCPUs) * float64(cluster.Core))
	p.vms = append(p.vms, cluster.VM{
		ID: id, Name: a.vm(number), VCPUs: class.VCPUs, Demand: cluster.Of(cpu, class.Memory), DirtyRate: class.DirtyRate,
	})
	p.speeds = append(p.speeds, class.MigrationSpeed)
	p.hosts = append(p.hosts, int32(host))
}

// planTasks plans what is to be done at each date.
func (w *world) planTasks() {
	for i := range w.operator.tasks {
		w.at(time.Duration(w.operator.tasks[i].At), (*taskDue)(w), uint64(i))
	}
}

// Handle does what a task says.
func (d *taskDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(d)
	t := &w.operator.tasks[number]
	switch {
	case len(t.Drain) > 0:
		w.drain(t)
	case len(t.Undrain) > 0:
		w.undrain(t)
	case t.Place.isThere():
		w.place(t)
	case len(t.Suspend) > 0:
		w.suspend(t)
	case len(t.Resume) > 0:
		w.resume(t)
	case t.Rule.isThere():
		w.addRule(t)
	default:
		w.removeRules(t.removed)
	}
	w.grant()
}

// wish notes a request that may take a while.
func (w *world) wish(t *task, v wish, vms int) {
	v.record = trace.Request{At: w.now(), Request: t.label, Kind: v.kind.String(), VMs: vms}
	switch {
	case v.asleep:
		v.record.Kind = "suspend"
	case v.kind != protocol.BrokenRule:
		v.record.Node = hostName(int(v.host))
	}
	w.operator.wishes = append(w.operator.wishes, &v)
}

func (w *world) drain(t *task) {
	for _, h := range t.hosts {
		id := sim.HostID(h)
		w.operator.draining[h] = true
		w.wish(t, wish{kind: protocol.Drain, host: id}, len(w.sim.Hosted(id)))
		w.wake(id)
	}
}

func (w *world) undrain(t *task) {
	for _, h := range t.hosts {
		w.operator.draining[h] = false
		w.wake(sim.HostID(h))
	}
	w.withdraw(func(v *wish) bool { return v.kind == protocol.Drain && slices.Contains(t.hosts, int(v.host)) })
}

func (w *world) place(t *task) {
	id := sim.HostID(t.on)
	w.operator.waiting[id] = append(slices.Clone(w.operator.waiting[id]), t.vms...)
	w.wish(t, wish{kind: protocol.Place, host: id, vms: t.vms}, len(t.vms))
	w.wake(id)
}

func (w *world) addRule(t *task) {
	w.operator.rules = append(w.operator.rules, t.rule)
	w.wish(t, wish{kind: protocol.BrokenRule, rule: t.rule}, len(t.rule.VMs))
	w.wakeAll(t.rule)
}

func (w *world) removeRules(names []string) {
	for _, r := range w.operator.rules {
		if slices.Contains(names, r.Name) {
			w.wakeAll(r)
		}
	}
	w.operator.rules = slices.DeleteFunc(w.operator.rules, func(r protocol.Rule) bool { return slices.Contains(names, r.Name) })
	w.withdraw(func(v *wish) bool { return v.kind == protocol.BrokenRule && slices.Contains(names, v.rule.Name) })
}

// wakeAll makes the hosts of a rule's VMs look at themselves.
func (w *world) wakeAll(r protocol.Rule) {
	for _, vm := range r.VMs {
		if host, runs := w.whereabouts(vm); runs {
			w.wake(host)
		}
	}
	for _, t := range w.operator.tasks { // and those where its VMs wait
		if t.Place.isThere() && slices.ContainsFunc(t.vms, func(vm cluster.VMID) bool { return slices.Contains(r.VMs, vm) }) {
			w.wake(sim.HostID(t.on))
		}
	}
}

// wake tells a host that something is asked of it, or no longer.
func (w *world) wake(id sim.HostID) {
	h := &w.hosts[id]
	h.stale = true
	if !h.looking && !w.isDown(int(id)) && repairs(w.spec.Strategy) && w.asks(id) != 0 {
		h.looking = true
		w.at(w.monitor.NextLook(w.now(), h.phase), (*lookDue)(w), uint64(id))
	}
}

// drains reports whether a host is to be empty.
func (w *world) drains(id sim.HostID) bool {
	return w.operator.draining != nil && w.operator.draining[id]
}

// asks returns the kinds of events that hold on a host for an operator's sake.
func (w *world) asks(id sim.HostID) (kinds protocol.Kinds) {
	o := &w.operator
	if len(o.tasks) == 0 {
		return 0
	}
	if w.drains(id) && len(w.sim.Hosted(id)) > 0 {
		kinds |= protocol.Of(protocol.Drain)
	}
	if len(o.waiting[id])+len(w.sleepers(id)) > 0 {
		kinds |= protocol.Of(protocol.Place)
	}
	if w.breaksRule(id) {
		kinds |= protocol.Of(protocol.BrokenRule)
	}
	return kinds
}

// raise notes that a node has raised an event that is to be answered.
func (o *operator) raise(node int, k protocol.Kind, now time.Duration) {
	if slices.Contains(requested, k) {
		o.raised[node] = now
	}
}

// raise tells the machine of a host which events hold there. The driver of a
// node says so at each look.
func (w *world) raise(id sim.HostID) {
	kinds := w.asks(id)
	for _, k := range requested {
		if kinds.Has(k) {
			w.step(int(id), protocol.Raised{Kind: k})
		}
	}
}

// describe adds to what a hypervisor says what is asked of its host.
func (w *world) describe(id sim.HostID, l *protocol.Local) {
	o := &w.operator
	if len(o.tasks) == 0 {
		return
	}
	l.Draining = w.drains(id)
	for _, vm := range o.waiting[id] {
		l.Waiting = append(l.Waiting, w.present(vm))
	}
	for _, vm := range w.sleepers(id) {
		l.Sleeping = append(l.Sleeping, w.present(vm))
	}
	for _, r := range o.rules {
		if w.concerns(r, id) {
			l.Rules = append(l.Rules, r)
		}
	}
	l.Broken = w.breaksRule(id)
}

// present returns a VM as it is now.
func (w *world) present(vm cluster.VMID) cluster.VM {
	v := w.vms[vm]
	v.Demand[cluster.CPU] = int64(w.asked[vm])
	return v
}

// withdraw ends wishes that have been taken back.
func (w *world) withdraw(taken func(*wish) bool) {
	w.endWishes("withdrawn", taken)
}

// grant ends wishes that have come true.
func (w *world) grant() {
	if len(w.operator.wishes) > 0 {
		w.endWishes("done", w.fulfilled)
	}
}

// endWishes records the end of some wishes.
func (w *world) endWishes(outcome string, which func(*wish) bool) {
	now := w.now()
	w.operator.wishes = slices.DeleteFunc(w.operator.wishes, func(v *wish) bool {
		if !which(v) {
			return false
		}
		v.record.Duration, v.record.Outcome = now-v.record.At, outcome
		if outcome == "done" {
			v.record.Reasons = ""
		}
		w.sink.Record(v.record)
		return true
	})
}

// fulfilled reports whether a wish has come true.
func (w *world) fulfilled(v *wish) bool {
	state := func(vm cluster.VMID) sim.VMState { return w.sim.State(sim.VMID(vm)) }
	if v.asleep {
		return !slices.ContainsFunc(v.vms, func(vm cluster.VMID) bool { return state(vm) != sim.VMSaved })
	}
	switch v.kind {
	case protocol.Drain:
		return w.sim.IsOn(v.host) && len(w.sim.Hosted(v.host)) == 0 && len(w.hosts[v.host].incoming) == 0
	case protocol.Place:
		return !slices.ContainsFunc(v.vms, func(vm cluster.VMID) bool { return state(vm) != sim.VMRunning })
	case protocol.BrokenRule:
		return !w.isBroken(v.rule)
	case protocol.Overload, protocol.Underload:
	}
	return false
}

// answered records what a node is told that has raised an event for an
// operator's sake, and keeps it in mind for those who ask what became of it. A
// scheduler on a service node answers for all.
func (w *world) answered(node int, a protocol.Answered) {
	kinds := a.Kinds & protocol.Of(requested...)
	if kinds == 0 {
		return
	}
	now, began := w.now(), w.central.began
	if node < len(w.hosts) {
		began = w.operator.raised[node]
	}
	w.sink.Record(trace.Answer{
		At: began, Duration: now - began, Node: w.nodeName(node), Kind: kinds.String(),
		Partition: w.partitionName(a.Partition), Outcome: a.Outcome.String(), Reasons: a.Reasons,
	})
	for _, v := range w.operator.wishes {
		if !v.asleep && kinds.Has(v.kind) && (node >= len(w.hosts) || v.kind == protocol.BrokenRule || int(v.host) == node) {
			v.record.Answers++
			v.record.Reasons = a.Reasons
		}
	}
}

// finishRequests records what is still asked for when the run ends, and the VMs
// that are being started.
func (w *world) finishRequests() {
	now := w.now()
	for _, vm := range slices.Sorted(maps.Keys(w.operator.starting)) {
		record := w.operator.starting[vm]
		record.Outcome, record.Duration = "open", now-record.At
		w.sink.Record(*record)
	}
	w.endWishes("open", func(*wish) bool { return true })
}
