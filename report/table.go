package report

import (
	"io"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// measure is what a row of the table shows of each strategy.
type measure struct {
	label string
	sub   bool // belongs to the last row that is not sub
	unit  unit
	rare  bool // left out when it is 0 everywhere
	of    func(strategyRuns) figure
}

// figure is a value, and perhaps a deviation from it.
type figure struct {
	value, spread float64
	spreads       bool   // the spread is shown
	absent        bool   // the measure does not apply
	text          string // instead of the value, if it is not empty
}

// unit is how the figures of a row are printed.
type unit int

const (
	inUnits   unit = iota // whole things, or their mean over seeds
	inTime                // from seconds
	inBytes               // from bytes
	inPercent             // from a share
	asMean                // of whole things
	asRate                // per second
)

// row is a line of the table, ready to be aligned.
type row struct {
	Label string
	Sub   bool
	Cells []string
}

func (c Comparison) measures() []measure {
	rows := []measure{
		count("violations", always, func(s Summary) int { return s.Violations.Count }),
		meanSD("mean ± sd", always, violations),
		p95("p95", always, violations),
		longest("longest", always, violations),
		total("cumulated", always, violations),
		count("still open at the end", always, func(s Summary) int { return s.Violations.Open }).below(),
		count("begun by an arrival", always, func(s Summary) int { return s.Violations.Arrival }).below().ifAny(),
		sum("while the host's agent was down", inTime, faulty, func(s Summary) float64 { return float64(s.Faults.Unattended) }).below().ifAny(),
		count("of memory", always, func(s Summary) int { return s.Violations.Memory }).below().ifAny(),

		count("VMs short of CPU", always, func(s Summary) int { return s.Starvation.VMs }),
		sum("time short, all VMs", inTime, always, func(s Summary) float64 { return float64(s.Starvation.Time) }).below(),
		sum("CPU asked and not given", inPercent, always, func(s Summary) float64 { return s.Starvation.LostShare }).below(),

		count("computations", schedules, func(s Summary) int { return s.Computation.Count }),
		meanSD("mean ± sd", schedules, computation),
		total("cumulated", schedules, computation),
		count("without a solution", schedules, func(s Summary) int { return s.Computation.Failed }).below(),
		count("search steps", schedules, func(s Summary) int { return s.Computation.Steps }).below(),

		count("reconfigurations", schedules, func(s Summary) int { return s.Reconfiguration.Count }),
		meanSD("mean ± sd", schedules, reconfiguration),
		total("cumulated", schedules, reconfiguration),
		count("aborted", schedules, func(s Summary) int { return s.Reconfiguration.Aborted }).below().ifAny(),

		count("migrations", schedules, func(s Summary) int { return s.Migrations.Count }),
		meanSD("mean ± sd", schedules, migrations),
		sum("within a site", inPercent, migratesAcross, func(s Summary) float64 { return s.Migrations.IntraSiteShare }).below(),
		sum("memory sent", inBytes, schedules, func(s Summary) float64 { return float64(s.Migrations.Bytes) }).below(),
		count("failed", schedules, func(s Summary) int { return s.Migrations.Failed }).below().ifAny(),
		count("open at the end", schedules, func(s Summary) int { return s.Migrations.Open }).below().ifAny(),

		sum("hosts without a VM, mean", asMean, always, func(s Summary) float64 { return s.EmptyHosts }).ifAny(),
	}
	rows = append(rows, c.requestMeasures()...)
	return append(rows, []measure{
		count("partitions", partitioned, func(s Summary) int { return s.Partitions.Count }),
		sum("nodes, mean", asMean, partitioned, func(s Summary) float64 { return s.Partitions.MeanNodes }).below(),
		count("nodes, p95", partitioned, func(s Summary) int { return s.Partitions.P95Nodes }).below(),
		count("nodes, most", partitioned, func(s Summary) int { return s.Partitions.MaxNodes }).below(),
		sum("sites, mean", asMean, partitionedAcross, func(s Summary) float64 { return s.Partitions.MeanSites }).below(),
		sum("hops, mean", asMean, partitioned, func(s Summary) float64 { return s.Partitions.MeanHops }).below(),
		meanSD("time to a plan, mean ± sd", partitioned, toSolution),
		p95("time to a plan, p95", partitioned, toSolution),
		meanSD("whole duration, mean ± sd", partitioned, lasting),
		p95("whole duration, p95", partitioned, lasting),
		sum("messages, mean", asMean, partitioned, func(s Summary) float64 { return s.Partitions.Messages.Mean }).below().ifAny(),
		count("messages, p95", partitioned, func(s Summary) int { return s.Partitions.Messages.P95 }).below().ifAny(),
		sum("message bytes, mean", inBytes, partitioned, func(s Summary) float64 { return s.Partitions.MessageBytes.Mean }).below().ifAny(),
		sum("message bytes, p95", inBytes, partitioned, func(s Summary) float64 { return float64(s.Partitions.MessageBytes.P95) }).below().ifAny(),
		count("solved", partitioned, func(s Summary) int { return s.Partitions.Solved }).below(),
		count("vanished by themselves", partitioned, func(s Summary) int { return s.Partitions.Vanished }).below().ifAny(),
		count("unsolvable", partitioned, func(s Summary) int { return s.Partitions.Unsolvable }).below().ifAny(),
		count("aborted", partitioned, func(s Summary) int { return s.Partitions.Aborted }).below().ifAny(),
		count("merged into another", partitioned, func(s Summary) int { return s.Partitions.Merged }).below().ifAny(),
		count("lost", partitioned, func(s Summary) int { return s.Partitions.Lost }).below().ifAny(),
		count("open at the end", partitioned, func(s Summary) int { return s.Partitions.Open }).below().ifAny(),

		count("messages", schedules, func(s Summary) int { return s.Messages }),
		sum("bytes of these", inBytes, schedules, func(s Summary) float64 { return float64(s.MessageBytes) }).below().ifAny(),
		count("lost", faultsSchedules, func(s Summary) int { return s.Faults.Lost }).below().ifAny(),
		count("arrived twice", faultsSchedules, func(s Summary) int { return s.Faults.Doubled }).below().ifAny(),
		sum("gossip, bytes a host and second", asMean, gossips, Summary.gossipRate).below(),
		count("crashes", faulty, func(s Summary) int { return s.Faults.HostCrashes + s.Faults.AgentCrashes }).ifAny(),
		count("returns", faulty, func(s Summary) int { return s.Faults.Returns }).below().ifAny(),
		count("cuts of the network", faulty, func(s Summary) int { return s.Faults.Cuts }).ifAny(),
		sum("simulator events", inUnits, always, func(s Summary) float64 { return float64(s.Events) }).ifAny(),
		sum("time the run took", inTime, timed, func(s Summary) float64 { return float64(s.Wall) }).ifAny(),
		sum("events per second", asRate, timed, func(s Summary) float64 { return s.EventsPerSecond }).below().ifAny(),
	}...)
}

func violations(s Summary) Times      { return s.Violations.Times }
func computation(s Summary) Times     { return s.Computation.Times }
func reconfiguration(s Summary) Times { return s.Reconfiguration.Times }
func migrations(s Summary) Times      { return s.Migrations.Times }
func toSolution(s Summary) Times      { return s.Partitions.ToSolution }
func lasting(s Summary) Times         { return s.Partitions.Duration }

// Whether a measure applies to a run.
func always(Summary) bool        { return true }
func schedules(s Summary) bool   { return s.Strategy != "none" }
func partitioned(s Summary) bool { return s.Partitions != nil }
func timed(s Summary) bool       { return s.Wall > 0 }

func gossips(s Summary) bool { return s.Gossip > 0 }

func faultsSchedules(s Summary) bool { return faulty(s) && schedules(s) }

// With one site there is nothing to say about sites.
func migratesAcross(s Summary) bool    { return s.Sites > 1 && s.Migrations.Count > 0 }
func partitionedAcross(s Summary) bool { return s.Sites > 1 && partitioned(s) }

func (m measure) below() measure { m.sub = true; return m }
func (m measure) ifAny() measure { m.rare = true; return m }

func count(label string, applies func(Summary) bool, of func(Summary) int) measure {
	return sum(label, inUnits, applies, func(s Summary) float64 { return float64(of(s)) })
}

// sum is a figure of each run, averaged over the runs.
func sum(label string, u unit, applies func(Summary) bool, of func(Summary) float64) measure {
	return measure{label: label, unit: u, of: func(s strategyRuns) figure {
		s = s.where(applies)
		value, _ := s.mean(of)
		return figure{value: value, absent: len(s.runs) == 0}
	}}
}

// total is the cumulated time, with its deviation between runs if there are
// several.
func total(label string, applies func(Summary) bool, of func(Summary) Times) measure {
	return measure{label: label, sub: true, unit: inTime, of: func(s strategyRuns) figure {
		s = s.where(applies)
		value, spread := s.mean(func(r Summary) float64 { return float64(of(r).Total) })
		return figure{value: value, spread: spread, spreads: len(s.runs) > 1, absent: len(s.runs) == 0}
	}}
}

func meanSD(label string, applies func(Summary) bool, of func(Summary) Times) measure {
	return pooled(label, applies, of, func(t Times) figure {
		return figure{value: float64(t.Mean), spread: float64(t.SD), spreads: t.Count > 1}
	})
}

func p95(label string, applies func(Summary) bool, of func(Summary) Times) measure {
	return pooled(label, applies, of, func(t Times) figure { return figure{value: float64(t.P95)} })
}

func longest(label string, applies func(Summary) bool, of func(Summary) Times) measure {
	return pooled(label, applies, of, func(t Times) figure { return figure{value: float64(t.Max)} })
}

// pooled is a statistic over the durations of all runs; there is none over
// nothing.
func pooled(label string, applies func(Summary) bool, of func(Summary) Times, pick func(Times) figure) measure {
	return measure{label: label, sub: true, unit: inTime, of: func(s strategyRuns) figure {
		all := s.where(applies).pool(of)
		if all.Count == 0 {
			return figure{absent: true}
		}
		return pick(all)
	}}
}

func (s strategyRuns) where(applies func(Summary) bool) strategyRuns {
	out := strategyRuns{strategy: s.strategy}
	for _, r := range s.runs {
		if applies(r) {
			out.runs = append(out.runs, r)
		}
	}
	return out
}

// rows are the lines of the table that say something. Left out is what applies
// to no strategy, what is rare and did not happen, and what there is to say
// about violations, or migrations, when there were none.
func (c Comparison) rows() []row {
	strategies := c.strategies()
	var rows []row
	headed := false // the last row that is not sub has something under it
	for _, m := range c.measures() {
		figures := make([]figure, len(strategies))
		applies, happened := false, false
		for i, s := range strategies {
			f := m.of(s)
			figures[i] = f
			applies = applies || !f.absent
			happened = happened || !f.absent && f.value != 0
		}
		if !m.sub {
			headed = happened
		}
		if says := happened || !m.rare && (headed || !m.sub); applies && says {
			rows = append(rows, row{m.label, m.sub, m.unit.print(figures)})
		}
	}
	return rows
}

// WriteTable writes the comparison for a terminal: a line for each measure, a
// column for each strategy. A dash stands where a measure does not apply, or
// would be a statistic over nothing.
func (c Comparison) WriteTable(w io.Writer) error {
	rows := c.rows()
	names := row{Cells: []string{}}
	for _, s := range c.strategies() {
		names.Cells = append(names.Cells, s.strategy)
	}
	rows = append([]row{names}, rows...)
	labels, widths := 0, make([]int, len(names.Cells))
	for i := range rows {
		if rows[i].Sub {
			rows[i].Label = "  " + rows[i].Label
		}
		labels = max(labels, utf8.RuneCountInString(rows[i].Label))
		for j, cell := range rows[i].Cells {
			widths[j] = max(widths[j], utf8.RuneCountInString(cell))
		}
	}
	var out strings.Builder
	out.WriteString(c.Headline() + "\n\n")
	for _, r := range rows {
		line := padded(r.Label, -labels)
		for j, cell := range r.Cells {
			line += "   " + padded(cell, widths[j])
		}
		out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if notes := c.Notes(); len(notes) > 0 {
		out.WriteString("\n" + strings.Join(notes, "\n") + "\n")
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// padded fills s to a width, on the left, or on the right if the width is
// negative.
func padded(s string, width int) string {
	n := utf8.RuneCountInString(s)
	if width < 0 {
		return s + strings.Repeat(" ", max(-width-n, 0))
	}
	return strings.Repeat(" ", max(width-n, 0)) + s
}

// print gives all figures of a row the same unit and the same decimals, so
// that they can be compared at a glance.
func (u unit) print(figures []figure) []string {
	scale, name := u.scale(figures)
	decimals := u.decimals(figures, scale)
	cells := make([]string, len(figures))
	for i, f := range figures {
		switch {
		case f.absent:
			cells[i] = "–"
		case f.text != "":
			cells[i] = f.text
		case f.spreads:
			cells[i] = grouped(f.value/scale, decimals) + " ± " + grouped(f.spread/scale, decimals) + name
		default:
			cells[i] = grouped(f.value/scale, decimals) + name
		}
	}
	return cells
}

// scale returns what to divide by, and the name of the unit that results.
func (u unit) scale(figures []figure) (float64, string) {
	largest := 0.0
	for _, f := range figures {
		if !f.absent {
			largest = max(largest, f.value, f.spread)
		}
	}
	switch u {
	case inTime:
		if largest > 0 && largest < 0.5 {
			return 1e-3, " ms"
		}
		return 1, " s"
	case inBytes:
		for _, b := range []struct {
			size float64
			name string
		}{{1 << 40, " TiB"}, {1 << 30, " GiB"}} {
			if largest >= b.size {
				return b.size, b.name
			}
		}
		if largest > 0 && largest < 1<<19 {
			return 1 << 10, " KiB"
		}
		return 1 << 20, " MiB"
	case inPercent:
		return 0.01, " %"
	case asRate:
		if largest >= 1e6 {
			return 1e6, " million"
		}
	}
	return 1, ""
}

// decimals are enough for two digits of the smallest figure that is not 0,
// and at most three.
func (u unit) decimals(figures []figure, scale float64) int {
	smallest, whole := math.Inf(1), true
	for _, f := range figures {
		if v := f.value / scale; !f.absent && v > 0 {
			smallest = min(smallest, v)
			whole = whole && v == math.Trunc(v)
		}
	}
	switch {
	case u == inUnits && (whole || smallest >= 100), math.IsInf(smallest, 1):
		return 0
	case u == inUnits:
		return 1 // a mean over seeds
	case u == asRate && scale == 1:
		return 0
	case u == asMean:
		return 2
	case smallest >= 100:
		return 0
	}
	return min(max(1-int(math.Floor(math.Log10(smallest))), 1), 3)
}

// grouped prints a number with a space after each three digits, from 10 000
// on.
func grouped(x float64, decimals int) string {
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	whole, part, _ := strings.Cut(s, ".")
	if len(whole) > 4 {
		for i := len(whole) - 3; i > 0; i -= 3 {
			whole = whole[:i] + " " + whole[i:]
		}
	}
	if part != "" {
		return whole + "." + part
	}
	return whole
}

// number prints a number with at most so many decimals.
func number(x float64, decimals int) string {
	s := strconv.FormatFloat(x, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s
}
