package sim

// roster is a list of processes in order of arrival. They are linked by their
// own fields, so that one enters and leaves without a search or an allocation.
type roster struct {
	first, last *Process
	len         int
}

// rosterLink is the place of a process in a roster. Of the only process in a roster it
// is as empty as of one that is in none; in says which.
type rosterLink struct {
	prev, next *Process
	in         bool
}

// The kinds of rosters. A process is in at most one of each kind.
const (
	inReady = iota // those in line for their turn
	inLine         // those in line for a mutex and the like
	inPlace        // those at the same place
	inAll          // those that have not ended
	rosters
)

func (r *roster) push(p *Process, kind int) {
	p.links[kind] = rosterLink{prev: r.last, in: true}
	if r.last == nil {
		r.first = p
	} else {
		r.last.links[kind].next = p
	}
	r.last = p
	r.len++
}

// pop takes out the first process. It returns nil if there is none.
func (r *roster) pop(kind int) *Process {
	p := r.first
	if p != nil {
		r.remove(p, kind)
	}
	return p
}

// remove takes out a process that is in the roster.
func (r *roster) remove(p *Process, kind int) {
	l := p.links[kind]
	if l.prev == nil {
		r.first = l.next
	} else {
		l.prev.links[kind].next = l.next
	}
	if l.next == nil {
		r.last = l.prev
	} else {
		l.next.links[kind].prev = l.prev
	}
	p.links[kind] = rosterLink{}
	r.len--
}

func (r *roster) has(p *Process, kind int) bool { return p.links[kind].in }

// members returns all, for those who change the roster while they walk over it.
func (r *roster) members(kind int) []*Process {
	var all []*Process
	for p := r.first; p != nil; p = p.links[kind].next {
		all = append(all, p)
	}
	return all
}
