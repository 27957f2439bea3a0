package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/dvms-project/dvms/demo"
)

func TestScreen(t *testing.T) {
	var out bytes.Buffer
	s := newScreen(&out)
	s.color = false
	v := demo.View{
		At: 3 * time.Second, Overloads: 2, Repaired: 1, Open: 1, Migrations: 4, Moving: 1, Messages: 77,
		Hosts: []demo.Host{
			{Name: "n1", Up: true, Load: 0.5, VMs: 10},
			{Name: "n2", Up: true, Load: 1.1, VMs: 12, Partition: "n2.1", State: "GROW"},
			{Name: "n3", Up: true, Load: 2, VMs: 9, Partition: "n2.1", State: "CNGROW", Leader: true, Applying: true},
			{Name: "n4"},
			{Name: "n5", Up: true, Load: 0.1, VMs: 1, Draining: true, Waiting: 2, Partition: "n2.1", State: "GROW"},
		},
		Events: []demo.Event{{At: time.Second, Kind: "overload", Text: "n2 is overloaded"}},
	}
	want := `3 s   overloads 2: 1 repaired, 1 open   migrations 4, 1 under way   messages 77

host  CPU asked for                     VMs  reserved by
n1    ██████████···············   50 %    10
n2    ██████████████████████···  110 %!   12  n2.1 member
n3    █████████████████████████  200 %!    9  n2.1 leads, carries out its plan, CNGROW
n4    down                     
n5    ██·······················   10 %     1  n2.1 member; to be emptied; 2 VMs to be started

    1.0 s  overload  n2 is overloaded`
	if got := strings.Join(s.draw(v, 40), "\n"); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	v.Hosts[0].Site, v.Hosts[3].Site = "Nancy", "Rennes"
	if got := strings.Join(s.draw(v, 40)[2:4], "\n"); got != `host  CPU asked for                     VMs  site   reserved by
n1    ██████████···············   50 %    10  Nancy` {
		t.Errorf("with sites\n%s", got)
	}
	// Where there is no room for all, what matters is shown: who is overloaded,
	// reserved, down or to be emptied, and what happened last.
	v.Events = append(v.Events, demo.Event{At: 2 * time.Second, Kind: "began", Text: "n2 asks for help"})
	small := strings.Join(s.draw(v, 9), "\n")
	if !strings.Contains(small, "n2    ") || strings.Contains(small, "n1    ") || !strings.Contains(small, "and 3 hosts, for which there is no room") ||
		!strings.HasSuffix(small, "began     n2 asks for help") || strings.Count(small, "\n") != 8 {
		t.Errorf("on a terminal of 9 lines\n%s", small)
	}
	for height := range 9 {
		if lines := s.draw(v, height); height > 0 && len(lines) > height {
			t.Errorf("%d lines on a terminal of %d", len(lines), height)
		}
	}
	s.color = true
	a, b := s.host(v.Hosts[1], 0), s.host(v.Hosts[2], 0)
	if color := "\x1b[" + colorOf("n2.1") + "mn2.1"; !strings.Contains(a, color) || !strings.Contains(b, color) {
		t.Errorf("two members of one partition have other colours: %q, %q", a, b)
	}
	s.show(v)
	s.show(v)
	if text := out.String(); !strings.Contains(text, "\x1b[11A") {
		t.Errorf("the second view is not drawn in place of the first: %q", text)
	}
}

func TestClip(t *testing.T) {
	for _, c := range []struct {
		line  string
		width int
		want  string
	}{
		{"abc", 3, "abc"}, {"abcd", 3, "abc"}, {"\x1b[31mabcd\x1b[0m", 3, "\x1b[31mabc"}, {"\x1b[31mabc\x1b[0m", 3, "\x1b[31mabc\x1b[0m"}, {"█████", 2, "██"},
	} {
		if got := clip(c.line, c.width); got != c.want {
			t.Errorf("%q to %d: %q, want %q", c.line, c.width, got, c.want)
		}
	}
}
