package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/snapshot"
)

// goals are what a plan can be for.
var goals = []string{"repair", "drain", "place", "switch", "consolidate", "level"}

// requestFlags say what is asked of a cluster besides what its snapshot asks.
// Plans are made for that, and judged by it.
type requestFlags struct {
	goal, rules  word
	drain, place nameList
}

func newRequestFlags() requestFlags {
	return requestFlags{goal: word{"", "GOAL"}, rules: word{"", "FILE"}}
}

func (f *requestFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.SortFlags = false
	flags.Var(&f.goal, "goal", "what the plan is for: "+strings.Join(goals, ", "))
	flags.Var(&f.rules, "rules", "file of rules, wanted states and nodes to drain")
	flags.Var(&f.drain, "drain", "nodes to empty")
	flags.Var(&f.place, "place", "waiting VMs or vjobs to start; all of them with --goal place alone")
	must(c.RegisterFlagCompletionFunc("goal", completing(goals)))
	must(c.RegisterFlagCompletionFunc("rules", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
	}))
	must(c.RegisterFlagCompletionFunc("drain", completing(nil)))
	must(c.RegisterFlagCompletionFunc("place", completing(nil)))
}

func (f *requestFlags) usable() error {
	if f.goal.text != "" && !slices.Contains(goals, f.goal.text) {
		return fmt.Errorf("--goal: there is no goal %q%s", f.goal.text, nearOrAll(f.goal.text, goals))
	}
	return nil
}

// request is what is asked of a cluster.
type request struct {
	snapshot.Snapshot
	goal    string // one of goals
	explain int32  // the VM to speak of, or cluster.Nowhere
}

// read reads a snapshot and its rules, and notes what else is asked for. explain
// names a VM, or nobody. Everything that is wrong besides the snapshot is in one
// error.
func (f *requestFlags) read(file string, stdin io.Reader, explain string) (request, error) {
	r := request{explain: cluster.Nowhere}
	if file == "-" && f.rules.text == "-" {
		return r, badInput{errors.New("only one of snapshot and rules can be on standard input")}
	}
	var err error
	if r.Snapshot, err = readSnapshot(file, stdin); err != nil {
		return r, err
	}
	var wrong mistakes
	if f.rules.text != "" {
		wrong.add(r.addRules(f.rules.text, stdin))
	}
	wrong.add(r.addDrain(f.drain.names)...)
	wrong.add(r.addPlace(f.place.names)...)
	if explain != "" {
		wrong.add(r.find(explain))
	}
	if len(wrong) == 0 {
		wrong.add(r.settle(f))
	}
	if len(wrong) > 0 {
		return r, badInput{wrong.err()}
	}
	r.close()
	return r, nil
}

// mistakes are errors of which all are to be told.
type mistakes []error

func (m *mistakes) add(errs ...error) {
	for _, err := range errs {
		if err != nil {
			*m = append(*m, err)
		}
	}
}

// err tells one mistake as it is, and several as a list.
func (m mistakes) err() error {
	if len(m) == 1 {
		return m[0]
	}
	var lines []string
	for _, err := range m {
		var file fileError
		var several *snapshot.Error
		if !errors.As(err, &file) || !errors.As(err, &several) {
			lines = append(lines, err.Error())
			continue
		}
		for _, mistake := range several.Mistakes {
			lines = append(lines, fmt.Sprintf("%s: %v", file.name, mistake))
		}
	}
	return fmt.Errorf("%d mistakes\n  %s", len(lines), strings.Join(lines, "\n  "))
}

// fileError is an error about what is in a file.
type fileError struct {
	name string
	err  error
}

func (e fileError) Error() string { return e.name + ": " + e.err.Error() }
func (e fileError) Unwrap() error { return e.err }

func (r *request) addRules(file string, stdin io.Reader) error {
	text, err := readInput(file, stdin, "rules file", ".yaml", ".yml")
	if err != nil {
		return fmt.Errorf("--rules: %w", err)
	}
	s, err := r.WithRules(text)
	if err != nil {
		return fileError{file, err}
	}
	r.Snapshot = s
	return nil
}

