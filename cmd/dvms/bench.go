package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/bench"
	"github.com/dvms-project/dvms/snapshot"
)

func newBench() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure this program",
		Long:  "Bench measures parts of this program on this machine, and judges what they return.",
		Args:  cobra.NoArgs,
	}
	c.AddCommand(newBenchSolver(), newBenchSimulation())
	return c
}

type solverFlags struct {
	nodes, repeat, budget         count
	match, reference, plans       word
	table, together, json, onlyIn bool
}

func newBenchSolver() *cobra.Command {
	f := solverFlags{nodes: 128, match: word{"", "PATTERN"}, reference: word{"", "FILE"}, plans: word{"", "DIR"}}
	c := &cobra.Command{
		Use:   "solver [DIR|FILE...]",
		Short: "Measure the solver and the planner",
		Long: `Solver solves instances, plans the way to each placement, has every plan judged by
a checker that shares no code with what made it, and prints what was found and how
long it took, on one core. Then it prints a table of what is to be reached on
clusters of several sizes, and what was.

Without arguments the instances are those of a built-in suite. Files are
snapshots in any form that dvms plan reads; of a directory, all that end in .json.

  answer   viable, already viable, infeasible (proven), or exhausted
  cost     memory that is migrated, and resumed, twice if away from its image
  bound    no placement costs less (proven); gap is how far the cost is above it
  on       nodes that host VMs in the end, if the goal is to use few, and the
           number that at least are needed (proven)
  moves    actions of the plan, and in how many steps they are
  K        cost of the plan by equation (1) of the thesis: delay costs too
  first    time of a run that may spend just the search steps after which the
           first placement with a plan was known, that plan included
  total    time until the search ended, and its plan was made as good as known
  search   search steps
  plan     what the checker says of the plan

Times are medians, and those of reading files are not among them. The exit code is
0 if all went well, 1 if a plan was refused or what is said to be proven
contradicts what others proved (--reference), and 2 if the command line or a file
can't be used.`,
		Example: `  dvms bench solver
  dvms bench solver --nodes 4096 --match 'repair-thesis-*'
  dvms bench solver instances/ --reference reference.json
  dvms bench solver --table`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(args); err != nil {
				return badInput{err}
			}
			return f.run(c.Context(), args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.nodes, "nodes", "of the built-in suite, the instances of at most so many nodes")
	flags.Var(&f.match, "match", "only instances whose name matches, as in 'drain-*-plain-s1'")
	flags.Var(&f.repeat, "repeat", "runs that a median is of; 0 for 5, fewer if they take seconds, more if\nmicroseconds")
	flags.Var(&f.budget, "budget", "search steps that may be spent on an instance; 0 for as many as its\nsize calls for")
	flags.BoolVar(&f.together, "together", false, "keep all suspends of a vjob in one step, and all resumes")
	flags.Var(&f.reference, "reference", "compare with what is known of the instances: reference.json of the\nsolver bench")
	flags.Var(&f.plans, "plans", "write instances and plans to this folder, for other checkers")
	flags.BoolVar(&f.table, "table", false, "print only the table of what is to be reached")
	flags.BoolVar(&f.onlyIn, "instances", false, "print only the instances")
	flags.BoolVar(&f.json, "json", false, "print the figures as JSON")
	none := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, name := range []string{"nodes", "match", "repeat", "budget"} {
		must(c.RegisterFlagCompletionFunc(name, none))
	}
	must(c.MarkFlagFilename("reference", "json"))
	must(c.MarkFlagDirname("plans"))
	return c
}

// check says what can't be meant.
func (f *solverFlags) check(args []string) error {
	for _, flag := range []struct {
		name  string
		value count
	}{{"nodes", f.nodes}, {"repeat", f.repeat}, {"budget", f.budget}} {
		if flag.value < 0 {
			return fmt.Errorf("--%s: %d is less than 0", flag.name, flag.value)
		}
	}
	if _, err := path.Match(f.match.text, ""); err != nil {
		return fmt.Errorf("--match: %q is no pattern: %w", f.match.text, err)
	}
	switch {
	case f.table && f.onlyIn:
		return errors.New("--table and --instances contradict each other")
	case f.table && len(args) > 0:
		return errors.New("--table measures clusters of its own, and no files")
	}
	return nil
}

// source is where an instance comes from.
type source struct {
	name string
	read func() ([]byte, error)
}

// sources lists the instances that are asked for.
func (f *solverFlags) sources(args []string) ([]source, error) {
	var all []source
	for _, arg := range args {
		files, err := instanceFiles(arg)
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			all = append(all, source{file, func() ([]byte, error) { return readInput(file, nil, "snapshot") }})
		}
	}
	if len(args) == 0 {
		for _, spec := range bench.Suite(int(f.nodes)) {
			all = append(all, source{spec.Name(), func() ([]byte, error) { return bench.Make(spec).JSON(), nil }})
		}
	}
	if f.match.text == "" {
		return all, nil
	}
	matching := slices.DeleteFunc(all, func(s source) bool {
		ok, _ := path.Match(f.match.text, strings.TrimSuffix(filepath.Base(s.name), ".json")) // check has seen that it is a pattern
		return !ok
	})
	if len(matching) == 0 {
		return nil, fmt.Errorf("--match: no instance has a name like %q", f.match.text)
	}
	return matching, nil
}

