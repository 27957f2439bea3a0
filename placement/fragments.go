package placement

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// fragmented reports whether it is proven that the VMs do not fit on the
// nodes, as the room is in pieces. For one resource and one threshold t, it
// counts only the VMs that ask for t or more, in two ways: there are more of
// them than the nodes take, or they ask for more than the nodes have, where a
// VM that leaves less than t of the largest node takes all of it.
//
// Source: S. P. Fekete and J. Schepers, "New classes of fast lower bounds for
// bin packing problems", Mathematical Programming, 2001: U(k) with the
// threshold 1/k, and u(epsilon). Here nodes may differ.
func (r *repair) fragmented() bool {
	demands := make([]int64, 0, len(r.c.VMs))
	for d := range cluster.NumResources {
		demands = demands[:0]
		for v, h := range r.c.Host {
			if amount := r.c.VMs[v].Demand[d]; h != cluster.Nowhere && amount > 0 {
				demands = append(demands, amount)
			}
		}
		slices.Sort(demands)
		rooms := r.classes(cluster.Resource(d))
		r.steps += 8 * len(demands)
		if len(demands) > 0 && r.isFragmented(demands, rooms) {
			r.rejected[d]++
			return true
		}
	}
	return false
}

// class is a number of nodes that have equal capacity of a resource.
type class struct {
	capacity int64
	nodes    int64
}

// classes returns the nodes by capacity, the largest first.
func (r *repair) classes(d cluster.Resource) []class {
	amounts := make([]int64, len(r.c.Nodes))
	for n := range amounts {
		amounts[n] = r.capacity[n][d]
	}
	slices.Sort(amounts)
	slices.Reverse(amounts)
	var classes []class
	for i, amount := range amounts {
		if i == 0 || amount != amounts[i-1] {
			classes = append(classes, class{capacity: amount})
		}
		classes[len(classes)-1].nodes++
	}
	return classes
}

// isFragmented tries each demand as the threshold. They are in ascending order.
func (r *repair) isFragmented(demands []int64, classes []class) bool {
	most := classes[0].capacity
	rest := int64(0) // what demands[i:] ask for together
	for _, demand := range demands {
		rest += demand
	}
	large, whole := len(demands), int64(0) // demands[large:] leave less than t, and ask for whole together
	for i, t := range demands {
		if i > 0 && t == demands[i-1] {
			rest -= t
			continue
		}
		for large > i && demands[large-1] > most-t {
			large--
			whole += demands[large]
		}
		places, room := int64(0), int64(0)
		for _, c := range classes {
			places += c.nodes * (c.capacity / t)
			if c.capacity > most-t {
				room += c.nodes * most
			} else {
				room += c.nodes * c.capacity
			}
		}
		r.steps += len(classes)
		if int64(len(demands)-i) > places {
			return true
		}
		if 2*t <= most && rest-whole+int64(len(demands)-large)*most > room {
			return true
		}
		rest -= t
	}
	return false
}
