package experiment

import (
	"encoding/json"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
	"github.com/dvms-project/dvms/wire"
)

// onWire is how long a frame of the agents is, with what TLS adds.
func onWire(m protocol.Message) (int, error) {
	e, err := wire.EncodeMessage(m)
	if err != nil {
		return 0, err
	}
	text, err := json.Marshal(e)
	return frameSize + recordSize + len(text), err
}

// Messages are as long as those of the agents, within one part in twenty each,
// and all those of a run within one in a hundred. The run is crowded, so that
// partitions merge, and there are messages of most kinds.
func TestMessagesAreAsLongAsThoseOfAgents(t *testing.T) {
	s := Default()
	s.Hosts.Count, s.VMs.Count, s.Duration = 48, 480, s.Duration/12
	s.Workload.Law, s.Workload.Mean, s.Workload.Start = "gaussian", 69, "mean"
	for _, overlay := range []string{"dvms", "dvms-spiral"} {
		w, err := newWorld(Spec{Scenario: s, Strategy: overlay, Seed: 1}, nowhere{})
		if err != nil {
			t.Fatal(err)
		}
		kinds, sum, real := map[string]int{}, 0, 0
		for i := range w.machines {
			w.machines[i] = &listener{w.machines[i], func(m protocol.Message) {
				kinds[fmt.Sprintf("%T", m.Body)]++
				want, err := onWire(m)
				if err != nil {
					t.Fatal(err)
				}
				got := sizeOf(m)
				sum, real = sum+got, real+want
				if math.Abs(float64(got-want)) > 0.05*float64(want) {
					text, _ := json.Marshal(m)
					t.Fatalf("%T is taken to have %d bytes, and has %d: %s", m.Body, got, want, text)
				}
			}}
		}
		w.start()
		if err := w.sim.Run(150); err != nil {
			t.Fatal(err)
		}
		if math.Abs(float64(sum-real)) > 0.01*float64(real) {
			t.Errorf("%s: messages are taken to have %d bytes together, and have %d", overlay, sum, real)
		}
		if len(kinds) < 12 || sum != w.sent.bytes {
			t.Errorf("%s: the run has %d bytes, seen were %d, of %d kinds: %v", overlay, w.sent.bytes, sum, len(kinds), kinds)
		}
	}
}

// listener hears what a machine sends.
type listener struct {
	strategy.Machine
	heard func(protocol.Message)
}

func (l *listener) Step(now time.Duration, in protocol.Input) []protocol.Output {
	out := l.Machine.Step(now, in)
	for _, o := range out {
		if s, ok := o.(protocol.Send); ok {
			l.heard(s.Message)
		}
	}
	return out
}

// The kinds of messages that the run above may not have.
func TestRareMessagesAreAsLongAsThoseOfAgents(t *testing.T) {
	vm := cluster.VM{ID: 17, Name: "web-1", VCPUs: 2, Demand: cluster.Of(2000, cluster.GiB), DirtyRate: 125_000_000}
	local := protocol.Local{
		Capacity: cluster.Of(7000, 32*cluster.GiB), VMs: []cluster.VM{vm}, Waiting: []cluster.VM{vm, vm}, Incoming: []cluster.VMID{4, 5},
		Rules: []protocol.Rule{{Name: "web", VMs: []cluster.VMID{1, 2}, Nodes: []cluster.NodeID{3}}}, Draining: true,
	}
	for _, body := range []protocol.Body{
		protocol.Refuse{},
		protocol.Passing{},
		protocol.Renew{},
		protocol.Settled{VM: 3},
		protocol.Moving{VM: 12},
		protocol.Ask{VM: 5, Action: 11},
		protocol.Returned{Busy: true},
		protocol.Report{Node: 7, Local: local},
		protocol.Merge{Into: protocol.PartitionID{Initiator: 77, Sequence: 5}, IntoEpoch: 4 * protocol.Change, Members: []cluster.NodeID{1, 20}},
		protocol.Merged{Into: protocol.PartitionID{Initiator: 77, Sequence: 5}, OK: true, Members: []cluster.NodeID{1, 20}},
		protocol.Stuck{Leader: 3, Members: []cluster.NodeID{1, 2, 3}},
	} {
		m := protocol.Message{From: 3, Partition: protocol.PartitionID{Initiator: 12, Sequence: 2}, Epoch: 10 * protocol.Change, Body: body}
		want, err := onWire(m)
		if got := sizeOf(m); err != nil || math.Abs(float64(got-want)) > 0.05*float64(want) {
			t.Errorf("%T is taken to have %d bytes, and has %d (%v)", body, got, want, err)
		}
	}
}
