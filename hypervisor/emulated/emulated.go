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
//
// A host lets in no VM that its agent does not expect: before anything moves, the
// target's agent is asked. One that is down, or has been since it promised room,
// expects nothing.
package emulated

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
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
	moved      []Move
}

// Move is a migration that has ended well, or the start of a VM.
type Move struct {
	VM       cluster.VMID
	Kind     plan.Kind
	From, To cluster.NodeID
	Took     time.Duration
}

type host struct {
	node     cluster.Node
	up       bool
	life     int // how often it has started: an agent that returns has forgotten what it promised
	draining bool
	version  uint64 // rises with every change of what follows
	local    protocol.Local
	sync     func(version uint64) <-chan struct{} // tells a remote agent; nil for one in this process
	admits   admits
}

// admits asks an agent whether it expects a VM. A channel that is closed, or
// silent for long, says no. It must not wait for anything.
type admits func(cluster.VMID) <-chan bool

// askLimit is how long an agent may take to say whether it expects a VM. It
// answers without asking its node, so that milliseconds are enough.
const askLimit = 2 * time.Second

type vm struct {
	cluster.VM
	host cluster.NodeID
	is   state
}

// state says whether a VM runs.
type state uint8

const (
	running  state = iota
	waiting        // to be started
	sleeping       // in an image, to be resumed
)

// starts says in which state a VM is before an action, and whether there is one.
func starts(k plan.Kind) (before state, ok bool) {
	before, ok = map[plan.Kind]state{plan.Migrate: running, plan.Run: waiting, plan.Resume: sleeping}[k]
	return before, ok
}

// migration is one that is under way, or the start of a VM.
type migration struct {
	source, target cluster.NodeID
	began          time.Time
	kind           plan.Kind
	timer          *time.Timer
	end            func(error) // is told once how it ended
}

// Errors of a migration. They say why the VM still runs at its source.
var (
	ErrDown       = errors.New("the host is down")
	ErrNoRoom     = errors.New("the host has no room for its memory")
	ErrUnexpected = errors.New("its agent does not expect the VM")
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

// AddVM adds a VM that runs on a host.
func (d *DataCentre) AddVM(v cluster.VM, on cluster.NodeID) error { return d.add(v, on, running) }

// Submit gives a VM to a host to be started there or elsewhere.
func (d *DataCentre) Submit(v cluster.VM, to cluster.NodeID) error { return d.add(v, to, waiting) }

// AddSleeping adds a VM whose image lies on a host, and that is to be resumed.
func (d *DataCentre) AddSleeping(v cluster.VM, on cluster.NodeID) error {
	return d.add(v, on, sleeping)
}

func (d *DataCentre) add(v cluster.VM, on cluster.NodeID, is state) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	h, ok := d.hosts[on]
	switch _, doubled := d.vms[v.ID]; {
	case !ok:
		return fmt.Errorf("emulated: %s: there is no host %d", v.Name, on)
	case doubled:
		return fmt.Errorf("emulated: VM %d is there already", v.ID)
	case is == running && v.Demand.Memory() > d.free(h):
		return fmt.Errorf("emulated: %s on %s: %w", v.Name, h.node.Name, ErrNoRoom)
	}
	d.vms[v.ID] = &vm{VM: v, host: on, is: is}
	d.refresh(on)
	return nil
}

// Drain says that a host is to be emptied, or no longer.
func (d *DataCentre) Drain(id cluster.NodeID, draining bool) {
	d.mu.Lock()
	d.hosts[id].draining = draining
	d.refresh(id)
	d.mu.Unlock()
	d.tell(id)
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

// Where returns the host of every VM: that on which it runs, or is to be started.
func (d *DataCentre) Where() map[cluster.VMID]cluster.NodeID {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := make(map[cluster.VMID]cluster.NodeID, len(d.vms))
	for id, v := range d.vms {
		all[id] = v.host
	}
	return all
}

// Migrating returns how many migrations are under way, and how many have ended
// well so far; the starts of VMs are among them.
func (d *DataCentre) Migrating() (under, moved int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.migrations), len(d.moved)
}

// Moved returns the migrations that have ended well, in that order.
func (d *DataCentre) Moved() []Move {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.moved)
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

// start makes a host work, for an agent that can be asked what it expects.
func (d *DataCentre) start(id cluster.NodeID, ask admits) {
	d.mu.Lock()
	defer d.mu.Unlock()
	h := d.hosts[id]
	h.up, h.admits = true, ask
	h.life++
}

