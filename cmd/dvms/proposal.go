package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/snapshot"
)

// proposal is what dvms plan found out about a snapshot.
type proposal struct {
	snapshot snapshot.Snapshot
	c, end   *cluster.Configuration // before, and after the plan
	result   placement.Result
	plan     plan.Plan // empty if there is none, or nothing to do
	stuck    error     // why the latest placement that has no plan has none
}

// title is the first line of what is printed.
func (p *proposal) title() string {
	over := len(p.c.Overloaded())
	title := fmt.Sprintf("%s: %s, %s, ", printable(p.snapshot.Name), plural(len(p.c.Nodes), "node"), plural(len(p.c.VMs), "VM"))
	if over == 0 {
		return title + "no node overloaded"
	}
	return title + plural(over, "node") + " overloaded"
}

// nothingToDo is what is said in place of an empty plan.
const nothingToDo = "nothing to do: every node has what its VMs ask for"

// score is the last line of what is printed.
func (p *proposal) score() string {
	r := p.result
	parts := []string{fmt.Sprintf("%s moved, lower bound %s, %s", inWords(r.Moved), inWords(r.Bound), p.distance())}
	if sent := p.sent(); sent != r.Moved {
		parts[0] += fmt.Sprintf(" (%s with detours)", inWords(sent))
	}
	return strings.Join(append(parts,
		plural(len(p.plan.Actions), "move")+" in "+plural(len(p.plan.Steps()), "step"),
		"K "+inWords(p.plan.Cost()),
		plural(r.Steps, "search step"),
	), "; ")
}

// distance says how far the memory moved is from the least.
func (p *proposal) distance() string {
	r := p.result
	switch {
	case r.Optimal:
		return "proven optimal"
	case r.Bound == 0:
		return "not proven optimal"
	}
	return fmt.Sprintf("at most %.1f %% above the least", 100*float64(r.Moved-r.Bound)/float64(r.Bound))
}

// sent is the memory of all migrations, those of detours included.
func (p *proposal) sent() cluster.Bytes {
	var sent cluster.Bytes
	for _, a := range p.plan.Actions {
		sent += a.Memory
	}
	return sent
}

// move is an action of the plan, for people.
type move struct {
	plan.Action
	number           int // from 1
	vm, source, goal string
	reason           string
}

// moves returns the plan's actions with names and reasons, step by step.
func (p *proposal) moves() [][]move {
	r := newReasons(p)
	var steps [][]move
	number := 0
	for _, step := range p.plan.Steps() {
		var moves []move
		for _, a := range step {
			number++
			moves = append(moves, move{
				a, number, p.c.VMs[r.vms[a.VM]].Name, p.c.Nodes[r.nodes[a.Source]].Name, p.c.Nodes[r.nodes[a.Target]].Name,
				r.reason(number - 1),
			})
		}
		steps = append(steps, moves)
	}
	return steps
}

// reasons tells why the VMs of a plan move.
type reasons struct {
	*proposal
	vms      map[cluster.VMID]int
	nodes    map[cluster.NodeID]int
	usage    []cluster.Resources
	byVM     map[cluster.VMID][]int   // its actions
	arrivals map[cluster.NodeID][]int // at a node
}

func newReasons(p *proposal) *reasons {
	r := &reasons{
		p,
		map[cluster.VMID]int{},
		map[cluster.NodeID]int{},
		p.c.Usage(),
		map[cluster.VMID][]int{},
		map[cluster.NodeID][]int{},
	}
	for v := range p.c.VMs {
		r.vms[p.c.VMs[v].ID] = v
	}
	for n := range p.c.Nodes {
		r.nodes[p.c.Nodes[n].ID] = n
	}
	for i, a := range p.plan.Actions {
		r.byVM[a.VM] = append(r.byVM[a.VM], i)
		r.arrivals[a.Target] = append(r.arrivals[a.Target], i)
	}
	return r
}

// reason tells why an action is in the plan: what its VM leaves behind at the
// node where it is at the start, or the cycle that it breaks.
func (r *reasons) reason(i int) string {
	a := r.plan.Actions[i]
	own := r.byVM[a.VM]
	if a.Bypass {
		on := r.plan.Actions[own[len(own)-1]]
		return fmt.Sprintf("breaks a cycle, goes on to %s in step %d", r.c.Nodes[r.nodes[on.Target]].Name, on.Step+1)
	}
	why := r.cause(r.plan.Actions[own[0]])
	if own[0] != i {
		return "ends its detour; " + why
	}
	return why
}

// cause tells why a VM leaves the node where it is at the start.
func (r *reasons) cause(first plan.Action) string {
	n := r.nodes[first.Source]
	var causes []string
	if over, ok := r.usage[n].Exceeding(r.c.Nodes[n].Capacity); ok {
		causes = append(causes, r.c.Nodes[n].Name+" overloaded: "+excess(over, r.usage[n], r.c.Nodes[n].Capacity))
	}
	var guests []string
	for _, i := range r.arrivals[first.Source] {
		if a := r.plan.Actions[i]; a.Step > first.Step && a.VM != first.VM {
			guests = append(guests, r.c.VMs[r.vms[a.VM]].Name)
		}
	}
	if len(guests) > 0 {
		causes = append(causes, "makes room for "+listed(guests, 3))
	}
	if len(causes) == 0 {
		return "part of the best placement found"
	}
	return strings.Join(causes, "; ")
}

