package experiment

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

type kept []trace.Violation

func (k *kept) Record(r trace.Record) { *k = append(*k, r.(trace.Violation)) }

// A host of 7 cores, as in VMPlaceS: "equality is viable", a further increase
// does not begin another violation, and a VM that migrates counts on its
// source until it has arrived.
func TestViolationAccounting(t *testing.T) {
	const a, b = 0, 1
	gib := cluster.GiB
	at := func(s int) time.Duration { return time.Duration(s) * time.Second }
	cpu := func(percent int) cluster.Resources {
		return cluster.Of(cluster.Millicores(percent)*10, 8*gib)
	}
	capacity := cluster.Of(7*cluster.Core, 32*gib)
	for _, c := range []struct {
		name string
		play func(v *violations)
		want []trace.Violation
	}{
		{"equality is viable", func(v *violations) {
			v.changed(at(0), a, cpu(700), 7)
			v.cut(at(100))
		}, nil},
		{"one violation until the VM has left", func(v *violations) {
			v.changed(at(0), a, cpu(700), 8)
			v.changed(at(10), a, cpu(710), 8) // the eighth VM: 0 to 10
			v.changed(at(20), a, cpu(730), 8) // and more
			v.changed(at(40), a, cpu(630), 7) // one of 100 has left
		}, []trace.Violation{{At: at(10), Duration: at(30), Host: "a", Lost: 300}}},
		{"an arrival that overloads its target", func(v *violations) {
			v.changed(at(0), b, cpu(650), 7)
			v.changed(at(40), b, cpu(750), 8)
			v.changed(at(50), b, cpu(600), 8)
		}, []trace.Violation{{At: at(40), Duration: at(10), Host: "b", Arrival: true, Lost: 500}}},
		{"an arrival in the middle of a violation changes neither its beginning nor its kind", func(v *violations) {
			v.changed(at(0), b, cpu(650), 7)
			v.changed(at(35), b, cpu(710), 7)
			v.changed(at(40), b, cpu(810), 8)
			v.changed(at(60), b, cpu(700), 8)
		}, []trace.Violation{{At: at(35), Duration: at(25), Host: "b", Lost: 1100}}},
		{"open at the end", func(v *violations) {
			v.changed(at(90), a, cpu(800), 8)
			v.cut(at(100))
		}, []trace.Violation{{At: at(90), Duration: at(10), Host: "a", Lost: 1000, Open: true}}},
		{"memory counts", func(v *violations) {
			v.changed(at(5), a, cluster.Of(cluster.Core, 33*gib), 8)
			v.changed(at(6), a, cluster.Of(cluster.Core, 32*gib), 7)
		}, []trace.Violation{{At: at(5), Duration: at(1), Host: "a", Resource: cluster.Memory}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got kept
			v := newViolations([]cluster.Resources{capacity, capacity}, func(h int) string { return []string{"a", "b"}[h] }, &got)
			c.play(v)
			if diff := cmp.Diff(c.want, []trace.Violation(got)); diff != "" {
				t.Errorf("want -, got +:\n%s", diff)
			}
			if v.open != 0 {
				t.Errorf("%d violations are still open", v.open)
			}
		})
	}
}
