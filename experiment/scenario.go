package experiment

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/strategy"
)

// Scenario is all that decides a run, but for the strategy and the seed, of
// which it lists those to run.
type Scenario struct {
	Name       string    `yaml:"name"`
	Hosts      Hosts     `yaml:"hosts"`
	Sites      []Site    `yaml:"sites"` // in which the hosts stand, in this order; none for a single one
	Links      []Link    `yaml:"links"` // between each two sites
	VMs        VMs       `yaml:"vms"`
	Workload   Workload  `yaml:"workload"`
	Requests   []Request `yaml:"requests"` // what operators ask for, and when
	Strategies []string  `yaml:"strategies"`
	Seeds      []uint64  `yaml:"seeds"`
	Duration   Duration  `yaml:"duration"`
	Faults     Faults    `yaml:"faults"` // none by default
	Settings   Settings  `yaml:"settings"`

	from *settings.File // nil if it was not read from a file
}

// Hosts are the machines; all are alike.
type Hosts struct {
	Count   int                    `yaml:"count"`
	Cores   int                    `yaml:"cores"`
	Usable  cluster.Millicores     `yaml:"usable"` // by VMs; all cores if it is 0
	Memory  cluster.Bytes          `yaml:"memory"`
	Network cluster.BytesPerSecond `yaml:"network"` // of the link up, and of the link down
}

// VMs says how many there are and of which kinds.
type VMs struct {
	Count   int     `yaml:"count"`
	Classes []Class `yaml:"classes"` // each VM is of one of them, all equally likely
}

// Class is a kind of VM.
type Class struct {
	Name           string                 `yaml:"name"`
	VCPUs          int32                  `yaml:"vcpus"`
	Memory         cluster.Bytes          `yaml:"memory"`
	DirtyRate      cluster.BytesPerSecond `yaml:"dirty_rate"`      // with all vCPUs busy
	MigrationSpeed cluster.BytesPerSecond `yaml:"migration_speed"` // the most; 0 for no limit
}

// Workload says what the VMs ask for.
type Workload struct {
	Law    string   `yaml:"law"` // gaussian, vmplaces, planetlab or bitbrains
	Mean   Percent  `yaml:"mean"`
	SD     Percent  `yaml:"sd"`
	Period Duration `yaml:"period"` // mean time between two changes of a VM
	Slots  int      `yaml:"slots"`  // steps of load
	Start  string   `yaml:"start"`  // zero or mean
	Traces string   `yaml:"traces"` // directory of recorded traces
	Phases string   `yaml:"phases"` // spread or together: when recorded VMs change
}

// Settings are those of the models and of the strategies.
type Settings struct {
	Latency     Duration            `yaml:"latency"` // of a message between two nodes; sites have round trips instead
	Sample      Duration            `yaml:"sample"`  // between two records of the load
	Monitor     MonitorSettings     `yaml:"monitor"`
	Protocol    ProtocolSettings    `yaml:"protocol"`
	Overlay     OverlaySettings     `yaml:"overlay"`
	Centralized CentralizedSettings `yaml:"centralized"`
	Solver      SolverSettings      `yaml:"solver"`
	Network     NetworkSettings     `yaml:"network"`
	Migration   MigrationSettings   `yaml:"migration"`
}

// MonitorSettings are those of package monitor.
type MonitorSettings struct {
	Period    Duration `yaml:"period"`
	Threshold Percent  `yaml:"threshold"`
	Memory    Percent  `yaml:"memory"`
	Clear     Percent  `yaml:"clear"` // as threshold if it is 0
	Hold      Duration `yaml:"hold"`
	Low       Percent  `yaml:"low"`
	LowHold   Duration `yaml:"low_hold"`
	Cooldown  Duration `yaml:"cooldown"`
}

// ProtocolSettings are those of package protocol.
type ProtocolSettings struct {
	Lease         Duration `yaml:"lease"`
	Renew         Duration `yaml:"renew"`
	Collect       Duration `yaml:"collect"`
	SolveLimit    Duration `yaml:"solve_limit"`
	ActionLimit   Duration `yaml:"action_limit"`
	BackoffMin    Duration `yaml:"backoff_min"`
	BackoffMax    Duration `yaml:"backoff_max"`
	Concurrent    int      `yaml:"concurrent"`
	Minimum       int      `yaml:"minimum"`
	Growth        int      `yaml:"growth"`
	Consolidation int      `yaml:"consolidation"`
}

