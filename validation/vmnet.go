package validation

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/sim"
)

// vmnetCase is a case of folder vmnet: the experiment of Figure 30 of the
// thesis. A host sends to four others, by one task of its own and three in two
// VMs; each task sends one message after the other. VM1 is suspended from 30 s
// to 60 s, and VM2 is destroyed at 90 s.
type vmnetCase struct {
	Name    string        `json:"name"`
	Note    string        `json:"note"`
	Model   string        `json:"model"`
	Samples []vmnetSample `json:"samples"`
}

// vmnetSample is what each task had sent at a date, and the mean rate of the
// last 5 s.
type vmnetSample struct {
	T     float64             `json:"t"`
	Bytes map[string]*float64 `json:"bytes"`
	Rate  map[string]*float64 `json:"mean_rate_last_5s"`
}

const (
	vmnetPause  = 30
	vmnetGoOn   = 60
	vmnetEnd    = 90
	vmnetWindow = 5
)

// replayVMNet compares what the tasks have sent.
func replayVMNet(data []byte, law sim.Law, c *Comparison) error {
	var k vmnetCase
	if err := decode(data, &k); err != nil {
		return err
	}
	size, err := k.messageSize()
	if err != nil {
		return err
	}
	model, ok := netModels[k.Model]
	if !ok {
		return fmt.Errorf("network model %q is unknown", k.Model)
	}
	w, err := newVMNet(sim.Settings{Law: law, Network: model, Check: true}, size)
	if err != nil {
		return err
	}
	before := map[string]float64{}
	for _, sample := range k.Samples {
		if err := w.sim.Run(sim.Seconds(sample.T)); err != nil {
			return err
		}
		for _, name := range slices.Sorted(maps.Keys(sample.Bytes)) {
			i := slices.IndexFunc(w.tasks, func(t *vmnetTask) bool { return t.name == name })
			if i < 0 {
				return fmt.Errorf("task %q is unknown", name)
			}
			sent := w.sent(w.tasks[i])
			c.Compare(fmt.Sprintf("%s bytes at %v s", name, sample.T), sample.Bytes[name], sent)
			c.Compare(fmt.Sprintf("%s rate at %v s", name, sample.T), sample.Rate[name], (sent-before[name])/vmnetWindow)
			before[name] = sent
		}
	}
	return nil
}

// messageSize reads the size of a message from the note of a case, the only
// place that tells it.
func (k *vmnetCase) messageSize() (sim.Bytes, error) {
	var size float64
	_, rest, ok := strings.Cut(k.Note, "message size ")
	if !ok {
		return 0, fmt.Errorf("the note %q tells no message size", k.Note)
	}
	if _, err := fmt.Sscan(rest, &size); err != nil {
		return 0, fmt.Errorf("the message size of the note %q: %w", k.Note, err)
	}
	return sim.Bytes(size), nil
}

// vmnet is the experiment.
type vmnet struct {
	sim   *sim.Simulation
	size  sim.Bytes
	tasks []*vmnetTask
}

// vmnetTask sends messages one after the other.
type vmnetTask struct {
	name     string
	from, to sim.Place
	flow     sim.Flow
	messages int     // that have arrived
	lost     float64 // bytes of one that arrived in part
	gone     bool
}

func newVMNet(settings sim.Settings, size sim.Bytes) (*vmnet, error) {
	s, err := sim.NewWith(settings)
	if err != nil {
		return nil, err
	}
	w := &vmnet{sim: s, size: size}
	hosts, err := w.star(5)
	if err != nil {
		return nil, err
	}
	vm1, err := w.sim.AddVM(sim.VMSpec{Name: "VM1", Host: hosts[0], VCPUs: 1})
	if err != nil {
		return nil, err
	}
	vm2, err := w.sim.AddVM(sim.VMSpec{Name: "VM2", Host: hosts[0], VCPUs: 1})
	if err != nil {
		return nil, err
	}
	w.tasks = []*vmnetTask{
		{name: "VM1_t1", from: vm1.Place(), to: hosts[1].Place()},
		{name: "VM1_t2", from: vm1.Place(), to: hosts[2].Place()},
		{name: "VM2_t1", from: vm2.Place(), to: hosts[3].Place()},
		{name: "PM_t1", from: hosts[0].Place(), to: hosts[4].Place()},
	}
	for i := range w.tasks {
		w.send(uint64(i))
	}
	w.sim.Call(vmnetPause, func() { w.must(w.sim.Suspend(vm1)) })
	w.sim.Call(vmnetGoOn, func() { w.must(w.sim.Resume(vm1)) })
	w.sim.Call(vmnetEnd, func() { w.must(w.sim.Destroy(vm2)) })
	return w, nil
}

// star adds hosts with a split-duplex link each of 125 MB/s and 50 us.
func (w *vmnet) star(n int) (hosts []sim.HostID, err error) {
	star := sim.NewStar()
	for i := range n {
		h, err := w.sim.AddHost(sim.HostSpec{Name: fmt.Sprint("PM", i), Cores: 1, Speeds: []sim.Speed{sim.Giga}})
		if err != nil {
			return nil, err
		}
		up, down, err := w.sim.AddDuplex(sim.LinkSpec{Name: fmt.Sprint("PM", i), Bandwidth: 125e6, Latency: 50e-6})
		if err != nil {
			return nil, err
		}
		star.Connect(h, up, down)
		hosts = append(hosts, h)
	}
	w.sim.SetRouter(star)
	return hosts, nil
}

func (w *vmnet) must(err error) {
	if err != nil {
		w.sim.Fail(err)
	}
}

func (w *vmnet) send(i uint64) {
	t := w.tasks[i]
	flow, err := w.sim.Send(sim.FlowSpec{From: t.from, To: t.to, Bytes: w.size}, w, i)
	t.flow = flow
	w.must(err)
}

// Completed sends the next message.
func (w *vmnet) Completed(_ sim.Seconds, i uint64, err error) {
	t := w.tasks[i]
	if err != nil {
		t.lost, t.gone = float64(w.size)-w.sim.FlowRemaining(t.flow), true
		return
	}
	t.messages++
	w.send(i)
}

// sent returns how many bytes of a task have arrived.
func (w *vmnet) sent(t *vmnetTask) float64 {
	sum := float64(t.messages) * float64(w.size)
	if t.gone {
		return sum + t.lost
	}
	return sum + float64(w.size) - w.sim.FlowRemaining(t.flow)
}
