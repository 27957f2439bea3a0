package sim

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// "[Migration time] was approximately 12 seconds, and the transferred data
// size [...] approximately 1500 MB": the thesis behind DVMS, section 5.3.2, on
// a VM of 1 GB that writes 40 MB/s over a link of 1 Gbit/s.
func TestPrecopyOfTheThesis(t *testing.T) {
	m, ok := Precopy(1e9, 40e6, cluster.Gigabit, 30*time.Millisecond)
	if !ok || !near(m.Duration().Seconds(), 12, 0.03) || !near(float64(m.Bytes), 1500e6, 0.03) {
		t.Errorf("%v and %d bytes, converged %v; want about 12s and 1500 MB", m.Duration(), m.Bytes, ok)
	}
	if m.Downtime > 30*time.Millisecond || m.Downtime == 0 {
		t.Errorf("downtime %v, want at most 30ms", m.Downtime)
	}
}

func TestPrecopyDoesNotConvergeIfMemoryIsWrittenFasterThanSent(t *testing.T) {
	m, ok := Precopy(cluster.GiB, 2*cluster.Gigabit, cluster.Gigabit, 30*time.Millisecond)
	if ok || m.Bytes < 3*cluster.GiB || m.Downtime < time.Second {
		t.Errorf("%+v, converged %v; want more than 3 GiB sent and a long downtime", m, ok)
	}
	if _, ok := Precopy(cluster.GiB, 0, 0, 0); ok {
		t.Error("a copy converges without bandwidth")
	}
}

// One of two vCPUs computes, so the VM writes at half its rate.
func TestPrecopyPredictsTheSimulation(t *testing.T) {
	settings := DefaultSettings()
	settings.Latency = 0
	for _, dirty := range []cluster.BytesPerSecond{0, 20e6, 60e6, 100e6, 124e6, 200e6} {
		s := NewWith(settings)
		addHosts(s, 2, cluster.Core, 8*cluster.GiB)
		vm := s.AddVM(VMSpec{Host: 0, VCPUs: 2, Memory: cluster.GiB, DirtyRate: 2 * dirty, Demand: 1000})
		got := migrate(t, s, vm, 1)
		s.Run(time.Hour)
		want, _ := Precopy(cluster.GiB, dirty, cluster.Gigabit, settings.Downtime)
		if !near(got.Duration().Seconds(), want.Duration().Seconds(), 1e-6) || got.Rounds != want.Rounds || got.Converged != want.Converged {
			t.Errorf("dirty %v: simulated %+v, predicted %+v", dirty, *got, want)
		}
	}
}

