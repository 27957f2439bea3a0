package report

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/dvms-project/dvms/trace"
)

// Chart is a picture of some runs, ready to be drawn: on a page by HTML, or to
// a file by SVG. Its JSON is what the page has inlined.
type Chart struct {
	Name     string   `json:"name"` // for files and links, as in "violation-durations"
	Kind     Kind     `json:"kind"`
	Title    string   `json:"title"`
	Subtitle string   `json:"-"` // which runs
	Note     string   `json:"-"` // how to read it
	X        Axis     `json:"x"`
	Y        Axis     `json:"y"`
	Series   []Series `json:"series"`
}

// Kind is how the series of a chart are drawn.
type Kind string

// The kinds of charts.
const (
	Bars    Kind = "bars"    // one bar for each series: its only Y; X holds the values of the runs
	Curves  Kind = "curves"  // a line from point to point
	Steps   Kind = "steps"   // each value holds until the next point
	Columns Kind = "columns" // a column for each X
	Places  Kind = "places"  // a dot for each point, on a map with the same scale both ways
)

// Axis is what is measured along a side of a chart.
type Axis struct {
	Label string  `json:"label"`
	Unit  string  `json:"unit"`
	Log   bool    `json:"log,omitempty"`
	Max   float64 `json:"max,omitempty"` // where the axis ends, if the series end before
}

// String is the label with its unit.
func (a Axis) String() string {
	if a.Unit == "" {
		return a.Label
	}
	return a.Label + " (" + a.Unit + ")"
}

// Series is what a chart shows of one strategy: the mean over its seeds, or
// all of them together, as the chart's Note says.
type Series struct {
	Name  string `json:"name"`
	Color int    `json:"color"` // index into the palette; the same for a strategy in all charts
	X     Points `json:"x"`
	Y     Points `json:"y"`
}

// Points are coordinates. JSON has them with six digits, which is more than a
// screen can show.
type Points []float64

// MarshalJSON writes an array of numbers.
func (p Points) MarshalJSON() ([]byte, error) {
	b := []byte{'['}
	for i, x := range p {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, x, 'g', 6, 64)
	}
	return append(b, ']'), nil
}

// Limits of what is drawn: enough for the widest chart, not for more.
const (
	mostPoints  = 1500 // of a series
	timeSteps   = 600  // of a cumulated curve
	windows     = 60   // over which the number of violated hosts is averaged
	mostColumns = 40   // of a histogram
)

// Charts returns the charts of the runs, the same strategy in the same colour
// in all of them. A chart that would be empty is left out.
func Charts(runs []*Collector) []Chart {
	if len(runs) == 0 {
		return nil
	}
	all := newRunSet(runs)
	var charts []Chart
	for _, c := range []Chart{
		all.violationTime(),
		all.violationDurations(),
		all.violationTimeSoFar(),
		all.violatedHosts(),
		all.load(),
		all.migrations(),
		all.partitionSizes(),
		all.places(),
	} {
		if len(c.Series) > 0 {
			c.Subtitle = Compare(runs...).Headline()
			charts = append(charts, c)
		}
	}
	return charts
}

// runSet holds runs by strategy, in the order of first appearance.
type runSet struct {
	strategies []string
	colors     []int
	runs       [][]*Collector
	span       time.Duration // of the longest
}

// newRunSet leaves out runs that were cut off if their strategy has others, as
// the table does.
func newRunSet(runs []*Collector) *runSet {
	all := &runSet{}
	complete := map[string]bool{}
	for _, r := range runs {
		complete[r.header.Strategy] = complete[r.header.Strategy] || !r.partial()
	}
	for _, r := range runs {
		i := slices.Index(all.strategies, r.header.Strategy)
		if i < 0 {
			i = len(all.strategies)
			all.strategies = append(all.strategies, r.header.Strategy)
			all.runs = append(all.runs, nil)
		}
		if r.partial() && complete[r.header.Strategy] {
			continue
		}
		all.runs[i] = append(all.runs[i], r)
		all.span = max(all.span, r.span())
	}
	all.colors = colorsOf(all.strategies)
	return all
}

// several says how the runs of a strategy with several seeds became one
// series, and nothing if there is only one run of each.
func (all *runSet) several(how string) string {
	for _, runs := range all.runs {
		if len(runs) > 1 {
			return " " + how
		}
	}
	return ""
}

