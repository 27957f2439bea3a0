package snapshot

import (
	"encoding/json"
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
// In a bench plan each migration waits for all of the step before its own. In
// an Own one it waits for those that it names in "after", or, if it has no such
// key, for all of the step before.
func ReadPlan(text []byte, c *cluster.Configuration) (plan.Plan, error) {
	t, root, err := parse(text)
	if err != nil {
		return plan.Plan{}, err
	}
	r := planReader{text: t, c: c, vms: map[string]int{}, nodes: map[string]int{}}
	schema, hasSchema := root.get("schema")
	_, hasSteps := root.get("steps")
	switch {
	case schema.scalar == PlanSchema:
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
			out = fmt.Appendf(out, `%s{"action": "migrate", "vm": %d, "from": %d, "to": %d}`, open, a.VM, a.Source, a.Target)
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
		if ok && moves.kind != list {
			r.wrong(moves, at.in("moves"), "%s, not a list", moves)
		}
		first := len(r.p.Actions)
		for i, m := range moves.list {
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
	a, ok := r.action(m, at, step)
	memory, known := r.whole(m, at, "memory_bytes", 0, math.MaxInt64)
	if !ok || !known {
		return
	}
	a.Memory = cluster.Bytes(memory)
	if detour, ok := m.get("detour"); ok {
		if a.Bypass, ok = detour.scalar.(bool); !ok {
			r.wrong(detour, at.in("detour"), "%s is neither true nor false", detour)
		}
	}
	if after, ok := m.get("after"); ok {
		a.After = []int{}
		if after.kind != list {
			r.wrong(after, at.in("after"), "%s, not a list", after)
		}
		for _, number := range after.list {
			n, err := strconv.Atoi(number.String())
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
	if steps.kind != list {
		r.wrong(steps, top("steps"), "%s, not a list", steps)
	}
	for s, actions := range steps.list {
		if actions.kind != list {
			r.wrong(actions, place{list: "steps", index: s}, "%s, not a list", actions)
		}
		first := len(r.p.Actions)
		for i, m := range actions.list {
			r.benchMove(m, place{list: "steps[" + strconv.Itoa(s) + "]", index: i}, s)
		}
		r.endStep(first)
	}
	last := map[cluster.VMID]bool{}
	for i := len(r.p.Actions) - 1; i >= 0; i-- { // who moves on later was on a detour
		a := &r.p.Actions[i]
		a.Bypass = last[a.VM]
		last[a.VM] = true
	}
}

func (r *planReader) benchMove(m value, at place, step int) {
	if m.kind != object {
		r.wrong(m, at, "%s, not an object", m)
		return
	}
	switch kind, ok := r.str(m, at, "action"); {
	case !ok:
		return
	case kind == "run" || kind == "stop" || kind == "suspend" || kind == "resume":
		r.wrong(m, at.in("action"), "this version judges plans of migrations only, and this is a %s", kind)
		return
	case kind != "migrate":
		r.wrong(m, at.in("action"), "%q is not an action; there is migrate", kind)
		return
	}
	a, ok := r.action(m, at, step)
	if !ok {
		return
	}
	v, _ := m.get("vm")
	a.Memory = r.c.VMs[r.vms[string(v.scalar.(json.Number))]].Demand.Memory()
	r.p.Actions = append(r.p.Actions, a)
}

// action reads what all forms have: who moves from where to where.
func (r *planReader) action(m value, at place, step int) (plan.Action, bool) {
	vm, isVM := r.lookUp(m, at, "vm", "VM", r.vms)
	source, isSource := r.lookUp(m, at, "from", "node", r.nodes)
	target, isTarget := r.lookUp(m, at, "to", "node", r.nodes)
	if !isVM || !isSource || !isTarget {
		return plan.Action{}, false
	}
	return plan.Action{
		VM: r.c.VMs[vm].ID, Source: r.c.Nodes[source].ID, Target: r.c.Nodes[target].ID,
		Step: step, After: r.before,
	}, true
}

func (r *planReader) lookUp(m value, at place, key, what string, among map[string]int) (int, bool) {
	v, ok := r.need(m, at, key)
	if !ok {
		return 0, false
	}
	name, ok := v.scalar.(string)
	if r.byID {
		var number json.Number
		number, ok = v.scalar.(json.Number)
		name = string(number)
	}
	i, there := among[name]
	ok = ok && there
	if !ok {
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
