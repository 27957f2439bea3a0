package demo

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/membership"
	"github.com/dvms-project/dvms/transport"
)

// fleet is the agents of a demonstration.
type fleet struct {
	demo *demo

	mu      sync.Mutex
	members map[cluster.NodeID]*member
	ending  bool
	under   sync.WaitGroup
	failed  []error
}

// member is an agent and how it runs.
type member struct {
	id      cluster.NodeID
	starts  uint32
	address string // where it listens; "" means not yet
	body    body   // nil while it is down
	killed  bool
}

// body is a running agent.
type body interface {
	// kill ends the agent at once.
	kill()
	// leave asks the agent to go.
	leave()
	// cut makes it lose what comes from and goes to others.
	cut(off []cluster.NodeID)
	// wait returns when the agent has ended.
	wait() error
}

func newFleet(d *demo) *fleet {
	f := &fleet{demo: d, members: map[cluster.NodeID]*member{}}
	for i := range d.settings.Agents {
		id := cluster.NodeID(i + 1)
		f.members[id] = &member{id: id}
	}
	return f
}

// startLimit is how long agents may take to start and to know each other.
const startLimit = 30 * time.Second

// startAll starts all agents: the first one, then the others, who join through
// it; and waits until all know all.
func (f *fleet) startAll(ctx context.Context) error {
	for i := range f.demo.settings.Agents {
		id := cluster.NodeID(i + 1)
		if err := f.start(ctx, id); err != nil {
			return err
		}
		for began := time.Now(); i == 0 && f.address(id) == ""; {
			if err := f.failure(); err != nil {
				return err
			}
			if time.Since(began) > startLimit || !sleep(ctx, 10*time.Millisecond) {
				return fmt.Errorf("agent %s did not start", nameOf(id))
			}
		}
	}
	for began := time.Now(); !f.demo.books.met(); {
		if err := f.failure(); err != nil {
			return err
		}
		if time.Since(began) > startLimit || !sleep(ctx, 20*time.Millisecond) {
			return errors.New("the agents did not find each other")
		}
	}
	return nil
}

func (f *fleet) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.failed) > 1 {
		return fmt.Errorf("%w (and %d more)", f.failed[0], len(f.failed)-1)
	}
	return errors.Join(f.failed...)
}

func (f *fleet) address(id cluster.NodeID) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.members[id].address
}

// assignment is what an agent is told when it starts.
type assignment struct {
	Name      string              `json:"name"`
	Token     string              `json:"token"`
	Authority string              `json:"authority"` // its address
	Seeds     []membership.Member `json:"seeds"`
	Agent     agent.Settings      `json:"agent"`
	// Delays emulate the latency to other sites.
	Delays map[cluster.NodeID]time.Duration `json:"delays,omitempty"`
	Log    string                           `json:"log,omitempty"` // a file for its inputs
}

// start starts an agent, for the first time or again.
func (f *fleet) start(ctx context.Context, id cluster.NodeID) error {
	token, err := f.demo.authority.Token(id, transport.TokenLifetime)
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ending {
		return nil
	}
	m := f.members[id]
	m.starts++
	m.killed, m.address = false, ""
	a := assignment{Name: nameOf(id), Token: token, Authority: f.demo.address, Seeds: f.seeds(), Delays: f.demo.settings.delays(id), Agent: agent.Settings{
		ID: id, Protocol: f.demo.protocol, Monitor: monitorSettings(), Seed: f.demo.settings.Seed, Starts: m.starts,
		Spiral: f.demo.settings.spiral(),
	}}
	if dir := f.demo.settings.Logs; dir != "" {
		a.Log = filepath.Join(dir, fmt.Sprintf("%s-%d.jsonl", a.Name, m.starts))
	}
	f.demo.books.started(id)
	hear := func(n news) { f.hear(id, n) }
	b, err := f.run(ctx, a, hear)
	if err != nil {
		return err
	}
	m.body = b
	f.under.Go(func() { f.ended(ctx, id, b.wait()) })
	return nil
}

