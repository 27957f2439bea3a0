package transport

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/wire"
)

// Settings of a mesh.
type Settings struct {
	Name       string // of the node, for people
	Starts     uint32 // how often the node has started; rises with each
	Membership membership.Settings
	// Seeds are members to join through: their IDs and addresses.
	Seeds []membership.Member
	// Authority is the address at which the certificate is renewed; "" means
	// nowhere.
	Authority string
	// Delays is how long what is sent to other nodes is kept back: the one-way
	// latency of a network that is emulated.
	Delays map[cluster.NodeID]time.Duration
}

// Mesh is one node's connections to the others and its membership. It is an
// agent's Peers.
type Mesh struct {
	network  network
	settings Settings
	detector *membership.Detector // owned by Run
	start    time.Time

	inbox   chan protocol.Message
	heard   chan wire.Gossip
	members chan protocol.Input
	packets chan packet
	broken  chan cluster.NodeID
	leave   chan chan struct{}
	ended   chan struct{}

	mu   sync.Mutex
	here map[cluster.NodeID]membership.Member
}

type packet struct {
	from cluster.NodeID
	membership.Packet
}

// NewMesh returns a mesh that listens, and does nothing before Run.
func NewMesh(i *Identity, l net.Listener, s Settings, log *slog.Logger) *Mesh {
	m := &Mesh{
		settings: s, inbox: make(chan protocol.Message, queueLength), heard: make(chan wire.Gossip, queueLength), members: make(chan protocol.Input, queueLength),
		packets: make(chan packet, queueLength), broken: make(chan cluster.NodeID, queueLength), leave: make(chan chan struct{}), ended: make(chan struct{}),
		here: map[cluster.NodeID]membership.Member{},
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	m.network.ctx = ended // until Run
	m.network.log = log
	m.network.delays = s.Delays
	m.network.identity.Store(i)
	m.network.gate = newGate(l, shakeLimit, log)
	m.network.deliver = m.deliver
	m.network.broken = func(id cluster.NodeID) {
		select {
		case m.broken <- id:
		default: // the detector finds out by itself
		}
	}
	m.network.peers = map[cluster.NodeID]*peer{}
	m.network.inbound = map[cluster.NodeID]link{}
	if i.Revoked.Text != nil {
		if err := m.network.revoke(i.Revoked); err != nil {
			log.Error("revocations", "err", err)
		}
	}
	self := membership.Member{ID: i.ID, Name: s.Name, Address: l.Addr().String(), Incarnation: s.Starts}
	m.detector = membership.New(self, s.Seeds, s.Membership)
	return m
}

// Run carries messages until the context ends.
func (m *Mesh) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer close(m.ended)
	m.network.mu.Lock()
	m.network.ctx = ctx
	m.network.mu.Unlock()
	m.start = time.Now()
	for _, s := range m.settings.Seeds {
		m.network.locate(s.ID, s.Address)
	}
	var under sync.WaitGroup
	defer func() {
		cancel()
		under.Wait()
		m.network.end()
	}()
	under.Go(func() { m.renew(ctx) })
	failed := make(chan error, 1)
	under.Go(func() { failed <- m.network.gate.run(ctx, m.network.serve) })
	tick := time.NewTicker(m.settings.Membership.Period / 2)
	defer tick.Stop()
	m.do(m.detector.Tick(0)) // it joins at once
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("transport: %w", err)
		case <-tick.C:
			m.do(m.detector.Tick(time.Since(m.start)))
		case p := <-m.packets:
			m.do(m.detector.Receive(time.Since(m.start), p.from, p.Packet))
		case id := <-m.broken:
			m.do(m.detector.Broken(time.Since(m.start), id))
		case done := <-m.leave:
			m.do(m.detector.Leave())
			close(done)
		}
	}
}

// do sends packets, and tells the agent who has come and gone.
func (m *Mesh) do(outputs []membership.Output) {
	for _, out := range outputs {
		if out.Changed != nil {
			m.changed(*out.Changed)
			continue
		}
		m.network.locate(out.To.ID, out.To.Address)
		m.network.send(out.To.ID, envelope{Members: &out.Packet})
	}
}

