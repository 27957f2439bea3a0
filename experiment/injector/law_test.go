package injector

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

func all(s Source) (changes []Change) {
	for c, ok := s.Next(); ok; c, ok = s.Next() {
		changes = append(changes, c)
	}
	return changes
}

func ones(n int) []int32 {
	return slices.Repeat([]int32{1}, n)
}

// The reference law over ten times the VMs of the published experiments, so
// that means are sharp: the number of changes, their loads and their VMs are
// as the law says.
func TestGaussianFollowsItsLaw(t *testing.T) {
	const vms = 6400
	changes := all(Reference().Gaussian(ones(vms), 1).Changes)

	const want = vms * 1800 / 300
	if sd := math.Sqrt(want); math.Abs(float64(len(changes)-want)) > 4*sd {
		t.Errorf("%d changes, want %d ± %.0f", len(changes), want, sd)
	}
	var sum, squares float64
	perVM := make([]int, vms)
	byMinute := make([]int, 30)
	for _, c := range changes {
		percent := float64(c.CPU) / 10
		sum += percent
		squares += percent * percent
		perVM[c.VM]++
		byMinute[c.At/time.Minute]++
	}
	n := float64(len(changes))
	mean, sd := sum/n, math.Sqrt(squares/n-sum/n*sum/n)
	// Clamping and rounding move the mean and the deviation a little, to the
	// 59.97 and 19.84 of the shipped traces.
	if math.Abs(mean-59.9) > 0.4 || math.Abs(sd-19.9) > 0.4 {
		t.Errorf("loads are %.2f ± %.2f%%, want about 60 ± 20%%", mean, sd)
	}
	// Six changes for each VM on average, a Poisson number: none with
	// probability exp(-6).
	never := 0
	for _, n := range perVM {
		if n == 0 {
			never++
		}
	}
	if never < 4 || never > 32 {
		t.Errorf("%d VMs never change, want about 16", never)
	}
	for minute, n := range byMinute {
		if math.Abs(float64(n)-want/30) > 5*math.Sqrt(want/30) {
			t.Errorf("minute %d has %d changes, want about %d", minute, n, want/30)
		}
	}
}

func TestGaussianIsInOrderAndInBounds(t *testing.T) {
	law := Reference()
	law.Slots, law.SD = 3, 70
	vcpus := []int32{1, 2, 4, 0}
	last := time.Duration(0)
	for seed := range uint64(20) {
		last = 0
		for _, c := range all(law.Gaussian(vcpus, seed).Changes) {
			if c.At < last || c.At >= law.Duration {
				t.Fatalf("seed %d: a change at %v after one at %v", seed, c.At, last)
			}
			last = c.At
			slot := 333 * cluster.Millicores(vcpus[c.VM])
			if c.CPU < 0 || c.CPU > 3*slot || slot != 0 && c.CPU%slot != 0 {
				t.Fatalf("seed %d: VM %d of %d vCPUs asks for %v", seed, c.VM, vcpus[c.VM], c.CPU)
			}
		}
	}
}

func TestGaussianFirstChanges(t *testing.T) {
	changes := all(Reference().Gaussian(ones(640), 23).Changes)
	var got []string
	for _, c := range changes[:3] {
		got = append(got, fmt.Sprintf("%v vm-%d %v", c.At, c.VM, c.CPU))
	}
	const want = "241.474889ms vm-311 0.5 cores; 612.73555ms vm-557 0.5 cores; 1.514549062s vm-376 0.7 cores"
	if got := strings.Join(got, "; "); got != want {
		t.Errorf("the first changes are\n%s, want\n%s", got, want)
	}
	again := all(Reference().Gaussian(ones(640), 23).Changes)
	if !slices.Equal(changes, again) {
		t.Error("the same seed gives other changes")
	}
	other := all(Reference().Gaussian(ones(640), 24).Changes)
	if slices.Equal(changes, other) {
		t.Error("another seed gives the same changes")
	}
}

