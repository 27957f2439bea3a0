package protocol_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/protocol/protocoltest"
)

// TestAnyOrderOfEvents lets a few nodes live through random loads, deliveries
// in any order, lost and doubled messages, failed migrations and timers. The
// world checks after each step that a migration starts only between nodes that
// its partition holds at one epoch (I2), and that no node hosts more memory
// than it has (I4). In the end, with no further fault, every procedure ends and
// every node is free (L1).
func TestAnyOrderOfEvents(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := protocoltest.NewWorld(protocol.Defaults())
		nodes := rapid.IntRange(2, 6).Draw(t, "nodes")
		vms := 0
		for range nodes {
			demands := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) cluster.Resources {
				return cluster.Of(cluster.Millicores(rapid.IntRange(0, 12).Draw(t, "cpu"))*100, cluster.GiB)
			}), 0, 4).Draw(t, "demands")
			vms += len(demands)
			w.AddNode(cluster.Of(2*cluster.Core, 5*cluster.GiB), demands)
		}
		check := func(err error) {
			if err != nil {
				t.Fatalf("%v\n%s", err, w.Log())
			}
		}
		faulty := rapid.Bool().Draw(t, "faulty")
		pick := func(n int, what string) int {
			if n == 0 {
				t.Skip("nothing to pick")
			}
			return rapid.IntRange(0, n-1).Draw(t, what)
		}
		t.Repeat(map[string]func(*rapid.T){
			"look":    func(*rapid.T) { check(w.Look()) },
			"deliver": func(*rapid.T) { check(w.Deliver(pick(w.Messages(), "message"))) },
			"deliver in order": func(*rapid.T) {
				for range min(w.Messages(), 20) {
					check(w.Deliver(0))
				}
			},
			"solve": func(*rapid.T) { check(w.Answer(pick(w.Solves(), "solver"))) },
			"migrated": func(t *rapid.T) {
				check(w.Finish(pick(w.Migrations(), "migration"), !faulty || rapid.Bool().Draw(t, "ok")))
			},
			"load": func(t *rapid.T) {
				vm := pick(vms, "vm")
				w.SetDemand(cluster.VMID(vm+1), cluster.Millicores(rapid.IntRange(0, 12).Draw(t, "cpu"))*100)
			},
			"lose": func(t *rapid.T) {
				if !faulty {
					t.Skip("no faults")
				}
				w.Drop(pick(w.Messages(), "message"))
			},
			"double": func(t *rapid.T) {
				if !faulty {
					t.Skip("no faults")
				}
				w.Double(pick(w.Messages(), "message"))
			},
			"time passes": func(t *rapid.T) {
				check(w.Advance(time.Duration(rapid.IntRange(1, 7000).Draw(t, "ms")) * time.Millisecond))
			},
		})
		// From here on nothing goes wrong.
		for range 400 {
			check(w.Run())
			check(w.Advance(time.Second))
			if w.Quiet() && w.Free() {
				return
			}
		}
		t.Fatalf("nodes are still booked:\n%s", w.Log())
	})
}
