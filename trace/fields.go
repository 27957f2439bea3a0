package trace

import (
	"time"

	"github.com/dvms-project/dvms/cluster"
)

// fields goes over the fields of a record in the order of its line, either to
// write them (encoder) or to read them (decoder). Each record describes itself
// once, in walk, so that the two directions can't disagree.
type fields interface {
	seconds(name string, v *time.Duration)
	cores(name string, v *cluster.Millicores)
	bytes(name string, v *cluster.Bytes)
	count(name string, v *int)
	number(name string, v *uint64)
	amount(name string, v *float64)
	amounts(name string, v *[]float64)
	text(name string, v *string)
	texts(name string, v *[]string)
	truth(name string, v *bool)
	resource(name string, v *cluster.Resource)
}

func (r *Header) walk(f fields) {
	f.text("schema", &r.Schema)
	f.text("version", &r.Version)
	f.text("scenario", &r.Scenario)
	f.text("strategy", &r.Strategy)
	f.text("workload", &r.Workload)
	f.number("seed", &r.Seed)
	f.count("hosts", &r.Hosts)
	f.count("sites", &r.Sites)
	f.count("vms", &r.VMs)
	f.seconds("duration_s", &r.Duration)
}

func (r *Load) walk(f fields) {
	f.seconds("t", &r.At)
	f.cores("demand_cores", &r.Demand)
	f.cores("capacity_cores", &r.Capacity)
	f.count("violated_hosts", &r.Violated)
	f.count("migrations", &r.Migrations)
	f.count("partitions", &r.Partitions)
	f.count("booked_nodes", &r.Booked)
	f.count("empty_hosts", &r.Empty)
}

func (r *Violation) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("host", &r.Host)
	f.resource("resource", &r.Resource)
	f.truth("arrival", &r.Arrival)
	f.cores("lost_cores", &r.Lost)
	f.truth("open", &r.Open)
}

func (r *Solve) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("node", &r.Node)
	f.text("partition", &r.Partition)
	f.count("nodes", &r.Nodes)
	f.count("vms", &r.VMs)
	f.text("answer", &r.Answer)
	f.count("steps", &r.Steps)
	f.count("moves", &r.Moves)
	f.bytes("bytes", &r.Bytes)
	f.text("reasons", &r.Reasons)
}

func (r *Migration) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("vm", &r.VM)
	f.text("from", &r.From)
	f.text("to", &r.To)
	f.text("from_site", &r.FromSite)
	f.text("to_site", &r.ToSite)
	f.bytes("bytes", &r.Bytes)
	f.count("rounds", &r.Rounds)
	f.seconds("downtime_s", &r.Downtime)
	f.text("outcome", &r.Outcome)
	f.text("partition", &r.Partition)
	f.text("reason", &r.Reason)
}

func (r *Reconfiguration) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("partition", &r.Partition)
	f.count("nodes", &r.Nodes)
	f.count("migrations", &r.Migrations)
	f.text("outcome", &r.Outcome)
}

func (r *Partition) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("id", &r.ID)
	f.text("initiator", &r.Initiator)
	f.texts("members", &r.Members)
	f.count("sites", &r.Sites)
	f.count("hops", &r.Hops)
	f.count("merges", &r.Merges)
	f.count("solves", &r.Solves)
	f.text("outcome", &r.Outcome)
	f.text("kind", &r.Kind)
	f.text("reasons", &r.Reasons)
	f.count("messages", &r.Messages)
	f.bytes("message_bytes", &r.Bytes)
}

func (r *Step) walk(f fields) {
	f.seconds("t", &r.At)
	f.text("partition", &r.Partition)
	f.text("node", &r.Node)
	f.text("what", &r.What)
	f.count("members", &r.Members)
	f.text("other", &r.Other)
}

func (r *Request) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("request", &r.Request)
	f.text("kind", &r.Kind)
	f.text("node", &r.Node)
	f.count("vms", &r.VMs)
	f.count("answers", &r.Answers)
	f.text("outcome", &r.Outcome)
	f.text("reasons", &r.Reasons)
}

func (r *Answer) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("node", &r.Node)
	f.text("kind", &r.Kind)
	f.text("partition", &r.Partition)
	f.text("outcome", &r.Outcome)
	f.text("reasons", &r.Reasons)
}

func (r *Start) walk(f fields) {
	f.seconds("t", &r.At)
	f.seconds("duration_s", &r.Duration)
	f.text("vm", &r.VM)
	f.truth("resumed", &r.Resumed)
	f.text("node", &r.Node)
	f.text("on", &r.On)
	f.text("outcome", &r.Outcome)
	f.text("partition", &r.Partition)
}

func (r *Starved) walk(f fields) {
	f.text("vm", &r.VM)
	f.seconds("duration_s", &r.Duration)
	f.amount("asked_core_s", &r.Asked)
	f.amount("lost_core_s", &r.Lost)
}

func (r *Place) walk(f fields) {
	f.text("node", &r.Node)
	f.text("site", &r.Site)
	f.amounts("vector_us", &r.Vector)
	f.amount("height_us", &r.Height)
	f.amount("error", &r.Error)
}

func (r *Fault) walk(f fields) {
	f.seconds("t", &r.At)
	f.text("what", &r.What)
	f.text("host", &r.Host)
	f.count("hosts", &r.Hosts)
}

func (r *Messages) walk(f fields) {
	f.count("lost", &r.Lost)
	f.count("doubled", &r.Doubled)
}

func (r *End) walk(f fields) {
	f.seconds("t", &r.At)
	f.truth("partial", &r.Partial)
	f.count("messages", &r.Messages)
	f.bytes("message_bytes", &r.Bytes)
	f.count("gossip", &r.Gossip)
	f.bytes("gossip_bytes", &r.GossipBytes)
	f.count("changes", &r.Changes)
	f.number("events", &r.Events)
	f.amount("asked_core_s", &r.VMSeconds)
	f.amount("lost_share", &r.LostShare)
	f.count("violations", &r.Violations)
	f.count("migrations", &r.Migrated)
}
