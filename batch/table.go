package batch

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
)

// Schema names the JSON of WriteJSON.
const Schema = "dvms-vjobs/1"

// Gain is what a policy saves of the cumulated completion time of another, over
// several draws of a study: the mean share and its standard deviation.
type Gain struct {
	Policy   string  `json:"policy"`
	Over     string  `json:"over"`
	Draws    int     `json:"draws"`
	Mean     float64 `json:"mean"`
	SD       float64 `json:"sd"`
	Worst    float64 `json:"worst"`
	Best     float64 `json:"best"`
	Minutes  float64 `json:"cumulated_min"`    // of the policy, mean
	MinuteSD float64 `json:"cumulated_sd_min"` // of the policy
}

// Gains runs so many draws of a study, from seed 1 on, and compares each of its
// policies with the first.
func Gains(s *Study, draws int) []Gain {
	minutes := make([][]float64, len(s.Policies))
	shares := make([][]float64, len(s.Policies))
	for seed := range uint64(draws) {
		drawn := s.Draw(seed + 1)
		for i, policy := range s.Policies {
			r := Run(&drawn, policy)
			minutes[i] = append(minutes[i], r.Cumulated().Minutes())
			shares[i] = append(shares[i], 1-minutes[i][seed]/minutes[0][seed])
		}
	}
	gains := make([]Gain, len(s.Policies))
	for i, policy := range s.Policies {
		g := Gain{Policy: policy, Over: s.Policies[0], Draws: draws, Worst: math.Inf(1), Best: math.Inf(-1)}
		g.Mean, g.SD = meanSD(shares[i])
		g.Minutes, g.MinuteSD = meanSD(minutes[i])
		for _, share := range shares[i] {
			g.Worst, g.Best = min(g.Worst, share), max(g.Best, share)
		}
		gains[i] = g
	}
	return gains
}

// meanSD returns the mean and the standard deviation of a sample.
func meanSD(of []float64) (mean, sd float64) {
	for _, x := range of {
		mean += x
	}
	mean /= float64(len(of))
	squares := 0.0
	for _, x := range of {
		squares += float64((x - mean) * (x - mean))
	}
	return mean, math.Sqrt(squares / float64(max(len(of)-1, 1)))
}

// WriteTable writes how the runs compare: a line a measure, a column a policy.
func WriteTable(w io.Writer, s *Study, runs []Result, gains []Gain) error {
	rows := [][]string{{""}}
	for _, r := range runs {
		rows[0] = append(rows[0], r.Policy)
	}
	add := func(label string, of func(r *Result) string) {
		row := []string{label}
		for i := range runs {
			row = append(row, of(&runs[i]))
		}
		rows = append(rows, row)
	}
	add("completion, cumulated", func(r *Result) string { return minutes(r.Cumulated()) })
	for j, v := range s.VJobs {
		add(fmt.Sprintf("  %s %s %v", v.Name, v.Graph, v.Memory), func(r *Result) string { return minutes(r.Completed[j]) })
	}
	add("makespan", func(r *Result) string { return minutes(r.Makespan) })
	add("CPUs that compute, mean", func(r *Result) string { return fmt.Sprintf("%.1f %%", 100*r.CPU) })
	add("memory of VMs, mean", func(r *Result) string { return fmt.Sprintf("%.1f %%", 100*r.Memory) })
	for _, m := range switchMeasures {
		add(m.label, func(r *Result) string {
			if len(r.Switches) == 0 {
				return "–"
			}
			return m.of(r)
		})
	}
	var out strings.Builder
	fmt.Fprintf(&out, "%s: %d nodes, %d vjobs of %d VMs, seed %d\n\n", s.Name, s.Nodes.Count, len(s.VJobs), tasksPerGraph, s.Seed)
	out.WriteString(aligned(rows))
	if len(gains) > 0 {
		out.WriteString("\n" + aligned(gainRows(gains)))
	}
	_, err := io.WriteString(w, out.String())
	return err
}

func gainRows(gains []Gain) [][]string {
	rows := [][]string{
		{fmt.Sprintf("%d draws", gains[0].Draws)},
		{"completion, cumulated"},
		{"less than " + gains[0].Over},
		{"  least"},
		{"  most"},
	}
	for i, g := range gains {
		rows[0] = append(rows[0], g.Policy)
		rows[1] = append(rows[1], fmt.Sprintf("%.1f ± %.1f min", g.Minutes, g.MinuteSD))
		cells := []string{fmt.Sprintf("%.1f ± %.1f %%", 100*g.Mean, 100*g.SD), fmt.Sprintf("%.1f %%", 100*g.Worst), fmt.Sprintf("%.1f %%", 100*g.Best)}
		for k, cell := range cells {
			if i == 0 {
				cell = "–"
			}
			rows[2+k] = append(rows[2+k], cell)
		}
	}
	return rows
}

