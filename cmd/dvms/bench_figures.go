package main

import "context"

// figure is a line of the table of what is to be reached.
type figure struct {
	What    string `json:"what"`
	Wanted  string `json:"wanted"`
	Found   string `json:"found"`
	Reached bool   `json:"reached"`
}

// figures measures what is to be reached, and prints it.
func (r *solverReport) figures(ctx context.Context) error { return ctx.Err() }
