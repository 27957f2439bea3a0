package experiment

import (
	"cmp"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/strategy"
	"github.com/dvms-project/dvms/trace"
)

// world is one run: the simulated data centre, a machine on each node, and
// what is under way between them.
type world struct {
	spec    Spec
	sim     *sim.Simulation
	monitor monitor.Settings
	sink    trace.Sink

	hosts    []hostState
	capacity cluster.Millicores   // of all hosts
	demand   cluster.Millicores   // of all VMs
	asked    []cluster.Millicores // by VM: its CPU demand now
	machines []strategy.Machine   // by node; a service node comes after the hosts
	decide   strategy.Decider     // what a machine's Solve is answered with
	vms      []cluster.VM         // as they were at the start
	changes  injector.Source
	next     injector.Change // the next change of load
	changing bool            // several changes of one instant are being made,
	touched  []sim.HostID    // and these hosts are to be looked at afterwards

	violations *violations

	inputs     slab[delivery]
	partitions map[protocol.PartitionID]*procedure
	central    procedure                     // the run of a scheduler without partitions
	moving     map[sim.VMID]*trace.Migration // those under way

	operator  operator
	geography *geography
	gossip    gossip
	sent      traffic
	weather   *weather        // nil if nothing goes wrong
	checker   *checker        // nil if nobody looks
	frozen    bool            // loads change no more
	silent    bool            // monitors raise no events any more
	dates     []time.Duration // of a message's arrivals
	changed   int
	migrated  int
}

// hostState is what the run keeps of each host beside the simulation.
type hostState struct {
	monitor  *monitor.Monitor
	usable   cluster.Resources // what the monitor lets VMs ask for
	capacity cluster.Resources
	low      bool          // the monitor says that it could as well be empty
	phase    time.Duration // of the monitor
	demand   cluster.Millicores
	stale    bool // it has changed since its machine was told
	looking  bool // the monitor's next look is planned
	touched  bool // it is among those to be looked at afterwards
	// incoming are the VMs whose migration to the host is under way. The slice
	// is never changed in place: machines have been given it.
	incoming []cluster.VMID
}

// procedure is what the run knows of a partition, or of a central run.
type procedure struct {
	began   time.Duration
	kind    protocol.Kind // of the event that began it
	applied time.Duration
	plan    protocol.Applying
	active  bool // a plan is being carried out
	sent    traffic
}

// delivery is an input on its way to a node.
type delivery struct {
	node  int
	life  uint32 // of the node, when it asked for the input; see weather
	input protocol.Input
}

// slab keeps values that events refer to by number.
type slab[T any] struct {
	values []T
	free   []uint64
}

func (s *slab[T]) put(v T) uint64 {
	if n := len(s.free); n > 0 {
		i := s.free[n-1]
		s.free = s.free[:n-1]
		s.values[i] = v
		return i
	}
	s.values = append(s.values, v)
	return uint64(len(s.values) - 1)
}

func (s *slab[T]) take(i uint64) T {
	v := s.values[i]
	var zero T
	s.values[i] = zero
	s.free = append(s.free, i)
	return v
}

// The kinds of events of a run, as handlers of the simulation.
type (
	changeDue  world // the injector's next change of load
	inputDue   world // an input reaches a machine; the argument is its number
	restDue    world // a VM has rested long enough; the argument is its host
	lookDue    world // the monitor looks at a host; the argument is the host
	timerFired world // a machine's timer; the argument is node and timer
	sampleDue  world // the load is recorded
)

