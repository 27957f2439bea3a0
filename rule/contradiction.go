package rule

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// contradictions finds hard rules that can't all be kept, of those that sound
// lists, for the VMs that run.
func (k *validator) contradictions(rules []Rule, sound []int) {
	p := newProof(k, rules, sound)
	for _, i := range p.hard {
		switch r := &p.rules[i]; r.Kind {
		case Spread:
			p.enoughDomains(i, r)
		case Among:
			p.anyGroup(i, r)
		case RunningCapacity:
			p.heads(i, r)
		case ResourceCapacity:
			p.demands(i, r)
		case MaxOnline:
			p.fewEnough(i, r)
		case Online:
			p.switchedOff(i, r)
		case Overbook:
			p.otherRatio(i, r)
		}
	}
	p.noNode()
	p.together()
	p.circle()
	slices.SortStableFunc(k.errors, func(a, b error) int { return cmp.Compare(a.(*Error).Rule, b.(*Error).Rule) })
}

// proof is what the rules alone say about where VMs may be.
//
// Its cost is that of reading the lists of nodes of the rules about each VM once,
// for each combination of rules that VMs are under.
type proof struct {
	*validator
	rules  []Rule
	hard   []int  // the rules that count, in ascending order
	closed []bool // by node: nobody may be there
	open   int    // nodes that are not closed
	// places is, by VM that runs, where Ban, Fence and Root let it be; nil if
	// there is none of them, or the VM does not run.
	places []*place
	about  [][]int // by VM that runs: the Bans, Fences and Roots about it
	class  []int32 // by VM: another one that it is gathered with, or itself
	marked []int   // by node: the last mark
	mark   int
}

// place is a set of nodes: some, or all that are not closed but some.
type place struct {
	but   bool
	nodes []int32 // in ascending order, none of them closed
}

func newProof(k *validator, rules []Rule, sound []int) *proof {
	p := &proof{
		validator: k, rules: rules, closed: make([]bool, len(k.c.Nodes)), places: make([]*place, len(k.c.VMs)),
		about: make([][]int, len(k.c.VMs)), class: make([]int32, len(k.c.VMs)), marked: make([]int, len(k.c.Nodes)),
	}
	for _, i := range sound {
		if rules[i].Hard() {
			p.hard = append(p.hard, i)
		}
	}
	for n := range k.c.Nodes {
		p.closed[n] = k.c.Nodes[n].State != cluster.Online
	}
	for v := range p.class {
		p.class[v] = int32(v)
	}
	for _, i := range p.hard {
		p.read(i, &rules[i])
	}
	for n := range p.closed {
		if !p.closed[n] {
			p.open++
		}
	}
	p.place()
	return p
}

func (p *proof) read(i int, r *Rule) {
	switch {
	case r.Kind == Offline, r.Kind == RunningCapacity && r.Max == 0:
		for _, n := range r.Nodes {
			p.closed[n] = true
		}
	case r.Kind == Ban || r.Kind == Fence || r.Kind == Root:
		for _, v := range r.VMs {
			if p.runs(v) {
				p.about[v] = append(p.about[v], i)
			}
		}
	case r.Kind == Gather:
		first := cluster.Nowhere
		for _, v := range r.VMs {
			if !p.runs(v) {
				continue
			}
			if first == cluster.Nowhere {
				first = v
			}
			p.class[p.leader(v)] = p.leader(first)
		}
	}
}

func (p *proof) runs(v int32) bool { return p.c.StateOf(v) == cluster.Running }

// leader returns the VM that stands for all that v is gathered with, directly or
// by way of others.
func (p *proof) leader(v int32) int32 {
	for p.class[v] != v {
		p.class[v] = p.class[p.class[v]]
		v = p.class[v]
	}
	return v
}

// place finds the places. VMs under the same rules share them.
func (p *proof) place() {
	shared := map[string]*place{}
	for v, about := range p.about {
		if len(about) == 0 {
			continue
		}
		key := p.key(int32(v), about)
		if shared[key] == nil {
			shared[key] = p.placeUnder(int32(v), about)
		}
		p.places[v] = shared[key]
	}
}

// key is the same for VMs that the same rules leave the same nodes.
func (p *proof) key(v int32, about []int) string {
	var key []byte
	for _, i := range about {
		key = binary.AppendVarint(key, int64(i))
		if p.rules[i].Kind == Root {
			key = binary.AppendVarint(key, int64(p.c.Host[v]))
		}
	}
	return string(key)
}

