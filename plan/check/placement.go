package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/rule"
)

// Request is what is asked of a placement beyond room for every VM.
type Request struct {
	Rules  []rule.Rule
	Wanted []cluster.State // by VM; nil if all keep their state
	Drain  []int32         // nodes that are to host nobody in the end
}

// Verdict is what is wrong with a placement: nothing if Wrong is empty.
type Verdict struct {
	Wrong  []Fault // in the order of Reason, then of VMs, nodes or rules
	Broken []Fault // the soft rules that are not kept, in their order
	// Weight is that of the rules in Broken together.
	Weight cluster.Bytes
}

// Err returns the first of v.Wrong, or nil.
func (v *Verdict) Err() error {
	if len(v.Wrong) == 0 {
		return nil
	}
	return v.Wrong[0]
}

// Reason is why a placement is refused.
type Reason uint8

// The reasons.
const (
	NoPlacement  Reason = iota // it is none of this configuration
	OtherState                 // a VM does not run and should, or the other way round, or cannot get to the state that is wanted
	ClosedNode                 // a node hosts somebody that is offline or to be empty
	OverloadNode               // a node is asked for more than it offers
	BrokenRule
)

// NoRule is the Rule of a Fault that no rule is the cause of.
const NoRule = -1

// Fault is one thing that is wrong with a placement.
type Fault struct {
	Reason Reason
	Rule   int     // the index of the rule that is broken, or NoRule
	VMs    []int32 // those that are involved, in ascending order
	Nodes  []int32 // likewise
	Text   string  // with the names of VMs and nodes
}

func (f Fault) Error() string { return f.Text }

// Viable returns an error that names the first thing wrong with host as a
// placement of the VMs of c if nothing else is asked for: a node that is
// overloaded, a VM that was started or stopped.
func Viable(c *cluster.Configuration, host []int32) error {
	v := Placement(c, Request{}, host)
	return v.Err()
}

// Placement judges host, the node of each VM or Nowhere, as the end of a plan
// for c: everybody has room and the state that is wanted, nobody is on a node that
// is not online or to be drained, and every rule is kept in the end.
//
// Of the rules about the plan itself a placement shows a part: Root, and that no
// plan can lead there with fewer moves than MovesIn and MovesOut allow, nor past
// a Gather or Among with Always. See package rule.
func Placement(c *cluster.Configuration, r Request, host []int32) Verdict {
	j := NewJudge(c, r)
	return j.Placement(host)
}

// Judge judges placements of one configuration. It prepares once what all of
// them need.
type Judge struct {
	c       *cluster.Configuration
	request Request
	demand  []cluster.Resources // by VM, as Preserve makes it
	offer   []cluster.Resources // by node, as Overbook makes it
	closed  []bool              // by node: it is to host nobody
	keptOn  []bool              // by node: an Online rule names it
	domains [cluster.Site + 1][]int32
	// share is, by rule, how many VMs of a Spread may be in a domain.
	share []int
}

// NewJudge prepares to judge placements for c. Rules are to be valid: see
// rule.Validate.
func NewJudge(c *cluster.Configuration, r Request) *Judge {
	runs := make([]bool, len(c.VMs))
	for v := range runs {
		runs[v] = wantedState(c, r.Wanted, int32(v)) == cluster.Running
	}
	return newJudge(c, r, runs)
}

func wantedState(c *cluster.Configuration, wanted []cluster.State, v int32) cluster.State {
	if wanted == nil {
		return c.StateOf(v)
	}
	return wanted[v]
}

// newJudge is NewJudge for a moment at which the given VMs may run.
func newJudge(c *cluster.Configuration, r Request, runs []bool) *Judge {
	j := &Judge{
		c: c, request: r, demand: make([]cluster.Resources, len(c.VMs)), offer: make([]cluster.Resources, len(c.Nodes)),
		closed: make([]bool, len(c.Nodes)), keptOn: make([]bool, len(c.Nodes)), share: make([]int, len(r.Rules)),
	}
	for v := range c.VMs {
		j.demand[v] = c.VMs[v].Demand
	}
	for n := range c.Nodes {
		j.closed[n] = c.Nodes[n].State != cluster.Online
	}
	for _, n := range r.Drain {
		j.closed[n] = true
	}
	j.readAmounts()
	for level := range j.domains {
		j.domains[level], _ = c.Domains(cluster.Domain(level))
	}
	for i := range r.Rules {
		if r.Rules[i].Kind == rule.Spread {
			j.share[i] = j.evenShare(&r.Rules[i], runs)
		}
	}
	return j
}

