package check_test

import (
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/rule"
)

// A second reading of rules, in the words of first-order logic: for all VMs, for
// all nodes, there is a node. It says of facts "v is on n" whether a rule is kept,
// with neither counts kept up to date nor lists of what breaks it.

// facts is who is on which nodes: one for VMs at rest, two for those that move.
type facts map[[2]int32]bool

func (f facts) on(v, n int32) bool { return f[[2]int32{v, n}] }

// reading is what a rule is read for: a configuration, and what holds in it.
type reading struct {
	c     *cluster.Configuration
	rules []rule.Rule
	open  []bool // by node: it may host VMs in the end
	run   []bool // by VM: it is one of those that a degraded spread counts
}

func read(c *cluster.Configuration, request check.Request, run []bool) *reading {
	r := &reading{c: c, rules: request.Rules, run: run}
	for n := range r.nodes() {
		off := slices.ContainsFunc(request.Rules, func(q rule.Rule) bool { return q.Kind == rule.Offline && slices.Contains(q.Nodes, n) })
		r.open = append(r.open, c.Nodes[n].State == cluster.Online && !slices.Contains(request.Drain, n) && !off)
	}
	return r
}

func (r *reading) nodes() func(yield func(n int32) bool) { return below(len(r.c.Nodes)) }
func (r *reading) vms() func(yield func(v int32) bool)   { return below(len(r.c.VMs)) }

func below(count int) func(yield func(i int32) bool) {
	return func(yield func(i int32) bool) {
		for i := range int32(count) {
			if !yield(i) {
				return
			}
		}
	}
}

func forAll(members func(yield func(int32) bool), holds func(x int32) bool) bool {
	for x := range members {
		if !holds(x) {
			return false
		}
	}
	return true
}

func exists(members func(yield func(int32) bool), holds func(x int32) bool) bool {
	return !forAll(members, func(x int32) bool { return !holds(x) })
}

func number(members func(yield func(int32) bool), holds func(x int32) bool) (count int64) {
	for x := range members {
		if holds(x) {
			count++
		}
	}
	return count
}

// same reports whether two nodes fail together.
func (r *reading) same(d cluster.Domain, n, m int32) bool {
	a, b := r.c.Nodes[n], r.c.Nodes[m]
	switch d {
	case cluster.Site:
		return a.Site == b.Site
	case cluster.Room:
		return a.Site == b.Site && a.Room == b.Room
	case cluster.Rack:
		return a.Site == b.Site && a.Room == b.Room && a.Rack == b.Rack
	}
	return n == m
}

// in reports whether v is on a node that fails together with n.
func (r *reading) in(f facts, d cluster.Domain, v, n int32) bool {
	return exists(r.nodes(), func(m int32) bool { return r.same(d, n, m) && f.on(v, m) })
}

// running reports whether v is anywhere.
func (r *reading) running(f facts, v int32) bool {
	return exists(r.nodes(), func(n int32) bool { return f.on(v, n) })
}

// strict reports whether a Spread allows one VM in a domain.
func (r *reading) strict(q rule.Rule) bool {
	if !q.Degraded {
		return true
	}
	// There is an open node in no domain of a smaller number, for each domain.
	domains := number(r.nodes(), func(n int32) bool {
		return r.open[n] && forAll(below(int(n)), func(m int32) bool { return !r.open[m] || !r.same(q.Domain, n, m) })
	})
	return number(slices.Values(q.VMs), func(v int32) bool { return r.run[v] }) <= max(1, domains)
}

// most returns how many VMs a degraded Spread allows in a domain: the least
// number that is enough for all if each domain has it.
func (r *reading) most(q rule.Rule) int64 {
	domains := max(1, number(r.nodes(), func(n int32) bool {
		return r.open[n] && forAll(below(int(n)), func(m int32) bool { return !r.open[m] || !r.same(q.Domain, n, m) })
	}))
	running := number(slices.Values(q.VMs), func(v int32) bool { return r.run[v] })
	enough := int64(0)
	for enough*domains < running {
		enough++
	}
	return enough
}

