package protocoltest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
)

// Execute executes one command of a script and returns what happened, a line each.
// Nodes are numbered from 1, VMs are v1, v2 and so on in the order in which
// they were added. CPU is in percent of a core. The commands are:
//
//	settings minimum=1 growth=2 lease=3s …
//	                 changes settings of the protocol, before the first step
//	node cpu=400 vms=(100,100,80) [memory=2GiB vm-memory=1GiB] [count=3]
//	                 adds a node, or several alike, and its VMs
//	overload node=1  the monitor of node 1 sees an overload
//	drain node=1 [end] [unseen]
//	                 node 1 is to be emptied, or no longer; its monitor has
//	                 not looked yet
//	raise node=1 kind=drain
//	                 the monitor of node 1 looks, and sees that
//	underload node=1 node 1 could as well be empty
//	place node=1 cpu=50 [memory=1GiB] [asleep]
//	                 a VM that waits, or sleeps, on node 1 is to run
//	rule name=apart kind=spread vms=(v1,v2) [nodes=(1,2)]
//	                 adds a rule
//	look             the monitors of all nodes look once
//	deliver [from=1] [to=2] [type=event] [partition=e1.1] [epoch=2]
//	        [count=3 | all] [nth=2] [copy]
//	                 delivers the oldest messages that match, one by default;
//	                 or the second of them; a copy of it stays under way
//	send from=3 to=1 partition=e1.1 epoch=3 (order=v1 target=2 | admit=v1)
//	                 puts a message under way that comes from a past of its own
//	drop …           loses messages, chosen as in deliver
//	grow partition=e1.1 leader=10 [quiet]
//	                 does what is under way for a partition, and nothing else,
//	                 until that node leads it and asks the solver
//	solve [node=2] [partition=e1.1] [epoch=2]
//	                 lets the solver of a node answer
//	migrate [vm=v3] [fail]
//	                 ends a migration
//	load vm=v1 cpu=90
//	advance by=2s    lets time go on and timers fire
//	tick by=1s       lets time go on, and no timer fires
//	fire node=1 timer=lease
//	                 lets a timer fire that is due
//	run [quiet]      does all that is under way, oldest first
//	crash node=4     node 4 dies, and nobody is told
//	return node=4    it starts again, empty
//	down node=4 [to=2]
//	                 all nodes, or one, are told that node 4 is gone
//	up node=4        all nodes are told that it is there
//	cut nodes=(1,2)  cuts the network between these and the others
//	heal             mends it
//	state            prints who holds which node, and where the VMs are
func (w *World) Execute(line string) (string, error) {
	w.log.Reset()
	d, err := parseCommand(line)
	if err == nil {
		err = w.carefully(d)
	}
	return w.log.String(), err
}

// carefully executes a command; a panic of a node is an error.
func (w *World) carefully(d *command) (err error) {
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("panic: %v", cause)
		}
	}()
	return w.command(d)
}

