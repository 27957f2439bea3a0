package protocoltest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
)

// nowhere is the place of a VM that waits or sleeps.
const nowhere cluster.NodeID = 0

// wish is a VM that is to run, and the node that has it started.
type wish struct {
	node   cluster.NodeID
	asleep bool // its image lies there
}

// Drain makes a node want to be empty, or no longer.
func (w *World) Drain(id cluster.NodeID, on bool) {
	w.hosts[id].draining, w.hosts[id].stale = on, true
}

// Underload makes the monitor of a node say that it could as well be empty.
func (w *World) Underload(id cluster.NodeID) {
	w.hosts[id].underloaded, w.hosts[id].stale = true, true
}

// Place adds a VM that is to be started or, if it is asleep, to be resumed.
func (w *World) Place(id cluster.NodeID, demand cluster.Resources, asleep bool) {
	vm := cluster.VMID(len(w.vms) + 1)
	w.vms = append(w.vms, cluster.VM{ID: vm, Name: vmName(vm), VCPUs: 1, Demand: demand})
	w.place = append(w.place, nowhere)
	if w.wishes == nil {
		w.wishes = map[cluster.VMID]wish{}
	}
	w.wishes[vm] = wish{id, asleep}
	w.hosts[id].stale = true
}

// AddRule adds a rule that all nodes know which host one of its VMs.
func (w *World) AddRule(r protocol.Rule) {
	w.rules = append(w.rules, r)
	for _, h := range w.hosts {
		h.stale = true
	}
}

// describeLocal adds to what a hypervisor says of a node what concerns other events than
// an overload.
func (w *World) describeLocal(id cluster.NodeID, l *protocol.Local) {
	h := w.hosts[id]
	l.Draining, l.Underloaded = h.draining, h.underloaded
	for i := range w.vms {
		v := w.vms[i]
		if wish, ok := w.wishes[v.ID]; ok && wish.node == id && w.place[i] == nowhere {
			if wish.asleep {
				l.Sleeping = append(l.Sleeping, v)
			} else {
				l.Waiting = append(l.Waiting, v)
			}
		}
	}
	for _, r := range w.rules {
		if slices.ContainsFunc(r.VMs, func(v cluster.VMID) bool { return w.place[v-1] == id }) {
			l.Rules = append(l.Rules, r)
			l.Broken = l.Broken || w.breaks(id, r)
		}
	}
}

// breaks reports whether a node alone sees that a rule is broken: a Spread, a
// Ban or a Fence.
func (w *World) breaks(id cluster.NodeID, r protocol.Rule) bool {
	here := 0
	for _, v := range r.VMs {
		if w.place[v-1] == id {
			here++
		}
	}
	switch r.Kind {
	case rule.Spread:
		return here > 1
	case rule.Ban:
		return slices.Contains(r.Nodes, id) && here > 0
	case rule.Fence:
		return !slices.Contains(r.Nodes, id) && here > 0
	}
	return false
}

// kinds are the events that hold on a node.
func (w *World) kinds(id cluster.NodeID) (kinds []protocol.Kind) {
	l := w.local(id)
	for _, k := range []struct {
		kind  protocol.Kind
		holds bool
	}{
		{protocol.Overload, !w.usage(l).Within(l.Capacity)},
		{protocol.Underload, l.Underloaded && len(l.VMs) > 0},
		{protocol.Drain, l.Draining && len(l.VMs) > 0},
		{protocol.Place, len(l.Waiting)+len(l.Sleeping) > 0},
		{protocol.BrokenRule, l.Broken},
	} {
		if k.holds {
			kinds = append(kinds, k.kind)
		}
	}
	return kinds
}

// raise tells a node that an event of some kind arose.
func (w *World) raise(id cluster.NodeID, k protocol.Kind) error {
	if k == protocol.Overload {
		return w.Step(id, protocol.Overloaded{})
	}
	return w.Step(id, protocol.Raised{Kind: k})
}

// mayStart checks that a VM that is to be started or to be resumed does not run
// yet, and is on its source's list.
func (w *World) mayStart(source cluster.NodeID, m protocol.Migrate) error {
	wish := w.wishes[m.VM]
	if w.place[m.VM-1] != nowhere || wish.node != source || wish.asleep != (m.Kind == plan.Resume) {
		return fmt.Errorf("node %d is to %v %s, which is not its to %v", source, m.Kind, vmName(m.VM), m.Kind)
	}
	return nil
}

// eventCommand executes the commands that make events arise.
func (w *World) eventCommand(d *command) error {
	if d.name == "rule" {
		return w.ruleCommand(d)
	}
	id, err := w.nodeArgument(d, "node")
	if err != nil {
		return err
	}
	switch d.name {
	case "raise":
		return w.raiseCommand(id, argument(d, "kind"))
	case "drain":
		w.Drain(id, !d.HasArg("end"))
		if d.HasArg("unseen") {
			return nil
		}
	case "underload":
		w.Underload(id)
	case "place":
		cpu, err := strconv.Atoi(argument(d, "cpu"))
		if err != nil {
			return err
		}
		memory := cluster.GiB
		if d.HasArg("memory") {
			if memory, err = cluster.ParseBytes(argument(d, "memory")); err != nil {
				return err
			}
		}
		w.Place(id, cluster.Of(percent(cpu), memory), d.HasArg("asleep"))
	}
	for _, k := range w.kinds(id) {
		if err := w.raise(id, k); err != nil {
			return err
		}
	}
	return nil
}

// raiseCommand tells a node of an event that holds there.
func (w *World) raiseCommand(id cluster.NodeID, name string) error {
	for _, k := range w.kinds(id) {
		if k.String() == name {
			return w.raise(id, k)
		}
	}
	return fmt.Errorf("node %d has no event %q", id, name)
}

func (w *World) ruleCommand(d *command) error {
	r := protocol.Rule{Name: argument(d, "name")}
	if err := r.Kind.UnmarshalText([]byte(argument(d, "kind"))); err != nil {
		return err
	}
	vms, _ := d.Arg("vms")
	for _, v := range vms.values {
		vm, err := strconv.Atoi(strings.TrimPrefix(v, "v"))
		if err != nil || vm < 1 || vm > len(w.vms) {
			return fmt.Errorf("no VM %q", v)
		}
		r.VMs = append(r.VMs, cluster.VMID(vm))
	}
	nodes, _ := d.Arg("nodes")
	for _, v := range nodes.values {
		id, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			return err
		}
		r.Nodes = append(r.Nodes, cluster.NodeID(id))
	}
	w.AddRule(r)
	return nil
}
