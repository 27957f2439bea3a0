package main

import (
	"encoding/json"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/snapshot"
)

// The JSON form of a plan; docs/planning.md describes the fields. Fields are
// added to it, never changed; snapshot.ReadPlan reads it back.
type (
	planJSON struct {
		Schema   string         `json:"schema"`
		Version  string         `json:"version"`
		Snapshot string         `json:"snapshot"`
		Goal     string         `json:"goal"`
		Answer   string         `json:"answer"`
		Rejected map[string]int `json:"rejected"`
		Steps    []stepJSON     `json:"steps"`
		Nodes    []nodeJSON     `json:"nodes"`
		Score    scoreJSON      `json:"score"`
	}
	stepJSON struct {
		Moves []moveJSON `json:"moves"`
	}
	moveJSON struct {
		Number int    `json:"number"`
		Action string `json:"action"`
		VM     string `json:"vm"`
		From   string `json:"from"`
		To     string `json:"to"`
		Bytes  int64  `json:"memory_bytes"`
		Detour bool   `json:"detour"`
		After  []int  `json:"after"`
		Reason string `json:"reason"`
	}
	nodeJSON struct {
		Name             string     `json:"name"`
		Capacity         amountJSON `json:"capacity"`
		Before           amountJSON `json:"before"`
		After            amountJSON `json:"after"`
		OverloadedBefore bool       `json:"overloaded_before"`
		OverloadedAfter  bool       `json:"overloaded_after"`
	}
	amountJSON struct {
		CPU     float64 `json:"cpu_cores"`
		Memory  int64   `json:"memory_bytes"`
		Network int64   `json:"network_bytes_per_s"`
		Disk    int64   `json:"disk_bytes"`
	}
	scoreJSON struct {
		Moved       int64 `json:"moved_bytes"`
		Bound       int64 `json:"bound_bytes"`
		Optimal     bool  `json:"optimal"`
		Sent        int64 `json:"sent_bytes"`
		Moves       int   `json:"moves"`
		Steps       int   `json:"steps"`
		Cost        int64 `json:"cost_bytes"`
		SearchSteps int   `json:"search_steps"`
	}
)

// json prints the plan for programs.
func (p *proposal) json() ([]byte, error) {
	r := p.result
	doc := planJSON{
		Schema: snapshot.PlanSchema, Version: version(), Snapshot: p.snapshot.Name, Goal: goals[0], Answer: r.Answer.String(),
		Rejected: map[string]int{}, Steps: []stepJSON{}, Nodes: []nodeJSON{},
		Score: scoreJSON{
			int64(r.Moved), int64(r.Bound), r.Optimal, int64(p.sent()),
			len(p.plan.Actions), len(p.plan.Steps()), int64(p.plan.Cost()), r.Steps,
		},
	}
	if r.Answer == placement.AlreadyViable {
		doc.Answer = "already-viable"
	}
	for reason, times := range r.Rejected {
		if _, told := rejections[placement.Reason(reason)]; told && times > 0 && (r.Answer == placement.Infeasible || r.Answer == placement.Exhausted) {
			doc.Rejected[placement.Reason(reason).String()] = times
		}
	}
	for _, step := range p.moves() {
		var moves []moveJSON
		for _, m := range step {
			after := []int{}
			for _, i := range m.After {
				after = append(after, i+1)
			}
			moves = append(moves, moveJSON{
				Number: m.number, Action: m.Kind.String(), VM: m.vm, From: m.source, To: m.goal, Bytes: int64(m.Memory),
				Detour: m.Bypass, After: after, Reason: m.reason,
			})
		}
		doc.Steps = append(doc.Steps, stepJSON{moves})
	}
	for _, s := range p.changed() {
		doc.Nodes = append(doc.Nodes, nodeJSON{
			s.node.Name, amounts(s.node.Capacity), amounts(s.before), amounts(s.after),
			!s.before.Within(s.node.Capacity), !s.after.Within(s.node.Capacity),
		})
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	return append(text, '\n'), err
}

func amounts(r cluster.Resources) amountJSON {
	return amountJSON{float64(r[cluster.CPU]) / float64(cluster.Core), r[cluster.Memory], r[cluster.Network], r[cluster.Disk]}
}