// readAmounts reads the rules that change what is asked for, offered and open.
func (j *Judge) readAmounts() {
	nodes := slices.Clone(j.c.Nodes)
	for _, r := range j.request.Rules {
		switch r.Kind {
		case rule.Preserve:
			for _, v := range r.VMs {
				j.demand[v][r.Resource] = max(j.demand[v][r.Resource], r.Max)
			}
		case rule.Overbook:
			for _, n := range r.Nodes {
				nodes[n].Overcommit[r.Resource] = r.Max
			}
		case rule.Offline:
			for _, n := range r.Nodes {
				j.closed[n] = true
			}
		case rule.Online:
			for _, n := range r.Nodes {
				j.keptOn[n] = true
			}
		}
	}
	for n := range nodes {
		j.offer[n] = nodes[n].Offer()
	}
}

// evenShare returns how many VMs of a Spread may be in a domain: 1 unless it is
// degraded and there are more of them than domains with a node that is not
// closed.
func (j *Judge) evenShare(r *rule.Rule, runs []bool) int {
	if !r.Degraded {
		return 1
	}
	open := map[int32]bool{}
	for n, d := range j.domains[r.Domain] {
		if !j.closed[n] {
			open[d] = true
		}
	}
	running := 0
	for _, v := range r.VMs {
		if runs[v] {
			running++
		}
	}
	domains := max(1, len(open))
	return max(1, (running+domains-1)/domains)
}

// Placement judges one placement: see the function of that name.
func (j *Judge) Placement(host []int32) Verdict {
	var v Verdict
	if f, wrong := j.malformed(host); wrong {
		v.Wrong = []Fault{f}
		return v
	}
	v.Wrong = append(v.Wrong, j.states(host)...)
	v.Wrong = append(v.Wrong, j.nodes(host)...)
	s := newScene(len(j.c.Nodes), host)
	for i := range j.request.Rules {
		r := &j.request.Rules[i]
		f, broken := j.rule(i, s, host)
		switch {
		case broken && r.Hard():
			v.Wrong = append(v.Wrong, f)
		case broken:
			v.Broken = append(v.Broken, f)
			v.Weight += r.Weight
		}
	}
	return v
}

func (j *Judge) malformed(host []int32) (Fault, bool) {
	if len(host) != len(j.c.VMs) {
		return Fault{Reason: NoPlacement, Rule: NoRule, Text: fmt.Sprintf("%d VMs but %d hosts", len(j.c.VMs), len(host))}, true
	}
	for v, n := range host {
		if n != cluster.Nowhere && (n < 0 || int(n) >= len(j.c.Nodes)) {
			text := fmt.Sprintf("VM %q is on node number %d, and there are %d", j.c.VMs[v].Name, n, len(j.c.Nodes))
			return Fault{Reason: NoPlacement, Rule: NoRule, VMs: []int32{int32(v)}, Text: text}, true
		}
	}
	return Fault{}, false
}

// states finds the VMs that are not in the state that is wanted, as far as that
// can be seen: whether they run.
func (j *Judge) states(host []int32) (wrong []Fault) {
	for v, n := range host {
		is, want := j.c.StateOf(int32(v)), wantedState(j.c, j.request.Wanted, int32(v))
		text := ""
		switch runs := n != cluster.Nowhere; {
		case !is.Leads(want):
			text = fmt.Sprintf("VM %q is %s, and no action leads from there to %s", j.c.VMs[v].Name, is, want)
		case runs && want != cluster.Running:
			text = fmt.Sprintf("VM %q runs, and is to be %s", j.c.VMs[v].Name, want)
		case !runs && want == cluster.Running:
			text = fmt.Sprintf("VM %q is to run, and does not", j.c.VMs[v].Name)
		default:
			continue
		}
		wrong = append(wrong, Fault{Reason: OtherState, Rule: NoRule, VMs: []int32{int32(v)}, Text: text})
	}
	return wrong
}

// nodes finds the nodes that are closed and host somebody, and those that are
// overloaded.
func (j *Judge) nodes(host []int32) (wrong []Fault) {
	use := make([]cluster.Resources, len(j.c.Nodes))
	guests := make([]int, len(j.c.Nodes))
	for v, n := range host {
		if n != cluster.Nowhere {
			use[n] = use[n].Plus(j.demand[v])
			guests[n]++
		}
	}
	for n := range j.c.Nodes {
		if j.closed[n] && guests[n] > 0 {
			text := fmt.Sprintf("node %q is to host nobody, and hosts %s", j.c.Nodes[n].Name, counted(guests[n], "VM"))
			wrong = append(wrong, Fault{Reason: ClosedNode, Rule: j.offlineRule(int32(n)), VMs: on(host, int32(n)), Nodes: []int32{int32(n)}, Text: text})
		}
	}
	for n, node := range j.c.Nodes {
		if r, over := use[n].Exceeding(j.offer[n]); over {
			text := fmt.Sprintf("node %q is asked for %v and has %v: too little %v", node.Name, use[n], j.offer[n], r)
			wrong = append(wrong, Fault{Reason: OverloadNode, Rule: NoRule, VMs: on(host, int32(n)), Nodes: []int32{int32(n)}, Text: text})
		}
	}
	return wrong
}

