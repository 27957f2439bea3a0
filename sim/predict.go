package sim

import (
	"fmt"
	"math"
)

// Copy describes a live migration to be predicted: of what, over which links,
// and how.
type Copy struct {
	Memory Bytes
	// WorkingSet is the part of the memory that the VM writes to: a round finds
	// no more than this written.
	WorkingSet Bytes
	// DirtyRate is how fast it does so, at the load that it has: bytes that were
	// not written since they were sent.
	DirtyRate Bandwidth
	// Disk is what goes with the VM of its disk, and DiskDirtyRate how fast the
	// VM writes to it.
	Disk          Bytes
	DiskDirtyRate Bandwidth

	// Bandwidth is what the links give, without what the protocols take: in LV08
	// 0.97 of the slowest link, or less, see NetworkModel.
	Bandwidth Bandwidth
	// Latency is how long each transfer waits before its first byte: in LV08
	// 13.01 times that of its links.
	Latency Seconds
	// Acknowledge is how long it takes to tell the caller: in the simulation,
	// the latency from the target to the source, or to the controller.
	Acknowledge Seconds
	// Cap is the most that is sent; 0 means no cap.
	Cap Bandwidth

	Policy MigrationPolicy
}

// maxPredicted is after how many rounds a prediction ends.
const maxPredicted = 1 << 20

// Predict predicts a live migration that has its links for itself, and
// a VM whose load does not change. It follows the very rules of a simulated one,
// see [Simulation.Migrate], and returns what that would: the duration, the bytes,
// the downtime, the rounds, and whether the copy converges. Dates count from the
// start of the migration; VM and hosts are not set.
//
// Each round sends what was written during the round before, so that rounds
// shrink by DirtyRate/Bandwidth, until the rest takes at most MaxDowntime. If
// DirtyRate is not less than Bandwidth, the copy does not converge, and the
// policy says what is done. With KeepOn and no time limit such a migration has
// the End Forever and ErrNoConvergence; and so has one that shrinks so slowly
// that a million rounds do not do.
//
// Err is in the record; the error is about a Copy that makes no sense.
func Predict(of Copy) (Migration, error) {
	if err := of.validate(); err != nil {
		return Migration{}, fmt.Errorf("sim: predict a migration: %w", err)
	}
	p := prediction{Copy: of, precopy: precopy{
		Migration: pending(0, 0, 0, 0),
		policy:    of.Policy.under(Right),
		load: load{
			memory: of.Memory, workingSet: of.WorkingSet, disk: of.Disk,
			written: float64(of.DirtyRate), diskWritten: float64(of.DiskDirtyRate),
		},
	}}
	p.run()
	return p.Migration, nil
}

func (c Copy) validate() error {
	for _, q := range []struct {
		name  string
		value float64
	}{
		{"a memory", float64(c.Memory)},
		{"a working set", float64(c.WorkingSet)},
		{"a disk", float64(c.Disk)},
		{"a dirty rate", float64(c.DirtyRate)},
		{"a dirty rate of the disk", float64(c.DiskDirtyRate)},
		{"a bandwidth", float64(c.Bandwidth)},
		{"a latency", float64(c.Latency)},
		{"a latency of the acknowledgement", float64(c.Acknowledge)},
		{"a cap", float64(c.Cap)},
	} {
		if err := amount(q.name, q.value); err != nil {
			return err
		}
	}
	switch {
	case c.WorkingSet > c.Memory:
		return fmt.Errorf("a working set of %v in %v of memory", c.WorkingSet, c.Memory)
	case c.Bandwidth == 0:
		return fmt.Errorf("there is no bandwidth")
	}
	return c.Policy.validate()
}

// prediction is a migration, and its clock.
type prediction struct {
	Copy
	precopy
	now Seconds
}

func (p *prediction) run() {
	m := p.begin(0)
	for range maxPredicted {
		switch m {
		case moveArrive, moveDone:
			p.End = p.now + p.Acknowledge
			return
		case moveFail:
			p.End = p.now
			return
		}
		end := p.now + p.takes()
		if p.copies() && end >= p.deadline() {
			p.timeOut()
			return
		}
		sent, took := p.sending, end-p.now
		p.now = end
		m = p.next(end, Work(float64(took)*p.Speed)) // work in seconds: rates are per second
		if m == moveSend && p.sending == sent && p.repeats() && !p.skip(took) {
			break
		}
	}
	p.Err, p.End = ErrNoConvergence, Forever
}

// rate returns how fast the transfer under way is.
func (p *prediction) rate() float64 {
	rate := math.Inf(1)
	for _, limit := range []Bandwidth{p.Bandwidth, p.Cap, p.diskLimit()} {
		if limit > 0 {
			rate = min(rate, float64(limit))
		}
	}
	return rate
}

func (p *prediction) diskLimit() Bandwidth {
	if p.stage == StageDisk {
		return p.policy.DiskSpeed
	}
	return 0
}

// takes returns how long the transfer under way lasts.
func (p *prediction) takes() Seconds {
	return p.Latency + Seconds(float64(p.sending)/p.rate())
}

// timeOut ends the migration at its deadline.
func (p *prediction) timeOut() {
	p.now = p.deadline()
	moved := max(0, float64(p.now-p.began-p.Latency)) * p.rate()
	p.cut(p.now, p.sending-Bytes(moved))
	p.Err, p.End = ErrTimeout, p.now
}

// repeats reports whether all rounds will be as the last one, if that has found
// as much written as it has sent.
func (p *prediction) repeats() bool {
	switch {
	case p.stage != StageRound || p.Transfers < keptRounds:
		return false
	case p.policy.Remedy == AutoConverge:
		return p.percent == throttleMax
	}
	return p.policy.Remedy == KeepOn // limits end the others
}

// skip goes on to the last rounds before the deadline, each of which takes so
// long; without a deadline it returns false.
func (p *prediction) skip(takes Seconds) bool {
	left := float64(p.deadline() - p.now)
	if math.IsInf(left, 1) {
		return false
	}
	if n := math.Floor(left/float64(takes)) - 1; n > 0 {
		p.Transfers += int(n)
		p.Bytes += Bytes(n) * p.sending
		p.now += Seconds(n * float64(takes))
		p.began = p.now
	}
	return true
}