// run starts what an agent runs as.
func (f *fleet) run(ctx context.Context, a assignment, hear func(news)) (body, error) {
	if f.demo.settings.Program == nil {
		return startGoroutine(ctx, f.demo.centre, a, f.demo.settings.Log, hear), nil
	}
	p, err := startProcess(f.demo.settings.Program, f.demo.centre, a, hear)
	if err != nil {
		return nil, err // and no body: an interface with a nil pointer would be one
	}
	return p, nil
}

// seeds are a few agents that run.
func (f *fleet) seeds() (some []membership.Member) {
	for i := range f.demo.settings.Agents {
		m := f.members[cluster.NodeID(i+1)]
		if m.body != nil && m.address != "" && len(some) < 3 {
			some = append(some, membership.Member{ID: m.id, Address: m.address})
		}
	}
	return some
}

// news is what an agent tells the demonstration.
type news struct {
	Address   string            `json:"address,omitempty"` // it listens there
	Happening *agent.Happening  `json:"happening,omitempty"`
	Counts    *transport.Counts `json:"counts,omitempty"`
	Here      int               `json:"here,omitempty"` // how many others it knows to be there, with Counts
}

func (f *fleet) hear(id cluster.NodeID, n news) {
	if n.Address != "" {
		f.mu.Lock()
		f.members[id].address = n.Address
		f.mu.Unlock()
	}
	f.demo.books.hear(id, n)
}

// ended notes that an agent has ended, and starts it again if it was killed.
func (f *fleet) ended(ctx context.Context, id cluster.NodeID, err error) {
	f.demo.centre.Crash(id)
	f.mu.Lock()
	m := f.members[id]
	m.body = nil
	again := m.killed && !f.ending && f.demo.settings.Return > 0
	if !m.killed && (err != nil || !f.ending) {
		f.failed = append(f.failed, fmt.Errorf("agent %s has ended: %w", nameOf(id), cmp.Or(err, errUnasked)))
	}
	f.mu.Unlock()
	f.demo.books.gone(id)
	if again {
		f.under.Go(func() {
			if sleep(ctx, f.demo.settings.Return) {
				if err := f.start(ctx, id); err != nil {
					f.demo.settings.Log.Error("an agent can't be started again", "agent", id, "err", err)
				}
			}
		})
	}
}

var errUnasked = errors.New("nobody has asked for it")

// kill ends an agent as kill -9 does.
func (f *fleet) kill(id cluster.NodeID) {
	f.mu.Lock()
	m := f.members[id]
	b := m.body
	if b == nil || f.ending || m.killed {
		f.mu.Unlock()
		return
	}
	m.killed = true
	f.mu.Unlock()
	f.demo.books.killed(id)
	b.kill()
}

// up returns the agents that run.
func (f *fleet) up() (ids []cluster.NodeID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, m := range f.members {
		if m.body != nil && !m.killed {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// cut makes each of two groups lose what the other says.
func (f *fleet) cut(low, high []cluster.NodeID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, m := range f.members {
		switch {
		case m.body == nil:
		case slices.Contains(low, id):
			m.body.cut(high)
		default:
			m.body.cut(low)
		}
	}
}

// stopLimit is how long agents may take to leave before they are killed.
const stopLimit = 15 * time.Second

// stopAll has all agents leave, and returns when none is left.
func (f *fleet) stopAll() error {
	f.mu.Lock()
	f.ending = true
	for _, m := range f.members {
		if m.body != nil {
			m.body.leave()
		}
	}
	f.mu.Unlock()
	gone := make(chan struct{})
	go func() { f.under.Wait(); close(gone) }()
	select {
	case <-gone:
		return f.failure()
	case <-time.After(stopLimit):
	}
	f.mu.Lock()
	var slow []string
	for _, m := range f.members {
		if m.body != nil {
			slow = append(slow, nameOf(m.id))
			m.killed = true
			m.body.kill()
		}
	}
	f.mu.Unlock()
	<-gone
	slices.Sort(slow)
	return errors.Join(f.failure(), fmt.Errorf("%s did not leave within %v", strings.Join(slow, ", "), stopLimit))
}

// newRandom returns the random numbers of one purpose.
func newRandom(seed, stream uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, stream)) }
