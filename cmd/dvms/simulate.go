package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/report"
	"github.com/dvms-project/dvms/trace"
)

// defaultOut is where results go if nothing else is said.
const defaultOut = "dvms-report"

type simulateFlags struct {
	hosts, vms, cores count
	memory            size
	strategies        nameList
	workload          word
	seeds             seedList
	duration          span
	out               word
	json, check       bool
	set               *pflag.FlagSet
}

func newSimulate() *cobra.Command {
	d := experiment.Default()
	f := simulateFlags{
		hosts: count(d.Hosts.Count), vms: count(d.VMs.Count), cores: count(d.Hosts.Cores), memory: size(d.Hosts.Memory),
		strategies: nameList{names: d.Strategies}, seeds: seedList{seeds: d.Seeds}, duration: span(d.Duration),
		workload: word{d.Workload.Law, "LAW"}, out: word{defaultOut, "DIR"},
	}
	c := &cobra.Command{
		Use:   "simulate [scenario.yaml]",
		Short: "Compare schedulers on a simulated data centre",
		Long: `Simulate runs a scenario with each of its strategies and seeds, and prints how
they compare: for how long hosts were asked for more than they have
(violations), what was computed and migrated. Without a scenario it runs the
built-in comparison: 64 hosts, 640 VMs, 1800 s, no scheduler against a
centralized one and DVMS. Flags change single values of the scenario.

The traces, an HTML report, its charts as SVG and the figures as JSON are
written to the directory given by --out. They replace those of the comparison
that is there, unless the new one was interrupted and the old one was not: then
they go to the folder "interrupted" in it. Other files are left alone. With
--json nothing is written to a directory unless --out is given.

The fields of --json are described in docs/file-formats.md; within a version
of the schema they are only ever added to. The exit code is 0 if all went well,
1 if something failed or was interrupted, and 2 if the command line or a file
can't be used.`,
		Example: `  dvms simulate
  dvms simulate --hosts 1024 --strategy dvms
  dvms simulate examples/one-rack.yaml --seed 1,2,3 --json
  dvms simulate examples/planetlab.yaml --workload planetlab:traces/20110303
  dvms simulate examples/bitbrains.yaml --workload bitbrains:traces/rnd`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			f.set = c.Flags()
			return simulate(c.Context(), f, args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.hosts, "hosts", "number of hosts; the VMs change in proportion, unless --vms is\ngiven")
	flags.Var(&f.vms, "vms", "number of VMs")
	flags.Var(&f.cores, "cores", "cores of a host; 1 is kept from VMs, or as many as the scenario\nkeeps")
	flags.Var(&f.memory, "memory", "memory of a host")
	flags.Var(&f.strategies, "strategy", "what to compare, of none, centralized, ffd, dvms\nand dvms-spiral")
	flags.Var(&f.workload, "workload", "what VMs ask for: gaussian, vmplaces, planetlab:DIR or\nbitbrains:DIR")
	flags.Var(&f.seeds, "seed", "seeds; each is one run per strategy")
	flags.Var(&f.duration, "duration", "simulated time, as in 1800s or 24h")
	flags.Var(&f.out, "out", "directory for the traces and the report")
	flags.BoolVar(&f.json, "json", false, "print the figures as JSON instead of a table")
	flags.BoolVar(&f.check, "check", false, "check the invariants of the simulation and of the protocol at each\nevent, and end with exit code 1 if one does not hold")
	complete := func(values ...string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values, cobra.ShellCompDirectiveNoFileComp
		}
	}
	for _, name := range []string{"hosts", "vms", "cores", "memory", "seed", "duration"} {
		must(c.RegisterFlagCompletionFunc(name, complete()))
	}
	must(c.RegisterFlagCompletionFunc("strategy", complete(experiment.Strategies...)))
	must(c.RegisterFlagCompletionFunc("workload", complete("gaussian", "vmplaces", "planetlab:", "bitbrains:")))
	must(c.MarkFlagDirname("out"))
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
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
		var err error
		if s, err = readScenario(args[0]); err != nil {
			return s, badInput{err}
		}
	}
	if f.set.Changed("hosts") {
		if !f.set.Changed("vms") {
			s.VMs.Count = int(float64(s.VMs.Count) * float64(f.hosts) / float64(s.Hosts.Count))
		}
		s.Hosts.Count = int(f.hosts)
	}
	if f.set.Changed("vms") {
		s.VMs.Count = int(f.vms)
	}
	if f.set.Changed("cores") {
		if s.Hosts.Usable > 0 {
			more := cluster.Millicores(f.cores)*cluster.Core - cluster.Millicores(s.Hosts.Cores)*cluster.Core
			s.Hosts.Usable = max(s.Hosts.Usable+more, cluster.Core)
		}
		s.Hosts.Cores = int(f.cores)
	}
	if f.set.Changed("memory") {
		s.Hosts.Memory = cluster.Bytes(f.memory)
	}
	if f.set.Changed("strategy") {
		s.Strategies = f.strategies.names
	}
	if f.set.Changed("workload") {
		var err error
		if s.Workload.Law, s.Workload.Traces, err = splitWorkload(f.workload.text); err != nil {
			return s, badInput{err}
		}
	}
	if f.set.Changed("seed") {
		s.Seeds = f.seeds.seeds
	}
	if f.set.Changed("duration") {
		s.Duration = experiment.Duration(f.duration)
	}
	if err := s.Validate(); err != nil {
		return s, badInput{f.named(err)}
	}
	return s, nil
}

