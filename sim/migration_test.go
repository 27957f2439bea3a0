package sim_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

// rack is hosts around a switch, by duplex links of Gigabit Ethernet.
type rack struct {
	*sim.Simulation
	t        *testing.T
	hosts    []sim.HostID
	up, down []sim.LinkID
	ended    []sim.Migration
}

// newRack makes a rack of hosts with so many cores of 1 Gflop/s and 16 GiB. A
// transfer waits 1 ms and then is as fast as a link.
func newRack(t *testing.T, settings sim.Settings, hosts, cores int) *rack {
	t.Helper()
	settings.Check = true
	if settings.Network.Name == "" {
		settings.Network = sim.NetworkModel{Name: "plain", LatencyFactor: 1, BandwidthFactor: 1}
	}
	s, err := sim.NewWith(settings)
	if err != nil {
		t.Fatal(err)
	}
	r := &rack{Simulation: s, t: t}
	star := sim.NewStar()
	for i := range hosts {
		h, err := s.AddHost(sim.HostSpec{Name: fmt.Sprint("h", i), Cores: cores, Speeds: []sim.Speed{sim.Giga}, Memory: 16 * gib})
		r.must(err)
		up, down, err := s.AddDuplex(sim.LinkSpec{Name: fmt.Sprint("l", i), Bandwidth: gbE, Latency: 0.0005})
		r.must(err)
		star.Connect(h, up, down)
		r.hosts, r.up, r.down = append(r.hosts, h), append(r.up, up), append(r.down, down)
	}
	s.SetRouter(star)
	return r
}

func (r *rack) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// vm adds a VM of 1 GiB that is busy to a part, and then writes 60 MiB/s.
func (r *rack) vm(host int, load float64) sim.VMID {
	r.t.Helper()
	id, err := r.AddVM(sim.VMSpec{
		Name: fmt.Sprint("vm", r.VMs()), Host: r.hosts[host], VCPUs: 1, Memory: gib, DirtyRate: 60 * mib,
		Demand: sim.Speed(load * sim.Giga), Disk: 10 * gib, DiskTop: gib, DiskDirtyRate: mib,
	})
	r.must(err)
	return id
}

// migrate begins a migration, whose record will be in r.ended.
func (r *rack) migrate(vm sim.VMID, target int, policy sim.MigrationPolicy) {
	r.t.Helper()
	r.must(r.Migrate(vm, r.hosts[target], policy, func(m sim.Migration) { r.ended = append(r.ended, m) }))
}

func (r *rack) run(until sim.Seconds) {
	r.t.Helper()
	r.must(r.Run(until))
}

// one returns the record of the only migration that has ended.
func (r *rack) one() sim.Migration {
	r.t.Helper()
	if len(r.ended) != 1 {
		r.t.Fatalf("%d migrations have ended, want 1", len(r.ended))
	}
	return r.ended[0]
}

// quiet checks that migrations have left nothing behind: each VM is where it
// should be or off, memory adds up, no link is busy, and no host computes but for
// its VMs.
func (r *rack) quiet() {
	r.t.Helper()
	on := make([]int, r.VMs())
	for _, h := range r.hosts {
		var used sim.Bytes
		var shares sim.Speed
		for _, vm := range r.Hosted(h) {
			on[vm]++
			used += r.VM(vm).Memory
			shares += r.Share(vm)
			if r.HostOf(vm) != h {
				r.t.Errorf("VM %d is hosted by %v, but on %v", vm, h, r.HostOf(vm))
			}
		}
		if got := r.MemoryUsed(h); got != used {
			r.t.Errorf("host %v: %v of memory used, want %v", h, got, used)
		}
		if got := r.MemoryPromised(h); got != 0 {
			r.t.Errorf("host %v: %v of memory promised, want none", h, got)
		}
		if got := r.HostLoad(h); math.Abs(float64(got-shares)) > 1 {
			r.t.Errorf("host %v computes %v, its VMs %v", h, float64(got), float64(shares))
		}
	}
	for id := range on {
		vm := sim.VMID(id)
		want := 1
		if state := r.State(vm); state == sim.VMOff || state == sim.VMDestroyed {
			want = 0
		}
		if on[id] != want {
			r.t.Errorf("VM %d, which is %v, is on %d hosts", id, r.State(vm), on[id])
		}
		if _, ok := r.Migrating(vm); ok {
			r.t.Errorf("VM %d migrates still", id)
		}
		// Throttling is over.
		if v := r.VM(vm); r.State(vm) == sim.VMRunning && math.Abs(float64(r.Share(vm)-v.Demand)) > 1 {
			r.t.Errorf("VM %d gets %v, want all of %v", id, float64(r.Share(vm)), float64(v.Demand))
		}
	}
	for l := range r.Links() {
		if load := r.LinkLoad(sim.LinkID(l)); load != 0 {
			r.t.Errorf("link %d is loaded with %v B/s", l, float64(load))
		}
	}
}

