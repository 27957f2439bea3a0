package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/internal/spell"
)

// The values of flags. They say what they want in the words of the scenario
// files; pflag's own speak of Go's types.

// count is a number of things.
type count int

func (c *count) String() string { return strconv.Itoa(int(*c)) }

// Type is what the help shows in place of the value.
func (c *count) Type() string { return "N" }

// Set reads a whole number. Whether there can be as many is for the scenario
// to say.
func (c *count) Set(text string) error {
	n, err := strconv.Atoi(text)
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("%s is too large a number", text)
	}
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*c = count(n)
	return nil
}

// seed is what random numbers are drawn from.
type seed uint64

func (s *seed) String() string { return strconv.FormatUint(uint64(*s), 10) }

// Type is what the help shows in place of the value.
func (s *seed) Type() string { return "N" }

// Set reads a whole number.
func (s *seed) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return fmt.Errorf("%q is not a seed, a whole number from 0 to 2^64-1", text)
	}
	*s = seed(n)
	return nil
}

// seedList is numbers separated by commas.
type seedList struct {
	seeds []uint64
	set   bool // the default is gone
}

func (l *seedList) String() string {
	texts := make([]string, len(l.seeds))
	for i, seed := range l.seeds {
		texts[i] = strconv.FormatUint(seed, 10)
	}
	return strings.Join(texts, ",")
}

// Type is what the help shows in place of the value.
func (l *seedList) Type() string { return "N[,N]" }

// Set adds to what was set before.
func (l *seedList) Set(text string) error {
	if !l.set {
		l.seeds, l.set = nil, true
	}
	for part := range strings.SplitSeq(text, ",") {
		seed, err := strconv.ParseUint(strings.TrimSpace(part), 10, 64)
		if err != nil {
			return fmt.Errorf("%q is not a seed, a whole number from 0 to 2^64-1", part)
		}
		l.seeds = append(l.seeds, seed)
	}
	return nil
}

// nameList is names separated by commas.
type nameList struct {
	names []string
	set   bool // the default is gone
}

func (l *nameList) String() string { return strings.Join(l.names, ",") }

// Type is what the help shows in place of the value.
func (l *nameList) Type() string { return "NAME[,NAME]" }

// Set adds to what was set before.
func (l *nameList) Set(text string) error {
	if !l.set {
		l.names, l.set = nil, true
	}
	if text == "" {
		return nil
	}
	for part := range strings.SplitSeq(text, ",") {
		l.names = append(l.names, strings.TrimSpace(part))
	}
	return nil
}

// span is a length of time.
type span experiment.Duration

func (s *span) String() string { return experiment.Duration(*s).String() }

// Type is what the help shows in place of the value.
func (s *span) Type() string { return "TIME" }

// Set reads a number with a unit.
func (s *span) Set(text string) error { return (*experiment.Duration)(s).UnmarshalText([]byte(text)) }

// size is an amount of memory.
type size cluster.Bytes

func (s *size) String() string { return cluster.Bytes(*s).String() }

// Type is what the help shows in place of the value.
func (s *size) Type() string { return "SIZE" }

// Set reads a number with a unit.
func (s *size) Set(text string) error { return (*cluster.Bytes)(s).UnmarshalText([]byte(text)) }

// rate is a bandwidth, and how it was written.
type rate struct {
	text  string
	value cluster.BytesPerSecond
}

func (r *rate) String() string { return r.text }

// Type is what the help shows in place of the value.
func (r *rate) Type() string { return "RATE" }

// Set reads a number with a unit.
func (r *rate) Set(text string) (err error) {
	r.text = text
	r.value, err = cluster.ParseRate(text)
	return err
}

// word is text of which the help says what it names.
type word struct{ text, names string }

func (w *word) String() string { return w.text }

// Type is what the help shows in place of the value.
func (w *word) Type() string { return w.names }

// Set takes any text.
func (w *word) Set(text string) error {
	w.text = text
	return nil
}

// flagError says what is wrong with a flag, and what to do, in a line.
func flagError(flags *pflag.FlagSet, command string, err error) error {
	var invalid *pflag.InvalidValueError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid) && invalid.GetFlag().Value.Type() == "bool":
		return fmt.Errorf("--%s: takes no value", invalid.GetFlag().Name)
	case errors.As(err, &invalid):
		return fmt.Errorf("--%s: %w", invalid.GetFlag().Name, invalid.Unwrap())
	case errors.As(err, &unknown):
		var names []string
		flags.VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := spell.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return fmt.Errorf("there is no flag --%s; did you mean --%s?", unknown.GetSpecifiedName(), near)
		}
	}
	return fmt.Errorf("%w; see %s --help", err, command)
}
