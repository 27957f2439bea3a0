// Package agent drives one node of the protocol in real time.
//
// One goroutine owns the node. Messages, timers, the monitor's looks, the
// solver's answers and the ends of migrations reach it one after the other as
// inputs; what the node asks for is done at once if that is quick (Send,
// SetTimer), and else in a goroutine of its own whose result is an input again
// (Solve, Migrate). So the node is the one that the simulator and the explorer
// drive, and an agent's inputs, written to a log, replay bit for bit; see Replay.
//
// What an agent needs of its host and of its peers are two small interfaces,
// Hypervisor and Peers.
package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
	"github.com/dvms-project/dvms/strategy"
	"github.com/dvms-project/dvms/wire"
)

// Hypervisor is what an agent needs of its host.
type Hypervisor interface {
	// Look returns what the host has and hosts, and a number that changes when
	// that does. It is called often, and must not wait for anything.
	Look() (l protocol.Local, version uint64)
	// Expect says which VMs the host is to let in: those that its node has
	// promised room to. It lets in no others. It must not wait, and what it says
	// holds before it returns.
	Expect(vms []cluster.VMID)
	// Migrate moves a VM to another host, or starts or resumes one that waits or
	// sleeps here; and returns when that has ended: the VM runs at the target if
	// there is no error, and else is as it was. Look knows of the end before
	// Migrate returns.
	Migrate(ctx context.Context, m protocol.Migrate) error
}

// Peers is what an agent needs of its network.
type Peers interface {
	// Send passes a message on, or loses it. It must not wait.
	Send(to cluster.NodeID, m protocol.Message)
	// Inbox is where messages arrive.
	Inbox() <-chan protocol.Message
	// Members is where word arrives of nodes that are there, protocol.Up, and of
	// those that are gone, protocol.Down.
	Members() <-chan protocol.Input
	// Gossip passes on what this node's overlay tells another's, or loses it. It
	// must not wait.
	Gossip(to cluster.NodeID, g wire.Gossip)
	// Heard is where what other nodes' overlays say arrives.
	Heard() <-chan wire.Gossip
}

// Settings of an agent.
type Settings struct {
	ID       cluster.NodeID
	Protocol protocol.Settings
	Monitor  monitor.Settings
	Budget   int    // of the solver, in search steps; 0 means strategy.DefaultBudget
	Seed     uint64 // of the node's back-off, and of whom its overlay measures
	// Spiral is how nodes find those that are close to them, the same for all; nil
	// means that they are asked in the order of a ring.
	Spiral *overlay.SpiralSettings `json:",omitempty"`
	// Starts is how often the agent has started, this time included. The node
	// remembers nothing of the times before, and must not use the numbers of its
	// procedures again.
	Starts uint32
}

// Validate returns an error that names the first setting that can't be used.
func (s Settings) Validate() error {
	if err := s.Protocol.Validate(); err != nil {
		return err
	}
	if s.Spiral != nil {
		if err := s.Spiral.Validate(); err != nil {
			return fmt.Errorf("spiral: %w", err)
		}
	}
	return nil
}

// Agent drives one node. Run does the work.
type Agent struct {
	settings Settings
	host     Hypervisor
	peers    Peers
	log      *slog.Logger
	record   *recorder        // or nil
	watch    func(Happening)  // or nil
	decide   strategy.Decider // what answers Solve

	node    *mind
	monitor *monitor.Monitor
	start   time.Time
	seen    uint64 // the version of what the node knows of its host; 0 means that it is to be told
	hosted  map[cluster.VMID]bool
	expects []cluster.VMID    // that the host was told to let in
	low     bool              // the monitor says that the host could as well be empty
	usable  cluster.Resources // what the monitor lets VMs ask for
	resting []cluster.VMID    // that the node knows to rest
	inputs  chan Step         // from the solver and migrations
	timers  []protocol.SetTimer
	alarm   *time.Timer // for the first of timers
	measure *time.Timer // for the overlay; it does not run before there are others
	ended   chan struct{}
	status  Status
}

// Option changes what an agent does beside its work.
type Option func(*Agent)

// WithLog has the agent say what it does.
func WithLog(l *slog.Logger) Option { return func(a *Agent) { a.log = l } }

// WithRecord has the agent write its inputs and outputs, for Replay.
func WithRecord(w io.Writer) Option {
	return func(a *Agent) { a.record = newRecorder(w, a.settings) }
}

// WithWatch has a function called with all that happens. It is called from the
// goroutine that owns the node, and must not wait.
func WithWatch(watch func(Happening)) Option { return func(a *Agent) { a.watch = watch } }

// New returns an agent that does nothing before Run.
func New(s Settings, h Hypervisor, p Peers, options ...Option) *Agent {
	a := &Agent{
		settings: s, host: h, peers: p, log: slog.New(slog.DiscardHandler), decide: strategy.Decide,
		node: newMind(s), monitor: monitor.New(s.Monitor), inputs: make(chan Step), ended: make(chan struct{}),
	}
	for _, o := range options {
		o(a)
	}
	return a
}