func (w *World) command(d *command) error {
	switch d.name {
	case "node":
		return w.nodeCommand(d)
	case "settings":
		return w.settingsCommand(d)
	case "overload":
		id, err := w.nodeArgument(d, "node")
		if err != nil {
			return err
		}
		return w.Step(id, protocol.Overloaded{})
	case "drain", "underload", "place", "rule", "raise":
		return w.eventCommand(d)
	case "look":
		return w.Look()
	case "deliver", "drop":
		return w.deliverCommand(d)
	case "send":
		return w.sendCommand(d)
	case "solve":
		for i, p := range w.solves {
			if matches(d, map[string]string{
				"node": fmt.Sprint(p.node), "partition": p.solve.Partition.String(), "epoch": fmt.Sprint(p.solve.Epoch),
			}) {
				return w.Answer(i)
			}
		}
		return fmt.Errorf("no solver is at work there")
	case "migrate":
		for i, m := range w.migrations {
			if !d.HasArg("vm") || argument(d, "vm") == vmName(m.order.VM) {
				return w.Finish(i, !d.HasArg("fail"))
			}
		}
		return fmt.Errorf("no such migration is under way")
	case "grow":
		leader, err := w.nodeArgument(d, "leader")
		if err != nil {
			return err
		}
		err = w.grow(argument(d, "partition"), leader)
		if d.HasArg("quiet") {
			w.log.Reset()
		}
		return err
	case "load":
		vm, err := strconv.Atoi(strings.TrimPrefix(argument(d, "vm"), "v"))
		if err != nil || vm < 1 || vm > len(w.vms) {
			return fmt.Errorf("no VM %q", argument(d, "vm"))
		}
		cpu, err := strconv.Atoi(argument(d, "cpu"))
		w.SetDemand(cluster.VMID(vm), percent(cpu))
		return err
	case "advance":
		by, err := time.ParseDuration(argument(d, "by"))
		if err != nil {
			return err
		}
		return w.Advance(by)
	case "tick":
		by, err := time.ParseDuration(argument(d, "by"))
		w.Tick(by)
		return err
	case "fire":
		id, err := w.nodeArgument(d, "node")
		if err != nil {
			return err
		}
		return w.Fire(id, argument(d, "timer"))
	case "run":
		err := w.Run()
		if d.HasArg("quiet") {
			w.log.Reset()
		}
		return err
	case "crash", "return", "down", "up":
		id, err := w.nodeArgument(d, "node")
		if err != nil {
			return err
		}
		switch d.name {
		case "crash":
			return w.Crash(id)
		case "return":
			return w.Return(id)
		}
		if d.HasArg("to") {
			to, err := w.nodeArgument(d, "to")
			if err != nil {
				return err
			}
			return w.TellOne(to, id, d.name == "down")
		}
		return w.Tell(id, d.name == "down")
	case "cut":
		a, _ := d.Arg("nodes")
		var nodes []cluster.NodeID
		for _, v := range a.values {
			id, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				return err
			}
			nodes = append(nodes, cluster.NodeID(id))
		}
		w.Cut(nodes)
		return nil
	case "heal":
		w.Heal()
		return nil
	case "state":
		w.state()
		return nil
	}
	return fmt.Errorf("unknown command %q", d.name)
}

func percent(p int) cluster.Millicores { return cluster.Millicores(p) * cluster.Core / 100 }

// argument returns the first value of an argument, or "".
func argument(d *command, key string) string {
	if a, ok := d.Arg(key); ok && len(a.values) > 0 {
		return a.values[0]
	}
	return ""
}

func (w *World) nodeArgument(d *command, key string) (cluster.NodeID, error) {
	id, err := strconv.ParseUint(argument(d, key), 10, 64)
	if err != nil || w.Node(cluster.NodeID(id)) == nil {
		return 0, fmt.Errorf("no node %q", argument(d, key))
	}
	return cluster.NodeID(id), nil
}

func (w *World) nodeCommand(d *command) error {
	cpu, err := strconv.Atoi(argument(d, "cpu"))
	if err != nil {
		return err
	}
	memory, size := 64*cluster.GiB, cluster.GiB
	if d.HasArg("memory") {
		if memory, err = cluster.ParseBytes(argument(d, "memory")); err != nil {
			return err
		}
	}
	if d.HasArg("vm-memory") {
		if size, err = cluster.ParseBytes(argument(d, "vm-memory")); err != nil {
			return err
		}
	}
	var demands []cluster.Resources
	if a, ok := d.Arg("vms"); ok {
		for _, v := range a.values {
			p, err := strconv.Atoi(v)
			if err != nil {
				return err
			}
			demands = append(demands, cluster.Of(percent(p), size))
		}
	}
	count := 1
	if d.HasArg("count") {
		if count, err = strconv.Atoi(argument(d, "count")); err != nil {
			return err
		}
	}
	for range count {
		w.AddNode(cluster.Of(percent(cpu), memory), demands)
	}
	return nil
}

