package experiment

import (
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// What messages take at least on a network, in bytes: numbers packed to their
// length, without what carries a message (about 60 bytes a packet). Text, as in
// JSON, takes several times as much.
const (
	headSize   = 12 // from, partition, epoch, kind
	nodeSize   = 3
	tallySize  = 4
	demandSize = 8
	vmSize     = 3 + 8 + 1 + demandSize + 5 // ID, name, vCPUs, demand, dirty rate
)

// sizeOf returns about how many bytes a message takes.
func sizeOf(m protocol.Message) int {
	nodes := func(ids []cluster.NodeID) int { return 1 + nodeSize*len(ids) }
	switch b := m.Body.(type) {
	case protocol.Event:
		return headSize + 2*nodeSize + nodes(b.Members) + 4 + tallySize + len(b.Path)
	case protocol.Lead:
		return headSize + nodes(b.Members) + tallySize + 2*nodeSize
	case protocol.Report:
		return headSize + nodeSize + demandSize + vmSize*len(b.Local.VMs) + nodeSize*len(b.Local.Incoming) + 1
	case protocol.Stuck:
		return headSize + nodeSize + nodes(b.Members) + tallySize
	case protocol.Merge:
		return headSize + 2*nodeSize + nodes(b.Members)
	case protocol.Merged:
		return headSize + nodeSize + nodes(b.Members) + tallySize
	case protocol.Order:
		return headSize + 3*nodeSize
	case protocol.Admit:
		return headSize + nodeSize + demandSize
	}
	return headSize + tallySize // all others are short
}
