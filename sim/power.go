package sim

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Power describes what a host draws. The zero Power draws nothing.
//
// A host that is on draws Idle if it has no load, and otherwise
// Epsilon + u*(Full-Epsilon), where u is the part of its cores that is busy:
// its load over the speed of all cores in its p-state. A host whose
// availability is reduced is charged for what is simulated on it only.
type Power struct {
	States []PowerState // by p-state; one may stand for all
	Off    Watts
	// Boot and Shutdown are what switching on and off takes, see PowerUp.
	Boot, Shutdown Transition
}

// PowerState is what a host draws in a p-state.
type PowerState struct {
	Idle    Watts // without load
	Epsilon Watts // at the least load
	Full    Watts // with all cores busy
}

// Transition is a change between on and off that takes time and energy.
type Transition struct {
	Takes Seconds
	Draws Watts
}

// Energy returns what the transition costs.
func (t Transition) Energy() Joules { return Joules(float64(t.Takes) * float64(t.Draws)) }

// What known hosts draw.
var (
	// Taurus is a server of Grid'5000 in Lyon (two Xeon E5-2630, 12 cores) as
	// batsim describes it in cluster_energy_128: a boot costs 18,966 J and a
	// shutdown 616 J.
	Taurus = Power{
		States: []PowerState{{Idle: 95, Epsilon: 95, Full: 190.74}}, Off: 9.75,
		Boot: Transition{Takes: 151.5, Draws: 18966 / 151.5}, Shutdown: Transition{Takes: 6.1, Draws: 616 / 6.1},
	}
	// EnergyBoot is the host of SimGrid's example energy_boot; its authors call
	// the figures educated guesses.
	EnergyBoot = Power{
		States: []PowerState{{Idle: 95, Epsilon: 95, Full: 200}}, Off: 10,
		Boot: Transition{Takes: 150, Draws: 120}, Shutdown: Transition{Takes: 7, Draws: 110},
	}
	// Homogeneous is the host of batsim's energy_platform_homogeneous, which
	// boots at once.
	Homogeneous = Power{States: []PowerState{{Idle: 30, Epsilon: 30, Full: 100}}, Off: 9.75}
)

// BreakEven returns the shortest gap without load for which it pays to switch
// a host off and on again, in p-state 0: from then on, what it draws less
// while it is off outweighs what the transitions cost. It is never shorter
// than the transitions, and Forever if the host draws no less when it is off.
func (p Power) BreakEven() Seconds {
	saved := float64(p.state(0).Idle - p.Off)
	if saved <= 0 {
		return Forever
	}
	takes := p.Boot.Takes + p.Shutdown.Takes
	cost := float64(p.Boot.Energy()+p.Shutdown.Energy()) - float64(float64(p.Off)*float64(takes))
	return max(takes, Seconds(cost/saved))
}

// state returns what is drawn in a p-state.
func (p *Power) state(pstate int) PowerState {
	switch len(p.States) {
	case 0:
		return PowerState{}
	case 1:
		return p.States[0]
	}
	return p.States[pstate]
}

// at returns what is drawn at a load, both over all cores.
func (p PowerState) at(load, capacity Speed) Watts {
	if load <= 0 && capacity > 0 {
		return p.Idle
	}
	u := 1.0 // also in a p-state without speed, which models a boot
	if load < capacity {
		u = float64(load / capacity)
	}
	return p.Epsilon + Watts(u*float64(p.Full-p.Epsilon))
}

// draws reports whether there is anything to account for.
func (p *Power) draws() bool {
	return len(p.States) > 0 || p.Off > 0 || p.Boot.Draws > 0 || p.Shutdown.Draws > 0
}

func (p *Power) validate(pstates int) error {
	if n := len(p.States); n > 1 && n != pstates {
		return fmt.Errorf("power of %d p-states, but there are %d; give one, or one each", n, pstates)
	}
	for i, state := range p.States {
		if !drawable(state.Idle) || !drawable(state.Epsilon) || !drawable(state.Full) {
			return fmt.Errorf("power of p-state %d is %v:%v:%v W; each must be 0 or more",
				i, float64(state.Idle), float64(state.Epsilon), float64(state.Full))
		}
	}
	if !drawable(p.Off) {
		return fmt.Errorf("draws %v W when off; 0 or more is needed", float64(p.Off))
	}
	if err := p.Boot.validate(); err != nil {
		return fmt.Errorf("boot: %w", err)
	}
	if err := p.Shutdown.validate(); err != nil {
		return fmt.Errorf("shutdown: %w", err)
	}
	return nil
}

func (t Transition) validate() error {
	if !(t.Takes >= 0) || math.IsInf(float64(t.Takes), 1) {
		return fmt.Errorf("takes %v s; 0 or more is needed", float64(t.Takes))
	}
	if !drawable(t.Draws) {
		return fmt.Errorf("draws %v W; 0 or more is needed", float64(t.Draws))
	}
	return nil
}

func drawable(w Watts) bool { return w >= 0 && !math.IsInf(float64(w), 1) }

// ParsePower reads what SimGrid's energy plugin reads: states is the property
// wattage_per_state, "idle:epsilon:full" in watts for each p-state, separated
// by commas; "idle:full" means that epsilon is idle. off is the property
// wattage_off; if it is empty, a host draws nothing when it is off.
func ParsePower(states, off string) (Power, error) {
	var p Power
	for i, text := range strings.Split(states, ",") {
		state, err := parsePowerState(text)
		if err != nil {
			return Power{}, fmt.Errorf("power %q of p-state %d: %w", strings.TrimSpace(text), i, err)
		}
		p.States = append(p.States, state)
	}
	if strings.TrimSpace(off) != "" {
		var err error
		if p.Off, err = parseWatts(off); err != nil {
			return Power{}, fmt.Errorf("power when off: %w", err)
		}
	}
	return p, nil
}

func parsePowerState(text string) (PowerState, error) {
	var watts []Watts
	for _, field := range strings.Split(text, ":") {
		w, err := parseWatts(field)
		if err != nil {
			return PowerState{}, err
		}
		watts = append(watts, w)
	}
	switch len(watts) {
	case 2:
		return PowerState{Idle: watts[0], Epsilon: watts[0], Full: watts[1]}, nil
	case 3:
		return PowerState{Idle: watts[0], Epsilon: watts[1], Full: watts[2]}, nil
	}
	return PowerState{}, fmt.Errorf("has %d values; write idle:epsilon:full or idle:full, in watts", len(watts))
}

func parseWatts(text string) (Watts, error) {
	text = strings.TrimSpace(text)
	w, err := strconv.ParseFloat(text, 64)
	if err != nil || !drawable(Watts(w)) {
		return 0, fmt.Errorf("%q is no number of watts; write 0 or more, as in 95.5", text)
	}
	return Watts(w), nil
}
