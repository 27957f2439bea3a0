package injector

import (
	"fmt"
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/java"
)

// VMPlaceS returns the workload of VMs with the given numbers of vCPUs, named
// vm-0, vm-1 and so on, as VMPlaceS [1] draws it with the same seed. l must be
// valid.
//
// Three generators start from the one seed, for the times, the VMs and the
// loads; the VM is drawn from a list in the order of a Java hash map. VMPlaceS
// counts CPU in percent of a core, so a slot is worth a whole number of them.
func (l Law) VMPlaceS(vcpus []int32, seed int64) Workload {
	return Workload{l.initial(vcpus), newVMPlaceS(l, vcpus, seed)}
}

func newVMPlaceS(l Law, vcpus []int32, seed int64) *vmPlaceS {
	if err := l.Validate(); err != nil {
		panic("injector: " + err.Error())
	}
	names := make([]string, len(vcpus))
	for v := range names {
		names[v] = fmt.Sprint("vm-", v)
	}
	return &vmPlaceS{
		law:   l,
		vcpus: vcpus,
		order: HashOrder(names),
		times: java.NewRandom(seed),
		vms:   java.NewRandom(seed),
		loads: java.NewRandom(seed),
	}
}

type vmPlaceS struct {
	law               Law
	vcpus             []int32
	order             []int32 // of the VMs, in the list from which one is drawn
	times, vms, loads *java.Random
	seconds           float64 // of the last change; At is it, rounded
}

func (p *vmPlaceS) Next() (Change, bool) {
	if len(p.vcpus) == 0 || p.seconds >= p.law.Duration.Seconds() {
		return Change{}, false
	}
	rate := 1 / p.law.Period.Seconds() * float64(len(p.vcpus))
	p.seconds += -java.Log(1-p.times.NextDouble()) / rate
	if p.seconds >= p.law.Duration.Seconds() {
		return Change{}, false
	}
	v := p.order[p.vms.NextInt(int32(len(p.order)))]
	slot := p.law.slot(float64(p.loads.NextGaussian()*p.law.SD) + p.law.Mean)
	return Change{
		At:  time.Duration(math.Round(p.seconds * 1e9)),
		VM:  v,
		CPU: cluster.Millicores(slot) * p.perSlot() * cluster.Millicores(p.vcpus[v]),
	}, true
}

func (p *vmPlaceS) perSlot() cluster.Millicores {
	const percent = cluster.Core / 100
	return p.law.Full / percent / cluster.Millicores(p.law.Slots) * percent
}

// HashOrder returns the indices of names in the order in which VMPlaceS goes
// through hosts or VMs of these names, which is that of a Java hash map. The
// names must differ.
func HashOrder(names []string) []int32 {
	index := make(map[string]int32, len(names))
	for i, name := range names {
		index[name] = int32(i)
	}
	order := make([]int32, 0, len(names))
	for _, name := range java.HashOrder(names) {
		order = append(order, index[name])
	}
	return order
}

// FillToAverage is the initial placement of VMPlaceS [1], there called round
// robin: it takes the nodes in the given order, each gets VMs in the order of
// their indices until it has the average number or the next VM's demand does
// not fit, and the next node goes on. The order of VMPlaceS is HashOrder of
// the nodes' names.
//
// As each node gets at least the average, the last nodes stay empty if the
// average is not whole: 300 VMs fill 30 of 32 nodes. FillToAverage returns
// the host of each VM, or an error that names the first VM without a place.
func FillToAverage(nodes []cluster.Node, order []int32, vms []cluster.VM) ([]int32, error) {
	hosts := make([]int32, len(vms))
	at, count := 0, 0 // the node being filled, as a place in order, and its VMs
	var use cluster.Resources
	for v, vm := range vms {
		for at < len(order) && !(count*len(nodes) < len(vms) &&
			use.Plus(vm.Demand).Within(nodes[order[at]].Capacity)) {
			at, count, use = at+1, 0, cluster.Resources{}
		}
		if at == len(order) {
			return nil, fmt.Errorf("no node left for VM %q, which asks for %v, after %d of %d VMs", vm.Name, vm.Demand, v, len(vms))
		}
		hosts[v] = order[at]
		count++
		use = use.Plus(vm.Demand)
	}
	return hosts, nil
}
