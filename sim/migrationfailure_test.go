package sim_test

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/sim"
)

// Dates of a migration of a busy VM of 1 GiB, that is paused for long or pulls
// for long.
const (
	inFirstPass = 4.0
	inPause     = 9.0
	inPull      = 9.0
)

// pausing pauses a VM after one pass, which takes 8.6 s, for 4.
var (
	pausing = sim.MigrationPolicy{Remedy: sim.StopAndCopy, MaxRounds: 2}
	pulling = sim.MigrationPolicy{Remedy: sim.PostCopy, MaxRounds: 2}
)

// What fails before the VM is at the target leaves it at the source, as it was;
// what ends the VM ends the migration. Afterwards nothing is left behind.
func TestFailures(t *testing.T) {
	for _, test := range []struct {
		name   string
		at     sim.Seconds
		policy sim.MigrationPolicy
		do     func(r *rack, vm sim.VMID) error

		err   error
		state sim.VMState
		host  int
	}{
		{"cancelled in the first pass", inFirstPass, pausing, cancel, sim.ErrCancelled, sim.VMRunning, 0},
		{"cancelled in the pause", inPause, pausing, cancel, sim.ErrCancelled, sim.VMRunning, 0},
		{"link off in the first pass", inFirstPass, pausing, linkOff, sim.ErrLinkOff, sim.VMRunning, 0},
		{"link off in the pause", inPause, pausing, linkOff, sim.ErrLinkOff, sim.VMRunning, 0},
		{"source off in the first pass", inFirstPass, pausing, off(0), sim.ErrHostOff, sim.VMOff, 0},
		{"source off in the pause", inPause, pausing, off(0), sim.ErrHostOff, sim.VMOff, 0},
		{"source off while memory is pulled", inPull, pulling, off(0), sim.ErrVMGone, sim.VMOff, 1},
		{"target off in the first pass", inFirstPass, pausing, off(1), sim.ErrHostOff, sim.VMRunning, 0},
		{"target off in the pause", inPause, pausing, off(1), sim.ErrHostOff, sim.VMRunning, 0},
		{"target off while memory is pulled", inPull, pulling, off(1), sim.ErrHostOff, sim.VMOff, 1},
		{"shut down in the first pass", inFirstPass, pausing, (*rack).shutdown, sim.ErrVMGone, sim.VMOff, 0},
		{"shut down in the pause", inPause, pausing, (*rack).shutdown, sim.ErrVMGone, sim.VMOff, 0},
		{"shut down while memory is pulled", inPull, pulling, (*rack).shutdown, sim.ErrVMGone, sim.VMOff, 1},
		{"destroyed in the first pass", inFirstPass, pausing, (*rack).destroy, sim.ErrVMGone, sim.VMDestroyed, 0},
		{"destroyed in the pause", inPause, pausing, (*rack).destroy, sim.ErrVMGone, sim.VMDestroyed, 0},
		{"destroyed while memory is pulled", inPull, pulling, (*rack).destroy, sim.ErrVMGone, sim.VMDestroyed, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			model := sim.MigrationModel{Sending: 0.1, Receiving: 0.1, Outgoing: 1, Incoming: 1}
			r := newRack(t, sim.Settings{Migration: model}, 3, 4)
			vm, next := r.vm(0, 1), r.vm(2, 0)
			r.migrate(vm, 1, test.policy)
			var other sim.Migration // waits for its turn
			r.must(r.Migrate(next, r.hosts[1], sim.MigrationPolicy{}, func(m sim.Migration) { other = m }))
			r.run(test.at)
			r.must(test.do(r, vm))
			if len(r.ended) != 0 {
				t.Error("done was called at once, and not in an event")
			}
			r.run(test.at)
			m := r.one()
			if !errors.Is(m.Err, test.err) || m.End != test.at {
				t.Errorf("at %v s: %v, want %v", float64(m.End), m.Err, test.err)
			}
			if m.Transfers != len(m.Rounds) || m.Bytes <= 0 || m.Bytes >= 2*gib {
				t.Errorf("%v sent in %d transfers", m.Bytes, m.Transfers)
			}
			var sent sim.Bytes
			for _, round := range m.Rounds {
				sent += round.Bytes
			}
			if sent != m.Bytes || m.Rounds[m.Transfers-1].End != test.at {
				t.Errorf("%v in rounds %+v, but %v in all", sent, m.Rounds, m.Bytes)
			}
			if paused := test.at == inPause && test.host == 0; paused && !near(float64(m.Downtime), float64(m.End-m.Suspended)) {
				t.Errorf("paused for %v s", float64(m.Downtime))
			}
			if r.State(vm) != test.state || r.HostOf(vm) != r.hosts[test.host] {
				t.Errorf("the VM is %v on %v, want %v on %d", r.State(vm), r.HostOf(vm), test.state, test.host)
			}
			if _, ok := r.Migrating(vm); ok {
				t.Error("it migrates still")
			}
			if r.LinkLoad(r.up[0]) != 0 || r.HostLoad(r.hosts[0]) != r.Share(vm) && test.host == 0 {
				t.Errorf("the source sends %v B/s, and computes %v", float64(r.LinkLoad(r.up[0])), float64(r.HostLoad(r.hosts[0])))
			}
			r.must(r.SwitchLink(r.up[0], true))
			r.run(100)
			if len(r.ended) != 1 || other.End == 0 {
				t.Errorf("%d have ended, and the next one is %+v", len(r.ended), other)
			}
			r.quiet()
		})
	}
}

