package placement

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// spread wants at most most of its VMs in a domain.
type spread struct {
	vms    []int32
	domain []int32 // by node; nil if each node is its own
	most   int
	excess int // VMs that are one too many in their domain
}

func newSpread(c *cluster.Configuration, r *rule.Rule, virtual *virtual) *spread {
	s := &spread{vms: r.VMs, most: 1}
	if r.Domain != cluster.OneNode {
		s.domain, _ = virtual.start.Domains(r.Domain)
	}
	if r.Degraded {
		s.most = evenShare(virtual, r)
	}
	return s
}

// evenShare returns how many of the VMs of a rule that will run a domain gets if
// they are spread evenly over the domains with a node that is open to VMs.
func evenShare(virtual *virtual, r *rule.Rule) int {
	of, count := virtual.start.Domains(r.Domain)
	open := make([]bool, count)
	domains := 0
	for n, d := range of {
		if !open[d] && (virtual.shut == nil || !virtual.shut[n]) {
			open[d] = true
			domains++
		}
	}
	running := 0
	for _, v := range r.VMs {
		if virtual.c.Host[v] != cluster.Nowhere {
			running++
		}
	}
	return max(1, (running+max(domains, 1)-1)/max(domains, 1))
}

func (s *spread) of(n int32) int32 {
	if s.domain == nil {
		return n
	}
	return s.domain[n]
}

// others counts the VMs but v in the domain of n.
func (s *spread) others(b *book, v, n int32) int {
	count := 0
	for _, u := range s.vms {
		if h := b.host[u]; u != v && h != cluster.Nowhere && s.of(h) == s.of(n) {
			count++
		}
	}
	return count
}

func (s *spread) move(b *book, v, from, to int32) {
	if from != cluster.Nowhere && to != cluster.Nowhere && s.of(from) == s.of(to) {
		return
	}
	if from != cluster.Nowhere && s.others(b, v, from) >= s.most {
		s.excess--
	}
	if to != cluster.Nowhere && s.others(b, v, to) >= s.most {
		s.excess++
	}
}

func (s *spread) isBroken() bool { return s.excess > 0 }

func (s *spread) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range s.vms {
		h := b.host[v]
		if h == cluster.Nowhere || s.others(b, v, h) < s.most {
			continue
		}
		for _, u := range s.vms {
			if b.host[u] != cluster.Nowhere && s.of(b.host[u]) == s.of(h) {
				vms = scope.add(vms, u)
			}
		}
		return vms
	}
	return vms
}

// gather wants its VMs on one node.
type gather struct {
	vms    []int32
	broken bool
}

func (g *gather) move(b *book, _, _, _ int32) {
	first, other := g.parted(b, nil)
	g.broken = first != other
}

// parted returns two VMs on different nodes, the first of them a fixed one if
// there is any, or the same VM twice.
func (g *gather) parted(b *book, fixed func(v int32) bool) (first, other int32) {
	first = cluster.Nowhere
	for _, v := range g.vms {
		if b.host[v] != cluster.Nowhere && (first == cluster.Nowhere || fixed != nil && fixed(v) && !fixed(first)) {
			first = v
		}
	}
	for _, v := range g.vms {
		if b.host[v] != cluster.Nowhere && b.host[v] != b.host[first] {
			return first, v
		}
	}
	return first, first
}

func (g *gather) isBroken() bool { return g.broken }

func (g *gather) culprits(b *book, scope scope, vms []int32) []int32 {
	first, other := g.parted(b, scope.fixed)
	return scope.add(vms, first, other)
}

// among wants its VMs on the nodes of one group.
type among struct {
	vms    []int32
	groups []*nodeSet
	broken bool
}

func newAmong(c *cluster.Configuration, r *rule.Rule) *among {
	a := &among{vms: r.VMs}
	for _, group := range r.Groups {
		a.groups = append(a.groups, setOf(len(c.Nodes), group))
	}
	return a
}

func (a *among) move(b *book, _, _, _ int32) {
	a.broken = !slices.ContainsFunc(a.groups, func(group *nodeSet) bool {
		return !slices.ContainsFunc(a.vms, func(v int32) bool { return b.host[v] != cluster.Nowhere && !group.has(b.host[v]) })
	})
}

func (a *among) isBroken() bool { return a.broken }

func (a *among) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range a.vms {
		if b.host[v] != cluster.Nowhere {
			vms = scope.add(vms, v)
		}
	}
	return vms
}

// split wants VMs of different sets on different nodes.
type split struct {
	vms     []int32
	set     []int32 // by position in vms
	clashes int     // pairs of VMs that are to be apart and are not
}

