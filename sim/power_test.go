package sim

import (
	"math"
	"reflect"
	"testing"
)

func TestPowerIsReadAsThePeerReadsIt(t *testing.T) {
	for _, c := range []struct {
		states, off string
		want        Power
	}{
		{"100:200", "", Power{States: []PowerState{{100, 100, 200}}}},
		{"100:120:200", "10", Power{States: []PowerState{{100, 120, 200}}, Off: 10}},
		{
			" 95.5:120:200, 93:115:170 ,90:150", " 9.75 ",
			Power{States: []PowerState{{95.5, 120, 200}, {93, 115, 170}, {90, 90, 150}}, Off: 9.75},
		},
		{"0:0:0", "0", Power{States: []PowerState{{}}}},
	} {
		got, err := ParsePower(c.states, c.off)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%q, %q: %+v, %v; want %+v", c.states, c.off, got, err, c.want)
		}
	}
	for _, c := range [][2]string{
		{"", ""},
		{"100", ""},
		{"100:110:120:130", ""},
		{"100:200,", ""},
		{"a:b", ""},
		{"-1:200", ""},
		{"100:NaN", ""},
		{"100:Inf", ""},
		{"100::200", ""},
		{"100:200", "-1"},
		{"100:200", "ten"},
		{"100:200", "NaN"},
	} {
		if got, err := ParsePower(c[0], c[1]); err == nil {
			t.Errorf("%q, %q are accepted: %+v", c[0], c[1], got)
		} else {
			t.Log(err)
		}
	}
}

// The figures published for Taurus: a boot costs 18,966 J in 151.5 s, a
// shutdown 616 J in 6.1 s; so that it pays to switch off for gaps of 212 s:
// (18,966 + 616 - 9.75*157.6) / (95 - 9.75).
func TestKnownHostsDrawWhatIsPublished(t *testing.T) {
	near := func(what string, got, want, tolerance float64) {
		if math.Abs(got-want) > tolerance {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	near("boot of Taurus", float64(Taurus.Boot.Energy()), 18966, 1e-9)
	near("its power", float64(Taurus.Boot.Draws), 125.17, 0.02)
	near("shutdown of Taurus", float64(Taurus.Shutdown.Energy()), 616, 1e-9)
	near("its power", float64(Taurus.Shutdown.Draws), 101, 0.02)
	near("break-even of Taurus", float64(Taurus.BreakEven()), 211.67, 0.01)
	near("boot of the example", float64(EnergyBoot.Boot.Energy()), 18000, 1e-9)
	near("shutdown of the example", float64(EnergyBoot.Shutdown.Energy()), 770, 1e-9)
	if got := (Power{States: []PowerState{{10, 10, 20}}, Off: 10}).BreakEven(); got != Forever {
		t.Errorf("a host that draws as much when off breaks even after %v s", got)
	}
	// Where switching draws less than idling, it still takes its time.
	cheap := Power{States: []PowerState{{100, 100, 200}}, Boot: Transition{Takes: 60, Draws: 50}}
	if got := cheap.BreakEven(); got != 60 {
		t.Errorf("a boot of 60 s at half the idle power breaks even after %v s, want 60", got)
	}
}

// Below the break-even gap a host uses less if it stays on, above it uses less
// if it is switched off in between.
func TestSwitchingOffPaysFromTheBreakEvenGapOn(t *testing.T) {
	gap := Taurus.BreakEven()
	for _, gap := range []Seconds{gap - 1, gap + 1} {
		s := New()
		h, err := s.AddHost(HostSpec{Name: "taurus", Cores: 12, Speeds: []Speed{1}, Power: Taurus})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.PowerDown(h, nil, 0); err != nil {
			t.Fatal(err)
		}
		up := Seconds(-1)
		s.Call(gap-Taurus.Boot.Takes, func() {
			if err := s.PowerUp(h, Then(func(error) { up = s.Now() }), 0); err != nil {
				t.Error(err)
			}
		})
		run(t, s, gap)
		if !s.IsOn(h) || math.Abs(float64(up-gap)) > 1e-9 {
			t.Fatalf("the host came up at %v s, want %v", up, gap)
		}
		switched, stayed := s.Energy(h), Joules(float64(gap)*95)
		if pays := switched < stayed; pays != (gap > Taurus.BreakEven()) {
			t.Errorf("a gap of %v s costs %v J switched off and %v J left on", gap, switched, stayed)
		}
	}
}

func TestPowerThatMakesNoSenseIsRefused(t *testing.T) {
	nan := Watts(math.NaN())
	one := []PowerState{{1, 2, 3}}
	for _, p := range []Power{
		{States: []PowerState{{-1, 2, 3}}},
		{States: []PowerState{{1, nan, 3}}},
		{States: []PowerState{{1, 2, Watts(math.Inf(1))}}},
		{States: []PowerState{{1, 2, 3}, {1, 2, 3}}}, // there are three speeds
		{States: one, Off: -1},
		{States: one, Boot: Transition{Takes: -1}},
		{States: one, Boot: Transition{Takes: Forever}},
		{States: one, Shutdown: Transition{Draws: nan}},
	} {
		if _, err := New().AddHost(HostSpec{Name: "h", Cores: 1, Speeds: []Speed{3, 2, 1}, Power: p}); err == nil {
			t.Errorf("%+v is accepted", p)
		} else {
			t.Log(err)
		}
	}
}
