package sim

import "fmt"

// Simulation is a data centre and its clock. It belongs to one goroutine.
type Simulation struct {
	settings Settings

	now     Seconds
	events  uint64
	queue   queue
	stopped bool
	err     error

	machines   machines // hosts, VMs and executions
	network    network
	disks      disks
	operations operations // boots, shutdowns, saves and restores
	migrations migrations
	energy     energy
	processes  processes
}

// Settings are the constants of the models.
type Settings struct {
	// Law says which laws the models follow where SimGrid's are wrong.
	Law Law
	// Network are the constants of the network model.
	Network NetworkModel
	// Migration says what migrations cost hosts, and how many there may be.
	Migration MigrationModel
	// Check switches on the invariants: each event is followed by a check of
	// what it touched, and a violation ends the run.
	Check bool
}

// Law says which laws the models follow.
type Law uint8

const (
	// Right is the default. A VM's share of its host follows what its tasks
	// can use (it is work-conserving), fat pipes are max-min, what was
	// suspended resumes as it was, and what moves computes at the speed of
	// where it is.
	Right Law = iota
	// Original follows SimGrid 3.32 where it differs and is deterministic
	// about it. It is there to compare with published results.
	Original
)

// NetworkModel are the constants of the network model, see [CM02] and [LV08].
type NetworkModel struct {
	Name            string
	LatencyFactor   float64
	BandwidthFactor float64
	WeightS         float64 // of 1/bandwidth in a flow's penalty, in bytes
	Gamma           float64 // of the TCP window, in bytes; 0 means no limit
	CrossTraffic    bool    // 5 % of a flow weigh on the way back
}

// The network models of SimGrid, and the one of the VMPlaceS experiments.
var (
	CM02     = NetworkModel{Name: "CM02", LatencyFactor: 1, BandwidthFactor: 1, Gamma: 4194304, CrossTraffic: true}
	LV08     = NetworkModel{Name: "LV08", LatencyFactor: 13.01, BandwidthFactor: 0.97, WeightS: 20537, Gamma: 4194304, CrossTraffic: true}
	VMPlaceS = NetworkModel{Name: "VMPlaceS", LatencyFactor: 13.01, BandwidthFactor: 0.88, WeightS: 20537, Gamma: 6e6, CrossTraffic: true}
)

// DefaultSettings returns the settings of New: the right laws, and LV08.
func DefaultSettings() Settings { return Settings{Network: LV08} }

// New returns an empty simulation at date 0 with the default settings.
func New() *Simulation {
	s, err := NewWith(DefaultSettings())
	if err != nil {
		panic(err)
	}
	return s
}

// NewWith returns an empty simulation at date 0, or an error that names the
// setting that makes no sense.
func NewWith(settings Settings) (*Simulation, error) {
	if err := settings.Network.validate(); err != nil {
		return nil, fmt.Errorf("sim: network model %q: %w", settings.Network.Name, err)
	}
	if err := settings.Migration.validate(); err != nil {
		return nil, fmt.Errorf("sim: migration model: %w", err)
	}
	s := &Simulation{settings: settings}
	s.network.sim = s
	s.disks.sim = s
	s.operations.sim = s
	s.migrations.sim = s
	s.energy.sim = s
	s.processes.sim = s
	s.machines.sim = s
	return s, nil
}

// Settings returns the constants of the simulation's models.
func (s *Simulation) Settings() Settings { return s.settings }
