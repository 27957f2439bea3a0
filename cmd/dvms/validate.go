package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/validation"
)

type validateFlags struct {
	match word
	json  bool
}

func newValidate() *cobra.Command {
	f := validateFlags{match: word{"", "PATTERN"}}
	c := &cobra.Command{
		Use:   "validate [DIR]",
		Short: "Compare the simulator with results of a peer",
		Long: `Validate replays cases whose results under SimGrid 3.32 are known, and prints how
far ours are from them. Without DIR the cases are those that this program was
tested with. DIR has folders cpu, net, migration, energy and vmnet, or some of
them, or is one of them; each file in them that ends in .json is a case.

Cases are replayed under the laws of the peer. Those whose names begin with
quirk_ record what the peer gets wrong: they are replayed under the right laws,
so they differ, and this is told but not held against us.

  compared   dates, rates, bytes, joules of the case
  worst      the worst relative error of these, and where it is

The exit code is 0 if every case is within its tolerance, 1 if one is not, and 2
if the command line or a file can't be used.`,
		Example: `  dvms validate
  dvms validate golden/ --match 'net/*'
  dvms validate golden/cpu --json`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if _, err := path.Match(f.match.text, ""); err != nil {
				return badInput{fmt.Errorf("--match: %q is no pattern: %w", f.match.text, err)}
			}
			return f.run(c.Context(), args, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.match, "match", "only cases that match, as in 'net/random_*'")
	flags.BoolVar(&f.json, "json", false, "print the results as JSON")
	must(c.RegisterFlagCompletionFunc("match", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}))
	c.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return nil, cobra.ShellCompDirectiveFilterDirs
	}
	return c
}

// knownCase is a file with a case.
type knownCase struct {
	folder, name string
	files        fs.FS
	file         string // in files
	shown        string // in errors
}

// run does what dvms validate does.
func (f *validateFlags) run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	all, err := f.cases(args, stderr)
	if err != nil {
		return badInput{err}
	}
	results := make([]replayed, 0, len(all))
	wait := newWaiting(stderr)
	for _, c := range all {
		if ctx.Err() != nil {
			wait.clear()
			return errors.New("interrupted")
		}
		wait.say(c.folder + "/" + c.name)
		r, err := c.replay()
		if err != nil {
			wait.clear()
			return badInput{err}
		}
		results = append(results, r)
	}
	wait.clear()
	if f.json {
		err = printReplaysJSON(stdout, results)
	} else {
		_, err = io.WriteString(stdout, replayTable(results))
	}
	if err != nil {
		return err
	}
	return beyondTolerance(results)
}

// cases lists the cases that are asked for, folder by folder.
func (f *validateFlags) cases(args []string, stderr io.Writer) ([]knownCase, error) {
	files, dir := validation.Cases(), ""
	folders := validation.Folders()
	if len(args) > 0 {
		dir = args[0]
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			if err == nil {
				return nil, fmt.Errorf("%s: not a directory; the cases are those of a whole directory", dir)
			}
			return nil, fmt.Errorf("%s: %w", dir, pathCause(err))
		}
		files = os.DirFS(dir)
		if base := filepath.Base(filepath.Clean(dir)); slices.Contains(folders, base) {
			files, folders = os.DirFS(filepath.Dir(filepath.Clean(dir))), []string{base}
			dir = filepath.Dir(filepath.Clean(dir))
		}
	}
	var all []knownCase
	for _, folder := range folders {
		names, err := fs.Glob(files, folder+"/*.json")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			all = append(all, knownCase{folder, strings.TrimSuffix(path.Base(name), ".json"), files, name, filepath.Join(dir, name)})
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: no cases: none of the folders %s with files that end in .json", dir, strings.Join(folders, ", "))
	}
	tellOthers(files, stderr, dir)
	if f.match.text == "" {
		return all, nil
	}
	all = slices.DeleteFunc(all, func(c knownCase) bool {
		whole, _ := path.Match(f.match.text, c.folder+"/"+c.name) // the caller has seen that it is a pattern
		name, _ := path.Match(f.match.text, c.name)
		return !whole && !name
	})
	if len(all) == 0 {
		return nil, fmt.Errorf("--match: no case has a name like %q", f.match.text)
	}
	return all, nil
}

// tellOthers says which folders are not replayed.
func tellOthers(files fs.FS, stderr io.Writer, dir string) {
	entries, err := fs.ReadDir(files, ".")
	if err != nil || dir == "" {
		return
	}
	for _, e := range entries {
		if e.IsDir() && !slices.Contains(validation.Folders(), e.Name()) {
			if cases, err := fs.Glob(files, e.Name()+"/*.json"); err == nil && len(cases) > 0 {
				fmt.Fprintf(stderr, "%s is not replayed: it is none of %s\n", filepath.Join(dir, e.Name()), strings.Join(validation.Folders(), ", "))
			}
		}
	}
}

