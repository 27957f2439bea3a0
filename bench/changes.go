package bench

import (
	"cmp"
	"math"
	"slices"
)

// Change is a change of the load of a VM.
type Change struct {
	At   float64 // seconds
	VM   int32
	Load int32 // percent of a core
}

// Changes draws the changes of load of so many VMs before a date, in order of
// date and then of VM: at exponential intervals, 300 s in the mean, to Gaussian
// loads, 60 % with a deviation of 20, in steps of 10 from 0 to 100. It is the
// workload of VMPlaceS [1].
//
// Logarithm, root and cosine may differ in the last bit between libraries; the
// program in peers/simgrid draws the same ones, as far as that allows.
//
//	[1] A. Lebre, J. Pastor and M. Südholt, "VMPlaceS: A Generic Tool to
//	    Investigate and Compare VM Placement Algorithms", Euro-Par 2015.
func Changes(vms int, until float64, seed uint64) []Change {
	all := make([]Change, 0, int(float64(vms)*until/300*1.05)+16)
	for vm := range int32(vms) {
		r := random{seed*1000003 + uint64(vm)}
		for at := r.interval(); at < until; at += r.interval() {
			all = append(all, Change{at, vm, r.load()})
		}
	}
	slices.SortFunc(all, func(a, b Change) int {
		if a.At != b.At {
			return cmp.Compare(a.At, b.At)
		}
		return cmp.Compare(a.VM, b.VM)
	})
	return all
}

func (r *random) interval() float64 { return -300 * math.Log(1-r.unit()) }

func (r *random) load() int32 {
	wide := float64(20 * math.Sqrt(float64(-2*math.Log(1-r.unit()))))
	g := 60 + float64(wide*math.Cos(float64(2*math.Pi*r.unit())))
	return int32(min(100, max(0, 10*math.Floor(g/10+0.5))))
}
