package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/platform"
	"github.com/dvms-project/dvms/sim"
)

func newPlatform() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "platform FILE [SOURCE TARGET]",
		Short: "Check a platform, and show what is in it",
		Long: `Platform reads the description of hosts and links that a simulation runs on, in the
XML of SimGrid (.xml) or in our YAML (.yaml), and says what there is. With the names
of two hosts, it prints the way between them, link by link.

What the file says is checked as a whole: what is not known, not supported, or makes
no sense is refused with its line. What is understood and has no effect here is told.
docs/platforms.md describes both formats.

The exit code is 0 if the platform can be simulated, and 2 if it can't.`,
		Example: `  dvms platform grid.xml
  dvms platform examples/platforms/two-sites.yaml
  dvms platform examples/platforms/two-sites.yaml nantes-1 rennes-2 --json`,
		Args: cobra.MaximumNArgs(3),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) != 1 && len(args) != 3 {
				return badInput{errors.New("platform needs a file, and two hosts if you ask for the way between them: dvms platform grid.xml a b")}
			}
			return showPlatform(args, asJSON, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print it as JSON")
	c.ValidArgsFunction = filesNamed(1, "xml", "yaml", "yml")
	return c
}

// readPlatform reads a platform and builds it.
func readPlatform(name string) (*platform.Platform, *sim.Simulation, *platform.Router, error) {
	if name == "-" {
		return nil, nil, nil, errors.New("a platform is read from a file: its ending, .xml or .yaml, says in which form it is")
	}
	text, err := readInput(name, nil, "platform", ".xml", ".yaml", ".yml")
	if err != nil {
		return nil, nil, nil, err
	}
	parse := platform.ParseYAML
	if strings.EqualFold(filepath.Ext(name), ".xml") {
		parse = platform.ParseXML
	}
	p, err := parse(name, text, os.DirFS(filepath.Dir(name)))
	if err != nil {
		return nil, nil, nil, err
	}
	s, err := sim.NewWith(p.Settings(sim.DefaultSettings()))
	if err != nil {
		return nil, nil, nil, fmt.Errorf("%s: %w", name, err)
	}
	router, err := platform.Build(p, s)
	return p, s, router, err
}

// platformSummary is what is in a platform.
type platformSummary struct {
	Hosts   int            `json:"hosts"`
	Cores   int            `json:"cores"`
	Memory  cluster.Bytes  `json:"memory_bytes"` // of the hosts that say how much
	Links   int            `json:"links"`
	Disks   int            `json:"disks"`
	Power   int            `json:"hosts_with_power"`
	Network string         `json:"network_model"`
	Notes   []platformNote `json:"notes,omitempty"`
	Way     *way           `json:"way,omitempty"`
}

// platformNote is something in the file that has no effect.
type platformNote struct {
	Line int    `json:"line"`
	Text string `json:"text"`
}

// way is the way between two hosts.
type way struct {
	Source  string      `json:"source"`
	Target  string      `json:"target"`
	Latency sim.Seconds `json:"latency_s"`
	Links   []wayLink   `json:"links"`
}

type wayLink struct {
	Name      string        `json:"name"`
	Bandwidth sim.Bandwidth `json:"bandwidth_bytes_per_s"`
	Latency   sim.Seconds   `json:"latency_s"`
	FatPipe   bool          `json:"fat_pipe,omitempty"`
}

func showPlatform(args []string, asJSON bool, stdout, stderr io.Writer) error {
	p, s, router, err := readPlatform(args[0])
	if err != nil {
		return badInput{err}
	}
	summary := summarize(p, s)
	if len(args) == 3 {
		if summary.Way, err = wayBetween(s, router, args[1], args[2]); err != nil {
			return badInput{fmt.Errorf("%s: %w", args[0], err)}
		}
	}
	if asJSON {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(summary)
	}
	for _, n := range summary.Notes {
		fmt.Fprintf(stderr, "%s:%d: %s\n", args[0], n.Line, n.Text)
	}
	_, err = io.WriteString(stdout, summary.text(args[0]))
	return err
}

func summarize(p *platform.Platform, s *sim.Simulation) platformSummary {
	sum := platformSummary{Hosts: s.Hosts(), Links: s.Links(), Disks: s.Disks(), Network: s.Settings().Network.Name}
	for h := range s.Hosts() {
		spec := s.Host(sim.HostID(h))
		sum.Cores += spec.Cores
		sum.Memory += spec.Memory
		if len(spec.Power.States) > 0 {
			sum.Power++
		}
	}
	for _, n := range p.Notes {
		sum.Notes = append(sum.Notes, platformNote{n.Line, n.Text})
	}
	return sum
}

func wayBetween(s *sim.Simulation, router *platform.Router, source, target string) (*way, error) {
	_, latency, err := router.Path(source, target)
	if err != nil {
		return nil, err
	}
	from, _ := router.Host(source) // Path has seen that they are there
	to, _ := router.Host(target)
	links, err := router.Route(from, to, nil)
	if err != nil {
		return nil, err
	}
	w := &way{Source: source, Target: target, Latency: latency}
	for _, l := range links {
		spec := s.Link(l)
		w.Links = append(w.Links, wayLink{spec.Name, spec.Bandwidth, spec.Latency, spec.Policy == sim.FatPipe})
	}
	return w, nil
}

// text is the summary for people.
func (p platformSummary) text(name string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %s with %s, %s, %s\n", name, plural(p.Hosts, "host"), plural(p.Cores, "core"), plural(p.Links, "link"), plural(p.Disks, "disk"))
	if p.Memory > 0 {
		fmt.Fprintf(&b, "memory   %s\n", inWords(p.Memory))
	}
	if p.Power > 0 {
		fmt.Fprintf(&b, "power    known of %s\n", plural(p.Power, "host"))
	}
	fmt.Fprintf(&b, "network  %s\n", p.Network)
	if p.Way == nil {
		return b.String()
	}
	fmt.Fprintf(&b, "\nfrom %s to %s, latency %v:\n", p.Way.Source, p.Way.Target, p.Way.Latency.Duration())
	width := 0
	for _, l := range p.Way.Links {
		width = max(width, len(l.Name))
	}
	for _, l := range p.Way.Links {
		policy := ""
		if l.FatPipe {
			policy = "  fat pipe"
		}
		fmt.Fprintf(&b, "  %-*s  %8.4g MB/s  %v%s\n", width, l.Name, float64(l.Bandwidth)/1e6, l.Latency.Duration(), policy)
	}
	if len(p.Way.Links) == 0 {
		b.WriteString("  no links: it is the host itself\n")
	}
	return b.String()
}
