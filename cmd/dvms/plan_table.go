package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
)

// table prints the plan for a terminal.
func (p *proposal) table() ([]byte, error) {
	var out strings.Builder
	out.WriteString(p.title() + "\n")
	if len(p.plan.Actions) == 0 {
		out.WriteString(p.nothingToDo() + "\n")
		for _, line := range aligned(p.brokenRows()) {
			out.WriteString(line + "\n")
		}
		return []byte(out.String()), nil
	}
	p.writeSteps(&out)
	out.WriteString("\n")
	for _, line := range aligned(p.stateRows()) {
		out.WriteString(line + "\n")
	}
	out.WriteString("\n")
	for _, line := range aligned(p.summary()) {
		out.WriteString(line + "\n")
	}
	return []byte(out.String()), nil
}

func (p *proposal) writeSteps(out *strings.Builder) {
	var rows [][]string
	var steps []int // by row: its step
	onlyMoves := p.onlyMoves()
	for s, step := range p.moves() {
		for _, m := range step {
			row := []string{fmt.Sprint(m.number)}
			if !onlyMoves {
				row = append(row, m.words())
			}
			rows = append(rows, append(row, m.vm, m.way(), inWords(m.Memory), m.reason))
			steps = append(steps, s)
		}
	}
	for i, line := range aligned(rows) {
		if i == 0 || steps[i] != steps[i-1] {
			fmt.Fprintf(out, "\nstep %d\n", steps[i]+1)
		}
		out.WriteString("  " + line + "\n")
	}
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
		offer := s.node.Offer()
		for _, r := range shown {
			row = append(row, amount(r, s.before[r]), amount(r, s.after[r]), amount(r, offer[r]))
		}
		rows = append(rows, append(row, s.words()))
	}
	return rows
}

// words says what there is to say about a node.
func (s *state) words() string {
	offer := s.node.Offer()
	if over, ok := s.after.Exceeding(offer); ok {
		return over.String() + " overloaded"
	}
	var words []string
	if over, ok := s.before.Exceeding(offer); ok {
		words = append(words, over.String()+" overloaded before")
	}
	if s.left == 0 {
		words = append(words, "empty after")
	}
	return strings.Join(words, ", ")
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

// summary is what is said about the plan as a whole, with the score at the end.
func (p *proposal) summary() [][]string {
	var rows [][]string
	for _, w := range p.plan.Warnings {
		rows = append(rows, []string{"warning", w})
	}
	rows = append(rows, p.brokenRows()...)
	switch p.goal {
	case "consolidate":
		rows = append(rows, []string{"nodes in use", p.nodesInUse()})
	case "level":
		rows = append(rows, []string{"imbalance", fmt.Sprintf("%.3f → %.3f", p.result.ImbalanceBefore, p.result.ImbalanceAfter)})
	}
	return append(rows, []string{"time", p.estimate()}, []string{"score", p.score()})
}

func (p *proposal) nodesInUse() string {
	text := fmt.Sprintf("%d → %d", nodesOn(p.c), p.result.Nodes)
	if p.result.Nodes == p.result.NodesBound {
		return text + ", proven to be the fewest"
	}
	return fmt.Sprintf("%s, and not fewer than %d", text, p.result.NodesBound)
}

// brokenRows are the soft rules that the end does not keep.
func (p *proposal) brokenRows() (rows [][]string) {
	for _, f := range p.broken {
		rows = append(rows, []string{"not kept", fmt.Sprintf("%s, worth %s", f.Text, inWords(p.Rules[f.Rule].Weight))})
	}
	return rows
}

// estimate says how long the plan takes, and what that supposes.
func (p *proposal) estimate() string {
	text := roughly(p.schedule.Makespan) + ", if links carry " + p.flags.bandwidth.text
	imaged, dirty := false, false
	for _, a := range p.plan.Actions {
		imaged = imaged || a.Kind == plan.Suspend || a.Kind == plan.Resume
	}
	for _, vm := range p.c.VMs {
		dirty = dirty || vm.DirtyRate > 0
	}
	if imaged {
		text += " and disks " + p.flags.disk.text
	}
	if !dirty && p.sent() > 0 {
		text += " and VMs write little"
	}
	return text
}

// roughly prints a duration for people.
func roughly(d time.Duration) string {
	s := int64(math.Round(d.Seconds()))
	switch {
	case d < time.Second:
		return "less than 1 s"
	case s < 60:
		return fmt.Sprintf("about %d s", s)
	case s < 3600 && s%60 == 0:
		return fmt.Sprintf("about %d min", s/60)
	case s < 3600:
		return fmt.Sprintf("about %d min %d s", s/60, s%60)
	}
	return fmt.Sprintf("about %d h %d min", s/3600, s%3600/60)
}

// score says what the plan costs, and how far that is from the least.
func (p *proposal) score() string {
	r := p.result
	moved := inWords(r.Moved) + " moved"
	if resumed := p.resumed(); resumed > 0 {
		moved += ", " + inWords(resumed) + " resumed"
	}
	if sent := p.sent(); sent > r.Moved {
		moved += fmt.Sprintf(" (%s with detours)", inWords(sent))
	}
	parts := []string{moved}
	if weight := p.brokenWeight(); weight > 0 {
		parts = append(parts, fmt.Sprintf("rules worth %s not kept", inWords(weight)), "cost "+inWords(r.Cost))
	}
	switch {
	case p.goal == "level": // which moves more than it has to
	case r.Bound == 0 && !r.Optimal:
		parts = append(parts, "not proven optimal")
	default:
		parts = append(parts, "lower bound "+inWords(r.Bound), p.distance())
	}
	return strings.Join([]string{
		strings.Join(parts, ", "), p.counted(), "K " + inWords(p.plan.Cost()), plural(r.Steps, "search step"),
	}, "; ")
}

// distance says how far the cost is from the least.
func (p *proposal) distance() string {
	r := p.result
	if r.Optimal {
		return "proven optimal"
	}
	return fmt.Sprintf("at most %.1f %% above the least", 100*r.Gap())
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
func excess(r cluster.Resource, asked, offered cluster.Resources) string {
	a, c := amount(r, asked[r]), amount(r, offered[r])
	if a == c { // a difference that is lost in rounding
		a, c = cluster.Bytes(asked[r]).String(), cluster.Bytes(offered[r]).String()
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
