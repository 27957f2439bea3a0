package strategy_test

import (
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// report is of a node of 4 cores whose VMs ask for the given percentages.
func report(node cluster.NodeID, first cluster.VMID, percents ...int) protocol.Report {
	r := protocol.Report{Node: node, Local: protocol.Local{Capacity: cluster.Of(4*cluster.Core, 8*cluster.GiB)}}
	for i, p := range percents {
		r.Local.VMs = append(r.Local.VMs, cluster.VM{
			ID: first + cluster.VMID(i), Name: "vm", VCPUs: 1, Demand: cluster.Of(cluster.Millicores(p)*10, cluster.GiB),
		})
	}
	return r
}

func TestDecide(t *testing.T) {
	t.Run("a plan", func(t *testing.T) {
		d := strategy.Decide(protocol.Solve{Reports: []protocol.Report{report(7, 100, 100, 100, 100, 100, 50), report(9, 200, 100)}}, 0)
		if !d.Found || d.Answer != "viable" || len(d.Plan.Actions) != 1 || d.Moved != cluster.GiB || d.Nodes != 2 || d.VMs != 6 || d.Steps == 0 {
			t.Fatalf("%+v", d)
		}
		if a := d.Plan.Actions[0]; a.Source != 7 || a.Target != 9 || a.VM < 100 || a.VM > 104 {
			t.Errorf("%+v: IDs must be those of the reports", a)
		}
	})
	t.Run("nothing to do", func(t *testing.T) {
		d := strategy.Decide(protocol.Solve{Reports: []protocol.Report{report(1, 1, 100), report(2, 9, 100)}}, 0)
		if !d.Found || d.Answer != "already-viable" || len(d.Plan.Actions) != 0 {
			t.Errorf("%+v", d)
		}
	})
	t.Run("no solution", func(t *testing.T) {
		d := strategy.Decide(protocol.Solve{Reports: []protocol.Report{report(1, 1, 100, 100, 100, 100, 100), report(2, 9, 100, 100, 100, 100)}}, 0)
		if d.Found || d.Answer != "infeasible" || d.Reasons == "" {
			t.Errorf("%+v", d)
		}
	})
}

// central is a scheduler on node 2 over the hosts 0 and 1, and what it sent.
type central struct {
	t *testing.T
	c *strategy.Centralized
}

func newCentral(t *testing.T) central {
	return central{t, strategy.NewCentralized(2, []cluster.NodeID{0, 1}, strategy.CentralizedDefaults())}
}

func (c central) step(now time.Duration, in protocol.Input) []protocol.Output {
	return c.c.Step(now, in)
}

func (c central) polled(now time.Duration, round int, r protocol.Report) []protocol.Output {
	return c.step(now, protocol.Received{Message: protocol.Message{From: r.Node, Body: strategy.Polled{Round: round, Report: r}}})
}

// period starts the run that is due.
func (c central) period(now time.Duration) {
	c.t.Helper()
	polls := 0
	for _, out := range c.step(now, protocol.TimerFired{Timer: strategy.PeriodTimer}) {
		if s, ok := out.(protocol.Send); ok {
			if _, ok := s.Message.Body.(strategy.Poll); ok {
				polls++
			}
		}
	}
	if polls != 2 {
		c.t.Fatalf("%d hosts were polled, want 2", polls)
	}
}

// nextPeriod returns when the next run starts, as asked for in outputs.
func nextPeriod(t *testing.T, outputs []protocol.Output) time.Duration {
	t.Helper()
	for _, out := range outputs {
		if s, ok := out.(protocol.SetTimer); ok && s.Timer == strategy.PeriodTimer {
			return s.At
		}
	}
	t.Fatalf("no next run in %v", outputs)
	return 0
}

func TestCentralizedRunsOncePerPeriod(t *testing.T) {
	c := newCentral(t)
	const start = 30 * time.Second
	c.period(start)
	c.polled(start+1, 1, report(0, 1, 100))
	out := c.polled(start+2, 1, report(1, 9, 100))
	if s, ok := out[0].(protocol.Solve); !ok || len(s.Reports) != 2 {
		t.Fatalf("%v, want a Solve with both reports", out)
	}
	if got := nextPeriod(t, c.step(start+3, protocol.Solved{Found: true})); got != 2*start {
		t.Errorf("the next run is at %v, want %v", got, 2*start)
	}
}

// "Every 30 s minus the last run's duration (never negative)."
func TestCentralizedStartsAtOnceAfterALongRun(t *testing.T) {
	c := newCentral(t)
	const start = 30 * time.Second
	c.period(start)
	c.polled(start+1, 1, report(0, 1, 100))
	c.polled(start+2, 1, report(1, 9, 100))
	const late = start + 45*time.Second
	if got := nextPeriod(t, c.step(late, protocol.Solved{})); got != late {
		t.Errorf("the next run is at %v, want at once, %v", got, late)
	}
}

func TestCentralizedGoesOnWithoutASilentHost(t *testing.T) {
	c := newCentral(t)
	const start = 30 * time.Second
	c.period(start)
	c.polled(start+1, 1, report(0, 1, 100))
	var s protocol.Solve
	for _, out := range c.step(start+time.Second, protocol.TimerFired{Timer: strategy.CollectTimer}) {
		s, _ = out.(protocol.Solve)
	}
	if len(s.Reports) != 1 || s.Reports[0].Node != 0 {
		t.Errorf("%+v, want a Solve with the report of host 0 alone", s)
	}
}

// A plan is carried out in its order, one plan at a time, and a failure ends it.
func TestCentralizedCarriesOutAPlan(t *testing.T) {
	for _, fails := range []bool{false, true} {
		c := newCentral(t)
		const start = 30 * time.Second
		c.period(start)
		c.polled(start+1, 1, report(0, 1, 100))
		c.polled(start+2, 1, report(1, 9, 100))
		p := plan.Plan{Actions: []plan.Action{
			{VM: 9, Source: 1, Target: 0},
			{VM: 1, Source: 0, Target: 1, Step: 1, After: []int{0}},
		}}
		if got := orders(c.step(start+3, protocol.Solved{Found: true, Plan: p})); len(got) != 1 || got[0].VM != 9 {
			t.Fatalf("ordered %v first, want VM 9 alone", got)
		}
		out := c.step(start+10*time.Second, protocol.Received{Message: protocol.Message{From: 1, Body: protocol.Done{Action: 0, OK: !fails}}})
		if fails {
			if got := orders(out); len(got) != 0 {
				t.Errorf("ordered %v after a failure", got)
			}
			nextPeriod(t, out)
			continue
		}
		if got := orders(out); len(got) != 1 || got[0].VM != 1 {
			t.Fatalf("ordered %v second, want VM 1", got)
		}
		out = c.step(start+20*time.Second, protocol.Received{Message: protocol.Message{From: 0, Body: protocol.Done{Action: 1, OK: true}}})
		if got := nextPeriod(t, out); got != 2*start {
			t.Errorf("the next run is at %v, want %v", got, 2*start)
		}
	}
}

func orders(outputs []protocol.Output) (all []protocol.Order) {
	for _, out := range outputs {
		if s, ok := out.(protocol.Send); ok {
			if o, ok := s.Message.Body.(protocol.Order); ok {
				all = append(all, o)
			}
		}
	}
	return all
}

func TestWorkerReportsAndMigrates(t *testing.T) {
	w := strategy.NewWorker(0)
	r := report(0, 1, 100, 50)
	w.Step(0, protocol.Observed{Local: r.Local})
	out := w.Step(1, protocol.Received{Message: protocol.Message{From: 2, Body: strategy.Poll{Round: 3}}})
	polled := out[0].(protocol.Send).Message.Body.(strategy.Polled)
	if polled.Round != 3 || len(polled.Report.Local.VMs) != 2 || polled.Report.Node != 0 {
		t.Errorf("%+v", polled)
	}
	out = w.Step(2, protocol.Received{Message: protocol.Message{From: 2, Body: protocol.Order{Action: 5, VM: 1, Target: 1}}})
	if m, ok := out[0].(protocol.Migrate); !ok || m.VM != 1 || m.Target != 1 {
		t.Errorf("%v", out)
	}
	out = w.Step(3, protocol.Migrated{VM: 1, OK: true})
	done := out[0].(protocol.Send)
	if d := done.Message.Body.(protocol.Done); done.To != 2 || d.Action != 5 || !d.OK {
		t.Errorf("%+v", done)
	}
	if out := w.Step(4, protocol.Migrated{VM: 1, OK: true}); len(out) != 0 {
		t.Errorf("a migration ended twice: %v", out)
	}
}