func cancel(r *rack, vm sim.VMID) error { return r.CancelMigration(vm) }

func linkOff(r *rack, _ sim.VMID) error { return r.SwitchLink(r.up[0], false) }

func off(host int) func(*rack, sim.VMID) error {
	return func(r *rack, _ sim.VMID) error { return r.TurnOff(r.hosts[host]) }
}

func (r *rack) shutdown(vm sim.VMID) error { return r.Shutdown(vm) }

func (r *rack) destroy(vm sim.VMID) error { return r.Destroy(vm) }

// While its memory is pulled, a VM waits for a link that is off.
func TestPostCopyWaitsForALink(t *testing.T) {
	r := newRack(t, sim.Settings{}, 2, 4)
	vm := r.vm(0, 1)
	r.migrate(vm, 1, pulling)
	r.run(inPull)
	r.must(r.SwitchLink(r.down[1], false))
	r.run(20)
	if r.State(vm) != sim.VMSuspended || r.HostOf(vm) != r.hosts[1] || len(r.ended) != 0 {
		t.Fatalf("the VM is %v on %v", r.State(vm), r.HostOf(vm))
	}
	if err := r.Resume(vm); !errors.Is(err, sim.ErrMigrating) {
		t.Errorf("resumed without its memory: %v", err)
	}
	r.must(r.SwitchLink(r.down[0], true)) // another one
	r.run(30)
	r.must(r.SwitchLink(r.down[1], true))
	r.run(30)
	if r.State(vm) != sim.VMRunning || !near(float64(r.Share(vm)), 0.5e9) {
		t.Errorf("the VM is %v, and gets %v", r.State(vm), r.Share(vm))
	}
	r.run(100)
	m := r.one()
	if want := 0.001 + 30 - inPull; m.Err != nil || !near(float64(m.Downtime), want) {
		t.Errorf("paused for %v s, want %v; error %v", float64(m.Downtime), want, m.Err)
	}
	var pulled sim.Bytes
	for _, round := range m.Rounds {
		if round.Stage == sim.StagePull {
			pulled += round.Bytes
		}
	}
	if want := float64(gib+0.001*gbE) / gbE * 60 * mib; math.Abs(float64(pulled)-want) > 1 {
		t.Errorf("%d B pulled, want %v", pulled, want)
	}
	r.quiet()
}

// A link that is on again at once is no reason to pause.
func TestPostCopyGoesOnAfterABlink(t *testing.T) {
	r := newRack(t, sim.Settings{}, 2, 4)
	vm := r.vm(0, 1)
	r.migrate(vm, 1, pulling)
	r.run(inPull)
	r.must(r.SwitchLink(r.down[1], false))
	r.must(r.SwitchLink(r.down[1], true))
	r.run(100)
	if m := r.one(); m.Err != nil || !near(float64(m.Downtime), 0.001) || m.Transfers != 4 {
		t.Errorf("record %+v", m)
	}
	r.quiet()
}

