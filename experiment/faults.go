package experiment

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dvms-project/dvms/internal/settings"
)

// Faults says what goes wrong in a run, and when. The zero value of each part
// is that nothing does.
type Faults struct {
	Until     Duration      `yaml:"until"` // crashes and losses by chance happen before; 0 for the whole run
	Crashes   Crashes       `yaml:"crashes"`
	Detection Detection     `yaml:"detection"`
	Messages  MessageFaults `yaml:"messages"`
	Cuts      []Cut         `yaml:"cuts"` // in the order of their dates; one at a time
}

// Crashes are nodes that die and come back.
type Crashes struct {
	Rate   Percent  `yaml:"rate"`   // of the hosts, each minute
	What   string   `yaml:"what"`   // host or agent
	Down   Duration `yaml:"down"`   // until it returns
	Spread Duration `yaml:"spread"` // Down is drawn evenly from so much less to so much more
	Dated  []Crash  `yaml:"dated"`  // beside those that the rate gives
}

// Crash is one at a given date.
type Crash struct {
	At   Duration `yaml:"at"`
	Host string   `yaml:"host"`
	What string   `yaml:"what"` // as in Crashes, and the same if it is empty
	Down Duration `yaml:"down"` // as in Crashes, and the same if it is 0
}

// Detection is when nodes hear that others have died, or are there again.
type Detection struct {
	After  Duration `yaml:"after"`
	Spread Duration `yaml:"spread"` // each hears of it so much earlier or later, drawn evenly
	Never  bool     `yaml:"never"`
}

// MessageFaults is what happens to messages between nodes.
type MessageFaults struct {
	Loss        Percent  `yaml:"loss"`
	Duplication Percent  `yaml:"duplication"`
	Jitter      Duration `yaml:"jitter"` // mean of what each takes longer, exponentially distributed
}

// Cut is a time during which two parts of the network do not reach each other.
type Cut struct {
	At    Duration `yaml:"at"`
	Lasts Duration `yaml:"lasts"`
	Share Percent  `yaml:"share"` // of the hosts, drawn by chance, that are cut off from the rest;
	Sites []string `yaml:"sites"` // or the sites that are
}

// The parts of a node that crash.
const (
	crashOfHost  = "host"
	crashOfAgent = "agent"
)

func defaultFaults() Faults {
	return Faults{
		Crashes:   Crashes{What: crashOfHost, Down: Duration(5 * time.Minute)},
		Detection: Detection{After: Duration(4 * time.Second), Spread: Duration(time.Second)},
	}
}

// any reports whether anything goes wrong.
func (f *Faults) any() bool {
	return f.Crashes.Rate > 0 || len(f.Crashes.Dated) > 0 || f.Messages != (MessageFaults{}) || len(f.Cuts) > 0
}

func (s *Scenario) validateFaults() error {
	f := &s.Faults
	for _, d := range []struct {
		key         string
		value       Duration
		least, most Duration
	}{
		{"until", f.Until, 0, maxDuration},
		{"crashes.down", f.Crashes.Down, minPeriod, maxDuration},
		{"crashes.spread", f.Crashes.Spread, 0, f.Crashes.Down - minPeriod},
		{"detection.after", f.Detection.After, 0, maxDuration},
		{"detection.spread", f.Detection.Spread, 0, f.Detection.After},
		{"messages.jitter", f.Messages.Jitter, 0, maxDuration},
	} {
		if d.value < d.least || d.value > d.most {
			return settings.Wrong("faults."+d.key, "%v is not from %v to %v", d.value, d.least, d.most)
		}
	}
	for _, p := range []struct {
		key   string
		value Percent
	}{{"crashes.rate", f.Crashes.Rate}, {"messages.loss", f.Messages.Loss}, {"messages.duplication", f.Messages.Duplication}} {
		if p.value < 0 || p.value > 100 {
			return settings.Wrong("faults."+p.key, "%v is not from 0%% to 100%%", p.value)
		}
	}
	if err := crashable("faults.crashes.what", f.Crashes.What); err != nil {
		return err
	}
	for i, c := range f.Crashes.Dated {
		if err := s.validateCrash(fmt.Sprintf("faults.crashes.dated[%d].", i), c); err != nil {
			return err
		}
	}
	if err := s.validateCuts(); err != nil {
		return err
	}
	for i, name := range s.Strategies {
		if _, central := services[name]; central && f.any() {
			return settings.Wrong(fmt.Sprintf("strategies[%d]", i), "%s has no answer to faults, it would wait for ever; with faults there are none, dvms and dvms-spiral", name)
		}
	}
	return nil
}

func crashable(key, what string) error {
	if what != crashOfHost && what != crashOfAgent {
		return settings.Wrong(key, "%q is neither host nor agent", what)
	}
	return nil
}

func (s *Scenario) validateCrash(key string, c Crash) error {
	switch {
	case c.At < 0 || c.At >= s.Duration:
		return settings.Wrong(key+"at", "%v is not from 0s to less than the %v of the run", c.At, s.Duration)
	case s.hostNamed(c.Host) < 0:
		return settings.Wrong(key+"host", "%q is not a host; they are node0 to %s", c.Host, hostName(s.Hosts.Count-1))
	case c.Down < 0 || c.Down > maxDuration:
		return settings.Wrong(key+"down", "%v is not from 0s to %v", c.Down, maxDuration)
	case c.What != "":
		return crashable(key+"what", c.What)
	}
	return nil
}

// hostNamed returns the number of a host, or -1 if there is none of that name.
func (s *Scenario) hostNamed(name string) int {
	i, err := strconv.Atoi(strings.TrimPrefix(name, "node"))
	if err != nil || i < 0 || i >= s.Hosts.Count || hostName(i) != name {
		return -1
	}
	return i
}

func (s *Scenario) validateCuts() error {
	healed := Duration(0)
	for i, c := range s.Faults.Cuts {
		key := fmt.Sprintf("faults.cuts[%d].", i)
		switch {
		case c.At < 0 || c.At >= s.Duration:
			return settings.Wrong(key+"at", "%v is not from 0s to less than the %v of the run", c.At, s.Duration)
		case c.At < healed:
			return settings.Wrong(key+"at", "%v, and the cut before lasts until %v; there is one at a time", c.At, healed)
		case c.Lasts < minPeriod || c.Lasts > maxDuration:
			return settings.Wrong(key+"lasts", "%v is not from %v to %v", c.Lasts, minPeriod, maxDuration)
		case (c.Share != 0) == (len(c.Sites) > 0):
			return settings.Wrong(key+"share", "a cut needs a share of the hosts or a list of sites, and not both")
		case len(c.Sites) == 0 && (c.Share <= 0 || c.Share >= 100):
			return settings.Wrong(key+"share", "%v is not from more than 0%% to less than 100%%", c.Share)
		}
		for j, name := range c.Sites {
			if s.siteNamed(name) < 0 {
				return settings.Wrong(fmt.Sprintf("%ssites[%d]", key, j), "%q is not a site", name)
			}
			if slices.Contains(c.Sites[:j], name) {
				return settings.Wrong(fmt.Sprintf("%ssites[%d]", key, j), "%s is there twice", name)
			}
		}
		if len(c.Sites) == len(s.Sites) && len(c.Sites) > 0 {
			return settings.Wrong(key+"sites", "all sites; nobody would be left on the other side")
		}
		healed = c.At + c.Lasts
	}
	return nil
}
