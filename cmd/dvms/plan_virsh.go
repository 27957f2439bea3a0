package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
)

// hostName is what can stand as the host in a URI of libvirt, and be meant as
// such: an optional user, a name or an address, an optional port.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$`)

// aNumber is what virsh takes for the ID of a domain, not for its name.
var aNumber = regexp.MustCompile(`^\s*[-+]?[0-9]+\s*$`)

// virsh prints the plan as a POSIX shell script for bare libvirt hosts. It is
// read before it is run, so it spells each command out.
func (p *proposal) virsh() ([]byte, error) {
	for _, step := range p.moves() {
		for _, m := range step {
			if err := virshNames(m); err != nil {
				return nil, err
			}
		}
	}
	var out strings.Builder
	out.WriteString("#!/bin/sh\n")
	writeComment(&out, "%s", p.title())
	if len(p.plan.Actions) == 0 {
		out.WriteString("echo " + quoted(nothingToDo) + "\n")
		return []byte(out.String()), nil
	}
	writeComment(&out, "%s", p.score())
	writeComment(&out, "")
	writeComment(&out, "Planned by dvms %s from a snapshot; run it while that still holds.", version())
	writeComment(&out, "It needs virsh, and ssh to each node without a password. Run it with --yes.")
	fmt.Fprintf(&out, virshHead, plural(len(p.plan.Actions), "migration")+" in "+plural(len(p.plan.Steps()), "step"))
	steps := p.moves()
	for s, step := range steps {
		fmt.Fprintf(&out, "\necho %s\n", quoted(fmt.Sprintf("step %d of %d", s+1, len(steps))))
		for _, m := range step {
			fmt.Fprintf(&out, "runs_on %s %s\n", quoted(m.source), quoted(m.vm))
		}
		out.WriteString("failed=0\n")
		for group := range slices.Chunk(step, migrationsAtOnce) {
			virshGroup(&out, group)
		}
		fmt.Fprintf(&out, "[ \"$failed\" -eq 0 ] || stop \"$failed of the moves of step %d failed, and later steps may need their room\"\n", s+1)
	}
	out.WriteString("\necho 'done: every VM is in its place'\n")
	return []byte(out.String()), nil
}

// migrationsAtOnce is how many migrations of a step a script starts before it
// waits for them. The moves of a step may be made in any order, and hundreds of
// ssh connections at once would be refused.
const migrationsAtOnce = 8

// virshGroup writes migrations that run at the same time, and waits for them.
func virshGroup(out *strings.Builder, moves []move) {
	for _, m := range moves {
		writeComment(out, "%d: %s from %s to %s, %s: %s", m.number, m.vm, m.source, m.goal, inWords(m.Memory), m.reason)
		fmt.Fprintf(out, "virsh -c %s migrate --live --persistent --undefinesource --domain %s --desturi %s &\nmove%d=$!\n",
			quoted(libvirtURI(m.source)), quoted(m.vm), quoted(libvirtURI(m.goal)), m.number)
	}
	for _, m := range moves {
		fmt.Fprintf(out, "wait \"$move%d\" || not_moved %s %s\n", m.number, quoted(m.vm), quoted(m.source))
	}
}

// writeComment writes a line that the shell ignores, whatever is in it.
func writeComment(out *strings.Builder, format string, args ...any) {
	out.WriteString(strings.TrimRight("# "+printable(fmt.Sprintf(format, args...)), " ") + "\n")
}

// virshHead is the part of each script before the first step.
const virshHead = `set -eu

if [ "${1-}" != --yes ]; then
	echo "This carries out %s. Read it, then run: sh $0 --yes" >&2
	exit 2
fi

# stop TEXT: says why nothing more is done. What was moved stays moved.
stop() {
	printf 'stopped: %%s; make a new snapshot and a new plan\n' "$1" >&2
	exit 1
}

# runs_on NODE VM: goes on only if the VM runs on the node.
runs_on() {
	running=$(virsh -c "qemu+ssh://$1/system" list --state-running --name) || stop "$1 does not answer"
	printf '%%s\n' "$running" | grep -Fxq -e "$2" || stop "$2 does not run on $1"
}

# not_moved VM NODE: counts a migration that failed.
not_moved() {
	printf 'the migration of %%s from %%s failed\n' "$1" "$2" >&2
	failed=$((failed + 1))
}

trap 'stop "interrupted, and virsh may still be at work"' INT TERM
`

func libvirtURI(node string) string { return "qemu+ssh://" + node + "/system" }

// virshNames refuses names that virsh or ssh would not take for what they are.
func virshNames(m move) error {
	for _, node := range []string{m.source, m.goal} {
		if !hostName.MatchString(node) {
			return fmt.Errorf("node %q: this is not the name of a host, so no script can reach it; name nodes as ssh does", node)
		}
	}
	switch {
	case aNumber.MatchString(m.vm):
		return fmt.Errorf("VM %q: virsh takes a number for the ID of a domain, so no script can name it; rename it", m.vm)
	case strings.ContainsFunc(m.vm, unicode.IsControl):
		return fmt.Errorf("VM %q: libvirt has no such names", m.vm)
	}
	return nil
}

// quoted is text as one word of the shell.
func quoted(text string) string {
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// printable is text in one line, for a comment.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, text)
}