func (m *Mesh) changed(c membership.Member) {
	up := c.State <= membership.Suspect
	m.network.log.Info("member", "node", c.ID, "up", up, "address", c.Address)
	m.mu.Lock()
	if up {
		m.here[c.ID] = c
	} else {
		delete(m.here, c.ID)
	}
	m.mu.Unlock()
	if up {
		m.network.locate(c.ID, c.Address)
	}
	var word protocol.Input = protocol.Down{Node: c.ID}
	if up {
		word = protocol.Up{Node: c.ID}
	}
	select {
	case m.members <- word:
	case <-m.network.ctx.Done():
	}
}

// deliver hands on what a node says.
func (m *Mesh) deliver(from cluster.NodeID, e envelope) {
	if e.Members != nil {
		select {
		case m.packets <- packet{from, *e.Members}:
		case <-m.network.ctx.Done():
		}
		return
	}
	if e.Gossip != nil {
		m.overhear(from, *e.Gossip)
		return
	}
	if e.Revoked != nil {
		if err := m.network.revoke(*e.Revoked); err != nil {
			m.network.refuse(from, err)
		}
		return
	}
	message, err := wire.DecodeMessage(e.Encoded)
	if err == nil && message.From != from {
		err = fmt.Errorf("it says that it is from node %d", message.From)
	}
	if err == nil {
		err = wire.Check(message, m.network.identity.Load().ID)
	}
	if err != nil {
		m.network.refuse(from, err)
		return
	}
	select {
	case m.inbox <- message:
	case <-m.network.ctx.Done():
	}
}

// overhear hands on what another node's overlay says; or loses it, if there is
// much already.
func (m *Mesh) overhear(from cluster.NodeID, g wire.Gossip) {
	if err := wire.CheckGossip(g); err != nil {
		m.network.refuse(from, err)
		return
	}
	g.From, g.Received = from, time.Now()
	select {
	case m.heard <- g:
	default:
	}
}

// Gossip passes on what this node's overlay tells another's, or loses it.
func (m *Mesh) Gossip(to cluster.NodeID, g wire.Gossip) { m.network.send(to, envelope{Gossip: &g}) }

// Heard is where what other nodes' overlays say arrives.
func (m *Mesh) Heard() <-chan wire.Gossip { return m.heard }

// Send passes a message on, or loses it.
func (m *Mesh) Send(to cluster.NodeID, message protocol.Message) {
	e, err := wire.EncodeMessage(message)
	if err != nil {
		m.network.log.Error("a message can't be sent", "err", err)
		return
	}
	m.network.send(to, envelope{Encoded: e})
}

// Inbox is where messages arrive.
func (m *Mesh) Inbox() <-chan protocol.Message { return m.inbox }

// Members is where word arrives of nodes that come and go.
func (m *Mesh) Members() <-chan protocol.Input { return m.members }

// Here returns the other nodes that are there, as far as this one knows.
func (m *Mesh) Here() map[cluster.NodeID]membership.Member {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[cluster.NodeID]membership.Member, len(m.here))
	for id, member := range m.here {
		all[id] = member
	}
	return all
}

// Counts returns what was sent and received so far.
func (m *Mesh) Counts() Counts { return m.network.counters.read() }

// Leave tells the others that this node goes. It does not wait until they know.
func (m *Mesh) Leave() {
	done := make(chan struct{})
	select {
	case m.leave <- done:
		<-done
	case <-m.ended:
	}
}

// Cut makes the node lose everything from and to others, and nothing else: a
// fault, to try what follows. Nothing is lost with an empty list.
func (m *Mesh) Cut(off []cluster.NodeID) {
	cut := make(map[cluster.NodeID]bool, len(off))
	for _, id := range off {
		cut[id] = true
	}
	m.network.mu.Lock()
	defer m.network.mu.Unlock()
	m.network.cut = cut
}

// renew gets a new certificate when it is time, and tries again for as long as
// the old one lasts.
func (m *Mesh) renew(ctx context.Context) {
	if m.settings.Authority == "" {
		return
	}
	for {
		i := m.network.identity.Load()
		pause(ctx, max(time.Until(i.Renewal()), time.Second))
		if ctx.Err() != nil {
			return
		}
		fresh, err := i.Renew(ctx, m.settings.Authority)
		if err != nil {
			m.network.log.Warn("the certificate can't be renewed", "expires", i.Expires(), "err", err)
			pause(ctx, max(time.Until(i.Expires())/10, time.Second))
			continue
		}
		m.network.identity.Store(fresh)
		if err := m.network.revoke(fresh.Revoked); err != nil {
			m.network.log.Error("revocations", "err", err)
		}
		m.network.log.Info("certificate renewed", "expires", fresh.Expires())
	}
}
