package protocoltest

import (
	"fmt"
	"strings"
)

// command is one command of a script: a name and arguments, which are a key, or
// a key with a value or several, as in deliver to=2 all, or node vms=(60,40).
type command struct {
	name string
	args []commandArg
}

type commandArg struct {
	key    string
	values []string
}

// HasArg reports whether there is an argument with a key.
func (c *command) HasArg(key string) bool {
	_, ok := c.Arg(key)
	return ok
}

// Arg returns the argument with a key.
func (c *command) Arg(key string) (a commandArg, ok bool) {
	for _, a := range c.args {
		if a.key == key {
			return a, true
		}
	}
	return commandArg{}, false
}

// parseCommand reads a command.
func parseCommand(line string) (*command, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
	c := &command{name: name}
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		var a commandArg
		end := strings.IndexAny(rest, " =")
		if end < 0 {
			end = len(rest)
		}
		a.key, rest = rest[:end], rest[end:]
		if value, ok := strings.CutPrefix(rest, "="); ok {
			if list, ok := strings.CutPrefix(value, "("); ok {
				inside, after, closed := strings.Cut(list, ")")
				if !closed {
					return nil, fmt.Errorf("%q has no )", line)
				}
				for v := range strings.SplitSeq(inside, ",") {
					a.values = append(a.values, strings.TrimSpace(v))
				}
				rest = after
			} else {
				value, rest, _ = strings.Cut(value, " ")
				a.values = []string{value}
			}
		}
		c.args = append(c.args, a)
	}
	return c, nil
}