// each makes one series for each strategy, and leaves out those without
// points.
func (all *runSet) each(points func(strategy int, runs []*Collector) (x, y []float64)) []Series {
	var series []Series
	for i, runs := range all.runs {
		if x, y := points(i, runs); len(x) > 0 {
			series = append(series, Series{Name: all.strategies[i], Color: all.colors[i], X: x, Y: y})
		}
	}
	return series
}

func (all *runSet) violationTime() Chart {
	return Chart{
		Name: "violation-time", Kind: Bars, Title: "Cumulated violation time",
		Note: "How long hosts were asked for more than they have, summed over the hosts. Shorter is better." +
			all.several("The bar is the mean over the seeds, each dot is one of them."),
		X: Axis{Label: "violation time, all hosts", Unit: "s"},
		Series: all.each(func(_ int, runs []*Collector) (x, y []float64) {
			sum := 0.0
			for _, r := range runs {
				total := float64(times(durations(r.violations)).Total)
				x = append(x, total)
				sum += total
			}
			return x, []float64{sum / float64(len(runs))}
		}),
	}.unlessFlat()
}

func (all *runSet) violationDurations() Chart {
	var pooled [][]float64
	var union []float64
	for _, runs := range all.runs {
		var x []float64
		for _, r := range runs {
			for _, v := range r.violations {
				x = append(x, v.duration.Seconds())
			}
		}
		slices.Sort(x)
		pooled = append(pooled, x)
		union = append(union, x...)
	}
	chart := Chart{
		Name: "violation-durations", Kind: Steps, Title: "How long violations last",
		Note: "The share of violations that were over after that time: the further left and up a curve rises, the better." +
			all.several("Those of all seeds together."),
		X: Axis{Label: "duration of the violation", Unit: "s"},
		Y: Axis{Label: "violations that are over", Unit: "%"},
	}
	slices.Sort(union)
	union = slices.Compact(union)
	if len(union) == 0 {
		return chart
	}
	// Some last seconds and some minutes, so a linear axis would show only the
	// longest of them.
	positive := slices.IndexFunc(union, func(x float64) bool { return x > 0 })
	last := union[len(union)-1]
	chart.X.Log = positive >= 0 && last >= 10*union[positive]
	start := 0.0
	if chart.X.Log {
		start = union[positive] * 0.9
		union = union[positive:]
	}
	union = append([]float64{start}, some(union, mostPoints-1)...)
	chart.Series = all.each(func(i int, _ []*Collector) (x, y []float64) {
		if len(pooled[i]) == 0 {
			return nil, nil
		}
		for _, at := range union {
			over := sort.Search(len(pooled[i]), func(k int) bool { return pooled[i][k] > at })
			y = append(y, 100*float64(over)/float64(len(pooled[i])))
		}
		return union, y
	})
	return chart
}

func (all *runSet) violationTimeSoFar() Chart {
	axis, scale := timeAxis(all.span)
	return Chart{
		Name: "violation-time-so-far", Kind: Curves, Title: "Violation time so far",
		Note: "The violation time of all hosts up to that moment. The steeper a curve, the more hosts are in violation." +
			all.several("Mean over the seeds."),
		X: axis, Y: Axis{Label: "violation time, all hosts", Unit: "s"},
		Series: all.overTime(scale, func(r *Collector) func(time.Duration) float64 {
			soFar := violationTime(r.violations)
			return func(t time.Duration) float64 { return soFar(t).Seconds() }
		}),
	}
}

func (all *runSet) violatedHosts() Chart {
	axis, scale := timeAxis(all.span)
	window := niceWindow(all.span / windows)
	chart := Chart{
		Name: "violated-hosts", Kind: Curves, Title: "Hosts in violation",
		Note: "How many hosts were asked for more than they have, as the mean over " + number(window.Seconds(), 3) + " s." +
			all.several("Mean over the seeds."),
		X: axis, Y: Axis{Label: "hosts in violation"},
	}
	if all.span <= 0 {
		return chart
	}
	chart.Series = all.each(func(_ int, runs []*Collector) (x, y []float64) {
		var soFar []func(time.Duration) time.Duration
		for _, r := range runs {
			soFar = append(soFar, violationTime(r.violations))
		}
		end := shortest(runs)
		for t, until := time.Duration(0), time.Duration(0); t < end; t = until {
			until = t + min(window, end-t)
			violated := time.Duration(0)
			for _, f := range soFar {
				violated += f(until) - f(t)
			}
			x = append(x, (t+(until-t)/2).Seconds()/scale)
			y = append(y, float64(violated)/float64(until-t)/float64(len(runs)))
		}
		return x, y
	})
	return chart.unlessFlat()
}

