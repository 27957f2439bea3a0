// Package report turns the records of runs into what people look at: a summary
// of each run, a table that compares strategies, charts, and a page of HTML
// that needs no network.
//
// A Collector takes the records of one run, live or from a trace, and gives
// its Summary and the series of its charts. A Comparison holds the summaries
// of several runs of the same scenario: one or more seeds for each strategy.
//
//	run := report.NewCollector()
//	if err := trace.Read(name, file, run); err != nil { ... }
//	runs := []*report.Collector{run}
//	comparison := report.Compare(runs...)
//	err := comparison.WriteTable(os.Stdout)
//	err = report.HTML(page, comparison, runs)
//	for _, chart := range report.Charts(runs) {
//		err = chart.SVG(picture)
//	}
//
// What comes out depends on what goes in and on nothing else: not on the
// clock, nor on the order of a map. How long a run took on the machine that
// made it is not in a trace; who knows it adds it with Summary.WithWall.
//
// The package opens no files and leaves to others what the figures mean.
package report
