package snapshot

import (
	"math"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
)

// ownReader looks for the mistakes of a text that cluster.FromJSON has refused.
// What it accepts and FromJSON does not is reported as FromJSON does.
type ownReader struct {
	*text
	nodes, vms, vjobs map[string]bool
	runs              map[string]bool   // by VM: it has a node
	member            map[string]string // by VM: its vjob
}

// findMistakes notes every mistake of the JSON form of a configuration.
func (t *text) findMistakes(root value) {
	o := ownReader{t, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]string{}}
	if !utf8.Valid(t.bytes) {
		return // FromJSON knows where
	}
	o.known(root, nowhere, "version", "nodes", "vms", "vjobs")
	o.whole(root, nowhere, "version", 1, 1)
	o.objects(root, "nodes", func(v value, at place) {
		o.known(v, at, "name", "site", "cpu", "memory", "network", "disk")
		o.name(v, at, "node", o.nodes)
		o.amounts(v, at)
		if _, ok := v.get("site"); ok {
			o.str(v, at, "site")
		}
	})
	o.objects(root, "vms", o.vm)
	o.objects(root, "vjobs", o.vjob)
}

func (o *ownReader) name(v value, at place, what string, names map[string]bool) string {
	name, ok := o.str(v, at, "name")
	switch {
	case !ok:
	case name == "":
		o.wrong(v, at.in("name"), "the name is empty")
	case names[name]:
		o.wrong(v, at.in("name"), "%s %q is there twice", what, name)
	default:
		names[name] = true
	}
	return name
}

func (o *ownReader) amounts(v value, at place) {
	for _, r := range []struct {
		key      string
		required bool
		parse    func(string) error
	}{
		{"cpu", true, func(s string) error { _, err := cluster.ParseCPU(s); return err }},
		{"memory", true, func(s string) error { _, err := cluster.ParseBytes(s); return err }},
		{"network", false, func(s string) error { _, err := cluster.ParseRate(s); return err }},
		{"disk", false, func(s string) error { _, err := cluster.ParseBytes(s); return err }},
		{"dirty_rate", false, func(s string) error { _, err := cluster.ParseRate(s); return err }},
	} {
		amount, there := v.get(r.key)
		if !there {
			if r.required {
				o.need(v, at, r.key)
			}
			continue
		}
		s, ok := amount.scalar.(string)
		if !ok {
			o.wrong(amount, at.in(r.key), "%s is not an amount; write a number and a unit in quotes", amount)
		} else if err := r.parse(s); err != nil {
			o.wrong(amount, at.in(r.key), "%v", err)
		}
	}
}

func (o *ownReader) vm(v value, at place) {
	o.known(v, at, "name", "vcpus", "cpu", "memory", "network", "disk", "dirty_rate", "node")
	name := o.name(v, at, "VM", o.vms)
	o.amounts(v, at)
	if _, ok := v.get("vcpus"); ok {
		o.whole(v, at, "vcpus", 0, math.MaxInt32)
	}
	host, ok := v.get("node")
	if !ok {
		return
	}
	o.runs[name] = true
	if s, ok := o.str(v, at, "node"); ok && !o.nodes[s] {
		o.wrong(host, at.in("node"), "there is no node %q", s)
	}
}

func (o *ownReader) vjob(v value, at place) {
	o.known(v, at, "name", "state", "vms")
	job := o.name(v, at, "vjob", o.vjobs)
	var state cluster.State
	s, known := o.str(v, at, "state")
	if known {
		if err := state.UnmarshalText([]byte(s)); err != nil {
			o.wrong(v, at.in("state"), "%v", err)
			known = false
		}
	}
	vms, ok := o.need(v, at, "vms")
	if ok && vms.kind != list {
		o.wrong(vms, at.in("vms"), "%s, not a list", vms)
	}
	for _, vm := range vms.list {
		name, ok := vm.scalar.(string)
		other, taken := o.member[name]
		switch {
		case !ok:
			o.wrong(vm, at.in("vms"), "%s is not a string", vm)
		case !o.vms[name]:
			o.wrong(vm, at.in("vms"), "there is no VM %q", name)
		case taken:
			o.wrong(vm, at.in("vms"), "VM %q is in vjob %q already", name, other)
		case known && o.runs[name] != (state == cluster.Running):
			o.wrong(vm, at.in("vms"), "vjob %q is %s, and its VM %q is not", job, state, name)
		}
		if ok {
			o.member[name] = job
		}
	}
}
