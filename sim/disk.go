package sim

// DiskID is the index of a disk: 0 for the first one added, and so on.
type DiskID int32

// DiskSpec describes a disk.
type DiskSpec struct {
	Name        string
	Host        HostID
	Read, Write Bandwidth
	// Degrade is how much several accesses at once slow the disk down: n of
	// them get 1/(1+Degrade*(n-1)) of its bandwidth together.
	Degrade float64
}

// Access names an access to a disk. The zero Access names none.
type Access struct {
	slot int32
	seq  uint32
}

type disks struct{ sim *Simulation }