// ErrCrash, as the cause of the end of a context, ends an agent at once, as if
// its process were killed.
var ErrCrash = errors.New("the agent has crashed")

// Run drives the node until the context ends. It then takes the host out of
// the procedures that it is in: it starts none, and waits until it is free, as
// long as leases last.
func (a *Agent) Run(ctx context.Context) error {
	defer close(a.ended)
	a.start = time.Now()
	if a.record != nil {
		a.record.begin(a.start)
	}
	a.alarm, a.measure = stoppedTimer(), stoppedTimer()
	defer a.alarm.Stop()
	defer a.measure.Stop()
	look := time.NewTicker(a.settings.Monitor.Period)
	defer look.Stop()
	// Migrations are the host's: they go on when the agent leaves.
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	a.log.Info("started", "node", a.settings.ID)
	done, deadline := ctx.Done(), (<-chan time.Time)(nil)
	for {
		select {
		case <-done:
			if errors.Is(context.Cause(ctx), ErrCrash) {
				return a.close("crashed")
			}
			a.log.Info("leaving")
			patience := time.NewTimer(a.patience())
			defer patience.Stop()
			done, deadline = nil, patience.C
			look.Stop()
		case <-deadline:
			a.log.Warn("left while still reserved", "partition", a.status.Partition)
			return a.close("left while reserved")
		case m := <-a.peers.Inbox():
			a.step(work, protocol.Received{Message: m})
		case in := <-a.peers.Members():
			a.met(in)
			a.step(work, in)
		case s := <-a.inputs:
			a.stepWith(work, s)
		case g := <-a.peers.Heard():
			a.hear(g)
		case <-a.measure.C:
			a.tick()
		case <-a.alarm.C:
			a.fire(work)
		case <-look.C:
			a.look(work)
		}
		if done == nil && !a.status.Booked {
			a.log.Info("left")
			return a.close("left")
		}
	}
}

// longestMigration is how long an agent that leaves waits for a migration.
const longestMigration = 5 * time.Minute

// patience is how long an agent that leaves waits to be free.
func (a *Agent) patience() time.Duration {
	return a.settings.Protocol.Lease + a.settings.Protocol.Collect + longestMigration
}

// close ends the log, and says how the agent has ended.
func (a *Agent) close(how string) error {
	if a.record != nil {
		return a.record.end(a.now(), how)
	}
	return nil
}

// stoppedTimer returns a timer that does not run.
func stoppedTimer() *time.Timer {
	t := time.NewTimer(time.Hour)
	t.Stop()
	return t
}

// now is the time since the agent started.
func (a *Agent) now() time.Duration { return time.Since(a.start) }

// look asks the monitor, and tells the node what it finds.
func (a *Agent) look(ctx context.Context) {
	local, _ := a.host.Look()
	var asked cluster.Resources
	for _, v := range local.VMs {
		asked = asked.Plus(v.Demand)
	}
	verdict := a.monitor.Look(a.now(), asked, local.Capacity)
	low, usable := verdict == monitor.Underloaded, a.monitor.Usable(local.Capacity)
	if low != a.low || usable != a.usable || len(a.resting) > 0 {
		a.low, a.usable, a.seen = low, usable, 0 // the node is to hear of it, and of rests that have ended
	}
	switch verdict {
	case monitor.Overloaded:
		a.step(ctx, protocol.Overloaded{})
	case monitor.Underloaded:
		a.step(ctx, protocol.Raised{Kind: protocol.Underload})
	case monitor.Fine:
	}
	for _, kind := range wanted(local) {
		a.step(ctx, protocol.Raised{Kind: kind})
	}
}

// wanted returns the events that others than the monitor have raised: someone
// wants the host to be emptied, VMs to run, or a rule to hold.
func wanted(l protocol.Local) (kinds []protocol.Kind) {
	if l.Draining && len(l.VMs) > 0 {
		kinds = append(kinds, protocol.Drain)
	}
	if len(l.Waiting)+len(l.Sleeping) > 0 {
		kinds = append(kinds, protocol.Place)
	}
	if l.Broken {
		kinds = append(kinds, protocol.BrokenRule)
	}
	return kinds
}

// step gives the node an input.
func (a *Agent) step(ctx context.Context, in protocol.Input) { a.stepWith(ctx, Step{In: in}) }

// stepWith gives the node an input, after telling it what its host hosts if that
// has changed.
func (a *Agent) stepWith(ctx context.Context, s Step) {
	if local, version := a.host.Look(); version != a.seen {
		a.seen = version
		a.observe(ctx, local)
	}
	a.advance(ctx, s)
	a.tellStatus()
}

// met begins to measure round trips when the first other node is there.
func (a *Agent) met(in protocol.Input) {
	if _, up := in.(protocol.Up); up && a.node.spiral != nil && len(a.node.spiral.nodes) == 1 {
		a.measure.Reset(0)
	}
}

// tick has the overlay measure a round trip.
func (a *Agent) tick() {
	s := Step{Tick: true}
	a.take(&s)
	a.gossip(s.Packets, 0)
	a.measure.Reset(s.Next - s.At)
}

