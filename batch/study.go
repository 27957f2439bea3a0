package batch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
)

// Study is all that decides a run, but for the policy, of which it lists those
// to run.
type Study struct {
	Name     string   `yaml:"name"`
	Nodes    Nodes    `yaml:"nodes"`
	VJobs    []VJob   `yaml:"vjobs"` // in the order of the queue; all are submitted at once
	Actions  Actions  `yaml:"actions"`
	Loop     Loop     `yaml:"loop"`
	Policies []string `yaml:"policies"`
	Seed     uint64   `yaml:"seed"` // of the instants at which sensors look

	from *settings.File // nil if it was not read from a file
}

// KeyError is a value that can't be used, and where it is.
type KeyError = settings.KeyError

// Nodes are the machines; all are alike.
type Nodes struct {
	Count    int           `yaml:"count"`
	CPUs     int           `yaml:"cpus"`
	Memory   cluster.Bytes `yaml:"memory"`
	Reserved cluster.Bytes `yaml:"reserved"` // of the memory, for the hypervisor
}

// Capacity is what a node has for VMs.
func (n Nodes) Capacity() cluster.Resources {
	return cluster.Of(cluster.Millicores(n.CPUs)*cluster.Core, n.Memory-n.Reserved)
}

// VJob is an application on VMs that are all alike, one for each task of its
// graph.
type VJob struct {
	Name     string            `yaml:"name"`
	Graph    string            `yaml:"graph"`
	Memory   cluster.Bytes     `yaml:"memory"`   // of each VM
	Alone    settings.Duration `yaml:"alone"`    // how long it computes if it gets every CPU that it wants
	Estimate settings.Duration `yaml:"estimate"` // its user's, from first run to last stop; 0 if that is right
}

// Loop is the control loop of the policies that look again.
type Loop struct {
	Monitor settings.Duration `yaml:"monitor"` // between two looks of a node's sensor
	Compute settings.Duration `yaml:"compute"` // from a decision to change something to its first action
	Period  settings.Duration `yaml:"period"`  // between two rounds
}

// Default returns the cluster and the durations of [2]. docs/vjobs.md says where
// each of the figures comes from. It has no vjobs.
func Default() Study {
	second := settings.Duration(time.Second)
	return Study{
		Name:     "vjobs",
		Nodes:    Nodes{Count: 11, CPUs: 2, Memory: 4 * cluster.GiB, Reserved: 512 * cluster.MiB},
		Actions:  Actions{Run: 6 * second, Stop: 25 * second, Migrate: 19 * second, Suspend: 19 * second, Resume: 19 * second},
		Loop:     Loop{Monitor: 10 * second, Compute: 20 * second, Period: 10 * second},
		Policies: slices.Clone(Policies),
		Seed:     1,
	}
}

// Parse reads a study. What the file does not say is as in Default, but for the
// name, which is the file's. Errors are of type *KeyError.
func Parse(file string, data []byte) (Study, error) {
	s := Default()
	s.Name = settings.Stem(file)
	var err error
	if s.from, err = settings.Load(file, data, &s, "examples/vjobs/thesis.yaml"); err != nil {
		return s, err
	}
	return s, s.Validate()
}

// The largest sizes; more is surely a slip of the pen.
const (
	maxName   = 100
	maxNodes  = 200
	maxCPUs   = 1024
	maxVJobs  = 100
	maxMemory = 1024 * cluster.TiB
	maxTime   = settings.Duration(24 * time.Hour)
	minTime   = settings.Duration(100 * time.Millisecond)
)

// Validate returns a *KeyError that names the first value that can't be
// used.
func (s *Study) Validate() error {
	for _, part := range []func() error{s.validateNodes, s.validateVJobs, s.validateTimes, s.validatePolicies} {
		if err := part(); err != nil {
			return s.from.Locate(err)
		}
	}
	return nil
}

func (s *Study) validateNodes() error {
	n := s.Nodes
	switch {
	case s.Name == "" || len(s.Name) > maxName || strings.ContainsFunc(s.Name, func(r rune) bool { return r < ' ' }):
		return settings.Wrong("name", "%.120q is not a name; it may have 1 to %d printable characters", s.Name, maxName)
	case n.Count < 1 || n.Count > maxNodes:
		return settings.Wrong("nodes.count", "%d nodes are not from 1 to %d", n.Count, maxNodes)
	case n.CPUs < 1 || n.CPUs > maxCPUs:
		return settings.Wrong("nodes.cpus", "%d CPUs are not from 1 to %d", n.CPUs, maxCPUs)
	case n.Memory <= 0 || n.Memory > maxMemory:
		return settings.Wrong("nodes.memory", "%v is not more than nothing and at most %v", n.Memory, maxMemory)
	case n.Reserved < 0 || n.Reserved >= n.Memory:
		return settings.Wrong("nodes.reserved", "%v of %v leaves nothing for VMs", n.Reserved, n.Memory)
	}
	return nil
}

