package sim

import (
	"fmt"
	"math"
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
	s.Call(2, log("late"))
	s.Call(1, log("first"))
	s.Call(1, func() {
		log("second")()
		s.Call(s.Now(), log("fourth, at the same date"))
	})
	s.Call(1, log("third"))
	s.Call(3, log("after the end"))
	s.Run(2)
	want := []string{"1 first", "1 second", "1 third", "1 fourth, at the same date", "2 late"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if s.Now() != 2 || s.Events() != 5 {
		t.Errorf("at %v after %d events, want 2 and 5", s.Now(), s.Events())
	}
}

func TestCancelledEventsDoNotTakePlace(t *testing.T) {
	s := New()
	kept := false
	gone := s.Call(1, func() { t.Error("a cancelled event took place") })
	s.Cancel(gone)
	s.Call(1, func() { kept = true }) // takes the slot of the other
	s.Cancel(gone)
	s.Cancel(Timer{})
	s.Run(60)
	if !kept || s.Events() != 1 {
		t.Errorf("kept %v, %d events; want the one event", kept, s.Events())
	}
}

func TestStopEndsTheRunAfterTheEvent(t *testing.T) {
	s := New()
	s.Call(1, s.Stop)
	s.Call(1, func() { t.Error("an event took place after Stop") })
	s.Run(60)
	s.Run(60)
	if s.Now() != 1 || !s.Stopped() {
		t.Errorf("at %v, stopped %v; want to be stopped at 1", s.Now(), s.Stopped())
	}
}

func TestWhatMakesNoSenseEndsTheRun(t *testing.T) {
	for _, wrong := range []struct {
		name string
		call func(*Simulation)
		want []string
	}{
		{"a date in the past", func(s *Simulation) { s.Call(3, func() {}) }, []string{"at 5 s", "date 3 s", "it is 5 s already"}},
		{"no number", func(s *Simulation) { s.Call(Seconds(math.NaN()), func() {}) }, []string{"at 5 s", "NaN"}},
		{"no handler", func(s *Simulation) { s.At(6, nil, 0) }, []string{"event at 6 s has no handler"}},
		{"no function", func(s *Simulation) { s.Call(6, nil) }, []string{"call at 6 s of no function"}},
	} {
		t.Run(wrong.name, func(t *testing.T) {
			s := New()
			later := false
			s.Call(5, func() { wrong.call(s) })
			s.Call(5, func() { later = true })
			err := s.Run(60)
			if err == nil || later || !s.Stopped() || s.Now() != 5 {
				t.Fatalf("error %v, later event %v, at %v; want an error at 5 and no later event", err, later, s.Now())
			}
			for _, part := range wrong.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("error %q does not say %q", err, part)
				}
			}
			if again := s.Run(70); again != err {
				t.Errorf("the second Run returns %v, want the same error", again)
			}
		})
	}
	s := New()
	if err := s.Run(5); err != nil {
		t.Fatal(err)
	}
	for _, until := range []Seconds{4, Seconds(math.NaN())} {
		if err := s.Run(until); err == nil || !strings.Contains(err.Error(), "it is 5 s already") {
			t.Errorf("run until %v: error %v", until, err)
		}
	}
}

func TestARunForEverEndsWithTheLastEvent(t *testing.T) {
	s := New()
	s.Call(7, func() {})
	s.Call(Forever, func() { t.Error("an event at no date took place") })
	if err := s.Run(Forever); err != nil || s.Now() != 7 {
		t.Errorf("at %v, error %v; want 7", s.Now(), err)
	}
}

func TestDurationsConvertWithoutLoss(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, 1<<51).Draw(t, "nanoseconds"))
		if back := Of(d).Duration(); back != d {
			t.Errorf("%v comes back as %v", d, back)
		}
	})
	if Forever.Duration() != math.MaxInt64 {
		t.Errorf("for ever is %v", Forever.Duration())
	}
}

// The queue against a list that is searched for its first element.
func TestQueueAgreesWithAList(t *testing.T) {
	type event struct {
		at    Seconds
		id    uint64
		timer Timer
	}
	rapid.Check(t, func(t *rapid.T) {
		var q queue
		var list []event
		id := uint64(0)
		push := func(t *rapid.T) {
			id++
			at := Seconds(rapid.IntRange(0, 20).Draw(t, "at"))
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
				until := Seconds(rapid.IntRange(0, 20).Draw(t, "until"))
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
						t.Fatalf("pop returns event %d at %v, want %d at %v", arg, at, e.id, e.at)
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

func BenchmarkQueueHold(b *testing.B) {
	for _, size := range []int{1_000, 100_000, 1_000_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			rng := rand.New(rand.NewPCG(1, 2))
			var q queue
			for i := range size {
				q.push(Seconds(rng.ExpFloat64()), call(nil), uint64(i))
			}
			for b.Loop() {
				at, h, arg, _ := q.pop(Forever)
				q.push(at+Seconds(rng.ExpFloat64()), h, arg)
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
		})
	}
}
