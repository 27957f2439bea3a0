package injector

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// samples returns a folder of the public traces that may lie beside the
// repository. They are not in it, because their licences are not settled.
func samples(t *testing.T, folder string) fs.FS {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "shared", "data", "traces", filepath.FromSlash(folder))
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("no sample traces: %v", err)
	}
	return os.DirFS(dir)
}

func files(contents map[string]string) fs.FS {
	fsys := fstest.MapFS{}
	for name, text := range contents {
		fsys[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return fsys
}

const header = "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t" +
	"Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\t" +
	"Disk write throughput [KB/s];\tNetwork received throughput [KB/s];\tNetwork transmitted throughput [KB/s]\n"

// row is a line of a Bitbrains trace.
func row(seconds, cores, percent, kilobytes any) string {
	return fmt.Sprintf("%v;\t%v;\t2600.0;\t10.5;\t%v;\t%v;\t0.0;\t0.0;\t0.0;\t0.0;\t1.2\n", seconds, cores, percent, kilobytes)
}

func TestReadPlanetLab(t *testing.T) {
	records, err := ReadPlanetLab(files(map[string]string{
		"day/b":         "0\n100\n7\n",
		"day/a":         "24\r\n34\r\n29",
		"day/README.md": "not a trace",
		"day/.hidden":   "nor this",
		"day/more/c":    "1",
	}), "day")
	if err != nil {
		t.Fatal(err)
	}
	want := "[{a 5m0s 1 0B [0.24 cores 0.34 cores 0.29 cores]} {b 5m0s 1 0B [0 cores 1 core 0.07 cores]}]"
	if got := fmt.Sprint(records); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReadBitbrains(t *testing.T) {
	records, err := ReadBitbrains(files(map[string]string{
		"2.csv": header +
			row(1000, 2, 50, "1048576.0") +
			row(1301, 2, 106.4, "1048576.0") + // a second late, and too fast
			row(1301, 2, 25, "1048576.0") + // again: counts instead
			row(2199, 4, 5, "2097152.0") + // 900 s later: resized
			row(2499, 4, 106.4, "2097152.0"),
		"1.csv":  header + row(1372629804, 0, 0, 0),
		"README": "not a trace",
	}), ".")
	if err != nil {
		t.Fatal(err)
	}
	want := "[{1 5m0s 0 0B [0 cores]} {2 5m0s 4 2GiB [1 core 0.5 cores 0.5 cores 0.5 cores 0.2 cores 4 cores]}]"
	if got := fmt.Sprint(records); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if with := WithCores(records); len(with) != 1 || with[0].Name != "2" {
		t.Errorf("the records with cores are %v", with)
	}
}

func TestPlanetLabErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		contents map[string]string
		want     string
	}{
		{"no directory", nil, "traces: file does not exist"},
		{
			"nothing in it",
			map[string]string{"traces/README.md": "x"},
			"traces: no traces here; they are files without extension",
		},
		{
			"a level too high",
			map[string]string{"traces/20110303/a": "1", "traces/20110306/a": "1"},
			"traces: no traces here; they are files without extension; there is a folder traces/20110303",
		},
		{"empty file", map[string]string{"traces/a": "1\n", "traces/b": "\n\n"}, "traces/b: the file is empty"},
		{
			"a word",
			map[string]string{"traces/foo": strings.Repeat("1\n", 16) + "abc\n2\n"},
			`traces/foo: line 17: "abc" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"a gap",
			map[string]string{"traces/a": "1\n\n2\n"},
			`traces/a: line 2: "" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"too much",
			map[string]string{"traces/a": "101\n"},
			`traces/a: line 1: "101" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"negative",
			map[string]string{"traces/a": "-1\n"},
			`traces/a: line 1: "-1" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"NaN",
			map[string]string{"traces/a": "NaN\n"},
			`traces/a: line 1: "NaN" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"a fraction",
			map[string]string{"traces/a": "1.5\n"},
			`traces/a: line 1: "1.5" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"binary",
			map[string]string{"traces/a": strings.Repeat("\x00", 1000)},
			`traces/a: line 1: "` + strings.Repeat(`\x00`, 40) + `" is not a CPU percentage, a whole number from 0 to 100`,
		},
		{
			"ragged",
			map[string]string{"traces/a": "1", "traces/b": "1\n2\n", "traces/c": "1\n2\n"},
			"traces/a: 1 lines, where other traces have 2",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadPlanetLab(files(c.contents), "traces")
			check(t, err, c.want)
		})
	}
}

