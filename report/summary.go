package report

import (
	"math"
	"slices"
	"time"
)

// Seconds is a time in seconds, to the nanosecond.
type Seconds float64

// Summary is one run in figures. Its JSON is stable: fields are added, never
// changed; docs/file-formats.md describes them.
//
// Statistics over nothing are 0, and the count beside them is 0; nothing is
// ever NaN. A standard deviation is that of a sample (n-1), and 0 for one
// value. p95 is the smallest value that 95 % of the values do not exceed.
type Summary struct {
	Strategy string  `json:"strategy"`
	Seed     uint64  `json:"seed"`
	Hosts    int     `json:"hosts"`
	Sites    int     `json:"sites"`
	VMs      int     `json:"vms"`
	Duration Seconds `json:"duration_s"` // simulated time reached
	Partial  bool    `json:"partial"`    // the run was interrupted, or its trace cut off

	Violations      Violations      `json:"violations"`
	Starvation      Starvation      `json:"starvation"`
	Computation     Computation     `json:"computation"`
	Reconfiguration Reconfiguration `json:"reconfiguration"`
	Migrations      Migrations      `json:"migrations"`
	Partitions      *Partitions     `json:"partitions"`       // nil for strategies without partitions
	Faults          *Faults         `json:"faults,omitempty"` // nil for runs without

	Requests *Requests `json:"requests"` // nil if nobody asked for anything

	EmptyHosts float64 `json:"empty_hosts_mean"` // without a VM, over the samples of the load

	Messages     int    `json:"messages"`      // sent between nodes
	MessageBytes int64  `json:"message_bytes"` // about, as agents would send them
	Gossip       int    `json:"gossip"`        // messages that keep an overlay up, not counted above
	GossipBytes  int64  `json:"gossip_bytes"`
	Changes      int    `json:"changes"` // of load
	Events       uint64 `json:"events"`  // processed by the simulation kernel

	// How long the run took on the machine that made it; see WithWall.
	Wall            Seconds `json:"wall_s,omitempty"`
	EventsPerSecond float64 `json:"events_per_s,omitempty"`
}

// Times are statistics of durations.
type Times struct {
	Count int     `json:"count"`
	Mean  Seconds `json:"mean_s"`
	SD    Seconds `json:"sd_s"`
	P95   Seconds `json:"p95_s"`
	Max   Seconds `json:"max_s"`
	Total Seconds `json:"total_s"`
}

// Violations are the times during which the VMs of a host asked for more than
// it has. One that is open at the end of the run counts with the time until
// then.
type Violations struct {
	Times
	Open    int `json:"open"`          // at the end of the run
	Arrival int `json:"arrival_count"` // begun by a VM that arrived, not by a change of load
	Memory  int `json:"memory_count"`  // of memory, not of CPU
}

// Starvation is what the VMs asked for and did not get.
type Starvation struct {
	VMs       int     `json:"vms"`         // that at some time did not get what they asked for
	Time      Seconds `json:"time_s"`      // summed over these VMs
	Lost      float64 `json:"lost_core_s"` // core-seconds not given
	LostShare float64 `json:"lost_share"`  // of what all VMs asked for, 0 to 1
}

// Computation are the calls of the placement solver.
type Computation struct {
	Times
	Steps  int `json:"steps"`  // of search
	Failed int `json:"failed"` // calls that found no plan
}

// Reconfiguration is the carrying out of plans. Times are of those that were
// done.
type Reconfiguration struct {
	Times
	Aborted int `json:"aborted"`
	Open    int `json:"open"` // at the end of the run
}

// Migrations are live migrations. Times are of those that were done.
type Migrations struct {
	Times
	Bytes          int64   `json:"bytes"` // sent, also by those that failed or are open
	IntraSite      int     `json:"intra_site_count"`
	IntraSiteShare float64 `json:"intra_site_share"` // of those that were done, 0 to 1
	Failed         int     `json:"failed"`
	Open           int     `json:"open"` // at the end of the run
}

// Partitions are the iterative scheduling procedures of DVMS. Nodes, sites,
// hops and durations are of those that came to an end: not of those that were
// merged into another, nor of those still open.
type Partitions struct {
	Count      int     `json:"count"` // all that an event began
	MeanNodes  float64 `json:"mean_nodes"`
	P95Nodes   int     `json:"p95_nodes"`
	MaxNodes   int     `json:"max_nodes"`
	MeanSites  float64 `json:"mean_sites"`
	MeanHops   float64 `json:"mean_hops"`
	Merges     int     `json:"merges"`
	Solved     int     `json:"solved"`
	Vanished   int     `json:"vanished"`
	Unsolvable int     `json:"unsolvable"`
	Aborted    int     `json:"aborted"`
	Merged     int     `json:"merged"`
	Lost       int     `json:"lost"`
	Open       int     `json:"open"`
	// From the event to the plan that solves it, computation included and
	// migrations not.
	ToSolution Times `json:"time_to_solution"`
	Duration   Times `json:"duration"` // from the event to the release of all nodes
	// Messages, and the bytes of these, are of all partitions but those still open:
	// what one sent before it was merged counts with it and not with the other.
	Messages     Amounts `json:"messages"`
	MessageBytes Amounts `json:"message_bytes"`
}

// Amounts are statistics of whole numbers.
type Amounts struct {
	Count int     `json:"count"`
	Mean  float64 `json:"mean"`
	P95   int     `json:"p95"`
	Max   int     `json:"max"`
	Total int     `json:"total"`
}

