package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/snapshot"
)

// goals are what a plan can be for.
var goals = []string{"repair"}

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

type planFlags struct {
	goal, output word
	budget       count
	json         bool
}

func newPlan() *cobra.Command {
	var names []string
	for _, o := range outputs {
		names = append(names, o.name)
	}
	f := planFlags{goal: word{goals[0], "GOAL"}, output: word{names[0], "FORM"}, budget: placement.LeastBudget}
	c := &cobra.Command{
		Use:   "plan snapshot.json",
		Short: "Plan the migrations that repair a cluster",
		Long: `Plan reads a snapshot of a cluster, "-" for one on standard input, and prints the
live migrations after which no node is asked for more than it has, in an order
in which each of them has room. It moves the least memory that it finds, and
says how far that is from what is proven to be needed.

Nothing is moved: plan reads a file and prints. To carry a plan out on libvirt
hosts, read what --output virsh prints, and run it.

Snapshots are the JSON form of dvms or instances of the solver bench; rules for
VMs, and VMs to be started or stopped, are not planned for yet and are refused.
docs/planning.md has examples, the forms of output and their fields.

The exit code is 0 if a plan was printed or there is nothing to do, 2 if the
command line or the snapshot can't be used, and 3 if there is no viable
configuration, or none was found.`,
		Example: `  dvms plan examples/snapshots/eight-hosts.json
  dvms plan snapshot.json --json
  dvms plan snapshot.json --output virsh > repair.sh
  dvms plan - < snapshot.json`,
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
			return planSnapshot(f, args[0], c.InOrStdin(), c.OutOrStdout())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.goal, "goal", "what the plan is for: "+strings.Join(goals, ", "))
	flags.Var(&f.budget, "budget", "search steps that may be spent, of about 5 to 30 ns each")
	flags.Var(&f.output, "output", "form of the plan: "+strings.Join(names, ", "))
	flags.BoolVar(&f.json, "json", false, "the same as --output json")
	values := func(values []string) func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return values, cobra.ShellCompDirectiveNoFileComp
		}
	}
	must(c.RegisterFlagCompletionFunc("goal", values(goals)))
	must(c.RegisterFlagCompletionFunc("output", values(names)))
	must(c.RegisterFlagCompletionFunc("budget", values(nil)))
	c.ValidArgsFunction = jsonFiles(1)
	return c
}

// jsonFiles completes up to most arguments with names of JSON files.
func jsonFiles(most int) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) >= most {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"json"}, cobra.ShellCompDirectiveFilterFileExt
	}
}

// planSnapshot does what dvms plan does.
func planSnapshot(f planFlags, file string, stdin io.Reader, stdout io.Writer) error {
	if !slices.Contains(goals, f.goal.text) {
		return badInput{fmt.Errorf("--goal: this version can't plan for %q; there is %s", f.goal.text, strings.Join(goals, ", "))}
	}
	if f.budget < 1 {
		return badInput{fmt.Errorf("--budget: %d search steps; at least 1 is needed", f.budget)}
	}
	var print func(*proposal) ([]byte, error)
	var names []string
	for _, o := range outputs {
		if names = append(names, o.name); o.name == f.output.text {
			print = o.print
		}
	}
	if print == nil {
		return badInput{fmt.Errorf("--output: there is no form %q; there are %s", f.output.text, strings.Join(names, ", "))}
	}
	s, err := readSnapshot(file, stdin)
	if err != nil {
		return err
	}
	if err := onlyRepairs(s); err != nil {
		return badInput{fmt.Errorf("%s: %w", file, err)}
	}
	p, err := propose(s, int(f.budget))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	none := p.noPlan(file, int(f.budget))
	if none == nil || f.output.text == "json" {
		text, err := print(p)
		if err != nil {
			return badInput{fmt.Errorf("%s: %w", file, err)}
		}
		if _, err := stdout.Write(text); err != nil {
			return err
		}
	}
	return none
}

