package plan

import "slices"

// jobs are the vjobs whose resumes are to be in one step.
type jobs struct {
	of   []int32 // by VM: the vjob that it is resumed with, or none
	last []int32 // by vjob: the step of its last resume
}

// findJobs finds the vjobs of which several VMs are resumed.
func (m *maker) findJobs() {
	k := &jobs{of: make([]int32, len(m.c.VMs))}
	for v := range k.of {
		k.of[v] = none
	}
	for i := range m.c.VJobs {
		var resumed []int32
		for _, v := range m.c.VJobs[i].VMs {
			if m.kinds[v] == Resume {
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
