// Package rule holds what an operator asks of a placement beyond room for every
// VM: rules such as "these replicas are on different nodes".
//
// A Rule only says what is wanted. How a placement that keeps it is found is
// known to package placement, in which order actions keep it to package plan,
// and whether it is kept to package plan/check, which shares no code with the
// other two.
//
// # What the rules mean
//
// Only VMs that run count. "On" stands for the node that runs a VM.
//
//	Spread            no two of VMs are in the same Domain (a node, unless said otherwise)
//	Gather            all of VMs are on one node
//	Ban               none of VMs is on one of Nodes
//	Fence             all of VMs are on Nodes
//	Root              those of VMs that run at the start stay where they are, if they run in the end
//	Lonely            no other VM is on a node of one of VMs
//	Among             all of VMs are on the nodes of one of Groups
//	Split             VMs of different Sets are not on one node
//	RunningCapacity   at most Max VMs are on Nodes together
//	ResourceCapacity  the VMs on Nodes ask for at most Max of Resource together
//	MaxOnline         at most Max of Nodes host VMs, or are kept on by an Online rule
//	Preserve          each of VMs counts as asking for at least Max of Resource
//	Overbook          each of Nodes offers Max thousandths of its capacity of Resource
//	Offline           Nodes host nobody, so that they can be switched off
//	Online            Nodes stay on, whether they host VMs or not
//	MovesIn           at most Max actions bring a VM to each of Nodes
//	MovesOut          at most Max actions take a VM that runs away from each of Nodes
//	Precedence        the actions on one of VMs end before those on any later one begin
//
// Spread with Degraded asks for less if the VMs are more than the domains: then
// no domain has more of them than an even spread gives it, that is, VMs divided
// by domains and rounded up. The VMs are those that run in the end. A domain
// counts if one of its nodes may host VMs then: it is online, not to be drained,
// and no Offline rule names it.
//
// Preserve and Overbook are as if the configuration said so, in all that
// follows from it: see Apply. So memory that is preserved also counts if the VM
// moves. Overbook takes the place of the node's own ratio.
//
// # When they hold
//
// A rule holds at the end of a plan. With Always, it holds throughout: if it is
// kept at the start, it is kept at each moment in between, where a VM that
// moves counts on both nodes, and so twice where VMs or what they ask for are
// counted; if it is not, no action makes it worse. An action makes a rule worse
// if afterwards
//
//   - two VMs are in a domain (Spread), on a node (Lonely, Split) or apart
//     (Gather) that are not to be, and were not just before;
//   - a VM is on a node where it may not be (Ban, Fence), and was not just before;
//   - more VMs are in a domain than an even spread gives it (degraded Spread), more
//     are outside of the group that has most of them (Among), or more is on Nodes
//     than Max (RunningCapacity, ResourceCapacity, MaxOnline), and it was less
//     just before.
//
// So Gather with Always pins VMs that are together: if two or more of them run
// at the start and in the end, these stay where they are. And Among with Always
// keeps VMs in their group: who runs at the start and in the end is then in
// a group that also has the node it comes from. For a degraded Spread with
// Always, the even spread in between is that of the VMs that run at the start or
// in the end.
//
// Root, MovesIn, MovesOut and Precedence speak of the plan itself: VMs of Root
// are not migrated, and not resumed elsewhere; a migration that breaks a cycle
// counts as a move like any other. Preserve, Overbook, Online and Offline speak
// of the end and of every arrival.
//
// A soft rule has a Weight: how many bytes of memory it is worth moving to keep it.
// It is broken if that is cheaper, or if it cannot be kept. It holds in the end
// only, and a plan may break it on the way. Rules that change what nodes offer
// or VMs ask for, or that speak of the plan, cannot be soft: see Kind.CanBeSoft.
//
// Source: the constraint catalogue of BtrPlace (F. Hermenier, J. Lawall and G.
// Muller, "BtrPlace: A Flexible Consolidation Manager for Highly Available
// Applications", IEEE TDSC 10(5), 2013).
package rule

import (
	"fmt"
	"slices"

	"github.com/dvms-project/dvms/cluster"
)

// Kind is what a rule asks for.
type Kind uint8

// The kinds; the package doc says what they mean.
const (
	Spread Kind = iota
	Gather
	Ban
	Fence
	Root
	Lonely
	Among
	Split
	RunningCapacity
	ResourceCapacity
	MaxOnline
	Preserve
	Overbook
	Offline
	Online
	MovesIn
	MovesOut
	Precedence
	NumKinds
)

var kindNames = [NumKinds]string{
	"spread", "gather", "ban", "fence", "root", "lonely", "among", "split", "running-capacity", "resource-capacity",
	"max-online", "preserve", "overbook", "offline", "online", "moves-in", "moves-out", "precedence",
}

