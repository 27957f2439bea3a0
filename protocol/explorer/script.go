package explorer

import (
	"fmt"
	"strings"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/protocol/protocoltest"
)

// Script returns the way to the violation as a script for protocoltest, which
// replays it there, in a world that shares nothing with the search but the nodes.
func (s *Search) Script() string {
	v := s.Violation
	b := scriptWriter{catalogue: s.catalogue, world: protocoltest.NewWorld(protocol.Defaults())}
	fmt.Fprintf(&b.text, "# %v: in %d steps.\n\n", v.Err, len(v.path))
	b.begin()
	var now state
	now.copyFrom(&s.first)
	for i, a := range v.path {
		if i == v.fair {
			b.text.WriteString("# From here on nothing goes wrong.\n")
		}
		b.action(&now, a)
		s.catalogue.perform(&now, a) // the last one breaks an invariant, which is told above
	}
	b.command("state")
	return b.text.String()
}

// scriptWriter writes a script, and carries it out to learn what happens.
type scriptWriter struct {
	catalogue *catalogue
	world     *protocoltest.World
	text      strings.Builder
}

func (b *scriptWriter) command(format string, arguments ...any) {
	line := fmt.Sprintf(format, arguments...)
	out, err := b.world.Execute(line)
	if err != nil {
		out += "error: " + err.Error() + "\n"
	}
	fmt.Fprintf(&b.text, "%s\n----\n%s\n", line, out)
}

// begin makes the nodes.
func (b *scriptWriter) begin() {
	w := b.catalogue.world
	s := w.Settings()
	b.command("settings lease=%v renew=%v collect=%v solve-limit=%v action-limit=%v backoff-min=%v backoff-max=%v concurrent=%d minimum=%d growth=%d",
		s.Lease, s.Renew, s.Collect, s.SolveLimit, s.ActionLimit, s.BackoffMin, s.BackoffMax, s.Concurrent, s.Minimum, s.Growth)
	for _, demands := range w.Demands {
		line := fmt.Sprintf("node cpu=100 memory=%dGiB vm-memory=1GiB", w.Memory)
		if len(demands) > 0 {
			line += " vms=(" + strings.Trim(strings.ReplaceAll(fmt.Sprint(demands), " ", ","), "[]") + ")"
		}
		b.command("%s", line)
	}
}

// action writes what happens in a state.
func (b *scriptWriter) action(s *state, a action) {
	c := b.catalogue
	switch a.kind {
	case deliver:
		b.command("deliver %s", b.selector(a.number))
	case deliverCopy:
		b.command("deliver %s copy", b.selector(a.number))
	case answer:
		o := c.solves[a.number]
		b.command("solve node=%d partition=%v epoch=%v", o.at+1, o.ask.Partition, o.ask.Epoch)
	case finish:
		b.command("migrate vm=v%d", c.moves[a.number>>1].vm+1)
	case fail:
		b.command("migrate vm=v%d fail", c.moves[a.number>>1].vm+1)
	case raise:
		if a.more == toBeEmptied {
			b.command("raise node=%d kind=%v", a.number+1, protocol.Drain)
		} else {
			b.command("overload node=%d", a.number+1)
		}
	case alter:
		b.command("load vm=v%d cpu=%d", a.number+1, c.later[a.number].Demand.CPU()/10)
	case empty:
		b.command("drain node=%d unseen", a.number+1)
	case sever:
		b.command("cut nodes=(%s)", sideOf(uint8(a.number)))
	case mend:
		b.command("heal")
	case fire:
		b.command("fire node=%d timer=%v", a.number+1, protocol.Timer(a.more))
	case tick:
		b.losses(s, a.more)
		b.command("tick by=%v", unit)
	case die:
		b.command("crash node=%d", a.number+1)
	case rejoin:
		b.command("return node=%d", a.number+1)
		for other := range c.size {
			if other != int(a.number) && s.dead&(1<<other) != 0 {
				b.command("down node=%d to=%d", other+1, a.number+1)
			}
		}
	case notice:
		word := "down"
		if s.dead&(1<<a.number) != 0 {
			word = "up"
		}
		b.command("%s node=%d", word, a.number+1)
	}
}

// sideOf lists the nodes of which each has a bit.
func sideOf(side uint8) string {
	var nodes []string
	for i := range MaxNodes {
		if side&(1<<i) != 0 {
			nodes = append(nodes, fmt.Sprint(i+1))
		}
	}
	return strings.Join(nodes, ",")
}

// selector chooses a message, as the arguments of deliver.
func (b *scriptWriter) selector(number uint32) string {
	l := b.catalogue.letters[number>>1]
	i := b.world.Position(cluster.NodeID(l.to+1), l.message)
	if i < 0 {
		panic(fmt.Sprintf("explorer: the scripted world has no message %+v to %d", l.message, l.to+1))
	}
	return b.world.Selector(i)
}

// losses drops those timely messages of a state that have a bit in lost.
func (b *scriptWriter) losses(s *state, lost uint32) {
	i := 0
	for _, m := range s.messages {
		if m&1 == 0 {
			if lost&(1<<i) != 0 {
				b.command("drop %s", b.selector(m))
			}
			i++
		}
	}
}

// Steps returns how many actions lead to the violation.
func (v *Violation) Steps() int { return len(v.path) }
