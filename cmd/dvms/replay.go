package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/protocol"
)

func newReplay() *cobra.Command {
	steps, asJSON := false, false
	c := &cobra.Command{
		Use:   "replay LOG",
		Short: "Replay what an agent did",
		Long: `Replay gives a fresh node the inputs that an agent has recorded, at the times at
which it had them, and compares what the node asks for with what it asked for
then, byte for byte. With --steps it prints both, to find out why an agent did
what it did.

The exit code is 0 if all was the same; 1 if not, which means that this version
decides otherwise than the agent's; and 2 if the file is not an agent's log.`,
		Example: `  dvms demo --logs logs && dvms replay logs/n1-1.jsonl
  dvms replay logs/n1-1.jsonl --steps | grep applying`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return badInput{errors.New("the log is missing; dvms demo --logs DIR writes one for each agent")}
			}
			return replayLog(args[0], steps, asJSON, c.OutOrStdout())
		},
	}
	c.Flags().SortFlags = false
	c.Flags().BoolVar(&steps, "steps", false, "print each input and what the node asked for")
	c.Flags().BoolVar(&asJSON, "json", false, "print the result as JSON")
	c.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return []string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

func replayLog(name string, steps, asJSON bool, stdout io.Writer) error {
	file, err := os.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return badInput{fmt.Errorf("%s: no such file; dvms demo --logs DIR writes logs", name)}
	}
	if err != nil {
		return badInput{fmt.Errorf("%s: %w", name, pathCause(err))}
	}
	defer file.Close()
	var each func(time.Duration, protocol.Input, []protocol.Output)
	if steps {
		each = func(at time.Duration, in protocol.Input, out []protocol.Output) { printStep(stdout, at, in, out) }
	}
	r, err := agent.Replay(file, each)
	var diverged *agent.DivergedError
	switch {
	case errors.As(err, &diverged):
		return fmt.Errorf("%s: %w", name, err)
	case err != nil:
		return badInput{fmt.Errorf("%s: %w", name, err)}
	}
	if asJSON {
		return json.NewEncoder(stdout).Encode(struct {
			Node  uint64  `json:"node"`
			Steps int     `json:"steps"`
			Sends int     `json:"messages"`
			Took  float64 `json:"duration_s"`
			Cut   bool    `json:"cut"`
		}{uint64(r.Settings.ID), r.Steps, r.Sends, r.Took.Seconds(), r.Cut})
	}
	cut := ""
	if r.Cut {
		cut = "; the last line is incomplete, the agent was killed"
	}
	_, err = fmt.Fprintf(stdout, "%s: node %d, %d inputs in %.1f s, %d messages sent: the same, byte for byte%s\n",
		name, r.Settings.ID, r.Steps, r.Took.Seconds(), r.Sends, cut)
	return err
}

// printStep prints an input and what the node asked for, as Go shows them.
func printStep(w io.Writer, at time.Duration, in protocol.Input, out []protocol.Output) {
	fmt.Fprintf(w, "%12.6f  %s\n", at.Seconds(), shown(in))
	for _, o := range out {
		fmt.Fprintf(w, "%12s    -> %s\n", "", shown(o))
	}
}

func shown(v any) string {
	return strings.TrimPrefix(strings.ReplaceAll(fmt.Sprintf("%T%+v", v, v), "protocol.", ""), "protocol.")
}
