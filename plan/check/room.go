package check

import (
	"github.com/dvms-project/dvms/cluster"
)

// room checks that no order of events that the dependencies allow makes a node
// hold more than it can while, or after, somebody arrives.
func (k *checker) room() error {
	held := make([]cluster.Resources, len(k.c.Nodes)) // by the VMs there at the start
	for v, n := range k.c.Host {
		if n != cluster.Nowhere {
			held[n] = held[n].Plus(k.judge.demand[v])
		}
	}
	crossings := make([]crossing, len(k.c.Nodes))
	for i, d := range k.deeds {
		if d.to != cluster.Nowhere {
			crossings[d.to].arrivals = append(crossings[d.to].arrivals, i)
		}
		if d.from != cluster.Nowhere {
			crossings[d.from].departures = append(crossings[d.from].departures, i)
		}
	}
	for n := range crossings {
		x := &crossings[n]
		for r := range cluster.NumResources {
			x.held, x.size = held[n][r], func(i int) int64 { return k.judge.demand[k.deeds[i].vm][r] }
			if i, worst, over := x.exceeds(&k.past, k.judge.offer[n][r], false); over {
				return k.wrong(i, "the target may be asked for %d of %v and has %d, if others start early and end late",
					worst, r, k.judge.offer[n][r])
			}
		}
	}
	return nil
}

// crossing is what arrives at and departs from a node, or several, of an amount
// of which each VM has its size.
type crossing struct {
	held                 int64 // at the start
	arrivals, departures []int // actions
	size                 func(action int) int64
	order                *order // made when it is needed first
}

// exceeds returns an arrival after which there may be more than most, and how much
// that is. Arrivals of size 0 are not looked at if mayBeEmpty.
func (x *crossing) exceeds(past *past, most int64, mayBeEmpty bool) (arrival int, worst int64, over bool) {
	all := x.held
	for _, i := range x.arrivals {
		all += x.size(i)
	}
	if all <= most {
		return 0, 0, false
	}
	if x.order == nil {
		x.order = past.order(x.arrivals, x.departures)
	}
	if x.worst(never) <= most {
		return 0, 0, false
	}
	for _, i := range x.arrivals {
		if mayBeEmpty && x.size(i) == 0 {
			continue
		}
		if worst := x.worst(i); worst > most {
			return i, worst, true
		}
	}
	return 0, 0, false
}

// worst returns the most that there can be once arrival has started, or at any
// time if arrival is never.
//
// An enemy chooses which other arrivals have started. Each one adds its
// size, and concedes that all departures before it have ended. The enemy
// never concedes more than needed. So it looks for the set of arrivals with the
// largest size less that of the departures they concede, a closure of
// greatest weight, whose value is the size of all arrivals less a maximum
// flow from arrivals to the departures before them.
//
// Source: J.-C. Picard, "Maximal closure of a graph and applications to
// combinatorial problems", Management Science, 1976.
func (x *crossing) worst(arrival int) int64 {
	worst := x.held
	f := flow{}
	for _, d := range x.departures {
		if x.order.before(d, arrival) {
			worst -= x.size(d)
		} else {
			f.sinks = append(f.sinks, sink{x.order.bit[d], x.size(d)})
		}
	}
	for _, a := range x.arrivals {
		worst += x.size(a)
		if a != arrival {
			f.sources = append(f.sources, source{x.order.ended[x.order.row[a]], x.size(a)})
		}
	}
	return worst - f.maximum()
}

// flow is a network from arrivals to the departures that are before them.
type flow struct {
	sources []source
	sinks   []sink
	through map[[2]int]int64 // by source and sink
	seen    []bool           // by source
}

// source is an arrival, and how much more can flow from it.
type source struct {
	ended set // the bits of the departures before it
	left  int64
}

// sink is a departure, and how much more can flow into it.
type sink struct {
	bit  int
	left int64
}

func (f *flow) joined(source, sink int) bool { return f.sources[source].ended.has(f.sinks[sink].bit) }

// maximum returns the largest flow, by augmenting paths.
func (f *flow) maximum() (total int64) {
	f.through = map[[2]int]int64{}
	for s := range f.sources {
		for f.sources[s].left > 0 {
			f.seen = make([]bool, len(f.sources))
			pushed := f.push(s, f.sources[s].left)
			if pushed == 0 {
				break
			}
			f.sources[s].left -= pushed
			total += pushed
		}
	}
	return total
}

// push sends up to amount on from source: to a sink with room, or to one from
// which another source can turn to a different sink.
func (f *flow) push(source int, amount int64) int64 {
	f.seen[source] = true
	for sink := range f.sinks {
		if !f.joined(source, sink) {
			continue
		}
		if pushed := min(amount, f.sinks[sink].left); pushed > 0 {
			f.sinks[sink].left -= pushed
			f.through[[2]int{source, sink}] += pushed
			return pushed
		}
	}
	for sink := range f.sinks {
		if !f.joined(source, sink) {
			continue
		}
		for other := range f.sources {
			turned := min(amount, f.through[[2]int{other, sink}])
			if f.seen[other] || turned == 0 {
				continue
			}
			if pushed := f.push(other, turned); pushed > 0 {
				f.through[[2]int{other, sink}] -= pushed
				f.through[[2]int{source, sink}] += pushed
				return pushed
			}
		}
	}
	return 0
}
