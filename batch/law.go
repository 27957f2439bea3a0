package batch

import (
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/plan"
)

// Actions says how long actions take. A migration, a suspend and a resume take
// the given time for each GiB of the VM, if nothing else uses the disk or the
// link.
type Actions struct {
	Run     settings.Duration `yaml:"run"`
	Stop    settings.Duration `yaml:"stop"`
	Migrate settings.Duration `yaml:"migrate"`
	Suspend settings.Duration `yaml:"suspend"`
	Resume  settings.Duration `yaml:"resume"` // where the image is; elsewhere it takes twice as long
}

// medium is what actions on a node share: its disk, or its link.
type medium struct {
	node cluster.NodeID
	disk bool
}

// Durations returns how long each of the actions of a step takes.
//
// Run and stop take as long for any VM. The others are led by memory, and a
// resume away from the image takes twice as long ([2], Figure 4): the image is
// read on one node, and written and read on the other. Those that use the same
// disk or link at a time take as long as they would one after the other.
func (a Actions) Durations(step []plan.Action) []time.Duration {
	busy := map[medium]time.Duration{}
	uses := make([]map[medium]time.Duration, len(step))
	for i := range step {
		uses[i] = a.uses(&step[i])
		for m, d := range uses[i] {
			busy[m] += d
		}
	}
	took := make([]time.Duration, len(step))
	for i := range step {
		switch step[i].Kind {
		case plan.Run:
			took[i] = time.Duration(a.Run)
		case plan.Stop:
			took[i] = time.Duration(a.Stop)
		}
		for m := range uses[i] {
			took[i] = max(took[i], busy[m])
		}
	}
	return took
}

// uses returns for how long an action would use each disk and link by itself.
func (a Actions) uses(action *plan.Action) map[medium]time.Duration {
	whole := func(perGiB settings.Duration) time.Duration {
		return time.Duration(float64(perGiB) * float64(action.Memory) / float64(cluster.GiB))
	}
	source, target := medium{action.Source, true}, medium{action.Target, true}
	switch action.Kind {
	case plan.Migrate:
		d := whole(a.Migrate)
		return map[medium]time.Duration{{action.Source, false}: d, {action.Target, false}: d}
	case plan.Suspend:
		return map[medium]time.Duration{source: whole(a.Suspend)}
	case plan.Resume:
		d := whole(a.Resume)
		if source == target {
			return map[medium]time.Duration{target: d}
		}
		return map[medium]time.Duration{source: d, target: 2 * d}
	}
	return nil
}
