// Package membership keeps, on each node, the list of all nodes, and finds out
// which have died.
//
// It is SWIM [1] with other targets. Each period a node pings one other; if no
// answer comes in half a period it asks a few others to ping it; if they get
// none either, it suspects the node, and after a while holds it for dead, unless
// the node says that it is alive. Such news travels with pings and answers, a few
// times each.
//
// SWIM pings members at random. Here it is the fingers of a ring: the members at
// distances 1, 2, 4, … in the order of IDs. Each node is pinged by as many others
// as it pings, once a period on the average, and news reaches all in a logarithmic
// number of periods, as with random targets; but the targets stay the same, so
// that the authenticated connections to them can stay open. What a node sends
// does not depend on the number of nodes, but for the size of the list that it is
// given when it joins.
//
// A Detector is a state machine, as a node of the protocol is: Step knows neither
// clock nor network. It draws no random numbers.
//
// # Sources
//
//	[1] A. Das, I. Gupta, A. Motivala. SWIM: Scalable Weakly-consistent
//	    Infection-style Process Group Membership Protocol. DSN 2002.
package membership

import (
	"cmp"
	"math/bits"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// State is what is known of a member. Of two words about it with the same
// incarnation, the one with the greater state counts.
type State uint8

// The states of a member.
const (
	Alive   State = iota
	Suspect       // it does not answer
	Dead
	Left // it has said so itself
)

// Member is a node of the cluster, as far as one knows.
type Member struct {
	ID          cluster.NodeID `json:"id"`
	Name        string         `json:"name,omitempty"`
	Address     string         `json:"address"`
	Incarnation uint32         `json:"inc,omitempty"` // only the member itself raises it
	State       State          `json:"state,omitempty"`
}

// newer reports whether m says more than what was known.
func (m Member) newer(known Member) bool {
	if m.Incarnation != known.Incarnation {
		return m.Incarnation > known.Incarnation
	}
	return m.State > known.State
}

// here reports whether the member takes part.
func (m Member) here() bool { return m.State <= Suspect }

// Kind says what a packet is for.
type Kind uint8

// The kinds of packets.
const (
	Ping  Kind = iota // wants an Ack
	Ack               // answers Ping, to Packet.Origin
	Relay             // wants the receiver to ping Target for Origin
	Join              // wants a List
	List              // says all that is known
)

// Packet is what nodes tell each other about members.
type Packet struct {
	Kind   Kind           `json:"kind,omitempty"`
	Round  uint32         `json:"round,omitempty"`  // of the ping that it belongs to
	Origin cluster.NodeID `json:"origin,omitempty"` // who wants to know
	Target cluster.NodeID `json:"target,omitempty"` // who is asked for
	News   []Member       `json:"news,omitempty"`
}

// Settings of a detector.
type Settings struct {
	Period  time.Duration // between two pings
	Suspect time.Duration // how long a member is suspected before it is held for dead
	Relays  int           // how many others are asked to ping one that does not answer
	Retry   time.Duration // between two pings of one that is held for dead: a cut may have healed
	Sync    time.Duration // between two exchanges of all that is known; longer in large clusters
}

// Defaults returns the settings for a local network: a crash is known to all
// after about 5 s.
func Defaults() Settings {
	return Settings{Period: time.Second, Suspect: 3 * time.Second, Relays: 3, Retry: 5 * time.Second, Sync: 30 * time.Second}
}

// maxNews is the most members that are told of along with a ping.
const maxNews = 32

// Output is a packet to be sent, unless To is zero, or a member that has come
// or gone.
type Output struct {
	To      Member
	Packet  Packet
	Changed *Member // State tells which
}

// Detector knows the members of the cluster. Its zero value is not usable; see
// New.
type Detector struct {
	settings Settings
	self     Member
	seeds    []Member
	known    map[cluster.NodeID]*record
	order    []cluster.NodeID // of known, ascending

	round   uint32
	ticks   int
	probing cluster.NodeID // who was pinged in this round; 0 means none
	failed  bool           // the probed one has not answered
	retried int            // of those held for dead
	next    time.Duration  // when to retry
	synced  time.Duration  // when to sync

	out []Output
}

// record is a member and what is to be done about it.
type record struct {
	Member
	told  int           // how often the latest word was passed on
	since time.Duration // of the latest word
}

// New returns a detector that knows of itself and of the seeds, through which
// it joins. The incarnation of self must be higher than at the times before.
func New(self Member, seeds []Member, s Settings) *Detector {
	d := &Detector{settings: s, self: self, known: map[cluster.NodeID]*record{}}
	for _, m := range seeds {
		if m.ID != self.ID {
			d.seeds = append(d.seeds, m)
		}
	}
	return d
}

// Members returns all that are known to take part, this node included, in the
// order of their IDs.
func (d *Detector) Members() []Member {
	all := []Member{d.self}
	for _, id := range d.order {
		if m := d.known[id].Member; m.here() {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Compare(a.ID, b.ID) })
	return all
}

// Tick is to be called every half period. The returned slice is valid until the
// next call.
func (d *Detector) Tick(now time.Duration) []Output {
	d.out = d.out[:0]
	d.ticks++
	d.expire(now)
	if d.ticks%2 == 0 {
		d.askOthers()
		return d.out
	}
	if d.failed {
		d.doubt(now, d.known[d.probing])
	}
	d.probe()
	d.join()
	if now >= d.next {
		d.next = now + d.settings.Retry
		d.retry()
	}
	if now >= d.synced && d.probing != 0 {
		// The larger the list the rarer, so that a node sends no more in a large
		// cluster.
		d.synced = now + max(d.settings.Sync, time.Duration(len(d.order))*d.settings.Period/2)
		d.send(d.probing, Packet{Kind: Join, News: d.everything()})
	}
	return d.out
}

// Broken says that a connection to a node has broken. Often it has died; it is
// suspected, and asked to object if it has not.
func (d *Detector) Broken(now time.Duration, id cluster.NodeID) []Output {
	d.out = d.out[:0]
	if d.doubt(now, d.known[id]) {
		d.send(id, Packet{Kind: Ping, Origin: d.self.ID})
	}
	return d.out
}

// Leave says to others that this node goes.
func (d *Detector) Leave() []Output {
	d.out = d.out[:0]
	d.self.State = Left
	for _, id := range d.fingers() {
		d.send(id, Packet{Kind: List, News: []Member{d.self}})
	}
	return d.out
}

// Receive acts on a packet from a node.
func (d *Detector) Receive(now time.Duration, from cluster.NodeID, p Packet) []Output {
	d.out = d.out[:0]
	wasHere := d.isHere(from)
	for _, m := range p.News {
		d.hear(now, m)
	}
	if r := d.known[from]; r != nil && !wasHere && r.State == Dead {
		// It may not know that it is held for dead, nor of what has happened since.
		d.sendTo(sender(from, p, r.Member), Packet{Kind: List, News: d.everything()})
	}
	switch p.Kind {
	case Ping:
		d.send(p.Origin, Packet{Kind: Ack, Round: p.Round, Target: d.self.ID})
	case Ack:
		if p.Target == d.probing && p.Round == d.round {
			d.failed = false
		}
	case Relay:
		d.send(p.Target, Packet{Kind: Ping, Round: p.Round, Origin: p.Origin})
	case Join:
		d.send(from, Packet{Kind: List, News: d.everything()})
	case List:
	}
	return d.out
}

// sender returns who has sent a packet, at the address that it says it has: it may
// have been started anew, and know less of itself than the others do.
func sender(from cluster.NodeID, p Packet, known Member) Member {
	if i := slices.IndexFunc(p.News, func(m Member) bool { return m.ID == from }); i >= 0 {
		known.Address = p.News[i].Address
	}
	return known
}

func (d *Detector) isHere(id cluster.NodeID) bool {
	r := d.known[id]
	return r != nil && r.here()
}

// hear takes a word about a member, and passes it on later if it is new.
func (d *Detector) hear(now time.Duration, m Member) {
	if m.ID == d.self.ID {
		if d.self.State != Left && m.Incarnation >= d.self.Incarnation && m.State != Alive {
			d.self.Incarnation = m.Incarnation + 1 // it is not so
		}
		return
	}
	r := d.known[m.ID]
	if r == nil {
		r = &record{Member: Member{ID: m.ID, State: Left}}
		d.known[m.ID] = r
		at, _ := slices.BinarySearch(d.order, m.ID)
		d.order = slices.Insert(d.order, at, m.ID)
	} else if !m.newer(r.Member) {
		return
	}
	d.learn(now, r, m)
}

// learn makes m what is known, and tells if the member has come or gone.
func (d *Detector) learn(now time.Duration, r *record, m Member) {
	was := r.Member
	r.Member, r.told, r.since = m, 0, now
	if was.here() != m.here() || m.here() && was.Address != m.Address {
		changed := m
		d.out = append(d.out, Output{Changed: &changed})
	}
}

// doubt makes one that was held for alive suspected.
func (d *Detector) doubt(now time.Duration, r *record) bool {
	if r == nil || r.State != Alive {
		return false
	}
	m := r.Member
	m.State = Suspect
	d.learn(now, r, m)
	return true
}

// expire holds those for dead that have been suspected for long.
func (d *Detector) expire(now time.Duration) {
	for _, id := range d.order {
		if r := d.known[id]; r.State == Suspect && now-r.since >= d.settings.Suspect {
			m := r.Member
			m.State = Dead
			d.learn(now, r, m)
		}
	}
}

// fingers are the members that this node pings: those at distances 1, 2, 4, …
// after it in the circle of all.
func (d *Detector) fingers() []cluster.NodeID {
	var here []cluster.NodeID
	for _, id := range d.order {
		if d.known[id].here() {
			here = append(here, id)
		}
	}
	start, _ := slices.BinarySearch(here, d.self.ID)
	var fingers []cluster.NodeID
	for distance := 1; distance <= len(here); distance *= 2 {
		fingers = append(fingers, here[(start+distance-1)%len(here)])
	}
	return fingers
}

// probe pings the finger whose turn it is.
func (d *Detector) probe() {
	d.probing, d.failed = 0, false
	if fingers := d.fingers(); len(fingers) > 0 {
		d.round++
		d.probing, d.failed = fingers[int(d.round)%len(fingers)], true
		d.send(d.probing, Packet{Kind: Ping, Round: d.round, Origin: d.self.ID})
	}
}

// askOthers has others ping the one that does not answer.
func (d *Detector) askOthers() {
	if !d.failed {
		return
	}
	asked := 0
	for _, id := range d.fingers() {
		if id != d.probing && asked < d.settings.Relays {
			asked++
			d.send(id, Packet{Kind: Relay, Round: d.round, Origin: d.self.ID, Target: d.probing})
		}
	}
}

// join asks the seeds for the list, until there is somebody.
func (d *Detector) join() {
	if d.probing != 0 {
		return
	}
	for _, m := range d.seeds {
		d.sendTo(m, Packet{Kind: Join})
	}
}

// retry pings, in turn, one that is held for dead.
func (d *Detector) retry() {
	for range d.order {
		d.retried = (d.retried + 1) % len(d.order)
		r := d.known[d.order[d.retried]]
		if r.State == Dead {
			d.sendTo(r.Member, Packet{Kind: Join, News: []Member{r.Member}})
			return
		}
	}
}

// everything is all that this node knows.
func (d *Detector) everything() []Member {
	all := []Member{d.self}
	for _, id := range d.order {
		all = append(all, d.known[id].Member)
	}
	return all
}

func (d *Detector) send(to cluster.NodeID, p Packet) {
	if r := d.known[to]; r != nil {
		d.sendTo(r.Member, p)
	} else if i := slices.IndexFunc(p.News, func(m Member) bool { return m.ID == to }); i >= 0 {
		d.sendTo(p.News[i], p)
	}
}

// sendTo sends a packet, with word of this node and news that are new.
func (d *Detector) sendTo(to Member, p Packet) {
	if p.Kind == Ping || p.Kind == Ack || p.Kind == Relay {
		p.News = d.news(to)
	} else if len(p.News) == 0 || p.News[0].ID != d.self.ID {
		p.News = append([]Member{d.self}, p.News...)
	}
	d.out = append(d.out, Output{To: to, Packet: p})
}

// news is what the next packet tells: of this node, of the receiver if it is
// suspected, so that it can say it is alive, and the news that were passed on
// least often.
func (d *Detector) news(to Member) []Member {
	var fresh []*record
	limit := 3 * bits.Len(uint(len(d.order)+1))
	for _, id := range d.order {
		if r := d.known[id]; r.told < limit && id != to.ID {
			fresh = append(fresh, r)
		}
	}
	slices.SortStableFunc(fresh, func(a, b *record) int { return cmp.Compare(a.told, b.told) })
	news := []Member{d.self}
	if to.State != Alive {
		news = append(news, to)
	}
	for _, r := range fresh[:min(len(fresh), maxNews)] {
		r.told++
		news = append(news, r.Member)
	}
	return news
}
