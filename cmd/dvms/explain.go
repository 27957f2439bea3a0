package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/report"
	"github.com/dvms-project/dvms/trace"
)

func newExplain() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "explain TRACE [PARTITION|VM|requests]",
		Short: "Tell what the procedures of a finished run did, and why",
		Long: `Explain reads the trace of a run, as dvms simulate and dvms replay --trace write
it, and tells the story of one procedure: who joined when, what the solver said,
what moved and why, and how long each part took. With the name of a VM it tells
the stories of those procedures that moved or started it. With the word requests
it tells what operators asked for, what was answered, and when it was so. Without
a name it lists the procedures.

The exit code is 0 if all went well, and 2 if the command line or the trace
can't be used.`,
		Example: `  dvms explain dvms-report/dvms-23.jsonl
  dvms explain dvms-report/dvms-23.jsonl node26.1
  dvms explain dvms-report/dvms-23.jsonl vm-263 --json
  dvms explain dvms-report/dvms-1.jsonl requests`,
		Args: cobra.MaximumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			return explain(args, asJSON, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print the records as in the trace instead of sentences")
	return c
}

// explain tells what the arguments ask for.
func explain(args []string, asJSON bool, stdout, stderr io.Writer) error {
	if len(args) == 0 {
		return badInput{errors.New("the trace is missing; dvms simulate writes one")}
	}
	stories, err := readStories(args[0], stderr)
	if err != nil {
		return badInput{err}
	}
	if len(args) == 1 {
		return listProcedures(stories, asJSON, stdout)
	}
	if args[1] == "requests" {
		return tellRequests(stories, args[0], asJSON, stdout)
	}
	told, err := chooseStories(stories, args[0], args[1])
	if err != nil {
		return badInput{err}
	}
	if asJSON {
		return writeRecords(stdout, told)
	}
	for i, story := range told {
		if i > 0 {
			fmt.Fprintln(stdout)
		}
		if err := story.Write(stdout); err != nil {
			return err
		}
	}
	return nil
}

// tellRequests tells what operators asked for, and what became of it.
func tellRequests(stories *report.Stories, file string, asJSON bool, stdout io.Writer) error {
	records := stories.Requests()
	if len(records) == 0 {
		return badInput{fmt.Errorf("%s: nobody has asked for anything in this run; see requests in docs/scenarios.md", file)}
	}
	if !asJSON {
		return stories.WriteRequests(stdout)
	}
	out := trace.NewWriter(stdout)
	for _, r := range records {
		out.Record(r)
	}
	return out.Flush()
}

// readStories reads a trace. One that is cut off is told as far as it goes.
func readStories(name string, stderr io.Writer) (*report.Stories, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%w; dvms simulate writes traces to the directory given by --out", err)
	}
	defer file.Close()
	stories := report.NewStories()
	err = trace.Read(name, file, stories)
	if errors.Is(err, trace.ErrCutOff) {
		fmt.Fprintf(stderr, "dvms: %v; this is what there is\n", err)
		err = nil
	}
	return stories, err
}

// chooseStories returns the stories that a name asks for: that of a partition,
// or those that moved a VM.
func chooseStories(stories *report.Stories, file, name string) ([]*report.Story, error) {
	if story, ok := stories.Story(name); ok {
		return []*report.Story{story}, nil
	}
	if told := stories.Of(name); told != nil {
		return told, nil
	}
	var ids []string
	for _, p := range stories.Partitions() {
		ids = append(ids, p.ID)
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%s: no procedure is in this trace; only runs of dvms have them", file)
	}
	hint := fmt.Sprintf("dvms explain %s lists the procedures", file)
	if near := spell.Nearest(name, ids); near != "" {
		hint = fmt.Sprintf("did you mean %s?", near)
	}
	return nil, fmt.Errorf("%q is neither a procedure nor a VM that one of them moved or started; %s", name, hint)
}

// listProcedures prints a line for each procedure.
func listProcedures(stories *report.Stories, asJSON bool, stdout io.Writer) error {
	all := stories.Partitions()
	if asJSON {
		out := trace.NewWriter(stdout)
		for _, p := range all {
			out.Record(p)
		}
		return out.Flush()
	}
	rows := [][]string{{"began", "took", "procedure", "event", "nodes", "actions", "outcome"}}
	for _, p := range all {
		story, _ := stories.Story(p.ID)
		rows = append(rows, []string{
			fmt.Sprintf("%.3f s", p.At.Seconds()), fmt.Sprintf("%.3f s", p.Duration.Seconds()),
			p.ID, p.Kind, fmt.Sprint(len(p.Members)), fmt.Sprint(len(story.Migrations) + len(story.Starts)), p.Outcome,
		})
	}
	_, err := io.WriteString(stdout, strings.Join(aligned(rows), "\n")+"\n")
	return err
}

// writeRecords prints what the stories are made of, as in the trace.
func writeRecords(w io.Writer, told []*report.Story) error {
	out := trace.NewWriter(w)
	for _, story := range told {
		for _, r := range story.Records() {
			out.Record(r)
		}
	}
	return out.Flush()
}
