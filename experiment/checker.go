package experiment

import (
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/strategy"
	"github.com/dvms-project/dvms/trace"
)

// A Breach says which invariant of the protocol did not hold, when, and at
// which nodes. It ends the run.
type Breach struct {
	Invariant string // I1 to I4, L1, or answered
	At        time.Duration
	Nodes     []string
	What      string
}

func (b *Breach) Error() string {
	return fmt.Sprintf("%s at %v, %v: %s", b.Invariant, b.At, b.Nodes, b.What)
}

// checker looks at a run from the outside: at what nodes say of themselves, at
// what they ask for, and at the simulated hosts. It keeps books of its own, and
// uses none of the code that it checks.
//
//   - I1, exclusive: the migrations under way at a node are of one partition, the
//     one that holds it. Without faults a partition moreover holds all of the nodes
//     about which its leader asks the solver, and still does when it carries the plan
//     out; all are released when it ends; and none that can grow is given up for lost.
//   - I2, fenced: a migration starts only if one partition holds both ends at one
//     epoch, and neither end is free before it has ended.
//   - I3, conserved: a VM is on one host, the one where it started or the one to
//     which it last migrated; it migrates from there, and once at a time. One that
//     waits or sleeps is on none, and is started once. All
//     VMs of a host run if it is up, and none if it is not.
//   - I4, room: the memory of the VMs on a host, and of those to which its node has
//     promised room, is no more than it has; all that are on their way have a
//     promise, and there are no more than a node may take part in.
//   - Answered: an overload of a node that is up is worked on by a partition, or
//     the last one was a back-off ago.
//   - L1 and L2, when the run is over and all faults with it: all nodes become free,
//     and no node stays overloaded if the solver knows better.
//
// What crashed is excused: a node that starts anew knows nothing, and its
// hypervisor refuses what it does not expect.
type checker struct {
	w        *world
	settings protocol.Settings
	place    []int32 // by VM: its host
	hosted   []int   // by host: how many VMs have it as their place
	flights  []flight
	round    map[protocol.PartitionID]bool // whose event has gone round
	endings  []ending                      // in the order in which they are to be known
	over     []bool                        // by host: the last look found it overloaded
	attended []time.Duration               // by host: when an overload was first seen, or a partition last held it
	failed   bool                          // a plan did, while the run settles
	next     time.Duration                 // when the solver is asked again
	open     []bool                        // by host: while the run settles: it is overloaded, and was not answered yet
}

// ending is a partition that has ended, and when its members are to know it.
type ending struct {
	partition protocol.PartitionID
	members   []cluster.NodeID
	known     time.Duration
}

// flight is a migration under way.
type flight struct {
	source, target int
	order          protocol.Migrate
	told           bool // the target's node has heard of it
}

// nobody stands for no host, in checker.place.
const nobody = -1

func newChecker(w *world, hosts []int32) *checker {
	k := &checker{
		w: w, settings: w.spec.Scenario.Settings.protocol(), place: slices.Clone(hosts),
		hosted: make([]int, len(w.hosts)), over: make([]bool, len(w.hosts)), attended: make([]time.Duration, len(w.hosts)),
		open: make([]bool, len(w.hosts)), round: map[protocol.PartitionID]bool{},
	}
	for vm, h := range k.place {
		if vm < w.spec.Scenario.VMs.Count {
			k.hosted[h]++
		} else {
			k.place[vm] = nobody // it waits
		}
	}
	return k
}

// breach ends the run.
func (k *checker) breach(invariant string, hosts []int, format string, args ...any) {
	b := &Breach{Invariant: invariant, At: k.w.now(), What: fmt.Sprintf(format, args...)}
	for _, h := range hosts {
		b.Nodes = append(b.Nodes, hostName(h))
	}
	k.w.sim.Fail(b)
}

// node returns the node of a host, or nil if it is down.
func (k *checker) node(host int) *protocol.Node {
	n, _ := k.w.machine(host).(*protocol.Node)
	return n
}