// Crash takes a host down. It keeps its VMs; the migrations from and to it end,
// and their VMs stay where they ran.
func (d *DataCentre) Crash(id cluster.NodeID) {
	d.mu.Lock()
	h := d.hosts[id]
	h.up, h.sync, h.admits = false, nil, nil
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

// begin starts what an agent was asked to do, if the target's agent expects the
// VM; end is called once, when it has ended, after both hosts know. The data
// centre is not locked while the agent is asked, so what was true before has to
// be so still.
func (d *DataCentre) begin(source cluster.NodeID, m protocol.Migrate, end func(error)) error {
	d.mu.Lock()
	err := d.possible(source, m)
	var answer <-chan bool
	var life int
	if err == nil {
		answer, life = d.hosts[m.Target].admits(m.VM), d.hosts[m.Target].life
	}
	d.mu.Unlock()
	if err == nil && !within(askLimit, answer) {
		err = fmt.Errorf("emulated: VM %d to host %d: %w", m.VM, m.Target, ErrUnexpected)
	}
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.possible(source, m); err != nil {
		return err
	}
	if d.hosts[m.Target].life != life {
		return fmt.Errorf("emulated: VM %d to host %d: %w", m.VM, m.Target, ErrDown)
	}
	takes, err := d.takes(m.Kind, d.vms[m.VM].VM)
	if err != nil {
		return fmt.Errorf("emulated: VM %d: %w", m.VM, err)
	}
	started := &migration{source: source, target: m.Target, began: time.Now(), kind: m.Kind, end: end}
	started.timer = time.AfterFunc(takes, func() { d.arrive(m.VM, started) })
	d.migrations[m.VM] = started
	d.refresh(m.Target)
	return nil
}

// within reports whether yes is answered in time.
func within(limit time.Duration, answer <-chan bool) bool {
	t := time.NewTimer(limit)
	defer t.Stop()
	select {
	case yes := <-answer:
		return yes
	case <-t.C:
		return false
	}
}

// possible returns an error that says why a host can't do what it was asked to.
func (d *DataCentre) possible(source cluster.NodeID, m protocol.Migrate) error {
	v, here := d.vms[m.VM]
	before, known := starts(m.Kind)
	from, to := d.hosts[source], d.hosts[m.Target]
	switch {
	case !known:
		return fmt.Errorf("emulated: no host can %s a VM", m.Kind)
	case !here || v.host != source || v.is != before:
		return fmt.Errorf("emulated: there is no VM %d on host %d to %s", m.VM, source, m.Kind)
	case d.migrations[m.VM] != nil:
		return fmt.Errorf("emulated: %s is on its way already", v.Name)
	case to == nil || source == m.Target && m.Kind == plan.Migrate:
		return fmt.Errorf("emulated: %s can't migrate from host %d to host %d", v.Name, source, m.Target)
	case !from.up || !to.up:
		return fmt.Errorf("emulated: %s from host %d to host %d: %w", v.Name, source, m.Target, ErrDown)
	case v.Demand.Memory() > d.free(to):
		return fmt.Errorf("emulated: %s to host %d: %w", v.Name, m.Target, ErrNoRoom)
	}
	return nil
}

// bootTime is how long a VM takes to start: the thesis behind DVMS measured 6 s;
// this is one that is made to start fast, so that there is less to wait for.
const bootTime = 2 * time.Second

// takes returns how long an action takes: the migration of a VM at the load it
// has, its start, or the copying of its image.
func (d *DataCentre) takes(kind plan.Kind, v cluster.VM) (time.Duration, error) {
	switch kind {
	case plan.Run:
		return bootTime, nil
	case plan.Resume:
		return time.Duration(float64(v.Demand.Memory()) / float64(d.network.Bandwidth) * float64(time.Second)), nil
	case plan.Migrate, plan.Suspend, plan.Stop:
	}
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
	d.vms[id].host, d.vms[id].is = m.target, running
	d.moved = append(d.moved, Move{VM: id, Kind: m.kind, From: m.source, To: m.target, Took: time.Since(m.began)})
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
	l := protocol.Local{Capacity: h.node.Capacity, Draining: h.draining}
	for _, v := range d.vms {
		if v.host == id {
			lists := [...]*[]cluster.VM{running: &l.VMs, waiting: &l.Waiting, sleeping: &l.Sleeping}
			*lists[v.is] = append(*lists[v.is], v.VM)
		}
	}
	for _, vms := range [][]cluster.VM{l.VMs, l.Waiting, l.Sleeping} {
		slices.SortFunc(vms, func(a, b cluster.VM) int { return cmp.Compare(a.ID, b.ID) })
	}
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
