package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/replay"
	"github.com/dvms-project/dvms/trace"
)

// replayFlags are what the command was asked for.
type replayFlags struct {
	steps, json bool
	trace       word
}

func newReplay() *cobra.Command {
	f := replayFlags{trace: word{"", "FILE"}}
	c := &cobra.Command{
		Use:   "replay LOG|DIR ...",
		Short: "Replay what agents did",
		Long: `Replay gives fresh nodes the inputs that agents have recorded, at the times at
which they had them, and compares what the nodes ask for with what they asked for
then, byte for byte. The clock of the simulator drives them all. Of a folder it
takes the logs (*.jsonl) in it.

Of several logs it also says whether every message that was received had been
sent; and, unless a message came before it was sent, so that the clocks of the
machines can't be compared, whether a host let in a VM that its node did not
expect, and whether two nodes ever led the same partition.

With --steps it prints each input and what was asked for; with --trace it writes
a trace of the procedures, which dvms explain tells.

The exit code is 0 if all was the same and nothing is wrong; 1 if not: as a rule
this version decides otherwise than the agents' did; and 2 if a file is not an
agent's log.`,
		Example: `  dvms demo --logs logs && dvms replay logs
  dvms replay logs --trace run.jsonl && dvms explain run.jsonl
  dvms replay logs/n1-1.jsonl --steps | grep Applying`,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return badInput{errors.New("the log is missing; dvms demo --logs DIR writes one for each agent")}
			}
			return f.run(args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().SortFlags = false
	c.Flags().Var(&f.trace, "trace", "write a trace of what the procedures did, which dvms explain reads")
	c.Flags().BoolVar(&f.steps, "steps", false, "print each input and what the node asked for")
	c.Flags().BoolVar(&f.json, "json", false, "print the result as JSON")
	must(c.MarkFlagFilename("trace", "jsonl"))
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"jsonl"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return c
}

func (f *replayFlags) run(args []string, stdout, stderr io.Writer) error {
	names, err := logFiles(args)
	if err != nil {
		return badInput{err}
	}
	sources, closeAll, err := openLogs(names)
	defer closeAll()
	if err != nil {
		return badInput{err}
	}
	var out *trace.Writer
	var sink trace.Sink
	if f.trace.text != "" {
		file, err := os.OpenFile(f.trace.text, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
		if err != nil {
			return badInput{fmt.Errorf("--trace: %s: %w", f.trace.text, pathCause(err))}
		}
		defer file.Close()
		out = trace.NewWriter(file)
		sink = out
	}
	r, err := replay.Run(sources, version(), sink, f.printer(len(sources), stdout))
	if err == nil && out != nil {
		err = out.Flush()
	}
	if err != nil && f.trace.text != "" {
		os.Remove(f.trace.text)
	}
	var unread *replay.SourceError
	if errors.As(err, &unread) {
		return badInput{err}
	}
	if err != nil {
		return err
	}
	if err := f.print(stdout, r); err != nil {
		return err
	}
	return different(r)
}

// logFiles returns the logs that arguments name: files, and those in folders.
func logFiles(args []string) ([]string, error) {
	var names []string
	for _, arg := range args {
		info, err := os.Stat(arg)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, fmt.Errorf("%s: no such file; dvms demo --logs DIR writes logs", arg)
		case err != nil:
			return nil, fmt.Errorf("%s: %w", arg, pathCause(err))
		case !info.IsDir():
			names = append(names, arg)
			continue
		}
		inside, err := filepath.Glob(filepath.Join(globEscape(arg), "*.jsonl"))
		if err != nil || len(inside) == 0 {
			return nil, fmt.Errorf("%s: there is no log (*.jsonl) in this folder", arg)
		}
		names = append(names, inside...)
	}
	return names, nil
}

// globEscape makes a path one that matches only itself.
func globEscape(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func openLogs(names []string) (sources []replay.Source, closeAll func(), err error) {
	closeAll = func() {
		for _, s := range sources {
			s.Log.(io.Closer).Close()
		}
	}
	for _, name := range names {
		file, err := os.Open(name)
		if err != nil {
			return sources, closeAll, fmt.Errorf("%s: %w", name, pathCause(err))
		}
		sources = append(sources, replay.Source{Name: name, Log: file})
	}
	return sources, closeAll, nil
}

// printer returns what prints each step, if it is to.
func (f *replayFlags) printer(logs int, stdout io.Writer) func(string, time.Duration, *agent.Step) {
	if !f.steps {
		return nil
	}
	return func(source string, at time.Duration, s *agent.Step) {
		if logs > 1 {
			source = logName(source) + "  "
		} else {
			source = ""
		}
		printStep(stdout, source, at, s)
	}
}

// printStep prints what an agent was given and what it asked for, as Go shows it.
func printStep(w io.Writer, source string, at time.Duration, s *agent.Step) {
	given := ""
	switch {
	case s.Tick:
		given = "Tick"
	case s.Heard != nil:
		given = fmt.Sprintf("Gossip from %s, %d bytes, waited %v", agent.NodeName(s.Heard.From), len(s.Heard.Data), s.Heard.Waited)
	default:
		given = shown(s.In)
	}
	fmt.Fprintf(w, "%s%12.6f  %s\n", source, at.Seconds(), given)
	for _, o := range s.Out {
		fmt.Fprintf(w, "%s%12s    -> %s\n", source, "", shown(o))
	}
	for _, p := range s.Packets {
		fmt.Fprintf(w, "%s%12s    -> Gossip to %s, %d bytes\n", source, "", agent.NodeName(p.To), len(p.Data))
	}
}

func shown(v any) string {
	return strings.TrimPrefix(strings.ReplaceAll(fmt.Sprintf("%T%+v", v, v), "protocol.", ""), "protocol.")
}

// logName is the name of a log in a table.
func logName(source string) string { return strings.TrimSuffix(filepath.Base(source), ".jsonl") }

// different says what is not as it should be; nil if nothing is.
func different(r replay.Result) error {
	for _, a := range r.Agents {
		if a.Diverged != nil {
			return fmt.Errorf("%s: %w", a.Source, a.Diverged)
		}
	}
	if n := len(r.Findings); n > 1 {
		return fmt.Errorf("%s; and %d more", r.Findings[0], n-1)
	} else if n == 1 {
		return errors.New(r.Findings[0])
	}
	return nil
}

func (f *replayFlags) print(stdout io.Writer, r replay.Result) error {
	switch {
	case f.json:
		return json.NewEncoder(stdout).Encode(resultJSON(r))
	case len(r.Agents) == 1 && r.Agents[0].Diverged != nil:
		return nil
	case len(r.Agents) == 1:
		a := r.Agents[0]
		_, err := fmt.Fprintf(stdout, "%s: node %d, %d inputs in %.1f s, %d messages sent: the same, byte for byte%s\n",
			a.Source, a.Node, a.Inputs, a.Took.Seconds(), a.Sent, ending(a))
		return err
	}
	rows := [][]string{{"log", "from", "to", "inputs", "sent", "received", "solves", "moved", "gossip", "ended", "replay"}}
	inputs := 0
	for _, a := range r.Agents {
		inputs += a.Inputs
		same := "same"
		if a.Diverged != nil {
			same = "other"
		}
		rows = append(rows, []string{
			logName(a.Source), fmt.Sprintf("%.1f s", a.Began.Seconds()), fmt.Sprintf("%.1f s", (a.Began + a.Took).Seconds()), fmt.Sprint(a.Inputs),
			fmt.Sprint(a.Sent), fmt.Sprint(a.Received), fmt.Sprint(a.Solves), fmt.Sprint(a.Moves), fmt.Sprint(a.Gossip), how(a), same,
		})
	}
	_, err := io.WriteString(stdout, strings.Join(aligned(rows), "\n")+"\n\n"+verdict(r, inputs))
	return err
}

// how says how an agent ended.
func how(a replay.Agent) string {
	if a.End == "" {
		return "killed"
	}
	return a.End
}

func ending(a replay.Agent) string {
	switch {
	case a.Cut:
		return "; the last line is incomplete, the agent was killed"
	case a.End == "":
		return "; there is no end, the agent was killed"
	}
	return ""
}

// verdict says what the logs say together.
func verdict(r replay.Result, inputs int) string {
	var out strings.Builder
	same := 0
	for _, a := range r.Agents {
		if a.Diverged == nil {
			same++
		}
	}
	if same == len(r.Agents) {
		fmt.Fprintf(&out, "replay     %d inputs of %d logs: the same, byte for byte\n", inputs, same)
	} else {
		fmt.Fprintf(&out, "replay     %d of %d logs the same, byte for byte\n", same, len(r.Agents))
	}
	m := r.Messages
	fmt.Fprintf(&out, "messages   %d sent, %d received", m.Sent, m.Received+m.Others)
	for _, part := range []struct {
		n    int
		text string
	}{
		{m.Others, "from agents without a log"},
		{m.Late, "missing in the logs of senders that were killed"},
		{m.Lost, "sent and not received"},
	} {
		if part.n > 0 {
			fmt.Fprintf(&out, ", %d %s", part.n, part.text)
		}
	}
	if len(r.Findings) == 0 {
		out.WriteString("; none that was not sent")
	}
	if r.ClocksAgree() {
		fmt.Fprintf(&out, "\nclocks     they agree: the fastest message took %.2f ms\n", float64(m.Fastest)/float64(time.Millisecond))
		fmt.Fprintf(&out, "moves      %d VMs were let in", r.Moves)
	} else {
		fmt.Fprintf(&out, "\nclocks     they differ by %.2f ms or more, so that dates can't be compared\n", -float64(m.Fastest)/float64(time.Millisecond))
		fmt.Fprintf(&out, "moves      %d", r.Moves)
	}
	if len(r.Findings) == 0 && r.ClocksAgree() {
		out.WriteString(", each expected by its host's node; no partition had two leaders")
	}
	out.WriteString("\n")
	for _, f := range r.Findings {
		fmt.Fprintf(&out, "wrong      %s\n", f)
	}
	for _, d := range r.Doubts {
		fmt.Fprintf(&out, "doubtful   %s\n", d)
	}
	return out.String()
}

// replayedAgent is an agent in the JSON form.
type replayedAgent struct {
	Source   string  `json:"log"`
	Node     uint64  `json:"node"`
	Starts   uint32  `json:"starts"`
	Began    float64 `json:"began_s"` // after the first of all
	Took     float64 `json:"duration_s"`
	Inputs   int     `json:"inputs"`
	Sent     int     `json:"messages"`
	Received int     `json:"received"`
	Solves   int     `json:"solves"`
	Moves    int     `json:"moved"`
	Gossip   int     `json:"gossip"`
	End      string  `json:"end"` // "" if it was killed
	Cut      bool    `json:"cut"`
	Diverged string  `json:"diverged,omitempty"`
}

// replayResult is the JSON form of a result.
type replayResult struct {
	Schema   string          `json:"schema"`
	Same     bool            `json:"same"`
	Agents   []replayedAgent `json:"agents"`
	Duration float64         `json:"duration_s"`
	Messages struct {
		Sent     int     `json:"sent"`
		Received int     `json:"received"`
		Others   int     `json:"without_log"`
		Late     int     `json:"late"`
		Lost     int     `json:"lost"`
		Fastest  float64 `json:"fastest_s"`
	} `json:"messages"`
	Moves    int      `json:"moved"`
	Findings []string `json:"findings"`
	Doubts   []string `json:"doubts"`
}

func resultJSON(r replay.Result) replayResult {
	j := replayResult{
		Schema: "dvms-replay/1", Same: r.Same(), Duration: r.Took.Seconds(), Moves: r.Moves,
		Findings: append([]string{}, r.Findings...), Doubts: append([]string{}, r.Doubts...),
	}
	m := r.Messages
	j.Messages.Sent, j.Messages.Received, j.Messages.Others, j.Messages.Late, j.Messages.Lost = m.Sent, m.Received, m.Others, m.Late, m.Lost
	j.Messages.Fastest = m.Fastest.Seconds()
	for _, a := range r.Agents {
		one := replayedAgent{
			Source: a.Source, Node: uint64(a.Node), Starts: a.Starts, Began: a.Began.Seconds(), Took: a.Took.Seconds(), Inputs: a.Inputs,
			Sent: a.Sent, Received: a.Received, Solves: a.Solves, Moves: a.Moves, Gossip: a.Gossip, End: a.End, Cut: a.Cut,
		}
		if a.Diverged != nil {
			one.Diverged = a.Diverged.Error()
		}
		j.Agents = append(j.Agents, one)
	}
	return j
}
