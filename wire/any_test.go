package wire

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

// draw gives every field of a value something. Numbers are small, so that they
// often name something that is there, and lists of nodes have no doubles.
func draw(t *rapid.T, v reflect.Value) {
	if v.Type() == reflect.TypeFor[[]cluster.NodeID]() {
		nodes := rapid.Permutation([]cluster.NodeID{1, 2, 3, 4}).Draw(t, "nodes")
		v.Set(reflect.ValueOf(nodes[:rapid.IntRange(0, 4).Draw(t, "length")]))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case reflect.Int, reflect.Int64, reflect.Int32:
		v.SetInt(rapid.OneOf(rapid.Int64Range(0, 4), rapid.Just(int64(1)<<31-1)).Draw(t, "int"))
	case reflect.Uint8:
		v.SetUint(rapid.Uint64Range(0, 4).Draw(t, "octet"))
	case reflect.Uint64, reflect.Uint32:
		v.SetUint(rapid.OneOf(rapid.Uint64Range(0, 4), rapid.Just(uint64(1)<<32-1)).Draw(t, "uint"))
	case reflect.String:
		v.SetString(rapid.SampledFrom([]string{"", "x"}).Draw(t, "text"))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), rapid.IntRange(0, 3).Draw(t, "length"), 3))
		for i := range v.Len() {
			draw(t, v.Index(i))
		}
	case reflect.Array:
		for i := range v.Len() {
			draw(t, v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			draw(t, v.Field(i))
		}
	case reflect.Interface: // the body, which the caller draws
	default:
		panic(fmt.Sprint("no value for ", v.Type()))
	}
}

// Whatever a peer says that can be decoded, and in whatever order, the node goes
// on: a member with a mistake in its program must not stop the others.
func TestNodeTakesAnyMessage(t *testing.T) {
	settings := protocol.Defaults()
	settings.Minimum = 2
	names := slices.Sorted(maps.Keys(bodies))
	rapid.Check(t, func(t *rapid.T) {
		w := wild{t: t, node: protocol.New(1, settings, overlay.NewRing([]cluster.NodeID{1, 2, 3}), 1)}
		vm := cluster.VM{ID: 1, Demand: cluster.Of(2000, 1)}
		w.give(protocol.Observed{Local: protocol.Local{Capacity: cluster.Of(1000, 10), VMs: []cluster.VM{vm}}})
		t.Repeat(map[string]func(*rapid.T){
			"overload": func(*rapid.T) { w.give(protocol.Overloaded{}) },
			"down":     func(t *rapid.T) { w.give(protocol.Down{Node: cluster.NodeID(rapid.IntRange(0, 4).Draw(t, "node"))}) },
			"up":       func(t *rapid.T) { w.give(protocol.Up{Node: cluster.NodeID(rapid.IntRange(0, 4).Draw(t, "node"))}) },
			"migrated": func(t *rapid.T) { w.give(protocol.Migrated{VM: 1, OK: rapid.Bool().Draw(t, "ok")}) },
			"solved": func(t *rapid.T) {
				p := plan.Plan{Actions: []plan.Action{{VM: 1, Source: 1, Target: 2}, {VM: 2, Source: 2, Target: 3}}}
				w.give(protocol.Solved{Partition: w.asked.Partition, Epoch: w.asked.Epoch, Found: rapid.Bool().Draw(t, "found"), Plan: p})
			},
			"reports": func(t *rapid.T) { // what a leader waits for, with anything in it
				id, booked := w.node.Booked()
				for _, member := range slices.Clone(w.node.Members()) {
					var r protocol.Report
					draw(t, reflect.ValueOf(&r).Elem())
					if r.Node = member; booked && member != 1 {
						w.receive(protocol.Message{From: member, Partition: id, Epoch: w.node.Epoch(), Body: r})
					}
				}
			},
			"message": func(t *rapid.T) {
				var m protocol.Message
				draw(t, reflect.ValueOf(&m).Elem())
				body := reflect.New(bodies[rapid.SampledFrom(names).Draw(t, "kind")]).Elem()
				draw(t, body)
				m.Body = body.Interface()
				if id, booked := w.node.Booked(); booked && rapid.Bool().Draw(t, "about its partition") {
					m.Partition = id
					m.Epoch = w.node.Epoch() + protocol.Change*protocol.Epoch(rapid.IntRange(0, 1).Draw(t, "more"))
					if members := w.node.Members(); len(members) > 0 {
						m.From = rapid.SampledFrom(members).Draw(t, "member")
					}
				}
				w.receive(possible(m))
			},
			"": func(*rapid.T) {},
		})
	})
}

// possible makes a message such as Check lets through, if that is easy.
func possible(m protocol.Message) protocol.Message {
	with := func(members []cluster.NodeID, more ...cluster.NodeID) []cluster.NodeID {
		members = slices.Clone(members)
		for _, id := range more {
			if !slices.Contains(members, id) {
				members = append(members, id)
			}
		}
		return members
	}
	switch b := m.Body.(type) {
	case protocol.Event:
		b.State %= 2
		b.Members = with(b.Members, b.Leader, m.Partition.Initiator)
		m.Body = b
	case protocol.Lead:
		b.Members = with(b.Members, m.From, 1, m.Partition.Initiator)
		m.Body = b
	case protocol.Merge:
		b.Members = with(b.Members, m.From, b.Into.Initiator)
		m.Body = b
	case protocol.Merged:
		b.Members = with(b.Members, m.From)
		m.Body = b
	}
	return m
}

// wild is a node that is given anything.
type wild struct {
	t      *rapid.T
	node   *protocol.Node
	now    time.Duration
	timers []protocol.SetTimer
	asked  protocol.Solve // the last one
}

// receive gives the node a message if it can be decoded.
func (w *wild) receive(m protocol.Message) {
	e, err := EncodeMessage(m)
	if err != nil {
		w.t.Fatal(err)
	}
	if m, err = DecodeMessage(e); err == nil && Check(m, 1) == nil {
		w.give(protocol.Received{Message: m})
	}
}

func (w *wild) give(in protocol.Input) {
	w.now += 200 * time.Millisecond
	w.step(in)
	for i := 0; i < len(w.timers); i++ {
		if s := w.timers[i]; s.At <= w.now {
			w.timers = slices.Delete(w.timers, i, i+1)
			i = -1
			w.step(protocol.TimerFired{Timer: s.Timer})
		}
	}
}

func (w *wild) step(in protocol.Input) {
	for _, out := range w.node.Step(w.now, in) {
		if s, ok := out.(protocol.SetTimer); ok {
			w.timers = append(w.timers, s)
		}
		if _, err := EncodeOutput(out); err != nil {
			w.t.Fatal(err)
		}
		switch out := out.(type) {
		case protocol.Solve:
			w.asked = out
		case protocol.Ended:
			_ = out.Outcome.String()
		}
	}
}
