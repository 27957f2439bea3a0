package main

import (
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/plan/check"
	"github.com/dvms-project/dvms/snapshot"
)

func newCheck() *cobra.Command {
	c := &cobra.Command{
		Use:   "check snapshot.json plan.json",
		Short: "Judge a plan for a cluster",
		Long: `Check reads a snapshot of a cluster and a plan for it, one of them "-" for
standard input, and carries the plan out on paper: each VM is where its
migration starts, each target has room while the source still holds the VM, and
in the end no node is asked for more than it has. The checker shares no code
with what makes plans, and judges those of others too.

Plans are what dvms plan --json prints, or in the plan schema of the solver
bench. Nothing is moved.

The exit code is 0 if the plan is valid, 1 if it is not, and 2 if the command
line or a file can't be used.`,
		Example: `  dvms plan snapshot.json --json > plan.json
  dvms check snapshot.json plan.json`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) < 2 {
				return badInput{errors.New("check needs a snapshot and a plan: dvms check snapshot.json plan.json")}
			}
			if args[0] == "-" && args[1] == "-" {
				return badInput{errors.New("only one of snapshot and plan can be on standard input")}
			}
			return checkPlan(args[0], args[1], c.InOrStdin(), c.OutOrStdout())
		},
	}
	c.ValidArgsFunction = jsonFiles(2)
	return c
}

// checkPlan does what dvms check does.
func checkPlan(snapshotFile, planFile string, stdin io.Reader, stdout io.Writer) error {
	s, err := readSnapshot(snapshotFile, stdin)
	if err != nil {
		return err
	}
	if err := onlyRepairs(s); err != nil {
		return badInput{fmt.Errorf("%s: %w", snapshotFile, err)}
	}
	text, err := readInput(planFile, stdin, "plan")
	if err != nil {
		return badInput{err}
	}
	c := s.Configuration
	p, err := snapshot.ReadPlan(text, c)
	if err != nil {
		return badInput{fmt.Errorf("%s: %w", planFile, err)}
	}
	if err := judge(c, p); err != nil {
		return fmt.Errorf("%s: not valid: %w", planFile, err)
	}
	var sent cluster.Bytes
	for _, a := range p.Actions {
		sent += a.Memory
	}
	_, err = fmt.Fprintf(stdout, "valid: %s in %s, %s migrated, K %s; no node is overloaded at the end\n",
		plural(len(p.Actions), "move"), plural(len(p.Steps()), "step"), inWords(sent), inWords(p.Cost()))
	return err
}

// judge returns an error that names the first thing wrong with a plan.
func judge(c *cluster.Configuration, p plan.Plan) error {
	err := check.Plan(c, p)
	var wrong *check.ActionError
	if errors.As(err, &wrong) {
		r := newReasons(&proposal{c: c})
		a := wrong.Action
		return fmt.Errorf("move %d, of %s from %s to %s in step %d: %s", wrong.Index+1, c.VMs[r.vms[a.VM]].Name,
			c.Nodes[r.nodes[a.Source]].Name, c.Nodes[r.nodes[a.Target]].Name, a.Step+1, wrong.Wrong)
	}
	if err != nil {
		return err
	}
	if err := check.Viable(c, carriedOut(c, p).Host); err != nil {
		return fmt.Errorf("it can be carried out, but at its end %w", err)
	}
	return nil
}
