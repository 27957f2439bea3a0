package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/dvms-project/dvms/trace"
)

// petition is a request as it is told: its parts, in order of the hosts' answers.
type petition struct {
	label string
	at    time.Duration
	parts []trace.Request
}

// petitions returns the requests, in order of date.
func (s *Stories) petitions() []petition {
	var all []petition
	for _, r := range s.requests {
		i := slices.IndexFunc(all, func(p petition) bool { return p.label == r.Request })
		if i < 0 {
			i = len(all)
			all = append(all, petition{label: r.Request, at: r.At})
		}
		all[i].parts = append(all[i].parts, r)
	}
	slices.SortStableFunc(all, func(a, b petition) int { return cmp.Compare(a.at, b.at) })
	for _, p := range all {
		slices.SortStableFunc(p.parts, func(a, b trace.Request) int { // node2 before node10
			return cmp.Or(cmp.Compare(len(a.Node), len(b.Node)), cmp.Compare(a.Node, b.Node))
		})
	}
	return all
}

// Requests returns what is known of the requests: they themselves, the answers and
// the starts of VMs.
func (s *Stories) Requests() []trace.Record {
	return with(with(with(nil, s.requests), s.answers), s.starts)
}

// WriteRequests tells a person what was asked for, what was answered, and when
// it was so.
func (s *Stories) WriteRequests(w io.Writer) error {
	var out strings.Builder
	for i, p := range s.petitions() {
		if i > 0 {
			out.WriteString("\n")
		}
		out.WriteString(p.label + "\n")
		lines := s.petitionLines(p)
		slices.SortStableFunc(lines, func(a, b line) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.rank, b.rank)) })
		for _, l := range lines {
			fmt.Fprintf(&out, "  %12.3f s %12s  %s\n", l.at.Seconds(), "+"+brief(l.at-p.at), l.text)
		}
	}
	_, err := io.WriteString(w, out.String())
	return err
}

// petitionLines are the sentences about a request, in no order. An answer belongs
// to it if it is about its kind, came to who was asked, and was asked for while it
// was open.
func (s *Stories) petitionLines(p petition) []line {
	var lines []line
	told := map[int]bool{} // answers
	for _, r := range p.parts {
		end := r.At + r.Duration
		if r.Node != "" {
			lines = append(lines, line{r.At, 0, r.Node + " is asked: " + task(r)})
		} else {
			lines = append(lines, line{r.At, 0, "asked: " + task(r)})
		}
		for i, a := range s.answers {
			about := slices.Contains(strings.Split(a.Kind, "+"), r.Kind)
			to := r.Node == "" || a.Node == r.Node || a.Partition == ""
			if about && to && !told[i] && a.At >= r.At && a.At <= end {
				told[i] = true
				lines = append(lines, line{a.At + a.Duration, 2, answer(a)})
			}
		}
		lines = append(lines, line{end, 1, verdict(r)})
	}
	return lines
}

func task(r trace.Request) string {
	switch r.Kind {
	case "drain":
		return plural(r.VMs, "VM") + " to leave"
	case "place":
		return plural(r.VMs, "VM") + " to run"
	case "suspend":
		return plural(r.VMs, "VM") + " to be saved"
	}
	return "a rule about " + plural(r.VMs, "VM")
}

// answer says what a node was told.
func answer(a trace.Answer) string {
	text := fmt.Sprintf("%s is told: %s", a.Node, a.Outcome)
	if a.Partition != "" {
		text += " (" + a.Partition + ")"
	}
	if a.Reasons != "" {
		text += ", " + a.Reasons
	}
	return text
}

// verdict says what became of a part of a request.
func verdict(r trace.Request) string {
	if r.Outcome != "done" {
		text := map[string]string{"withdrawn": "taken back before it was done", "open": "not done when the run ends"}[r.Outcome]
		return strings.TrimLeft(r.Node+": "+text, ": ")
	}
	switch r.Kind {
	case "drain":
		return r.Node + " is empty"
	case "place":
		return "all of them run"
	case "suspend":
		return "all of them are saved"
	}
	return "the rule is kept"
}
