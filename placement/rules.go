package placement

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// book keeps, for one placement, which rules it breaks. Whoever moves a VM tells
// it.
//
// Rules that leave a VM some nodes and forbid it the others, whatever other VMs
// do, become sets of nodes (allowed). All others are a ruling each.
type book struct {
	c    *cluster.Configuration
	host []int32 // by VM: the node where it counts, or Nowhere
	// allowed is, by VM, the nodes where it may be, or nil if it may be on every
	// node that is not closed.
	allowed []*nodeSet
	closed  []bool  // by node: nobody may be there
	guests  []int32 // by node: how many VMs count there

	rulings []ruling
	weight  []int64   // by ruling: of a soft rule, 0 if it is hard
	name    []int32   // by ruling: the index of its rule in Problem.Rules
	of      [][]int32 // by VM: the rulings about it
	wide    []int32   // the rulings about all VMs
	broken  []bool    // by ruling
	// particular marks the VMs that rules tell from others with equal demands.
	particular []bool
	wrong      int   // how many hard ones are broken
	penalty    int64 // what the broken soft ones weigh together
	byMoves    bool  // there is a ruling that counts moves, so that homes matter

	rejected []int // by rule: how often it kept a VM from a node

	position []int32 // by VM: its place in the latest search, or outside
	searched []int32 // the VMs of the latest search
}

// ruling is a rule that depends on where several VMs are.
type ruling interface {
	// move takes note that v, which counted on from, counts on to. Either may be
	// Nowhere. The book is up to date.
	move(b *book, v, from, to int32)
	// isBroken reports whether the rule is broken now.
	isBroken() bool
	// culprits appends VMs of which at least one has to be elsewhere so that a
	// broken rule is kept, as few as is easy to tell. Those that scope calls fixed
	// are left out.
	culprits(b *book, s scope, vms []int32) []int32
}

// scope says which VMs can be somewhere else.
type scope struct {
	movable []int32 // all of them, and possibly others
	fixed   func(v int32) bool
}

func (s scope) add(vms []int32, more ...int32) []int32 {
	for _, v := range more {
		if !s.fixed(v) {
			vms = append(vms, v)
		}
	}
	return vms
}

// put lets v count on node to, which may be Nowhere.
func (b *book) put(v, to int32) {
	from := b.host[v]
	if from == to {
		return
	}
	b.host[v] = to
	if from != cluster.Nowhere {
		b.guests[from]--
	}
	if to != cluster.Nowhere {
		b.guests[to]++
	}
	for _, i := range b.of[v] {
		b.note(i, v, from, to)
	}
	for _, i := range b.wide {
		b.note(i, v, from, to)
	}
}

func (b *book) note(i, v, from, to int32) {
	b.rulings[i].move(b, v, from, to)
	broken := b.rulings[i].isBroken()
	if broken == b.broken[i] {
		return
	}
	b.broken[i] = broken
	sign := 1
	if !broken {
		sign = -1
	}
	if b.weight[i] > 0 {
		b.penalty += int64(sign) * b.weight[i]
	} else {
		b.wrong += sign
	}
}

// mayBe reports whether v may be on n as far as it alone is concerned.
func (b *book) mayBe(v, n int32) bool {
	if b == nil {
		return true
	}
	return !b.closed[n] && (b.allowed[v] == nil || b.allowed[v].has(n))
}

// admits reports whether v can be on n without breaking a hard rule that is kept
// now, and soft rules that weigh more than leeway together.
func (b *book) admits(v, n int32, leeway int64) bool {
	if b == nil {
		return true
	}
	if !b.mayBe(v, n) {
		return false
	}
	if len(b.of[v]) == 0 && len(b.wide) == 0 {
		return true
	}
	from, wrong, penalty := b.host[v], b.wrong, b.penalty
	b.put(v, n)
	ok := b.wrong <= wrong && b.penalty <= penalty+leeway
	if !ok {
		b.blame(v)
	}
	b.put(v, from)
	return ok
}

// blame counts the rules about v that are broken.
func (b *book) blame(v int32) {
	for _, list := range [][]int32{b.of[v], b.wide} {
		for _, i := range list {
			if b.broken[i] {
				b.rejected[b.name[i]]++
			}
		}
	}
}

// positions returns, by VM, its place in vms, or outside. It is valid until the
// next call.
func (b *book) positions(vms []int32) []int32 {
	if b.position == nil {
		b.position = make([]int32, len(b.host))
		for v := range b.position {
			b.position[v] = outside
		}
	}
	for _, v := range b.searched {
		b.position[v] = outside
	}
	b.searched = vms
	for i, v := range vms {
		b.position[v] = int32(i)
	}
	return b.position
}

// mates returns the VMs that have to be on one node with v, and v, or nil if
// there are none.
func (b *book) mates(v int32) []int32 {
	for _, i := range b.of[v] {
		if g, ok := b.rulings[i].(*gather); ok && b.weight[i] == 0 {
			return g.vms
		}
	}
	return nil
}

// newBook reads the rules for c, with every VM where it is at home: see
// repair.start. It is nil if there is nothing to watch.
func newBook(p *Problem, virtual *virtual) *book {
	if len(p.Rules) == 0 && virtual.closed == nil {
		return nil
	}
	c := virtual.c
	b := &book{
		c: c, host: make([]int32, len(c.VMs)), allowed: make([]*nodeSet, len(c.VMs)), closed: virtual.closed,
		guests: make([]int32, len(c.Nodes)), of: make([][]int32, len(c.VMs)), rejected: make([]int, len(p.Rules)),
		particular: make([]bool, len(c.VMs)),
	}
	if b.closed == nil {
		b.closed = make([]bool, len(c.Nodes))
	}
	for v := range b.host {
		b.host[v] = cluster.Nowhere
	}
	b.readSets(p.Rules, virtual)
	for i := range p.Rules {
		b.read(p.Rules, i, virtual)
	}
	b.broken = make([]bool, len(b.rulings))
	for i, r := range b.rulings {
		if b.broken[i] = r.isBroken(); b.broken[i] {
			if b.weight[i] > 0 {
				b.penalty += b.weight[i]
			} else {
				b.wrong++
			}
		}
	}
	return b
}

