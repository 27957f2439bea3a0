// Package transport carries messages between the agents of a cluster, and says
// who is there.
//
// Whoever connects proves who it is: both sides of a connection show a
// certificate of the cluster's own [Authority], with TLS 1.3 and nothing older.
// There is no plaintext. A node gets its certificate with a short-lived token
// ([Join]) and a new one before that expires ([Identity.Renew]).
//
// A connection carries frames one way, from the node that opened it: a node
// has at most one to and one from each peer it speaks to, and closes those that
// it does not use. Only the gossip of overlays, which asks nodes that one never
// speaks to otherwise, is answered by the connection that the question came by. Messages are one-way, small and frequent, and may get lost;
// so a frame and nothing around it is all that is needed. (HTTP/2 and a library
// of remote calls would add their own flow control, retries and answers, which
// the protocol has no use for, and a third to the time that the program takes to
// build.) Each peer has a bounded queue; when it is full, the oldest message is
// dropped. Who the sender is says the certificate, not the message.
//
// A [Mesh] is the connections of one node and its membership in the cluster.
package transport

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/wire"
)

// protocolName and its number are agreed on when a connection opens.
const protocolName = "dvms/1"

// Limits of the connections.
const (
	maxFrame    = 4 << 20          // bytes; a report of 10,000 VMs has 2 MB
	queueLength = 256              // frames for one peer
	backLength  = 16               // answers for one peer, through the connection that it opened
	idle        = time.Minute      // without a frame, a connection is closed
	shakeLimit  = 3 * time.Second  // to open a connection
	writeLimit  = 10 * time.Second // to send a frame
	backoffMin  = 50 * time.Millisecond
	backoffMax  = 5 * time.Second
)

// envelope is what a frame holds: a message of the protocol, word about members,
// gossip of overlays, or certificates that are revoked.
type envelope struct {
	wire.Encoded
	Members *membership.Packet `json:"members,omitempty"`
	Gossip  *wire.Gossip       `json:"gossip,omitempty"`
	Revoked *Revocations       `json:"revoked,omitempty"`
}

// parcel is what waits to be sent to a peer.
type parcel struct {
	frame []byte
	// gossip, unless nil, is what frame is made of when it is sent: then it is
	// known how long it has waited.
	gossip *wire.Gossip
	due    time.Time // not to be sent before
}

// pack returns the frame to be sent now.
func (p parcel) pack() ([]byte, error) {
	if p.gossip == nil {
		return p.frame, nil
	}
	g := *p.gossip
	g.Waited += max(time.Since(p.due), 0)
	return json.Marshal(envelope{Gossip: &g})
}

// Counts say what a node has sent and received.
type Counts struct {
	Sent, Received           int64 // frames
	SentBytes, ReceivedBytes int64 // of frames, without what TLS adds
	Dropped                  int64 // frames not sent: a queue was full, or a peer unknown
	Refused                  int64 // frames received that made no sense
	Opened                   int64 // connections to others
}

// Plus returns the sum of two counts.
func (c Counts) Plus(o Counts) Counts {
	return Counts{
		Sent: c.Sent + o.Sent, Received: c.Received + o.Received, SentBytes: c.SentBytes + o.SentBytes,
		ReceivedBytes: c.ReceivedBytes + o.ReceivedBytes, Dropped: c.Dropped + o.Dropped, Refused: c.Refused + o.Refused, Opened: c.Opened + o.Opened,
	}
}

// counters are Counts that count.
type counters struct{ sent, received, sentBytes, receivedBytes, dropped, refused, opened atomic.Int64 }

func (c *counters) read() Counts {
	return Counts{
		Sent: c.sent.Load(), Received: c.received.Load(), SentBytes: c.sentBytes.Load(),
		ReceivedBytes: c.receivedBytes.Load(), Dropped: c.dropped.Load(), Refused: c.refused.Load(), Opened: c.opened.Load(),
	}
}

// network is the connections of one node.
type network struct {
	identity atomic.Pointer[Identity]
	log      *slog.Logger
	counters counters
	gate     *gate
	deliver  func(from cluster.NodeID, e envelope) // waits if the receiver is slow
	broken   func(to cluster.NodeID)               // a connection could not be opened, or has broken
	delays   map[cluster.NodeID]time.Duration      // of what is sent, to emulate a network

	ctx   context.Context
	under sync.WaitGroup

	mu      sync.Mutex
	peers   map[cluster.NodeID]*peer
	inbound map[cluster.NodeID]link
	cut     map[cluster.NodeID]bool
	refused refusals
}

