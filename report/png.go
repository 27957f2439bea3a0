package report

import (
	"fmt"
	"image/color"
	"io"
	"math"
	"strconv"

	xfont "golang.org/x/image/font"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// The size of a PNG, in pixels.
const (
	PNGWidth  = 1200
	PNGHeight = 700
)

const pngDPI = 96 // so that a pixel is 0.75 points

func pixels(n float64) vg.Length { return vg.Length(n) * vg.Inch / pngDPI }

var (
	ink   = color.RGBA{0x1c, 0x20, 0x24, 0xff}
	faded = color.RGBA{0x5d, 0x64, 0x6d, 0xff}
	rule  = color.RGBA{0xd9, 0xdd, 0xe2, 0xff}
	paper = color.RGBA{0xff, 0xff, 0xff, 0xff}
)

// style is a text of so many pixels in the font that gonum/plot brings along,
// so that a chart looks the same on every machine.
func style(size float64, bold bool, c color.Color) draw.TextStyle {
	f := font.Font{Typeface: "Liberation", Variant: "Sans", Size: font.Length(pixels(size))}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return text.Style{Color: c, Font: f, Handler: plot.DefaultTextHandler, YAlign: draw.YTop}
}

// PNG draws the chart on white, PNGWidth by PNGHeight pixels.
func (c Chart) PNG(w io.Writer) error {
	image := vgimg.NewWith(vgimg.UseWH(pixels(PNGWidth), pixels(PNGHeight)), vgimg.UseDPI(pngDPI), vgimg.UseBackgroundColor(paper))
	all := draw.New(image)
	margin := pixels(34)
	sheet := draw.Crop(all, margin, -margin, pixels(22), -pixels(28))

	sheet.FillText(style(26, true, ink), vg.Point{X: sheet.Min.X, Y: sheet.Max.Y}, c.Title)
	sheet.FillText(style(16, false, faded), vg.Point{X: sheet.Min.X, Y: sheet.Max.Y - pixels(36)}, c.Subtitle)
	top := pixels(76)
	if c.Kind != Bars {
		c.drawLegend(sheet, sheet.Max.Y-top)
		top += pixels(38)
		sheet.FillText(style(15, false, faded), vg.Point{X: sheet.Min.X, Y: sheet.Max.Y - top}, c.Y.String())
		top += pixels(26)
	}
	p, err := c.plot()
	if err != nil {
		return fmt.Errorf("drawing %s: %w", c.Name, err)
	}
	p.Draw(draw.Crop(sheet, 0, 0, 0, -top))
	if _, err := (vgimg.PngCanvas{Canvas: image}).WriteTo(w); err != nil {
		return fmt.Errorf("writing the PNG of %s: %w", c.Name, err)
	}
	return nil
}

// drawLegend writes the names of the series in a row above the plot, where
// they can't hide a curve.
func (c Chart) drawLegend(sheet draw.Canvas, y vg.Length) {
	x := sheet.Min.X
	name := style(17, false, ink)
	for _, s := range c.Series {
		width := pixels(30)
		if c.Kind == Columns {
			width = pixels(15)
			sheet.FillPolygon(s.inkOf(), []vg.Point{
				{X: x, Y: y - pixels(17)}, {X: x + width, Y: y - pixels(17)}, {X: x + width, Y: y - pixels(2)}, {X: x, Y: y - pixels(2)},
			})
		} else {
			sheet.StrokeLine2(s.lineStyle(), x, y-pixels(9), x+width, y-pixels(9))
		}
		x += width + pixels(8)
		sheet.FillText(name, vg.Point{X: x, Y: y}, s.Name)
		x += name.Width(s.Name) + pixels(28)
	}
}

func (s Series) inkOf() color.Color {
	if s.Color == common {
		return ink
	}
	rgb, err := strconv.ParseUint(palette[s.Color].light[1:], 16, 32)
	if err != nil {
		panic("report: the palette has " + palette[s.Color].light)
	}
	return color.RGBA{byte(rgb >> 16), byte(rgb >> 8), byte(rgb), 0xff}
}

func (s Series) lineStyle() draw.LineStyle {
	style := draw.LineStyle{Color: s.inkOf(), Width: pixels(2.6)}
	if s.Color == 0 { // not by colour alone: doing nothing is dashed
		style.Dashes = []vg.Length{pixels(9), pixels(5)}
	}
	return style
}

// plot returns the axes, the grid and the series.
func (c Chart) plot() (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = nil
	p.X.Label.Text = c.X.String()
	p.X.Label.TextStyle = style(15, false, faded)
	p.X.Label.TextStyle.XAlign, p.X.Label.TextStyle.YAlign = draw.XCenter, draw.YBottom
	p.X.Label.Padding = pixels(6)
	for _, axis := range []*plot.Axis{&p.X, &p.Y} {
		label := style(15, false, faded)
		label.XAlign, label.YAlign = axis.Tick.Label.XAlign, axis.Tick.Label.YAlign
		axis.Tick.Label = label
		// Ticks that nobody sees keep the labels away from the axis.
		axis.Tick.LineStyle = draw.LineStyle{Color: color.Transparent, Width: pixels(1)}
		axis.Tick.Length = pixels(5)
		axis.LineStyle.Width = 0
		axis.Padding = pixels(6)
	}
	p.X.LineStyle = draw.LineStyle{Color: faded, Width: pixels(1)}
	p.X.Padding, p.Y.Padding = 0, 0
	if c.Kind == Bars {
		p.HideAxes()
		p.X.Label.Text = ""
		p.Add(barPlotter{c.bars(), c.Series})
		return p, nil
	}
	grid := plotter.NewGrid()
	grid.Vertical.Width = 0
	grid.Horizontal = draw.LineStyle{Color: rule, Width: pixels(1)}
	p.Add(grid)
	if err := c.addSeries(p); err != nil {
		return nil, err
	}
	c.scale(p)
	return p, nil
}

func (c Chart) addSeries(p *plot.Plot) error {
	for i, s := range c.Series {
		points := make(plotter.XYs, len(s.X))
		for j := range points {
			points[j] = plotter.XY{X: s.X[j], Y: s.Y[j]}
		}
		if c.Kind == Columns {
			p.Add(columns{points, s.inkOf(), c.step(), float64(i), float64(len(c.Series))})
			continue
		}
		line, err := plotter.NewLine(points)
		if err != nil {
			return fmt.Errorf("%s: %w", s.Name, err)
		}
		line.LineStyle = s.lineStyle()
		if c.Kind == Steps {
			line.StepStyle = plotter.PostStep
		}
		p.Add(line)
	}
	return nil
}

// step is how far the columns are apart.
func (c Chart) step() float64 {
	if x := c.Series[0].X; len(x) > 1 {
		return x[1] - x[0]
	}
	return 1
}

// scale sets the ends of the axes and their ticks: y from 0, and nothing but
// round numbers.
func (c Chart) scale(p *plot.Plot) {
	lowX, highX, highY := math.Inf(1), math.Inf(-1), 0.0
	for _, s := range c.Series {
		lowX, highX = min(lowX, s.X[0]), max(highX, s.X[len(s.X)-1])
		for _, y := range s.Y {
			highY = max(highY, y)
		}
	}
	if highY == 0 {
		highY = 1
	}
	p.Y.Min, p.Y.Max = 0, highY*1.03
	p.Y.Tick.Marker = plot.ConstantTicks(roundTicks(0, highY*1.03, 6))
	switch {
	case c.Kind == Columns:
		p.X.Min, p.X.Max = lowX-c.step()*0.6, highX+c.step()*0.6
		p.X.Tick.Marker = plot.ConstantTicks(wholeTicks(lowX, highX, c.step()))
	case c.X.Log:
		p.X.Min, p.X.Max = lowX, highX*1.05
		p.X.Scale = plot.LogScale{}
		p.X.Tick.Marker = plot.ConstantTicks(logTicks(p.X.Min, p.X.Max))
	default:
		p.X.Min, p.X.Max = 0, c.X.Max
		if c.X.Max == 0 {
			p.X.Max = highX * 1.05
		}
		if p.X.Max == 0 {
			p.X.Max = 1
		}
		p.X.Tick.Marker = plot.ConstantTicks(roundTicks(0, p.X.Max, 9))
	}
}

// columns draws one column for each point. gonum's bar chart has widths in
// points; these are in the unit of x, so that they follow the axis.
type columns struct {
	points    plotter.XYs
	color     color.Color
	step      float64
	index, of float64 // among the series that share each x
}

// Plot draws the columns.
func (h columns) Plot(c draw.Canvas, p *plot.Plot) {
	x, y := p.Transforms(&c)
	width := 0.8 * h.step / h.of
	for _, point := range h.points {
		left := point.X - 0.4*h.step + h.index*width
		c.FillPolygon(h.color, []vg.Point{
			{X: x(left), Y: y(0)}, {X: x(left + width), Y: y(0)}, {X: x(left + width), Y: y(point.Y)}, {X: x(left), Y: y(point.Y)},
		})
	}
}

// barPlotter draws horizontal bars with their names and values, and a ring for
// each run if there are several.
type barPlotter struct {
	bars   []bar
	series []Series
}

// Plot draws over the whole canvas; there are no axes.
func (b barPlotter) Plot(c draw.Canvas, _ *plot.Plot) {
	name, value := style(19, false, ink), style(19, true, ink)
	name.YAlign, value.YAlign = draw.YCenter, draw.YCenter
	var names, values vg.Length
	for _, bar := range b.bars {
		names, values = max(names, name.Width(bar.Name)), max(values, value.Width(bar.Value))
	}
	left := c.Min.X + names + pixels(18)
	full := c.Max.X - values - pixels(18) - left
	pitch := min((c.Max.Y-c.Min.Y)/vg.Length(len(b.bars)), pixels(170))
	thick := pitch * 0.62
	for i, bar := range b.bars {
		y := c.Max.Y - pitch*(vg.Length(i)+0.5)
		end := left + full*vg.Length(bar.Width/100)
		c.FillText(name, vg.Point{X: c.Min.X, Y: y}, bar.Name)
		c.FillPolygon(b.series[i].inkOf(), []vg.Point{
			{X: left, Y: y - thick/2}, {X: end, Y: y - thick/2}, {X: end, Y: y + thick/2}, {X: left, Y: y + thick/2},
		})
		reach := end
		for _, dot := range bar.Dots {
			at := vg.Point{X: left + full*vg.Length(dot/100), Y: y}
			reach = max(reach, at.X)
			c.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: pixels(7), Shape: draw.CircleGlyph{}}, at)
			c.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: pixels(4.5), Shape: draw.CircleGlyph{}}, at)
		}
		c.FillText(value, vg.Point{X: reach + pixels(14), Y: y}, bar.Value)
	}
	bottom := c.Max.Y - pitch*vg.Length(len(b.bars))
	c.StrokeLine2(draw.LineStyle{Color: faded, Width: pixels(1)}, left, bottom, left, c.Max.Y)
}

