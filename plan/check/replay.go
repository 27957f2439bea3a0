package check

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/rule"
)

// span is when an action starts and ends.
type span struct {
	start, end time.Duration
}

// Timed returns an *ActionError about the first action of p that is wrong if
// they are carried out as s says; nil if they can be, keeping the rules on the way,
// and s has the makespan and the limit per node that it says. What ends at
// an instant makes room for what starts then. As for Plan, it does not matter where
// p leads.
func Timed(c *cluster.Configuration, p plan.Plan, s plan.Schedule, rules ...rule.Rule) error {
	if len(s.Start) != len(p.Actions) || len(s.End) != len(p.Actions) {
		return fmt.Errorf("%d actions, but %d starts and %d ends", len(p.Actions), len(s.Start), len(s.End))
	}
	k, err := newChecker(c, p, rules)
	if err != nil {
		return err
	}
	spans := make([]span, len(k.actions))
	last := time.Duration(0)
	for i, a := range k.actions {
		spans[i] = span{s.Start[i], s.End[i]}
		if spans[i].start < 0 || spans[i].end < spans[i].start {
			return k.wrong(i, "it is carried out from %v to %v", spans[i].start, spans[i].end)
		}
		for _, b := range a.After {
			if spans[b].end > spans[i].start {
				return k.wrong(i, "it starts at %v, and action %d, which it comes after, ends at %v", spans[i].start, b, spans[b].end)
			}
		}
		last = max(last, s.End[i])
	}
	if s.Makespan != last {
		return fmt.Errorf("the last action ends at %v, and the makespan is said to be %v", last, s.Makespan)
	}
	for _, judge := range []func() error{k.moves, func() error { return k.replay(spans) }, func() error { return k.perNode(spans, s.PerNode) }} {
		if err := judge(); err != nil {
			return err
		}
	}
	return nil
}

// perNode checks that at most so many actions touch a node at a time. 0 is no
// limit.
func (k *checker) perNode(spans []span, limit int) error {
	if limit == 0 {
		return nil
	}
	touching := map[cluster.NodeID][]int{}
	for i, a := range k.actions {
		touching[a.Source] = append(touching[a.Source], i)
		if a.Target != a.Source {
			touching[a.Target] = append(touching[a.Target], i)
		}
	}
	for i, a := range k.actions {
		for _, n := range []cluster.NodeID{a.Source, a.Target} {
			others := 0
			for _, b := range touching[n] {
				if b != i && spans[b].start <= spans[i].start && spans[i].start < spans[b].end {
					others++
				}
			}
			if others >= limit {
				return k.wrong(i, "%d other actions touch node %d when it starts at %v, and %d may touch it at a time", others, n, spans[i].start, limit)
			}
		}
	}
	return nil
}

// steps replays the plan step by step.
func (k *checker) steps() error {
	spans := make([]span, len(k.actions))
	for i, a := range k.actions {
		spans[i] = span{time.Duration(a.Step), time.Duration(a.Step) + 1}
	}
	return k.replay(spans)
}

// replay carries the actions out, each in its span, and looks at nodes and rules
// whenever somebody arrives. The spans agree with After.
func (k *checker) replay(spans []span) error {
	w := newReplay(k)
	starts, ends := make([]int, len(spans)), make([]int, len(spans))
	for i := range spans {
		starts[i], ends[i] = i, i
	}
	// Who comes after another in the plan comes after it here, if both start at the same
	// instant, as they do if one takes no time.
	slices.SortStableFunc(starts, func(a, b int) int { return cmp.Compare(spans[a].start, spans[b].start) })
	slices.SortStableFunc(ends, func(a, b int) int { return cmp.Compare(spans[a].end, spans[b].end) })
	started := make([]bool, len(spans))
	for len(starts) > 0 {
		now := spans[starts[0]].start
		for len(ends) > 0 && spans[ends[0]].end <= now && started[ends[0]] {
			w.end(ends[0])
			ends = ends[1:]
		}
		together := 0 // actions that start before anything else ends
		for together < len(starts) && spans[starts[together]].start == now && w.mayStart(starts[together]) {
			started[starts[together]] = true
			together++
		}
		if together == 0 {
			panic(fmt.Sprintf("check: action %d cannot start at %v, though its time has come", starts[0], now))
		}
		if err := w.start(starts[:together]); err != nil {
			return err
		}
		starts = starts[together:]
	}
	return nil
}