// migrates takes what a node asks its hypervisor for, before that acts on it.
func (k *checker) migrates(source int, m protocol.Migrate) {
	target, ends := int(m.Target), []int{source, int(m.Target)}
	if m.Kind != plan.Migrate && k.place[m.VM] != nobody {
		k.breach("I3", ends, "%s is to be started, and is on %s", k.name(m.VM), hostName(int(k.place[m.VM])))
	}
	if m.Kind == plan.Migrate && k.w.sim.State(sim.VMID(m.VM)) == sim.VMSaved {
		return // somebody has suspended it since it was ordered; the hypervisor refuses
	}
	if m.Kind == plan.Migrate && k.place[m.VM] != int32(source) {
		k.breach("I3", ends, "%s is to migrate from %s, and is on %s", k.name(m.VM), hostName(source), hostName(int(k.place[m.VM])))
	}
	for _, f := range k.flights {
		if f.order.VM == m.VM {
			k.breach("I3", ends, "%s is to migrate, and is on its way to %s already", k.name(m.VM), hostName(f.target))
		}
	}
	from, to := k.node(source), k.node(target)
	if from == nil || m.Partition == (protocol.PartitionID{}) {
		return // of a strategy without partitions
	}
	id, booked := from.Booked()
	switch {
	case !booked || id != m.Partition:
		k.breach("I2", ends, "%s migrates for %v, which does not hold its source", k.name(m.VM), m.Partition)
	case k.w.unreachable(source, target), k.w.life(target) > 0 && !to.Expects(m.VM):
		return // refused
	default:
		other, held := to.Booked()
		if !held || other != id || to.Epoch() != from.Epoch() {
			k.breach("I2", ends, "%s migrates for %v, which holds its source at epoch %v; the target is held by %v at epoch %v (%v)",
				k.name(m.VM), id, from.Epoch(), other, to.Epoch(), held)
		}
		if !to.Expects(m.VM) {
			k.breach("I4", ends, "%s migrates, and its target has not promised it room", k.name(m.VM))
		}
	}
}

// held holds I1, without faults, when a leader asks the solver about nodes, or
// begins to carry out a plan.
func (k *checker) held(leader int, members []cluster.NodeID) {
	n := k.node(leader)
	if n == nil || k.w.weather != nil {
		return
	}
	id, _ := n.Booked()
	for _, m := range members {
		other := k.node(int(m))
		if its, booked := other.Booked(); !booked || its != id || other.Epoch() != n.Epoch() {
			k.breach("I1", []int{leader, int(m)}, "%v acts on %s at epoch %v, which is held by %v at epoch %v (%v)",
				id, hostName(int(m)), n.Epoch(), its, other.Epoch(), booked)
		}
	}
}

// asks takes the question of a leader to the solver.
func (k *checker) asks(leader int, s protocol.Solve) {
	members := make([]cluster.NodeID, len(s.Reports))
	for i, r := range s.Reports {
		members[i] = r.Node
	}
	k.held(leader, members)
}

// applies takes the beginning of a plan.
func (k *checker) applies(leader int) {
	if n := k.node(leader); n != nil {
		k.held(leader, n.Members())
	}
}

// began takes the beginning of a migration, migrated its end.
func (k *checker) began(source int, m protocol.Migrate) {
	k.flights = append(k.flights, flight{source: source, target: int(m.Target), order: m})
	if m.Kind != plan.Migrate {
		k.place[m.VM] = int32(m.Target)
		k.hosted[m.Target]++
	}
}

func (k *checker) migrated(vm cluster.VMID) {
	i := slices.IndexFunc(k.flights, func(f flight) bool { return f.order.VM == vm })
	f := k.flights[i]
	k.flights = slices.Delete(k.flights, i, i+1)
	k.settle(f)
	if f.order.Kind != plan.Migrate && k.w.sim.State(sim.VMID(vm)) != sim.VMRunning {
		k.place[vm] = nobody
		k.hosted[f.target]--
	}
}

