package sim

import (
	"errors"
	"strings"
	"testing"
)

// vmsOn adds a VM of each host.
func vmsOn(t *testing.T, s *Simulation, hosts ...HostID) (vms []VMID) {
	t.Helper()
	for _, h := range hosts {
		id, err := s.AddVM(VMSpec{Name: "vm", Host: h, VCPUs: 1})
		if err != nil {
			t.Fatal(err)
		}
		vms = append(vms, id)
	}
	return vms
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestASuspendedVMHoldsItsFlowsUp(t *testing.T) {
	s := netOf(t, 4, Settings{Network: plain})
	vm := vmsOn(t, s, 0, 1)
	from := send(t, s, FlowSpec{From: vm[0].Place(), To: HostID(2).Place(), Bytes: 500})
	to := send(t, s, FlowSpec{From: HostID(2).Place(), To: vm[0].Place(), Bytes: 500})
	both := send(t, s, FlowSpec{From: vm[0].Place(), To: vm[1].Place(), Bytes: 500})
	other := send(t, s, between(3, 2, 300))
	runTo(t, s, 2) // from and both have 50 B/s, from and other too; to has 100
	must(t, s.Suspend(vm[0]))
	if l := s.FlowRemaining(to.flow); l != 400 {
		t.Errorf("%v bytes left, want 400", l)
	}
	must(t, s.SuspendFlow(to.flow))
	must(t, s.Suspend(vm[1]))
	late := send(t, s, FlowSpec{From: vm[0].Place(), To: HostID(3).Place(), Bytes: 100})
	runTo(t, s, 10)
	for i, o := range []*outcome{from, to, both, late} {
		if o.at >= 0 || s.FlowRate(o.flow) != 0 {
			t.Errorf("flow %d goes on", i)
		}
	}
	wantDates(t, []*outcome{other}, 4.5) // alone from 2 s on: 250 bytes

	must(t, s.Resume(vm[0]))
	runTo(t, s, 12)
	if s.FlowRate(both.flow) != 0 || s.FlowRate(to.flow) != 0 || s.FlowRate(from.flow) != 50 || s.FlowRate(late.flow) != 50 {
		t.Error("VM 1 or the user hold flows up no more, or VM 0 does")
	}
	must(t, s.ResumeFlow(to.flow))
	must(t, s.Resume(vm[1]))
	runTo(t, s, Forever)
	for i, o := range []*outcome{from, to, both, late} {
		if o.at < 0 || o.err != nil {
			t.Errorf("flow %d: %v", i, o.err)
		}
	}
	wantDates(t, []*outcome{to}, 16)
}

func TestAVMThatIsGoneEndsItsFlows(t *testing.T) {
	for what, end := range map[string]func(*Simulation, VMID) error{
		"shutdown": (*Simulation).Shutdown,
		"destroy":  (*Simulation).Destroy,
	} {
		s := netOf(t, 3, Settings{Network: plain})
		vm := vmsOn(t, s, 0, 0)
		flows := []*outcome{
			send(t, s, FlowSpec{From: vm[0].Place(), To: HostID(2).Place(), Bytes: 500}),
			send(t, s, FlowSpec{From: HostID(1).Place(), To: vm[0].Place(), Bytes: 500}),
			send(t, s, FlowSpec{From: vm[0].Place(), To: vm[0].Place(), Bytes: 1e15}),
		}
		others := []*outcome{
			send(t, s, FlowSpec{From: vm[1].Place(), To: HostID(1).Place(), Bytes: 150}),
		}
		runTo(t, s, 2)
		must(t, s.SuspendFlow(flows[1].flow))
		must(t, end(s, vm[0]))
		runTo(t, s, Forever)
		for i, o := range flows {
			if o.at != 2 || !errors.Is(o.err, ErrVMGone) {
				t.Errorf("%s: flow %d at %v s: %v", what, i, o.at, o.err)
			}
		}
		wantDates(t, others, 3)
		if _, err := s.Send(FlowSpec{From: HostID(1).Place(), To: vm[0].Place()}, nil, 0); !errors.Is(err, ErrVMGone) {
			t.Errorf("%s: a flow to it: %v", what, err)
		}
	}
}

func TestAHostThatGoesOffEndsItsFlows(t *testing.T) {
	s := netOf(t, 4, Settings{Network: plain})
	vm := vmsOn(t, s, 0, 1)
	flows := []*outcome{
		send(t, s, between(0, 2, 500)),
		send(t, s, between(2, 0, 500)),
		send(t, s, between(0, 0, 1e15)),
		send(t, s, FlowSpec{From: vm[0].Place(), To: vm[1].Place(), Bytes: 500}),
	}
	other := send(t, s, FlowSpec{From: vm[1].Place(), To: HostID(2).Place(), Bytes: 150})
	runTo(t, s, 2)
	must(t, s.TurnOff(0))
	runTo(t, s, Forever)
	for i, o := range flows {
		if o.at != 2 || !errors.Is(o.err, ErrHostOff) || !strings.Contains(o.err.Error(), `"h0"`) {
			t.Errorf("flow %d at %v s: %v", i, o.at, o.err)
		}
	}
	wantDates(t, []*outcome{other}, 3)
	if _, err := s.Send(between(2, 0, 1), nil, 0); !errors.Is(err, ErrHostOff) {
		t.Errorf("a flow to it: %v", err)
	}
}

func TestAFlowFollowsItsVM(t *testing.T) {
	for _, law := range []Law{Right, Original} {
		s := netOf(t, 4, Settings{Network: plain, Law: law})
		vm := vmsOn(t, s, 0)
		from := send(t, s, FlowSpec{From: vm[0].Place(), To: HostID(3).Place(), Bytes: 425})
		to := send(t, s, FlowSpec{From: HostID(3).Place(), To: vm[0].Place(), Bytes: 425})
		busy := []*outcome{send(t, s, between(0, 2, 1e6)), send(t, s, between(2, 0, 1e6))}
		self := send(t, s, FlowSpec{From: vm[0].Place(), To: vm[0].Place(), Bytes: 1e11})
		runTo(t, s, 2)
		must(t, s.Move(vm[0], 1))
		runTo(t, s, 20)
		// Each has sent 50 B in the second after its latency. The rest has the
		// links of host 1 alone, or those of host 0 with another flow.
		rest := Seconds(3.75)
		if law == Original {
			rest = 7.5
		}
		wantDates(t, []*outcome{from, to, self}, 2+rest, 2+rest, 10)
		for _, o := range busy {
			must(t, s.CancelFlow(o.flow))
		}
		runTo(t, s, Forever)
		// Switching off the host where it is now ends them, not the former one.
		last := send(t, s, FlowSpec{From: vm[0].Place(), To: HostID(3).Place(), Bytes: 425})
		must(t, s.TurnOff(0))
		if last.err != nil {
			t.Error("it is on the former host yet")
		}
		must(t, s.TurnOff(1))
		runTo(t, s, Forever)
		if !errors.Is(last.err, ErrHostOff) {
			t.Errorf("%v, want that the host is off", last.err)
		}
	}
}

func TestAVMThatMovesWhereNoWayLeads(t *testing.T) {
	s := netOf(t, 4, Settings{Network: plain})
	vm := vmsOn(t, s, 0)
	star := NewStar()
	for h := range HostID(3) {
		star.Connect(h, LinkID(2*h), LinkID(2*h+1))
	}
	s.SetRouter(star)
	o := send(t, s, FlowSpec{From: vm[0].Place(), To: HostID(1).Place(), Bytes: 500})
	waits := send(t, s, FlowSpec{From: HostID(1).Place(), To: vm[0].Place(), Bytes: 500})
	must(t, s.SuspendFlow(waits.flow))
	other := send(t, s, between(2, 1, 150))
	runTo(t, s, 2)
	must(t, s.Move(vm[0], 3))
	runTo(t, s, Forever)
	for i, o := range []*outcome{o, waits} {
		if o.at != 2 || !errors.Is(o.err, ErrNoRoute) || !strings.Contains(o.err.Error(), `"h3"`) {
			t.Errorf("flow %d at %v s: %v", i, o.at, o.err)
		}
	}
	if o.left != 450 || waits.left != 500 {
		t.Errorf("%v and %v bytes left, want 450 and 500", o.left, waits.left)
	}
	wantDates(t, []*outcome{other}, 3)
}

func TestChainsKeepTheirOrder(t *testing.T) {
	var c chains
	list := func(key int32) (all []int32) {
		for v := c.head(key); v != none; v = c.after(key, v) {
			all = append(all, v)
		}
		return all
	}
	for _, v := range []int32{5, 2, 9, 7} {
		c.add(3, v)
	}
	c.add(0, 4)
	c.remove(3, 5)
	c.add(3, 1)
	c.remove(3, 9)
	c.remove(0, 4)
	if got := list(3); len(got) != 3 || got[0] != 2 || got[1] != 7 || got[2] != 1 || c.head(0) != none || c.head(99) != none {
		t.Errorf("%v and %v, want [2 7 1] and nothing", got, list(0))
	}
}
