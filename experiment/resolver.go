package experiment

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/settings"
	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/rule"
)

// resolver finds out what the names in requests stand for, and keeps in mind
// what was asked before.
type resolver struct {
	scenario *Scenario
	vjobs    map[string][]cluster.VMID
	came     int // VMs that have come so far
	drained  map[int]bool
	there    map[cluster.VMID]bool // of those that come
	asleep   map[cluster.VMID]bool
	rules    map[string]bool // in force
}

// name gives the VMs of a vjob their numbers.
func (r *resolver) name(i int) error {
	a := r.scenario.Requests[i].Place
	if !a.isThere() {
		return nil
	}
	key := fmt.Sprintf("requests[%d].place.", i)
	switch {
	case !isWord(a.Name):
		return settings.Wrong(key+"name", "%.60q is not a name; it may have up to %d letters, digits, dashes and underscores, and begins with a letter", a.Name, maxName)
	case a.Name == "vm":
		return settings.Wrong(key+"name", "the VMs that are there from the start are called vm-0, vm-1 and so on; choose another name")
	case r.vjobs[a.Name] != nil:
		return settings.Wrong(key+"name", "%s is there twice", a.Name)
	case a.Count < 0 || a.Count > maxVMs:
		return settings.Wrong(key+"count", "%d VMs are not from 1 to %d", a.Count, maxVMs)
	case a.Count == 0 && r.scenario.from.Has(key+"count"):
		return settings.Wrong(key+"count", "0 VMs; at least 1 is needed")
	}
	for range max(a.Count, 1) {
		r.vjobs[a.Name] = append(r.vjobs[a.Name], cluster.VMID(r.scenario.VMs.Count+r.came))
		r.came++
	}
	if r.came > maxVMs {
		return settings.Wrong(key+"count", "%d VMs come in all; at most %d can be simulated", r.came, maxVMs)
	}
	return nil
}

// isWord reports whether a text can be the name of a vjob or of a rule.
func isWord(text string) bool {
	for i, c := range text {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		if !letter && (i == 0 || !(c >= '0' && c <= '9') && c != '-' && c != '_') {
			return false
		}
	}
	return text != "" && len(text) <= maxName
}

// resolve makes a task of a request. It is called in order of date.
func (r *resolver) resolve(i int) (task, error) {
	q := r.scenario.Requests[i]
	key := fmt.Sprintf("requests[%d]", i)
	t := task{Request: q, index: i, on: -1}
	asked := 0
	for _, there := range []bool{
		len(q.Drain) > 0, len(q.Undrain) > 0, q.Place.isThere(), len(q.Suspend) > 0, len(q.Resume) > 0, q.Rule.isThere(), len(q.Remove) > 0,
	} {
		if there {
			asked++
		}
	}
	switch {
	case asked != 1:
		return t, settings.Wrong(key, "asks for %d things; it is to ask for one: drain, undrain, place, suspend, resume, rule or remove", asked)
	case q.At < 0:
		return t, settings.Wrong(key+".at", "%v is before the run begins", q.At)
	case q.At >= r.scenario.Duration:
		return t, settings.Wrong(key+".at", "%v is not before the end of the run, %v", q.At, r.scenario.Duration)
	}
	var err error
	var what string
	switch {
	case len(q.Drain) > 0:
		what = "drain " + shortList(q.Drain, "host")
		t.hosts, err = r.drain(key+".drain", q.Drain, true)
	case len(q.Undrain) > 0:
		what = "undrain " + shortList(q.Undrain, "host")
		t.hosts, err = r.drain(key+".undrain", q.Undrain, false)
	case q.Place.isThere():
		what = "place " + q.Place.Name
		err = r.place(key+".place", &t)
	case len(q.Suspend) > 0:
		what = "suspend " + shortList(q.Suspend, "VM")
		t.vms, err = r.sleep(key+".suspend", q.Suspend, true)
	case len(q.Resume) > 0:
		what = "resume " + shortList(q.Resume, "VM")
		t.vms, err = r.sleep(key+".resume", q.Resume, false)
	case q.Rule.isThere():
		what = "rule " + q.Rule.Name
		err = r.rule(key+".rule", &t)
	default:
		what = "remove " + shortList(q.Remove, "rule")
		t.removed, err = r.remove(key+".remove", q.Remove)
	}
	t.label = fmt.Sprintf("%s (%v)", what, q.At)
	return t, err
}

// shortList joins names, or counts them if they are too many for a line.
func shortList(names []string, noun string) string {
	text := strings.Join(names, ", ")
	if len(text) <= 30 {
		return text
	}
	return fmt.Sprintf("%d %ss", len(names), noun)
}

