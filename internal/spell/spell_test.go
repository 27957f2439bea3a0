package spell

import "testing"

func TestDistance(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"", "abc", 3},
		{"abc", "", 3},
		{"simulat", "simulate", 1},
		{"simulate", "simulate", 0},
		{"kitten", "sitting", 3},
		{"ab", "ba", 2},
	} {
		if got := distance(c.a, c.b); got != c.want {
			t.Errorf("distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestNearest(t *testing.T) {
	names := []string{"completion", "help", "simulate", "version"}
	for word, want := range map[string]string{
		"simulat": "simulate", "sim": "simulate", "simluate": "simulate", "vresion": "version", "hlep": "help", "comp": "completion",
		"plan": "", "x": "", "": "", "drain": "",
	} {
		if got := Nearest(word, names); got != want {
			t.Errorf("nearest to %q is %q, want %q", word, got, want)
		}
	}
}
