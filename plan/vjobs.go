package plan

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/rule"
)

// jobs are the vjobs whose resumes are to be in one step.
type jobs struct {
	of   []int32 // by VM: the vjob that it is resumed with, or none
	last []int32 // by vjob: the step of its last resume
}

// findJobs finds the vjobs of which several VMs are resumed. A VM that a Precedence
// names is left out, as its action cannot be put off alone.
func (m *maker) findJobs() {
	k := &jobs{of: make([]int32, len(m.c.VMs))}
	for v := range k.of {
		k.of[v] = none
	}
	for i := range m.c.VJobs {
		var resumed []int32
		for _, v := range m.c.VJobs[i].VMs {
			if m.kinds[v] == Resume && !m.rules.orders(v) {
				resumed = append(resumed, v)
			}
		}
		if len(resumed) < 2 {
			continue
		}
		for _, v := range resumed {
			k.of[v] = int32(len(k.last))
		}
		k.last = append(k.last, 0)
	}
	if len(k.last) > 0 {
		m.jobs = k
	}
}

// gather moves each resume of a vjob to the step of the last one of them, and
// closes the gaps that this leaves.
//
// Whatever is feasible in a step is so in every later one: nobody else took the
// room that the VM would have taken, as the moves were made with the VM in it.
//
// Source: chapter 2 of the thesis behind DVMS, Figures 7 and 8.
func (m *maker) gather() {
	k := m.jobs
	clear(k.last)
	for i := range m.moves {
		if job := k.of[m.moves[i].vm]; job != none {
			k.last[job] = max(k.last[job], m.moves[i].step)
		}
	}
	for i := range m.moves {
		if job := k.of[m.moves[i].vm]; job != none {
			m.moves[i].step = k.last[job]
		}
	}
	slices.SortStableFunc(m.moves, func(a, b move) int { return int(a.step - b.step) })
	step := int32(0)
	for i := range m.moves {
		at := m.moves[i].step
		m.moves[i].step = step
		if i+1 < len(m.moves) && m.moves[i+1].step != at {
			step++
		}
	}
}

// apart warns of vjobs whose suspends or resumes are in several steps, since a
// Precedence has an order for them.
func (m *maker) apart() []string {
	var warnings []string
	step := make([]int32, len(m.c.VMs))
	for i := range m.moves {
		step[m.moves[i].vm] = m.moves[i].step
	}
	for _, kind := range []Kind{Suspend, Resume} {
		for _, job := range m.c.VJobs {
			first := int32(none)
			for _, v := range job.VMs {
				if m.kinds[v] != kind || !m.rules.acting(v) {
					continue
				}
				if first != none && step[v] != first {
					warnings = append(warnings, fmt.Sprintf("vjob %q does not %v in one step, as a rule has an order for its VMs", job.Name, kind))
					break
				}
				first = step[v]
			}
		}
	}
	return warnings
}

// acting reports whether something is to be done with v, as far as rules are known.
func (b *rulebook) acting(v int32) bool { return b != nil && b.acts[v] }

// orders reports whether a Precedence names v.
func (b *rulebook) orders(v int32) bool {
	return b != nil && slices.ContainsFunc(b.byOrder, func(r *rule.Rule) bool { return slices.Contains(r.VMs, v) })
}
