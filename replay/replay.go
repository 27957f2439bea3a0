// Package replay replays the logs of many agents together, in the simulator's
// kernel: what each node was given is an event at its date, and the clock of the
// simulation drives them all.
//
// Each node must ask for what it asked for then, byte for byte. Beyond that, the
// logs of several agents say what one can't: whether every message that was
// received had been sent; and, if the clocks of their machines agree well enough,
// whether a host let in a VM that its node did not expect, and whether two nodes
// ever led the same partition. Of what the procedures did, a trace can be written
// that tells as much as that of a simulated run.
package replay

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// Source is a log: a file, say.
type Source struct {
	Name string
	Log  io.Reader
}

// Agent says what came of one log.
type Agent struct {
	Source   string
	Node     cluster.NodeID
	Starts   uint32        // how often the agent had started
	Began    time.Duration // after the first of all
	Took     time.Duration
	Inputs   int // that were the same
	Sent     int // messages of the protocol
	Received int
	Solves   int
	Moves    int // migrations from here that ended well, and starts of VMs
	Gossip   int // packets of the overlay that were sent
	End      string
	Cut      bool                 // the last line is incomplete
	Diverged *agent.DivergedError // or nil
}

// Result says what came of all.
type Result struct {
	Agents   []Agent // in the order of nodes and starts
	Took     time.Duration
	Messages Messages
	Moves    int // migrations and starts that ended well
	// Findings are what can't be, if all is right; and, of what depends on dates,
	// Doubts if the clocks do not agree.
	Findings, Doubts []string
}

// Same reports whether all asked for the same again, and nothing was found.
func (r Result) Same() bool {
	return len(r.Findings) == 0 && !slices.ContainsFunc(r.Agents, func(a Agent) bool { return a.Diverged != nil })
}

// ClocksAgree reports whether no message was received before it was sent. Then
// the clocks differ by less than what a message takes.
func (r Result) ClocksAgree() bool { return r.Messages.Fastest >= 0 }

// SourceError says which log can't be read.
type SourceError struct {
	Source string
	Err    error
}

func (e *SourceError) Error() string { return fmt.Sprintf("%s: %v", e.Source, e.Err) }

func (e *SourceError) Unwrap() error { return e.Err }

// Run replays logs. The records of what the procedures did go to sink when all is
// done, unless it is nil; each, unless nil, is called with every step, in order of
// their dates. The error is a *SourceError if one of the logs can't be read.
func Run(sources []Source, version string, sink trace.Sink, each func(source string, at time.Duration, s *agent.Step)) (Result, error) {
	w := &world{sim: sim.New(), each: each, messages: newMail(), nodes: map[cluster.NodeID]*replayed{}, story: newStory(), leads: map[lead]cluster.NodeID{}}
	for _, s := range sources {
		log, err := agent.OpenLog(s.Log)
		if err != nil {
			return Result{}, &SourceError{s.Name, err}
		}
		w.logs = append(w.logs, &replayed{Log: log, result: Agent{Source: s.Name, Node: log.Settings.ID, Starts: log.Settings.Starts}})
	}
	if err := w.start(); err != nil {
		return Result{}, err
	}
	if err := w.sim.Run(sim.Forever); err != nil {
		return Result{}, err
	}
	if w.err != nil {
		return Result{}, w.err
	}
	r := w.result()
	if sink != nil {
		w.story.write(sink, w.header(version, r), trace.End{At: r.Took, Messages: w.messages.sent, Gossip: w.gossip, Events: w.sim.Events()})
	}
	return r, nil
}

// world is the logs that are being replayed.
type world struct {
	sim      *sim.Simulation
	logs     []*replayed
	each     func(string, time.Duration, *agent.Step)
	messages *mail
	story    *story
	gossip   int

	nodes     map[cluster.NodeID]*replayed // that run now
	leads     map[lead]cluster.NodeID      // who leads which partition now
	strangers []string                     // VMs that were let in and not expected
	rivals    []string                     // nodes that led the same partition
	err       error
}

// lead is a partition at an epoch.
type lead struct {
	partition protocol.PartitionID
	epoch     protocol.Epoch
}

// replayed is one log.
type replayed struct {
	*agent.Log
	result Agent
	began  time.Duration // after the first of all
	led    lead          // what the node leads; the zero value for nothing
	moving map[cluster.VMID]move
}

// move is a migration that the node has asked for.
type move struct {
	protocol.Migrate
	expected bool // by the target's node, just then
}

// stepDue is the handler of a log's next step; the argument is the log.
type stepDue world

// start plans the first step of each log.
func (w *world) start() error {
	if len(w.logs) == 0 {
		return errors.New("replay: there is no log")
	}
	first := slices.MinFunc(w.logs, func(a, b *replayed) int { return a.Began.Compare(b.Began) }).Began
	seen := map[[2]uint64]string{}
	for i, l := range w.logs {
		key := [2]uint64{uint64(l.result.Node), uint64(l.result.Starts)}
		if other, twice := seen[key]; twice {
			return &SourceError{l.result.Source, fmt.Errorf("it is from the same start of the same agent as %s", other)}
		}
		seen[key] = l.result.Source
		l.began, l.moving = l.Began.Sub(first), map[cluster.VMID]move{}
		l.result.Began = l.began
		w.plan(i)
	}
	return nil
}

