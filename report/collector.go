package report

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

// Collector is a trace.Sink that takes the records of one run. It keeps what
// statistics and charts need, not the records: some tens of bytes for each
// violation, migration, solve, partition and load sample.
type Collector struct {
	header trace.Header
	end    trace.End
	ended  bool
	last   time.Duration // the latest instant that a record speaks of

	loads      []trace.Load
	violations []interval
	violation  struct{ open, arrival, memory int }

	starved struct {
		vms  int
		time time.Duration
		lost float64 // core-seconds
	}

	solves      []time.Duration
	solveSteps  int
	solveFailed int
	solved      map[string]time.Duration // by partition alive: when its last viable plan was found

	plans       []time.Duration // of reconfigurations that were done
	planAborted int
	planOpen    int

	migrations []interval // done
	migration  struct {
		failed, open, intraSite int
		bytes                   cluster.Bytes
	}

	partitions      int
	sizes           []int // members, of the partitions that counted; see counts
	partitionSites  int
	partitionHops   int
	partitionMerges int
	outcomes        map[string]int
	toSolution      []time.Duration
	partitionTimes  []time.Duration // of those that counted

	partitionMessages []int // of those that are not open
	partitionBytes    []int

	requests []trace.Request
	started  int // VMs

	places []trace.Place

	mishaps mishaps
}

// interval is a stretch of simulated time.
type interval struct{ at, duration time.Duration }

func (i interval) end() time.Duration { return i.at + i.duration }

// NewCollector returns a Collector for one run.
func NewCollector() *Collector {
	return &Collector{solved: map[string]time.Duration{}, outcomes: map[string]int{}}
}

// Header returns the header of the run, zero before it was recorded.
func (c *Collector) Header() trace.Header { return c.header }

// Record takes one record. Records may come in any order, except that the
// solves of a partition come before the partition.
func (c *Collector) Record(r trace.Record) {
	switch r := r.(type) {
	case trace.Header:
		c.header = r
	case trace.Load:
		c.reached(r.At)
		c.loads = append(c.loads, r)
	case trace.Violation:
		c.recordViolation(r)
	case trace.Starved:
		c.starved.vms++
		c.starved.time += r.Duration
		c.starved.lost += r.Lost
	case trace.Solve:
		c.recordSolve(r)
	case trace.Reconfiguration:
		c.recordReconfiguration(r)
	case trace.Migration:
		c.recordMigration(r)
	case trace.Partition:
		c.recordPartition(r)
	case trace.Request:
		c.reached(r.At + r.Duration)
		c.requests = append(c.requests, r)
	case trace.Start:
		c.reached(r.At + r.Duration)
		c.started += one(r.Outcome == "done")
	case trace.Place:
		c.places = append(c.places, r)
	case trace.Fault:
		c.mishaps.recordFault(r)
	case trace.Messages:
		c.mishaps.any, c.mishaps.Lost, c.mishaps.Doubled = true, r.Lost, r.Doubled
	case trace.End:
		c.end, c.ended = r, true
		c.reached(r.At)
	}
}

func (c *Collector) reached(t time.Duration) { c.last = max(c.last, t) }

func (c *Collector) recordViolation(r trace.Violation) {
	v := interval{r.At, r.Duration}
	c.reached(v.end())
	c.violations = append(c.violations, v)
	c.mishaps.recordViolation(r.Host, v)
	c.violation.open += one(r.Open)
	c.violation.arrival += one(r.Arrival)
	c.violation.memory += one(r.Resource == cluster.Memory)
}

func (c *Collector) recordSolve(r trace.Solve) {
	end := r.At + r.Duration
	c.reached(end)
	c.solves = append(c.solves, r.Duration)
	c.solveSteps += r.Steps
	switch r.Answer {
	case "viable":
		if r.Partition != "" {
			c.solved[r.Partition] = end
		}
	case "already-viable":
	default:
		c.solveFailed++
	}
}

func (c *Collector) recordReconfiguration(r trace.Reconfiguration) {
	c.reached(r.At + r.Duration)
	switch r.Outcome {
	case "done":
		c.plans = append(c.plans, r.Duration)
	case "open":
		c.planOpen++
	default:
		c.planAborted++
	}
}

func (c *Collector) recordMigration(r trace.Migration) {
	m := interval{r.At, r.Duration}
	c.reached(m.end())
	c.migration.bytes += r.Bytes
	switch r.Outcome {
	case "done":
		c.migrations = append(c.migrations, m)
		c.migration.intraSite += one(r.FromSite == r.ToSite)
	case "open":
		c.migration.open++
	default:
		c.migration.failed++
	}
}

func (c *Collector) recordPartition(r trace.Partition) {
	c.reached(r.At + r.Duration)
	c.partitions++
	c.outcomes[r.Outcome]++
	c.partitionMerges += r.Merges
	if counts(r.Outcome) {
		c.sizes = append(c.sizes, len(r.Members))
		c.partitionSites += r.Sites
		c.partitionHops += r.Hops
		c.partitionTimes = append(c.partitionTimes, r.Duration)
	}
	if r.Outcome != "open" {
		c.partitionMessages = append(c.partitionMessages, r.Messages)
		c.partitionBytes = append(c.partitionBytes, int(r.Bytes))
	}
	found, ok := c.solved[r.ID]
	if ok && r.Outcome == "solved" && found >= r.At {
		c.toSolution = append(c.toSolution, found-r.At)
	}
	delete(c.solved, r.ID)
}

// counts reports whether a partition has its size, sites, hops and duration counted. One
// that was merged lives on in another, and one that is open is still growing.
func counts(outcome string) bool { return outcome != "merged" && outcome != "open" }

// hasPartitions reports whether the strategy works with partitions.
func (c *Collector) hasPartitions() bool {
	return c.partitions > 0 || strings.HasPrefix(c.header.Strategy, "dvms")
}

// span is how much simulated time the records cover.
func (c *Collector) span() time.Duration {
	if c.ended {
		return c.end.At
	}
	return c.last
}

// partial reports whether the run did not come to its end.
func (c *Collector) partial() bool { return c.end.Partial || !c.ended }

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

// byEnd returns the intervals in the order of their ends.
func byEnd(in []interval) []interval {
	out := slices.Clone(in)
	slices.SortFunc(out, func(a, b interval) int { return cmp.Compare(a.end(), b.end()) })
	return out
}
