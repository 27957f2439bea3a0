package experiment

import (
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// A message is as long as it is between agents: JSON (package wire) in a frame
// that begins with its length, which is a record of TLS 1.3. What TCP and IP
// add is not counted, nor are the connections' beginnings. To encode each
// message only to count its bytes would take longer than the simulation of it,
// so its length is that of a pattern and of what is filled in. Flags count as
// false, and so does what is rarely there.
const (
	frameSize  = 4
	recordSize = 22
	headSize   = frameSize + recordSize + len(`{"kind":"","message":{"From":,"Partition":{"Initiator":,"Sequence":},"Epoch":,"Body":{}}}`)

	tallyPattern = `"Tally":{"Hops":,"Solves":,"Merges":0}`
	localPattern = `"Local":{"Capacity":[,,0,0],"VMs":[],"Incoming":[],"Waiting":[],"Sleeping":[],"Rules":[],"Draining":false,"Underloaded":false,"Broken":false}`
)

// sizeOf returns about how many bytes a message takes.
func sizeOf(m protocol.Message) int {
	return headSize + digits(m.From) + idSize(m.Partition) + epochSize(m.Epoch) + bodySize(m.Body)
}

// epochSize is the length of an epoch, and its quotes.
func epochSize(e protocol.Epoch) int {
	n := len(`""`) + digits(e/protocol.Change)
	if life := e % protocol.Change; life > 0 {
		n += len(`.`) + digits(life)
	}
	return n
}

// bodySize returns the length of a body, without its braces, and of its name.
func bodySize(body protocol.Body) int {
	switch b := body.(type) {
	case protocol.Event:
		return len(`event"State":0,"Leader":,"Members":[],"Kinds":1,"Target":,"Tried":false,"Round":,"Busy":false,"Aside":false,"From":,,"Path":null`) +
			digits(b.Leader) + listSize(b.Members) + digits(b.Target) + digits(b.Round) + digits(b.From) + tallySize(b.Tally) + (len(b.Path)+2)/3*4
	case protocol.Lead:
		return len(`lead"Members":[],"Kinds":1,,"Absorbed":{"Initiator":,"Sequence":},"AbsorbedEpoch":`) +
			listSize(b.Members) + tallySize(b.Tally) + idSize(b.Absorbed) + epochSize(b.AbsorbedEpoch)
	case protocol.Report:
		return len(`report`) + reportSize(b)
	case protocol.Refuse:
		return len(`refuse`)
	case protocol.Stuck:
		return len(`stuck"Leader":,"Members":[],`) + digits(b.Leader) + listSize(b.Members) + tallySize(b.Tally)
	case protocol.Returned:
		return len(`returned,"Busy":false`) + tallySize(b.Tally)
	case protocol.Renew:
		return len(`renew`)
	case protocol.Passing:
		return len(`passing`)
	case protocol.Release:
		return len(`release"Outcome":0,"Busy":false,"Lacking":[,,0,0],"Reasons":""`) + resourcesSize(b.Lacking) + len(b.Reasons)
	case protocol.Merge:
		return len(`merge"Into":{"Initiator":,"Sequence":},"IntoEpoch":,"Members":[]`) + idSize(b.Into) + epochSize(b.IntoEpoch) + listSize(b.Members)
	case protocol.Merged:
		return len(`merged"Into":{"Initiator":,"Sequence":},"OK":true,"Members":[],"Kinds":1,`) + idSize(b.Into) + listSize(b.Members) + tallySize(b.Tally)
	case protocol.Order:
		return len(`order"Action":,"Kind":"migrate","VM":,"Target":,"Bypass":false`) + digits(b.Action) + digits(b.VM) + digits(b.Target)
	case protocol.Done:
		return len(`done"Action":,"OK":true`) + digits(b.Action)
	case protocol.Admit:
		return len(`admit"VM":,"Demand":[,,0,0]`) + digits(b.VM) + resourcesSize(b.Demand)
	case protocol.Admitted:
		return len(`admitted"VM":,"OK":true`) + digits(b.VM)
	case protocol.Settled:
		return len(`settled"VM":`) + digits(b.VM)
	case protocol.Ask:
		return len(`ask"Kind":"migrate","VM":,"Action":,"Leader":false`) + digits(b.VM) + digits(b.Action)
	case protocol.Moving:
		return len(`moving"VM":`) + digits(b.VM)
	case strategy.Poll:
		return len(`poll"Round":`) + digits(b.Round)
	case strategy.Polled:
		return len(`polled"Round":,"Report":{}`) + digits(b.Round) + reportSize(b.Report)
	}
	return 0
}

func reportSize(r protocol.Report) int {
	l := &r.Local
	size := len(`"Node":,,"Holds":0`) + len(localPattern) + digits(r.Node) + resourcesSize(l.Capacity) +
		vmsSize(l.VMs) + listSize(l.Incoming) + vmsSize(l.Waiting) + vmsSize(l.Sleeping)
	for _, rule := range l.Rules {
		size += len(`{"Name":"","Kind":"spread","VMs":[],"Nodes":[],"Max":0,"Always":false},`) + len(rule.Name) + listSize(rule.VMs) + listSize(rule.Nodes)
	}
	return size
}

func vmsSize(vms []cluster.VM) (size int) {
	for i := range vms {
		v := &vms[i]
		size += len(`{"ID":,"Name":"","VCPUs":,"Demand":[,,0,0],"DirtyRate":"100MB/s"},`) +
			digits(v.ID) + len(v.Name) + digits(v.VCPUs) + resourcesSize(v.Demand)
	}
	return size
}

func idSize(p protocol.PartitionID) int { return digits(p.Initiator) + digits(p.Sequence) }

func tallySize(t protocol.Tally) int { return len(tallyPattern) + digits(t.Hops) + digits(t.Solves) }

func resourcesSize(r cluster.Resources) int {
	return digits(r[cluster.CPU]) + digits(r[cluster.Memory])
}

// listSize returns the length of numbers with commas between them.
func listSize[T integer](numbers []T) (size int) {
	for _, n := range numbers {
		size += digits(n) + 1
	}
	return max(size-1, 0)
}

type integer interface {
	~int | ~int32 | ~int64 | ~uint32 | ~uint64
}

// digits returns how many digits a number has that is not negative.
func digits[T integer](n T) int {
	count := 1
	for n >= 10 {
		n /= 10
		count++
	}
	return count
}
