package dvms_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/dvms-project/dvms/"

// layers says what each package may import of this module. Imports point one
// way: from the worlds that drive the decision code, to that code, to the model.
var layers = []struct {
	pkg    string
	may    []string
	reason string
}{
	{"cluster", nil, "the model is what everything else speaks of"},
	{"rule", []string{"cluster"}, "what is wanted does not depend on how it is reached"},
	{"placement", []string{"cluster", "rule"}, "a solver sees a configuration and rules, and nothing else"},
	{"placement/placementtest", []string{"cluster", "plan/check", "rule"}, "what is best must not depend on the solver that looks for it"},
	{"plan", []string{"cluster", "rule"}, "a plan must not depend on how its goal was found"},
	{"plan/check", []string{"cluster", "plan", "rule"}, "a checker that shares code with what it checks shares its mistakes"},
	{"snapshot", []string{"cluster", "internal/spell", "plan", "rule"}, "what a file says does not depend on what is done about it"},
	{"monitor", []string{"cluster"}, "when to look is not what to do"},
	{"overlay", []string{"cluster", "overlay/vivaldi"}, "who is next does not depend on why"},
	{"overlay/vivaldi", nil, "it knows round trips, not clusters"},
	{"protocol", []string{"cluster", "monitor", "overlay", "plan", "rule"}, "the solver is called by the driver; see protocol.Solve"},
	{"strategy", []string{"cluster", "monitor", "overlay", "placement", "plan", "protocol", "rule"}, "strategies are compared in the simulator, so they can't know it"},
	{"sim", []string{"cluster"}, "a simulator that knows its schedulers can't be fair to them"},
	{"platform", []string{"cluster", "internal/settings", "internal/spell", "sim"}, "a platform is hosts and links, whoever uses them"},
	{"trace", []string{"cluster"}, "a trace is read by programs that have no simulator"},
	{"report", []string{"cluster", "trace"}, "a report is made from traces alone"},
	{"validation", []string{"sim"}, "what the models predict does not depend on who uses them"},
	{"bench", []string{"cluster", "placement", "plan", "plan/check", "rule", "sim", "snapshot"}, "what is measured is what the others use; how long it takes is for the caller to measure"},
	{"batch", []string{"cluster", "internal/settings", "placement", "plan", "sim", "strategy"}, "it drives the decisions, and no other world does"},
	{"internal/settings", []string{"internal/spell"}, "how a file is checked does not depend on what it sets"},
	{"internal/spell", nil, "it knows words, not clusters"},
	{"internal/java", nil, "it repeats the Java library, not DVMS"},
	{"experiment/injector", []string{"cluster", "internal/java"}, "a workload does not depend on who schedules it"},
	{"hypervisor/emulated", []string{"cluster", "plan", "protocol", "sim"}, "a hypervisor does what it is told, whoever decides"},
	{"wire", []string{"cluster", "plan", "protocol"}, "what is said does not depend on how it travels"},
	{"membership", []string{"cluster"}, "who is there does not depend on what they do"},
	{"transport", []string{"cluster", "membership", "protocol", "wire"}, "it carries what agents say, and decides nothing"},
	{"agent", []string{"cluster", "monitor", "overlay", "protocol", "rule", "strategy", "wire"}, "it drives one node; its host and its peers are interfaces, and the simulator is another world"},
	{"replay", []string{"agent", "cluster", "plan", "protocol", "sim", "trace"}, "it drives what agents have recorded by the simulator's clock"},
	{"demo", []string{"agent", "cluster", "hypervisor/emulated", "membership", "monitor", "overlay", "protocol", "transport"}, "it wires agents to emulated hosts, and has no command line"},
	{"protocol/protocoltest", []string{"cluster", "overlay", "plan", "protocol", "rule", "strategy"}, "tests of the protocol run without the simulator"},
	{"protocol/explorer", []string{"cluster", "overlay", "protocol", "protocol/protocoltest", "strategy"}, "what is explored is the protocol, and no world that simulates it"},
	{"experiment", []string{"cluster", "experiment/injector", "internal/settings", "internal/spell", "monitor", "overlay", "plan", "protocol", "report", "rule", "sim", "strategy", "trace"}, "it wires the simulated world, and has no command line"},
}

// pure are the packages of the decision code and the simulator. The same input
// gives the same output, on any machine, at any time.
var pure = []string{"cluster", "rule", "placement", "plan", "plan/check", "snapshot", "monitor", "overlay", "overlay/vivaldi", "protocol", "protocol/explorer", "strategy", "sim", "validation", "platform", "batch", "bench", "internal/settings", "internal/spell", "internal/java", "experiment/injector", "wire", "membership"}

