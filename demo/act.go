package demo

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// The load that is injected. Every while a host's VMs ask for more, until they
// ask for too much; others then ask for less, so that all together have enough.
const (
	shockEvery  = 1500 * time.Millisecond // unless said otherwise
	shockLeast  = 1.05                    // of a host's capacity, what its VMs then ask for
	shockMost   = 1.25
	hungryMost  = 0.95 // of its vCPUs, what a VM asks for at most
	restoreLoad = 0.62 // of the whole capacity, what all VMs may ask for
	mostLoad    = 0.75 // of it, above which no host is overloaded: what agents can't repair is no demonstration
)

// act injects load and faults until the demonstration's time is over.
func (d *demo) act(ctx context.Context) {
	s := d.settings
	if s.For > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.For)
		defer cancel()
	}
	var beside sync.WaitGroup
	over, stop := context.WithCancel(ctx)
	beside.Go(func() { d.faults(ctx, over) })
	beside.Go(func() { d.requests(ctx) })
	for sleep(ctx, time.Duration(d.random.ExpFloat64()*float64(s.Every))) && !d.enough() {
		d.shock()
	}
	stop()
	beside.Wait()
}

// enough reports whether as many overloads have arisen as were asked for.
func (d *demo) enough() bool {
	return d.settings.Overloads > 0 && d.books.arisen() >= d.settings.Overloads
}

// shock overloads a host that is not, and relieves others. When hosts are down or
// to be emptied, and many overloaded, it may be too much already.
func (d *demo) shock() {
	if d.relieve(0) > mostLoad {
		return
	}
	var fit []cluster.NodeID
	for i := range d.settings.Agents {
		id := cluster.NodeID(i + 1)
		if l, up := d.centre.State(id); up && !l.Draining && demand(l.VMs).Within(l.Capacity) && len(l.VMs) >= vmsPerHost/2 {
			fit = append(fit, id)
		}
	}
	if len(fit) == 0 {
		return
	}
	host := fit[d.random.IntN(len(fit))]
	l, _ := d.centre.State(host)
	wanted := cluster.Millicores((shockLeast + (shockMost-shockLeast)*d.random.Float64()) * float64(l.Capacity.CPU()))
	most := cluster.Millicores(hungryMost * vmVCPUs * float64(cluster.Core))
	asked := demand(l.VMs).CPU()
	for _, i := range d.random.Perm(len(l.VMs)) {
		v := l.VMs[i]
		if asked >= wanted {
			break
		}
		more := min(most, v.Demand.CPU()+wanted-asked)
		if more > v.Demand.CPU() {
			asked += more - v.Demand.CPU()
			d.centre.SetCPU(v.ID, more)
		}
	}
	d.relieve(host)
}

// relieve makes VMs of other hosts ask for less, until there is enough for all. It
// returns what share of the capacity all ask for then.
func (d *demo) relieve(but cluster.NodeID) (load float64) {
	var asked, capacity cluster.Millicores
	var others []cluster.VM
	for i := range d.settings.Agents {
		id := cluster.NodeID(i + 1)
		l, up := d.centre.State(id)
		if !up {
			continue
		}
		asked += demand(l.VMs).CPU()
		if !l.Draining {
			capacity += l.Capacity.CPU()
		}
		if id != but && demand(l.VMs).Within(l.Capacity) { // the others are for the agents to repair
			others = append(others, l.VMs...)
		}
	}
	for _, i := range d.random.Perm(len(others)) {
		if float64(asked) <= restoreLoad*float64(capacity) {
			break
		}
		less := others[i].Demand.CPU() / 2
		asked -= others[i].Demand.CPU() - less
		d.centre.SetCPU(others[i].ID, less)
	}
	return float64(asked) / float64(max(capacity, 1))
}

func demand(vms []cluster.VM) (sum cluster.Resources) {
	for _, v := range vms {
		sum = sum.Plus(v.Demand)
	}
	return sum
}

