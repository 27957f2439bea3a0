package strategy

import (
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

// Poll asks a Worker for a protocol.Report.
type Poll struct{ Round int }

// Polled answers Poll.
type Polled struct {
	Round  int
	Report protocol.Report
}

// The timers of Centralized.
const (
	PeriodTimer  protocol.Timer = 100 + iota // the next run is due
	CollectTimer                             // workers that have not reported are left out
)

// CentralizedSettings are the settings of Centralized.
type CentralizedSettings struct {
	Period     time.Duration // from the start of one run to the start of the next
	Collect    time.Duration // how long to wait for reports
	Concurrent int           // the most migrations that a node takes part in at once
}

// CentralizedDefaults are those of the published comparison: a run every 30 s.
func CentralizedDefaults() CentralizedSettings {
	return CentralizedSettings{Period: 30 * time.Second, Collect: time.Second, Concurrent: 2}
}

// Validate returns an error that names the first setting that can't be used.
func (s CentralizedSettings) Validate() error {
	switch {
	case s.Period <= 0:
		return fmt.Errorf("period: %v is not a positive duration", s.Period)
	case s.Collect <= 0:
		return fmt.Errorf("collect: %v is not a positive duration", s.Collect)
	case s.Concurrent < 1:
		return fmt.Errorf("concurrent: %d migrations a node is less than 1", s.Concurrent)
	}
	return nil
}

// Centralized is a scheduler on a service node, like Entropy in the published
// comparison: once a period it collects reports from all hosts, calls the
// solver for all of them at once, and carries out one plan at a time. When a
// run takes longer than the period, the next one starts at once.
//
// It starts with the first PeriodTimer.
type Centralized struct {
	id       cluster.NodeID
	hosts    []cluster.NodeID
	settings CentralizedSettings

	phase   phase
	round   int
	started time.Duration // when this run started
	reports []protocol.Report
	kinds   protocol.Kinds   // of the events that the solver was asked about
	several bool             // these are of more than one kind,
	single  []protocol.Kinds // and it is asked about each kind alone if nothing comes of that
	missing int
	index   map[cluster.NodeID]int // of a host in hosts
	runner  *plan.Runner

	out []protocol.Output
}

type phase uint8

const (
	idle phase = iota
	collecting
	solving
	applying
)

// NewCentralized returns the scheduler on service node id for the hosts.
func NewCentralized(id cluster.NodeID, hosts []cluster.NodeID, settings CentralizedSettings) *Centralized {
	c := &Centralized{id: id, hosts: hosts, settings: settings, index: make(map[cluster.NodeID]int, len(hosts))}
	for i, h := range hosts {
		c.index[h] = i
	}
	return c
}

// Step advances the scheduler by one input.
func (c *Centralized) Step(now time.Duration, in protocol.Input) []protocol.Output {
	c.out = c.out[:0]
	switch in := in.(type) {
	case protocol.TimerFired:
		switch {
		case in.Timer == PeriodTimer && c.phase == idle:
			c.collect(now)
		case in.Timer == CollectTimer && c.phase == collecting && now >= c.started+c.settings.Collect:
			c.solve(now)
		}
	case protocol.Received:
		switch body := in.Message.Body.(type) {
		case Polled:
			c.polled(now, body)
		case protocol.Done:
			c.done(now, body)
		}
	case protocol.Solved:
		c.solved(now, in)
	default:
		panic(fmt.Sprintf("strategy: a centralized scheduler has no use for %T", in))
	}
	return c.out
}

func (c *Centralized) send(to cluster.NodeID, body protocol.Body) {
	c.out = append(c.out, protocol.Send{To: to, Message: protocol.Message{From: c.id, Body: body}})
}

// collect starts a run.
func (c *Centralized) collect(now time.Duration) {
	c.phase, c.started = collecting, now
	c.round++
	c.reports = make([]protocol.Report, len(c.hosts))
	c.missing = len(c.hosts)
	for _, h := range c.hosts {
		c.send(h, Poll{Round: c.round})
	}
	c.out = append(c.out, protocol.SetTimer{Timer: CollectTimer, At: now + c.settings.Collect})
}

func (c *Centralized) polled(now time.Duration, p Polled) {
	i, known := c.index[p.Report.Node]
	if c.phase != collecting || p.Round != c.round || !known || c.reports[i].Local.Capacity != (cluster.Resources{}) {
		return
	}
	c.reports[i] = p.Report
	c.missing--
	if c.missing == 0 {
		c.solve(now)
	}
}

// solve calls the solver with the reports that came, about all events that hold.
func (c *Centralized) solve(now time.Duration) {
	c.phase = solving
	c.reports = slices.DeleteFunc(c.reports, func(r protocol.Report) bool {
		return r.Local.Capacity == cluster.Resources{}
	})
	if len(c.reports) == 0 {
		c.rest(now)
		return
	}
	var all protocol.Kinds
	for _, r := range c.reports {
		all |= r.Holds &^ protocol.Of(protocol.Underload)
	}
	c.single = c.single[:0]
	for _, k := range urgency {
		if all.Has(k) && all != protocol.Of(k) {
			c.single = append(c.single, protocol.Of(k))
		}
	}
	c.several = len(c.single) > 0
	c.ask(all)
}

// urgency is the order in which events are looked at by themselves if they
// can't all be dealt with at once.
var urgency = []protocol.Kind{protocol.Overload, protocol.Drain, protocol.BrokenRule, protocol.Place}

// ask asks the solver for a placement that deals with events of some kinds.
func (c *Centralized) ask(kinds protocol.Kinds) {
	c.kinds = kinds
	c.out = append(c.out, protocol.Solve{Reports: c.reports, Kinds: kinds})
}

// solved carries the plan out, if there is one. If not all events can be dealt
// with at once, those of each kind are tried without the others, until one leads
// to a plan: what can't be done is no obstacle to what can.
func (c *Centralized) solved(now time.Duration, s protocol.Solved) {
	if s.Found && len(s.Plan.Actions) > 0 {
		c.apply(now, s.Plan)
		return
	}
	if !s.Found && !c.several {
		c.out = append(c.out, protocol.Answered{Kinds: c.kinds, Outcome: protocol.Unsolvable, Reasons: s.Reasons})
	}
	if s.Found && c.several || len(c.single) == 0 {
		c.rest(now) // all is as it should be, or nothing more can be tried
		return
	}
	kinds := c.single[0]
	c.several, c.single = false, c.single[1:]
	c.ask(kinds)
}

func (c *Centralized) apply(now time.Duration, p plan.Plan) {
	c.phase, c.reports = applying, nil
	c.runner = plan.NewRunner(p, c.settings.Concurrent)
	c.out = append(c.out, protocol.Applying{Nodes: len(c.hosts), Migrations: len(p.Actions)})
	c.dispatch(now)
}

// dispatch orders every action that may start now.
func (c *Centralized) dispatch(now time.Duration) {
	for _, i := range c.runner.Ready() {
		c.runner.Started(i)
		a := c.runner.Plan().Actions[i]
		c.send(a.Source, protocol.Order{Action: i, Kind: a.Kind, VM: a.VM, Target: a.Target, Bypass: a.Bypass})
	}
	if !c.runner.Finished() {
		return
	}
	outcome := protocol.Aborted
	if c.runner.Outcome().Succeeded() {
		outcome = protocol.SolvedOutcome
	}
	c.out = append(c.out, protocol.Ended{Outcome: outcome}, protocol.Answered{Kinds: c.kinds, Outcome: outcome})
	c.rest(now)
}

func (c *Centralized) done(now time.Duration, d protocol.Done) {
	if c.phase != applying || !c.runner.IsRunning(d.Action) {
		return
	}
	if d.OK {
		c.runner.Done(d.Action)
	} else {
		c.runner.Failed(d.Action)
	}
	c.dispatch(now)
}

// rest waits for the next period.
func (c *Centralized) rest(now time.Duration) {
	c.phase, c.runner, c.reports = idle, nil, nil
	next := max(c.started+c.settings.Period, now)
	c.out = append(c.out, protocol.SetTimer{Timer: PeriodTimer, At: next})
}

// Worker is what a host does under a centralized scheduler: it reports when it
// is polled, and migrates when it is told to.
type Worker struct {
	id     cluster.NodeID
	local  protocol.Local
	orders []order
	out    []protocol.Output
}

type order struct {
	vm     cluster.VMID
	action int
	from   cluster.NodeID
}

// NewWorker returns the worker on a host.
func NewWorker(id cluster.NodeID) *Worker { return &Worker{id: id} }

// Step advances the worker by one input.
func (w *Worker) Step(_ time.Duration, in protocol.Input) []protocol.Output {
	w.out = w.out[:0]
	switch in := in.(type) {
	case protocol.Observed:
		w.local = in.Local
	case protocol.Overloaded:
		// The scheduler will see it at its next run.
	case protocol.Received:
		w.receive(in.Message)
	case protocol.Migrated:
		w.migrated(in)
	default:
		panic(fmt.Sprintf("strategy: a worker has no use for %T", in))
	}
	return w.out
}

func (w *Worker) send(to cluster.NodeID, body protocol.Body) {
	w.out = append(w.out, protocol.Send{To: to, Message: protocol.Message{From: w.id, Body: body}})
}

func (w *Worker) receive(m protocol.Message) {
	switch body := m.Body.(type) {
	case Poll:
		w.send(m.From, Polled{Round: body.Round, Report: protocol.Report{Node: w.id, Local: w.local, Holds: w.local.Holds()}})
	case protocol.Order:
		w.orders = append(w.orders, order{body.VM, body.Action, m.From})
		w.out = append(w.out, protocol.Migrate{Kind: body.Kind, VM: body.VM, Target: body.Target, Bypass: body.Bypass})
	}
}

func (w *Worker) migrated(in protocol.Migrated) {
	i := slices.IndexFunc(w.orders, func(o order) bool { return o.vm == in.VM })
	if i < 0 {
		return
	}
	o := w.orders[i]
	w.orders = slices.Delete(w.orders, i, i+1)
	w.send(o.from, protocol.Done{Action: o.action, OK: in.OK})
}
