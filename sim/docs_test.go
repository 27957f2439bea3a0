package sim_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

const porting = "../docs/porting-from-simgrid.md"

func text(t *testing.T, name string) string {
	t.Helper()
	bytes, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(bytes)
}

// The code in the document is that of the examples, which are run.
func TestPortingShowsTheExamples(t *testing.T) {
	examples := text(t, "example_process_test.go")
	blocks := regexp.MustCompile("(?s)```go\n(.*?)```\n").FindAllStringSubmatch(text(t, porting), -1)
	if len(blocks) < 3 {
		t.Errorf("%s has %d blocks of code", porting, len(blocks))
	}
	for _, block := range blocks {
		if !strings.Contains(examples, block[1]) {
			t.Errorf("%s shows code that is not in the examples:\n%s", porting, block[1])
		}
	}
}

// callers says of what type the variables are whose methods the document names.
var callers = map[string]reflect.Type{
	"s":       reflect.TypeFor[*sim.Simulation](),
	"p":       reflect.TypeFor[*sim.Process](),
	"a":       reflect.TypeFor[*sim.Activity](),
	"box":     reflect.TypeFor[*sim.Mailbox](),
	"mutex":   reflect.TypeFor[*sim.Mutex](),
	"sem":     reflect.TypeFor[*sim.Semaphore](),
	"barrier": reflect.TypeFor[*sim.Barrier](),
	"cond":    reflect.TypeFor[*sim.Condition](),
}

// Each of our calls and types that the document names exists.
func TestPortingNamesWhatExists(t *testing.T) {
	packages := map[string]map[string]bool{"sim": exported(t, "."), "platform": exported(t, "../platform")}
	code := regexp.MustCompile("`[^`\n]+`").FindAllString(text(t, porting), -1)
	names := regexp.MustCompile(`\b(s|p|a|box|mutex|sem|barrier|cond|sim|platform)\.([A-Z]\w*)`)
	seen := 0
	for _, span := range code {
		for _, name := range names.FindAllStringSubmatch(span, -1) {
			seen++
			if of, ok := packages[name[1]]; ok {
				if !of[name[2]] {
					t.Errorf("%s names %s, which package %s does not have", porting, name[0], name[1])
				}
				continue
			}
			of := callers[name[1]]
			_, method := of.MethodByName(name[2])
			_, field := of.Elem().FieldByName(name[2])
			if !method && !field {
				t.Errorf("%s names %s, which %v does not have", porting, name[0], of)
			}
		}
	}
	if seen < 100 {
		t.Errorf("%s names only %d of our calls; is it still written like that?", porting, seen)
	}
}

// exported returns what a package exports, but for methods.
func exported(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(dir, err)
	}
	all := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			switch decl := decl.(type) {
			case *ast.FuncDecl:
				all[decl.Name.Name] = all[decl.Name.Name] || decl.Recv == nil
			case *ast.GenDecl:
				for _, spec := range decl.Specs {
					switch spec := spec.(type) {
					case *ast.TypeSpec:
						all[spec.Name.Name] = true
					case *ast.ValueSpec:
						for _, name := range spec.Names {
							all[name.Name] = true
						}
					}
				}
			}
		}
	}
	return all
}

// theirs are the calls that the document has to have an answer for: those of
// Table 6 of the thesis, and the ones of S4U and its plugins that programs use.
var theirs = `MSG_vm_create MSG_vm_destroy MSG_vm_start MSG_vm_shutdown MSG_vm_migrate MSG_vm_set_params MSG_vm_get_state MSG_vm_get_pm
MSG_vm_suspend MSG_vm_resume MSG_vm_save MSG_vm_restore MSG_vm_set_bound MSG_vm_set_affinity
load_platform run run_until set_config get_clock
get_speed get_load get_core_count set_pstate turn_on turn_off create_vm get_property
start suspend resume shutdown destroy set_pm get_pm set_bound set_ramsize get_state
on_start on_started on_suspend on_resume on_shutdown on_migration_start on_migration_end
create execute exec_init sleep_for sleep_until join kill daemonize on_exit
set_flops_amount set_priority set_thread_count wait cancel get_remaining
sendto sendto_async set_rate put get put_async
set_bandwidth set_latency set_sharing_policy get_usage NetZone Disk Io Mutex Semaphore Barrier ConditionVariable
sg_vm_live_migration_plugin_init sg_vm_migrate sg_vm_create_migratable sg_vm_set_dirty_page_intensity
sg_vm_set_working_set_memory sg_vm_set_migration_speed sg_host_energy_plugin_init sg_host_get_consumed_energy
sg_host_get_current_consumption sg_host_load_plugin_init sg_link_energy_plugin_init
network/model network/TCP-gamma network/bandwidth-factor network/latency-factor network/weight-S network/crosstraffic
contexts/stack-size maxmin/precision surf/precision plugin:host_energy tracing --log`

func TestPortingHasEveryCall(t *testing.T) {
	doc := text(t, porting)
	for _, call := range strings.Fields(theirs) {
		if !regexp.MustCompile(`(^|[^\w])` + regexp.QuoteMeta(call) + `($|[^\w])`).MatchString(doc) {
			t.Errorf("%s does not say what %s is here", porting, call)
		}
	}
}