// placeUnder returns where v may be under the rules.
func (p *proof) placeUnder(v int32, about []int) *place {
	var within [][]int32
	p.mark++ // of what is banned or closed
	banned := &place{but: true}
	for _, i := range about {
		switch r := &p.rules[i]; r.Kind {
		case Fence:
			within = append(within, r.Nodes)
		case Root:
			within = append(within, p.c.Host[v:v+1])
		case Ban:
			for _, n := range r.Nodes {
				if p.marked[n] != p.mark && !p.closed[n] {
					p.marked[n] = p.mark
					banned.nodes = append(banned.nodes, n)
				}
			}
		}
	}
	if len(within) == 0 {
		slices.Sort(banned.nodes)
		return banned
	}
	slices.SortFunc(within, func(a, b []int32) int { return cmp.Compare(len(a), len(b)) })
	allowed := &place{nodes: make([]int32, 0, len(within[0]))}
	for _, n := range within[0] {
		if !p.closed[n] && p.marked[n] != p.mark && !slices.ContainsFunc(within[1:], func(list []int32) bool { return !contains(list, n) }) {
			allowed.nodes = append(allowed.nodes, n)
		}
	}
	return allowed
}

func contains(list []int32, n int32) bool {
	_, found := slices.BinarySearch(list, n)
	return found
}

func (p *proof) isEmpty(at *place) bool { return p.size(at) == 0 }

func (p *proof) size(at *place) int {
	switch {
	case at == nil:
		return p.open
	case at.but:
		return p.open - len(at.nodes)
	}
	return len(at.nodes)
}

// has reports whether node n is in a place.
func (p *proof) has(at *place, n int32) bool {
	if at == nil {
		return !p.closed[n]
	}
	return !p.closed[n] && contains(at.nodes, n) != at.but
}

// isWithin reports whether all of a place is in nodes.
func (p *proof) isWithin(at *place, nodes []int32) bool {
	if p.size(at) > len(nodes) {
		return false
	}
	if at != nil && !at.but {
		return !slices.ContainsFunc(at.nodes, func(n int32) bool { return !contains(nodes, n) })
	}
	inside := 0
	for _, n := range nodes {
		if p.has(at, n) {
			inside++
		}
	}
	return inside == p.size(at)
}

// noNode finds the VMs that Ban, Fence and Root leave no node, and blames the rule
// that takes the last one.
func (p *proof) noNode() {
	blamed := map[string]int{} // by key of the VM: the rule
	victims := map[int][]int32{}
	for v, about := range p.about {
		if len(about) == 0 || !p.isEmpty(p.places[v]) {
			continue
		}
		key := p.key(int32(v), about)
		guilty, known := blamed[key]
		if !known {
			for last := range about {
				if guilty = about[last]; p.isEmpty(p.placeUnder(int32(v), about[:last+1])) {
					break
				}
			}
			blamed[key] = guilty
		}
		victims[guilty] = append(victims[guilty], int32(v))
	}
	for _, i := range p.hard {
		switch vms := victims[i]; len(vms) {
		case 0:
		case 1:
			p.wrong(i, &p.rules[i], "with the rules before it, VM %q may be on no node", p.c.VMs[vms[0]].Name)
		default:
			p.wrong(i, &p.rules[i], "with the rules before it, VM %q and %d more may be on no node", p.c.VMs[vms[0]].Name, len(vms)-1)
		}
	}
}

// together finds VMs that are gathered and may be on no common node, or are to be
// apart.
func (p *proof) together() {
	gather := map[int32]int{} // by leader: the last rule
	for _, i := range p.hard {
		if r := &p.rules[i]; r.Kind == Gather {
			for _, v := range r.VMs {
				if p.runs(v) {
					gather[p.leader(v)] = i
				}
			}
		}
	}
	p.commonNode(gather)
	for _, i := range p.hard {
		switch r := &p.rules[i]; r.Kind {
		case Spread:
			if !r.Degraded {
				p.apart(i, gather, r.VMs, func(_, _ int32) bool { return true })
			}
		case Split:
			var vms []int32
			set := map[int32]int{}
			for x, members := range r.Sets {
				vms = append(vms, members...)
				for _, v := range members {
					set[v] = x
				}
			}
			p.apart(i, gather, vms, func(u, v int32) bool { return set[u] != set[v] })
		case Lonely:
			p.company(i, gather, r)
		}
	}
}