// roundTicks are multiples of 1, 2 or 5 times a power of ten, about so many.
func roundTicks(low, high float64, about int) []plot.Tick {
	step := math.Pow(10, math.Floor(math.Log10((high-low)/float64(about))))
	for _, by := range []float64{1, 2, 5, 10} {
		if (high-low)/(by*step) <= float64(about) {
			step *= by
			break
		}
	}
	decimals := max(0, -int(math.Floor(math.Log10(step)+1e-9)))
	var ticks []plot.Tick
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9); i++ {
		ticks = append(ticks, plot.Tick{Value: i * step, Label: grouped(i*step, decimals)})
	}
	return ticks
}

// wholeTicks label columns: each, or each second, fifth...
func wholeTicks(low, high, step float64) []plot.Tick {
	every := step
	for _, by := range []float64{1, 2, 5, 10, 20} {
		every = by * step
		if (high-low)/every <= 20 {
			break
		}
	}
	var ticks []plot.Tick
	for x := math.Ceil(low/every) * every; x <= high; x += every {
		ticks = append(ticks, plot.Tick{Value: x, Label: grouped(x, 0)})
	}
	return ticks
}

// logTicks are 1, 2 and 5 times the powers of ten.
func logTicks(low, high float64) []plot.Tick {
	var ticks []plot.Tick
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for _, by := range []float64{1, 2, 5} {
			if x := by * math.Pow(10, e); x >= low && x <= high {
				ticks = append(ticks, plot.Tick{Value: x, Label: number(x, 9)})
			}
		}
	}
	return ticks
}
