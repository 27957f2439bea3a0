package sim

import (
	"math"
	"slices"
)

// A slow and obvious simulation of hosts, VMs and executions, to compare with.
// Whenever something is asked it fills everything progressively, over dense
// matrices, and it looks at all executions for the one that ends next.

type refHost struct {
	cores int
	speed float64 // of a core
	off   bool
}

type refVM struct {
	host, vcpus           int
	cap, priority, demand float64
	state                 VMState
	pin                   []int
	given, lost, short    float64
}

type refExec struct {
	host, vm       int // one of them is -1
	left           float64
	priority, cap  float64
	threads        int
	suspended, end bool
	speed          float64 // of a core where it began, under the original law
	finished       float64 // date, or NaN
}

type reference struct {
	law   Law
	now   float64
	hosts []refHost
	vms   []refVM
	execs []refExec
}

// progressive shares capacities by weighted max-min with caps: uses[c][i] says
// whether i uses capacity c. The level of all rises until somebody's cap or a
// capacity is reached; who can't rise any more is fixed.
func progressive(capacity []float64, uses [][]bool, most, weight []float64) []float64 {
	rate := make([]float64, len(most))
	fixed := make([]bool, len(most))
	for i := range most {
		fixed[i] = most[i] == 0 || weight[i] == 0
	}
	for slices.Contains(fixed, false) {
		level, who := math.Inf(1), []int(nil)
		for i := range most {
			if !fixed[i] && most[i]/weight[i] < level {
				level, who = most[i]/weight[i], []int{i}
			}
		}
		for c := range capacity {
			left, weights, users := capacity[c], 0.0, []int(nil)
			for i := range most {
				switch {
				case !uses[c][i]:
				case fixed[i]:
					left -= rate[i]
				default:
					weights += weight[i]
					users = append(users, i)
				}
			}
			if weights > 0 && max(left, 0)/weights < level {
				level, who = max(left, 0)/weights, users
			}
		}
		for _, i := range who {
			fixed[i], rate[i] = true, min(most[i], weight[i]*level)
		}
	}
	return rate
}

// shares are what all get at a moment.
type shares struct {
	exec []float64
	vm   []float64 // of its host
	used []float64 // inside a VM
	asks []float64
}

// claims of one host, or inside one VM.
type refClaims struct {
	most, weight []float64
	exec, vm     []int // what each is; -1 if not
}

func (c *refClaims) add(most, weight float64, exec, vm int) {
	c.most, c.weight = append(c.most, most), append(c.weight, weight)
	c.exec, c.vm = append(c.exec, exec), append(c.vm, vm)
}

// use returns what an execution can use, and its weight.
func (r *reference) use(e *refExec, speed float64) (most, weight float64) {
	if e.suspended || e.end {
		return 0, 0
	}
	if r.law == Original {
		speed = e.speed
	}
	most, weight = float64(e.threads)*speed, float64(e.threads)
	if e.threads == 1 || r.law == Right {
		weight *= e.priority
		if e.cap > 0 {
			most = min(most, e.cap)
		}
	}
	return most, weight
}

// inside returns the claims inside a VM, whatever its state.
func (r *reference) inside(id int) refClaims {
	var c refClaims
	v := &r.vms[id]
	speed := r.hosts[v.host].speed
	for i := range r.execs {
		if r.execs[i].vm == id {
			most, weight := r.use(&r.execs[i], speed)
			c.add(most, weight, i, -1)
		}
	}
	if v.demand > 0 && (v.state == VMRunning || v.state == VMSuspended) {
		c.add(min(v.demand, float64(v.vcpus)*speed), float64(v.vcpus), -1, id)
	}
	return c
}

// busy returns how many vCPUs of a VM are busy, and whether executions are
// among what makes them so.
func (r *reference) busy(id int) (vcpus float64, executions bool) {
	v := &r.vms[id]
	n := 0
	for i := range r.execs {
		if e := &r.execs[i]; e.vm == id && !e.end && !e.suspended {
			n += e.threads
			executions = true
		}
	}
	if v.demand > 0 && v.state != VMBooting {
		n += v.vcpus
	}
	return float64(min(n, v.vcpus)), executions
}

