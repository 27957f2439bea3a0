package experiment

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/monitor"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/sim"
	"github.com/dvms-project/dvms/strategy"
)

// Scenario is all that decides a run, but for the strategy and the seed, of
// which it lists those to run.
type Scenario struct {
	Name       string   `yaml:"name"`
	Hosts      Hosts    `yaml:"hosts"`
	VMs        VMs      `yaml:"vms"`
	Workload   Workload `yaml:"workload"`
	Strategies []string `yaml:"strategies"`
	Seeds      []uint64 `yaml:"seeds"`
	Duration   Duration `yaml:"duration"`
	Settings   Settings `yaml:"settings"`
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
	Latency     Duration            `yaml:"latency"` // of a message between two nodes
	Sample      Duration            `yaml:"sample"`  // between two records of the load
	Monitor     MonitorSettings     `yaml:"monitor"`
	Protocol    ProtocolSettings    `yaml:"protocol"`
	Centralized CentralizedSettings `yaml:"centralized"`
	Solver      SolverSettings      `yaml:"solver"`
	Migration   MigrationSettings   `yaml:"migration"`
}

// MonitorSettings are those of package monitor.
type MonitorSettings struct {
	Period    Duration `yaml:"period"`
	Threshold Percent  `yaml:"threshold"`
}

// ProtocolSettings are those of package protocol.
type ProtocolSettings struct {
	Lease       Duration `yaml:"lease"`
	Renew       Duration `yaml:"renew"`
	Collect     Duration `yaml:"collect"`
	SolveLimit  Duration `yaml:"solve_limit"`
	ActionLimit Duration `yaml:"action_limit"`
	BackoffMin  Duration `yaml:"backoff_min"`
	BackoffMax  Duration `yaml:"backoff_max"`
	Concurrent  int      `yaml:"concurrent"`
	Minimum     int      `yaml:"minimum"`
}

// CentralizedSettings are those of the centralized strategy.
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

// MigrationSettings are those of live migration in package sim.
type MigrationSettings struct {
	Latency    Duration `yaml:"latency"`     // of each transfer
	Downtime   Duration `yaml:"downtime"`    // aimed at
	WorkingSet Percent  `yaml:"working_set"` // of the memory, at most dirty in one round
	MaxRounds  int      `yaml:"max_rounds"`
	MaxFactor  int      `yaml:"max_factor"`
}

