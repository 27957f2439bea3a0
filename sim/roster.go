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
	inLine  = iota // those in line for a mutex and the like
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

// queueing are the processes that are ready, in order of arrival. Nobody leaves
// before his turn.
type queueing struct {
	line []*Process
	next int // in line; all before have had their turn
}

func (q *queueing) empty() bool { return q.next == len(q.line) }

func (q *queueing) push(p *Process) {
	if q.next > 64 && q.next > len(q.line)/2 { // a process that yields again and again
		q.line, q.next = append(q.line[:0], q.line[q.next:]...), 0
	}
	q.line = append(q.line, p)
	p.queued = true
}

func (q *queueing) pop() *Process {
	p := q.line[q.next]
	q.next++
	if q.empty() {
		q.line, q.next = q.line[:0], 0
	}
	p.queued = false
	return p
}
