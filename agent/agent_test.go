package agent_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/wire"
)

const gib = 1 << 30

// exchange carries messages between agents in memory, a millisecond each.
type exchange map[cluster.NodeID]*box

// box is what waits for an agent.
type box struct {
	messages chan protocol.Message
	gossip   chan wire.Gossip
}

func newExchange(nodes int) exchange {
	e := exchange{}
	for i := range nodes {
		e[cluster.NodeID(i+1)] = &box{make(chan protocol.Message, 100), make(chan wire.Gossip, 100)}
	}
	return e
}

// hold, unless nil, is asked whether a message is to be kept back, and for how
// long.
type hold func(protocol.Message) time.Duration

type port struct {
	exchange exchange
	id       cluster.NodeID
	members  chan protocol.Input
	hold     hold
}

func newPort(e exchange, id cluster.NodeID) port {
	p := port{exchange: e, id: id, members: make(chan protocol.Input, len(e))}
	for other := range e {
		if other != id {
			p.members <- protocol.Up{Node: other}
		}
	}
	return p
}

func (p port) Send(to cluster.NodeID, m protocol.Message) {
	takes := time.Millisecond
	if p.hold != nil {
		takes += p.hold(m)
	}
	time.AfterFunc(takes, func() {
		select {
		case p.exchange[to].messages <- m:
		default: // it is full, or its agent is gone
		}
	})
}

func (p port) Inbox() <-chan protocol.Message { return p.exchange[p.id].messages }

func (p port) Gossip(to cluster.NodeID, g wire.Gossip) {
	time.AfterFunc(time.Millisecond, func() { p.exchange[to].gossip <- wire.Gossip{From: p.id, Data: g.Data, Waited: g.Waited} })
}

func (p port) Heard() <-chan wire.Gossip { return p.exchange[p.id].gossip }

// Members tells at once of all others.
func (p port) Members() <-chan protocol.Input { return p.members }

// rack is a few agents on one emulated data centre.
type rack struct {
	centre *emulated.DataCentre
	agents []*agent.Agent
	logs   []*bytes.Buffer
	stop   context.CancelFunc
	ended  sync.WaitGroup
	mu     sync.Mutex
	last   []agent.Status
	kinds  map[string]int
}

// newRack starts an agent for each number of VMs, on hosts of 4 cores and 16 GiB.
// A VM has 1 vCPU and 1 GiB, and asks for all of its vCPU.
func newRack(t *testing.T, vms ...int) *rack {
	t.Helper()
	return newRackWith(t, agent.Settings{Monitor: monitor.Defaults()}, vms...)
}

func newRackWith(t *testing.T, s agent.Settings, vms ...int) *rack {
	t.Helper()
	r := &rack{
		centre: emulated.New(emulated.Network{Bandwidth: 1.2e9, Latency: 0.001}, nil),
		last:   make([]agent.Status, len(vms)), kinds: map[string]int{},
	}
	net, members, next := newExchange(len(vms)), []cluster.NodeID{}, cluster.VMID(0)
	for i, n := range vms {
		id := cluster.NodeID(i + 1)
		members = append(members, id)
		err := r.centre.AddHost(cluster.Node{ID: id, Name: fmt.Sprint("n", id), Capacity: cluster.Of(4*cluster.Core, 16*gib)})
		for range n {
			next++
			v := cluster.VM{ID: next, Name: fmt.Sprint("v", next), VCPUs: 1, Demand: cluster.Of(cluster.Core, gib), DirtyRate: 1e6}
			err = errors.Join(err, r.centre.AddVM(v, id))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	for i, id := range members {
		log := &bytes.Buffer{}
		s.ID, s.Protocol, s.Seed = id, protocol.Defaults(), 1
		a := agent.New(s, r.centre.Host(id), newPort(net, id), agent.WithRecord(log), agent.WithWatch(func(h agent.Happening) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.last[i] = h.Status
			r.kinds[h.Kind+" "+h.Outcome]++
		}))
		r.agents, r.logs = append(r.agents, a), append(r.logs, log)
		r.ended.Go(func() {
			if err := a.Run(ctx); err != nil {
				t.Errorf("agent %d: %v", id, err)
			}
		})
	}
	return r
}

// overloaded returns the hosts that have less than their VMs ask for.
func (r *rack) overloaded() (ids []cluster.NodeID) {
	for i := range r.agents {
		id := cluster.NodeID(i + 1)
		l, _ := r.centre.State(id)
		var sum cluster.Resources
		for _, v := range l.VMs {
			sum = sum.Plus(v.Demand)
		}
		if !sum.Within(l.Capacity) {
			ids = append(ids, id)
		}
	}
	return ids
}

func (r *rack) booked() (ids []cluster.NodeID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.last {
		if s.Booked {
			ids = append(ids, s.Node)
		}
	}
	return ids
}

// answer returns what the event of a node was answered with last.
func (r *rack) answer(id cluster.NodeID) *agent.Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last[id-1].Answer
}