// slept takes a VM that was saved to a disk.
func (k *checker) slept(vm cluster.VMID) {
	k.hosted[k.place[vm]]--
	k.place[vm] = nobody
}

// name returns the name of a VM.
func (k *checker) name(vm cluster.VMID) string { return k.w.vms[vm].Name }

// settle notes that a VM has arrived, if it has.
func (k *checker) settle(f flight) {
	if vm := f.order.VM; k.place[vm] == int32(f.source) && k.w.sim.HostOf(sim.VMID(vm)) == sim.HostID(f.target) {
		k.place[vm] = int32(f.target)
		k.hosted[f.source]--
		k.hosted[f.target]++
	}
}

// hostChanged holds I3 at a host.
func (k *checker) hostChanged(host int) {
	for _, f := range k.flights {
		if f.source == host || f.target == host {
			k.settle(f)
		}
	}
	vms := k.w.sim.Hosted(sim.HostID(host))
	for _, vm := range vms {
		if k.place[vm] != int32(host) {
			k.breach("I3", []int{host, int(k.place[vm])}, "%s is on %s, and was on %s", k.name(cluster.VMID(vm)), hostName(host), hostName(int(k.place[vm])))
		}
	}
	want := k.hosted[host]
	for _, f := range k.flights {
		vm := sim.VMID(f.order.VM)
		dead := k.w.sim.State(vm) == sim.VMOff || f.order.Kind == plan.Resume && k.w.sim.State(vm) == sim.VMSaved
		if f.target == host && k.place[vm] == int32(host) && dead {
			want-- // it died with the host from which its memory came; it is about to start again, or to stay asleep
		}
	}
	if !k.w.sim.IsOn(sim.HostID(host)) {
		want = 0
	}
	if len(vms) != want {
		k.breach("I3", []int{host}, "%d VMs run on %s, and %d should", len(vms), hostName(host), want)
	}
}

// returned takes the start of a node.
func (k *checker) returned(host int) { k.over[host] = false }

// stepped looks at a node that has taken an input.
func (k *checker) stepped(host int) {
	if host >= len(k.w.hosts) {
		return
	}
	n := k.node(host)
	if n == nil {
		return
	}
	k.released()
	id, booked := n.Booked()
	if booked {
		k.attended[host] = k.w.now()
	}
	coming, under := cluster.Bytes(0), 0
	for _, f := range k.flights {
		if f.source != host && f.target != host {
			continue
		}
		if f.order.Kind != plan.Run || f.target == host { // where a VM waits, its start is no work
			under++
		}
		switch {
		case !booked:
			k.breach("I2", []int{f.source, f.target}, "%s is free, and %s migrates from %s to %s", hostName(host), k.name(f.order.VM), hostName(f.source), hostName(f.target))
		case id != f.order.Partition:
			k.breach("I1", []int{f.source, f.target}, "%v holds %s, and %v lets %s migrate from %s to %s",
				id, hostName(host), f.order.Partition, k.name(f.order.VM), hostName(f.source), hostName(f.target))
		}
		if f.target == host && k.place[f.order.VM] != int32(host) {
			coming += k.w.vms[f.order.VM].Demand.Memory()
		}
	}
	promised := n.Promised().Memory() - k.untold(host)
	if used, has := k.w.sim.MemoryUsed(sim.HostID(host)), k.w.hosts[host].capacity.Memory(); used+promised > has {
		k.breach("I4", []int{host}, "%v of memory are used and %v promised, of %v", used, promised, has)
	}
	if coming > promised {
		k.breach("I4", []int{host}, "%v of memory are on their way to it, and %v promised", coming, promised)
	}
	if under > k.settings.Concurrent {
		k.breach("I4", []int{host}, "it takes part in %d migrations, and should in %d at once", under, k.settings.Concurrent)
	}
}

