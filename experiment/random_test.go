package experiment_test

import (
	"flag"
	"testing"

	"github.com/dvms-project/dvms/experiment"
)

var (
	seeds = flag.Int("seeds", 60, "random worlds to run")
	first = flag.Uint64("first", 1, "the first of them")
)

// Nothing is wrong in random worlds, and they are worlds in which much goes wrong.
func TestRandomWorlds(t *testing.T) {
	var all experiment.Tally
	for seed := *first; seed < *first+uint64(*seeds); seed++ {
		tally, _, err := experiment.RunRandom(t.Context(), seed)
		if err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		all.Add(tally)
	}
	for i, n := range all.Outcomes {
		if n == 0 && *seeds >= 60 {
			t.Errorf("no procedure ended %s", experiment.Outcomes[i])
		}
	}
	if n := *seeds; n >= 60 && min(all.Crashes, all.Migrations, all.Violations, all.Lost, all.Doubled) < n || all.Returns > all.Crashes {
		t.Errorf("little happened: %+v", all)
	}
}

// Each random world is one that a scenario file could describe.
func TestRandomWorldsAreValid(t *testing.T) {
	sizes := map[bool]int{}
	for seed := range uint64(2000) {
		s := experiment.Random(seed).Scenario
		if err := s.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if s.Hosts.Count < 10 || s.Hosts.Count > 500 {
			t.Fatalf("seed %d: %d hosts", seed, s.Hosts.Count)
		}
		sizes[s.Hosts.Count > 50]++
	}
	if sizes[true] < 200 || sizes[false] < 1000 {
		t.Errorf("%v have more than 50 hosts", sizes)
	}
}
