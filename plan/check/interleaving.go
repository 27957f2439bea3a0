package check

import (
	"maps"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// rules checks that no order of events that the dependencies allow makes a
// rule with Always worse.
func (k *checker) rules() error {
	for i := range k.rule {
		r := &k.rule[i]
		if !r.Always || !r.Hard() {
			continue
		}
		var err error
		switch r.Kind {
		case rule.Spread:
			err = k.spread(i)
		case rule.Gather:
			err = k.gather(i)
		case rule.Lonely:
			err = k.lonely(i)
		case rule.Among:
			err = k.among(i)
		case rule.Split:
			err = k.split(i)
		case rule.RunningCapacity, rule.ResourceCapacity:
			err = k.capacity(i)
		case rule.MaxOnline:
			err = k.maxOnline(i)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// visits returns the stays of the VMs by region of the node. Stays in one region
// that follow each other become one, with the first node.
func (k *checker) visits(vms []int32, region func(n int32) int32) map[int32][]stay {
	visits := map[int32][]stay{}
	for _, v := range vms {
		for x, s := range k.stays[v] {
			d := region(s.node)
			if x > 0 && s.begin == k.stays[v][x-1].end && region(k.stays[v][x-1].node) == d {
				visits[d][len(visits[d])-1].end = s.end
				continue
			}
			visits[d] = append(visits[d], s)
		}
	}
	return visits
}

// orderOf returns the order of the actions by which stays begin and end.
func (k *checker) orderOf(stays []stay) *order {
	var begins, both []int
	for _, s := range stays {
		begins = append(begins, s.begin)
		both = append(both, s.begin, s.end)
	}
	return k.past.order(begins, both)
}

// meet checks that no two stays of VMs that are to be apart overlap, but for
// those that begin at the start.
func (k *checker) meet(i int, stays []stay, apart func(u, v int32) bool) error {
	if !slices.ContainsFunc(stays, func(s stay) bool { return s.begin != never }) {
		return nil
	}
	o := k.orderOf(stays)
	for x, s := range stays {
		for _, t := range stays[:x] {
			if s.vm == t.vm || max(s.begin, t.begin) == never || !apart(s.vm, t.vm) || !o.overlap(s, t) {
				continue
			}
			return k.breaks(max(s.begin, t.begin), i, "VMs %s and %s may be together for a time", k.vmName(t.vm), k.vmName(s.vm))
		}
	}
	return nil
}

func (k *checker) spread(i int) error {
	r, domain := &k.rule[i], k.judge.domains[k.rule[i].Domain]
	visits := k.visits(r.VMs, func(n int32) int32 { return domain[n] })
	for _, d := range slices.Sorted(maps.Keys(visits)) {
		stays := visits[d]
		if k.judge.share[i] == 1 {
			if err := k.meet(i, stays, func(_, _ int32) bool { return true }); err != nil {
				return err
			}
			continue
		}
		if err := k.atMost(i, stays, int64(k.judge.share[i]), func(int32) int64 { return 1 }); err != nil {
			return err
		}
	}
	return nil
}

// atMost checks that no arrival makes the VMs that stay have more than most of
// what each has a size of.
func (k *checker) atMost(i int, stays []stay, most int64, size func(v int32) int64) error {
	x := crossing{size: func(a int) int64 { return size(k.deeds[a].vm) }}
	for _, s := range stays {
		if s.begin == never {
			x.held += size(s.vm)
		} else {
			x.arrivals = append(x.arrivals, s.begin)
		}
		if s.end != never {
			x.departures = append(x.departures, s.end)
		}
	}
	if a, worst, over := x.exceeds(&k.past, most, true); over {
		return k.breaks(a, i, "there may be %d for a time, and are to be %d at most", worst, most)
	}
	return nil
}

func (k *checker) capacity(i int) error {
	r := &k.rule[i]
	var stays []stay
	for _, of := range k.stays {
		for _, s := range of {
			if contains(r.Nodes, s.node) {
				stays = append(stays, s)
			}
		}
	}
	return k.atMost(i, stays, r.Max, func(v int32) int64 { return k.judge.weight(r, v) })
}

// lonely looks at the nodes where one of the VMs stays.
func (k *checker) lonely(i int) error {
	r := &k.rule[i]
	theirs := k.visits(r.VMs, itself)
	all := k.visits(k.everybody(), itself)
	for _, n := range slices.Sorted(maps.Keys(theirs)) {
		err := k.meet(i, all[n], func(u, v int32) bool { return contains(r.VMs, u) != contains(r.VMs, v) })
		if err != nil {
			return err
		}
	}
	return nil
}

func itself(n int32) int32 { return n }

func (k *checker) everybody() []int32 {
	vms := make([]int32, len(k.c.VMs))
	for v := range vms {
		vms[v] = int32(v)
	}
	return vms
}

func (k *checker) split(i int) error {
	set := map[int32]int{}
	var vms []int32
	for x, members := range k.rule[i].Sets {
		for _, v := range members {
			set[v] = x
			vms = append(vms, v)
		}
	}
	visits := k.visits(vms, itself)
	for _, n := range slices.Sorted(maps.Keys(visits)) {
		if err := k.meet(i, visits[n], func(u, v int32) bool { return set[u] != set[v] }); err != nil {
			return err
		}
	}
	return nil
}

// gather checks that nobody leaves a VM that it is together with, nor starts
// elsewhere than one that runs. Who is apart already may move.
func (k *checker) gather(i int) error {
	var stays []stay
	for _, v := range k.rule[i].VMs {
		stays = append(stays, k.stays[v]...)
	}
	o := k.orderOf(stays)
	for _, s := range stays {
		if s.begin == never {
			continue
		}
		from := k.deeds[s.begin].from
		for _, t := range stays {
			// Two VMs get apart if t is elsewhere, has begun and has not ended when s
			// begins, and the VM of s was not elsewhere already.
			if s.vm == t.vm || s.node == t.node || from != cluster.Nowhere && from != t.node ||
				o.before(t.end, s.begin) || o.before(s.begin, t.begin) {
				continue
			}
			return k.breaks(s.begin, i, "VMs %s and %s may be apart for a time", k.vmName(s.vm), k.vmName(t.vm))
		}
	}
	return nil
}

// among looks for stays that may overlap and that no group has all nodes of. If
// the rule is broken at the start it looks at nothing.
func (k *checker) among(i int) error {
	r := &k.rule[i]
	if len(k.judge.breaches(i, newScene(len(k.c.Nodes), k.c.Host))) > 0 {
		return nil
	}
	var stays []stay
	for _, v := range r.VMs {
		stays = append(stays, k.stays[v]...)
	}
	w := scattering{order: k.orderOf(stays), stays: stays}
	for _, s := range stays {
		if s.begin == never {
			continue
		}
		if a, found := w.find([]stay{s}, having(r.Groups, s.node)); found {
			return k.breaks(a, i, "the VMs may be in no one group for a time")
		}
	}
	return nil
}

// having returns those of the groups that have node n.
func having(groups [][]int32, n int32) (found [][]int32) {
	for _, g := range groups {
		if contains(g, n) {
			found = append(found, g)
		}
	}
	return found
}

// scattering is a search for stays that overlap, and whose nodes are in no one
// group.
type scattering struct {
	order *order
	stays []stay
}

// find looks for stays to be added to those chosen, so that none of the groups is
// left, and returns the last action by which one of them begins. Each is to rule
// out at least one group.
func (w *scattering) find(chosen []stay, groups [][]int32) (last int, found bool) {
	if len(groups) == 0 {
		for _, s := range chosen {
			last = max(last, s.begin)
		}
		return last, true
	}
	for _, s := range w.stays {
		left := having(groups, s.node)
		if len(left) == len(groups) || slices.ContainsFunc(chosen, func(t stay) bool { return !w.order.overlap(s, t) }) {
			continue
		}
		if last, found := w.find(append(chosen, s), left); found {
			return last, true
		}
	}
	return never, false
}

// maxOnline checks how many nodes may be busy at once: the largest set of them
// in which none is empty for sure before another one is first used. If the rule
// is broken at the start it looks at nothing.
func (k *checker) maxOnline(i int) error {
	r := &k.rule[i]
	if len(k.judge.breaches(i, newScene(len(k.c.Nodes), k.c.Host))) > 0 {
		return nil
	}
	always := int64(0)
	var passing [][]stay // by node that is not kept on
	arrival := never
	visits := k.visits(k.everybody(), itself)
	for _, n := range r.Nodes {
		if k.judge.keptOn[n] {
			always++
			continue
		}
		if len(visits[n]) == 0 {
			continue
		}
		passing = append(passing, visits[n])
		for _, s := range visits[n] {
			arrival = max(arrival, s.begin)
		}
	}
	if always+int64(len(passing)) <= r.Max {
		return nil
	}
	if worst := always + int64(k.atOnce(passing)); worst > r.Max {
		return k.breaks(arrival, i, "%d nodes may host VMs or be kept on for a time", worst)
	}
	return nil
}

// atOnce returns how many of some nodes, given by who stays there, may be busy at
// once. By Dilworth's theorem that is their number less the largest number of pairs
// of one and the next, where the one is empty before the next is used.
func (k *checker) atOnce(nodes [][]stay) int {
	var all []stay
	for _, stays := range nodes {
		all = append(all, stays...)
	}
	o := k.orderOf(all)
	m := matching{next: make([][]int, len(nodes)), before: make([]int, len(nodes))}
	for one, stays := range nodes {
		m.before[one] = never
		if slices.ContainsFunc(stays, func(s stay) bool { return s.end == never }) {
			continue
		}
		for next := range nodes {
			if areBefore(o, stays, nodes[next]) {
				m.next[one] = append(m.next[one], next)
			}
		}
	}
	pairs := 0
	for one := range nodes {
		m.seen = make([]bool, len(nodes))
		if m.augment(one) {
			pairs++
		}
	}
	return len(nodes) - pairs
}

// areBefore reports whether all of the stays end before the later ones begin.
func areBefore(o *order, stays, later []stay) bool {
	for _, t := range later {
		if t.begin == never {
			return false
		}
		for _, s := range stays {
			if !o.before(s.end, t.begin) {
				return false
			}
		}
	}
	return true
}

// matching pairs nodes with those that are used later.
type matching struct {
	next   [][]int // by node: those that are used when it is empty
	before []int   // by node: the one that it is paired with, or never
	seen   []bool  // by node
}

func (m *matching) augment(one int) bool {
	for _, next := range m.next[one] {
		if m.seen[next] {
			continue
		}
		m.seen[next] = true
		if m.before[next] == never || m.augment(m.before[next]) {
			m.before[next] = one
			return true
		}
	}
	return false
}
