package overlay_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
)

func TestNextGoesClockwiseAndPassesOver(t *testing.T) {
	r := overlay.NewRing([]cluster.NodeID{3, 1, 4, 5, 9})
	for _, c := range []struct {
		last     cluster.NodeID
		excluded []cluster.NodeID
		want     cluster.NodeID
		ok       bool
	}{
		{3, nil, 1, true},
		{9, nil, 3, true},
		{3, []cluster.NodeID{1, 4}, 5, true},
		{5, []cluster.NodeID{9, 3}, 1, true},
		{4, []cluster.NodeID{3, 1, 5, 9}, 4, true}, // all the way round
		{4, []cluster.NodeID{3, 1, 4, 5, 9}, 0, false},
		{7, nil, 0, false}, // not on the ring
	} {
		if got, _, ok := r.Next(0, c.last, c.excluded, nil); got != c.want || ok != c.ok {
			t.Errorf("after %d without %v: %d, %v; want %d, %v", c.last, c.excluded, got, ok, c.want, c.ok)
		}
	}
}

// A node that has left is passed over, and a search that stands where it was
// goes on. It returns to the place that it had.
func TestANodeThatLeavesKeepsItsPlace(t *testing.T) {
	r := overlay.NewRing([]cluster.NodeID{3, 1, 4, 5, 9})
	next := func(last cluster.NodeID) cluster.NodeID {
		t.Helper()
		id, _, ok := r.Next(0, last, nil, nil)
		if !ok {
			t.Fatalf("none after %d", last)
		}
		return id
	}
	r.Down(1)
	r.Down(4)
	r.Down(4)
	if got := next(3); got != 5 {
		t.Errorf("after 3, with 1 and 4 down: %d, want 5", got)
	}
	if got := next(4); got != 5 {
		t.Errorf("after 4, which is down: %d, want 5", got)
	}
	if r.Size() != 3 || r.IsUp(4) || !r.IsUp(5) {
		t.Errorf("%d live, 4 up: %v, 5 up: %v", r.Size(), r.IsUp(4), r.IsUp(5))
	}
	r.Up(4, "four")
	r.Up(4, "four")
	if got := next(3); got != 4 || r.Size() != 4 {
		t.Errorf("after 3, with 4 back: %d of %d, want 4 of 4", got, r.Size())
	}
}

// search names nodes until there is none left, and returns them in order, with
// root first.
func search(root cluster.NodeID, of func(cluster.NodeID) overlay.Overlay, each func(seen []cluster.NodeID)) []cluster.NodeID {
	seen := []cluster.NodeID{root}
	path := overlay.Path(nil)
	for last := root; ; {
		each(seen)
		next, on, ok := of(last).Next(root, last, seen, path)
		if !ok {
			return seen
		}
		seen, last, path = append(seen, next), next, on
		of(next).Learn(path)
	}
}

// A search that excludes all it has seen names every live node once, however
// the ring was put together: all at once, or one by one in any order, with
// others that have left again.
func TestASearchSeesEveryNodeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := make([]string, rapid.IntRange(1, 40).Draw(t, "nodes"))
		for i := range names {
			names[i] = fmt.Sprint("node", i)
		}
		together, one := overlay.HashedRing(names), overlay.NewRing(nil)
		order := make([]cluster.NodeID, len(names))
		for i := range order {
			order[i] = cluster.NodeID(i)
		}
		for _, id := range rapid.Permutation(order).Draw(t, "order") {
			one.Up(id, names[id])
		}
		root := rapid.SampledFrom(order).Draw(t, "root")
		var live []cluster.NodeID
		for _, id := range order {
			if id != root && rapid.Bool().Draw(t, "down") {
				together.Down(id)
				one.Down(id)
			} else {
				live = append(live, id)
			}
		}
		none := func([]cluster.NodeID) {}
		seen := search(root, func(cluster.NodeID) overlay.Overlay { return together }, none)
		if other := search(root, func(cluster.NodeID) overlay.Overlay { return one }, none); !slices.Equal(seen, other) {
			t.Fatalf("%v, and with nodes that came one by one %v", seen, other)
		}
		if got := slices.Sorted(slices.Values(seen)); !slices.Equal(got, live) || together.Size() != len(live) {
			t.Fatalf("saw %v of %v", seen, live)
		}
	})
}

// Nodes come and go while a search goes on: it ends, names no node twice, and
// all that were there from beginning to end.
func TestASearchOnARingThatChanges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(2, 30).Draw(t, "nodes")
		r := overlay.NewRing(nil)
		stable := map[cluster.NodeID]bool{}
		for id := range cluster.NodeID(n) {
			r.Up(id, fmt.Sprint("node", id))
			stable[id] = true
		}
		newest := cluster.NodeID(n)
		root := cluster.NodeID(rapid.IntRange(0, n-1).Draw(t, "root"))
		seen := search(root, func(cluster.NodeID) overlay.Overlay { return r }, func([]cluster.NodeID) {
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0:
				if newest < 60 {
					r.Up(newest, fmt.Sprint("node", newest))
					newest++
				}
			case 1:
				if id := cluster.NodeID(rapid.IntRange(0, int(newest)-1).Draw(t, "who")); id != root {
					r.Down(id)
					delete(stable, id)
				}
			}
		})
		for i, id := range seen {
			if slices.Contains(seen[:i], id) {
				t.Fatalf("%d comes twice in %v", id, seen)
			}
			delete(stable, id)
		}
		if len(stable) > 0 {
			t.Fatalf("%v were never named, but %v", stable, seen)
		}
	})
}

// Neighbours by name are not neighbours on the ring: names that differ in
// their last character only are spread all over it.
func TestHashedRingSpreadsNames(t *testing.T) {
	const n = 1000
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprint("node", i)
	}
	r := overlay.HashedRing(names)
	near := 0
	for i := range cluster.NodeID(n) {
		next, _, _ := r.Next(0, i, nil, nil)
		if d := (n + int(next) - int(i)) % n; d <= 10 || d >= n-10 {
			near++
		}
	}
	if near > 3*n*20/1000 { // about 20 of 1000 by chance
		t.Errorf("%d of %d nodes have a neighbour with a number close by", near, n)
	}
}

func BenchmarkRingNext(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprint("node", i)
	}
	r := overlay.HashedRing(names)
	members := []cluster.NodeID{0}
	for len(members) < 8 {
		next, _, _ := r.Next(0, members[len(members)-1], members, nil)
		members = append(members, next)
	}
	for b.Loop() {
		r.Next(0, 0, members, nil)
	}
}
