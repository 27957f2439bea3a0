package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/snapshot"
)

// example is the snapshot that docs/planning.md walks through.
const example = "../../examples/snapshots/eight-hosts.json"

// The example has one expected output for each form. go test ./cmd/dvms -rewrite
// writes the outputs anew.
func TestExampleSnapshot(t *testing.T) {
	for _, form := range []string{"table", "json", "virsh", "dot", "bench"} {
		got := strings.ReplaceAll(dvms(t, "plan", example, "--output", form), version(), "VERSION")
		compareSummary(t, "eight-hosts-"+form, got)
	}
}

// Every field of the JSON form is described.
func TestFieldsOfPlansAreDescribed(t *testing.T) {
	docs, err := os.ReadFile("../../docs/planning.md")
	if err != nil {
		t.Fatal(err)
	}
	four, night := "../../examples/snapshots/four-hosts.json", "../../examples/rules/night.yaml"
	for _, args := range [][]string{
		{example, "--explain", "db-2"},
		{four, "--goal", "consolidate", "--rules", night},
		{four, "--goal", "level"},
		{four, "--drain", "kvm1,kvm2,kvm3"},
	} {
		var stdout, stderr bytes.Buffer
		run(t.Context(), append([]string{"plan", "--json"}, args...), &stdout, &stderr)
		for line := range strings.Lines(stdout.String()) {
			if key, _, ok := strings.Cut(strings.TrimSpace(line), ": "); ok && !strings.Contains(string(docs), "`"+strings.Trim(key, `"`)+"`") {
				t.Errorf("docs/planning.md does not describe %s", key)
			}
		}
	}
}

// dvms runs a command line that is to end well, and returns what it prints.
func dvms(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), args, &stdout, &stderr); code != 0 {
		t.Fatalf("dvms %q: exit code %d: %s", args, code, stderr.String())
	}
	return stdout.String()
}

