package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Every command in these documents is run, in order and in a folder that has the
// examples, and prints what the document shows below it, errors included. go test
// ./cmd/dvms -rewrite writes what they print anew.
func TestDocuments(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no shell: %v", err)
	}
	for _, name := range []string{"placement", "planning"} {
		file := "../../docs/" + name + ".md"
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		examples, err := filepath.Abs("../../examples")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(examples, filepath.Join(dir, "examples")); err != nil {
			t.Fatal(err)
		}
		run := func(command string) string {
			cmd := exec.Command(sh, "-c", command)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), strings.Join(atOnce[:], "="))
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s\n%s", file, err, command, out)
			}
			return strings.ReplaceAll(string(out), version(), "VERSION")
		}
		got, blocks := replayCommand(string(text), run)
		if blocks == 0 {
			t.Errorf("%s has no commands", file)
		}
		if got == string(text) {
			continue
		}
		if !*rewrite {
			t.Errorf("%s shows something else than its commands print; see it with go test ./cmd/dvms -rewrite and git diff\n%s", file, difference(string(text), got))
		} else if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
}

// replay runs the commands of a document, and returns it with what they print. That
// is in a block below that of the command, if they print anything.
func replayCommand(doc string, run func(command string) string) (replayed string, blocks int) {
	const open, fence = "```sh\n", "```\n"
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(doc, open)
		if !found {
			return out.String() + doc, blocks
		}
		command, after, _ := strings.Cut(rest, fence)
		blocks++
		out.WriteString(before + open + command + fence)
		if shown, ok := strings.CutPrefix(after, "\n"+fence); ok {
			_, after, _ = strings.Cut(shown, fence)
		}
		if text := run(command); text != "" {
			out.WriteString("\n" + fence + text + fence)
		}
		doc = after
	}
}

// difference is the first line in which two texts differ.
func difference(old, now string) string {
	is, was := strings.Split(now, "\n"), strings.Split(old, "\n")
	for i := range min(len(is), len(was)) {
		if is[i] != was[i] {
			return "got:  " + is[i] + "\nshown: " + was[i]
		}
	}
	return "one is longer"
}

func TestReplay(t *testing.T) {
	run := func(command string) string { return strings.TrimPrefix(strings.TrimPrefix(command, "echo "), "true\n") }
	doc := "# a\n\n```sh\necho 1\n```\n\n```\n2\n```\n\nb\n\n```sh\ntrue\n```\n\n```json\n{}\n```\n\n```sh\necho 3\n```\n"
	want := "# a\n\n```sh\necho 1\n```\n\n```\n1\n```\n\nb\n\n```sh\ntrue\n```\n\n```json\n{}\n```\n\n```sh\necho 3\n```\n\n```\n3\n```\n"
	if got, blocks := replayCommand(doc, run); got != want || blocks != 3 {
		t.Errorf("%d blocks:\n%s", blocks, got)
	}
}
