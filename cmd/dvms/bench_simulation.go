package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/bench"
	"github.com/dvms-project/dvms/sim"
)

type simulationFlags struct {
	hosts, seconds, seed, messages, rounds count
	migrate, json                          bool
}

func newBenchSimulation() *cobra.Command {
	f := simulationFlags{hosts: 1024, seconds: 1800, seed: 42}
	c := &cobra.Command{
		Use:   "simulation",
		Short: "Measure the simulation kernel",
		Long: `Simulation runs hosts of 8 cores with 10 VMs each, whose loads change at random: each
VM's after exponential times with a mean of 300 s, to Gaussian values of 60 % with
a deviation of 20 in steps of 10. It prints how long that took on one core. With
--migrate, a host that is asked for more than 7 cores sends its VM of highest load to
a random host. With --messages, processes in pairs on hosts of a star send each other
empty messages in turn.

The programs in bench/peers/simgrid run the same on SimGrid. What was delivered, in
core-seconds, is there to compare results and not only speed.

Preparing, which is drawing and sorting the changes, adding hosts and VMs, is told
apart. Memory is what the garbage collector holds at the end, and what the process
has got from the system.`,
		Example: `  dvms bench simulation
  dvms bench simulation --hosts 100000
  dvms bench simulation --hosts 4096 --migrate --json
  dvms bench simulation --messages 10000`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := f.check(c); err != nil {
				return badInput{err}
			}
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.hosts, "hosts", "hosts, with 10 VMs each")
	flags.Var(&f.seconds, "seconds", "simulated time")
	flags.Var(&f.seed, "seed", "of the loads")
	flags.BoolVar(&f.migrate, "migrate", false, "let overloaded hosts send VMs away")
	flags.Var(&f.messages, "messages", "processes that send each other messages, instead; an even number")
	flags.Var(&f.rounds, "rounds", "messages that each process sends; 0 for as many as make 2 million in all")
	flags.BoolVar(&f.json, "json", false, "print the figures as JSON")
	for _, name := range []string{"hosts", "seconds", "seed", "messages", "rounds"} {
		must(c.RegisterFlagCompletionFunc(name, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}))
	}
	return c
}

// These keep the scenario in the memory of usual machines.
const (
	mostHosts  = 1_000_000
	maxSeconds = 1_000_000
)

// check says what can't be meant.
func (f *simulationFlags) check(c *cobra.Command) error {
	switch {
	case f.hosts < 2 || f.hosts > mostHosts:
		return fmt.Errorf("--hosts: %d is not from 2 to %d", f.hosts, mostHosts)
	case f.seconds < 1 || f.seconds > maxSeconds:
		return fmt.Errorf("--seconds: %d is not from 1 to %d", f.seconds, maxSeconds)
	case f.seed < 0:
		return fmt.Errorf("--seed: %d is less than 0", f.seed)
	case c.Flags().Changed("messages") && (f.messages < 2 || f.messages > mostHosts || f.messages%2 != 0):
		return fmt.Errorf("--messages: %d is not an even number from 2 to %d", f.messages, mostHosts)
	case f.rounds < 0 || f.rounds > 0 && f.messages == 0:
		return errors.New("--rounds: it needs --messages, and must be 0 or more")
	case f.messages > 0 && (f.migrate || c.Flags().Changed("hosts") || c.Flags().Changed("seconds")):
		return errors.New("--messages measures processes and nothing else: --hosts, --seconds and --migrate don't go with it")
	}
	return nil
}

// simulationFigures is what was measured.
type simulationFigures struct {
	Hosts            int     `json:"hosts,omitempty"`
	VMs              int     `json:"vms,omitempty"`
	Changes          int     `json:"changes,omitempty"`
	Migrations       int     `json:"migrations,omitempty"`
	Processes        int     `json:"processes,omitempty"`
	Messages         int     `json:"messages,omitempty"`
	Events           uint64  `json:"events"`
	PrepareSeconds   float64 `json:"prepare_seconds"`
	RunSeconds       float64 `json:"run_seconds"`
	ChangesPerSecond float64 `json:"changes_per_second,omitempty"`
	MessagesPer      float64 `json:"messages_per_second,omitempty"`
	EventsPerSecond  float64 `json:"events_per_second"`
	Allocations      uint64  `json:"allocations"` // during the run
	HeapMiB          float64 `json:"heap_mib"`    // live at the end
	SystemMiB        float64 `json:"system_mib"`
	Delivered        float64 `json:"delivered_core_seconds,omitempty"`
}