// A VM is on the source, and its memory promised at the target, until it goes on
// there; it is suspended before, for at most 30 ms.
func TestMigrate(t *testing.T) {
	r := newRack(t, sim.Settings{}, 2, 4)
	vm := r.vm(0, 0.6)
	var states []string
	r.OnVM(func(_ sim.VMID, from, to sim.VMState) {
		states = append(states, fmt.Sprintf("%v -> %v on %v at %.3f", from, to, r.HostOf(vm), float64(r.Now())))
	})
	r.run(100)
	r.migrate(vm, 1, sim.MigrationPolicy{})
	if m, ok := r.Migrating(vm); !ok || m.Target != r.hosts[1] || m.Start != 100 || m.End != sim.Forever {
		t.Errorf("migrating: %v, %+v", ok, m)
	}
	r.run(105)
	if r.HostOf(vm) != r.hosts[0] || r.MemoryUsed(r.hosts[0]) != gib || r.MemoryPromised(r.hosts[1]) != gib || r.MemoryUsed(r.hosts[1]) != 0 {
		t.Errorf("the VM is on %v; %v are used there, and %v promised at the target", r.HostOf(vm), r.MemoryUsed(r.hosts[0]), r.MemoryPromised(r.hosts[1]))
	}
	r.run(200)
	m := r.one()
	if m.VM != vm || m.Source != r.hosts[0] || m.Target != r.hosts[1] || m.Asked != 100 || m.Start != 100 || !m.Converged || m.Err != nil || m.Speed != 1 {
		t.Errorf("record %+v", m)
	}
	if m.Downtime <= 0 || m.Downtime > 0.03 || !near(float64(m.Resumed-m.Suspended), float64(m.Downtime)) {
		t.Errorf("paused from %v to %v s, %v s in all", m.Suspended, m.Resumed, m.Downtime)
	}
	if got := float64(m.End - m.Resumed); math.Abs(got-0.001) > 1e-9 {
		t.Errorf("the caller is told %v s after the VM goes on, want 1 ms, the latency", got)
	}
	want := []string{
		fmt.Sprintf("running -> suspended on 0 at %.3f", float64(m.Suspended)),
		fmt.Sprintf("suspended -> running on 1 at %.3f", float64(m.Resumed)),
	}
	if strings.Join(states, "; ") != strings.Join(want, "; ") {
		t.Errorf("states %q, want %q", states, want)
	}
	if len(m.Rounds) != m.Transfers || m.Rounds[0].Bytes != gib || m.Rounds[0].Start != 100 || m.Rounds[m.Transfers-1].Stage != sim.StageStop {
		t.Errorf("rounds %+v", m.Rounds)
	}
	if r.HostOf(vm) != r.hosts[1] || r.State(vm) != sim.VMRunning {
		t.Errorf("the VM is %v on %v", r.State(vm), r.HostOf(vm))
	}
	r.quiet()
}

