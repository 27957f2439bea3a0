package demo_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
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
	} {
		if _, err := demo.Run(t.Context(), s); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := demo.Run(t.Context(), demo.Settings{Agents: 2, Program: []string{filepath.Join(t.TempDir(), "none")}}); err == nil {
		t.Error("a program that is not there: no error")
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
