package sim

import (
	"math"
	"slices"
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// The CPU of a host is shared max-min among its VMs: there is a level such
// that each VM gets what it asks for or, if that is more than the level, the
// level. If the VMs ask for no more than the host has, the level is infinite.
// Otherwise the shares add up to what the host has.
//
// So one number per host says what all its VMs get. It depends on the demands
// only and not on their order, as they are integers: the level is the result
// of one division. Shares are fractions of millicores, so that three VMs on a
// core get a third each and nothing is left.

// CoreSeconds is an amount of work: one core, busy for one second, does one.
type CoreSeconds float64

// Delivery says how a VM was served since it was added.
type Delivery struct {
	Asked CoreSeconds
	Given CoreSeconds
	Lost  CoreSeconds // asked and not given
	// Short is for how long it got less than it asked for.
	Short time.Duration
}

// Delivered returns how a VM was served up to now. While the VM migrates, its
// suspension counts as lost.
func (s *Simulation) Delivered(id VMID) Delivery {
	v := s.vms[id]
	s.settle(&v)
	return Delivery{
		Asked: coreSeconds(v.given + v.lost),
		Given: coreSeconds(v.given),
		Lost:  coreSeconds(v.lost),
		Short: v.short,
	}
}

// Lost returns what a VM asked for and did not get up to now.
func (s *Simulation) Lost(id VMID) CoreSeconds { return s.Delivered(id).Lost }

// Share returns the CPU that a VM gets now, in millicores.
func (s *Simulation) Share(id VMID) float64 { return s.share(&s.vms[id]) }

func (s *Simulation) share(v *vm) float64 {
	if v.suspended {
		return 0
	}
	return min(float64(v.demand), s.hosts[v.host].level)
}

// coreSeconds converts an integral over millicores and nanoseconds. These are
// kept as they are, because products of whole numbers have no rounding error
// below 2^53: 2.5 hours of a core, and 1 part in 10^16 from then on.
func coreSeconds(millicoreNanoseconds float64) CoreSeconds {
	return CoreSeconds(millicoreNanoseconds / 1e12)
}

// settle brings the integrals of a VM up to date. It must be called before its
// demand or its share changes.
func (s *Simulation) settle(v *vm) {
	elapsed := s.now - v.since
	if elapsed == 0 {
		return
	}
	v.since = s.now
	share := s.share(v)
	v.given += float64(share * float64(elapsed))
	if missing := float64(v.demand) - share; missing > 0 {
		v.lost += float64(missing * float64(elapsed))
		v.short += elapsed
	}
}

// relevel shares a host's CPU anew after a change. Only VMs whose share
// changes are touched.
func (s *Simulation) relevel(h *host) {
	level := s.level(h)
	if level == h.level {
		return
	}
	lower := min(level, h.level)
	for _, id := range h.vms {
		if v := &s.vms[id]; float64(v.demand) > lower {
			s.settle(v)
		}
	}
	h.level = level
}

// level returns how much a VM of h may get at most, in millicores. Demands
// are served from the smallest on, as long as an equal share of what is left
// satisfies them.
func (s *Simulation) level(h *host) float64 {
	if h.active <= h.cpu {
		return math.Inf(1)
	}
	demands := s.demands[:0]
	for _, id := range h.vms {
		if v := &s.vms[id]; !v.suspended {
			demands = append(demands, int64(v.demand))
		}
	}
	s.demands = demands
	slices.Sort(demands)
	left := h.cpu
	for i, d := range demands {
		sharing := cluster.Millicores(len(demands) - i)
		if cluster.Millicores(d)*sharing > left {
			return float64(left) / float64(sharing)
		}
		left -= cluster.Millicores(d)
	}
	panic("sim: VMs that ask for too much are all satisfied")
}
