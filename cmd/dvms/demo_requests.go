package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/demo"
	"github.com/dvms-project/dvms/internal/spell"
)

// drains are the values of --drain, which may come several times.
type drains []demo.Drain

func (d *drains) String() string { return "" }

// Type is what the help shows in place of the value.
func (d *drains) Type() string { return "[HOST@]TIME" }

// Set reads a date, and the host before it.
func (d *drains) Set(text string) error {
	host, date, named := strings.Cut(text, "@")
	if !named {
		host, date = "", text
	}
	r := demo.Drain{}
	if named {
		n, err := strconv.Atoi(strings.TrimPrefix(host, "n"))
		if err != nil || n < 1 {
			return fmt.Errorf("%q is not a host; they are n1, n2, …, as in n3@10s", host)
		}
		r.Node = n
	}
	at, err := sinceStart(date)
	r.At = at
	*d = append(*d, r)
	return err
}

// places are the values of --place, which may come several times.
type places []demo.Place

func (p *places) String() string { return "" }

// Type is what the help shows in place of the value.
func (p *places) Type() string { return "N@TIME" }

// Set reads a number of VMs and a date.
func (p *places) Set(text string) error {
	number, date, ok := strings.Cut(text, "@")
	n, err := strconv.Atoi(number)
	if !ok || err != nil {
		return fmt.Errorf("%q is not a number of VMs and a time, as in 5@10s", text)
	}
	at, err := sinceStart(date)
	*p = append(*p, demo.Place{At: at, VMs: n})
	return err
}

// sinceStart reads a time since the start.
func sinceStart(text string) (time.Duration, error) {
	var s span
	err := s.Set(text)
	return time.Duration(s), err
}

// overlays are the values of --overlay.
var overlays = []string{"ring", "spiral"}

// overlayFlag is one of overlays.
type overlayFlag string

func (o *overlayFlag) String() string { return string(*o) }

// Type is what the help shows in place of the value.
func (o *overlayFlag) Type() string { return "NAME" }

// Set takes the name of an overlay.
func (o *overlayFlag) Set(text string) error {
	if !slices.Contains(overlays, text) {
		hint := "there are ring and spiral"
		if near := spell.Nearest(text, overlays); near != "" {
			hint = fmt.Sprintf("did you mean %s?", near)
		}
		return fmt.Errorf("%q is not an overlay; %s", text, hint)
	}
	*o = overlayFlag(text)
	return nil
}

// complete offers the names.
func (o *overlayFlag) complete(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return overlays, cobra.ShellCompDirectiveNoFileComp
}

// writeRequests prints what came of what was asked for.
func writeRequests(w *strings.Builder, s demo.Summary) {
	for _, d := range s.Drains {
		switch {
		case d.Emptied:
			fmt.Fprintf(w, "drain             %s at %.1f s, with %s: empty after %.1f s\n", d.Node, d.At, plural(d.VMs, "VM"), d.After)
		default:
			fmt.Fprintf(w, "drain             %s at %.1f s, with %s: %d are there still%s\n", d.Node, d.At, plural(d.VMs, "VM"), d.Left, because(d.Reasons))
		}
	}
	for _, p := range s.Places {
		switch {
		case p.Running == p.VMs:
			fmt.Fprintf(w, "place             %s at %.1f s, given to %s: all run after %.1f s\n", plural(p.VMs, "VM"), p.At, p.Node, p.After)
		default:
			fmt.Fprintf(w, "place             %s at %.1f s, given to %s: %d run%s\n", plural(p.VMs, "VM"), p.At, p.Node, p.Running, because(p.Reasons))
		}
	}
}

func because(reasons string) string {
	if reasons == "" {
		return ""
	}
	return "; " + reasons
}
