package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/report"
	"github.com/dvms-project/dvms/trace"
)

// defaultOut is where results go if nothing else is said.
const defaultOut = "dvms-report"

type simulateFlags struct {
	hosts, vms int
	strategies []string
	workload   string
	seeds      []uint
	duration   time.Duration
	out        string
	json       bool
	set        *pflag.FlagSet
}

func newSimulate() *cobra.Command {
	var f simulateFlags
	c := &cobra.Command{
		Use:   "simulate [scenario.yaml]",
		Short: "Compare schedulers on a simulated data centre",
		Long: `Simulate runs a scenario with each of its strategies and seeds, and prints how
they compare: for how long hosts were asked for more than they have
(violations), what was computed and migrated. Without a scenario it runs the
built-in comparison: 64 hosts, 640 VMs, 1800 s, no scheduler against a
centralized one and DVMS. Flags change single values of the scenario.

The traces, an HTML report, its charts as PNG and the figures as JSON are
written to the directory given by --out.`,
		Example: `  dvms simulate
  dvms simulate --hosts 1024 --strategy dvms
  dvms simulate --workload planetlab:traces/20110303 --hosts 60 --vms 1052 --duration 24h
  dvms simulate examples/one-rack.yaml --seed 1,2,3 --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.set = c.Flags()
			return simulate(c.Context(), f, args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	d := experiment.Default()
	flags := c.Flags()
	flags.SortFlags = false
	flags.IntVar(&f.hosts, "hosts", d.Hosts.Count, "number of hosts; without --vms, the VMs change in proportion")
	flags.IntVar(&f.vms, "vms", d.VMs.Count, "number of VMs")
	flags.StringSliceVar(&f.strategies, "strategy", d.Strategies, "strategies to compare: "+strings.Join(experiment.Strategies, ", "))
	flags.StringVar(&f.workload, "workload", d.Workload.Law, "gaussian, vmplaces, planetlab:DIR or bitbrains:DIR")
	flags.UintSliceVar(&f.seeds, "seed", []uint{uint(d.Seeds[0])}, "seeds; each is one run per strategy")
	flags.DurationVar(&f.duration, "duration", time.Duration(d.Duration), "simulated time")
	flags.StringVar(&f.out, "out", defaultOut, "directory for traces, report and charts; with --json only if it is given")
	flags.BoolVar(&f.json, "json", false, "print the figures as JSON instead of a table")
	complete := func(values ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values, cobra.ShellCompDirectiveNoFileComp
		}
	}
	must(c.RegisterFlagCompletionFunc("strategy", complete(experiment.Strategies...)))
	must(c.RegisterFlagCompletionFunc("workload", complete("gaussian", "vmplaces", "planetlab:", "bitbrains:")))
	must(c.MarkFlagDirname("out"))
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

// must panics on an error that only a mistake in this program can cause.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

// scenario reads the scenario and applies the flags that were given.
func (f simulateFlags) scenario(args []string) (experiment.Scenario, error) {
	s := experiment.Default()
	if len(args) == 1 {
		data, err := os.ReadFile(args[0])
		if err != nil {
			return s, badInput{fmt.Errorf("%s: %w", args[0], pathCause(err))}
		}
		if s, err = experiment.Parse(args[0], data); err != nil {
			return s, badInput{err}
		}
		if s.Workload.Traces != "" && !filepath.IsAbs(s.Workload.Traces) {
			s.Workload.Traces = filepath.Join(filepath.Dir(args[0]), s.Workload.Traces)
		}
	}
	if f.set.Changed("hosts") {
		if !f.set.Changed("vms") && s.Hosts.Count > 0 {
			s.VMs.Count = int(int64(s.VMs.Count) * int64(f.hosts) / int64(s.Hosts.Count))
		}
		s.Hosts.Count = f.hosts
	}
	if f.set.Changed("vms") {
		s.VMs.Count = f.vms
	}
	if f.set.Changed("strategy") {
		s.Strategies = f.strategies
	}
	if f.set.Changed("workload") {
		s.Workload.Law, s.Workload.Traces, _ = strings.Cut(f.workload, ":")
	}
	if f.set.Changed("seed") {
		s.Seeds = nil
		for _, seed := range f.seeds {
			s.Seeds = append(s.Seeds, uint64(seed))
		}
	}
	if f.set.Changed("duration") {
		s.Duration = experiment.Duration(f.duration)
	}
	if err := s.Validate(); err != nil {
		return s, badInput{f.named(err)}
	}
	return s, nil
}

// named says which flag a bad value came from, if it came from one.
func (f simulateFlags) named(err error) error {
	var bad *experiment.KeyError
	if !errors.As(err, &bad) {
		return err
	}
	section, _, _ := strings.Cut(bad.Key, "[")
	flag := map[string]string{
		"hosts.count": "hosts", "vms.count": "vms", "strategies": "strategy", "seeds": "seed",
		"duration": "duration", "workload.law": "workload", "workload.traces": "workload",
	}[section]
	if flag != "" && f.set.Changed(flag) {
		return fmt.Errorf("--%s: %w", flag, bad.Err)
	}
	return err
}

// simulate runs all that the command line asks for and writes the results.
func simulate(ctx context.Context, f simulateFlags, args []string, stdout, stderr io.Writer) error {
	s, err := f.scenario(args)
	if err != nil {
		return err
	}
	var dir *outDir
	if !f.json || f.set.Changed("out") {
		if dir, err = openOut(f.out); err != nil {
			return err
		}
		defer dir.discard()
	}
	var runs []*report.Collector
	var walls []time.Duration
	partial := false
	for _, strategy := range s.Strategies {
		for _, seed := range s.Seeds {
			if partial {
				break
			}
			spec := experiment.Spec{Scenario: s, Strategy: strategy, Seed: seed, Version: version(), Files: osFiles{}}
			run, wall, stats, err := simulateOne(ctx, spec, dir, stderr)
			if err != nil {
				return classify(f, args, err)
			}
			runs, walls, partial = append(runs, run), append(walls, wall), stats.Partial
		}
	}
	comparison := report.Compare(runs...)
	for i := range comparison.Runs {
		comparison.Runs[i] = comparison.Runs[i].WithWall(walls[i])
	}
	if f.json {
		err = comparison.WriteJSON(stdout)
	} else {
		err = comparison.WriteTable(stdout)
	}
	if err != nil {
		return err
	}
	if dir != nil {
		if err := dir.writeReport(comparison, runs); err != nil {
			return err
		}
		if !f.json {
			fmt.Fprintf(stdout, "\nreport  %s\n", filepath.Join(f.out, "report.html"))
		}
	}
	if partial {
		return interrupted(runs, dir)
	}
	return nil
}

// interrupted says what an interrupt has left.
func interrupted(runs []*report.Collector, dir *outDir) error {
	last := runs[len(runs)-1].Summary()
	text := fmt.Sprintf("interrupted at %v of simulated time, in %s with seed %d",
		time.Duration(float64(last.Duration)*float64(time.Second)).Round(time.Millisecond), last.Strategy, last.Seed)
	if dir != nil {
		text += "; its trace is valid up to there: " + dir.path(traceName(last.Strategy, last.Seed))
	}
	return errors.New(text)
}

// classify tells bad input from failures, and names the flag or file of a bad
// value.
func classify(f simulateFlags, args []string, err error) error {
	var bad *experiment.KeyError
	var file *injector.FileError
	switch {
	case errors.As(err, &bad):
		if len(args) == 1 && bad.File == "" {
			bad.File = args[0]
		}
		return badInput{f.named(err)}
	case errors.As(err, &file):
		return badInput{err}
	}
	return err
}

// simulateOne makes one run, with its trace in dir unless dir is nil.
func simulateOne(ctx context.Context, spec experiment.Spec, dir *outDir, stderr io.Writer) (*report.Collector, time.Duration, experiment.Stats, error) {
	collector := report.NewCollector()
	var sink trace.Sink = collector
	var file *os.File
	var writer *trace.Writer
	if dir != nil {
		var err error
		if file, err = dir.create(traceName(spec.Strategy, spec.Seed)); err != nil {
			return nil, 0, experiment.Stats{}, err
		}
		defer file.Close()
		writer = trace.NewWriter(file)
		sink = both{collector, writer}
	}
	bar := newProgress(spec, stderr)
	began := time.Now()
	stats, err := experiment.Run(ctx, spec, sink, bar.update)
	wall := time.Since(began)
	bar.clear()
	if err == nil && writer != nil {
		err = errors.Join(writer.Flush(), file.Close())
	}
	return collector, wall, stats, err
}

func traceName(strategy string, seed uint64) string {
	return strategy + "-" + strconv.FormatUint(seed, 10) + ".jsonl"
}

// both gives each record to two sinks.
type both [2]trace.Sink

func (b both) Record(r trace.Record) {
	b[0].Record(r)
	b[1].Record(r)
}

// osFiles reads any file of the machine, by the path that the user gave.
type osFiles struct{}

// Open opens a file for reading.
func (osFiles) Open(name string) (fs.File, error) { return os.Open(name) }

// pathCause drops the operation and path from an error that will be given them.
func pathCause(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}

// progress is a bar on a terminal, and nothing elsewhere.
type progress struct {
	bar   *progressbar.ProgressBar
	began time.Time
	name  string
}

func newProgress(spec experiment.Spec, stderr io.Writer) *progress {
	p := &progress{began: time.Now(), name: fmt.Sprintf("%s, seed %d", spec.Strategy, spec.Seed)}
	file, ok := stderr.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return p
	}
	p.bar = progressbar.NewOptions64(int64(spec.Scenario.Duration),
		progressbar.OptionSetWriter(stderr),
		progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionSetElapsedTime(false),
		progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(),
	)
	return p
}

func (p *progress) update(now experiment.Progress) {
	if p.bar == nil {
		return
	}
	rate := float64(now.Events) / max(time.Since(p.began).Seconds(), 1e-3)
	p.bar.Describe(fmt.Sprintf("%s: %v simulated, %.0f events/s", p.name, now.At.Round(time.Second), rate))
	_ = p.bar.Set64(int64(now.At)) // a terminal that can't be written to is no reason to stop
}

func (p *progress) clear() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}
