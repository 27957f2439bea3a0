package sim

import "fmt"

// Activity is something that goes on while the process that started it does
// something else: an execution, a message, a transfer. [Process.Wait],
// [Process.WaitAny] and [Process.WaitAll] wait for its end.
//
// What a process has started is cancelled when it ends, but for what was
// detached from it.
type Activity struct {
	proc   *Process // that started it
	kind   activityKind
	over   bool
	queued bool  // in the mailbox, if it is a message
	index  int32 // in proc.started, or none
	// turn counts the uses of an Activity that is used again and again, so that
	// a completion that comes late is not taken for that of the present use.
	turn uint64
	err  error

	// Of messages.
	peer       *Activity // the other end, while the message is on its way
	flow       Flow      // of the sender's end, and of transfers
	payload    any
	mailbox    *Mailbox
	prev, next *Activity // in the mailbox
	bytes      Bytes
	cap        Bandwidth

	exec   Exec
	access Access
	disk   DiskID
	what   string // goes on, if it is an operation

	// waiters are woken by its end. That of a process's own Activity is always
	// this process, and not in the list.
	waiters []*Process
}

type activityKind uint8

const (
	actNone activityKind = iota
	actSend
	actReceive
	actTransfer
	actExec
	actAccess
	actOperation // of a VM or host, which goes on when the process ends
)

// Over reports whether the activity has ended.
func (a *Activity) Over() bool { return a.over }

// Err returns why the activity has failed, or nil if it has not or is not over.
func (a *Activity) Err() error { return a.err }

// Payload returns what was received, or nil if that is not the case.
func (a *Activity) Payload() any {
	if a.kind != actReceive || !a.over {
		return nil
	}
	return a.payload
}

// Exec returns the execution that the activity is, for instance to change its
// priority, or the zero Exec.
func (a *Activity) Exec() Exec { return a.exec }

// Flow returns the flow of the activity, or the zero Flow if it has none or its
// message is not on its way.
func (a *Activity) Flow() Flow {
	if a.kind == actReceive && a.peer != nil {
		return a.peer.flow
	}
	return a.flow
}

// Remaining returns how much is left: bytes of a message, a transfer or an access,
// work of an execution.
func (a *Activity) Remaining() float64 {
	switch {
	case a.over:
		return 0
	case a.queued:
		return float64(a.bytes)
	case a.kind == actExec:
		return float64(a.proc.sim.ExecRemaining(a.exec))
	case a.kind == actAccess:
		return a.proc.sim.AccessRemaining(a.access)
	}
	return a.proc.sim.FlowRemaining(a.Flow())
}

// Cancel ends the activity with ErrCancelled, which is also what the other end
// of a message gets. It does nothing to an activity that is over.
func (a *Activity) Cancel() { a.abort(ErrCancelled) }

// Detach lets the activity go on when its process ends.
func (a *Activity) Detach() { a.disown() }

// Suspend stops an execution, a transfer, an access, or a message that is on its
// way.
func (a *Activity) Suspend() error {
	return a.pause((*Simulation).SuspendExec, (*Simulation).SuspendFlow, (*Simulation).SuspendAccess)
}

// Resume lets an activity that was suspended go on.
func (a *Activity) Resume() error {
	return a.pause((*Simulation).ResumeExec, (*Simulation).ResumeFlow, (*Simulation).ResumeAccess)
}

func (a *Activity) pause(exec func(*Simulation, Exec) error, flow func(*Simulation, Flow) error, access func(*Simulation, Access) error) error {
	s := a.proc.sim
	switch {
	case a.over:
		return fmt.Errorf("sim: %s: %w", a.awaited(), ErrOver)
	case a.kind == actExec:
		return exec(s, a.exec)
	case a.kind == actAccess:
		return access(s, a.access)
	case a.Flow() != Flow{}:
		return flow(s, a.Flow())
	}
	return fmt.Errorf("sim: %s: it has not begun", a.awaited())
}

// Execute computes where the process is, and waits until that is done. The error
// is that of [Simulation.Execute], or says why it was not done.
func (p *Process) Execute(spec ExecSpec) error { return p.ExecuteOn(p.place, spec) }

