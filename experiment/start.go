package experiment

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/trace"
)

// vm is the name of one of the VMs that arrive, numbered from 0.
func (a Arrival) vm(number int) string { return fmt.Sprintf("%s-%d", a.Name, number) }

// launch starts a VM that waits on a host, or resumes one that sleeps there, on that
// host or elsewhere, and tells its machine when the VM runs, or that it does not.
// Until then it waits or sleeps, although it holds memory where it is to run.
func (w *world) launch(node int, m protocol.Migrate) {
	target, now := sim.HostID(m.Target), w.now()
	record := &trace.Start{
		At: now, VM: w.vms[m.VM].Name, Node: hostName(node), On: hostName(int(target)), Outcome: "failed", Partition: w.partitionName(m.Partition),
		Resumed: m.Kind == plan.Resume,
	}
	if w.checker != nil {
		w.checker.migrates(node, m)
	}
	if w.refuses(node, m) {
		w.sink.Record(*record)
		w.deliver(node, protocol.Migrated{VM: m.VM}, now)
		return
	}
	w.operator.starting[m.VM] = record
	w.flies(node, int(target), +1)
	w.expect(target, m.VM, true)
	if w.checker != nil {
		w.checker.began(node, m)
	}
	life := w.life(node)
	begin := w.boot
	if m.Kind == plan.Resume {
		begin = w.restore
	}
	err := begin(sim.VMID(m.VM), target, func(err error) {
		w.launched(node, m, err)
		if !w.isDown(node) && w.life(node) == life {
			w.step(node, protocol.Migrated{VM: m.VM, OK: err == nil})
		}
		w.flies(node, int(target), -1)
	})
	if err != nil {
		w.launched(node, m, err)
		w.deliver(node, protocol.Migrated{VM: m.VM}, now)
		w.flies(node, int(target), -1)
	}
}

// launched takes note of the end of a start, good or bad.
func (w *world) launched(node int, m protocol.Migrate, err error) {
	record := w.operator.starting[m.VM]
	delete(w.operator.starting, m.VM)
	if err == nil {
		record.Outcome = "done"
		id := sim.HostID(node)
		w.operator.waiting[id] = slices.DeleteFunc(slices.Clone(w.operator.waiting[id]), func(vm cluster.VMID) bool { return vm == m.VM })
		w.operator.sleep.wakes(m.VM, id)
		w.hosts[id].stale = true
	}
	if w.checker != nil {
		w.checker.migrated(m.VM)
	}
	record.Duration = w.now() - record.At
	w.sink.Record(*record)
	w.expect(sim.HostID(m.Target), m.VM, false)
	w.grant()
}

// restore reads the memory of a VM that is saved back, from wherever it lies.
func (w *world) restore(vm sim.VMID, host sim.HostID, done func(error)) error {
	return w.sim.Restore(vm, host, sim.Then(done), 0)
}

// boot boots a VM on a host, as the image of a usual distribution does from an
// SSD of that host.
func (w *world) boot(vm sim.VMID, host sim.HostID, done func(error)) error {
	disk, err := w.disk(host)
	if err != nil {
		return err
	}
	if w.sim.HostOf(vm) != host {
		if err := w.sim.Move(vm, host); err != nil {
			return err
		}
	}
	spec := sim.CloudImage
	spec.Image = disk
	return w.sim.Boot(vm, spec, sim.Then(done), 0)
}

// disk returns the disk of a host, which it has from its first boot on: others
// cost memory and are of no use.
func (w *world) disk(host sim.HostID) (sim.DiskID, error) {
	if disk, ok := w.operator.disks[host]; ok {
		return disk, nil
	}
	spec := sim.SSD
	spec.Name, spec.Host = hostName(int(host)), host
	disk, err := w.sim.AddDisk(spec)
	if err == nil {
		w.operator.disks[host] = disk
	}
	return disk, err
}
