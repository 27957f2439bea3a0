package snapshot

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/internal/spell"
	"github.com/dvms-project/dvms/rule"
)

// WithRules returns s with what a rules file asks for besides: rules, the states
// that VMs and vjobs are to be in, and nodes to drain. Of a VM for which both
// want a state, the file has the last word. Errors are of type *Error.
//
// The file is YAML. A rule is told by its kind, whose value are the VMs or nodes
// that it is about:
//
//	rules:
//	  - spread: [web-1, web-2, web-3]
//	    domain: rack
//	  - name: licences
//	    fence: [oracle-*]
//	    nodes: [kvm1, {rack: r2}]
//	  - gather: [app-1, cache-1]
//	    holds: at the end
//	    weight: 4GiB
//	wanted: {batch: sleeping}
//	drain: [kvm3]
//
// VMs are named, matched by a pattern with *, or those of a {vjob: name}. Nodes are
// named, matched, or those of a {site:, room:, rack:}. docs/file-formats.md has
// all keys.
//
// A rule without a name gets one of its kind and its place in the file, from 1. It
// holds always, if rules of its kind have the choice (rule.Kind.CanHoldAlways)
// and it does not say "at the end".
func (s Snapshot) WithRules(data []byte) (Snapshot, error) {
	if err := firstMistake(data); err != nil {
		return s, err
	}
	t, root, err := parseYAML(data)
	if err != nil {
		return s, err
	}
	more := s
	more.Rules, more.Wanted, more.Drain = slices.Clone(s.Rules), slices.Clone(s.Wanted), slices.Clone(s.Drain)
	r := newRulesReader(t, &more)
	r.document(root)
	if more, err = t.judge(&more, r.at); err != nil {
		return s, err
	}
	return more, nil
}

// rulesReader reads a rules file.
type rulesReader struct {
	*text
	s          *Snapshot
	vms, nodes names
	at         []at            // of each rule
	named      map[string]bool // rules
}

// names are those of the VMs or of the nodes.
type names struct {
	what  string
	all   []string
	index map[string]int32
}

func (n *names) add(name string) {
	n.index[name] = int32(len(n.all))
	n.all = append(n.all, name)
}

func newRulesReader(t *text, s *Snapshot) *rulesReader {
	r := &rulesReader{
		text: t, s: s, vms: names{"VM", nil, map[string]int32{}}, nodes: names{"node", nil, map[string]int32{}},
		at: make([]at, len(s.Rules)), named: map[string]bool{},
	}
	for i := range s.Configuration.VMs {
		r.vms.add(s.Configuration.VMs[i].Name)
	}
	for i := range s.Configuration.Nodes {
		r.nodes.add(s.Configuration.Nodes[i].Name)
	}
	for i := range s.Rules {
		r.at[i] = at{1, ""}
		r.named[s.Rules[i].Name] = true
	}
	return r
}

func (r *rulesReader) document(root value) {
	r.known(root, nowhere, "rules", "wanted", "drain")
	rules, _ := root.get("rules")
	for _, v := range rules.elements() {
		if name, ok := v.get("name"); ok {
			r.named[name.text] = true
		}
	}
	if rules.kind != null {
		r.objects(root, "rules", r.rule)
	}
	if wanted, ok := root.get("wanted"); ok && wanted.kind != null {
		r.wanted(wanted)
	}
	if drain, ok := root.get("drain"); ok && drain.kind != null {
		r.s.Drain = union(r.s.Drain, r.nodesOf(drain, top("drain")))
	}
}

// rule reads a rule.
func (r *rulesReader) rule(v value, at place) {
	mistakes := len(r.mistakes)
	var is rule.Rule
	if !r.kind(v, at, &is) {
		return
	}
	kind, uses := is.Kind.String(), is.Kind.Parts()
	keys := []string{kind, "name"}
	for _, part := range []struct {
		key  string
		used bool
		read func(v value, at place)
	}{
		{kind, uses.VMs, func(v value, at place) { is.VMs = r.vmsOf(v, at, is.Kind == rule.Precedence) }},
		{kind, uses.Nodes && !uses.VMs, func(v value, at place) { is.Nodes = r.nodesOf(v, at) }},
		{kind, uses.Sets, func(v value, at place) {
			is.Sets = r.parts(v, at, func(v value, at place) []int32 { return r.vmsOf(v, at, false) })
		}},
		{"nodes", uses.Nodes && uses.VMs, func(v value, at place) { is.Nodes = r.nodesOf(v, at) }},
		{"groups", uses.Groups, func(v value, at place) { is.Groups = r.parts(v, at, r.nodesOf) }},
		{"max", uses.Max && !uses.Resource, func(v value, at place) { is.Max = r.count(v, at) }},
	} {
		if !part.used {
			continue
		}
		if part.key != kind {
			keys = append(keys, part.key)
			if _, ok := r.need(v, at, part.key); !ok {
				continue
			}
		}
		of, _ := v.get(part.key)
		part.read(of, at.in(part.key))
	}
	if uses.Resource {
		keys = append(keys, r.amount(v, at, &is)...)
	}
	if uses.Domain {
		keys = append(keys, "domain", "degraded")
		r.domain(v, at, &is)
	}
	keys = append(keys, r.when(v, at, &is)...)
	r.known(v, at, keys...)
	r.name(v, at, &is)
	if len(r.mistakes) == mistakes {
		r.s.Rules = append(r.s.Rules, is)
		i := slices.IndexFunc(v.fields, func(f field) bool { return f.key == kind })
		r.at = append(r.at, whereIs(value{line: v.fields[i].line}, at))
	}
}

