package experiment

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
)

// checkedWorld is four hosts with ten VMs each, about to run.
func checkedWorld(t *testing.T, change func(*Scenario)) *world {
	t.Helper()
	s := Default()
	s.Hosts.Count, s.VMs.Count = 4, 40
	s.Workload.Law, s.Workload.Start = "gaussian", "mean"
	if change != nil {
		change(&s)
	}
	w, err := newWorld(Spec{Scenario: s, Strategy: "dvms", Seed: 1, Check: true}, nowhere{})
	if err != nil {
		t.Fatal(err)
	}
	w.start()
	return w
}

// What the checker is shown that must not be, it tells.
func TestCheckerNotices(t *testing.T) {
	vm := func(w *world, host int) cluster.VMID { return cluster.VMID(w.sim.Hosted(sim.HostID(host))[0]) }
	stormy := func(s *Scenario) { s.Faults.Crashes.Rate = 1e-9 }
	for _, test := range []struct {
		name   string
		change func(*Scenario)
		wrong  func(w *world)
		want   string
	}{
		{"migrates from elsewhere", nil, func(w *world) { w.migrate(1, protocol.Migrate{VM: vm(w, 0), Target: 2}) }, "I3"},
		{"migrates twice", nil, func(w *world) {
			m := protocol.Migrate{VM: vm(w, 0), Target: 2}
			w.checker.began(0, m)
			w.checker.migrates(0, m)
		}, "is on its way"},
		{"migrates for nobody", nil, func(w *world) {
			w.migrate(0, protocol.Migrate{VM: vm(w, 0), Target: 2, Partition: protocol.PartitionID{Initiator: 0, Sequence: 1}})
		}, "I2"},
		{"migrates from a free node", nil, func(w *world) {
			w.checker.began(0, protocol.Migrate{VM: vm(w, 0), Target: 2, Partition: protocol.PartitionID{Initiator: 0, Sequence: 1}})
			w.checker.stepped(0)
		}, "is free"},
		{"migrates to a free node", nil, func(w *world) {
			w.checker.began(2, protocol.Migrate{VM: vm(w, 2), Target: 0, Partition: protocol.PartitionID{Initiator: 0, Sequence: 1}})
			w.checker.stepped(0)
		}, "is free"},
		{"is elsewhere", nil, func(w *world) { _ = w.sim.Move(sim.VMID(vm(w, 0)), 2) }, "I3"},
		{"is lost", nil, func(w *world) { _ = w.sim.Shutdown(sim.VMID(vm(w, 0))) }, "9 VMs run on node0, and 10 should"},
		{"does not start again", stormy, func(w *world) {
			w.crash(0, crashOfHost, time.Second)
			w.weather.outages[0].stopped = nil
			w.comeBack(0)
		}, "0 VMs run on node0, and 10 should"},
		{"is not answered", nil, func(w *world) {
			w.checker.looked(0, true)
			_ = w.sim.Run(70)
			w.checker.looked(0, true)
		}, "answered"},
	} {
		w := checkedWorld(t, test.change)
		test.wrong(w)
		err := w.sim.Run(w.sim.Now() + 1)
		var breach *Breach
		if !errors.As(err, &breach) || !strings.Contains(breach.Error(), test.want) || len(breach.Nodes) == 0 {
			t.Errorf("%s: %v, want %s", test.name, err, test.want)
		}
	}
}

// What is excused is not told.
func TestCheckerExcuses(t *testing.T) {
	w := checkedWorld(t, func(s *Scenario) { s.Faults.Crashes.Rate = 1e-9 })
	w.crash(0, crashOfHost, time.Second)
	w.crash(1, crashOfAgent, time.Second)
	w.checker.looked(2, true)
	if err := w.sim.Run(50); err != nil {
		t.Fatal(err)
	}
	w.checker.looked(2, false)
	if err := w.sim.Run(100); err != nil {
		t.Fatal(err)
	}
	w.checker.looked(2, true)
	if err := w.sim.Run(101); err != nil || w.isDown(0) || w.isDown(1) {
		t.Error(err)
	}
}