func newSplit(_ *cluster.Configuration, r *rule.Rule) *split {
	s := &split{}
	for i, set := range r.Sets {
		for _, v := range set {
			s.vms, s.set = append(s.vms, v), append(s.set, int32(i))
		}
	}
	return s
}

// clashing calls visit for the VMs on n that are to be apart from v.
func (s *split) clashing(b *book, v, n int32, visit func(u int32)) {
	own := s.set[slices.Index(s.vms, v)]
	for i, u := range s.vms {
		if s.set[i] != own && b.host[u] == n {
			visit(u)
		}
	}
}

func (s *split) move(b *book, v, from, to int32) {
	if from != cluster.Nowhere {
		s.clashing(b, v, from, func(int32) { s.clashes-- })
	}
	if to != cluster.Nowhere {
		s.clashing(b, v, to, func(int32) { s.clashes++ })
	}
}

func (s *split) isBroken() bool { return s.clashes > 0 }

func (s *split) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range s.vms {
		if b.host[v] == cluster.Nowhere {
			continue
		}
		other := cluster.Nowhere
		s.clashing(b, v, b.host[v], func(u int32) {
			if other == cluster.Nowhere || scope.fixed(u) {
				other = u
			}
		})
		if other != cluster.Nowhere {
			return scope.add(vms, v, other)
		}
	}
	return vms
}

// placed is a soft Ban or Fence.
type placed struct {
	vms    []int32
	nodes  *nodeSet
	inside bool // the VMs are wanted on the nodes, not off them
	out    int  // VMs that are where they are not wanted
}

func (p *placed) isOut(n int32) bool { return n != cluster.Nowhere && p.nodes.has(n) != p.inside }

func (p *placed) move(_ *book, _, from, to int32) {
	if p.isOut(from) {
		p.out--
	}
	if p.isOut(to) {
		p.out++
	}
}

func (p *placed) isBroken() bool { return p.out > 0 }

func (p *placed) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range p.vms {
		if p.isOut(b.host[v]) {
			return scope.add(vms, v)
		}
	}
	return vms
}

// rooted is a soft Root.
type rooted struct {
	vms  []int32
	home []int32 // by VM: where it runs at the start
	away int
}

func (r *rooted) isAway(v, n int32) bool {
	return n != cluster.Nowhere && r.home[v] != cluster.Nowhere && n != r.home[v]
}

func (r *rooted) move(_ *book, v, from, to int32) {
	if r.isAway(v, from) {
		r.away--
	}
	if r.isAway(v, to) {
		r.away++
	}
}

func (r *rooted) isBroken() bool { return r.away > 0 }

func (r *rooted) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range r.vms {
		if r.isAway(v, b.host[v]) {
			return scope.add(vms, v)
		}
	}
	return vms
}

// lonely wants no other VM with its own.
type lonely struct {
	member []bool  // by VM
	inside []int32 // by node: how many members are there
	mixed  int64   // pairs of a member and another VM on one node
}

func newLonely(c *cluster.Configuration, r *rule.Rule) *lonely {
	l := &lonely{member: make([]bool, len(c.VMs)), inside: make([]int32, len(c.Nodes))}
	for _, v := range r.VMs {
		l.member[v] = true
	}
	return l
}

func (l *lonely) move(b *book, v, from, to int32) {
	// The book has moved v already; inside has not.
	if l.member[v] {
		if from != cluster.Nowhere {
			l.inside[from]--
			l.mixed -= int64(b.guests[from] - l.inside[from])
		}
		if to != cluster.Nowhere {
			l.mixed += int64(b.guests[to] - 1 - l.inside[to])
			l.inside[to]++
		}
		return
	}
	if from != cluster.Nowhere {
		l.mixed -= int64(l.inside[from])
	}
	if to != cluster.Nowhere {
		l.mixed += int64(l.inside[to])
	}
}

func (l *lonely) isBroken() bool { return l.mixed > 0 }

func (l *lonely) culprits(b *book, scope scope, vms []int32) []int32 {
	// Either the members on a node leave it, or the others do: the first of each
	// kind that cannot stay together are the culprits.
	node, mark := cluster.Nowhere, len(vms)
	for v, n := range b.host {
		if n != cluster.Nowhere && l.inside[n] > 0 && l.inside[n] < b.guests[n] && (node == cluster.Nowhere || n == node) {
			node = n
			vms = scope.add(vms, int32(v))
		}
	}
	return l.pair(b, node, scope, vms, mark)
}

