package main

import (
	"fmt"
	"strings"
)

// dot prints the plan as a graph for Graphviz: an arrow for each move, between
// the nodes that change.
func (p *proposal) dot() ([]byte, error) {
	var out strings.Builder
	fmt.Fprintf(&out, "digraph plan {\n  label=%s\n  node [shape=box]\n", dotted(p.title()))
	for _, s := range p.changed() {
		label := s.node.Name
		for _, r := range p.resources() {
			label += fmt.Sprintf("\n%s %s → %s of %s", r, amount(r, s.before[r]), amount(r, s.after[r]), amount(r, s.node.Capacity[r]))
		}
		style := ""
		if !s.before.Within(s.node.Capacity) {
			label += "\noverloaded before"
			style = ", style=bold"
		}
		fmt.Fprintf(&out, "  %s [label=%s%s]\n", dotted(s.node.Name), dotted(label), style)
	}
	for s, step := range p.moves() {
		for _, m := range step {
			style := ""
			if m.Bypass {
				style = ", style=dashed"
			}
			fmt.Fprintf(&out, "  %s -> %s [label=%s, tooltip=%s%s]\n", dotted(m.source), dotted(m.goal),
				dotted(fmt.Sprintf("%d: %s, %s\nstep %d", m.number, m.vm, inWords(m.Memory), s+1)), dotted(m.reason), style)
		}
	}
	out.WriteString("}\n")
	return []byte(out.String()), nil
}

// dotted quotes a text for Graphviz.
func dotted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", " ").Replace(text) + `"`
}
