package emulated_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
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

// A VM of 1 GiB that writes nothing takes 1 s at 1 GiB/s, and a latency.
func TestMigrationTakesAsLongAsPredicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := centre(t, 2, 1)
		from, to := d.Host(1), d.Host(2)
		began := time.Now()
		if err := from.Migrate(t.Context(), 1, 2); err != nil {
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
	first, second := d.Host(1), d.Host(2)
	for _, c := range []struct {
		name   string
		from   *emulated.Host
		vm     cluster.VMID
		target cluster.NodeID
		want   string
	}{
		{"of another's VM", second, 1, 1, "does not run on host 2"},
		{"of no VM", first, 9, 2, "does not run on host 1"},
		{"to no host", first, 1, 9, "can't migrate"},
		{"to itself", first, 1, 1, "can't migrate"},
		{"to a host that is down", first, 1, 3, "down"},
	} {
		if err := c.from.Migrate(t.Context(), c.vm, c.target); err == nil || !strings.Contains(err.Error(), c.want) {
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
		if err := first.Migrate(t.Context(), 1, 2); err != nil {
			t.Fatal(err)
		}
		// No waiting: when the source hears of the end, the target knows it.
		if l, _ := second.Look(); len(l.VMs) != 1 || l.VMs[0].ID != 1 {
			t.Errorf("the target has %+v", l)
		}
		if err := second.Migrate(t.Context(), 2, 1); err == nil {
			t.Error("a VM of another host has moved")
		}
		ended := make(chan error)
		go func() { ended <- first.Migrate(t.Context(), 2, 2) }()
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
		if l, _ := again.Look(); len(l.VMs) != 1 || len(l.Incoming) != 0 {
			t.Errorf("the host came back with %+v", l)
		}
		one.Close()
		conn.Close()
		synctest.Wait()
		if err := first.Migrate(t.Context(), 2, 2); err == nil {
			t.Error("a VM has moved without a data centre")
		}
	})
}

// Whatever moves and crashes: a VM is on one host, and none has too much memory.
func TestNoVMIsLostOrDoubled(outer *testing.T) {
	rapid.Check(outer, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) [3]int {
			return [3]int{rapid.IntRange(0, 9).Draw(t, "what"), rapid.IntRange(1, 7).Draw(t, "vm"), rapid.IntRange(1, 3).Draw(t, "host")}
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
	hosts := []*emulated.Host{d.Host(1), d.Host(2), d.Host(3)}
	var under sync.WaitGroup
	defer under.Wait()
	for _, s := range steps {
		vm, host := cluster.VMID(s[1]), cluster.NodeID(s[2])
		switch {
		case s[0] == 0:
			d.Crash(host)
		case s[0] == 1:
			d.Start(host)
		case s[0] < 5:
			time.Sleep(300 * time.Millisecond)
		default:
			from := hosts[d.Where()[vm]-1]
			under.Go(func() { _ = from.Migrate(context.Background(), vm, host) })
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
		for _, v := range l.VMs {
			if on, doubled := hosted[v.ID]; doubled {
				return fmt.Errorf("VM %d is on hosts %d and %d", v.ID, on, id+1)
			}
			hosted[v.ID] = id + 1
		}
	}
	if where := d.Where(); !maps.Equal(where, hosted) || len(where) != 7 {
		return fmt.Errorf("VMs are said to be on %v, and are on %v", where, hosted)
	}
	return d.Check()
}
