package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
)

// solverReport is what dvms bench solver prints, as it comes.
type solverReport struct {
	known   map[string]*reference
	rows    []*solverRow
	reached []figure
	printer printer
	wait    *waitingLine
}

// printer prints lines, unless it is quiet.
type printer struct {
	out    io.Writer
	quiet  bool
	widths []int // of the columns
	err    error // the first one
}

func (p *printer) line(text string) {
	if p.quiet || p.err != nil {
		return
	}
	_, p.err = fmt.Fprintln(p.out, strings.TrimRight(text, " "))
}

// row prints cells in columns: the first and the last one to the left.
func (p *printer) row(cells ...string) {
	var line strings.Builder
	for i, cell := range cells {
		pad := ""
		if i < len(p.widths) {
			pad = strings.Repeat(" ", max(0, p.widths[i]-utf8.RuneCountInString(cell)))
		}
		if i == 0 {
			line.WriteString(cell + pad)
		} else {
			line.WriteString("  " + pad + cell)
		}
	}
	p.line(line.String())
}

// begin prints the head of the table.
func (r *solverReport) begin(all []source) {
	widest := len("instance")
	for _, s := range all {
		name := strings.TrimSuffix(s.name[strings.LastIndexByte(s.name, '/')+1:], ".json")
		widest = max(widest, utf8.RuneCountInString(name))
	}
	r.printer.line(fmt.Sprintf("dvms %s, %s, %s/%s, one core; amounts in MiB\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH))
	r.printer.widths = []int{widest, 5, 5, 10, 9, 9, 7, 9, 5, 5, 9, 8, 8, 9, 7}
	head := []string{"instance", "nodes", "VMs", "answer", "cost", "bound", "gap", "on", "moves", "steps", "K", "first", "total", "search", "plan"}
	if r.known != nil {
		head = append(head, "known")
	}
	r.printer.row(head...)
}

// add prints a row.
func (r *solverReport) add(row *solverRow) {
	row.compared = row.compare(r.known[row.task.Name])
	r.rows = append(r.rows, row)
	c, result := row.task.Configuration, &row.solution.Result
	cells := []string{
		printable(row.task.Name), strconv.Itoa(len(c.Nodes)), strconv.Itoa(len(c.VMs)), shortAnswer(result.Answer),
		"-", "-", "-", "-", "-", "-", "-", "-", shortTime(row.total), strconv.Itoa(result.Steps), "-",
	}
	if row.hasPlan() {
		p := row.solution.Plan
		cells[4], cells[5], cells[6] = inMiB(result.Cost), inMiB(result.Bound), inPercent(result.Gap())
		cells[8], cells[9], cells[10] = strconv.Itoa(len(p.Actions)), strconv.Itoa(len(p.Steps())), inMiB(p.Cost())
		cells[11], cells[14] = shortTime(row.first), "ok"
		if result.NodesBound > 0 {
			cells[7] = fmt.Sprintf("%d of %d", row.on, result.NodesBound)
		}
		if row.refused != nil {
			cells[14] = "REFUSED"
		}
	}
	if r.known != nil {
		cells = append(cells, r.described(row))
	}
	r.printer.row(cells...)
	if row.refused != nil {
		r.printer.line("  refused: " + row.refused.Error())
	}
}

// described says how a row compares with what is known, with figures if it is worse.
func (r *solverReport) described(row *solverRow) string {
	c := row.compared
	text := c.String()
	if c.KIs == "worse" {
		text += fmt.Sprintf(" (K %+.1f %% on %.0f)", 100*(mib(row.solution.Plan.Cost())/c.K-1), c.K)
	}
	if c.CostIs == "worse" && c.Cost > 0 {
		text += fmt.Sprintf(" (cost %+.1f %% on %.0f)", 100*(mib(row.solution.Result.Cost+row.suspended)/c.Cost-1), c.Cost)
	}
	if c.NodesAre == "worse" {
		text += fmt.Sprintf(" (%d)", c.Nodes)
	}
	return text
}

func (row *solverRow) hasPlan() bool {
	a := row.solution.Result.Answer
	return a == placement.Viable || a == placement.AlreadyViable
}

// shortAnswer is an answer in a word.
func shortAnswer(a placement.Answer) string {
	if a == placement.AlreadyViable {
		return "already"
	}
	return a.String()
}

// groupSummary is what a group of instances has in common.
type groupSummary struct {
	Group      string  `json:"group"`
	Instances  int     `json:"instances"`
	Plans      int     `json:"plans"`
	Refused    int     `json:"refused"`
	Infeasible int     `json:"infeasible"`
	Exhausted  int     `json:"exhausted"`
	Optimal    int     `json:"proven_optimal"`
	WorstGap   float64 `json:"worst_gap"` // of those with a bound above 0
	BetterK    int     `json:"k_better"`  // than what is known, and so on
	EqualK     int     `json:"k_equal"`
	WorseK     int     `json:"k_worse"`
	First      float64 `json:"longest_first_seconds"`
	Total      float64 `json:"longest_total_seconds"`
}

func (g *groupSummary) add(row *solverRow) {
	r := &row.solution.Result
	g.Instances++
	switch {
	case row.hasPlan():
		g.Plans++
	case r.Answer == placement.Infeasible:
		g.Infeasible++
	default:
		g.Exhausted++
	}
	if row.refused != nil {
		g.Refused++
	}
	if row.hasPlan() && isOptimal(row) {
		g.Optimal++
	}
	if gap := r.Gap(); row.hasPlan() && !math.IsInf(gap, 0) {
		g.WorstGap = max(g.WorstGap, gap)
	}
	switch row.compared.KIs {
	case "better":
		g.BetterK++
	case "equal":
		g.EqualK++
	case "worse":
		g.WorseK++
	}
	if row.hasPlan() {
		g.First = max(g.First, row.first.Seconds())
	}
	g.Total = max(g.Total, row.total.Seconds())
}

// isOptimal reports whether a placement is proven to be best: in nodes first, if that
// is the goal.
func isOptimal(row *solverRow) bool {
	r := &row.solution.Result
	return r.Optimal && (r.NodesBound == 0 || r.Nodes == r.NodesBound)
}

// groups sums the rows up by group, in order of appearance.
func (r *solverReport) groups() []*groupSummary {
	var groups []*groupSummary
	at := map[string]int{}
	for _, row := range r.rows {
		i, known := at[row.group]
		if !known {
			i = len(groups)
			at[row.group] = i
			groups = append(groups, &groupSummary{Group: row.group})
		}
		groups[i].add(row)
	}
	return groups
}

// summarize prints a line for each group.
func (r *solverReport) summarize() {
	r.printer.line("")
	r.printer.widths = []int{17, 9, 5, 7, 10, 9, 14, 9, 13, 13}
	head := []string{"group", "instances", "plans", "refused", "infeasible", "exhausted", "proven optimal", "worst gap", "longest first", "longest total"}
	if r.known != nil {
		head = append(head, "K against what is known")
	}
	r.printer.row(head...)
	for _, g := range r.groups() {
		cells := []string{
			g.Group, strconv.Itoa(g.Instances), strconv.Itoa(g.Plans), strconv.Itoa(g.Refused), strconv.Itoa(g.Infeasible), strconv.Itoa(g.Exhausted),
			strconv.Itoa(g.Optimal), inPercent(g.WorstGap), shortTime(seconds(g.First)), shortTime(seconds(g.Total)),
		}
		if r.known != nil {
			cells = append(cells, fmt.Sprintf("%d better, %d equal, %d worse", g.BetterK, g.EqualK, g.WorseK))
		}
		r.printer.row(cells...)
	}
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// wrong returns an error if a plan was refused or proofs contradict each other.
func (r *solverReport) wrong() error {
	var errs []error
	for _, row := range r.rows {
		if row.refused != nil {
			errs = append(errs, fmt.Errorf("%s: the plan is wrong, which is a mistake in dvms: %w", row.task.Name, row.refused))
		}
		if c := row.compared.Contradiction; c != "" {
			errs = append(errs, fmt.Errorf("%s: %s", row.task.Name, c))
		}
	}
	return errors.Join(errs...)
}

// The JSON form. Amounts are in bytes, times in seconds.
type (
	solverDocument struct {
		Schema    string          `json:"schema"`
		Version   string          `json:"version"`
		Go        string          `json:"go"`
		Platform  string          `json:"platform"`
		Instances []solverJSON    `json:"instances"`
		Groups    []*groupSummary `json:"groups"`
		Table     []figure        `json:"table"`
	}
	solverJSON struct {
		Name        string      `json:"name"`
		Group       string      `json:"group"`
		Nodes       int         `json:"nodes"`
		VMs         int         `json:"vms"`
		Answer      string      `json:"answer"`
		Cost        int64       `json:"cost_bytes"`
		Moved       int64       `json:"moved_bytes"`
		Bound       int64       `json:"bound_bytes"`
		Gap         *float64    `json:"gap"` // null if the bound is 0 and the cost is not
		Optimal     bool        `json:"proven_optimal"`
		On          int         `json:"nodes_on"`
		NodesBound  int         `json:"nodes_bound,omitempty"`
		Actions     int         `json:"actions"`
		Migrations  int         `json:"migrations"`
		Steps       int         `json:"steps"`
		K           int64       `json:"k_bytes"`
		First       float64     `json:"first_seconds"`
		Total       float64     `json:"total_seconds"`
		FirstSearch int         `json:"first_search_steps"`
		Search      int         `json:"search_steps"`
		Accepted    bool        `json:"accepted"`
		Refused     string      `json:"refused,omitempty"`
		Known       *comparison `json:"known,omitempty"`
	}
)

// solverSchema names the JSON form. Fields are added, never changed.
const solverSchema = "dvms-bench-solver/1"

func (row *solverRow) json() solverJSON {
	c, r, p := row.task.Configuration, &row.solution.Result, row.solution.Plan
	out := solverJSON{
		Name: row.task.Name, Group: row.group, Nodes: len(c.Nodes), VMs: len(c.VMs), Answer: r.Answer.String(),
		Bound: int64(r.Bound), Total: row.total.Seconds(), Search: r.Steps,
	}
	if !row.hasPlan() {
		return out
	}
	out.Cost, out.Moved, out.Optimal, out.On, out.NodesBound = int64(r.Cost), int64(r.Moved), isOptimal(row), row.on, r.NodesBound
	out.Actions, out.Migrations, out.Steps, out.K = len(p.Actions), migrations(p), len(p.Steps()), int64(p.Cost())
	out.First, out.FirstSearch, out.Accepted = row.first.Seconds(), r.FirstSteps, row.refused == nil
	if gap := r.Gap(); !math.IsInf(gap, 0) {
		out.Gap = &gap
	}
	if row.refused != nil {
		out.Refused = row.refused.Error()
	}
	if row.compared.Known {
		out.Known = &row.compared
	}
	return out
}

func (r *solverReport) writeJSON(out io.Writer) error {
	doc := solverDocument{
		Schema: solverSchema, Version: version(), Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Instances: []solverJSON{}, Groups: r.groups(), Table: append([]figure{}, r.reached...),
	}
	for _, row := range r.rows {
		doc.Instances = append(doc.Instances, row.json())
	}
	e := json.NewEncoder(out)
	e.SetIndent("", "  ")
	return e.Encode(doc)
}

// inMiB prints an amount without its unit.
func inMiB(b cluster.Bytes) string {
	return strconv.FormatFloat(math.Round(100*mib(b))/100, 'f', -1, 64)
}

func inPercent(share float64) string {
	switch {
	case math.IsInf(share, 0):
		return "-"
	case share == 0:
		return "0 %"
	}
	return strconv.FormatFloat(100*share, 'f', 1, 64) + " %"
}

// shortTime prints a time with three digits.
func shortTime(d time.Duration) string {
	value, unit := float64(d), "ns"
	for _, larger := range []string{"µs", "ms", "s"} {
		if value < 1000 {
			break
		}
		value, unit = value/1000, larger
	}
	places := 2
	switch {
	case unit == "ns" || value >= 100:
		places = 0
	case value >= 10:
		places = 1
	}
	return strconv.FormatFloat(value, 'f', places, 64) + " " + unit
}
