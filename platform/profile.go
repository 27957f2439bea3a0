package platform

import (
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/sim"
)

// Profile is how something changes over time.
type Profile struct {
	Name   string // of its file
	Points []Point
	// Every is after how long all begins anew; 0 means never. It is no less
	// than the time from the first point to the last.
	Every sim.Seconds
}

// Point is a value from a date on. Dates do not go back.
type Point struct {
	At    sim.Seconds
	Value float64
}

// ParseProfile reads a profile: lines of a date in seconds and a value, and
// possibly one that says that all begins anew: LOOPAFTER, with the time from
// the last date on, or PERIODICITY, with the time from the beginning. Empty
// lines and those that begin with # or % say nothing. Errors are of type
// *[Error].
func ParseProfile(name, text string) (*Profile, error) {
	return parseProfile(place{file: name, line: 1}, name, text, 0)
}

// parseProfile reads a profile that begins at a place, with a period unless it
// says so itself.
func parseProfile(at place, name, text string, every sim.Seconds) (*Profile, error) {
	p := profileReader{Profile: Profile{Name: name, Every: every}, loop: -1}
	for line := range strings.Lines(text) {
		if err := p.read(strings.Fields(line)); err != nil {
			return nil, at.err("%w", err)
		}
		at.line++
	}
	if n := len(p.Points); n > 0 && p.loop >= 0 {
		p.Every = p.Points[n-1].At + p.loop
		if p.Every == 0 {
			return nil, at.err("it begins anew after 0 s, again and again")
		}
	}
	if err := p.validate(); err != nil {
		return nil, at.err("%w", err)
	}
	return &p.Profile, nil
}

// profileReader is a profile of which some lines are read.
type profileReader struct {
	Profile
	loop sim.Seconds // after the last date; negative if it is not said
}

func (p *profileReader) read(words []string) error {
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
	switch words[0] {
	case "LOOPAFTER", "PERIODICITY":
		if value < 0 {
			return fmt.Errorf("%s %v; it can't be negative", words[0], value)
		}
		if words[0] == "LOOPAFTER" {
			p.loop = sim.Seconds(value)
		} else {
			p.Every = sim.Seconds(value)
		}
		return nil
	}
	date, err := strconv.ParseFloat(words[0], 64)
	if err != nil {
		return fmt.Errorf("%.80q is not a date", words[0])
	}
	p.Points = append(p.Points, Point{sim.Seconds(date), value})
	return p.ordered(len(p.Points) - 1)
}

// validate says what makes no sense in a profile.
func (p *Profile) validate() error {
	for i := range p.Points {
		if err := p.ordered(i); err != nil {
			return err
		}
	}
	if !finite(float64(p.Every)) || p.Every > 0 && p.Every < 1e-6 {
		return fmt.Errorf("it begins anew every %v s; at least 1e-6 are possible", float64(p.Every))
	}
	if n := len(p.Points); n > 0 && p.Every > 0 && p.Points[n-1].At-p.Points[0].At > p.Every {
		return fmt.Errorf("it begins anew after %v s, but takes %v s", float64(p.Every), float64(p.Points[n-1].At-p.Points[0].At))
	}
	return nil
}

// ordered returns an error unless a point is after those before.
func (p *Profile) ordered(i int) error {
	q := p.Points[i]
	switch {
	case !finite(float64(q.At)) || !finite(abs(q.Value)):
		return fmt.Errorf("value %v at %v s", q.Value, float64(q.At))
	case i > 0 && q.At < p.Points[i-1].At:
		return fmt.Errorf("date %v is before that of the line before, %v", float64(q.At), float64(p.Points[i-1].At))
	}
	return nil
}

func abs(x float64) float64 {
	if x < 0 {
		return -x
	}
	return x
}

// profiles reads the files that a platform names, each once.
type profiles struct {
	files fs.FS // nil if there are none
	read  map[string]*Profile
}

// file reads a file; no name is none.
func (p *profiles) file(name string) (*Profile, error) {
	if name == "" {
		return nil, nil
	}
	if known := p.read[name]; known != nil {
		return known, nil
	}
	clean := path.Clean(name)
	switch {
	case p.files == nil:
		return nil, fmt.Errorf("file %.80q can't be read: there is no folder to read it from", name)
	case !fs.ValidPath(clean):
		return nil, fmt.Errorf("file %.80q is not in the folder of the platform, or below", name)
	}
	text, err := fs.ReadFile(p.files, clean)
	if err != nil {
		return nil, err
	}
	read, err := ParseProfile(name, string(text))
	if err == nil {
		if p.read == nil {
			p.read = map[string]*Profile{}
		}
		p.read[name] = read
	}
	return read, err
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

// limits are the least and the highest value that makes sense.
func (a aspect) limits() (low, high float64) {
	switch a {
	case hostSpeed:
		return 0, 1
	case linkBandwidth:
		return math.SmallestNonzeroFloat64, math.MaxFloat64
	case linkLatency:
		return 0, math.MaxFloat64
	}
	return -math.MaxFloat64, math.MaxFloat64
}

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
		if t.profile.Every == 0 {
			return
		}
		t.base += t.profile.Every
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
