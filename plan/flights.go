package plan

import (
	"cmp"
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// flights are the actions under way while a schedule is made.
type flights struct {
	now      time.Duration
	flight   []flight  // by action
	users    [][]int32 // by link or disk: actions that use it now
	landings landings
	waits    []int32   // by action: how many that it waits for have not ended
	busy     []int32   // by node: actions that touch it
	queue    [][]int32 // by node: actions that could start if it and the other node were not busy
	freed    []int32   // nodes that an action has left just now
	// candidates is memory to collect them in.
	candidates []int32
	start, end []time.Duration
}

// flight is an action under way. It has a phase at a time: the rounds of a
// pre-copy, or a transfer and then a read.
type flight struct {
	uses    [2]int32 // links or disks, or none
	left    float64  // bytes
	rate    float64  // bytes per second
	since   time.Duration
	began   time.Duration // the phase
	size    cluster.Bytes // of the phase
	copying precopy
	reads   bool // a read of the image comes after this phase
	number  int32
}

// landing is when a phase ends, if nothing changes before.
type landing struct {
	at             time.Duration
	action, number int32
}

// landings is a binary heap, the earliest first.
type landings []landing

func (l landings) before(i, j int) bool {
	return l[i].at < l[j].at || l[i].at == l[j].at && l[i].action < l[j].action
}

func (l *landings) push(next landing) {
	*l = append(*l, next)
	h := *l
	for i := len(h) - 1; i > 0 && h.before(i, (i-1)/2); i = (i - 1) / 2 {
		h[i], h[(i-1)/2] = h[(i-1)/2], h[i]
	}
}

func (l *landings) pop() landing {
	h := *l
	first, last := h[0], len(h)-1
	h[0] = h[last]
	h = h[:last]
	for i := 0; 2*i+1 < last; {
		least := 2*i + 1
		if least+1 < last && h.before(least+1, least) {
			least++
		}
		if !h.before(least, i) {
			break
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
	*l = h
	return first
}

// run makes a schedule in which, whenever an action may start, that of the largest
// priority does, with at most slots actions at a node. It gives up, and returns
// false, when the schedule gets longer than limit.
func (t *timer) run(priority []time.Duration, slots int, limit time.Duration) bool {
	t.begin()
	for i := range t.jobs {
		if t.waits[i] == 0 {
			t.await(int32(i))
		}
	}
	for n := range t.nodes {
		t.freed = append(t.freed, int32(n))
	}
	t.takeOff(priority, slots)
	for t.next() {
		if t.now = t.landings[0].at; t.now > limit {
			return false
		}
		for t.next() && t.landings[0].at == t.now {
			t.land(t.landings.pop().action)
		}
		t.takeOff(priority, slots)
	}
	return true
}

// next reports whether there is another landing. It drops those that something has
// changed since.
func (t *timer) next() bool {
	for len(t.landings) > 0 && t.flight[t.landings[0].action].number != t.landings[0].number {
		t.landings.pop()
	}
	return len(t.landings) > 0
}

func (t *timer) begin() {
	k, n := &t.flights, len(t.jobs)
	k.now, k.landings, k.freed = 0, k.landings[:0], k.freed[:0]
	k.flight, k.waits, k.busy = zeroed(k.flight, n), zeroed(k.waits, n), zeroed(k.busy, t.nodes)
	k.start, k.end = zeroed(k.start, n), zeroed(k.end, n)
	if k.users == nil {
		k.users, k.queue = make([][]int32, len(t.limits)), make([][]int32, t.nodes)
	}
	for r := range k.users {
		k.users[r] = k.users[r][:0]
	}
	for q := range k.queue {
		k.queue[q] = k.queue[q][:0]
	}
	for i := range t.actions {
		k.waits[i] = int32(len(t.actions[i].After))
	}
}

// await lets an action wait for its nodes.
func (t *timer) await(i int32) {
	j := &t.jobs[i]
	t.queue[j.source] = append(t.queue[j.source], i)
	if j.target != j.source {
		t.queue[j.target] = append(t.queue[j.target], i)
	}
	t.freed = append(t.freed, j.source)
}

// takeOff starts those that wait at the nodes that were freed.
func (t *timer) takeOff(priority []time.Duration, slots int) {
	if len(t.freed) == 0 {
		return
	}
	candidates := t.candidates[:0]
	slices.Sort(t.freed)
	for _, n := range slices.Compact(t.freed) {
		candidates = append(candidates, t.queue[n]...)
	}
	t.freed = t.freed[:0]
	slices.SortFunc(candidates, func(a, b int32) int {
		return cmp.Or(cmp.Compare(priority[b], priority[a]), cmp.Compare(a, b))
	})
	t.candidates = candidates
	for _, i := range slices.Compact(candidates) {
		j := &t.jobs[i]
		if slots > 0 && (t.busy[j.source] >= int32(slots) || t.busy[j.target] >= int32(slots)) {
			continue
		}
		t.occupy(j, 1)
		for _, n := range []int32{j.source, j.target} {
			t.queue[n] = without(t.queue[n], i)
		}
		t.start[i] = t.now
		t.begins(i)
	}
}

func (t *timer) occupy(j *job, sign int32) {
	t.busy[j.source] += sign
	if j.target != j.source {
		t.busy[j.target] += sign
	}
}

// begins starts the first phase of an action.
func (t *timer) begins(i int32) {
	j, a := &t.jobs[i], &t.actions[i]
	links := [2]int32{perNode*j.source + up, perNode*j.target + down}
	switch a.Kind {
	case Migrate:
		t.flight[i].copying = precopy{memory: a.Memory, dirty: j.dirty, downtime: t.speeds.Downtime}
		t.phase(i, a.Memory, links)
	case Suspend:
		t.phase(i, a.Memory, [2]int32{perNode*j.target + disk, none})
	case Resume:
		if t.flight[i].reads = j.source != j.target; t.flight[i].reads {
			t.phase(i, a.Memory, links)
		} else {
			t.phase(i, a.Memory, [2]int32{perNode*j.target + disk, none})
		}
	case Run, Stop:
		t.flight[i].uses = [2]int32{none, none}
		t.push(i, t.now+j.least)
	}
}

// phase starts a phase that sends or writes some bytes.
func (t *timer) phase(i int32, size cluster.Bytes, uses [2]int32) {
	f := &t.flight[i]
	f.left, f.size, f.uses, f.began, f.since, f.rate = float64(size), size, uses, t.now, t.now, 0
	for _, r := range uses {
		if r != none {
			t.users[r] = append(t.users[r], i)
		}
	}
	t.share(uses)
}

// share gives new rates to all that use a link or disk at which somebody has come or gone.
func (t *timer) share(changed [2]int32) {
	for _, r := range changed {
		if r == none {
			continue
		}
		for _, i := range t.users[r] {
			t.settle(i)
		}
	}
}

// settle notes what a flight has sent so far, and goes on with its present share.
func (t *timer) settle(i int32) {
	f := &t.flight[i]
	rate := math.Inf(1)
	for _, r := range f.uses {
		if r != none {
			rate = min(rate, float64(t.limits[r])/float64(len(t.users[r])))
		}
	}
	if rate == f.rate {
		return
	}
	f.left -= float64(f.rate * (t.now - f.since).Seconds())
	f.rate, f.since = rate, t.now
	t.push(i, t.now+time.Duration(math.Ceil(max(0, f.left)/rate*float64(time.Second))))
}

func (t *timer) push(i int32, at time.Duration) {
	t.flight[i].number++
	t.landings.push(landing{at, i, t.flight[i].number})
}

// land ends a phase of an action, and starts the next one or ends it.
func (t *timer) land(i int32) {
	f := &t.flight[i]
	uses := f.uses
	for _, r := range uses {
		if r != none {
			t.users[r] = without(t.users[r], i)
		}
	}
	f.uses = [2]int32{none, none}
	t.share(uses)
	switch a := &t.actions[i]; {
	case a.Kind == Migrate:
		if send, done := f.copying.next(f.size, t.now-f.began); !done {
			t.phase(i, send, uses)
			return
		}
	case f.reads:
		f.reads = false
		t.phase(i, a.Memory, [2]int32{perNode*t.jobs[i].target + disk, none})
		return
	}
	t.ends(i)
}

func (t *timer) ends(i int32) {
	t.end[i] = t.now
	t.flight[i].number++
	j := &t.jobs[i]
	t.occupy(j, -1)
	t.freed = append(t.freed, j.source, j.target)
	for _, f := range t.followers[i] {
		if t.waits[f]--; t.waits[f] == 0 {
			t.await(f)
		}
	}
}

// without takes x out of members, whose order it keeps.
func without(members []int32, x int32) []int32 {
	if i := slices.Index(members, x); i >= 0 {
		return slices.Delete(members, i, i+1)
	}
	return members
}