// grow does what is under way for a partition until a node leads it and solves.
func (w *World) grow(partition string, leader cluster.NodeID) error {
	for range 1000 {
		solver := slices.IndexFunc(w.solves, func(p pending) bool { return p.solve.Partition.String() == partition })
		if solver >= 0 && w.solves[solver].node == leader {
			return nil
		}
		if solver >= 0 {
			if err := w.Answer(solver); err != nil {
				return err
			}
			continue
		}
		message := slices.IndexFunc(w.messages, func(e envelope) bool { return e.message.Partition.String() == partition })
		if message < 0 {
			return fmt.Errorf("nothing is under way for %s", partition)
		}
		if err := w.Deliver(message); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s never solves at node %d", partition, leader)
}

func (w *World) deliverCommand(d *command) error {
	count := 1
	if d.HasArg("count") {
		n, err := strconv.Atoi(argument(d, "count"))
		if err != nil {
			return err
		}
		count = n
	}
	for done := 0; d.HasArg("all") || done < count; done++ {
		i := w.find(d)
		if i < 0 {
			if done == 0 {
				return fmt.Errorf("no such message is under way")
			}
			return nil
		}
		if d.HasArg("copy") {
			w.Double(i)
		}
		if d.name == "drop" {
			w.Drop(i)
		} else if err := w.Deliver(i); err != nil {
			return err
		}
	}
	return nil
}

// sendCommand sends an order, or a request for room, that nobody sends just now.
func (w *World) sendCommand(d *command) error {
	var m protocol.Message
	from, err := w.nodeArgument(d, "from")
	if err != nil {
		return err
	}
	to, err := w.nodeArgument(d, "to")
	if err != nil {
		return err
	}
	m.From = from
	if _, err := fmt.Sscanf(argument(d, "partition"), "e%d.%d", &m.Partition.Initiator, &m.Partition.Sequence); err != nil {
		return fmt.Errorf("partition: %w", err)
	}
	if m.Epoch, err = protocol.ParseEpoch(argument(d, "epoch")); err != nil {
		return err
	}
	name := argument(d, "order") + argument(d, "admit")
	vm, err := strconv.Atoi(strings.TrimPrefix(name, "v"))
	if err != nil || vm < 1 || vm > len(w.vms) {
		return fmt.Errorf("no VM %q", name)
	}
	if d.HasArg("order") {
		target, err := w.nodeArgument(d, "target")
		if err != nil {
			return err
		}
		m.Body = protocol.Order{VM: cluster.VMID(vm), Target: target}
	} else {
		m.Body = protocol.Admit{VM: cluster.VMID(vm), Demand: w.vms[vm-1].Demand}
	}
	w.messages = append(w.messages, envelope{to, m})
	return nil
}

// find returns the position of the oldest message that a command asks for, or -1.
func (w *World) find(d *command) int {
	nth, err := strconv.Atoi(argument(d, "nth"))
	if err != nil {
		nth = 1
	}
	for i, e := range w.messages {
		if matches(d, map[string]string{
			"from": fmt.Sprint(e.message.From), "to": fmt.Sprint(e.to), "type": messageName(e.message),
			"partition": e.message.Partition.String(), "epoch": fmt.Sprint(e.message.Epoch),
		}) {
			if nth--; nth == 0 {
				return i
			}
		}
	}
	return -1
}

// matches reports whether something is what the arguments of a command ask for.
func matches(d *command, is map[string]string) bool {
	for key, value := range is {
		if d.HasArg(key) && argument(d, key) != value {
			return false
		}
	}
	return true
}

func (w *World) state() {
	w.start()
	for _, id := range w.ids {
		h := w.hosts[id]
		fmt.Fprintf(&w.log, "%d: ", id)
		if h.crashed {
			w.log.WriteString("down\n")
			continue
		}
		if p, booked := h.node.Booked(); booked {
			fmt.Fprintf(&w.log, "%v %v epoch=%v leader=%d", p, h.node.State(), h.node.Epoch(), h.node.Leader())
		} else {
			w.log.WriteString("free")
		}
		l := w.local(id)
		fmt.Fprintf(&w.log, " cpu=%d/%d vms=[", w.usage(l).CPU()/10, h.capacity.CPU()/10)
		for i, v := range l.VMs {
			if i > 0 {
				w.log.WriteString(" ")
			}
			w.log.WriteString(vmName(v.ID))
		}
		w.log.WriteString("]")
		if h.draining {
			w.log.WriteString(" draining")
		}
		if len(l.Waiting)+len(l.Sleeping) > 0 {
			fmt.Fprintf(&w.log, " %d to be placed", len(l.Waiting)+len(l.Sleeping))
		}
		if l.Broken {
			w.log.WriteString(" breaks a rule")
		}
		w.log.WriteString("\n")
	}
	fmt.Fprintf(&w.log, "%d migrations", w.moved)
	if !w.Quiet() {
		fmt.Fprintf(&w.log, ", %d messages, %d solvers and %d migrations under way", len(w.messages), len(w.solves), len(w.migrations))
	}
	w.log.WriteString("\n")
}
