package main

import (
	"fmt"
	"strings"

	"github.com/dvms-project/dvms/plan"
)

// dot prints the plan as a graph for Graphviz: an arrow for each action, between
// the nodes that change. What is done at one node is an arrow from it to itself.
func (p *proposal) dot() ([]byte, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "digraph plan {\n  label=%s\n  node [shape=box]\n", dotted(p.title()))
	for _, s := range p.changed() {
		label := s.node.Name
		offer := s.node.Offer()
		for _, r := range p.resources() {
			label += fmt.Sprintf("\n%s %s → %s of %s", r, amount(r, s.before[r]), amount(r, s.after[r]), amount(r, offer[r]))
		}
		if words := s.words(); words != "" {
			label += "\n" + words
		}
		style := ""
		if s.overloadedBefore() {
			style = ", style=bold"
		}
		fmt.Fprintf(&out, "  %s [label=%s%s]\n", dotted(s.node.Name), dotted(label), style)
	}
	for s, step := range p.moves() {
		for _, m := range step {
			what := m.vm
			if m.Kind != plan.Migrate {
				what = m.words() + " " + m.vm
			}
			fmt.Fprintf(&out, "  %s -> %s [label=%s, tooltip=%s%s]\n", dotted(m.source), dotted(m.goal),
				dotted(fmt.Sprintf("%d: %s, %s\nstep %d", m.number, what, inWords(m.Memory), s+1)), dotted(m.reason), dotStyle(&m))
		}
	}
	out.WriteString("}\n")
	return []byte(out.String()), nil
}

func dotStyle(m *move) string {
	switch {
	case m.Bypass:
		return ", style=dashed"
	case m.Kind == plan.Suspend || m.Kind == plan.Stop:
		return ", arrowhead=empty"
	case m.Kind == plan.Resume || m.Kind == plan.Run:
		return ", arrowhead=vee"
	}
	return ""
}

// dotted quotes a text for Graphviz.
func dotted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ").Replace(text) + `"`
}
