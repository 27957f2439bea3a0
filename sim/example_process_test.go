package sim_test

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// worker computes, again and again, until it is killed.
func worker(p *sim.Process) {
	const work = 10_000 // floating-point operations
	for p.Execute(sim.ExecSpec{Work: work}) == nil {
		tasks++
	}
}

var tasks int // that the worker has done

// example starts a VM on a host, and launches a worker on the VM.
func example(p *sim.Process, pm sim.HostID) error {
	s := p.Simulation()

	// 0. Create a VM on the PM.
	vm, err := s.AddVM(sim.VMSpec{
		Name: "VM0", Host: pm, VCPUs: 1,
		Memory:     2 * cluster.GiB,
		DirtyRate:  60e6, // 60 MB/s at 100 % CPU load
		WorkingSet: 2 * cluster.GiB * 9 / 10,
		Off:        true,
	})
	if err != nil {
		return err
	}
	if err := s.Start(vm); err != nil {
		return err
	}

	// 1. Launch a process on the VM.
	pr, err := s.Spawn(vm.Place(), "worker", worker)
	if err != nil {
		return err
	}
	// 2. Keep the VM running for 10 seconds.
	p.Sleep(10)
	// 3. Suspend the VM for 10 seconds.
	if err := s.Suspend(vm); err != nil {
		return err
	}
	p.Sleep(10)
	if err := s.Resume(vm); err != nil {
		return err
	}
	// 4. Keep the VM running for 10 seconds.
	p.Sleep(10)

	// 5. Clean up.
	pr.Kill()
	if err := s.Shutdown(vm); err != nil {
		return err
	}
	return s.Destroy(vm)
}

// The program of Figure 28 of the thesis behind DVMS, section 5.3.3: "example()
// starts a VM on the given PM, and launches a worker process on the VM."
func Example_virtualMachine() {
	s := sim.New()
	defer s.Close()
	pm, err := s.AddHost(sim.HostSpec{Name: "PM", Cores: 1, Speeds: []sim.Speed{sim.Mega}, Memory: 16 * cluster.GiB})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := s.Spawn(pm.Place(), "example", func(p *sim.Process) {
		if err := example(p, pm); err != nil {
			fmt.Println(err)
		}
		fmt.Printf("%v s: the worker has done %d tasks in the 20 s in which its VM ran\n", p.Now(), tasks)
	}); err != nil {
		fmt.Println(err)
	}
	if err := s.Run(sim.Forever); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 30 s: the worker has done 1999 tasks in the 20 s in which its VM ran
}

// twoHosts returns a simulation with two hosts and a cable of 1 Gbit/s between
// them.
func twoHosts() (s *sim.Simulation, tremblay, jupiter sim.HostID) {
	s = sim.New()
	speeds := []sim.Speed{sim.Giga}
	tremblay, _ = s.AddHost(sim.HostSpec{Name: "Tremblay", Cores: 1, Speeds: speeds})
	jupiter, _ = s.AddHost(sim.HostSpec{Name: "Jupiter", Cores: 1, Speeds: speeds})
	up, down, _ := s.AddDuplex(sim.LinkSpec{Name: "cable", Bandwidth: 125e6, Latency: 100e-6})
	routes := &sim.Table{}
	routes.Add(tremblay, jupiter, up)
	routes.Add(jupiter, tremblay, down)
	s.SetRouter(routes)
	return s, tremblay, jupiter
}

// A message without bytes takes the latency of its way, and its answer takes the
// time that a gigabyte needs.
func Example_pingPong() {
	s, tremblay, jupiter := twoHosts()
	defer s.Close()
	ping, pong := s.Mailbox("ping"), s.Mailbox("pong")

	pinger := func(p *sim.Process) {
		if err := p.Send(ping, p.Now(), 0); err != nil {
			fmt.Println(err)
			return
		}
		sent, err := p.Receive(pong)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.6f s: pong, sent at %.6f s\n", p.Now(), sent)
	}
	ponger := func(p *sim.Process) {
		sent, err := p.Receive(ping)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%.6f s: ping, sent at %.6f s\n", p.Now(), sent)
		if err := p.Send(pong, p.Now(), 1e9); err != nil {
			fmt.Println(err)
		}
	}
	s.Spawn(tremblay.Place(), "pinger", pinger)
	s.Spawn(jupiter.Place(), "ponger", ponger)
	if err := s.Run(sim.Forever); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 0.001301 s: ping, sent at 0.000000 s
	// 8.250025 s: pong, sent at 0.001301 s
}

// A master hands out tasks to workers, whoever asks first. Each worker serves
// until the master has ended, as a daemon.
func Example_masterWorkers() {
	s, tremblay, jupiter := twoHosts()
	defer s.Close()
	tasks, results := s.Mailbox("tasks"), s.Mailbox("results")

	master := func(p *sim.Process) {
		for i := range 6 {
			if _, err := p.SendAsync(tasks, sim.Work(1+i)*sim.Giga, 1e6); err != nil {
				fmt.Println(err)
			}
		}
		for range 6 {
			result, err := p.Receive(results)
			if err != nil {
				fmt.Println(err)
			}
			fmt.Printf("%5.2f s: %v\n", p.Now(), result)
		}
	}
	worker := func(p *sim.Process) {
		for {
			task, err := p.Receive(tasks)
			if err != nil {
				return
			}
			work := task.(sim.Work)
			if err := p.Execute(sim.ExecSpec{Work: work}); err != nil {
				return
			}
			if err := p.Send(results, fmt.Sprintf("%s has done %v Gflop", p.Name(), work/sim.Giga), 1e3); err != nil {
				return
			}
		}
	}
	s.Spawn(tremblay.Place(), "master", master)
	for i, host := range []sim.HostID{tremblay, jupiter} {
		s.SpawnWith(sim.ProcessSpec{Name: fmt.Sprint("worker ", i), Place: host.Place(), Daemon: true}, worker)
	}
	if err := s.Run(sim.Forever); err != nil {
		fmt.Println(err)
	}
	// Output:
	//  1.00 s: worker 0 has done 1 Gflop
	//  2.01 s: worker 1 has done 2 Gflop
	//  4.00 s: worker 0 has done 3 Gflop
	//  6.02 s: worker 1 has done 4 Gflop
	//  9.00 s: worker 0 has done 5 Gflop
	// 12.03 s: worker 1 has done 6 Gflop
}

// Whoever waits for ever is named.
func ExampleDeadlockError() {
	s, tremblay, jupiter := twoHosts()
	defer s.Close()
	s.Spawn(tremblay.Place(), "client", func(p *sim.Process) {
		p.Receive(s.Mailbox("answers"))
	})
	s.Spawn(jupiter.Place(), "server", func(p *sim.Process) {
		p.Receive(s.Mailbox("requests"))
	})
	fmt.Println(s.Run(sim.Forever))
	// Output:
	// sim: at 0 s: no event is left, but processes wait: "client" (receive from mailbox "answers"), "server" (receive from mailbox "requests")
}