// Default returns the built-in comparison: the reference workload of the
// field [1] on 64 hosts.
func Default() Scenario {
	p, c, m := protocol.Defaults(), strategy.CentralizedDefaults(), sim.DefaultSettings()
	law := injector.Reference()
	return Scenario{
		Name: "reference-64",
		Hosts: Hosts{
			Count: 64, Cores: 8, Usable: 7 * cluster.Core,
			Memory: 32 * cluster.GiB, Network: cluster.Gigabit,
		},
		VMs:        VMs{Count: 640, Classes: defaultClasses()},
		Workload:   Workload{"vmplaces", Percent(law.Mean), Percent(law.SD), Duration(law.Period), law.Slots, "zero", "", "spread"},
		Strategies: slices.Clone(Strategies),
		Seeds:      []uint64{23},
		Duration:   Duration(law.Duration),
		Settings: Settings{
			Latency: Duration(time.Millisecond),
			Sample:  Duration(10 * time.Second),
			Monitor: MonitorSettings{Duration(monitor.Defaults().Period), Percent(100 * monitor.Defaults().Threshold)},
			Protocol: ProtocolSettings{
				Duration(p.Lease), Duration(p.Renew), Duration(p.Collect), Duration(p.SolveLimit),
				Duration(p.ActionLimit), Duration(p.BackoffMin), Duration(p.BackoffMax), p.Concurrent, p.Minimum,
			},
			Centralized: CentralizedSettings{Duration(c.Period), Duration(c.Collect), c.Concurrent},
			Solver:      SolverSettings{Budget: 10_000, Step: Duration(time.Microsecond)},
			Migration: MigrationSettings{
				Duration(m.Latency), Duration(m.Downtime), Percent(100 * m.WorkingSet), m.MaxRounds, m.MaxFactor,
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
type KeyError struct {
	File string // empty if the value comes from elsewhere
	Line int    // 0 if the file does not have the key
	Key  string // as in hosts.count
	Err  error
}

func (e *KeyError) Error() string {
	var where []string
	if e.File != "" {
		where = append(where, e.File)
	}
	if e.Line > 0 {
		where = append(where, "line "+strconv.Itoa(e.Line))
	}
	if e.Key != "" {
		where = append(where, e.Key)
	}
	return strings.Join(where, ": ") + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *KeyError) Unwrap() error { return e.Err }

// Parse reads a scenario. What the file does not say is as in Default, but for
// the name, which is the file's, and the usable cores, which are all if the
// file says how many there are. Errors are of type *KeyError.
func Parse(file string, data []byte) (Scenario, error) {
	s := Default()
	s.Name = strings.TrimSuffix(strings.TrimSuffix(file[strings.LastIndexByte(file, '/')+1:], ".yaml"), ".yml")
	if len(strings.TrimSpace(string(data))) == 0 {
		return s, &KeyError{File: file, Err: errors.New("the file is empty; examples/one-rack.yaml is one to start from")}
	}
	if err := yaml.Load(data, &s, yaml.WithKnownFields()); err != nil {
		return s, yamlError(file, err)
	}
	if find(data, "hosts.cores") != nil && find(data, "hosts.usable") == nil {
		s.Hosts.Usable = 0
	}
	if err := s.Validate(); err != nil {
		var bad *KeyError
		if errors.As(err, &bad) {
			bad.File, bad.Line = file, lineOf(data, bad.Key)
		}
		return s, err
	}
	return s, nil
}

// yamlError turns the first complaint of the YAML library into a KeyError.
func yamlError(file string, err error) error {
	var first *yaml.LoadError
	if !errors.As(err, &first) {
		return &KeyError{File: file, Err: err}
	}
	return &KeyError{File: file, Line: first.Mark.Line, Err: errors.New(first.Message)}
}

// find returns the value of a key such as hosts.count or
// vms.classes[1].memory in a YAML document, or nil.
func find(data []byte, key string) *yaml.Node {
	var doc yaml.Node
	if yaml.Load(data, &doc) != nil || len(doc.Content) == 0 {
		return nil
	}
	node := doc.Content[0]
	for _, part := range keyParts(key) {
		if node = child(node, part); node == nil {
			return nil
		}
	}
	return node
}

// lineOf returns the line of a key, or of the nearest one above it that is
// there, or 0.
func lineOf(data []byte, key string) int {
	for parts := keyParts(key); len(parts) > 0; parts = parts[:len(parts)-1] {
		if node := find(data, strings.Join(parts, ".")); node != nil {
			return node.Line
		}
	}
	return 0
}

func keyParts(key string) []string {
	return strings.FieldsFunc(key, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
}

// child returns the value of a key, or the element at an index, or nil.
func child(n *yaml.Node, key string) *yaml.Node {
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			if n.Content[i].Value == key {
				return n.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i < len(n.Content) {
			return n.Content[i]
		}
	default:
	}
	return nil
}

func wrong(key, format string, args ...any) error {
	return &KeyError{Key: key, Err: fmt.Errorf(format, args...)}
}

// Validate returns a *KeyError that names the first value that can't be used.
func (s *Scenario) Validate() error {
	return cmpOr(s.validateHosts(), s.validateVMs(), s.validateWorkload(), s.validateRuns(), s.validateSettings())
}

func cmpOr(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Scenario) validateHosts() error {
	h := s.Hosts
	switch {
	case h.Count < 1:
		return wrong("hosts.count", "%d hosts; at least 1 is needed", h.Count)
	case h.Count > maxHosts:
		return wrong("hosts.count", "%d hosts; at most %d can be simulated", h.Count, maxHosts)
	case h.Cores < 1:
		return wrong("hosts.cores", "%d cores; at least 1 is needed", h.Cores)
	case h.Usable < 0 || h.Usable > cluster.Millicores(h.Cores)*cluster.Core:
		return wrong("hosts.usable", "%v of %d cores can't be used by VMs", h.Usable, h.Cores)
	case h.Memory <= 0:
		return wrong("hosts.memory", "%v of memory is not positive", h.Memory)
	case h.Network <= 0:
		return wrong("hosts.network", "a link of %v is not positive", h.Network)
	}
	return nil
}

// The largest sizes; more is surely a slip of the pen.
const (
	maxHosts = 10_000_000
	maxVMs   = 100_000_000
)

func (s *Scenario) validateVMs() error {
	if s.VMs.Count < 1 {
		return wrong("vms.count", "%d VMs; at least 1 is needed", s.VMs.Count)
	}
	if s.VMs.Count > maxVMs {
		return wrong("vms.count", "%d VMs; at most %d can be simulated", s.VMs.Count, maxVMs)
	}
	if len(s.VMs.Classes) == 0 {
		return wrong("vms.classes", "there are none; at least 1 is needed")
	}
	for i, c := range s.VMs.Classes {
		key := fmt.Sprintf("vms.classes[%d].", i)
		switch {
		case c.VCPUs < 1:
			return wrong(key+"vcpus", "%d vCPUs; at least 1 is needed", c.VCPUs)
		case int(c.VCPUs) > s.Hosts.Cores:
			return wrong(key+"vcpus", "%d vCPUs, and hosts have %d cores", c.VCPUs, s.Hosts.Cores)
		case c.Memory <= 0:
			return wrong(key+"memory", "%v of memory is not positive", c.Memory)
		case c.Memory > s.Hosts.Memory:
			return wrong(key+"memory", "a VM of %v has no room on hosts of %v", c.Memory, s.Hosts.Memory)
		}
	}
	if s.Workload.Law != "bitbrains" { // whose VMs bring their own memory
		least := slices.MinFunc(s.VMs.Classes, func(a, b Class) int { return int(a.Memory - b.Memory) }).Memory
		perHost := int64(s.Hosts.Memory / least)
		if int64(s.VMs.Count) > perHost*int64(s.Hosts.Count) {
			return wrong("vms.count", "%d VMs of at least %v need more memory than %d hosts of %v have", s.VMs.Count, least, s.Hosts.Count, s.Hosts.Memory)
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
		return wrong("workload.law", "%q is not a law; the laws are %s", w.Law, strings.Join(Laws, ", "))
	case w.recorded() && w.Traces == "":
		return wrong("workload.traces", "the directory of the %s traces is missing", w.Law)
	case w.Phases != "spread" && w.Phases != "together":
		return wrong("workload.phases", "%q is neither spread nor together", w.Phases)
	case w.Start != "zero" && w.Start != "mean":
		return wrong("workload.start", "%q is neither zero nor mean", w.Start)
	case w.Mean < 0 || w.Mean > 100:
		return wrong("workload.mean", "%v is not from 0%% to 100%%", w.Mean)
	case w.SD < 0:
		return wrong("workload.sd", "%v is negative", w.SD)
	case w.Period <= 0:
		return wrong("workload.period", "%v is not a positive duration", w.Period)
	case w.Slots < 1 || w.Slots > 100:
		return wrong("workload.slots", "%d steps of load are not from 1 to 100", w.Slots)
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
		return wrong("strategies", "there are none; the strategies are %s", strings.Join(Strategies, ", "))
	}
	for i, name := range s.Strategies {
		if !slices.Contains(Strategies, name) {
			return wrong(fmt.Sprintf("strategies[%d]", i), "%q is not a strategy; the strategies are %s", name, strings.Join(Strategies, ", "))
		}
		if slices.Contains(s.Strategies[:i], name) {
			return wrong(fmt.Sprintf("strategies[%d]", i), "%s is there twice", name)
		}
	}
	if len(s.Seeds) == 0 {
		return wrong("seeds", "there are none; at least 1 is needed")
	}
	for i, seed := range s.Seeds {
		if slices.Contains(s.Seeds[:i], seed) {
			return wrong(fmt.Sprintf("seeds[%d]", i), "%d is there twice", seed)
		}
	}
	if s.Duration <= 0 {
		return wrong("duration", "%v is not a positive duration", s.Duration)
	}
	return nil
}

func (s *Scenario) validateSettings() error {
	set := s.Settings
	switch {
	case set.Latency < 0:
		return wrong("settings.latency", "%v is negative", set.Latency)
	case set.Sample <= 0:
		return wrong("settings.sample", "%v is not a positive duration", set.Sample)
	case set.Solver.Budget < 0:
		return wrong("settings.solver.budget", "%d steps are negative", set.Solver.Budget)
	case set.Solver.Step < 0:
		return wrong("settings.solver.step", "%v is negative", set.Solver.Step)
	case set.Solver.Fixed < 0:
		return wrong("settings.solver.fixed", "%v is negative", set.Solver.Fixed)
	case set.Migration.Latency < 0:
		return wrong("settings.migration.latency", "%v is negative", set.Migration.Latency)
	case set.Migration.Downtime < 0:
		return wrong("settings.migration.downtime", "%v is negative", set.Migration.Downtime)
	case set.Migration.WorkingSet < 0 || set.Migration.WorkingSet > 100:
		return wrong("settings.migration.working_set", "%v is not from 0%% to 100%%", set.Migration.WorkingSet)
	case set.Migration.MaxRounds < 0:
		return wrong("settings.migration.max_rounds", "%d is negative", set.Migration.MaxRounds)
	case set.Migration.MaxFactor < 0:
		return wrong("settings.migration.max_factor", "%d is negative", set.Migration.MaxFactor)
	}
	if err := set.monitor().Validate(); err != nil {
		return settingsError("settings.monitor.", err)
	}
	if err := set.protocol().Validate(); err != nil {
		return settingsError("settings.protocol.", err)
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
	return monitor.Settings{Period: time.Duration(s.Monitor.Period), Threshold: float64(s.Monitor.Threshold) / 100}
}

func (s Settings) protocol() protocol.Settings {
	p := s.Protocol
	return protocol.Settings{
		Lease: time.Duration(p.Lease), Renew: time.Duration(p.Renew), Collect: time.Duration(p.Collect),
		SolveLimit: time.Duration(p.SolveLimit), ActionLimit: time.Duration(p.ActionLimit),
		BackoffMin: time.Duration(p.BackoffMin), BackoffMax: time.Duration(p.BackoffMax), Concurrent: p.Concurrent, Minimum: p.Minimum,
	}
}

func (s Settings) centralized() strategy.CentralizedSettings {
	c := s.Centralized
	return strategy.CentralizedSettings{Period: time.Duration(c.Period), Collect: time.Duration(c.Collect), Concurrent: c.Concurrent}
}

func (s Settings) sim() sim.Settings {
	m := s.Migration
	return sim.Settings{
		Latency: time.Duration(m.Latency), Downtime: time.Duration(m.Downtime),
		WorkingSet: float64(m.WorkingSet) / 100, MaxRounds: m.MaxRounds, MaxFactor: m.MaxFactor,
	}
}
