// Package check judges plans and placements, with code that neither finds
// placements nor makes plans.
//
// Plan holds a plan to two readings of it. Step by step: all actions of a step
// start together, their targets have room for them while their sources still
// hold them, and the next step starts when they have ended. By dependency: an
// action starts at any time after those it names in After have ended, so that
// the worst of all interleavings counts.
package check

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// ActionError says what is wrong with an action of a plan.
type ActionError struct {
	Index  int // in Plan.Actions
	Action plan.Action
	Wrong  string // actions are counted from 0 in it
}

func (e *ActionError) Error() string {
	a := e.Action
	return fmt.Sprintf("action %d (VM %d from node %d to %d in step %d): %s", e.Index, a.VM, a.Source, a.Target, a.Step, e.Wrong)
}

// Plan returns an *ActionError about the first wrong action of p, nil if p can
// be carried out from c. It does not ask where p leads.
func Plan(c *cluster.Configuration, p plan.Plan) error {
	k := &checker{c: c, actions: p.Actions, vms: map[cluster.VMID]int{}, nodes: map[cluster.NodeID]int{}}
	for v := range c.VMs {
		k.vms[c.VMs[v].ID] = v
	}
	for n := range c.Nodes {
		k.nodes[c.Nodes[n].ID] = n
	}
	for _, judge := range []func() error{k.form, k.order, k.steps, k.interleavings} {
		if err := judge(); err != nil {
			return err
		}
	}
	return nil
}

type checker struct {
	c       *cluster.Configuration
	actions []plan.Action
	vms     map[cluster.VMID]int
	nodes   map[cluster.NodeID]int
	// before is, by action, the set of actions that have ended when it starts.
	before []set
}

// set is a set of actions, as bits.
type set []uint64

func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }
func (s set) addAll(o set) {
	for w := range o {
		s[w] |= o[w]
	}
}

func (k *checker) wrong(i int, format string, args ...any) error {
	return &ActionError{i, k.actions[i], fmt.Sprintf(format, args...)}
}

// form checks what can be seen in an action alone.
func (k *checker) form() error {
	for i, a := range k.actions {
		v, known := k.vms[a.VM]
		if !known {
			return k.wrong(i, "unknown VM")
		}
		if _, known := k.nodes[a.Source]; !known {
			return k.wrong(i, "unknown source")
		}
		if _, known := k.nodes[a.Target]; !known {
			return k.wrong(i, "unknown target")
		}
		if a.Source == a.Target {
			return k.wrong(i, "source and target are the same")
		}
		if memory := k.c.VMs[v].Demand.Memory(); a.Memory != memory {
			return k.wrong(i, "it says %v of memory, and the VM has %v", a.Memory, memory)
		}
		if a.Step < 0 || i > 0 && a.Step < k.actions[i-1].Step {
			return k.wrong(i, "steps are not in ascending order")
		}
		for _, b := range a.After {
			if b < 0 || b >= i || k.actions[b].Step >= a.Step {
				return k.wrong(i, "it comes after action %d, which is in no earlier step", b)
			}
		}
	}
	return nil
}

// order checks that the actions of a VM come one after the other, by the
// dependencies too, and that all but its last are bypasses. It sets before.
func (k *checker) order() error {
	k.before = make([]set, len(k.actions))
	last := map[int]int{} // by VM: its action
	for i, a := range k.actions {
		k.before[i] = make(set, (len(k.actions)+63)/64)
		for _, b := range a.After {
			k.before[i].add(b)
			k.before[i].addAll(k.before[b])
		}
		v := k.vms[a.VM]
		b, moved := last[v]
		if moved && !k.actions[b].Bypass {
			return k.wrong(b, "the VM moves again in action %d, but this is no bypass", i)
		}
		if moved && !k.before[i].has(b) {
			return k.wrong(i, "it does not wait for action %d of the same VM", b)
		}
		last[v] = i
	}
	for i, a := range k.actions {
		if a.Bypass && last[k.vms[a.VM]] == i {
			return k.wrong(i, "it is a bypass, but the VM does not move on")
		}
	}
	return nil
}

// steps replays the plan step by step.
func (k *checker) steps() error {
	host := append([]int32(nil), k.c.Host...)
	use := k.c.Usage()
	for start := 0; start < len(k.actions); {
		end := start
		for ; end < len(k.actions) && k.actions[end].Step == k.actions[start].Step; end++ {
			a := k.actions[end]
			v, source, target := k.vms[a.VM], k.nodes[a.Source], k.nodes[a.Target]
			if host[v] != int32(source) {
				return k.wrong(end, "the VM is not on its source")
			}
			use[target] = use[target].Plus(k.c.VMs[v].Demand)
			if r, over := use[target].Exceeding(k.c.Nodes[target].Capacity); over {
				return k.wrong(end, "too little %v on the target: %v asked for, %v there", r, use[target], k.c.Nodes[target].Capacity)
			}
			host[v] = cluster.Nowhere // until the end of the step
		}
		for ; start < end; start++ {
			a := k.actions[start]
			v := k.vms[a.VM]
			host[v] = int32(k.nodes[a.Target])
			use[k.nodes[a.Source]] = use[k.nodes[a.Source]].Minus(k.c.VMs[v].Demand)
		}
	}
	return nil
}