// The streams are independent: other loads leave the times and VMs alone.
func TestGaussianStreams(t *testing.T) {
	law := Reference()
	changes := all(law.Gaussian(ones(10), 5).Changes)
	law.Mean, law.SD = 30, 10
	others := all(law.Gaussian(ones(10), 5).Changes)
	if len(changes) != len(others) {
		t.Fatalf("%d changes and %d", len(changes), len(others))
	}
	for i, c := range changes {
		if o := others[i]; c.At != o.At || c.VM != o.VM {
			t.Fatalf("change %d: %v and %v", i, c, o)
		}
	}
}

func TestInitial(t *testing.T) {
	law := Reference()
	for _, c := range []struct {
		start Start
		mean  float64
		want  string
	}{
		{AtZero, 60, "[0 cores 0 cores 0 cores]"},
		{AtMean, 60, "[0.6 cores 1.2 cores 2.4 cores]"},
		{AtMean, 62.5, "[0.625 cores 1.25 cores 2.5 cores]"},
	} {
		law.Start, law.Mean = c.start, c.mean
		for _, w := range []Workload{
			law.Gaussian([]int32{1, 2, 4}, 1), law.VMPlaceS([]int32{1, 2, 4}, 1),
		} {
			if got := fmt.Sprint(w.Initial); got != c.want {
				t.Errorf("start %d, mean %v: %s, want %s", c.start, c.mean, got, c.want)
			}
		}
	}
}

func TestNoVMs(t *testing.T) {
	for _, w := range []Workload{Reference().Gaussian(nil, 1), Reference().VMPlaceS(nil, 1)} {
		if got := all(w.Changes); len(got) != 0 || len(w.Initial) != 0 {
			t.Errorf("no VMs have %d loads and %d changes", len(w.Initial), len(got))
		}
	}
}

func TestSlot(t *testing.T) {
	for _, c := range []struct {
		slots int
		load  float64
		want  int64
	}{
		{10, -3, 0},
		{10, 0, 0},
		{10, 4.999, 0},
		{10, 5, 1},
		{10, 64.9, 6},
		{10, 65, 7},
		{10, 100, 10},
		{10, 170, 10},
		{2, 24.9, 0},
		{2, 25, 1},
		{1, 49.9, 0},
		{1, 50, 1},
	} {
		law := Reference()
		law.Slots = c.slots
		if got := law.slot(c.load); got != c.want {
			t.Errorf("%v%% in %d slots is %d, want %d", c.load, c.slots, got, c.want)
		}
	}
}

func TestLawValidate(t *testing.T) {
	if err := Reference().Validate(); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(*Law){
		"the duration of the load is negative: -1s":                              func(l *Law) { l.Duration = -time.Second },
		"the load period is 0s; it must be positive":                             func(l *Law) { l.Period = 0 },
		"the mean load is NaN%; it must be from 0% to 100%":                      func(l *Law) { l.Mean = math.NaN() },
		"the mean load is 101%; it must be from 0% to 100%":                      func(l *Law) { l.Mean = 101 },
		"the standard deviation of the load is -1%; it must be positive or 0":    func(l *Law) { l.SD = -1 },
		"there are 0 load slots; at least 1 is needed":                           func(l *Law) { l.Slots = 0 },
		"a vCPU at full load asks for 0.009 cores, too little for 10 load slots": func(l *Law) { l.Full = 9 },
		"VMs start at a load of zero or at the mean":                             func(l *Law) { l.Start = 2 },
	} {
		l := Reference()
		change(&l)
		if err := l.Validate(); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestStream(t *testing.T) {
	if Stream(1, "a").Uint64() != Stream(1, "a").Uint64() {
		t.Error("a stream is not repeatable")
	}
	seen := map[uint64]bool{}
	for seed := range uint64(100) {
		for _, purpose := range []string{"a", "b", "ab", ""} {
			seen[Stream(seed, purpose).Uint64()] = true
		}
	}
	if len(seen) != 400 {
		t.Errorf("400 streams have %d first numbers", len(seen))
	}
}

func BenchmarkGaussian(b *testing.B) {
	law := Reference()
	law.Duration = math.MaxInt64
	source := law.Gaussian(ones(100_000), 1).Changes
	for b.Loop() {
		source.Next()
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "changes/s")
}
