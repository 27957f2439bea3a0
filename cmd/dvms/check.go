package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/snapshot"
)

func newCheck() *cobra.Command {
	f := newRequestFlags()
	c := &cobra.Command{
		Use:   "check snapshot.json plan.json",
		Short: "Judge a plan for a cluster",
		Long: `Check reads a snapshot of a cluster and a plan for it, one of them "-" for
standard input, and carries the plan out on paper: each VM is where its action
starts, each target has room while the source still holds the VM, and rules that
hold always are kept on the way. In the end no node is asked for more than it
has, every rule is kept, nodes to drain are empty, and VMs are in the state that
is wanted. The checker shares no code with what makes plans, and judges those of
others too.

What is asked is what the snapshot says, and --rules, --drain, --place and
--goal, as for dvms plan. Plans are what dvms plan --json prints, or in the plan
schema of the solver bench. Nothing is moved.

The exit code is 0 if the plan is valid, 1 if it is not, and 2 if the command
line or a file can't be used.`,
		Example: `  dvms plan snapshot.json --json > plan.json
  dvms check snapshot.json plan.json
  dvms check snapshot.json plan.json --rules rules.yaml --drain kvm6`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return badInput{errors.New("check needs a snapshot and a plan: dvms check snapshot.json plan.json")}
			}
			if args[0] == "-" && args[1] == "-" || args[1] == "-" && f.rules.text == "-" {
				return badInput{errors.New("only one of snapshot, plan and rules can be on standard input")}
			}
			if err := f.usable(); err != nil {
				return badInput{err}
			}
			return f.check(args[0], args[1], c.InOrStdin(), c.OutOrStdout())
		},
	}
	f.add(c)
	c.ValidArgsFunction = filesNamed(2, "json", "txt", "data")
	return c
}

// check does what dvms check does.
func (f *requestFlags) check(snapshotFile, planFile string, stdin io.Reader, stdout io.Writer) error {
	r, err := f.read(snapshotFile, stdin, "")
	if err != nil {
		return err
	}
	text, err := readInput(planFile, stdin, "plan", ".json")
	if err != nil {
		return badInput{err}
	}
	p, err := snapshot.ReadPlan(text, r.Configuration)
	if err != nil {
		return badInput{fileError{planFile, err}}
	}
	end := carriedOut(r.Configuration, p)
	verdict, wrong := judge(r, p, end)
	if len(wrong) > 0 {
		return fmt.Errorf("%s: not valid: %w", planFile, mistakes(wrong).err())
	}
	_, err = io.WriteString(stdout, praise(r, p, verdict))
	return err
}

// praise says what is right with a plan.
func praise(r request, p plan.Plan, v check.Verdict) string {
	var sent cluster.Bytes
	for _, a := range p.Actions {
		if a.Kind == plan.Migrate {
			sent += a.Memory
		}
	}
	q := proposal{plan: p}
	kept := "no node is overloaded at the end"
	if len(r.Rules) > 0 {
		kept += ", and the rules are kept"
	}
	lines := []string{fmt.Sprintf("valid: %s, %s migrated, K %s; %s", q.counted(), inWords(sent), inWords(p.Cost()), kept)}
	for _, b := range v.Broken {
		lines = append(lines, fmt.Sprintf("  but not this one, worth %s: %s", inWords(r.Rules[b.Rule].Weight), b.Text))
	}
	return strings.Join(lines, "\n") + "\n"
}