// apart blames rule i if two of the VMs that it wants apart are gathered.
func (p *proof) apart(i int, gather map[int32]int, vms []int32, wanted func(u, v int32) bool) {
	first := map[int32]int32{} // by leader: a VM
	for _, v := range vms {
		g, gathered := gather[p.leader(v)]
		if !gathered {
			continue
		}
		u, twice := first[p.leader(v)]
		if !twice {
			first[p.leader(v)] = v
		} else if wanted(u, v) {
			p.wrong(i, &p.rules[i], "it wants VMs %q and %q apart, and rule %s wants them together", p.c.VMs[u].Name, p.c.VMs[v].Name, p.rules[g].Name)
		}
	}
}

// company blames a Lonely of which a VM is gathered with another one.
func (p *proof) company(i int, gather map[int32]int, r *Rule) {
	alone := map[int32]int32{} // by leader: a VM of r
	for _, v := range r.VMs {
		if _, gathered := gather[p.leader(v)]; gathered {
			alone[p.leader(v)] = v
		}
	}
	if len(alone) == 0 {
		return
	}
	for v := range int32(len(p.class)) {
		u, with := alone[p.leader(v)]
		if with && !contains(r.VMs, v) {
			p.wrong(i, r, "it wants VMs %q and %q apart, and rule %s wants them together", p.c.VMs[u].Name, p.c.VMs[v].Name, p.rules[gather[p.leader(v)]].Name)
			delete(alone, p.leader(v))
		}
	}
}

// commonNode finds VMs that are gathered, have nodes where they may be, but none in
// common.
func (p *proof) commonNode(gather map[int32]int) {
	common := map[int32]*place{} // by leader
	for v := range int32(len(p.class)) {
		g, gathered := gather[p.leader(v)]
		if !gathered || p.places[v] == nil || p.isEmpty(p.places[v]) {
			continue
		}
		before, others := common[p.leader(v)]
		if !others {
			common[p.leader(v)] = p.places[v]
			continue
		}
		if p.isEmpty(before) {
			continue // it was said
		}
		both := p.intersection(before, p.places[v])
		if common[p.leader(v)] = both; p.isEmpty(both) {
			p.wrong(g, &p.rules[g], "VM %q may be on no node that the others may be on", p.c.VMs[v].Name)
		}
	}
}

func (p *proof) intersection(a, b *place) *place {
	if a.but && b.but {
		nodes := append(slices.Clone(a.nodes), b.nodes...)
		slices.Sort(nodes)
		return &place{but: true, nodes: slices.Compact(nodes)}
	}
	if a.but {
		a, b = b, a
	}
	both := &place{}
	for _, n := range a.nodes {
		if p.has(b, n) {
			both.nodes = append(both.nodes, n)
		}
	}
	return both
}

// enoughDomains blames a Spread of more VMs than there are domains.
func (p *proof) enoughDomains(i int, r *Rule) {
	running := 0
	for _, v := range r.VMs {
		if p.runs(v) {
			running++
		}
	}
	if r.Degraded || running < 2 {
		return
	}
	of, count := p.c.Domains(r.Domain)
	open, domains := make([]bool, count), 0
	for n, d := range of {
		if !p.closed[n] && !open[d] {
			open[d] = true
			domains++
		}
	}
	if running > domains {
		p.wrong(i, r, "it wants %d VMs in different %vs, and %d may host VMs", running, r.Domain, domains)
	}
}

// anyGroup blames an Among if each group lacks nodes for one of its VMs.
func (p *proof) anyGroup(i int, r *Rule) {
	if len(r.VMs) == 0 || !slices.ContainsFunc(r.VMs, p.runs) {
		return
	}
	for _, g := range r.Groups {
		if !slices.ContainsFunc(r.VMs, func(v int32) bool {
			return p.runs(v) && !slices.ContainsFunc(g, func(n int32) bool { return p.has(p.places[v], n) })
		}) {
			return
		}
	}
	p.wrong(i, r, "in each of its groups there is no node for one of its VMs")
}

// heads blames a RunningCapacity if more VMs than its maximum may be on its nodes
// only.
func (p *proof) heads(i int, r *Rule) {
	if r.Max == 0 {
		return // it closes nodes: see noNode
	}
	if count, _ := p.confined(r); count > r.Max {
		p.wrong(i, r, "there are %d VMs that may be on its nodes only", count)
	}
}

// demands is heads for a ResourceCapacity.
func (p *proof) demands(i int, r *Rule) {
	if _, demand := p.confined(r); demand > r.Max {
		p.wrong(i, r, "VMs that may be on its nodes only ask for %d of %v", demand, r.Resource)
	}
}