// ExecuteOn computes elsewhere, as Execute does.
func (p *Process) ExecuteOn(at Place, spec ExecSpec) error {
	if err := p.turn("execute"); err != nil {
		return err
	}
	if err := p.own.execute(p, at, spec); err != nil {
		return err
	}
	return p.await(Forever)
}

// StartExec starts to compute where the process is, and does not wait.
func (p *Process) StartExec(spec ExecSpec) (*Activity, error) { return p.StartExecOn(p.place, spec) }

// StartExecOn starts to compute elsewhere, and does not wait.
func (p *Process) StartExecOn(at Place, spec ExecSpec) (*Activity, error) {
	if err := p.turn("execute"); err != nil {
		return nil, err
	}
	return p.keep(func(a *Activity) error { return a.execute(p, at, spec) })
}

// SendTo sends bytes to another place, where nobody need receive them, and waits
// until they are there. The error is that of [Simulation.Send], or says why they
// did not arrive.
func (p *Process) SendTo(to Place, bytes Bytes) error {
	if err := p.turn("send"); err != nil {
		return err
	}
	if err := p.own.transfer(p, to, bytes); err != nil {
		return err
	}
	return p.await(Forever)
}

// StartSendTo sends bytes to another place as SendTo does, and does not wait.
func (p *Process) StartSendTo(to Place, bytes Bytes) (*Activity, error) {
	if err := p.turn("send"); err != nil {
		return nil, err
	}
	return p.keep(func(a *Activity) error { return a.transfer(p, to, bytes) })
}

// Wait waits until an activity is over, and returns why it failed, if it did.
func (p *Process) Wait(a *Activity) error { return p.WaitTimeout(a, Forever) }

// WaitTimeout waits as Wait does, but at most for timeout seconds. Then it
// returns ErrTimeout, and the activity goes on.
func (p *Process) WaitTimeout(a *Activity, timeout Seconds) error {
	i, err := p.WaitAny(timeout, a)
	if i == 0 {
		return a.err
	}
	return err
}

// WaitAny waits until at least one of several activities is over, for at most
// timeout seconds, or without limit if that is Forever. It returns the index of
// the first in the list that is over; what has become of it, Err says. After the
// timeout it returns -1 and ErrTimeout, and they all go on.
func (p *Process) WaitAny(timeout Seconds, activities ...*Activity) (int, error) {
	until, err := p.patience("wait", timeout)
	if err != nil {
		return -1, err
	}
	if len(activities) == 0 {
		return -1, p.wrong("wait", "has nothing to wait for")
	}
	for _, a := range activities {
		if a.proc.sim != p.sim {
			return -1, p.wrong("wait", "is for something of another simulation")
		}
	}
	if i := firstOver(activities); i >= 0 {
		return i, nil
	}
	p.attend(until, activities)
	if i := firstOver(activities); i >= 0 {
		return i, nil
	}
	return -1, fmt.Errorf("sim: process %q: %s: %w", p.name, activities[0].awaited(), ErrTimeout)
}

// WaitAll waits until all of several activities are over, for at most timeout
// seconds together. It returns why the first in the list that failed has failed,
// or ErrTimeout.
func (p *Process) WaitAll(timeout Seconds, activities ...*Activity) error {
	until, err := p.patience("wait", timeout)
	if err != nil {
		return err
	}
	for _, a := range activities {
		if err := p.WaitTimeout(a, until-p.sim.now); err != nil && !a.over {
			return err
		}
	}
	for _, a := range activities {
		if a.err != nil {
			return a.err
		}
	}
	return nil
}

func firstOver(activities []*Activity) int {
	for i, a := range activities {
		if a.over {
			return i
		}
	}
	return -1
}

// attend blocks until an activity ends or until a date.
func (p *Process) attend(until Seconds, activities []*Activity) {
	if until <= p.sim.now {
		return
	}
	for _, a := range activities {
		a.waiters = append(a.waiters, p)
	}
	p.pause(activities[0], until)
	for _, a := range activities {
		a.waiters = without(a.waiters, p)
	}
	p.unwind()
}