func TestBitbrainsErrors(t *testing.T) {
	good := row(1000, 1, 2.5, 1024)
	for _, c := range []struct {
		name, text, want string
	}{
		{"empty", "", "d/1.csv: the file is empty"},
		{"no header", good, `d/1.csv: line 1: not the header of a Bitbrains trace, which starts with "Timestamp [ms];"`},
		{"no rows", header, "d/1.csv: no rows after the header"},
		{"columns", header + good + "1300;\t1;\t5\n", "d/1.csv: line 3: 3 columns, want 11, separated by semicolons"},
		{"commas", header + strings.ReplaceAll(good, ";", ","), "d/1.csv: line 2: 1 columns, want 11, separated by semicolons"},
		{"no time", header + row("x", 1, 2, 3), `d/1.csv: line 2: "x" is not a time in seconds since 1970`},
		{"milliseconds", header + row(1372629804000, 1, 2, 3), `d/1.csv: line 2: "1372629804000" is not a time in seconds since 1970`},
		{"backwards", header + good + row(999, 1, 2, 3), "d/1.csv: line 3: time goes back from 1000 to 999"},
		{
			"a jump", header + good + row(1372629804, 1, 2, 3),
			"d/1.csv: line 3: time 1372629804 is more than 1000000 steps of 300 s after the first, 1000",
		},
		{"negative cores", header + row(1, -1, 2, 3), `d/1.csv: line 2: "-1" is not a number of cores, a whole number from 0 to 4096`},
		{"half a core", header + row(1, 0.5, 2, 3), `d/1.csv: line 2: "0.5" is not a number of cores, a whole number from 0 to 4096`},
		{"NaN", header + row(1, 1, "NaN", 3), `d/1.csv: line 2: "NaN" is not a CPU percentage from 0 to 200`},
		{"too much", header + row(1, 1, 200.1, 3), `d/1.csv: line 2: "200.1" is not a CPU percentage from 0 to 200`},
		{"negative", header + row(1, 1, -0.1, 3), `d/1.csv: line 2: "-0.1" is not a CPU percentage from 0 to 200`},
		{"memory", header + row(1, 1, 2, "-Inf"), `d/1.csv: line 2: "-Inf" is not an amount of memory in KB`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ReadBitbrains(files(map[string]string{"d/1.csv": c.text}), "d")
			check(t, err, c.want)
		})
	}
	_, err := ReadBitbrains(files(map[string]string{"README": ""}), ".")
	check(t, err, ".: no traces here; they are files that end in .csv")
}