func (k Kind) String() string {
	if k < NumKinds {
		return kindNames[k]
	}
	return fmt.Sprintf("Kind(%d)", uint8(k))
}

// MarshalText returns the name of a kind.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a kind's name.
func (k *Kind) UnmarshalText(text []byte) error {
	i := slices.Index(kindNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("%q is not a kind of rule", text)
	}
	*k = Kind(i)
	return nil
}

// Parts says which fields of a Rule a kind uses.
type Parts struct {
	VMs, Nodes, Sets, Groups, Resource, Max, Domain bool
}

var kindParts = [NumKinds]Parts{
	Spread:           {VMs: true, Domain: true},
	Gather:           {VMs: true},
	Ban:              {VMs: true, Nodes: true},
	Fence:            {VMs: true, Nodes: true},
	Root:             {VMs: true},
	Lonely:           {VMs: true},
	Among:            {VMs: true, Groups: true},
	Split:            {Sets: true},
	RunningCapacity:  {Nodes: true, Max: true},
	ResourceCapacity: {Nodes: true, Resource: true, Max: true},
	MaxOnline:        {Nodes: true, Max: true},
	Preserve:         {VMs: true, Resource: true, Max: true},
	Overbook:         {Nodes: true, Resource: true, Max: true},
	Offline:          {Nodes: true},
	Online:           {Nodes: true},
	MovesIn:          {Nodes: true, Max: true},
	MovesOut:         {Nodes: true, Max: true},
	Precedence:       {VMs: true},
}

// Parts returns which fields rules of kind k use. The others are to be empty.
func (k Kind) Parts() Parts { return kindParts[k] }

// CanBeSoft reports whether rules of kind k may have a weight.
func (k Kind) CanBeSoft() bool { return k <= MaxOnline }

// CanHoldAlways reports whether rules of kind k may hold throughout a plan or
// at its end only. Of the others there is one reading.
func (k Kind) CanHoldAlways() bool { return k <= MaxOnline && k != Root }

// Rule is one thing that is asked for. VMs and nodes are indices into a
// cluster.Configuration.
type Rule struct {
	Name     string
	Kind     Kind
	VMs      []int32 // in ascending order, each once; for Precedence, in its order
	Nodes    []int32 // in ascending order, each once
	Sets     [][]int32
	Groups   [][]int32
	Resource cluster.Resource
	// Max is a number of VMs, nodes or actions, an amount of Resource, or a ratio
	// in thousandths.
	Max      int64
	Domain   cluster.Domain
	Degraded bool
	Always   bool          // throughout a plan, not at its end only
	Weight   cluster.Bytes // 0 if the rule is hard
}

// Hard reports whether r has to be kept.
func (r *Rule) Hard() bool { return r.Weight == 0 }

// Apply returns c with the demands and offers that the rules Preserve and
// Overbook make of it: c itself if there are none. Nothing of c is changed.
func Apply(c *cluster.Configuration, rules []Rule) *cluster.Configuration {
	applied := c
	for i := range rules {
		r := &rules[i]
		if r.Kind != Preserve && r.Kind != Overbook {
			continue
		}
		if applied == c {
			applied = c.Clone()
		}
		for _, v := range r.VMs {
			demand := &applied.VMs[v].Demand
			demand[r.Resource] = max(demand[r.Resource], r.Max)
		}
		for _, n := range r.Nodes {
			applied.Nodes[n].Overcommit[r.Resource] = r.Max
		}
	}
	return applied
}

// Validate returns everything that is wrong with rules for c: what is missing
// or not used, indices that do not exist, and rules that contradict each other
// whatever the placement of the VMs that run. Each error is an *Error. What is
// contradicted is looked for among the rules that are sound by themselves, and
// only where it is cheap to prove: no error is no promise that all rules can be
// kept.
//
// Who asks for other states of VMs is to leave them out of the VMs of c that run
// if they are not to run any more.
func Validate(c *cluster.Configuration, rules []Rule) []error {
	k := &validator{c: c, names: map[string]bool{}}
	var sound []int
	for i := range rules {
		before := len(k.errors)
		if k.rule(i, &rules[i]); len(k.errors) == before {
			sound = append(sound, i)
		}
	}
	k.sound = true
	k.contradictions(rules, sound)
	return k.errors
}

// validator collects what is wrong.
type validator struct {
	c      *cluster.Configuration
	names  map[string]bool
	sound  bool // what is found from now on are contradictions between sound rules
	errors []error
}

// Error is something wrong with one rule.
type Error struct {
	Rule int // its index
	Name string
	Text string
	// Contradiction says that the rule is sound by itself, but cannot be kept
	// together with others, or with the states of nodes and VMs.
	Contradiction bool
}

