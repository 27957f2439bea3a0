package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// weather is a world of processes that do what comes to their mind: they sleep,
// compute, send, receive, lock, wait for each other, spawn, kill and suspend.
// VMs are suspended and shut down under them, and hosts switched off.
type weather struct {
	*stage
	rng       *rand.Rand
	violent   bool // processes are killed
	spawned   int
	processes []*Process
	mailboxes []*Mailbox
	mutexes   []*Mutex
	inside    []int // processes that hold each mutex
	permits   *Semaphore
	holders   int // of a permit

	messages int
	sent     map[int]error // by message: what its sender was told
	received map[int]int
	killed   int
}

const permits = 2

// errNotTold stands for what a sender would have been told if it had not been
// killed before.
var errNotTold = errors.New("its sender was killed")

func newWeather(t *testing.T, seed uint64, violent bool) *weather {
	w := &weather{
		stage: newStage(t, 4), rng: rand.New(rand.NewPCG(seed, 1)), violent: violent,
		permits: NewSemaphore("permits", permits), sent: map[int]error{}, received: map[int]int{},
	}
	w.wire(1e8)
	for i := range 4 {
		w.addVM(HostID(i / 2))
	}
	for i := range 3 {
		w.mailboxes = append(w.mailboxes, w.Mailbox(fmt.Sprint(i)))
		w.mutexes = append(w.mutexes, NewMutex(fmt.Sprint(i)))
		w.inside = append(w.inside, 0)
	}
	for range 12 {
		w.another(w.anywhere())
	}
	for range 20 {
		w.Call(Seconds(w.rng.IntN(40)), w.strike)
	}
	return w
}

// another spawns a process. All are killed at date 200, so that the run ends.
func (w *weather) another(at Place) {
	if w.spawned == 40 {
		return
	}
	w.spawned++
	spec := ProcessSpec{Name: fmt.Sprint("p", w.spawned), Place: at, Start: w.Now() + Seconds(w.rng.IntN(3)), Kill: 200}
	p, err := w.SpawnWith(spec, w.live)
	if err != nil {
		w.note("%s: %v", spec.Name, err)
		return
	}
	w.processes = append(w.processes, p)
	p.OnExit(func(err error) {
		if err != nil {
			w.killed++
		}
		w.note("%s ends: %v", p.Name(), err)
	})
}

func (w *weather) anywhere() Place {
	if w.rng.IntN(2) == 0 {
		return HostID(w.rng.IntN(w.Hosts())).Place()
	}
	return VMID(w.rng.IntN(w.VMs())).Place()
}

func (w *weather) live(p *Process) {
	for range 8 {
		w.act(p)
		if !w.runs(p.Place()) {
			w.t.Errorf("%s runs in a VM that does not", p.Name())
		}
	}
}

func (w *weather) act(p *Process) {
	m := w.mailboxes[w.rng.IntN(len(w.mailboxes))]
	other := w.processes[w.rng.IntN(len(w.processes))]
	timeout := Seconds(w.rng.IntN(6))
	switch w.rng.IntN(15) {
	case 0:
		p.Sleep(timeout / 2)
	case 1:
		w.note("%s computes: %v", p.Name(), p.Execute(ExecSpec{Work: Work(timeout) * Giga}))
	case 2, 3, 4:
		id := w.message()
		w.sent[id] = errNotTold
		w.sent[id] = p.SendTimeout(m, id, Bytes(w.rng.IntN(3))*1e8, timeout)
		w.note("%s sends %d: %v", p.Name(), id, w.sent[id])
	case 5, 6, 7, 8:
		got, err := p.ReceiveTimeout(m, timeout)
		if err == nil {
			w.received[got.(int)]++
		}
		w.note("%s receives %v: %v", p.Name(), got, err)
	case 9:
		w.lock(p, w.rng.IntN(len(w.mutexes)), timeout/4)
	case 10:
		w.permit(p, timeout)
	case 11:
		w.several(p, m, timeout)
	case 12:
		w.another(w.anywhere())
		if other != p {
			w.note("%s joins: %v", p.Name(), p.Join(other, timeout))
		}
	case 13:
		w.note("%s moves: %v", p.Name(), p.SetPlace(w.anywhere()))
	case 14:
		switch {
		case w.violent && w.rng.IntN(2) == 0:
			w.note("%s kills %s", p.Name(), other.Name())
			other.Kill()
		case !other.Suspended() && !other.Ended():
			w.note("%s suspends %s", p.Name(), other.Name())
			w.Call(w.Now()+timeout, other.Resume)
			other.Suspend()
		}
	}
}

func (w *weather) message() int {
	w.messages++
	return w.messages
}

func (w *weather) lock(p *Process, i int, d Seconds) {
	w.mutexes[i].Lock(p)
	defer w.mutexes[i].Unlock(p)
	w.inside[i]++
	defer func() { w.inside[i]-- }()
	if w.inside[i] != 1 {
		w.t.Errorf("%d processes hold mutex %d", w.inside[i], i)
	}
	p.Sleep(d)
}

