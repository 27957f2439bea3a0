package sim

import (
	"fmt"
	"testing"
)

// world is a simulation whose calls must not fail.
type world struct {
	*Simulation
	t *testing.T
}

func newWorld(t *testing.T) world { return world{New(), t} }

func newOriginalWorld(t *testing.T) world {
	settings := DefaultSettings()
	settings.Law = Original
	s, err := NewWith(settings)
	if err != nil {
		t.Fatal(err)
	}
	return world{s, t}
}

func (w world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// host adds a host of cores of 1 Gflop/s, without a model of memory.
func (w world) host(name string, cores int) HostID {
	w.t.Helper()
	id, err := w.AddHost(HostSpec{Name: name, Cores: cores, Speeds: []Speed{Giga}})
	w.must(err)
	return id
}

func (w world) vm(name string, on HostID, vcpus int) VMID {
	w.t.Helper()
	id, err := w.AddVM(VMSpec{Name: name, Host: on, VCPUs: vcpus})
	w.must(err)
	return id
}

// endless begins an execution that does not end during the test.
func (w world) endless(at Place, priority float64) Exec {
	w.t.Helper()
	return w.exec(at, ExecSpec{Work: 1e6 * Giga, Priority: priority}, nil)
}

func (w world) exec(at Place, spec ExecSpec, done Completion) Exec {
	w.t.Helper()
	e, err := w.Execute(at, spec, done, 0)
	w.must(err)
	return e
}

func (w world) run(until Seconds) {
	w.t.Helper()
	w.must(w.Run(until))
}

// ended is a Completion that keeps what it was told, as "date: error".
type ended struct{ what []string }

func (e *ended) Completed(now Seconds, arg uint64, err error) {
	e.what = append(e.what, fmt.Sprintf("%d at %v: %v", arg, float64(now), err))
}