// released holds, without faults, that members are free when they have heard that
// their partition is over, unless they take part in migrations.
func (k *checker) released() {
	for len(k.endings) > 0 && k.endings[0].known < k.w.now() {
		e := k.endings[0]
		k.endings = k.endings[1:]
		for _, m := range e.members {
			n := k.node(int(m))
			id, booked := n.Booked()
			if booked && id == e.partition && !k.flying(int(m)) && n.Promised() == (cluster.Resources{}) {
				k.breach("I1", []int{int(m)}, "%v is over, and holds it", id)
			}
		}
	}
}

// flying reports whether a host takes part in migrations.
func (k *checker) flying(host int) bool {
	return slices.ContainsFunc(k.flights, func(f flight) bool { return f.source == host || f.target == host })
}

// told notes that a node has heard of all that is on its host.
func (k *checker) told(host int) {
	for i := range k.flights {
		if f := &k.flights[i]; f.target == host {
			f.told = true
		}
	}
}

// untold returns the memory of VMs that a node has just asked to be started on its
// own host: they hold it already, and the node hears of that before anything else.
func (k *checker) untold(host int) (sum cluster.Bytes) {
	for _, f := range k.flights {
		if f.order.Kind != plan.Migrate && f.target == host && !f.told {
			sum += k.w.vms[f.order.VM].Demand.Memory()
		}
	}
	return sum
}

// ended takes the end of a procedure.
func (k *checker) ended(e protocol.Ended) {
	k.finished(e)
	for _, m := range e.Members {
		k.attended[m] = k.w.now() // it may have begun and ended in one step
		k.failed = k.failed || e.Outcome == protocol.Aborted
		if e.Outcome == protocol.Unsolvable || e.Outcome == protocol.Aborted {
			k.open[m] = false
		}
	}
}

// noted takes a step of a procedure.
func (k *checker) noted(n protocol.Noted) {
	if n.Note == protocol.CameRound {
		k.round[n.Partition] = true
	}
}

// finished holds, without faults, that nothing is given up for lost. Partitions
// that can't grow may be: see the known limits of merging in docs/protocol.md.
func (k *checker) finished(e protocol.Ended) {
	switch {
	case k.w.weather != nil || e.Partition == protocol.PartitionID{}:
	case e.Outcome == protocol.Lost && !k.round[e.Partition]:
		k.breach("I1", []int{int(e.Partition.Initiator)}, "%v is given up for lost, and nothing went wrong", e.Partition)
	case e.Outcome != protocol.Lost && e.Outcome != protocol.MergedAway:
		known := k.w.now() + 2*time.Duration(k.w.spec.Scenario.longestTrip()) + k.settings.Collect
		k.endings = append(k.endings, ending{e.Partition, e.Members, known})
	}
}

// looked takes a look of a monitor.
func (k *checker) looked(host int, overloaded bool) {
	now := k.w.now()
	if first := overloaded && !k.over[host]; first {
		k.attended[host] = now
	}
	if k.over[host] = overloaded; !overloaded {
		k.open[host] = false
		return
	}
	s := k.settings
	if k.w.silent {
		return // it is not told
	}
	if alone, most := now-k.attended[host], s.BackoffMax+s.Lease+2*k.w.monitor.Period; alone > most {
		k.breach("answered", []int{host}, "it is overloaded, and for %v no partition has held it; %v is the most", alone, most)
	}
}

// A run that is checked goes on when it has ended, without faults and changes
// of load: first until each overload is solved or declared unsolvable, and then,
// with no more events, until all nodes are free.
const (
	longestAnswer = 30 * time.Minute
	longestQuiet  = 15 * time.Minute
)

