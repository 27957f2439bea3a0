package emulated

import (
	"context"
	"slices"
	"sync"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Host is the hypervisor of one host, for an agent in the same process.
type Host struct {
	centre *DataCentre
	id     cluster.NodeID
	expected
}

// Host starts a host and returns its hypervisor. It lets no VM in before the
// agent says which ones are expected.
func (d *DataCentre) Host(id cluster.NodeID) *Host {
	h := &Host{centre: d, id: id}
	d.start(id, func(vm cluster.VMID) <-chan bool {
		answer := make(chan bool, 1)
		answer <- h.has(vm)
		return answer
	})
	return h
}

// Look returns what the host has and hosts, and a number that changes with it.
func (h *Host) Look() (protocol.Local, uint64) {
	h.centre.mu.Lock()
	defer h.centre.mu.Unlock()
	here := h.centre.hosts[h.id]
	return here.local, here.version
}

// Migrate carries an action out, and returns when that has ended. The VM runs at
// the target if there is no error, and is else as it was.
func (h *Host) Migrate(_ context.Context, m protocol.Migrate) error {
	ended := make(chan error, 1)
	if err := h.centre.begin(h.id, m, func(err error) { ended <- err }); err != nil {
		return err
	}
	return <-ended // a crash of either host ends it too
}

// expected are the VMs that an agent expects. What the agent says and what the
// data centre asks comes from different goroutines; neither waits for the other.
type expected struct {
	lock sync.Mutex
	vms  []cluster.VMID
}

// Expect says which VMs are to be let in, and no others.
func (e *expected) Expect(vms []cluster.VMID) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.vms = vms
}

func (e *expected) has(vm cluster.VMID) bool {
	e.lock.Lock()
	defer e.lock.Unlock()
	return slices.Contains(e.vms, vm)
}
