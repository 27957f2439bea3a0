package demo_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/dvms-project/dvms/agent"
	"github.com/dvms-project/dvms/demo"
)

// The test program is also the program of an agent's process.
const asAgent = "DVMS_TEST_AGENT"

func TestMain(m *testing.M) {
	if os.Getenv(asAgent) == "" {
		goleak.VerifyTestMain(m)
		return
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	if err := demo.Agent(context.Background(), os.Stdin, os.Stdout, log); err != nil {
		log.Error("the agent has failed", "err", err)
		os.Exit(1)
	}
}

func processes(t *testing.T) []string {
	t.Helper()
	t.Setenv(asAgent, "yes")
	return []string{os.Args[0]}
}

// run runs a demonstration and reports what is not as it should be.
func run(t *testing.T, s demo.Settings) demo.Summary {
	t.Helper()
	var mu sync.Mutex
	s.Say = func(e demo.Event) {
		mu.Lock()
		defer mu.Unlock()
		t.Logf("%6.2f s %-9s %s", e.At.Seconds(), e.Kind, e.Text)
	}
	sum, err := demo.Run(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(sum, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", text)
	if !sum.Passed {
		t.Error("the demonstration has not passed")
	}
	return sum
}

// Real sockets, real certificates: eight agents repair what overloads them, and
// what they did replays.
func TestAgentsRepairOverloads(t *testing.T) {
	t.Parallel()
	logs := t.TempDir()
	sum := run(t, demo.Settings{Agents: 8, Seed: 1, Overloads: 5, Every: 100 * time.Millisecond, Logs: logs})
	if sum.Overloads < 5 || sum.Repaired != sum.Overloads || sum.Migrations == 0 || sum.Outcomes["solved"] == 0 || sum.Refused != 0 {
		t.Errorf("%+v", sum)
	}
	files, err := filepath.Glob(filepath.Join(logs, "*.jsonl"))
	if err != nil || len(files) != 8 {
		t.Fatalf("%d logs, %v", len(files), err)
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := agent.Replay(file, nil); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		file.Close()
	}
}

// One agent dies while it carries out a plan, and comes back: those that it had
// reserved are free within the bound, and no VM is lost.
func TestLeaderDiesInMidPlan(t *testing.T) {
	if testing.Short() {
		t.Skip("it waits for a lease to end")
	}
	t.Parallel()
	sum := run(t, demo.Settings{Agents: 5, Seed: 1, Overloads: 2, Every: 200 * time.Millisecond, Kill: 1, Return: time.Second})
	if len(sum.Kills) != 1 || !sum.Kills[0].InPlan || sum.Kills[0].Members == 0 {
		t.Errorf("%+v", sum.Kills)
	}
}

// A host is emptied and VMs are started while hosts are overloaded; agents on two
// sites find out who is close.
func TestRequestsAndSites(t *testing.T) {
	t.Parallel()
	sum := run(t, demo.Settings{
		Agents: 8, Seed: 1, Overloads: 3, Every: 100 * time.Millisecond, Sites: 2, Spiral: true,
		Drains: []demo.Drain{{At: 500 * time.Millisecond, Node: 3}}, Places: []demo.Place{{At: 200 * time.Millisecond, VMs: 2}},
	})
	if len(sum.Drains) != 1 || !sum.Drains[0].Emptied || sum.Drains[0].Node != "n3" || sum.Drains[0].Left != 0 {
		t.Errorf("%+v", sum.Drains)
	}
	if len(sum.Places) != 1 || sum.Places[0].Running != 2 || sum.VMs != 82 {
		t.Errorf("%+v", sum.Places)
	}
	if sum.Overlay != "spiral" || sum.Sites != 2 || sum.Within == 0 || sum.Within > sum.Migrations || sum.Spread < 1 {
		t.Errorf("%+v", sum)
	}
}

// Two hosts can't do without one of them: it stays as it is, and the summary says
// why.
func TestDrainThatIsImpossible(t *testing.T) {
	t.Parallel()
	sum, err := demo.Run(t.Context(), demo.Settings{Agents: 2, Seed: 1, For: time.Second, Every: time.Hour, Drains: []demo.Drain{{Node: 1}}})
	if err != nil || sum.Passed || len(sum.Drains) != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	if d := sum.Drains[0]; d.Emptied || d.Left != 10 || !strings.HasPrefix(d.Reasons, "can't leave: v") {
		t.Errorf("%+v", d)
	}
}

// A demonstration that is told to end at once ends, and leaves nobody behind.
func TestInterruptedDemo(t *testing.T) {
	for name, program := range map[string][]string{"goroutines": nil, "processes": processes(t)} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			sum, err := demo.Run(ctx, demo.Settings{Agents: 3, Seed: 1, For: time.Hour, Program: program})
			if err != nil || sum.Overloads != 0 || sum.VMs != 30 {
				t.Errorf("%+v, %v", sum, err)
			}
		})
	}
}

func TestBadSettings(t *testing.T) {
	for name, s := range map[string]demo.Settings{
		"one agent":  {Agents: 1},
		"many":       {Agents: 1000},
		"kills":      {Agents: 4, Kill: -1},
		"kills all":  {Agents: 4, Kill: 4},
		"for":        {Agents: 4, For: -1},
		"a negative": {Agents: 4, Cut: -1},
		"sites":      {Agents: 9, Sites: 5},
		"few hosts":  {Agents: 2, Sites: 3},
		"no host":    {Agents: 4, Drains: []demo.Drain{{Node: 5}}},
		"too late":   {Agents: 4, For: time.Second, Drains: []demo.Drain{{At: time.Minute}}},
		"no VMs":     {Agents: 4, Places: []demo.Place{{VMs: 0}}},
	} {
		if _, err := demo.Run(t.Context(), s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := demo.Run(t.Context(), demo.Settings{Agents: 2, Program: []string{filepath.Join(t.TempDir(), "none")}}); err == nil {
		t.Error("a program that is not there: no error")
	}
}

// The network is cut into halves for longer than a lease: both repair what they
// can, and know each other again afterwards.
func TestLongCut(t *testing.T) {
	if os.Getenv("DVMS_LONG") == "" {
		t.Skip("set DVMS_LONG=1 to run it")
	}
	if sum := run(t, demo.Settings{Agents: 12, Seed: 2, For: time.Minute, Cut: 15 * time.Second}); sum.Cuts != 1 || sum.Repaired < 10 {
		t.Errorf("%d cuts, %d overloads repaired", sum.Cuts, sum.Repaired)
	}
}

// Sixteen processes, fifty overloads, five of them killed with kill -9, at random
// moments and in the midst of plans that they lead. It takes two minutes:
//
//	DVMS_LONG=1 go test ./demo -run Long -v
func TestLongWithKills(t *testing.T) {
	if os.Getenv("DVMS_LONG") == "" {
		t.Skip("set DVMS_LONG=1 to run it")
	}
	program := processes(t)
	sum := run(t, demo.Settings{Agents: 16, Seed: 1, Overloads: 50, Kill: 5, Return: 10 * time.Second, Program: program})
	plans := 0
	for _, k := range sum.Kills {
		if k.InPlan {
			plans++
		}
	}
	if sum.Overloads < 50 || len(sum.Kills) != 5 || plans == 0 {
		t.Errorf("%d overloads, %d kills, %d of leaders in mid-plan", sum.Overloads, len(sum.Kills), plans)
	}
}