func TestMigrationsThatAreRefused(t *testing.T) {
	r := newRack(t, sim.Settings{}, 4, 4)
	vm, off := r.vm(0, 0.5), r.vm(0, 0.5)
	large, err := r.AddVM(sim.VMSpec{Name: "large", Host: r.hosts[1], VCPUs: 1, Memory: 15*gib + 1})
	r.must(err)
	r.must(r.Shutdown(off))
	r.must(r.TurnOff(r.hosts[2]))
	r.must(r.SwitchLink(r.down[3], false))
	for _, test := range []struct {
		name   string
		vm     sim.VMID
		target sim.HostID
		policy sim.MigrationPolicy
		err    error
		says   string
	}{
		{name: "unknown VM", vm: 99, target: r.hosts[1], says: "VM 99"},
		{name: "negative VM", vm: -1, target: r.hosts[1], says: "VM -1"},
		{name: "unknown host", vm: vm, target: 99, says: "host 99"},
		{name: "off", vm: off, target: r.hosts[1], err: sim.ErrVMState, says: `"vm1"`},
		{name: "same host", vm: vm, target: r.hosts[0], err: sim.ErrSameHost, says: `"h0"`},
		{name: "host off", vm: vm, target: r.hosts[2], err: sim.ErrHostOff, says: `"h2"`},
		{name: "link off", vm: vm, target: r.hosts[3], err: sim.ErrLinkOff, says: `"l3_DOWN"`},
		{name: "link off, and no pass before", vm: vm, target: r.hosts[3], policy: sim.MigrationPolicy{MaxRounds: 1}, err: sim.ErrLinkOff},
		{name: "no room", vm: large, target: r.hosts[0], err: sim.ErrNoRoom, says: `"h0"`},
		{name: "policy", vm: vm, target: r.hosts[1], policy: sim.MigrationPolicy{MaxDowntime: -1}, says: "-1"},
	} {
		err := r.Migrate(test.vm, test.target, test.policy, func(sim.Migration) { t.Errorf("%s: done was called", test.name) })
		if err == nil || !errors.Is(err, test.err) && test.err != nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %v with %s", test.name, err, test.err, test.says)
		}
	}
	r.must(r.SwitchLink(r.down[3], true))
	r.must(r.TurnOn(r.hosts[2]))
	if err := r.CancelMigration(vm); !errors.Is(err, sim.ErrNotMigrating) {
		t.Errorf("cancelled nothing: %v", err)
	}
	if err := r.CancelMigration(99); err == nil {
		t.Error("cancelled the migration of an unknown VM")
	}
	if err := r.SetController(99); err == nil {
		t.Error("an unknown host is the controller")
	}
	if r.State(vm) != sim.VMRunning {
		t.Errorf("the VM is %v", r.State(vm))
	}
	r.must(r.Migrate(vm, r.hosts[2], sim.MigrationPolicy{MaxDowntime: 10}, nil))
	if err := r.Migrate(vm, r.hosts[3], sim.MigrationPolicy{}, nil); !errors.Is(err, sim.ErrMigrating) {
		t.Errorf("it migrates twice: %v", err)
	}
	if err := r.Move(vm, r.hosts[3]); !errors.Is(err, sim.ErrMigrating) {
		t.Errorf("it is moved while it migrates: %v", err)
	}
	if err := r.Migrate(large, r.hosts[0], sim.MigrationPolicy{}, nil); !errors.Is(err, sim.ErrNoRoom) {
		t.Errorf("no room: %v", err)
	}
	r.run(9) // in the pause
	if r.State(vm) != sim.VMSuspended {
		t.Fatalf("the VM is %v, want a pause", r.State(vm))
	}
	if err := r.Resume(vm); !errors.Is(err, sim.ErrMigrating) {
		t.Errorf("resumed in the pause: %v", err)
	}
	r.run(100)
	r.quiet()
}