// confined returns how many VMs that run may be on the nodes of r only, and how
// much of its resource they ask for.
func (p *proof) confined(r *Rule) (count, demand int64) {
	applied := Apply(p.c, p.preserved())
	within := map[*place]bool{}
	for v, at := range p.places {
		if !p.runs(int32(v)) || p.isEmpty(at) {
			continue
		}
		inside, known := within[at]
		if !known {
			inside = p.isWithin(at, r.Nodes)
			within[at] = inside
		}
		if inside {
			count++
			demand += applied.VMs[v].Demand[r.Resource]
		}
	}
	return count, demand
}

func (p *proof) preserved() (rules []Rule) {
	for _, i := range p.hard {
		if p.rules[i].Kind == Preserve {
			rules = append(rules, p.rules[i])
		}
	}
	return rules
}

// fewEnough blames a MaxOnline if other rules keep more of its nodes on, or VMs
// that stay where they are.
func (p *proof) fewEnough(i int, r *Rule) {
	p.mark++
	on := int64(0)
	keep := func(n int32) {
		if p.marked[n] != p.mark && contains(r.Nodes, n) {
			p.marked[n] = p.mark
			on++
		}
	}
	for _, j := range p.hard {
		if p.rules[j].Kind == Online {
			for _, n := range p.rules[j].Nodes {
				keep(n)
			}
		}
	}
	for _, at := range p.places {
		if at != nil && !at.but && len(at.nodes) == 1 {
			keep(at.nodes[0])
		}
	}
	if on > r.Max {
		p.wrong(i, r, "other rules keep %d of its nodes on", on)
	}
}

// switchedOff blames an Online whose nodes are offline, or to be.
func (p *proof) switchedOff(i int, r *Rule) {
	for _, n := range r.Nodes {
		if p.c.Nodes[n].State == cluster.Offline {
			p.wrong(i, r, "node %q is offline", p.c.Nodes[n].Name)
		}
	}
	for _, j := range p.hard {
		o := &p.rules[j]
		if o.Kind != Offline {
			continue
		}
		if x := slices.IndexFunc(r.Nodes, func(n int32) bool { return contains(o.Nodes, n) }); x >= 0 {
			p.wrong(i, r, "rule %s wants node %q offline", o.Name, p.c.Nodes[r.Nodes[x]].Name)
		}
	}
}

// otherRatio blames an Overbook if one before it says otherwise about a node.
func (p *proof) otherRatio(i int, r *Rule) {
	for _, j := range p.hard {
		o := &p.rules[j]
		if j >= i {
			return
		}
		if o.Kind != Overbook || o.Resource != r.Resource || o.Max == r.Max {
			continue
		}
		if x := slices.IndexFunc(r.Nodes, func(n int32) bool { return contains(o.Nodes, n) }); x >= 0 {
			p.wrong(i, r, "rule %s says otherwise about the %v of node %q", o.Name, r.Resource, p.c.Nodes[r.Nodes[x]].Name)
		}
	}
}

// circle finds a VM that Precedence wants before itself, and blames the last rule
// of the circle.
func (p *proof) circle() {
	next := make([][]int32, len(p.c.VMs))
	for _, i := range p.hard {
		r := &p.rules[i]
		if r.Kind != Precedence {
			continue
		}
		for x, v := range r.VMs[1:] {
			next[r.VMs[x]] = append(next[r.VMs[x]], v)
		}
		// Without a circle so far, one of now goes through a VM of this rule.
		if v := onCircle(next, r.VMs); v != cluster.Nowhere {
			p.wrong(i, r, "with the rules before it, it wants VM %q to come before itself", p.c.VMs[v].Name)
			return
		}
	}
}

// onCircle returns one of the VMs from which the arrows of next lead back to it,
// or Nowhere.
func onCircle(next [][]int32, vms []int32) int32 {
	const open, done = 1, 2
	state := map[int32]int{}
	for _, root := range vms {
		type visit struct {
			vm   int32
			next int
		}
		path := []visit{{vm: root}}
		for len(path) > 0 {
			at := &path[len(path)-1]
			if at.next == 0 {
				if state[at.vm] == done {
					path = path[:len(path)-1]
					continue
				}
				state[at.vm] = open
			}
			if at.next == len(next[at.vm]) {
				state[at.vm] = done
				path = path[:len(path)-1]
				continue
			}
			to := next[at.vm][at.next]
			at.next++
			if state[to] == open {
				return to
			}
			path = append(path, visit{vm: to})
		}
	}
	return cluster.Nowhere
}
