package main

import (
	"encoding/json"
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/rule"
	"github.com/dvms-project/dvms/snapshot"
)

// The JSON form of a plan; docs/planning.md describes the fields. Fields are
// added to it, never changed; snapshot.ReadPlan reads it back.
type (
	planJSON struct {
		Schema    string         `json:"schema"`
		Version   string         `json:"version"`
		Snapshot  string         `json:"snapshot"`
		Goal      string         `json:"goal"`
		Answer    string         `json:"answer"`
		Rejected  map[string]int `json:"rejected"`
		Steps     []stepJSON     `json:"steps"`
		Nodes     []nodeJSON     `json:"nodes"`
		Rules     []ruleJSON     `json:"rules"`
		Warnings  []string       `json:"warnings"`
		Estimate  estimateJSON   `json:"estimate"`
		Score     scoreJSON      `json:"score"`
		Diagnosis *diagnosisJSON `json:"diagnosis"`
		Explained *explainedJSON `json:"explained"`
	}
	stepJSON struct {
		Moves []moveJSON `json:"moves"`
	}
	moveJSON struct {
		Number int     `json:"number"`
		Action string  `json:"action"`
		VM     string  `json:"vm"`
		From   string  `json:"from"`
		To     string  `json:"to"`
		Bytes  int64   `json:"memory_bytes"`
		Detour bool    `json:"detour"`
		After  []int   `json:"after"`
		Start  float64 `json:"start_s"`
		End    float64 `json:"end_s"`
		Reason string  `json:"reason"`
	}
	nodeJSON struct {
		Name             string     `json:"name"`
		Capacity         amountJSON `json:"capacity"`
		Before           amountJSON `json:"before"`
		After            amountJSON `json:"after"`
		OverloadedBefore bool       `json:"overloaded_before"`
		OverloadedAfter  bool       `json:"overloaded_after"`
		VMsAfter         int        `json:"vms_after"`
	}
	amountJSON struct {
		CPU     float64 `json:"cpu_cores"`
		Memory  int64   `json:"memory_bytes"`
		Network int64   `json:"network_bytes_per_s"`
		Disk    int64   `json:"disk_bytes"`
	}
	ruleJSON struct {
		Name     string `json:"rule"`
		Kind     string `json:"kind"`
		Weight   int64  `json:"weight_bytes"`
		Kept     bool   `json:"kept"`
		Rejected int    `json:"rejected_times"`
	}
	estimateJSON struct {
		Makespan  float64 `json:"makespan_s"`
		Bound     float64 `json:"makespan_bound_s"`
		Bandwidth int64   `json:"bandwidth_bytes_per_s"`
		Disk      int64   `json:"disk_bytes_per_s"`
	}
	scoreJSON struct {
		Moved       int64          `json:"moved_bytes"`
		Placement   int64          `json:"placement_cost_bytes"`
		Bound       int64          `json:"bound_bytes"`
		Gap         *float64       `json:"gap"`
		Optimal     bool           `json:"optimal"`
		Sent        int64          `json:"sent_bytes"`
		Broken      int64          `json:"broken_bytes"`
		Moves       int            `json:"moves"`
		Steps       int            `json:"steps"`
		Cost        int64          `json:"cost_bytes"`
		SearchSteps int            `json:"search_steps"`
		NodesOn     nodesOnJSON    `json:"nodes_on"`
		Imbalance   *imbalanceJSON `json:"imbalance"`
	}
	nodesOnJSON struct {
		Before int  `json:"nodes_before"`
		After  int  `json:"nodes_after"`
		Bound  *int `json:"nodes_bound"`
	}
	imbalanceJSON struct {
		Before float64 `json:"imbalance_before"`
		After  float64 `json:"imbalance_after"`
	}
	diagnosisJSON struct {
		Proven      bool             `json:"proven"`
		Unreachable bool             `json:"unreachable"`
		Short       []string         `json:"short"`
		VMs         []string         `json:"vms"`
		Nodes       []string         `json:"overloaded"`
		Rules       []string         `json:"conflict"`
		Relaxations []relaxationJSON `json:"relaxations"`
	}
	relaxationJSON struct {
		WithoutRule string `json:"without_rule,omitempty"`
		MoreNodes   int    `json:"more_nodes,omitempty"`
		Like        string `json:"like,omitempty"`
		WithoutVM   string `json:"without_vm,omitempty"`
	}
	explainedJSON struct {
		VM    string          `json:"vm"`
		Nodes []exclusionJSON `json:"candidates"`
	}
	exclusionJSON struct {
		Node   string     `json:"node"`
		Free   bool       `json:"free"`
		Closed bool       `json:"closed"`
		Lacks  amountJSON `json:"lacks"`
		Rules  []string   `json:"broken_rules"`
	}
)

