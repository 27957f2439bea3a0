package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/dvms-project/dvms/plan"
)

// hostName is what can stand as the host in a URI of libvirt, and be meant as
// such: an optional user, a name or an address, an optional port.
var hostName = regexp.MustCompile(`^([A-Za-z0-9_][A-Za-z0-9._-]*@)?([A-Za-z0-9][A-Za-z0-9._-]*|\[[0-9A-Fa-f:.]+\])(:[0-9]+)?$`)

// aNumber is what virsh takes for the ID of a domain, not for its name.
var aNumber = regexp.MustCompile(`^\s*[-+]?[0-9]+\s*$`)

// fileName is the name of a VM whose image can be copied: it is part of the name
// of a file, and goes through the shell of another host.
var fileName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]*$`)

// virsh prints the plan as a POSIX shell script for bare libvirt hosts. It is
// read before it is run, so it spells each command out.
func (p *proposal) virsh() ([]byte, error) {
	steps := p.moves()
	kinds := map[string]bool{}
	for _, step := range steps {
		for _, m := range step {
			if err := virshNames(m); err != nil {
				return nil, err
			}
			kinds[m.words()] = true
		}
	}
	var out strings.Builder
	out.WriteString("#!/bin/sh\n")
	writeComment(&out, "%s", p.title())
	if len(p.plan.Actions) == 0 {
		out.WriteString("echo " + quoted(p.nothingToDo()) + "\n")
		return []byte(out.String()), nil
	}
	writeComment(&out, "%s", p.score())
	for _, w := range p.plan.Warnings {
		writeComment(&out, "warning: %s", w)
	}
	writeComment(&out, "")
	writeComment(&out, "Planned by dvms %s from a snapshot; run it while that still holds.", version())
	writeComment(&out, "It needs virsh, and ssh to each node without a password. Run it with --yes.")
	what := p.counted()
	if p.onlyMoves() {
		what = strings.Replace(what, "move", "migration", 1)
	}
	fmt.Fprintf(&out, virshHead, what)
	for _, part := range virshParts {
		if slices.ContainsFunc(part.of, func(words string) bool { return kinds[words] }) {
			out.WriteString(part.text)
		}
	}
	out.WriteString("\ntrap 'stop \"interrupted, and virsh may still be at work\"' INT TERM\n")
	for s, step := range steps {
		fmt.Fprintf(&out, "\necho %s\n", quoted(fmt.Sprintf("step %d of %d", s+1, len(steps))))
		for _, m := range step {
			out.WriteString(virshBefore(&m))
		}
		out.WriteString("failed=0\n")
		for group := range slices.Chunk(step, migrationsAtOnce) {
			virshGroup(&out, group)
		}
		fmt.Fprintf(&out, "[ \"$failed\" -eq 0 ] || stop \"$failed of the actions of step %d failed, and later steps may need their room\"\n", s+1)
	}
	out.WriteString("\necho 'done: every VM is in its place'\n")
	return []byte(out.String()), nil
}

// migrationsAtOnce is how many actions of a step a script starts before it
// waits for them. The actions of a step may be made in any order, and hundreds of
// ssh connections at once would be refused.
const migrationsAtOnce = 8

// virshBefore is the check that a VM is as the plan has it.
func virshBefore(m *move) string {
	check := "runs_on"
	switch {
	case m.Kind == plan.Resume, m.Kind == plan.Stop && m.asleep:
		check = "sleeps_on"
	case m.Kind == plan.Run:
		check = "is_off_on"
	}
	return fmt.Sprintf("%s %s %s\n", check, quoted(m.source), quoted(m.vm))
}

// virshGroup writes actions that run at the same time, and waits for them.
func virshGroup(out *strings.Builder, moves []move) {
	for _, m := range moves {
		writeComment(out, "%d: %s %s %s, %s: %s", m.number, m.words(), m.vm, m.way(), inWords(m.Memory), m.reason)
		fmt.Fprintf(out, "%s &\nmove%d=$!\n", virshCommand(&m), m.number)
	}
	for _, m := range moves {
		fmt.Fprintf(out, "wait \"$move%d\" || not_done %s %s %s\n", m.number, quoted(m.words()), quoted(m.vm), quoted(m.source))
	}
}

// virshCommand is what carries out an action.
func virshCommand(m *move) string {
	at, vm := "virsh -c "+quoted(libvirtURI(m.source)), quoted(m.vm)
	switch {
	case m.Kind == plan.Migrate:
		return fmt.Sprintf("%s migrate --live --persistent --undefinesource --domain %s --desturi %s", at, vm, quoted(libvirtURI(m.goal)))
	case m.Kind == plan.Suspend:
		return at + " managedsave --domain " + vm
	case m.Kind == plan.Resume && m.Source != m.Target:
		return fmt.Sprintf("resume_elsewhere %s %s %s", quoted(m.source), vm, quoted(m.goal))
	case m.Kind == plan.Stop && m.asleep:
		return at + " managedsave-remove --domain " + vm
	case m.Kind == plan.Stop:
		return fmt.Sprintf("shut_down %s %s", quoted(m.source), vm)
	}
	return at + " start --domain " + vm // a saved one goes on where it was
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

# stop TEXT: says why nothing more is done. What was done stays done.
stop() {
	printf 'stopped: %%s; make a new snapshot and a new plan\n' "$1" >&2
	exit 1
}

# listed VM NODE OPTION...: tells whether virsh lists the VM on the node.
listed() {
	vm=$1 node=$2
	shift 2
	names=$(virsh -c "qemu+ssh://$node/system" list --name "$@") || stop "$node does not answer"
	printf '%%s\n' "$names" | grep -Fxq -e "$vm"
}

# not_done WHAT VM NODE: counts an action that failed.
not_done() {
	printf '%%s of %%s on %%s failed\n' "$1" "$2" "$3" >&2
	failed=$((failed + 1))
}
`

