package experiment

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// weather is what goes wrong in a run: crashes, returns, cuts, and what happens
// to messages.
//
// A host that crashes stops with its VMs. They run again, on that host, when it
// returns. Its migrations fail: a VM on its way to it goes on at its source, and
// the target of one of its own drops the half copy. Where only the agent
// crashes, VMs run on, and the hypervisor ends the migrations that it has begun;
// an agent that starts lets these end first.
//
// A node that returns knows nothing, and numbers its procedures from where it
// never was. What it had asked for before it crashed does not reach it: its
// timers, its solver, its migrations. A message may, as the network does not know.
type weather struct {
	faults   *Faults
	over     bool // the faults by chance
	outages  []outage
	side     []bool // by host: on the far side of the network, which is cut; nil if it is whole
	flights  []int  // by host: migrations under way from or to it
	words    slab[word]
	crashes  *rand.Rand
	told     *rand.Rand
	messages *rand.Rand
	sides    *rand.Rand
	lost     int // messages
	doubled  int
}

// outage is the state of a host's node, and what it was before.
type outage struct {
	down     bool
	what     string        // crashed: host or agent
	starting bool          // it is back, and waits for the hypervisor's migrations to end
	lives    uint32        // how often it has returned
	ticking  bool          // its overlay's next tick is planned
	stopped  []sim.VMID    // that run when the host returns
	back     time.Duration // when it returns
}

// word is what a node hears, a while after it happened: of a host that has died
// or returned, or of a cut that has changed the whole network.
type word struct {
	to, about int
	gone      bool
	sides     []bool // of a cut, by host: it is about all on the other side
}

// The kinds of events of the weather, as handlers of the simulation.
type (
	crashDue  world // the next crash by chance
	datedDue  world // a crash of the scenario; the argument is its number
	returnDue world // a node comes back; the argument is host and number of its life
	wordDue   world // a node hears of another; the argument is the word's number
	cutDue    world // the network is cut; the argument is the cut's number
	healDue   world // it is whole again
)

// newWeather returns that of a run, or nil if the sky is always blue.
func newWeather(spec Spec, hosts int) *weather {
	f := &spec.Scenario.Faults
	if !f.any() {
		return nil
	}
	stream := func(of string) *rand.Rand { return injector.Stream(spec.Seed, "faults/"+of) }
	return &weather{
		faults: f, outages: make([]outage, hosts), flights: make([]int, hosts),
		crashes: stream("crashes"), told: stream("detection"), messages: stream("messages"), sides: stream("cuts"),
	}
}

// startWeather plans what goes wrong.
func (w *world) startWeather() {
	if w.weather == nil {
		return
	}
	f := w.weather.faults
	for i := range w.weather.outages {
		w.weather.outages[i].ticking = true
	}
	w.planCrash()
	for i, c := range f.Crashes.Dated {
		w.at(time.Duration(c.At), (*datedDue)(w), uint64(i))
	}
	for i, c := range f.Cuts {
		w.at(time.Duration(c.At), (*cutDue)(w), uint64(i))
	}
}

// isDown reports whether a host has no node that steps.
func (w *world) isDown(host int) bool {
	return w.weather != nil && host < len(w.hosts) && w.weather.outages[host].down
}

// life returns how often a node has returned.
func (w *world) life(node int) uint32 {
	if w.weather == nil || node >= len(w.hosts) {
		return 0
	}
	return w.weather.outages[node].lives
}

// separated reports whether the network is cut between two nodes.
func (w *world) separated(a, b int) bool {
	return w.weather != nil && w.weather.side != nil && w.weather.side[a] != w.weather.side[b]
}

// chancy reports whether faults by chance happen now.
func (w *world) chancy() bool {
	until := time.Duration(w.weather.faults.Until)
	return !w.weather.over && (until == 0 || w.now() < until)
}