// Memory that is promised to one can't be promised to another.
func TestPromisedMemoryIsNotPromisedTwice(t *testing.T) {
	r := newRack(t, sim.Settings{}, 3, 4)
	var large [2]sim.VMID
	for i := range large {
		var err error
		large[i], err = r.AddVM(sim.VMSpec{Name: "large", Host: r.hosts[i], VCPUs: 1, Memory: 10 * gib})
		r.must(err)
	}
	r.migrate(large[0], 2, sim.MigrationPolicy{})
	if err := r.Migrate(large[1], r.hosts[2], sim.MigrationPolicy{}, nil); !errors.Is(err, sim.ErrNoRoom) {
		t.Errorf("the second: %v", err)
	}
	r.must(r.CancelMigration(large[0]))
	r.migrate(large[1], 2, sim.MigrationPolicy{})
	r.run(1000)
	r.quiet()
}

// A suspended VM migrates, and stays suspended.
func TestMigrationOfASuspendedVM(t *testing.T) {
	r := newRack(t, sim.Settings{}, 2, 4)
	vm := r.vm(0, 1)
	r.must(r.Suspend(vm))
	r.migrate(vm, 1, sim.MigrationPolicy{})
	r.run(100)
	if m := r.one(); m.Bytes != gib || m.Transfers != 2 || m.Err != nil {
		t.Errorf("record %+v, want all memory, and nothing more", m)
	}
	if r.State(vm) != sim.VMSuspended || r.HostOf(vm) != r.hosts[1] {
		t.Errorf("the VM is %v on %v", r.State(vm), r.HostOf(vm))
	}
	r.must(r.Resume(vm))
	r.quiet()
}

// The acknowledgement goes to the controller.
func TestController(t *testing.T) {
	for _, test := range []struct {
		controller int
		takes      float64
	}{{0, 0.001}, {1, 0}, {2, 0.001}} {
		r := newRack(t, sim.Settings{}, 3, 4)
		r.must(r.SetController(r.hosts[test.controller]))
		r.migrate(r.vm(0, 0), 1, sim.MigrationPolicy{})
		r.run(100)
		if m := r.one(); math.Abs(float64(m.End-m.Resumed)-test.takes) > 1e-9 {
			t.Errorf("controller on host %d: told after %v s, want %v", test.controller, float64(m.End-m.Resumed), test.takes)
		}
	}
}

// Post-copy: the VM goes on at the target after the latency, at half its speed
// until the rest is there. The source keeps the memory until then.
func TestPostCopy(t *testing.T) {
	r := newRack(t, sim.Settings{}, 2, 4)
	vm := r.vm(0, 1)
	r.migrate(vm, 1, sim.MigrationPolicy{Remedy: sim.PostCopy, MaxRounds: 1})
	r.run(1)
	if r.HostOf(vm) != r.hosts[1] || r.State(vm) != sim.VMRunning || !near(float64(r.Share(vm)), 0.5e9) {
		t.Errorf("the VM is %v on %v, and gets %v", r.State(vm), r.HostOf(vm), r.Share(vm))
	}
	if r.MemoryUsed(r.hosts[1]) != gib || r.MemoryPromised(r.hosts[0]) != gib || r.MemoryPromised(r.hosts[1]) != 0 {
		t.Errorf("%v used at the target, %v promised at the source", r.MemoryUsed(r.hosts[1]), r.MemoryPromised(r.hosts[0]))
	}
	if err := r.CancelMigration(vm); !errors.Is(err, sim.ErrOver) {
		t.Errorf("cancelled: %v", err)
	}
	r.run(100)
	m := r.one()
	if m.Err != nil || m.Converged || !near(float64(m.Downtime), 0.001) || m.Bytes != gib || m.Speed != 0.5 || !near(float64(m.End), 0.001+0.001+gib/gbE+0.001) {
		t.Errorf("record %+v", m)
	}
	r.quiet()
}

// The threads that copy compute at both ends, and take from others.
func TestCPUCost(t *testing.T) {
	r := newRack(t, sim.Settings{Migration: sim.MigrationModel{Sending: 0.5, Receiving: 0.25}}, 2, 1)
	vm := r.vm(0, 1)
	r.migrate(vm, 1, sim.MigrationPolicy{})
	r.run(1)
	if got := float64(r.HostLoad(r.hosts[1])); !near(got, 0.25e9) {
		t.Errorf("receiving computes %v", got)
	}
	if got := float64(r.Share(vm)); !near(got, 0.5e9) {
		t.Errorf("beside the sender the VM gets %v", got)
	}
	r.run(100)
	r.quiet()
	if _, err := sim.NewWith(sim.Settings{Network: sim.LV08, Migration: sim.MigrationModel{Sending: math.NaN()}}); err == nil || !strings.Contains(err.Error(), "sending") {
		t.Errorf("NaN of a core: %v", err)
	}
}