// state is a node before and after the plan.
type state struct {
	node          cluster.Node
	before, after cluster.Resources
}

// changed returns the states of the nodes that migrations leave from or go to,
// and of those that are overloaded.
func (p *proposal) changed() []state {
	touched := map[cluster.NodeID]bool{}
	for _, a := range p.plan.Actions {
		touched[a.Source], touched[a.Target] = true, true
	}
	var states []state
	after := p.end.Usage()
	for n, before := range p.c.Usage() {
		node := p.c.Nodes[n]
		if touched[node.ID] || !before.Within(node.Capacity) {
			states = append(states, state{node, before, after[n]})
		}
	}
	return states
}

// resources returns the dimensions to show: CPU, memory, and what else any VM
// asks for.
func (p *proposal) resources() []cluster.Resource {
	shown := []cluster.Resource{cluster.CPU, cluster.Memory}
	for _, r := range []cluster.Resource{cluster.Network, cluster.Disk} {
		for _, vm := range p.c.VMs {
			if vm.Demand[r] > 0 {
				shown = append(shown, r)
				break
			}
		}
	}
	return shown
}

// table prints the plan for a terminal.
func (p *proposal) table() ([]byte, error) {
	var out strings.Builder
	out.WriteString(p.title() + "\n")
	if len(p.plan.Actions) == 0 {
		out.WriteString(nothingToDo + "\n")
		return []byte(out.String()), nil
	}
	var rows [][]string
	var steps []int // by row: its step
	for s, step := range p.moves() {
		for _, m := range step {
			rows = append(rows, []string{fmt.Sprint(m.number), m.vm, m.source + " → " + m.goal, inWords(m.Memory), m.reason})
			steps = append(steps, s)
		}
	}
	for i, line := range aligned(rows) {
		if i == 0 || steps[i] != steps[i-1] {
			fmt.Fprintf(&out, "\nstep %d\n", steps[i]+1)
		}
		out.WriteString("  " + line + "\n")
	}
	out.WriteString("\n")
	for _, line := range aligned(p.stateRows()) {
		out.WriteString(line + "\n")
	}
	out.WriteString("\n" + p.score() + "\n")
	return []byte(out.String()), nil
}

// stateRows is the table of the nodes that change.
func (p *proposal) stateRows() [][]string {
	shown := p.resources()
	head := []string{"node"}
	for _, r := range shown {
		head = append(head, r.String()+" before", "after", "of")
	}
	rows := [][]string{append(head, "")}
	for _, s := range p.changed() {
		row := []string{s.node.Name}
		for _, r := range shown {
			row = append(row, amount(r, s.before[r]), amount(r, s.after[r]), amount(r, s.node.Capacity[r]))
		}
		words := ""
		if over, ok := s.before.Exceeding(s.node.Capacity); ok {
			words = over.String() + " overloaded before"
		}
		if over, ok := s.after.Exceeding(s.node.Capacity); ok {
			words = over.String() + " overloaded"
		}
		rows = append(rows, append(row, words))
	}
	return rows
}

// aligned makes lines of rows, with the columns one below the other.
func aligned(rows [][]string) []string {
	var widths []int
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(row[i]))
		}
	}
	lines := make([]string, len(rows))
	for r, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			line.WriteString(cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2))
		}
		lines[r] = strings.TrimRight(line.String(), " ")
	}
	return lines
}

// amount prints an amount of a resource with its unit.
func amount(r cluster.Resource, v int64) string {
	switch r {
	case cluster.CPU:
		return cluster.Millicores(v).String()
	case cluster.Network:
		return cluster.BytesPerSecond(v).String()
	}
	return inWords(cluster.Bytes(v))
}

// excess says how much of a resource is asked for, and how much there is.
func excess(r cluster.Resource, asked, capacity cluster.Resources) string {
	a, c := amount(r, asked[r]), amount(r, capacity[r])
	if a == c { // a difference that is lost in rounding
		a, c = cluster.Bytes(asked[r]).String(), cluster.Bytes(capacity[r]).String()
	}
	return fmt.Sprintf("%s %s of %s", r, a, c)
}

// inWords prints an amount of memory for people: rounded, and in GiB if it is
// that much, so that one can compare. Exact amounts are in the JSON form.
func inWords(b cluster.Bytes) string {
	for _, unit := range []cluster.Bytes{cluster.GiB, cluster.MiB} {
		if b >= unit {
			return strconv.FormatFloat(math.Round(100*float64(b)/float64(unit))/100, 'f', -1, 64) + strings.TrimPrefix(unit.String(), "1")
		}
	}
	return b.String()
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
