package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/snapshot"
)

// outputs are the forms in which a plan is printed, by name.
var outputs = []struct {
	name  string
	print func(*proposal) ([]byte, error)
}{
	{"table", (*proposal).table},
	{"json", (*proposal).json},
	{"virsh", (*proposal).virsh},
	{"dot", (*proposal).dot},
	{"bench", func(p *proposal) ([]byte, error) { return snapshot.BenchPlan(p.plan), nil }},
}

func outputNames() []string {
	var names []string
	for _, o := range outputs {
		names = append(names, o.name)
	}
	return names
}

type planFlags struct {
	requestFlags
	budget, effort       count
	maySuspend, together bool
	apart                bool // --together was set to false
	explain, output      word
	json                 bool
	bandwidth, disk      rate
}

func newPlan() *cobra.Command {
	f := planFlags{
		requestFlags: newRequestFlags(), effort: plan.DefaultEffort,
		explain: word{"", "VM"}, output: word{outputs[0].name, "FORM"},
		bandwidth: rate{"1Gbps", cluster.Gigabit}, disk: rate{"100MB/s", 100_000_000},
	}
	c := &cobra.Command{
		Use:   "plan snapshot.json",
		Short: "Plan how to repair, drain or rearrange a cluster",
		Long: `Plan reads a snapshot of a cluster, "-" for one on standard input, and prints
which VMs to move, start, suspend, resume or stop so that no node is asked for
more than it has and every rule is kept, in an order in which each action has
room. It says how far that is from the least that is proven to be needed.

  repair       move the least memory that helps
  drain        empty nodes, so that they can be switched off or mended
  place        start VMs that wait
  switch       bring VMs and vjobs to the states that are wanted
  consolidate  use the fewest nodes, then move the least
  level        spread the load evenly

Whatever the goal, the rules of --rules and of the snapshot are kept, nodes that
are to be drained are emptied, and VMs brought to the states that are wanted.
Without --goal, it is what these suggest, or repair.

Nothing is moved: plan reads files and prints. To carry a plan out on libvirt
hosts, read what --output virsh prints, and run it. The time that is printed is
an estimate for links of --bandwidth and disks of --disk, two actions at a node
at a time, 6 s to start a VM and 25 s to stop one.

docs/placement.md teaches goals and rules by examples, docs/planning.md has the
forms of output, and docs/file-formats.md the formats of snapshots and rules.

The exit code is 0 if a plan was printed or there is nothing to do, 2 if the
command line or a file can't be used, and 3 if there is no viable configuration,
or none was found; the reasons are then on standard error.`,
		Example: `  dvms plan examples/snapshots/eight-hosts.json
  dvms plan snapshot.json --rules rules.yaml --drain kvm6
  dvms plan snapshot.json --explain db-2
  dvms plan snapshot.json --goal consolidate --json
  dvms plan snapshot.json --output virsh > repair.sh`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return badInput{errors.New("plan needs a snapshot: dvms plan snapshot.json, or - for standard input")}
			}
			if f.json && c.Flags().Changed("output") && f.output.text != "json" {
				return badInput{fmt.Errorf("--json and --output %s contradict each other", f.output.text)}
			}
			if f.json {
				f.output.text = "json"
			}
			f.apart = c.Flags().Changed("together") && !f.together
			return f.run(args[0], c.InOrStdin(), c.OutOrStdout())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	f.add(c)
	flags.Var(&f.explain, "explain", "say of each node why this VM can't be there, and print no plan")
	flags.Var(&f.budget, "budget", "search steps for the placement, of 5 to 30 ns each; 0: by the size")
	flags.Var(&f.effort, "effort", "moves tried to find a better order of the actions")
	flags.BoolVar(&f.maySuspend, "may-suspend", false, "a VM may be suspended and resumed to break a cycle")
	flags.BoolVar(&f.together, "together", true, "the VMs of a vjob are resumed in one step")
	flags.Var(&f.bandwidth, "bandwidth", "of the link of each node, for the estimate of time")
	flags.Var(&f.disk, "disk", "of the disk of each node, for the estimate of time")
	flags.Var(&f.output, "output", "form of the plan: "+strings.Join(outputNames(), ", "))
	flags.BoolVar(&f.json, "json", false, "the same as --output json")
	must(c.RegisterFlagCompletionFunc("output", completing(outputNames())))
	for _, name := range []string{"explain", "budget", "effort", "bandwidth", "disk"} {
		must(c.RegisterFlagCompletionFunc(name, completing(nil)))
	}
	c.ValidArgsFunction = filesNamed(1, "json", "txt", "data")
	return c
}

// completing completes a flag with one of some values, and with no file.
func completing(values []string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return values, cobra.ShellCompDirectiveNoFileComp
	}
}

// filesNamed completes up to most arguments with names of files that end so.
func filesNamed(most int, endings ...string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return endings, cobra.ShellCompDirectiveFilterFileExt
	}
}

// run does what dvms plan does.
func (f *planFlags) run(file string, stdin io.Reader, stdout io.Writer) error {
	if err := f.usable(); err != nil {
		return badInput{err}
	}
	r, err := f.read(file, stdin, f.explain.text)
	if err != nil {
		return err
	}
	p, err := propose(r, f)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	none := p.noPlan(file)
	if err := p.print(f, none, stdout); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if none != nil {
		return noViable{none}
	}
	return nil
}

// usable says which flag can't be used.
func (f *planFlags) usable() error {
	if err := f.requestFlags.usable(); err != nil {
		return err
	}
	if f.budget < 0 {
		return fmt.Errorf("--budget: %d search steps; at least 1 is needed, and 0 leaves it to the size of the cluster", f.budget)
	}
	if f.effort < 1 {
		return fmt.Errorf("--effort: %d moves; at least 1 has to be tried", f.effort)
	}
	if f.bandwidth.value < 1 {
		return errors.New("--bandwidth: nothing moves over links of 0 B/s")
	}
	if f.disk.value < 1 {
		return errors.New("--disk: no image is written to disks of 0 B/s")
	}
	names := outputNames()
	if f.printer() == nil {
		return fmt.Errorf("--output: there is no form %q%s", f.output.text, nearOrAll(f.output.text, names))
	}
	if f.explain.text != "" && f.output.text != "table" && f.output.text != "json" {
		return fmt.Errorf("--explain: it is told as a table or as json, not as %s", f.output.text)
	}
	return nil
}

// printer prints a plan in the form that is asked for. It is nil if there is no
// such form.
func (f *planFlags) printer() func(*proposal) ([]byte, error) {
	for _, o := range outputs {
		if o.name == f.output.text {
			return o.print
		}
	}
	return nil
}

// print prints what was found out. Without a plan, that is the explanation or
// the JSON form, if asked for; none says why, on the standard error.
func (p *proposal) print(f *planFlags, none error, stdout io.Writer) error {
	form := f.printer()
	switch {
	case f.output.text == "json":
	case f.explain.text != "":
		form = (*proposal).explanation
	case none != nil:
		return nil
	}
	text, err := form(p)
	if err != nil {
		return badInput{err}
	}
	_, err = stdout.Write(text)
	return err
}

// near says which name a misspelt one was probably meant to be.
func near(word string, names []string) string {
	if near := spell.Nearest(word, names); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// nearOrAll says which name it was meant to be, or, if none is near, which there are.
func nearOrAll(word string, names []string) string {
	if near := near(word, names); near != "" {
		return near
	}
	return "; there are " + strings.Join(names, ", ")
}
