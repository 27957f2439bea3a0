package validation

import (
	"io/fs"
	"path"
	"strings"
	"testing"
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
		} else {
			t.Log(r.Case, r.Compared, r.Worst)
		}
	}
}
