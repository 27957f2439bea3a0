package sim

import (
	"fmt"
	"math"
)

// ends checks a description and returns the hosts at the ends of the flow, and
// who holds it up from the start.
func (n *network) ends(spec *FlowSpec) (hosts [2]HostID, by held, err error) {
	if spec.Bytes < 0 {
		return hosts, 0, fmt.Errorf("%d bytes are less than none", spec.Bytes)
	}
	if !(spec.Cap >= 0) || math.IsInf(float64(spec.Cap), 1) {
		return hosts, 0, fmt.Errorf("cap %v B/s must be finite and not negative; 0 means none", float64(spec.Cap))
	}
	for k, p := range [2]Place{spec.From, spec.To} {
		host, stopped, err := n.whereabouts(p)
		if err != nil {
			return hosts, 0, fmt.Errorf("%s %w", [2]string{"from", "to"}[k], err)
		}
		if hosts[k] = host; stopped {
			by |= bySource << k
		}
	}
	return hosts, by, nil
}

// whereabouts returns the host of a place, and whether it is a VM that sends
// and receives nothing for now.
func (n *network) whereabouts(p Place) (host HostID, stopped bool, err error) {
	s := n.sim
	if vm, ok := p.VM(); ok {
		if vm < 0 || int(vm) >= s.VMs() {
			return 0, false, fmt.Errorf("VM %d, which is none of the %d VMs", vm, s.VMs())
		}
		state := s.State(vm)
		if gone(state) {
			return 0, false, fmt.Errorf("VM %q: %w", s.VM(vm).Name, ErrVMGone)
		}
		stopped = stops(state)
	}
	host = s.HostAt(p)
	if host < 0 || int(host) >= s.Hosts() {
		return 0, false, fmt.Errorf("host %d, which is none of the %d hosts", host, s.Hosts())
	}
	if !s.IsOn(host) {
		return 0, false, fmt.Errorf("host %q: %w", s.Host(host).Name, ErrHostOff)
	}
	return host, stopped, nil
}

// gone reports whether a VM in this state ends its flows.
func gone(state VMState) bool { return state == VMOff || state == VMDestroyed }

// stops reports whether a VM in this state holds its flows up.
func stops(state VMState) bool {
	switch state {
	case VMSuspended, VMSaving, VMSaved, VMRestoring:
		return true
	}
	return false
}

// vmChanged holds up the flows of a VM that does not run, lets them go on when
// it does, and ends them when it is gone.
func (n *network) vmChanged(id VMID, from, to VMState) {
	first := n.ofVM.head(int32(id))
	if first == none {
		return
	}
	switch {
	case gone(to):
		err := fmt.Errorf("VM %q: %w", n.sim.VM(id).Name, ErrVMGone)
		if host := n.sim.HostOf(id); !n.sim.IsOn(host) {
			err = fmt.Errorf("host %q: %w", n.sim.Host(host).Name, ErrHostOff)
		}
		for end := first; end != none; end = n.ofVM.head(int32(id)) {
			n.fail(end/2, err)
		}
	case stops(to) && !stops(from):
		for end := first; end != none; end = n.ofVM.after(int32(id), end) {
			n.hold(end/2, bySource<<(end%2))
		}
	case stops(from) && !stops(to):
		for end := first; end != none; end = n.ofVM.after(int32(id), end) {
			n.let(end/2, bySource<<(end%2))
		}
	}
	n.share()
}

// vmMoved gives the flows of a VM the way from or to its new host. In the
// original law they keep the way they have.
func (n *network) vmMoved(id VMID, _ HostID) {
	host := n.sim.HostOf(id)
	for end := n.ofVM.head(int32(id)); end != none; end = n.ofVM.after(int32(id), end) {
		at := &n.flows[end/2].ends[end%2]
		n.atHost.remove(int32(*at), end)
		n.atHost.add(int32(host), end)
		*at = host
	}
	if n.sim.settings.Law == Original {
		return
	}
	for end := n.ofVM.head(int32(id)); end != none; {
		i, next := end/2, n.ofVM.after(int32(id), end)
		if next != none && next/2 == i { // from the VM to itself
			next = n.ofVM.after(int32(id), next)
		}
		n.reroute(i)
		end = next
	}
	n.share()
}

// reroute gives a flow the way between its hosts. It does not wait for the
// latency again.
func (n *network) reroute(i int32) {
	f := &n.flows[i]
	active := f.phase == flowSending && f.held == 0
	if active {
		n.halt(i)
	}
	n.uncross(i)
	if err := n.find(i, f.ends[0], f.ends[1]); err != nil {
		n.sim.Cancel(f.timer)
		f.phase = flowWaiting // it sends no more
		n.fail(i, err)
		return
	}
	n.cross(i)
	if active {
		n.start(i)
	}
}

// hostSwitched ends the flows from and to a host that is switched off.
func (n *network) hostSwitched(h HostID, on bool) {
	if on || n.atHost.head(int32(h)) == none {
		return
	}
	err := fmt.Errorf("host %q: %w", n.sim.Host(h).Name, ErrHostOff)
	for end := n.atHost.head(int32(h)); end != none; end = n.atHost.head(int32(h)) {
		n.fail(end/2, err)
	}
	n.share()
}

// tie puts the ends of a flow into the chains of their hosts and VMs.
func (n *network) tie(i int32) {
	f := &n.flows[i]
	for k, p := range [2]Place{f.from, f.to} {
		end := 2*i + int32(k)
		n.atHost.add(int32(f.ends[k]), end)
		if vm, ok := p.VM(); ok {
			n.ofVM.add(int32(vm), end)
		}
	}
}

func (n *network) untie(i int32) {
	f := &n.flows[i]
	for k, p := range [2]Place{f.from, f.to} {
		end := 2*i + int32(k)
		n.atHost.remove(int32(f.ends[k]), end)
		if vm, ok := p.VM(); ok {
			n.ofVM.remove(int32(vm), end)
		}
	}
}
