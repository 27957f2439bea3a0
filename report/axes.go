package report

import (
	"math"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// tick is a labelled place on an axis.
type tick struct {
	value float64
	label string
}

// scale is the range of numbers along an axis, and the ticks within it.
type scale struct {
	low, high float64
	log       bool
	ticks     []tick
}

// along returns how far along the axis a number is: 0 at low, 1 at high.
func (s scale) along(x float64) float64 {
	if s.log {
		low := math.Log(s.low)
		return (math.Log(x) - low) / (math.Log(s.high) - low)
	}
	return (x - s.low) / (s.high - s.low)
}

// fit returns where an axis from start has to end so that no label, which
// reaches so far beyond its tick, is cut off at the limit.
func (s scale) fit(start, limit vg.Length, reach func(tick) vg.Length) vg.Length {
	end := limit
	for _, t := range s.ticks {
		end = min(end, start+(limit-reach(t)-start)/vg.Length(s.along(t.value)))
	}
	return end
}

// axes are the part of a canvas where the data go, and the scales along its
// bottom and its left side.
type axes struct {
	draw.Canvas
	x, y scale
}

// How far text stays away.
var (
	besideAxis = pixels(9)
	belowAxis  = pixels(5.5)
	belowTicks = pixels(6)
)

func axisText() draw.TextStyle { return style(15, false, faded) }

// newAxes takes from a canvas what the labels need: a column to the left for
// the ticks of y, and two lines below for those of x and its label.
func newAxes(c draw.Canvas, x, y scale) axes {
	text := axisText()
	line := text.Height("0")
	var widest vg.Length
	for _, t := range y.ticks {
		widest = max(widest, text.Width(t.label))
	}
	a := axes{draw.Crop(c, widest+besideAxis, 0, belowAxis+line+belowTicks+line, 0), x, y}
	a.Max.X = x.fit(a.Min.X, a.Max.X, func(t tick) vg.Length { return text.Width(t.label) / 2 })
	a.Max.Y = y.fit(a.Min.Y, a.Max.Y, func(tick) vg.Length { return line / 2 })
	return a
}

// at returns where the data have the point (x, y).
func (a axes) at(x, y float64) vg.Point {
	return vg.Point{X: a.X(a.x.along(x)), Y: a.Y(a.y.along(y))}
}

// draw draws everything but the data.
func (a axes) draw(label string) {
	text := axisText()
	descent := text.FontExtents().Descent
	text.XAlign = draw.XCenter
	y := a.Min.Y - belowAxis + descent
	for _, t := range a.x.ticks {
		a.FillText(text, vg.Point{X: a.X(a.x.along(t.value)), Y: y}, t.label)
	}
	a.FillText(text, vg.Point{X: a.Center().X, Y: y - text.Height("0") - belowTicks}, label)
	bottom := a.Min.Y - pixels(0.5)
	a.StrokeLine2(draw.LineStyle{Color: faded, Width: pixels(1)}, a.Min.X, bottom, a.Max.X, bottom)

	text.XAlign, text.YAlign = draw.XRight, draw.YCenter
	for _, t := range a.y.ticks {
		y := a.Y(a.y.along(t.value))
		a.FillText(text, vg.Point{X: a.Min.X - besideAxis, Y: y + descent}, t.label)
		a.StrokeLine2(draw.LineStyle{Color: rule, Width: pixels(1)}, a.Min.X, y, a.Max.X, y)
	}
}

// roundTicks are multiples of 1, 2 or 5 times a power of ten, about so many.
func roundTicks(low, high float64, about int) []tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(about))))
	for _, by := range []float64{1, 2, 5, 10} {
		if (high-low)/(by*step) <= float64(about) {
			step *= by
			break
		}
	}
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var ticks []tick
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9); i++ {
		ticks = append(ticks, tick{i * step, grouped(i*step, decimals)})
	}
	return ticks
}

// wholeTicks label columns: each, or each second, fifth...
func wholeTicks(low, high, step float64) []tick {
	every := step
	for _, by := range []float64{1, 2, 5, 10, 20} {
		every = by * step
		if (high-low)/every <= 20 {
			break
		}
	}
	var ticks []tick
	for x := math.Ceil(low/every) * every; x <= high; x += every {
		ticks = append(ticks, tick{x, grouped(x, 0)})
	}
	return ticks
}

// logTicks are 1, 2 and 5 times the powers of ten.
func logTicks(low, high float64) []tick {
	var ticks []tick
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for _, by := range []float64{1, 2, 5} {
			if x := by * math.Pow(10, e); x >= low && x <= high {
				ticks = append(ticks, tick{x, number(x, 9)})
			}
		}
	}
	return ticks
}
