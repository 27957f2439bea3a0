package snapshot

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxYAML is how many values a YAML text may have, with those that aliases
// repeat. An alias can repeat others many times over.
const maxYAML = 1 << 18

// parseYAML reads a YAML text whose value is an object.
func parseYAML(data []byte) (*text, value, error) {
	t := &text{bytes: data}
	var root yaml.Node
	if err := yaml.Load(data, &root); err != nil {
		t.mistakes = []Mistake{syntaxError(data, err)}
		return t, value{}, t.err()
	}
	y := yamlReader{text: t}
	v := y.value(&root, 0)
	switch {
	case y.deep > 0:
		t.mistakes = []Mistake{{Line: y.deep, Text: "lists and sections are nested too deep"}}
	case y.count > maxYAML:
		t.mistakes = []Mistake{{Line: 1, Text: fmt.Sprintf("the text has more than %d values, counting aliases each time", maxYAML)}}
	case v.kind != object:
		t.mistakes = []Mistake{{Line: max(v.line, 1), Text: fmt.Sprintf("%s, not a section of keys and values", v)}}
	default:
		return t, v, nil
	}
	return t, v, t.err()
}

// syntaxError turns what the YAML library says into a mistake. It says but the
// first.
func syntaxError(data []byte, err error) Mistake {
	var first *yaml.LoadError
	if !errors.As(err, &first) || first.Mark.Line < 1 {
		words := err.Error()
		if strings.Contains(words, "no documents") {
			words = "the text is empty"
		}
		if i := strings.LastIndex(words, "yaml: "); i >= 0 {
			words = words[i+len("yaml: "):]
		}
		return Mistake{Line: 1, Text: "this is not YAML: " + words}
	}
	bad := Mistake{Line: first.Mark.Line, Text: "this is not YAML: " + first.Message}
	lines := strings.Split(string(data), "\n")
	if i := bad.Line - 1; i < len(lines) && strings.HasPrefix(strings.TrimLeft(lines[i], " "), "\t") {
		bad.Text = "a tab; YAML is indented with spaces"
	}
	return bad
}

// yamlReader makes values of YAML nodes.
type yamlReader struct {
	*text
	count int
	deep  int // the first line where values are nested too deep
}

func (y *yamlReader) value(n *yaml.Node, depth int) value {
	v := value{line: n.Line}
	if y.count++; y.count > maxYAML || y.deep > 0 {
		return v
	}
	if depth == deepest {
		y.deep = n.Line
		return v
	}
	switch n.Kind {
	case yaml.DocumentNode:
		for _, content := range n.Content {
			return y.value(content, depth)
		}
	case yaml.AliasNode:
		v = y.value(n.Alias, depth)
		v.line = n.Line
	case yaml.SequenceNode:
		v.kind = list
		for _, element := range n.Content {
			v.list = append(v.list, y.value(element, depth+1))
		}
	case yaml.MappingNode:
		v.kind = object
		y.fields(&v, n, depth)
	default:
		v.text = n.Value
		switch n.ShortTag() {
		case "!!null":
			v.text = "nothing"
		case "!!bool":
			v.kind, v.text = boolean, strings.ToLower(n.Value)
		case "!!int", "!!float":
			v.kind = number
		default:
			v.kind = word
		}
	}
	return v
}

func (y *yamlReader) fields(v *value, n *yaml.Node, depth int) {
	first := map[string]int{} // line by key
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if key.Kind != yaml.ScalarNode {
			y.wrong(value{line: key.Line}, nowhere, "a key that is not a word")
			continue
		}
		if line, twice := first[key.Value]; twice {
			y.wrong(value{line: key.Line}, nowhere, "key %q is there twice, first in line %d", key.Value, line)
			continue
		}
		first[key.Value] = key.Line
		v.fields = append(v.fields, field{key.Value, key.Line, y.value(n.Content[i+1], depth+1)})
	}
}