// replay is the state of things while a plan is carried out.
type replay struct {
	k     *checker
	scene *scene
	use   []cluster.Resources // by node
	ended []bool              // by action
	// ofVM and ofNode are the rules with Always that an arrival of a VM, or at a
	// node, can make worse. Those about who is with whom on a node are in lonely,
	// by the VM that wants to be alone.
	ofVM, ofNode, lonely [][]int
}

func newReplay(k *checker) *replay {
	w := &replay{
		k: k, scene: newScene(len(k.c.Nodes), k.c.Host), use: make([]cluster.Resources, len(k.c.Nodes)), ended: make([]bool, len(k.actions)),
		ofVM: make([][]int, len(k.c.VMs)), ofNode: make([][]int, len(k.c.Nodes)), lonely: make([][]int, len(k.c.VMs)),
	}
	for v, n := range k.c.Host {
		if n != cluster.Nowhere {
			w.use[n] = w.use[n].Plus(k.judge.demand[v])
		}
	}
	for i := range k.rule {
		if r := &k.rule[i]; r.Always && r.Hard() {
			w.watch(i, r)
		}
	}
	return w
}

func (w *replay) watch(i int, r *rule.Rule) {
	switch r.Kind {
	case rule.RunningCapacity, rule.ResourceCapacity, rule.MaxOnline:
		for _, n := range r.Nodes {
			w.ofNode[n] = append(w.ofNode[n], i)
		}
		return
	case rule.Lonely:
		for _, v := range r.VMs {
			w.lonely[v] = append(w.lonely[v], i)
		}
	}
	for _, vms := range append([][]int32{r.VMs}, r.Sets...) {
		for _, v := range vms {
			w.ofVM[v] = append(w.ofVM[v], i)
		}
	}
}

// mayStart reports whether all that action i comes after has ended. That is
// known from the spans, but for actions that take no time.
func (w *replay) mayStart(i int) bool {
	return !slices.ContainsFunc(w.k.actions[i].After, func(b int) bool { return !w.ended[b] })
}

func (w *replay) end(i int) {
	w.ended[i] = true
	d := w.k.deeds[i]
	if d.from != cluster.Nowhere {
		w.scene.leave(d.vm, d.from)
		w.use[d.from] = w.use[d.from].Minus(w.k.judge.demand[d.vm])
	}
}

// start lets actions start together.
func (w *replay) start(together []int) error {
	rules := w.touched(together)
	before := make([][]breach, len(rules))
	for x, i := range rules {
		before[x] = w.k.judge.breaches(i, w.scene)
	}
	for _, a := range together {
		d := w.k.deeds[a]
		if d.to == cluster.Nowhere {
			continue
		}
		w.scene.arrive(d.vm, d.to)
		w.use[d.to] = w.use[d.to].Plus(w.k.judge.demand[d.vm])
		if offer := w.k.judge.offer[d.to]; !w.use[d.to].Within(offer) {
			r, _ := w.use[d.to].Exceeding(offer)
			return w.k.wrong(a, "too little %v on the target: %v asked for, %v there", r, w.use[d.to], offer)
		}
	}
	for x, i := range rules {
		if b, broken := worse(before[x], w.k.judge.breaches(i, w.scene)); broken {
			return w.blame(together, i, b)
		}
	}
	return nil
}

// touched returns the rules that arrivals can make worse, in ascending order.
func (w *replay) touched(together []int) (rules []int) {
	for _, a := range together {
		d := w.k.deeds[a]
		if d.to == cluster.Nowhere {
			continue
		}
		rules = append(append(rules, w.ofVM[d.vm]...), w.ofNode[d.to]...)
		for _, u := range w.scene.on[d.to] {
			rules = append(rules, w.lonely[u]...)
		}
	}
	slices.Sort(rules)
	return slices.Compact(rules)
}

// blame says that rule i got worse by b, and names the last action that has a
// part in it.
func (w *replay) blame(together []int, i int, b breach) error {
	r := &w.k.rule[i]
	guilty := together[0]
	for _, a := range together {
		d := w.k.deeds[a]
		if d.to == cluster.Nowhere {
			continue
		}
		switch {
		case b.u != none && b.u != d.vm && b.v != d.vm:
		case b.u == none && !slices.Contains(r.VMs, d.vm) && !slices.Contains(r.Nodes, d.to):
		default:
			guilty = a
		}
	}
	return w.k.breaks(guilty, i, "%s", w.k.judge.text(r, b))
}
