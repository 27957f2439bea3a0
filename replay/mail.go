package replay

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Messages says how the messages of the protocol fared.
type Messages struct {
	Sent     int
	Received int // from agents whose logs are there
	Others   int // received from agents whose logs are not there
	// Late are those that were received and are not in the log of their sender,
	// which was killed: its last lines are lost.
	Late    int
	Lost    int           // sent to agents whose logs are there, and not received
	Fastest time.Duration // from sending to receiving; negative if clocks differ

	invented []string
}

// mail is the messages that were sent and received, by what they say.
type mail struct {
	sent     int
	letters  map[letter]*dates
	order    []letter
	received int
}

// letter is a message: who sent it to whom, and a hash of what it says.
type letter struct {
	from, to cluster.NodeID
	text     [16]byte
}

// dates are when equal messages were sent and received.
type dates struct {
	sent, received []time.Duration
	message        protocol.Message // one of those that were received
}

func newMail() *mail { return &mail{letters: map[letter]*dates{}} }

func (m *mail) of(from, to cluster.NodeID, message protocol.Message) *dates {
	text, err := json.Marshal(message)
	if err != nil {
		panic(fmt.Sprintf("replay: what was decoded can't be encoded: %v", err))
	}
	h := fnv.New128a()
	fmt.Fprintf(h, "%T", message.Body)
	h.Write(text)
	l := letter{from: from, to: to}
	h.Sum(l.text[:0])
	if m.letters[l] == nil {
		m.letters[l] = &dates{}
		m.order = append(m.order, l)
	}
	return m.letters[l]
}

func (m *mail) send(l *replayed, at time.Duration, out protocol.Send) {
	m.sent++
	d := m.of(l.result.Node, out.To, out.Message)
	d.sent = append(d.sent, at)
}

func (m *mail) receive(l *replayed, at time.Duration, message protocol.Message) {
	m.received++
	d := m.of(message.From, l.result.Node, message)
	d.received, d.message = append(d.received, at), message
}

// match finds for each message that was received one that was sent.
func (m *mail) match(logs []*replayed) Messages {
	known := map[cluster.NodeID][]*replayed{}
	for _, l := range logs {
		known[l.result.Node] = append(known[l.result.Node], l)
	}
	r := Messages{Sent: m.sent}
	first := true
	for _, key := range m.order {
		d := m.letters[key]
		if len(known[key.from]) == 0 {
			r.Others += len(d.received)
			continue
		}
		r.Received += len(d.received)
		for i := range min(len(d.sent), len(d.received)) {
			if took := d.received[i] - d.sent[i]; first || took < r.Fastest {
				first, r.Fastest = false, took
			}
		}
		if len(known[key.to]) > 0 {
			r.Lost += max(len(d.sent)-len(d.received), 0)
		}
		for _, at := range d.received[min(len(d.sent), len(d.received)):] {
			if mayHaveSent(known[key.from], at) {
				r.Late++
				continue
			}
			r.invented = append(r.invented, fmt.Sprintf("%s received a message from %s at %.3f s that was not sent: %T of %s",
				agent.NodeName(key.to), agent.NodeName(key.from), at.Seconds(), d.message.Body, agent.PartitionName(d.message.Partition)))
		}
	}
	return r
}

// mayHaveSent reports whether a message that came at a date may have been sent
// after the last line of a log that has no end.
func mayHaveSent(logs []*replayed, at time.Duration) bool {
	return slices.ContainsFunc(logs, func(l *replayed) bool {
		return l.result.Diverged != nil || l.End == "" && at >= l.began+l.Took()
	})
}
