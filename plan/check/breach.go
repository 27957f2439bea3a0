package check

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// scene says who is where at one moment. While a VM moves it counts on both
// nodes.
type scene struct {
	at [][]int32 // by VM: the nodes it counts on
	on [][]int32 // by node: the VMs that count there
}

// newScene returns the scene with every VM on its host.
func newScene(nodes int, host []int32) *scene {
	s := &scene{at: make([][]int32, len(host)), on: make([][]int32, nodes)}
	for v, n := range host {
		if n != cluster.Nowhere {
			s.arrive(int32(v), n)
		}
	}
	return s
}

func (s *scene) arrive(v, n int32) {
	s.at[v] = append(s.at[v], n)
	s.on[n] = append(s.on[n], v)
}

func (s *scene) leave(v, n int32) {
	s.at[v] = without(s.at[v], n)
	s.on[n] = without(s.on[n], v)
}

// without takes the first x out of members, whose order it does not keep.
func without(members []int32, x int32) []int32 {
	i := slices.Index(members, x)
	last := len(members) - 1
	members[i] = members[last]
	return members[:last]
}

// breach is one of the things that break a rule: two VMs that are together or
// apart, a VM where it may not be, so many VMs too many. A rule is kept if it has
// no breach. An action makes it worse if there is one afterwards that was not
// there before, or was smaller.
//
// Who arrives somewhere may add breaches, and never removes one; who leaves may
// remove some, and never adds one. So it is enough to look when somebody
// arrives.
type breach struct {
	u, v  int32 // the VMs, or none
	place int32 // the node or domain, or none
	size  int64 // of an amount that is too large; else 1
}

const none int32 = -1

// excess returns a breach by as much as amount is more than most.
func excess(amount, most int64) []breach {
	if amount <= most {
		return nil
	}
	return []breach{{none, none, none, amount - most}}
}

// worse returns the first breach in after that is not in before, or larger there.
func worse(before, after []breach) (breach, bool) {
	size := map[breach]int64{}
	key := func(b breach) breach { b.size = 0; return b }
	for _, b := range before {
		size[key(b)] = b.size
	}
	for _, b := range after {
		if b.size > size[key(b)] {
			return b, true
		}
	}
	return breach{}, false
}

// text says what a breach of r is about.
func (j *Judge) text(r *rule.Rule, b breach) string {
	switch {
	case r.Kind == rule.Gather:
		return fmt.Sprintf("VMs %s and %s are apart for a time", j.c.VMs[b.u].Name, j.c.VMs[b.v].Name)
	case b.v != none:
		return fmt.Sprintf("VMs %s and %s are together for a time", j.c.VMs[b.u].Name, j.c.VMs[b.v].Name)
	case b.u != none:
		return fmt.Sprintf("VM %s is on node %s for a time", j.c.VMs[b.u].Name, j.c.Nodes[b.place].Name)
	}
	return fmt.Sprintf("it is exceeded by %d for a time", b.size)
}

// breaches returns what breaks rule i in s. Rules that speak of the plan alone
// have no breaches.
func (j *Judge) breaches(i int, s *scene) []breach {
	r := &j.request.Rules[i]
	switch r.Kind {
	case rule.Spread:
		return j.crowded(i, s)
	case rule.Gather:
		return apart(r.VMs, s)
	case rule.Ban:
		return misplaced(r.VMs, s, func(n int32) bool { return !contains(r.Nodes, n) })
	case rule.Fence:
		return misplaced(r.VMs, s, func(n int32) bool { return contains(r.Nodes, n) })
	case rule.Lonely:
		return visited(r.VMs, s)
	case rule.Among:
		return excess(scattered(r, s), 0)
	case rule.Split:
		return mixed(r.Sets, s)
	case rule.RunningCapacity, rule.ResourceCapacity:
		return excess(j.load(r, s), r.Max)
	case rule.MaxOnline:
		return excess(j.busy(r, s), r.Max)
	}
	return nil
}

// involved returns the VMs that have a part in the breaches of r, in ascending
// order.
func (j *Judge) involved(r *rule.Rule, s *scene, breaches []breach) (vms []int32) {
	for _, b := range breaches {
		switch {
		case b.u != none:
			vms = append(vms, b.u)
			if b.v != none {
				vms = append(vms, b.v)
			}
		case r.Kind == rule.Spread:
			vms = append(vms, running(r.VMs, s, func(n int32) bool { return j.domains[r.Domain][n] == b.place })...)
		case r.Kind == rule.Among:
			vms = append(vms, running(r.VMs, s, func(int32) bool { return true })...)
		default:
			for _, n := range r.Nodes {
				vms = append(vms, s.on[n]...)
			}
		}
	}
	return unique(vms)
}

