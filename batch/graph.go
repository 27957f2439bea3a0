package batch

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Task is a computation on a VM of its own.
type Task struct {
	Work  time.Duration // on an entire CPU
	After []int         // tasks that must have ended before it starts
}

// Graphs are the names of the graphs of NAS Grid tasks, as in [3]: embarrassingly
// distributed, helical chain, visualization pipeline and mixed bag.
var Graphs = []string{"ED", "HC", "VP", "MB"}

// The tasks of the graphs stand in rows and columns: layers or stages of VP and MB.
const (
	side          = 3
	tasksPerGraph = side * side
)

// Tasks returns the nine tasks of a graph, which take alone from the first to
// the last if each has a CPU whenever it wants one.
//
// ED has nine independent tasks. HC is a chain of nine. VP has three stages,
// through each of which three frames go in order. MB has three layers of three
// tasks of which the second works twice and the third three times as long as the
// first; each waits for the one of the same number in the layer before, and for
// the one to the left of that. Within ED, HC and VP all tasks work equally long:
// [3] says which solvers they are, and how long these take depends on the machine.
func Tasks(graph string, alone time.Duration) ([]Task, error) {
	tasks := make([]Task, tasksPerGraph)
	for i := range tasks {
		row, column := i/side, i%side
		t := &tasks[i]
		t.Work = 1
		switch graph {
		case "ED":
		case "HC":
			if i > 0 {
				t.After = []int{i - 1}
			}
		case "VP":
			if row > 0 {
				t.After = append(t.After, i-side)
			}
			if column > 0 {
				t.After = append(t.After, i-1)
			}
		case "MB":
			t.Work = time.Duration(1 + column)
			if row > 0 && column > 0 {
				t.After = append(t.After, i-side-1)
			}
			if row > 0 {
				t.After = append(t.After, i-side)
			}
		default:
			return nil, fmt.Errorf("%q is not a graph of tasks; the graphs are %s", graph, strings.Join(Graphs, ", "))
		}
	}
	longest := critical(tasks)
	for i := range tasks {
		tasks[i].Work = tasks[i].Work * alone / longest
	}
	return tasks, nil
}

// critical returns how long the tasks take if each has a CPU whenever it wants
// one: the longest path. Tasks come after those that they wait for.
func critical(tasks []Task) time.Duration {
	ends := make([]time.Duration, len(tasks))
	for i, t := range tasks {
		for _, before := range t.After {
			ends[i] = max(ends[i], ends[before])
		}
		ends[i] += t.Work
	}
	return slices.Max(ends)
}
