package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/trace"
)

// mostPlaces is how many nodes a map shows of each site.
const mostPlaces = 200

// farthestPlace is the largest coordinate that is taken for one, in
// microseconds: what a damaged trace may hold is left out.
const farthestPlace = 1e9

// places is a map of the network coordinates of the first run that has any: a
// dot for each node, in the plane in which they lie farthest apart.
func (all *runSet) places() Chart {
	chart := Chart{
		Name: "coordinates", Kind: Places, Title: "Where nodes take themselves to be",
		X: Axis{Label: "distance", Unit: "ms"}, Y: Axis{Label: "distance", Unit: "ms"},
	}
	for i, runs := range all.runs {
		for _, r := range runs {
			if places := usable(r.places); len(places) > 0 {
				chart.Note = fmt.Sprintf("The network coordinates of %s at the end of a run with seed %d, from the side on which they lie farthest apart, without the heights. The closer two nodes, the shorter the round trip between them. Each colour is a site; several may share one.", all.strategies[i], r.header.Seed)
				chart.Series = bySite(places, plane(places))
				return chart
			}
		}
	}
	return chart
}

// usable returns the places that can be drawn.
func usable(places []trace.Place) []trace.Place {
	return slices.DeleteFunc(slices.Clone(places), func(p trace.Place) bool {
		return len(p.Vector) == 0 || len(p.Vector) != len(places[0].Vector) || slices.ContainsFunc(p.Vector, func(v float64) bool { return !(math.Abs(v) <= farthestPlace) })
	})
}

// bySite makes a series of each site's nodes, in milliseconds from the lower
// left corner of the map.
func bySite(places []trace.Place, at [][2]float64) []Series {
	left, bottom := math.Inf(1), math.Inf(1)
	for _, p := range at {
		left, bottom = min(left, p[0]), min(bottom, p[1])
	}
	var series []Series
	for i, p := range places {
		k := slices.IndexFunc(series, func(s Series) bool { return s.Name == p.Site })
		if k < 0 {
			k = len(series)
			series = append(series, Series{Name: p.Site, Color: 1 + k%(len(palette)-1)})
		}
		if s := &series[k]; len(s.X) < mostPlaces {
			s.X, s.Y = append(s.X, (at[i][0]-left)/1000), append(s.Y, (at[i][1]-bottom)/1000)
		}
	}
	return series
}

// plane returns where the places are in the plane of their two principal
// components: that in which they lie farthest apart.
func plane(places []trace.Place) [][2]float64 {
	n := len(places[0].Vector)
	centered := make([][]float64, len(places))
	for i, p := range places {
		centered[i] = slices.Clone(p.Vector)
	}
	for d := range n {
		mean := 0.0
		for _, v := range centered {
			mean += v[d] / float64(len(centered))
		}
		for _, v := range centered {
			v[d] -= mean
		}
	}
	first := farthestAlong(centered, n, nil)
	second := farthestAlong(centered, n, first)
	at := make([][2]float64, len(places))
	for i, v := range centered {
		at[i] = [2]float64{dot(v, first), dot(v, second)}
	}
	return at
}

// farthestAlong returns the direction of length 1 along which points lie farthest
// apart, of those at right angles to another one, by power iteration.
func farthestAlong(points [][]float64, n int, other []float64) []float64 {
	direction := make([]float64, n)
	for d := range direction {
		direction[d] = 1 / float64(d+1) // any that is not at right angles to the answer
	}
	total := 0.0
	for _, p := range points {
		total += dot(p, p)
	}
	for range 200 {
		next := make([]float64, n)
		for _, p := range points {
			along := dot(p, direction)
			for d := range next {
				next[d] += float64(along * p[d])
			}
		}
		if other != nil {
			along := dot(next, other)
			for d := range next {
				next[d] -= float64(along * other[d])
			}
		}
		length := math.Sqrt(dot(next, next))
		if length <= 1e-12*total {
			return make([]float64, n) // they all lie in one place, or on one line
		}
		for d := range next {
			next[d] /= length
		}
		direction = next
	}
	return direction
}

func dot(a, b []float64) (sum float64) {
	for i := range a {
		sum += float64(a[i] * b[i])
	}
	return sum
}

// extent returns how far a map reaches to the right and up, in milliseconds.
func (c Chart) extent() (width, height float64) {
	for _, s := range c.Series {
		width, height = max(width, slices.Max(s.X)), max(height, slices.Max(s.Y))
	}
	return max(width, 1e-3), max(height, 1e-3)
}

// mapScales are those of a map in so much room: a millisecond is as long one
// way as the other.
func (c Chart) mapScales(room box) (x, y scale) {
	const beside = 1.12 // for dots at the margin, and for names
	width, height := c.extent()
	width, height = width*beside, height*beside
	ratio := (room.right - room.left) / (room.bottom - room.top)
	if width < height*ratio {
		width = height * ratio
	} else {
		height = width / ratio
	}
	return scale{low: -0.02 * width, high: width, ticks: roundTicks(0, width, 9)}, scale{low: -0.02 * height, high: height, ticks: roundTicks(0, height, 6)}
}

// drawPlaces draws the nodes of all sites, and then the name of each site beside
// its topmost node, so that no node hides a name.
func (c Chart) drawPlaces(d *drawing, a axes) {
	const size = 16
	tops := make([]point, len(c.Series))
	for k, s := range c.Series {
		for i := range s.X {
			at := a.at(s.X[i], s.Y[i])
			d.circle(s.ink(), at, 5)
			if i == 0 || at.y < tops[k].y {
				tops[k] = at
			}
		}
	}
	for k, s := range c.Series {
		d.text(tops[k].x+9, tops[k].y+middle(size), size, plain, s.Name)
	}
}

// Map returns a picture of a chart of kind Places, for a page.
func (c Chart) Map() template.HTML {
	width, height := c.extent()
	const across = 600.0 // of the picture, in its own units
	scale := across / (width * 1.2)
	high := height*scale + 65
	var b strings.Builder
	fmt.Fprintf(&b, `<svg viewBox="-10 -20 %.0f %.0f" role="img" aria-label="%s">`, across, high, template.HTMLEscapeString(c.Title))
	for _, s := range c.Series {
		top := 0
		for i := range s.X {
			if s.Y[i] > s.Y[top] {
				top = i
			}
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="4" fill="var(--hue%d)"/>`, s.X[i]*scale, (height-s.Y[i])*scale, s.Color)
		}
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" font-size="14" fill="currentColor">%s</text>`, s.X[top]*scale+8, (height-s.Y[top])*scale+4, template.HTMLEscapeString(s.Name))
	}
	length := roundTicks(0, width, 4)[1].value
	fmt.Fprintf(&b, `<path d="M0 %.1fh%.1f" stroke="currentColor"/><text x="%.1f" y="%.1f" font-size="13" fill="currentColor">%s ms</text></svg>`,
		high-26, length*scale, length*scale+6, high-22, number(length, 3))
	return template.HTML(b.String())
}
