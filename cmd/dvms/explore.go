package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/protocol/explorer"
	"github.com/dvms-project/dvms/protocol/protocoltest"
)

// exploreMemory is how many VMs a node of an explored world has memory for,
// unless it hosts more.
const exploreMemory = 3

// exploreChunk is how many states are looked at between two looks at the clock.
const exploreChunk = 50_000

type exploreFlags struct {
	nodes, events, minimum, growth                               count
	changes, drains                                              count
	crashes, returns, cuts, losses, duplicates, delays, failures count
	load, vms, state, replay                                     word
	budget                                                       count
	json                                                         bool
}

func newExplore() *cobra.Command {
	f := exploreFlags{
		nodes: 3, events: 2, minimum: 1, growth: 1,
		load: word{"roomy", "NAME"}, vms: word{"", "DEMANDS"}, state: word{"", "FILE"}, replay: word{"", "FILE"},
	}
	c := &cobra.Command{
		Use:   "explore",
		Short: "Walk through all that can happen to a few nodes",
		Long: `Explore lets a few nodes of the protocol live through everything that can happen
to them, in every order, and checks in each state that nothing is lost, doubled,
overcommitted or held for ever. docs/protocol.md says what is checked, and what
is left out.

The load is roomy, so that each event can be solved with one more node; tight, so
that it takes several, or a merge; or full, so that there is no solution. Or write
what the VMs of each node ask for, in percent of the CPU of a node.

If something is wrong, the shortest way to it is printed as a script, which --replay
runs. With --state, a search that is cut off, by --budget or an interrupt, goes on
where it was when it is called again with the same world.

The exit code is 0 if all was looked at and nothing is wrong, 1 if something is
wrong, a script does something else than it says, or the search was interrupted, 2
if the command line or a file can't be used, and 3 if the budget ended first.`,
		Example: `  dvms explore
  dvms explore --nodes 4 --crashes 1
  dvms explore --crashes 1 --returns 1 --losses 1 --duplicates 1 --load full
  dvms explore --vms 60,60/40,40,40/60/40,40
  dvms explore --nodes 5 --budget 10000000 --state five.state
  dvms explore > bad.txt || dvms explore --replay bad.txt`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("replay") {
				return f.replayScript(c.OutOrStdout())
			}
			return f.run(c)
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.nodes, "nodes", "how many nodes there are")
	flags.Var(&f.events, "events", "how many procedures are started, at most")
	flags.Var(&f.load, "load", "what the VMs ask for: roomy, tight or full")
	flags.Var(&f.vms, "vms", "what the VMs of each node ask for, as in 60,60/40/0;\ninstead of nodes and a load")
	flags.Var(&f.minimum, "minimum", "how many nodes a leader waits for before it asks for a\nsolution")
	flags.Var(&f.growth, "growth", "how many times as many nodes are wanted when the members\nhave too little; 1 is one node more")
	flags.Var(&f.changes, "changes", "how many VMs come to ask for something else, at most:\nfor 10 % instead of 50 % and more, or else for 60 %")
	flags.Var(&f.drains, "drains", "how many nodes are to be emptied, at most")
	flags.Var(&f.crashes, "crashes", "how many nodes crash, at most")
	flags.Var(&f.returns, "returns", "how many of them return, at most")
	flags.Var(&f.cuts, "cuts", "how often the network is cut in two, at most, for as\nlong as may be")
	flags.Var(&f.losses, "losses", "how many messages get lost, at most")
	flags.Var(&f.duplicates, "duplicates", "how many messages arrive once more, at most")
	flags.Var(&f.delays, "late", "how many messages take longer than timers, at most")
	flags.Var(&f.failures, "failures", "how many migrations fail, or solvers never answer, at most")
	flags.Var(&f.budget, "budget", "look at so many states at most; 0 is no limit")
	flags.Var(&f.state, "state", "keep the search here, and go on with the one that is there")
	flags.Var(&f.replay, "replay", "run a script that explore printed, and do nothing else")
	flags.BoolVar(&f.json, "json", false, "print the result as JSON")
	none := func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, name := range []string{"nodes", "events", "vms", "minimum", "growth", "changes", "drains", "crashes", "returns", "cuts", "losses", "duplicates", "late", "failures", "budget"} {
		must(c.RegisterFlagCompletionFunc(name, none))
	}
	must(c.RegisterFlagCompletionFunc("load", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return explorer.Loads, cobra.ShellCompDirectiveNoFileComp
	}))
	return c
}

// replayScript runs a script that explore printed.
func (f *exploreFlags) replayScript(stdout io.Writer) error {
	text, err := os.ReadFile(f.replay.text)
	if err != nil {
		return badInput{fmt.Errorf("--replay: %s: %w", f.replay.text, pathCause(err))}
	}
	if err := protocoltest.Replay(string(text)); err != nil {
		return fmt.Errorf("%s:%w", f.replay.text, err)
	}
	_, err = fmt.Fprintf(stdout, "%s: everything happens as it says\n", f.replay.text)
	return err
}

