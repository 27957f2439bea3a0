// Package emulated is a data centre in memory, for agents to try themselves on:
// hosts, VMs with the load that somebody gives them, and live migrations that
// take as long, in real time, as [sim.Predict] says.
//
// The truth of a VM is in one place, the DataCentre: a VM is where it last ran.
// It belongs to one host at any time, whatever becomes of agents and
// connections, so that none is lost or doubled. Agents reach their host directly,
// or, from a process of their own, through a connection ([Serve] and [Connect]);
// if that breaks, the host is down: it keeps its VMs, and the migrations from
// and to it fail.
package emulated

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
)

// Network is what migrations go over, the same between all hosts.
type Network struct {
	Bandwidth sim.Bandwidth // for one migration, in bytes per second
	Latency   sim.Seconds   // before the first byte of each transfer
}

// DataCentre is the emulated hosts and their VMs. Its methods may be called at
// any time from any goroutine.
type DataCentre struct {
	network Network
	changed func(cluster.NodeID) // or nil

	mu         sync.Mutex
	hosts      map[cluster.NodeID]*host
	vms        map[cluster.VMID]*vm
	migrations map[cluster.VMID]*migration
	moved      int
}

type host struct {
	node    cluster.Node
	up      bool
	version uint64 // rises with every change of what follows
	local   protocol.Local
	sync    func(version uint64) <-chan struct{} // tells a remote agent; nil for one in this process
}

type vm struct {
	cluster.VM
	host cluster.NodeID
}

// migration is one that is under way.
type migration struct {
	source, target cluster.NodeID
	timer          *time.Timer
	end            func(error) // is told once how it ended
}

// Errors of a migration. They say why the VM still runs at its source.
var (
	ErrDown   = errors.New("the host is down")
	ErrNoRoom = errors.New("the host has no room for its memory")
)

// New returns a data centre without hosts. changed, unless nil, is called after
// each change of what a host hosts or its VMs ask for.
func New(n Network, changed func(cluster.NodeID)) *DataCentre {
	return &DataCentre{
		network: n, changed: changed,
		hosts: map[cluster.NodeID]*host{}, vms: map[cluster.VMID]*vm{}, migrations: map[cluster.VMID]*migration{},
	}
}

// AddHost adds a host that is down.
func (d *DataCentre) AddHost(n cluster.Node) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, ok := d.hosts[n.ID]; ok {
		return fmt.Errorf("emulated: host %d is there already", n.ID)
	}
	d.hosts[n.ID] = &host{node: n}
	d.refresh(n.ID)
	return nil
}

// AddVM starts a VM on a host.
func (d *DataCentre) AddVM(v cluster.VM, on cluster.NodeID) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.hosts[on]
	switch _, doubled := d.vms[v.ID]; {
	case !ok:
		return fmt.Errorf("emulated: %s: there is no host %d", v.Name, on)
	case doubled:
		return fmt.Errorf("emulated: VM %d is there already", v.ID)
	case v.Demand.Memory() > d.free(h):
		return fmt.Errorf("emulated: %s on %s: %w", v.Name, h.node.Name, ErrNoRoom)
	}
	d.vms[v.ID] = &vm{VM: v, host: on}
	d.refresh(on)
	return nil
}

// SetCPU changes what a VM asks for.
func (d *DataCentre) SetCPU(id cluster.VMID, cpu cluster.Millicores) {
	d.mu.Lock()
	v, ok := d.vms[id]
	if !ok {
		d.mu.Unlock()
		return
	}
	v.Demand[cluster.CPU] = int64(cpu)
	d.refresh(v.host)
	on := v.host
	d.mu.Unlock()
	d.tell(on)
}

// State is what a host has and hosts now. A copy: it does not change.
func (d *DataCentre) State(id cluster.NodeID) (l protocol.Local, up bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hosts[id]
	return h.local, h.up
}

// Where returns the host of every VM.
func (d *DataCentre) Where() map[cluster.VMID]cluster.NodeID {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make(map[cluster.VMID]cluster.NodeID, len(d.vms))
	for id, v := range d.vms {
		all[id] = v.host
	}
	return all
}

// Migrating returns how many migrations are under way, and how many VMs have
// moved so far.
func (d *DataCentre) Migrating() (under, moved int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.migrations), d.moved
}

// Check returns an error that names the first host on which more memory is
// used, or on its way, than there is.
func (d *DataCentre) Check() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for id, h := range d.hosts {
		if free := d.free(h); free < 0 {
			return fmt.Errorf("emulated: host %d lacks %v of memory", id, -free)
		}
	}
	return nil
}

// Start makes a host work.
func (d *DataCentre) Start(id cluster.NodeID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[id].up = true
}

