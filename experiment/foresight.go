package experiment

import (
	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/experiment/injector"
	"github.com/dvms-project/dvms/sim"
)

// foresight is a source of changes that takes them from another one some at a
// time, and reads what making them is going to read, for all of them at once, so
// that the waits for memory overlap: with many hosts these are most of what a
// change costs. It changes nothing else.
type foresight struct {
	world  *world
	source injector.Source
	coming []injector.Change // taken, the first ones given
	given  int
	vms    []sim.VMID // of coming
	read   int64      // means nothing; see look

	// By place in vms: its host, and the first VM there.
	hosts      [sight]sim.HostID
	neighbours [sight]sim.VMID
}

const none = -1

// sight is how many changes are taken at a time.
const sight = 32

func newForesight(w *world, source injector.Source) *foresight {
	return &foresight{world: w, source: source, coming: make([]injector.Change, 0, sight), vms: make([]sim.VMID, 0, sight)}
}

// Next returns the next change.
func (f *foresight) Next() (injector.Change, bool) {
	if f.given == len(f.coming) {
		f.take()
	}
	if f.given == len(f.coming) {
		return injector.Change{}, false
	}
	f.given++
	return f.coming[f.given-1], true
}

func (f *foresight) take() {
	f.coming, f.vms, f.given = f.coming[:0], f.vms[:0], 0
	for len(f.coming) < sight {
		c, ok := f.source.Next()
		if !ok {
			break
		}
		f.coming = append(f.coming, c)
		f.vms = append(f.vms, sim.VMID(c.VM))
	}
	f.look()
}

// look reads what a change of each of the VMs is going to read. What has to be
// known to find the next thing is read for all of them first.
func (f *foresight) look() {
	w := f.world
	w.sim.Expect(f.vms)
	read := int64(0)
	for i, vm := range f.vms {
		h := w.sim.HostOf(vm)
		f.hosts[i] = h
		read += int64(w.hosts[h].demand) + int64(w.hosts[h].phase) + int64(w.violations.hosts[h].vms)
	}
	for i := range f.vms {
		f.neighbours[i] = none
		if hosted := w.sim.Hosted(f.hosts[i]); len(hosted) > 0 {
			f.neighbours[i] = hosted[0]
		}
		if h := &w.hosts[f.hosts[i]]; h.monitor.Quiet(cluster.Resources{}, h.capacity) {
			read++
		}
	}
	for i := range f.vms {
		if vm := f.neighbours[i]; vm != none {
			read += int64(w.asked[vm])
		}
	}
	f.read = read // or the reads would be left out
}
