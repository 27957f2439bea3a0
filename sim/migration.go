package sim

import (
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Why a migration is refused.
var (
	ErrMigrating    = errors.New("it migrates already")
	ErrNotMigrating = errors.New("it does not migrate")
	ErrSameHost     = errors.New("it is there already")
	ErrNoRoom       = errors.New("not enough memory is free there")
)

// Migration is the record of a live migration that has ended.
type Migration struct {
	VM             VMID
	Source, Target HostID
	Start, End     time.Duration
	Bytes          cluster.Bytes // sent
	// Rounds counts the transfers: the first, of the whole memory, those of
	// what was written meanwhile, and the last, with the VM paused.
	Rounds   int
	Downtime time.Duration // for how long the VM was paused
	// Converged says that the rounds became small enough for the downtime
	// aimed at, and did not have to be cut short.
	Converged bool
	// Failed says that the VM is still on the source.
	Failed bool
}

// Duration returns how long the migration took.
func (m Migration) Duration() time.Duration { return m.End - m.Start }

// migrations is those under way. A migration is in one of two states: it
// copies while the VM runs, or it sends the rest while the VM is suspended.
// VM.suspended says which.
type migrations struct {
	sim     *Simulation
	running []migration
	free    []int32
}

type migration struct {
	Migration
	done func(Migration)
	flow int32

	// About the round under way:
	sending   cluster.Bytes
	since     time.Duration
	given     float64 // the VM's integral when the round began
	suspended time.Duration
}

// Migrate starts to move a VM to another host, and calls done, unless it is
// nil, when it has ended. Until then the VM counts on the source, and the
// target keeps memory for it, which is promised.
//
// It returns an error, and does nothing, if the VM migrates already
// (ErrMigrating), is there already (ErrSameHost), or if the target has not
// enough memory that is neither used nor promised (ErrNoRoom).
func (s *Simulation) Migrate(id VMID, target HostID, done func(Migration)) error {
	v, spec := &s.vms[id], &s.vmSpecs[id]
	switch {
	case v.migration != none:
		return s.refused(id, target, ErrMigrating)
	case v.host == target:
		return s.refused(id, target, ErrSameHost)
	case spec.Memory > s.MemoryFree(target):
		return s.refused(id, target, ErrNoRoom)
	}
	s.hosts[target].promised += spec.Memory
	i := s.migrations.add()
	m := &s.migrations.running[i]
	*m = migration{Migration: Migration{VM: id, Source: v.host, Target: target, Start: s.now}, done: done}
	v.migration = i
	s.migrations.send(i, spec.Memory)
	return nil
}

func (s *Simulation) refused(id VMID, target HostID, why error) error {
	return fmt.Errorf("migrate VM %q to host %q: %w", s.vmSpecs[id].Name, s.hostSpecs[target].Name, why)
}

// Abort ends a VM's migration: the VM goes on at the source, and its memory is
// no longer promised at the target. The migration's done is called with
// Failed, in an event of its own at this date. Abort returns ErrNotMigrating
// if there is nothing to abort.
func (s *Simulation) Abort(id VMID) error {
	v := &s.vms[id]
	if v.migration == none {
		return fmt.Errorf("abort the migration of VM %q: %w", s.vmSpecs[id].Name, ErrNotMigrating)
	}
	m := &s.migrations.running[v.migration]
	unsent := s.network.stop(m.flow)
	m.Bytes += m.sending - cluster.Bytes(math.Ceil(unsent))
	m.Rounds++
	m.Failed, m.Converged = true, false
	if v.suspended {
		m.Downtime = s.now - m.suspended
		s.resume(id)
	}
	if record, done := s.migrations.end(v.migration); done != nil {
		s.Call(s.now, func() { done(record) })
	}
	return nil
}

// Migrating reports whether a VM migrates, and where to.
func (s *Simulation) Migrating(id VMID) (target HostID, ok bool) {
	i := s.vms[id].migration
	if i == none {
		return 0, false
	}
	return s.migrations.running[i].Target, true
}

func (ms *migrations) add() int32 {
	if last := len(ms.free) - 1; last >= 0 {
		i := ms.free[last]
		ms.free = ms.free[:last]
		return i
	}
	ms.running = append(ms.running, migration{})
	return int32(len(ms.running) - 1)
}

// end closes the books of a migration.
func (ms *migrations) end(i int32) (Migration, func(Migration)) {
	s, m := ms.sim, ms.running[i]
	m.End = s.now
	s.hosts[m.Target].promised -= s.vmSpecs[m.VM].Memory
	s.vms[m.VM].migration = none
	ms.running[i] = migration{}
	ms.free = append(ms.free, i)
	return m.Migration, m.done
}

// send begins a round.
func (ms *migrations) send(i int32, bytes cluster.Bytes) {
	s, m := ms.sim, &ms.running[i]
	v, spec := &s.vms[m.VM], &s.vmSpecs[m.VM]
	s.settle(v)
	m.sending, m.since, m.given = bytes, s.now, v.given
	m.flow = s.network.start(m.Source, m.Target, bytes, spec.MigrationSpeed, ms, uint64(i))
}

// Handle is the end of a round of migration i.
func (ms *migrations) Handle(now time.Duration, arg uint64) {
	i := int32(arg)
	s, m := ms.sim, &ms.running[i]
	m.Bytes += m.sending
	m.Rounds++
	if s.vms[m.VM].suspended {
		ms.arrived(i)
		return
	}
	memory, dirty := s.vmSpecs[m.VM].Memory, ms.dirty(m)
	last, converged := s.settings.last(m.Migration, memory, m.sending, dirty, now-m.since)
	if last {
		m.Converged, m.suspended = converged, now
		s.suspend(m.VM)
	}
	ms.send(i, dirty)
}

// dirty returns how much of its memory a VM has written during the round. A
// VM writes in proportion to the CPU that it gets.
func (ms *migrations) dirty(m *migration) cluster.Bytes {
	s := ms.sim
	v, spec := &s.vms[m.VM], &s.vmSpecs[m.VM]
	s.settle(v)
	computed := float64(coreSeconds(v.given-m.given)) / float64(spec.VCPUs)
	written := cluster.Bytes(float64(spec.DirtyRate) * computed)
	return min(written, s.settings.workingSet(spec.Memory))
}

// arrived makes the VM run on the target.
func (ms *migrations) arrived(i int32) {
	s, m := ms.sim, &ms.running[i]
	m.Downtime = s.now - m.suspended
	record, done := ms.end(i)
	s.depart(record.VM)
	s.vms[record.VM].suspended = false
	s.arrive(record.VM, record.Target)
	s.changed(record.Source)
	s.changed(record.Target)
	if done != nil {
		done(record)
	}
}
