package demo

import (
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
	Kind string        // overload, repaired, began, plan, ended, killed, started, cut or healed
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
	counts   transport.Counts             // of agents that have ended
	messages int                          // of the protocol, of agents that have ended
	kills    []*kill
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

func newBooks(s Settings, bound time.Duration) *books {
	return &books{settings: s, bound: bound, agents: map[cluster.NodeID]*known{}, open: map[cluster.NodeID]time.Time{}, outcomes: map[string]int{}}
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
		what = fmt.Sprintf(", which leads %s in mid-plan", partitionName(k.status.Partition))
	case entry.leader:
		what = fmt.Sprintf(", which leads %s", partitionName(k.status.Partition))
	case k.status.Booked:
		what = fmt.Sprintf(", a member of %s", partitionName(k.status.Partition))
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
		b.note("began", "%s asks for help: procedure %s", nameOf(id), partitionName(h.Partition))
	case "applying":
		b.note("plan", "%s has a plan for %s: %s", nameOf(id), partitionName(h.Partition), migrations(h.Migrations))
	case "ended":
		b.outcomes[h.Outcome]++
		b.note("ended", "%s is %s, of %s", partitionName(h.Partition), h.Outcome, names(h.Members))
	}
}

func migrations(n int) string {
	if n == 1 {
		return "1 migration"
	}
	return fmt.Sprintf("%d migrations", n)
}

// partitionName is the name of a partition as in traces: node and number. The
// number starts anew each time that its node starts.
func partitionName(id protocol.PartitionID) string {
	return fmt.Sprintf("%s.%d", nameOf(id.Initiator), id.Sequence&0xffff+1)
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

// quiet reports whether no host that is up is overloaded, and nobody reserved.
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
	return true
}