// happened returns how often a kind of thing has.
func (r *rack) happened(kind string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.kinds[kind]
}

func TestAgentsRepairAnOverload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRack(t, 6, 1, 4, 2)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if ids := r.overloaded(); len(ids) > 0 {
			t.Errorf("hosts %v are overloaded still", ids)
		}
		if ids := r.booked(); len(ids) > 0 {
			t.Errorf("hosts %v are reserved still", ids)
		}
		if err := r.centre.Check(); err != nil {
			t.Error(err)
		}
		if _, moved := r.centre.Migrating(); moved != 2 || r.happened("ended solved") == 0 {
			t.Errorf("%d migrations, %d procedures solved", moved, r.happened("ended solved"))
		}
		r.stop()
		r.ended.Wait()
	})
}

// The monitor's settings hold here too: an overload that has not lasted is left
// alone, and a VM that has come rests.
func TestAgentsHeedTheMonitor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		looks := monitor.Defaults()
		looks.Hold, looks.Cooldown = 4*time.Second, time.Minute
		r := newRackWith(t, agent.Settings{Monitor: looks}, 5, 1)
		time.Sleep(4500 * time.Millisecond)
		if n := r.happened("began "); n != 0 {
			t.Errorf("an overload of 4 s is no event yet, and there were %d", n)
		}
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if _, moved := r.centre.Migrating(); moved != 1 {
			t.Errorf("%d migrations, want 1", moved)
		}
		come := cluster.VMID(0)
		for vm, on := range r.centre.Where() {
			if on == 2 && vm != 6 {
				come = vm
			}
		}
		// The second host is overloaded next, and the first would have room for
		// the VM that has come, but for no other.
		for vm, on := range r.centre.Where() {
			if on == 1 {
				r.centre.SetCPU(vm, cluster.Core/2)
			}
		}
		r.centre.SetCPU(6, 4*cluster.Core)
		time.Sleep(10 * time.Second)
		if where := r.centre.Where(); where[come] != 2 {
			t.Errorf("VM %d has come and did not rest: %v", come, where)
		}
		r.stop()
		r.ended.Wait()
		for i, log := range r.logs {
			if _, err := agent.Replay(bytes.NewReader(log.Bytes()), nil); err != nil {
				t.Errorf("agent %d: %v", i+1, err)
			}
		}
	})
}

// Who is told to stop in the middle of a plan carries it out before it goes.
func TestAgentLeavesWhenItIsFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRack(t, 6, 1)
		for under := 0; under == 0; under, _ = r.centre.Migrating() {
			time.Sleep(10 * time.Millisecond)
		}
		r.stop()
		r.ended.Wait()
		synctest.Wait()
		under, moved := r.centre.Migrating()
		if under != 0 || moved != 2 {
			t.Errorf("%d migrations are under way, %d ended; want 0 and 2", under, moved)
		}
		if ids := r.booked(); len(ids) > 0 {
			t.Errorf("hosts %v are reserved still", ids)
		}
	})
}

// A host that crashes keeps its VMs; migrations to it end where they began.
func TestMigrationToAHostThatCrashesFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRack(t, 6, 1)
		for under := 0; under == 0; under, _ = r.centre.Migrating() {
			time.Sleep(10 * time.Millisecond)
		}
		r.centre.Crash(2)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		here, there := 0, 0
		for _, on := range r.centre.Where() {
			if on == 1 {
				here++
			} else {
				there++
			}
		}
		if under, _ := r.centre.Migrating(); under != 0 || here != 6 || there != 1 {
			t.Errorf("%d migrations under way, %d VMs at the source and %d at the target; want 0, 6, 1", under, here, there)
		}
		if r.happened("ended aborted") == 0 {
			t.Error("no plan was aborted")
		}
		r.stop()
		r.ended.Wait()
	})
}

