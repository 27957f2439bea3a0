package batch

import (
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// The measures of the figure, in pixels.
const (
	figureWidth = 960
	plotLeft    = 170
	plotRight   = figureWidth - 60
	rowHeight   = 18
	barHeight   = 12
	curveHeight = 130
)

// figureStyle has the colours for light and dark pages. They can be told apart
// by people who see red and green alike (M. Okabe and K. Ito, 2008).
const figureStyle = `<style>
svg { background: #ffffff; font-family: system-ui, sans-serif; font-size: 12px; }
text { fill: #24292f; } .title { font-size: 14px; font-weight: 600; } .dim { fill: #57606a; }
.axis { stroke: #8c959f; fill: none; } .grid { stroke: #d8dee4; fill: none; }
.phase0 { fill: #a9afb8; } .phase1 { fill: #4aa3c7; } .phase2 { fill: #0072b2; } .phase3 { fill: #d55e00; } .phase4 { fill: #b99c1f; }
.curve { fill: none; stroke-width: 1.5; stroke-linejoin: round; }
.policy0 { stroke: #70757d; } .policy1 { stroke: #009068; } .policy2 { stroke: #d55e00; } .policy3 { stroke: #0072b2; }
@media (prefers-color-scheme: dark) {
svg { background: #0d1117; } text { fill: #e6edf3; } .dim { fill: #9ea7b3; }
.axis { stroke: #6e7681; } .grid { stroke: #30363d; }
.phase0 { fill: #6e7681; } .phase1 { fill: #9bdcf0; } .phase2 { fill: #3b9ae0; } .phase3 { fill: #ff9248; } .phase4 { fill: #dcc04a; }
.policy0 { stroke: #a9afb8; } .policy1 { stroke: #35cfa2; } .policy2 { stroke: #ff9248; } .policy3 { stroke: #52b1f2; }
}
</style>
`

// figure is an SVG under construction.
type figure struct {
	study *Study
	out   strings.Builder
	end   time.Duration // of the time axis
	y     int           // how far it reaches down so far
}

// WriteFigure writes the runs as an SVG: for each a row a vjob and its phases over time,
// and below what VMs of all runs use.
func WriteFigure(w io.Writer, s *Study, runs []Result) error {
	f := &figure{study: s, end: time.Minute}
	for _, r := range runs {
		for _, span := range r.Spans {
			f.end = max(f.end, span.To)
		}
	}
	f.legend()
	for i := range runs {
		f.gantt(&runs[i])
	}
	capacity := s.Nodes.Capacity()
	all := float64(s.Nodes.Count)
	f.curves(runs, "CPUs that compute", all*float64(capacity.CPU())/float64(cluster.Core), func(u Use) float64 {
		return float64(u.CPU) / float64(cluster.Core)
	})
	f.curves(runs, "Memory of VMs, GiB", all*float64(capacity.Memory())/float64(cluster.GiB), func(u Use) float64 {
		return float64(u.Memory) / float64(cluster.GiB)
	})
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-label="%s">
%s%s</svg>
`, figureWidth, f.y, figureWidth, f.y, escaped("Vjobs of "+s.Name+" under each policy"), figureStyle, f.out.String())
	return err
}

// at is where an instant is on the time axis.
func (f *figure) at(t time.Duration) float64 {
	return plotLeft + float64(plotRight-plotLeft)*float64(t)/float64(f.end)
}

func (f *figure) text(x float64, y int, class, anchor, text string) {
	fmt.Fprintf(&f.out, "<text class=%q x=\"%.1f\" y=\"%d\" text-anchor=%q>%s</text>\n", class, x, y, anchor, escaped(text))
}

func (f *figure) legend() {
	f.y = 24
	x := float64(plotLeft)
	for p, name := range phaseNames {
		f.bar(x, float64(x+14), f.y, Phase(p))
		f.text(x+20, f.y, "dim", "start", name)
		x += 50 + 6.5*float64(len(name))
	}
	f.y += 14
}

// bar draws a phase; one of a vjob that takes no room is thin.
func (f *figure) bar(from, to float64, baseline int, p Phase) {
	height := barHeight
	if p == Asleep {
		height = 4
	}
	fmt.Fprintf(&f.out, "<rect class=\"phase%d\" x=\"%.1f\" y=\"%d\" width=\"%.1f\" height=\"%d\"/>\n",
		p, from, baseline-4-height/2, max(to-from, 0.5), height)
}

func (f *figure) gantt(r *Result) {
	f.y += 26
	f.text(plotLeft, f.y, "title", "start", r.Policy)
	title := fmt.Sprintf("completion times cumulated %s, the last %s", minutes(r.Cumulated()), minutes(r.Makespan))
	f.text(plotRight, f.y, "dim", "end", title)
	f.y += 8
	top := f.y
	height := rowHeight * len(f.study.VJobs)
	f.timeAxis(top, top+height)
	for j, v := range f.study.VJobs {
		y := top + rowHeight*(j+1) - 3
		f.text(plotLeft-8, y, "", "end", fmt.Sprintf("%s %s %v", shortened(v.Name), v.Graph, v.Memory))
		last := time.Duration(0)
		for _, s := range r.Spans {
			if s.VJob == j {
				f.bar(f.at(s.From), f.at(s.To), y, s.Phase)
				last = max(last, s.To)
			}
		}
		f.text(f.at(last)+5, y, "dim", "start", fmt.Sprintf("%.1f", r.Completed[j].Minutes()))
	}
	f.y = top + height + 18
}

// shortened is a name that has room beside its row.
func shortened(name string) string {
	const most = 10
	if r := []rune(name); len(r) > most {
		return string(r[:most-1]) + "…"
	}
	return name
}

// timeAxis draws the frame of a plot with its grid, and minutes below.
func (f *figure) timeAxis(top, bottom int) {
	step := tick(f.end.Minutes(), 12)
	for m := 0.0; m <= f.end.Minutes(); m += step {
		x := f.at(time.Duration(m * float64(time.Minute)))
		fmt.Fprintf(&f.out, "<path class=\"grid\" d=\"M%.1f %dV%d\"/>\n", x, top, bottom)
		label := fmt.Sprintf("%g", m)
		if m == 0 {
			label = "0 min"
		}
		f.text(x, bottom+14, "dim", "middle", label)
	}
	fmt.Fprintf(&f.out, "<path class=\"axis\" d=\"M%d %dV%dH%d\"/>\n", plotLeft, top, bottom, plotRight)
}

// curves draws what all runs use over time, up to what there is.
func (f *figure) curves(runs []Result, title string, most float64, of func(Use) float64) {
	f.y += 30
	f.text(plotLeft, f.y, "title", "start", title)
	x := float64(plotRight)
	for i := len(runs) - 1; i >= 0; i-- {
		x -= 8 + 7.5*float64(len(runs[i].Policy))
		f.text(x, f.y, "dim", "start", runs[i].Policy)
		fmt.Fprintf(&f.out, "<path class=\"curve policy%d\" d=\"M%.1f %dh18\"/>\n", colour(runs[i].Policy), x-24, f.y-4)
		x -= 30
	}
	f.y += 10
	top, bottom := f.y, f.y+curveHeight
	f.timeAxis(top, bottom)
	height := func(v float64) float64 { return float64(bottom) - curveHeight*v/most }
	for v := 0.0; v <= most; v += tick(most, 5) {
		fmt.Fprintf(&f.out, "<path class=\"grid\" d=\"M%d %.1fH%d\"/>\n", plotLeft, height(v), plotRight)
		f.text(plotLeft-8, int(height(v))+4, "dim", "end", fmt.Sprintf("%g", v))
	}
	for i := range runs {
		var path strings.Builder
		for k, u := range runs[i].Use {
			y := height(of(u))
			if k == 0 {
				fmt.Fprintf(&path, "M%.1f %.1f", f.at(u.At), y)
			} else {
				fmt.Fprintf(&path, "H%.1fV%.1f", f.at(u.At), y)
			}
		}
		fmt.Fprintf(&f.out, "<path class=\"curve policy%d\" d=\"%s\"/>\n", colour(runs[i].Policy), path.String())
	}
	f.y = bottom + 24
}

// colour is the number of a policy's colour, the same in all figures.
func colour(policy string) int {
	for i, name := range Policies {
		if name == policy {
			return i
		}
	}
	return 0
}

// tick is a round distance between the labels of an axis, of which there are
// not to be more than most.
func tick(length float64, most int) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(length/float64(most))))
	for _, times := range []float64{1, 2, 5, 10} {
		if length/(unit*times) <= float64(most) {
			return unit * times
		}
	}
	return 10 * unit
}

func minutes(d time.Duration) string { return fmt.Sprintf("%.1f min", d.Minutes()) }

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func escaped(text string) string { return escaper.Replace(text) }
