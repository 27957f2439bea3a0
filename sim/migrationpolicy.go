package sim

import (
	"cmp"
	"fmt"
)

// MigrationPolicy says when a live migration pauses the VM, and what is done
// about a copy that does not converge. The zero policy is a sensible one: the
// VM is paused for at most 30 ms if its memory can be copied that far, and, if
// it can't, for as long as it takes after 30 rounds or 3 times the memory, as
// in Xen [11]. So each migration ends, as plans and planners expect; how long
// the VM was paused is in the record. An operator who would rather keep a busy
// VM running than have it moved takes GiveUp or, if it may be slowed down,
// AutoConverge.
type MigrationPolicy struct {
	// MaxDowntime is for how long the VM may be paused at the end: the copy
	// goes on in rounds until the rest takes no longer than that, at the
	// bandwidth of the round before. 0 means 30 ms, which was the default of
	// QEMU when the model was validated; newer ones have 300 ms.
	MaxDowntime Seconds

	// Remedy is what is done about a copy that has not converged when a limit
	// is reached.
	Remedy Remedy
	// MaxRounds is the number of transfers, the first and the last included.
	// 0 means 30. With 1 and StopAndCopy the VM is paused all the time; with 1
	// and PostCopy it is switched over before anything is copied; with 2 and
	// PostCopy after one pass, as libvirt's --postcopy-after-precopy does.
	MaxRounds int
	// MaxFactor limits what is sent of the memory, before the last transfer, as
	// a multiple of the memory. 0 means 3.
	MaxFactor float64
	// TimeLimit is how long the copy may take, without the last transfer; what
	// waited for its turn has not begun. StopAndCopy and PostCopy act at the end
	// of the round under way, the others end the migration at that very moment
	// with ErrTimeout. 0 means no limit. OpenStack and KubeVirt set one by the
	// size of the memory (live_migration_completion_timeout and
	// completionTimeoutPerGiB), for instance 800 s per GiB.
	TimeLimit Seconds

	// PostCopySpeed is the part of its speed, above 0 and up to 1, at which a VM
	// runs while its memory is pulled: it waits for pages that are not there.
	// How much depends on the program, from almost nothing to a standstill; 0
	// means 0.5, which is a guess, for want of a figure that holds for all.
	PostCopySpeed float64

	// Disk says which part of its disk goes with the VM.
	Disk DiskCopy
	// DiskSpeed limits the transfer of the disk, for instance to what the disks
	// read and write; 0 means no limit but the VM's MigrationSpeed.
	DiskSpeed Bandwidth
}

// Remedy is what is done about a copy that does not converge, because the VM
// writes its memory about as fast as it is sent, or faster.
type Remedy uint8

const (
	// ByLaw is StopAndCopy, but under the Original law KeepOn with a time limit
	// of 1e7 s, at which SimGrid ends the whole simulation, and we the migration.
	ByLaw Remedy = iota
	// StopAndCopy pauses the VM and sends the rest, however long it takes.
	StopAndCopy
	// GiveUp ends the migration with ErrNoConvergence; the VM stays.
	GiveUp
	// PostCopy switches over at once: the VM is paused, goes on at the target,
	// and pulls the rest from the source while it runs, slower. See
	// MigrationPolicy.PostCopySpeed. What it writes there is not sent again.
	PostCopy
	// KeepOn goes on with rounds as QEMU does, without limits but TimeLimit.
	KeepOn
	// AutoConverge goes on too, and slows the VM down as QEMU does [12]: when
	// the second round has found more than 50 % of what was sent to be written
	// again, the VM is throttled by 20 %, and with each two such rounds more by
	// another 10 %, to 99 % at most.
	AutoConverge
)

var remedies = [...]string{"by law", "stop and copy", "give up", "post-copy", "keep on", "auto-converge"}

// String returns the name of the remedy.
func (r Remedy) String() string {
	if int(r) < len(remedies) {
		return remedies[r]
	}
	return fmt.Sprintf("remedy %d", uint8(r))
}

// DiskCopy says which part of a VM's disk is copied with its memory. The disk
// goes first, and what was written to it meanwhile goes with the memory.
type DiskCopy uint8

