// Package plan turns one configuration of VMs into another, by actions in an order
// in which every one of them has room.
//
// # Steps
//
// An action migrates, suspends, resumes, runs or stops a VM. One by which a VM
// arrives is feasible when its target has room for the VM while the sources of
// all others still hold theirs; one by which it leaves always is. Feasible actions go
// together in a step. When there are none and some are left, VMs wait for each
// other in a cycle, which is broken by a bypass: one of them is moved to a third
// node and later on to its place. All cycles are broken at once, as far as there is
// room. If no bypass is possible a VM that is to stay steps aside and comes back, or one of the
// cycle is suspended and resumed, where that is allowed.
//
// Make finds a plan of migrations; Switch finds one of all kinds of actions that keeps
// rules, and tries to make its cost, equation (1) of [1], small.
//
// # Finer than steps
//
// An action need not wait for the whole step before its own: Action.After names what
// has to end first, and a Runner goes by that. Stages splits suspends and resumes
// into pauses, writes, reads and unpauses, so that the VMs of a vjob miss each other
// for a moment only. Timed estimates when each action starts and ends, and looks for a
// short schedule.
//
// # Rules
//
// A rule that holds throughout is kept in every order of events that After allows; an
// Among that is broken at the start is only step by step, as VMs that leave early may mend
// it for a moment. The
// hot path knows nothing of rules: they are compiled to a few arrays by VM and by node
// (rulebook), and a keeper follows what happens on them.
//
// # Sources
//
//	[1] F. Hermenier, A. Lebre and J.-M. Menaud, "Cluster-wide context switch of
//	    virtualized jobs", VTDC 2010; chapter 2 of the thesis behind DVMS.
//	[2] F. Hermenier et al., "Entropy: a consolidation manager for clusters", VEE 2009.
//	[3] C. Clark et al., "Live Migration of Virtual Machines", NSDI 2005.
//
// # What differs from the source
//
// In [1] one cycle is broken at a time, by any VM and node. Here all are, and what is
// chosen is what costs least, as far as a bounded search finds out.
package plan

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// Kind is what an action does with its VM.
type Kind uint8

// The kinds of actions. All but migrations change the state of the VM (the
// thesis behind DVMS, Figure 3).
const (
	Migrate Kind = iota // live, from one node to another
	Suspend             // its memory is written to an image
	Resume              // from its image
	Run                 // it boots
	Stop                // it is shut down, or its image is deleted
)

var kindNames = []string{"migrate", "suspend", "resume", "run", "stop"}

func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText returns the name of a kind.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads the name of a kind.
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames, string(text))
	if i < 0 {
		return fmt.Errorf("%q is not an action; there are migrate, suspend, resume, run and stop", text)
	}
	*k = Kind(i)
	return nil
}

// Arrives reports whether the VM runs on the target after an action of kind k.
func (k Kind) Arrives() bool { return k == Migrate || k == Resume || k == Run }

// Leaves reports whether the VM may run on the source before an action of kind k:
// it does before a migration or suspend, and may before a stop.
func (k Kind) Leaves() bool { return k == Migrate || k == Suspend || k == Stop }

// Action is what is done with one VM.
type Action struct {
	Kind Kind
	VM   cluster.VMID
	// Source and Target are where a migration begins and ends. A suspend has the
	// node that the VM runs on as both, and a run the one that it starts on. The
	// source of a resume is the node that holds the image. A stop has the node that the
	// VM runs on, or that holds its image, as both; a VM that waits needs no action
	// to be terminated. If all nodes reach an image alike, Source is Target.
	Source cluster.NodeID
	Target cluster.NodeID
	Memory cluster.Bytes // the size of the VM
	// Bypass marks an action that does not bring the VM to its goal, but breaks a
	// cycle: a migration to another node, or a suspend of a VM that is resumed later.
	Bypass bool
	// Step is the step of the plan that the action belongs to, from 0.
	Step int
	// After lists the actions, as indices into Plan.Actions, that must have
	// ended before this one starts.
	After []int
}

// Plan is a sequence of steps; the actions of a step run in parallel.
//
// Invariant: Actions are in ascending order of Step, and Action.After names
// only actions of earlier steps.
type Plan struct {
	Actions []Action
	// Warnings say, for a person, what the plan does that its goal did not ask for.
	Warnings []string
}

// Steps returns the actions step by step, as parts of p.Actions.
func (p *Plan) Steps() [][]Action {
	var steps [][]Action
	for start := 0; start < len(p.Actions); {
		end := start + 1
		for end < len(p.Actions) && p.Actions[end].Step == p.Actions[start].Step {
			end++
		}
		steps = append(steps, p.Actions[start:end:end])
		start = end
	}
	return steps
}