func (r *request) addDrain(names []string) (wrong []error) {
	index := map[string]int32{}
	var all []string
	for n := range r.Configuration.Nodes {
		all = append(all, r.Configuration.Nodes[n].Name)
		index[all[n]] = int32(n)
	}
	drain := slices.Clone(r.Drain)
	for _, name := range names {
		n, known := index[name]
		if !known {
			wrong = append(wrong, fmt.Errorf("--drain: there is no node %q%s", name, near(name, all)))
			continue
		}
		drain = append(drain, n)
	}
	slices.Sort(drain)
	r.Drain = slices.Compact(drain)
	return wrong
}

// close makes the nodes to drain draining, so that no VM passes by on them.
func (r *request) close() {
	c := r.Configuration.Clone()
	for _, n := range r.Drain {
		if c.Nodes[n].State == cluster.Online {
			c.Nodes[n].State = cluster.Draining
		}
	}
	r.Configuration = c
}

// addPlace notes that VMs and vjobs are to run. Of a vjob, all VMs change their
// state together, so naming one of them is a mistake.
func (r *request) addPlace(names []string) (wrong []error) {
	c := r.Configuration
	vms, jobs, jobOf := map[string]int32{}, map[string]int{}, map[int32]string{}
	var all []string
	for v := range c.VMs {
		vms[c.VMs[v].Name] = int32(v)
		all = append(all, c.VMs[v].Name)
	}
	for j, job := range c.VJobs {
		jobs[job.Name] = j
		all = append(all, job.Name)
		for _, v := range job.VMs {
			jobOf[v] = job.Name
		}
	}
	var chosen []int32
	for _, name := range names {
		v, isVM := vms[name]
		j, isJob := jobs[name]
		switch {
		case isJob && isVM:
			wrong = append(wrong, fmt.Errorf("--place: %q is a VM, and a vjob", name))
		case isJob:
			chosen = append(chosen, c.VJobs[j].VMs...)
		case !isVM:
			wrong = append(wrong, fmt.Errorf("--place: there is no VM or vjob %q%s", name, near(name, all)))
		case jobOf[v] != "":
			wrong = append(wrong, fmt.Errorf("--place: VM %q is in vjob %q, whose VMs change their state together; write --place %s", name, jobOf[v], jobOf[v]))
		default:
			chosen = append(chosen, v)
		}
	}
	for _, v := range chosen {
		if from := c.StateOf(v); !from.Leads(cluster.Running) {
			wrong = append(wrong, fmt.Errorf("--place: VM %q is %s, and cannot run again", c.VMs[v].Name, from))
			continue
		}
		r.want(v, cluster.Running)
	}
	return wrong
}

// want notes the state that a VM is to be in. The snapshot's own list is left
// alone.
func (r *request) want(v int32, state cluster.State) {
	c := r.Configuration
	wanted := slices.Clone(r.Wanted)
	if wanted == nil {
		for u := range c.VMs {
			wanted = append(wanted, c.StateOf(int32(u)))
		}
	}
	wanted[v] = state
	r.Wanted = wanted
}

// find notes the VM that is to be spoken of.
func (r *request) find(name string) error {
	var all []string
	for v := range r.Configuration.VMs {
		if all = append(all, r.Configuration.VMs[v].Name); all[v] == name {
			r.explain = int32(v)
			return nil
		}
	}
	return fmt.Errorf("--explain: there is no VM %q%s", name, near(name, all))
}

// settle finds out what the goal is, and whether there is what it needs.
func (r *request) settle(f *requestFlags) error {
	switch r.goal = f.goal.text; {
	case r.goal == "" && len(f.place.names) > 0:
		r.goal = "place"
	case r.goal == "":
		r.goal = r.suggested()
	case r.goal == "place" && len(f.place.names) == 0:
		for v := range r.Configuration.VMs {
			if r.Configuration.StateOf(int32(v)) == cluster.Waiting {
				r.want(int32(v), cluster.Running)
			}
		}
	case r.goal == "drain" && len(r.emptied()) == 0:
		return errors.New("--goal drain: no node is to be drained; name some with --drain, or under drain: in a rules file")
	case r.goal == "switch" && r.Wanted == nil:
		return errors.New("--goal switch: no VM is to change its state; say which under wanted: in a rules file, as in wanted: {batch: running}")
	}
	return nil
}

