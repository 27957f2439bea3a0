package snapshot

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/dvms-project/dvms/cluster"
)

// testdata/gathered.txt is what examples/gather.sh printed of three emulated
// hosts with libvirt 9.0: web-1 and web-2 are kept busy on h1, where together they got
// one core, db-1 is paused on h2, cache-1 was saved there, and spare-1 is off.
func TestGatheredHosts(t *testing.T) {
	text, err := os.ReadFile("testdata/gathered.txt")
	if err != nil {
		t.Fatal(err)
	}
	s, err := Read(text)
	if err != nil {
		t.Fatal(err)
	}
	const nowhere = cluster.Nowhere
	memory := 24684092*cluster.KiB - 2*cluster.GiB
	node := func(id cluster.NodeID, name string) cluster.Node {
		return cluster.Node{ID: id, Name: name, Capacity: cluster.Of(cluster.Core, memory)}
	}
	vm := func(id cluster.VMID, name string, cpu cluster.Millicores, memory cluster.Bytes) cluster.VM {
		return cluster.VM{ID: id, Name: name, VCPUs: 1, Demand: cluster.Of(cpu, memory*cluster.MiB)}
	}
	c := s.Configuration
	for what, got := range map[string][2]any{
		"nodes": {c.Nodes, []cluster.Node{node(0, "h1"), node(1, "h2"), node(2, "h3")}},
		"VMs": {c.VMs, []cluster.VM{
			vm(0, "cache-1", 1000, 80), vm(1, "db-1", 1, 128), vm(2, "spare-1", 1000, 80), vm(3, "web-1", 1000, 80), vm(4, "web-2", 1000, 80),
		}},
		"hosts":  {c.Host, []int32{nowhere, 1, nowhere, 0, 0}},
		"states": {c.State, []cluster.State{cluster.Sleeping, cluster.Running, cluster.Waiting, cluster.Running, cluster.Running}},
		"images": {c.Image, []int32{1, nowhere, nowhere, nowhere, nowhere}},
		"format": {s.Format, Libvirt},
	} {
		if !reflect.DeepEqual(got[0], got[1]) {
			t.Errorf("%s: got %v, want %v", what, got[0], got[1])
		}
	}
}

// A VM asks for what it used and, up to its vCPUs, for what it waited for.
func TestDemand(t *testing.T) {
	const second = 1_000_000_000
	for _, c := range []struct {
		used, waited int64
		vcpus, want  cluster.Millicores
	}{
		{5 * second, 0, 2000, 500},
		{5 * second, 3 * second, 2000, 800},
		{5 * second, 30 * second, 2000, 2000},
		{25 * second, 30 * second, 2000, 2500}, // its emulator's threads use more
		{1, 0, 1000, 1},
		{0, 0, 1000, 0},
	} {
		if got := demand(c.used, c.waited, 10*second, c.vcpus); got != c.want {
			t.Errorf("demand of %d ns used, %d waited, %v: got %v, want %v", c.used, c.waited, c.vcpus, got, c.want)
		}
	}
}

// hostText is a sample of a host with VMs that virsh describes with more.
func hostText(name, time string, domains ...string) string {
	return "== host " + name + "\nCPU model: x\nCPU(s): 8\nMemory size: 33554432 KiB\n\ntime: " + time + "\n" + strings.Join(domains, "\n")
}

func domainText(name, state, cpu string) string {
	return "Domain: '" + name + "'\n  state.state=" + state + "\n  state.reason=1\n  cpu.time=" + cpu + "\n  balloon.maximum=1048576\n  vcpu.current=1\n  some.new.field=x\n"
}

// The reserve is 0 if the text states none. A VM that was migrated away may be
// off where it was.
func TestGatheredHostsWithoutReserve(t *testing.T) {
	off := domainText("it's", "5", "0")
	s, err := Read([]byte(gatherHeader + "\r\n" + hostText("a", "0", off) + hostText("b", "0", domainText("it's", "1", "0"), off[:0]) +
		hostText("a", "10000000000", off) + hostText("b", "10000000000", domainText("it's", "1", "4000000000"))))
	if err != nil {
		t.Fatal(err)
	}
	c := s.Configuration
	want := cluster.VM{Name: "it's", VCPUs: 1, Demand: cluster.Of(400, cluster.GiB)}
	if len(c.VMs) != 1 || c.VMs[0] != want || c.Host[0] != 1 || c.State != nil || c.Nodes[0].Capacity != cluster.Of(8*cluster.Core, 32*cluster.GiB) {
		t.Errorf("got %+v", c)
	}
}

