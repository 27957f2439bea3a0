// Package injector says what the VMs of an experiment ask for: how much CPU
// each wants at the start, and every change after that.
//
// There are three kinds of Workload:
//
//   - Law.Gaussian draws changes at random instants, with normally distributed
//     loads. It is the reference workload.
//   - Law.VMPlaceS is the same law as the simulator VMPlaceS [1] draws it, bit
//     for bit, for comparison with published results.
//   - Replay plays recorded traces: PlanetLab's [2], read by ReadPlanetLab, and
//     Bitbrains' [3], read by ReadBitbrains.
//
// The package also has what goes with a workload: classes of VMs and their
// draw, and the initial placement of VMPlaceS.
//
// A Workload neither knows the time nor waits: whoever simulates takes the
// next change when the last one has been applied. Everything random comes
// from named streams of one seed (Stream), so a workload is the same in each
// run, whatever the scheduler under test does.
//
// Sources:
//
//	[1] A. Lebre, J. Pastor and M. Südholt, "VMPlaceS: A Generic Tool to
//	    Investigate and Compare VM Placement Algorithms", Euro-Par 2015.
//	[2] A. Beloglazov and R. Buyya, "Optimal Online Deterministic Algorithms
//	    and Adaptive Heuristics for Energy and Performance Efficient Dynamic
//	    Consolidation of Virtual Machines in Cloud Data Centers", CCPE 24(13),
//	    2012; the data are of K. Park and V. Pai, "CoMon", ACM OSR 40(1), 2006.
//	[3] S. Shen, V. van Beek and A. Iosup, "Statistical Characterization of
//	    Business-Critical Workloads Hosted in Cloud Datacenters", CCGrid 2015
//	    (Grid Workloads Archive, GWA-T-12).
package injector

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Change is a new CPU demand of one VM.
type Change struct {
	At  time.Duration // since the start of the run
	VM  int32
	CPU cluster.Millicores
}

// Source yields changes in the order of At. Among equals, the order in which
// they come is the order in which they happen. After the last one, ok is
// false.
type Source interface {
	Next() (c Change, ok bool)
}

// Workload is what the VMs of a run ask for.
type Workload struct {
	Initial []cluster.Millicores // by VM: its demand when the run starts
	Changes Source               // what changes later
}

// Stream returns the random numbers for one purpose, such as
// "injector/times", of the run with the given seed. Streams of different
// purposes are independent, so that one more draw for one purpose leaves the
// others as they were.
func Stream(seed uint64, purpose string) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}