// planCrash draws the next crash by chance: crashes come at random instants, and
// hit each host alike.
func (w *world) planCrash() {
	rate := float64(w.weather.faults.Crashes.Rate) / 100 * float64(len(w.hosts)) // a minute
	if rate == 0 {
		return
	}
	gap := w.weather.crashes.ExpFloat64() / rate * float64(time.Minute)
	if gap < float64(w.spec.Scenario.Duration) {
		w.at(w.now()+time.Duration(gap), (*crashDue)(w), 0)
	}
}

// Handle makes a host crash. One that is down already is spared.
func (c *crashDue) Handle(_ sim.Seconds, _ uint64) {
	w := (*world)(c)
	if !w.chancy() {
		return
	}
	host := w.weather.crashes.IntN(len(w.hosts))
	f := &w.weather.faults.Crashes
	down := time.Duration(f.Down)
	if f.Spread > 0 {
		down += time.Duration(w.weather.crashes.Int64N(2*int64(f.Spread)+1)) - time.Duration(f.Spread)
	}
	w.crash(host, f.What, down)
	w.planCrash()
}

// Handle makes a crash of the scenario happen.
func (d *datedDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(d)
	f := &w.weather.faults.Crashes
	c := f.Dated[number]
	if c.What == "" {
		c.What = f.What
	}
	if c.Down == 0 {
		c.Down = f.Down
	}
	if !w.weather.over {
		w.crash(w.spec.Scenario.hostNamed(c.Host), c.What, time.Duration(c.Down))
	}
}

// crash makes a host's node die, and the host with it if that is what crashes.
func (w *world) crash(host int, what string, down time.Duration) {
	o := &w.weather.outages[host]
	if o.down {
		return
	}
	now := w.now()
	w.sink.Record(trace.Fault{At: now, What: what + "-crash", Host: hostName(host), Hosts: 1})
	w.abandon(host)
	o.down, o.what, o.back = true, what, now+down
	if repairs(w.spec.Strategy) {
		w.machines[host] = nil
	}
	if what == crashOfHost {
		o.stopped = slices.DeleteFunc(slices.Clone(w.sim.Hosted(sim.HostID(host))), func(vm sim.VMID) bool {
			return w.operator.starting[cluster.VMID(vm)] != nil // it waits again
		})
		w.together(func() error { return w.sim.TurnOff(sim.HostID(host)) })
	}
	w.tellOf(host, true)
	w.at(o.back, (*returnDue)(w), uint64(o.lives)<<32|uint64(host))
}

// abandon ends the record of a partition that nobody but a dying node knows.
func (w *world) abandon(host int) {
	n, ok := w.machine(host).(*protocol.Node)
	if !ok {
		return
	}
	if id, booked := n.Booked(); booked && len(n.Members()) == 1 {
		w.ended(w.now(), protocol.Ended{Partition: id, Outcome: protocol.Lost, Members: n.Members()})
	}
}

// machine returns what runs on a node, or nil.
func (w *world) machine(node int) any {
	if node >= len(w.machines) {
		return nil
	}
	return w.machines[node]
}

// together makes changes of one instant, and looks at hosts afterwards.
func (w *world) together(change func() error) {
	w.changing = true
	if err := change(); err != nil {
		w.sim.Fail(err)
	}
	w.changing = false
	w.lookAtTouched()
}

// Handle makes a node return, unless it has already.
func (r *returnDue) Handle(_ sim.Seconds, arg uint64) {
	w := (*world)(r)
	host := int(uint32(arg))
	if o := &w.weather.outages[host]; o.down && !o.starting && o.lives == uint32(arg>>32) {
		w.comeBack(host)
	}
}

// comeBack makes a host run its VMs again, and its agent start.
func (w *world) comeBack(host int) {
	o := &w.weather.outages[host]
	if o.what == crashOfHost {
		w.violations.hosts[host].vms = unknown // its own VMs do not arrive
		w.together(func() error {
			err := w.sim.TurnOn(sim.HostID(host))
			for _, vm := range o.stopped {
				err = errors.Join(err, w.sim.Start(vm))
			}
			return err
		})
		o.stopped = nil
	}
	o.starting = true
	w.startAgent(host)
}

