package demo

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/hypervisor/emulated"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/transport"
)

// Event is something that happened, in a line for a person.
type Event struct {
	At   time.Duration // since the agents knew each other
	Kind string        // measuring, overload, repaired, began, plan, ended, drain, emptied, place, running, no-way, killed, started, cut or healed
	Text string
}

// books are what the demonstration knows of hosts and agents, and what has
// happened. The agents do not see them.
type books struct {
	settings Settings
	bound    time.Duration
	centre   *emulated.DataCentre

	mu       sync.Mutex
	began    time.Time // zero until the agents know each other
	agents   map[cluster.NodeID]*known
	open     map[cluster.NodeID]time.Time // overloads, since when
	repaired []time.Duration              // how long each lasted
	total    int                          // overloads, open ones included
	lost     int                          // overloads that ended because the host crashed
	outcomes map[string]int               // of procedures
	spread   int                          // sites of all procedures, summed up
	counts   transport.Counts             // of agents that have ended
	messages int                          // of the protocol, of agents that have ended
	kills    []*kill
	drains   []*drain
	places   []*place
	vms      int // placed ones included
	cuts     int
	held     int // agents that were reserved when the demonstration ended
	closed   bool
	last     []Event
}

// known is what is known of an agent.
type known struct {
	up     bool
	status agent.Status
	counts transport.Counts
	here   int
}

// kill is an agent's violent end.
type kill struct {
	at      time.Time
	node    cluster.NodeID
	leader  bool
	inPlan  bool
	held    map[cluster.NodeID]bool // who is reserved together with it still
	members int                     // how many were
	freed   time.Duration           // when the last of them was not any more
}

// drain is a host that is to be emptied.
type drain struct {
	node    cluster.NodeID
	at      time.Time
	vms     int           // that it had
	took    time.Duration // until it was empty
	done    bool
	reasons string // why it could not be done, when it was last tried
}

// place is VMs that are to be started.
type place struct {
	to      cluster.NodeID // the host that was given them
	at      time.Time
	vms     int
	waiting map[cluster.VMID]bool
	took    time.Duration // until all ran
	reasons string
}

func newBooks(s Settings, bound time.Duration) *books {
	return &books{settings: s, bound: bound, agents: map[cluster.NodeID]*known{}, open: map[cluster.NodeID]time.Time{}, outcomes: map[string]int{}, vms: s.Agents * vmsPerHost}
}

// begin starts the clock.
func (b *books) begin() {
	b.mu.Lock()
	b.began = time.Now()
	b.mu.Unlock()
	for i := range b.settings.Agents {
		b.changed(cluster.NodeID(i + 1))
	}
}

// changed looks at a host whose VMs, or what they ask for, have changed.
func (b *books) changed(id cluster.NodeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.began.IsZero() || b.closed {
		return
	}
	l, up := b.centre.State(id)
	b.progress(id, l)
	asked := demand(l.VMs)
	since, was := b.open[id]
	over, is := asked.Exceeding(l.Capacity)
	switch {
	case was && !up:
		delete(b.open, id)
		b.lost++
	case was && !is:
		delete(b.open, id)
		took := time.Since(since)
		b.repaired = append(b.repaired, took)
		b.note("repaired", "%s is repaired after %.1f s", nameOf(id), took.Seconds())
	case !was && is && up:
		b.open[id] = time.Now()
		b.total++
		b.note("overload", "%s is overloaded: %s %s of %s", nameOf(id), over, amount(asked, over), amount(l.Capacity, over))
	}
}

// drain notes that a host is to be emptied.
func (b *books) drain(id cluster.NodeID, vms int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.drains = append(b.drains, &drain{node: id, at: time.Now(), vms: vms})
	b.note("drain", "%s is to be emptied: %s", nameOf(id), count(vms, "VM"))
}

// place notes that a host is given VMs to be started.
func (b *books) place(to cluster.NodeID, vms []cluster.VM) {
	b.mu.Lock()
	defer b.mu.Unlock()
	p := &place{to: to, at: time.Now(), vms: len(vms), waiting: map[cluster.VMID]bool{}}
	for _, v := range vms {
		p.waiting[v.ID] = true
	}
	b.places = append(b.places, p)
	b.vms += len(vms)
	b.note("place", "%s is given %s to be started", nameOf(to), count(len(vms), "VM"))
}

