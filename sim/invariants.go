package sim

import (
	"fmt"
	"math"
)

// check checks the invariants of what was touched since it was called last, and
// ends the run if one does not hold. cause is what has happened since.
func (s *Simulation) check(cause string) {
	if err := s.checkTouched(); err != nil {
		s.Fail(fmt.Errorf("after %s: %w", cause, err))
	}
}

// checkTouched checks the invariants of what was touched since it was called
// last, and returns the first that does not hold. See Settings.Check.
func (s *Simulation) checkTouched() error {
	if err := s.machines.checkTouched(); err != nil {
		return err
	}
	return s.network.check()
}

// checkTouched checks the hosts that were touched since it was called last.
func (m *machines) checkTouched() error {
	var first error
	for _, h := range m.touched {
		m.hosts[h].touched = false
		if first == nil {
			first = m.check(h)
		}
		if first == nil {
			first = m.sim.energy.check(h)
		}
	}
	m.touched = m.touched[:0]
	return first
}

// check says which invariant of a host does not hold: its memory is promised
// once, its VMs and executions get no more than it has, nobody gets less than
// he can use while something is left or somebody else gets more for his weight,
// and nobody without a use gets anything.
func (m *machines) check(h HostID) error {
	host := &m.hosts[h]
	if err := m.checkMemory(h); err != nil {
		return fmt.Errorf("%s: %w", m.hostName(h), err)
	}
	var claims []claim
	for _, id := range host.vms {
		if err := m.checkInside(id); err != nil {
			return fmt.Errorf("%s: %w", m.vmName(id), err)
		}
		claims = append(claims, m.vms[id].claim)
	}
	claims = m.appendClaims(claims, host.execs)
	if err := checkShares(claims, host.capacity(), host.load, host.pinned > 0); err != nil {
		return fmt.Errorf("%s: %w", m.hostName(h), err)
	}
	return nil
}

// appendClaims appends the claims of the executions of a list.
func (m *machines) appendClaims(claims []claim, head int32) []claim {
	for e := head; e != none; e = m.next(head, e) {
		claims = append(claims, m.execs[e].claim)
	}
	return claims
}

// checkMemory compares the memory of a host with the VMs that hold it.
func (m *machines) checkMemory(h HostID) error {
	host := &m.hosts[h]
	var used Bytes
	for _, id := range host.vms {
		v := &m.vms[id]
		if v.host != h || !v.state.holds() || host.off {
			return fmt.Errorf("it hosts VM %q, which is %v on host %q", m.vmData[id].name, v.state, m.hostSpecs[v.host].Name)
		}
		used += m.vmData[id].memory
	}
	switch {
	case used != host.used:
		return fmt.Errorf("%v of its memory are used, but its VMs have %v", host.used, used)
	case host.promised < 0:
		return fmt.Errorf("%v of its memory are promised", host.promised)
	case host.free() < 0:
		return fmt.Errorf("of its memory of %v, %v are used and %v promised", host.memory, host.used, host.promised)
	}
	return nil
}

// checkInside checks what runs in a VM against what the VM gets.
func (m *machines) checkInside(id VMID) error {
	v, c := &m.vms[id], &m.vms[id].claim
	claims := m.appendClaims(nil, v.execs)
	left := v.used
	for i := range claims {
		left -= claims[i].rate
	}
	// What the demand gets is not kept: it is what the executions leave.
	most, weight := m.demanded(v)
	claims = append(claims, claim{most: most, weight: weight, rate: max(left, 0)})
	host := &m.hosts[v.host]
	cores := Speed(host.cores) * host.speed
	if v.pin != none {
		cores = Speed(m.pins[v.pin].size()) * host.speed
	}
	switch near := rounding * float64(c.rate); {
	case c.rate > 0 && !v.state.computes():
		return fmt.Errorf("it gets %v, but is %v", c.rate, v.state)
	case float64(c.rate)-float64(cores) > near:
		return fmt.Errorf("it gets %v, more than its cores have", c.rate)
	case m.sim.settings.Law == Right && math.Abs(float64(c.rate-v.used)) > near:
		return fmt.Errorf("it gets %v and uses %v", c.rate, v.used)
	}
	return checkShares(claims, c.rate, v.used, false)
}

// rounding is the part of a capacity that shares may be off.
const rounding = 1e-9

// checkShares checks what claims get of a capacity, and that it adds up to
// given. On a host with pinned VMs something may be left on cores that not all
// may use.
func checkShares(claims []claim, capacity, given Speed, pinned bool) error {
	var sum Speed
	level := math.Inf(1) // the least that somebody gets for his weight who could use more
	near := Speed(rounding * capacity)
	for i := range claims {
		c := &claims[i]
		sum += c.rate
		if c.rate > c.most+near {
			return fmt.Errorf("somebody gets %v and can use %v", c.rate, c.most)
		}
		if c.rate < c.most-near {
			level = min(level, float64(c.rate)/c.weight)
		}
	}
	wanting := !math.IsInf(level, 1)
	switch {
	case sum > capacity+near:
		return fmt.Errorf("%v are given, and there is %v", sum, capacity)
	case sum > given+near || sum < given-near:
		return fmt.Errorf("%v are given, but %v are accounted for", sum, given)
	case pinned || !wanting:
		return nil
	case sum < capacity-near:
		return fmt.Errorf("only %v of %v are given while somebody could use more", sum, capacity)
	}
	for i := range claims {
		if c := &claims[i]; c.rate > c.at(level)+near {
			return fmt.Errorf("somebody gets %v for his weight and could use more, while another one gets %v", level, float64(c.rate)/c.weight)
		}
	}
	return nil
}