// world makes the world of the flags.
func (f *exploreFlags) world(c *cobra.Command) (*explorer.World, error) {
	w := &explorer.World{Memory: exploreMemory, Minimum: int(f.minimum), Growth: int(f.growth), Bounds: explorer.Bounds{
		Events: int(f.events), Changes: int(f.changes), Drains: int(f.drains),
		Crashes: int(f.crashes), Returns: int(f.returns), Cuts: int(f.cuts), Losses: int(f.losses),
		Duplicates: int(f.duplicates), Late: int(f.delays), Failures: int(f.failures),
	}}
	if f.budget < 0 {
		return nil, fmt.Errorf("--budget: %d states are less than none", f.budget)
	}
	for _, name := range []string{"nodes", "load"} {
		if c.Flags().Changed("vms") && c.Flags().Changed(name) {
			return nil, fmt.Errorf("--vms and --%s: both say what the nodes host; choose one", name)
		}
	}
	if c.Flags().Changed("vms") {
		demands, err := parseDemands(f.vms.text)
		if err != nil {
			return nil, fmt.Errorf("--vms: %w", err)
		}
		w.Demands = demands
	} else {
		if f.nodes < 1 || f.nodes > explorer.MaxNodes {
			return nil, fmt.Errorf("--nodes: %d are not from 1 to %d", f.nodes, explorer.MaxNodes)
		}
		demands, ok := explorer.Load(f.load.text, int(f.nodes), int(f.events))
		if !ok {
			return nil, fmt.Errorf("--load: %q is none of %s", f.load.text, strings.Join(explorer.Loads, ", "))
		}
		w.Demands = demands
	}
	for _, demands := range w.Demands {
		w.Memory = max(w.Memory, len(demands))
	}
	if err := w.Validate(); err != nil {
		return nil, fmt.Errorf("--%w", err)
	}
	return w, nil
}

// parseDemands reads what VMs ask for: nodes are separated by /, VMs by commas.
func parseDemands(text string) ([][]int, error) {
	var all [][]int
	for node := range strings.SplitSeq(text, "/") {
		var demands []int
		for vm := range strings.SplitSeq(node, ",") {
			if vm = strings.TrimSpace(vm); vm == "" && !strings.Contains(node, ",") {
				continue // a node with no VM
			}
			n, err := strconv.Atoi(vm)
			if err != nil || n < 0 || n > 1000 {
				return nil, fmt.Errorf("%q is not what a VM asks for, a whole number of percent from 0 to 1000", vm)
			}
			demands = append(demands, n)
		}
		all = append(all, demands)
	}
	return all, nil
}

// search begins a search, or takes up the one that is in a file.
func (f *exploreFlags) search(w *explorer.World) (*explorer.Search, error) {
	if f.state.text == "" {
		return explorer.NewSearch(w), nil
	}
	file, err := os.Open(f.state.text)
	if errors.Is(err, fs.ErrNotExist) {
		return explorer.NewSearch(w), nil
	}
	if err != nil {
		return nil, fmt.Errorf("--state: %s: %w", f.state.text, pathCause(err))
	}
	defer file.Close()
	s, err := explorer.Resume(w, file)
	if err != nil {
		return nil, fmt.Errorf("--state: %s: %w", f.state.text, err)
	}
	return s, nil
}

// save writes where a search is, under another name first.
func (f *exploreFlags) save(s *explorer.Search) error {
	if f.state.text == "" {
		return nil
	}
	file, err := os.Create(f.state.text + pendingSuffix)
	if err != nil {
		return badInput{fmt.Errorf("--state: %s: %w", f.state.text, pathCause(err))}
	}
	if err := errors.Join(s.Save(file), file.Close()); err != nil {
		return fmt.Errorf("--state: %s: %w", f.state.text, err)
	}
	return os.Rename(f.state.text+pendingSuffix, f.state.text)
}

// exploreEnd says why a search ended.
type exploreEnd string

const (
	exploreAll         exploreEnd = "exhausted"
	exploreViolated    exploreEnd = "violated"
	exploreBudget      exploreEnd = "budget"
	exploreInterrupted exploreEnd = "interrupted"
)