// Crash takes a host down. It keeps its VMs; the migrations from and to it end,
// and their VMs stay where they ran.
func (d *DataCentre) Crash(id cluster.NodeID) {
	d.mu.Lock()
	h := d.hosts[id]
	h.up, h.sync = false, nil
	var ended []*migration
	for _, v := range d.underWay() {
		if m := d.migrations[v]; m.source == id || m.target == id {
			m.timer.Stop()
			delete(d.migrations, v)
			d.refresh(m.target)
			ended = append(ended, m)
		}
	}
	d.mu.Unlock()
	for _, m := range ended {
		m.end(ErrDown)
	}
	d.tell(id)
}

// underWay returns the VMs that migrate, in order.
func (d *DataCentre) underWay() []cluster.VMID {
	ids := make([]cluster.VMID, 0, len(d.migrations))
	for id := range d.migrations {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// begin starts a migration; end is called once, when it has ended, after both
// hosts know.
func (d *DataCentre) begin(id cluster.VMID, source, target cluster.NodeID, end func(error)) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	v, ok := d.vms[id]
	from, to := d.hosts[source], d.hosts[target]
	switch {
	case !ok || v.host != source:
		return fmt.Errorf("emulated: VM %d does not run on host %d", id, source)
	case d.migrations[id] != nil:
		return fmt.Errorf("emulated: %s migrates already", v.Name)
	case to == nil || source == target:
		return fmt.Errorf("emulated: %s can't migrate from host %d to host %d", v.Name, source, target)
	case !from.up || !to.up:
		return fmt.Errorf("emulated: %s from host %d to host %d: %w", v.Name, source, target, ErrDown)
	case v.Demand.Memory() > d.free(to):
		return fmt.Errorf("emulated: %s to host %d: %w", v.Name, target, ErrNoRoom)
	}
	takes, err := d.takes(v.VM)
	if err != nil {
		return fmt.Errorf("emulated: %s: %w", v.Name, err)
	}
	m := &migration{source: source, target: target, end: end}
	m.timer = time.AfterFunc(takes, func() { d.arrive(id, m) })
	d.migrations[id] = m
	d.refresh(target)
	return nil
}

// takes returns how long the migration of a VM takes at the load it has.
func (d *DataCentre) takes(v cluster.VM) (time.Duration, error) {
	share := float64(v.Demand.CPU()) / float64(cluster.Millicores(max(v.VCPUs, 1))*cluster.Core)
	p, err := sim.Predict(sim.Copy{
		Memory: v.Demand.Memory(), WorkingSet: v.Demand.Memory(),
		DirtyRate: sim.Bandwidth(float64(v.DirtyRate) * min(share, 1)),
		Bandwidth: d.network.Bandwidth, Latency: d.network.Latency,
		Policy: sim.MigrationPolicy{Remedy: sim.StopAndCopy},
	})
	if err == nil {
		err = p.Err
	}
	return p.Duration().Duration(), err
}

// arrive ends a migration: from now on the VM runs at the target.
func (d *DataCentre) arrive(id cluster.VMID, m *migration) {
	d.mu.Lock()
	if d.migrations[id] != m {
		d.mu.Unlock()
		return // a crash has ended it
	}
	delete(d.migrations, id)
	d.vms[id].host = m.target
	d.moved++
	d.refresh(m.source)
	d.refresh(m.target)
	known := d.known(m.target)
	d.mu.Unlock()
	d.tell(m.source)
	d.tell(m.target)
	if known != nil {
		<-known
	}
	m.end(nil)
}

// known returns a channel that is closed when the agent of a host knows its
// present state, or is gone; nil if it knows already.
//
// The target must know before the source hears of the end: it then takes its
// promise of memory back, and would promise it a second time if it did not see
// the VM that has it now.
func (d *DataCentre) known(id cluster.NodeID) <-chan struct{} {
	h := d.hosts[id]
	if h.sync == nil {
		return nil
	}
	return h.sync(h.version)
}

// free is the memory of a host that neither its VMs nor those on their way to
// it use.
func (d *DataCentre) free(h *host) cluster.Bytes {
	free := h.node.Capacity.Memory()
	for _, v := range h.local.VMs {
		free -= v.Demand.Memory()
	}
	for _, id := range h.local.Incoming {
		free -= d.vms[id].Demand.Memory()
	}
	return free
}

// refresh makes a host's state new. What was given out before stays as it is.
func (d *DataCentre) refresh(id cluster.NodeID) {
	h := d.hosts[id]
	l := protocol.Local{Capacity: h.node.Capacity}
	for _, v := range d.vms {
		if v.host == id {
			l.VMs = append(l.VMs, v.VM)
		}
	}
	slices.SortFunc(l.VMs, func(a, b cluster.VM) int { return cmp.Compare(a.ID, b.ID) })
	for _, v := range d.underWay() {
		if d.migrations[v].target == id {
			l.Incoming = append(l.Incoming, v)
		}
	}
	h.local = l
	h.version++
	if h.sync != nil {
		h.sync(h.version)
	}
}

func (d *DataCentre) tell(id cluster.NodeID) {
	if d.changed != nil {
		d.changed(id)
	}
}