// outside returns the least number of VMs of an Among outside of a group.
func (r *reading) outside(q rule.Rule, f facts) int64 {
	least := int64(len(q.VMs))
	for _, g := range q.Groups {
		least = min(least, number(slices.Values(q.VMs), func(v int32) bool {
			return exists(r.nodes(), func(n int32) bool { return f.on(v, n) && !slices.Contains(g, n) })
		}))
	}
	return least
}

// amount returns what a capacity rule limits: each VM counts once for each node.
func (r *reading) amount(q rule.Rule, f facts) (total int64) {
	for v := range r.vms() {
		size := int64(1)
		if q.Kind == rule.ResourceCapacity {
			size = r.asks(v)[q.Resource]
		}
		total += size * number(slices.Values(q.Nodes), func(n int32) bool { return f.on(v, n) })
	}
	return total
}

// asks returns what v asks for: no less than any Preserve says.
func (r *reading) asks(v int32) cluster.Resources {
	demand := r.c.VMs[v].Demand
	for k := range demand {
		for _, q := range r.rules {
			if q.Kind == rule.Preserve && int(q.Resource) == k && slices.Contains(q.VMs, v) && q.Max > demand[k] {
				demand[k] = q.Max
			}
		}
	}
	return demand
}

// busy reports whether n hosts somebody or is kept on.
func (r *reading) busy(f facts, n int32) bool {
	return exists(r.vms(), func(v int32) bool { return f.on(v, n) }) ||
		slices.ContainsFunc(r.rules, func(q rule.Rule) bool { return q.Kind == rule.Online && slices.Contains(q.Nodes, n) })
}

// setOf returns the set of a Split that v is in, or -1.
func setOf(q rule.Rule, v int32) int {
	return slices.IndexFunc(q.Sets, func(set []int32) bool { return slices.Contains(set, v) })
}

// worse reports whether rule q is worse with the facts f than it was with was. A
// rule is kept if it is no worse than if there is nobody anywhere.
func (r *reading) worse(q rule.Rule, was, f facts) bool {
	pairs := func(hold func(f facts, u, v int32) bool) bool {
		return exists(r.vms(), func(u int32) bool {
			return exists(r.vms(), func(v int32) bool { return u != v && hold(f, u, v) && !hold(was, u, v) })
		})
	}
	switch q.Kind {
	case rule.Spread:
		return exists(r.nodes(), func(n int32) bool {
			if r.strict(q) {
				return pairs(func(f facts, u, v int32) bool {
					return slices.Contains(q.VMs, u) && slices.Contains(q.VMs, v) && r.in(f, q.Domain, u, n) && r.in(f, q.Domain, v, n)
				})
			}
			many := func(f facts) int64 {
				return number(slices.Values(q.VMs), func(v int32) bool { return r.in(f, q.Domain, v, n) })
			}
			return many(f) > max(r.most(q), many(was))
		})
	case rule.Gather:
		return pairs(func(f facts, u, v int32) bool {
			return slices.Contains(q.VMs, u) && slices.Contains(q.VMs, v) && exists(r.nodes(), func(n int32) bool {
				return f.on(u, n) && exists(r.nodes(), func(m int32) bool { return m != n && f.on(v, m) })
			})
		})
	case rule.Ban, rule.Fence:
		return exists(slices.Values(q.VMs), func(v int32) bool {
			return exists(r.nodes(), func(n int32) bool {
				return f.on(v, n) && !was.on(v, n) && slices.Contains(q.Nodes, n) == (q.Kind == rule.Ban)
			})
		})
	case rule.Lonely:
		return exists(r.nodes(), func(n int32) bool {
			return pairs(func(f facts, u, v int32) bool {
				return f.on(u, n) && f.on(v, n) && slices.Contains(q.VMs, u) && !slices.Contains(q.VMs, v)
			})
		})
	case rule.Split:
		return exists(r.nodes(), func(n int32) bool {
			return pairs(func(f facts, u, v int32) bool {
				return f.on(u, n) && f.on(v, n) && setOf(q, u) >= 0 && setOf(q, v) >= 0 && setOf(q, u) != setOf(q, v)
			})
		})
	case rule.Among:
		return r.outside(q, f) > r.outside(q, was)
	case rule.RunningCapacity, rule.ResourceCapacity:
		return r.amount(q, f) > max(q.Max, r.amount(q, was))
	case rule.MaxOnline:
		busy := func(f facts) int64 {
			return number(slices.Values(q.Nodes), func(n int32) bool { return r.busy(f, n) })
		}
		return busy(f) > max(q.Max, busy(was))
	}
	return false
}