func sum(x []float64) float64 {
	total := 0.0
	for _, v := range x {
		total += v
	}
	return total
}

func (r *reference) shares() shares {
	s := shares{make([]float64, len(r.execs)), make([]float64, len(r.vms)), make([]float64, len(r.vms)), make([]float64, len(r.vms))}
	for h := range r.hosts {
		r.shareHost(h, &s)
	}
	for id := range r.vms {
		c := r.inside(id)
		all := make([]bool, len(c.most))
		for i := range all {
			all[i] = true
		}
		for i, rate := range progressive([]float64{s.vm[id]}, [][]bool{all}, c.most, c.weight) {
			s.used[id] += rate
			if c.exec[i] >= 0 {
				s.exec[c.exec[i]] = rate
			}
		}
	}
	return s
}

func (r *reference) shareHost(h int, s *shares) {
	host := &r.hosts[h]
	var c refClaims
	var pins [][]int
	for id := range r.vms {
		v := &r.vms[id]
		if v.host != h || !v.state.holds() {
			continue
		}
		busy, executions := r.busy(id)
		cores := busy * host.speed
		wants := sum(r.inside(id).most)
		if v.state == VMRunning || v.state == VMSuspended {
			s.asks[id] = max(v.demand, min(wants, cores))
		}
		if v.state != VMRunning {
			continue
		}
		most := cores
		if r.law == Right || !executions {
			most = min(most, wants)
		}
		if v.cap > 0 {
			most = min(most, v.cap)
		}
		c.add(most, busy*v.priority, -1, id)
		pins = append(pins, v.pin)
	}
	for i := range r.execs {
		if e := &r.execs[i]; e.host == h {
			most, weight := r.use(e, host.speed)
			c.add(most, weight, i, -1)
			pins = append(pins, nil)
		}
	}
	capacity, uses := host.constraints(pins)
	for i, rate := range progressive(capacity, uses, c.most, c.weight) {
		if c.exec[i] >= 0 {
			s.exec[c.exec[i]] = rate
		} else {
			s.vm[c.vm[i]] = rate
		}
	}
}

// constraints returns the host as one capacity or, if something is pinned, a
// capacity for each set of claims: that of the cores which they may use.
func (h *refHost) constraints(pins [][]int) (capacity []float64, uses [][]bool) {
	speed := h.speed
	if h.off {
		speed = 0
	}
	if !slices.ContainsFunc(pins, func(p []int) bool { return len(p) > 0 }) {
		all := make([]bool, len(pins))
		for i := range all {
			all[i] = true
		}
		return []float64{float64(h.cores) * speed}, [][]bool{all}
	}
	for set := 1; set < 1<<len(pins); set++ {
		in, cores := make([]bool, len(pins)), map[int]bool{}
		for i, pin := range pins {
			if in[i] = set>>i&1 == 1; !in[i] {
				continue
			}
			for core := range h.cores {
				if len(pin) == 0 || slices.Contains(pin, core) {
					cores[core] = true
				}
			}
		}
		capacity, uses = append(capacity, float64(len(cores))*speed), append(uses, in)
	}
	return capacity, uses
}

// advance computes until a date.
func (r *reference) advance(until float64) {
	for r.now < until {
		s := r.shares()
		step, next := until-r.now, -1
		for i := range r.execs {
			if e := &r.execs[i]; !e.end && s.exec[i] > 0 && e.left/s.exec[i] <= step {
				step, next = e.left/s.exec[i], i
			}
		}
		for i := range r.execs {
			if !r.execs[i].end {
				r.execs[i].left -= s.exec[i] * step
			}
		}
		for id := range r.vms {
			v := &r.vms[id]
			v.given += s.used[id] * step
			if missing := s.asks[id] - s.used[id]; missing > 1e-9*s.asks[id] {
				v.lost += missing * step
				v.short += step
			}
		}
		if next < 0 {
			r.now = until
			return
		}
		r.now += step
		r.execs[next].end, r.execs[next].left, r.execs[next].finished = true, 0, r.now
	}
}
