package injector

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Law is the load law of VMPlaceS [1]. Loads change one VM at a time, at the
// instants of a Poisson process. The VM is any of them; its new load is drawn
// from a normal distribution, clamped to 0..100 %, and rounded to one of a few
// slots.
type Law struct {
	Duration time.Duration      // changes come before this instant
	Period   time.Duration      // mean time between two changes of one VM
	Mean     float64            // of the new load, in percent
	SD       float64            // standard deviation of the new load, in percent
	Slots    int                // steps of load: a VM has one of Slots+1 loads
	Full     cluster.Millicores // what one vCPU asks for at a load of 100 %
	Start    Start
}

// Start is the load of all VMs before their first change.
type Start uint8

// A run that starts at zero warms up for about three periods, in which fewer
// nodes are overloaded than later. The experiments of 2014 and 2015 started
// so; later ones started at the mean.
const (
	AtZero Start = iota
	AtMean
)

// Reference returns the law of the published experiments: for 1800 s, each VM
// changes every 300 s on average, to a load of 60 ± 20 % in tenths of a core.
func Reference() Law {
	return Law{
		Duration: 1800 * time.Second,
		Period:   300 * time.Second,
		Mean:     60,
		SD:       20,
		Slots:    10,
		Full:     cluster.Core,
	}
}

// Validate returns an error that names the first setting that makes no sense.
func (l Law) Validate() error {
	switch {
	case l.Duration < 0:
		return fmt.Errorf("the duration of the load is negative: %v", l.Duration)
	case l.Period <= 0:
		return fmt.Errorf("the load period is %v; it must be positive", l.Period)
	case !(l.Mean >= 0 && l.Mean <= 100):
		return fmt.Errorf("the mean load is %v%%; it must be from 0%% to 100%%", l.Mean)
	case !(l.SD >= 0) || math.IsInf(l.SD, 1):
		return fmt.Errorf("the standard deviation of the load is %v%%; it must be positive or 0", l.SD)
	case l.Slots < 1:
		return fmt.Errorf("there are %d load slots; at least 1 is needed", l.Slots)
	case l.Full < cluster.Millicores(l.Slots):
		return fmt.Errorf("a vCPU at full load asks for %v, too little for %d load slots", l.Full, l.Slots)
	case l.Start != AtZero && l.Start != AtMean:
		return errors.New("VMs start at a load of zero or at the mean")
	}
	return nil
}

// slot is the step of a load in percent, half a step rounded up.
func (l Law) slot(load float64) int64 {
	load = min(100, max(load, 0))
	return int64(math.Round(load * float64(l.Slots) / 100))
}

// initial is what VMs ask for at the start. The mean is not rounded to slots,
// as in [1].
func (l Law) initial(vcpus []int32) []cluster.Millicores {
	demands := make([]cluster.Millicores, len(vcpus))
	if l.Start == AtZero {
		return demands
	}
	mean := cluster.Millicores(math.Round(float64(l.Full) * l.Mean / 100))
	for v, n := range vcpus {
		demands[v] = mean * cluster.Millicores(n)
	}
	return demands
}

// Gaussian returns the reference workload of VMs with the given numbers of
// vCPUs. l must be valid.
//
// It is the law of VMPlaceS drawn our own way: the times, the VMs and the
// loads come from independent streams, where VMPlaceS uses one sequence of
// random numbers three times over.
func (l Law) Gaussian(vcpus []int32, seed uint64) Workload {
	if err := l.Validate(); err != nil {
		panic("injector: " + err.Error())
	}
	g := &gaussian{
		law:   l,
		vcpus: vcpus,
		times: Stream(seed, "injector/times"),
		vms:   Stream(seed, "injector/vms"),
		loads: Stream(seed, "injector/loads"),
	}
	return Workload{l.initial(vcpus), g}
}

type gaussian struct {
	law               Law
	vcpus             []int32
	times, vms, loads *rand.Rand
	now               time.Duration
}

func (g *gaussian) Next() (Change, bool) {
	if len(g.vcpus) == 0 || g.now >= g.law.Duration {
		return Change{}, false
	}
	gap := float64(g.law.Period) / float64(len(g.vcpus)) * g.times.ExpFloat64()
	if gap >= float64(g.law.Duration-g.now) {
		g.now = g.law.Duration
		return Change{}, false
	}
	g.now += time.Duration(gap)
	v := g.vms.Int32N(int32(len(g.vcpus)))
	slot := g.law.slot(float64(g.loads.NormFloat64()*g.law.SD) + g.law.Mean)
	perSlot := g.law.Full / cluster.Millicores(g.law.Slots)
	return Change{g.now, v, cluster.Millicores(slot) * perSlot * cluster.Millicores(g.vcpus[v])}, true
}
