package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed assets
var assets embed.FS

var page = template.Must(template.ParseFS(assets, "assets/report.html"))

// pageContent is what the template gets.
type pageContent struct {
	Title    string
	Headline string
	Version  string
	Columns  []column
	Rows     []row
	Notes    []string
	First    []pageChart // beside the table
	Rest     []pageChart // below it
	Data     []Chart
	Style    template.CSS
	Library  template.JS
	Drawing  template.JS
}

type column struct {
	Strategy string
	Color    int
}

type pageChart struct {
	Chart
	Drawn   bool // by the script, from Data
	Bars    []bar
	Picture template.HTML // of a map
}

// bar is a bar of a chart of kind Bars; places are in percent of the width.
type bar struct {
	Name  string
	Color int
	Width float64
	Dots  []float64 // of the runs, if there are several
	Value string
}

// HTML writes a page with the comparison's table and the charts of the runs.
// The page holds everything it needs: it can be opened without a network, and
// asks for none.
//
// The runs are those of the comparison; their summaries may have more in the
// comparison, such as WithWall.
func HTML(w io.Writer, c Comparison, runs []*Collector) error {
	content := pageContent{
		Title:    c.Scenario,
		Headline: strings.TrimPrefix(c.Headline(), c.Scenario+": "),
		Version:  c.Version,
		Rows:     c.rows(),
		Notes:    c.Notes(),
		Data:     []Chart{},
		Style:    template.CSS(palettes()),
	}
	var strategies []string
	for _, s := range c.strategies() {
		strategies = append(strategies, s.strategy)
	}
	for i, color := range colorsOf(strategies) {
		content.Columns = append(content.Columns, column{strategies[i], color})
	}
	for _, chart := range Charts(runs) {
		p := pageChart{Chart: chart, Drawn: chart.Kind != Bars && chart.Kind != Places}
		switch {
		case p.Drawn:
			content.Data = append(content.Data, chart)
		case chart.Kind == Places:
			p.Picture = chart.Map()
		default:
			p.Bars = chart.bars()
		}
		// A wide table leaves no room beside it.
		if strings.HasPrefix(p.Name, "violation-") && len(strategies) <= 3 {
			content.First = append(content.First, p)
		} else {
			content.Rest = append(content.Rest, p)
		}
	}
	library, err := libraryWithLicence()
	if err != nil {
		return err
	}
	content.Library = library
	drawing, err := assets.ReadFile("assets/report.js")
	if err != nil {
		return err
	}
	content.Drawing = template.JS(drawing)
	style, err := assets.ReadFile("assets/uPlot.min.css")
	if err != nil {
		return err
	}
	content.Style += template.CSS(style)
	if err := page.Execute(w, content); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

// libraryWithLicence returns uPlot with the licence that has to go with each
// copy of it.
func libraryWithLicence() (template.JS, error) {
	licence, err := assets.ReadFile("assets/uPlot.LICENSE")
	if err != nil {
		return "", err
	}
	code, err := assets.ReadFile("assets/uPlot.iife.min.js")
	if err != nil {
		return "", err
	}
	return template.JS("/*\n" + string(licence) + "*/\n" + string(code)), nil
}

// palettes are the colours of strategies as CSS variables --hue0, --hue1...
// for a white page, a dark one, and paper.
func palettes() string {
	var light, dark strings.Builder
	for i, h := range palette {
		fmt.Fprintf(&light, "--hue%d:%s;", i, h.light)
		fmt.Fprintf(&dark, "--hue%d:%s;", i, h.dark)
	}
	return fmt.Sprintf(":root{%s}@media screen and (prefers-color-scheme:dark){:root:not([data-print]){%s}}\n", &light, &dark)
}

// bars returns the bars of a chart of kind Bars.
func (c Chart) bars() []bar {
	largest := 0.0
	figures := make([]figure, len(c.Series))
	for i, s := range c.Series {
		figures[i] = figure{value: s.Y[0]}
		for _, x := range append(s.X, s.Y[0]) {
			largest = max(largest, x)
		}
	}
	values := inTime.print(figures)
	var bars []bar
	for i, s := range c.Series {
		b := bar{Name: s.Name, Color: s.Color, Value: values[i]}
		if largest > 0 {
			b.Width = rounded(100 * s.Y[0] / largest)
		}
		if len(s.X) > 1 && largest > 0 {
			for _, x := range s.X {
				b.Dots = append(b.Dots, rounded(100*x/largest))
			}
		}
		bars = append(bars, b)
	}
	return bars
}