// onlyRepairs refuses snapshots that ask for more: a plan that ignores it would
// look right and be wrong.
func onlyRepairs(s snapshot.Snapshot) error {
	var asked []string
	if n := len(s.Rules); n > 0 {
		asked = append(asked, plural(n, "rule"))
	}
	if s.Wanted != nil {
		asked = append(asked, "VMs that are to change their state")
	}
	if n := len(s.Drain); n > 0 {
		asked = append(asked, "nodes to drain")
	}
	if len(asked) == 0 {
		return nil
	}
	return fmt.Errorf("this version plans repairs without rules: the snapshot has %s", strings.Join(asked, ", "))
}

// propose looks for the plan that repairs a cluster.
func propose(s snapshot.Snapshot, budget int) (*proposal, error) {
	c := s.Configuration
	p := &proposal{snapshot: s, c: c, end: c}
	p.result = placement.Solve(c, placement.Problem{Budget: budget, Reachable: func(host []int32) ([]int32, bool) {
		latest, err := plan.Make(c, host)
		if err == nil {
			p.plan = latest // that of the placement that was reachable last is the answer
		} else {
			p.stuck = err
		}
		return plan.Waiting(err), err == nil
	}})
	if p.result.Answer != placement.Viable {
		p.plan = plan.Plan{}
		return p, nil
	}
	p.end = carriedOut(c, p.plan)
	// An operator acts on this, so code that had no part in it looks at it too.
	if err := cmp.Or(check.Plan(c, p.plan), check.Viable(c, p.end.Host)); err != nil {
		return nil, fmt.Errorf("the plan that was found is wrong, which is a mistake in dvms; please report it with the snapshot: %w", err)
	}
	return p, nil
}

// carriedOut is the configuration after a plan that can be carried out.
func carriedOut(c *cluster.Configuration, p plan.Plan) *cluster.Configuration {
	vms, nodes := map[cluster.VMID]int{}, map[cluster.NodeID]int32{}
	for v := range c.VMs {
		vms[c.VMs[v].ID] = v
	}
	for n := range c.Nodes {
		nodes[c.Nodes[n].ID] = int32(n)
	}
	end := c.Clone()
	for _, a := range p.Actions {
		end.Host[vms[a.VM]] = nodes[a.Target]
	}
	return end
}

// noPlan says why there is no plan, in several lines, and what to do. It
// returns nil if there is one, or nothing to do.
func (p *proposal) noPlan(file string, budget int) error {
	var lines []string
	next := ""
	switch p.result.Answer {
	case placement.Infeasible:
		lines = append(lines, file+": there is no viable configuration that migrations lead to (proven)")
		next = "stop VMs or lower what they ask for, or add a node"
	case placement.Exhausted:
		lines = append(lines, fmt.Sprintf("%s: no viable configuration was found in %s; there may be one", file, plural(budget, "search step")))
		next = fmt.Sprintf("spend more with --budget %d, stop VMs or lower what they ask for, or add a node", 10*budget)
	default:
		return nil
	}
	var over []string
	for _, s := range p.changed() {
		r, _ := s.before.Exceeding(s.node.Capacity)
		over = append(over, fmt.Sprintf("%s (%s)", s.node.Name, excess(r, s.before, s.node.Capacity)))
	}
	lines = append(lines, "overloaded: "+listed(over, 4))
	lines = append(lines, p.shortages()...)
	rejected := p.result.Rejected
	for r := range rejected {
		if words, ok := rejections[placement.Reason(r)]; ok && rejected[r] > 0 {
			lines = append(lines, fmt.Sprintf(words, plural(rejected[r], "time")))
		}
	}
	if rejected[placement.Unreachable] > 0 && p.stuck != nil {
		lines = append(lines, "as in this one: "+p.stuck.Error())
		next += ", or free a node for a moment to let VMs pass"
	}
	return noViable{errors.New(strings.Join(append(lines, "next: "+next), "\n  "))}
}

