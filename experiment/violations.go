package experiment

import (
	"math"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/trace"
)

// violations accounts for the time during which the VMs of a host ask for more
// than it has. Equality is no violation.
//
// A violation begins with the change of load, or the arrival of a VM, that
// takes the host over its capacity; what makes it worse does not begin another
// one. It ends when the host is viable again. A VM that migrates counts on its
// source until the migration has ended. This is the accounting of [1], except
// that a violation keeps its beginning and its kind when a VM arrives in the
// middle of it, and that memory counts too.
type violations struct {
	names    func(host int) string
	sink     trace.Sink
	capacity []cluster.Resources // by host
	hosts    []violationState
	open     int
	recorded int
}

type violationState struct {
	since    time.Duration
	open     bool
	arrival  bool
	resource cluster.Resource
	worst    cluster.Millicores
	vms      int // hosted after the last change, or unknown
}

const unknown = math.MaxInt

func newViolations(capacity []cluster.Resources, names func(int) string, sink trace.Sink) *violations {
	v := &violations{names: names, sink: sink, capacity: capacity, hosts: make([]violationState, len(capacity))}
	for i := range v.hosts {
		v.hosts[i].vms = unknown
	}
	return v
}

// changed takes a change of a host: what its VMs ask for now, and how many
// there are.
func (v *violations) changed(now time.Duration, host int, demand cluster.Resources, vms int) {
	s := &v.hosts[host]
	arrived := vms > s.vms
	s.vms = vms
	resource, exceeded := demand.Exceeding(v.capacity[host])
	switch {
	case exceeded && !s.open:
		*s = violationState{since: now, open: true, arrival: arrived, resource: resource, vms: vms}
		v.open++
	case !exceeded && s.open:
		v.end(now, host, false)
	}
	if s.open {
		s.worst = max(s.worst, demand.CPU()-v.capacity[host].CPU())
	}
}

func (v *violations) end(now time.Duration, host int, open bool) {
	s := &v.hosts[host]
	v.sink.Record(trace.Violation{
		At: s.since, Duration: now - s.since, Host: v.names(host), Resource: s.resource,
		Arrival: s.arrival, Lost: s.worst, Open: open,
	})
	s.open = false
	v.open--
	v.recorded++
}

// cut ends all violations that are still open when the run ends.
func (v *violations) cut(now time.Duration) {
	for host := range v.hosts {
		if v.hosts[host].open {
			v.end(now, host, true)
		}
	}
}