// The room that a host has promised is forgotten when its agent dies. A source
// that hears of the promise afterwards is not let in.
func TestHostLetsInWhoItsAgentExpects(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		centre := emulated.New(emulated.Network{Bandwidth: 1.2e9, Latency: 0.001}, nil)
		net := newExchange(2)
		for id := cluster.NodeID(1); id <= 2; id++ {
			if err := centre.AddHost(cluster.Node{ID: id, Name: fmt.Sprint("n", id), Capacity: cluster.Of(4*cluster.Core, 16*gib)}); err != nil {
				t.Fatal(err)
			}
		}
		for vm := cluster.VMID(1); vm <= 5; vm++ {
			if err := centre.AddVM(cluster.VM{ID: vm, VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}, 1); err != nil {
				t.Fatal(err)
			}
		}
		promised := make(chan struct{}, 10)
		tried := 0
		run := func(id cluster.NodeID, starts uint32, p port, watch func(agent.Happening)) (*agent.Agent, context.CancelCauseFunc, chan error) {
			ctx, end := context.WithCancelCause(t.Context())
			a := agent.New(agent.Settings{ID: id, Protocol: protocol.Defaults(), Monitor: monitor.Defaults(), Seed: 1, Starts: starts},
				centre.Host(id), p, agent.WithWatch(watch))
			ended := make(chan error, 1)
			go func() { ended <- a.Run(ctx) }()
			return a, end, ended
		}
		quiet := func(agent.Happening) {}
		_, endOne, one := run(1, 1, newPort(net, 1), func(h agent.Happening) {
			if h.Kind == "migrate" {
				tried++
			}
		})
		slow := newPort(net, 2)
		slow.hold = func(m protocol.Message) time.Duration {
			if _, ok := m.Body.(protocol.Admitted); ok && len(promised) == 0 {
				promised <- struct{}{}
				return 500 * time.Millisecond
			}
			return 0
		}
		_, kill, two := run(2, 1, slow, quiet)
		<-promised
		kill(agent.ErrCrash)
		<-two
		centre.Crash(2)
		_, endTwo, again := run(2, 2, newPort(net, 2), quiet)
		time.Sleep(900 * time.Millisecond) // the promise arrives meanwhile
		if under, moved := centre.Migrating(); under+moved != 0 {
			t.Errorf("%d VMs have moved to a host that has forgotten its promise, and %d are on their way", moved, under)
		}
		time.Sleep(20 * time.Second)
		if _, moved := centre.Migrating(); moved != 1 {
			t.Errorf("%d VMs have moved in the end, want 1", moved)
		}
		endOne(nil)
		endTwo(nil)
		<-one
		<-again
		if tried != 2 {
			t.Errorf("%d migrations were tried, want the one that was refused and the one that came after", tried)
		}
	})
}

// A host that is to be emptied is, and VMs that are to run do, by the same
// procedure as an overload.
func TestAgentsDrainAndStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRack(t, 3, 1, 1)
		time.Sleep(2500 * time.Millisecond)
		r.centre.Drain(1, true)
		for vm := cluster.VMID(101); vm <= 103; vm++ {
			if err := r.centre.Submit(cluster.VM{ID: vm, VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}, 2); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(30 * time.Second)
		synctest.Wait()
		first, _ := r.centre.State(1)
		second, _ := r.centre.State(2)
		if len(first.VMs) != 0 || len(second.Waiting) != 0 || len(r.overloaded()) != 0 {
			t.Errorf("host 1 has %d VMs, host 2 %d that wait; %v are overloaded", len(first.VMs), len(second.Waiting), r.overloaded())
		}
		if got := r.answer(1); got == nil || got.Event != "drain" || got.Outcome != "solved" {
			t.Errorf("the answer to the drain is %+v", got)
		}
		if got := r.answer(2); got == nil || got.Event != "place" || got.Outcome != "solved" {
			t.Errorf("the answer to who wants VMs to be started is %+v", got)
		}
		r.stop()
		r.ended.Wait()
		for i, log := range r.logs {
			if _, err := agent.Replay(bytes.NewReader(log.Bytes()), nil); err != nil {
				t.Errorf("agent %d: %v", i+1, err)
			}
		}
	})
}

// A drain that can't be done is answered with the reasons, and nothing moves.
func TestImpossibleDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRack(t, 3, 3)
		r.centre.Drain(1, true)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		got := r.answer(1)
		if got == nil || got.Event != "drain" || got.Outcome != "unsolvable" || !strings.HasPrefix(got.Reasons, "can't leave: v2") {
			t.Errorf("the answer is %+v", got)
		}
		if _, moved := r.centre.Migrating(); moved != 0 {
			t.Errorf("%d VMs have moved", moved)
		}
		r.stop()
		r.ended.Wait()
	})
}

func TestLogsReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRack(t, 6, 1, 4, 2)
		time.Sleep(10 * time.Second)
		r.stop()
		r.ended.Wait()
		sends := 0
		for i, log := range r.logs {
			text := log.String()
			replayed, err := agent.Replay(strings.NewReader(text), func(s *agent.Step) {
				for _, out := range s.Out {
					if _, ok := out.(protocol.Send); ok {
						sends++
					}
				}
			})
			if err != nil {
				t.Errorf("agent %d: %v", i+1, err)
			}
			if lines := strings.Count(text, "\n"); replayed.Steps != lines-2 || replayed.Cut || replayed.End != "left" {
				t.Errorf("agent %d: %d steps of %d lines, cut: %v, end: %q", i+1, replayed.Steps, lines, replayed.Cut, replayed.End)
			}
		}
		if sends == 0 {
			t.Error("nobody has sent anything")
		}
		text := r.logs[0].String()
		if replayed, err := agent.Replay(strings.NewReader(text[:len(text)-5]), nil); err != nil || !replayed.Cut {
			t.Errorf("a log that was cut: %+v, %v", replayed, err)
		}
		var diverged *agent.DivergedError
		forged := strings.Replace(text, `"Epoch":"1"`, `"Epoch":"7"`, 1)
		if _, err := agent.Replay(strings.NewReader(forged), nil); !errors.As(err, &diverged) {
			t.Errorf("a log with another output: %v", err)
		}
	})
}