// progress notes what a host's VMs tell of drains and of VMs to be started.
func (b *books) progress(id cluster.NodeID, l protocol.Local) {
	for _, d := range b.drains {
		if d.node == id && l.Draining && !d.done && len(l.VMs) == 0 {
			d.done, d.took, d.reasons = true, time.Since(d.at), ""
			b.note("emptied", "%s is empty after %.1f s", nameOf(id), d.took.Seconds())
		}
	}
	for _, p := range b.places {
		before := len(p.waiting)
		for _, v := range l.VMs {
			delete(p.waiting, v.ID)
		}
		if before > 0 && len(p.waiting) == 0 {
			p.took, p.reasons = time.Since(p.at), ""
			b.note("running", "all of the %s that %s was given run, after %.1f s", count(p.vms, "VM"), nameOf(p.to), p.took.Seconds())
		}
	}
}

// answered notes that an agent had to say why what was asked for can't be done.
// As long as other procedures hold hosts, that is not the last word.
func (b *books) answered(id cluster.NodeID, in protocol.PartitionID, a agent.Answer) {
	if a.Outcome != protocol.Unsolvable.String() {
		return
	}
	reasons, said := a.Reasons, false
	if b.others(in) {
		reasons = ""
	}
	for _, d := range b.drains {
		if d.node == id && !d.done && strings.Contains(a.Event, protocol.Drain.String()) {
			d.reasons, said = reasons, true
		}
	}
	for _, p := range b.places {
		if p.to == id && len(p.waiting) > 0 && strings.Contains(a.Event, protocol.Place.String()) {
			p.reasons, said = reasons, true
		}
	}
	if said {
		b.note("no-way", "%s has no solution for its %s yet: %s", nameOf(id), a.Event, cmp.Or(a.Reasons, "other hosts are busy"))
	}
}

