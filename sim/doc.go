// Package sim is a discrete-event simulation of a data centre: hosts and what
// they compute, the VMs that they host, the network between them, disks, live
// migration, boot and energy. Its models are those of SimGrid and of its VM layer
// [1] [2], exactly where these are right, and corrected where they are not.
//
// The package knows time and physics only. Who decides what to migrate, and how
// deciders talk to each other, is left to its users.
//
// # Two ways to program it
//
// As callbacks: plan events with [Simulation.At] or [Simulation.Call], start
// activities (an execution, a flow, an access to a disk, a migration) and be
// told when they end. This allocates nothing on the way, and is for large worlds.
//
//	s := sim.New()
//	a, _ := s.AddHost(sim.HostSpec{Name: "a", Cores: 8, Speeds: []sim.Speed{sim.Giga}})
//	vm, _ := s.AddVM(sim.VMSpec{Name: "vm", Host: a, VCPUs: 1, Memory: cluster.GiB})
//	s.Execute(vm.Place(), sim.ExecSpec{Work: 5 * sim.Giga}, sim.Then(func(err error) { fmt.Println(s.Now()) }), 0)
//	err := s.Run(sim.Forever)
//
// As processes: sequential code that sleeps, computes, sends and receives, as in
// SimGrid's MSG and S4U, see [Simulation.Spawn]. Both ways may be mixed freely;
// docs/porting-from-simgrid.md says how the calls of SimGrid are called here.
//
// # Units
//
// Dates and durations are [Seconds], memory and traffic are bytes, bandwidth is
// in bytes per second, power in watts and energy in joules. Work is in flop and
// speed in flop/s, or in whatever unit the user counts work in, since only the
// ratio of the two matters: package experiment counts in millicore-seconds.
//
// # CPU
//
// A host has C cores of S flop/s. Its executions share C×S in proportion to
// their weights, and none gets more than its cap (weighted max-min, by
// progressive filling [3]). An execution of k threads weighs k and is capped at
// k×S; others weigh their priority and are capped at S, or less on request. S
// follows the p-state and the availability of the host.
//
// # VMs
//
// There are two levels [2]. On its host a VM is one execution: it weighs as much
// as the vCPUs that are busy, times its priority, and is capped by them, and by
// its own cap. What it gets is shared among what runs in it as on a host. The
// share is work-conserving: a VM asks for what its executions can use, and takes
// no more. SimGrid's takes what its busy vCPUs could use, and wastes what their
// caps forbid (Settings.Law chooses).
//
// A load that never ends is set with [Simulation.SetDemand]. It is integrated when
// something changes and never waits in the queue, so a VM whose load is steady
// costs nothing.
//
// A VM may be pinned to cores. It is suspended and resumed at once; saving and
// restoring it move its memory to and from a disk; booting it computes and reads.
//
// # Network
//
// A flow crosses the links of its route. It waits for their latencies, times a
// factor, without using bandwidth. Then the flows share the links by weighted
// max-min [3]: the share is inverse to the flow's round-trip penalty, the latency
// of its route plus S/B for each link [4], and not above the TCP window over the
// latency, γ/2D. Factors and constants are those of CM02 [3] or LV08 [4], the
// default. With cross traffic, 5 % of a flow weigh on the way back. Only the
// flows that share links with a change, directly or through others, are looked at.
//
// # Live migration
//
// Pre-copy [5] as validated against QEMU/KVM in [2]: the whole memory is sent
// while the VM runs; then, in rounds, what it wrote meanwhile; and when what is
// left fits the downtime aimed at, the VM is paused and the rest is sent. A VM
// writes in proportion to what it computes, and in a round no more than its
// working set. What happens if this does not converge is a [MigrationPolicy]:
// the VM is paused all the same, as in Xen [11], slowed down as in QEMU, or goes
// on at the target and pulls the rest from there [12], or the migration is given
// up. The target's memory is promised from the start. [Predict] computes the
// same without a simulation.
//
// # Disks and boot
//
// A disk is one server: reads and writes share its time equally, and a hard disk
// loses time between them, see [DiskSpec]. A VM boots by computing and reading in
// turn, so that it slows down with what else uses the host, the disk and, if the
// image is elsewhere, the network, as in [6]: see [BootSpec]. Boots that begin
// together begin at different points of this cycle, because real ones drift
// apart; in step they would take half as long again as was measured [9]. A boot
// set is some 45 MB [10]. Saving a VM writes its memory to a disk, of its own
// host or of another, and frees it; it may be restored on any host.
//
// # Energy
//
// A host draws a power that is linear in its load, from the least to full load,
// for each p-state; when idle, off, booting and shutting down it draws others
// [7]: see [Power] and [Simulation.PowerUp]. It is integrated exactly at every
// change, and the part above idle is attributed to VMs by their shares of the
// load: see [Simulation.VMEnergy]. The energy of disks and links is not modelled.
//
// # When not to trust it
//
// The models are fluid: they say how long a transfer takes, not when a packet is
// lost, and how much a VM computes, not when it is scheduled. Transfers of less
// than about 10 MB are quicker or slower in reality, since slow start is in the
// latency factor alone [4]. Several migrations into one host at once were up to
// 18 % off in the experiments of the thesis [8]. Caches, memory bandwidth and
// hyper-threads are not modelled: a core is worth the same whatever its
// neighbours do. How a VM writes memory is one number. Boots of one or six VMs,
// alone or beside twelve that compute, are 6 to 9 % off the measured means on
// average, and 16 % at worst [9]; they are too short by a tenth where both the CPU
// and the disk are short.
//
// # Determinism
//
// A simulation has no clock, no goroutine and no random source of its own: the
// same calls give the same results, bit for bit, on any machine. Events take place
// in the order of date and, among equal dates, of being planned. No product is
// summed before it was rounded, so that fused multiply-add changes nothing.
//
// # Cost
//
// An event costs what it touches: a change of load the VMs of one host, a
// transfer the transfers that share links with it. docs/benchmarks.md has figures.
//
// # Sources
//
//	[1] H. Casanova, A. Giersch, A. Legrand, M. Quinson and F. Suter, "Versatile,
//	    scalable, and accurate simulation of distributed applications and
//	    platforms", J. Parallel and Distributed Computing 74(10), 2014.
//	[2] T. Hirofuchi, A. Lebre and L. Pouilloux, "SimGrid VM: Virtual Machine
//	    Support for a Simulation Framework of Distributed Systems", IEEE
//	    Transactions on Cloud Computing 6(1), 2018.
//	[3] H. Casanova and L. Marchal, "A network model for simulation of grid
//	    application", research report RR-2002-40, LIP, 2002; progressive filling
//	    as in D. Bertsekas and R. Gallager, "Data Networks", 1992, section 6.5.2.
//	[4] P. Velho and A. Legrand, "Accuracy study and improvement of network
//	    simulation in the SimGrid framework", SIMUTools 2009.
//	[5] C. Clark et al., "Live Migration of Virtual Machines", NSDI 2005.
//	[6] T. L. Nguyen and A. Lebre, "Virtual Machine Boot Time Model", PDP 2017.
//	[7] F. C. Heinrich et al., "Predicting the Energy-Consumption of MPI
//	    Applications at Scale Using Only a Single Node", CLUSTER 2017.
//	[8] The thesis behind DVMS, section 6.4.1.
//	[9] The data set NCU-VMDataset, described in J. Cloud Computing 13:80, 2024.
//	[10] T. L. Nguyen, R. Nou and A. Lebre, "YOLO: Speeding up VM and Docker Boot
//	    Time by reducing I/O operations", Euro-Par 2019.
//	[11] Xen, tools/libxc/xc_domain_save.c: at most 30 rounds, and the last one
//	    as soon as 3 times the memory was sent.
//	[12] QEMU, migration/options.c and ram.c: throttle-trigger-threshold 50,
//	    cpu-throttle-initial 20, cpu-throttle-increment 10, max-cpu-throttle 99;
//	    docs/devel/migration/postcopy.rst.
package sim
