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
	"slices"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/internal/spell"
)

// The exit codes of the program.
const (
	exitFailed   = 1 // something went wrong at run time, or the run was interrupted
	exitBadInput = 2 // the command line or a file can't be used; nothing was written
	exitNoViable = 3 // there is no viable configuration, or none was found
)

// badInput marks an error as the user's to mend.
type badInput struct{ error }

func (b badInput) Unwrap() error { return b.error }

// noViable marks the answer that there is no viable configuration.
type noViable struct{ error }

func (n noViable) Unwrap() error { return n.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second interrupt ends the program at once; see onSecondInterrupt
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
	var none noViable
	if errors.As(err, &none) {
		return exitNoViable
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
scheduler and with none, the planner, which says how to repair a cluster, a
study of queues of virtualized jobs, and agents with real connections on
emulated hosts.`,
		Example: `  dvms simulate                         the built-in comparison on 64 hosts
  dvms simulate examples/one-rack.yaml  a scenario of your own
  dvms plan snapshot.json               how to repair a cluster; moves nothing
  dvms vjobs examples/vjobs/thesis.yaml a queue of virtualized jobs
  dvms demo                             watch agents repair overloads on this machine
  dvms explore --nodes 4 --crashes 1    all that can happen to four nodes
  dvms torture --seeds 1..1000          random clusters with random faults, all checked
  dvms bench solver                     how good and fast the planner is here
  dvms completion bash                  completion for your shell`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Version:       version(),
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("dvms {{.Version}}\n")
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return badInput{flagError(c.Flags(), c.CommandPath(), err)}
	})
	root.AddCommand(
		newSimulate(), newExplain(), newPlan(), newCheck(), newExplore(), newTorture(), newBench(), newVJobs(), newPlatform(), newValidate(),
		newDemo(), newReplay(), newDemoAgent(), newVersion(),
	)
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	refuseArguments(root)
	return root
}

// refuseArguments makes the errors about superfluous arguments, of all
// commands, bad input. A command that has others below it takes none: what
// follows it is a misspelt command.
func refuseArguments(c *cobra.Command) {
	check := c.Args
	c.Args = func(c *cobra.Command, args []string) error {
		switch {
		case c.HasSubCommands() && len(args) > 0:
			return badInput{noCommand(c, args[0])}
		case check == nil || check(c, args) == nil:
			return nil
		}
		return badInput{fmt.Errorf("%q is one argument too many; see %s --help", args[len(args)-1], c.CommandPath())}
	}
	if c.HasSubCommands() && c.RunE == nil && c.Run == nil {
		c.RunE = func(c *cobra.Command, _ []string) error { return c.Help() } // or Args is not called
	}
	if c.Name() == "help" {
		c.Run, c.RunE = nil, help
	}
	for _, below := range c.Commands() {
		refuseArguments(below)
	}
}

// help shows the help of a command.
func help(c *cobra.Command, args []string) error {
	about := c.Root()
	for _, name := range args {
		at := slices.IndexFunc(about.Commands(), func(c *cobra.Command) bool { return c.Name() == name })
		if at < 0 {
			return badInput{noCommand(about, name)}
		}
		about = about.Commands()[at]
	}
	about.InitDefaultHelpFlag()
	about.InitDefaultVersionFlag()
	return about.Help()
}

// noCommand says that there is no such command, and which was meant.
func noCommand(c *cobra.Command, name string) error {
	var names []string
	for _, below := range c.Commands() {
		names = append(names, below.Name())
	}
	if near := spell.Nearest(name, names); near != "" {
		return fmt.Errorf("there is no command %q; did you mean %s %s?", name, c.CommandPath(), near)
	}
	if len(names) == 0 {
		return fmt.Errorf("%s has no commands of its own, so no %q; see %s --help", c.CommandPath(), name, c.CommandPath())
	}
	return fmt.Errorf("there is no command %q; see %s --help", name, c.CommandPath())
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
