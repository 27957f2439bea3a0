// Package validation replays cases whose results are known: inputs of a
// simulation and what a peer, SimGrid 3.32, made of them. It says how far ours
// is from them.
//
// A case is one JSON file. Its folder says what it is about: cpu, net,
// migration, energy or vmnet; testdata/README.md describes the files. Cases are
// replayed under the laws of the peer, sim.Original. Those whose name begins
// with quirk_ record what the peer gets wrong; they are replayed under the right
// laws, and how far they differ is told but not held against us.
package validation

import (
	"embed"
	"fmt"
	"io/fs"
	"math"
	"slices"
	"strings"

	"github.com/dvms-project/dvms/sim"
)

//go:embed testdata/*/*.json
var testdata embed.FS

// Cases returns the cases that come with the program, by folder.
func Cases() fs.FS {
	cases, err := fs.Sub(testdata, "testdata")
	if err != nil {
		panic(err) // the name is right
	}
	return cases
}

// Result is how a replay compares with the known results of its case.
type Result struct {
	Folder, Case string
	Quirk        bool
	Compared     int     // quantities
	Worst        float64 // relative error
	At           string  // the quantity with the worst error
	Want, Got    float64 // its values; NaN stands for never
	Tolerance    float64 // relative
}

// OK reports whether the replay is within its tolerance. What differs from a
// quirk is right.
func (r Result) OK() bool { return r.Quirk || r.Worst <= r.Tolerance }

// Never is the date of what does not end.
var Never = math.NaN()

// folders says how the cases of each folder are replayed, and how close a
// correct simulator comes (relative).
var folders = map[string]struct {
	replay    func(data []byte, law sim.Law, c *Comparison) error
	tolerance float64
}{
	"cpu":       {replayCPU, 1e-9},
	"energy":    {replayEnergy, 1e-9},
	"migration": {replayMigration, 1e-7},
	"net":       {replayNet, 1e-9},
	"vmnet":     {replayVMNet, 1e-9},
}

// Folders returns the names of the folders whose cases can be replayed.
func Folders() []string {
	var names []string
	for name := range folders {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Replay replays a case and compares. The error says what is wrong with the
// case, and wraps a *CaseError if it knows the line; that results differ is no
// error.
func Replay(folder, name string, data []byte) (Result, error) {
	f, ok := folders[folder]
	if !ok {
		return Result{}, fmt.Errorf("%s/%s: folder %q is none of %s", folder, name, folder, strings.Join(Folders(), ", "))
	}
	law, quirk := sim.Original, strings.HasPrefix(name, "quirk_")
	if quirk {
		law = sim.Right
	}
	var c Comparison
	if err := f.replay(data, law, &c); err != nil {
		return Result{}, fmt.Errorf("%s/%s: %w", folder, name, err)
	}
	return Result{
		Folder: folder, Case: name, Quirk: quirk, Compared: c.compared, Worst: c.worst,
		At: c.at, Want: c.want, Got: c.got, Tolerance: f.tolerance,
	}, nil
}

// Comparison gathers how results compare with what they should be.
type Comparison struct {
	compared  int
	worst     float64
	at        string
	want, got float64
	all       []Quantity
}

// Quantity is one result: what the peer says, and what we say.
type Quantity struct {
	Name      string
	Want, Got float64 // NaN: never
}

// Compare takes a result. A nil want stands for never, and so does a NaN got.
func (c *Comparison) Compare(name string, want *float64, got float64) {
	w := Never
	if want != nil {
		w = *want
	}
	e := relativeError(w, got)
	if c.compared == 0 || e > c.worst {
		c.worst, c.at, c.want, c.got = e, name, w, got
	}
	c.compared++
	c.all = append(c.all, Quantity{name, w, got})
}

// relativeError is infinite if one of the two never happens, or is 0 while the
// other is not tiny.
func relativeError(want, got float64) float64 {
	switch {
	case math.IsNaN(want) && math.IsNaN(got), want == got:
		return 0
	case math.IsNaN(want) || math.IsNaN(got):
		return math.Inf(1)
	}
	return math.Abs(want-got) / math.Max(math.Abs(want), 1e-9)
}
