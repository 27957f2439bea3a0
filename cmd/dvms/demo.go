package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/demo"
)

// agentCommand is the command that dvms demo starts its processes with.
const agentCommand = "demo-agent"

type demoFlags struct {
	agents, overloads, kill count
	sites                   count
	overlay                 overlayFlag
	drains                  drains
	places                  places
	duration, back, cut     span
	seed                    seed
	logs                    word
	processes, json         bool
	verbose                 bool
}

func newDemo() *cobra.Command {
	f := demoFlags{agents: 16, duration: span(30 * time.Second), back: span(10 * time.Second), seed: 23, sites: 1, overlay: "ring", logs: word{"", "DIR"}}
	c := &cobra.Command{
		Use:   "demo",
		Short: "Watch agents repair overloads on this machine",
		Long: `Demo starts agents on this machine and lets you watch them. They speak over
mutually authenticated connections on loopback; their hosts, VMs and live
migrations are emulated, in real time: hosts of 8 cores, 10 VMs of 1 GiB on each
at the start, a network of 10 Gbit/s. Load makes a host overloaded every 1.5 s on
the average, and leaves all hosts together enough. Besides, hosts can be emptied
for maintenance (--drain) and VMs started (--place), by the same procedure; both
flags may be given several times.

With --sites the hosts stand on the first of four sites (Grenoble, Luxembourg,
Nancy, Rennes), and what agents say to each other takes as long as between those.
With --overlay spiral they find out who is close, and ask those first.

On a terminal it shows the hosts, what their VMs ask for, and which are reserved
by which partition; elsewhere a line for each thing that happens. Ctrl-C ends it.
The seed decides load and faults; when what happens is up to real time.

  repaired         time from an overload to its end
  free of the dead how long after the kill of an agent others were reserved
                   together with it; the bound is the lease, the wait for
                   reports, a second and the longest migration

The fields of --json are described in docs/file-formats.md. The exit code is 0 if
every overload was repaired, all were free within the bound and no VM was lost or
doubled, and what was asked for is done; 1 if not; 2 if the command line can't be
used.`,
		Example: `  dvms demo
  dvms demo --processes --kill 3
  dvms demo --cut 10s --for 60s
  dvms demo --drain n3@5s --place 8@12s
  dvms demo --agents 20 --sites 4 --overlay spiral
  dvms demo --agents 8 --overloads 20 --json
  dvms demo --logs logs && dvms replay logs`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("overloads") && !c.Flags().Changed("for") {
				f.duration = 0
			}
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.agents, "agents", "number of hosts, each with its agent")
	flags.Var(&f.duration, "for", "how long load is injected")
	flags.Var(&f.overloads, "overloads", "inject load until so many overloads have arisen, for as long as that\ntakes unless --for is given too")
	flags.Var(&f.seed, "seed", "decides load and faults")
	flags.BoolVar(&f.processes, "processes", false, "run each agent in a process of its own, which --kill kills")
	flags.Var(&f.kill, "kill", "kill so many agents at random moments, every second one while it\ncarries out a plan")
	flags.Var(&f.back, "return", "start a killed agent again after this time; 0s for never")
	flags.Var(&f.cut, "cut", "cut the network into two halves once, for this time")
	flags.Var(&f.drains, "drain", "empty a host, at a time since the start, as in n3@10s; any host if\nnone is named")
	flags.Var(&f.places, "place", "give a host so many VMs to be started, as in 5@10s")
	flags.Var(&f.sites, "sites", "number of sites, from 1 to 4, on which the hosts stand")
	flags.Var(&f.overlay, "overlay", "whom agents ask first: ring (the order of a hash) or spiral (who is\nclose)")
	flags.Var(&f.logs, "logs", "folder for the agents' logs, which dvms replay reads")
	flags.BoolVar(&f.json, "json", false, "print only the summary, as JSON")
	flags.BoolVar(&f.verbose, "verbose", false, "have the agents say on stderr what they do")
	for _, name := range []string{"agents", "for", "overloads", "seed", "kill", "return", "cut", "drain", "place", "sites"} {
		must(c.RegisterFlagCompletionFunc(name, noCompletion))
	}
	must(c.RegisterFlagCompletionFunc("overlay", f.overlay.complete))
	must(c.MarkFlagDirname("logs"))
	return c
}

func noCompletion(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

// settings are what the flags ask for.
func (f *demoFlags) settings(stderr io.Writer) (demo.Settings, error) {
	s := demo.Settings{
		Agents: int(f.agents), Seed: uint64(f.seed), For: time.Duration(f.duration), Overloads: int(f.overloads),
		Kill: int(f.kill), Return: time.Duration(f.back), Cut: time.Duration(f.cut), Drains: f.drains, Places: f.places,
		Sites: max(int(f.sites), 1), Spiral: f.overlay == "spiral", Logs: f.logs.text, Log: agentLog(stderr, f.verbose),
	}
	if f.processes {
		program, err := os.Executable()
		if err != nil {
			return s, err
		}
		s.Program = []string{program, agentCommand}
		if f.verbose {
			s.Program = append(s.Program, "--verbose")
		}
	}
	if f.sites < 1 {
		return s, badInput{fmt.Errorf("--sites: %d is not a number from 1 to 4", f.sites)}
	}
	if err := s.Validate(); err != nil {
		return s, badInput{fmt.Errorf("--%w", err)}
	}
	if s.Logs != "" {
		if err := os.MkdirAll(s.Logs, 0o777); err != nil {
			return s, badInput{fmt.Errorf("--logs: %s: %w", s.Logs, pathCause(err))}
		}
	}
	return s, nil
}

// agentLog is where agents say what they do: what is wrong, or all of it.
func agentLog(stderr io.Writer, verbose bool) *slog.Logger {
	level := slog.LevelError
	if verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))
}

