package experiment

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/dvms-project/dvms/trace"
)

// The random worlds of RunRandom, in which people also ask for things: nothing is
// wrong in them, and most of what is asked for is done.
func TestRandomWorldsWithRequests(t *testing.T) {
	asked, done, starts := 0, 0, 0
	for seed := range uint64(20) {
		spec := Random(seed)
		askIn(&spec.Scenario, rand.New(rand.NewPCG(seed, 99)))
		var all journal
		if _, err := Run(t.Context(), spec, &all, nil); err != nil {
			t.Errorf("seed %d, with %d hosts: %v", seed, spec.Scenario.Hosts.Count, err)
		}
		for _, r := range of[trace.Request](all) {
			asked++
			done += one(r.Outcome == "done")
		}
		starts += len(of[trace.Start](all))
	}
	if asked < 40 || done < asked/2 || starts < 20 {
		t.Errorf("of %d requests %d are done, with %d starts", asked, done, starts)
	}
}

// askIn adds random requests to a scenario, and leaves those out that make no
// sense.
func askIn(s *Scenario, r *rand.Rand) {
	host := func() string { return hostName(r.IntN(s.Hosts.Count)) }
	vm := func() string { return vmName(r.IntN(s.VMs.Count)) }
	for i := range 2 + r.IntN(8) {
		q := Request{At: Duration(r.Int64N(int64(s.Duration)))}
		name, few := fmt.Sprintf("r%d", i), []string{vm(), vm(), vm()}
		switch r.IntN(7) {
		case 0:
			q.Drain = []string{host(), host()}
		case 1:
			q.Undrain = []string{host()}
		case 2:
			q.Place = Arrival{Name: name, Class: s.VMs.Classes[0].Name, Count: 1 + r.IntN(12), Load: 40}
		case 3:
			q.Rule = NewRule{Name: name, Spread: few}
		case 4:
			q.Rule = NewRule{Name: name, Fence: few[:1], Nodes: []string{host(), host(), host()}}
		case 5:
			q.Suspend = few
		case 6:
			for _, before := range s.Requests {
				if before.Suspend != nil && before.At < q.At {
					q.Resume = before.Suspend
				}
			}
		}
		before := s.Requests
		if s.Requests = append(slices.Clone(before), q); s.Validate() != nil {
			s.Requests = before
		}
	}
}