// json prints the plan for programs.
func (p *proposal) json() ([]byte, error) {
	doc := planJSON{
		Schema: snapshot.PlanSchema, Version: version(), Snapshot: p.Name, Goal: p.goal, Answer: p.answer(), Rejected: p.rejected(),
		Steps: p.stepsJSON(), Nodes: []nodeJSON{}, Rules: p.rulesJSON(), Warnings: append([]string{}, p.plan.Warnings...),
		Estimate: estimateJSON{
			p.schedule.Makespan.Seconds(), p.schedule.Bound.Seconds(), int64(p.flags.bandwidth.value), int64(p.flags.disk.value),
		},
		Score: p.scoreJSON(),
	}
	for _, s := range p.changed() {
		doc.Nodes = append(doc.Nodes, nodeJSON{
			s.node.Name, amounts(s.node.Offer()), amounts(s.before), amounts(s.after), s.overloadedBefore(), s.overloadedAfter(), s.left,
		})
	}
	if !p.viable() {
		doc.Diagnosis = p.diagnosisJSON()
	}
	if p.explain != cluster.Nowhere {
		doc.Explained = p.explainedJSON()
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	return append(text, '\n'), err
}

func (p *proposal) answer() string {
	switch {
	case p.viable() && len(p.plan.Actions) == 0:
		return "already-viable"
	case p.lost:
		return "no-plan"
	}
	return p.result.Answer.String()
}

func (p *proposal) rejected() map[string]int {
	rejected := map[string]int{}
	for reason, times := range p.result.Rejected {
		if _, told := rejections[placement.Reason(reason)]; told && times > 0 && !p.viable() {
			rejected[placement.Reason(reason).String()] = times
		}
	}
	return rejected
}

func (p *proposal) stepsJSON() []stepJSON {
	steps := []stepJSON{}
	for _, step := range p.moves() {
		var moves []moveJSON
		for _, m := range step {
			after := []int{}
			for _, i := range m.After {
				after = append(after, i+1)
			}
			moves = append(moves, moveJSON{
				Number: m.number, Action: m.Kind.String(), VM: m.vm, From: m.source, To: m.goal, Bytes: int64(m.Memory), Detour: m.Bypass,
				After: after, Start: inSeconds(p.schedule.Start[m.index]), End: inSeconds(p.schedule.End[m.index]), Reason: m.reason,
			})
		}
		steps = append(steps, stepJSON{moves})
	}
	return steps
}

// inSeconds rounds to a millisecond, as an estimate is no better.
func inSeconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }

func (p *proposal) rulesJSON() []ruleJSON {
	rules := []ruleJSON{}
	for i := range p.Rules {
		r := &p.Rules[i]
		is := ruleJSON{r.Name, r.Kind.String(), int64(r.Weight), p.viable(), 0}
		for _, f := range p.broken {
			is.Kept = is.Kept && f.Rule != i
		}
		if p.result.ByRule != nil {
			is.Rejected = p.result.ByRule[i]
		}
		rules = append(rules, is)
	}
	return rules
}

func (p *proposal) scoreJSON() scoreJSON {
	r := &p.result
	s := scoreJSON{
		Moved: int64(r.Moved), Placement: int64(r.Cost), Bound: int64(r.Bound), Optimal: r.Optimal, Sent: int64(p.sent()), Broken: int64(p.brokenWeight()),
		Moves: len(p.plan.Actions), Steps: len(p.plan.Steps()), Cost: int64(p.plan.Cost()), SearchSteps: r.Steps,
		NodesOn: nodesOnJSON{Before: nodesOn(p.c), After: nodesOn(p.end)},
	}
	if gap := r.Gap(); !math.IsInf(gap, 0) {
		s.Gap = &gap
	}
	if p.goal == "consolidate" {
		s.NodesOn.Bound = &r.NodesBound
	}
	if p.goal == "level" {
		s.Imbalance = &imbalanceJSON{r.ImbalanceBefore, r.ImbalanceAfter}
	}
	return s
}

func (p *proposal) diagnosisJSON() *diagnosisJSON {
	d := &diagnosisJSON{
		Proven: p.result.Answer == placement.Infeasible, Unreachable: p.diagnosis.Found,
		Short: []string{}, VMs: []string{}, Nodes: []string{}, Rules: []string{}, Relaxations: []relaxationJSON{},
	}
	for _, r := range p.diagnosis.Short {
		d.Short = append(d.Short, r.String())
	}
	for _, v := range p.diagnosis.VMs {
		d.VMs = append(d.VMs, p.c.VMs[v].Name)
	}
	for _, n := range p.diagnosis.Nodes {
		d.Nodes = append(d.Nodes, p.c.Nodes[n].Name)
	}
	d.Rules = append(d.Rules, ruleNames(p.Rules, p.diagnosis.Rules)...)
	for _, r := range p.diagnosis.Relaxations {
		switch r.Kind {
		case placement.WithoutRule:
			d.Relaxations = append(d.Relaxations, relaxationJSON{WithoutRule: p.Rules[r.Rule].Name})
		case placement.MoreNodes:
			d.Relaxations = append(d.Relaxations, relaxationJSON{MoreNodes: r.Nodes, Like: p.c.Nodes[r.Like].Name})
		case placement.WithoutVM:
			d.Relaxations = append(d.Relaxations, relaxationJSON{WithoutVM: p.c.VMs[r.VM].Name})
		}
	}
	return d
}

func (p *proposal) explainedJSON() *explainedJSON {
	e := &explainedJSON{VM: p.c.VMs[p.explain].Name, Nodes: []exclusionJSON{}}
	for i := range p.explained {
		x := &p.explained[i]
		e.Nodes = append(e.Nodes, exclusionJSON{
			p.c.Nodes[x.Node].Name, x.None(), x.Closed, amounts(x.Lacks), append([]string{}, ruleNames(p.Rules, x.Rules)...),
		})
	}
	return e
}

func ruleNames(rules []rule.Rule, which []int) (names []string) {
	for _, i := range which {
		names = append(names, rules[i].Name)
	}
	return names
}

func amounts(r cluster.Resources) amountJSON {
	return amountJSON{float64(r[cluster.CPU]) / float64(cluster.Core), r[cluster.Memory], r[cluster.Network], r[cluster.Disk]}
}
