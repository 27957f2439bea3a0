package transport

import (
	"os"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
)

// What nodes send when nothing happens, over real connections:
//
//	DVMS_LONG=1 go test ./transport -run LongIdle -v
func TestLongIdle(t *testing.T) {
	if os.Getenv("DVMS_LONG") == "" {
		t.Skip("set DVMS_LONG=1 to run it")
	}
	for _, n := range []int{16, 64} {
		s := newSite(t, "here", time.Now)
		nodes := []*node{newNode(t, s.join(t, 1))}
		for i := 1; i < n; i++ {
			nodes = append(nodes, newNode(t, s.join(t, cluster.NodeID(i+1)), membership.Member{ID: 1, Address: nodes[0].address}))
		}
		for _, one := range nodes {
			go func() {
				for {
					select {
					case <-one.Members():
					case <-t.Context().Done():
						return
					}
				}
			}()
		}
		until(t, "all know all", func() bool {
			for _, one := range nodes {
				if len(one.Here()) != n-1 {
					return false
				}
			}
			return true
		})
		time.Sleep(30 * time.Second) // until old news is no longer passed on
		sum := func() (all Counts) {
			for _, one := range nodes {
				all = all.Plus(one.Counts())
			}
			return all
		}
		before := sum()
		const span = 60
		time.Sleep(span * time.Second)
		after := sum()
		bytes := float64(after.SentBytes-before.SentBytes) / span / float64(n)
		frames := float64(after.Sent-before.Sent) / span / float64(n)
		t.Logf("%d nodes: each sends %.2f frames and %.0f bytes a second", n, frames, bytes)
		if bytes+22*frames > 1000 { // a record of TLS 1.3 adds 22 bytes
			t.Errorf("that is more than 1 kB a second")
		}
	}
}