// planOf writes the plan for a snapshot to a file and returns its name.
func planOf(t *testing.T, file, form string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(name, []byte(dvms(t, "plan", file, "--output", form)), 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

// Every instance of the solver bench up to 8 nodes, and the plain repairs up to 32,
// ends in a plan that the bench's own checker accepts, and ours.
func TestBenchInstances(t *testing.T) {
	bench := "../../../shared/bench/solver"
	if _, err := os.Stat(filepath.Join(bench, "gen.py")); err != nil {
		t.Skipf("the solver bench is not here: %v", err)
	}
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skipf("the solver bench needs python3: %v", err)
	}
	dir := t.TempDir()
	if out, err := exec.Command(python, filepath.Join(bench, "gen.py"), "--suite", dir, "--max-nodes", "32").CombinedOutput(); err != nil {
		t.Fatalf("gen.py: %v\n%s", err, out)
	}
	instances, _ := filepath.Glob(filepath.Join(dir, "*.json"))
	instances = slices.DeleteFunc(instances, func(file string) bool {
		name := filepath.Base(file)
		return strings.Contains(name, "-32-") && !(strings.HasPrefix(name, "repair-") && strings.Contains(name, "-plain-"))
	})
	if len(instances) < 60 {
		t.Fatalf("%d instances", len(instances))
	}
	judge := []string{"-c", judgeAll, bench}
	for _, file := range instances {
		p := planOf(t, file, "bench")
		judge = append(judge, file, p)
		dvms(t, "check", file, p)
		dvms(t, "check", file, planOf(t, file, "json"))
	}
	out, err := exec.Command(python, judge...).CombinedOutput()
	if want := fmt.Sprintf("%d plans accepted\n", len(instances)); err != nil || string(out) != want {
		t.Errorf("the bench's checker: %v\n%s", err, out)
	}
}

// judgeAll has the bench's checker look at pairs of an instance and a plan, all in
// one process: to start one takes longer than to check a plan.
const judgeAll = `
import json, sys
sys.path.insert(0, sys.argv[1])
import check
accepted = 0
for instance, plan in zip(sys.argv[2::2], sys.argv[3::2]):
    verdict = check.check(json.load(open(instance)), json.load(open(plan)))
    accepted += verdict["ok"]
    if not verdict["ok"]:
        print(instance, verdict["errors"])
print(accepted, "plans accepted")
`

// cycle is a proposal in which VMs of n1 and n2 change places, which takes a
// detour by n3. The names are as odd as libvirt allows.
func cycle(t *testing.T) *proposal {
	t.Helper()
	c := &cluster.Configuration{
		Nodes: []cluster.Node{
			{ID: 0, Name: "n1", Capacity: cluster.Of(1000, 4)},
			{ID: 1, Name: "root@n2.example.org", Capacity: cluster.Of(1000, 4)},
			{ID: 2, Name: "[fd00::3]:2222", Capacity: cluster.Of(1000, 4)},
		},
		VMs: []cluster.VM{
			{ID: 0, Name: `it's $(touch pwned) "x"; #\`, Demand: cluster.Of(900, 3)}, {ID: 1, Name: "--yes & `b` *", Demand: cluster.Of(900, 2)},
		},
		Host: []int32{0, 1},
	}
	p, err := plan.Make(c, []int32{1, 0})
	if err != nil {
		t.Fatal(err)
	}
	return &proposal{
		request: request{Snapshot: snapshot.Snapshot{Name: "odd\nrm -rf /", Configuration: c}, goal: "repair"}, c: c, end: carriedOut(c, p), plan: p,
		result: placement.Result{Answer: placement.Viable, Cost: 5, Moved: 5, Bound: 4},
	}
}

func TestReasonsOfACycle(t *testing.T) {
	p := cycle(t)
	var got []string
	for _, step := range p.moves() {
		for _, m := range step {
			got = append(got, m.reason)
		}
	}
	want := []string{
		"breaks a cycle, goes on to n1 in step 3", "makes room for --yes & `b` *",
		`ends its detour; makes room for it's $(touch pwned) "x"; #\`,
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if score, want := p.score(), "5B moved (7B with detours), lower bound 4B, at most 25.0 % above the least; 3 moves in 3 steps; K 14B; 0 search steps"; score != want {
		t.Errorf("got %s, want %s", score, want)
	}
}

// A step of many moves is made in groups; each move is still waited for.
func TestVirshScriptsStartFewAtOnce(t *testing.T) {
	s, err := snapshot.Read(largeCluster(200))
	if err != nil {
		t.Fatal(err)
	}
	f := planFlags{effort: 1, bandwidth: rate{"", cluster.Gigabit}, disk: rate{"", cluster.Gigabit}}
	p, err := propose(request{Snapshot: s, goal: "repair", explain: cluster.Nowhere}, &f)
	if err != nil {
		t.Fatal(err)
	}
	text, err := p.virsh()
	if err != nil {
		t.Fatal(err)
	}
	most, running := 0, 0
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "virsh ") {
			running++
		}
		if strings.HasPrefix(line, "wait ") {
			running--
		}
		most = max(most, running)
	}
	if len(p.plan.Actions) < 20 || most != migrationsAtOnce || running != 0 {
		t.Errorf("%d moves, at most %d at once, %d never waited for", len(p.plan.Actions), most, running)
	}
}

func TestAmountsInWords(t *testing.T) {
	for b, want := range map[cluster.Bytes]string{
		0: "0B", 1000: "1kB", 512 * cluster.MiB: "512MiB", cluster.GiB: "1GiB", 258560 * cluster.MiB: "252.5GiB", 10*cluster.GiB + 1: "10GiB",
	} {
		if got := inWords(b); got != want {
			t.Errorf("%d: %s, want %s", b, got, want)
		}
	}
	got := excess(cluster.Memory, cluster.Of(0, 10*cluster.GiB+1), cluster.Of(0, 10*cluster.GiB))
	if want := "memory 10737418241B of 10GiB"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestNamesOfHosts(t *testing.T) {
	for name, ok := range map[string]bool{
		"kvm1": true, "kvm1.example.org": true, "root@kvm1": true, "10.0.0.1": true, "kvm1:2222": true, "[fd00::1]": true,
		"": false, "-oProxyCommand=x": false, "a b": false, "kvm1/session": false, "kvm1?command=x": false, "kvm1\n": false,
		"a@b@c": false, "fd00::1": false, "-x@kvm1": false, "kvm1#": false, "$(x)": false,
	} {
		if hostName.MatchString(name) != ok {
			t.Errorf("%q: %v, want %v", name, !ok, ok)
		}
	}
}

func TestDotQuotesNames(t *testing.T) {
	text, err := cycle(t).dot()
	if err != nil {
		t.Fatal(err)
	}
	if want := `"1: --yes & ` + "`b`" + ` *, 2B\nstep 1"`; !strings.Contains(string(text), want) {
		t.Errorf("no %s in\n%s", want, text)
	}
	if want := `it's $(touch pwned) \"x\"; #\\`; !strings.Contains(string(text), want) {
		t.Errorf("no %s in\n%s", want, text)
	}
}

// largeCluster is a snapshot of nodes with ten VMs each, of which every
// eighth is overloaded.
func largeCluster(nodes int) []byte {
	c := &cluster.Configuration{}
	for n := range nodes {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: fmt.Sprintf("node%d", n), Capacity: cluster.Of(7*cluster.Core, 32*cluster.GiB)})
		for i := range 10 {
			demand := cluster.Millicores(400 + 50*((n+i)%5))
			if n%8 == 0 {
				demand += 250
			}
			c.VMs = append(c.VMs, cluster.VM{
				ID: cluster.VMID(len(c.VMs)), Name: fmt.Sprintf("vm-%d", len(c.VMs)), VCPUs: 1,
				Demand: cluster.Of(demand, cluster.Bytes(1+i%3)*cluster.GiB),
			})
			c.Host = append(c.Host, int32(n))
		}
	}
	text, err := c.JSON()
	if err != nil {
		panic(err)
	}
	return text
}

// One second for 1000 nodes and 10,000 VMs is what we promise an operator; the
// benchmark says how much of it is used.
func BenchmarkPlan1000Nodes(b *testing.B) {
	file := filepath.Join(b.TempDir(), "large.json")
	if err := os.WriteFile(file, largeCluster(1000), 0o666); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	for b.Loop() {
		var stdout, stderr bytes.Buffer
		if code := run(b.Context(), []string{"plan", file}, &stdout, &stderr); code != 0 {
			b.Fatal(stderr.String())
		}
	}
	b.ReportMetric(time.Since(began).Seconds()/float64(b.N), "s/plan")
}