// pair shortens vms[mark:], VMs on node, to one member and one other VM.
func (l *lonely) pair(b *book, node int32, scope scope, vms []int32, mark int) []int32 {
	var fixed [2]bool // there is a fixed VM of a kind
	for v, n := range b.host {
		if n == node && scope.fixed(int32(v)) {
			fixed[l.kind(int32(v))] = true
		}
	}
	taken := fixed
	kept := vms[:mark]
	for _, v := range vms[mark:] {
		if kind := l.kind(v); !taken[kind] {
			taken[kind] = true
			kept = append(kept, v)
		}
	}
	return kept
}

func (l *lonely) kind(v int32) int {
	if l.member[v] {
		return 0
	}
	return 1
}

// capacity is a RunningCapacity or a ResourceCapacity.
type capacity struct {
	nodes    *nodeSet
	most     int64
	each     bool // VMs are counted, not what they ask for
	resource cluster.Resource
	used     int64
}

func (c *capacity) amount(b *book, v int32) int64 {
	if c.each {
		return 1
	}
	return b.c.VMs[v].Demand[c.resource]
}

func (c *capacity) move(b *book, v, from, to int32) {
	if from != cluster.Nowhere && c.nodes.has(from) {
		c.used -= c.amount(b, v)
	}
	if to != cluster.Nowhere && c.nodes.has(to) {
		c.used += c.amount(b, v)
	}
}

func (c *capacity) isBroken() bool { return c.used > c.most }

func (c *capacity) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range scope.movable {
		if h := b.host[v]; h != cluster.Nowhere && c.nodes.has(h) && c.amount(b, v) > 0 {
			vms = scope.add(vms, v)
		}
	}
	return vms
}

// online is a MaxOnline.
type online struct {
	nodes *nodeSet
	kept  *nodeSet // that are on in any case
	most  int64
	on    int64
}

func newOnline(c *cluster.Configuration, r *rule.Rule, rules []rule.Rule) *online {
	var kept []int32
	for i := range rules {
		if rules[i].Kind == rule.Online {
			kept = append(kept, rules[i].Nodes...)
		}
	}
	o := &online{nodes: setOf(len(c.Nodes), r.Nodes), kept: setOf(len(c.Nodes), kept), most: r.Max}
	for _, n := range r.Nodes {
		if o.kept.has(n) {
			o.on++
		}
	}
	return o
}

// counts reports whether n counts as soon as somebody is there.
func (o *online) counts(n int32) bool {
	return n != cluster.Nowhere && o.nodes.has(n) && !o.kept.has(n)
}

func (o *online) move(b *book, _, from, to int32) {
	if o.counts(from) && b.guests[from] == 0 {
		o.on--
	}
	if o.counts(to) && b.guests[to] == 1 {
		o.on++
	}
}

func (o *online) isBroken() bool { return o.on > o.most }

func (o *online) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range scope.movable {
		if o.counts(b.host[v]) {
			vms = scope.add(vms, v)
		}
	}
	return vms
}

// moves is a MovesIn or a MovesOut.
type moves struct {
	nodes *nodeSet
	home  []int32 // by VM: where it runs at the start
	in    bool
	most  int32
	count []int32 // by node: actions
	over  int     // nodes with too many
}

func newMoves(c *cluster.Configuration, r *rule.Rule, virtual *virtual) *moves {
	m := &moves{
		nodes: setOf(len(c.Nodes), r.Nodes), home: virtual.start.Host, in: r.Kind == rule.MovesIn, most: int32(min(r.Max, int64(len(c.VMs)))),
		count: make([]int32, len(c.Nodes)),
	}
	if !m.in {
		for v, h := range m.home {
			if h != cluster.Nowhere && virtual.c.Host[v] == cluster.Nowhere {
				m.add(h, 1) // it is suspended or stopped
			}
		}
	}
	return m
}

func (m *moves) add(n, change int32) {
	if n == cluster.Nowhere || !m.nodes.has(n) {
		return
	}
	before := m.count[n] > m.most
	m.count[n] += change
	switch after := m.count[n] > m.most; {
	case after && !before:
		m.over++
	case before && !after:
		m.over--
	}
}

// at returns the node that v on n counts for, or Nowhere.
func (m *moves) at(v, n int32) int32 {
	switch {
	case n == cluster.Nowhere || n == m.home[v]:
		return cluster.Nowhere
	case m.in:
		return n
	}
	return m.home[v]
}

func (m *moves) move(_ *book, v, from, to int32) {
	m.add(m.at(v, from), -1)
	m.add(m.at(v, to), 1)
}

func (m *moves) isBroken() bool { return m.over > 0 }

func (m *moves) culprits(b *book, scope scope, vms []int32) []int32 {
	for _, v := range scope.movable {
		if n := m.at(v, b.host[v]); n != cluster.Nowhere && m.nodes.has(n) && m.count[n] > m.most {
			vms = scope.add(vms, v)
		}
	}
	return vms
}