func (f *simulationFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	old := runtime.GOMAXPROCS(1) // the figures are those of one core, garbage collection included
	defer runtime.GOMAXPROCS(old)
	wait := newWaiting(stderr)
	defer wait.clear()
	wait.say("simulating")
	figures, err := f.measure(ctx)
	wait.clear()
	if err != nil {
		return err
	}
	if f.json {
		e := json.NewEncoder(stdout)
		e.SetIndent("", "  ")
		return e.Encode(figures)
	}
	_, err = io.WriteString(stdout, figures.text())
	return err
}

// measure prepares and runs the scenario.
func (f *simulationFlags) measure(ctx context.Context) (simulationFigures, error) {
	var figures simulationFigures
	start := time.Now()
	run, err := f.prepare(ctx, &figures)
	if err != nil {
		return figures, err
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	prepared := time.Now()
	if err := run(); err != nil {
		return figures, err
	}
	took := time.Since(prepared).Seconds()
	runtime.ReadMemStats(&after)
	figures.PrepareSeconds, figures.RunSeconds = prepared.Sub(start).Seconds(), took
	figures.Allocations, figures.SystemMiB = after.Mallocs-before.Mallocs, float64(after.Sys)/(1<<20)
	figures.ChangesPerSecond, figures.EventsPerSecond = float64(figures.Changes)/took, float64(figures.Events)/took
	figures.MessagesPer = float64(figures.Messages) / took
	runtime.GC()
	runtime.ReadMemStats(&after)
	figures.HeapMiB = float64(after.HeapAlloc) / (1 << 20)
	runtime.KeepAlive(run)
	return figures, nil
}

// prepare returns the run. It is ended by the context, between parts of it.
func (f *simulationFlags) prepare(ctx context.Context, figures *simulationFigures) (func() error, error) {
	if f.messages > 0 {
		return f.prepareMessages(ctx, figures)
	}
	load := bench.Load{Hosts: int(f.hosts), Until: sim.Seconds(f.seconds), Seed: uint64(f.seed), Migrate: f.migrate}
	r, err := load.Prepare()
	if err != nil {
		return nil, err
	}
	return func() error {
		result, err := r.Run(func() bool { return ctx.Err() != nil })
		figures.Hosts, figures.VMs, figures.Changes = load.Hosts, load.VMs(), result.Changes
		figures.Migrations, figures.Events, figures.Delivered = result.Migrations, result.Events, result.Delivered
		return err
	}, nil
}

// prepareMessages is prepare for --messages.
func (f *simulationFlags) prepareMessages(ctx context.Context, figures *simulationFigures) (func() error, error) {
	rounds := int(f.rounds)
	if rounds == 0 {
		rounds = max(1, 2_000_000/int(f.messages))
	}
	s, err := bench.Messages{Processes: int(f.messages), Rounds: rounds}.Prepare()
	if err != nil {
		return nil, err
	}
	return func() error {
		const parts = 100                            // after each, it is looked whether to stop
		part := sim.Seconds(rounds) * 2.6e-3 / parts // two messages of 1.3 ms a round
		var err error
		for err == nil && len(s.Processes()) > 0 {
			if err = s.Run(s.Now() + part); ctx.Err() != nil {
				err = errors.New("interrupted")
			}
		}
		if closed := s.Close(); err == nil {
			err = closed
		}
		figures.Processes, figures.Messages, figures.Events = int(f.messages), int(f.messages)*rounds, s.Events()
		return err
	}, nil
}

// text is the figures for people.
func (s simulationFigures) text() string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	if s.Processes > 0 {
		line("processes", "%d, on as many hosts", s.Processes)
		line("messages", "%d", s.Messages)
	} else {
		line("hosts", "%d with %d VMs", s.Hosts, s.VMs)
		line("changes", "%d", s.Changes)
		line("migrations", "%d", s.Migrations)
		line("delivered", "%.9g core-seconds", s.Delivered)
	}
	line("prepare", "%.3f s", s.PrepareSeconds)
	line("run", "%.3f s on one core", s.RunSeconds)
	if s.Processes > 0 {
		line("", "%.0f messages per second", s.MessagesPer)
	} else {
		line("", "%.0f changes per second", s.ChangesPerSecond)
	}
	line("", "%.0f events per second, %.0f ns per event", s.EventsPerSecond, 1e9/s.EventsPerSecond)
	line("", "%d allocations", s.Allocations)
	line("memory", "%.1f MiB live, %.1f MiB from the system", s.HeapMiB, s.SystemMiB)
	if s.Hosts > 0 {
		line("", "%.0f bytes per host with its VMs", s.HeapMiB*(1<<20)/float64(s.Hosts))
	}
	return b.String()
}
