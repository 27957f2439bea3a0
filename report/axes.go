package report

import "math"

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

// fit returns how long an axis in so much room may be, so that no label, which
// reaches so far beyond its tick, is cut off.
func (s scale) fit(room float64, reach func(tick) float64) float64 {
	length := room
	for _, t := range s.ticks {
		if along := s.along(t.value); along > 0 {
			length = min(length, (room-reach(t))/along)
		}
	}
	return length
}

// axes are the part of a picture where the data go, and the scales along its
// bottom and its left side.
type axes struct {
	box
	x, y scale
}

// How large the text of axes is, and how far it stays away.
const (
	axisText   = 15
	axisLine   = 17.25 // from one line of text to the next
	besideAxis = 9
	belowAxis  = 5.5
	belowTicks = 6
)

// newAxes takes from the room what the labels need: a column to the left for
// the ticks of y, and two lines below for those of x and its label.
func newAxes(room box, x, y scale) axes {
	widest := 0.0
	for _, t := range y.ticks {
		widest = max(widest, textWidth(t.label, axisText))
	}
	room.left += widest + besideAxis
	room.bottom -= belowAxis + axisLine + belowTicks + axisLine
	room.right = room.left + x.fit(room.right-room.left, func(t tick) float64 { return textWidth(t.label, axisText) / 2 })
	room.top = room.bottom - y.fit(room.bottom-room.top, func(tick) float64 { return axisLine / 2 })
	return axes{room, x, y}
}

// at returns where the data have the point (x, y).
func (a axes) at(x, y float64) point {
	return point{a.left + (a.right-a.left)*a.x.along(x), a.bottom - (a.bottom-a.top)*a.y.along(y)}
}

// draw draws everything but the data.
func (a axes) draw(d *drawing, label string) {
	text := plain.in(faded)
	y := a.bottom + belowAxis + 0.9*axisText
	for _, t := range a.x.ticks {
		d.text(a.at(t.value, 0).x, y, axisText, text.from("middle"), t.label)
	}
	d.text((a.left+a.right)/2, y+axisLine+belowTicks, axisText, text.from("middle"), label)
	for _, t := range a.y.ticks {
		y := a.bottom - (a.bottom-a.top)*a.y.along(t.value)
		d.text(a.left-besideAxis, y+middle(axisText), axisText, text.from("end"), t.label)
		d.rule(faint, point{a.left, y}, point{a.right, y})
	}
	d.rule(faded, point{a.left, a.bottom}, point{a.right, a.bottom})
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
