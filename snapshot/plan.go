package snapshot

import (
	"fmt"
	"math"
	"strconv"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// PlanSchema names the JSON form of plans, and its version.
const PlanSchema = "dvms-plan/1"

// ReadPlan reads a plan for a configuration: the JSON form of dvms, which names
// nodes and VMs, or the plan schema of the solver bench, which numbers them by
// ID. Errors are of type *Error; a plan that cannot be carried out is no error
// here (see plan/check).
//
// In a bench plan each action waits for all of the step before its own. In
// an Own one it waits for those that it names in "after", or, if it has no such
// key, for all of the step before. There, what has no "action" is a migration.
//
// The image that a resume reads is, in a bench plan, where the VM was suspended
// last. The bench stops VMs that wait, which needs no action here: such a stop
// is left out.
func ReadPlan(text []byte, c *cluster.Configuration) (plan.Plan, error) {
	if err := firstMistake(text); err != nil {
		return plan.Plan{}, err
	}
	t, root, err := parse(text)
	if err != nil {
		return plan.Plan{}, err
	}
	r := newPlanReader(t, c)
	schema, hasSchema := root.get("schema")
	_, hasSteps := root.get("steps")
	switch {
	case schema.is(PlanSchema):
		r.index(false)
		r.own(root)
	case hasSteps && !hasSchema:
		r.index(true)
		r.bench(root)
	default:
		t.wrong(root, nowhere, `this is no plan: there is neither "schema": %q nor, as in the plans of the solver bench, "steps" alone`, PlanSchema)
	}
	if err := t.err(); err != nil {
		return plan.Plan{}, err
	}
	return r.p, nil
}

// BenchPlan writes a plan in the schema of the solver bench.
func BenchPlan(p plan.Plan) []byte {
	out := []byte(`{"steps": [`)
	for i, step := range p.Steps() {
		if i > 0 {
			out = append(out, ',')
		}
		for j, a := range step {
			open := ",\n   "
			if j == 0 {
				open = "\n  ["
			}
			out = fmt.Appendf(out, `%s{"action": "%s", "vm": %d`, open, a.Kind, a.VM)
			if a.Kind.Leaves() {
				out = fmt.Appendf(out, `, "from": %d`, a.Source)
			}
			if a.Kind.Arrives() {
				out = fmt.Appendf(out, `, "to": %d`, a.Target)
			}
			out = append(out, '}')
		}
		out = append(out, ']')
	}
	return append(out, "]}\n"...)
}

// planReader reads a plan. VMs and nodes are known by their name, or by their
// ID in digits.
type planReader struct {
	*text
	c          *cluster.Configuration
	byID       bool
	vms, nodes map[string]int
	p          plan.Plan
	before     []int // the actions of the step before
	// where is, by VM, the node that it runs on or that holds its image at this point
	// of the plan, or Nowhere.
	where []int32
	ready []bool // by VM: it has neither run nor been suspended yet, and is waiting
}

func newPlanReader(t *text, c *cluster.Configuration) *planReader {
	r := &planReader{text: t, c: c, vms: map[string]int{}, nodes: map[string]int{}}
	for v := range c.VMs {
		at := c.Host[v]
		if image := c.ImageOf(int32(v)); image != cluster.Nowhere {
			at = image
		}
		r.where = append(r.where, at)
		r.ready = append(r.ready, c.StateOf(int32(v)) == cluster.Waiting)
	}
	return r
}

func (r *planReader) index(byID bool) {
	r.byID = byID
	for v, vm := range r.c.VMs {
		if byID {
			r.vms[strconv.FormatUint(uint64(vm.ID), 10)] = v
		} else {
			r.vms[vm.Name] = v
		}
	}
	for n, node := range r.c.Nodes {
		if byID {
			r.nodes[strconv.FormatUint(uint64(node.ID), 10)] = n
		} else {
			r.nodes[node.Name] = n
		}
	}
}

func (r *planReader) own(root value) {
	r.need(root, nowhere, "steps")
	step := 0
	r.objects(root, "steps", func(s value, at place) {
		moves, ok := r.need(s, at, "moves")
		if ok {
			r.isList(moves, at.in("moves"))
		}
		first := len(r.p.Actions)
		for i, m := range moves.elements() {
			at := place{list: at.String() + ".moves", index: i}
			if m.kind != object {
				r.wrong(m, at, "%s, not an object", m)
				continue
			}
			r.ownMove(m, at, step)
		}
		r.endStep(first)
		step++
	})
}

func (r *planReader) ownMove(m value, at place, step int) {
	kind := plan.Migrate
	if _, ok := m.get("action"); ok && !r.kind(m, at, &kind) {
		return
	}
	a, ok := r.action(m, at, kind, step)
	memory, known := r.whole(m, at, "memory_bytes", 0, math.MaxInt64)
	a.Bypass = r.truth(m, at, "detour")
	if !ok || !known {
		return
	}
	a.Memory = cluster.Bytes(memory)
	if after, ok := m.get("after"); ok && r.isList(after, at.in("after")) {
		a.After = []int{}
		for _, number := range after.elements() {
			n, err := strconv.Atoi(number.text)
			if err != nil || n < 1 {
				r.wrong(number, at.in("after"), "%s is not the number of a move", number)
			}
			a.After = append(a.After, n-1)
		}
	}
	r.p.Actions = append(r.p.Actions, a)
}

func (r *planReader) bench(root value) {
	r.known(root, nowhere, "steps")
	steps, _ := root.get("steps")
	r.isList(steps, top("steps"))
	for s, actions := range steps.elements() {
		r.isList(actions, place{list: "steps", index: s})
		first := len(r.p.Actions)
		for i, m := range actions.elements() {
			r.benchMove(m, place{list: "steps[" + strconv.Itoa(s) + "]", index: i}, s)
		}
		r.endStep(first)
	}
	later := map[cluster.VMID]bool{}
	for i := len(r.p.Actions) - 1; i >= 0; i-- { // who moves on later was on a detour
		a := &r.p.Actions[i]
		if a.Kind == plan.Migrate {
			a.Bypass = later[a.VM]
		}
		later[a.VM] = a.Kind == plan.Migrate
	}
}

func (r *planReader) benchMove(m value, at place, step int) {
	if m.kind != object {
		r.wrong(m, at, "%s, not an object", m)
		return
	}
	var kind plan.Kind
	r.need(m, at, "action")
	if !r.kind(m, at, &kind) {
		return
	}
	r.known(m, at, "action", "vm", "from", "to")
	a, ok := r.action(m, at, kind, step)
	if !ok {
		return
	}
	v, _ := m.get("vm")
	a.Memory = r.c.VMs[r.vms[v.text]].Demand.Memory()
	r.p.Actions = append(r.p.Actions, a)
}

// kind reads what an action does, if it says so.
func (r *planReader) kind(m value, at place, kind *plan.Kind) bool {
	v, ok := m.get("action")
	if !ok {
		return false
	}
	if err := kind.UnmarshalText([]byte(v.text)); err != nil || v.kind != word {
		r.wrong(v, at.in("action"), "%s is not an action; there are migrate, suspend, resume, run and stop", v)
		return false
	}
	return true
}

// action reads what all forms have: what is done with whom, and where. It is
// false if there is nothing to be done.
func (r *planReader) action(m value, at place, kind plan.Kind, step int) (plan.Action, bool) {
	v, isVM := r.lookUp(m, at, "vm", "VM", r.vms)
	last := cluster.Nowhere
	if isVM {
		if kind == plan.Stop && r.byID && r.ready[v] {
			return plan.Action{}, false
		}
		last = r.where[v]
	}
	source, target, ok := r.ends(m, at, kind, last)
	if !isVM || !ok {
		return plan.Action{}, false
	}
	r.where[v], r.ready[v] = target, false
	return plan.Action{
		Kind: kind, VM: r.c.VMs[v].ID, Source: r.c.Nodes[source].ID, Target: r.c.Nodes[target].ID,
		Step: step, After: r.before,
	}, true
}

// ends reads the nodes of an action: those that its kind needs, or one that
// stands for both. A stop may leave it to last, where the VM is or has its
// image.
func (r *planReader) ends(m value, at place, kind plan.Kind, last int32) (source, target int32, ok bool) {
	from, hasFrom := m.get("from")
	to, hasTo := m.get("to")
	hasFrom = hasFrom && from.kind != null
	hasTo = hasTo && to.kind != null
	switch {
	case kind == plan.Migrate || hasFrom && hasTo:
		source, okSource := r.node(m, at, "from")
		target, okTarget := r.node(m, at, "to")
		if kind != plan.Migrate && kind != plan.Resume && okSource && okTarget && source != target {
			r.wrong(to, at.in("to"), "a %s has one node, and this is another one than in \"from\"", kind)
		}
		return source, target, okSource && okTarget
	case kind == plan.Resume:
		target, ok = r.node(m, at, "to")
		if source = last; last == cluster.Nowhere {
			source = target
		}
	case kind == plan.Run:
		target, ok = r.node(m, at, "to")
		source = target
	case kind == plan.Stop && !hasFrom && last != cluster.Nowhere:
		return last, last, true
	default:
		source, ok = r.node(m, at, "from")
		target = source
	}
	return source, target, ok
}

func (r *planReader) node(m value, at place, key string) (int32, bool) {
	n, ok := r.lookUp(m, at, key, "node", r.nodes)
	return int32(n), ok
}

func (r *planReader) lookUp(m value, at place, key, what string, among map[string]int) (int, bool) {
	v, ok := r.need(m, at, key)
	if !ok {
		return 0, false
	}
	i, ok := among[v.text]
	if ok = ok && (v.kind == word) != r.byID; !ok {
		r.wrong(v, at.in(key), "the snapshot has no %s %s", what, v)
	}
	return i, ok
}

// endStep makes the actions since first those that the next step waits for.
func (r *planReader) endStep(first int) {
	if first == len(r.p.Actions) {
		return
	}
	r.before = nil
	for i := first; i < len(r.p.Actions); i++ {
		r.before = append(r.before, i)
	}
}