// Durations and bytes that SimGrid 3.32 gives for a VM of 2 GiB on a core,
// that writes 60 MiB/s at full load. Its network model LV08 has 97 % of the
// bandwidth of a link and 13.01 times its latency.
func TestMigrationsAgreeWithSimGrid(t *testing.T) {
	settings := DefaultSettings()
	settings.Latency = 1301 * time.Microsecond
	settings.MaxRounds, settings.MaxFactor = 0, 0 // SimGrid has no limit
	for _, c := range []struct {
		name     string
		load     cluster.Millicores
		speed    cluster.BytesPerSecond
		others   int // fully loaded VMs on the source
		rounds   int
		duration float64
		bytes    float64
		downtime float64
	}{
		{"idle", 0, 0, 0, 2, 17.71380734433, 2147483648, 0.001301},
		{"20 %", 200, 0, 0, 4, 19.76538926186, 2395922463, 0.02124605567},
		{"40 %", 400, 0, 0, 6, 22.35765790103, 2709919543, 0.008463358763},
		{"60 %", 600, 0, 0, 7, 25.72305702062, 3117816440, 0.01801629072},
		{"80 %", 800, 0, 0, 9, 30.28843017113, 3671052442, 0.01783784124},
		{"100 %", 1000, 0, 0, 11, 36.81248224948, 4461778264, 0.0277598866},
		{"100 %, one other", 1000, 0, 1, 6, 23.91864273402, 2899188954, 0.02257454227},
		{"100 %, two others", 1000, 0, 2, 5, 21.41942104948, 2596316071, 0.01742325155},
		{"80 %, 75 % of the link", 800, 93_750_000, 0, 12, 49.46237131733, 4635633686, 0.02727151733},
		{"80 %, half the link", 800, 62_500_000, 0, 35, 176.597085176, 11034471886, 0.028492488},
		{"40 %, a quarter of the link", 400, 31_250_000, 0, 38, 353.094166608, 11032647769, 0.029465032},
	} {
		s := NewWith(settings)
		for range 2 {
			s.AddHost(HostSpec{CPU: cluster.Core, Memory: 16 * cluster.GiB, Up: 121_250_000, Down: 121_250_000})
		}
		spec := VMSpec{Host: 0, VCPUs: 1, Memory: 2 * cluster.GiB, DirtyRate: 62_914_560, Demand: c.load, MigrationSpeed: c.speed}
		vm := s.AddVM(spec)
		for range c.others {
			addVM(s, 0, 1000)
		}
		m := migrate(t, s, vm, 1)
		s.Run(time.Hour)
		if !near(m.Duration().Seconds(), c.duration, 1e-7) || !near(float64(m.Bytes), c.bytes, 1e-7) ||
			!near(m.Downtime.Seconds(), c.downtime, 1e-5) || m.Rounds != c.rounds {
			t.Errorf("%s: %+v, SimGrid says %vs, %v bytes, %vs of downtime in %d rounds", c.name, *m, c.duration, c.bytes, c.downtime, c.rounds)
		}
	}
}

// Two VMs at 60 % load leave a host, the second 5 s after the first; durations
// from SimGrid 3.32, as above.
func TestConcurrentMigrationsAgreeWithSimGrid(t *testing.T) {
	settings := DefaultSettings()
	settings.Latency = 1301 * time.Microsecond
	s := NewWith(settings)
	for range 3 {
		s.AddHost(HostSpec{CPU: 4 * cluster.Core, Memory: 16 * cluster.GiB, Up: 121_250_000, Down: 121_250_000})
	}
	spec := VMSpec{Host: 0, VCPUs: 1, Memory: 2 * cluster.GiB, DirtyRate: 62_914_560, Demand: 600}
	a, b := s.AddVM(spec), s.AddVM(spec)
	first := migrate(t, s, a, 1)
	s.Run(5 * time.Second)
	second := migrate(t, s, b, 2)
	s.Run(time.Hour)
	for m, want := range map[*Migration]float64{first: 80.62126109072, second: 80.61144520825} {
		if !near(m.Duration().Seconds(), want, 1e-6) {
			t.Errorf("%+v takes %v, want %vs", *m, m.Duration(), want)
		}
	}
}

func TestTwoMigrationsOutOfOneHostTakeTwiceAsLong(t *testing.T) {
	alone := New()
	addHosts(alone, 3, 4*cluster.Core, 16*cluster.GiB)
	one := migrate(t, alone, addVM(alone, 0, 1000), 1)
	alone.Run(time.Hour)

	s := New()
	addHosts(s, 3, 4*cluster.Core, 16*cluster.GiB)
	for target := range HostID(2) {
		m := migrate(t, s, addVM(s, 0, 1000), target+1)
		defer func() {
			if !near(m.Duration().Seconds(), 2*one.Duration().Seconds(), 1e-3) {
				t.Errorf("takes %v beside another and %v alone, want twice as long", m.Duration(), one.Duration())
			}
		}()
	}
	s.Run(time.Hour)
}

func TestASuspendedVMGetsNoCPUAndThatIsLost(t *testing.T) {
	s := New()
	addHosts(s, 2, cluster.Core, 8*cluster.GiB)
	vm := s.AddVM(VMSpec{Host: 0, VCPUs: 1, Memory: cluster.GiB, DirtyRate: 60e6, Demand: 800})
	m := migrate(t, s, vm, 1)
	s.Run(time.Hour)
	d := s.Delivered(vm)
	if m.Downtime == 0 || d.Short != m.Downtime || !near(float64(d.Lost), 0.8*m.Downtime.Seconds(), 1e-9) {
		t.Errorf("%+v, want 0.8 cores lost during the downtime of %v", d, m.Downtime)
	}
}