func (e *Error) Error() string { return fmt.Sprintf("rule %s: %s", e.Name, e.Text) }

func (k *validator) wrong(i int, r *Rule, format string, args ...any) {
	k.errors = append(k.errors, &Error{Rule: i, Name: r.Name, Text: fmt.Sprintf(format, args...), Contradiction: k.sound})
}

func (k *validator) rule(i int, r *Rule) {
	if r.Kind >= NumKinds {
		k.wrong(i, r, "it is of no known kind, %s", r.Kind)
		return
	}
	if r.Name == "" {
		k.wrong(i, r, "it has no name")
	} else if k.names[r.Name] {
		k.wrong(i, r, "there are two of this name")
	}
	k.names[r.Name] = true
	uses := r.Kind.Parts()
	k.members(i, r, "VMs", r.VMs, len(k.c.VMs), uses.VMs, r.Kind != Precedence)
	k.members(i, r, "nodes", r.Nodes, len(k.c.Nodes), uses.Nodes, true)
	k.lists(i, r, "sets", r.Sets, len(k.c.VMs), uses.Sets)
	k.lists(i, r, "groups", r.Groups, len(k.c.Nodes), uses.Groups)
	switch {
	case !uses.Max && r.Max != 0:
		k.wrong(i, r, "%s has no maximum", r.Kind)
	case r.Max < 0:
		k.wrong(i, r, "its maximum is %d", r.Max)
	case r.Kind == Overbook && (r.Max == 0 || r.Max > cluster.MostOvercommit):
		k.wrong(i, r, "its ratio is %v; it is to be from 0.001 to %d", float64(r.Max)/cluster.Even, cluster.MostOvercommit/cluster.Even)
	}
	if r.Resource >= cluster.NumResources || !uses.Resource && r.Resource != 0 {
		k.wrong(i, r, "%s has no resource %v", r.Kind, r.Resource)
	}
	if r.Domain > cluster.Site || !uses.Domain && r.Domain != cluster.OneNode {
		k.wrong(i, r, "%s has no domain %v", r.Kind, r.Domain)
	}
	if r.Degraded && r.Kind != Spread {
		k.wrong(i, r, "only spread can be degraded")
	}
	if r.Always && !r.Kind.CanHoldAlways() {
		k.wrong(i, r, "%s has no choice of when it holds", r.Kind)
	}
	if r.Weight < 0 || r.Weight > 0 && !r.Kind.CanBeSoft() {
		k.wrong(i, r, "%s cannot have the weight %v", r.Kind, r.Weight)
	}
	if r.Weight > 0 && r.Always {
		k.wrong(i, r, "it has a weight, so it can hold in the end only")
	}
}

func (k *validator) members(i int, r *Rule, what string, members []int32, count int, used, sorted bool) {
	if !used {
		if len(members) > 0 {
			k.wrong(i, r, "%s has no %s", r.Kind, what)
		}
		return
	}
	if len(members) == 0 {
		k.wrong(i, r, "it names no %s", what)
	}
	var seen map[int32]bool // of members in an order of their own
	if !sorted {
		seen = map[int32]bool{}
	}
	for j, m := range members {
		switch {
		case m < 0 || int(m) >= count:
			k.wrong(i, r, "it names number %d of the %s, and there are %d", m, what, count)
		case seen[m], sorted && j > 0 && m == members[j-1]:
			k.wrong(i, r, "it names one of the %s twice", what)
		case sorted && j > 0 && m < members[j-1]:
			k.wrong(i, r, "its %s are not in ascending order", what)
		}
		if !sorted {
			seen[m] = true
		}
	}
}

func (k *validator) lists(i int, r *Rule, what string, lists [][]int32, count int, used bool) {
	if !used {
		if len(lists) > 0 {
			k.wrong(i, r, "%s has no %s", r.Kind, what)
		}
		return
	}
	least := 1
	if what == "sets" {
		least = 2
	}
	if len(lists) < least {
		k.wrong(i, r, "it has %d %s, and is to have %d", len(lists), what, least)
	}
	seen := map[int32]bool{}
	for _, list := range lists {
		if len(list) == 0 {
			k.wrong(i, r, "one of its %s is empty", what)
		}
		for j, m := range list {
			switch {
			case m < 0 || int(m) >= count:
				k.wrong(i, r, "its %s name number %d, and there are %d", what, m, count)
			case j > 0 && m <= list[j-1]:
				k.wrong(i, r, "its %s are not in ascending order", what)
			case seen[m] && what == "sets":
				k.wrong(i, r, "its sets are not disjoint")
			}
			seen[m] = true
		}
	}
}
