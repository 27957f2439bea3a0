package sim

// Power describes what a host draws. The zero Power draws nothing.
type Power struct {
	States []PowerState // by p-state; one may stand for all
	Off    Watts
	// Boot and Shutdown are what switching on and off takes.
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

type energy struct{ sim *Simulation }

// settle integrates what a host has drawn up to now. Whoever changes a host's
// load, p-state, availability or on/off calls it before.
func (e *energy) settle(h HostID) {}
