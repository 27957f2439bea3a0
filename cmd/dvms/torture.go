package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/experiment"
)

type tortureFlags struct {
	seeds   seedRange
	workers count
	json    bool
}

// seedRange is the seeds from the first to the last, both included.
type seedRange struct{ first, last uint64 }

func (r *seedRange) String() string {
	if r.first == r.last {
		return strconv.FormatUint(r.first, 10)
	}
	return fmt.Sprintf("%d..%d", r.first, r.last)
}

// Type names the value of the flag.
func (r *seedRange) Type() string { return "N..M" }

// Set reads a range, as in 1..1000, or a single seed.
func (r *seedRange) Set(text string) error {
	from, to, isRange := strings.Cut(text, "..")
	if !isRange {
		to = from
	}
	first, err := strconv.ParseUint(from, 10, 64)
	last, err2 := strconv.ParseUint(to, 10, 64)
	if err != nil || err2 != nil || last < first || last-first >= 1e9 {
		return fmt.Errorf("%q is no range of seeds; write 1..1000, or a single one", text)
	}
	r.first, r.last = first, last
	return nil
}

func newTorture() *cobra.Command {
	f := tortureFlags{seeds: seedRange{1, 1000}, workers: count(runtime.NumCPU())}
	c := &cobra.Command{
		Use:   "torture",
		Short: "Run random clusters with random faults, and check everything",
		Long: `Torture makes a small data centre of each seed: 10 to 500 hosts, their sites and
the network, VMs that ask for little or for more than there is, the settings of
DVMS, and what goes wrong: crashes and returns of hosts and agents, messages lost,
doubled and late, cut networks. It runs each with all checks of dvms simulate
--check, which docs/protocol.md describes, and counts what happened.

The same version and seed give the same run. A seed that breaks an invariant is
named with what, when and where, and the command that shows it again.

The exit code is 0 if nothing was wrong, 1 if something was or an interrupt ended
it early, and 2 if the command line can't be used.`,
		Example: `  dvms torture
  dvms torture --seeds 1..10000
  dvms torture --seeds 137
  dvms torture --seeds 1..100 --json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.workers < 1 {
				return badInput{errors.New("--workers: at least 1 is needed")}
			}
			return f.run(c.Context(), c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.seeds, "seeds", "which seeds, as in 1..10000 or 137")
	flags.Var(&f.workers, "workers", "runs at once")
	flags.BoolVar(&f.json, "json", false, "print the counts as JSON instead of a table")
	return c
}

// ordeal is the run of one seed.
type ordeal struct {
	seed  uint64
	tally experiment.Tally
	err   error
	done  bool // it was not interrupted
}

// run makes the runs, several at once, and takes their results in the order of
// the seeds.
func (f tortureFlags) run(ctx context.Context, stdout, stderr io.Writer) error {
	var sum experiment.Tally
	var broken []ordeal
	began := time.Now()
	line := newWaiting(stderr)
	defer line.clear()
	for o := range f.ordeals(ctx) {
		sum.Add(o.tally)
		if o.err != nil {
			broken = append(broken, o)
			line.clear()
			fmt.Fprintf(stderr, "seed %d: %v\n  dvms torture --seeds %d\n", o.seed, o.err, o.seed)
		}
		rate := float64(sum.Runs) / max(time.Since(began).Seconds(), 1e-3)
		all := f.seeds.last - f.seeds.first + 1
		line.say(fmt.Sprintf("%d of %d seeds, %.0f seeds/s, %d broken %s", sum.Runs, all, rate, len(broken), bar(float64(sum.Runs)/float64(all))))
	}
	line.clear()
	print := f.print
	if f.json {
		print = f.printJSON
	}
	if err := print(stdout, sum, broken); err != nil {
		return err
	}
	switch {
	case len(broken) > 0:
		return fmt.Errorf("%d of %d seeds broke an invariant", len(broken), sum.Runs)
	case ctx.Err() != nil:
		return errors.New("interrupted; what was covered is above")
	}
	return nil
}

// ordeals yields the runs that were finished, in the order of the seeds.
func (f tortureFlags) ordeals(ctx context.Context) func(yield func(ordeal) bool) {
	return func(yield func(ordeal) bool) {
		var next atomic.Uint64
		next.Store(f.seeds.first)
		results := make(chan ordeal)
		var workers sync.WaitGroup
		for range f.workers {
			workers.Go(func() {
				for ctx.Err() == nil {
					seed := next.Add(1) - 1
					if seed > f.seeds.last || seed < f.seeds.first {
						return
					}
					tally, stats, err := experiment.RunRandom(ctx, seed)
					results <- ordeal{seed, tally, err, !stats.Partial}
				}
			})
		}
		go func() {
			workers.Wait()
			close(results)
		}()
		early := map[uint64]ordeal{}
		wanted := f.seeds.first
		for o := range results {
			early[o.seed] = o
			for o, ok := early[wanted]; ok && o.done; o, ok = early[wanted] {
				delete(early, wanted)
				wanted++
				yield(o)
			}
		}
	}
}

// print writes what was covered as a table.
func (f tortureFlags) print(w io.Writer, t experiment.Tally, broken []ordeal) error {
	var out strings.Builder
	row := func(label, format string, args ...any) {
		fmt.Fprintf(&out, "%-12s %s\n", label, fmt.Sprintf(format, args...))
	}
	if t.Runs == 0 {
		row("seeds", "none finished")
	} else {
		row("seeds", "%d, from %d to %d", t.Runs, f.seeds.first, f.seeds.first+uint64(t.Runs)-1)
	}
	row("hosts", "%d", t.Hosts)
	row("simulated", "%.1f h", t.Simulated.Hours())
	row("messages", "%d; %d lost, %d doubled", t.Messages, t.Lost, t.Doubled)
	row("crashes", "%d, %d returns", t.Crashes, t.Returns)
	row("cuts", "%d", t.Cuts)
	row("violations", "%d", t.Violations)
	row("migrations", "%d done, %d failed, %d open at the end", t.Migrations, t.Failed, t.Open)
	var ends []string
	for i, n := range t.Outcomes {
		ends = append(ends, fmt.Sprintf("%d %s", n, experiment.Outcomes[i]))
	}
	row("procedures", "%s", strings.Join(ends, ", "))
	row("broken", "%d", len(broken))
	_, err := io.WriteString(w, out.String())
	return err
}

// printJSON writes the same as JSON.
func (f tortureFlags) printJSON(w io.Writer, t experiment.Tally, broken []ordeal) error {
	type failure struct {
		Seed  uint64 `json:"seed"`
		Error string `json:"error"`
	}
	procedures := map[string]int{}
	for i, n := range t.Outcomes {
		procedures[experiment.Outcomes[i]] = n
	}
	failures := []failure{}
	for _, o := range broken {
		failures = append(failures, failure{o.seed, o.err.Error()})
	}
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	return out.Encode(struct {
		Schema  string `json:"schema"`
		Version string `json:"version"`
		First   uint64 `json:"first_seed"`
		experiment.Tally
		Simulated  float64        `json:"simulated_s"`
		Procedures map[string]int `json:"procedures"`
		Broken     []failure      `json:"broken"`
	}{"dvms-torture/1", version(), f.seeds.first, t, t.Simulated.Seconds(), procedures, failures})
}
