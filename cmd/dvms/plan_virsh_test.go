package main

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/placement"
	"github.com/dvms-project/dvms/plan"
	"github.com/dvms-project/dvms/snapshot"
)

// fakeVirsh is a virsh that keeps the VMs of each node in files: those that run,
// those that are off, and of these the images of those that are saved.
const fakeVirsh = `#!/bin/sh
[ "$1" = -c ] || exit 64
node=${2#qemu+ssh://}; node=${node%/system}
command=$3; shift 3
until mkdir "$HOSTS/lock" 2> /dev/null; do /bin/sleep 0.01; done # one at a time
trap 'rmdir "$HOSTS/lock"' EXIT
# take FILE VM: removes a line from a file, which must be there.
take() {
	grep -Fxq -e "$2" "$1" || exit 1
	grep -Fxv -e "$2" "$1" > "$1.rest"
	mv "$1.rest" "$1"
}
give() { printf '%s\n' "$2" >> "$1"; }
on=$HOSTS/$node.on off=$HOSTS/$node.off images=$HOSTS/$node.images
[ ! -e "$HOSTS/refuse" ] || [ "$command" = list ] || exit 1
case "$command $*" in
'list --name --state-running')
	cat "$on"
	for vm in "$on"-*-going; do # shuts down, and is off when it is looked at again
		[ -e "$vm" ] || continue
		rm "$vm"; vm=${vm#"$on-"}; vm=${vm%-going}
		take "$on" "$vm"; give "$off" "$vm"
	done ;;
'list --name --inactive') cat "$off" ;;
'list --name --all --with-managed-save') for i in "$images"/*.save; do [ ! -e "$i" ] || basename "$i" .save; done ;;
'migrate --live --persistent --undefinesource --domain '*)
	[ "$6" = --desturi ] || exit 64
	to=${7#qemu+ssh://}; to=${to%/system}
	take "$on" "$5"; give "$HOSTS/$to.on" "$5" ;;
'managedsave --domain '*) take "$on" "$2"; give "$off" "$2"; echo "memory of $2" > "$images/$2.save" ;;
'managedsave-remove --domain '*) rm "$images/$2.save" ;;
'start --domain '*) take "$off" "$2"; rm -f "$images/$2.save"; give "$on" "$2" ;;
'shutdown --domain '*) : > "$on-$2-going" ;;
'dumpxml --inactive --security-info --domain '*) echo "definition of $4" ;;
'define --file '*) give "$off" "$(sed 's/definition of //' "$2")" ;;
'restore --file '*)
	vm=$(sed 's/memory of //' "$images/${2##*/}")
	take "$off" "$vm"; give "$on" "$vm" ;;
'undefine --managed-save --domain '*) take "$off" "$3"; rm "$images/$3.save" ;;
*) exit 64 ;;
esac
`

// fakeSSH runs a command here, among the images of its host. fakeSleep is short.
const (
	fakeSSH = `#!/bin/sh
node=${1#ssh://}; shift
exec sh -c "$(printf '%s' "$*" | sed "s#/var/lib/libvirt/qemu/save#$HOSTS/$node.images#g")"
`
	fakeSleep = "#!/bin/sh\nexec " + "/bin/sleep 0.01\n"
)

// hosts are nodes of libvirt that are not there, and the script that is run on
// them.
type hosts struct {
	t      *testing.T
	sh     string
	dir    string // what the nodes have
	bin    string // the programs, and the script
	script string
}

func newHosts(t *testing.T, p *proposal) *hosts {
	t.Helper()
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skipf("no shell: %v", err)
	}
	text, err := p.virsh()
	if err != nil {
		t.Fatal(err)
	}
	h := &hosts{t: t, sh: sh, dir: t.TempDir(), bin: t.TempDir()}
	h.script = filepath.Join(h.bin, "repair.sh")
	for name, program := range map[string]string{"virsh": fakeVirsh, "ssh": fakeSSH, "sleep": fakeSleep, "repair.sh": string(text)} {
		h.write(filepath.Join(h.bin, name), program)
	}
	if out, err := h.run("-n", h.script); err != nil {
		t.Fatalf("sh -n: %v\n%s\n%s", err, out, text)
	}
	if shellcheck, err := exec.LookPath("shellcheck"); err == nil {
		if out, err := exec.Command(shellcheck, "--severity=warning", h.script).CombinedOutput(); err != nil {
			t.Errorf("shellcheck: %v\n%s", err, out)
		}
	}
	return h
}