func (s *Study) validateVJobs() error {
	if len(s.VJobs) == 0 || len(s.VJobs) > maxVJobs {
		return settings.Wrong("vjobs", "%d vjobs are not from 1 to %d", len(s.VJobs), maxVJobs)
	}
	names := map[string]bool{}
	for i, j := range s.VJobs {
		key := fmt.Sprintf("vjobs[%d].", i)
		switch {
		case j.Name == "" || len(j.Name) > maxName || strings.ContainsFunc(j.Name, func(r rune) bool { return r < ' ' }):
			return settings.Wrong(key+"name", "%.120q is not a name; it may have 1 to %d printable characters", j.Name, maxName)
		case names[j.Name]:
			return settings.Wrong(key+"name", "%q is there twice", j.Name)
		case !slices.Contains(Graphs, j.Graph):
			return settings.Wrong(key+"graph", "%q is not a graph of tasks; the graphs are %s", j.Graph, strings.Join(Graphs, ", "))
		case j.Memory <= 0:
			return settings.Wrong(key+"memory", "%v is not more than nothing", j.Memory)
		case j.Alone < minTime || j.Alone > maxTime:
			return settings.Wrong(key+"alone", "%v is not from %v to %v", j.Alone, minTime, maxTime)
		case j.Estimate < 0 || j.Estimate > maxTime:
			return settings.Wrong(key+"estimate", "%v is not from 0s to %v", j.Estimate, maxTime)
		}
		names[j.Name] = true
		// A vjob that does not even fit an empty cluster would wait for ever.
		if Walk(s.capacities(), [][]cluster.Resources{s.reserved(i)})[0] == nil {
			return settings.Wrong(key+"memory", "%d VMs of a CPU and %v do not fit on %d nodes with %d CPUs and %v for VMs",
				tasksPerGraph, j.Memory, s.Nodes.Count, s.Nodes.CPUs, s.Nodes.Memory-s.Nodes.Reserved)
		}
	}
	return nil
}

func (s *Study) validateTimes() error {
	for _, t := range []struct {
		key   string
		value settings.Duration
		least settings.Duration
	}{
		{"actions.run", s.Actions.Run, 0},
		{"actions.stop", s.Actions.Stop, 0},
		{"actions.migrate", s.Actions.Migrate, 0},
		{"actions.suspend", s.Actions.Suspend, 0},
		{"actions.resume", s.Actions.Resume, 0},
		{"loop.monitor", s.Loop.Monitor, minTime},
		{"loop.compute", s.Loop.Compute, 0},
		{"loop.period", s.Loop.Period, minTime},
	} {
		if t.value < t.least || t.value > maxTime {
			return settings.Wrong(t.key, "%v is not from %v to %v", t.value, t.least, maxTime)
		}
	}
	return nil
}

func (s *Study) validatePolicies() error {
	if len(s.Policies) == 0 {
		return settings.Wrong("policies", "there are none; the policies are %s", strings.Join(Policies, ", "))
	}
	for i, name := range s.Policies {
		if !slices.Contains(Policies, name) {
			return settings.Wrong(fmt.Sprintf("policies[%d]", i), "%q is not a policy; the policies are %s", name, strings.Join(Policies, ", "))
		}
		if slices.Contains(s.Policies[:i], name) {
			return settings.Wrong(fmt.Sprintf("policies[%d]", i), "%s is there twice", name)
		}
	}
	return nil
}

// capacities returns what each node has for VMs.
func (s *Study) capacities() []cluster.Resources {
	all := make([]cluster.Resources, s.Nodes.Count)
	for n := range all {
		all[n] = s.Nodes.Capacity()
	}
	return all
}

// reserved returns what each VM of a vjob would have for itself: a CPU, and its
// memory.
func (s *Study) reserved(j int) []cluster.Resources {
	return slices.Repeat([]cluster.Resources{cluster.Of(cluster.Core, s.VJobs[j].Memory)}, tasksPerGraph)
}

// estimate returns for how long a user says that a vjob runs.
func (s *Study) estimate(j int) time.Duration {
	if e := s.VJobs[j].Estimate; e > 0 {
		return time.Duration(e)
	}
	return time.Duration(s.Actions.Run + s.VJobs[j].Alone + s.Actions.Stop)
}

// Draw returns a study like s whose vjobs come in another order, have each
// other's memory, and compute for half to one and a half times as long. It
// depends on the seed alone.
func (s *Study) Draw(seed uint64) Study {
	rng := rand.New(rand.NewPCG(seed, 0))
	drawn := *s
	drawn.from, drawn.Seed = nil, seed
	drawn.VJobs = slices.Clone(s.VJobs)
	rng.Shuffle(len(drawn.VJobs), func(a, b int) {
		drawn.VJobs[a].Memory, drawn.VJobs[b].Memory = drawn.VJobs[b].Memory, drawn.VJobs[a].Memory
	})
	rng.Shuffle(len(drawn.VJobs), func(a, b int) {
		drawn.VJobs[a], drawn.VJobs[b] = drawn.VJobs[b], drawn.VJobs[a]
	})
	for i := range drawn.VJobs {
		j := &drawn.VJobs[i]
		j.Alone = max(j.Alone/2+settings.Duration(rng.Int64N(int64(j.Alone)+1)), minTime)
		j.Estimate = 0
	}
	return drawn
}