// instanceFiles returns a file, or those of a directory.
func instanceFiles(name string) ([]string, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s: no such file%s", name, otherFiles(name, []string{".json"}))
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, pathCause(err))
	case !info.IsDir():
		return []string{name}, nil
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, pathCause(err))
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) == ".json" {
			files = append(files, filepath.Join(name, e.Name()))
		}
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s: no file in it ends in .json", name)
	}
	return files, nil
}

// run does what dvms bench solver does.
func (f *solverFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	all, err := f.sources(args)
	if err != nil {
		return badInput{err}
	}
	known, err := readReferences(f.reference.text)
	if err != nil {
		return badInput{err}
	}
	if f.plans.text != "" {
		if err := os.MkdirAll(f.plans.text, 0o777); err != nil {
			return badInput{fmt.Errorf("--plans: %s: can't make this directory: %w", f.plans.text, pathCause(err))}
		}
	}
	// What is measured is one core, so the garbage of a run is collected on it too.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	r := &solverReport{known: known, printer: printer{out: stdout, quiet: f.json}, wait: newWaiting(stderr)}
	if !f.table {
		r.begin(all)
		for i, s := range all {
			if err := ctx.Err(); err != nil {
				r.wait.clear()
				return errors.New("interrupted")
			}
			r.wait.say(fmt.Sprintf("%d of %d: %s", i+1, len(all), s.name))
			row, err := f.measure(s)
			if err != nil {
				r.wait.clear()
				return err
			}
			r.wait.clear()
			r.add(row)
		}
		r.summarize()
	}
	if f.table || len(args) == 0 && !f.onlyIn {
		if err := r.figures(ctx); err != nil {
			return err
		}
	}
	if f.json {
		if err := r.writeJSON(stdout); err != nil {
			return err
		}
	}
	return errors.Join(r.printer.err, r.wrong())
}

// measure solves an instance as often as is needed to know how long that takes.
func (f *solverFlags) measure(s source) (*solverRow, error) {
	text, err := s.read()
	if err != nil {
		return nil, badInput{err}
	}
	snap, err := snapshot.Read(text)
	if err != nil {
		return nil, badInput{fmt.Errorf("%s: %w", s.name, err)}
	}
	if snap.Name == "" {
		snap.Name = strings.TrimSuffix(filepath.Base(s.name), filepath.Ext(s.name))
	}
	task := &bench.Task{Snapshot: snap, Together: f.together, Budget: int(f.budget)}
	row := measureTask(task, int(f.repeat))
	if f.plans.text != "" {
		err = f.keep(row, text)
	}
	return row, err
}

// keep writes an instance, and its plan if there is one.
func (f *solverFlags) keep(row *solverRow, instance []byte) error {
	base := filepath.Join(f.plans.text, row.task.Name)
	if err := os.WriteFile(base+".json", instance, 0o666); err != nil || !row.hasPlan() {
		return err
	}
	return os.WriteFile(base+".plan.json", snapshot.BenchPlan(row.solution.Plan), 0o666)
}
