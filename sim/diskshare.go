package sim

import (
	"cmp"
	"math"
	"slices"
	"sort"
)

// A disk is one server: whatever it does takes its time, and the time is shared
// equally among its accesses. An access that is alone moves its bytes at the
// read or write bandwidth of the disk; one that gets a third of the time moves
// them at a third of it, whether the other two read or write. An access with a
// cap takes no more time than its cap needs, and leaves the rest to the others
// (max-min). SimGrid's disks bound the sum of the reads, the sum of the writes
// and the sum of both, each by a bandwidth of its own; so they let a disk that
// writes slowly read beside it, which one head or one controller does not. For
// a disk that reads as fast as it writes the two laws are the same.
//
// A disk of which several accesses ask at once loses time between them: n of
// them get 1/(1+Degrade*(n-1)) of its time together.
//
// Accesses without a cap get the same part of the time, so that one number says
// how far they all are: the service of a disk is how much of its time each would
// have got that was there from the beginning. An access that starts now and needs
// the disk for 3 s ends when the service is 3 s more than now, however many come
// and go meanwhile. What comes and goes so costs O(log n) among n. Those with a cap
// are accounted for one by one.

// disk is a disk and the accesses that run on it.
type disk struct {
	spec     DiskSpec
	next     int32   // disk of the same host, plus 1
	uncapped []int32 // accesses that run without a cap: a heap, with the one on top that ends first
	capped   []int32 // accesses that run with a cap, in the order of what they want
	level    float64 // the part of the time that each of those without a cap gets
	service  float64 // at date since, in seconds
	since    Seconds // date up to which accesses are accounted for
	due      int32   // the one that ends first
	timer    Timer   // of that
}

// running returns how many accesses share the disk.
func (device *disk) running() int { return len(device.uncapped) + len(device.capped) }

// begin lets an access have its part of the disk, and pause takes it away.
func (d *disks) begin(i int32) {
	a := &d.accesses[i]
	device := &d.disks[a.disk]
	d.advance(device)
	if a.capped() {
		d.insert(device, i)
	} else {
		a.end = device.service + a.left/a.bandwidth
		d.push(device, i)
	}
	d.share(a.disk)
}

func (d *disks) pause(i int32) {
	a := &d.accesses[i]
	device := &d.disks[a.disk]
	d.advance(device)
	a.left = a.leftAt(d.sim.now, device)
	d.remove(device, i)
	d.share(a.disk)
}

// stop takes the disk away from all.
func (d *disks) stop(id DiskID) {
	device := &d.disks[id]
	d.advance(device)
	device.uncapped, device.capped = device.uncapped[:0], device.capped[:0]
	d.share(id)
}

// rate returns how many bytes an access to the disk moves per second.
func (a *access) rate(device *disk) float64 {
	if !a.runs() {
		return 0
	}
	return min(a.cap, device.level*a.bandwidth)
}

// leftAt returns the bytes that an access to the disk has yet to move.
func (a *access) leftAt(now Seconds, device *disk) float64 {
	elapsed := float64(now - device.since)
	switch {
	case !a.runs():
		return a.left
	case a.capped():
		return max(0, a.left-float64(a.rate(device)*elapsed))
	}
	service := device.service + float64(device.level*elapsed)
	return max(0, float64((a.end-service)*a.bandwidth))
}

// lasts returns how long an access to the disk still takes at its present rate,
// if it runs and is accounted for up to now.
func (a *access) lasts(device *disk) Seconds {
	switch {
	case !a.capped():
		return Seconds(max(0, a.end-device.service) / device.level)
	case a.left == 0:
		return 0
	}
	return Seconds(a.left / a.rate(device))
}

// advance accounts for what the accesses have moved since the last time.
func (d *disks) advance(device *disk) {
	for _, i := range device.capped {
		a := &d.accesses[i]
		a.left = a.leftAt(d.sim.now, device)
	}
	if len(device.uncapped) > 0 {
		device.service += float64(device.level * float64(d.sim.now-device.since))
	}
	device.since = d.sim.now
}

