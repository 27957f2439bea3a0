package protocol_test

import (
	"cmp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/protocol/protocoltest"
)

// migrating returns a world of two nodes in which the VM of the first migrates
// to the second.
func migrating(t *testing.T) *protocoltest.World {
	t.Helper()
	settings := protocol.Defaults()
	settings.Minimum = 1
	w := protocoltest.NewWorld(settings)
	demand := cluster.Of(cluster.Core, cluster.GiB)
	w.AddNode(cluster.Of(cluster.Core, 4*cluster.GiB), []cluster.Resources{demand, demand})
	w.AddNode(cluster.Of(cluster.Core, 4*cluster.GiB), nil)
	must(t, w.Look())
	for w.Migrations() == 0 {
		if w.Messages() > 0 {
			must(t, w.Deliver(0))
		} else {
			must(t, w.Answer(0))
		}
	}
	return w
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// pass lets time go on, and delivers all messages each second.
func pass(t *testing.T, w *protocoltest.World, seconds int) {
	t.Helper()
	for range seconds {
		must(t, w.Advance(time.Second))
		for w.Messages() > 0 {
			must(t, w.Deliver(0))
		}
	}
}

// A VM of hundreds of gigabytes migrates for longer than ActionLimit. Leader and
// target ask its source for news, and wait on.
func TestALongMigrationIsNotGivenUp(t *testing.T) {
	w := migrating(t)
	limit := int(protocol.Defaults().ActionLimit / time.Second)
	pass(t, w, 3*limit)
	if id, booked := w.Node(2).Booked(); !booked || w.Node(2).Promised() == (cluster.Resources{}) {
		t.Fatalf("after %d s node 2 is booked %v by %v and has promised %v", 3*limit, booked, id, w.Node(2).Promised())
	}
	if !strings.Contains(w.Log(), "moving e1.1") {
		t.Error("the source was not asked")
	}
	must(t, w.Finish(0, true))
	pass(t, w, 2)
	if !w.Free() || !w.Viable() || w.Node(2).Promised() != (cluster.Resources{}) {
		t.Errorf("free %v, viable %v, promised %v", w.Free(), w.Viable(), w.Node(2).Promised())
	}
}

// If the source is silent, its leader and target gives up: it takes its promise
// back, and is free.
func TestAMigrationWithoutNewsIsGivenUp(t *testing.T) {
	const source, target = 1, 2
	settings := protocol.Defaults()
	settings.Minimum = 1
	n := protocol.New(target, settings, overlay.NewRing([]cluster.NodeID{source, target}), 1)
	var timers []protocol.SetTimer
	asked := 0
	step := func(now time.Duration, in protocol.Input) {
		for _, out := range n.Step(now, in) {
			switch out := out.(type) {
			case protocol.SetTimer:
				timers = append(timers, out)
			case protocol.Send:
				if _, ok := out.Message.Body.(protocol.Ask); ok {
					asked++
				}
			}
		}
	}
	receive := func(changes protocol.Epoch, body protocol.Body) {
		step(0, protocol.Received{Message: protocol.Message{
			From: source, Partition: protocol.PartitionID{Initiator: source, Sequence: 1}, Epoch: changes * protocol.Change, Body: body,
		}})
	}
	demand := cluster.Of(cluster.Core, cluster.GiB)
	step(0, protocol.Observed{Local: protocol.Local{Capacity: demand}})
	receive(1, protocol.Event{Leader: source, Members: []cluster.NodeID{source}, Kinds: protocol.Of(protocol.Overload)})
	receive(2, protocol.Report{Node: source, Holds: protocol.Of(protocol.Overload)})
	step(0, protocol.Solved{
		Partition: protocol.PartitionID{Initiator: source, Sequence: 1}, Epoch: 2 * protocol.Change, Found: true,
		Plan: plan.Plan{Actions: []plan.Action{{VM: 7, Source: source, Target: target}}},
	})
	receive(2, protocol.Admit{VM: 7, Demand: demand})
	if n.Promised() != demand {
		t.Fatalf("promised %v, want %v", n.Promised(), demand)
	}
	for fired := 0; len(timers) > 0; fired++ {
		if fired > 10_000 {
			t.Fatal("its timers never end")
		}
		next := slices.MinFunc(timers, func(a, b protocol.SetTimer) int { return cmp.Compare(a.At, b.At) })
		timers = slices.DeleteFunc(timers, func(s protocol.SetTimer) bool { return s == next })
		step(next.At, protocol.TimerFired{Timer: next.Timer})
	}
	if _, booked := n.Booked(); booked || n.Promised() != (cluster.Resources{}) || asked != 2 {
		t.Errorf("booked %v, promised %v, asked %d times; want free, nothing and as leader and as target", booked, n.Promised(), asked)
	}
}