func (all *runSet) load() Chart {
	axis, scale := timeAxis(all.span)
	chart := Chart{
		Name: "load", Kind: Curves, Title: "Load",
		Note: "The CPU that all VMs ask for, in percent of what all hosts have." + all.several("Mean over the seeds."),
		X:    axis, Y: Axis{Label: "demand, of capacity", Unit: "%"},
		Series: all.each(func(_ int, runs []*Collector) (x, y []float64) {
			first := byTime(runs[0].loads)
			end := shortest(runs)
			for _, sample := range first {
				if sample.At > end {
					break
				}
				x = append(x, sample.At.Seconds()/scale)
				y = append(y, 0)
			}
			for _, r := range runs {
				share := loadAt(byTime(r.loads))
				for i := range x {
					y[i] += 100 * share(first[i].At) / float64(len(runs))
				}
			}
			return thinned(x, y, mostPoints)
		}),
	}
	// The load comes from outside, so it is as a rule the same for all.
	if n := len(chart.Series); n > 1 && !slices.ContainsFunc(chart.Series, func(s Series) bool {
		return !slices.Equal(s.X, chart.Series[0].X) || !slices.Equal(s.Y, chart.Series[0].Y)
	}) {
		chart.Series = chart.Series[:1]
		chart.Series[0].Name, chart.Series[0].Color = "all strategies alike", common
	}
	return chart
}

func (all *runSet) migrations() Chart {
	axis, scale := timeAxis(all.span)
	return Chart{
		Name: "migrations", Kind: Steps, Title: "Migrations so far",
		Note: "How many live migrations had been done up to that moment." + all.several("Mean over the seeds."),
		X:    axis, Y: Axis{Label: "migrations done"},
		Series: all.overTime(scale, func(r *Collector) func(time.Duration) float64 {
			done := byEnd(r.migrations)
			return func(t time.Duration) float64 {
				return float64(sort.Search(len(done), func(i int) bool { return done[i].end() > t }))
			}
		}),
	}
}

func (all *runSet) partitionSizes() Chart {
	most := 0
	for _, runs := range all.runs {
		for _, r := range runs {
			most = max(most, slices.Max(append(r.sizes, 0)))
		}
	}
	width := max(1, (most+mostColumns-1)/mostColumns)
	chart := Chart{
		Name: "partition-sizes", Kind: Columns, Title: "Size of partitions",
		Note: "How many nodes it took to deal with an event. Small partitions are found fast and leave the others alone." +
			all.several("Mean over the seeds."),
		X: Axis{Label: "nodes in the partition"}, Y: Axis{Label: "partitions"},
	}
	if width > 1 {
		chart.X.Label = fmt.Sprintf("nodes in the partition, from that number on in steps of %d", width)
	}
	chart.Series = all.each(func(_ int, runs []*Collector) (x, y []float64) {
		columns := make([]float64, most+1)
		partitions := 0
		for _, r := range runs {
			partitions += len(r.sizes)
			for _, n := range r.sizes {
				columns[n-n%width] += 1 / float64(len(runs))
			}
		}
		if partitions == 0 {
			return nil, nil
		}
		from := 1
		if width > 1 || columns[0] > 0 {
			from = 0
		}
		for n := from; n <= most; n += width {
			x = append(x, float64(n))
			y = append(y, columns[n])
		}
		return x, y
	})
	return chart
}

// overTime makes series of a figure that is cumulated over the run, at
// regular instants. A series ends where the first of its runs ends, as the
// mean over the others would fall or leap there.
func (all *runSet) overTime(scale float64, cumulated func(*Collector) func(time.Duration) float64) []Series {
	if all.span <= 0 {
		return nil
	}
	chart := Chart{Series: all.each(func(_ int, runs []*Collector) (x, y []float64) {
		var figures []func(time.Duration) float64
		for _, r := range runs {
			figures = append(figures, cumulated(r))
		}
		end := shortest(runs)
		for i := range timeSteps + 1 {
			t := time.Duration(float64(all.span) * float64(i) / timeSteps)
			if t > end {
				break
			}
			mean := 0.0
			for _, f := range figures {
				mean += f(t) / float64(len(runs))
			}
			x = append(x, t.Seconds()/scale)
			y = append(y, mean)
		}
		return x, y
	})}
	return chart.unlessFlat().Series
}