// share gives the accesses of a disk, which are accounted for up to now, their
// part of it, and plans the end of the one that ends first.
func (d *disks) share(id DiskID) {
	device := &d.disks[id]
	d.sim.Cancel(device.timer)
	device.timer = Timer{}
	if len(device.uncapped) == 0 {
		device.service = 0 // the smaller it is, the more exact
	}
	if device.running() == 0 {
		return
	}
	device.level = d.level(device)
	first := Forever
	if len(device.uncapped) > 0 {
		device.due = device.uncapped[0]
		first = d.accesses[device.due].lasts(device)
	}
	for _, i := range device.capped {
		if lasts := d.accesses[i].lasts(device); lasts < first {
			first, device.due = lasts, i
		}
	}
	device.timer = d.sim.At(d.sim.now+first, d, uint64(id))
}

// level returns how much of the disk's time an access gets at most. Those with
// the smallest caps are served first, as long as an equal part of what is left
// satisfies them; the others get that part. It is infinite if all are
// satisfied.
func (d *disks) level(device *disk) float64 {
	n := device.running()
	left := 1 / (1 + float64(device.spec.Degrade*float64(n-1)))
	for k, i := range device.capped {
		part, wants := left/float64(n-k), d.accesses[i].wants()
		if wants > part {
			return part
		}
		left -= wants
	}
	if len(device.uncapped) == 0 {
		return math.Inf(1)
	}
	return left / float64(len(device.uncapped))
}

// ended takes the disk, which is accounted for up to now, away from the access
// that is due, and from those that end at the same date: what is left to them is
// too little for the clock. It returns them in the order in which they started.
func (d *disks) ended(device *disk) []int32 {
	now := d.sim.now
	d.ending = append(d.ending[:0], device.due)
	d.remove(device, device.due)
	for len(device.uncapped) > 0 && now+d.accesses[device.uncapped[0]].lasts(device) <= now {
		d.ending = append(d.ending, device.uncapped[0])
		d.remove(device, device.uncapped[0])
	}
	device.capped = slices.DeleteFunc(device.capped, func(i int32) bool {
		ends := now+d.accesses[i].lasts(device) <= now
		if ends {
			d.ending = append(d.ending, i)
		}
		return ends
	})
	slices.SortFunc(d.ending, func(i, j int32) int {
		return cmp.Compare(d.accesses[i].started, d.accesses[j].started)
	})
	return d.ending
}

// remove takes an access out of those that run on its disk.
func (d *disks) remove(device *disk, i int32) {
	if d.accesses[i].capped() {
		k := slices.Index(device.capped, i)
		device.capped = slices.Delete(device.capped, k, k+1)
		return
	}
	n := len(device.uncapped) - 1
	last := device.uncapped[n]
	device.uncapped = device.uncapped[:n]
	if k := d.accesses[i].place; last != i {
		d.down(device, k, last)
		d.up(device, d.accesses[last].place, last)
	}
}

// insert puts an access with a cap in its place, behind those that want the same.
func (d *disks) insert(device *disk, i int32) {
	wants := d.accesses[i].wants()
	k := sort.Search(len(device.capped), func(k int) bool { return d.accesses[device.capped[k]].wants() > wants })
	device.capped = slices.Insert(device.capped, k, i)
}

// push puts an access without a cap into the heap.
func (d *disks) push(device *disk, i int32) {
	device.uncapped = append(device.uncapped, i)
	d.up(device, int32(len(device.uncapped)-1), i)
}

// before reports whether access i, without a cap, ends before j. Of those that are
// alike the one does that started before.
func (d *disks) before(i, j int32) bool {
	a, b := &d.accesses[i], &d.accesses[j]
	return a.end < b.end || a.end == b.end && a.started < b.started
}

// put makes place k of a heap that of access i.
func (d *disks) put(heap []int32, k, i int32) {
	heap[k], d.accesses[i].place = i, k
}

// up puts access i in the free place k of the heap or, as long as it ends before
// its parent, in its parent's place.
func (d *disks) up(device *disk, k, i int32) {
	heap := device.uncapped
	for k > 0 {
		parent := (k - 1) / 2
		if d.before(heap[parent], i) {
			break
		}
		d.put(heap, k, heap[parent])
		k = parent
	}
	d.put(heap, k, i)
}

// down puts access i in the free place k of the heap or, as long as one of its
// children ends before it, in the place of the first of them.
func (d *disks) down(device *disk, k, i int32) {
	heap := device.uncapped
	for {
		child := 2*k + 1
		if int(child) >= len(heap) {
			break
		}
		if int(child)+1 < len(heap) && d.before(heap[child+1], heap[child]) {
			child++
		}
		if d.before(i, heap[child]) {
			break
		}
		d.put(heap, k, heap[child])
		k = child
	}
	d.put(heap, k, i)
}