// peer is another node, and what is to be sent to it.
type peer struct {
	id      cluster.NodeID
	address string
	queue   chan parcel
	link    *link // nil while there is none
}

// settings are those of TLS for connections from and to nodes.
func (n *network) settings() *tls.Config {
	i := n.identity.Load()
	return &tls.Config{
		MinVersion: tls.VersionTLS13, NextProtos: []string{protocolName}, RootCAs: i.roots(), ClientCAs: i.roots(),
		Certificates: []tls.Certificate{i.Certificate}, ClientAuth: tls.RequireAndVerifyClientCert,
		SessionTicketsDisabled: true, // so that an old certificate ends with its time
		VerifyConnection:       func(s tls.ConnectionState) error { return n.accept(s.PeerCertificates[0]) },
	}
}

// serve takes frames from a node that has connected.
func (n *network) serve(ctx context.Context, conn net.Conn) error {
	c := tls.Server(conn, n.settings())
	if err := c.HandshakeContext(ctx); err != nil {
		return err
	}
	from, _, err := holder(c.ConnectionState().PeerCertificates[0])
	if err != nil {
		return err
	}
	n.gate.known(conn)
	l := link{conn, issued(c.ConnectionState().PeerCertificates[0]), make(chan parcel, backLength)}
	if err := n.replace(from, l); err != nil {
		return err
	}
	defer n.forget(from, conn)
	ctx, end := context.WithCancel(ctx)
	defer end()
	n.under.Go(func() { n.answer(ctx, c, l.back) })
	for {
		_ = conn.SetReadDeadline(time.Now().Add(2 * idle))
		frame, err := readFrame(c, maxFrame)
		if err != nil {
			if errors.Is(err, errLong) {
				n.gate.complaints.say("frame", fmt.Sprint("node ", from), err)
			}
			return err
		}
		n.take(from, frame)
	}
}

// forget notes that a connection from a node has ended.
func (n *network) forget(from cluster.NodeID, conn net.Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.inbound[from].Conn == conn {
		delete(n.inbound, from)
	}
}