// OverlaySettings are those of the spiral in package overlay.
type OverlaySettings struct {
	View   int           `yaml:"view"`
	Far    int           `yaml:"far"`
	Spiral int           `yaml:"spiral"`
	Gossip Duration      `yaml:"gossip"`
	Step   Duration      `yaml:"step"`
	Sample int           `yaml:"sample"`
	Volume cluster.Bytes `yaml:"volume"`
}

// CentralizedSettings are those of the strategies on a service node.
type CentralizedSettings struct {
	Period     Duration `yaml:"period"`
	Collect    Duration `yaml:"collect"`
	Concurrent int      `yaml:"concurrent"`
}

// SolverSettings bound the search and say what it costs the simulated leader:
// Fixed, and Step for each search step.
type SolverSettings struct {
	Budget int      `yaml:"budget"` // search steps; 0 for the solver's default
	Step   Duration `yaml:"step"`
	Fixed  Duration `yaml:"fixed"`
}

// NetworkSettings are those of transfers: migrations, for instance. Messages
// between nodes take Settings.Latency.
type NetworkSettings struct {
	Model   string   `yaml:"model"`   // a key of networkModels
	Latency Duration `yaml:"latency"` // of a link; there are two between hosts
}

// networkModels are the constants of transfers that a scenario can choose.
var networkModels = map[string]sim.NetworkModel{"cm02": sim.CM02, "lv08": sim.LV08, "vmplaces": sim.VMPlaceS}

// remedies are what can be done about a migration that does not converge.
var remedies = map[string]sim.Remedy{
	"stop": sim.StopAndCopy, "give-up": sim.GiveUp, "post-copy": sim.PostCopy, "keep-on": sim.KeepOn, "auto-converge": sim.AutoConverge,
}

// MigrationSettings are those of live migration in package sim.
type MigrationSettings struct {
	Downtime   Duration `yaml:"downtime"`    // aimed at
	WorkingSet Percent  `yaml:"working_set"` // of the memory, at most dirty in one round
	Remedy     string   `yaml:"remedy"`      // for copies that do not converge: a key of remedies
	MaxRounds  int      `yaml:"max_rounds"`
	MaxFactor  int      `yaml:"max_factor"`
	TimeLimit  Duration `yaml:"time_limit"` // 0 means none
	CPU        Percent  `yaml:"cpu"`        // of a core, that a migration keeps busy at both ends
}

// Default returns the built-in comparison: the reference workload of the
// field [1] on 64 hosts.
func Default() Scenario {
	m, p, c := monitor.Defaults(), protocol.Defaults(), strategy.CentralizedDefaults()
	o := overlay.SpiralDefaults()
	law := injector.Reference()
	return Scenario{
		Name: "reference",
		Hosts: Hosts{
			Count: 64, Cores: 8, Usable: 7 * cluster.Core,
			Memory: 32 * cluster.GiB, Network: cluster.Gigabit,
		},
		VMs:        VMs{Count: 640, Classes: defaultClasses()},
		Workload:   Workload{"vmplaces", Percent(law.Mean), Percent(law.SD), Duration(law.Period), law.Slots, "zero", "", "spread"},
		Strategies: slices.Clone(Usual),
		Seeds:      []uint64{23},
		Duration:   Duration(law.Duration),
		Faults:     defaultFaults(),
		Settings: Settings{
			Latency: Duration(time.Millisecond),
			Sample:  Duration(10 * time.Second),
			Monitor: MonitorSettings{
				Period: Duration(m.Period), Threshold: Percent(100 * m.Threshold), Memory: Percent(100 * m.Memory), LowHold: Duration(m.LowHold),
			},
			Protocol: ProtocolSettings{
				Duration(p.Lease), Duration(p.Renew), Duration(p.Collect), Duration(p.SolveLimit),
				Duration(p.ActionLimit), Duration(p.BackoffMin), Duration(p.BackoffMax), p.Concurrent, p.Minimum, p.Growth, p.Consolidation,
			},
			Overlay:     OverlaySettings{o.View, o.Far, o.Spiral, Duration(o.Gossip), Duration(o.Step), o.Sample, o.Volume},
			Centralized: CentralizedSettings{Duration(c.Period), Duration(c.Collect), c.Concurrent},
			Solver:      SolverSettings{Budget: 10_000, Step: Duration(time.Microsecond)},
			Network:     NetworkSettings{"lv08", Duration(50 * time.Microsecond)},
			Migration: MigrationSettings{
				Downtime: Duration(30 * time.Millisecond), WorkingSet: 90, Remedy: "stop", MaxRounds: 30, MaxFactor: 3,
			},
		},
	}
}