// startAgent makes a new node, if it is wanted and no migration is under way.
func (w *world) startAgent(host int) {
	o := &w.weather.outages[host]
	if !o.starting || w.weather.flights[host] > 0 {
		return
	}
	o.down, o.starting = false, false
	o.lives++
	w.sink.Record(trace.Fault{At: w.now(), What: o.what + "-return", Host: hostName(host), Hosts: 1})
	h := &w.hosts[host]
	h.monitor = monitor.New(w.monitor)
	h.usable, h.low, h.stale = w.monitor.Usable(h.capacity), false, true
	if repairs(w.spec.Strategy) {
		seed := w.spec.Seed ^ uint64(o.lives)<<32
		w.restartGossip(host, seed)
		n := protocol.New(cluster.NodeID(host), w.spec.Scenario.Settings.protocol(), w.gossip.overlays[host], seed)
		n.Restarted(uint16(o.lives))
		w.machines[host] = n
	}
	if w.checker != nil {
		w.checker.returned(host)
	}
	w.hostChanged(sim.HostID(host))
	w.tellOf(host, false)
	for other := range w.hosts {
		if other != host && w.unreachable(host, other) {
			w.plan(word{to: host, about: other, gone: true})
		}
	}
}

// unreachable reports whether a node can't reach another one.
func (w *world) unreachable(from, to int) bool { return w.isDown(to) || w.separated(from, to) }

// tellOf has all others hear that a host has died or returned.
func (w *world) tellOf(host int, gone bool) {
	for to := range w.hosts {
		if to != host && !w.isDown(to) {
			w.plan(word{to: to, about: host, gone: gone})
		}
	}
}

// plan has a node hear a word.
func (w *world) plan(x word) {
	d := w.weather.faults.Detection
	if d.Never || !repairs(w.spec.Strategy) {
		return
	}
	after := time.Duration(d.After)
	if d.Spread > 0 {
		after += time.Duration(w.weather.told.Int64N(2*int64(d.Spread)+1)) - time.Duration(d.Spread)
	}
	w.at(w.now()+after, (*wordDue)(w), w.weather.words.put(x))
}

// Handle tells a node what it hears, if that is still so: what has changed again
// since then has another word under way.
func (d *wordDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(d)
	x := w.weather.words.take(number)
	if x.sides == nil {
		w.hear(x)
		return
	}
	for about, side := range x.sides {
		if side != x.sides[x.to] {
			w.hear(word{to: x.to, about: about, gone: x.gone})
		}
	}
}

func (w *world) hear(x word) {
	switch {
	case w.isDown(x.to) || w.unreachable(x.to, x.about) != x.gone:
	case x.gone:
		w.step(x.to, protocol.Down{Node: cluster.NodeID(x.about)})
	default:
		w.step(x.to, protocol.Up{Node: cluster.NodeID(x.about)})
	}
}

// Handle cuts the network. Migrations between the two sides fail, but for those
// whose VM has switched over.
func (c *cutDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(c)
	if w.weather.over {
		return
	}
	cut := w.weather.faults.Cuts[number]
	side := w.sideOf(cut)
	w.weather.side = side
	away := 0
	for _, far := range side {
		away += one(far)
	}
	w.sink.Record(trace.Fault{At: w.now(), What: "cut", Hosts: away})
	for _, vm := range slices.Sorted(maps.Keys(w.moving)) {
		m, ok := w.sim.Migrating(vm)
		if !ok || !w.separated(int(m.Source), int(m.Target)) {
			continue
		}
		if err := w.sim.CancelMigration(vm); err != nil && !errors.Is(err, sim.ErrOver) {
			w.sim.Fail(err)
		}
	}
	w.tellOfCut(side, true)
	w.at(w.now()+time.Duration(cut.Lasts), (*healDue)(w), 0)
}

