package transport

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/wire"
)

// What nodes send when nothing happens, over real connections:
//
//	DVMS_LONG=1 go test ./transport -run LongIdle -v
func TestLongIdle(t *testing.T) {
	if os.Getenv("DVMS_LONG") == "" {
		t.Skip("set DVMS_LONG=1 to run it")
	}
	for _, way := range []string{"ring", "spiral"} {
		for _, n := range []int{16, 64} {
			t.Run(fmt.Sprintf("%s of %d", way, n), func(t *testing.T) { idleTraffic(t, n, way == "spiral") })
		}
	}
}

func idleTraffic(t *testing.T, n int, spiral bool) {
	s := newSite(t, "here", time.Now)
	nodes := []*node{newNode(t, s.join(t, 1))}
	for i := 1; i < n; i++ {
		nodes = append(nodes, newNode(t, s.join(t, cluster.NodeID(i+1)), membership.Member{ID: 1, Address: nodes[0].address}))
	}
	if spiral {
		for _, one := range nodes {
			go measure(t.Context(), one, n)
		}
	}
	sum := func() (all Counts, know int) {
		for _, one := range nodes {
			all, know = all.Plus(one.Counts()), know+len(one.Here())
		}
		return all, know
	}
	time.Sleep(40 * time.Second) // until old news is no longer passed on, and the first measurements are made
	before, know := sum()
	if know != n*(n-1) {
		t.Fatalf("of %d pairs %d know each other", n*(n-1), know)
	}
	const span = 90
	time.Sleep(span * time.Second)
	after, _ := sum()
	each := func(a, b int64) float64 { return float64(a-b) / span / float64(n) }
	bytes, frames, opened := each(after.SentBytes, before.SentBytes), each(after.Sent, before.Sent), each(after.Opened, before.Opened)
	shake := float64(handshake(t, nodes[0].network.settings(), nodes[1].network.settings()))
	all := bytes + 22*frames + shake*opened // a record of TLS 1.3 adds 22 bytes
	t.Logf("%d nodes: each sends %.2f frames and %.0f bytes a second, and opens %.3f connections, for which both sides send %.0f bytes; with all that TLS adds %.0f bytes a second",
		n, frames, bytes, opened, shake, all)
	if all > 1000 {
		t.Errorf("that is more than 1 kB a second")
	}
}

// measure does what an agent does for its overlay, when nothing else happens.
func measure(ctx context.Context, one *node, nodes int) {
	ring := overlay.NewRing(nil)
	for i := range nodes {
		ring.Up(cluster.NodeID(i+1), fmt.Sprint("node ", i+1))
	}
	start := time.Now()
	s := overlay.NewSpiral(one.network.identity.Load().ID, overlay.SpiralDefaults(), ring, 1)
	due := time.NewTimer(0)
	defer due.Stop()
	send := func(packets []overlay.Packet) {
		for _, p := range packets {
			one.Gossip(p.To, wire.Gossip{Data: p.Data})
		}
	}
	for {
		select {
		case <-due.C:
			now := time.Since(start)
			packets, next := s.Tick(now)
			due.Reset(next - now)
			send(packets)
		case g := <-one.Heard():
			send(s.Receive(time.Since(start), g.From, g.Data, 0))
		case <-ctx.Done():
			return
		}
	}
}

// counted is a connection that counts what is written to it.
type counted struct {
	net.Conn
	written *atomic.Int64
}

func (c counted) Write(p []byte) (int, error) {
	c.written.Add(int64(len(p)))
	return c.Conn.Write(p)
}

// handshake returns how many bytes both sides send to open a connection and to
// close it.
func handshake(t *testing.T, client, server *tls.Config) int64 {
	t.Helper()
	var written atomic.Int64
	a, b := net.Pipe()
	client.InsecureSkipVerify = true // whom it meets does not change the size
	there := tls.Server(counted{b, &written}, server)
	go func() { _ = there.Handshake(); _, _ = there.Read(make([]byte, 1)); there.Close() }()
	here := tls.Client(counted{a, &written}, client)
	if err := here.Handshake(); err != nil {
		t.Fatal(err)
	}
	here.Close()
	return written.Load()
}
