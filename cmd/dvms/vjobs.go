package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/batch"
)

// maxDraws is as many draws as anybody waits for.
const maxDraws = 10_000

type vjobsFlags struct {
	policies nameList
	draws    count
	gantt    word
	json     bool
}

func newVJobs() *cobra.Command {
	f := vjobsFlags{policies: nameList{names: batch.Policies}, gantt: word{"", "FILE"}}
	c := &cobra.Command{
		Use:   "vjobs study.yaml",
		Short: "Compare schedulers for a queue of virtualized jobs",
		Long: `Vjobs runs a queue of virtualized jobs on a simulated cluster, under static
schedulers, which give each VM a CPU from its start to its end, and dynamic ones,
which suspend, resume and migrate VMs; and prints when the vjobs end, what is
used, and what the context switches cost.

  fcfs     vjobs start in the order of the queue, each when there is room
  easy     and later ones before the first, if that does not delay it
  preempt  and whenever there is room; they are suspended when the first has some
  dynamic  as preempt, by what VMs use and not by what they have reserved

docs/vjobs.md describes the study, its file and the model. The exit code is 0 if
all went well, 1 if something failed, and 2 if the command line or the file can't
be used.`,
		Example: `  dvms vjobs examples/vjobs/thesis.yaml
  dvms vjobs examples/vjobs/thesis.yaml --gantt vjobs.svg
  dvms vjobs examples/vjobs/thesis.yaml --policy fcfs,dynamic --draws 20
  dvms vjobs examples/vjobs/thesis.yaml --json`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil // which RunE says better
			}
			return cobra.ExactArgs(1)(nil, args)
		},
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return badInput{errors.New("the study is missing; write dvms vjobs FILE, as in dvms vjobs examples/vjobs/thesis.yaml")}
			}
			return f.run(c, args[0])
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.policies, "policy", "what to compare; the first is what others are compared\nwith")
	flags.Var(&f.draws, "draws", "run also so many studies like this one, with vjobs of other\norders, sizes and durations")
	flags.Var(&f.gantt, "gantt", "write who ran when, and what was used, as SVG")
	flags.BoolVar(&f.json, "json", false, "print the figures as JSON instead of a table")
	none := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	must(c.RegisterFlagCompletionFunc("policy", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return batch.Policies, cobra.ShellCompDirectiveNoFileComp
	}))
	must(c.RegisterFlagCompletionFunc("draws", none))
	must(c.MarkFlagFilename("gantt", "svg"))
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

// study reads the study and applies the flags that were given.
func (f *vjobsFlags) study(c *cobra.Command, name string) (batch.Study, error) {
	data, err := readYAML(name, "study", filepath.Join("examples", "vjobs"), "docs/vjobs.md says how to write one")
	if err != nil {
		return batch.Study{}, err
	}
	s, err := batch.Parse(name, data)
	if err != nil {
		return s, err
	}
	if c.Flags().Changed("policy") {
		s.Policies = f.policies.names
		if err := s.Validate(); err != nil {
			return s, flagOfPolicies(err)
		}
	}
	if f.draws < 0 || f.draws > maxDraws {
		return s, fmt.Errorf("--draws: %d is not from 0 to %d", f.draws, maxDraws)
	}
	if c.Flags().Changed("gantt") && f.gantt.text == "" {
		return s, errors.New("--gantt: the name of the file is empty")
	}
	return s, nil
}

// run makes all runs, writes the figure and prints the table.
func (f *vjobsFlags) run(c *cobra.Command, name string) error {
	s, err := f.study(c, name)
	if err != nil {
		return badInput{err}
	}
	var runs []batch.Result
	var gains []batch.Gain
	done := make(chan struct{})
	go func() { // which an interrupt need not wait for
		defer close(done)
		for _, policy := range s.Policies {
			runs = append(runs, batch.Run(&s, policy))
		}
		if f.draws > 0 {
			gains = batch.Gains(&s, int(f.draws))
		}
	}()
	select {
	case <-done:
	case <-c.Context().Done():
		return errors.New("interrupted; nothing was written")
	}
	if f.gantt.text != "" {
		var figure bytes.Buffer
		if err := batch.WriteFigure(&figure, &s, runs); err != nil {
			return err
		}
		if err := os.WriteFile(f.gantt.text, figure.Bytes(), 0o666); err != nil {
			return badInput{fmt.Errorf("--gantt: %s: %w", f.gantt.text, pathCause(err))}
		}
	}
	if f.json {
		return batch.WriteJSON(c.OutOrStdout(), &s, runs, gains, version())
	}
	return batch.WriteTable(c.OutOrStdout(), &s, runs, gains)
}

// flagOfPolicies names the flag, not the key of the file.
func flagOfPolicies(err error) error {
	var bad *batch.KeyError
	if errors.As(err, &bad) {
		return fmt.Errorf("--policy: %w", bad.Err)
	}
	return err
}