// kind finds the one key that is a kind of rule.
func (r *rulesReader) kind(v value, at place, is *rule.Rule) bool {
	var found []string
	for _, f := range v.fields {
		var kind rule.Kind
		if kind.UnmarshalText([]byte(f.key)) == nil {
			found = append(found, f.key)
			is.Kind = kind
		}
	}
	if len(found) == 1 {
		return true
	}
	if len(found) > 1 {
		r.wrong(v, at, "a rule of two kinds, %s; make it two rules", strings.Join(found, " and "))
		return false
	}
	var kinds []string
	for k := range rule.NumKinds {
		kinds = append(kinds, k.String())
	}
	for _, f := range v.fields {
		if near := spell.Nearest(f.key, kinds); near != "" {
			r.wrong(value{line: f.line}, at.in(f.key), "there is no such kind of rule; did you mean %s?", near)
			return false
		}
	}
	r.wrong(v, at, "this says no kind of rule; there are %s", strings.Join(kinds, ", "))
	return false
}

// name reads the name of a rule, or makes one.
func (r *rulesReader) name(v value, at place, is *rule.Rule) {
	if name, ok := v.get("name"); ok {
		if is.Name = name.text; name.kind != word && name.kind != number || name.text == "" {
			r.wrong(name, at.in("name"), "%s is not a name", name)
		}
		return
	}
	for i := at.index + 1; is.Name == "" || r.named[is.Name]; i++ {
		is.Name = is.Kind.String() + "-" + strconv.Itoa(i)
	}
	r.named[is.Name] = true
}

// when reads when a rule holds, and how hard it is. It returns the keys for
// that.
func (r *rulesReader) when(v value, at place, is *rule.Rule) (keys []string) {
	if is.Always = is.Kind.CanHoldAlways(); is.Always {
		keys = append(keys, "holds")
		holds, ok := v.get("holds")
		_, soft := v.get("weight")
		is.Always = ok && holds.is("always") || !ok && !soft // a soft rule holds at the end only
		if ok && !holds.is("always") && !holds.is("at the end") {
			r.wrong(holds, at.in("holds"), `%s is not a time; write "always" or "at the end"`, holds)
		}
	}
	if is.Kind.CanBeSoft() {
		keys = append(keys, "weight")
		if weight, ok := v.get("weight"); ok {
			b, err := cluster.ParseBytes(weight.text)
			switch is.Weight = b; {
			case err != nil:
				r.wrong(weight, at.in("weight"), "%v", err)
			case b == 0:
				r.wrong(weight, at.in("weight"), "a rule that weighs nothing asks for nothing; without a weight, it has to be kept")
			}
		}
	}
	return keys
}

func (r *rulesReader) domain(v value, at place, is *rule.Rule) {
	if domain, ok := v.get("domain"); ok {
		if err := is.Domain.UnmarshalText([]byte(domain.text)); err != nil {
			r.wrong(domain, at.in("domain"), "%v", err)
		}
	}
	is.Degraded = r.truth(v, at, "degraded")
}

func (r *rulesReader) count(v value, at place) int64 {
	n, err := strconv.ParseInt(v.text, 10, 64)
	if err != nil || n < 0 {
		r.wrong(v, at, "%s is not a whole number", v)
	}
	return n
}

