// Package plan turns one configuration of VMs into another by live
// migrations, in an order in which every one of them has room.
//
// Make finds the order. A migration is feasible when its target has room for
// the VM while the source still holds it. Feasible migrations go together in a
// step; when there are none and some are left, they wait for each other in a
// cycle, which is broken by a bypass: one VM is moved to a third node and
// later on to its place. A Runner carries a Plan out, one completed action
// after the other.
//
// Source: F. Hermenier, A. Lebre and J.-M. Menaud, "Cluster-wide context
// switch of virtualized jobs", VTDC 2010.
package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"

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

// StuckError says that some VMs wait for each other's room, and that no other
// node has room to let one of them pass.
type StuckError struct {
	VMs []string // the names of the VMs that wait, in the order of the configuration
	// Waiting are the same VMs, as indices into the configuration.
	Waiting []int32
	// Rules are the names of the rules that keep one of them from going where
	// there is room.
	Rules []string
}

func (e *StuckError) Error() string {
	if len(e.Rules) > 0 {
		return fmt.Sprintf("VMs %s wait for each other: rules %s leave them no order", some(e.VMs), some(e.Rules))
	}
	return fmt.Sprintf("VMs %s wait for each other, and no other node has room for one of them", some(e.VMs))
}

// Waiting returns the VMs that wait for each other if err is a *StuckError, or nil.
func Waiting(err error) []int32 {
	var stuck *StuckError
	if errors.As(err, &stuck) {
		return stuck.Waiting
	}
	return nil
}

// some lists the first names.
func some(names []string) string {
	const most = 8
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
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
