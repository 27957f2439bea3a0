package sim

import "math"

// Pre-copy [5] sends a VM's whole memory while the VM runs (stage 1); then, in
// rounds, what the VM has written during the round before (stage 2); and at last,
// with the VM paused, the rest (stage 3). When the VM is paused is as in [2], who
// measured it against QEMU/KVM. The numbers are those of the package doc.
//
// This file has the rules, and no clock: precopy says what to do next, and is
// told when that was done. The simulated migration and the prediction both
// follow it.

// Stage says what a transfer of a migration carries.
type Stage uint8

// The stages 1 to 3 are numbered as in the literature.
const (
	StageDisk   Stage = iota // the disk, if it goes with the VM
	StageMemory              // all memory
	StageRound               // what was written during the transfer before
	StageStop                // the rest, with the VM paused
	StagePull                // post-copy: the rest, with the VM at the target
)

// Round is a transfer of a migration.
type Round struct {
	Stage      Stage
	Bytes      Bytes
	Start, End Seconds // its latency is in between
}

// Migration is the record of a live migration.
type Migration struct {
	VM             VMID
	Source, Target HostID
	// Asked is when it was asked for, and Start when its first transfer began:
	// later, if it had to wait for its turn.
	Asked, Start Seconds
	// Suspended is when the VM was paused for the last transfer, Resumed when it
	// went on at the target, and Complete when all its memory was there, which is
	// later with post-copy. What did not happen has the date Forever.
	Suspended, Resumed, Complete Seconds
	// End is when the caller was told: after the last byte and, unless the
	// migration failed, an acknowledgement of no bytes from the target.
	End      Seconds
	Downtime Seconds // for how long the VM was paused, altogether
	Bytes    Bytes   // sent
	// Transfers counts the rounds, and Rounds tells of them: of the first 999
	// and the last one. If the migration failed, that one was cut short.
	Transfers int
	Rounds    []Round
	// Speed is the part of its speed that the VM was slowed down to by
	// AutoConverge or PostCopy; 1 if it was not.
	Speed float64
	// Converged says that the rest became small enough for the downtime aimed
	// at.
	Converged bool
	// Err is nil if the VM is at the target with all its memory. Otherwise it
	// matches ErrTimeout or ErrNoConvergence, if the policy gave up,
	// ErrCancelled, ErrLinkOff, ErrHostOff or ErrVMGone.
	Err error
}

// Duration returns how long the migration took from its first transfer on.
func (m Migration) Duration() Seconds { return m.End - m.Start }

// load is what a VM has to send, and how it keeps writing to it.
type load struct {
	memory, workingSet Bytes
	disk               Bytes
	// written and diskWritten are bytes of memory and disk that are written for
	// the first time since they were sent, for each unit of work.
	written, diskWritten float64
}

// move is what a migration does next.
type move uint8

const (
	moveSend   move = iota // send precopy.sending bytes
	moveStop               // suspend the VM, and send them
	moveArrive             // let the VM go on at the target, and tell the caller
	movePull               // let the VM go on at the target, slower, and pull precopy.sending bytes
	moveDone               // let the VM run at full speed, and tell the caller
	moveFail               // the VM stays; Migration.Err says why
)

// precopy is the state of a migration: its record so far, and the transfer under
// way.
type precopy struct {
	Migration
	load
	policy MigrationPolicy // without zeros that stand for something else

	stage   Stage
	sending Bytes
	began   Seconds
	rest    Bytes // to be pulled
	high    int   // rounds that found much written, since the VM was throttled
	percent int   // by which it is throttled
	memSent Bytes // of Bytes, without the disk
	memSeen int   // of Transfers, without the disk
}

// pending returns the record of a migration that has not begun.
func pending(id VMID, source, target HostID, asked Seconds) Migration {
	return Migration{
		VM: id, Source: source, Target: target, Asked: asked, Speed: 1,
		Start: Forever, Suspended: Forever, Resumed: Forever, Complete: Forever, End: Forever,
	}
}

// begin starts a migration.
func (c *precopy) begin(now Seconds) move {
	c.Start = now
	if c.disk > 0 {
		return c.transfer(now, StageDisk, c.disk)
	}
	return c.beginMemory(now, 0)
}

// beginMemory starts the copy of the memory, and of what was written to the
// disk meanwhile.
func (c *precopy) beginMemory(now Seconds, disk Bytes) move {
	switches := c.policy.Remedy == StopAndCopy || c.policy.Remedy == PostCopy
	if switches && c.policy.MaxRounds == 1 {
		return c.remedy(now, c.memory+disk)
	}
	return c.transfer(now, StageMemory, c.memory+disk)
}

