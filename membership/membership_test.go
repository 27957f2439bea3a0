package membership_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
)

// town is nodes and the network between them. A packet takes a millisecond.
type town struct {
	t       *testing.T
	now     time.Duration
	nodes   map[cluster.NodeID]*membership.Detector
	dead    map[cluster.NodeID]bool
	cut     func(a, b cluster.NodeID) bool
	loss    float64
	random  *rand.Rand
	here    map[[2]cluster.NodeID]bool // that the first holds the second for here
	address map[cluster.NodeID]string  // where a node listens now; elsewhere it hears nothing
	packets int
	most    int // of the members that a packet of the last period told of
}

func newTown(t *testing.T, n int) *town {
	w := &town{
		t: t, nodes: map[cluster.NodeID]*membership.Detector{}, dead: map[cluster.NodeID]bool{},
		cut: func(_, _ cluster.NodeID) bool { return false }, random: rand.New(rand.NewPCG(1, 2)),
		here: map[[2]cluster.NodeID]bool{}, address: map[cluster.NodeID]string{},
	}
	for i := range n {
		w.start(cluster.NodeID(i+1), 1)
	}
	return w
}

func member(id cluster.NodeID, starts uint32) membership.Member {
	return membership.Member{ID: id, Address: fmt.Sprint("host", id), Incarnation: starts}
}

func (w *town) start(id cluster.NodeID, starts uint32) { w.startAt(id, starts, member(id, 0).Address) }

func (w *town) startAt(id cluster.NodeID, starts uint32, address string) {
	self := member(id, starts)
	self.Address, w.address[id] = address, address
	w.nodes[id] = membership.New(self, []membership.Member{member(1, 0), member(2, 0)}, membership.Defaults())
	delete(w.dead, id)
	for pair := range w.here {
		if pair[0] == id {
			delete(w.here, pair)
		}
	}
}

type packet struct {
	from, to cluster.NodeID
	p        membership.Packet
}

func (w *town) take(from cluster.NodeID, out []membership.Output) (sent []packet) {
	for _, o := range out {
		if o.Changed != nil {
			w.here[[2]cluster.NodeID{from, o.Changed.ID}] = o.Changed.State <= membership.Suspect
			continue
		}
		w.packets++
		w.most = max(w.most, len(o.Packet.News))
		if !w.dead[o.To.ID] && o.To.Address == w.address[o.To.ID] && !w.cut(from, o.To.ID) && w.random.Float64() >= w.loss {
			sent = append(sent, packet{from, o.To.ID, o.Packet})
		}
	}
	return sent
}

// run lets time go on by periods of a second.
func (w *town) run(periods int) {
	for range 2 * periods {
		w.now += 500 * time.Millisecond
		var under []packet
		for i := range len(w.nodes) {
			if id := cluster.NodeID(i + 1); !w.dead[id] {
				under = append(under, w.take(id, w.nodes[id].Tick(w.now))...)
			}
		}
		for len(under) > 0 {
			p := under[0]
			under = under[1:]
			if !w.dead[p.to] {
				under = append(under, w.take(p.to, w.nodes[p.to].Receive(w.now, p.from, p.p))...)
			}
		}
	}
}

// agree checks that all live nodes hold each other for here, unless apart says
// that they can't, and nobody else.
func (w *town) agree(what string, apart func(a, b cluster.NodeID) bool) {
	w.t.Helper()
	for a := range w.nodes {
		for b := range w.nodes {
			if w.dead[a] || a == b {
				continue
			}
			want := !w.dead[b] && (apart == nil || !apart(a, b))
			if got := w.here[[2]cluster.NodeID{a, b}]; got != want {
				w.t.Fatalf("%s: node %d holds %d for here: %v, want %v", what, a, b, got, want)
			}
		}
	}
}

func TestMembers(t *testing.T) {
	for _, n := range []int{2, 3, 16, 100} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			w := newTown(t, n)
			w.run(20)
			w.agree("after the start", nil)
			if got := len(w.nodes[1].Members()); got != n {
				t.Errorf("node 1 lists %d members of %d", got, n)
			}
			w.dead[cluster.NodeID(n)] = true
			w.run(20)
			w.agree("after a crash", nil)
			w.start(cluster.NodeID(n), 2)
			w.run(20)
			w.agree("after its return", nil)
			w.take(2, w.nodes[2].Leave())
			for _, p := range w.take(2, w.nodes[2].Leave()) {
				w.take(p.to, w.nodes[p.to].Receive(w.now, p.from, p.p))
			}
			w.dead[2] = true
			w.run(10)
			w.agree("after one left", nil)
		})
	}
}

// Both halves go on, and know each other again when they meet.
func TestCut(t *testing.T) {
	w := newTown(t, 20)
	w.run(20)
	apart := func(a, b cluster.NodeID) bool { return (a <= 10) != (b <= 10) }
	w.cut = apart
	w.run(25)
	w.agree("while cut", apart)
	w.cut = func(_, _ cluster.NodeID) bool { return false }
	w.run(25)
	w.agree("after healing", nil)
}

// A broken connection is told at once. One whose node is alive does no harm; one
// whose node has died makes it known in the time that suspicion takes.
func TestBrokenConnections(t *testing.T) {
	w := newTown(t, 16)
	w.run(20)
	for _, p := range w.take(3, w.nodes[3].Broken(w.now, 4)) {
		for _, answer := range w.take(p.to, w.nodes[p.to].Receive(w.now, p.from, p.p)) {
			w.take(answer.to, w.nodes[answer.to].Receive(w.now, answer.from, answer.p))
		}
	}
	w.run(10)
	w.agree("after a connection broke", nil)
	w.dead[4] = true
	for id := range w.nodes {
		if id != 4 {
			w.take(id, w.nodes[id].Broken(w.now, 4))
		}
	}
	w.run(4)
	w.agree("4 s after a crash", nil)
}

// A node that had to object to being suspected has raised its incarnation. When it
// is started again, and listens elsewhere, it may say less than the others know; it
// is told so where it is, objects again, and is back.
func TestReturnAfterObjections(t *testing.T) {
	w := newTown(t, 8)
	w.run(20)
	for range 5 {
		for _, p := range w.take(3, w.nodes[3].Broken(w.now, 5)) {
			for _, answer := range w.take(p.to, w.nodes[p.to].Receive(w.now, p.from, p.p)) {
				w.take(answer.to, w.nodes[answer.to].Receive(w.now, answer.from, answer.p))
			}
		}
		w.run(5)
	}
	w.agree("after objections", nil)
	w.dead[5] = true
	w.run(20)
	w.agree("after a crash", nil)
	w.startAt(5, 2, "elsewhere")
	w.run(20)
	w.agree("after its return", nil)
}

// One packet in ten gets lost for ten minutes; nobody is held for dead in the
// end who is not.
func TestLoss(t *testing.T) {
	w := newTown(t, 20)
	w.loss = 0.1
	w.run(600)
	w.loss = 0
	w.run(20)
	w.agree("after the loss", nil)
}

// When nothing happens a node sends as little in a large cluster as in a small
// one: a ping and an answer a second, and rarely the whole list.
func TestIdle(t *testing.T) {
	for _, n := range []int{16, 128} {
		w := newTown(t, n)
		w.run(60)
		w.packets = 0
		w.run(60)
		if each := float64(w.packets) / float64(n) / 60; each > 2.2 {
			t.Errorf("%d nodes send %.2f packets a second each", n, each)
		}
	}
}
