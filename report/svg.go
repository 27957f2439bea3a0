package report

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
)

// The size of a picture, in pixels.
const (
	PictureWidth  = 1200
	PictureHeight = 700
)

// SVG draws the chart on white, PictureWidth by PictureHeight pixels. The
// picture refers to nothing outside of it but a usual font without serifs.
func (c Chart) SVG(w io.Writer) error {
	d := newDrawing(c.Title)
	sheet := box{left: 34, top: 28, right: PictureWidth - 34, bottom: PictureHeight - 22}
	d.text(sheet.left, sheet.top+24, 26, bold, c.Title)
	d.text(sheet.left, sheet.top+51, 16, plain.in(faded), c.Subtitle)
	top := sheet.top + 76
	if c.Kind == Places {
		top += 20
	} else if c.Kind != Bars {
		c.drawLegend(d, sheet.left, top)
		top += 38
		d.text(sheet.left, top+14, 15, plain.in(faded), c.Y.String())
		top += 26
	}
	sheet.top = top
	c.drawData(d, sheet)
	if _, err := io.WriteString(w, d.end()); err != nil {
		return fmt.Errorf("writing the picture of %s: %w", c.Name, err)
	}
	return nil
}

// drawLegend writes the names of the series in a row above the plot, where
// they can't hide a curve.
func (c Chart) drawLegend(d *drawing, x, y float64) {
	const size, between = 17, 28
	for _, s := range c.Series {
		width := 30.0
		if c.Kind == Columns {
			width = 15
			d.rectangle(s.ink(), box{x, y + 2, x + width, y + 17})
		} else {
			d.line(s.stroke(), []point{{x, y + 9}, {x + width, y + 9}})
		}
		x += width + 8
		d.text(x, y+15, size, plain, s.Name)
		x += textWidth(s.Name, size) + between
	}
}

// ink is the colour of a series.
func (s Series) ink() string {
	if s.Color == common {
		return ink
	}
	return palette[s.Color].light
}

func (s Series) stroke() stroke {
	dashed := s.Color == 0 // not by colour alone: doing nothing is dashed
	return stroke{color: s.ink(), width: 2.6, dashed: dashed}
}

// drawData draws the series over the whole room, with their axes.
func (c Chart) drawData(d *drawing, room box) {
	switch c.Kind {
	case Bars:
		c.drawBars(d, room)
		return
	case Places:
		x, y := c.mapScales(room)
		a := newAxes(room, x, y)
		a.draw(d, c.X.String())
		c.drawPlaces(d, a)
		return
	}
	a := newAxes(room, c.scaleX(), c.scaleY())
	a.draw(d, c.X.String())
	for i, s := range c.Series {
		if c.Kind == Columns {
			c.drawColumns(d, a, i)
		} else {
			s.drawLine(d, a, c.Kind == Steps)
		}
	}
}

// drawLine draws a line from point to point, or one that keeps the height of a
// point until the next.
func (s Series) drawLine(d *drawing, a axes, steps bool) {
	var line []point
	for i, x := range s.X {
		if steps && i > 0 {
			line = append(line, a.at(x, s.Y[i-1]))
		}
		line = append(line, a.at(x, s.Y[i]))
	}
	d.line(s.stroke(), line)
}

// drawColumns draws the columns of one series, which share each x with those of
// the others.
func (c Chart) drawColumns(d *drawing, a axes, series int) {
	s := c.Series[series]
	width := 0.8 * c.step() / float64(len(c.Series))
	for i, x := range s.X {
		left := x - 0.4*c.step() + float64(series)*width
		low, high := a.at(left, 0), a.at(left+width, s.Y[i])
		d.rectangle(s.ink(), box{left: low.x, top: high.y, right: high.x, bottom: low.y})
	}
}

// step is how far the columns are apart.
func (c Chart) step() float64 {
	if x := c.Series[0].X; len(x) > 1 {
		return x[1] - x[0]
	}
	return 1
}

// scaleY starts at 0.
func (c Chart) scaleY() scale {
	high := 0.0
	for _, s := range c.Series {
		high = max(high, slices.Max(s.Y))
	}
	if high == 0 {
		high = 1
	}
	high *= 1.03
	return scale{high: high, ticks: roundTicks(0, high, 6)}
}

func (c Chart) scaleX() scale {
	low, high := math.Inf(1), math.Inf(-1)
	for _, s := range c.Series {
		low, high = min(low, s.X[0]), max(high, s.X[len(s.X)-1])
	}
	switch {
	case c.Kind == Columns:
		beside := c.step() * 0.6
		return scale{low: low - beside, high: high + beside, ticks: wholeTicks(low, high, c.step())}
	case c.X.Log:
		high *= 1.05
		return scale{low: low, high: high, log: true, ticks: logTicks(low, high)}
	}
	high = cmp.Or(c.X.Max, high*1.05, 1)
	return scale{high: high, ticks: roundTicks(0, high, 9)}
}

// drawBars draws horizontal bars with their names and values, and a ring for
// each run if there are several.
func (c Chart) drawBars(d *drawing, room box) {
	const size = 19
	bars := c.bars()
	var names, values float64
	for _, bar := range bars {
		names, values = max(names, textWidth(bar.Name, size)), max(values, textWidth(bar.Value, size))
	}
	left := room.left + names + 18
	full := room.right - values - 18 - left
	pitch := min((room.bottom-room.top)/float64(len(bars)), 170)
	thick := pitch * 0.62
	for i, bar := range bars {
		y := room.top + pitch*(float64(i)+0.5)
		end := left + full*bar.Width/100
		d.text(room.left, y+middle(size), size, plain, bar.Name)
		d.rectangle(c.Series[i].ink(), box{left, y - thick/2, end, y + thick/2})
		reach := end
		for _, dot := range bar.Dots {
			at := point{left + full*dot/100, y}
			reach = max(reach, at.x)
			d.circle(ink, at, 7)
			d.circle(paper, at, 4.5)
		}
		d.text(reach+14, y+middle(size), size, bold, bar.Value)
	}
	d.rule(faded, point{left, room.top}, point{left, room.top + pitch*float64(len(bars))})
}
