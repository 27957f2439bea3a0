package sim

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestEventsTakePlaceInOrderOfDateAndThenOfArrival(t *testing.T) {
	s := New()
	var got []string
	log := func(what string) func() {
		return func() { got = append(got, fmt.Sprint(s.Now(), " ", what)) }
	}
	s.Call(2*time.Second, log("late"))
	s.Call(time.Second, log("first"))
	s.Call(time.Second, func() {
		log("second")()
		s.Call(s.Now(), log("fourth, at the same date"))
	})
	s.Call(time.Second, log("third"))
	s.Call(3*time.Second, log("after the end"))
	s.Run(2 * time.Second)
	want := []string{"1s first", "1s second", "1s third", "1s fourth, at the same date", "2s late"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.Now() != 2*time.Second || s.Events() != 5 {
		t.Errorf("at %v after %d events, want 2s and 5", s.Now(), s.Events())
	}
}

func TestCancelledEventsDoNotTakePlace(t *testing.T) {
	s := New()
	kept := false
	gone := s.Call(time.Second, func() { t.Error("a cancelled event took place") })
	s.Cancel(gone)
	s.Call(time.Second, func() { kept = true }) // takes the slot of the other
	s.Cancel(gone)
	s.Cancel(Timer{})
	s.Run(time.Minute)
	if !kept || s.Events() != 1 {
		t.Errorf("kept %v, %d events; want the one event", kept, s.Events())
	}
}

func TestStopEndsTheRunAfterTheEvent(t *testing.T) {
	s := New()
	s.Call(time.Second, s.Stop)
	s.Call(time.Second, func() { t.Error("an event took place after Stop") })
	s.Run(time.Minute)
	s.Run(time.Minute)
	if s.Now() != time.Second || !s.Stopped() {
		t.Errorf("at %v, stopped %v; want to be stopped at 1s", s.Now(), s.Stopped())
	}
}

func TestAnEventInThePastIsAPanicThatNamesBothDates(t *testing.T) {
	s := New()
	s.Run(5 * time.Second)
	defer func() {
		if text := fmt.Sprint(recover()); !strings.Contains(text, "3s") || !strings.Contains(text, "5s") {
			t.Errorf("panic %q does not name 3s and 5s", text)
		}
	}()
	s.Call(3*time.Second, func() {})
}

// The queue against a list that is searched for its first element.
func TestQueueAgreesWithAList(t *testing.T) {
	type event struct {
		at    time.Duration
		id    uint64
		timer Timer
	}
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var list []event
		id := uint64(0)
		push := func(t *rapid.T) {
			id++
			at := time.Duration(rapid.IntRange(0, 20).Draw(t, "at"))
			list = append(list, event{at, id, q.push(at, call(nil), id)})
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": push,
			"push many": func(t *rapid.T) {
				for range 100 {
					push(t)
				}
			},
			"cancel": func(t *rapid.T) {
				for range min(len(list), rapid.IntRange(1, 90).Draw(t, "how many")) {
					i := rapid.IntRange(0, len(list)-1).Draw(t, "which")
					q.cancel(list[i].timer)
					list = slices.Delete(list, i, i+1)
				}
			},
			"pop": func(t *rapid.T) {
				until := time.Duration(rapid.IntRange(0, 20).Draw(t, "until"))
				at, _, arg, ok := q.pop(until)
				first := -1
				for i, e := range list {
					if e.at <= until && (first < 0 || e.at < list[first].at) {
						first = i
					}
				}
				if ok != (first >= 0) {
					t.Fatalf("pop says %v, the list has %v", ok, list)
				}
				if ok {
					if e := list[first]; at != e.at || arg != e.id {
						t.Fatalf("pop returns event %d at %d, want %d at %d", arg, at, e.id, e.at)
					}
					list = slices.Delete(list, first, first+1)
				}
			},
			"": func(t *rapid.T) {
				if live := len(q.heap) - q.stale; live != len(list) {
					t.Fatalf("the queue holds %d events, want %d", live, len(list))
				}
			},
		})
	})
}

func TestARunHasTheSameTraceTwice(t *testing.T) {
	run := func() string {
		var trace strings.Builder
		l := newLoads(20, 42)
		l.mean = 20 * time.Second
		l.OnChange(func(h HostID) {
			fmt.Fprintln(&trace, l.Now(), h, l.Demand(h), l.MemoryUsed(h), l.MemoryPromised(h), l.Hosted(h))
		})
		ended := l.relieve()
		l.Run(time.Hour)
		for v := range l.vms {
			fmt.Fprintln(&trace, l.Delivered(VMID(v)))
		}
		fmt.Fprintln(&trace, *ended, "migrations", l.Events(), "events")
		return trace.String()
	}
	first, second := run(), run()
	if first != second {
		t.Error("two runs of the same calls differ")
	}
	if strings.Contains(first, "\n0 migrations") {
		t.Error("the run has no migration, and shows little")
	}
}

func TestEventsDoNotAllocate(t *testing.T) {
	l := newLoads(10, 1)
	l.Run(time.Hour)
	if n := testing.AllocsPerRun(10, func() { l.Run(l.Now() + time.Minute) }); n != 0 {
		t.Errorf("%v allocations in a minute of load changes, want none", n)
	}
}

func BenchmarkQueueHold(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var q queue
			for i := range size {
				q.push(time.Duration(rng.Int64N(1e9)), call(nil), uint64(i))
			}
			for b.Loop() {
				at, h, arg, _ := q.pop(1 << 62)
				q.push(at+time.Duration(rng.Int64N(1e9)), h, arg)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
