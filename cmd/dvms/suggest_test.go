package main

import "testing"

func TestListed(t *testing.T) {
	for _, c := range []struct {
		names []string
		want  string
	}{
		{nil, ""},
		{[]string{"a"}, "a"},
		{[]string{"a", "b"}, "a and b"},
		{[]string{"a", "b", "c"}, "a, b and c"},
		{[]string{"a", "b", "c", "d", "e"}, "a, b, c and others"},
	} {
		if got := listed(c.names, 4); got != c.want {
			t.Errorf("listed(%q) = %q, want %q", c.names, got, c.want)
		}
	}
}
