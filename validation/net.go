package validation

import (
	"fmt"
	"maps"
	"slices"

	"github.com/dvms-project/dvms/sim"
)

// netCase is a case of folder net: flows over links, and when they arrive.
type netCase struct {
	Name  string    `json:"name"`
	Note  string    `json:"note"`
	Hosts []string  `json:"hosts"`
	Links []netLink `json:"links"`
	Route []struct {
		Src   string   `json:"src"`
		Dst   string   `json:"dst"`
		Links []string `json:"links"`
	} `json:"routes"`
	Flows []struct {
		Start float64 `json:"start"`
		Src   string  `json:"src"`
		Dst   string  `json:"dst"`
		Bytes int64   `json:"bytes"`
		Rate  float64 `json:"rate"`
	} `json:"flows"`
	Ops []struct {
		T      float64 `json:"t"`
		Op     string  `json:"op"`
		Target string  `json:"target"`
		Value  float64 `json:"value"`
	} `json:"ops"`
	Finish map[string][]*float64 `json:"finish"`
}

type netLink struct {
	Name      string  `json:"name"`
	Bandwidth float64 `json:"bandwidth"`
	Latency   float64 `json:"latency"`
	Policy    string  `json:"policy"`
}

// netModels are the network models of the cases. That of LV08_tight is LV08,
// but the peer solved it with a smaller tolerance.
var netModels = map[string]sim.NetworkModel{
	"CM02":                withCrossTraffic(sim.CM02, false),
	"CM02_crosstraffic":   sim.CM02,
	"LV08":                sim.LV08,
	"LV08_nocrosstraffic": withCrossTraffic(sim.LV08, false),
	"LV08_vmplaces":       sim.VMPlaceS,
	"LV08_tight":          sim.LV08,
}

func withCrossTraffic(m sim.NetworkModel, on bool) sim.NetworkModel {
	m.CrossTraffic = on
	return m
}

// replayNet compares the dates at which flows arrive, for each model of the
// case.
func replayNet(data []byte, law sim.Law, c *Comparison) error {
	var k netCase
	if err := decode(data, &k); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(k.Finish)) {
		model, ok := netModels[name]
		if !ok {
			return fmt.Errorf("network model %q is unknown", name)
		}
		dates, err := k.run(sim.Settings{Law: law, Network: model, Check: true})
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if len(dates) != len(k.Finish[name]) {
			return fmt.Errorf("%s: %d flows, but %d dates", name, len(dates), len(k.Finish[name]))
		}
		for i, want := range k.Finish[name] {
			c.Compare(fmt.Sprintf("%s flow %d", name, i), want, dates[i])
		}
	}
	return nil
}

// run simulates a case and returns when each flow has arrived.
func (k *netCase) run(settings sim.Settings) ([]float64, error) {
	s, err := sim.NewWith(settings)
	if err != nil {
		return nil, err
	}
	w := netWorld{sim: s, hosts: map[string]sim.HostID{}, links: map[string]sim.LinkID{}}
	if err := w.build(k); err != nil {
		return nil, err
	}
	flows, dates := make([]sim.Flow, len(k.Flows)), make([]float64, len(k.Flows))
	for i, f := range k.Flows {
		from, to, err := w.ends(f.Src, f.Dst)
		if err != nil {
			return nil, fmt.Errorf("flow %d: %w", i, err)
		}
		spec := sim.FlowSpec{From: from.Place(), To: to.Place(), Bytes: sim.Bytes(f.Bytes), Cap: sim.Bandwidth(f.Rate)}
		dates[i] = Never
		s.Call(sim.Seconds(f.Start), func() {
			flows[i], err = s.Send(spec, sim.Then(func(err error) {
				if err == nil {
					dates[i] = float64(s.Now())
				}
			}), 0)
			w.must(err)
		})
	}
	for _, op := range k.Ops {
		do, err := w.operation(op.Op, op.Target, op.Value, flows)
		if err != nil {
			return nil, err
		}
		s.Call(sim.Seconds(op.T), func() { w.must(do()) })
	}
	return dates, s.Run(sim.Forever)
}

// netWorld is a simulation whose hosts and links are known by name.
type netWorld struct {
	sim   *sim.Simulation
	hosts map[string]sim.HostID
	links map[string]sim.LinkID
}

func (w *netWorld) must(err error) {
	if err != nil {
		w.sim.Fail(err)
	}
}

func (w *netWorld) build(k *netCase) (err error) {
	for _, name := range k.Hosts {
		if w.hosts[name], err = w.sim.AddHost(sim.HostSpec{Name: name, Cores: 1, Speeds: []sim.Speed{sim.Giga}}); err != nil {
			return err
		}
	}
	for _, l := range k.Links {
		policy, ok := map[string]sim.Policy{"SHARED": sim.Shared, "FATPIPE": sim.FatPipe}[l.Policy]
		if !ok {
			return fmt.Errorf("link %q: policy %q is none of SHARED and FATPIPE", l.Name, l.Policy)
		}
		spec := sim.LinkSpec{Name: l.Name, Bandwidth: sim.Bandwidth(l.Bandwidth), Latency: sim.Seconds(l.Latency), Policy: policy}
		if w.links[l.Name], err = w.sim.AddLink(spec); err != nil {
			return err
		}
	}
	var routes sim.Table
	for _, r := range k.Route {
		from, to, err := w.ends(r.Src, r.Dst)
		if err != nil {
			return fmt.Errorf("route: %w", err)
		}
		var way []sim.LinkID
		for _, name := range r.Links {
			l, ok := w.links[name]
			if !ok {
				return fmt.Errorf("route from %s to %s: link %q is unknown", r.Src, r.Dst, name)
			}
			way = append(way, l)
		}
		routes.Add(from, to, way...)
	}
	w.sim.SetRouter(&routes)
	return nil
}

func (w *netWorld) ends(src, dst string) (from, to sim.HostID, err error) {
	for _, name := range []string{src, dst} {
		if _, ok := w.hosts[name]; !ok {
			return 0, 0, fmt.Errorf("host %q is unknown", name)
		}
	}
	return w.hosts[src], w.hosts[dst], nil
}

// operation returns what an operation of a case does.
func (w *netWorld) operation(op, target string, value float64, flows []sim.Flow) (func() error, error) {
	var i int
	switch op {
	case "link_bandwidth", "link_latency", "link_off":
		if _, ok := w.links[target]; !ok {
			return nil, fmt.Errorf("%s: link %q is unknown", op, target)
		}
	case "flow_suspend", "flow_resume":
		if n, err := fmt.Sscan(target, &i); n != 1 || i < 0 || i >= len(flows) {
			return nil, fmt.Errorf("%s: flow %q is none of the %d flows: %v", op, target, len(flows), err)
		}
	}
	switch link := w.links[target]; op {
	case "link_bandwidth":
		return func() error { return w.sim.SetBandwidth(link, sim.Bandwidth(value)) }, nil
	case "link_latency":
		return func() error { return w.sim.SetLatency(link, sim.Seconds(value)) }, nil
	case "link_off":
		return func() error { return w.sim.SwitchLink(link, false) }, nil
	case "flow_suspend":
		return func() error { return w.sim.SuspendFlow(flows[i]) }, nil
	case "flow_resume":
		return func() error { return w.sim.ResumeFlow(flows[i]) }, nil
	}
	return nil, fmt.Errorf("operation %q is unknown", op)
}
