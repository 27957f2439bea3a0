package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Schema is the name and version of a Comparison's JSON, its first field. The
// number rises when a field changes its meaning or goes away.
const Schema = "dvms-comparison/1"

// Comparison holds runs of one scenario, by several strategies and with one
// or more seeds each.
type Comparison struct {
	Scenario string
	Workload string
	Version  string    // of the program that made the runs
	Runs     []Summary // tables have their strategies in the order of first appearance
}

// Compare returns the comparison of the runs that were collected. Scenarios,
// workloads or versions that differ are all named.
func Compare(runs ...*Collector) Comparison {
	var c Comparison
	var scenarios, workloads, versions []string
	for _, r := range runs {
		scenarios = append(scenarios, r.header.Scenario)
		workloads = append(workloads, r.header.Workload)
		versions = append(versions, r.header.Version)
		c.Runs = append(c.Runs, r.Summary())
	}
	c.Scenario, c.Workload, c.Version = listed(scenarios), listed(workloads), listed(versions)
	return c
}

// WriteJSON writes the comparison and every run in it. docs/file-formats.md
// describes the fields.
func (c Comparison) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(struct {
		Schema   string    `json:"schema"`
		Scenario string    `json:"scenario"`
		Workload string    `json:"workload"`
		Version  string    `json:"version"`
		Runs     []Summary `json:"runs"`
	}{Schema, c.Scenario, c.Workload, c.Version, append([]Summary{}, c.Runs...)})
}

// Headline says in one line which runs these are.
func (c Comparison) Headline() string {
	parts := []string{}
	if len(c.Runs) > 0 {
		var hosts, vms, spans, seeds []string
		for _, r := range c.Runs {
			hosts = append(hosts, grouped(float64(r.Hosts), 0))
			vms = append(vms, grouped(float64(r.VMs), 0))
			if !r.Partial {
				spans = append(spans, number(float64(r.Duration), 0)+" s")
			}
			seeds = append(seeds, strconv.FormatUint(r.Seed, 10))
		}
		parts = append(parts, counted(listed(hosts), "host"), counted(listed(vms), "VM"))
		if len(spans) > 0 {
			parts = append(parts, listed(spans)+" simulated")
		}
		parts = append(parts, numbered("seed", listed(seeds)))
	}
	if c.Workload != "" {
		parts = append(parts, "workload "+c.Workload)
	}
	if c.Version != "" {
		parts = append(parts, "dvms "+c.Version)
	}
	return c.Scenario + ": " + strings.Join(parts, ", ")
}

// Notes are the lines that belong under the table.
func (c Comparison) Notes() []string {
	var notes []string
	most := 0
	for _, s := range c.strategies() {
		most = max(most, len(s.runs))
	}
	for _, r := range c.Runs {
		if !r.Partial {
			continue
		}
		note := fmt.Sprintf("%s with seed %d was cut off after %s s; ", r.Strategy, r.Seed, number(float64(r.Duration), 1))
		if c.complete(r.Strategy) {
			note += "it is left out."
		} else {
			note += "its figures are of that time only."
		}
		notes = append(notes, note)
	}
	notes = append(notes, c.requestNotes()...)
	if most > 1 {
		notes = append(notes,
			fmt.Sprintf("With up to %d seeds a strategy, counts and sums are means over its runs, and ± after a", most),
			"sum is the deviation between runs. The mean ± sd of a duration is over all runs together, its",
			"p95 the mean of the runs' p95.")
	}
	return notes
}

// complete reports whether the strategy has a run that came to its end.
func (c Comparison) complete(strategy string) bool {
	return slices.ContainsFunc(c.Runs, func(r Summary) bool { return r.Strategy == strategy && !r.Partial })
}

// strategyRuns are the runs of one strategy: a column of the table.
type strategyRuns struct {
	strategy string
	runs     []Summary
}

// strategies are the columns. A run that was cut off is left out of a mean
// over several, where it would pass for one with little to do.
func (c Comparison) strategies() []strategyRuns {
	var all []strategyRuns
	for _, r := range c.Runs {
		i := slices.IndexFunc(all, func(s strategyRuns) bool { return s.strategy == r.Strategy })
		if i < 0 {
			i = len(all)
			all = append(all, strategyRuns{strategy: r.Strategy})
		}
		if !r.Partial || !c.complete(r.Strategy) {
			all[i].runs = append(all[i].runs, r)
		}
	}
	return all
}

// mean is the mean of a figure over the runs, and the standard deviation
// between them.
func (s strategyRuns) mean(figure func(Summary) float64) (mean, sd float64) {
	n := float64(len(s.runs))
	for _, r := range s.runs {
		mean += figure(r) / n
	}
	for _, r := range s.runs {
		sd += (figure(r) - mean) * (figure(r) - mean)
	}
	if n < 2 {
		return mean, 0
	}
	return mean, math.Sqrt(sd / (n - 1))
}

// pool returns the statistics over the durations of all runs together. Mean,
// deviation and maximum are exact; the p95 can only be the mean of the runs'
// p95, each with the weight of its count.
func (s strategyRuns) pool(figure func(Summary) Times) Times {
	var all Times
	for _, r := range s.runs {
		t := figure(r)
		all.Count += t.Count
		all.Total += t.Total
		all.P95 += t.P95 * Seconds(t.Count)
		all.Max = max(all.Max, t.Max)
	}
	if all.Count == 0 {
		return all
	}
	all.Mean = all.Total / Seconds(all.Count)
	all.P95 /= Seconds(all.Count)
	squares := Seconds(0) // sum of the squared distances from the mean
	for _, r := range s.runs {
		t := figure(r)
		off := t.Mean - all.Mean
		squares += t.SD*t.SD*Seconds(max(t.Count-1, 0)) + off*off*Seconds(t.Count)
	}
	if all.Count > 1 {
		all.SD = Seconds(math.Sqrt(float64(squares) / float64(all.Count-1)))
	}
	return all
}

// listed joins the different texts, in the order of first appearance. Whole
// numbers in a row become a range.
func listed(texts []string) string {
	var out []string
	for _, t := range texts {
		if !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	if n := len(out); n > 2 {
		first, err1 := strconv.ParseUint(out[0], 10, 64)
		last, err2 := strconv.ParseUint(out[n-1], 10, 64)
		if err1 == nil && err2 == nil && last-first == uint64(n-1) && slices.IsSortedFunc(out, numerically) {
			return out[0] + "–" + out[n-1]
		}
	}
	return strings.Join(out, ", ")
}

func numerically(a, b string) int {
	if len(a) != len(b) {
		return len(a) - len(b)
	}
	return strings.Compare(a, b)
}

// counted is "1 host", "40 hosts".
func counted(n, noun string) string {
	if n == "1" {
		return n + " " + noun
	}
	return n + " " + noun + "s"
}

// numbered is "seed 42", "seeds 1–5".
func numbered(noun, list string) string {
	if strings.ContainsAny(list, ",–") {
		return noun + "s " + list
	}
	return noun + " " + list
}
