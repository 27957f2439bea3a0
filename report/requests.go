package report

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/dvms-project/dvms/trace"
)

// Requests are what operators asked for in a run. Times are of those that were
// done, until all of one was.
type Requests struct {
	Times
	Asked     int             `json:"asked"`
	Withdrawn int             `json:"withdrawn"` // before they were done
	Open      int             `json:"open"`      // at the end of the run
	Answers   int             `json:"answers"`   // to nodes that had raised an event for them
	Started   int             `json:"started"`   // VMs that waited and were started
	List      []RequestStatus `json:"list"`      // in order of date
}

// RequestStatus is what became of one request. It has a part for each host.
type RequestStatus struct {
	Request   string  `json:"request"`
	Kind      string  `json:"kind"`
	At        Seconds `json:"t"`
	Parts     int     `json:"parts"`
	Done      int     `json:"done"`
	Withdrawn int     `json:"withdrawn"`
	Duration  Seconds `json:"duration_s"` // until the last part was done, withdrawn, or the run ended
	Answers   int     `json:"answers"`
	Reasons   string  `json:"reasons"` // why a part is not done, as it was told last
}

// isDone reports whether all of the request is as it was asked.
func (r *RequestStatus) isDone() bool { return r.Done == r.Parts }

// isOpen reports whether some of it was neither done nor withdrawn.
func (r *RequestStatus) isOpen() bool { return r.Done+r.Withdrawn < r.Parts }

// requestSummary sums up the requests; nil if there were none.
func (c *Collector) requestSummary() *Requests {
	if len(c.requests) == 0 {
		return nil
	}
	s := &Requests{Started: c.started}
	var done []time.Duration
	for _, r := range c.requests {
		i := slices.IndexFunc(s.List, func(x RequestStatus) bool { return x.Request == r.Request })
		if i < 0 {
			i = len(s.List)
			s.List = append(s.List, RequestStatus{Request: r.Request, Kind: r.Kind, At: inSeconds(float64(r.At))})
		}
		s.List[i].add(r)
		s.Answers += r.Answers
	}
	slices.SortStableFunc(s.List, func(a, b RequestStatus) int {
		return cmp.Or(cmp.Compare(a.At, b.At), cmp.Compare(a.Request, b.Request))
	})
	for i := range s.List {
		r := &s.List[i]
		s.Asked++
		s.Open += one(r.isOpen())
		s.Withdrawn += one(!r.isOpen() && !r.isDone())
		if r.isDone() {
			done = append(done, time.Duration(float64(r.Duration)*1e9))
		}
	}
	s.Times = times(done)
	return s
}

// add counts a part of the request.
func (r *RequestStatus) add(part trace.Request) {
	r.Parts++
	r.Done += one(part.Outcome == "done")
	r.Withdrawn += one(part.Outcome == "withdrawn")
	r.Answers += part.Answers
	r.Duration = max(r.Duration, inSeconds(float64(part.Duration)))
	if r.Reasons == "" && part.Outcome == "open" && part.Reasons != "" {
		r.Reasons = part.Reasons
		if part.Node != "" {
			r.Reasons = part.Node + " " + part.Reasons
		}
	}
}

func asked(s Summary) bool { return s.Requests != nil }

// requestMeasures are the rows of the table that requests have: how long each of
// them took.
func (c Comparison) requestMeasures() []measure {
	rows := []measure{
		count("requests", asked, func(s Summary) int { return s.Requests.Asked }),
		count("done", asked, func(s Summary) int { return s.Requests.Count }).below(),
		count("withdrawn before", asked, func(s Summary) int { return s.Requests.Withdrawn }).below().ifAny(),
		count("not done at the end", asked, func(s Summary) int { return s.Requests.Open }).below().ifAny(),
	}
	var labels []string
	for _, r := range c.Runs {
		if r.Requests == nil {
			continue
		}
		for _, q := range r.Requests.List {
			if !slices.Contains(labels, q.Request) {
				labels = append(labels, q.Request)
			}
		}
	}
	for _, label := range labels[:min(len(labels), maxRequestRows)] {
		rows = append(rows, measure{label: label, sub: true, unit: inTime, of: func(s strategyRuns) figure { return s.request(label) }})
	}
	return append(rows, count("VMs started", asked, func(s Summary) int { return s.Requests.Started }).ifAny())
}

// maxRequestRows and maxRequestNotes bound what the table shows. The JSON has
// them all.
const (
	maxRequestRows  = 20
	maxRequestNotes = 8
	maxReasons      = 160 // characters
)

// request is how long a request took, in the mean, if it was done in each of the
// runs in which it was made; else it says so.
func (s strategyRuns) request(label string) figure {
	sum, made, open, withdrawn := Seconds(0), 0, 0, 0
	for _, r := range s.runs {
		if r.Requests == nil {
			continue
		}
		for _, q := range r.Requests.List {
			if q.Request == label {
				made++
				sum += q.Duration
				open += one(q.isOpen())
				withdrawn += one(!q.isOpen() && !q.isDone())
			}
		}
	}
	switch {
	case made == 0:
		return figure{absent: true}
	case open == 0 && withdrawn == 0:
		return figure{value: float64(sum) / float64(made)}
	case made == 1 && open == 0:
		return figure{text: "withdrawn"}
	case made == 1:
		return figure{text: "not done"}
	}
	return figure{text: fmt.Sprintf("%d of %d done", made-open-withdrawn, made)}
}

// requestNotes say which requests were not done, and why.
func (c Comparison) requestNotes() []string {
	var notes []string
	for _, r := range c.Runs {
		if r.Requests == nil {
			continue
		}
		for _, q := range r.Requests.List {
			if q.isOpen() {
				notes = append(notes, q.note(r))
			}
		}
	}
	if more := len(notes) - maxRequestNotes; more > 0 {
		notes = append(notes[:maxRequestNotes], fmt.Sprintf("%d more requests were not done; --json has them all.", more))
	}
	return notes
}

// note says of an open request what is known.
func (r *RequestStatus) note(of Summary) string {
	text := fmt.Sprintf("%s with seed %d: %s is not done", of.Strategy, of.Seed, r.Request)
	if r.Parts > 1 {
		text += fmt.Sprintf(" for %d of %d", r.Parts-r.Done-r.Withdrawn, r.Parts)
	}
	switch {
	case r.Reasons != "":
		return text + ": " + shortened(r.Reasons)
	case of.Strategy == "none":
		return text + ": there is no scheduler."
	case r.Answers == 0:
		return text + ": nobody has answered yet."
	}
	return text + "."
}

// shortened cuts a text that is too long for a line or two.
func shortened(text string) string {
	letters := []rune(text)
	if len(letters) <= maxReasons {
		return text
	}
	return string(letters[:maxReasons]) + "…"
}