// replayed is a result, and how long it took.
type replayed struct {
	validation.Result
	took time.Duration
}

func (c knownCase) replay() (replayed, error) {
	data, err := fs.ReadFile(c.files, c.file)
	if err != nil {
		return replayed{}, fmt.Errorf("%s: %w", c.shown, pathCause(err))
	}
	start := time.Now()
	r, err := validation.Replay(c.folder, c.name, data)
	var wrong *validation.CaseError
	switch {
	case errors.As(err, &wrong):
		return replayed{}, fmt.Errorf("%s:%d: %w", c.shown, wrong.Line, wrong.Err)
	case err != nil:
		return replayed{}, fmt.Errorf("%s: %w", c.shown, err)
	}
	return replayed{r, time.Since(start)}, nil
}

// replayTable is a line for each case, and one for all.
func replayTable(results []replayed) string {
	var b strings.Builder
	width := len("case")
	for _, r := range results {
		width = max(width, len(r.Folder)+1+len(r.Case))
	}
	fmt.Fprintf(&b, "%-*s  compared    worst  tolerance     time\n", width, "case")
	var took time.Duration
	compared, quirks, wrong := 0, 0, 0
	for _, r := range results {
		fmt.Fprintf(&b, "%-*s  %8d  %7s  %9.0e  %7s%s\n", width, r.Folder+"/"+r.Case, r.Compared, errorText(r.Worst), r.Tolerance, inMilliseconds(r.took), r.remark())
		compared += r.Compared
		took += r.took
		if r.Quirk {
			quirks++
		} else if !r.OK() {
			wrong++
		}
	}
	verdict := "all within the tolerance"
	if wrong > 0 {
		verdict = fmt.Sprintf("%d over the tolerance", wrong)
	}
	fmt.Fprintf(&b, "\n%s with %d results in %s: %s", plural(len(results), "case"), compared, inMilliseconds(took), verdict)
	if quirks > 0 {
		fmt.Fprintf(&b, "; %s of the peer, which ours is not to repeat", plural(quirks, "quirk"))
	}
	b.WriteString("\n")
	return b.String()
}

// remark says where a case differs, if that is worth a word.
func (r replayed) remark() string {
	if r.Worst <= r.Tolerance {
		return ""
	}
	where := fmt.Sprintf("%s: %s, and the peer has %s", r.At, valueText(r.Got), valueText(r.Want))
	if r.Quirk {
		return "  quirk; " + where
	}
	return "  OVER: " + where
}

func errorText(e float64) string {
	switch {
	case e == 0:
		return "0"
	case math.IsInf(e, 1):
		return "never"
	}
	return fmt.Sprintf("%.1e", e)
}

func valueText(v float64) string {
	if math.IsNaN(v) {
		return "never"
	}
	return fmt.Sprintf("%.9g", v)
}

func inMilliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", d.Seconds()*1000)
}

// replayJSON is a result in the output of --json. Never is null.
type replayJSON struct {
	Case      string   `json:"case"`
	Folder    string   `json:"folder"`
	Quirk     bool     `json:"quirk"`
	OK        bool     `json:"ok"`
	Compared  int      `json:"compared"`
	Worst     *float64 `json:"worst_relative_error"` // null: one of the two never happens
	At        string   `json:"at"`
	Want      *float64 `json:"peer"`
	Got       *float64 `json:"ours"`
	Tolerance float64  `json:"tolerance"`
	Seconds   float64  `json:"seconds"`
}

func printReplaysJSON(w io.Writer, results []replayed) error {
	number := func(v float64) *float64 {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil
		}
		return &v
	}
	lines := make([]replayJSON, len(results))
	for i, r := range results {
		lines[i] = replayJSON{
			r.Case, r.Folder, r.Quirk, r.OK(), r.Compared, number(r.Worst), r.At, number(r.Want), number(r.Got), r.Tolerance, r.took.Seconds(),
		}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(lines)
}

// beyondTolerance is the error of the first case that is over its tolerance.
func beyondTolerance(results []replayed) error {
	for _, r := range results {
		if !r.OK() {
			return fmt.Errorf("%s/%s is over its tolerance: %s", r.Folder, r.Case, strings.TrimPrefix(r.remark(), "  OVER: "))
		}
	}
	return nil
}
