package injector

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// What is known of a Bitbrains trace.
const (
	bitbrainsStep    = 300       // seconds
	bitbrainsColumns = 11        // separated by a semicolon and a tab
	bitbrainsSteps   = 1_000_000 // more than nine years; the traces have three months
	mostCores        = 4096
	mostPercent      = 200
)

// ReadBitbrains reads a directory of Bitbrains traces [3]: a file NAME.csv for
// each VM, with the cores and the memory that it had and the CPU that it used,
// about every 300 s. Other files are passed over.
//
// The traces have quirks, which are read so:
//
//   - Times are in seconds, although the header says ms. They are rounded to
//     steps of 300 s from the file's first; records are not aligned by date.
//   - Of several rows in the same step, the last counts. In a step without a
//     row, the one before goes on.
//   - VMs are resized. VCPUs and Memory are the most that a VM had; CPU is that
//     of the cores it had then.
//   - CPU goes up to 106 %, from processors above their nominal speed. What is
//     more than 100 % counts as 100 %.
//
// Some VMs never have a core; see WithCores. Records come in the order of
// their names. Errors are of type *FileError.
func ReadBitbrains(fsys fs.FS, dir string) ([]Recorded, error) {
	csv := func(name string) bool { return strings.HasSuffix(name, ".csv") }
	return readTraces(fsys, dir, "files that end in .csv", csv, parseBitbrains)
}

func parseBitbrains(name string, lines []string) (Recorded, *FileError) {
	r := Recorded{Name: strings.TrimSuffix(name, ".csv"), Step: bitbrainsStep * time.Second}
	if !strings.HasPrefix(lines[0], "Timestamp [ms];") {
		return r, &FileError{Line: 1, Err: errors.New(`not the header of a Bitbrains trace, which starts with "Timestamp [ms];"`)}
	}
	if len(lines) == 1 {
		return r, &FileError{Err: errors.New("no rows after the header")}
	}
	var first, last int64
	for i, line := range lines[1:] {
		row, err := parseBitbrainsRow(line)
		if i == 0 {
			first, last = row.seconds, row.seconds
		}
		if err == nil && row.seconds < last {
			err = fmt.Errorf("time goes back from %d to %d", last, row.seconds)
		}
		if err == nil && row.seconds-first > bitbrainsStep*(bitbrainsSteps-1) {
			err = fmt.Errorf("time %d is more than %d steps of %d s after the first, %d", row.seconds, bitbrainsSteps, bitbrainsStep, first)
		}
		if err != nil {
			return r, &FileError{Line: i + 2, Err: err}
		}
		last = row.seconds
		r.VCPUs = max(r.VCPUs, row.cores)
		r.Memory = max(r.Memory, row.memory)
		r.set(int((row.seconds-first+bitbrainsStep/2)/bitbrainsStep), row.cpu())
	}
	return r, nil
}

// set sets the CPU of a step, which is the last so far or a later one, and of
// the steps between, which had no row.
func (r *Recorded) set(step int, cpu cluster.Millicores) {
	for len(r.CPU) <= step {
		held := cpu
		if len(r.CPU) > 0 {
			held = r.CPU[len(r.CPU)-1]
		}
		r.CPU = append(r.CPU, held)
	}
	r.CPU[step] = cpu
}

// bitbrainsRow has the columns that are used.
type bitbrainsRow struct {
	seconds int64 // since 1970
	cores   int32
	percent float64 // CPU used, of all cores
	memory  cluster.Bytes
}

func (r bitbrainsRow) cpu() cluster.Millicores {
	full := float64(r.cores) * float64(cluster.Core)
	return cluster.Millicores(math.Round(full * min(r.percent, 100) / 100))
}

func parseBitbrainsRow(line string) (row bitbrainsRow, err error) {
	fields := strings.Split(line, ";")
	if len(fields) != bitbrainsColumns {
		return row, fmt.Errorf("%d columns, want %d, separated by semicolons", len(fields), bitbrainsColumns)
	}
	for i := range fields {
		fields[i] = strings.TrimSpace(fields[i])
	}
	if row.seconds, err = strconv.ParseInt(fields[0], 10, 64); err != nil || row.seconds < 0 || row.seconds > 1e11 {
		return row, fmt.Errorf("%.40q is not a time in seconds since 1970", fields[0])
	}
	cores, err := strconv.Atoi(fields[1])
	if err != nil || cores < 0 || cores > mostCores {
		return row, fmt.Errorf("%.40q is not a number of cores, a whole number from 0 to %d", fields[1], mostCores)
	}
	row.cores = int32(cores)
	if row.percent, err = strconv.ParseFloat(fields[4], 64); err != nil || !(row.percent >= 0 && row.percent <= mostPercent) {
		return row, fmt.Errorf("%.40q is not a CPU percentage from 0 to %d", fields[4], mostPercent)
	}
	kilobytes, err := strconv.ParseFloat(fields[5], 64)
	if err != nil || !(kilobytes >= 0 && kilobytes <= 1<<40) {
		return row, fmt.Errorf("%.40q is not an amount of memory in KB", fields[5])
	}
	row.memory = cluster.Bytes(kilobytes * float64(cluster.KiB))
	return row, nil
}
