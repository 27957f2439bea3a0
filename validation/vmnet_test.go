package validation

import (
	"math"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

// "The host operating system fairly assigned network resources to each TCP
// connection. For example, while VM1 was suspended, the 2 communication tasks
// on it could not send data, and the bandwidth of the 1Gbps link was split into
// 2 other TCP connections." (thesis, section 5.4.2, on Figure 30)
//
// What follows from it: when VM1 goes on, each has a quarter again, and when
// VM2 is gone a third. The peer's flows starve from the suspension on.
func TestFigure30RecoversAfterTheSuspension(t *testing.T) {
	for _, model := range []sim.NetworkModel{sim.CM02, sim.LV08} {
		for _, size := range []sim.Bytes{10_000_000, 1e12} {
			w, err := newVMNet(sim.Settings{Law: sim.Right, Network: model, Check: true}, size)
			if err != nil {
				t.Fatal(err)
			}
			for _, at := range []struct {
				from, to sim.Seconds
				parts    []float64 // of VM1_t1, VM1_t2, VM2_t1 and PM_t1
			}{
				{5, 29, []float64{1. / 4, 1. / 4, 1. / 4, 1. / 4}},
				{31, 59, []float64{0, 0, 1. / 2, 1. / 2}},
				{61, 89, []float64{1. / 4, 1. / 4, 1. / 4, 1. / 4}},
				{91, 120, []float64{1. / 3, 1. / 3, 0, 1. / 3}},
			} {
				link := model.BandwidthFactor * 125e6
				run(t, w, at.from)
				before := w.allSent()
				if size == 1e12 {
					for i, part := range at.parts {
						if rate := float64(w.sim.FlowRate(w.tasks[i].flow)); math.Abs(rate-part*link) > 1e-9*link {
							t.Errorf("%s at %v s: %s has %v B/s, want %v of the link", model.Name, at.from, w.tasks[i].name, rate, part)
						}
					}
				}
				run(t, w, at.to)
				for i, sent := range w.allSent() {
					// Between two messages nothing is sent for the latency.
					rate := (sent - before[i]) / float64(at.to-at.from)
					if math.Abs(rate-at.parts[i]*link) > 0.006*link {
						t.Errorf("%s, messages of %d: from %v to %v s %s had %v B/s, want %v of the link",
							model.Name, size, at.from, at.to, w.tasks[i].name, rate, at.parts[i])
					}
				}
			}
		}
	}
}

func run(t *testing.T, w *vmnet, until sim.Seconds) {
	t.Helper()
	if err := w.sim.Run(until); err != nil {
		t.Fatal(err)
	}
}

func (w *vmnet) allSent() (sent []float64) {
	for _, task := range w.tasks {
		sent = append(sent, w.sent(task))
	}
	return sent
}
