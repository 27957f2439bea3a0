package explorer

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/overlay"
	"github.com/dvms-project/dvms/protocol"
	"github.com/dvms-project/dvms/strategy"
)

// catalogue numbers everything that a state is made of, and remembers what each
// node did for each input. A world has many states, but few different nodes: most
// steps of a search were made before, and are looked up.
type catalogue struct {
	world   *World
	ring    *overlay.Ring
	size    int // nodes
	vms     []cluster.VM
	later   []cluster.VM // the VMs after their change
	lively  bool         // see shape
	memory  int64        // of a node
	nodes   []node
	letters []letter
	solves  []solve
	moves   []move
	inputs  []protocol.Input // by number, from firstInput on

	nodeNumber   map[string]uint32
	letterNumber map[string]uint32
	solveNumber  map[string]uint32
	moveNumber   map[move]uint32
	keyNumber    map[uint64]uint32
	freshNumber  map[uint64]uint32
	decisions    map[string]strategy.Decision // by question
	results      memo
	made         []making
	buffer       []byte

	// For tests: what breaks the rules, and other nodes with the same bytes.
	tamper func([]protocol.Output) []protocol.Output
	twins  map[uint32]*protocol.Node
}

// node is one state of a node at instant base, and what a search asks of it.
type node struct {
	at        int // position on the ring
	node      *protocol.Node
	partition protocol.PartitionID
	epoch     protocol.Epoch
	booked    bool
	leads     bool
	leader    int                  // position
	asks      protocol.PartitionID // that it asks to merge; the zero value if none
	members   uint8                // a bit for each
	due       uint8                // a bit for each timer that fires now
	waits     bool                 // for a timer
	promised  int64                // bytes of memory
}

// letter is a message on its way.
type letter struct {
	to      int // position of the node
	input   uint32
	message protocol.Message
}

// solve is a solver at work.
type solve struct {
	at     int
	ask    protocol.Solve
	answer uint32 // the input that it will be
}

// move is a migration under way.
type move struct {
	vm             int // position in vms
	source, target int
	bypass         bool
}

// effect is one thing that a node asked for.
type effect struct {
	kind   effectKind
	number uint32
}

type effectKind uint8

const (
	sends effectKind = iota
	asksSolver
	migrates
	begins
	givesUp
)

// result is what a node did for an input.
type result struct {
	node    uint32
	effects []effect
	err     error // the node panicked
}

// The inputs that have fixed numbers; timers follow.
const (
	ticked uint32 = iota
	overloaded
	toBeEmptied
	firstTimer
	firstInput = firstTimer + 8
)

func newCatalogue(w *World) *catalogue {
	vms, _ := w.vms()
	ids := make([]cluster.NodeID, len(w.Demands))
	for i := range ids {
		ids[i] = cluster.NodeID(i + 1)
	}
	later := make([]cluster.VM, len(vms))
	for i, vm := range vms {
		later[i] = changed(vm)
	}
	return &catalogue{
		world: w, ring: overlay.NewRing(ids), size: len(ids), vms: vms, later: later, lively: w.shape().lively, memory: int64(w.capacity().Memory()),
		nodes:      make([]node, 1), // number 0 is dead
		nodeNumber: map[string]uint32{}, letterNumber: map[string]uint32{}, solveNumber: map[string]uint32{},
		moveNumber: map[move]uint32{}, keyNumber: map[uint64]uint32{}, freshNumber: map[uint64]uint32{},
		decisions: map[string]strategy.Decision{},
	}
}

// fresh returns the number of a node that has just started, after so many
// starts before.
func (c *catalogue) fresh(at int, starts uint8) uint32 {
	key := uint64(at)<<8 | uint64(starts)
	number, ok := c.freshNumber[key]
	if !ok {
		c.made = append(c.made, making{makesNode, key})
		n := protocol.New(cluster.NodeID(at+1), c.world.Settings(), c.ring, 1)
		n.Restarted(uint16(starts))
		number = c.number(at, n)
		c.freshNumber[key] = number
	}
	return number
}

// number returns the number of a state of a node, which must not change any more.
func (c *catalogue) number(at int, n *protocol.Node) uint32 {
	c.buffer = n.Encode(c.buffer[:0], base)
	if number, ok := c.nodeNumber[string(c.buffer)]; ok {
		if c.twins != nil && c.twins[number] == nil {
			c.twins[number] = n
		}
		return number
	}
	e := node{at: at, node: n, promised: int64(n.Promised().Memory())}
	e.partition, e.booked = n.Booked()
	if e.booked {
		e.epoch = n.Epoch()
		e.leads, e.leader = n.Leads(), int(n.Leader()-1)
		if asked, ok := n.Asks(); ok {
			e.asks = asked
		}
		for _, m := range n.Members() {
			e.members |= 1 << (m - 1)
		}
	}
	for _, t := range protocol.Timers() {
		if at, ok := n.Due(t); ok {
			e.waits = true
			if at <= base {
				e.due |= 1 << t
			}
		}
	}
	number := uint32(len(c.nodes))
	c.nodes = append(c.nodes, e)
	c.nodeNumber[string(c.buffer)] = number
	return number
}

