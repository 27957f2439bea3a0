package vivaldi_test

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/overlay/vivaldi"
)

// matrix is the true round trips between sites, and within each of them.
type matrix [][]time.Duration

// grid5000 is Table 4 of the thesis: Grenoble, Luxembourg, Nancy, Rennes.
func grid5000() matrix {
	return symmetric([][]float64{{0.09}, {16.55, 0.17}, {14.24, 2.70, 0.27}, {15.92, 13.82, 11.42, 0.23}})
}

// symmetric makes a matrix of its lower half, in milliseconds.
func symmetric(half [][]float64) matrix {
	m := make(matrix, len(half))
	for i := range m {
		m[i] = make([]time.Duration, len(half))
		for j := range m {
			m[i][j] = time.Duration(half[max(i, j)][min(i, j)] * float64(time.Millisecond))
		}
	}
	return m
}

// synthetic draws sites on a square of 40 ms, the way from each to the others up
// to a third longer than the straight line, and 0.1 to 0.3 ms within a site.
func synthetic(sites int, random *rand.Rand) matrix {
	x, y := make([]float64, sites), make([]float64, sites)
	half := make([][]float64, sites)
	for i := range half {
		x[i], y[i] = 40*random.Float64(), 40*random.Float64()
		for j := range i {
			half[i] = append(half[i], 0.5+math.Hypot(x[i]-x[j], y[i]-y[j])*(1+random.Float64()/3))
		}
		half[i] = append(half[i], 0.1+0.2*random.Float64())
	}
	return symmetric(half)
}

// embed lets nodes on sites measure round trips to others at random, each so
// many times, and returns their coordinates. Each measurement is up to noise
// longer than the truth, as a share of it.
func embed(m matrix, perSite, rounds int, noise float64, seed uint64) []vivaldi.Coordinate {
	random := rand.New(rand.NewPCG(seed, 0))
	all := make([]vivaldi.Coordinate, len(m)*perSite)
	for i := range all {
		all[i] = vivaldi.Start(random)
	}
	for range rounds {
		for i := range all {
			j := random.IntN(len(all))
			if random.IntN(2) == 0 { // half of the measurements are within the site
				j = i/perSite*perSite + random.IntN(perSite)
			}
			if i != j {
				truth := float64(m[i/perSite][j/perSite])
				all[i] = all[i].Moved(all[j], time.Duration(truth*(1+noise*random.Float64())), random)
			}
		}
	}
	return all
}

// quality returns the median relative error of the predicted round trips, and
// the mean over the nodes of the rank correlation (Spearman's) between the
// predicted and the true order of the other nodes.
func quality(m matrix, perSite int, all []vivaldi.Coordinate) (median, rank float64) {
	var errors []float64
	for i := range all {
		var truth, predicted []float64
		for j := range all {
			if i != j {
				truth = append(truth, float64(m[i/perSite][j/perSite]))
				predicted = append(predicted, float64(all[i].RoundTrip(all[j])))
				errors = append(errors, math.Abs(predicted[len(predicted)-1]/truth[len(truth)-1]-1))
			}
		}
		rank += correlation(ranks(truth), ranks(predicted)) / float64(len(all))
	}
	slices.Sort(errors)
	return errors[len(errors)/2], rank
}

// ranks returns the place of each value among all; equal ones share theirs.
func ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	rank := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			rank[i] = float64(from+to-1) / 2
		}
		from = to
	}
	return rank
}

func correlation(x, y []float64) float64 {
	var mx, my, xy, xx, yy float64
	for i := range x {
		mx, my = mx+x[i]/float64(len(x)), my+y[i]/float64(len(y))
	}
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}

// neighbours returns the share of the nodes' nearest peers by coordinate, as
// many as are on a node's site, that are on its site.
func neighbours(perSite int, all []vivaldi.Coordinate) float64 {
	right := 0
	for i, c := range all {
		order := make([]int, 0, len(all))
		for j := range all {
			if i != j {
				order = append(order, j)
			}
		}
		slices.SortFunc(order, func(a, b int) int { return cmp.Compare(c.Distance(all[a]), c.Distance(all[b])) })
		for _, j := range order[:perSite-1] {
			if i/perSite == j/perSite {
				right++
			}
		}
	}
	return float64(right) / float64(len(all)*(perSite-1))
}