// check asks for a FileError with a text.
func check(t *testing.T, err error, want string) {
	t.Helper()
	var fe *FileError
	if !errors.As(err, &fe) {
		t.Fatalf("the error is %T (%v), want a FileError", err, err)
	}
	if err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

func TestFileErrorUnwraps(t *testing.T) {
	if _, err := ReadPlanetLab(files(nil), "nowhere"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v is not fs.ErrNotExist", err)
	}
}

// Facts that the origin of the sample states: 1,052 files of 288 lines, of
// which the greatest value is 99 and the mean 12.31 %.
func TestPlanetLabSample(t *testing.T) {
	records, err := ReadPlanetLab(samples(t, "planetlab"), "20110303")
	if err != nil {
		t.Fatal(err)
	}
	var sum, greatest cluster.Millicores
	for _, r := range records {
		if len(r.CPU) != 288 {
			t.Errorf("%s has %d steps, want 288", r.Name, len(r.CPU))
		}
		for _, cpu := range r.CPU {
			sum += cpu
			greatest = max(greatest, cpu)
		}
	}
	mean := float64(sum) / 10 / float64(288*len(records))
	if len(records) != 1052 || greatest != 990 || math.Abs(mean-12.31) > 0.005 {
		t.Errorf("%d VMs, mean %.2f%%, greatest %v; want 1052, 12.31%% and 0.99 cores", len(records), mean, greatest)
	}
}

// 100 VMs for a day, of which twelve never have a core; others are given one
// later, or go up to 106 %.
func TestBitbrainsDay(t *testing.T) {
	records, err := ReadBitbrains(samples(t, "bitbrains-rnd"), "day1")
	if err != nil {
		t.Fatal(err)
	}
	if with := WithCores(records); len(records) != 100 || len(with) != 88 {
		t.Errorf("%d VMs, %d with cores; want 100, 88", len(records), len(with))
	}
	for _, r := range records {
		if n := len(r.CPU); n < 288 || n > 292 { // up to four rows are missing
			t.Errorf("%s has %d steps, want about 288", r.Name, n)
		}
		if over := slices.Max(r.CPU); over > cluster.Millicores(r.VCPUs)*cluster.Core {
			t.Errorf("%s uses %v of %d vCPUs", r.Name, over, r.VCPUs)
		}
	}
}

func TestBitbrainsMonth(t *testing.T) {
	records, err := ReadBitbrains(samples(t, "bitbrains-rnd"), "full")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if days := time.Duration(len(r.CPU)) * r.Step / (24 * time.Hour); days != 29 && days != 30 {
			t.Errorf("%s has %d days, want 30", r.Name, days)
		}
	}
}

func FuzzReadPlanetLab(f *testing.F) {
	f.Add("24\n34\n", "1\n2\n")
	f.Add("24\r\n34", "\n")
	f.Add("abc", "101")
	f.Fuzz(func(t *testing.T, a, b string) {
		records, err := ReadPlanetLab(files(map[string]string{"a": a, "b": b}), ".")
		sound(t, records, err)
	})
}

func FuzzReadBitbrains(f *testing.F) {
	f.Add(row(1000, 2, 50, "1048576.0") + row(1301, 2, 106.4, "1048576.0"))
	f.Add(row(1000, 0, 0, 0) + row(1000, 1, "NaN", "1e300"))
	f.Add(row(0, 4096, 200, 1<<40) + row("9e9", "+1", "0x1p3", ""))
	f.Fuzz(func(t *testing.T, rows string) {
		records, err := ReadBitbrains(files(map[string]string{"1.csv": header + rows}), ".")
		sound(t, records, err)
	})
}

// sound asks that records keep their invariant and can be played, or else that
// the error says where it was.
func sound(t *testing.T, records []Recorded, err error) {
	t.Helper()
	if err != nil {
		if fe, ok := errors.AsType[*FileError](err); !ok || fe.Path == "" || strings.Contains(err.Error(), "\n") {
			t.Fatalf("a poor error: %v", err)
		}
		return
	}
	for _, r := range records {
		if r.Step <= 0 || len(r.CPU) == 0 || r.Memory < 0 || r.VCPUs < 0 {
			t.Fatalf("%s: step %v, %d steps, memory %v, %d vCPUs", r.Name, r.Step, len(r.CPU), r.Memory, r.VCPUs)
		}
		if low, high := slices.Min(r.CPU), slices.Max(r.CPU); low < 0 || high > cluster.Millicores(r.VCPUs)*cluster.Core {
			t.Fatalf("%s: CPU from %v to %v of %d vCPUs", r.Name, low, high, r.VCPUs)
		}
	}
	playbacks, err := Assign(records, len(records)+1, 1, Spread)
	if err != nil {
		t.Fatal(err)
	}
	w, err := Replay(playbacks, nil, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	all(w.Changes)
}