// kept reports whether rule q is kept with the facts f.
func (r *reading) kept(q rule.Rule, f facts) bool {
	if q.Kind == rule.MaxOnline {
		return number(slices.Values(q.Nodes), func(n int32) bool { return r.busy(f, n) }) <= q.Max
	}
	return !r.worse(q, facts{}, f)
}

// keptAtEnd reports whether rule q is kept at the placement host, which also says
// what no plan can do.
func (r *reading) keptAtEnd(q rule.Rule, host []int32) bool {
	start, end := factsOf(r.c.Host), factsOf(host)
	stays := func(v int32) bool { return r.running(start, v) && r.running(end, v) }
	same := func(v int32) bool {
		return exists(r.nodes(), func(n int32) bool { return start.on(v, n) && end.on(v, n) })
	}
	switch q.Kind {
	case rule.Root:
		return forAll(slices.Values(q.VMs), func(v int32) bool { return !stays(v) || same(v) })
	case rule.MovesIn, rule.MovesOut:
		from, to := start, end
		if q.Kind == rule.MovesOut {
			from, to = end, start
		}
		return forAll(slices.Values(q.Nodes), func(n int32) bool {
			return number(r.vms(), func(v int32) bool { return to.on(v, n) && !from.on(v, n) }) <= q.Max
		})
	case rule.Gather:
		pinned := q.Always && r.kept(q, start) && number(slices.Values(q.VMs), stays) > 1
		return r.kept(q, end) && forAll(slices.Values(q.VMs), func(v int32) bool { return !pinned || !stays(v) || same(v) })
	case rule.Among:
		held := q.Always && r.kept(q, start)
		return r.kept(q, end) && forAll(slices.Values(q.VMs), func(v int32) bool {
			return !held || !stays(v) || same(v) || slices.ContainsFunc(q.Groups, func(g []int32) bool {
				return forAll(r.nodes(), func(n int32) bool { return !start.on(v, n) && !end.on(v, n) || slices.Contains(g, n) })
			})
		})
	}
	return r.kept(q, end)
}

func factsOf(host []int32) facts {
	f := facts{}
	for v, n := range host {
		if n != cluster.Nowhere {
			f[[2]int32{int32(v), n}] = true
		}
	}
	return f
}

// viable reports whether every node has room: thousandths of what there is on the
// one side, thousandfold what is asked for on the other.
func (r *reading) viable(f facts) bool {
	return forAll(r.nodes(), func(n int32) bool {
		for k := range cluster.NumResources {
			ratio := r.c.Nodes[n].Overcommit[k]
			if ratio == 0 {
				ratio = cluster.Even
			}
			for _, q := range r.rules {
				if q.Kind == rule.Overbook && q.Resource == k && slices.Contains(q.Nodes, n) {
					ratio = q.Max
				}
			}
			asked := int64(0)
			for v := range r.vms() {
				if f.on(v, n) {
					asked += r.asks(v)[k]
				}
			}
			if asked*cluster.Even > r.c.Nodes[n].Capacity[k]*ratio {
				return false
			}
		}
		return true
	})
}
