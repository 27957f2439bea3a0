package main

import (
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/demo"
)

// screen draws what a demonstration does, over and over, on a terminal.
type screen struct {
	out   io.Writer
	color bool
	lines int // drawn last
}

func newScreen(out io.Writer) *screen {
	return &screen{out: out, color: os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// barLength is that of a load bar, in characters; it is full at fullLoad.
const (
	barLength = 25
	fullLoad  = 1.25
)

// show draws a view in place of the last one.
func (s *screen) show(v demo.View) {
	width, height := 100, 40
	if w, h, ok := terminalSize(s.out); ok && w > 0 {
		width, height = w, h
	}
	text := s.draw(v, height-1)
	var out strings.Builder
	if s.lines > 0 {
		fmt.Fprintf(&out, "\x1b[%dA", s.lines)
	}
	for _, line := range text {
		out.WriteString(clip(line, width-1) + "\x1b[0m\x1b[K\n")
	}
	out.WriteString("\x1b[J")
	s.lines = len(text)
	io.WriteString(s.out, out.String())
}

// draw returns the lines of a view, as many as there is room for.
func (s *screen) draw(v demo.View, height int) []string {
	lines := []string{
		fmt.Sprintf("%.0f s   overloads %d: %d repaired, %d open   migrations %d, %d under way   messages %d",
			v.At.Seconds(), v.Overloads, v.Repaired, v.Open, v.Migrations, v.Moving, v.Messages),
		"",
		strings.TrimRight(fmt.Sprintf("%-5s %-*s %6s %4s  %-*s", "host", barLength, "CPU asked for", "", "VMs", siteWidth(v), siteTitle(v))+"reserved by", " "),
	}
	events := v.Events
	room := len(v.Hosts)
	if height > 0 {
		room = max(height-len(lines)-1-min(len(events), fewestEvents), 1)
	}
	hosts, left := choose(v.Hosts, room)
	for _, h := range hosts {
		lines = append(lines, s.host(h, siteWidth(v)))
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("      and %s, for which there is no room", plural(left, "host")))
	}
	lines = append(lines, "")
	if fit := max(height-len(lines), 0); height > 0 && len(events) > fit {
		events = events[len(events)-fit:] // the last ones
	}
	for _, e := range events {
		lines = append(lines, fmt.Sprintf("%7.1f s  %-9s %s", e.At.Seconds(), e.Kind, e.Text))
	}
	if len(lines) > height && height > 0 {
		lines = lines[:height]
	}
	return lines
}

// fewestEvents is for how many there is room, however many hosts there are.
const fewestEvents = 5

// choose returns the hosts for which there is room, those first at which
// something happens, in their order; and how many are left out. One line is for
// saying that.
func choose(hosts []demo.Host, room int) (some []demo.Host, left int) {
	if len(hosts) <= room {
		return hosts, 0
	}
	room--
	chosen := make([]bool, len(hosts))
	for _, wanted := range []bool{true, false} {
		for i, h := range hosts {
			busy := !h.Up || h.Load > 1 || h.Partition != "" || h.Draining || h.Waiting > 0
			if busy == wanted && room > 0 {
				chosen[i] = true
				room--
			}
		}
	}
	for i, h := range hosts {
		if chosen[i] {
			some = append(some, h)
		}
	}
	return some, len(hosts) - len(some)
}

// siteWidth is that of the column of sites; 0 if there is only one.
func siteWidth(v demo.View) (width int) {
	for _, h := range v.Hosts {
		if h.Site != "" {
			width = max(width, len(h.Site)+1, len("site "))
		}
	}
	return width
}

func siteTitle(v demo.View) string {
	if siteWidth(v) == 0 {
		return ""
	}
	return "site"
}

// host is the line of a host.
func (s *screen) host(h demo.Host, sites int) string {
	filled := min(int(h.Load/fullLoad*barLength+0.5), barLength)
	bar := strings.Repeat("█", filled) + strings.Repeat("·", barLength-filled)
	mark := " "
	switch {
	case !h.Up:
		return s.paint("2", fmt.Sprintf("%-5s %-*s", h.Name, barLength, "down"))
	case h.Load > 1:
		bar, mark = s.paint("31", bar), "!"
	}
	var notes []string
	switch {
	case h.Draining && h.VMs > 0:
		notes = append(notes, "to be emptied")
	case h.Draining:
		notes = append(notes, "emptied")
	}
	if h.Waiting > 0 {
		notes = append(notes, plural(h.Waiting, "VM")+" to be started")
	}
	role := ""
	switch {
	case h.Applying:
		role = "leads, carries out its plan"
	case h.Leader:
		role = "leads"
	case h.Partition != "":
		role = "member"
	}
	if h.Partition != "" && h.State != "GROW" {
		role += ", " + h.State
	}
	partition := s.paint(colorOf(h.Partition), h.Partition)
	if partition != "" {
		notes = slices.Insert(notes, 0, partition+" "+role)
	}
	line := fmt.Sprintf("%-5s %s %4.0f %%%s %4d  %-*s%s", h.Name, bar, 100*h.Load, mark, h.VMs, sites, h.Site, strings.Join(notes, "; "))
	return strings.TrimRight(line, " ")
}

// colorOf is the colour of a partition: the same for all its members.
func colorOf(partition string) string {
	h := fnv.New32a()
	h.Write([]byte(partition))
	return fmt.Sprint([]int{32, 33, 34, 35, 36, 92, 93, 94, 95, 96}[h.Sum32()%10])
}

// paint colours text. What it says is in the words, too.
func (s *screen) paint(color, text string) string {
	if !s.color || text == "" {
		return text
	}
	return "\x1b[" + color + "m" + text + "\x1b[0m"
}

// clip cuts a line to a width, in characters that are seen.
func clip(line string, width int) string {
	seen, escape := 0, false
	for i, r := range line {
		switch {
		case r == '\x1b':
			escape = true
		case escape:
			escape = r != 'm'
		default:
			if seen++; seen > width {
				return line[:i]
			}
		}
	}
	return line
}
