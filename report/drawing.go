package report

import (
	"fmt"
	"html"
	"strconv"
	"strings"
)

// The colours of what is drawn beside the series.
const (
	ink   = "#1c2024"
	faded = "#5d646d"
	faint = "#d9dde2"
	paper = "#ffffff"
)

// point is a place in a picture: pixels to the right of its upper left corner,
// and down.
type point struct{ x, y float64 }

// box is a rectangle in a picture.
type box struct{ left, top, right, bottom float64 }

// drawing is a picture in the making, as the text of an SVG.
type drawing struct{ svg strings.Builder }

// The fonts are named that have the widths of Helvetica, which textWidth knows.
const fonts = "Liberation Sans, Arimo, Arial, Helvetica, sans-serif"

func newDrawing(title string) *drawing {
	d := &drawing{}
	fmt.Fprintf(&d.svg, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%[3]s" font-family="%[4]s" fill="%[5]s">`,
		PictureWidth, PictureHeight, html.EscapeString(title), fonts, ink)
	d.newline()
	d.rectangle(paper, box{right: PictureWidth, bottom: PictureHeight})
	return d
}

// end returns the picture.
func (d *drawing) end() string {
	d.svg.WriteString("</svg>\n")
	return d.svg.String()
}

func (d *drawing) newline() { d.svg.WriteByte('\n') }

// pixels prints a length to a hundredth of a pixel.
func pixels(x float64) string {
	s := strconv.FormatFloat(x, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}

// A lettering is how a text is written.
type lettering struct {
	bold   bool
	color  string // ink if empty
	anchor string // where its place is: "start" if empty, "middle" or "end"
}

var (
	plain = lettering{}
	bold  = lettering{bold: true}
)

func (l lettering) in(color string) lettering {
	l.color = color
	return l
}

func (l lettering) from(anchor string) lettering {
	l.anchor = anchor
	return l
}

// text writes text of a size, its letters standing on the line y.
func (d *drawing) text(x, y, size float64, l lettering, text string) {
	fmt.Fprintf(&d.svg, `<text x="%s" y="%s" font-size="%s"`, pixels(x), pixels(y), pixels(size))
	if l.bold {
		d.svg.WriteString(` font-weight="bold"`)
	}
	if l.color != "" {
		fmt.Fprintf(&d.svg, ` fill="%s"`, l.color)
	}
	if l.anchor != "" {
		fmt.Fprintf(&d.svg, ` text-anchor="%s"`, l.anchor)
	}
	fmt.Fprintf(&d.svg, ">%s</text>\n", html.EscapeString(text))
}

// middle returns how far below a line letters of a size stand whose middle is
// on it.
func middle(size float64) float64 { return 0.36 * size }

// widths of the characters from ' ' to '~' in Helvetica and what has its
// measures, in thousandths of the size of the letters.
var widths = [...]uint16{
	278, 278, 355, 556, 556, 889, 667, 191, 333, 333, 389, 584, 278, 333, 278, 278, // to /
	556, 556, 556, 556, 556, 556, 556, 556, 556, 556, 278, 278, 584, 584, 584, 556, // to ?
	1015, 667, 667, 722, 722, 667, 611, 778, 722, 278, 500, 667, 556, 833, 722, 778, // to O
	667, 778, 722, 667, 611, 722, 667, 944, 667, 667, 611, 278, 278, 278, 469, 556, // to _
	333, 556, 556, 500, 556, 556, 278, 556, 556, 222, 222, 500, 222, 833, 556, 556, // to o
	556, 556, 333, 500, 278, 556, 500, 722, 500, 500, 500, 334, 260, 334, 584, // to ~
}

// textWidth returns how wide a plain text is, in pixels; what is not ASCII is
// taken to be as wide as a broad letter.
func textWidth(text string, size float64) float64 {
	sum := 0
	for _, r := range text {
		if r >= ' ' && int(r-' ') < len(widths) {
			sum += int(widths[r-' '])
		} else {
			sum += 1000
		}
	}
	return float64(sum) * size / 1000
}

// rectangle fills a box.
func (d *drawing) rectangle(color string, b box) {
	fmt.Fprintf(&d.svg, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`,
		pixels(b.left), pixels(b.top), pixels(b.right-b.left), pixels(b.bottom-b.top), color)
	d.newline()
}

func (d *drawing) circle(color string, at point, radius float64) {
	fmt.Fprintf(&d.svg, `<circle cx="%s" cy="%s" r="%s" fill="%s"/>`, pixels(at.x), pixels(at.y), pixels(radius), color)
	d.newline()
}

// A stroke is how a line is drawn.
type stroke struct {
	color  string
	width  float64
	dashed bool
}

// line draws a line through points.
func (d *drawing) line(s stroke, points []point) {
	fmt.Fprintf(&d.svg, `<path fill="none" stroke="%s" stroke-width="%s"`, s.color, pixels(s.width))
	if s.dashed {
		d.svg.WriteString(` stroke-dasharray="9 5"`)
	}
	d.svg.WriteString(` stroke-linejoin="round" d="M`)
	for i, p := range points {
		switch {
		case i > 0 && p.y == points[i-1].y:
			d.svg.WriteString("H" + pixels(p.x))
		case i > 0 && p.x == points[i-1].x:
			d.svg.WriteString("V" + pixels(p.y))
		case i > 0:
			d.svg.WriteString("L" + pixels(p.x) + " " + pixels(p.y))
		default:
			d.svg.WriteString(pixels(p.x) + " " + pixels(p.y))
		}
	}
	d.svg.WriteString("\"/>\n")
}

// rule draws a thin line across or down, as sharp as a screen can show it.
func (d *drawing) rule(color string, from, to point) {
	fmt.Fprintf(&d.svg, `<path stroke="%s" shape-rendering="crispEdges" d="M%s %sL%s %s"/>`,
		color, pixels(from.x), pixels(from.y), pixels(to.x), pixels(to.y))
	d.newline()
}