// readSets makes sets of nodes of the hard rules that are about one VM at a time.
func (b *book) readSets(rules []rule.Rule, virtual *virtual) {
	sets := newSetMaker(len(b.c.Nodes))
	start := virtual.start
	for i := range rules {
		r := &rules[i]
		switch {
		case !r.Hard():
		case r.Kind == rule.Ban:
			for _, v := range r.VMs {
				b.allowed[v] = sets.without(b.allowed[v], r.Nodes)
			}
		case r.Kind == rule.Fence:
			for _, v := range r.VMs {
				b.allowed[v] = sets.within(b.allowed[v], r.Nodes)
			}
		case r.Kind == rule.Root:
			for _, v := range r.VMs {
				if start.Host[v] != cluster.Nowhere {
					b.allowed[v] = sets.within(b.allowed[v], start.Host[v:v+1])
				}
			}
		case r.Kind == rule.Gather && r.Always:
			if n := virtual.together(r.VMs); n != cluster.Nowhere {
				for _, v := range r.VMs {
					b.allowed[v] = sets.within(b.allowed[v], []int32{n})
				}
			}
		case r.Kind == rule.Among && r.Always:
			b.stayAmong(sets, r, virtual)
		}
	}
}

// together returns the node where at least two of the VMs run, and go on to, if all
// that run are there, or Nowhere.
func (v *virtual) together(vms []int32) int32 {
	at, staying := cluster.Nowhere, 0
	for _, vm := range vms {
		h := v.start.Host[vm]
		switch {
		case h == cluster.Nowhere:
			continue
		case at != cluster.Nowhere && h != at:
			return cluster.Nowhere
		case v.c.Host[vm] != cluster.Nowhere:
			staying++
		}
		at = h
	}
	if staying < 2 {
		return cluster.Nowhere
	}
	return at
}

// stayAmong keeps VMs in the groups that those of them are in together that run,
// and go on to: a VM that moved to another group would be in two on its way.
func (b *book) stayAmong(sets *setMaker, r *rule.Rule, virtual *virtual) {
	union := virtual.groupsOf(r)
	if len(union) == 0 {
		return
	}
	for _, v := range r.VMs {
		b.allowed[v] = sets.within(b.allowed[v], union)
	}
}

// groupsOf returns the nodes of the groups of r that all of its VMs are in that run,
// and go on to, in ascending order; none if there are no such VMs or groups.
func (v *virtual) groupsOf(r *rule.Rule) (union []int32) {
	running := false
	for _, group := range r.Groups {
		inside := true
		for _, vm := range r.VMs {
			if h := v.start.Host[vm]; h != cluster.Nowhere && v.c.Host[vm] != cluster.Nowhere {
				running = true
				_, found := slices.BinarySearch(group, h)
				inside = inside && found
			}
		}
		if inside {
			union = append(union, group...)
		}
	}
	if !running {
		return nil
	}
	slices.Sort(union)
	return slices.Compact(union)
}

// read makes a ruling of rule i if it needs one.
func (b *book) read(rules []rule.Rule, i int, virtual *virtual) {
	r := &rules[i]
	switch r.Kind {
	case rule.Spread:
		b.enter(i, r, newSpread(b.c, r, virtual), r.VMs)
	case rule.Gather:
		b.enter(i, r, &gather{vms: r.VMs}, r.VMs)
	case rule.Among:
		b.enter(i, r, newAmong(b.c, r), r.VMs)
	case rule.Split:
		s := newSplit(b.c, r)
		b.enter(i, r, s, s.vms)
	case rule.Ban, rule.Fence:
		if !r.Hard() {
			b.enter(i, r, &placed{vms: r.VMs, nodes: setOf(len(b.c.Nodes), r.Nodes), inside: r.Kind == rule.Fence}, r.VMs)
		}
	case rule.Root:
		if !r.Hard() {
			b.enter(i, r, &rooted{vms: r.VMs, home: virtual.start.Host}, r.VMs)
		}
	case rule.Lonely:
		b.enter(i, r, newLonely(b.c, r), nil)
		for _, v := range r.VMs {
			b.particular[v] = true
		}
	case rule.RunningCapacity, rule.ResourceCapacity:
		c := &capacity{nodes: setOf(len(b.c.Nodes), r.Nodes), most: r.Max, each: r.Kind == rule.RunningCapacity, resource: r.Resource}
		b.enter(i, r, c, nil)
	case rule.MaxOnline:
		b.enter(i, r, newOnline(b.c, r, rules), nil)
	case rule.MovesIn, rule.MovesOut:
		b.byMoves = true
		b.enter(i, r, newMoves(b.c, r, virtual), nil)
	}
}

// enter adds a ruling about the given VMs, or about all of them if there are none.
func (b *book) enter(i int, r *rule.Rule, ruling ruling, vms []int32) {
	number := int32(len(b.rulings))
	b.rulings = append(b.rulings, ruling)
	b.weight = append(b.weight, int64(r.Weight))
	b.name = append(b.name, int32(i))
	if vms == nil {
		b.wide = append(b.wide, number)
		return
	}
	for _, v := range vms {
		b.of[v] = append(b.of[v], number)
		b.particular[v] = true
	}
}
