package check

import "github.com/dvms-project/dvms/plan"

// past answers which actions have ended for sure when one starts: those that it
// comes after, directly or by way of others. It remembers one answer at a time.
type past struct {
	actions []plan.Action
	seen    []int // by action: the last question in whose answer it is
	asked   int
	open    []int
}

func newPast(actions []plan.Action) past {
	return past{actions: actions, seen: make([]int, len(actions))}
}

// of finds the past of action a, as far back as the step since.
func (p *past) of(a, since int) {
	p.asked++
	p.open = append(p.open[:0], a)
	for len(p.open) > 0 {
		last := len(p.open) - 1
		i := p.open[last]
		p.open = p.open[:last]
		for _, b := range p.actions[i].After {
			// Who comes after others is of a later step than they are, so that
			// nothing is to be found before the step since.
			if p.seen[b] != p.asked && p.actions[b].Step >= since {
				p.seen[b] = p.asked
				p.open = append(p.open, b)
			}
		}
	}
}

// has reports whether b is in the past that was found last.
func (p *past) has(b int) bool { return p.seen[b] == p.asked }

// order is the part of the past that matters to a few actions.
type order struct {
	row   map[int]int // by action that starts
	bit   map[int]int // by action that ends
	ended []set       // by row: the bits of those that have ended by then
}

// set is a set of small numbers, as bits.
type set []uint64

func (s set) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }
func (s set) add(i int)      { s[i/64] |= 1 << (i % 64) }

// order returns which of the ends have come to pass when each of the starts does.
// Those that never do are left out. The memory is a bit for each pair.
func (p *past) order(starts, ends []int) *order {
	o := &order{row: map[int]int{}, bit: map[int]int{}}
	var bits []int // by bit: the action
	since := 0
	for _, b := range ends {
		if _, known := o.bit[b]; known || b == never {
			continue
		}
		o.bit[b] = len(bits)
		bits = append(bits, b)
		if step := p.actions[b].Step; len(bits) == 1 || step < since {
			since = step
		}
	}
	for _, a := range starts {
		if _, known := o.row[a]; known || a == never {
			continue
		}
		o.row[a] = len(o.ended)
		row := make(set, (len(bits)+63)/64)
		if len(bits) > 0 {
			p.of(a, since)
		}
		for bit, b := range bits {
			if p.has(b) {
				row.add(bit)
			}
		}
		o.ended = append(o.ended, row)
	}
	return o
}

// before reports whether b has ended for sure when a starts. What never happens
// never ends, and nothing ends before the start.
func (o *order) before(b, a int) bool {
	return b != never && a != never && o.ended[o.row[a]].has(o.bit[b])
}

// overlap reports whether there may be a moment in both stays.
//
// If there may be one for each two of several stays, there may be one for all of
// them: let those actions start by which they begin, and what has to come
// before. Then none of those by which they end has to.
func (o *order) overlap(x, y stay) bool {
	return !o.before(x.end, y.begin) && !o.before(y.end, x.begin)
}
