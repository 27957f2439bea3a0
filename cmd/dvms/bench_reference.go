package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
)

// reference is what is known of an instance: bounds, and what other programs
// found. Amounts are in MiB; what is not known is nil or 0.
type reference struct {
	Bound struct {
		Mem   *float64 `json:"mem"`
		Cost  *float64 `json:"cost"`
		Nodes int      `json:"nodes"`
	} `json:"bound"`
	MILP *struct {
		Value  *float64 `json:"value"`
		Bound  *float64 `json:"bound"`
		Proven bool     `json:"proven"`
		Nodes  int      `json:"nodes"`
		Mem    *float64 `json:"mem"`
	} `json:"milp"`
	BestKnown *struct {
		K       float64  `json:"K"`
		Mem     *float64 `json:"mem"`
		Optimal bool     `json:"optimal"`
	} `json:"best_known"`
	// Prototype is what a throw-away program found, by stage.
	Prototype map[string]struct {
		Mem *float64 `json:"mem"`
	} `json:"prototype"`
	GreedyNodes   int `json:"gap_greedy_nodes"`
	FirstFitNodes int `json:"ffd_nodes"`
}

// leastCost is the least memory that is known to be enough, in MiB, or 0. In a
// switch only that of the MILP counts resumes as Result.Cost does.
func (r *reference) leastCost(family string) float64 {
	var known []*float64
	if r.MILP != nil {
		known = append(known, r.MILP.Value)
	}
	if family == "repair" || family == "drain" {
		if r.BestKnown != nil {
			known = append(known, r.BestKnown.Mem)
		}
		for _, stage := range r.Prototype {
			known = append(known, stage.Mem)
		}
	}
	least := 0.0
	for _, mem := range known {
		if mem != nil && (least == 0 || *mem < least) {
			least = *mem
		}
	}
	return least
}

// readReferences reads what is known of instances, by their names. An empty file
// name stands for nothing.
func readReferences(file string) (map[string]*reference, error) {
	if file == "" {
		return nil, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("--reference: %s: %w", file, pathCause(err))
	}
	var doc struct {
		Instances map[string]*reference `json:"instances"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("--reference: %s: %w", file, err)
	}
	if len(doc.Instances) == 0 {
		return nil, fmt.Errorf("--reference: %s: it has no instances", file)
	}
	return doc.Instances, nil
}

// comparison is how a row compares with what is known.
type comparison struct {
	Known bool `json:"known"`
	// Each is what is known, in MiB or nodes, or 0.
	K     float64 `json:"best_known_k,omitempty"`
	Cost  float64 `json:"best_known_cost,omitempty"`
	Nodes int     `json:"best_known_nodes,omitempty"`
	Bound float64 `json:"proven_bound,omitempty"`
	// Each is better, equal or worse, or empty if nothing is known.
	KIs           string `json:"k_is,omitempty"`
	CostIs        string `json:"cost_is,omitempty"`
	NodesAre      string `json:"nodes_are,omitempty"`
	Contradiction string `json:"contradiction,omitempty"` // of two proofs, or of a proof and a placement
}

// String says it in a few words.
func (c comparison) String() string {
	if !c.Known {
		return "-"
	}
	var parts []string
	for _, p := range []struct{ what, is string }{{"nodes", c.NodesAre}, {"K", c.KIs}, {"cost", c.CostIs}} {
		if p.is != "" {
			parts = append(parts, p.what+" "+p.is)
		}
	}
	if c.Contradiction != "" {
		parts = append(parts, "CONTRADICTION: "+c.Contradiction)
	}
	return strings.Join(parts, ", ")
}

// compare says how what was found compares with what is known. If the goal is to use
// few nodes, costs are compared among equal numbers of them.
func (row *solverRow) compare(known *reference) comparison {
	if known == nil {
		return comparison{}
	}
	c := comparison{Known: true}
	r := &row.solution.Result
	if r.Answer == placement.Infeasible {
		if known.BestKnown != nil || known.MILP != nil && (known.MILP.Value != nil || known.MILP.Nodes > 0) {
			c.Contradiction = "infeasible, and a placement is known"
		}
		return c
	}
	if r.Answer == placement.Exhausted {
		return c
	}
	cost, k := mib(r.Cost+row.suspended), mib(row.solution.Plan.Cost())
	if row.task.Goal == "consolidate" {
		row.compareNodes(&c, known, cost)
		return c
	}
	if b := known.BestKnown; b != nil {
		c.K, c.KIs = b.K, compared(k, b.K)
		if b.Optimal && k < b.K {
			c.Contradiction = "K is below what is proven"
		}
	}
	for _, proven := range []*float64{known.Bound.Mem, known.Bound.Cost} {
		if proven != nil {
			c.Bound = max(c.Bound, *proven)
		}
	}
	if m := known.MILP; m != nil && m.Bound != nil {
		c.Bound = max(c.Bound, math.Ceil(*m.Bound-1e-3))
	}
	if c.Cost = known.leastCost(familyOf(row.group)); c.Cost > 0 {
		c.CostIs = compared(cost, c.Cost)
		if mib(r.Bound+row.suspended) > c.Cost {
			c.Contradiction = "the bound is above the cost of a placement that is known"
		}
	}
	if mib(row.sent) < c.Bound {
		c.Contradiction = "the cost is below what is proven"
	}
	return c
}

func (row *solverRow) compareNodes(c *comparison, known *reference, cost float64) {
	for _, n := range []int{known.GreedyNodes, known.FirstFitNodes} {
		if n > 0 && (c.Nodes == 0 || n < c.Nodes) {
			c.Nodes = n
		}
	}
	m := known.MILP
	if m != nil && m.Nodes > 0 && (c.Nodes == 0 || m.Nodes <= c.Nodes) {
		c.Nodes = m.Nodes
	}
	if c.Nodes == 0 {
		c.Nodes = known.Bound.Nodes // nobody has found as few, or tried
	}
	c.NodesAre = compared(float64(row.on), float64(c.Nodes))
	if m != nil && m.Mem != nil && m.Nodes == row.on {
		c.Cost, c.CostIs = *m.Mem, compared(cost, *m.Mem)
		if row.solution.Result.NodesBound == row.on && mib(row.solution.Result.Bound) > *m.Mem {
			c.Contradiction = "the bound is above the cost of a placement that is known"
		}
	}
	if row.on < known.Bound.Nodes || m != nil && m.Nodes > 0 && row.solution.Result.NodesBound > m.Nodes {
		c.Contradiction = "the number of nodes, or its bound, contradicts what is proven"
	}
}

func compared(own, known float64) string {
	switch {
	case own < known:
		return "better"
	case own > known:
		return "worse"
	}
	return "equal"
}

func mib(b cluster.Bytes) float64 { return float64(b) / float64(cluster.MiB) }

func familyOf(group string) string {
	family, _, _ := strings.Cut(group, " ")
	return family
}
