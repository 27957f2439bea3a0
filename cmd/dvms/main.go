// Command dvms schedules virtual machines over the hosts that run them, with
// no master, and compares ways of doing so in a simulator.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/spf13/cobra"
)

// The exit codes of the program.
const (
	exitFailed   = 1 // something went wrong at run time, or the run was interrupted
	exitBadInput = 2 // the command line or a file can't be used; nothing was written
)

// badInput marks an error as the user's to mend.
type badInput struct{ error }

func (b badInput) Unwrap() error { return b.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes a command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := newRoot(stdout, stderr)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "dvms: %v\n", err)
	var bad badInput
	if errors.As(err, &bad) {
		return exitBadInput
	}
	return exitFailed
}

func newRoot(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "dvms",
		Short: "Schedule virtual machines with no master",
		Long: `DVMS schedules virtual machines over the hosts that run them, with no master:
hosts whose VMs ask for more than there is repair that among themselves.

This version has the simulator, in which DVMS is compared with a centralized
scheduler and with none.`,
		Example: `  dvms simulate                         the built-in comparison on 64 hosts
  dvms simulate examples/one-rack.yaml  a scenario of your own
  dvms completion bash                  completion for your shell`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return badInput{fmt.Errorf("%w; see %s --help", err, c.CommandPath())}
	})
	root.AddCommand(newSimulate(), newVersion())
	for _, c := range root.Commands() {
		c.Args = asBadInput(c.Args)
	}
	root.Args = asBadInput(func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return fmt.Errorf("there is no command %q; see dvms --help", args[0])
		}
		return nil
	})
	return root
}

// asBadInput marks what a check of the arguments complains about.
func asBadInput(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if err := check(c, args); err != nil {
			return badInput{err}
		}
		return nil
	}
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintf(c.OutOrStdout(), "dvms %s\n", version())
			return err
		},
	}
}

// release is the version that the next release will have. The linker may set
// it; a build from a checkout adds the revision.
var release = "0.1.0-dev"

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return release
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return release + "+" + s.Value[:12]
		}
	}
	return release
}