// defaultClasses are those of the published runs: one vCPU, 1 GiB, and 10 to
// 80 % of the link's bandwidth written to memory at full load; migrations send
// at most 112 MiB/s [1].
func defaultClasses() []Class {
	var classes []Class
	for _, c := range injector.SmallClasses(10, 20, 30, 40, 50, 60, 70, 80) {
		classes = append(classes, Class{c.Name, c.VCPUs, c.Memory, c.DirtyRate, cluster.BytesPerSecond(112 * cluster.MiB)})
	}
	return classes
}

// KeyError is a value that can't be used, and where it is.
type KeyError = settings.KeyError

// Parse reads a scenario. What the file does not say is as in Default, but for
// the name, which is the file's, the usable cores, which are all if the file
// says how many there are, and the number of hosts, which is that of the sites. Errors are of type *KeyError.
func Parse(file string, data []byte) (Scenario, error) {
	s := Default()
	s.Name = settings.Stem(file)
	var err error
	if s.from, err = settings.Load(file, data, &s, "examples/one-rack.yaml"); err != nil {
		return s, err
	}
	if s.from.Has("hosts.cores") && !s.from.Has("hosts.usable") {
		s.Hosts.Usable = 0
	}
	if len(s.Sites) > 0 && !s.from.Has("hosts.count") {
		s.Hosts.Count = s.sitesHosts()
	}
	return s, s.Validate()
}

// WrongTraces makes a *KeyError of what is wrong with the directory of traces.
func (s *Scenario) WrongTraces(err error) error {
	return s.from.Locate(&KeyError{Key: "workload.traces", Err: err})
}

// Validate returns a *KeyError that names the first value that can't be used.
func (s *Scenario) Validate() error {
	for _, part := range []func() error{
		s.validateName, s.validateHosts, s.validateSites, s.validateVMs, s.validateWorkload, s.validateRuns, s.validateRequests, s.validateFaults,
		s.validateSettings,
	} {
		if err := part(); err != nil {
			return s.from.Locate(err)
		}
	}
	return nil
}

// The largest sizes; more is surely a slip of the pen. A million hosts with
// ten VMs each take about 6 GiB of memory.
const (
	maxName     = 100
	maxHosts    = 1_000_000
	maxVMs      = 10_000_000
	maxCores    = 1 << 16
	maxMemory   = 1024 * cluster.TiB
	maxRate     = 100_000 * cluster.Gigabit
	maxDuration = Duration(10 * 365 * 24 * time.Hour)
	maxSamples  = 1_000_000 // of the load, in a run
	maxRounds   = 1000
	maxBudget   = 1_000_000_000
	maxStep     = Duration(time.Second) // maxBudget of them are less than the longest time.Duration
)

// minPeriod is the shortest of what happens again and again: less would keep
// a run from ever getting anywhere.
const minPeriod = Duration(time.Millisecond)

func (s *Scenario) validateName() error {
	if s.Name == "" || len(s.Name) > maxName || strings.ContainsFunc(s.Name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return settings.Wrong("name", "%.120q is not a name; it may have 1 to %d printable characters", s.Name, maxName)
	}
	return nil
}

func (s *Scenario) validateHosts() error {
	h := s.Hosts
	switch {
	case h.Count < 1:
		return settings.Wrong("hosts.count", "%d hosts; at least 1 is needed", h.Count)
	case h.Count > maxHosts:
		return settings.Wrong("hosts.count", "%d hosts; at most %d can be simulated", h.Count, maxHosts)
	case h.Cores < 1:
		return settings.Wrong("hosts.cores", "%d cores; at least 1 is needed", h.Cores)
	case h.Cores > maxCores:
		return settings.Wrong("hosts.cores", "%d cores; at most %d can be simulated", h.Cores, maxCores)
	case h.Usable < 0 || h.Usable > cluster.Millicores(h.Cores)*cluster.Core:
		return settings.Wrong("hosts.usable", "%v of %d cores can't be used by VMs", h.Usable, h.Cores)
	case h.Memory <= 0:
		return settings.Wrong("hosts.memory", "%v of memory is not positive", h.Memory)
	case h.Memory > maxMemory:
		return settings.Wrong("hosts.memory", "%v of memory; at most %v can be simulated", h.Memory, maxMemory)
	case h.Network <= 0:
		return settings.Wrong("hosts.network", "a link of %v is not positive", h.Network)
	case h.Network > maxRate:
		return settings.Wrong("hosts.network", "a link of %v; at most %v can be simulated", h.Network, maxRate)
	}
	return nil
}