// A VM that waits for a link may be lost, ended, or suspended by its user.
func TestEndsOfAVMThatWaitsForALink(t *testing.T) {
	for _, test := range []struct {
		name  string
		do    func(*rack, sim.VMID) error
		err   error
		state sim.VMState
	}{
		{"source off", off(0), sim.ErrVMGone, sim.VMOff},
		{"target off", off(1), sim.ErrHostOff, sim.VMOff},
		{"shut down", (*rack).shutdown, sim.ErrVMGone, sim.VMOff},
		{"destroyed", (*rack).destroy, sim.ErrVMGone, sim.VMDestroyed},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRack(t, sim.Settings{}, 2, 4)
			vm := r.vm(0, 1)
			r.migrate(vm, 1, pulling)
			r.run(inPull)
			r.must(linkOff(r, vm))
			r.run(20)
			r.OnVM(func(_ sim.VMID, _, to sim.VMState) {
				if to != test.state {
					t.Errorf("the VM is %v in between", to)
				}
			})
			r.must(test.do(r, vm))
			r.run(100)
			if m := r.one(); !errors.Is(m.Err, test.err) || m.End != 20 || r.State(vm) != test.state || !near(float64(m.Downtime), 0.001+20-inPull) {
				t.Errorf("at %v s: %v after a pause of %v s; the VM is %v", float64(m.End), m.Err, float64(m.Downtime), r.State(vm))
			}
			r.must(r.SwitchLink(r.up[0], true))
			r.run(101)
			r.quiet()
		})
	}
}

// An observer that ends the VM when it is paused, at the target, or goes on ends
// the migration too, unless that is done, and only once.
func TestObserversMayEndTheVM(t *testing.T) {
	for _, policy := range []sim.MigrationPolicy{{}, pausing, pulling, {MaxRounds: 1}} {
		for _, when := range []string{"suspended", "moved", "running"} {
			r := newRack(t, sim.Settings{}, 2, 4)
			vm := r.vm(0, 1)
			r.OnVM(func(id sim.VMID, _, to sim.VMState) {
				if to.String() == when {
					r.must(r.Shutdown(id))
				}
			})
			r.OnChange(func(sim.HostID) {
				if when == "moved" && r.HostOf(vm) == r.hosts[1] && r.State(vm) != sim.VMOff {
					r.must(r.Shutdown(vm))
				}
			})
			r.migrate(vm, 1, policy)
			r.run(100)
			m := r.one()
			arrived := when != "suspended" && policy.Remedy != sim.PostCopy
			if arrived != (m.Err == nil) || !arrived && !errors.Is(m.Err, sim.ErrVMGone) || r.State(vm) != sim.VMOff {
				t.Errorf("%+v, ended when %v: %v", policy, when, m.Err)
			}
			when = ""
			r.must(r.Start(vm)) // at full speed
			r.quiet()
		}
	}
}

// An observer that fills a host as soon as there is room can't take the memory
// that is to be pulled from it.
func TestMemoryToBePulledIsKept(t *testing.T) {
	r := newRack(t, sim.Settings{}, 3, 4)
	large, err := r.AddVM(sim.VMSpec{Name: "large", Host: r.hosts[2], VCPUs: 1, Memory: 16 * gib})
	r.must(err)
	vm, began := r.vm(0, 1), sim.Seconds(0)
	r.OnChange(func(sim.HostID) {
		if _, ok := r.Migrating(large); !ok && r.HostOf(large) != r.hosts[0] && r.Migrate(large, r.hosts[0], sim.MigrationPolicy{}, nil) == nil {
			began = r.Now()
		}
	})
	r.must(r.Migrate(vm, r.hosts[1], pulling, func(m sim.Migration) {
		r.ended = append(r.ended, m)
		r.must(r.SetDemand(vm, 0)) // a change
	}))
	r.run(10_000)
	if m := r.one(); m.Err != nil || began < m.Complete {
		t.Errorf("the memory is gone at %v s; error %v, complete at %v s", float64(began), m.Err, float64(m.Complete))
	}
	r.quiet()
}