// readScenario reads a scenario file. Traces are beside it, unless their path
// is absolute.
func readScenario(name string) (experiment.Scenario, error) {
	data, err := readYAML(name, "scenario", "examples", "without one, dvms simulate runs the built-in comparison")
	if err != nil {
		return experiment.Scenario{}, err
	}
	s, err := experiment.Parse(name, data)
	if s.Workload.Traces != "" && !filepath.IsAbs(s.Workload.Traces) {
		s.Workload.Traces = filepath.Join(filepath.Dir(name), s.Workload.Traces)
	}
	return s, err
}

// splitWorkload cuts the value of --workload into the law and the directory.
func splitWorkload(text string) (law, dir string, err error) {
	law, dir, has := strings.Cut(text, ":")
	recorded := law == "planetlab" || law == "bitbrains"
	switch {
	case recorded && dir == "":
		return "", "", fmt.Errorf("--workload: the directory of the traces is missing; write %s:DIR", law)
	case !recorded && has && slices.Contains(experiment.Laws, law):
		return "", "", fmt.Errorf("--workload: %s plays no traces, so write it without %q", law, ":"+dir)
	}
	return law, dir, nil
}

// flagOf says which flag sets a key of a scenario.
var flagOf = map[string]string{
	"hosts.count": "hosts", "hosts.cores": "cores", "hosts.memory": "memory", "vms.count": "vms", "strategies": "strategy",
	"seeds": "seed", "duration": "duration", "workload.law": "workload", "workload.traces": "workload",
}

// named says which flag a bad value is of: one that was given, or, if there is
// no scenario file to change, one that could have been.
func (f simulateFlags) named(err error) error {
	var bad *experiment.KeyError
	if !errors.As(err, &bad) {
		return err
	}
	key, _, _ := strings.Cut(bad.Key, "[")
	if flag := flagOf[key]; flag != "" && (bad.File == "" || f.set.Changed(flag)) {
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
		if dir, err = openOut(f.out.text); err != nil {
			return err
		}
		defer dir.discard()
		defer onSecondInterrupt(ctx, dir, stderr)()
	}
	var runs []*report.Collector
	var walls []time.Duration
	partial := false
	for _, strategy := range s.Strategies {
		for _, seed := range s.Seeds {
			if partial {
				break
			}
			spec := experiment.Spec{Scenario: s, Strategy: strategy, Seed: seed, Version: version(), Files: osFiles{}, Check: f.check}
			name := fmt.Sprintf("%s, seed %d (%d of %d)", strategy, seed, len(runs)+1, len(s.Strategies)*len(s.Seeds))
			run, wall, stats, err := simulateOne(ctx, spec, dir, newProgress(name, s.Duration, stderr))
			if err != nil {
				return f.replayed(spec, args, f.classify(s, err))
			}
			runs, walls, partial = append(runs, run), append(walls, wall), stats.Partial
		}
	}
	comparison := report.Compare(runs...)
	for i := range comparison.Runs {
		comparison.Runs[i] = comparison.Runs[i].WithWall(walls[i])
	}
	// The files come first: who reads the output may go away before its end.
	kept := ""
	var failed error
	if dir != nil {
		kept, failed = dir.writeReport(comparison, runs, partial)
	}
	print := comparison.WriteTable
	if f.json {
		print = comparison.WriteJSON
	}
	if err := print(stdout); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if kept != "" && !f.json {
		if _, err := fmt.Fprintf(stdout, "\nreport  %s\n", filepath.Join(kept, reportFile)); err != nil {
			return err
		}
	}
	if partial {
		return interrupted(runs, kept)
	}
	return nil
}

