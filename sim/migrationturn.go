package sim

// What a migration takes of its hosts: a turn, and some CPU. See MigrationModel.

// turns is how many migrations a host takes part in, and which ones wait to.
type turns struct {
	sends, receives   int
	toSend, toReceive waitlist
}

// waitlist is the migrations that wait for something, in the order in which they
// came. It may hold some that have given up.
type waitlist []turn

type turn struct {
	m    *migration
	wait uint32 // of the migration, when it came
}

func (l *waitlist) push(m *migration) { *l = append(*l, turn{m, m.wait}) }

// pop takes out the first migration that waits still, or returns nil.
func (l *waitlist) pop() *migration {
	for len(*l) > 0 {
		first := (*l)[0]
		(*l)[0] = turn{}
		*l = (*l)[1:]
		if first.m.wait == first.wait {
			return first.m
		}
	}
	return nil
}

// enqueue makes a migration wait for its turn, and begins it if that has come.
func (ms *migrations) enqueue(m *migration) error {
	m.phase = phaseQueued
	if n := ms.sim.Hosts(); n > len(ms.turns) && ms.limited() {
		ms.turns = append(ms.turns, make([]turns, n-len(ms.turns))...)
	}
	if limit := ms.sim.settings.Migration.Outgoing; limit > 0 {
		at := &ms.turns[m.Source]
		if at.sends == limit {
			at.toSend.push(m)
			return nil
		}
		at.sends++
		m.sends = true
	}
	return ms.admit(m)
}

func (ms *migrations) limited() bool {
	model := ms.sim.settings.Migration
	return model.Outgoing > 0 || model.Incoming > 0
}

// admit is enqueue for a migration that the source may send.
func (ms *migrations) admit(m *migration) error {
	if limit := ms.sim.settings.Migration.Incoming; limit > 0 {
		at := &ms.turns[m.Target]
		if at.receives == limit {
			at.toReceive.push(m)
			return nil
		}
		at.receives++
		m.receives = true
	}
	return ms.begin(m)
}

// leave forgets a migration, and gives its turns to others.
func (ms *migrations) leave(m *migration) {
	left := *m
	*m = migration{slot: left.slot, wait: left.wait + 1}
	ms.free = append(ms.free, left.slot)
	if left.receives {
		ms.nextToReceive(left.Target)
	}
	if left.sends {
		ms.nextToSend(left.Source)
	}
}

// nextToReceive gives a turn of a target to the first that waits for it.
func (ms *migrations) nextToReceive(h HostID) {
	at := &ms.turns[h]
	m := at.toReceive.pop()
	if m == nil {
		at.receives--
		return
	}
	m.receives = true
	if err := ms.begin(m); err != nil {
		ms.broken(m, err)
	}
}

// nextToSend gives a turn of a source to the first that waits for it.
func (ms *migrations) nextToSend(h HostID) {
	at := &ms.turns[h]
	m := at.toSend.pop()
	if m == nil {
		at.sends--
		return
	}
	m.sends = true
	if err := ms.admit(m); err != nil {
		ms.broken(m, err)
	}
}

// endless is more work than any core ever does.
const endless Work = 1e30

// engage makes the threads compute that copy at both ends.
func (ms *migrations) engage(m *migration) {
	model := ms.sim.settings.Migration
	m.threads[0] = ms.thread(m.Source, model.Sending)
	m.threads[1] = ms.thread(m.Target, model.Receiving)
}

func (ms *migrations) thread(h HostID, part float64) Exec {
	cap := Speed(part) * ms.sim.CoreSpeed(h)
	if cap == 0 {
		return Exec{}
	}
	e, err := ms.sim.Execute(h.Place(), ExecSpec{Work: endless, Cap: cap}, ignored{}, 0)
	if err != nil {
		ms.sim.Fail(err)
	}
	return e
}

// disengage ends what engage has begun.
func (ms *migrations) disengage(m *migration) {
	for i, e := range m.threads {
		if e != (Exec{}) {
			_ = ms.sim.CancelExec(e) // the error would say that its host is off
			m.threads[i] = Exec{}
		}
	}
}

// ignored is told what nobody needs to know.
type ignored struct{}

// Completed does nothing.
func (ignored) Completed(Seconds, uint64, error) {}
