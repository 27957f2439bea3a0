package main

import (
	"fmt"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
)

// explanation prints, for each node, what keeps a VM from it.
func (p *proposal) explanation() ([]byte, error) {
	v := p.explain
	vm := &p.c.VMs[v]
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n%s (%s) %s\n", p.title(), printable(vm.Name), vm.Demand, p.whereabouts(v))
	others := "in the end of the plan"
	if len(p.plan.Actions) == 0 {
		others = "now"
	}
	fmt.Fprintf(&out, "\nWith all other VMs where they are %s:\n\n", others)
	rows := [][]string{{"node", "", "could host " + vm.Name}}
	for i := range p.explained {
		e := &p.explained[i]
		rows = append(rows, []string{p.c.Nodes[e.Node].Name, p.marks(v, e.Node), p.exclusion(e)})
	}
	for _, line := range aligned(rows) {
		out.WriteString(line + "\n")
	}
	return []byte(out.String()), nil
}

// whereabouts says where a VM is, and where the plan takes it.
func (p *proposal) whereabouts(v int32) string {
	name := func(c *cluster.Configuration) string {
		if h := c.Host[v]; h != cluster.Nowhere {
			return "runs on " + c.Nodes[h].Name
		}
		return "is " + c.StateOf(v).String()
	}
	now, then := name(p.c), name(p.end)
	switch {
	case !p.viable():
		return now + ", and there is no plan"
	case now == then:
		return now + ", where the plan leaves it"
	}
	return now + "; after the plan it " + then
}

// marks says whether the VM is on a node now, or after the plan.
func (p *proposal) marks(v, n int32) string {
	var marks []string
	if p.c.Host[v] == n {
		marks = append(marks, "now")
	}
	if len(p.plan.Actions) > 0 && p.end.Host[v] == n {
		marks = append(marks, "then")
	}
	return strings.Join(marks, ", ")
}

// exclusion says what keeps the VM from a node.
func (p *proposal) exclusion(e *placement.Exclusion) string {
	if e.None() {
		return "yes"
	}
	var why []string
	if e.Closed {
		why = append(why, "it is to host nobody")
	}
	for r, lacks := range e.Lacks {
		if lacks > 0 {
			why = append(why, fmt.Sprintf("lacks %s of %s", amount(cluster.Resource(r), lacks), cluster.Resource(r)))
		}
	}
	for _, i := range e.Rules {
		why = append(why, named(&p.Rules[i]))
	}
	return "no: " + strings.Join(why, "; ")
}
