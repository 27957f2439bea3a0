package emulated_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
)

const gib = 1 << 30

// centre returns hosts 1, 2, … of 4 GiB and, on the first, VMs 1, 2, … of 1 GiB.
func centre(t interface{ Fatal(...any) }, hosts, vms int) *emulated.DataCentre {
	d := emulated.New(emulated.Network{Bandwidth: gib, Latency: 0.001}, nil)
	var err error
	for i := range hosts {
		id := cluster.NodeID(i + 1)
		err = errors.Join(err, d.AddHost(cluster.Node{ID: id, Name: fmt.Sprint("n", id), Capacity: cluster.Of(4*cluster.Core, 4*gib)}))
	}
	for i := range vms {
		v := cluster.VM{ID: cluster.VMID(i + 1), Name: fmt.Sprint("v", i+1), VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}
		err = errors.Join(err, d.AddVM(v, 1))
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// migrating is the order to migrate a VM.
func migrating(vm cluster.VMID, to cluster.NodeID) protocol.Migrate {
	return protocol.Migrate{VM: vm, Target: to}
}

// all are the VMs that tests use: what an agent expects that lets in any.
var all = []cluster.VMID{1, 2, 3, 4, 5, 6, 7, 8, 9}

// host starts a host that lets in any VM.
func host(d *emulated.DataCentre, id cluster.NodeID) *emulated.Host {
	h := d.Host(id)
	h.Expect(all)
	return h
}

// A VM of 1 GiB that writes nothing takes 1 s at 1 GiB/s, and a latency.
func TestMigrationTakesAsLongAsPredicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := centre(t, 2, 1)
		from, to := host(d, 1), host(d, 2)
		began := time.Now()
		if err := from.Migrate(t.Context(), migrating(1, 2)); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); took < time.Second || took > 1010*time.Millisecond {
			t.Errorf("it took %v", took)
		}
		if l, _ := to.Look(); len(l.VMs) != 1 || len(l.Incoming) != 0 {
			t.Errorf("the target has %+v", l)
		}
	})
}

func TestMigrationsThatAreRefused(t *testing.T) {
	d := centre(t, 3, 4)
	first, second := host(d, 1), host(d, 2)
	for _, c := range []struct {
		name   string
		from   *emulated.Host
		vm     cluster.VMID
		target cluster.NodeID
		want   string
	}{
		{"of another's VM", second, 1, 1, "no VM 1 on host 2"},
		{"of no VM", first, 9, 2, "no VM 9 on host 1"},
		{"to no host", first, 1, 9, "can't migrate"},
		{"to itself", first, 1, 1, "can't migrate"},
		{"to a host that is down", first, 1, 3, "down"},
	} {
		if err := c.from.Migrate(t.Context(), migrating(c.vm, c.target)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if err := d.AddVM(cluster.VM{ID: 5, Demand: cluster.Of(0, gib)}, 1); !errors.Is(err, emulated.ErrNoRoom) {
		t.Errorf("a VM too many: %v", err)
	}
}

// far is a host whose agent is at the other end of a connection.
func far(t *testing.T, d *emulated.DataCentre, id cluster.NodeID) (*emulated.Client, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	c := emulated.Connect(there)
	go func() { _ = d.Serve(id).Run(here, here, func(json.RawMessage) {}) }()
	go func() { _ = c.Run(json.NewDecoder(there), func(json.RawMessage) {}) }()
	<-c.Ready()
	return c, there
}

func TestFarHosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := centre(t, 2, 2)
		first, one := far(t, d, 1)
		second, two := far(t, d, 2)
		if err := first.Migrate(t.Context(), migrating(1, 2)); err == nil || !strings.Contains(err.Error(), "does not expect") {
			t.Errorf("a VM that is not expected: %v", err)
		}
		first.Expect(all)
		second.Expect(all)
		if err := first.Migrate(t.Context(), migrating(1, 2)); err != nil {
			t.Fatal(err)
		}
		// No waiting: when the source hears of the end, the target knows it.
		if l, _ := second.Look(); len(l.VMs) != 1 || l.VMs[0].ID != 1 {
			t.Errorf("the target has %+v", l)
		}
		if err := second.Migrate(t.Context(), migrating(2, 1)); err == nil {
			t.Error("a VM of another host has moved")
		}
		ended := make(chan error)
		go func() { ended <- first.Migrate(t.Context(), migrating(2, 2)) }()
		synctest.Wait()
		if l, _ := second.Look(); len(l.Incoming) != 1 {
			t.Errorf("the target has %+v", l)
		}
		two.Close() // its process was killed
		if err := <-ended; err == nil {
			t.Error("a VM has moved to a host that is down")
		}
		if where := d.Where(); where[1] != 2 || where[2] != 1 {
			t.Errorf("VMs are on %v", where)
		}
		again, conn := far(t, d, 2)
		if err := first.Migrate(t.Context(), migrating(2, 2)); err == nil || !strings.Contains(err.Error(), "does not expect") {
			t.Errorf("a VM that was expected before the crash: %v", err)
		}
		if l, _ := again.Look(); len(l.VMs) != 1 || len(l.Incoming) != 0 {
			t.Errorf("the host came back with %+v", l)
		}
		one.Close()
		conn.Close()
		synctest.Wait()
		if err := first.Migrate(t.Context(), migrating(2, 2)); err == nil {
			t.Error("a VM has moved without a data centre")
		}
	})
}

