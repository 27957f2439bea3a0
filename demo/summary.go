package demo

import (
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Schema names the form of a summary. Fields are only ever added to it.
const Schema = "dvms-demo/1"

// Seconds is a duration, in a summary.
type Seconds float64

func seconds(d time.Duration) Seconds { return Seconds(math.Round(d.Seconds()*1000) / 1000) }

// Summary says what came of a demonstration.
type Summary struct {
	Schema    string  `json:"schema"`
	Agents    int     `json:"agents"`
	Processes bool    `json:"processes"`
	Seed      uint64  `json:"seed"`
	Duration  Seconds `json:"duration_s"`

	Overloads int `json:"overloads"`
	Repaired  int `json:"repaired"`
	// Crashed are overloads that ended because their host was killed.
	Crashed    int     `json:"crashed"`
	Open       int     `json:"open"`
	RepairMean Seconds `json:"repair_mean_s"`
	RepairP95  Seconds `json:"repair_p95_s"`
	RepairMost Seconds `json:"repair_most_s"`

	Migrations int            `json:"migrations"`     // and VMs that were started
	Overlay    string         `json:"overlay"`        // ring or spiral
	Sites      int            `json:"sites"`          //
	Within     int            `json:"within_site"`    // migrations that stayed within a site
	Spread     float64        `json:"sites_mean"`     // on which the members of a procedure stood when it ended
	Outcomes   map[string]int `json:"procedures"`     // how many had which outcome
	Messages   int            `json:"messages"`       // of the protocol
	Frames     int64          `json:"frames"`         // all that was sent, word about members included
	Bytes      int64          `json:"bytes"`          // of frames
	Dropped    int64          `json:"frames_dropped"` // never sent: the peer was gone, or slow
	Refused    int64          `json:"frames_refused"` // received and not understood

	Cuts  int     `json:"cuts"`
	Kills []Kill  `json:"kills"`
	Bound Seconds `json:"freed_bound_s"` // within which those reserved with a killed agent must be free of it
	Freed Seconds `json:"freed_most_s"`  // and were at the latest
	Held  int     `json:"held"`          // agents that are reserved in the end

	Drains []DrainEnd `json:"drains"`
	Places []PlaceEnd `json:"places"`

	VMs    int    `json:"vms"`
	Wrong  string `json:"wrong,omitempty"` // a VM that is lost or doubled, or memory that is not there
	Passed bool   `json:"passed"`
}

// Kill is an agent's violent end.
type Kill struct {
	At      Seconds `json:"at_s"`
	Node    string  `json:"node"`
	Leader  bool    `json:"leader"`
	InPlan  bool    `json:"in_plan"`
	Members int     `json:"members"` // others that were reserved with it
	Freed   Seconds `json:"freed_s"` // when the last of them no longer was
	Held    int     `json:"held"`    // how many still are
}

// DrainEnd says what came of a host that was to be emptied.
type DrainEnd struct {
	At      Seconds `json:"at_s"`
	Node    string  `json:"node"`
	VMs     int     `json:"vms"`               // that it had
	Emptied bool    `json:"emptied"`           //
	After   Seconds `json:"after_s,omitempty"` // it was empty
	Left    int     `json:"left"`              // VMs that it has
	Reasons string  `json:"reasons,omitempty"` // if it was not: what stood in the way
}

// PlaceEnd says what came of VMs that were to be started.
type PlaceEnd struct {
	At      Seconds `json:"at_s"`
	Node    string  `json:"node"` // that was given them
	VMs     int     `json:"vms"`
	Running int     `json:"running"`
	After   Seconds `json:"after_s,omitempty"` // all of them ran
	Reasons string  `json:"reasons,omitempty"`
}

// summary sums up.
func (b *books) summary() Summary {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, moved := b.centre.Migrating()
	s := Summary{
		Schema: Schema, Agents: b.settings.Agents, Processes: b.settings.Program != nil, Seed: b.settings.Seed,
		Duration: seconds(b.now()), Overloads: b.total, Repaired: len(b.repaired), Crashed: b.lost, Open: b.total - len(b.repaired) - b.lost,
		Migrations: moved, Outcomes: b.outcomes, Messages: b.messages, Frames: b.counts.Sent, Bytes: b.counts.SentBytes,
		Dropped: b.counts.Dropped, Refused: b.counts.Refused,
		Cuts: b.cuts, Kills: []Kill{}, Drains: []DrainEnd{}, Places: []PlaceEnd{}, Bound: seconds(b.bound), Held: b.held,
	}
	b.addRepairs(&s)
	b.addSites(&s)
	free := true
	for _, k := range b.kills {
		s.Kills = append(s.Kills, Kill{
			At: seconds(k.at.Sub(b.began)), Node: nameOf(k.node), Leader: k.leader, InPlan: k.inPlan,
			Members: k.members, Freed: seconds(k.freed), Held: len(k.held),
		})
		s.Freed = max(s.Freed, seconds(k.freed))
		free = free && len(k.held) == 0 && k.freed <= b.bound
	}
	s.VMs, s.Wrong = b.audit()
	done := b.addRequests(&s)
	s.Passed = s.Wrong == "" && s.Open == 0 && s.Held == 0 && free && done
	return s
}

// addRequests says what came of what was asked for, and whether all is done.
func (b *books) addRequests(s *Summary) (done bool) {
	done = true
	for _, d := range b.drains {
		l, _ := b.centre.State(d.node)
		s.Drains = append(s.Drains, DrainEnd{
			At: seconds(d.at.Sub(b.began)), Node: nameOf(d.node), VMs: d.vms, Emptied: d.done, After: seconds(d.took), Left: len(l.VMs), Reasons: d.reasons,
		})
		done = done && d.done
	}
	for _, p := range b.places {
		s.Places = append(s.Places, PlaceEnd{
			At: seconds(p.at.Sub(b.began)), Node: nameOf(p.to), VMs: p.vms, Running: p.vms - len(p.waiting), After: seconds(p.took), Reasons: p.reasons,
		})
		done = done && len(p.waiting) == 0
	}
	return done
}

// addSites says how far VMs and procedures went.
func (b *books) addSites(s *Summary) {
	s.Overlay, s.Sites = "ring", b.settings.Sites
	if b.settings.Spiral {
		s.Overlay = "spiral"
	}
	for _, m := range b.centre.Moved() {
		s.Within += one(b.settings.site(m.From) == b.settings.site(m.To))
	}
	ended := 0
	for _, n := range b.outcomes {
		ended += n
	}
	if ended > 0 {
		s.Spread = math.Round(float64(b.spread)/float64(ended)*1000) / 1000
	}
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func (b *books) addRepairs(s *Summary) {
	if len(b.repaired) == 0 {
		return
	}
	sorted := slices.Sorted(slices.Values(b.repaired))
	var sum time.Duration
	for _, r := range sorted {
		sum += r
	}
	s.RepairMean = seconds(sum / time.Duration(len(sorted)))
	s.RepairP95 = seconds(sorted[(len(sorted)*95+99)/100-1])
	s.RepairMost = seconds(sorted[len(sorted)-1])
}

// audit counts the VMs on all hosts, and says what is wrong with them.
func (b *books) audit() (vms int, wrong string) {
	seen := map[cluster.VMID]bool{}
	for i := range b.settings.Agents {
		l, _ := b.centre.State(cluster.NodeID(i + 1))
		for _, v := range slices.Concat(l.VMs, l.Waiting) {
			if seen[v.ID] {
				wrong = v.Name + " is on two hosts"
			}
			seen[v.ID] = true
		}
	}
	if len(seen) != b.vms {
		wrong = "VMs are lost"
	}
	if err := b.centre.Check(); err != nil {
		wrong = err.Error()
	}
	return len(seen), wrong
}

// View is what there is to see now.
type View struct {
	At         time.Duration
	Hosts      []Host
	Events     []Event // the last ones, oldest first
	Overloads  int
	Repaired   int
	Open       int
	Migrations int // done
	Moving     int // under way
	Messages   int
}

// Host is what there is to see of a host and its agent.
type Host struct {
	Name      string
	Site      string // "" if there is only one
	Up        bool
	Load      float64 // share of its CPU that its VMs ask for
	VMs       int
	Draining  bool
	Waiting   int    // VMs that are to be started
	Partition string // "" if it is free
	State     string // of the partition
	Leader    bool
	Applying  bool
}

// view returns what there is to see now.
func (b *books) view() View {
	b.mu.Lock()
	defer b.mu.Unlock()
	v := View{
		At: b.now(), Events: slices.Clone(b.last), Overloads: b.total, Repaired: len(b.repaired),
		Open: len(b.open), Messages: b.messages,
	}
	v.Moving, v.Migrations = b.centre.Migrating()
	for i := range b.settings.Agents {
		id := cluster.NodeID(i + 1)
		l, up := b.centre.State(id)
		h := Host{Name: nameOf(id), Site: b.settings.siteName(id), Up: up, VMs: len(l.VMs), Draining: l.Draining, Waiting: len(l.Waiting), Load: float64(demand(l.VMs).CPU()) / float64(l.Capacity.CPU())}
		if k := b.agents[id]; k != nil {
			v.Messages += k.status.Sent
			if s := k.status; s.Booked {
				h.Partition, h.State, h.Leader, h.Applying = agent.PartitionName(s.Partition), protocol.State(s.State).String(), s.Leader == id, s.Applying
			}
		}
		v.Hosts = append(v.Hosts, h)
	}
	return v
}