// others reports whether there are other procedures, or will be.
func (b *books) others(than protocol.PartitionID) bool {
	for _, k := range b.agents {
		if k.status.Booked && k.status.Partition != than {
			return true
		}
	}
	return len(b.open) > 0
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func amount(r cluster.Resources, of cluster.Resource) string {
	if of == cluster.Memory {
		return r.Memory().String()
	}
	return fmt.Sprintf("%.2f", float64(r.CPU())/float64(cluster.Core))
}

// note keeps an event, and tells of it.
func (b *books) note(kind, format string, args ...any) {
	e := Event{At: b.now(), Kind: kind, Text: fmt.Sprintf(format, args...)}
	b.last = append(b.last, e)
	if len(b.last) > lastEvents {
		b.last = b.last[1:]
	}
	if b.settings.Say != nil {
		b.settings.Say(e)
	}
}

// lastEvents is how many events a view has.
const lastEvents = 10

func (b *books) now() time.Duration {
	if b.began.IsZero() {
		return 0
	}
	return time.Since(b.began)
}

func (b *books) say(e Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e.Kind == "cut" {
		b.cuts++
	}
	b.note(e.Kind, "%s", e.Text)
}

// started notes that an agent starts.
func (b *books) started(id cluster.NodeID) {
	b.mu.Lock()
	_, again := b.agents[id]
	b.agents[id] = &known{up: true}
	if again {
		b.note("started", "%s is started again", nameOf(id))
	}
	b.mu.Unlock()
}

// gone notes that an agent has ended.
func (b *books) gone(id cluster.NodeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.agents[id]
	b.messages += k.status.Sent
	b.counts = b.counts.Plus(k.counts)
	b.agents[id] = &known{}
	b.release(id, agent.Status{})
}

// killed notes that an agent is about to be killed.
func (b *books) killed(id cluster.NodeID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.agents[id]
	entry := &kill{at: time.Now(), node: id, held: map[cluster.NodeID]bool{}}
	if k.status.Booked {
		entry.leader, entry.inPlan = k.status.Leader == id, k.status.Applying
		for other, o := range b.agents {
			if other != id && o.up && o.status.Booked && slices.Contains(o.status.Members, id) {
				entry.held[other] = true
			}
		}
	}
	entry.members = len(entry.held)
	b.kills = append(b.kills, entry)
	what := ""
	switch {
	case entry.inPlan:
		what = fmt.Sprintf(", which leads %s in mid-plan", agent.PartitionName(k.status.Partition))
	case entry.leader:
		what = fmt.Sprintf(", which leads %s", agent.PartitionName(k.status.Partition))
	case k.status.Booked:
		what = fmt.Sprintf(", a member of %s", agent.PartitionName(k.status.Partition))
	}
	b.note("killed", "%s is killed%s", nameOf(id), what)
}

// release notes, for agents that were reserved with one that was killed, that
// they no longer are.
func (b *books) release(id cluster.NodeID, s agent.Status) {
	for _, k := range b.kills {
		if k.held[id] && !(s.Booked && slices.Contains(s.Members, k.node)) {
			delete(k.held, id)
			k.freed = time.Since(k.at)
		}
	}
}

// hear takes what an agent tells.
func (b *books) hear(id cluster.NodeID, n news) {
	b.mu.Lock()
	defer b.mu.Unlock()
	k := b.agents[id]
	if n.Counts != nil {
		k.counts, k.here = *n.Counts, n.Here
	}
	if n.Happening == nil {
		return
	}
	h := *n.Happening
	k.status = h.Status
	switch h.Kind {
	case "status":
		b.release(id, h.Status)
	case "began":
		b.note("began", "%s asks for help: procedure %s, %s", nameOf(id), agent.PartitionName(h.Partition), h.Event)
	case "applying":
		b.note("plan", "%s has a plan for %s: %s", nameOf(id), agent.PartitionName(h.Partition), count(h.Migrations, "action"))
	case "answered":
		b.answered(id, h.Partition, *h.Status.Answer)
	case "ended":
		b.outcomes[h.Outcome]++
		b.spread += b.settings.spread(h.Members)
		b.note("ended", "%s is %s, of %s", agent.PartitionName(h.Partition), h.Outcome, names(h.Members))
	}
}

func names(ids []cluster.NodeID) string {
	all := make([]string, len(ids))
	for i, id := range ids {
		all[i] = nameOf(id)
	}
	return strings.Join(all, " ")
}

func fmtCut(low, high []cluster.NodeID) string {
	return fmt.Sprintf("the network is cut between %s and %s", names(low), names(high))
}

// met reports whether all agents know each other.
func (b *books) met() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, k := range b.agents {
		if k.here != b.settings.Agents-1 {
			return false
		}
	}
	return len(b.agents) == b.settings.Agents
}

// arisen returns how many overloads there were.
func (b *books) arisen() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.total
}

// leaderInPlan returns an agent that leads a plan just now.
func (b *books) leaderInPlan() (cluster.NodeID, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, id := range slices.Sorted(maps.Keys(b.agents)) {
		if k := b.agents[id]; k.up && k.status.Applying {
			return id, true
		}
	}
	return 0, false
}

// close ends what is counted: from now on agents leave.
func (b *books) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, k := range b.agents {
		if k.status.Booked {
			b.held++
		}
	}
}

// quiet reports whether no host that is up is overloaded, nobody reserved, and
// what was asked for is served.
func (b *books) quiet() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.open) > 0 {
		return false
	}
	for _, k := range b.agents {
		if k.status.Booked {
			return false
		}
	}
	return b.served()
}

// settle forgets why what was asked for could not be done: the load does not
// change any more, and it will be tried again.
func (b *books) settle() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range b.drains {
		d.reasons = ""
	}
	for _, p := range b.places {
		p.reasons = ""
	}
}

// served reports whether all that was asked for is done, or was said to be
// impossible, or its host is down.
func (b *books) served() bool {
	for _, d := range b.drains {
		if !d.done && d.reasons == "" && b.agents[d.node].up {
			return false
		}
	}
	for _, p := range b.places {
		if len(p.waiting) > 0 && p.reasons == "" && b.agents[p.to].up {
			return false
		}
	}
	return true
}
