package sim

import "fmt"

// line is where processes wait for one another, first come, first served.
type line struct {
	roster
	what string // they wait for
}

func (l *line) awaited() string { return l.what }

// wait lets a process wait in the line until it is let out or a date has come.
// It reports whether it was let out. If the process was killed after that, it
// does not take what it waited for: it hands it back, and ends.
func (l *line) wait(p *Process, until Seconds, back func()) bool {
	if until <= p.sim.now {
		return false
	}
	p.letOut, p.line = false, l
	l.push(p, inLine)
	p.pause(l, until)
	if l.has(p, inLine) {
		l.remove(p, inLine)
	}
	if p.killed {
		if p.letOut {
			back()
		}
		panic(unwound{})
	}
	return p.letOut
}

// release lets the first out of the line, and returns nil if there is none.
func (l *line) release() *Process {
	p := l.pop(inLine)
	if p != nil {
		p.letOut = true
		p.wake()
	}
	return p
}

// Mutex is held by one process at a time. Others wait for it in order of arrival.
// It is not given back when its holder ends: a process that may be killed gives
// it back in a deferred call.
type Mutex struct {
	name   string
	holder *Process
	line   line
}

// NewMutex returns a mutex that nobody holds. Errors name it.
func NewMutex(name string) *Mutex {
	return &Mutex{name: name, line: line{what: fmt.Sprintf("mutex %q", name)}}
}

// Lock waits until the process holds the mutex. Who holds it already and locks
// it again ends the run with an error.
func (m *Mutex) Lock(p *Process) {
	switch err := p.turn("lock"); {
	case err != nil:
		p.sim.Fail(err)
	case m.holder == p:
		p.sim.Fail(fmt.Errorf("process %q locks mutex %q, which it holds already", p.name, m.name))
	case m.holder == nil:
		m.holder = p
	default:
		m.line.wait(p, Forever, func() { m.holder = m.line.release() })
	}
}

// TryLock makes the process hold the mutex if nobody does. It reports whether
// that was so.
func (m *Mutex) TryLock(p *Process) bool {
	if m.holder != nil || p.state == procEnded {
		return false
	}
	m.holder = p
	return true
}

// Unlock gives the mutex to the first that waits for it, if there is one. Who
// does not hold it and unlocks it ends the run with an error.
func (m *Mutex) Unlock(p *Process) {
	if m.holder != p && p.killed { // it was killed in Lock or in Condition.Wait
		return
	}
	if m.holder != p {
		p.sim.Fail(fmt.Errorf("process %q unlocks mutex %q, which it does not hold", p.name, m.name))
		return
	}
	m.holder = m.line.release()
}

// Holder returns who holds the mutex, or nil.
func (m *Mutex) Holder() *Process { return m.holder }

// Semaphore is a number of permits. Processes wait for one in order of arrival.
type Semaphore struct {
	name    string
	permits int
	line    line
}

// NewSemaphore returns a semaphore with some permits. Errors name it. With less
// than none, so many have to be released before one can be acquired.
func NewSemaphore(name string, permits int) *Semaphore {
	return &Semaphore{name: name, permits: permits, line: line{what: fmt.Sprintf("semaphore %q", name)}}
}

// Acquire waits for a permit, and takes it.
func (s *Semaphore) Acquire(p *Process) error { return s.AcquireTimeout(p, Forever) }

// AcquireTimeout waits for a permit for at most timeout seconds, and returns
// ErrTimeout if it got none.
func (s *Semaphore) AcquireTimeout(p *Process, timeout Seconds) error {
	until, err := p.patience("acquire", timeout)
	switch {
	case err != nil:
		return err
	case s.permits > 0:
		s.permits--
	case !s.line.wait(p, until, s.Release):
		return fmt.Errorf("sim: process %q: semaphore %q: %w", p.name, s.name, ErrTimeout)
	}
	return nil
}

// Release gives a permit back: to the first that waits for one, if there is any.
func (s *Semaphore) Release() {
	if s.permits < 0 || s.line.release() == nil {
		s.permits++
	}
}

// Permits returns how many permits nobody holds.
func (s *Semaphore) Permits() int { return s.permits }

// Barrier lets processes go on when a number of them have come.
type Barrier struct {
	size int
	line line
}

// NewBarrier returns a barrier for a number of processes, of which there must be
// at least one. Errors name it.
func NewBarrier(name string, size int) (*Barrier, error) {
	if size < 1 {
		return nil, fmt.Errorf("sim: barrier %q for %d processes", name, size)
	}
	return &Barrier{size: size, line: line{what: fmt.Sprintf("barrier %q", name)}}, nil
}

// Wait waits until enough processes have come, and then lets all of them go on.
// It returns true to the last that has come, and false to the others. Then the
// barrier is closed again. One that is killed while it waits has not come.
func (b *Barrier) Wait(p *Process) bool {
	if err := p.turn("wait"); err != nil {
		p.sim.Fail(err)
		return false
	}
	if b.line.len+1 < b.size {
		b.line.wait(p, Forever, func() {})
		return false
	}
	for b.line.release() != nil {
	}
	return true
}

// Condition is something that processes wait for to change while they hold a
// mutex.
type Condition struct {
	name string
	line line
}

// NewCondition returns a condition that nobody waits for. Errors name it.
func NewCondition(name string) *Condition {
	return &Condition{name: name, line: line{what: fmt.Sprintf("condition %q", name)}}
}

// Wait gives the mutex back, waits for Signal or Broadcast, and takes the mutex
// again. Who does not hold it ends the run with an error.
func (c *Condition) Wait(p *Process, m *Mutex) {
	if err := c.WaitTimeout(p, m, Forever); err != nil {
		p.sim.Fail(err)
	}
}

// WaitTimeout waits as Wait does, but for Signal at most timeout seconds. Then it
// takes the mutex again, however long that takes, and returns ErrTimeout.
func (c *Condition) WaitTimeout(p *Process, m *Mutex, timeout Seconds) error {
	until, err := p.patience("wait", timeout)
	if err != nil {
		return err
	}
	if m.holder != p {
		return fmt.Errorf("sim: process %q waits for condition %q without mutex %q", p.name, c.name, m.name)
	}
	m.Unlock(p)
	signalled := c.line.wait(p, until, c.Signal)
	m.Lock(p)
	if !signalled {
		return fmt.Errorf("sim: process %q: condition %q: %w", p.name, c.name, ErrTimeout)
	}
	return nil
}

// Signal lets the first go on that waits for the condition, if there is one.
func (c *Condition) Signal() { c.line.release() }

// Broadcast lets all go on that wait for the condition.
func (c *Condition) Broadcast() {
	for c.line.release() != nil {
	}
}