func newWorld(spec Spec, sink trace.Sink) (*world, error) {
	s := &spec.Scenario
	nodes := s.nodes()
	p, err := populate(spec, nodes)
	if err != nil {
		return nil, err
	}
	o, err := newOperator(spec, &p)
	if err != nil {
		return nil, err
	}
	w := &world{
		operator: o, spec: spec, monitor: s.Settings.monitor(), sink: sink,
		hosts: make([]hostState, len(nodes)), vms: p.vms,
		partitions: map[protocol.PartitionID]*procedure{}, moving: map[sim.VMID]*trace.Migration{}, geography: newGeography(s),
	}
	set := s.Settings.sim()
	set.Check = spec.Check
	if w.sim, err = sim.NewWith(set); err != nil {
		return nil, err
	}
	phases := injector.Stream(spec.Seed, "experiment/monitor-phases")
	capacity := make([]cluster.Resources, len(nodes))
	for i, n := range nodes {
		w.hosts[i] = hostState{
			monitor: monitor.New(w.monitor), usable: w.monitor.Usable(n.Capacity), capacity: n.Capacity, stale: true,
			phase: time.Duration(phases.Int64N(int64(w.monitor.Period))),
		}
		capacity[i] = n.Capacity
		w.capacity += n.Capacity.CPU()
	}
	if err := w.furnish(nodes, p); err != nil {
		return nil, err
	}
	w.violations = newViolations(capacity, func(h int) string { return nodes[h].Name }, sink)
	w.changes = newForesight(w, p.workload.Changes)
	w.decide = strategy.Decide
	if decide, ok := services[spec.Strategy]; ok {
		w.decide = decide
	}
	w.gossip = newGossip(spec, nodes)
	w.weather = newWeather(spec, len(nodes))
	if spec.Check {
		w.checker = newChecker(w, p.hosts)
	}
	w.machines, err = machines(spec, nodes, w.gossip.overlays)
	return w, err
}