// settle plays what follows the end of a run, and holds L1.
func (w *world) settle() error {
	k := w.checker
	k.everywhere()
	if !repairs(w.spec.Strategy) {
		return nil
	}
	w.sink, w.violations.sink, w.frozen = nowhere{}, nowhere{}, true
	w.clear()
	k.failed = false
	for h := range k.open {
		k.open[h] = !cluster.Of(w.hosts[h].demand, w.sim.MemoryUsed(sim.HostID(h))).Within(w.hosts[h].usable)
	}
	if err := w.runUntil(longestAnswer, func() bool { return !slices.Contains(k.open, true) }); err != nil {
		return err
	}
	if h := slices.Index(k.open, true); h >= 0 {
		k.breach("answered", []int{h}, "%v after all faults it is overloaded, and no partition has said that this is unsolvable", longestAnswer)
	}
	if err := w.runUntil(longestAnswer, func() bool { return !k.knowsBetter() }); err != nil {
		return err
	}
	if h := k.overloaded(); h >= 0 && k.knowsBetter() {
		k.breach("L2", []int{h}, "%v after each overload was answered it is overloaded, and the solver has a plan for all nodes", longestAnswer)
	}
	w.silent = true
	if err := w.runUntil(longestQuiet, k.quiet); err != nil {
		return err
	}
	for h := range w.hosts {
		if n := k.node(h); n != nil && !k.free(n) {
			id, _ := n.Booked()
			k.breach("L1", []int{h}, "%v after the last event it is not free, but in %v, or has promised room", longestQuiet, id)
		}
	}
	k.everywhere()
	return w.sim.Run(w.sim.Now())
}

// overloaded returns the first host whose VMs ask for more than they may, or -1.
func (k *checker) overloaded() int {
	return slices.IndexFunc(k.w.hosts, func(h hostState) bool { return h.demand > h.usable.CPU() })
}

// knowsBetter reports whether a node is overloaded, and the solver has a plan for
// all nodes, with half of its budget. It is asked once a minute. If migrations
// fail, a plan is of no use.
func (k *checker) knowsBetter() bool {
	now := k.w.now()
	if len(k.w.hosts) > mostAtOnce || len(k.w.spec.Scenario.Requests) > 0 || k.failed || k.overloaded() < 0 {
		return false
	}
	if now < k.next {
		return true
	}
	k.next = now + time.Minute
	var reports []protocol.Report
	for h := range k.w.hosts {
		reports = append(reports, protocol.Report{Node: cluster.NodeID(h), Local: k.w.local(sim.HostID(h))})
	}
	d := strategy.Decide(protocol.Solve{Reports: reports}, k.w.spec.Scenario.Settings.Solver.Budget/2)
	if !d.Found {
		k.next = 0
	}
	return d.Found
}

// mostAtOnce is the most hosts about which the solver is asked at once.
const mostAtOnce = 60

// runUntil goes on until done, and for so long at most, not counting the time
// while VMs migrate: a link that many share may take long. Twenty times as long is
// too long in any case.
func (w *world) runUntil(most time.Duration, done func() bool) error {
	last := w.now() + 20*most
	for end := w.now() + most; w.now() < min(end, last) && !done(); {
		if err := w.sim.Run(sim.Of(w.now() + time.Second)); err != nil {
			return err
		}
		if len(w.checker.flights) > 0 {
			end += time.Second
		}
	}
	return nil
}

func (k *checker) free(n *protocol.Node) bool {
	_, booked := n.Booked()
	return !booked && n.Promised() == cluster.Resources{}
}

// quiet reports whether all nodes are free, and no VM migrates.
func (k *checker) quiet() bool {
	for h := range k.w.hosts {
		if n := k.node(h); n != nil && !k.free(n) {
			return false
		}
	}
	return len(k.flights) == 0
}

// everywhere holds I3 at all hosts.
func (k *checker) everywhere() {
	for h := range k.w.hosts {
		k.hostChanged(h)
	}
}

// nowhere forgets what it is told.
type nowhere struct{}

func (nowhere) Record(trace.Record) {}
