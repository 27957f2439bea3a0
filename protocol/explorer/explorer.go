// Package explorer walks through everything that can happen to a few nodes of
// the protocol: a model checker for the very code that runs in production.
//
// A World says how many nodes and VMs there are and how much may happen. A
// Search visits, breadth first, every state that can be reached by any order of
// overloads, drains, changes of load, deliveries, answers of the solver, ends of
// migrations, timers, crashes and returns, cuts of the network, losses, duplicates
// and delays, within the bounds. In each
// state it holds the invariants; from each quiet one, and from a sample of the
// others, it goes on without a fault and holds that all ends well. What it finds
// wrong, it prints as the shortest script of protocoltest that leads there.
//
// # What is checked
//
//   - I1: while nothing has gone wrong, no node is in the partitions of two leaders;
//     and members know the same members as their leader, so that they know their
//     first out.
//   - A node sends no event to a member of its own partition: it leapfrogs.
//   - Of two partitions that may merge, one acts.
//   - A node that was down uses no number of a procedure again.
//   - I2: a migration starts only if its source and its target are held by one
//     partition at one epoch; neither is free before it has ended.
//   - I3: a VM moves from where it is, and once at a time.
//   - I4: a node has memory for what it hosts and for what is on its way, and has
//     promised it.
//   - A migration makes no target overloaded, as long as no load has changed; and a
//     node that is to be emptied promises no room.
//   - While nothing has gone wrong, no partition is given up for lost.
//   - L1: without further faults all becomes quiet, and every node is free; also
//     while the network is cut.
//   - L2: the monitors then look, and without further faults all live nodes become
//     viable, and empty if they are to be, or the solver proves from what all of
//     them host that they can't.
//
// That a node is reserved by one partition (I1) and a VM is on one node (I3) is
// also the shape of the state: a node has one booking, a VM one host. L1 and L2 are
// held for one fair order of what remains, not for all of them.
//
// # Time
//
// Instants are whole units, as are all settings. What happens between two
// instants, happens at one of them, and things of one instant happen in any order.
// That is no loss where waits are only compared with bounds [1]; it is one where three
// or more orders depend on parts of a unit. A message takes no time, in any
// order with others, unless it is lost or late: time goes on when every message has
// been delivered. A late message arrives at any later time, or never. Solvers
// and migrations take as long as they like; a solver that takes longer than the
// protocol waits counts as a failure. Timers fire when they are due, in any order
// among those of one instant. Nodes have the same clock: as only durations on one
// node are compared, that leaves out clocks that run at other speeds, but not
// nodes that stall, whose messages are late. The back-off is as short as can be: an
// overload may be raised at any time.
//
// # What else is left out
//
// A load changes once, to one other value. Events are overloads and drains that do
// not end. A crash takes the host with it, not the agent alone; its migrations end.
// All live nodes are told at one moment, any time later, that a node is gone or back;
// of a cut nobody is told. Messages that are not late reach a node that crashed
// before it returns, and are lost if the network is cut before they arrive. The
// overlay is a ring.
//
// # How it is fast
//
// A world has many states but few different nodes. A state is a list of numbers
// of nodes, messages and so on in a catalogue, which remembers what each node did for
// each input. So a step of the search is nearly always a look-up. A state takes
// about 20 bytes: 64 bits of hash, and how it was found. Two states that share a hash are
// taken for one: with n states that is to be expected n²/2⁶⁵ times.
//
// There is neither symmetry reduction, as neighbours on the ring differ, nor
// partial-order reduction but for this: a message gets lost, or late, at the moment at
// which time goes on without it, as that is when it first matters; and it is
// doubled when it is delivered, as it could not be told from its copy before.
//
// # Sources
//
//	[1] T. A. Henzinger, Z. Manna and A. Pnueli. What good are digital clocks?
//	    ICALP 1992.
package explorer
