package validation

import (
	"testing"
)

func TestMigrationsOfThePeer(t *testing.T) {
	compared := 0
	for _, r := range replayFolder(t, "migration") {
		if !r.OK() || r.Compared == 0 {
			t.Errorf("%s: %s is %v, want %v: off by %.2g (%d compared)", r.Case, r.At, r.Got, r.Want, r.Worst, r.Compared)
		}
		t.Log(r.Case, r.Compared, r.Worst, r.At)
		compared += r.Compared
	}
	if compared < 1500 {
		t.Errorf("only %d quantities were compared", compared)
	}
}