// offlineRule returns the first Offline rule that names n, or NoRule.
func (j *Judge) offlineRule(n int32) int {
	return slices.IndexFunc(j.request.Rules, func(r rule.Rule) bool {
		return r.Kind == rule.Offline && slices.Contains(r.Nodes, n)
	})
}

// on returns the VMs that are on n, in ascending order.
func on(host []int32, n int32) (vms []int32) {
	for v, h := range host {
		if h == n {
			vms = append(vms, int32(v))
		}
	}
	return vms
}

// rule judges rule i. s has every VM on its host.
func (j *Judge) rule(i int, s *scene, host []int32) (Fault, bool) {
	r := &j.request.Rules[i]
	var f Fault
	var broken bool
	switch r.Kind {
	case rule.Root:
		f.VMs = j.elsewhere(r.VMs, host)
		broken = len(f.VMs) > 0
	case rule.MovesIn, rule.MovesOut:
		f.VMs, f.Nodes = j.tooManyMoves(r, host)
		broken = len(f.Nodes) > 0
	case rule.Gather, rule.Among:
		f.VMs = append(j.involved(r, s, j.breaches(i, s)), j.barred(i, host)...)
		broken = len(f.VMs) > 0
	default:
		breaches := j.breaches(i, s)
		f.VMs = j.involved(r, s, breaches)
		broken = len(breaches) > 0
	}
	if !broken {
		return Fault{}, false
	}
	f.Reason, f.Rule = BrokenRule, i
	f.VMs = unique(f.VMs)
	if f.Nodes == nil {
		for _, v := range f.VMs {
			f.Nodes = append(f.Nodes, host[v])
		}
		f.Nodes = unique(f.Nodes)
	}
	f.Text = j.brokenText(r, f)
	return f, true
}

// elsewhere returns those of the VMs that run at the start and in the end, and
// not on the same node.
func (j *Judge) elsewhere(vms, host []int32) (moved []int32) {
	for _, v := range vms {
		if from, to := j.c.Host[v], host[v]; from != cluster.Nowhere && to != cluster.Nowhere && from != to {
			moved = append(moved, v)
		}
	}
	return moved
}

// tooManyMoves returns the nodes of a MovesIn or MovesOut at which, or from
// which, more VMs arrive or depart than its maximum, and these VMs.
func (j *Judge) tooManyMoves(r *rule.Rule, host []int32) (vms, nodes []int32) {
	for _, n := range r.Nodes {
		var moved []int32
		for v := range host {
			from, to := j.c.Host[v], host[v]
			if from != to && (r.Kind == rule.MovesIn && to == n || r.Kind == rule.MovesOut && from == n) {
				moved = append(moved, int32(v))
			}
		}
		if int64(len(moved)) > r.Max {
			vms, nodes = append(vms, moved...), append(nodes, n)
		}
	}
	return vms, nodes
}

// barred returns the VMs that cannot have come to their hosts with rule i, a
// Gather or Among with Always, kept on the way: it was kept at the start, and
// they would have been on both nodes while they moved.
func (j *Judge) barred(i int, host []int32) []int32 {
	r := &j.request.Rules[i]
	if !r.Always || len(j.breaches(i, newScene(len(j.c.Nodes), j.c.Host))) > 0 {
		return nil
	}
	moved := j.elsewhere(r.VMs, host)
	if r.Kind == rule.Gather {
		staying := 0 // run at the start and in the end
		for _, v := range r.VMs {
			if j.c.Host[v] != cluster.Nowhere && host[v] != cluster.Nowhere {
				staying++
			}
		}
		if staying < 2 {
			return nil
		}
		return moved
	}
	return slices.DeleteFunc(moved, func(v int32) bool {
		return slices.ContainsFunc(r.Groups, func(g []int32) bool {
			return slices.Contains(g, j.c.Host[v]) && slices.Contains(g, host[v])
		})
	})
}

// brokenText says that r is broken, by whom and where.
func (j *Judge) brokenText(r *rule.Rule, f Fault) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rule %s (%s) is broken", r.Name, r.Kind)
	if len(f.VMs) > 0 {
		fmt.Fprintf(&b, " by %s", some(f.VMs, "VM", func(v int32) string { return j.c.VMs[v].Name }))
	}
	if len(f.Nodes) > 0 {
		fmt.Fprintf(&b, " on %s", some(f.Nodes, "node", func(n int32) string { return j.c.Nodes[n].Name }))
	}
	return b.String()
}

// some lists the first few names of many.
func some(members []int32, what string, name func(int32) string) string {
	const most = 4
	if len(members) > 1 {
		what += "s"
	}
	text := what + " "
	for i, m := range members[:min(most, len(members))] {
		if i > 0 {
			text += ", "
		}
		text += name(m)
	}
	if len(members) > most {
		text += fmt.Sprintf(" and %d more", len(members)-most)
	}
	return text
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// unique returns the members in ascending order, each once.
func unique(members []int32) []int32 {
	slices.Sort(members)
	return slices.Compact(members)
}