// An agent that says nothing delays a migration, and nothing else: it is refused
// after a while, and everybody else goes on meanwhile.
func TestAgentThatDoesNotAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := centre(t, 3, 2)
		first := host(d, 1)
		host(d, 3)
		here, there := net.Pipe()
		served := make(chan error)
		go func() { served <- d.Serve(2).Run(here, here, func(json.RawMessage) {}) }()
		go io.Copy(io.Discard, there)
		synctest.Wait()
		began := time.Now()
		refused := make(chan error)
		go func() { refused <- first.Migrate(t.Context(), migrating(1, 2)) }()
		synctest.Wait()
		if err := first.Migrate(t.Context(), migrating(2, 3)); err != nil {
			t.Errorf("to another host, meanwhile: %v", err)
		}
		if err := <-refused; !errors.Is(err, emulated.ErrUnexpected) || time.Since(began) > 5*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		there.Close()
		<-served
	})
}

// VMs that wait are started, and those that sleep resumed, on any host.
func TestVMsAreStarted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := centre(t, 2, 3)
		first, second := host(d, 1), host(d, 2)
		one := cluster.VM{ID: 4, Name: "v4", VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}
		two, three := one, one
		two.ID, three.ID = 5, 6
		if err := errors.Join(d.Submit(one, 1), d.Submit(two, 1), d.AddSleeping(three, 1)); err != nil {
			t.Fatal(err)
		}
		if l, _ := first.Look(); len(l.VMs) != 3 || len(l.Waiting) != 2 || len(l.Sleeping) != 1 {
			t.Errorf("the host has %+v", l)
		}
		run := func(kind plan.Kind, vm cluster.VMID, on cluster.NodeID) error {
			return first.Migrate(t.Context(), protocol.Migrate{Kind: kind, VM: vm, Target: on})
		}
		if err := errors.Join(run(plan.Run, 4, 1), run(plan.Run, 5, 2), run(plan.Resume, 6, 2)); err != nil {
			t.Error(err)
		}
		for name, err := range map[string]error{
			"a VM that runs": run(plan.Run, 4, 1), "migration of one that never ran": run(plan.Migrate, 9, 2), "a kind that no host knows": run(plan.Stop, 1, 1),
		} {
			if err == nil {
				t.Errorf("%s: no error", name)
			}
		}
		here, _ := first.Look()
		there, _ := second.Look()
		if len(here.VMs) != 4 || len(there.VMs) != 2 || len(here.Waiting)+len(here.Sleeping)+len(there.Incoming) != 0 {
			t.Errorf("the hosts have %+v and %+v", here, there)
		}
		if moves := d.Moved(); len(moves) != 3 || moves[0].Kind != plan.Run || moves[0].Took < time.Second {
			t.Errorf("moved %+v", moves)
		}
	})
}

// Whatever moves and crashes: a VM is on one host, and none has too much memory.
func TestNoVMIsLostOrDoubled(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, 9).Draw(t, "what"), rapid.IntRange(1, 8).Draw(t, "vm"), rapid.IntRange(1, 3).Draw(t, "host")}
		}), 1, 60).Draw(t, "steps")
		var failure error
		synctest.Test(outer, func(*testing.T) { failure = moveAndCrash(t, steps) })
		if failure != nil {
			t.Fatal(failure)
		}
	})
}

// moveAndCrash takes random steps, and returns what is wrong after one of them.
func moveAndCrash(t *rapid.T, steps [][3]int) error {
	d := centre(t, 3, 4)
	for id := cluster.VMID(5); id <= 7; id++ { // so that not all fit on one host
		if err := d.AddVM(cluster.VM{ID: id, VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}, 2); err != nil {
			return err
		}
	}
	if err := d.Submit(cluster.VM{ID: 8, VCPUs: 1, Demand: cluster.Of(cluster.Core, gib)}, 1); err != nil {
		return err
	}
	hosts := []*emulated.Host{host(d, 1), host(d, 2), host(d, 3)}
	var under sync.WaitGroup
	defer under.Wait()
	for _, s := range steps {
		vm, at := cluster.VMID(s[1]), cluster.NodeID(s[2])
		switch {
		case s[0] == 0:
			d.Crash(at)
		case s[0] == 1:
			hosts[at-1] = host(d, at)
		case s[0] < 5:
			time.Sleep(300 * time.Millisecond)
		default:
			from, m := hosts[d.Where()[vm]-1], migrating(vm, at)
			if vm == 8 {
				m.Kind = plan.Run
			}
			under.Go(func() { _ = from.Migrate(context.Background(), m) })
		}
		synctest.Wait()
		if err := conserved(d); err != nil {
			return err
		}
	}
	return nil
}

// conserved returns an error unless each VM is on one host, which has room.
func conserved(d *emulated.DataCentre) error {
	hosted := map[cluster.VMID]cluster.NodeID{}
	for id := range cluster.NodeID(3) {
		l, _ := d.State(id + 1)
		for _, v := range slices.Concat(l.VMs, l.Waiting) {
			if on, doubled := hosted[v.ID]; doubled {
				return fmt.Errorf("VM %d is on hosts %d and %d", v.ID, on, id+1)
			}
			hosted[v.ID] = id + 1
		}
	}
	if where := d.Where(); !maps.Equal(where, hosted) || len(where) != 8 {
		return fmt.Errorf("VMs are said to be on %v, and are on %v", where, hosted)
	}
	return d.Check()
}