// unlessFlat drops the series of a chart that would show only zeros.
func (c Chart) unlessFlat() Chart {
	for _, s := range c.Series {
		if slices.ContainsFunc(s.Y, func(y float64) bool { return y != 0 }) {
			return c
		}
	}
	c.Series = nil
	return c
}

func shortest(runs []*Collector) time.Duration {
	end := runs[0].span()
	for _, r := range runs {
		end = min(end, r.span())
	}
	return end
}

// violationTime returns how much violation time there was from the beginning
// to an instant, as a function of the instant. It is exact.
func violationTime(violations []interval) func(time.Duration) time.Duration {
	starts, ends := make([]time.Duration, len(violations)), make([]time.Duration, len(violations))
	for i, v := range violations {
		starts[i], ends[i] = v.at, v.end()
	}
	elapsed := func(instants []time.Duration) func(time.Duration) time.Duration {
		slices.Sort(instants)
		sums := make([]time.Duration, len(instants)+1)
		for i, t := range instants {
			sums[i+1] = sums[i] + t
		}
		// The time since each instant before t, summed. The sums may overflow,
		// and their difference below is right all the same.
		return func(t time.Duration) time.Duration {
			n := sort.Search(len(instants), func(i int) bool { return instants[i] > t })
			return t*time.Duration(n) - sums[n]
		}
	}
	sinceStart, sinceEnd := elapsed(starts), elapsed(ends)
	return func(t time.Duration) time.Duration { return sinceStart(t) - sinceEnd(t) }
}

func byTime(loads []trace.Load) []trace.Load {
	sorted := slices.Clone(loads)
	slices.SortStableFunc(sorted, func(a, b trace.Load) int { return cmp.Compare(a.At, b.At) })
	return sorted
}

// loadAt returns the share of the capacity that is asked for at an instant:
// that of the last sample before it.
func loadAt(samples []trace.Load) func(time.Duration) float64 {
	return func(t time.Duration) float64 {
		i := sort.Search(len(samples), func(i int) bool { return samples[i].At > t }) - 1
		if i < 0 || samples[i].Capacity <= 0 {
			return 0
		}
		return float64(samples[i].Demand) / float64(samples[i].Capacity)
	}
}

// thinned keeps at most so many points: of each stretch the lowest and the
// highest, so that no peak is lost.
func thinned(x, y []float64, most int) (tx, ty []float64) {
	if len(x) <= most {
		return x, y
	}
	stretches := most / 2
	for s := range stretches {
		from, to := s*len(x)/stretches, (s+1)*len(x)/stretches
		low, high := from, from
		for i := from; i < to; i++ {
			if y[i] < y[low] {
				low = i
			}
			if y[i] > y[high] {
				high = i
			}
		}
		for _, i := range slices.Compact([]int{min(low, high), max(low, high)}) {
			tx, ty = append(tx, x[i]), append(ty, y[i])
		}
	}
	return tx, ty
}

// some returns at most so many of the values, evenly, with the first and the
// last.
func some(values []float64, most int) []float64 {
	if len(values) <= most {
		return values
	}
	out := make([]float64, most)
	for i := range out {
		out[i] = values[i*(len(values)-1)/(most-1)]
	}
	return out
}

// timeAxis is in seconds, or in hours for long runs; scale is how many
// seconds the unit has.
func timeAxis(span time.Duration) (axis Axis, scale float64) {
	axis, scale = Axis{Label: "simulated time", Unit: "s"}, 1
	if span > 3*time.Hour {
		axis.Unit, scale = "h", 3600
	}
	axis.Max = span.Seconds() / scale
	return axis, scale
}

// niceWindow rounds up to 1, 2 or 5 times a power of ten, in seconds.
func niceWindow(least time.Duration) time.Duration {
	window := time.Millisecond
	for {
		for _, by := range []time.Duration{1, 2, 5} {
			if by*window >= least {
				return by * window
			}
		}
		window *= 10
	}
}
