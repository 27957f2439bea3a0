package validation

import (
	"encoding/json"
	"fmt"

	"github.com/dvms-project/dvms/sim"
)

// migrationCase is a case of folder migration: hosts around a switch, VMs that
// compute and migrate, and flows.
type migrationCase struct {
	Name      string      `json:"name"`
	Note      string      `json:"note"`
	Model     string      `json:"model"`
	Bandwidth float64     `json:"nic_bandwidth"`
	Latency   float64     `json:"nic_latency"`
	Horizon   sim.Seconds `json:"horizon"`
	Hosts     []struct {
		Name  string  `json:"name"`
		Cores int     `json:"cores"`
		Speed float64 `json:"speed"`
	} `json:"hosts"`
	VMs []struct {
		Name       string  `json:"name"`
		Host       string  `json:"host"`
		Cores      int     `json:"cores"`
		RAM        int64   `json:"ram_bytes"`
		WorkingSet int64   `json:"working_set_bytes"`
		Speed      float64 `json:"mig_speed"`
		Dirty      float64 `json:"dirty_bytes_per_s_at_one_full_core"`
	} `json:"vms"`
	Tasks []struct {
		Name   string      `json:"name"`
		On     string      `json:"on"`
		Load   float64     `json:"load"` // of a core of the source; 1: no cap, 0: no task
		Flops  float64     `json:"flops"`
		Start  sim.Seconds `json:"start"`
		Issuer string      `json:"issuer"` // matters to the peer only
	} `json:"tasks"`
	Migrations []struct {
		T   sim.Seconds `json:"t"`
		VM  string      `json:"vm"`
		Dst string      `json:"dst"`
	} `json:"migrations"`
	Flows []struct {
		Start sim.Seconds `json:"start"`
		Src   string      `json:"src"`
		Dst   string      `json:"dst"`
		Bytes int64       `json:"bytes"`
		Actor string      `json:"actor_on"` // matters to the peer only
	} `json:"flows"`
	Ops        []json.RawMessage   `json:"ops"`
	Result     []migrationResult   `json:"result"`
	FlowFinish []*float64          `json:"flow_finish"`
	TaskFinish map[string]*float64 `json:"task_finish"`
	Samples    []struct {
		T         sim.Seconds         `json:"t"`
		Remaining map[string]*float64 `json:"remaining"`
	} `json:"samples"`
}

// migrationResult is what the peer made of a migration. What never ends was
// under way at the horizon.
type migrationResult struct {
	VM        string   `json:"vm"`
	Start     float64  `json:"start"`
	End       *float64 `json:"end"`
	Duration  *float64 `json:"duration"`
	Suspended *float64 `json:"suspended"`
	Resumed   *float64 `json:"resumed"`
	Downtime  *float64 `json:"downtime"`
	Bytes     float64  `json:"bytes_completed"`
	Count     float64  `json:"transfers"`
	// Transfers are stage, bytes, start and end: of the first ones and the last.
	Transfers [][4]float64 `json:"stage_bytes_start_end"`
}

// replayMigration compares dates, bytes and transfers of migrations, and when
// flows and tasks end beside them.
func replayMigration(data []byte, law sim.Law, c *Comparison) error {
	var k migrationCase
	if err := decode(data, &k); err != nil {
		return err
	}
	r := migrationReplay{migrationCase: &k, against: c}
	if err := r.build(law); err != nil {
		return err
	}
	if err := r.plan(); err != nil {
		return err
	}
	if err := r.sim.Run(k.Horizon); err != nil {
		return err
	}
	r.compare()
	return nil
}

// endless is the policy of the peer, which knows no remedies.
var endless = sim.MigrationPolicy{Remedy: sim.KeepOn}

// migrationReplay is a simulation of a case.
type migrationReplay struct {
	*migrationCase
	sim     *sim.Simulation
	against *Comparison

	hosts      map[string]sim.HostID
	vms        map[string]sim.VMID
	cores      map[string]sim.Speed // of the host of a place, at the start
	execs      map[string]sim.Exec
	migrations []sim.Migration
	flows      []float64
	tasks      map[string]float64
}

