package sim

import (
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Pre-copy sends a VM's whole memory while the VM runs; then, in rounds, what
// the VM has written during the round before; and at last, with the VM paused,
// the rest. See [2] of the package doc.
//
// The stopping rule is that of Xen, [3], with two differences. Xen pauses the
// VM when fewer than 50 pages are left; we aim at a downtime, as QEMU does,
// and compare with the bandwidth that the last round has seen. And Xen, if its
// rate is at the limit, gives up as soon as a round is larger than the one
// before; we do not.

// last says whether, after a round of sent bytes that took so long, the VM is
// to be paused and what remains sent, and whether that is because the copy has
// converged. m counts the rounds and bytes so far.
func (set Settings) last(m Migration, memory, sent, remains cluster.Bytes, took time.Duration) (last, converged bool) {
	// That is: remains / (sent / took) <= downtime.
	if float64(remains)*float64(took) <= float64(sent)*float64(set.Downtime) {
		return true, true
	}
	rounds := set.MaxRounds > 0 && m.Rounds >= set.MaxRounds-1
	bytes := set.MaxFactor > 0 && m.Bytes > memory*cluster.Bytes(set.MaxFactor)
	return rounds || bytes, false
}

func (set Settings) workingSet(memory cluster.Bytes) cluster.Bytes {
	return cluster.Bytes(set.WorkingSet * float64(memory))
}

// Precopy predicts a live migration that copies memory while the VM runs, on
// links that it has for itself.
//
// Each round sends the pages written during the round before, so rounds shrink
// by dirty/bandwidth. The last one, with the VM paused, takes at most downtime.
// If dirty >= bandwidth, or not much less, the copy does not converge within
// the limits of DefaultSettings; then ok is false and the last round takes
// longer. Without bandwidth there is no migration, and m is empty.
//
// Source: Clark et al., "Live Migration of Virtual Machines", NSDI 2005;
// measured against QEMU/KVM in Hirofuchi, Pouilloux and Lebre, 2015.
func Precopy(memory cluster.Bytes, dirty, bandwidth cluster.BytesPerSecond, downtime time.Duration) (m Migration, ok bool) {
	if bandwidth <= 0 {
		return Migration{}, false
	}
	set := DefaultSettings()
	set.Downtime = downtime
	takes := func(b cluster.Bytes) time.Duration {
		return time.Duration(math.Ceil(float64(b) / float64(bandwidth) * 1e9))
	}
	for send, last := memory, false; ; {
		took := takes(send)
		m.Bytes += send
		m.Rounds++
		m.End += took
		if last {
			m.Downtime = took
			return m, m.Converged
		}
		written := cluster.Bytes(float64(dirty) * took.Seconds())
		remains := min(written, set.workingSet(memory))
		last, m.Converged = set.last(m, memory, send, remains, took)
		send = remains
	}
}