// rejections says in words what ruled out placements. What only speeds the
// search up is left out.
var rejections = map[placement.Reason]string{
	placement.NoCPU:       "too little cpu: %s while VMs were being placed",
	placement.NoMemory:    "too little memory: %s while VMs were being placed",
	placement.NoNetwork:   "too little network: %s while VMs were being placed",
	placement.NoDisk:      "too little disk: %s while VMs were being placed",
	placement.Unreachable: "a viable configuration that no order of migrations leads to: %s",
}

// shortages names what can be seen at once: resources of which there is too
// little altogether, and VMs that are larger than each node.
func (p *proposal) shortages() []string {
	var lines []string
	var asked, offered cluster.Resources
	for v, h := range p.c.Host {
		if h != cluster.Nowhere {
			asked = asked.Plus(p.c.VMs[v].Demand)
		}
	}
	for _, n := range p.c.Nodes {
		offered = offered.Plus(n.Capacity)
	}
	for r := range cluster.NumResources {
		if asked[r] > offered[r] {
			lines = append(lines, fmt.Sprintf("the VMs ask for %s of %s together, and the nodes have %s", amount(r, asked[r]), r, amount(r, offered[r])))
		}
	}
	var large []string
	for v, h := range p.c.Host {
		demand := p.c.VMs[v].Demand
		if h != cluster.Nowhere && !slices.ContainsFunc(p.c.Nodes, func(n cluster.Node) bool { return demand.Within(n.Capacity) }) {
			large = append(large, fmt.Sprintf("%s (%s)", p.c.VMs[v].Name, demand))
		}
	}
	if len(large) > 0 {
		lines = append(lines, "no node is large enough for "+listed(large, 4))
	}
	return lines
}

// maxSnapshot is more than a snapshot of 100,000 nodes and a million VMs needs.
const maxSnapshot = 1 << 28

// readSnapshot reads a snapshot from a file, or from stdin if that is "-".
func readSnapshot(file string, stdin io.Reader) (snapshot.Snapshot, error) {
	text, err := readInput(file, stdin, "snapshot")
	if err != nil {
		return snapshot.Snapshot{}, badInput{err}
	}
	s, err := snapshot.Read(text)
	if err != nil {
		return s, badInput{fmt.Errorf("%s: %w", file, err)}
	}
	if s.Name == "" {
		if s.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)); file == "-" {
			s.Name = "snapshot"
		}
	}
	return s, nil
}

// readInput reads a file, or stdin if that is "-".
func readInput(file string, stdin io.Reader, what string) ([]byte, error) {
	from := stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			err = pathCause(err)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s: no such file%s", file, otherFiles(file))
			}
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		defer opened.Close()
		if info, err := opened.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s: is a directory, not a %s%s", file, what, otherFiles(filepath.Join(file, what)))
		}
		from = opened
	}
	var text bytes.Buffer
	if n, err := text.ReadFrom(io.LimitReader(from, maxSnapshot+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", file, pathCause(err))
	} else if n > maxSnapshot {
		return nil, fmt.Errorf("%s: more than %d MiB, which is too long for a %s", file, maxSnapshot>>20, what)
	}
	return text.Bytes(), nil
}

// otherFiles says which JSON files there are beside one that is not there. It
// returns "" if there are none.
func otherFiles(file string) string {
	dir := filepath.Dir(file)
	var names []string
	entries, _ := os.ReadDir(dir) // a folder that can't be read has no suggestions
	for _, e := range entries {
		if !e.IsDir() && filepath.Ext(e.Name()) == ".json" {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return ""
	}
	if near := spell.Nearest(filepath.Base(file), names); near != "" {
		return "; did you mean " + filepath.Join(dir, near) + "?"
	}
	if dir == "." {
		dir = "this folder"
	}
	return "; " + dir + " has " + listed(names, 4)
}