func (s *Scenario) validateVMs() error {
	if s.VMs.Count < 1 {
		return settings.Wrong("vms.count", "%d VMs; at least 1 is needed", s.VMs.Count)
	}
	if s.VMs.Count > maxVMs {
		return settings.Wrong("vms.count", "%d VMs; at most %d can be simulated", s.VMs.Count, maxVMs)
	}
	if len(s.VMs.Classes) == 0 {
		return settings.Wrong("vms.classes", "there are none; at least 1 is needed")
	}
	for i, c := range s.VMs.Classes {
		key := fmt.Sprintf("vms.classes[%d].", i)
		switch {
		case c.VCPUs < 1:
			return settings.Wrong(key+"vcpus", "%d vCPUs; at least 1 is needed", c.VCPUs)
		case int(c.VCPUs) > s.Hosts.Cores:
			return settings.Wrong(key+"vcpus", "%d vCPUs, and hosts have %d cores", c.VCPUs, s.Hosts.Cores)
		case c.Memory <= 0:
			return settings.Wrong(key+"memory", "%v of memory is not positive", c.Memory)
		case c.Memory > s.Hosts.Memory:
			return settings.Wrong(key+"memory", "a VM of %v has no room on hosts of %v", c.Memory, s.Hosts.Memory)
		case c.DirtyRate > maxRate:
			return settings.Wrong(key+"dirty_rate", "%v; at most %v can be simulated", c.DirtyRate, maxRate)
		case c.MigrationSpeed > maxRate:
			return settings.Wrong(key+"migration_speed", "%v; at most %v can be simulated", c.MigrationSpeed, maxRate)
		}
	}
	if s.Workload.Law != "bitbrains" { // whose VMs bring their own memory
		least := slices.MinFunc(s.VMs.Classes, func(a, b Class) int { return cmp.Compare(a.Memory, b.Memory) }).Memory
		perHost := int64(s.Hosts.Memory / least)
		if fewest := (int64(s.VMs.Count)-1)/int64(s.Hosts.Count) + 1; fewest > perHost { // on the fullest host
			return settings.Wrong("vms.count", "%d VMs of at least %v need more memory than %d hosts of %v have", s.VMs.Count, least, s.Hosts.Count, s.Hosts.Memory)
		}
	}
	return nil
}

// Laws are the names of the workloads.
var Laws = []string{"gaussian", "vmplaces", "planetlab", "bitbrains"}

// recorded reports whether the workload plays traces.
func (w Workload) recorded() bool { return w.Law == "planetlab" || w.Law == "bitbrains" }

func (s *Scenario) validateWorkload() error {
	w := s.Workload
	switch {
	case !slices.Contains(Laws, w.Law):
		return settings.Wrong("workload.law", "%q is not a law; the laws are %s", w.Law, strings.Join(Laws, ", "))
	case w.recorded() && w.Traces == "":
		return settings.Wrong("workload.traces", "the directory of the %s traces is missing", w.Law)
	case w.Phases != "spread" && w.Phases != "together":
		return settings.Wrong("workload.phases", "%q is neither spread nor together", w.Phases)
	case w.Start != "zero" && w.Start != "mean":
		return settings.Wrong("workload.start", "%q is neither zero nor mean", w.Start)
	case w.Mean < 0 || w.Mean > 100:
		return settings.Wrong("workload.mean", "%v is not from 0%% to 100%%", w.Mean)
	case w.SD < 0 || w.SD > 100:
		return settings.Wrong("workload.sd", "%v is not from 0%% to 100%%", w.SD)
	case w.Period < minPeriod || w.Period > maxDuration:
		return settings.Wrong("workload.period", "%v is not from %v to %v", w.Period, minPeriod, maxDuration)
	case w.Slots < 1 || w.Slots > 100:
		return settings.Wrong("workload.slots", "%d steps of load are not from 1 to 100", w.Slots)
	}
	return nil
}

// law returns the parameters of the generated workloads.
func (s *Scenario) law() injector.Law {
	w := s.Workload
	l := injector.Law{
		Duration: time.Duration(s.Duration), Period: time.Duration(w.Period),
		Mean: float64(w.Mean), SD: float64(w.SD), Slots: w.Slots, Full: cluster.Core,
	}
	if w.Start == "mean" {
		l.Start = injector.AtMean
	}
	return l
}