// await waits for what the process has started in its own Activity. After a date
// it ends that. A message whose ends have met is sent first, even if that date has
// come: see park.
func (p *Process) await(until Seconds) error {
	if a := &p.own; !a.over && (until > p.sim.now || a.peer != nil) {
		p.pause(a, until)
		p.unwind()
	}
	return p.outcome()
}

// outcome ends what the process waited for if that is not over, and returns why
// it has failed. It is apart from await so that the stack of a process that waits
// is small: with many processes, the time goes into fetching their stacks.
func (p *Process) outcome() error {
	a := &p.own
	if !a.over {
		a.abort(ErrTimeout)
	}
	if a.err == nil {
		return nil
	}
	return fmt.Errorf("sim: process %q: %s: %w", p.name, a.awaited(), a.err)
}

// keep starts something in an Activity of its own, which is cancelled when the
// process ends.
func (p *Process) keep(start func(*Activity) error) (*Activity, error) {
	a := &Activity{index: none}
	if err := start(a); err != nil {
		return nil, err
	}
	if !a.over {
		a.index = int32(len(p.started))
		p.started = append(p.started, a)
	}
	return a, nil
}

// begin makes an Activity ready for something new.
func (a *Activity) begin(p *Process, kind activityKind) {
	a.proc, a.kind, a.over, a.err = p, kind, false, nil
	a.turn++
}

func (a *Activity) execute(p *Process, at Place, spec ExecSpec) (err error) {
	a.begin(p, actExec)
	if a.exec, err = p.sim.Execute(at, spec, (*ending)(a), a.turn); err != nil {
		a.over = true
	}
	return err
}

func (a *Activity) transfer(p *Process, to Place, bytes Bytes) (err error) {
	a.begin(p, actTransfer)
	a.bytes = bytes
	if a.flow, err = p.sim.Send(FlowSpec{From: p.place, To: to, Bytes: bytes}, (*ending)(a), a.turn); err != nil {
		a.over = true
	}
	return err
}

// ending is told that an execution or a flow has ended.
type ending Activity

func (e *ending) Completed(_ Seconds, turn uint64, err error) {
	a := (*Activity)(e)
	if a.over || a.turn != turn {
		return
	}
	peer := a.peer
	if peer != nil && err == nil {
		peer.payload = a.payload
	}
	a.finish(err)
	if peer != nil {
		peer.finish(err)
	}
}

// finish ends an activity that nothing goes on for any more.
func (a *Activity) finish(err error) {
	a.over, a.err = true, err
	a.peer, a.flow = nil, Flow{}
	if a.kind == actSend {
		a.payload = nil
	}
	if p := a.proc; a == &p.own {
		p.wake()
		return
	}
	a.disown()
	for _, p := range a.waiters {
		p.wake()
	}
}

func (a *Activity) disown() {
	if a.index == none {
		return
	}
	list := a.proc.started
	last := list[len(list)-1]
	list[a.index], last.index = last, a.index
	list[len(list)-1] = nil
	a.proc.started, a.index = list[:len(list)-1], none
}

// abort ends an activity from this end.
func (a *Activity) abort(cause error) {
	if a.over {
		return
	}
	if a.queued {
		a.mailbox.remove(a)
	}
	flow, peer := a.Flow(), a.peer
	a.finish(cause)
	if peer != nil {
		peer.finish(fmt.Errorf("the other end: %w", cause))
	}
	// What it was done by may be over already, and its completion on the way;
	// then there is nothing to cancel.
	switch s := a.proc.sim; {
	case a.kind == actExec:
		_ = s.CancelExec(a.exec)
	case a.kind == actAccess:
		_ = s.CancelAccess(a.access)
	case flow != Flow{}:
		_ = s.CancelFlow(flow)
	}
}

// awaited describes the activity for those who want to know what its process
// waits for.
func (a *Activity) awaited() string {
	switch a.kind {
	case actSend:
		return fmt.Sprintf("send to mailbox %q", a.mailbox.name)
	case actReceive:
		return fmt.Sprintf("receive from mailbox %q", a.mailbox.name)
	case actTransfer:
		return "send"
	case actExec:
		return "execute"
	case actAccess:
		return fmt.Sprintf("access to disk %q", a.proc.sim.Disk(a.disk).Name)
	}
	return a.what
}
