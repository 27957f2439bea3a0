package report

import (
	"cmp"
	"fmt"
	"image/color"
	"io"
	"math"
	"slices"
	"strconv"

	"codeberg.org/go-fonts/liberation/liberationsansbold"
	"codeberg.org/go-fonts/liberation/liberationsansregular"
	xfont "golang.org/x/image/font"
	"golang.org/x/image/font/opentype"
	"gonum.org/v1/plot/font"
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

// fonts come with the program, so that a chart looks the same on every machine.
// They are two of the twelve in gonum/plot's collection, which would all be
// linked.
var fonts = text.Plain{Fonts: font.NewCache(font.Collection{
	{Face: parsed(liberationsansregular.TTF)},
	{Face: parsed(liberationsansbold.TTF), Font: font.Font{Weight: xfont.WeightBold}},
})}

func parsed(ttf []byte) *opentype.Font {
	f, err := opentype.Parse(ttf)
	if err != nil {
		panic("report: a font of the program's own: " + err.Error())
	}
	return f
}

// style is a text of so many pixels.
func style(size float64, bold bool, c color.Color) draw.TextStyle {
	f := font.Font{Size: pixels(size)}
	if bold {
		f.Weight = xfont.WeightBold
	}
	return draw.TextStyle{Color: c, Font: f, Handler: fonts, YAlign: draw.YTop}
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
	if c.Kind == Places {
		top += pixels(20)
	} else if c.Kind != Bars {
		c.drawLegend(sheet, sheet.Max.Y-top)
		top += pixels(38)
		sheet.FillText(style(15, false, faded), vg.Point{X: sheet.Min.X, Y: sheet.Max.Y - top}, c.Y.String())
		top += pixels(26)
	}
	c.drawData(draw.Crop(sheet, 0, 0, 0, -top))
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
			fillBox(sheet, s.inkOf(), vg.Point{X: x, Y: y - pixels(17)}, vg.Point{X: x + width, Y: y - pixels(2)})
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

// fillBox fills the rectangle between its lower left and upper right corners.
func fillBox(c draw.Canvas, fill color.Color, low, high vg.Point) {
	c.SetColor(fill)
	c.Fill(vg.Rectangle{Min: low, Max: high}.Path())
}

// drawData draws the series over the whole canvas, with their axes.
func (c Chart) drawData(canvas draw.Canvas) {
	if c.Kind == Bars {
		c.drawBars(canvas)
		return
	}
	if c.Kind == Places {
		x, y := c.mapScales(canvas.Rectangle)
		a := newAxes(canvas, x, y)
		a.draw(c.X.String())
		for _, s := range c.Series {
			s.drawPlaces(a)
		}
		return
	}
	a := newAxes(canvas, c.scaleX(), c.scaleY())
	a.draw(c.X.String())
	for i, s := range c.Series {
		if c.Kind == Columns {
			c.drawColumns(a, i)
		} else {
			s.drawLine(a, c.Kind == Steps)
		}
	}
}

// drawLine draws a line from point to point, or one that keeps the height of a
// point until the next.
func (s Series) drawLine(a axes, steps bool) {
	var line []vg.Point
	for i, x := range s.X {
		if steps && i > 0 {
			line = append(line, a.at(x, s.Y[i-1]))
		}
		line = append(line, a.at(x, s.Y[i]))
	}
	a.StrokeLines(s.lineStyle(), a.ClipLinesXY(line)...)
}

// drawColumns draws the columns of one series, which share each x with those of
// the others.
func (c Chart) drawColumns(a axes, series int) {
	s := c.Series[series]
	width := 0.8 * c.step() / float64(len(c.Series))
	for i, x := range s.X {
		left := x - 0.4*c.step() + float64(series)*width
		fillBox(a.Canvas, s.inkOf(), a.at(left, 0), a.at(left+width, s.Y[i]))
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
func (c Chart) drawBars(canvas draw.Canvas) {
	bars := c.bars()
	name, value := style(19, false, ink), style(19, true, ink)
	name.YAlign, value.YAlign = draw.YCenter, draw.YCenter
	var names, values vg.Length
	for _, bar := range bars {
		names, values = max(names, name.Width(bar.Name)), max(values, value.Width(bar.Value))
	}
	left := canvas.Min.X + names + pixels(18)
	full := canvas.Max.X - values - pixels(18) - left
	pitch := min((canvas.Max.Y-canvas.Min.Y)/vg.Length(len(bars)), pixels(170))
	thick := pitch * 0.62
	for i, bar := range bars {
		y := canvas.Max.Y - pitch*(vg.Length(i)+0.5)
		end := left + full*vg.Length(bar.Width/100)
		canvas.FillText(name, vg.Point{X: canvas.Min.X, Y: y}, bar.Name)
		fillBox(canvas, c.Series[i].inkOf(), vg.Point{X: left, Y: y - thick/2}, vg.Point{X: end, Y: y + thick/2})
		reach := end
		for _, dot := range bar.Dots {
			at := vg.Point{X: left + full*vg.Length(dot/100), Y: y}
			reach = max(reach, at.X)
			canvas.DrawGlyph(draw.GlyphStyle{Color: ink, Radius: pixels(7), Shape: draw.CircleGlyph{}}, at)
			canvas.DrawGlyph(draw.GlyphStyle{Color: paper, Radius: pixels(4.5), Shape: draw.CircleGlyph{}}, at)
		}
		canvas.FillText(value, vg.Point{X: reach + pixels(14), Y: y}, bar.Value)
	}
	bottom := canvas.Max.Y - pitch*vg.Length(len(bars))
	canvas.StrokeLine2(draw.LineStyle{Color: faded, Width: pixels(1)}, left, bottom, left, canvas.Max.Y)
}