func TestAVMWithoutMemoryMovesInTwoRoundsOfLatency(t *testing.T) {
	s := New()
	addHosts(s, 2, cluster.Core, 0)
	m := migrate(t, s, s.AddVM(VMSpec{Host: 0, VCPUs: 1, Demand: 1000, DirtyRate: 60e6}), 1)
	s.Run(time.Hour)
	if want := 2 * s.Settings().Latency; m.Duration() != want || !m.Converged || m.Downtime != want/2 {
		t.Errorf("%+v, want it to take %v", *m, want)
	}
}

func TestAVMThatIsGivenLessCPUWritesLess(t *testing.T) {
	bytes := func(others int) cluster.Bytes {
		s := New()
		addHosts(s, 2, cluster.Core, 16*cluster.GiB)
		vm := s.AddVM(VMSpec{Host: 0, VCPUs: 1, Memory: cluster.GiB, DirtyRate: 60e6, Demand: 1000})
		for range others {
			addVM(s, 0, 1000)
		}
		m := migrate(t, s, vm, 1)
		s.Run(time.Hour)
		return m.Bytes
	}
	if alone, crowded := bytes(0), bytes(3); alone < crowded*5/4 {
		t.Errorf("%v are sent for a VM alone, %v for one of four; want more when it is alone", alone, crowded)
	}
}

// As in Xen: the last round begins when more than 3 times the memory was sent.
func TestACopyThatDoesNotConvergeIsCutShort(t *testing.T) {
	s := New()
	addHosts(s, 2, cluster.Core, 16*cluster.GiB)
	vm := s.AddVM(VMSpec{Host: 0, VCPUs: 1, Memory: cluster.GiB, DirtyRate: 200e6, Demand: 1000})
	m := migrate(t, s, vm, 1)
	s.Run(time.Hour)
	// 1 + 0.9 + 0.9 + 0.9 is the first sum above 3; then the last 0.9.
	if m.Converged || m.Failed || m.Rounds != 5 || !near(float64(m.Bytes), 4.6*float64(cluster.GiB), 1e-6) {
		t.Errorf("%+v, want 5 rounds and 4.6 times the memory", *m)
	}
	if want := 0.9 * float64(cluster.GiB) / 125e6; !near(m.Downtime.Seconds(), want, 1e-3) {
		t.Errorf("downtime %v, want %vs", m.Downtime, want)
	}
	if s.HostOf(vm) != 1 {
		t.Error("the VM has not moved")
	}
}

func TestACopyHasAtMost30Rounds(t *testing.T) {
	settings := DefaultSettings()
	settings.MaxFactor, settings.Downtime = 0, 0
	s := NewWith(settings)
	addHosts(s, 2, cluster.Core, 16*cluster.GiB)
	vm := s.AddVM(VMSpec{Host: 0, VCPUs: 1, Memory: cluster.GiB, DirtyRate: 100e6, Demand: 1000})
	m := migrate(t, s, vm, 1)
	s.Run(time.Hour)
	if m.Rounds != 30 || m.Converged {
		t.Errorf("%+v, want to give up after 30 rounds", *m)
	}
}

