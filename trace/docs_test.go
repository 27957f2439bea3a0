package trace_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
)

// The documentation has the example of each record, and explains each field.
func TestDocumented(t *testing.T) {
	text, err := os.ReadFile("../docs/file-formats.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(exampleLines) {
		kind, _, _ := strings.Cut(strings.TrimPrefix(line, `{"type":"`), `"`)
		_, section, found := strings.Cut(string(text), "### `"+kind+"`")
		section, _, _ = strings.Cut(section, "\n##")
		if !found || !strings.Contains(section, line) {
			t.Errorf("%s: no section with the line %s", kind, line)
		}
		var fields map[string]any
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			if name != "type" && !strings.Contains(section, "`"+name+"`") {
				t.Errorf("%s: the field %s is not explained", kind, name)
			}
		}
	}
}