// furnish adds the hosts, the links between them and the VMs to the simulation.
// Work is counted in millicore-seconds.
func (w *world) furnish(nodes []cluster.Node, p population) error {
	s := &w.spec.Scenario
	w.sim.Grow(len(nodes), 2*len(nodes), len(p.vms))
	w.asked = make([]cluster.Millicores, 0, len(p.vms))
	for _, n := range nodes {
		all := cluster.Millicores(s.Hosts.Cores) * cluster.Core
		h, err := w.sim.AddHost(sim.HostSpec{
			Name: n.Name, Cores: s.Hosts.Cores, Speeds: []sim.Speed{sim.Speed(cluster.Core)},
			Reserved: sim.Speed(all - n.Capacity.CPU()), Memory: n.Capacity.Memory(),
		})
		if err != nil {
			return err
		}
		link := sim.LinkSpec{Name: n.Name, Bandwidth: sim.Bandwidth(s.Hosts.Network)}
		if len(s.Sites) == 0 {
			link.Latency = sim.Of(time.Duration(s.Settings.Network.Latency))
		}
		up, down, err := w.sim.AddDuplex(link)
		if err != nil {
			return err
		}
		w.geography.Connect(h, up, down)
	}
	if err := w.geography.connect(s, w.sim); err != nil {
		return err
	}
	w.sim.SetRouter(w.geography)
	if len(s.Sites) > 0 {
		w.sim.SetRouter(farGeography{w.geography})
	}
	for i, v := range p.vms {
		w.asked = append(w.asked, v.Demand.CPU())
		working := sim.Bytes(float64(s.Settings.Migration.WorkingSet) / 100 * float64(v.Demand.Memory()))
		dirty := sim.Bandwidth(v.DirtyRate) / sim.Bandwidth(v.VCPUs)
		if working == 0 {
			dirty = 0
		}
		_, err := w.sim.AddVM(sim.VMSpec{
			Name: v.Name, Host: sim.HostID(p.hosts[i]), VCPUs: int(v.VCPUs), Memory: v.Demand.Memory(), Demand: sim.Speed(v.Demand.CPU()), Off: i >= s.VMs.Count, // they come later
			DirtyRate: dirty, WorkingSet: working,
			MigrationSpeed: sim.Bandwidth(p.speeds[i]),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// services are the strategies in which a scheduler on a service node decides
// for all hosts, and how it does.
var services = map[string]strategy.Decider{"centralized": strategy.Decide, "ffd": strategy.ConsolidateFFD}

// machines returns what the strategy runs on each node.
func machines(spec Spec, nodes []cluster.Node, overlays []overlay.Overlay) ([]strategy.Machine, error) {
	ids := make([]cluster.NodeID, len(nodes))
	for i, n := range nodes {
		ids[i] = n.ID
	}
	var all []strategy.Machine
	switch spec.Strategy {
	case "none":
	case "centralized", "ffd":
		for _, id := range ids {
			all = append(all, strategy.NewWorker(id))
		}
		service := cluster.NodeID(len(nodes))
		all = append(all, strategy.NewCentralized(service, ids, spec.Scenario.Settings.centralized()))
	case "dvms", "dvms-spiral":
		for i, id := range ids {
			all = append(all, protocol.New(id, spec.Scenario.Settings.protocol(), overlays[i], spec.Seed))
		}
	default:
		return nil, &KeyError{Key: "strategies", Err: fmt.Errorf("%q is not a strategy", spec.Strategy)}
	}
	return all, nil
}

// start writes the header and plans the first events.
func (w *world) start() {
	s := &w.spec.Scenario
	law := s.Workload.Law
	if s.Workload.recorded() {
		law += ":" + path.Base(filepath.ToSlash(s.Workload.Traces)) // wherever it is on this machine
	}
	w.sink.Record(trace.Header{
		Schema: trace.Schema, Version: w.spec.Version, Scenario: s.Name, Strategy: w.spec.Strategy, Workload: law,
		Seed: w.spec.Seed, Hosts: len(w.hosts), Sites: len(w.geography.names), VMs: len(w.vms), Duration: time.Duration(s.Duration),
	})
	w.sim.OnVM(w.slept)
	w.sim.OnChange(w.hostChanged)
	for h := range w.hosts {
		w.hostChanged(sim.HostID(h))
	}
	w.at(0, (*sampleDue)(w), 0)
	w.planChange()
	w.planTasks()
	w.startGossip()
	w.startWeather()
	if _, ok := services[w.spec.Strategy]; ok {
		service := len(w.hosts)
		w.setTimer(service, strategy.PeriodTimer, s.Settings.centralized().Period)
	}
}

// now returns the date to the nanosecond.
func (w *world) now() time.Duration { return w.sim.Now().Duration() }

// at plans an event. Now, to the nanosecond, may be a little before the clock.
func (w *world) at(t time.Duration, h sim.Handler, arg uint64) {
	w.sim.At(max(sim.Of(t), w.sim.Now()), h, arg)
}

// setDemand makes a VM ask for CPU. The work of the simulation is counted in
// millicore-seconds, so that demands are whole numbers there too.
func (w *world) setDemand(vm sim.VMID, cpu cluster.Millicores) {
	w.asked[vm] = cpu
	if err := w.sim.SetDemand(vm, sim.Speed(cpu)); err != nil {
		w.sim.Fail(err)
	}
}

// planChange takes the next change of load from the injector.
func (w *world) planChange() {
	next, ok := w.changes.Next()
	if ok {
		w.next = next
		w.at(next.At, (*changeDue)(w), 0)
	}
}

// Handle makes the changes of load that are due at this instant. Hosts are
// looked at when all are made: what is true within an instant lasts for none.
func (c *changeDue) Handle(_ sim.Seconds, _ uint64) {
	w := (*world)(c)
	if w.frozen {
		return
	}
	now := w.now()
	w.changing = true
	for more := true; more; {
		w.changed++
		w.setDemand(sim.VMID(w.next.VM), w.next.CPU)
		next, ok := w.changes.Next()
		if more = ok && next.At <= now; ok {
			w.next = next
		}
		if ok && !more {
			w.at(next.At, c, 0)
		}
	}
	w.changing = false
	w.lookAtTouched()
}

// lookAtTouched looks at the hosts that several changes of one instant have touched.
func (w *world) lookAtTouched() {
	for _, h := range w.touched {
		w.hosts[h].touched = false
		w.hostChanged(h)
	}
	w.touched = w.touched[:0]
}

// hostChanged is called when a host's VMs, or what they ask for, have changed.
func (w *world) hostChanged(id sim.HostID) {
	if w.changing {
		if !w.hosts[id].touched {
			w.hosts[id].touched = true
			w.touched = append(w.touched, id)
		}
		return
	}
	h := &w.hosts[id]
	now := w.now()
	demand := cluster.Millicores(0)
	for _, vm := range w.sim.Hosted(id) {
		demand += w.asked[vm]
	}
	w.demand += demand - h.demand
	h.demand, h.stale = demand, true
	asked := cluster.Of(demand, w.sim.MemoryUsed(id))
	w.violations.changed(now, int(id), asked, len(w.sim.Hosted(id)))
	if w.checker != nil {
		w.checker.hostChanged(int(id))
	}
	w.grant()
	if !h.looking && !w.isDown(int(id)) && repairs(w.spec.Strategy) && (!h.monitor.Quiet(asked, h.capacity) || w.asks(id) != 0) {
		h.looking = true
		w.at(w.monitor.NextLook(now, h.phase), (*lookDue)(w), uint64(id))
	}
}

// Handle is a look of the monitor. Looks that would find nothing are left out.
func (l *lookDue) Handle(_ sim.Seconds, host uint64) {
	w := (*world)(l)
	now := w.now()
	id := sim.HostID(host)
	h := &w.hosts[id]
	if w.isDown(int(id)) {
		h.looking = false
		return
	}
	asked := cluster.Of(h.demand, w.sim.MemoryUsed(id))
	verdict := h.monitor.Look(now, asked, h.capacity)
	if usable, low := h.monitor.Usable(h.capacity), verdict == monitor.Underloaded; usable != h.usable || low != h.low {
		h.usable, h.low, h.stale = usable, low, true
	}
	if h.monitor.Quiet(asked, h.capacity) && w.asks(id) == 0 {
		h.looking = false
	} else {
		w.at(w.monitor.NextLook(now, h.phase), (*lookDue)(w), host)
	}
	switch {
	case w.silent:
	case verdict == monitor.Overloaded:
		w.step(int(id), protocol.Overloaded{})
	case verdict == monitor.Underloaded:
		w.step(int(id), protocol.Raised{Kind: protocol.Underload})
	}
	if w.checker != nil {
		w.checker.looked(int(id), verdict == monitor.Overloaded)
	}
	if !w.silent {
		w.raise(id)
	}
}

// rests keeps the VMs where they are that have just come to a host.
func (w *world) rests(host sim.HostID) []protocol.Rule {
	vms := w.hosts[host].monitor.Resting(w.now())
	if len(vms) == 0 {
		return nil
	}
	return []protocol.Rule{{Name: "resting on " + hostName(int(host)), Kind: rule.Root, VMs: vms}}
}

// arrived begins the rest of a VM that has migrated to a host.
func (w *world) arrived(host sim.HostID, vm cluster.VMID) {
	h := &w.hosts[host]
	if h.monitor.Arrived(w.now(), vm); w.monitor.Cooldown > 0 {
		h.stale = true
		w.at(w.now()+w.monitor.Cooldown, (*restDue)(w), uint64(host))
	}
}

// Handle ends the rest of a VM.
func (r *restDue) Handle(_ sim.Seconds, host uint64) { (*world)(r).hosts[host].stale = true }

// step gives a machine an input, after telling it what its host hosts if that
// has changed, and does what the machine asks for.
func (w *world) step(node int, in protocol.Input) {
	m := w.machines[node]
	now := w.now()
	if node < len(w.hosts) && w.hosts[node].stale {
		w.hosts[node].stale = false
		if w.checker != nil {
			w.checker.told(node)
		}
		w.do(node, m.Step(now, protocol.Observed{Local: w.local(sim.HostID(node))}))
	}
	w.do(node, m.Step(now, in))
	if w.checker != nil {
		w.checker.stepped(node)
	}
}

// local is what the hypervisor of a host says.
func (w *world) local(id sim.HostID) protocol.Local {
	hosted := w.sim.Hosted(id)
	h := &w.hosts[id]
	l := protocol.Local{Capacity: h.usable, VMs: make([]cluster.VM, len(hosted)), Incoming: h.incoming, Underloaded: h.low, Rules: w.rests(id)}
	for i, vm := range hosted {
		l.VMs[i] = w.present(cluster.VMID(vm))
	}
	w.describe(id, &l)
	return l
}

// deliver plans an input.
func (w *world) deliver(node int, in protocol.Input, at time.Duration) {
	w.at(at, (*inputDue)(w), w.inputs.put(delivery{node, w.life(node), in}))
}

// Handle gives a machine its input, unless it is down, or was since it asked for it.
func (i *inputDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(i)
	d := w.inputs.take(number)
	if m, ok := d.input.(protocol.Received); ok {
		if w.reaches(int(m.Message.From), d.node) {
			w.step(d.node, d.input)
		}
	} else if !w.isDown(d.node) && w.life(d.node) == d.life {
		w.step(d.node, d.input)
	}
}

func (w *world) setTimer(node int, t protocol.Timer, at time.Duration) {
	w.at(at, (*timerFired)(w), uint64(w.life(node))<<40|uint64(node)<<8|uint64(t))
}

// Handle fires a timer, unless its node is down, or was since it asked for it.
func (t *timerFired) Handle(_ sim.Seconds, arg uint64) {
	w := (*world)(t)
	if node := int(uint32(arg >> 8)); !w.isDown(node) && w.life(node) == uint32(arg>>40) {
		w.step(node, protocol.TimerFired{Timer: protocol.Timer(arg & 0xff)})
	}
}

// Handle records the load of the whole data centre.
func (s *sampleDue) Handle(_ sim.Seconds, _ uint64) {
	w := (*world)(s)
	now := w.now()
	booked, empty := 0, 0
	for h := range w.hosts {
		if len(w.sim.Hosted(sim.HostID(h))) == 0 {
			empty++
		}
	}
	for _, m := range w.machines {
		if n, ok := m.(*protocol.Node); ok {
			if _, held := n.Booked(); held {
				booked++
			}
		}
	}
	w.sink.Record(trace.Load{
		At: now, Demand: w.demand, Capacity: w.capacity, Violated: w.violations.open,
		Migrations: len(w.moving), Partitions: len(w.partitions), Booked: booked, Empty: empty,
	})
	w.at(now+time.Duration(w.spec.Scenario.Settings.Sample), s, 0)
}

// finish ends what is still open and closes the trace.
func (w *world) finish(partial bool) {
	now := w.now()
	w.violations.cut(now)
	w.finishProcedures(now)
	w.finishRequests()
	w.recordPlaces()
	if w.weather != nil {
		w.sink.Record(trace.Messages{Lost: w.weather.lost, Doubled: w.weather.doubled})
	}
	var asked, lost float64
	for i := range w.vms {
		d := w.sim.Delivered(sim.VMID(i))
		asked += coreSeconds(d.Asked)
		lost += coreSeconds(d.Lost)
		if d.Lost > 0 {
			w.sink.Record(trace.Starved{VM: w.vms[i].Name, Duration: d.Short.Duration(), Asked: coreSeconds(d.Asked), Lost: coreSeconds(d.Lost)})
		}
	}
	share := 0.0
	if asked > 0 {
		share = lost / asked
	}
	w.sink.Record(trace.End{
		At: now, Partial: partial, Messages: w.sent.messages, Bytes: cluster.Bytes(w.sent.bytes),
		Gossip: w.gossip.packets, GossipBytes: cluster.Bytes(w.gossip.bytes), Changes: w.changed, Events: w.sim.Events(),
		VMSeconds: asked, LostShare: share, Violations: w.violations.recorded, Migrated: w.migrated,
	})
}

// finishProcedures records what is under way when the run ends.
func (w *world) finishProcedures(now time.Duration) {
	for vm := range w.vms {
		if record, ok := w.moving[sim.VMID(vm)]; ok {
			record.Outcome, record.Duration = "open", now-record.At
			w.recordMigration(*record)
		}
	}
	ids := make([]protocol.PartitionID, 0, len(w.partitions))
	for id := range w.partitions {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b protocol.PartitionID) int {
		return cmp.Or(cmp.Compare(w.partitions[a].began, w.partitions[b].began), a.Compare(b))
	})
	for _, id := range ids {
		p := w.partitions[id]
		if p.active {
			w.recordReconfiguration(now, id, p, "open")
		}
		w.recordPartition(now, id, p, protocol.Ended{Members: []cluster.NodeID{id.Initiator}}, "open")
	}
	if w.central.active {
		w.recordReconfiguration(now, protocol.PartitionID{}, &w.central, "open")
	}
}

// coreSeconds converts the simulation's work, which is in millicore-seconds.
func coreSeconds(w sim.Work) float64 { return float64(w) / float64(cluster.Core) }
