package sim

import "math"

// The CPU of a host is shared weighted max-min, with caps, in two levels [2].
//
// On the host, the VMs and the executions outside of VMs are equals: each has a
// claim, which is the most that it can use and its weight. There is a level
// such that each gets its weight times the level or, if that is less, the most
// that it can use. If all can be satisfied, the level is infinite; otherwise
// the shares add up to what the host has.
//
// An execution of k threads weighs k times its priority, and can use k cores or
// its cap. A VM weighs the number of its busy vCPUs times its priority. It can
// use what is asked for inside, at most its busy vCPUs and its cap. What it gets
// is shared in the same way among the executions inside and its demand, which
// weighs as many as it has vCPUs.
//
// Under the original law, the caps inside a VM do not count for what the VM can
// use: it may get more than its executions use, and the rest is lost.

// claim is what a VM or an execution can use of a host, and what it gets.
// Without a use it is the zero claim.
type claim struct {
	most   Speed
	weight float64
	rate   Speed // Invariant: rate <= most
}

// at returns what the claim gets at a level.
func (c *claim) at(level float64) Speed {
	if math.IsInf(level, 1) {
		return c.most
	}
	return min(c.most, Speed(c.weight*level))
}

// slack is the part of a capacity that sums of speeds may be off by rounding.
// A host that is asked for so little more than it has is not overloaded.
const slack = 1e-12

// level returns the level at which claims share a capacity. Sums of whole
// numbers are exact, so that the level of these is the result of one division.
//
// Each round serves those who need no more than an equal part of what is left.
// The part of the others grows by that, until nobody is satisfied anew.
func level(claims []*claim, capacity Speed) float64 {
	var sum Speed
	for _, c := range claims {
		sum += c.most
	}
	if sum <= capacity+Speed(slack*capacity) {
		return math.Inf(1)
	}
	level, satisfied := 0.0, -1
	for {
		left, weight, n := capacity, 0.0, 0
		for _, c := range claims {
			if c.most <= Speed(c.weight*level) {
				left -= c.most
				n++
			} else {
				weight += c.weight
			}
		}
		if n == satisfied || weight == 0 {
			return level
		}
		level, satisfied = max(level, float64(left)/weight), n
	}
}

// share shares a host's CPU anew. Only VMs and executions whose share changes
// are touched, and the inside of the VM that has changed, if it is not none.
func (m *machines) share(h HostID, changed VMID) {
	host := &m.hosts[h]
	if changed != none && m.satisfy(host, changed) {
		return
	}
	claims := m.sharing[:0]
	for _, id := range host.vms {
		claims = append(claims, &m.vms[id].claim)
	}
	for e := host.execs; e != none; e = m.next(host.execs, e) {
		claims = append(claims, &m.execs[e].claim)
	}
	m.sharing = claims
	rates := m.apportion(host)
	for i, id := range host.vms {
		if m.vms[id].claim.rate != rates[i] {
			m.settle(id)
			m.vms[id].claim.rate = rates[i]
			m.inside(id)
		} else if id == changed {
			m.inside(id)
		}
	}
	i := len(host.vms)
	for e := host.execs; e != none; e = m.next(host.execs, e) {
		m.setRate(e, rates[i])
		i++
	}
}

// satisfy gives a VM what it can use now, if the host can do so without taking
// from others, and could before; otherwise it does nothing. The others are not
// looked at.
//
// While all are satisfied, a VM's rate is the most that it could use before the
// change, and the host's load is the sum of what all can use. It is kept up to
// date for whole numbers only, whose sums are exact in any order.
func (m *machines) satisfy(host *host, id VMID) bool {
	c := &m.vms[id].claim
	load := host.load + c.most - c.rate
	if !host.satisfied || host.pinned > 0 || load > host.capacity() || !(whole(c.most) && whole(c.rate) && whole(host.load)) {
		return false
	}
	if c.rate != c.most {
		m.settle(id)
	}
	host.load, c.rate = load, c.most
	m.inside(id)
	return true
}

// whole reports whether sums with a speed are exact.
func whole(s Speed) bool { return s < 1<<52 && s == Speed(math.Trunc(float64(s))) }

// apportion returns what each of the claims on a host gets, and makes the sum
// the host's load.
func (m *machines) apportion(host *host) []Speed {
	rates := m.rates[:0]
	host.satisfied = false
	if host.pinned > 0 {
		rates = m.apportionPinned(host, rates)
	} else {
		level := level(m.sharing, host.capacity())
		host.satisfied = math.IsInf(level, 1)
		for _, c := range m.sharing {
			rates = append(rates, c.at(level))
		}
	}
	host.load = 0
	for _, r := range rates {
		host.load += r
	}
	m.rates = rates
	return rates
}

// inside shares among what runs in a VM what the VM gets. The VM is settled.
func (m *machines) inside(id VMID) {
	v, rate := &m.vms[id], m.vms[id].claim.rate
	if v.execs == none {
		v.used = rate
		return
	}
	most, weight := m.demanded(v)
	m.demand = claim{most: most, weight: weight}
	claims := append(m.insiders[:0], &m.demand)
	for e := v.execs; e != none; e = m.next(v.execs, e) {
		claims = append(claims, &m.execs[e].claim)
	}
	m.insiders = claims
	level := level(claims, rate)
	v.used = m.demand.at(level)
	for e := v.execs; e != none; e = m.next(v.execs, e) {
		r := m.execs[e].claim.at(level)
		v.used += r
		m.setRate(e, r)
	}
}
