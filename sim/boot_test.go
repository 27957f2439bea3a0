package sim

import (
	"fmt"
	"math"
	"testing"

	"github.com/dvms-project/dvms/cluster"
)

// bootHost adds a host of cores that do a unit of work a second, with a disk.
func bootHost(t *testing.T, s *Simulation, cores int, disk DiskSpec) (HostID, DiskID) {
	t.Helper()
	h, err := s.AddHost(HostSpec{Name: fmt.Sprint("host ", s.Hosts()), Cores: cores, Speeds: []Speed{1}, Memory: 64 * cluster.GiB})
	if err != nil {
		t.Fatal(err)
	}
	disk.Host = h
	d, err := s.AddDisk(disk)
	if err != nil {
		t.Fatal(err)
	}
	return h, d
}

func bootVM(t *testing.T, s *Simulation, h HostID, spec VMSpec) VMID {
	t.Helper()
	spec.Name, spec.Host, spec.VCPUs, spec.Memory = fmt.Sprint("vm", s.VMs()), h, 1, cluster.GiB
	id, err := s.AddVM(spec)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// bootTimes returns how long each of some boots takes that are begun together,
// beside VMs that burn a core each.
func bootTimes(t *testing.T, cores, boots, burning int, disk DiskSpec, spec BootSpec) []float64 {
	t.Helper()
	s := New()
	h, d := bootHost(t, s, cores, disk)
	for range burning {
		bootVM(t, s, h, VMSpec{Demand: 1})
	}
	spec.Image = d
	times := make([]float64, boots)
	for i := range times {
		id := bootVM(t, s, h, VMSpec{Off: true})
		done := func(err error) {
			if err != nil || s.State(id) != VMRunning {
				t.Fatalf("boot of VM %d: %v, and it is %v", id, err, s.State(id))
			}
			times[i] = float64(s.Now())
		}
		if err := s.Boot(id, spec, Then(done), 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Run(3600); err != nil {
		t.Fatal(err)
	}
	return times
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, x := range x {
		sum += x
	}
	return sum / float64(len(x))
}

// measuredBoots are published means of boot times in seconds: 1 or 6 VMs boot
// at once, beside none or 12 that burn a core each [9]. They are the corners of
// 78 cases for each host; the cases between are not part of this project.
var measuredBoots = []struct {
	host    string
	cores   int
	io, cpu Seconds
	times   map[[2]int]float64 // by VMs that boot, and that burn CPU
}{
	{"C1", 4, 2.82, 7.75, map[[2]int]float64{{1, 0}: 10.1, {1, 12}: 25.0, {6, 0}: 18.9, {6, 12}: 40.4}},
	{"C2", 6, 3.00, 8.43, map[[2]int]float64{{1, 0}: 11.6, {1, 12}: 18.8, {6, 0}: 17.2, {6, 12}: 33.3}},
	{"C3", 8, 2.98, 8.28, map[[2]int]float64{{1, 0}: 11.1, {1, 12}: 16.3, {6, 0}: 16.1, {6, 12}: 25.8}},
}

func TestBootTimesAreCloseToMeasuredOnes(t *testing.T) {
	for _, m := range measuredBoots {
		for phases := 2; phases <= 5; phases++ {
			var ours, constant float64
			for vms, measured := range m.times {
				spec := BootSpec{CPU: m.cpu, IO: m.io, Phases: phases}
				got := mean(bootTimes(t, m.cores, vms[0], vms[1], SSD, spec))
				if phases == 3 {
					t.Logf("%s, %d boot, %2d burn: %5.2f s, measured %4.1f s: %+.1f %%", m.host, vms[0], vms[1], got, measured, 100*(got/measured-1))
				}
				ours += math.Abs(got-measured) / measured / float64(len(m.times))
				constant += math.Abs(float64(m.cpu+m.io)-measured) / measured / float64(len(m.times))
			}
			t.Logf("%s, %d phases: mean error %.1f %%, of a constant time %.1f %%", m.host, phases, 100*ours, 100*constant)
			if ours > 0.10 {
				t.Errorf("%s, %d phases: boot times are off by %.1f %% on average, want 10 %% at most", m.host, phases, 100*ours)
			}
			if constant < 3*ours {
				t.Errorf("%s, %d phases: a constant time is off by %.1f %%, which is less than 3 times our %.1f %%", m.host, phases, 100*constant, 100*ours)
			}
		}
	}
}

// The thesis says of its boot model that it has "deviations within 2 seconds in
// case of CPU contention, and 10 seconds in average for I/O contention". What it
// was compared with there is not published; here it is the means of [9], where six
// VMs that boot at once contend for the disk.
func TestBootTimesDeviateByNoMoreThanTheThesisSays(t *testing.T) {
	var cpu, io []float64
	for _, m := range measuredBoots {
		for vms, measured := range m.times {
			got := mean(bootTimes(t, m.cores, vms[0], vms[1], SSD, BootSpec{CPU: m.cpu, IO: m.io}))
			deviation := math.Abs(got - measured)
			switch {
			case vms[0] > 1:
				io = append(io, deviation)
			case vms[1] > 0:
				cpu = append(cpu, deviation)
			}
		}
	}
	t.Logf("mean deviation %.1f s under contention for the CPU, %.1f s for the disk", mean(cpu), mean(io))
	if mean(cpu) > 2 || mean(io) > 10 {
		t.Errorf("mean deviation %.1f s under contention for the CPU, %.1f s for the disk; want 2 and 10 at most", mean(cpu), mean(io))
	}
}

// The thesis says of boot times that they can "fluctuate between few seconds up
// to several minutes according to the system conditions", and "may increase up
// to 50 times under high I/O contentions": here beside 18 others that read from
// the same hard disk. A disk that loses no time between accesses would make it
// 6 times.
func TestBootsAreUpToFiftyTimesAsLongBesideOthersThatRead(t *testing.T) {
	for _, c := range []struct {
		disk     DiskSpec
		at, most float64 // times as long
	}{{HDD, 50, 60}, {SSD, 5, 7}} {
		s := New()
		h, d := bootHost(t, s, 8, c.disk)
		for range 18 {
			if _, err := s.Read(d, 1<<60, 0, nil, 0); err != nil {
				t.Fatal(err)
			}
		}
		vm := bootVM(t, s, h, VMSpec{Off: true})
		spec := CloudImage
		spec.Image = d
		done := &accessEndings{}
		if err := s.Boot(vm, spec, done, 0); err != nil {
			t.Fatal(err)
		}
		run(t, s, 3600)
		alone := float64(CloudImage.CPU + CloudImage.IO)
		if len(*done) != 1 {
			t.Fatalf("%s: the boot has not ended within an hour", c.disk.Name)
		}
		if times := float64((*done)[0].at) / alone; times < c.at || times > c.most {
			t.Errorf("%s: a boot takes %.1f times as long as alone, want %v to %v", c.disk.Name, times, c.at, c.most)
		}
	}
}

// Boots that begin together do not run in step, and neither do those of every
// second or third one.
func TestBootsBeginAllOverTheCycle(t *testing.T) {
	for _, every := range []uint32{1, 2, 3, 5, 7} {
		var tenths [10]int
		const n = 1000
		for i := range uint32(n) {
			b := boot{BootSpec: BootSpec{CPU: 6, IO: 4, Phases: 3}}
			b.start(float64(every*i*golden)/(1<<32), 0.4)
			at := 0.4 * b.skipped
			if b.cpuFirst {
				at = 0.4 + 0.6*b.skipped
			}
			tenths[int(at*10)]++

			var parts [2]float64 // of the reads, of the CPU
			for step := 0; ; step++ {
				cpu, part, ok := b.phase(step)
				if !ok {
					break
				}
				if cpu {
					parts[1] += part
				} else {
					parts[0] += part
				}
			}
			if math.Abs(parts[0]-1) > 1e-12 || math.Abs(parts[1]-1) > 1e-12 {
				t.Fatalf("boot %d does %v of what it is to do", i, parts)
			}
		}
		for i, got := range tenths {
			if got < n/10-10 || got > n/10+10 {
				t.Errorf("of every boot out of %d, %d of %d begin in tenth %d of the cycle", every, got, n, i)
			}
		}
	}
}

func TestTheEmulatorComputesOnTheHost(t *testing.T) {
	for _, c := range []struct {
		cores int
		want  Seconds
	}{{2, 11}, {1, 15}} { // a core of its own, or half a second of the boot's for each
		s := New()
		h, d := bootHost(t, s, c.cores, SSD)
		vm := bootVM(t, s, h, VMSpec{Off: true})
		spec := CloudImage
		spec.Image, spec.Overhead = d, 0.5
		done := &accessEndings{}
		if err := s.Boot(vm, spec, done, 7); err != nil {
			t.Fatal(err)
		}
		run(t, s, 100)
		done.want(t, accessEnding{c.want, 7, nil})
	}
}