// The disk goes with the VM: all of it, its top layer, or nothing.
func TestDiskCopies(t *testing.T) {
	for _, test := range []struct {
		disk  sim.DiskCopy
		first float64
	}{{sim.SharedDisk, gib}, {sim.FullDisk, 10 * gib}, {sim.TopLayer, gib}} {
		r := newRack(t, sim.Settings{}, 2, 4)
		r.migrate(r.vm(0, 0.5), 1, sim.MigrationPolicy{Disk: test.disk, DiskSpeed: 100e6})
		r.run(1000)
		m := r.one()
		if got := m.Rounds[0]; float64(got.Bytes) != test.first || (got.Stage == sim.StageDisk) != (test.disk != sim.SharedDisk) || m.Err != nil {
			t.Errorf("disk copy %v: first round %+v, error %v", test.disk, got, m.Err)
		}
		if test.disk == sim.FullDisk {
			// 0.5 MiB/s were written to the disk for 107 s.
			if got, want := float64(m.Rounds[1].Bytes-gib), (10*gib/100e6+0.001)*0.5*mib; math.Abs(got-want) > 1 {
				t.Errorf("%v B of the disk go with the memory, want %v", got, want)
			}
		}
		r.quiet()
	}
}

// A host sends and receives no more at once than it may; the others wait in
// order, and memory is kept for them.
func TestLimits(t *testing.T) {
	r := newRack(t, sim.Settings{Migration: sim.MigrationModel{Outgoing: 1, Incoming: 2}}, 4, 4)
	for range 3 {
		r.migrate(r.vm(0, 0), 3, sim.MigrationPolicy{})
	}
	r.run(0.5)
	for _, source := range []int{1, 2, 2} {
		r.migrate(r.vm(source, 0), 3, sim.MigrationPolicy{})
	}
	r.run(1)
	if got := r.MemoryPromised(r.hosts[3]); got != 6*gib {
		t.Errorf("%v promised, want 6 GiB", got)
	}
	// 0 and 3 are received first; 4 holds the turn of host 2 to send, and waits.
	sent := func() (vms []int) {
		for vm := range r.VMs() {
			if m, ok := r.Migrating(sim.VMID(vm)); ok && m.Start < sim.Forever {
				vms = append(vms, vm)
			}
		}
		return vms
	}
	if got := fmt.Sprint(sent()); got != "[0 3]" {
		t.Errorf("%v are sent, want 0 and 3", got)
	}
	r.must(r.CancelMigration(2)) // while it waits
	r.run(1000)
	var order []sim.VMID
	for _, m := range r.ended {
		order = append(order, m.VM)
		switch {
		case m.VM == 2 && (!errors.Is(m.Err, sim.ErrCancelled) || m.Start != sim.Forever || m.Bytes != 0 || m.End != 1):
			t.Errorf("the one that was cancelled: %+v", m)
		case m.VM != 2 && m.Err != nil:
			t.Errorf("VM %d: %v", m.VM, m.Err)
		}
	}
	if got := fmt.Sprint(order); got != "[2 0 3 4 1 5]" {
		t.Errorf("they end in the order %v", got)
	}
	r.quiet()
}

// What waited and can't begin fails, and lets the next one in.
func TestTurnsPassOnWhatCannotBegin(t *testing.T) {
	r := newRack(t, sim.Settings{Migration: sim.MigrationModel{Outgoing: 1}}, 4, 4)
	for target := 1; target < 4; target++ {
		r.migrate(r.vm(0, 0), target, sim.MigrationPolicy{})
	}
	r.run(1)
	r.must(r.TurnOff(r.hosts[2]))
	r.run(100)
	if len(r.ended) != 3 || r.ended[0].Err != nil || !errors.Is(r.ended[1].Err, sim.ErrHostOff) || r.ended[2].Err != nil {
		t.Errorf("records %+v", r.ended)
	}
	r.quiet()
}

