package injector

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/java"
)

// Class is a kind of VM, such as a cloud provider's m1.small.
type Class struct {
	Name   string
	VCPUs  int32
	Memory cluster.Bytes
	// DirtyRate is how fast a VM writes its memory when it uses all its vCPUs.
	DirtyRate cluster.BytesPerSecond
	// MigrationSpeed is the most that a live migration of it may send.
	MigrationSpeed cluster.BytesPerSecond
}

// SmallClasses returns the classes of VMPlaceS's experiments, one for each
// memory intensity: one vCPU, 1 GiB, and a DirtyRate of so many percent of the
// MigrationSpeed, 1 Gbit/s. It ships with intensities 10, 20, 30, 40 and 50;
// published runs used 10, 20, ..., 80.
func SmallClasses(intensities ...int) []Class {
	classes := make([]Class, len(intensities))
	for i, percent := range intensities {
		classes[i] = Class{
			Name:           fmt.Sprint("m1.small-", percent),
			VCPUs:          1,
			Memory:         cluster.GiB,
			DirtyRate:      cluster.Gigabit * cluster.BytesPerSecond(percent) / 100,
			MigrationSpeed: cluster.Gigabit,
		}
	}
	return classes
}

// DrawClasses draws one of the classes, all equally likely, for each of n VMs.
func DrawClasses(classes []Class, n int, seed uint64) []Class {
	random := Stream(seed, "injector/classes")
	drawn := make([]Class, n)
	for v := range drawn {
		drawn[v] = classes[random.IntN(len(classes))]
	}
	return drawn
}

// DrawVMPlaceSClasses draws what VMPlaceS [1] draws with the same seed.
func DrawVMPlaceSClasses(classes []Class, n int, seed int64) []Class {
	random := java.NewRandom(seed)
	drawn := make([]Class, n)
	for v := range drawn {
		drawn[v] = classes[random.NextInt(int32(len(classes)))]
	}
	return drawn
}