// run explores a world and prints what came of it.
func (f *exploreFlags) run(c *cobra.Command) error {
	w, err := f.world(c)
	if err != nil {
		return badInput{err}
	}
	s, err := f.search(w)
	if err != nil {
		return badInput{err}
	}
	began, before := time.Now(), s.Progress()
	end := f.look(c, s)
	took := time.Since(began)
	if s.Violation == nil { // or the file would be of a search that has passed it
		if err := f.save(s); err != nil {
			return err
		}
	}
	if err := f.print(c, w, s, end, took, before); err != nil {
		return err
	}
	p := s.Progress()
	switch end {
	case exploreViolated:
		return fmt.Errorf("%w; the way to it takes %s", s.Violation.Err, plural(s.Violation.Steps(), "step"))
	case exploreInterrupted:
		return fmt.Errorf("interrupted with %s found, of which %d are not looked at", plural(p.States, "state"), p.Frontier)
	case exploreBudget:
		return noViable{fmt.Errorf("the budget ended with %s found, of which %d are not looked at", plural(p.States, "state"), p.Frontier)}
	case exploreAll:
	}
	return nil
}

// look looks at states until there are no more, or something ends it.
func (f *exploreFlags) look(c *cobra.Command, s *explorer.Search) exploreEnd {
	wait := newWaiting(c.ErrOrStderr())
	defer wait.clear()
	began, before := time.Now(), s.Progress()
	for left := int(f.budget); f.budget == 0 || left > 0; left -= exploreChunk {
		chunk := exploreChunk
		if f.budget > 0 {
			chunk = min(chunk, left)
		}
		done := s.Run(chunk)
		p := s.Progress()
		switch {
		case s.Violation != nil:
			return exploreViolated
		case done || p.Frontier == 0:
			return exploreAll
		case c.Context().Err() != nil:
			return exploreInterrupted
		}
		rate := float64(looked(p)-looked(before)) / time.Since(began).Seconds()
		wait.say(fmt.Sprintf("%d states, depth %d, frontier %d, %.0f states/s", p.States, p.Depth, p.Frontier, rate))
	}
	return exploreBudget
}

// looked returns how many states were looked at so far.
func looked(p explorer.Progress) int { return p.States - p.Frontier }

// exploreJSON is the output of --json.
type exploreJSON struct {
	World     *explorer.World `json:"world"`
	End       exploreEnd      `json:"end"`
	Seconds   float64         `json:"seconds"` // of this run, not of those before it
	Violation *violationJSON  `json:"violation"`
	explorer.Progress
	Version string `json:"version"`
}

type violationJSON struct {
	What   string `json:"what"`
	Steps  int    `json:"steps"`
	Script string `json:"script"`
}

// print prints the result. took and before, how far the search was when it was
// taken up, say how fast it went.
func (f *exploreFlags) print(c *cobra.Command, w *explorer.World, s *explorer.Search, end exploreEnd, took time.Duration, before explorer.Progress) error {
	p := s.Progress()
	if f.json {
		result := exploreJSON{World: w, End: end, Seconds: took.Seconds(), Progress: p, Version: version()}
		if v := s.Violation; v != nil {
			result.Violation = &violationJSON{v.Err.Error(), v.Steps(), s.Script()}
		}
		e := json.NewEncoder(c.OutOrStdout())
		e.SetIndent("", "  ")
		return e.Encode(result)
	}
	if s.Violation != nil {
		_, err := io.WriteString(c.OutOrStdout(), s.Script())
		return err
	}
	verdict := "all states, and nothing is wrong"
	if end != exploreAll {
		verdict = "not all states; nothing is wrong so far"
	}
	_, err := fmt.Fprintf(c.OutOrStdout(), `%s, up to %s: %s
states    %d found, %d not looked at, %d steps from the first
actions   %d
ends      %d, from which all was tried without a further fault
nodes     %d different states of one
time      %.1f s, %.0f states/s
`, plural(len(w.Demands), "node"), happenings(w.Bounds), verdict, p.States, p.Frontier, p.Depth, p.Steps, p.Ends, p.Nodes,
		took.Seconds(), float64(looked(p)-looked(before))/max(took.Seconds(), 1e-3))
	return err
}

// happenings lists what may happen.
func happenings(b explorer.Bounds) string {
	var all []string
	for _, h := range []struct {
		count int
		one   string
		more  string
	}{
		{b.Events, "event", "events"},
		{b.Changes, "change", "changes"},
		{b.Drains, "drain", "drains"},
		{b.Crashes, "crash", "crashes"},
		{b.Returns, "return", "returns"},
		{b.Cuts, "cut", "cuts"},
		{b.Losses, "loss", "losses"},
		{b.Duplicates, "duplicate", "duplicates"},
		{b.Late, "late message", "late messages"},
		{b.Failures, "failure", "failures"},
	} {
		switch {
		case h.count == 1:
			all = append(all, "1 "+h.one)
		case h.count > 1:
			all = append(all, fmt.Sprintf("%d %s", h.count, h.more))
		}
	}
	if all == nil {
		return "nothing"
	}
	return strings.Join(all, ", ")
}