// onSecondInterrupt lets a second interrupt end the program at once, and yet
// leave nothing half written. It returns what ends that.
func onSecondInterrupt(ctx context.Context, dir *outDir, stderr io.Writer) func() bool {
	return context.AfterFunc(ctx, func() {
		again := make(chan os.Signal, 1)
		signal.Notify(again, os.Interrupt, syscall.SIGTERM)
		if isTerminal(stderr) {
			fmt.Fprint(stderr, "\ninterrupted; writing what there is (once more to write nothing)\n")
		}
		<-again
		dir.discard()
		fmt.Fprintln(stderr, "dvms: interrupted twice; nothing was written")
		os.Exit(exitFailed)
	})
}

// interrupted says what an interrupt has left, and where.
func interrupted(runs []*report.Collector, kept string) error {
	last := runs[len(runs)-1].Summary()
	text := fmt.Sprintf("interrupted at %.0f s of simulated time, in %s with seed %d", float64(last.Duration), last.Strategy, last.Seed)
	if kept != "" {
		text += "; its trace is valid up to there: " + filepath.Join(kept, traceName(last.Strategy, last.Seed))
	}
	return errors.New(text)
}

// classify tells bad input from failures, and names the flag or key of a bad
// value.
func (f simulateFlags) classify(s experiment.Scenario, err error) error {
	var bad *experiment.KeyError
	var file *injector.FileError
	switch {
	case errors.As(err, &bad):
		return badInput{f.named(err)}
	case errors.As(err, &file) && file.Path == path.Clean(s.Workload.Traces): // no file in it
		if err = f.named(s.WrongTraces(err)); !f.set.Changed("workload") {
			err = fmt.Errorf("%w; put them there, or say where they are with --workload %s:DIR", err, s.Workload.Law)
		}
		return badInput{err}
	case errors.As(err, &file):
		return badInput{err}
	}
	return err
}

// replayed adds to a breach of an invariant the command that shows it again.
func (f simulateFlags) replayed(spec experiment.Spec, args []string, err error) error {
	var breach *experiment.Breach
	if !errors.As(err, &breach) {
		return err
	}
	command := append([]string{"dvms", "simulate"}, args...)
	f.set.Visit(func(flag *pflag.Flag) {
		switch flag.Name {
		case "seed", "strategy", "check", "json", "out":
		default:
			command = append(command, "--"+flag.Name, flag.Value.String())
		}
	})
	return fmt.Errorf("%w\n  %s --strategy %s --seed %d --check", breach, strings.Join(command, " "), spec.Strategy, spec.Seed)
}

// simulateOne makes one run, with its trace in dir unless dir is nil.
func simulateOne(ctx context.Context, spec experiment.Spec, dir *outDir, bar *progress) (*report.Collector, time.Duration, experiment.Stats, error) {
	defer bar.clear()
	collector := report.NewCollector()
	began := time.Now()
	if dir == nil {
		stats, err := experiment.Run(ctx, spec, collector, bar.update)
		return collector, time.Since(began), stats, err
	}
	file, err := dir.create(traceName(spec.Strategy, spec.Seed))
	if err != nil {
		return nil, 0, experiment.Stats{}, err
	}
	defer file.Close()
	writer := trace.NewWriter(file)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stats, err := experiment.Run(ctx, spec, both{collector, writer}, func(p experiment.Progress) {
		bar.update(p)
		if writer.Flush() != nil {
			cancel() // with the disk full, the rest would be in vain
		}
	})
	wall := time.Since(began)
	if err == nil {
		if err = cmp.Or(writer.Flush(), file.Close()); err != nil {
			err = fmt.Errorf("%s: %w; no result was kept", file.Name(), pathCause(err))
		}
	}
	return collector, wall, stats, err
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
