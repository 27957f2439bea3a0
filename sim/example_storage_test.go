package sim_test

import (
	"fmt"

	"github.com/dvms-project/dvms/cluster"
	"github.com/dvms-project/dvms/sim"
)

// Two VMs boot together from the same hard disk. One of them is then saved, and
// restored.
func ExampleSimulation_Boot() {
	s := sim.New()
	host, _ := s.AddHost(sim.HostSpec{Name: "host", Cores: 4, Speeds: []sim.Speed{sim.Giga}})
	hdd := sim.HDD
	hdd.Host = host
	disk, _ := s.AddDisk(hdd)
	boot := sim.CloudImage
	boot.Image = disk

	say := func(what string) sim.Then {
		return func(err error) { fmt.Printf("%5.1f s: %s (%v)\n", float64(s.Now()), what, err) }
	}
	for _, name := range []string{"a", "b"} {
		vm, _ := s.AddVM(sim.VMSpec{Name: name, Host: host, VCPUs: 1, Memory: 3 * cluster.GiB, Off: true})
		_ = s.Boot(vm, boot, say(name+" runs"), 0)
	}
	s.Call(60, func() { _ = s.Save(0, disk, say("a is saved"), 0) })
	s.Call(120, func() { _ = s.Restore(0, host, say("a runs again"), 0) })
	if err := s.Run(sim.Forever); err != nil {
		fmt.Println(err)
	}
	// Output:
	//  11.0 s: a runs (<nil>)
	//  11.0 s: b runs (<nil>)
	//  81.5 s: a is saved (<nil>)
	// 141.5 s: a runs again (<nil>)
}

// A host computes for a minute, is switched off for ten, and on again.
func ExampleSimulation_PowerDown() {
	s := sim.New()
	host, _ := s.AddHost(sim.HostSpec{Name: "taurus", Cores: 12, Speeds: []sim.Speed{sim.Giga}, Power: sim.Taurus})
	vm, _ := s.AddVM(sim.VMSpec{Name: "vm", Host: host, VCPUs: 6, Demand: 6 * sim.Giga})
	s.Call(60, func() { _ = s.PowerDown(host, nil, 0) })
	s.Call(660, func() { _ = s.PowerUp(host, nil, 0) })
	if err := s.Run(900); err != nil {
		fmt.Println(err)
	}
	used := s.Consumption(host)
	fmt.Printf("idle %.0f J, load %.0f J, off %.0f J, switching %.0f J\n",
		float64(used.Idle), float64(used.Load), float64(used.Off), float64(used.Switching))
	fmt.Printf("the VM owes %.0f J; it pays to switch off for %.0f s and more\n", float64(s.VMEnergy(vm)), float64(sim.Taurus.BreakEven()))
	// Output:
	// idle 14108 J, load 2872 J, off 5791 J, switching 19582 J
	// the VM owes 2872 J; it pays to switch off for 212 s and more
}
