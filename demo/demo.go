// Package demo runs a small cluster on one machine, to watch it work: agents
// with real connections on an emulated data centre, load that overloads hosts
// again and again, and faults if asked for.
//
// The agents run as goroutines, or as processes of their own that speak to the
// data centre through their standard input and output; a process whose input
// ends ends too, so that none is left behind. Everything else is the same:
// certificates, connections, membership.
package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/transport"
)

// Settings of a demonstration.
type Settings struct {
	Agents    int
	Seed      uint64
	For       time.Duration // how long load is injected; 0 means until Overloads or the context end it
	Overloads int           // load is injected until so many overloads have arisen; 0 means no such end
	Every     time.Duration // between two overloads, on the average; 0 means 1.5 s
	Kill      int           // agents killed at random moments, every second one while it leads a plan
	Return    time.Duration // a killed agent starts again after this time; 0 means never
	Cut       time.Duration // how long the network is cut into halves, once; 0 means never
	Sites     int           // on which the hosts stand, from 1 to 4; 0 means 1
	Spiral    bool          // agents ask those that are close first, instead of in the order of a ring
	Drains    []Drain
	Places    []Place
	// Program is the command that runs Agent in a process of its own; nil means
	// that agents are goroutines.
	Program []string
	Logs    string // a folder for the agents' logs; "" means none
	Log     *slog.Logger
	Say     func(Event) // or nil; is called for all that happens
	Show    func(View)  // or nil; is called four times a second
}

// Drain asks for a host to be emptied, for good.
type Drain struct {
	At   time.Duration
	Node int // 1 is the first; 0 means any that is up
}

// Place asks for VMs to be started. Any host is given them, to find a place.
type Place struct {
	At  time.Duration
	VMs int
}

// The emulated hosts and VMs.
const (
	hostCores  = 8
	hostMemory = 32 << 30
	vmsPerHost = 10
	vmMemory   = 1 << 30
	vmVCPUs    = 2
	dirtyRate  = 20e6 // bytes a second
	usualLoad  = 0.6  // share of the capacity that VMs ask for, on the average
)

// network is 10 Gbit/s, as LV08 has it. A VM takes about a second to move.
var network = emulated.Network{Bandwidth: 0.97 * 1.25e9, Latency: 0.0013}

// patience is how long the end of a demonstration waits for the last overloads
// to be repaired and the last reservations to end.
const patience = 45 * time.Second

// Validate returns an error that names the first setting that can't be used.
func (s Settings) Validate() error {
	switch {
	case s.Agents < 2 || s.Agents > 200:
		return fmt.Errorf("agents: %d is not a number from 2 to 200", s.Agents)
	case s.For < 0:
		return fmt.Errorf("for: %v is negative", s.For)
	case s.Overloads < 0:
		return fmt.Errorf("overloads: %d is negative", s.Overloads)
	case s.Kill < 0 || s.Kill > 100:
		return fmt.Errorf("kill: %d is not a number from 0 to 100", s.Kill)
	case s.Kill >= s.Agents && s.Return == 0:
		return fmt.Errorf("kill: %d of %d agents that do not return would leave none", s.Kill, s.Agents)
	case s.Sites < 0 || s.Sites > len(sites) || s.Sites > s.Agents:
		return fmt.Errorf("sites: %d is not a number from 1 to %d", s.Sites, min(len(sites), s.Agents))
	case s.Cut < 0 || s.Return < 0 || s.Every < 0:
		return errors.New("a time is negative")
	}
	for _, r := range s.Drains {
		if r.Node < 0 || r.Node > s.Agents {
			return fmt.Errorf("drain: there is no host n%d of %d", r.Node, s.Agents)
		}
		if err := s.validateDate("drain", r.At); err != nil {
			return err
		}
	}
	for _, r := range s.Places {
		if r.VMs < 1 || r.VMs > mostPlaced {
			return fmt.Errorf("place: %d is not a number of VMs from 1 to %d", r.VMs, mostPlaced)
		}
		if err := s.validateDate("place", r.At); err != nil {
			return err
		}
	}
	return nil
}

// mostPlaced is the most VMs that are started at once.
const mostPlaced = 1000

// validateDate wants a date before the load ends.
func (s Settings) validateDate(what string, at time.Duration) error {
	if at < 0 || s.For > 0 && at > s.For {
		return fmt.Errorf("%s: %v is not a date from 0s to %v, when the load ends", what, at, s.For)
	}
	return nil
}

// demo is one run.
type demo struct {
	settings  Settings
	protocol  protocol.Settings
	random    *rand.Rand
	centre    *emulated.DataCentre
	books     *books
	vms       cluster.VMID // the last one that was added
	authority *transport.Authority
	address   string // of the authority
	fleet     *fleet
}

