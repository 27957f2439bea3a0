package emulated

import (
	"context"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Host is the hypervisor of one host, for an agent in the same process.
type Host struct {
	centre *DataCentre
	id     cluster.NodeID
}

// Host starts a host and returns its hypervisor.
func (d *DataCentre) Host(id cluster.NodeID) *Host {
	d.Start(id)
	return &Host{centre: d, id: id}
}

// Look returns what the host has and hosts, and a number that changes with it.
func (h *Host) Look() (protocol.Local, uint64) {
	h.centre.mu.Lock()
	defer h.centre.mu.Unlock()
	here := h.centre.hosts[h.id]
	return here.local, here.version
}

// Migrate moves a VM to another host, and returns when that has ended. The VM
// runs there if there is no error, and else still here.
func (h *Host) Migrate(_ context.Context, vm cluster.VMID, target cluster.NodeID) error {
	ended := make(chan error, 1)
	if err := h.centre.begin(vm, h.id, target, func(err error) { ended <- err }); err != nil {
		return err
	}
	return <-ended // a crash of either host ends it too
}