func TestMigrationsAreRefusedWithAReason(t *testing.T) {
	s := New()
	addHosts(s, 3, cluster.Core, 2*cluster.GiB)
	a, b, c := addVM(s, 0, 0), addVM(s, 0, 0), addVM(s, 2, 0)
	addVM(s, 1, 0)
	refused := func(vm VMID, to HostID, want error) {
		t.Helper()
		if err := s.Migrate(vm, to, nil); !errors.Is(err, want) {
			t.Errorf("VM %d to host %d: %v, want %v", vm, to, err, want)
		}
	}
	refused(a, 0, ErrSameHost)
	migrate(t, s, a, 1)
	refused(a, 2, ErrMigrating)
	refused(c, 1, ErrNoRoom) // promised to a
	refused(c, 0, ErrNoRoom) // a counts until it has gone
	s.Run(time.Minute)
	if err := s.Migrate(c, 0, nil); err != nil {
		t.Error(err)
	}
	if err := s.Abort(b); !errors.Is(err, ErrNotMigrating) {
		t.Errorf("abort of what does not migrate: %v", err)
	}
}

func TestAnAbortedMigrationLeavesTheVMAtTheSource(t *testing.T) {
	for _, at := range []time.Duration{0, 50 * time.Microsecond, 4 * time.Second, 9 * time.Second} {
		s := New()
		addHosts(s, 2, cluster.Core, 8*cluster.GiB)
		vm := s.AddVM(VMSpec{Host: 0, VCPUs: 1, Memory: cluster.GiB, DirtyRate: 200e6, Demand: 1000})
		m := migrate(t, s, vm, 1)
		s.Run(at)
		if err := s.Abort(vm); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.Migrating(vm); ok || s.HostOf(vm) != 0 || s.MemoryPromised(1) != 0 || s.Share(vm) != 1000 {
			t.Errorf("at %v: the VM is on %d, %v promised", at, s.HostOf(vm), s.MemoryPromised(1))
		}
		s.Run(time.Hour)
		sent := max(0, at-100*time.Microsecond).Seconds() * 125e6
		if !m.Failed || m.Converged || m.End != at || !near(float64(m.Bytes), sent, 1e-3) {
			t.Errorf("at %v: %+v, want it failed after %v bytes", at, *m, sent)
		}
		if s.HostOf(vm) != 0 {
			t.Errorf("at %v: the VM moves later", at)
		}
	}
}

func TestAbortWhileTheVMIsSuspendedResumesIt(t *testing.T) {
	s := New()
	addHosts(s, 2, cluster.Core, 8*cluster.GiB)
	vm := s.AddVM(VMSpec{Host: 0, VCPUs: 1, Memory: cluster.GiB, DirtyRate: 200e6, Demand: 1000})
	m := migrate(t, s, vm, 1)
	for s.Share(vm) > 0 {
		s.Run(s.Now() + 100*time.Millisecond)
	}
	s.Run(s.Now() + time.Second)
	if err := s.Abort(vm); err != nil {
		t.Fatal(err)
	}
	s.Run(time.Hour)
	if d := s.Delivered(vm); s.Share(vm) != 1000 || d.Short != m.Downtime || m.Downtime < time.Second {
		t.Errorf("share %v, %+v after %+v; want it to run again", s.Share(vm), d, *m)
	}
}

func BenchmarkMigrations(b *testing.B) {
	for _, hosts := range []int{64, 1_024} {
		b.Run(fmt.Sprintf("%d hosts", hosts), func(b *testing.B) {
			s := New()
			addHosts(s, hosts, 8*cluster.Core, 64*cluster.GiB)
			rng := rand.New(rand.NewPCG(1, 2))
			ended := 0
			var again func(Migration)
			again = func(m Migration) {
				ended++
				for s.Migrate(m.VM, HostID(rng.IntN(hosts)), again) != nil {
				}
			}
			for i := range hosts {
				vm := s.AddVM(VMSpec{Host: HostID(i), VCPUs: 1, Memory: cluster.GiB, DirtyRate: 50e6, Demand: 600})
				again(Migration{VM: vm})
			}
			s.Run(time.Minute)
			before := s.Events()
			ended = 0
			for b.Loop() {
				s.Run(s.Now() + time.Second)
			}
			b.ReportMetric(float64(s.Events()-before)/b.Elapsed().Seconds(), "events/s")
			b.ReportMetric(float64(ended)/b.Elapsed().Seconds(), "migrations/s")
		})
	}
}