func TestMistakesOfGatheredHosts(t *testing.T) {
	const later = "10000000000"
	for what, test := range map[string]struct {
		text string
		want []string
	}{
		"nobody": {"", []string{"line 1: there are no hosts"}},
		"before the hosts": {"reserve gpu: 1\nreserve cpu: 1\nCPU(s): 8\n== hosts", []string{
			`line 1: there are no hosts`,
			`line 2: "reserve gpu: 1" is said before the first host; there are reserve cpu and reserve memory`,
			`line 3: reserve cpu: "1" is not an amount of CPU`,
			`line 4: "CPU(s): 8" is said before the first host`,
			`line 5: "== hosts" begins no part that is known; there is == host NAME`,
		}},
		"one sample":  {hostText("a", "0"), []string{`line 2: a: 1 samples of the host, and 2 are needed`}},
		"unreachable": {"== host a\n== host a\n", []string{`line 2: a: the host does not say its CPU(s), Memory size and time; could it be reached?`}},
		"too close":   {hostText("a", "0") + hostText("a", "1000000"), []string{`line 2: a: its samples are 0.001 s apart`}},
		"reserve":     {"reserve memory: 33GiB\n" + hostText("a", "0") + hostText("a", later), []string{`line 3: a: the host has cpu 8 cores, memory 32GiB and is to keep memory 33GiB, which is more memory; change the reserve`}},
		"numbers":     {hostText("a", "0", domainText("v", "x", "-1")) + hostText("a", "y"), []string{`line 2: a: its samples are 0 s apart`, `line 9: v.state.state: "x" is not a whole number`, `line 11: v.cpu.time: "-1" is not a whole number`, `line 20: time: "y" is not a whole number`}},
		"began anew":  {hostText("a", "0", domainText("v", "1", "5")) + hostText("a", later, domainText("v", "1", "4")), []string{`line 21: v: the VM came or began anew between the two samples; gather again`}},
		"came":        {hostText("a", "0") + hostText("a", later, domainText("v", "1", "4")), []string{`line 14: v: the VM came or began anew`}},
		"missing":     {hostText("a", "0") + hostText("a", later, "Domain: 'v'\n  state.state=1\n"), []string{`line 14: v: balloon.maximum is missing`}},
		"twice": {hostText("a", "0", domainText("v", "1", "4"), domainText("v", "1", "4")) + hostText("b", "0", domainText("v", "3", "4")) +
			hostText("a", later, domainText("v", "1", "4")) + hostText("b", later, domainText("v", "3", "4")), []string{
			`line 16: VM "v" is there twice in a sample, or has no name`,
			`line 55: v: the VM is on two hosts; if it is being migrated, gather again`,
		}},
	} {
		t.Run(what, func(t *testing.T) {
			_, err := Read([]byte(gatherHeader + "\n" + test.text))
			wantMistakes(t, err, test.want)
		})
	}
}

// Whatever the bytes, what was gathered ends with a valid snapshot or with
// mistakes.
func FuzzGathered(f *testing.F) {
	f.Add("reserve cpu: 1 core\n" + hostText("a", "0", domainText("v", "1", "5")) + hostText("a", "10000000000", domainText("v", "1", "7")+"  vcpu.0.delay=3\n"))
	f.Add(hostText("a", "0") + hostText("a", "10000000000", domainText("v", "5", "7")))
	f.Fuzz(func(t *testing.T, text string) {
		readsOrRefuses(t, []byte(gatherHeader+"\n"+text))
	})
}

// examples/gather.sh prints what is read, with an ssh and a virsh that know
// their lines.
func TestGatherScript(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip("there is no sh")
	}
	dir := t.TempDir()
	for name, script := range map[string]string{
		"ssh":   `host=$1; shift; HOST=$host exec env "$@"`,
		"sleep": `echo "$1" >>"$DIR/slept"`,
		"date":  `if [ -e "$DIR/slept" ]; then echo "time: 30000000000"; else echo "time: 20000000000"; fi`,
		"virsh": `
[ "$1 $2" = "-c qemu:///system" ] || exit 1
if [ "$3" = nodeinfo ]; then
	printf 'CPU(s):              8\nMemory size:         33554432 KiB\n\n'
elif [ "$HOST" = kvm2 ]; then
	used=1; [ -e "$DIR/slept" ] && used=5
	printf "Domain: 'web'\n  state.state=1\n  cpu.time=${used}000000000\n  balloon.maximum=1048576\n  vcpu.current=2\n\n"
fi`,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!"+sh+"\n"+script+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	gather := exec.Command(sh, "../examples/gather.sh", "kvm1", "kvm2")
	gather.Env = append(os.Environ(), "DIR="+dir, "PATH="+dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	text, err := gather.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	s, err := Read(text)
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	c := s.Configuration
	want := cluster.VM{Name: "web", VCPUs: 2, Demand: cluster.Of(400, cluster.GiB)}
	if len(c.Nodes) != 2 || c.Nodes[0].Capacity != cluster.Of(7*cluster.Core, 30*cluster.GiB) || len(c.VMs) != 1 || c.VMs[0] != want || c.Host[0] != 1 {
		t.Errorf("got %+v", c)
	}
}
