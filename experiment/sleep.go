package experiment

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
)

// sleep is the VMs that are suspended to disk, or are to be. A host saves its
// VMs by itself, as that needs no room anywhere; to resume them does.
type sleep struct {
	tired  []cluster.VMID                // to be saved as soon as they can be
	image  map[cluster.VMID]sim.HostID   // of those that are saved
	called map[sim.HostID][]cluster.VMID // to be resumed, by the host with the image or, if not saved yet, the VM
	saving map[cluster.VMID]bool
	trying bool // the next try to save the tired ones is planned
}

func newSleep() sleep {
	return sleep{image: map[cluster.VMID]sim.HostID{}, called: map[sim.HostID][]cluster.VMID{}, saving: map[cluster.VMID]bool{}}
}

// saveDue tries again to save VMs that could not be before.
type saveDue world

// Handle saves what can be.
func (d *saveDue) Handle(_ sim.Seconds, _ uint64) {
	w := (*world)(d)
	w.operator.sleep.trying = false
	w.saveTired()
}

// suspend has VMs saved to the disks of their hosts.
func (w *world) suspend(t *task) {
	w.wish(t, wish{asleep: true, vms: t.vms}, len(t.vms))
	w.operator.sleep.tired = append(slices.Clone(w.operator.sleep.tired), t.vms...)
	w.saveTired()
}

// saveTired saves the VMs that run, and do not migrate. The others are tried
// again a while later.
func (w *world) saveTired() {
	s := &w.operator.sleep
	s.tired = slices.DeleteFunc(slices.Clone(s.tired), w.save)
	if len(s.tired) > 0 {
		w.trySaves()
	}
}

// trySaves plans the next try to save VMs, unless it is planned.
func (w *world) trySaves() {
	if s := &w.operator.sleep; !s.trying {
		s.trying = true
		w.at(w.now()+w.monitor.Period, (*saveDue)(w), 0)
	}
}

// save begins to save a VM, if it can be.
func (w *world) save(vm cluster.VMID) bool {
	s, id := &w.operator.sleep, sim.VMID(vm)
	host := w.sim.HostOf(id)
	disk, err := w.disk(host)
	if err == nil {
		err = w.sim.Save(id, disk, sim.Then(func(err error) { w.saved(vm, host, err) }), 0)
	}
	if err == nil {
		s.saving[vm] = true
	}
	return err == nil
}

// saved takes the end of a save. A VM whose host has failed meanwhile is saved
// when it runs again.
func (w *world) saved(vm cluster.VMID, host sim.HostID, err error) {
	s := &w.operator.sleep
	delete(s.saving, vm)
	if err != nil {
		s.tired = append(slices.Clone(s.tired), vm)
		w.trySaves()
		return
	}
	s.image[vm] = host
	w.wake(host)
	w.regather()
	w.grant()
}

// resume has VMs run again. Those that are not saved yet do, and are left in
// peace.
func (w *world) resume(t *task) {
	s := &w.operator.sleep
	byHost := map[sim.HostID][]cluster.VMID{}
	var hosts []sim.HostID
	for _, vm := range t.vms {
		host := w.sim.HostOf(sim.VMID(vm))
		if byHost[host] == nil {
			hosts = append(hosts, host)
		}
		byHost[host] = append(byHost[host], vm)
	}
	w.withdraw(func(v *wish) bool {
		return v.asleep && slices.ContainsFunc(v.vms, func(vm cluster.VMID) bool { return slices.Contains(t.vms, vm) })
	})
	s.tired = slices.DeleteFunc(slices.Clone(s.tired), func(vm cluster.VMID) bool { return slices.Contains(t.vms, vm) })
	slices.Sort(hosts)
	for _, host := range hosts {
		vms := slices.DeleteFunc(slices.Clone(byHost[host]), func(vm cluster.VMID) bool { return !s.saving[vm] && w.sim.State(sim.VMID(vm)) != sim.VMSaved })
		s.called[host] = append(slices.Clone(s.called[host]), vms...)
		w.wish(t, wish{kind: protocol.Place, host: host, vms: byHost[host]}, len(byHost[host]))
		w.wake(host)
	}
}

// sleepers returns the VMs that are to be resumed, and whose images lie on a
// host.
func (w *world) sleepers(id sim.HostID) (vms []cluster.VMID) {
	s := &w.operator.sleep
	for _, vm := range s.called[id] {
		if host, saved := s.image[vm]; saved && host == id {
			vms = append(vms, vm)
		}
	}
	return vms
}

// wakes notes that a VM runs again.
func (s *sleep) wakes(vm cluster.VMID, from sim.HostID) {
	delete(s.image, vm)
	s.called[from] = slices.DeleteFunc(slices.Clone(s.called[from]), func(other cluster.VMID) bool { return other == vm })
}

// slept tells the checker of a VM that is nowhere now.
func (w *world) slept(vm sim.VMID, from, to sim.VMState) {
	if w.checker != nil && from == sim.VMSaving && to == sim.VMSaved {
		w.checker.slept(cluster.VMID(vm))
	}
}
