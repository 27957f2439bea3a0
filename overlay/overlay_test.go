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
		if got, ok := r.Next(0, c.last, c.excluded); got != c.want || ok != c.ok {
			t.Errorf("after %d without %v: %d, %v; want %d, %v", c.last, c.excluded, got, ok, c.want, c.ok)
		}
	}
}

// A search that excludes all it has seen names every node once.
func TestASearchSeesEveryNodeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "nodes")
		names := make([]string, n)
		for i := range names {
			names[i] = fmt.Sprint("node", i)
		}
		r := overlay.HashedRing(names)
		root := cluster.NodeID(rapid.IntRange(0, n-1).Draw(t, "root"))
		seen := []cluster.NodeID{root}
		for last := root; ; {
			next, ok := r.Next(root, last, seen)
			if !ok {
				break
			}
			if slices.Contains(seen, next) {
				t.Fatalf("%d comes twice", next)
			}
			seen, last = append(seen, next), next
		}
		if len(seen) != n || r.Size() != n {
			t.Fatalf("saw %d of %d nodes", len(seen), n)
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
		next, _ := r.Next(0, i, nil)
		if d := (n + int(next) - int(i)) % n; d <= 10 || d >= n-10 {
			near++
		}
	}
	if near > 3*n*20/1000 { // about 20 of 1000 by chance
		t.Errorf("%d of %d nodes have a neighbour with a number close by", near, n)
	}
}

func BenchmarkNext(b *testing.B) {
	names := make([]string, 10_000)
	for i := range names {
		names[i] = fmt.Sprint("node", i)
	}
	r := overlay.HashedRing(names)
	members := []cluster.NodeID{0}
	for len(members) < 8 {
		next, _ := r.Next(0, members[len(members)-1], members)
		members = append(members, next)
	}
	for b.Loop() {
		r.Next(0, 0, members)
	}
}
