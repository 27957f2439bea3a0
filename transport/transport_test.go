package transport

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/wire"
)

// journal is a log that tests can read while it is written.
type journal struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (j *journal) Write(p []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(p)
}

func (j *journal) count(what string) int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Count(j.text.String(), what)
}

func (j *journal) logger() *slog.Logger { return slog.New(slog.NewTextHandler(j, nil)) }

// site is an authority that serves, for a cluster of this name.
type site struct {
	*Authority
	address string
	journal journal
}

func newSite(t *testing.T, name string, now func() time.Time) *site {
	t.Helper()
	return newSiteAt(t, listen(t), name, now)
}

func newSiteAt(t *testing.T, l net.Listener, name string, now func() time.Time) *site {
	t.Helper()
	a, err := NewAuthority(name, now)
	if err != nil {
		t.Fatal(err)
	}
	s := &site{Authority: a, address: l.Addr().String()}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Serve(ctx, l, s.journal.logger()) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return s
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (s *site) join(t *testing.T, id cluster.NodeID) *Identity {
	t.Helper()
	token, err := s.Token(id, TokenLifetime)
	if err != nil {
		t.Fatal(err)
	}
	i, err := Join(t.Context(), s.address, token)
	if err != nil {
		t.Fatal(err)
	}
	return i
}

// node is a mesh that runs, and its log.
type node struct {
	*Mesh
	address string
	journal *journal
}

func newNode(t *testing.T, i *Identity, seeds ...membership.Member) *node {
	t.Helper()
	return startNode(t, i, 1, seeds...)
}

// startNode is newNode for a node that has started so often.
func startNode(t *testing.T, i *Identity, starts uint32, seeds ...membership.Member) *node {
	t.Helper()
	l := listen(t)
	n := &node{address: l.Addr().String(), journal: &journal{}}
	n.Mesh = NewMesh(i, l, Settings{Starts: starts, Membership: membership.Defaults(), Seeds: seeds}, n.journal.logger())
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- n.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return n
}

// within waits for something that must come.
func within[T any](t *testing.T, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(20 * time.Second):
		t.Fatalf("%s: it did not come", what)
	}
	return v
}

// until waits for something that must become true.
func until(t *testing.T, what string, is func() bool) {
	t.Helper()
	for began := time.Now(); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 20*time.Second {
			t.Fatalf("%s: it did not", what)
		}
	}
}

func TestMessagesArrive(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	one := newNode(t, s.join(t, 1))
	two := newNode(t, s.join(t, 2), membership.Member{ID: 1, Address: one.address})
	if up := within(t, "word of node 2", one.Members()); up != (protocol.Up{Node: 2}) {
		t.Errorf("node 1 hears %v", up)
	}
	within(t, "word of node 1", two.Members())
	for i := range 100 {
		sent := protocol.Message{From: 1, Epoch: protocol.Epoch(i), Body: protocol.Renew{}}
		one.Send(2, sent)
		if got := within(t, "a message", two.Inbox()); !reflect.DeepEqual(got, sent) {
			t.Fatalf("%+v arrives as %+v", sent, got)
		}
	}
	one.Cut([]cluster.NodeID{2})
	one.Send(2, protocol.Message{From: 1, Epoch: 200, Body: protocol.Renew{}})
	one.Cut(nil)
	one.Send(2, protocol.Message{From: 1, Epoch: 201, Body: protocol.Renew{}})
	if got := within(t, "a message", two.Inbox()); got.Epoch != 201 {
		t.Errorf("message %d has passed a cut", got.Epoch)
	}
	two.Leave()
	if down := within(t, "word of node 2", one.Members()); down != (protocol.Down{Node: 2}) {
		t.Errorf("node 1 hears %v", down)
	}
}