// bannedImports says which packages the pure ones must not import, and why.
var bannedImports = map[string]string{
	"crypto/rand": "random numbers come from a seed that is passed in",
	"math/rand":   "its global source hides; use math/rand/v2 with a seed",
	"net":         "messages are outputs; see protocol.Send",
	"os":          "files are opened by cmd, and passed in",
	"sync":        "one goroutine owns the core",
	"syscall":     "the core does no I/O",
	"log":         "what happened is an output, or a trace record",
}

// bannedCalls says which functions the pure packages must not call, and why.
var bannedCalls = map[string]string{
	"time.Now":       "now is an argument of Step",
	"time.Since":     "now is an argument of Step",
	"time.Until":     "now is an argument of Step",
	"time.Sleep":     "waiting is an output; see protocol.SetTimer",
	"time.After":     "waiting is an output; see protocol.SetTimer",
	"time.AfterFunc": "waiting is an output; see protocol.SetTimer",
	"time.NewTimer":  "waiting is an output; see protocol.SetTimer",
	"time.NewTicker": "waiting is an output; see protocol.SetTimer",
	"time.Tick":      "waiting is an output; see protocol.SetTimer",
}

// seeded are the functions of math/rand/v2 that do not use its global source.
var seeded = []string{"New", "NewPCG", "NewChaCha8", "NewZipf", "Rand", "PCG", "ChaCha8", "Source", "Zipf"}

type source struct {
	pkg  string // relative to the module
	name string
	file *ast.File
}

// sources parses every file of the module that is not a test.
func sources(t *testing.T) (*token.FileSet, []source) {
	t.Helper()
	set := token.NewFileSet()
	var all []source
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() && name != "." && (strings.HasPrefix(base, ".") || base == "testdata" || base == "tools") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(base, ".go") || strings.HasSuffix(base, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(set, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		all = append(all, source{path.Dir(filepath.ToSlash(name)), name, file})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no Go files found")
	}
	return set, all
}

func TestImportsPointOneWay(t *testing.T) {
	set, all := sources(t)
	for _, s := range all {
		layer := slices.IndexFunc(layers, func(l struct {
			pkg    string
			may    []string
			reason string
		},
		) bool {
			return l.pkg == s.pkg
		})
		if layer < 0 {
			if !strings.HasPrefix(s.pkg, "cmd/") {
				t.Errorf("%s: package %s has no layer; add it to the list, with its reason", s.name, s.pkg)
			}
			continue
		}
		for _, spec := range s.file.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			imported, ours := strings.CutPrefix(name, module)
			if ours && !slices.Contains(layers[layer].may, imported) {
				t.Errorf("%s: %s must not import %s: %s", set.Position(spec.Pos()), s.pkg, imported, layers[layer].reason)
			}
		}
	}
}

func TestCoreIsPure(t *testing.T) {
	set, all := sources(t)
	seen := map[string]bool{}
	for _, s := range all {
		if !slices.Contains(pure, s.pkg) {
			continue
		}
		seen[s.pkg] = true
		for _, spec := range s.file.Imports {
			name, _ := strconv.Unquote(spec.Path.Value)
			for banned, reason := range bannedImports {
				if name == banned || strings.HasPrefix(name, banned+"/") && name != "math/rand/v2" {
					t.Errorf("%s: %s must not import %s: %s", set.Position(spec.Pos()), s.pkg, name, reason)
				}
			}
			if (name == "time" || name == "math/rand/v2") && spec.Name != nil {
				t.Errorf("%s: %s must import %s under its own name, so that this test sees what is called", set.Position(spec.Pos()), s.pkg, name)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s: a goroutine in %s: the order in which goroutines run is not ours to choose", set.Position(n.Pos()), s.pkg)
			case *ast.SelectorExpr:
				x, ok := n.X.(*ast.Ident)
				if !ok {
					return true
				}
				call := x.Name + "." + n.Sel.Name
				if reason, banned := bannedCalls[call]; banned {
					t.Errorf("%s: %s in %s: %s", set.Position(n.Pos()), call, s.pkg, reason)
				}
				if x.Name == "rand" && importsRand(s.file) && !slices.Contains(seeded, n.Sel.Name) {
					t.Errorf("%s: %s in %s draws from the global source; pass a seeded one", set.Position(n.Pos()), call, s.pkg)
				}
			}
			return true
		})
	}
	for _, pkg := range pure {
		if !seen[pkg] {
			t.Errorf("no files of %s were seen; is it still called that?", pkg)
		}
	}
}

func importsRand(f *ast.File) bool {
	return slices.ContainsFunc(f.Imports, func(spec *ast.ImportSpec) bool {
		return spec.Path.Value == `"math/rand/v2"` && spec.Name == nil
	})
}