func (h *hosts) write(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o777); err != nil {
		h.t.Fatal(err)
	}
}

func (h *hosts) run(args ...string) (string, error) {
	cmd := exec.Command(h.sh, args...)
	cmd.Dir = h.bin
	cmd.Env = append(os.Environ(), "HOSTS="+h.dir, "PATH="+h.bin+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// place puts the VMs of c on their nodes. Those that wait are off on all nodes;
// images that all nodes reach are on none.
func (h *hosts) place(c *cluster.Configuration) {
	h.t.Helper()
	for n := range c.Nodes {
		name := filepath.Join(h.dir, c.Nodes[n].Name)
		if err := os.RemoveAll(name + ".images"); err != nil {
			h.t.Fatal(err)
		}
		if err := os.MkdirAll(name+".images", 0o777); err != nil {
			h.t.Fatal(err)
		}
		on, off := "", ""
		for v := range c.VMs {
			vm := c.VMs[v].Name
			switch {
			case c.Host[v] == int32(n):
				on += vm + "\n"
			case c.ImageOf(int32(v)) == int32(n):
				off += vm + "\n"
				h.write(filepath.Join(name+".images", vm+".save"), "memory of "+vm+"\n")
			case c.StateOf(int32(v)) == cluster.Waiting:
				off += vm + "\n"
			}
		}
		h.write(name+".on", on)
		h.write(name+".off", off)
	}
}

// running are the VMs that run, and the images, by node.
func (h *hosts) running(c *cluster.Configuration) map[string]string {
	h.t.Helper()
	is := map[string]string{}
	for n := range c.Nodes {
		name := c.Nodes[n].Name
		on, err := os.ReadFile(filepath.Join(h.dir, name+".on"))
		if err != nil {
			h.t.Fatal(err)
		}
		for vm := range strings.Lines(string(on)) {
			is[strings.TrimSuffix(vm, "\n")] = "runs on " + name
		}
		images, _ := filepath.Glob(filepath.Join(strings.NewReplacer("[", `\[`).Replace(filepath.Join(h.dir, name)+".images"), "*"))
		for _, image := range images {
			is[filepath.Base(image)] = "is on " + name
		}
	}
	return is
}

// expected is what running should return after a plan.
func expected(c *cluster.Configuration) map[string]string {
	is := map[string]string{}
	for v := range c.VMs {
		if n := c.Host[v]; n != cluster.Nowhere {
			is[c.VMs[v].Name] = "runs on " + c.Nodes[n].Name
		}
		if n := c.ImageOf(int32(v)); n != cluster.Nowhere {
			is[c.VMs[v].Name+".save"] = "is on " + c.Nodes[n].Name
		}
	}
	return is
}

func (h *hosts) are(c *cluster.Configuration) {
	h.t.Helper()
	if got, want := h.running(c), expected(c); !maps.Equal(got, want) {
		h.t.Errorf("got  %v\nwant %v", got, want)
	}
}

// A script is one that a shell accepts, does nothing unless told to, names VMs
// as they are, and stops when the world is not as the plan has it.
func TestVirshScriptsRun(t *testing.T) {
	p := cycle(t)
	h := newHosts(t, p)
	h.place(p.c)
	if out, err := h.run(h.script); err == nil || !strings.Contains(out, "This carries out 3 migrations in 3 steps. Read it") {
		t.Errorf("without --yes: %v\n%s", err, out)
	}
	h.are(p.c)

	h.write(filepath.Join(h.dir, "refuse"), "")
	if out, err := h.run(h.script, "--yes"); err == nil || !strings.Contains(out, "stopped: 1 of the actions of step 1 failed") || strings.Contains(out, "step 2") {
		t.Errorf("with a migration that fails: %v\n%s", err, out)
	}
	h.are(p.c)
	if err := os.Remove(filepath.Join(h.dir, "refuse")); err != nil {
		t.Fatal(err)
	}

	if out, err := h.run(h.script, "--yes"); err != nil || !strings.HasSuffix(out, "done: every VM is in its place\n") {
		t.Errorf("%v\n%s", err, out)
	}
	h.are(p.end)

	if out, err := h.run(h.script, "--yes"); err == nil || !strings.Contains(out, "does not run on root@n2.example.org; make a new snapshot") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
	h.are(p.end)
	if _, err := os.Stat(filepath.Join(h.bin, "pwned")); err == nil {
		t.Error("the shell ran a part of a name")
	}
}

// allKinds is a proposal with each kind of action: a is migrated, b suspended, c
// stopped, d resumed where its image is and e elsewhere, f run, and the image of g
// deleted.
func allKinds(t *testing.T) *proposal {
	t.Helper()
	c := &cluster.Configuration{}
	for n := range 3 {
		c.Nodes = append(c.Nodes, cluster.Node{ID: cluster.NodeID(n), Name: []string{"n1", "n2", "n3"}[n], Capacity: cluster.Of(4000, 8*cluster.GiB)})
	}
	const no = cluster.Nowhere
	w, r, z, x := cluster.Waiting, cluster.Running, cluster.Sleeping, cluster.Terminated
	for v, name := range []string{"a", "b", "c", "d", "e", "f", "g"} {
		c.VMs = append(c.VMs, cluster.VM{ID: cluster.VMID(v), Name: name, Demand: cluster.Of(500, cluster.GiB)})
	}
	c.Host = []int32{0, 1, 1, no, no, no, no}
	c.State = []cluster.State{r, r, r, z, z, w, z}
	c.Image = []int32{no, no, no, 1, 1, no, 2}
	wanted := []cluster.State{r, z, x, r, r, r, x}
	host := []int32{1, no, no, 1, 2, 0, no}
	p, err := plan.Switch(c, plan.Goal{Host: host, State: wanted}, plan.Settings{})
	if err != nil {
		t.Fatal(err)
	}
	return &proposal{
		request: request{Snapshot: snapshot.Snapshot{Name: "all kinds", Configuration: c, Wanted: wanted}, goal: "switch"},
		c:       c, end: carriedOut(c, p), plan: p, result: placement.Result{Answer: placement.Viable},
	}
}

func TestVirshScriptsOfAllKinds(t *testing.T) {
	p := allKinds(t)
	if len(p.plan.Actions) != 7 {
		t.Fatalf("%d actions", len(p.plan.Actions))
	}
	h := newHosts(t, p)
	h.place(p.c)
	if out, err := h.run(h.script, "--yes"); err != nil || !strings.HasSuffix(out, "done: every VM is in its place\n") {
		text, _ := p.virsh()
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
	h.are(p.end)
	if out, err := h.run(h.script, "--yes"); err == nil || !strings.Contains(out, "stopped: ") {
		t.Errorf("a second time: %v\n%s", err, out)
	}
	h.are(p.end)

	h.place(p.c)
	h.write(filepath.Join(h.dir, "refuse"), "")
	if out, err := h.run(h.script, "--yes"); err == nil || !strings.Contains(out, "of the actions of step 1 failed") {
		t.Errorf("with actions that fail: %v\n%s", err, out)
	}
	h.are(p.c)
}

// Who is to be copied goes through the shell of another host.
func TestVirshRefusesToCopyOddNames(t *testing.T) {
	p := allKinds(t)
	p.c.VMs[4].Name = "e; reboot"
	if _, err := p.virsh(); err == nil || !strings.Contains(err.Error(), "its image is to be copied") {
		t.Errorf("got %v", err)
	}
}