// Run runs a demonstration until its time is over and all is repaired, or the
// context ends. The error is about what kept it from running; what the agents
// did, and left undone, is in the summary.
func Run(ctx context.Context, s Settings) (Summary, error) {
	if err := s.Validate(); err != nil {
		return Summary{}, err
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	s.Every, s.Sites = cmp.Or(s.Every, shockEvery), cmp.Or(s.Sites, 1)
	d := &demo{settings: s, protocol: protocol.Defaults(), random: newRandom(s.Seed, 1)}
	d.books = newBooks(s, bound(d.protocol))
	d.centre = emulated.New(network, d.books.changed)
	d.books.centre = d.centre
	if err := d.furnish(); err != nil {
		return Summary{}, err
	}
	work, end := context.WithCancel(context.WithoutCancel(ctx))
	served, err := d.serve(work)
	if err != nil {
		end()
		return Summary{}, err
	}
	defer func() { end(); <-served }()
	d.fleet = newFleet(d)
	if err := d.fleet.startAll(work); err != nil {
		return Summary{}, errors.Join(err, d.fleet.stopAll())
	}
	seen, blind := context.WithCancel(work)
	shown := d.show(seen)
	if s.Spiral {
		d.books.say(Event{Kind: "measuring", Text: fmt.Sprintf("for %v the agents find out how far they are from each other", s.warmUp())})
		sleep(ctx, s.warmUp())
	}
	d.books.begin()
	d.act(ctx)
	d.settle(ctx)
	d.books.close()
	blind()
	<-shown
	stopped := d.fleet.stopAll()
	summary := d.books.summary()
	end()
	return summary, stopped
}

// bound is how long after the death of a member the others may be reserved with
// it: the lease, the wait for reports, a second, and the longest migration.
func bound(s protocol.Settings) time.Duration {
	return s.Lease + s.Collect + time.Second + longestMigration
}

// longestMigration is more than any migration here takes: 1 GiB that is written
// at 20 MB/s.
const longestMigration = 1500 * time.Millisecond

// furnish adds hosts and VMs to the data centre.
func (d *demo) furnish() error {
	for i := range d.settings.Agents {
		id := cluster.NodeID(i + 1)
		node := cluster.Node{ID: id, Name: nameOf(id), Capacity: cluster.Of(hostCores*cluster.Core, hostMemory)}
		if err := d.centre.AddHost(node); err != nil {
			return err
		}
		for range vmsPerHost {
			if err := d.centre.AddVM(d.newVM(d.random), id); err != nil {
				return err
			}
		}
	}
	return nil
}

// newVM returns a VM that asks for the usual, more or less.
func (d *demo) newVM(random *rand.Rand) cluster.VM {
	d.vms++
	usual := usualLoad * hostCores / vmsPerHost * float64(cluster.Core)
	demand := cluster.Millicores(usual * (0.5 + random.Float64()))
	return cluster.VM{ID: d.vms, Name: fmt.Sprint("v", d.vms), VCPUs: vmVCPUs, Demand: cluster.Of(demand, vmMemory), DirtyRate: dirtyRate}
}

func nameOf(id cluster.NodeID) string { return agent.NodeName(id) }

// serve starts the cluster's authority.
func (d *demo) serve(ctx context.Context) (ended <-chan struct{}, err error) {
	if d.authority, err = transport.NewAuthority("demo", time.Now); err != nil {
		return nil, err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	d.address = l.Addr().String()
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := d.authority.Serve(ctx, l, d.settings.Log); err != nil {
			d.settings.Log.Error("the authority has ended", "err", err)
		}
	}()
	return done, nil
}

// show calls Show until the context ends, and once more then.
func (d *demo) show(ctx context.Context) (ended <-chan struct{}) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(250 * time.Millisecond)
		defer tick.Stop()
		for {
			if d.settings.Show != nil {
				d.settings.Show(d.books.view())
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				if d.settings.Show != nil {
					d.settings.Show(d.books.view())
				}
				return
			}
		}
	}()
	return done
}

// settle waits until nothing is overloaded and nobody reserved, and what was
// asked for is done or known to be impossible.
func (d *demo) settle(ctx context.Context) {
	d.books.settle()
	for began := time.Now(); !d.books.quiet() && time.Since(began) < patience; {
		if !sleep(ctx, 100*time.Millisecond) {
			return
		}
	}
}

// sleep waits, and reports whether the context has not ended.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// monitorSettings are those of all agents.
func monitorSettings() monitor.Settings { return monitor.Defaults() }
