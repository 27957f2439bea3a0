package sim

import (
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// A VM that is pinned computes on some cores of its host only. On a host with
// pinned VMs, shares are max-min over the cores: for each set of cores, what
// may run on these alone gets no more than they have. What is not pinned may
// run on all cores.
//
// The shares are found by decomposition (S. Fujishige, "Lexicographically optimal
// base of a polymatroid with respect to a weight vector", 1980). There is a level such that all
// claims can be served, but no higher one: then some claims fill all cores that
// they may run on. These are served at that level. The others share the cores
// that are left, at a higher level. Whether claims can be served is a question
// of maximum flow, from claims to cores.
//
// Only hosts with pinned VMs pay for this.

// coreSet is a set of cores: a bit for each.
type coreSet []uint64

func (c coreSet) has(core int) bool { return c[core/64]>>(core%64)&1 == 1 }
func (c coreSet) add(core int)      { c[core/64] |= 1 << (core % 64) }
func (c coreSet) remove(core int)   { c[core/64] &^= 1 << (core % 64) }

// size returns how many cores are in the set.
func (c coreSet) size() int {
	n := 0
	for _, word := range c {
		n += bits.OnesCount64(word)
	}
	return n
}

// Pin makes a VM compute on these cores of its host only; without cores it may
// use all again. A pin belongs to the host: a VM that moves or migrates forgets
// it. The error says which core there is not.
func (s *Simulation) Pin(id VMID, cores []int) error {
	m := &s.machines
	if err := m.checkVM(id); err != nil {
		return fmt.Errorf("pin: %w", err)
	}
	v := &m.vms[id]
	if v.state == VMDestroyed {
		return fmt.Errorf("pin %s: %w", m.vmName(id), ErrVMGone)
	}
	h := &m.hosts[v.host]
	for _, core := range cores {
		if core < 0 || core >= int(h.cores) {
			return fmt.Errorf("pin %s: there is no core %d, they are 0 to %d", m.vmName(id), core, h.cores-1)
		}
	}
	m.before(id.Place())
	m.unpin(id)
	if len(cores) > 0 {
		v.pin = m.newPin(int(h.cores), cores)
		if v.state.holds() {
			h.pinned++
		}
	}
	m.after(id.Place())
	return nil
}

// unpin makes a VM forget its cores.
func (m *machines) unpin(id VMID) {
	v := &m.vms[id]
	if v.pin == none {
		return
	}
	if v.state.holds() {
		m.hosts[v.host].pinned--
	}
	m.pins[v.pin] = nil
	m.freePins = append(m.freePins, v.pin)
	v.pin = none
}

// newPin keeps a set of cores, and returns its index.
func (m *machines) newPin(of int, cores []int) int32 {
	set := make(coreSet, (of+63)/64)
	for _, core := range cores {
		set.add(core)
	}
	if n := len(m.freePins); n > 0 {
		i := m.freePins[n-1]
		m.freePins, m.pins[i] = m.freePins[:n-1], set
		return i
	}
	m.pins = append(m.pins, set)
	return int32(len(m.pins) - 1)
}

// pinning is the sharing of a host with pinned VMs.
type pinning struct {
	cores  int
	speed  Speed // of a core
	claims []*claim
	sets   []coreSet // of each claim; nil: all cores
	rates  []Speed
	free   coreSet // the cores that are not filled yet
	open   []int   // the claims that are not served yet

	flow   []Speed // from claim to core: claims x cores
	spare  []Speed // of each core
	seen   []bool  // the claims that a search has come across,
	via    []int   // and the core that they are on and have to leave
	user   []int   // the claim from which a search came to each core, or -1
	queue  []int
	subset []*claim
}

// apportionPinned appends what each of the claims on a host with pinned VMs
// gets to rates.
func (m *machines) apportionPinned(h *host, rates []Speed) []Speed {
	p := &m.pinning
	p.begin(m.sharing, int(h.cores), h.capacity()/Speed(h.cores))
	for i, id := range h.vms {
		if pin := m.vms[id].pin; pin != none {
			p.sets[i] = m.pins[pin]
		}
	}
	p.solve()
	return append(rates, p.rates...)
}

// begin forgets all, and takes claims of which none is pinned.
func (p *pinning) begin(claims []*claim, cores int, speed Speed) {
	n := len(claims)
	p.cores, p.speed, p.claims = cores, speed, claims
	p.sets = append(p.sets[:0], make([]coreSet, n)...)
	p.rates = append(p.rates[:0], make([]Speed, n)...)
	p.flow = append(p.flow[:0], make([]Speed, n*cores)...)
	p.spare = append(p.spare[:0], make([]Speed, cores)...)
	p.seen = append(p.seen[:0], make([]bool, n)...)
	p.via = append(p.via[:0], make([]int, n)...)
	p.user = append(p.user[:0], make([]int, cores)...)
	p.free = append(p.free[:0], make(coreSet, (cores+63)/64)...)
	for core := range cores {
		p.free.add(core)
	}
	p.open = p.open[:0]
	for i, c := range claims {
		if c.most > 0 {
			p.open = append(p.open, i)
		}
	}
}

// may reports whether a claim may still use a core.
func (p *pinning) may(i, core int) bool {
	return p.free.has(core) && (p.sets[i] == nil || p.sets[i].has(core))
}

// solve serves all claims, those that are worst off first.
func (p *pinning) solve() {
	for len(p.open) > 0 {
		full := p.bottleneck()
		for core := range p.cores {
			if slices.ContainsFunc(full, func(i int) bool { return p.may(i, core) }) {
				p.free.remove(core)
			}
		}
		p.open = slices.DeleteFunc(p.open, func(i int) bool { return slices.Contains(full, i) })
	}
}

// bottleneck sets the rates of open claims at the highest level at which all
// can be served, and returns those that fill their cores.
//
// It comes from above: as long as the claims can't be served, some of them ask
// for more than their cores have. These alone share their cores at a level that
// is lower. Each step leaves fewer sets of claims that ask for too much.
func (p *pinning) bottleneck() []int {
	full := slices.Clone(p.open)
	highest := math.Inf(1)
	for {
		level := min(highest, level(p.of(full), p.capacity(full)))
		for _, i := range p.open {
			p.rates[i] = p.claims[i].at(level)
		}
		over := p.overfull()
		if len(over) == 0 || level == highest && !math.IsInf(level, 1) {
			return full
		}
		full, highest = over, level
	}
}

// of returns claims by their numbers.
func (p *pinning) of(numbers []int) []*claim {
	p.subset = p.subset[:0]
	for _, i := range numbers {
		p.subset = append(p.subset, p.claims[i])
	}
	return p.subset
}

// capacity returns what the cores of some claims have together.
func (p *pinning) capacity(claims []int) Speed {
	n := 0
	for core := range p.cores {
		if slices.ContainsFunc(claims, func(i int) bool { return p.may(i, core) }) {
			n++
		}
	}
	return Speed(n) * p.speed
}

// overfull returns claims whose rates are more than their cores have, by as
// much as any, or none if all open claims can be served. It is the cut of a
// maximum flow.
func (p *pinning) overfull() []int {
	for core := range p.cores {
		p.spare[core] = 0
		if p.free.has(core) {
			p.spare[core] = p.speed
		}
	}
	clear(p.flow)
	clear(p.seen)
	var short []int
	for _, i := range p.open {
		if p.route(i) {
			short = append(short, i)
		}
	}
	if len(short) == 0 {
		return nil
	}
	clear(p.seen)
	for _, i := range short {
		p.search(i)
	}
	return slices.DeleteFunc(slices.Clone(p.open), func(i int) bool { return !p.seen[i] })
}

// tolerance is what rounding may leave of a claim or a core.
func (p *pinning) tolerance() Speed { return 0x1p-42 * p.speed }

// route lets a claim flow to its cores, and reports whether some of it is left.
func (p *pinning) route(i int) bool {
	left := p.rates[i]
	for left > p.tolerance() {
		clear(p.seen)
		core := p.search(i)
		if core < 0 {
			return true
		}
		left -= p.augment(i, core, left)
	}
	return false
}

// search looks for a core with something to spare that a claim can flow to,
// directly or by making other claims flow elsewhere. It marks the claims that
// it comes across as seen, and returns -1 if there is no such core.
func (p *pinning) search(from int) int {
	for core := range p.user {
		p.user[core] = -1
	}
	p.seen[from] = true
	p.queue = append(p.queue[:0], from)
	for at := 0; at < len(p.queue); at++ {
		i := p.queue[at]
		for core := range p.cores {
			if p.user[core] >= 0 || !p.may(i, core) {
				continue
			}
			p.user[core] = i
			if p.spare[core] > p.tolerance() {
				return core
			}
			for _, j := range p.open {
				if !p.seen[j] && p.flow[j*p.cores+core] > p.tolerance() {
					p.seen[j], p.via[j] = true, core
					p.queue = append(p.queue, j)
				}
			}
		}
	}
	return -1
}

// augment lets as much of left as possible flow from a claim to a core along
// the way that search has found, and returns how much that was.
func (p *pinning) augment(from, core int, left Speed) Speed {
	amount := min(left, p.spare[core])
	for i := p.user[core]; i != from; i = p.user[p.via[i]] {
		amount = min(amount, p.flow[i*p.cores+p.via[i]])
	}
	p.spare[core] -= amount
	for {
		i := p.user[core]
		p.flow[i*p.cores+core] += amount
		if i == from {
			return amount
		}
		core = p.via[i]
		p.flow[i*p.cores+core] -= amount
	}
}
