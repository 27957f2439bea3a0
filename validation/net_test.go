package validation

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

// replayFolder replays the cases of a folder.
func replayFolder(t *testing.T, folder string) []Result {
	t.Helper()
	names, err := fs.Glob(Cases(), path.Join(folder, "*.json"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no cases in %s: %v", folder, err)
	}
	var results []Result
	for _, name := range names {
		data, err := fs.ReadFile(Cases(), name)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Replay(folder, strings.TrimSuffix(path.Base(name), ".json"), data)
		if err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	return results
}

func TestFlowsArriveWhenThePeerSaysSo(t *testing.T) {
	for _, r := range replayFolder(t, "net") {
		if !r.OK() {
			t.Errorf("%s: %s is %v, want %v: relative error %.2g", r.Case, r.At, r.Got, r.Want, r.Worst)
		}
	}
}

func TestTasksInVMsSendWhatThePeerSays(t *testing.T) {
	for _, r := range replayFolder(t, "vmnet") {
		if !r.OK() {
			t.Errorf("%s: %s is %v, want %v: relative error %.2g", r.Case, r.At, r.Got, r.Want, r.Worst)
		}
	}
}

// The right law and the peer's differ in the dates of these cases and models;
// all other of the 1992 dates of folder net are the same.
//
// In random_08 a fat pipe is full by one of its flows, and SimGrid ends the
// growth of all others on it, though each could have its whole bandwidth. In
// the other two the peer's caps do not follow a bandwidth, and a flow that was
// resumed has lost its weight; TestSuspendedFlowsResumeAsTheyWere and
// TestCapsFollowTheBandwidth of package sim have what is right.
var changed = map[string]string{
	"bandwidth_change CM02":                "[0 2]",
	"bandwidth_change CM02_crosstraffic":   "[0 2]",
	"bandwidth_change LV08":                "[2]",
	"bandwidth_change LV08_nocrosstraffic": "[0 2]",
	"bandwidth_change LV08_tight":          "[2]",
	"bandwidth_change LV08_vmplaces":       "[2]",
	"random_08 CM02":                       "[11]",
	"random_08 CM02_crosstraffic":          "[1 2 5 6 7 8 10 11 12 13 15 16 17 18 19 20 21 22 23]",
	"random_08 LV08":                       "[1 2 5 6 7 8 10 11 12 13 15 16 17 18 19 20 21 22 23]",
	"random_08 LV08_nocrosstraffic":        "[11]",
	"random_08 LV08_tight":                 "[1 2 5 6 7 8 10 11 12 13 15 16 17 18 19 20 21 22 23]",
	"random_08 LV08_vmplaces":              "[0 1 2 3 4 5 6 7 8 10 11 12 13 16 17 18 19 20 21 22 23]",
	"suspend_resume CM02":                  "[1 2]",
	"suspend_resume CM02_crosstraffic":     "[1 2]",
	"suspend_resume LV08":                  "[1 2]",
	"suspend_resume LV08_nocrosstraffic":   "[1 2]",
	"suspend_resume LV08_tight":            "[1 2]",
	"suspend_resume LV08_vmplaces":         "[1 2]",
}

func TestTheRightLawChangesTheseDates(t *testing.T) {
	names, err := fs.Glob(Cases(), "net/*.json")
	if err != nil {
		t.Fatal(err)
	}
	dates, fat := 0, 0
	for _, name := range names {
		data, err := fs.ReadFile(Cases(), name)
		if err != nil {
			t.Fatal(err)
		}
		var c Comparison
		if err := replayNet(data, sim.Right, &c); err != nil {
			t.Fatal(err)
		}
		differ := map[string][]string{} // by model
		for _, q := range c.all {
			dates++
			if relativeError(q.Want, q.Got) > 1e-9 {
				model, flow, _ := strings.Cut(q.Name, " flow ")
				differ[model] = append(differ[model], flow)
			}
		}
		var k netCase
		if err := json.Unmarshal(data, &k); err != nil {
			t.Fatal(err)
		}
		for model := range k.Finish {
			which := strings.TrimSuffix(path.Base(name), ".json") + " " + model
			got := ""
			if len(differ[model]) > 0 {
				got = fmt.Sprint(differ[model])
			}
			if got != changed[which] {
				t.Errorf("%s: flows %s differ, want %s", which, got, changed[which])
			}
			if slices.ContainsFunc(k.Links, func(l netLink) bool { return l.Policy == "FATPIPE" }) {
				fat += len(differ[model])
			}
		}
	}
	if dates != 1992 || fat != 80 {
		t.Errorf("%d dates, %d of them changed by fat pipes; want 1992 and 80", dates, fat)
	}
}