// sideOf says which hosts a cut takes away from the others: at least one, and
// not all.
func (w *world) sideOf(c Cut) []bool {
	side := make([]bool, len(w.hosts))
	if len(c.Sites) > 0 {
		for h := range side {
			side[h] = slices.Contains(c.Sites, w.geography.name(h))
		}
		return side
	}
	far := int(float64(c.Share) / 100 * float64(len(side)))
	far = max(min(far, len(side)-1), min(1, len(side)-1))
	for _, h := range w.weather.sides.Perm(len(side))[:far] {
		side[h] = true
	}
	return side
}

func (w *world) tellOfCut(side []bool, gone bool) {
	for to := range w.hosts {
		if !w.isDown(to) {
			w.plan(word{to: to, gone: gone, sides: side})
		}
	}
}

// Handle makes the network whole again.
func (h *healDue) Handle(_ sim.Seconds, _ uint64) {
	w := (*world)(h)
	if side := w.weather.side; side != nil {
		w.weather.side = nil
		w.sink.Record(trace.Fault{At: w.now(), What: "healed", Hosts: 0})
		w.tellOfCut(side, false)
	}
}

// arrivals says when what one node sends to another arrives: not at all, once, or
// twice. The slice is valid until the next call.
func (w *world) arrivals(from, to int) []time.Duration {
	at := w.now() + w.geography.delay(from, to)
	w.dates = append(w.dates[:0], at)
	if w.weather == nil {
		return w.dates
	}
	x, chance := w.weather, w.weather.faults.Messages
	if w.chancy() {
		switch {
		case chance.Loss > 0 && 100*x.messages.Float64() < float64(chance.Loss):
			w.dates = w.dates[:0]
		case chance.Duplication > 0 && 100*x.messages.Float64() < float64(chance.Duplication):
			w.dates = append(w.dates, at)
			x.doubled++
		}
		for i := range w.dates {
			w.dates[i] += time.Duration(x.messages.ExpFloat64() * float64(chance.Jitter))
		}
	}
	if len(w.dates) == 0 || w.separated(from, to) {
		x.lost++
		return nil
	}
	return w.dates
}

// reaches reports whether a message arrives that was sent a while ago: its
// receiver may be down by now, or the network cut.
func (w *world) reaches(from, to int) bool {
	if w.weather == nil || !w.isDown(to) && !w.separated(from, to) {
		return true
	}
	w.weather.lost++
	return false
}

// refuses reports whether the hypervisor of a migration's target does not let a
// VM in: it can't be reached, or nobody there expects the VM.
func (w *world) refuses(source int, m protocol.Migrate) bool {
	target := int(m.Target)
	if w.unreachable(source, target) {
		return true
	}
	n, ok := w.machines[target].(*protocol.Node)
	return ok && !n.Expects(m.VM)
}

// flies counts the migrations at their ends. An agent that waits for their end
// starts.
func (w *world) flies(source, target int, n int) {
	if w.weather == nil {
		return
	}
	for _, host := range []int{source, target} {
		w.weather.flights[host] += n
		w.startAgent(host)
	}
}

// revive runs a VM again that its migration has killed: it had gone on at its
// target without all of its memory when the source died.
func (w *world) revive(vm sim.VMID) {
	host := w.sim.HostOf(vm)
	if w.weather == nil || w.sim.State(vm) != sim.VMOff || !w.sim.IsOn(host) {
		return
	}
	if err := w.sim.Start(vm); err != nil {
		w.sim.Fail(err)
	}
}

// clear ends all that goes wrong: who is down returns at once.
func (w *world) clear() {
	x := w.weather
	if x == nil {
		return
	}
	x.over = true
	(*healDue)(w).Handle(0, 0)
	for host := range x.outages {
		if o := &x.outages[host]; o.down && !o.starting {
			w.comeBack(host)
		}
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}