// A message from another node than its connection is dropped.
// What an overlay says arrives after the delay that is emulated, and says how
// long it had to wait beside that: for a connection, the first time.
func TestGossipSaysHowLongItHasWaited(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	two := newNode(t, s.join(t, 2))
	l := listen(t)
	const delay = 20 * time.Millisecond
	one := NewMesh(s.join(t, 1), l, Settings{
		Membership: membership.Defaults(),
		Delays:     map[cluster.NodeID]time.Duration{2: delay},
	}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- one.Run(ctx) }()
	until(t, "node 1 runs", func() bool { one.network.mu.Lock(); defer one.network.mu.Unlock(); return one.network.ctx.Err() == nil })
	one.network.locate(2, two.address) // and node 2 does not know where node 1 listens
	for i := range 3 {
		sent := time.Now()
		one.Gossip(2, wire.Gossip{Data: []byte{byte(i)}, Waited: time.Second})
		g := within(t, "gossip", two.Heard())
		took := time.Since(sent)
		if g.From != 1 || len(g.Data) != 1 || g.Data[0] != byte(i) {
			t.Errorf("%+v", g)
		}
		if waited := g.Waited - time.Second; waited < 0 || took < delay || took-waited < delay {
			t.Errorf("it took %v, and says that it has waited for %v beside the delay of %v", took, waited, delay)
		}
	}
	two.Gossip(1, wire.Gossip{Data: []byte{9}})
	if g := within(t, "an answer", one.Heard()); g.From != 2 || g.Data[0] != 9 {
		t.Errorf("%+v", g)
	}
	for _, bad := range []wire.Gossip{{Waited: -time.Hour}, {Waited: time.Hour}, {Data: make([]byte, 1<<20)}} {
		one.Gossip(2, bad)
	}
	until(t, "three are refused", func() bool { return two.Counts().Refused == 3 })
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	until(t, "node 2 has forgotten the connection", func() bool {
		before := two.Counts().Dropped
		two.Gossip(1, wire.Gossip{Data: []byte{9}})
		return two.Counts().Dropped > before
	})
}

func TestForgedSender(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	one := newNode(t, s.join(t, 1))
	two := newNode(t, s.join(t, 2), membership.Member{ID: 1, Address: one.address})
	within(t, "word of node 1", two.Members())
	two.Send(1, protocol.Message{From: 3, Body: protocol.Renew{}})
	two.Send(1, protocol.Message{From: 2, Epoch: 7, Body: protocol.Renew{}})
	if got := within(t, "a message", one.Inbox()); got.From != 2 || got.Epoch != 7 {
		t.Errorf("node 1 was given %+v", got)
	}
	if c := one.Counts(); c.Refused != 1 || one.journal.count("it says that it is from node 3") != 1 {
		t.Errorf("%+v", c)
	}
}

// hello is one message from a node to another, over a mesh that works.
func hello(t *testing.T, s *site, to *node, id cluster.NodeID) {
	t.Helper()
	from := newNode(t, s.join(t, id), membership.Member{ID: 1, Address: to.address})
	within(t, "word of node 1", from.Members())
	from.Send(1, protocol.Message{From: id, Body: protocol.Renew{}})
	if got := within(t, "a message", to.Inbox()); got.From != id {
		t.Errorf("%+v", got)
	}
}