// suggested is the goal of what is asked for.
func (r *request) suggested() string {
	switch {
	case r.Goal == "consolidate":
		return r.Goal
	case len(r.changing()) > 0:
		return "switch"
	case len(r.emptied()) > 0:
		return "drain"
	}
	return "repair"
}

// changing are the VMs that are to change their state.
func (r *request) changing() (vms []int32) {
	for v, want := range r.Wanted {
		if want != r.Configuration.StateOf(int32(v)) {
			vms = append(vms, int32(v))
		}
	}
	return vms
}

// emptied are the nodes that are to host nobody in the end, and are on now: those
// to drain, and those that drain already.
func (r *request) emptied() (nodes []int32) {
	hosted := r.Configuration.Hosted()
	for n := range r.Configuration.Nodes {
		state := r.Configuration.Nodes[n].State
		if slices.Contains(r.Drain, int32(n)) || state == cluster.Draining || state == cluster.Offline && len(hosted[n]) > 0 {
			nodes = append(nodes, int32(n))
		}
	}
	return nodes
}

// problem is the request as the solver takes it. Whoever drains nodes, places VMs
// or switches their states wants a repair with that.
func (r *request) problem() placement.Problem {
	p := placement.Problem{Rules: r.Rules, Wanted: r.Wanted, Drain: r.Drain}
	switch r.goal {
	case "consolidate":
		p.Goal = placement.Consolidate
	case "level":
		p.Goal = placement.Level
	}
	return p
}

// maxSnapshot is more than a snapshot of 100,000 nodes and a million VMs needs.
const maxSnapshot = 1 << 28

// readSnapshot reads a snapshot from a file, or from stdin if that is "-".
func readSnapshot(file string, stdin io.Reader) (snapshot.Snapshot, error) {
	text, err := readInput(file, stdin, "snapshot", ".json")
	if err != nil {
		return snapshot.Snapshot{}, badInput{err}
	}
	s, err := snapshot.Read(text)
	if err != nil {
		return s, badInput{fileError{file, err}}
	}
	if s.Name == "" {
		if s.Name = strings.TrimSuffix(filepath.Base(file), filepath.Ext(file)); file == "-" {
			s.Name = "snapshot"
		}
	}
	return s, nil
}

// readInput reads a file, or stdin if that is "-". Files of its kind have names
// with such endings.
func readInput(file string, stdin io.Reader, what string, endings ...string) ([]byte, error) {
	from := stdin
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			err = pathCause(err)
			if errors.Is(err, fs.ErrNotExist) {
				return nil, fmt.Errorf("%s: no such file%s", file, otherFiles(file, endings))
			}
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		defer opened.Close()
		if info, err := opened.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s: is a directory, not a %s%s", file, what, otherFiles(filepath.Join(file, what), endings))
		}
		from = opened
	}
	var text bytes.Buffer
	if n, err := text.ReadFrom(io.LimitReader(from, maxSnapshot+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", file, pathCause(err))
	} else if n > maxSnapshot {
		return nil, fmt.Errorf("%s: more than %d MiB, which is too long for a %s", file, maxSnapshot>>20, what)
	}
	return text.Bytes(), nil
}

// otherFiles says which files of a kind there are beside one that is not there. It
// returns "" if there are none.
func otherFiles(file string, endings []string) string {
	dir := filepath.Dir(file)
	var names []string
	entries, _ := os.ReadDir(dir) // a folder that can't be read has no suggestions
	for _, e := range entries {
		if !e.IsDir() && slices.Contains(endings, filepath.Ext(e.Name())) {
			names = append(names, e.Name())
		}
	}
	if len(names) == 0 {
		return ""
	}
	if near := spell.Nearest(filepath.Base(file), names); near != "" {
		return "; did you mean " + filepath.Join(dir, near) + "?"
	}
	if dir == "." {
		dir = "this folder"
	}
	return "; " + dir + " has " + listed(names, 4)
}