// answer sends gossip back by the connection that a node has opened: to open
// another one for an answer would cost more than the answer.
func (n *network) answer(ctx context.Context, conn *tls.Conn, back chan parcel) {
	for {
		select {
		case item := <-back:
			if n.write(ctx, conn, item) != nil {
				conn.Close() // the reader will see it too
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// write sends a parcel when it is due.
func (n *network) write(ctx context.Context, conn net.Conn, item parcel) error {
	pause(ctx, time.Until(item.due))
	frame, err := item.pack()
	if err != nil {
		return err
	}
	_ = conn.SetWriteDeadline(time.Now().Add(writeLimit))
	if err := writeFrame(conn, frame); err != nil {
		return err
	}
	n.counters.sent.Add(1)
	n.counters.sentBytes.Add(int64(len(frame)) + 4)
	return nil
}

// replace closes the connection that a node had before: it has forgotten it.
func (n *network) replace(from cluster.NodeID, l link) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if void(n.refused.Nodes, from, l.issued) { // since the handshake
		return ErrRevoked
	}
	if old, ok := n.inbound[from]; ok {
		old.Close()
	}
	n.inbound[from] = l
	return nil
}

// take hands a frame on, if it makes sense.
func (n *network) take(from cluster.NodeID, frame []byte) {
	n.counters.received.Add(1)
	n.counters.receivedBytes.Add(int64(len(frame)) + 4)
	var e envelope
	if err := json.Unmarshal(frame, &e); err != nil {
		n.refuse(from, err)
	} else if !n.isCut(from) {
		n.deliver(from, e)
	}
}

// refuse counts a frame that makes no sense.
func (n *network) refuse(from cluster.NodeID, err error) {
	n.counters.refused.Add(1)
	n.gate.complaints.say("message", fmt.Sprint("node ", from), err)
}

func (n *network) isCut(id cluster.NodeID) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[id]
}

// locate says where a node listens.
func (n *network) locate(id cluster.NodeID, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch p := n.peers[id]; {
	case n.peers == nil: // it has ended
	case p == nil:
		n.peers[id] = &peer{id: id, address: address}
	default:
		p.address = address
	}
}

// send queues a frame, or drops it.
func (n *network) send(to cluster.NodeID, e envelope) {
	frame, err := json.Marshal(e)
	if err != nil || len(frame) > maxFrame {
		n.counters.dropped.Add(1)
		n.log.Error("a message can't be sent", "to", to, "bytes", len(frame), "err", err)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	item := parcel{frame: frame, gossip: e.Gossip, due: time.Now().Add(n.delays[to])}
	p := n.peers[to]
	in, linked := n.inbound[to]
	switch {
	case n.cut[to]:
		return
	case item.gossip != nil && linked && (p == nil || p.queue == nil):
		select {
		case in.back <- item:
		default:
			n.counters.dropped.Add(1)
		}
		return
	case p == nil || n.ctx.Err() != nil:
		n.counters.dropped.Add(1)
		return
	case p.queue == nil:
		p.queue = make(chan parcel, queueLength)
		queue := p.queue
		n.under.Go(func() { n.feed(p, queue) })
	}
	for {
		select {
		case p.queue <- item:
			return
		default:
		}
		select {
		case <-p.queue: // the oldest: what is new is worth more
			n.counters.dropped.Add(1)
		default:
		}
	}
}

// feed sends what is queued for a peer, for as long as there is something.
func (n *network) feed(p *peer, queue chan parcel) {
	wait := backoffMin
	for n.ctx.Err() == nil {
		sent, err := n.connect(p, queue)
		if sent {
			wait = backoffMin
		}
		if err == nil && n.retire(p) {
			return
		}
		if err != nil {
			n.log.Debug("no connection", "to", p.id, "err", err)
			n.broken(p.id)
			if wait == backoffMax {
				n.giveUp(p)
				return
			}
			pause(n.ctx, wait)
			wait = min(2*wait, backoffMax)
		}
	}
}

// open notes the connection to a peer, or with nil its end, and sends what comes
// first.
func (n *network) open(p *peer, conn *tls.Conn) error {
	n.mu.Lock()
	p.link = nil
	if conn == nil {
		n.mu.Unlock()
		return nil
	}
	p.link = &link{Conn: conn, issued: issued(conn.ConnectionState().PeerCertificates[0])}
	revoked := void(n.refused.Nodes, p.id, p.link.issued) // since the handshake
	n.mu.Unlock()
	frame, err := n.welcome()
	if revoked {
		err = ErrRevoked
	}
	if err != nil || frame == nil {
		return err
	}
	return n.write(n.ctx, conn, parcel{frame: frame})
}

// giveUp drops what is queued for a peer that could not be reached for long:
// nobody waits for it any more.
func (n *network) giveUp(p *peer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.counters.dropped.Add(int64(len(p.queue)))
	p.queue = nil
}

// end waits for all connections to end, after the context has.
func (n *network) end() {
	n.mu.Lock()
	n.peers = nil // whoever sends from now on knows nobody
	n.mu.Unlock()
	n.under.Wait()
}

// retire forgets the queue of a peer if it is empty.
func (n *network) retire(p *peer) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(p.queue) > 0 {
		return false
	}
	p.queue = nil
	return true
}

// connect opens a connection and sends until it breaks, or there was nothing
// to send for long: then there is no error.
func (n *network) connect(p *peer, queue chan parcel) (sent bool, err error) {
	n.mu.Lock()
	address := p.address
	n.mu.Unlock()
	settings := n.settings()
	settings.ServerName = nodeName(p.id, n.identity.Load().Cluster)
	ctx, cancel := context.WithTimeout(n.ctx, shakeLimit)
	defer cancel()
	conn, err := (&tls.Dialer{Config: settings}).DialContext(ctx, "tcp", address)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	n.counters.opened.Add(1)
	if err := n.open(p, conn.(*tls.Conn)); err != nil {
		return false, err
	}
	defer n.open(p, nil)
	gone := make(chan error, 1)
	n.under.Go(func() {
		for {
			frame, err := readFrame(conn, maxFrame) // an answer, or the end
			if err != nil {
				gone <- err
				return
			}
			n.take(p.id, frame)
		}
	})
	quiet := time.NewTimer(idle)
	defer quiet.Stop()
	for {
		select {
		case item := <-queue:
			if err := n.write(n.ctx, conn, item); err != nil {
				return sent, err
			}
			sent = true
			quiet.Reset(idle)
		case err := <-gone:
			return sent, fmt.Errorf("the other side has ended: %w", err)
		case <-quiet.C:
			return sent, nil
		case <-n.ctx.Done():
			return sent, n.ctx.Err()
		}
	}
}
