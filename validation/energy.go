package validation

import (
	"fmt"

	"github.com/dvms-project/dvms/sim"
)

// energyCase is a file of the folder energy.
type energyCase struct {
	Name, Note string
	Hosts      []struct {
		Name     string
		Cores    int
		Speeds   []sim.Speed `json:"speed_per_pstate"`
		PerState string      `json:"wattage_per_state"`
		WhenOff  string      `json:"wattage_off"`
	}
	VMs []struct {
		Name, Host string
		Cores      int
	}
	Tasks []struct {
		Name, On string
		Flops    sim.Work
		Start    sim.Seconds
		Bound    sim.Speed
	}
	Ops []struct {
		T            sim.Seconds
		Op           string
		Target, Dest string
		Value        float64
	}
	Finish  map[string]*float64 `json:"task_finish"`
	Samples []struct {
		T      sim.Seconds
		Joules map[string]float64
		Watts  map[string]float64 `json:"watts_now"`
	}
}

// energyReplay is a case under way.
type energyReplay struct {
	sim    *sim.Simulation
	c      energyCase
	hosts  map[string]sim.HostID
	vms    map[string]sim.VMID
	finish map[string]float64
}

// replayEnergy replays a case of the folder energy: what hosts have used and
// draw at some dates, and when the tasks end. At the same date, operations come
// first, then tasks end, then the hosts are read, then tasks start.
func replayEnergy(data []byte, law sim.Law, c *Comparison) error {
	r := energyReplay{hosts: map[string]sim.HostID{}, vms: map[string]sim.VMID{}, finish: map[string]float64{}}
	if err := decode(data, &r.c); err != nil {
		return err
	}
	settings := sim.DefaultSettings()
	settings.Law, settings.Check = law, true
	var err error
	if r.sim, err = sim.NewWith(settings); err != nil {
		return err
	}
	if err := r.build(); err != nil {
		return err
	}
	r.plan(c)
	if n := len(r.c.Samples); n > 0 {
		err = r.sim.Run(r.c.Samples[n-1].T)
	}
	for _, task := range r.c.Tasks {
		got, ok := r.finish[task.Name]
		if !ok {
			got = Never
		}
		c.Compare("finish of "+task.Name, r.c.Finish[task.Name], got)
	}
	return err
}

// oneLink is a network whose hosts share a link.
type oneLink sim.LinkID

func (l oneLink) Route(source, target sim.HostID, links []sim.LinkID) ([]sim.LinkID, error) {
	if source == target {
		return links, nil
	}
	return append(links, sim.LinkID(l)), nil
}

// migratableVM gives a VM the memory that all those of these cases have, and
// lets it write to a quarter of what the link carries when it computes on a full
// core.
func migratableVM(v sim.VMSpec) sim.VMSpec {
	v.Memory, v.WorkingSet = 1<<30, 900<<20
	v.MigrationSpeed, v.DirtyRate = 125e6, 0.25*125e6
	return v
}

func (r *energyReplay) build() error {
	link, err := r.sim.AddLink(sim.LinkSpec{Name: "link", Bandwidth: 125e6, Latency: 100e-6})
	if err != nil {
		return err
	}
	r.sim.SetRouter(oneLink(link))
	for _, h := range r.c.Hosts {
		power, err := sim.ParsePower(h.PerState, h.WhenOff)
		if err != nil {
			return err
		}
		id, err := r.sim.AddHost(sim.HostSpec{Name: h.Name, Cores: h.Cores, Speeds: h.Speeds, Power: power})
		if err != nil {
			return err
		}
		r.hosts[h.Name] = id
	}
	for _, v := range r.c.VMs {
		host, ok := r.hosts[v.Host]
		if !ok {
			return fmt.Errorf("VM %s: there is no host %q", v.Name, v.Host)
		}
		id, err := r.sim.AddVM(migratableVM(sim.VMSpec{Name: v.Name, Host: host, VCPUs: v.Cores}))
		if err != nil {
			return err
		}
		r.vms[v.Name] = id
	}
	return nil
}

func (r *energyReplay) plan(c *Comparison) {
	for i := range r.c.Ops {
		r.sim.Call(r.c.Ops[i].T, func() { r.must(r.operate(i)) })
	}
	for i := range r.c.Samples {
		r.later(r.c.Samples[i].T, 1, func() { r.read(i, c) })
	}
	for i := range r.c.Tasks {
		r.later(r.c.Tasks[i].Start, 2, func() { r.must(r.start(i)) })
	}
}

// later calls f at date t, after what is planned for it until then and as many
// rounds of what is planned at that date itself.
func (r *energyReplay) later(t sim.Seconds, rounds int, f func()) {
	if rounds == 0 {
		r.sim.Call(t, f)
		return
	}
	r.sim.Call(t, func() { r.later(t, rounds-1, f) })
}

func (r *energyReplay) must(err error) {
	if err != nil {
		r.sim.Fail(err)
	}
}

func (r *energyReplay) operate(i int) error {
	op := r.c.Ops[i]
	host, isHost := r.hosts[op.Target]
	vm, isVM := r.vms[op.Target]
	switch {
	case op.Op == "host_off" && isHost:
		return r.sim.TurnOff(host)
	case op.Op == "host_on" && isHost:
		return r.sim.TurnOn(host)
	case op.Op == "host_pstate" && isHost:
		return r.sim.SetPState(host, int(op.Value))
	case op.Op == "vm_suspend" && isVM:
		return r.sim.Suspend(vm)
	case op.Op == "vm_resume" && isVM:
		return r.sim.Resume(vm)
	case op.Op == "vm_bound" && isVM:
		return r.sim.SetVMCap(vm, sim.Speed(op.Value))
	case op.Op == "vm_migrate" && isVM:
		return r.migrate(vm, op.Dest)
	}
	return fmt.Errorf("operation %q of %q is unknown", op.Op, op.Target)
}

func (r *energyReplay) migrate(vm sim.VMID, dest string) error {
	to, ok := r.hosts[dest]
	if !ok {
		return fmt.Errorf("migration: there is no host %q", dest)
	}
	return r.sim.Migrate(vm, to, sim.MigrationPolicy{}, func(m sim.Migration) { r.must(m.Err) })
}

func (r *energyReplay) start(i int) error {
	task := r.c.Tasks[i]
	at, err := r.place(task.On)
	if err != nil {
		return err
	}
	ended := sim.Then(func(err error) {
		if err == nil {
			r.finish[task.Name] = float64(r.sim.Now())
		}
	})
	_, err = r.sim.Execute(at, sim.ExecSpec{Work: task.Flops, Cap: task.Bound}, ended, 0)
	return err
}

func (r *energyReplay) place(name string) (sim.Place, error) {
	if vm, ok := r.vms[name]; ok {
		return vm.Place(), nil
	}
	if host, ok := r.hosts[name]; ok {
		return host.Place(), nil
	}
	return sim.Place{}, fmt.Errorf("there is no host and no VM %q", name)
}

func (r *energyReplay) read(i int, c *Comparison) {
	sample := &r.c.Samples[i]
	for _, h := range r.c.Hosts {
		id := r.hosts[h.Name]
		if joules, ok := sample.Joules[h.Name]; ok {
			c.Compare(fmt.Sprintf("joules of %s at %v s", h.Name, float64(sample.T)), &joules, float64(r.sim.Energy(id)))
		}
		if watts, ok := sample.Watts[h.Name]; ok {
			c.Compare(fmt.Sprintf("watts of %s at %v s", h.Name, float64(sample.T)), &watts, float64(r.sim.Draw(id)))
		}
	}
}