// traffic is what arrives at a node and departs from it.
type traffic struct {
	node                 int
	held                 cluster.Resources // by the VMs there at the start
	arrivals, departures []int
}

// interleavings checks that no order of events that the dependencies allow
// makes a node hold more than it can while, or after, somebody arrives.
func (k *checker) interleavings() error {
	nodes := make([]traffic, len(k.c.Nodes))
	for n, use := range k.c.Usage() {
		nodes[n] = traffic{node: n, held: use}
	}
	for i, a := range k.actions {
		target, source := &nodes[k.nodes[a.Target]], &nodes[k.nodes[a.Source]]
		target.arrivals = append(target.arrivals, i)
		source.departures = append(source.departures, i)
	}
	for n := range nodes {
		for _, i := range nodes[n].arrivals {
			if r, worst, over := k.worst(&nodes[n], i); over {
				return k.wrong(i, "the target may be asked for %d of %v and has %d, if others start early and end late",
					worst, r, k.c.Nodes[n].Capacity[r])
			}
		}
	}
	return nil
}

func (k *checker) demand(action int, r cluster.Resource) int64 {
	return k.c.VMs[k.vms[k.actions[action].VM]].Demand[r]
}

// worst returns the most that a node can be asked for once arrival has
// started, of the first resource of which that is more than there is.
//
// An enemy chooses which other arrivals have started. Each one adds its
// demand, and concedes that all departures before it have ended. The enemy
// never concedes more than needed. So it looks for the set of arrivals with the
// largest demand less that of the departures they concede, a closure of
// greatest weight, whose value is the demand of all arrivals less a maximum
// flow from arrivals to the departures before them.
//
// Source: J.-C. Picard, "Maximal closure of a graph and applications to
// combinatorial problems", Management Science, 1976.
func (k *checker) worst(t *traffic, arrival int) (r cluster.Resource, worst int64, over bool) {
	for r := range cluster.NumResources {
		worst := t.held[r] + k.demand(arrival, r)
		f := flow{k: k}
		for _, d := range t.departures {
			if k.before[arrival].has(d) {
				worst -= k.demand(d, r)
			} else {
				f.sinks = append(f.sinks, pipe{d, k.demand(d, r)})
			}
		}
		for _, a := range t.arrivals {
			if a != arrival {
				worst += k.demand(a, r)
				f.sources = append(f.sources, pipe{a, k.demand(a, r)})
			}
		}
		if worst > k.c.Nodes[t.node].Capacity[r] {
			worst -= f.maximum()
		}
		if worst > k.c.Nodes[t.node].Capacity[r] {
			return r, worst, true
		}
	}
	return 0, 0, false
}

// flow is a network from arrivals to the departures that are before them.
type flow struct {
	k              *checker
	sources, sinks []pipe
	through        map[[2]int]int64 // by source and sink
	seen           []bool           // by source
}

// pipe is an action and how much more can flow through it.
type pipe struct {
	action int
	left   int64
}

func (f *flow) joined(source, sink int) bool {
	return f.k.before[f.sources[source].action].has(f.sinks[sink].action)
}

// maximum returns the largest flow, by augmenting paths.
func (f *flow) maximum() (total int64) {
	f.through = map[[2]int]int64{}
	for s := range f.sources {
		for f.sources[s].left > 0 {
			f.seen = make([]bool, len(f.sources))
			pushed := f.push(s, f.sources[s].left)
			if pushed == 0 {
				break
			}
			f.sources[s].left -= pushed
			total += pushed
		}
	}
	return total
}

// push sends up to amount on from source: to a sink with room, or to one from
// which another source can turn to a different sink.
func (f *flow) push(source int, amount int64) int64 {
	f.seen[source] = true
	for sink := range f.sinks {
		if !f.joined(source, sink) {
			continue
		}
		if pushed := min(amount, f.sinks[sink].left); pushed > 0 {
			f.sinks[sink].left -= pushed
			f.through[[2]int{source, sink}] += pushed
			return pushed
		}
	}
	for sink := range f.sinks {
		if !f.joined(source, sink) {
			continue
		}
		for other := range f.sources {
			turned := min(amount, f.through[[2]int{other, sink}])
			if f.seen[other] || turned == 0 {
				continue
			}
			if pushed := f.push(other, turned); pushed > 0 {
				f.through[[2]int{other, sink}] -= pushed
				f.through[[2]int{source, sink}] += pushed
				return pushed
			}
		}
	}
	return 0
}
