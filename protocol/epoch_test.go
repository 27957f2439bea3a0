package protocol

import (
	"testing"

	"pgregory.net/rapid"
)

// An epoch reads as it is written. The next one is later whichever life it is of,
// and in a later life of the same node later again.
func TestEpochs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := Epoch(rapid.Uint64Max(uint64(never-2*Change)).Draw(t, "epoch"))
		life := rapid.Uint16Max(1<<16-2).Draw(t, "life")
		if read, err := ParseEpoch(e.String()); err != nil || read != e {
			t.Errorf("%v reads as %v, %v", e, read, err)
		}
		if next := e.next(life); next <= e || e.next(life+1) <= next || next.next(0) <= e.next(life+1) {
			t.Errorf("%v, %v in life %d, %v in the one after", e, next, life, e.next(life+1))
		}
	})
	if read, err := ParseEpoch(never.String()); err != nil || read != never {
		t.Errorf("never reads as %v, %v", read, err)
	}
	for _, wrong := range []string{"", "-1", "3.", ".1", "3.65536", "281474976710656", "3.1.1", "3 "} {
		if e, err := ParseEpoch(wrong); err == nil {
			t.Errorf("%q reads as %v", wrong, e)
		}
	}
}