func (f *demoFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	s, err := f.settings(stderr)
	if err != nil {
		return err
	}
	switch {
	case f.json:
	case isTerminal(stdout) && os.Getenv("TERM") != "dumb":
		s.Show = newScreen(stdout).show
	default:
		s.Say = (&lines{out: stdout}).say
		if _, err := fmt.Fprintf(stdout, "demo: %d agents, seed %d; starting\n", s.Agents, s.Seed); err != nil {
			return err
		}
	}
	sum, err := demo.Run(ctx, s)
	if err != nil {
		return err
	}
	if f.json {
		encoder := json.NewEncoder(stdout)
		encoder.SetIndent("", "  ")
		err = encoder.Encode(sum)
	} else {
		err = writeDemo(stdout, sum)
	}
	if err == nil && !sum.Passed && ctx.Err() == nil {
		err = errors.New(unmet(sum))
	}
	return err
}

// unmet says what a demonstration has not met.
func unmet(s demo.Summary) string {
	switch {
	case s.Wrong != "":
		return s.Wrong
	case s.Open > 0:
		return fmt.Sprintf("%d overloads were not repaired", s.Open)
	case s.Held > 0:
		return fmt.Sprintf("%d agents are reserved still", s.Held)
	}
	for _, d := range s.Drains {
		if !d.Emptied {
			return fmt.Sprintf("%s is not empty: %s left%s", d.Node, plural(d.Left, "VM"), because(d.Reasons))
		}
	}
	for _, p := range s.Places {
		if p.Running < p.VMs {
			return fmt.Sprintf("of %s that were given to %s %d run%s", plural(p.VMs, "VM"), p.Node, p.Running, because(p.Reasons))
		}
	}
	return fmt.Sprintf("agents were reserved with a dead one for %.1f s, longer than the %.1f s that are stated", s.Freed, s.Bound)
}

// writeDemo prints a summary for a person.
func writeDemo(w io.Writer, s demo.Summary) error {
	kind := "goroutines"
	if s.Processes {
		kind = "processes"
	}
	var out strings.Builder
	fmt.Fprintf(&out, `
%d agents as %s, %.1f s, seed %d

overloads         %d: %d repaired, %d on hosts that were killed, %d open
%smigrations        %d%s
procedures        %s
messages          %d; with word about members%s %d frames, %.1f kB
VMs               %d, %s
`, s.Agents, kind, s.Duration, s.Seed, s.Overloads, s.Repaired, s.Crashed, s.Open,
		repairs(s), s.Migrations, within(s), outcomes(s.Outcomes), s.Messages, gossip(s), s.Frames,
		float64(s.Bytes)/1000, s.VMs, cmp.Or(s.Wrong, "none lost or doubled"))
	writeRequests(&out, s)
	if len(s.Kills) > 0 {
		plans := 0
		for _, k := range s.Kills {
			if k.InPlan {
				plans++
			}
		}
		fmt.Fprintf(&out, "killed            %d, of which %d led a plan\n  free of the dead %.1f s after at most; bound %.1f s\n",
			len(s.Kills), plans, s.Freed, s.Bound)
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// repairs says how long overloads lasted, if any was repaired.
func repairs(s demo.Summary) string {
	if s.Repaired == 0 {
		return ""
	}
	return fmt.Sprintf("  repaired in     %.1f s on the average, p95 %.1f s, longest %.1f s\n", s.RepairMean, s.RepairP95, s.RepairMost)
}

// within says what share of the migrations stayed within a site, if there are
// several.
func within(s demo.Summary) string {
	if s.Sites < 2 || s.Migrations == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them within a site (%.0f %%); %.2f sites a procedure, overlay %s",
		s.Within, 100*float64(s.Within)/float64(s.Migrations), s.Spread, s.Overlay)
}

// gossip names what the frames are beside messages and word about members.
func gossip(s demo.Summary) string {
	if s.Overlay == "spiral" {
		return " and who is close"
	}
	return ""
}

// outcomes lists how procedures ended.
func outcomes(of map[string]int) (text string) {
	for _, name := range []string{"solved", "vanished", "unsolvable", "aborted", "merged", "lost"} {
		if n := of[name]; n > 0 {
			text += fmt.Sprintf("%d %s, ", n, name)
		}
	}
	if text == "" {
		return "none"
	}
	return text[:len(text)-2]
}

// lines prints what happens, a line each.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) say(e demo.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%7.1f s  %-9s %s\n", e.At.Seconds(), e.Kind, e.Text)
}

// newDemoAgent is the process of one agent of a demonstration.
func newDemoAgent() *cobra.Command {
	verbose := false
	c := &cobra.Command{
		Use: agentCommand, Short: "The process of one agent of dvms demo", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			// An interrupt of the terminal reaches all processes; this one ends
			// when the demonstration does, or tells it to.
			ctx := context.WithoutCancel(c.Context())
			return demo.Agent(ctx, os.Stdin, c.OutOrStdout(), agentLog(c.ErrOrStderr(), verbose))
		},
	}
	c.Flags().BoolVar(&verbose, "verbose", false, "say on stderr what it does")
	return c
}