// Coordinates predict who is near: all sites are told apart, and the order of
// the peers is nearly the true one.
func TestCoordinatesRankPeers(t *testing.T) {
	for _, c := range []struct {
		name        string
		m           matrix
		rounds      int
		noise       float64
		median      float64 // at most
		rank, right float64 // at least
	}{
		{"four sites", grid5000(), 200, 0, 0.1, 0.9, 1},
		{"four sites, noise", grid5000(), 200, 0.5, 0.4, 0.9, 1},
		{"twenty sites", synthetic(20, rand.New(rand.NewPCG(7, 7))), 400, 0, 0.1, 0.95, 1},
		{"twenty sites, noise", synthetic(20, rand.New(rand.NewPCG(7, 7))), 400, 0.5, 0.4, 0.95, 0.98},
	} {
		for seed := range uint64(3) {
			all := embed(c.m, 10, c.rounds, c.noise, seed)
			median, rank := quality(c.m, 10, all)
			right := neighbours(10, all)
			t.Logf("%s, seed %d: median relative error %.3f, rank correlation %.4f, neighbours on the same site %.3f", c.name, seed, median, rank, right)
			if !(median <= c.median && rank >= c.rank && right >= c.right) {
				t.Errorf("%s, seed %d: want at most %v, and at least %v and %v", c.name, seed, c.median, c.rank, c.right)
			}
		}
	}
}

// Whatever is measured, coordinates stay usable, and the same inputs give the
// same coordinates.
func TestCoordinatesStayUsable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Uint64().Draw(t, "seed")
		one, two := rand.New(rand.NewPCG(seed, 1)), rand.New(rand.NewPCG(seed, 1))
		a, b := vivaldi.Start(one), vivaldi.Start(one)
		c, d := vivaldi.Start(two), vivaldi.Start(two)
		if rapid.Bool().Draw(t, "in one place") {
			b, d = a, c
		}
		for _, us := range rapid.SliceOf(rapid.Int64Range(-10, 20_000_000)).Draw(t, "round trips") {
			rtt := time.Duration(us) * time.Microsecond
			a, c = a.Moved(b, rtt, one), c.Moved(d, rtt, two)
			b, d = b.Moved(a, rtt, one), d.Moved(c, rtt, two)
			if !a.Usable() || !b.Usable() {
				t.Fatalf("after %v: %+v, %+v", rtt, a, b)
			}
			if a != c || b != d {
				t.Fatalf("the same inputs give %+v and %+v", a, c)
			}
		}
	})
}

// Two nodes find their distance, from the same place as well.
func TestTwoNodes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	a := vivaldi.Start(random)
	b := a
	for range 100 {
		a = a.Moved(b, 10*time.Millisecond, random)
		b = b.Moved(a, 10*time.Millisecond, random)
	}
	if d := a.RoundTrip(b); d < 9900*time.Microsecond || d > 10100*time.Microsecond || a.Error > 0.05 {
		t.Errorf("%v, error %v; want 10 ms", d, a.Error)
	}
}

// A point is where its coordinate is, to a microsecond.
func TestPointsKeepDistances(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		a, b := vivaldi.Start(random), vivaldi.Start(random)
		for range rapid.IntRange(0, 50).Draw(t, "rounds") {
			a = a.Moved(b, time.Duration(random.Int64N(int64(time.Second))), random)
			b = b.Moved(a, time.Duration(random.Int64N(int64(time.Second))), random)
		}
		want, got := a.Distance(b), a.Point().Distance(b.Point())
		if math.Abs(got-want) > 1 || got != vivaldi.At(a.Point()).Distance(vivaldi.At(b.Point())) {
			t.Fatalf("%v apart, and their points %v", want, got)
		}
	})
}

func TestFilterDropsOutliers(t *testing.T) {
	var f vivaldi.Filter
	got := make([]time.Duration, 0, 6)
	for _, rtt := range []time.Duration{5, 7, 900, 6, 1, 6} {
		got = append(got, f.Median(3, rtt))
	}
	if want := []time.Duration{5, 7, 7, 7, 6, 6}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if got := f.Median(35, 40); got != 40 { // it takes the place of 3
		t.Errorf("the first of another peer: %v", got)
	}
}

func BenchmarkMoved(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 2))
	x, y := vivaldi.Start(random), vivaldi.Start(random)
	for b.Loop() {
		x = x.Moved(y, 10*time.Millisecond, random)
	}
}