// drain notes that hosts drain from now on, or no longer.
func (r *resolver) drain(key string, names []string, on bool) ([]int, error) {
	hosts, err := r.hosts(key, names)
	if err != nil {
		return nil, err
	}
	for _, h := range hosts {
		if r.drained[h] == on {
			state := "is not being drained then"
			if on {
				state = "is being drained already; undrain it before"
			}
			return nil, settings.Wrong(key, "%s %s", hostName(h), state)
		}
		r.drained[h] = on
	}
	return hosts, nil
}

// sleep notes that VMs are suspended from now on, or no longer.
func (r *resolver) sleep(key string, names []string, on bool) ([]cluster.VMID, error) {
	vms, err := r.vms(key, names)
	if err != nil {
		return nil, err
	}
	for _, vm := range vms {
		name := vmName(int(vm))
		for vjob, all := range r.vjobs {
			if i := slices.Index(all, vm); i >= 0 {
				name = Arrival{Name: vjob}.vm(i)
			}
		}
		switch {
		case int(vm) >= r.scenario.VMs.Count && !r.there[vm]:
			return nil, settings.Wrong(key, "%s comes later", name)
		case on && r.asleep[vm]:
			return nil, settings.Wrong(key, "%s is suspended already; resume it before", name)
		case !on && !r.asleep[vm]:
			return nil, settings.Wrong(key, "%s is not suspended then", name)
		}
		r.asleep[vm] = on
	}
	return vms, nil
}

// place finds out which VMs come.
func (r *resolver) place(key string, t *task) error {
	a := t.Place
	classes := r.scenario.VMs.Classes
	t.vms = r.vjobs[a.Name]
	for _, vm := range t.vms {
		r.there[vm] = true
	}
	i := slices.IndexFunc(classes, func(c Class) bool { return c.Name == a.Class })
	if a.Class == "" && len(classes) == 1 {
		i = 0
	}
	switch {
	case i < 0 && a.Class == "":
		return settings.Wrong(key+".class", "is missing; the classes are %s", classNames(classes))
	case i < 0:
		return settings.Wrong(key+".class", "there is no class %.60q; the classes are %s", a.Class, classNames(classes))
	case a.Load < 0 || a.Load > 100 || a.Load == 0 && r.scenario.from.Has(key+".load"):
		return settings.Wrong(key+".load", "%v is not above 0%% and up to 100%%", a.Load)
	case a.On == "":
		t.class = classes[i]
		return nil
	}
	t.class = classes[i]
	hosts, err := r.hosts(key+".on", []string{a.On})
	if err == nil && len(hosts) != 1 {
		err = settings.Wrong(key+".on", "%s are %d hosts; one is asked", a.On, len(hosts))
	}
	if err == nil {
		t.on = hosts[0]
	}
	return err
}

func classNames(classes []Class) string {
	names := make([]string, len(classes))
	for i, c := range classes {
		names[i] = c.Name
	}
	return strings.Join(names, ", ")
}

// rule finds out what a rule says.
func (r *resolver) rule(key string, t *task) error {
	q := t.Rule
	about := q.about()
	switch {
	case !isWord(q.Name):
		return settings.Wrong(key+".name", "%.60q is not a name; it may have up to %d letters, digits, dashes and underscores, and begins with a letter", q.Name, maxName)
	case r.rules[q.Name]:
		return settings.Wrong(key+".name", "there is a rule %s already; remove it before", q.Name)
	case len(about) != 1:
		return settings.Wrong(key, "is of %d kinds; it is to be of one of those that nodes tell each other: %s", len(about), travelling)
	case q.Holds != "" && q.Holds != "always" && q.Holds != "at the end":
		return settings.Wrong(key+".holds", "%.60q is neither always nor at the end", q.Holds)
	}
	t.rule = protocol.Rule{Name: q.Name, Always: q.Holds != "at the end"}
	for kind, names := range about {
		of := key + "." + kind.String()
		vms, err := r.vms(of, names)
		if err != nil {
			return err
		}
		switch {
		case (kind == rule.Spread || kind == rule.Gather) && len(vms) < 2:
			return settings.Wrong(of, "1 VM; at least 2 are needed")
		case kind == rule.Spread && len(vms) > r.scenario.Hosts.Count:
			return settings.Wrong(of, "%d VMs can't be on as many of %d hosts", len(vms), r.scenario.Hosts.Count)
		case kind.Parts().Nodes && len(q.Nodes) == 0:
			return settings.Wrong(key+".nodes", "are missing: the hosts of the rule")
		case !kind.Parts().Nodes && len(q.Nodes) > 0:
			return settings.Wrong(key+".nodes", "a rule of kind %v speaks of VMs only", kind)
		case kind == rule.Root && q.Holds != "":
			return settings.Wrong(key+".holds", "a rule of kind root has no choice: it speaks of migrations")
		}
		t.rule.Kind, t.rule.VMs = kind, vms
	}
	hosts, err := r.hosts(key+".nodes", q.Nodes)
	for _, h := range hosts {
		t.rule.Nodes = append(t.rule.Nodes, cluster.NodeID(h))
	}
	if err == nil && t.rule.Kind == rule.Ban && len(hosts) == r.scenario.Hosts.Count {
		err = settings.Wrong(key+".nodes", "are all hosts: there is none left for the VMs")
	}
	r.rules[q.Name] = true
	return err
}