func (w *weather) permit(p *Process, timeout Seconds) {
	if err := w.permits.AcquireTimeout(p, timeout); err != nil {
		return
	}
	defer w.permits.Release()
	w.holders++
	defer func() { w.holders-- }()
	if w.holders > permits {
		w.t.Errorf("%d processes hold %d permits", w.holders, permits)
	}
	p.Sleep(timeout / 2)
}

// several sends and receives without waiting, and then waits for both.
func (w *weather) several(p *Process, m *Mailbox, timeout Seconds) {
	id := w.message()
	w.sent[id] = errNotTold
	a, err := p.SendAsync(m, id, 5e7)
	w.must(err)
	b, err := p.ReceiveAsync(m)
	w.must(err)
	first, err := p.WaitAny(timeout, a, b)
	w.note("%s waits for several: %d %v", p.Name(), first, err)
	err = p.WaitAll(timeout, a, b)
	w.note("%s waits for all: %v", p.Name(), err)
	a.Cancel()
	b.Cancel()
	w.sent[id] = a.Err()
	if got, ok := b.Payload().(int); ok {
		w.received[got]++
	}
}

// strike does something to a VM or a host.
func (w *weather) strike() {
	id := VMID(w.rng.IntN(w.VMs()))
	switch n := w.rng.IntN(10); {
	case n < 4 && w.State(id) == VMRunning:
		w.must(w.Suspend(id))
		w.Call(w.Now()+Seconds(w.rng.IntN(4)), func() {
			if w.State(id) == VMSuspended {
				w.must(w.Resume(id))
			}
		})
	case n < 7 && w.violent && w.State(id) == VMRunning:
		w.must(w.Shutdown(id))
	case n < 8 && w.violent:
		h := HostID(w.rng.IntN(w.Hosts()))
		if w.IsOn(h) {
			w.must(w.TurnOff(h))
			w.Call(w.Now()+2, func() { w.must(w.TurnOn(h)) })
		}
	case w.State(id) == VMOff && w.IsOn(w.HostOf(id)):
		w.must(w.Start(id))
	}
}

// judge checks what must hold whatever the weather was.
func (w *weather) judge() {
	lost := 0
	for id := 1; id <= w.messages; id++ {
		err, n := w.sent[id], w.received[id]
		switch {
		case n > 1:
			w.t.Errorf("message %d was received %d times", id, n)
		case n == 1 && err != nil && err != errNotTold:
			w.t.Errorf("message %d was received, but its sender was told %v", id, err)
		case n == 0 && err == nil:
			lost++
		}
	}
	// A process that is killed may have received a message that it never looked
	// at: one by Receive, or one by ReceiveAsync.
	if lost > w.killed {
		w.t.Errorf("%d messages were lost, but only %d processes killed", lost, w.killed)
	}
	for i, n := range w.inside {
		if n != 0 || w.mutexes[i].Holder() != nil {
			w.t.Errorf("mutex %d is held by %d in the end", i, n)
		}
	}
	if w.holders != 0 || w.permits.Permits() != permits {
		w.t.Errorf("%d hold permits in the end, and %d are left", w.holders, w.permits.Permits())
	}
	for i, m := range w.mailboxes {
		if m.Senders() != 0 || m.Receivers() != 0 {
			w.t.Errorf("mailbox %d has %d senders and %d receivers in the end", i, m.Senders(), m.Receivers())
		}
	}
	for _, p := range w.processes {
		if !p.Ended() {
			w.t.Errorf("%s has not ended", p.Name())
		}
	}
	for h := range HostID(w.Hosts()) {
		if load := w.HostLoad(h); load != 0 {
			w.t.Errorf("host %d has a load of %v in the end", h, load)
		}
	}
}

func TestProcessesInAnyWeather(t *testing.T) {
	before := goroutines()
	for seed := range uint64(300) {
		var logs [2][]string
		for i := range logs {
			w := newWeather(t, seed, seed%3 != 0)
			if err := w.Run(Forever); err != nil {
				t.Error(err)
			}
			w.judge()
			if !w.violent && w.killed > 0 {
				t.Errorf("%d processes were stuck until date 200", w.killed)
			}
			logs[i] = w.log
		}
		if !slices.Equal(logs[0], logs[1]) {
			t.Error("two runs differ")
		}
		if t.Failed() {
			t.Fatalf("seed %d\n%s", seed, strings.Join(logs[0], "\n"))
		}
	}
	if after := goroutines(); after > before {
		t.Errorf("%d coroutines are left", after-before)
	}
}

// A run that is cut short at any event leaves nothing behind once it is closed.
func TestProcessesAreClosedInAnyWeather(t *testing.T) {
	before := goroutines()
	for seed := range uint64(100) {
		w := newWeather(t, seed, true)
		w.Call(Seconds(seed)/4, w.Stop)
		if err := errors.Join(w.Run(Forever), w.Close()); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if w.judge(); t.Failed() {
			t.Fatalf("seed %d\n%s", seed, strings.Join(w.log, "\n"))
		}
	}
	if after := goroutines(); after > before {
		t.Errorf("%d coroutines are left", after-before)
	}
}
