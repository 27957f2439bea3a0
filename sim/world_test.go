package sim

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// addHosts adds n equal hosts with links of 1 Gbit/s.
func addHosts(s *Simulation, n int, cpu cluster.Millicores, memory cluster.Bytes) {
	for i := range n {
		s.AddHost(HostSpec{Name: fmt.Sprintf("h%d", i), CPU: cpu, Memory: memory, Up: cluster.Gigabit, Down: cluster.Gigabit})
	}
}

// addVM adds a VM of one vCPU and 1 GiB that writes no memory.
func addVM(s *Simulation, on HostID, demand cluster.Millicores) VMID {
	return s.AddVM(VMSpec{
		Name: fmt.Sprintf("vm%d", len(s.vms)), Host: on, VCPUs: 1,
		Memory: cluster.GiB, Demand: demand,
	})
}

// migrate starts a migration and returns where its record will be.
func migrate(t *testing.T, s *Simulation, vm VMID, to HostID) *Migration {
	t.Helper()
	record := new(Migration)
	if err := s.Migrate(vm, to, func(m Migration) { *record = m }); err != nil {
		t.Fatal(err)
	}
	return record
}

func near(a, b, relative float64) bool {
	return a == b || max(a-b, b-a) <= relative*max(a, b, -a, -b)
}

// loads changes the demand of VMs at random, as its own handler: arg is the
// VM. Migrations go to random hosts.
type loads struct {
	*Simulation
	rng  *rand.Rand
	mean time.Duration // between two changes of a VM
}

func (l *loads) Handle(now time.Duration, arg uint64) {
	l.SetDemand(VMID(arg), cluster.Millicores(l.rng.IntN(11))*100)
	l.next(arg)
}

func (l *loads) next(arg uint64) {
	l.At(l.Now()+time.Duration(l.rng.ExpFloat64()*float64(l.mean)), l, arg)
}

// newLoads returns a simulation of n hosts of 7 cores with 10 VMs each.
func newLoads(n int, seed uint64) *loads {
	l := &loads{Simulation: New(), rng: rand.New(rand.NewPCG(seed, 0)), mean: 300 * time.Second}
	addHosts(l.Simulation, n, 7*cluster.Core, 32*cluster.GiB)
	for i := range 10 * n {
		id := l.AddVM(VMSpec{Host: HostID(i / 10), VCPUs: 1, Memory: cluster.GiB, DirtyRate: 50_000_000})
		l.next(uint64(id))
	}
	return l
}

// relieve has a host with too much to do send a VM to a random host, one at a
// time, and returns a counter of the migrations that have ended.
func (l *loads) relieve() *int {
	ended := new(int)
	leaving := make([]bool, len(l.hosts))
	l.OnChange(func(h HostID) {
		if leaving[h] || l.Demand(h) <= l.Host(h).CPU {
			return
		}
		vm := l.Hosted(h)[l.rng.IntN(len(l.Hosted(h)))]
		err := l.Migrate(vm, HostID(l.rng.IntN(len(l.hosts))), func(m Migration) {
			leaving[m.Source] = false
			*ended++
		})
		leaving[h] = err == nil
	})
	return ended
}