func (s *Scenario) validateRuns() error {
	if len(s.Strategies) == 0 {
		return settings.Wrong("strategies", "there are none; the strategies are %s", strings.Join(Strategies, ", "))
	}
	for i, name := range s.Strategies {
		if !slices.Contains(Strategies, name) {
			return settings.Wrong(fmt.Sprintf("strategies[%d]", i), "%q is not a strategy; the strategies are %s", name, strings.Join(Strategies, ", "))
		}
		if slices.Contains(s.Strategies[:i], name) {
			return settings.Wrong(fmt.Sprintf("strategies[%d]", i), "%s is there twice", name)
		}
	}
	if len(s.Seeds) == 0 {
		return settings.Wrong("seeds", "there are none; at least 1 is needed")
	}
	for i, seed := range s.Seeds {
		if slices.Contains(s.Seeds[:i], seed) {
			return settings.Wrong(fmt.Sprintf("seeds[%d]", i), "%d is there twice", seed)
		}
	}
	if s.Duration <= 0 {
		return settings.Wrong("duration", "%v is not a positive duration", s.Duration)
	}
	if s.Duration > maxDuration {
		return settings.Wrong("duration", "%v; at most %v can be simulated", s.Duration, maxDuration)
	}
	return nil
}

func (s *Scenario) validateSettings() error {
	set := s.Settings
	m, p, c := set.Migration, set.Protocol, set.Centralized
	for _, d := range []struct {
		key         string
		value       Duration
		least, most Duration
	}{
		{"latency", set.Latency, 0, maxDuration},
		{"sample", set.Sample, 1, maxDuration},
		{"monitor.period", set.Monitor.Period, minPeriod, maxDuration},
		{"monitor.hold", set.Monitor.Hold, 0, maxDuration},
		{"monitor.low_hold", set.Monitor.LowHold, 0, maxDuration},
		{"monitor.cooldown", set.Monitor.Cooldown, 0, maxDuration},
		{"protocol.lease", p.Lease, minPeriod, maxDuration},
		{"protocol.renew", p.Renew, minPeriod, maxDuration},
		{"protocol.collect", p.Collect, 1, maxDuration},
		{"protocol.solve_limit", p.SolveLimit, 1, maxDuration},
		{"protocol.action_limit", p.ActionLimit, 1, maxDuration},
		{"protocol.backoff_min", p.BackoffMin, 1, maxDuration},
		{"protocol.backoff_max", p.BackoffMax, 1, maxDuration},
		{"overlay.gossip", set.Overlay.Gossip, 10 * minPeriod, maxDuration},
		{"overlay.step", set.Overlay.Step, 0, maxDuration},
		{"centralized.period", c.Period, minPeriod, maxDuration},
		{"centralized.collect", c.Collect, 1, maxDuration},
		{"solver.step", set.Solver.Step, 0, maxStep},
		{"solver.fixed", set.Solver.Fixed, 0, maxDuration},
		{"network.latency", set.Network.Latency, 0, maxDuration},
		{"migration.downtime", m.Downtime, 1, maxDuration},
		{"migration.time_limit", m.TimeLimit, 0, maxDuration},
	} {
		if d.value < d.least || d.value > d.most {
			return settings.Wrong("settings."+d.key, "%v is not from %v to %v", d.value, d.least, d.most)
		}
	}
	least := (s.Duration-1)/maxSamples + 1
	if least > Duration(time.Second) {
		least = (least-1)/Duration(time.Second)*Duration(time.Second) + Duration(time.Second)
	}
	switch {
	case set.Sample < least:
		return settings.Wrong("settings.sample", "%v is too short for a run of %v; at least %v is needed", set.Sample, s.Duration, least)
	case set.Solver.Budget < 0 || set.Solver.Budget > maxBudget:
		return settings.Wrong("settings.solver.budget", "%d steps are not from 0 to %d", set.Solver.Budget, maxBudget)
	case m.WorkingSet < 0 || m.WorkingSet > 100:
		return settings.Wrong("settings.migration.working_set", "%v is not from 0%% to 100%%", m.WorkingSet)
	case m.MaxRounds < 1 || m.MaxRounds > maxRounds:
		return settings.Wrong("settings.migration.max_rounds", "%d is not from 1 to %d", m.MaxRounds, maxRounds)
	case m.MaxFactor < 1 || m.MaxFactor > maxRounds:
		return settings.Wrong("settings.migration.max_factor", "%d is not from 1 to %d", m.MaxFactor, maxRounds)
	case m.CPU < 0 || m.CPU > 100:
		return settings.Wrong("settings.migration.cpu", "%v is not from 0%% to 100%%", m.CPU)
	case !has(networkModels, set.Network.Model):
		return settings.Wrong("settings.network.model", "%q is not a model; the models are %s", set.Network.Model, listed(networkModels))
	case !has(remedies, m.Remedy):
		return settings.Wrong("settings.migration.remedy", "%q is not a remedy; the remedies are %s", m.Remedy, listed(remedies))
	}
	if err := set.monitor().Validate(); err != nil {
		return settingsError("settings.monitor.", err)
	}
	for _, c := range []struct {
		key     string
		collect Duration
	}{{"protocol", set.Protocol.Collect}, {"centralized", set.Centralized.Collect}} {
		if trip := s.longestTrip(); c.collect > 0 && c.collect <= 2*trip {
			return settings.Wrong("settings."+c.key+".collect", "%v is too short for an answer: a message takes %v each way", c.collect, trip)
		}
	}
	if err := set.protocol().Validate(); err != nil {
		return settingsError("settings.protocol.", err)
	}
	if err := set.overlay().Validate(); err != nil {
		return settingsError("settings.overlay.", err)
	}
	if err := set.centralized().Validate(); err != nil {
		return settingsError("settings.centralized.", err)
	}
	return nil
}

