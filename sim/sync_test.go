package sim

import (
	"errors"
	"fmt"
	"testing"
)

func TestMutexIsHeldByOneInOrderOfArrival(t *testing.T) {
	s := newStage(t, 1)
	m := NewMutex("m")
	for i := range 3 {
		s.spawn(here, fmt.Sprint(i), func(p *Process) {
			m.Lock(p)
			defer m.Unlock(p)
			s.note("%d", i)
			p.Sleep(1)
			if m.Holder() != p {
				t.Errorf("%s does not hold it", p.Name())
			}
		})
	}
	s.spawn(here, "try", func(p *Process) {
		if m.TryLock(p) {
			t.Error("locked twice")
		}
		p.Sleep(3.5)
		if !m.TryLock(p) {
			t.Error("not locked although free")
		}
	})
	s.plays("0: 0", "1: 1", "2: 2")
}

// A process that was given the mutex and is killed before it runs has not held
// it, and the next gets it.
func TestAMutexIsNotLostToTheDead(t *testing.T) {
	s := newStage(t, 1)
	m, sem := NewMutex("m"), NewSemaphore("s", 1)
	locks := func(p *Process) {
		s.must(sem.Acquire(p))
		defer sem.Release()
		m.Lock(p)
		defer m.Unlock(p)
		p.Sleep(10)
		s.note("%s", p.Name())
	}
	var victim *Process
	s.spawn(here, "first", func(p *Process) {
		s.must(sem.Acquire(p))
		m.Lock(p)
		p.Sleep(1)
		m.Unlock(p)
		sem.Release()
		victim.Kill()
	})
	victim = s.spawn(here, "victim", locks)
	s.spawn(here, "next", locks)
	s.plays("11: next")
	if m.Holder() != nil || sem.Permits() != 1 {
		t.Error(m.Holder(), sem.Permits())
	}
}

func TestAWaiterThatIsKilledLeavesTheLine(t *testing.T) {
	s := newStage(t, 1)
	m := NewMutex("m")
	b, err := NewBarrier("b", 2)
	s.must(err)
	s.spawn(here, "holder", func(p *Process) {
		m.Lock(p)
		p.Sleep(2)
		m.Unlock(p)
	})
	lock := func(p *Process) {
		m.Lock(p)
		defer m.Unlock(p)
		s.note("%s", p.Name())
	}
	a := s.spawn(here, "a", lock)
	s.spawn(here, "b", lock)
	pass := func(p *Process) { s.note("%s is last: %v", p.Name(), b.Wait(p)) }
	c := s.spawn(here, "c", pass)
	s.Call(1, func() {
		a.Kill()
		c.Kill()
		s.spawn(here, "d", pass) // is alone at the barrier
		_, err := s.SpawnWith(ProcessSpec{Name: "e", Place: here, Start: 3}, pass)
		s.must(err)
	})
	s.plays("2: b", "3: e is last: true", "3: d is last: false")

	f := s.spawn(here, "f", pass)
	s.spawn(here, "killer", func(p *Process) {
		f.Kill()
		s.Call(5, p.Kill)
		b.Wait(p)
		t.Error("it has met a process that it has killed")
	})
	s.must(s.Run(Forever))
}

func TestBarrierOpensForAllAtOnce(t *testing.T) {
	s := newStage(t, 1)
	b, err := NewBarrier("b", 3)
	s.must(err)
	for i := range 3 {
		s.spawn(here, fmt.Sprint(i), func(p *Process) {
			for range 2 {
				p.Sleep(Seconds(i))
				s.note("%d: %v", i, b.Wait(p))
			}
		})
	}
	killed := s.spawn(here, "killed", func(p *Process) {
		p.Sleep(2.5)
		b.Wait(p)
		s.note("not reached")
	})
	s.Call(2.8, killed.Kill)
	s.plays("2: 2: true", "2: 0: false", "2: 1: false", "4: 2: true", "4: 0: false", "4: 1: false")
}

func TestSemaphore(t *testing.T) {
	s := newStage(t, 1)
	sem := NewSemaphore("s", 2)
	for i := range 4 {
		s.spawn(here, fmt.Sprint(i), func(p *Process) {
			if err := sem.AcquireTimeout(p, 1.5); err != nil {
				s.note("%d: %v", i, errors.Is(err, ErrTimeout))
				return
			}
			s.note("%d", i)
			p.Sleep(Seconds(1 + i))
			sem.Release()
		})
	}
	s.plays("0: 0", "0: 1", "1: 2", "1.5: 3: true")
	if sem.Permits() != 2 {
		t.Error(sem.Permits())
	}
	none := NewSemaphore("none", -1)
	s.spawn(here, "p", func(p *Process) {
		none.Release()
		if err := none.AcquireTimeout(p, 0); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		none.Release()
		s.must(none.AcquireTimeout(p, 0))
	})
	s.must(s.Run(Forever))
}

func TestCondition(t *testing.T) {
	s := newStage(t, 1)
	m, c := NewMutex("m"), NewCondition("c")
	items := 0
	for i := range 3 {
		s.spawn(here, fmt.Sprint(i), func(p *Process) {
			m.Lock(p)
			defer m.Unlock(p)
			for items == 0 {
				c.Wait(p, m)
			}
			items--
			s.note("%d", i)
		})
	}
	s.spawn(here, "impatient", func(p *Process) {
		m.Lock(p)
		defer m.Unlock(p)
		if err := c.WaitTimeout(p, m, 0.5); !errors.Is(err, ErrTimeout) {
			t.Error(err)
		}
		if m.Holder() != p {
			t.Error("it does not hold the mutex after the timeout")
		}
		s.note("impatient")
	})
	victim := s.spawn(here, "victim", func(p *Process) {
		m.Lock(p)
		defer m.Unlock(p)
		c.Wait(p, m)
	})
	s.spawn(here, "producer", func(p *Process) {
		p.Sleep(1)
		items++
		c.Signal()
		p.Sleep(1)
		victim.Kill()
		p.Sleep(1)
		items += 2
		c.Broadcast()
		c.Broadcast()
	})
	s.plays("0.5: impatient", "1: 0", "3: 1", "3: 2")
}