var switchMeasures = []struct {
	label string
	of    func(*Result) string
}{
	{"context switches", func(r *Result) string { return fmt.Sprint(len(r.Switches)) }},
	{"  cost K, cumulated", func(r *Result) string {
		return inGiB(r.sum(func(s *Switch) int64 { return int64(s.Cost) }))
	}},
	{"  duration, cumulated", func(r *Result) string {
		return minutes(time.Duration(r.sum(func(s *Switch) int64 { return int64(s.Duration) })))
	}},
	{"  longest", func(r *Result) string {
		var longest time.Duration
		for _, s := range r.Switches {
			longest = max(longest, s.Duration)
		}
		return minutes(longest)
	}},
	{"suspends", func(r *Result) string { return r.count(func(s *Switch) int { return s.Suspends }) }},
	{"resumes", func(r *Result) string { return r.count(func(s *Switch) int { return s.Resumes }) }},
	{"  where the image is", func(r *Result) string { return r.count(func(s *Switch) int { return s.Local }) }},
	{"migrations", func(r *Result) string { return r.count(func(s *Switch) int { return s.Migrations }) }},
}

func (r *Result) sum(of func(*Switch) int64) (sum int64) {
	for i := range r.Switches {
		sum += of(&r.Switches[i])
	}
	return sum
}

func (r *Result) count(of func(*Switch) int) string {
	return fmt.Sprint(r.sum(func(s *Switch) int64 { return int64(of(s)) }))
}

func inGiB(bytes int64) string {
	return fmt.Sprintf("%.1f GiB", float64(bytes)/float64(cluster.GiB))
}

// aligned puts rows into columns: the first to the left, the others to the right.
func aligned(rows [][]string) string {
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	for _, row := range rows {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				line.WriteString(cell + pad)
			} else {
				line.WriteString("   " + pad + cell)
			}
		}
		out.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return out.String()
}

// The JSON of a run: docs/file-formats.md describes it. Fields are added, never
// changed.
type (
	jsonRun struct {
		Policy     string       `json:"policy"`
		Cumulated  float64      `json:"cumulated_s"`
		Makespan   float64      `json:"makespan_s"`
		CPU        float64      `json:"cpu_share"`
		Memory     float64      `json:"memory_share"`
		Completion []jsonVJob   `json:"vjobs"`
		Switches   []jsonSwitch `json:"switches"`
	}
	jsonVJob struct {
		Name      string     `json:"name"`
		Completed float64    `json:"completed_s"`
		Phases    []jsonSpan `json:"phases"`
	}
	jsonSpan struct {
		Phase string  `json:"phase"`
		From  float64 `json:"from_s"`
		To    float64 `json:"to_s"`
	}
	jsonSwitch struct {
		At         float64 `json:"t"`
		Duration   float64 `json:"duration_s"`
		Cost       int64   `json:"cost_bytes"`
		Depth      int64   `json:"steps_cost_bytes"`
		Steps      int     `json:"steps"`
		Runs       int     `json:"runs"`
		Stops      int     `json:"stops"`
		Suspends   int     `json:"suspends"`
		Resumes    int     `json:"resumes"`
		Local      int     `json:"local_resumes"`
		Migrations int     `json:"migrations"`
	}
)

// WriteJSON writes the runs and gains as JSON.
func WriteJSON(w io.Writer, s *Study, runs []Result, gains []Gain, version string) error {
	out := struct {
		Schema  string    `json:"schema"`
		Study   string    `json:"study"`
		Version string    `json:"version"`
		Seed    uint64    `json:"seed"`
		Runs    []jsonRun `json:"runs"`
		Gains   []Gain    `json:"gains,omitempty"`
	}{Schema, s.Name, version, s.Seed, []jsonRun{}, gains}
	for i := range runs {
		out.Runs = append(out.Runs, runs[i].json(s))
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

// inSeconds rounds to microseconds, so that a sum prints without noise.
func inSeconds(d time.Duration) float64 {
	return float64(d.Round(time.Microsecond).Microseconds()) / 1e6
}

func (r *Result) json(s *Study) jsonRun {
	run := jsonRun{
		Policy: r.Policy, Cumulated: inSeconds(r.Cumulated()), Makespan: inSeconds(r.Makespan),
		CPU: r.CPU, Memory: r.Memory, Switches: []jsonSwitch{},
	}
	for j, v := range s.VJobs {
		vjob := jsonVJob{Name: v.Name, Completed: inSeconds(r.Completed[j]), Phases: []jsonSpan{}}
		for _, span := range r.Spans {
			if span.VJob == j {
				vjob.Phases = append(vjob.Phases, jsonSpan{span.Phase.String(), inSeconds(span.From), inSeconds(span.To)})
			}
		}
		run.Completion = append(run.Completion, vjob)
	}
	for _, w := range r.Switches {
		run.Switches = append(run.Switches, jsonSwitch{
			inSeconds(w.At), inSeconds(w.Duration), int64(w.Cost), int64(w.Depth), w.Steps, w.Runs, w.Stops, w.Suspends, w.Resumes, w.Local, w.Migrations,
		})
	}
	return run
}
