package plan

import (
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// The constants of pre-copy, which are those of the simulator: Xen ends a copy that does not
// converge after 30 rounds, or when it has sent three times the memory; a
// VM writes to 90 % of its memory, at most.
const (
	mostRounds = 30
	mostCopies = 3
	workingSet = 0.9
)

// precopy is a live migration that copies memory while the VM runs: first all of
// it, and then, in rounds, what the VM has written during the round before. When
// little is left, the VM is paused and the rest is sent.
//
// Source: C. Clark et al., "Live Migration of Virtual Machines", NSDI 2005. Xen
// pauses a VM when fewer than 50 pages are left; as QEMU does, this aims at a
// downtime, for the bandwidth that the last round has seen.
type precopy struct {
	memory   cluster.Bytes
	dirty    cluster.BytesPerSecond
	downtime time.Duration
	rounds   int
	sent     cluster.Bytes
	last     bool // the VM is paused
}

// next returns what is to be sent next, after a round of sent bytes that took so
// long. done is true if that was the last round.
func (p *precopy) next(sent cluster.Bytes, took time.Duration) (send cluster.Bytes, done bool) {
	p.rounds++
	p.sent = saturated(p.sent, sent)
	if p.last {
		return 0, true
	}
	send = min(cluster.Bytes(float64(p.dirty)*took.Seconds()), cluster.Bytes(workingSet*float64(p.memory)))
	// That is: send / (sent / took) <= downtime.
	converged := float64(send)*float64(took) <= float64(sent)*float64(p.downtime)
	p.last = converged || p.rounds >= mostRounds-1 || float64(p.sent) > mostCopies*float64(p.memory)
	return send, false
}

// Precopy predicts how long a live migration takes that has a link for itself, and how many
// bytes it sends. dirty is how fast the VM writes its memory. Without bandwidth it
// never ends: then takes is the largest duration.
func Precopy(memory cluster.Bytes, dirty, bandwidth cluster.BytesPerSecond, downtime time.Duration) (sent cluster.Bytes, takes time.Duration) {
	if bandwidth <= 0 {
		return 0, math.MaxInt64
	}
	p := precopy{memory: memory, dirty: dirty, downtime: downtime}
	for send, done := memory, false; !done; {
		took := transfer(send, bandwidth)
		takes += took
		send, done = p.next(send, took)
	}
	return p.sent, takes
}

// transfer returns how long it takes to send or write some bytes.
func transfer(b cluster.Bytes, bandwidth cluster.BytesPerSecond) time.Duration {
	return time.Duration(math.Ceil(float64(b) / float64(bandwidth) * float64(time.Second)))
}

// leastPrecopy bounds from below what a migration sends and how long it takes
// on links of at most that bandwidth, however they are shared.
//
// With less bandwidth each round is longer and the next one has more to send, so
// that there are no fewer rounds; unless the copy is cut short since it has sent
// too much, which takes its time too.
func leastPrecopy(memory cluster.Bytes, dirty, bandwidth cluster.BytesPerSecond, downtime time.Duration) (sent cluster.Bytes, takes time.Duration) {
	sent, takes = Precopy(memory, dirty, bandwidth, downtime)
	cut := cluster.Bytes(mostCopies * float64(memory))
	return min(sent, cut), min(takes, transfer(cut, bandwidth))
}