// What runs in a VM goes on at the speed of the host where it is, and its flows
// leave from there.
func TestWhatRunsInAVMGoesWithIt(t *testing.T) {
	r := newRack(t, sim.Settings{}, 3, 1)
	fast, err := r.AddHost(sim.HostSpec{Name: "fast", Cores: 1, Speeds: []sim.Speed{2 * sim.Giga}})
	r.must(err)
	star := sim.NewStar()
	for i := range r.hosts {
		star.Connect(r.hosts[i], r.up[i], r.down[i])
	}
	up, down, err := r.AddDuplex(sim.LinkSpec{Name: "fast", Bandwidth: gbE, Latency: 0.0005})
	r.must(err)
	star.Connect(fast, up, down)
	r.SetRouter(star)
	vm := r.vm(0, 0)
	exec, err := r.Execute(vm.Place(), sim.ExecSpec{Work: 1e14}, sim.Then(func(error) {}), 0)
	r.must(err)
	_, err = r.Send(sim.FlowSpec{From: vm.Place(), To: r.hosts[2].Place(), Bytes: 1e12}, sim.Then(func(error) {}), 0)
	r.must(err)
	r.must(r.Migrate(vm, fast, sim.MigrationPolicy{}, nil))
	r.run(1)
	if got := float64(r.LinkLoad(r.up[0])); !near(got, gbE) || r.ExecRate(exec) != sim.Giga {
		t.Errorf("at first the source sends %v, and the VM computes %v", got, r.ExecRate(exec))
	}
	r.run(100)
	if got := float64(r.LinkLoad(up)); !near(got, gbE) || r.LinkLoad(r.up[0]) != 0 || r.ExecRate(exec) != 2*sim.Giga {
		t.Errorf("at last the target sends %v and the source %v, and the VM computes %v", got, float64(r.LinkLoad(r.up[0])), r.ExecRate(exec))
	}
}

// Under the original law a copy that does not converge goes on for 1e7 s; where
// SimGrid then aborts, the migration ends, and the VM goes on.
func TestTheOriginalLawKeepsOnForLong(t *testing.T) {
	r := newRack(t, sim.Settings{Law: sim.Original}, 2, 1)
	vm, err := r.AddVM(sim.VMSpec{Name: "vm", Host: r.hosts[0], VCPUs: 1, Memory: 16 * gib, DirtyRate: 2 * gbE, Demand: sim.Giga})
	r.must(err)
	r.migrate(vm, 1, sim.MigrationPolicy{})
	r.run(2e7)
	if m := r.one(); !errors.Is(m.Err, sim.ErrTimeout) || m.End != 1e7 || m.Resumed != sim.Forever {
		t.Errorf("at %v s: %v", float64(m.End), m.Err)
	}
	if r.State(vm) != sim.VMRunning || r.HostOf(vm) != r.hosts[0] {
		t.Errorf("the VM is %v on %v", r.State(vm), r.HostOf(vm))
	}
	r.quiet()
}

// Migrations at once, one from each second host to its neighbour and back: the
// cost of each does not depend on how many there are.
func BenchmarkMigrations(b *testing.B) {
	for _, hosts := range []int{1000, 10_000, 100_000} {
		b.Run(fmt.Sprintf("hosts=%d", hosts), func(b *testing.B) { benchmarkMigrations(b, hosts) })
	}
}