func (c *precopy) transfer(now Seconds, stage Stage, bytes Bytes) move {
	c.stage, c.sending, c.began = stage, bytes, now
	switch stage {
	case StageStop:
		c.Suspended = now
		return moveStop
	case StagePull:
		return movePull
	}
	return moveSend
}

// next is told that the transfer has ended, and how much work the VM was given
// while it lasted.
func (c *precopy) next(now Seconds, work Work) move {
	took, sent := now-c.began, c.sending
	c.record(now, sent)
	switch c.stage {
	case StageDisk:
		return c.beginMemory(now, fresh(c.diskWritten, work, c.disk))
	case StageStop:
		return c.switchOver(now)
	case StagePull:
		c.Complete = now
		return moveDone
	}
	rest := fresh(c.written, work, c.workingSet) + fresh(c.diskWritten, work, c.disk)
	switch {
	case float64(rest) <= budget(sent, took, c.policy.MaxDowntime):
		c.Converged = true
		return c.transfer(now, StageStop, rest)
	case c.exhausted(now):
		return c.remedy(now, rest)
	}
	if c.policy.Remedy == AutoConverge {
		c.throttle(sent, rest)
	}
	return c.transfer(now, StageRound, rest)
}

// fresh returns how much of an area was written by some work.
func fresh(intensity float64, work Work, area Bytes) Bytes {
	return Bytes(min(math.Floor(intensity*float64(work)), float64(area)))
}

// budget returns the bytes that are sent during a downtime, at the bandwidth
// that the last transfer has seen, its latency included.
func budget(sent Bytes, took, downtime Seconds) float64 {
	if sent == 0 {
		return 0
	}
	return math.Floor(float64(sent) / float64(took) * float64(downtime))
}

// exhausted reports whether a limit of the policy is reached.
func (c *precopy) exhausted(now Seconds) bool {
	p := &c.policy
	switch p.Remedy {
	case KeepOn, AutoConverge:
		return false
	}
	return now-c.Start >= p.TimeLimit || c.memSeen >= p.MaxRounds-1 || float64(c.memSent) > p.MaxFactor*float64(c.memory)
}

// remedy does what the policy wants of a copy that does not converge.
func (c *precopy) remedy(now Seconds, rest Bytes) move {
	switch c.policy.Remedy {
	case GiveUp:
		c.Err = ErrNoConvergence
		return moveFail
	case PostCopy:
		c.rest = rest
		rest = 0 // the state of CPUs and devices is not modelled
	}
	return c.transfer(now, StageStop, rest)
}

// The constants of auto-converge, see AutoConverge.
const (
	throttleThreshold = 0.5
	throttleRounds    = 2
	throttleInitial   = 20 // percent, as the next ones
	throttleIncrement = 10
	throttleMax       = 99
)

// throttle slows the VM down if much of what was sent was written again.
func (c *precopy) throttle(sent, rest Bytes) {
	if float64(rest) <= throttleThreshold*float64(sent) {
		return
	}
	if c.high++; c.high < throttleRounds {
		return
	}
	c.high = 0
	if c.percent == 0 {
		c.percent = throttleInitial
	} else {
		c.percent = min(c.percent+throttleIncrement, throttleMax)
	}
	c.Speed = float64(100-c.percent) / 100
}

// switchOver ends the pause.
func (c *precopy) switchOver(now Seconds) move {
	c.Downtime += now - c.Suspended
	c.Resumed = now
	if c.rest == 0 {
		c.Complete = now
		return moveArrive
	}
	c.Speed = c.policy.PostCopySpeed
	return c.transfer(now, StagePull, c.rest)
}

// copies reports whether the copy goes on with the VM running at the source:
// only then the time limit holds.
func (c *precopy) copies() bool { return c.stage < StageStop }

// deadline is when the migration ends with ErrTimeout, if it copies still.
func (c *precopy) deadline() Seconds {
	switch c.policy.Remedy {
	case GiveUp, KeepOn, AutoConverge:
		return c.Start + c.policy.TimeLimit
	}
	return Forever
}

// cut ends the transfer under way before all was sent.
func (c *precopy) cut(now Seconds, unsent Bytes) {
	c.record(now, c.sending-unsent)
}

// keptRounds is how many rounds a record tells of.
const keptRounds = 1000

func (c *precopy) record(now Seconds, sent Bytes) {
	c.Transfers++
	c.Bytes += sent
	if c.stage != StageDisk {
		c.memSeen++
		c.memSent += sent
	}
	r := Round{Stage: c.stage, Bytes: sent, Start: c.began, End: now}
	switch len(c.Rounds) {
	case keptRounds:
		c.Rounds[keptRounds-1] = r
		return
	case 0:
		c.Rounds = make([]Round, 0, 8) // most migrations take no more
	}
	c.Rounds = append(c.Rounds, r)
}