// Agents that find their neighbours by a spiral repair overloads as well, and
// what their overlays were given and asked for replays, too.
func TestSpiralsReplay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gossip := overlay.SpiralDefaults()
		gossip.Gossip = time.Second
		r := newRackWith(t, agent.Settings{Monitor: monitor.Defaults(), Spiral: &gossip}, 6, 1, 4, 2, 1, 3)
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if ids := r.overloaded(); len(ids) > 0 {
			t.Errorf("hosts %v are overloaded still", ids)
		}
		r.stop()
		r.ended.Wait()
		text := ""
		ticks, heard := 0, 0
		for i, log := range r.logs {
			text = log.String()
			_, err := agent.Replay(strings.NewReader(text), func(s *agent.Step) {
				if s.Tick {
					ticks++
				}
				if s.Heard != nil {
					heard++
				}
			})
			if err != nil {
				t.Errorf("agent %d: %v", i+1, err)
			}
		}
		if ticks < 6*40 || heard < ticks {
			t.Errorf("%d ticks, and %d packets heard", ticks, heard)
		}
		var diverged *agent.DivergedError
		forged := strings.Replace(text, `"Seed":1`, `"Seed":2`, 1)
		if _, err := agent.Replay(strings.NewReader(forged), nil); !errors.As(err, &diverged) || !strings.Contains(err.Error(), "packets") {
			t.Errorf("a log of other packets: %v", err)
		}
		ring := strings.Replace(text, `"Spiral":{`, `"Other":{`, 1)
		if _, err := agent.Replay(strings.NewReader(ring), nil); err == nil || errors.As(err, &diverged) {
			t.Errorf("a log with ticks, and without a spiral: %v", err)
		}
	})
}

func TestReplayRefusesOtherFiles(t *testing.T) {
	for name, text := range map[string]string{
		"empty": "", "not JSON": "x\n", "another schema": `{"schema":"other"}` + "\n",
		"no settings": `{"schema":"dvms-agent-log/2","settings":{}}` + "\n",
	} {
		if _, err := agent.Replay(strings.NewReader(text), nil); err == nil || !strings.HasPrefix(err.Error(), "line 1: ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Whatever is in a file, to replay it ends, and does no more than that.
func FuzzReplay(f *testing.F) {
	settings, err := json.Marshal(agent.Settings{ID: 1, Protocol: protocol.Defaults(), Monitor: monitor.Defaults(), Spiral: &[]overlay.SpiralSettings{overlay.SpiralDefaults()}[0]})
	if err != nil {
		f.Fatal(err)
	}
	head := `{"schema":"dvms-agent-log/2","began":"2000-01-01T00:00:00Z","settings":` + string(settings) + "}\n"
	f.Add(`{"at_ns":5,"in":{"kind":"overloaded","value":{}}}` + "\n" + `{"at_ns":9,"end":"left"}`)
	f.Add(`{"at_ns":5,"in":{"kind":"up","value":{"Node":2}}}` + "\n" + `{"at_ns":6,"in":{"kind":"tick"},"packets":[{"To":2,"Data":"AQ=="}]}`)
	f.Add(`{"at_ns":5,"in":{"kind":"gossip","value":{"from":2,"data":"AgE=","waited_ns":3}}}`)
	f.Add(`{"at_ns":7,"in":{"kind":"solved","value":{"Partition":{"Initiator":1,"Sequence":1},"Epoch":1,"Found":true,"Plan":{"Actions":[{"Kind":0,"VM":1}]}}}}`)
	f.Add(`{"at_ns":7,"in":{"kind":"received","body":"event","message":{"From":2,"Partition":{"Initiator":2,"Sequence":1},"Epoch":1,"Body":{"Leader":2,"Members":[2]}}}}`)
	f.Fuzz(func(t *testing.T, lines string) {
		log, err := agent.Replay(strings.NewReader(head+lines+"\n"), nil)
		if log == nil || err == nil && log.Steps > strings.Count(lines, "\n")+1 {
			t.Errorf("%+v, %v", log, err)
		}
	})
}
