package plan

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

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

// stuck names the VMs that wait, and the rules that keep them from going where
// there is room.
func (m *maker) stuck() error {
	waiting := slices.Clone(m.leaving)
	for _, vms := range m.waiting {
		waiting = append(waiting, vms...)
	}
	slices.Sort(waiting)
	e := &StuckError{Waiting: waiting}
	for _, v := range waiting {
		e.VMs = append(e.VMs, m.c.VMs[v].Name)
	}
	if m.keeper != nil {
		e.Rules = m.obstacles(waiting)
	}
	return e
}

// obstacles names the rules that keep some VMs from nodes with room, in order of
// name.
func (m *maker) obstacles(waiting []int32) []string {
	const enough = 100 // VMs
	names := map[string]bool{}
	for _, v := range waiting[:min(len(waiting), enough)] {
		if !m.keeper.ready(v) {
			for _, r := range m.rules.byOrder {
				if slices.Contains(r.VMs, v) {
					names[r.Name] = true
				}
			}
		}
		for n := range m.c.Nodes {
			if m.host[v] == int32(n) || !m.fits(v, int32(n)) {
				continue
			}
			if r := m.keeper.refusal(&m.rules.hard, m.keeper.used.hard, v, int32(n)); r != nil {
				names[r.Name] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(names))
}