// build makes the platform. The one who asks for the migrations sits on a
// machine of its own, so near that the acknowledgement takes no time.
func (r *migrationReplay) build(law sim.Law) (err error) {
	model, ok := netModels[r.Model]
	if !ok {
		return fmt.Errorf("network model %q is unknown", r.Model)
	}
	if len(r.Ops) > 0 {
		return fmt.Errorf("%d operations: none is known", len(r.Ops))
	}
	r.hosts, r.vms, r.cores = map[string]sim.HostID{}, map[string]sim.VMID{}, map[string]sim.Speed{}
	if r.sim, err = sim.NewWith(sim.Settings{Law: law, Network: model, Check: true}); err != nil {
		return err
	}
	if err := r.buildHosts(); err != nil {
		return err
	}
	for _, v := range r.migrationCase.VMs {
		host, ok := r.hosts[v.Host]
		if !ok {
			return fmt.Errorf("VM %q: host %q is unknown", v.Name, v.Host)
		}
		r.cores[v.Name] = r.cores[v.Host]
		r.vms[v.Name], err = r.sim.AddVM(sim.VMSpec{
			Name: v.Name, Host: host, VCPUs: v.Cores, Memory: sim.Bytes(v.RAM), WorkingSet: sim.Bytes(v.WorkingSet),
			MigrationSpeed: sim.Bandwidth(v.Speed), DirtyRate: sim.Bandwidth(v.Dirty),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *migrationReplay) buildHosts() error {
	controller, err := r.sim.AddHost(sim.HostSpec{Name: "controller", Cores: 1, Speeds: []sim.Speed{sim.Giga}})
	if err != nil {
		return err
	}
	near, err := r.sim.AddLink(sim.LinkSpec{Name: "controller", Bandwidth: sim.Giga, Policy: sim.FatPipe})
	if err != nil {
		return err
	}
	var routes sim.Table
	type ends struct{ up, down sim.LinkID }
	links := map[sim.HostID]ends{}
	for _, h := range r.migrationCase.Hosts {
		id, err := r.sim.AddHost(sim.HostSpec{Name: h.Name, Cores: h.Cores, Speeds: []sim.Speed{sim.Speed(h.Speed)}})
		if err != nil {
			return err
		}
		up, down, err := r.sim.AddDuplex(sim.LinkSpec{Name: h.Name, Bandwidth: sim.Bandwidth(r.Bandwidth), Latency: sim.Seconds(r.Latency)})
		if err != nil {
			return err
		}
		routes.Add(id, controller, near)
		routes.Add(controller, id, near)
		for other, at := range links {
			routes.Add(id, other, up, at.down)
			routes.Add(other, id, at.up, down)
		}
		r.hosts[h.Name], r.cores[h.Name], links[id] = id, sim.Speed(h.Speed), ends{up, down}
	}
	r.sim.SetRouter(&routes)
	return r.sim.SetController(controller)
}

// place returns a host or VM by name.
func (r *migrationReplay) place(name string) (sim.Place, error) {
	if h, ok := r.hosts[name]; ok {
		return h.Place(), nil
	}
	if vm, ok := r.vms[name]; ok {
		return vm.Place(), nil
	}
	return sim.Place{}, fmt.Errorf("there is no host and no VM %q", name)
}

// plan puts what happens into the simulation.
func (r *migrationReplay) plan() error {
	if err := r.planTasks(); err != nil {
		return err
	}
	if err := r.planFlows(); err != nil {
		return err
	}
	if len(r.Result) != len(r.Migrations) {
		return fmt.Errorf("%d results of %d migrations", len(r.Result), len(r.Migrations))
	}
	r.migrations = make([]sim.Migration, len(r.Migrations))
	for i, m := range r.Migrations {
		if len(r.Result[i].Transfers) == 0 {
			return fmt.Errorf("migration of %q: the result has no transfers", m.VM)
		}
		vm, ok := r.vms[m.VM]
		target, there := r.hosts[m.Dst]
		if !ok || !there {
			return fmt.Errorf("migration of %q to %q: one of them is unknown", m.VM, m.Dst)
		}
		r.sim.Call(m.T, func() {
			r.must(r.sim.Migrate(vm, target, endless, func(done sim.Migration) { r.migrations[i] = done }))
		})
	}
	for i, sample := range r.Samples {
		r.sim.Call(sample.T, func() { r.sample(i) })
	}
	return nil
}

func (r *migrationReplay) planTasks() error {
	r.execs, r.tasks = map[string]sim.Exec{}, map[string]float64{}
	for _, task := range r.Tasks {
		at, err := r.place(task.On)
		if err != nil {
			return fmt.Errorf("task %q: %w", task.Name, err)
		}
		r.tasks[task.Name] = Never
		if task.Load == 0 {
			continue
		}
		spec := sim.ExecSpec{Work: sim.Work(task.Flops)}
		if task.Load < 1 {
			spec.Cap = sim.Speed(task.Load) * r.cores[task.On]
		}
		r.sim.Call(task.Start, func() {
			exec, err := r.sim.Execute(at, spec, sim.Then(func(err error) {
				if err == nil {
					r.tasks[task.Name] = float64(r.sim.Now())
				}
			}), 0)
			r.execs[task.Name] = exec
			r.must(err)
		})
	}
	return nil
}

func (r *migrationReplay) planFlows() error {
	if len(r.FlowFinish) != len(r.Flows) {
		return fmt.Errorf("%d dates of %d flows", len(r.FlowFinish), len(r.Flows))
	}
	r.flows = make([]float64, len(r.Flows))
	for i, f := range r.Flows {
		from, err := r.place(f.Src)
		if err != nil {
			return fmt.Errorf("flow %d: %w", i, err)
		}
		to, err := r.place(f.Dst)
		if err != nil {
			return fmt.Errorf("flow %d: %w", i, err)
		}
		r.flows[i] = Never
		r.sim.Call(f.Start, func() {
			_, err := r.sim.Send(sim.FlowSpec{From: from, To: to, Bytes: sim.Bytes(f.Bytes)}, sim.Then(func(err error) {
				if err == nil {
					r.flows[i] = float64(r.sim.Now())
				}
			}), 0)
			r.must(err)
		})
	}
	return nil
}

func (r *migrationReplay) must(err error) {
	if err != nil {
		r.sim.Fail(err)
	}
}

func (r *migrationReplay) sample(i int) {
	for _, task := range r.Tasks {
		if want, ok := r.Samples[i].Remaining[task.Name]; ok {
			r.against.Compare(fmt.Sprintf("remaining of %s at %v", task.Name, r.Samples[i].T), want, float64(r.sim.ExecRemaining(r.execs[task.Name])))
		}
	}
}

func (r *migrationReplay) compare() {
	for i := range r.Result {
		got := r.migrations[i]
		if got.End == 0 {
			got, _ = r.sim.Migrating(r.vms[r.Migrations[i].VM])
		}
		r.Result[i].compare(r.Migrations[i].VM, got, r.against)
	}
	for i, want := range r.FlowFinish {
		r.against.Compare(fmt.Sprintf("flow %d", i), want, r.flows[i])
	}
	for _, task := range r.Tasks {
		if want, ok := r.TaskFinish[task.Name]; ok {
			r.against.Compare("task "+task.Name, want, r.tasks[task.Name])
		}
	}
}

// compare compares a migration. Some of what the peer's files say is not
// compared, or not as it is there:
//
//   - The ends of the transfers of stage 2 but its first: the files repeat their
//     starts there, since ends were not taken note of. The start of a transfer is
//     the end of the one before, so all dates are compared, but for those of
//     transfers that the files leave out.
//   - A migration that never ends: its last transfer is under way at the horizon,
//     and counted by the peer. It is taken off the counts.
func (want *migrationResult) compare(vm string, got sim.Migration, c *Comparison) {
	name := func(what string) string { return vm + ": " + what }
	date := func(t sim.Seconds) float64 {
		if t == sim.Forever {
			return Never
		}
		return float64(t)
	}
	rows, count, bytes := want.Transfers, want.Count, want.Bytes
	last := rows[len(rows)-1]
	if want.End == nil {
		rows, count, bytes = rows[:len(rows)-1], count-1, bytes-last[1]
	}
	c.Compare(name("start"), &want.Start, date(got.Start))
	c.Compare(name("end"), want.End, date(got.End))
	c.Compare(name("duration"), want.Duration, date(got.End-got.Start))
	c.Compare(name("suspended"), want.Suspended, date(got.Suspended))
	c.Compare(name("resumed"), want.Resumed, date(got.Resumed))
	if want.Downtime != nil {
		c.Compare(name("downtime"), want.Downtime, float64(got.Downtime))
	}
	c.Compare(name("bytes"), &bytes, float64(got.Bytes))
	c.Compare(name("transfers"), &count, float64(got.Transfers))
	for i, row := range rows {
		at := i
		if i == len(rows)-1 && want.End != nil {
			at = len(got.Rounds) - 1 // some before it may be left out
		}
		compareTransfer(name(fmt.Sprintf("transfer %d", at)), row, got.Rounds, at, c)
	}
	if want.End == nil && len(got.Rounds) > 0 {
		c.Compare(name("start of the last transfer"), &last[2], float64(got.Rounds[len(got.Rounds)-1].End))
	}
}

func compareTransfer(name string, want [4]float64, rounds []sim.Round, at int, c *Comparison) {
	got := sim.Round{Start: sim.Seconds(Never), End: sim.Seconds(Never)}
	if at >= 0 && at < len(rounds) {
		got = rounds[at]
	}
	c.Compare(name+": stage", &want[0], float64(got.Stage))
	c.Compare(name+": bytes", &want[1], float64(got.Bytes))
	c.Compare(name+": start", &want[2], float64(got.Start))
	if want[3] > want[2] {
		c.Compare(name+": end", &want[3], float64(got.End))
	}
}