// settingsError makes a KeyError of an error that begins with the name of a
// setting, as those of the strategies do.
func settingsError(section string, err error) error {
	name, text, _ := strings.Cut(err.Error(), ": ")
	return &KeyError{Key: section + name, Err: errors.New(text)}
}

func (s Settings) monitor() monitor.Settings {
	m := s.Monitor
	share := func(p Percent) float64 { return float64(p) / 100 }
	return monitor.Settings{
		Period: time.Duration(m.Period), Threshold: share(m.Threshold), Memory: share(m.Memory), Clear: share(cmp.Or(m.Clear, m.Threshold)),
		Hold: time.Duration(m.Hold), Low: share(m.Low), LowHold: time.Duration(m.LowHold), Cooldown: time.Duration(m.Cooldown),
	}
}

func (s Settings) protocol() protocol.Settings {
	p := s.Protocol
	return protocol.Settings{
		Lease: time.Duration(p.Lease), Renew: time.Duration(p.Renew), Collect: time.Duration(p.Collect),
		SolveLimit: time.Duration(p.SolveLimit), ActionLimit: time.Duration(p.ActionLimit),
		BackoffMin: time.Duration(p.BackoffMin), BackoffMax: time.Duration(p.BackoffMax), Concurrent: p.Concurrent, Minimum: p.Minimum, Growth: p.Growth, Consolidation: p.Consolidation,
	}
}

func (s Settings) overlay() overlay.SpiralSettings {
	o := s.Overlay
	return overlay.SpiralSettings{View: o.View, Far: o.Far, Spiral: o.Spiral, Gossip: time.Duration(o.Gossip), Step: time.Duration(o.Step), Sample: o.Sample, Volume: o.Volume}
}

func (s Settings) centralized() strategy.CentralizedSettings {
	c := s.Centralized
	return strategy.CentralizedSettings{Period: time.Duration(c.Period), Collect: time.Duration(c.Collect), Concurrent: c.Concurrent}
}

func (s Settings) sim() sim.Settings {
	cpu := float64(s.Migration.CPU) / 100
	return sim.Settings{
		Network:   networkModels[s.Network.Model],
		Migration: sim.MigrationModel{Sending: cpu, Receiving: cpu},
	}
}

// policy returns how VMs are migrated.
func (s Settings) policy() sim.MigrationPolicy {
	m := s.Migration
	return sim.MigrationPolicy{
		MaxDowntime: sim.Of(time.Duration(m.Downtime)), Remedy: remedies[m.Remedy],
		MaxRounds: m.MaxRounds, MaxFactor: float64(m.MaxFactor), TimeLimit: sim.Of(time.Duration(m.TimeLimit)),
	}
}

func has[T any](known map[string]T, name string) bool {
	_, ok := known[name]
	return ok
}

// listed lists the names that can be chosen, for an error text.
func listed[T any](known map[string]T) string {
	return strings.Join(slices.Sorted(maps.Keys(known)), ", ")
}
