package overlay_test

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// procedures is nodes of the protocol on the overlays of a network. Messages
// arrive in the order in which they were sent, and migrations end at once.
type procedures struct {
	t      *rapid.T
	nodes  []*protocol.Node
	local  []protocol.Local
	queue  []sent
	alarms []alarm
	now    time.Duration
	ended  map[protocol.Outcome]int
}

// sent is an input on its way to a node.
type sent struct {
	to cluster.NodeID
	in protocol.Input
}

// alarm is a timer of a node.
type alarm struct {
	at    time.Duration
	node  cluster.NodeID
	timer protocol.Timer
}

func (p *procedures) step(s sent) {
	p.do(s, p.nodes[s.to].Step(p.now, protocol.Observed{Local: p.local[s.to]}))
	p.do(s, p.nodes[s.to].Step(p.now, s.in))
}

func (p *procedures) do(s sent, outputs []protocol.Output) {
	for _, out := range outputs {
		switch out := out.(type) {
		case protocol.Send:
			p.queue = append(p.queue, sent{out.To, protocol.Received{Message: out.Message}})
		case protocol.Solve:
			d := strategy.Decide(out, 10_000)
			p.queue = append(p.queue, sent{s.to, protocol.Solved{Partition: out.Partition, Epoch: out.Epoch, Found: d.Found, Plan: d.Plan}})
		case protocol.Migrate:
			p.migrate(s.to, out)
			p.queue = append(p.queue, sent{s.to, protocol.Migrated{VM: out.VM, OK: true}})
		case protocol.SetTimer:
			p.alarms = append(p.alarms, alarm{out.At, s.to, out.Timer})
		case protocol.Ended:
			p.ended[out.Outcome]++
		}
	}
}

func (p *procedures) migrate(from cluster.NodeID, m protocol.Migrate) {
	source, target := &p.local[from], &p.local[m.Target]
	var stay []cluster.VM
	for _, vm := range source.VMs {
		if vm.ID == m.VM {
			target.VMs = append(append([]cluster.VM(nil), target.VMs...), vm)
		} else {
			stay = append(stay, vm)
		}
	}
	source.VMs = stay
}

// run delivers everything; timers fire when nothing else is left, up to an end.
func (p *procedures) run(end time.Duration) {
	for steps := 0; ; steps++ {
		if steps > 100_000 {
			p.t.Fatalf("it does not end: %v", p.ended)
		}
		if len(p.queue) > 0 {
			next := p.queue[0]
			p.queue = p.queue[1:]
			p.step(next)
			continue
		}
		if len(p.alarms) == 0 {
			return
		}
		first := slices.MinFunc(p.alarms, func(a, b alarm) int { return cmp.Compare(a.at, b.at) })
		if first.at > end {
			return
		}
		p.alarms = slices.Delete(p.alarms, slices.Index(p.alarms, first), slices.Index(p.alarms, first)+1)
		p.now = max(p.now, first.at)
		p.step(sent{first.node, protocol.TimerFired{Timer: first.timer}})
	}
}

// All nodes are full but one, which may be anywhere, and whatever the nodes know
// of each other: the event of an overloaded one gets there, at the first go.
func TestAnEventReachesTheOnlyNodeWithRoom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		count := rapid.IntRange(2, 16).Draw(t, "nodes")
		n := newNetwork(count, small(), onSites(rapid.IntRange(1, 4).Draw(t, "sites")))
		n.run(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds of gossip")) * time.Second)
		p := &procedures{t: t, ended: map[protocol.Outcome]int{}}
		vm := cluster.VMID(0)
		overloaded := rapid.IntRange(0, count-1).Draw(t, "overloaded")
		room := (overloaded + rapid.IntRange(1, count-1).Draw(t, "room")) % count
		for i := range count {
			local := protocol.Local{Capacity: cluster.Of(100, 64*cluster.GiB)}
			vms := 2
			if i == overloaded {
				vms = 3
			} else if i == room {
				vms = 1
			}
			for range vms {
				local.VMs = append(local.VMs, cluster.VM{ID: vm, VCPUs: 1, Demand: cluster.Of(50, cluster.GiB)})
				vm++
			}
			id := cluster.NodeID(i)
			p.local = append(p.local, local)
			p.nodes = append(p.nodes, protocol.New(id, protocol.Defaults(), n.of(id), 1))
			p.nodes[i].Step(0, protocol.Observed{Local: local})
		}
		p.step(sent{cluster.NodeID(overloaded), protocol.Overloaded{}})
		p.run(time.Minute)
		if len(p.ended) != 1 || p.ended[protocol.SolvedOutcome] != 1 || len(p.local[room].VMs) != 2 {
			t.Fatalf("%v, and the node with room has %d VMs", p.ended, len(p.local[room].VMs))
		}
	})
}