func benchmarkMigrations(b *testing.B, hosts int) {
	must := func(err error) {
		if err != nil {
			b.Fatal(err)
		}
	}
	settings := sim.DefaultSettings()
	settings.Migration = sim.MigrationModel{Outgoing: 1, Incoming: 1}
	s, err := sim.NewWith(settings)
	must(err)
	star := sim.NewStar()
	for i := range hosts {
		h, err := s.AddHost(sim.HostSpec{Name: fmt.Sprint(i), Cores: 8, Speeds: []sim.Speed{sim.Giga}, Memory: 16 * gib})
		must(err)
		up, down, err := s.AddDuplex(sim.LinkSpec{Name: fmt.Sprint(i), Bandwidth: gbE, Latency: 50e-6})
		must(err)
		star.Connect(h, up, down)
	}
	s.SetRouter(star)
	for i := 0; i < hosts; i += 2 {
		_, err := s.AddVM(sim.VMSpec{Name: fmt.Sprint(i), Host: sim.HostID(i), VCPUs: 1, Memory: gib, DirtyRate: 60 * mib, Demand: 0.6 * sim.Giga})
		must(err)
	}
	ended := 0
	events := s.Events()
	b.ReportAllocs()
	for b.Loop() {
		for vm := range sim.VMID(s.VMs()) {
			must(s.Migrate(vm, s.HostOf(vm)^1, sim.MigrationPolicy{}, func(m sim.Migration) {
				must(m.Err)
				ended++
			}))
		}
		must(s.Run(s.Now() + 100))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(ended), "ns/migration")
	b.ReportMetric(float64(s.Events()-events)/b.Elapsed().Seconds(), "events/s")
}

func TestWhatAVMWritesMustMakeSense(t *testing.T) {
	for _, test := range []struct {
		spoil func(*sim.VMSpec)
		says  string
	}{
		{func(v *sim.VMSpec) { v.DirtyRate = -1 }, "a dirty rate of -1"},
		{func(v *sim.VMSpec) { v.DiskDirtyRate = sim.Bandwidth(math.Inf(1)) }, "a dirty rate of the disk of +Inf"},
		{func(v *sim.VMSpec) { v.MigrationSpeed = sim.Bandwidth(math.NaN()) }, "a migration speed of NaN"},
		{func(v *sim.VMSpec) { v.WorkingSet = 2 * gib }, "a working set of 2GiB in 1GiB"},
		{func(v *sim.VMSpec) { v.WorkingSet = -1 }, "a working set of -1"},
		{func(v *sim.VMSpec) { v.Disk = -1 }, "a disk of -1"},
		{func(v *sim.VMSpec) { v.DiskTop = 1 }, "a top layer of 1B on a disk of 0B"},
	} {
		r := newRack(t, sim.Settings{}, 1, 1)
		spec := sim.VMSpec{Name: "odd", Host: r.hosts[0], VCPUs: 1, Memory: gib}
		test.spoil(&spec)
		if _, err := r.AddVM(spec); err == nil || !strings.Contains(err.Error(), test.says) || !strings.Contains(err.Error(), `"odd"`) {
			t.Errorf("error %v does not say %s", err, test.says)
		}
	}
	for _, test := range []struct {
		model sim.MigrationModel
		says  string
	}{
		{sim.MigrationModel{Sending: 1.5}, "sending takes 1.5"},
		{sim.MigrationModel{Receiving: -1}, "receiving takes -1"},
		{sim.MigrationModel{Outgoing: -1}, "-1 outgoing"},
		{sim.MigrationModel{Incoming: -1}, "-1 incoming"},
	} {
		if _, err := sim.NewWith(sim.Settings{Network: sim.LV08, Migration: test.model}); err == nil || !strings.Contains(err.Error(), test.says) {
			t.Errorf("error %v does not say %s", err, test.says)
		}
	}
}

// The description of a VM is given back as it was.
func TestAVMIsDescribedAsItWasAdded(t *testing.T) {
	r := newRack(t, sim.Settings{}, 1, 1)
	spec := sim.VMSpec{
		Name: "vm", Host: r.hosts[0], VCPUs: 1, Memory: gib, Priority: 1, DirtyRate: 1, WorkingSet: 2,
		MigrationSpeed: 3, Disk: 5, DiskTop: 4, DiskDirtyRate: 6,
	}
	vm, err := r.AddVM(spec)
	r.must(err)
	if got := r.VM(vm); got != spec {
		t.Errorf("%+v, want %+v", got, spec)
	}
}
