package bench

import (
	"errors"
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// Load is the scenario of VMs whose load changes: hosts of 8 cores with 10 VMs
// of one vCPU each, as the program in peers/simgrid runs it on SimGrid.
type Load struct {
	Hosts int
	Until sim.Seconds
	Seed  uint64
	// Migrate makes each host that is asked for more than 7 cores send its VM of
	// highest load to a random host, one at a time.
	Migrate bool
}

// The scenario's constants, which are those of the peer's program.
const (
	loadVMs   = 10
	loadCores = 8
	most      = 700 // percent of a core, that a host may be asked for
	parts     = 100 // of a run
)

// LoadResult is what a run did.
type LoadResult struct {
	Changes    int
	Events     uint64
	Migrations int
	Delivered  float64 // core-seconds
}

// Prepare makes the world of a run. What takes time in it, beside the run
// itself, is drawing and sorting the changes.
func (l Load) Prepare() (*LoadRun, error) {
	if l.Hosts < 2 {
		return nil, fmt.Errorf("%d hosts are too few: the scenario needs 2", l.Hosts)
	}
	settings := sim.DefaultSettings()
	s, err := sim.NewWith(settings)
	if err != nil {
		return nil, err
	}
	r := &LoadRun{
		Load: l, sim: s, changes: Changes(l.VMs(), float64(l.Until), l.Seed),
		load: make([]int32, l.VMs()), asked: make([]int32, l.Hosts), leaving: make([]bool, l.Hosts),
		targets: random{l.Seed ^ 0xABCDEF},
	}
	if err := r.furnish(); err != nil {
		return nil, err
	}
	return r, nil
}

// LoadRun is a run of the scenario. It is its own event: the next change of load.
type LoadRun struct {
	Load
	sim      *sim.Simulation
	changes  []Change
	next     int
	expected int     // how many of the changes the simulation expects
	load     []int32 // by VM, in percent of a core
	asked    []int32 // by host, in percent of a core
	leaving  []bool  // by host: a VM migrates away
	targets  random
	result   LoadResult
}

func (r *LoadRun) furnish() error {
	star := sim.NewStar()
	r.sim.Grow(r.Hosts, 2*r.Hosts, r.VMs())
	for range r.Hosts {
		h, err := r.sim.AddHost(sim.HostSpec{Cores: loadCores, Speeds: []sim.Speed{sim.Giga}})
		if err != nil {
			return err
		}
		up, down, err := r.sim.AddDuplex(sim.LinkSpec{Bandwidth: 125e6, Latency: 50e-6})
		if err != nil {
			return err
		}
		star.Connect(h, up, down)
	}
	r.sim.SetRouter(star)
	for v := range r.VMs() {
		_, err := r.sim.AddVM(sim.VMSpec{
			Host: sim.HostID(v / loadVMs), VCPUs: 1, Memory: cluster.GiB,
			DirtyRate: 0.4 * 125e6, WorkingSet: cluster.GiB / 10 * 9, MigrationSpeed: 125e6,
		})
		if err != nil {
			return err
		}
	}
	r.plan()
	return nil
}

// plan plans the next change of load.
func (r *LoadRun) plan() {
	if r.next == r.expected {
		r.expect()
	}
	if r.next < len(r.changes) {
		r.sim.At(sim.Seconds(r.changes[r.next].At), r, 0)
	}
}

// expect tells the simulation which VMs will change next.
func (r *LoadRun) expect() {
	var vms [32]sim.VMID
	coming := r.changes[r.next:min(r.next+len(vms), len(r.changes))]
	for i, c := range coming {
		vms[i] = sim.VMID(c.VM)
	}
	r.expected += len(coming)
	r.sim.Expect(vms[:len(coming)])
}

// Handle makes the next change of load.
func (r *LoadRun) Handle(sim.Seconds, uint64) {
	c := r.changes[r.next]
	r.next++
	vm := sim.VMID(c.VM)
	if err := r.sim.SetDemand(vm, sim.Speed(c.Load)*(sim.Giga/100)); err != nil {
		r.sim.Fail(err)
	}
	if r.Migrate {
		host := r.sim.HostOf(vm)
		r.asked[host] += c.Load - r.load[vm]
		r.load[vm] = c.Load
		r.relieve(host)
	}
	r.plan()
}

// relieve sends a VM away from a host that is asked for too much.
func (r *LoadRun) relieve(host sim.HostID) {
	if r.asked[host] <= most || r.leaving[host] {
		return
	}
	first := true
	var highest sim.VMID
	for _, vm := range r.sim.Hosted(host) {
		if first || r.load[vm] > r.load[highest] {
			highest, first = vm, false
		}
	}
	target := sim.HostID(r.targets.below(r.Hosts - 1))
	if target >= host {
		target++
	}
	r.leaving[host] = true
	err := r.sim.Migrate(highest, target, sim.MigrationPolicy{}, func(m sim.Migration) {
		r.leaving[host] = false
		r.asked[host] -= r.load[highest]
		r.asked[target] += r.load[highest]
		r.result.Migrations++
		if m.Err != nil {
			r.sim.Fail(m.Err)
		}
	})
	if err != nil {
		r.sim.Fail(err)
	}
}

// VMs returns how many there are.
func (l Load) VMs() int { return l.Hosts * loadVMs }

// Run runs the scenario to its end. It asks now and then whether to stop; nil
// means never.
func (r *LoadRun) Run(stop func() bool) (LoadResult, error) {
	for part := 1; part <= parts; part++ {
		if err := r.sim.Run(r.Until * sim.Seconds(part) / parts); err != nil {
			return LoadResult{}, err
		}
		if stop != nil && stop() {
			return LoadResult{}, errors.New("interrupted")
		}
	}
	r.result.Changes, r.result.Events = r.next, r.sim.Events()
	for v := range r.VMs() {
		r.result.Delivered += float64(r.sim.Delivered(sim.VMID(v)).Given) / sim.Giga
	}
	return r.result, nil
}
