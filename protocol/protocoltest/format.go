package protocoltest

import (
	"fmt"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

func vmName(id cluster.VMID) string { return fmt.Sprintf("v%d", id) }

// describe prints an output as a line of a script; timers print nothing.
func (w *World) describe(out protocol.Output) string {
	switch out := out.(type) {
	case protocol.Send:
		return "send " + w.describeMessage(out.To, out.Message)
	case protocol.Solve:
		var nodes []cluster.NodeID
		for _, r := range out.Reports {
			nodes = append(nodes, r.Node)
		}
		return fmt.Sprintf("solve %v epoch=%v nodes=%v", out.Partition, out.Epoch, nodes)
	case protocol.Migrate:
		return fmt.Sprintf("%v %s to %d for %v", out.Kind, vmName(out.VM), out.Target, out.Partition)
	case protocol.Began:
		if out.Kind != protocol.Overload {
			return fmt.Sprintf("began %v %v", out.Partition, out.Kind)
		}
		return fmt.Sprintf("began %v", out.Partition)
	case protocol.Noted:
		if out.Note == protocol.Short || out.Note == protocol.LeftOut {
			return fmt.Sprintf("note %v %v node=%d", out.Partition, out.Note, out.Node)
		}
		return "" // the messages say so too
	case protocol.Answered:
		if out.Kinds == protocol.Of(protocol.Overload) {
			return "" // the release says so too
		}
		if out.Reasons != "" {
			return fmt.Sprintf("answered %v %v: %s", out.Kinds, out.Outcome, out.Reasons)
		}
		return fmt.Sprintf("answered %v %v", out.Kinds, out.Outcome)
	case protocol.Applying:
		return fmt.Sprintf("applying %v migrations=%d", out.Partition, out.Migrations)
	case protocol.Ended:
		return fmt.Sprintf("ended %v %v members=%v hops=%d solves=%d merges=%d",
			out.Partition, out.Outcome, out.Members, out.Tally.Hops, out.Tally.Solves, out.Tally.Merges)
	case protocol.SetTimer:
		return ""
	}
	return fmt.Sprintf("%T", out)
}

func (w *World) describeMessage(to cluster.NodeID, m protocol.Message) string {
	head := fmt.Sprintf("%d->%d %s %v epoch=%v", m.From, to, messageName(m), m.Partition, m.Epoch)
	switch b := m.Body.(type) {
	case protocol.Event:
		return fmt.Sprintf("%s %v members=%v", head, b.State, b.Members)
	case protocol.Lead:
		if b.AbsorbedEpoch != 0 {
			return fmt.Sprintf("%s members=%v absorbs=%v", head, b.Members, b.Absorbed)
		}
		return fmt.Sprintf("%s members=%v", head, b.Members)
	case protocol.Report:
		return fmt.Sprintf("%s holds=%v", head, b.Holds)
	case protocol.Release:
		return fmt.Sprintf("%s %v", head, b.Outcome)
	case protocol.Merge:
		return fmt.Sprintf("%s into=%v members=%v", head, b.Into, b.Members)
	case protocol.Merged:
		return fmt.Sprintf("%s into=%v ok=%v", head, b.Into, b.OK)
	case protocol.Order:
		return fmt.Sprintf("%s %s to %d", head, vmName(b.VM), b.Target)
	case protocol.Done:
		return fmt.Sprintf("%s action=%d ok=%v", head, b.Action, b.OK)
	case protocol.Admit:
		return fmt.Sprintf("%s %s", head, vmName(b.VM))
	case protocol.Admitted:
		return fmt.Sprintf("%s %s ok=%v", head, vmName(b.VM), b.OK)
	case protocol.Ask:
		return fmt.Sprintf("%s %s", head, vmName(b.VM))
	case protocol.Moving:
		return fmt.Sprintf("%s %s", head, vmName(b.VM))
	case protocol.Settled:
		return fmt.Sprintf("%s %s", head, vmName(b.VM))
	}
	return head
}

// messageName is the name of a message's type, in lower case.
func messageName(m protocol.Message) string {
	name := fmt.Sprintf("%T", m.Body)
	return strings.ToLower(name[strings.LastIndex(name, ".")+1:])
}
