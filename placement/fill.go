package placement

import (
	"cmp"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// fill lands the evicted VMs where few nodes have to take many: node by node, each
// filled with the VM that comes closest to what is left of it, again and again.
// It reports whether all have landed.
//
// Closeness is the weighted distance between what a VM asks for and what the node
// has left, in shares of the node; a resource weighs as much as the share of it
// that all VMs ask for.
//
// Source: the "norm-based greedy" for vector bin packing of R. Panigrahy et al.,
// "Heuristics for vector bin packing", 2011, here with nodes that are partly
// filled, and VMs of equal demands and rules taken as one class.
//
// VMs that rules give less choice land before the others.
func (r *repair) fill() bool {
	f := newFilling(r)
	for _, picky := range []bool{true, false} {
		for _, n := range f.nodes {
			f.fillNode(n, picky)
		}
	}
	return f.left == 0
}

// filling is what fill knows.
type filling struct {
	repair  *repair
	classes []likeVMs
	nodes   []int32 // with room, the fullest first
	weight  [cluster.NumResources]float64
	left    int // VMs that have not landed
}

// likeVMs are VMs of which any may stand for any other, or that have to be together.
type likeVMs struct {
	demand   cluster.Resources // of one of them, or of all that are together
	vms      []int32           // that have not landed
	together bool
	picky    bool // rules give them less choice than others have
}

func newFilling(r *repair) *filling {
	f := &filling{repair: r, left: len(r.evicted)}
	r.steps += 4 * len(r.evicted)
	sorted := slices.Clone(r.evicted)
	compare := func(a, b int32) int {
		x, y := &r.c.VMs[a].Demand, &r.c.VMs[b].Demand
		return cmp.Or(-slices.Compare(x[:], y[:]), r.compareClass(a, b))
	}
	slices.SortFunc(sorted, func(a, b int32) int { return cmp.Or(compare(a, b), cmp.Compare(a, b)) })
	for i, v := range sorted {
		like := i > 0 && compare(sorted[i-1], v) == 0
		switch {
		case f.landWithMates(v):
		case like:
			class := &f.classes[len(f.classes)-1]
			class.vms = append(class.vms, v)
		default:
			picky := r.book != nil && (r.book.particular[v] || r.book.allowed[v] != nil)
			f.classes = append(f.classes, likeVMs{demand: r.c.VMs[v].Demand, vms: []int32{v}, picky: picky})
		}
	}
	f.gatherClasses()
	var asked, offered cluster.Resources
	for v, h := range r.c.Host {
		if h != cluster.Nowhere {
			asked = asked.Plus(r.c.VMs[v].Demand)
		}
	}
	for n := range r.capacity {
		offered = offered.Plus(r.capacity[n])
		if fits(cluster.Resources{}, r.room[n]) {
			f.nodes = append(f.nodes, int32(n))
		}
	}
	for d := range f.weight {
		if offered[d] > 0 {
			f.weight[d] = float64(asked[d]) / float64(offered[d])
		}
	}
	slices.SortFunc(f.nodes, func(a, b int32) int {
		return cmp.Or(cmp.Compare(r.room[a][r.scarce], r.room[b][r.scarce]), cmp.Compare(a, b))
	})
	return f
}

// landWithMates puts v where those are that it has to be with, if any of them
// stays and there is room.
func (f *filling) landWithMates(v int32) bool {
	if f.repair.book == nil {
		return false
	}
	for _, u := range f.repair.book.mates(v) {
		if n := f.repair.book.host[u]; n != cluster.Nowhere && fits(f.repair.c.VMs[v].Demand, f.repair.room[n]) && f.repair.book.admits(v, n, 0) {
			f.repair.move(v, n)
			f.left--
			return true
		}
	}
	return false
}

// gatherClasses makes one class of VMs that have to be together.
func (f *filling) gatherClasses() {
	if f.repair.book == nil {
		return
	}
	at := map[int32]int{} // by the first of the mates: its class
	for i := range f.classes {
		class := &f.classes[i]
		mates := f.repair.book.mates(class.vms[0])
		if mates == nil {
			continue
		}
		first, known := at[mates[0]]
		if !known {
			at[mates[0]] = i
			class.together = true
			continue
		}
		f.classes[first].demand = f.classes[first].demand.Plus(class.demand)
		f.classes[first].vms = append(f.classes[first].vms, class.vms...)
		class.vms = nil
	}
}

// fillNode puts VMs on n until none of them fits. It looks at those that are
// picky, or at the others.
func (f *filling) fillNode(n int32, picky bool) {
	for f.left > 0 && !f.repair.spent() {
		best, least := -1, 0.0
		f.repair.steps += len(f.classes)/8 + 1
		for i := range f.classes {
			class := &f.classes[i]
			if len(class.vms) == 0 || class.picky != picky || !fits(class.demand, f.repair.room[n]) {
				continue
			}
			if gap := f.gap(n, &class.demand); best < 0 || gap < least {
				if f.repair.book.admits(class.vms[len(class.vms)-1], n, 0) {
					best, least = i, gap
				}
			}
		}
		if best < 0 {
			return
		}
		f.landOne(&f.classes[best], n)
	}
}

// landOne puts a VM of the class on n, or all of them if they are together.
func (f *filling) landOne(class *likeVMs, n int32) {
	first := len(class.vms) - 1
	if class.together {
		first = 0
	}
	for _, v := range class.vms[first:] {
		f.repair.move(v, n)
		f.left--
	}
	class.vms = class.vms[:first]
}

// gap is the distance between demand and what n has left.
func (f *filling) gap(n int32, demand *cluster.Resources) (sum float64) {
	for d, weight := range f.weight {
		if weight == 0 || f.repair.capacity[n][d] == 0 {
			continue
		}
		part := float64(f.repair.room[n][d]-demand[d]) / float64(f.repair.capacity[n][d])
		sum += float64(weight * float64(part*part))
	}
	return sum
}