// amount reads the amount of one resource, whose name is its key, as in cpu: 4
// cores. Of overbook it is a ratio. It returns the keys for that.
func (r *rulesReader) amount(v value, at place, is *rule.Rule) (keys []string) {
	found := 0
	for resource := range cluster.NumResources {
		keys = append(keys, resource.String())
		amount, ok := v.get(resource.String())
		if !ok {
			continue
		}
		if found++; found > 1 {
			r.wrong(amount, at.in(resource.String()), "a second resource; make it two rules")
			continue
		}
		is.Resource = resource
		var err error
		if is.Kind == rule.Overbook {
			is.Max, err = ratio(amount)
		} else {
			is.Max, err = amountOf(resource, amount.text)
		}
		if err != nil {
			r.wrong(amount, at.in(resource.String()), "%v", err)
		}
	}
	if found == 0 {
		r.wrong(v, at, "it says of no resource how much; there are %s", strings.Join(keys, ", "))
	}
	return keys
}

func ratio(v value) (int64, error) {
	x, err := strconv.ParseFloat(v.text, 64)
	if err != nil || !(x >= 1.0/cluster.Even && x <= cluster.MostOvercommit/cluster.Even) {
		return 0, fmt.Errorf("%s is not a ratio from %v to %d", v, 1.0/cluster.Even, cluster.MostOvercommit/cluster.Even)
	}
	return int64(math.Round(x * cluster.Even)), nil
}

func amountOf(r cluster.Resource, text string) (int64, error) {
	switch r {
	case cluster.CPU:
		a, err := cluster.ParseCPU(text)
		return int64(a), err
	case cluster.Network:
		a, err := cluster.ParseRate(text)
		return int64(a), err
	}
	a, err := cluster.ParseBytes(text)
	return int64(a), err
}

// vmsOf reads a selection of VMs: their indices in ascending order, or in that
// of the list.
func (r *rulesReader) vmsOf(v value, at place, inOrder bool) []int32 {
	return r.selection(v, at, &r.vms, inOrder, func(v value) []int32 {
		if r.known(v, at, "vjob") {
			if name, ok := r.need(v, at, "vjob"); ok {
				return r.vjob(name, at)
			}
		}
		return nil
	})
}

func (r *rulesReader) vjob(name value, at place) []int32 {
	var all []string
	for _, job := range r.s.Configuration.VJobs {
		if job.Name == name.text {
			return job.VMs
		}
		all = append(all, job.Name)
	}
	r.wrong(name, at, "there is no vjob %s%s", name, meant(name.text, all))
	return nil
}

// nodesOf reads a selection of nodes.
func (r *rulesReader) nodesOf(v value, at place) []int32 {
	return r.selection(v, at, &r.nodes, false, func(v value) []int32 { return r.standing(v, at) })
}

// standing are the nodes of a site, room or rack.
func (r *rulesReader) standing(v value, at place) []int32 {
	if !r.known(v, at, "site", "room", "rack") {
		return nil
	}
	var found []int32
	var where []string
	for _, f := range v.fields {
		where = append(where, f.key+" "+f.value.text)
	}
	for i := range r.s.Configuration.Nodes {
		n := &r.s.Configuration.Nodes[i]
		if !slices.ContainsFunc(v.fields, func(f field) bool { return domainName(n, f.key) != f.value.text }) {
			found = append(found, int32(i))
		}
	}
	switch {
	case len(v.fields) == 0:
		r.wrong(v, at, "nodes of no site, room or rack")
	case len(found) == 0:
		r.wrong(v, at, "there is no node in %s", strings.Join(where, ", "))
	}
	return found
}

// domainName is the name of a node's site, room or rack.
func domainName(n *cluster.Node, level string) string {
	switch level {
	case "site":
		return n.Site
	case "room":
		return n.Room
	}
	return n.Rack
}

// selection reads names, patterns and objects, in a list or one alone. group
// reads an object.
func (r *rulesReader) selection(v value, at place, among *names, inOrder bool, group func(v value) []int32) []int32 {
	parts := []value{v}
	if v.kind == list {
		parts = v.elements()
	}
	selected := []int32{}
	named := map[string]bool{}
	for _, part := range parts {
		switch {
		case part.kind == object:
			selected = append(selected, group(part)...)
			continue
		case part.kind != word && part.kind != number:
			r.wrong(part, at, "%s is not the name of a %s; put names that YAML takes for something else in quotes", part, among.what)
			continue
		case named[part.text]:
			r.wrong(part, at, "%q is there twice", part.text)
		}
		named[part.text] = true
		selected = append(selected, r.called(part, at, among)...)
	}
	if inOrder {
		return once(selected)
	}
	slices.Sort(selected)
	return slices.Compact(selected)
}