// input gives an input a number.
func (c *catalogue) input(in protocol.Input) uint32 {
	c.inputs = append(c.inputs, in)
	return firstInput + uint32(len(c.inputs)-1)
}

// step returns what a node does for an input.
func (c *catalogue) step(number, input uint32) result {
	key := uint64(number)<<32 | uint64(input)
	r, ok := c.results.get(key)
	if !ok {
		c.made = append(c.made, making{makesStep, key})
		r = c.make(number, input)
		c.results.put(key, r)
	}
	return r
}

// make makes a step for the first time.
func (c *catalogue) make(number, input uint32) result {
	return c.stepped(c.nodes[number].at, c.nodes[number].node.Clone(), input)
}

// stepped makes a step with a node, which it changes.
func (c *catalogue) stepped(at int, n *protocol.Node, input uint32) (r result) {
	if input == ticked {
		n.Shift(-unit)
		return result{node: c.number(at, n)}
	}
	defer func() {
		if cause := recover(); cause != nil {
			r.err = fmt.Errorf("node %d panics: %v", at+1, cause)
		}
	}()
	outputs := n.Step(base, c.inputOf(input))
	if c.tamper != nil {
		outputs = c.tamper(outputs)
	}
	for _, out := range outputs {
		if r.err = maySend(n, out); r.err != nil {
			return r
		}
		if e, ok := c.effect(at, out); ok {
			r.effects = append(r.effects, e)
		}
	}
	r.node = c.number(at, n)
	return r
}

func (c *catalogue) inputOf(input uint32) protocol.Input {
	switch {
	case input == overloaded:
		return protocol.Overloaded{}
	case input == toBeEmptied:
		return protocol.Raised{Kind: protocol.Drain}
	case input < firstInput:
		return protocol.TimerFired{Timer: protocol.Timer(input - firstTimer)}
	}
	return c.inputs[input-firstInput]
}

// effect keeps what an output asks for. ok is false if that changes nothing
// here: timers are part of the node.
func (c *catalogue) effect(at int, out protocol.Output) (e effect, ok bool) {
	switch out := out.(type) {
	case protocol.Send:
		return effect{sends, c.letter(out)}, true
	case protocol.Solve:
		return effect{asksSolver, c.solve(at, out)}, true
	case protocol.Migrate:
		return effect{migrates, c.move(move{int(out.VM - 1), at, int(out.Target - 1), out.Bypass})}, true
	case protocol.Began:
		return effect{begins, out.Partition.Sequence}, true
	case protocol.Ended:
		return effect{kind: givesUp}, out.Outcome == protocol.Lost
	case protocol.SetTimer, protocol.Applying, protocol.Noted, protocol.Answered:
		return effect{}, false
	}
	panic(fmt.Sprintf("explorer: unknown output %T", out))
}

func (c *catalogue) letter(s protocol.Send) uint32 {
	c.buffer = append(c.buffer[:0], byte(s.To))
	c.buffer = s.Message.Encode(c.buffer)
	number, ok := c.letterNumber[string(c.buffer)]
	if !ok {
		number = uint32(len(c.letters))
		c.letterNumber[string(c.buffer)] = number
		c.letters = append(c.letters, letter{int(s.To - 1), c.input(protocol.Received{Message: s.Message}), s.Message})
	}
	return number
}

func (c *catalogue) solve(at int, ask protocol.Solve) uint32 {
	c.buffer = append(c.buffer[:0], byte(at))
	c.buffer = ask.Encode(c.buffer)
	number, ok := c.solveNumber[string(c.buffer)]
	if !ok {
		number = uint32(len(c.solves))
		c.solveNumber[string(c.buffer)] = number
		d := c.decide(ask)
		answer := protocol.Solved{Partition: ask.Partition, Epoch: ask.Epoch, Found: d.Found, Reasons: d.Reasons, Plan: d.Plan}
		c.solves = append(c.solves, solve{at, ask, c.input(answer)})
	}
	return number
}

// solverBudget bounds the solver, in search steps; it is plenty for a few nodes.
const solverBudget = 100_000

// decide asks the solver, once for the same question.
func (c *catalogue) decide(ask protocol.Solve) strategy.Decision {
	ask.Partition, ask.Epoch = protocol.PartitionID{}, 0
	key := string(ask.Encode(nil))
	d, ok := c.decisions[key]
	if !ok {
		d = strategy.Decide(ask, solverBudget)
		c.decisions[key] = d
	}
	return d
}

func (c *catalogue) move(m move) uint32 {
	number, ok := c.moveNumber[m]
	if !ok {
		number = uint32(len(c.moves))
		c.moveNumber[m] = number
		c.moves = append(c.moves, m)
	}
	return number
}

