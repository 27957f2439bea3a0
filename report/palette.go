package report

import "slices"

// A hue is a colour of the palette, on white and on a dark page.
type hue struct{ light, dark string }

// palette can be told apart by people who see red and green alike: its
// neighbours differ in lightness too. It starts from the colours of M. Okabe
// and K. Ito, "Color universal design", 2008, darkened for thin lines on white.
var palette = []hue{
	{"#70757d", "#a9afb8"}, // grey, for doing nothing
	{"#d55e00", "#ff9248"}, // vermilion
	{"#0072b2", "#52b1f2"}, // blue
	{"#009068", "#35cfa2"}, // green
	{"#b0468c", "#ea93cb"}, // purple
	{"#8a6d00", "#dcc04a"}, // olive
	{"#3b3f99", "#aaa6f7"}, // indigo
	{"#4aa3c7", "#9bdcf0"}, // sky
}

// common is the colour of what all strategies share: that of text.
const common = -1

// usual are the strategies that have the same colour in all reports.
var usual = []string{"none", "centralized", "dvms"}

// colorsOf gives each strategy its colour, an index into the palette. Colours
// are used again when there are more strategies.
func colorsOf(strategies []string) []int {
	colors := make([]int, len(strategies))
	next := len(usual)
	for i, s := range strategies {
		if u := slices.Index(usual, s); u >= 0 {
			colors[i] = u
			continue
		}
		colors[i] = next
		if next++; next == len(palette) {
			next = len(usual)
		}
	}
	return colors
}