func TestStrangersAreRefusedAndHarmNobody(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	other := newSite(t, "here", time.Now) // of the same name
	elsewhere := newSite(t, "elsewhere", time.Now)
	dial := func(t *testing.T, address string, settings *tls.Config) error {
		t.Helper()
		settings.InsecureSkipVerify = true
		conn, err := tls.Dial("tcp", address, settings)
		if err == nil {
			defer conn.Close()
			_, err = conn.Read(make([]byte, 1)) // the server's last word in TLS 1.3
		}
		return err
	}
	attacks := map[string]func(t *testing.T, address string) error{
		"another authority of the same name": func(t *testing.T, address string) error {
			return dial(t, address, &tls.Config{NextProtos: []string{protocolName}, Certificates: []tls.Certificate{other.join(t, 2).Certificate}})
		},
		"a node of another cluster": func(t *testing.T, address string) error {
			return dial(t, address, &tls.Config{NextProtos: []string{protocolName}, Certificates: []tls.Certificate{elsewhere.join(t, 2).Certificate}})
		},
		"the authority itself, which is not a node": func(t *testing.T, address string) error {
			own, err := s.server()
			if err != nil {
				t.Fatal(err)
			}
			return dial(t, address, &tls.Config{NextProtos: []string{protocolName}, Certificates: []tls.Certificate{own}})
		},
		"no certificate": func(t *testing.T, address string) error {
			return dial(t, address, &tls.Config{NextProtos: []string{protocolName}})
		},
		"another protocol": func(t *testing.T, address string) error {
			return dial(t, address, &tls.Config{NextProtos: []string{"h2"}, Certificates: []tls.Certificate{s.join(t, 2).Certificate}})
		},
		"an old TLS": func(t *testing.T, address string) error {
			return dial(t, address, &tls.Config{MaxVersion: tls.VersionTLS12, NextProtos: []string{protocolName}, Certificates: []tls.Certificate{s.join(t, 2).Certificate}})
		},
		"garbage": func(t *testing.T, address string) error {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_, _ = conn.Write([]byte("GET / HTTP/1.1\r\nHost: x\r\n\r\n\x00\xff\x16\x03"))
			for err == nil { // it may say in TLS what is wrong
				_, err = conn.Read(make([]byte, 100))
			}
			return err
		},
	}
	for name, attack := range attacks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			one := newNode(t, s.join(t, 1))
			for range 5 {
				if err := attack(t, one.address); err == nil {
					t.Error("it was let in")
				}
			}
			until(t, "it is logged", func() bool { return one.journal.count("refused") > 0 })
			hello(t, s, one, 3)
			if n := one.journal.count("refused"); n != 1 {
				t.Errorf("logged %d times", n)
			}
		})
	}
}

