package platform

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/sim"
)

// Profile is how something changes over time.
type Profile struct {
	Name   string // of its file
	Points []Point
	// LoopAfter is for how long the last value holds before all begins anew. A
	// negative one means that it holds for ever.
	LoopAfter sim.Seconds
}

// Point is a value from a date on. Dates do not go back.
type Point struct {
	At    sim.Seconds
	Value float64
}

// maxPoints is how many points a profile may have.
const maxPoints = 10_000_000

// ParseProfile reads a profile: lines of a date in seconds and a value, and
// possibly a line LOOPAFTER or PERIODICITY with the time after the last date
// after which all begins anew. Empty lines and those that begin with # or %
// say nothing. Errors are of type *[Error].
func ParseProfile(name, text string) (*Profile, error) {
	return parseProfile(place{file: name, line: 1}, name, text, -1)
}

// parseProfile reads a profile that begins at a place.
func parseProfile(at place, name, text string, loop sim.Seconds) (*Profile, error) {
	p := &Profile{Name: name, LoopAfter: loop}
	for line := range strings.Lines(text) {
		if err := p.read(strings.Fields(line)); err != nil {
			return nil, at.err("%w", err)
		}
		at.line++
	}
	if err := p.validate(); err != nil {
		return nil, at.err("%w", err)
	}
	return p, nil
}

func (p *Profile) read(words []string) error {
	if len(words) == 0 || words[0][0] == '#' || words[0][0] == '%' {
		return nil
	}
	if words[0] == "STOCHASTIC" {
		return fmt.Errorf("stochastic profiles are not supported; write down the dates and values")
	}
	if len(words) != 2 {
		return fmt.Errorf("%.80q is not a date and a value, nor LOOPAFTER and a time", strings.Join(words, " "))
	}
	value, err := strconv.ParseFloat(words[1], 64)
	if err != nil || !finite(abs(value)) {
		return fmt.Errorf("%.80q is not a number", words[1])
	}
	if words[0] == "LOOPAFTER" || words[0] == "PERIODICITY" {
		if value < 0 {
			return fmt.Errorf("%s %v; it can't be negative", words[0], value)
		}
		p.LoopAfter = sim.Seconds(value)
		return nil
	}
	date, err := strconv.ParseFloat(words[0], 64)
	switch {
	case err != nil || !finite(date):
		return fmt.Errorf("%.80q is not a date", words[0])
	case len(p.Points) > 0 && date < float64(p.Points[len(p.Points)-1].At):
		return fmt.Errorf("date %v is before that of the line before, %v", date, float64(p.Points[len(p.Points)-1].At))
	case len(p.Points) == maxPoints:
		return fmt.Errorf("more than %d lines", maxPoints)
	}
	p.Points = append(p.Points, Point{sim.Seconds(date), value})
	return nil
}

func abs(x float64) float64 {
	if x < 0 {
		return -x
	}
	return x
}

func (p *Profile) validate() error {
	if n := len(p.Points); n > 0 && p.LoopAfter >= 0 && !(p.Points[n-1].At+p.LoopAfter > 0) {
		return fmt.Errorf("it begins anew after 0 s, again and again")
	}
	for _, q := range p.Points {
		if !finite(float64(q.At)) || !finite(abs(q.Value)) {
			return fmt.Errorf("value %v at %v s", q.Value, float64(q.At))
		}
	}
	return nil
}

// aspect is what a profile is of.
type aspect uint8

// The aspects, in the order of SimGrid's names for them.
const (
	hostState aspect = iota
	hostSpeed
	linkState
	linkBandwidth
	linkLatency
)

// variation says that something changes over time.
type variation struct {
	aspect  aspect
	element string
	profile *Profile
}

// change is the same of a host or link by its index.
type change struct {
	aspect  aspect
	of      int32
	profile *Profile
}

// player plays the profiles of a platform.
type player struct {
	sim    *sim.Simulation
	router *Router
	tracks []track
}

// track is a change under way.
type track struct {
	change
	next int         // point
	base sim.Seconds // date at which the profile began
}

// add plays a profile from the present date on.
func (p *player) add(c change) {
	if len(c.profile.Points) > 0 {
		p.tracks = append(p.tracks, track{change: c, base: p.sim.Now()})
		p.sim.At(p.sim.Now()+c.profile.Points[0].At, p, uint64(len(p.tracks)-1))
	}
}

// Handle sets the next value of a track.
func (p *player) Handle(_ sim.Seconds, arg uint64) {
	t := &p.tracks[arg]
	points := t.profile.Points
	value := points[t.next].Value
	if err := p.set(t.change, value); err != nil {
		p.sim.Fail(fmt.Errorf("profile %s: value %v: %w", t.profile.Name, value, err))
		return
	}
	if t.next++; t.next == len(points) {
		if t.profile.LoopAfter < 0 {
			return
		}
		t.base += points[t.next-1].At + t.profile.LoopAfter
		t.next = 0
	}
	p.sim.At(max(p.sim.Now(), t.base+points[t.next].At), p, arg)
}

func (p *player) set(c change, value float64) error {
	s, host, link := p.sim, p.router.firstHost+sim.HostID(c.of), p.router.firstLink+sim.LinkID(c.of)
	switch c.aspect {
	case hostState:
		return switchHost(s, host, value > 0)
	case hostSpeed:
		return s.SetAvailability(host, value)
	case linkState:
		return s.SwitchLink(link, value > 0)
	case linkBandwidth:
		return s.SetBandwidth(link, sim.Bandwidth(value))
	default:
		return s.SetLatency(link, sim.Seconds(value))
	}
}

func switchHost(s *sim.Simulation, h sim.HostID, on bool) error {
	switch {
	case on == s.IsOn(h):
		return nil
	case on:
		return s.TurnOn(h)
	}
	return s.TurnOff(h)
}
