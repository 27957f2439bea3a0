package sim

import (
	"testing"

	"github.com/dvms-project/dvms/cluster"
)

// What the checks are there for, done to a simulation from behind.
func TestChecksSeeWhatIsWrong(t *testing.T) {
	for _, k := range []struct {
		name   string
		damage func(m *machines)
		want   []string
	}{
		{"nothing", func(*machines) {}, nil},
		{"memory lost", func(m *machines) { m.hosts[0].used -= cluster.GiB }, []string{`host "a"`, "2GiB of its memory are used, but its VMs have 3GiB"}},
		{"memory promised twice", func(m *machines) { m.hosts[0].promised = 2 * cluster.GiB }, []string{`host "a"`, "3GiB are used and 2GiB promised"}},
		{"promise below zero", func(m *machines) { m.hosts[0].promised = -1 }, []string{"promised"}},
		{"VM on two hosts", func(m *machines) { m.vms[1].host = 1 }, []string{`it hosts VM "idle"`, `host "b"`}},
		{"more than there is", func(m *machines) { m.vms[0].claim.rate, m.vms[0].used = 2*Giga, 2*Giga }, []string{`VM "busy"`}},
		{"a share for nothing", func(m *machines) { m.vms[1].claim.rate, m.vms[1].used = Giga/4, Giga/4 }, []string{`VM "idle"`, "can use 0"}},
		{"a share while suspended", func(m *machines) { m.vms[0].state = VMSuspended }, []string{`VM "busy"`, "but is suspended"}},
		{"a share not used", func(m *machines) { m.vms[0].used /= 2 }, []string{`VM "busy"`, "uses"}},
		{"work not conserved", func(m *machines) {
			m.execs[1].claim.rate /= 2
			m.hosts[0].load -= m.execs[1].claim.rate
		}, []string{`host "a"`, "while somebody could use more"}},
		{"unfair", func(m *machines) {
			part := m.execs[1].claim.rate / 2
			m.execs[1].claim.rate -= part
			m.vms[0].claim.rate, m.vms[0].used = m.vms[0].claim.rate+part, m.vms[0].used+part
		}, []string{`host "a"`, "for his weight"}},
		{"the other host", func(m *machines) { m.hosts[1].load = 1 }, []string{`host "b"`, "accounted for"}},
		{"load forgotten", func(m *machines) { m.hosts[0].load = 0 }, []string{`host "a"`, "accounted for"}},
	} {
		t.Run(k.name, func(t *testing.T) {
			settings := DefaultSettings()
			settings.Check = true
			s, err := NewWith(settings)
			if err != nil {
				t.Fatal(err)
			}
			w := world{s, t}
			for _, name := range []string{"a", "b"} {
				_, err := w.AddHost(HostSpec{Name: name, Cores: 1, Speeds: []Speed{Giga}, Memory: 4 * cluster.GiB})
				w.must(err)
			}
			w.endless(HostID(1).Place(), 1)
			_, err = w.AddVM(VMSpec{Name: "busy", VCPUs: 2, Memory: cluster.GiB, Demand: 2 * Giga})
			w.must(err)
			_, err = w.AddVM(VMSpec{Name: "idle", VCPUs: 1, Memory: 2 * cluster.GiB})
			w.must(err)
			w.endless(HostID(0).Place(), 1)
			k.damage(&s.machines)
			err = s.checkTouched()
			if k.want == nil {
				w.must(err)
			} else {
				says(t, err, nil, k.want...)
			}
			if err := s.checkTouched(); err != nil {
				t.Errorf("what was checked is checked again: %v", err)
			}
		})
	}
}

func TestNothingIsKeptForChecksThatAreOff(t *testing.T) {
	w := newWorld(t)
	h := w.host("a", 1)
	w.endless(h.Place(), 1)
	if len(w.machines.touched) > 0 {
		t.Errorf("%d hosts are kept", len(w.machines.touched))
	}
}