// plan puts the next step of a log in the queue; or ends the log.
func (w *world) plan(i int) {
	l := w.logs[i]
	at, err := l.Next()
	switch {
	case errors.Is(err, io.EOF):
		w.end(l)
	case err != nil:
		w.fail(l, err)
	default:
		w.sim.At(max(sim.Of(l.began+at), w.sim.Now()), (*stepDue)(w), uint64(i))
	}
}

// fail ends the replay: a log can't be read.
func (w *world) fail(l *replayed, err error) {
	if w.err == nil {
		w.err = &SourceError{l.result.Source, err}
	}
	w.sim.Stop()
}

// end notes that an agent has ended.
func (w *world) end(l *replayed) {
	if w.nodes[l.result.Node] == l {
		delete(w.nodes, l.result.Node)
	}
	w.follow(l, lead{})
}

// Handle takes the next step of a log.
func (d *stepDue) Handle(_ sim.Seconds, number uint64) {
	w := (*world)(d)
	l := w.logs[number]
	w.nodes[l.result.Node] = l // from now on, if it was not before
	s, err := l.Step()
	var diverged *agent.DivergedError
	switch {
	case errors.As(err, &diverged):
		l.result.Diverged = diverged // what comes after it says nothing
		w.end(l)
		return
	case err != nil:
		w.fail(l, err)
		return
	}
	at := l.began + s.At
	if w.each != nil {
		w.each(l.result.Source, at, s)
	}
	w.note(l, at, s)
	w.plan(int(number))
}

// note keeps what a step tells.
func (w *world) note(l *replayed, at time.Duration, s *agent.Step) {
	l.result.Gossip += len(s.Packets)
	w.gossip += len(s.Packets)
	w.story.given(l, at, s)
	switch in := s.In.(type) {
	case protocol.Received:
		l.result.Received++
		w.messages.receive(l, at, in.Message)
	case protocol.Migrated:
		w.migrated(l, in)
	}
	for _, out := range s.Out {
		w.story.asked(l, at, out)
		switch out := out.(type) {
		case protocol.Send:
			l.result.Sent++
			w.messages.send(l, at, out)
		case protocol.Solve:
			l.result.Solves++
		case protocol.Migrate:
			l.moving[out.VM] = move{out, w.expects(out.Target, out.VM)}
		}
	}
	w.lead(l)
}

// expects reports whether a node expects a VM now. Of one whose log is not there,
// or has no lines of now, nothing is known.
func (w *world) expects(id cluster.NodeID, vm cluster.VMID) bool {
	target, runs := w.nodes[id]
	return !runs || target.Node().Expects(vm)
}

// migrated notes that a migration has ended: if well, the target has let it in.
func (w *world) migrated(l *replayed, m protocol.Migrated) {
	was, known := l.moving[m.VM]
	delete(l.moving, m.VM)
	if !known || !m.OK {
		return
	}
	l.result.Moves++
	if !was.expected {
		w.strangers = append(w.strangers, fmt.Sprintf("%s let VM %d in, which came from %s, and its node did not expect it",
			agent.NodeName(was.Target), m.VM, agent.NodeName(l.result.Node)))
	}
}

// lead notes what a node leads after a step.
func (w *world) lead(l *replayed) {
	n := l.Node()
	if id, booked := n.Booked(); booked && n.Leader() == l.result.Node {
		w.follow(l, lead{id, n.Epoch()})
	} else {
		w.follow(l, lead{})
	}
}

// follow notes that a node leads something else than before.
func (w *world) follow(l *replayed, now lead) {
	if l.led == now {
		return
	}
	if w.leads[l.led] == l.result.Node {
		delete(w.leads, l.led)
	}
	l.led = now
	if now == (lead{}) {
		return
	}
	if other, rival := w.leads[now]; rival && other != l.result.Node {
		w.rivals = append(w.rivals, fmt.Sprintf("%s and %s lead %s at the same time, both at epoch %v",
			agent.NodeName(other), agent.NodeName(l.result.Node), agent.PartitionName(now.partition), now.epoch))
	}
	w.leads[now] = l.result.Node
}

// result sums up.
func (w *world) result() Result {
	r := Result{Messages: w.messages.match(w.logs)}
	for _, l := range w.logs {
		l.result.Took, l.result.Inputs, l.result.End, l.result.Cut = l.Took(), l.Steps, l.End, l.Cut
		r.Agents = append(r.Agents, l.result)
		r.Took = max(r.Took, l.began+l.Took())
		r.Moves += l.result.Moves
	}
	slices.SortFunc(r.Agents, func(a, b Agent) int { return cmp.Or(cmp.Compare(a.Node, b.Node), cmp.Compare(a.Starts, b.Starts)) })
	r.Findings = r.Messages.invented
	dated := append(w.strangers, w.rivals...)
	if r.ClocksAgree() {
		r.Findings = append(r.Findings, dated...)
	} else {
		r.Doubts = dated
	}
	return r
}

// header says what the trace is of.
func (w *world) header(version string, r Result) trace.Header {
	overlay, nodes := "dvms", map[cluster.NodeID]bool{}
	for _, l := range w.logs {
		nodes[l.result.Node] = true
		if l.Settings.Spiral != nil {
			overlay = "dvms-spiral"
		}
	}
	seed := slices.MinFunc(w.logs, func(a, b *replayed) int { return cmp.Compare(a.result.Node, b.result.Node) }).Settings.Seed
	return trace.Header{
		Schema: trace.Schema, Version: version, Scenario: "agents", Strategy: overlay, Workload: "recorded",
		Seed: seed, Hosts: len(nodes), Sites: 1, VMs: len(w.story.vms), Duration: r.Took,
	}
}