// faults kills agents and cuts the network, at moments drawn at random: until
// ctx ends, or all was done after over has.
func (d *demo) faults(ctx, over context.Context) {
	random := newRandom(d.settings.Seed, 2)
	span := d.settings.For
	if span == 0 {
		span = max(time.Duration(d.settings.Overloads)*d.settings.Every, time.Second)
	}
	step := span / time.Duration(d.settings.Kill+1)
	cut := d.settings.Cut > 0
	for i := range d.settings.Kill {
		if !sleep(ctx, step/2+time.Duration(random.Int64N(int64(step/2)))) {
			return
		}
		d.kill(ctx, random, i%2 == 0)
		if cut && i >= d.settings.Kill/2 {
			cut = false
			d.cut(ctx)
		}
	}
	if cut && sleep(over, span/4) {
		d.cut(ctx)
	}
}

// kill kills an agent: one that leads a plan, if there will be one soon and
// leader is asked for, and else any.
func (d *demo) kill(ctx context.Context, random *rand.Rand, leader bool) {
	for began := time.Now(); leader && time.Since(began) < 10*time.Second; {
		if id, ok := d.books.leaderInPlan(); ok {
			d.fleet.kill(id)
			return
		}
		if !sleep(ctx, 2*time.Millisecond) {
			return
		}
	}
	if up := d.fleet.up(); len(up) > 2 {
		d.fleet.kill(up[random.IntN(len(up))])
	}
}

// cut cuts the network into two halves for a while.
func (d *demo) cut(ctx context.Context) {
	var low, high []cluster.NodeID
	for i := range d.settings.Agents {
		if id := cluster.NodeID(i + 1); i < d.settings.Agents/2 {
			low = append(low, id)
		} else {
			high = append(high, id)
		}
	}
	d.books.say(Event{Kind: "cut", Text: fmtCut(low, high)})
	d.fleet.cut(low, high)
	sleep(ctx, d.settings.Cut)
	d.fleet.cut(nil, nil)
	d.books.say(Event{Kind: "healed", Text: "the network is whole again"})
}

// requests asks for what was asked for at given dates, until all is done or ctx
// ends.
func (d *demo) requests(ctx context.Context) {
	type request struct {
		at time.Duration
		do func(random *rand.Rand)
	}
	var all []request
	for _, r := range d.settings.Drains {
		all = append(all, request{r.At, func(random *rand.Rand) { d.drain(r, random) }})
	}
	for _, r := range d.settings.Places {
		all = append(all, request{r.At, func(random *rand.Rand) { d.place(r, random) }})
	}
	slices.SortStableFunc(all, func(a, b request) int { return cmp.Compare(a.at, b.at) })
	random := newRandom(d.settings.Seed, 3)
	for began := time.Now(); len(all) > 0 && sleep(ctx, all[0].at-time.Since(began)); all = all[1:] {
		all[0].do(random)
	}
}

// drain has a host emptied.
func (d *demo) drain(r Drain, random *rand.Rand) {
	id := cluster.NodeID(r.Node)
	if up := d.fleet.up(); id == 0 && len(up) > 0 {
		id = up[random.IntN(len(up))]
	}
	if l, _ := d.centre.State(id); id != 0 && !l.Draining {
		d.books.drain(id, len(l.VMs))
		d.centre.Drain(id, true)
	}
}

// place gives VMs to a host, to be started there or elsewhere.
func (d *demo) place(r Place, random *rand.Rand) {
	up := d.fleet.up()
	if len(up) == 0 {
		return
	}
	to := up[random.IntN(len(up))]
	vms := make([]cluster.VM, r.VMs)
	for i := range vms {
		vms[i] = d.newVM(random)
	}
	d.books.place(to, vms)
	for _, v := range vms {
		if err := d.centre.Submit(v, to); err != nil {
			d.books.say(Event{Kind: "place", Text: fmt.Sprint(err)})
		}
	}
}