// virshParts are the parts of a script that some actions need.
var virshParts = []struct {
	of   []string
	text string
}{
	{[]string{"migrate", "suspend", "stop"}, `
# runs_on NODE VM: goes on only if the VM runs on the node.
runs_on() {
	listed "$2" "$1" --state-running || stop "$2 does not run on $1"
}
`},
	{[]string{"resume (local)", "resume (remote)", "stop"}, `
# sleeps_on NODE VM: goes on only if the node holds the saved memory of the VM.
sleeps_on() {
	listed "$2" "$1" --all --with-managed-save || stop "$2 is not saved on $1"
}
`},
	{[]string{"run"}, `
# is_off_on NODE VM: goes on only if the VM is defined on the node, and off.
is_off_on() {
	listed "$2" "$1" --inactive || stop "$2 is not there to be started on $1; define it there with virsh define"
}
`},
	{[]string{"stop"}, `
# shut_down NODE VM: asks the VM to shut down, and waits up to five minutes.
shut_down() {
	virsh -c "qemu+ssh://$1/system" shutdown --domain "$2" || return 1
	for _ in $(seq 150); do
		names=$(virsh -c "qemu+ssh://$1/system" list --name --state-running) || return 1
		printf '%s\n' "$names" | grep -Fxq -e "$2" || return 0
		sleep 2
	done
	printf '%s did not shut down; virsh destroy would end it at once\n' "$2" >&2
	return 1
}
`},
	{[]string{"resume (remote)"}, `
# resume_elsewhere FROM VM TO: copies what a VM is and its saved memory to another
# node, and lets it go on there. FROM forgets it only after that.
images=/var/lib/libvirt/qemu/save
resume_elsewhere() {
	definition=$(mktemp) || return 1
	virsh -c "qemu+ssh://$1/system" dumpxml --inactive --security-info --domain "$2" > "$definition" &&
		ssh "ssh://$1" cat "$images/$2.save" | ssh "ssh://$3" "umask 077 && cat > $images/$2.copy" &&
		size=$(ssh "ssh://$1" stat -c %s "$images/$2.save") &&
		[ "$size" = "$(ssh "ssh://$3" stat -c %s "$images/$2.copy")" ] &&
		virsh -c "qemu+ssh://$3/system" define --file "$definition" &&
		virsh -c "qemu+ssh://$3/system" restore --file "$images/$2.copy" &&
		virsh -c "qemu+ssh://$1/system" undefine --managed-save --domain "$2" &&
		ssh "ssh://$3" rm "$images/$2.copy" && ended=0 || ended=1
	rm -f "$definition"
	return "$ended"
}
`},
}

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
	case m.Kind == plan.Resume && m.Source != m.Target && !fileName.MatchString(m.vm):
		return fmt.Errorf("VM %q: its image is to be copied, and no script can do so safely under this name; rename it, or copy it by hand", m.vm)
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
