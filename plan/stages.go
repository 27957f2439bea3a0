package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
)

// Operation is what a hypervisor is told at a time: a whole action, or one half of
// a suspend or resume.
type Operation struct {
	Name   string // pause, write, migrate, run, stop, read or unpause
	Action int    // in Plan.Actions
}

// operations are the names of operations, in the order in which a stage lists
// them.
var operations = []string{"pause", "write", "migrate", "run", "stop", "read", "unpause"}

// Stages returns a finer plan than p: operations that are carried out together,
// one stage after the other.
//
// To suspend a VM is to pause it, which takes a few milliseconds, and to write the
// image of its memory; to resume it is to read the image and to unpause it. The VMs
// of a vjob are paused one after the other, in order of name, before any image is
// written, and unpaused in the same order when all have been read. So they miss each
// other for a moment only, and no connection between them breaks, provided that a
// step has them all: see Settings.Together. VMs of different vjobs do not
// wait for each other.
//
// p is a plan for c.
//
// Source: chapter 2 of the thesis behind DVMS, Figures 6 and 8.
func Stages(c *cluster.Configuration, p Plan) [][]Operation {
	s := stager{actions: p.Actions, turn: turns(c, p)}
	for start := 0; start < len(p.Actions); {
		end := start
		for end < len(p.Actions) && p.Actions[end].Step == p.Actions[start].Step {
			end++
		}
		s.oneByOne(start, end, Suspend, "pause")
		s.together(start, end)
		s.oneByOne(start, end, Resume, "unpause")
		start = end
	}
	return s.stages
}

type stager struct {
	actions []Action
	turn    []int // by action: its place among those of its vjob in its step and of its kind
	stages  [][]Operation
}

// turns returns, for each suspend and resume, how many others of its vjob,
// step and kind are paused or unpaused before it.
func turns(c *cluster.Configuration, p Plan) []int {
	type member struct {
		name string
		job  int
	}
	members := map[cluster.VMID]member{}
	for v := range c.VMs {
		members[c.VMs[v].ID] = member{c.VMs[v].Name, -1 - v} // each a vjob of its own
	}
	for j, job := range c.VJobs {
		for _, v := range job.VMs {
			members[c.VMs[v].ID] = member{c.VMs[v].Name, j}
		}
	}
	byName := make([]int, len(p.Actions))
	for i := range byName {
		byName[i] = i
	}
	slices.SortStableFunc(byName, func(a, b int) int {
		return cmp.Compare(members[p.Actions[a].VM].name, members[p.Actions[b].VM].name)
	})
	type group struct {
		job, step int
		kind      Kind
	}
	turn, next := make([]int, len(p.Actions)), map[group]int{}
	for _, i := range byName {
		a := &p.Actions[i]
		g := group{members[a.VM].job, a.Step, a.Kind}
		turn[i] = next[g]
		next[g]++
	}
	return turn
}

// oneByOne adds stages in which the VMs of a vjob that have an action of a kind
// take turns.
func (s *stager) oneByOne(start, end int, kind Kind, name string) {
	for turn, found := 0, true; found; turn++ {
		var stage []Operation
		for i := start; i < end; i++ {
			if s.actions[i].Kind == kind && s.turn[i] == turn {
				stage = append(stage, Operation{name, i})
			}
		}
		if found = len(stage) > 0; found {
			s.stages = append(s.stages, stage)
		}
	}
}

// together adds the stage of what takes long.
func (s *stager) together(start, end int) {
	var stage []Operation
	for i := start; i < end; i++ {
		name := s.actions[i].Kind.String()
		switch s.actions[i].Kind {
		case Suspend:
			name = "write"
		case Resume:
			name = "read"
		}
		stage = append(stage, Operation{name, i})
	}
	slices.SortStableFunc(stage, func(a, b Operation) int {
		return cmp.Compare(slices.Index(operations, a.Name), slices.Index(operations, b.Name))
	})
	s.stages = append(s.stages, stage)
}

// Notation writes a plan for c down as the thesis does, a step a line:
//
//	s1 : suspend(vm1) & suspend(vm2)
func (p *Plan) Notation(c *cluster.Configuration) string {
	var steps [][]Operation
	i := 0
	for _, step := range p.Steps() {
		var line []Operation
		for range step {
			line = append(line, Operation{p.Actions[i].Kind.String(), i})
			i++
		}
		steps = append(steps, line)
	}
	return p.notation(c, steps)
}

// NotationOfStages does so with the stages of p.
func (p *Plan) NotationOfStages(c *cluster.Configuration) string {
	return p.notation(c, Stages(c, *p))
}

func (p *Plan) notation(c *cluster.Configuration, lines [][]Operation) string {
	names := map[cluster.VMID]string{}
	for v := range c.VMs {
		names[c.VMs[v].ID] = c.VMs[v].Name
	}
	var b strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&b, "s%d : ", i+1)
		for j, o := range line {
			if j > 0 {
				b.WriteString(" & ")
			}
			fmt.Fprintf(&b, "%s(%s)", o.Name, names[p.Actions[o.Action].VM])
		}
		b.WriteString("\n")
	}
	return b.String()
}
