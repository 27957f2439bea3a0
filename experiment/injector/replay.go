package injector

import (
	"container/heap"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// Playback is how one VM plays a record: from which step on, and where within
// the step the run begins.
//
// At time t of the run, the VM plays step Shift + (t+Phase)/Step of the record,
// rounded down. After the last step the record starts again.
type Playback struct {
	Record Recorded
	Shift  int           // Invariant: 0 <= Shift < len(Record.CPU)
	Phase  time.Duration // Invariant: 0 <= Phase < Record.Step
}

// Phases says where within a step the VMs' records begin.
type Phases uint8

const (
	// Spread draws a phase for each VM. A trace's step is that of the monitor
	// that recorded it; VMs change at any instant. If all changed at once,
	// schedulers would be measured by how they take a burst every five
	// minutes, which is not in the data.
	Spread Phases = iota
	// Together starts all at the beginning of a step, so that all VMs change at
	// the same instants, as in simulators that advance by steps.
	Together
)

// Assign decides which record each VM plays.
//
// With as many VMs as records, VM i plays record i from its beginning. With
// fewer VMs, a random sample of the records is played, still in order. With
// more, the first VMs play all the records, and each further one plays a
// record drawn at random, shifted by a random number of steps, so that copies
// don't march in step.
func Assign(records []Recorded, vms int, seed uint64, phases Phases) ([]Playback, error) {
	if vms > 0 && len(records) == 0 {
		return nil, fmt.Errorf("no recorded traces to play for %d VMs", vms)
	}
	chosen, shifts, starts := Stream(seed, "injector/records"), Stream(seed, "injector/shifts"), Stream(seed, "injector/phases")
	indices := make([]int, len(records))
	for i := range indices {
		indices[i] = i
	}
	if vms < len(records) {
		indices = chosen.Perm(len(records))[:vms]
		slices.Sort(indices)
	}
	playbacks := make([]Playback, vms)
	for v := range playbacks {
		p := &playbacks[v]
		if v < len(indices) {
			p.Record = records[indices[v]]
		} else {
			p.Record = records[chosen.IntN(len(records))]
			if steps := len(p.Record.CPU); steps > 1 {
				p.Shift = 1 + shifts.IntN(steps-1)
			}
		}
		if phases == Spread {
			p.Phase = time.Duration(starts.Int64N(int64(p.Record.Step)))
		}
	}
	return playbacks, nil
}

// Replay returns the workload of VMs that play records, until duration. VM v
// has vcpus[v] vCPUs, and asks for the same part of them as its record used of
// the recorded VM's. If vcpus is nil, each VM is as large as its record.
//
// A record that is shorter than the run is repeated, and the rest of a longer
// one is not played. Only changes of value are yielded.
func Replay(playbacks []Playback, vcpus []int32, duration time.Duration) (Workload, error) {
	if vcpus != nil && len(vcpus) != len(playbacks) {
		return Workload{}, fmt.Errorf("%d VMs but %d records to play", len(vcpus), len(playbacks))
	}
	r := &replay{duration: duration}
	initial := make([]cluster.Millicores, len(playbacks))
	for v, playback := range playbacks {
		if err := playback.validate(); err != nil {
			return Workload{}, fmt.Errorf("record %q: %w", playback.Record.Name, err)
		}
		p := &player{Playback: playback, vm: int32(v), vcpus: playback.Record.VCPUs}
		if vcpus != nil {
			p.vcpus = vcpus[v]
		}
		initial[v] = p.demand()
		if p.advance(duration) {
			r.players = append(r.players, p)
		}
	}
	heap.Init(&r.players)
	return Workload{initial, r}, nil
}

func (p Playback) validate() error {
	switch {
	case p.Record.Step <= 0:
		return fmt.Errorf("a step of %v is not positive", p.Record.Step)
	case len(p.Record.CPU) == 0:
		return errors.New("no steps")
	case p.Shift < 0 || p.Shift >= len(p.Record.CPU):
		return fmt.Errorf("a shift of %d is not from 0 to %d", p.Shift, len(p.Record.CPU)-1)
	case p.Phase < 0 || p.Phase >= p.Record.Step:
		return fmt.Errorf("a phase of %v is not within a step of %v", p.Phase, p.Record.Step)
	}
	return nil
}

// player is a VM on its way through its record.
type player struct {
	Playback
	vm    int32
	vcpus int32
	steps int           // since the beginning of the run
	at    time.Duration // when the current step began
}

func (p *player) demand() cluster.Millicores {
	recorded := cluster.Millicores(p.Record.VCPUs)
	if recorded == 0 {
		return 0
	}
	cpu := p.Record.CPU[(p.Shift+p.steps)%len(p.Record.CPU)]
	return (2*cpu*cluster.Millicores(p.vcpus) + recorded) / (2 * recorded)
}

// advance goes to the next step with another demand. It returns false if there
// is none before the end.
func (p *player) advance(end time.Duration) bool {
	before := p.demand()
	for range p.Record.CPU {
		p.steps++
		p.at = time.Duration(p.steps)*p.Record.Step - p.Phase
		if p.at >= end {
			return false
		}
		if p.demand() != before {
			return true
		}
	}
	return false // all steps are the same
}

type replay struct {
	players  players
	duration time.Duration
}

func (r *replay) Next() (Change, bool) {
	if len(r.players) == 0 {
		return Change{}, false
	}
	p := r.players[0]
	c := Change{p.at, p.vm, p.demand()}
	if p.advance(r.duration) {
		heap.Fix(&r.players, 0)
	} else {
		heap.Pop(&r.players)
	}
	return c, true
}

// players is a heap: the first has the next change, of the VM with the lowest
// index among equals.
type players []*player

func (p players) Len() int      { return len(p) }
func (p players) Swap(i, j int) { p[i], p[j] = p[j], p[i] }
func (p players) Less(i, j int) bool {
	if p[i].at != p[j].at {
		return p[i].at < p[j].at
	}
	return p[i].vm < p[j].vm
}

func (p *players) Push(x any) { *p = append(*p, x.(*player)) }

func (p *players) Pop() any {
	last := len(*p) - 1
	x := (*p)[last]
	*p = (*p)[:last]
	return x
}