func TestFlood(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	one := newNode(t, s.join(t, 1))
	two := newNode(t, s.join(t, 2), membership.Member{ID: 1, Address: one.address})
	within(t, "word of node 1", two.Members())
	for range 5 * maxStrangers {
		conn, err := net.Dial("tcp", one.address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	until(t, "it is logged", func() bool { return one.journal.count("flood") > 0 })
	one.network.gate.mu.Lock()
	if n := len(one.network.gate.strangers); n > maxStrangers {
		t.Errorf("%d strangers are there", n)
	}
	one.network.gate.mu.Unlock()
	two.Send(1, protocol.Message{From: 2, Body: protocol.Renew{}}) // who was in is in
	within(t, "a message", one.Inbox())
	hello(t, s, one, 3)
	if n := one.journal.count("flood"); n != 1 {
		t.Errorf("logged %d times", n)
	}
}

// A member that sends nonsense, or too much, loses its frame or its connection.
func TestNonsenseFromAMember(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	one := newNode(t, s.join(t, 1))
	i := s.join(t, 2)
	settings := &tls.Config{NextProtos: []string{protocolName}, RootCAs: i.roots(), ServerName: "node-1.here", Certificates: []tls.Certificate{i.Certificate}}
	conn, err := tls.Dial("tcp", one.address, settings)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, frame := range []string{"", "x", "[]", "{}", `{"kind":"nonsense"}`, `{"kind":"lead","message":{"Body":7}}`} {
		if err := writeFrame(conn, []byte(frame)); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "all are refused", func() bool { return one.Counts().Refused == 6 })
	if n := one.journal.count("WARN msg=message"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if _, err := conn.Write([]byte{0xff, 0xff, 0xff, 0xff}); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err == nil {
		t.Error("a frame of 4 GiB was accepted")
	}
	hello(t, s, one, 3)
}

func TestQueueDropsTheOldest(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	one := newNode(t, s.join(t, 1))
	late := listen(t)
	until(t, "node 1 runs", func() bool { one.network.mu.Lock(); defer one.network.mu.Unlock(); return one.network.ctx.Err() == nil })
	one.network.locate(2, late.Addr().String())
	const extra = 50
	for i := range queueLength + extra {
		one.Send(2, protocol.Message{From: 1, Epoch: protocol.Epoch(i), Body: protocol.Renew{}})
	}
	if c := one.Counts(); c.Dropped != extra {
		t.Errorf("%d messages are dropped, want %d", c.Dropped, extra)
	}
	two := NewMesh(s.join(t, 2), late, Settings{Membership: membership.Defaults()}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- two.Run(ctx) }()
	if m := within(t, "the oldest message", two.Inbox()); m.Epoch != extra {
		t.Errorf("the first message is number %d, want %d", m.Epoch, extra)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	later := time.Duration(0)
	s := newSite(t, "here", func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		return time.Now().Add(later)
	})
	other := newSite(t, "here", time.Now)
	token := func(of *site) string {
		text, err := of.Token(7, time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	refused := func(what, token, want string) {
		t.Helper()
		_, err := Join(t.Context(), s.address, token)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
	}
	good := token(s)
	i, err := Join(t.Context(), s.address, good)
	if err != nil || i.ID != 7 || i.Cluster != "here" {
		t.Fatalf("%+v, %v", i, err)
	}
	refused("used twice", good, ErrUsedToken.Error())
	refused("from another authority", token(other), "not the authority that the token is from")
	refused("nonsense", "x.y", "not a token")
	refused("empty", "", "not a token")
	text, mac, _ := strings.Cut(token(s), ".")
	refused("without a signature", text+".", ErrForgedToken.Error())
	_, otherMAC, _ := strings.Cut(token(s), ".")
	refused("with another's signature", text+"."+otherMAC, ErrForgedToken.Error())
	if otherMAC == mac {
		t.Error("two tokens are signed alike")
	}
	old := token(s)
	mu.Lock()
	later = time.Minute
	mu.Unlock()
	refused("expired", old, "expired")
	if n := s.journal.count("refused"); n != 1 {
		t.Errorf("logged %d times", n)
	}
	if fresh, err := i.Renew(t.Context(), s.address); err != nil || fresh.ID != 7 || !fresh.Expires().After(i.Expires()) {
		t.Errorf("renewal: %+v, %v", fresh, err)
	}
	if _, err := i.Renew(t.Context(), other.address); err == nil {
		t.Error("another authority has renewed it")
	}
}

// A node whose certificate is about to expire gets a new one by itself, and shows
// it from then on.
func TestMeshRenewsItsCertificate(t *testing.T) {
	t.Parallel()
	s := newSite(t, "here", time.Now)
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := s.issue(1, csr(t, key), time.Minute) // of its time, which began a minute ago, 2/3 are over soon
	if err != nil {
		t.Fatal(err)
	}
	old, err := newIdentity(der, key, s.certificate)
	if err != nil {
		t.Fatal(err)
	}
	old.Certificate.Leaf.NotBefore = time.Now().Add(-time.Hour)
	l := listen(t)
	m := NewMesh(old, l, Settings{Membership: membership.Defaults(), Authority: s.address}, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- m.Run(ctx) }()
	until(t, "it has a new one", func() bool { return m.network.identity.Load().Expires().After(old.Expires().Add(time.Hour)) })
	i := s.join(t, 2)
	conn, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{
		NextProtos: []string{protocolName}, RootCAs: i.roots(), ServerName: "node-1.here", Certificates: []tls.Certificate{i.Certificate},
	})
	if err != nil {
		t.Fatal(err)
	}
	if until := conn.ConnectionState().PeerCertificates[0].NotAfter; !until.After(old.Expires()) {
		t.Errorf("it shows a certificate that ends at %v", until)
	}
	conn.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// An answer that gets lost does not use a token up: the same key may come again.
func TestTokenServesItsKeyAgain(t *testing.T) {
	a, err := NewAuthority("here", time.Now)
	if err != nil {
		t.Fatal(err)
	}
	token, err := a.Token(7, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if id, err := a.admit(token, []byte("key")); err != nil || id != 7 {
			t.Errorf("%d, %v", id, err)
		}
	}
	if _, err := a.admit(token, []byte("another")); !errors.Is(err, ErrUsedToken) {
		t.Errorf("another key: %v", err)
	}
}

// A certificate that has expired lets nobody in.
func TestExpiredCertificate(t *testing.T) {
	t.Parallel()
	past := time.Now().Add(-2 * CertificateLifetime)
	a, err := NewAuthority("here", func() time.Time { return past })
	if err != nil {
		t.Fatal(err)
	}
	key, err := newKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.issue(2, csr(t, key), CertificateLifetime)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := newIdentity(der, key, a.certificate); err == nil {
		t.Error("an expired certificate is an identity")
	}
}

func TestClusterNames(t *testing.T) {
	for _, name := range []string{"", "-", "a.b", "A", strings.Repeat("a", 64)} {
		if _, err := NewAuthority(name, time.Now); err == nil {
			t.Errorf("%q was accepted", name)
		}
	}
}

// Whatever is in a frame, reading it ends, and what is accepted can be sent on.
func FuzzFrame(f *testing.F) {
	message, err := wire.EncodeMessage(protocol.Message{From: 1, Body: protocol.Lead{Members: []cluster.NodeID{1, 2}}})
	if err != nil {
		f.Fatal(err)
	}
	a, err := NewAuthority("here", time.Now)
	if err != nil {
		f.Fatal(err)
	}
	revoked, err := a.Revoke(3)
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range []envelope{{Revoked: &revoked}, {Encoded: message}, {Members: &membership.Packet{News: []membership.Member{{ID: 1}}}}, {Gossip: &wire.Gossip{Data: []byte{1, 2}, Waited: 5}}} {
		var frame bytes.Buffer
		if err := writeFrame(&frame, marshal(f, e)); err != nil {
			f.Fatal(err)
		}
		f.Add(frame.Bytes())
	}
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, data []byte) {
		m := &Mesh{inbox: make(chan protocol.Message, 100), packets: make(chan packet, 100), heard: make(chan wire.Gossip, 100)}
		m.network.ctx = t.Context()
		m.network.identity.Store(&Identity{ID: 2, Cluster: "here", Authority: a.certificate, Certificate: tls.Certificate{Leaf: a.certificate}})
		m.network.log = slog.New(slog.DiscardHandler)
		m.network.gate = newGate(nil, 0, slog.New(slog.DiscardHandler))
		m.network.deliver = m.deliver
		in := bytes.NewReader(data)
		for range 10 {
			frame, err := readFrame(in, 1<<16)
			if err != nil {
				break
			}
			m.network.take(1, frame)
		}
		ring := overlay.NewRing([]cluster.NodeID{1, 2})
		spiral := overlay.NewSpiral(2, overlay.SpiralDefaults(), ring, 1)
		for range len(m.heard) {
			g := <-m.heard
			spiral.Receive(time.Second, g.From, g.Data, 0)
		}
		detector := membership.New(membership.Member{ID: 9}, nil, membership.Defaults())
		for range len(m.packets) {
			detector.Receive(time.Second, 1, (<-m.packets).Packet)
		}
		detector.Tick(2 * time.Second)
		for range len(m.inbox) {
			if _, err := wire.EncodeMessage(<-m.inbox); err != nil {
				t.Error(err)
			}
		}
	})
}

func FuzzToken(f *testing.F) {
	a, err := NewAuthority("here", time.Now)
	if err != nil {
		f.Fatal(err)
	}
	good, err := a.Token(1, time.Hour)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(".")
	f.Fuzz(func(t *testing.T, token string) {
		if id, err := a.admit(token, nil); err == nil && token != good {
			t.Errorf("%q lets node %d in", token, id)
		}
	})
}
