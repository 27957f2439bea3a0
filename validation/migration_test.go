package validation

import (
	"fmt"
	"io/fs"
	"math"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/sim"
)

func TestMigrationsOfThePeer(t *testing.T) {
	compared := 0
	for _, r := range replayFolder(t, "migration") {
		if !r.OK() || r.Compared == 0 {
			t.Errorf("%s: %s is %v, want %v: off by %.2g (%d compared)", r.Case, r.At, r.Got, r.Want, r.Worst, r.Compared)
		}
		compared += r.Compared
	}
	if compared < 2000 {
		t.Errorf("only %d quantities were compared", compared)
	}
}

// rightAnswers replays a case under the right law and returns our values. edit
// changes the case before.
func rightAnswers(t *testing.T, name string, edit ...string) map[string]float64 {
	t.Helper()
	data, err := fs.ReadFile(Cases(), "migration/"+name+".json")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	for i := 0; i < len(edit); i += 2 {
		if !strings.Contains(text, edit[i]) {
			t.Fatalf("%s does not say %s", name, edit[i])
		}
		text = strings.ReplaceAll(text, edit[i], edit[i+1])
	}
	var c Comparison
	if err := replayMigration([]byte(text), sim.Right, &c); err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, q := range c.all {
		got[q.Name] = q.Got
	}
	return got
}

func expect(t *testing.T, got map[string]float64, name string, want float64) {
	t.Helper()
	if value, ok := got[name]; !ok || relativeError(want, value) > 1e-9 {
		t.Errorf("%s is %v, want %v", name, value, want)
	}
}

// How fast a VM writes does not depend on how fast it may be sent: at half the
// speed it does not converge, as in the case where the peer was told twice the
// intensity.
func TestACapDoesNotScaleTheDirtyRate(t *testing.T) {
	const dirty = `"dirty_bytes_per_s_at_one_full_core": `
	got := rightAnswers(t, "quirk_cap_scales_dirty_rate", dirty+"31457280", dirty+"62914560")
	expect(t, got, "VM: end", Never)
	same := rightAnswers(t, "cap50_load100")
	expect(t, got, "VM: transfer 5: bytes", same["VM: transfer 5: bytes"])
	expect(t, got, "VM: transfer 5: start", same["VM: transfer 5: start"])
}

// A VM whose traffic has no cap writes its memory too. The case tells the peer's
// outcome as a dirty rate of 1 B/s; with what was meant, the migration takes as
// long as with a cap of the whole link.
func TestAMigrationWithoutACapFindsMemoryWritten(t *testing.T) {
	const dirty = `"dirty_bytes_per_s_at_one_full_core": `
	got := rightAnswers(t, "quirk_no_speed_cap", dirty+"1}", dirty+"62914560}")
	expect(t, got, "VM: end", rightAnswers(t, "load_LV08_100")["VM: end"])
}

// Executions that were placed on a VM from outside stand still with it, and then
// run at the speed of its new host: 2 of them in a VM of 2 vCPUs, beside 1 on the
// host, on 2 cores of 2 Gflop/s, get 4/3 each.
func TestOutsideExecutionsAfterAMigration(t *testing.T) {
	got := rightAnswers(t, "quirk_outside_exec_after_migration")
	paused, resumed := got["VM: suspended"], got["VM: resumed"]
	expect(t, got, "VM: end", 21.41942104948) // as the peer has it
	for _, at := range []float64{30, 40, 50} {
		for task, before := range map[string]float64{"w0": paused * 1e9, "w1": paused * 1e9, "d": resumed * 2e9} {
			done := before + (at-resumed)*4e9/3
			name := fmt.Sprintf("remaining of %s at %v", task, at)
			if value := got[name]; math.Abs(1e14-value-done) > 1 {
				t.Errorf("%s is %v, want %v", name, value, 1e14-done)
			}
		}
	}
}

// A flow of a VM stands still in the pause, and then leaves from the new host and
// shares the link to its target with the flow that is there.
func TestAFlowOfAVMAfterAMigration(t *testing.T) {
	const link = 0.97 * 125e6
	got := rightAnswers(t, "quirk_vm_flow_after_migration")
	paused, resumed := got["VM: suspended"], got["VM: resumed"]
	expect(t, got, "VM: end", 53.13621803299) // as the peer has it
	// Three flows leave the source until the pause; each pays 1.301 ms first. The
	// transfer of the pause is empty.
	sent := (paused - 0.001301) * link / 3
	other := sent + (resumed-paused)*link
	ends := resumed + (10e9-sent)/(link/2)
	other += 10e9 - sent
	expect(t, got, "flow 0", ends)
	expect(t, got, "flow 1", ends+(20e9-other)/link)
}

func TestMigrationCasesThatMakeNoSense(t *testing.T) {
	data, err := fs.ReadFile(Cases(), "migration/load_LV08_60.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ from, to, says string }{
		{`"LV08"`, `"LV09"`, "LV09"},
		{`"dst": "DST"`, `"dst": "X"`, `"X"`},
		{`"on": "VM"`, `"on": "X"`, `"X"`},
		{`"host": "SRC"`, `"host": "X"`, `"X"`},
		{`"flows": []`, `"flows": [{"src": "VM", "dst": "DST", "bytes": 1}]`, "0 dates of 1 flows"},
		{`"ops": []`, `"ops": [{}]`, "operations"},
		{`"result": [`, `"result": [{},`, "2 results of 1 migrations"},
		{`"horizon": 3600`, `"horizon": -1`, "-1"},
		{`"t": 0`, `"t": -1`, "-1"},
		{`"ram_bytes": 2147483648`, `"ram_bytes": -1`, "memory"},
		{`"mig_speed": 125000000`, `"mig_speed": -1`, "migration speed"},
		{`"nic_latency": 5e-05`, `"nic_latency": -1`, "latency"},
		{`"note"`, `"noet"`, "noet"},
	} {
		text := strings.Replace(string(data), test.from, test.to, 1)
		_, err := Replay("migration", "broken", []byte(text))
		if err == nil || !strings.Contains(err.Error(), test.says) || text == string(data) {
			t.Errorf("%s instead of %s: error %v does not say %s", test.to, test.from, err, test.says)
		}
	}
	i := strings.Index(string(data), "[[1,")
	j := strings.Index(string(data), "]]") + 2
	text := string(data[:i]) + "[]" + string(data[j:])
	if _, err := Replay("migration", "broken", []byte(text)); err == nil || !strings.Contains(err.Error(), "no transfers") {
		t.Errorf("no transfers: %v", err)
	}
}