const (
	// SharedDisk copies nothing: both hosts reach the disk.
	SharedDisk DiskCopy = iota
	// FullDisk copies VMSpec.Disk bytes, as libvirt's --copy-storage-all.
	FullDisk
	// TopLayer copies VMSpec.DiskTop bytes, as libvirt's --copy-storage-inc:
	// the top layer of the disk's chain of images, which is what the VM has
	// written; the images below are at the target already.
	TopLayer
)

// originalTimeLimit is that of SimGrid.
const originalTimeLimit Seconds = 1e7

// under returns the policy without zeros that stand for something else.
func (p MigrationPolicy) under(law Law) MigrationPolicy {
	if p.Remedy == ByLaw && law == Original {
		p.Remedy = KeepOn
		p.TimeLimit = cmp.Or(p.TimeLimit, originalTimeLimit)
	}
	p.Remedy = cmp.Or(p.Remedy, StopAndCopy)
	p.MaxDowntime = cmp.Or(p.MaxDowntime, 0.03)
	p.MaxRounds = cmp.Or(p.MaxRounds, 30)
	p.MaxFactor = cmp.Or(p.MaxFactor, 3)
	p.TimeLimit = cmp.Or(p.TimeLimit, Forever)
	p.PostCopySpeed = cmp.Or(p.PostCopySpeed, 0.5)
	return p
}

func (p MigrationPolicy) validate() error {
	switch {
	case !(p.MaxDowntime >= 0):
		return fmt.Errorf("maximum downtime %v s is not 0 or more", float64(p.MaxDowntime))
	case int(p.Remedy) >= len(remedies):
		return fmt.Errorf("there is no %v", p.Remedy)
	case p.MaxRounds < 0:
		return fmt.Errorf("maximum of %d rounds is not 0 or more", p.MaxRounds)
	case !(p.MaxFactor >= 0):
		return fmt.Errorf("maximum of %v times the memory is not 0 or more", p.MaxFactor)
	case !(p.TimeLimit >= 0):
		return fmt.Errorf("time limit %v s is not 0 or more", float64(p.TimeLimit))
	case !(p.PostCopySpeed >= 0 && p.PostCopySpeed <= 1):
		return fmt.Errorf("post-copy speed %v is not from 0 to 1", p.PostCopySpeed)
	case p.Disk > TopLayer:
		return fmt.Errorf("there is no disk copy %d", p.Disk)
	}
	return amount("a disk speed", float64(p.DiskSpeed))
}

// MigrationModel says what migrations cost hosts, and how many a host takes part
// in at once. The zero model costs nothing and has no limits.
type MigrationModel struct {
	// Sending and Receiving are how much of a core, from 0 to 1, each migration
	// keeps busy on its source and its target from its first transfer to its
	// last. The authors of [2] call it "negligible in most use-cases", and no
	// figure holds for all: measure yours.
	Sending, Receiving float64
	// Outgoing and Incoming are how many migrations a host sends and receives at
	// once; 0 means no limit. What is too much waits for its turn, in the order
	// of the calls: first, with all others from its source, to be one of those
	// that the source sends; and then, as one of these, to be received. Memory
	// at the target is kept for it all the time. OpenStack sends one at a time
	// by default (max_concurrent_live_migrations), KubeVirt two
	// (parallelOutboundMigrationsPerNode).
	Outgoing, Incoming int
}

func (m MigrationModel) validate() error {
	switch {
	case !(m.Sending >= 0 && m.Sending <= 1):
		return fmt.Errorf("sending takes %v of a core, which is not from 0 to 1", m.Sending)
	case !(m.Receiving >= 0 && m.Receiving <= 1):
		return fmt.Errorf("receiving takes %v of a core, which is not from 0 to 1", m.Receiving)
	case m.Outgoing < 0:
		return fmt.Errorf("limit of %d outgoing migrations is not 0 or more", m.Outgoing)
	case m.Incoming < 0:
		return fmt.Errorf("limit of %d incoming migrations is not 0 or more", m.Incoming)
	}
	return nil
}
