package sim

import (
	"cmp"
	"fmt"
)

// writes is what a VM's description says about its migration: what it writes,
// where to, and how much is sent at most.
type writes struct {
	dirty, diskDirty, most Bandwidth
	workingSet             Bytes
	disk, diskTop          Bytes
}

func writesOf(spec VMSpec) writes {
	return writes{
		dirty: spec.DirtyRate, diskDirty: spec.DiskDirtyRate, most: spec.MigrationSpeed,
		workingSet: spec.WorkingSet, disk: spec.Disk, diskTop: spec.DiskTop,
	}
}

// describe is the opposite of writesOf.
func (w *writes) describe(spec *VMSpec) {
	spec.DirtyRate, spec.DiskDirtyRate, spec.MigrationSpeed = w.dirty, w.diskDirty, w.most
	spec.WorkingSet, spec.Disk, spec.DiskTop = w.workingSet, w.disk, w.diskTop
}

func (w writes) validate(memory Bytes) error {
	switch {
	case w.workingSet < 0 || w.workingSet > memory:
		return fmt.Errorf("a working set of %v in %v of memory", w.workingSet, memory)
	case w.disk < 0:
		return fmt.Errorf("a disk of %v: it must be 0 or more", w.disk)
	case w.diskTop < 0 || w.diskTop > w.disk:
		return fmt.Errorf("a top layer of %v on a disk of %v", w.diskTop, w.disk)
	}
	return cmp.Or(
		amount("a dirty rate", float64(w.dirty)),
		amount("a dirty rate of the disk", float64(w.diskDirty)),
		amount("a migration speed", float64(w.most)),
	)
}

// load returns what a migration has to send of a VM that is on cores of some
// speed.
func (w *writes) load(memory Bytes, copies DiskCopy, core Speed) load {
	l := load{memory: memory, workingSet: cmp.Or(w.workingSet, Bytes(0.9*float64(memory)))}
	switch copies {
	case FullDisk:
		l.disk = w.disk
	case TopLayer:
		l.disk = w.diskTop
	}
	if core > 0 {
		l.written = float64(w.dirty) / float64(core)
	}
	if core > 0 && l.disk > 0 {
		l.diskWritten = float64(w.diskDirty) / float64(core)
	}
	return l
}
