package bench_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/dvms-project/dvms/bench"
)

// generator is the one that the published figures are of, beside the repository.
const generator = "../../shared/bench/solver/gen.py"

// The instances are those of the solver bench, byte for byte, so that what is
// known of the one is known of the other. DVMS_BENCH_NODES raises the size up
// to which they are compared.
func TestInstancesAreThoseOfTheBench(t *testing.T) {
	if _, err := os.Stat(generator); err != nil {
		t.Skip("the solver bench is not beside the repository")
	}
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3 to run the generator of the bench with")
	}
	dir, most := t.TempDir(), "44"
	if text := os.Getenv("DVMS_BENCH_NODES"); text != "" {
		most = text
	}
	if out, err := exec.Command("python3", generator, "--suite", dir, "--max-nodes", most).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	specs := map[string]bench.Spec{}
	for _, s := range bench.Suite(1 << 20) {
		specs[s.Name()+".json"] = s
	}
	for _, file := range files {
		s, ok := specs[filepath.Base(file)]
		if !ok {
			t.Errorf("the suite has no %s", filepath.Base(file))
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := bench.Make(s).JSON(); !bytes.Equal(got, want) {
			t.Errorf("%s differs: %d bytes, and %d by the generator of the bench", s.Name(), len(got), len(want))
		}
	}
	t.Logf("%d instances compared", len(files))
}
