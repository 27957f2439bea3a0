package report

import (
	"time"

	"github.com/dvms-project/dvms/trace"
)

// Faults are what went wrong in a run.
type Faults struct {
	HostCrashes  int `json:"host_crashes"`  // the host stopped with its VMs
	AgentCrashes int `json:"agent_crashes"` // its VMs ran on
	Returns      int `json:"returns"`
	Cuts         int `json:"cuts"` // of the network
	Lost         int `json:"messages_lost"`
	Doubled      int `json:"messages_doubled"`
	// Unattended is the part of the violations during which the agent of the
	// host was down. There are none of a host that is down itself.
	Unattended Seconds `json:"violation_unattended_s"`
}

// mishaps collects them.
type mishaps struct {
	Faults
	any        bool
	since      map[string]time.Duration // by host: when its agent died; it is down
	outages    map[string][]interval    // by host: of its agent, those that are over
	unattended time.Duration
}

func (m *mishaps) recordFault(r trace.Fault) {
	m.any = true
	switch r.What {
	case "host-crash":
		m.HostCrashes++
	case "agent-crash":
		m.AgentCrashes++
		if m.since == nil {
			m.since, m.outages = map[string]time.Duration{}, map[string][]interval{}
		}
		m.since[r.Host] = r.At
	case "host-return":
		m.Returns++
	case "agent-return":
		m.Returns++
		if since, down := m.since[r.Host]; down {
			m.outages[r.Host] = append(m.outages[r.Host], interval{since, r.At - since})
			delete(m.since, r.Host)
		}
	case "cut":
		m.Cuts++
	}
}

// recordViolation counts the part of a violation with the host's agent down.
// Faults are recorded when they happen, and violations when they end.
func (m *mishaps) recordViolation(host string, v interval) {
	for _, o := range m.outages[host] {
		m.unattended += max(min(v.end(), o.end())-max(v.at, o.at), 0)
	}
	if since, down := m.since[host]; down {
		m.unattended += max(v.end()-max(v.at, since), 0)
	}
}

// summary returns what went wrong, or nil if nothing could.
func (m *mishaps) summary() *Faults {
	if !m.any {
		return nil
	}
	f := m.Faults
	f.Unattended = inSeconds(float64(m.unattended))
	return &f
}

func faulty(s Summary) bool { return s.Faults != nil }
