package snapshot

import (
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/dvms-project/dvms/cluster"
)

// own reads the JSON form of dvms. cluster.FromJSON says what is right, and
// stops at the first mistake; then all of them are looked for.
func (t *text) own(root value) (Snapshot, error) {
	c, err := cluster.FromJSON(t.bytes)
	if err == nil {
		return Snapshot{Format: Own, Configuration: c}, nil
	}
	t.findMistakes(root)
	var at *cluster.FormatError
	if len(t.mistakes) == 0 && errors.As(err, &at) {
		t.mistakes = append(t.mistakes, Mistake{Line: at.Line, Text: at.Err.Error()})
	}
	return Snapshot{}, t.err()
}

// ownReader looks for the mistakes of a text that cluster.FromJSON has refused.
// What it accepts and FromJSON does not is reported as FromJSON does.
type ownReader struct {
	*text
	nodes  map[string]cluster.NodeState
	vms    map[string]cluster.State
	vjobs  map[string]bool
	said   map[string]bool   // by VM: its state is said, or told by its node
	member map[string]string // by VM: its vjob
}

// findMistakes notes every mistake of the JSON form of a configuration.
func (t *text) findMistakes(root value) {
	o := ownReader{t, map[string]cluster.NodeState{}, map[string]cluster.State{}, map[string]bool{}, map[string]bool{}, map[string]string{}}
	o.known(root, nowhere, "version", "nodes", "vms", "vjobs")
	o.whole(root, nowhere, "version", 1, 1)
	o.objects(root, "nodes", o.node)
	o.objects(root, "vms", o.vm)
	o.objects(root, "vjobs", o.vjob)
}

func (o *ownReader) node(v value, at place) {
	o.known(v, at, "name", "site", "room", "rack", "cpu", "memory", "network", "disk", "overcommit", "state")
	_, twice := o.nodes[nameOf(v)]
	name := o.name(v, at, "node", twice)
	o.amounts(v, at)
	for _, key := range []string{"site", "room", "rack"} {
		if _, ok := v.get(key); ok {
			o.str(v, at, key)
		}
	}
	var state cluster.NodeState
	o.state(v, at, &state)
	o.nodes[name] = state
	ratios, ok := v.get("overcommit")
	if ok && ratios.kind != object {
		o.wrong(ratios, at.in("overcommit"), `%s, not an object as in {"cpu": 1.5}`, ratios)
	}
	for _, f := range ratios.fields {
		o.ratio(f.value, at.in("overcommit."+f.key), f.key)
	}
}

func (o *ownReader) ratio(v value, at place, resource string) {
	if _, ok := resourceOf(resource); !ok {
		o.wrong(v, at, "there is no such resource; there are cpu, memory, network and disk")
		return
	}
	ratio, err := strconv.ParseFloat(v.text, 64)
	if v.kind != number || err != nil || !(ratio >= 1.0/cluster.Even && ratio <= cluster.MostOvercommit/cluster.Even) {
		o.wrong(v, at, "%s is not a ratio from %v to %d", v, 1.0/cluster.Even, cluster.MostOvercommit/cluster.Even)
	}
}

// resourceOf returns the resource of a name.
func resourceOf(name string) (cluster.Resource, bool) {
	for r := range cluster.NumResources {
		if r.String() == name {
			return r, true
		}
	}
	return 0, false
}

func nameOf(v value) string {
	name, _ := v.get("name")
	return name.text
}

func (o *ownReader) name(v value, at place, what string, twice bool) string {
	name, ok := o.str(v, at, "name")
	switch {
	case !ok:
	case name == "":
		o.wrong(v, at.in("name"), "the name is empty")
	case twice:
		o.wrong(v, at.in("name"), "%s %q is there twice", what, name)
	}
	return name
}

// state reads a state, if there is one.
func (o *ownReader) state(v value, at place, to interface{ UnmarshalText([]byte) error }) bool {
	if _, ok := v.get("state"); !ok {
		return false
	}
	name, ok := o.str(v, at, "state")
	if !ok {
		return false
	}
	if err := to.UnmarshalText([]byte(name)); err != nil {
		o.wrong(v, at.in("state"), "%v", err)
		return false
	}
	return true
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
		if amount.kind != word {
			o.wrong(amount, at.in(r.key), "%s is not an amount; write a number and a unit in quotes", amount)
		} else if err := r.parse(amount.text); err != nil {
			o.wrong(amount, at.in(r.key), "%v", err)
		}
	}
}

func (o *ownReader) vm(v value, at place) {
	o.known(v, at, "name", "vcpus", "cpu", "memory", "network", "disk", "dirty_rate", "node", "state", "image")
	_, twice := o.vms[nameOf(v)]
	name := o.name(v, at, "VM", twice)
	o.amounts(v, at)
	if _, ok := v.get("vcpus"); ok {
		o.whole(v, at, "vcpus", 0, math.MaxInt32)
	}
	state := cluster.Waiting
	host, hosted := v.get("node")
	if hosted {
		state = cluster.Running
		if n, ok := o.nodeOf(v, at, "node"); ok && o.nodes[n] == cluster.Offline {
			o.wrong(host, at.in("node"), "node %q is offline", n)
		}
	}
	_, said := v.get("state")
	if known := o.state(v, at, &state); known && hosted != (state == cluster.Running) {
		o.wrong(v, at.in("state"), "it is %s, and is on %s", state, map[bool]string{true: "a node", false: "no node"}[hosted])
	}
	if image, ok := v.get("image"); ok {
		o.nodeOf(v, at, "image")
		if state != cluster.Sleeping {
			o.wrong(image, at.in("image"), "it has an image, but is %s", state)
		}
	}
	o.vms[name], o.said[name] = state, hosted || said
}

// nodeOf reads the name of a node.
func (o *ownReader) nodeOf(v value, at place, key string) (string, bool) {
	name, ok := o.str(v, at, key)
	if !ok {
		return "", false
	}
	_, there := o.nodes[name]
	if !there {
		named, _ := v.get(key)
		o.wrong(named, at.in(key), "there is no node %q", name)
	}
	return name, there
}

func (o *ownReader) vjob(v value, at place) {
	o.known(v, at, "name", "state", "vms")
	job := o.name(v, at, "vjob", o.vjobs[nameOf(v)])
	o.vjobs[job] = true
	o.need(v, at, "state")
	var state cluster.State
	known := o.state(v, at, &state)
	vms, ok := o.need(v, at, "vms")
	if !ok || !o.isList(vms, at.in("vms")) {
		return
	}
	for _, vm := range vms.elements() {
		if vm.kind != word {
			o.wrong(vm, at.in("vms"), "%s is not a string", vm)
			continue
		}
		is, there := o.vms[vm.text]
		other, taken := o.member[vm.text]
		// A VM of which nothing is said waits, sleeps or has terminated with its vjob.
		free := !o.said[vm.text] && state != cluster.Running
		switch {
		case !there:
			o.wrong(vm, at.in("vms"), "there is no VM %q", vm.text)
		case taken:
			o.wrong(vm, at.in("vms"), "VM %q is in vjob %q already", vm.text, other)
		case known && is != state && !free:
			o.wrong(vm, at.in("vms"), "vjob %q is %s, and its VM %q is %s", job, state, vm.text, is)
		}
		o.member[vm.text] = job
	}
}

// ascending sorts indices and reports whether each is there once.
func ascending(indices []int32) bool {
	slices.Sort(indices)
	for i := 1; i < len(indices); i++ {
		if indices[i] == indices[i-1] {
			return false
		}
	}
	return true
}