// Migrations at random, with failures, cancellations and ends of VMs at any
// date. Afterwards memory adds up, nothing is left over, each VM is on one host
// or off, and each done was called once.
func TestRandomMigrations(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		const hosts, vms = 4, 8
		fraction := rapid.SampledFrom([]float64{0, 0.2})
		limit := rapid.IntRange(0, 2)
		model := sim.MigrationModel{
			Sending: fraction.Draw(rt, "sending"), Receiving: fraction.Draw(rt, "receiving"),
			Outgoing: limit.Draw(rt, "outgoing"), Incoming: limit.Draw(rt, "incoming"),
		}
		r := newRack(t, sim.Settings{Migration: model}, hosts, vms+2*vms)
		r.must(r.SetController(r.hosts[0]))
		for i := range vms {
			r.vm(i%hosts, rapid.SampledFrom([]float64{0, 0.5, 1}).Draw(rt, "load"))
		}
		asked, told := 0, map[int]int{}
		host := rapid.IntRange(0, hosts-1)
		vm := rapid.Map(rapid.IntRange(0, vms-1), func(i int) sim.VMID { return sim.VMID(i) })
		// What is refused is refused: only what follows counts.
		actions := []func(){
			func() {
				id, n := vm.Draw(rt, "vm"), asked
				policy := sim.MigrationPolicy{
					Remedy:    sim.Remedy(rapid.IntRange(0, int(sim.AutoConverge)).Draw(rt, "remedy")),
					MaxRounds: rapid.IntRange(0, 3).Draw(rt, "rounds"),
					TimeLimit: sim.Seconds(rapid.SampledFrom([]float64{5, 15, 50}).Draw(rt, "limit")),
					Disk:      sim.DiskCopy(rapid.IntRange(0, 2).Draw(rt, "disk")),
				}
				if r.Migrate(id, r.hosts[host.Draw(rt, "target")], policy, func(sim.Migration) { told[n]++ }) == nil {
					asked++
				}
			},
			func() { _ = r.CancelMigration(vm.Draw(rt, "vm")) },
			func() { _ = r.Suspend(vm.Draw(rt, "vm")) },
			func() { _ = r.Resume(vm.Draw(rt, "vm")) },
			func() { _ = r.Shutdown(vm.Draw(rt, "vm")) },
			func() { _ = r.Start(vm.Draw(rt, "vm")) },
			func() { _ = r.Move(vm.Draw(rt, "vm"), r.hosts[host.Draw(rt, "to")]) },
			func() {
				id := vm.Draw(rt, "vm")
				if rapid.IntRange(0, 9).Draw(rt, "dice") == 0 {
					_ = r.Destroy(id)
				}
			},
			func() { _ = r.TurnOff(r.hosts[host.Draw(rt, "host")]) },
			func() { _ = r.TurnOn(r.hosts[host.Draw(rt, "host")]) },
			func() { _ = r.SwitchLink(r.up[host.Draw(rt, "link")], rapid.Bool().Draw(rt, "on")) },
			func() { _ = r.SwitchLink(r.down[host.Draw(rt, "link")], true) },
		}
		often := []int{0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9, 9, 10, 11}
		for range rapid.IntRange(20, 80).Draw(rt, "actions") {
			r.run(r.Now() + sim.Seconds(rapid.SampledFrom([]float64{0, 0, 0.0005, 1, 3.7}).Draw(rt, "wait")))
			actions[rapid.SampledFrom(often).Draw(rt, "action")]()
			if err := accounts(r); err != nil {
				rt.Fatal(err)
			}
		}
		for i := range r.hosts {
			r.must(r.SwitchLink(r.up[i], true))
			r.must(r.SwitchLink(r.down[i], true))
		}
		r.run(r.Now() + 10_000)
		r.quiet()
		for n := range asked {
			if told[n] != 1 {
				rt.Fatalf("done of migration %d was called %d times", n, told[n])
			}
		}
		if t.Failed() {
			rt.FailNow()
		}
	})
}

// accounts compares what hosts keep for VMs with what VMs hold and migrations
// are promised.
func accounts(r *rack) error {
	used, promised := map[sim.HostID]sim.Bytes{}, map[sim.HostID]sim.Bytes{}
	for id := range sim.VMID(r.VMs()) {
		if s := r.State(id); s != sim.VMOff && s != sim.VMDestroyed {
			used[r.HostOf(id)] += gib
		}
		m, ok := r.Migrating(id)
		if !ok {
			continue
		}
		switch {
		case m.Resumed == sim.Forever:
			promised[m.Target] += gib
		case m.Complete == sim.Forever:
			promised[m.Source] += gib
		}
	}
	for _, h := range r.hosts {
		if r.MemoryUsed(h) != used[h] || r.MemoryPromised(h) != promised[h] {
			return fmt.Errorf("at %v s host %v has %v used and %v promised, want %v and %v",
				float64(r.Now()), h, r.MemoryUsed(h), r.MemoryPromised(h), used[h], promised[h])
		}
	}
	return nil
}
