package experiment

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
)

// Request is what an operator asks for at a date: one of Drain, Undrain, Place,
// Suspend, Resume, Rule and Remove.
//
// Hosts are named by their names, by the first and the last of several, as in
// node0..node5, or by the site where they stand. VMs are named likewise, or by
// the vjob that they are part of.
type Request struct {
	At      Duration `yaml:"at"`
	Drain   []string `yaml:"drain"`   // hosts that are to become empty, and to take no VM in
	Undrain []string `yaml:"undrain"` // hosts that may take VMs in again
	Place   Arrival  `yaml:"place"`
	Suspend []string `yaml:"suspend"` // VMs that are to be saved to the disk of their host
	Resume  []string `yaml:"resume"`  // VMs that are to run again
	Rule    NewRule  `yaml:"rule"`
	Remove  []string `yaml:"remove"` // names of rules
}

// Arrival is a vjob: VMs that come together, and are all to be started.
type Arrival struct {
	Name  string  `yaml:"name"`  // its VMs are NAME-0, NAME-1 and so on
	Class string  `yaml:"class"` // one of VMs.Classes; may be left out if there is but one
	Count int     `yaml:"count"` // 1 if it is 0
	Load  Percent `yaml:"load"`  // of its vCPUs, that each asks for all the time; 100% if it is 0
	On    string  `yaml:"on"`    // the host that is asked to have them started; any if it is empty
}

// NewRule is a rule that holds from a date on: one of Spread to Root, whose
// value are the VMs that it is about. Package rule says what they mean.
type NewRule struct {
	Name   string   `yaml:"name"`
	Spread []string `yaml:"spread"`
	Gather []string `yaml:"gather"`
	Ban    []string `yaml:"ban"`
	Fence  []string `yaml:"fence"`
	Lonely []string `yaml:"lonely"`
	Root   []string `yaml:"root"`
	Nodes  []string `yaml:"nodes"` // of Ban and Fence: hosts
	Holds  string   `yaml:"holds"` // "always", which it means if it is empty, or "at the end"
}

// isThere reports whether anything is said about a vjob.
func (a Arrival) isThere() bool { return a != Arrival{} }

// about returns the VMs that a rule is about, by kind of rule.
func (r NewRule) about() map[rule.Kind][]string {
	all := map[rule.Kind][]string{
		rule.Spread: r.Spread, rule.Gather: r.Gather, rule.Ban: r.Ban, rule.Fence: r.Fence, rule.Lonely: r.Lonely, rule.Root: r.Root,
	}
	for k, vms := range all {
		if len(vms) == 0 {
			delete(all, k)
		}
	}
	return all
}

// travelling are the kinds of rules that nodes tell each other, in words.
const travelling = "spread, gather, ban, fence, lonely, root"

// isThere reports whether anything is said about a rule.
func (r NewRule) isThere() bool {
	return len(r.about()) > 0 || r.Name != "" || len(r.Nodes) > 0 || r.Holds != ""
}

// maxRequests bounds the list; more is surely a slip of the pen.
const maxRequests = 10_000

// task is a request with names resolved: what is to be done at its date.
type task struct {
	Request
	index   int            // in Scenario.Requests
	label   string         // as the operator would call it
	hosts   []int          // of Drain and Undrain
	vms     []cluster.VMID // of Place, Suspend and Resume
	class   Class          // of Place
	on      int            // of Place: the host that is asked, or -1 for any
	rule    protocol.Rule  // of Rule
	removed []string       // of Remove
}

// tasks returns what is to be done, in order of date, and of the list among
// equal dates. Errors are of type *KeyError.
func (s *Scenario) tasks() ([]task, error) {
	r := resolver{scenario: s, vjobs: map[string][]cluster.VMID{}, drained: map[int]bool{}, asleep: map[cluster.VMID]bool{}, there: map[cluster.VMID]bool{}, rules: map[string]bool{}}
	if len(s.Requests) > maxRequests {
		return nil, settings.Wrong("requests", "%d of them; at most %d can be made", len(s.Requests), maxRequests)
	}
	order := make([]int, len(s.Requests))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(s.Requests[a].At, s.Requests[b].At) })
	for _, i := range order { // VMs have their numbers in order of arrival
		if err := r.name(i); err != nil {
			return nil, err
		}
	}
	var all []task
	for _, i := range order {
		t, err := r.resolve(i)
		if err != nil {
			return nil, err
		}
		all = append(all, t)
	}
	return all, nil
}

// validateRequests returns an error that names the first request that makes no
// sense.
func (s *Scenario) validateRequests() error {
	if len(s.Requests) == 0 {
		return nil
	}
	if i := slices.Index(s.Strategies, "ffd"); i >= 0 {
		return settings.Wrong(fmt.Sprintf("strategies[%d]", i), "ffd carries no requests out: it knows neither drains nor rules, nor VMs that wait")
	}
	_, err := s.tasks()
	return err
}
