package protocol_test

import (
	"cmp"
	"container/heap"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// recording is a run of some nodes that keeps what they were told: in the mix
// of a simulation, with messages of 1 ms, migrations of 10 s, and loads that
// change every 300 s on average.
type recording struct {
	nodes  []*protocol.Node
	vms    [][]cluster.VM // by node
	moving map[cluster.VMID]cluster.NodeID
	queue  due
	order  int
	told   []told
}

type told struct {
	at    time.Duration
	node  cluster.NodeID
	input protocol.Input
}

type event struct {
	told
	order  int
	change bool // the load of a VM on the node changes; there is no input
	look   bool // the monitor looks
}

type due []event

func (d due) Len() int { return len(d) }
func (d due) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(d[i].at, d[j].at), d[i].order-d[j].order) < 0
}
func (d due) Swap(i, j int) { d[i], d[j] = d[j], d[i] }
func (d *due) Push(x any)   { *d = append(*d, x.(event)) }
func (d *due) Pop() any {
	last := (*d)[len(*d)-1]
	*d = (*d)[:len(*d)-1]
	return last
}

const benchNodes, benchVMs = 64, 10

func freshNodes() []*protocol.Node {
	ids := make([]cluster.NodeID, benchNodes)
	for i := range ids {
		ids[i] = cluster.NodeID(i)
	}
	ring := overlay.NewRing(ids)
	nodes := make([]*protocol.Node, benchNodes)
	for i := range nodes {
		nodes[i] = protocol.New(ids[i], protocol.Defaults(), ring, 1)
	}
	return nodes
}

func (r *recording) plan(e event) {
	r.order++
	e.order = r.order
	heap.Push(&r.queue, e)
}

func (r *recording) local(n cluster.NodeID) protocol.Local {
	l := protocol.Local{Capacity: cluster.Of(7*cluster.Core, 32*cluster.GiB), VMs: slices.Clone(r.vms[n])}
	for vm, target := range r.moving {
		if target == n {
			l.Incoming = append(l.Incoming, vm)
		}
	}
	slices.Sort(l.Incoming)
	return l
}

func (r *recording) tell(at time.Duration, n cluster.NodeID, in protocol.Input) {
	r.told = append(r.told, told{at, n, in})
	for _, out := range r.nodes[n].Step(at, in) {
		switch out := out.(type) {
		case protocol.Send:
			r.plan(event{told: told{at + time.Millisecond, out.To, protocol.Received{Message: out.Message}}})
		case protocol.Solve:
			d := strategy.Decide(out, 10_000)
			r.plan(event{told: told{at + time.Millisecond, n, protocol.Solved{Partition: out.Partition, Epoch: out.Epoch, Found: d.Found, Plan: d.Plan}}})
		case protocol.SetTimer:
			r.plan(event{told: told{out.At, n, protocol.TimerFired{Timer: out.Timer}}})
		case protocol.Migrate:
			r.moving[out.VM] = out.Target
			r.plan(event{told: told{at + 10*time.Second, n, protocol.Migrated{VM: out.VM, OK: true}}})
			r.tell(at, out.Target, protocol.Observed{Local: r.local(out.Target)})
		}
	}
}

// record makes half an hour of the mix.
func record(rng *rand.Rand) *recording {
	r := &recording{nodes: freshNodes(), vms: make([][]cluster.VM, benchNodes), moving: map[cluster.VMID]cluster.NodeID{}}
	load := func() int64 { return min(max(int64(rng.NormFloat64()*200+650), 0), 1000) }
	for n := range r.vms {
		for v := range benchVMs {
			r.vms[n] = append(r.vms[n], cluster.VM{ID: cluster.VMID(n*benchVMs + v), VCPUs: 1, Demand: cluster.Of(cluster.Millicores(load()), cluster.GiB)})
		}
		r.tell(0, cluster.NodeID(n), protocol.Observed{Local: r.local(cluster.NodeID(n))})
		r.plan(event{told: told{at: time.Duration(rng.Int64N(int64(time.Second))), node: cluster.NodeID(n)}, look: true})
		r.plan(event{told: told{at: time.Duration(rng.Int64N(int64(30 * time.Second))), node: cluster.NodeID(n)}, change: true})
	}
	for len(r.queue) > 0 {
		e := heap.Pop(&r.queue).(event)
		if e.at > 30*time.Minute {
			break
		}
		switch migrated, ok := e.input.(protocol.Migrated); {
		case e.change:
			if vms := r.vms[e.node]; len(vms) > 0 {
				vms[rng.IntN(len(vms))].Demand[cluster.CPU] = load()
				r.tell(e.at, e.node, protocol.Observed{Local: r.local(e.node)})
			}
			r.plan(event{told: told{at: e.at + time.Duration(rng.ExpFloat64()*30*float64(time.Second)), node: e.node}, change: true})
		case e.look:
			if _, over := sum(r.vms[e.node]).Exceeding(cluster.Of(7*cluster.Core, 32*cluster.GiB)); over {
				r.tell(e.at, e.node, protocol.Overloaded{})
			}
			r.plan(event{told: told{at: e.at + time.Second, node: e.node}, look: true})
		case ok:
			target := r.moving[migrated.VM]
			delete(r.moving, migrated.VM)
			i := slices.IndexFunc(r.vms[e.node], func(v cluster.VM) bool { return v.ID == migrated.VM })
			r.vms[target] = append(r.vms[target], r.vms[e.node][i])
			r.vms[e.node] = slices.Delete(r.vms[e.node], i, i+1)
			r.tell(e.at, e.node, protocol.Observed{Local: r.local(e.node)})
			r.tell(e.at, target, protocol.Observed{Local: r.local(target)})
			r.tell(e.at, e.node, e.input)
		default:
			r.tell(e.at, e.node, e.input)
		}
	}
	return r
}

func sum(vms []cluster.VM) (all cluster.Resources) {
	for _, v := range vms {
		all = all.Plus(v.Demand)
	}
	return all
}

// BenchmarkStep replays to fresh nodes what the nodes of a simulation were told,
// and says how many inputs a core takes in a second.
func BenchmarkStep(b *testing.B) {
	r := record(rand.New(rand.NewPCG(1, 2)))
	b.ReportAllocs()
	inputs := 0
	for b.Loop() {
		b.StopTimer()
		nodes := freshNodes()
		b.StartTimer()
		for i := range r.told {
			t := &r.told[i]
			nodes[t.node].Step(t.at, t.input)
		}
		inputs += len(r.told)
	}
	b.ReportMetric(float64(inputs)/b.Elapsed().Seconds(), "inputs/s")
	b.ReportMetric(float64(len(r.told)), "inputs/op")
	messages := 0
	for _, t := range r.told {
		if _, ok := t.input.(protocol.Received); ok {
			messages++
		}
	}
	b.ReportMetric(float64(messages)/float64(len(r.told)), "messages/input")
}