// hear gives the overlay what another's says.
func (a *Agent) hear(g wire.Gossip) {
	if a.node.spiral == nil {
		return // the other has been set up otherwise
	}
	if !g.Received.IsZero() {
		g.Waited += time.Since(g.Received)
	}
	s := Step{Heard: &g}
	a.take(&s)
	a.gossip(s.Packets, g.Waited)
}

// gossip sends what the overlay asks to be sent: an answer says for how long the
// question has waited.
func (a *Agent) gossip(packets []overlay.Packet, waited time.Duration) {
	for _, p := range packets {
		a.peers.Gossip(p.To, wire.Gossip{Data: p.Data, Waited: waited})
	}
}

// take takes a step now, and records it.
func (a *Agent) take(s *Step) {
	s.At = a.now()
	a.node.take(s)
	if a.record != nil {
		a.record.step(s)
	}
}

// observe tells the node what its host hosts, in the terms of the monitor: what
// VMs may ask for, and which ones rest.
func (a *Agent) observe(ctx context.Context, local protocol.Local) {
	a.arrivals(local)
	a.usable = a.monitor.Usable(local.Capacity)
	local.Capacity = a.usable
	local.Underloaded = a.low
	if a.resting = a.monitor.Resting(a.now()); len(a.resting) > 0 {
		local.Rules = append(slices.Clone(local.Rules), protocol.Rule{
			Name: fmt.Sprint("resting on node ", a.settings.ID), Kind: rule.Root, VMs: a.resting,
		})
	}
	a.advance(ctx, Step{In: protocol.Observed{Local: local}})
}

// arrivals tells the monitor of VMs that have come since the last look.
func (a *Agent) arrivals(local protocol.Local) {
	here := make(map[cluster.VMID]bool, len(local.VMs))
	for _, v := range local.VMs {
		here[v.ID] = true
		if a.hosted != nil && !a.hosted[v.ID] {
			a.monitor.Arrived(a.now(), v.ID)
		}
	}
	a.hosted = here
}

// advance gives the node an input, and does what it asks for.
func (a *Agent) advance(ctx context.Context, s Step) {
	a.take(&s)
	// The host lets a VM in before its source hears that it may come.
	if vms := a.node.Expected(); !slices.Equal(vms, a.expects) {
		a.expects = vms
		a.host.Expect(vms)
	}
	for _, out := range s.Out {
		a.do(ctx, out)
	}
}

// do carries out what the node asks for.
func (a *Agent) do(ctx context.Context, out protocol.Output) {
	switch out := out.(type) {
	case protocol.Send:
		a.status.Sent++
		a.peers.Send(out.To, out.Message)
	case protocol.Solve:
		a.log.Debug("solving", "partition", out.Partition, "nodes", len(out.Reports))
		go a.solve(out)
	case protocol.Migrate:
		a.tell(Happening{Kind: "migrate", Partition: out.Partition, VM: out.VM, Target: out.Target})
		go a.migrate(ctx, out)
	case protocol.SetTimer:
		a.set(out)
	default:
		a.note(out)
	}
}

// answer brings the result of something that took long, unless the agent has
// ended.
func (a *Agent) answer(s Step) {
	select {
	case a.inputs <- s:
	case <-a.ended:
	}
}

// solve looks for a plan. The node does not wait for longer than its settings
// say, and what comes later is not listened to.
func (a *Agent) solve(s protocol.Solve) {
	d := a.decide(s, a.settings.Budget)
	a.answer(Step{
		In:     protocol.Solved{Partition: s.Partition, Epoch: s.Epoch, Found: d.Found, Plan: d.Plan, Reasons: d.Reasons},
		Solver: &Solver{Answer: d.Answer, Steps: d.Steps, Nodes: d.Nodes, VMs: d.VMs, Moved: d.Moved},
	})
}

func (a *Agent) migrate(ctx context.Context, m protocol.Migrate) {
	err := a.host.Migrate(ctx, m)
	if err != nil {
		a.log.Warn("action failed", "action", m.Kind, "vm", m.VM, "target", m.Target, "err", err)
	}
	a.answer(Step{In: protocol.Migrated{VM: m.VM, OK: err == nil}})
}

// set plans a timer, beside those that are planned.
func (a *Agent) set(s protocol.SetTimer) {
	a.timers = append(a.timers, s)
	a.rearm()
}

// rearm makes the alarm go off at the first timer.
func (a *Agent) rearm() {
	if i := a.first(); i >= 0 {
		a.alarm.Reset(max(0, a.timers[i].At-a.now()))
	}
}

// first returns the position of the timer that fires first, of several the one
// asked for first; or -1.
func (a *Agent) first() int {
	first := -1
	for i, t := range a.timers {
		if first < 0 || t.At < a.timers[first].At {
			first = i
		}
	}
	return first
}

// fire fires the timers that are due.
func (a *Agent) fire(ctx context.Context) {
	for i := a.first(); i >= 0 && a.timers[i].At <= a.now(); i = a.first() {
		t := a.timers[i].Timer
		a.timers = append(a.timers[:i], a.timers[i+1:]...)
		a.step(ctx, protocol.TimerFired{Timer: t})
	}
	a.rearm()
}