// Summary returns the figures of what was recorded so far.
func (c *Collector) Summary() Summary {
	s := Summary{
		Strategy: c.header.Strategy,
		Seed:     c.header.Seed,
		Hosts:    c.header.Hosts,
		Sites:    c.header.Sites,
		VMs:      c.header.VMs,
		Duration: inSeconds(float64(c.span())),
		Partial:  c.partial(),
		Violations: Violations{
			Times: times(durations(c.violations)),
			Open:  c.violation.open, Arrival: c.violation.arrival, Memory: c.violation.memory,
		},
		Starvation: Starvation{
			VMs: c.starved.vms, Time: inSeconds(float64(c.starved.time)),
			Lost: rounded(c.starved.lost), LostShare: rounded(c.end.LostShare),
		},
		Computation:     Computation{Times: times(c.solves), Steps: c.solveSteps, Failed: c.solveFailed},
		Reconfiguration: Reconfiguration{Times: times(c.plans), Aborted: c.planAborted, Open: c.planOpen},
		Migrations: Migrations{
			Times: times(durations(c.migrations)), Bytes: int64(c.migration.bytes),
			IntraSite:      c.migration.intraSite,
			IntraSiteShare: ratio(c.migration.intraSite, len(c.migrations)),
			Failed:         c.migration.failed, Open: c.migration.open,
		},
		Faults:     c.mishaps.summary(),
		EmptyHosts: c.emptyHosts(),

		Messages: c.end.Messages, MessageBytes: int64(c.end.Bytes),
		Gossip: c.end.Gossip, GossipBytes: int64(c.end.GossipBytes),
		Changes: c.end.Changes,
		Events:  c.end.Events,
	}
	s.Requests = c.requestSummary()
	if c.hasPartitions() {
		s.Partitions = c.partitionSummary()
	}
	return s
}

func (c *Collector) emptyHosts() float64 {
	empty := 0
	for _, l := range c.loads {
		empty += l.Empty
	}
	return ratio(empty, len(c.loads))
}

func (c *Collector) partitionSummary() *Partitions {
	nodes := amounts(c.sizes)
	return &Partitions{
		Count:      c.partitions,
		MeanNodes:  nodes.Mean,
		P95Nodes:   nodes.P95,
		MaxNodes:   nodes.Max,
		MeanSites:  ratio(c.partitionSites, len(c.sizes)),
		MeanHops:   ratio(c.partitionHops, len(c.sizes)),
		Merges:     c.partitionMerges,
		Solved:     c.outcomes["solved"],
		Vanished:   c.outcomes["vanished"],
		Unsolvable: c.outcomes["unsolvable"],
		Aborted:    c.outcomes["aborted"],
		Merged:     c.outcomes["merged"],
		Lost:       c.outcomes["lost"],
		Open:       c.outcomes["open"],
		ToSolution: times(c.toSolution),
		Duration:   times(c.partitionTimes),
		Messages:   amounts(c.partitionMessages), MessageBytes: amounts(c.partitionBytes),
	}
}

// gossipRate is how many bytes a host sends each second to keep its overlay up.
func (s Summary) gossipRate() float64 {
	if s.Duration == 0 || s.Hosts == 0 {
		return 0
	}
	return rounded(float64(s.GossipBytes) / float64(s.Hosts) / float64(s.Duration))
}

// WithWall returns the summary with how long the run took on the machine that
// made it. A wall of 0 is unknown, and is left out of JSON and tables.
func (s Summary) WithWall(wall time.Duration) Summary {
	s.Wall, s.EventsPerSecond = inSeconds(float64(wall)), 0
	if wall > 0 {
		s.EventsPerSecond = math.Round(float64(s.Events) / wall.Seconds())
	}
	return s
}

func durations(in []interval) []time.Duration {
	out := make([]time.Duration, len(in))
	for i, v := range in {
		out[i] = v.duration
	}
	return out
}

// times does not depend on the order of its input.
func times(in []time.Duration) Times {
	if len(in) == 0 {
		return Times{}
	}
	x := make([]float64, len(in))
	var total time.Duration
	for i, d := range slices.Sorted(slices.Values(in)) {
		x[i] = float64(d)
		total += d
	}
	mean := float64(total) / float64(len(x))
	squares := 0.0 // sum of the squared distances from the mean
	for _, v := range x {
		squares += float64((v - mean) * (v - mean))
	}
	sd := math.Sqrt(squares / float64(max(len(x)-1, 1)))
	return Times{
		Count: len(x),
		Mean:  inSeconds(mean),
		SD:    inSeconds(sd),
		P95:   inSeconds(x[rank95(len(x))]),
		Max:   inSeconds(x[len(x)-1]),
		Total: inSeconds(float64(total)),
	}
}

// amounts does not depend on the order of its input.
func amounts(in []int) Amounts {
	if len(in) == 0 {
		return Amounts{}
	}
	x := slices.Sorted(slices.Values(in))
	total := 0
	for _, v := range x {
		total += v
	}
	return Amounts{Count: len(x), Mean: ratio(total, len(x)), P95: x[rank95(len(x))], Max: x[len(x)-1], Total: total}
}

// rank95 is the index, among n sorted values, of the smallest one that at
// least 95 % of them do not exceed.
func rank95(n int) int { return (95*n+99)/100 - 1 }

// inSeconds rounds to the nanosecond, so that a mean prints without noise.
func inSeconds(nanoseconds float64) Seconds {
	return Seconds(math.Round(nanoseconds) / 1e9)
}

// rounded keeps nine decimals. What is so large that it has none of them stays
// as it is, but finite: JSON has no infinity.
func rounded(x float64) float64 {
	if math.Abs(x) < 1e6 {
		return math.Round(x*1e9) / 1e9
	}
	return max(-math.MaxFloat64, min(math.MaxFloat64, x))
}

func ratio(part, whole int) float64 {
	if whole == 0 {
		return 0
	}
	return rounded(float64(part) / float64(whole))
}
