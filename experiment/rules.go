package experiment

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
	"github.com/dvms-project/dvms/sim"
)

// whereabouts returns the host of a VM. runs is false if it waits, or has ended.
func (w *world) whereabouts(vm cluster.VMID) (host sim.HostID, runs bool) {
	id := sim.VMID(vm)
	switch w.sim.State(id) {
	case sim.VMOff, sim.VMSaved, sim.VMDestroyed:
		return 0, false
	case sim.VMBooting, sim.VMRunning, sim.VMSuspended, sim.VMSaving, sim.VMRestoring:
	}
	return w.sim.HostOf(id), true
}

// concerns reports whether a host knows of a rule: one of its VMs runs or waits
// there, or is to be resumed from there.
func (w *world) concerns(r protocol.Rule, id sim.HostID) bool {
	return slices.ContainsFunc(r.VMs, func(vm cluster.VMID) bool {
		host, runs := w.whereabouts(vm)
		return runs && host == id || !runs && (slices.Contains(w.operator.waiting[id], vm) || slices.Contains(w.operator.sleep.called[id], vm))
	})
}

// breaksRule reports whether a host sees that a rule is broken.
func (w *world) breaksRule(id sim.HostID) bool {
	return slices.ContainsFunc(w.operator.rules, func(r protocol.Rule) bool { return w.breaks(r, id) })
}

// isBroken reports whether any host breaks a rule.
func (w *world) isBroken(r protocol.Rule) bool {
	return slices.ContainsFunc(r.VMs, func(vm cluster.VMID) bool {
		host, runs := w.whereabouts(vm)
		return runs && w.breaks(r, host)
	})
}

// ruleBrokenBy names a rule that is broken, and about a VM; "" if there is none.
func (w *world) ruleBrokenBy(vm cluster.VMID) string {
	host, runs := w.whereabouts(vm)
	for _, r := range w.operator.rules {
		if runs && slices.Contains(r.VMs, vm) && w.breaks(r, host) {
			return r.Name
		}
	}
	return ""
}

// regather tells the hosts of VMs that are to be together that one of these may
// have come or gone.
func (w *world) regather() {
	for _, r := range w.operator.rules {
		if r.Kind == rule.Gather {
			w.wakeAll(r)
		}
	}
}

// breaks reports whether a host that runs VMs of a rule sees that it is broken.
// Whether those that are to be together are elsewhere, it has to be told.
func (w *world) breaks(r protocol.Rule, id sim.HostID) bool {
	here, all := 0, 0
	for _, vm := range r.VMs {
		if host, runs := w.whereabouts(vm); runs {
			all++
			if host == id {
				here++
			}
		}
	}
	if here == 0 {
		return false
	}
	listed := slices.Contains(r.Nodes, cluster.NodeID(id))
	switch r.Kind {
	case rule.Spread:
		return here > 1
	case rule.Gather:
		return here < all
	case rule.Ban:
		return listed
	case rule.Fence:
		return !listed
	case rule.Lonely:
		return len(w.sim.Hosted(id)) > here
	default: // a VM that is to stay where it is breaks nothing
		return false
	}
}