// running returns those of the VMs that are on a node that is one of those meant.
func running(vms []int32, s *scene, meant func(n int32) bool) (found []int32) {
	for _, v := range vms {
		if slices.ContainsFunc(s.at[v], meant) {
			found = append(found, v)
		}
	}
	return found
}

// contains reports whether n is one of nodes, which are in ascending order.
func contains(nodes []int32, n int32) bool {
	_, found := slices.BinarySearch(nodes, n)
	return found
}

// crowded returns the pairs of VMs that are in one domain or, if a domain may
// have several, by how many each has too many.
func (j *Judge) crowded(i int, s *scene) (found []breach) {
	r, domain := &j.request.Rules[i], j.domains[j.request.Rules[i].Domain]
	inside := map[int32][]int32{} // by domain: VMs
	for _, v := range r.VMs {
		for _, n := range s.at[v] {
			d := domain[n]
			if slices.Contains(inside[d], v) {
				continue // it moves within the domain
			}
			if j.share[i] == 1 {
				for _, u := range inside[d] {
					found = append(found, breach{u, v, d, 1})
				}
			}
			inside[d] = append(inside[d], v)
		}
	}
	if j.share[i] == 1 {
		return found
	}
	for _, d := range slices.Sorted(maps.Keys(inside)) {
		if over := len(inside[d]) - j.share[i]; over > 0 {
			found = append(found, breach{none, none, d, int64(over)})
		}
	}
	return found
}

// apart returns the pairs of VMs that are on different nodes.
func apart(vms []int32, s *scene) (found []breach) {
	for i, u := range vms {
		for _, v := range vms[i+1:] {
			if slices.ContainsFunc(s.at[u], func(n int32) bool {
				return slices.ContainsFunc(s.at[v], func(m int32) bool { return m != n })
			}) {
				found = append(found, breach{u, v, none, 1})
			}
		}
	}
	return found
}

// misplaced returns the VMs on nodes that are not allowed.
func misplaced(vms []int32, s *scene, allowed func(n int32) bool) (found []breach) {
	for _, v := range vms {
		for _, n := range s.at[v] {
			if !allowed(n) {
				found = append(found, breach{v, none, n, 1})
			}
		}
	}
	return found
}

// visited returns the pairs of one of the VMs and one of the others on a node.
func visited(vms []int32, s *scene) (found []breach) {
	for _, v := range vms {
		for _, n := range s.at[v] {
			for _, u := range s.on[n] {
				if !contains(vms, u) {
					found = append(found, breach{v, u, n, 1})
				}
			}
		}
	}
	return found
}

// scattered returns how many of the VMs are outside of the group that has most
// of them.
func scattered(r *rule.Rule, s *scene) int64 {
	least := len(r.VMs)
	for _, group := range r.Groups {
		outside := running(r.VMs, s, func(n int32) bool { return !contains(group, n) })
		least = min(least, len(outside))
	}
	return int64(least)
}

// mixed returns the pairs of VMs of different sets that are on a node.
func mixed(sets [][]int32, s *scene) (found []breach) {
	set := map[int32]int{}
	for i, members := range sets {
		for _, v := range members {
			set[v] = i
		}
	}
	for i, members := range sets {
		for _, v := range members {
			for _, n := range s.at[v] {
				for _, u := range s.on[n] {
					if other, in := set[u]; in && other < i {
						found = append(found, breach{u, v, n, 1})
					}
				}
			}
		}
	}
	return found
}

// load returns how many VMs are on the nodes of r, or how much they ask for. Who
// moves between two of them counts on both.
func (j *Judge) load(r *rule.Rule, s *scene) (total int64) {
	for _, n := range r.Nodes {
		for _, v := range s.on[n] {
			total += j.weight(r, v)
		}
	}
	return total
}

// weight returns how much v adds to what a rule about capacity limits.
func (j *Judge) weight(r *rule.Rule, v int32) int64 {
	if r.Kind == rule.RunningCapacity {
		return 1
	}
	return j.demand[v][r.Resource]
}

// busy returns how many nodes of r host somebody or are kept on.
func (j *Judge) busy(r *rule.Rule, s *scene) (count int64) {
	for _, n := range r.Nodes {
		if len(s.on[n]) > 0 || j.keptOn[n] {
			count++
		}
	}
	return count
}