// Some inputs have a key, from which they can be made again.
const (
	migratedKey = uint64(1) << 63
	toldKey     = uint64(1) << 62
	yes         = uint64(1)
)

// migrated returns the input that ends a migration.
func (c *catalogue) migrated(m move, ok bool) uint32 {
	key := migratedKey | uint64(m.vm)<<1
	if ok {
		key |= yes
	}
	return c.keyed(key)
}

// told returns the input that tells nodes that one is gone, or there again.
func (c *catalogue) told(about int, gone bool) uint32 {
	key := toldKey | uint64(about)<<1
	if gone {
		key |= yes
	}
	return c.keyed(key)
}

// hypervisor is what a node is told that it hosts: a bit for each VM.
type hypervisor struct {
	at           int // position of the node
	here, coming uint16
	changed      uint16 // of those that are here
	draining     bool
}

// The parts of the key of an input that says what a node hosts.
const (
	comingBit   = 0
	hereBit     = comingBit + MaxVMs
	changedBit  = hereBit + MaxVMs
	atBit       = changedBit + MaxVMs
	drainingBit = atBit + 3
)

func (h hypervisor) key() uint64 {
	key := uint64(h.at)<<atBit | uint64(h.changed)<<changedBit | uint64(h.here)<<hereBit | uint64(h.coming)<<comingBit
	if h.draining {
		key |= 1 << drainingBit
	}
	return key
}

func hypervisorOf(key uint64) hypervisor {
	return hypervisor{
		at: int(key >> atBit & (MaxNodes - 1)), draining: key>>drainingBit&1 == 1,
		here: uint16(key >> hereBit), coming: uint16(key >> comingBit), changed: uint16(key >> changedBit),
	}
}

// hypervisor returns what a node hosts in a state, but for what is on its way.
func (c *catalogue) hypervisor(s *state, at int) hypervisor {
	h := hypervisor{at: at, draining: s.draining&(1<<at) != 0}
	for v := range c.vms {
		if int(s.host[v]) == at {
			h.here |= 1 << v
		}
	}
	h.changed = s.changed & h.here
	return h
}

// observed returns the input that tells a node what it hosts.
func (c *catalogue) observed(s *state, at int) uint32 {
	h := c.hypervisor(s, at)
	for _, m := range s.moves {
		if move := c.moves[m>>1]; move.target == at && m&1 == 0 {
			h.coming |= 1 << move.vm
		}
	}
	return c.keyed(h.key())
}

// keyed returns the number of the input that has a key.
func (c *catalogue) keyed(key uint64) uint32 {
	number, ok := c.keyNumber[key]
	if !ok {
		c.made = append(c.made, making{makesInput, key})
		number = c.input(c.inputOfKey(key))
		c.keyNumber[key] = number
	}
	return number
}

func (c *catalogue) inputOfKey(key uint64) protocol.Input {
	number := int(key &^ (migratedKey | toldKey) >> 1)
	switch {
	case key&migratedKey != 0:
		return protocol.Migrated{VM: c.vms[number].ID, OK: key&yes != 0}
	case key&toldKey != 0 && key&yes != 0:
		return protocol.Down{Node: cluster.NodeID(number + 1)}
	case key&toldKey != 0:
		return protocol.Up{Node: cluster.NodeID(number + 1)}
	}
	return protocol.Observed{Local: c.local(hypervisorOf(key))}
}

// local is what the hypervisor of a node says.
func (c *catalogue) local(h hypervisor) protocol.Local {
	l := protocol.Local{Capacity: c.world.capacity(), Draining: h.draining}
	for v := range c.vms {
		if h.here&(1<<v) != 0 {
			l.VMs = append(l.VMs, c.vm(v, h.changed))
		}
		if h.coming&(1<<v) != 0 {
			l.Incoming = append(l.Incoming, c.vms[v].ID)
		}
	}
	return l
}

// vm returns a VM, which may be among those that have changed.
func (c *catalogue) vm(v int, changed uint16) cluster.VM {
	if changed&(1<<v) != 0 {
		return c.later[v]
	}
	return c.vms[v]
}

// hosted is what a node hosts in a state, besides what is on its way.
func (c *catalogue) hosted(s *state, at int) protocol.Local { return c.local(c.hypervisor(s, at)) }

// making is one step by which the catalogue grew. Repeated in order, they make a
// catalogue that gives everything the same number.
type making struct {
	kind makingKind
	what uint64 // the node and its input, the key of an input, or the position of a node and its starts
}

type makingKind uint8

const (
	makesStep makingKind = iota
	makesInput
	makesNode
)

func (c *catalogue) repeat(m making) {
	switch m.kind {
	case makesStep:
		c.step(uint32(m.what>>32), uint32(m.what))
	case makesInput:
		c.keyed(m.what)
	case makesNode:
		c.fresh(int(m.what>>8), uint8(m.what))
	}
}