// remove notes that rules hold no longer.
func (r *resolver) remove(key string, names []string) ([]string, error) {
	for _, name := range names {
		if !r.rules[name] {
			return nil, settings.Wrong(key, "there is no rule %.60q then", name)
		}
		delete(r.rules, name)
	}
	return names, nil
}

// errUnknown says that a name is nobody's.
var errUnknown = errors.New("unknown")

// hosts returns the hosts that names stand for, each once, in ascending order.
func (r *resolver) hosts(key string, names []string) ([]int, error) {
	s := r.scenario
	var all []int
	for _, name := range names {
		first, last, err := span(name, "node", s.Hosts.Count)
		if errors.Is(err, errUnknown) {
			first = 0
			for _, site := range s.Sites {
				if last = first + site.Hosts - 1; site.Name == name {
					err = nil
					break
				}
				first += site.Hosts
			}
		}
		switch {
		case errors.Is(err, errUnknown):
			return nil, settings.Wrong(key, "there is no host %.60q; they are node0 to %s%s", name, hostName(s.Hosts.Count-1), r.sites())
		case err != nil:
			return nil, settings.Wrong(key, "%w", err)
		}
		for h := first; h <= last; h++ {
			all = append(all, h)
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// sites names the sites, for an error text.
func (r *resolver) sites() string {
	if len(r.scenario.Sites) == 0 {
		return ""
	}
	var names []string
	for _, s := range r.scenario.Sites {
		names = append(names, s.Name)
	}
	return ", and the sites " + strings.Join(names, ", ")
}

// vms returns the VMs that names stand for, each once, in ascending order.
func (r *resolver) vms(key string, names []string) ([]cluster.VMID, error) {
	s := r.scenario
	var all []cluster.VMID
	for _, name := range names {
		first, last, err := span(name, "vm-", s.VMs.Count)
		switch vms, one := r.vjobs[name], r.ofVJob(name); {
		case vms != nil:
			all = append(all, vms...)
		case one != nil:
			all = append(all, one...)
		case errors.Is(err, errUnknown):
			return nil, settings.Wrong(key, "there is no VM %.60q; they are vm-0 to %s%s", name, vmName(s.VMs.Count-1), r.meant(name))
		case err != nil:
			return nil, settings.Wrong(key, "%w", err)
		default:
			for v := first; v <= last; v++ {
				all = append(all, cluster.VMID(v))
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// ofVJob returns the VMs that a name such as batch-3 or batch-0..batch-3 stands
// for, or none.
func (r *resolver) ofVJob(name string) []cluster.VMID {
	from, _, _ := strings.Cut(name, "..")
	i := strings.LastIndexByte(from, '-')
	if i < 0 {
		return nil
	}
	vms := r.vjobs[from[:i]]
	first, last, err := span(name, from[:i+1], len(vms))
	if err != nil {
		return nil
	}
	return vms[first : last+1]
}

// meant names the vjobs, for an error text, or the one that was probably meant.
func (r *resolver) meant(name string) string {
	var names []string
	for _, q := range r.scenario.Requests {
		if q.Place.Name != "" {
			names = append(names, q.Place.Name)
		}
	}
	if near := spell.Nearest(name, names); near != "" {
		return "; did you mean " + near + "?"
	}
	if names == nil {
		return ""
	}
	return ", and the vjobs " + strings.Join(names, ", ")
}

// span returns the numbers in a name such as node3 or node3..node7, of which
// there are count.
func span(name, prefix string, count int) (first, last int, err error) {
	from, to, several := strings.Cut(name, "..")
	if !several {
		to = from
	}
	number := func(text string) int {
		digits, ok := strings.CutPrefix(text, prefix)
		n, err := strconv.Atoi(digits)
		if !ok || err != nil || n < 0 || n >= count || strconv.Itoa(n) != digits {
			return -1
		}
		return n
	}
	first, last = number(from), number(to)
	switch {
	case first < 0 || last < 0:
		return 0, 0, errUnknown
	case first > last:
		return 0, 0, fmt.Errorf("%s ends before it begins", name)
	}
	return first, last, nil
}