// called are those that a name or a pattern stands for.
func (r *rulesReader) called(v value, at place, among *names) []int32 {
	if i, ok := among.index[v.text]; ok {
		return []int32{i}
	}
	if !strings.Contains(v.text, "*") {
		r.wrong(v, at, "there is no %s %q%s", among.what, v.text, meant(v.text, among.all))
		return nil
	}
	var found []int32
	p := patternOf(v.text)
	for i, name := range among.all {
		if p.matches(name) {
			found = append(found, int32(i))
		}
	}
	if len(found) == 0 {
		r.wrong(v, at, "no %s is called like %q%s", among.what, v.text, meantPattern(v.text, among.all))
	}
	return found
}

// pattern is the text between the stars of a pattern. A star stands for any
// text.
type pattern []string

func patternOf(text string) pattern { return strings.Split(text, "*") }

func (p pattern) matches(name string) bool {
	first, last := p[0], p[len(p)-1]
	if len(p) == 1 {
		return name == first
	}
	if len(name) < len(first)+len(last) || !strings.HasPrefix(name, first) || !strings.HasSuffix(name, last) {
		return false
	}
	name = name[len(first) : len(name)-len(last)]
	for _, part := range p[1 : len(p)-1] {
		_, after, ok := strings.Cut(name, part)
		if !ok {
			return false
		}
		name = after
	}
	return true
}

// meant says which name a misspelt one was probably meant to be.
func meant(name string, all []string) string {
	if near := spell.Nearest(name, all); near != "" {
		return fmt.Sprintf("; did you mean %q?", near)
	}
	return ""
}

// meantPattern does the same for a pattern, of which the text before the first *
// is misspelt.
func meantPattern(pattern string, all []string) string {
	first, rest, _ := strings.Cut(pattern, "*")
	var beginnings []string
	ending := patternOf("*" + rest)
	for _, name := range all {
		if len(name) >= len(first) && strings.ToValidUTF8(name[:len(first)], "") == name[:len(first)] && ending.matches(name) {
			beginnings = append(beginnings, name[:len(first)])
		}
	}
	if near := spell.Nearest(first, beginnings); near != "" && near != first {
		return fmt.Sprintf("; did you mean %q?", near+"*"+rest)
	}
	return ""
}

// once leaves out what is there again.
func once(indices []int32) []int32 {
	seen := map[int32]bool{}
	return slices.DeleteFunc(indices, func(i int32) bool {
		twice := seen[i]
		seen[i] = true
		return twice
	})
}

func union(a, b []int32) []int32 {
	all := append(slices.Clone(a), b...)
	slices.Sort(all)
	return slices.Compact(all)
}

// wanted reads the states that vjobs and VMs are to be in.
func (r *rulesReader) wanted(v value) {
	if v.kind != object {
		r.wrong(v, top("wanted"), "%s, not names with the states that are wanted", v)
	}
	by := map[int32]string{} // by VM: the name that it was wanted by
	for _, f := range v.fields {
		at := top("wanted." + f.key)
		name := value{line: f.line, kind: word, text: f.key}
		var state cluster.State
		if err := state.UnmarshalText([]byte(f.value.text)); err != nil {
			r.wrong(f.value, at, "%v", err)
			continue
		}
		for _, vm := range r.wantedBy(name, at) {
			called := r.vms.all[vm]
			from := r.s.Configuration.StateOf(vm)
			other, twice := by[vm]
			switch {
			case twice && r.s.wantedOf(vm) != state:
				r.wrong(name, at, "VM %q is to be %s, and %s by %q", called, state, r.s.wantedOf(vm), other)
			case !from.Leads(state):
				r.wrong(name, at, "VM %q is %s, and cannot become %s", called, from, state)
			default:
				r.s.want(vm, state)
			}
			by[vm] = f.key
		}
	}
	r.together(v)
}

// wantedBy are the VMs of a vjob, or those that are called so.
func (r *rulesReader) wantedBy(name value, at place) []int32 {
	jobs := r.s.Configuration.VJobs
	i := slices.IndexFunc(jobs, func(j cluster.VJob) bool { return j.Name == name.text })
	if i < 0 {
		return r.called(name, at, &r.vms)
	}
	if _, both := r.vms.index[name.text]; both {
		r.wrong(name, at, "there is a VM of this name, and a vjob")
	}
	return jobs[i].VMs
}

// together refuses vjobs of which only some VMs are to change their state.
func (r *rulesReader) together(v value) {
	if len(r.mistakes) > 0 {
		return
	}
	for _, job := range r.s.Configuration.VJobs {
		for _, vm := range job.VMs {
			if first := job.VMs[0]; r.s.wantedOf(vm) != r.s.wantedOf(first) {
				r.wrong(v, top("wanted"), "the VMs of vjob %q change their state together, and %q is to be %s, but %q %s", job.Name,
					r.vms.all[first], r.s.wantedOf(first), r.vms.all[vm], r.s.wantedOf(vm))
				break
			}
		}
	}
}
